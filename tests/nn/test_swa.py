"""`optim.swa_utils`: means of models, the rate for them, and statistics of batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nn
from autograd_lite import Tensor, tensor

RNG = np.random.default_rng(0)
X = RNG.standard_normal((24, 3)).astype("float32")


def trained(library: Any, make: Any, **options: Any) -> list[Any]:
    """The means of a model over some steps, its statistics, and the rates."""
    swa = library.optim.swa_utils if hasattr(library, "optim") else library.swa_utils
    layers = library.nn if hasattr(library, "nn") else library
    model = layers.Sequential(layers.Linear(3, 2), layers.BatchNorm1d(2), layers.Linear(2, 1))
    for i, p in enumerate(model.parameters()):
        values = np.cos(i + np.arange(p.numel())).reshape(tuple(p.shape)).astype("float32")
        p.data.copy_(make(values))
    kind = options.pop("kind", None)
    if kind is not None:
        options |= kind(swa)
    mean = swa.AveragedModel(model, **options)
    optimizer = library.optim.SGD(model.parameters(), lr=0.1)
    scheduler = swa.SWALR(optimizer, swa_lr=0.02, anneal_epochs=3, anneal_strategy="cos")
    rates = []
    for step in range(6):
        optimizer.zero_grad()
        (model(make(X[step * 4 : step * 4 + 4])) ** 2).mean().backward()
        optimizer.step()
        if step > 1:
            mean.update_parameters(model)
        scheduler.step()
        rates.append(scheduler.get_last_lr()[0])
    swa.update_bn([(make(X[:12]), 0), (make(X[12:]), 0)], mean)
    state = {k: np.asarray(v.detach().numpy()) for k, v in mean.state_dict().items()}
    return [rates, state, mean(make(X[:5])).detach().numpy(), mean.training]


OPTIONS: dict[str, dict[str, Any]] = {
    "mean": {},
    "buffers": {"use_buffers": True},
    "ema": {"kind": lambda swa: {"avg_fn": swa.get_ema_avg_fn(0.9)}},
    "ema of lists": {"kind": lambda swa: {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.9)}},
    "own": {"avg_fn": lambda mean, value, n: 0.5 * mean + 0.5 * value},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_means_rates_and_statistics_are_pytorchs(name: str, torch: Any) -> None:
    if name == "buffers":  # PyTorch cannot average the count of batches in place
        mine = trained(nn, Tensor, **OPTIONS[name])
        assert mine[1]["n_averaged"] == 4
        return
    mine = trained(nn, Tensor, **OPTIONS[name])
    judge = trained(torch, torch.tensor, **OPTIONS[name])
    np.testing.assert_allclose(mine[0], judge[0], rtol=1e-9)
    assert list(mine[1]) == list(judge[1])
    for key, value in judge[1].items():
        np.testing.assert_allclose(mine[1][key], value, rtol=1e-4, atol=1e-6, err_msg=key)
    np.testing.assert_allclose(mine[2], judge[2], rtol=1e-4, atol=1e-6)
    assert mine[3] == judge[3]


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 1, 4])
def test_the_rate_is_pytorchs(strategy: str, epochs: int, torch: Any) -> None:
    found = []
    for library, make in ((nn, tensor), (torch, torch.tensor)):
        w = [make([1.0], requires_grad=True), make([2.0], requires_grad=True)]
        optimizer = library.optim.SGD([{"params": [w[0]], "lr": 0.5}, {"params": [w[1]]}], lr=0.1)
        rates = []
        from importlib import import_module

        swa = import_module(f"{library.__name__}.optim.swa_utils")
        scheduler = swa.SWALR(optimizer, [0.05, 0.3], epochs, strategy)
        for _ in range(6):
            optimizer.step()
            scheduler.step()
            rates.append(scheduler.get_last_lr())
        found.append(rates)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


def test_chained_schedules_multiply_as_pytorchs(torch: Any) -> None:
    found = []
    for library, make in ((nn, tensor), (torch, torch.tensor)):
        schedules = library.optim.lr_scheduler
        optimizer = library.optim.SGD([make([1.0], requires_grad=True)], lr=0.1)
        parts = [schedules.ConstantLR(optimizer, 0.5, 3), schedules.ExponentialLR(optimizer, 0.9)]
        chained = schedules.ChainedScheduler(parts)
        rates = []
        for _ in range(5):
            optimizer.step()
            chained.step()
            rates += chained.get_last_lr()
        found.append(rates)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)
    optimizer = nn.optim.SGD([tensor(1.0)], lr=0.1)
    first = nn.optim.lr_scheduler.ConstantLR(optimizer)
    chained = nn.optim.lr_scheduler.ChainedScheduler([first])
    again = nn.optim.lr_scheduler.ChainedScheduler([first])
    again.load_state_dict(chained.state_dict())
    assert again.state_dict() == chained.state_dict()
    other = nn.optim.lr_scheduler.ConstantLR(nn.optim.SGD([tensor(1.0)], lr=0.1))
    with pytest.raises(ValueError, match="scheduler 1 belongs to another"):
        nn.optim.lr_scheduler.ChainedScheduler([first, other])
    with pytest.raises(ValueError, match="one schedule or more"):
        nn.optim.lr_scheduler.ChainedScheduler([])


def test_errors() -> None:
    swa, optimizer = nn.optim.swa_utils, nn.optim.SGD([tensor(1.0)], lr=0.1)
    with pytest.raises(ValueError, match="'cos' or 'linear'"):
        swa.SWALR(optimizer, 0.1, anneal_strategy="step")
    with pytest.raises(ValueError, match="an int from 0"):
        swa.SWALR(optimizer, 0.1, anneal_epochs=-1)
    with pytest.raises(ValueError, match="decay is from 0 to 1"):
        swa.get_ema_avg_fn(2.0)
    swa.update_bn([Tensor(X)], nn.Linear(3, 1))  # nothing to set
