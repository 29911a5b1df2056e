"""Attention as functions."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from autograd_lite import Tensor
from autograd_lite.engine import rules
from autograd_lite.engine.errors import MisfitError
from autograd_lite.engine.modes import asked
from autograd_lite.engine.rules import ops
from autograd_lite.engine.tensor import as_tensor
from autograd_lite.fused import WHOLE, Fused

from .checks import check_probability
from .dropouts import dropout, dropout_mask

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query @ key.mT * scale) @ value; scale is 1 / sqrt(size of a query) unless given.

    query (..., L, E), key (..., S, E), value (..., S, Ev), result (..., L, Ev). A mask of bools
    says what may be looked at, one of floats is added; `is_causal` lets no query look at later
    keys; a query that may look at nothing gets 0. With `enable_gqa` each head of key and value
    (axis -3) serves several of query. ValueError for shapes that do not fit. Vaswani et al. 2017,
    https://arxiv.org/abs/1706.03762.

    >>> x = Tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> scaled_dot_product_attention(x, x, x, is_causal=True)[0].tolist()
    [1.0, 0.0]
    """
    if enable_gqa:
        key, value = (_repeated(query, t) for t in (key, value))
    _check_shapes(query, key, value)
    if is_causal:
        if attn_mask is not None:
            raise MisfitError("scaled_dot_product_attention: give attn_mask or is_causal, not both")
        attn_mask = causal_mask(query.shape[-2], key.shape[-2], query.dtype.str)
    elif attn_mask is not None:
        attn_mask = added_mask(as_tensor(attn_mask), query.dtype)
    return attention(query, key, value, attn_mask, dropout_p, scale, is_causal)


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Any = None,
    dropout_p: float = 0.0,
    scale: float | None = None,
    looks: bool = False,
) -> Tensor:
    """softmax(query @ key.mT * scale + mask) @ value, with dropout of the softmax.

    `looks` says that no query is kept from all keys, which is found out where it is not known.
    """
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    if not looks:
        check_mask(query, key, mask)
    some = 0 not in query.shape and 0 not in key.shape
    if some and (mask is None or looks or asked(_all_look, mask)):
        mask = None if mask is None else as_tensor(mask)
        drop = None
        check_probability("dropout", dropout_p)
        if dropout_p:
            kept = 0 if dropout_p == 1 else 1 / (1 - dropout_p)
            drop = as_tensor(dropout_mask(_scores(query, key), query.dtype, dropout_p, kept))
        return _fused(query, key, value, mask, drop, scale=scale)[0]
    return attention_weights(query, key, mask, dropout_p, scale) @ value


def attention_weights(
    query: Tensor, key: Tensor, mask: Any, dropout_p: float, scale: float | None = None
) -> Tensor:
    """softmax(query @ key.mT * scale + mask) with dropout, (..., L, S)."""
    check_mask(query, key, mask)
    scores = (query @ key.mT) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if mask is None or asked(_all_look, mask):
        p = rules.softmax(scores if mask is None else scores + mask, -1)
    else:
        kept = (mask > -math.inf).any(-1, keepdims=True)
        p = rules.softmax(scores + ops.where(kept, mask, 0), -1) * kept
    return dropout(p, dropout_p)


def _composed(
    q: Tensor, k: Tensor, v: Tensor, mask: Any, drop: Any, scale: float, named: bool = False
) -> tuple[Tensor]:
    """What the fused operation is made of, with the names of papers where somebody reads them."""
    scores = (q @ k.mT) * scale
    scores = scores if mask is None else scores + mask
    p = rules.softmax(scores, -1)
    if named:
        scores.name, p.name = "S", "P"
        if mask is not None and not mask.name:
            mask.name = "mask"
    return ((p if drop is None else p * drop) @ v,)


def _forward(q: Any, k: Any, v: Any, mask: Any, drop: Any, scale: float) -> Any:
    """In one array what the operations need five for: at batches of 16 with 4 heads of 64 letters
    half of the memory of a GPT block."""
    p = _softmax(q, k, mask, scale)
    return (p if drop is None else p * drop) @ v, WHOLE, p


def _softmax(q: Any, k: Any, mask: Any, scale: float, far: bool = False) -> Any:
    """The softmax of the scores. The largest of each row is taken away only where exp would be too
    large without it, or all of a row too small (`far`): it takes as long as all the rest."""
    p = q @ k.mT
    p *= scale
    if mask is not None:
        p += mask
    far = far or p.itemsize < 4 or not np.maximum.reduce(p, axis=None) < 64
    if far:
        p -= np.maximum.reduce(p, axis=-1, keepdims=True)
    np.exp(p, out=p)
    total = np.einsum("...i->...", p)
    if not far and total.min() < 1e-20:
        return _softmax(q, k, mask, scale, far=True)
    p /= total[..., None]
    return p


def _shared(
    g: Any, p: Any, q: Any, k: Any, v: Any, mask: Any, drop: Any, places: Any, scale: float
) -> Any:
    """The gradients of the output and of the scores, and the scale."""
    d = g @ v.mT
    if drop is not None:
        d *= drop
    d -= np.vecdot(d, p)[..., None]
    d *= p
    return g, d, scale


def _of_value(found: Any, p: Any, q: Any, k: Any, v: Any, mask: Any, drop: Any) -> Any:
    return (p if drop is None else p * drop).mT @ found[0]


_fused = Fused(
    "attention",
    _composed,
    _forward,
    _shared,
    lambda found, p, q, k, *others: (found[1] @ k) * found[2],
    lambda found, p, q, k, *others: (found[1].mT @ q) * found[2],
    _of_value,
    lambda found, *others: found[1],
    lambda found, *others: None,
)


def _scores(query: Tensor, key: Tensor) -> tuple[int, ...]:
    """The shape of query @ key.mT."""
    batch = np.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    return (*batch, query.shape[-2], key.shape[-2])


def check_mask(query: Tensor, key: Tensor, mask: Any) -> None:
    """MisfitError for a mask that does not broadcast to the scores."""
    if mask is None:
        return
    scores = _scores(query, key)
    pairs = zip(mask.shape[::-1], scores[::-1], strict=False)
    if mask.ndim > len(scores) or any(m not in (1, n) for m, n in pairs):
        raise MisfitError(
            f"attention: a mask of shape {mask.shape} does not broadcast to the scores, {scores} "
            f"for queries {query.shape} and keys {key.shape}"
        )


def _all_look(mask: Any) -> bool:
    return not (mask.max(-1) == -math.inf).any()


@lru_cache(maxsize=16)  # a mask is made for each layer and each step: of 64 x 64 it takes 15 us
def causal_mask(queries: int, keys: int, dtype: str) -> Any:
    """0, and -inf where a key comes later than the query; not to be written to."""
    mask = np.triu(np.full((queries, keys), -np.inf, dtype), 1)
    mask.flags.writeable = False
    return mask


def added_mask(mask: Tensor, dtype: Any, blocked: bool = False) -> Tensor:
    """A mask as it is added to scores of this dtype: of bools, which say what may be looked at (or
    may not, with `blocked`), 0 and -inf."""
    if mask.dtype.kind == "f":
        return mask if mask.dtype == dtype else mask.to(dtype)
    if mask.dtype.kind != "b":
        raise TypeError(f"attention: a mask is of bools or floats, not of {mask.dtype}")
    zero, inf = np.zeros((), dtype), np.full((), -np.inf, dtype)
    return ops.where(mask, *((inf, zero) if blocked else (zero, inf)))


def _repeated(query: Tensor, t: Tensor) -> Tensor:
    """The heads of a key or value, each as often as queries share it."""
    if min(query.ndim, t.ndim) < 3 or query.shape[-3] % t.shape[-3]:
        raise MisfitError(
            f"scaled_dot_product_attention: enable_gqa needs heads (axis -3) of {query.shape} that "
            f"are a multiple of those of {t.shape}"
        )
    return t.repeat_interleave(query.shape[-3] // t.shape[-3], dim=-3)


def _check_shapes(query: Tensor, key: Tensor, value: Tensor) -> None:
    q, k, v = query.shape, key.shape, value.shape
    if min(len(q), len(k), len(v)) < 2 or q[-1] != k[-1] or k[-2] != v[-2]:
        raise MisfitError(
            f"scaled_dot_product_attention: query {q}, key {k} and value {v} are (..., L, E), "
            "(..., S, E) and (..., S, Ev): E and S must agree"
        )
