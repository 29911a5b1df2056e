"""Saving arrays to .npz and .safetensors files, and loading them; never pickle.

A file appears whole or not at all: it is written beside its place under another name, and then
takes the place in one move. Files of either kind can be read elsewhere, .npz by NumPy,
.safetensors by PyTorch.
"""

from __future__ import annotations

import io
import os
import secrets
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from autograd_lite import Tensor

from .module import Module

__all__ = ["load", "save"]

Array = np.ndarray[Any, Any]
State = dict[str, Array]

FLOATS_INTS_BOOLS = "fiub"


def save(model_or_state: Module | Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Save the state of a module, or a dictionary of tensors and arrays, as the suffix says.

    `.npz` needs nothing else, `.safetensors` the package safetensors. Arrays are stored in C
    order. The old file stays as it is until the new one is whole. ValueError for another suffix,
    and for names that a file cannot hold; TypeError for values that are not arrays of numbers;
    OSError if the folder cannot be written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save({"weight": np.eye(2)}, f"{folder}/model.npz")
    ...     load(f"{folder}/model.npz")["weight"].tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    path = Path(path)
    write = _format("save", path)[0]
    if isinstance(model_or_state, Module):
        model_or_state = model_or_state.state_dict()
    arrays = _arrays(model_or_state)
    with _new_file(path) as file:
        write(file, arrays)


def load(path: str | os.PathLike[str], model: Module | None = None, strict: bool = True) -> State:
    """Load what `save` wrote, or NumPy or PyTorch's safetensors: a dictionary of arrays.

    With `model`, its parameters and buffers take the values over, as by
    `model.load_state_dict(state, strict)`, whose errors (a RuntimeError for missing, unexpected
    and misshapen entries) leave the model as it was. FileNotFoundError if there is no file,
    ValueError if it is damaged or not of the kind that its suffix says.

    >>> import tempfile
    >>> a, b = nn.Linear(2, 1), nn.Linear(2, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(a, f"{folder}/model.npz")
    ...     sorted(load(f"{folder}/model.npz", b))
    ['bias', 'weight']
    >>> bool((a.weight == b.weight).array.all())
    True
    """
    path = Path(path)
    read = _format("load", path)[1]
    state: State = read(path, path.read_bytes())
    if model is not None:
        model.load_state_dict(state, strict)
    return state


def _format(where: str, path: Path) -> Any:
    formats = {".npz": (_to_npz, _from_npz), ".safetensors": (_to_st, _from_st)}
    if path.suffix not in formats:
        raise ValueError(
            f"{where}: {str(path)!r} has the suffix {path.suffix!r}; the known ones are "
            f"{' and '.join(formats)}"
        )
    return formats[path.suffix]


def _arrays(state: Mapping[str, Any]) -> State:
    """The values as C-ordered arrays of numbers."""
    if not isinstance(state, Mapping):
        raise TypeError(
            f"save: a {type(state).__name__} is neither a Module nor a dictionary of arrays"
        )
    arrays = {}
    for name, value in state.items():
        if not isinstance(name, str):
            raise TypeError(f"save: the name {name!r} is not a string")
        a = value.array if isinstance(value, Tensor) else value
        if not isinstance(a, np.ndarray | np.generic | bool | int | float):
            raise TypeError(
                f"save: {name!r} is a {type(a).__name__}; only tensors, arrays and numbers are "
                "saved, in one flat dictionary such as model.state_dict()"
            )
        a = np.asarray(a)
        if a.dtype.kind not in FLOATS_INTS_BOOLS:
            raise TypeError(f"save: {name!r} has dtype {a.dtype}; only floats, ints and bools are")
        arrays[name] = _plain(a)
    return arrays


def _plain(a: Array) -> Array:
    """In C order and this machine's byte order."""
    return np.asarray(a, a.dtype.newbyteorder("="), order="C")


# ---- .npz: a zip archive of .npy files


def _to_npz(file: IO[bytes], arrays: State) -> None:
    for name in arrays:
        if "\0" in name or "\\" in name:
            raise ValueError(f"save: the name {name!r} cannot stand in an .npz archive")
    with zipfile.ZipFile(file, "w") as archive:  # np.savez has "file" as an argument of its own
        for name, a in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, a, allow_pickle=False)


def _from_npz(path: Path, content: bytes) -> State:
    if not content.startswith(b"PK"):
        raise _refused(path, f"not an .npz archive: {_looks_like(content)}")
    try:
        state = {}
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            if len(set(names)) < len(names):
                raise _refused(path, "it holds two arrays of one name")
            for name in names:
                if not name.endswith(".npy"):
                    raise _refused(path, f"it holds {name!r}, which is not an array (.npy)")
                with archive.open(name) as entry:
                    state[name.removesuffix(".npy")] = np.lib.format.read_array(
                        entry, allow_pickle=False
                    )
    except Refused:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        ValueError,
        EOFError,
        RuntimeError,
        MemoryError,  # a header that claims more than there is
    ) as error:
        raise _refused(path, f"damaged, or not arrays: {error}") from error
    for name, a in state.items():
        if a.dtype.kind not in FLOATS_INTS_BOOLS:
            raise _refused(path, f"{name!r} has dtype {a.dtype}; only floats, ints and bools are")
    return {name: _plain(a) for name, a in state.items()}


# ---- .safetensors


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise ImportError(
            ".safetensors files need a package; install it with: pip install safetensors"
        ) from None
    return safetensors


def _to_st(file: IO[bytes], arrays: State) -> None:
    package = _safetensors()
    for name, a in arrays.items():
        if a.dtype.itemsize > 8:
            raise TypeError(f"save: {name!r} has dtype {a.dtype}, which .safetensors has not")
        if name == "__metadata__":
            raise ValueError(f"save: {name!r} is a name of .safetensors' own; choose another")
    file.write(package.numpy.save(arrays, metadata={"format": "pt"}))


def _from_st(path: Path, content: bytes) -> State:
    package = _safetensors()
    try:
        loaded = package.numpy.load(content)
    except KeyError as error:
        raise _refused(path, f"it holds the dtype {error}, which NumPy has not") from error
    except (package.SafetensorError, ValueError, OverflowError) as error:
        raise _refused(path, f"{_looks_like(content)} ({error})") from error
    return {name: np.array(a) for name, a in loaded.items()}  # its arrays are read-only


# ---- files


class Refused(ValueError):
    """A file that is not what it should be."""


def _refused(path: Path, reason: str) -> Refused:
    return Refused(f"load: {str(path)!r} is not a {path.suffix} file of arrays; {reason}")


KINDS = [
    (b"PK", "a zip archive (an .npz file, or one of torch.save)"),
    (b"\x93NUMPY", "a single array (.npy)"),
    (b"\x80", "a pickle, which is never loaded, as it can run any program"),
    (b"\x89PNG", "a PNG picture"),
    (b"\x1f\x8b", "gzip"),
    (b"\x89HDF", "HDF5"),
]


def _looks_like(content: bytes) -> str:
    """What the first bytes say."""
    if not content:
        return "it is empty"
    for start, kind in KINDS:
        if content.startswith(start):
            return f"it looks like {kind}"
    if len(content) > 8 and content[8:9] == b"{":
        return "it looks like .safetensors, whole or damaged"
    return f"it begins with {content[:8]!r}"


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which takes the place of `path` once every byte is on the disk."""
    path = Path(os.path.realpath(path))  # through a link, not in its place
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        file = open(new, "xb")  # noqa: SIM115
    except OSError as error:
        raise type(error)(
            error.errno, f"save: cannot write into the folder: {error.strerror}", str(path.parent)
        ) from None
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, new)
        os.replace(new, path)
    except BaseException:
        new.unlink()
        raise
