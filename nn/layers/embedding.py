"""Embedding."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import Tensor, get_default_dtype, no_grad
from autograd_lite.conversion import require_cpu

from .. import functional, init
from ..module import Module, Parameter

__all__ = ["Embedding"]


class Embedding(Module):
    """The rows of a weight with these numbers, (...) to (..., embedding_dim); see `embedding`.

    The weight starts from the standard normal distribution, the row of `padding_idx` at 0; that row
    gets no gradient.

    >>> Embedding(5, 3)(Tensor(np.array([[1, 4]]))).shape
    (1, 2, 3)
    """

    textbook = "Y = W[X]"
    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        require_cpu("Embedding", device)
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(
                f"Embedding: padding_idx {padding_idx} is none of the {num_embeddings} rows"
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        shape = num_embeddings, embedding_dim
        self.weight = Parameter(np.empty(shape, dtype or get_default_dtype()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weight anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None
    ) -> Embedding:
        """One with these rows, which are not trained unless `freeze` is false."""
        n, size = embeddings.shape
        layer = cls(n, size, padding_idx, dtype=embeddings.dtype)
        layer.weight.data.copy_(embeddings)
        layer.weight.requires_grad_(not freeze)
        return layer

    def forward(self, input: Any) -> Tensor:
        return functional.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
