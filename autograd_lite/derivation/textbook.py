"""What a textbook would write: the passes of `derive`, and rules that `compile` does without.

Softmax and cross-entropy are derived together, numbers stand in one place, a vector is no matrix of
one column, and a gradient that equals another one is said to.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..engine.axes import axes_of
from ..program.expr import Symbol, is_leaf, is_number, leaves
from ..program.passes import (
    Joiner,
    Maker,
    cost,
    drop_unused,
    fixed,
    fold,
    merged,
    rebuilt,
    regroup,
    same_dtype,
    separate_blocks,
    share,
    swapped,
)
from ..program.trace import Program, Statement, is_range, named

__all__ = ["simplify"]

CLASSES = 256  # up to which a row of an identity matrix may say which class it is
REORDERED = ("reshape", "permute", "mT", "flip")  # views of all elements, each once


class Textbook(Maker):
    """Rules more, for what a person would not write that way. `compile` does without them."""

    def inline(self, e: Any) -> bool:
        led = named(e, "reshape") and is_leaf(e.inputs[0]) and (is_led(e) or is_column(e))
        return led or super().inline(e)

    def rewrite(self, name: str, value: Any, inputs: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        x: Any = inputs[0] if inputs else None
        match name:
            case "reshape":
                kw = {"shape": value.shape}
                if named(x, "matmul") and (product := self.flat_product(x, value)) is not None:
                    return product
            case "mT" if is_column(x) or is_row(x):
                return self.rewrite("reshape", value, x.inputs, {"shape": value.shape})
            case "mT" if named(x, "outer"):
                return self.make("outer", value, x.inputs[::-1], {})
            case "add" if is_number(x) and x == 0 and same_dtype(inputs[1], value):
                return inputs[1]  # 0 is what Python's sum() starts from
            case "mT" if is_batch_sum(x):
                return self.rewrite("sum", value, (self.mT(x.inputs[0]),), x.kw)
            case "matmul" if is_column(x) and is_row(inputs[1]):
                return self.make("outer", value, (x.inputs[0], inputs[1].inputs[0]), {})
            case "total" if len({id(self.factors(i)[0]) for i in inputs}) < len(inputs):
                return self.merged_terms(value, inputs)
            case "expand" if named(x, "reshape") and is_led(x):
                return self.rewrite(name, value, x.inputs, kw)
            case "sum" if named(x, "expand"):
                return self.sum_of_copies(value, x, kw)
            case "sum" if kw["axis"] is None and any(named(x, v) for v in REORDERED):
                return self.rewrite(name, value, x.inputs, kw)
            case "sum" if named(x, "sum") and x.ndim < x.inputs[0].ndim:
                return self.sum_of_sums(value, x, kw)
            case "sum" if is_one_hot(x) and axes_of(x, kw["axis"]) == (1,):
                return self.full(value, 1)
            case "scatter_add" if keeps_all(kw["index"]):
                return self.rewrite("reshape", value, inputs, {"shape": value.shape})
            case "scatter_add" if named(x, "full") and is_class(kw["index"], kw["shape"]):
                eye = np.eye(kw["shape"][1], dtype=value.dtype)
                ones = self.make(
                    "getitem", eye[kw["index"][1].value], (eye,), {"index": kw["index"][1]}
                )
                return self.scaled(ones, x.kw["n"], x.kw["by"])
            case "mul" | "div" if (spread := self.spread(name, value, inputs)) is not None:
                return spread
            case "bitwise_and" if any(i is False or i is np.False_ for i in inputs):
                return False
            case "where" if x is False:
                return inputs[2]
            case "where" if value.dtype == np.float64 and x.shape == value.shape:
                full = [named(i, "full") for i in inputs]
                numbers = [
                    i.kw["n"] / i.kw["by"] if f else i for i, f in zip(inputs, full, strict=True)
                ]
                return super().rewrite(name, value, tuple(numbers), kw)
        return super().rewrite(name, value, inputs, kw)

    def merged_terms(self, value: Any, inputs: tuple[Any, ...]) -> Any:
        """A sum in which equal terms are one term, times their number."""
        terms: list[list[Any]] = []
        for i in inputs:
            x, n, by = self.factors(i)
            same = next((t for t in terms if t[0] is x and t[2] == by and t[1] + n), None)
            if same is None:
                terms.append([x, n, by])
            else:
                same[1] += n
        few = tuple([self.scaled(*t) for t in terms])
        return few[0] if len(few) == 1 else super().rewrite("total", value, few, {})

    def spread(self, name: str, value: Any, inputs: tuple[Any, ...]) -> Any:
        """A number and a broadcast: the broadcast of the product or quotient; None for others."""
        i = next((i for i, x in enumerate(inputs) if named(x, "expand")), None)
        if i is None or not is_number(inputs[1 - i]):
            return None
        few = list(inputs)
        few[i] = inputs[i].inputs[0]
        small = few[i].value.astype(value.dtype)  # of a shape and a dtype; nothing reads the values
        inner = self.rewrite(name, small, tuple(few), {})
        return self.rewrite("expand", value, (inner,), {"shape": value.shape})

    def flat_product(self, x: Symbol, value: Any) -> Any:
        """The product of a vector, which was a row or a column before `reshape`."""
        a, b = x.inputs
        if is_column(b) and value.shape == a.shape[:-1]:
            return self.make("matmul", value, (a, b.inputs[0]), {})
        if is_row(a) and value.shape == (*b.shape[:-2], *b.shape[-1:]) * (b.ndim > 1):
            return self.make("matmul", value, (a.inputs[0], b), {})
        if is_column(a) and value.shape == a.inputs[0].shape and b.shape == (1, 1):
            a, b = b, a
        if (is_row(b) and value.shape == b.inputs[0].shape) or (is_column(b) and a.shape == (1, 1)):
            number = a.value.reshape(())
            number = self.rewrite("reshape", number, (a,), {"shape": ()})
            return self.rewrite("mul", value, (number, b.inputs[0]), {})
        return None

    def sum_of_copies(self, value: Any, x: Symbol, kw: dict[str, Any]) -> Any:
        """A sum over axes of a broadcast: of what was broadcast, and times the copies."""
        inner: Any = x.inputs[0]
        extra = x.ndim - inner.ndim
        axes = axes_of(x, kw["axis"])
        own = tuple(i - extra for i in axes if i >= extra and inner.shape[i - extra] == x.shape[i])
        copies = math.prod(x.shape[i] for i in axes if i - extra not in own)
        if math.prod(n for i, n in enumerate(inner.shape) if i not in own) == 1:
            kw = {"axis": None, "keepdims": False}
            inner = self.rewrite("sum", np.sum(inner.value), (inner,), kw)
        elif own:
            total = np.sum(inner.value, axis=own, keepdims=True)
            inner = self.rewrite("sum", total, (inner,), {"axis": own, "keepdims": True})
        if inner.ndim > value.ndim:
            kept = [n for i, n in enumerate(inner.shape) if i + extra not in axes]
            flat = inner.value.reshape(kept)
            inner = self.rewrite("reshape", flat, (inner,), {"shape": flat.shape})
        inner = self.scaled(inner, copies, 1)
        return self.rewrite("expand", value, (inner,), {"shape": value.shape})

    def sum_of_sums(self, value: Any, x: Symbol, kw: dict[str, Any]) -> Any:
        """A sum over axes of a sum over others: over all of them at once."""
        inner: Any = x.inputs[0]
        first = axes_of(inner, (x.kw or kw)["axis"])
        left = [i for i in range(inner.ndim) if i not in first]
        axes = tuple(sorted((*first, *(left[i] for i in axes_of(x, kw["axis"])))))
        axis = None if len(axes) == inner.ndim else axes
        total = np.sum(inner.value, axis=axis)
        flat = self.rewrite("sum", total, (inner,), {"axis": axis, "keepdims": False})
        return self.rewrite("reshape", value, (flat,), {"shape": value.shape})

    # ---- gradients, which nobody wrote

    def gathered(self, e: Any) -> Any:
        """The expression with the numbers of products, sums and differences before it."""
        if not isinstance(e, Symbol) or e.op is None:
            return e
        e = rebuilt(e, self.gathered, self)
        if not isinstance(e, Symbol) or e.op is None:
            return e
        if e.name == "sum":
            x, n, by = self.factors(e.inputs[0])
            if (n, by) != (1, 1):
                total = np.sum(x.value, axis=e.kw["axis"], keepdims=e.kw["keepdims"])
                return self.scaled(self.rewrite("sum", total, (x,), e.kw), n, by)
        if e.name in ("mul", "div") and all(isinstance(i, Symbol) for i in e.inputs):
            return self.signed_out(e)
        if e.name in ("mul", "div") and any(isinstance(i, Symbol) for i in e.inputs):
            return self.scaled(*self.factors(e))
        if e.name in ("add", "sub", "total"):
            return self.factored_out(e)
        return e

    def factors(self, x: Any) -> tuple[Any, float, float]:
        x, n, by = super().factors(x)
        if named(x, "mul") and named(x.inputs[0], "mul") and is_number(x.inputs[0].inputs[0]):
            number, left = x.inputs[0].inputs
            return self.make("mul", x.value, (left, x.inputs[1]), {}), n * number, by
        return x, n, by

    def scaled(self, x: Any, n: float, by: float) -> Any:
        """n * a * b / by, where it would be n * (a * b) / by, and n / (by * u) for 1 / u."""
        y, m, q = self.factors(x)
        if named(y, "div") and is_number(y.inputs[0]):
            return self.make(
                "div", y.value, (y.inputs[0] * n * m, self.scaled(y.inputs[1], by * q, 1)), {}
            )
        e = super().scaled(x, n, by)
        inner = e.inputs[0] if named(e, "div") and is_number(e.inputs[1]) else e
        if not named(inner, "mul") or not is_number(inner.inputs[0]):
            return e
        number, x = inner.inputs
        if not named(x, "mul") or not all(isinstance(i, Symbol) for i in x.inputs):
            return e
        left = self.make("mul", x.inputs[0].value, (number, x.inputs[0]), {})
        product = self.make("mul", x.value, (left, x.inputs[1]), {})
        return product if inner is e else self.make("div", e.value, (product, e.inputs[1]), {})

    def signed_out(self, e: Symbol) -> Any:
        """A product or a quotient with its sign in front, and one number in a product."""
        (a, m, p), (b, n, q) = map(self.factors, e.inputs)
        if e.name == "mul":
            a, b = (b, a) if a.dtype.kind == "b" else (a, b)
            return self.scaled(self.make("mul", e.value, (a, b), {}), m * n, p * q)
        a, b = self.scaled(a, abs(m) * q, 1), self.scaled(b, abs(n) * p, 1)
        return self.scaled(self.make("div", e.value, (a, b), {}), 1 if m * n > 0 else -1, 1)

    def factored_out(self, e: Symbol) -> Any:
        """A sum of two terms that are times the same number: that number times the sum."""
        if len(e.inputs) != 2 or any(is_number(i) for i in e.inputs):
            return e
        (a, m, p), (b, n, q) = map(self.factors, e.inputs)
        n = -n if e.name == "sub" else n
        if (abs(m), p) != (abs(n), q) or not a.shape == b.shape == e.shape:
            return e
        if m == n and (abs(m), p) == (1, 1):
            return e
        if n > m:
            a, b, m, n = b, a, n, m
        inner = self.rewrite("add" if m == n else "sub", e.value, (a, b), {})
        return self.scaled(inner, m, p)


def is_column(x: Any) -> bool:
    """Whether a vector was made a matrix of one column."""
    return named(x, "reshape") and x.inputs[0].ndim == 1 and x.shape == (x.size, 1)


def is_row(x: Any) -> bool:
    """Whether a vector was made a matrix of one row."""
    return named(x, "reshape") and x.inputs[0].ndim == 1 and x.shape == (1, x.size)


def is_batch_sum(x: Any) -> bool:
    """Whether an expression adds up products of a batch, one factor of which is transposed."""
    if not named(x, "sum") or x.kw["keepdims"] or not named(x.inputs[0], "matmul"):
        return False
    product = x.inputs[0]
    axes = axes_of(product, x.kw["axis"])
    return max(axes, default=0) < product.ndim - 2 and any(named(i, "mT") for i in product.inputs)


def is_led(x: Symbol) -> bool:
    """Whether a reshape puts axes of length 1 before the others, as a broadcast does."""
    inner = x.inputs[0].shape
    return x.shape == (1,) * (x.ndim - len(inner)) + inner


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
        and is_range(index[0])
        and isinstance(index[1], Symbol)
        and index[1].shape == shape[:1]
        and index[1].dtype.kind in "iu"
        and shape[1] <= CLASSES
    )


def is_one_hot(x: Any) -> bool:
    """Whether an expression has one 1 in every row and else 0."""
    return named(x, "getitem") and isinstance(x.inputs[0], np.ndarray)


# ---- passes ---------------------------------------------------------------------------------


def simplify(program: Program) -> Program:
    """The program, its statements changed: simple expressions, no other names of one value, common
    subexpressions named once, short steps joined, nothing unused."""
    maker = Textbook()
    with np.errstate(all="ignore"):
        fold(program, maker)
        share(program, maker)
        Joiner(program, maker).run()
        gather(program, maker)
        separate_blocks(program, maker)
        drop_unused(program)
        restore(program, maker)
        regroup(program)
    return program


def gather(program: Program, maker: Textbook) -> None:
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
        s.expr = maker.gathered(s.expr)
        users = readers.get(id(s.target), set())
        if fixed(program, s) or len(users) != 1 or {id(x) for x in leaves(s.expr)} - data:
            continue
        user = by_id[next(iter(users))]
        if user.kind not in ("gradient", "sum"):
            continue
        joined = maker.gathered(swapped(s.target, s.expr, maker)(user.expr))
        if cost(joined) < cost(s.expr) + cost(user.expr):
            user.expr, user.nodes = joined, merged(s.nodes, user.nodes)
            user.through = s.through
            user.summed = user.summed or s.summed
            gone.add(id(s))
    program.statements = [s for s in program.statements if id(s) not in gone]


def restore(program: Program, maker: Maker) -> None:
    """A line `d_z = d_r` for every value with a name whose gradient equals another's."""
    visible, homes = program.visible(), program.homes()
    made = {id(s.target): s for s in program.forward}
    passing: dict[int, list[Statement]] = {}  # by the forward statement, also the terms of sums

    def passes(s: Statement) -> None:
        for home in {id(h) for n in s.nodes if (h := homes.get(n.serial)) is not None}:
            passing.setdefault(home, []).append(s)

    for s in program.backward:
        passes(s)
    out: list[Statement] = []
    early: list[Statement] = []
    for s in program.statements:
        first = next((x for x in s.whole if id(x) in visible), None)
        restored: list[Statement] = []
        for d in reversed(s.equal):  # the last first: each is read by the one after it
            x = next((x for x in d.whole if id(x) in visible), None)
            if x is None or (s.kind != "forward" and x is first):
                continue
            reading = passing.get(id(made.get(id(x))), [])
            users = [u for u in reading if any(y is s.target for y in leaves(u.expr))]
            if not users:
                continue
            for u in users:
                u.expr = swapped(s.target, d.target, maker)(u.expr)
            d.expr = s.target
            s.of = [x for x in s.of if not any(x is i for i in d.of)]
            s.whole = [x for x in s.whole if not any(x is i for i in d.whole)]
            passes(d)
            restored.append(d)
        out.append(s)
        (early if s.kind == "forward" else out).extend(reversed(restored))
    n = len(program.forward)
    program.statements = out[:n] + early + out[n:]
