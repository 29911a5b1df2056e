"""Windows that move along the last axes: their elements, sums and largest elements.

There are as many such axes as `size` or `shape` has numbers. Place k of window i is the element at
stride * i + dilation * k; () is 1 along every axis. Forward functions write into `out`, if given.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from operator import mul
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..declare import row
from ..op import ops

Sizes = tuple[int, ...]
At = tuple[Any, ...]
# Columns of so many bytes at a time are all the memory that a convolution takes beside its result:
# LeNet takes 1.03 times as long as with columns that are kept, with half of it 1.07.
BLOCK = 2**21


def grid(shape: Sizes, size: Sizes, stride: Sizes = (), dilation: Sizes = ()) -> Sizes:
    """How many windows there are along each axis; ValueError where there is none."""
    stride, dilation = stride or (1,) * len(size), dilation or (1,) * len(size)
    pairs = zip(shape, size, stride, dilation, strict=True)
    found = tuple([(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in pairs])
    if min(found) < 1:
        raise ValueError(
            f"windows of {size} do not fit into {shape}: along each axis there are "
            f"(n - dilation * (size - 1) - 1) // stride + 1 = {found} of them; take smaller ones, "
            "or pad the input"
        )
    return found


def steps(out: Sizes, size: Sizes, stride: Sizes = (), dilation: Sizes = ()) -> Iterator[Any]:
    """Each place in a window, and the index of the elements that the windows have there."""
    stride, dilation = stride or (1,) * len(size), dilation or (1,) * len(size)
    for place in product(*map(range, size)):
        moves = zip(place, out, stride, dilation, strict=True)
        yield place, (..., *[slice(d * i, d * i + s * (n - 1) + 1, s) for i, n, s, d in moves])


def view(x: Any, size: Sizes, stride: Sizes = (), dilation: Sizes = ()) -> Any:
    """The elements of the windows, (..., *size, *grid), in the memory of x."""
    d = len(size)
    out = grid(x.shape[-d:], size, stride, dilation)
    lead, own = x.strides[:-d], x.strides[-d:]
    inner = [n * k for n, k in zip(own, dilation or (1,) * d, strict=True)]
    outer = [n * k for n, k in zip(own, stride or (1,) * d, strict=True)]
    return strided(x, (*x.shape[:-d], *size, *out), (*lead, *inner, *outer))


def strided(x: Any, shape: Sizes, strides: Sizes) -> Any:
    """`as_strided`, which takes 2.4 us where an array of a contiguous buffer takes 0.3."""
    if x.flags.c_contiguous:
        return np.ndarray(shape, x.dtype, x, 0, strides)
    return as_strided(x, shape, strides, writeable=False)


def long_rows(places: Sizes, shape: Sizes, stride: Sizes, most: float) -> Sizes:
    """Places for windows in rows as long as those of the elements, if they are so many times as
    many at most: a step of the window is one distance then, and copies and sums have few rows. Of
    LeNet's convolutions a forward and the weight's gradient take 0.9 of the time with them, the
    input's 0.75. Products take longer, which counts the more the more outputs there are."""
    wide = (*places[:1], *shape[1:])
    return places if stride or math.prod(wide) > most * math.prod(places) else wide


def joined(windows: Any, x: Any, stride: Sizes, o: int) -> tuple[Any, Sizes]:
    """The view and its places as a product for `o` outputs takes them: in long rows, (..., *size,
    elements), where windows have so many elements that it pays to cut their ends off again. That of
    the last row is left out, as there may be no memory beyond."""
    d = windows.ndim - x.ndim
    many = x.flags.c_contiguous and math.prod(windows.shape[1:-d]) >= 4 * o
    places = windows.shape[-d:]
    wide = long_rows(places, x.shape[-d:], stride, (16 + o) / (4 + o) if many else 0)
    if wide == places:
        return windows, places
    along = zip(places, windows.strides[-d:], strict=True)
    run = 1 + sum((n - 1) * step for n, step in along) // x.itemsize
    shape, strides = (*windows.shape[:-d], run), (*windows.strides[:-d], x.itemsize)
    return strided(x, shape, strides), wide


def blocks(n: int, each: int) -> Iterator[slice]:
    """The samples, so many at a time that `each` bytes of one of them make a block."""
    step = max(1, BLOCK // max(each, 1))
    return (slice(i, i + step) for i in range(0, n, step))


def add_overlaps(x: Any, y: Any, stride: Sizes = (), dilation: Sizes = ()) -> None:
    """Add the elements of windows, which may be in `long_rows` with zeros at their ends, where they
    are from in `y`."""
    d = x.ndim - y.ndim
    size, out, shape = x.shape[-2 * d : -d], x.shape[-d:], y.shape[-d:]
    if not stride and out[1:] == shape[1:]:
        y, x = (a.reshape(*a.shape[:-d], math.prod(a.shape[-d:])) for a in (y, x))
        far = [n * math.prod(shape[i + 1 :]) for i, n in enumerate(dilation or (1,) * d)]
        for place in product(*map(range, size)):
            to = y[..., sum(map(mul, place, far)) :][..., : x.shape[-1]]
            to += x[(..., *place, slice(to.shape[-1]))]
        return
    for place, at in steps(out, size, stride, dilation):
        y[at] += x[(..., *place, *[slice(None)] * d)]


def sample(*shapes: Sizes, **kw: Any) -> Any:
    return lambda: (tuple([np.linspace(0.2, 0.9, math.prod(s)).reshape(s) for s in shapes]), kw)


# ---- windows, and sums over them --------------------------------------------------------------


def _windows(x: Any, size: Sizes, stride: Sizes = (), dilation: Sizes = (), out: Any = None) -> Any:
    found = view(x, size, stride, dilation)
    if out is None:
        return found.copy()
    out[...] = found
    return out


def _overlap_add(
    x: Any, shape: Sizes, stride: Sizes = (), dilation: Sizes = (), out: Any = None
) -> Any:
    if out is None:
        out = np.empty((*x.shape[: -2 * len(shape)], *shape), x.dtype)
    out[...] = 0
    add_overlaps(x, out, stride, dilation)
    return out


def _window_sum(
    x: Any, size: Sizes, stride: Sizes = (), dilation: Sizes = (), out: Any = None
) -> Any:
    d = len(size)
    places = grid(x.shape[-d:], size, stride, dilation)
    if out is None:
        out = np.empty((*x.shape[:-d], *places), x.dtype)
    out[...] = 0
    for _, at in steps(places, size, stride, dilation):
        out += x[at]
    return out


def _window_spread(
    x: Any,
    shape: Sizes,
    size: Sizes,
    stride: Sizes = (),
    dilation: Sizes = (),
    out: Any = None,
) -> Any:
    d = len(size)
    if out is None:
        out = np.empty((*x.shape[:-d], *shape), x.dtype)
    out[...] = 0
    for _, at in steps(x.shape[-d:], size, stride, dilation):
        out[at] += x
    return out


# The elements of every window, (..., *shape) to (..., *size, *grid): im2col.
row(
    "windows",
    _windows,
    lambda g, y, x, size, **kw: ops.overlap_add(g, shape=x.shape[-len(size) :], **kw),
    kind="window",
    named=True,
    example=sample((4,), size=(2,)),
)
# Its adjoint: elements of windows added up where they are from, col2im.
row(
    "overlap_add",
    _overlap_add,
    lambda g, y, x, shape, **kw: ops.windows(g, size=x.shape[-2 * len(shape) : -len(shape)], **kw),
    kind="window",
    named=True,
    example=sample((2, 3), shape=(4,)),
)
row(
    "window_sum",
    _window_sum,
    lambda g, y, x, size, **kw: ops.window_spread(g, shape=x.shape[-len(size) :], size=size, **kw),
    kind="window",
    named=True,
    example=sample((4,), size=(2,)),
)
# Its adjoint: every number added to all elements of its window.
row(
    "window_spread",
    _window_spread,
    lambda g, y, x, shape, size, **kw: ops.window_sum(g, size=size, **kw),
    kind="window",
    named=True,
    example=sample((3,), shape=(4,), size=(2,)),
)


# ---- the largest of a window ------------------------------------------------------------------


def _max_pool(
    x: Any, size: Sizes, stride: Sizes = (), dilation: Sizes = (), out: Any = None
) -> Any:
    d = len(size)
    places = grid(x.shape[-d:], size, stride, dilation)
    if out is None:
        out = np.empty((*x.shape[:-d], *places), x.dtype)
    for place, at in steps(places, size, stride, dilation):
        if any(place):
            np.maximum(out, x[at], out=out)
        else:
            out[...] = x[at]
    return out


def hits(x: Any, y: Any, size: Sizes, stride: Sizes = (), dilation: Sizes = ()) -> Iterator[Any]:
    """Each place in a window, its index, and of which windows it has the first largest element:
    the last place of those that no other has, as where the largest is NaN."""
    left = np.ones(y.shape, bool)
    last = tuple([k - 1 for k in size])
    for place, at in steps(y.shape[-len(size) :], size, stride, dilation):
        hit = left if place == last else (x[at] == y) & left
        yield place, at, hit
        left = left ^ hit  # of which hit is a part


def _pool_spread(
    g: Any, x: Any, y: Any, size: Sizes, stride: Sizes = (), dilation: Sizes = (), out: Any = None
) -> Any:
    if out is None:
        out = np.empty(x.shape, g.dtype)
    out[...] = 0
    apart = all(s >= k for s, k in zip(stride or (1,) * len(size), size, strict=True))
    for _, at, hit in hits(x, y, size, stride, dilation):
        if apart and not dilation:  # no element has two windows
            np.multiply(g, hit, out=out[at])
        else:
            out[at] += g * hit
    return out


def _pool_gather(
    g: Any, x: Any, y: Any, size: Sizes, stride: Sizes = (), dilation: Sizes = (), out: Any = None
) -> Any:
    if out is None:
        out = np.empty(y.shape, g.dtype)
    out[...] = 0
    for _, at, hit in hits(x, y, size, stride, dilation):
        out += g[at] * hit
    return out


def _pooled(x: Any, g: Any) -> Any:
    return lambda: ((np.array(g), np.array(x), np.array([0.7, 0.7, 0.9])), {"size": (2,)})


row(
    "max_pool",
    _max_pool,
    lambda g, y, x, **kw: ops.pool_spread(g, x, y, **kw),
    kind="window",
    named=True,
    example=sample((4,), size=(2,)),
)
# Every element of g added to the place of the first largest element of its window of x, which `top`
# has.
row(
    "pool_spread",
    _pool_spread,
    lambda g, y, u, x, top, **kw: ops.pool_gather(g, x, top, **kw),
    lambda g, y, u, x, top, **kw: np.zeros_like(x),
    lambda g, y, u, x, top, **kw: np.zeros_like(top),
    kind="window",
    named=True,
    example=_pooled([0.2, 0.7, 0.4, 0.9], [1.0, 2.0, 3.0]),
)
# Its adjoint: of every window of g the element at that place.
row(
    "pool_gather",
    _pool_gather,
    lambda g, y, u, x, top, **kw: ops.pool_spread(g, x, top, **kw),
    lambda g, y, u, x, top, **kw: np.zeros_like(x),
    lambda g, y, u, x, top, **kw: np.zeros_like(top),
    kind="window",
    named=True,
    example=_pooled([0.2, 0.7, 0.4, 0.9], [1.0, 2.0, 3.0, 4.0]),
)


def places(
    x: Any, size: Sizes, low: Sizes, shape: Sizes, stride: Sizes = (), dilation: Sizes = ()
) -> Any:
    """Where the first largest element of every window is, in the flattened array of `shape` that
    has `low` elements before it in x along each axis."""
    d = len(size)
    y = _max_pool(x, size, stride, dilation)
    found = np.empty(y.shape, np.int64)
    for _, at, hit in hits(x, y, size, stride, dilation):
        flat: Any = 0
        for part, n, before, own in zip(at[1:], shape, low, x.shape[-d:], strict=True):
            along = np.clip(np.arange(own)[part] - before, 0, n - 1)
            flat = np.add.outer(flat * n, along)
        np.copyto(found, flat, where=hit)
    return found
