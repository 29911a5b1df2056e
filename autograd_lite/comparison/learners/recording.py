"""The layers of a learner run: on arrays, and on Tensors for a tape of what they compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from ...calculus import grad_or_zeros
from ...engine.modes import enable_grad, like_numpy
from ...engine.tape import Array
from ...engine.tensor import Tensor
from ...program.chain import Tape
from ..answers.judge import Row
from .buffers import buffers
from .calls import Layer, as_floats, copies
from .criterion import Criterion
from .engines import NETS
from .execution import (
    fault,
    generators,
    numbers,
    pulled_back,
    raised,
    same_numbers,
    set_numbers,
    told_apart,
)
from .opaque import Opaque, recorded_right
from .parts import trained
from .slopes import own_stream
from .updates import LayerRecord, Pulled
from .windows import meant


@dataclass
class Setting:
    """What a report is about: layers by name, the data, the loss, and the rate of their steps,
    which is found out where it is not known."""

    names: tuple[str, ...]
    layers: tuple[Layer, ...]
    x: Array
    y: Array
    criterion: Criterion
    rate: float
    known: bool = True
    effort: float = 1.0

    @cached_property
    def random(self) -> list[Any]:
        return owners(self.layers, self.criterion)


def owners(layers: Sequence[Layer], criterion: Criterion) -> list[Any]:
    """Our generator of random numbers, and those that layers and a loss draw from."""
    return generators([*(layer.own for layer in layers), criterion.value, criterion.slope])


class Recording:
    """The forward of a trial on Tensors; what makes no tape there becomes one operation of it."""

    def __init__(
        self, trial: Setting, changing: set[str], outputs: Sequence[Array], value: float
    ) -> None:
        self.trial, self.changing = trial, changing
        self.outputs, self.value = outputs, value
        self.opaque: dict[str, str] = {}  # names, and why
        self.states: dict[int, list[Any]] = {}  # of random numbers, before each layer
        self.steps: list[LayerRecord] = []
        self.loss: Tensor

    def run(self) -> Row | None:
        """Record; the row of what differs from the run on arrays, if that cannot be helped."""
        while True:
            with same_numbers(self.trial.random):
                self.record()
            apart = self.differing()
            if apart is None:
                return None
            name, row = apart
            if name in self.opaque or not self.same_again():
                return row
            self.opaque[name] = "gives other numbers on Tensors"

    def same_again(self) -> bool:
        """Whether the forward on arrays gives the same numbers once more."""
        t = self.trial
        with same_numbers(t.random):
            again, _ = forward(t.names, copies(t.layers), t.x)
            value = t.criterion.number(again[-1], t.y)
        pairs = zip([*again, np.array(value)], [*self.outputs, np.array(self.value)], strict=True)
        return not any(told_apart(a, b) for a, b in pairs)

    def differing(self) -> tuple[str, Row] | None:
        """The first result that is another on Tensors than on arrays, and its row."""
        for step, plain, layer in zip(self.steps, self.outputs, self.trial.layers, strict=True):
            apart = told_apart(plain, step.value)
            if apart:
                title = f"{step.name}.{layer.spec.forward}()"
                return step.name, fault(title, apart, step.value.shape)
        apart = told_apart(np.array(self.value), self.loss.array.reshape(()))
        return ("loss", fault("loss", apart)) if apart else None

    def record(self) -> None:
        """The forward on Tensors; the layers that change their input in place get a copy."""
        trial = self.trial
        layers = copies(trial.layers)
        tensors = tensors_of(trial.names, layers)
        h = Tensor(trial.x.copy(), requires_grad=trial.x.dtype.kind == "f", name="x")
        self.steps = []
        for i, (name, layer) in enumerate(zip(trial.names, layers, strict=True)):
            given, x = h, h.clone() if name in self.changing else h
            params = tensors[id(layer.own)]
            self.states[i] = numbers(trial.random)
            h = self.on_tensors(i, layer, x, params)
            if h is given or h.name:
                h = h.clone()
            h.name = f"{name} output"
            self.steps.append(LayerRecord(name, given, h, h.array.copy(), params))
        self.loss = self.loss_of(h)
        self.keep_used()

    def on_tensors(self, i: int, layer: Layer, x: Tensor, params: dict[str, Tensor]) -> Tensor:
        """What a layer gives, recorded: by its own operations, or as one."""
        name = self.trial.names[i]
        if name not in self.opaque:
            put_all(layer, params)
            try:
                y = on_tensors(layer.forward, x if x.requires_grad else x.array)
            except Exception as error:  # noqa: BLE001  (whatever a Tensor is not made for)
                self.opaque[name] = str(error)
            else:
                if self.whole(i, x, params, y):
                    return y
                self.opaque[name] = "leaves a part out of the tape"
        used = {p: t for p, t in params.items() if self.matters(i, x.array, params, p)}
        for p in set(params) - set(used):
            params.pop(p)
        for recorded in (self.as_windows, self.into_buffers):
            if (found := recorded(i, x, used)) is not None:
                return found
        whole = Opaque(name, partial(self.run_layer, i, [*used]), partial(self.by_hand, i, [*used]))
        with enable_grad():
            y = whole.op(x, *used.values())
        set_numbers(self.trial.random, self.states[i])
        copies([self.trial.layers[i]])[0].forward(x.array.copy())  # what it draws is drawn
        assert isinstance(y, Tensor)
        return y

    def as_windows(self, i: int, x: Tensor, used: Mapping[str, Tensor]) -> Tensor | None:
        """What a layer of windows by loops gives, recorded as one operation of ours."""
        arrays = {"": x.array, **{p: t.array for p, t in used.items()}}
        try:
            y = self.run_layer(i, [*used], *arrays.values())
        except Exception:  # noqa: BLE001  (which its own run reports)
            return None
        found = meant(arrays, y)
        return None if found is None else found.build({"": x, **used})

    def into_buffers(self, i: int, x: Tensor, used: dict[str, Tensor]) -> Tensor | None:
        """What a layer gives that fills arrays place by place, recorded; None if not as a whole."""
        if not x.requires_grad:
            return None
        (layer,) = copies([self.trial.layers[i]])
        put_all(layer, used)
        random = self.trial.random
        try:
            set_numbers(random, self.states[i])
            with buffers([layer.own]):
                y = on_tensors(layer.forward, x)
        except Exception:  # noqa: BLE001  (whatever a Tensor is not made for)
            return None
        return y if self.whole(i, x, used, y) else None

    def whole(self, i: int, x: Tensor, params: Mapping[str, Tensor], y: Tensor) -> bool:
        """Whether all that a layer computes from its input and arrays was recorded."""
        g = np.asarray(own_stream("whole").standard_normal(y.shape))
        inputs = tuple(t for t in (x, *params.values()) if t.requires_grad)
        try:
            grads = grad_or_zeros((y,), inputs, (g,), False, True)
        except RuntimeError:  # what it recorded was changed in place afterwards
            return False
        run = partial(self.run_layer, i, [*params])
        if not x.requires_grad:
            run = partial(run, x.array)
        arrays = [t.array for t in inputs]
        try:
            return recorded_right(run, arrays, [t.array for t in grads], g)
        except Exception:  # noqa: BLE001  (the learner's own, that runs as it is)
            return True

    def run_layer(self, i: int, names: Sequence[str], x: Array, *values: Array) -> Array:
        """The output of one layer on arrays, for these values of its parameters."""
        return as_floats(self.ran(i, names, x, values).y)

    def ran(self, i: int, names: Sequence[str], x: Array, values: Sequence[Array]) -> Layer:
        (layer,) = copies([self.trial.layers[i]])
        for p, a in zip(names, values, strict=True):
            layer.put(p, float(a) if isinstance(layer.parts[p].get(), float) else a.copy())
        random = self.trial.random
        with same_numbers(random), np.errstate(all="ignore"):
            set_numbers(random, self.states[i])
            layer.forward(np.array(x))
        return layer

    def by_hand(self, i: int, names: Sequence[str], g: Array, inputs: Sequence[Array]) -> list[Any]:
        """The gradients of the input and of parameters that a layer gives by hand."""
        layer = self.ran(i, names, inputs[0], inputs[1:])
        with same_numbers(self.trial.random):
            did = pull_one(layer, names, g, self.trial.rate)
        steps = {p: (did.before[p] - did.after[p]) / self.trial.rate for p in names}
        return [did.given, *(steps[p] if did.kept[p] is None else did.kept[p] for p in names)]

    def matters(self, i: int, x: Array, params: Mapping[str, Tensor], p: str) -> bool:
        """Whether the output of a layer depends on one of its arrays."""
        layer = self.trial.layers[i]
        if p in layer.spec.names or trained(p) or isinstance(layer, NETS):
            return True
        values = [t.array for t in params.values()]
        moved = [t.array * 1.5 + 0.5 if q == p else t.array for q, t in params.items()]
        try:
            before, after = (self.run_layer(i, [*params], x, *v) for v in (values, moved))
        except Exception:  # noqa: BLE001  (the learner's own)
            return True
        return not np.array_equal(before, after, equal_nan=True)

    def loss_of(self, h: Tensor) -> Tensor:
        """The loss of the prediction, recorded: by its own operations, or as one."""
        trial = self.trial

        def value(p: Array) -> Array:
            with np.errstate(all="ignore"):
                return np.array(trial.criterion.number(np.array(p), trial.y))

        if "loss" not in self.opaque:
            try:
                loss = on_tensors(trial.criterion.loss, h, trial.y)
                loss = loss.reshape(()) if loss.ndim else loss
                slope = pulled_back(loss, h, np.ones(()))
            except Exception as error:  # noqa: BLE001  (whatever a Tensor is not made for)
                self.opaque["loss"] = str(error)
            else:
                if recorded_right(value, [h.array], [slope], np.ones(())):
                    return loss
                self.opaque["loss"] = "leaves a part out of the tape"

        def by_hand(g: Array, inputs: Sequence[Array]) -> list[Any]:
            if not trial.criterion.given:
                return [None]
            return [g * as_floats(trial.criterion.gradient(inputs[0], trial.y))]

        with enable_grad():
            loss = Opaque("loss", value, by_hand).op(h)
        assert isinstance(loss, Tensor)
        return loss

    def keep_used(self) -> None:
        """Leave out the arrays that the loss was not computed from, but for those with a name that
        was given."""
        used = Tape(self.loss).inputs
        for step, layer in zip(self.steps, self.trial.layers, strict=True):
            for p, t in [*step.params.items()]:
                if t not in used and p not in layer.spec.names:
                    del step.params[p]


def tensors_of(names: Sequence[str], layers: Sequence[Layer]) -> dict[int, dict[str, Tensor]]:
    """A tensor for each parameter, by the object of its layer: one that is used twice has one W."""
    tensors: dict[int, dict[str, Tensor]] = {}
    for name, layer in zip(names, layers, strict=True):
        if id(layer.own) not in tensors:
            tensors[id(layer.own)] = {
                p: Tensor(a, requires_grad=True, name=f"{name}.{p}")
                for p, a in layer.values().items()
            }
    return tensors


def put_all(layer: Layer, params: Mapping[str, Tensor]) -> None:
    for p, t in params.items():
        layer.put(p, t)


def forward(
    names: Sequence[str], layers: Sequence[Layer], x: Array
) -> tuple[list[Array], set[str]]:
    """What each layer gives on arrays, and the names of those that change their input in place."""
    h: Any = x.copy()
    outputs: list[Array] = []
    changing = set()
    for name, layer in zip(names, layers, strict=True):
        given = h
        title = f"{name}.{layer.spec.forward}"
        try:
            h = layer.forward(given)
        except Exception as error:
            raise ValueError(f"compare_layers: {title} {raised(error)}") from error
        if not np.array_equal(given, outputs[-1] if outputs else x, equal_nan=True):
            changing.add(name)
        if h is None:
            raise ValueError(
                f"compare_layers: {title} gives nothing; return the output, or keep it as "
                "self.output"
            )
        try:
            outputs.append(as_floats(h))
        except (TypeError, ValueError):
            kind = type(h).__name__
            raise ValueError(f"compare_layers: {title} gives a {kind}, not an array") from None
    return outputs, changing


def on_tensors(function: Callable[..., Any], *inputs: Any) -> Tensor:
    """What a forward gives on Tensors; TypeError if that was not recorded."""
    with like_numpy(), enable_grad(), np.errstate(all="ignore"):
        y = function(*inputs)
    if not isinstance(y, Tensor) or not y.requires_grad:
        raise TypeError(f"a {type(y).__name__} that was not recorded")
    return y


def pull_one(layer: Layer, watched: Sequence[str], upstream: Array, rate: float) -> Pulled:
    """What the backward of one layer does to the parameters that are watched."""
    values = layer.values()
    before, seen = {p: values[p] for p in watched}, arrays_of(layer.own)
    with np.errstate(all="ignore"):
        given, returned = layer.backward(upstream.copy(), rate)
    values = layer.values()
    after = {p: values.get(p, before[p]) for p in watched}
    kept = {p: returned[p] if p in returned else layer.gradient(p) for p in after}
    written = {
        name: a
        for name, a in arrays_of(layer.own).items()
        if name not in seen or not np.array_equal(a, seen[name], equal_nan=True)
    }
    return Pulled(upstream, given, before, after, kept, written)


def arrays_of(owner: Any) -> dict[str, Array]:
    """Copies of the attributes of an object that are arrays of floats."""
    return {
        name: value.copy()
        for name, value in getattr(owner, "__dict__", {}).items()
        if isinstance(value, np.ndarray) and value.dtype.kind == "f"
    }
