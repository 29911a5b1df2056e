"""Finding the operation that made the first NaN or infinity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np

from .engine.op import Op
from .engine.tape import Array, walk
from .engine.tensor import Tensor
from .origin import origin_of, place, record_lines
from .program.chain import recorded_inputs
from .program.expr import UNWRITTEN, as_symbol, forward_text, gradients, input_names

__all__ = ["AnomalyError", "detect_anomaly"]


class AnomalyError(RuntimeError):
    """An operation made a NaN or an infinity, or was given a NaN."""


class detect_anomaly(record_lines):
    """Meanwhile, in this thread, the first operation that makes a NaN or an infinity raises.

    AnomalyError names the operation, forward or backward, its formula with the operands' values
    at the first bad index, the line of the user's file that called it, the path of the module it
    ran in, and, where the cause lies earlier, the operation it came from. Infinities that are put
    in, such as a mask of -inf, are let through until they make a NaN. With `check_nan=False` it
    looks for nothing. It costs nothing when off.

    >>> x = tensor([4.0, 0.0], requires_grad=True)
    >>> with detect_anomaly():
    ...     x.sqrt().sum().backward()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    autograd_lite.anomaly.AnomalyError: sqrt, backward: inf at index (1,) of the gradient of x
      dx = g / (2 * y), where g = 1, y = 0, x = 0
      called at ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__()
        self.check_nan = check_nan
        self.quiet: list[Any] = []

    def __enter__(self) -> Self:
        quiet = np.errstate(all="ignore")  # NumPy's warnings would come before the errors
        quiet.__enter__()
        self.quiet.append(quiet)
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self.quiet.pop().__exit__(None, None, None)

    def made(self, op: Op, t: Tensor, parents: Any, args: Any, kw: Any) -> None:
        """Remember where `t` was made, and raise if it is the first to go wrong."""
        super().made(op, t, parents, args, kw)
        y = t.array
        if not self.check_nan or is_finite(y):
            return
        names = input_names(op, len(args))
        for name, p, a in zip(names, parents, args, strict=True):
            if isinstance(a, np.ndarray) and a.dtype.kind == "f" and np.isnan(a).any():
                if p is not None and p.op is not None:
                    return
                where = first(np.isnan(a))
                label = f" ({p.name})" if p is not None and p.name else ""
                raise AnomalyError(
                    f"{op.name}, forward: its input {name}{label} holds nan at index {where} "
                    f"before anything is computed from it\n  called at {place()}"
                )
        finite = all(map(is_finite, args))
        bad = ~np.isfinite(y) if finite else np.isnan(y)
        if bad.any():
            where = first(bad)
            text = written("y", lambda: forward_text(op, symbols_of(names, args), kw))
            raise AnomalyError(
                f"{op.name}, forward: {y[where]:g} at index {where} of the result\n"
                f"  {text}{at(names, args, y, where)}\n"
                f"  called at {place()}{'' if finite else origin(parents)}"
            )

    def pulled(self, node: Tensor, p: Tensor, g: Any, gradient: Any) -> None:
        """Raise if this gradient is the first that went wrong."""
        super().pulled(node, p, g, gradient)
        g, a = (np.asarray(x.array if isinstance(x, Tensor) else x) for x in (g, gradient))
        if not self.check_nan or is_finite(a):
            return
        where = first(~np.isfinite(a))
        names = input_names(node.op, len(node.args))
        i = next(k for k, q in enumerate(recorded_inputs(node)) if q is p)
        symbols = symbols_of(names, node.args)
        text = written(f"d{names[i]}", lambda: gradients(node.op, node.array, symbols, node.kw)[i])
        label = f" ({p.name})" if p.name else ""
        values = at(["g", "y", *names], [g, node.array, *node.args], a, where)
        made = origin_of(node) or "a line that is known if forward runs in detect_anomaly too"
        finite = all(map(is_finite, (node.array, *node.args)))
        raise AnomalyError(
            f"{node.op.name}, backward: {a[where]:g} at index {where} of the gradient of "
            f"{names[i]}{label}\n"
            f"  {text}{values}\n"
            f"  called at {made}{'' if finite else origin([node])}"
        )


def is_finite(a: Any) -> bool:
    """Whether there is no NaN and no infinity in an array."""
    a = np.asarray(a)
    return a.dtype.kind != "f" or bool(np.isfinite(a).all())


def symbols_of(names: list[str], args: Any) -> list[Any]:
    return [as_symbol(name, np.asarray(a)) for name, a in zip(names, args, strict=True)]


def written(name: str, formula: Callable[[], Any]) -> str:
    """`name = formula`, without the formula if what it is of runs on arrays alone."""
    try:
        with np.errstate(all="ignore"):  # the values are being explained
            return f"{name} = {formula()}"
    except UNWRITTEN:
        return name


def first(bad: Array) -> tuple[int, ...]:
    """The first index at which `bad` is true."""
    return tuple(int(i) for i in np.unravel_index(np.argmax(bad), bad.shape))


def at(names: list[str], arrays: Any, like: Array, where: tuple[int, ...]) -> str:
    """The operands' values at an index: where an operand has no such index, its range."""
    words = []
    for name, a in zip(names, map(np.asarray, arrays), strict=True):
        if a.dtype.kind not in "fiub" or not a.size:
            continue
        try:
            words.append(f"{name} = {np.broadcast_to(a, like.shape)[where]:g}")
        except ValueError:
            words.append(f"{name} between {a.min():g} and {a.max():g}")
    return ", where " + ", ".join(words) if words else ""


def origin(roots: Any) -> str:
    """The earliest operation on the tape that made something that is not finite."""
    nodes = list(walk(*[t for t in roots if t is not None], released=lambda node: ()))
    t = next((t for t in reversed(nodes) if not is_finite(t.array)), None)
    if t is None:
        return ""
    where = first(~np.isfinite(t.array))
    kind = t.op.name if t.op is not None else f"the input {t.name or 'without a name'}"
    line = f"\n  it came from {kind}: {t.array[where]:g} at index {where}"
    if t.op is not None and t.args is not None:
        line += at(input_names(t.op, len(t.args)), t.args, t.array, where)
    made = origin_of(t)
    return line + (f", called at {made}" if made else "")
