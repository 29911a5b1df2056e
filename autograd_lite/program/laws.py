"""The laws that change no value, each as a row: the law is the docstring, and a test runs it.

In a docstring x, a and b are matrices, A and B two each, X is one in float32, u and v are vectors,
k is one of integers and n a number; `full(n)` is the matrix that has n everywhere, `total` a sum of
gradients.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..engine.axes import axes_of
from ..engine.rules import ops
from .expr import Symbol, full, is_number, is_op, numpy_op, total
from .rewrite import Laws, Rewriter

__all__ = ["LAWS", "is_led", "is_one", "same_dtype"]

LAWS = Laws()


def mT(r: Rewriter, x: Any) -> Any:
    return r.rewrite(ops.mT, x.value.mT, (x,)) if isinstance(x, Symbol) else x


# ---- one number everywhere -------------------------------------------------------------------


@LAWS.about("view", ops.getitem)
def view_of_a_number(r: Rewriter, e: Symbol) -> Any:
    """full(n).mT = full(n)"""
    x = e.inputs[0]
    return r.full(e.value, x.kw["n"], x.kw["by"]) if is_op(x, full) else None


@LAWS.about(ops.neg)
def minus_a_number(r: Rewriter, e: Symbol) -> Any:
    """-full(n) = full(-n)"""
    x = e.inputs[0]
    return r.full(e.value, -x.kw["n"], x.kw["by"]) if is_op(x, full) else None


@LAWS.about(ops.sum)
def sum_of_a_number(r: Rewriter, e: Symbol) -> Any:
    """sum(full(n), axis=1, keepdims=True) = full(3 * n)[:, :1]"""
    x = e.inputs[0]
    times = x.size // max(e.size, 1) if isinstance(x, Symbol) else 0
    return r.full(e.value, x.kw["n"] * times, x.kw["by"]) if is_op(x, full) else None


# ---- views and reductions --------------------------------------------------------------------


@LAWS.about("reduction")
def one_axis(r: Rewriter, e: Symbol) -> Any:
    """sum(x, axis=(1,)) = sum(x, axis=1)
    max(v, axis=0) = max(v)
    """
    axis = e.kw.get("axis")
    if axis is not None and e.ndim == 0:
        return r.rewrite(e.op, e.value, e.inputs, e.kw | {"axis": None})
    if isinstance(axis, tuple) and len(axis) == 1:
        return r.rewrite(e.op, e.value, e.inputs, e.kw | {"axis": axis[0]})
    return None


@LAWS.about(ops.mT)
def turned(r: Rewriter, e: Symbol) -> Any:
    """x.mT.mT = x
    total(a, b.mT).mT = total(a.mT, b)
    (a @ b.mT).mT = b @ a.mT
    """
    x = e.inputs[0]
    if is_op(x, ops.mT):
        return x.inputs[0]
    if is_op(x, total):
        return r.make(total, e.value, tuple([mT(r, i) for i in x.inputs]))
    if is_op(x, ops.matmul) and any(is_op(i, ops.mT) for i in x.inputs):
        a, b = x.inputs
        return r.make(ops.matmul, e.value, (mT(r, b), mT(r, a)))
    return None


@LAWS.about(ops.reshape, ops.expand)
def to_its_own_shape(r: Rewriter, e: Symbol) -> Any:
    """x.reshape((3, 3)) = x
    broadcast_to(x, (3, 3)) = x
    """
    x = e.inputs[0]
    return x if isinstance(x, Symbol) and x.shape == e.shape else None


@LAWS.about(ops.reshape)
def reshaped_twice(r: Rewriter, e: Symbol) -> Any:
    """x.reshape((9,)).reshape((1, 9)) = x.reshape((1, 9))
    sum(x, axis=1, keepdims=True).reshape((3,)) = sum(x, axis=1)
    """
    x: Any = e.inputs[0]
    if isinstance(x, Symbol) and x.op and x.op.kind == "reduction" and e.shape == squeezed(x):
        return r.rewrite(x.op, e.value, x.inputs, x.kw | {"keepdims": False})
    return r.rewrite(e.op, e.value, x.inputs, e.kw) if is_op(x, ops.reshape) else None


def squeezed(s: Symbol) -> tuple[int, ...] | None:
    """The shape that a reduction with keepdims would have without."""
    if not s.kw.get("keepdims"):
        return None
    axes = axes_of(s.inputs[0], s.kw["axis"])
    return tuple([n for i, n in enumerate(s.shape) if i not in axes])


@LAWS.about(ops.permute)
def axes_in_order(r: Rewriter, e: Symbol) -> Any:
    """x.transpose((0, 1)) = x
    x.transpose((1, 0)) = x.mT
    x.reshape((3, 1, 3)).transpose((1, 2, 0)).transpose((1, 0, 2)) = \
        x.reshape((3, 1, 3)).transpose((2, 1, 0))
    """
    x: Any = e.inputs[0]
    n, axes = e.ndim, e.kw["axes"]
    if axes == tuple(range(n)):
        return x
    if is_op(x, ops.permute):
        return r.rewrite(e.op, e.value, x.inputs, {"axes": tuple([x.kw["axes"][i] for i in axes])})
    return mT(r, x) if axes == (*range(n - 2), n - 1, n - 2) else None


@LAWS.about(ops.cast)
def to_its_own_dtype(r: Rewriter, e: Symbol) -> Any:
    """x.astype('float64') = x"""
    x = e.inputs[0]
    return x if isinstance(x, Symbol) and x.dtype == e.dtype else None


@LAWS.about(ops.copy)
def copied(r: Rewriter, e: Symbol) -> Any:
    """x.copy() = x"""
    return e.inputs[0]


@LAWS.about(ops.getitem)
def one_index(r: Rewriter, e: Symbol) -> Any:
    """x[1,] = x[1]"""
    index = e.kw["index"]
    if isinstance(index, tuple) and len(index) == 1:
        return r.make(e.op, e.value, e.inputs, {"index": index[0]})
    return None


# ---- signs -----------------------------------------------------------------------------------


@LAWS.about(ops.neg)
def minus_minus(r: Rewriter, e: Symbol) -> Any:
    """--x = x"""
    return e.inputs[0].inputs[0] if is_op(e.inputs[0], ops.neg) else None


@LAWS.about(ops.sum)
def sum_of_minus(r: Rewriter, e: Symbol) -> Any:
    """sum(-x, axis=1) = -sum(x, axis=1)"""
    x = e.inputs[0]
    if not is_op(x, ops.neg):
        return None
    return r.rewrite(ops.neg, e.value, (r.rewrite(ops.sum, -e.value, x.inputs, e.kw),))


@LAWS.about(numpy_op(np.zeros_like))
def zeros(r: Rewriter, e: Symbol) -> Any:
    """zeros_like(x) = full(0)"""
    return r.full(e.value, 0)


@LAWS.about(total)
def nothing_added(r: Rewriter, e: Symbol) -> Any:
    """total(x, full(0), x) = total(x, x)
    total(full(0), x) = x
    """
    left = [x for x in e.inputs if not (is_op(x, full) and x.kw["n"] == 0)]
    if len(left) == len(e.inputs):
        return None
    if len(left) < 2:
        x = left[0] if left else e.inputs[0]
        return x if x.shape == e.shape and x.dtype == e.dtype else None
    return r.make(total, e.value, tuple(left))


@LAWS.about(total)
def equal_terms(r: Rewriter, e: Symbol) -> Any:
    """total(x, x, x) = 3 * x"""
    same = all(i is e.inputs[0] for i in e.inputs)
    return r.scaled(e.inputs[0], len(e.inputs), 1) if same else None


# ---- functions -------------------------------------------------------------------------------


@LAWS.about(ops.erf)
def erf_in_float64(r: Rewriter, e: Symbol) -> Any:
    """erf(X) = erf(X).astype('float32')"""
    if e.dtype == np.float64:
        return None
    wide = r.make(e.op, e.value.astype(np.float64), e.inputs)
    return r.make(ops.cast, e.value, (wide,), {"dtype": e.dtype.name})


@LAWS.about(numpy_op(np.not_equal))
def unequal_to_itself(r: Rewriter, e: Symbol) -> Any:
    """x != x = isnan(x)"""
    x = e.inputs[0]
    return r.make(numpy_op(np.isnan), e.value, (x,)) if x is e.inputs[1] else None


# ---- element by element: what broadcasting does by itself ------------------------------------


def carry(inputs: Iterable[Any], e: Symbol) -> bool:
    """Whether these inputs give the result its shape and dtype."""
    some = [x for x in inputs if isinstance(x, Symbol)]
    arrays = [x.dtype for x in some if not is_op(x, full) and x.dtype.kind != "b"]
    return (
        bool(arrays)
        and np.broadcast_shapes(*{x.shape for x in some}) == e.shape
        and np.result_type(*set(arrays)) == e.dtype
    )


def needless(e: Symbol, some: list[int]) -> set[int]:
    """Which of some inputs the others can do without: all, or all but one."""
    if not some:
        return set()
    rest = [x for i, x in enumerate(e.inputs) if i not in some]
    if carry(rest, e):
        return set(some)
    for i in reversed(some if len(some) > 1 else ()):
        if carry([*rest, e.inputs[i]], e):
            return set(some) - {i}
    return set()


def is_led(x: Any) -> bool:
    """Whether it puts axes of length 1 before the others, as a broadcast does."""
    if not is_op(x, ops.reshape):
        return False
    inner = x.inputs[0].shape
    return bool(x.shape == (1,) * (x.ndim - len(inner)) + inner)


@LAWS.about("arithmetic")
def broadcast_by_itself(r: Rewriter, e: Symbol) -> Any:
    """a + broadcast_to(v, (3, 3)) = a + v
    a * v.reshape((1, 3)) = a * v
    a + k.astype('float64') = a + k
    """
    gone = needless(e, [i for i, x in enumerate(e.inputs) if is_widened(x)])
    few = tuple([x.inputs[0] if i in gone else x for i, x in enumerate(e.inputs)])
    return r.rewrite(e.op, e.value, few, e.kw) if gone else None


def is_widened(x: Any) -> bool:
    """Whether it is a broadcast, or integers as floats."""
    if is_op(x, ops.cast) and x.dtype == np.float64:
        return x.inputs[0].dtype.kind in "iu"
    return is_op(x, ops.expand) or is_led(x)


@LAWS.about(ops.mul, ops.div)
def times_a_number(r: Rewriter, e: Symbol) -> Any:
    """full(n) * x = n * x
    full(n) * 2 = full(n * 2)
    full(n) / 2 = full(n, by=2)
    full(n) / x = n / x
    """
    i = next((i for i, x in enumerate(e.inputs) if is_op(x, full)), None)
    if i is None or (e.op is ops.div and i):
        return None
    n, by, other = e.inputs[i].kw["n"], e.inputs[i].kw["by"], e.inputs[1 - i]
    if not isinstance(other, Symbol):
        if not is_number(other):  # an array that an operation has captured
            return None
        return r.full(e.value, *((n * other, by) if e.op is ops.mul else (n, by * other)))
    if other.shape != e.shape:
        wide = np.broadcast_to(other.value, e.shape)
        other = r.make(ops.expand, wide, (other,), {"shape": e.shape})
    if other.dtype.kind == "b" and e.op is ops.mul:
        other = r.make(ops.cast, e.value, (other,), {"dtype": e.dtype.name})
    if other.dtype != e.dtype:
        return None
    if e.op is ops.mul:
        return r.scaled(other, n, by)
    bottom = other if by == 1 else r.make(ops.mul, e.value, (by, other))
    return r.make(ops.div, e.value, (n, bottom))


@LAWS.about("arithmetic")
def with_a_number(r: Rewriter, e: Symbol) -> Any:
    """x - full(n) = x - n
    maximum(full(n), x) = maximum(n, x)
    """
    gone = needless(e, [i for i, x in enumerate(e.inputs) if is_op(x, full)])
    few = tuple([number(r, x) if i in gone else x for i, x in enumerate(e.inputs)])
    return r.rewrite(e.op, e.value, few, e.kw) if gone else None


def number(r: Rewriter, x: Symbol) -> Any:
    """The number that is everywhere."""
    n, by = x.kw["n"], x.kw["by"]
    return n if by == 1 else r.make(ops.div, n / by, (n, by))


@LAWS.about(ops.mul, ops.div)
def times_one(r: Rewriter, e: Symbol) -> Any:
    """x * 1 = x
    1 * x = x
    x / 1 = x
    """
    a, b = e.inputs
    if is_one(b) and same_dtype(a, e):
        return a
    return b if e.op is ops.mul and is_one(a) and same_dtype(b, e) else None


def is_one(x: Any) -> bool:
    return is_number(x) and x == 1


def same_dtype(x: Any, e: Any) -> bool:
    return isinstance(x, Symbol) and x.dtype == e.dtype
