"""Order and counting in PyTorch's words."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import rules
from ..engine.arrays import as_array
from ..engine.axes import Named, one_axis
from ..engine.declare import function
from ..engine.errors import MisfitError
from ..engine.rules.reductions import MaxResult, picked
from ..engine.tensor import Tensor


@function()
def kthvalue(x: Any, k: int, dim: int = -1, keepdim: bool = False) -> MaxResult:
    """The k-th smallest element along an axis, with its index.

    >>> kthvalue(tensor([3.0, 1.0, 2.0]), 2).values.item()
    2.0
    """
    at = one_axis("kthvalue", x, dim)
    n = x.shape[at] if x.ndim else 1
    if not 1 <= k <= n:
        raise MisfitError(f"kthvalue: k is from 1 to {n}, of axis {dim} of {x.shape}, got {k}")
    places = rules.argsort(x, at)
    chosen = places[(slice(None),) * at + (slice(k - 1, k),)] if x.ndim else places
    return picked(x, chosen, at, keepdim or not x.ndim)


@function()
def msort(x: Any) -> Tensor:
    """Sorted along axis 0."""
    return rules.sort(x, 0).values


@function()
def mode(x: Any, dim: int = -1, keepdim: bool = False) -> MaxResult:
    """The most frequent element along an axis, the smallest of several, with its last index.

    >>> mode(tensor([1.0, 2.0, 2.0])).values.item()
    2.0
    """
    at = one_axis("mode", x, dim)
    if not x.ndim:
        return picked(x, Tensor(np.zeros((), int)), at)

    def place(row: Any) -> Any:
        values, counts = np.unique(row, return_counts=True)
        return np.flatnonzero(row == values[counts.argmax()])[-1]

    places = np.expand_dims(np.apply_along_axis(place, at, as_array(x)), at)
    return picked(x, Tensor(places), at, keepdim)


@function()
def aminmax(x: Any, *, dim: int | None = None, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The smallest and the largest element, of all or along an axis.

    >>> [t.item() for t in aminmax(tensor([3.0, 1.0]))]
    [1.0, 3.0]
    """
    return rules.amin(x, dim, keepdim), rules.amax(x, dim, keepdim)


@function()
def unique(
    x: Any,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements in order, or slices along an axis; with where each element is among
    them, and how often each was there. They have no gradient.

    >>> [t.tolist() for t in unique(tensor([3, 1, 3]), return_counts=True)]
    [[1, 3], [1, 2]]
    """
    words: Any = {"return_inverse": return_inverse, "return_counts": return_counts, "axis": dim}
    found: Any = np.unique(as_array(x), **words)
    if not isinstance(found, tuple):
        return Tensor(found)
    values, *rest = found
    if return_inverse:
        rest[0] = rest[0].reshape(x.shape if dim is None else -1)
    return (Tensor(values), *map(Tensor, rest))


@function()
def unique_consecutive(
    x: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements, or slices along an axis, without repetitions of the one before.

    >>> unique_consecutive(tensor([1, 1, 2, 1])).tolist()
    [1, 2, 1]
    """
    a = as_array(x).reshape(-1) if dim is None else np.moveaxis(as_array(x), dim, 0)
    new = np.ones(len(a), bool)
    new[1:] = (a[1:] != a[:-1]).any(tuple(range(1, a.ndim)))
    values = a[new] if dim is None else np.moveaxis(a[new], 0, dim)
    found = [values]
    if return_inverse:
        found.append((np.cumsum(new) - 1).reshape(x.shape if dim is None else -1))
    if return_counts:
        found.append(np.diff(np.append(np.flatnonzero(new), len(a))))
    return Tensor(values) if len(found) == 1 else tuple(map(Tensor, found))


@function()
def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Tensor:
    """How often each of the numbers 0, 1, ... is among ints, or the sum of their weights.

    >>> bincount(tensor([0, 2, 2])).tolist()
    [1, 0, 2]
    """
    given = None if weights is None else as_array(weights)
    counts = np.bincount(as_array(x), given, minlength)
    return Tensor(counts if given is None or given.dtype != np.float32 else counts.astype("f"))


@function()
def histc(x: Any, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements are in each of so many intervals from min to max, or of the elements."""
    a = as_array(x)
    limits = (min, max) if min != max else (a.min(), a.max()) if a.size else (0, 1)
    return Tensor(np.histogram(a, bins, limits)[0].astype(a.dtype))


class Histogram(Named):
    """What `histogram` gives."""

    hist: Tensor
    bin_edges: Tensor


@function()
def histogram(
    x: Any, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False
) -> tuple[Tensor, Tensor]:
    """(counts, edges) of the elements in so many intervals, of equal width unless `bins` are their
    edges; with `density` the counts are divided by their sum and by the widths.

    >>> counts, edges = histogram(tensor([1.0, 2.0, 2.0, 5.0]), 2, range=(1.0, 5.0))
    >>> counts.tolist(), edges.tolist()
    ([3.0, 1.0], [1.0, 3.0, 5.0])
    """
    a = as_array(x)
    given = None if weight is None else as_array(weight).reshape(-1)
    places = bins if isinstance(bins, int) else as_array(bins)
    counts, edges = np.histogram(a.reshape(-1), places, range, density, given)
    return Histogram(Tensor(counts.astype(a.dtype)), Tensor(edges.astype(a.dtype)))


@function()
def count_nonzero(x: Any, dim: Any = None) -> Tensor:
    """How many elements are not 0, of all or along axes."""
    axis = tuple(dim) if isinstance(dim, list) else dim
    return Tensor(np.asarray(np.count_nonzero(as_array(x), axis)))


@function(method=False)
def searchsorted(
    sorted_sequence: Any,
    values: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Any = None,
) -> Tensor:
    """Where each value goes into a sorted vector, or into the row of its own of a sorted matrix.
    `sorter` has the places that sort what is not sorted.

    >>> searchsorted(tensor([1.0, 2.0]), tensor([1.5, 2.0])).tolist()
    [1, 1]
    """
    on: Any = "right" if right or side == "right" else "left"
    s, v = as_array(sorted_sequence), as_array(values)
    if sorter is not None:
        s = np.take_along_axis(s, as_array(sorter), -1)
    if s.ndim == 1:
        found = np.searchsorted(s, v, on)
    else:
        found = np.empty(v.shape, np.int64)
        for i in np.ndindex(v.shape[:-1]):
            found[i] = np.searchsorted(s[i], v[i], on)
    return Tensor(np.asarray(found, np.int32 if out_int32 else np.int64))


@function(method=False)
def bucketize(x: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """The number of the interval between sorted boundaries that each element is in.

    >>> bucketize(tensor([0.5, 3.0]), tensor([1.0, 2.0])).tolist()
    [0, 2]
    """
    return searchsorted(boundaries, x, out_int32=out_int32, right=right)
