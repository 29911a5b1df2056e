"""Arithmetic: several inputs, element by element, which broadcast.

A rule uses only operators, methods, ufuncs and other rows, so the same rule runs on arrays
(gradients), on Tensors (higher derivatives) and on Symbols (formulas). No rule mentions
broadcasting or dtypes: the edge that carries a gradient back to an input sums it to that input's
shape and casts it to its dtype (`tape.unbroadcast`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import as_array, get_default_dtype
from ..declare import differentiable, function, row
from ..tensor import Tensor

add = row("add", np.add, lambda g, y, a, b: g, lambda g, y, a, b: g, sign="+")
sub = row("sub", np.subtract, lambda g, y, a, b: g, lambda g, y, a, b: -g, sign="-")
mul = row("mul", np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a, sign="*")
div = row("div", np.divide, lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b, sign="/")
_pow = row(
    "pow",
    np.power,
    # where b is 0 the slope in a is 0, though 0 ** -1 is infinite; its slope in b is 1 / a
    lambda g, y, a, b: g * (b * a ** np.where((a == 0) & (b == 0), 0, b - 1)),
    # 0 ** b has slope 0 in b where b >= 0: log(1) takes the place of log(0)
    lambda g, y, a, b: g * y * np.log(np.where((a == 0) & (b >= 0), 1, a)),
    sign="**",
)
_where = row(
    "where",
    np.where,
    None,  # a condition has no gradient
    lambda g, y, c, a, b: np.where(c, g, 0),
    lambda g, y, c, a, b: np.where(c, 0, g),
    kind="arithmetic",
    example=lambda: ((np.array([True, False]), np.ones(2), np.ones(2)), {}),
)


@differentiable(lambda g, y, x: -g)
def neg(x: Tensor) -> Tensor:
    """-x."""
    return np.negative(x)


def _power_slope(x: Any, p: float) -> Any:
    if p == 2:
        return 2 * x
    return p if p == 1 else p * x ** (p - 1)


# `x ** p` with a number `p`, which float32 arrays survive as float32.
_power = row(
    "power",
    lambda x, p: x**p,
    lambda g, y, x, p: g * _power_slope(x, p) if p else np.zeros_like(g),
    kind="curve",
    example=lambda: ((np.linspace(0.2, 0.9, 3),), {"p": 3}),
)


@function(numpy=np.float_power, in_place=True)
def pow(x: Any, exponent: Any) -> Tensor:
    """x to the power exponent, a number or a tensor that broadcasts with x.

    >>> pow(tensor(3.0), 2).item()
    9.0
    """
    if isinstance(exponent, int | float):
        return _power(x, p=exponent.item() if hasattr(exponent, "item") else exponent)
    return _pow(x, exponent)


@function(numpy=np.square, in_place=True)
def square(x: Tensor) -> Tensor:
    """x * x.

    >>> square(tensor(3.0)).item()
    9.0
    """
    return _power(x, p=2)


@function(numpy=np.reciprocal, in_place=True)
def reciprocal(x: Tensor) -> Tensor:
    """1 / x.

    >>> reciprocal(tensor(4.0)).item()
    0.25
    """
    return div(1, x)


def _share_of_sum(g: Any, y: Any, x: Any) -> Any:
    with np.errstate(invalid="ignore"):  # inf - inf, where x is the whole sum
        return g * np.exp(np.where(x == y, 0, x - y))


@differentiable(
    lambda g, y, a, b: _share_of_sum(g, y, a), lambda g, y, a, b: _share_of_sum(g, y, b)
)
def logaddexp(a: Any, b: Any) -> Tensor:
    """log(exp(a) + exp(b)), without overflow.

    >>> logaddexp(tensor(1000.0), tensor(-1000.0)).item()
    1000.0
    """
    return np.logaddexp(a, b)


def _turned(g: Any, part: Any, a: Any, b: Any) -> Any:
    """g * part / (a * a + b * b), which may not overflow; 0 at the origin."""
    r = np.hypot(a, b)
    r = np.where(r == 0, np.inf, r)
    return g * (part / r) / r


@differentiable(
    lambda g, y, a, b: _turned(g, b, a, b), lambda g, y, a, b: _turned(-g, a, a, b), also="atan2"
)
def arctan2(a: Any, b: Any) -> Tensor:
    """The angle of the point (b, a) in radians, from -pi to pi: the arctangent of a / b.

    >>> round(arctan2(tensor(1.0), tensor(-1.0)).item(), 4)
    2.3562
    """
    return np.arctan2(a, b)


def _share_of_hypot(g: Any, y: Any, x: Any) -> Any:
    return g * x / np.where(y == 0, 1, y)


@differentiable(
    lambda g, y, a, b: _share_of_hypot(g, y, a), lambda g, y, a, b: _share_of_hypot(g, y, b)
)
def hypot(a: Any, b: Any) -> Tensor:
    """The square root of a * a + b * b, without overflow; its gradient at (0, 0) is 0.

    >>> hypot(tensor(3.0), tensor(4.0)).item()
    5.0
    """
    return np.hypot(a, b)


@differentiable(lambda g, y, a, b: g, lambda g, y, a, b: -g * np.floor(a / b), sign="%")
def remainder(a: Any, b: Any) -> Tensor:
    """The remainder of a / b with the sign of b, `a % b`; see `fmod` for that of a.

    >>> remainder(tensor(-7.0), 3.0).item()
    2.0
    """
    return np.remainder(a, b)


@differentiable(lambda g, y, a, b: g, lambda g, y, a, b: -g * np.trunc(a / b))
def fmod(a: Any, b: Any) -> Tensor:
    """The remainder of a / b with the sign of a, as in C.

    >>> fmod(tensor(-7.0), 3.0).item()
    -1.0
    """
    return np.fmod(a, b)


def _if_a_is_larger(g: Any, y: Any, a: Any, b: Any) -> Any:
    return np.where(a == b, g / 2, np.where(a < b, 0, g))


def _if_b_is_larger(g: Any, y: Any, a: Any, b: Any) -> Any:
    return np.where(a == b, g / 2, np.where(a > b, 0, g))


@differentiable(_if_a_is_larger, _if_b_is_larger)
def maximum(a: Any, b: Any) -> Tensor:
    """The larger of two, element by element; a tie gives half the gradient to each.

    >>> maximum(tensor(1.0), tensor(2.0)).item()
    2.0
    """
    return np.maximum(a, b)


@differentiable(_if_b_is_larger, _if_a_is_larger)
def minimum(a: Any, b: Any) -> Tensor:
    """The smaller of two, element by element; a tie gives half the gradient to each.

    >>> minimum(tensor(1.0), tensor(2.0)).item()
    1.0
    """
    return np.minimum(a, b)


@function(numpy=np.where, method=False)
def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """input where condition is true, else other; of a condition alone the places where it is, as
    an index.

    It does not shield from NaN: a derivative that is infinite on the branch that was not taken
    is multiplied by 0 and gives NaN. Make the argument safe before, as in
    `where(x > 0, log(where(x > 0, x, 1)), 0)`.

    >>> where(tensor([True, False]), tensor(1.0), tensor(2.0)).tolist()
    [1.0, 2.0]
    """
    if input is None and other is None:
        return tuple(map(Tensor, np.nonzero(as_array(condition))))
    if isinstance(input, int | float) and isinstance(other, int | float):
        dtype = get_default_dtype()  # where NumPy would make float64
        input, other = (np.asarray(x, dtype) if isinstance(x, float) else x for x in (input, other))
    return _where(condition, input, other)


@function(in_place=True)
def masked_fill(x: Tensor, mask: Any, value: float) -> Tensor:
    """x with value where mask is true.

    >>> masked_fill(tensor([1.0, 2.0]), tensor([True, False]), 0.0).tolist()
    [0.0, 2.0]
    """
    return _where(mask, bool(value) if x.dtype == bool else value, x)
