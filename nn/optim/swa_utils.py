"""Means of models over the steps of a training, under PyTorch's names."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from autograd_lite import Tensor, no_grad

from ..layers.normalization import _RunningNorm
from ..module import Module
from .lr_scheduler import LRScheduler
from .optimizer import Optimizer

__all__ = [
    "SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn",
    "get_swa_multi_avg_fn", "update_bn",
]  # fmt: skip


def get_swa_avg_fn() -> Callable[[Any, Any, Any], Any]:
    """The mean of all: (mean, value, how many it is of) to the next mean."""
    return lambda mean, value, n: mean + (value - mean) / (n + 1)


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Any, Any, Any], Any]:
    """The exponential moving mean; ValueError for a decay that is not from 0 to 1."""
    if not 0 <= decay <= 1:
        raise ValueError(f"get_ema_avg_fn: decay is from 0 to 1, got {decay}")
    return lambda mean, value, n: decay * mean + (1 - decay) * value


def get_swa_multi_avg_fn() -> Callable[[Any, Any, Any], None]:
    """`get_swa_avg_fn` of lists, in place."""
    return in_place(get_swa_avg_fn())


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[Any, Any, Any], None]:
    """`get_ema_avg_fn` of lists, in place."""
    return in_place(get_ema_avg_fn(decay))


def in_place(average: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], None]:
    def update(means: Iterable[Tensor], values: Iterable[Tensor], n: Any) -> None:
        with no_grad():
            for mean, value in zip(means, values, strict=True):
                mean.copy_(average(mean, value, n))

    return update


class AveragedModel(Module):
    """A copy of a model, `module`, that holds the mean of its parameters: each
    `update_parameters(model)` takes the model's into it. Buffers are averaged too with
    `use_buffers`, else they are the model's.

    `avg_fn(mean, value, n)` gives another mean, `multi_avg_fn` changes lists of them in place.

    >>> model = nn.Linear(1, 1)
    >>> mean = AveragedModel(model)
    >>> for w in (1.0, 3.0):
    ...     _ = nn.init.constant_(model.weight, w)
    ...     mean.update_parameters(model)
    >>> mean.module.weight.item(), mean.n_averaged.item()
    (2.0, 2)
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable[[Any, Any, Any], Any] | None = None,
        multi_avg_fn: Callable[[Any, Any, Any], None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        self.module = copy.deepcopy(model).to(device) if device else copy.deepcopy(model)
        self.register_buffer("n_averaged", Tensor(np.array(0)))
        self.average = multi_avg_fn or in_place(avg_fn or get_swa_avg_fn())
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kw: Any) -> Any:
        return self.module(*args, **kw)

    def update_parameters(self, model: Module) -> None:
        """Take the parameters of a model into the mean."""
        mine: list[Tensor] = list(self.module.parameters())
        theirs: list[Tensor] = list(model.parameters())
        rest = list(zip(self.module.buffers(), model.buffers(), strict=True))
        if self.use_buffers:
            mine += [a for a, _ in rest]
            theirs += [b for _, b in rest]
            rest = []
        with no_grad():
            if self.n_averaged.item() == 0:
                rest += zip(mine, theirs, strict=True)
            else:
                self.average(mine, theirs, self.n_averaged.item())
            for a, b in rest:
                a.copy_(b)
            self.n_averaged += 1


class SWALR(LRScheduler):
    """From the rate of the optimizer to `swa_lr` within `anneal_epochs` steps, along a cosine or
    "linear", and on with that. `swa_lr` is one number, or one for each group.

    >>> optimizer = nn.optim.SGD([tensor(1.0)], lr=1.0)
    >>> schedule = SWALR(optimizer, swa_lr=0.5, anneal_epochs=2)
    >>> optimizer.step(); schedule.step(); schedule.get_last_lr()
    [0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"SWALR: anneal_strategy is 'cos' or 'linear': {anneal_strategy!r}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"SWALR: anneal_epochs is an int from 0, got {anneal_epochs}")
        self.anneal_epochs, self.anneal_strategy = anneal_epochs, anneal_strategy
        self._attach(optimizer)
        for group, rate in zip(
            optimizer.param_groups, self._per_group("swa_lr", swa_lr), strict=True
        ):
            group["swa_lr"] = rate
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How much of the way is gone."""
        t = min(1.0, max(0, step) / max(1, self.anneal_epochs))
        return (1 - math.cos(math.pi * t)) / 2 if self.anneal_strategy == "cos" else t

    def _next(self, lr: float, i: int) -> float:
        step = max(1, self.last_epoch) if self.anneal_epochs == 0 else self.last_epoch
        goal = self.optimizer.param_groups[i]["swa_lr"]
        before, now = self._share(step - 1), self._share(step)
        start = goal if before == 1 else (lr - before * goal) / (1 - before)
        return float(goal * now + start * (1 - now))


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Set the running statistics of the model's normalising layers to the means over the batches of
    `loader`, whose first parts are the inputs: an AveragedModel has none of its own."""
    layers = [m for m in model.modules() if isinstance(m, _RunningNorm)]
    if not layers:
        return
    momenta, training = [layer.momentum for layer in layers], model.training
    model.train()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    with no_grad():
        for batch in loader:
            model(batch[0] if isinstance(batch, list | tuple) else batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    model.train(training)
