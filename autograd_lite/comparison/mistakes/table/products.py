"""Wrong rules of products: of matrices, of masks, of picked rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....engine.op import Rule
from ....engine.rules import ops
from .row import Mistake, Table, mistakes_of, only, sum_along


def last_of(x: Any) -> Any:
    """One-hot rows without those that a later one repeats."""
    a = np.asarray(getattr(x, "value", x))
    if a.ndim != 2 or not ((a == 0) | (a == 1)).all() or not (a.sum(axis=1) == 1).all():
        raise ValueError("gather-overwritten: no one-hot rows")
    classes = a.argmax(axis=1)
    last = [c not in classes[i + 1 :] for i, c in enumerate(classes)]
    return a * np.asarray(last)[:, None]


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


def rows(index: Any) -> Any:
    """An index of whole rows, as of an embedding; ValueError for another one."""
    if not isinstance(index, np.ndarray) or index.dtype.kind != "i" or not index.ndim:
        raise ValueError("gather-overwritten: no rows")
    return index


def some_rows(axis: int, i: int) -> Rule:
    """Of the rows that are read those at one place of an axis of the index alone."""

    def wrong(g: Any, y: Any, x: Any, index: Any) -> Any:
        if rows(index).ndim < 2:
            raise ValueError("last-sample-only: one axis")
        at = axis % index.ndim
        part = (slice(None),) * at + (slice(i, i + 1 or None),)
        return ops.scatter_add(g[part], shape=x.shape, index=index[part])

    return wrong


PRODUCTS = [
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
    *[
        Mistake("last-sample-only", sentence, only(ops.getitem), some_rows(axis, i))
        for axis, i, sentence in (
            (0, -1, "only the rows that the last sample read count: = for +="),
            (0, 0, "only the rows that the first sample read count"),
            (-1, -1, "only the rows that were read last in each sample count"),
            (-1, 0, "only the rows that were read first in each sample count"),
        )
    ],
    Mistake(
        "bias-averaged",
        "the gradient of a row divided by how often it was read: a mean for the sum",
        only(ops.getitem),
        lambda g, y, x, index: (
            ops.scatter_add(g, shape=x.shape, index=rows(index))
            / np.maximum(np.bincount(rows(index).reshape(-1), minlength=len(x)), 1)[:, None]
        ),
    ),
    Mistake(
        "summed-over-inputs",
        "every row gets the gradient of all rows that were read",
        only(ops.getitem),
        lambda g, y, x, index: sum_along(g, tuple(range(rows(index).ndim)))[0] + 0 * x,
    ),
    Mistake(  # as heads that are merged
        "order",
        "reshaped where axes must be exchanged: the elements come in another order",
        lambda node: node.op is ops.permute and node.ndim > 2,
        lambda g, y, x, **kw: g.reshape(x.shape),
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
# Comes last, as it often looks like another one. Other arrays in a rule make it too, but not with
# a factor as well, nor in every step by the names of a learner.
VAGUE = mul_rules("factor-missing: the other factor left out", lambda g, y, a, b: left_out(b, g))
