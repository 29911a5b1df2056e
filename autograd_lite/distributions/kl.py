"""Divergences: how far one distribution is from another."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.rules import expand, log1p, softplus, where
from ..engine.tensor import Tensor
from ..linalg import solve_triangular
from ..special import digamma, gammaln
from .base import Distribution
from .continuous import Exponential, HalfNormal, Laplace, Normal, Uniform
from .discrete import Bernoulli, Binomial, Categorical, Geometric, Poisson
from .gammas import Beta, Dirichlet, Gamma
from .multivariate import Independent, MultivariateNormal

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


@register_kl(Laplace, Laplace)
def _laplaces(p: Laplace, q: Laplace) -> Tensor:
    ratio, off = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + off / q.scale + ratio * (-off / p.scale).exp() - 1


@register_kl(Exponential, Exponential)
def _exponentials(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@register_kl(HalfNormal, HalfNormal)
def _half_normals(p: HalfNormal, q: HalfNormal) -> Tensor:
    return _normals(p.base_dist, q.base_dist)


@register_kl(Poisson, Poisson)
def _poissons(p: Poisson, q: Poisson) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Binomial, Binomial)
def _binomials(p: Binomial, q: Binomial) -> Tensor:
    if not np.equal(p.total_count, q.total_count).all():
        raise NotImplementedError("kl_divergence: two Binomials of different counts")
    return p.total_count * _bernoullis(p, q)


@register_kl(Geometric, Geometric)
def _geometrics(p: Geometric, q: Geometric) -> Tensor:
    return -p.entropy() - log1p(-q.probs) / p.probs - q.logits


@register_kl(Gamma, Gamma)
def _gammas(p: Gamma, q: Gamma) -> Tensor:
    a, b = p.concentration, q.concentration
    norms = gammaln(b) - gammaln(a) + b * (p.rate / q.rate).log()
    return norms + (a - b) * digamma(a) + (q.rate - p.rate) * (a / p.rate)


@register_kl(Beta, Beta)
def _betas(p: Beta, q: Beta) -> Tensor:
    (a, b), (c, d) = p.both(), q.both()
    moved = (a - c) * digamma(a) + (b - d) * digamma(b) + (c + d - a - b) * digamma(a + b)
    return q.log_norm() - p.log_norm() + moved


@register_kl(Dirichlet, Dirichlet)
def _dirichlets(p: Dirichlet, q: Dirichlet) -> Tensor:
    a, b = p.concentration, q.concentration
    norms = gammaln(a.sum(-1)) - gammaln(b.sum(-1)) - (gammaln(a) - gammaln(b)).sum(-1)
    moved = digamma(a) - digamma(a.sum(-1, keepdim=True))
    return norms + ((a - b) * moved).sum(-1)
