"""Choice: some of the elements, or elements put somewhere, in adjoint pairs."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import framed, zero_of
from ..axes import Axis, from_zero, is_basic, one_axis, part_of, some_axes
from ..declare import function, row
from ..errors import MisfitError, listed
from ..modes import mode
from ..op import ops
from ..rows import add_rows
from ..tensor import Tensor


def _vector(**kw: Any) -> Any:
    return lambda: ((np.linspace(0.2, 0.9, 3),), kw)


def _two(**kw: Any) -> Any:
    return lambda: ((np.linspace(0.2, 0.9, 3),) * 2, kw)


def _getitem(x: Any, index: Any) -> Any:
    y = x[index]
    return part_of(x, index) if isinstance(y, np.generic) and not mode.numpy else y


def _scatter_add(x: Any, shape: tuple[int, ...], index: Any) -> Any:
    y = np.zeros(shape, x.dtype)
    if is_basic(index):
        y[index] = x
    elif index.__class__ is np.ndarray and index.dtype.kind == "i" and x.size > 16 * index.size:
        add_rows(y, index.reshape(-1), x)
    else:
        np.add.at(y, index, x)  # an element that was read twice gets both gradients
    return y


def _put(x: Any, v: Any, index: Any) -> Any:
    y = np.array(x)
    y[index] = v
    return y


def _led(g: Any, like: Any) -> Any:
    """`g` with the leading axes of size 1 that an assignment lets `like` have."""
    extra = like.ndim - g.ndim
    return g.reshape((1,) * extra + g.shape) if extra > 0 else g


def _why_no_index(args: Any, kw: Any, error: Exception) -> str:
    parts = kw["index"] if isinstance(kw["index"], tuple) else (kw["index"],)
    words = [f"array of shape {p.shape}" if isinstance(p, np.ndarray) else repr(p) for p in parts]
    return f"index [{', '.join(words)}] does not fit shape {np.shape(args[0])}: {error}"


def _why_no_class(args: Any, kw: Any, error: Exception) -> str | None:
    x, t = args
    bad = t[(t < 0) | (t >= x.shape[1])] if t.dtype.kind in "iu" and t.ndim == 1 else t[:0]
    return (
        f"class {bad[0]} is out of range; there are {x.shape[1]} classes, from 0"
        if bad.size
        else None
    )


def _why_not_joined(others: str) -> Any:
    return lambda args, kw, error: (
        f"shapes {listed([np.shape(a) for a in args])} do not fit along axis {kw['axis']}; "
        f"all {others}axes must agree"
    )


def _nll(x: Any, t: Any, n: float) -> Any:
    if t.shape != x.shape[:1]:
        raise MisfitError(f"needs one class for each of the {x.shape[0]} rows, got {t.shape}")
    if t.__class__ is np.ndarray and not from_zero(t):
        raise IndexError("a class is negative")  # which NumPy would count from the end
    return -np.add.reduce(x[np.arange(t.shape[0]), t]) / n


def _part(arrays: Sequence[Any], i: int, axis: int) -> tuple[slice, ...]:
    start = int(np.add.reduce([a.shape[axis] for a in arrays[:i]], dtype=int))
    return (slice(None),) * axis + (slice(start, start + arrays[i].shape[axis]),)


row(
    "getitem",
    _getitem,
    lambda g, y, x, index: ops.scatter_add(g, shape=x.shape, index=index),
    view=True,
    explain=_why_no_index,
    kind="pick",
    example=_vector(index=slice(0, 2)),
)
# Zeros of `shape` with `x` added at `index`.
row(
    "scatter_add",
    _scatter_add,
    lambda g, y, x, shape, index: g[index],
    named=True,
    kind="pick",
    example=_vector(shape=(4,), index=slice(0, 3)),
)
# `x` with `v` at `index`: what `x[index] = v` records. Where an index repeats, v's gradient is
# undefined, as in PyTorch.
row(
    "put",
    _put,
    lambda g, y, x, v, index: ops.put(g, 0, index=index),
    lambda g, y, x, v, index: _led(g[index], v),
    named=True,
    kind="pick",
    example=lambda: ((np.ones(3), np.ones(2)), {"index": slice(0, 2)}),
)
# The sum of `x` at the class `t` of each row, by -n: one node where getitem, sum and div take
# three: 9 us instead of 15 forward and backward on (16, 10).
row(
    "nll",
    _nll,
    lambda g, y, x, t, n: ops.scatter_add(-g / n, shape=x.shape, index=(np.arange(t.shape[0]), t)),
    explain=_why_no_class,
    kind="loss",
    example=lambda: ((np.full((2, 3), 0.5), np.array([0, 2])), {"n": 2}),
)
row(
    "pad",
    framed,
    lambda g, y, x, width, value: g[
        tuple([slice(low, low + n) for (low, _), n in zip(width, x.shape, strict=True)])
    ],
    kind="pick",
    example=_vector(width=((1, 1),), value=0.0),
)
row(
    "concatenate",
    lambda *arrays, axis: np.concatenate(arrays, axis),
    each=lambda g, y, *arrays, axis, i: g[_part(arrays, i, axis)],
    explain=_why_not_joined("other "),
    kind="pick",
    example=_two(axis=0),
)
row(
    "stack",
    lambda *arrays, axis: np.stack(arrays, axis),
    each=lambda g, y, *arrays, axis, i: g[(slice(None),) * axis + (i,)],
    explain=_why_not_joined(""),
    kind="pick",
    example=_two(axis=0),
)


@function(numpy=np.repeat)
def repeat_interleave(
    x: Tensor,
    repeats: Any,
    axis: int | None = None,
    *,
    dim: int | None = None,
    output_size: int | None = None,
) -> Tensor:
    """Each element so many times, of all flattened or along one axis: NumPy's `repeat`. The size of
    the result need not be said, and is not asked for.

    >>> repeat_interleave(tensor([1.0, 2.0]), 2).tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    at = some_axes("repeat_interleave", x, axis, dim)
    return _reordered(x, at, lambda places: np.repeat(places, repeats))


@function()
def roll(x: Tensor, shifts: Any, axis: Axis = None, *, dims: Axis = None) -> Tensor:
    """The elements moved on along one axis, or several, or as if flattened; those at the end come
    first. ValueError unless there is one shift, or one for each axis.

    >>> roll(tensor([1.0, 2.0, 3.0]), 1).tolist()
    [3.0, 1.0, 2.0]
    """
    at = some_axes("roll", x, axis, dims)
    if at is not None and (isinstance(at, tuple) or isinstance(shifts, Sequence)):
        axes = at if isinstance(at, tuple) else (at,)
        steps = shifts if isinstance(shifts, Sequence) else (shifts,) * len(axes)
        if len(steps) != len(axes):
            raise MisfitError(f"roll: shifts {shifts} for the axes {at}; give one for each axis")
        for step, one in zip(steps, axes, strict=True):
            x = roll(x, step, one)
        return x
    y = _reordered(x, at, lambda places: np.roll(places, shifts))
    return ops.reshape(y, shape=x.shape) if at is None else y


def _reordered(x: Any, axis: Any, order: Any) -> Any:
    """The elements at the places that `order` makes of 0, 1, ... along an axis, or flattened."""
    if axis is None:
        x, axis = ops.reshape(x, shape=(-1,)), 0
    return ops.getitem(x, index=(slice(None),) * axis + (order(np.arange(x.shape[axis])),))


@function()
def diag(x: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal.

    >>> diag(tensor([1.0, 2.0])).tolist(), diag(tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    ([[1.0, 0.0], [0.0, 2.0]], [1.0, 4.0])
    """
    k = int(diagonal)
    if x.ndim == 2:
        return ops.getitem(x, index=np.eye(x.shape[0], x.shape[1], k, dtype=bool))
    if x.ndim != 1:
        raise MisfitError(f"diag: shape {x.shape} is neither a vector nor a matrix")
    width = (builtins.max(k, 0), builtins.max(-k, 0))
    return ops.where(
        np.eye(x.shape[0] + builtins.abs(k), k=k, dtype=bool), pad(x, width), zero_of(x)
    )


def require_sequence(name: str, tensors: Any) -> None:
    if not isinstance(tensors, Sequence):
        raise TypeError(
            f"{name}: the tensors come in one list or tuple, got a {type(tensors).__name__}"
        )
    for i, t in enumerate(tensors):
        if not hasattr(t, "ndim"):
            raise TypeError(f"{name}: item {i} is a {type(t).__name__}, not a tensor or array")


@function(numpy=np.concatenate, also="cat concat", method=False, out=True)
def concatenate(tensors: Sequence[Any], axis: int = 0, *, dim: int | None = None) -> Tensor:
    """Tensors joined along an axis that they have.

    >>> concatenate([tensor([1.0]), tensor([2.0, 3.0])]).tolist()
    [1.0, 2.0, 3.0]
    """
    require_sequence("concatenate", tensors)
    if len(tensors) == 0:
        raise MisfitError("concatenate: got no tensors; give at least one")
    full: Any = tensors
    if not builtins.all(t.ndim == 1 for t in tensors):  # PyTorch joins (0,) to anything
        full = [t for t in tensors if t.shape != (0,)]
    axis = one_axis("concatenate", full[0], axis if dim is None else dim)
    return ops.concatenate(*full, axis=axis)


@function(numpy=np.stack, method=False, out=True)
def stack(tensors: Sequence[Any], axis: int = 0, *, dim: int | None = None) -> Tensor:
    """Tensors of one shape joined along a new axis.

    >>> stack([tensor([1.0]), tensor([2.0])]).tolist()
    [[1.0], [2.0]]
    """
    require_sequence("stack", tensors)
    if len(tensors) == 0:
        raise MisfitError("stack: got no tensors; give at least one")
    n = tensors[0].ndim + 1
    axis = axis if dim is None else dim
    if not -n <= axis < n:
        raise IndexError(f"stack: axis {axis} is out of range; use {-n} to {n - 1}")
    return ops.stack(*tensors, axis=axis % n)


@function()
def split(
    x: Tensor, split_size: int | Sequence[int], axis: int = 0, *, dim: int | None = None
) -> tuple[Tensor, ...]:
    """Pieces along an axis, of split_size each (the last may be smaller) or of the sizes listed.

    >>> [p.tolist() for p in split(tensor([1.0, 2.0, 3.0]), 2)]
    [[1.0, 2.0], [3.0]]
    """
    axis = one_axis("split", x, axis if dim is None else dim)
    n = x.shape[axis]
    if not isinstance(split_size, Sequence):
        split_size = int(split_size)
        if split_size < 1:
            raise MisfitError(f"split: split_size is at least 1, got {split_size}")
        lengths = [builtins.min(split_size, n - i) for i in range(0, n, split_size)] or [0]
    else:
        lengths = list(split_size)
        if builtins.sum(lengths) != n:
            raise MisfitError(
                f"split: sizes {lengths} do not add up to {n}, axis {axis} of {x.shape}"
            )
    pieces, start = [], 0
    for length in lengths:
        pieces.append(x[(slice(None),) * axis + (slice(start, start + length),)])
        start += length
    return tuple(pieces)


@function()
def chunk(x: Tensor, chunks: int, axis: int = 0, *, dim: int | None = None) -> tuple[Tensor, ...]:
    """At most `chunks` pieces of equal size along an axis; the last may be smaller.

    >>> [p.tolist() for p in chunk(tensor([1.0, 2.0, 3.0]), 2)]
    [[1.0, 2.0], [3.0]]
    """
    axis = one_axis("chunk", x, axis if dim is None else dim)
    if chunks < 1:
        raise MisfitError(f"chunk: chunks is at least 1, got {chunks}")
    return split(x, builtins.max(1, -(-x.shape[axis] // int(chunks))), axis)


@function(method=False)
def pad(x: Tensor, width: Any, value: float = 0.0) -> Tensor:
    """x framed by `value`; width is NumPy's: a number, a pair, or a pair for each axis.

    >>> pad(tensor([1.0]), (1, 2)).tolist()
    [0.0, 1.0, 0.0, 0.0]
    """
    pairs = np.broadcast_to(np.asarray(width, dtype=int), (x.ndim, 2)).tolist()
    return ops.pad(x, width=tuple((low, high) for low, high in pairs), value=value)


@function(numpy=np.take_along_axis)
def take_along_axis(x: Tensor, indices: Any, axis: int = -1, *, dim: int | None = None) -> Tensor:
    """The elements of x at `indices` along one axis; on the others the two broadcast.

    >>> take_along_axis(tensor([[1.0, 2.0], [3.0, 4.0]]), tensor([[1]]), 1).tolist()
    [[2.0], [4.0]]
    """
    axis = one_axis("take_along_axis", x, axis if dim is None else dim)
    return _along(x, indices, axis, x.shape)


@function()
def gather(x: Tensor, dim: int, index: Any) -> Tensor:
    """The elements of x at `index` along one axis; the result has the shape of `index`.

    On the other axes position i of the index reads position i of x, as in PyTorch.

    >>> gather(tensor([[1.0, 2.0], [3.0, 4.0]]), 1, tensor([[1]])).tolist()
    [[2.0]]
    """
    at = one_axis("gather", x, dim)
    if x.ndim == 0 or index.size == 0:
        places = ops.reshape(index, shape=(-1,))
        return ops.reshape(ops.reshape(x, shape=(-1,))[places], shape=index.shape)
    return _along(x, index, at, index.shape)


def _along(x: Any, picked: Any, axis: int, shape: tuple[int, ...]) -> Any:
    grid: list[Any] = list(np.ogrid[tuple(slice(n) for n in shape)])
    if picked.ndim != x.ndim:
        raise MisfitError(
            f"take_along_axis: indices of shape {picked.shape} need the {x.ndim} axes of x"
        )
    if x.ndim == 0:
        return ops.copy(x)
    grid[axis] = picked
    return x[tuple(grid)]


@function(numpy=np.diff)
def diff(
    x: Tensor,
    n: int = 1,
    axis: int = -1,
    prepend: Any = None,
    append: Any = None,
    *,
    dim: int | None = None,
) -> Tensor:
    """The differences of neighbours along an axis, taken n times; with what is put before and after
    them, which broadcasts.

    >>> diff(tensor([1.0, 4.0, 9.0])).tolist()
    [3.0, 5.0]
    """
    at = one_axis("diff", x, axis if dim is None else dim)
    if n and (prepend is not None or append is not None):
        one = (*x.shape[:at], 1, *x.shape[at + 1 :])
        ends = [
            e
            if getattr(e, "ndim", 0)
            else ops.expand(e if hasattr(e, "ndim") else np.asarray(e, x.dtype), shape=one)
            for e in (prepend, append)
            if e is not None
        ]
        x = ops.concatenate(*ends[: prepend is not None], x, *ends[prepend is not None :], axis=at)
    before = (slice(None),) * at
    for _ in range(n):
        later = ops.getitem(x, index=(*before, slice(1, None)))
        sooner = ops.getitem(x, index=(*before, slice(None, -1)))
        x = later != sooner if x.dtype == bool else later - sooner
    return x
