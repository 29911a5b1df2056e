"""NumPy's functions that are called otherwise than ours, or are made of others: joined, cut,
turned, and those that skip NaN.

Rows and functions say themselves which function of NumPy they are, where the words are the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .engine import rules
from .engine.arrays import unboxed
from .engine.axes import one_axis
from .engine.declare import forms
from .engine.op import ops


def flat(x: Any) -> Any:
    """All elements in a row, of one of our types, an array or a number."""
    return x.reshape((-1,)) if hasattr(x, "reshape") else np.ravel(x)


def moved(function: Any) -> Callable[..., Any]:
    """A function that only says which element goes where: told of places, it picks by them."""

    def pick(x: Any, *args: Any, **kw: Any) -> Any:
        places = np.arange(math.prod(x.shape)).reshape(x.shape)
        return flat(x)[function(places, *args, **kw)]

    return pick


def cut(function: Any, of: Any = None) -> Callable[..., Any]:
    """Pieces along an axis, which may depend on the number of axes, as slices."""

    def pieces(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
        axis = one_axis(function.__name__, ary, axis if of is None else of(ary))
        places = function(np.arange(ary.shape[axis]), indices_or_sections)
        starts = [(int(p[0]), int(p[-1]) + 1) if p.size else (0, 0) for p in places]
        return [ary[(*[slice(None)] * axis, slice(start, end))] for start, end in starts]

    return pieces


def _take(a: Any, indices: Any, axis: int | None = None, **_: Any) -> Any:
    if axis is None:
        return flat(a)[indices]
    return a[(*[slice(None)] * one_axis("take", a, axis), indices)]


def _delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    if axis is None:
        arr, axis = flat(arr), 0
    axis = one_axis("delete", arr, axis)
    return _take(arr, np.delete(np.arange(arr.shape[axis]), obj), axis)


def _insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    places = np.arange(math.prod(np.shape(arr))).reshape(np.shape(arr))
    of_values = np.arange(math.prod(np.shape(values))).reshape(np.shape(values)) + places.size
    joined = rules.concatenate([flat(arr), flat(values)])
    return joined[np.insert(places, obj, of_values, axis)]


def _concatenate(arrays: Any, axis: int | None = 0) -> Any:
    if axis is None:
        return rules.concatenate([flat(x) for x in arrays])
    return rules.concatenate(arrays, axis)


def _column_stack(tup: Any) -> Any:
    return rules.concatenate([x[:, None] if x.ndim == 1 else x for x in tup], 1)


def _dstack(tup: Any) -> Any:
    deep = [x[None, :, None] if x.ndim == 1 else x[:, :, None] if x.ndim == 2 else x for x in tup]
    return rules.concatenate(deep, 2)


def _without_nan(instead: float, name: str) -> Callable[..., Any]:
    """A reduction that takes `instead` for NaN."""

    def reduce(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        words = {} if dtype is None else {"dtype": dtype}
        filled = rules.where(rules.isnan(a), instead, a)
        return getattr(rules, name)(filled, axis=axis, keepdims=keepdims, **words)

    return reduce


def _total(name: str) -> Callable[..., Any]:
    """NumPy's order of the arguments of a sum and of a mean, and its `where` and `initial`."""

    def reduce(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        if out is not None:
            raise TypeError(f"np.{name}: cannot write a Tensor into an array; leave out= out")
        words: dict[str, Any] = {"axis": axis, "keepdims": keepdims}
        if dtype is not None:
            a = a.to(dtype)
        if where is True:
            found = getattr(rules, name)(a, **words)
        else:
            found = rules.sum(rules.where(where, a, 0), **words)
            if name == "mean":
                found = found / np.sum(np.broadcast_to(unboxed(where), a.shape), **words)
        return found if initial is None else found + initial

    return reduce


def _convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """The longer of two vectors in windows, times the shorter turned around."""
    if a.shape[0] < v.shape[0]:
        a, v = v, a
    return _correlated(a, v[::-1], mode)


def _correlated(a: Any, v: Any, mode: str) -> Any:
    n = v.shape[0]
    around = {"full": (n - 1, n - 1), "same": (n // 2, (n - 1) // 2), "valid": (0, 0)}[mode]
    places = np.lib.stride_tricks.sliding_window_view(np.arange(a.shape[0] + sum(around)), n)
    padded = rules.concatenate([np.zeros(around[0]), a, np.zeros(around[1])])
    return rules.matmul(padded[places], v)


def _correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    if a.shape[0] < v.shape[0]:
        return _correlated(v, a, mode)[::-1]
    return _correlated(a, v, mode)


def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    for condition, choice in list(zip(condlist, choicelist, strict=True))[::-1]:
        default = rules.where(condition, choice, default)
    return default


def _block(arrays: Any) -> Any:
    """Lists of lists joined, the innermost along the last axis."""
    if not isinstance(arrays, list):
        return arrays
    depth, inner = 0, arrays[0]
    while isinstance(inner, list):
        depth, inner = depth + 1, inner[0]
    return rules.concatenate([_block(x) for x in arrays], -1 - depth)


def _but_nan(extreme: Any) -> Callable[..., Any]:
    """The larger or smaller of two, the other one where one is NaN."""
    return lambda a, b: extreme(rules.where(np.isnan(a), b, a), rules.where(np.isnan(b), a, b))


def _nanmean(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    total = forms[np.nansum](a, axis, dtype, keepdims)
    counted = rules.where(rules.isnan(a), 0.0, 1.0)
    return total / rules.sum(counted, axis=axis, keepdims=keepdims)


def _renamed(function: Any, **names: str) -> Any:
    return lambda *args, **kw: function(*args, **{names.get(k, k): v for k, v in kw.items()})


def _pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0) -> Any:
    if mode != "constant":
        raise TypeError(f"np.pad: mode {mode!r} has no derivative rule; 'constant' has")
    return rules.pad(x, pad_width, constant_values)


def _atleast_2d(x: Any) -> Any:
    return x if x.ndim > 1 else x.reshape((1,) * (2 - x.ndim) + x.shape)


def _atleast_1d(x: Any) -> Any:
    return x if x.ndim else x.reshape((1,))


def _hstack(tup: Any) -> Any:
    return rules.concatenate([_atleast_1d(x) for x in tup], int(tup[0].ndim > 1))


def _dot(a: Any, b: Any) -> Any:
    if 0 in (np.ndim(a), np.ndim(b)):
        return a * b
    if np.ndim(b) > 2:
        raise TypeError("np.dot: an operand with more than 2 axes is ambiguous; use @ or einsum")
    return rules.matmul(a, b)


def _values(function: Any) -> Any:
    """`function` without the indices that it gives beside the values."""
    return lambda *args, **kw: function(*args, **kw).values


def _sort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Any:
    return rules.sort(a.reshape((-1,)) if axis is None else a, -1 if axis is None else axis).values


def _where(condition: Any, *ab: Any) -> Any:
    """A number keeps its digits, as NumPy means it and rules do."""
    return ops.where(condition, *ab) if ab else condition.__plain__(np.nonzero, (condition,), {})


forms.update(
    {
        np.where: _where,
        np.einsum: lambda *args, optimize=False, **kw: rules.einsum(*args, **kw),
        np.var: lambda x, axis=None, ddof=0, keepdims=False: rules.var(x, axis, ddof, keepdims),
        np.std: lambda x, axis=None, ddof=0, keepdims=False: rules.std(x, axis, ddof, keepdims),
        np.cumprod: lambda x, axis=None: (
            rules.cumprod(x.reshape((-1,)), 0) if axis is None else rules.cumprod(x, axis)
        ),
        np.clip: _renamed(rules.clip, a_min="min", a_max="max"),
        np.dot: _dot,
        np.outer: lambda a, b: rules.outer(a.reshape((-1,)), b.reshape((-1,))),
        np.transpose: lambda x, axes=None: rules.permute(x, axes) if axes else x.T,
        np.matrix_transpose: lambda x: x.mT,
        np.flip: lambda x, axis=None: rules.flip(x) if axis is None else rules.flip(x, axis),
        np.hstack: _hstack,
        np.vstack: lambda tup: rules.concatenate([_atleast_2d(x) for x in tup]),
        np.tile: lambda A, reps: rules.tile(A, reps),
        np.roll: _renamed(rules.roll, shift="shifts"),
        np.inner: rules.inner,
        np.diag: _renamed(rules.diag, k="diagonal"),
        np.tril: _renamed(rules.tril, k="diagonal"),
        np.triu: _renamed(rules.triu, k="diagonal"),
        np.trace: rules.trace,
        np.pad: _pad,
        np.sort: _sort,
        np.median: lambda a, axis=None, *, keepdims=False: rules.quantile(a, 0.5, axis, keepdims),
        np.average: lambda a, axis=None, weights=None, *, keepdims=False: rules.average(
            a, axis, weights, keepdims
        ),
        np.nan_to_num: lambda x, copy=True, nan=0.0, posinf=None, neginf=None: rules.nan_to_num(
            x, nan, posinf, neginf
        ),
        np.atleast_1d: _atleast_1d,
        np.atleast_2d: _atleast_2d,
        np.copy: lambda x: x.copy(),
        (np.maximum, "accumulate"): _values(rules.cummax),
        (np.minimum, "accumulate"): _values(rules.cummin),
        (np.logaddexp, "accumulate"): rules.logcumsumexp,
        np.concatenate: _concatenate,
        np.append: lambda arr, values, axis=None: _concatenate((arr, values), axis),
        np.column_stack: _column_stack,
        np.dstack: _dstack,
        np.insert: _insert,
        np.delete: _delete,
        np.take: _take,
        np.split: cut(np.split),
        np.array_split: cut(np.array_split),
        np.vsplit: cut(np.split, lambda x: 0),
        np.hsplit: cut(np.split, lambda x: min(1, x.ndim - 1)),
        np.dsplit: cut(np.split, lambda x: 2),
        np.flipud: lambda m: rules.flip(m, 0),
        np.fliplr: lambda m: rules.flip(m, 1),
        np.rot90: moved(np.rot90),
        np.diagonal: moved(np.diagonal),
        np.rollaxis: moved(np.rollaxis),
        np.lib.stride_tricks.sliding_window_view: moved(np.lib.stride_tricks.sliding_window_view),
        np.ptp: lambda a, axis=None, keepdims=False: (
            rules.max(a, axis=axis, keepdims=keepdims) - rules.min(a, axis=axis, keepdims=keepdims)
        ),
        np.nansum: _without_nan(0.0, "sum"),
        np.nanmax: _without_nan(-math.inf, "max"),
        np.nanmin: _without_nan(math.inf, "min"),
        np.nanmean: _nanmean,
        np.fabs: rules.abs,
        np.sum: _total("sum"),
        np.mean: _total("mean"),
        np.fmax: _but_nan(rules.maximum),
        np.fmin: _but_nan(rules.minimum),
        np.select: _select,
        np.block: _block,
        np.convolve: _convolve,
        np.correlate: _correlate,
    }
)
