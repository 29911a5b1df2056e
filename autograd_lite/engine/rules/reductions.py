"""Reductions. Rows get an axis that is None, an int or a tuple of ints, none of them negative; what
users call settles the names and signs of axes before."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..axes import Axis, Named, axes_of, count, kept, one_axis, require_elements, some_axes
from ..declare import differentiable, function, row
from ..modes import mode
from ..op import ops
from ..tensor import Tensor
from ..user import takes_pair, warned
from .arithmetic import pow
from .pick import take_along_axis
from .questions import argmax, argmin, plain
from .shape import movedim, squeeze, unsqueeze


@differentiable(
    lambda g, y, x, axis, keepdims: ops.expand(kept(g, x, axis, keepdims), shape=x.shape),
    kind="reduction",
    numpy=[np.sum, (np.add, "reduce")],
)
def sum(
    x: Tensor, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False
) -> Tensor:
    """The sum over all axes, or over those named.

    >>> sum(tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0).tolist()
    [4.0, 6.0]
    """
    return np.add.reduce(x, axis=axis, keepdims=keepdims)


def widened(forward: Any, x: Any, *args: Any) -> Any:
    """What a forward function gives of float16, whose squares and sums overflow: by way of float32.

    The functions ask for the dtype themselves, as a function around them takes a tenth of a mean.
    """
    return forward(x.astype(np.float32), *args).astype(x.dtype)


def _average(x: Any, axis: Any, keepdims: bool) -> Any:
    if x.dtype.char == "e":
        return widened(_average, x, axis, keepdims)
    return np.add.reduce(x, axis=axis, keepdims=keepdims) / count(x, axis)


def _length(x: Any, axis: Any, keepdims: bool) -> Any:
    if x.dtype.char == "e":
        return widened(_length, x, axis, keepdims)
    return np.sqrt(np.add.reduce(x * x, axis=axis, keepdims=keepdims))


def number(x: Any, axis: Any) -> Any:
    n = count(x, axis)
    return n if x.dtype.char != "e" else np.float32(n)  # which float16 may not hold


_mean = row(
    "mean",
    _average,
    lambda g, y, x, axis, keepdims: ops.expand(
        kept(g, x, axis, keepdims) / number(x, axis), shape=x.shape
    ),
    kind="reduction",
)


@function(numpy=np.mean)
def mean(
    x: Tensor,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    dim: Axis = None,
    keepdim: bool = False,
    dtype: Any = None,
) -> Tensor:
    """The mean over all axes, or over those named; in `dtype`, where one is given.

    >>> mean(tensor([[1.0, 2.0], [3.0, 4.0]])).item()
    2.5
    """
    axis, keepdims = some_axes("mean", x, axis, dim), keepdims or keepdim
    if dtype is not None:
        x = x.to(dtype)
    if 0 in x.shape:
        return ops.sum(x, axis=axis, keepdims=keepdims) + math.nan
    return _mean(x, axis=axis, keepdims=keepdims)


@function()
def average(
    x: Tensor,
    axis: Axis = None,
    weights: Any = None,
    keepdims: bool = False,
    *,
    dim: Axis = None,
    keepdim: bool = False,
) -> Tensor:
    """The mean with weights, which broadcast to x, or have the length of the one axis.

    >>> average(tensor([1.0, 3.0]), weights=tensor([3.0, 1.0])).item()
    1.5
    """
    at, keepdims = some_axes("average", x, axis, dim), keepdims or keepdim
    if weights is None:
        return mean(x, at, keepdims)
    if not hasattr(weights, "ndim"):
        weights = np.asarray(weights).astype(x.dtype)
    if weights.ndim == 1 < x.ndim and isinstance(at, int):
        shape = tuple([n if i == at else 1 for i, n in enumerate(x.shape)])
        weights = ops.reshape(weights, shape=shape)
    shares = ops.expand(weights, shape=x.shape) if weights.shape != x.shape else weights
    kw = {"axis": at, "keepdims": keepdims}
    return ops.sum(x * shares, **kw) / ops.sum(shares, **kw)


row(
    "norm",
    _length,
    lambda g, y, x, axis, keepdims: kept(g / np.where(y == 0, np.inf, y), x, axis, keepdims) * x,
    kind="reduction",
)


@function()
def norm(
    x: Tensor,
    p: float | str = 2,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    dim: Axis = None,
    keepdim: bool = False,
    dtype: Any = None,
) -> Tensor:
    """The p-norm of the elements, also for p of 0, which counts them, below, and for both
    infinities; "fro" is 2, "nuc" of a matrix the sum of its singular values. The gradient at 0 is
    0. Computed in `dtype`, where one is given.

    >>> norm(tensor([3.0, 4.0])).item()
    5.0
    """
    axis, keepdims = some_axes("norm", x, axis, dim), keepdims or keepdim
    x = x if dtype is None else x.to(dtype)
    if p in (2, "fro"):
        return ops.norm(x, axis=axis, keepdims=keepdims)
    if p == "nuc" and x.ndim == 2 and axis in (None, (0, 1)):
        return ops.sum(ops.svd(x)[x.shape[0]], axis=None, keepdims=False)
    if not isinstance(p, int | float):
        raise TypeError(f"norm: p is a number, 'fro', or 'nuc' of a matrix, got {p!r}")
    size = ops.abs(x)
    if p == 1:
        return ops.sum(size, axis=axis, keepdims=keepdims)
    if abs(p) == math.inf:
        return (ops.max if p > 0 else ops.min)(size, axis=axis, keepdims=keepdims)
    # |0| ** p has an infinite slope for p < 1, and a zero sum an infinite root: 1 stands in
    powers = ops.where(size == 0, 0 if p >= 0 else math.inf, pow(ops.where(size == 0, 1, size), p))
    total = ops.sum(powers, axis=axis, keepdims=keepdims)
    return ops.where(total == 0, 0, pow(ops.where(total == 0, 1, total), 1 / p)) if p else total


class MaxResult(Named):
    """The values and the indices of `max(dim)`, `min(dim)`, `sort`, `topk` and their kind."""

    values: Tensor
    indices: Tensor


def picked(x: Any, indices: Any, axis: int, keepdims: bool = True) -> MaxResult:
    """The elements at these indices along an axis, with the indices."""
    found = take_along_axis(x, indices, axis), indices
    return MaxResult(*found) if keepdims else MaxResult(*(squeeze(t, axis) for t in found))


def _largest(x: Any, y: Any) -> Any:
    return (x == y) | (x != x)  # noqa: PLR0124  where the maximum is NaN, it is the NaNs that made it


def _share(g: Any, y: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    chosen = _largest(x, kept(y, x, axis, keepdims))
    count = np.add.reduce(chosen, axis=axis, keepdims=True)
    return kept(g, x, axis, keepdims) * chosen / count.astype(x.dtype)


for _name, _ufunc in (("max", np.maximum), ("min", np.minimum)):
    row(
        _name,
        lambda x, axis, keepdims, of=_ufunc: of.reduce(x, axis=axis, keepdims=keepdims),
        _share,
        kind="reduction",
    )


@function(numpy=[np.max, np.amax, (np.maximum, "reduce")])
def amax(
    x: Tensor, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False
) -> Tensor:
    """The largest element; several equal ones share the gradient evenly.

    >>> amax(tensor([1.0, 3.0, 3.0])).item()
    3.0
    """
    return _one("amax", ops.max, x, some_axes("amax", x, axis, dim), keepdims or keepdim)


@function(numpy=[np.min, np.amin, (np.minimum, "reduce")])
def amin(
    x: Tensor, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False
) -> Tensor:
    """The smallest element; several equal ones share the gradient evenly.

    >>> amin(tensor([1.0, 3.0, 3.0])).item()
    1.0
    """
    return _one("amin", ops.min, x, some_axes("amin", x, axis, dim), keepdims or keepdim)


def _one(name: str, op: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    require_elements(name, x, axis)
    return op(x, axis=axis, keepdims=keepdims)


@function()
def max(
    x: Tensor,
    other: Any = None,
    keepdim: bool = False,
    *,
    dim: int | None = None,
    axis: Axis = None,
    keepdims: bool = False,
) -> Any:
    """The largest element; with `dim`, the (values, indices) along it; with a tensor, maximum.

    With NumPy's words, `axis` and `keepdims`, it gives the values alone, as NumPy does. As in
    PyTorch, `max()` shares the gradient among equal elements, and so does `max(axis=1)`; `max(1)`
    and `max(dim=1)` give it to the first of them.

    >>> values, indices = max(tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
    >>> values.tolist(), indices.tolist()
    ([5.0, 7.0], [1, 0])
    """
    return _extreme("max", argmax, x, other, dim, axis, keepdim, keepdims)


@function()
def min(
    x: Tensor,
    other: Any = None,
    keepdim: bool = False,
    *,
    dim: int | None = None,
    axis: Axis = None,
    keepdims: bool = False,
) -> Any:
    """The smallest element; with `dim`, the (values, indices) along it; with a tensor, minimum.

    With NumPy's words, `axis` and `keepdims`, it gives the values alone; see `max`.

    >>> min(tensor([[1.0, 5.0], [7.0, 2.0]])).item()
    1.0
    """
    return _extreme("min", argmin, x, other, dim, axis, keepdim, keepdims)


def _extreme(
    name: str, place: Any, x: Any, other: Any, dim: Any, axis: Any, keepdim: bool, keepdims: bool
) -> Any:
    if isinstance(other, np.ndarray) or hasattr(other, "__op__"):
        return getattr(ops, name + "imum")(x, other)
    if len([word for word in (other, dim, axis) if word is not None]) > 1:
        raise TypeError(f"{name}: axis and dim are two names of one argument; give one")
    pair = dim is not None or (other is not None and not (keepdims or mode.numpy))
    if not pair:
        caller = sys._getframe(2)
        if isinstance(axis, int) and not mode.numpy and takes_pair(caller.f_code, caller.f_lasti):
            warned(
                f"{name}: with axis= it gives NumPy's values alone, so that [0] is the first of "
                f"them; write dim={axis} for PyTorch's pair (values, indices), or a{name}(axis="
                f"{axis}) for the values"
            )
        axis = some_axes(name, x, other if axis is None else axis)
        return _one(name, getattr(ops, name), x, axis, keepdims or keepdim)
    dim = other if dim is None else dim
    if isinstance(dim, Sequence):
        raise TypeError(f"{name}: dim is one int, as indices are returned; use a{name} for several")
    axis = one_axis(name, x, dim)
    if x.ndim == 0:
        return MaxResult(ops.copy(x), plain(np.zeros_like, x, dtype=int))
    require_elements(name, x, axis)
    return picked(x, place(x, axis, keepdims=True), axis, keepdims or keepdim)


def _prod_others(x: Any) -> Any:
    ones = np.ones((*x.shape[:-1], 1), x.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        before = np.multiply.accumulate(np.concatenate([ones, x[..., :-1]], -1), axis=-1)
        after = np.multiply.accumulate(np.concatenate([ones, x[..., :0:-1]], -1), axis=-1)
        y = before * after[..., ::-1]
    if np.isnan(y).any():  # a factor 0 outweighs what overflowed, unless an input is not finite
        y[np.isnan(y) & np.isfinite(x).all(-1, keepdims=True)] = 0
    return y


def _prod_others_rule(g: Any, y: Any, x: Any) -> Any:
    one = np.eye(x.shape[-1], dtype=bool)  # row i is the product without factor i
    rest = np.where(one, 1, x.reshape((*x.shape[:-1], 1, x.shape[-1])))
    slope = ops.prod_others(rest) * g.reshape((*g.shape, 1))
    return np.add.reduce(np.where(one, 0, slope), axis=x.ndim - 1)


row(
    "prod",
    lambda x: np.multiply.reduce(x, axis=-1),
    lambda g, y, x: g.reshape((*g.shape, 1)) * ops.prod_others(x),
    kind="reduction",
    example=lambda: ((np.linspace(0.2, 0.9, 3),), {}),
)
row(
    "prod_others",
    lambda x: _prod_others(x) if x.shape[-1] else x,
    _prod_others_rule,
    kind="along",
    example=lambda: ((np.linspace(0.2, 0.9, 3),), {}),
    named=True,
    # For each element, the product of the others along the last axis.
)


@function(numpy=[np.prod, (np.multiply, "reduce")])
def prod(
    x: Tensor,
    axis: int | None = None,
    keepdims: bool = False,
    *,
    dim: int | None = None,
    keepdim: bool = False,
    dtype: Any = None,
) -> Tensor:
    """The product of all elements or along one axis, with the right gradient where some are 0.

    >>> prod(tensor([2.0, 3.0, 4.0])).item()
    24.0
    """
    x = x if dtype is None else x.to(dtype)
    at = some_axes("prod", x, axis, dim)
    keepdims = keepdims or keepdim
    if at is None:
        y = ops.prod(x.reshape((-1,)))
        return y.reshape((1,) * x.ndim) if keepdims else y
    if not isinstance(at, int):
        raise TypeError(f"prod: one axis or none, got {at}")
    y = ops.prod(movedim(x, at, -1))
    return unsqueeze(y, at) if keepdims else y


def _peak(x: Any, axis: Any) -> Any:
    if 0 in x.shape:  # nothing to choose from, and nothing to shift
        return np.zeros([1 if i in axes_of(x, axis) else n for i, n in enumerate(x.shape)], x.dtype)
    return np.maximum.reduce(x, axis=axis, keepdims=True)


@differentiable(
    lambda g, y, x, axis, keepdims: (
        kept(g, x, axis, keepdims) * np.exp(x - kept(y, x, axis, keepdims))
    ),
    kind="reduction",
    numpy=(np.logaddexp, "reduce"),
    named=True,
    quiet="divide",
)
def logsumexp(
    x: Tensor, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False
) -> Tensor:
    """log(sum(exp(x))), without overflow.

    >>> logsumexp(tensor([1000.0, -1000.0])).item()
    1000.0
    """
    top = _peak(x, axis)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):  # the logarithm of an empty or all -inf sum is -inf
        y = np.log(np.add.reduce(np.exp(x - top), axis=axis, keepdims=True)) + top
    if keepdims:
        return y
    return y.reshape([n for i, n in enumerate(x.shape) if i not in axes_of(x, axis)])
