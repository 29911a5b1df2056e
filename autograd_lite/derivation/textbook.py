"""What a textbook would write: the passes of `derive`, and laws that `compile` does without.

Softmax and cross-entropy are derived together, numbers stand in one place, a vector is no matrix of
one column, and a gradient that equals another one is said to.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..engine.axes import axes_of
from ..engine.rules import ops
from ..program.expr import (
    Symbol,
    full,
    is_leaf,
    is_number,
    is_op,
    leaves,
    numpy_op,
    outer,
    total,
)
from ..program.laws import LAWS, is_led, mT, same_dtype
from ..program.notation import counts_up
from ..program.passes import (
    Joiner,
    drop_unused,
    fixed,
    fold,
    merged,
    operations_shown,
    regroup,
    separate_blocks,
    share,
    split_sums,
)
from ..program.rewrite import Laws, Rewriter
from ..program.trace import Program, Statement

__all__ = ["TEXTBOOK", "Textbook", "simplify"]

CLASSES = 256  # up to which a row of an identity matrix may say which class it is
TEXTBOOK = Laws()  # asked before the laws of every program

# ---- vectors, which are no columns and no rows -----------------------------------------------


@TEXTBOOK.about(ops.reshape)
def shape_in_full(r: Rewriter, e: Symbol) -> Any:
    """x.reshape((3, -1)) = x.reshape((3, 3))"""
    if e.kw["shape"] == e.shape:
        return None
    return r.rewrite(e.op, e.value, e.inputs, {"shape": e.shape})


@TEXTBOOK.about(ops.reshape)
def product_of_a_vector(r: Rewriter, e: Symbol) -> Any:
    """(x @ v.reshape((3, 1))).reshape((3,)) = x @ v
    (v.reshape((1, 3)) @ x).reshape((3,)) = v @ x
    (x[:1, :1] @ v.reshape((1, 3))).reshape((3,)) = x[:1, :1].reshape(()) * v
    """
    x: Any = e.inputs[0]
    if not is_op(x, ops.matmul):
        return None
    a, b = x.inputs
    if is_column(b) and e.shape == a.shape[:-1]:
        return r.make(ops.matmul, e.value, (a, b.inputs[0]))
    if is_row(a) and e.shape == (*b.shape[:-2], *b.shape[-1:]) * (b.ndim > 1):
        return r.make(ops.matmul, e.value, (a.inputs[0], b))
    if is_column(a) and e.shape == a.inputs[0].shape and b.shape == (1, 1):
        a, b = b, a
    if (is_row(b) and e.shape == b.inputs[0].shape) or (is_column(b) and a.shape == (1, 1)):
        number = r.rewrite(ops.reshape, a.value.reshape(()), (a,), {"shape": ()})
        return r.rewrite(ops.mul, e.value, (number, b.inputs[0]))
    return None


@TEXTBOOK.about(ops.mT)
def turned_vector(r: Rewriter, e: Symbol) -> Any:
    """v.reshape((3, 1)).mT = v.reshape((1, 3))
    outer(u, v).mT = outer(v, u)
    """
    x: Any = e.inputs[0]
    if is_column(x) or is_row(x):
        return r.rewrite(ops.reshape, e.value, x.inputs, {"shape": e.shape})
    return r.make(outer, e.value, x.inputs[::-1]) if is_op(x, outer) else None


@TEXTBOOK.about(ops.matmul)
def column_times_row(r: Rewriter, e: Symbol) -> Any:
    """u.reshape((3, 1)) @ v.reshape((1, 3)) = outer(u, v)"""
    a, b = e.inputs
    return r.make(outer, e.value, (*a.inputs, *b.inputs)) if is_column(a) and is_row(b) else None


@TEXTBOOK.about(ops.mT)
def turned_in_every_product(r: Rewriter, e: Symbol) -> Any:
    """sum(A.mT @ B, axis=0).mT = sum(B.mT @ A, axis=0)"""
    x = e.inputs[0]
    if not is_batch_sum(x):
        return None
    return r.rewrite(ops.sum, e.value, (mT(r, x.inputs[0]),), x.kw)


# ---- sums ------------------------------------------------------------------------------------


@TEXTBOOK.about(ops.add)
def zero_plus(r: Rewriter, e: Symbol) -> Any:
    """0 + x = x"""
    a, b = e.inputs
    return b if is_number(a) and a == 0 and same_dtype(b, e) else None  # Python's sum() has a 0


@TEXTBOOK.about(total)
def terms_merged(r: Rewriter, e: Symbol) -> Any:
    """total(a, 2 * b, a) = total(2 * a, 2 * b)"""
    split = [r.factors(i) for i in e.inputs]
    if len({id(x) for x, _, _ in split}) == len(split):
        return None
    terms: list[list[Any]] = []
    last: dict[Any, list[Any]] = {}  # the term to add to, by what it is times
    for x, n, by in split:
        same = last.get((id(x), by))
        if same is not None and same[1] + n:
            same[1] += n
        else:
            last[id(x), by] = [x, n, by]
            terms.append(last[id(x), by])
    few = tuple([r.scaled(*t) for t in terms])
    if len(few) == 1:
        return few[0]
    return r.rewrite(total, e.value, few) if len(few) < len(split) else None


@TEXTBOOK.about(ops.expand)
def broadcast_of_led(r: Rewriter, e: Symbol) -> Any:
    """broadcast_to(v.reshape((1, 3)), (3, 3)) = broadcast_to(v, (3, 3))"""
    x = e.inputs[0]
    return r.rewrite(e.op, e.value, x.inputs, e.kw) if is_led(x) else None


@TEXTBOOK.about(ops.sum)
def sum_of_copies(r: Rewriter, e: Symbol) -> Any:
    """sum(broadcast_to(v, (3, 3)), axis=0) = 3 * v
    sum(broadcast_to(v, (3, 3)), axis=1) = broadcast_to(sum(v), (3,))
    """
    x: Any = e.inputs[0]
    if not is_op(x, ops.expand):
        return None
    inner: Any = x.inputs[0]
    extra = x.ndim - inner.ndim
    axes = axes_of(x, e.kw["axis"])
    own = tuple([i - extra for i in axes if i >= extra and inner.shape[i - extra] == x.shape[i]])
    copies = math.prod(x.shape[i] for i in axes if i - extra not in own)
    if math.prod(n for i, n in enumerate(inner.shape) if i not in own) == 1:
        kw = {"axis": None, "keepdims": False}
        inner = r.rewrite(ops.sum, np.sum(inner.value), (inner,), kw)
    elif own:
        whole = np.sum(inner.value, axis=own, keepdims=True)
        inner = r.rewrite(ops.sum, whole, (inner,), {"axis": own, "keepdims": True})
    if inner.ndim > e.ndim:
        kept = [n for i, n in enumerate(inner.shape) if i + extra not in axes]
        flat = inner.value.reshape(kept)
        inner = r.rewrite(ops.reshape, flat, (inner,), {"shape": flat.shape})
    return r.rewrite(ops.expand, e.value, (r.scaled(inner, copies, 1),), {"shape": e.shape})


@TEXTBOOK.about(ops.sum)
def sum_of_all_in_another_order(r: Rewriter, e: Symbol) -> Any:
    """sum(x.mT) = sum(x)
    sum(x.reshape((9,))) = sum(x)
    """
    x: Any = e.inputs[0]
    same = isinstance(x, Symbol) and x.op and x.op.kind == "view" and x.size == x.inputs[0].size
    if e.kw["axis"] is not None or not same or is_op(x, ops.cast):
        return None
    return r.rewrite(e.op, e.value, x.inputs, e.kw)


@TEXTBOOK.about(ops.sum)
def sum_of_sums(r: Rewriter, e: Symbol) -> Any:
    """sum(sum(x, axis=0), axis=0) = sum(x)"""
    x: Any = e.inputs[0]
    if not is_op(x, ops.sum) or x.ndim == x.inputs[0].ndim:
        return None
    inner: Any = x.inputs[0]
    first = axes_of(inner, x.kw["axis"])
    left = [i for i in range(inner.ndim) if i not in first]
    axes = tuple(sorted((*first, *(left[i] for i in axes_of(x, e.kw["axis"])))))
    axis = None if len(axes) == inner.ndim else axes
    kw = {"axis": axis, "keepdims": False}
    flat = r.rewrite(ops.sum, np.sum(inner.value, axis=axis), (inner,), kw)
    return r.rewrite(ops.reshape, e.value, (flat,), {"shape": e.shape})


@TEXTBOOK.about(ops.sum)
def sum_of_one_hot(r: Rewriter, e: Symbol) -> Any:
    """sum(eye(3)[k], axis=1) = full(1, (3,))"""
    x = e.inputs[0]
    return r.full(e.value, 1) if is_one_hot(x) and axes_of(x, e.kw["axis"]) == (1,) else None


# ---- what is put somewhere -------------------------------------------------------------------


@TEXTBOOK.about(ops.scatter_add)
def put_everywhere(r: Rewriter, e: Symbol) -> Any:
    """scatter_add(v.reshape((3, 1)), shape=(3,), index=(slice(None), None)) = \
        v.reshape((3, 1)).reshape((3,))
    """
    if not keeps_all(e.kw["index"]):
        return None
    return r.rewrite(ops.reshape, e.value, e.inputs, {"shape": e.shape})


@TEXTBOOK.about(ops.scatter_add)
def ones_at_classes(r: Rewriter, e: Symbol) -> Any:
    """scatter_add(full(2, (3,)), shape=(3, 3), index=(arange(3), k)) = 2 * eye(3)[k]"""
    x, shape, index = e.inputs[0], e.kw["shape"], e.kw["index"]
    if not is_op(x, full) or not is_class(index, shape):
        return None
    eye = np.eye(shape[1], dtype=e.dtype)
    ones = r.make(ops.getitem, eye[index[1].value], (eye,), {"index": index[1]})
    return r.scaled(ones, x.kw["n"], x.kw["by"])


# ---- numbers and conditions ------------------------------------------------------------------


@TEXTBOOK.about(ops.mul, ops.div)
def number_inside_a_broadcast(r: Rewriter, e: Symbol) -> Any:
    """2 * broadcast_to(v, (3, 3)) = broadcast_to(2 * v, (3, 3))
    broadcast_to(v, (3, 3)) / 2 = broadcast_to(v / 2, (3, 3))
    """
    i = next((i for i, x in enumerate(e.inputs) if is_op(x, ops.expand)), None)
    if i is None or not is_number(e.inputs[1 - i]):
        return None
    few = list(e.inputs)
    few[i] = e.inputs[i].inputs[0]
    small = few[i].value.astype(e.dtype)  # of a shape and a dtype; nothing reads the values
    return r.rewrite(ops.expand, e.value, (r.rewrite(e.op, small, tuple(few)),), {"shape": e.shape})


@TEXTBOOK.about(numpy_op(np.bitwise_and))
def and_false(r: Rewriter, e: Symbol) -> Any:
    """(x > 1) & False = False"""
    return False if any(i is False or i is np.False_ for i in e.inputs) else None


@TEXTBOOK.about(ops.where)
def where_never(r: Rewriter, e: Symbol) -> Any:
    """where(False, a, b) = b"""
    return e.inputs[2] if e.inputs[0] is False else None


@TEXTBOOK.about(ops.where)
def one_number_where(r: Rewriter, e: Symbol) -> Any:
    """where(x > 1, full(n), x) = where(x > 1, n, x)"""
    x = e.inputs[0]
    if e.dtype != np.float64 or x.shape != e.shape or not any(is_op(i, full) for i in e.inputs):
        return None
    few = tuple([i.kw["n"] / i.kw["by"] if is_op(i, full) else i for i in e.inputs])
    return r.rewrite(e.op, e.value, few, e.kw)


# ---- gradients, which nobody wrote ------------------------------------------------------------


class Textbook(Rewriter):
    """Puts the numbers of gradients in one place, too."""

    def __init__(self) -> None:
        super().__init__(TEXTBOOK, LAWS)

    def inline(self, e: Any) -> bool:
        led = is_op(e, ops.reshape) and is_leaf(e.inputs[0]) and (is_led(e) or is_column(e))
        return led or super().inline(e)

    def gathered(self, e: Any) -> Any:
        """The expression with the numbers of products, sums and differences before it."""
        if not isinstance(e, Symbol) or e.op is None:
            return e
        e = self.rebuilt(e, self.gathered)
        if not isinstance(e, Symbol) or e.op is None:
            return e
        if e.op is ops.sum:
            x, n, by = self.factors(e.inputs[0])
            if (n, by) != (1, 1):
                summed = np.sum(x.value, axis=e.kw["axis"], keepdims=e.kw["keepdims"])
                return self.scaled(self.rewrite(e.op, summed, (x,), e.kw), n, by)
        if e.op in (ops.mul, ops.div):
            symbols = sum(isinstance(i, Symbol) for i in e.inputs)
            return (
                self.signed_out(e)
                if symbols == 2
                else self.scaled(*self.factors(e))
                if symbols
                else e
            )
        return self.factored_out(e) if e.op in (ops.add, ops.sub, total) else e

    def factors(self, x: Any) -> tuple[Any, float, float]:
        x, n, by = super().factors(x)
        if is_op(x, ops.mul) and is_op(x.inputs[0], ops.mul) and is_number(x.inputs[0].inputs[0]):
            number, left = x.inputs[0].inputs
            return self.make(ops.mul, x.value, (left, x.inputs[1])), n * number, by
        return x, n, by

    def scaled(self, x: Any, n: float, by: float) -> Any:
        """n * a * b / by, where it would be n * (a * b) / by, and n / (by * u) for 1 / u."""
        y, m, q = self.factors(x)
        if is_op(y, ops.div) and is_number(y.inputs[0]):
            return self.make(
                ops.div, y.value, (y.inputs[0] * n * m, self.scaled(y.inputs[1], by * q, 1)), {}
            )
        e = super().scaled(x, n, by)
        inner = e.inputs[0] if is_op(e, ops.div) and is_number(e.inputs[1]) else e
        if not is_op(inner, ops.mul) or not is_number(inner.inputs[0]):
            return e
        number, x = inner.inputs
        if not is_op(x, ops.mul) or not all(isinstance(i, Symbol) for i in x.inputs):
            return e
        if x.inputs[0].dtype != x.dtype:  # 2 * (x > 0) is made of integers
            return e
        left = self.make(ops.mul, x.inputs[0].value, (number, x.inputs[0]))
        product = self.make(ops.mul, x.value, (left, x.inputs[1]))
        return product if inner is e else self.make(ops.div, e.value, (product, e.inputs[1]))

    def signed_out(self, e: Symbol) -> Any:
        """A product or a quotient with its sign in front, and one number in a product."""
        (a, m, p), (b, n, q) = map(self.factors, e.inputs)
        if e.op is ops.mul:
            a, b = (b, a) if a.dtype.kind == "b" else (a, b)
            return self.scaled(self.make(ops.mul, e.value, (a, b)), m * n, p * q)
        a, b = self.scaled(a, abs(m) * q, 1), self.scaled(b, abs(n) * p, 1)
        return self.scaled(self.make(ops.div, e.value, (a, b)), 1 if m * n > 0 else -1, 1)

    def factored_out(self, e: Symbol) -> Any:
        """A sum of two terms that are times the same number: that number times the sum."""
        if len(e.inputs) != 2 or any(is_number(i) for i in e.inputs):
            return e
        (a, m, p), (b, n, q) = map(self.factors, e.inputs)
        n = -n if e.op is ops.sub else n
        if (abs(m), p) != (abs(n), q) or not a.shape == b.shape == e.shape:
            return e
        if m == n and (abs(m), p) == (1, 1):
            return e
        if n > m:
            a, b, m, n = b, a, n, m
        inner = self.rewrite(ops.add if m == n else ops.sub, e.value, (a, b))
        return self.scaled(inner, m, p)


def is_column(x: Any) -> bool:
    """Whether a vector was made a matrix of one column."""
    return is_op(x, ops.reshape) and x.inputs[0].ndim == 1 and x.shape == (x.size, 1)


def is_row(x: Any) -> bool:
    """Whether a vector was made a matrix of one row."""
    return is_op(x, ops.reshape) and x.inputs[0].ndim == 1 and x.shape == (1, x.size)


def is_batch_sum(x: Any) -> bool:
    """Whether an expression adds up products of a batch, one factor of which is transposed."""
    if not is_op(x, ops.sum) or x.kw["keepdims"] or not is_op(x.inputs[0], ops.matmul):
        return False
    product = x.inputs[0]
    axes = axes_of(product, x.kw["axis"])
    return max(axes, default=0) < product.ndim - 2 and any(is_op(i, ops.mT) for i in product.inputs)


def keeps_all(index: Any) -> bool:
    """Whether an index only puts in axes of length 1: `v[:, None]`."""
    index = index if isinstance(index, tuple) else (index,)
    return all(i is None or i is ... or (isinstance(i, slice) and i == slice(None)) for i in index)


def is_class(index: Any, shape: tuple[int, ...]) -> bool:
    """Whether an index picks one of a few classes in every row."""
    return (
        isinstance(index, tuple)
        and len(index) == len(shape) == 2
        and isinstance(index[0], np.ndarray)
        and index[0].shape == shape[:1]
        and counts_up(index[0])
        and isinstance(index[1], Symbol)
        and index[1].shape == shape[:1]
        and index[1].dtype.kind in "iu"
        and shape[1] <= CLASSES
    )


def is_one_hot(x: Any) -> bool:
    """Whether an expression has one 1 in every row and else 0."""
    return is_op(x, ops.getitem) and isinstance(x.inputs[0], np.ndarray)


# ---- passes ---------------------------------------------------------------------------------


def simplify(program: Program) -> Program:
    """The program, its statements changed: simple expressions, no other names of one value, common
    subexpressions named once, short steps joined, nothing unused."""
    r = Textbook()
    with np.errstate(all="ignore"):
        fold(program, r)
        share(program, r)
        Joiner(program, r).run()
        gather(program, r)
        separate_blocks(program, r)
        drop_unused(program)
        Restorer(program, r).run()
        split_sums(program, r)
        regroup(program)
    return program


def gather(program: Program, r: Textbook) -> None:
    """Gradients with their numbers in one place; one made of data alone that only the next needs is
    written there if that makes both shorter, as softmax and cross-entropy are derived together."""
    data = {id(a.symbol) for a in program.of_kind("input", "constant")}
    readers: dict[int, set[int]] = {}
    for s in program.statements:
        for x in leaves(s.expr):
            readers.setdefault(id(x), set()).add(id(s))
    by_id = {id(s): s for s in program.statements}
    gone: set[int] = set()
    for s in program.statements:
        if s.kind not in ("gradient", "sum"):
            continue
        s.expr = r.gathered(s.expr)
        users = readers.get(id(s.target), set())
        if fixed(program, s) or len(users) != 1 or {id(x) for x in leaves(s.expr)} - data:
            continue
        user = by_id[next(iter(users))]
        if user.kind not in ("gradient", "sum"):
            continue
        joined = r.gathered(r.swapped({id(s.target): s.expr})(user.expr))
        if operations_shown(joined) < operations_shown(s.expr) + operations_shown(user.expr):
            user.expr, user.nodes = joined, merged(s.nodes, user.nodes)
            user.through = s.through
            user.summed = user.summed or s.summed
            gone.add(id(s))
    program.statements = [s for s in program.statements if id(s) not in gone]


class Restorer:
    """Gives every value with a name whose gradient equals another's a line `d_z = d_r`."""

    def __init__(self, program: Program, r: Rewriter) -> None:
        self.program, self.r = program, r
        self.visible, self.homes = program.visible(), program.homes()
        self.made = {id(s.target): id(s) for s in program.forward}
        self.passing: dict[int, list[Statement]] = {}  # through a forward statement, sums too
        for s in program.backward:
            self.passes(s)

    def passes(self, s: Statement) -> None:
        for home in {id(h) for n in s.nodes if (h := self.homes.get(n.serial)) is not None}:
            self.passing.setdefault(home, []).append(s)

    def first_visible(self, s: Statement) -> Symbol | None:
        return next((x for x in s.whole if id(x) in self.visible), None)

    def run(self) -> None:
        out: list[Statement] = []
        early: list[Statement] = []  # gradients that equal a forward value
        for s in self.program.statements:
            first = None if s.kind == "forward" else self.first_visible(s)
            # the last first: each is read by the one after it
            restored = [d for d in reversed(s.equal) if self.restore(s, d, first)]
            out.append(s)
            (early if s.kind == "forward" else out).extend(reversed(restored))
        n = len(self.program.forward)
        self.program.statements = out[:n] + early + out[n:]

    def restore(self, s: Statement, d: Statement, first: Symbol | None) -> bool:
        """Whether `d`, which says the same as `s`, is a line again, as somebody can read it."""
        x = self.first_visible(d)
        if x is None or x is first:
            return False
        reading = self.passing.get(self.made.get(id(x), 0), [])
        users = [u for u in reading if any(y is s.target for y in leaves(u.expr))]
        for u in users:
            u.expr = self.r.swapped({id(s.target): d.target})(u.expr)
        if users:
            d.expr = s.target
            s.of = [x for x in s.of if not any(x is i for i in d.of)]
            s.whole = [x for x in s.whole if not any(x is i for i in d.whole)]
            self.passes(d)
        return bool(users)
