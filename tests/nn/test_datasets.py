"""The shipped tables equal scikit-learn's; IDX files are read, or told what they are."""

import doctest
import gzip
import hashlib
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
import nn.datasets.kinds
import nn.datasets.split
import nn.datasets.tables
from nn.datasets import (
    Table,
    diabetes,
    digits,
    identify,
    iris,
    mnist,
    read_idx,
    train_test_split,
)
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
    """Four small IDX files under the names of MNIST's."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        rng = np.random.default_rng(0)
        self.arrays = {}
        self.raw = {}
        for name in NAMES:
            n = 6 if "train" in name else 3
            array = rng.integers(0, 10, (n, 28, 28) if "images" in name else n, dtype=np.uint8)
            raw = np.array([2048 + array.ndim, *array.shape], ">u4").tobytes() + array.tobytes()
            self.arrays[name], self.raw[name] = array, raw
            (folder / f"{name}.gz").write_bytes(gzip.compress(raw, mtime=0))
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


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9912422\n"
HTML = b"\n<!DOCTYPE html><title>404</title>"
FOREIGN = [
    (PNG, "a PNG picture"),
    (PICKLE, "a pickle"),
    (b"", "it is empty"),
    (LFS, "a Git LFS pointer, in place of the file"),
    (HTML, "an HTML page"),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("damage", "text"),
    [
        *((lambda raw, c=content: c, f"is not a gzip file: .*{text}") for content, text in FOREIGN),
        (lambda raw: flipped(raw, 0), "is not a gzip file"),
        (lambda raw: flipped(raw, len(raw) // 2), "is damaged gzip, of "),
        (lambda raw: flipped(raw, len(raw) - 6), "is damaged gzip, of .* bytes: .*; get it again"),
        (lambda raw: raw[:-1], "is damaged gzip"),
        (lambda raw: raw + b"\1", "is damaged gzip"),
        (lambda raw: gzip.compress(PICKLE), r"is not an IDX file: it has a wrong magic, b'\\x80"),
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
        *((lambda raw, c=content: c, f"is not an IDX file: .*{text}") for content, text in FOREIGN),
        (lambda raw: flipped(raw, 0), "is not an IDX file: it has a wrong magic"),
        (lambda raw: flipped(raw, 3), "wrong magic"),
        (lambda raw: flipped(raw, 7), "wrong counts"),
        (lambda raw: raw[:-1], r"has \d+ bytes unpacked, .*: it is cut off"),
        (lambda raw: raw[:6], "has 6 bytes unpacked"),
        (lambda raw: raw + b"\0", "its header says .* of uint8, which takes "),
    ],
)
def test_mnist_refuses_a_damaged_unpacked_file(
    tiny: Tiny, name: str, damage: Callable[[bytes], bytes], text: str
) -> None:
    path = tiny.unpack(name)
    path.write_bytes(damage(path.read_bytes()))
    check_refused(path, text)


def check_refused(path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=rf"(?s)^mnist: {re.escape(str(path))}.*{text}"):
        mnist(path.parent, train="train" in path.name)


def test_files_that_are_not_of_one_set_are_refused(tiny: Tiny) -> None:
    images, labels = NAMES[:2]
    (tiny.folder / f"{labels}.gz").write_bytes((tiny.folder / f"{images}.gz").read_bytes())
    with pytest.raises(ValueError, match=r"hold uint8 \(6, 28, 28\) and uint8 \(6, 28, 28\), not"):
        mnist(tiny.folder)


@pytest.mark.parametrize(
    "spelt",
    [
        lambda name: name.replace("-idx", ".idx"),
        lambda name: name.replace("-idx", ".idx") + ".gz",
        lambda name: f"emnist-letters-{name.replace('t10k', 'test')}.gz",
        lambda name: name.removesuffix("-ubyte"),
        lambda name: name.split("-idx")[0].upper(),
    ],
)
def test_other_spellings_of_the_names_are_found(
    tiny: Tiny, tmp_path: Path, spelt: Callable[[str], str]
) -> None:
    folder = tmp_path / "spelt"
    folder.mkdir()
    for name, raw in tiny.raw.items():
        (folder / spelt(name)).write_bytes(gzip.compress(raw) if "gz" in spelt(name) else raw)
    for train, prefix in ((True, "train"), (False, "t10k")):
        images, labels = mnist(folder, train)
        assert np.array_equal(images, tiny.arrays[f"{prefix}-images-idx3-ubyte"])
        assert np.array_equal(labels, tiny.arrays[f"{prefix}-labels-idx1-ubyte"])


def test_several_sets_in_one_folder_are_an_error(tiny: Tiny, tmp_path: Path) -> None:
    folder = tmp_path / "sets"
    folder.mkdir()
    for name, raw in tiny.raw.items():
        for kind in ("letters", "digits"):
            (folder / f"emnist-{kind}-{name}").write_bytes(raw)
    with pytest.raises(ValueError, match=r"several sets: emnist-digits-train.*read_idx"):
        mnist(folder)


@pytest.mark.parametrize("dtype", ["u1", "i1", ">i2", ">i4", ">f4", ">f8"])
def test_read_idx_takes_every_dtype_and_packing(dtype: str, tmp_path: Path) -> None:
    array = np.arange(-3, 21).reshape(2, 3, 4).astype(dtype)
    code = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}[dtype]
    raw = bytes([0, 0, code, 3]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
    for i in range(3):
        path = tmp_path / f"whatever{i}"
        path.write_bytes(raw)
        found = read_idx(path)
        assert found.dtype == array.dtype.newbyteorder("=") and found.flags.writeable
        assert np.array_equal(found, array)
        raw = gzip.compress(raw)


def test_a_checksum_names_a_file_and_refuses_none(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, other = NAMES[:2]
    md5 = hashlib.md5(tiny.raw[name]).hexdigest()
    monkeypatch.setattr(nn.datasets.idx, "_KNOWN", {md5: "tiny digits"})
    assert identify(tiny.folder / f"{name}.gz") == "tiny digits"
    (tiny.folder / f"{name}.gz").write_bytes(gzip.compress(tiny.raw[name], 1))
    assert identify(tiny.folder / f"{name}.gz") == "tiny digits"
    assert identify(tiny.unpack(name)) == "tiny digits"
    assert identify(tiny.unpack(other)) == ""
    (tiny.folder / name).write_bytes(flipped(tiny.raw[name], 500))
    assert identify(tiny.folder / name) == ""
    assert mnist(tiny.folder)[0].shape == (6, 28, 28)


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


def test_real_mnist_unpacked_and_named(real: Path, tmp_path: Path) -> None:
    names = NAMES[2:]
    for name in names:
        packed = real / f"{name}.gz"
        raw = gzip.decompress(packed.read_bytes()) if packed.exists() else None
        (tmp_path / name).write_bytes(raw or (real / name).read_bytes())
    images, labels = mnist(tmp_path, train=False)
    real_images, real_labels = mnist(real, train=False)
    assert np.array_equal(images, real_images)
    assert np.array_equal(labels, real_labels)
    for name in names:
        assert identify(tmp_path / name) == f"MNIST {name}"


def test_the_table_of_files_is_consistent_with_the_readme() -> None:
    readme = (PACKAGE / "README.md").read_text(encoding="utf-8")
    for file in nn.datasets.idx._FILES:
        assert f"| {file.name}.gz | {file.packed:,} | {file.md5} |" in readme
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


@pytest.mark.parametrize("module", ["idx", "split", "tables", "kinds"])
def test_docstring_examples(module: str) -> None:
    assert doctest.testmod(getattr(nn.datasets, module)).failed == 0
