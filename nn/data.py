"""Data sets and their batches, with PyTorch's names.

>>> from autograd_lite import Tensor
>>> data = TensorDataset(Tensor([[1.0], [2.0], [3.0]]), Tensor([0.0, 1.0, 0.0]))
>>> for x, y in DataLoader(data, batch_size=2):
...     print(x.tolist(), y.tolist())
[[1.0], [2.0]] [0.0, 1.0]
[[3.0]] [0.0]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from autograd_lite import Tensor, as_tensor, default_generator, stack
from autograd_lite.absent import missing

from .samplers import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
    grouped,
)

__all__ = [
    "BatchSampler", "ChainDataset", "ConcatDataset", "DataLoader", "Dataset", "DistributedSampler",
    "IterableDataset", "RandomSampler", "Sampler", "SequentialSampler", "Subset",
    "SubsetRandomSampler", "TensorDataset", "WeightedRandomSampler", "default_collate",
    "get_worker_info", "random_split",
]  # fmt: skip

__path__: list[str] = []  # below it are PyTorch's files, see `autograd_lite.places`


def __getattr__(name: str) -> Any:
    if name in ("sampler", "dataset", "dataloader", "distributed"):
        return import_module(f"autograd_lite.utils.data.{name}")
    raise missing(__name__, name)


Index = Any  # a slice, or an array of ints


class Dataset:
    """Samples by number: a subclass defines `__getitem__` and `__len__`.

    A list, an array, or anything else with these two methods serves as well.
    """

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} defines no __getitem__(index)")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} defines no __len__()")

    def __add__(self, other: Any) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset:
    """Samples one after another: a subclass defines `__iter__`. A DataLoader makes batches of them
    as they come.

    >>> class Squares(IterableDataset):
    ...     def __iter__(self):
    ...         return (i * i for i in range(3))
    >>> [batch.tolist() for batch in DataLoader(Squares(), batch_size=2)]
    [[0, 1], [4]]
    """

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} defines no __iter__()")

    def __add__(self, other: Any) -> ChainDataset:
        return ChainDataset([self, other])


class ChainDataset(IterableDataset):
    """The samples of several IterableDatasets, one after another.

    >>> len(list(ChainDataset([["a", "b"], ["c"]])))
    3
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        super().__init__()
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for data in self.datasets:
            yield from data

    def __len__(self) -> int:
        return sum(len(data) for data in self.datasets)


def get_worker_info() -> None:
    """Which worker asks: None, as there are no workers beside the process that loads.

    >>> get_worker_info() is None
    True
    """


class ConcatDataset(Dataset):
    """Several data sets, one after another.

    >>> data = ConcatDataset(["ab", "c"])
    >>> len(data), data[2], data[-3]
    (3, 'c', 'a')
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        self.cumulative_sizes = np.cumsum([len(d) for d in self.datasets]).tolist()

    def __len__(self) -> int:
        return self.cumulative_sizes[-1] if self.cumulative_sizes else 0

    def __getitem__(self, index: int) -> Any:
        i = index + len(self) if index < 0 else index
        if not 0 <= i < len(self):
            raise IndexError(f"ConcatDataset: there is no sample {index}; it has {len(self)}")
        at = int(np.searchsorted(self.cumulative_sizes, i, "right"))
        return self.datasets[at][i - (self.cumulative_sizes[at - 1] if at else 0)]


class TensorDataset(Dataset):
    """Tensors or arrays with one row per sample; sample `i` is the tuple of their rows `i`.

    ValueError if they differ in their number of rows.

    >>> data = TensorDataset(np.zeros((5, 3)), np.arange(5))
    >>> len(data), data[4][1].item()
    (5, 4)
    """

    def __init__(self, *tensors: Any) -> None:
        self.tensors = tuple(as_tensor(t) for t in tensors)
        shapes = ", ".join(str(t.shape) for t in self.tensors)
        if len({t.shape[:1] for t in self.tensors}) != 1 or not self.tensors[0].ndim:
            raise ValueError(
                "TensorDataset: needs tensors with the same number of rows, got shapes "
                f"{shapes or 'of no tensors'}"
            )

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def batch(self, index: Index) -> list[Tensor]:
        """The samples that a slice or an array of ints selects, with memory of their own."""
        if isinstance(index, slice):
            return [
                t[index].clone() if t.requires_grad else Tensor(t.array[index].copy())
                for t in self.tensors
            ]
        return [  # take: 0.2 us for 32 short rows, [index] 1.0 us
            t[index] if t.requires_grad else Tensor(t.array.take(index, 0)) for t in self.tensors
        ]


class Subset(Dataset):
    """The samples of a data set that have the numbers `indices`.

    IndexError for numbers that the data set does not have.

    >>> data = Subset(["a", "b", "c"], [2, 0])
    >>> len(data), data[0]
    (2, 'c')
    """

    def __init__(self, dataset: Any, indices: ArrayLike) -> None:
        self.dataset = dataset
        self.indices = np.asarray(indices)
        if not self.indices.size:
            self.indices = np.zeros(0, int)
        if self.indices.ndim != 1 or self.indices.dtype.kind not in "iu":
            raise TypeError(
                f"Subset: indices are a list of ints, not {self.indices.dtype} of shape "
                f"{self.indices.shape}"
            )
        n = len(dataset)
        for i in self.indices[(self.indices < -n) | (self.indices >= n)][:1]:
            raise IndexError(f"Subset: there is no sample {i}; the data set has {n}")

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[index])]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Any,
    lengths: Sequence[float],
    generator: np.random.Generator | None = None,
) -> list[Subset]:
    """Divide the samples at random into subsets of these lengths, or of these fractions.

    Fractions add up to 1; what rounding leaves goes to the first subsets, one sample each.
    ValueError if lengths do not add up to the number of samples.

    >>> [len(part) for part in random_split(range(10), [0.75, 0.25])]
    [8, 2]
    """
    n = len(dataset)
    if any(not x >= 0 for x in lengths):
        raise ValueError(f"random_split: lengths are {list(lengths)}; none may be negative")
    if math.isclose(sum(lengths), 1) and (n != 1 or any(x % 1 for x in lengths)):
        counts = [math.floor(n * x) for x in lengths]
        for i in range(n - sum(counts)):
            counts[i % len(counts)] += 1
    else:
        counts = [int(x) for x in lengths]
        if counts != list(lengths) or sum(counts) != n:
            raise ValueError(
                f"random_split: lengths {list(lengths)} add up to {sum(lengths)}; they must add up "
                f"to the {n} samples, or as fractions to 1"
            )
    order = _generator("random_split", generator).permutation(n)
    ends = np.cumsum(counts)
    return [Subset(dataset, order[end - k : end]) for k, end in zip(counts, ends, strict=True)]


def default_collate(samples: Sequence[Any]) -> Any:
    """One batch from a list of samples: a new first axis counts them.

    Tensors and arrays are stacked; Python numbers become a tensor (floats in the default dtype,
    where PyTorch has float64); tuples, which become lists, and dictionaries are gone through;
    strings stay as they are.
    ValueError if shapes differ, TypeError for anything else.

    >>> default_collate([(1.0, 2), (3.0, 4)])
    [tensor([1., 3.]), tensor([2, 4])]
    """
    first = samples[0]
    kinds = {type(s) for s in samples}
    if isinstance(first, Tensor | np.ndarray):
        shapes = {s.shape for s in samples}
        if len(shapes) > 1:
            raise ValueError(
                f"default_collate: samples of the shapes {', '.join(map(str, sorted(shapes)))} do "
                "not stack; pad them, or give a collate_fn"
            )
        if isinstance(first, Tensor):
            return stack(list(samples))
        return as_tensor(np.stack(samples))
    if isinstance(first, np.generic):
        return as_tensor(np.array(samples))
    if isinstance(first, bool | int | float):
        return as_tensor(list(samples))
    if isinstance(first, str):
        return samples
    if isinstance(first, Mapping):
        if any(s.keys() != first.keys() for s in samples):
            raise ValueError("default_collate: the samples' dictionaries have different keys")
        return {key: default_collate([s[key] for s in samples]) for key in first}
    if isinstance(first, tuple | list):
        if len({len(s) for s in samples}) > 1:
            raise ValueError("default_collate: the samples' tuples have different lengths")
        parts = [default_collate(column) for column in zip(*samples, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else parts
    names = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise TypeError(f"default_collate: cannot make a batch of {names}; give a collate_fn")


FETCHING = {
    "in_order", "multiprocessing_context", "persistent_workers", "pin_memory_device",
    "prefetch_factor", "timeout", "worker_init_fn",
}  # fmt: skip


class DataLoader:
    """The batches of a data set, in order or shuffled anew each time it is gone through.

    `batch_size` samples each, the last one with what remains unless `drop_last`. `shuffle` draws
    from `generator`, a NumPy one, or from the one that `manual_seed` seeds. `sampler` gives the
    numbers of the samples instead, `batch_sampler` a list of numbers for each batch, and
    `collate_fn` makes a batch of a list of samples. A `TensorDataset`, or a `Subset` of one, is
    indexed once per batch and tensor; the batches are copies. PyTorch's options of how batches are
    fetched (`num_workers`, `pin_memory`, ...) are taken and change nothing.
    `batch_size=None` gives samples as they are.

    ValueError for a batch_size below 1 and for options that exclude one another; TypeError for a
    data set without length or indexing.

    >>> loader = DataLoader(TensorDataset(np.arange(10)), batch_size=4, shuffle=True)
    >>> len(loader), [len(x) for (x,) in loader]
    (3, [4, 4, 2])
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = False,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[Sequence[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        *,
        generator: np.random.Generator | None = None,
        **fetching: Any,
    ) -> None:
        self.streams = isinstance(dataset, IterableDataset)
        _check_source(dataset, self.streams, shuffle or sampler or batch_sampler, fetching)
        self.single = batch_size is None
        batch_size = 1 if batch_size is None else batch_size
        if isinstance(batch_size, bool) or not hasattr(batch_size, "__index__"):
            raise TypeError(f"DataLoader: batch_size is {batch_size!r}, not an int")
        if batch_size < 1:
            raise ValueError(f"DataLoader: batch_size is {batch_size}; it must be at least 1")
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: a sampler and shuffle=True exclude one another")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler or drop_last):
            raise ValueError(
                "DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last"
            )
        _generator("DataLoader", generator)
        self.dataset, self.batch_size, self.shuffle = dataset, int(batch_size), bool(shuffle)
        self.sampler, self.batch_sampler, self.collate_fn = sampler, batch_sampler, collate_fn
        self.drop_last, self.generator = bool(drop_last), generator

    def __len__(self) -> int:
        if self.batch_sampler is not None:
            return len(self.batch_sampler)  # type: ignore[arg-type]
        n = len(self.dataset if self.sampler is None else self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        if self.single:
            order = self.dataset if self.streams else (self.dataset[i[0]] for i in self._numbers())
            return map(self.collate_fn or _as_it_is, order)
        if self.streams:
            groups = grouped(self.dataset, self.batch_size, self.drop_last)
            return map(self.collate_fn or default_collate, groups)
        fetch = None if self.collate_fn else _batches_of(self.dataset)
        return map(fetch or self._collated, self._indices())

    def state_dict(self) -> dict[str, Any]:
        """Where the generators of this loader and of its samplers are, for a checkpoint between
        epochs. The one that `manual_seed` seeds has a place of its own in checkpoints."""
        return {"generators": [g.bit_generator.state for g in self._generators()]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`. ValueError for another number of generators, or their kind."""
        mine, saved = self._generators(), state_dict["generators"]
        kinds = [g.bit_generator.state["bit_generator"] for g in mine]
        if [state["bit_generator"] for state in saved] != kinds:
            raise ValueError(
                f"DataLoader.load_state_dict: {len(saved)} generators are saved, and do not fit "
                f"the {len(mine)} that this loader draws from"
            )
        for g, state in zip(mine, saved, strict=True):
            g.bit_generator.state = state

    def _generators(self) -> list[np.random.Generator]:
        owners = (self, self.sampler, self.batch_sampler, getattr(self.batch_sampler, "sampler", 0))
        found = (getattr(owner, "generator", None) for owner in owners)
        return [g for g in found if isinstance(g, np.random.Generator)]

    def _rows(self) -> Any:
        """The arrays, the order of their rows, drawn as `iter` would, and the size of the batches,
        where these are rows of tensors and nothing else; else None."""
        plain = type(self) is DataLoader and type(self.dataset) is TensorDataset
        own = (self.sampler, self.batch_sampler, self.collate_fn) != (None, None, None)
        if not plain or own or self.single or any(t.requires_grad for t in self.dataset.tensors):
            return None
        numbers = np.arange(len(self.dataset))
        rows = np.concatenate([numbers[:0], *(numbers[index] for index in self._indices())])
        return [t.array for t in self.dataset.tensors], rows, self.batch_size

    def _numbers(self) -> Iterator[list[int]]:
        """The numbers of the samples that `_indices` selects, one batch after another."""
        for index in self._indices():
            at = range(index.start, index.stop) if isinstance(index, slice) else index
            yield [int(i) for i in at]

    def _collated(self, index: Index) -> Any:
        """A batch made sample by sample."""
        if isinstance(index, slice):
            index = range(index.start, index.stop)
        samples = [self.dataset[int(i)] for i in index]
        return (self.collate_fn or default_collate)(samples)

    def _indices(self) -> Iterator[Index]:
        """What to select for each batch: slices where the order is that of the data set."""
        if self.batch_sampler is not None:
            return (np.asarray(index, int) for index in self.batch_sampler)
        size = self.batch_size
        if self.sampler is not None:
            groups = grouped(self.sampler, size, self.drop_last)
            return (np.asarray(group, int) for group in groups)
        n = len(self.dataset)
        starts = range(0, n - n % size if self.drop_last else n, size)
        if self.shuffle:
            order = _generator("DataLoader", self.generator).permutation(n)
            return (order[i : i + size] for i in starts)
        return (slice(i, min(i + size, n)) for i in starts)


def _check_source(dataset: Any, streams: bool, order: Any, fetching: dict[str, Any]) -> None:
    for word in fetching.keys() - FETCHING:
        raise TypeError(f"DataLoader: it has no option {word!r}")
    if streams and order:
        raise ValueError(
            "DataLoader: samples of an IterableDataset come as they do; leave out shuffle, "
            "sampler and batch_sampler"
        )
    if not (streams or (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"))):
        raise TypeError(
            f"DataLoader: a {type(dataset).__name__} has no length or cannot be indexed; "
            "give a Dataset, or list(...)"
        )


def _as_it_is(sample: Any) -> Any:
    return sample


def _batches_of(dataset: Any) -> Callable[[Index], Any] | None:
    """How to take a batch at once, if the data set can and no subclass changed its samples."""
    if not hasattr(type(dataset), "__getitem__"):
        return None
    if type(dataset).__getitem__ is TensorDataset.__getitem__:
        batch: Callable[[Index], Any] = dataset.batch
        return batch
    if type(dataset).__getitem__ is Subset.__getitem__:
        inner = _batches_of(dataset.dataset)
        return None if inner is None else lambda index: inner(dataset.indices[index])
    return None


def _generator(where: str, generator: Any) -> np.random.Generator:
    if generator is None:
        return default_generator()
    if not isinstance(generator, np.random.Generator):
        raise TypeError(
            f"{where}: generator is a {type(generator).__name__}; give np.random.default_rng(seed)"
        )
    return generator
