"""Tensors made like another one, and filled with random numbers in place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import creation, special
from ..engine.axes import Shape, sizes
from ..engine.methods import on_tensors
from ..engine.tensor import Tensor
from ..engine.versions import changed


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

    def new(self: Any, *given: Any) -> Tensor:
        """PyTorch's older `new_empty` of sizes and `new_tensor` of values.

        >>> tensor([1.0]).new(2).tolist(), tensor([1.0]).new([2, 3]).tolist()
        ([0.0, 0.0], [2.0, 3.0])
        """
        if len(given) == 1 and not isinstance(given[0], int | Shape):
            return self.new_tensor(given[0])
        return self.new_empty(*given)

    def resize_(self: Any, *sizes_: Any) -> Any:
        """Take another shape; what elements are new are 0, and those that are too many are gone.
        Returns self. RuntimeError for a tensor that requires grad."""
        if self.requires_grad:
            raise RuntimeError("resize_: a tensor that requires grad keeps its shape; use reshape")
        shape = sizes(sizes_)
        if math.prod(shape) <= self.array.size:
            self.array = self.array.reshape(-1)[: math.prod(shape)].reshape(shape)
        else:
            old, self.array = self.array, np.zeros(shape, self.array.dtype)
            self.array.reshape(-1)[: old.size] = old.reshape(-1)
            self.version = None
        changed(self)
        return self

    def apply_(self: Any, callable: Any) -> Any:
        """Put `callable` of each element, a Python number, into its place; returns self."""
        return self.copy_(np.vectorize(callable, otypes=[self.dtype])(self.array))

    def map_(self: Any, tensor: Any, callable: Any) -> Any:
        """Put `callable` of each element and that of `tensor` into its place; returns self."""
        return self.copy_(np.vectorize(callable, otypes=[self.dtype])(self.array, tensor.array))

    def polygamma(self: Any, n: int) -> Tensor:
        """`polygamma` of order n of each element."""
        return special.polygamma(n, self)

    def normal_(self: Any, mean: float = 0, std: float = 1, *, generator: Any = None) -> Any:
        """Fill with random numbers of a normal distribution; returns self."""
        return self._fill(lambda g: mean + std * g.standard_normal(self.shape), generator)

    def uniform_(self: Any, from_: float = 0, to: float = 1, *, generator: Any = None) -> Any:
        """Fill with random numbers that are uniform on [from_, to); returns self."""
        return self._fill(lambda g: g.uniform(from_, to, self.shape), generator)

    def exponential_(self: Any, lambd: float = 1, *, generator: Any = None) -> Any:
        """Fill with random numbers of an exponential distribution; returns self."""
        return self._fill(lambda g: g.standard_exponential(self.shape) / lambd, generator)

    def random_(self: Any, from_: int = 0, to: int | None = None, *, generator: Any = None) -> Any:
        """Fill with random ints from `from_` to below `to`, or, as in PyTorch, from 0 to below the
        only one of them; returns self."""
        if to is None and from_:
            from_, to = 0, from_
        top = 2 ** (24 if self.dtype.kind == "f" else 31) if to is None else to
        return self._fill(lambda g: g.integers(from_, top, self.shape), generator)

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
