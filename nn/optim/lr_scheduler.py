"""Learning rate schedules with PyTorch's names and values: call `step()` after the optimiser's.

A schedule changes the "lr" of every parameter group, from what it is at the moment, so that
several schedules on one optimiser multiply. It starts from "initial_lr", which it adds to the
groups.
"""

from __future__ import annotations

import copy
import math
import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, SupportsFloat

from autograd_lite.absent import missing
from autograd_lite.engine.user import warned
from autograd_lite.interrupts import wholly

from .optimizer import Optimizer

__all__ = [
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts",
    "CyclicLR", "ExponentialLR",
    "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "OneCycleLR",
    "PolynomialLR", "ReduceLROnPlateau", "SequentialLR", "StepLR",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "_LRScheduler":  # which people derived from before it had a public name
        return LRScheduler
    raise missing(__name__, name)


class Schedule:
    """What all schedules share: the optimiser, the last rates, and their saving."""

    optimizer: Optimizer
    last_epoch: int
    _last_lr: list[float]

    def _attach(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{type(self).__name__}: {type(optimizer).__name__} is not an Optimizer"
            )
        self.optimizer = optimizer

    def _per_group(self, name: str, value: float | Sequence[float]) -> list[float]:
        """One number for each parameter group."""
        groups = len(self.optimizer.param_groups)
        if not isinstance(value, list | tuple):
            return [value] * groups  # type: ignore[list-item]
        if len(value) != groups:
            raise ValueError(
                f"{type(self).__name__}: {name} has {len(value)} values, the optimiser has "
                f"{groups} parameter groups"
            )
        return list(value)

    def get_last_lr(self) -> list[float]:
        """The learning rates of the groups, as this schedule set them last."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """A copy of everything but the optimiser; plain Python values."""
        return copy.deepcopy({k: v for k, v in self.__dict__.items() if k != "optimizer"})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict()` gave, also PyTorch's.

        The optimiser has its rates in its own state. ValueError, and nothing changes, if the
        state is another schedule's.
        """
        mine = self.__dict__.keys() - {"optimizer"}
        missing = sorted(mine - state_dict.keys())
        if missing:
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: {', '.join(missing)} missing; "
                "was it saved by another schedule?"
            )
        self.__dict__.update(copy.deepcopy({k: state_dict[k] for k in mine}))


class LRScheduler(Schedule):
    """Base of the schedules that depend on the number of steps alone.

    A subclass says in `_next` what one group's rate becomes at `last_epoch`. `last_epoch` is -1
    for a new schedule; to go on after epoch `k`, load the optimiser's state, then give `k`.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self._attach(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: group {i} has no 'initial_lr' to go on from; load "
                    "the optimiser's state first, or leave last_epoch at -1"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self.step()

    def _next(self, lr: float, i: int) -> float:
        """The rate of group `i` at `last_epoch`, from what it is now."""
        raise NotImplementedError

    @property
    def _starting(self) -> bool:
        """Whether this is the step that the constructor makes, which finds the rates in place."""
        return self._step_count == 1

    def get_lr(self) -> list[float]:
        """The rates at `last_epoch`, computed from the optimiser's present ones."""
        return [self._next(group["lr"], i) for i, group in enumerate(self.optimizer.param_groups)]

    @wholly
    def step(self, epoch: int | None = None) -> None:
        """Go on by one epoch, or batch, and set the learning rates; after `optimizer.step()`. With
        an `epoch`, as in older scripts, from the initial rates to that one, with a warning."""
        if epoch is not None:
            if epoch < 0 or epoch != int(epoch):
                raise ValueError(
                    f"{type(self).__name__}.step: epoch is {epoch}; it is an int from 0"
                )
            warned(f"{type(self).__name__}: step(epoch) is PyTorch's older word; write step()")
            self._restart()
            self._step_count = max(self._step_count, 2)  # the rates that it finds are not the first
            for self.last_epoch in range(1, int(epoch) + 1):
                self._set()
            return
        if self._step_count == 1 and not self.optimizer.stepped:
            warnings.warn(
                f"{type(self).__name__}.step() is called before optimizer.step(), which skips the "
                "first learning rate; call optimizer.step() first",
                UserWarning,
                stacklevel=4,
            )
        self._step_count += 1
        self.last_epoch += 1
        try:
            self._set()
        except Exception:
            self._step_count -= 1
            self.last_epoch -= 1
            raise

    def _set(self) -> None:
        for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = lr
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def _restart(self) -> None:
        """Set the rates of epoch 0."""
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = base
        self.last_epoch = 0
        self._set()


def rates(schedule: LRScheduler, epochs: int) -> list[float]:
    """The rates of the first group in the epochs to come, which it steps through; to 6 places.

    >>> rates(ExponentialLR(nn.optim.SGD([tensor(1.0)], lr=1.0), gamma=0.5), 3)
    [1.0, 0.5, 0.25]
    """
    found = []
    for _ in range(epochs):
        found.append(round(schedule.get_last_lr()[0], 6))
        schedule.optimizer.step()
        schedule.step()
    return found


class LambdaLR(LRScheduler):
    """The initial rate times `lr_lambda(epoch)`; one function, or a list with one for each group.

    Functions are not saved; objects that can be called are, by their attributes.

    >>> schedule = LambdaLR(nn.optim.SGD([tensor(1.0)], lr=0.5), lambda epoch: 0.5**epoch)
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        self.lr_lambdas: list[Any] = self._per_group("lr_lambda", lr_lambda)  # type: ignore[arg-type]
        super().__init__(optimizer, last_epoch)

    def _next(self, lr: float, i: int) -> float:
        return float(self.base_lrs[i] * self.lr_lambdas[i](self.last_epoch))

    def state_dict(self) -> dict[str, Any]:
        """A copy of everything but the optimiser and the functions."""
        state = {k: v for k, v in self.__dict__.items() if k not in ("optimizer", "lr_lambdas")}
        saved = [None if hasattr(f, "__code__") else vars(f) for f in self.lr_lambdas]
        return copy.deepcopy({**state, "lr_lambdas": saved})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict()` gave; functions stay as they are."""
        mine, saved = self.lr_lambdas, state_dict.get("lr_lambdas", [])
        if len(saved) != len(mine):
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: {len(saved)} functions are saved, this "
                f"schedule has {len(mine)}"
            )
        super().load_state_dict(state_dict)
        self.lr_lambdas = mine
        for function, attributes in zip(mine, saved, strict=True):
            if attributes is not None:
                vars(function).update(copy.deepcopy(attributes))


class StepLR(LRScheduler):
    """The rate times `gamma` every `step_size` epochs.

    >>> rates(StepLR(nn.optim.SGD([tensor(1.0)], lr=1.0), step_size=2, gamma=0.5), 5)
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        if step_size < 1:
            raise ValueError(f"StepLR: step_size is {step_size}; it must be at least 1")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def _next(self, lr: float, i: int) -> float:
        due = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return lr * self.gamma if due else lr


class MultiStepLR(LRScheduler):
    """The rate times `gamma` at each of the epochs `milestones`; twice at one given twice.

    >>> rates(MultiStepLR(nn.optim.SGD([tensor(1.0)], lr=1.0), [1, 3], gamma=0.5), 5)
    [1.0, 0.5, 0.5, 0.25, 0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def _next(self, lr: float, i: int) -> float:
        times = self.milestones[self.last_epoch]
        return float(lr * self.gamma**times) if times else lr


class ConstantLR(LRScheduler):
    """The rate times `factor` for the first `total_iters` epochs.

    >>> rates(ConstantLR(nn.optim.SGD([tensor(1.0)], lr=1.0), factor=0.5, total_iters=2), 4)
    [0.5, 0.5, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < factor <= 1:
            raise ValueError(f"ConstantLR: factor is {factor}; it must be above 0, at most 1")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _next(self, lr: float, i: int) -> float:
        if self.last_epoch == 0:
            return lr * self.factor
        return lr / self.factor if self.last_epoch == self.total_iters else lr


class LinearLR(LRScheduler):
    """The rate times a factor, from `start_factor` to `end_factor` within `total_iters` epochs.

    >>> rates(LinearLR(nn.optim.SGD([tensor(1.0)], lr=1.0), start_factor=0.5, total_iters=2), 4)
    [0.5, 0.75, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(f"LinearLR: start_factor is {start_factor}; it must be in (0, 1]")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: end_factor is {end_factor}; it must be in [0, 1]")
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch: int) -> float:
        slope = (self.end_factor - self.start_factor) / self.total_iters
        return self.start_factor + slope * epoch

    def _next(self, lr: float, i: int) -> float:
        if self.last_epoch == 0:
            return lr * self.start_factor
        if self._starting or self.last_epoch > self.total_iters:
            return lr
        return lr * self._factor(self.last_epoch) / self._factor(self.last_epoch - 1)


class ExponentialLR(LRScheduler):
    """The rate times `gamma` in every epoch.

    >>> rates(ExponentialLR(nn.optim.SGD([tensor(1.0)], lr=1.0), gamma=0.5), 3)
    [1.0, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _next(self, lr: float, i: int) -> float:
        rest = self._starting or self.last_epoch == 0
        return lr if rest else lr * self.gamma


class CosineAnnealingLR(LRScheduler):
    """The rate goes down half a cosine from its first value to `eta_min` at epoch `T_max`.

    eta_min + (initial - eta_min) * (1 + cos(pi * epoch / T_max)) / 2; it goes up again after
    T_max. (Loshchilov and Hutter, "SGDR", arXiv:1608.03983, without restarts.)

    >>> rates(CosineAnnealingLR(nn.optim.SGD([tensor(1.0)], lr=1.0), T_max=2), 3)
    [1.0, 0.5, 0.0]
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        if T_max < 1:
            raise ValueError(f"CosineAnnealingLR: T_max is {T_max}; it must be at least 1")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def _height(self, epoch: int) -> float:
        return 1 + math.cos(math.pi * epoch / self.T_max)

    def _next(self, lr: float, i: int) -> float:
        epoch, low = self.last_epoch, self.eta_min
        if self._starting or epoch == 0:
            return lr
        if (epoch - 1) % (2 * self.T_max) == self.T_max:  # it was at the bottom
            return float(lr + (self.base_lrs[i] - low) * self._height(epoch) / 2)
        ratio = self._height(epoch) / self._height(epoch - 1)
        return low + (lr - low) * ratio


class CosineAnnealingWarmRestarts(LRScheduler):
    """The rate goes down half a cosine from its first value to `eta_min` in `T_0` epochs, begins
    again, and takes `T_mult` times as long each time.

    `step(epoch)` sets the place, which may lie between two epochs. (Loshchilov and Hutter, "SGDR",
    arXiv:1608.03983.)

    >>> schedule = CosineAnnealingWarmRestarts(nn.optim.SGD([tensor(1.0)], lr=1.0), T_0=2)
    >>> rates(schedule, 4)
    [1.0, 0.5, 1.0, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if T_0 < 1 or T_mult < 1:
            raise ValueError(
                f"CosineAnnealingWarmRestarts: T_0 is {T_0} and T_mult {T_mult}; at least 1 each"
            )
        self.T_0, self.T_i, self.T_mult, self.eta_min = T_0, T_0, T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    @wholly
    def step(self, epoch: float | None = None) -> None:
        """Go on by one epoch, or to a place, and set the learning rates."""
        if epoch is not None:
            if epoch < 0:
                raise ValueError(f"CosineAnnealingWarmRestarts: epoch is {epoch}; it is from 0")
            self.T_cur, self.T_i = epoch, self.T_0
            self.last_epoch = math.floor(epoch) - 1
        elif self._step_count:
            self.T_cur += 1
        else:
            self.T_cur = self.last_epoch + 1
        while self.T_cur >= self.T_i:
            self.T_cur, self.T_i = self.T_cur - self.T_i, self.T_i * self.T_mult
        super().step()

    def _next(self, lr: float, i: int) -> float:
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return self.eta_min + (self.base_lrs[i] - self.eta_min) * height


class MultiplicativeLR(LambdaLR):
    """The rate is multiplied by what a function gives for each epoch.

    >>> rates(MultiplicativeLR(nn.optim.SGD([tensor(1.0)], lr=1.0), lambda epoch: 0.5), 3)
    [1.0, 0.5, 0.25]
    """

    def _next(self, lr: float, i: int) -> float:
        return lr if self.last_epoch == 0 else lr * self.lr_lambdas[i](self.last_epoch)


class PolynomialLR(LRScheduler):
    """The rate goes down to 0 in `total_iters` epochs, like a power of what is left of them.

    >>> rates(PolynomialLR(nn.optim.SGD([tensor(1.0)], lr=1.0), total_iters=2), 4)
    [1.0, 0.5, 0.0, 0.0]
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def _next(self, lr: float, i: int) -> float:
        left = max(self.total_iters - self.last_epoch, 0)
        return float(self.base_lrs[i] * (left / self.total_iters) ** self.power)


class OneCycleLR(LRScheduler):
    """One cycle in `total_steps` batches: from `max_lr / div_factor` to `max_lr`, then far down.

    It reaches `max_lr` after the fraction `pct_start`, and ends at the first rate divided by
    `final_div_factor`; `three_phase` first goes back symmetrically. Momentum, or Adam's first
    beta, goes the other way between `max_momentum` and `base_momentum`, unless `cycle_momentum`
    is False. (Smith and Topin, "Super-convergence", arXiv:1708.07120.)

    Give `total_steps`, or `epochs` and `steps_per_epoch`. ValueError for more steps than that.

    >>> schedule = OneCycleLR(nn.optim.Adam([tensor(1.0)]), max_lr=0.5, total_steps=10)
    >>> round(schedule.get_last_lr()[0], 6)
    0.02
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: give total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if total_steps < 1:
            raise ValueError(f"OneCycleLR: {total_steps} steps in all; there must be at least 1")
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start is {pct_start}; it is a fraction, 0 to 1")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"OneCycleLR: anneal_strategy is {anneal_strategy!r}; it is 'cos' or 'linear'"
            )
        options = optimizer.defaults
        if cycle_momentum and "momentum" not in options and "betas" not in options:
            raise ValueError(
                f"OneCycleLR: {type(optimizer).__name__} has no momentum to change; "
                "give cycle_momentum=False"
            )
        self.total_steps, self.cycle_momentum = total_steps, cycle_momentum
        self.use_beta1 = "betas" in options
        self._anneal_func_type = anneal_strategy
        top = float(pct_start * total_steps) - 1
        rise = ("initial_lr", "max_lr", "max_momentum", "base_momentum")
        fall = ("max_lr", "initial_lr", "base_momentum", "max_momentum")
        far = ("max_lr", "min_lr", "base_momentum", "max_momentum")
        end = ("initial_lr", "min_lr", "max_momentum", "max_momentum")
        two = [(top, rise), (total_steps - 1, far)]
        three = [(top, rise), (2 * top, fall), (total_steps - 1, end)]
        words = ("start_lr", "end_lr", "start_momentum", "end_momentum")
        self._schedule_phases: list[dict[str, Any]] = [
            {"end_step": last, **dict(zip(words, names, strict=True))}
            for last, names in (three if three_phase else two)
        ]
        tops = self._per_group("max_lr", max_lr)
        lows = self._per_group("base_momentum", base_momentum)
        highs = self._per_group("max_momentum", max_momentum)
        if last_epoch == -1:
            for group, lr, low, high in zip(optimizer.param_groups, tops, lows, highs, strict=True):
                group["initial_lr"], group["max_lr"] = lr / div_factor, lr
                group["min_lr"] = lr / div_factor / final_div_factor
                if cycle_momentum:
                    group["max_momentum"], group["base_momentum"] = high, low
        super().__init__(optimizer, last_epoch)

    def _between(self, start: float, end: float, part: float) -> float:
        if self._anneal_func_type == "linear":
            return start + (end - start) * part
        return end + (start - end) / 2 * (1 + math.cos(math.pi * part))

    def get_lr(self) -> list[float]:
        """The rates at `last_epoch`; ValueError after the last step."""
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {self.last_epoch} of {self.total_steps}: the cycle is over; "
                "make total_steps larger, or step once a batch only"
            )
        return super().get_lr()

    def _next(self, lr: float, i: int) -> float:
        group = self.optimizer.param_groups[i]
        start = 0.0
        for phase in self._schedule_phases[:-1]:
            if self.last_epoch <= phase["end_step"]:
                break
            start = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        length = phase["end_step"] - start
        part = (self.last_epoch - start) / length if length else 1.0
        if self.cycle_momentum:
            momentum = self._between(
                group[phase["start_momentum"]], group[phase["end_momentum"]], part
            )
            if self.use_beta1:
                group["betas"] = (momentum, group["betas"][1])
            else:
                group["momentum"] = momentum
        return self._between(group[phase["start_lr"]], group[phase["end_lr"]], part)


class CyclicLR(LRScheduler):
    """The rate goes up from `base_lr` to `max_lr` in `step_size_up` batches and down again in
    `step_size_down`, for ever.

    In the mode "triangular2" every cycle is half as high as the one before, in "exp_range" batch n
    by the factor gamma**n; `scale_fn` gives a factor of your own, of the number of the cycle or,
    with `scale_mode="iterations"`, of the batch. Momentum, or Adam's first beta, goes the other way
    between `max_momentum` and `base_momentum`, unless `cycle_momentum` is False. (Smith, "Cyclical
    learning rates", arXiv:1506.01186.)

    >>> optimizer = nn.optim.SGD([tensor(1.0)], lr=1.0, momentum=0.9)
    >>> rates(CyclicLR(optimizer, base_lr=0.1, max_lr=0.5, step_size_up=2), 5)
    [0.1, 0.3, 0.5, 0.3, 0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(
                f"CyclicLR: mode is {mode!r}; it is 'triangular', 'triangular2' or 'exp_range', "
                "or give scale_fn"
            )
        options = optimizer.defaults
        if cycle_momentum and "momentum" not in options and "betas" not in options:
            raise ValueError(
                f"CyclicLR: {type(optimizer).__name__} has no momentum to change; "
                "give cycle_momentum=False"
            )
        down = step_size_up if step_size_down is None else step_size_down
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        self.max_lrs = self._per_group("max_lr", max_lr)
        self.mode, self.gamma, self._scale_fn_custom = mode, gamma, scale_fn
        by_batch = scale_fn is None and mode == "exp_range"
        self.scale_mode = "iterations" if by_batch else scale_mode
        self.cycle_momentum, self.use_beta1 = cycle_momentum, "betas" in options
        if cycle_momentum:
            self.base_momentums = self._per_group("base_momentum", base_momentum)
            self.max_momentums = self._per_group("max_momentum", max_momentum)
        if last_epoch == -1:
            lows = self._per_group("base_lr", base_lr)
            for group, lr in zip(optimizer.param_groups, lows, strict=True):
                group["initial_lr"] = lr
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """A copy of everything but the optimiser and a `scale_fn` of yours."""
        return {**super().state_dict(), "_scale_fn_custom": None}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict()` gave; a `scale_fn` stays as it is."""
        super().load_state_dict({**state_dict, "_scale_fn_custom": self._scale_fn_custom})

    def scale_fn(self, x: float) -> float:
        """The height of a cycle, or at a batch, as a factor."""
        if self._scale_fn_custom is not None:
            return float(self._scale_fn_custom(x))
        if self.mode == "exp_range":
            return float(self.gamma**x)
        return 1.0 if self.mode == "triangular" else 0.5 ** (x - 1)

    def _next(self, lr: float, i: int) -> float:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        up = x <= self.step_ratio
        height = x / self.step_ratio if up else (x - 1) / (self.step_ratio - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            group, high = self.optimizer.param_groups[i], self.max_momentums[i]
            momentum = high - (high - self.base_momentums[i]) * height
            if self.use_beta1:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum
        return self.base_lrs[i] + (self.max_lrs[i] - self.base_lrs[i]) * height


class ChainedScheduler(Schedule):
    """Several schedules of one optimiser, each of which goes on at every step, so that they
    multiply. ValueError for none, or for schedules of different optimisers.

    >>> optimizer = nn.optim.SGD([tensor(1.0)], lr=1.0)
    >>> warm, down = ConstantLR(optimizer, 0.5, total_iters=2), ExponentialLR(optimizer, 0.5)
    >>> rates(ChainedScheduler([warm, down]), 4)
    [0.5, 0.25, 0.25, 0.125]
    """

    def __init__(self, schedulers: Sequence[Any], optimizer: Optimizer | None = None) -> None:
        if not schedulers:
            raise ValueError("ChainedScheduler: give one schedule or more")
        self._attach(schedulers[0].optimizer if optimizer is None else optimizer)
        for i, scheduler in enumerate(schedulers):
            if scheduler.optimizer is not self.optimizer:
                raise ValueError(f"ChainedScheduler: scheduler {i} belongs to another optimiser")
        self._schedulers = list(schedulers)
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    @wholly
    def step(self) -> None:
        """Go on by one epoch with all of them."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """A copy of the last rates, and of the states of the schedules."""
        states = [scheduler.state_dict() for scheduler in self._schedulers]
        return {"_last_lr": list(self._last_lr), "_schedulers": states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict()` gave."""
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(state)
        self._last_lr = list(state_dict["_last_lr"])


class SequentialLR(LRScheduler):
    """Several schedules one after the other: `schedulers[i + 1]` starts at epoch `milestones[i]`.

    ValueError if the numbers do not match, or the schedules belong to different optimisers.

    >>> optimizer = nn.optim.SGD([tensor(1.0)], lr=1.0)
    >>> warm, then = ConstantLR(optimizer, 0.5, total_iters=9), ExponentialLR(optimizer, 0.5)
    >>> rates(SequentialLR(optimizer, [warm, then], milestones=[2]), 4)
    [0.5, 0.5, 1.0, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: {len(schedulers)} schedulers need {len(schedulers) - 1} "
                f"milestones between them, got {len(milestones)}"
            )
        for i, scheduler in enumerate(schedulers):
            if not isinstance(scheduler, LRScheduler) or isinstance(scheduler, SequentialLR):
                raise TypeError(
                    f"SequentialLR: scheduler {i} is a {type(scheduler).__name__}; give schedules "
                    "that depend on the epoch alone and are not sequences themselves"
                )
            if scheduler.optimizer is not optimizer:
                raise ValueError(f"SequentialLR: scheduler {i} belongs to another optimiser")
        self._schedulers, self._milestones = schedulers, milestones
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        for scheduler in schedulers:  # their constructors each made a step
            scheduler.last_epoch -= 1
        first = schedulers[bisect_right(milestones, 0)]
        first._step_count = 0
        first.step()
        self._last_lr = first.get_last_lr()

    @wholly
    def step(self) -> None:  # type: ignore[override]  # which takes no epoch, as in PyTorch
        """Go on by one epoch with the schedule whose turn it is."""
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[i]
        if i > 0 and self._milestones[i - 1] == self.last_epoch:
            scheduler._restart()
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """A copy of everything but the optimiser, with the states of the schedules."""
        state = {k: v for k, v in self.__dict__.items() if k not in ("optimizer", "_schedulers")}
        return {**copy.deepcopy(state), "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict()` gave."""
        mine, saved = self._schedulers, state_dict.get("_schedulers", [])
        if len(saved) != len(mine):
            raise ValueError(
                f"SequentialLR.load_state_dict: {len(saved)} schedules are saved, this one has "
                f"{len(mine)}"
            )
        before = [scheduler.state_dict() for scheduler in mine]
        try:
            for scheduler, state in zip(mine, saved, strict=True):
                scheduler.load_state_dict(state)
            super().load_state_dict(state_dict)
        except ValueError:
            for scheduler, state in zip(mine, before, strict=True):
                scheduler.load_state_dict(state)
            raise
        self._schedulers = mine


class ReduceLROnPlateau(Schedule):
    """The rate times `factor` when a quantity has not improved for more than `patience` epochs.

    `step(metric)` is given the quantity, a loss (`mode="min"`) or an accuracy (`mode="max"`). It
    improves if it passes the best by `threshold`, relative to the best ("rel") or absolute
    ("abs"). After a change, `cooldown` epochs do not count; rates stop at `min_lr`, and changes of
    at most `eps` are not made.

    >>> optimizer = nn.optim.SGD([tensor(1.0)], lr=1.0)
    >>> schedule = ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        self._attach(optimizer)
        if not 0 <= factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor is {factor}; it must be below 1")
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: mode is {mode!r}; it is 'min' or 'max'")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(
                f"ReduceLROnPlateau: threshold_mode is {threshold_mode!r}; it is 'rel' or 'abs'"
            )
        self.mode, self.factor, self.patience = mode, factor, patience
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.cooldown, self.eps = cooldown, eps
        self.min_lrs = self._per_group("min_lr", min_lr)
        self.best = math.inf if mode == "min" else -math.inf
        self.cooldown_counter = self.num_bad_epochs = self.last_epoch = 0
        self._last_lr = [group["lr"] for group in optimizer.param_groups]

    def _improves(self, metric: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            return sign * metric > sign * self.best * (1 + sign * self.threshold)
        return sign * metric > sign * (self.best + sign * self.threshold)

    @wholly
    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:
        """Take note of the quantity after an epoch, the next one unless it is given, and lower the
        rates if it is time."""
        metric = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._improves(metric):
            self.best, self.num_bad_epochs = metric, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, low in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                lr = max(group["lr"] * self.factor, low)
                if group["lr"] - lr > self.eps:
                    group["lr"] = lr
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]
