"""Transformers: blocks of attention and of two Linears, each with a residual and a LayerNorm."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np

from autograd_lite import Tensor, get_default_dtype, tensor
from autograd_lite.conversion import require_cpu
from autograd_lite.engine.errors import MisfitError

from .. import functional, init
from ..functional.attention import causal_mask
from ..module import Module, ModuleList
from .attention import MultiheadAttention
from .dropout import Dropout
from .linear import Linear
from .normalization import LayerNorm

__all__ = [
    "Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder",
    "TransformerEncoderLayer",
]  # fmt: skip

Activation = Callable[[Tensor], Tensor]
ACTIVATIONS: dict[str, Activation] = {"relu": functional.relu, "gelu": functional.gelu}


class _Block(Module):
    """What layers of encoders and decoders share; `across` adds attention to another sequence."""

    across = False

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = functional.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        require_cpu(name, device)
        if isinstance(activation, str) and activation not in ACTIVATIONS:
            raise MisfitError(
                f"{name}: activation is 'relu', 'gelu' or a function, got {activation!r}"
            )
        words: dict[str, Any] = {"bias": bias, "batch_first": batch_first, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, **words)
        if self.across:
            self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, **words)
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype=dtype)
        self.norm_first = norm_first
        steps = range(1, 4 if self.across else 3)
        for i in steps:
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
            setattr(self, f"norm{i}", norm)
        for i in steps:
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = ACTIVATIONS[activation] if isinstance(activation, str) else activation

    def _step(self, i: int, x: Tensor, f: Callable[[Tensor], Tensor]) -> Tensor:
        """x + f(x) with dropout of f, and LayerNorm `i` before f or after all."""
        norm, dropout = getattr(self, f"norm{i}"), getattr(self, f"dropout{i}")
        if self.norm_first:
            return x + dropout(f(norm(x)))
        y: Tensor = norm(x + dropout(f(x)))
        return y

    def _look(self, x: Tensor, mask: Any, padding: Any, is_causal: bool) -> Tensor:
        y: Tensor = self.self_attn(x, x, x, padding, False, mask, is_causal=is_causal)[0]
        return y

    def _feed_forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear2(self.dropout(self.activation(self.linear1(x))))
        return y


class TransformerEncoderLayer(_Block):
    """Self-attention, then two Linears with an activation between them.

    Each is added to its input, and LayerNorm follows, or comes before with `norm_first`. Sequences
    are (L, N, d_model), (N, L, d_model) with `batch_first`, or without the N; masks are those of
    `MultiheadAttention`. The activation is "relu", "gelu" or a function. Vaswani et al. 2017,
    https://arxiv.org/abs/1706.03762.

    >>> layer = TransformerEncoderLayer(8, nhead=2, dim_feedforward=16, batch_first=True)
    >>> layer(Tensor(np.zeros((3, 5, 8), "float32"))).shape
    (3, 5, 8)
    """

    @property
    def textbook(self) -> str:
        if self.norm_first:
            return "Y = A + mlp(norm(A)), A = X + attention(norm(X))"
        return "Y = norm(A + mlp(A)), A = norm(X + attention(X))"

    def forward(
        self,
        src: Tensor,
        src_mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
    ) -> Tensor:
        x = self._step(1, src, lambda x: self._look(x, src_mask, src_key_padding_mask, is_causal))
        return self._step(2, x, self._feed_forward)


class TransformerDecoderLayer(_Block):
    """Self-attention, attention to `memory`, then two Linears with an activation between them.

    The rest is as in `TransformerEncoderLayer`.

    >>> layer = TransformerDecoderLayer(8, nhead=2, dim_feedforward=16, batch_first=True)
    >>> y, memory = Tensor(np.zeros((3, 5, 8), "float32")), Tensor(np.zeros((3, 7, 8), "float32"))
    >>> layer(y, memory).shape
    (3, 5, 8)
    """

    across = True

    @property
    def textbook(self) -> str:
        if self.norm_first:
            return "Y = B + mlp(norm(B)), B = A + att(norm(A), M), A = X + att(norm(X))"
        return "Y = norm(B + mlp(B)), B = norm(A + att(A, M)), A = norm(X + att(X))"

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        def look_across(x: Tensor) -> Tensor:
            y: Tensor = self.multihead_attn(
                x, memory, memory, memory_key_padding_mask, False, memory_mask,
                is_causal=memory_is_causal,
            )[0]  # fmt: skip
            return y

        x = self._step(
            1, tgt, lambda x: self._look(x, tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        )
        return self._step(3, self._step(2, x, look_across), self._feed_forward)


class _Stack(Module):
    """Copies of one layer, one after the other, and a norm at the end."""

    @property
    def textbook(self) -> str:
        layers = f"layer{self.num_layers}(… layer1(X))"
        return f"Y = {layers}" if self.norm is None else f"Y = norm({layers})"

    def __init__(self, layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = ModuleList([deepcopy(layer) for _ in range(num_layers)])
        self.num_layers = num_layers
        self.norm = norm

    def _through(self, x: Tensor, *args: Any) -> Tensor:
        for layer in self.layers:
            x = layer(x, *args)
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(_Stack):
    """`num_layers` copies of an encoder layer, which begin with the same weights, and a norm.

    `enable_nested_tensor` and `mask_check` are about PyTorch's fast path and change nothing here.

    >>> encoder = TransformerEncoder(TransformerEncoderLayer(8, 2, 16), num_layers=2)
    >>> encoder(Tensor(np.zeros((5, 3, 8), "float32"))).shape
    (5, 3, 8)
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__(encoder_layer, num_layers, norm)

    def forward(
        self,
        src: Tensor,
        mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        return self._through(src, mask, src_key_padding_mask, bool(is_causal))


class TransformerDecoder(_Stack):
    """`num_layers` copies of a decoder layer, which begin with the same weights, and a norm.

    >>> decoder = TransformerDecoder(TransformerDecoderLayer(8, 2, 16), num_layers=2)
    >>> y, memory = Tensor(np.zeros((5, 3, 8), "float32")), Tensor(np.zeros((7, 3, 8), "float32"))
    >>> decoder(y, memory).shape
    (5, 3, 8)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(decoder_layer, num_layers, norm)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        return self._through(
            tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask,
            bool(tgt_is_causal), memory_is_causal,
        )  # fmt: skip


class Transformer(Module):
    """An encoder of the source, and a decoder of the target that looks at what it gives.

    Both are given as vectors, with their positions: (S, N, d_model) and (T, N, d_model), or N first
    with `batch_first`, or without N. ValueError where batches or sizes differ.

    >>> model = Transformer(8, 2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=16)
    >>> src, tgt = Tensor(np.zeros((7, 3, 8), "float32")), Tensor(np.zeros((5, 3, 8), "float32"))
    >>> model(src, tgt, tgt_mask=model.generate_square_subsequent_mask(5)).shape
    (5, 3, 8)
    """

    textbook = "Y = decoder(X2, encoder(X1))"

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = functional.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        require_cpu("Transformer", device)
        words: tuple[Any, ...] = (
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
            norm_first, bias, None, dtype,
        )  # fmt: skip

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)

        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*words), num_encoder_layers, norm()
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*words), num_decoder_layers, norm()
        )
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        n = 0 if self.batch_first else 1
        if src.ndim != tgt.ndim or (src.ndim == 3 and src.shape[n] != tgt.shape[n]):
            raise MisfitError(
                f"Transformer: src {src.shape} and tgt {tgt.shape} are of one batch, axis {n}, or "
                "both without it"
            )
        if {src.shape[-1], tgt.shape[-1]} != {self.d_model}:
            raise MisfitError(
                f"Transformer: the last axis of src {src.shape} and tgt {tgt.shape} has d_model = "
                f"{self.d_model} elements"
            )
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        y: Tensor = self.decoder(
            tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask,
            tgt_is_causal, memory_is_causal,
        )  # fmt: skip
        return y

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """A mask (sz, sz) for floats: 0, and -inf where a key comes later than the query.

        >>> Transformer.generate_square_subsequent_mask(2).tolist()
        [[0.0, -inf], [0.0, 0.0]]
        """
        require_cpu("generate_square_subsequent_mask", device)
        return tensor(causal_mask(sz, sz, np.dtype(dtype or get_default_dtype()).str))
