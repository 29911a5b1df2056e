"""The gamma distribution, and those that are made of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..creation import default_generator, randn
from ..engine.op import Op
from ..engine.rules import clip, expand, log1p
from ..engine.tensor import Tensor
from ..special import digamma, gammaln, poly_gamma
from ..torch_words.arithmetic import xlogy
from .base import Distribution, broadcast, parameter


def gamma_slope(a: Any, z: Any) -> Any:
    """How a draw z of the gamma distribution moves with its concentration a, where its place in the
    distribution stays: -(dF/da) / (dF/dz), for the series
    F = z**a * exp(-z) * sum(z**n / gamma(a + n + 1)) of the distribution function.

    Figurnov, Mohamed and Mnih 2018, https://arxiv.org/abs/1805.08498, equation 6.
    """
    alpha, x = np.asarray(a, float), np.asarray(z, float)
    with np.errstate(all="ignore"):
        psi = poly_gamma(alpha + 1, 0)
    log, term = np.log(x), 1 / alpha
    total, size, n = np.zeros_like(x), np.zeros_like(x), 0
    while n < 10 or np.any(np.abs(term) > 1e-17 * size):
        total += term * (log - psi)
        size += term
        n += 1
        psi = psi + 1 / (alpha + n)
        term = term * x / (alpha + n)
    return (-x * total).astype(np.asarray(a).dtype)


def no_second(g: Any, y: Any, *args: Any) -> Any:
    raise RuntimeError(
        "gamma_slope: draws of the gamma distribution have no second derivatives; call without "
        "create_graph"
    )


_slope = Op("gamma_slope", gamma_slope, no_second, no_second)
_drawn = Op("gamma_drawn", lambda a, z: z, lambda g, y, a, z: g * _slope(a, z), None)


def gamma_draw(concentration: Any) -> Tensor:
    """A draw for each element, of rate 1, which moves with it."""
    a = concentration.array
    z = np.asarray(default_generator().standard_gamma(a), a.dtype)  # a float for 0-d
    return _drawn(concentration, np.maximum(z, np.finfo(a.dtype).tiny))


class Gamma(Distribution):
    """The distribution of numbers from 0 with density proportional to
    x**(concentration - 1) * exp(-rate * x).

    >>> Gamma(2.0, 4.0).mean.item()
    0.5
    """

    has_rsample = True

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast(concentration, rate)
        super().__init__(self.rate.shape, (), validate_args)
        self.check("concentration", self.concentration, "numbers above 0", lambda a: a > 0)
        self.check("rate", self.rate, "numbers above 0", lambda a: a > 0)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return gamma_draw(expand(self.concentration, *self.extended(sample_shape))) / self.rate

    def log_prob(self, value: Any) -> Tensor:
        value, a = parameter(value, self.rate), self.concentration
        self.check("its value", value, "numbers from 0", lambda v: v >= 0)
        return xlogy(a, self.rate) + xlogy(a - 1, value) - self.rate * value - gammaln(a)

    def entropy(self) -> Tensor:
        a = self.concentration
        return a - self.rate.log() + gammaln(a) + (1 - a) * digamma(a)

    mean = property(lambda self: self.concentration / self.rate)
    mode = property(lambda self: clip((self.concentration - 1) / self.rate, min=0))
    variance = property(lambda self: self.concentration / self.rate**2)


class Chi2(Gamma):
    """The distribution of the sum of `df` squares of normal numbers.

    >>> Chi2(3.0).mean.item()
    3.0
    """

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        self.df = parameter(df)
        super().__init__(0.5 * self.df, 0.5, validate_args)


class Dirichlet(Distribution):
    """The distribution of probabilities, along the last axis, with density proportional to
    the product of x**(concentration - 1).

    >>> Dirichlet(tensor([1.0, 3.0])).mean.tolist()
    [0.25, 0.75]
    """

    has_rsample = True

    def __init__(self, concentration: Any, validate_args: bool | None = None) -> None:
        self.concentration = parameter(concentration)
        if not self.concentration.ndim:
            raise ValueError("Dirichlet: one number for each class is needed, got a 0-d tensor")
        shape = self.concentration.shape
        super().__init__(shape[:-1], shape[-1:], validate_args)
        self.check("concentration", self.concentration, "numbers above 0", lambda a: a > 0)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        draws = gamma_draw(expand(self.concentration, *self.extended(sample_shape)))
        return draws / draws.sum(-1, keepdim=True)

    def log_prob(self, value: Any) -> Tensor:
        value, a = parameter(value, self.concentration), self.concentration
        self.check("its value", value, "numbers from 0", lambda v: v >= 0)
        whole = lambda s: np.abs(s - 1) < 1e-6
        self.check("the sum of its value", value.detach().sum(-1), "to be 1", whole)
        return xlogy(a - 1, value).sum(-1) + gammaln(a.sum(-1)) - gammaln(a).sum(-1)

    def entropy(self) -> Tensor:
        a, total, k = self.concentration, self.concentration.sum(-1), self.event_shape[0]
        spread = gammaln(a).sum(-1) - gammaln(total) - (k - total) * digamma(total)
        return spread - ((a - 1) * digamma(a)).sum(-1)

    mean = property(lambda self: self.concentration / self.concentration.sum(-1, keepdim=True))

    @property
    def variance(self) -> Tensor:
        mean, total = self.mean, self.concentration.sum(-1, keepdim=True)
        return mean * (1 - mean) / (total + 1)


class Beta(Distribution):
    """The distribution of numbers from 0 to 1 with density proportional to
    x**(concentration1 - 1) * (1 - x)**(concentration0 - 1).

    >>> Beta(1.0, 3.0).mean.item()
    0.25
    """

    has_rsample = True

    def __init__(
        self, concentration1: Any, concentration0: Any, validate_args: bool | None = None
    ) -> None:
        self.concentration1, self.concentration0 = broadcast(concentration1, concentration0)
        super().__init__(self.concentration1.shape, (), validate_args)
        for name in ("concentration1", "concentration0"):
            self.check(name, getattr(self, name), "numbers above 0", lambda a: a > 0)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self.extended(sample_shape)
        one, zero = (gamma_draw(expand(a, *shape)) for a in self.both())
        return one / (one + zero)

    def both(self) -> tuple[Tensor, Tensor]:
        """Both concentrations."""
        return self.concentration1, self.concentration0

    def log_norm(self) -> Tensor:
        """The logarithm of the beta function."""
        a, b = self.both()
        return gammaln(a) + gammaln(b) - gammaln(a + b)

    def log_prob(self, value: Any) -> Tensor:
        value, (a, b) = parameter(value, self.concentration1), self.both()
        self.check("its value", value, "numbers from 0 to 1", lambda v: (v >= 0) & (v <= 1))
        return xlogy(a - 1, value) + xlogy(b - 1, 1 - value) - self.log_norm()

    def entropy(self) -> Tensor:
        a, b = self.both()
        rest = (a + b - 2) * digamma(a + b) - (a - 1) * digamma(a) - (b - 1) * digamma(b)
        return self.log_norm() + rest

    mean = property(lambda self: self.concentration1 / sum(self.both()))

    @property
    def variance(self) -> Tensor:
        a, b = self.both()
        return a * b / ((a + b) ** 2 * (a + b + 1))


class StudentT(Distribution):
    """Student's t distribution: normal numbers over the root of the mean of `df` squares of others.

    >>> round(StudentT(1.0).log_prob(tensor(0.0)).exp().item() * math.pi, 4)
    1.0
    """

    has_rsample = True

    def __init__(
        self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        self.df, self.loc, self.scale = broadcast(df, loc, scale)
        super().__init__(self.df.shape, (), validate_args)
        self.check("df", self.df, "numbers above 0", lambda a: a > 0)
        self.check("scale", self.scale, "numbers above 0", lambda a: a > 0)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self.extended(sample_shape)
        squares = Chi2(self.df, validate_args=False).rsample(sample_shape)
        noise = randn(shape, dtype=self.loc.dtype) * (self.df / squares).sqrt()
        return self.loc + self.scale * noise

    def log_prob(self, value: Any) -> Tensor:
        z = (parameter(value, self.loc) - self.loc) / self.scale
        norm = self.scale.log() + 0.5 * self.df.log() + 0.5 * math.log(math.pi)
        norm = norm + gammaln(0.5 * self.df) - gammaln(0.5 * (self.df + 1))
        return -0.5 * (self.df + 1) * log1p(z**2 / self.df) - norm

    def entropy(self) -> Tensor:
        half = 0.5 * (self.df + 1)
        beta = gammaln(0.5 * self.df) + gammaln(Tensor(np.array(0.5, self.df.dtype)))
        spread = half * (digamma(half) - digamma(0.5 * self.df))
        return self.scale.log() + spread + 0.5 * self.df.log() + beta - gammaln(half)

    @property
    def mean(self) -> Tensor:
        """`loc`; NaN for a df up to 1, which has none."""
        return self.loc + np.where(self.df.array > 1, 0, math.nan).astype(self.loc.dtype)

    @property
    def variance(self) -> Tensor:
        """Infinite for a df from 1 to 2, and NaN for one up to 1."""
        df, n = self.df.detach().array, self.df
        large = np.where(df > 2, df, 3.0).astype(df.dtype)
        held = n + (large - df)  # n where it is above 2, and no slope elsewhere
        value = self.scale**2 * held / (held - 2)
        over = np.where(df > 2, 1, np.where(df > 1, math.inf, math.nan)).astype(df.dtype)
        return value * over
