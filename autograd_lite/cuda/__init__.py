"""PyTorch's `cuda` where there is none: questions are answered, what needs a GPU is an error."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def is_available() -> bool:
    """Whether there is a GPU: never, as tensors are NumPy arrays.

    >>> is_available()
    False
    """
    return False


def device_count() -> int:
    """How many GPUs there are: none.

    >>> device_count()
    0
    """
    return 0


def nothing(*args: Any, **kw: Any) -> None:
    """What scripts call for a GPU whether or not there is one."""


manual_seed = manual_seed_all = empty_cache = reset_peak_memory_stats = nothing


def __getattr__(name: str) -> Any:
    if name == "amp":
        return import_module(f"{__name__}.amp")
    raise AttributeError(
        f"cuda.{name}: tensors are NumPy arrays, on the CPU; ask cuda.is_available(), which is "
        "False, before it"
    )
