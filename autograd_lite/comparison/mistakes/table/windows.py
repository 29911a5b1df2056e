"""Wrong rules of convolutions and pooling: kernels, strides, margins, windows that overlap."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....engine.rules import ops
from ....engine.rules.windows import steps
from .row import Table, mistakes_of, only

# whose formulas these mistakes are about
CONV, PAD, MAX_POOL, SUM_POOL = map(only, (ops.conv, ops.pad, ops.max_pool, ops.window_sum))
Sizes = tuple[int, ...]


def turned(w: Any) -> Any:
    return ops.flip(w, axis=tuple(range(2, w.ndim)))


def turned_along(w: Any, k: int) -> Any:
    """A kernel turned along its `k`th axis alone; ValueError where it has no other."""
    if k >= w.ndim - 2 or w.ndim < 4:
        raise ValueError("kernel-flipped: one axis")
    return ops.flip(w, axis=(2 + k,))


def strided(kw: dict[str, Any]) -> dict[str, Any]:
    """The settings without the stride; ValueError where there is none."""
    if "stride" not in kw:
        raise ValueError("stride-forgotten: the stride is 1")
    return {k: v for k, v in kw.items() if k != "stride"}


def last_ones(shape: Sizes, size: Sizes, out: Sizes, by_place: bool, **kw: Any) -> Any:
    """Of every window (*size, *out), the elements that no later window has, as 0 and 1; or, where
    all windows write one place after the other, that no later place writes."""
    number = np.arange(math.prod(out)).reshape(out)
    turns = [(at, i if by_place else number) for i, (_, at) in enumerate(steps(out, size, **kw))]
    last = np.full(shape, -1)
    for at, turn in turns:
        last[at] = np.maximum(last[at], turn)
    found = np.array([last[at] == turn for at, turn in turns])
    if found.all():
        raise ValueError("overlap-overwritten: no windows overlap")
    return found.reshape(*size, *out)


def overwritten(parts: Any, shape: Sizes, by_place: bool = False, **kw: Any) -> Any:
    """Elements of windows put where they are from: the last one counts where some overlap."""
    d = len(shape)
    size, out = parts.shape[-2 * d : -d], parts.shape[-d:]
    mask = last_ones(shape, size, out, by_place, **kw).astype(parts.dtype)
    return ops.overlap_add(parts * mask, shape=shape, **kw)


def shares(g: Any, w: Any) -> Any:
    """What every window gives back to its elements."""
    at, k = "hwd"[: w.ndim - 2], "ijk"[: w.ndim - 2]
    return ops.einsum(g, w, spec=f"no{at},oc{k}->nc{k}{at}")


def without_groups(kw: dict[str, Any]) -> dict[str, Any]:
    if "groups" in kw:
        raise ValueError("overlap-overwritten: with groups")
    return kw


def wide(g: Any, size: Sizes) -> Any:
    """A gradient for every element of its window."""
    d = len(size)
    full = (*g.shape[:-d], *size, *g.shape[-d:])
    return ops.expand(ops.reshape(g, shape=(*g.shape[:-d], *(1,) * d, *g.shape[-d:])), shape=full)


def largest(x: Any, y: Any, size: Sizes, **kw: Any) -> Any:
    """Of every window, the elements that are its largest, as 0 and 1."""
    return (ops.windows(x, size=size, **kw) == wide(y, size)) * 1.0


def side_by_side(g: Any, x: Any, size: Sizes, **kw: Any) -> Any:
    """Of the windows that lie one beside the other, the largest elements with their gradients."""
    parts = ops.windows(x, size=size, **strided(kw))[(..., *map(slice, g.shape[-len(size) :]))]
    axes = tuple(range(x.ndim - len(size), x.ndim))
    return wide(g, size) * (parts == ops.max(parts, axis=axes, keepdims=True))


def some(g: Any, samples: slice, places: slice) -> Any:
    """A gradient of these samples and places alone, 0 elsewhere."""
    mask = np.zeros(g.shape)
    mask[(samples, slice(None), *(places,) * (g.ndim - 2))] = 1
    return g * mask


def close(x: Any, w: Any, g: Any) -> Any:
    """The part of x that has as many windows one beside the other."""
    ends = [n + k - 1 for n, k in zip(g.shape[2:], w.shape[2:], strict=True)]
    return x[(slice(None), slice(None), *map(slice, ends))]


def as_rows(g: Any) -> Any:
    """A gradient as (samples * places, filters), whose channels were not moved last before."""
    n, o, *places = g.shape
    if n == o == math.prod(places):
        raise ValueError("channels-not-last: equal sizes")
    rows = ops.reshape(g, shape=(n, *places, o))
    return ops.permute(rows, axes=(0, g.ndim - 1, *range(1, g.ndim - 1)))


def anywhere(x: Any, size: Sizes) -> Any:
    """The elements that are the largest of their whole image, as 0 and 1."""
    axes = tuple(range(x.ndim - len(size), x.ndim))
    return (x == ops.max(x, axis=axes, keepdims=True)) * 1.0


LAST, ALL = slice(-1, None), slice(None)
OF_INPUT: Table = {
    "kernel-flipped: the kernel turned the wrong way: shares that are added up go back through the "
    "kernel as it is, and a full correlation takes it flipped": [
        (
            CONV,
            lambda g, y, x, w, b=None, **kw: ops.conv_input(g, turned(w), shape=x.shape[2:], **kw),
        ),
    ],
    "kernel-flipped: the kernel turned the wrong way along one axis": [
        (
            CONV,
            lambda g, y, x, w, b=None, k=k, **kw: ops.conv_input(
                g, turned_along(w, k), shape=x.shape[2:], **kw
            ),
        )
        for k in range(2)
    ],
    "stride-forgotten: the stride left out on the way back to the input": [
        (
            CONV,
            lambda g, y, x, w, b=None, **kw: ops.conv_input(g, w, shape=x.shape[2:], **strided(kw)),
        ),
        (
            MAX_POOL,  # the places that were kept
            lambda g, y, x, size, **kw: ops.overlap_add(
                wide(g, size) * largest(x, y, size, **kw),
                shape=x.shape[-len(size) :],
                **strided(kw),
            ),
        ),
        (
            MAX_POOL,
            lambda g, y, x, size, **kw: ops.overlap_add(
                side_by_side(g, x, size, **kw), shape=x.shape[-len(size) :], **strided(kw)
            ),
        ),
        (
            SUM_POOL,
            lambda g, y, x, size, **kw: ops.window_spread(
                g, shape=x.shape[-len(size) :], size=size, **strided(kw)
            ),
        ),
    ],
    "overlap-overwritten: windows that overlap overwrite each other: = for +=": [
        (
            CONV,
            lambda g, y, x, w, b=None, **kw: overwritten(
                shares(g, w), x.shape[2:], True, **without_groups(kw)
            ),
        ),
        (
            CONV,
            lambda g, y, x, w, b=None, **kw: overwritten(
                shares(g, w), x.shape[2:], **without_groups(kw)
            ),
        ),
        (
            CONV,
            lambda g, y, x, w, b=None, **kw: overwritten(
                shares(g[:, -1:], w[-1:]), x.shape[2:], **without_groups(kw)
            ),
        ),
        (
            MAX_POOL,
            lambda g, y, x, size, **kw: overwritten(
                wide(g, size) * largest(x, y, size, **kw), x.shape[-len(size) :], **kw
            ),
        ),
        (
            SUM_POOL,
            lambda g, y, x, size, **kw: overwritten(wide(g, size), x.shape[-len(size) :], **kw),
        ),
    ],
    "last-filter-only: only the last filter counts: = for +=": [
        (
            CONV,
            lambda g, y, x, w, b=None, **kw: ops.conv_input(
                g[:, -1:], w[-1:], shape=x.shape[2:], **without_groups(kw)
            ),
        ),
    ],
    "max-mask: the gradient goes to every element of a window, not to its largest: the mask left "
    "out": [
        (
            MAX_POOL,
            lambda g, y, x, size, **kw: ops.window_spread(
                g, shape=x.shape[-len(size) :], size=size, **kw
            ),
        ),
    ],
    "max-mask: the mean for the max: the gradient is spread evenly over the window": [
        (
            MAX_POOL,
            lambda g, y, x, size, **kw: (
                ops.window_spread(g, shape=x.shape[-len(size) :], size=size, **kw) / math.prod(size)
            ),
        ),
    ],
    "max-mask: the mask taken over the whole image, not within each window": [
        (
            MAX_POOL,
            lambda g, y, x, size, **kw: (
                ops.window_spread(g, shape=x.shape[-len(size) :], size=size, **kw)
                * anywhere(x, size)
            ),
        ),
    ],
    "max-mask: the max for the mean: the gradient goes to the largest element of a window": [
        (
            SUM_POOL,
            lambda g, y, x, size, **kw: ops.pool_spread(
                g * math.prod(size), x, ops.max_pool(x, size=size, **kw), size=size, **kw
            ),
        ),
        (
            SUM_POOL,
            lambda g, y, x, size, **kw: ops.pool_spread(
                g, x, ops.max_pool(x, size=size, **kw), size=size, **kw
            ),
        ),
    ],
    "channels-not-last: the gradient made rows of filters by a reshape alone: its channels have to "
    "be moved last before, as by transpose(0, 2, 3, 1)": [
        (
            CONV,
            lambda g, y, x, w, b=None, **kw: ops.conv_input(as_rows(g), w, shape=x.shape[2:], **kw),
        ),
    ],
    "padding-forgotten: the margin is not cut off at the front: dx starts with that of the "
    "padding": [
        (
            PAD,
            lambda g, y, x, width, value: g[tuple([slice(n) for n in x.shape])],
        ),
    ],
    "padding-forgotten: the margin cut off twice at the front": [
        (
            PAD,
            lambda g, y, x, width, value: g[
                tuple([slice(sum(w), n + sum(w)) for w, n in zip(width, x.shape, strict=True)])
            ],
        ),
    ],
}
OF_KERNEL: Table = {
    "kernel-flipped: the gradient of the kernel flipped": [
        (
            CONV,
            lambda g, y, x, w, b=None, **kw: turned(ops.conv_weight(x, g, size=w.shape[2:], **kw)),
        ),
    ],
    "kernel-flipped: the gradient of the kernel flipped along one axis": [
        (
            CONV,
            lambda g, y, x, w, b=None, k=k, **kw: turned_along(
                ops.conv_weight(x, g, size=w.shape[2:], **kw), k
            ),
        )
        for k in range(2)
    ],
    "stride-forgotten: the stride left out in the gradient of the kernel": [
        (
            CONV,
            lambda g, y, x, w, b=None, **kw: ops.conv_weight(
                close(x, w, g), g, size=w.shape[2:], **strided(kw)
            ),
        ),
    ],
    "last-sample-only: only the last sample counts: = for +=": [
        (
            CONV,
            lambda g, y, x, w, b=None, **kw: ops.conv_weight(
                x[-1:], g[-1:], size=w.shape[2:], **kw
            ),
        ),
    ],
    "last-window-only: only the last window of every sample counts: = for +=": [
        (
            CONV,
            lambda g, y, x, w, b=None, **kw: ops.conv_weight(
                x, some(g, ALL, LAST), size=w.shape[2:], **kw
            ),
        ),
    ],
    "last-window-only: only the last window of the last sample counts: = for +=": [
        (
            CONV,
            lambda g, y, x, w, b=None, **kw: ops.conv_weight(
                x, some(g, LAST, LAST), size=w.shape[2:], **kw
            ),
        ),
    ],
    "channels-not-last: the gradient made rows of filters by a reshape alone: its channels have to "
    "be moved last before, as by transpose(0, 2, 3, 1)": [
        (
            CONV,
            lambda g, y, x, w, b=None, **kw: ops.conv_weight(x, as_rows(g), size=w.shape[2:], **kw),
        ),
    ],
    "mean-count: the mean over the windows for their sum": [
        (
            CONV,
            lambda g, y, x, w, b=None, **kw: (
                ops.conv_weight(x, g, size=w.shape[2:], **kw) / math.prod(g.shape[2:])
            ),
        ),
    ],
    "mean-count: the mean over the samples for their sum": [
        (
            CONV,
            lambda g, y, x, w, b=None, **kw: ops.conv_weight(x, g, size=w.shape[2:], **kw) / len(g),
        ),
    ],
    "mean-count: the mean over samples and windows for their sum": [
        (
            CONV,
            lambda g, y, x, w, b=None, **kw: (
                ops.conv_weight(x, g, size=w.shape[2:], **kw) * g.shape[1] / g.size
            ),
        ),
    ],
}
WINDOWS = mistakes_of(OF_INPUT, 0) + mistakes_of(OF_KERNEL, 1)
