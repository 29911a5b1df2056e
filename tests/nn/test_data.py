"""Batches hold the right samples in the right order, reproducibly, and never share memory."""

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, manual_seed, tensor
from nn.data import DataLoader, Dataset, Subset, TensorDataset, default_collate, random_split

X = np.arange(30, dtype=np.float32).reshape(10, 3)
Y = np.arange(10)
DATA = TensorDataset(X, Tensor(Y))


class Squares(Dataset):
    """A data set that computes its samples."""

    def __getitem__(self, index: int) -> Any:
        return float(index**2), index

    def __len__(self) -> int:
        return 7


def numbers(loader: Any) -> list[list[int]]:
    return [y.tolist() for *_, y in loader]


def test_tensor_dataset_and_its_memory() -> None:
    x, y = DATA[3]
    assert (x.tolist(), y.item(), len(DATA)) == ([9.0, 10.0, 11.0], 3, 10)
    assert DATA.tensors[0].array is X


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(
    "dataset", [DATA, Subset(DATA, list(range(10))), list(zip(X, Y, strict=True))]
)
@pytest.mark.parametrize("size", [1, 3, 5, 10, 99])
@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_equal_pytorchs(dataset: Any, size: int, drop_last: bool, shuffle: bool) -> None:
    torch = pytest.importorskip("torch")
    loader = DataLoader(dataset, size, shuffle, drop_last=drop_last)
    theirs = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y)), size, drop_last=drop_last
    )
    ours = list(loader)
    assert len(loader) == len(theirs) == len(ours)
    for batch, (x, y) in zip(ours, theirs, strict=True):
        assert type(batch) is list
        assert all(type(t) is Tensor for t in batch)
        assert (batch[0].shape, batch[1].shape) == (tuple(x.shape), tuple(y.shape))
        assert (batch[0].dtype, batch[1].dtype) == (np.float32, np.int64)
        assert np.array_equal(batch[0].array, X[batch[1].array])
        if not shuffle:
            assert batch[1].tolist() == y.tolist()
    drawn = [i for batch in numbers(ours) for i in batch]
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_are_copies(shuffle: bool) -> None:
    data = TensorDataset(X.copy())
    for (x,) in DataLoader(data, 4, shuffle):
        x.zero_()
    assert np.array_equal(data.tensors[0].array, X)


def test_shuffling_is_new_each_time_and_reproducible() -> None:
    data = TensorDataset(np.arange(100))
    loader = DataLoader(data, 10, shuffle=True)
    manual_seed(3)
    first, second = numbers(loader), numbers(loader)
    assert first != second
    manual_seed(3)
    assert (numbers(loader), numbers(loader)) == (first, second)
    manual_seed(3)
    assert numbers(DataLoader(Subset(data, range(100)), 10, shuffle=True)) == first
    own = DataLoader(data, 10, True, generator=np.random.default_rng(3))
    assert numbers(own) == first
    assert sorted(i for batch in second for i in batch) == list(range(100))


def test_each_tensor_is_indexed_once_per_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    real = TensorDataset.batch

    def counted(self: TensorDataset, index: Any) -> Any:
        calls.append(index)
        return real(self, index)

    def never(self: Any, index: int) -> Any:
        raise AssertionError("taken sample by sample")

    monkeypatch.setattr(TensorDataset, "batch", counted)
    monkeypatch.setattr(TensorDataset, "__getitem__", never)
    assert numbers(DataLoader(TensorDataset(Y), 4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert calls == [slice(0, 4), slice(4, 8), slice(8, 10)]
    calls.clear()
    list(DataLoader(TensorDataset(Y), 4, shuffle=True))
    assert [type(c) for c in calls] == [np.ndarray] * 3
    nested = Subset(Subset(TensorDataset(Y), [9, 8, 7, 6]), [3, 1])
    assert numbers(DataLoader(nested, 2)) == [[6, 8]]


def test_a_subclass_that_changes_samples_is_respected() -> None:
    class Noisy(TensorDataset):
        def __getitem__(self, index: int) -> tuple[Tensor, ...]:
            return tuple(t * 10 for t in super().__getitem__(index))

    assert numbers(DataLoader(Noisy(Y), 5)) == [[0, 10, 20, 30, 40], [50, 60, 70, 80, 90]]
    assert numbers(DataLoader(Subset(Noisy(Y), [1, 2]), 5)) == [[10, 20]]


def test_gradients_flow_to_a_data_set_that_asks_for_them() -> None:
    x = Tensor(X.copy(), requires_grad=True)
    for shuffle in (False, True):
        x.grad = None
        for (batch,) in DataLoader(TensorDataset(x), 4, shuffle):
            batch.sum().backward()
        assert x.grad is not None and (x.grad.array == 1).all()


def test_generic_data_sets() -> None:
    batches = list(DataLoader(Squares(), 3))
    assert [b[0].tolist() for b in batches] == [[0, 1, 4], [9, 16, 25], [36]]
    assert (batches[0][0].dtype, batches[0][1].dtype) == (np.float32, np.int64)
    assert [b.tolist() for b in DataLoader([1, 2, 3], 2)] == [[1, 2], [3]]
    assert [b.shape for b in DataLoader(X, 4)] == [(4, 3), (4, 3), (2, 3)]
    joined = DataLoader(["a", "b", "c"], 2, collate_fn="".join)  # type: ignore[arg-type]
    assert list(joined) == ["ab", "c"]
    assert len(list(DataLoader(DATA, 4, collate_fn=len))) == 3
    assert list(DataLoader([], 2)) == []
    assert list(DataLoader(TensorDataset(np.zeros((0, 2))), 2, shuffle=True)) == []


def test_samplers() -> None:
    assert numbers(DataLoader(DATA, 2, sampler=[5, 1, 1])) == [[5, 1], [1]]
    assert numbers(DataLoader(DATA, 2, sampler=[5, 1, 1], drop_last=True)) == [[5, 1]]
    assert len(DataLoader(DATA, 2, sampler=[5, 1, 1])) == 2
    loader = DataLoader(DATA, batch_sampler=[[1, 2, 3], [4]])
    assert (numbers(loader), len(loader)) == ([[1, 2, 3], [4]], 2)
    assert [b[1].tolist() for b in DataLoader(Squares(), batch_sampler=[[1, 2], [4]])] == [
        [1, 2],
        [4],
    ]


def test_default_collate() -> None:
    point = namedtuple("point", "x y")
    batch = default_collate(
        [
            {"a": np.ones(2), "b": (1, True), "c": "s", "d": tensor([1.0]), "e": point(1.5, [2])},
            {"a": np.ones(2), "b": (2, False), "c": "t", "d": tensor([2.0]), "e": point(2.5, [3])},
        ]
    )
    assert batch["a"].shape == (2, 2) and batch["a"].dtype == np.float64
    assert [t.tolist() for t in batch["b"]] == [[1, 2], [True, False]]
    assert batch["b"][1].dtype == bool
    assert batch["c"] == ["s", "t"]
    assert batch["d"].tolist() == [[1.0], [2.0]]
    assert batch["e"].x.dtype == np.float32 and batch["e"].y[0].tolist() == [2, 3]
    assert default_collate([np.float64(1), np.float64(2)]).dtype == np.float64


def test_random_split() -> None:
    parts = random_split(DATA, [7, 3], generator=np.random.default_rng(0))
    again = random_split(DATA, [7, 3], generator=np.random.default_rng(0))
    drawn = [[y.item() for _, y in part] for part in parts]  # type: ignore[attr-defined]
    assert sorted(drawn[0] + drawn[1]) == list(range(10))
    assert [p.indices.tolist() for p in parts] == [p.indices.tolist() for p in again]
    manual_seed(0)
    a = random_split(DATA, [5, 5])[0].indices.tolist()
    manual_seed(0)
    assert random_split(DATA, [5, 5])[0].indices.tolist() == a
    assert [len(p) for p in random_split(["one"], [1, 0])] == [1, 0]


@pytest.mark.parametrize("lengths", [[0.5, 0.5], [0.3, 0.3, 0.4], [1.0], [0.1] * 10, [0.75, 0.25]])
@pytest.mark.parametrize("n", [10, 11, 1, 23])
@pytest.mark.filterwarnings("ignore:Length of split")
def test_random_split_fractions_equal_pytorch(lengths: list[float], n: int) -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.utils.data.random_split
    expected = [len(p) for p in theirs(range(n), lengths)]
    assert [len(p) for p in random_split(range(n), lengths)] == expected


def test_errors() -> None:
    refused: list[tuple[Callable[[], Any], type[Exception], str]] = [
        (lambda: TensorDataset(), ValueError, "got shapes of no tensors"),
        (lambda: TensorDataset(X, Y[:5]), ValueError, r"got shapes \(10, 3\), \(5,\)"),
        (lambda: TensorDataset(np.array(1.0)), ValueError, r"same number of rows.*\(\)"),
        (lambda: TensorDataset(["a"]), TypeError, "give floats, ints or bools"),
        (lambda: Subset(DATA, [3, 10]), IndexError, "no sample 10; the data set has 10"),
        (lambda: Subset(DATA, [-11]), IndexError, "no sample -11"),
        (lambda: Subset(DATA, [0.5]), TypeError, "a list of ints, not float64"),  # type: ignore
        (lambda: random_split(DATA, [5, 4]), ValueError, r"\[5, 4\] add up to 9; .* 10 samples"),
        (lambda: random_split(DATA, [0.5, 0.4]), ValueError, "add up to 0.9"),
        (lambda: random_split(DATA, [11, -1]), ValueError, "none may be negative"),
        (lambda: DataLoader(DATA, 0), ValueError, "batch_size is 0; it must be at least 1"),
        (lambda: DataLoader(DATA, -3), ValueError, "batch_size is -3"),
        (lambda: DataLoader(DATA, 2.0), TypeError, "batch_size is 2.0, not an int"),  # type: ignore
        (lambda: DataLoader(DATA, True), TypeError, "batch_size is True"),
        (lambda: DataLoader(iter([1])), TypeError, r"list_iterator .* give a Dataset, or list"),
        (lambda: DataLoader(DATA, 2, True, sampler=[1]), ValueError, "sampler and shuffle=True"),
        (lambda: DataLoader(DATA, 2, batch_sampler=[[1]]), ValueError, "batch_sampler excludes"),
        (lambda: DataLoader(DATA, generator=3), TypeError, r"give np.random.default_rng"),  # type: ignore
        (lambda: next(iter(DataLoader(DATA, sampler=[77]))), IndexError, "77 is out of bounds"),
        (lambda: default_collate([np.ones(2), np.ones(3)]), ValueError, r"\(2,\), \(3,\) do not"),
        (lambda: default_collate([(1, 2), (1,)]), ValueError, "tuples have different lengths"),
        (lambda: default_collate([{"a": 1}, {"b": 1}]), ValueError, "different keys"),
        (lambda: default_collate([None]), TypeError, "a batch of NoneType; give a collate_fn"),
        (lambda: Dataset()[0], NotImplementedError, "Dataset defines no __getitem__"),
        (lambda: len(Dataset()), NotImplementedError, "Dataset defines no __len__"),
    ]
    for call, error, text in refused:
        with pytest.raises(error, match=text):
            call()


# ---- PyTorch's further words ---------------------------------------------------------------------


def test_options_of_fetching_change_nothing_and_others_are_errors() -> None:
    data = list(range(5))
    loader = DataLoader(data, 2, num_workers=2, pin_memory=True, persistent_workers=True, timeout=3)
    assert [b.tolist() for b in loader] == [[0, 1], [2, 3], [4]]
    with pytest.raises(TypeError, match="DataLoader: it has no option 'batchsize'"):
        DataLoader(data, batchsize=2)
    assert [int(x) for x in DataLoader(data, batch_size=None)] == data


def test_samples_that_come_one_after_another() -> None:
    class Count(nn.data.IterableDataset):
        def __iter__(self) -> Any:
            return iter(range(5))

    assert [b.tolist() for b in DataLoader(Count(), batch_size=2, drop_last=True)] == [
        [0, 1],
        [2, 3],
    ]
    assert list(DataLoader(Count(), batch_size=None)) == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="samples of an IterableDataset come as they do"):
        DataLoader(Count(), shuffle=True)


def test_data_sets_are_added() -> None:
    both = TensorDataset(np.arange(3)) + TensorDataset(np.arange(2))
    assert len(both) == 5 and [int(x[0]) for x in (both[0], both[3], both[-1])] == [0, 0, 1]
    assert [b[0].tolist() for b in DataLoader(both, batch_size=4)] == [[0, 1, 2, 0], [1]]
    with pytest.raises(IndexError, match="ConcatDataset: there is no sample 5; it has 5"):
        both[5]


def test_samplers_give_each_number_as_often_as_they_say() -> None:
    ag.manual_seed(0)
    data = list(range(6))
    assert list(nn.data.SequentialSampler(data)) == data
    assert sorted(nn.data.RandomSampler(data)) == data != list(nn.data.RandomSampler(data))
    assert len(list(nn.data.RandomSampler(data, num_samples=9))) == 9
    drawn = list(nn.data.RandomSampler(data, replacement=True, num_samples=50))
    assert len(drawn) == 50 and set(drawn) == set(data)
    weighted = list(nn.data.WeightedRandomSampler([1.0, 0.0, 3.0], 400))
    assert weighted.count(1) == 0 and 250 < weighted.count(2) < 350
    assert sorted(nn.data.WeightedRandomSampler([1.0, 0.0, 3.0], 2, replacement=False)) == [0, 2]
    batches = nn.data.BatchSampler(nn.data.SequentialSampler(data), 4, drop_last=True)
    assert len(batches) == 1 and list(batches) == [[0, 1, 2, 3]]
    loader = DataLoader(data, sampler=nn.data.SubsetRandomSampler([4, 1]), batch_size=2)
    assert sorted(next(iter(loader)).tolist()) == [1, 4] and len(loader) == 1
