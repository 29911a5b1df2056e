"""What runs inside of learners' code while a fix is looked for: it counts, looks on, and bends."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

ELEMENTS = 200  # of an array are computed while a line of Python runs, about
MOST_BITS = 10_000


class Exhausted(BaseException):
    """A run that went round its loops far more often than the code as it was written.

    It is no Exception, as a learner's own code may catch those.
    """


class Probe(threading.local):
    """It stands in the compiled code as a constant.

    `pick` is the edit that runs; `tick` is called at the head of every loop; `at` at every
    statement of a run that is looked at, whose value it changes where `bend` says so (zeros only
    where `fill` says so); `leave` at the end of every function. Every thread has its own, and only
    that of the search picks an edit.
    """

    def __init__(self) -> None:
        self.pick = -1
        self.ticks, self.limit = 0, math.inf
        self.bend = -1
        self.fill = False  # whether zeros are bent too
        self.work = 0
        self.values: dict[int, Any] = {}
        self.counts: Counter[int] = Counter()
        self.names: dict[int, dict[str, Any]] = {}

    def tick(self, names: Mapping[str, Any] | None = None) -> bool:
        self.ticks += 1
        if self.ticks > self.limit:
            raise Exhausted
        for value in names.values() if names and self.limit < math.inf else ():
            if type(value) is int and value.bit_length() > MOST_BITS:  # squared again and again
                raise Exhausted
        return True

    def at(self, unit: int) -> Callable[[Any], Any]:
        """Called before the value of a statement is computed, which may fail."""
        self.tick()
        self.counts[unit] += 1
        return partial(self.seen, unit)

    def seen(self, unit: int, value: Any) -> Any:
        self.work += 1 + getattr(value, "size", 0) // ELEMENTS
        self.values[unit] = value
        return bent(value, self.counts[unit], self.fill) if unit == self.bend else value

    def inside(self, function: Any) -> Any:
        """A function that stays within memory: `strided` for NumPy's `as_strided`."""
        return self.strided if function is as_strided else function

    def strided(self, x: Any, shape: Any = None, strides: Any = None, **kw: Any) -> Any:
        """NumPy's `as_strided`, within what `x` has in memory."""
        made = as_strided(x, shape, strides, **kw)
        (low, high), (first, last) = reach(made), reach(np.asarray(x))
        if low < first or high > last:
            raise IndexError(f"as_strided: outside of an array of shape {np.shape(x)}")
        return made

    def leave(self, place: int, names: dict[str, Any]) -> None:
        self.names.setdefault(place, {}).update(names)


def reach(a: Any) -> tuple[int, int]:
    """The first byte of an array and the one after its last, counted from its first element."""
    steps = [(n - 1) * s for n, s in zip(a.shape, a.strides, strict=True)] if a.size else []
    return sum(s for s in steps if s < 0), a.itemsize + sum(s for s in steps if s > 0)


def bent(value: Any, n: int, fill: bool = False) -> Any:
    """Another value of the same kind, another one each time; what is no number stays, and so do
    zeros, unless `fill`."""
    a: Any = value
    if bends(a):
        noise = np.random.default_rng(n).normal(size=np.shape(a))
        if getattr(a, "dtype", noise.dtype).kind == "b":
            return a ^ (noise > 0)
        return noise if fill and not np.any(a) else a * noise
    return value


def bends(value: Any) -> bool:
    """Whether `bent` gives another value."""
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in "fb"
    return isinstance(value, float)
