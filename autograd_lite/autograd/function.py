"""`Function`: an operation with a forward and a backward of one's own, as `torch.autograd` has it.

One call is one record. A backward gives all gradients at once while the tape asks for one input
after another, so every visit of a record calls it once. Of several outputs the record holds the
elements in one row, and each output is a piece of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial, wraps
from itertools import accumulate, count
from math import prod
from typing import Any
from weakref import ref

import numpy as np

from ..engine.modes import is_grad_enabled, mode, no_grad
from ..engine.op import Op
from ..engine.tensor import Tensor, result, wrap
from ..engine.versions import tick

__all__ = ["Function", "FunctionCtx", "once_differentiable"]

PLAIN: Any = (int, float, str, bytes, tuple, type, np.dtype, type(None))


class FunctionCtx:
    """What the forward of a `Function` leaves for its backward: tensors, and any attributes."""

    __slots__ = ("given", "__dict__")

    def __init__(self, args: Sequence[Any]) -> None:
        self.given: Any = None  # in a backward the output and the inputs, as they are then
        self._places = [i for i, a in enumerate(args) if is_tensor(a)]
        self._args = [None if is_tensor(a) else a for a in args]
        self.needs_input_grad = tuple(bool(getattr(a, "requires_grad", False)) for a in args)
        self._keep: tuple[Any, ...] = ()
        self._saved: list[Any] = []  # the number of an input, ~ that of an output, or (tensor, age)
        self._plain: tuple[Any, ...] = ()
        self._filled = True
        self._shapes: list[tuple[int, ...]] = []
        self._arrays: list[Any] = []
        self._order: list[bool] = []  # which outputs have gradients

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors, or None, for `saved_tensors`; inputs and outputs can be differentiated
        again there. TypeError for anything else: make it an attribute."""
        for i, t in enumerate(tensors):
            if t is not None and not is_tensor(t):
                raise TypeError(
                    f"save_for_backward: argument {i} is a {type(t).__name__}, not a Tensor; "
                    "keep it as an attribute, ctx.name = value"
                )
        self._keep = tensors

    def mark_non_differentiable(self, *outputs: Any) -> None:
        """Say which outputs have no gradient; integers need no mark."""
        self._plain = outputs

    def mark_dirty(self, *inputs: Any) -> None:
        """RuntimeError: a Function of this package does not change its inputs."""
        raise RuntimeError(
            "mark_dirty: a Function cannot record that it changes its inputs in place; compute a "
            "new tensor and return it"
        )

    def set_materialize_grads(self, value: bool) -> None:
        """With False, the gradient of an output that is 0 everywhere arrives as None, as that of an
        output which nobody used does."""
        self._filled = bool(value)

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` was given. RuntimeError if a tensor that is neither input nor
        output was changed in place since."""
        if self.given is None:
            return self._keep
        y, inputs = self.given
        return tuple(
            inputs[s] if isinstance(s, int) and s >= 0
            else self.piece(y, ~s) if isinstance(s, int)
            else unchanged(*s)
            for s in self._saved
        )  # fmt: skip

    def piece(self, y: Any, k: int) -> Any:
        """Output `k` of the row that a record holds, or of its gradient."""
        if len(self._shapes) == 1:
            return y
        end = list(accumulate(map(prod, self._shapes)))[k]
        return y[end - prod(self._shapes[k]) : end].reshape(self._shapes[k])

    def sent(self, g: Any) -> list[Any]:
        """The gradients of the outputs."""
        found = [self.piece(g, k) for k in range(len(self._shapes))]
        if self._filled or len(found) == 1:
            return found
        return [None if isinstance(t, Tensor) and not t.array.any() else t for t in found]

    def settle(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> list[Any]:
        """Note what was kept; returned are the outputs that have gradients."""
        differentiable = [
            t for t in outputs
            if is_tensor(t) and t.dtype.kind == "f" and not any(t is p for p in self._plain)
        ]  # fmt: skip
        self._shapes = [t.shape for t in differentiable]
        places = {id(t): ~k for k, t in enumerate(differentiable)}
        places |= {id(t): i for i, t in enumerate(inputs)}
        self._saved = [places.get(id(t), (t, tick())) for t in self._keep]
        self._keep, self._plain = (), ()
        self._arrays = [ref(t.array) for t in inputs if isinstance(t, Tensor)]
        return differentiable

    def keeps(self) -> bool:
        """Whether backward may read what is neither input, output nor a plain value."""
        own = [v for k, v in self.__dict__.items() if k[0] != "_"]
        return not all(isinstance(v, PLAIN) for v in own) or any(
            not isinstance(s, int) and s[0] is not None for s in self._saved
        )

    def bound(self, y: Any, inputs: Sequence[Any]) -> FunctionCtx:
        """This context for one backward; attributes that it sets are seen by the next one."""
        other = object.__new__(type(self))
        other.__dict__ = self.__dict__
        other.given = y, inputs
        return other


def is_tensor(x: Any) -> bool:
    """Whether it is one of our types: a Tensor, or what stands for one in a formula."""
    return hasattr(x, "__op__")


def unchanged(t: Any, age: int) -> Any:
    """A saved tensor, if it still holds what it held."""
    if t is not None and t.version is not None and t.version.changed > age:
        raise RuntimeError(
            f"saved_tensors: a tensor of shape {t.shape} was changed in place after "
            "save_for_backward; save a clone()"
        )
    return t


class Rules:
    """The rules of a Function: one for each input; those of one visit share one backward."""

    def __init__(self, of: type[Function], filled: bool = False) -> None:
        self.of = of
        self.fill = filled

    @property
    def filled(self) -> Rules:
        """The rules that give zeros where backward gives None, for readers of the tape."""
        return Rules(self.of, True)

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        memo: dict[Any, Any] = {}
        yield from (partial(self.rule, memo, i) for i in count())

    def rule(
        self, memo: dict[Any, Any], i: int, g: Any, y: Any, *inputs: Any, ctx: FunctionCtx
    ) -> Any:
        """The gradient of input `i`; None where backward gives none."""
        if memo.get("of") is not g or i not in memo:  # each is given once: `g` may hold others then
            memo.clear()
            found = gradients(self.of, ctx, g, y, inputs)
            memo.update({"of": g} | dict(enumerate(found)))
        gradient = memo.pop(i)
        if gradient is None and self.fill:
            return np.zeros_like(inputs[i])
        return gradient

    @staticmethod
    def reads(i: int, ctx: FunctionCtx) -> bool:
        """Whether backward may use the value of input `i`, or of the output for -1."""
        return any(isinstance(s, int) and (s == i if i >= 0 else s < 0) for s in ctx._saved)


def gradients(
    of: type[Function], ctx: FunctionCtx, g: Any, y: Any, inputs: Sequence[Any]
) -> list[Any]:
    """What a backward makes of the gradient `g` of the record: arrays of arrays, Tensors of
    Tensors, expressions of expressions."""
    given = boxed(inputs)
    if ctx.keeps() and not same_arrays(ctx, inputs):
        if not all(isinstance(x, Tensor) for x in given):
            raise TypeError(f"{of.__name__} keeps values of its own in ctx, no formula shows them")
        ctx = run(of, ctx, given)[0]
    whole, output = (g, y) if is_tensor(g) else boxed([np.asarray(g), y])
    sent: Any = iter(ctx.sent(whole))
    found = of.backward(
        ctx.bound(output, given), *[next(sent) if differs else None for differs in ctx._order]
    )
    found = list(found) if isinstance(found, tuple | list) else [found]
    check_gradients(of.__name__, len(ctx._args), found)
    found = [found[k] for k in ctx._places]
    return found if is_tensor(g) else [None if t is None else t.array for t in found]


def boxed(inputs: Sequence[Any]) -> list[Any]:
    """Tensors of arrays; anything else as it is."""
    return [wrap(x) if isinstance(x, np.ndarray) else x for x in inputs]


def check_gradients(name: str, n: int, found: list[Any]) -> None:
    """Raise unless there is a Tensor or None for each of `n` arguments; more may be None."""
    if len(found) < n or any(t is not None for t in found[n:]):
        raise RuntimeError(
            f"{name}.backward: it returned {len(found)} gradients for the {n} arguments of forward;"
            " return one for each, None where there is none"
        )
    for k, t in enumerate(found[:n]):
        if t is not None and not is_tensor(t):
            raise TypeError(
                f"{name}.backward: gradient {k} is a {type(t).__name__}; return a Tensor or None"
            )


def same_arrays(ctx: FunctionCtx, inputs: Sequence[Any]) -> bool:
    """Whether backward runs on what forward ran on."""
    arrays = [getattr(x, "array", x) for x in inputs]
    return all(a() is x for a, x in zip(ctx._arrays, arrays, strict=True))


def run(
    of: type[Function], ctx: FunctionCtx | None, args: Sequence[Any]
) -> tuple[FunctionCtx, Any, list[Any]]:
    """Forward on `args`, or on the tensors among those of an earlier `ctx`: a new context, what it
    returned, and the outputs that have gradients."""
    if ctx is not None:
        whole, tensors = list(ctx._args), list(args)
        for place, t in zip(ctx._places, tensors, strict=True):
            whole[place] = t
        needs, args = ctx.needs_input_grad, whole
    new = FunctionCtx(args)
    if ctx is not None:
        new.needs_input_grad = needs
    with no_grad():
        if of.setup_context is Function.setup_context:
            output = of.forward(new, *args)
        else:
            output = of.forward(*args)
            of.setup_context(new, tuple(args), output)
    outputs = output if isinstance(output, tuple) else (output,)
    found = new.settle([args[k] for k in new._places], outputs)
    new._order = [any(t is f for f in found) for t in outputs]
    return new, output, found


def whole(found: Sequence[Any]) -> Any:
    """The outputs in one row; one alone stays as it is."""
    return found[0] if len(found) == 1 else np.concatenate([t.reshape((-1,)) for t in found])


class Function:
    """An operation of one's own: a subclass has static methods `forward` and `backward`.

    `forward(ctx, *args)` computes on Tensors without a record and returns one or several;
    `backward(ctx, *gradients)` gets the gradient of each output and returns one for each argument,
    None where there is none. With `setup_context(ctx, inputs, output)` forward gets no ctx. A
    backward of operations can be differentiated again. Call it by `apply`.

    >>> class Cube(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x * x
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * 3 * x * x
    >>> x = Tensor([2.0], requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor([12.])
    """

    def __init__(self) -> None:
        raise TypeError(
            f"{type(self).__name__}: a Function is not made; call {type(self).__name__}.apply(...)"
        )

    @staticmethod
    def forward(*args: Any, **kw: Any) -> Any:
        """The value; a subclass defines it."""
        raise NotImplementedError("Function: a subclass needs a static method forward(ctx, *args)")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep what backward needs, where forward takes no ctx."""

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """The gradients of the arguments; a subclass defines it."""
        raise NotImplementedError(
            "Function: a subclass needs a static method backward(ctx, *gradients)"
        )

    @classmethod
    def operation(cls) -> Op:
        """What its records name: one operation for each class."""
        if "_operation" not in cls.__dict__:

            def forward(*inputs: Any, ctx: FunctionCtx) -> Any:
                given = boxed(inputs)
                new, _, found = run(cls, ctx, given)
                if new.keeps() and not isinstance(given[0], Tensor):
                    raise TypeError("it keeps values of its own in ctx")
                y = whole(found)
                return y.array if isinstance(y, Tensor) else y

            op = Op(cls.__name__, forward)
            op.rules = Rules(cls)
            cls._operation = op  # type: ignore[attr-defined]
        op = cls.__dict__["_operation"]
        return op

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run `forward`, and record it where an argument needs a gradient."""
        if hasattr(mode.watcher, "note"):  # forward may read values, and keep them for backward
            mode.watcher.note(f"it calls {cls.__name__}, an autograd.Function")
        ctx, output, found = run(cls, None, args)
        inputs = tuple([args[k] for k in ctx._places])
        needed = any(t.requires_grad for t in inputs) and mode.grad
        pieces: Any = iter(())
        if found:
            y = whole([t.array for t in found])
            if any(np.may_share_memory(y, t.array) for t in inputs):
                y = y.copy()
            arrays = tuple([t.array for t in inputs])
            node = result(cls.operation(), y, needed, inputs, arrays, {"ctx": ctx})
            pieces = iter([ctx.piece(node, k).to(t.dtype) for k, t in enumerate(found)])
        outputs = output if isinstance(output, tuple) else (output,)
        outputs = tuple(
            next(pieces) if known else t.detach() if isinstance(t, Tensor) else t
            for t, known in zip(outputs, ctx._order, strict=True)
        )
        return outputs if isinstance(output, tuple) else outputs[0]


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a backward that is made of no operations: its gradients have no derivative.

    RuntimeError where one is asked for.
    """

    @wraps(backward)
    def wrapper(ctx: Any, *gradients: Any) -> Any:
        with no_grad():
            found = backward(ctx, *gradients)
        tracked = tuple([g for g in gradients if isinstance(g, Tensor) and g.requires_grad])
        if not tracked or not is_grad_enabled():
            return found
        arrays = tuple([g.array for g in tracked])
        outputs = [
            result(ONCE, t.array, True, tracked, arrays, {}) if isinstance(t, Tensor) else t
            for t in (found if isinstance(found, tuple) else (found,))
        ]
        return tuple(outputs) if isinstance(found, tuple) else outputs[0]

    return wrapper


def no_second(g: Any, y: Any, *inputs: Any, i: int) -> Any:
    """The derivative of what has none."""
    raise RuntimeError(
        "once_differentiable: a backward that was marked with it cannot be differentiated again"
    )


ONCE = Op("once_differentiable", lambda *inputs: inputs[0], each=no_second)
