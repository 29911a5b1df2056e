"""Linear, and Identity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_lite import Tensor, get_default_dtype
from autograd_lite.conversion import require_cpu
from autograd_lite.engine.errors import MisfitError

from .. import init
from ..functional.affine import affine
from ..module import Module, Parameter

__all__ = ["Identity", "Linear"]


class Linear(Module):
    """x @ weight.mT + bias: weight (out, in), bias (out,), x (..., in), result (..., out).

    Both start uniform between -1 / sqrt(in) and 1 / sqrt(in). The weight lies in memory in Fortran
    order, so that weight.mT is contiguous. ValueError if the last axis of x has another size.

    >>> layer = Linear(3, 2)
    >>> layer(Tensor([[1.0, 2.0, 3.0]])).shape, layer.weight.shape
    ((1, 2), (2, 3))
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        require_cpu("Linear", device)
        self.in_features = in_features
        self.out_features = out_features
        dtype = dtype or get_default_dtype()
        self.weight = Parameter(np.empty((out_features, in_features), dtype, order="F"))
        self.register_parameter("bias", Parameter(np.empty(out_features, dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            r = 1 / math.sqrt(max(self.in_features, 1))
            init.uniform_(self.bias, -r, r)

    def forward(self, input: Tensor) -> Tensor:
        try:
            b = self.bias
            return (affine(input, self.weight) if b is None else affine(input, self.weight, b))[0]
        except ValueError:
            if np.shape(input)[-1:] == (self.in_features,):
                raise
            raise MisfitError(
                f"{self._name()}: the input has shape {np.shape(input)}, and its last axis should "
                f"have {self.in_features} elements; change in_features or reshape the input"
            ) from None

    @property
    def textbook(self) -> str:
        return "Y = X · Wᵀ" if self.bias is None else "Y = X · Wᵀ + b"

    def _name(self) -> str:
        return f"Linear({self.extra_repr()})"

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Identity(Module):
    """The input as it is; it takes any arguments, as a stand-in for another layer.

    >>> Identity(54)(Tensor([1.0])).tolist()
    [1.0]
    """

    textbook = "Y = X"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input
