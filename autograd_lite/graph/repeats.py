"""What is computed again and again: equal modules in a row, and the steps of a loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ..program.modules import LOOP, Modules
from ..program.reading import Reading, Use

__all__ = ["Repeats"]

FEW, MANY = 4, 2  # so many equal modules in a row are drawn once: always, and in large drawings
STEPS, APART = 4, 8  # so many equal steps of a loop are drawn once; if none reads from another
LONGEST = 40  # modules and operations in one step of a loop
TRIES = 6  # lengths of a step that are tried at one place


class Unit(NamedTuple):
    """A part of what runs in a module: a module in it, or an operation, with `frame` None."""

    start: int
    end: int
    frame: str | None
    like: int  # the same number for those that compute the same


class Repeats:
    """Runs of equal parts: the first of each is drawn.

    `twin` says which operation is drawn in the place of another, `times` which frames one stands
    for, and `names` what the modules of those are called.
    """

    def __init__(self, read: Reading, modules: Modules) -> None:
        self.read, self.modules = read, modules
        self.twin: dict[int, Any] = {}
        self.times: dict[str, list[str]] = {}
        self.names: dict[str, list[str]] = {}
        self.known: dict[Any, int] = {}
        self.loops = 0

    def find(self, large: bool) -> None:
        """Find them, outermost first; in large drawings two modules are a run, and loops are."""
        todo = [(0, len(self.read.ops), "")]
        while todo:
            start, end, path = todo.pop()
            units = list(self.units(start, end, path))
            i = 0
            while i < len(units):
                at, step, n = self.run(units, i, large)
                drawn = units[i : at + step] if n else units[i : i + 1]
                if n:
                    self.merge(units[at : at + step * n], step, path)
                for unit in drawn:
                    if unit.frame is not None:
                        todo.append((unit.start, unit.end, self.frame(unit, path)))
                i = at + step * n if n else i + 1
        for serial, first in self.twin.items():  # of a run inside a run
            while first.serial in self.twin:
                first = self.twin[first.serial]
            self.twin[serial] = first
            uses = zip(self.read.uses[first.serial], self.read.uses[serial], strict=True)
            self.read.uses[first.serial] = [
                u._replace(tracked=True) if u is not None and v is not None and v.tracked else u
                for u, v in uses
            ]

    def frame(self, unit: Unit, path: str) -> str:
        """The frame of a part of what runs in `path`; it may have come into that of a loop."""
        names = self.modules.paths[self.read.ops[unit.start].serial].split(".")
        deep = path.count(".") + 2 if path else 1
        return ".".join(names[: deep + names[deep - 1].startswith(LOOP)])

    def units(self, start: int, end: int, path: str) -> Iterator[Unit]:
        """The parts of a module, whose operations lie between two numbers."""
        ops, paths = self.read.ops, self.modules.paths
        skip = len(path) + bool(path)
        seen: set[str] = set()
        i = start
        while i < end:
            inner = paths.get(ops[i].serial, "")[skip:].partition(".")[0]
            if not inner:
                yield Unit(i, i + 1, None, self.number(i, i + 1, None))
                i += 1
                continue
            j = i
            while j < end and paths.get(ops[j].serial, "")[skip:].partition(".")[0] == inner:
                j += 1
            frame = f"{path}.{inner}" if path else inner
            like = self.number(i, j, frame) if frame not in seen else -i - 1
            seen.add(frame)
            yield Unit(i, j, frame, like)
            i = j

    def number(self, start: int, end: int, frame: str | None) -> int:
        """What a part computes: a module of this type, these operations, in these shapes."""
        made = tuple([(t.op, t.shape, t.dtype) for t in self.read.ops[start:end]])
        kind = None if frame is None else self.modules.kind(frame)
        return self.known.setdefault((kind, made), len(self.known))

    def run(self, units: list[Unit], i: int, large: bool) -> tuple[int, int, int]:
        """Where a run that begins at a part starts, how many parts a step of it has, and how many
        steps there are; 0 if none begins there."""
        tried = 0
        for j in range(i + 1, min(len(units) - 1, i + LONGEST) + 1):
            if units[j].like != units[i].like:
                continue
            step = j - i
            modules = step == 1 and units[i].frame is not None
            if not (modules or large):
                break
            n = self.steps(units, i, step)
            chained = large and self.chained(units, i, step)
            least = (MANY if chained else FEW) if modules else STEPS if chained else APART
            if n >= least:
                at = i if modules else self.natural(units, i, step, n)
                found = self.steps(units, at, step)
                return (at, step, found) if found >= n - 1 else (i, step, n)
            tried += 1
            if tried == TRIES:
                break
        return i, 1, 0

    def steps(self, units: list[Unit], i: int, step: int) -> int:
        """How many steps of so many parts begin at a part, each like the one before."""
        likes = [u.like for u in units[i : i + step]]
        n = 1
        while [u.like for u in units[i + n * step : i + (n + 1) * step]] == likes:
            last, here = units[i + (n - 1) * step].start, units[i + n * step].start
            if not self.follows(last, here - last, n == 1):
                break
            n += 1
        return n

    def natural(self, units: list[Unit], i: int, step: int, n: int) -> int:
        """The part that a step of a loop begins with: the first that reads nothing of the loop, as
        `x[i]` does, told by the second step, as the first may begin in the middle of one."""
        whole = range(units[i].start, units[i + step * n - 1].end)
        for at in range(i, i + step):
            unit = units[at + step]
            ops = self.read.ops[unit.start : unit.end]
            found = {
                self.read.number.get(u.source.serial, -1) for _, _, u in self.read.each_use(ops)
            }
            if not any(k in whole and not unit.start <= k < unit.end for k in found):
                return at
        return i

    def chained(self, units: list[Unit], i: int, step: int) -> bool:
        """Whether the step after the one that begins here reads what this one gives."""
        start, end = units[i].start, units[i + step].start
        ops = self.read.ops[end : units[min(i + 2 * step, len(units)) - 1].end]
        numbers = [self.read.number.get(u.source.serial, -1) for _, _, u in self.read.each_use(ops)]
        return any(start <= k < end for k in numbers)

    def follows(self, start: int, n: int, second: bool) -> bool:
        """Whether the `n` operations after a step are connected as those of the step are."""
        ops, uses = self.read.ops, self.read.uses
        pairs: set[tuple[int, int]] = set()  # sources in the one step and in the other
        for a, b in zip(ops[start : start + n], ops[start + n : start + 2 * n], strict=True):
            for u, v in zip(uses[a.serial], uses[b.serial], strict=True):
                if not self.alike(u, v, start, n, second):
                    return False
                if u is not None and v is not None:
                    pairs.add((u.source.serial, v.source.serial))
        return len({u for u, _ in pairs}) == len({v for _, v in pairs}) == len(pairs)

    def alike(self, u: Use | None, v: Use | None, start: int, n: int, second: bool) -> bool:
        """Whether an input of an operation of one step is to it as the one of the step after is to
        that; where the first step of a run, from number `start`, has its inputs from is free, and
        whether they need a gradient."""
        if u is None or v is None:
            return u is v
        if (u.mark, u.source.shape) != (v.mark, v.source.shape):
            return False
        if u.tracked != v.tracked and not second:
            return False
        i, j = (self.read.number.get(use.source.serial) for use in (u, v))
        if u.source is v.source or (i is None and j is None):
            return True
        if self.twin.get(v.source.serial, v.source) is self.twin.get(u.source.serial, u.source):
            return True  # of another run, as all steps of a sequence that were taken out before
        if j is None:
            return False
        return j - n == i or (second and (i is None or i < start) and start <= j < start + n)

    def merge(self, run: list[Unit], step: int, path: str) -> None:
        """Draw the operations of the first step of a run in place of those of the others; a step of
        a loop gets a frame of its own."""
        ops, paths = self.read.ops, self.modules.paths
        start, n = run[0].start, run[step - 1].end - run[0].start
        for i in range(start + n, run[-1].end):
            self.twin[ops[i].serial] = ops[start + (i - start) % n]
        columns = [[u.frame for u in run[k::step] if u.frame is not None] for k in range(step)]
        if step == 1 and columns[0]:
            self.times[columns[0][0]] = self.names[columns[0][0]] = columns[0]
            return
        self.loops += 1
        above = f"{path}." if path else ""
        loop = f"{above}{LOOP}{self.loops}"
        count = len(run) // step
        self.times[loop] = [loop, *(f"{loop}#{k}" for k in range(2, count + 1))]
        for i in range(start, run[-1].end):
            rest = paths.get(ops[i].serial, "")[len(above) :]
            frame = self.times[loop][(i - start) // n]
            paths[ops[i].serial] = f"{frame}.{rest}" if rest else frame
        for names in columns:
            if names:
                self.names[f"{loop}.{names[0][len(above) :]}"] = names
        self.modules.place_leaves(self.read)
