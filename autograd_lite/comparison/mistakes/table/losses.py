"""Wrong rules of softmax, of cross-entropy and of its binary form."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....engine.rules import ops
from .row import (
    LOG,
    LOG_LOSS,
    LOG_LOSS_OF_P,
    LOG_SOFTMAX,
    SOFTMAX,
    Table,
    other,
    sum_along,
    through,
)


def softmax_jacobian(p: Any, g: Any, axis: int) -> Any:
    """The product of `g` with the Jacobian of softmax at the probabilities `p`."""
    return p * (g - sum_along(g * p, axis))


def from_log(g: Any, y: Any, axis: int) -> Any:
    """The right gradient of the logits from the log-probabilities `y`: p - t."""
    return g - np.exp(y) * sum_along(g, axis)


def binary_term(g: Any, p: Any, axis: int) -> Any:
    """The (1 - t) / (1 - p) of binary cross-entropy, where g = -c t and the targets sum to 1."""
    return (g - sum_along(g, axis)) / (1 - p)


def labels(g: Any, axis: int) -> Any:
    """The number of the class that each line of a gradient is about: where it is not zero."""
    a = np.asarray(getattr(g, "value", g))
    if (np.count_nonzero(a, axis=axis) != 1).any():
        raise ValueError("targets-wrong: not one class a line")
    return np.expand_dims((a != 0).argmax(axis), axis)


def every(g: Any, axis: int) -> Any:
    """1 for each class that any line is about, and 0 for the others."""
    labels(g, axis)
    a = np.asarray(getattr(g, "value", g))
    return ((a != 0).any(axis=1 - axis if a.ndim == 2 else None, keepdims=True) + 0 * a) * 1.0


def masked(y: Any) -> Any:
    """1 where probabilities are not 0; ValueError if none is."""
    a = np.asarray(getattr(y, "value", y))
    if a.all():
        raise ValueError("activation-missing: nothing is masked")
    return (a != 0) * 1.0


def even_out(a: Any, b: Any) -> Any:
    """Weights `a` scaled as those of `b` are; ValueError if they are already."""
    u, v = (np.abs(np.asarray(getattr(x, "value", x))) for x in (a, b))
    axis = (
        None
        if u.ndim != 2 or u.max() * v.max() == 0
        else (None if np.allclose(u.max(0), u.max()) and np.allclose(v.max(0), v.max()) else 0)
    )
    m, n = (x.max(axis=axis, keepdims=True) for x in (u, v))
    if not m.all() or not n.all() or np.allclose(m, n):
        raise ValueError("class-weight: no weight")
    return a * (n / m)


def hard(g: Any, axis: int) -> Any:
    """1 at the largest target of each line, and else 0."""
    a = np.abs(np.asarray(getattr(g, "value", g)))
    return (a == a.max(axis=axis, keepdims=True)) * 1.0


def top(x: Any, axis: int) -> Any:
    return np.max(x, axis=axis, keepdims=True)


CROSS_ENTROPIES: Table = {
    "activation-missing: the Jacobian of softmax left out, where it is not masked": [
        (SOFTMAX, lambda g, y, x, axis: g * masked(y)),
    ],
    "softmax-diagonal: only the diagonal of the Jacobian of {op}": [
        (SOFTMAX, lambda g, y, x, axis: g * y * (1 - y)),
        (LOG_SOFTMAX, lambda g, y, x, axis: g * (1 - np.exp(y))),
    ],
    "softmax-from-logits: softmax Jacobian built from the logits, not from the probabilities": [
        (SOFTMAX, lambda g, y, x, axis: softmax_jacobian(x, g, axis)),
        (LOG_SOFTMAX, lambda g, y, x, axis: g - x * sum_along(g, axis)),
        (LOG_SOFTMAX, lambda g, y, x, axis: softmax_jacobian(x, g / np.exp(y), axis)),
    ],
    "softmax-twice: p - t taken for the gradient of p: softmax applied twice": [
        (LOG, lambda g, y, x: g - x * sum_along(g, x.ndim - 1))
    ],
    "softmax-twice: the Jacobian of softmax applied twice": [
        (SOFTMAX, lambda g, y, x, axis: softmax_jacobian(y, softmax_jacobian(y, g, axis), axis))
    ],
    "softmax-twice: p - t sent through the Jacobian of softmax again": [
        (
            LOG_SOFTMAX,
            lambda g, y, x, axis: softmax_jacobian(np.exp(y), from_log(g, y, axis), axis),
        )
    ],
    "softmax-twice: p - t multiplied by p (1 - p) again": [
        (LOG_SOFTMAX, lambda g, y, x, axis: from_log(g, y, axis) * np.exp(y) * (1 - np.exp(y)))
    ],
    "targets-missing: p used for p - t: the targets are not subtracted": [
        (LOG_SOFTMAX, lambda g, y, x, axis: -np.exp(y) * sum_along(g, axis)),
        (LOG_LOSS, lambda g, y, z, a, b: -g * (a + b) * ops.sigmoid(z)),
    ],
    "targets-wrong: p + t used for p - t: the targets are added": [
        (LOG_SOFTMAX, lambda g, y, x, axis: -g - np.exp(y) * sum_along(g, axis)),
        (LOG_LOSS, lambda g, y, z, a, b: -g * (a + (a + b) * ops.sigmoid(z))),
    ],
    "targets-wrong: the numbers of the classes subtracted, not the one-hot targets": [
        (LOG_SOFTMAX, lambda g, y, x, axis: sum_along(g, axis) * (labels(g, axis) - np.exp(y))),
        (LOG_SOFTMAX, lambda g, y, x, axis: sum_along(g, axis) * (labels(g, axis) + 1 - np.exp(y))),
    ],
    "targets-wrong: 1 subtracted in every row at the column of every label: index with "
    "[range(n), y], not with [:, y]": [
        (LOG_SOFTMAX, lambda g, y, x, axis: sum_along(g, axis) * (every(g, axis) - np.exp(y))),
    ],
    "targets-wrong: the one-hot targets reshaped, not transposed": [
        (
            LOG_SOFTMAX,
            lambda g, y, x, axis: g.mT.reshape(g.shape) - np.exp(y) * sum_along(g, axis),
        )
    ],
    "not-normalised: the exponentials of softmax not divided by their sum": [
        (LOG_SOFTMAX, lambda g, y, x, axis: g - np.exp(x) * sum_along(g, axis)),
        (LOG_SOFTMAX, lambda g, y, x, axis: g - np.exp(x - top(x, axis)) * sum_along(g, axis)),
        (SOFTMAX, lambda g, y, x, axis: softmax_jacobian(np.exp(x), g, axis)),
    ],
    "softmax-twice: the derivative of sigmoid applied twice: p - t is that of the loss already": [
        (LOG_LOSS, lambda g, y, z, a, b: through(g * (a - (a + b) * ops.sigmoid(z)), z)),
    ],
    "activation-missing: the derivative of sigmoid left out": [
        (
            LOG_LOSS,
            lambda g, y, z, a, b: g * (a / ops.sigmoid(z) - b / (1 - ops.sigmoid(z))),
        ),
    ],
    "bce-term: the term (1 - t) / (1 - p) of binary cross-entropy forgotten": [
        (LOG_LOSS, lambda g, y, z, a, b: g * a * (1 - ops.sigmoid(z))),
        (LOG_LOSS_OF_P, lambda g, y, p, a, b: g * a / p),
    ],
    "bce-term: the term t / p of binary cross-entropy forgotten": [
        (LOG_LOSS, lambda g, y, z, a, b: -g * b * ops.sigmoid(z)),
        (LOG_LOSS_OF_P, lambda g, y, p, a, b: -g * b / (1 - p)),
    ],
    "sign: a sign of the terms of binary cross-entropy": [
        (LOG_LOSS, lambda g, y, z, a, b: g * (a * (1 - ops.sigmoid(z)) + b * ops.sigmoid(z))),
        (LOG_LOSS_OF_P, lambda g, y, p, a, b: g * (a / p + b / (1 - p))),
    ],
    "softmax-twice: p - t taken for the gradient of p: sigmoid applied twice": [
        (LOG_LOSS_OF_P, lambda g, y, p, a, b: g * (a - (a + b) * p)),
    ],
    "targets-wrong: the numbers of the classes subtracted, not the targets, from sigmoids": [
        (LOG_LOSS, lambda g, y, z, a, b: g * (labels(a, 1) - (a + b) * ops.sigmoid(z))),
        (LOG_LOSS, lambda g, y, z, a, b: g * (labels(a, 0) - (a + b) * ops.sigmoid(z))),
    ],
    "targets-wrong: hard labels used for smoothed targets": [
        (LOG_LOSS, lambda g, y, z, a, b: g * ((a + b) * ((a > b) - ops.sigmoid(z)))),
        (LOG_SOFTMAX, lambda g, y, x, axis: sum_along(g, axis) * (hard(g, axis) - np.exp(y))),
    ],
    "class-weight: the weight of one term of binary cross-entropy left out, or used for both": [
        (
            LOG_LOSS,
            lambda g, y, z, a, b: g * (even_out(a, b) - (even_out(a, b) + b) * ops.sigmoid(z)),
        ),
        (LOG_LOSS, lambda g, y, z, a, b: g * (a - (a + even_out(b, a)) * ops.sigmoid(z))),
    ],
    "logits-for-probabilities: the logits used for the probabilities: z - t for p - t": [
        (LOG_LOSS, lambda g, y, z, a, b: g * (a - (a + b) * z)),
    ],
    "not-differentiated: the loss itself used for its derivative, which is p - t": [
        (LOG_LOSS, lambda g, y, z, a, b: g * y),
        (LOG_SOFTMAX, lambda g, y, x, axis: g * y),
    ],
    "wrong-axis: softmax taken along another axis": [
        (
            LOG_SOFTMAX,
            lambda g, y, x, axis: g - ops.softmax(x, axis=other(x, axis)) * sum_along(g, axis),
        ),
        (  # of what was shifted along the right one
            LOG_SOFTMAX,
            lambda g, y, x, axis: (
                g - ops.softmax(x - top(x, axis), axis=other(x, axis)) * sum_along(g, axis)
            ),
        ),
    ],
    "bce-term: the term (1 - t) / (1 - p) of binary cross-entropy added": [
        (LOG, lambda g, y, x: g / x + binary_term(g, x, x.ndim - 1)),
        (
            LOG_SOFTMAX,
            lambda g, y, x, axis: (
                from_log(g, y, axis)
                + softmax_jacobian(np.exp(y), binary_term(g, np.exp(y), axis), axis)
            ),
        ),
    ],
}

WITH_A_FREE_FACTOR: Table = {
    "bce-term: the term (1 - t) / (1 - p) of binary cross-entropy added": [
        (
            LOG_SOFTMAX,
            lambda g, y, x, axis: (
                from_log(g, y, axis) + softmax_jacobian(np.exp(y), g / (1 - np.exp(y)), axis),
                softmax_jacobian(np.exp(y), 1 / (1 - np.exp(y)), axis),
            ),
        )
    ],
    "targets-not-one: p - t used although the targets do not sum to 1": [
        (LOG_SOFTMAX, lambda g, y, x, axis: (g, np.exp(y))),
        (SOFTMAX, lambda g, y, x, axis: (g * y, y)),
    ],
}
