"""Attention as a function."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_lite import Tensor
from autograd_lite.engine import rules
from autograd_lite.engine.errors import MisfitError
from autograd_lite.engine.rules import ops
from autograd_lite.engine.tensor import as_tensor

from .dropouts import dropout

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """softmax(query @ key.mT * scale) @ value; scale is 1 / sqrt(size of a query) unless given.

    A mask of bools says what may be looked at, one of floats is added; `is_causal` lets no query
    look at later keys. Vaswani et al. 2017, https://arxiv.org/abs/1706.03762.

    >>> x = Tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> scaled_dot_product_attention(x, x, x, is_causal=True)[0].tolist()
    [1.0, 0.0]
    """
    scores = (query @ key.mT) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        if attn_mask is not None:
            raise MisfitError("scaled_dot_product_attention: give attn_mask or is_causal, not both")
        attn_mask = np.tri(*scores.shape[-2:], dtype=bool)
    if attn_mask is not None:
        mask = as_tensor(attn_mask)
        plain = mask.dtype.kind == "b"
        scores = ops.where(mask, scores, -math.inf) if plain else scores + mask
    return dropout(rules.softmax(scores, -1), dropout_p) @ value
