"""PyTorch's switches, where there is one state: scripts may set it, and nothing else."""

from __future__ import annotations

from typing import Any

from .conversion import device, require_cpu

__all__ = [
    "get_default_device", "get_num_threads", "set_default_device", "set_float32_matmul_precision",
    "set_num_threads", "typename", "use_deterministic_algorithms",
]  # fmt: skip


def set_default_device(where: Any) -> None:
    """RuntimeError for anything but the CPU, which it is."""
    require_cpu("set_default_device", where)


def get_default_device() -> device:
    """The CPU."""
    return device()


def get_num_threads() -> int:
    """1: what is not NumPy's own runs in the thread that calls it."""
    return 1


def set_num_threads(n: int) -> None:
    """Nothing: NumPy's threads are set before Python starts, by OMP_NUM_THREADS."""


def set_float32_matmul_precision(precision: str) -> None:
    """Nothing: products of float32 are computed in float32."""


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Nothing: all algorithms are deterministic."""


def typename(x: Any) -> str:
    """The name of the type of x, of tensors with their dtype.

    >>> typename(tensor([1.0]))
    'torch.FloatTensor'
    """
    return x.type() if hasattr(x, "__op__") else f"{type(x).__module__}.{type(x).__qualname__}"
