"""The base of distributions, and what they share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

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
