"""Steps that repeat, with the same parameters in each, as a loop over t.

All is done on the lines of a source: blocks of statements whose lines differ by names and numbers
alone become one, if writing it for every step gives each of those lines again. What a later step,
or the backward pass, reads of a step is kept in a dictionary by the number of the step.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

__all__ = ["Line", "rolled"]

FEWEST = 3  # steps that are worth a loop
LONGEST = 80  # statements of a step
WIDTH = 84  # of a line in a loop, before its indent
# a name, of one place in an array or of all of it, or an int, but no exponent: what may differ
# between steps
TOKEN = re.compile(r"(?<![\w.])(?<!\de[-+])([^\W\d]\w*(?:\[\d+\])?(?![\w(])|\d+(?![\w.]))")
ENDS = {*"[](),:=", ""}  # beside which a sum needs no brackets
NAME = re.compile(r"(?<![\w.\"'])[^\W\d]\w*(?![\w(\"'])")
PLACE = re.compile(r"(\w+)\[(\d+)\]")
LISTED = re.compile(r"\[((\w+)\[\d+\](?:, \2\[\d+\])+)\]")


@dataclass(eq=False)
class Line:
    """A statement: what it gives, its lines, and of which value it is the gradient; `terms` are
    those of a sum, and `kept` is said of what is returned."""

    target: str
    lines: list[str]
    of: str = ""
    terms: list[str] = field(default_factory=list)
    kept: bool = False

    @cached_property
    def words(self) -> set[str]:
        """All names in its lines."""
        return {w for line in self.lines for w in NAME.findall(line)}


class Run(NamedTuple):
    """Blocks of `size` statements each, from the statement number `start` on."""

    start: int
    size: int
    times: int
    matched: int = 0  # the statement that the next block would differ from

    @property
    def end(self) -> int:
        return self.start + self.size * self.times


class Text(NamedTuple):
    """Lines of the source, the number of the statement that they are of, if of one, and whether
    they stand in a loop. Without lines, the statement stays as it is."""

    lines: list[str]
    statement: int | None
    inside: bool = False
    first: int = 0  # the statement that they stand at


def rolled(
    lines: list[Line], first_backward: int, given: set[str], shared: set[str]
) -> list[Text] | None:
    """The statements with loops, or None where nothing repeats.

    `given` are the names of the arguments, and `shared` those of parameters, one of which every
    step of a loop has to read.
    """
    uses = Counter(w for s in lines[:first_backward] for w in s.words & shared)
    if max(uses.values(), default=0) < FEWEST:
        return None
    order = sunk(lines, first_backward)
    found = Roller([lines[i] for i in order], first_backward, given, shared).texts()
    if found is None:
        return None
    return [t if t.statement is None else t._replace(statement=order[t.statement]) for t in found]


def sunk(lines: list[Line], first_backward: int) -> list[int]:
    """The order in which a sum stands before what takes it, and not among the steps it is over."""
    user: dict[str, int] = {}  # the first
    key: dict[int, tuple[int, int, int]] = {}
    for i in reversed(range(len(lines))):
        key[i] = (i, 0, i)
        if i < first_backward and len(lines[i].terms) >= FEWEST and not lines[i].kept:
            before, depth, _ = key[min(user[lines[i].target], first_backward - 1)]
            key[i] = (before, depth - 1, i)
        user |= dict.fromkeys(lines[i].words, i)
    return sorted(key, key=key.__getitem__)


def skeleton(s: Line) -> str:
    """The lines without what may differ between steps."""
    return TOKEN.sub("_", "\n".join(s.lines))


class Roller:
    def __init__(
        self, lines: list[Line], first_backward: int, given: set[str], shared: set[str]
    ) -> None:
        self.lines, self.given, self.shared = lines, given, shared
        self.names = given | {s.target for s in lines}
        self.index = next(n for n in ("t", "k", "step", "t_") if n not in self.names)
        numbers: dict[str, int] = {}
        self.like = np.array([numbers.setdefault(skeleton(s), len(numbers)) for s in lines])
        self.users: defaultdict[str, set[int]] = defaultdict(set)
        for i, s in enumerate(lines):
            for w in s.words:
                self.users[w].add(i)
        self.called: dict[str, str] = {}  # members of steps, as lines write them
        self.alias: dict[str, str] = {}  # the value that stands at a place before a loop
        self.dicts: dict[str, str] = {}  # per-step arguments: the dictionary, and its line
        self.number: dict[str, int] = {}  # of the step that a member is of
        self.loops: dict[int, tuple[Run, list[Text]]] = {}
        n = len(lines)
        for run in self.runs(0, first_backward, FEWEST):
            self.roll(run, backward=False)
        if self.loops:
            for run in self.runs(first_backward, n, FEWEST - 1):  # the last step is often another
                self.roll(run, backward=True)

    # ---- finding blocks

    def runs(self, lo: int, hi: int, least: int) -> Iterator[Run]:
        """The runs of so many steps between two statements, the longest first cut out, in order."""
        best = Run(lo, 1, 0)
        for size in range(1, min(LONGEST, (hi - lo) // least) + 1):
            same = np.concatenate(
                [[0], self.like[lo : hi - size] == self.like[lo + size : hi], [0]]
            )
            starts, ends = (np.flatnonzero(np.diff(same) == way) + lo for way in (1, -1))
            for k in np.flatnonzero(ends - starts >= (least - 1) * size):
                start, end = int(starts[k]), int(ends[k]) + size
                found = Run(start, size, (end - start) // size, end)
                if size * found.times > best.size * best.times and self.shares(found):
                    best = found
        if not best.times:
            return
        yield from self.runs(lo, best.start, least)
        yield best
        yield from self.runs(best.end, hi, least)

    def shares(self, run: Run) -> bool:
        """Whether each step reads one parameter, and the step before it or, backward, after it."""
        blocks = [self.lines[i : i + run.size] for i in self.starts(run)]
        read = [set().union(*[s.words for s in block]) for block in blocks]
        made = [{s.target for s in block} for block in blocks]
        chained = all(read[b + 1] & made[b] for b in range(run.times - 1))
        return bool(chained and set.intersection(*read) & self.shared)

    def starts(self, run: Run) -> range:
        return range(run.start, run.end, run.size)

    # ---- naming what a step makes

    def roll(self, run: Run, backward: bool) -> None:
        """Try to write a run as a loop, from where a step begins on; without its first step where
        that is another."""
        for tried in self.rotations(run, backward):
            before = dict(self.called), dict(self.alias), dict(self.dicts), set(self.names)
            found = self.loop(tried, backward)
            if found is not None:
                self.loops[tried.start] = tried, found
                return
            self.called, self.alias, self.dicts, self.names = before

    def rotations(self, run: Run, backward: bool) -> list[Run]:
        """The same run from other statements on: those whose blocks are of one step each first."""
        found = []
        for i in range(run.start, run.start + 2 * run.size):
            times = (run.matched - i) // run.size
            if times >= FEWEST - backward:
                found.append(Run(i, run.size, times, run.matched))
                if backward and times > FEWEST:  # without that of a first step that is another
                    found.append(Run(i, run.size, times - 1, run.matched))
        if backward:
            return sorted(filter(self.of_one_step, found), key=lambda r: -r.times)
        named = sorted(found[: run.size], key=lambda r: (-r.times, len(self.numbers(r)) > 1))
        return [named[0], *found[run.size : run.size + 1]]

    def numbers(self, run: Run) -> set[int]:
        """The numbers at the ends of names in the first block."""
        names = [s.target for s in self.lines[run.start : run.start + run.size]]
        return {int(m[0]) for name in names if (m := re.search(r"\d+$", name))}

    def of_one_step(self, run: Run) -> bool:
        """Whether the gradients in each block are of values of one step."""
        blocks = (self.lines[i : i + run.size] for i in self.starts(run))
        return all(
            len({self.number.get(s.of) for s in block if s.of} - {None}) == 1 for block in blocks
        )

    def loop(self, run: Run, backward: bool) -> list[Text] | None:
        steps = self.steps(run) if backward else self.counted(run)
        if steps is None:
            return None
        tables = self.name(run, steps)
        template: list[Text] = []
        first = {
            table: self.peeled(table, run, steps[0] + 1) if backward else {} for table in tables
        }
        for j in range(run.size):
            texts = [self.written(i + j) for i in self.starts(run)]
            found = self.unify(texts, steps, first)
            if found is None:
                return None
            template.append(Text(found.split("\n"), run.start + j, True, run.start))
        low, high = min(steps), max(steps) + 1
        span = f"range({low}, {high})"
        span = span if steps[0] < steps[-1] else f"reversed({span})"
        empty = [table for table in tables if not first[table]]
        head = [
            f"{table} = {{{', '.join(f'{k}: {v}' for k, v in values.items())}}}"
            for table, values in first.items()
            if values
        ]
        head += [", ".join(part) + " = " + ", ".join(["{}"] * len(part)) for part in chunks(empty)]
        start = Text([*head, f"for {self.index} in {span}:"], None, first=run.start)
        return [start, *template]

    def counted(self, run: Run) -> list[int]:
        """The numbers of forward steps: as names say it, or from 1 on."""
        numbers = self.numbers(run)
        start = min(numbers) if len(numbers) == 1 and min(numbers) <= 2 else 1
        return list(range(start, start + run.times))

    def steps(self, run: Run) -> list[int] | None:
        """The numbers of the forward steps whose gradients the blocks are."""
        blocks = [self.lines[i : i + run.size] for i in self.starts(run)]
        found = [next(self.number[s.of] for s in block if s.of in self.number) for block in blocks]
        return found if found == list(range(found[0], found[0] - run.times, -1)) else None

    def name(self, run: Run, steps: list[int]) -> list[str]:
        """Names for what the statements of a step give; those of dictionaries."""
        tables = []
        self.names -= {s.target for s in self.lines[run.start : run.end]}
        for j in range(run.size):
            ids = [i + j for i in self.starts(run)]
            members = [self.lines[i].target for i in ids]
            outside = any(
                not run.start + b * run.size <= u < run.start + (b + 1) * run.size
                for b, member in enumerate(members)
                for u in self.users[member] - {ids[b]}
            ) or any(self.lines[i].kept for i in ids)
            base = self.base(self.lines[ids[0]])
            for member, k in zip(members, steps, strict=True):
                self.called[member] = f"{base}[{k}]" if outside else base
                self.number[member] = k
            if outside:
                tables.append(base)
        return tables

    def peeled(self, table: str, run: Run, k: int) -> dict[int, str]:
        """The gradient of the same value of the last step, which is no part of the loop."""
        of = next(s.of for s in self.lines[run.start : run.end] if self.table_of(s.target) == table)
        found = [
            s.target
            for s in self.lines[: run.start]
            if self.number.get(s.of) == k and self.table_of(s.of) == self.table_of(of)
        ]
        if len(found) != 1 or found[0] in self.alias.values():
            return {}
        self.alias[f"{table}[{k}]"] = found[0]
        return {k: found[0]}

    def table_of(self, member: str) -> str:
        return self.called.get(member, "").partition("[")[0]

    def base(self, s: Line) -> str:
        """A free name for what a statement gives in every step."""
        plain = re.sub(r"(_?\d+)+$", "", s.target)
        if s.of in self.called:
            plain = "d_" + self.called[s.of].partition("[")[0]
        n, found = 1, plain
        while found in self.names or found == self.index:
            n += 1
            found = f"{plain}_{n}"
        self.names.add(found)
        return found

    # ---- writing

    def written(self, i: int) -> str:
        """The lines of a statement with the names that loops gave."""
        return self.renamed("\n".join(self.lines[i].lines))

    def renamed(self, text: str) -> str:
        return NAME.sub(lambda m: self.called.get(m[0], m[0]), text)

    def unify(
        self, texts: Sequence[str], steps: Sequence[int], first: dict[str, dict[int, str]]
    ) -> str | None:
        """One text for all steps; None where they differ by more than the number of the step."""
        split = [TOKEN.split(text) for text in texts]
        if len({tuple(parts[::2]) for parts in split}) > 1:
            return None
        out = split[0][:]
        for column in range(1, len(out), 2):
            found = self.column([parts[column] for parts in split], steps, first)
            if found is None:
                return None
            alone = out[column - 1][-1:] in ENDS and out[column + 1][:1] in ENDS
            out[column] = found if alone or " " not in found.partition("[")[0] else f"({found})"
        return "".join(out)

    def column(
        self, tokens: list[str], steps: Sequence[int], first: dict[str, dict[int, str]]
    ) -> str | None:
        if len(set(tokens)) == 1:
            return tokens[0]
        if all(map(str.isdecimal, tokens)):
            return self.moving([int(n) for n in tokens], steps)
        if set(tokens) <= self.given - self.shared:
            return self.table(tokens, steps)
        found = progression([PLACE.fullmatch(token) for token in tokens], steps)
        if found is None:
            return None
        base, slope, apart = found
        for b, (token, k) in enumerate(zip(tokens, steps, strict=True)):
            n = slope * k + apart
            place = f"{base}[{n}]"
            if token == place or self.alias.get(place) == token:
                continue
            if b or base not in first or n in first[base] or place in self.called.values():
                return None
            first[base][n] = self.alias[place] = token
        return f"{base}[{self.moving([slope * k + apart for k in steps], steps)}]"

    def moving(self, numbers: list[int], steps: Sequence[int]) -> str | None:
        """Numbers that move with the step, as a formula."""
        slope = (numbers[1] - numbers[0]) // (steps[1] - steps[0])
        start = numbers[0] - slope * steps[0]
        if numbers != [slope * k + start for k in steps]:
            return None
        rest = f" {'+' if start > 0 else '-'} {abs(start)}" if start else ""
        if slope == -1:
            return f"{start} - {self.index}"
        return (self.index if slope == 1 else f"{slope} * {self.index}") + rest

    def table(self, tokens: list[str], steps: Sequence[int]) -> str:
        """The dictionary of arguments that each step has one of."""
        items = ", ".join(f"{k}: {v}" for k, v in sorted(zip(steps, tokens, strict=True)))
        found = next((name for name, line in self.dicts.items() if line == items), None)
        if found is None:
            found = self.base(Line(tokens[0], []))
            self.dicts[found] = items
            for k, token in zip(steps, tokens, strict=True):
                self.called.setdefault(token, f"{found}[{k}]")
        return f"{found}[{self.index}]"

    # ---- all lines

    def texts(self) -> list[Text] | None:
        if not self.loops:
            return None
        out = []
        for name, items in self.dicts.items():
            line = f"{name} = {{{items}}}"
            parts = [f"{name} = {{", *[f"    {item}," for item in items.split(", ")], "}"]
            out.append(Text([line] if len(line) <= WIDTH else parts, None))
        i = 0
        while i < len(self.lines):
            if i in self.loops:
                run, texts = self.loops[i]
                out += texts
                i = run.end
            else:
                out.append(self.alone(i))
                i += 1
        return out

    def alone(self, i: int) -> Text:
        """A statement that is in no loop: a sum over steps is a sum over t, and so is a list."""
        s = self.lines[i]
        found = self.series([self.renamed(term) for term in s.terms])
        if found:
            return Text([f"{self.called.get(s.target, s.target)} = {found}"], i, first=i)
        text = self.written(i)
        if "[" in text:
            whole = LISTED.sub(self.listed, self.placed(text))
            text = whole if f" for {self.index} in " in whole else text
        same = text == "\n".join(s.lines)
        return Text([] if same else text.split("\n"), i, first=i)

    def series(self, terms: list[str]) -> str:
        """A sum over steps as a sum over t; "" for any other."""
        terms = list(map(self.placed, terms))
        numbers = [int(m[2]) for term in terms if (m := PLACE.search(term))]
        span = self.span(numbers) if terms and len(numbers) == len(terms) else ""
        term = self.unify(terms, numbers, {}) if span else None
        return f"sum({term} for {self.index} in {span})" if term else ""

    def placed(self, text: str) -> str:
        """A text with what stood before a loop called as in it."""
        times = Counter(self.alias.values())
        places = {v: k for k, v in self.alias.items() if times[v] == 1}
        return NAME.sub(lambda m: places.get(m[0], m[0]), text)

    def listed(self, m: re.Match[str]) -> str:
        span = self.span([int(n) for _, n in PLACE.findall(m[1])])
        return f"[{m[2]}[{self.index}] for {self.index} in {span}]" if span else m[0]

    def span(self, numbers: list[int]) -> str:
        """What gives these numbers, up or down without a gap; "" where nothing does."""
        low, high = min(numbers), max(numbers) + 1
        if len(numbers) < FEWEST or sorted(numbers) != [*range(low, high)]:
            return ""
        if numbers == sorted(numbers):
            return f"range({low}, {high})"
        return f"reversed(range({low}, {high}))" if numbers == sorted(numbers)[::-1] else ""


def progression(
    places: list[re.Match[str] | None], steps: Sequence[int]
) -> tuple[str, int, int] | None:
    """The name, slope and start of places that move with the step, by two that follow each other;
    of two steps one may have what stands before the loop."""
    for a, b, k, after in zip(places, places[1:], steps, steps[1:], strict=False):
        if a and b and a[1] == b[1] and a[2] != b[2]:
            slope = (int(b[2]) - int(a[2])) // (after - k)
            return a[1], slope, int(a[2]) - slope * k
    one = next(((m, k) for m, k in zip(places, steps, strict=True) if m), None)
    if one is None or len(steps) > 2:
        return None
    return one[0][1], 1, int(one[0][2]) - one[1]


def chunks(names: list[str]) -> Iterable[list[str]]:
    """Names, six a line."""
    return (names[i : i + 6] for i in range(0, len(names), 6))
