"""The order in which a DataLoader takes samples, with PyTorch's names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from autograd_lite import default_generator
from autograd_lite.engine.arrays import as_array

__all__ = [
    "BatchSampler", "RandomSampler", "Sampler", "SequentialSampler", "SubsetRandomSampler",
    "WeightedRandomSampler",
]  # fmt: skip


class Sampler:
    """Numbers of samples in an order: a subclass defines `__iter__` and, for `len`, `__len__`."""

    def __init__(self, data_source: Any = None) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} defines no __iter__()")


class SequentialSampler(Sampler):
    """0, 1, 2, ... as many as the data set has.

    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __len__(self) -> int:
        return len(self.data_source)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))


class RandomSampler(Sampler):
    """The numbers of a data set in random order, or `num_samples` of them with replacement.

    >>> sorted(RandomSampler("abc"))
    [0, 1, 2]
    """

    def __init__(
        self,
        data_source: Any,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__(data_source)
        self.replacement, self.generator = replacement, generator
        self.num_samples = len(data_source) if num_samples is None else num_samples

    def __len__(self) -> int:
        return self.num_samples

    def __iter__(self) -> Iterator[int]:
        g, n = self.generator or default_generator(), len(self.data_source)
        if self.replacement:
            return iter(g.integers(0, n, self.num_samples).tolist())
        rounds = [g.permutation(n) for _ in range(-(-self.num_samples // max(n, 1)))]
        return iter(np.concatenate(rounds or [np.zeros(0, int)])[: self.num_samples].tolist())


class SubsetRandomSampler(Sampler):
    """These numbers in random order.

    >>> sorted(SubsetRandomSampler([5, 2]))
    [2, 5]
    """

    def __init__(
        self, indices: Sequence[int], generator: np.random.Generator | None = None
    ) -> None:
        self.indices, self.generator = indices, generator

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[int]:
        order = (self.generator or default_generator()).permutation(len(self.indices))
        return (self.indices[i] for i in order)


class WeightedRandomSampler(Sampler):
    """Numbers 0, 1, ... drawn with weights. ValueError for a negative weight.

    >>> list(WeightedRandomSampler([0.0, 2.0], 3))
    [1, 1, 1]
    """

    def __init__(
        self,
        weights: Any,
        num_samples: int,
        replacement: bool = True,
        generator: np.random.Generator | None = None,
    ) -> None:
        self.weights = as_array(weights).astype(np.float64)
        if not (self.weights >= 0).all():
            raise ValueError("WeightedRandomSampler: weights are numbers from 0")
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator

    def __len__(self) -> int:
        return self.num_samples

    def __iter__(self) -> Iterator[int]:
        g, shares = self.generator or default_generator(), self.weights / self.weights.sum()
        return iter(g.choice(len(shares), self.num_samples, self.replacement, shares).tolist())


class BatchSampler(Sampler):
    """Lists of `batch_size` numbers of another sampler; the last has what remains, or is left out.

    >>> list(BatchSampler(SequentialSampler("abc"), 2, drop_last=False))
    [[0, 1], [2]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        return grouped(self.sampler, self.batch_size, self.drop_last)


def grouped(items: Iterable[Any], size: int, drop_last: bool) -> Iterator[list[Any]]:
    """Lists of so many items; the last has what remains, or is left out."""
    rest = iter(items)
    while (group := list(islice(rest, size))) and not (drop_last and len(group) < size):
        yield group
