"""Shape and order: the same elements in another shape, order, size or dtype."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from ..axes import Axis, axes_of, one_axis, sizes, some_axes
from ..declare import function, row
from ..errors import MisfitError
from ..op import ops
from ..tensor import Tensor


def _vector(**kw: Any) -> Any:
    return lambda: ((np.linspace(0.2, 0.9, 3),), kw)


def _matrix(**kw: Any) -> Any:
    return lambda: ((np.linspace(0.2, 0.9, 6).reshape(2, 3),), kw)


def _expand(x: Any, shape: tuple[int, ...]) -> Any:
    y = np.empty(shape, x.dtype)  # 0.25 us where np.broadcast_to takes 1.9; BLAS can use it
    y[...] = x
    return y


def _why_no_shape(args: Any, kw: Any, error: Exception) -> str:
    return f"shape {np.shape(args[0])} does not go into {kw['shape']}"


row(
    "reshape",
    lambda x, shape: x.reshape(shape),
    lambda g, y, x, shape: g.reshape(x.shape),
    view=True,
    explain=_why_no_shape,
    kind="view",
    example=_matrix(shape=(3, 2)),
)
row(
    "permute",
    lambda x, axes: x.transpose(axes),
    lambda g, y, x, axes: g.transpose(tuple(sorted(range(len(axes)), key=axes.__getitem__))),
    view=True,
    kind="view",
    example=_matrix(axes=(1, 0)),
)
row("mT", lambda x: x.mT, lambda g, y, x: g.mT, view=True, kind="view", example=_matrix())
row(
    "flip",
    lambda x, axis: np.flip(x, axis).copy(),  # PyTorch has no views backwards
    lambda g, y, x, axis: np.flip(g, axis),
    named=True,
    kind="view",
    example=_vector(axis=(0,)),
)
row(
    "expand",
    _expand,
    lambda g, y, x, shape: g,
    named=True,
    explain=_why_no_shape,
    kind="view",
    example=_vector(shape=(2, 3)),
)
row("copy", lambda x: x.copy(), lambda g, y, x: g, kind="view")
row(
    "cast",
    lambda x, dtype: x.astype(dtype),
    lambda g, y, x, dtype: g,
    kind="view",
    example=_vector(dtype="float64"),
)


# `a` as a function of `x`, on which it does not depend: a derivative that is the same everywhere,
# such as that of a sum, is recorded as this, so that it has a derivative itself.
row(
    "constant",
    lambda a, x: a,
    lambda g, y, a, x: g,
    lambda g, y, a, x: np.zeros_like(x),
    view=True,
    kind="pick",
    example=lambda: ((np.linspace(0.2, 0.9, 3),) * 2, {}),
)


@function(numpy=np.reshape, methods_only="view")
def reshape(x: Tensor, *wanted: Any, shape: Any = None, order: str = "C") -> Tensor:
    """The same elements in another shape; one size may be -1. A view where NumPy can make one.

    With order "F" the first axis runs fastest, as in Fortran and MATLAB.

    >>> reshape(tensor([[1.0, 2.0], [3.0, 4.0]]), 4).tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    shape = sizes(wanted if shape is None else shape)
    if order == "F":
        return transpose(ops.reshape(transpose(x), shape=shape[::-1]))
    return ops.reshape(x, shape=shape)


@function(numpy=np.ravel, also="ravel")
def flatten(x: Tensor, start_dim: int | str = 0, end_dim: int = -1, *, order: str = "C") -> Tensor:
    """The axes from start_dim to end_dim made one; or all, with NumPy's order "F" the first axis
    fastest.

    >>> flatten(tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    if isinstance(start_dim, str):
        return flatten(x, order=start_dim)
    if order == "F":
        x = transpose(x)
    if x.ndim == 0:
        return ops.reshape(x, shape=(1,))
    start, end = one_axis("flatten", x, start_dim), one_axis("flatten", x, end_dim)
    if start > end:
        raise MisfitError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    merged = math.prod(x.shape[start : end + 1])
    return ops.reshape(x, shape=(*x.shape[:start], merged, *x.shape[end + 1 :]))


@function()
def permute(x: Tensor, *order: Any, dims: Any = None) -> Tensor:
    """The axes in another order; ValueError unless each is named once.

    >>> permute(tensor([[1.0, 2.0, 3.0]]), 1, 0).shape
    (3, 1)
    """
    order = sizes(order if dims is None else dims)
    axes = some_axes("permute", x, order)
    if not isinstance(axes, tuple) or len(axes) != x.ndim:
        raise MisfitError(f"permute: {order} does not name each axis of shape {x.shape} once")
    return ops.permute(x, axes=axes)


@function(numpy=np.swapaxes)
def transpose(x: Tensor, *dims: Any, dim0: Any = None, dim1: Any = None) -> Tensor:
    """Two axes swapped, as in PyTorch; with none or with all named, their order as in NumPy.

    >>> transpose(tensor([[1.0, 2.0, 3.0]]), 0, 1).shape
    (3, 1)
    """
    dims += () if dim1 is None else (dim1,) if dim0 is None else (dim0, dim1)
    if not dims or dims == (None,):
        return ops.permute(x, axes=tuple(range(x.ndim))[::-1])
    if len(dims) != 2:
        return permute(x, *dims)
    i, j = one_axis("transpose", x, dims[0]), one_axis("transpose", x, dims[1])
    axes = tuple(j if a == i else i if a == j else a for a in range(x.ndim))
    return ops.permute(x, axes=axes)


@function(numpy=np.moveaxis)
def movedim(x: Tensor, source: Axis, destination: Axis) -> Tensor:
    """One axis, or each of several, moved to another place.

    >>> movedim(tensor([[1.0, 2.0, 3.0]]), 0, -1).shape
    (3, 1)
    """
    moved, places = (
        [one_axis("movedim", x, a) for a in ([axis] if isinstance(axis, int) else axis or ())]
        for axis in (source, destination)
    )
    axes = [a for a in range(x.ndim) if a not in moved]
    for place, axis in sorted(zip(places, moved, strict=True)):
        axes.insert(place, axis)
    return permute(x, axes) if x.ndim else ops.reshape(x, shape=())


@function(numpy=np.squeeze)
def squeeze(x: Tensor, axis: Axis = None, *, dim: Axis = None) -> Tensor:
    """Without the axes of size 1, or without those of the named axes that have size 1.

    >>> squeeze(tensor([[1.0, 2.0]])).shape
    (2,)
    """
    axes = axes_of(x, some_axes("squeeze", x, axis, dim))
    shape = tuple(n for i, n in enumerate(x.shape) if n != 1 or i not in axes)
    return ops.reshape(x, shape=shape)


@function(numpy=np.expand_dims)
def unsqueeze(x: Tensor, axis: Axis = None, *, dim: Axis = None) -> Tensor:
    """With a new axis of size 1 at the named place, counted in the result.

    >>> unsqueeze(tensor([1.0, 2.0]), -1).shape
    (2, 1)
    """
    axis = axis if dim is None else dim
    places = [axis] if isinstance(axis, int) else list(axis or ())
    n = x.ndim + len(places)
    if not builtins.all(-n <= p < n for p in places):
        raise IndexError(f"unsqueeze: {axis} is out of range; use {-n} to {n - 1}")
    places = [p % n for p in places]
    if len(set(places)) < len(places):
        raise MisfitError(f"unsqueeze: {axis} names one place twice")
    rest = iter(x.shape)
    shape = tuple(1 if i in places else next(rest) for i in range(n))
    return ops.reshape(x, shape=shape)


@function(numpy=np.broadcast_to)
def expand(x: Tensor, *shape: Any, size: Any = None) -> Tensor:
    """x broadcast to a shape, in which -1 keeps a size; a copy, where PyTorch gives a view.

    >>> expand(tensor([[1.0], [2.0]]), 2, 3).tolist()
    [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]
    """
    wanted = sizes(shape if size is None else size)
    new = len(wanted) - x.ndim
    if new < 0:
        raise MisfitError(f"expand: {wanted} has fewer axes than shape {x.shape}")
    full = tuple(x.shape[i - new] if n == -1 and i >= new else n for i, n in enumerate(wanted))
    return ops.expand(x, shape=full)


@function()
def flip(x: Tensor, *axes: Any, dims: Any = None) -> Tensor:
    """The elements in reverse order along the named axes, or along all.

    >>> flip(tensor([1.0, 2.0]), 0).tolist()
    [2.0, 1.0]
    """
    axes = axes if dims is None else (dims,)
    along = None if not axes or axes == (None,) else some_axes("flip", x, sizes(axes))
    return ops.flip(x, axis=axes_of(x, along))


@function()
def tile(x: Tensor, *reps: Any, dims: Any = None) -> Tensor:
    """x so many times along each axis, the last ones if they are fewer than the numbers.

    >>> tile(tensor([1.0, 2.0]), 2, 2).tolist()
    [[1.0, 2.0, 1.0, 2.0], [1.0, 2.0, 1.0, 2.0]]
    """
    counts, shape = sizes(reps if dims is None else dims), x.shape
    n = builtins.max(len(counts), len(shape))
    counts = (1,) * (n - len(counts)) + counts
    shape = (1,) * (n - len(shape)) + shape
    pairs = tuple(zip(counts, shape, strict=True))
    blocks = ops.expand(
        ops.reshape(x, shape=tuple(m for k in shape for m in (1, k))),
        shape=tuple(m for pair in pairs for m in pair),
    )
    return ops.reshape(blocks, shape=tuple(r * k for r, k in pairs))
