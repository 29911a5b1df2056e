"""detect_anomaly names the first operation that made a NaN or an infinity."""

import threading

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import AnomalyError, detect_anomaly, tensor
from autograd_lite.engine.op import Op

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def caught(function):
    with detect_anomaly(), pytest.raises(AnomalyError) as error:
        function()
    return str(error.value)


def zero():
    return tensor([4.0, 0.0], requires_grad=True, name="x")


def test_forward_names_operation_formula_values_and_line():
    text = caught(lambda: zero().log())
    assert "log, forward: -inf at index (1,) of the result" in text
    assert "y = log(x), where x = 0" in text
    assert "test_anomaly.py:" in text


def test_backward_names_the_rule_not_the_step_where_it_showed():
    x = zero()
    text = caught(lambda: (x.sqrt() * 3).sum().backward())
    assert "sqrt, backward: inf at index (1,) of the gradient of x" in text
    assert "dx = g / (2 * y), where g = 3, y = 0, x = 0" in text
    assert x.grad is None


def test_where_is_no_shield():
    x = zero()
    text = caught(lambda: ag.where(x > 1, x.sqrt(), 0 * x).sum().backward())
    assert "sqrt, backward: nan" in text
    assert "g = 0, y = 0, x = 0" in text


def test_the_origin_lies_before_the_context():
    x = zero()
    loss = (x.log() * x).sum()
    text = caught(loss.backward)
    assert "mul, backward" in text
    assert "it came from log: -inf at index (1,), where x = 0" in text


def test_a_nan_in_the_data_is_named():
    x = tensor([1.0, np.nan], name="x")
    text = caught(lambda: x * tensor(2.0, requires_grad=True))
    assert "its input a (x) holds nan at index (1,) before anything" in text


def test_infinities_that_are_put_in_are_let_through():
    x = zero()
    with detect_anomaly():
        (x + tensor([0.0, -np.inf])).softmax(0).log_softmax(0).sum().backward()
    assert np.isfinite(x.grad.array).all()


def test_infinity_minus_infinity_is_found_with_its_origin():
    x = tensor([np.inf, 1.0], requires_grad=True, name="mask")
    text = caught(lambda: x - x)
    assert "sub, forward: nan at index (0,)" in text
    assert "it came from the input mask: inf at index (0,)" in text


def test_module_path_and_place():
    class Log(nn.Module):
        def forward(self, x):
            return x.log()

    model = nn.Sequential(nn.Sequential(nn.Identity(), Log()), nn.ReLU())
    text = caught(lambda: model(tensor([0.0, 1.0])))
    assert "in module 0.1 (Log)" in text


def test_operations_without_gradient_are_watched_too():
    assert "div, forward: inf" in caught(lambda: tensor([1.0]) / 0)


def test_it_is_off_outside_and_in_other_threads():
    zero().log()
    results = []
    with detect_anomaly():
        thread = threading.Thread(target=lambda: results.append(zero().log().tolist()))
        thread.start()
        thread.join()
    assert results[0][1] == -np.inf
    zero().log()


def test_nested_and_left_by_an_error():
    with pytest.raises(KeyError), detect_anomaly(), detect_anomaly():
        raise KeyError
    zero().log()


def test_second_derivatives_are_watched():
    x = zero()
    y = (x**1.5).sum()
    text = caught(lambda: ag.grad(ag.grad(y, x, create_graph=True)[0].sum(), x))
    assert "power, backward: inf at index (1,)" in text


def test_statistics_that_are_nan_are_named():
    norm = nn.BatchNorm1d(2).eval()
    norm.running_var.array[0] = np.nan
    text = caught(lambda: norm(tensor([[1.0, 2.0]])))
    assert "its input running holds nan at index (0,) before anything" in text


def test_an_operation_without_rules_is_named():
    root = Op("root", np.sqrt)
    text = caught(lambda: root(tensor([-1.0], requires_grad=True)))
    assert "root, forward: nan at index (0,) of the result\n  y = sqrt(x), where x = -1\n" in text


def test_what_runs_on_arrays_alone_is_named_without_a_formula():
    def forward(x):
        return np.array([float(v) ** 0.5 if v >= 0 else np.nan for v in x])

    def rule(g, y, x):
        return g * np.array([0.5 / float(v) if v else np.inf for v in y])

    root = Op("root", forward, rule)
    text = caught(lambda: root(tensor([4.0, -1.0])))
    assert "root, forward: nan at index (1,) of the result\n  y, where x = -1\n" in text
    text = caught(lambda: root(zero()).sum().backward())
    assert "of the gradient of x (x)\n  dx, where g = 1, y = 0, x = 0\n" in text
