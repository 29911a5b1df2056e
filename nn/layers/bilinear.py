"""Bilinear."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_lite import Tensor, get_default_dtype
from autograd_lite.conversion import require_cpu

from .. import functional, init
from ..module import Module, Parameter

__all__ = ["Bilinear"]


class Bilinear(Module):
    """x1, weight and x2 in one product for each output; see `bilinear`.

    weight is (out, in1, in2) and bias (out,), both uniform at first between -1 / sqrt(in1) and
    1 / sqrt(in1).

    >>> Bilinear(2, 3, 4)(Tensor(np.zeros((5, 2))), Tensor(np.zeros((5, 3)))).shape
    (5, 4)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        require_cpu("Bilinear", device)
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        dtype = dtype or get_default_dtype()
        self.weight = Parameter(np.empty((out_features, in1_features, in2_features), dtype))
        self.register_parameter("bias", Parameter(np.empty(out_features, dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        r = 1 / math.sqrt(max(self.in1_features, 1))
        for p in self.parameters():
            init.uniform_(p, -r, r)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return functional.bilinear(input1, input2, self.weight, self.bias)

    @property
    def textbook(self) -> str:
        return "Y = Σ X1[i] · W[:, i, j] · X2[j]" + " + b" * (self.bias is not None)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
