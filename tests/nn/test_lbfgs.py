"""L-BFGS goes PyTorch's way, evaluation by evaluation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import autograd_lite
import nn
from autograd_lite import Tensor, tensor
from nn.optim import LBFGS

OURS = SimpleNamespace(tensor=tensor, optim=nn.optim, no_grad=autograd_lite.no_grad)


def rosenbrock(p: Any) -> Any:
    return sum(100 * (p[i + 1] - p[i] ** 2) ** 2 + (1 - p[i]) ** 2 for i in range(3))


def quartic(p: Any) -> Any:
    return ((p - 1) ** 4).sum() + (p[:2] * p[1:3]).sum()


def steep(p: Any) -> Any:
    return (p.exp() + (-3 * p).exp()).sum()


FUNCTIONS = {"rosenbrock": rosenbrock, "quartic": quartic, "steep": steep}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"lr": 0.1},
    {"lr": 0.1, "history_size": 2, "max_iter": 7},
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "lr": 0.01, "max_iter": 12},
    {"line_search_fn": "strong_wolfe", "lr": 30.0},
    {"line_search_fn": "strong_wolfe", "history_size": 3, "max_eval": 11},
    {"line_search_fn": "strong_wolfe", "max_eval": 2},
    {"line_search_fn": "strong_wolfe", "max_eval": 1},
    {"line_search_fn": "strong_wolfe", "tolerance_grad": 1e-2, "tolerance_change": 1e-3},
]


def run(t: Any, f: Any, options: dict[str, Any], dtype: str, steps: int = 4) -> tuple[Any, Any]:
    p = t.tensor(np.array([-1.2, 1.0, 0.5, 0.3], dtype), requires_grad=True)
    spare = t.tensor(np.zeros(2, dtype), requires_grad=True)  # which gets no gradient
    optimizer = t.optim.LBFGS([p, spare], **options)
    seen = []

    def closure() -> Any:
        optimizer.zero_grad()
        loss = f(p)
        loss.backward()
        seen.append([float(loss.item()), *p.detach().tolist()])
        return loss

    returned = [float(optimizer.step(closure).item()) for _ in range(steps)]
    return seen, (returned, optimizer.state_dict())


@pytest.mark.parametrize("options", OPTIONS, ids=lambda kw: "-".join(map(str, kw.values())))
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_evaluation_is_pytorchs(name: str, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    with np.errstate(all="ignore"):
        mine, (losses, state) = run(OURS, FUNCTIONS[name], options, "float64")
        theirs, (their_losses, their_state) = run(torch, FUNCTIONS[name], options, "float64")
    assert len(mine) == len(theirs)
    scale = np.abs(np.array(theirs)[np.isfinite(theirs).all(axis=1)]).max()
    # at the bottom of the quartic, where second derivatives vanish, rounding decides what is next
    np.testing.assert_allclose(mine[:90], theirs[:90], rtol=1e-6, atol=1e-9 * min(scale, 1e3))
    np.testing.assert_allclose(losses, their_losses, rtol=1e-6)
    mine_0, theirs_0 = state["state"][0], their_state["state"][0]
    assert mine_0.keys() == theirs_0.keys() - {"al"}
    for key in ("func_evals", "n_iter"):
        assert mine_0[key] == theirs_0[key]
    for key in ("old_dirs", "old_stps", "ro"):
        assert len(mine_0[key]) == len(theirs_0[key])
    assert state["param_groups"] == their_state["param_groups"]


def test_defaults_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    assert LBFGS([tensor([1.0])]).defaults == torch.optim.LBFGS([torch.zeros(1)]).defaults


def test_it_finds_the_minimum_in_float32() -> None:
    seen, _ = run(OURS, steep, {"line_search_fn": "strong_wolfe"}, "float32", steps=3)
    np.testing.assert_allclose(seen[-1][1:], [np.log(3) / 4] * 4, atol=1e-3)
    p = tensor([1.0, 2.0], requires_grad=True)
    optimizer = LBFGS([p])

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert p.dtype == np.float32


def test_training_goes_on_from_a_saved_state() -> None:
    torch = pytest.importorskip("torch")

    def made(t: Any, p: Any) -> tuple[Any, Any]:
        optimizer = t.optim.LBFGS([p], max_iter=3, lr=0.1)

        def closure() -> Any:
            optimizer.zero_grad()
            loss = rosenbrock(p)
            loss.backward()
            return loss

        return optimizer, closure

    start = np.array([-1.2, 1.0, 0.5, 0.3])
    p, q = tensor(start, requires_grad=True), torch.tensor(start, requires_grad=True)
    mine, judge = made(OURS, p), made(torch, q)
    for _ in range(3):
        mine[0].step(mine[1])
        judge[0].step(judge[1])
    saved = mine[0].state_dict()
    r = tensor(p.array, requires_grad=True)
    other = made(OURS, r)
    other[0].load_state_dict(saved)
    theirs = judge[0].state_dict()

    def arrays(x: Any) -> Any:
        return [arrays(i) for i in x] if isinstance(x, list) else getattr(x, "numpy", lambda: x)()

    state = {k: arrays(v) for k, v in theirs["state"][0].items() if k != "al"}
    s = tensor(q.detach().numpy(), requires_grad=True)
    third = made(OURS, s)
    third[0].load_state_dict({**theirs, "state": {0: state}})
    for optimizer, closure in (mine, judge, other, third):
        optimizer.step(closure)
        optimizer.step(closure)
    assert r.tolist() == p.tolist()
    np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=1e-9)
    np.testing.assert_allclose(s.array, q.detach().numpy(), rtol=1e-9)
    state["d"] = np.ones(3)
    with pytest.raises(ValueError, match=r"'d' of shape \(3,\) does not fit parameters of 4"):
        third[0].load_state_dict({**theirs, "state": {0: state}})


def test_a_closure_that_raises_leaves_all_as_it_was() -> None:
    p = tensor([1.0, 2.0], requires_grad=True)
    optimizer = LBFGS([p])
    calls = []

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (p**4).sum()
        loss.backward()
        calls.append(1)
        if len(calls) == 3:
            raise KeyError("planted")
        return loss

    with pytest.raises(KeyError):
        optimizer.step(closure)
    assert p.tolist() == [1.0, 2.0] and not optimizer.state


def test_errors() -> None:
    p = tensor([1.0], requires_grad=True)
    with pytest.raises(
        TypeError, match=r"LBFGS.step: a closure is needed, .* called several times"
    ):
        LBFGS([p]).step()
    with pytest.raises(ValueError, match="LBFGS: one group of parameters"):
        LBFGS([{"params": [p]}, {"params": [tensor([1.0])]}])
    with pytest.raises(ValueError, match="line_search_fn is 'armijo'; give 'strong_wolfe'"):
        LBFGS([p], line_search_fn="armijo")
    with pytest.raises(ValueError, match="lr is -1"):
        LBFGS([p], lr=-1)

    def closure() -> Any:
        p.grad = Tensor([1.0, 2.0])
        return 1.0

    with pytest.raises(ValueError, match=r"a gradient of shape \(2,\)"):
        LBFGS([p]).step(closure)
