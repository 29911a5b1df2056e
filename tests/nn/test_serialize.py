"""What is saved comes back, here and in PyTorch; anything else is refused, and nothing is lost."""

import contextlib
import errno
import io
import json
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
import nn.torch_files
from autograd_lite import Tensor, manual_seed
from nn import BatchNorm1d, Linear, Sequential
from nn.archives import Entry
from nn.serialize import load, save
from tests import make_torch_files

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = [".npz", ".safetensors", ".pt"]
DATA = ROOT / "tests" / "data"
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
    if path.suffix == ".pt":  # which has numbers of its own
        assert (found.pop("i"), found.pop("f"), found.pop("b")) == (3, 0.5, True)
        found |= {"i": np.array(3), "f": np.array(0.5), "b": np.array(True)}
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


def wanted() -> dict[str, np.ndarray[Any, Any]]:
    """What tests/data/torch_state.pt and torch.safetensors hold; NumPy has no bfloat16."""
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    values = json.loads((DATA / "torch_float8.json").read_text())
    known = set(make_torch_files.DTYPES) - {"bfloat16", "complex64"}
    return {
        **{d: np.array([0, 1, 3]).astype(d) for d in make_torch_files.DTYPES if d in known},
        "bfloat16": np.array([0, 1, 3], np.float32),
        **{name: np.array(v, np.float32) for name, v in values.items()},
        "transposed": rows.T[1:],
        "a row": rows[1],
        "expanded": np.ones((3, 2), np.float32),
        "empty": np.ones((0, 3), np.float32),
        "number": np.array(2.5, np.float32),
    }


@pytest.mark.parametrize("name", ["torch_state.pt", "torch.safetensors"])
def test_tensors_of_every_dtype_of_pytorch_are_read(name: str) -> None:
    if name.endswith("safetensors"):
        pytest.importorskip("safetensors")
    with pytest.warns(UserWarning, match=r"left out of '.*': 'complex64' \(complex numbers\)$"):
        found = load(DATA / name)
    same(dict(sorted(found.items())), dict(sorted(wanted().items())))
    assert all(a.flags.writeable and a.flags.c_contiguous for a in found.values())


def test_a_dtype_that_is_not_known_leaves_out_one_tensor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("torch_state.pt", "torch.safetensors"):
        if name.endswith("safetensors"):
            pytest.importorskip("safetensors")
        monkeypatch.delitem(nn.torch_files.SMALL_FLOATS, "F8_E5M2", raising=False)
        with pytest.warns(UserWarning, match=r"left out of '.*'float8_e5m2' \(.*'F8_E5M2'"):
            found = load(DATA / name)
        assert found.keys() == wanted().keys() - {"float8_e5m2"}


def test_every_8_bit_float_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    codes = bytes(range(256))
    for name in make_torch_files.FLOAT8:
        theirs = torch.frombuffer(bytearray(codes), dtype=getattr(torch, name)).float().numpy()
        ours = nn.torch_files.decoded(nn.torch_files.DTYPES[name], codes)
        np.testing.assert_array_equal(ours, theirs, strict=True)
        fine = ~np.isnan(theirs)
        assert np.array_equal(np.signbit(ours[fine]), np.signbit(theirs[fine]))


# Trees


def tree() -> dict[Any, Any]:
    return {
        "model": {"0.weight": np.eye(2, dtype=np.float32), "0.bias": np.ones(2)},
        "optimizer": {"state": {0: {"step": np.array(1.0)}}, "groups": [{"lr": 0.1, "ids": [0]}]},
        "epoch": 3,
        "losses": [(1, 0.5), (2, float("inf"))],
        "nothing": None,
        "text": "größer, \0 and \\",
        "ok": False,
        "far": -(2**70),
        "empty": [{}, [], ()],
    }


def same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected), (found, expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            same(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            same(a, b)
    else:
        np.testing.assert_array_equal(found, expected, strict=isinstance(expected, np.ndarray))


def test_trees_come_back(path: Path) -> None:
    for x in (
        tree(),
        [np.ones(2)],
        np.ones(2),
        "text",
        {"a": {"b": np.ones(1)}, "a.b": np.ones(2)},
    ):
        save(x, path)
        same(load(path), x)


def test_files_in_memory(path: Path) -> None:
    save(tree(), path)
    same(load(io.BytesIO(path.read_bytes())), tree())
    file = io.BytesIO()
    save(tree(), file)
    file.seek(0)
    same(load(file), tree())
    with pytest.raises(ValueError, match="load: a BytesIO is not a file of arrays; it is empty"):
        load(io.BytesIO())


def test_a_training_goes_on_from_a_file(path: Path) -> None:
    x, y = np.ones((4, 3), np.float32), np.zeros((4, 2), np.float32)

    def step(model: Any, optimizer: Any) -> float:
        optimizer.zero_grad()
        loss = nn.MSELoss()(model(Tensor(x)), Tensor(y))
        loss.backward()
        optimizer.step()
        return float(loss.item())

    model, other = network(0), network(1)
    optimizer, another = (nn.optim.Adam(m.parameters(), lr=0.1) for m in (model, other))
    for _ in range(3):
        step(model, optimizer)
    save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)
    found = load(path, map_location="cpu")
    other.load_state_dict(found["model"])
    another.load_state_dict(found["optimizer"])
    assert [step(model, optimizer) for _ in range(3)] == [step(other, another) for _ in range(3)]


def test_only_the_cpu_is_a_place(path: Path) -> None:
    save({"w": np.ones(1)}, path)
    for place in ("cpu", None, {"cuda:0": "cpu"}, lambda storage, place: storage):
        assert load(path, map_location=place, weights_only=True)["w"] == 1
    with pytest.raises(RuntimeError, match="load: device 'cuda:0' is not here"):
        load(path, map_location="cuda:0")


# PyTorch's .pt files


@pytest.mark.parametrize("name", ["checkpoint", "protocol4"])
def test_a_checkpoint_of_pytorch(name: str) -> None:
    found = load(DATA / f"torch_{name}.pt")
    assert (found["epoch"], found["history"]) == (3, [(1, 0.5), (2, -1e300)])
    assert found["more"] == {
        "best": None, "ok": True, "name": "größer", "big": -(2**70), "size": (2, 3)
    }  # fmt: skip
    assert found["parameter"].tolist() == [1, 1]
    model = Sequential(Linear(3, 2), BatchNorm1d(2))
    model.load_state_dict(found["model"])
    assert model[1].num_batches_tracked.item() == 1
    optimizer = nn.optim.Adam(model.parameters())
    optimizer.load_state_dict(found["optimizer"])
    assert optimizer.param_groups[0]["lr"] == 0.5 and len(optimizer.state) == 4


def test_a_state_dict_of_pytorch_into_a_model(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2)
    )
    theirs(torch.randn(5, 3))
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    expected = theirs.eval()(torch.tensor(x)).detach().numpy()
    torch.save(theirs.state_dict(), tmp_path / "m.pth")
    for state_dict in (theirs.state_dict(), theirs.state_dict(keep_vars=True), None):
        model = network()
        if state_dict is None:
            load(tmp_path / "m.pth", model)
        else:
            model.load_state_dict(state_dict)
        np.testing.assert_allclose(model.eval()(Tensor(x)).array, expected, rtol=1e-5, atol=1e-6)
    half = {k: t.bfloat16() if t.is_floating_point() else t for k, t in theirs.state_dict().items()}
    model.load_state_dict(half)
    assert model[0].weight.dtype == np.float32
    np.testing.assert_allclose(model(Tensor(x)).array, expected, rtol=0.1, atol=0.1)


def test_pytorch_reads_our_pt(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    save({"arrays": state(), **tree()}, tmp_path / "ours.pt")
    found = torch.load(tmp_path / "ours.pt", weights_only=True)
    assert all(t.is_contiguous() for t in found["arrays"].values())
    equal({k: t.numpy() for k, t in found["arrays"].items()}, state())
    assert found["losses"] == tree()["losses"] and found["far"] == -(2**70)
    theirs = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2)
    )
    save(network(), tmp_path / "model.pt")
    theirs.load_state_dict(torch.load(tmp_path / "model.pt"))
    u = {"u": np.arange(3, dtype=np.uint16), "v": np.arange(3, dtype=np.uint64)}
    save(u, tmp_path / "u.pt")
    equal({k: t.numpy() for k, t in torch.load(tmp_path / "u.pt").items()}, u)


def test_what_pytorch_files_cannot_give_is_named() -> None:
    for name, text in [
        ("legacy", r"PyTorch before 1\.6; in PyTorch, torch\.save\(torch\.load\(path\), path\)"),
        ("module", r"torch\.nn\.modules\.linear\.Linear, an object that only code could make"),
        ("script", "it is a TorchScript program"),
    ]:
        with pytest.raises(
            ValueError, match=rf"torch_{name}.pt' is not a \.pt file of arr.*{text}"
        ):
            load(DATA / f"torch_{name}.pt")
    with pytest.warns(UserWarning, match="left out of .*'net' .*Linear.*'s'.*set"):
        found = load(DATA / "torch_mixed.pt")
    assert list(found) == ["w"] and found["w"].tolist() == [1, 1]


def test_code_in_a_pt_file_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOM", str(tmp_path / "boom"))
    for protocol in range(1, 6):
        content = pickle.dumps({"w": 1, "x": Boom(), "y": [Boom(), 2]}, protocol)
        (tmp_path / "a.pt").write_bytes(npz_with("archive/data.pkl", content))
        with pytest.warns(UserWarning, match=r"left out of .*'x' \(posix\.mkdir.*'y\.0'"):
            assert load(tmp_path / "a.pt") == {"w": 1, "y": [None, 2]}
    assert not (tmp_path / "boom").exists()


def with_structure(structure: bytes) -> bytes:
    """tests/data/torch_checkpoint.pt with another pickle in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(DATA / "torch_checkpoint.pt") as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            new.writestr(name, structure if name.endswith("data.pkl") else old.read(name))
    return file.getvalue()


@pytest.mark.filterwarnings("ignore:load. left out", "ignore:invalid escape:DeprecationWarning")
def test_a_damaged_structure_gives_no_other_error() -> None:
    with zipfile.ZipFile(DATA / "torch_checkpoint.pt") as archive:
        structure = archive.read("torch_checkpoint/data.pkl")
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(500):
        wrong = bytearray(structure)
        for i in rng.integers(0, len(wrong), rng.integers(1, 4)):
            wrong[i] = rng.integers(0, 256)
        try:
            load(io.BytesIO(with_structure(bytes(wrong))))
        except ValueError as error:
            assert "is not a file of arrays" in str(error)
            refused += 1
    assert refused > 250


def test_structures_that_would_fill_memory_or_never_end_are_refused() -> None:
    doubled: Any = []
    for _ in range(60):
        doubled = [doubled, doubled]
    found = load(io.BytesIO(with_structure(pickle.dumps({"w": 1, "doubled": doubled}, 2))))
    assert found["w"] == 1  # each node once, or it would take years
    itself: list[Any] = []
    itself.append(itself)
    deep = b"\x80\x02" + b"](" * 300_000 + b"e" * 300_000 + b"."
    for structure in (pickle.dumps(itself, 2), deep):
        with pytest.raises(ValueError, match="damaged, or not arrays: maximum recursion depth"):
            load(io.BytesIO(with_structure(structure)))
    storage = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage"
    storage += b"ctorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQK\x00"
    for n in (2**31 - 1, 2**28 + 2**20):  # elements that are all the same one
        shape = b"(J" + n.to_bytes(4, "little") + b"t(K\x00t\x89ccollections\nOrderedDict\n)RtR."
        with pytest.raises(
            ValueError, match=r"its arrays take up more than 1,073,7.*max_bytes= al"
        ):
            load(io.BytesIO(with_structure(storage + shape)))


def test_tensors_that_reach_out_of_their_storage_are_refused(tmp_path: Path) -> None:
    pt = nn.torch_files
    storage = pt.Storage("F32", Entry(40, lambda: bytes(40)))
    assert pt._tensor(storage, 1, (3, 3), (3, 1)).read().shape == (3, 3)
    for offset, shape, strides in [
        (2, (3, 3), (3, 1)), (0, (11,), (1,)), (-1, (2,), (1,)), (0, (2,), (-1,)), (10, (), ()),
        (0, (2, 2), (1,)),
    ]:  # fmt: skip
        with pytest.raises(ValueError):
            pt._tensor(storage, offset, shape, strides)


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
    ("zip of text", npz_with("a.txt", b"hello"), "a.txt.*not an array"),
    ("text as .npy", npz_with("a.npy", b"hello"), "damaged, or not arrays"),
    ("git-lfs", b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
    ("html", b"\n<!DOCTYPE html>", "an HTML page"),
]


@pytest.mark.parametrize(("what", "content", "text"), FOREIGN, ids=[f[0] for f in FOREIGN])
def test_foreign_files_are_refused(path: Path, what: str, content: bytes, text: str) -> None:
    path.write_bytes(content)
    model = network()
    before = {k: t.array.copy() for k, t in model.state_dict().items()}
    with pytest.raises(ValueError, match=rf"load: '.*model\{path.suffix}' is not a .*({text})"):
        load(path, model)
    equal({k: t.array for k, t in model.state_dict().items()}, before)


def test_a_wrong_suffix_does_no_harm(path: Path, tmp_path: Path) -> None:
    save({"w": np.ones(3)}, path)
    for name in ("a.npz", "a.safetensors", "a.pt", "a.bin", "a"):
        (tmp_path / name).write_bytes(path.read_bytes())
        equal(load(tmp_path / name), {"w": np.ones(3)})


def test_objects_in_an_npz_are_never_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOM", str(tmp_path / "boom"))
    objects = np.array([Boom()], dtype=object)
    (tmp_path / "a.npz").write_bytes(npz_with("w.npy", npy(objects, allow_pickle=True)))
    with pytest.raises(ValueError, match=r"'w' \(objects, which only pickle could read"):
        load(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", w=objects, x=np.ones(2), names=np.array(["a", "b"]))
    with pytest.warns(UserWarning, match=r"left out of '.*a\.npz': 'w' \(objects"):
        found = load(tmp_path / "a.npz")
    assert found["x"].tolist() == [1, 1] and found["names"].tolist() == ["a", "b"]
    assert list(found) == ["x", "names"]
    assert not (tmp_path / "boom").exists()


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
    for name in ("model", "model.npy", "model.NPZ"):
        with pytest.raises(
            ValueError, match=r"the known ones are \.npz, \.safetensors, \.pt, \.pth"
        ):
            save({}, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


# What cannot be saved


def refused() -> list[tuple[Any, type[Exception], str]]:
    return [
        ({"w": np.array([None])}, TypeError, "'w' has dtype object; only floats, ints and bools"),
        ({"w": np.array(["a"])}, TypeError, "'w' has dtype <U1"),
        ({"w": np.ones(2, complex)}, TypeError, "'w' has dtype complex128"),
        ({"w": [{1.0}]}, TypeError, r"'w\.0' is a set; tensors, arrays, numbers, strings and None"),
        ({"w": {0.5: np.ones(2)}}, TypeError, "the name 0.5 is neither a string nor an int"),
        (np.ones, TypeError, "this is a function"),
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

            patch.setitem(nn.serialize.FORMATS, path.suffix, half)
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

    def denied(*_: Any, **__: Any) -> Any:
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
open({str(tmp_path / "b.safetensors")!r}, "wb").write(bytes([2]) + bytes(7) + b"{{}}")
print(load({str(tmp_path / "b.safetensors")!r}))
try:
    save({{}}, {str(tmp_path / "b.safetensors")!r})
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    text = "to write .safetensors needs a package; install it with: pip install safetensors"
    assert done.stdout.splitlines() == ["2.0", "{}", text]
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
