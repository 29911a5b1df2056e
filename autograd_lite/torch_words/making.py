"""Tensors made like another one, and filled with random numbers in place."""

from __future__ import annotations

from typing import Any

from .. import creation
from ..engine.axes import sizes
from ..engine.methods import on_tensors
from ..engine.tensor import Tensor


@on_tensors
class New:
    """Methods `new_*`, in the dtype of the tensor unless told otherwise, and random `*_`."""

    def new_full(self: Any, size: Any, fill_value: float, **options: Any) -> Tensor:
        """One value in a shape."""
        return creation.full(sizes((size,)), fill_value, **{"dtype": self.dtype, **options})

    def new_zeros(self: Any, *size: Any, **options: Any) -> Tensor:
        """Zeros in a shape."""
        return creation.zeros(*size, **{"dtype": self.dtype, **options})

    def new_ones(self: Any, *size: Any, **options: Any) -> Tensor:
        """Ones in a shape."""
        return creation.ones(*size, **{"dtype": self.dtype, **options})

    def new_empty(self: Any, *size: Any, **options: Any) -> Tensor:
        """What is to be filled, in a shape: zeros."""
        return creation.zeros(*size, **{"dtype": self.dtype, **options})

    def normal_(self: Any, mean: float = 0, std: float = 1, *, generator: Any = None) -> Any:
        """Fill with random numbers of a normal distribution; returns self."""
        return self._fill(lambda g: mean + std * g.standard_normal(self.shape), generator)

    def uniform_(self: Any, low: float = 0, high: float = 1, *, generator: Any = None) -> Any:
        """Fill with random numbers that are uniform on [low, high); returns self."""
        return self._fill(lambda g: g.uniform(low, high, self.shape), generator)

    def exponential_(self: Any, lambd: float = 1, *, generator: Any = None) -> Any:
        """Fill with random numbers of an exponential distribution; returns self."""
        return self._fill(lambda g: g.standard_exponential(self.shape) / lambd, generator)

    def random_(self: Any, low: int = 0, high: int | None = None, *, generator: Any = None) -> Any:
        """Fill with random ints from low to below high; returns self."""
        top = 2 ** (24 if self.dtype.kind == "f" else 31) if high is None else high
        return self._fill(lambda g: g.integers(low, top, self.shape), generator)

    def bernoulli_(self: Any, p: Any = 0.5, *, generator: Any = None) -> Any:
        """Fill with 1 with the probability p, else 0; returns self."""
        return self.copy_(creation.bernoulli(self, p, generator=generator))

    def bernoulli(self: Any, p: Any = None, *, generator: Any = None) -> Tensor:
        """1 with the probability of each element, or p, else 0."""
        return creation.bernoulli(self, p, generator=generator)

    def multinomial(
        self: Any, num_samples: int, replacement: bool = False, *, generator: Any = None
    ) -> Tensor:
        """So many places drawn with the elements as weights."""
        return creation.multinomial(self, num_samples, replacement, generator=generator)

    def _fill(self: Any, draw: Any, generator: Any) -> Any:
        return self.copy_(creation._random(draw, generator, self.dtype))
