"""The straight-line program of a tape: forward, then backward, as statements `name = expression`.

`trace` reads the tape once. Expressions are Symbols: the forward functions and the rules of the
operations, run on names. Passes then make of them what a person would write: transposes are merged,
constants folded, other names of one value dropped, common subexpressions named once and short steps
joined. `derive` prints the program; the passes change no value beyond rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..engine.backward import SEED
from ..engine.op import Op, table
from ..engine.rules import ops
from ..engine.tape import before, unbroadcast
from .chain import Edge, Tape, reverse, stretched
from .expr import (
    UNWRITTEN,
    Symbol,
    call,
    choosing,
    full,
    is_op,
    leaf,
    parts,
    replaced,
    ruled,
    same_values,
    total,
)
from .modules import Paths
from .naming import key_of, made_by, metadata, spot
from .rewrite import run

# an expression that nests or holds more operations is several statements: passes go through it anew
# at every use of a part, and call themselves for its parts
DEEP, LONG = 40, 300

__all__ = ["Argument", "Program", "Statement", "trace"]


@dataclass(eq=False)
class Argument:
    """What the program is given: `kind` is parameter, input, constant or hook.

    `symbol` stands for it in expressions; `label` is its name for people, "" if it has none.
    """

    kind: str
    symbol: Symbol
    label: str
    value: Any
    made: Op | None = None  # the operation that computed it, where that is not on the record
    of: Any = None  # the tensor's or array's key in `Names`
    key: str = ""  # in dictionaries: its label, or its name where others have that label


@dataclass(eq=False)
class Statement:
    """`target = expr`. `kind` is forward, gradient, sum, hook or local.

    `nodes` are the records that it comes from: of a gradient, the operation that it passes
    through. `of` are the forward Symbols whose gradient it is. `summed` are the axes over which a
    broadcast was undone; `argument` is the leaf whose whole gradient it is.
    """

    target: Symbol
    expr: Any
    kind: str
    nodes: list[Any]
    label: str = ""
    of: list[Symbol] = field(default_factory=list)
    whole: list[Symbol] = field(default_factory=list)  # those of them whose gradient this completes
    summed: tuple[int, ...] = ()
    argument: Argument | None = None
    through: Symbol | None = None  # the output of the operation that a gradient passes
    equal: list[Statement] = field(default_factory=list)  # dropped, as they say the same
    paths: int = 0  # how many gradients a sum adds up
    record: float = 0  # the serial number of the tensor whose value it is
    twin: bool = False  # stands for several equal values of the tape, each with its own gradient

    @property
    def shape(self) -> tuple[int, ...]:
        return self.target.shape


@dataclass(eq=False)
class Program:
    """The statements in order, what they need, and what comes out."""

    statements: list[Statement]
    arguments: list[Argument]
    loss: Symbol
    seed: Any  # the record of the loss
    unused: list[str]
    quiet: list[str]

    @property
    def forward(self) -> list[Statement]:
        """The statements up to the loss."""
        last = max((i for i, s in enumerate(self.statements) if s.kind == "forward"), default=-1)
        return self.statements[: last + 1]

    @property
    def backward(self) -> list[Statement]:
        """The statements after the loss."""
        return self.statements[len(self.forward) :]

    def visible(self) -> dict[int, Symbol]:
        """The arguments and forward values that have a name, by identity."""
        made = [s.target for s in self.statements if s.kind == "forward"]
        return {id(x): x for x in (*(a.symbol for a in self.arguments), *made)}

    def whole_gradients(self) -> dict[int, Statement]:
        """For every visible value the statement that completes its gradient."""
        visible = self.visible()
        return {id(x): s for s in self.statements for x in s.whole if id(x) in visible}

    def homes(self) -> dict[int, Statement]:
        """The forward statement that every record went into, by serial number."""
        forward = (s for s in self.statements if s.kind == "forward")
        return {n.serial: s for s in forward for n in s.nodes}

    def passed(self, s: Statement, homes: dict[int, Statement]) -> list[Statement]:
        """The forward statements that a backward one passes through, the last first; none for a
        sum."""
        if s.kind == "sum":
            return []
        through = {id(h): h for n in reversed(s.nodes) if (h := homes.get(n.serial)) is not None}
        return list(through.values())

    def of_kind(self, *kinds: str) -> list[Argument]:
        """The arguments of some kinds, kind by kind."""
        return [a for kind in kinds for a in self.arguments if a.kind == kind]


# ---- reading the tape -----------------------------------------------------------------------


def trace(loss: Any, model: Any = None) -> Program:
    """The program that computes `loss` and its gradients as `backward()` does.

    RuntimeError if the tape was released, if the loss is no scalar or needs no gradient, or if an
    operation has no derivative or no form in NumPy; the message names it.
    """
    return Tracer(loss, model).program


class Tracer:
    """Reads the tape of `loss` into a Program."""

    def __init__(self, loss: Any, model: Any) -> None:
        if not loss.requires_grad:
            raise RuntimeError(
                "derive: the loss does not require grad: nothing that it was computed from has "
                "requires_grad=True, or it was computed inside no_grad()"
            )
        if loss.array.size != 1:
            raise RuntimeError(
                f"derive: the loss must be a scalar, this tensor has shape {loss.shape}; "
                "derive its sum() or its mean()"
            )
        self.root = before(loss, loss.serial)
        self.tape = Tape(self.root)
        self.paths = Paths()
        if model is not None:
            self.paths.add("", model)
        self.model = model
        self.arguments: dict[Any, Argument] = {}
        self.of_symbol: dict[int, Argument] = {}
        self.made: dict[int, Statement] = {}  # by the identity of the target
        self.symbols: dict[int, Symbol] = {}
        self.statements: list[Statement] = []
        self.parts: set[int] = set()  # statements of gradients that stand in another one
        for node in self.tape.nodes:
            if node.op is None:
                self.symbols[node.serial] = self.leaf(node)
            else:
                self.check_leaves(node)
                self.forward(node)
        self.backward()
        reached = {s.argument.label for s in self.statements if s.argument is not None}
        names = {n for n, _ in model.named_parameters()} if model is not None else set()
        self.program = Program(
            self.statements,
            list(self.arguments.values()),
            self.symbols[self.root.serial],
            self.root,
            sorted(names - reached),
            sorted({t.op.quiet for t in self.tape.nodes if t.op and t.op.quiet}),
        )

    def check_leaves(self, node: Any) -> None:
        """Raise if an input that no operation made was changed in place since `node` read it, or
        one of a fused operation, which then is not unfolded."""
        for i, p in enumerate(self.tape.inputs[node]):
            if p is None or p.version is None or not (p.op is None or hasattr(node.op, "made_of")):
                continue
            if p.version.changed > node.serial:
                name = f" ({p.name})" if p.name else ""
                raise RuntimeError(
                    f"derive: input {i} of {node.op.name}{name}, of shape {p.shape}, was changed "
                    "in place after it was recorded, by an optimizer's step() for example: its "
                    "value is gone; derive before the change, or compute the loss again"
                )

    def leaf(self, t: Any) -> Symbol:
        """What stands for a leaf: an argument, the transpose of one, or the ones that the backward
        pass of a recorded backward pass starts from."""
        if not t.requires_grad:
            if t.kw in (ops.expand, SEED) and (t.array == 1).all():
                return everywhere(t.array)
            if not t.name and (turned := self.turned(t.array)) is not None:
                return turned
        return self.argument(t).symbol

    def turned(self, a: Any) -> Symbol | None:
        """The transpose of an argument, where this array is that."""
        whole = self.arguments.get(spot(a.mT)) if a.ndim > 1 and spot(a) != spot(a.mT) else None
        return None if whole is None else Symbol(ops.mT, a, (whole.symbol,))

    def argument(self, t: Any) -> Argument:
        """The leaf as an argument."""
        label = self.paths.label(t)
        trained = t.requires_grad if self.model is None else id(t) in self.paths.parameters
        kind = "parameter" if trained else "input"
        key = key_of(t)
        if key not in self.arguments:
            self.add(key, Argument(kind, leaf(t.array), label, t.array, made_by(t)))
        return self.arguments[key]

    def add(self, key: Any, argument: Argument) -> None:
        argument.of = key
        self.arguments[key] = argument
        self.of_symbol[id(argument.symbol)] = argument

    def constant(self, a: Any) -> Any:
        """An array that is no Tensor: an argument; numbers stay what they are."""
        if isinstance(a, tuple | list):
            return type(a)(map(self.constant, a))
        if not isinstance(a, np.ndarray):
            return a
        key = spot(a)
        if key not in self.arguments:
            if (turned := self.turned(a)) is not None:
                return turned
            self.add(key, Argument("constant", leaf(a), self.paths.path_of(a), a))
        return self.arguments[key].symbol

    def inputs(self, node: Any) -> tuple[list[Any], dict[str, Any]]:
        """The inputs and the metadata of an operation, as Symbols."""
        given = []
        for p, a in zip(self.tape.inputs[node], node.args, strict=True):
            if p is not None:
                s: Any = self.symbols[p.serial]
            elif isinstance(a, np.generic) and a.dtype == node.dtype:
                s = a.item()  # the other input has this dtype too, or needs none
            else:
                s = self.constant(a)
            given.append(s)
        kw = metadata(node.kw, self.constant)
        return given, kw

    def forward(self, node: Any) -> None:
        given, kw = self.inputs(node)
        target = leaf(node.array)
        try:
            expr = run(node.op, tuple(given), kw)
            if table.get(node.op.name) is not node.op and not same_values(expr, node.array):
                raise TypeError(
                    "it does with symbols what it does not with arrays: it asks for types"
                )
        except UNWRITTEN as error:
            raise RuntimeError(
                f"derive: {node.op.name} cannot be written in NumPy: {error}"
            ) from error
        self.symbols[node.serial] = target
        expr = self.cut(expr, node)
        made = Statement(target, expr, "forward", [node], node.name, record=node.serial)
        self.statements.append(made)

    def cut(self, e: Any, node: Any) -> Any:
        """The expression; what makes it deep or long, in statements of its own before it."""
        if not isinstance(e, Symbol) or is_small(e):
            return e
        new: dict[int, tuple[Symbol, int, int]] = {}  # what stands for it, how deep, how long
        for s in inner_first(e):
            made, found = s, [new[id(x)] for x in parts(s)]
            if any(x is not y for x, (y, _, _) in zip(parts(s), found, strict=True)):
                made = Symbol(s.op, s.value, *replaced((s.inputs, s.kw), lambda x: new[id(x)][0]))
            deep = 1 + max((d for _, d, _ in found), default=0)
            long = 1 + sum(n for _, _, n in found)
            if s is not e and (deep > DEEP or long > LONG):
                local = Statement(leaf(s.value), made, "local", [node])
                self.statements.append(local)
                made, deep, long = local.target, 0, 1
            new[id(s)] = made, deep, long
        return new[id(e)][0]

    def state(self, s: Statement) -> None:
        self.statements.append(s)
        self.made[id(s.target)] = s

    def backward(self) -> None:
        """One statement for each gradient that a rule gives, and one for each sum of them."""
        of = [self.symbols[self.root.serial]]
        expr = everywhere(self.root.array)
        first = leaf(expr.value)
        self.state(Statement(first, expr, "gradient", [], of=of))
        self.given: tuple[Any, ...] = None, [], {}  # of which node, its inputs and metadata
        leaves = []
        for t, g in reverse(self.tape, first, self.send, self.arrived):
            if t.op is None:
                leaves.append((t, g))
        for t, found in leaves:
            self.total(t, found)
        if self.parts:
            self.statements = [s for s in self.statements if id(s) not in self.parts]

    def arrived(self, t: Any, found: list[Symbol]) -> Any:
        """The whole gradient of what an operation made; that of a leaf is added up at the end."""
        if t.op is None:
            return found
        check_rules(self.tape, t)
        return self.total(t, found)

    def send(self, edge: Edge, g: Symbol) -> Symbol:
        """The gradient that a rule gives, as a statement."""
        node, i = edge.node, edge.i
        if self.given[0] is not node:
            self.given = node, *self.inputs(node)
        _, given, kw = self.given
        y = self.symbols[node.serial]
        try:
            with choosing(node.op):
                raw = ruled(edge.rule, g, y, given, kw)
            expr = self.cut(unbroadcast(raw, given[i].value), node)
            if isinstance(expr, np.ndarray):  # a slope that is the same for all values
                uniform = expr.size > 0 and (expr == expr.flat[0]).all()
                expr = everywhere(expr, expr.flat[0].item()) if uniform else self.constant(expr)
        except UNWRITTEN as error:
            raise RuntimeError(
                f"derive: the rule of {node.op.name} cannot be written in NumPy: {error}"
            ) from error
        s = Statement(leaf(expr.value), expr, "gradient", [node], of=[given[i]], through=y)
        s.summed = stretched(raw.shape, edge.p.shape)
        self.state(s)
        return s.target

    def total(self, t: Any, targets: list[Symbol]) -> Symbol:
        """The whole gradient of a tensor: what arrived, added up, and through its hooks."""
        of = self.symbols[t.serial]
        g = targets[0]
        last = self.made[id(g)]
        if len(targets) > 1:
            g = leaf(targets[0].value)
            made = [self.made[id(x)] for x in targets]
            nodes = [n for s in made for n in s.nodes]
            if (expr := assembled([s.expr for s in made])) is not None:
                self.parts |= set(map(id, made))
                last = Statement(g, expr, "gradient", nodes, of=[of], through=made[-1].through)
            else:
                expr = Symbol(total, g.value, tuple(targets))
                last = Statement(g, expr, "sum", nodes, of=[of], paths=len(targets))
            self.state(last)
        for hook in list(t.extra.hooks.values()) if t.extra is not None else ():
            key = ("hook", id(hook))
            if key not in self.arguments:
                label = getattr(hook, "__name__", type(hook).__name__).replace("<lambda>", "")
                self.add(key, Argument("hook", leaf(0.0), label, hook))
            expr = Symbol(call, g.value, (self.arguments[key].symbol, g))
            g = leaf(g.value)
            last = Statement(g, expr, "hook", list(last.nodes), of=[of])
            self.state(last)
        last.whole.append(of)
        if t.op is None:
            last.argument = self.of_symbol[id(of)]
        return g


def assembled(found: list[Any]) -> Symbol | None:
    """What puts gradients of parts beside one another that add up to the gradient of a whole, as of
    the gates in one matrix or the steps of a sequence."""
    if not all(is_op(e, ops.scatter_add) for e in found):
        return None
    spans = [span(e.kw["index"], e.shape) for e in found]
    if None in spans or len({s[:2] for s in spans}) > 1:
        return None
    axis, stays = spans[0][:2]
    order = sorted(range(len(found)), key=lambda k: spans[k])
    starts, stops = ([spans[k][i] for k in order] for i in (2, 3))
    if [*starts, found[0].shape[axis]] != [0, *stops]:
        return None
    join, inputs = ops.concatenate if stays else ops.stack, [found[k].inputs[0] for k in order]
    value = join.forward(*[x.value for x in inputs], axis=axis)
    return Symbol(join, value, tuple(inputs), {"axis": axis})


def span(index: Any, shape: tuple[int, ...]) -> Any:
    """The axis of which an index reads a part, whether it stays, where the part begins and ends;
    None if it reads something else."""
    entries = index if isinstance(index, tuple) else (index,)
    axis = len(entries) - 1
    if axis < 0 or any(not isinstance(i, slice) or i != slice(None) for i in entries[:-1]):
        return None
    last, n = entries[-1], shape[axis]
    if isinstance(last, int):
        return axis, False, last % n, last % n + 1
    if isinstance(last, slice) and last.indices(n)[2] == 1:
        return axis, True, *last.indices(n)[:2]
    return None


def check_rules(tape: Tape, node: Any) -> None:
    """Raise if an input that requires grad has no rule."""
    found = {edge.i for edge in tape.edges[node]}
    for i, p in enumerate(tape.inputs[node]):
        if p is not None and p.requires_grad and i not in found:
            raise RuntimeError(
                f"derive: {node.op.name} has no derivative for its input {i}, of shape "
                f"{p.shape}; give its row a rule, or detach() that input"
            )


def is_small(e: Symbol) -> bool:
    """Whether an expression holds so little that it cannot be deep."""
    stack, n = [e], 0
    while stack and n < DEEP:
        n += 1
        stack += parts(stack.pop())
    return not stack


def inner_first(e: Symbol) -> list[Symbol]:
    """The names and expressions in an expression, each once and before what it is part of."""
    order: dict[int, Symbol] = {}
    stack = [(e, False)]
    while stack:
        s, ready = stack.pop()
        if ready:
            order[id(s)] = s
        elif id(s) not in order:
            stack.append((s, True))
            stack += [(x, False) for x in parts(s) if id(x) not in order]
    return list(order.values())


def everywhere(a: Any, n: float = 1) -> Symbol:
    """One number everywhere, in the shape and dtype of an array."""
    kw = {"shape": a.shape, "n": n, "by": 1, "dtype": a.dtype.name}
    return Symbol(full, np.full_like(a, n), (), kw)
