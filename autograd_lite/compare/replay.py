"""The tape run again: forward from changed values, and backward from somebody else's gradients."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..check import step_size
from ..tape import Array, before, fit, tape, walk
from ..tensor import Tensor


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
    return values.get(loss, loss.data)


def slopes(loss: Tensor, t: Tensor, element: tuple[int, ...]) -> tuple[float, float] | None:
    """The slopes of the loss to the left and to the right of one element of a tensor of its tape.

    Computed in float64. None if the recorded arrays do not give the loss any more.
    """
    x = t.data.astype(np.float64)

    def at(value: float) -> float:
        moved = x.copy()
        moved[element] = value
        return float(replay(loss, {t: moved}).item())

    middle = float(x[element])
    here, was = at(middle), float(loss.data.item())
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


def pull_yours(loss: Tensor, yours: Mapping[Tensor, Array]) -> dict[Tensor, Array]:
    """For every tensor, what the rules of the tape make of the gradients handed in above it.

    `yours` has gradients in the shape and dtype of their tensors: each takes the place of the one
    that was pulled back to its tensor.
    """
    made: dict[Tensor, Array] = {loss: np.ones(loss.shape, loss.dtype)}
    for node in walk(loss):
        if node.op is None or node not in made:
            continue
        g = yours.get(node, made[node])
        for p, rule in zip(node.parents, node.op.rules):  # noqa: B905  (rules of `each` have no end)
            if p is None or not p.requires_grad:
                continue
            source = before(p, node.serial)
            gp = fit(np.asarray(rule(g, node.data, *node.args, **node.kw)), source.data)
            made[source] = made[source] + gp if source in made else gp
    return made


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
