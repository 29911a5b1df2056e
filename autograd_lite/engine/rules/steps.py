"""Steps: one input, element by element, whose slope is 0 wherever there is one."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..declare import differentiable, function, row
from ..tensor import Tensor


def _flat(g: Any, y: Any, x: Any, **kw: Any) -> Any:
    return np.zeros_like(g)  # not g * 0: a gradient may be infinite


@differentiable(_flat)
def sign(x: Tensor) -> Tensor:
    """-1, 0 or 1 by the sign of each element; its slope is 0."""
    return np.sign(x)


@differentiable(_flat)
def floor(x: Tensor) -> Tensor:
    """The largest integer not above each element; its slope is 0."""
    return np.floor(x)


@differentiable(_flat)
def ceil(x: Tensor) -> Tensor:
    """The smallest integer not below each element; its slope is 0."""
    return np.ceil(x)


@differentiable(_flat, also="fix")
def trunc(x: Tensor) -> Tensor:
    """Each element without its decimals; its slope is 0."""
    return np.trunc(x)


_round = row(
    "round",
    lambda x, decimals: np.round(x, decimals),
    _flat,
    kind="curve",
    example=lambda: ((np.linspace(0.2, 0.9, 3),), {"decimals": 0}),
)


@function(numpy=[np.round, np.around, np.rint], in_place=True)
def round(x: Tensor, decimals: int = 0) -> Tensor:
    """Each element to so many decimals, halves to the even digit; its slope is 0.

    >>> round(tensor([1.25]), 1).tolist()
    [1.2000000476837158]
    """
    return _round(x, decimals=decimals)
