"""Folders of slides: a list of the files in them, by which the next show removes those it lacks."""

from __future__ import annotations

import re
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path

__all__ = ["noted"]

LINE = re.compile(r"(\w{64})  (step_\d+\.[a-z]+)")  # as `sha256sum` prints it


def noted(folder: Path, files: Collection[Path], maker: str) -> None:
    """Note the files that `maker` has written into a folder, and remove those that it wrote there
    before, which nobody has changed since."""
    notes = folder / f".slides-of-{maker}"
    before = notes.read_text("utf-8", errors="replace") if notes.exists() else ""
    for line in before.splitlines():
        if (found := LINE.fullmatch(line)) is not None:
            old = folder / found[2]
            if old not in files and old.is_file() and digest(old) == found[1]:
                old.unlink()
    notes.write_text("".join(f"{digest(file)}  {file.name}\n" for file in files), "utf-8")


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
