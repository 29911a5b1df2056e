"""Attention with several heads."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import Tensor, concatenate, get_default_dtype
from autograd_lite.conversion import require_cpu
from autograd_lite.engine.errors import MisfitError
from autograd_lite.engine.tensor import as_tensor

from .. import functional, init
from ..functional.attention import added_mask, attention, attention_weights
from ..module import Module, Parameter
from .linear import Linear

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Attention of several heads: softmax(Q K.mT / sqrt(d)) V in each, joined, then a Linear.

    query (L, N, E), key (S, N, kdim) and value (S, N, vdim) give (L, N, E), and the weights,
    (N, L, S): their mean over the heads, (N, heads, L, S) without `average_attn_weights`, None
    without `need_weights`. With `batch_first` N comes first; without an N it is left out of all.

    In masks of bools True is what may not be looked at, floats are added to the scores: attn_mask
    (L, S) or (N * heads, L, S), key_padding_mask (N, S). `is_causal` only says that attn_mask is
    causal. A query that may look at nothing gets 0, where PyTorch has NaN with `need_weights`.
    ValueError for sizes that do not fit.

    >>> attention = MultiheadAttention(4, num_heads=2, batch_first=True)
    >>> x = Tensor(np.zeros((3, 5, 4), "float32"))
    >>> y, weights = attention(x, x, x)
    >>> y.shape, weights.shape
    ((3, 5, 4), (3, 5, 5))
    """

    textbook = "Y = softmax(Q · Kᵀ / √d) · V · Wᵀ + b, in several heads"

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        require_cpu("MultiheadAttention", device)
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise MisfitError(
                f"MultiheadAttention: embed_dim {embed_dim} is no multiple of the {num_heads} heads"
            )
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        dtype = dtype or get_default_dtype()

        def parameter(there: bool, *shape: int) -> Parameter | None:
            return Parameter(np.empty(shape, dtype)) if there else None

        e, one = embed_dim, self.kdim == self.vdim == embed_dim
        self.register_parameter("in_proj_weight", parameter(one, 3 * e, e))
        self.register_parameter("q_proj_weight", parameter(not one, e, e))
        self.register_parameter("k_proj_weight", parameter(not one, e, self.kdim))
        self.register_parameter("v_proj_weight", parameter(not one, e, self.vdim))
        self.register_parameter("in_proj_bias", parameter(bias, 3 * e))
        self.register_parameter("bias_k", parameter(add_bias_kv, 1, 1, e))
        self.register_parameter("bias_v", parameter(add_bias_kv, 1, 1, e))
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew; biases become 0."""
        for weight in (
            self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight,
        ):  # fmt: skip
            if weight is not None:
                init.xavier_uniform_(weight)
        self.out_proj.reset_parameters()
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        if is_causal and attn_mask is None:
            raise MisfitError(
                "MultiheadAttention: is_causal only says what attn_mask is; give "
                "attn_mask=nn.Transformer.generate_square_subsequent_mask(length)"
            )
        inputs = (query, key, value)
        batched = query.ndim == 3
        self._check(*(t.shape for t in inputs))
        if not batched:
            q, k, v = (t.unsqueeze(0) for t in inputs)
        elif self.batch_first:
            q, k, v = inputs
        else:
            q, k, v = (t.transpose(0, 1) for t in inputs)
        q, k, v = self._projected(q, k, v)
        mask = self._mask(q, k, attn_mask, key_padding_mask, batched)
        k, v, mask = self._with_more_keys(k, v, mask)
        q, k, v = (self._split(t) for t in (q, k, v))
        dropout = self.dropout if self.training else 0.0
        p: Any = attention_weights(q, k, mask, dropout) if need_weights else None
        heads = attention(q, k, v, mask, dropout) if p is None else p @ v
        heads = heads.transpose(1, 2)  # (N, L, heads, E / heads)
        y = self.out_proj(heads.reshape(*heads.shape[:2], self.embed_dim))
        if not batched:
            y, p = y.squeeze(0), p if p is None else p.squeeze(0)
        elif not self.batch_first:
            y = y.transpose(0, 1)
        return y, p.mean(-3) if need_weights and average_attn_weights else p

    def _check(self, query: Any, key: Any, value: Any) -> None:
        n = 0 if self.batch_first else 1  # the axis of the batch, the other is that of the length
        sizes = (self.embed_dim, self.kdim, self.vdim)
        shapes = (query, key, value)
        if (
            len(query) not in (2, 3)
            or {len(s) for s in shapes} != {len(query)}
            or tuple(s[-1] for s in shapes) != sizes
            or key[:-1] != value[:-1]
            or (len(query) == 3 and query[n] != key[n])
        ):
            order = ("(N, L, {})", "(N, S, {})") if n == 0 else ("(L, N, {})", "(S, N, {})")
            expected = ", ".join(
                f.format(size)
                for f, size in zip((order[0], order[1], order[1]), sizes, strict=True)
            )
            raise MisfitError(
                f"MultiheadAttention({self.embed_dim}, {self.num_heads}): query {query}, key {key} "
                f"and value {value} should be {expected}, or all without N"
            )

    def _projected(self, q: Tensor, k: Tensor, v: Tensor) -> list[Tensor]:
        """Queries, keys and values by their weights and biases."""
        e = self.embed_dim
        found = []
        for i, (t, own) in enumerate(
            ((q, self.q_proj_weight), (k, self.k_proj_weight), (v, self.v_proj_weight))
        ):
            part = slice(i * e, (i + 1) * e)
            weight: Any = own if self.in_proj_weight is None else self.in_proj_weight[part]
            bias = None if self.in_proj_bias is None else self.in_proj_bias[part]
            found.append(functional.linear(t, weight, bias))
        return found

    def _mask(self, q: Tensor, k: Tensor, attn_mask: Any, padding: Any, batched: bool) -> Any:
        """What is added to the scores, (N, heads, L, S) or what broadcasts to it; or None."""
        (n, length, _), s, h = q.shape, k.shape[1], self.num_heads
        total = None
        if attn_mask is not None:
            total = added_mask(as_tensor(attn_mask), q.dtype, blocked=True)
            if total.shape not in ((length, s), (n * h, length, s)):
                raise MisfitError(
                    f"MultiheadAttention: attn_mask has shape {total.shape}; it should be "
                    f"(L, S) = {(length, s)} or (N * heads, L, S) = {(n * h, length, s)}"
                )
            if total.ndim == 3:
                total = total.reshape(n, h, length, s)
        if padding is not None:
            more = added_mask(as_tensor(padding), q.dtype, blocked=True)
            if more.shape != ((n, s) if batched else (s,)):
                raise MisfitError(
                    f"MultiheadAttention: key_padding_mask has shape {more.shape}; it should be "
                    f"{'(N, S)' if batched else '(S,)'} = {(n, s) if batched else (s,)}"
                )
            more = more.reshape(n, 1, 1, s)
            total = more if total is None else total + more
        return total

    def _with_more_keys(self, k: Tensor, v: Tensor, mask: Any) -> tuple[Tensor, Tensor, Any]:
        """Keys and values of the whole batch, and of zeros, at the end; they are never masked."""
        n = k.shape[0]
        more: list[tuple[Any, Any]] = []
        if self.bias_k is not None and self.bias_v is not None:
            more.append((self.bias_k.expand(n, 1, -1), self.bias_v.expand(n, 1, -1)))
        if self.add_zero_attn:
            zeros = np.zeros((n, 1, self.embed_dim), k.dtype)
            more.append((zeros, zeros))
        if more:
            k = concatenate([k, *(a for a, _ in more)], 1)
            v = concatenate([v, *(b for _, b in more)], 1)
            if mask is not None:
                mask = functional.pad(mask, (0, len(more)))
        return k, v, mask

    def _split(self, t: Tensor) -> Tensor:
        """(N, length, E) as (N, heads, length, E / heads)."""
        return t.reshape(*t.shape[:2], self.num_heads, self.head_dim).transpose(1, 2)
