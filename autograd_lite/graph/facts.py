"""Facts about arrays: their size, their values or statistics, and what are no numbers.

They are read when a drawing is made, so that it needs no tape and shows what the numbers were then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

__all__ = ["Facts", "no_numbers", "size_of"]

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


@dataclass(slots=True, eq=False)
class Facts:
    """The numbers of one array: its values if they are few, else statistics alone; of one whose
    values were overwritten neither."""

    shape: tuple[int, ...]
    dtype: Any
    size: float = float("nan")
    values: Any = None
    spread: dict[str, float] | None = None

    @classmethod
    def of(cls, a: Any) -> Facts:
        """Those of an array."""
        few = a.size <= SMALL
        return cls(
            a.shape, a.dtype, size_of(a), a.copy() if few else None, None if few else spread(a)
        )

    def turned(self) -> Facts:
        """Those of the transposed array."""
        shape = (*self.shape[:-2], *self.shape[:-3:-1])
        return replace(self, shape=shape, values=None if self.values is None else self.values.mT)

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
