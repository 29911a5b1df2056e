"""Forwards that are torch's: torch is the judge. It is never imported, only used where it is."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from typing import Any

import numpy as np

from ...engine.tape import Array
from ...exchange import loaded, values_of
from .execution import seen_by
from .pairs import Contextual, Run


def uses_torch(f: Any) -> bool:
    """Whether a function refers to torch, or to something of it."""
    return loaded() is not None and any(
        str(getattr(x, "__name__" if inspect.ismodule(x) else "__module__", "")).startswith("torch")
        for x in seen_by(f).values()
    )


class Torch:
    """The runs of a function on torch's tensors; of a Module with parameters in their place."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.leaves: dict[str, Any] = {}

    @classmethod
    def of(cls, forward: Any) -> Torch | None:
        """Its runs if `forward` is torch's by its type, else None."""
        torch = loaded()
        if torch is None or not hasattr(torch, "nn"):
            return None
        if isinstance(forward, torch.nn.Module):
            return cls(deepcopy(forward).double())
        function = isinstance(forward, type) and issubclass(forward, torch.autograd.Function)
        own = str(getattr(forward, "__module__", "")).split(".")[0] == "torch"
        return cls(None) if function or own else None

    def parameters(self) -> dict[str, Array]:
        """The arrays of a Module's parameters."""
        if self.module is None:
            return {}
        return {n: numbers(p) for n, p in self.module.named_parameters()}

    def run(self, function: Any, arrays: Mapping[str, Array]) -> Run:
        """The run on tensors of these arrays, recorded by torch."""
        torch = loaded()
        self.leaves = {n: torch.tensor(a) for n, a in arrays.items()}
        for leaf in self.leaves.values():
            if leaf.is_floating_point():
                leaf.requires_grad_()
        values = function.values(self.leaves)
        with torch.enable_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # the same dropout each time
            if self.module is None:
                run = function.pair.run(values)
            else:
                own = {n: self.leaves[n] for n, _ in self.module.named_parameters()}
                run = Run([torch.func.functional_call(self.module, own, tuple(values))])
        if not all(isinstance(y, torch.Tensor) for y in run.outputs):
            raise TypeError("check_backward: the forward returned no tensor of torch")
        return run

    def gradients(self, run: Run, gs: Sequence[Array]) -> dict[str, Array]:
        """The gradients of the leaves by torch, for these gradients of the outputs."""
        torch = loaded()
        pairs = [(y, torch.tensor(g)) for y, g in zip(run.outputs, gs, strict=True)]
        pairs = [(y, g.to(y.dtype)) for y, g in pairs if y.requires_grad]
        leaves = {n: t for n, t in self.leaves.items() if t.requires_grad}
        found = torch.autograd.grad(
            [y for y, _ in pairs], list(leaves.values()), [g for _, g in pairs],
            allow_unused=True, retain_graph=True,
        )  # fmt: skip
        zeros = {n: np.zeros(tuple(t.shape)) for n, t in leaves.items()}
        return zeros | {n: numbers(g) for n, g in zip(leaves, found, strict=True) if g is not None}

    def backward(
        self, function: Any, gs: Sequence[Array], arrays: Mapping[str, Array], run: Run
    ) -> Any:
        """What the backward by hand returns: on arrays, or on tensors where it is torch code."""
        own = [arrays[n] for n in arrays if n not in function.names] if self.module else []
        if not isinstance(function.pair, Contextual):
            with suppress(TypeError, AttributeError):
                return function.pair.gradients(gs, [*function.values(arrays), *own], run)
        torch = loaded()
        with torch.no_grad():
            leaves = {n: torch.tensor(a) for n, a in arrays.items()}
            kept = [leaves[n] for n in arrays if n not in function.names] if self.module else []
            tensors = [torch.tensor(g) for g in gs]
            result = function.pair.gradients(tensors, [*function.values(leaves), *kept], run)
        return plain(result)


def plain(x: Any) -> Any:
    """Arrays for torch's tensors, also inside tuples and dictionaries."""
    if isinstance(x, Mapping):
        return {k: plain(v) for k, v in x.items()}
    if isinstance(x, tuple | list):
        return type(x)(plain(v) for v in x)
    return numbers(x) if hasattr(x, "detach") else x


def numbers(t: Any) -> Array:
    """A tensor's numbers, in an array of their own."""
    return np.array(values_of(t))
