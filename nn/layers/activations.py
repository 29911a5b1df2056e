"""Activations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_lite import Tensor, get_default_dtype
from autograd_lite.conversion import require_cpu

from .. import functional
from ..module import Module, Parameter
from .unary import Unary

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh",
    "LeakyReLU", "LogSigmoid", "LogSoftmax", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SELU",
    "SiLU", "Sigmoid", "Softmax", "Softmax2d", "Softmin", "Softplus", "Softshrink", "Softsign",
    "Tanh", "Tanhshrink", "Threshold",
]  # fmt: skip


class ReLU(Unary, of=functional.relu):
    """max(x, 0); its slope at 0 is 0. With `inplace` it takes the place of the input.

    >>> ReLU()(Tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class LeakyReLU(Unary, of=functional.leaky_relu):
    """x where x > 0, else negative_slope * x; with slope negative_slope at 0; see `leaky_relu`."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace


class Tanh(Unary, of=functional.tanh):
    """The hyperbolic tangent.

    >>> Tanh()(Tensor([0.0])).tolist()
    [0.0]
    """


class Sigmoid(Unary, of=functional.sigmoid):
    """1 / (1 + exp(-x)), without overflow.

    >>> Sigmoid()(Tensor([0.0])).tolist()
    [0.5]
    """


class LogSigmoid(Unary, of=functional.logsigmoid):
    """log(sigmoid(x)), without overflow; see `logsigmoid`."""


class Hardtanh(Unary, of=functional.hardtanh):
    """x held between two numbers; at the edges the slope is 0. ValueError unless they ascend."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        if not min_val < max_val:
            raise ValueError(f"Hardtanh: min_val {min_val} is not below max_val {max_val}")
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace


class GELU(Unary, of=functional.gelu):
    """x times the normal distribution function of x; approximate="tanh" is the quicker formula."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate


class ELU(Unary, of=functional.elu):
    """x where x > 0, else alpha * (exp(x) - 1); see `elu`."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace


class SiLU(Unary, of=functional.silu):
    """x * sigmoid(x); see `silu`."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class Softplus(Unary, of=functional.softplus):
    """log(1 + exp(beta * x)) / beta, exact everywhere; x itself above a `threshold`, which PyTorch
    sets to 20 and needs; see `softplus`."""

    threshold = math.inf  # of what was saved before it was a setting

    def __init__(self, beta: float = 1.0, threshold: float = math.inf) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold


class Softmax(Unary, of=functional.softmax):
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


class Softsign(Unary, of=functional.softsign):
    """x / (1 + |x|); see `softsign`."""


class Tanhshrink(Unary, of=functional.tanhshrink):
    """x - tanh(x); see `tanhshrink`."""


class Hardshrink(Unary, of=functional.hardshrink):
    """x where it is further than lambd from 0, else 0; see `hardshrink`."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        return str(self.lambd)


class Softshrink(Hardshrink, of=functional.softshrink):
    """x moved towards 0 by lambd, and 0 where it is nearer; see `softshrink`."""


class Threshold(Unary, of=functional.threshold):
    """x where it is above a threshold, else a number; see `threshold`."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace


class Softmin(Softmax, of=functional.softmin):
    """softmax(-x) along `dim`; see `softmin`."""


class GLU(Unary, of=functional.glu):
    """One half along `dim` times the sigmoid of the other; see `glu`."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim


class PReLU(Module):
    """x where x > 0, else weight * x, with a weight to be trained, one or one for each channel.

    >>> PReLU()(Tensor([-2.0, 2.0])).tolist()
    [-0.5, 2.0]
    """

    textbook = "Y = max(X, 0) + w · min(X, 0)"
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


class RReLU(Unary, of=functional.rrelu):
    """x where x > 0, else a slope times x that is drawn in training and the mean in eval(); see
    `rrelu`."""

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return self._of(input, self.lower, self.upper, self.training, self.inplace)


class Softmax2d(Module):
    """softmax over the channels of (N, C, H, W), or of (C, H, W), at every pixel. ValueError for
    other shapes.

    >>> Softmax2d()(Tensor(np.zeros((4, 1, 1)))).tolist()
    [[[0.25]], [[0.25]], [[0.25]], [[0.25]]]
    """

    textbook = "Y = softmax(X)"

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ValueError(
                f"Softmax2d: the input has shape {input.shape}; it should have 4 axes, or 3 for "
                "one image"
            )
        return functional.softmax(input, -3)
