"""Code that makes no tape (loops, `out[i, j] = ...`, float()) as one operation of a tape.

Its derivative is the one by hand where central differences agree with that along random directions;
else it is made of central differences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from ...differences import slopes
from ...engine.op import Op
from ...engine.tape import Array
from .calls import shaped
from .slopes import own_stream

DIRECTIONS = 2
FEW = 50  # elements that are soon moved one by one
STEPS = (1e-4, 1e-5, 3e-6)
COARSEST = 1e-6  # of a central difference that is no mistake
MOST = 2000  # elements that are moved one by one; each takes two runs of the learner's code
MOST_SLOPES = 4_000_000  # of all outputs by all elements, that are kept for other upstreams

Forward = Callable[..., Array]


def agrees(
    forward: Forward,
    inputs: Sequence[Array],
    moves: Mapping[int, Array],
    upstream: Array,
    mine: tuple[float, float],
    fine: float = COARSEST,
) -> bool:
    """Whether a slope along directions, of which the size is given too, is that of central
    differences: mostly one step says it; more are for kinks, and a large one for float32 inside."""
    slope, size = mine
    seen = []
    for steps, allowed in (((1e-5,), fine), (STEPS, fine), ((2e-5,), fine), ((1e-2,), 1e-3)):
        found, noise = directional(forward, inputs, moves, upstream, steps)
        seen.append(found)
        if not np.isfinite(found):
            return False
        if abs(found - slope) <= allowed * size + noise:
            return True
        if len(seen) == 3 and max(seen) - min(seen) <= 1e-5 * size + noise:
            return False  # they agree with each other, so there is nothing coarse inside
    return False


def recorded_right(
    forward: Forward, inputs: Sequence[Array], grads: Sequence[Array], upstream: Array
) -> bool:
    """Whether what a tape gives for all inputs is the slope along a random direction: a float() on
    the way makes no error, but leaves a part out of the tape."""
    moves = directions(inputs, range(len(inputs)), 0)
    parts = [float((grads[i] * d).sum()) for i, d in moves.items()]
    size = max(map(abs, parts), default=0.0)
    if not np.isfinite(directional(forward, inputs, moves, upstream, (1e-5,))[0]):
        return True
    return agrees(forward, inputs, moves, upstream, (sum(parts), size), 1e-3)


def all_right(
    forward: Forward, inputs: Sequence[Array], grads: Mapping[int, Array], upstream: Array
) -> bool:
    """Whether central differences along random directions of these inputs at once agree with their
    gradients for that upstream.

    >>> x = np.array([1.0, 2.0])
    >>> [all_right(np.square, [x], {0: c * x}, np.ones(2)) for c in (2, 3)]
    [True, False]
    """
    for number in range(DIRECTIONS):
        moves = directions(inputs, grads, number)
        sizes = [float(np.linalg.norm(grads[i]) * np.linalg.norm(d)) for i, d in moves.items()]
        mine = sum(float((grads[i] * d).sum()) for i, d in moves.items())
        # the smallest of them must not hide beside the others
        if not agrees(forward, inputs, moves, upstream, (mine, min(sizes, default=0.0))):
            return False
    return True


def directions(inputs: Sequence[Array], which: Iterable[int], number: int) -> dict[int, Array]:
    """Random directions from some inputs, that small elements are moved less along, so that what is
    positive stays so."""
    rng = own_stream(f"direction {number}")
    found = {}
    for i in which:
        size = np.minimum(np.abs(inputs[i]), 1.0)
        found[i] = rng.standard_normal(size.shape) * np.where(size > 0, size, 1.0)
    return found


def directional(
    forward: Forward,
    inputs: Sequence[Array],
    moves: Mapping[int, Array],
    upstream: Array,
    steps: Sequence[float] = STEPS,
) -> tuple[float, float]:
    """The slope of (output * upstream).sum() along directions of some inputs, and what rounding
    makes of it: of three steps, the two that agree best."""
    slopes = []
    size = 0.0
    for h in steps:
        ends = []
        for s in (-h, h):
            moved = [a + s * moves[j] if j in moves else a for j, a in enumerate(inputs)]
            ends.append(forward(*moved))
        slopes.append(float(((ends[1] - ends[0]) * upstream).sum()) / (2 * h))
        size = float(np.abs(ends[0] * upstream).sum())
    if len(slopes) == 1:
        return slopes[0], 1e-10 * size
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
        self.run, self.by_hand = forward, by_hand
        self.shape: tuple[int, ...] | None = None  # of the output, as soon as it is known
        self.first = b""  # the inputs that it was recorded with
        self.made: dict[bytes, Callable[[int], Array]] = {}
        self.slopes: dict[int, Array] = {}  # of every output by every element of an input
        self.op = Op(name, lambda *inputs: self.forward(*inputs), each=self.rule)

    def forward(self, *inputs: Array) -> Array:
        """The output; NaN where the code raises for inputs beside the ones given."""
        try:
            y = self.run(*inputs)
        except Exception:
            if self.shape is None:
                raise
            return np.full(self.shape, np.nan)
        if self.shape is None:
            self.shape, self.first = y.shape, written(inputs)
        return y

    def rule(self, g: Any, y: Any, *inputs: Any, i: int) -> Array:
        """The gradient of input `i` for an upstream."""
        g, arrays = np.asarray(g, np.float64), [np.asarray(a) for a in inputs]
        key = g.tobytes() + written(arrays)
        if key not in self.made:
            self.made = {key: self.settled(g, arrays), **dict([*self.made.items()][:8])}
        return self.made[key](i)

    def settled(self, g: Array, inputs: Sequence[Array]) -> Callable[[int], Array]:
        """The gradient of each input for an upstream, found when it is asked for."""
        try:
            pairs = zip(self.by_hand(g, inputs), inputs, strict=True)
            mine = [None if m is None else shaped(m, a.shape) for m, a in pairs]
        except Exception:  # noqa: BLE001  (the learner's own: a row says so)
            mine = [None] * len(inputs)
        floats = [a.dtype.kind == "f" for a in inputs]
        right = {i: m for i, m in enumerate(mine) if m is not None and floats[i]}
        if all_right(self.forward, inputs, right, g):
            return cache(lambda i: right[i] if i in right else self.gradient(g, inputs, i, None))
        return cache(lambda i: self.gradient(g, inputs, i, mine[i]))

    def gradient(self, g: Array, inputs: Sequence[Array], i: int, mine: Array | None) -> Array:
        if written(inputs) != self.first:  # a guess at a mistake, which is not worth so many runs
            return np.full(inputs[i].shape, np.nan)
        if i in self.slopes:  # what is linear in the upstream takes no run for another one
            return np.tensordot(self.slopes[i], g, g.ndim)
        if mine is not None and all_right(self.forward, inputs, {i: mine}, g):
            return mine
        for like in near(mine) if mine is not None and mine.size > FEW else ():
            moves = directions(inputs, [i], DIRECTIONS)
            along = float((like * moves[i]).sum())
            c = directional(self.forward, inputs, moves, g)[0] / along if along else 0.0
            if all_right(self.forward, inputs, {i: c * like}, g):
                return c * like
        if inputs[i].size > (FEW if mine is None else MOST):  # what was not given is not judged
            found = estimated(self.forward, inputs, i, g, mine)
        elif inputs[i].size * g.size <= MOST_SLOPES:
            self.slopes[i] = jacobian(self.forward, inputs, i)
            found = np.tensordot(self.slopes[i], g, g.ndim)
        else:
            found = jacobian(lambda *a: np.sum(self.forward(*a) * g), inputs, i)
        if np.isfinite(found).all():
            return found
        return np.zeros(found.shape) if mine is None else mine  # nothing else can be said


def written(inputs: Sequence[Any]) -> bytes:
    """What arrays are known by."""
    return b"".join(np.asarray(a).tobytes() for a in inputs)


def near(mine: Array) -> Iterator[Array]:
    """What a wrong gradient may be a multiple of, where it is long to find by its elements."""
    yield mine
    if mine.ndim >= 2 and mine.shape[-1] == mine.shape[-2]:
        yield mine.swapaxes(-1, -2).copy()
    for axes in [(a,) for a in range(mine.ndim)] + [(mine.ndim - 2, mine.ndim - 1)]:
        if mine.ndim > 1:
            yield np.flip(mine, axes).copy()


def jacobian(forward: Forward, inputs: Sequence[Array], i: int) -> Array:
    """The central differences of every output by every element of one input."""
    x = inputs[i].copy()
    arrays = [x if j == i else a for j, a in enumerate(inputs)]
    rows = [slopes(lambda: forward(*arrays), x, k) for k in np.ndindex(x.shape)]
    return np.reshape(rows, (*x.shape, *np.shape(rows[0])))


def estimated(
    forward: Forward, inputs: Sequence[Array], i: int, g: Array, mine: Array | None
) -> Array:
    """What is known of a gradient along random directions, where it has too many elements."""
    found = np.zeros(inputs[i].shape) if mine is None else mine.copy()
    for number in range(DIRECTIONS):
        moves = directions(inputs, [i], number)
        along, _ = directional(forward, inputs, moves, g)
        d = moves[i]
        found += (along - float((found * d).sum())) / float((d * d).sum()) * d
    return found
