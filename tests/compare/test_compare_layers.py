"""`compare_layers` on the classes of S0 and S3, in their shape, with their mistakes planted."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from autograd_lite import compare_layers

Array = Any
LR = 0.05


# ---- S0: every layer has a rate of its own, backward(upstream) updates in place --------------


class Linear0:
    """Rows, W (in, out) and b (1, out)."""

    def __init__(self, n: int, m: int, lr: float = 0.01, mistake: str = "") -> None:
        self.lr, self.mistake = lr, mistake
        self.W, self.b = np.random.randn(n, m), np.random.randn(1, m)

    def forward(self, x: Array) -> Array:
        self.x = np.atleast_2d(x)
        return self.x @ self.W + self.b

    def backward(self, g: Array) -> Array:
        slope_w, slope_b = self.x.T @ g, g.sum(axis=0)
        if self.mistake == "bias averaged":
            slope_b = g.mean(axis=0)
        down = g @ (self.W if self.mistake == "not transposed" else self.W.T)
        sign = -1 if self.mistake == "ascent" else 1
        self.W -= sign * self.lr * slope_w
        self.b -= sign * self.lr * slope_b
        if self.mistake == "bias ascends":
            self.b += 2 * self.lr * slope_b
        return g @ self.W.T if self.mistake == "updated" else down


class Activation0:
    def __init__(self, f: Callable[[Array], Array], prime: Callable[[Array], Array]) -> None:
        self.f, self.prime = f, prime

    def forward(self, x: Array) -> Array:
        self.x = x
        return self.f(x)

    def backward(self, g: Array) -> Array:
        return g * self.prime(self.x)


class Net0:
    """n_layers hidden layers of `size` units; the output layer gets its rate only on request."""

    def __init__(self, sizes: list[int], lr: float, out_lr: float, relu: bool = False) -> None:
        f, prime = (
            (lambda x: np.maximum(0, x), lambda x: x > 0)
            if relu
            else (np.tanh, lambda x: 1 - np.tanh(x) ** 2)
        )
        self.layers: list[Any] = []
        for n, m in pairwise(sizes[:-1]):
            self.layers += [Linear0(n, m, lr), Activation0(f, prime)]
        self.layers.append(Linear0(*sizes[-2:], out_lr))


def mse(y_true: Array, y_pred: Array) -> Array:
    return ((y_true - y_pred) ** 2).mean()


def mse_prime(y_true: Array, y_pred: Array) -> Array:
    return 2 * (y_pred - y_true) / y_true.size


# ---- S3: backward(delta, lr), the loss an object ---------------------------------------------


class FCLayer:
    """Rows, weights (in, out) and bias (1, out), added as a column of ones times it."""

    def __init__(self, n: int, m: int, mistake: str = "") -> None:
        self.weights, self.bias = np.random.randn(n, m), np.random.randn(1, m)
        self.mistake = mistake

    def forward(self, input_data: Array) -> Array:
        self.input_data = input_data
        self.output = input_data @ self.weights + np.ones((len(input_data), 1)) @ self.bias
        return self.output

    def backward(self, delta: Array, lr: float) -> Array:
        down = delta @ (self.weights if self.mistake == "not transposed" else self.weights.T)
        by_weights, by_bias = self.input_data.T @ delta, delta.sum(axis=0, keepdims=True)
        sign = -1 if self.mistake == "ascent" else 1
        self.weights -= sign * lr * by_weights
        self.bias -= sign * lr * by_bias
        return down


class Activation3(Activation0):
    def backward(self, g: Array, lr: float) -> Array:  # type: ignore[override]
        return self.prime(self.x) * g


def sigmoid(u: Array) -> Array:
    return np.where(u >= 0, 1 / (1 + np.exp(-u)), np.exp(u) / (1 + np.exp(u)))


def softmax(u: Array) -> Array:
    e = np.exp(u - np.max(u, axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class HalfSquares:
    """The half sum of the squares, with the gradient of its mean over the batch, or of itself."""

    def __init__(self, divided: bool) -> None:
        self.divided = divided

    def loss(self, pred: Array, target: Array) -> Array:
        return np.sum(np.power(pred - target, 2)) / 2

    def diff_loss(self, pred: Array, target: Array) -> Array:
        return (pred - target) / (pred.shape[0] if self.divided else 1)


class CrossEntropy:
    def loss(self, pred: Array, target: Array) -> Array:
        return -np.trace(target @ np.log(softmax(pred) + 1e-15).T)

    def diff_loss(self, pred: Array, target: Array) -> Array:
        return softmax(pred) - target


class Clipped(CrossEntropy):
    def loss(self, pred: Array, target: Array) -> Array:
        return -np.trace(target @ np.log(np.clip(softmax(pred), 1e-15, 1)).T)


PARAMS = ("weights", "bias")


def s3(n: int = 5, sizes: tuple[int, ...] = (3, 4, 3), mistakes: tuple[str, ...] = ("", "")) -> Any:
    np.random.seed(1)
    relu = Activation3(lambda u: np.maximum(u, 0), lambda u: (u > 0) * 1.0)
    layers = [FCLayer(*sizes[:2], mistakes[0]), relu, FCLayer(*sizes[1:], mistakes[1])]
    x, y = np.random.randn(n, sizes[0]), np.eye(sizes[-1])[np.arange(n) % sizes[-1]]
    return layers, x, y


def s0(sizes: list[int], lr: float = LR, out_lr: float = LR, n: int = 5, relu: bool = False) -> Any:
    np.random.seed(0)
    net = Net0(sizes, lr, out_lr, relu)
    return net, np.random.randn(n, sizes[0]), np.random.randn(n, sizes[-1])


def verdicts(report: Any) -> dict[str, str]:
    return {row.name: row.verdict for row in report.rows}


def wrong(report: Any) -> list[str]:
    return [row.name for row in report.rows if row.verdict == "wrong here"]


def row(report: Any, name: str) -> Any:
    return next(row for row in report.rows if row.name == name)


def first_slug(report: Any, name: str) -> str:
    return row(report, name).diagnoses[0].slug


# ---- right classes ---------------------------------------------------------------------------


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("sizes", [[3, 4, 2], [1, 16, 1], [1, 16, 16, 16, 1], [3, 1]])
def test_right_classes_of_s0(sizes: list[int], relu: bool) -> None:
    net, x, y = s0(sizes, relu=relu)
    report = compare_layers(net, mse, mse_prime, x, y)
    assert report.ok
    assert set(verdicts(report).values()) <= {"ok", "ok, other convention"}
    linear = [i for i, layer in enumerate(net.layers) if hasattr(layer, "W")]
    expected = {"x"} | {f"layers[{i}] output" for i in range(len(net.layers))}
    assert set(verdicts(report)) == expected | {f"layers[{i}].{p}" for i in linear for p in "Wb"}


@pytest.mark.parametrize("lr", [1e-3, 0.005, 0.1, 1.0])
@pytest.mark.parametrize("sizes", [(3, 4, 3), (64, 16, 10), (1, 1, 1)])
def test_right_classes_of_s3(sizes: tuple[int, ...], lr: float) -> None:
    layers, x, y = s3(16, sizes)
    for layer in layers[::2]:
        layer.weights *= 0.3  # so that no p is near 0: see the test below
    report = compare_layers(layers, CrossEntropy(), None, x, y, lr=lr, params=PARAMS)
    assert report.ok
    assert set(verdicts(report).values()) == {"ok"}


def test_s3_a_saturated_softmax_is_told_from_a_mistake() -> None:
    """log(p + 1e-15) is flat where p is 1e-22; the finite difference agrees that p - t is wrong."""
    layers, x, y = s3(16, (64, 16, 10))
    report = compare_layers(layers, CrossEntropy(), None, x, y, params=PARAMS)
    assert row(report, "layers[2] output").verdict == "ok, other convention"
    assert row(report, "layers[2] output").note == "leaves out the 1e-15 that the loss adds"
    report = compare_layers(layers, Clipped(), None, x, y, params=PARAMS)
    assert wrong(report) == ["layers[2] output"]
    assert row(report, "layers[2] output").note.startswith(
        "right on x (5, 3), all random; here the loss may"
    )
    layers[2].mistake = "not transposed"
    report = compare_layers(layers, CrossEntropy(), None, x, y, params=PARAMS)
    assert "right on" not in str(report)


def test_s3_regression_with_relu_then_sigmoid() -> None:
    np.random.seed(1)
    layers = [
        FCLayer(1, 16),
        Activation3(lambda u: np.maximum(u, 0), lambda u: (u > 0) * 1.0),
        FCLayer(16, 16),
        Activation3(sigmoid, lambda u: sigmoid(u) * (1 - sigmoid(u))),
        FCLayer(16, 1),
    ]
    x, y = np.random.randn(16, 1), np.random.randn(16, 1)
    assert compare_layers(layers, HalfSquares(False), None, x, y, lr=0.001, params=PARAMS).ok


def test_columns_and_weights_of_out_by_in() -> None:
    class Columns:
        def __init__(self, n: int, m: int) -> None:
            self.W, self.b = np.random.randn(m, n), np.zeros((m, 1))

        def forward(self, x: Array) -> Array:
            self.x = x
            return self.W @ x + self.b

        def backward(self, g: Array) -> Array:
            self.dW, self.db = g @ self.x.T, g.sum(1, keepdims=True)
            return self.W.T @ g

    np.random.seed(0)
    x, y = np.random.randn(4, 5), np.random.randn(4, 5)
    report = compare_layers([Columns(4, 4)], mse, mse_prime, x, y)
    assert report.ok
    assert verdicts(report)["layers[0].W"] == "ok"

    Columns.forward = lambda self, x: (setattr(self, "x", x), self.W.T @ x + self.b)[1]  # type: ignore
    assert sorted(wrong(compare_layers([Columns(4, 4)], mse, mse_prime, x, y))) == [
        "layers[0].W",
        "x",
    ]


def test_the_learners_objects_stay_as_they_were() -> None:
    layers, x, y = s3()
    before = [layer.weights.copy() for layer in layers if hasattr(layer, "weights")]
    compare_layers(layers, CrossEntropy(), None, x, y, params=PARAMS)
    after = [layer.weights for layer in layers if hasattr(layer, "weights")]
    assert all((a == b).all() and type(b) is np.ndarray for a, b in zip(before, after, strict=True))
    assert not hasattr(layers[0], "input_data")


def test_rows_have_the_names_that_the_layers_have() -> None:
    layers, x, y = s3()
    named = dict(zip(("fc1", "relu", "fc2"), layers, strict=True))
    report = compare_layers(named, CrossEntropy(), None, x, y, params=PARAMS)
    assert {"fc1.weights", "fc2.bias", "relu output", "x"} <= set(verdicts(report))
    layers[0].name, layers[2].name = "hidden", "out"
    report = compare_layers(layers, CrossEntropy(), None, x, y, params=PARAMS)
    assert {"hidden.weights", "layers[1] output", "out.bias"} <= set(verdicts(report))


# ---- the mistakes of the write-ups -----------------------------------------------------------


@pytest.mark.parametrize("sizes", [[3, 4, 2], [1, 16, 1], [1, 16, 16, 1]])
def test_s0_the_output_layer_ignores_the_rate(sizes: list[int]) -> None:
    net, x, y = s0(sizes, lr=0.05, out_lr=0.01)
    report = compare_layers(net, mse, mse_prime, x, y)
    last = f"layers[{len(net.layers) - 1}]"
    assert str(report.witness).startswith(f"{last}.b: element (0, ")
    assert report.witness.yours == pytest.approx(report.witness.autodiff / 5)
    assert report.witness.finite_difference == pytest.approx(report.witness.autodiff)
    assert sorted(wrong(report)) == [f"{last}.W", f"{last}.b"]
    for name in wrong(report):
        assert first_slug(report, name) == "update-rate"
        assert row(report, name).diagnoses[0].sentence == (
            "the layer steps with a rate of 0.01 where lr is 0.05"
        )


def test_s0_a_flat_target_is_broadcast_to_a_matrix() -> None:
    net, x, y = s0([1, 4, 1])
    report = compare_layers(net, mse, mse_prime, x, y[:, 0])
    assert not report.ok
    note = row(report, "layers[2] output").note
    assert "prediction (5, 1) and target (5,) were broadcast" in note
    assert "yours has shape (5, 5)" in note


def test_s0_the_last_column_has_another_scale() -> None:
    def prime(y_true: Array, y_pred: Array) -> Array:
        slope = 2 * (y_pred - y_true) / y_true.size
        slope[:, -1] *= y_true.shape[1]
        return slope

    net, x, y = s0([3, 4, 2])
    assert wrong(compare_layers(net, mse, prime, x, y)) == ["layers[2] output"]


def test_s3_the_step_ascends() -> None:
    layers, x, y = s3(mistakes=("", "ascent"))
    report = compare_layers(layers, CrossEntropy(), None, x, y, lr=0.005, params=PARAMS)
    assert sorted(wrong(report)) == ["layers[2].bias", "layers[2].weights"]
    assert first_slug(report, "layers[2].weights") == "update-ascent"
    assert row(report, "layers[2].weights").diagnoses[0].sentence == (
        "the step goes up the gradient: weights += lr * dweights"
    )
    layers, x, y = s3(mistakes=("ascent", "ascent"))
    report = compare_layers(layers, CrossEntropy(), None, x, y, lr=0.005, params=PARAMS)
    assert len(wrong(report)) == 4
    assert {first_slug(report, name) for name in wrong(report)} == {"update-ascent"}
    assert all(row(report, name).diagnoses[0].exact for name in wrong(report))


def test_one_parameter_that_ascends() -> None:
    net, x, y = s0([3, 4, 2])
    net.layers[0].mistake = "bias ascends"
    report = compare_layers(net, mse, mse_prime, x, y)
    assert wrong(report) == ["layers[0].b"]
    assert first_slug(report, "layers[0].b") == "update-ascent"


def test_s3_the_transpose_is_missing() -> None:
    layers, x, y = s3(mistakes=("", "not transposed"))
    report = compare_layers(layers, CrossEntropy(), None, x, y, params=PARAMS)
    assert wrong(report) == ["layers[2].backward()"]
    assert "raised ValueError: matmul" in row(report, "layers[2].backward()").note
    assert verdicts(report)["layers[0].weights"] == "not handed in"
    layers, x, y = s3(sizes=(4, 4, 4), mistakes=("", "not transposed"))  # fits if it is square
    report = compare_layers(layers, CrossEntropy(), None, x, y, params=PARAMS)
    assert wrong(report) == ["layers[1] output"]


def test_s3_the_loss_and_its_gradient_disagree() -> None:
    layers, x, y = s3()
    report = compare_layers(layers, HalfSquares(True), None, x, y, params=PARAMS)
    assert wrong(report) == ["layers[2] output"]
    assert row(report, "layers[2] output").note.startswith("norm ratio 0.2, cosine 1")
    assert set(verdicts(report).values()) == {"wrong here", "inherited"}


def test_the_updated_weights_are_used() -> None:
    net, x, y = s0([3, 4, 2])
    net.layers[2].mistake = "updated"
    report = compare_layers(net, mse, mse_prime, x, y)
    assert wrong(report) == ["layers[1] output"]
    assert first_slug(report, "layers[1] output") == "updated-weights"


def test_a_bias_of_another_scale_is_a_gradient_first() -> None:
    net, x, y = s0([3, 4, 2])
    net.layers[2].mistake = "bias averaged"
    report = compare_layers(net, mse, mse_prime, x, y)
    assert wrong(report) == ["layers[2].b"]
    last = row(report, "layers[2].b").diagnoses[-1]
    assert (last.slug, last.exact) == ("update-rate", False)


@pytest.mark.parametrize("lr", [1e-8, 1e-5, 0.03, 30.0])
def test_a_step_is_read_up_to_its_rounding(lr: float) -> None:
    """W - lr dW keeps half of the digits of lr dW where lr is 1e-8."""
    for mistake in ("", "ascent", "bias averaged"):
        net, x, y = s0([3, 4, 2], lr, lr)
        net.layers[0].mistake = mistake
        found = wrong(compare_layers(net, mse, mse_prime, x, y))
        expected = {"": "", "ascent": "Wb", "bias averaged": "b"}[mistake]
        assert sorted(found) == [f"layers[0].{p}" for p in expected]


def test_a_factor_of_every_layer_is_no_rate_of_one_layer() -> None:
    """A constant in the gradient of every parameter is a mistake of the gradients first."""
    net, x, y = s0([3, 4, 2])
    for layer in net.layers[::2]:
        layer.lr = 0.3 * LR
    report = compare_layers(net, mse, mse_prime, x, y, lr=LR)
    names = [f"layers[{i}].{p}" for i in (0, 2) for p in "Wb"]
    assert sorted(wrong(report)) == names
    for name in names:
        last = row(report, name).diagnoses[-1]
        assert (last.slug, last.exact) == ("update-rate", False)


def test_a_factor_of_the_only_parameter_of_a_layer_may_be_either() -> None:
    class NoBias(Linear0):
        def forward(self, x: Array) -> Array:
            self.b = np.zeros((1, self.W.shape[1]))
            return super().forward(x)

    net, x, y = s0([3, 4, 2])
    net.layers[2] = NoBias(4, 2, 0.3 * LR)
    del net.layers[2].b
    report = compare_layers(net, mse, mse_prime, x, y, lr=LR)
    assert wrong(report) == ["layers[2].W"]
    last = row(report, "layers[2].W").diagnoses[-1]
    assert (last.slug, last.exact) == ("update-rate", False)


def test_a_parameter_that_is_never_updated() -> None:
    net, x, y = s0([3, 4, 2])
    net.layers[2].lr = 0.0
    report = compare_layers(net, mse, mse_prime, x, y)
    assert row(report, "layers[2].W").diagnoses[0].sentence == "W is never updated"


# ---- sizes that hide -------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 5])
def test_a_mistake_that_a_batch_of_one_hides_is_found_on_other_sizes(n: int) -> None:
    net, x, y = s0([3, 4, 2], n=n)
    net.layers[2].mistake = "bias averaged"
    report = compare_layers(net, mse, mse_prime, x, y)
    assert wrong(report) == ["layers[2].b"]
    note = row(report, "layers[2].b").note
    assert ("hidden by the data given; seen with x (5, 3)" in note) == (n == 1)


def test_sums_over_one_column_and_one_class_hide_a_scale() -> None:
    net, x, y = s0([3, 4, 1], n=6)
    report = compare_layers(net, mse, lambda t, y_pred: 2 * (y_pred - t) / len(t), x, y)
    assert wrong(report) == ["layers[2] output"]
    assert "hidden by the data given" in row(report, "layers[2] output").note


def test_layers_of_one_size_only_are_judged_on_it() -> None:
    class Fixed:
        def forward(self, x: Array) -> Array:
            return x * np.arange(1.0, 4.0)

        def backward(self, g: Array) -> Array:
            return g * np.arange(1.0, 4.0).reshape(1, 3)

    net, x, y = s0([3, 3], n=1)
    report = compare_layers([Fixed(), net.layers[0]], mse, mse_prime, x, y)
    assert report.ok


# ---- gradients that are kept -----------------------------------------------------------------


class Keeps(Linear0):
    """Keeps its gradients; with a `step`, also updates."""

    step = 0.0

    def backward(self, g: Array) -> Array:
        self.grad_W, self.grad_b = self.x.T @ g, g.sum(0)
        down = g @ self.W.T
        self.W += self.step * self.grad_W
        self.b += self.step * self.grad_b
        return down


@pytest.mark.parametrize("grads", [None, ("grad_W", "grad_b")])
def test_gradients_kept_in_attributes(grads: Any) -> None:
    np.random.seed(0)
    layers = [Keeps(3, 4), Activation0(np.tanh, lambda x: 1 - np.tanh(x) ** 2), Keeps(4, 2)]
    x, y = np.random.randn(5, 3), np.random.randn(5, 2)
    report = compare_layers(layers, mse, mse_prime, x, y, grads=grads)
    assert report.ok
    assert "not handed in" not in verdicts(report).values()


@pytest.mark.parametrize("rebinds", [False, True])
def test_a_bias_that_is_not_summed(rebinds: bool) -> None:
    class NotSummed(Linear0):
        def backward(self, g: Array) -> Array:
            self.b = self.b - self.lr * g if rebinds else self.b - self.lr * g[:1]
            return g @ self.W.T

    np.random.seed(0)
    x, y = np.random.randn(5, 3), np.random.randn(5, 2)
    report = compare_layers([NotSummed(3, 2)], mse, mse_prime, x, y)
    expected = ["layers[0].W", "layers[0].b"] + ["layers[0].b update"] * rebinds
    assert sorted(wrong(report)) == expected
    if rebinds:
        assert row(report, "layers[0].b").note.startswith("yours has shape (5, 2)")
        assert row(report, "layers[0].b update").note == "gives it the shape (5, 2)"


def test_steps_from_an_upstream_of_another_shape_are_handed_in() -> None:
    net, x, y = s0([3, 2])
    net.layers[0].backward = lambda g: None
    net.layers[0].dW = np.ones((3, 2))
    report = compare_layers(net, mse, lambda t, y_pred: (y_pred - t)[:, :1], x, y)
    assert verdicts(report)["layers[0].W"] == "wrong here"


def test_a_loss_object_that_keeps_what_its_backward_needs() -> None:
    class Squares:
        def forward(self, pred: Array, target: Array) -> Array:
            self.rest = pred - target
            return (self.rest**2).sum()

        def backward(self) -> Array:
            return 2 * self.rest

    net, x, y = s0([3, 4, 2])
    loss = Squares()
    assert compare_layers(net, loss, None, x, y).ok
    assert compare_layers(net, loss.forward, loss.backward, x, y).ok
    assert not hasattr(loss, "rest")


class Tied(Linear0):
    """Can be used twice: it keeps all its inputs, and adds up its gradients."""

    def __init__(self, n: int, m: int, adds: bool) -> None:
        super().__init__(n, m)
        self.inputs: list[Array] = []
        self.adds, self.dW, self.db = adds, 0.0, 0.0

    def forward(self, x: Array) -> Array:
        self.inputs.append(x)
        return x @ self.W + self.b

    def backward(self, g: Array) -> Array:
        x = self.inputs.pop()
        self.dW = x.T @ g + (self.dW if self.adds else 0.0)
        self.db = g.sum(0) + (self.db if self.adds else 0.0)
        return g @ self.W.T


@pytest.mark.parametrize("adds", [True, False])
def test_a_layer_that_is_used_twice(adds: bool) -> None:
    np.random.seed(0)
    layer, tanh = Tied(3, 3, adds), Activation0(np.tanh, lambda x: 1 - np.tanh(x) ** 2)
    x, y = np.random.randn(5, 3), np.random.randn(5, 3)
    report = compare_layers([layer, tanh, layer], mse, mse_prime, x, y)
    assert sorted(wrong(report)) == ([] if adds else ["layers[0].W", "layers[0].b"])
    assert [row.name for row in report.rows if row.name.endswith("W")] == ["layers[0].W"]


def test_a_step_that_does_not_follow_from_the_gradient_kept() -> None:
    np.random.seed(0)
    layer = Keeps(3, 2, lr=0.1)
    x, y = np.random.randn(5, 3), np.random.randn(5, 2)
    layer.step = -0.1
    assert compare_layers([layer], mse, mse_prime, x, y).ok
    layer.step = 0.1
    report = compare_layers([layer], mse, mse_prime, x, y)
    assert verdicts(report)["layers[0].W"] == "ok"
    assert sorted(wrong(report)) == ["layers[0].W update", "layers[0].b update"]
    assert first_slug(report, "layers[0].W update") == "update-ascent"


def test_gradients_that_are_nowhere_are_not_handed_in() -> None:
    class Silent(Linear0):
        def backward(self, g: Array) -> Array:
            return g @ self.W.T

    np.random.seed(0)
    report = compare_layers([Silent(3, 2)], mse, mse_prime, np.ones((5, 3)), np.ones((5, 2)))
    assert verdicts(report)["layers[0].W"] == "not handed in"


# ---- what cannot be run ----------------------------------------------------------------------


class Floats(Activation0):
    def forward(self, x: Array) -> Array:
        self.x = x
        return np.array([[math.tanh(float(v)) for v in r] for r in x])


class Copies(Activation0):
    def forward(self, x: Array) -> Array:
        self.x = x
        return np.tanh(np.asarray(x))


@pytest.mark.parametrize("kind", [Floats, Copies])
def test_a_forward_that_cannot_run_on_tensors_is_named(kind: type) -> None:
    net, x, y = s0([3, 4, 2])
    net.layers[1] = kind(np.tanh, lambda x: 1 - np.tanh(x) ** 2)
    text = rf"layers\[1\]\.forward \({kind.__name__}\).*operators and NumPy functions"
    with pytest.raises(TypeError, match=text):
        compare_layers(net, mse, mse_prime, x, y)


def test_a_loss_that_cannot_run_on_tensors_is_named() -> None:
    net, x, y = s0([3, 4, 2])
    with pytest.raises(
        TypeError, match=r"loss \(function\) returned a float that was not recorded"
    ):
        compare_layers(net, lambda t, y_pred: float(mse(t, y_pred)), mse_prime, x, y)


def test_a_backward_that_returns_none_is_a_row() -> None:
    net, x, y = s0([3, 4, 2])
    net.layers[2].backward = lambda g: None
    report = compare_layers(net, mse, mse_prime, x, y)
    assert row(report, "layers[2].backward()").note == "returned None; return the input's gradient"
    assert not report.ok


def test_a_loss_gradient_that_raises_is_a_row() -> None:
    net, x, y = s0([3, 4, 2])
    report = compare_layers(net, mse, lambda t, y_pred: 1 / 0, x, y)
    assert row(report, "loss_grad()").note == "raised ZeroDivisionError: division by zero"


def test_a_forward_that_differs_on_tensors_is_the_one_thing_wrong() -> None:
    class Noise(Activation0):
        def forward(self, x: Array) -> Array:
            return x + np.random.default_rng().standard_normal(x.shape)

    net, x, y = s0([3, 4, 2])
    net.layers[1] = Noise(np.tanh, np.tanh)
    report = compare_layers(net, mse, mse_prime, x, y)
    assert [r.name for r in report.rows] == ["layers[1].forward()"] and not report.ok
    assert "on arrays and" in report.rows[0].note and "generators" in report.rows[0].note


def test_a_loss_that_differs_on_tensors_is_the_one_thing_wrong() -> None:
    def loss(y_true: Array, y_pred: Any) -> Any:
        return mse(y_true, y_pred) * (1 if isinstance(y_pred, np.ndarray) else 2)

    net, x, y = s0([3, 4, 2])
    report = compare_layers(net, loss, mse_prime, x, y)
    assert [r.name for r in report.rows] == ["loss"] and not report.ok
    assert report.rows[0].note.startswith(f"gives {report.loss:.6g} on arrays and ")


# ---- layers as books and courses write them --------------------------------------------------


class Affine:
    """Rows, weights (in, out), gradients in attributes, no update."""

    def __init__(self, n: int, m: int) -> None:
        rng = np.random.default_rng(n * m)
        self.W, self.b = rng.standard_normal((n, m)), rng.standard_normal(m)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout: Array) -> Array:
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class BookReLU:
    def forward(self, x: Array) -> Array:
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout: Array) -> Array:
        dout[self.mask] = 0
        return dout


class InPlaceReLU:
    def forward(self, x: Array) -> Array:
        self.mask = x > 0
        x[~self.mask] = 0
        return x

    def backward(self, g: Array) -> Array:
        return g * self.mask


class BatchNorm:
    def forward(self, x: Array) -> Array:
        self.s = np.sqrt(x.var(axis=0) + 1e-5)
        self.z = (x - x.mean(axis=0)) / self.s
        return self.z

    def backward(self, g: Array) -> Array:
        return (g - g.mean(axis=0) - self.z * (g * self.z).mean(axis=0)) / self.s


class SoftmaxRows:
    def forward(self, x: Array) -> Array:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p

    def backward(self, g: Array) -> Array:
        return self.p * (g - (g * self.p).sum(axis=1, keepdims=True))


class PassingSoftmax(SoftmaxRows):
    def backward(self, g: Array) -> Array:
        return g


SHARED = np.random.default_rng(8)


class Dropout:
    def __init__(self, kind: str) -> None:
        self.kind, self.rng = kind, np.random.default_rng(8)

    def draw(self, shape: Any) -> Array:
        if self.kind == "np.random":
            return np.random.rand(*shape)
        return (self.rng if self.kind == "its own" else SHARED).random(shape)

    def forward(self, x: Array) -> Array:
        self.mask = (self.draw(x.shape) > 0.4) / 0.6
        return x * self.mask

    def backward(self, g: Array) -> Array:
        return g * self.mask


class DropoutAnew(Dropout):
    def backward(self, g: Array) -> Array:
        return g * ((self.draw(g.shape) > 0.4) / 0.6)


ROWS = np.random.default_rng(1).standard_normal((7, 3))
CLASSES = np.array([0, 3, 1, 1, 2, 0, 3])
VALUES = np.random.default_rng(2).standard_normal((7, 4))


def entropy(p: Any, t: Array) -> Any:
    return -np.log(p[np.arange(len(t)), t]).sum() / len(t)


def entropy_by_logits(p: Array, t: Array) -> Array:
    return (p - np.eye(4)[t]) / len(t)


def entropy_by_p(p: Array, t: Array) -> Array:
    return -np.eye(4)[t] / p / len(t)


def squares(p: Any, t: Any) -> Any:
    return ((p - t) ** 2).sum() / 2


def squares_slope(p: Array, t: Array) -> Array:
    return p - t


def checked(*layers: Any, **kw: Any) -> Any:
    return compare_layers(list(layers), squares, squares_slope, ROWS, VALUES, **kw)


@pytest.mark.parametrize(
    "between",
    [
        BookReLU(),
        InPlaceReLU(),
        BatchNorm(),
        SoftmaxRows(),
        *map(Dropout, ("its own", "np.random", "module")),
    ],
    ids=lambda layer: type(layer).__name__ + getattr(layer, "kind", ""),
)
def test_a_right_layer_of_numpy_code_is_right(between: Any) -> None:
    report = checked(Affine(3, 5), between, Affine(5, 4))
    assert report.ok, report


@pytest.mark.parametrize("kind", ["its own", "np.random", "module"])
def test_a_mask_drawn_anew_is_still_found(kind: str) -> None:
    report = checked(Affine(3, 5), DropoutAnew(kind), Affine(5, 4))
    assert report.first_wrong.name == "layers[0] output"
    assert "anew" in report.first_wrong.diagnoses[0].sentence


def test_a_softmax_that_leaves_its_derivative_to_the_loss() -> None:
    layers = [Affine(3, 5), BookReLU(), Affine(5, 4), PassingSoftmax()]
    report = compare_layers(layers, entropy, entropy_by_logits, ROWS, CLASSES)
    assert report.ok
    last = row(report, "layers[3] output")
    assert last.verdict == "ok, other convention"
    assert last.note == "layers[3] and the loss are differentiated together"


def guarded(p: Any, t: Array) -> Any:
    return -np.log(p[np.arange(len(t)), t] + 1e-7).sum() / len(t)


def test_the_number_that_keeps_a_logarithm_finite_may_be_left_out() -> None:
    layers = [Affine(3, 4), PassingSoftmax()]
    report = compare_layers(layers, guarded, entropy_by_logits, ROWS, CLASSES)
    assert report.ok
    assert row(report, "layers[1] output").note == (
        "layers[1] and the loss are differentiated together; "
        "leaves out the 1e-07 that the loss adds"
    )
    layers = [Affine(3, 4), SoftmaxRows()]
    report = compare_layers(layers, guarded, entropy_by_p, ROWS, CLASSES)
    assert report.ok
    assert row(report, "layers[1] output").note == "leaves out the 1e-07 that the loss adds"
    wrong = compare_layers(layers, guarded, lambda p, t: 2 * entropy_by_p(p, t), ROWS, CLASSES)
    assert wrong.first_wrong.name == "layers[1] output"


def test_a_mistake_of_the_fused_gradient_is_named_below() -> None:
    layers = [Affine(3, 5), BookReLU(), Affine(5, 4), PassingSoftmax()]
    report = compare_layers(layers, entropy, lambda p, t: p - np.eye(4)[t], ROWS, CLASSES)
    assert report.first_wrong.name == "layers[2] output"
    assert "7" in report.first_wrong.diagnoses[0].sentence


def test_a_softmax_that_forgets_its_derivative() -> None:
    layers = [Affine(3, 4), PassingSoftmax()]
    report = compare_layers(layers, entropy, entropy_by_p, ROWS, CLASSES)
    assert row(report, "layers[1] output").verdict == "ok"
    assert report.first_wrong.name == "layers[0] output"


# ---- where gradients and parameters are kept -------------------------------------------------


def renamed(weight: str, bias: str) -> Any:
    class Renamed(Affine):
        def backward(self, dout: Array) -> Array:
            setattr(self, weight, self.x.T @ dout)
            setattr(self, bias, dout.sum(axis=0))
            return dout @ self.W.T

    return Renamed


class InLists(Affine):
    def __init__(self, n: int, m: int, wrong: bool = False) -> None:
        super().__init__(n, m)
        self.params, self.wrong = [self.W, self.b], wrong
        self.grads = [np.zeros_like(self.W), np.zeros_like(self.b)]
        del self.W, self.b

    def forward(self, x: Array) -> Array:
        W, b = self.params
        self.x = x
        return x @ W + b

    def backward(self, dout: Array) -> Array:
        self.grads[0][...] = self.x.T @ dout
        self.grads[1][...] = dout.mean(axis=0) if self.wrong else dout.sum(axis=0)
        return dout @ self.params[0].T


class InDicts(Affine):
    def __init__(self, n: int, m: int, wrong: bool = False) -> None:
        super().__init__(n, m)
        self.params, self.wrong = {"W": self.W, "b": self.b}, wrong
        self.grads: dict[str, Array] = {}
        del self.W, self.b

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout: Array) -> Array:
        self.grads["dW"] = self.x.T @ dout
        self.grads["b"] = dout.mean(axis=0) if self.wrong else dout.sum(axis=0)
        return dout @ self.params["W"].T


NAMES = [("gW", "gb"), ("W_gradient", "b_gradient"), ("dL_dW", "dL_db")]


@pytest.mark.parametrize(("weight", "bias"), NAMES)
def test_gradients_are_found_under_other_names(weight: str, bias: str) -> None:
    report = checked(renamed(weight, bias)(3, 4))
    assert [r.verdict for r in report.rows] == ["ok"] * 4


@pytest.mark.parametrize("kind", [InLists, InDicts])
def test_gradients_and_parameters_in_lists_and_dictionaries(kind: Any) -> None:
    report = checked(kind(3, 5), BookReLU(), kind(5, 4))
    assert {r.verdict for r in report.rows} == {"ok"} and len(report.rows) == 8
    report = checked(kind(3, 5), BookReLU(), kind(5, 4, wrong=True))
    assert report.first_wrong.name == "layers[2].b"


def test_a_gradient_under_an_unknown_name_is_hinted_at() -> None:
    layer = renamed("slope_of_weights", "slope_of_bias")(3, 4)
    report = checked(layer)
    assert row(report, "layers[0].W").verdict == "not handed in"
    assert row(report, "layers[0].W").note == (
        "no gradient is kept as dW, grad_W or the like; if slope_of_weights is it, say so with "
        "grads=('slope_of_weights', ...)"
    )
    assert checked(layer, grads=("slope_of_weights", "slope_of_bias")).ok


def test_a_net_with_a_backward_of_its_own_is_one_layer() -> None:
    class Net(Affine):
        """Two layers in one object."""

        def __init__(self) -> None:
            self.one, self.two = Affine(3, 5), Affine(5, 4)
            self.W1, self.W2 = self.one.W, self.two.W

        def forward(self, x: Array) -> Array:
            self.x, self.h = x, np.tanh(x @ self.W1)
            return self.h @ self.W2

        def backward(self, g: Array) -> Array:
            d = (g @ self.W2.T) * (1 - self.h**2)
            self.dW1, self.dW2 = self.x.T @ d, self.h.T @ g / 2
            return d @ self.W1.T

    report = compare_layers(Net(), squares, squares_slope, ROWS, VALUES, params=("W1", "W2"))
    assert report.first_wrong.name == "Net.W2" and row(report, "Net.W1").verdict == "ok"


class LossWithDefault:
    """The value in forward, the gradient in backward(dout=1)."""

    def forward(self, p: Any, t: Array) -> Any:
        self.p, self.t = p, t
        return squares(p, t)

    def backward(self, dout: float = 1) -> Array:
        return dout * (self.p - self.t)


def test_a_loss_object_with_a_default_upstream() -> None:
    assert compare_layers([Affine(3, 4)], LossWithDefault(), None, ROWS, VALUES).ok


SAID: dict[str, tuple[Any, type[Exception], str]] = {
    "None": (
        lambda: compare_layers(None, squares, squares_slope, ROWS, VALUES),
        TypeError,
        (
            "the layers are a NoneType; give a list of layers, a dictionary by name, or an object "
            "with .layers or with forward and backward"
        ),
    ),
    "x is a text": (
        lambda: compare_layers([Affine(3, 4)], squares, squares_slope, "abc", VALUES),
        TypeError,
        "x is a str; give an array",
    ),
    "x has NaN": (
        lambda: compare_layers([Affine(3, 4)], squares, squares_slope, ROWS * np.nan, VALUES),
        ValueError,
        "x has NaN or infinities; give finite numbers",
    ),
    "a loss for each row": (
        lambda: compare_layers(
            [Affine(3, 4)], lambda p, t: ((p - t) ** 2).sum(1), squares_slope, ROWS, VALUES
        ),
        ValueError,
        "the loss gives shape (7,), not one number; take its sum or mean, as its gradient does",
    ),
    "no arrays": (
        lambda: checked(BookReLU()),
        ValueError,
        (
            "no layer has an attribute W or b; say what the parameters are called, as in "
            "params=('weights', 'bias'); none has an array of floats"
        ),
    ),
    "a dictionary with other names": (
        lambda: checked(InDicts(3, 4), params=("weights",)),
        ValueError,
        (
            "no layer has an attribute weights; say what the parameters are called, as in "
            "params=('weights', 'bias'); arrays are W, b"
        ),
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_errors_tell_what_to_do(name: str) -> None:
    call, error, text = SAID[name]
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == f"compare_layers: {text}"


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"layers": []}, ValueError, "there are no layers"),
        ({"layers": ["relu"]}, TypeError, r"layers\[0\] is a str without forward\(\)"),
        ({"params": ("w",)}, ValueError, "no layer has an attribute w; .* arrays are W, b"),
        ({"grads": ("dW",)}, ValueError, "2 params, but 1 grads"),
        ({"loss_grad": None}, TypeError, "the gradient of the loss is missing"),
        ({"loss_grad": 3.0}, TypeError, "loss and loss_grad must be functions"),
        ({"lr": 0.0}, ValueError, "lr is 0"),
        ({"x": np.ones((5, 9))}, ValueError, r"layers\[0\]\.forward raised ValueError: matmul"),
    ],
)
def test_bad_calls(change: dict[str, Any], error: type[Exception], text: str) -> None:
    net, x, y = s0([3, 4, 2])
    call: dict[str, Any] = {"layers": net, "loss": mse, "loss_grad": mse_prime, "x": x, "y": y}
    with pytest.raises(error, match=text):
        compare_layers(**{**call, **change})
