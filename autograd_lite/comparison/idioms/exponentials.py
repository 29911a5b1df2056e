"""What people write for softmax, its logarithm, logsumexp and softplus."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.axes import axes_of
from ...engine.rules import ops
from ...program.expr import Symbol, is_op
from .expressions import IDIOMS, array, axis_of, even, inside, is_, peeled, plus, split, symbol


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
