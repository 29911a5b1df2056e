"""Whether a mistake gives the gradients that were handed in, and with which factor."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ...engine.rules import ops
from ...engine.tape import Array
from ...engine.tensor import Tensor
from ..answers.judge import distance, largest, tolerance, without_ones
from ..propagation import Backprop
from .factors import named_factors
from .places import reached

SECONDS = 6.0  # of search, after which what is found so far is told


class Match(NamedTuple):
    """A factor with which a mistake gives a gradient, and what it does to the others: those that
    then are as they were handed in, and those that are not."""

    c: float
    explained: frozenset[Tensor]
    spoilt: frozenset[Tensor]


class Matcher:
    """The gradients of one comparison, for guesses to be held against.

    `raw` are the gradients as they were handed in, by tensor; those whose shape does not fit are
    not in `back.yours`.
    """

    def __init__(self, back: Backprop, raw: Mapping[Tensor, Array]) -> None:
        self.back = back
        self.target = {t: back.yours.get(t, g).astype(np.float64) for t, g in raw.items()}
        self.coarse = {t: tolerance(g, t.array) for t, g in raw.items()}
        self.floor = {t: 1e-9 * largest(back.gradient(t)) for t in raw}  # what cancelled is zero
        self.factors = named_factors(back.tape)
        self.deadline = time.monotonic() + SECONDS
        self.below = reached(back, self.target)

    @property
    def late(self) -> bool:
        """Whether the time for the search is over."""
        return time.monotonic() > self.deadline

    def above(self, back: Backprop, t: Tensor) -> list[Tensor]:
        """The tensors in whose gradients a mistake shows in that of `t`, the loss first."""
        return [p for p in back.made if t in self.below[p]]

    def agrees(self, t: Tensor, g: Array) -> bool:
        """Whether `g` is what was handed in for `t`."""
        mine = self.target[t]
        if without_ones(mine.shape) != without_ones(g.shape):
            return False
        if max(largest(mine), largest(g)) <= self.floor[t]:
            return True
        return distance(mine, g.reshape(mine.shape))[1] <= self.coarse[t]

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
        if self.late:
            return None
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
