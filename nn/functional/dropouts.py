"""Dropout as a function."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import Tensor, default_generator
from autograd_lite.creation import drawn

from .checks import check_probability

__all__ = ["dropout"]


def dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: np.random.Generator | None = None,
) -> Tensor:
    """In training, each element set to 0 with probability p, and the others divided by 1 - p.

    Otherwise, and for p = 0, the input itself. ValueError unless p is from 0 to 1. Srivastava et
    al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".

    >>> sorted(set(dropout(Tensor(np.ones(100)), 0.5).tolist()))
    [0.0, 2.0]
    """
    check_probability("dropout", p)
    if not training or p == 0:
        return input
    shape, dtype = input.shape, input.dtype

    def mask() -> Any:
        # float32 draws take half the time; they resolve p to 6e-8
        kept = (generator or default_generator()).random(shape, np.float32) >= p
        return np.multiply(kept, 0 if p == 1 else 1 / (1 - p), dtype=dtype)

    return input.mul_(drawn(mask)) if inplace else input * drawn(mask)
