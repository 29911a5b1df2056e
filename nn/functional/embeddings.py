"""Rows of a table by their numbers, and numbers as rows of zeros and a one."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import Tensor, no_grad
from autograd_lite.engine.errors import MisfitError
from autograd_lite.engine.modes import Within, asked
from autograd_lite.engine.op import Op
from autograd_lite.engine.rows import Rows
from autograd_lite.engine.rules import ops
from autograd_lite.engine.tensor import as_tensor

__all__ = ["embedding", "embedding_bag", "one_hot"]


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """Classes as rows of 0 and a 1, int64 with a new last axis; -1 means the largest class + 1.

    TypeError unless the classes are ints, ValueError if one is out of range.

    >>> one_hot([0, 2]).tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    t = as_tensor(tensor)
    if t.dtype.kind not in "iu":
        raise TypeError(f"one_hot: classes are ints, not {t.dtype}")
    if num_classes == -1:
        if t.numel() == 0:
            raise MisfitError("one_hot: no classes to count; give num_classes")
        num_classes = int(t.array.max()) + 1
    if not asked(Within(0, num_classes - 1), t):
        low, high = t.array.min(), t.array.max()
        raise MisfitError(
            f"one_hot: classes go from 0 to {num_classes - 1}, these from {low} to {high}"
        )
    return (t[..., None] == np.arange(num_classes)).to(np.int64)


# Rows of `x`, of whose gradients each counts by its share: 0 for padding, less for frequent ones.
_rows = Op(
    "rows",
    lambda x, t, share: x[t],
    lambda g, y, x, t, share: ops.scatter_add(g * share, shape=x.shape, index=t),
    None,
    None,
    kind="pick",
)
# The same with a gradient on arrays that has no rows beside those that were read.
_few_rows = Op(
    "few_rows",
    lambda x, t, share: x[t],
    lambda g, y, x, t, share: (
        Rows(t, g * share, x.shape)
        if g.__class__ is np.ndarray
        else ops.scatter_add(g * share, shape=x.shape, index=t)
    ),
    None,
    None,
    kind="pick",
)
_added = Op(
    "added",
    lambda x, bag, n: ops.scatter_add(x, shape=(n, *x.shape[1:]), index=bag),
    lambda g, y, x, bag, n: g[bag],
    None,
    kind="pick",
)
# Facts of numbers, which have no derivative: compiled functions find them again at every call.
_times = Op("times", lambda t: np.bincount(t.reshape(-1))[t])
_bags = Op("bags", lambda offsets, n: np.searchsorted(offsets, np.arange(n), "right") - 1)
_counts = Op("counts", lambda bag, kept, n: np.bincount(bag, kept, n))


def _first_largest(x: Any, bag: Any, kept: Any, n: int) -> Any:
    """For each bag and column the first row of `x` with the largest element, len(x) if none."""
    top = np.full((n, x.shape[1]), -np.inf, x.dtype)
    np.maximum.at(top, bag[kept], x[kept])
    first = np.full(top.shape, len(x))
    places = np.where((x == top[bag]) & kept[:, None], np.arange(len(x))[:, None], len(x))
    np.minimum.at(first, bag, places)
    return first


_largest = Op("largest", _first_largest)


def embedding(
    input: Any,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight` with these numbers, (...) to (..., dim); that of `padding_idx` gets no
    gradient.

    With `max_norm` rows that are read and have a larger `norm_type`-norm are scaled down in the
    weight itself, before. `scale_grad_by_freq` divides the gradient of a row by how often it was
    read. With `sparse` the gradient of a weight that is a leaf is kept as the rows that were read:
    `SGD` and `Adagrad` without momentum and decay, and `SparseAdam`, then update those rows alone;
    `weight.grad` is made whole when it is asked for, and by every other optimizer.

    IndexError for a number that is no row, TypeError unless the numbers are ints.

    >>> embedding(Tensor(np.array([1, 1])), Tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[3.0, 4.0], [3.0, 4.0]]
    """
    t = _numbers("embedding", input, weight)
    padding_idx = row_of_padding("embedding", padding_idx, weight.shape[0])
    if max_norm is not None:
        _scale_down(weight, t, max_norm, norm_type)
    share: Any = None if padding_idx is None else (t != padding_idx)[..., None]
    if scale_grad_by_freq:
        often = 1 / _times(t).to(weight.dtype)[..., None]
        share = often if share is None else share * often
    if sparse and weight.is_leaf:
        return _few_rows(weight, t, 1 if share is None else share)
    return weight[t] if share is None else _rows(weight, t, share)


def embedding_bag(
    input: Any,
    weight: Tensor,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum of the rows of each bag, (bags, dim); 0 for a bag without rows.

    The numbers are (bags, length), or in one row, of which bag i begins at `offsets[i]` and ends
    where the next begins; with `include_last_offset` the last offset is the end of the last bag.
    `per_sample_weights` multiply the rows of a sum. Rows of `padding_idx` are in no bag. The rest
    is as in `embedding`. ValueError for offsets or options that do not fit.

    >>> weight = Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> embedding_bag(tensor([0, 1, 1]), weight, tensor([0, 1]), mode="sum").tolist()
    [[1.0, 2.0], [6.0, 8.0]]
    """
    if mode not in ("sum", "mean", "max"):
        raise MisfitError(f"embedding_bag: mode is 'sum', 'mean' or 'max', got {mode!r}")
    if mode == "max" and (scale_grad_by_freq or sparse):
        raise MisfitError("embedding_bag: mode 'max' has no scale_grad_by_freq and no sparse")
    t = _numbers("embedding_bag", input, weight)
    padding_idx = row_of_padding("embedding_bag", padding_idx, weight.shape[0])
    if per_sample_weights is not None and (mode != "sum" or per_sample_weights.shape != t.shape):
        raise MisfitError(
            f"embedding_bag: per_sample_weights of shape {per_sample_weights.shape} are for mode "
            f"'sum', here {mode!r}, and have the shape of the numbers, {t.shape}"
        )
    bag, n = _bag_of_each(t, offsets, include_last_offset)
    t = t.reshape(-1)
    kept = t != (-1 if padding_idx is None else padding_idx)
    rows = embedding(t, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    if mode == "max":
        first = _largest(rows.detach(), bag, kept, n=n)
        there = first < t.shape[0]
        places = ops.where(there, first, 0)
        return ops.where(there, rows[places, np.arange(rows.shape[1])], 0)
    part: Any = kept if padding_idx is not None else None
    if per_sample_weights is not None:
        own = per_sample_weights.reshape(-1)
        part = own if part is None else ops.where(part, own, 0)
    if mode == "mean":
        count = _counts(bag, kept, n=n).to(weight.dtype)
        mean = (1 / ops.where(count > 0, count, 1))[bag]
        part = mean if part is None else mean * part
    y: Tensor = _added(rows if part is None else rows * part[:, None], bag, n=n)
    return y


def _numbers(name: str, input: Any, weight: Tensor) -> Tensor:
    """The numbers of rows, which exist."""
    t = as_tensor(input)
    if t.dtype.kind not in "iu":
        raise TypeError(f"{name}: numbers of rows are ints, not {t.dtype}; long() makes them")
    if weight.ndim != 2:
        raise MisfitError(f"{name}: the weight has shape {weight.shape}, not (rows, size of a row)")
    if not asked(Within(0, weight.shape[0] - 1), t):
        raise IndexError(
            f"{name}: numbers go from 0 to {weight.shape[0] - 1}, these from {t.array.min()} to "
            f"{t.array.max()}"
        )
    return t


def row_of_padding(name: str, padding_idx: int | None, rows: int) -> int | None:
    """The number from 0 of the row of padding; ValueError for one that is none."""
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise MisfitError(f"{name}: padding_idx {padding_idx} is none of the {rows} rows")
    return padding_idx % rows


def _scale_down(weight: Tensor, t: Tensor, max_norm: float, norm_type: float) -> None:
    """The rows that are read are given a norm of at most `max_norm`, in place."""
    with no_grad():
        read = np.unique(t.array)
        norms = np.linalg.norm(weight.array[read], norm_type, axis=1)
        large = norms > max_norm
        if large.any():
            factor = max_norm / (norms[large] + 1e-7)
            weight[read[large]] *= factor[:, None].astype(weight.dtype)


def _bag_of_each(t: Tensor, offsets: Any, last_too: bool) -> tuple[Tensor, int]:
    """The bag of each number, and how many bags there are."""
    if t.ndim == 2:
        if offsets is not None:
            raise MisfitError("embedding_bag: numbers (bags, length) have their bags; no offsets")
        n, length = t.shape
        return as_tensor(np.repeat(np.arange(n), length)), n
    if t.ndim != 1 or offsets is None:
        raise MisfitError(
            f"embedding_bag: numbers are (bags, length), or in one row with offsets; got {t.shape}"
            + " without offsets" * (offsets is None)
        )
    starts = as_tensor(offsets)
    if starts.ndim != 1 or starts.dtype.kind not in "iu" or starts.shape[0] < last_too:
        raise MisfitError(
            f"embedding_bag: offsets are ints in a row, got {starts.dtype} {starts.shape}"
        )
    size = t.shape[0]
    if not asked(lambda a: _in_order(a, size), starts):
        raise MisfitError(
            f"embedding_bag: offsets rise from 0 to at most {size}, the numbers given"
        )
    n = starts.shape[0]
    if last_too:
        starts, n = starts[:-1], n - 1
    return _bags(starts, n=size), n


def _in_order(a: Any, size: int) -> bool:
    return not a.size or bool(a[0] == 0 and a[-1] <= size and (a[1:] >= a[:-1]).all())
