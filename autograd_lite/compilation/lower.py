"""From a program to steps: one of every operation, equal ones once, in their fastest order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import numpy as np

from ..engine.op import Op, table
from ..engine.rules import ops
from ..program.expr import UNWRITTEN, Symbol, is_leaf, is_number, is_op, leaf, parts
from ..program.laws import LAWS
from ..program.passes import fold
from ..program.rewrite import Rewriter
from ..program.trace import Argument, Program, Statement
from .laws import FAST, plus_at

__all__ = ["Step", "ask", "check", "constant", "given", "is_draw", "lowered"]

# what steps are that are no operations
given = Op("given", lambda x: x)  # an argument
constant = Op("constant", lambda array: array)  # an array that stays
check = Op("check", lambda t, classes: t)  # of class targets
ask = Op("ask", lambda x, question, answer: x)  # what was asked about values


class Step:
    """One operation: its inputs are Steps, numbers, or tuples of them."""

    __slots__ = (
        "op", "inputs", "kw", "value", "uses", "last", "text", "block", "fresh", "root",
    )  # fmt: skip

    def __init__(self, op: Op, value: Any, inputs: tuple[Any, ...], kw: dict[str, Any]) -> None:
        self.op, self.value, self.inputs, self.kw = op, value, inputs, kw
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


def lowered(
    program: Program,
    outputs: list[Symbol],
    checks: list[tuple[Symbol, int]],
    questions: list[Any],
    layouts: list[Any],
    rates: list[Symbol],
) -> tuple[list[Step], list[Any], dict[int, Step]]:
    """The steps in order, those of the outputs, and those of the arguments by their symbol.

    The outputs are the loss, gradients, laid out like `layouts` and times `rates`, if any, and
    whatever else. `questions` are asked as soon as there is what they are about.
    """
    fold_all(program, [*outputs, *(c for c, _ in checks), *(q.of for q in questions)])
    parts_as_one(program)
    r = Fast()
    for s in program.statements:
        r.names[id(s.target)] = r.simple(s.expr)
    results = [r.simple(o) for o in outputs]
    for i, like in enumerate(layouts, 1):
        results[i] = laid_out(r, results[i], like)
    if rates:
        results = scaled(r, results, rates)
    schedule = Schedule(program, rates)
    waiting: dict[int, list[tuple[Op, dict[str, Any]]]] = {}
    for c, classes in checks:
        waiting.setdefault(id(c), []).append((check, {"classes": classes}))
    for q in questions:
        kw = {"question": q.ask, "answer": q.answer}
        waiting.setdefault(id(q.of), []).append((ask, kw))
    for x in [*(a.symbol for a in program.arguments), *(s.target for s in program.statements)]:
        step = schedule.step(r.names.get(id(x), x))
        for op, kw in waiting.get(id(x), ()):
            schedule.steps.append(Step(op, x.value, (step,), kw))
    if rates:  # what leads to them may be as deep as the program
        for e in expressions(results):
            schedule.step(e)
    found = [schedule.step(x) for x in results]
    return asked_first(needed(schedule.steps, found)), found, schedule.given


def fold_all(program: Program, outputs: list[Symbol]) -> None:
    """The expressions in their simplest form; the outputs keep their names."""
    marks = {id(o) for o in outputs}
    for s in program.statements:
        if id(s.target) in marks:
            s.argument = Argument("gradient", s.target, "", None)  # which keeps the statement
    fold(program, Careful())


def parts_as_one(program: Program) -> None:
    """The products of all parts of an array with one matrix, as those of the steps of a sequence,
    become parts of one product: 0.39 ms instead of 0.82 for 50 steps of (8, 128) @ (128, 512)."""
    made = {id(s.target): s.expr for s in program.statements}
    products: dict[tuple[int, int], list[tuple[Statement, Symbol]]] = {}
    for s in program.statements:
        if is_op(s.expr, ops.matmul) and s.expr.ndim == 2:
            a, b = s.expr.inputs
            part = made.get(id(a), a)
            if is_op(part, ops.getitem) and is_step(part) and b.ndim == 2:
                products.setdefault((id(part.inputs[0]), id(b)), []).append((s, part))
    before: dict[int, Statement] = {}
    for found in products.values():
        first, part = found[0]
        (x,), b = part.inputs, first.expr.inputs[1]
        if len(found) > 2 and sum(part.size for _, part in found) == x.size:
            rows = Symbol(ops.reshape, x.value.reshape(-1, x.shape[-1]), (x,))
            rows.kw = {"shape": rows.shape}
            product = Symbol(ops.matmul, rows.value @ b.value, (rows, b))
            shape = (*x.shape[:-1], b.shape[1])
            whole = Symbol(ops.reshape, product.value.reshape(shape), (product,), {"shape": shape})
            target = leaf(whole.value)
            before[id(first)] = Statement(target, whole, "forward", [])
            for s, part in found:
                s.expr = Symbol(ops.getitem, s.target.value, (target,), part.kw)
    with_them = [[before[id(s)], s] if id(s) in before else [s] for s in program.statements]
    program.statements = [s for group in with_them for s in group]


def is_step(part: Symbol) -> bool:
    """Whether it is some of what is along the first axis."""
    return isinstance(part.kw["index"], int | slice)


class Shared(Rewriter):
    """Knows the laws about a row from the traces before."""

    of_rows: ClassVar[dict[Op, Any]]

    def laws_about(self, op: Op) -> Any:
        if op not in self.of_rows:
            found = super().laws_about(op)
            if table.get(op.name) is not op:
                return found
            self.of_rows[op] = found
        return self.of_rows[op]


class Careful(Shared):
    """Leaves operations as they are that have no form in NumPy, or decide something by values."""

    of_rows: ClassVar[dict[Op, Any]] = {}

    def __init__(self) -> None:
        super().__init__(LAWS)
        self.called: set[Op] = set()

    def written_out(self, op: Op, value: Any, inputs: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        """What the forward function does; else the operation itself."""
        if op in self.called or op in self.primitive:
            return self.rewrite(op, value, inputs, kw)
        try:
            return super().written_out(op, value, inputs, kw)
        except (*UNWRITTEN, RuntimeError):
            self.called.add(op)
            return self.rewrite(op, value, inputs, kw)


class Fast(Shared):
    """Rewrites what is written out already."""

    of_rows: ClassVar[dict[Op, Any]] = {}
    written_out = Rewriter.rewrite

    def __init__(self) -> None:
        super().__init__(FAST)


# ---- in what order, and once -----------------------------------------------------------------


class Schedule:
    """Makes the steps of expressions, each once, its inputs first."""

    def __init__(self, program: Program, rates: Iterable[Symbol]) -> None:
        self.steps: list[Step] = []
        self.known: dict[int, Any] = {}  # by the identity of a Symbol or an array
        self.given: dict[int, Step] = {}
        self.alive: list[Any] = []
        for a in program.arguments:
            kw = {"draw": True} if a.label == "draw" else {}
            self.given[id(a.symbol)] = Step(given, a.symbol.value, (), kw)
        for rate in rates:
            self.given.setdefault(id(rate), Step(given, rate.value, (), {}))
        self.known |= self.given

    def step(self, x: Any) -> Any:
        """The Step of an expression; numbers stay as they are."""
        if isinstance(x, Symbol):
            if id(x) not in self.known:
                inputs = tuple([self.step(i) for i in x.inputs])
                self.add(x, x.op, x.value, inputs, {k: self.step(v) for k, v in x.kw.items()})
            return self.known[id(x)]
        if isinstance(x, tuple | list):
            return type(x)([self.step(i) for i in x])
        if isinstance(x, np.ndarray):
            if id(x) not in self.known:
                self.add(x, constant, x, (), {"array": x})
            return self.known[id(x)]
        return x

    def add(self, x: Any, op: Op, value: Any, inputs: tuple[Any, ...], kw: dict[str, Any]) -> None:
        self.alive.append(x)
        s = self.known[id(x)] = Step(op, value, inputs, kw)
        self.steps.append(s)


def expressions(roots: list[Any]) -> Iterator[Symbol]:
    """Every expression in the roots, its parts first, each once."""
    seen: set[int] = set()
    stack = [(x, False) for x in reversed(roots) if isinstance(x, Symbol)]
    while stack:
        e, ready = stack.pop()
        if ready:
            yield e
        elif id(e) not in seen:
            seen.add(id(e))
            stack.append((e, True))
            stack += [(x, False) for x in reversed(list(parts(e))) if id(x) not in seen]


def needed(steps: list[Step], results: list[Any]) -> list[Step]:
    """The steps that lead to the results, the checks and the questions."""
    wanted = {id(r) for r in results}
    kept = []
    for s in reversed(steps):
        if id(s) in wanted or s.op in (check, ask):
            kept.append(s)
            wanted |= {id(x) for x in s.uses}
    return kept[::-1]


def asked_first(steps: list[Step]) -> list[Step]:
    """Questions that no random number has a part in come first, with what leads to them, so that a
    call that has to start again has drawn nothing."""
    early: set[int] = set()
    for s in steps:
        if s.op in (check, ask):
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
    return s.op is given and "draw" in s.kw


# ---- gradients in the layout of their tensors, and times their rates --------------------------


def laid_out(r: Rewriter, e: Any, like: Any) -> Any:
    """A gradient, computed in the memory order of its tensor: an update that goes through both in
    one order takes half the time."""
    if is_op(e, ops.matmul) and e.ndim == 2 and like.flags.fnc:
        a, b = e.inputs
        if a.ndim == b.ndim == 2:
            return turned(r, r.make(ops.matmul, e.value.mT, (turned(r, b), turned(r, a))))
    return e


def turned(r: Rewriter, e: Symbol) -> Any:
    return e.inputs[0] if is_op(e, ops.mT) else r.make(ops.mT, e.value.mT, (e,))


def scaled(r: Rewriter, results: list[Any], rates: list[Symbol]) -> list[Any]:
    """The loss, and the gradients times their rates."""
    forward = {id(e) for e in expressions(results[:1])}
    backward = [e for e in expressions(results) if id(e) not in forward]
    early, late = list(results), list(results)
    for rate in rates:
        found: dict[int, Any] = {}
        for e in backward:
            found[id(e)] = linear(r, e, found, rate)
        for i, other in enumerate(rates, 1):
            if other is rate:
                early[i] = found.get(id(results[i]))
    for products in (True, False):
        for i, rate in enumerate(rates, 1):
            if products == is_product(results[i]):
                late[i] = times(r, results[i], rate)
    if any(x is None for x in early):
        return late
    return min(early, late, key=lambda found: sum(map(cost, expressions(found))))


def linear(r: Rewriter, e: Symbol, found: dict[int, Any], rate: Symbol) -> Any:
    """The expression times a number that goes back through all that is linear to a number in the
    rule of the loss, so that nothing is left to multiply; None where it meets no number."""
    inputs: list[Any] = list(e.inputs)
    known = [found.get(id(x)) for x in inputs]
    # what is linear in its first input, in all of them, or in one of two
    if e.op is ops.mul and is_number(inputs[1]):
        inputs[1] = r.make(ops.mul, rate.value, (rate, inputs[1]))
    elif e.op is plus_at:
        inputs = [known[0], r.make(ops.mul, rate.value, (rate, inputs[1]))]
    elif is_op(e, ops.add, ops.sub):
        inputs = known
    # those that the rules of nn's losses and layers are made of: others that are linear may follow
    elif is_op(e, ops.mT, ops.reshape, ops.permute, ops.expand, ops.sum, ops.neg, ops.scatter_add):
        inputs[0] = known[0]
    elif is_op(e, ops.matmul, ops.mul):
        i = known[0] is None
        inputs[i] = known[i]
    else:
        return None
    return None if any(x is None for x in inputs) else r.make(e.op, e.value, tuple(inputs), e.kw)


def times(r: Rewriter, e: Any, rate: Symbol) -> Any:
    """The expression times a number: of a product its smaller factor, which takes 0.4 us instead of
    3.6 for the first layer of (16, 64); of its sum over the rows what is scaled already."""
    if is_op(e, ops.mT):
        return turned(r, times(r, e.inputs[0], rate))
    if is_op(e, ops.matmul):
        small = min(e.inputs, key=lambda x: (is_leaf(x), x.size))
        base = small.inputs[0] if is_op(small, ops.mT) else small
        product = r.make(ops.mul, base.value, (base, rate))
        product = turned(r, product) if small is not base else product
        inputs = tuple([product if x is small else x for x in e.inputs])
        return r.make(ops.matmul, e.value, inputs)
    if is_op(e, ops.sum):
        inner = (e.inputs[0], rate)
        if (ops.mul, r.key(inner), ()) in r.made:
            return r.make(ops.sum, e.value, (r.make(ops.mul, e.inputs[0].value, inner),), e.kw)
    return r.make(ops.mul, e.value, (e, rate))


def shown(e: Any) -> Any:
    """What a transpose is one of."""
    return e.inputs[0] if is_op(e, ops.mT) else e


def cost(e: Symbol) -> float:
    """About how long it takes, in elements of an elementwise operation."""
    if e.op is None:
        return 0.0
    if e.op is ops.matmul:
        return 1000.0 + e.size * e.inputs[0].shape[-1]
    return 1000.0 + e.size if e.ndim and e.op is not ops.mT else 100.0


def is_product(e: Any) -> bool:
    return is_op(shown(e), ops.matmul)
