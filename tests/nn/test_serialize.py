"""What is saved comes back, here and in PyTorch; anything else is refused, and nothing is lost."""

import contextlib
import errno
import io
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nn.serialize
from autograd_lite import Tensor, manual_seed
from nn import BatchNorm1d, Linear, Sequential
from nn.serialize import load, save

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = [".npz", ".safetensors"]
DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]


def state() -> dict[str, np.ndarray[Any, Any]]:
    """All dtypes, shapes and layouts."""
    rng = np.random.default_rng(0)
    arrays = {name: (rng.random((2, 3)) * 5).astype(name) for name in DTYPES}
    arrays |= {
        "zero-d": np.array(2.5),
        "empty": np.zeros((0, 3), np.float32),
        "fortran": np.asfortranarray(rng.random((3, 4))),
        "strided": rng.random((6, 4))[::2, ::-1],
        "big-endian": np.arange(3, dtype=">f8"),
        "nan": np.array([np.nan, np.inf, -0.0]),
        "file": np.ones(1),
        "self.ä/b": np.ones(2),
    }
    return arrays


def network(seed: int = 0) -> Sequential:
    manual_seed(seed)
    return Sequential(Linear(3, 4), BatchNorm1d(4), Linear(4, 2))


def equal(found: Any, expected: Any) -> None:
    assert found.keys() == expected.keys()
    for name, a in expected.items():
        np.testing.assert_array_equal(found[name], a, strict=a.dtype.isnative)
        assert (
            found[name].tobytes() == np.asarray(a, a.dtype.newbyteorder("="), order="C").tobytes()
        )


@pytest.fixture(params=SUFFIXES)
def path(request: Any, tmp_path: Path) -> Path:
    if request.param == ".safetensors":
        pytest.importorskip("safetensors")
    return tmp_path / f"model{request.param}"


# There and back


def test_arrays_come_back(path: Path) -> None:
    save(state(), path)
    found = load(str(path))
    equal(found, state())
    for a in found.values():
        assert type(a) is np.ndarray
        assert a.flags.c_contiguous and a.flags.writeable and a.dtype.isnative
    save({}, path)
    assert load(path) == {}


def test_tensors_and_numbers_are_saved_as_arrays(path: Path) -> None:
    t = Tensor(np.ones(2), requires_grad=True)
    save({"t": t, "i": 3, "f": 0.5, "b": True, "n": np.float32(1)}, path)
    found = load(path)
    assert {k: (a.dtype.name, a.shape) for k, a in found.items()} == {
        "t": ("float64", (2,)),
        "i": ("int64", ()),
        "f": ("float64", ()),
        "b": ("bool", ()),
        "n": ("float32", ()),
    }


def test_models_come_back_with_their_layout(path: Path) -> None:
    model, other = network(0), network(1)
    model[1].running_mean.array[...] = 7
    layouts = {k: t.array.flags.f_contiguous for k, t in other.state_dict().items()}
    save(model, path)
    found = load(path, other)
    equal({k: t.array for k, t in other.state_dict().items()}, found)
    equal({k: t.array for k, t in model.state_dict().items()}, found)
    assert {k: t.array.flags.f_contiguous for k, t in other.state_dict().items()} == layouts
    x = Tensor(np.ones((2, 3), np.float32))
    assert np.array_equal(model.eval()(x).array, other.eval()(x).array)


def test_numpy_reads_our_files_and_we_read_numpys(tmp_path: Path) -> None:
    save(state(), tmp_path / "ours.npz")
    with np.load(tmp_path / "ours.npz", allow_pickle=False) as file:
        equal(dict(file), state())
    arrays = {k: a for k, a in state().items() if k != "file"}
    for write in (np.savez, np.savez_compressed):
        write(tmp_path / "theirs.npz", **arrays)  # type: ignore[arg-type]
        equal(load(tmp_path / "theirs.npz"), arrays)


def test_pytorch_reads_our_safetensors(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    save(state(), tmp_path / "ours.safetensors")
    found = safetensors.load_file(tmp_path / "ours.safetensors")
    assert all(t.is_contiguous() for t in found.values())
    equal({k: t.numpy() for k, t in found.items()}, state())
    theirs = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2)
    )
    model = network()
    save(model, tmp_path / "model.safetensors")
    theirs.load_state_dict(safetensors.load_file(tmp_path / "model.safetensors"))
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    expected = theirs.eval()(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(model.eval()(Tensor(x)).array, expected, rtol=1e-5, atol=1e-6)


def test_we_read_pytorchs_safetensors(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    tensors = {
        k: torch.tensor(np.asarray(a, a.dtype.newbyteorder("="), order="C"))
        for k, a in state().items()
    }
    safetensors.save_file(tensors, tmp_path / "theirs.safetensors")
    equal(load(tmp_path / "theirs.safetensors"), state())
    theirs = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2)
    )
    safetensors.save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    model = network()
    load(tmp_path / "model.safetensors", model)
    for name, t in theirs.state_dict().items():
        assert np.array_equal(model.state_dict()[name].array, t.numpy())
    safetensors.save_file({"w": torch.ones(2, dtype=torch.bfloat16)}, tmp_path / "b.safetensors")
    with pytest.raises(ValueError, match="dtype 'BF16', which NumPy has not"):
        load(tmp_path / "b.safetensors")


# What does not fit the model


def test_entries_that_do_not_fit_leave_the_model_alone(path: Path) -> None:
    model = network()
    before = {k: t.array.copy() for k, t in model.state_dict().items()}
    good = {k: a + 1 for k, a in before.items()}
    for change, text in [
        ({"0.weight": np.ones((4, 2))}, r"0\.weight"),
        ({"more": np.ones(1)}, "more"),
    ]:
        save({**good, **change}, path)
        with pytest.raises(RuntimeError, match=text):
            load(path, model)
        equal({k: t.array for k, t in model.state_dict().items()}, before)
    missing = {k: a for k, a in good.items() if k != "0.bias"}
    save(missing, path)
    with pytest.raises(RuntimeError, match=r"0\.bias"):
        load(path, model)
    equal({k: t.array for k, t in model.state_dict().items()}, before)
    load(path, model, strict=False)
    equal(
        {k: t.array for k, t in model.state_dict().items()}, {**missing, "0.bias": before["0.bias"]}
    )


# Files that are refused


def npz_with(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


def npy(a: Any, allow_pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(a), allow_pickle=allow_pickle)
    return file.getvalue()


class Boom:
    """A pickle of it would run a program."""

    def __reduce__(self) -> Any:
        return os.mkdir, (str(Path(os.environ["BOOM"])),)


FOREIGN: list[tuple[str, bytes, str]] = [
    ("empty", b"", "it is empty"),
    ("pickle", pickle.dumps({"w": 1}), "it looks like a pickle, which is never loaded"),
    ("png", b"\x89PNG\r\n\x1a\n" + bytes(50), "a PNG picture"),
    ("text", b"weight: 1.0, bias: 2.0\n", "it begins with b'weight: '"),
    ("array", npy(np.ones(3)), r"a single array \(\.npy\)"),
    ("gzip", b"\x1f\x8b\x08" + bytes(20), "gzip"),
    ("noise", np.random.default_rng(0).bytes(500), "it begins with"),
    ("zip of text", npz_with("a.txt", b"hello"), "a.txt.*not an array|a zip archive"),
    ("text as .npy", npz_with("a.npy", b"hello"), "damaged, or not arrays|a zip archive"),
]


@pytest.mark.parametrize(("what", "content", "text"), FOREIGN, ids=[f[0] for f in FOREIGN])
def test_foreign_files_are_refused(path: Path, what: str, content: bytes, text: str) -> None:
    path.write_bytes(content)
    model = network()
    before = {k: t.array.copy() for k, t in model.state_dict().items()}
    with pytest.raises(ValueError, match=rf"load: '.*model\{path.suffix}' is not a .*({text})"):
        load(path, model)
    equal({k: t.array for k, t in model.state_dict().items()}, before)


def test_the_other_kind_under_a_wrong_suffix(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    save({"w": np.ones(3)}, tmp_path / "a.npz")
    save({"w": np.ones(3)}, tmp_path / "b.safetensors")
    (tmp_path / "a.npz").rename(tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").rename(tmp_path / "b.npz")
    with pytest.raises(
        ValueError, match=r"not a \.safetensors file of arrays; it looks like a zip"
    ):
        load(tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match=r"not an \.npz archive: it looks like \.safetensors"):
        load(tmp_path / "b.npz")


def test_objects_in_an_npz_are_never_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOM", str(tmp_path / "boom"))
    objects = np.array([Boom()], dtype=object)
    (tmp_path / "a.npz").write_bytes(npz_with("w.npy", npy(objects, allow_pickle=True)))
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        load(tmp_path / "a.npz")
    assert not (tmp_path / "boom").exists()
    (tmp_path / "a.npz").write_bytes(npz_with("w.npy", npy(np.array(["text"]))))
    with pytest.raises(ValueError, match="'w' has dtype <U4; only floats, ints and bools are"):
        load(tmp_path / "a.npz")


def test_torch_saves_are_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"w": torch.ones(2)}, tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"it holds '.*data\.pkl', which is not an array"):
        load(tmp_path / "a.npz")


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.3, 0.7, 0.95, 0.999])
def test_truncated_files_are_refused(path: Path, keep: float) -> None:
    save({"w": np.arange(1000.0), "b": np.ones(7)}, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(ValueError, match=rf"'.*model\{path.suffix}' is not a"):
        load(path, network())


def test_a_flipped_byte_in_an_npz_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    for write in (lambda: save({"w": np.zeros(100)}, path),
                  lambda: np.savez_compressed(path, w=np.random.default_rng(0).random(100))):  # fmt: skip
        write()
        content = bytearray(path.read_bytes())
        content[400] ^= 0xFF
        path.write_bytes(content)
        with pytest.raises(ValueError, match="damaged, or not arrays"):
            load(path)


def test_no_flipped_byte_gives_another_error(path: Path) -> None:
    kinds = [lambda: save({"w": np.zeros(40), "b": np.arange(3)}, path)]
    if path.suffix == ".npz":
        kinds.append(lambda: np.savez_compressed(path, w=np.arange(40.0)))
    refused = 0
    for write in kinds:
        write()
        content = path.read_bytes()
        for i in range(len(content)):
            path.write_bytes(content[:i] + bytes([content[i] ^ 0xFF]) + content[i + 1 :])
            try:
                load(path)
            except ValueError as error:
                assert str(path) in str(error)
                refused += 1
    assert refused > 50


def test_missing_files_and_unknown_suffixes(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        with pytest.raises(FileNotFoundError):
            load(tmp_path / f"nothing{suffix}")
    for name in ("model", "model.pt", "model.npy", "model.NPZ"):
        for call in (lambda p: save({}, p), load):
            with pytest.raises(ValueError, match=r"the known ones are \.npz and \.safetensors"):
                call(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


# What cannot be saved


def refused() -> list[tuple[Any, type[Exception], str]]:
    return [
        ({"w": np.array([None])}, TypeError, "'w' has dtype object; only floats, ints and bools"),
        ({"w": np.array(["a"])}, TypeError, "'w' has dtype <U1"),
        ({"w": np.ones(2, complex)}, TypeError, "'w' has dtype complex128"),
        ({"w": [1.0]}, TypeError, "'w' is a list; only tensors, arrays and numbers"),
        ({"w": None}, TypeError, "'w' is a NoneType"),
        ({1: np.ones(2)}, TypeError, "the name 1 is not a string"),
        (np.ones(2), TypeError, "a ndarray is neither a Module nor a dictionary of arrays"),
    ]


@pytest.mark.parametrize(("what", "error", "text"), refused())
def test_values_that_are_refused_leave_the_old_file(
    path: Path, what: Any, error: type[Exception], text: str
) -> None:
    save({"w": np.ones(2)}, path)
    with pytest.raises(error, match=f"save: {text}"):
        save(what, path)
    equal(load(path), {"w": np.ones(2)})
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_names_that_a_file_cannot_hold(tmp_path: Path) -> None:
    for name in ("a\0b", "a\\b"):
        with pytest.raises(ValueError, match=r"cannot stand in an \.npz archive"):
            save({name: np.ones(1)}, tmp_path / "a.npz")
    pytest.importorskip("safetensors")
    with pytest.raises(ValueError, match="'__metadata__' is a name of"):
        save({"__metadata__": np.ones(1)}, tmp_path / "a.safetensors")
    if np.dtype(np.longdouble).itemsize > 8:
        with pytest.raises(TypeError, match=r"which \.safetensors has not"):
            save({"w": np.ones(1, np.longdouble)}, tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


# Whole or not at all


@pytest.mark.parametrize("place", ["fsync", "replace", "write"])
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "no space left"), KeyboardInterrupt()])
def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch, place: str, old: bool, error: BaseException
) -> None:
    if old:
        save({"w": np.ones(2)}, path)

    def fails(*_: Any, **__: Any) -> Any:
        raise error

    with monkeypatch.context() as patch:
        if place == "write":

            def half(file: Any, arrays: Any) -> None:
                file.write(b"PK half")
                raise error

            patch.setattr(nn.serialize, "_to_npz", half)
            patch.setattr(nn.serialize, "_to_st", half)
        else:
            patch.setattr(os, place, fails)
        with pytest.raises(type(error)):
            save({"w": np.zeros(5)}, path)
    assert [p.name for p in path.parent.iterdir()] == [path.name] * old
    if old:
        equal(load(path), {"w": np.ones(2)})


def test_the_file_is_on_the_disk_before_it_takes_the_place(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def noting(name: str) -> Any:
        real = getattr(os, name)

        def noted(*args: Any) -> Any:
            order.append(name)
            return real(*args)

        return noted

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noting(name))
    save({"w": np.ones(2)}, path)
    assert order == ["fsync", "replace"]


def test_folders_that_cannot_be_written_to(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match=r"save: cannot write into the folder.*nowhere"):
        save({}, path.parent / "nowhere" / path.name)

    def denied(*_: Any) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(nn.serialize, "open", denied, raising=False)
    with pytest.raises(PermissionError, match="cannot write into the folder: Permission denied"):
        save({}, path)


@pytest.mark.skipif(os.name != "posix", reason="permissions and links are POSIX's")
def test_permissions_and_links_stay(path: Path) -> None:
    before = os.umask(0o022)
    try:
        save({"w": np.ones(1)}, path)
        assert path.stat().st_mode & 0o777 == 0o644
        path.chmod(0o600)
        link = path.with_name(f"link{path.suffix}")
        link.symlink_to(path)
        save({"w": np.ones(3)}, link)
    finally:
        os.umask(before)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert load(path)["w"].shape == (3,)


def test_without_safetensors_the_error_says_how_to_get_it(tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules["safetensors"] = None
import numpy as np
from nn.serialize import load, save
save({{"w": np.ones(2)}}, {str(tmp_path / "a.npz")!r})
print(load({str(tmp_path / "a.npz")!r})["w"].sum())
open({str(tmp_path / "b.safetensors")!r}, "wb").close()
for call in (lambda p: save({{}}, p), load):
    try:
        call({str(tmp_path / "b.safetensors")!r})
    except ImportError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    text = ".safetensors files need a package; install it with: pip install safetensors"
    assert done.stdout.splitlines() == ["2.0", text, text]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "b.safetensors"]


def test_two_arrays_of_one_name_and_headers_that_lie_are_refused(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000000,), }\n"
    lie = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    buffer = io.BytesIO()
    np.save(buffer, np.ones(1))
    for name, entries in (("lie", [lie]), ("twice", [buffer.getvalue()] * 2)):
        path = tmp_path / f"{name}.npz"
        expected = pytest.warns(UserWarning) if len(entries) > 1 else contextlib.nullcontext()
        with expected, zipfile.ZipFile(path, "w") as archive:
            for content in entries:
                archive.writestr("a.npy", content)
        with pytest.raises(ValueError, match=f"{name}\\.npz"):
            load(path)
