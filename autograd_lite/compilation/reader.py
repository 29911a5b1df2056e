"""A watched call as a program: statements, sources of arrays, questions, changes, gradients."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

from ..engine.axes import from_zero
from ..engine.op import Op, table
from ..engine.rules import ops
from ..engine.tape import unbroadcast, walk
from ..engine.tensor import Tensor
from ..engine.versions import check_versions
from ..program.chain import Edge, Tape, reverse
from ..program.expr import UNWRITTEN, Symbol, choosing, leaf, ruled, same_values, total, values
from ..program.rewrite import run
from ..program.trace import Argument, Program, Statement, everywhere
from .guards import Untraceable
from .watch import Question, Recorder

__all__ = ["Reader", "Source"]


class Source(NamedTuple):
    """Where an array of a program comes from at a call: argument `place`, the data of `tensor`,
    `draw()`, or always the same `value`."""

    value: Any
    place: int = -1
    tensor: Any = None
    draw: Any = None


def on_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    """A forward function or rule that is called, and never written out."""

    def called(*args: Any, **kw: Any) -> Any:
        if any(isinstance(x, Symbol) for x in args):
            raise TypeError("it has no form in NumPy")
        return function(*args, **kw)

    return called


class Reader:
    """The program of a watched call: statements, the source of every argument, the leaves that get
    gradients. `checks` are class targets, which count from 0 to below a number. `questions` have to
    be answered as they were; `changes` are tensors from outside, each with the value that it gets.
    """

    def __init__(self, loss: Tensor, recorder: Recorder, arguments: list[Tensor]) -> None:
        self.recorder = recorder
        if not self.inside(loss):
            raise Untraceable("it returns a tensor that it has not computed")
        self.places = {id(t): i for i, t in enumerate(arguments)}
        self.loss = loss
        self.symbols: dict[int, Any] = {}  # by the identity of a tensor or array
        self.keep: list[Any] = []
        self.sources: list[tuple[Symbol, Source]] = []
        self.statements: list[Statement] = []
        self.checks: list[tuple[Symbol, int]] = []
        self.questions: list[Question] = []
        self.changes: list[tuple[Tensor, Symbol]] = []
        self.leaves: list[Tensor] = []
        self.gradients: list[Symbol] = []
        self.quiet: set[str] = set()
        nodes = self.nodes()
        for node in nodes:
            try:
                check_versions(node)
            except RuntimeError as error:
                raise Untraceable(f"its backward pass fails ({error})") from None
            self.symbol(node)
        for of, ask, answer in recorder.questions:
            s = self.symbol(of)
            if ask is not from_zero or not any(s is c for c, _ in self.checks):
                self.questions.append(Question(s, ask, answer))
        for t, value in recorder.changes():
            self.symbol(t)
            self.changes.append((t, self.symbol(value)))
        self.backward(nodes)
        order: dict[int, int] = {}
        for _, draw in recorder.draws.values():
            order.setdefault(id(draw), len(order))
        self.sources.sort(key=lambda source: order.get(id(source[1].draw), -1))
        names = [
            Argument("input", s, "draw" if source.draw else "", source.value)
            for s, source in self.sources
        ]
        self.program = Program(
            self.statements, names, self.symbols[id(loss)], loss, [], sorted(self.quiet)
        )

    def inside(self, t: Tensor) -> bool:
        """Whether the call recorded this tensor for a gradient."""
        return t.op is not None and t.serial > self.recorder.start

    def nodes(self) -> list[Any]:
        """The records of the call that the loss was computed from, oldest first."""
        made = takewhile(lambda t: t.serial > self.recorder.start, walk(self.loss, unfold=True))
        return [t for t in made if t.op is not None][::-1]

    # ---- forward

    def symbol(self, t: Tensor) -> Any:
        """The name of a tensor; one that an operation of the call made gets its statement."""
        if id(t) not in self.symbols:
            made = self.recorder.made_by.get(id(t))
            if id(t) in self.places:
                self.given(t, Source(t.array, place=self.places[id(t)]))
            elif made is not None:
                self.computed(t, *made[1:])
            elif t.serial <= self.recorder.start:
                # of what the call has changed, what the operations have seen: see is_written
                _, before = self.recorder.held.get(id(t), (t, t.array))
                self.given(t, Source(before, tensor=t))
            else:
                self.keep.append(t)
                self.symbols[id(t)] = self.constant(t.array)
        return self.symbols[id(t)]

    def given(self, x: Any, source: Source) -> None:
        s = self.symbols[id(x)] = leaf(source.value)
        self.keep.append(x)
        self.sources.append((s, source))

    def computed(self, t: Tensor, op: Op, parents: Any, args: Any, kw: Any) -> None:
        given, kw = self.inputs(t, parents, args, kw)
        if op.quiet:
            self.quiet.add(op.quiet)
        if op is ops.nll:
            self.checks.append((given[1], given[0].shape[1]))
        if not self.is_written(op, t.array, given, kw):
            op = Op(op.name, on_arrays(op.forward))
        expr = Symbol(op, t.array, tuple(given), kw)
        target = self.symbols[id(t)] = leaf(t.array)
        self.statements.append(Statement(target, expr, "forward", []))

    def is_written(self, op: Op, value: Any, given: list[Any], kw: dict[str, Any]) -> bool:
        """Whether what an operation does on Symbols, if it has a form in NumPy, is what it did."""
        if table.get(op.name) is op:
            return True
        try:
            return same_values(run(op, tuple(given), kw), value)
        except UNWRITTEN:
            return True

    def inputs(self, t: Tensor, parents: Any, args: Any, kw: Any) -> tuple[list[Any], Any]:
        """The inputs and the metadata of an operation, as Symbols."""
        given: list[Any] = []
        for p, a in zip(parents, args, strict=True):
            if p is not None:
                given.append(self.symbol(p))
            else:
                plain = isinstance(a, np.generic) and a.dtype == t.array.dtype
                given.append(a.item() if plain else self.constant(a))
        return given, {k: self.constant(v) for k, v in (kw or {}).items()}

    def constant(self, a: Any) -> Any:
        """An input or metadata: an array gets a name."""
        if isinstance(a, tuple | list):
            return type(a)(self.constant(i) for i in a)
        if isinstance(a, Tensor):
            return self.symbol(a)
        if not isinstance(a, np.ndarray):
            return a
        if id(a) not in self.symbols:
            draw = self.recorder.draws.get(id(a))
            self.given(a, Source(a, draw=draw[1] if draw is not None else None))
        return self.symbols[id(a)]

    # ---- backward

    def backward(self, nodes: list[Any]) -> None:
        """The statements of the chain rule, and the leaves with their gradients."""
        root = self.loss.array
        first = leaf(np.ones(root.shape, root.dtype))
        self.state(first, everywhere(root))
        leaves = {
            p: None
            for t in reversed(nodes)
            for p in t.parents
            if p is not None and p.requires_grad and not self.inside(p)
        }
        tape = Tape(
            inputs=lambda t: t.parents if self.inside(t) else [],
            nodes=[*leaves, *nodes],
        )
        given: dict[Any, Any] = {}

        def send(edge: Edge, g: Symbol) -> Symbol:
            symbols, kw = given[edge.node]
            raw = self.ruled(edge, (g, self.symbols[id(edge.node)], *symbols), kw)
            expr = unbroadcast(raw, symbols[edge.i].value)
            target = leaf(expr.value)
            self.state(target, expr)
            return target

        found: dict[Any, Symbol] = {}
        for t, g in reverse(tape, first, send, lambda t, parts: self.total(parts)):
            if t in leaves:
                found[t] = g
            else:
                self.check_rules(t, tape.edges[t])
                given[t] = self.inputs(t, *self.recorder.made_by[id(t)][2:])
        self.leaves = [t for t in leaves if t in found]
        self.gradients = [found[t] for t in self.leaves]

    def ruled(self, edge: Edge, inputs: Any, kw: dict[str, Any]) -> Any:
        """What a rule makes of Symbols; where it has no form in NumPy, chooses by values or
        depends on none of them, it is called."""
        try:
            with choosing(edge.node.op):
                found = ruled(edge.rule, inputs[0], inputs[1], inputs[2:], kw)
        except UNWRITTEN:
            found = None
        row = table.get(edge.node.op.name) is edge.node.op
        if row and isinstance(found, Symbol):
            return found
        with np.errstate(all="ignore"):
            value = edge.rule(*values(inputs), **values(kw))
        if isinstance(found, Symbol) and same_values(found, value):
            return found
        return Symbol(Op(f"{edge.node.op.name}_{edge.i}", on_arrays(edge.rule)), value, inputs, kw)

    def check_rules(self, t: Tensor, edges: list[Edge]) -> None:
        """Raise for an input that needs a gradient and gets none."""
        wanted = {i for i, p in enumerate(t.parents) if p is not None and p.requires_grad}
        if len(wanted) != len(edges):
            i = min(wanted - {edge.i for edge in edges})
            raise RuntimeError(
                f"compile: {t.op.name} has no derivative for its input {i}, of shape "
                f"{t.parents[i].shape}; give its row a rule, or detach() that input"
            )

    def state(self, target: Symbol, expr: Any) -> None:
        self.statements.append(Statement(target, expr, "gradient", []))

    def total(self, targets: list[Symbol]) -> Symbol:
        """The sum of the gradients that arrived."""
        if len(targets) == 1:
            return targets[0]
        g = leaf(targets[0].value)
        self.state(g, Symbol(total, g.value, tuple(targets), {}))
        return g
