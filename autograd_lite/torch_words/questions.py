"""Comparisons, logic and questions in PyTorch's words: plain data come out, without a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import rules
from ..engine.arrays import as_array
from ..engine.declare import function
from ..engine.methods import Methods
from ..engine.tensor import Tensor, as_tensor


@function(in_place=True)
def eq(a: Any, other: Any) -> Tensor:
    """a == other, element by element."""
    return as_tensor(a) == other


@function(also="not_equal", in_place=True)
def ne(a: Any, other: Any) -> Tensor:
    """a != other, element by element."""
    return as_tensor(a) != other


@function(also="less", in_place=True)
def lt(a: Any, other: Any) -> Tensor:
    """a < other, element by element."""
    return as_tensor(a) < other


@function(also="less_equal", in_place=True)
def le(a: Any, other: Any) -> Tensor:
    """a <= other, element by element."""
    return as_tensor(a) <= other


@function(also="greater", in_place=True)
def gt(a: Any, other: Any) -> Tensor:
    """a > other, element by element."""
    return as_tensor(a) > other


@function(also="greater_equal", in_place=True)
def ge(a: Any, other: Any) -> Tensor:
    """a >= other, element by element."""
    return as_tensor(a) >= other


@function(in_place=True)
def bitwise_and(a: Any, other: Any) -> Tensor:
    """a & other, element by element."""
    return as_tensor(a) & other


@function(in_place=True)
def bitwise_or(a: Any, other: Any) -> Tensor:
    """a | other, element by element."""
    return as_tensor(a) | other


@function(in_place=True)
def bitwise_xor(a: Any, other: Any) -> Tensor:
    """a ^ other, element by element."""
    return as_tensor(a) ^ other


@function(in_place=True)
def bitwise_left_shift(a: Any, other: Any) -> Tensor:
    """a << other, element by element.

    >>> bitwise_left_shift(tensor([1, 3]), 2).tolist()
    [4, 12]
    """
    return as_tensor(a) << other


@function(in_place=True)
def bitwise_right_shift(a: Any, other: Any) -> Tensor:
    """a >> other, element by element."""
    return as_tensor(a) >> other


@function(in_place=True)
def bitwise_not(x: Any) -> Tensor:
    """Every bit the other way; not x of bools."""
    return ~as_tensor(x)


def truth(x: Any) -> Tensor:
    """Whether each element is not 0."""
    return as_tensor(x).to(np.bool_)


@function(in_place=True)
def logical_and(a: Any, other: Any) -> Tensor:
    """Whether both are not 0.

    >>> logical_and(tensor([1, 0]), tensor([2, 3])).tolist()
    [True, False]
    """
    return truth(a) & truth(other)


@function(in_place=True)
def logical_or(a: Any, other: Any) -> Tensor:
    """Whether one of the two is not 0."""
    return truth(a) | truth(other)


@function(in_place=True)
def logical_xor(a: Any, other: Any) -> Tensor:
    """Whether just one of the two is not 0."""
    return truth(a) ^ truth(other)


@function(in_place=True)
def logical_not(x: Any) -> Tensor:
    """Whether each element is 0."""
    return ~truth(x)


@function()
def isclose(
    a: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Whether |a - b| <= atol + rtol * |b|, element by element.

    >>> isclose(tensor([1.0, 2.0]), tensor([1.0, 2.1])).tolist()
    [True, False]
    """
    return Tensor(np.asarray(np.isclose(as_array(a), as_array(other), rtol, atol, equal_nan)))


@function()
def isposinf(x: Any) -> Tensor:
    """Whether each element is infinite and positive."""
    return as_tensor(x) == np.inf


@function()
def isneginf(x: Any) -> Tensor:
    """Whether each element is infinite and negative."""
    return as_tensor(x) == -np.inf


@function()
def isreal(x: Any) -> Tensor:
    """Whether each element is a real number: always."""
    return Tensor(np.ones(x.shape, bool))


@function()
def signbit(x: Any) -> Tensor:
    """Whether the sign of each element is a minus, of -0.0 too."""
    return Tensor(np.asarray(np.signbit(as_array(x))))


@function(method=False)
def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Whether each element is among others, or is not, with `invert`; `assume_unique` is a promise
    that no element comes twice.

    >>> isin(tensor([1, 2]), tensor([2, 3])).tolist()
    [False, True]
    """
    found = np.isin(as_array(elements), as_array(test_elements), assume_unique, invert)
    return Tensor(np.asarray(found))


@function()
def is_nonzero(x: Any) -> bool:
    """Whether the one element is not 0; ValueError if there is not exactly one."""
    return bool(x)


@function(method=False)
def is_tensor(obj: object) -> bool:
    """Whether an object is a Tensor.

    >>> is_tensor(tensor(1.0)), is_tensor(1.0)
    (True, False)
    """
    return isinstance(obj, Tensor)


@function(method=False)
def is_floating_point(x: Any) -> bool:
    """Whether the elements are floats."""
    return bool(x.dtype.kind == "f")


@function(method=False)
def is_complex(x: Any) -> bool:
    """Whether the elements are complex numbers: never."""
    return False


@function(method=False)
def can_cast(from_: Any, to: Any) -> bool:
    """Whether one dtype is put into another without a float becoming an int, or an int a bool.

    >>> can_cast("float64", "float32"), can_cast("float32", "int64")
    (True, False)
    """
    return np.can_cast(from_, to, "same_kind")


@function(method=False)
def promote_types(type1: Any, type2: Any) -> Any:
    """The dtype that two dtypes give together: of floats and ints that of the floats, else NumPy's.

    >>> promote_types("float32", "float64"), promote_types("int64", "float32")
    (dtype('float64'), dtype('float32'))
    """
    both = np.dtype(type1), np.dtype(type2)
    floats = [dtype for dtype in both if dtype.kind == "f"]
    return floats[0] if len(floats) == 1 else np.promote_types(*both)


@function(method=False)
def result_type(tensor: Any, other: Any) -> Any:
    """The dtype of the sum of two operands.

    >>> result_type(tensor([1.0]), 2), result_type(tensor([1]), 2.0)
    (dtype('float32'), dtype('float32'))
    """
    a, b = (
        x.detach().reshape(-1)[:0] if isinstance(x, Tensor) and x.ndim else x  # of any shape
        for x in (tensor, other)
    )
    return (as_tensor(a) + b).dtype


def _where_(x: Any, condition: Any, other: Any) -> Tensor:
    """x where condition is true, else other."""
    return rules.where(condition, x, other)


setattr(Methods, "where", _where_)  # noqa: B010  type checkers know it from methods.pyi
