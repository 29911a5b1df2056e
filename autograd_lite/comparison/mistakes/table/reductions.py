"""Wrong rules along an axis: of another one, of what is normalised, of the largest."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....engine.axes import axes_of, count
from ....engine.op import Rule
from ...idioms import deviation
from .row import ALONG, EXTREME, NORMALISE, SOFTMAX, Table, has, other, sum_along


def mean_along(x: Any, axis: Any) -> Any:
    return sum_along(x, axis) / count(x, axis)


def counts(x: Any, axis: Any, which: str, k: int) -> int:
    """The length of one of several axes, or that of all others together."""
    if not isinstance(axis, tuple) or len(axis) < 2 or k >= len(axis):
        raise ValueError("mean-count: one axis")
    lengths = [x.shape[i] for i in axis]
    return int(lengths[k] if which == "one" else math.prod(lengths) // lengths[k])


def divided_by(which: str, k: int) -> Rule:
    """The derivative of a normalisation, whose two sums are divided by such a count."""

    def rule(g: Any, y: Any, x: Any, axis: Any, **kw: Any) -> Any:
        sums = sum_along(g, axis) + y * sum_along(g * y, axis)
        return deviation(x, axis, **kw) * (g - sums / counts(x, axis, which, k))

    return rule


def own(g: Any, y: Any, x: Any, axis: Any, eps: float, correction: int) -> Any:
    return sum_along(g * y, axis) / (count(x, axis) - correction)


def widened(g: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """The gradient of a reduction in the shape of what was reduced."""
    g = g if keepdims else np.expand_dims(g, axes_of(x, axis))
    return g + 0 * x


def over_more(g: Any, x: Any, axis: Any, keepdims: bool, op: Any, k: int) -> Any:
    """Where an element is the largest along some more axes, the gradient."""
    rest_ = [i for i in range(x.ndim) if i not in axes_of(x, axis)]
    more = [rest_, rest_[1:], rest_[2:]][k]
    if not more:
        raise ValueError("max-mask: no more axes")
    whole = op(x, axis=(*axes_of(x, axis), *more), keepdims=True)
    return widened(g, x, axis, keepdims) * (x == whole)


NORMALISATIONS: Table = {
    "wrong-axis: the derivative of {op} taken along another axis": [
        *[
            (
                ALONG,
                lambda g, y, x, rule, axis, k=k, **kw: rule(g, y, x, axis=other(x, axis, k), **kw),
            )
            for k in range(2)
        ],
        (SOFTMAX, lambda g, y, x, axis: y * (g - np.add.reduce(g * y, axis=None, keepdims=True))),
        *[
            (
                NORMALISE,
                lambda g, y, x, axis, k=k, **kw: (
                    deviation(x, axis, **kw)
                    * (
                        g
                        - mean_along(g, other(x, axis, k))
                        - y * mean_along(g * y, other(x, axis, k))
                    )
                ),
            )
            for k in range(2)
        ],
        (
            has(kind="reduction"),
            lambda g, y, x, rule, axis, **kw: rule(
                g.mT if g.ndim == 2 else g, y, x, axis=other(x, axis), **kw
            ),
        ),
    ],
    "batchnorm-constant: the path through the mean left out, as if it were constant": [
        (
            NORMALISE,
            lambda g, y, x, axis, **kw: (
                deviation(x, axis, **kw) * (g - y * own(g, y, x, axis, **kw))
            ),
        ),
    ],
    "batchnorm-constant: the path through the variance left out, as if it were constant": [
        (
            NORMALISE,
            lambda g, y, x, axis, **kw: deviation(x, axis, **kw) * (g - mean_along(g, axis)),
        ),
    ],
    "batchnorm-constant: mean and variance held constant: both paths left out": [
        (NORMALISE, lambda g, y, x, axis, **kw: deviation(x, axis, **kw) * g),
    ],
    "normalise-scale: not divided by the standard deviation": [
        (
            NORMALISE,
            lambda g, y, x, axis, rule, **kw: (
                rule(g, y, x, axis=axis, **kw) / deviation(x, axis, **kw)
            ),
        ),
    ],
    "normalise-scale: divided by the standard deviation twice": [
        (
            NORMALISE,
            lambda g, y, x, axis, rule, **kw: (
                rule(g, y, x, axis=axis, **kw) * deviation(x, axis, **kw)
            ),
        ),
    ],
    "normalise-x: x used for the normalised x, in the path through the variance": [
        (
            NORMALISE,
            lambda g, y, x, axis, **kw: (
                deviation(x, axis, **kw) * (g - mean_along(g, axis) - y * own(g, x, x, axis, **kw))
            ),
        ),
    ],
    "not-averaged: sums over the batch for means: both paths lack their 1/n": [
        (
            NORMALISE,
            lambda g, y, x, axis, **kw: (
                deviation(x, axis, **kw) * (g - sum_along(g, axis) - y * sum_along(g * y, axis))
            ),
        ),
    ],
    "mean-count: both sums divided by the length of one axis, not by the number of all elements "
    "that they are over, as N for N * H * W": [(NORMALISE, divided_by("one", k)) for k in range(3)],
    "mean-count: both sums divided without the length of one axis, not by the number of all "
    "elements that they are over, as H * W for N * H * W": [
        (NORMALISE, divided_by("others", k)) for k in range(3)
    ],
    "sign: a sign of the path through the variance": [
        (
            NORMALISE,
            lambda g, y, x, axis, **kw: (
                deviation(x, axis, **kw) * (g - mean_along(g, axis) + y * own(g, y, x, axis, **kw))
            ),
        ),
    ],
}

CHOICES: Table = {
    "max-mask: the gradient goes to every element, not only to the largest: the mask left out": [
        (EXTREME, lambda g, y, x, axis, keepdims: widened(g, x, axis, keepdims)),
    ],
    "max-mask: the mean for the {op}: the gradient is spread evenly": [
        (
            EXTREME,
            lambda g, y, x, axis, keepdims: widened(g, x, axis, keepdims) / count(x, axis),
        ),
    ],
    "max-mask: the mask of {op} is taken over more axes, not within each window": [
        (EXTREME, lambda g, y, x, axis, keepdims, op, k=k: over_more(g, x, axis, keepdims, op, k))
        for k in range(3)
    ],
}
