"""Normalisations."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import Tensor, get_default_dtype
from autograd_lite.conversion import require_cpu
from autograd_lite.engine.rules import ops

from .. import functional, init
from ..module import Module, Parameter

__all__ = ["BatchNorm1d", "LayerNorm", "RMSNorm"]


class _Normalisation(Module):
    """What scales with a weight and shifts by a bias then, or has None for what is left out."""

    weight: Parameter | None
    bias: Parameter | None

    def _scale_and_shift(self, shape: Any, weight: bool, bias: bool, dtype: Any) -> None:
        dtype = dtype or get_default_dtype()
        self.register_parameter("weight", Parameter(np.ones(shape, dtype)) if weight else None)
        zeros = Parameter(np.zeros(shape, dtype)) if weight and bias else None
        self.register_parameter("bias", zeros)

    def _scaled(self, normal: str) -> str:
        """The textbook's formula: what is normal, then scaled and shifted."""
        scale, shift = (getattr(self, name, None) is not None for name in ("weight", "bias"))
        return f"Y = {normal}" + " · γ" * scale + " + β" * shift

    def reset_parameters(self) -> None:
        """Set weight to 1 and bias to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class BatchNorm1d(_Normalisation):
    """Channels of (N, C) or (N, C, L) shifted and scaled to mean 0 and variance 1; see
    `batch_norm`.

    In training the statistics are those of the batch, and running ones follow with `momentum`
    (None: their plain average), which eval() uses. `affine` adds weight and, unless `bias` is
    false, bias. ValueError for another shape, and for one value per channel in training.

    >>> layer = BatchNorm1d(2)
    >>> layer(Tensor([[0.0, 0.0], [2.0, 4.0]])).array.mean(0).tolist()
    [0.0, 0.0]
    >>> layer.running_var.tolist() == Tensor([0.9 + 0.1 * 2, 0.9 + 0.1 * 8]).tolist()
    True
    """

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        require_cpu("BatchNorm1d", device)
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self._scale_and_shift(num_features, affine, bias, dtype)
        dtype, track = dtype or get_default_dtype(), track_running_stats
        zero, one = np.zeros(num_features, dtype), np.ones(num_features, dtype)
        self.register_buffer("running_mean", Tensor(zero) if track else None)
        self.register_buffer("running_var", Tensor(one) if track else None)
        self.register_buffer("num_batches_tracked", Tensor(np.array(0)) if track else None)

    def reset_running_stats(self) -> None:
        """Forget the batches seen: mean 0, variance 1, count 0."""
        values = ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0))
        for buffer, value in values:
            if buffer is not None:
                init.constant_(buffer, value)

    def reset_parameters(self) -> None:
        """Forget the batches seen, and set weight to 1 and bias to 0."""
        self.reset_running_stats()
        super().reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (2, 3) or input.shape[1] != self.num_features:
            c = self.num_features
            raise ValueError(
                f"BatchNorm1d({c}): the input has shape {input.shape}; it should be "
                f"(batch, {c}) or (batch, {c}, length)"
            )
        follow = self.training and self.track_running_stats
        count = self.num_batches_tracked
        momentum: Any = self.momentum
        if momentum is None:
            momentum = 1 / (count.double() + 1) if follow and count is not None else 0.0
        kept = follow or not self.training
        mean, var = (self.running_mean, self.running_var) if kept else (None, None)
        of_batch = self.training or self.running_mean is None
        y = functional.batch_norm(
            input, mean, var, self.weight, self.bias, of_batch, momentum, self.eps
        )
        if follow and count is not None:
            count._move(ops.add, 1)
        return y

    @property
    def textbook(self) -> str:
        return self._scaled("(X − μ) / √(σ² + ε)")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class LayerNorm(_Normalisation):
    """The last axes, of shape `normalized_shape`, shifted and scaled to mean 0 and variance 1.

    Then weight and bias, both of that shape, unless `elementwise_affine` (both) or `bias` is
    false. ValueError if the input's last axes are others. See `layer_norm`.
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...] | list[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        require_cpu("LayerNorm", device)
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape = tuple(shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._scale_and_shift(self.normalized_shape, elementwise_affine, bias, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return functional.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    @property
    def textbook(self) -> str:
        return self._scaled("(X − μ) / √(σ² + ε)")

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class RMSNorm(_Normalisation):
    """The last axes divided by the root of the mean of their squares, then scaled by weight unless
    `elementwise_affine` is false; see `rms_norm`.

    >>> RMSNorm(2)(Tensor([[3.0, 3.0]])).tolist()
    [[1.0, 1.0]]
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...] | list[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        require_cpu("RMSNorm", device)
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape = tuple(shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._scale_and_shift(self.normalized_shape, elementwise_affine, False, dtype)
        del self.bias

    def forward(self, input: Tensor) -> Tensor:
        return functional.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def reset_parameters(self) -> None:
        """Set weight to 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    @property
    def textbook(self) -> str:
        return self._scaled("X / √(mean(X²) + ε)")

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )
