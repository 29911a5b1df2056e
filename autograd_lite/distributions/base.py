"""The base of distributions, and what they share."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from typing import Any, ClassVar, Self

import numpy as np

from ..engine.modes import asked, no_grad
from ..engine.rules import expand
from ..engine.tensor import Tensor, as_tensor

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
    has_enumerate_support: ClassVar[bool] = False

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

    def cdf(self, value: Any) -> Tensor:
        """The probability of values up to this one."""
        raise NotImplementedError(f"{type(self).__name__}.cdf")

    def icdf(self, value: Any) -> Tensor:
        """The value up to which there is this probability."""
        raise NotImplementedError(f"{type(self).__name__}.icdf")

    def _values(self) -> Any:
        """All values as an array, along its first axis."""
        raise NotImplementedError(
            f"{type(self).__name__}.enumerate_support: its values are not so few that they can be "
            "listed; draw some with sample()"
        )

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values that there are, along a new first axis, for each of the batch, or, with
        expand=False, once for all of it. NotImplementedError where they are endless.

        >>> from autograd_lite.distributions import Bernoulli
        >>> Bernoulli(tensor([0.2, 0.5])).enumerate_support().tolist()
        [[0.0, 0.0], [1.0, 1.0]]
        """
        a = self._values()
        a = a.reshape(a.shape[:1] + (1,) * len(self.batch_shape) + a.shape[1:])
        shape = a.shape[:1] + self.batch_shape + self.event_shape
        return Tensor(np.broadcast_to(a, shape).copy() if expand else a)

    def expand(self, batch_shape: Any) -> Self:
        """The same distribution with its parameters in a larger batch shape, which they have the
        gradients of.

        >>> from autograd_lite.distributions import Normal
        >>> Normal(tensor(0.0), 1.0).expand((3,)).sample().shape
        (3,)
        """
        found, n = copy(self), len(self.batch_shape)
        found.batch_shape = tuple(batch_shape)
        for name, x in vars(self).items():
            if isinstance(x, Tensor):
                setattr(found, name, expand(x, *found.batch_shape, *x.shape[n:]))
            elif isinstance(x, Distribution):
                setattr(found, name, x.expand(found.batch_shape + x.batch_shape[n:]))
        return found

    def _parameters(self) -> dict[str, Any]:
        """What it was made of."""
        return {k: v for k, v in vars(self).items() if isinstance(v, Tensor)}

    def __repr__(self) -> str:
        parts = [f"{k}: {v if v.size == 1 else v.shape}" for k, v in self._parameters().items()]
        return f"{type(self).__name__}({', '.join(parts)})"
