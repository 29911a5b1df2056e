"""Weights that are kept in some form while they are trained, as in
`torch.nn.utils.parametrizations`."""

from __future__ import annotations

from typing import Any

from autograd_lite import Tensor, no_grad, norm
from autograd_lite.absent import missing
from autograd_lite.engine.axes import one_axis

from ..functional.normalization import normalize
from ..layers.convolution import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..module import Module
from .parametrize import is_parametrized, register_parametrization

__all__ = ["spectral_norm", "weight_norm"]


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)


def norm_except(v: Tensor, dim: int | None) -> Tensor:
    """The norms of what one index of `dim` selects, or of all for None, for broadcasting."""
    if dim is None:
        return norm(v)
    dim = one_axis("weight_norm", v, dim)
    others = tuple(i for i in range(v.ndim) if i != dim)
    return norm(v, axis=others, keepdims=True) if others else v.abs()


def power_steps(weight: Tensor, u: Tensor, v: Tensor, steps: int, eps: float) -> None:
    """Bring `u` and `v` in place nearer to the singular vectors of a matrix with the largest
    singular value."""
    with no_grad():
        for _ in range(steps):
            u.copy_(normalize(weight @ v, dim=0, eps=eps))
            v.copy_(normalize(weight.mT @ u, dim=0, eps=eps))


def matrix_of(weight: Tensor, dim: int) -> Tensor:
    """A row for each index of `dim`."""
    return weight.movedim(dim, 0).flatten(1)


def rows_of(module: Module, dim: int | None) -> int:
    """The axis of the outputs: the second one of transposed convolutions."""
    transposed = isinstance(module, ConvTranspose1d | ConvTranspose2d | ConvTranspose3d)
    return int(transposed) if dim is None else dim


class _WeightNorm(Module):
    """g * v / norm(v)"""

    def __init__(self, dim: int | None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, g: Tensor, v: Tensor) -> Tensor:
        return v * (g / norm_except(v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The norms, and the weight itself."""
        return norm_except(weight, self.dim), weight


class _SpectralNorm(Module):
    """The weight over an estimate of its largest singular value."""

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, steps: int, dim: int, eps: float) -> None:
        super().__init__()
        self.dim = dim if dim >= 0 else dim + weight.ndim
        self.n_power_iterations, self.eps = steps, eps
        if weight.ndim > 1:
            with no_grad():
                w = matrix_of(weight, self.dim)
                for name, n in zip(("_u", "_v"), w.shape, strict=True):
                    drawn = normalize(w.new_empty(n).normal_(), dim=0, eps=eps)
                    self.register_buffer(name, drawn)
                power_steps(w, self._u, self._v, 15, eps)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        w = matrix_of(weight, self.dim)
        if self.training:
            power_steps(w, self._u, self._v, self.n_power_iterations, self.eps)
        return weight / (self._u.clone() @ (w @ self._v.clone()))

    def right_inverse(self, value: Tensor) -> Tensor:
        """The value itself."""
        return value


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Train the length of each row of a weight apart from its direction: g * v / norm(v).

    `dim` is the axis of the rows; None makes one length of all. (Salimans and Kingma, "Weight
    normalization", 2016.) ValueError if the module has no such parameter.

    >>> layer = weight_norm(nn.Linear(20, 40))
    >>> layer.parametrizations.weight.original0.shape
    (40, 1)
    """
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide a weight by its largest singular value, which power iteration follows while it is
    trained: at each reading in training mode.

    `dim` is the axis of the outputs. (Miyato et al., "Spectral normalization for generative
    adversarial networks", 2018.) ValueError if the module has no such parameter, or for fewer than
    one iteration.

    >>> from autograd_lite import linalg
    >>> layer = spectral_norm(nn.Linear(20, 40), n_power_iterations=100)
    >>> f"{linalg.matrix_norm(layer.weight, 2):.3f}"
    '1.000'
    """
    if n_power_iterations < 1:
        raise ValueError(f"spectral_norm: {n_power_iterations} iterations; it takes at least one")
    if name not in module._parameters and not is_parametrized(module, name):
        raise ValueError(f"spectral_norm: {type(module).__name__} has no parameter {name!r}")
    weight = getattr(module, name)
    part = _SpectralNorm(weight, n_power_iterations, rows_of(module, dim), eps)
    return register_parametrization(module, name, part)
