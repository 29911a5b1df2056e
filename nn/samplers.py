"""The order in which a DataLoader takes samples, with PyTorch's names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from autograd_lite import default_generator, distributed
from autograd_lite.engine.arrays import as_array

__all__ = [
    "BatchSampler", "DistributedSampler", "RandomSampler", "Sampler", "SequentialSampler",
    "SubsetRandomSampler", "WeightedRandomSampler",
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


class DistributedSampler(Sampler):
    """The part of a data set that belongs to a rank: every so many numbers of one random order.

    The order is drawn from `seed` and the epoch, which `set_epoch` sets and `nn.train.fit` counts,
    the same on every rank. So that all have as many, the first numbers come twice; with `drop_last`
    the last are left out. `num_replicas` and `rank` are those of `autograd_lite.distributed`.

    >>> parts = [DistributedSampler(range(5), 2, rank, shuffle=False) for rank in (0, 1)]
    >>> [list(part) for part in parts]
    [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        super().__init__(dataset)
        self.num_replicas = distributed.get_world_size() if num_replicas is None else num_replicas
        self.rank = distributed.get_rank() if rank is None else rank
        if not 0 <= self.rank < self.num_replicas:
            raise ValueError(
                f"DistributedSampler: rank is {self.rank}; it is from 0 to {self.num_replicas - 1}"
            )
        self.shuffle, self.seed, self.drop_last, self.epoch = shuffle, seed, drop_last, 0

    def __len__(self) -> int:
        n = len(self.data_source)
        return n // self.num_replicas if self.drop_last else -(-n // self.num_replicas)

    def set_epoch(self, epoch: int) -> None:
        """Another order for each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        n = len(self.data_source)
        order = np.arange(n)
        if self.shuffle:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(n)
        whole = np.resize(order, len(self) * self.num_replicas)
        return iter(whole[self.rank :: self.num_replicas].tolist())


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
