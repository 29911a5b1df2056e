"""What is drawn as one: repeated modules, modules below a depth, and the middle of long graphs."""

from __future__ import annotations

from typing import Any

from .modules import Modules
from .read import Place, Reading, Use

__all__ = ["COPIES", "HIDDEN", "Folded"]

LIMIT = 400  # drawn nodes; above it modules are folded, then the middle is cut out
ENDS = 40  # operations kept at either end of a cut
HIDDEN = "\0hidden"  # the group of what is cut out; no module is called this
COPIES = 4  # a leaf used more often than this is drawn anew at every use
REPEATS = 4  # so many equal modules in a row are drawn once


class Folded:
    """What is left of a tape when all that is too deep or too much is folded.

    `group` says which card an operation is drawn on together with others, `twin` which operation of
    an equal module before it is drawn in its place, `twins` which operations one is drawn for, and
    `times` how many modules a frame stands for. `ops` are the operations without those that have a
    twin, and `shown` those that have a card of their own.
    """

    def __init__(
        self, read: Reading, modules: Modules, depth: int | None, collapse: bool | None
    ) -> None:
        self.read, self.modules = read, modules
        self.group: dict[int, str] = {}
        self.twin: dict[int, Any] = {}
        self.times: dict[str, list[str]] = {}
        if collapse is not False:
            self.find_repeats()
        self.ops = [t for t in read.ops if t.serial not in self.twin]
        self.fold_below(0 if collapse and depth is None else depth)
        if collapse is not False and self.size() > LIMIT:
            self.fold_more(0 if collapse and depth is None else depth)
        self.shown = [t for t in self.ops if t.serial not in self.group]
        self.twins = {t.serial: [t] for t in self.ops}
        for serial, first in self.twin.items():
            self.twins[first.serial].append(read.ops[read.number[serial]])

    def fold_below(self, depth: int | None) -> None:
        """Put every module deeper than `depth` on one card."""
        self.group = {
            t.serial: ".".join(path.split(".")[: depth + 1])
            for t in self.read.ops
            if depth is not None
            and (path := self.modules.paths.get(t.serial))
            and path.count(".") >= depth
        }

    def fold_more(self, depth: int | None) -> None:
        """Fold modules, the deepest first; what is still too much loses its middle."""
        deepest = max((p.count(".") for p in self.modules.paths.values() if p), default=-1)
        for d in range(deepest if depth is None else min(deepest, depth - 1), -1, -1):
            self.fold_below(d)
            if self.size() <= LIMIT:
                return
        self.group |= {t.serial: HIDDEN for t in self.ops[ENDS:-ENDS]}

    def size(self) -> int:
        """How many cards there are."""
        shown = [t for t in self.ops if t.serial not in self.group]
        users: dict[int, set[int]] = {}
        for t, _, use in self.read.each_use(shown):
            if use.source.op is None:
                users.setdefault(use.source.serial, set()).add(t.serial)
        leaves = sum(len(at) if len(at) > COPIES else 1 for at in users.values())
        groups = {self.group[t.serial] for t in self.ops if t.serial in self.group}
        return len(shown) + len(groups) + leaves

    def drawn(self, t: Any) -> Any:
        """The tensor that stands for `t` in the drawing."""
        return self.twin.get(t.serial, t)

    # ---- gradients of folded cards

    def instance(self, t: Any) -> str:
        """The one module, of those that a folded card stands for, that an operation ran in."""
        group = self.group[self.drawn(t).serial]
        parts = self.modules.paths.get(t.serial, "").split(".")
        return group if group == HIDDEN else ".".join(parts[: group.count(".") + 1])

    def bundles(self) -> dict[Place, tuple[str, int]]:
        """What a folded card sends back to a tensor that it uses more than once is one gradient:
        which edges belong to it, by the module and the tensor."""
        edges: dict[tuple[str, int], list[Place]] = {}
        for t in (
            t for first in self.ops if first.serial in self.group for t in self.twins[first.serial]
        ):
            for edge in self.read.tape.edges[t]:
                use = self.read.uses[t.serial][edge.i]
                assert use is not None  # gradients go to Tensors
                key = self.instance(t), use.source.serial
                if (
                    self.drawn(use.source).serial not in self.group
                    or self.instance(use.source) != key[0]
                ):
                    edges.setdefault(key, []).append((t.serial, edge.i))
        return {place: key for key, places in edges.items() if len(places) > 1 for place in places}

    # ---- repeats

    def find_repeats(self) -> None:
        """Find runs of equal modules, outermost first; the first of a run is drawn."""
        ops = self.read.ops
        spans: dict[str, tuple[int, int, int]] = {}  # of a frame: first and last operation, count
        for i, t in enumerate(ops):
            parts = self.modules.paths.get(t.serial, "").split(".")
            for n in range(1, len(parts) + 1):
                frame = ".".join(parts[:n])
                first, _, n_before = spans.get(frame, (i, i, 0))
                spans[frame] = first, i, n_before + 1
        spans.pop("", None)
        whole = {f: (first, n) for f, (first, last, n) in spans.items() if last - first + 1 == n}
        run: list[str] = []
        for frame in [*sorted(whole, key=lambda f: (f.count("."), whole[f][0])), ""]:
            if run and not (frame and self.follows(run[-1], frame, whole, len(run) == 1)):
                if len(run) >= REPEATS:
                    self.merge(run, *whole[run[0]])
                run = []
            if frame and ops[whole[frame][0]].serial not in self.twin:
                run.append(frame)

    def follows(
        self, last: str, frame: str, whole: dict[str, tuple[int, int]], second: bool
    ) -> bool:
        """Whether a module continues a run: right after it, the same operations on the same shapes,
        each connected as in the module before."""
        (start, n), here = whole[last], whole[frame]
        if (
            here != (start + n, n)
            or last.rpartition(".")[0] != frame.rpartition(".")[0]
            or self.modules.kind(frame) != self.modules.kind(last)
        ):
            return False
        pairs: set[tuple[int, int]] = set()  # sources in the one module and in the other
        for a, b in zip(*(self.read.ops[k : k + n] for k in (start, start + n)), strict=True):
            if (a.op, a.shape, a.dtype) != (b.op, b.shape, b.dtype):
                return False
            for u, v in zip(self.read.uses[a.serial], self.read.uses[b.serial], strict=True):
                if not self.alike(u, v, start, n, second):
                    return False
                if u is not None and v is not None:
                    pairs.add((u.source.serial, v.source.serial))
        return len({u for u, _ in pairs}) == len({v for _, v in pairs}) == len(pairs)

    def alike(self, u: Use | None, v: Use | None, start: int, n: int, second: bool) -> bool:
        """Whether an input of an operation of one module is to it as the one of the module after is
        to that; where the first module of a run, number `start`, has its inputs from is free."""
        if u is None or v is None:
            return u is v
        if (u.tracked, u.mark, u.source.shape) != (v.tracked, v.mark, v.source.shape):
            return False
        i, j = (self.read.number.get(use.source.serial) for use in (u, v))
        if u.source is v.source or (i is None and j is None):
            return True
        if j is None:
            return False
        return j - n == i or (second and (i is None or i < start) and start <= j < start + n)

    def merge(self, run: list[str], start: int, n: int) -> None:
        """Draw the operations of the first module of a run in place of those of the others."""
        ops = self.read.ops
        for i in range(start + n, start + n * len(run)):
            self.twin[ops[i].serial] = ops[start + (i - start) % n]
        self.times[run[0]] = run
