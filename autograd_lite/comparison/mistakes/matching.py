"""Whether a mistake gives the gradients that were handed in, and with which factor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ...engine.rules import ops
from ...engine.tape import Array
from ...engine.tensor import Tensor
from ..answers.judge import distance, largest, tolerance, without_ones
from ..answers.naming import Layers
from ..propagation import Backprop, Contribution, images, work_of
from .factors import named_factors, penalties_of
from .places import reached
from .words import described

# Work is counted in microseconds of a machine on which a call takes 40 and an element 0.004: the
# same inputs have the same report on every machine, however busy.
LIMIT = 5.0e6
CALL, ELEMENT = 40.0, 0.004


def stream() -> np.random.Generator:
    """Random numbers that are the same for every tensor, and that nobody else draws."""
    return np.random.default_rng([0x5EED, 0xA11CE])


class Match(NamedTuple):
    """A factor with which a mistake gives a gradient, and what it does to the others: those that
    then are as they were handed in, and those that are not."""

    c: float
    explained: frozenset[Tensor]
    spoilt: frozenset[Tensor]


class Matcher:
    """The gradients of one comparison, for guesses to be held against.

    `raw` are the gradients as they were handed in, by tensor; those whose shape does not fit are
    not in `back.yours`. `labels` are names of tensors.
    """

    def __init__(
        self,
        back: Backprop,
        raw: Mapping[Tensor, Array],
        labels: Mapping[Tensor, str],
        coarse: float = 0.0,
    ) -> None:
        self.back, self.labels = back, labels
        self.target = {t: back.yours.get(t, g).astype(np.float64) for t, g in raw.items()}
        self.coarse = {t: max(coarse, tolerance(g, t.array)) for t, g in raw.items()}
        self.floor = {t: 1e-9 * largest(back.gradient(t)) for t in raw}  # what cancelled is zero
        self.factors = named_factors(back.tape)
        self.tops = {t: largest(g) for t, g in self.target.items()}
        self.agreed: dict[int, tuple[Backprop, frozenset[Tensor]]] = {}
        self.limit, self.work = LIMIT, 0.0
        self.below = reached(back, self.target)
        self.penalties = penalties_of(back.tape)
        self.moves: dict[Tensor, tuple[Array, dict[Tensor, Array]]] = {}
        self.gaps: dict[tuple[int, Tensor], tuple[Backprop, Array | None]] = {}

    @cached_property
    def layers(self) -> Layers:
        """The layers of the tape, for words."""
        return Layers(self.back.tape)

    def label(self, t: Tensor | None) -> str:
        """What a tensor is called: its name, or what it is computed by, in a few words."""
        return described(t, self.labels, self.layers)

    @property
    def late(self) -> bool:
        """Whether as much work is done as is allowed."""
        return self.work > self.limit

    def spend(self, elements: float, calls: float = 1) -> None:
        """Count some work."""
        self.work += calls * CALL + elements * ELEMENT

    def above(self, back: Backprop, t: Tensor) -> list[Tensor]:
        """The tensors in whose gradients a mistake shows in that of `t`, the loss first."""
        return [p for p in back.made if t in self.below[p]]

    def agrees(self, t: Tensor, g: Array) -> bool:
        """Whether `g` is what was handed in for `t`."""
        mine = self.target[t]
        if without_ones(mine.shape) != without_ones(g.shape):
            return False
        if self.apart_in_a_few(t, mine, g):
            return False
        if max(largest(mine), largest(g)) <= self.floor[t]:
            return True
        return distance(mine, g.reshape(mine.shape))[1] <= self.coarse[t]

    def apart_in_a_few(self, t: Tensor, mine: Array, g: Array) -> bool:
        """Whether some elements alone tell two large gradients apart."""
        if mine.size < 1024:
            return False
        step = mine.size // 64
        gap = np.abs(mine.ravel()[::step] - g.ravel()[::step]).max()
        room = 1.1 * self.coarse[t] * math.sqrt(mine.size) * self.tops[t]
        return bool(gap > max(room, 2 * self.floor[t]))

    def agreeing(self, back: Backprop) -> frozenset[Tensor]:
        """The gradients that are what a pass gives."""
        if id(back) not in self.agreed:
            good = frozenset(u for u in self.target if self.agrees(u, back.gradient(u)))
            self.agreed[id(back)] = back, good
        return self.agreed[id(back)][1]

    def explains(self, t: Tensor, g: Array) -> bool:
        """Whether `g` is what was handed in for `t` and the right gradient is not, by far."""
        mine, right = self.target[t], self.back.gradient(t)
        if not self.agrees(t, g):
            return False
        if without_ones(g.shape) != without_ones(right.shape):
            return True
        gap = largest(mine - right.reshape(mine.shape))
        return largest(mine - g.reshape(mine.shape)) <= 1e-2 * gap

    def wrong(self, back: Backprop, among: list[Tensor]) -> list[Tensor]:
        """The tensors whose gradient is not what that pass gives, in backward order."""
        return [t for t in among if not self.agrees(t, back.gradient(t))]

    def match(
        self, back: Backprop, t: Tensor, p: Tensor, certain: Array | float, free: Array, want: str
    ) -> Match | None:
        """The factor c for which the gradient of `p` with `certain + c * free` added gives that of
        `t`; None if there is none."""
        if self.late or not self.possible(back, t, p, certain, free, want):
            return None
        self.spend(back.elements, len(back.tape.nodes))
        try:
            moved = back.spread(p, free)
            fixed = back.spread(p, certain + 0 * free) if np.any(certain) else {}
            if t not in moved:
                return None
            c = self.factor(t, back.gradient(t) + fixed.get(t, 0), moved[t], want)
        except (ValueError, IndexError):  # a gradient of that shape cannot be passed on
            return None
        if c is None:
            return None
        explained: set[Tensor] = set()
        spoilt: set[Tensor] = set()
        for u, d in moved.items():
            if u in self.target:
                good = self.agrees(u, back.gradient(u) + fixed.get(u, 0) + c * d)
                (explained if good else spoilt).add(u)
        return Match(c, frozenset(explained), frozenset(spoilt))

    def spend_on(self, e: Contribution) -> None:
        """Count what it takes to run the rule of an edge."""
        self.spend(4 * e.g.size + work_of(e.node, e.node.args))

    def possible(
        self, back: Backprop, t: Tensor, p: Tensor, certain: Any, free: Array, want: str
    ) -> bool:
        """Whether a guess may give the gradient of `t`, by a few dot products.

        What `certain + c * free` at `p` changes of the gradient of `t` has, along a direction v of
        t, the product <J v, certain> + c <J v, free>, where J v is how p moves along v.
        """
        gap = self.gap(back, t)
        if gap is None or p is t or np.shape(free) != p.shape:
            self.spend(np.size(free))
            return True
        directions, moved = self.moved(t)
        if p not in moved:
            return False
        self.spend(len(directions) * np.size(free))
        if any(self.key_in(key, moved) for key in back.changes):
            return True  # the way down is another one
        tolerance = max(1e-5, 10 * self.coarse[t])
        a, ways = directions @ gap.ravel(), moved[p]
        w = ways @ np.asarray(free, np.float64).ravel()
        q = ways @ np.broadcast_to(np.asarray(certain, np.float64), p.shape).ravel()
        room = tolerance * (np.abs(a).max() + np.abs(q).max())
        c = float((a - q) @ w / (w @ w)) if np.abs(w).max() > room else 1.0
        if want == "names" and math.isnan(self.snapped(c, tolerance)):
            return False
        return bool((np.abs(a - q - c * w) <= room + tolerance * np.abs(c * w).max()).all())

    def key_in(self, key: Any, moved: Mapping[Tensor, Array]) -> bool:
        """Whether a change is made at one of these tensors."""
        if isinstance(key, Tensor):
            return key in moved
        node, i = key
        return self.back.tape.inputs[node][i] in moved

    def moved(self, t: Tensor) -> tuple[Array, dict[Tensor, Array]]:
        """Directions of `t`, and how the tensors above move along them."""
        if t not in self.moves:
            size = t.array.size
            directions = np.eye(size) if size < 4 else stream().standard_normal((4, size))
            fixed = {u for u in self.back.yours if u is not t}
            with np.errstate(all="ignore"):
                self.moves[t] = directions, images(self.back.tape, t, fixed, directions)
            self.spend(8 * self.back.elements, 2 * len(self.moves[t][1]))
        return self.moves[t]

    def gap(self, back: Backprop, t: Tensor) -> Array | None:
        """Yours less the gradient of a pass, or None if their shapes do not fit."""
        key = id(back), t
        if key not in self.gaps:
            mine, right = self.target[t], back.gradient(t)
            fits = without_ones(mine.shape) == without_ones(right.shape)
            self.gaps[key] = back, mine.reshape(right.shape) - right if fits else None
        return self.gaps[key][1]

    def factor(self, t: Tensor, still: Array, slope: Array, want: str) -> float | None:
        """The c for which `still + c * slope` explains the gradient of `t`, or None.

        `want` is "names" for factors that have a name, "any" for all but 0, "positive".
        """
        mine = self.target[t]
        if without_ones((still + slope).shape) != without_ones(mine.shape):
            return None
        mine = mine.reshape((still + slope).shape)
        c = ratio(mine - still, slope)
        if want == "names":
            c = self.snapped(c, self.coarse[t])
            c = 1.0 if math.isnan(c) and self.agrees(t, still + slope) else c
        elif mine.size < 3 or not abs(c) > 1e-12 or (want == "positive" and c < 0):
            return None
        return None if math.isnan(c) or not self.explains(t, still + c * slope) else c

    def replaced(self, t: Tensor, p: Tensor, wrong: Array) -> Match | None:
        """`match` for a gradient that takes the place of that of `p` and has another shape: seen in
        `p` itself, or in the leaf that `p` is the transpose of."""
        while p is not t and p.op is ops.mT and p.parents[0] is not None:
            p, wrong = p.parents[0], wrong.mT
        if p is not t or without_ones(self.target[t].shape) != without_ones(wrong.shape):
            return None
        c = self.snapped(ratio(self.target[t].reshape(wrong.shape), wrong), self.coarse[t])
        c = 1.0 if self.agrees(t, wrong) else c  # both may be rounding of zero
        if not c or math.isnan(c) or not self.agrees(t, c * wrong):
            return None
        return Match(c, frozenset([t]), frozenset())

    def snapped(self, c: float, coarse: float) -> float:
        """The factor with a name that `c` is, or NaN."""
        near = (f for f in self.factors if abs(c - f) <= 10 * coarse * max(abs(f), 1e-3))
        return next(near, math.nan)


def ratio(a: Array, b: Array) -> float:
    """The factor of `b` that comes nearest to `a`, or NaN."""
    top = largest(b)
    if not 0 < top < math.inf or not np.isfinite(a).all():
        return math.nan
    v = (b / top).astype(np.float64)
    return float((v * a).sum() / (v * v).sum()) / top
