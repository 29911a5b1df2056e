"""What people write, as what they mean: the laws by which a tape is brought into standard form.

`1 / (1 + np.exp(-z))` is sigmoid, exponentials over their sum are softmax, and so on: mistakes are
named after what is meant. In a docstring x is any array, t an array of 0 and 1 that needs no
gradient, and n a number; a test runs every law.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.axes import axes_of, count
from ..engine.op import Op
from ..engine.rules import ops
from ..program.expr import Symbol, is_op
from ..program.rewrite import Laws, Rewriter

__all__ = [
    "FUSED", "GUARD", "IDIOMS", "Idioms", "deviation", "log_loss", "log_loss_of_p", "normalise",
]  # fmt: skip

IDIOMS = Laws()
FUSED = Laws()  # of what people write in small steps or at once: for a second look
GUARD = 1e-5  # what is added to keep a logarithm or a quotient finite, at most


# ---- what has no row of its own --------------------------------------------------------------


def _log_loss(z: Any, a: Any, b: Any) -> Any:
    return -(a * ops.softplus(-z) + b * ops.softplus(z))


log_loss = Op(
    "log_loss", _log_loss, lambda g, y, z, a, b: g * (a - (a + b) * ops.sigmoid(z)), kind="loss"
)


def _log_loss_of_p(p: Any, a: Any, b: Any) -> Any:
    return a * np.log(p) + b * np.log(1 - p)


log_loss_of_p = Op(
    "log_loss_of_p", _log_loss_of_p, lambda g, y, p, a, b: g * (a / p - b / (1 - p)), kind="loss"
)


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


# ---- expressions -----------------------------------------------------------------------------


class Idioms(Rewriter):
    """Makes expressions in standard form; `fused` takes the laws of the second look too.

    `guards` says that a small number, as in log(p + 1e-7), is left out.
    """

    def __init__(self, fused: bool = False, guards: bool = False) -> None:
        super().__init__(IDIOMS, *([FUSED] if fused else []))
        self.guards, self.dropped = guards, 0.0

    def do(self, op: Op, *inputs: Any, **kw: Any) -> Any:
        """An operation on standard inputs, in standard form; a number if none is a Symbol."""
        with np.errstate(all="ignore"):
            value = op.forward(*map(array, inputs), **kw)
        return self.rewrite(op, value, inputs, kw) if any(map(symbol, inputs)) else value

    def standard(self, e: Any) -> Any:
        """An expression in standard form."""
        if not isinstance(e, Symbol) or e.op is None:
            return e
        if id(e) not in self.memo:
            self.alive.append(e)
            inputs = tuple([self.standard(x) for x in e.inputs])
            self.memo[id(e)] = self.rewrite(e.op, e.value, inputs, e.kw)
        return self.memo[id(e)]


def as_floats(t: Any) -> Any:
    """Targets as numbers, which booleans are not."""
    return np.asarray(t, np.float64) if np.asarray(t).dtype.kind in "biu" else np.asarray(t)


def symbol(x: Any) -> bool:
    return isinstance(x, Symbol)


def array(x: Any) -> Any:
    return x.value if isinstance(x, Symbol) else x


def number(x: Any) -> float | None:
    """The number that a constant is everywhere, or None."""
    if isinstance(x, Symbol):
        return None
    a = np.asarray(x)
    return (
        float(a.flat[0]) if a.size and a.dtype.kind in "fiub" and (a == a.flat[0]).all() else None
    )


def is_(x: Any, n: float) -> bool:
    """Whether it is this number."""
    return not isinstance(x, Symbol) and np.size(x) == 1 and number(x) == n


def split(e: Any) -> tuple[Any, Any]:
    """The constant and the other input of a commutative operation; (None, None) without one."""
    a, b = e.inputs
    if symbol(a) == symbol(b):
        return None, None
    return (b, a) if symbol(a) else (a, b)


def plus(e: Any, n: float) -> Any:
    """The x of n + x, or None."""
    if not is_op(e, ops.add):
        return None
    c, x = split(e)
    return x if x is not None and is_(c, n) else None


def minus_one(e: Any) -> Any:
    """The x of x - 1, or None."""
    return e.inputs[0] if is_op(e, ops.sub) and is_(e.inputs[1], 1) else plus(e, -1)


def inside(e: Any, op: Op) -> Any:
    """The x of op(x), or None."""
    return e.inputs[0] if is_op(e, op) else None


def opposite(a: Any, b: Any) -> bool:
    """Whether one of two expressions is minus the other."""
    return inside(a, ops.neg) is b or inside(b, ops.neg) is a


def peeled(e: Any) -> Any:
    """An expression without the views around it."""
    while isinstance(e, Symbol) and e.op is not None and is_shaped(e):
        e = e.inputs[0]
    return e


def is_shaped(e: Symbol) -> bool:
    """Whether it has the elements of its input, in another shape."""
    return (e.op.kind == "view" and e.op not in (ops.cast, ops.flip)) or (
        e.op is ops.getitem and e.size == e.inputs[0].size
    )


def axis_of(d: Any, op: Op, x: Any) -> int | None:
    """The one axis of `x` along which `d` is its `op`, in a shape that broadcasts; or None."""
    inner = peeled(d)
    if not is_op(inner, op) or inner.inputs[0] is not x or not symbol(x):
        return None
    axes = axes_of(x, inner.kw["axis"])
    long = [a for a in axes if x.shape[a] > 1] or list(axes[:1])
    if len(long) != 1 or np.ndim(d.value) > x.ndim:
        return None
    wanted = op.forward(x.value, axis=long[0], keepdims=True)
    try:
        same = np.array_equal(np.broadcast_to(d.value, x.shape), np.broadcast_to(wanted, x.shape))
    except ValueError:
        return None
    return long[0] if same else None


def even(s: Any, x: Any, axis: int) -> bool:
    """Whether `s`, which is no name, is the same along an axis of what it is subtracted from."""
    if is_leaf_of(s) or np.ndim(array(s)) > x.ndim:
        return False
    return not np.size(s) or bool(
        (np.ptp(np.broadcast_to(array(s), x.shape), axis=axis) == 0).all()
    )


def is_leaf_of(s: Any) -> bool:
    return isinstance(s, Symbol) and s.op is None


# ---- signs, powers, sums ---------------------------------------------------------------------


@IDIOMS.about(ops.neg)
def minus_minus(r: Any, e: Symbol) -> Any:
    """--x = x"""
    return inside(e.inputs[0], ops.neg)


@IDIOMS.about(ops.mul)
def times_minus_one(r: Any, e: Symbol) -> Any:
    """-1 * x = -x"""
    c, x = split(e)
    return r.do(ops.neg, x) if x is not None and is_(c, -1) else None


@IDIOMS.about(ops.add, ops.sub)
def plus_zero(r: Any, e: Symbol) -> Any:
    """0 + x = x"""
    a, b = e.inputs
    if is_(b, 0) and symbol(a) and a.shape == e.shape:
        return a
    return b if e.op is ops.add and is_(a, 0) and symbol(b) and b.shape == e.shape else None


@IDIOMS.about(ops.sub)
def minus_a_product(r: Any, e: Symbol) -> Any:
    """x - -y = x + y"""
    b = inside(e.inputs[1], ops.neg)
    return r.do(ops.add, e.inputs[0], b) if b is not None else None


@IDIOMS.about(ops.mul)
def square(r: Any, e: Symbol) -> Any:
    """x * x = x**2"""
    return r.do(ops.power, e.inputs[0], p=2) if e.inputs[0] is e.inputs[1] else None


@IDIOMS.about(ops.pow)
def power_of_a_number(r: Any, e: Symbol) -> Any:
    """x ** 2 = power(x, 2)"""
    x, p = e.inputs
    exponent = number(p) if np.size(array(p)) == 1 else None
    if not symbol(x) or exponent is None:
        return None
    return r.do(ops.power, x, p=int(exponent) if exponent.is_integer() else exponent)


@IDIOMS.about(ops.power)
def power(r: Any, e: Symbol) -> Any:
    """x**0.5 = sqrt(x)
    x**-1 = 1 / x
    abs(x)**2 = x**2
    """
    x, p = e.inputs[0], e.kw["p"]
    if p == 0.5:
        return r.do(ops.sqrt, x)
    if p == -1:
        return r.do(ops.div, 1, x)
    return r.do(ops.power, x.inputs[0], p=2) if p == 2 and is_op(x, ops.abs) else None


@IDIOMS.about(ops.mul)
def times_one_over(r: Any, e: Symbol) -> Any:
    """x * (1 / y) = x / y"""
    for a, b in (e.inputs, e.inputs[::-1]):
        if is_op(b, ops.div) and is_(b.inputs[0], 1) and symbol(a):
            return r.do(ops.div, a, b.inputs[1])
    return None


@IDIOMS.about(ops.add)
def sum_of_rows(r: Any, e: Symbol) -> Any:
    """x[0] + x[1] + x[2] = sum(x, axis=0)"""
    last: Any = e.inputs[1]
    x = inside(last, ops.getitem)
    n = x.shape[0] - 1 if symbol(x) and x.ndim else 0
    rest: Any = e
    for i in range(n, 0, -1):
        if not is_op(rest, ops.add) or not is_row(rest.inputs[1], x, i):
            return None
        rest = rest.inputs[0]
    return r.do(ops.sum, x, axis=0, keepdims=False) if n and is_row(rest, x, 0) else None


def is_row(e: Any, x: Any, i: int) -> bool:
    return is_op(e, ops.getitem) and e.inputs[0] is x and e.kw["index"] in (i, i - x.shape[0])


@IDIOMS.about(ops.div, ops.mul)
def sum_over_count(r: Any, e: Symbol) -> Any:
    """sum(x, axis=0) / 3 = mean(x, axis=0)"""
    s, c = e.inputs if e.op is ops.div else split(e)[::-1]
    c = number(c) if c is not None and np.size(array(c)) == 1 else None
    if not c or not is_op(s, ops.sum):
        return None
    c, n = (c if e.op is ops.div else 1 / c), count(s.inputs[0], s.kw["axis"])
    return r.do(ops.mean, s.inputs[0], **s.kw) if n > 1 and abs(c - n) < 1e-9 * n else None


# ---- guards: what changes nothing here -------------------------------------------------------


# written to keep numbers in bounds, which often changes none of them
@IDIOMS.about(ops.clip, ops.maximum, ops.minimum, ops.nan_to_num)
def guard(r: Any, e: Symbol) -> Any:
    """clip(x, -500, 500) = x
    maximum(x, -100) = x
    """
    x = e.inputs[0] if symbol(e.inputs[0]) else e.inputs[-1]
    others = [a for a in e.inputs if a is not x]
    same = symbol(x) and x.shape == e.shape and not any(map(symbol, others))
    limit = any(is_(a, 0) for a in (*others, e.kw.get("low"), e.kw.get("high")))
    return x if same and not limit and np.array_equal(x.value, e.value) else None


@IDIOMS.about(ops.log, ops.div)
def small_number(r: Any, e: Symbol) -> Any:
    """log(x + 1e-9) = log(x)
    y / (x + 1e-9) = y / x
    """
    inner: Any = e.inputs[-1]
    if not r.guards or not is_op(inner, ops.add):
        return None
    c, x = split(inner)
    if x is None or not 0 < (number(c) or 0) <= GUARD:
        return None
    r.dropped = max(r.dropped, number(c))
    return r.do(e.op, *e.inputs[:-1], x)


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


# ---- softmax ---------------------------------------------------------------------------------


@IDIOMS.about(ops.div)
def softmax(r: Any, e: Symbol) -> Any:
    """exp(x) / sum(exp(x), axis=1, keepdims=True) = softmax(x, axis=1)
    exp(x) / sum(exp(x), axis=1)[:, None] = softmax(x, axis=1)
    """
    power, low = e.inputs
    x = inside(power, ops.exp)
    axis = axis_of(low, ops.sum, power) if x is not None and symbol(low) else None
    return r.do(ops.softmax, x, axis=axis) if axis is not None else None


@IDIOMS.about(ops.exp)
def softmax_of_its_log(r: Any, e: Symbol) -> Any:
    """exp(log_softmax(x, axis=1)) = softmax(x, axis=1)"""
    x = e.inputs[0]
    return r.do(ops.softmax, x.inputs[0], **x.kw) if is_op(x, ops.log_softmax) else None


@IDIOMS.about(ops.softmax, ops.log_softmax)
def shifted(r: Any, e: Symbol) -> Any:
    """softmax(x - max(x, axis=1, keepdims=True), axis=1) = softmax(x, axis=1)"""
    x: Any = e.inputs[0]
    if not is_op(x, ops.sub) or not symbol(x.inputs[0]) or x.inputs[0].shape != e.shape:
        return None
    return r.do(e.op, x.inputs[0], **e.kw) if even(x.inputs[1], x, e.kw["axis"]) else None


@IDIOMS.about(ops.log)
def log_of(r: Any, e: Symbol) -> Any:
    """log(softmax(x, axis=1)) = log_softmax(x, axis=1)
    log(softmax(x, axis=1)[k]) = log_softmax(x, axis=1)[k]
    log(sum(exp(x), axis=1)) = logsumexp(x, axis=1)
    log(1 + exp(x)) = softplus(x)
    """
    x: Any = e.inputs[0]
    if is_op(x, ops.softmax):
        return r.do(ops.log_softmax, x.inputs[0], **x.kw)
    if is_op(x, ops.getitem, ops.mT) and is_op(x.inputs[0], ops.softmax, ops.sigmoid):
        return r.do(x.op, r.do(ops.log, x.inputs[0]), **x.kw)
    if is_op(x, ops.sum) and is_op(x.inputs[0], ops.exp):
        return r.do(ops.logsumexp, x.inputs[0].inputs[0], **x.kw)
    if is_op(x, ops.sum) and is_op(x.inputs[0], ops.mul):
        t, p = split(x.inputs[0])
        if is_op(p, ops.softmax) and one_hot(t, p):
            return r.do(ops.sum, r.do(ops.mul, t, r.do(ops.log, p)), **x.kw)
    power = inside(plus(x, 1), ops.exp)
    return r.do(ops.softplus, power) if power is not None else None


def one_hot(t: Any, p: Symbol) -> bool:
    """Whether an array has one 1 along the axis of a softmax, and else 0."""
    a = np.asarray(t)
    if a.shape != p.shape or not np.isin(a, (0, 1)).all():
        return False
    return bool((a.sum(axis=p.kw["axis"]) == 1).all())


@IDIOMS.about(ops.log1p, ops.logaddexp)
def softplus(r: Any, e: Symbol) -> Any:
    """log1p(exp(x)) = softplus(x)
    logaddexp(0, x) = softplus(x)
    """
    if e.op is ops.log1p:
        x = inside(e.inputs[0], ops.exp)
    else:
        c, x = split(e)
        x = x if x is not None and is_(c, 0) else None
    return r.do(ops.softplus, x) if x is not None else None


@IDIOMS.about(ops.sub)
def log_softmax(r: Any, e: Symbol) -> Any:
    """x - logsumexp(x, axis=1, keepdims=True) = log_softmax(x, axis=1)
    logsumexp(x, axis=1, keepdims=True) - x = -log_softmax(x, axis=1)
    """
    for sign, (x, low) in ((1, e.inputs), (-1, e.inputs[::-1])):
        axis = axis_of(low, ops.logsumexp, x) if symbol(low) else None
        if axis is not None:
            made = r.do(ops.log_softmax, x, axis=axis)
            return made if sign > 0 else r.do(ops.neg, made)
    return None


@IDIOMS.about(ops.sub)
def shift_of_both(r: Any, e: Symbol) -> Any:
    """(x[0] - max(x)) - log(sum(exp(x - max(x)))) = x[0] - logsumexp(x)"""
    a, low = e.inputs
    z: Any = inside(low, ops.logsumexp) if symbol(low) else None
    if not is_op(a, ops.sub) or not is_op(z, ops.sub) or a.shape != e.shape or low.ndim:
        return None
    if a.inputs[1] is not z.inputs[1] or np.size(array(z.inputs[1])) != 1:
        return None
    return r.do(ops.sub, a.inputs[0], r.do(ops.logsumexp, z.inputs[0], **low.kw))


@IDIOMS.about(ops.sub)
def log_softmax_of_classes(r: Any, e: Symbol) -> Any:
    """logsumexp(x, axis=1) - x[(arange(3), k)] = -log_softmax(x, axis=1)[(arange(3), k)]"""
    for sign, (low, x) in ((-1, e.inputs), (1, e.inputs[::-1])):
        if not is_op(low, ops.logsumexp) or not symbol(x) or x.shape != low.shape:
            continue
        z, axis = low.inputs[0], axes_of(low.inputs[0], low.kw["axis"])
        if len(axis) == 1 and picks(x, z, axis[0]):
            inner = r.do(ops.log_softmax, z, axis=axis[0])
            again = r.do(x.op, *[inner if i is z else i for i in x.inputs], **x.kw)
            if is_op(x, ops.sum):
                t, _ = split(x.inputs[0])
                again = r.do(ops.sum, r.do(ops.mul, t, inner), **x.kw)
            return r.do(ops.neg, again) if sign < 0 else again
    return None


def picks(x: Symbol, z: Any, axis: int) -> bool:
    """Whether `x` is one element of each line of `z` along an axis."""
    if is_op(x, ops.getitem) and x.inputs[0] is z:
        lines = np.broadcast_to(
            np.expand_dims(
                np.arange(z.size // z.shape[axis]).reshape(np.delete(z.shape, axis)), axis
            ),
            z.shape,
        )
        return np.array_equal(lines[x.kw["index"]].ravel(), np.arange(x.size))
    if is_op(x, ops.sum) and is_op(x.inputs[0], ops.mul):
        t, inner = split(x.inputs[0])
        return (
            inner is z
            and axes_of(z, x.kw["axis"]) == (axis,)
            and bool((np.sum(np.broadcast_to(t, z.shape), axis=axis) == 1).all())
        )
    return False


@IDIOMS.about(ops.add)
def logsumexp_shifted(r: Any, e: Symbol) -> Any:
    """max(x, axis=1) + log(sum(exp(x - max(x, axis=1)[:, None]), axis=1)) = logsumexp(x, axis=1)"""
    for low, s in (e.inputs, e.inputs[::-1]):
        x: Any = inside(low, ops.logsumexp)
        if is_op(x, ops.sub) and symbol(s) and peeled(x.inputs[1]) is peeled(s):
            axis = axes_of(x, low.kw["axis"])
            if len(axis) == 1 and even(x.inputs[1], x, axis[0]) and low.shape == e.shape:
                return r.do(ops.logsumexp, x.inputs[0], **low.kw)
    return None


# ---- binary cross-entropy --------------------------------------------------------------------


def logs(e: Any) -> tuple[bool, Any, Any] | None:
    """For log(p) and log(1 - p): which, p, and z if p is its sigmoid."""
    p = inside(e, ops.log)
    if p is None or not symbol(p):
        return None
    other = p.inputs[1] if is_op(p, ops.sub) and is_(p.inputs[0], 1) else None
    inner = p if other is None else other
    return other is None, inner, inside(inner, ops.sigmoid)


class Term:
    """One term of a sum: a constant times log(p) or log(1 - p), inside some reductions."""

    def __init__(self, e: Any, c: Any) -> None:
        self.c, self.around = c, []
        self.log: tuple[bool, Any, Any] | None = None
        while isinstance(e, Symbol) and e.op is not None and self.log is None:
            self.log = logs(e)
            c, x = split(e) if is_op(e, ops.mul) else (None, None)
            if self.log is not None:
                return
            if is_op(e, ops.neg):
                self.c, e = -self.c, e.inputs[0]
            elif is_op(e, ops.div) and number(e.inputs[1]) is not None:
                self.c, e = self.c / number(e.inputs[1]), e.inputs[0]
            elif x is not None and x.shape == e.shape:
                self.c, e = self.c * as_floats(c), x
            elif (is_op(e, ops.sum, ops.mean) or is_op(e, ops.reshape)) and np.ndim(self.c) == 0:
                self.around.append((e.op, e.kw))
                e = e.inputs[0]
            else:
                return


@IDIOMS.about(ops.add, ops.sub)
def binary_cross_entropy(r: Any, e: Symbol) -> Any:
    """t * log(sigmoid(x)) + (1 - t) * log(1 - sigmoid(x)) = log_loss(x, t, 1 - t)"""
    if not all(map(symbol, e.inputs)):
        return None
    a, b = Term(e.inputs[0], 1.0), Term(e.inputs[1], 1.0 if e.op is ops.add else -1.0)
    if a.log is None or b.log is None or a.log[1] is not b.log[1] or a.log[0] == b.log[0]:
        return None
    if [(op, sorted(kw.items())) for op, kw in a.around] != [
        (op, sorted(kw.items())) for op, kw in b.around
    ]:
        return None
    one, other = (a, b) if a.log[0] else (b, a)
    return joined(r, a.log[1:], one.c, other.c, a.around)


def joined(r: Any, of: Any, a: Any, b: Any, around: Any) -> Any:
    p, z = of
    x = p if z is None else z
    a, b = (np.broadcast_to(np.asarray(c, x.dtype), x.shape) for c in (a, b))
    made = r.do(log_loss_of_p, p, a, b) if z is None else r.do(log_loss, z, a, b)
    for op, kw in reversed(around):
        made = r.do(op, made, **kw)
    return made


@IDIOMS.about(ops.where)
def binary_by_where(r: Any, e: Symbol) -> Any:
    """where(t == 1, log(sigmoid(x)), log(1 - sigmoid(x))) = log_loss(x, t, 1 - t)"""
    c, one, other = e.inputs
    if symbol(c) or not symbol(one) or not symbol(other):
        return None
    a, b = Term(one, np.asarray(c, float)), Term(other, 1.0 - np.asarray(c, float))
    if a.log is None or b.log is None or a.log[1] is not b.log[1] or not a.log[0] or b.log[0]:
        return None
    return joined(r, a.log[1:], a.c, b.c, []) if not a.around and not b.around else None


@IDIOMS.about("loss")
def binary_by_name(r: Any, e: Symbol) -> Any:
    """nn's own, by their names: the comparison does not need nn"""
    if not e.op.name.startswith("binary_cross_entropy") or len(e.inputs) != 2:
        return None
    x, t = e.inputs
    if not symbol(x) or symbol(t):
        return None
    z = inside(x, ops.sigmoid) if e.op.name == "binary_cross_entropy" else x
    of = (x, z) if e.op.name == "binary_cross_entropy" else (None, z)
    t = as_floats(t)
    made = joined(r, of, -t, t - 1, [])
    return made if np.allclose(made.value, e.value, 1e-6) else None


@IDIOMS.about(ops.matmul)
def sum_of_products(r: Any, e: Symbol) -> Any:
    """t[:1] @ log(x[:1]).mT = sum(t[:1] * log(x[:1])).reshape((1, 1))"""
    a, b = e.inputs
    if e.size != 1 or symbol(a) == symbol(b):
        return None
    c, x = (b, a) if symbol(a) else (a, b)
    inner = peeled(x)
    if not is_op(inner, ops.log) or inner.size != np.size(c):
        return None
    made = r.do(
        ops.sum, r.do(ops.mul, np.reshape(c, inner.shape), inner), axis=None, keepdims=False
    )
    return r.do(ops.reshape, made, shape=e.shape) if e.shape else made


# ---- dropout, and what is normalised ---------------------------------------------------------


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
        if is_op(b, ops.power) and b.kw["p"] == -0.5 and centre(a):
            return normalised(r, Symbol(ops.div, e.value, (a, r.do(ops.sqrt, b.inputs[0]))))
        if is_op(b, ops.rsqrt) and centre(a):
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
