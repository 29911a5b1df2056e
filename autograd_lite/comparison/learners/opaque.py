"""Code that makes no tape (loops, `out[i, j] = ...`, float()) as one operation of a tape.

Its derivative is the one by hand where central differences agree with that along random directions;
else it is made of central differences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...check import numeric_gradient
from ...engine.op import Op
from ...engine.tape import Array
from ..answers.judge import fitted

DIRECTIONS = 3
COARSEST = 1e-6  # of a central difference that is no mistake
MOST = 4000  # elements that are moved one by one; each takes two runs of the learner's code

Forward = Callable[..., Array]


def differences(
    forward: Forward, inputs: Sequence[Array], i: int, upstream: Array, mine: Array
) -> bool:
    """Whether central differences along random directions agree that `mine` is the gradient of
    input `i` for that upstream.

    >>> x = np.array([1.0, 2.0])
    >>> [differences(np.square, [x], 0, np.ones(2), c * x) for c in (2, 3)]
    [True, False]
    """
    rng = np.random.default_rng(7919)
    for _ in range(DIRECTIONS):
        d = rng.standard_normal(inputs[i].shape)
        slope, noise = directional(forward, inputs, {i: d}, upstream)
        size = np.linalg.norm(mine) * np.linalg.norm(d) + abs(slope)
        if not abs(float((mine * d).sum()) - slope) <= COARSEST * size + noise:
            return False
    return True


def recorded_right(
    forward: Forward, inputs: Sequence[Array], grads: Sequence[Array], upstream: Array
) -> bool:
    """Whether what a tape gives for all inputs is the slope along a random direction: a float() on
    the way makes no error, but leaves a part out of the tape."""
    rng = np.random.default_rng(7919)
    moves = {i: rng.standard_normal(a.shape) for i, a in enumerate(inputs)}
    slope, noise = directional(forward, inputs, moves, upstream)
    parts = [float((grads[i] * d).sum()) for i, d in moves.items()]
    size = abs(slope) + max(map(abs, parts), default=0.0)
    return not np.isfinite(slope) or abs(sum(parts) - slope) <= 1e-3 * size + 1e3 * noise


def directional(
    forward: Forward, inputs: Sequence[Array], moves: Mapping[int, Array], upstream: Array
) -> tuple[float, float]:
    """The slope of (output * upstream).sum() along directions of some inputs, and what rounding
    makes of it: of three steps, the two that agree best."""
    slopes = []
    size = 0.0
    for h in (1e-4, 1e-5, 3e-6):
        ends = []
        for s in (-h, h):
            moved = [a + s * moves[j] if j in moves else a for j, a in enumerate(inputs)]
            ends.append(forward(*moved))
        slopes.append(float(((ends[1] - ends[0]) * upstream).sum()) / (2 * h))
        size = float(np.abs(ends[0] * upstream).sum())
    first, second, third = slopes
    best = second if abs(first - second) < abs(second - third) else (second + third) / 2
    return best, 1e-10 * size


class Opaque:
    """One call of a learner's code, and its gradient by hand, as an operation."""

    def __init__(
        self,
        name: str,
        forward: Forward,
        by_hand: Callable[[Array, Sequence[Array]], Sequence[Any]],
    ) -> None:
        self.forward, self.by_hand = forward, by_hand
        self.made: dict[bytes, list[Array | None]] = {}
        self.op = Op(name, lambda *inputs: self.forward(*inputs), each=self.rule)

    def rule(self, g: Any, y: Any, *inputs: Any, i: int) -> Array:
        """The gradient of input `i` for an upstream."""
        g, arrays = np.asarray(g, np.float64), [np.asarray(a) for a in inputs]
        key = g.tobytes() + b"".join(a.tobytes() for a in arrays)
        if key not in self.made:
            self.made = {key: [None] * len(arrays), **dict([*self.made.items()][:8])}
        known = self.made[key]
        found = known[i]
        if found is None:
            known[i] = found = self.gradient(g, arrays, i)
        return found

    def gradient(self, g: Array, inputs: Sequence[Array], i: int) -> Array:
        try:
            mine = self.by_hand(g, inputs)[i]
            mine = None if mine is None else fitted(np.asarray(mine, np.float64), inputs[i].shape)
        except Exception:  # noqa: BLE001  (the learner's own: a row says so)
            mine = None
        if mine is not None and differences(self.forward, inputs, i, g, mine):
            return mine
        return estimated(self.forward, inputs, i, g, mine)


def estimated(
    forward: Forward, inputs: Sequence[Array], i: int, g: Array, mine: Array | None
) -> Array:
    """The gradient by central differences: element by element, or where there are too many, what
    is known of it along random directions."""
    x = inputs[i].copy()
    arrays = [x if j == i else a for j, a in enumerate(inputs)]
    if x.size <= MOST:
        return numeric_gradient(lambda: float((forward(*arrays) * g).sum()), x)
    found = np.zeros(x.shape) if mine is None else mine.copy()
    rng = np.random.default_rng(7919)
    for _ in range(DIRECTIONS):
        d = rng.standard_normal(x.shape)
        slope, _ = directional(forward, inputs, {i: d}, g)
        found += (slope - float((found * d).sum())) / float((d * d).sum()) * d
    return found
