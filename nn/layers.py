"""Layers: linear, activations, dropout and normalisation, with PyTorch's names and defaults."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_lite import Tensor, get_default_dtype, no_grad
from autograd_lite.conversion import require_cpu
from autograd_lite.engine import rules
from autograd_lite.engine.rules import ops

from . import functional, init
from .module import FunctionModule, Module, Parameter

__all__ = [
    "BatchNorm1d", "CELU", "CosineSimilarity", "Dropout", "ELU", "Embedding", "Flatten", "GELU",
    "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "Identity", "LayerNorm",
    "LeakyReLU", "Linear", "LogSigmoid", "LogSoftmax", "Mish", "PReLU", "PairwiseDistance",
    "RMSNorm", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softmax", "Softmin", "Softplus",
    "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold", "Unflatten",
]  # fmt: skip


class Linear(Module):
    """x @ weight.mT + bias: weight (out, in), bias (out,), x (..., in), result (..., out).

    Both start uniform between -1 / sqrt(in) and 1 / sqrt(in). The weight lies in memory in Fortran
    order, so that weight.mT is contiguous. ValueError if the last axis of x has another size.

    >>> layer = Linear(3, 2)
    >>> layer(Tensor([[1.0, 2.0, 3.0]])).shape, layer.weight.shape
    ((1, 2), (2, 3))
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        require_cpu("Linear", device)
        self.in_features = in_features
        self.out_features = out_features
        dtype = dtype or get_default_dtype()
        self.weight = Parameter(np.empty((out_features, in_features), dtype, order="F"))
        self.register_parameter("bias", Parameter(np.empty(out_features, dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            r = 1 / math.sqrt(max(self.in_features, 1))
            init.uniform_(self.bias, -r, r)

    def forward(self, input: Tensor) -> Tensor:
        try:
            y = input @ self.weight.mT
        except ValueError:
            if np.shape(input)[-1:] == (self.in_features,):
                raise
            raise ValueError(
                f"{self._name()}: the input has shape {np.shape(input)}, and its last axis should "
                f"have {self.in_features} elements; change in_features or reshape the input"
            ) from None
        return y if self.bias is None else y + self.bias

    def _name(self) -> str:
        return f"Linear({self.extra_repr()})"

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Identity(Module):
    """The input as it is; it takes any arguments, as a stand-in for another layer.

    >>> Identity(54)(Tensor([1.0])).tolist()
    [1.0]
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class _Unary(FunctionModule):
    """A function of one tensor; the repr shows its settings."""

    inplace = False  # of what was saved before it was a setting

    def forward(self, input: Tensor) -> Tensor:
        return self._of(input, *[getattr(self, name) for name in self._settings])

    def extra_repr(self) -> str:
        values = [(name, getattr(self, name)) for name in self._settings]
        values = [(k, v) for k, v in values if v is not False and v != math.inf]
        return ", ".join(f"{k}={v!r}" if isinstance(v, str) else f"{k}={v}" for k, v in values)


class Flatten(_Unary, of=rules.flatten):
    """The axes from start_dim to end_dim made one; as it is, all but the first.

    >>> Flatten()(Tensor(np.zeros((2, 3, 4)))).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim


# ---- activations ----------------------------------------------------------------------------


class ReLU(_Unary, of=functional.relu):
    """max(x, 0); its slope at 0 is 0. With `inplace` it takes the place of the input.

    >>> ReLU()(Tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class LeakyReLU(_Unary, of=functional.leaky_relu):
    """x where x > 0, else negative_slope * x; with slope negative_slope at 0; see `leaky_relu`."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace


class Tanh(_Unary, of=functional.tanh):
    """The hyperbolic tangent.

    >>> Tanh()(Tensor([0.0])).tolist()
    [0.0]
    """


class Sigmoid(_Unary, of=functional.sigmoid):
    """1 / (1 + exp(-x)), without overflow.

    >>> Sigmoid()(Tensor([0.0])).tolist()
    [0.5]
    """


class LogSigmoid(_Unary, of=functional.logsigmoid):
    """log(sigmoid(x)), without overflow; see `logsigmoid`."""


class Hardtanh(_Unary, of=functional.hardtanh):
    """x held between two numbers; at the edges the slope is 0. ValueError unless they ascend."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        if not min_val < max_val:
            raise ValueError(f"Hardtanh: min_val {min_val} is not below max_val {max_val}")
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace


class GELU(_Unary, of=functional.gelu):
    """x times the normal distribution function of x; approximate="tanh" is the quicker formula."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate


class ELU(_Unary, of=functional.elu):
    """x where x > 0, else alpha * (exp(x) - 1); see `elu`."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace


class SiLU(_Unary, of=functional.silu):
    """x * sigmoid(x); see `silu`."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class Softplus(_Unary, of=functional.softplus):
    """log(1 + exp(beta * x)) / beta, exact everywhere; x itself above a `threshold`, which PyTorch
    sets to 20 and needs; see `softplus`."""

    threshold = math.inf  # of what was saved before it was a setting

    def __init__(self, beta: float = 1.0, threshold: float = math.inf) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold


class Softmax(_Unary, of=functional.softmax):
    """exp(x) divided by its sum along `dim`; see `softmax`."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim


class LogSoftmax(Softmax, of=functional.log_softmax):
    """The logarithm of softmax along `dim`, without overflow; see `log_softmax`."""


class CELU(ELU, of=functional.celu):
    """x where x > 0, else alpha * (exp(x / alpha) - 1); see `celu`."""


class ReLU6(ReLU, of=functional.relu6):
    """x held between 0 and 6; see `relu6`."""


class SELU(ReLU, of=functional.selu):
    """1.0507 * elu(x, 1.6733); see `selu`."""


class Mish(ReLU, of=functional.mish):
    """x * tanh(softplus(x)); see `mish`."""


class Hardsigmoid(ReLU, of=functional.hardsigmoid):
    """x / 6 + 0.5, held between 0 and 1; see `hardsigmoid`."""


class Hardswish(ReLU, of=functional.hardswish):
    """x * hardsigmoid(x); see `hardswish`."""


class Softsign(_Unary, of=functional.softsign):
    """x / (1 + |x|); see `softsign`."""


class Tanhshrink(_Unary, of=functional.tanhshrink):
    """x - tanh(x); see `tanhshrink`."""


class Hardshrink(_Unary, of=functional.hardshrink):
    """x where it is further than lambd from 0, else 0; see `hardshrink`."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd


class Softshrink(Hardshrink, of=functional.softshrink):
    """x moved towards 0 by lambd, and 0 where it is nearer; see `softshrink`."""


class Threshold(_Unary, of=functional.threshold):
    """x where it is above a threshold, else a number; see `threshold`."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace


class Softmin(Softmax, of=functional.softmin):
    """softmax(-x) along `dim`; see `softmin`."""


class GLU(_Unary, of=functional.glu):
    """One half along `dim` times the sigmoid of the other; see `glu`."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim


class PReLU(Module):
    """x where x > 0, else weight * x, with a weight to be trained, one or one for each channel.

    >>> PReLU()(Tensor([-2.0, 2.0])).tolist()
    [-0.5, 2.0]
    """

    weight: Parameter

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        require_cpu("PReLU", device)
        self.num_parameters = num_parameters
        self.weight = Parameter(np.full(num_parameters, init, dtype or get_default_dtype()))

    def forward(self, input: Tensor) -> Tensor:
        return functional.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class Unflatten(Module):
    """One axis made several of these sizes; see `unflatten`.

    >>> Unflatten(1, (2, 3))(Tensor(np.zeros((5, 6)))).shape
    (5, 2, 3)
    """

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class CosineSimilarity(Module):
    """The cosine of the angle between vectors along `dim`; see `cosine_similarity`."""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return functional.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of x1 - x2 + eps along the last axis."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return functional.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class Embedding(Module):
    """The rows of a weight with these numbers, (...) to (..., embedding_dim); see `embedding`.

    The weight starts from the standard normal distribution, the row of `padding_idx` at 0; that row
    gets no gradient.

    >>> Embedding(5, 3)(Tensor(np.array([[1, 4]]))).shape
    (1, 2, 3)
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        require_cpu("Embedding", device)
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(
                f"Embedding: padding_idx {padding_idx} is none of the {num_embeddings} rows"
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        shape = num_embeddings, embedding_dim
        self.weight = Parameter(np.empty(shape, dtype or get_default_dtype()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weight anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None
    ) -> Embedding:
        """One with these rows, which are not trained unless `freeze` is false."""
        n, size = embeddings.shape
        layer = cls(n, size, padding_idx, dtype=embeddings.dtype)
        layer.weight.data.copy_(embeddings)
        layer.weight.requires_grad_(not freeze)
        return layer

    def forward(self, input: Any) -> Tensor:
        return functional.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


# ---- dropout and normalisation --------------------------------------------------------------


class Dropout(Module):
    """In training, elements set to 0 with probability p and the others divided by 1 - p.

    In eval() it is the identity. Masks come from `generator`, else from the generator that
    manual_seed seeds. ValueError unless p is from 0 to 1. See `dropout`.
    """

    inplace = False  # of what was saved before it was a setting

    def __init__(
        self,
        p: float = 0.5,
        inplace: bool = False,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        functional.check_probability("Dropout", p)
        self.p = p
        self.inplace = inplace
        self.generator = generator

    def forward(self, input: Tensor) -> Tensor:
        return functional.dropout(input, self.p, self.training, self.inplace, self.generator)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class _Normalisation(Module):
    """What scales with a weight and shifts by a bias then, or has None for what is left out."""

    weight: Parameter | None
    bias: Parameter | None

    def _scale_and_shift(self, shape: Any, weight: bool, bias: bool, dtype: Any) -> None:
        dtype = dtype or get_default_dtype()
        self.register_parameter("weight", Parameter(np.ones(shape, dtype)) if weight else None)
        zeros = Parameter(np.zeros(shape, dtype)) if weight and bias else None
        self.register_parameter("bias", zeros)

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

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )
