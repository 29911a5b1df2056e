"""Order: what is chosen stays the same for small changes, so the gradient goes to it."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..axes import one_axis, require_elements, some_axes
from ..declare import function
from ..errors import MisfitError
from ..op import ops
from ..tensor import Tensor
from .arithmetic import where
from .pick import stack, take_along_axis
from .questions import plain
from .reductions import MaxResult, picked
from .shape import squeeze


def descending_ranks(x: Any, axis: int) -> Any:
    """The indices that sort an array downward; the reverse of a stable sort of the reverse keeps
    equal elements in their order."""
    back = (slice(None),) * axis + (slice(None, None, -1),)
    return x.shape[axis] - 1 - np.argsort(x[back], axis=axis, kind="stable")[back]


def places_so_far(x: Any, ufunc: Any, axis: int) -> Any:
    """The index of the largest, or smallest, element so far; NaN is what it found."""
    place = np.arange(x.shape[axis]).reshape((-1,) + (1,) * (x.ndim - 1 - axis))
    chosen = (x == ufunc.accumulate(x, axis=axis)) | (x != x)  # noqa: PLR0124
    return np.maximum.accumulate(np.where(chosen, place, 0), axis=axis)


@function()
def argsort(
    x: Any,
    axis: int = -1,
    descending: bool = False,
    stable: bool = True,
    *,
    dim: int | None = None,
) -> Tensor:
    """The indices that sort along an axis, equal elements in their order; it has no gradient.

    >>> argsort(tensor([3.0, 1.0, 2.0])).tolist()
    [1, 2, 0]
    """
    axis = one_axis("argsort", x, axis if dim is None else dim)
    if x.ndim == 0:
        return plain(np.zeros_like, x, dtype=int)
    if descending:
        return plain(descending_ranks, x, axis=axis)
    return plain(np.argsort, x, axis=axis, kind="stable")


@function()
def sort(
    x: Tensor,
    axis: int = -1,
    descending: bool = False,
    stable: bool = True,
    *,
    dim: int | None = None,
) -> Any:
    """The elements in order along an axis, with their indices: (values, indices), as in PyTorch.

    >>> values, indices = sort(tensor([3.0, 1.0, 2.0]))
    >>> values.tolist(), indices.tolist()
    ([1.0, 2.0, 3.0], [1, 2, 0])
    """
    axis = one_axis("sort", x, axis if dim is None else dim)
    return picked(x, argsort(x, axis, descending), axis)


@function()
def topk(
    x: Tensor,
    k: int,
    axis: int = -1,
    largest: bool = True,
    sorted: bool = True,
    *,
    dim: int | None = None,
) -> MaxResult:
    """The k largest, or smallest, elements along an axis in order, with their indices; in order
    also where `sorted` does not ask for it.

    >>> topk(tensor([3.0, 1.0, 2.0]), 2).values.tolist()
    [3.0, 2.0]
    """
    axis = one_axis("topk", x, axis if dim is None else dim)
    n = x.shape[axis] if x.ndim else 1
    if not 0 <= k <= n:
        raise MisfitError(f"topk: k is {k}, axis {axis} of shape {x.shape} has {n} elements")
    places = argsort(x, axis, descending=largest)
    return picked(x, places[(slice(None),) * axis + (slice(0, k),)] if x.ndim else places, axis)


@function()
def median(
    x: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    axis: int | None = None,
    keepdims: bool = False,
) -> Any:
    """The middle element, the lower of two, of all or along `dim`, there with its index. Along an
    `axis`, as in NumPy, it is the value alone, and the mean of the middle two.

    >>> median(tensor([3.0, 1.0, 2.0, 10.0])).item()
    2.0
    """
    if axis is not None:
        return quantile(x, 0.5, axis, keepdims or keepdim)
    if dim is None or not x.ndim:
        require_elements("median", x, None)
        y = quantile(x, 0.5, keepdims=keepdims, interpolation="lower")
        if y.requires_grad:  # which elements share that are alike; of NaN all NaN
            alike = (x == y) | (x != x)  # noqa: PLR0124
            y = ops.max(where(alike, x, -np.inf), axis=None, keepdims=keepdims)
        return y if dim is None else MaxResult(y, argsort(x))
    at = one_axis("median", x, dim)
    require_elements("median", x, at)
    places, numbers = argsort(x, at), (x == x).sum(at, keepdims=True)  # noqa: PLR0124  not NaN
    rank = where(numbers < x.shape[at], numbers, (x.shape[at] - 1) // 2)
    return picked(x, take_along_axis(places, rank, at), at, keepdim)


# between two elements, what of the way to the second
BETWEEN: dict[str, Any] = {
    "linear": lambda rest: rest,
    "lower": lambda rest: 0,
    "higher": lambda rest: 1,
    "midpoint": lambda rest: 0.5,
    "nearest": None,  # to the even one from the middle
}


@function(numpy=np.quantile)
def quantile(
    x: Tensor,
    q: Any,
    axis: int | None = None,
    keepdims: bool = False,
    *,
    dim: int | None = None,
    keepdim: bool = False,
    interpolation: str = "linear",
) -> Tensor:
    """The value below which the share q of the elements lies, of all or along an axis; one for each
    share, on a new first axis, where q is a vector. ValueError unless 0 <= q <= 1.

    Between two elements it is interpolated: "linear", "lower", "higher", "midpoint", "nearest".

    >>> quantile(tensor([0.0, 10.0, 20.0]), 0.75).item()
    15.0
    """
    if getattr(q, "ndim", 0) or isinstance(q, Sequence):
        words = {"dim": dim, "keepdim": keepdim, "interpolation": interpolation}
        return stack([quantile(x, one, axis, keepdims, **words) for one in q])
    if interpolation not in BETWEEN:
        raise MisfitError(
            f"quantile: interpolation is one of {list(BETWEEN)}, not {interpolation!r}"
        )
    if (not isinstance(q, int | float) and not hasattr(q, "ndim")) or not 0 <= q <= 1:
        raise MisfitError(f"quantile: q is one share from 0 to 1, got {q!r}")
    at, keepdims = some_axes("quantile", x, axis, dim), keepdims or keepdim
    require_elements("quantile", x, at)
    whole, shape = at is None, (1,) * x.ndim
    flat = ops.reshape(x, shape=(-1,)) if whole else x
    axis = 0 if at is None else one_axis("quantile", x, at)
    position = q * (flat.shape[axis] - 1)
    place = position.item() if hasattr(position, "item") else position
    if interpolation == "nearest":
        place = position = builtins.round(place)
    low = math.floor(place)
    rest: Any = position - low
    if rest:
        rest = BETWEEN[interpolation](rest)
    y = _ranked(flat, low, axis)
    if hasattr(rest, "ndim") or rest:
        y = y * (1 - rest) + _ranked(flat, builtins.min(low + 1, flat.shape[axis] - 1), axis) * rest
    if whole:
        return ops.reshape(y, shape=shape if keepdims else ())
    return y if keepdims else squeeze(y, axis)


def _ranked(x: Any, rank: int, axis: int) -> Any:
    return take_along_axis(x, plain(place_of_rank, x, rank=rank, axis=axis), axis)


def place_of_rank(x: Any, rank: int, axis: int) -> Any:
    """The index of the element of this rank along an axis; of a NaN where there is one."""
    order = np.argsort(x, axis=axis, kind="stable")
    before, n = (slice(None),) * axis, x.shape[axis]
    found, last = (order[(*before, slice(k, k + 1))] for k in (rank, n - 1))
    return np.where(np.isnan(np.take_along_axis(x, last, axis)), last, found)


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
    return picked(x, plain(places_so_far, x, ufunc=ufunc, axis=axis), axis)
