"""Dropouts as functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_lite import Tensor, default_generator
from autograd_lite.creation import drawn
from autograd_lite.engine.errors import MisfitError
from autograd_lite.engine.tensor import as_tensor

from .checks import check_probability

__all__ = [
    "alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout",
]  # fmt: skip


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
    return _dropped("dropout", input, input.shape, p, training, inplace, generator)


def _dropped(
    name: str,
    input: Tensor,
    shape: tuple[int, ...],
    p: float,
    training: bool,
    inplace: bool,
    generator: Any = None,
) -> Tensor:
    """The input times a mask of this shape, which broadcasts."""
    check_probability(name, p)
    if not training or p == 0:
        return input
    mask = dropout_mask(shape, input.dtype, p, 0 if p == 1 else 1 / (1 - p), generator)
    return input.mul_(mask) if inplace else input * mask


def dropout_mask(shape: Any, dtype: Any, p: float, scale: float, generator: Any = None) -> Any:
    """`scale` with probability 1 - p, else 0; compiled functions draw it anew."""

    def mask() -> Any:
        # float32 draws take half the time; they resolve p to 6e-8
        kept = (generator or default_generator()).random(shape, np.float32) >= p
        return np.multiply(kept, scale, dtype=dtype)

    return drawn(mask)


def _channels(name: str, input: Tensor, batched: int) -> tuple[int, ...]:
    """The shape of a mask for whole channels of (N, C, ...), or of (C, ...) with an axis less."""
    if input.ndim not in (batched, batched - 1):
        raise MisfitError(
            f"{name}: the input has shape {input.shape}; it should have {batched} axes, or "
            f"{batched - 1} for one sample"
        )
    kept = 2 if input.ndim == batched else 1
    return input.shape[:kept] + (1,) * (input.ndim - kept)


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels of (N, C, L), or of (C, L). ValueError for other shapes.

    >>> float(dropout1d(Tensor(np.ones((1, 50, 2)))).array.sum(2).max())
    4.0
    """
    shape = _channels("dropout1d", input, 3)
    return _dropped("dropout1d", input, shape, p, training, inplace)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels of images (N, C, H, W), or of (N, C, L), as in PyTorch.
    ValueError for other shapes."""
    shape = _channels("dropout2d", input, 4 if input.ndim != 3 else 3)
    return _dropped("dropout2d", input, shape, p, training, inplace)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`dropout` of whole channels of volumes (N, C, D, H, W), or of (C, D, H, W). ValueError for
    other shapes."""
    shape = _channels("dropout3d", input, 5)
    return _dropped("dropout3d", input, shape, p, training, inplace)


ALPHA = 1.0507009873554805 * 1.6732632423543772  # minus what selu tends to on the left


def _alpha_dropped(
    name: str, input: Tensor, shape: tuple[int, ...], p: float, training: bool, inplace: bool
) -> Tensor:
    check_probability(name, p)
    if not training or p == 0:
        return input
    scale = 0.0 if p == 1 else 1 / math.sqrt((1 - p) * (1 + p * ALPHA**2))
    mask = as_tensor(dropout_mask(shape, input.dtype, p, scale))
    moved = (mask - scale * (1 - p)) * ALPHA  # what is dropped is -ALPHA, then all is scaled
    return input.mul_(mask).add_(moved) if inplace else input * mask + moved


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """In training, each element set to -1.758, the limit of selu, with probability p; then scaled
    and moved so that mean 0 and variance 1 stay. ValueError unless p is from 0 to 1.

    Klambauer et al. 2017, https://arxiv.org/abs/1706.02515.

    >>> alpha_dropout(Tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """
    return _alpha_dropped("alpha_dropout", input, input.shape, p, training, inplace)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels of (N, C, ...). ValueError for fewer than two axes."""
    if input.ndim < 2 and training:
        raise MisfitError(f"feature_alpha_dropout: shape {input.shape} has no channels (axis 1)")
    shape = input.shape[:2] + (1,) * (input.ndim - 2)
    return _alpha_dropped("feature_alpha_dropout", input, shape, p, training, inplace)
