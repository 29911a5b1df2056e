"""Functions beyond NumPy's, under the names of `torch.special`: the gamma function and its kin.

`compile` calls them as they are, and `derive` says that they cannot be written in NumPy.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .absent import missing
from .engine.declare import function, public
from .engine.errors import MisfitError
from .engine.op import Op
from .engine.rules import erf
from .engine.rules import sigmoid as expit
from .engine.tensor import Tensor, as_tensor

__all__ = [
    "digamma", "erfinv", "expit", "gammaln", "lgamma", "ndtr", "ndtri", "polygamma", "psi",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in public:  # PyTorch has some in both places
        return public[name]
    raise missing(__name__, name)


# B(2k), of Bernoulli; Abramowitz and Stegun 6.1.41, 6.3.18 and 6.4.11 are the series that have them
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
FAR = 12  # from here on eight terms are exact


def floats(f: Any) -> Any:
    """A function of float64 that gives the float type of its input."""

    def forward(x: Any, **kw: Any) -> Any:
        a = np.asarray(x)
        with np.errstate(all="ignore"):
            y = f(a.astype(float), **kw)
        return np.asarray(y).astype(a.dtype if a.dtype.kind == "f" else np.float32)

    return forward


def shifted(x: Any, add: Any) -> Any:
    """x moved above FAR by whole steps, at each of which `add(x, where)` is called."""
    for _ in range(FAR):
        near = x < FAR
        if not near.any():
            break
        add(x, near)
        x = np.where(near, x + 1, x)
    return x


def log_gamma(x: Any) -> Any:
    """log(abs(gamma(x)))"""
    negative = x < 0.5
    z = np.where(negative, 1 - x, x)
    product = np.ones_like(z)

    def add(z: Any, near: Any) -> None:
        product[near] *= z[near]

    far = shifted(z, add)
    series = sum(b / (2 * k * (2 * k - 1)) / far ** (2 * k - 1) for k, b in enumerate(BERNOULLI, 1))
    y = (far - 0.5) * np.log(far) - far + 0.5 * math.log(2 * math.pi) + series - np.log(product)
    y = np.where(far == math.inf, math.inf, y)
    y = np.where((z == 1) | (z == 2), 0.0, y)
    mirrored = math.log(math.pi) - np.log(np.abs(sine(x))) - y
    return np.where((x == np.floor(x)) & (x <= 0), math.inf, np.where(negative, mirrored, y))


def sine(x: Any) -> Any:
    """sin(pi * x), exact for whole x."""
    return np.sin(math.pi * (x - 2 * np.round(x / 2)))


def poly_gamma(x: Any, n: int) -> Any:
    """The derivative of order n of digamma, 0 for itself."""
    negative = (x < 0) & (n < 2)
    z = np.where(negative, 1 - x, x)
    total = np.zeros_like(z)

    def add(z: Any, near: Any) -> None:
        total[near] += math.factorial(n) / z[near] ** (n + 1)

    far = shifted(z, add)
    terms = enumerate(BERNOULLI, 1)
    if n == 0:
        series = np.log(far) - 0.5 / far - sum(b / (2 * k) / far ** (2 * k) for k, b in terms)
        y = series - total
        y = np.where(negative, y - math.pi / np.tan(math.pi * (x - np.round(x))), y)
        y = np.where(x == 0, -np.copysign(math.inf, x), y)
        return np.where((x < 0) & (x == np.floor(x)), math.nan, y)
    first = math.factorial(n - 1) / far**n + math.factorial(n) / (2 * far ** (n + 1))
    series = first + sum(
        b * math.factorial(2 * k + n - 1) / math.factorial(2 * k) / far ** (2 * k + n)
        for k, b in terms
    )
    y = (-1) ** (n + 1) * (series + total)
    if n == 1:
        y = np.where(negative, (math.pi / sine(x)) ** 2 - y, y)
    return np.where((x <= 0) & (x == np.floor(x)), math.inf if n == 1 else y, y)


def erf_inverse(x: Any) -> Any:
    """What erf gives x for: Winitzki's approximation, and steps of Halley from it."""
    inside = np.where(np.abs(x) < 1, x, 0)
    a, log = 0.147, np.log1p(-inside * inside)
    b = 2 / (math.pi * a) + log / 2
    y = np.copysign(np.sqrt(np.sqrt(b * b - log / a) - b), inside)
    for _ in range(3):
        # 1 - erf(y) keeps its digits far out, where erf(y) is 1 to all of them
        off = np.where(
            np.abs(inside) > 0.5,
            np.sign(inside) * ((1 - np.abs(inside)) - complement(np.abs(y))),
            error(y) - inside,
        )
        step = off / (2 / math.sqrt(math.pi) * np.exp(-y * y))
        y = y - step / (1 + y * step)
    return np.where(np.abs(x) < 1, y, np.where(np.abs(x) == 1, np.copysign(math.inf, x), math.nan))


error = np.vectorize(math.erf, otypes=[float])
complement = np.vectorize(math.erfc, otypes=[float])

_polygamma: Op = Op(
    "polygamma", floats(poly_gamma), lambda g, y, x, n: g * _polygamma(x, n=n + 1), kind="curve"
)
_digamma = Op(
    "digamma",
    floats(lambda x: poly_gamma(x, 0)),
    lambda g, y, x: g * _polygamma(x, n=1),
    kind="curve",
)
_gammaln = Op("lgamma", floats(log_gamma), lambda g, y, x: g * _digamma(x), kind="curve")
_erfinv = Op(
    "erfinv",
    floats(erf_inverse),
    lambda g, y, x: g * (0.5 * math.sqrt(math.pi)) * np.exp(y * y),
    kind="curve",
)


@function(in_place=True)
def lgamma(input: Any) -> Tensor:
    """The logarithm of the size of the gamma function: log((x - 1)!) for a whole x.

    >>> lgamma(tensor(5.0)).exp().item()
    24.0
    """
    return _gammaln(as_tensor(input))


gammaln = lgamma


@function(in_place=True)
def digamma(input: Any) -> Tensor:
    """The derivative of `lgamma`.

    >>> round(digamma(tensor(1.0)).item(), 4)  # less Euler's constant
    -0.5772
    """
    return _digamma(as_tensor(input))


psi = digamma


@function(method=False)
def polygamma(n: int, input: Any) -> Tensor:
    """The derivative of order n of `digamma`. ValueError for a negative n.

    >>> round(polygamma(1, tensor(1.0)).item(), 4)  # pi ** 2 / 6
    1.6449
    """
    if n < 0:
        raise MisfitError(f"polygamma: the order is from 0, got {n}")
    return digamma(input) if n == 0 else _polygamma(as_tensor(input), n=n)


@function(in_place=True)
def erfinv(input: Any) -> Tensor:
    """What `erf` gives this for; NaN outside of -1 to 1.

    >>> erfinv(tensor(0.0)).item()
    0.0
    """
    return _erfinv(as_tensor(input))


def ndtr(input: Any) -> Tensor:
    """The probability of values up to this one in the normal distribution.

    >>> ndtr(tensor(0.0)).item()
    0.5
    """
    return 0.5 * (1 + erf(as_tensor(input) * math.sqrt(0.5)))


def ndtri(input: Any) -> Tensor:
    """What `ndtr` gives this for.

    >>> ndtri(tensor(0.5)).item()
    0.0
    """
    return math.sqrt(2) * erfinv(2 * as_tensor(input) - 1)
