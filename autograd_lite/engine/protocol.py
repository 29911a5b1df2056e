"""NumPy's own functions on our types: `np.exp(t)`, `array * t`, `np.sum(t)` call rows.

Tensor and Symbol share this: what NumPy calls becomes the same call of a row for both. Rows and
functions say themselves which function of NumPy they are; what NumPy calls otherwise, or makes of
others, stands in `numpy_words`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import rules
from .arrays import narrowed, number, unboxed
from .declare import forms
from .methods import on_tensors
from .modes import mode
from .tensor import Tensor

# their derivative is 0 wherever it exists: plain data, with no gradient
PLAIN = {
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
    np.logical_and, np.logical_or, np.logical_not, np.logical_xor,
    np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert,
    np.isnan, np.isinf, np.isfinite, np.signbit,
    np.argmax, np.argmin, np.argsort, np.allclose, np.isclose, np.array_equal, np.any, np.all,
    np.count_nonzero, np.nonzero, np.zeros_like, np.ones_like, np.full_like, np.empty_like,
    np.shape, np.ndim, np.size,
    np.may_share_memory, np.shares_memory, np.result_type, np.can_cast,
    np.floor_divide, np.nanargmax, np.nanargmin, np.searchsorted,
    np.heaviside,
}  # fmt: skip


WRITES = {  # into their first argument, past the counts of versions
    np.copyto, np.put, np.place, np.putmask, np.put_along_axis, np.fill_diagonal,
}  # fmt: skip
# scipy.special is not imported here: what it calls its ufuncs is enough
SCIPY = {"expit": rules.sigmoid, "log_expit": rules.logsigmoid, "erf": rules.erf}


def apply_ufunc(cls: Any, ufunc: Any, way: str, inputs: Any, kw: dict[str, Any]) -> Any:
    """What a NumPy ufunc, or its reduce or accumulate, does on our types."""
    out = kw.pop("out", None)
    if out is not None or way == "at":
        return _written(cls, ufunc, way, inputs, kw if out is None else {**kw, "out": out})
    dtype = kw.pop("dtype", None)
    if dtype is not None:
        inputs = tuple(x.to(dtype) if hasattr(x, "__op__") else x for x in inputs)
    if way == "__call__":
        form = forms.get(ufunc) or SCIPY.get(ufunc.__name__)
        if form is not None and not kw:
            return form(*inputs)
        if form is None and ufunc in PLAIN:
            return _plainly(cls, ufunc, tuple(map(number, inputs)), kw)
    elif way == "outer" and ufunc in forms:
        return _outer(forms[ufunc], *inputs)
    elif (ufunc, way) in forms:
        kw = {"axis": 0} | {k: v for k, v in kw.items() if v is not None or k == "axis"}
        return forms[ufunc, way](*inputs, **kw)
    if plain(inputs):
        return Tensor.__plain__(getattr(ufunc, way), inputs, kw)
    return _no_rule(cls, f"np.{ufunc.__name__}" + f".{way}" * (way != "__call__"))


def _plainly(cls: Any, ufunc: Any, inputs: Any, kw: dict[str, Any]) -> Any:
    """Plain data of a ufunc; of ints and floats, as // makes, in PyTorch's float type."""
    y = cls.__plain__(ufunc, inputs, kw)
    floats, given = cls is Tensor and y.dtype.kind == "f", unboxed(inputs)
    narrow = narrowed(rules.ops.div, (None,) * len(given), given, y) if floats else None
    return y if narrow is None else cls.__plain__(ufunc, narrow, kw)


def _outer(form: Any, a: Any, b: Any) -> Any:
    """Each element of `a` with each of `b`."""
    a, b = (x if hasattr(x, "ndim") else np.asarray(x) for x in (a, b))
    return form(a.reshape(a.shape + (1,) * b.ndim), b)


def _written(cls: Any, ufunc: Any, way: str, inputs: Any, kw: dict[str, Any]) -> Any:
    """What is written into an array: values alone, as an array has no gradient."""
    boxes = [x for x in inputs if hasattr(x, "__op__")]
    into = inputs[:1] if way == "at" else kw["out"]
    followed = cls is not Tensor or (mode.grad and any(t.requires_grad for t in boxes))
    if way == "at" and hasattr(into[0], "__op__"):
        return _no_rule(cls, f"np.{ufunc.__name__}.at")
    if followed or any(hasattr(x, "__op__") for x in into):
        needs = " that requires grad" * (cls is Tensor and followed)
        raise TypeError(
            f"np.{ufunc.__name__}: cannot write a {cls.__name__}{needs} into an array; "
            "use x = x + t, or t.detach().numpy()"
        )
    return getattr(ufunc, way)(*unboxed(inputs), **kw)


def apply_function(cls: Any, function: Any, args: Any, kw: dict[str, Any]) -> Any:
    """What any other NumPy function does on our types."""
    if function in forms:
        return forms[function](*args, **kw)
    if function in PLAIN:
        return cls.__plain__(function, args, kw)
    if function not in WRITES and not kw.get("out") and plain((args, kw)):
        return Tensor.__plain__(function, args, kw)
    return _no_rule(cls, f"np.{function.__name__}")


def plain(x: Any) -> bool:
    """Whether the arguments of a function hold tensors that need no gradient, and no Symbols."""
    if isinstance(x, tuple | list | dict):
        return all(plain(item) for item in (x.values() if isinstance(x, dict) else x))
    return not hasattr(x, "__op__") or (isinstance(x, Tensor) and not x.requires_grad)


def _no_rule(cls: Any, name: str) -> Any:
    raise TypeError(
        f"{name}: there is no derivative rule for it, so it does not take a {cls.__name__}; "
        "use t.detach().numpy() for plain values, or make it an Op (docs/how/add.md)"
    )


@on_tensors
class Protocols:
    """What NumPy calls where a Tensor is among its arguments."""

    def __array_ufunc__(self, ufunc: Any, way: str, *inputs: Any, **kw: Any) -> Any:
        return apply_ufunc(Tensor, ufunc, way, inputs, kw)

    def __array_function__(self, function: Any, types: Any, args: Any, kw: Any) -> Any:
        return apply_function(Tensor, function, args, kw)
