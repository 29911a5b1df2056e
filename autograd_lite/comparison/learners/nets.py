"""A net in one object, without layers: with `loss(X, y)`, `backprop(x, y)` or `gradient(x, t)`.

It is one layer whose backward knows the target: what it hands in are the gradients of parameters.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...engine.tape import Array
from ...engine.tensor import Tensor
from .calls import (
    FORWARDS,
    MODES,
    OUTPUTS,
    Layer,
    Spec,
    filled,
    is_input,
    is_rate,
    method,
    needed,
    positional,
)
from .classes import loss_of, members
from .criterion import SLOPES, VALUES, first_method, instance
from .parts import Part, attributes, looked_up, plain

TARGETS = ("y", "t", "target", "targets", "label", "labels", "ytrue", "ytrain", "truey", "expected",
           "y_", "desired", "yy", "ybatch", "groundtruth")  # fmt: skip
PENALTIES = ("reg", "regularization", "lam", "lambd", "lamb", "l2", "weightdecay", "lmbda")
# of the methods that give gradients, in letters and digits alone
GRADIENTS = ("gradient", "gradients", "backprop", "backpropagation", "backpropagate", "backward",
             "backwardpass", "backwardprop", "backwardpropagation", "lossandgrad", "lossgrad",
             "costfunctionprime", "computegradients", "computegradient", "computegrads",
             "calculategradients", "getgradients", "trainstep", "step", "update", "train",
             "fit")  # fmt: skip
LOSSES = ("loss", "cost", "computeloss", "computecost", "costfunction", "lossfunction",
          "calculateloss", "error", "objective", "lossandgrad")  # fmt: skip


@dataclass
class Net(Layer):
    """A net whose backward is given inputs and targets."""

    target: Any = None
    valued: bool = False  # whether its forward gives the loss

    def all_parts(self) -> dict[str, Part]:
        """All arrays by the names that the net's dictionary has for them, if it has one."""
        parts = super().all_parts()
        named = {part.keys[0] if part.keys else p: part for p, part in parts.items()}
        if len(named) != len(parts):
            return parts
        for name, part in named.items():
            part.name = name
        return named

    def forward(self, x: Any) -> Any:
        if np.ndim(self.target) == np.ndim(x) == 3 and not self.valued and np.shape(x)[2] == 1:
            return self.samples(x)
        function = getattr(self.own, self.spec.forward)
        if self.valued:
            y = function(*self.by_names(function, x))
            y = y[0] if isinstance(y, tuple | list) else y
        elif not needed(function) and not positional(function):
            self.keep_data(x)
            y = function()
            y = self.left(OUTPUTS, {}) if y is None else y
        else:
            y = self.output_of(function(*self.by_names(function, x)))
        self.x, self.y = x, y
        return y

    def output_of(self, y: Any) -> Any:
        """The prediction in what a forward returned: of several values the last in the shape of the
        target, as in Z1, A1, Z2, A2; else the first of a tuple, the last of a list."""
        if y is None:
            return self.left(OUTPUTS, {})
        if not isinstance(y, tuple | list):
            return y
        shape = np.shape(self.target)
        like = [i for i, v in enumerate(y) if is_array(v) and np.shape(v) == shape]
        at = like[-1] if like else 0 if isinstance(y, tuple) else len(y) - 1
        self.cache = tuple(v for i, v in enumerate(y) if i != at) if isinstance(y, tuple) else (y,)
        return y[at]

    def samples(self, xs: Any) -> Any:
        """The outputs for columns that stand one after the other."""
        function = getattr(self.own, self.spec.forward)
        self.x, self.y = xs, np.stack([function(x) for x in xs])
        return self.y

    def sum_of_samples(self) -> dict[str, Any]:
        """The sum of the gradients for each of the columns."""
        function = getattr(self.own, self.spec.backward)
        total: dict[str, Any] = {}
        for x, y in zip(self.x, self.target, strict=True):
            one = replace(self, own=self.own, target=y)
            one.x = x
            for p, g in one.read(function(*one.by_names(function, x))).items():
                total[p] = total[p] + g if p in total else g
        return total

    def keep_data(self, x: Any) -> None:
        """Put the data where the object was given them."""
        for name in attributes(self.own):
            if is_input(name):
                setattr(self.own, name, x)
            elif (is_target(name) and plain(name) not in OUTPUTS) or name == "y":
                setattr(self.own, name, self.target)

    def by_names(self, function: Callable[..., Any], x: Any) -> list[Any]:
        """Arguments by their names, the data first where those say nothing."""
        values: list[Any] = []
        parameters = positional(function)
        wanted = len(needed(function))
        for i, p in enumerate(parameters):
            name = plain(p.name)
            if is_target(name) and (i or not any(is_target(q.name) for q in parameters[1:])):
                values.append(self.target)
            elif i >= wanted:
                break
            elif i == 0:
                values.append(x)
            elif is_rate(p):
                values.append(self.rate)
            elif self.cache and name in ("cache", "caches", "activations", "memory"):
                values.append(self.cache[0] if len(self.cache) == 1 else self.cache)
            elif name in MODES:
                values.append(filled(p))
            elif name in PENALTIES:
                values.append(0.1)
            else:
                seen = any(value is self.target for value in values)
                values.append(self.y if seen or name in (*OUTPUTS, "yhat") else self.target)
        return values

    rate = 0.1

    def backward(self, g: Array, rate: float) -> tuple[Any, dict[str, Any]]:
        self.rate = rate
        if np.ndim(self.target) == np.ndim(self.x) == 3 and not self.valued:
            return None, self.sum_of_samples()
        function = getattr(self.own, self.spec.backward)
        returned = function(*self.by_names(function, self.x))
        return None, self.read(returned)

    def read(self, returned: Any) -> dict[str, Any]:
        """The gradients by the names of parameters, of what the method returned."""
        if isinstance(returned, tuple | list):
            first, second = [*returned, 0, 0][:2]
            if isinstance(second, Mapping) and not isinstance(first, Mapping):
                returned = second  # (loss, grads)
        if isinstance(returned, Mapping):
            found = {
                p: next((returned[k] for k in part.keys if k in returned), None)
                for p, part in self.parts.items()
            }
            for p in self.parts:
                found[p] = looked_up(returned, p, True) if found[p] is None else found[p]
            return {p: g for p, g in found.items() if g is not None} | self.listed(returned)
        if isinstance(returned, tuple | list):
            items = [*returned]
            if len(items) == len(self.parts) + 1 and np.size(items[0]) == 1:
                items = items[1:]
            if items and all(isinstance(item, Mapping) for item in items):
                return self.in_dictionaries(items)
            if len(items) == len(self.parts):
                return self.in_order(items)
            return self.in_groups(items)
        return {}

    def in_dictionaries(self, items: Sequence[Mapping[Any, Any]]) -> dict[str, Any]:
        """A dictionary of gradients for each of the layers, `layers[0].W`."""
        found = {}
        for p in self.parts:
            place = re.search(r"\[(\d+)\]\.?(.*)$", p)
            if place and int(place[1]) < len(items):
                found[p] = looked_up(items[int(place[1])], place[2], True)
        return {p: g for p, g in found.items() if g is not None}

    def in_groups(self, groups: Sequence[Any]) -> dict[str, Any]:
        """Lists of gradients, (nabla_b, nabla_w), for lists of parameters of these shapes."""
        lists: dict[str, list[str]] = {}
        for p in self.parts:
            lists.setdefault(p.split("[")[0], []).append(p)
        groups = [g for g in groups if isinstance(g, list | tuple)]
        found: dict[str, Any] = {}
        free = [*lists]
        for group in groups:
            shapes = [np.shape(g) for g in group]
            same = [b for b in free if [np.shape(self.parts[p].get()) for p in lists[b]] == shapes]
            alike = same or [b for b in free if len(lists[b]) == len(group)]
            if alike:
                free.remove(alike[0])
                found |= dict(zip(lists[alike[0]], group, strict=True))
        return found

    def listed(self, returned: Mapping[Any, Any]) -> dict[str, Any]:
        """Lists of gradients in a dictionary, for lists of parameters."""
        found: dict[str, Any] = {}
        for p in self.parts:
            base, _, rest = p.partition("[")
            group = looked_up(returned, base, True) if rest else None
            if (
                isinstance(group, list | tuple)
                and rest[:-1].isdigit()
                and int(rest[:-1]) < len(group)
            ):
                found[p] = group[int(rest[:-1])]
        return found


def is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | Tensor)


def is_target(name: str) -> bool:
    """Whether an argument or attribute of this name holds the targets."""
    words = ("target", "label", "ytrue", "ytrain", "expected")
    return plain(name) in TARGETS or plain(name).startswith(words)


def targeted(owner: Any, name: str) -> bool:
    """Whether a method is given data and targets, or nothing where the object has both."""
    if not name:
        return False
    parameters = [plain(p.name) for p in positional(getattr(owner, name))]
    if parameters:
        alone = is_target(parameters[0]) and (not parameters[1:] or is_input(parameters[1]))
        return alone or any(map(is_target, parameters[1:]))
    own = [*attributes(owner)]
    return any(map(is_target, own)) and any(map(is_input, own))


def net_of(
    owner: Any, loss: Any, y: Any, names: Sequence[str], whole: bool = False
) -> tuple[Net, Any] | None:
    """The net and its loss, if an object is a net in one piece: a method of it gives gradients for
    data and targets. One that has layers is none, unless `whole`."""
    if isinstance(owner, list | tuple | Mapping | type) or inspect.isroutine(owner):
        return None
    if members(owner) is not owner and not whole:
        return None
    value = next((n for n in methods(owner, LOSSES) if targeted(owner, n)), "")
    slope = next((n for n in methods(owner, GRADIENTS) if gives_gradients(owner, n)), "")
    forward = method(owner, FORWARDS)
    if not slope and value:
        slope = value  # it gives both
    valued = bool(value) and loss is None and takes_data(owner, value)
    if not slope or not (valued or forward):
        return None
    if valued:
        loss = itself
    elif loss is None:
        loss = own_loss(owner)
    spec = Spec(value if valued else forward, slope, tuple(names), {})
    net = Net(deepcopy(owner), spec)
    net.target, net.valued = y, valued
    return net, loss


def is_loss(layer: Any) -> bool:
    """Whether the last of some layers is the loss: its forward is given the target."""
    return targeted(layer, method(layer, FORWARDS))


def gives_gradients(owner: Any, name: str) -> bool:
    """Whether a method can give gradients: not one that trains for a number of epochs."""
    others = [
        p
        for p in needed(getattr(owner, name))
        if not (is_rate(p) or is_target(p.name) or is_input(p.name))
    ]
    trains = plain(name) in ("train", "fit", "step", "update", "trainstep")
    return targeted(owner, name) and not (trains and len(others) > 1)


def takes_data(owner: Any, name: str) -> bool:
    """Whether a loss is one of data, not of a prediction."""
    first = plain(positional(getattr(owner, name))[0].name)
    return is_input(first) or first in ("xs", "xbatch", "features", "images")


def itself(prediction: Any, target: Any) -> Any:
    return prediction


def methods(owner: Any, names: Sequence[str]) -> list[str]:
    """The methods of these names that an object has, in that order."""
    return [found for name in names if (found := method(owner, [name]))]


def own_loss(owner: Any) -> Any:
    """The loss of predictions that a net has: a method, an object, or half of the squares, whose
    derivative its `cost_derivative` is."""
    found = methods(owner, LOSSES)
    if found:
        loss = getattr(owner, found[0])
        return loss if inspect.isroutine(loss) else first_method(instance(loss), VALUES)
    loss, slope = loss_of(owner)
    if loss is not None:
        return first_method(loss, VALUES)
    derivative = slope or first_method(owner, [n for n in SLOPES if n.startswith("cost")])
    return half_squares if derivative is not None else None


def half_squares(prediction: Any, y: Any) -> Any:
    return ((prediction - y) ** 2).sum() / 2
