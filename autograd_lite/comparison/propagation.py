"""A recorded tape run again: forward from changed values, backward from somebody's gradients."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np

from ..differences import step_size
from ..engine.modes import enable_grad
from ..engine.tape import Array, unbroadcast
from ..engine.tensor import Tensor
from ..program.chain import Edge, Tape, added, reverse


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
    return replayed(Tape(loss), changed)


def replayed(tape: Tape, changed: Mapping[Tensor, Array]) -> Array:
    """The value of the newest tensor of a tape if these had those values."""
    values = dict(changed)
    for node, inputs in tape.inputs.items():
        if node.op is not None and node not in values and any(p in values for p in inputs):
            args = (values.get(p, a) for p, a in zip(inputs, node.args, strict=True))
            with np.errstate(all="ignore"):
                values[node] = np.asarray(node.op.forward(*args, **node.kw))
    loss = tape.nodes[-1]
    return values.get(loss, loss.array)


def recorded_again(
    loss: Tensor, change: Callable[[Tensor, list[Any]], tuple[list[Any], dict[str, Any]] | None]
) -> dict[Tensor, Tensor]:
    """The loss recorded anew from the same leaves with other inputs or metadata of some operations:
    `change` gives those, or None. What is recorded by what it was, with the same names; nothing if
    nothing changes."""
    new: dict[Tensor, Tensor] = {}
    changed = False
    with enable_grad(), np.errstate(all="ignore"):
        for node, inputs in Tape(loss).inputs.items():
            if node.op is None:
                continue
            pairs = zip(inputs, node.args, strict=True)
            args = [a if p is None else new.get(p, p) for p, a in pairs]
            found = change(node, args)
            changed = changed or found is not None
            if found is not None or any(p in new for p in inputs):
                args, kw = (args, node.kw) if found is None else found
                new[node] = node.op(*args, **kw)
                new[node].name = node.name
    return new if changed and loss in new else {}


def slopes(tape: Tape, t: Tensor, element: tuple[int, ...]) -> tuple[float, float] | None:
    """The slopes of the loss to the left and to the right of one element of a tensor of its tape.

    Computed in float64. None if the recorded arrays do not give the loss any more.
    """
    x, loss = t.array.astype(np.float64), tape.nodes[-1]

    def at(value: float) -> float:
        moved = x.copy()
        moved[element] = value
        return float(replayed(tape, {t: moved}).item())

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


class Contribution:
    """What one edge adds to the gradient of the tensor `p`, which is input `i` of `node`.

    `g` is the gradient of `node`, `raw` what the rule makes of it, and `part` that, summed over the
    axes that broadcasting stretched; `above` are the contributions to `g`. ValueError for a
    gradient of a shape that cannot be passed on.
    """

    __slots__ = ("edge", "node", "i", "p", "g", "raw", "part", "above")

    def __init__(
        self,
        edge: Edge,
        g: Array,
        raw: Array | None = None,
        above: Sequence[Contribution] = (),
    ) -> None:
        node, p = edge.node, edge.p
        if raw is None:
            try:
                raw = np.asarray(edge.rule(g, node.array, *node.args, **node.kw))
            except Exception as error:
                if g.shape == node.shape:
                    raise
                raise ValueError(f"{node.op.name}: no gradient of shape {g.shape}") from error
        wide = g.shape != node.shape and p.shape == node.shape  # never summed: it stays so
        self.edge, self.node, self.i, self.p, self.g, self.raw = edge, node, edge.i, p, g, raw
        self.above = above
        self.part = raw if wide or raw.shape == p.shape else unbroadcast(raw, p.array)


Change = Callable[[Array, Any], Array]


def always(wrong: Array) -> Change:
    """The change that gives this gradient."""
    return lambda part, e: wrong


def times(c: Any) -> Change:
    """The change that multiplies by this."""
    return lambda part, e: c * part


class Backprop:
    """A backward pass over a recorded tape that starts anew from gradients that were handed in.

    `yours` has gradients in the shape and dtype of their tensors: each takes the place of the one
    that was pulled back to its tensor, which `made` keeps. `into` has the contributions to every
    gradient. `changes` are mistakes to make on the way: for an edge `(node, i)` a function of its
    part and of the Contribution that gives another part, for a tensor one of its total gradient and
    None.
    """

    def __init__(
        self,
        tape: Tape,
        yours: Mapping[Tensor, Array],
        changes: Mapping[Any, Change],
        seed: Array | None = None,
    ) -> None:
        self.tape, self.yours, self.changes = tape, yours, changes
        self.into: dict[Tensor, list[Contribution]] = defaultdict(list)
        loss = tape.nodes[-1]
        self.seed = np.ones(loss.shape, loss.dtype) if seed is None else seed

        def send(edge: Edge, g: Array) -> Array:
            found = Contribution(edge, yours.get(edge.node, g), above=self.into[edge.node])
            if changes and (edge.node, edge.i) in changes:
                found.part = changes[edge.node, edge.i](found.part, found)
            self.into[edge.p].append(found)
            return found.part

        def total(t: Tensor, parts: list[Array]) -> Array:
            g: Array = added(t, parts)
            return changes[t](g, None) if t in changes else g

        made = dict(reverse(tape, self.seed, send, total))
        self.made: dict[Tensor, Array] = {t: made[t] for t in (loss, *self.into)}  # as they arrive

    @cached_property
    def elements(self) -> int:
        """How many elements a pass goes through; a product counts as many as take its time."""
        products = sum(work_of(t, t.args) for t in self.tape.nodes if t.op is not None)
        return sum(t.array.size for t in self.tape.nodes) + 2 * products

    def with_changes(self, changes: Mapping[Any, Change]) -> Backprop:
        """The pass with more mistakes; ValueError if one gives what cannot be passed on."""
        return Backprop(self.tape, self.yours, {**self.changes, **changes}, self.seed)

    def gradient(self, t: Tensor) -> Array:
        """The gradient that the pass gives a tensor: zeros if it does not reach it."""
        g = self.made.get(t)
        return np.zeros(t.shape) if g is None else g

    @cached_property
    def onward(self) -> Tape:
        """The tape without the edges of tensors whose gradients were handed in."""
        tape = copy(self.tape)
        tape.edges = {t: [] if t in self.yours else es for t, es in self.tape.edges.items()}
        return tape

    def spread(self, t: Tensor, d: Array) -> dict[Tensor, Array]:
        """How the gradients handed in would differ if the one of `t` differed by `d`.

        It goes no further than tensors whose gradients were handed in, as the pass starts anew
        there. Tensors without consumers that pass on are leaves.
        """

        def send(edge: Edge, d: Array) -> Array:
            change = self.changes.get((edge.node, edge.i))
            if change is None:
                return Contribution(edge, d).part
            g = self.made[edge.node]  # a wrong rule need not be linear
            whole, alone = Contribution(edge, g + d), Contribution(edge, g)
            return change(whole.part, whole) - change(alone.part, alone)

        def total(u: Tensor, parts: list[Array]) -> Array:
            d: Array = added(u, parts)
            if u in self.changes and u is not t:
                d = self.changes[u](self.made[u] + d, None) - self.made[u]
            return d

        found = reverse(self.onward, d, send, total, start=t)
        return {u: d for u, d in found if u in self.yours or u.op is None}


def work_of(t: Tensor, args: Sequence[Any]) -> int:
    """How many elements could be gone through in the time of a product; 0 of another operation."""
    inner = np.shape(args[0])[-1] if t.op.kind == "product" and np.ndim(args[0]) else 0
    return t.array.size * inner // 12


def images(
    tape: Tape, t: Tensor, fixed: Collection[Tensor], directions: Array
) -> dict[Tensor, Array]:
    """How every tensor of the tape moves when `t` moves along each of some directions: a row each.

    Central differences in float64; the tensors that are `fixed` do not move.
    """
    step = 1e-7 * max(1.0, float(np.abs(t.array).max(initial=0)))
    moved: dict[Tensor, tuple[Array, Array]] = {}
    ways = directions.reshape(-1, *t.shape)
    moved[t] = t.array + step * ways, t.array - step * ways
    for node, inputs in tape.inputs.items():
        if node.op is None or node is t or not any(p in moved for p in inputs):
            continue
        if node in fixed:
            continue
        sides = []
        for side in (0, 1):
            rows = []
            for k in range(len(ways)):
                args = [
                    moved[p][side][k] if p in moved else wide(a)
                    for p, a in zip(inputs, node.args, strict=True)
                ]
                rows.append(np.asarray(node.op.forward(*args, **node.kw)))
            sides.append(np.stack(rows))
        moved[node] = sides[0], sides[1]
    return {u: between(*ends).reshape(len(ways), -1) / (2 * step) for u, ends in moved.items()}


def between(up: Array, down: Array) -> Array:
    """up - down; 0 between infinities, as in the margin of a max pooling."""
    return np.subtract(up, down, out=np.zeros_like(up), where=up != down)


def wide(a: Any) -> Any:
    """An array of floats in float64."""
    return a.astype(np.float64) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a


def sources(tape: Tape, wrong: Mapping[Tensor, str]) -> dict[Tensor, frozenset[str]]:
    """For every tensor, the names of the wrong tensors that its gradient was pulled back from."""

    def send(edge: Edge, above: frozenset[str]) -> frozenset[str]:
        return frozenset([wrong[edge.node]]) if edge.node in wrong else above

    def total(t: Tensor, parts: list[frozenset[str]]) -> frozenset[str]:
        return parts[0].union(*parts[1:])

    return dict(reverse(tape, frozenset(), send, total))
