"""What people write for sigmoid, tanh and relu."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.rules import ops
from ...program.expr import Symbol, is_op
from .expressions import IDIOMS, inside, is_, minus_one, number, opposite, plus, split, symbol

# ---- sigmoid and tanh ------------------------------------------------------------------------


@IDIOMS.about(ops.div)
def sigmoid(r: Any, e: Symbol) -> Any:
    """1 / (1 + exp(-x)) = sigmoid(x)
    1 / (1 + exp(x)) = sigmoid(-x)
    exp(x) / (1 + exp(x)) = sigmoid(x)
    exp(-x) / (1 + exp(-x)) = sigmoid(-x)
    """
    top, power = e.inputs[0], inside(plus(e.inputs[1], 1), ops.exp)
    if power is None:
        return None
    if is_(top, 1):
        return r.do(ops.sigmoid, r.do(ops.neg, power))
    return r.do(ops.sigmoid, power) if inside(top, ops.exp) is power else None


@IDIOMS.about(ops.div)
def sigmoid_by_halves(r: Any, e: Symbol) -> Any:
    """(1 + tanh(x / 2)) / 2 = sigmoid(x)"""
    half: Any = inside(plus(e.inputs[0], 1), ops.tanh) if is_(e.inputs[1], 2) else None
    x = half.inputs[0] if is_op(half, ops.div) and is_(half.inputs[1], 2) else None
    return r.do(ops.sigmoid, x) if x is not None else None


@IDIOMS.about(ops.where)
def same_on_both_sides(r: Any, e: Symbol) -> Any:
    """where(x > 0, sigmoid(x), sigmoid(x)) = sigmoid(x)
    where(x > 0, sigmoid(abs(x)), sigmoid(-abs(x))) = sigmoid(x)
    """
    _, a, b = e.inputs
    if a is b and symbol(a) and a.shape == e.shape:
        return a
    x = inside(inside(a, ops.sigmoid), ops.abs)
    if x is None or inside(inside(inside(b, ops.sigmoid), ops.neg), ops.abs) is not x:
        return None
    return r.do(ops.sigmoid, x) if np.array_equal(e.value, ops.sigmoid(x.value)) else None


@IDIOMS.about(ops.div)
def tanh(r: Any, e: Symbol) -> Any:
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)) = tanh(x)
    sinh(x) / cosh(x) = tanh(x)
    (exp(2 * x) - 1) / (exp(2 * x) + 1) = tanh(x)
    (1 - exp(-2 * x)) / (1 + exp(-2 * x)) = tanh(x)
    """
    top, low = e.inputs
    if is_op(top, ops.sinh) and is_op(low, ops.cosh) and top.inputs[0] is low.inputs[0]:
        return r.do(ops.tanh, top.inputs[0])
    if is_op(top, ops.sub) and is_op(low, ops.add) and top.inputs[0] is low.inputs[0]:
        a, b = (inside(x, ops.exp) for x in top.inputs)
        same = top.inputs[1] is low.inputs[1] and a is not None and b is not None
        if same and opposite(a, b):
            return r.do(ops.tanh, a)
    power = inside(plus(low, 1), ops.exp)
    if power is None:
        return None
    if inside(minus_one(top), ops.exp) is power:
        return tanh_of_half(r, power)
    if is_op(top, ops.sub) and is_(top.inputs[0], 1) and inside(top.inputs[1], ops.exp) is power:
        return tanh_of_half(r, r.do(ops.neg, power))
    return None


def tanh_of_half(r: Any, e: Any) -> Any:
    """tanh(x) for e = 2 x."""
    minus = inside(e, ops.neg)
    inner = e if minus is None else minus
    c, x = split(inner) if is_op(inner, ops.mul) else (None, None)
    if x is None or abs(number(c) or 0) != 2:
        return None
    back = (number(c) or 0) * (1 if minus is None else -1) < 0
    return r.do(ops.tanh, r.do(ops.neg, x) if back else x)


@IDIOMS.about(ops.sub)
def tanh_by_sigmoid(r: Any, e: Symbol) -> Any:
    """2 * sigmoid(2 * x) - 1 = tanh(x)
    1 - 2 * sigmoid(-2 * x) = tanh(x)
    1 - 2 / (exp(2 * x) + 1) = tanh(x)
    """
    a, b = e.inputs
    if is_(b, 1) and is_op(a, ops.mul):
        c, s = split(a)
        z = inside(s, ops.sigmoid) if is_(c, 2) else None
        return tanh_of_half(r, z) if z is not None else None
    if is_(a, 1) and is_op(b, ops.mul, ops.div):
        power = inside(plus(b.inputs[1], 1), ops.exp) if is_op(b, ops.div) else None
        if power is not None and is_(b.inputs[0], 2):
            return tanh_of_half(r, power)
        c, s = split(b) if is_op(b, ops.mul) else (None, None)
        z = inside(s, ops.sigmoid) if is_(c, 2) else None
        return tanh_of_half(r, r.do(ops.neg, z)) if z is not None else None
    return None


# ---- relu and its kin ------------------------------------------------------------------------


def positive(c: Any, x: Any) -> bool:
    """Whether a constant says where `x` is positive, in two kinds."""
    if symbol(c) or not symbol(x) or np.shape(c) != x.shape:
        return False
    mask = np.asarray(c)
    found = np.array_equal(mask, x.value > 0) or np.array_equal(mask, x.value >= 0)
    return bool(found and 0 < np.count_nonzero(mask) < mask.size)


@IDIOMS.about(ops.maximum)
def relu_by_maximum(r: Any, e: Symbol) -> Any:
    """maximum(x - 1, 0) = relu(x - 1)
    maximum(x, 0.1 * x) = leaky_relu(x, 0.1)
    """
    for a, x in (e.inputs, e.inputs[::-1]):
        if is_(a, 0):
            return r.do(ops.relu, x)
        c, same = split(a) if is_op(a, ops.mul) else (None, None)
        if same is x and symbol(x) and 0 < (number(c) or 0) < 1:
            return r.do(ops.leaky_relu, x, slope=number(c))
    return None


@IDIOMS.about(ops.where)
def relu_by_where(r: Any, e: Symbol) -> Any:
    """where(x > 0, x, 0) = relu(x)
    where(x > 0, x, 0.1 * x) = leaky_relu(x, 0.1)
    """
    c, x, low = e.inputs
    if not positive(c, x):
        return None
    if is_(low, 0) or number(low) == 0:
        return r.do(ops.relu, x)
    n, same = split(low) if is_op(low, ops.mul) else (None, None)
    return r.do(ops.leaky_relu, x, slope=number(n)) if same is x and number(n) is not None else None


@IDIOMS.about(ops.mul)
def relu_by_mask(r: Any, e: Symbol) -> Any:
    """x * (x > 0) = relu(x)"""
    c, x = split(e)
    return r.do(ops.relu, x) if x is not None and positive(c, x) else None


@IDIOMS.about(ops.clip)
def relu_by_clip(r: Any, e: Symbol) -> Any:
    """clip(x - 1, 0, None) = relu(x - 1)"""
    high = e.kw.get("high")
    open_ = high is None or (np.size(high) == 1 and float(np.max(high)) == np.inf)
    return r.do(ops.relu, e.inputs[0]) if open_ and is_(e.kw.get("low"), 0) else None


@IDIOMS.about(ops.div, ops.mul)
def relu_by_abs(r: Any, e: Symbol) -> Any:
    """(x + abs(x)) / 2 = relu(x)"""
    s, half = e.inputs if e.op is ops.div else split(e)[::-1]
    if not is_op(s, ops.add) or number(half) != (2 if e.op is ops.div else 0.5):
        return None
    for x, a in (s.inputs, s.inputs[::-1]):
        if is_op(a, ops.abs) and a.inputs[0] is x:
            return r.do(ops.relu, x)
    return None
