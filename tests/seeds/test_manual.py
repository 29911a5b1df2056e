"""The hand-derived gradients against central differences: the arbiter that knows no calculus.

Sizes differ everywhere (n, in, hidden, out), so that a transpose or a sum over the wrong axis
cannot pass. A check that cannot fail is worthless: every gradient is also offered slightly wrong,
and the mistakes of the write-ups are planted.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from . import (
    Array,
    Arrays,
    formulas,
    s0_univariate,
    s1_diabetes,
    s2_iris,
    s3_mnist,
    s4_columns,
)

TOLERANCE = 1e-7
N, SIZES = 5, (3, 6, 4, 2)


def central(f: Callable[[Array], float], x: Array, h: float = 3e-4) -> Array:
    """d f / d x by a central difference of fourth order, entry by entry."""
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        e = np.zeros_like(x)
        e[index] = h
        near, far = f(x + e) - f(x - e), f(x + 2 * e) - f(x - 2 * e)
        grad[index] = (8 * near - far) / (12 * h)
    return grad


def error(actual: Array, expected: Array) -> float:
    """The largest difference, relative to the largest entry; infinite for a wrong shape."""
    if actual.shape != expected.shape:
        return float("inf")
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


@dataclass(frozen=True)
class System:
    module: ModuleType
    options: dict[str, Any] = field(default_factory=dict)
    classes: bool = False
    columns: bool = False

    def problem(self) -> tuple[Arrays, Array, Array]:
        """Parameters, inputs and targets, with every unit well away from the kink of a relu."""
        rng = np.random.default_rng(3)
        legacy = self.module is s3_mnist
        params = self.module.init(SIZES, np.random.RandomState(3) if legacy else rng)
        params = {name: rng.standard_normal(p.shape) for name, p in params.items()}
        x, y = rng.standard_normal((N, SIZES[0])), rng.standard_normal((N, SIZES[-1]))
        if self.classes:
            y = formulas.softmax(y)
        return (params, x.T, y.T) if self.columns else (params, x, y)

    def truth(self) -> Arrays:
        """The gradient of every parameter and every value by central differences."""
        params, x, y = self.problem()
        loss = partial(self.module.loss, **self.options)

        def of_parameter(name: str) -> Callable[[Array], float]:
            return lambda e: float(loss(params | {name: e}, x, y))

        def of_value(name: str) -> Callable[[Array], float]:
            return lambda e: float(loss(params, x, y, nudge={name: e}))

        probes = {name: (p, of_parameter(name)) for name, p in params.items()}
        options = {k: v for k, v in self.options.items() if k != "criterion"}
        for name, value in self.module.forward(params, x, **options).items():
            probes[name] = (np.zeros_like(value), of_value(name))
        probes["X"] = (x, lambda e: float(loss(params, e, y)))
        return {
            "d" + name: self.module.factor(name, N) * central(f, at)
            for name, (at, f) in probes.items()
        }

    def gradients(self) -> Arrays:
        grads: Arrays = self.module.gradients(*self.problem(), **self.options)[1]
        return grads


SYSTEMS = {
    "S0 tanh": System(s0_univariate, {"activation": "tanh"}),
    "S0 relu": System(s0_univariate, {"activation": "relu"}),
    "S1": System(s1_diabetes),
    "S1 steep": System(s1_diabetes, {"slope": 0.3}),
    "S2": System(s2_iris, classes=True),
    "S2 tanh": System(s2_iris, {"hidden": "tanh"}, classes=True),
    "S2 squares": System(s2_iris, {"criterion": "squares"}, classes=True),
    "S3": System(s3_mnist, {"activations": ("relu", "tanh")}, classes=True),
    "S3 toy a": System(
        s3_mnist, {"activations": ("identity", "identity"), "criterion": "half_mse"}
    ),
    "S3 toy b": System(s3_mnist, {"activations": ("relu", "sigmoid"), "criterion": "half_mse"}),
    "S4": System(s4_columns, classes=True, columns=True),
}


@pytest.fixture(scope="module", params=SYSTEMS)
def checked(request: pytest.FixtureRequest) -> tuple[Arrays, Arrays]:
    system = SYSTEMS[request.param]
    return system.gradients(), system.truth()


def test_every_gradient(checked: tuple[Arrays, Arrays]) -> None:
    grads, truth = checked
    assert grads.keys() == truth.keys()
    wrong = {k: error(grads[k], truth[k]) for k in truth}
    assert max(wrong.values()) <= TOLERANCE, wrong


def test_the_check_is_sharp_on_every_gradient(checked: tuple[Arrays, Arrays]) -> None:
    grads, truth = checked
    for name, g in grads.items():
        one = g.copy()
        one.flat[np.abs(g).argmax()] *= 1 + 3e-7  # a single entry
        for planted in (-g, 2 * g, g / N, one):
            assert error(planted, truth[name]) > TOLERANCE, name


OUT = SIZES[-1]
MISTAKES: dict[str, tuple[str, Callable[[Arrays, Arrays, Arrays], dict[str, Array]]]] = {
    # what a write-up says, in terms of (its gradients g, its values v, its parameters p)
    "S0: 2/n in the last column": (
        "S0 tanh",
        lambda g, v, p: {"dY3": g["dY3"] * np.where(np.arange(OUT) == OUT - 1, OUT, 1)},
    ),
    "S1: no 1/n in dW": ("S1", lambda g, v, p: {"dW3": g["dz3"].T @ v["a2"]}),
    "S1: db not summed": ("S1", lambda g, v, p: {"db3": g["dz3"] / N}),
    "S1: dW transposed": ("S1", lambda g, v, p: {"dW2": g["dW2"].T}),
    "S2: Jacobian from the logits": (
        "S2",
        lambda g, v, p: {
            "dz3": np.stack(
                [(np.diag(z) - np.outer(z, z)) @ d for z, d in zip(v["z3"], g["da3"], strict=True)]
            )
        },
    ),
    "S2: a term of binary cross-entropy": (
        "S2",
        lambda g, v, p: {"da3": g["da3"] + (1 + g["da3"] * v["a3"]) / (1 - v["a3"])},
    ),
    "S2: the bias ascends": ("S2", lambda g, v, p: {"db1": -g["db1"]}),
    "S3: no 1/n in half-MSE": ("S3 toy b", lambda g, v, p: {"dU3": g["dU3"] * N}),
    "S3: mean instead of sum": ("S3", lambda g, v, p: {"dU3": g["dU3"] / N}),
    "S4: no minus sign": ("S4", lambda g, v, p: {"dA3": -g["dA3"]}),
    "S4: dB not summed": ("S4", lambda g, v, p: {"dB3": g["dZ3"] / N}),
    "S4: dW1 = 1": ("S4", lambda g, v, p: {"dW1": np.ones_like(g["dW1"])}),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_of_the_write_ups_is_caught(mistake: str) -> None:
    name, plant = MISTAKES[mistake]
    system = SYSTEMS[name]
    params, x, _ = system.problem()
    options = {k: v for k, v in system.options.items() if k != "criterion"}
    planted = plant(system.gradients(), system.module.forward(params, x, **options), params)
    truth = system.truth()
    assert all(error(g, truth[k]) > 1e-3 for k, g in planted.items())


def test_a_delta_without_its_transpose_cannot_be_formed() -> None:
    params, _, _ = SYSTEMS["S3"].problem()
    with pytest.raises(ValueError, match="matmul"):
        SYSTEMS["S3"].gradients()["dU3"] @ params["W3"]


def test_a_wrong_derivative_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {**formulas.ACTIVATIONS, "tanh": (formulas.tanh, lambda x: 1 - np.tanh(x))}
    truth = SYSTEMS["S0 tanh"].truth()
    monkeypatch.setattr(s0_univariate, "ACTIVATIONS", wrong)
    grads = SYSTEMS["S0 tanh"].gradients()
    bad = {name for name in truth if error(grads[name], truth[name]) > TOLERANCE}
    assert bad == truth.keys() - {"dY3", "dW3", "db3", "dA2"}  # all that is behind the first tanh


@pytest.mark.parametrize("name", ["S0 tanh", "S1", "S2", "S3", "S3 toy b"])
def test_a_flat_target_is_refused(name: str) -> None:
    system = SYSTEMS[name]
    params, x, y = system.problem()
    for f in (system.module.loss, system.module.gradients):
        with pytest.raises(ValueError, match="differ in shape"):
            f(params, x, y[:, 0], **system.options)


@pytest.mark.parametrize("name", SYSTEMS)
def test_an_update_needs_no_input_gradient(name: str) -> None:
    system = SYSTEMS[name]
    full = system.gradients()
    value, few = system.module.gradients(*system.problem(), **system.options, every=False)
    assert value == pytest.approx(
        system.module.loss(*system.problem(), **system.options), rel=1e-14
    )
    assert {"d" + p for p in system.problem()[0]} <= few.keys() <= full.keys() - {"dX"}
    assert all(np.array_equal(few[k], full[k]) for k in few)


RNG = np.random.default_rng(5)
X, W_OI, W_IO = (RNG.standard_normal(s) for s in ((5, 3), (4, 3), (3, 4)))
G, U, T = RNG.standard_normal((5, 4)), RNG.standard_normal((5, 4)), RNG.random((5, 4))
B = RNG.standard_normal(4)


def projected(f: Callable[[Array], Array], g: Array) -> Callable[[Array], float]:
    """The scalar whose gradient is the backward pass of `f` from `g`."""
    return lambda x: float(np.sum(g * f(x)))


@pytest.mark.parametrize(
    ("forward", "back", "args"),
    [
        (formulas.linear_out_in, formulas.linear_out_in_back, (X, W_OI, B)),
        (formulas.linear_in_out, formulas.linear_in_out_back, (X, W_IO, B[None])),
        (formulas.linear_columns, formulas.linear_columns_back, (X.T, W_OI, B[:, None])),
    ],
)
def test_linear(forward: Any, back: Any, args: tuple[Array, ...]) -> None:
    g = G.T if forward is formulas.linear_columns else G
    dx, dw, db = back(g, *args[:2])
    x, w, b = args
    for grad, at, f in (
        (dx, x, lambda e: forward(e, w, b)),
        (dw, w, lambda e: forward(x, e, b)),
        (db, b, lambda e: forward(x, w, e)),
    ):
        assert error(grad, central(projected(f, g), at)) <= TOLERANCE


@pytest.mark.parametrize("name", formulas.ACTIVATIONS)
def test_activation(name: str) -> None:
    f, prime = formulas.ACTIVATIONS[name]
    numeric = central(projected(f, G), U)
    assert error(G * prime(U), numeric) <= TOLERANCE


def test_kinks() -> None:
    zero = np.zeros(1)
    assert formulas.relu_prime(zero) == 0.0
    assert formulas.leaky_relu_prime(zero, 0.2) == 0.2


def test_sigmoid_at_the_ends() -> None:
    assert np.array_equal(formulas.sigmoid(np.array([-1000.0, 0.0, 1000.0])), [0.0, 0.5, 1.0])


@pytest.mark.parametrize(
    ("loss", "grad"),
    [
        (formulas.mse, formulas.mse_grad),
        (formulas.half_mse, formulas.half_mse_grad),
        (formulas.cross_entropy, formulas.cross_entropy_grad),
        (
            partial(formulas.cross_entropy, reduction="sum"),
            partial(formulas.cross_entropy_grad, reduction="sum"),
        ),
    ],
)
def test_loss(loss: Any, grad: Any) -> None:
    assert error(grad(U, T), central(lambda e: loss(e, T), U)) <= TOLERANCE
    with pytest.raises(ValueError, match="differ in shape"):
        grad(U, T[:, 0])


@pytest.mark.parametrize("axis", [0, -1])
def test_softmax(axis: int) -> None:
    for f, back in (
        (formulas.softmax, formulas.softmax_back),
        (formulas.log_softmax, formulas.log_softmax_back),
    ):
        numeric = central(projected(partial(f, axis=axis), G), U)
        assert error(back(G, U, axis), numeric) <= TOLERANCE


def test_softmax_jacobian() -> None:
    jacobian = formulas.softmax_jacobian(U)  # (5, 4, 4)
    for c in range(4):
        numeric = central(projected(formulas.softmax, np.eye(4)[c]), U)
        assert error(jacobian[:, c], numeric) <= TOLERANCE
    product = np.einsum("ncj,nc->nj", jacobian, G)
    assert error(formulas.softmax_back(G, U), product) <= 1e-14


def test_hidden_layer() -> None:
    system = SYSTEMS["S3 toy b"]
    params, x, _ = system.problem()
    grads = system.gradients()
    values = s3_mnist.forward(params, x, activations=("relu", "sigmoid"))
    delta = formulas.hidden_delta(grads["dU3"], params["W3"], values["U2"], "sigmoid")
    assert error(delta, grads["dU2"]) <= 1e-14
    assert error(formulas.hidden_weight_grad(values["H1"], delta), grads["dW2"]) <= 1e-14
    assert error(formulas.hidden_bias_grad(delta), grads["db2"]) <= 1e-14


def test_a_linear_stack_is_one_layer() -> None:
    params, x, _ = SYSTEMS["S0 tanh"].problem()
    weights, biases = ([params[f"{c}{i}"] for i in (1, 2, 3)] for c in "Wb")
    w, b = formulas.collapse(weights, biases)
    assert w.shape == (SIZES[0], SIZES[-1])
    assert error(formulas.linear_stack(x, weights, biases), x @ w + b) <= 1e-14


def test_s0_recipe_beats_the_line() -> None:
    x, y = s0_univariate.data("x^2")
    *_, last = s0_univariate.recipe(x, y, np.random.default_rng(0), epochs=300)
    assert last.epoch == 300
    assert last.prediction.shape == (100, 1)
    assert last.loss < s0_univariate.best_line(x, y) == pytest.approx(0.0925, abs=5e-5)


def test_s1_recipe_learns() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 4))
    y = 50 * x[:, :1] + 150
    first, *_, last = s1_diabetes.recipe(x[:45], y[:45], x[45:], y[45:], rng, epochs=200, lr=0.01)
    assert last.epoch == 200
    assert last.train < 0.5 * y.std() < first.train


def test_s2_recipe_learns() -> None:
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1, 2], 20)
    x = np.eye(4)[labels] + 0.1 * rng.standard_normal((60, 4))
    *_, last = s2_iris.recipe(
        x[:45], labels[:45], x[45:], labels[45:], rng,
        sizes=(4, 8, 3), hidden="tanh", batch=4, epochs=40,
    )  # fmt: skip
    assert last.train == last.test == 1.0


def test_s3_toy_reaches_its_figures() -> None:
    rng = np.random.RandomState(1)
    x, y = s3_mnist.toy_data(rng)
    *_, (a, _) = s3_mnist.toy(x, y, rng, ("identity", "identity"))
    b = [r.loss for r, _ in s3_mnist.toy(x, y, rng, ("relu", "sigmoid"), epochs=5)]
    assert round(a.loss, 5) == 0.04555
    assert [round(v, 5) for v in b[3:]] == [0.01521, 0.01225]
    assert s0_univariate.best_line(x, y) / 2 == pytest.approx(0.0422, abs=5e-5)


def test_s4_recipe_learns() -> None:
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(10), 6)
    images = rng.integers(0, 20, (60, 28, 28), dtype=np.uint8)
    images[np.arange(60), labels] = 255  # a bright line at the height of the label
    *_, last = s4_columns.recipe(images, labels, images[:20], labels[:20], steps=60, report=20)
    assert last.step == 60
    assert last.train == last.test == 1.0
