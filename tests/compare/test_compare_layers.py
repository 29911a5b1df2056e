"""`compare_layers` on the classes of S0 and S3, in their shape, with their mistakes planted."""

import math
from typing import Any

import numpy as np
import pytest

from autograd_lite import compare_layers
from autograd_lite.comparison.source import doors
from tests.compare.learners import (
    LR,
    PARAMS,
    Activation0,
    Activation3,
    Array,
    Clipped,
    CrossEntropy,
    FCLayer,
    HalfSquares,
    Linear0,
    first_slug,
    mse,
    mse_prime,
    row,
    s0,
    s3,
    sigmoid,
    verdicts,
    wrong,
)

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
        "right on x (16, 3), all random; here the loss may"
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


def half_squares(prediction: Array, y: Array) -> Array:
    return ((prediction - y) ** 2).sum() / 2


class NetWithItsRate:
    """A net in one piece that nobody gives a rate: it stands in its code."""

    def __init__(self, steps: float, mistake: str = "", factor: float = 1.0) -> None:
        self.steps, self.mistake, self.factor = steps, mistake, factor
        rng = np.random.default_rng(8)
        self.w1, self.w2 = rng.random((3, 4)), rng.random((4, 2))

    def feedforward(self, x: Array) -> Array:
        self.hidden = 1 / (1 + np.exp(-x @ self.w1))
        self.output = self.hidden @ self.w2
        return self.output

    def backprop(self, x: Array, y: Array) -> None:
        d2 = (y - self.output) * self.factor
        d1 = d2 @ self.w2.T * self.hidden
        if self.mistake != "slope":
            d1 = d1 * (1 - self.hidden)
        self.w2 += self.steps * self.hidden.T @ d2
        self.w1 += self.steps * x.T @ d1


@pytest.mark.parametrize("rate", [1.0, 0.5, 0.01])
def test_a_rate_that_nobody_gave_is_the_one_that_the_steps_have_in_common(rate: float) -> None:
    rng = np.random.default_rng(9)
    x, y = rng.standard_normal((12, 3)), rng.standard_normal((12, 2))
    net = NetWithItsRate(rate)
    report = compare_layers(net, half_squares, None, x, y)
    assert report.ok
    assert f"No lr was given: the layers should step with {rate:g}." in report.remarks
    assert not compare_layers(net, half_squares, None, x, y, lr=2 * rate).ok
    net.mistake = "slope"
    report = compare_layers(net, half_squares, None, x, y)
    assert wrong(report) == ["NetWithItsRate.w1"]
    assert first_slug(report, "NetWithItsRate.w1") == "activation-not-derived"


def test_a_factor_that_is_no_rate_is_a_mistake_and_no_rate_is_blamed() -> None:
    rng = np.random.default_rng(9)
    x, y = rng.standard_normal((12, 3)), rng.standard_normal((12, 2))
    report = compare_layers(NetWithItsRate(1.0, factor=12.0), half_squares, None, x, y)
    assert wrong(report) == ["NetWithItsRate.w2"]
    assert "not divided by the batch size 12" in report.headline
    assert all(d.slug != "update-rate" for row in report.rows for d in row.diagnoses)


class Filters:
    """A sum over samples, which may be overwritten by that of a sample of which nothing counts."""

    def __init__(self, n: int, m: int, overwrites: bool = False) -> None:
        self.w = np.random.default_rng(3).standard_normal((n, m))
        self.overwrites = overwrites

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.w

    def backward(self, g: Array, lr: float) -> Array:
        dw = np.zeros_like(self.w)
        for i in range(len(self.x)):
            if self.overwrites:
                dw[:] = np.outer(self.x[i], g[i])
            else:
                dw[:] += np.outer(self.x[i], g[i])
        dx = g @ self.w.T
        self.w -= lr * dw
        return dx


def test_a_step_that_is_zero_by_its_data_is_not_said_to_be_left_out() -> None:
    rng = np.random.default_rng(9)
    x, y, counts = rng.standard_normal((5, 4)), np.zeros((5, 3)), np.c_[1, 1, 1, 1, 0].T
    layers = [Filters(4, 6), Filters(6, 3, overwrites=True)]

    def loss(prediction: Array, y: Array) -> Array:
        return (counts * (prediction - y) ** 2).sum() / 2

    report = compare_layers(layers, loss, lambda p, y: counts * (p - y), x, y, lr=0.1)
    said = "the step of w is zero with these data, not with others, as after = for +="
    assert row(report, "layers[1].w").explanations == [said]
    assert "dw[:] += np.outer(self.x[i], g[i])" in [fix.new for fix in report.fixes]


# ---- sizes that hide -------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 5])
def test_a_mistake_that_a_batch_of_one_hides_is_found_on_other_sizes(n: int) -> None:
    net, x, y = s0([3, 4, 2], n=n)
    net.layers[2].mistake = "bias averaged"
    report = compare_layers(net, mse, mse_prime, x, y)
    if n == 1:  # it may be made for one sample at a time
        assert report.ok
        (said,) = report.remarks
        assert said.startswith("Made for one sample at a time: with a batch of 5, layers[2].b is ")
        assert "(mean over the batch for the sum)" in said
    else:
        assert wrong(report) == ["layers[2].b"]


def test_sums_over_one_column_and_one_class_hide_a_scale() -> None:
    net, x, y = s0([3, 4, 1], n=6)
    report = compare_layers(net, mse, lambda t, y_pred: 2 * (y_pred - t) / len(t), x, y)
    assert report.ok  # it is right for one output
    assert report.remarks[0].startswith("Made for one output: with more, layers[2] output is wrong")


def per_sample(p: Array, y: Array) -> Array:
    return (p - y) / len(p)


def test_what_is_right_for_two_outputs_has_no_fix_that_is_wrong_for_them() -> None:
    net, x, y = s0([4, 2])
    report = compare_layers(net, lambda p, y: ((p - y) ** 2).mean(), per_sample, x, y)
    assert "(hidden by the data given; seen with x (5, 3), all random)" in report.headline
    assert report.fixes == ()


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


class Partly(Activation0):
    """A part of what it computes makes no tape, without an error."""

    def forward(self, x: Array) -> Array:
        self.x = x
        return np.tanh(x) + 0 * x + np.array([[math.tanh(float(v)) for v in r] for r in x])


@pytest.mark.parametrize("kind", [Floats, Copies, Partly])
def test_a_forward_that_makes_no_tape_is_judged(kind: type) -> None:
    net, x, y = s0([3, 4, 2])
    times = 2 if kind is Partly else 1
    net.layers[1] = kind(np.tanh, lambda x: times * (1 - np.tanh(x) ** 2))
    assert compare_layers(net, mse, mse_prime, x, y).ok
    net.layers[1] = kind(np.tanh, lambda x: times * (1 - np.tanh(np.tanh(x)) ** 2))
    report = compare_layers(net, mse, mse_prime, x, y)
    assert report.first_wrong.name == "layers[0] output"
    net.layers[1] = kind(np.tanh, lambda x: times * (1 - np.tanh(x) ** 2))
    net.layers[0].mistake = "bias ascends"
    report = compare_layers(net, mse, mse_prime, x, y)
    assert report.first_wrong.name == "layers[0].b"


def test_a_layer_without_a_tape_is_moved_once_however_many_guesses_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    class Counted(Floats):
        def forward(self, x: Array) -> Array:
            calls.append(1)
            return super().forward(x)

        def backward(self, g: Array, *rest: Any) -> Array:
            return np.roll(super().backward(g, *rest), 1, 0) - g

    monkeypatch.setattr(doors, "fixes", lambda *_: ())
    net, x, y = s0([3, 20, 2])
    net.layers[1] = Counted(np.tanh, lambda x: 1 - np.tanh(x) ** 2)
    assert not compare_layers(net, mse, mse_prime, x, y).ok
    assert len(calls) < 8 * len(x) * 20, len(calls)  # two runs for each element


def test_a_loss_that_makes_no_tape_is_judged() -> None:
    net, x, y = s0([3, 4, 2])

    def loss(t: Array, y_pred: Array) -> float:
        return float(mse(t, y_pred))

    assert compare_layers(net, loss, mse_prime, x, y).ok
    report = compare_layers(net, loss, lambda t, p: 2 * mse_prime(t, p), x, y)
    assert wrong(report) == ["layers[2] output"]


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


def test_a_loss_that_differs_on_tensors_is_judged_on_arrays() -> None:
    def loss(y_true: Array, y_pred: Any) -> Any:
        return mse(y_true, y_pred) * (1 if isinstance(y_pred, np.ndarray) else 2)

    net, x, y = s0([3, 4, 2])
    assert compare_layers(net, loss, mse_prime, x, y).ok
    assert not compare_layers(net, loss, lambda t, p: 2 * mse_prime(t, p), x, y).ok
