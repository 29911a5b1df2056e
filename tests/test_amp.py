"""`amp`: scripts that ask for mixed precision run; a scaler scales, and leaves bad steps out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import amp, tensor
from autograd_lite.cuda import amp as of_gpus


def test_autocast_changes_nothing() -> None:
    @ag.autocast(device_type="cpu", dtype="float16")
    def product(x: Any) -> Any:
        return x @ x

    with amp.autocast("cuda", enabled=False), of_gpus.autocast():
        y = product(ag.ones(2, 2, requires_grad=True))
    assert y.dtype == np.float32 and y.requires_grad


def train(t: Any, library: Any, optim: Any, scaler: Any, bad: int) -> list[Any]:
    """Losses and scales of steps of which one has an infinite gradient, clipped in between."""
    w = t([[1.0, -2.0]])
    w.requires_grad_()
    optimizer, found = optim([w]), []
    for step in range(6):
        optimizer.zero_grad()
        loss = (w * w).sum() * (float("inf") if step == bad else 1.0)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        library.utils.clip_grad_norm_([w], 1.0)
        scaler.step(optimizer)
        scaler.update()
        found += [*w.detach().reshape(-1).tolist(), scaler.get_scale()]
    return [found, scaler.state_dict()]


@pytest.mark.parametrize("bad", [-1, 2])
def test_a_scaler_does_what_pytorchs_does(bad: int, torch: Any) -> None:
    options: dict[str, Any] = {"init_scale": 8.0, "growth_interval": 2}
    mine = train(
        tensor, nn, lambda p: nn.optim.SGD(p, lr=0.1), amp.GradScaler("cpu", **options), bad
    )
    judge = train(
        torch.tensor,
        torch.nn,
        lambda p: torch.optim.SGD(p, lr=0.1),
        torch.amp.GradScaler("cpu", **options),
        bad,
    )
    np.testing.assert_allclose(mine[0], judge[0], rtol=1e-5)
    assert mine[1] == judge[1]


def test_a_scaler_without_a_gpu_hands_everything_on() -> None:
    w = tensor([1.0], requires_grad=True)
    optimizer, scaler = nn.optim.SGD([w], lr=0.5), of_gpus.GradScaler(2.0**10)
    loss = (w * w).sum()
    assert scaler.scale(loss) is loss and scaler.get_scale() == 1 and scaler.state_dict() == {}
    loss.backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert w.item() == 0 and not scaler.is_enabled()


def test_a_state_is_taken_over_and_unscaling_twice_is_an_error() -> None:
    w = tensor([1.0], requires_grad=True)
    optimizer, scaler = nn.optim.SGD([w], lr=0.5), amp.GradScaler("cpu")
    scaler.update(4.0)
    other = amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    assert other.get_scale() == 4
    (a, b) = scaler.scale([w, w * 2])
    assert a.item() == 4 and b.item() == 8
    a.backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already done"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="disabled"):
        scaler.load_state_dict({})
