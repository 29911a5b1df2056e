"""The linear layer as a function."""

from __future__ import annotations

from autograd_lite import Tensor

__all__ = ["linear"]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.mT + bias, for a weight of shape (out, in).

    >>> linear(Tensor([[1.0, 2.0]]), Tensor([[3.0, 4.0]]), Tensor([5.0])).tolist()
    [[16.0]]
    """
    y = input @ weight.mT
    return y if bias is None else y + bias
