"""Forwards that fill arrays place by place are recorded, so that their mistakes have names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd_lite import check, check_backward, compare_layers, tensor
from autograd_lite.comparison.learners import programs
from autograd_lite.comparison.learners.buffers import buffers
from autograd_lite.comparison.learners.functions import into_buffers
from autograd_lite.comparison.learners.probing import Function
from autograd_lite.comparison.source import doors
from autograd_lite.comparison.source.places import is_own
from autograd_lite.engine.modes import like_numpy

Array = Any
RNG = np.random.default_rng(0)
MISTAKES = {
    "": "",
    "state": "after the step for the one before",
    "next": "contribution of the step after",
    "slope": "derivative of tanh left out",
    "overwritten": "1 of 3 contributions",
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the lines."""
    monkeypatch.setattr(doors, "fixes", lambda *a: ())


def rnn(x: Any, U: Any, W: Any) -> Any:
    h = np.zeros((len(x) + 1, W.shape[0]))
    for t in range(len(x)):
        h[t + 1] = np.tanh(x[t] @ U + h[t] @ W)
    return h, (x, U, W, h)


def rnn_backward(mistake: str) -> Any:
    def backward(dh: Array, cache: Any) -> Any:
        x, U, W, h = cache
        dx, dU, dW, d = np.zeros_like(x), np.zeros_like(U), np.zeros_like(W), np.zeros(len(W))
        for t in reversed(range(len(x))):
            d = dh[t + 1] + (0 if mistake == "next" else d)
            dz = d * (1 if mistake == "slope" else 1 - h[t + 1] ** 2)
            dx[t] = U @ dz
            dU = (0 if mistake == "overwritten" else dU) + np.outer(x[t], dz)
            dW += np.outer(h[t + 1 if mistake == "state" else t], dz)
            d = W @ dz
        return dx, dU, dW

    return backward


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_loop_over_time_that_fills_its_states_is_recorded(mistake: str) -> None:
    report = check_backward(rnn, rnn_backward(mistake), ((3, 4), (4, 5), (5, 5)))
    assert report.ok == (not mistake), report
    assert not any("finite differences" in remark for remark in report.remarks)
    assert MISTAKES[mistake] in str(report)


def test_values_read_and_written_in_turn_have_the_gradients_of_their_time() -> None:
    def f(x: Any) -> Any:
        a = np.zeros(3)
        a[0] = x[0]
        first = a[0] * 2
        a[0] = first * x[1]
        a[1:] += a[0] * x[2]
        return a * x

    x = tensor([2.0, 3.0, 5.0], dtype="float64", requires_grad=True)
    with like_numpy(), buffers([f]):
        y = f(x)
    assert np.array_equal(y.array, f(x.array))
    y.sum().backward()
    assert x.grad.tolist() == [264, 228, 156]  # of 2 x0 x1 (x0 + x1 x2 + x2 x2)


def test_what_is_written_into_a_view_is_no_record_but_the_verdict_is_right() -> None:
    def forward(x: Any) -> Any:
        y = np.zeros_like(x)
        for row, given in zip(y, x, strict=True):
            row[:] = given * given
        return y

    function = Function(forward, lambda g, x: 2 * g * x)
    arrays = {"x": RNG.standard_normal((2, 3))}
    plain = function.on_arrays(arrays)
    assert plain is not None
    assert into_buffers(function, arrays, plain) is None
    assert check_backward(forward, lambda g, x: 2 * g * x, ((2, 3),)).ok
    assert not check_backward(forward, lambda g, x: g * x, ((2, 3),)).ok


def test_names_of_numpy_are_as_they_were() -> None:
    before = np.zeros
    check_backward(rnn, rnn_backward(""), ((3, 4), (4, 5), (5, 5)))
    assert rnn.__globals__["np"] is np
    assert np.zeros is before
    assert type(rnn(*(RNG.standard_normal(s) for s in ((3, 4), (4, 5), (5, 5))))[0]) is np.ndarray


class Rows:
    def __init__(self) -> None:
        self.W = RNG.standard_normal((4, 3))

    def forward(self, x: Array) -> Array:
        self.x = x
        self.y = np.zeros((len(x), 3))
        for i in range(len(x)):
            self.y[i] = np.tanh(x[i] @ self.W)
        return self.y

    def backward(self, g: Array) -> Array:
        dz = g * (1 - self.y)
        self.dW = self.x.T @ dz
        return dz @ self.W.T


def test_layers_and_programs_that_fill_arrays_are_recorded_too() -> None:
    x, t = RNG.standard_normal((5, 4)), RNG.standard_normal((5, 3))
    report = compare_layers(
        [Rows()], lambda p, t: ((p - t) ** 2).sum(), lambda p, t: 2 * (p - t), x, t
    )
    assert "1 - y used for the derivative of tanh" in str(report)

    def program(W: Array) -> Any:
        layer = Rows()
        layer.W = W
        p = layer.forward(x)
        layer.backward(2 * (p - t))
        return ((p - t) ** 2).sum(), {"W": layer.dW if isinstance(p, np.ndarray) else None}

    def loss(W: Any) -> Any:
        p = np.zeros((5, 3))
        for i in range(5):
            p[i] = np.tanh(x[i] @ W)
        return ((p - t) ** 2).sum()

    W = RNG.standard_normal((4, 3))
    report = check(loss, {"W": W}, {"W": program(W)[1]["W"]})
    assert "1 - y used for the derivative of tanh" in str(report)


def test_pythons_own_frames_name_nothing() -> None:
    own = compile("", "<frozen abc>", "exec"), compile("", "<ipython-input-1>", "exec")
    assert [is_own(code) for code in own] == [False, True]


def test_a_wrong_gradient_of_what_is_recorded_anyway_needs_no_buffers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(programs, "buffers", lambda owners: pytest.fail("a report is there"))
    W = RNG.standard_normal((4, 3))
    report = check(lambda W: np.tanh(W).sum(), {"W": W}, {"W": 1 - np.tanh(W)})
    assert "1 - y used for the derivative of tanh" in str(report)
