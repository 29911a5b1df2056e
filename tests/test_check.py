"""gradcheck passes right gradients and fails planted errors."""

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import GradcheckError, Tensor, gradcheck, gradgradcheck, tensor
from autograd_lite.check import relative_error
from autograd_lite.ops import Op


def wrong(scale):
    return Op("wrong", np.tanh, lambda g, y, x: g * (1 - y * y) * scale)


X = tensor([0.3, -0.7, 1.1])


@pytest.mark.parametrize("scale", [1.01, -1.0, 2.0, 0.0, np.nan])
def test_a_planted_error_fails(scale):
    with pytest.raises(GradcheckError, match=r"input 0 of shape \(3,\): relative error"):
        gradcheck(wrong(scale), X)
    assert not gradcheck(wrong(scale), X, raise_exception=False)


def test_a_small_error_is_suspicious():
    with pytest.warns(UserWarning, match="suspicious: input 0"):
        assert gradcheck(wrong(1 + 1e-5), X)


def test_ones_upstream_would_hide_what_random_upstream_shows():
    half = Op(
        "half",
        lambda x: np.exp(x) / np.exp(x).sum(),
        lambda g, y, x: 0.5 * y * (g - np.add.reduce(g * y, axis=0, keepdims=True)),
    )
    assert not gradcheck(half, X, raise_exception=False)


def test_right_gradients_pass_and_float32_inputs_are_checked_in_float64():
    assert gradcheck(lambda x, w: (x @ w).log_softmax(1), (ag.randn(3, 4), ag.randn(4, 2)))


def test_integer_inputs_are_constants():
    assert gradcheck(lambda x, i: x[i] * 2, (X, tensor([0, 2, 2])))
    with pytest.raises(ValueError, match="no input is a floating tensor"):
        gradcheck(lambda i: i, tensor([1]))


def test_float32_results_are_refused():
    w = ag.randn(3)
    with pytest.raises(ValueError, match="returned float32"):
        gradcheck(lambda x: (x * 1).to("float32") + w, X)


def test_a_kink_is_named():
    x = tensor([[1.0, 2.0], [3.0, 0.0]])
    with pytest.raises(GradcheckError, match=r"the function has a kink at element \(1, 1\)"):
        gradcheck(lambda t: t.relu(), x)


def test_second_derivatives():
    assert gradgradcheck(lambda x, w: (x @ w).tanh(), (ag.randn(2, 3), ag.randn(3, 2)))
    first_right_second_wrong = Op("half_right", np.sin, lambda g, y, x: g * np.cos(_frozen(x)))
    assert gradcheck(first_right_second_wrong, X)
    with pytest.raises(GradcheckError):
        gradgradcheck(first_right_second_wrong, X)


def _frozen(x):
    return x.detach() if isinstance(x, Tensor) else x


def test_relative_error_never_calls_nan_equal():
    nan = np.array([np.nan])
    assert relative_error(nan, nan) == np.inf
    assert relative_error(np.zeros(2), np.zeros(2)) == 0
    assert relative_error(np.zeros(2), np.ones(2)) == 1
