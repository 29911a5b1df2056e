"""NumPy's own functions on our types: `np.exp(t)`, `array * t`, `np.sum(t)` call rows.

Tensor and Symbol share this: what NumPy calls becomes the same call of a row for both. Rows and
functions say themselves which function of NumPy they are; here stands what NumPy calls otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import rules
from .declare import forms
from .methods import on_tensors
from .tensor import Tensor

# their derivative is 0 wherever it exists: plain data, with no gradient
PLAIN = {
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
    np.logical_and, np.logical_or, np.logical_not, np.logical_xor,
    np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert,
    np.sign, np.floor, np.ceil, np.rint, np.trunc, np.isnan, np.isinf, np.isfinite, np.signbit,
    np.argmax, np.argmin, np.argsort, np.allclose, np.isclose, np.array_equal, np.any, np.all,
    np.count_nonzero, np.nonzero, np.zeros_like, np.ones_like, np.full_like, np.empty_like,
    np.shape, np.ndim, np.size, np.round,
    np.may_share_memory, np.shares_memory, np.result_type, np.can_cast,
    np.floor_divide, np.nanargmax, np.nanargmin, np.searchsorted,
}  # fmt: skip


def _renamed(function: Any, **names: str) -> Any:
    return lambda *args, **kw: function(*args, **{names.get(k, k): v for k, v in kw.items()})


def _pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0) -> Any:
    if mode != "constant":
        raise TypeError(f"np.pad: mode {mode!r} has no derivative rule; 'constant' has")
    return rules.pad(x, pad_width, constant_values)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    of_matrices = x.ndim > 1 if axis is None else np.ndim(axis) == 1
    if ord not in (None, "fro") and of_matrices:
        raise TypeError(f"np.linalg.norm: the matrix norm {ord!r} has no derivative rule")
    return rules.norm(x, 2 if ord is None else ord, axis, keepdims)


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


forms.update(
    {
        np.var: lambda x, axis=None, ddof=0, keepdims=False: rules.var(x, axis, ddof, keepdims),
        np.std: lambda x, axis=None, ddof=0, keepdims=False: rules.std(x, axis, ddof, keepdims),
        np.cumprod: lambda x, axis=None: (
            rules.cumprod(x.reshape((-1,)), 0) if axis is None else rules.cumprod(x, axis)
        ),
        np.linalg.norm: _norm,
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
        np.median: lambda a, axis=None, *, keepdims=False: rules.median(a, axis, keepdims),
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
    }
)


def apply_ufunc(cls: Any, ufunc: Any, way: str, inputs: Any, kw: dict[str, Any]) -> Any:
    """What a NumPy ufunc, or its reduce or accumulate, does on our types."""
    if kw.pop("out", None) is not None:
        raise TypeError(
            f"np.{ufunc.__name__}: cannot write a {cls.__name__} into an array; "
            "use x = x + t, or t.detach().numpy()"
        )
    if way == "__call__":
        form = forms.get(ufunc)
        if form is not None and not kw:
            return form(*inputs)
        if form is None and ufunc in PLAIN:
            return cls.__plain__(ufunc, inputs, kw)
    elif (ufunc, way) in forms:
        kw.setdefault("axis", 0)
        kw = {k: v for k, v in kw.items() if v is not None or k == "axis"}
        return forms[ufunc, way](*inputs, **kw)
    return _no_rule(cls, f"np.{ufunc.__name__}" + f".{way}" * (way != "__call__"))


def apply_function(cls: Any, function: Any, args: Any, kw: dict[str, Any]) -> Any:
    """What any other NumPy function does on our types."""
    if function in forms:
        return forms[function](*args, **kw)
    if function in PLAIN:
        return cls.__plain__(function, args, kw)
    return _no_rule(cls, f"np.{function.__name__}")


def _no_rule(cls: Any, name: str) -> Any:
    raise TypeError(
        f"{name}: there is no derivative rule for it, so it does not take a {cls.__name__}; "
        "use t.detach().numpy() for plain values, or make it an Op (README)"
    )


@on_tensors
class Protocols:
    """What NumPy calls where a Tensor is among its arguments."""

    def __array_ufunc__(self, ufunc: Any, way: str, *inputs: Any, **kw: Any) -> Any:
        return apply_ufunc(Tensor, ufunc, way, inputs, kw)

    def __array_function__(self, function: Any, types: Any, args: Any, kw: Any) -> Any:
        return apply_function(Tensor, function, args, kw)
