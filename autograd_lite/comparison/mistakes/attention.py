"""Mistakes of attention: a mask that comes after the softmax, and weights in each other's place."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...engine.rules import ops
from ...engine.tape import Array
from ...engine.tensor import Tensor
from ..propagation import Change, Contribution
from .edits import PLACES, with_array
from .guess import Guess, Guessing
from .places import Site

MASKED = -1e4  # scores from which on a softmax is taken to be masked
LEFT_OUT = "the mask left out of the softmax: what is masked counts"
AFTER = "the mask is applied after the softmax, so that what is masked counts in its sum"


def masks_of_softmax(s: Guessing) -> Iterator[Guess]:
    """The softmax of scores without their mask, which comes after it, or not at all."""
    for site, e in s.single[:PLACES]:
        node, masked = e.node, e.p
        found = unmasked(masked) if node.op is ops.softmax else None
        if found is None:
            continue
        scores, kept = found
        whole = np.asarray(node.op.forward(scores, **node.kw))
        uses = [x for arcs in s.back.into.values() for x in arcs if multiplies(x, node)]
        for y, words in ((whole * kept, AFTER), (whole, LEFT_OUT)):
            changes = {(node, e.i): softmax_of(y, scores)}
            if y is whole and masked.op is ops.where:  # which lets all through then
                changes |= {(masked, i): arriving for i in (1, 2)}
            names = (("mask-after", words),)
            yield from s.whole(site, changes, names)
            if uses:
                more = dict.fromkeys([(x.node, x.i) for x in uses], other_factor(y))
                yield from s.whole(site, changes | more, names)


def softmax_of(y: Array, scores: Array) -> Change:
    """The gradient of these scores, of which `y` is taken for the softmax."""
    return lambda part, x: np.asarray(x.edge.rule(x.g, y, scores, **x.node.kw))


def arriving(part: Array, x: Any) -> Array:
    return np.broadcast_to(x.g, part.shape)


def unmasked(p: Tensor) -> tuple[Array, Array] | None:
    """The scores that a mask was put on, and where they are kept."""
    args = [np.asarray(a) for a in p.args or ()]
    for scores, mask in itertools.permutations(args[-2:]):
        if not (mask <= MASKED).any() or (scores <= MASKED).any():
            continue
        if p.op is ops.where and mask.size == 1:
            return scores, args[0] if scores is args[1] else ~args[0]
        if p.op is ops.add:
            return scores, mask > MASKED
    return None


def multiplies(x: Contribution, y: Tensor) -> bool:
    """Whether an edge is that of the other factor of a product with `y`."""
    return x.node.op is ops.matmul and x.p is not y and any(q is y for q in x.node.parents)


def other_factor(y: Array) -> Change:
    """The gradient of one factor of a product, with `y` in the place of the other."""

    return lambda part, x: with_array(x, 1 - x.i, y)


def exchanged_factors(s: Guessing) -> Iterator[Guess]:
    """The weights of two products of one tensor in each other's place, on the way back to it."""
    for p in s.tensors[:PLACES]:
        arcs = [x for x in s.back.into[p] if x.node.op is ops.matmul]
        for one, other in itertools.combinations(arcs, 2):
            a, b = (np.asarray(x.node.args[1 - x.i]) for x in (one, other))
            if one.i != other.i or a.shape != b.shape or one.g is other.g:
                continue
            changes = {(x.node, x.i): other_factor(w) for x, w in ((one, b), (other, a))}
            labels = " and ".join(s.label(x.node.parents[1 - x.i]) for x in (one, other))
            words = f"{labels} in each other's place on the way back to {s.label(p)}"
            yield from s.whole(Site(p), changes, (("order", words),))
