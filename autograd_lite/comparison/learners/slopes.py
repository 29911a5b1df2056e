"""Gradients of what has no tape, judged by central differences along random directions.

Two directions per parameter and two values per direction see any single wrong element, as no
element of a direction is near 0; a gradient element by element would take two values for each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from ...differences import PASS
from ...engine.tape import Array
from ..answers.judge import tolerance

Value = Callable[[Mapping[str, Array]], float]
Outputs = Callable[[Mapping[str, Array]], Sequence[Array]]
# From the one that serves best in float64, down to pass between kinks, and up for float32.
STEPS = (6e-6, 6e-7, 6e-5, 6e-8, 6e-9, 6e-4, 6e-3)
MOST_TESTS = 48  # of blocks of one axis, to say which of its rows differ


def own_stream(words: str) -> np.random.Generator:
    """Random numbers that no learner draws: gradients that are wrong in all but their arrival would
    pass for inputs of the same numbers."""
    return np.random.default_rng([*b"autograd_lite", *words.encode()])


@dataclass(frozen=True)
class Slope:
    """The slope of a loss along a direction, how unsure it is, and the slopes on both sides, which
    differ at a kink."""

    value: float
    unsure: float
    step: float
    sides: tuple[float, float]
    kinked: bool = False


@dataclass
class Slopes:
    """A loss as a function of named arrays; `calls` counts how often it was computed.

    Where the loss is the sum of outputs times upstream gradients, `outputs` gives these and
    `upstream` has those.
    """

    value: Value
    arrays: Mapping[str, Array]
    outputs: Outputs | None = None
    upstream: Sequence[Array] = ()
    coarse: bool = False  # whether arrays of float32 are moved in place
    single: bool = field(default=True, init=False)  # whether all values were float32's
    calls: int = 0
    here: float = field(init=False)

    def __post_init__(self) -> None:
        self.here = self.at({})

    def at(self, moved: Mapping[str, Array]) -> float:
        """The loss where some arrays have other values."""
        self.calls += 1
        with np.errstate(all="ignore"):
            found = float(self.value({**self.arrays, **moved}))
            self.single &= float(np.float32(found)) == found
        return found

    def sides(self, name: str, v: Array, h: float) -> tuple[float, float]:
        """The slopes on the left and on the right, with this step."""
        a = self.arrays[name]
        low, high = self.at({name: a - h * v}), self.at({name: a + h * v})
        return (self.here - low) / h, (high - self.here) / h

    def parts(self, name: str, v: Array, h: float) -> list[Array]:
        """The slope of each element of the outputs."""
        assert self.outputs is not None
        a = self.arrays[name]
        low, high = (self.outputs({**self.arrays, name: a + s * h * v}) for s in (-1, 1))
        return [(p - q) / (2 * h) for p, q in zip(high, low, strict=True)]

    def slope(self, name: str, v: Array) -> Slope:
        """The best of the central differences: where two steps agree most."""
        both = {h: self.sides(name, v, h) for h in STEPS}
        central = {h: (left + right) / 2 for h, (left, right) in both.items()}
        steps = sorted(STEPS)
        apart = {(a, b): abs(central[a] - central[b]) for a, b in pairwise(steps)}
        # rounding may agree by chance, but not below what it amounts to
        apart = {pair: max(d, self.noise / pair[1]) for pair, d in apart.items()}
        finite = {pair: d for pair, d in apart.items() if math.isfinite(d)}
        if not finite:
            return Slope(math.nan, math.inf, STEPS[0], both[STEPS[0]])
        (small, large), unsure = min(finite.items(), key=lambda item: item[1])
        near, far = both[small], both[large]
        jump = abs(near[0] - near[1])
        least = max(1e-3 * max(map(abs, near)), 8 * unsure, 16 * self.noise / small)
        # of a smooth function it shrinks with the step
        kinked = jump > least and jump > abs(far[0] - far[1]) / 2
        return Slope(central[large], unsure, large, near, kinked)

    @property
    def noise(self) -> float:
        """The rounding of the loss."""
        return float(np.finfo(np.float32 if self.float32 else np.float64).eps) * abs(self.here)

    @property
    def float32(self) -> bool:
        """Whether the loss has no more digits than float32."""
        return self.single or self.coarse

    def spread(self, name: str) -> Array:
        """How far each element moves: by its size, if that is above 1."""
        return np.maximum(1.0, np.abs(self.arrays[name]))

    def direction(self, name: str, number: int) -> Array:
        """A random direction, without an element near 0."""
        rng = own_stream(f"direction {number} of {name}")
        shape = self.arrays[name].shape
        signs = rng.integers(0, 2, shape) * 2 - 1
        return np.asarray(signs * rng.uniform(0.5, 1.5, shape) * self.spread(name))


@dataclass
class Measured:
    """A gradient by hand beside the slopes along three directions (two, where they agree)."""

    slopes: Slopes
    name: str
    yours: Array
    found: list[tuple[Array, Slope]] = field(default_factory=list)
    wrong: bool = False
    kinked: bool = False
    noisy: bool = False
    seen: dict[int, list[int] | None] = field(default_factory=dict)

    @property
    def size(self) -> float:
        """What errors are relative to."""
        seen = [abs(s.value) for _, s in self.found if math.isfinite(s.value)]
        return max([float(np.linalg.norm(self.yours * self.slopes.spread(self.name))), *seen])

    def allowed(self, slope: Slope) -> float:
        """How far a right gradient may be off."""
        return max(self.share * self.size, 4 * slope.unsure)

    @property
    def share(self) -> float:
        """The relative error that passes."""
        return max(PASS, tolerance(self.yours, np.zeros(0)))

    def claim(self, v: Array, yours: Array | None = None) -> float:
        """The slope that the gradient by hand says there is."""
        return float(np.sum((self.yours if yours is None else yours) * v))

    def look(self) -> None:
        """Measure the slopes along three directions."""
        vs = [self.slopes.direction(self.name, i) for i in (1, 2, 3)]
        self.found = [(v, self.slopes.slope(self.name, v)) for v in vs]

    def judge(self) -> Measured:
        """Look along two directions; before it is called wrong, along a third."""
        if not np.isfinite(self.yours).all():
            self.wrong = True
            return self
        if all(self.quick(self.slopes.direction(self.name, i)) for i in (1, 2)):
            return self
        self.look()
        states = [self.state(self.claim(v), s) for v, s in self.found]
        enough = 3e-2 if self.slopes.float32 else 1e-3
        self.noisy = any(4 * s.unsure > enough * self.size for _, s in self.found)
        self.wrong = states[2] == "off" and "off" in states[:2]
        self.kinked = not self.wrong and "kink" in states
        self.noisy |= self.error > 1e-2
        return self

    def quick(self, v: Array) -> bool:
        """Whether one difference agrees; that cannot be chance."""
        left, right = self.slopes.sides(self.name, v, STEPS[0])
        slope = Slope((left + right) / 2, self.slopes.noise / STEPS[0], STEPS[0], (left, right))
        self.found.append((v, slope))
        return abs(slope.value - self.claim(v)) <= self.share * self.size

    def state(self, claim: float, slope: Slope) -> str:
        """ "ok", "off", or "kink": between the slopes on both sides."""
        if abs(claim - slope.value) <= self.allowed(slope):
            return "ok"
        low, high = sorted(slope.sides)
        margin = 1e-3 * (high - low)
        return "kink" if slope.kinked and low - margin <= claim <= high + margin else "off"

    @property
    def error(self) -> float:
        """The norm of the error, relative to that of the gradient, as far as directions tell."""
        off = [abs(self.claim(v) - s.value) for v, s in self.found]
        return float(np.sqrt(np.mean(np.square(off)))) / self.size if off and self.size else 0.0

    def agrees(self, mask: Array) -> bool:
        """Whether it is right in a part of the array, by the step that served the whole."""
        v, whole = self.found[0]
        left, right = self.slopes.sides(self.name, v * mask, whole.step)
        off = abs((left + right) / 2 - self.claim(v * mask))
        return off <= max(self.allowed(whole), 1e-4 * abs(self.claim(v) - whole.value))

    def along(self, axis: int) -> list[int] | None:
        """The wrong indices of an axis, looked for once."""
        if axis not in self.seen:
            self.seen[axis] = self.wrong_along(axis) if self.yours.shape[axis] > 1 else None
        return self.seen[axis]

    def wrong_along(self, axis: int) -> list[int] | None:
        """The indices of an axis whose parts are wrong, by halving; None for too many to tell."""
        shape = self.yours.shape
        todo: list[tuple[int, int]] = [(0, shape[axis])]
        found: list[int] = []
        for _ in range(MOST_TESTS):
            if not todo:
                return sorted(found)
            low, high = todo.pop()
            mask = np.zeros(shape[axis])
            mask[low:high] = 1
            if self.agrees(mask.reshape([-1 if i == axis else 1 for i in range(len(shape))])):
                continue
            middle = (low + high) // 2
            if high - low == 1:
                found.append(low)
            else:
                todo += [(low, middle), (middle, high)]
        return None if todo else sorted(found)


def shifts(a: Array) -> Iterator[tuple[int, int, Array, Array]]:
    """An array moved by one along each axis of 3 or more, either way, and where that is known."""
    for axis, n in enumerate(a.shape):
        inner = np.zeros(n)
        inner[1:-1] = 1
        mask = inner.reshape([-1 if i == axis else 1 for i in range(a.ndim)])
        for by in (1, -1):
            if n > 2:
                yield axis, by, np.roll(a, -by, axis), mask
