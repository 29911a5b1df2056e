"""The training runs of the write-ups, at their sizes and on their data, with every gradient checked.

Each recipe is given a step that derives by hand in the convention of its system, lets autodiff derive
the same loss in that convention, and notes how far the two are apart: at the start and after every
update. `test_against_autodiff` does it for intermediates and inputs too, on small numbers.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from autograd_lite import Tensor
from nn import datasets
from tests.helpers import mnist_folder

from . import Array, Arrays, Step, s0_univariate, s1_diabetes, s2_iris, s3_mnist, s4_columns
from .autodiff import (
    TOLERANCE,
    error,
    tensors_s0,
    tensors_s1,
    tensors_s2,
    tensors_s3,
    tensors_s4,
)


class Checked:
    """A step by hand that keeps its largest distance from autodiff, one number per step."""

    def __init__(self, module: ModuleType, tensors: Callable[..., Any], **options: Any) -> None:
        self.module, self.tensors, self.options = module, tensors, options
        self.errors: list[float] = []

    def __call__(self, params: Arrays, x: Array, y: Array) -> tuple[float, Arrays]:
        value, grads = self.module.gradients(params, x, y, every=False, **self.options)
        p = {name: Tensor(a, requires_grad=True) for name, a in params.items()}
        loss, _ = self.tensors(p, Tensor(x), y, **self.options)
        loss.backward()
        self.errors.append(max(error(p[name].grad.array, grads["d" + name]) for name in p))
        return value, grads


@dataclass(frozen=True)
class Case:
    module: ModuleType
    tensors: Callable[..., Any]
    options: dict[str, Any]
    run: Callable[[Step], Iterable[Any]]
    steps: int


def s0(step: Step, **options: Any) -> Iterable[Any]:
    x, y = s0_univariate.data("sin(x)")
    return s0_univariate.recipe(x, y, np.random.default_rng(0), step=step, epochs=200, **options)


def s1(step: Step) -> Iterable[Any]:
    table = datasets.diabetes()
    x, y = table.data, table.target[:, None]
    return s1_diabetes.recipe(
        x[:353], y[:353], x[353:], y[353:], np.random.default_rng(0), step=step, epochs=10
    )


def s2(step: Step, **options: Any) -> Iterable[Any]:
    flowers = datasets.iris()
    x, x_test, y, y_test = datasets.train_test_split(flowers.data, flowers.target)
    rng = np.random.default_rng(0)
    return s2_iris.recipe(x, y, x_test, y_test, rng, step=step, epochs=3, **options)


def digits(n: int, n_test: int) -> tuple[Any, ...]:
    folder = mnist_folder()
    if folder is None:
        pytest.skip("the MNIST files are not here; name their folder in AUTOGRAD_LITE_DATA")
    train, test = datasets.mnist(folder), datasets.mnist(folder, train=False)
    return (*(a[:n] for a in train), *(a[:n_test] for a in test))


def s3(step: Step, **options: Any) -> Iterable[Any]:
    return s3_mnist.recipe(*digits(480, 100), step=step, epochs=2, **options)


def toy(step: Step, activations: tuple[str, str]) -> Iterable[Any]:
    rng = np.random.RandomState(1)
    return s3_mnist.toy(*s3_mnist.toy_data(rng), rng, activations, step=step, epochs=2)


def s4(step: Step) -> Iterable[Any]:
    return s4_columns.recipe(*digits(400, 100), step=step, steps=20, report=20)


TANH, RELU = {"activation": "tanh"}, {"activation": "relu"}
HALF = {"criterion": "half_mse"}
LINES, BENT = ("identity", "identity"), ("relu", "sigmoid")
CASES = {
    "S0 tanh": Case(s0_univariate, tensors_s0, TANH, partial(s0, n_layers=3), 200),
    "S0 relu": Case(
        s0_univariate, tensors_s0, RELU, partial(s0, **RELU, n_layers=3, start="kaiming"), 200
    ),
    "S1": Case(s1_diabetes, tensors_s1, {}, s1, 10 * 12),
    "S2": Case(s2_iris, tensors_s2, {}, s2, 3 * 60),
    "S2 tanh": Case(
        s2_iris, tensors_s2, {"hidden": "tanh"},
        partial(s2, hidden="tanh", sizes=(4, 16, 3), batch=16), 3 * 8,
    ),
    "S3": Case(s3_mnist, tensors_s3, {"activations": ("relu",)}, s3, 2 * 30),
    "S3 kaiming": Case(
        s3_mnist, tensors_s3, {"activations": ("relu",)}, partial(s3, start="kaiming"), 2 * 30
    ),
    "S3 toy a": Case(
        s3_mnist, tensors_s3, {"activations": LINES, **HALF}, partial(toy, activations=LINES), 250
    ),
    "S3 toy b": Case(
        s3_mnist, tensors_s3, {"activations": BENT, **HALF}, partial(toy, activations=BENT), 250
    ),
    "S4": Case(s4_columns, tensors_s4, {}, s4, 20),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_every_step_of_a_training_agrees_with_autodiff(name: str) -> None:
    case = CASES[name]
    step = Checked(case.module, case.tensors, **case.options)
    records = list(case.run(step))
    assert records
    assert len(step.errors) == case.steps
    assert step.errors[0] <= TOLERANCE
    assert max(step.errors) <= TOLERANCE


@pytest.mark.parametrize("name", CASES)
def test_a_gradient_that_goes_wrong_during_training_is_noticed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the tenth step on, one gradient by hand is off by 1e-11 of its size."""
    case = CASES[name]
    step = Checked(case.module, case.tensors, **case.options)
    right = case.module.gradients

    def spoilt(*args: Any, **kw: Any) -> tuple[float, Arrays]:
        value, grads = right(*args, **kw)
        if len(step.errors) >= 10:
            grads["dW1"] = grads["dW1"] * (1 + 1e-11)
        return value, grads

    monkeypatch.setattr(case.module, "gradients", spoilt)
    list(case.run(step))
    assert max(step.errors[:10]) <= TOLERANCE < min(step.errors[10:])
