"""The shipped tables equal scikit-learn's; MNIST is read when it is right and refused when not."""

import doctest
import gzip
import hashlib
import math
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

import nn.datasets.idx
import nn.datasets.split
import nn.datasets.tables
from nn.datasets import Table, diabetes, digits, iris, mnist, train_test_split
from tests import make_datasets
from tests.helpers import mnist_folder

PACKAGE = Path(nn.datasets.__file__).parent
NAMES = [file.name for file in nn.datasets.idx._FILES]


# Tables


@pytest.mark.parametrize(
    ("load", "shape", "dtype"),
    [
        (iris, (150, 4), np.int64),
        (digits, (1797, 64), np.int64),
        (diabetes, (442, 10), np.float64),
    ],
)
def test_table_shapes_names_and_fresh_arrays(
    load: Callable[[], Table], shape: tuple[int, int], dtype: type
) -> None:
    table = load()
    assert (table.data.shape, table.target.shape) == (shape, shape[:1])
    assert table.data.dtype == np.float64
    assert table.target.dtype == dtype
    assert len(table.feature_names) == shape[1]
    if dtype is np.int64:
        assert np.unique(table.target).tolist() == list(range(len(table.target_names)))
    else:
        assert table.target_names == ()
    assert table.description.endswith(".")
    assert "\n" not in repr(table)
    assert str(shape) in repr(table)

    before = load()
    table.data[:] = -1
    table.target[:] = -1
    again = load()
    assert np.array_equal(again.data, before.data)
    assert np.array_equal(again.target, before.target)
    with pytest.raises(FrozenInstanceError):
        table.data = before.data  # type: ignore[misc]


@pytest.mark.parametrize("load", [iris, digits, diabetes])
def test_table_equals_scikit_learn_bit_for_bit(load: Callable[[], Table]) -> None:
    theirs = pytest.importorskip("sklearn.datasets")
    ours = load()
    bunch = getattr(theirs, f"load_{load.__name__}")()
    assert (ours.data.dtype, ours.target.dtype) == (bunch.data.dtype, bunch.target.dtype)
    assert ours.feature_names == tuple(bunch.feature_names)
    assert ours.target_names == tuple(str(name) for name in bunch.get("target_names", ()))
    assert ours.target.tobytes() == bunch.target.tobytes()
    # scikit-learn issue 31940: some releases have 4.803999999999999 where the source has 4.804.
    if load is diabetes and theirs.load_diabetes(scaled=False).data[146, 8] != 4.804:
        np.testing.assert_allclose(ours.data, bunch.data, rtol=0, atol=1e-14)
    else:
        assert ours.data.tobytes() == bunch.data.tobytes()


def test_shipped_files_are_what_the_script_makes() -> None:
    theirs = pytest.importorskip("sklearn.datasets")
    if theirs.load_diabetes(scaled=False).data[146, 8] != 4.804:
        pytest.skip("this scikit-learn has the diabetes data with rounding errors (issue 31940)")
    for name, arrays in make_datasets.tables().items():
        with np.load(PACKAGE / f"{name}.npz", allow_pickle=False) as file:
            assert sorted(file) == sorted(arrays)
            for key, expected in arrays.items():
                assert file[key].dtype == expected.dtype
                assert np.array_equal(file[key], expected)


def test_values_known_without_scikit_learn() -> None:
    flowers, images, patients = iris(), digits(), diabetes()
    assert flowers.data[[34, 37]].tolist() == [[4.9, 3.1, 1.5, 0.2], [4.9, 3.6, 1.4, 0.1]]
    assert np.bincount(flowers.target).tolist() == [50, 50, 50]
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.bincount(images.target).tolist() == counts
    assert np.array_equal(images.data, images.data.astype(np.uint8))
    assert images.data.max() == 16
    np.testing.assert_allclose(patients.data.sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose((patients.data**2).sum(axis=0), 1, rtol=1e-12)
    assert (patients.target.min(), patients.target.max()) == (25, 346)


# Splitting


def test_split_is_a_division_of_the_rows_kept_together() -> None:
    x, y = np.arange(20.0).reshape(10, 2), np.arange(10)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_fraction=0.3)
    assert (x_train.shape, x_test.shape) == ((7, 2), (3, 2))
    assert sorted([*y_train, *y_test]) == list(range(10))
    assert np.array_equal(x_train, x[y_train])
    assert np.array_equal(x_test, x[y_test])
    assert not np.shares_memory(x, x_train)
    assert not np.shares_memory(x, x_test)
    assert (x_train.dtype, y_test.dtype) == (x.dtype, y.dtype)


def test_split_follows_its_seed() -> None:
    x = np.arange(100)
    first, again, other = (train_test_split(x, seed=seed)[1].tolist() for seed in (0, 0, 1))
    assert len(first) == 20
    assert first == again == train_test_split(x, seed=np.random.default_rng(0))[1].tolist()
    assert first != other
    assert first != sorted(first)
    assert train_test_split([1, 2, 3], test_fraction=0.34)[0].shape == (2,)


@pytest.mark.parametrize(
    ("arrays", "fraction", "text"),
    [
        ((), 0.2, "got no arrays"),
        ((np.zeros((5, 2)), np.zeros(4)), 0.2, "got (5, 2), (4,)"),
        ((np.zeros(()),), 0.2, "got ()"),
        ((np.zeros(5),), 0.0, "test_fraction 0.0 of 5 rows puts 0 rows in the test part"),
        ((np.zeros(5),), 1.0, "puts 5 rows"),
        ((np.zeros(5),), -0.4, "puts -2 rows"),
        ((np.zeros(0),), 0.5, "of 0 rows puts 0 rows"),
    ],
)
def test_split_errors(arrays: tuple[np.ndarray, ...], fraction: float, text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)) as error:
        train_test_split(*arrays, test_fraction=fraction)
    assert str(error.value).startswith("train_test_split: ")


# MNIST, with a tiny set in place of the real one


class Tiny:
    """Four small IDX files whose checksums stand in the place of MNIST's."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        rng = np.random.default_rng(0)
        self.arrays = {}
        self.raw = {}
        files = []
        for real in nn.datasets.idx._FILES:
            shape = (6 if "train" in real.name else 3, *real.shape[1:])
            array = rng.integers(0, 10, shape, dtype=np.uint8)
            raw = np.array([2048 + len(shape), *shape], ">u4").tobytes() + array.tobytes()
            gz = gzip.compress(raw, mtime=0)
            sha256, md5 = hashlib.sha256(gz).hexdigest(), hashlib.md5(raw).hexdigest()
            files.append(nn.datasets.idx._File(real.name, len(gz), sha256, md5, shape))
            self.arrays[real.name], self.raw[real.name] = array, raw
            (folder / f"{real.name}.gz").write_bytes(gz)
        monkeypatch.setattr(nn.datasets.idx, "_FILES", tuple(files))
        monkeypatch.delenv("AUTOGRAD_LITE_DATA", raising=False)

    def unpack(self, name: str) -> Path:
        (self.folder / f"{name}.gz").unlink()
        path = self.folder / name
        path.write_bytes(self.raw[name])
        return path


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    folder = tmp_path / "mnist"
    folder.mkdir()
    return Tiny(folder, monkeypatch)


def test_mnist_reads_packed_and_unpacked_files(tiny: Tiny) -> None:
    for unpack in (False, True):
        for name in NAMES if unpack else ():
            tiny.unpack(name)
        for train, prefix in ((True, "train"), (False, "t10k")):
            images, labels = mnist(tiny.folder, train=train)
            assert images.dtype == np.uint8
            assert labels.dtype == np.int64
            assert np.array_equal(images, tiny.arrays[f"{prefix}-images-idx3-ubyte"])
            assert np.array_equal(labels, tiny.arrays[f"{prefix}-labels-idx1-ubyte"])
            images[:] = 0
            labels[:] = 0


def test_mnist_looks_in_the_folder_the_variable_and_their_subfolder(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tiny.folder, str(tiny.folder), tmp_path):
        assert mnist(folder)[0].shape == (6, 28, 28)
        monkeypatch.setenv("AUTOGRAD_LITE_DATA", os.fspath(folder))
        assert mnist()[0].shape == (6, 28, 28)
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        mnist(tmp_path / "elsewhere")  # an explicit folder is not overruled by the variable


def test_mnist_needs_only_the_half_asked_for(tiny: Tiny) -> None:
    for name in NAMES[:2]:
        (tiny.folder / f"{name}.gz").unlink()
    assert mnist(tiny.folder, train=False)[1].shape == (3,)
    with pytest.raises(FileNotFoundError) as error:
        mnist(tiny.folder)
    assert [name in str(error.value) for name in NAMES] == [True, True, False, False]


def test_mnist_missing_names_every_file_its_size_and_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AUTOGRAD_LITE_DATA", raising=False)
    sizes = (9912422, 28881, 1648877, 4542)
    for folder in (None, tmp_path, tmp_path / "elsewhere"):
        with pytest.raises(FileNotFoundError) as error:
            mnist(folder, train=False)
        text = str(error.value)
        for name, size in zip(NAMES, sizes, strict=True):
            assert f"  {name}.gz ({size} bytes)\n" in text
        assert "mnist(folder)" in text
        assert "AUTOGRAD_LITE_DATA" in text
        assert ("no folder is named" if folder is None else repr(str(folder))) in text


PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
PICKLE = pickle.dumps(np.arange(10))


def flipped(raw: bytes, position: int) -> bytes:
    return raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda raw: PNG, "is not a gzip file: it starts with b'\\x89PNG'"),
        (lambda raw: PICKLE, "is not a gzip file: it starts with b'\\x80"),
        (lambda raw: b"", "is not a gzip file: it starts with b''"),
        (lambda raw: flipped(raw, 0), "is not a gzip file"),
        (lambda raw: flipped(raw, len(raw) // 2), "sha256 checksum differs: "),
        (lambda raw: flipped(raw, len(raw) - 1), "sha256 checksum differs: "),
        (lambda raw: raw[:-1], "size differs: "),
        (lambda raw: raw + b"\0", "size differs: "),
        (lambda raw: gzip.compress(PICKLE), "size differs: "),
    ],
)
def test_mnist_refuses_a_damaged_gz(
    tiny: Tiny, name: str, damage: Callable[[bytes], bytes], text: str
) -> None:
    path = tiny.folder / f"{name}.gz"
    path.write_bytes(damage(path.read_bytes()))
    check_refused(path, text)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda raw: PNG, "wrong magic or wrong counts: its header is [2303741511, "),
        (lambda raw: PICKLE, "wrong magic"),
        (lambda raw: b"", "its header is [], expected [20"),
        (lambda raw: flipped(raw, 3), "wrong magic"),
        (lambda raw: flipped(raw, 7), "wrong counts"),
        (lambda raw: flipped(raw, len(raw) - 1), "md5 checksum differs: "),
        (lambda raw: raw[:-1], "size differs: "),
        (lambda raw: raw + b"\0", "size differs: "),
    ],
)
def test_mnist_refuses_a_damaged_unpacked_file(
    tiny: Tiny, name: str, damage: Callable[[bytes], bytes], text: str
) -> None:
    path = tiny.unpack(name)
    path.write_bytes(damage(path.read_bytes()))
    check_refused(path, text)


def check_refused(path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)) as error:
        mnist(path.parent, train="train" in path.name)
    assert str(error.value).startswith(f"mnist: {path}")


def test_mnist_refuses_a_wrong_magic_inside_a_gz_with_the_right_checksum(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels, *rest = nn.datasets.idx._FILES
    wrong = labels._replace(shape=images.shape)
    monkeypatch.setattr(nn.datasets.idx, "_FILES", (images, wrong, *rest))
    check_refused(tiny.folder / f"{labels.name}.gz", "header is [2049, 6, ")


# MNIST itself


@pytest.fixture
def real() -> Path:
    folder = mnist_folder()
    if folder is None:
        pytest.skip("MNIST is not here: name its folder in AUTOGRAD_LITE_DATA")
    return folder


TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_real_mnist(real: Path) -> None:
    halves = {train: mnist(real, train=train) for train in (True, False)}
    for (images, labels), counts in zip(halves.values(), (TRAIN_COUNTS, TEST_COUNTS), strict=True):
        assert (images.shape, labels.shape) == ((sum(counts), 28, 28), (sum(counts),))
        assert images.dtype == np.uint8
        assert labels.dtype == np.int64
        assert np.bincount(labels).tolist() == counts
        assert images.flags.writeable
        assert labels.flags.writeable
        assert (images.min(), images.max()) == (0, 255)
    assert halves[True][1][:5].tolist() == [5, 0, 4, 1, 9]
    assert halves[False][1][:5].tolist() == [7, 2, 1, 0, 4]
    totals = [int(images.sum(dtype=np.int64)) for images, _ in halves.values()]
    assert totals[0] / (60_000 * 784 * 255) == pytest.approx(0.1307, abs=5e-5)
    assert sum(totals) / (70_000 * 784 * 255) == pytest.approx(0.13093, abs=5e-6)


def test_real_mnist_unpacked_and_flipped(real: Path, tmp_path: Path) -> None:
    names = NAMES[2:]
    for name in names:
        packed = real / f"{name}.gz"
        raw = gzip.decompress(packed.read_bytes()) if packed.exists() else None
        (tmp_path / name).write_bytes(raw or (real / name).read_bytes())
    images, labels = mnist(tmp_path, train=False)
    real_images, real_labels = mnist(real, train=False)
    assert np.array_equal(images, real_images)
    assert np.array_equal(labels, real_labels)
    path = tmp_path / names[0]
    path.write_bytes(flipped(path.read_bytes(), 5_000_000))
    check_refused(path, "md5 checksum differs")


def test_the_table_of_files_is_consistent_with_the_readme() -> None:
    readme = (PACKAGE / "README.md").read_text(encoding="utf-8")
    for file in nn.datasets.idx._FILES:
        assert f"| {file.name}.gz | {file.packed:,} | {file.sha256} |" in readme
        assert math.prod(file.shape) in (47_040_000, 60_000, 7_840_000, 10_000)
    for path in PACKAGE.glob("*.npz"):
        assert f"| {path.name} | {path.stat().st_size:,} |" in readme


# The package


def test_import_is_light_and_knows_nothing_of_the_engine() -> None:
    # Alone, under another name, so that nothing in nn/__init__.py counts.
    script = f"""
import sys, numpy
from importlib.util import module_from_spec, spec_from_file_location
before = set(sys.modules)
spec = spec_from_file_location("alone", {str(PACKAGE / "__init__.py")!r},
                               submodule_search_locations=[{str(PACKAGE)!r}])
sys.modules["alone"] = module = module_from_spec(spec)
spec.loader.exec_module(module)
print(*sorted(set(sys.modules) - before))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "alone.tables" in loaded
    slow = {"gzip", "hashlib", "numpy.random", "pathlib", "urllib.parse", "zipfile"}
    assert not loaded & {*slow, "autograd_lite", "nn"}


@pytest.mark.parametrize("module", ["idx", "split", "tables"])
def test_docstring_examples(module: str) -> None:
    assert doctest.testmod(getattr(nn.datasets, module)).failed == 0
