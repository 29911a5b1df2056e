"""`check`: gradients of a NumPy function, recorded where that can be, else judged by differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import check, check_backward, compare, tensor
from autograd_lite.comparison.answers.names import matched, meant
from autograd_lite.comparison.learners.black_box import by_differences
from autograd_lite.comparison.learners.slopes import own_stream

Array = Any
X = np.random.default_rng(1).standard_normal((7, 4))
T = np.random.default_rng(2).standard_normal((7, 3))


def note_of(report: Any, name: str) -> str:
    return next(row.note for row in report.rows if row.name == name)


def opaque(loss: float) -> float:
    """Nothing is recorded beyond this."""
    return float(loss)


# ---- a net that is judged by differences -----------------------------------------------------


def net(seed: int) -> tuple[Callable[..., float], dict[str, Array], dict[str, Array]]:
    """A loss of two layers that no tape sees, its parameters and their gradients."""
    r = np.random.default_rng(seed)
    n, i, h, k = r.integers(3, 9, 4)
    x, y = r.standard_normal((n, i)), r.integers(0, k, n)
    params = {"W1": r.standard_normal((i, h)), "b1": r.standard_normal(h) * (seed % 2)}
    params |= {"W2": r.standard_normal((h, k)), "b2": np.zeros(k)}

    def forward(p: dict[str, Array]) -> tuple[Array, Array, Array]:
        z = x @ p["W1"] + p["b1"]
        a = [np.maximum(z, 0), np.tanh(z)][seed % 2]
        e = np.exp(a @ p["W2"] + p["b2"])
        return z, a, e / e.sum(1, keepdims=True)

    def loss(p: dict[str, Array]) -> float:
        return float(-np.log(forward(p)[2][np.arange(n), y]).mean())

    z, a, p = forward(params)
    d = (p - np.eye(k)[y]) / n
    dz = (d @ params["W2"].T) * [z > 0, 1 - a * a][seed % 2]
    grads = {"W1": x.T @ dz, "b1": dz.sum(0), "W2": a.T @ d, "b2": d.sum(0)}
    return loss, params, grads


@pytest.mark.parametrize("block", range(4))
def test_right_gradients_are_ok_and_one_wrong_element_is_seen(block: int) -> None:
    for seed in range(50 * block, 50 * block + 50):
        loss, params, grads = net(seed)
        if seed % 5 == 0:
            given = {name: g.astype(np.float32) for name, g in grads.items()}
            assert by_differences(loss, params, given, list(params)).ok
        assert by_differences(loss, params, grads, list(params)).ok
        r = np.random.default_rng(seed)
        name = list(params)[seed % 4]
        planted = {k: g.copy() for k, g in grads.items()}
        element = tuple(r.integers(0, n) for n in planted[name].shape)
        planted[name][element] += np.linalg.norm(planted[name]) * 10.0 ** -r.uniform(0, 4)
        report = by_differences(loss, params, planted, list(params))
        assert report.first_wrong is not None and report.first_wrong.name == name, seed
        assert [row.verdict for row in report.rows].count("ok") == 3
        assert not report.first_wrong.explanations


FACTS: dict[str, tuple[Any, str]] = {
    "sign": (lambda g, w: -g, "yours is -1 times the right one: the sign is flipped"),
    "factor": (lambda g, w: 0.7 * g, "yours is 0.7 times the right one"),
    "batch": (lambda g, w: 7 * g, "yours is 7 times the right one; 7 is a length of T"),
    "mean": (lambda g, w: g / 7, "yours is 1/7 times the right one; 7 is a length of T"),
    "flipped": (lambda g, w: g[::-1], "yours is the right one flipped along axis 0"),
    "flipped twice": (lambda g, w: g[::-1, ::-1], "yours is the right one flipped along axes (0, 1)"),
    "shifted": (lambda g, w: np.roll(g, 1, 0), "yours is the right one shifted by +1 along axis 0"),
    "penalty": (lambda g, w: g + 0.3 * w, "0.3 times W itself too many, as from a penalty"),
    "zero": (lambda g, w: 0 * g, "yours is zero"),
    "NaN": (lambda g, w: g * np.where(g == g.max(), np.nan, 1), "1 of 12 elements are NaN or infinite"),
    "row": (lambda g, w: g * np.array([[1], [1], [2], [1]]), "only row 2 differs"),
    "columns": (lambda g, w: g * np.array([2, 1, 2]), "only column 1 agrees"),
    "per sample": (lambda g, w: np.stack([g / 2, g / 2]), "yours has shape (2, 4, 3); summed over axis 0 it is right"),
    "rank 1": (lambda g, w: np.outer(g[:, 0], g[0]), "yours has rank 1, as the gradient of one sample has"),
}  # fmt: skip


def square(W: Array) -> float:
    return opaque((np.maximum(X @ W, 0.1 * X @ W) - T).ravel() @ (np.tanh(X @ W) - T).ravel())


def square_grad(W: Array) -> Array:
    z = X @ W
    leaky = np.where(z > 0, 1, 0.1)
    d = (np.maximum(z, 0.1 * z) - T) * (1 - np.tanh(z) ** 2) + leaky * (np.tanh(z) - T)
    return X.T @ d


@pytest.mark.parametrize("name", FACTS)
def test_what_is_known_of_a_wrong_gradient_is_a_note(name: str) -> None:
    wrong, text = FACTS[name]
    W = np.random.default_rng(3).standard_normal((4, 3))
    assert check(square, W, square_grad(W)).ok
    row = check(square, W, wrong(square_grad(W), W)).first_wrong
    assert row is not None
    assert row.note == text
    assert row.explanations == []


def test_a_transpose_is_a_convention_and_of_a_square_matrix_a_fact() -> None:
    A = np.random.default_rng(3).standard_normal((4, 4))
    B = np.random.default_rng(4).standard_normal((4, 4))

    def f(A: Array) -> float:
        return math.fsum((A @ B * A).ravel())

    right = A @ B + A @ B.T
    assert check(f, A, right).ok
    assert note_of(check(f, A, right.T), "A") == "yours is the transpose of the right one"
    W = np.random.default_rng(3).standard_normal((4, 3))
    (row,) = check(square, W, square_grad(W).T).rows
    assert row.verdict == "ok, other convention"


def test_an_exchange_is_a_fact() -> None:
    def f(a: Array, b: Array) -> float:
        return opaque(a @ a * 2 + (b**3).sum())

    a, b = np.arange(1.0, 5.0), np.arange(2.0, 6.0)
    report = check(f, (a, b), {"da": 3 * b * b, "db": 4 * a})
    assert note_of(report, "a") == "what was handed in for b is the gradient of a"
    assert note_of(report, "b") == "what was handed in for a is the gradient of b"


# ---- how functions are called, and where gradients are found ---------------------------------


def test_a_tape_that_can_be_had_gives_names_of_mistakes() -> None:
    def loss(W: Any, b: Any) -> Any:
        return (np.tanh(X @ W + b) ** 2).mean()

    W, b = np.random.default_rng(3).standard_normal((4, 3)), np.zeros(3)
    a = np.tanh(X @ W + b)
    d = 2 * a / a.size * (1 - a * a)
    assert check(loss, {"W": W, "b": b}, {"dW": X.T @ d, "db": d.sum(0)}).ok
    row = check(loss, {"W": W, "b": b}, {"dW": X.T @ d, "db": -d.sum(0)}).first_wrong
    assert row is not None and row.name == "b" and "sign" in row.explanations[0]


def test_a_record_that_is_cut_does_not_judge() -> None:
    """float(x) is the same value without its derivative: the tape would call 2 W right."""

    def f(W: Any) -> Any:
        return (W * W).sum() + sum(float(v) for v in (W * 3).ravel())

    W = np.arange(6.0).reshape(2, 3)
    assert check(f, W, 2 * W + 3).ok
    assert not check(f, W, 2 * W).ok


WAYS: dict[str, Callable[[float], Any]] = {}


def way(f: Any) -> Any:
    WAYS[f.__name__] = f
    return f


@way
def loss_and_gradient(c: float) -> Any:
    return check(lambda w: (opaque(w @ w), 2 * c * w), np.arange(1.0, 4.0))


@way
def a_function_for_gradients(c: float) -> Any:
    return check(lambda w: opaque(w @ w), np.arange(1.0, 4.0), lambda w: 2 * c * w)


@way
def lists_of_arrays(c: float) -> Any:
    ws = [np.arange(1.0, 4.0), np.ones((2, 2))]
    return check(lambda ws: opaque(sum((w**2).sum() for w in ws)), ws, [2 * w * c for w in ws])


@way
def nested_dictionaries(c: float) -> Any:
    p = {"layer1": {"W": np.ones((2, 3)), "b": np.ones(3)}, "layer2": {"W": np.ones((3, 2))}}
    g = {k: {f"d{n}": 2 * a * c for n, a in layer.items()} for k, layer in p.items()}
    return check(lambda p: opaque(sum((a**2).sum() for q in p.values() for a in q.values())), p, g)


@way
def arrays_changed_in_place(c: float) -> Any:
    W, b = np.ones((2, 3)), np.ones(3)
    report = check(
        lambda: opaque((W**2).sum() + b @ b),
        {"W": W, "b": b},
        {"W_grad": 2 * W * c, "grad_b": 2 * b},
    )
    assert (W == 1).all() and (b == 1).all()
    return report


@way
def a_class_with_params(c: float) -> Any:
    class Model:
        params = {"W": np.ones((2, 3))}

        def loss(self) -> Any:
            return (self.params["W"] ** 2).sum(), {"W": 2 * c * self.params["W"]}

    report = check(Model().loss, Model.params)
    assert isinstance(Model.params["W"], np.ndarray)
    return report


@way
def samples_as_pairs(c: float) -> Any:
    w = np.ones(3)
    data = [(x[:3], 1.0) for x in X]
    return check(
        lambda w, x, t: opaque((w @ x - t) ** 2),
        w,
        lambda w, x, t: 2 * c * (w @ x - t) * x,
        samples=data,
    )


@way
def samples_as_arrays(c: float) -> Any:
    w = np.ones(4)
    return check(
        lambda x, t: opaque((w @ x - t[0]) ** 2), {"w": w},
        lambda x, t: {"nabla_w": 2 * c * (w @ x - t[0]) * x}, samples=(X, T),
    )  # fmt: skip


@way
def biases_and_weights_in_the_other_order(c: float) -> Any:
    ws, bs = [np.ones((2, 3)), np.ones((4, 2))], [np.ones(2), np.ones(4)]
    return check(
        lambda weights, biases: opaque(sum((a**2).sum() for a in (*weights, *biases))), (ws, bs),
        lambda weights, biases: ([2 * b for b in biases], [2 * c * w for w in weights]),
    )  # fmt: skip


@way
def numbers(c: float) -> Any:
    return check(lambda a, b: a * math.sin(b), (2.0, 3.0), (math.sin(3.0), c * 2 * math.cos(3.0)))


@way
def a_tuple_of_data_and_parameters(c: float) -> Any:
    return check(
        lambda x, parameters: opaque(((x @ parameters["W1"]) ** 2).sum()),
        (X, {"W1": np.ones((4, 2))}), {"dW1": 2 * c * X.T @ X @ np.ones((4, 2))},
    )  # fmt: skip


@way
def float32_parameters(c: float) -> Any:
    w = np.arange(1, 4, dtype=np.float32)
    return check(lambda w: opaque((w**2).sum()), w, np.float32(2 * c) * w)


@way
def float32_changed_in_place(c: float) -> Any:
    w = np.arange(1, 4, dtype=np.float32)
    return check(lambda: opaque((w**2).sum()), {"w": w}, {"w": np.float32(2 * c) * w})


@pytest.mark.parametrize("name", WAYS)
def test_right_is_ok_and_wrong_is_not_in_every_form(name: str) -> None:
    assert WAYS[name](1.0).ok, WAYS[name](1.0)
    report = WAYS[name](1.5)
    assert not report.ok
    assert report.first_wrong is not None


MODULE_W = np.ones((2, 3))


def test_arrays_that_a_function_finds_by_itself_are_recorded() -> None:
    """In variables of its module, of functions around it, and in attributes of objects."""
    W, b = np.ones((2, 3)), np.ones(3)

    class Net:
        def __init__(self) -> None:
            self.w = np.ones(3)

        def cost(self) -> Any:
            return ((np.ones(2) @ W + b) ** 2).sum() + (MODULE_W**2).sum() + (self.w**2).sum()

    net = Net()
    params = {"W": W, "b": b, "V": MODULE_W, "w": net.w}
    d = 2 * (np.ones(2) @ W + b)
    grads = {"W": np.outer(np.ones(2), d), "b": -d, "V": 2 * MODULE_W, "w": 2 * net.w}
    for f in (net.cost, lambda: net.cost()):
        report = check(f, params, grads)
        assert "No tape" not in str(report)
        row = report.first_wrong
        assert row is not None and row.name == "b" and "sign" in row.explanations[0]
    assert all(isinstance(a, np.ndarray) for a in (W, b, MODULE_W, net.w))


def test_an_array_may_multiply_a_parameter_by_its_own_method() -> None:
    def loss(W: Any) -> Any:
        return (X.dot(W) ** 2).sum() + sum((x.dot(W) ** 2).sum() for x in X)

    W = np.random.default_rng(3).standard_normal((4, 3))
    report = check(loss, W, -4 * X.T @ X @ W)
    row = report.first_wrong
    assert row is not None and "sign" in row.explanations[0]
    assert type(X) is np.ndarray


def test_what_is_not_handed_in_is_a_row() -> None:
    report = check(
        lambda a, b: opaque(a @ a + b @ b), (np.ones(3), np.ones(3)), {"a": 2 * np.ones(3)}
    )
    assert {row.name: row.verdict for row in report.rows} == {"a": "ok", "b": "not handed in"}


def test_gradients_of_intermediates_are_named_in_a_remark() -> None:
    report = check(
        lambda w: opaque(w @ w), {"w": np.ones(3)}, {"dA0": np.ones(2), "dw": 2 * np.ones(3)}
    )
    assert report.ok
    assert "Not judged, as they are of no parameter: dA0." in str(report)


def test_a_kink_is_no_mistake() -> None:
    """At 0 any slope between those on both sides will do."""
    x = np.array([0.0, 1.0, -2.0])
    for slope, right in ((0.0, True), (1.0, True), (1.5, False)):
        report = check(lambda x: opaque(np.maximum(x, 0).sum()), x, np.array([slope, 1.0, 0.0]))
        assert report.ok == right, report


def test_the_witness_is_an_element() -> None:
    W = np.random.default_rng(3).standard_normal((4, 3))
    g = square_grad(W)
    g[2, 1] += 1
    witness = check(square, W, g).witness
    assert witness is not None and witness.element == (2, 1)
    assert witness.finite_difference == pytest.approx(g[2, 1] - 1, rel=1e-6)
    assert "autodiff" not in str(witness)


ONE = np.ones(3)
BAD: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "no function": (lambda: check(3, ONE), TypeError, "f is a int; give the function"),  # type: ignore[arg-type]
    "no arrays": (lambda: check(lambda x: 1.0, {"a": "text"}), TypeError, "params has no array of floats"),
    "no gradients": (lambda: check(lambda x: opaque(x @ x), ONE), TypeError, "there are no gradients"),
    "no number": (lambda: check(lambda x: 2 * x, ONE, ONE), TypeError, r"a ndarray of shape \(3,\) for the loss"),
    "no such parameter": (
        lambda: check(lambda x: opaque(x @ x), {"x": ONE}, {"dq": ONE}),
        ValueError, "no parameter is meant by 'dq'; known are x",
    ),
    "random": (
        lambda g=np.random.default_rng: check(lambda x: opaque(x @ x + g().random()), ONE, ONE),
        ValueError, "for the same parameters; make it the same each time",
    ),
    "NaN": (lambda: check(lambda x: opaque(np.log(-x).sum()), ONE, ONE), ValueError, "the loss is nan"),
    "no samples": (lambda: check(lambda w, x: 1.0, ONE, ONE, samples=[]), ValueError, "samples is empty"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_errors_tell_the_cause(name: str) -> None:
    call, error, text = BAD[name]
    with pytest.raises(error, match=text):
        call()


# ---- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("W1", "W1"), ("dW1", "W1"), ("dW_1", "W1"), ("W1_grad", "W1"), ("grad_W1", "W1"),
        ("dL/dW1", "W1"), ("dL_dW1", "W1"), ("db1", "b1"), ("d_b1", "b1"), ("nabla_b1", "b1"),
        ("W1.grad", "W1"), ("dw1", "W1"), ("w1", None), ("dW2", None), ("W", None),
    ],
)  # fmt: skip
def test_names_of_gradients(key: str, name: str | None) -> None:
    assert meant(key, ["W1", "b1"]) == name


def test_compare_understands_names_of_gradients_and_lists() -> None:
    ws = [tensor(np.full((2, 2), k), requires_grad=True, name=f"w{k}") for k in (1.0, 2.0)]
    loss = (ws[0] ** 2).sum() + (ws[1] ** 2).sum()
    ws[0].name, ws[1].name = "w1", "w2"
    right = [2 * w.data for w in ws]
    assert compare(loss, {"dL/dw1": right[0], "w2_grad": right[1]}).ok
    assert compare(loss, {"nabla_w": right}).ok
    report = compare(loss, {"nabla_w": [right[0], -right[1]]})
    assert report.first_wrong is not None and report.first_wrong.name == "w2"
    with pytest.raises(ValueError, match="no tensor is called 'q'"):
        compare(loss, {"q": right[0]})


def test_compare_runs_a_function_as_numpy_code() -> None:
    x = tensor(X, requires_grad=True, name="x")
    assert compare(lambda: (x * x).sum() / x.size, {"x": 2 * X / X.size}).ok
    assert not compare(lambda: (x * x).sum() / x.size, {"x": 2 * X}).ok


def test_structures_are_matched() -> None:
    shapes = {"a.W": (2, 3), "a.b": (3,), "b.W": (3, 2)}
    g = {name: np.ones(shape) for name, shape in shapes.items()}
    by_layer = {"a": {"dW": g["a.W"], "db": g["a.b"]}, "b": {"dW": g["b.W"]}}
    assert matched(by_layer, shapes).keys() == shapes.keys()
    assert list(matched([g["b.W"], g["a.b"]], shapes)) == ["b.W", "a.b"]


# ---- numbers that users do not have ----------------------------------------------------------


def test_the_upstream_is_not_what_a_learner_draws() -> None:
    """Wrong in everything but their arrival, these pass where x and g are the same numbers."""
    for seed in range(5):
        x = np.random.default_rng(seed).standard_normal((3, 4))
        assert not np.isclose(own_stream("upstream").standard_normal((3, 4)), x).any()
        assert not check_backward(lambda x: np.maximum(x, 0), lambda g, x: g * (g > 0), (x,)).ok
        assert not check_backward(lambda x: x**2, lambda g, x: 2 * g * g, (x,)).ok
        assert not check_backward(lambda x: ag.tanh(x), lambda g, x: g * (1 - np.tanh(g) ** 2)).ok
