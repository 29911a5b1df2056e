"""Rows of a table by their numbers, and numbers as rows of zeros and a one."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import Tensor
from autograd_lite.engine.errors import MisfitError
from autograd_lite.engine.modes import asked
from autograd_lite.engine.rules import ops
from autograd_lite.engine.tensor import as_tensor

from .checks import within

__all__ = ["embedding", "one_hot"]


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """Classes as rows of 0 and a 1, int64 with a new last axis; -1 means the largest class + 1.

    TypeError unless the classes are ints, ValueError if one is out of range.

    >>> one_hot([0, 2]).tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    t = as_tensor(tensor)
    if t.dtype.kind not in "iu":
        raise TypeError(f"one_hot: classes are ints, not {t.dtype}")
    if num_classes == -1:
        if t.numel() == 0:
            raise MisfitError("one_hot: no classes to count; give num_classes")
        num_classes = int(t.array.max()) + 1
    if not asked(lambda a: within(a, 0, num_classes - 1), t):
        low, high = t.array.min(), t.array.max()
        raise MisfitError(
            f"one_hot: classes go from 0 to {num_classes - 1}, these from {low} to {high}"
        )
    return (t[..., None] == np.arange(num_classes)).to(np.int64)


def embedding(input: Any, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """The rows of `weight` with these numbers, (...) to (..., dim); that of `padding_idx` gets no
    gradient. IndexError for a number that is no row.

    >>> embedding(Tensor(np.array([1, 1])), Tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[3.0, 4.0], [3.0, 4.0]]
    """
    t = as_tensor(input)
    if not asked(lambda a: within(a, 0, weight.shape[0] - 1), t):
        raise IndexError(
            f"embedding: numbers go from 0 to {weight.shape[0] - 1}, these from {t.array.min()} to "
            f"{t.array.max()}"
        )
    if padding_idx is not None:
        still = np.arange(weight.shape[0])[:, None] == padding_idx % weight.shape[0]
        weight = ops.where(still, weight.detach(), weight)
    return weight[t]
