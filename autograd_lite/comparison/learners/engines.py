"""A net on an engine of a learner's own: scalars or tensors that have `backward()` and `.grad`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine.tape import Array
from .calls import FORWARDS, Layer, Spec, as_floats, is_layer, method
from .criterion import VALUES, first_method
from .nets import Net, itself
from .parts import SLOPES, Part, Place, attributes
from .parts import VALUES as DATA

PARAMETERS = ("parameters", "params", "trainable_parameters", "get_parameters", "weights")


@dataclass
class EngineNet(Layer):
    """A net whose forward gives the loss, as a number, and keeps the object that has `backward`."""

    target: Any = None
    criterion: Any = None
    value: Any = None

    def find(self) -> None:
        found = parameters_of(self.own)
        parts = {}
        for name, p in found.items():
            part = parts[name] = Part(name, [Place(p, data_name(p))])
            part.listed = isinstance(part.get(), list)
        chosen = self.spec.chosen
        self.parts = parts if chosen is None else {p: parts[p] for p in chosen if p in parts}

    def forward(self, x: Any) -> Any:
        self.x = x
        self.value = self.loss_of(x)
        self.y = as_floats(self.value).reshape(())
        return self.y

    def loss_of(self, x: Array) -> Any:
        """The loss on the data as they are, as lists, or as tensors of the engine."""
        errors: list[Exception] = []
        for wrap in self.wraps(x):
            for wrap_target in (wrap, np.asarray):
                try:
                    value = self.once(wrap(x), wrap_target(self.target))
                except Exception as error:  # noqa: BLE001  (another type is asked for)
                    errors.append(error)
                    continue
                if method(value, ["backward"]):
                    return value
        if errors:
            raise errors[0]
        raise TypeError("the loss has no backward()")

    def once(self, x: Any, y: Any) -> Any:
        run = getattr(self.own, self.spec.forward)
        if isinstance(x, list):  # of samples, of scalars
            outputs = [run(sample) for sample in x]
            outputs = [o[0] if isinstance(o, list) and len(o) == 1 else o for o in outputs]
            return self.criterion(outputs, np.asarray(y).tolist())
        return self.criterion(run(x), y)

    def wraps(self, x: Array) -> list[Callable[[Any], Any]]:
        """What makes inputs of arrays: nothing, lists, or a class of the parameters."""
        p = next(iter(parameters_of(self.own).values()))
        if np.ndim(getattr(p, data_name(p))) == 0:
            return [lambda a: np.asarray(a).tolist()]
        kinds = [k for k in reversed(type(p).__mro__) if k is not object]
        return [*(lambda a, k=k: k(np.asarray(a)) for k in kinds), np.asarray]

    def backward(self, g: Array, rate: float) -> tuple[Any, dict[str, Any]]:
        getattr(self.value, method(self.value, ["backward"]))()
        found = {}
        for name, p in parameters_of(self.own).items():
            slope = next((getattr(p, n) for n in SLOPES if hasattr(p, n)), None)
            if slope is not None and name in self.parts:
                found[name] = as_floats(slope)
        return None, found

    def zero_gradients(self) -> None:
        for p in parameters_of(self.own).values():
            for name in SLOPES:
                value = getattr(p, name, None)
                if isinstance(value, np.ndarray | float):
                    setattr(p, name, value * 0.0)


def data_name(p: Any) -> str:
    """The attribute in which a parameter has its numbers; "" if it is none."""
    return next((name for name in DATA if is_numbers(getattr(p, name, None))), "")


def is_numbers(value: Any) -> bool:
    return isinstance(value, float | np.floating | list) or (
        isinstance(value, np.ndarray) and value.dtype.kind == "f"
    )


def parameters_of(owner: Any) -> dict[str, Any]:
    """The parameters that a module of an engine lists, by name or by number."""
    name = method(owner, PARAMETERS)
    if not name or inspect.isclass(owner):
        return {}
    try:
        listed = getattr(owner, name)()
        pairs: Any = listed.items() if isinstance(listed, Mapping) else enumerate(listed)
        own = {id(value): key for key, value in attributes(owner).items()}
        pairs = [
            (own.get(id(p), f"{name}[{k}]" if isinstance(k, int) else str(k)), p) for k, p in pairs
        ]
    except Exception:  # noqa: BLE001  (a method of another meaning)
        return {}
    return {k: p for k, p in pairs if data_name(p) and any(hasattr(p, s) for s in SLOPES)}


def engine_net(owner: Any, loss: Any, y: Any, names: Sequence[str]) -> tuple[EngineNet, Any] | None:
    """The net and its loss, if an object is a module of an engine of its own."""
    if isinstance(owner, list | tuple | Mapping) or not method(owner, FORWARDS):
        return None
    if is_layer(owner) or loss is None or not parameters_of(owner):
        return None
    spec = Spec(method(owner, FORWARDS), "backward", tuple(names), {})
    criterion = loss if inspect.isroutine(loss) else first_method(loss, VALUES)
    return EngineNet(deepcopy(owner), spec, target=y, criterion=criterion), itself


NETS = Net, EngineNet  # whose backward knows the target
