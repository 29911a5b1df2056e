"""Probability distributions in the words of `torch.distributions`: sample, log_prob, entropy.

Parameters are tensors, arrays or numbers, which broadcast; `batch_shape` is the shape of
independent distributions, `event_shape` that of one value. `sample()` has no gradient; `rsample()`,
where `has_rsample`, is a function of the parameters that has one. ValueError for parameters and
values that make no sense, unless `validate_args=False`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from .creation import multinomial, rand, randn
from .engine.modes import asked, no_grad
from .engine.rules import (
    clip,
    erf,
    expand,
    gather,
    log1p,
    logsumexp,
    ops,
    softmax,
    softplus,
    where,
)  # fmt: skip
from .engine.rules.questions import plain
from .engine.tensor import Tensor, as_tensor
from .linalg import cholesky, diagonal, inv, solve_triangular

__all__ = [
    "Bernoulli", "Categorical", "Distribution", "Exponential", "Independent", "Laplace",
    "LogNormal", "MixtureSameFamily", "MultivariateNormal", "Normal", "OneHotCategorical",
    "Uniform", "kl_divergence", "register_kl",
]  # fmt: skip

Shape = tuple[int, ...]
HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)


def parameter(x: Any, like: Any = None) -> Tensor:
    """A tensor of floats; numbers get the dtype of the other parameter."""
    if isinstance(x, Tensor):
        return x
    if isinstance(x, int | float):
        return as_tensor(float(x)) if like is None else Tensor(np.array(float(x), like.dtype))
    return as_tensor(x)


def broadcast(*xs: Any) -> list[Tensor]:
    """The parameters in their common shape."""
    dtype = next((x for x in xs if isinstance(x, Tensor)), None)
    made = [parameter(x, dtype) for x in xs]
    shape = np.broadcast_shapes(*(x.shape for x in made))
    return [x if x.shape == shape else expand(x, *shape) for x in made]


def edge(x: Tensor) -> float:
    return float(np.finfo(x.dtype).eps)


class Distribution:
    """The base: a subclass sets `batch_shape` and `event_shape` and defines what it can."""

    has_rsample: ClassVar[bool] = False

    def __init__(self, batch: Shape, event: Shape = (), validate_args: bool | None = None) -> None:
        self.batch_shape, self.event_shape = tuple(batch), tuple(event)
        self.validate = validate_args is not False

    def check(self, what: str, x: Any, needs: str, right: Callable[[Any], Any]) -> None:
        """ValueError unless `right` is true of every element."""
        if self.validate and not asked(lambda a: bool(np.all(right(a))), x):
            raise ValueError(f"{type(self).__name__}: {what} needs {needs}, got {x}")

    def extended(self, sample_shape: Any = ()) -> Shape:
        """The shape of a sample."""
        shape = (sample_shape,) if isinstance(sample_shape, int) else tuple(sample_shape)
        return shape + self.batch_shape + self.event_shape

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Values drawn at random, `sample_shape` of each; without a gradient."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Values drawn at random that have gradients with respect to the parameters.

        NotImplementedError where there is no such function.
        """
        raise NotImplementedError(
            f"{type(self).__name__}.rsample: values that are chosen have no gradient; use sample() "
            "with log_prob()"
        )

    def log_prob(self, value: Any) -> Tensor:
        """The logarithm of the probability, or of its density."""
        raise NotImplementedError(f"{type(self).__name__}.log_prob")

    def entropy(self) -> Tensor:
        """The expected value of -log_prob."""
        raise NotImplementedError(f"{type(self).__name__}.entropy")

    @property
    def mean(self) -> Tensor:
        """The expected value."""
        raise NotImplementedError(f"{type(self).__name__}.mean")

    @property
    def variance(self) -> Tensor:
        """The expected square of the distance from the mean."""
        raise NotImplementedError(f"{type(self).__name__}.variance")

    @property
    def stddev(self) -> Tensor:
        """The root of the variance."""
        return self.variance.sqrt()

    def perplexity(self) -> Tensor:
        """exp(entropy)"""
        return self.entropy().exp()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(batch {self.batch_shape}, event {self.event_shape})"


class Normal(Distribution):
    """The normal distribution with mean `loc` and standard deviation `scale`.

    >>> Normal(0.0, 1.0).log_prob(tensor(0.0)).item()
    -0.9189385175704956
    """

    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)
        self.check("scale", self.scale, "numbers above 0", lambda a: a > 0)

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

    def entropy(self) -> Tensor:
        return 0.5 + HALF_LOG_2_PI + self.scale.log()

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)
    variance = property(lambda self: self.scale**2)
    stddev = property(lambda self: self.scale)


class Laplace(Distribution):
    """The distribution with density exp(-|x - loc| / scale) / (2 * scale).

    >>> Laplace(0.0, 0.5).log_prob(tensor(0.5)).item()
    -1.0
    """

    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)
        self.check("scale", self.scale, "numbers above 0", lambda a: a > 0)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        u = rand(self.extended(sample_shape), dtype=self.loc.dtype) - 0.5
        return self.loc - self.scale * u.sign() * log1p(-2 * u.abs())

    def log_prob(self, value: Any) -> Tensor:
        z = (parameter(value, self.loc) - self.loc).abs() / self.scale
        return -z - (2 * self.scale).log()

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

    def entropy(self) -> Tensor:
        return 1 - self.rate.log()

    mean = property(lambda self: 1 / self.rate)
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

    def entropy(self) -> Tensor:
        return (self.high - self.low).log()

    mean = property(lambda self: (self.high + self.low) / 2)
    variance = property(lambda self: (self.high - self.low) ** 2 / 12)


class Chosen(Distribution):
    """What Bernoulli and Categorical share: probabilities, or their logits."""

    def __init__(self, probs: Any, logits: Any) -> None:
        if (probs is None) == (logits is None):
            raise ValueError(f"{type(self).__name__}: give probs or logits, one of them")
        self.given_probs = probs is not None
        self.given = parameter(probs if self.given_probs else logits)


class Bernoulli(Chosen):
    """1 with probability `probs`, or sigmoid(`logits`), else 0.

    >>> Bernoulli(0.25).log_prob(tensor(1.0)).exp().item()
    0.25
    """

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        Chosen.__init__(self, probs, logits)
        Distribution.__init__(self, self.given.shape, (), validate_args)
        if self.given_probs:
            self.check("probs", self.given, "numbers from 0 to 1", lambda a: (a >= 0) & (a <= 1))

    @property
    def probs(self) -> Tensor:
        """The probability of 1."""
        return self.given if self.given_probs else ops.sigmoid(self.given)

    @property
    def logits(self) -> Tensor:
        """log(probs / (1 - probs))"""
        if not self.given_probs:
            return self.given
        p = clip(self.given, edge(self.given), 1 - edge(self.given))
        return p.log() - log1p(-p)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        p = self.probs.detach()
        noise = rand(self.extended(sample_shape), dtype=p.dtype)
        return ops.cast(np.less(noise, p), dtype=p.dtype)

    def log_prob(self, value: Any) -> Tensor:
        value = parameter(value, self.given)
        self.check("its value", value, "0 or 1", lambda a: (a == 0) | (a == 1))
        return value * self.logits - softplus(self.logits)

    def entropy(self) -> Tensor:
        return softplus(self.logits) - self.probs * self.logits

    mean = property(lambda self: self.probs)
    variance = property(lambda self: self.probs * (1 - self.probs))


class Categorical(Chosen):
    """One of the classes 0 to n - 1, with probabilities `probs` or softmax(`logits`) along the last
    axis; `probs` are divided by their sum.

    >>> Categorical(tensor([1.0, 3.0])).log_prob(tensor(1)).exp().item()
    0.75
    """

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        Chosen.__init__(self, probs, logits)
        if not self.given.ndim:
            raise ValueError("Categorical: one number for each class is needed, got a 0-d tensor")
        Distribution.__init__(self, self.given.shape[:-1], (), validate_args)
        if self.given_probs:
            sums = self.given.sum(-1, keepdim=True)
            self.check("probs", self.given, "numbers from 0", lambda a: a >= 0)
            self.check("the sum of probs", sums.detach(), "to be above 0", lambda a: a > 0)
            self.probs = self.given / sums
            self.logits = clip(self.probs, edge(self.given), 1 - edge(self.given)).log()
        else:
            self.logits = self.given - logsumexp(self.given, -1, True)
            self.probs = softmax(self.logits, -1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = self.extended(sample_shape)
        rows = self.probs.detach().reshape((-1, self.probs.shape[-1]))
        n = math.prod(shape) // max(rows.shape[0], 1)
        if not rows.shape[0] or not n:
            return Tensor(np.zeros(shape, np.int64))
        return multinomial(rows, n, True).T.reshape(shape)

    def log_prob(self, value: Any) -> Tensor:
        value = value if isinstance(value, Tensor) else Tensor(np.asarray(value))
        n = self.logits.shape[-1]
        whole = f"ints from 0 to {n - 1}"
        self.check("its value", value, whole, lambda a: (a >= 0) & (a < n) & (a == np.floor(a)))
        shape = np.broadcast_shapes(value.shape, self.batch_shape)
        logits = expand(self.logits, *shape, n)
        places = expand(value.to(np.int64), *shape)[..., None]
        return gather(logits, -1, places)[..., 0]

    def entropy(self) -> Tensor:
        least = float(np.finfo(self.logits.dtype).min)
        return -(self.probs * clip(self.logits, least, None)).sum(-1)

    @property
    def mean(self) -> Tensor:
        """NaN: the mean of classes means nothing."""
        return Tensor(np.full(self.batch_shape, np.nan, self.probs.dtype))

    variance = mean

    @property
    def mode(self) -> Tensor:
        """The class that is most probable."""
        return self.probs.argmax(-1)


class OneHotCategorical(Categorical):
    """Categorical, whose values are rows of 0 and a 1.

    >>> OneHotCategorical(tensor([1.0, 3.0])).log_prob(tensor([0.0, 1.0])).exp().item()
    0.75
    """

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        super().__init__(probs, logits, validate_args)
        self.event_shape = self.probs.shape[-1:]

    def classes(self, i: Any) -> Tensor:
        """Rows of 0 and a 1 for classes."""
        return Tensor(np.eye(self.probs.shape[-1], dtype=self.probs.dtype)[i.array])

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return self.classes(Categorical(probs=self.probs.detach()).sample(sample_shape))

    def log_prob(self, value: Any) -> Tensor:
        value = parameter(value, self.probs)
        self.check("its value", value, "0 and a 1", lambda a: (a == 0) | (a == 1))
        self.check("the sum of its value", value.sum(-1), "to be 1", lambda a: a == 1)
        return super().log_prob(value.argmax(-1))

    mean = property(lambda self: self.probs)
    mode = property(lambda self: self.classes(self.probs.argmax(-1)))
    variance = property(lambda self: self.probs * (1 - self.probs))


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

    @property
    def mean(self) -> Tensor:
        return self.weighted(self.component_distribution.mean)

    @property
    def variance(self) -> Tensor:
        means = self.component_distribution.mean
        apart = means - self.mean.unsqueeze(-1 - len(self.event_shape))
        return self.weighted(self.component_distribution.variance + apart**2)


# ---- divergences -------------------------------------------------------------------------------

KL: dict[tuple[type, type], Callable[[Any, Any], Tensor]] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Any], Any]:
    """Decorate the function of (p, q) that `kl_divergence` calls for these classes."""

    def declare(function: Any) -> Any:
        KL[type_p, type_q] = function
        return function

    return declare


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The expected value, over p, of log p - log q.

    NotImplementedError where no formula is registered for the two classes.

    >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0)).item()
    0.5
    """
    for of_p in type(p).__mro__:
        for of_q in type(q).__mro__:
            if (of_p, of_q) in KL:
                return KL[of_p, of_q](p, q)
    raise NotImplementedError(
        f"kl_divergence: no formula for {type(p).__name__} and {type(q).__name__}; declare one "
        "with register_kl, or take the mean of p.log_prob(x) - q.log_prob(x) of samples"
    )


@register_kl(Normal, Normal)
def _normals(p: Normal, q: Normal) -> Tensor:
    ratio, off = (p.scale / q.scale) ** 2, ((p.loc - q.loc) / q.scale) ** 2
    return 0.5 * (ratio + off - 1 - ratio.log())


@register_kl(Uniform, Uniform)
def _uniforms(p: Uniform, q: Uniform) -> Tensor:
    inside = np.logical_and(np.less_equal(q.low, p.low), np.less_equal(p.high, q.high))
    return where(inside, ((q.high - q.low) / (p.high - p.low)).log(), math.inf)


@register_kl(Bernoulli, Bernoulli)
def _bernoullis(p: Bernoulli, q: Bernoulli) -> Tensor:
    one = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    zero = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    one = where(np.equal(p.probs, 0), 0, where(np.equal(q.probs, 0), math.inf, one))
    return one + where(np.equal(p.probs, 1), 0, where(np.equal(q.probs, 1), math.inf, zero))


@register_kl(Categorical, Categorical)
def _categoricals(p: Categorical, q: Categorical) -> Tensor:
    each = p.probs * (p.logits - q.logits)
    each = where(np.equal(p.probs, 0), 0, where(np.equal(q.probs, 0), math.inf, each))
    return each.sum(-1)


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate_normals(p: MultivariateNormal, q: MultivariateNormal) -> Tensor:
    batch = np.broadcast_shapes(p.batch_shape, q.batch_shape)
    n = p.event_shape[0]
    factor, other = (expand(d.scale_tril, *batch, n, n) for d in (q, p))
    spread = solve_triangular(factor, other, upper=False)
    off = expand(q.loc - p.loc, *batch, n)[..., None]
    z = solve_triangular(factor, off, upper=False)
    squares = (spread**2).sum((-2, -1)) + (z**2).sum((-2, -1))
    return q.half_log_det() - p.half_log_det() + 0.5 * (squares - n)


@register_kl(Independent, Independent)
def _independents(p: Independent, q: Independent) -> Tensor:
    if p.n != q.n:
        raise NotImplementedError(f"kl_divergence: events of {p.n} and of {q.n} batch axes")
    return p.summed(kl_divergence(p.base_dist, q.base_dist))
