"""PyTorch's `save` and `load`: trees of Tensors in files; `nn.serialize` does the work."""

from __future__ import annotations

import os
from importlib import import_module
from typing import IO, Any

import numpy as np

from .engine.tensor import Tensor

__all__ = ["load", "save"]


def save(obj: Any, f: str | os.PathLike[str] | IO[bytes]) -> None:
    """Write a tree of tensors, numbers, strings and None in PyTorch's format, to a path or a file.

    PyTorch's own `load` reads it. The suffixes .npz and .safetensors choose these formats.
    TypeError for a whole Module, which is code too, and for other objects; see
    `nn.serialize.save`.

    >>> import io
    >>> file = io.BytesIO()
    >>> save({"model": nn.Linear(2, 1).state_dict(), "epoch": 3}, file)
    >>> _ = file.seek(0)
    >>> load(file)["epoch"]
    3
    """
    serialize = import_module("autograd_lite.nn").serialize
    if hasattr(obj, "state_dict"):
        raise TypeError(
            f"save: a whole {type(obj).__name__} is code as well as numbers; save its "
            "state_dict(), and load that into a new one with load_state_dict()"
        )
    suffix = os.path.splitext(f)[1] if isinstance(f, str | os.PathLike) else ""
    known = suffix in (".npz", ".safetensors")
    serialize.save(obj, f, format=suffix if known else ".pt")


def load(
    f: str | os.PathLike[str] | IO[bytes], map_location: Any = None, *, weights_only: bool = True
) -> Any:
    """The tree in a file of `save`, of PyTorch, safetensors or NumPy, with Tensors for arrays.

    Nothing in the file is run, whatever `weights_only` says; see `nn.serialize.load`.
    """
    serialize = import_module("autograd_lite.nn").serialize
    tree = serialize.load(f, map_location=map_location, weights_only=weights_only)
    return serialize.mapped(tree, boxed, {})


def boxed(x: Any) -> Any:
    """A Tensor for an array of numbers."""
    return Tensor(x) if isinstance(x, np.ndarray) and x.dtype.kind in "fiub" else x
