"""What activations have in common."""

from __future__ import annotations

import math

from autograd_lite import Tensor

from ..module import FunctionModule


class Unary(FunctionModule):
    """A function of one tensor; the repr shows its settings."""

    inplace = False  # of what was saved before it was a setting

    def forward(self, input: Tensor) -> Tensor:
        return self._of(input, *[getattr(self, name) for name in self._settings])

    @property
    def textbook(self) -> str:
        return f"Y = {self._of.__name__}(X)"

    def extra_repr(self) -> str:
        values = [(name, getattr(self, name)) for name in self._settings]
        values = [(k, v) for k, v in values if v is not False and v != math.inf]
        return ", ".join(f"{k}={v!r}" if isinstance(v, str) else f"{k}={v}" for k, v in values)
