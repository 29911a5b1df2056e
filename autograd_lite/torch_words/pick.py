"""Choice by indices and masks in PyTorch's words."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ..engine import rules
from ..engine.arrays import as_array
from ..engine.axes import one_axis
from ..engine.declare import function
from ..engine.errors import MisfitError
from ..engine.op import ops
from ..engine.tensor import Tensor, as_tensor


def on_axis(name: str, x: Any, dim: int, index: Any) -> tuple[Any, ...]:
    """The index that has a vector of places on one axis, and all on the others."""
    places = as_array(index).reshape(-1)
    if places.dtype.kind not in "iu":
        raise TypeError(f"{name}: the index has ints, not {places.dtype}")
    return (*[slice(None)] * one_axis(name, x, dim), places)


def grid(name: str, x: Any, dim: int, index: Any) -> tuple[Any, ...]:
    """The places of `x` that `gather` reads and `scatter` writes for an index."""
    places, at = as_array(index), one_axis(name, x, dim)
    if places.ndim != x.ndim:
        raise MisfitError(
            f"{name}: the index has shape {places.shape}; it has the {x.ndim} axes of {x.shape}"
        )
    if places.dtype.kind not in "iu":
        raise TypeError(f"{name}: the index has ints, not {places.dtype}")
    whole: list[Any] = list(np.ogrid[tuple(slice(n) for n in places.shape)])
    whole[at : at + 1] = [places]
    return tuple(whole[: x.ndim])


def part(value: Any, index: Any) -> Any:
    """What of a value belongs to the places of an index; a number to all."""
    if not np.ndim(value) and not getattr(value, "ndim", 0):
        return value
    return value[tuple([slice(n) for n in as_array(index).shape])]


def of_numbers(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function of slices along an axis, of a 0-d tensor too, which has one."""

    @wraps(f)
    def call(x: Any, dim: int, index: Any, *args: Any, **kw: Any) -> Any:
        if x.ndim:
            return f(x, dim, index, *args, **kw)
        rows = [a.reshape((1,)) if getattr(a, "ndim", 1) == 0 else a for a in args]
        return f(x.reshape((1,)), dim, index, *rows, **kw).reshape(())

    return call


@function()
def index_select(x: Any, dim: int, index: Any) -> Tensor:
    """The slices at these places of an axis.

    >>> index_select(tensor([1.0, 2.0, 3.0]), 0, tensor([2, 0])).tolist()
    [3.0, 1.0]
    """
    return x[(*[slice(None)] * one_axis("index_select", x, dim), index)] if x.ndim else x


@function()
def masked_select(x: Any, mask: Any) -> Tensor:
    """The elements where a mask is true, in a row; the two broadcast.

    >>> masked_select(tensor([1.0, 2.0]), tensor([True, False])).tolist()
    [1.0]
    """
    shape = np.broadcast_shapes(x.shape, mask.shape)
    wide = x if x.shape == shape else rules.expand(x, shape)
    return wide[np.broadcast_to(as_array(mask), shape)]


@function()
def take(x: Any, index: Any) -> Tensor:
    """The elements at these places of the flattened tensor, in the shape of the index.

    >>> take(tensor([[1.0, 2.0], [3.0, 4.0]]), tensor([3, 0])).tolist()
    [4.0, 1.0]
    """
    return rules.reshape(x, (-1,))[index]


@function()
def take_along_dim(x: Any, indices: Any, dim: int | None = None) -> Tensor:
    """`take_along_axis`; without an axis, of the flattened."""
    if dim is None:
        return take(x, rules.reshape(indices, (-1,)))
    return rules.take_along_axis(x, as_tensor(indices), dim)


@function(in_place=True)
def scatter(
    x: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str = ""
) -> Tensor:
    """x with the elements of `src`, or one number, at the places of an axis that the index has.

    With `reduce` "add" or "multiply" they are added or multiplied. Where places repeat, which of
    them is written last is not defined.

    >>> scatter(zeros(3), 0, tensor([2, 0]), tensor([1.0, 5.0])).tolist()
    [5.0, 0.0, 1.0]
    """
    source = value if src is None else src
    if reduce == "add":
        return scatter_add(x, dim, index, source)
    if reduce == "multiply":
        return scatter_reduce(x, dim, index, source, "prod")
    if reduce:
        raise MisfitError(f"scatter: reduce is 'add' or 'multiply', got {reduce!r}")
    where = grid("scatter", x, dim, index)
    return ops.put(x, part(source, index), index=where)


@function(in_place=True)
def scatter_add(x: Any, dim: int, index: Any, src: Any) -> Tensor:
    """x with the elements of `src` added at the places of an axis that the index has; where they
    repeat, all are added.

    >>> scatter_add(zeros(2), 0, tensor([1, 1]), tensor([1.0, 5.0])).tolist()
    [0.0, 6.0]
    """
    where = grid("scatter_add", x, dim, index)
    values = rules.expand(as_tensor(part(src, index)).to(x.dtype), as_array(index).shape)
    return x + ops.scatter_add(values, shape=x.shape, index=where)


@function(in_place=True)
def scatter_reduce(
    x: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True
) -> Tensor:
    """x combined with the elements of `src` at the places of an axis that the index has: their
    "sum", "mean", "prod", "amax" or "amin", with x itself unless `include_self` is false.

    Equal elements share the gradient of "amax" and "amin"; "prod" has none here: RuntimeError.
    """
    where = grid("scatter_reduce", x, dim, index)
    a = part(src, index)
    start = x if include_self else ops.put(x, 0, index=where)
    if reduce in ("sum", "mean"):
        total = start + ops.scatter_add(as_tensor(a), shape=x.shape, index=where)
        if reduce == "sum":
            return total
        count = np.zeros(x.shape, x.dtype)
        np.add.at(count, where, 1)
        if include_self:
            return total / (count + 1)
        return total / np.maximum(count, 1)
    kinds = {"prod": (np.multiply, 1), "amax": (np.maximum, -np.inf), "amin": (np.minimum, np.inf)}
    if reduce not in kinds:
        raise MisfitError(
            f"scatter_reduce: reduce is 'sum', 'mean', 'prod', 'amax' or 'amin', got {reduce!r}"
        )
    followed = any(getattr(t, "requires_grad", False) for t in (x, src))
    if followed and reduce == "prod":
        raise RuntimeError(f"scatter_reduce: {reduce!r} has no gradient here; detach() before")
    ufunc, neutral = kinds[reduce]
    y = as_array(x).copy()
    if not include_self:
        y[where] = neutral if y.dtype.kind == "f" or reduce == "prod" else as_array(a)
    ufunc.at(y, where, as_array(a))
    if not followed:
        return Tensor(y)
    own = np.asarray(as_array(x) == y)
    if not include_self:
        own[where] = False
    chosen = as_array(a) == y[where]
    count = np.asarray(own, y.dtype)
    np.add.at(count, where, chosen)
    total = rules.where(own, x, 0) + ops.scatter_add(
        rules.where(chosen, as_tensor(a), 0), shape=x.shape, index=where
    )
    return total / count


@function(in_place=True)
@of_numbers
def index_add(x: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Tensor:
    """x with alpha * the slices of `source` added at these places of an axis.

    >>> index_add(zeros(2), 0, tensor([1, 1]), tensor([1.0, 5.0])).tolist()
    [0.0, 6.0]
    """
    where = on_axis("index_add", x, dim, index)
    add = source if alpha == 1 else source * alpha
    return x + ops.scatter_add(add, shape=x.shape, index=where)


@function(in_place=True)
@of_numbers
def index_copy(x: Any, dim: int, index: Any, source: Any) -> Tensor:
    """x with the slices of `source` at these places of an axis."""
    return ops.put(x, source, index=on_axis("index_copy", x, dim, index))


@function(in_place=True)
@of_numbers
def index_fill(x: Any, dim: int, index: Any, value: Any) -> Tensor:
    """x with a number at these places of an axis.

    >>> index_fill(zeros(3), 0, tensor([0, 2]), 7.0).tolist()
    [7.0, 0.0, 7.0]
    """
    *before, places = on_axis("index_fill", x, dim, index)
    at = len(before)  # each place once, as the number has a gradient for each that it is put to
    return ops.put(x, value, index=(*before, np.unique(places % x.shape[at])))


@function(in_place=True)
def index_put(x: Any, indices: Any, values: Any, accumulate: bool = False) -> Tensor:
    """x with values at an index, one for each axis; added to it with `accumulate`.

    >>> index_put(zeros(3), (tensor([0, 0]),), tensor(2.0), accumulate=True).tolist()
    [4.0, 0.0, 0.0]
    """
    where = tuple(as_array(i) for i in indices)
    if not accumulate:
        return ops.put(x, values, index=where)
    wide = rules.expand(as_tensor(values), as_array(x)[where].shape)
    return x + ops.scatter_add(wide, shape=x.shape, index=where)


@function(in_place=True)
def masked_scatter(x: Any, mask: Any, source: Any) -> Tensor:
    """x with the elements of `source`, in a row, where a mask is true."""
    shape = np.broadcast_shapes(x.shape, mask.shape)
    x = x if x.shape == shape else rules.expand(x, shape)
    where = np.broadcast_to(as_array(mask), shape)
    return ops.put(x, rules.reshape(source, (-1,))[: int(where.sum())], index=where)


@function()
def nonzero(x: Any, *, as_tuple: bool = False) -> Any:
    """The places of the elements that are not 0, as rows, or as a tuple that is an index.

    >>> nonzero(tensor([0.0, 3.0])).tolist()
    [[1]]
    """
    places = np.nonzero(np.atleast_1d(as_array(x)))
    if as_tuple:
        return tuple(map(Tensor, places))
    return Tensor(np.stack(places, 1)[:, : x.ndim])


@function()
def argwhere(x: Any) -> Tensor:
    """The places of the elements that are not 0, as rows."""
    return nonzero(x)
