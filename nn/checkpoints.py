"""Checkpoints: all that a training has reached in one file, so that it goes on to the bit.

A file holds the states of a model, an optimizer, a schedule, a loader and a history, the places of
random generators, and numbers of yours; it is read as data, and nothing in it is run.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from autograd_lite import default_generator, distributed

from .serialize import load, save

__all__ = ["load_checkpoint", "save_checkpoint"]

GENERATOR = "default_generator"  # under which a file holds its place


def save_checkpoint(path: str | os.PathLike[str] | Any, **parts: Any) -> None:
    """Save the states of all parts, and the place of the generator of random functions.

    parts: `model=`, `optimizer=`, `scheduler=`, `loader=`, `history=` and whatever else has a
        `state_dict()`; `generator=`, one of NumPy's; `epoch=` and other values and trees of them,
        as `nn.serialize.save` takes them.

    `path` ends in .npz, .safetensors or .pt, or is a binary file, which gets .npz. The old file
    stays until the new one is whole. TypeError for what cannot be saved, OSError if the file cannot
    be written.

    >>> import tempfile
    >>> model, other = nn.Linear(2, 1), nn.Linear(2, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_checkpoint(f"{folder}/last.npz", model=model, epoch=3)
    ...     load_checkpoint(f"{folder}/last.npz", model=other)
    {'epoch': 3}
    >>> bool((model.weight == other.weight).all())
    True
    """
    if GENERATOR in parts:
        raise TypeError(f"save_checkpoint: the name {GENERATOR!r} is taken; choose another")
    states = {k: state_of(x) for k, x in parts.items()}
    places = distributed.gathered(place(default_generator()))
    if distributed.is_main():
        save({**states, GENERATOR: places}, path)
    distributed.gathered(None)  # a rank that goes on finds the file


def load_checkpoint(path: str | os.PathLike[str] | Any, **parts: Any) -> dict[str, Any]:
    """Put the saved states into all parts, and the generator of random functions where it was.

    The parts have the names that they were saved under. Returns what else the file holds.
    ValueError if it is damaged, no checkpoint, or has no state for a part; what the
    `load_state_dict` of a part raises at a state that does not fit has a note with the file and the
    part. Then nothing is changed.
    """
    found = load(path)
    name = repr(os.fspath(path)) if isinstance(path, str | os.PathLike) else "this file"
    places = found.get(GENERATOR) if isinstance(found, dict) else None
    if type(places) is not list:
        raise ValueError(f"load_checkpoint: {name} is a file of arrays, but no checkpoint")
    parts = {k: x for k, x in parts.items() if x is not None} | {GENERATOR: default_generator()}
    missing = sorted(k for k in parts if found.get(k) is None)
    if missing:
        raise ValueError(
            f"load_checkpoint: {name} has no state for {', '.join(missing)}; it holds "
            f"{', '.join(sorted(k for k in found if found[k] is not None))}"
        )
    if len(found[GENERATOR]) != len(distributed.gathered(None)):
        raise ValueError(
            f"load_checkpoint: {name} was saved by {len(found[GENERATOR])} ranks; start as many"
        )
    found[GENERATOR] = found[GENERATOR][0 if distributed.is_main() else distributed.get_rank()]
    before = copy.deepcopy({k: state_of(x) for k, x in parts.items()})
    done: list[str] = []
    try:
        for k, x in parts.items():
            done.append(k)
            put(x, found[k])
    except BaseException as error:
        for k in done[:-1]:
            put(parts[k], before[k])
        error.add_note(f"load_checkpoint: {done[-1]!r} of {name} does not fit; nothing was changed")
        raise
    return {k: x for k, x in found.items() if k not in parts}


def state_of(x: Any) -> Any:
    """What a part is saved as."""
    if isinstance(x, np.random.Generator):
        return place(x)
    return x.state_dict() if hasattr(x, "state_dict") else x


def place(generator: np.random.Generator) -> Any:
    """The place of a generator."""
    return generator.bit_generator.state


def put(x: Any, state: Any) -> None:
    """Give a part its state; what is wrong raises."""
    if isinstance(x, np.random.Generator):
        x.bit_generator.state = state
    elif hasattr(x, "load_state_dict"):
        x.load_state_dict(state)
    else:
        raise TypeError(f"load_checkpoint: a {type(x).__name__} has no load_state_dict()")


class Checkpoints:
    """The checkpoints of a training in a folder, one after every so many epochs; None for none."""

    def __init__(
        self, folder: Any, every: int, keep_last: int | None, parts: Mapping[str, Any]
    ) -> None:
        for name, value in (("every", every), ("keep_last", keep_last)):
            if not (value is None and name == "keep_last") and (
                not isinstance(value, int) or value < 1
            ):
                raise ValueError(f"fit: {name} is {value!r}; it is a number from 1")
        self.folder = None if folder is None else Path(folder)
        self.every, self.keep_last = every, keep_last
        self.parts = {k: x for k, x in parts.items() if hasattr(x, "state_dict")}
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)

    def files(self) -> list[tuple[int, Path]]:
        """The epochs of which there are files, the last one at the end."""
        if self.folder is None:
            return []
        found = ((re.fullmatch(r"epoch-(\d+)\.npz", p.name), p) for p in self.folder.iterdir())
        return sorted((int(match[1]), path) for match, path in found if match)

    def resume(self, wanted: bool) -> tuple[int, bool]:
        """Go on from the last file: its epoch, 0 if there is none, and whether it was the end."""
        files = self.files()
        if not files:
            return 0, False
        if not wanted:
            raise ValueError(
                f"fit: {str(self.folder)!r} holds checkpoints of another training; give an "
                "empty folder, or resume=True to go on with it"
            )
        try:
            rest = load_checkpoint(files[-1][1], **self.parts)
        except ValueError as error:
            if len(files) > 1:
                error.add_note(f"fit: remove it to go on from {str(files[-2][1])!r}")
            raise
        return rest["epoch"], rest["ended"]

    def save(self, epoch: int, ended: bool, last: bool) -> None:
        """Save it after an epoch, if it is time, and remove the files that are not to be kept."""
        if self.folder is None or (epoch % self.every and not last):
            return
        path = self.folder / f"epoch-{epoch:04}.npz"
        save_checkpoint(path, **self.parts, epoch=epoch, ended=ended)
        older = [p for n, p in self.files() if n <= epoch]
        for p in older[: -self.keep_last] if self.keep_last and distributed.is_main() else ():
            p.unlink(missing_ok=True)
