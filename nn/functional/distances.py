"""Distances and angles between rows."""

from __future__ import annotations

import numpy as np

from autograd_lite import Tensor
from autograd_lite.engine import rules
from autograd_lite.engine.errors import MisfitError

__all__ = ["cosine_similarity", "pairwise_distance", "pdist"]


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along `dim`, whose lengths are held above eps.

    >>> cosine_similarity(Tensor([[1.0, 0.0]]), Tensor([[2.0, 0.0]])).tolist()
    [1.0]
    """
    shape = np.broadcast_shapes(x1.shape, x2.shape)
    x1, x2 = (x if x.shape == shape else rules.expand(x, *shape) for x in (x1, x2))
    lengths = [rules.clip(rules.norm(x, 2, dim, keepdims=True), min=eps) for x in (x1, x2)]
    return rules.sum((x1 / lengths[0]) * (x2 / lengths[1]), dim)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last axis."""
    return rules.norm(x1 - x2 + eps, p, -1, keepdim)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norms of the differences of every two rows of a matrix, the first one's before;
    MisfitError for what is no matrix.

    >>> pdist(Tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 0.0]])).tolist()
    [5.0, 3.0, 4.0]
    """
    if input.ndim != 2:
        raise MisfitError(f"pdist: the input has shape {input.shape}; give a matrix (rows, size)")
    first, second = np.triu_indices(input.shape[0], 1)
    return rules.norm(input[first] - input[second], p, -1)
