"""Packages whose names are imported from their files where they are first used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from .absent import missing


def lazily(
    package: str, files: Sequence[str], public: Sequence[str] = (), also: Sequence[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and the `__dir__` of a package that offers the `__all__` of its files, its
    `public` modules, and `also` others, which a star import leaves out.

    A name is looked for in one file after another, so the frequent ones stand first.

    >>> find, names = lazily("autograd_lite.nn.functional", ["activations", "losses"])
    >>> find("relu").__name__, "mse_loss" in names()
    ('relu', True)
    """

    def find(name: str) -> Any:
        if name == "__all__":
            return every()
        if name in (*public, *also, *files):
            return import_module(f".{name}", package)
        for file in () if name.startswith("_") else files:
            module = import_module(f".{file}", package)
            if name in module.__all__:
                found = getattr(module, name)
                setattr(sys.modules[package], name, found)  # where it is found the next time
                return found
        raise missing(package, name)

    def every() -> list[str]:
        return [*public, *(n for f in files for n in import_module(f".{f}", package).__all__)]

    def listed() -> list[str]:
        special = [name for name in vars(sys.modules[package]) if name.startswith("__")]
        return sorted({*special, *every(), *also})

    return find, listed
