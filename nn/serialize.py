"""Saving trees of arrays to .npz, .safetensors and .pt files, and loading them; nothing is run.

A file appears whole or not at all: it is written beside its place under another name, and then
takes the place in one move. Files of each kind can be read elsewhere, .npz by NumPy, .safetensors
and .pt by PyTorch.
"""

from __future__ import annotations

import gc
import io
import json
import math
import os
import secrets
import shutil
import stat
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from glob import escape
from pathlib import Path
from typing import IO, Any

import numpy as np

from autograd_lite.conversion import require_cpu
from autograd_lite.exchange import values_of

from . import torch_files
from .archives import Entry, Later, entries
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
INFLATED = 2**30  # bytes that arrays may take up more than the file, unless told otherwise
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
    _replace(Path(path), lambda file: write(file, tree))


def load(
    path: str | os.PathLike[str] | IO[bytes],
    model: Module | None = None,
    strict: bool = True,
    *,
    map_location: Any = None,
    weights_only: bool = True,
    max_bytes: int | None = None,
) -> Any:
    """Load what `save` wrote, or NumPy, safetensors or torch.save: a tree with arrays as leaves.

    What a file is tells its content, not its suffix; a binary file such as io.BytesIO is read too.
    With `model`, its parameters and buffers take the values over, as by
    `model.load_state_dict(state, strict)`, whose errors (a RuntimeError for missing, unexpected
    and misshapen entries) leave the model as it was, and come before an array is read. bfloat16 and
    8-bit floats come as float32. Code in a file is never run, whatever `weights_only` says; what
    only code could make, such as object arrays and whole modules, is left out with a UserWarning
    that names it, and so are complex numbers. `map_location` may be anything that means the CPU,
    else RuntimeError. FileNotFoundError if there is no file, ValueError if it is damaged, holds no
    arrays, or more than `max_bytes` of them: a few bytes of a stranger may say that they are many.
    Without a number the limit is 1 GiB more than the file has.

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
    name, content = _content(path, max_bytes)
    collects = gc.isenabled()
    try:
        gc.disable()  # there are no cycles, and to look for them takes half of the time
        return _loaded(name, content, model, strict, max_bytes)
    finally:
        if collects:
            gc.enable()


def _loaded(
    name: str, content: bytes, model: Module | None, strict: bool, max_bytes: int | None
) -> Any:
    """What `load` gives of the content of a file."""
    keeping = _Keeping(len(content) + INFLATED if max_bytes is None else max_bytes)
    tree = _described(name, content, keeping)
    left_out = keeping.left_out
    if isinstance(tree, LeftOut) or (left_out and not tree):
        raise _refused(name, f"it holds {_few(left_out)}, and nothing else")
    if model is not None:
        if not isinstance(tree, dict):
            raise _refused(name, f"it holds a {type(_header(tree)).__name__}, not a state")
        model._fitted(mapped(tree, _header, {}), strict)
    with _damage(name):
        tree = mapped(tree, _read, {})
    if left_out:
        warnings.warn(f"load: left out of {name}: {printable(_few(left_out))}", stacklevel=3)
    if model is not None:
        model.load_state_dict(tree, strict)
    return tree


def _few(names: list[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


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


def mapped(x: Any, leaf: Callable[[Any], Any], done: dict[int, Any]) -> Any:
    """The tree of what `leaf` makes of the leaves; what stands in many places is gone through once,
    as a few bytes of a file can say of a node that it does so 2**60 times."""
    if id(x) not in done:
        if isinstance(x, dict):
            done[id(x)] = {key: mapped(value, leaf, done) for key, value in x.items()}
        elif isinstance(x, list | tuple):
            done[id(x)] = type(x)(mapped(item, leaf, done) for item in x)
        else:
            done[id(x)] = leaf(x)
    return done[id(x)]


class _Keeping:
    """Goes through a tree, each node once, and leaves out what is no data: `left_out` names it.

    ValueError where its arrays would take up more than `limit` bytes.
    """

    def __init__(self, limit: int) -> None:
        self.left_out: list[str] = []
        self.done: dict[int, Any] = {}
        self.limit, self.bytes = limit, 0

    def kept(self, x: Any, path: str = "") -> Any:
        if isinstance(x, Global | LeftOut | Storage):
            self.left_out.append(f"{path!r} ({x.name})" if path else x.name)
            return LeftOut(x.name)
        if isinstance(x, Later) and (x.dtype.hasobject or x.dtype.kind == "c"):
            return self.kept(LeftOut(OBJECTS if x.dtype.hasobject else "complex numbers"), path)
        if id(x) not in self.done:
            self.done[id(x)] = self.node(x, path)
        return self.done[id(x)]

    def node(self, x: Any, path: str) -> Any:
        if isinstance(x, dict):
            kept = {key: self.kept(value, _inner(path, key)) for key, value in x.items()}
            return {key: value for key, value in kept.items() if not isinstance(value, LeftOut)}
        if isinstance(x, Later):
            self.add(math.prod(x.shape) * x.dtype.itemsize)
        elif isinstance(x, list | tuple):
            items = [self.kept(value, _inner(path, i)) for i, value in enumerate(x)]
            return type(x)(None if isinstance(item, LeftOut) else item for item in items)
        return x

    def add(self, n: int) -> None:
        self.bytes += n
        if self.bytes > self.limit:
            raise ValueError(
                f"its arrays take up more than {self.limit:,} bytes; max_bytes= allows more"
            )


OBJECTS = "objects, which only pickle could read: it can run any program"


def _header(x: Any) -> Any:
    """An array of the shape and dtype, which takes up no memory."""
    return np.broadcast_to(np.zeros((), x.dtype), x.shape) if isinstance(x, Later) else x


def _read(x: Any) -> Any:
    return x.read() if isinstance(x, Later) else x


# ---- .npz: a zip archive of .npy files


def _to_npz(file: IO[bytes], tree: Any) -> None:
    arrays, structure = _flat(tree)
    for name in arrays:
        if "\0" in name or "\\" in name:
            raise ValueError(f"save: the name {name!r} cannot stand in an .npz archive")
    try:
        with zipfile.ZipFile(file, "w") as archive:  # np.savez has "file" as an argument of its own
            for name, a in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, a, allow_pickle=False)
            if structure is not None:
                archive.writestr(STRUCTURE, structure)
    except ValueError as error:  # which an archive raises that Ctrl-C has left amid an entry
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        raise


def _from_npz(found: dict[str, Entry]) -> Any:
    state = {n.removesuffix(".npy"): _from_npy(n, entry) for n, entry in found.items()}
    structure = state.pop(STRUCTURE, None)
    return _nested(state, None if structure is None else bytes(found[STRUCTURE].read()).decode())


def _from_npy(name: str, entry: Entry) -> Any:
    if not name.endswith(".npy"):
        entry.read(1)  # that is its name, and no damage
        return LeftOut("not an array")
    small = entry.read() if entry.size < HEAD else None  # to find it again takes longer
    content = entry.read(HEAD) if small is None else small
    start = 10 + int.from_bytes(content[8:10], "little")
    if content[6] > 1:  # a longer header
        start = 12 + int.from_bytes(content[8:12], "little")
    shape, order, dtype = _npy_header(bytes(content[:start]))
    if not dtype.hasobject and start + math.prod(shape) * dtype.itemsize != entry.size:
        raise ValueError(f"{name!r} has another size than its header says")

    def read() -> Array:
        data = bytearray(entry.read() if small is None else small)
        return _plain(np.ndarray(shape, dtype, data, start, order=order))

    return Later(shape, dtype, read)


HEAD = 2**16  # bytes that the header of an array has at most


@lru_cache(1000)  # 65,000 arrays of a file have few different headers
def _npy_header(head: bytes) -> tuple[tuple[int, ...], Any, np.dtype[Any]]:
    """The shape, the order and the dtype of an array in NumPy's format."""
    file = io.BytesIO(head)
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"an array of NumPy's format {version}")
    shape, fortran, dtype = HEADERS[version](file)
    if min(shape, default=0) < 0:
        raise ValueError(f"an array of shape {shape}")
    return shape, "F" if fortran else "C", dtype


HEADERS: dict[Any, Any] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


# ---- .safetensors


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise ImportError(
            "to write .safetensors needs a package; install it with: pip install safetensors"
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
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start], object_pairs_hook=_once)
    structure = header.pop("__metadata__", {}).get(STRUCTURE)
    state: State = {}
    end = 0
    for name, entry in sorted(header.items(), key=lambda one: one[1]["data_offsets"]):
        begin, end_before = entry["data_offsets"][0], end
        end, shape = entry["data_offsets"][1], tuple(entry["shape"])
        if begin != end_before or not all(type(n) is int and n >= 0 for n in (*shape, begin, end)):
            raise ValueError(f"the bytes of {name!r} do not follow those before them")
        state[name] = _st_array(content, start + begin, start + end, shape, entry["dtype"])
    if start + end != len(content):
        raise ValueError(
            f"its {len(content) - start} bytes of arrays are not fully covered by the header, "
            f"which names {end}"
        )
    return _nested({name: state[name] for name in header}, structure)


def _st_array(content: bytes, begin: int, end: int, shape: tuple[int, ...], name: str) -> Any:
    try:
        dtype = torch_files.decoded(name, b"").dtype
    except KeyError:
        return LeftOut(f"dtype {name!r}")
    if math.prod(shape) * torch_files.SIZES.get(name, dtype.itemsize) != end - begin:
        raise ValueError(f"a shape {shape} of {name} does not have {end - begin} bytes")

    def read() -> Array:
        return torch_files.decoded(name, content[begin:end]).reshape(shape).copy()

    return Later(shape, dtype, read)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("it holds two arrays of one name")
    return dict(pairs)


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
    return Refused(f"load: {name} is not a {kind}file of arrays; {printable(reason)}")


def printable(text: str) -> str:
    """A text with what would steer a terminal as escapes: names in a file are a stranger's."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _content(path: Any, max_bytes: int | None) -> tuple[str, bytes]:
    """What a file is called, and what is in it."""
    if not isinstance(path, str | os.PathLike):
        return f"a {type(path).__name__}", path.read()
    name = repr(os.fspath(path))
    with open(path, "rb", opener=_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise _refused(name, "it is a device or a pipe; hand over a file that you have opened")
        if max_bytes is not None and status.st_size > max_bytes:
            raise _refused(name, f"it has {status.st_size:,} bytes, more than max_bytes")
        return name, file.read(status.st_size)


def _without_waiting(name: str, flags: int) -> int:
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def _described(name: str, content: bytes, keeping: _Keeping) -> Any:
    """The tree in a file, by its first bytes, with `Later` for arrays."""
    if content.startswith(LEGACY):
        raise _refused(
            name,
            "it is of PyTorch before 1.6; in PyTorch, torch.save(torch.load(path), path) writes "
            "it anew",
        )
    if content[:2] != b"PK" and content[8:9] != b"{":
        raise _refused(name, looks_like(content))
    with _damage(name):
        if content[:2] != b"PK":
            return keeping.kept(_from_st(content))
        found = entries(content)
        inflated = _Keeping(keeping.limit)
        for part, entry in found.items():
            inflated.add(entry.size)
            if part.endswith((".pkl", ".json")) and entry.size > len(content):
                raise ValueError(f"{part!r} is compressed as only what does harm is")
        is_torchs = any(n.split("/")[-1] == "data.pkl" for n in found)
        return keeping.kept(torch_files.read(found) if is_torchs else _from_npz(found))


@contextmanager
def _damage(name: str) -> Iterator[None]:
    """The content is in memory: whatever Python raises at it, the file is not what it should be."""
    try:
        yield
    except Exception as error:
        raise _refused(name, f"damaged, or not arrays: {error}") from error


def _replace(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file that takes the place of `path` once every byte is on the disk."""
    path = Path(os.path.realpath(path))  # through a link, not in its place
    _remove_leftovers(path)
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:  # from before there is a file: Ctrl-C may come as the function that opens it ends
        with _opened(new, path) as file:
            write(file)
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


def _opened(new: Path, path: Path) -> IO[bytes]:
    """A new file beside `path`, locked."""
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
            return file
        file.close()  # somebody took it for a leftover before it was locked


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
