"""Convolutions, and their adjoints, which are of the same kind: together they have all derivatives.

x is (n, c, *shape), w (o, c / groups, *size), and y (n, o, *grid), with as many windows as `grid`
says. What frames the input is a `pad` before.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import framed
from ..declare import row
from ..op import Op, ops, table
from .windows import Sizes, add_overlaps, blocks, joined, long_rows, sample, view


def _conv(
    x: Any,
    w: Any,
    b: Any = None,
    stride: Sizes = (),
    dilation: Sizes = (),
    groups: int = 1,
    out: Any = None,
) -> Any:
    windows = view(x, w.shape[2:], stride, dilation)  # (n, c, *size, *grid)
    n, o, places = len(x), len(w), windows.shape[w.ndim :]
    windows, wide = joined(windows, x, stride, o)
    if out is None:
        out = np.empty((n, o, *places), np.result_type(x, w))
    y = out.reshape(n, groups, o // groups, math.prod(places))
    filters = w.reshape(groups, o // groups, math.prod(w.shape[1:]))
    run = math.prod(windows.shape[w.ndim :])
    for part in blocks(n, windows[:1].nbytes):
        columns = windows[part].reshape(len(y[part]), groups, filters.shape[2], run)
        if wide == places:
            np.matmul(filters, columns, out=y[part])
        else:
            whole = np.empty((*y[part].shape[:3], math.prod(wide)), y.dtype)
            np.matmul(filters, columns, out=whole[..., :run])
            out[part] = whole.reshape(-1, o, *wide)[:, :, *map(slice, places)]
        if b is not None:
            y[part] += b.reshape(groups, -1, 1)
    return out


def _conv_input(
    g: Any,
    w: Any,
    shape: Sizes,
    stride: Sizes = (),
    dilation: Sizes = (),
    groups: int = 1,
    out: Any = None,
) -> Any:
    n, (o, c, *size) = len(g), w.shape
    if out is None:
        out = np.empty((n, c * groups, *shape), np.result_type(g, w))
    out[...] = 0
    places = g.shape[2:]
    filters = w.reshape(groups, o // groups, c * math.prod(size)).mT
    wide = long_rows(places, shape, stride, (60 * groups + o) / (17 * groups + o))
    for part in blocks(n, c * groups * math.prod((*size, *wide)) * g.itemsize):
        y = out[part]
        above = ended(g[part], wide).reshape(len(y), groups, o // groups, math.prod(wide))
        columns = (filters @ above).reshape(len(y), c * groups, *size, *wide)
        add_overlaps(columns, y, stride, dilation)
    return out


def _conv_weight(
    x: Any,
    g: Any,
    size: Sizes,
    stride: Sizes = (),
    dilation: Sizes = (),
    groups: int = 1,
    out: Any = None,
) -> Any:
    n, o, c, d = len(x), g.shape[1], x.shape[1] // groups, len(size)
    windows, wide = joined(view(x, size, stride, dilation), x, stride, o)
    if out is None:
        out = np.empty((o, c, *size), np.result_type(x, g))
    out[...] = 0
    y = out.reshape(groups, o // groups, c * math.prod(size))
    length = math.prod(windows.shape[d + 2 :])
    above = ended(g, wide).reshape(n, groups, o // groups, math.prod(wide))[..., :length]
    above = above.transpose(1, 2, 0, 3)
    for part in blocks(n, windows[:1].nbytes):
        axes = (*range(1, d + 2), 0, *range(d + 2, windows.ndim))
        some = windows[part].transpose(axes)
        columns = some.reshape(groups, y.shape[2], len(windows[part]) * length)
        y += above[:, :, part].reshape(groups, o // groups, columns.shape[2]) @ columns.mT
    return out


def ended(g: Any, wide: Sizes) -> Any:
    """`g` with zeros at the ends of its rows."""
    ends = [(0, m - k) for m, k in zip(wide, g.shape[2:], strict=True)]
    return framed(g, [(0, 0), (0, 0), *ends], 0) if wide != g.shape[2:] else g


def _conv_bias(g: Any, y: Any, x: Any, w: Any, b: Any, **kw: Any) -> Any:
    if g.__class__ is np.ndarray:  # all samples first, in long rows: 0.3 of the time of LeNet's
        return np.add.reduce(np.add.reduce(g, axis=0), axis=tuple(range(1, g.ndim - 1)))
    return np.add.reduce(g, axis=(0, *range(2, g.ndim)))


X, W, Y = (1, 2, 4, 4), (3, 2, 3, 3), (1, 3, 2, 2)  # shapes of a small convolution

# The correlation of x (n, c, *shape) with w (o, c / groups, *size), which networks call a
# convolution, plus b (o,) where there is one.
row(
    "conv",
    _conv,
    lambda g, y, x, w, b=None, **kw: ops.conv_input(g, w, shape=x.shape[2:], **kw),
    lambda g, y, x, w, b=None, **kw: ops.conv_weight(x, g, size=w.shape[2:], **kw),
    _conv_bias,
    kind="product",
    named=True,
    example=sample(X, W),
)
# Its adjoint in x, of spatial `shape`: every g times the kernel, added up where windows overlap.
row(
    "conv_input",
    _conv_input,
    lambda g, y, x, w, shape, **kw: ops.conv(g, w, **kw),
    lambda g, y, x, w, shape, **kw: ops.conv_weight(g, x, size=w.shape[2:], **kw),
    kind="product",
    named=True,
    example=sample(Y, W, shape=(4, 4)),
)
# Its adjoint in w: the windows of x times the g that they went into.
row(
    "conv_weight",
    _conv_weight,
    lambda g, y, x, u, size, **kw: ops.conv_input(u, g, shape=x.shape[2:], **kw),
    lambda g, y, x, u, size, **kw: ops.conv(x, g, **kw),
    kind="product",
    named=True,
    example=sample(X, Y, size=(3, 3)),
)

# what reads and writes element by element, so that no expression of NumPy's functions says it
LOOPS: frozenset[Op] = frozenset(
    op
    for op in table.values()
    if getattr(op.forward, "__module__", "") in (__name__, view.__module__)  # not of a ufunc
)
