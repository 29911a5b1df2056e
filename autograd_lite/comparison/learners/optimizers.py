"""Layers made ready: their arrays made, those that are written while they run left out, and
optimizers inside them replaced by plain steps."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ...engine.tape import Array
from .calls import Layer, copies, needed
from .execution import raised
from .parts import attributes, changed, snapshot, trained


class Plain:
    """An optimizer that steps by -lr times the gradient, in the place of a learner's own: momentum
    and the like would hide the gradient in the step."""

    def __init__(self, rate: float) -> None:
        self.lr = self.learning_rate = rate

    def update(self, w: Any, g: Any, *rest: Any, **kw: Any) -> Any:
        if isinstance(w, dict | list):
            for key in w if isinstance(w, dict) else range(len(w)):
                w[key] = self.update(w[key], g[key])
            return w
        return w - self.lr * g

    __call__ = step = update


def is_optimizer(value: Any) -> bool:
    """Whether an object has `update(w, grad)`."""
    update = getattr(value, "update", None)
    if isinstance(value, dict | set | type) or not inspect.ismethod(update):
        return False
    return len(needed(update)) == 2


def with_plain_steps(layer: Layer, rate: float) -> None:
    """Put plain steps in the place of the optimizers that a layer has, after it made its arrays."""
    initialize = getattr(layer.own, "initialize", None)
    if not layer.parts and callable(initialize) and len(needed(initialize)) == 1:
        with suppress(Exception):  # it may be another method of that name
            initialize(Plain(rate))
        layer.find()
    for name, value in attributes(layer.own).items():
        if is_optimizer(value):
            setattr(layer.own, name, Plain(rate))


def ready(
    names: Sequence[str], layers: Sequence[Layer], x: Array, rate: float
) -> tuple[Layer, ...]:
    """Copies of the layers that have their arrays, which some make in their first forward, each
    with those that it does not write there."""
    base = copies(layers)
    for layer in base:
        with_plain_steps(layer, rate)
    twins = copies(base)
    before = [snapshot(layer.parts) for layer in twins]
    run(names, twins, x)
    for layer in twins:
        layer.find()
    made = [
        [p for p in layer.parts if p not in old and trained(p)]
        for layer, old in zip(twins, before, strict=True)
    ]
    if any(made):  # in the first forward: it is to be the same in all that follow
        base = copies(twins)
        again = copies(twins)
        before = [snapshot(layer.parts) for layer in again]
        run(names, again, x)
        twins = again
        for layer in twins:
            layer.find()
    found = []
    for layer, twin, old in zip(base, twins, before, strict=True):
        written = changed(old, twin.parts)
        layer.find()
        found.append(layer.narrowed([p for p in layer.parts if p not in written]))
    return tuple(found)


def run(names: Sequence[str], layers: Sequence[Layer], x: Array) -> None:
    """The forward of all layers; ValueError if one raises."""
    h: Any = x.copy()
    for name, layer in zip(names, layers, strict=True):
        try:
            with np.errstate(all="ignore"):
                h = layer.forward(h)
                if h is None:
                    return  # the run that is compared says so
        except Exception as error:
            title = f"{name}.{layer.spec.forward}"
            raise ValueError(f"compare_layers: {title} {raised(error)}") from error
