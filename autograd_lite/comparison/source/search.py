"""The search for a fix: every single edit of the learner's functions is run, and judged."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import CodeType, FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from .edits import Edit, Grammar, Words, kind_of
from .goal import Goal, Grads
from .outside import MOST_ELEMENTS, Kept, only_computes, silent
from .places import PROBE, Place, contents, counted, parsed, places, probed, reachable, slots
from .probe import ELEMENTS, Exhausted, Probe, bends
from .text import COMPOUND, Node, Unit

MOST_EDITS = 10_000
MOST_WORK = 2_500_000  # lines of Python, about
MOST_TICKS = 1_000_000  # of the first run
BATCH = 32  # edits of a statement that are compiled together

CHOICES = [
    ast.copy_location(ast.If(probed(f"pick == {i}"), [], []), parsed("0")) for i in range(BATCH)
]
Run = Callable[[], Grads | None]


@dataclass(eq=False)
class Line:
    """A statement that may have the mistake: `alone` where no right gradient depends on it."""

    number: int
    place: Place
    unit: Unit
    alone: bool = True
    value: Any = None
    touched: frozenset[str] | None = None  # the gradients that depend on it, as far as it is known


@dataclass(frozen=True)
class Found:
    """An edit that makes the gradients right."""

    line: Line
    edit: Edit
    still: frozenset[str]  # the gradients that it leaves wrong


class Search:
    """Edits of the learner's functions that `owners` lead to.

    `run` gives the gradients by name, None where the code did something that it must not;
    `goal` says which of them are right, `same` whether what is derived is as it was.
    """

    def __init__(
        self, owners: Sequence[Any], run: Run, goal: Any, cost: int, same: Callable[[], bool]
    ) -> None:
        self.run, self.goal, self.cost, self.same = run, goal, cost, same
        self.values = [*reachable(owners)]
        self.places = places(self.values)
        self.probe = Probe()
        self.probe.limit = MOST_TICKS
        self.kept = Kept(self.values)
        self.cost += 2 * self.kept.elements // ELEMENTS  # copied for a run, and put back after it
        self.edits, self.work = MOST_EDITS, MOST_WORK
        self.found: list[Found] = []
        self.lines: list[Line] = []
        self.names: dict[int, dict[str, Any]] = {}

    def fixes(self) -> list[Found]:
        if not self.places or self.kept.elements > MOST_ELEMENTS:
            return []
        with silent(), ExitStack() as stack:
            stack.callback(self.kept.restore)
            for place in self.places:
                stack.callback(place.function.__globals__.pop, PROBE, None)
                stack.callback(setattr, place.function, "__code__", place.original)
                place.function.__globals__[PROBE] = self.probe
            lines = self.looked_at()
            for place in self.places:
                place.function.__code__ = place.code()
            if lines:
                self.lines = lines
                self.tiers(lines)
        return self.found

    def elsewhere(self, found: Found) -> bool:
        """Whether some other line may be the cause of what an edit mends and of what it leaves."""
        still = found.still - self.goal.apart
        return bool(still) and any(
            line is not found.line
            and line.touched is not None
            and self.goal.first in line.touched
            and line.touched & still
            and not line.touched & self.goal.fine
            for line in self.lines
        )

    # ---- one run

    def once(self, look: Callable[[], None] | None = None) -> Grads | None:
        """The gradients of the code as it is now; None if it fails. `look` sees what it leaves,
        before that is put back."""
        grads = self.tried(self.run, look)
        return grads if isinstance(grads, Mapping) else None

    def tried(self, call: Callable[[], Any], look: Callable[[], None] | None = None) -> Any:
        self.probe.ticks = 0
        try:
            return call()
        except Exhausted:
            return None
        except Exception:  # noqa: BLE001  (an edit may do anything)
            return None
        finally:
            if look is not None:
                look()
            self.kept.restore()

    def remember(self) -> None:
        """Keep what the functions hold and see when they have ended."""
        for i, place in enumerate(self.places):
            outer, function = place.function.__globals__, place.function
            used = {n.id for n in ast.walk(place.node) if isinstance(n, ast.Name)}
            seen = {name: outer[name] for name in used if name in outer}
            seen |= zip(place.original.co_freevars, contents(function), strict=False)
            seen |= self.probe.names.get(i, {})
            self.names[i] = {name: frozen(value) for name, value in seen.items()}
        self.probe.names.clear()

    # ---- which lines

    def looked_at(self) -> list[Line]:
        """The statements that run, those first on which wrong gradients alone depend."""
        lines: list[Line] = []
        for i, place in enumerate(self.places):
            place.function.__code__ = place.watched(i, len(lines))
            lines += [Line(len(lines) + j, place, unit) for j, unit in enumerate(place.units)]
        plain = self.once(self.remember)
        if not isinstance(self.goal, Goal):
            self.goal = self.goal(plain)
        if plain is not None and self.goal.right(plain):
            return []  # what is wrong is nothing that a run shows
        if plain is not None and self.goal.first_right(plain):  # as any edit would leave it
            self.goal = Goal(self.goal.accepted, "", frozenset())
        probe = self.probe
        ran = [line for line in lines if line.number in probe.counts]
        for line in ran:
            line.value = probe.values.get(line.number)
        self.cost += probe.work
        ticks = probe.ticks
        self.tried(self.same)
        probe.limit = 10 * max(ticks, probe.ticks) + 1_000
        if not all(only_computes(line.place.function) for line in ran):
            return []
        if plain is not None:
            ran = [line for line in ran if self.matters(line, plain)]
        return sorted(ran, key=self.doubt)

    def matters(self, line: Line, plain: Grads) -> bool:
        """Whether the gradient to mend depends on a statement, as far as it is known."""
        if not bends(line.value):
            return True
        node = line.unit.node
        target = node.targets[-1] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        self.probe.bend = line.number
        self.probe.fill = isinstance(target, ast.Subscript)  # zeros may overwrite what is due
        line.touched = self.goal.changed(plain, self.once())
        self.probe.bend = -1
        self.work -= self.cost
        line.alone = not line.touched & self.goal.fine
        return not self.goal.first or self.goal.first in line.touched

    def doubt(self, line: Line) -> tuple[bool, bool, int, int]:
        """What comes last: lines on which right gradients depend too, those on which not all wrong
        ones do, and the first lines of a function, which are its forward pass."""
        wrong = self.goal.accepted.keys() - self.goal.fine
        some = line.touched is not None and not wrong <= line.touched
        return not line.alone, some, self.places.index(line.place), -line.number

    # ---- the edits

    def tiers(self, lines: Sequence[Line]) -> None:
        """Try the edits, the likely ones first; for the lines of a fix its tier is the last."""
        edits = {line: [*distinct(self.edits_of(line))] for line in lines}
        last = max((e.tier for some in edits.values() for e in some), default=0)
        for tier in range(1, last + 1):
            for line in self.open(lines):
                first = not self.found
                self.try_all(line, [e for e in edits[line] if e.tier == tier])
                if first and self.found:  # others are looked for half as long again
                    self.work = min(self.work, max((MOST_WORK - self.work) // 2, MOST_WORK // 5))
                if self.edits <= 0 or self.work <= 0:
                    return

    def open(self, lines: Sequence[Line]) -> list[Line]:
        """The lines to go on with: after a fix, those on which the same gradients depend, as it may
        mend on one line what is wrong on another."""
        fixed = [one.line for one in self.found if not one.still]
        if not fixed:
            return [*lines]
        touched = {line.touched for line in fixed}
        return [x for x in lines if x not in fixed and x.touched in (None, *touched)]

    def edits_of(self, line: Line) -> Iterator[Edit]:
        words = self.words(line.place)
        yield from Grammar(line.place.text, line.unit, words, line.value)
        yield from exchanged(line.place, line.unit)

    def words(self, place: Place) -> Words:
        """What a function has to write with, as it was when it ended."""
        outer, nodes = place.function.__globals__, [*ast.walk(place.node)]
        names = self.names[self.places.index(place)]
        atoms = {name: value for name, value in names.items() if is_data(value)}
        for name, value in [*atoms.items()]:
            atoms |= parts_of(name, value)
        functions = {
            place.text.of(node.func): None
            for node in nodes
            if isinstance(node, ast.Call) and is_function(node.func, names)
        }
        own = [p.function for p in self.places if p is not place]
        mine = [f for f in own if outer.get(f.__name__) is f]
        functions |= {f.__name__: None for f in mine}
        single = tuple(f.__name__ for f in mine if f.__code__.co_argcount == 1)
        words = Words(atoms, tuple(functions), single, names)
        items = {place.text.of(n): words.value_of(n) for n in nodes if is_item(n)}
        known = {text: value for text, value in items.items() if is_data(value)}
        numbers = [place.text.of(n) for n in nodes if is_number(n, words)]
        slices = [n for n in nodes if isinstance(n, ast.Slice) and (n.lower or n.upper)]
        cuts = map(place.text.of, slices)
        return replace(
            words,
            atoms={**atoms, **known},
            numbers=(*dict.fromkeys(numbers),),
            cuts=(*dict.fromkeys(cuts),),
        )

    def try_all(self, line: Line, edits: Sequence[Edit]) -> None:
        """Run the edits of a statement."""
        place, unit = line.place, line.unit
        single = [(e, new) for e in edits if (new := edited(place, unit, e)) is not None]
        batches = [[one] for one in single if one[0].statements > 1]
        single = [one for one in single if one[0].statements == 1]
        batches += [single[i : i + BATCH] for i in range(0, len(single), BATCH)]
        while batches and self.edits > 0 and self.work > 0:
            batch = batches.pop(0)
            code = self.compiled(place, unit, batch)
            if code is not None:
                self.edits -= len(batch)
                self.work -= len(batch) * self.cost
                self.try_each(line, code, [edit for edit, _ in batch])
            elif len(batch) > 1:  # one of them does not compile
                batches[0:0] = [batch[: len(batch) // 2], batch[len(batch) // 2 :]]

    def try_each(self, line: Line, code: CodeType, edits: Sequence[Edit]) -> None:
        """Run each of the edits that are compiled into one code."""
        function = line.place.function
        plain = function.__code__
        function.__code__ = code
        try:
            for self.probe.pick, edit in enumerate(edits):
                grads = self.once()
                right = grads is not None and self.goal.first_right(grads)
                if grads is not None and right and self.tried(self.same):
                    whole = self.goal.right(grads)
                    still = () if whole else self.goal.still_wrong(grads)
                    self.found.append(Found(line, edit, frozenset(still)))
        finally:
            self.probe.pick = -1
            function.__code__ = plain

    def compiled(
        self, place: Place, unit: Unit, news: Sequence[tuple[Edit, list[Node]]]
    ) -> CodeType | None:
        """The function that has, at this statement, all of these to choose from; None if one of
        them does not compile."""
        body, node = place.homes[id(unit)]
        at = next(i for i, other in enumerate(body) if other is node)
        old = body[at : at + news[0][0].statements]
        chain = old
        for i, (_, new) in reversed([*enumerate(news)]):
            test = CHOICES[i]
            test.body, test.orelse = new, chain
            chain = [test]
        body[at : at + len(old)] = chain
        try:
            return place.code()
        except (SyntaxError, ValueError, RecursionError):
            return None
        finally:
            body[at : at + 1] = old


def frozen(value: Any) -> Any:
    """What holds other values, as it is now."""
    if isinstance(value, dict | list):
        return value.copy()
    if isinstance(value, np.ndarray | np.generic | type | ModuleType) or callable(value):
        return value
    held = {name: getattr(value, name) for name in slots(value) if hasattr(value, name)}
    held |= getattr(value, "__dict__", None) or {}
    return SimpleNamespace(**held) if held else value


def is_data(value: Any) -> bool:
    return not callable(value) and value is not None and not isinstance(value, ModuleType | str)


def is_item(node: Node) -> bool:
    """Whether an expression reads one item, as zs[-1] and y[i] do."""
    cuts = (ast.Slice, ast.Tuple)
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.ctx, ast.Load)
        and not any(isinstance(inner, cuts) for inner in ast.walk(node.slice))
    )


def is_number(node: Node, words: Words) -> bool:
    """Whether an expression is what NumPy or math makes of a number, as np.sqrt(x.shape[1])."""
    return (
        isinstance(node, ast.Call)
        and is_function(node.func, words.names)
        and len(node.args) == 1
        and kind_of(words.value_of(node.args[0])) in ("int", "float")
    )


def is_function(node: Node, names: Mapping[str, Any]) -> bool:
    """Whether what is called is a function by its name, or one of a module."""
    if isinstance(node, ast.Name):
        return isinstance(names.get(node.id), FunctionType | np.ufunc)
    module = names.get(getattr(getattr(node, "value", None), "id", ""))
    return isinstance(node, ast.Attribute) and isinstance(module, ModuleType)


def parts_of(name: str, value: Any) -> dict[str, Any]:
    """The items of a dictionary, and the attributes of an object, with how they are written."""
    found: dict[str, Any] = {}
    if isinstance(value, dict):
        plain = [key for key in value if isinstance(key, str) and not set(key) & {'"', "'", "\\"}]
        found = {f'{name}["{key}"]': value[key] for key in plain}
    elif isinstance(value, tuple | list):
        found = {f"{name}[{i}]": v for i, v in enumerate(value[:8])}
    elif isinstance(value, SimpleNamespace):
        found = {f"{name}.{key}": v for key, v in vars(value).items()}
        for key, inner in [*found.items()]:
            found |= parts_of(key, inner) if isinstance(inner, dict) else {}
    return {key: v for key, v in found.items() if is_data(v)}


def distinct(edits: Iterator[Edit]) -> Iterable[Edit]:
    """The edits, those that come several times in the lowest of their tiers."""
    found: dict[tuple[int, int, str], Edit] = {}
    for edit in edits:
        key = edit.start, edit.end, edit.new
        if key not in found or edit.tier < found[key].tier:
            found[key] = edit
    return found.values()


def edited(place: Place, unit: Unit, edit: Edit) -> list[Node] | None:
    """The statements that an edit makes; None if they are none."""
    start, end = unit.span
    text = place.text.text
    new = text[start : edit.start] + edit.new + text[edit.end : max(end, edit.end)]
    if edit.statements > 1:
        new = textwrap.dedent(place.text.indent(start) + new)
    try:
        body: list[Node] = ast.parse(unit.before + new + unit.after).body
    except (SyntaxError, ValueError):
        return None
    for made in body:
        if any(word in new for word in ("for", "while", *place.strided)):
            counted(made, place.strided)
        _, node = place.homes[id(unit)]
        if isinstance(unit.node, COMPOUND):  # its head was edited, and its body stays as it is
            made.body, made.orelse = node.body, getattr(node, "orelse", [])
    return body


def exchanged(place: Place, unit: Unit) -> Iterator[Edit]:
    """The statement and the next one in each other's place."""
    simple = (ast.Assign, ast.AugAssign, ast.Expr)
    at = next((i for i, node in enumerate(unit.body) if node is unit.node), -1)
    after = unit.body[at + 1 : at + 2] if at >= 0 else []
    if after and isinstance(unit.node, simple) and isinstance(after[0], simple):
        text = place.text
        start, end = text.start(after[0]), text.end(after[0])
        first, second = unit.span
        new = text.text[start:end] + text.text[second:start] + text.text[first:second]
        yield Edit(first, end, new, 2, statements=2)
