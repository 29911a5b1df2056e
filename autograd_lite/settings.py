"""PyTorch's switches, where there is one state: scripts may set it, and nothing else."""

from __future__ import annotations

from typing import Any

from .conversion import device, require_cpu
from .engine.errors import SHOWN

__all__ = [
    "get_default_device", "get_num_threads", "set_default_device", "set_float32_matmul_precision",
    "set_num_threads", "set_printoptions", "typename", "use_deterministic_algorithms",
]  # fmt: skip


def set_default_device(device: Any) -> None:
    """RuntimeError for anything but the CPU, which it is."""
    require_cpu("set_default_device", device)


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


def set_printoptions(
    precision: int | None = None,
    threshold: int | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors are shown: digits, the number of elements from which they are cut by `...`, how
    many at each end then, and the width; profile "default" goes back, "full" cuts nothing.

    >>> set_printoptions(precision=2); tensor([1 / 3])
    tensor([0.33])
    >>> set_printoptions(profile="default"); tensor([1 / 3])
    tensor([0.3333])
    """
    if profile is not None:
        SHOWN.clear()
        SHOWN.update(precision=4, max_line_width=100)
        threshold = 2**31 - 1 if profile == "full" else threshold
    words = {"threshold": threshold, "edgeitems": edgeitems, "max_line_width": linewidth}
    words |= {"precision": precision, "suppress_small": None if sci_mode is None else not sci_mode}
    SHOWN.update({word: value for word, value in words.items() if value is not None})


def typename(obj: Any) -> str:
    """The name of the type of an object, of tensors with their dtype.

    >>> typename(tensor([1.0]))
    'torch.FloatTensor'
    """
    of = type(obj)
    return obj.type() if hasattr(obj, "__op__") else f"{of.__module__}.{of.__qualname__}"
