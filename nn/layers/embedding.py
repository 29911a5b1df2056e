"""Tables of rows that are read by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import Tensor, get_default_dtype, no_grad
from autograd_lite.conversion import require_cpu
from autograd_lite.engine.errors import MisfitError

from .. import functional, init
from ..functional.embeddings import row_of_padding
from ..module import Module, Parameter

__all__ = ["Embedding", "EmbeddingBag"]


def _sizes(embeddings: Tensor) -> tuple[int, int]:
    if embeddings.ndim != 2:
        raise MisfitError(f"from_pretrained: shape {embeddings.shape} is not (rows, size of a row)")
    n, size = embeddings.shape
    return n, size


class _Table(Module):
    """A weight of which rows are read by number."""

    weight: Parameter
    _shown: tuple[str, ...]  # the settings of its repr, with their defaults

    def _make(
        self, rows: int, size: int, padding_idx: int | None, given: Any, freeze: bool, dtype: Any
    ) -> None:
        name = type(self).__name__
        self.num_embeddings, self.embedding_dim = rows, size
        self.padding_idx = row_of_padding(name, padding_idx, rows)
        if given is None:
            self.weight = Parameter(np.empty((rows, size), dtype or get_default_dtype()))
            self.reset_parameters()
        elif given.shape != (rows, size):
            raise MisfitError(f"{name}: a weight of shape {given.shape} is not {(rows, size)}")
        else:
            self.weight = Parameter(given)
        self.weight.requires_grad_(not freeze)

    def reset_parameters(self) -> None:
        """Draw the weight anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0

    def extra_repr(self) -> str:
        values = [(name, getattr(self, name)) for name in self._shown]
        values = [
            (k, v)
            for k, v in values
            if not (v is None or v is False) and (k, v) != ("norm_type", 2)
        ]
        shown = [f", {name}={value!r}" for name, value in values]
        return f"{self.num_embeddings}, {self.embedding_dim}{''.join(shown)}"


class Embedding(_Table):
    """The rows of a weight with these numbers, (...) to (..., embedding_dim); see `embedding`.

    The weight starts from the standard normal distribution, the row of `padding_idx` at 0; that row
    gets no gradient. `sparse`, `max_norm` and `scale_grad_by_freq` are those of `embedding`.
    ValueError for a padding_idx that is no row.

    >>> Embedding(5, 3)(Tensor(np.array([[1, 4]]))).shape
    (1, 2, 3)
    """

    textbook = "Y = W[X]"
    # of what was saved before they were settings
    max_norm: float | None = None
    norm_type = 2.0
    scale_grad_by_freq = sparse = False
    _shown = ("padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse")

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Any = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        require_cpu("Embedding", device)
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self._make(num_embeddings, embedding_dim, padding_idx, _weight, _freeze, dtype)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """One with these rows, whose memory it shares; they are trained only if `freeze` is
        false."""
        return cls(
            *_sizes(embeddings), padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse,
            embeddings, freeze,
        )  # fmt: skip

    def forward(self, input: Any) -> Tensor:
        return functional.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type,
            self.scale_grad_by_freq, self.sparse,
        )  # fmt: skip


class EmbeddingBag(_Table):
    """The sum, mean or maximum of the rows of each bag, (bags, embedding_dim); see `embedding_bag`.

    The weight starts as that of `Embedding`.

    >>> bag = EmbeddingBag(5, 3, mode="sum")
    >>> bag(tensor([[1, 4], [0, 0]])).shape, bag(tensor([1, 4, 0]), tensor([0, 2])).shape
    ((2, 3), (2, 3))
    """

    _shown = ("max_norm", "norm_type", "scale_grad_by_freq", "mode", "padding_idx")

    @property
    def textbook(self) -> str:
        return f"Y = {'Σ' if self.mode == 'sum' else self.mode} W[X] in each bag"

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Any = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        require_cpu("EmbeddingBag", device)
        self.max_norm, self.norm_type, self.mode = max_norm, norm_type, mode
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self.include_last_offset = include_last_offset
        self._make(num_embeddings, embedding_dim, padding_idx, _weight, False, dtype)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """One with these rows, whose memory it shares; they are trained only if `freeze` is
        false."""
        bag = cls(
            *_sizes(embeddings), max_norm, norm_type, scale_grad_by_freq, mode, sparse, embeddings,
            include_last_offset, padding_idx,
        )  # fmt: skip
        bag.weight.requires_grad_(not freeze)
        return bag

    def forward(
        self, input: Any, offsets: Any = None, per_sample_weights: Tensor | None = None
    ) -> Tensor:
        return functional.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq,
            self.mode, self.sparse, per_sample_weights, self.include_last_offset, self.padding_idx,
        )  # fmt: skip
