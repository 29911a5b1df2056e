"""Finding the operation that made the first NaN or infinity."""

from __future__ import annotations

from typing import Any

import numpy as np

from .engine.op import Op
from .engine.tape import Array, walk
from .engine.tensor import Tensor
from .origin import origin_of, place, record_lines
from .program.expr import as_symbol, forward_text, gradients, input_names

__all__ = ["AnomalyError", "detect_anomaly"]


class AnomalyError(RuntimeError):
    """An operation made a NaN or an infinity, or was given a NaN."""


class detect_anomaly(record_lines):
    """Meanwhile, in this thread, the first operation that makes a NaN or an infinity raises.

    AnomalyError names the operation, forward or backward, its formula with the operands' values
    at the first bad index, the line of the user's file that called it, the path of the module it
    ran in, and, where the cause lies earlier, the operation it came from. Infinities that are put
    in, such as a mask of -inf, are let through until they make a NaN. It costs nothing when off.

    >>> x = tensor([4.0, 0.0], requires_grad=True)
    >>> with detect_anomaly(), np.errstate(divide="ignore"):
    ...     x.sqrt().sum().backward()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    autograd_lite.anomaly.AnomalyError: sqrt, backward: inf at index (1,) of the gradient of x
      dx = g / (2 * y), where g = 1, y = 0, x = 0
      called at ...
    """

    def made(self, op: Op, t: Tensor, parents: Any, args: Any, kw: Any) -> None:
        """Remember where `t` was made, and raise if it is the first to go wrong."""
        super().made(op, t, parents, args, kw)
        y = t.array
        if y.dtype.kind != "f" or np.isfinite(y).all():
            return
        names = input_names(op, len(args))
        for name, p, a in zip(names, parents, args, strict=True):
            if isinstance(a, np.ndarray) and a.dtype.kind == "f" and np.isnan(a).any():
                if p is None or p.op is None:
                    where = first(np.isnan(a))
                    label = f" ({p.name})" if p is not None and p.name else ""
                    raise AnomalyError(
                        f"{op.name}, forward: its input {name}{label} holds nan at index {where} "
                        f"before anything is computed from it\n  called at {place()}"
                    )
                return
        finite = all(np.isfinite(a).all() for a in args if np.asarray(a).dtype.kind == "f")
        bad = ~np.isfinite(y) if finite else np.isnan(y)
        if not bad.any():
            return
        where = first(bad)
        symbols = [as_symbol(n, np.asarray(a)) for n, a in zip(names, args, strict=True)]
        lines = [
            f"{op.name}, forward: {y[where]:g} at index {where} of the result",
            f"  y = {quiet_text(op, symbols, kw)}{at(names, args, y, where)}",
            f"  called at {place()}",
        ]
        raise AnomalyError("\n".join(lines + ([] if finite else origin(parents))))

    def pulled(self, node: Tensor, p: Tensor, g: Any, gradient: Any) -> None:
        """Raise if this gradient is the first that went wrong."""
        super().pulled(node, p, g, gradient)
        a = gradient.array if isinstance(gradient, Tensor) else np.asarray(gradient)
        if np.isfinite(a).all():
            return
        where = first(~np.isfinite(a))
        names = input_names(node.op, len(node.args))
        i = next(k for k, q in enumerate(node.parents) if q is not None and same(q, p))
        symbols = [as_symbol(n, np.asarray(x)) for n, x in zip(names, node.args, strict=True)]
        text = gradients(node.op, node.array, symbols, node.kw)[i]
        label = f" ({p.name})" if p.name else ""
        upstream = g.array if isinstance(g, Tensor) else np.asarray(g)
        made = origin_of(node)
        values = at(["g", "y", *names], [upstream, node.array, *node.args], a, where)
        name = node.op.name
        lines = [
            f"{name}, backward: {a[where]:g} at index {where} of the gradient of {names[i]}{label}",
            f"  d{names[i]} = {text}{values}",
            f"  called at {made or 'a line that is known if forward runs in detect_anomaly too'}",
        ]
        finite = all(np.isfinite(x).all() for x in [node.array, *node.args])
        raise AnomalyError("\n".join(lines + ([] if finite else origin([node]))))


def quiet_text(op: Op, symbols: list[Any], kw: dict[str, Any]) -> str:
    """The forward formula, without NumPy's warnings about the values that are being explained."""
    with np.errstate(all="ignore"):
        return forward_text(op, symbols, kw)


def same(q: Tensor, p: Tensor) -> bool:
    """Whether an input is `p`, or was it before a change in place."""
    while q is not p and q.extra is not None and q.extra.previous is not None:
        q = q.extra.previous
    return q is p


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


def origin(roots: Any) -> list[str]:
    """The earliest operation on the tape that made something that is not finite."""
    nodes = list(walk(*[t for t in roots if t is not None], released=lambda node: ()))
    for t in reversed(nodes):
        if t.array.dtype.kind == "f" and not np.isfinite(t.array).all():
            where = first(~np.isfinite(t.array))
            made = origin_of(t)
            kind = t.op.name if t.op is not None else f"the input {t.name or 'without a name'}"
            line = f"  it came from {kind}: {t.array[where]:g} at index {where}"
            if t.op is not None and t.args is not None:
                line += at(input_names(t.op, len(t.args)), t.args, t.array, where)
            return [line + (f", called at {made}" if made else "")]
    return []
