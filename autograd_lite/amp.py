"""PyTorch's `amp`: scripts that ask for mixed precision compute in the dtypes they have."""

from __future__ import annotations

from contextlib import ContextDecorator
from typing import Any, Self

import numpy as np

from .engine.modes import no_grad
from .engine.tensor import Tensor

__all__ = ["GradScaler", "autocast"]


class autocast(ContextDecorator):
    """Nothing, as a context manager and a decorator: float32 stays float32, which is more exact
    than what PyTorch computes in here.

    >>> with autocast("cpu"):
    ...     (ones(2, 2) @ ones(2, 2)).dtype
    dtype('float32')
    """

    def __init__(
        self,
        device_type: str = "cpu",
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        self.device_type = device_type

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class GradScaler:
    """Scales a loss, so that small gradients of float16 do not vanish, and the gradients back, and
    leaves a step out whose gradients are infinite or NaN.

    As in PyTorch, it does so on the CPU alone; for "cuda", where there is none, it hands everything
    on as it is.

    >>> w = tensor([1.0], requires_grad=True)
    >>> optimizer, scaler = nn.optim.SGD([w], lr=0.5), GradScaler("cpu")
    >>> scaler.scale((w * w).sum()).backward()
    >>> w.grad.item()
    131072.0
    >>> scaler.step(optimizer); scaler.update()
    >>> w.item(), scaler.get_scale()
    (0.0, 65536.0)
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self.enabled = enabled and str(device).startswith("cpu")
        self.factor = float(init_scale)
        self.growth_factor, self.backoff_factor = growth_factor, backoff_factor
        self.growth_interval, self.right_steps = growth_interval, 0
        self.bad: dict[int, bool] = {}  # of the optimizers whose gradients are scaled back

    def scale(self, outputs: Any) -> Any:
        """A loss, or several, times the scale."""
        if not self.enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self.factor
        return type(outputs)(self.scale(each) for each in outputs)

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of an optimizer by the scale, as before they are clipped.

        RuntimeError for a second time before `update()`.
        """
        if not self.enabled:
            return
        if id(optimizer) in self.bad:
            raise RuntimeError("GradScaler.unscale_: already done since the last update()")
        grads = [p.grad for group in optimizer.param_groups for p in group["params"]]
        grads = [g for g in grads if g is not None]
        with no_grad():
            for g in grads:
                g.mul_(1 / self.factor)
        self.bad[id(optimizer)] = not all(np.isfinite(g.array).all() for g in grads)

    def step(self, optimizer: Any, *args: Any, **kw: Any) -> Any:
        """The optimizer's step, unless a gradient is infinite or NaN; returns what it returns."""
        if self.enabled and id(optimizer) not in self.bad:
            self.unscale_(optimizer)
        if not self.bad.get(id(optimizer)):
            return optimizer.step(*args, **kw)
        return None

    def update(self, new_scale: float | None = None) -> None:
        """Set the scale for the next step: lower after infinite gradients, higher after many right
        steps."""
        if not self.enabled:
            return
        right = not any(self.bad.values())
        self.right_steps = self.right_steps + 1 if right else 0
        if new_scale is not None:
            self.factor = float(new_scale)
        elif not right:
            self.factor *= self.backoff_factor
        elif self.right_steps == self.growth_interval:
            self.factor *= self.growth_factor
            self.right_steps = 0
        self.bad.clear()

    def get_scale(self) -> float:
        """The scale, 1 if it does nothing."""
        return self.factor if self.enabled else 1.0

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self.enabled

    def state_dict(self) -> dict[str, Any]:
        """The scale and what it depends on, under PyTorch's names."""
        if not self.enabled:
            return {}
        return {
            "scale": self.factor,
            "growth_factor": self.growth_factor,
            "backoff_factor": self.backoff_factor,
            "growth_interval": self.growth_interval,
            "_growth_tracker": self.right_steps,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict()` gave; RuntimeError if that is empty."""
        if not self.enabled:
            return
        if not state_dict:
            raise RuntimeError("GradScaler.load_state_dict: the state is of one that was disabled")
        self.factor = float(state_dict["scale"])
        self.growth_factor = state_dict["growth_factor"]
        self.backoff_factor = state_dict["backoff_factor"]
        self.growth_interval = state_dict["growth_interval"]
        self.right_steps = state_dict["_growth_tracker"]
