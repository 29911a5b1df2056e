"""Forms that run fast, as laws: the law is the docstring, and a test runs it.

The letters are those of `program.laws`; `full` has one number for n / by here. `one_per_row` is an
array of zeros with one number at one place of every row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.op import Op
from ..engine.rules import ops
from ..program.expr import Symbol, full, is_number, is_op, numpy_op, total
from ..program.laws import times_one, to_its_own_shape, with_a_number
from ..program.rewrite import Laws, Rewriter

__all__ = ["FAST", "is_range", "plus_at"]

FAST = Laws()


def added_at(x: Any, n: Any, index: Any) -> Any:
    y = np.array(x)
    y[index] += n
    return y


plus_at = Op("plus_at", added_at)
square = numpy_op(np.square)


def is_plain(x: Any, e: Symbol) -> bool:
    """Whether it has the shape and the dtype of the result."""
    return isinstance(x, Symbol) and x.shape == e.shape and x.dtype == e.dtype


# ---- numbers --------------------------------------------------------------------------------


@FAST.about(full)
def one_number(r: Rewriter, e: Symbol) -> Any:
    """full(n, by=2) = full(n / 2)"""
    n, by = e.kw["n"], e.kw["by"]
    number = np.asarray(n / by if by else n, e.dtype).item()
    if by == 1 and repr(number) == repr(n):
        return None
    return r.make(full, e.value, (), e.kw | {"n": number, "by": 1})


FAST.about("arithmetic")(with_a_number)


@FAST.about(ops.mul)
def number_behind(r: Rewriter, e: Symbol) -> Any:
    """n * x = x * n"""
    a, b = e.inputs
    return r.rewrite(ops.mul, e.value, (b, a)) if is_number(a) and isinstance(b, Symbol) else None


FAST.about(ops.mul, ops.div)(times_one)


@FAST.about(ops.neg)
def minus_times(r: Rewriter, e: Symbol) -> Any:
    """-(x * n) = x * -n"""
    x = e.inputs[0]
    if not is_op(x, ops.mul) or not is_number(x.inputs[1]):
        return None
    return r.make(ops.mul, e.value, (x.inputs[0], -x.inputs[1]))


@FAST.about(ops.div)
def minus_by(r: Rewriter, e: Symbol) -> Any:
    """-x / n = x / -n"""
    x, n = e.inputs
    return (
        r.make(ops.div, e.value, (x.inputs[0], -n)) if is_op(x, ops.neg) and is_number(n) else None
    )


@FAST.about(ops.pow)
def squared(r: Rewriter, e: Symbol) -> Any:
    """x ** 2 = square(x)"""
    x, p = e.inputs
    same = isinstance(x, Symbol) and x.dtype == e.dtype
    return r.make(square, e.value, (x,)) if same and is_number(p) and p == 2 else None


# ---- sums and views --------------------------------------------------------------------------


def joined(r: Rewriter, parts: list[Any], axis: int) -> Any:
    """Matrices side by side (axis 1) or one below the other (axis 0), turned where all are."""
    if all(is_op(x, ops.mT) for x in parts):
        whole = joined(r, [x.inputs[0] for x in parts], 1 - axis)
        return r.rewrite(ops.mT, whole.value.mT, (whole,))
    value = np.concatenate([x.value for x in parts], axis)
    return r.make(ops.concatenate, value, tuple(parts), {"axis": axis})


def with_the_rest(r: Rewriter, e: Symbol, some: list[Any], whole: Any) -> Any:
    """The sum `e` with one term in the place of some."""
    rest = [x for x in e.inputs if all(x is not other for other in some)]
    return r.rewrite(total, e.value, (whole, *rest)) if rest else whole


@FAST.about(total)
def one_product(r: Rewriter, e: Symbol) -> Any:
    """total(a.mT @ b, b.mT @ x, x.mT @ a, b) = \
        concatenate((a, b, x), axis=0).mT @ concatenate((b, x, a), axis=0) + b
    """
    some = [x for x in e.inputs if is_op(x, ops.matmul) and is_plain(x, e) and e.ndim == 2]
    pairs = [x.inputs for x in some if all(is_matrix(i) and i.dtype == e.dtype for i in x.inputs)]
    length = sum(a.shape[1] for a, _ in pairs)
    # a copy of the factors, once, where a sum would read and write all of the result for each
    if not len(some) == len(pairs) > 2 or length * sum(e.shape) > 2 * len(pairs) * e.size:
        return None
    left, right = (joined(r, [pair[i] for pair in pairs], 1 - i) for i in (0, 1))
    return with_the_rest(r, e, some, r.make(ops.matmul, e.value, (left, right)))


def is_matrix(x: Any) -> bool:
    return isinstance(x, Symbol) and x.ndim == 2


@FAST.about(total)
def sum_of_columns(r: Rewriter, e: Symbol) -> Any:
    """total(sum(a, axis=0), sum(b, axis=0), sum(x, axis=0)) = \
        sum(concatenate((a, b, x), axis=0), axis=0)
    """
    some = [x for x in e.inputs if is_op(x, ops.sum) and is_matrix(x.inputs[0])]
    some = [x for x in some if x.kw.get("axis") in (0, (0,)) and is_plain(x, e)]
    if len(some) < 3 or any(x.inputs[0].dtype != e.dtype for x in some):
        return None
    whole = joined(r, [x.inputs[0] for x in some], 0)
    return with_the_rest(r, e, some, r.make(ops.sum, e.value, (whole,), {"axis": 0}))


@FAST.about(total)
def parts_side_by_side(r: Rewriter, e: Symbol) -> Any:
    """total(part(a[:1], 0, 1), part(b, 1, 4)) = concatenate((a[:1], b), axis=0)"""
    spans = [span(x, e) for x in e.inputs]
    axes = {s[0] for s in spans if s is not None}
    if None in spans or len(axes) != 1:
        return None
    axis = axes.pop()
    order = sorted(range(len(spans)), key=lambda k: spans[k])
    ends = [0, *(spans[k][2] for k in order)]
    if [spans[k][1] for k in order] != ends[:-1] or ends[-1] != e.shape[axis]:
        return None
    parts = tuple([e.inputs[k].inputs[0] for k in order])
    return r.make(ops.concatenate, e.value, parts, {"axis": axis})


@FAST.about(total)
def parts_stacked(r: Rewriter, e: Symbol) -> Any:
    """total(row(a, 1), row(b, 0), row(x, 2)) = stack((b, a, x), axis=0)
    total(row(b @ x, 1), row(a @ x, 0), row(x @ x, 2)) = \
        reshape(concatenate((a, b, x), axis=0) @ x, (3, 3, 3))
    """
    by_row = {row_of(x, e): x for x in e.inputs}
    if {*by_row} != {*range(len(e.inputs))} or len(e.inputs) != e.shape[0]:
        return None
    parts = [by_row[k].inputs[0] for k in range(len(by_row))]
    if all(is_op(x, ops.matmul) and is_matrix(x.inputs[0]) for x in parts):
        (left, *lefts), (b, *others) = zip(*(x.inputs for x in parts), strict=True)
        if others and is_matrix(b) and all(other is b for other in others):
            rows = joined(r, [left, *lefts], 0)
            product = r.make(ops.matmul, rows.value @ b.value, (rows, b))
            return r.make(ops.reshape, e.value, (product,), {"shape": e.shape})
    return r.make(ops.stack, e.value, tuple(parts), {"axis": 0})


def row_of(x: Any, e: Symbol) -> int | None:
    """The place along the first axis of what is not 0 in a term, if that is of this form."""
    if not is_op(x, ops.scatter_add) or x.shape != e.shape:
        return None
    (part, *_), index = x.inputs, x.kw["index"]
    k = index[0] if isinstance(index, tuple) and len(index) == 1 else index
    fits = type(k) is int and part.shape == e.shape[1:] and part.dtype == x.dtype == e.dtype
    return k % e.shape[0] if fits else None


def span(x: Any, e: Symbol) -> Any:
    """The axis, the start and the end of the part of `e` that is not 0 in a term; None if that is
    of another form."""
    if not is_op(x, ops.scatter_add) or x.shape != e.shape or not is_like(x.inputs[0], e):
        return None
    index = x.kw["index"] if isinstance(x.kw["index"], tuple) else (x.kw["index"],)
    if any(type(i) is not slice or i.step not in (None, 1) for i in index):
        return None
    spans = [(k, *i.indices(n)[:2]) for k, (i, n) in enumerate(zip(index, e.shape, strict=False))]
    spans = [s for s in spans if s[1:] != (0, e.shape[s[0]])]
    return spans[0] if len(spans) == 1 else None


def is_like(x: Any, e: Symbol) -> bool:
    return isinstance(x, Symbol) and x.ndim == e.ndim and x.dtype == e.dtype


@FAST.about(total)
def added(r: Rewriter, e: Symbol) -> Any:
    """total(a, b, x) = a + b + x"""
    whole = e.inputs[0]
    for x in e.inputs[1:]:
        whole = r.make(ops.add, e.value, (whole, x))
    return whole


@FAST.about(ops.mean)
def sum_by_number(r: Rewriter, e: Symbol) -> Any:
    """mean(x, axis=1, keepdims=False) = sum(x, axis=1) / 3"""
    x = e.inputs[0]
    whole = r.make(ops.sum, e.value * 1, (x,), e.kw)
    return r.make(ops.div, e.value, (whole, x.size // max(e.size, 1)))


FAST.about(ops.reshape, ops.expand)(to_its_own_shape)


@FAST.about(ops.put)
def replaced_whole(r: Rewriter, e: Symbol) -> Any:
    """put(x, a, index=...) = a"""
    return e.inputs[1] if e.kw["index"] is ... and is_plain(e.inputs[1], e) else None


# ---- log-probabilities -----------------------------------------------------------------------


def is_shifted_log(x: Any) -> bool:
    """Whether it is d - log(s) with d = u - max(u)."""
    if not is_op(x, ops.sub) or not is_op(x.inputs[1], ops.log):
        return False
    d = x.inputs[0]
    top: Any = d.inputs[1] if is_op(d, ops.sub) else None
    return is_op(top, ops.max) and top.inputs[0] is d.inputs[0]


@FAST.about(ops.exp)
def exp_of_log_p(r: Rewriter, e: Symbol) -> Any:
    """exp(a - max(a) - log(b)) = exp(a - max(a)) / b"""
    x = e.inputs[0]
    if not is_shifted_log(x):  # d <= 0, so that exp(d) is there, and does not overflow
        return None
    d, log = x.inputs
    return r.make(ops.div, e.value, (r.rewrite(ops.exp, e.value, (d,)), log.inputs[0]))


@FAST.about(ops.getitem)
def element_of_log_p(r: Rewriter, e: Symbol) -> Any:
    """(a - max(a, axis=1, keepdims=True) - log(b[:, :1]))[arange(3), k] = \
        (a - max(a, axis=1, keepdims=True))[arange(3), k] - log(b[:, :1])[:, 0]
    """
    x, index = e.inputs[0], e.kw["index"]
    pair = isinstance(index, tuple) and len(index) == 2 and is_rows(index[0])
    if not pair or not is_shifted_log(x) or x.inputs[1].shape[1:] != (1,):
        return None
    d, log = x.inputs  # so that the difference itself is not needed
    top = r.make(ops.getitem, e.value, (d,), e.kw)
    bottom = r.make(ops.getitem, e.value, (log,), {"index": (slice(None), 0)})
    return r.make(ops.sub, e.value, (top, bottom))


def is_one_per_row(x: Any) -> bool:
    """Whether it puts one number at one place of every row of a matrix of zeros."""
    if not is_op(x, ops.scatter_add) or x.ndim != 2 or not is_op(x.inputs[0], full):
        return False
    index = x.kw["index"]
    return isinstance(index, tuple) and len(index) == 2 and is_rows(index[0], x.shape[0])


@FAST.about(ops.sum)
def sum_of_one_per_row(r: Rewriter, e: Symbol) -> Any:
    """sum(one_per_row(n, k), axis=1) = full(n, (3,))"""
    x = e.inputs[0]
    if not is_one_per_row(x) or e.kw.get("axis") != 1:
        return None
    return r.rewrite(full, e.value, (), x.inputs[0].kw | {"shape": e.shape})


@FAST.about(ops.sub)
def minus_at_one_place(r: Rewriter, e: Symbol) -> Any:
    """one_per_row(n, k) - x = plus_at(-x, n, index=(arange(3), k))"""
    x, other = e.inputs
    if not is_one_per_row(x) or not is_plain(other, e):
        return None
    negative = r.rewrite(ops.neg, e.value, (other,))
    return r.make(plus_at, e.value, (negative, x.inputs[0].kw["n"]), {"index": x.kw["index"]})


def is_rows(x: Any, n: int | None = None) -> bool:
    """Whether an index counts the rows."""
    return isinstance(x, np.ndarray) and is_range(x, len(x) if n is None else n)


def is_range(x: Any, n: int) -> bool:
    return bool(x.shape == (n,) and x.dtype.kind == "i" and np.array_equal(x, np.arange(n)))
