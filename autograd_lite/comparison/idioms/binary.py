"""Binary cross-entropy as one operation, and what people write for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.op import Op
from ...engine.rules import ops
from ...program.expr import Symbol, is_op
from .expressions import IDIOMS, as_floats, inside, is_, number, peeled, split, symbol


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
