"""Variance and standard deviation: reductions that take the mean away before."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..axes import Axis, axes_of, count, kept, some_axes
from ..declare import function, row
from ..modes import mode
from ..op import ops
from ..tensor import Tensor
from .reductions import number, widened


def _corrected() -> tuple[Any, dict[str, Any]]:
    return (np.linspace(0.2, 0.9, 3),), {"axis": None, "keepdims": False, "correction": 1}


def _first(x: Any, axis: Any) -> Any:
    axes = axes_of(x, axis)
    return x[tuple([slice(0, 1) if i in axes else slice(None) for i in range(x.ndim)])]


def freedom(x: Any, axis: Any, correction: float) -> Any:
    return max(number(x, axis) - correction, 0)


def _var(x: Any, axis: Any, keepdims: bool, correction: float) -> Any:
    if x.dtype.char == "e":
        return widened(_var, x, axis, keepdims, correction)
    d = _centred(x - _first(x, axis), axis)  # shifted: a constant has variance exactly 0
    return np.add.reduce(d * d, axis=axis, keepdims=keepdims) / freedom(x, axis, correction)


def _std(x: Any, axis: Any, keepdims: bool, correction: float) -> Any:
    if x.dtype.char == "e":
        return widened(_std, x, axis, keepdims, correction)
    return np.sqrt(_var(x, axis, keepdims, correction))


def _centred(x: Any, axis: Any) -> Any:
    return x - np.add.reduce(x, axis=axis, keepdims=True) / count(x, axis)


row(
    "var",
    _var,
    lambda g, y, x, axis, keepdims, correction: (
        kept(g, x, axis, keepdims) * 2 * _centred(x, axis) / freedom(x, axis, correction)
    ),
    kind="reduction",
    named=True,
    example=_corrected,
)
row(
    "std",
    _std,
    lambda g, y, x, axis, keepdims, correction: (
        kept(g / np.where(y == 0, np.inf, y), x, axis, keepdims)
        * _centred(x, axis)
        / freedom(x, axis, correction)
    ),
    kind="reduction",
    named=True,
    example=_corrected,
)


@function()
def var(
    x: Tensor,
    axis: Axis = None,
    correction: float | None = None,
    keepdims: bool = False,
    *,
    dim: Axis = None,
    keepdim: bool = False,
    unbiased: bool | None = None,
    ddof: int | None = None,
) -> Tensor:
    """The variance: squared deviations summed and divided by n - correction, as in PyTorch n - 1.

    `unbiased=False` is `correction=0`, the biased variance; `ddof` is NumPy's word for it.

    >>> var(tensor([1.0, 3.0])).item(), var(tensor([1.0, 3.0]), correction=0).item()
    (2.0, 1.0)
    """
    return _spread("var", x, axis, dim, keepdims or keepdim, correction, unbiased, ddof)


@function()
def std(
    x: Tensor,
    axis: Axis = None,
    correction: float | None = None,
    keepdims: bool = False,
    *,
    dim: Axis = None,
    keepdim: bool = False,
    unbiased: bool | None = None,
    ddof: int | None = None,
) -> Tensor:
    """The square root of the variance, see `var`; the gradient of the std of a constant is 0.

    >>> std(tensor([1.0, 3.0]), correction=0).item()
    1.0
    """
    return _spread("std", x, axis, dim, keepdims or keepdim, correction, unbiased, ddof)


def _spread(
    name: str,
    x: Any,
    axis: Any,
    dim: Axis,
    keepdims: bool,
    correction: Any,
    unbiased: Any,
    ddof: Any,
) -> Any:
    """`var` or `std`, their correction by one of its names; else 1, or 0 in code for arrays."""
    if isinstance(axis, bool):  # PyTorch's var(unbiased)
        axis, unbiased = None, axis
    given = [n * 1 for n in (correction, unbiased, ddof) if n is not None]
    if len(given) > 1:
        raise TypeError(f"{name}: correction, unbiased and ddof are one argument; give one")
    n = given[0] if given else int(not mode.numpy)
    axis = some_axes(name, x, axis, dim)
    return getattr(ops, name)(x, axis=axis, keepdims=keepdims, correction=n)
