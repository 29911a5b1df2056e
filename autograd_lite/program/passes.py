"""Passes over a program: the same values by the statements that a person would write.

Equal expressions are one object, made by a `Maker`, which also merges transposes and folds the
constants that a loss starts with. Nothing here knows a derivative.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..engine.axes import axes_of, is_basic
from ..engine.op import table
from ..engine.rules import ops
from .expr import Symbol, full, is_leaf, is_number, leaf, leaves, numpy_op, outer, parts, total
from .trace import KEPT, Program, Statement, named, run

__all__ = ["Maker", "spell_out"]

VIEWS = {"mT", "reshape", "permute", "getitem", "flip", "expand", "copy", "cast"}
ARITHMETIC = {"add", "sub", "mul", "div", "neg", "pow", "total"}
PRODUCTS = {"matmul", "einsum", "outer"}
REDUCTIONS = {"sum", "mean", "max", "min", "prod"}
SHORT = {"sqrt", "exp", "log", "log1p", "abs", "maximum", "minimum", "where", "sin", "cos"}
BLOCKS = (ops.scatter_add, ops.put)  # more than one line of NumPy
ELEMENTWISE = {"add", "sub", "mul", "div", "maximum", "minimum", "where", "logaddexp"}
PRIMITIVE = (
    set(table) & {"add", "sub", "mul", "div", "matmul", "pow"} | VIEWS | ARITHMETIC | PRODUCTS | REDUCTIONS | SHORT | KEPT
    | {"tan", "sinh", "cosh", "tanh", "arctan", "expm1", "logaddexp", "cumsum", "cumprod", "pad"}
    | {"concatenate", "stack"}
)  # fmt: skip


def cost(s: Any) -> int:
    """How many operations an expression shows; views count nothing."""
    if not isinstance(s, Symbol) or s.op is None:
        return 0
    copies = s.name == "getitem" and not is_basic(s.kw["index"])
    free = s.name == "full" or (s.name in VIEWS and not copies)
    return (not free) + sum(map(cost, parts(s)))


def replaced(x: Any, change: Callable[[Any], Any]) -> Any:
    """`change` applied to what is inside tuples and lists."""
    if isinstance(x, tuple | list):
        return type(x)(replaced(i, change) for i in x)
    return change(x) if isinstance(x, Symbol) else x


class Maker:
    """Makes expressions, equal ones as one object, in their simplest form."""

    ops: dict[str, Any] = {o.name: o for o in (full, total, outer, numpy_op(np.isnan))}

    def __init__(self) -> None:
        self.made: dict[Any, Symbol] = {}
        self.alive: list[Any] = []  # what keys refer to by identity
        self.memo: dict[int, Any] = {}
        self.names: dict[int, Any] = {}  # what stands for a dropped name

    def key(self, x: Any) -> Any:
        if isinstance(x, Symbol | np.ndarray):
            return id(x)
        if isinstance(x, tuple | list):
            return tuple(map(self.key, x))
        return type(x).__name__, repr(x)

    def make(self, name: str, value: Any, inputs: tuple[Any, ...], kw: dict[str, Any]) -> Symbol:
        """The expression, which has this value; made once."""
        key = (name, self.key(inputs), tuple((k, self.key(v)) for k, v in kw.items()))
        if key not in self.made:
            self.made[key] = Symbol(self.ops.get(name) or table[name], value, inputs, kw)
            self.alive.append((inputs, kw))
        return self.made[key]

    def simple(self, s: Any) -> Any:
        """An expression with every part in its simplest form."""
        if not isinstance(s, Symbol):
            return s
        if s.op is None:
            return self.names.get(id(s), s)
        if id(s) not in self.memo:
            self.alive.append(s)
            self.ops[s.name] = s.op
            inputs = replaced(s.inputs, self.simple)
            kw = {k: replaced(v, self.simple) for k, v in s.kw.items()}
            if s.name in PRIMITIVE or s.name not in table:
                self.memo[id(s)] = self.rewrite(s.name, s.value, inputs, kw)
            else:
                self.memo[id(s)] = self.simple(run(table[s.name], inputs, kw))
        return self.memo[id(s)]

    def full(self, value: Any, n: float, by: float = 1) -> Symbol:
        """The array that has n / by everywhere."""
        if by and n % by == 0:
            n, by = n // by, 1
        return self.make(
            "full", np.broadcast_to(np.asarray(n / by if by else n, value.dtype), value.shape), (),
            {"shape": value.shape, "n": n, "by": by, "dtype": value.dtype.name},
        )  # fmt: skip

    def mT(self, x: Any) -> Any:
        return self.rewrite("mT", x.value.mT, (x,), {}) if isinstance(x, Symbol) else x

    def factors(self, x: Any) -> tuple[Any, float, float]:
        """y, n and by of x = n * y / by."""
        n, by = 1, 1
        while isinstance(x, Symbol) and x.op is not None:
            left: Any = x.inputs[0] if x.inputs else None
            right: Any = x.inputs[1] if len(x.inputs) > 1 else None
            if x.name == "neg":
                n, x = -n, left
            elif x.name == "mul" and is_number(left):
                n, x = n * left, right
            elif x.name == "mul" and is_number(right):
                n, x = n * right, left
            elif x.name == "div" and is_number(right):
                by, x = by * right, left
            else:
                break
        return x, n, by

    def scaled(self, x: Any, n: float, by: float) -> Any:
        """n * x / by, with the factors that x has already."""
        x, m, q = self.factors(x)
        n, by = whole(n * m), whole(by * q)
        if named(x, "full"):
            return self.full(x.value, n * x.kw["n"], by * x.kw["by"])
        if by and n % by == 0:
            n, by = n // by, 1
        if n == -1:
            x = self.make("neg", x.value, (x,), {})
        elif n != 1:
            x = self.make("mul", x.value, (n, x), {})
        return x if by == 1 else self.make("div", x.value, (x, by), {})

    def rewrite(self, name: str, value: Any, inputs: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        """An operation on simple inputs in its simplest form."""
        x: Any = inputs[0] if inputs else None
        inner = x.name if isinstance(x, Symbol) and x.op is not None else ""
        if inner == "full" and name in VIEWS | {"neg", "sum"}:
            n, by = x.kw["n"], x.kw["by"]
            if name == "neg":
                return self.full(value, -n, by)
            return self.full(value, n * (x.size // max(value.size, 1)) if name == "sum" else n, by)
        axis = kw.get("axis")
        if name in REDUCTIONS and axis is not None:
            if value.ndim == 0:
                kw = kw | {"axis": None}
            elif isinstance(axis, tuple) and len(axis) == 1:
                kw = kw | {"axis": axis[0]}
        match name:
            case "mT" if inner == "mT":
                return x.inputs[0]
            case "mT" if inner == "total":
                return self.make("total", value, tuple(self.mT(i) for i in x.inputs), {})
            case "mT" if inner == "matmul" and any(named(i, "mT") for i in x.inputs):
                a, b = x.inputs
                return self.make("matmul", value, (self.mT(b), self.mT(a)), {})
            case "reshape" | "expand" if isinstance(x, Symbol) and x.shape == value.shape:
                return x
            case "reshape" if inner in REDUCTIONS and value.shape == squeezed(x):
                return self.rewrite(inner, value, x.inputs, x.kw | {"keepdims": False})
            case "reshape":
                return self.make(name, value, x.inputs if inner == name else inputs, kw)
            case "permute" if kw["axes"] == tuple(range(value.ndim)):
                return x
            case "permute" if inner == "permute":
                axes = tuple(x.kw["axes"][i] for i in kw["axes"])
                return self.rewrite(name, value, x.inputs, {"axes": axes})
            case "permute" if kw["axes"] == (
                *range(value.ndim - 2),
                value.ndim - 1,
                value.ndim - 2,
            ):
                return self.mT(x)
            case "cast" if isinstance(x, Symbol) and x.dtype == value.dtype:
                return x
            case "copy":
                return x
            case "erf" if value.dtype != np.float64:
                wide = self.make("erf", value.astype(np.float64), inputs, kw)
                return self.make("cast", value, (wide,), {"dtype": value.dtype.name})
            case "not_equal" if x is inputs[1]:
                return self.make("isnan", value, (x,), {})
            case "neg" if inner == "neg":
                return x.inputs[0]
            case "sum" if inner == "neg":
                return self.rewrite("neg", value, (self.rewrite(name, -value, x.inputs, kw),), {})
            case "total" if all(i is x for i in inputs):
                return self.scaled(x, len(inputs), 1)
            case "getitem" if isinstance(kw["index"], tuple) and len(kw["index"]) == 1:
                return self.make(name, value, inputs, {"index": kw["index"][0]})
        if name in ELEMENTWISE | {"total"}:
            return self.elementwise(name, value, inputs, kw)
        return self.make(name, value, inputs, kw)

    def elementwise(
        self, name: str, value: Any, inputs: tuple[Any, ...], kw: dict[str, Any]
    ) -> Any:
        """The operation without the broadcasts and constant arrays that it does not need."""

        def carries(i: int) -> bool:
            """Whether the inputs but i give the result its shape and dtype."""
            others = [x for k, x in enumerate(inputs) if k != i and isinstance(x, Symbol)]
            arrays = [x for x in others if not named(x, "full") and x.dtype.kind != "b"]
            return (
                bool(arrays)
                and np.broadcast_shapes(*(x.shape for x in others)) == value.shape
                and np.result_type(*arrays) == value.dtype
            )

        given = list(inputs)
        for i, x in enumerate(inputs):
            inner: Any = x.inputs[0] if isinstance(x, Symbol) and x.inputs else None
            widened = (
                named(x, "expand")
                or (named(x, "reshape") and x.shape == (1,) * (x.ndim - inner.ndim) + inner.shape)
                or (named(x, "cast") and x.dtype == np.float64 and inner.dtype.kind in "iu")
            )
            if widened and carries(i):
                given[i] = inner
        inputs = tuple(given)
        full = [i for i, x in enumerate(inputs) if named(x, "full")]
        if full and name in ("mul", "div"):
            i = full[0]
            n, by, other = inputs[i].kw["n"], inputs[i].kw["by"], inputs[1 - i]
            if not isinstance(other, Symbol):
                if name == "mul":
                    return self.full(value, n * other, by)
                if i == 0:
                    return self.full(value, n, by * other)
            else:
                if other.shape != value.shape:
                    wide = np.broadcast_to(other.value, value.shape)
                    other = self.make("expand", wide, (other,), {"shape": value.shape})
                if other.dtype.kind == "b" and name == "mul":
                    other = self.make("cast", value, (other,), {"dtype": value.dtype.name})
                if other.dtype == value.dtype:
                    if name == "mul":
                        return self.scaled(other, n, by)
                    if i == 0:
                        bottom = other if by == 1 else self.make("mul", value, (by, other), {})
                        return self.make("div", value, (n, bottom), {})
        for i in full:
            if carries(i):
                n, by = inputs[i].kw["n"], inputs[i].kw["by"]
                given[i] = n if by == 1 else self.make("div", n / by, (n, by), {})
        inputs = tuple(given)
        if name in ("mul", "div") and is_one(inputs[1]) and same_dtype(inputs[0], value):
            return inputs[0]
        if name == "mul" and is_one(inputs[0]) and same_dtype(inputs[1], value):
            return inputs[1]
        return self.make(name, value, inputs, kw)

    def inline(self, e: Any) -> bool:
        """Whether every user of a forward value writes its expression instead of a name."""
        return named(e, "mT") and is_leaf(e.inputs[0])


def squeezed(s: Symbol) -> tuple[int, ...] | None:
    """The shape that a reduction with keepdims would have without."""
    kw = s.kw or {}
    if not kw.get("keepdims"):
        return None
    axes = axes_of(s.inputs[0], kw["axis"])
    return tuple(n for i, n in enumerate(s.shape) if i not in axes)


def whole(n: float) -> float:
    """An int for a number like 12.0."""
    return int(n) if isinstance(n, float) and n.is_integer() else n


def is_one(x: Any) -> bool:
    return is_number(x) and x == 1


def same_dtype(x: Any, value: Any) -> bool:
    return isinstance(x, Symbol) and x.dtype == value.dtype


# ---- passes ---------------------------------------------------------------------------------


def spell_out(program: Program) -> Program:
    """The program with one statement for every operation, written with what NumPy has."""
    maker = Maker()
    for s in program.statements:
        s.expr = maker.simple(s.expr)
    separate_blocks(program, maker)
    return program


def fixed(program: Program, s: Statement) -> bool:
    """Whether a statement stays, whatever it says."""
    return (
        s.argument is not None
        or s.kind == "hook"
        or s.target is program.loss
        or (s.kind == "forward" and s.label != "")
    )


def users(program: Program) -> Counter[int]:
    """How often every name occurs."""
    return Counter(id(x) for s in program.statements for x in leaves(s.expr))


def fold(program: Program, maker: Maker) -> None:
    """Every expression in its simplest form; other names of a value, constants and transposes
    become what they stand for."""
    found = [list(leaves(s.expr)) for s in program.statements]
    times = Counter(id(x) for inner in found for x in inner)
    kept: list[Statement] = []
    by_target: dict[int, Statement] = {}
    absorbed: dict[int, list[Any]] = {}
    sums: dict[int, tuple[int, ...]] = {}
    for s, inner in zip(program.statements, found, strict=True):
        for x in inner:
            if id(x) in absorbed:
                s.nodes = merged(s.nodes, absorbed[id(x)])
        s.expr = maker.simple(s.expr)
        if s.kind == "gradient" and named(s.expr, "sum"):
            s.summed = next((sums[id(x)] for x in inner if id(x) in sums), s.summed)
        product = by_target.get(id(s.expr.inputs[0])) if named(s.expr, "reshape") else None
        if product is not None and times[id(product.target)] == 1 and not fixed(program, product):
            flat = maker.rewrite("reshape", s.expr.value, (product.expr,), s.expr.kw)
            if s.kind == "forward" and named(flat, "matmul"):  # of a vector, which was a column
                s.expr, s.nodes = flat, merged(product.nodes, s.nodes)
                maker.names[id(product.target)] = s.target
                kept.remove(product)
        if not fixed(program, s):
            hidden = s.kind in ("gradient", "sum") and all(id(x) in maker.names for x in s.of)
            short = is_leaf(s.expr) or named(s.expr, "full")
            short = short or (s.kind == "forward" and maker.inline(s.expr))
            once = times[id(s.target)] == 1 or cost(s.expr) == 0
            if short or (hidden and once and s.expr.op not in BLOCKS):
                maker.names[id(s.target)] = s.expr
                if s.summed:
                    sums[id(s.target)] = s.summed
                if id(s.expr) in by_target:
                    by_target[id(s.expr)].of += s.of
                    by_target[id(s.expr)].whole += s.whole
                    by_target[id(s.expr)].equal.append(s)
                if s.kind == "forward" or not is_leaf(s.expr):
                    absorbed[id(s.target)] = s.nodes
                continue
        by_target[id(s.target)] = s
        kept.append(s)
    program.statements = kept


def merged(nodes: Iterable[Any], more: Iterable[Any]) -> list[Any]:
    """Two lists of records as one, in the order they were made."""
    by_serial = {n.serial: n for n in (*nodes, *more)}
    return [by_serial[k] for k in sorted(by_serial)]


def trivial(e: Any) -> bool:
    """Whether a second copy of an expression needs no name: views, plain constants and -x."""
    minus = named(e, "neg") and is_leaf(e.inputs[0])
    return minus or cost(e) == 0 or next(leaves(e), None) is None


def share(program: Program, maker: Maker) -> None:
    """Name once what is computed more than once."""
    times: Counter[int] = Counter()
    for s in program.statements:
        stack = [s.expr]
        while stack:
            e = stack.pop()
            if isinstance(e, Symbol) and e.op is not None:
                times[id(e)] += 1
                if times[id(e)] == 1:
                    stack += parts(e)
    known: dict[int, Symbol] = {}
    standing: dict[int, Any] = {}
    twins: set[int] = set()
    out: list[Statement] = []

    def shared(e: Symbol) -> Any:
        if e.op is None:
            return standing.get(id(e), e)
        if id(e) in known:
            return known[id(e)]
        new = rebuilt(e, shared, maker)
        if times[id(e)] == 1 or trivial(e):
            return new
        local = Statement(leaf(e.value), new, "local", list(s.nodes))
        out.append(local)
        known[id(e)] = local.target
        return local.target

    for s in program.statements:
        e = s.expr
        if not isinstance(e, Symbol) or e.op is None or id(e) in known:
            s.expr = shared(e)
            twins.add(id(s.expr))
            if not fixed(program, s):
                standing[id(s.target)] = s.expr
                continue
        else:
            s.expr = rebuilt(e, shared, maker)
            if not trivial(e):
                known[id(e)] = s.target
        out.append(s)
    for s in out:
        s.twin = s.kind == "forward" and id(s.target) in twins
    program.statements = out


def rebuilt(e: Symbol, change: Callable[[Any], Any], maker: Maker) -> Any:
    """The expression with `change` applied to its parts, in its simplest form."""
    inputs = replaced(e.inputs, change)
    kw = {k: replaced(v, change) for k, v in (e.kw or {}).items()}
    return maker.rewrite(e.name, e.value, inputs, kw)


class Joiner:
    """Joins steps that a person writes on one line."""

    def __init__(self, program: Program, maker: Maker) -> None:
        self.program = program
        self.maker = maker
        self.times = users(program)
        self.user: dict[int, Statement] = {}  # the last statement that takes a name
        for s in program.statements:
            for x in leaves(s.expr):
                self.user[id(x)] = s
        self.gone: set[int] = set()
        self.hidden: set[int] = set()  # forward values that have no name any more
        self.gradients: dict[int, list[Statement]] = {}
        for s in program.statements:
            for x in s.of:
                self.gradients.setdefault(id(x), []).append(s)
        self.made = {id(s.target) for s in program.statements if s.kind == "forward"}
        self.made |= {id(a.symbol) for a in program.arguments}

    def run(self) -> None:
        for s in self.program.statements:
            if self.times[id(s.target)] != 1:
                continue
            if fixed(self.program, s):
                if s.kind == self.user[id(s.target)].kind == "hook":
                    self.join(s)
            elif s.kind in ("forward", "local"):
                self.join_forward(s)
            elif self.user[id(s.target)].kind in ("sum", "hook"):
                self.join_term(s)
        self.program.statements = [s for s in self.program.statements if id(s) not in self.gone]

    def visible(self, x: Symbol) -> bool:
        return id(x) in self.made and id(x) not in self.hidden

    def join_term(self, s: Statement) -> None:
        partial = not any(map(self.visible, s.whole))
        if partial and s.expr.op not in BLOCKS and cost(s.expr) <= 4:
            self.join(s)

    def join_forward(self, s: Statement) -> None:
        if not fits(s.expr, self.user[id(s.target)].expr, s.target):
            return
        passing = []
        for d in self.gradients.get(id(s.target), ()):
            if any(self.visible(x) and x is not s.target for x in d.whole):
                continue
            if (
                d.kind != "gradient"
                or self.times[id(d.target)] != 1
                or cost(d.expr) > 2
                or d.expr.op in BLOCKS
            ):
                return
            passing.append(d)
        self.join(s)
        self.hidden.add(id(s.target))
        for d in passing:
            self.join(d)

    def join(self, s: Statement) -> None:
        """Write the expression of `s` where its name is used."""
        user = self.user[id(s.target)]
        user.expr = swapped(s.target, s.expr, self.maker)(user.expr)
        user.nodes = merged(s.nodes, user.nodes)
        user.summed = user.summed or s.summed
        for x in leaves(s.expr):
            self.user[id(x)] = user
        self.gone.add(id(s))


def fits(inner: Any, outer: Symbol, target: Symbol) -> bool:
    """Whether an expression is written inside of the one that uses it, as a textbook would."""
    a = inner.name
    total = cost(inner) + cost(outer)
    direct = any(x is target for x in parts(outer))
    b = outer.name
    if inner.op in BLOCKS or (outer.op in BLOCKS and a not in VIEWS):
        return False
    if a in VIEWS:
        return cost(inner) == 0 or (cost(inner) <= 2 and total <= 4)
    if a in PRODUCTS:
        return direct and b == "add" and cost(inner) == 1
    if b in ARITHMETIC:
        if has_product(inner) and b != "add":
            return False  # an error or an activation of what a layer gives has a name of its own
        return a in ARITHMETIC | REDUCTIONS | SHORT and total <= 5
    if b in REDUCTIONS:
        return a in ARITHMETIC | SHORT and cost(inner) <= 2
    return b in SHORT and a in ARITHMETIC and cost(inner) == 1


def has_product(e: Any) -> bool:
    """Whether a matrix product is part of an expression."""
    return (
        isinstance(e, Symbol)
        and e.op is not None
        and (e.name in PRODUCTS or any(map(has_product, parts(e))))
    )


def swapped(old: Symbol, new: Any, maker: Maker) -> Callable[[Any], Any]:
    """A function that writes `new` for `old`."""

    def change(e: Any) -> Any:
        if e is old:
            return new
        return e if e.op is None else rebuilt(e, change, maker)

    return change


def separate_blocks(program: Program, maker: Maker) -> None:
    """What takes several lines of NumPy is a statement of its own."""
    out: list[Statement] = []

    def pulled(e: Symbol) -> Any:
        if e.op is None:
            return e
        e = rebuilt(e, pulled, maker)
        if e.op not in BLOCKS:
            return e
        local = Statement(leaf(e.value), e, "local", list(s.nodes))
        out.append(local)
        return local.target

    for s in program.statements:
        if isinstance(s.expr, Symbol) and s.expr.op is not None:
            s.expr = rebuilt(s.expr, pulled, maker)
        out.append(s)
    program.statements = out


def drop_unused(program: Program) -> None:
    """Only what leads to the loss or to a gradient."""
    needed: set[int] = {id(program.loss)}
    kept: list[Statement] = []
    for s in reversed(program.statements):
        if s.argument is not None or s.kind == "hook" or id(s.target) in needed:
            kept.append(s)
            needed |= {id(x) for x in leaves(s.expr)}
    program.statements = kept[::-1]
    program.arguments = [
        a for a in program.arguments if a.kind == "parameter" or id(a.symbol) in needed
    ]


def regroup(program: Program) -> None:
    """What passes back through one forward statement stands together, where values allow it."""
    home = program.homes()
    groups: list[list[Statement]] = []
    group_of: dict[int, int] = {}  # the group that a name is made in
    last: dict[int, int] = {}  # the group of a forward statement
    for s in program.backward:
        through = next(reversed(program.passed(s, home)), None)
        needed = max((group_of.get(id(x), 0) for x in leaves(s.expr)), default=0)
        k = last.get(id(through), -1) if through is not None else -1
        if k < needed:
            k = len(groups)
            groups.append([])
        groups[k].append(s)
        last[id(through)] = group_of[id(s.target)] = k
    program.statements = program.forward + [s for group in groups for s in group]
