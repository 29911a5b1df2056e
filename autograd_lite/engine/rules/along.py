"""What runs along one axis and keeps it: softmax, running sums and products."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..axes import one_axis, some_axes
from ..declare import differentiable, function, row
from ..op import ops
from ..tensor import Tensor
from .reductions import _peak
from .shape import movedim, unsqueeze


def last(f: Any, axis: int, *arrays: Any) -> Any:
    """`f` of arrays that have this axis last; its place in the result is as before."""
    if not arrays[0].ndim:
        return f(*arrays)
    return movedim(f(*(movedim(a, axis, -1) for a in arrays)), -1, axis)


def _prod_so_far(x: Any) -> Any:
    upto = np.tri(x.shape[-1], dtype=bool)  # row k holds the factors of y[k]
    return ops.prod(ops.where(upto, unsqueeze(x, -2), 1))


@function(numpy=(np.multiply, "accumulate"), in_place=True, out=True)
def cumprod(x: Tensor, axis: int = 0, *, dim: int | None = None, dtype: Any = None) -> Tensor:
    """The running product along one axis, right where factors are 0; memory grows with n * n.

    >>> cumprod(tensor([2.0, 3.0, 4.0]), 0).tolist()
    [2.0, 6.0, 24.0]
    """
    axis = one_axis("cumprod", x, axis if dim is None else dim)
    x = x if dtype is None else x.to(dtype)
    return last(_prod_so_far, axis, x) if x.ndim else ops.copy(x)


@differentiable(
    lambda g, y, x, axis: y * (g - np.add.reduce(g * y, axis=axis, keepdims=True)),
    kind="along",
)
def softmax(x: Tensor, axis: int = -1, *, dim: int | None = None, dtype: Any = None) -> Tensor:
    """exp(x) divided by its sum along one axis, the last unless told otherwise.

    >>> softmax(tensor([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    e = np.exp(x - _peak(x, axis))
    return e / np.add.reduce(e, axis=axis, keepdims=True)


@differentiable(
    lambda g, y, x, axis: g - np.exp(y) * np.add.reduce(g, axis=axis, keepdims=True),
    kind="along",
)
def log_softmax(x: Tensor, axis: int = -1, *, dim: int | None = None, dtype: Any = None) -> Tensor:
    """The logarithm of softmax along one axis, without overflow.

    >>> log_softmax(tensor([0.0])).tolist()
    [0.0]
    """
    if 0 in x.shape:
        return x.copy()
    d = x - _peak(x, axis)
    return d - np.log(np.add.reduce(np.exp(d), axis=axis, keepdims=True))


row(
    "cumsum",
    lambda x, axis: np.add.accumulate(x, axis=axis),
    lambda g, y, x, axis: np.flip(np.flip(g, axis).cumsum(axis), axis),
    kind="along",
    example=lambda: ((np.linspace(0.2, 0.9, 3),), {"axis": 0}),
)


@function(numpy=[np.cumsum, (np.add, "accumulate")], in_place=True, out=True)
def cumsum(
    x: Tensor, axis: int | None = None, *, dim: int | None = None, dtype: Any = None
) -> Tensor:
    """The running sum along one axis; without one, of the flattened elements as NumPy does.

    >>> cumsum(tensor([1.0, 2.0, 3.0]), 0).tolist()
    [1.0, 3.0, 6.0]
    """
    x = x if dtype is None else x.to(dtype)
    at = some_axes("cumsum", x, axis, dim)
    if at is None:
        return ops.cumsum(x.reshape((-1,)), axis=0).reshape(x.shape if x.ndim == 0 else (-1,))
    return ops.cumsum(x, axis=at)


def _from_later(g: Any, y: Any, x: Any) -> Any:  # y[j] >= x[i] for all j >= i
    if not x.ndim:
        return g
    later = np.tri(x.shape[-1], dtype=bool).T
    return (np.exp(np.where(later, x[..., None] - y[..., None, :], -np.inf)) @ g[..., None])[..., 0]


@differentiable(lambda g, y, x, axis: last(_from_later, axis, g, y, x), kind="along")
def logcumsumexp(x: Tensor, axis: int = 0, *, dim: int | None = None) -> Tensor:
    """log(cumsum(exp(x))) along one axis, without overflow; its gradient takes n * n memory."""
    return np.logaddexp.accumulate(x, axis=axis) if x.ndim else x.copy()
