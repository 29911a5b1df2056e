"""Edits of what is right in itself: a factor too many, a contribution in the wrong place."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from ...engine.rules import ops
from ...engine.tape import Array
from ...engine.tensor import Tensor
from ..propagation import Change, Contribution
from .edits import ARRAYS, PLACES, Arrays
from .guess import Guess, Guessing, in_all
from .places import Site
from .table import curve

MOST_PARTS = 8  # that something is cut into, as the gates of a cell


def other_factors(s: Guessing) -> Iterator[Guess]:
    """What goes back along an edge, or the whole of a gradient, times or over another array."""
    arrays = Arrays(s.back)
    sites = [(Site(p), s.back.made[p]) for p in s.tensors[:PLACES] if p in s.back.made]
    edges = [(site, e.part) for site, e in s.single[:PLACES] if len(s.back.into[site.p]) > 1]
    for site, part in [*sites, *edges]:
        if not np.ptp(part):
            continue
        for t, a in alike(arrays, part)[:ARRAYS]:
            with np.errstate(all="ignore"):
                ways = {
                    "times {} once too often": part * a,
                    "divided by {} once too often": part / a,
                }
            for words, wrong in ways.items():
                s.matcher.spend(4 * part.size)
                if s.matcher.late:
                    return
                if np.isfinite(wrong).all():
                    yield from s.exactly(site, wrong, partial(named, s, words, t))


def alike(arrays: Arrays, part: Array) -> list[tuple[Tensor | None, Array]]:
    """The arrays of a program that stretch to a shape."""
    found = [(t, a) for t, a, turned in arrays.like(part) if not turned]
    for shape in arrays.by_shape:
        if shape != part.shape and 0 < len(shape) <= part.ndim:
            ends = part.shape[part.ndim - len(shape) :]
            if all(n in (1, m) for n, m in zip(shape, ends, strict=True)):
                found += arrays.by_shape[shape]
    return found


def named(s: Guessing, words: str, t: Tensor | None) -> Any:
    return (("factor-twice", words.format(s.label(t))),)


def after_the_derivative(s: Guessing) -> Iterator[Guess]:
    """A contribution that is added below an activation, whose derivative it must go through."""
    for site, e in s.single[:PLACES]:
        several = s.back.into[e.node]
        if not curve(e.node) or len(several) < 2:
            continue
        for x in several:
            if x.part.shape != e.g.shape:
                continue
            s.matcher.spend_on(e)
            wrong = Contribution(e.edge, e.g - x.part).part + x.part
            words = (
                f"what comes through {s.label(x.node)} is added after the derivative of "
                f"{e.node.op.name}, which it must be multiplied by"
            )
            yield from s.exactly(site, wrong, (("added-late", words),))


def exchanged_parts(s: Guessing) -> Iterator[Guess]:
    """The gradients of two parts that something is cut into, as the gates of a cell, in each
    other's place; in all steps alike."""
    kinds: dict[Any, list[Tensor]] = defaultdict(list)
    cuts: dict[Any, list[Contribution]] = {}
    for p in s.back.tape.nodes:
        picks = [e for e in s.back.into[p] if e.node.op is ops.getitem]
        if 1 < len(picks) <= MOST_PARTS and len(picks) == len(s.back.into[p]):
            key = tuple(sorted((e.node.shape, repr(e.node.kw)) for e in picks))
            kinds[key].append(p)
            cuts[key] = picks
    for key, tensors in kinds.items():
        for one, other in itertools.combinations(cuts[key], 2):
            if one.node.shape != other.node.shape:
                continue
            change = exchanging(one.node.kw["index"], other.node.kw["index"])
            many = f", {in_all(len(tensors), 'steps')}" if len(tensors) > 1 else ""
            labels = f"{s.label(one.node)} and {s.label(other.node)}"
            words = f"the gradients of two parts are exchanged, in another order: {labels}"
            changes = dict.fromkeys(tensors, change)
            yield from s.whole(Site(tensors[0]), changes, (("order", words + many),))


def exchanging(one: Any, other: Any) -> Change:
    """The gradient of a whole with two of its parts in each other's place."""

    def change(g: Array, e: Any) -> Array:
        made = g.copy()
        made[one], made[other] = g[other], g[one]
        return made

    return change


def reshaped(s: Guessing) -> Iterator[Guess]:
    """A gradient in the shape that is due, with the elements in another order: as if it had been
    flattened with its axes in another order."""
    for site, e in s.single[:PLACES]:
        shape, whole = e.p.shape, e.g
        if e.node.op is not ops.reshape or not 1 < len(shape) < 5 or e.g.shape == shape:
            continue
        for order in [*itertools.permutations(range(len(shape)))][1:]:
            flat = np.reshape(whole, [shape[i] for i in order])
            wrong = flat.transpose(np.argsort(order))
            words = f"reshaped as if its axes were in the order {order}: flattened in another order"
            yield from s.exactly(site, wrong, (("order", words),))
