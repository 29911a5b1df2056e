"""One call of a function, watched: its tape, where every array of it came from, what it changed in
place, and what would make another call differ from it.

While a `Recorder` is active in a thread, `Tensor` has other attributes: whoever reads the values of
a tensor there, but for the operations themselves, has them noted as the reason not to compile.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from inspect import getattr_static
from threading import Lock, get_ident
from typing import Any, NamedTuple

import numpy as np

from .. import creation
from ..engine import modes
from ..engine.arrays import plain_index
from ..engine.axes import from_zero
from ..engine.modes import mode, no_grad
from ..engine.op import Op
from ..engine.rules import ops
from ..engine.tape import check_versions, unbroadcast
from ..engine.tensor import Tensor, record, tick, wrap
from ..origin import counting
from ..program.expr import Symbol, full, leaf, ruled, total
from ..program.trace import QUIET, Argument, Program, Statement, full_of_ones, run
from .guards import Captured, Untraceable

__all__ = ["Reader", "Recorder", "Source"]

# functions that read arrays and let nothing of their values out, but what the row itself checks
TRUSTED = {
    "autograd_lite.engine.tensor": {
        "record", "record1", "record2", "result", "shared_version", "is_view", "changed", "wrap",
        "__init__", "dim", "size", "numel", "__len__", "__iter__", "__matmul__", "t", "parents",
        "detach", "requires_grad_",
    },
    "autograd_lite.engine.operators": {"__matmul__", "t", "to"},
    "autograd_lite.engine.inplace": {"_overwrite"},
    "autograd_lite.creation": {"zeros_like", "ones_like"},
    "nn.functional": {"_is_plain"},
    __package__: {"checked"},
    __name__: {"made", "detach", "to", "make"},
}  # fmt: skip
SLOT: Any = vars(Tensor)["array"]
GRAD: Any = vars(Tensor)["grad"]
ALIAS = Op("detach", lambda x: x)
FOLLOWED = Tensor | np.ndarray | np.generic | int | float
lock = Lock()  # one trace at a time
COMPARISONS = {
    "__eq__": np.equal, "__ne__": np.not_equal, "__lt__": np.less, "__le__": np.less_equal,
    "__gt__": np.greater, "__ge__": np.greater_equal, "__and__": np.bitwise_and,
    "__or__": np.bitwise_or, "__xor__": np.bitwise_xor, "__rand__": np.bitwise_and,
    "__ror__": np.bitwise_or, "__rxor__": np.bitwise_xor,
}  # fmt: skip


class Recorder:
    """The watcher of one call: every operation in it, also those that need no gradient."""

    def __init__(self) -> None:
        self.thread = get_ident()
        self.made_by: dict[int, tuple[Any, ...]] = {}  # (tensor, op, parents, args, kw)
        self.draws: dict[int, tuple[Any, Callable[[], Any]]] = {}
        self.questions: list[Question] = []
        self.values: dict[int, tuple[Tensor, Tensor]] = {}  # changed in place: with its value now
        self.reason = ""
        self.states: Any = None
        self.others: list[Tensor] = []  # arguments, and tensors made of arrays

    def note(self, what: str) -> None:
        """Keep the first reason, with the line of the user's code."""
        if not self.reason:
            self.reason = what + where()

    def made(self, op: Op, t: Tensor, parents: Any, args: Any, kw: Any) -> None:
        """Called for every result of an operation."""
        self.made_by[id(t)] = (t, op, tuple(map(self.now, parents)), args, kw)
        self.last = t

    def now(self, x: Any) -> Any:
        """What has the value that a tensor has at this time of the call."""
        found = self.values.get(id(x))
        return x if found is None else found[1]

    def asked(self, question: Callable[[Any], bool], x: Any) -> bool:
        """Called for every question about values; of an array the answer stays."""
        if not isinstance(x, Tensor):
            return question(x)
        answer = bool(question(SLOT.__get__(x)))
        self.questions.append(Question(self.now(x), question, answer))
        return answer

    def pulled(self, node: Any, p: Any, g: Any, gradient: Any) -> None:
        """Called for every gradient that a rule gives."""
        self.note("it runs a backward pass itself")

    def drawn(self, draw: Callable[[], Any]) -> Any:
        """An array that is drawn anew at every call."""
        self.check_draws()
        a = draw()
        self.draws[id(a)] = (a, draw)
        self.states = self.random_states()
        return a

    def check_draws(self) -> None:
        if self.states != self.random_states():
            self.note("it draws random numbers from elsewhere")

    def random_states(self) -> list[Any]:
        """The state of every generator that the function can reach."""
        known = [*self.generators, creation._generator]
        found: list[Any] = [g.bit_generator.state for g in known if hasattr(g, "bit_generator")]
        if "random" in sys.modules:
            found.append(sys.modules["random"].getstate())
        if "numpy.random" in sys.modules:
            name, key, *rest = sys.modules["numpy.random"].get_state()
            found.append((name, key.tobytes(), *rest))
        return found

    def watch(self, f: Callable[..., Any], args: Any, kw: Any, captured: Captured) -> Any:
        """What `f` returns, called while everything it does is watched."""
        self.generators, self.captured = captured.generators, captured.tensors
        self.others += [x for x in (*args, *kw.values()) if isinstance(x, Tensor)]
        self.states = self.random_states()
        with counting:
            modes.watchers += 1
        mode.watcher = self
        try:
            with patched(Tensor, self.attributes()):
                self.start = tick()
                result = f(*args, **kw)
        finally:
            mode.watcher = None
            with counting:
                modes.watchers -= 1
        self.check_draws()
        if not captured.unchanged():
            self.note("it changes what it captures")
        return result

    # ---- changes in place

    def before_change(self, t: Tensor, others: Any) -> None:
        """A change can be followed of what needs no gradient and shares no memory."""
        gradient = t.requires_grad or any(
            isinstance(x, Tensor) and x.requires_grad and mode.grad for x in others
        )
        mine = id(t) in self.captured or t.serial > self.start
        a = SLOT.__get__(t)
        known = [
            *self.others,
            *self.captured.values(),
            *(made[0] for made in self.made_by.values()),
        ]
        shared = any(x is not t and np.may_share_memory(a, SLOT.__get__(x)) for x in known)
        if gradient or not mine or shared:
            self.note("it changes a tensor in place" + " that shares memory" * shared)
        elif t.serial > self.start and id(t) not in self.made_by:
            old = a.copy()  # the constant that it is until then
            self.made(ALIAS, t, (wrap(old),), (old,), {})
            if id(a) in self.draws:
                self.draws[id(old)] = self.draws[id(a)]

    def after_change(self, t: Tensor) -> None:
        """From now on the tensor stands for the result of the last operation, in its own dtype."""
        value = wrap(SLOT.__get__(t).copy())
        op = Op("to", lambda x, dtype: x.astype(dtype))
        self.made(op, value, (self.last,), (SLOT.__get__(self.last),), {"dtype": t.dtype.name})
        self.values[id(t)] = t, value

    def changes(self) -> list[tuple[Tensor, Tensor]]:
        """The tensors from outside that were changed in place, with their values at the end."""
        return [(t, value) for t, value in self.values.values() if t.serial <= self.start]

    def take(self, t: Tensor, index: Any) -> Tensor:
        """Called for `t[index]`: Tensors of integers in the index are followed."""
        parts = index if isinstance(index, tuple) else (index,)
        plain, then = [], []
        for i in parts:
            counts = isinstance(i, Tensor) and SLOT.__get__(i).dtype.kind in "iu"
            plain.append(SLOT.__get__(i) if counts else i)
            then.append(self.now(i))
        array = plain_index(tuple(plain) if parts is index else plain[0])
        taken = record(ops.getitem, (t,), {"index": array})
        if any(isinstance(i, Tensor) for i in parts):
            kw = {"index": tuple(then) if parts is index else then[0]}
            self.made_by[id(taken)] = (*self.made_by[id(taken)][:4], kw)
        return taken

    # ---- the attributes of Tensor meanwhile

    def here(self) -> bool:
        return get_ident() == self.thread

    def attributes(self) -> dict[str, Any]:
        """What takes the place of attributes of Tensor."""
        here, note, read = self.here, self.note, SLOT.__get__

        def trusted(depth: int) -> bool:
            frame = sys._getframe(depth + 1)
            names = TRUSTED.get(frame.f_globals.get("__name__", ""), ())
            return frame.f_code.co_name in names or frame.f_code in attribute_codes

        def get(t: Tensor) -> Any:
            if here() and not trusted(1):
                note("it reads the values of a tensor")
            return read(t)

        def put(t: Tensor, a: Any) -> None:
            if here() and not trusted(1):
                note("it replaces the data of a tensor")
            SLOT.__set__(t, a)

        def get_grad(t: Tensor) -> Any:
            if here():
                note("it reads a gradient")
            return GRAD.__get__(t)

        original = {name: getattr_static(Tensor, name) for name in
                    (*COMPARISONS, "detach", "to", "__init__", "__invert__",
                     "_overwrite", "_move")}  # fmt: skip
        original["__plain__"] = Tensor.__plain__

        def compared(name: str, op: Op) -> Any:
            def method(self: Tensor, other: Any) -> Any:
                usable = isinstance(other, FOLLOWED)
                if not here() or not usable:
                    return original[name](self, other)
                with no_grad():
                    return record(op, (self, other))

            return method

        def invert(self: Tensor) -> Any:
            with no_grad():
                return record(Op("invert", np.invert), (self,))

        def detach(self: Tensor) -> Any:
            t = original["detach"](self)
            if here():
                mode.watcher.made(ALIAS, t, (self,), (read(self),), {})
            return t

        def to(self: Tensor, dtype: Any) -> Any:
            dtype = np.dtype(dtype)
            t = original["to"](self, dtype)
            if here() and t is not self and dtype.kind != "f":
                op = Op("to", lambda x: x.astype(dtype))
                mode.watcher.made(op, t, (self,), (read(self),), {})
            return t

        def make(self: Tensor, data: Any, requires_grad: bool = False, name: str = "") -> None:
            if here() and isinstance(data, Tensor):
                original["__init__"](self, read(data), requires_grad, name)
                mode.watcher.made(ALIAS, self, (data,), (read(data),), {})
            else:
                original["__init__"](self, data, requires_grad, name)
                if here():
                    mode.watcher.others.append(self)

        def plain(function: Callable[..., Any], args: Any, kw: dict[str, Any]) -> Any:
            values = [read(x) if isinstance(x, Tensor) else x for x in args]
            if here() and all(isinstance(x, FOLLOWED) for x in args):
                y = function(*values, **kw)
                if isinstance(y, np.ndarray | np.generic):
                    t = Tensor(np.asarray(y))
                    parents = tuple(x if isinstance(x, Tensor) else None for x in args)
                    mode.watcher.made(Op(function.__name__, function), t, parents, values, kw)
                    return t
            return original["__plain__"](function, args, kw)

        def overwrite(self: Tensor, op: Op, *others: Any, **kw: Any) -> Tensor:
            if here():
                mode.watcher.before_change(self, others)
            original["_overwrite"](self, op, *others, **kw)
            if here():
                mode.watcher.after_change(self)
            return self

        def move(self: Tensor, op: Op, *others: Any) -> None:
            if here():
                with no_grad():
                    overwrite(self, op, *others)
            else:
                original["_move"](self, op, *others)

        def noted(name: str, what: str) -> Any:
            method = getattr_static(Tensor, name)

            def instead(self: Tensor, *args: Any, **kw: Any) -> Any:
                if here():
                    note(what)
                return method(self, *args, **kw)

            return instead

        attribute_codes = {f.__code__ for f in (detach, to, make, plain)}
        new = {
            "array": property(get, put),
            "grad": property(get_grad, GRAD.__set__),
            "shape": property(lambda t: read(t).shape),
            "ndim": property(lambda t: read(t).ndim),
            "dtype": property(lambda t: read(t).dtype),
            "detach": detach,
            "to": to,
            "astype": to,
            "__init__": make,
            "__invert__": invert,
            "__plain__": staticmethod(plain),
            "_overwrite": overwrite,
            "_move": move,
            "register_hook": noted("register_hook", "it registers a hook on a tensor"),
            "retain_grad": noted("retain_grad", "it keeps the gradient of a tensor"),
            "requires_grad_": noted("requires_grad_", "it changes requires_grad"),
        }
        for name, ufunc in COMPARISONS.items():
            new[name] = compared(name, Op(ufunc.__name__, ufunc))
        return new


@contextmanager
def patched(cls: type, new: dict[str, Any]) -> Iterator[None]:
    """Other attributes of a class for a while."""
    old = {name: vars(cls)[name] for name in new if name in vars(cls)}
    for name, value in new.items():
        setattr(cls, name, value)
    try:
        yield
    finally:
        for name in new:
            if name in old:
                setattr(cls, name, old[name])
            else:
                delattr(cls, name)


def where() -> str:
    """The line outside of these packages that is running, as an addition to a sentence."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package not in ("autograd_lite", "nn", "contextlib"):
            return f" (line {frame.f_lineno} of {frame.f_code.co_filename})"
        frame = frame.f_back
    return ""


class Question(NamedTuple):
    """What was asked about the values of a tensor, and the answer that was followed."""

    of: Any
    ask: Callable[[Any], bool]
    answer: bool


class Source(NamedTuple):
    """Where an array of a program comes from at a call: argument `place`, the data of `tensor`,
    `draw()`, or always the same `value`."""

    value: Any
    place: int = -1
    tensor: Any = None
    draw: Any = None


class Reader:
    """The program of a watched call: statements, the source of every argument, the leaves that get
    gradients. `checks` are class targets, which count from 0 to below a number. `questions` have to
    be answered as they were; `changes` are tensors from outside, each with the value that it gets.
    """

    def __init__(self, loss: Tensor, recorder: Recorder, arguments: list[Tensor]) -> None:
        self.recorder = recorder
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
        found, seen, heap = [], {self.loss.serial}, [(-self.loss.serial, self.loss)]
        while heap:
            node = heappop(heap)[1]
            found.append(node)
            for p in node.parents:
                if p is not None and self.inside(p) and p.serial not in seen:
                    seen.add(p.serial)
                    heappush(heap, (-p.serial, p))
        return found[::-1]

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
                self.given(t, Source(t.array, tensor=t))
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
        if op.name in QUIET:
            self.quiet.add(QUIET[op.name])
        if op.name == "nll":
            self.checks.append((given[1], given[0].value.shape[1]))
        expr = run(op, tuple(given), kw)
        target = self.symbols[id(t)] = leaf(t.array)
        self.statements.append(Statement(target, expr, "forward", []))

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
        root = self.loss.array
        first = leaf(np.ones(root.shape, root.dtype))
        self.state(first, Symbol(full, first.value, (), full_of_ones(root)))
        arrived: dict[int, list[Symbol]] = {id(self.loss): [first]}
        leaves: dict[int, Tensor] = {}
        for node in reversed(nodes):
            if id(node) not in arrived:
                continue
            g = self.total(arrived.pop(id(node)))
            given, kw = self.inputs(node, *self.recorder.made_by[id(node)][2:])
            rules = iter(node.op.rules)
            for i, p in enumerate(node.parents):
                rule = next(rules, None)
                if p is None or not p.requires_grad:
                    continue
                if rule is None:
                    raise RuntimeError(
                        f"compile: {node.op.name} has no derivative for its input {i}, of shape "
                        f"{p.shape}; give its row a rule, or detach() that input"
                    )
                raw = ruled(rule, g, self.symbols[id(node)], given, kw)
                expr = unbroadcast(raw, given[i].value)
                target = leaf(expr.value)
                self.state(target, expr)
                arrived.setdefault(id(p), []).append(target)
                if not self.inside(p):
                    leaves[id(p)] = p
        for key, t in leaves.items():
            self.leaves.append(t)
            self.gradients.append(self.total(arrived[key]))

    def state(self, target: Symbol, expr: Any) -> None:
        self.statements.append(Statement(target, expr, "gradient", []))

    def total(self, targets: list[Symbol]) -> Symbol:
        """The sum of the gradients that arrived."""
        if len(targets) == 1:
            return targets[0]
        g = leaf(targets[0].value)
        self.state(g, Symbol(total, g.value, tuple(targets), {}))
        return g
