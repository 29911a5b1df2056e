"""The classes of a learner from outside: their layers, parameters, rates, and their loss."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from ...engine.tape import Array
from ...engine.tensor import Tensor
from ..answers.judge import fitted

RATES = ("lr", "learning_rate", "eta", "alpha", "rate", "step_size")
VALUES = ("loss", "forward", "__call__")  # what a loss object may call its value
SLOPES = ("gradient", "grad", "diff_loss", "derivative", "prime", "backward")  # and its gradient
# what a layer may call the gradient that it keeps of a parameter
GRADIENT_NAMES = ("d{}", "grad_{}", "{}_grad", "d_{}", "g{}", "{}_gradient", "dL_d{}", "dLd{}")
PARAMS = ("params", "parameters")  # a list or a dictionary of the parameters of a layer
GRADS = ("grads", "gradients")  # and of their gradients


def with_names(layers: Any) -> dict[str, Any]:
    """The layers by name."""
    layers = getattr(layers, "layers", layers)
    if isinstance(layers, Mapping):
        named = {str(name): layer for name, layer in layers.items()}
    elif callable(getattr(layers, "forward", None)) and callable(getattr(layers, "backward", None)):
        named = {type(layers).__name__: layers}
    elif not isinstance(layers, Iterable):
        raise TypeError(
            f"compare_layers: the layers are a {type(layers).__name__}; give a list of layers, a "
            "dictionary by name, or an object with .layers or with forward and backward"
        )
    else:
        objects = list(layers)
        own = [getattr(layer, "name", None) for layer in objects]
        names = [
            name if isinstance(name, str) and name and own.count(name) == 1 else f"layers[{i}]"
            for i, name in enumerate(own)
        ]
        named = dict(zip(names, objects, strict=True))
    if not named:
        raise ValueError("compare_layers: there are no layers")
    for name, layer in named.items():
        for method in ("forward", "backward"):
            if not callable(getattr(layer, method, None)):
                raise TypeError(
                    f"compare_layers: {name} is a {type(layer).__name__} without {method}(); a "
                    "layer has forward(x) and backward(upstream) or backward(upstream, lr)"
                )
    return named


class Params:
    """Where layers have their parameters, and the gradients of them: as attributes of these names,
    or in a list or a dictionary of theirs, `layer.params` and `layer.grads`.

    `keeps` are the attributes that hold the gradients, if they have other names than the usual.
    """

    def __init__(self, names: Sequence[str], keeps: Mapping[str, str]) -> None:
        self.names, self.keeps = tuple(names), keeps

    def boxes(self, layer: Any, p: str) -> list[tuple[Any, Any]]:
        """The dictionaries and lists of a layer that hold `p`, and its place in each."""
        found = self.boxed(layer, PARAMS, (p,), p)
        return [(box, key) for box, key in found if not isinstance(box[key], str)]

    def boxed(
        self, layer: Any, attributes: Sequence[str], keys: Sequence[str], p: str
    ) -> list[tuple[Any, Any]]:
        """The dictionaries with one of the keys, and the lists with an item at the place of `p`."""
        i = self.names.index(p)
        found: list[tuple[Any, Any]] = []
        for box in (getattr(layer, name, None) for name in attributes):
            if isinstance(box, dict):
                found += [(box, key) for key in keys if key in box]
            elif isinstance(box, list) and i < len(box):
                found.append((box, i))
        return found

    def of(self, layer: Any) -> list[str]:
        """The names of the parameters that a layer has."""
        return [p for p in self.names if hasattr(layer, p) or self.boxes(layer, p)]

    def get(self, layer: Any, p: str) -> Any:
        """A parameter of a layer that has it."""
        if hasattr(layer, p):
            return getattr(layer, p)
        box, key = self.boxes(layer, p)[0]
        return box[key]

    def put(self, layer: Any, p: str, value: Any) -> None:
        """Give a parameter of a layer a value, wherever the layer has it."""
        for box, key in self.boxes(layer, p):
            box[key] = value
        if hasattr(layer, p):
            setattr(layer, p, value)

    def values(self, layer: Any) -> dict[str, Array]:
        """Copies of the parameters of a layer, as they are now."""
        return {p: as_floats(self.get(layer, p)) for p in self.of(layer)}

    def gradient(self, layer: Any, p: str) -> Any:
        """The gradient that a layer keeps of a parameter, or None."""
        names = [self.keeps[p]] if p in self.keeps else [text.format(p) for text in GRADIENT_NAMES]
        found = [getattr(layer, n) for n in names if hasattr(layer, n)]
        found += [box[key] for box, key in self.boxed(layer, GRADS, (p, *names), p)]
        return next((g for g in found if g is not None), None)

    def copies(self, layers: Sequence[Any]) -> tuple[Any, ...]:
        """Copies of the layers, one for one, with their parameters in float64."""
        try:
            copies = deepcopy(tuple(layers))
        except Exception as error:
            raise TypeError(f"compare_layers: the layers cannot be copied: {error}") from error
        for layer in copies:
            for p, a in self.values(layer).items():
                self.put(layer, p, a)
        return copies

    def rate(self, layers: Sequence[Any]) -> float:
        """The rate that most of the layers with parameters have, the first of several; or 0.1."""
        rates = Counter(
            float(getattr(layer, name))
            for layer in layers
            for name in RATES
            if isinstance(getattr(layer, name, None), int | float) and self.of(layer)
        )
        return rates.most_common(1)[0][0] if rates else 0.1

    def check(self, layers: Sequence[Any]) -> None:
        """Raise if no layer has any of the parameters."""
        if any(map(self.of, layers)):
            return
        owners = [getattr(layer, "__dict__", {}) for layer in layers]
        owners += [v for owner in owners for v in owner.values() if isinstance(v, dict)]
        seen = {
            str(name)
            for owner in owners
            for name, value in owner.items()
            if isinstance(value, np.ndarray) and value.dtype.kind == "f"
        }
        found = f"arrays are {', '.join(sorted(seen))}" if seen else "none has an array of floats"
        raise ValueError(
            f"compare_layers: no layer has an attribute {' or '.join(self.names)}; say what the "
            f"parameters are called, as in params=('weights', 'bias'); {found}"
        )


def as_floats(x: Any) -> Array:
    return np.asarray(x.array if isinstance(x, Tensor) else x).astype(np.float64)


def shaped(x: Any, shape: tuple[int, ...]) -> Array | None:
    """What a learner gave, as floats in that shape; None if it is nothing of the kind."""
    try:
        return fitted(as_floats(x), shape)
    except (TypeError, ValueError):
        return None


def as_data(x: Any) -> Array:
    """The data as floats; an error if they are no numbers or not finite."""
    try:
        a = as_floats(x)
    except (TypeError, ValueError):
        raise TypeError(f"compare_layers: x is a {type(x).__name__}; give an array") from None
    if not np.isfinite(a).all():
        raise ValueError("compare_layers: x has NaN or infinities; give finite numbers")
    return a


def positional(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters that can be given by position; [] where they are not known."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return []
    return [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def takes_rate(backward: Callable[..., Any]) -> bool:
    """Whether a backward has the learning rate as its second argument."""
    second = positional(backward)[1:2]
    return any(p.default is p.empty or p.name in RATES for p in second)


class Criterion:
    """The loss by hand and its gradient, as functions of (prediction, target)."""

    def __init__(self, loss: Any, loss_grad: Any) -> None:
        self.value, self.slope = deepcopy((loss, loss_grad))  # together: they may share an object
        if loss_grad is None:
            self.value, self.slope = (
                first_method(self.value, VALUES),
                first_method(self.value, SLOPES),
            )
            if self.slope is None:
                raise TypeError(
                    f"compare_layers: the gradient of the loss is missing; give loss_grad, or an "
                    f"object with {', '.join(SLOPES[:3])} or backward as the loss"
                )
        if not callable(self.value) or not callable(self.slope):
            raise TypeError("compare_layers: loss and loss_grad must be functions")

    def loss(self, prediction: Any, y: Array) -> Any:
        return self.value(*ordered(self.value, prediction, y))

    def number(self, prediction: Array, y: Array) -> float:
        """The loss of a prediction; ValueError if it is not one number."""
        value = as_floats(self.loss(prediction, y))
        if value.size != 1:
            raise ValueError(
                f"compare_layers: the loss gives shape {value.shape}, not one number; take its sum "
                "or mean, as its gradient does"
            )
        return float(value.item())

    def gradient(self, prediction: Array, y: Array) -> Any:
        self.loss(prediction, y)  # some keep what their backward() needs
        needed = [p for p in positional(self.slope) if p.default is p.empty]
        if not needed and inspect.ismethod(self.slope):
            return self.slope()  # backward(), or backward(dout=1)
        return self.slope(*ordered(self.slope, prediction, y))


def first_method(owner: Any, names: Sequence[str]) -> Any:
    """The first of the methods that an object has."""
    return next((getattr(owner, n) for n in names if callable(getattr(owner, n, None))), None)


def ordered(function: Callable[..., Any], prediction: Any, y: Array) -> tuple[Any, Any]:
    """Prediction and target in the order that the names of the parameters ask for.

    >>> ordered(lambda y_true, y_pred: 0, "prediction", "target")
    ('target', 'prediction')
    """
    first, second = ([p.name.lower() for p in positional(function)] + ["", ""])[:2]
    swapped = (
        any(word in first for word in ("true", "target", "label", "truth"))
        or any(word in second for word in ("pred", "hat", "out", "logit", "score", "prob"))
        or first == "t"
        or (first == "y" and second != "t")
    )
    return (y, prediction) if swapped else (prediction, y)
