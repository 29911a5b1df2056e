"""PyTorch's `nn.modules`: what `nn` has, and the files that PyTorch has it in."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from autograd_lite import nn
from autograd_lite.places import LAYERS

__path__: list[str] = []  # below it are PyTorch's files, see `autograd_lite.places`


def __getattr__(name: str) -> Any:
    if name in LAYERS or name in ("loss", "module", "utils"):
        return import_module(f"autograd_lite.nn.modules.{name}")
    return getattr(nn, name)
