"""Dropouts."""

from __future__ import annotations

import numpy as np

from autograd_lite import Tensor

from .. import functional
from ..functional.checks import check_probability
from ..module import FunctionModule, Module

__all__ = [
    "AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout",
]  # fmt: skip


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
        return f"p={self.p}, inplace={self.inplace}"


class _Dropped(FunctionModule):
    """A dropout with a mask from the generator that manual_seed seeds."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        check_probability(type(self).__name__, p)
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return self._of(input, self.p, self.training, self.inplace)

    @property
    def textbook(self) -> str:
        return "Y = X · mask / (1 − p)" if self.training and self.p else "Y = X"

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout1d(_Dropped, of=functional.dropout1d):
    """In training, whole channels of (N, C, L) or (C, L) set to 0 with probability p and the others
    divided by 1 - p; see `dropout1d`."""


class Dropout2d(_Dropped, of=functional.dropout2d):
    """In training, whole channels of images (N, C, H, W) set to 0 with probability p and the others
    divided by 1 - p; see `dropout2d`."""


class Dropout3d(_Dropped, of=functional.dropout3d):
    """In training, whole channels of volumes (N, C, D, H, W) set to 0 with probability p and the
    others divided by 1 - p; see `dropout3d`."""


class AlphaDropout(_Dropped, of=functional.alpha_dropout):
    """The dropout for nets of SELU, which keeps mean 0 and variance 1; see `alpha_dropout`."""

    @property
    def textbook(self) -> str:
        return (
            "Y = a · (X · mask − 1.758 · (1 − mask)) + b" if self.training and self.p else "Y = X"
        )


class FeatureAlphaDropout(AlphaDropout, of=functional.feature_alpha_dropout):
    """`AlphaDropout` of whole channels; see `feature_alpha_dropout`."""
