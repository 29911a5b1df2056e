"""The tape run again: forward from changed values, and backward from somebody else's gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from heapq import heappop, heappush
from typing import Any

import numpy as np

from ..check import step_size
from ..engine.tape import Array, before, tape, unbroadcast, walk
from ..engine.tensor import Tensor


def replay(loss: Tensor, changed: Mapping[Tensor, Array]) -> Array:
    """The value that `loss` would have if these tensors of its tape had those values.

    Inputs and intermediates may be changed, also to another float type; only what depends on
    them is computed anew, from the recorded arrays, and nothing is recorded. RuntimeError if the
    tape was released. The tape holds arrays, not copies: where one was overwritten in place since,
    the new values are used.

    >>> x = tensor([1.0, 2.0], requires_grad=True)
    >>> h = x * 3
    >>> loss = (h * h).sum()
    >>> loss.item(), float(replay(loss, {h: np.array([1.0, 1.0])}))
    (45.0, 2.0)
    """
    values = dict(changed)
    for node in tape(loss):
        if node.op is None or node in values:
            continue
        parents = [None if p is None else before(p, node.serial) for p in node.parents]
        if any(p in values for p in parents if p is not None):
            args = [
                a if p is None else values.get(p, a)
                for p, a in zip(parents, node.args, strict=True)
            ]
            with np.errstate(all="ignore"):
                values[node] = np.asarray(node.op.forward(*args, **node.kw))
    return values.get(loss, loss.array)


def slopes(loss: Tensor, t: Tensor, element: tuple[int, ...]) -> tuple[float, float] | None:
    """The slopes of the loss to the left and to the right of one element of a tensor of its tape.

    Computed in float64. None if the recorded arrays do not give the loss any more.
    """
    x = t.array.astype(np.float64)

    def at(value: float) -> float:
        moved = x.copy()
        moved[element] = value
        return float(replay(loss, {t: moved}).item())

    middle = float(x[element])
    here, was = at(middle), float(loss.array.item())
    if not abs(here - was) <= (1e-9 if loss.dtype == np.float64 else 1e-3) * max(1, abs(was)):
        return None

    def sides(h: float) -> tuple[float, float]:
        low, high = middle - h, middle + h
        return (here - at(low)) / (middle - low), (at(high) - here) / (high - middle)

    left, right = sides(step_size(middle))
    far_left, far_right = sides(4 * step_size(middle))
    if abs(right - left) < abs(far_right - far_left) / 2:  # it shrinks with the step: no kink
        left = right = (left + right) / 2
    return left, right


class Edge:
    """What one rule gave: from the gradient `g` of `node` to a part of the gradient of `p`, its
    input `i`; `raw` before the axes that broadcasting stretched are summed, `part` after."""

    __slots__ = ("node", "i", "p", "g", "raw", "part")

    def __init__(self, node: Tensor, i: int, p: Tensor, g: Array, raw: Array) -> None:
        self.node, self.i, self.p, self.g, self.raw = node, i, p, g, raw
        wide = g.shape != node.shape and p.shape == node.shape  # never summed: it stays so
        self.part = raw if wide or raw.shape == p.shape else unbroadcast(raw, p.array)


Change = Callable[[Array, Any], Array]


def always(wrong: Array) -> Change:
    """The change that gives this gradient."""
    return lambda part, e: wrong


def times(c: Any) -> Change:
    """The change that multiplies by this."""
    return lambda part, e: c * part


class Backward:
    """A backward pass over a recorded tape that starts anew from gradients that were handed in.

    `nodes` is the tape, newest first. `yours` has gradients in the shape and dtype of their
    tensors: each takes the place of the one that was pulled back to its tensor, which `made` keeps.
    `changes` are mistakes to make on the way: for an edge `(node, i)` a function of its part and of
    the Edge that gives another part, for a tensor one of its total gradient and None.
    """

    def __init__(
        self, nodes: list[Tensor], yours: Mapping[Tensor, Array], changes: Mapping[Any, Change]
    ) -> None:
        self.nodes, self.yours, self.changes = nodes, yours, changes
        self.made: dict[Tensor, Array] = {nodes[0]: np.ones(nodes[0].shape, nodes[0].dtype)}
        self.into: dict[Tensor, list[Edge]] = {}
        for node in nodes:
            if node not in self.made:
                continue
            if node in changes:
                self.made[node] = changes[node](self.made[node], None)
            if node.op is None:
                continue
            g = yours.get(node, self.made[node])
            for edge in edges(node, g):
                if changes and (node, edge.i) in changes:
                    edge.part = changes[node, edge.i](edge.part, edge)
                p = edge.p
                self.into.setdefault(p, []).append(edge)
                self.made[p] = self.made[p] + edge.part if p in self.made else edge.part

    def spread(self, t: Tensor, d: Array) -> dict[Tensor, Array]:
        """How the gradients handed in would differ if the one of `t` differed by `d`.

        It goes no further than tensors whose gradients were handed in, as the pass starts anew
        there. Tensors without consumers that pass on are leaves.
        """
        found: dict[Tensor, Array] = {}
        pending = {-t.serial: (t, d)}
        heap = [-t.serial]
        while heap:
            node, d = pending.pop(heappop(heap))
            if node in self.changes and node is not t:
                total = self.made[node]
                d = self.changes[node](total + d, None) - total
            if node in self.yours or node.op is None:
                found[node] = d
                continue
            g = self.made[node]
            for edge in edges(node, d):
                change = self.changes.get((node, edge.i))
                if change is None:
                    part = edge.part
                else:  # a wrong rule need not be linear
                    whole = next(e for e in edges(node, g + d) if e.i == edge.i)
                    alone = next(e for e in edges(node, g) if e.i == edge.i)
                    part = change(whole.part, whole) - change(alone.part, alone)
                k = -edge.p.serial
                if k in pending:
                    pending[k] = edge.p, pending[k][1] + part
                else:
                    pending[k] = edge.p, part
                    heappush(heap, k)
        return found


def edges(node: Tensor, g: Array) -> Iterator[Edge]:
    """Everything that the rules of `node` make of its gradient `g`."""
    for i, (p, rule) in enumerate(zip(node.parents, node.op.rules)):  # noqa: B905  (see `Each`)
        if p is not None and p.requires_grad and rule is not None:
            raw = np.asarray(rule(g, node.array, *node.args, **node.kw))
            yield Edge(node, i, before(p, node.serial), g, raw)


def sources(loss: Tensor, wrong: Mapping[Tensor, str]) -> dict[Tensor, set[str]]:
    """For every tensor, the names of the wrong tensors that its gradient was pulled back from."""
    found: dict[Tensor, set[str]] = {}
    for node in walk(loss):
        above = found.get(node, set())
        passed = {wrong[node]} if node in wrong else above
        for p in node.parents:
            if p is not None and p.requires_grad and passed:
                found.setdefault(before(p, node.serial), set()).update(passed)
    return found
