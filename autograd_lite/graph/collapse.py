"""What is drawn as one: repeated modules, modules below a depth, and the middle of long graphs."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..engine.tensor import Tensor
from .read import Reader, Use

__all__ = ["COPIES", "HIDDEN", "Folded", "fold"]

LIMIT = 400  # drawn nodes; above it modules are folded, then the middle is cut out
ENDS = 40  # operations kept at either end of a cut
HIDDEN = "\0hidden"  # the group of what is cut out; no module is called this
COPIES = 4  # a leaf used more often than this is drawn anew at every use
REPEATS = 4  # so many equal modules in a row are drawn once


@dataclass
class Folded:
    """`group` says which card an operation is drawn on together with others, `twin` which
    operation of an equal module before it is drawn in its place, and `times` how many modules a
    frame stands for."""

    group: dict[int, str] = field(default_factory=dict)
    twin: dict[int, Tensor] = field(default_factory=dict)
    times: dict[str, list[str]] = field(default_factory=dict)


def fold(read: Reader, depth: int | None, collapse: bool | None) -> Folded:
    """Fold what is too deep or too much."""
    folded = Folded()
    if collapse is False:
        return grouped(read, folded, depth)
    repeats(read, folded)
    if collapse and depth is None:
        depth = 0
    folded = grouped(read, folded, depth)
    if cards(read, folded) > LIMIT:
        deepest = max((p.count(".") for p in read.paths.values() if p), default=-1)
        for d in range(deepest if depth is None else min(deepest, depth - 1), -1, -1):
            folded = grouped(read, folded, d)
            if cards(read, folded) <= LIMIT:
                return folded
        shown = [t for t in read.ops if t.serial not in folded.twin]
        for t in shown[ENDS:-ENDS]:
            folded.group[t.serial] = HIDDEN
    return folded


def grouped(read: Reader, folded: Folded, depth: int | None) -> Folded:
    """The same with every module deeper than `depth` on one card."""
    group = {}
    for t in read.ops:
        path = read.paths.get(t.serial, "")
        if depth is not None and path and path.count(".") >= depth:
            group[t.serial] = ".".join(path.split(".")[: depth + 1])
    return Folded(group, folded.twin, folded.times)


def cards(read: Reader, folded: Folded) -> int:
    """How many cards there are."""
    drawn = [t for t in read.ops if t.serial not in folded.twin]
    shown = [t for t in drawn if t.serial not in folded.group]
    users: dict[int, set[int]] = {}
    for t in shown:
        for u in read.uses[t.serial]:
            if u is not None and u.source.op is None:
                users.setdefault(u.source.serial, set()).add(t.serial)
    leaves = sum(len(at) if len(at) > COPIES else 1 for at in users.values())
    groups = {folded.group[t.serial] for t in drawn if t.serial in folded.group}
    return len(shown) + len(groups) + leaves


# ---- repeats


def repeats(read: Reader, folded: Folded) -> None:
    """Find runs of equal modules, outermost first; the first of a run is the one that is drawn."""
    spans: dict[str, tuple[int, int, int]] = {}  # of a frame: first and last operation, and count
    for i, t in enumerate(read.ops):
        parts = read.paths.get(t.serial, "").split(".")
        for n in range(1, len(parts) + 1):
            frame = ".".join(parts[:n])
            first, _, count = spans.get(frame, (i, i, 0))
            spans[frame] = first, i, count + 1
    spans.pop("", None)
    whole = [f for f, (first, last, count) in spans.items() if last - first + 1 == count]
    whole.sort(key=lambda f: (f.count("."), spans[f][0]))
    run: list[str] = []
    for frame in [*whole, ""]:
        if run and not (frame and follows(read, spans, run, frame)):
            if len(run) >= REPEATS:
                merge(read, spans, run, folded)
            run = []
        if frame and read.ops[spans[frame][0]].serial not in folded.twin:
            run.append(frame)


def follows(
    read: Reader, spans: dict[str, tuple[int, int, int]], run: list[str], frame: str
) -> bool:
    """Whether a module continues a run: right after it, the same operations on the same shapes,
    each connected as in the module before."""
    start, end, n = spans[run[-1]]
    here = spans[frame]
    alike_outside = (
        here[0] == end + 1
        and here[2] == n
        and run[-1].rpartition(".")[0] == frame.rpartition(".")[0]
        and read.modules.kind(frame) == read.modules.kind(run[-1])
    )
    if not alike_outside:
        return False
    pairs: set[tuple[int, int]] = set()  # sources in the one module and in the other
    for a, b in zip(read.ops[start : end + 1], read.ops[here[0] : here[1] + 1], strict=True):
        if (a.op, a.shape, a.dtype) != (b.op, b.shape, b.dtype):
            return False
        for u, v in zip(read.uses[a.serial], read.uses[b.serial], strict=True):
            if not alike(read, u, v, start, n, len(run) == 1):
                return False
            if u is not None and v is not None:
                pairs.add((u.source.serial, v.source.serial))
    return len({u for u, _ in pairs}) == len({v for _, v in pairs}) == len(pairs)


def alike(read: Reader, u: Use | None, v: Use | None, start: int, n: int, first: bool) -> bool:
    """Whether an input of an operation of one module is to it as the one of the module after is to
    that; where the `first` module of a run, from number `start`, has its inputs from is free."""
    if u is None or v is None:
        return u is v
    if (u.tracked, u.mark, u.source.shape) != (v.tracked, v.mark, v.source.shape):
        return False
    i, j = read.number.get(u.source.serial), read.number.get(v.source.serial)
    if i is None and j is None:
        return True
    if u.source is v.source or (i is not None and j is not None and j - i == n):
        return True
    return first and j is not None and (i is None or i < start) and start <= j < start + n


def merge(
    read: Reader, spans: dict[str, tuple[int, int, int]], run: list[str], folded: Folded
) -> None:
    """Draw the operations of the first module of a run in place of those of the others."""
    start, _, n = spans[run[0]]
    for k in range(1, len(run)):
        for i in range(n):
            folded.twin[read.ops[start + k * n + i].serial] = read.ops[start + i]
    folded.times[run[0]] = run
