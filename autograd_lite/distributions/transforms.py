"""Functions that have an inverse and a known slope, which make distributions of others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine.rules import arctanh, clip, expm1, log1p, ops, softplus
from ..engine.tensor import Tensor, as_tensor
from . import constraints
from .base import edge

__all__ = [
    "AffineTransform", "ComposeTransform", "ExpTransform", "PowerTransform", "SigmoidTransform",
    "SoftplusTransform", "TanhTransform", "Transform", "identity_transform",
]  # fmt: skip


class Transform:
    """A function `y = t(x)` with its inverse `t.inv(y)`; a subclass defines `_call(x)`,
    `_inverse(y)` and `log_abs_det_jacobian(x, y)`, the logarithm of the size of the slope.

    With `cache_size=1` the inverse of what the last call gave is what it was given.

    >>> ExpTransform().inv(tensor(1.0)).item()
    0.0
    """

    domain: Any = constraints.real
    codomain: Any = constraints.real
    bijective = True
    sign: Any = 1

    def __init__(self, cache_size: int = 0) -> None:
        if cache_size not in (0, 1):
            raise ValueError(f"{type(self).__name__}: cache_size is 0 or 1, got {cache_size}")
        self.cache_size = cache_size
        self.last: Any = (None, None)

    def __call__(self, x: Any) -> Tensor:
        if self.cache_size and x is self.last[0]:
            return self.last[1]
        y: Tensor = self._call(as_tensor(x))  # type: ignore[attr-defined]
        if self.cache_size:
            self.last = x, y
        return y

    def inverse(self, y: Any) -> Tensor:
        """What it gives y for."""
        if self.cache_size and y is self.last[1]:
            return self.last[0]
        x: Tensor = self._inverse(as_tensor(y))  # type: ignore[attr-defined]
        if self.cache_size:
            self.last = x, y
        return x

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log(abs(dy / dx))"""
        raise NotImplementedError(f"{type(self).__name__}.log_abs_det_jacobian")

    @property
    def inv(self) -> Transform:
        """The inverse, a transform too."""
        return _Inverse(self)

    @property
    def event_dim(self) -> int:
        """How many axes are one value."""
        return int(self.domain.event_dim)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Inverse(Transform):
    def __init__(self, of: Transform) -> None:
        super().__init__()
        self.of = of
        self.domain, self.codomain = of.codomain, of.domain
        self.sign = of.sign

    def __call__(self, x: Any) -> Tensor:
        return self.of.inverse(x)

    def inverse(self, y: Any) -> Tensor:
        return self.of(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -self.of.log_abs_det_jacobian(y, x)

    @property
    def inv(self) -> Transform:
        return self.of

    def __repr__(self) -> str:
        return f"{self.of!r}.inv"


class ComposeTransform(Transform):
    """Several transforms, the first of which is done first.

    >>> both = ComposeTransform([AffineTransform(1.0, 2.0), ExpTransform()])
    >>> both.inv(both(tensor(0.5))).item()
    0.5
    """

    def __init__(self, parts: Sequence[Transform], cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.parts = list(parts)
        if self.parts:
            self.domain, self.codomain = self.parts[0].domain, self.parts[-1].codomain

    def _call(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
        return x

    def _inverse(self, y: Tensor) -> Tensor:
        for part in reversed(self.parts):
            y = part.inverse(y)
        return y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        total: Any = 0
        for part in self.parts:
            after = part(x)
            total = total + part.log_abs_det_jacobian(x, after)
            x = after
        return as_tensor(total)

    @property
    def sign(self) -> Any:
        return math.prod(part.sign for part in self.parts)


identity_transform = ComposeTransform([])


class AffineTransform(Transform):
    """loc + scale * x; `event_dim` axes are one value.

    >>> AffineTransform(1.0, 2.0)(tensor(3.0)).item()
    7.0
    """

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.loc, self.scale, self.axes = loc, scale, event_dim

    event_dim = property(lambda self: self.axes)

    def _call(self, x: Tensor) -> Tensor:
        return self.loc + self.scale * x

    def _inverse(self, y: Tensor) -> Tensor:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        scale = as_tensor(self.scale)
        each = scale.abs().log() + 0 * x
        return each.sum(tuple(range(-self.axes, 0))) if self.axes else each

    @property
    def sign(self) -> Any:
        return (
            float(np.sign(self.scale))
            if isinstance(self.scale, int | float)
            else (self.scale.detach().sign())
        )


class ExpTransform(Transform):
    """exp(x)"""

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return x.exp()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return x


class PowerTransform(Transform):
    """x ** exponent, of positive numbers."""

    domain = codomain = constraints.positive

    def __init__(self, exponent: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.exponent = as_tensor(exponent)

    def _call(self, x: Tensor) -> Tensor:
        return x**self.exponent

    def _inverse(self, y: Tensor) -> Tensor:
        return y ** (1 / self.exponent)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return (self.exponent * y / x).abs().log()


class SigmoidTransform(Transform):
    """sigmoid(x); at its ends the inverse is held."""

    codomain = constraints.unit_interval

    def _call(self, x: Tensor) -> Tensor:
        return clip(ops.sigmoid(x), float(np.finfo(x.dtype).tiny), 1 - edge(x))

    def _inverse(self, y: Tensor) -> Tensor:
        y = clip(y, float(np.finfo(y.dtype).tiny), 1 - edge(y))
        return y.log() - log1p(-y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -softplus(-x) - softplus(x)


class SoftplusTransform(Transform):
    """softplus(x)"""

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return softplus(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return (-expm1(-y)).log() + y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -softplus(-x)


class TanhTransform(Transform):
    """tanh(x)"""

    codomain = constraints.interval(-1.0, 1.0)

    def _call(self, x: Tensor) -> Tensor:
        return ops.tanh(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return arctanh(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return 2 * (math.log(2) - x - softplus(-2 * x))
