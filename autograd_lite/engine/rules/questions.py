"""What has no gradient: questions about values and places. Plain data come out."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import zero_of
from ..axes import Axis, require_elements, some_axes
from ..declare import function
from ..op import ops
from ..tensor import Tensor


def array_of(x: Any) -> Any:
    """The array of a Tensor; an array itself."""
    return x if isinstance(x, np.ndarray) else x.array


def plain(function: Any, x: Any, **kw: Any) -> Any:
    """A function of NumPy on an array, a Tensor or a Symbol, without a record."""
    return (
        np.asarray(function(x, **kw))
        if isinstance(x, np.ndarray)
        else x.__plain__(function, (x,), kw)
    )


@function()
def argmax(
    x: Any,
    axis: int | None = None,
    keepdims: bool = False,
    *,
    dim: int | None = None,
    keepdim: bool = False,
) -> Tensor:
    """The index of the (first) largest element, of all or along an axis; it has no gradient.

    >>> argmax(tensor([1.0, 5.0, 2.0])).item()
    1
    """
    return _place(np.argmax, x, some_axes("argmax", x, axis, dim), keepdims or keepdim)


@function()
def argmin(
    x: Any,
    axis: int | None = None,
    keepdims: bool = False,
    *,
    dim: int | None = None,
    keepdim: bool = False,
) -> Tensor:
    """The index of the (first) smallest element, of all or along an axis; it has no gradient.

    >>> argmin(tensor([1.0, 5.0, 2.0])).item()
    0
    """
    return _place(np.argmin, x, some_axes("argmin", x, axis, dim), keepdims or keepdim)


def _place(function: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    require_elements(function.__name__, x, axis)
    return plain(function, x, axis=axis, keepdims=keepdims)


@function()
def isnan(x: Tensor) -> Tensor:
    """Whether each element is NaN."""
    return plain(np.isnan, x)


@function()
def isinf(x: Tensor) -> Tensor:
    """Whether each element is infinite."""
    return plain(np.isinf, x)


@function()
def isfinite(x: Tensor) -> Tensor:
    """Whether each element is neither NaN nor infinite."""
    return plain(np.isfinite, x)


@function()
def any(
    x: Any, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False
) -> Tensor:
    """Whether some element is not 0, over all axes or those named.

    >>> any(tensor([False, True])).item()
    True
    """
    return plain(np.any, x, axis=some_axes("any", x, axis, dim), keepdims=keepdims or keepdim)


@function()
def all(
    x: Any, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False
) -> Tensor:
    """Whether no element is 0, over all axes or those named.

    >>> all(tensor([False, True])).item()
    False
    """
    return plain(np.all, x, axis=some_axes("all", x, axis, dim), keepdims=keepdims or keepdim)


@function()
def equal(a: Any, b: Any) -> bool:
    """Whether two tensors have the same shape and the same elements.

    >>> equal(tensor([1.0]), tensor([1.0]))
    True
    """
    return bool(np.array_equal(array_of(a), array_of(b)))


@function()
def allclose(
    a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether |a - b| <= atol + rtol * |b| everywhere; with `equal_nan` NaN is equal to NaN.

    >>> allclose(tensor([1.0]), tensor([1.0 + 1e-7]))
    True
    """
    return bool(np.allclose(array_of(a), array_of(b), rtol, atol, equal_nan))


@function(in_place=True)
def tril(x: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of matrices, 0 above the diagonal.

    >>> tril(tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[1.0, 0.0], [3.0, 4.0]]
    """
    return ops.where(np.tri(x.shape[-2], x.shape[-1], diagonal, dtype=bool), x, zero_of(x))


@function(in_place=True)
def triu(x: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of matrices, 0 below the diagonal.

    >>> triu(tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[1.0, 2.0], [0.0, 4.0]]
    """
    return ops.where(np.tri(x.shape[-2], x.shape[-1], diagonal - 1, dtype=bool), zero_of(x), x)
