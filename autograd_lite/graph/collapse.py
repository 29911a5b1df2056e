"""What is drawn as one: modules on a card each until a drawing fits, the middle of long ones."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from ..program.modules import Modules, is_loop, level, parents
from ..program.reading import Place, Reading
from .repeats import Repeats

__all__ = ["COPIES", "HIDDEN", "LIMIT", "Folded"]

LIMIT = 40  # drawn nodes; above it modules are folded until there are no more
PAGE = 1380  # points from the first card to the last, which a drawing of more nodes is folded to
ARROW, TITLE, LINE, MODULE = 41, 38, 17, 56  # points of the parts of cards, and of a folded module
BOTTOM, TOP = 12, 32  # of a frame
MOST = 400  # drawn nodes; of more, where there is nothing left to fold, the middle is cut out
WORK = 20_000  # operations that are looked at for drawings with one more module open
ENDS = 40  # operations kept at either end of a cut
HIDDEN = "\0hidden"  # the group of what is cut out; no module is called this
COPIES = 4  # a leaf used more often than this is drawn anew at every use


class Folded:
    """What is left of a tape when all that is too deep or too much is folded.

    `group` says which card an operation is drawn on together with others, `twins` which operations
    one is drawn for. `ops` are the operations without those that have a twin, and `shown` those
    that have a card of their own. `frames` are the modules that are folded, but for `opened`.
    """

    def __init__(
        self,
        read: Reading,
        modules: Modules,
        repeats: Repeats,
        frames: Iterable[str] = (),
        opened: str = "",
    ) -> None:
        self.read, self.modules, self.repeats = read, modules, repeats
        self.group: dict[int, str] = {}
        self.ops = [t for t in read.ops if t.serial not in repeats.twin]
        open_here = set(parents(opened)) if opened else set()
        self.frames = set(frames) - open_here
        self.fold()

    @classmethod
    def whole(
        cls, read: Reading, modules: Modules, depth: int | None, collapse: bool | None
    ) -> Folded:
        """What `draw` shows: all modules below a depth on cards, or as many as are too many."""
        repeats = Repeats(read, modules)
        if collapse is not False:
            repeats.find(large=False)
        found = cls(read, modules, repeats)
        if depth is None and collapse is None and found.size() > LIMIT:
            repeats = Repeats(read, modules)
            repeats.find(large=True)
            found = cls(read, modules, repeats)
            found.fold_until_it_fits(PAGE)
        elif depth is not None or collapse:
            found.frames = {f for f in found.candidates(least=1) if level(f) == (depth or 0) + 1}
            found.fold()
        found.settle(cut=collapse is not False)
        return found

    def opening(self) -> dict[str, Folded]:
        """The drawings in which one of the folded modules is open, and again of those in it, by the
        path of the module, as many as may be made with little work."""
        found: dict[str, Folded] = {}
        todo, cards = [self], 0
        while todo:
            outer = todo.pop(0)
            for frame in dict.fromkeys(outer.group.values()):
                little = len(found) * len(self.read.ops) < WORK and cards < MOST
                if frame not in found and frame != HIDDEN and little:
                    inner = found[frame] = outer.open(frame)
                    cards += inner.size()
                    todo.append(inner)
        return found

    def open(self, frame: str) -> Folded:
        """The same with one more module open; what is in it is folded until it fits."""
        found = Folded(self.read, self.modules, self.repeats, self.frames, frame)
        found.fold_until_it_fits(within=f"{frame}.")
        found.settle(cut=True)
        return found

    def settle(self, cut: bool) -> None:
        """Nothing is folded from here on; what is still too much may lose its middle."""
        if cut and self.size() > MOST:
            self.group |= {t.serial: HIDDEN for t in self.ops[ENDS:-ENDS]}
        self.shown = [t for t in self.ops if t.serial not in self.group]
        self.twins = {t.serial: [t] for t in self.ops}
        for serial, first in self.repeats.twin.items():
            self.twins[first.serial].append(self.read.ops[self.read.number[serial]])

    def candidates(self, least: int = 2) -> list[str]:
        """The modules of at least so many operations and parameters that are drawn."""
        found: dict[str, int] = {}
        leaves = {u.source.serial: u.source for _, _, u in self.read.each_use(self.ops)}
        for t in (*self.ops, *(s for s in leaves.values() if s.op is None and s.requires_grad)):
            for frame in parents(self.modules.paths.get(t.serial, "")):
                found[frame] = found.get(frame, 0) + 1
        return [f for f, n in found.items() if n >= least]

    def fold_until_it_fits(self, page: float = float("inf"), within: str = "") -> None:
        """Fold what states a formula first, then the deepest; loops last."""
        several = set(self.candidates())
        frames = [f for f in self.candidates(least=1) if f.startswith(within)]
        frames = [f for f in frames if f in several or self.modules.textbook(f)]

        def rank(frame: str) -> tuple[Any, ...]:
            return is_loop(frame), not self.modules.textbook(frame), -level(frame)

        ranks = {f: rank(f) for f in frames}
        for _, alike in groupby(sorted(frames, key=ranks.__getitem__), ranks.__getitem__):
            if self.size() <= LIMIT and self.height() <= page:
                return
            self.frames |= set(alike)
            self.fold()

    def fold(self) -> None:
        """Put every operation in a folded module on the card of the outermost."""
        self.group = {}
        for t in self.ops if self.frames else ():
            path = self.modules.paths.get(t.serial, "")
            card = next((frame for frame in parents(path) if frame in self.frames), None)
            if card is not None:
                self.group[t.serial] = card

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

    def height(self) -> float:
        """How many points high the drawing is about: the longest way through its cards."""
        deep: dict[Any, float] = {}
        frames: dict[Any, set[str]] = {}  # that a card stands in
        for t in self.ops:
            group = self.group.get(t.serial)
            card = t.serial if group is None else group
            if card not in frames:
                path = self.modules.paths.get(t.serial, "")
                frames[card] = set(parents(path if group is None else group.rpartition(".")[0]))
            above = 0.0
            for _, _, use in self.read.each_use((t,)):
                s = self.drawn(use.source).serial
                source = self.group.get(s, s)
                if source != card:
                    left, entered = frames.get(source, set()), frames[card]
                    edges = BOTTOM * len(left - entered) + TOP * len(entered - left)
                    above = max(above, deep.get(source, 0.0) + edges)
            lines = 1 + sum(use.tracked for use in self.read.uses[t.serial] if use is not None)
            own = TITLE + LINE * lines if group is None else MODULE
            deep[card] = max(deep.get(card, 0.0), above + own + ARROW)
        return max(deep.values(), default=0.0)

    def drawn(self, t: Any) -> Any:
        """The tensor that stands for `t` in the drawing."""
        return self.repeats.twin.get(t.serial, t)

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
