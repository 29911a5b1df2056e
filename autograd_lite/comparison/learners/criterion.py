"""The loss of a learner and its gradient: functions, or an object with both."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...engine.tape import Array
from ..answers.judge import fitted
from .calls import INPUT_GRADIENTS, OUTPUTS, as_floats, copied, is_torch, method, needed, positional
from .parts import Held, attributes, plain
from .slopes import own_stream

# what a loss object may call its value, and its gradient, in letters and digits alone
VALUES = ("calculate", "loss", "forward", "value", "fn", "cost", "compute", "computeloss",
          "function", "error", "f", "calculateloss", "lossfunction", "forwardpass")  # fmt: skip
SLOPES = ("gradient", "grad", "diffloss", "derivative", "prime", "backward", "lossprime",
          "lossgrad", "dloss", "lossderivative", "gradloss", "delta", "df", "dfn", "backwardpass",
          "costderivative", "lossgradient", "computegradient", "bprop", "diff")  # fmt: skip
REDUCED: dict[str, Callable[..., Any]] = {
    "the sum": np.sum,
    "the mean": np.mean,
}  # of a loss that is not one number


class Criterion:
    """The loss by hand and its gradient, as functions of (prediction, target).

    `reduced` says what is made of a loss that is not one number, and `given` whether there is a
    gradient.
    """

    value: Callable[..., Any]
    slope: Callable[..., Any] | None
    reduced: str

    def __init__(self, loss: Any, loss_grad: Any) -> None:
        loss = instance(loss)
        value, slope = copied((loss, loss_grad))  # together: they may share an object
        value = TorchLoss(loss) if is_torch(loss) else value
        if loss_grad is None and not inspect.isroutine(value):
            owner, slope = value, first_method(value, SLOPES)
            keeps = slope is not None and not positional(slope) and callable(owner)
            value = owner if keeps else first_method(owner, VALUES)
        value = getattr(value, "loss", value) if isinstance(value, TorchLoss) else value
        if not callable(value) or not (slope is None or callable(slope)):
            raise TypeError("compare_layers: loss and loss_grad must be functions")
        self.value, self.slope, self.reduced = value, slope, ""

    @property
    def given(self) -> bool:
        return self.slope is not None

    def loss(self, prediction: Any, y: Array) -> Any:
        value = self.value(*ordered(self.value, prediction, y))
        if isinstance(value, tuple | list) and value:
            value = value[0]
        if self.reduced and np.shape(value):
            value = REDUCED[self.reduced](value)
        return value

    def number(self, prediction: Array, y: Array) -> float:
        """The loss of a prediction, one number by now."""
        return float(as_floats(self.loss(prediction, y)).reshape(-1)[0])

    def settle(self, prediction: Array, y: Array) -> None:
        """Find out what is made of a loss of several numbers: their mean if the gradient by hand is
        that of the mean, or their sum."""
        value = self.value(*ordered(self.value, prediction, y))
        pair = isinstance(value, tuple | list) and len(value) == 2
        if self.slope is None and pair and np.shape(value[1]) == prediction.shape:
            both = self.value  # loss, dx = softmax_loss(x, y)
            self.slope = lambda prediction, y: both(*ordered(both, prediction, y))[1]
        if as_floats(self.loss(prediction, y)).size == 1:
            return
        errors: dict[str, float] = {}
        step = 1e-5 * own_stream("reduced").standard_normal(prediction.shape)
        for reduced in REDUCED:
            self.reduced = reduced
            try:
                given = as_floats(self.gradient(prediction.copy(), y))
                mine = np.asarray(fitted(given, prediction.shape), np.float64)
                low, high = (self.number(prediction + s * step, y) for s in (-1, 1))
                slope = (high - low) / 2
                errors[reduced] = abs(abs(float(np.vdot(mine, step))) - abs(slope)) / abs(slope)
            except Exception:  # noqa: BLE001  (the learner's own: a row says so later)
                errors[reduced] = np.inf
        self.reduced = min(errors, key=lambda reduced: errors[reduced])

    def gradient(self, prediction: Array, y: Array) -> Any:
        """What the gradient by hand gives, or leaves in an attribute."""
        if self.slope is None:
            raise TypeError("no gradient of the loss was handed in")
        own = getattr(self.slope, "__self__", None)
        held = prediction.view(Held)
        free = needed(self.slope)
        at = held if own is not None and not free else prediction
        before = {name: id(v) for name, v in attributes(own).items()} if own is not None else {}
        self.loss(at, y)  # some keep what their backward() needs
        if not free and own is not None:
            returned = self.slope()  # backward(), or backward(dout=1)
        else:
            mine = self.first_argument(own, prediction, before)
            returned = self.slope(*ordered(self.slope, mine, y))
        if returned is not None:
            several = isinstance(returned, tuple | list) and len(returned) and np.ndim(returned[0])
            return returned[0] if several else returned
        new = {plain(n): v for n, v in attributes(own).items() if before.get(n) != id(v)}
        left = next((new[n] for n in INPUT_GRADIENTS if n in new), None)
        return left if left is not None else getattr(held, "g", getattr(held, "grad", None))

    def first_argument(self, own: Any, prediction: Array, before: dict[str, int]) -> Array:
        """The prediction; or the output that a loss with an activation inside computed from it, if
        it keeps one: its backward is given that."""
        if own is None:
            return prediction
        for name, value in attributes(own).items():
            kept = isinstance(value, np.ndarray) and before.get(name) != id(value)
            if kept and plain(name) in OUTPUTS and plain(name) != "y":
                same = value.shape == prediction.shape
                if same and not np.array_equal(value, prediction):
                    return value
        return prediction


class TorchLoss:
    """A loss of torch, on arrays."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def loss(self, prediction: Array, y: Array) -> float:
        return float(self.run(prediction, y)[0].detach())

    def gradient(self, prediction: Array, y: Array) -> Array:
        value, x = self.run(prediction, y)
        (g,) = sys.modules["torch"].autograd.grad(value, x)
        return np.array(g.numpy())

    def run(self, prediction: Any, y: Array) -> tuple[Any, Any]:
        torch = sys.modules["torch"]
        x = torch.tensor(np.array(prediction, np.float64), requires_grad=True)
        return self.module(x, torch.tensor(np.asarray(y))), x


def along(prediction: Any, y: Any) -> Any:
    """The loss where there is none: the prediction times random numbers."""
    return (prediction * its_slope(prediction, y)).sum()


def its_slope(prediction: Any, y: Any) -> Array:
    """The gradient of that loss."""
    return np.asarray(own_stream("slope").standard_normal(prediction.shape))


def instance(loss: Any) -> Any:
    """An object of a class that was given for the loss, if its methods need one."""
    if not isinstance(loss, type):
        return loss
    name = next((n for n in dir(loss) if plain(n) in VALUES and n[0] != "_"), "")
    static = isinstance(inspect.getattr_static(loss, name, None), staticmethod | classmethod)
    return loss if static or not name else loss()


def first_method(owner: Any, names: Sequence[str]) -> Any:
    """The first of the methods that an object has, or the object as a function."""
    name = method(owner, names)
    if name:
        return getattr(owner, name)
    return owner if names is VALUES and callable(owner) else None


def ordered(function: Callable[..., Any], prediction: Any, y: Any) -> tuple[Any, ...]:
    """Prediction and target in the order that the names of the parameters ask for; the prediction
    alone where there is one.

    >>> ordered(lambda y_true, y_pred: 0, "prediction", "target")
    ('target', 'prediction')
    """
    if len(positional(function)) == 1:
        return (prediction,)
    first, second = ([p.name.lower() for p in positional(function)] + ["", ""])[:2]
    swapped = (
        any(word in first for word in ("true", "target", "label", "truth", "actual", "expected"))
        or any(word in second for word in ("pred", "hat", "out", "logit", "score", "prob"))
        or first == "t"
        or (first == "y" and second != "t")
    )
    return (y, prediction) if swapped else (prediction, y)
