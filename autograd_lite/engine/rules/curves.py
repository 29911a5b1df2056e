"""Curves: one input, element by element. `formula(tanh)` shows the slope of one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import number
from ..declare import differentiable, function, row
from ..errors import MisfitError
from ..op import ops
from ..tensor import Tensor
from .arithmetic import where


@differentiable(lambda g, y, x: g * np.sign(x))
def abs(x: Tensor) -> Tensor:
    """|x|; its slope at 0 is 0."""
    return np.absolute(x)


@differentiable(lambda g, y, x: g / (2 * y))
def sqrt(x: Tensor) -> Tensor:
    """The square root; its slope at 0 is infinite."""
    return np.sqrt(x)


@differentiable(lambda g, y, x: -0.5 * g * y / x, kind="curve")
def rsqrt(x: Tensor) -> Tensor:
    """1 / sqrt(x)."""
    return 1 / np.sqrt(x)


@differentiable(lambda g, y, x: g / (3 * y * y))
def cbrt(x: Tensor) -> Tensor:
    """The cube root, of negative numbers too; its slope at 0 is infinite."""
    return np.cbrt(x)


@differentiable(lambda g, y, x: g * y)
def exp(x: Tensor) -> Tensor:
    """e to the x."""
    return np.exp(x)


@differentiable(lambda g, y, x: g * y * math.log(2))
def exp2(x: Tensor) -> Tensor:
    """2 to the x."""
    return np.exp2(x)


@differentiable(lambda g, y, x: g * (y + 1))
def expm1(x: Tensor) -> Tensor:
    """exp(x) - 1, exact for small x."""
    return np.expm1(x)


@differentiable(lambda g, y, x: g / x)
def log(x: Tensor) -> Tensor:
    """The natural logarithm."""
    return np.log(x)


@differentiable(lambda g, y, x: g / (x * math.log(2)))
def log2(x: Tensor) -> Tensor:
    """The logarithm to the base 2."""
    return np.log2(x)


@differentiable(lambda g, y, x: g / (x * math.log(10)))
def log10(x: Tensor) -> Tensor:
    """The logarithm to the base 10."""
    return np.log10(x)


@differentiable(lambda g, y, x: g / (1 + x))
def log1p(x: Tensor) -> Tensor:
    """log(1 + x), exact for small x."""
    return np.log1p(x)


@differentiable(lambda g, y, x: g * np.cos(x))
def sin(x: Tensor) -> Tensor:
    """The sine of an angle in radians."""
    return np.sin(x)


@differentiable(lambda g, y, x: -g * np.sin(x))
def cos(x: Tensor) -> Tensor:
    """The cosine of an angle in radians."""
    return np.cos(x)


@differentiable(lambda g, y, x: g * (1 + y * y))
def tan(x: Tensor) -> Tensor:
    """The tangent of an angle in radians."""
    return np.tan(x)


@differentiable(lambda g, y, x: g / np.sqrt(1 - x * x), also="asin")
def arcsin(x: Tensor) -> Tensor:
    """The inverse sine, in radians from -pi/2 to pi/2."""
    return np.arcsin(x)


@differentiable(lambda g, y, x: -g / np.sqrt(1 - x * x), also="acos")
def arccos(x: Tensor) -> Tensor:
    """The inverse cosine, in radians from 0 to pi."""
    return np.arccos(x)


@differentiable(lambda g, y, x: g / (1 + x * x), also="atan")
def arctan(x: Tensor) -> Tensor:
    """The inverse tangent, in radians from -pi/2 to pi/2."""
    return np.arctan(x)


@differentiable(lambda g, y, x: g * np.cosh(x))
def sinh(x: Tensor) -> Tensor:
    """The hyperbolic sine."""
    return np.sinh(x)


@differentiable(lambda g, y, x: g * np.sinh(x))
def cosh(x: Tensor) -> Tensor:
    """The hyperbolic cosine."""
    return np.cosh(x)


@differentiable(lambda g, y, x: g * (1 - y * y), activation=True)
def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return np.tanh(x)


@differentiable(lambda g, y, x: g / np.sqrt(1 + x * x), also="asinh")
def arcsinh(x: Tensor) -> Tensor:
    """The inverse hyperbolic sine."""
    return np.arcsinh(x)


@differentiable(
    lambda g, y, x: g / np.sqrt(x * x - 1), also="acosh", example=lambda: ((np.full(3, 1.5),), {})
)
def arccosh(x: Tensor) -> Tensor:
    """The inverse hyperbolic cosine, for x >= 1."""
    return np.arccosh(x)


@differentiable(lambda g, y, x: g / (1 - x * x), also="atanh")
def arctanh(x: Tensor) -> Tensor:
    """The inverse hyperbolic tangent, for |x| < 1."""
    return np.arctanh(x)


def _sinc_slope(x: Any) -> Any:
    safe = np.where(x == 0, 1, x)
    slope = (np.cos(math.pi * safe) - np.sin(math.pi * safe) / (math.pi * safe)) / safe
    # the slope of that slope at 0, where it is -pi^2 / 3, is not lost
    return np.where(x == 0, -(math.pi**2) / 3 * x, slope)


@differentiable(lambda g, y, x: g * _sinc_slope(x), kind="curve", numpy=np.sinc)
def sinc(x: Tensor) -> Tensor:
    """sin(pi x) / (pi x), 1 at 0."""
    safe = np.where(x == 0, 1, x)
    return np.where(x == 0, 1, np.sin(math.pi * safe) / (math.pi * safe))


@differentiable(lambda g, y, x: g * y * (1 - y), kind="curve", activation=True, quiet="over")
def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), exactly 0 and 1 far out, without overflow."""
    with np.errstate(over="ignore"):  # exp(1000) = inf gives the exact limit 1 / inf = 0
        return 1 / (1 + np.exp(-x))


@differentiable(lambda g, y, x: g * (y > 0), kind="curve", activation=True, mask=True)
def relu(x: Tensor) -> Tensor:
    """max(x, 0); its slope at 0 is 0."""
    if isinstance(x, np.ndarray) and x.dtype.kind == "f" and x.flags.c_contiguous:
        y = np.zeros(x.shape, x.dtype)  # with a number NumPy takes three times as long
        return np.maximum(x, y, out=y)
    return np.maximum(x, 0)


@differentiable(
    lambda g, y, x: g * (2 / math.sqrt(math.pi)) * np.exp(-x * x),
    kind="curve",
    activation=True,
    named=True,
)
def erf(x: Tensor) -> Tensor:
    """The error function, from SciPy where it is installed, else from the math module."""
    try:
        from scipy.special import erf
    except ImportError:
        erf = np.frompyfunc(math.erf, 1, 1)
    return np.asarray(erf(x)).astype(x.dtype if x.dtype.kind == "f" else float)


_leaky_relu = row(
    "leaky_relu",
    lambda x, slope: np.where(x > 0, x, slope * x),
    lambda g, y, x, slope: np.where(x > 0, g, slope * g),
    kind="curve",
    activation=True,
    mask=True,
    example=lambda: ((np.linspace(0.2, 0.9, 3),), {"slope": 0.01}),
)
_elu = row(
    "elu",
    lambda x, alpha: np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0)),
    lambda g, y, x, alpha: np.where(x > 0, g, g * alpha * np.exp(np.where(x < 0, x, 0))),
    kind="curve",
    activation=True,
    example=lambda: ((np.linspace(0.2, 0.9, 3),), {"alpha": 1.0}),
)
_softplus = row(
    "softplus",
    lambda x: np.logaddexp(x, 0),
    lambda g, y, x: g * -np.expm1(-y),
    kind="curve",
    activation=True,
)


def _clip(x: Any, low: float, high: float) -> Any:
    return np.minimum(np.maximum(x, low), high)


_held = row(
    "clip",
    _clip,
    lambda g, y, x, low, high: g * ((x >= low) & (x <= high)),
    kind="curve",
    example=lambda: ((np.linspace(0.2, 0.9, 3),), {"low": 0.0, "high": 1.0}),
)
_hardtanh = row(
    "hardtanh",
    _clip,
    lambda g, y, x, low, high: g * ((x > low) & (x < high)),
    kind="curve",
    activation=True,
    example=lambda: ((np.linspace(0.2, 0.9, 3),), {"low": -1.0, "high": 1.0}),
)


@function(method=False)
def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where x > 0, else negative_slope * x; the slope at 0 is negative_slope.

    >>> leaky_relu(tensor(-2.0), 0.5).item()
    -1.0
    """
    return _leaky_relu(x, slope=negative_slope)


@function(method=False)
def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha * (exp(x) - 1).

    >>> elu(tensor(2.0)).item()
    2.0
    """
    return _elu(x, alpha=alpha)


@function(method=False)
def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution function of x, or its tanh approximation.

    Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415. ValueError for another word.

    >>> gelu(tensor(0.0)).item()
    0.0
    """
    if approximate == "none":
        return x * (0.5 * (1 + ops.erf(x * math.sqrt(0.5))))
    if approximate != "tanh":
        raise MisfitError(f"gelu: approximate is 'none' or 'tanh', got {approximate!r}")
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
    return x * (0.5 * (1 + ops.tanh(inner)))


@function(method=False)
def silu(x: Tensor) -> Tensor:
    """x * sigmoid(x).

    >>> silu(tensor(0.0)).item()
    0.0
    """
    return x * ops.sigmoid(x)


@function(method=False)
def softplus(x: Any, beta: float = 1.0, threshold: float = math.inf) -> Tensor:
    """log(1 + exp(beta * x)) / beta, without overflow; x itself where beta * x is above a
    threshold, which is infinite unless given (PyTorch's is 20, where the two differ by 2e-9).

    >>> softplus(tensor(100.0)).item()
    100.0
    """
    y = _softplus(x) if beta == 1 else _softplus(x * beta) / beta
    return y if threshold == math.inf else where(x * beta > threshold, x, y)


@function(method=False)
def logsigmoid(x: Tensor) -> Tensor:
    """log(sigmoid(x)), without overflow.

    >>> logsigmoid(tensor(-800.0)).item()
    -800.0
    """
    return -_softplus(-x)


@function(also="clamp", in_place=True, out=True)
def clip(x: Any, min: Any = None, max: Any = None) -> Tensor:
    """x held between min and max, each a number, a tensor or None; inside and at the edges the
    slope is 1. ValueError if both are None.

    >>> clip(tensor(5.0), 0, 3).item()
    3.0
    """
    if min is None and max is None:
        raise MisfitError("clip: give min, max or both")
    if x.ndim:  # a 0-d bound has no say in the dtype, as in PyTorch
        min, max = (
            b.to(x.dtype) if getattr(b, "ndim", 1) == 0 and hasattr(b, "to") else b
            for b in (min, max)
        )
    whole = np.iinfo(x.dtype) if x.dtype.kind in "iu" else None  # ints stay ints
    low: Any = (whole.min if whole else -math.inf) if min is None else number(min)
    high: Any = (whole.max if whole else math.inf) if max is None else number(max)
    if isinstance(low, int | float) and isinstance(high, int | float):
        return _held(x, low=low, high=high)
    y = x if min is None else where(x < low, low, x)
    return y if max is None else where(y > high, high, y)


@function(method=False)
def hardtanh(x: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """x held between two numbers; at the edges the slope is 0.

    >>> hardtanh(tensor(5.0)).item()
    1.0
    """
    return _hardtanh(x, low=min_val, high=max_val)


def _bounded(x: Any, nan: float, posinf: float | None, neginf: float | None) -> Any:
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


_nan_to_num = row(
    "nan_to_num",
    _bounded,
    lambda g, y, x, nan, posinf, neginf: g * np.isfinite(x),
    kind="curve",
    named=True,
    example=lambda: ((np.ones(3),), {"nan": 0.0, "posinf": None, "neginf": None}),
)


@function(in_place=True)
def nan_to_num(
    x: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """x with numbers in place of NaN and of the infinities, which become the largest and the
    smallest number of the dtype; their slope is 0.

    >>> nan_to_num(tensor([1.0, float("nan")])).tolist()
    [1.0, 0.0]
    """
    return _nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)
