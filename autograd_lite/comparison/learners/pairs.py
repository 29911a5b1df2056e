"""A forward and its backward as people have them: functions, classes, one for both."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine.arrays import unboxed
from ...engine.tensor import Tensor
from .calls import loss_first, positional

KEPT = re.compile("cache|ctx|context|saved|memory|state")
PREDICTED = re.compile("pred|hat|out|logit|score|prob")
UPSTREAM = re.compile("^(d|g$|g_|up)|grad|bar$")  # in the names of arriving gradients


@dataclass
class Run:
    """What a forward gave: its outputs, and what it kept for its backward."""

    outputs: list[Any]
    kept: Any = None


class Pair:
    """Two functions: `backward(g, *inputs)`, `backward(g)`, or with what the forward returned
    beside its outputs, `backward(g, cache)`, `backward(dh, dc, cache)`."""

    def __init__(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        self.forward, self.backward = forward, backward
        self.names = input_names_of(forward)
        self.needs = [p.name for p in positional(backward) if p.default is p.empty]
        unbound = takes_any_number(backward) or not positional(backward)
        self.takes = math.inf if unbound else len(positional(backward))
        if not self.names and not takes_any_number(forward):
            self.names = self.needs[1:]  # a builtin of torch does not tell
        self.optional = [p.name for p in positional(forward) if p.default is not p.empty]
        self.title = getattr(backward, "__name__", "<lambda>").replace("<lambda>", "backward")

    @property
    def is_loss(self) -> bool:
        """Whether the forward gives a loss, whose own gradient is 1: the backward takes none."""
        return len(self.arriving) == 1 and KEPT.search(self.arriving[0]) is not None

    @property
    def owners(self) -> list[Any]:
        """Where the learner's generators of random numbers are seen from."""
        return [self.forward, self.backward]

    @property
    def arriving(self) -> list[str]:
        """The parameters of the backward that are no inputs: upstream gradients and a cache."""
        return [name for name in self.needs if name not in self.names]

    def keeps(self, run: Run) -> bool:
        """Whether the backward needs what the forward kept, as it may in its object."""
        return bool(run.kept) or inspect.ismethod(self.backward)

    def run(self, values: Sequence[Any]) -> Run:
        result = self.forward(*values)
        if not isinstance(result, tuple | list) or not result:
            return Run([result])
        if self.is_loss:
            return Run([result[0]], result[-1:])
        n = self.sent(result)
        kept = result[n:] if n in (1, len(self.arriving)) else (result[-1],)
        return Run(list(result[:n]), kept)

    def sent(self, result: Sequence[Any]) -> int:
        """How many of the outputs a gradient arrives for; the rest was kept for the backward."""
        n = len(self.arriving)
        if n <= 1 or n > len(result):
            return 1
        if self.ends_in_upstream(result[n - 1]):
            return n
        by_other_names = len(self.needs) == 1 + len(self.names) != 2
        return 1 if by_other_names and not KEPT.search(self.needs[-1]) else n - 1

    def ends_in_upstream(self, output: Any) -> bool:
        """Whether the last parameter that is no input is the gradient of this output, not what
        was kept: that is often no array, or has the name that it has in the forward."""
        if "float" not in str(getattr(output, "dtype", type(output).__name__)):
            return False
        first, last = self.arriving[0], self.arriving[-1]
        code = getattr(inspect.unwrap(self.forward), "__code__", None)
        own = (*code.co_varnames, *code.co_cellvars) if code else ()
        if last in own and first not in own:
            return False
        if UPSTREAM.search(last):
            return True
        if last[0] == first[0] and not KEPT.match(last):  # gh and gc, g and g2; not g and gates
            return not last.startswith(first) or len(last) == len(first) + 1
        placed = {*self.names} <= {*self.needs} and not re.match("d|g|up", first)
        return placed and not KEPT.search(last)  # u and v, beside all inputs

    def gradients(self, upstreams: Sequence[Any], values: Sequence[Any], run: Run) -> Any:
        """What the backward returns for these gradients of the outputs."""
        if self.is_loss:
            upstreams = ()
        if len(self.arriving) != len(upstreams) + 1 or not run.kept:
            alone = self.takes < len(upstreams) + len(values)
            return self.backward(*upstreams, *(() if alone else values))
        by_name = dict(zip(self.names, values, strict=False))
        rest = iter([*upstreams, run.kept[-1]])
        return self.backward(*(by_name[n] if n in by_name else next(rest) for n in self.needs))


class Derivative(Pair):
    """A function and its derivative, both of the same arguments: `sigmoid(z)`, `sigmoid_prime(z)`;
    `mse(y_true, y_pred)`, whose derivative is that by the prediction."""

    def gradients(self, upstreams: Sequence[Any], values: Sequence[Any], run: Run) -> Any:
        (g,), y = upstreams, np.asarray(run.outputs[0])
        found = self.backward(*values[: len(self.needs)])
        if isinstance(found, Mapping):
            return {name: chained(g, d, y, np.shape(d)) for name, d in found.items()}
        if isinstance(found, tuple | list) and len(found) == len(self.names):
            return tuple(chained(g, d, y, np.shape(x)) for d, x in zip(found, values, strict=False))
        by = next((n for n in self.names if PREDICTED.search(n)), self.names[0])
        shape = np.shape(values[self.names.index(by)])
        return {by: chained(g, found, y, shape)}


def chained(g: Any, d: Any, y: Any, shape: tuple[int, ...]) -> Any:
    """An upstream gradient times a derivative: elementwise, or by all of a Jacobian."""
    if np.ndim(y) and np.shape(d) == np.shape(y) + shape:
        return np.tensordot(g, d, np.ndim(y))
    return g * np.asarray(d)


class Together(Pair):
    """One function that returns its value and its gradients: `(loss, grads)`, `(loss, dx, dw)`."""

    is_loss = True

    def __init__(self, forward: Callable[..., Any]) -> None:
        super().__init__(forward, forward)

    def keeps(self, run: Run) -> bool:
        return True

    def run(self, values: Sequence[Any]) -> Run:
        result = loss_first(self.forward(*values))
        if isinstance(result, tuple | list) and len(result) > 1:
            return Run([result[0]], result[1] if len(result) == 2 else list(result[1:]))
        return Run([result])

    def gradients(self, upstreams: Sequence[Any], values: Sequence[Any], run: Run) -> Any:
        return run.kept


class Context:
    """What `forward(ctx, ...)` leaves for `backward(ctx, g)`, under every usual name."""

    def __init__(self, inputs: int) -> None:
        self.needs_input_grad = (True,) * inputs
        self.saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *values: Any) -> None:
        self.saved_tensors = values

    @property
    def saved_values(self) -> tuple[Any, ...]:
        return self.saved_tensors

    def mark_dirty(self, *values: Any) -> None: ...

    def mark_non_differentiable(self, *values: Any) -> None: ...

    def set_materialize_grads(self, value: bool) -> None: ...


class Contextual(Pair):
    """`forward(ctx, ...)` and `backward(ctx, g)`, or with `setup_context(ctx, inputs, output)`."""

    is_loss = False

    def __init__(self, forward: Any, backward: Any, setup: Any = None) -> None:
        super().__init__(forward, backward)
        self.setup = setup
        self.names = self.names if setup else self.names[1:]
        self.needs = self.needs[1:]

    def run(self, values: Sequence[Any]) -> Run:
        ctx = Context(len(values))
        if self.setup is not None:
            result = self.forward(*values)
            self.setup(ctx, tuple(values), result)
        else:
            result = self.forward(ctx, *values)
        outputs = list(result) if isinstance(result, tuple) else [result]
        return Run(outputs, ctx)

    def gradients(self, upstreams: Sequence[Any], values: Sequence[Any], run: Run) -> Any:
        try:
            return self.backward(run.kept, *upstreams)
        except AttributeError:  # code in PyTorch's words, such as g.t() or g.clone()
            if not any(isinstance(y, Tensor) for y in run.outputs):
                raise
            return unboxed(self.backward(run.kept, *map(Tensor, upstreams)))


@dataclass
class Node:
    """What `gradient(out_grad, node)` asks: the operation and its inputs."""

    op: Any
    inputs: list[Any]


class Operation(Pair):
    """An object with `compute(a, b)` and `gradient(out_grad, node)`."""

    def __init__(self, op: Any) -> None:
        super().__init__(op.compute, op.gradient)
        self.op = op

    def run(self, values: Sequence[Any]) -> Run:
        return Run([self.forward(*values)])

    def gradients(self, upstreams: Sequence[Any], values: Sequence[Any], run: Run) -> Any:
        return self.backward(*upstreams, Node(self.op, list(values)))


def pair_of(forward: Any, backward: Any) -> Pair:
    """The pair that a learner has handed in; TypeError for what is none."""
    if backward is None:
        return of_one(forward)
    for what, f in (("forward", forward), ("backward", backward)):
        if not callable(f):
            raise TypeError(f"check_backward: the {what} is a {type(f).__name__}; give a function")
    first = [p.name for p in positional(forward)[:1]]
    if first in (["ctx"], ["context"]):
        return Contextual(forward, backward)
    pair = Pair(forward, backward)
    plain = all(map(inspect.isfunction, (forward, backward)))
    return Derivative(forward, backward) if plain and pair.needs == pair.names else pair


def of_one(owner: Any) -> Pair:
    """The pair that one object, class or function is."""
    if isinstance(owner, type):
        if "setup_context" in vars(owner):
            return Contextual(owner.forward, owner.backward, owner.setup_context)  # type: ignore[attr-defined]
        static = inspect.getattr_static(owner, "forward", None)
        if isinstance(static, staticmethod | classmethod):
            return Contextual(owner.forward, owner.backward)  # type: ignore[attr-defined]
        try:
            owner = owner()
        except TypeError as error:
            raise TypeError(
                f"check_backward: {owner.__name__} is a class; give an object of it: {error}"
            ) from None
    if hasattr(owner, "compute") and hasattr(owner, "gradient"):
        return Operation(owner)
    if callable(getattr(owner, "forward", None)) and callable(getattr(owner, "backward", None)):
        return Pair(owner.forward, owner.backward)
    if not callable(owner):
        raise TypeError(f"check_backward: the forward is a {type(owner).__name__}; give a function")
    return Together(owner)


def input_names_of(forward: Any) -> list[str]:
    """The parameters without a default; [] where they are not known."""
    if isinstance(forward, np.ufunc):
        return ["x", "y"][: forward.nin]
    parameters = positional(getattr(forward, "forward", forward))
    return [p.name for p in parameters if p.default is p.empty]


def takes_any_number(f: Callable[..., Any]) -> bool:
    """Whether a function takes as many arguments as are given."""
    try:
        kinds = {p.kind for p in inspect.signature(f).parameters.values()}
    except (TypeError, ValueError):
        return False
    return inspect.Parameter.VAR_POSITIONAL in kinds
