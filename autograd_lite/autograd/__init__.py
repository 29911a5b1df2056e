"""Differentiation under PyTorch's names: `grad`, `Function`, `functional`, `gradcheck`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Self

from .. import differences
from ..absent import missing
from ..anomaly import detect_anomaly
from ..calculus import as_tuple, grad
from ..engine.arrays import unboxed
from ..engine.backward import deliver_all, own, pull_in_mode, seed_of
from ..engine.modes import enable_grad, inference_mode, no_grad, set_grad_enabled
from ..engine.tensor import Tensor, as_tensor
from . import function, functional
from .function import Function

__all__ = [
    "Function", "Variable", "backward", "detect_anomaly", "enable_grad", "function", "functional",
    "grad", "gradcheck", "gradgradcheck", "inference_mode", "no_grad", "set_detect_anomaly",
    "set_grad_enabled",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)


def Variable(data: Any, requires_grad: bool = False) -> Tensor:
    """A tensor that shares the memory of `data`: what PyTorch had before tensors had gradients.

    >>> Variable([1.0], requires_grad=True)
    tensor([1.], requires_grad=True)
    """
    t = as_tensor(data).detach()
    return t.requires_grad_() if requires_grad else t


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the derivatives of several tensors to the `grad` of the leaves, or of the `inputs` alone,
    in one backward pass.

    `grad_tensors` are their gradients; None for a tensor of one element. Errors as
    `Tensor.backward`.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> backward([x.sum(), x * x], [None, Tensor([1.0, 1.0])])
    >>> x.grad
    tensor([3., 5.])
    """
    outputs = as_tuple(tensors)
    given = (None,) * len(outputs) if grad_tensors is None else as_tuple(grad_tensors)
    if len(given) != len(outputs):
        raise ValueError(f"backward: {len(outputs)} tensors, but {len(given)} grad_tensors")
    seeds = [(t, seed_of(t, g, create_graph)) for t, g in zip(outputs, given, strict=True)]
    handed: dict[int, Any] = {}
    for _, g in seeds:
        own(unboxed(g), handed)
    keep = create_graph if retain_graph is None else retain_graph
    found: Any = None if inputs is None else {}
    grads = pull_in_mode(seeds, keep, create_graph, found=found)
    if inputs is not None:
        grads = {t: found[t] for t in as_tuple(inputs) if t in found}
    deliver_all(grads.items(), handed)


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *settings: Any,
    raise_exception: bool = True,
    fast_mode: bool = False,
    **words: Any,
) -> bool:
    """`autograd_lite.gradcheck`, which chooses its steps and tolerances itself: PyTorch's `eps`,
    `atol`, `rtol` and the like change nothing, but for `fast_mode`.

    >>> gradcheck(lambda x: x * x, Tensor([1.0, 2.0]), eps=1e-6, atol=1e-4)
    True
    """
    return differences.gradcheck(func, inputs, raise_exception=raise_exception, fast_mode=fast_mode)


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    raise_exception: bool = True,
    fast_mode: bool = False,
    **words: Any,
) -> bool:
    """`autograd_lite.gradgradcheck`, with PyTorch's arguments as in `gradcheck`.

    >>> gradgradcheck(lambda x: x * x, Tensor([1.0, 2.0]), eps=1e-6)
    True
    """
    return differences.gradgradcheck(
        func, inputs, raise_exception=raise_exception, fast_mode=fast_mode
    )


class Anomaly(threading.local):
    """The search for NaN that `set_detect_anomaly` has begun in this thread."""

    search: detect_anomaly | None = None


anomaly = Anomaly()


class set_detect_anomaly:
    """Begin, or end, in this thread what `detect_anomaly` does; a context manager too.

    >>> set_detect_anomaly(True) and set_detect_anomaly(False) and None
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.outer = anomaly.search is not None
        self.check_nan = check_nan
        self.switch(mode)

    def switch(self, mode: bool) -> None:
        """Search from here on, or no more."""
        if mode and anomaly.search is None:
            anomaly.search = detect_anomaly(self.check_nan)
            anomaly.search.__enter__()
        elif not mode and anomaly.search is not None:
            anomaly.search.__exit__(None, None, None)
            anomaly.search = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.switch(self.outer)
