"""Activations as functions."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from autograd_lite import Tensor, default_generator
from autograd_lite.creation import drawn
from autograd_lite.engine import rules
from autograd_lite.engine.errors import MisfitError
from autograd_lite.engine.rules import logsigmoid, ops, sigmoid, softplus, tanh
from autograd_lite.fused import WHOLE, Fused

from .embeddings import one_hot

# what PyTorch has under this name, of which some are the engine's own functions
__all__ = [
    "celu", "elu", "gelu", "glu", "gumbel_softmax", "hardshrink", "hardsigmoid", "hardswish",
    "hardtanh", "leaky_relu", "log_softmax", "logsigmoid", "mish", "prelu", "relu", "relu6",
    "rrelu", "selu", "sigmoid", "silu", "softmax", "softmin", "softplus", "softshrink", "softsign",
    "tanh", "tanhshrink", "threshold",
]  # fmt: skip


def softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """exp(input) divided by its sum along `dim`; in `dtype`, where one is given.

    >>> softmax(Tensor([[0.0, 0.0]]), dim=1).tolist()
    [[0.5, 0.5]]
    """
    return rules.softmax(input, implicit_dim("softmax", input, dim), dtype=dtype)


def log_softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """The logarithm of softmax along `dim`, without overflow; in `dtype`, where one is given.

    >>> log_softmax(Tensor([[1000.0, 0.0]]), dim=1).tolist()
    [[0.0, -1000.0]]
    """
    return rules.log_softmax(input, implicit_dim("log_softmax", input, dim), dtype=dtype)


def implicit_dim(name: str, input: Tensor, dim: int | None) -> int:
    """The axis that PyTorch takes, with a warning, if none is named."""
    if dim is not None:
        return dim
    chosen = 0 if input.ndim in (0, 1, 3) else 1
    warnings.warn(
        f"{name}: without dim it is {chosen} for shape {input.shape}; name it", stacklevel=3
    )
    return chosen


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(input, 0); its slope at 0 is 0.

    >>> relu(Tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    return input.relu_() if inplace else rules.relu(input)


def placed(f: Any, input: Tensor, inplace: bool) -> Tensor:
    """An activation, put into its input where that is asked for."""
    return input.copy_(f(input.clone())) if inplace else f(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """input where it is above 0, else negative_slope * input; with slope negative_slope at 0.

    >>> leaky_relu(Tensor([-1.0, 2.0]), 0.5).tolist()
    [-0.5, 2.0]
    """
    return placed(lambda x: rules.leaky_relu(x, negative_slope), input, inplace)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """input where it is above 0, else alpha * (exp(input) - 1)."""
    return placed(lambda x: rules.elu(x, alpha), input, inplace)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """input times the normal distribution function of it; "tanh" is the quicker formula."""
    if approximate not in ("none", "tanh"):
        return rules.gelu(input, approximate)  # which says what there is
    return _fused_gelu(input, approximate=approximate)[0]


ROOT, CUBE = math.sqrt(2 / math.pi), 0.044715


def _gelu(x: Any, approximate: str, named: bool = False) -> tuple[Tensor]:
    """What the fused operation is made of."""
    return (rules.gelu(x, approximate),)


def _gelu_forward(x: Any, approximate: str) -> Any:
    """In three arrays what the operations need 12 for; kept is the share of x that goes on."""
    if approximate == "tanh":
        t = x * x
        t *= CUBE
        t += 1
        t *= x
        t *= ROOT
        t = np.tanh(t)
    else:
        t = ops.erf.forward(x * math.sqrt(0.5))
    t += 1
    t *= 0.5
    return x * t, WHOLE, t


def _gelu_back(g: Any, t: Any, x: Any, places: Any, approximate: str) -> Any:
    if approximate == "tanh":  # 2 t (1 - t) is half of the slope of tanh
        d = x * x
        d *= 3 * CUBE
        d += 1
        d *= 2 * ROOT
        d *= t
        d *= 1 - t
    else:
        d = np.exp(-0.5 * x * x)
        d *= 0.5 * ROOT
    d *= x
    d += t
    d *= g
    return d


_fused_gelu = Fused("gelu", _gelu, _gelu_forward, _gelu_back, lambda found, *others: found)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """input * sigmoid(input)."""
    return placed(rules.silu, input, inplace)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """input held between two numbers; at the edges the slope is 0."""
    return placed(lambda x: rules.hardtanh(x, min_val, max_val), input, inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """input held between 0 and 6.

    >>> relu6(Tensor([-1.0, 2.0, 7.0])).tolist()
    [0.0, 2.0, 6.0]
    """
    return hardtanh(input, 0, 6, inplace)  # of ints ints


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """input where it is above 0, else alpha * (exp(input / alpha) - 1)."""
    return placed(lambda x: rules.elu(x / alpha, 1.0) * alpha, input, inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """1.0507 * elu(input, 1.6733), which keeps mean 0 and variance 1 through layers.

    Klambauer et al. 2017, https://arxiv.org/abs/1706.02515.

    >>> selu(Tensor([0.0])).tolist()
    [0.0]
    """
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return placed(lambda x: rules.elu(x, alpha) * scale, input, inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """input * tanh(softplus(input)). Misra 2019, https://arxiv.org/abs/1908.08681."""
    return placed(lambda x: x * tanh(softplus(x)), input, inplace)


def softsign(input: Tensor) -> Tensor:
    """input / (1 + |input|)."""
    return input / (1 + ops.abs(input))


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """input / 6 + 0.5, held between 0 and 1.

    >>> hardsigmoid(Tensor([-4.0, 0.0, 4.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return placed(lambda x: hardtanh(x + 3, 0.0, 6.0) / 6, input, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """input * hardsigmoid(input)."""
    return placed(lambda x: x * hardsigmoid(x), input, inplace)


def tanhshrink(input: Tensor) -> Tensor:
    """input - tanh(input)."""
    return input - tanh(input)


def hardshrink(input: Any, lambd: float = 0.5) -> Tensor:
    """input where it is further than lambd from 0, else 0."""
    return ops.where((input > lambd) | (input < -lambd), input, 0)


def softshrink(input: Any, lambd: float = 0.5) -> Tensor:
    """input moved towards 0 by lambd, and 0 where it is nearer.

    >>> softshrink(Tensor([-2.0, 0.25, 2.0])).tolist()
    [-1.5, 0.0, 1.5]
    """
    return ops.where(input > lambd, input - lambd, ops.where(input < -lambd, input + lambd, 0))


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """input where it is above a threshold, else a number."""
    return placed(lambda x: ops.where(x > threshold, x, value), input, inplace)


def softmin(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """softmax(-input)."""
    return rules.softmax(-input, implicit_dim("softmin", input, dim), dtype=dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """Probabilities drawn around softmax(logits), the closer to 0 and 1 the smaller `tau`; with
    `hard` a class of each as a row of 0 and a 1, whose gradient is that of the probabilities.
    `eps` is not used, as in PyTorch. (Jang, Gu and Poole, arXiv:1611.01144.)

    >>> gumbel_softmax(Tensor([[0.0, 50.0]]), hard=True).tolist()
    [[0.0, 1.0]]
    """
    noise = -np.log(default_generator().standard_exponential(logits.shape))
    y = rules.softmax((logits + noise.astype(logits.dtype)) / tau, dim)
    if not hard:
        return y
    chosen = one_hot(y.argmax(dim), y.shape[dim]).movedim(-1, dim).to(y.dtype)
    return chosen - y.detach() + y


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """One half along `dim` times the sigmoid of the other. ValueError for an odd size.

    >>> glu(Tensor([4.0, 0.0])).tolist()
    [2.0]
    """
    if input.shape[dim] % 2:
        raise MisfitError(f"glu: axis {dim} of shape {input.shape} has an odd size")
    a, b = rules.chunk(input, 2, dim)
    return a * sigmoid(b)


def prelu(input: Any, weight: Tensor) -> Tensor:
    """input where it is above 0, else weight * input: one weight, or one for each channel (axis 1).

    >>> prelu(Tensor([-2.0, 2.0]), Tensor([0.25])).tolist()
    [-0.5, 2.0]
    """
    if weight.numel() > 1 and input.ndim > 1:
        weight = weight.reshape((-1,) + (1,) * (input.ndim - 2))
    elif not input.ndim:
        weight = weight.reshape(())
    return ops.where(input > 0, input, weight * input)


def rrelu(
    input: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """input where it is above 0, else a slope times it: in training one drawn for each element from
    lower to upper, otherwise their mean.

    ValueError unless lower is at most upper. Xu et al. 2015, https://arxiv.org/abs/1505.00853.

    >>> rrelu(Tensor([-4.0, 4.0]), 0.25, 0.75).tolist()
    [-2.0, 4.0]
    """
    if not lower <= upper:
        raise ValueError(f"rrelu: lower {lower} is above upper {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    shape, dtype = input.shape, input.dtype
    slope = drawn(lambda: default_generator().uniform(lower, upper, shape).astype(dtype))
    return placed(lambda x: ops.where(x > 0, x, x * slope), input, inplace)
