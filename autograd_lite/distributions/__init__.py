"""Probability distributions in the words of `torch.distributions`: sample, log_prob, entropy.

Parameters are tensors, arrays or numbers, which broadcast; `batch_shape` is the shape of
independent distributions, `event_shape` that of one value. `sample()` has no gradient; `rsample()`,
where `has_rsample`, is a function of the parameters that has one. ValueError for parameters and
values that make no sense, unless `validate_args=False`.
"""

from typing import Any

from ..absent import missing
from . import constraints, kl, transforms
from .base import Distribution
from .continuous import (
    Cauchy,
    Exponential,
    Gumbel,
    HalfCauchy,
    HalfNormal,
    Laplace,
    LogNormal,
    Normal,
    Uniform,
)
from .discrete import (
    Bernoulli,
    Binomial,
    Categorical,
    Geometric,
    Multinomial,
    OneHotCategorical,
    Poisson,
)
from .gammas import Beta, Chi2, Dirichlet, Gamma, StudentT
from .kl import kl_divergence, register_kl
from .multivariate import (
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    TransformedDistribution,
)
from .transforms import *

__all__ = [
    "Bernoulli", "Beta", "Binomial", "Categorical", "Cauchy", "Chi2", "Dirichlet", "Distribution",
    "Exponential", "Gamma", "Geometric", "Gumbel", "HalfCauchy", "HalfNormal", "Independent",
    "Laplace", "LogNormal", "MixtureSameFamily", "Multinomial", "MultivariateNormal", "Normal",
    "OneHotCategorical", "Poisson", "StudentT", "TransformedDistribution", "Uniform",
    "constraints", "kl", "kl_divergence", "register_kl", "transforms",
]  # fmt: skip
__all__ += transforms.__all__


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)
