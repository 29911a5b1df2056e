"""Axes and indices: what reductions and choices are about."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["axes_of", "count", "from_zero", "is_basic", "kept"]


def axes_of(x: Any, axis: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """The reduced axes as a tuple."""
    if axis is None:
        return tuple(range(x.ndim))
    return (axis,) if isinstance(axis, int) else axis


def count(x: Any, axis: int | tuple[int, ...] | None) -> int:
    """How many elements of `x` one element of the reduction is made of."""
    return math.prod(x.shape if axis is None else [x.shape[i] for i in axes_of(x, axis)])


def kept(g: Any, x: Any, axis: int | tuple[int, ...] | None, keepdims: bool) -> Any:
    """`g` of a reduction of `x`, its reduced axes back as size 1 so that it broadcasts."""
    if keepdims or axis is None:
        return g
    axes = axes_of(x, axis)
    return g.reshape(tuple([1 if i in axes else n for i, n in enumerate(x.shape)]))


BASIC = (int, slice, type(None), type(...))


def is_basic(index: Any) -> bool:
    """Whether an index is made of ints, slices, None and Ellipsis, which cannot repeat."""
    for part in index if index.__class__ is tuple else (index,):
        if part.__class__ not in BASIC:
            return False
    return True


def from_zero(t: Any) -> bool:
    """Whether no class is negative; t.min() takes 0.65 us where t[t.argmin()] takes 0.2."""
    return not t.size or t[t.argmin()] >= 0
