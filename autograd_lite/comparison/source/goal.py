"""What the gradients should be, and whether they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..answers.judge import SMALLEST, distance, fitted, largest, tolerance

Array = Any
Grads = Mapping[str, Any]


class Goal:
    """The gradients that are wanted, by name: `first` is wrong and to be mended first, those of
    `fine` are right and stay so, and the others are wrong too. `accepted` has what each may be.
    Those `apart` are known to be wrong by other mistakes. Without a `first` all must come out
    right."""

    def __init__(
        self,
        accepted: Mapping[str, Sequence[Array]],
        first: str,
        fine: frozenset[str],
        apart: frozenset[str] = frozenset(),
    ) -> None:
        self.accepted, self.first, self.fine, self.apart = accepted, first, fine, apart
        sizes = [largest(a) for some in accepted.values() for a in some[:1]]
        self.rounding = SMALLEST * max(
            sizes, default=0.0
        )  # the bias before a batch norm has no more

    def is_right(self, name: str, grads: Grads) -> bool:
        try:
            mine = np.asarray(grads[name])
            if mine.dtype.kind not in "fiub":
                return False
        except (KeyError, TypeError, ValueError):
            return False
        floats = mine if mine.dtype.kind == "f" else mine.astype(np.float64)
        for right in self.accepted[name]:
            own = fitted(floats, right.shape)
            if own is None:
                continue
            most, error = distance(own, right)
            if error <= tolerance(own, right) or most <= self.rounding:
                return True
        return False

    def right(self, grads: Grads) -> bool:
        """Whether all are right."""
        return all(self.is_right(name, grads) for name in self.accepted)

    def first_right(self, grads: Grads) -> bool:
        """Whether the one to mend first is right, and those that were right still are."""
        if not self.first:
            return self.right(grads)
        return all(self.is_right(name, grads) for name in (self.first, *self.fine))

    def still_wrong(self, grads: Grads) -> list[str]:
        return [name for name in self.accepted if not self.is_right(name, grads)]

    def changed(self, grads: Grads, others: Grads | None) -> frozenset[str]:
        """The gradients that are not the same in two runs; all where the other one failed."""
        if others is None:
            return frozenset(self.accepted)
        return frozenset(
            name
            for name in self.accepted
            if name not in others or not same(grads.get(name), others[name])
        )


def same(a: Any, b: Any) -> bool:
    try:
        x, y = np.asarray(a, float), np.asarray(b, float)
        return x.shape == y.shape and np.array_equal(x, y, equal_nan=True)
    except (TypeError, ValueError):
        return a is b
