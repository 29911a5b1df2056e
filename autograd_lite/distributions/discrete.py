"""Distributions of classes and of counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..creation import default_generator, multinomial, rand
from ..engine.rules import clip, expand, gather, log1p, logsumexp, ops, softmax, softplus, where
from ..engine.tensor import Tensor, as_tensor
from ..special import gammaln
from ..torch_words.arithmetic import xlogy
from .base import Distribution, broadcast, edge, parameter


class Chosen(Distribution):
    """What Bernoulli and Categorical share: probabilities, or their logits."""

    def __init__(self, probs: Any, logits: Any) -> None:
        if (probs is None) == (logits is None):
            raise ValueError(f"{type(self).__name__}: give probs or logits, one of them")
        self.given_probs = probs is not None
        self.given = parameter(probs if self.given_probs else logits)

    def _parameters(self) -> dict[str, Any]:
        count = vars(self).get("total_count")
        return {
            **({} if count is None else {"total_count": as_tensor(count)}),
            "probs" if self.given_probs else "logits": self.given,
        }


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

    has_enumerate_support = True

    def _values(self) -> Any:
        return np.arange(2, dtype=self.given.dtype)

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

    has_enumerate_support = True

    def _values(self) -> Any:
        return np.arange(self.probs.shape[-1])

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

    def _values(self) -> Any:
        return np.eye(self.probs.shape[-1], dtype=self.probs.dtype)

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


class Geometric(Bernoulli):
    """How many draws of a Bernoulli are 0 before the first 1.

    >>> Geometric(0.25).mean.item()
    3.0
    """

    has_enumerate_support, _values = False, Distribution._values

    def sample(self, sample_shape: Any = ()) -> Tensor:
        p = expand(self.probs.detach(), *self.extended(sample_shape)).array
        return Tensor(np.asarray(default_generator().geometric(p) - 1, p.dtype))

    def log_prob(self, value: Any) -> Tensor:
        value = parameter(value, self.given)
        self.check("its value", value, "whole numbers from 0", is_count)
        return value * log1p(-self.probs) + self.probs.log()

    def entropy(self) -> Tensor:
        return super().entropy() / self.probs

    mean = property(lambda self: 1 / self.probs - 1)
    variance = property(lambda self: (1 / self.probs - 1) / self.probs)


def is_count(a: Any) -> Any:
    return (a >= 0) & (a == np.floor(a))


class Binomial(Bernoulli):
    """How many of `total_count` draws of a Bernoulli are 1.

    >>> Binomial(2, 0.5).log_prob(tensor(1.0)).exp().item()
    0.5
    """

    def __init__(
        self,
        total_count: Any = 1,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(probs, logits, validate_args)
        self.total_count, self.given = broadcast(total_count, self.given)
        self.batch_shape = self.given.shape
        self.check("total_count", self.total_count, "whole numbers from 0", is_count)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = self.extended(sample_shape)
        p, n = (expand(x.detach(), *shape).array for x in (self.probs, self.total_count))
        return Tensor(np.asarray(default_generator().binomial(n.astype(int), p), p.dtype))

    def log_prob(self, value: Any) -> Tensor:
        value, n = parameter(value, self.given), self.total_count
        self.check("its value", value, "whole numbers from 0", is_count)
        self.check("total_count - value", (n - value).detach(), "to be from 0", lambda a: a >= 0)
        ways = gammaln(n + 1) - gammaln(value + 1) - gammaln(n - value + 1)
        return ways + value * self.logits - n * softplus(self.logits)

    def entropy(self) -> Tensor:
        """Summed over all values; NotImplementedError where total_count is not one number."""
        log_p = self.log_prob(self.enumerate_support())
        return -(log_p.exp() * log_p).sum(0)

    def _values(self) -> Any:
        n = np.unique(self.total_count.array)
        if len(n) != 1:
            raise NotImplementedError("Binomial: total_count differs, and with it the values")
        return np.arange(n[0] + 1, dtype=self.given.dtype)

    mean = property(lambda self: self.total_count * self.probs)
    variance = property(lambda self: self.total_count * self.probs * (1 - self.probs))


class Multinomial(Categorical):
    """How many of `total_count` draws of a Categorical are of each class, along the last axis.

    >>> Multinomial(2, tensor([1.0, 1.0])).log_prob(tensor([1.0, 1.0])).exp().item()
    0.5
    """

    has_enumerate_support, _values = False, Distribution._values

    def __init__(
        self,
        total_count: int = 1,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError(f"Multinomial: total_count is an int, got {total_count!r}")
        super().__init__(probs, logits, validate_args)
        self.total_count, self.event_shape = total_count, self.probs.shape[-1:]

    def sample(self, sample_shape: Any = ()) -> Tensor:
        p = expand(self.probs.detach(), *self.extended(sample_shape)).array
        wide = p.astype(float)
        drawn = default_generator().multinomial(
            self.total_count, wide / wide.sum(-1, keepdims=True)
        )
        return Tensor(np.asarray(drawn, p.dtype))

    def log_prob(self, value: Any) -> Tensor:
        value = parameter(value, self.logits)
        self.check("its value", value, "whole numbers from 0", is_count)
        right = lambda a: a == self.total_count
        self.check("the sum of its value", value.sum(-1), f"to be {self.total_count}", right)
        ways = gammaln(value.sum(-1) + 1) - gammaln(value + 1).sum(-1)
        none = np.logical_and(np.equal(value, 0), np.equal(self.probs, 0))
        return ways + (where(none, 0, self.logits) * value).sum(-1)

    def entropy(self) -> Tensor:
        """Summed over the counts of each class by itself, and over the classes."""
        n = self.total_count
        counts = np.arange(1, n + 1, dtype=self.probs.dtype).reshape(-1, *[1] * self.probs.ndim)
        each = Binomial(n, self.probs, validate_args=False).log_prob(
            expand(Tensor(counts), -1, *self.probs.shape)
        )
        own = n * super().entropy() - math.lgamma(n + 1)
        return own + (each.exp() * gammaln(Tensor(counts) + 1)).sum((0, -1))

    mean = property(lambda self: self.probs * self.total_count)
    variance = property(lambda self: self.total_count * self.probs * (1 - self.probs))


class Poisson(Distribution):
    """The number of events that are expected to be `rate`.

    >>> Poisson(2.0).log_prob(tensor(0.0)).item()
    -2.0
    """

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        self.rate = parameter(rate)
        super().__init__(self.rate.shape, (), validate_args)
        self.check("rate", self.rate, "numbers from 0", lambda a: a >= 0)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        rate = expand(self.rate.detach(), *self.extended(sample_shape)).array
        return Tensor(np.asarray(default_generator().poisson(rate), rate.dtype))

    def log_prob(self, value: Any) -> Tensor:
        value = parameter(value, self.rate)
        self.check("its value", value, "whole numbers from 0", is_count)
        return xlogy(value, self.rate) - self.rate - gammaln(value + 1)

    mean = property(lambda self: self.rate)
    variance = property(lambda self: self.rate)
