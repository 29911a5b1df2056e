"""From a program to steps: one of every operation, equal ones once, in their fastest order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..program.expr import Symbol, is_number
from ..program.laws import LAWS
from ..program.passes import fold
from ..program.rewrite import Rewriter
from ..program.trace import Argument, Program

__all__ = ["Step", "is_draw", "is_range", "lower"]


class Step:
    """One operation: its inputs are Steps, numbers, or tuples of them; `name` "given" is an
    argument and "constant" an array that stays."""

    __slots__ = (
        "name", "inputs", "kw", "value", "uses", "last", "text", "block", "fresh", "root",
    )  # fmt: skip

    def __init__(self, name: str, value: Any, inputs: tuple[Any, ...], kw: dict[str, Any]) -> None:
        self.name, self.value, self.inputs, self.kw = name, value, inputs, kw
        self.uses = list(steps_in([*inputs, *kw.values()]))  # also those in the metadata
        self.last = -1  # the position of the last step that needs its memory
        self.text = ""
        self.block: Any = None  # the buffer that it lies in
        self.fresh = False  # handed out: its memory is not used again
        self.root: Step = self  # whose memory it shows

    shape = property(lambda self: self.value.shape)
    dtype = property(lambda self: self.value.dtype)


def steps_in(stack: list[Any]) -> Iterator[Step]:
    """The Steps in a list, and in the tuples and lists in it."""
    while stack:
        x = stack.pop()
        if isinstance(x, Step):
            yield x
        elif isinstance(x, tuple | list):
            stack += x


def lower(
    program: Program,
    outputs: list[Symbol],
    checks: list[tuple[Symbol, int]],
    questions: list[Any],
    layouts: list[Any],
    rates: list[Step],
) -> tuple[list[Step], list[Any], dict[int, Step]]:
    """The steps in order, those of the outputs, and those of the arguments by their symbol.

    The outputs are the loss, gradients, laid out like `layouts` and times `rates`, if any, and
    whatever else. `questions` are asked as soon as there is what they are about.
    """
    fold_all(program, [*outputs, *(c for c, _ in checks), *(q.of for q in questions)])
    lowerer = Lowerer()
    waiting: dict[int, list[tuple[str, dict[str, Any]]]] = {}
    for c, classes in checks:
        waiting.setdefault(id(c), []).append(("check", {"classes": classes}))
    for q in questions:
        kw = {"question": q.ask, "answer": q.answer}
        waiting.setdefault(id(q.of), []).append(("ask", kw))
    for a in program.arguments:
        kw = {"draw": True} if a.label == "draw" else {}
        lowerer.known[id(a.symbol)] = Step("given", a.symbol.value, (), kw)
    given = {id(a.symbol): lowerer.known[id(a.symbol)] for a in program.arguments}
    for a in program.arguments:
        lowerer.ask(a.symbol, waiting.get(id(a.symbol), []))
    for s in program.statements:
        lowerer.known[id(s.target)] = lowerer.step(s.expr)
        lowerer.ask(s.target, waiting.get(id(s.target), []))
    results = [lowerer.step(o) for o in outputs]
    for i, like in enumerate(layouts, 1):
        results[i] = lowerer.laid_out(results[i], like)
    if rates:
        results = lowerer.scaled(results, rates)
    return asked_first(needed(lowerer.steps, results)), results, given


def fold_all(program: Program, outputs: list[Symbol]) -> None:
    """The expressions in their simplest form; the outputs keep their names."""
    marks = {id(o) for o in outputs}
    for s in program.statements:
        if id(s.target) in marks:
            s.argument = Argument("gradient", s.target, "", None)  # which keeps the statement
    fold(program, Rewriter(LAWS))


def needed(steps: list[Step], results: list[Any]) -> list[Step]:
    """The steps that lead to the results, the checks and the questions."""
    wanted = {id(r) for r in results}
    kept = []
    for s in reversed(steps):
        if id(s) in wanted or s.name in ("check", "ask"):
            kept.append(s)
            wanted |= {id(x) for x in s.uses}
    return kept[::-1]


def asked_first(steps: list[Step]) -> list[Step]:
    """Questions that no random number has a part in come first, with what leads to them, so that a
    call that has to start again has drawn nothing."""
    early: set[int] = set()
    for s in steps:
        if s.name in ("check", "ask"):
            found, todo = {id(s)}, list(s.uses)
            while todo:
                x = todo.pop()
                if id(x) not in found:
                    found.add(id(x))
                    todo += x.uses
            if not any(is_draw(x) for t in steps if id(t) in found for x in t.uses):
                early |= found
    return sorted(steps, key=lambda s: id(s) not in early)


def is_draw(s: Step) -> bool:
    """Whether it is an argument that is drawn at every call, as late as it can be."""
    return s.name == "given" and "draw" in s.kw


class Lowerer:
    """Makes steps of expressions, equal ones once, and better ones where it knows some."""

    def __init__(self) -> None:
        self.known: dict[int, Any] = {}  # by the identity of a Symbol
        self.made: dict[Any, Step] = {}
        self.steps: list[Step] = []
        self.alive: list[Any] = []

    def ask(self, of: Symbol, questions: list[tuple[str, dict[str, Any]]]) -> None:
        for name, kw in questions:
            self.steps.append(Step(name, of.value, (self.step(of),), kw))

    def step(self, x: Any) -> Any:
        """The Step of an expression; numbers stay as they are."""
        if isinstance(x, tuple | list):
            return type(x)(self.step(i) for i in x)
        if isinstance(x, np.ndarray):
            return self.make("constant", x, (), {"array": x})
        if not isinstance(x, Symbol):
            return x
        if id(x) not in self.known:
            self.alive.append(x)
            inputs = tuple(self.step(i) for i in x.inputs)
            kw = {k: self.step(v) for k, v in (x.kw or {}).items()}
            self.known[id(x)] = self.rewritten(x.name, x.value, inputs, kw)
        return self.known[id(x)]

    def laid_out(self, s: Any, like: Any) -> Any:
        """The step of a gradient, computed in the memory order of its tensor: an update that goes
        through both in one order takes half the time."""
        product = isinstance(s, Step) and s.name == "matmul" and s.value.ndim == 2
        if product and like.flags.fnc and all(x.value.ndim == 2 for x in s.inputs):
            a, b = (self.turned(x) for x in s.inputs)
            return self.turned(self.make("matmul", s.value.mT, (b, a), {}))
        return s

    def scaled(self, results: list[Any], rates: list[Step]) -> list[Any]:
        """The loss, and the gradients times their rates."""
        forward = {id(s) for s in needed(self.steps, results[:1])}
        backward = [s for s in self.steps if id(s) not in forward]
        early, late = list(results), list(results)
        for rate in rates:
            found: dict[int, Any] = {}
            for s in backward:
                found[id(s)] = self.linear(s, found, rate)
            for i, r in enumerate(rates, 1):
                if r is rate:
                    early[i] = found.get(id(results[i]))
        for products in (True, False):
            for i, rate in enumerate(rates, 1):
                if products == is_product(results[i]):
                    late[i] = self.times(results[i], rate)
        if any(x is None for x in early):
            return late
        return min(early, late, key=lambda found: sum(map(cost, needed(self.steps, found))))

    def linear(self, s: Step, found: dict[int, Any], rate: Step) -> Any:
        """The step times a number that goes back through all that is linear to a number in the
        rule of the loss, so that nothing is left to multiply; None where it meets no number."""
        inputs: list[Any] = list(s.inputs)
        scaled = [found.get(id(x)) for x in inputs]
        match s.name:
            case "mul" if is_number(inputs[1]):
                inputs[1] = self.make("mul", rate.value, (rate, inputs[1]), {})
            case "plus_at":
                number = self.make("mul", rate.value, (rate, inputs[1]), {})
                inputs = [scaled[0], number]
            case "add" | "sub":
                inputs = scaled
            case "mT" | "reshape" | "permute" | "expand" | "sum" | "neg" | "scatter_add":
                inputs[0] = scaled[0]
            case "matmul" | "mul":
                i = scaled[0] is None
                inputs[i] = scaled[i]
            case _:
                return None
        if any(x is None for x in inputs):
            return None
        return self.make(s.name, s.value, tuple(inputs), s.kw)

    def times(self, s: Any, rate: Step) -> Any:
        """The step times a number: of a product its smaller factor, which takes 0.4 us instead of
        3.6 for the first layer of (16, 64); of its sum over the rows what is scaled already."""
        if s.name == "mT":
            return self.turned(self.times(s.inputs[0], rate))
        if s.name == "matmul":
            a, b = s.inputs
            small = min((a, b), key=lambda x: (x.root.name == "given", x.value.size))
            base = small.inputs[0] if small.name == "mT" else small
            scaled = self.make("mul", base.value, (base, rate), {})
            scaled = self.turned(scaled) if small is not base else scaled
            inputs = tuple(scaled if x is small else x for x in (a, b))
            return self.make("matmul", s.value, inputs, {})
        if s.name == "sum":
            there = self.made.get(("mul", (id(s.inputs[0]), id(rate)), ()))
            if there is not None:
                return self.make("sum", s.value, (there,), s.kw)
        return self.make("mul", s.value, (s, rate), {})

    def turned(self, s: Any) -> Any:
        return s.inputs[0] if s.name == "mT" else self.make("mT", s.value.mT, (s,), {})

    def key(self, x: Any) -> Any:
        if isinstance(x, Step | np.ndarray):
            return id(x)
        if isinstance(x, tuple | list):
            return tuple(map(self.key, x))
        return type(x).__name__, repr(x)

    def make(self, name: str, value: Any, inputs: tuple[Any, ...], kw: dict[str, Any]) -> Step:
        key = (name, self.key(inputs), tuple((k, self.key(v)) for k, v in kw.items()))
        if key not in self.made:
            self.alive.append(kw)
            s = self.made[key] = Step(name, value, inputs, kw)
            self.steps.append(s)
        return self.made[key]

    def rewritten(self, name: str, value: Any, inputs: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        x: Any = inputs[0] if inputs else None
        match name:
            case "total":
                whole = x
                for i in inputs[1:]:
                    whole = self.make("add", value, (whole, i), {})
                return whole
            case "full":
                n = kw["n"] / kw["by"] if kw["by"] else kw["n"]
                return self.make("full", value, (), {"n": np.asarray(n, value.dtype).item()})
            case "power":
                return self.rewritten("pow", value, (x, kw["p"]), {})
            case "pow" if is_number(inputs[1]) and inputs[1] == 2 and isinstance(x, Step):
                if x.dtype == value.dtype:
                    return self.make("square", value, (x,), {})
            case "copy" | "expand" | "reshape" if getattr(x, "shape", 0) == value.shape:
                return x
            case "put" if kw["index"] is ... and plain(inputs[1], value):
                return inputs[1]
            case "mean":
                total = self.make("sum", value * 1, (x,), kw)
                return self.make("div", value, (total, x.value.size // max(value.size, 1)), {})
            case "exp" if is_shifted_log(x):
                # exp(d - log(s)) with d <= 0: exp(d) is there already
                top = self.rewritten("exp", value, (x.inputs[0],), {})
                return self.make("div", value, (top, x.inputs[1].inputs[0]), {})
            case "getitem" if is_shifted_log(x) and is_pair(kw["index"]):
                d, log = x.inputs  # so that the difference itself is not needed
                top = self.make("getitem", value, (d,), kw)
                bottom = self.make("getitem", value, (log,), {"index": (slice(None), 0)})
                return self.make("sub", value, (top, bottom), {})
            case "div" if is_number(inputs[1]) and isinstance(x, Step) and x.name == "neg":
                return self.make("div", value, (x.inputs[0], -inputs[1]), {})
            case "sum" if is_one_per_row(x) and kw.get("axis") == 1:
                return self.make("full", value, (), {"n": x.inputs[0].kw["n"]})
            case "neg" if isinstance(x, Step) and x.name == "mul" and is_number(x.inputs[1]):
                return self.make("mul", value, (x.inputs[0], -x.inputs[1]), {})
            case "sub" if is_one_per_row(x) and plain(inputs[1], value):
                negative = self.rewritten("neg", value, (inputs[1],), {})
                return self.make("plus_at", value, (negative, x.inputs[0].kw["n"]), x.kw)
        if name in ("mul", "div", "add", "sub", "maximum", "minimum"):
            inputs = uniform(inputs, value)
            a, b = inputs
            if name == "mul" and is_number(a) and isinstance(b, Step):
                inputs = b, a
            by_one = name in ("mul", "div") and is_number(inputs[1]) and inputs[1] == 1
            if by_one and plain(inputs[0], value):
                return inputs[0]
        return self.make(name, value, inputs, kw)


def cost(s: Step) -> float:
    """About how long a step takes, in elements of an elementwise operation."""
    if s.name == "matmul":
        return 1000.0 + s.value.size * s.inputs[0].value.shape[-1]
    return 1000.0 + s.value.size if s.value.ndim and s.name != "mT" else 100.0


def is_product(s: Step) -> bool:
    return s.name == "matmul" or (s.name == "mT" and s.inputs[0].name == "matmul")


def plain(x: Any, value: Any) -> bool:
    return isinstance(x, Step) and x.shape == value.shape and x.dtype == value.dtype


def uniform(inputs: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    """Numbers in place of arrays that are one number everywhere, where the other input gives the
    result its shape and dtype."""
    given = list(inputs)
    for i, x in enumerate(inputs):
        if isinstance(x, Step) and x.name == "full" and plain(given[1 - i], value):
            given[i] = x.kw["n"]
    return tuple(given)


def is_shifted_log(x: Any) -> bool:
    """Whether it is d - log(s) with d = u - max(u)."""
    if not isinstance(x, Step) or x.name != "sub" or not isinstance(x.inputs[1], Step):
        return False
    d, log = x.inputs
    return (
        log.name == "log"
        and isinstance(d, Step)
        and d.name == "sub"
        and isinstance(d.inputs[1], Step)
        and d.inputs[1].name == "max"
        and d.inputs[1].inputs[0] is d.inputs[0]
    )


def is_range(x: Any, n: int) -> bool:
    return bool(x.shape == (n,) and x.dtype.kind == "i" and np.array_equal(x, np.arange(n)))


def is_pair(index: Any) -> bool:
    """Whether an index takes one element of each row."""
    if not isinstance(index, tuple) or len(index) != 2 or not isinstance(index[0], Step):
        return False
    rows = index[0].kw.get("array")
    return rows is not None and is_range(rows, len(rows))


def is_one_per_row(x: Any) -> bool:
    """Whether it puts one number at one place of every row of a matrix of zeros."""
    if not isinstance(x, Step) or x.name != "scatter_add" or x.value.ndim != 2:
        return False
    index, number = x.kw["index"], x.inputs[0]
    if not (isinstance(index, tuple) and len(index) == 2 and number.name == "full"):
        return False
    rows = index[0]
    if isinstance(rows, Step):
        rows = rows.value if rows.name == "constant" else None
    return rows is not None and is_range(rows, x.shape[0])
