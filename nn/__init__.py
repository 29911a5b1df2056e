"""nn: modules, layers and losses for autograd_lite, with PyTorch's names, and what trains them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from autograd_lite.absent import missing

from . import functional, init, layers, losses, module, parameters
from .layers import *
from .losses import *
from .module import *
from .parameters import *

parameter = module  # PyTorch's name of the file

if not TYPE_CHECKING:  # mypy cannot read a sum of lists, and takes every name
    __all__ = ["functional", "init"]
    __all__ += layers.__all__ + losses.__all__ + module.__all__ + parameters.__all__

_LATER = (
    "checkpoints",
    "data",
    "datasets",
    "diagnosis",
    "optim",
    "parallel",
    "serialize",
    "train",
    "utils",
)  # imported where they are first used


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return import_module(f".{name}", __name__)
    if name == "DataParallel":
        return import_module(".parallel", __name__).DataParallel
    raise missing(__name__, name)


def __dir__() -> list[str]:
    special = [name for name in globals() if name.startswith("__")]
    return sorted([*special, *globals()["__all__"], *_LATER, "DataParallel", "parameter"])
