"""What values a parameter or a draw may have, under PyTorch's names; `check(x)` asks each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.rules.questions import plain
from ..engine.tensor import Tensor


class Constraint:
    """Which values are meant; `event_dim` axes are one value."""

    is_discrete = False

    def __init__(self, name: str, right: Callable[[Any], Any], event_dim: int = 0) -> None:
        self.name, self.right, self.event_dim = name, right, event_dim

    def check(self, value: Any) -> Tensor:
        """Whether each value is one of them.

        >>> positive.check(tensor([1.0, -1.0])).tolist()
        [True, False]
        """
        return plain(self.right, value)

    def __repr__(self) -> str:
        return self.name


def interval(lower_bound: float, upper_bound: float) -> Constraint:
    """From one number to another."""
    name = f"interval({lower_bound}, {upper_bound})"
    return Constraint(name, lambda x: (x >= lower_bound) & (x <= upper_bound))


def greater_than(lower_bound: float) -> Constraint:
    """Above a number."""
    return Constraint(f"greater_than({lower_bound})", lambda x: x > lower_bound)


def sums_to_one(x: Any) -> Any:
    return (x >= 0).all(-1) & (np.abs(x.sum(-1) - 1) < 1e-6)


real = Constraint("real", lambda x: ~np.isnan(x))
real_vector = Constraint("real_vector", lambda x: ~np.isnan(x).any(-1), 1)
positive = Constraint("positive", lambda x: x > 0)
nonnegative = Constraint("nonnegative", lambda x: x >= 0)
unit_interval = Constraint("unit_interval", lambda x: (x >= 0) & (x <= 1))
boolean = Constraint("boolean", lambda x: (x == 0) | (x == 1))
nonnegative_integer = Constraint("nonnegative_integer", lambda x: (x >= 0) & (x == np.floor(x)))
simplex = Constraint("simplex", sums_to_one, 1)
