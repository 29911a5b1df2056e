"""NumPy's own functions on our types: `np.exp(t)`, `array * t`, `np.sum(t)` call rows.

Tensor and Symbol share this: what NumPy calls becomes the same call of a row for both.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import functions, ops

UFUNCS: dict[Any, Any] = {
    op.forward: op for op in ops.table.values() if isinstance(op.forward, np.ufunc)
}
UFUNCS[np.matmul] = functions.matmul
UFUNCS[np.square] = functions.square
UFUNCS[np.reciprocal] = functions.reciprocal
UFUNCS[np.float_power] = functions.pow

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
}  # fmt: skip

REDUCE: dict[tuple[Any, str], Any] = {
    (np.add, "reduce"): functions.sum,
    (np.multiply, "reduce"): functions.prod,
    (np.maximum, "reduce"): functions.amax,
    (np.minimum, "reduce"): functions.amin,
    (np.logaddexp, "reduce"): functions.logsumexp,
    (np.add, "accumulate"): functions.cumsum,
    (np.multiply, "accumulate"): functions.cumprod,
}


def _renamed(function: Any, **names: str) -> Any:
    return lambda *args, **kw: function(*args, **{names.get(k, k): v for k, v in kw.items()})


def _pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0) -> Any:
    if mode != "constant":
        raise TypeError(f"np.pad: mode {mode!r} has no derivative rule; 'constant' has")
    return functions.pad(x, pad_width, constant_values)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    of_matrices = x.ndim > 1 if axis is None else np.ndim(axis) == 1
    if ord not in (None, "fro") and of_matrices:
        raise TypeError(f"np.linalg.norm: the matrix norm {ord!r} has no derivative rule")
    return functions.norm(x, 2 if ord is None else ord, axis, keepdims)


def _atleast_2d(x: Any) -> Any:
    return x if x.ndim > 1 else x.reshape((1,) * (2 - x.ndim) + x.shape)


def _atleast_1d(x: Any) -> Any:
    return x if x.ndim else x.reshape((1,))


def _hstack(tup: Any) -> Any:
    return functions.concatenate([_atleast_1d(x) for x in tup], int(tup[0].ndim > 1))


def _dot(a: Any, b: Any) -> Any:
    if 0 in (np.ndim(a), np.ndim(b)):
        return a * b
    if np.ndim(b) > 2:
        raise TypeError("np.dot: an operand with more than 2 axes is ambiguous; use @ or einsum")
    return functions.matmul(a, b)


FUNCTIONS: dict[Any, Any] = {
    np.sum: functions.sum,
    np.mean: functions.mean,
    np.prod: functions.prod,
    np.max: functions.amax,
    np.min: functions.amin,
    np.amax: functions.amax,
    np.amin: functions.amin,
    np.var: lambda x, axis=None, ddof=0, keepdims=False: functions.var(x, axis, ddof, keepdims),
    np.std: lambda x, axis=None, ddof=0, keepdims=False: functions.std(x, axis, ddof, keepdims),
    np.cumsum: functions.cumsum,
    np.cumprod: lambda x, axis=None: (
        functions.cumprod(x.reshape((-1,)), 0) if axis is None else functions.cumprod(x, axis)
    ),
    np.linalg.norm: _norm,
    np.where: functions.where,
    np.clip: _renamed(functions.clip, a_min="min", a_max="max"),
    np.einsum: functions.einsum,
    np.dot: _dot,
    np.outer: lambda a, b: functions.outer(a.reshape((-1,)), b.reshape((-1,))),
    np.reshape: functions.reshape,
    np.ravel: functions.flatten,
    np.transpose: lambda x, axes=None: functions.permute(x, axes) if axes else x.T,
    np.swapaxes: functions.transpose,
    np.moveaxis: functions.movedim,
    np.matrix_transpose: lambda x: x.mT,
    np.squeeze: functions.squeeze,
    np.expand_dims: functions.unsqueeze,
    np.broadcast_to: functions.expand,
    np.flip: lambda x, axis=None: functions.flip(x) if axis is None else functions.flip(x, axis),
    np.concatenate: functions.concatenate,
    np.stack: functions.stack,
    np.hstack: _hstack,
    np.vstack: lambda tup: functions.concatenate([_atleast_2d(x) for x in tup]),
    np.tile: lambda A, reps: functions.tile(A, reps),
    np.repeat: functions.repeat_interleave,
    np.roll: _renamed(functions.roll, shift="shifts"),
    np.inner: lambda a, b: _dot(a, b.T if np.ndim(b) == 2 else b),
    np.diag: _renamed(functions.diag, k="diagonal"),
    np.tril: _renamed(functions.tril, k="diagonal"),
    np.triu: _renamed(functions.triu, k="diagonal"),
    np.pad: _pad,
    np.take_along_axis: functions.take_along_axis,
    np.atleast_1d: _atleast_1d,
    np.atleast_2d: _atleast_2d,
    np.trace: lambda x: functions.einsum("ii->", x),
    np.copy: lambda x: x.clone(),
}


def apply_ufunc(cls: Any, ufunc: Any, method: str, inputs: Any, kw: dict[str, Any]) -> Any:
    """What a NumPy ufunc, or its reduce or accumulate, does on our types."""
    if kw.pop("out", None) is not None:
        raise TypeError(
            f"np.{ufunc.__name__}: cannot write a {cls.__name__} into an array; "
            "use x = x + t, or t.detach().numpy()"
        )
    if method == "__call__":
        row = UFUNCS.get(ufunc)
        if row is not None and not kw:
            return row(*inputs)
        if row is None and ufunc in PLAIN:
            return cls.__plain__(ufunc, inputs, kw)
    elif (ufunc, method) in REDUCE:
        kw.setdefault("axis", 0)
        kw = {k: v for k, v in kw.items() if v is not None or k == "axis"}
        return REDUCE[ufunc, method](*inputs, **kw)
    return _no_rule(cls, f"np.{ufunc.__name__}" + f".{method}" * (method != "__call__"))


def apply_function(cls: Any, function: Any, args: Any, kw: dict[str, Any]) -> Any:
    """What any other NumPy function does on our types."""
    if function in FUNCTIONS:
        return FUNCTIONS[function](*args, **kw)
    if function in PLAIN:
        return cls.__plain__(function, args, kw)
    return _no_rule(cls, f"np.{function.__name__}")


def _no_rule(cls: Any, name: str) -> Any:
    raise TypeError(
        f"{name}: there is no derivative rule for it, so it does not take a {cls.__name__}; "
        "use t.detach().numpy() for plain values, or add a row to the table (README)"
    )
