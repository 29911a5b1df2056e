"""Layers that change the shape alone."""

from __future__ import annotations

from typing import Any

from autograd_lite import Tensor
from autograd_lite.engine import rules

from ..module import Module
from .unary import Unary

__all__ = ["Flatten", "Unflatten"]


class Flatten(Unary, of=rules.flatten):
    """The axes from start_dim to end_dim made one; as it is, all but the first.

    >>> Flatten()(Tensor(np.zeros((2, 3, 4)))).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim


class Unflatten(Module):
    """One axis made several of these sizes; see `unflatten`.

    >>> Unflatten(1, (2, 3))(Tensor(np.zeros((5, 6)))).shape
    (5, 2, 3)
    """

    textbook = "Y = unflatten(X)"

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
