"""Distributions of vectors, and those that are made of others."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..creation import randn
from ..engine.modes import no_grad
from ..engine.rules import expand, gather, logsumexp
from ..engine.rules.questions import plain
from ..engine.tensor import Tensor, as_tensor
from ..linalg import cholesky, diagonal, inv, solve_triangular
from .base import HALF_LOG_2_PI, Distribution, parameter
from .discrete import Categorical
from .transforms import Transform


class MultivariateNormal(Distribution):
    """The normal distribution of vectors, with mean `loc` and one of: `covariance_matrix`, its
    inverse `precision_matrix`, or its Cholesky factor `scale_tril`.

    >>> normal = MultivariateNormal(zeros(2), covariance_matrix=eye(2))
    >>> round(normal.log_prob(zeros(2)).item(), 4), normal.sample((3,)).shape
    (-1.8379, (3, 2))
    """

    has_rsample = True

    def __init__(
        self,
        loc: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        given = [covariance_matrix, precision_matrix, scale_tril]
        if sum(x is not None for x in given) != 1:
            raise ValueError(
                "MultivariateNormal: give covariance_matrix, precision_matrix or scale_tril, one "
                "of them"
            )
        if covariance_matrix is not None:
            factor = cholesky(parameter(covariance_matrix))
        elif precision_matrix is not None:
            factor = cholesky(inv(parameter(precision_matrix)))
        else:
            factor = parameter(scale_tril)
        loc = parameter(loc, factor)
        n = factor.shape[-1]
        if not loc.ndim or loc.shape[-1] != n:
            raise ValueError(
                f"MultivariateNormal: loc of shape {loc.shape} and a matrix of shape "
                f"{factor.shape} do not fit"
            )
        batch = np.broadcast_shapes(loc.shape[:-1], factor.shape[:-2])
        super().__init__(batch, (n,), validate_args)
        self.loc, self.scale_tril = expand(loc, *batch, n), expand(factor, *batch, n, n)
        self.given = [x if x is None else parameter(x) for x in given]
        found = plain(lambda a: np.diagonal(a, axis1=-2, axis2=-1), self.scale_tril)
        self.check("the diagonal of scale_tril", found, "numbers above 0", lambda a: a > 0)

    def _parameters(self) -> dict[str, Any]:
        names = ("covariance_matrix", "precision_matrix", "scale_tril")
        given = [name for name, x in zip(names, self.given, strict=True) if x is not None]
        return {"loc": self.loc, given[0]: getattr(self, given[0])}

    @property
    def covariance_matrix(self) -> Tensor:
        """The covariances of the components."""
        if self.given[0] is not None:
            return expand(self.given[0], *self.scale_tril.shape)
        return self.scale_tril @ self.scale_tril.mT

    @property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance matrix."""
        if self.given[1] is not None:
            return expand(self.given[1], *self.scale_tril.shape)
        return inv(self.scale_tril @ self.scale_tril.mT)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        noise = randn(self.extended(sample_shape), dtype=self.loc.dtype)
        return self.loc + (self.scale_tril @ noise[..., None])[..., 0]

    def half_log_det(self) -> Tensor:
        """Half the logarithm of the determinant of the covariance matrix."""
        return diagonal(self.scale_tril).log().sum(-1)

    def log_prob(self, value: Any) -> Tensor:
        off = (parameter(value, self.loc) - self.loc)[..., None]
        factor = expand(self.scale_tril, *off.shape[:-2], *self.scale_tril.shape[-2:])
        z = solve_triangular(factor, off, upper=False)[..., 0]
        n = self.event_shape[0]
        return -0.5 * (z * z).sum(-1) - self.half_log_det() - n * HALF_LOG_2_PI

    def entropy(self) -> Tensor:
        return self.half_log_det() + self.event_shape[0] * (0.5 + HALF_LOG_2_PI)

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)
    variance = property(lambda self: (self.scale_tril**2).sum(-1))


class Independent(Distribution):
    """A distribution whose last batch axes count as axes of one event: log_prob and entropy are
    summed over them.

    >>> Independent(Normal(zeros(3), ones(3)), 1).log_prob(zeros(3)).shape
    ()
    """

    def __init__(
        self,
        base_distribution: Distribution,
        reinterpreted_batch_ndims: int,
        validate_args: bool | None = None,
    ) -> None:
        base, n = base_distribution, reinterpreted_batch_ndims
        if not 0 <= n <= len(base.batch_shape):
            raise ValueError(
                f"Independent: {n} axes of an event, the batch shape is {base.batch_shape}"
            )
        keep = len(base.batch_shape) - n
        event = base.batch_shape[keep:] + base.event_shape
        super().__init__(base.batch_shape[:keep], event, validate_args)
        self.base_dist, self.n = base, n

    has_rsample = property(lambda self: self.base_dist.has_rsample)
    mean = property(lambda self: self.base_dist.mean)
    variance = property(lambda self: self.base_dist.variance)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist!r}, {self.n})"

    def summed(self, x: Tensor) -> Tensor:
        """The sum over the axes of an event."""
        return x.sum(tuple(range(-self.n, 0))) if self.n else x

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Any) -> Tensor:
        return self.summed(self.base_dist.log_prob(value))

    def entropy(self) -> Tensor:
        return self.summed(self.base_dist.entropy())


class MixtureSameFamily(Distribution):
    """One of the distributions along the last batch axis of `component_distribution`, chosen by the
    Categorical `mixture_distribution`.

    ValueError where their batch shapes do not agree.

    >>> half = Categorical(tensor([1.0, 1.0]))
    >>> MixtureSameFamily(half, Normal(tensor([-1.0, 3.0]), 1.0)).mean.item()
    1.0
    """

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ) -> None:
        mixture, parts = mixture_distribution, component_distribution
        *batch, n = mixture.logits.shape
        if parts.batch_shape[-1:] != (n,) or (batch and parts.batch_shape[:-1] != tuple(batch)):
            raise ValueError(
                f"MixtureSameFamily: parts of batch shape {parts.batch_shape} are chosen by "
                f"probabilities of shape {mixture.logits.shape}; both end in the number of parts"
            )
        super().__init__(parts.batch_shape[:-1], parts.event_shape, validate_args)
        self.mixture_distribution, self.component_distribution = mixture, parts

    def __repr__(self) -> str:
        parts = f"  {self.mixture_distribution!r},\n  {self.component_distribution!r}"
        return f"MixtureSameFamily(\n{parts})"

    def weighted(self, x: Tensor) -> Tensor:
        """The mean of the parts' values."""
        axes = (1,) * len(self.event_shape)
        probs = self.mixture_distribution.probs
        return (x * probs.reshape(probs.shape + axes)).sum(-1 - len(axes))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape, events = self.extended(sample_shape), len(self.event_shape)
        lead = shape[: len(shape) - events]
        probs = self.mixture_distribution.probs.detach()
        part = Categorical(probs=expand(probs, *lead, probs.shape[-1])).sample()
        every = self.component_distribution.sample(sample_shape)
        places = expand(part.reshape((*lead, 1, *(1,) * events)), *lead, 1, *self.event_shape)
        return gather(every, len(lead), places).squeeze(len(lead))

    def log_prob(self, value: Any) -> Tensor:
        value = as_tensor(value).unsqueeze(-1 - len(self.event_shape))
        parts = self.component_distribution.log_prob(value)
        return logsumexp(parts + self.mixture_distribution.logits, -1)

    def cdf(self, value: Any) -> Tensor:
        component: Any = self.component_distribution
        parts = component.cdf(as_tensor(value).unsqueeze(-1))
        return (parts * self.mixture_distribution.probs).sum(-1)

    @property
    def mean(self) -> Tensor:
        return self.weighted(self.component_distribution.mean)

    @property
    def variance(self) -> Tensor:
        means = self.component_distribution.mean
        apart = means - self.mean.unsqueeze(-1 - len(self.event_shape))
        return self.weighted(self.component_distribution.variance + apart**2)


class TransformedDistribution(Distribution):
    """The distribution of what `transforms`, one or several, make of draws of another.

    >>> log_normal = TransformedDistribution(Normal(0.0, 1.0), ExpTransform())
    >>> round(log_normal.log_prob(tensor(1.0)).item(), 4)
    -0.9189
    """

    def __init__(
        self, base_distribution: Distribution, transforms: Any, validate_args: bool | None = None
    ) -> None:
        base = base_distribution
        several = isinstance(transforms, list | tuple)
        self.transforms: list[Transform] = list(transforms) if several else [transforms]
        axes = max([t.event_dim for t in self.transforms], default=0)
        if more := max(axes - len(base.event_shape), 0):
            base = Independent(base, more)
        shape = base.batch_shape + base.event_shape
        n = len(base.batch_shape)
        super().__init__(shape[:n], shape[n:], validate_args)
        self.base_dist = base

    has_rsample = property(lambda self: self.base_dist.has_rsample)

    def made(self, x: Tensor) -> Tensor:
        """What the transforms make of a draw."""
        for transform in self.transforms:
            x = transform(x)
        return x

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            return self.made(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.made(self.base_dist.rsample(sample_shape))

    def log_prob(self, value: Any) -> Tensor:
        y, total = as_tensor(value), as_tensor(0.0)
        for transform in reversed(self.transforms):
            x = transform.inverse(y)
            slope = transform.log_abs_det_jacobian(x, y)
            rest = len(self.event_shape) - transform.event_dim
            total = total - (slope.sum(tuple(range(-rest, 0))) if rest else slope)
            y = x
        return total + self.base_dist.log_prob(y)

    def cdf(self, value: Any) -> Tensor:
        """The probability of values up to this one."""
        y, sign = as_tensor(value), 1
        for transform in reversed(self.transforms):
            y, sign = transform.inverse(y), sign * transform.sign
        below = self.base_dist.cdf(y)
        return sign * (below - 0.5) + 0.5
