"""Idioms of signs, powers and sums; and guards, which change nothing here."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.axes import count
from ...engine.rules import ops
from ...program.expr import Symbol, is_op
from .expressions import GUARD, IDIOMS, array, inside, is_, number, split, symbol

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
