"""What the film tells about every card: the numbers of its arrays and gradients, and its line.

They are read from the tape when the drawing is made, so that a film needs no tape and shows what
the numbers were at that moment.
"""

from __future__ import annotations

import linecache
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..origin import Place, origin_of

if TYPE_CHECKING:
    from ..engine.tensor import Tensor
    from .cards import Writer

SMALL = 64  # elements; of a larger array there are statistics, not the values


def size_of(g: Any) -> float:
    """A single number as it is, else the norm, without overflow and in double precision."""
    if g.size == 1:
        return float(g.item())
    with np.errstate(all="ignore"):
        a = np.abs(g.astype(np.float64, copy=False))
        top = float(a.max(initial=0.0))
        return top * float(np.sqrt(np.square(a / top).sum())) if 0 < top < np.inf else top


def no_numbers(a: Any) -> str:
    """How many values of an array are NaN or infinite, in words; of one value nothing is said.

    >>> no_numbers(np.array([1.0, np.nan, np.inf])), no_numbers(np.array([1.0, 2.0]))
    ('1 NaN and 1 infinite of 3 values', '')
    """
    if a.size == 1 or a.dtype.kind != "f" or np.isfinite(a).all():
        return ""
    kinds = ((np.isnan(a), "NaN"), (np.isinf(a), "infinite"))
    found = [f"{np.count_nonzero(where)} {word}" for where, word in kinds if where.any()]
    return f"{' and '.join(found)} of {a.size} values"


class Facts:
    """The numbers of one array: its values if they are few, else statistics alone."""

    __slots__ = ("shape", "dtype", "size", "values", "spread")

    def __init__(self, a: Any) -> None:
        self.shape: tuple[int, ...] = a.shape
        self.dtype = a.dtype
        self.size = size_of(a)
        self.values = a.copy() if a.size <= SMALL else None
        self.spread = spread(a) if a.size > SMALL else None

    @classmethod
    def unknown(cls, a: Any) -> Facts:
        """Those of an array whose values were overwritten."""
        facts: Facts = object.__new__(cls)
        facts.shape, facts.dtype = a.shape, a.dtype
        facts.size, facts.values, facts.spread = float("nan"), None, None
        return facts

    def turned(self) -> Facts:
        """Those of the transposed array."""
        other: Facts = object.__new__(Facts)
        other.shape = (*self.shape[:-2], *self.shape[:-3:-1])
        other.dtype, other.size, other.spread = self.dtype, self.size, self.spread
        other.values = None if self.values is None else self.values.mT
        return other

    def statistics(self) -> dict[str, float]:
        """Least, mean and greatest value, norm, and how many are zero, by name."""
        numbers = spread(self.values) if self.values is not None else self.spread
        return {} if numbers is None else {**numbers, "norm": abs(self.size)}


def spread(a: Any) -> dict[str, float]:
    if a.size == 0:
        return {}
    with np.errstate(all="ignore"):
        return {
            "min": float(a.min()),
            "mean": float(a.mean(dtype=np.float64)),
            "max": float(a.max()),
            "zeros": a.size - int(np.count_nonzero(a)),
        }


@dataclass
class Gift:
    """A gradient on its way from one card to another; `name` is what it is a gradient of."""

    name: str
    key: str
    facts: Facts | None
    formula: str = ""


@dataclass
class Frame:
    """The numbers of one card. `arrays` are what its formulas name, the card's own one last."""

    arrays: dict[str, Facts] = field(default_factory=dict)
    total: Facts | None = None  # the gradient that arrives
    parts: list[Gift] = field(default_factory=list)  # what it is the sum of
    leaving: list[Gift] = field(default_factory=list)
    place: Place | None = None
    line: str = ""  # the text of that line
    times: int = 1  # tensors that the card stands for; the numbers are those of the first


def frames_of(written: Writer) -> dict[str, Frame]:
    """The frames of all cards that a Writer has made, by key."""
    read, totals = written.read, written.read.gradients.totals
    known: dict[int, Facts] = {}

    def facts(t: Tensor) -> Facts:
        if t.serial not in known:
            known[t.serial] = (Facts.unknown if read.overwritten(t) else Facts)(t.array)
        return known[t.serial]

    parts: dict[int, list[Gift]] = {}
    for t in reversed(read.ops):
        for use in read.uses[t.serial]:
            if use is not None and use.grad is not None:
                grad = use.grad.turned() if use.mark else use.grad
                name = written.symbols.get(written.drawn(t).serial, "")
                parts.setdefault(use.source.serial, []).append(Gift(name, written.key(t), grad))

    found: dict[str, Frame] = {}
    for t in written.shown:
        node = written.nodes[written.key(t)]
        frame = Frame(total=totals.get(t.serial), parts=parts.get(t.serial, []), times=node.times)
        rules = iter(node.backward)
        for use, a in zip(read.uses[t.serial], t.args or (), strict=False):
            if use is None:
                if np.size(a) > 1:
                    frame.arrays[written.constant(a)] = Facts(np.asarray(a))
                continue
            s = use.source
            name = written.symbol(s)
            frame.arrays[name] = facts(s)
            if use.tracked:
                key = written.ends.get((t.serial, s.serial), written.key(s))
                frame.leaving.append(Gift(name + use.mark, key, use.grad, next(rules, "")))
        frame.arrays[node.symbol] = facts(t)
        frame.place = origin_of(t)
        if frame.place is not None:
            frame.line = linecache.getline(frame.place.file, frame.place.line).strip()
        found[node.key] = frame
    copies: dict[int, set[str]] = {}
    for (_, serial), key in written.ends.items():
        copies.setdefault(serial, set()).add(key)
    for t in written.leaves:
        arrays = {written.symbol(t): facts(t)}
        times = len(written.alike.get(t.serial, "1"))
        frame = Frame(arrays, totals.get(t.serial), parts.get(t.serial, []), times=times)
        found |= dict.fromkeys({written.key(t), *copies.get(t.serial, ())}, frame)
    if read.root.op is not None:
        arrays = {written.symbol(read.root): facts(read.root)}
        found["out"] = Frame(arrays, totals.get(read.root.serial))
    return found
