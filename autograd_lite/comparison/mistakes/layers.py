"""Mistakes in every layer, and in every step that uses the same weight.

The places are found by the weights: what goes into them, and what goes through them to the layer
below or to the step before.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ...engine.rules import ops
from ...engine.tape import Array
from ...engine.tensor import Tensor
from ..propagation import Backprop, Contribution, times
from .edits import skip_change, with_array
from .guess import Guess, Guessing, in_all
from .places import activation_above, is_weight, viewed

# ---- layers ----------------------------------------------------------------------------------


class Edges(NamedTuple):
    """The edges of products into data and into weights, and those into biases."""

    below: list[Contribution]
    weights: list[Contribution]
    biases: list[Contribution]


def edges_of(back: Backprop) -> Edges:
    found = Edges([], [], [])
    for e in itertools.chain(*back.into.values()):
        if e.node.op is ops.matmul:
            (found.weights if is_weight(e.p) else found.below).append(e)
        elif is_weight(e.p) and e.raw.shape != e.p.shape:
            found.biases.append(e)
    return found


def on_every_way_back(s: Guessing, edges: Edges) -> Iterator[Guess]:
    """The derivative of the activation left out of what goes to the layer below, in all layers."""
    above = {e: a for e in edges.below if (a := activation_above(e.above)) is not None}
    if above:
        arcs, op = [*above], {a.node.op.name for a in above.values()}
        where = "" if len(arcs) == 1 else f", {in_all(len(arcs), 'places')}"
        words = f"{' and '.join(sorted(op))} left out on the way to the layer below{where}"
        names = (("activation-missing", f"the derivative of {words}"),)
        yield from s.group(arcs, skip_change, names)


def scaled_groups(s: Guessing, edges: Edges) -> Iterator[Guess]:
    """One factor in every layer: of what goes to the layer below, of weights, or of biases."""
    below, weights, biases = edges
    for arcs, where in (
        (below, "in what goes to the layer below"),
        (weights, "in the weights"),
        (biases, "in the biases"),
        ([*weights, *biases], "in weights and biases"),
    ):
        if len(arcs) > 1:
            yield from s.scaled(arcs, s.matcher.factors, f"{where}, in all layers")


# ---- steps that use the same weight ----------------------------------------------------------


def through_time(s: Guessing, edges: Edges) -> Iterator[Guess]:
    """Mistakes in every step that uses the same weight."""
    carried = by_weight((e.node.parents[1 - e.i], e) for e in edges.below)
    for w, arcs in by_weight((e.p, e) for e in edges.weights).items():
        if len(arcs) < 2:
            continue
        name, many, back = s.label(w), in_all(len(arcs), "steps"), carried[w]
        if back:
            words = f"the contribution of the step after, through {name}, is forgotten, {many}"
            yield from s.group(back, times(0), (("carried-missing", words),))
            words = f"{name} left out of the gradient carried to the step before, {many}"
            yield from s.group(back, without_weight, (("weight-missing", words),))
        yield from shifted_steps(s, w, arcs)


def by_weight(
    pairs: Iterable[tuple[Tensor | None, Contribution]],
) -> dict[Tensor, list[Contribution]]:
    """The edges that belong to each weight, the oldest first."""
    found: dict[Tensor, list[Contribution]] = defaultdict(list)
    for w, e in sorted(pairs, key=lambda pair: pair[1].node.serial):
        if w is not None and is_weight(w):
            found[viewed(w)].append(e)
    return found


def without_weight(part: Array, e: Contribution) -> Array:
    return e.g if e.g.shape == part.shape else part


def shifted_steps(s: Guessing, w: Tensor, weights: list[Contribution]) -> Iterator[Guess]:
    """The gradient of a weight made with the input of another step."""
    inputs = [np.asarray(e.node.args[1 - e.i]) for e in weights]
    after = [activation_above(e.above) for e in weights]
    results = [
        inputs[0] if a is None else a.node.array.reshape(x.shape if a.node.size == x.size else -1)
        for a, x in zip(after, inputs, strict=True)
    ]  # of a vector that was multiplied as a matrix of one row
    zero = np.zeros_like(inputs[0])
    for words, other in (
        ("the state after the step for the one before it", results),
        ("the input of the step before: off by one", [zero, *inputs[:-1]]),
        ("the input of the step after: off by one", [*inputs[1:], results[-1]]),
        ("the inputs of the steps in reverse order", inputs[::-1]),
        ("the input of the first step in all steps", [inputs[0]] * len(inputs)),
        ("the input of the last step in all steps", [inputs[-1]] * len(inputs)),
    ):
        if any(a.shape != b.shape for a, b in zip(inputs, other, strict=True)):
            continue
        by = {(e.node, e.i): a for e, a in zip(weights, other, strict=True)}

        def change(part: Array, e: Contribution, by: Any = by) -> Array:
            return with_array(e, 1 - e.i, by[e.node, e.i])

        yield from s.group(weights, change, (("wrong-step", f"{s.label(w)} is made with {words}"),))
