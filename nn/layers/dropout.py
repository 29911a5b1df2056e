"""Dropout."""

from __future__ import annotations

import numpy as np

from autograd_lite import Tensor

from .. import functional
from ..functional.checks import check_probability
from ..module import Module

__all__ = ["Dropout"]


class Dropout(Module):
    """In training, elements set to 0 with probability p and the others divided by 1 - p.

    In eval() it is the identity. Masks come from `generator`, else from the generator that
    manual_seed seeds. ValueError unless p is from 0 to 1. See `dropout`.
    """

    inplace = False  # of what was saved before it was a setting

    def __init__(
        self,
        p: float = 0.5,
        inplace: bool = False,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        check_probability("Dropout", p)
        self.p = p
        self.inplace = inplace
        self.generator = generator

    def forward(self, input: Tensor) -> Tensor:
        return functional.dropout(input, self.p, self.training, self.inplace, self.generator)

    @property
    def textbook(self) -> str:
        return "Y = X · mask / (1 − p)" if self.training and self.p else "Y = X"

    def extra_repr(self) -> str:
        return f"p={self.p}"
