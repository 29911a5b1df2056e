"""The mistakes that people make in a manual backward: one table, one row per way to be wrong.

A row has a slug, a sentence, which operations it is about, and how the mistake is made. Like the
rules of operations, wrong rules are written in `g, y` and the inputs, so that they run on arrays
(to see whether they give the gradient that was handed in) and on Symbols (to print it). Adding a
mistake is one row here: the tests make every row on purpose and look for its name. The order of the
rows is the order in which equal explanations are listed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...engine.axes import axes_of, count
from ...engine.op import Op, Rule
from ...engine.rules import ops
from ..idioms import deviation, log_loss, log_loss_of_p, normalise

Wording = tuple[tuple[str, str], ...]  # slugs and sentences of mistakes that are made together


@dataclass(frozen=True)
class Mistake:
    """A wrong rule for the inputs `which` (None: all) of the records that it `concerns`.

    `wrong` takes what the right rule takes, and `op` and the right `rule` if it asks for them.
    `free` says that it gives a pair: what is certain, and what stands before it with a factor that
    is found by fitting.
    """

    slug: str
    sentence: str
    concerns: Callable[[Any], bool]
    wrong: Rule
    which: int | None = None
    free: bool = False

    def said_of(self, op: Op) -> Wording:
        """What is said of the mistake in an operation."""
        return ((self.slug, self.sentence.format(op=op.name)),)

    @cached_property
    def wants(self) -> frozenset[str]:
        """What `wrong` asks for beside what the right rule takes."""
        return frozenset(inspect.signature(self.wrong).parameters) & {"op", "rule"}


@dataclass(frozen=True)
class Constant:
    """A factor on a whole gradient: a function of the batch size `n`, the outputs `k`, or none."""

    slug: str
    factor: Callable[..., float]
    sentence: str

    @cached_property
    def of(self) -> tuple[str, ...]:
        """What it is a function of."""
        return tuple(inspect.signature(self.factor).parameters)


# ---- which operations a row is about --------------------------------------------------------


def only(*these: Op) -> Callable[[Any], bool]:
    """Records of these operations, where a mistake is about their very formula."""
    return lambda node: node.op in these


def has(**facts: Any) -> Callable[[Any], bool]:
    """Records of operations with these facts."""
    return lambda node: all(getattr(node.op, name) == value for name, value in facts.items())


def curve(node: Any) -> bool:
    """Records of one input, element by element; and of a composition that keeps its shape.

    Not of a sign, as its slope left out is a sign flipped; not of a power, as a square in a loss or
    a variance is mistaken in ways of its own.
    """
    kind, args = node.op.kind, node.args
    composed = not kind and len(args) == 1 and np.shape(args[0]) == node.shape
    return composed or (kind == "curve" and node.op not in (ops.neg, ops.power))


def smooth(node: Any) -> bool:
    return curve(node) and not node.op.mask


def pair(node: Any) -> bool:
    """Records of two inputs, element by element, that are written by name; and of a composition.

    Not of a choice between the two, whose mask is left out.
    """
    op, args = node.op, node.args
    made = op.kind == "arithmetic" and not op.sign and op not in (ops.maximum, ops.minimum)
    shapes = [np.shape(a) for a in args]
    composed = not op.kind and len(args) == 2 and all(s == node.shape for s in shapes)
    return composed or (made and len(args) == 2)


ALONG, ACTIVATION, MASK = has(kind="along"), has(activation=True), has(mask=True)
MAXIMUM, LOG = only(ops.maximum), only(ops.log)
SOFTMAX, LOG_SOFTMAX = only(ops.softmax), only(ops.log_softmax)
LOG_LOSS, LOG_LOSS_OF_P, NORMALISE = only(log_loss), only(log_loss_of_p), only(normalise)
EXTREME = only(ops.max, ops.min)

Table = dict[str, list[tuple[Callable[[Any], bool], Rule]]]  # by "slug: sentence"


def mistakes_of(table: Table, which: int | None = None, free: bool = False) -> list[Mistake]:
    """The rows of a table: which records, and the wrong rule."""
    return [
        Mistake(slug, sentence, concerns, wrong, which, free)
        for name, ways in table.items()
        for slug, _, sentence in [name.partition(": ")]
        for concerns, wrong in ways
    ]


# ---- softmax and cross-entropy --------------------------------------------------------------


def sum_along(x: Any, axis: int | tuple[int, ...]) -> Any:
    """The sum along an axis or several, which stay with size 1."""
    return np.add.reduce(x, axis=axis, keepdims=True)


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


def last_of(x: Any) -> Any:
    """One-hot rows without those that a later one repeats."""
    a = np.asarray(getattr(x, "value", x))
    if a.ndim != 2 or not ((a == 0) | (a == 1)).all() or not (a.sum(axis=1) == 1).all():
        raise ValueError("gather-overwritten: no one-hot rows")
    classes = a.argmax(axis=1)
    last = [c not in classes[i + 1 :] for i, c in enumerate(classes)]
    return a * np.asarray(last)[:, None]


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


def through(g: Any, z: Any) -> Any:
    """`g` times the derivative of sigmoid."""
    return g * ops.sigmoid(z) * (1 - ops.sigmoid(z))


def mean_along(x: Any, axis: Any) -> Any:
    return sum_along(x, axis) / count(x, axis)


def scale(x: Any, axis: Any, eps: float, correction: int) -> Any:
    return deviation(x, axis, eps, correction)


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


def other(x: Any, axis: Any) -> int:
    """The other axis of a matrix."""
    if x.ndim != 2 or axis not in (0, 1, (0,), (1,)):
        raise ValueError("wrong-axis: only for one axis of a matrix")
    return 1 - (axis[0] if isinstance(axis, tuple) else axis)


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
    "wrong-axis: the derivative of {op} taken along another axis": [
        (ALONG, lambda g, y, x, rule, axis, **kw: rule(g, y, x, axis=other(x, axis), **kw)),
        (
            NORMALISE,
            lambda g, y, x, axis, **kw: (
                scale(x, axis, **kw)
                * (g - mean_along(g, other(x, axis)) - y * mean_along(g * y, other(x, axis)))
            ),
        ),
        (
            has(kind="reduction"),
            lambda g, y, x, rule, axis, **kw: rule(
                g.mT if g.ndim == 2 else g, y, x, axis=other(x, axis), **kw
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
NORMALISATIONS: Table = {
    "batchnorm-constant: the path through the mean left out, as if it were constant": [
        (
            NORMALISE,
            lambda g, y, x, axis, **kw: scale(x, axis, **kw) * (g - y * own(g, y, x, axis, **kw)),
        ),
    ],
    "batchnorm-constant: the path through the variance left out, as if it were constant": [
        (NORMALISE, lambda g, y, x, axis, **kw: scale(x, axis, **kw) * (g - mean_along(g, axis))),
    ],
    "batchnorm-constant: mean and variance held constant: both paths left out": [
        (NORMALISE, lambda g, y, x, axis, **kw: scale(x, axis, **kw) * g),
    ],
    "normalise-scale: not divided by the standard deviation": [
        (
            NORMALISE,
            lambda g, y, x, axis, rule, **kw: rule(g, y, x, axis=axis, **kw) / scale(x, axis, **kw),
        ),
    ],
    "normalise-scale: divided by the standard deviation twice": [
        (
            NORMALISE,
            lambda g, y, x, axis, rule, **kw: rule(g, y, x, axis=axis, **kw) * scale(x, axis, **kw),
        ),
    ],
    "normalise-x: x used for the normalised x, in the path through the variance": [
        (
            NORMALISE,
            lambda g, y, x, axis, **kw: (
                scale(x, axis, **kw) * (g - mean_along(g, axis) - y * own(g, x, x, axis, **kw))
            ),
        ),
    ],
    "not-averaged: sums over the batch for means: both paths lack their 1/n": [
        (
            NORMALISE,
            lambda g, y, x, axis, **kw: (
                scale(x, axis, **kw) * (g - sum_along(g, axis) - y * sum_along(g * y, axis))
            ),
        ),
    ],
    "sign: a sign of the path through the variance": [
        (
            NORMALISE,
            lambda g, y, x, axis, **kw: (
                scale(x, axis, **kw) * (g - mean_along(g, axis) + y * own(g, y, x, axis, **kw))
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

# ---- products, masks, choices ---------------------------------------------------------------


def matmul_rules(name: str, which: int, *ways: Rule) -> list[Mistake]:
    """Wrong rules of `y = x @ w`: data `x` are input 0, the weight `w` is 1. Where the weight
    stands on the left, they run on transposes."""
    return mistakes_of({name: [(only(ops.matmul), wrong) for wrong in ways]}, which)


def mul_rules(name: str, wrong: Rule) -> list[Mistake]:
    """A wrong rule of `y = a * b`, in either input: `a` is that one, `b` the other."""
    in_a: Table = {name: [(only(ops.mul), wrong)]}
    in_b: Table = {name: [(only(ops.mul), lambda g, y, a, b: wrong(g, y, b, a))]}
    return mistakes_of(in_a, 0) + mistakes_of(in_b, 1)


def mask(b: Any) -> Any:
    """The mask `b`; ValueError for what is none."""
    a = np.asarray(getattr(b, "value", b))
    if not 0 < np.count_nonzero(a == 0) < a.size:
        raise ValueError("dropout-mask: not a mask")
    return b


def left_out(b: Any, g: Any) -> Any:
    """`g` in the shape of its product with `b`, which is more than a number."""
    if np.size(getattr(b, "value", b)) < 2:
        raise ValueError("factor-missing: a number")
    return g if hasattr(g, "leaves") else 0 * b + g  # a Symbol shows itself


RULES = [
    *mistakes_of(ACTIVATIONS),
    *mistakes_of(CROSS_ENTROPIES),
    *mistakes_of(NORMALISATIONS),
    *mistakes_of(CHOICES),
    *mistakes_of(WITH_A_FREE_FACTOR, free=True),
    *mul_rules(
        "dropout-mask: the 1 / keep of the mask missing", lambda g, y, a, b: g * (mask(b) != 0)
    ),
    *mul_rules(
        "dropout-mask: multiplied by keep, where it must be divided by it",
        lambda g, y, a, b: g * (mask(b) != 0) / np.max(b),
    ),
    *mul_rules("dropout-mask: the mask left out", lambda g, y, a, b: left_out(mask(b), g)),
    *mul_rules(
        "dropout-mask: the mask left out, its scaling kept",
        lambda g, y, a, b: left_out(mask(b), g) * np.max(b),
    ),
    *mul_rules(  # also of another shape than the other factor, where an array in its place is none
        "weight-for-input: multiplied by the factor itself, not by the other one",
        lambda g, y, a, b: g * a,
    ),
    Mistake(
        "gather-overwritten",
        "rows read several times overwritten, not accumulated",
        only(ops.getitem),
        lambda g, y, x, index: ops.put(x * 0, g, index=index),
    ),
]
MATMUL_RULES = [
    *matmul_rules(
        "weight-not-transposed: the weight not transposed on the way back to the input",
        0,
        lambda g, y, x, w: g @ w,
    ),
    *matmul_rules(
        "operand-order: the factors in the wrong order",
        0,
        lambda g, y, x, w: w @ g,
        lambda g, y, x, w: w.mT @ g,
        lambda g, y, x, w: w @ g.mT,
        lambda g, y, x, w: g.mT @ w,
        lambda g, y, x, w: g.mT @ w.mT,
    ),
    *matmul_rules(
        "operand-order: the factors in the wrong order",
        1,
        lambda g, y, x, w: x.mT @ g.mT,
        lambda g, y, x, w: g @ x.mT,
        lambda g, y, x, w: x @ g.mT,
        lambda g, y, x, w: x @ g,
        lambda g, y, x, w: g @ x,
    ),
    *matmul_rules(
        "last-sample-only: only the last sample counts: = for +=",
        1,
        lambda g, y, x, w: x[-1:].mT @ g[-1:],
    ),
    *matmul_rules(
        "gather-overwritten: rows read several times overwritten, = for +=",
        1,
        lambda g, y, x, w: last_of(x).mT @ g,
    ),
    *matmul_rules(
        "product-of-means: mean of the inputs times mean of the gradients",
        1,
        lambda g, y, x, w: sum_along(x, 0).mT @ sum_along(g, 0),
    ),
    *matmul_rules(
        "weight-for-input: multiplied by the weight, not by the input",
        1,
        lambda g, y, x, w: w * sum_along(g, 0),
    ),
    *matmul_rules(
        "summed-over-inputs: summed over the inputs too",
        1,
        lambda g, y, x, w: sum_along(x.mT @ g, 0) + 0 * w,
    ),
    *matmul_rules(
        "summed-over-inputs: summed over the outputs too",
        1,
        lambda g, y, x, w: sum_along(x.mT @ g, 1) + 0 * w,
    ),
]
CERTAIN = [row for row in [*RULES, *MATMUL_RULES] if not row.free]
# ---- sums that undo broadcasting: of `g` over `axes` ----------------------------------------


def last_sample(g: Any, axes: tuple[int, ...]) -> Any:
    return g[tuple(slice(-1, None) if i in axes else slice(None) for i in range(g.ndim))]


def rest(g: Any, axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(i for i in range(g.ndim) if i not in axes)


def one_of_batch(i: int) -> Callable[[Any, tuple[int, ...]], Any]:
    """The sum over all but the first of the axes, of the first or the last sample alone."""

    def change(g: Any, axes: tuple[int, ...]) -> Any:
        if len(axes) < 2:
            raise ValueError("last-sample-only: one axis")
        one = np.take(g, [i], axis=axes[0])
        return np.sum(one, axis=axes)

    return change


SUMS: list[tuple[str, str, Callable[[Any, tuple[int, ...]], Any]]] = [
    ("bias-not-summed", "left per sample: sum over the axis of the batch", lambda g, axes: g),
    (
        "bias-averaged",
        "mean over the batch for the sum",
        lambda g, axes: sum_along(g, axes) / np.prod([g.shape[i] for i in axes]),
    ),
    ("last-sample-only", "only the last sample counts: = for +=", last_sample),
    ("last-sample-only", "only the last sample counts: = for +=", one_of_batch(-1)),
    ("last-sample-only", "only the first sample counts", one_of_batch(0)),
    (
        "counted-once",
        "counted once for each sample, not as often as it is used: the count is left out",
        lambda g, axes: 0 * sum_along(g, axes) + g.flat[np.abs(g).argmax()],
    ),
    (
        "summed-over-inputs",
        "summed over the features too",
        lambda g, axes: 0 * sum_along(g, axes) + np.sum(g),
    ),
    ("summed-over-inputs", "summed over the features too", lambda g, axes: np.sum(g)),
    (
        "wrong-axis",
        "summed over the wrong axis",
        lambda g, axes: np.add.reduce(g, axis=rest(g, axes)),
    ),
]

# ---- factors: of the batch size n and the number of outputs k --------------------------------

CONSTANTS = [
    Constant("sign", lambda: -1, "the sign is flipped"),
    Constant("factor-2", lambda: 2, "a factor 2 too many, or a 1/2 forgotten"),
    Constant("factor-half", lambda: 1 / 2, "the 2 of a square forgotten, or a 1/2 too many"),
    Constant("mean-missing", lambda n: n, "not divided by the batch size {n}"),
    Constant("mean-twice", lambda n: 1 / n, "divided by the batch size {n} once too often"),
    Constant(
        "mean-count",
        lambda k: k,
        "{k} times too large: divided by the batch size {n}, not by all {nk} elements",
    ),
    Constant(
        "mean-count",
        lambda k: 1 / k,
        "{k} times too small: divided by all {nk} elements, not by the batch size {n}",
    ),
    Constant("mean-missing", lambda n, k: n * k, "not divided by the {nk} elements of the mean"),
    Constant("mean-twice", lambda n, k: 1 / (n * k), "divided by the {nk} elements once too often"),
    Constant(
        "mean-count",
        lambda n, k: n / k,
        "divided by {k}, the number of outputs or classes, not by the batch size {n}",
    ),
    Constant(
        "bessel", lambda n: n / (n - 1) if n > 2 else 1, "divided by n - 1 = {n} - 1, not by n"
    ),
    Constant("bessel", lambda n: (n - 1) / n if n > 2 else 1, "divided by n = {n}, not by n - 1"),
    Constant("placeholder", lambda: 0, "zero: never written, or detached"),
]

# ---- what is said of mistakes that are found by looking at several tensors -------------------

SENTENCES = {
    "partial-preactivation": "the derivative of {op} taken at the single products x * w, not at "
    "their sum",
    "input-not-activated": "made with the input of {op}, not with its output",
    "upstream-missing": "the arriving gradient is not used, as if it were ones",
    "upstream-unused": "g is not used: it is right where 1 arrives",
    "bias-from-weight": "the column sums of the weight's gradient",
    "overwritten": "one use overwrites the others: 1 of {count} contributions is left",
    "detached": "one of {count} contributions is forgotten",
    "counted-twice": "counted twice: an earlier backward, or a second visit, is still in it",
    "broadcast-not-undone": "broadcasting not undone: sum over the stretched axes",
    "updated-weights": "the weight after its update (rate {rate:.4g}) is used on the way back",
    "updated-too-soon": "the input's gradient is taken with the weights that this step has "
    "changed: compute it before the update",
    "update-ascent": "the step goes up the gradient, with a rate of {rate}",
    "update-ascent-once": "the step goes up the gradient: {p} += lr * d{p}",
    "update-rate": "the layer steps with a rate of {rate}",
    "update-never": "{p} is never updated",
    "update-zero": "the step of {p} is zero with these data, not with others, as after = for +=",
    "penalty": "{alpha:.4g} times the weight too many: a penalty missing, doubled or misplaced",
    "penalty-1": "{alpha:.4g} times the weight's sign too many: a penalty missing, doubled or "
    "misplaced",
    "batchnorm-constant": "the statistics of the batch held constant",
    "bessel": "n - 1 and n confused in the statistics of the batch",
    "dropout-mask": "the mask drawn anew for the backward pass",
    "value-clipped": "0 where the value is outside of {low:.4g} to {high:.4g}: the value clipped, "
    "not the gradient",
    "clipped": "clipped to between -{bound:.4g} and {bound:.4g}: compare the gradients before that",
    "placeholder": "all elements are {value:.4g}: a placeholder",
    "transposed": "the transpose of the gradient (transposed=True if all are)",
    "mean-deferred": "the 1/n comes later: intermediates are {n} times autodiff's",
}


def said(slug: str, words: str = "", **numbers: Any) -> Wording:
    """What is said of a mistake of `SENTENCES`, under its own slug or by other words there."""
    return ((slug, SENTENCES[words or slug].format(**numbers)),)
