"""PyTorch's `utils`: `utils.data` is `nn.data`."""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name == "data":
        return import_module(f"{__name__}.data")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
