"""`compare_layers` on layers as books and courses write them, where those keep things, and bad calls."""

import threading
from typing import Any

import numpy as np
import pytest

from autograd_lite import compare_layers
from tests.compare.learners import Array, mse, mse_prime, row, s0

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


@pytest.mark.parametrize(("scale", "taken"), [(1, "the sum"), (1 / 7, "the mean")])
def test_a_loss_for_each_row_is_reduced_as_its_gradient_is(scale: float, taken: str) -> None:
    loss = lambda p, t: ((p - t) ** 2).sum(1)
    slope = lambda p, t: 2 * scale * (p - t)
    report = compare_layers([Affine(3, 4)], loss, slope, ROWS, VALUES)
    assert report.ok
    assert report.remarks == (f"The loss gives several numbers: {taken} of them is taken.",)
    assert not compare_layers([Affine(3, 4)], loss, lambda p, t: p - t, ROWS, VALUES).ok


def test_without_a_gradient_of_the_loss_the_layers_are_judged() -> None:
    report = compare_layers([Affine(3, 4)], squares, None, ROWS, VALUES)
    assert report.ok and report.remarks[0].startswith("No gradient of the loss was handed in")
    assert [r.name for r in report.rows] == ["layers[0].b", "x", "layers[0].W"]


def test_without_a_loss_a_random_gradient_arrives() -> None:
    report = compare_layers([Affine(3, 5), BookReLU(), Affine(5, 4)], x=ROWS)
    assert report.ok
    assert report.remarks == ("No loss was given: a random gradient arrives at the output.",)
    assert compare_layers([PassingSoftmax()], x=ROWS).first_wrong.name == "x"
    with pytest.raises(TypeError, match="x is missing"):
        compare_layers([Affine(3, 5)])


class KeywordOnly(Affine):
    def forward(self, x: Array, *, training: bool) -> Array:
        assert training
        return super().forward(x)


class Anything(Affine):
    def forward(self, *args: Any, **kw: Any) -> Array:
        return super().forward(*args)

    def backward(self, *args: Any) -> Array:
        return super().backward(*args)


class OnlyTheseInputs(Affine):
    """Raises beside the data given, and on Tensors."""

    def forward(self, x: Array) -> Array:
        if not np.array_equal(x, ROWS):
            raise RuntimeError("another input")
        return super().forward(np.asarray(x))


class WithALock(Affine):
    """Cannot be copied as a whole."""

    def __init__(self, n: int, m: int) -> None:
        super().__init__(n, m)
        self.lock = threading.Lock()


class ModesOfText(Affine):
    def forward(self, x: Array, mode: str) -> Array:
        assert mode == "train"
        return super().forward(x)


class AddsUp(Affine):
    """Its gradients are those of a step before, until they are zeroed."""

    def __init__(self, n: int, m: int) -> None:
        super().__init__(n, m)
        self.dW, self.db = np.ones((n, m)), np.ones(m)

    def backward(self, dout: Array) -> Array:
        self.dW += self.x.T @ dout
        self.db += dout.sum(axis=0)
        return dout @ self.W.T


ODD = [KeywordOnly, Anything, OnlyTheseInputs, WithALock, ModesOfText, AddsUp]


@pytest.mark.parametrize("kind", ODD)
def test_odd_but_right_classes_are_right(kind: Any) -> None:
    report = checked(kind(3, 4))
    assert report.ok, report
    assert "not handed in" not in {r.verdict for r in report.rows}


class InFloat32(Affine):
    def __init__(self, wrong: bool) -> None:
        super().__init__(3, 4)
        self.wrong = wrong

    def forward(self, x: Array) -> Array:
        self.x = x.astype(np.float32)
        return self.x @ self.W + self.b

    def backward(self, dout: Array) -> Array:
        self.dW, self.db = (self.x.T @ dout).astype(np.float32), dout.sum(axis=0)
        if self.wrong:
            self.dW *= 1.01
        return (dout @ self.W.T).astype(np.float32)


@pytest.mark.parametrize("wrong", [False, True])
def test_float32_inside_is_judged_as_float32(wrong: bool) -> None:
    report = checked(InFloat32(wrong))
    assert report.ok != wrong


def test_names_and_layers_in_pairs() -> None:
    pairs = [("one", Affine(3, 5)), ("two", Affine(5, 4))]
    report = compare_layers(pairs, squares, squares_slope, ROWS, VALUES)
    assert report.ok and row(report, "one.W").verdict == "ok"


def test_a_loss_that_gives_its_gradient_too() -> None:
    for c in (1, 2):
        both = lambda p, t, c=c: (squares(p, t), c * (p - t))
        assert compare_layers([Affine(3, 4)], both, None, ROWS, VALUES).ok == (c == 1)


def test_layers_without_arrays_are_judged() -> None:
    targets = np.ones((7, 3))
    assert compare_layers([BookReLU()], squares, squares_slope, ROWS, targets).ok
    wrong = compare_layers([PassingSoftmax()], squares, squares_slope, ROWS, targets)
    assert wrong.first_wrong.name == "x"


def test_every_array_of_a_layer_is_looked_at() -> None:
    class Named(Affine):
        """Its weight has a name that is not given."""

        def __init__(self, sign: int) -> None:
            super().__init__(3, 4)
            self.w, self.scale, self.sign = self.W, np.arange(1.0, 5.0), sign
            del self.W

        def forward(self, x: Array) -> Array:
            self.x = x
            return (x @ self.w + self.b) * self.scale

        def backward(self, dout: Array) -> Array:
            d = dout * self.scale
            self.dw, self.db = self.sign * self.x.T @ d, d.sum(axis=0)
            return d @ self.w.T

    report = checked(Named(1))
    assert report.ok and row(report, "layers[0].w").verdict == "ok"
    (said,) = report.remarks
    assert said.startswith("Not looked at") and "layers[0].scale" in said
    assert checked(Named(-1)).first_wrong.name == "layers[0].w"


def test_a_softmax_along_the_batch_is_said() -> None:
    class OverBatch(PassingSoftmax):
        def forward(self, x: Array) -> Array:
            return np.exp(x) / sum(np.exp(x))

    report = compare_layers([Affine(3, 4), OverBatch()], entropy, entropy_by_logits, ROWS, CLASSES)
    first = report.first_wrong
    assert first.name == "layers[0] output"
    assert [d.slug for d in first.diagnoses] == ["wrong-axis"]
    assert "along another axis: it sums over axis 0, not 1" in first.explanations[0]


# ---- what cannot be read -------------------------------------------------------------------

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
    "x is empty": (
        lambda: compare_layers([Affine(3, 4)], squares, squares_slope, ROWS[:0], VALUES[:0]),
        ValueError,
        "x has shape (0, 3), no numbers; give some samples",
    ),
    "nothing comes out": (
        lambda: checked(type("Nothing", (Affine,), {"forward": lambda self, x: None})(3, 4)),
        ValueError,
        "layers[0].forward gives nothing; return the output, or keep it as self.output",
    ),
    "x has NaN": (
        lambda: compare_layers([Affine(3, 4)], squares, squares_slope, ROWS * np.nan, VALUES),
        ValueError,
        "x has NaN or infinities; give finite numbers",
    ),
    "shapes of the loss": (
        lambda: checked(BookReLU()),
        ValueError,
        (
            "the loss of prediction (7, 3) and target (7, 4) raised ValueError: operands could not "
            "be broadcast together with shapes (7,3) (7,4)"
        ),
    ),
    "no arrays": (
        lambda: checked(BookReLU(), params=("W",)),
        ValueError,
        (
            "no layer has an attribute W; say what the parameters are called, as in "
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


def test_a_list_of_parameters_has_the_names_that_it_is_unpacked_to() -> None:
    rng = np.random.default_rng(8)

    class Step:
        def __init__(self) -> None:
            self.params = [rng.standard_normal(s) for s in ((3, 4), (4, 4), (4,))]
            self.grads = [np.zeros_like(p) for p in self.params]

        def forward(self, x: Any) -> Any:
            Wx, Wh, b = self.params
            h = 0
            self.xs, self.hs = x, [np.zeros((len(x), 4))]
            for t in range(x.shape[1]):
                h = np.tanh(x[:, t] @ Wx + self.hs[-1] @ Wh + b)
                self.hs.append(h)
            return h

        def backward(self, g: Array) -> Array:
            Wx, Wh, _ = self.params
            dx, grads = np.zeros_like(self.xs), [0, 0, 0]
            for t in reversed(range(self.xs.shape[1])):
                dz = g * (1 - self.hs[t + 1] ** 2)
                dx[:, t] = dz @ Wx.T
                for i, d in enumerate((self.xs[:, t].T @ dz, self.hs[t].T @ dz, dz.sum(axis=0))):
                    grads[i] = grads[i] + d
                g = dz @ Wh.T
            for mine, found, n in zip(self.grads, grads, (1, 5, 1), strict=True):
                mine[...] = found / n
            return dx

    report = compare_layers(
        [Step()], lambda p, t: ((p - t) ** 2).sum() / 2, lambda p, t: p - t,
        rng.standard_normal((2, 5, 3)), rng.standard_normal((2, 4)),
    )  # fmt: skip
    assert [row.name for row in report.rows if row.shape != (2, 4)] == [
        "layers[0].b", "layers[0].Wh", "layers[0].Wx", "x",
    ]  # fmt: skip
    assert "divided by 5, the number of its uses" in report.headline, report
    assert report.fixes  # the edits that are tried leave the names as they are
