"""Derivatives and masks of curves that are left out, or taken of another function or elsewhere."""

from __future__ import annotations

import numpy as np

from ....engine.rules import ops
from .row import ACTIVATION, ALONG, MASK, MAXIMUM, Table, curve, only, pair, smooth, through

# mistakes are named by what is confused with what: the mask of relu, the slopes of tanh and sigmoid
ACTIVATIONS: Table = {
    "relu-mask-missing: the mask of {op} left out": [
        (MASK, lambda g, y, x, **kw: g),
        (MAXIMUM, lambda g, y, a, b: g),
    ],
    "relu-mask-from-upstream: the mask of {op} taken from the arriving gradient, "
    "not from its input": [
        (MAXIMUM, lambda g, y, a, b: g * (g > 0)),
        (MASK, lambda g, y, x, op, rule, **kw: rule(g, op(g, **kw), g, **kw)),
    ],
    "relu-mask-reversed: the mask of {op} reversed: kept where its input is negative": [
        (
            MASK,
            lambda g, y, x, rule, **kw: g * rule(1 + 0 * g, y, x, **kw).max() - rule(g, y, x, **kw),
        )
    ],
    "activation-missing: the derivative of {op} left out": [
        (smooth, lambda g, y, x, **kw: g),
        (pair, lambda g, y, a, b, **kw: g),
    ],
    "activation-missing: the Jacobian of {op} left out": [(ALONG, lambda g, y, x, **kw: g)],
    "activation-at-output: the derivative of {op} evaluated at its output": [
        (smooth, lambda g, y, x, op, rule, **kw: rule(g, op(y, **kw), y, **kw))
    ],
    "activation-at-gradient: the derivative of {op} evaluated at the arriving gradient": [
        (smooth, lambda g, y, x, op, rule, **kw: rule(g, op(g, **kw), g, **kw))
    ],
    "activation-not-derived: {op} itself used for its derivative": [
        (curve, lambda g, y, x, **kw: g * y)
    ],
    "activation-not-derived: 1 - y used for the derivative of {op}": [
        (only(ops.tanh, ops.sigmoid), lambda g, y, x: g * (1 - y))
    ],
    "activation-not-derived: the derivative of sigmoid used for {op}": [
        (ACTIVATION, lambda g, y, x, **kw: g * y * (1 - y)),
        (ACTIVATION, lambda g, y, x, **kw: through(g, x)),
    ],
    "activation-not-derived: the derivative of tanh used for {op}": [
        (ACTIVATION, lambda g, y, x, **kw: g * (1 - y * y)),
        (ACTIVATION, lambda g, y, x, **kw: g * (1 - np.tanh(x) * np.tanh(x))),
    ],
    "activation-not-derived: {op}' computed from the input as if it were {op}": [
        (only(ops.tanh), lambda g, y, x: g * (1 - x * x)),
        (only(ops.sigmoid), lambda g, y, x: g * x * (1 - x)),
    ],
    "activation-not-derived: the derivative of relu used for {op}": [
        (ACTIVATION, lambda g, y, x, **kw: g * (x > 0))
    ],
    "activation-not-derived: {op} itself used for its Jacobian": [
        (ALONG, lambda g, y, x, **kw: g * y)
    ],
    "activation-twice: the derivative of {op} applied twice": [
        (smooth, lambda g, y, x, rule, **kw: rule(rule(g, y, x, **kw), y, x, **kw))
    ],
}
