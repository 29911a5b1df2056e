"""What moves windows over images, in C: convolutions as products of columns, pooling as loops.

Columns of windows lie with the samples inside, (groups, places of a window, samples * windows), so
that a convolution is one product, and what it gives is (channels, samples, windows).
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ...engine.rules import ops
from ...engine.rules.windows import steps, view
from ..lower import Step
from .forms import form
from .items import FORMS, Item, Items, NoForm, Place

__all__: list[str] = []

BLOCK = 2**22  # bytes of columns at a time; more, where these would be more than PARTS
PARTS = 8
PLACES = 32  # of a window, that are one line of C each; more are a loop
MOST = 256  # places of a window in which the largest is looked for
Sizes = tuple[int, ...]


def how(s: Step) -> tuple[Sizes, Sizes]:
    """The stride and the dilation of a step."""
    return s.kw.get("stride", ()), s.kw.get("dilation", ())


def solid(items: Items, x: Any, dtype: Any) -> Place:
    return items.solid(items.of(x), x.shape, dtype)


def parts(n: int, each: int) -> list[slice]:
    """The samples, as many at a time as make a block."""
    step = max(BLOCK // max(each, 1), -(-n // PARTS), 1)
    return [slice(i, min(i + step, n)) for i in range(0, n, step)]


def flat(x: Place, groups: int, rows: int) -> Place:
    """A dense place as a matrix for each group; of one group without the axis."""
    shape = (groups, rows, -1) if groups > 1 else (rows, -1)
    return x.view(x.array.reshape(shape))


def columns(items: Items, x: Place, s: Step, size: Sizes, part: slice) -> Place:
    """The windows of some samples, (groups, c * places, samples * windows), made once."""
    key = ("columns", id(x.root), x.offset, x.strides, x.shape, size, *how(s), part.start)
    if key not in items.known:
        d, windows = len(size), view(x.array, size, *how(s))[part]
        turned = windows.transpose(*range(1, d + 2), 0, *range(d + 2, 2 * d + 2))
        made = items.copy(x.view(turned))
        groups = s.kw.get("groups", 1)
        items.known[key] = flat(made, groups, x.shape[1] // groups * prod(size))
    return items.known[key]


def channels_first(items: Items, g: Place) -> Place:
    """(n, o, ...) in the order (o, n, ...), made once."""
    key = ("channels", id(g.root), g.offset, g.strides, g.shape)
    if key not in items.known:
        made = items.made((g.shape[1], g.shape[0], *g.shape[2:]), g.dtype)
        items.items.append(Item("each", made.view(made.array.swapaxes(0, 1)), [g]))
        items.known[key] = made
    return items.known[key]


def conv(items: Items, s: Step) -> None:
    x, w = (solid(items, i, s.dtype) for i in s.inputs[:2])
    (n, o, *places), size, groups = s.shape, w.shape[2:], s.kw.get("groups", 1)
    filters = flat(items.dense(w), groups, o // groups)
    made = items.made((o, n, *places), s.dtype)
    y, length = flat(made, groups, o // groups), prod(places)
    for part in parts(n, x.shape[1] * prod(size) * length * s.dtype.itemsize):
        some = y.view(y.array[..., part.start * length : part.stop * length])
        items.multiply(some, filters, columns(items, x, s, size, part))
    y = made.view(made.array.swapaxes(0, 1))
    if len(s.inputs) > 2 and s.inputs[2] is not None:
        b = items.shaped(solid(items, s.inputs[2], s.dtype), (o, *[1] * len(places)))
        items.write(s, [y, b], *form(ops.add, [s.dtype] * 2, s.dtype))
    else:
        items.places[id(s)] = y


def conv_weight(items: Items, s: Step) -> None:
    x, g = (solid(items, i, s.dtype) for i in s.inputs)
    (n, o, *places), size, groups = g.shape, s.kw["size"], s.kw.get("groups", 1)
    out = items.places[id(s)] = items.made(s.shape, s.dtype)
    y, length = flat(out, groups, o // groups), prod(places)
    above = flat(channels_first(items, g), groups, o // groups)
    for part in parts(n, x.shape[1] * prod(size) * length * s.dtype.itemsize):
        some = above.view(above.array[..., part.start * length : part.stop * length])
        found = columns(items, x, s, size, part)
        items.multiply(y, some, found.view(found.array.mT), part.start > 0)


def conv_input(items: Items, s: Step) -> None:
    g, w = (solid(items, i, s.dtype) for i in s.inputs)
    (n, o, *places), size, groups = g.shape, w.shape[2:], s.kw.get("groups", 1)
    filters = flat(items.dense(w), groups, o // groups)
    filters = filters.view(filters.array.mT)
    above, length = flat(channels_first(items, g), groups, o // groups), prod(places)
    items.write(s, [0])
    out, d = items.places[id(s)], len(size)
    for part in parts(n, s.shape[1] * prod(size) * length * s.dtype.itemsize):
        some = above.view(above.array[..., part.start * length : part.stop * length])
        made = items.made((s.shape[1], *size, part.stop - part.start, *places), s.dtype)
        items.multiply(flat(made, groups, filters.shape[-2]), filters, some)
        windows = view(out.array[part], size, *how(s))
        turned = windows.transpose(*range(1, d + 2), 0, *range(d + 2, 2 * d + 2))
        items.items.append(Item("overlap", out.view(turned), [made], ops.sum))


# ---- windows and pooling ----------------------------------------------------------------------


def outside(array: Any, d: int) -> Any:
    """Windows (..., *size, *grid) with the places of a window as the first axes."""
    n = array.ndim
    return array.transpose(*range(n - 2 * d, n - d), *range(n - 2 * d), *range(n - d, n))


def windows(items: Items, s: Step) -> None:
    x = solid(items, s.inputs[0], s.dtype)
    items.write(s, [x.view(view(x.array, s.kw["size"], *how(s)))])


def overlap_add(items: Items, s: Step) -> None:
    x, shape = solid(items, s.inputs[0], s.dtype), s.kw["shape"]
    d = len(shape)
    items.write(s, [0])
    out = items.places[id(s)]
    there = view(out.array, x.shape[-2 * d : -d], *how(s))
    parts = [out.view(outside(there, d)), x.view(outside(x.array, d))]
    items.items.append(Item("overlap", parts[0], parts[1:], ops.sum))


def window_spread(items: Items, s: Step) -> None:
    x, d = solid(items, s.inputs[0], s.dtype), len(s.kw["size"])
    items.write(s, [0])
    out = items.places[id(s)]
    there = outside(view(out.array, s.kw["size"], *how(s)), d)
    given = x.view(np.broadcast_to(x.array, there.shape))
    items.items.append(Item("overlap", out.view(there), [given], ops.sum))


def pooled(items: Items, s: Step) -> None:
    """The sum or the largest of every window."""
    x, size = solid(items, s.inputs[0], s.dtype), s.kw["size"]
    op = ops.max if s.op is ops.max_pool else ops.sum
    if prod(size) <= PLACES:
        ats = [at for _, at in steps(s.shape[-len(size) :], size, *how(s))]
        y = x.view(x.array[ats[0]])
        text, dtype = form(ops.maximum if op is ops.max else ops.add, [s.dtype] * 2, s.dtype)
        for at in ats[1:]:
            out = items.made(s.shape, s.dtype)
            items.items.append(Item("each", out, [y, x.view(x.array[at])], text, dtype))
            y = out
        items.places[id(s)] = y
        return
    there = outside(view(x.array, size, *how(s)), len(size))
    items.write(s, [float("-inf") if op is ops.max else 0])
    out = items.places[id(s)]
    wide = out.view(np.broadcast_to(out.array, there.shape))
    items.items.append(Item("overlap", wide, [x.view(there)], op))


def pool(items: Items, s: Step) -> None:
    """What goes to, or comes from, the first largest element of every window."""
    g, x, y = (solid(items, i, s.dtype) for i in s.inputs)
    size, (stride, dilation) = s.kw["size"], how(s)
    if prod(size) > MOST:
        raise NoForm(s.op.name)
    out = items.places[id(s)] = items.made(s.shape, s.dtype)
    spreads = s.op is ops.pool_spread
    there, kind = (out, "spread") if spreads else (g, "gather")
    ats = [at for _, at in steps(y.shape[-len(size) :], size, stride, dilation)]
    views = [z.view(z.array[at]) for at in ats for z in (x, there)]
    if spreads:
        items.items.append(Item("each", out, [0]))
        views.append(g)
        if not dilation and all(a >= b for a, b in zip(stride, size, strict=False)) and stride:
            kind = "apart"  # no element is in two windows
    items.items.append(Item("pool", out, [y, *views], kind))


FORMS.update({  # those with neighbours: no other rows have windows
    ops.conv: conv, ops.conv_input: conv_input, ops.conv_weight: conv_weight,
    ops.windows: windows, ops.overlap_add: overlap_add, ops.window_spread: window_spread,
    ops.window_sum: pooled, ops.max_pool: pooled, ops.pool_spread: pool, ops.pool_gather: pool,
})  # fmt: skip
