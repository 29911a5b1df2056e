"""Distributions of real numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..creation import rand, randn
from ..engine.rules import arctan, clip, erf, expm1, log1p, tan, where
from ..engine.tensor import Tensor
from ..special import erfinv
from .base import HALF_LOG_2_PI, Distribution, broadcast, edge, parameter


class LocationScale(Distribution):
    """A distribution that is moved by `loc` and stretched by `scale`, which is above 0."""

    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)
        self.check("scale", self.scale, "numbers above 0", lambda a: a > 0)


class Normal(LocationScale):
    """The normal distribution with mean `loc` and standard deviation `scale`.

    >>> Normal(0.0, 1.0).log_prob(tensor(0.0)).item()
    -0.9189385175704956
    """

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        noise = randn(self.extended(sample_shape), dtype=self.loc.dtype)
        return self.loc + noise * self.scale

    def log_prob(self, value: Any) -> Tensor:
        z = (parameter(value, self.loc) - self.loc) / self.scale
        return -0.5 * z * z - self.scale.log() - HALF_LOG_2_PI

    def cdf(self, value: Any) -> Tensor:
        """The probability of values up to this one."""
        z = (parameter(value, self.loc) - self.loc) / (self.scale * math.sqrt(2))
        return 0.5 * (1 + erf(z))

    def icdf(self, value: Any) -> Tensor:
        """The value up to which there is this probability."""
        z = erfinv(2 * parameter(value, self.loc) - 1) * math.sqrt(2)
        return self.loc + self.scale * z

    def entropy(self) -> Tensor:
        return 0.5 + HALF_LOG_2_PI + self.scale.log()

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)
    variance = property(lambda self: self.scale**2)
    stddev = property(lambda self: self.scale)


class Laplace(LocationScale):
    """The distribution with density exp(-|x - loc| / scale) / (2 * scale).

    >>> Laplace(0.0, 0.5).log_prob(tensor(0.5)).item()
    -1.0
    """

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        u = rand(self.extended(sample_shape), dtype=self.loc.dtype) - 0.5
        return self.loc - self.scale * u.sign() * log1p(-2 * u.abs())

    def log_prob(self, value: Any) -> Tensor:
        z = (parameter(value, self.loc) - self.loc).abs() / self.scale
        return -z - (2 * self.scale).log()

    def cdf(self, value: Any) -> Tensor:
        """The probability of values up to this one."""
        z = (parameter(value, self.loc) - self.loc) / self.scale
        return 0.5 - 0.5 * z.sign() * expm1(-z.abs())

    def icdf(self, value: Any) -> Tensor:
        """The value up to which there is this probability."""
        term = parameter(value, self.loc) - 0.5
        return self.loc - self.scale * term.sign() * log1p(-2 * term.abs())

    def entropy(self) -> Tensor:
        return 1 + (2 * self.scale).log()

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)
    variance = property(lambda self: 2 * self.scale**2)


class Exponential(Distribution):
    """The distribution of numbers from 0 with density rate * exp(-rate * x).

    >>> Exponential(2.0).mean.item()
    0.5
    """

    has_rsample = True

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast(rate)
        super().__init__(self.rate.shape, (), validate_args)
        self.check("rate", self.rate, "numbers above 0", lambda a: a > 0)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return -log1p(-rand(self.extended(sample_shape), dtype=self.rate.dtype)) / self.rate

    def log_prob(self, value: Any) -> Tensor:
        value = parameter(value, self.rate)
        self.check("its value", value, "numbers from 0", lambda a: a >= 0)
        return self.rate.log() - self.rate * value

    def cdf(self, value: Any) -> Tensor:
        """The probability of values up to this one."""
        return -expm1(-self.rate * parameter(value, self.rate))

    def icdf(self, value: Any) -> Tensor:
        """The value up to which there is this probability."""
        return -log1p(-parameter(value, self.rate)) / self.rate

    def entropy(self) -> Tensor:
        return 1 - self.rate.log()

    mean = property(lambda self: 1 / self.rate)
    mode = property(lambda self: 0 * self.rate.detach())
    variance = property(lambda self: 1 / self.rate**2)


class LogNormal(Normal):
    """The distribution of exp(x) for x of the normal distribution with `loc` and `scale`.

    >>> LogNormal(0.0, 1.0).log_prob(tensor(1.0)).item()
    -0.9189385175704956
    """

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return super().rsample(sample_shape).exp()

    def log_prob(self, value: Any) -> Tensor:
        value = parameter(value, self.loc)
        self.check("its value", value, "numbers above 0", lambda a: a > 0)
        return super().log_prob(value.log()) - value.log()

    def cdf(self, value: Any) -> Tensor:
        return super().cdf(parameter(value, self.loc).log())

    def icdf(self, value: Any) -> Tensor:
        return super().icdf(value).exp()

    def entropy(self) -> Tensor:
        return super().entropy() + self.loc

    mean = property(lambda self: (self.loc + self.scale**2 / 2).exp())
    mode = property(lambda self: (self.loc - self.scale**2).exp())
    variance = property(
        lambda self: ((self.scale**2).exp() - 1) * (2 * self.loc + self.scale**2).exp()
    )
    stddev = property(lambda self: self.variance.sqrt())


class Uniform(Distribution):
    """The uniform distribution on [low, high).

    >>> Uniform(0.0, 4.0).log_prob(tensor(1.0)).exp().item()
    0.25
    """

    has_rsample = True

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self.low, self.high = broadcast(low, high)
        super().__init__(self.low.shape, (), validate_args)
        wide = self.high - self.low
        self.check("high - low", wide.detach(), "numbers above 0", lambda a: a > 0)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        noise = rand(self.extended(sample_shape), dtype=self.low.dtype)
        return self.low + noise * (self.high - self.low)

    def log_prob(self, value: Any) -> Tensor:
        value = parameter(value, self.low)
        inside = np.logical_and(np.less_equal(self.low, value), np.less(value, self.high))
        edges = np.logical_and(np.less_equal(self.low, value), np.less_equal(value, self.high))
        self.check("its value", edges, "numbers from low to high", lambda a: a)
        return where(inside, -(self.high - self.low).log(), -math.inf)

    def cdf(self, value: Any) -> Tensor:
        """The probability of values up to this one."""
        share = (parameter(value, self.low) - self.low) / (self.high - self.low)
        return clip(share, 0, 1)

    def icdf(self, value: Any) -> Tensor:
        """The value up to which there is this probability."""
        return self.low + (self.high - self.low) * parameter(value, self.low)

    def entropy(self) -> Tensor:
        return (self.high - self.low).log()

    mean = property(lambda self: (self.high + self.low) / 2)
    variance = property(lambda self: (self.high - self.low) ** 2 / 12)


class Cauchy(LocationScale):
    """The distribution of the quotient of two normal numbers, moved by `loc`, times `scale`.

    >>> round(Cauchy(0.0, 1.0).log_prob(tensor(0.0)).exp().item() * math.pi, 4)
    1.0
    """

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        u = rand(self.extended(sample_shape), dtype=self.loc.dtype)
        return self.loc + self.scale * tan(math.pi * (u - 0.5))

    def log_prob(self, value: Any) -> Tensor:
        z = (parameter(value, self.loc) - self.loc) / self.scale
        return -math.log(math.pi) - self.scale.log() - log1p(z**2)

    def cdf(self, value: Any) -> Tensor:
        """The probability of values up to this one."""
        return arctan((parameter(value, self.loc) - self.loc) / self.scale) / math.pi + 0.5

    def icdf(self, value: Any) -> Tensor:
        """The value up to which there is this probability."""
        return self.loc + self.scale * tan(math.pi * (parameter(value, self.loc) - 0.5))

    def entropy(self) -> Tensor:
        return math.log(4 * math.pi) + self.scale.log()

    mode = property(lambda self: self.loc)

    @property
    def mean(self) -> Tensor:
        """NaN: there is none."""
        return Tensor(np.full(self.batch_shape, math.nan, self.loc.dtype))

    @property
    def variance(self) -> Tensor:
        """Infinite."""
        return Tensor(np.full(self.batch_shape, math.inf, self.loc.dtype))


class HalfNormal(Distribution):
    """The distribution of the size of a normal number.

    >>> round(HalfNormal(1.0).mean.item() ** 2 * math.pi, 4)
    2.0
    """

    has_rsample = True
    whole: Any = Normal

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        (self.scale,) = broadcast(scale)
        super().__init__(self.scale.shape, (), validate_args)
        self.check("scale", self.scale, "numbers above 0", lambda a: a > 0)
        self.base_dist = self.whole(0 * self.scale.detach(), self.scale, validate_args=False)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.base_dist.rsample(sample_shape).abs()

    def log_prob(self, value: Any) -> Tensor:
        value = parameter(value, self.scale)
        self.check("its value", value, "numbers from 0", lambda a: a >= 0)
        return where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value: Any) -> Tensor:
        """The probability of values up to this one."""
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, value: Any) -> Tensor:
        """The value up to which there is this probability."""
        return self.base_dist.icdf((parameter(value, self.scale) + 1) / 2)

    def entropy(self) -> Tensor:
        return self.base_dist.entropy() - math.log(2)

    mean = property(lambda self: self.scale * math.sqrt(2 / math.pi))
    mode = property(lambda self: 0 * self.scale.detach())
    variance = property(lambda self: self.scale**2 * (1 - 2 / math.pi))


class HalfCauchy(HalfNormal):
    """The distribution of the size of a Cauchy number.

    >>> round(HalfCauchy(1.0).log_prob(tensor(0.0)).exp().item() * math.pi, 4)
    2.0
    """

    whole = Cauchy

    mean = property(lambda self: Tensor(np.full(self.batch_shape, math.inf, self.scale.dtype)))
    variance = property(lambda self: self.base_dist.variance)


class Gumbel(LocationScale):
    """The distribution of -log(-log(u)) for a uniform u, moved by `loc`, times `scale`.

    >>> Gumbel(0.0, 1.0).log_prob(tensor(0.0)).item()
    -1.0
    """

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        u = clip(
            rand(self.extended(sample_shape), dtype=self.loc.dtype),
            float(np.finfo(self.loc.dtype).tiny),
            1 - edge(self.loc),
        )
        return self.loc - self.scale * (-u.log()).log()

    def log_prob(self, value: Any) -> Tensor:
        z = (parameter(value, self.loc) - self.loc) / self.scale
        return -z - (-z).exp() - self.scale.log()

    def cdf(self, value: Any) -> Tensor:
        """The probability of values up to this one."""
        z = (parameter(value, self.loc) - self.loc) / self.scale
        return (-(-z).exp()).exp()

    def icdf(self, value: Any) -> Tensor:
        """The value up to which there is this probability."""
        return self.loc - self.scale * (-parameter(value, self.loc).log()).log()

    def entropy(self) -> Tensor:
        return self.scale.log() + (1 + np.euler_gamma)

    mean = property(lambda self: self.loc + self.scale * np.euler_gamma)
    mode = property(lambda self: self.loc)
    variance = property(lambda self: (math.pi**2 / 6) * self.scale**2)
