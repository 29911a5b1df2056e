"""Factors of the batch size n and the number of outputs k, and what is said of other mistakes."""

from __future__ import annotations

from typing import Any

from .row import Constant, Wording

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
    "batchnorm-constant": "the {which} of the batch held constant",
    "bessel": "n - 1 and n confused in the statistics of the batch",
    "dropout-mask": "the mask drawn anew for the backward pass",
    "value-clipped": "0 where the value is outside of {low:.4g} to {high:.4g}: the value clipped, "
    "not the gradient",
    "clipped": "clipped to between -{bound:.4g} and {bound:.4g}: compare the gradients before that",
    "clipped-inside": "clipped to between -{bound:.4g} and {bound:.4g} after every step that is "
    "added up: clip once, behind the loop",
    "numerical": "right but for what a finite difference, or float32 on the way, leaves",
    "placeholder": "all elements are {value:.4g}: a placeholder",
    "transposed": "the transpose of the gradient (transposed=True if all are)",
    "mean-deferred": "the 1/n comes later: intermediates are {n} times autodiff's",
}


def said(slug: str, words: str = "", **numbers: Any) -> Wording:
    """What is said of a mistake of `SENTENCES`, under its own slug or by other words there."""
    return ((slug, SENTENCES[words or slug].format(**numbers)),)
