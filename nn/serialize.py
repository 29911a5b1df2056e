"""Saving trees of arrays to .npz, .safetensors and .pt files, and loading them; nothing is run.

A file appears whole or not at all: it is written beside its place under another name, and then
takes the place in one move. Files of each kind can be read elsewhere, .npz by NumPy, .safetensors
and .pt by PyTorch.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import IO, Any

import numpy as np

from autograd_lite.conversion import require_cpu
from autograd_lite.exchange import values_of

from . import torch_files
from .datasets.kinds import looks_like
from .module import Module
from .torch_files import Global, LeftOut, Storage

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["load", "save"]

Array = np.ndarray[Any, Any]
State = dict[str, Any]

FLOATS_INTS_BOOLS = "fiub"
STRUCTURE = "structure.json"  # where a file says how its arrays are nested, if they are


def save(
    model_or_state: Any,
    path: str | os.PathLike[str] | IO[bytes],
    *,
    format: str | None = None,
) -> None:
    """Save the state of a module, or a tree of tensors and arrays, as the suffix of `path` says.

    A tree has dictionaries, lists and tuples as nodes, and tensors, arrays, numbers, strings and
    None as leaves: `{"model": model.state_dict(), "optimizer": optimizer.state_dict()}`. `.npz`
    needs nothing else, `.safetensors` the package safetensors; `.pt` and `.pth` are PyTorch's. A
    binary file, such as io.BytesIO(), gets .npz; `format` is another suffix to go by. Arrays are
    stored in C order, and in one flat dictionary numbers as arrays. The old file stays as it is
    until the new one is whole. ValueError for another suffix, and for names that a file cannot
    hold; TypeError for other values; OSError if the folder cannot be written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save({"weight": np.eye(2)}, f"{folder}/model.npz")
    ...     load(f"{folder}/model.npz")["weight"].tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if isinstance(model_or_state, Module):
        model_or_state = model_or_state.state_dict()
    if not isinstance(path, str | os.PathLike):
        FORMATS[format or ".npz"](path, _tree(model_or_state, ""))
        return
    write = FORMATS[format or _suffix(path)]
    tree = _tree(model_or_state, "")
    with _new_file(Path(path)) as file:
        write(file, tree)


def load(
    path: str | os.PathLike[str] | IO[bytes],
    model: Module | None = None,
    strict: bool = True,
    *,
    map_location: Any = None,
    weights_only: bool = True,
) -> Any:
    """Load what `save` wrote, or NumPy, safetensors or torch.save: a tree with arrays as leaves.

    What a file is tells its content, not its suffix; a binary file such as io.BytesIO is read too.
    With `model`, its parameters and buffers take the values over, as by
    `model.load_state_dict(state, strict)`, whose errors (a RuntimeError for missing, unexpected
    and misshapen entries) leave the model as it was. bfloat16 and 8-bit floats come as float32.
    Code in a file is never run, whatever `weights_only` says; what only code could make, such as
    object arrays and whole modules, is left out with a UserWarning that names it. `map_location`
    may be anything that means the CPU, else RuntimeError. FileNotFoundError if there is no file,
    ValueError if it is damaged or holds no arrays.

    >>> import tempfile
    >>> a, b = nn.Linear(2, 1), nn.Linear(2, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(a, f"{folder}/model.npz")
    ...     sorted(load(f"{folder}/model.npz", b))
    ['bias', 'weight']
    >>> bool((a.weight == b.weight).array.all())
    True
    """
    if not isinstance(map_location, Mapping) and not callable(map_location):
        require_cpu("load", map_location)
    if isinstance(path, str | os.PathLike):
        name, content = repr(os.fspath(path)), Path(path).read_bytes()
    else:
        name, content = f"a {type(path).__name__}", path.read()
    tree, left_out = _read(name, content)
    if isinstance(tree, LeftOut) or (left_out and not tree):
        raise _refused(name, f"it holds {', '.join(left_out)}, and nothing else")
    if left_out:
        warnings.warn(f"load: left out of {name}: {', '.join(left_out)}", stacklevel=2)
    if model is not None:
        model.load_state_dict(tree, strict)
    return tree


def _suffix(path: Any) -> str:
    suffix = Path(path).suffix
    if suffix not in FORMATS:
        raise ValueError(
            f"save: {os.fspath(path)!r} has the suffix {suffix!r}; the known ones are "
            f"{', '.join(FORMATS)}"
        )
    return suffix


# ---- trees


def _tree(x: Any, path: str) -> Any:
    """The same tree of C-ordered arrays, numbers, strings and None, in nodes of Python's types."""
    if isinstance(x, Mapping):
        for key in x:
            if not isinstance(key, str | int):
                raise TypeError(f"save: the name {key!r} is neither a string nor an int")
        return {key: _tree(value, _inner(path, key)) for key, value in x.items()}
    if isinstance(x, list | tuple):
        items = [_tree(value, _inner(path, i)) for i, value in enumerate(x)]
        return items if isinstance(x, list) else tuple(items)
    if x is None or isinstance(x, str) or type(x) in (bool, int, float):
        return x
    if not isinstance(x, np.generic) and not hasattr(x, "__dlpack__"):
        what = f"{path!r} is a {type(x).__name__}" if path else f"this is a {type(x).__name__}"
        raise TypeError(
            f"save: {what}; tensors, arrays, numbers, strings and None are saved, in dictionaries, "
            "lists and tuples, or a Module"
        )
    a = values_of(x)
    if a.dtype.kind not in FLOATS_INTS_BOOLS:
        raise TypeError(f"save: {path!r} has dtype {a.dtype}; only floats, ints and bools are")
    return _plain(a)


def _inner(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _plain(a: Array) -> Array:
    """In C order and this machine's byte order."""
    return np.asarray(a, a.dtype.newbyteorder("="), order="C")


def _flat(tree: Any) -> tuple[dict[str, Array], str | None]:
    """The arrays by name, and how they are nested as JSON, None if they are one dictionary."""
    kinds = (np.ndarray, bool, int, float)
    if isinstance(tree, dict) and all(
        isinstance(k, str) and isinstance(v, kinds) for k, v in tree.items()
    ):
        return {name: np.asarray(value) for name, value in tree.items()}, None
    arrays: dict[str, Array] = {}

    def described(x: Any, path: str) -> Any:
        if isinstance(x, dict):
            return {"dict": [[key, described(v, _inner(path, key))] for key, v in x.items()]}
        if isinstance(x, list | tuple):
            items = [described(v, _inner(path, i)) for i, v in enumerate(x)]
            return {type(x).__name__: items}
        if not isinstance(x, np.ndarray):
            return x
        name = path or "value"
        while name in arrays:
            name += "_"
        arrays[name] = x
        return {"array": name}

    return arrays, json.dumps(described(tree, ""))


def _nested(arrays: dict[str, Any], structure: str | None) -> Any:
    """The tree that `_flat` took apart."""

    def built(x: Any) -> Any:
        if not isinstance(x, dict):
            return x
        ((kind, content),) = x.items()
        if kind == "array":
            return arrays[content]
        if kind == "dict":
            return {key: built(value) for key, value in content}
        return {"list": list, "tuple": tuple}[kind](built(item) for item in content)

    return arrays if structure is None else built(json.loads(structure))


class _Keeping:
    """Goes through a tree, each node once, and leaves out what is no data: `left_out` names it."""

    def __init__(self) -> None:
        self.left_out: list[str] = []
        self.done: dict[int, Any] = {}  # a file may say of a node that it stands in many places

    def kept(self, x: Any, path: str = "") -> Any:
        if isinstance(x, Global | LeftOut | Storage):
            self.left_out.append(f"{path!r} ({x.name})" if path else x.name)
            return LeftOut(x.name)
        if isinstance(x, dict | list | tuple):
            if id(x) not in self.done:
                self.done[id(x)] = self.node(x, path)
            return self.done[id(x)]
        return _plain(x) if isinstance(x, np.ndarray) else x

    def node(self, x: Any, path: str) -> Any:
        if isinstance(x, dict):
            kept = {key: self.kept(value, _inner(path, key)) for key, value in x.items()}
            return {key: value for key, value in kept.items() if not isinstance(value, LeftOut)}
        items = [self.kept(value, _inner(path, i)) for i, value in enumerate(x)]
        return type(x)(None if isinstance(item, LeftOut) else item for item in items)


# ---- .npz: a zip archive of .npy files


def _to_npz(file: IO[bytes], tree: Any) -> None:
    arrays, structure = _flat(tree)
    for name in arrays:
        if "\0" in name or "\\" in name:
            raise ValueError(f"save: the name {name!r} cannot stand in an .npz archive")
    with zipfile.ZipFile(file, "w") as archive:  # np.savez has "file" as an argument of its own
        for name, a in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, a, allow_pickle=False)
        if structure is not None:
            archive.writestr(STRUCTURE, structure)


def _from_npz(archive: zipfile.ZipFile) -> Any:
    names = archive.namelist()
    if len(set(names)) < len(names):
        raise ValueError("it holds two arrays of one name")
    state = {
        name.removesuffix(".npy"): _from_npy(archive, name) for name in names if name != STRUCTURE
    }
    return _nested(state, archive.read(STRUCTURE).decode() if STRUCTURE in names else None)


def _from_npy(archive: zipfile.ZipFile, name: str) -> Any:
    content = io.BytesIO(archive.read(name))
    if not name.endswith(".npy"):
        return LeftOut("not an array")
    try:
        return np.lib.format.read_array(content, allow_pickle=False)
    except ValueError as error:
        if "Object arrays" not in str(error):
            raise
        return LeftOut("objects, which only pickle could read: it can run any program")


# ---- .safetensors


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise ImportError(
            ".safetensors files need a package; install it with: pip install safetensors"
        ) from None
    return safetensors


def _to_st(file: IO[bytes], tree: Any) -> None:
    package = _safetensors()
    arrays, structure = _flat(tree)
    for name, a in arrays.items():
        if a.dtype.itemsize > 8:
            raise TypeError(f"save: {name!r} has dtype {a.dtype}, which .safetensors has not")
        if name == "__metadata__":
            raise ValueError(f"save: {name!r} is a name of .safetensors' own; choose another")
    metadata = {"format": "pt"} | ({} if structure is None else {STRUCTURE: structure})
    file.write(package.numpy.save(arrays, metadata=metadata))


def _from_st(content: bytes) -> Any:
    package = _safetensors()
    state: State = {}
    try:
        for name, entry in package.deserialize(content):
            try:
                flat = torch_files.decoded(entry["dtype"], entry["data"])
                state[name] = flat.reshape(entry["shape"]).copy()  # its memory is read-only
            except KeyError as dtype:
                state[name] = LeftOut(f"dtype {dtype}")
    except (package.SafetensorError, OverflowError) as error:
        raise ValueError(f"{looks_like(content)} ({error})") from error
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return _nested(state, header.get("__metadata__", {}).get(STRUCTURE))


# ---- files

FORMATS = {
    ".npz": _to_npz,
    ".safetensors": _to_st,
    ".pt": torch_files.write,
    ".pth": torch_files.write,
}
LEGACY = (
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the first pickle of a file of PyTorch before 1.6
)


class Refused(ValueError):
    """A file that is not what it should be."""


def _refused(name: str, reason: str) -> Refused:
    kind = Path(name.strip("'")).suffix
    kind = f"{kind} " if kind in FORMATS else ""
    return Refused(f"load: {name} is not a {kind}file of arrays; {reason}")


def _read(name: str, content: bytes) -> tuple[Any, list[str]]:
    """The tree in a file, by its first bytes, and what is left out."""
    if content.startswith(LEGACY):
        raise _refused(
            name,
            "it is of PyTorch before 1.6; in PyTorch, torch.save(torch.load(path), path) writes "
            "it anew",
        )
    if content[:2] != b"PK" and content[8:9] != b"{":
        raise _refused(name, looks_like(content))
    keeping = _Keeping()
    try:
        return keeping.kept(_tree_of(content)), keeping.left_out
    except DAMAGED as error:
        raise _refused(name, f"damaged, or not arrays: {error}") from error


def _tree_of(content: bytes) -> Any:
    if content[:2] != b"PK":
        return _from_st(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if any(n.split("/")[-1] == "data.pkl" for n in archive.namelist()):
            return torch_files.read(archive)
        return _from_npz(archive)


DAMAGED = (  # what Python raises at nonsense; of memory, where a header claims more than there is
    zipfile.BadZipFile, zlib.error, ValueError, TypeError, KeyError, IndexError, AttributeError,
    EOFError, OverflowError, RuntimeError, MemoryError,
)  # fmt: skip


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which takes the place of `path` once every byte is on the disk."""
    path = Path(os.path.realpath(path))  # through a link, not in its place
    _remove_leftovers(path)
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    while True:
        try:  # of others nobody reads it before it has the rights of the old file
            file = open(new, "xb", opener=_private if path.exists() else None)  # noqa: SIM115
        except OSError as error:
            raise type(error)(
                error.errno,
                f"save: cannot write into the folder: {error.strerror}",
                str(path.parent),
            ) from None
        with suppress(OSError):  # a file system without locks
            lock(file, wait=True)
        if new.exists():
            break
        file.close()  # somebody took it for a leftover before it was locked
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if path.exists():
                shutil.copymode(path, new)
            if os.name != "nt":  # which moves closed files alone
                os.replace(new, path)
        if os.name == "nt":
            os.replace(new, path)
    except BaseException as error:
        new.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # of a write: the disk is full
            raise type(error)(
                error.errno, f"save: cannot write: {error.strerror}", str(path)
            ) from None
        raise


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def lock(file: IO[bytes], wait: bool) -> None:
    """Say that this process uses a file, until it is closed; OSError if another one does."""
    if fcntl is not None:  # Windows removes no file that is open
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def _remove_leftovers(path: Path) -> None:
    """Remove what was written of this file by processes that were killed: nobody has it locked."""
    for left in path.parent.glob(f".{escape(path.name)}.*.tmp"):
        with suppress(OSError), open(left, "r+b") as file:
            lock(file, wait=False)
            left.unlink()
