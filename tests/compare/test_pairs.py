"""`check_backward` on what people have: caches, contexts, options, classes, torch, loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd_lite import check_backward

Array = Any


def rand(*shape: int) -> Array:
    return np.random.default_rng([7, *shape]).standard_normal(shape)


FORMS: dict[str, Callable[[float], Any]] = {}


def form(f: Any) -> Any:
    """A form in which a pair is handed in: right for c = 1, wrong for another."""
    FORMS[f.__name__] = f
    return f


@form
def cache(c: float) -> Any:
    def forward(x: Any, w: Any) -> Any:
        return np.tanh(x @ w), (x, w, [np.tanh(x @ w)])

    def backward(dout: Array, cache: Any) -> Any:
        x, w, (y,) = cache
        d = c * dout * (1 - y * y)
        return d @ w.T, x.T @ d

    return check_backward(forward, backward)


@form
def cache_that_is_an_input(c: float) -> Any:
    return check_backward(
        lambda x: (np.maximum(x, 0), x), lambda dout, cache: c * dout * (cache > 0)
    )


@form
def two_outputs(c: float) -> Any:
    return check_backward(
        lambda x, y: (x * y, x + y), lambda dp, ds, x, y: (c * dp * y + ds, dp * x + ds)
    )


@form
def two_outputs_and_a_cache(c: float) -> Any:
    return check_backward(
        lambda x, y: (x * y, np.sin(x), (x, y)),
        lambda dp, ds, cache: (dp * cache[1] + c * ds * np.cos(cache[0]), dp * cache[0]),
    )


@form
def two_outputs_of_three(c: float) -> Any:
    return check_backward(
        lambda x, y: (x * y, np.sin(x), (x, y)),
        lambda gp, gs, x, y: (c * gp * y + gs * np.cos(x), gp * x),
    )


@form
def an_output_without_a_gradient(c: float) -> Any:
    def forward(x: Any) -> Any:
        return np.tanh(x), np.exp(x), np.tanh(x)

    return check_backward(forward, lambda da, cache: c * da * (1 - cache**2))


@form
def options(c: float) -> Any:
    def forward(x: Any, param: Any, mode: str, n: int) -> Any:
        param["calls"] = param.get("calls", 0) + 1
        return (x * param["scale"] if mode == "train" else x) * n, (x, param["scale"])

    inputs = (rand(5, 3), {"scale": 3.0}, "train", 2)
    report = check_backward(forward, lambda d, cache: c * d * cache[1] * 2, inputs)
    assert inputs[1] == {"scale": 3.0}
    return report


@form
def arrays_in_a_dictionary(c: float) -> Any:
    def forward(x: Any, parameters: Any) -> Any:
        return x @ parameters["W"] + parameters["b"], (x, parameters)

    def backward(dout: Array, cache: Any) -> Any:
        x, p = cache
        return {"dx": dout @ p["W"].T, "dW": c * x.T @ dout, "db": dout.sum(0)}

    report = check_backward(forward, backward, (rand(5, 3), {"W": rand(3, 4), "b": rand(4)}))
    assert {row.name for row in report.rows} == {"x", "W", "b"}
    return report


@form
def option_of_the_backward_too(c: float) -> Any:
    def forward(x: Any, kind: str) -> Any:
        return (np.tanh(x) if kind == "tanh" else x * 2), x

    def backward(dA: Array, cache: Array, kind: str) -> Array:
        return c * dA * ((1 - np.tanh(cache) ** 2) if kind == "tanh" else 2)

    return check_backward(forward, backward, {"x": rand(5, 3), "kind": "tanh"})


@form
def an_argument_with_a_default(c: float) -> Any:
    def forward(x: Any, w: Any, power: Any = None) -> Any:
        return x * w if power is None else x * w**2

    inputs = (rand(5, 3), rand(3), 2)
    return check_backward(
        forward, lambda g, x, w, p: (g * w**2, c * (2 * g * x * w).sum(0), None), inputs
    )


@form
def value_and_gradients(c: float) -> Any:
    def loss(x: Any, y: Array) -> Any:
        d = x - y
        return (d * d).sum() / 2, c * d

    return check_backward(loss, inputs=(rand(5, 3), np.arange(15).reshape(5, 3)))


@form
def value_and_gradients_by_loops(c: float) -> Any:
    def loss(W: Any, X: Array, y: Array) -> Any:
        dW, total = np.zeros_like(W), 0.0
        for i in range(len(X)):
            e = float(X[i] @ W) - y[i]
            total += e * e
            dW += 2 * c * e * X[i]
        return total, dW

    return check_backward(loss, inputs=(rand(3), rand(5, 3), np.arange(5)))


@form
def loops_into_an_array(c: float) -> Any:
    def forward(x: Array) -> Array:
        out = np.zeros(len(x) - 1)
        for i in range(len(out)):
            out[i] = float(x[i]) * float(x[i + 1])
        return out

    def backward(g: Array, x: Array) -> Array:
        dx = np.zeros_like(x)
        for i in range(len(g)):
            dx[i] += g[i] * x[i + 1]
            dx[i + 1] += c * g[i] * x[i]
        return dx

    return check_backward(forward, backward, (rand(6),))


class Scale:
    """A layer that keeps its input."""

    c = 1.0

    def forward(self, x: Any) -> Any:
        self.x = x
        return x**3

    def backward(self, g: Array) -> Array:
        return self.c * 3 * g * self.x**2


@form
def layer(c: float) -> Any:
    found = Scale()
    found.c = c
    return check_backward(found)


@form
def methods(c: float) -> Any:
    found = Scale()
    found.c = c
    return check_backward(found.forward, found.backward)


@form
def a_class(c: float) -> Any:
    return check_backward(type("Scaled", (Scale,), {"c": c}))


@form
def context(c: float) -> Any:
    class Mul:
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        def backward(ctx: Any, d: Array) -> Any:
            a, b = ctx.saved_values
            assert len(ctx.needs_input_grad) == 2 and ctx.saved_tensors[0] is a
            return c * d * b, d * a

    assert check_backward(Mul.forward, Mul.backward).ok == (c == 1)
    return check_backward(Mul)


@form
def operation(c: float) -> Any:
    class Pow:
        def compute(self, a: Any) -> Any:
            return a**3

        def gradient(self, out_grad: Array, node: Any) -> Array:
            return c * out_grad * 3 * node.inputs[0] ** 2

    return check_backward(Pow())


@form
def derivative(c: float) -> Any:
    def sigmoid(z: Any) -> Any:
        return 1 / (1 + np.exp(-z))

    def sigmoid_prime(z: Array) -> Array:
        return c * sigmoid(z) * (1 - sigmoid(z))

    return check_backward(sigmoid, sigmoid_prime)


@form
def jacobian(c: float) -> Any:
    def softmax(z: Any) -> Any:
        e = np.exp(z - z.max())
        return e / e.sum()

    def softmax_prime(z: Array) -> Array:
        p = softmax(z)
        return c * (np.diag(p) - np.outer(p, p))

    return check_backward(softmax, softmax_prime, [(5,)])


@form
def loss_and_its_prime(c: float) -> Any:
    def mse(y_true: Any, y_pred: Any) -> Any:
        return np.mean(np.power(y_true - y_pred, 2))

    def mse_prime(y_true: Array, y_pred: Array) -> Array:
        return c * 2 * (y_pred - y_true) / y_true.size

    report = check_backward(mse, mse_prime)
    assert {r.name: r.verdict for r in report.rows}["y_true"] == "not handed in"
    return report


@form
def an_upstream_with_a_default(c: float) -> Any:
    class SquaredLoss:
        def forward(self, x: Any, t: Any) -> Any:
            self.d = x - t
            return (self.d * self.d).sum()

        def backward(self, dout: float = 1) -> Any:
            return 2 * c * dout * self.d, -2 * dout * self.d

    return check_backward(SquaredLoss())


@form
def loss_with_a_cache_and_a_dictionary(c: float) -> Any:
    def forward_propagation(X: Any, Y: Any, parameters: Any) -> Any:
        Z = parameters["W1"] @ X
        return np.sum((Z - Y) ** 2) / 2, (Z, parameters["W1"])

    def backward_propagation(X: Array, Y: Array, cache: Any) -> Any:
        dZ1 = cache[0] - Y
        return {"dZ1": dZ1, "dW1": c * dZ1 @ X.T}

    inputs = (rand(3, 6), rand(2, 6), {"W1": rand(2, 3)})
    return check_backward(forward_propagation, backward_propagation, inputs)


@form
def changes_in_place_of_what_is_needed(c: float) -> Any:
    """A tape keeps the values that NumPy code overwrites: no finite differences."""

    def softmax(x: Any) -> Any:
        x -= np.max(x, axis=1, keepdims=True)
        e = np.exp(x)
        e /= np.sum(e, axis=1, keepdims=True)
        return e, e

    def softmax_backward(g: Array, cache: Array) -> Array:
        return c * cache * (g - (g * cache).sum(axis=1, keepdims=True))

    report = check_backward(softmax, softmax_backward)
    assert "No tape" not in str(report)
    return report


@form
def numbers_and_math(c: float) -> Any:
    import math

    class InverseRoot:
        @staticmethod
        def forward(ctx: Any, a: float) -> float:
            ctx.save_for_backward(a)
            return 1 / math.sqrt(a)

        @staticmethod
        def backward(ctx: Any, d: float) -> float:
            (a,) = ctx.saved_values
            return -0.5 * c * d * a**-1.5

    assert check_backward(InverseRoot, inputs=(2.0,)).ok == (c == 1)
    return check_backward(InverseRoot)


@pytest.mark.parametrize("name", FORMS)
def test_each_form_right_and_wrong(name: str) -> None:
    assert FORMS[name](1.0).ok, FORMS[name](1.0)
    report = FORMS[name](1.5)
    assert not report.ok
    assert report.first_wrong is not None and not report.first_wrong.name.endswith("()"), report


@pytest.mark.parametrize(
    "names", ["g1, g2", "gh, gc", "gout, gstate", "g, g2", "u, v", "hbar, cbar", "out_grad, c_grad"]
)
def test_upstreams_have_any_names(names: str) -> None:
    first, second = names.split(", ")
    right = eval(f"lambda {names}, x, w: ({first} + {second} * w, {first} + {second} * x)")
    left_out = eval(f"lambda {names}, x, w: ({first}, {first})")
    shapes = {"x": (3, 4), "w": (3, 4)}
    assert check_backward(lambda x, w: (x + w, x * w), right, shapes).ok
    assert not check_backward(lambda x, w: (x + w, x * w), left_out, shapes).ok


@pytest.mark.parametrize("names", ["g, gates", "dout, drop", "error, z"])
def test_what_the_forward_calls_so_was_kept(names: str) -> None:
    g, kept = names.split(", ")
    forward = eval(f"lambda x, w: (np.tanh({kept} := x * w), {kept})")
    slope = f"{g} * (1 - np.tanh({kept}) ** 2)"
    backward = eval(f"lambda {names}, x, w: ({slope} * w, {slope} * x)")
    assert check_backward(forward, backward, {"x": (3, 4), "w": (3, 4)}).ok


# ---- the 1/m of Coursera ---------------------------------------------------------------------


def columns(kind: str) -> Any:
    def linear_backward(dZ: Array, A: Array, W: Array, b: Array) -> Any:
        m = A.shape[1]
        k = 1 if kind == "W alone" else m
        dA = W.T @ dZ / (m if kind == "everything" else 1)
        dA = -dA if kind == "sign of dA" else dA
        return dA, dZ @ A.T / m, dZ.sum(1, keepdims=True) / k

    r = (rand(4, 5), rand(3, 4), rand(3, 1))
    return check_backward(lambda A, W, b: W @ A + b, linear_backward, r)


def test_parameters_divided_by_the_batch_are_another_convention() -> None:
    report = columns("")
    verdicts = {row.name: row.verdict for row in report.rows}
    assert verdicts == {"A": "ok", "W": "ok, other convention", "b": "ok, other convention"}
    assert "divided by the batch size 5" in next(r.note for r in report.rows if r.name == "W")


@pytest.mark.parametrize(
    ("kind", "wrong"), [("W alone", "W"), ("everything", "b"), ("sign of dA", "A")]
)
def test_one_of_them_or_all_of_them_are_not(kind: str, wrong: str) -> None:
    report = columns(kind)
    assert report.first_wrong is not None and report.first_wrong.name == wrong


# ---- inputs ----------------------------------------------------------------------------------


def test_nothing_is_searched_where_arrays_are_given() -> None:
    calls = []

    def forward(x: Any, w: Any) -> Any:
        calls.append(np.shape(x))
        return x @ w

    check_backward(forward, lambda g, x, w: (g @ w.T, x.T @ g), (rand(2, 1), rand(1, 2)))
    assert set(calls) == {(2, 1)}
    assert len(calls) < 10


def test_a_search_that_finds_nothing_ends() -> None:
    calls = []

    def forward(x: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
        calls.append(1)
        return x @ np.ones((77, 3))

    with pytest.raises(ValueError, match="runs with no shapes"):
        check_backward(forward, lambda g, *a: a)
    assert len(calls) <= 2_000


def test_an_empty_batch_hides_nothing() -> None:
    empty = (np.zeros((0, 3)), rand(3, 4), rand(4))
    right = check_backward(
        lambda x, w, b: x @ w + b, lambda g, x, w, b: (g @ w.T, x.T @ g, g.sum(0)), empty
    )
    assert right.ok
    wrong = check_backward(
        lambda x, w, b: x @ w + b, lambda g, x, w, b: (g @ w.T, x.T @ g, -g.sum(0)), empty
    )
    assert not wrong.ok


def test_an_input_may_be_called_like_a_parameter() -> None:
    import nn

    class Times(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.x = nn.Parameter(np.ones(3))

        def forward(self, x: Any) -> Any:
            return x * self.x

    report = check_backward(Times(), lambda g, x, p: (g * p, (g * x).sum(0)))
    assert {row.name: row.verdict for row in report.rows} == {"x": "ok", "parameter x": "ok"}


# ---- torch -----------------------------------------------------------------------------------


def test_torch_is_the_judge_of_its_own_functions() -> None:
    torch = pytest.importorskip("torch")

    class Relu(torch.autograd.Function):
        c = 1.0

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x.clamp(min=0)

        @classmethod
        def backward(cls, ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return cls.c * g * (x > 0)

    class Setup(torch.autograd.Function):
        @staticmethod
        def forward(x: Any) -> Any:
            return torch.from_numpy(np.sinh(x.detach().numpy()))  # torch has no record of it

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * torch.cosh(ctx.saved_tensors[0])

    assert check_backward(Relu).ok and check_backward(Setup).ok
    wrong = check_backward(type("Twice", (Relu,), {"c": 2.0}))
    assert (
        wrong.first_wrong is not None and wrong.first_wrong.note == "yours is 2 times the right one"
    )


def test_torch_modules_and_functions_judge_numpy_backwards() -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Linear(3, 4)
    before = module.weight.detach().clone()

    def backward(g: Array, x: Array, w: Array, b: Array) -> Any:
        return g @ w, g.T @ x, g.sum(0)

    assert check_backward(module, backward).ok
    assert (module.weight == before).all() and module.weight.dtype == torch.float32
    report = check_backward(module, lambda g, x, w, b: (g @ w, g.T @ x, g.mean(0)))
    assert report.first_wrong is not None and report.first_wrong.name == "bias"
    assert check_backward(torch.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2)).ok
    assert not check_backward(lambda x: torch.relu(x), lambda g, x: g).ok
