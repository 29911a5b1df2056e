"""NumPy's functions on Tensors give Tensors with gradients, or an error, never object arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd_lite import Tensor
from autograd_lite.engine import protocol as protocols
from autograd_lite.engine.declare import forms
from autograd_lite.engine.op import table

A = np.random.default_rng(0).uniform(0.2, 0.9, (3, 3))
B = np.random.default_rng(1).uniform(0.2, 0.9, (3, 3))
V = np.array([0.3, 0.5, 0.7])

CALLS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: np.add(a, b), "subtract": lambda a, b: np.subtract(a, b), "multiply": lambda a, b: np.multiply(a, b),
    "divide": lambda a, b: np.divide(a, b), "true_divide": lambda a, b: np.true_divide(a, b), "power": lambda a, b: np.power(a, b),
    "float_power": lambda a, b: np.float_power(a, b), "maximum": lambda a, b: np.maximum(a, b), "minimum": lambda a, b: np.minimum(a, b),
    "logaddexp": lambda a, b: np.logaddexp(a, b), "matmul": lambda a, b: np.matmul(a, b), "matmul vector": lambda a, b: np.matmul(a, b[0]),
    "negative": lambda a, b: np.negative(a), "absolute": lambda a, b: np.absolute(a), "abs": lambda a, b: np.abs(a), "exp": lambda a, b: np.exp(a),
    "expm1": lambda a, b: np.expm1(a), "log": lambda a, b: np.log(a), "log1p": lambda a, b: np.log1p(a), "sqrt": lambda a, b: np.sqrt(a),
    "square": lambda a, b: np.square(a), "reciprocal": lambda a, b: np.reciprocal(a), "sin": lambda a, b: np.sin(a), "cos": lambda a, b: np.cos(a),
    "tan": lambda a, b: np.tan(a), "sinh": lambda a, b: np.sinh(a), "cosh": lambda a, b: np.cosh(a), "tanh": lambda a, b: np.tanh(a), "arctan": lambda a, b: np.arctan(a),
    "add.reduce": lambda a, b: np.add.reduce(a), "add.reduce axis": lambda a, b: np.add.reduce(a, axis=1, keepdims=True), "add.reduce None": lambda a, b: np.add.reduce(a, axis=None),
    "multiply.reduce": lambda a, b: np.multiply.reduce(a, axis=1), "maximum.reduce": lambda a, b: np.maximum.reduce(a, axis=0), "minimum.reduce": lambda a, b: np.minimum.reduce(a),
    "logaddexp.reduce": lambda a, b: np.logaddexp.reduce(a, axis=1), "add.accumulate": lambda a, b: np.add.accumulate(a, axis=1), "multiply.accumulate": lambda a, b: np.multiply.accumulate(a),
    "sum": lambda a, b: np.sum(a), "sum axis": lambda a, b: np.sum(a, axis=0), "sum keepdims": lambda a, b: np.sum(a, -1, keepdims=True), "sum tuple": lambda a, b: np.sum(a, axis=(0, 1)),
    "mean": lambda a, b: np.mean(a, axis=1), "prod": lambda a, b: np.prod(a, axis=0), "prod all": lambda a, b: np.prod(a), "max": lambda a, b: np.max(a, axis=1), "min": lambda a, b: np.min(a),
    "amax": lambda a, b: np.amax(a, axis=0, keepdims=True), "amin": lambda a, b: np.amin(a), "var": lambda a, b: np.var(a), "var ddof": lambda a, b: np.var(a, axis=0, ddof=1),
    "std": lambda a, b: np.std(a, axis=1), "std ddof": lambda a, b: np.std(a, ddof=1, keepdims=True), "cumsum": lambda a, b: np.cumsum(a), "cumsum axis": lambda a, b: np.cumsum(a, axis=1),
    "cumprod": lambda a, b: np.cumprod(a, axis=0), "norm": lambda a, b: np.linalg.norm(a), "norm axis": lambda a, b: np.linalg.norm(a, axis=1), "norm 1": lambda a, b: np.linalg.norm(a[0], 1),
    "norm inf": lambda a, b: np.linalg.norm(a[0], np.inf), "norm 1 axis": lambda a, b: np.linalg.norm(a, 1, axis=0), "norm fro": lambda a, b: np.linalg.norm(a, "fro"),
    "where": lambda a, b: np.where(A > 0.5, a, b), "where tensor": lambda a, b: np.where(a > 0.5, a, 0.0), "clip": lambda a, b: np.clip(a, 0.3, 0.6),
    "clip names": lambda a, b: np.clip(a, a_min=0.3, a_max=0.6), "clip low": lambda a, b: np.clip(a, 0.4, None), "einsum": lambda a, b: np.einsum("ij,jk->ik", a, b), "einsum implicit": lambda a, b: np.einsum("ii", a),
    "dot": lambda a, b: np.dot(a, b), "dot vectors": lambda a, b: np.dot(a[0], b[0]), "outer": lambda a, b: np.outer(a[0], b[1]), "reshape": lambda a, b: np.reshape(a, (9,)), "reshape -1": lambda a, b: np.reshape(a, (-1, 1)),
    "ravel": lambda a, b: np.ravel(a), "transpose": lambda a, b: np.transpose(a), "transpose axes": lambda a, b: np.transpose(a, (1, 0)), "swapaxes": lambda a, b: np.swapaxes(a, 0, 1),
    "moveaxis": lambda a, b: np.moveaxis(a, 0, -1), "matrix_transpose": lambda a, b: np.matrix_transpose(a), "squeeze": lambda a, b: np.squeeze(a[:1]), "squeeze axis": lambda a, b: np.squeeze(a[:1], axis=0),
    "expand_dims": lambda a, b: np.expand_dims(a, 1), "expand_dims two": lambda a, b: np.expand_dims(a, (0, 2)), "broadcast_to": lambda a, b: np.broadcast_to(a, (2, 3, 3)), "flip": lambda a, b: np.flip(a), "flip axis": lambda a, b: np.flip(a, axis=1),
    "flip axes": lambda a, b: np.flip(a, axis=(0, 1)), "concatenate": lambda a, b: np.concatenate([a, b]), "concatenate axis": lambda a, b: np.concatenate((a, b, A), axis=1), "stack": lambda a, b: np.stack([a, b]),
    "stack axis": lambda a, b: np.stack([a, b], axis=-1), "pad": lambda a, b: np.pad(a, 1), "pad value": lambda a, b: np.pad(a, ((1, 0), (0, 2)), constant_values=5), "take_along_axis": lambda a, b: np.take_along_axis(a, np.array([[0], [1], [1]]), axis=1),
    "atleast_2d": lambda a, b: np.atleast_2d(a), "atleast_2d vector": lambda a, b: np.atleast_2d(a[0]), "atleast_2d number": lambda a, b: np.atleast_2d(a[0, 0]), "trace": lambda a, b: np.trace(a @ b),
    "copy": lambda a, b: np.copy(a), "array * t": lambda a, b: A * b, "array @ t": lambda a, b: A @ b, "t @ array": lambda a, b: a @ B, "array - t": lambda a, b: V - a, "array ** t": lambda a, b: V**a,
    "array / t": lambda a, b: V / a, "scalar * t": lambda a, b: np.float64(2) * a, "scalar - t": lambda a, b: np.float64(2) - a, "scalar / t": lambda a, b: np.float64(2) / a,
    "0-d array * t": lambda a, b: np.array(2.0) * a, "scalar ** t": lambda a, b: np.float64(2) ** a, "scalar + 0-d": lambda a, b: np.float64(2) + a[0, 0],
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_numpy_gives_tensors_with_its_values(name: str) -> None:
    a, b = Tensor(A.copy(), requires_grad=True), Tensor(B.copy(), requires_grad=True)
    y = CALLS[name](a, b)
    assert type(y) is Tensor and y.dtype == np.float64 and y.requires_grad
    expected = CALLS[name](A, B)
    assert y.shape == np.shape(expected)
    np.testing.assert_allclose(y.array, expected, rtol=1e-13)


@pytest.mark.parametrize("name", CALLS)
def test_numpy_calls_have_gradients(name: str) -> None:
    rng = np.random.default_rng(5)
    a, b = Tensor(A.copy(), requires_grad=True), Tensor(B.copy(), requires_grad=True)
    y = CALLS[name](a, b)
    g = rng.standard_normal(y.shape)
    y.backward(g)
    da, db = rng.standard_normal((2, 3, 3))
    h = 1e-5
    up, down = (CALLS[name](A + s * da, B + s * db) for s in (h, -h))
    quotient = ((up - down) * g).sum() / (2 * h)
    pairs = ((t.grad.array * d).sum() for t, d in ((a, da), (b, db)) if t.grad is not None)
    assert sum(pairs) == pytest.approx(quotient, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(
    "function",
    [
        np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
    ],
)  # fmt: skip
def test_comparisons_are_plain(function: Any) -> None:
    t = Tensor(V, requires_grad=True)
    for y, expected in (
        (function(t, 0.5), function(V, 0.5)),
        (function(V[::-1], t), function(V[::-1], V)),
    ):
        assert type(y) is Tensor and not y.requires_grad and y.tolist() == expected.tolist()


@pytest.mark.parametrize(
    "function",
    [
        np.isnan, np.isfinite, np.isinf, np.signbit, np.argmax, np.argmin, np.argsort,
        np.any, np.all, np.count_nonzero, np.zeros_like, np.ones_like, np.shape, np.ndim, np.size,
    ],
)  # fmt: skip
def test_functions_without_slope_are_plain(function: Any) -> None:
    t = Tensor(V, requires_grad=True)
    y, expected = function(t), function(V)
    if isinstance(y, Tensor):
        assert not y.requires_grad and y.tolist() == np.asarray(expected).tolist()
    else:
        assert y == expected


def test_testing_and_allclose_take_tensors() -> None:
    t = Tensor(V, requires_grad=True)
    assert np.allclose(t, V) and np.array_equal(t, V) and bool(np.isclose(t, V).array.all())
    np.testing.assert_allclose(t.detach(), V)
    np.testing.assert_array_equal(t.detach(), V)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(t.detach(), V + 1)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda t: np.spacing(t), "np.spacing"), (lambda t: np.nextafter(t, t), "np.nextafter"), (lambda t: np.add.at(t, [0], 1.0), "np.add.at"),
        (lambda t: np.nextafter.outer(t, t), "np.nextafter.outer"), (lambda t: np.partition(t, 1), "np.partition"), (lambda t: np.linalg.tensorinv(t), "np.tensorinv"),
        (lambda t: np.unwrap(t), "np.unwrap"), (lambda t: np.copysign(t, 2), "np.copysign"),
        (lambda t: np.fmax.accumulate(t), "np.fmax.accumulate"), (lambda t: np.exp(t, where=V > 0), "np.exp"), (lambda t: np.subtract.reduce(t), "np.subtract.reduce"),
    ],
)  # fmt: skip
def test_what_has_no_rule_is_an_error(call: Any, name: str) -> None:
    t = Tensor(V.copy(), requires_grad=True)
    with pytest.raises(
        TypeError, match=rf"^{name}: .*does not take a Tensor; use t\.detach\(\)\.numpy\(\)"
    ):
        call(t)
    assert t.tolist() == V.tolist()


def test_writing_a_tensor_into_an_array_is_an_error() -> None:
    t, a = Tensor(V.copy(), requires_grad=True), V.copy()
    with pytest.raises(
        TypeError,
        match=r"np\.add: cannot write a Tensor that requires grad into an array; use x = x \+ t",
    ):
        a += t
    with pytest.raises(TypeError, match=r"np\.multiply: cannot write"):
        np.multiply(t, 2, out=a)
    assert a.tolist() == V.tolist()


def test_plain_tensors_go_into_arrays() -> None:
    t = Tensor(V.copy())
    assert (
        np.asarray(t) is t.array
        and np.array([1.0, 2.0, 3.0])[np.asarray(Tensor(np.array([1])))] == 2
    )
    a = np.zeros(3)
    a[:] = np.asarray(t)
    assert a.tolist() == V.tolist()


def test_float32_stays_float32_with_numpy() -> None:
    t = Tensor(np.ones(3, np.float32), requires_grad=True)
    for y in (
        np.exp(t),
        np.mean(t),
        np.var(t),
        np.multiply(t, 2.5),
        np.clip(t, 0.1, 2.5),
        np.linalg.norm(t),
    ):
        assert y.dtype == np.float32
    assert (np.ones(3, np.float32) * t).dtype == np.float32 and (V * t).dtype == np.float64


def test_every_row_that_is_a_ufunc_is_called_by_it() -> None:
    for op in table.values():
        if op.ufunc is not None:
            assert callable(forms[op.ufunc]) and op.ufunc not in protocols.PLAIN, op.name


def test_every_function_is_one_that_numpy_dispatches() -> None:
    dispatched = type(np.sum)
    for function in [*forms, *protocols.PLAIN]:
        if isinstance(function, tuple):
            assert isinstance(function[0], np.ufunc) and function[1] in ("reduce", "accumulate")
        else:
            assert isinstance(function, np.ufunc | dispatched), function.__name__


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda t: np.pad(t, 1, mode="edge"), "np.pad: mode 'edge'"),
        (lambda t: np.dot(t, np.ones((2, 2, 2))), "np.dot: an operand with more than 2 axes"),
    ],
)
def test_numpy_options_without_a_rule_are_refused(call: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        call(Tensor(np.array([[1.0, 2.0], [3.0, 4.0]])))


def test_numpy_names_mean_what_they_mean_in_numpy() -> None:
    a = np.array([[1.0, 2.0], [3.0, 4.0]])
    t = Tensor(a)
    for function in (
        np.cumprod,
        np.linalg.norm,
        lambda x: np.outer(x, x),
        lambda x: np.dot(x, 2.0),
    ):
        np.testing.assert_allclose(np.asarray(function(t)), function(a))  # type: ignore[operator]
    np.testing.assert_allclose(np.linalg.norm(t, 1, axis=0).array, np.linalg.norm(a, 1, axis=0))
