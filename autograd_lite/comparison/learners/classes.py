"""The classes of a learner from outside: which objects are layers, in which order, and the loss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...engine.tape import Array
from ...engine.tensor import Tensor
from .calls import (
    FORWARDS,
    RATES,
    Layer,
    Spec,
    TorchLayer,
    as_floats,
    is_layer,
    is_rate,
    is_torch,
    method,
    methods_of,
    positional,
)
from .execution import seen_by
from .optimizers import is_optimizer
from .parts import attributes

# attributes of a net that are no layers of it: its loss, by the names that this may have
LOSSES = ("loss", "loss_layer", "losslayer", "last_layer", "lastlayer", "criterion",
          "loss_function", "loss_fn", "loss_func", "cost", "cost_function",
          "loss_obj", "head")  # fmt: skip
LOSS_SLOPES = ("loss_prime", "loss_grad", "loss_derivative", "loss_gradient", "dloss", "d_loss",
               "cost_prime", "cost_derivative", "loss_backward", "grad_loss")  # fmt: skip


def members(net: Any) -> Any:
    """The layers that an object has: its `layers`, or the one attribute that holds layers only."""
    found = getattr(net, "layers", None)
    if holds_layers(found):
        return found
    boxes = [v for v in attributes(net).values() if holds_layers(v)]
    if boxes:
        return max(boxes, key=len)
    some = isinstance(found, Iterable) and any(map(is_layer, listed(found)))
    return found if some else net


def holds_layers(value: Any) -> bool:
    """Whether a value is a list or dictionary of layers, or such an object (a Sequential)."""
    if isinstance(value, Mapping):
        value = [*value.values()]
    return isinstance(value, list | tuple) and bool(value) and all(map(is_layer, value))


def with_names(layers: Any) -> dict[str, Any]:
    """The layers by name."""
    layers = members(layers)
    if isinstance(layers, Mapping):
        named = {str(name): layer for name, layer in layers.items()}
    elif is_layer(layers):
        named = {type(layers).__name__: layers}
    elif not isinstance(layers, Iterable):
        raise TypeError(
            f"compare_layers: the layers are a {type(layers).__name__}; give a list of layers, a "
            "dictionary by name, or an object with .layers or with forward and backward"
        )
    else:
        objects = list(layers)
        if objects and all(map(is_pair, objects)):
            return with_names(dict(objects))
        own = [getattr(layer, "name", None) for layer in objects]
        names = [
            name if isinstance(name, str) and name and own.count(name) == 1 else f"layers[{i}]"
            for i, name in enumerate(own)
        ]
        named = dict(zip(names, objects, strict=True))
    if not named:
        raise ValueError("compare_layers: there are no layers")
    for name, layer in named.items():
        if not is_layer(layer):
            missing = "backward" if method(layer, FORWARDS) else "forward"
            raise TypeError(
                f"compare_layers: {name} is a {type(layer).__name__} without {missing}(); a "
                "layer has forward(x) and backward(upstream) or backward(upstream, lr)"
            )
    return {n: TorchLayer(layer) if is_torch(layer) else layer for n, layer in named.items()}


def is_pair(value: Any) -> bool:
    """Whether a value is a name and a layer."""
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)


def loss_of(net: Any) -> tuple[Any, Any]:
    """The loss that a net has as an attribute, and its gradient if that is another one."""
    own = {name.lower(): value for name, value in attributes(net).items()}

    def first(names: Sequence[str]) -> Any:
        found = (own[n] for n in names if n in own)
        return next((v for v in found if callable(v) or method(v, ("forward", "loss"))), None)

    return first(LOSSES), first(LOSS_SLOPES)


def as_layers(
    named: Mapping[str, Any], names: Sequence[str], keeps: Mapping[str, str]
) -> tuple[Layer, ...]:
    """The layers, ready to be called."""
    owners = [*named.values()]
    known = {id(owner) for owner in owners}
    found = []
    for owner in owners:
        others = [
            name
            for name, value in attributes(owner).items()
            if id(value) in known or (holds_layers(value) and known & set(map(id, listed(value))))
        ]
        spec = Spec(*methods_of(owner), tuple(names), keeps, None, tuple(others))
        found.append(Layer(owner, spec))
    return tuple(found)


def listed(value: Any) -> list[Any]:
    return [*(value.values() if isinstance(value, Mapping) else value)]


def rate_of(layers: Sequence[Layer]) -> float | None:
    """The rate that most of the layers know, the first of several; 0.1 where they are given one;
    else None."""
    rates = Counter(
        float(value)
        for layer in layers
        for name, value in (seen_by(backward_of(layer)) | attributes(layer.own)).items()
        if name in RATES and isinstance(value, int | float) and not isinstance(value, bool)
    )
    if rates:
        return rates.most_common(1)[0][0]
    return 0.1 if any(map(is_given_rate, layers)) else None


def backward_of(layer: Layer) -> Any:
    """The method; None for what has a backward of its own kind, as a tape has."""
    return getattr(layer.own, layer.spec.backward, None)


def is_given_rate(layer: Layer) -> bool:
    """Whether a layer gets its rate from outside: for its backward, or in an optimizer."""
    given = map(is_rate, positional(backward_of(layer)))
    own = attributes(layer.own)
    return any(given) or hasattr(layer.own, "initialize") or any(map(is_optimizer, own.values()))


def check_names(layers: Sequence[Layer], names: Sequence[str]) -> None:
    """Raise if no layer has any of the parameters that were named."""
    if any(name in layer.parts for layer in layers for name in names):
        return
    seen = sorted({name for layer in layers for name in layer.parts})
    found = f"arrays are {', '.join(seen)}" if seen else "none has an array of floats"
    raise ValueError(
        f"compare_layers: no layer has an attribute {' or '.join(names)}; say what the "
        f"parameters are called, as in params=('weights', 'bias'); {found}"
    )


def as_data(x: Any) -> Array:
    """The data as floats; an error if they are no numbers or not finite."""
    import numpy as np

    try:
        a = as_floats(x)
    except (TypeError, ValueError):
        raise TypeError(f"compare_layers: x is a {type(x).__name__}; give an array") from None
    if not a.size:
        raise ValueError(f"compare_layers: x has shape {a.shape}, no numbers; give some samples")
    if not np.isfinite(a).all():
        raise ValueError("compare_layers: x has NaN or infinities; give finite numbers")
    return a


def indices_of(x: Any) -> Array | None:
    """The data as integers, if that is what they are: the numbers of words, perhaps."""
    a = np.asarray(x.array if isinstance(x, Tensor) else x)
    return a if a.dtype.kind in "iu" else None
