"""PyTorch's names that the package gives without exporting them, so that a star import leaves
Python's `int` and `bool` alone; and why there is no such name."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import dtypes, random
from .engine.tensor import Tensor

NAMES: dict[str, Any] = {
    **dtypes.DTYPES,
    **dtypes.TYPES,
    **{name: getattr(random, name) for name in random.__all__},
    "set_default_tensor_type": dtypes.set_default_tensor_type,
    "Size": tuple,
    "dtype": np.dtype,
    "finfo": np.finfo,
    "iinfo": np.iinfo,
    "e": math.e,
    "inf": math.inf,
    "nan": math.nan,
    "newaxis": None,
    "pi": math.pi,
}


def find(name: str) -> Any:
    """What PyTorch has under this name; an AttributeError that says what to use instead."""
    if name in NAMES:
        return NAMES[name]
    if name.endswith("_") and not name.startswith("_") and hasattr(Tensor, name):
        return getattr(Tensor, name)  # what PyTorch also has as a function
    raise AttributeError(f"module {__package__!r} has no attribute {name!r}")
