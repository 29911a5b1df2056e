"""Order: what is chosen stays the same for small changes, so the gradient goes to it."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from ..axes import one_axis, require_elements, some_axes
from ..declare import function
from ..op import ops
from ..tensor import Tensor
from .pick import take_along_axis
from .questions import plain
from .reductions import MaxResult, picked
from .shape import squeeze


def _ranks(x: Any, axis: int, descending: bool) -> Any:
    """The indices that sort along an axis, equal elements in their order; NaN counts as largest."""
    if not descending:
        return plain(np.argsort, x, axis=axis, kind="stable")
    # the reverse of a stable sort of the reverse keeps equal elements in their order
    back = (slice(None),) * axis + (slice(None, None, -1),)
    places = np.argsort(values(x)[back], axis=axis, kind="stable")[back]
    return like(x, values(x).shape[axis] - 1 - places)


def values(x: Any) -> Any:
    """The array of a Tensor or a Symbol; an array itself."""
    return x if isinstance(x, np.ndarray) else getattr(x, "array", getattr(x, "value", x))


def like(x: Any, indices: Any) -> Any:
    """Indices in the form of `x`: an array, or a Tensor."""
    return indices if isinstance(x, np.ndarray) else Tensor(indices)


@function()
def argsort(x: Any, axis: int = -1, descending: bool = False, *, dim: int | None = None) -> Tensor:
    """The indices that sort along an axis, equal elements in their order; it has no gradient.

    >>> argsort(tensor([3.0, 1.0, 2.0])).tolist()
    [1, 2, 0]
    """
    return _ranks(x, one_axis("argsort", x, axis if dim is None else dim), descending)


@function()
def sort(x: Tensor, axis: int = -1, descending: bool = False, *, dim: int | None = None) -> Any:
    """The elements in order along an axis, with their indices: (values, indices), as in PyTorch.

    >>> values, indices = sort(tensor([3.0, 1.0, 2.0]))
    >>> values.tolist(), indices.tolist()
    ([1.0, 2.0, 3.0], [1, 2, 0])
    """
    axis = one_axis("sort", x, axis if dim is None else dim)
    return picked(x, argsort(x, axis, descending), axis)


@function()
def topk(
    x: Tensor, k: int, axis: int = -1, largest: bool = True, *, dim: int | None = None
) -> MaxResult:
    """The k largest, or smallest, elements along an axis in order, with their indices.

    >>> topk(tensor([3.0, 1.0, 2.0]), 2).values.tolist()
    [3.0, 2.0]
    """
    axis = one_axis("topk", x, axis if dim is None else dim)
    n = x.shape[axis] if x.ndim else 1
    if not 0 <= k <= n:
        raise ValueError(f"topk: k is {k}, axis {axis} of shape {x.shape} has {n} elements")
    places = argsort(x, axis, descending=largest)
    return picked(x, places[(slice(None),) * axis + (slice(0, k),)] if x.ndim else places, axis)


@function(numpy=np.median)
def median(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The middle element, or the mean of the middle two, of all or along an axis, as NumPy's.

    PyTorch's `median` gives the lower of the two instead.

    >>> median(tensor([3.0, 1.0, 2.0, 10.0])).item()
    2.5
    """
    return quantile(x, 0.5, axis, keepdims)


@function(numpy=np.quantile)
def quantile(
    x: Tensor,
    q: float,
    axis: int | None = None,
    keepdims: bool = False,
    *,
    dim: int | None = None,
    keepdim: bool = False,
) -> Tensor:
    """The value below which the share q of the elements lies, of all or along an axis; between two
    elements it is interpolated. ValueError unless 0 <= q <= 1.

    >>> quantile(tensor([0.0, 10.0, 20.0]), 0.75).item()
    15.0
    """
    if not 0 <= q <= 1:
        raise ValueError(f"quantile: q is a share from 0 to 1, got {q}")
    at, keepdims = some_axes("quantile", x, axis, dim), keepdims or keepdim
    require_elements("quantile", x, at)
    whole, shape = at is None, (1,) * x.ndim
    flat = ops.reshape(x, shape=(-1,)) if whole else x
    axis = 0 if at is None else one_axis("quantile", x, at)
    places = argsort(flat, axis)
    position = q * (flat.shape[axis] - 1)
    low = math.floor(position)
    ends = [low, builtins.min(low + 1, flat.shape[axis] - 1)]
    a, b = (
        take_along_axis(flat, places[(slice(None),) * axis + (slice(i, i + 1),)], axis)
        for i in ends
    )
    y = a + (b - a) * (position - low)
    if whole:
        return ops.reshape(y, shape=shape if keepdims else ())
    return y if keepdims else squeeze(y, axis)


@function()
def cummax(x: Tensor, axis: int = 0, *, dim: int | None = None) -> MaxResult:
    """The largest element so far along an axis, with its index; the last of equal ones, as PyTorch.

    >>> cummax(tensor([1.0, 3.0, 2.0]), 0).values.tolist()
    [1.0, 3.0, 3.0]
    """
    return _so_far("cummax", np.maximum, x, axis if dim is None else dim)


@function()
def cummin(x: Tensor, axis: int = 0, *, dim: int | None = None) -> MaxResult:
    """The smallest element so far along an axis, with its index; the last of equal ones.

    >>> cummin(tensor([3.0, 1.0, 2.0]), 0).values.tolist()
    [3.0, 1.0, 1.0]
    """
    return _so_far("cummin", np.minimum, x, axis if dim is None else dim)


def _so_far(name: str, ufunc: Any, x: Any, axis: int) -> MaxResult:
    if x.ndim == 0:
        return MaxResult(ops.copy(x), plain(np.zeros_like, x, dtype=int))
    axis = one_axis(name, x, axis)
    a = values(x)
    best = ufunc.accumulate(a, axis=axis)
    place = np.arange(a.shape[axis]).reshape((-1,) + (1,) * (a.ndim - 1 - axis))
    new = np.where((a == best) | (a != a), place, 0)  # noqa: PLR0124  NaN is what it found
    return picked(x, like(x, np.maximum.accumulate(new, axis=axis)), axis)
