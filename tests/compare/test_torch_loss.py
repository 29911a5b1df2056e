"""Gradients that are torch's, and losses that torch has recorded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nn
from autograd_lite import check_backward, compare, tensor

torch = pytest.importorskip("torch")

RNG = np.random.default_rng(0)
X, T = RNG.standard_normal((5, 3)), RNG.standard_normal((5, 2))


def ours_and_theirs() -> tuple[Any, Any, Any, Any]:
    """One layer and its loss in both libraries."""
    theirs = torch.nn.Linear(3, 2).double()
    ours = nn.Linear(3, 2).double()
    ours.load_state_dict(theirs.state_dict())
    loss = ((ours(tensor(X)).tanh() - tensor(T)) ** 2).mean()
    other = ((theirs(torch.tensor(X)).tanh() - torch.tensor(T)) ** 2).mean()
    return ours, loss, theirs, other


def test_gradients_of_torch_are_judged() -> None:
    ours, loss, theirs, other = ours_and_theirs()
    other.backward()
    grads = {"weight": theirs.weight.grad, "bias": torch.nn.Parameter(theirs.bias.grad)}
    assert compare(loss, grads, model=ours).ok
    report = compare(loss, {**grads, "weight": 2 * theirs.weight.grad}, model=ours)
    assert report.first_wrong is not None and report.first_wrong.name == "weight"
    assert "factor 2" in report.first_wrong.diagnoses[0].sentence
    half = compare(loss, {"bias": theirs.bias.grad.bfloat16()}, model=ours).rows[0]
    assert half.rel_err < 1e-2 and "float32" in half.note


def net(dtype: Any) -> Any:
    layers = torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)
    return torch.nn.Sequential(*layers).to(dtype)


def loss_of(model: Any, dtype: Any) -> Any:
    return ((model(torch.tensor(X, dtype=dtype)) - torch.tensor(T, dtype=dtype)) ** 2).mean()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_torch_judges_gradients_of_its_own_module(dtype: Any) -> None:
    model = net(dtype)

    def grads() -> dict[str, Any]:
        w1, b1, w2, b2 = [p.detach().numpy() for p in model.parameters()]
        h = np.tanh(X @ w1.T + b1)
        dy = 2 * (h @ w2.T + b2 - T) / T.size
        dz = dy @ w2 * (1 - h * h)
        return {
            "0.weight": dz.T @ X,
            "0.bias": dz.sum(0),
            "2.weight": dy.T @ h,
            "2.bias": dy.sum(0),
        }

    loss = loss_of(model, dtype)
    report = compare(loss, grads(), model=model)
    assert report.ok and len(report.rows) == 4 and "Judged by torch." in str(report)
    assert all(p.grad is None for p in model.parameters())
    loss.backward()  # its record is still there
    assert compare(loss_of(model, dtype), grads, model=model).ok
    scaled = {name: 5 * g for name, g in grads().items()}
    assert compare(loss_of(model, dtype), scaled, model=model, scale=5).ok
    turned = {"0.weight": grads()["0.weight"].T, "2.weight": grads()["2.weight"].T}
    row = compare(loss_of(model, dtype), turned, model=model).rows[0]
    assert (row.name, row.verdict) == ("2.bias", "not handed in")
    assert compare(loss_of(model, dtype), turned, model=model).ok


def test_the_line_that_is_wrong_is_found() -> None:
    model = net(torch.float64)

    def wrong() -> dict[str, Any]:
        w1, b1, w2, b2 = [p.detach().numpy() for p in model.parameters()]
        h = np.tanh(X @ w1.T + b1)
        dy = 2 * (h @ w2.T + b2 - T) / T.size
        return {"2.weight": dy.T @ h, "2.bias": dy.mean(0)}

    report = compare(lambda: loss_of(model, torch.float64), wrong, model=model)
    assert report.first_wrong is not None and report.first_wrong.name == "2.bias"
    assert report.fixes[0].new.endswith("dy.sum(0)}")


def test_what_torch_cannot_judge_is_an_error() -> None:
    ours, loss, theirs, other = ours_and_theirs()
    with pytest.raises(TypeError, match=r"the loss is a torch\.Tensor; give the torch Module"):
        compare(other, {"weight": T})
    with pytest.raises(TypeError, match="the loss is a torch"):
        compare(other, {"weight": T}, model=ours)
    with pytest.raises(TypeError, match="model is a Linear of another library than the loss"):
        compare(loss, {"weight": T}, model=theirs)
    with pytest.raises(RuntimeError, match=r"shape \(5, 3\) and requires_grad=False"):
        compare(torch.tensor(X), {"weight": T}, model=theirs)
    with pytest.raises(ValueError, match="no tensor is called 'weigth'; did you mean 'weight'"):
        compare(other, {"weigth": T}, model=theirs)


def test_a_module_of_torch_judges_a_backward_by_hand() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())

    def backward(g: Any, x: Any, w: Any, b: Any) -> Any:
        g = g * (x @ w.T + b > 0)
        return g @ w, g.T @ x, g.sum(0)

    assert check_backward(module, backward).ok
    report = check_backward(module, lambda g, x, w, b: backward(g * 1.0, x, w, b * 0))
    assert not report.ok and "Judged by torch." in str(report)
