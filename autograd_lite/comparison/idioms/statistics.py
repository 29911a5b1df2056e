"""A normalisation as one operation, and what people write for it; the mask of dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.axes import count
from ...engine.op import Op
from ...engine.rules import ops
from ...program.expr import Symbol, is_op
from .expressions import FUSED, IDIOMS, array, inside, is_, number, peeled, split, symbol


def _normalise(x: Any, axis: Any, eps: float, correction: int) -> Any:
    return centred(x, axis) * deviation(x, axis, eps, correction)


def centred(x: Any, axis: Any) -> Any:
    return x - np.mean(x, axis=axis, keepdims=True)


def deviation(x: Any, axis: Any, eps: float, correction: int) -> Any:
    """1 over the standard deviation."""
    n = count(x, axis)
    square = np.sum(centred(x, axis) ** 2, axis=axis, keepdims=True) / (n - correction)
    return 1 / np.sqrt(square + eps)


def _back(g: Any, y: Any, x: Any, axis: Any, eps: float, correction: int) -> Any:
    own = np.sum(g * y, axis=axis, keepdims=True) / (count(x, axis) - correction)
    inner = g - np.mean(g, axis=axis, keepdims=True) - y * own
    return inner * deviation(x, axis, eps, correction)


normalise = Op("normalise", _normalise, _back, kind="along")


@IDIOMS.about(ops.div)
def mask_over_keep(r: Any, e: Symbol) -> Any:
    """x * t / n = x * (t / n)"""
    top, keep = e.inputs
    c: Any
    c, x = split(top) if is_op(top, ops.mul) else (None, None)
    if x is None or number(keep) is None or np.size(c) < 2 or not np.isin(c, (0, 1)).all():
        return None
    return r.do(ops.mul, x, np.asarray(c) / keep)


def centre(x: Any) -> tuple[Any, int | tuple[int, ...]] | None:
    """x and the axes of x - mean(x)."""
    m: Any = peeled(x.inputs[1]) if is_op(x, ops.sub) else None
    if not is_op(m, ops.mean) or m.inputs[0] is not x.inputs[0]:
        return None
    return x.inputs[0], m.kw["axis"]


def spread(v: Any) -> tuple[Any, Any, int] | None:
    """x, the axes and the correction of the variance of x."""
    v = peeled(v)
    if is_op(v, ops.var):
        return v.inputs[0], v.kw["axis"], v.kw["correction"]
    if is_op(v, ops.mean) and is_op(v.inputs[0], ops.power) and v.inputs[0].kw["p"] == 2:
        found = centre(v.inputs[0].inputs[0])
        return (*found, 0) if found and found[1] == v.kw["axis"] else None
    return None


@FUSED.about(ops.div)
def normalised(r: Any, e: Symbol) -> Any:
    """(x - mean(x, axis=0)) / sqrt(var(x, axis=0) + 0.1) = normalise(x, 0, 0.1, 0)"""
    top, low = e.inputs
    if is_op(top, ops.mul):
        for a, c in (top.inputs, top.inputs[::-1]):
            if centre(c) is not None and np.shape(array(a)) != c.shape:
                return r.do(ops.mul, a, r.do(ops.div, c, low))
    found, v = centre(top), inside(low, ops.sqrt)
    if found is None or not symbol(low):
        return None
    eps, inner = (0.0, v) if not is_op(v, ops.add) else split(v)
    if v is None and is_op(peeled(low), ops.std):
        std = peeled(low)
        of: Any = std.inputs[0], std.kw["axis"], std.kw["correction"]
        eps = 0.0
    else:
        of = spread(inner) if inner is not None and number(eps) is not None else None
    if of is None or of[0] is not found[0] or of[1] != found[1]:
        return None
    made = r.do(normalise, found[0], axis=of[1], eps=float(number(eps) or 0), correction=of[2])
    return made if np.allclose(made.value, e.value) else None


@FUSED.about(ops.mul)
def normalised_by_power(r: Any, e: Symbol) -> Any:
    """(x - mean(x, axis=0)) * (var(x, axis=0) + 0.1)**-0.5 = normalise(x, 0, 0.1, 0)"""
    for a, b in (e.inputs, e.inputs[::-1]):
        root = is_op(b, ops.rsqrt) or (is_op(b, ops.power) and b.kw["p"] == -0.5)
        if root and centre(a):
            return normalised(r, Symbol(ops.div, e.value, (a, r.do(ops.sqrt, b.inputs[0]))))
    return None


@FUSED.about(ops.div)
def over_a_root(r: Any, e: Symbol) -> Any:
    """y / sqrt(x) = y * x**-0.5"""
    x = inside(e.inputs[1], ops.sqrt)
    if x is None:
        return None
    root = r.do(ops.power, x, p=-0.5)
    return root if is_(e.inputs[0], 1) else r.do(ops.mul, e.inputs[0], root)
