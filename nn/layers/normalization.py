"""Normalisations."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from autograd_lite import Tensor, get_default_dtype
from autograd_lite.conversion import require_cpu
from autograd_lite.engine.rules import ops

from .. import functional, init
from ..module import Module, Parameter
from .unary import Unary

__all__ = [
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d",
    "InstanceNorm3d", "LayerNorm", "LocalResponseNorm", "RMSNorm",
]  # fmt: skip


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


class _RunningNorm(_Normalisation):
    """What shifts and scales channels, with running statistics."""

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    _layouts: tuple[str, ...]  # of the inputs, an axis each word; the channels are c

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
        require_cpu(type(self).__name__, device)
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

    def _check(self, input: Tensor) -> None:
        """Raise unless the input has one of the layouts, and as many channels as anything needs."""
        axes = [layout.split() for layout in self._layouts]
        c = [input.shape[words.index("c")] for words in axes if len(words) == input.ndim]
        needed = self.weight is not None or self.running_mean is not None
        if not c or (needed and c != [self.num_features]):
            shapes = " or ".join(f"({', '.join(words)})" for words in axes)
            name = f"{type(self).__name__}({self.num_features})"
            raise ValueError(
                f"{name}: the input has shape {input.shape}; it should be "
                + re.sub(r"\bc\b", str(self.num_features), shapes)
            )

    def _follows(self) -> Any:
        """With how much momentum the running statistics follow; None where they do not."""
        if not (self.training and self.track_running_stats):
            return None
        if self.momentum is not None or self.num_batches_tracked is None:
            return self.momentum or 0.0
        return 1 / (self.num_batches_tracked.double() + 1)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_RunningNorm):
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

    _layouts: tuple[str, ...] = "batch c", "batch c length"

    @property
    def textbook(self) -> str:
        return self._scaled("(X − μ) / √(σ² + ε)")

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        momentum = self._follows()
        kept = momentum is not None or not self.training
        mean, var = (self.running_mean, self.running_var) if kept else (None, None)
        of_batch = self.training or self.running_mean is None
        y = functional.batch_norm(
            input, mean, var, self.weight, self.bias, of_batch, momentum, self.eps
        )
        if momentum is not None and self.num_batches_tracked is not None:
            self.num_batches_tracked._move(ops.add, 1)
        return y


class BatchNorm2d(BatchNorm1d):
    """`BatchNorm1d` of images (N, C, H, W): mean and variance of each channel over all pixels of
    all images.

    >>> BatchNorm2d(3)(Tensor(np.zeros((2, 3, 4, 4)))).shape
    (2, 3, 4, 4)
    """

    _layouts = ("batch c height width",)


class BatchNorm3d(BatchNorm1d):
    """`BatchNorm1d` of volumes (N, C, D, H, W).

    >>> BatchNorm3d(3)(Tensor(np.zeros((2, 3, 2, 2, 2)))).shape
    (2, 3, 2, 2, 2)
    """

    _layouts = ("batch c depth height width",)


class InstanceNorm1d(_RunningNorm):
    """Each channel of each sample of (N, C, L), or of (C, L), shifted and scaled to mean 0 and
    variance 1; see `instance_norm`.

    `affine` adds weight and bias. With `track_running_stats`, running statistics follow in
    training, and eval() uses them. ValueError for another shape, and for one value per channel.

    >>> InstanceNorm1d(2)(Tensor([[1.0, 1.0], [2.0, 2.0]])).tolist()
    [[0.0, 0.0], [0.0, 0.0]]
    """

    _layouts: tuple[str, ...] = "batch c length", "c length"

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    @property
    def textbook(self) -> str:
        return self._scaled("(X − μ) / √(σ² + ε)")

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        one = input.ndim == len(self._layouts[1].split())
        momentum = self.momentum or 0.0
        y = functional.instance_norm(
            input.unsqueeze(0) if one else input, self.running_mean, self.running_var, self.weight,
            self.bias, self.training or not self.track_running_stats, momentum, self.eps,
        )  # fmt: skip
        return y.squeeze(0) if one else y


class InstanceNorm2d(InstanceNorm1d):
    """`InstanceNorm1d` of images (N, C, H, W) or (C, H, W).

    >>> InstanceNorm2d(3)(Tensor(np.zeros((2, 3, 4, 4)))).shape
    (2, 3, 4, 4)
    """

    _layouts = "batch c height width", "c height width"


class InstanceNorm3d(InstanceNorm1d):
    """`InstanceNorm1d` of volumes (N, C, D, H, W) or (C, D, H, W).

    >>> InstanceNorm3d(3)(Tensor(np.zeros((3, 2, 2, 2)))).shape
    (3, 2, 2, 2)
    """

    _layouts = "batch c depth height width", "c depth height width"


class GroupNorm(_Normalisation):
    """The channels (axis 1) of each sample in `num_groups` groups, each shifted and scaled to mean
    0 and variance 1, then weight and bias of every channel unless `affine` or `bias` is false; see
    `group_norm`.

    ValueError unless the groups divide the channels, and for an input with others.

    >>> GroupNorm(2, 4)(Tensor([[1.0, 1.0, 5.0, 5.0]])).tolist()
    [[0.0, 0.0, 0.0, 0.0]]
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        require_cpu("GroupNorm", device)
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: {num_groups} groups do not divide {num_channels} channels"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._scale_and_shift(num_channels, affine, bias, dtype)

    def forward(self, input: Tensor) -> Tensor:
        if input.shape[1:2] != (self.num_channels,):
            raise ValueError(
                f"GroupNorm: the input has shape {input.shape}; its axis 1 should have "
                f"{self.num_channels} channels"
            )
        return functional.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    @property
    def textbook(self) -> str:
        return self._scaled("(X − μ) / √(σ² + ε)")

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Unary, of=functional.local_response_norm):
    """x / (k + alpha * the mean square of `size` neighbouring channels) ** beta; see
    `local_response_norm`."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


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
