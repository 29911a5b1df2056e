"""The mistakes that people make in a manual backward: one table, one row per way to be wrong.

A row has a slug, a sentence, and how the mistake is made. Like the rows of `ops`, wrong rules are
written in `g, y` and the inputs, so that they run on arrays (to see whether they give the gradient
that was handed in) and on Symbols (to print it). Adding a mistake is one row here and one line in
the tests. The order of the rows is the order in which equal explanations are listed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ...engine.rules import ops

__all__ = [
    "CONSTANTS",
    "FITS",
    "PRODUCTS",
    "RULES",
    "SENTENCES",
    "VAGUE",
    "Constant",
    "Mistake",
    "Names",
    "said",
]

Names = tuple[tuple[str, str], ...]  # slugs and sentences of mistakes that are made together

CURVES = frozenset({
    "abs", "sqrt", "exp", "log", "log1p", "expm1", "sin", "cos", "tan", "sinh", "cosh", "tanh",
    "arctan", "sigmoid", "elu", "softplus", "erf",
})  # fmt: skip
RELUS = frozenset({"relu", "leaky_relu"})
CLIPS = frozenset({"clip", "hardtanh"})
SOFTMAXES = frozenset({"softmax", "log_softmax"})
ALONG = frozenset({"softmax", "log_softmax", "sum", "mean", "logsumexp", "cumsum"})


@dataclass(frozen=True)
class Mistake:
    """A wrong rule for the inputs `which` (None: all) of the operations `ops`.

    `wrong` takes what the right rule takes, and `op` if it asks for it. `free` says that it gives a
    pair: what is certain, and what stands before it with a factor that is found by fitting.
    """

    slug: str
    sentence: str
    ops: frozenset[str]
    which: int | None
    wrong: Callable[..., Any]
    free: bool = False

    @cached_property
    def wants_op(self) -> bool:
        return "op" in inspect.signature(self.wrong).parameters


class Constant(NamedTuple):
    """A factor on a whole gradient: a function of the batch size `n`, the outputs `k`, or none."""

    slug: str
    factor: Callable[..., float]
    sentence: str

    @property
    def of(self) -> tuple[str, ...]:
        """What it is a function of."""
        return tuple(inspect.signature(self.factor).parameters)


RULES: list[Mistake] = []
VAGUE: list[Mistake] = []  # rules that come last, as they often look like another one
PRODUCTS: list[Mistake] = []  # of data `x` (input 0) and weight `w` (input 1)
FITS: list[tuple[str, str, Callable[[Any, tuple[int, ...]], Any]]] = []


def rule(
    slug: str,
    sentence: str,
    ways: dict[str | frozenset[str], Callable[..., Any]],
    free: bool = False,
) -> None:
    """Wrong rules, in all inputs, of the operations that are their keys."""
    for of, wrong in ways.items():
        names = frozenset(of.split()) if isinstance(of, str) else of
        RULES.append(Mistake(slug, sentence, names, None, wrong, free))


def product(slug: str, sentence: str, which: int, *ways: Callable[..., Any]) -> None:
    """Wrong rules of `y = x @ w`. Where the weight stands on the left, they run on transposes."""
    for wrong in ways:
        PRODUCTS.append(Mistake(slug, sentence, frozenset({"matmul"}), which, wrong))


def factor(rows: list[Mistake], slug: str, sentence: str, wrong: Callable[..., Any]) -> None:
    """A wrong rule of `y = a * b`, in either input: `a` is that one, `b` the other."""
    for which, made in enumerate((wrong, lambda g, y, a, b: wrong(g, y, b, a))):
        rows.append(Mistake(slug, sentence, frozenset({"mul"}), which, made))


def unbroadcast(slug: str, sentence: str, *ways: Callable[[Any, tuple[int, ...]], Any]) -> None:
    """Wrong ways to sum `g` over the axes that broadcasting stretched."""
    FITS.extend((slug, sentence, wrong) for wrong in ways)


# ---- activations ----------------------------------------------------------------------------

rule(
    "relu-mask-missing",
    "the mask of {op} left out",
    {RELUS: lambda g, y, x, **kw: g, "maximum": lambda g, y, a, b: g},
)
rule(
    "relu-mask-from-upstream",
    "the mask of {op} taken from the arriving gradient, not from its input",
    {
        "relu": lambda g, y, x: g * (g > 0),
        "leaky_relu": lambda g, y, x, slope: np.where(g > 0, g, slope * g),
        "maximum": lambda g, y, a, b: g * (g > 0),
    },
)
rule(
    "activation-missing",
    "the derivative of {op} left out",
    {CURVES | CLIPS: lambda g, y, x, **kw: g},
)
rule(
    "activation-missing",
    "the Jacobian of {op} left out",
    {SOFTMAXES: lambda g, y, x, axis: g},
)
rule(
    "activation-at-output",
    "the derivative of {op} evaluated at its output",
    {CURVES: lambda g, y, x, op, **kw: op.rules[0](g, op(y, **kw), y, **kw)},
)
rule(
    "activation-not-derived",
    "{op} itself used for its derivative",
    {(CURVES | RELUS) - {"exp"}: lambda g, y, x, **kw: g * y},
)
rule(
    "activation-not-derived",
    "1 - y used for the derivative of {op}",
    {"tanh sigmoid": lambda g, y, x: g * (1 - y)},
)
rule(
    "activation-not-derived",
    "the derivative of sigmoid used for {op}",
    {"tanh": lambda g, y, x: g * y * (1 - y)},
)
rule(
    "activation-not-derived",
    "the derivative of tanh used for {op}",
    {"sigmoid": lambda g, y, x: g * (1 - y * y)},
)
rule(
    "activation-not-derived",
    "{op}' computed from the input as if it were {op}",
    {"tanh": lambda g, y, x: g * (1 - x * x), "sigmoid": lambda g, y, x: g * x * (1 - x)},
)
rule(
    "activation-not-derived",
    "the derivative of relu used for {op}",
    {"leaky_relu elu tanh sigmoid softplus": lambda g, y, x, **kw: g * (x > 0)},
)
rule(
    "activation-not-derived",
    "softmax itself used for its Jacobian",
    {"softmax": lambda g, y, x, axis: g * y},
)
rule(
    "activation-not-derived",
    "the derivative of sigmoid used for {op}",
    {"relu elu softplus": lambda g, y, x, **kw: g * y * (1 - y)},
)
rule(
    "activation-twice",
    "the derivative of {op} applied twice",
    {CURVES: lambda g, y, x, op, **kw: op.rules[0](op.rules[0](g, y, x, **kw), y, x, **kw)},
)

# ---- softmax and cross-entropy --------------------------------------------------------------


def along(x: Any, axis: int | tuple[int, ...]) -> Any:
    """The sum along an axis or several, which stay with size 1."""
    return np.add.reduce(x, axis=axis, keepdims=True)


def jacobian(p: Any, g: Any, axis: int) -> Any:
    """The product of `g` with the Jacobian of softmax at the probabilities `p`."""
    return p * (g - along(g * p, axis))


def binary_term(g: Any, p: Any, axis: int) -> Any:
    """The (1 - t) / (1 - p) of binary cross-entropy, where g = -c t and the targets sum to 1."""
    return (g - along(g, axis)) / (1 - p)


rule(
    "softmax-diagonal",
    "only the diagonal of the Jacobian of {op}",
    {
        "softmax": lambda g, y, x, axis: g * y * (1 - y),
        "log_softmax": lambda g, y, x, axis: g * (1 - np.exp(y)),
    },
)
rule(
    "softmax-from-logits",
    "softmax Jacobian built from the logits, not from the probabilities",
    {
        "softmax": lambda g, y, x, axis: jacobian(x, g, axis),
        "log_softmax": lambda g, y, x, axis: g - x * along(g, axis),
    },
)
rule(
    "softmax-from-logits",
    "softmax Jacobian built from the logits, not from the probabilities",
    {"log_softmax": lambda g, y, x, axis: jacobian(x, g / np.exp(y), axis)},
)
rule(
    "softmax-twice",
    "p - t taken for the gradient of p: softmax applied twice",
    {"log": lambda g, y, x: g - x * along(g, x.ndim - 1)},
)
rule(
    "softmax-twice",
    "the Jacobian of softmax applied twice",
    {"softmax": lambda g, y, x, axis: jacobian(y, jacobian(y, g, axis), axis)},
)
rule(
    "softmax-twice",
    "p - t sent through the Jacobian of softmax again",
    {
        "log_softmax": lambda g, y, x, axis: jacobian(
            np.exp(y), g - np.exp(y) * along(g, axis), axis
        )
    },
)
rule(
    "softmax-twice",
    "p - t multiplied by p (1 - p) again",
    {
        "log_softmax": lambda g, y, x, axis: (
            (g - np.exp(y) * along(g, axis)) * np.exp(y) * (1 - np.exp(y))
        )
    },
)
rule(
    "targets-missing",
    "p used for p - t",
    {"log_softmax": lambda g, y, x, axis: -np.exp(y) * along(g, axis)},
)
rule(
    "wrong-axis",
    "softmax taken along another axis",
    {"log_softmax": lambda g, y, x, axis: g - ops.softmax(x, axis=other(x, axis)) * along(g, axis)},
)
rule(
    "bce-term",
    "the term (1 - t) / (1 - p) of binary cross-entropy added",
    {
        "log": lambda g, y, x: g / x + binary_term(g, x, x.ndim - 1),
        "log_softmax": lambda g, y, x, axis: (
            g
            - np.exp(y) * along(g, axis)
            + jacobian(np.exp(y), binary_term(g, np.exp(y), axis), axis)
        ),
    },
)
rule(
    "bce-term",
    "the term (1 - t) / (1 - p) of binary cross-entropy added",
    {
        "log_softmax": lambda g, y, x, axis: (
            g - np.exp(y) * along(g, axis) + jacobian(np.exp(y), g / (1 - np.exp(y)), axis),
            jacobian(np.exp(y), 1 / (1 - np.exp(y)), axis),
        )
    },
    free=True,
)
rule(
    "targets-not-one",
    "p - t used although the targets do not sum to 1",
    {
        "log_softmax": lambda g, y, x, axis: (g, np.exp(y)),
        "softmax": lambda g, y, x, axis: (g * y, y),
    },
    free=True,
)
rule(
    "wrong-axis",
    "the derivative of {op} taken along another axis",
    {
        ALONG: lambda g, y, x, op, axis, **kw: op.rules[0](
            g.mT if g.ndim == 2 and op.name not in SOFTMAXES else g, y, x, axis=other(x, axis), **kw
        )
    },
)


def other(x: Any, axis: Any) -> int:
    """The other axis of a matrix."""
    if x.ndim != 2 or axis not in (0, 1, (0,), (1,)):
        raise ValueError("wrong-axis: only for one axis of a matrix")
    return 1 - (axis[0] if isinstance(axis, tuple) else axis)


# ---- products, masks, choices ---------------------------------------------------------------

product(
    "weight-not-transposed",
    "the weight not transposed on the way back to the input",
    0,
    lambda g, y, x, w: g @ w,
)
product(
    "operand-order",
    "the factors in the wrong order",
    0,
    lambda g, y, x, w: w @ g,
    lambda g, y, x, w: w.mT @ g,
    lambda g, y, x, w: w @ g.mT,
    lambda g, y, x, w: g.mT @ w,
    lambda g, y, x, w: g.mT @ w.mT,
)
product(
    "operand-order",
    "the factors in the wrong order",
    1,
    lambda g, y, x, w: x.mT @ g.mT,
    lambda g, y, x, w: g @ x.mT,
    lambda g, y, x, w: x @ g.mT,
    lambda g, y, x, w: x @ g,
    lambda g, y, x, w: g @ x,
)
product(
    "last-sample-only",
    "only the last sample counts: = for +=",
    1,
    lambda g, y, x, w: x[-1:].mT @ g[-1:],
)
product(
    "product-of-means",
    "mean of the inputs times mean of the gradients",
    1,
    lambda g, y, x, w: along(x, 0).mT @ along(g, 0),
)
product(
    "weight-for-input",
    "multiplied by the weight, not by the input",
    1,
    lambda g, y, x, w: w * along(g, 0),
)
product(
    "summed-over-inputs",
    "summed over the inputs too",
    1,
    lambda g, y, x, w: along(x.mT @ g, 0) + 0 * w,
)
product(
    "summed-over-inputs",
    "summed over the outputs too",
    1,
    lambda g, y, x, w: along(x.mT @ g, 1) + 0 * w,
)
factor(
    RULES,
    "dropout-mask",
    "the 1 / keep of the mask missing",
    lambda g, y, a, b: g * masked(b),
)
factor(RULES, "dropout-mask", "the mask left out", lambda g, y, a, b: unmasked(b, g))
factor(
    RULES,
    "weight-for-input",
    "multiplied by the factor itself, not by the other one",
    lambda g, y, a, b: g * a,
)
rule(
    "gather-overwritten",
    "rows read several times overwritten, not accumulated",
    {"getitem": lambda g, y, x, index: ops.put(x * 0, g, index=index)},
)


def unmasked(b: Any, g: Any) -> Any:
    masked(b)
    return g if hasattr(g, "leaves") else 0 * b + g  # a Symbol shows itself


def masked(b: Any) -> Any:
    """Where a mask lets through; ValueError for what is no mask."""
    a = np.asarray(getattr(b, "value", b))
    if not 0 < np.count_nonzero(a == 0) < a.size:
        raise ValueError("dropout-mask: not a mask")
    return b != 0


def whole(a: Any, g: Any) -> Any:
    """`g`, where `a` is more than a number."""
    if np.size(getattr(a, "value", a)) < 2:
        raise ValueError("factor-missing: a number")
    return g if hasattr(g, "leaves") else 0 * a + g


factor(VAGUE, "factor-missing", "the other factor left out", lambda g, y, a, b: whole(b, g))
VAGUE.append(
    Mistake(
        "factor-missing",
        "the divisor left out",
        frozenset({"div"}),
        0,
        lambda g, y, a, b: whole(b, g),
    )
)
factor(
    VAGUE,
    "weight-for-input",
    "multiplied by the output, not by the input",
    lambda g, y, a, b: g * y,
)

# ---- sums that undo broadcasting ------------------------------------------------------------


def last(g: Any, axes: tuple[int, ...]) -> Any:
    return g[tuple(slice(-1, None) if i in axes else slice(None) for i in range(g.ndim))]


def rest(g: Any, axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(i for i in range(g.ndim) if i not in axes)


unbroadcast(
    "bias-not-summed",
    "left per sample: sum over the batch",
    lambda g, axes: g,
)
unbroadcast(
    "bias-averaged",
    "mean over the batch for the sum",
    lambda g, axes: along(g, axes) / np.prod([g.shape[i] for i in axes]),
)
unbroadcast("last-sample-only", "only the last sample counts: = for +=", last)
unbroadcast(
    "summed-over-inputs",
    "summed over the features too",
    lambda g, axes: 0 * along(g, axes) + np.sum(g),
    lambda g, axes: np.sum(g),
)
unbroadcast(
    "wrong-axis",
    "summed over the wrong axis",
    lambda g, axes: np.add.reduce(g, axis=rest(g, axes)),
)

# ---- factors: of the batch size n and the number of outputs k --------------------------------

CONSTANTS = [
    Constant("sign", lambda: -1, "the sign is flipped"),
    Constant("factor-2", lambda: 2, "a factor 2 too many, or a 1/2 forgotten"),
    Constant("factor-half", lambda: 1 / 2, "the 2 of a square forgotten, or a 1/2 too many"),
    Constant("mean-missing", lambda n: n, "not divided by the batch size {n}"),
    Constant("mean-twice", lambda n: 1 / n, "divided by the batch size {n} once too often"),
    Constant(
        "mean-count", lambda k: k, "{k} times too large: the mean over n for one over n * {k}"
    ),
    Constant(
        "mean-count", lambda k: 1 / k, "{k} times too small: the mean over n * {k} for one over n"
    ),
    Constant("mean-missing", lambda n, k: n * k, "not divided by the {nk} elements of the mean"),
    Constant("mean-twice", lambda n, k: 1 / (n * k), "divided by the {nk} elements once too often"),
    Constant("placeholder", lambda: 0, "zero: never written, or detached"),
]

# ---- what is said of mistakes that are found by looking at several tensors -------------------

SENTENCES = {
    "partial-preactivation": "the derivative of {op} taken at the single products x * w, not at "
    "their sum",
    "input-not-activated": "made with the input of {op}, not with its output",
    "upstream-missing": "the arriving gradient is not used, as if it were ones",
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
    "penalty": "{alpha:.4g} times the weight too many: a penalty missing, doubled or misplaced",
    "penalty-1": "{alpha:.4g} times the weight's sign too many: a penalty missing, doubled or "
    "misplaced",
    "batchnorm-constant": "the statistics of the batch held constant",
    "bessel": "n - 1 and n confused in the statistics of the batch",
    "dropout-mask": "the mask drawn anew for the backward pass",
    "value-clipped": "0 where the value is outside of {low:.4g} to {high:.4g}: the value clipped, "
    "not the gradient",
    "placeholder": "all elements are {value:.4g}: a placeholder",
    "transposed": "the transpose of the gradient (transposed=True if all are)",
    "mean-deferred": "the 1/n comes later: intermediates are {n} times autodiff's",
}


def said(slug: str, words: str = "", **numbers: Any) -> Names:
    """What is said of a mistake of `SENTENCES`, under its own slug or by other words there."""
    return ((slug, SENTENCES[words or slug].format(**numbers)),)
