"""What idioms are written with: the tables, the rewriter, and questions about expressions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.axes import axes_of
from ...engine.op import Op
from ...engine.rules import ops
from ...program.expr import Symbol, is_op
from ...program.rewrite import Laws, Rewriter

IDIOMS = Laws()
FUSED = Laws()  # of what people write in small steps or at once: for a second look
GUARD = 1e-5  # what is added to keep a logarithm or a quotient finite, at most


class Idioms(Rewriter):
    """Makes expressions in standard form; `fused` takes the laws of the second look too.

    `guards` says that a small number, as in log(p + 1e-7), is left out.
    """

    def __init__(self, fused: bool = False, guards: bool = False) -> None:
        super().__init__(IDIOMS, *([FUSED] if fused else []))
        self.guards, self.dropped = guards, 0.0

    def do(self, op: Op, *inputs: Any, **kw: Any) -> Any:
        """An operation on standard inputs, in standard form; a number if none is a Symbol."""
        with np.errstate(all="ignore"):
            value = op.forward(*map(array, inputs), **kw)
        return self.rewrite(op, value, inputs, kw) if any(map(symbol, inputs)) else value

    def standard(self, e: Any) -> Any:
        """An expression in standard form."""
        if not isinstance(e, Symbol) or e.op is None:
            return e
        if id(e) not in self.memo:
            self.alive.append(e)
            inputs = tuple([self.standard(x) for x in e.inputs])
            self.memo[id(e)] = self.rewrite(e.op, e.value, inputs, e.kw)
        return self.memo[id(e)]


def as_floats(t: Any) -> Any:
    """Targets as numbers, which booleans are not."""
    return np.asarray(t, np.float64) if np.asarray(t).dtype.kind in "biu" else np.asarray(t)


def symbol(x: Any) -> bool:
    return isinstance(x, Symbol)


def array(x: Any) -> Any:
    return x.value if isinstance(x, Symbol) else x


def number(x: Any) -> float | None:
    """The number that a constant is everywhere, or None."""
    if isinstance(x, Symbol):
        return None
    a = np.asarray(x)
    return (
        float(a.flat[0]) if a.size and a.dtype.kind in "fiub" and (a == a.flat[0]).all() else None
    )


def is_(x: Any, n: float) -> bool:
    """Whether it is this number."""
    return not isinstance(x, Symbol) and np.size(x) == 1 and number(x) == n


def split(e: Any) -> tuple[Any, Any]:
    """The constant and the other input of a commutative operation; (None, None) without one."""
    a, b = e.inputs
    if symbol(a) == symbol(b):
        return None, None
    return (b, a) if symbol(a) else (a, b)


def plus(e: Any, n: float) -> Any:
    """The x of n + x, or None."""
    if not is_op(e, ops.add):
        return None
    c, x = split(e)
    return x if x is not None and is_(c, n) else None


def minus_one(e: Any) -> Any:
    """The x of x - 1, or None."""
    return e.inputs[0] if is_op(e, ops.sub) and is_(e.inputs[1], 1) else plus(e, -1)


def inside(e: Any, op: Op) -> Any:
    """The x of op(x), or None."""
    return e.inputs[0] if is_op(e, op) else None


def opposite(a: Any, b: Any) -> bool:
    """Whether one of two expressions is minus the other."""
    return inside(a, ops.neg) is b or inside(b, ops.neg) is a


def peeled(e: Any) -> Any:
    """An expression without the views around it."""
    while isinstance(e, Symbol) and e.op is not None and is_shaped(e):
        e = e.inputs[0]
    return e


def is_shaped(e: Symbol) -> bool:
    """Whether it has the elements of its input, in another shape."""
    return (e.op.kind == "view" and e.op not in (ops.cast, ops.flip)) or (
        e.op is ops.getitem and e.size == e.inputs[0].size
    )


def axis_of(d: Any, op: Op, x: Any) -> int | None:
    """The one axis of `x` along which `d` is its `op`, in a shape that broadcasts; or None."""
    inner = peeled(d)
    if not is_op(inner, op) or inner.inputs[0] is not x or not symbol(x):
        return None
    axes = axes_of(x, inner.kw["axis"])
    long = [a for a in axes if x.shape[a] > 1] or list(axes[:1])
    if len(long) != 1 or np.ndim(d.value) > x.ndim:
        return None
    wanted = op.forward(x.value, axis=long[0], keepdims=True)
    try:
        same = np.array_equal(np.broadcast_to(d.value, x.shape), np.broadcast_to(wanted, x.shape))
    except ValueError:
        return None
    return long[0] if same else None


def even(s: Any, x: Any, axis: int) -> bool:
    """Whether `s`, which is no name, is the same along an axis of what it is subtracted from."""
    if is_leaf_of(s) or np.ndim(array(s)) > x.ndim:
        return False
    return not np.size(s) or bool(
        (np.ptp(np.broadcast_to(array(s), x.shape), axis=axis) == 0).all()
    )


def is_leaf_of(s: Any) -> bool:
    return isinstance(s, Symbol) and s.op is None
