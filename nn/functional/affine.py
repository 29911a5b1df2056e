"""The linear and the bilinear layer as functions."""

from __future__ import annotations

from autograd_lite import Tensor
from autograd_lite.engine.errors import MisfitError

__all__ = ["bilinear", "linear"]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.mT + bias, for a weight of shape (out, in).

    >>> linear(Tensor([[1.0, 2.0]]), Tensor([[3.0, 4.0]]), Tensor([5.0])).tolist()
    [[16.0]]
    """
    y = input @ weight.mT
    return y if bias is None else y + bias


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The sum over i and j of input1[..., i] * weight[k, i, j] * input2[..., j] for each output k.

    weight is (out, in1, in2), bias (out,), the result (..., out). MisfitError for shapes that do
    not fit.

    >>> bilinear(Tensor([1.0, 2.0]), Tensor([10.0]), Tensor([[[3.0], [4.0]]])).tolist()
    [110.0]
    """
    lead = input1.shape[:-1]
    fits = weight.ndim == 3 and input1.shape[-1:] + input2.shape[-1:] == weight.shape[1:]
    if (
        not fits
        or input2.shape[:-1] != lead
        or (bias is not None and bias.shape != weight.shape[:1])
    ):
        raise MisfitError(
            f"bilinear: inputs {input1.shape} and {input2.shape} and a weight {weight.shape} do "
            "not fit; they are (..., in1), (..., in2) and (out, in1, in2), and a bias is (out,)"
        )
    x1, x2 = input1.reshape(-1, weight.shape[1]), input2.reshape(-1, weight.shape[2])
    y = ((x1 @ weight) * x2).sum(-1).mT.reshape(*lead, len(weight))  # of (out, n, in2)
    return y if bias is None else y + bias
