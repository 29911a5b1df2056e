"""nn: modules, layers and losses for autograd_lite, with PyTorch's names, and what trains them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from autograd_lite.lazy import lazily

from . import layers, module
from .module import *

parameter = module  # PyTorch's name of the file

if TYPE_CHECKING:
    from . import functional, init
    from .layers import *
    from .losses import *
    from .parameters import *

_find, _listed = lazily(
    __name__,
    files=(
        "module",
        *(f"layers.{file}" for file in layers.FILES[:3]),
        "losses",
        *(f"layers.{file}" for file in layers.FILES[3:]),
        "parameters",
    ),
    public=("functional", "init"),
    also=(
        "checkpoints",
        "data",
        "datasets",
        "diagnosis",
        "modules",
        "optim",
        "parallel",
        "serialize",
        "sweeps",
        "train",
        "utils",
    ),
)


def __getattr__(name: str) -> Any:
    if name == "DataParallel":
        return import_module(".parallel", __name__).DataParallel
    return _find(name)


def __dir__() -> list[str]:
    return sorted([*_listed(), "DataParallel", "parameter"])
