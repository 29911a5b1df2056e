"""The functions of users: they settle names, axes and defaults, and call rows of the table.

Each works on whatever the rows work on (Tensors, arrays, Symbols), and most are Tensor methods
too. Where PyTorch and NumPy name an argument differently, both names are accepted: `dim` and
`axis`, `keepdim` and `keepdims`.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import ops
from .axes import axes_of, count
from .modes import mode

if TYPE_CHECKING:
    from .tensor import Tensor

Axis = int | Sequence[int] | None


class MaxResult(NamedTuple):
    """The values and the indices of `max(dim)` and `min(dim)`."""

    values: Tensor
    indices: Tensor


# ---- arguments ------------------------------------------------------------------------------


def one_axis(name: str, x: Any, axis: int) -> int:
    """`axis` counted from the front; an IndexError if `x` has no such axis."""
    n = x.ndim or 1  # PyTorch lets a 0-d tensor have the axis 0
    if axis.__class__ is not int:
        try:
            axis = axis.__index__()
        except AttributeError:
            raise TypeError(f"{name}: an axis is an int, got {axis!r}") from None
    if not -n <= axis < n:
        raise IndexError(
            f"{name}: axis {axis} is out of range for shape {x.shape}; use {-n} to {n - 1}"
        )
    return axis % n


def some_axes(name: str, x: Any, axis: Axis, dim: Axis = None) -> int | tuple[int, ...] | None:
    """None, one axis or several, counted from the front; `axis` and `dim` are one argument."""
    if dim is not None:
        if axis is not None:
            raise TypeError(f"{name}: axis and dim are two names of one argument; give one")
        axis = dim
    if axis is None:
        return None
    if isinstance(axis, Sequence):
        axes = tuple(one_axis(name, x, a) for a in axis)
        if len(set(axes)) < len(axes):
            raise ValueError(f"{name}: axis {tuple(axis)} names one axis of {x.shape} twice")
        return axes
    return one_axis(name, x, axis) if x.ndim else one_axis(name, x, axis) or None


def sizes(shape: tuple[Any, ...]) -> tuple[int, ...]:
    """`f(2, 3)` and `f((2, 3))` mean the same."""
    if len(shape) == 1 and not hasattr(shape[0], "__index__"):
        shape = tuple(shape[0])
    return tuple(int(n) for n in shape)


# ---- elementwise ----------------------------------------------------------------------------


def abs(x: Tensor) -> Tensor:
    """|x|; its slope at 0 is 0.

    >>> abs(tensor(-2.0)).item()
    2.0
    """
    return ops.abs(x)


def exp(x: Tensor) -> Tensor:
    """e to the x.

    >>> exp(tensor(0.0)).item()
    1.0
    """
    return ops.exp(x)


def log(x: Tensor) -> Tensor:
    """The natural logarithm.

    >>> log(tensor(1.0)).item()
    0.0
    """
    return ops.log(x)


def log1p(x: Tensor) -> Tensor:
    """log(1 + x), exact for small x.

    >>> log1p(tensor(0.0)).item()
    0.0
    """
    return ops.log1p(x)


def expm1(x: Tensor) -> Tensor:
    """exp(x) - 1, exact for small x.

    >>> expm1(tensor(0.0)).item()
    0.0
    """
    return ops.expm1(x)


def sqrt(x: Tensor) -> Tensor:
    """The square root; its slope at 0 is infinite.

    >>> sqrt(tensor(9.0)).item()
    3.0
    """
    return ops.sqrt(x)


def sin(x: Tensor) -> Tensor:
    """The sine of an angle in radians.

    >>> sin(tensor(0.0)).item()
    0.0
    """
    return ops.sin(x)


def cos(x: Tensor) -> Tensor:
    """The cosine of an angle in radians.

    >>> cos(tensor(0.0)).item()
    1.0
    """
    return ops.cos(x)


def tan(x: Tensor) -> Tensor:
    """The tangent of an angle in radians.

    >>> tan(tensor(0.0)).item()
    0.0
    """
    return ops.tan(x)


def sinh(x: Tensor) -> Tensor:
    """The hyperbolic sine.

    >>> sinh(tensor(0.0)).item()
    0.0
    """
    return ops.sinh(x)


def cosh(x: Tensor) -> Tensor:
    """The hyperbolic cosine.

    >>> cosh(tensor(0.0)).item()
    1.0
    """
    return ops.cosh(x)


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent.

    >>> tanh(tensor(0.0)).item()
    0.0
    """
    return ops.tanh(x)


def arctan(x: Tensor) -> Tensor:
    """The inverse tangent, in radians.

    >>> arctan(tensor(0.0)).item()
    0.0
    """
    return ops.arctan(x)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), exactly 0 and 1 far out, without overflow.

    >>> sigmoid(tensor(0.0)).item()
    0.5
    """
    return ops.sigmoid(x)


def relu(x: Tensor) -> Tensor:
    """max(x, 0); its slope at 0 is 0.

    >>> relu(tensor(-3.0)).item()
    0.0
    """
    return ops.relu(x)


def erf(x: Tensor) -> Tensor:
    """The error function, from SciPy where it is installed, else from the math module.

    >>> erf(tensor(0.0)).item()
    0.0
    """
    return ops.erf(x)


def neg(x: Tensor) -> Tensor:
    """-x.

    >>> neg(tensor(1.0)).item()
    -1.0
    """
    return ops.neg(x)


def pow(x: Any, p: Any) -> Tensor:
    """x to the power p; p is a number or a tensor that broadcasts with x.

    >>> pow(tensor(3.0), 2).item()
    9.0
    """
    return ops.power(x, p=p) if isinstance(p, int | float) else ops.pow(x, p)


def square(x: Tensor) -> Tensor:
    """x * x.

    >>> square(tensor(3.0)).item()
    9.0
    """
    return ops.power(x, p=2)


def reciprocal(x: Tensor) -> Tensor:
    """1 / x.

    >>> reciprocal(tensor(4.0)).item()
    0.25
    """
    return ops.div(1, x)


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where x > 0, else negative_slope * x; the slope at 0 is negative_slope.

    >>> leaky_relu(tensor(-2.0), 0.5).item()
    -1.0
    """
    return ops.leaky_relu(x, slope=negative_slope)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha * (exp(x) - 1).

    >>> elu(tensor(2.0)).item()
    2.0
    """
    return ops.elu(x, alpha=alpha)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution function of x, or its tanh approximation.

    Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415. ValueError for another word.

    >>> gelu(tensor(0.0)).item()
    0.0
    """
    if approximate == "none":
        return x * (0.5 * (1 + ops.erf(x * math.sqrt(0.5))))
    if approximate != "tanh":
        raise ValueError(f"gelu: approximate is 'none' or 'tanh', got {approximate!r}")
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
    return x * (0.5 * (1 + ops.tanh(inner)))


def silu(x: Tensor) -> Tensor:
    """x * sigmoid(x).

    >>> silu(tensor(0.0)).item()
    0.0
    """
    return x * ops.sigmoid(x)


def softplus(x: Tensor, beta: float = 1.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta, without overflow.

    >>> softplus(tensor(100.0)).item()
    100.0
    """
    return ops.softplus(x) if beta == 1 else ops.softplus(x * beta) / beta


def logsigmoid(x: Tensor) -> Tensor:
    """log(sigmoid(x)), without overflow.

    >>> logsigmoid(tensor(-800.0)).item()
    -800.0
    """
    return -ops.softplus(-x)


def clip(x: Any, min: Any = None, max: Any = None) -> Tensor:
    """x held between min and max, each a number, a tensor or None; inside and at the edges the
    slope is 1. ValueError if both are None.

    >>> clip(tensor(5.0), 0, 3).item()
    3.0
    """
    if min is None and max is None:
        raise ValueError("clip: give min, max or both")
    low = -math.inf if min is None else min
    high = math.inf if max is None else max
    if isinstance(low, int | float) and isinstance(high, int | float):
        return ops.clip(x, low=low, high=high)
    y = x if min is None else where(x < low, low, x)
    return y if max is None else where(y > high, high, y)


def hardtanh(x: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """x held between two numbers; at the edges the slope is 0.

    >>> hardtanh(tensor(5.0)).item()
    1.0
    """
    return ops.hardtanh(x, low=min_val, high=max_val)


def maximum(a: Any, b: Any) -> Tensor:
    """The larger of two, element by element; a tie gives half the gradient to each.

    >>> maximum(tensor(1.0), tensor(2.0)).item()
    2.0
    """
    return ops.maximum(a, b)


def minimum(a: Any, b: Any) -> Tensor:
    """The smaller of two, element by element; a tie gives half the gradient to each.

    >>> minimum(tensor(1.0), tensor(2.0)).item()
    1.0
    """
    return ops.minimum(a, b)


def logaddexp(a: Any, b: Any) -> Tensor:
    """log(exp(a) + exp(b)), without overflow.

    >>> logaddexp(tensor(1000.0), tensor(-1000.0)).item()
    1000.0
    """
    return ops.logaddexp(a, b)


def where(condition: Any, a: Any, b: Any) -> Tensor:
    """a where condition is true, else b.

    It does not shield from NaN: a derivative that is infinite on the branch that was not taken
    is multiplied by 0 and gives NaN. Make the argument safe before, as in
    `where(x > 0, log(where(x > 0, x, 1)), 0)`.

    >>> where(tensor([True, False]), tensor(1.0), tensor(2.0)).tolist()
    [1.0, 2.0]
    """
    if isinstance(a, float) and isinstance(b, float):  # which NumPy would make float64
        from .arrays import get_default_dtype

        a = np.asarray(a, get_default_dtype())
    return ops.where(condition, a, b)


def masked_fill(x: Tensor, mask: Any, value: float) -> Tensor:
    """x with value where mask is true.

    >>> masked_fill(tensor([1.0, 2.0]), tensor([True, False]), 0.0).tolist()
    [0.0, 2.0]
    """
    return ops.where(mask, value, x)


# ---- reductions -----------------------------------------------------------------------------


def sum(
    x: Tensor, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False
) -> Tensor:
    """The sum over all axes, or over those named.

    >>> sum(tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0).tolist()
    [4.0, 6.0]
    """
    return ops.sum(x, axis=some_axes("sum", x, axis, dim), keepdims=keepdims or keepdim)


def mean(
    x: Tensor, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False
) -> Tensor:
    """The mean over all axes, or over those named.

    >>> mean(tensor([[1.0, 2.0], [3.0, 4.0]])).item()
    2.5
    """
    axis, keepdims = some_axes("mean", x, axis, dim), keepdims or keepdim
    if 0 in x.shape:
        return ops.sum(x, axis=axis, keepdims=keepdims) + math.nan
    return ops.mean(x, axis=axis, keepdims=keepdims)


def var(
    x: Tensor,
    axis: Axis = None,
    correction: int | None = None,
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
    if isinstance(axis, bool):  # PyTorch's var(unbiased)
        axis, unbiased = None, axis
    axis = some_axes("var", x, axis, dim)
    correction = one_correction("var", correction, unbiased, ddof)
    return ops.var(x, axis=axis, keepdims=keepdims or keepdim, correction=correction)


def std(
    x: Tensor,
    axis: Axis = None,
    correction: int | None = None,
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
    if isinstance(axis, bool):  # PyTorch's std(unbiased)
        axis, unbiased = None, axis
    axis = some_axes("std", x, axis, dim)
    correction = one_correction("std", correction, unbiased, ddof)
    return ops.std(x, axis=axis, keepdims=keepdims or keepdim, correction=correction)


def one_correction(name: str, *words: int | None) -> int:
    """The one number that was given under one of the names; else 1, or 0 in code for arrays."""
    given = [int(n) for n in words if n is not None]
    if len(given) > 1:
        raise TypeError(f"{name}: correction, unbiased and ddof are one argument; give one")
    return given[0] if given else int(not mode.numpy)


def norm(
    x: Tensor,
    p: float | str = 2,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    dim: Axis = None,
    keepdim: bool = False,
) -> Tensor:
    """The p-norm of the elements, for p > 0 up to infinity; "fro" is 2. Its gradient at 0 is 0.

    >>> norm(tensor([3.0, 4.0])).item()
    5.0
    """
    axis, keepdims = some_axes("norm", x, axis, dim), keepdims or keepdim
    if p in (2, "fro"):
        return ops.norm(x, axis=axis, keepdims=keepdims)
    if not isinstance(p, int | float) or p <= 0:
        raise ValueError(f"norm: p is a positive number or 'fro', got {p!r}")
    if p == 1:
        return ops.sum(ops.abs(x), axis=axis, keepdims=keepdims)
    if p == math.inf:
        return ops.max(ops.abs(x), axis=axis, keepdims=keepdims)
    # |0| ** p has an infinite slope for p < 1, and a zero sum an infinite root: 1 stands in
    size = ops.abs(x)
    powers = ops.where(size == 0, 0, pow(ops.where(size == 0, 1, size), p))
    total = ops.sum(powers, axis=axis, keepdims=keepdims)
    return ops.where(total == 0, 0, pow(ops.where(total == 0, 1, total), 1 / p))


def amax(
    x: Tensor, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False
) -> Tensor:
    """The largest element; several equal ones share the gradient evenly.

    >>> amax(tensor([1.0, 3.0, 3.0])).item()
    3.0
    """
    axis = some_axes("amax", x, axis, dim)
    require_elements("amax", x, axis)
    return ops.max(x, axis=axis, keepdims=keepdims or keepdim)


def amin(
    x: Tensor, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False
) -> Tensor:
    """The smallest element; several equal ones share the gradient evenly.

    >>> amin(tensor([1.0, 3.0, 3.0])).item()
    1.0
    """
    axis = some_axes("amin", x, axis, dim)
    require_elements("amin", x, axis)
    return ops.min(x, axis=axis, keepdims=keepdims or keepdim)


def require_elements(name: str, x: Any, axis: Any) -> None:
    if count(x, axis) == 0:
        raise ValueError(f"{name}: shape {x.shape} has no element along axis {axis} to choose")


def max(
    x: Tensor,
    other: Any = None,
    keepdim: bool = False,
    *,
    dim: int | None = None,
    axis: Axis = None,
    keepdims: bool = False,
) -> Any:
    """The largest element; with `dim`, the (values, indices) along it; with a tensor, maximum.

    With NumPy's words, `axis` and `keepdims`, it gives the values alone, as NumPy does. As in
    PyTorch, `max()` shares the gradient among equal elements, and so does `max(axis=1)`; `max(1)`
    and `max(dim=1)` give it to the first of them.

    >>> values, indices = max(tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
    >>> values.tolist(), indices.tolist()
    ([5.0, 7.0], [1, 0])
    """
    return _extreme("max", x, other, dim, axis, keepdim, keepdims)


def min(
    x: Tensor,
    other: Any = None,
    keepdim: bool = False,
    *,
    dim: int | None = None,
    axis: Axis = None,
    keepdims: bool = False,
) -> Any:
    """The smallest element; with `dim`, the (values, indices) along it; with a tensor, minimum.

    With NumPy's words, `axis` and `keepdims`, it gives the values alone; see `max`.

    >>> min(tensor([[1.0, 5.0], [7.0, 2.0]])).item()
    1.0
    """
    return _extreme("min", x, other, dim, axis, keepdim, keepdims)


def _extreme(
    name: str, x: Any, other: Any, dim: Any, axis: Any, keepdim: bool, keepdims: bool
) -> Any:
    if isinstance(other, np.ndarray) or hasattr(other, "__op__"):
        return ops.table[name + "imum"](x, other)
    if builtins.sum(word is not None for word in (other, dim, axis)) > 1:
        raise TypeError(f"{name}: axis and dim are two names of one argument; give one")
    pair = dim is not None or (other is not None and not (keepdims or mode.numpy))
    if not pair:
        axis = some_axes(name, x, other if axis is None else axis)
        require_elements(name, x, axis)
        return ops.table[name](x, axis=axis, keepdims=keepdims or keepdim)
    keepdims = keepdims or keepdim
    dim = other if dim is None else dim
    if isinstance(dim, Sequence):
        raise TypeError(f"{name}: dim is one int, as indices are returned; use a{name} for several")
    axis = one_axis(name, x, dim)
    if x.ndim == 0:
        return MaxResult(ops.copy(x), _plain(np.zeros_like, x, dtype=int))
    require_elements(name, x, axis)
    indices = (argmax if name == "max" else argmin)(x, axis, keepdims=True)
    values = take_along_axis(x, indices, axis)
    if keepdims:
        return MaxResult(values, indices)
    return MaxResult(squeeze(values, axis), squeeze(indices, axis))


def prod(
    x: Tensor,
    axis: int | None = None,
    keepdims: bool = False,
    *,
    dim: int | None = None,
    keepdim: bool = False,
) -> Tensor:
    """The product of all elements or along one axis, with the right gradient where some are 0.

    >>> prod(tensor([2.0, 3.0, 4.0])).item()
    24.0
    """
    at = some_axes("prod", x, axis, dim)
    keepdims = keepdims or keepdim
    if at is None:
        y = ops.prod(x.reshape((-1,)))
        return y.reshape((1,) * x.ndim) if keepdims else y
    if not isinstance(at, int):
        raise TypeError(f"prod: one axis or none, got {at}")
    y = ops.prod(movedim(x, at, -1))
    return unsqueeze(y, at) if keepdims else y


def logsumexp(
    x: Tensor, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None, keepdim: bool = False
) -> Tensor:
    """log(sum(exp(x))), without overflow.

    >>> logsumexp(tensor([1000.0, -1000.0])).item()
    1000.0
    """
    axis, keepdims = some_axes("logsumexp", x, axis, dim), keepdims or keepdim
    return ops.logsumexp(x, axis=axis, keepdims=keepdims)


def softmax(x: Tensor, axis: int = -1, *, dim: int | None = None) -> Tensor:
    """exp(x) divided by its sum along one axis, the last unless told otherwise.

    >>> softmax(tensor([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    axis = one_axis("softmax", x, axis if dim is None else dim)
    return ops.softmax(x, axis=axis)


def log_softmax(x: Tensor, axis: int = -1, *, dim: int | None = None) -> Tensor:
    """The logarithm of softmax along one axis, without overflow.

    >>> log_softmax(tensor([0.0])).tolist()
    [0.0]
    """
    axis = one_axis("log_softmax", x, axis if dim is None else dim)
    return ops.log_softmax(x, axis=axis)


def cumsum(x: Tensor, axis: int | None = None, *, dim: int | None = None) -> Tensor:
    """The running sum along one axis; without one, of the flattened elements as NumPy does.

    >>> cumsum(tensor([1.0, 2.0, 3.0]), 0).tolist()
    [1.0, 3.0, 6.0]
    """
    at = some_axes("cumsum", x, axis, dim)
    if at is None:
        return ops.cumsum(x.reshape((-1,)), axis=0).reshape(x.shape if x.ndim == 0 else (-1,))
    return ops.cumsum(x, axis=at)


def cumprod(x: Tensor, axis: int = 0, *, dim: int | None = None) -> Tensor:
    """The running product along one axis, right where factors are 0; memory grows with n * n.

    >>> cumprod(tensor([2.0, 3.0, 4.0]), 0).tolist()
    [2.0, 6.0, 24.0]
    """
    axis = one_axis("cumprod", x, axis if dim is None else dim)
    if x.ndim == 0:
        return ops.copy(x)
    x = movedim(x, axis, -1)
    n = x.shape[-1]
    upto = np.tri(n, dtype=bool)  # row k holds the factors of y[k]
    return movedim(ops.prod(ops.where(upto, unsqueeze(x, -2), 1)), -1, axis)


def _data(x: Any) -> Any:
    return x if isinstance(x, np.ndarray) else x.array


def argmax(
    x: Any,
    axis: int | None = None,
    keepdims: bool = False,
    *,
    dim: int | None = None,
    keepdim: bool = False,
) -> Tensor:
    """The index of the (first) largest element, of all or along an axis; it has no gradient.

    >>> argmax(tensor([1.0, 5.0, 2.0])).item()
    1
    """
    return _place(np.argmax, x, some_axes("argmax", x, axis, dim), keepdims or keepdim)


def argmin(
    x: Any,
    axis: int | None = None,
    keepdims: bool = False,
    *,
    dim: int | None = None,
    keepdim: bool = False,
) -> Tensor:
    """The index of the (first) smallest element, of all or along an axis; it has no gradient.

    >>> argmin(tensor([1.0, 5.0, 2.0])).item()
    0
    """
    return _place(np.argmin, x, some_axes("argmin", x, axis, dim), keepdims or keepdim)


def _place(function: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    require_elements(function.__name__, x, axis)
    return _plain(function, x, axis=axis, keepdims=keepdims)


def _plain(function: Any, x: Any, **kw: Any) -> Any:
    plain = isinstance(x, np.ndarray)
    return np.asarray(function(x, **kw)) if plain else x.__plain__(function, (x,), kw)


def sign(x: Tensor) -> Tensor:
    """-1, 0 or 1 by the sign of each element; it has no gradient.

    >>> sign(tensor([-2.0, 0.0])).tolist()
    [-1.0, 0.0]
    """
    return _plain(np.sign, x)


def floor(x: Tensor) -> Tensor:
    """The largest integer not above each element; it has no gradient.

    >>> floor(tensor([1.5])).tolist()
    [1.0]
    """
    return _plain(np.floor, x)


def ceil(x: Tensor) -> Tensor:
    """The smallest integer not below each element; it has no gradient.

    >>> ceil(tensor([1.5])).tolist()
    [2.0]
    """
    return _plain(np.ceil, x)


def isnan(x: Tensor) -> Tensor:
    """Whether each element is NaN.

    >>> isnan(tensor([1.0])).tolist()
    [False]
    """
    return _plain(np.isnan, x)


def isinf(x: Tensor) -> Tensor:
    """Whether each element is infinite.

    >>> isinf(tensor([1.0])).tolist()
    [False]
    """
    return _plain(np.isinf, x)


def isfinite(x: Tensor) -> Tensor:
    """Whether each element is neither NaN nor infinite.

    >>> isfinite(tensor([1.0])).tolist()
    [True]
    """
    return _plain(np.isfinite, x)


def round(x: Tensor, decimals: int = 0) -> Tensor:
    """Each element to so many decimals, halves to the even digit; it has no gradient.

    >>> round(tensor([1.25]), 1).tolist()
    [1.2000000476837158]
    """
    return _plain(np.round, x, decimals=decimals)


def any(x: Any, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None) -> Tensor:
    """Whether some element is not 0, over all axes or those named.

    >>> any(tensor([False, True])).item()
    True
    """
    return _plain(np.any, x, axis=some_axes("any", x, axis, dim), keepdims=keepdims)


def all(x: Any, axis: Axis = None, keepdims: bool = False, *, dim: Axis = None) -> Tensor:
    """Whether no element is 0, over all axes or those named.

    >>> all(tensor([False, True])).item()
    False
    """
    return _plain(np.all, x, axis=some_axes("all", x, axis, dim), keepdims=keepdims)


def equal(a: Any, b: Any) -> bool:
    """Whether two tensors have the same shape and the same elements.

    >>> equal(tensor([1.0]), tensor([1.0]))
    True
    """
    return bool(np.array_equal(_data(a), _data(b)))


def allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8) -> bool:
    """Whether |a - b| <= atol + rtol * |b| everywhere.

    >>> allclose(tensor([1.0]), tensor([1.0 + 1e-7]))
    True
    """
    return bool(np.allclose(_data(a), _data(b), rtol, atol))


def tril(x: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of matrices, 0 above the diagonal.

    >>> tril(tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[1.0, 0.0], [3.0, 4.0]]
    """
    return ops.where(np.tri(x.shape[-2], x.shape[-1], diagonal, dtype=bool), x, 0)


def triu(x: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of matrices, 0 below the diagonal.

    >>> triu(tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[1.0, 2.0], [0.0, 4.0]]
    """
    return ops.where(np.tri(x.shape[-2], x.shape[-1], diagonal - 1, dtype=bool), 0, x)


# ---- linear algebra -------------------------------------------------------------------------


def matmul(a: Any, b: Any) -> Tensor:
    """The matrix product: (..., n, k) by (..., k, m) gives (..., n, m); 1-d inputs are vectors.

    >>> matmul(tensor([[1.0, 2.0]]), tensor([3.0, 4.0])).tolist()
    [11.0]
    """
    a_is_vector, b_is_vector = a.ndim == 1, b.ndim == 1
    if not (a_is_vector or b_is_vector):
        return ops.matmul(a, b)
    if 0 in (a.ndim, b.ndim) or a.shape[-1] != b.shape[0 if b_is_vector else -2]:
        return ops.matmul(a, b)  # which says what is wrong
    y = ops.matmul(unsqueeze(a, 0) if a_is_vector else a, unsqueeze(b, 1) if b_is_vector else b)
    y = squeeze(y, -1) if b_is_vector else y
    if a_is_vector:
        y = squeeze(y, -1 if b_is_vector else -2)
    return y


def einsum(spec: str, *operands: Any) -> Tensor:
    """Einstein summation, with NumPy's and PyTorch's notation of letters, commas and ellipses.

    >>> einsum("ij,j->i", tensor([[1.0, 2.0]]), tensor([3.0, 4.0])).tolist()
    [11.0]
    """
    return ops.einsum(*operands, spec=explicit(spec, operands))


def explicit(spec: str, operands: Sequence[Any]) -> str:
    """`spec` with its output written out and every ellipsis replaced by letters."""
    if not isinstance(spec, str):
        raise TypeError(f"einsum: the first argument is a text like 'ij,jk->ik', got {spec!r}")
    spec = spec.replace(" ", "")
    left, arrow, out = spec.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError(f"einsum: {spec!r} names {len(terms)} operands, got {len(operands)}")
    spare = [c for c in "zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQPONMLKJIHGFEDCBA" if c not in spec]
    longest = 0
    for i, (term, x) in enumerate(zip(terms, operands, strict=True)):
        if "..." in term:
            n = x.ndim - len(term) + 3
            longest = builtins.max(longest, n)
            terms[i] = term.replace("...", "".join(spare[:n][::-1]))
        if len(terms[i]) != x.ndim:
            raise ValueError(f"einsum: {term!r} does not fit operand {i} of shape {x.shape}")
    batch = "".join(spare[:longest][::-1])
    if not arrow:
        letters = "".join(terms)
        once = sorted(c for c in set(letters) - set(batch) if letters.count(c) == 1)
        out = batch + "".join(once)
    return ",".join(terms) + "->" + out.replace("...", batch)


def outer(a: Tensor, b: Tensor) -> Tensor:
    """The products of every element of one vector with every element of another.

    >>> outer(tensor([1.0, 2.0]), tensor([3.0, 4.0])).tolist()
    [[3.0, 4.0], [6.0, 8.0]]
    """
    return einsum("i,j->ij", a, b)


# ---- shape and order ------------------------------------------------------------------------


def reshape(x: Tensor, *shape: Any) -> Tensor:
    """The same elements in another shape; one size may be -1. A view where NumPy can make one.

    >>> reshape(tensor([[1.0, 2.0], [3.0, 4.0]]), 4).tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    return ops.reshape(x, shape=sizes(shape))


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from start_dim to end_dim made one.

    >>> flatten(tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    if x.ndim == 0:
        return ops.reshape(x, shape=(1,))
    start, end = one_axis("flatten", x, start_dim), one_axis("flatten", x, end_dim)
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    merged = math.prod(x.shape[start : end + 1])
    return ops.reshape(x, shape=(*x.shape[:start], merged, *x.shape[end + 1 :]))


def permute(x: Tensor, *dims: Any) -> Tensor:
    """The axes in another order; ValueError unless each is named once.

    >>> permute(tensor([[1.0, 2.0, 3.0]]), 1, 0).shape
    (3, 1)
    """
    axes = some_axes("permute", x, sizes(dims))
    if not isinstance(axes, tuple) or len(axes) != x.ndim:
        raise ValueError(f"permute: {dims} does not name each axis of shape {x.shape} once")
    return ops.permute(x, axes=axes)


def transpose(x: Tensor, *dims: Any) -> Tensor:
    """Two axes swapped, as in PyTorch; with none or with all named, their order as in NumPy.

    >>> transpose(tensor([[1.0, 2.0, 3.0]]), 0, 1).shape
    (3, 1)
    """
    if not dims or dims == (None,):
        return ops.permute(x, axes=tuple(range(x.ndim))[::-1])
    if len(dims) != 2:
        return permute(x, *dims)
    i, j = one_axis("transpose", x, dims[0]), one_axis("transpose", x, dims[1])
    axes = list(range(x.ndim))
    axes[i], axes[j] = j, i
    return ops.permute(x, axes=tuple(axes))


def movedim(x: Tensor, source: int, destination: int) -> Tensor:
    """One axis moved to another place.

    >>> movedim(tensor([[1.0, 2.0, 3.0]]), 0, -1).shape
    (3, 1)
    """
    i, j = one_axis("movedim", x, source), one_axis("movedim", x, destination)
    if i == j:
        return x
    axes = [a for a in range(x.ndim) if a != i]
    axes.insert(j, i)
    return ops.permute(x, axes=tuple(axes))


def squeeze(x: Tensor, axis: Axis = None, *, dim: Axis = None) -> Tensor:
    """Without the axes of size 1, or without those of the named axes that have size 1.

    >>> squeeze(tensor([[1.0, 2.0]])).shape
    (2,)
    """
    axes = axes_of(x, some_axes("squeeze", x, axis, dim))
    shape = tuple(n for i, n in enumerate(x.shape) if n != 1 or i not in axes)
    return ops.reshape(x, shape=shape)


def tile(x: Tensor, *reps: Any) -> Tensor:
    """x so many times along each axis, the last ones if they are fewer than the numbers.

    >>> tile(tensor([1.0, 2.0]), 2, 2).tolist()
    [[1.0, 2.0, 1.0, 2.0], [1.0, 2.0, 1.0, 2.0]]
    """
    counts, shape = sizes(reps), x.shape
    n = builtins.max(len(counts), len(shape))
    counts = (1,) * (n - len(counts)) + counts
    shape = (1,) * (n - len(shape)) + shape
    pairs = tuple(zip(counts, shape, strict=True))
    blocks = ops.expand(
        ops.reshape(x, shape=tuple(m for k in shape for m in (1, k))),
        shape=tuple(m for pair in pairs for m in pair),
    )
    return ops.reshape(blocks, shape=tuple(r * k for r, k in pairs))


def repeat_interleave(
    x: Tensor, repeats: Any, axis: int | None = None, *, dim: int | None = None
) -> Tensor:
    """Each element so many times, of all flattened or along one axis: NumPy's `repeat`.

    >>> repeat_interleave(tensor([1.0, 2.0]), 2).tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    at = some_axes("repeat_interleave", x, axis, dim)
    return _reordered(x, at, lambda places: np.repeat(places, repeats))


def roll(x: Tensor, shifts: int, axis: int | None = None, *, dims: int | None = None) -> Tensor:
    """The elements moved on along one axis, or as if flattened; those at the end come first.

    >>> roll(tensor([1.0, 2.0, 3.0]), 1).tolist()
    [3.0, 1.0, 2.0]
    """
    at = some_axes("roll", x, axis, dims)
    y = _reordered(x, at, lambda places: np.roll(places, shifts))
    return ops.reshape(y, shape=x.shape) if at is None else y


def _reordered(x: Any, axis: Any, order: Any) -> Any:
    """The elements at the places that `order` makes of 0, 1, ... along an axis, or flattened."""
    if axis is None:
        x, axis = ops.reshape(x, shape=(-1,)), 0
    return ops.getitem(x, index=(slice(None),) * axis + (order(np.arange(x.shape[axis])),))


def diag(x: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal.

    >>> diag(tensor([1.0, 2.0])).tolist(), diag(tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    ([[1.0, 0.0], [0.0, 2.0]], [1.0, 4.0])
    """
    k = int(diagonal)
    if x.ndim == 2:
        return ops.getitem(x, index=np.eye(x.shape[0], x.shape[1], k, dtype=bool))
    if x.ndim != 1:
        raise ValueError(f"diag: shape {x.shape} is neither a vector nor a matrix")
    width = (builtins.max(k, 0), builtins.max(-k, 0))
    return ops.where(np.eye(x.shape[0] + builtins.abs(k), k=k, dtype=bool), pad(x, width), 0)


def unsqueeze(x: Tensor, axis: Axis = None, *, dim: Axis = None) -> Tensor:
    """With a new axis of size 1 at the named place, counted in the result.

    >>> unsqueeze(tensor([1.0, 2.0]), -1).shape
    (2, 1)
    """
    axis = axis if dim is None else dim
    places = [axis] if isinstance(axis, int) else list(axis or ())
    n = x.ndim + len(places)
    if not builtins.all(-n <= p < n for p in places):
        raise IndexError(f"unsqueeze: {axis} is out of range; use {-n} to {n - 1}")
    places = [p % n for p in places]
    if len(set(places)) < len(places):
        raise ValueError(f"unsqueeze: {axis} names one place twice")
    rest = iter(x.shape)
    shape = tuple(1 if i in places else next(rest) for i in range(n))
    return ops.reshape(x, shape=shape)


def expand(x: Tensor, *shape: Any) -> Tensor:
    """x broadcast to a shape, in which -1 keeps a size; a copy, where PyTorch gives a view.

    >>> expand(tensor([[1.0], [2.0]]), 2, 3).tolist()
    [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]
    """
    wanted = sizes(shape)
    new = len(wanted) - x.ndim
    if new < 0:
        raise ValueError(f"expand: {wanted} has fewer axes than shape {x.shape}")
    full = tuple(x.shape[i - new] if n == -1 and i >= new else n for i, n in enumerate(wanted))
    return ops.expand(x, shape=full)


def flip(x: Tensor, *dims: Any) -> Tensor:
    """The elements in reverse order along the named axes, or along all.

    >>> flip(tensor([1.0, 2.0]), 0).tolist()
    [2.0, 1.0]
    """
    axes = None if not dims or dims == (None,) else some_axes("flip", x, sizes(dims))
    return ops.flip(x, axis=axes_of(x, axes))


def require_sequence(name: str, tensors: Any) -> None:
    if not isinstance(tensors, Sequence):
        raise TypeError(
            f"{name}: the tensors come in one list or tuple, got a {type(tensors).__name__}"
        )
    for i, t in enumerate(tensors):
        if not hasattr(t, "ndim"):
            raise TypeError(f"{name}: item {i} is a {type(t).__name__}, not a tensor or array")


def concatenate(tensors: Sequence[Any], axis: int = 0, *, dim: int | None = None) -> Tensor:
    """Tensors joined along an axis that they have.

    >>> concatenate([tensor([1.0]), tensor([2.0, 3.0])]).tolist()
    [1.0, 2.0, 3.0]
    """
    require_sequence("concatenate", tensors)
    if len(tensors) == 0:
        raise ValueError("concatenate: got no tensors; give at least one")
    axis = one_axis("concatenate", tensors[0], axis if dim is None else dim)
    return ops.concatenate(*tensors, axis=axis)


def stack(tensors: Sequence[Any], axis: int = 0, *, dim: int | None = None) -> Tensor:
    """Tensors of one shape joined along a new axis.

    >>> stack([tensor([1.0]), tensor([2.0])]).tolist()
    [[1.0], [2.0]]
    """
    require_sequence("stack", tensors)
    if len(tensors) == 0:
        raise ValueError("stack: got no tensors; give at least one")
    n = tensors[0].ndim + 1
    axis = axis if dim is None else dim
    if not -n <= axis < n:
        raise IndexError(f"stack: axis {axis} is out of range; use {-n} to {n - 1}")
    return ops.stack(*tensors, axis=axis % n)


def split(
    x: Tensor, split_size: int | Sequence[int], axis: int = 0, *, dim: int | None = None
) -> tuple[Tensor, ...]:
    """Pieces along an axis, of split_size each (the last may be smaller) or of the sizes listed.

    >>> [p.tolist() for p in split(tensor([1.0, 2.0, 3.0]), 2)]
    [[1.0, 2.0], [3.0]]
    """
    axis = one_axis("split", x, axis if dim is None else dim)
    n = x.shape[axis]
    if not isinstance(split_size, Sequence):
        split_size = int(split_size)
        if split_size < 1:
            raise ValueError(f"split: split_size is at least 1, got {split_size}")
        lengths = [builtins.min(split_size, n - i) for i in range(0, n, split_size)] or [0]
    else:
        lengths = list(split_size)
        if builtins.sum(lengths) != n:
            raise ValueError(
                f"split: sizes {lengths} do not add up to {n}, axis {axis} of {x.shape}"
            )
    pieces, start = [], 0
    for length in lengths:
        pieces.append(x[(slice(None),) * axis + (slice(start, start + length),)])
        start += length
    return tuple(pieces)


def chunk(x: Tensor, chunks: int, axis: int = 0, *, dim: int | None = None) -> tuple[Tensor, ...]:
    """At most `chunks` pieces of equal size along an axis; the last may be smaller.

    >>> [p.tolist() for p in chunk(tensor([1.0, 2.0, 3.0]), 2)]
    [[1.0, 2.0], [3.0]]
    """
    axis = one_axis("chunk", x, axis if dim is None else dim)
    if chunks < 1:
        raise ValueError(f"chunk: chunks is at least 1, got {chunks}")
    return split(x, builtins.max(1, -(-x.shape[axis] // int(chunks))), axis)


def pad(x: Tensor, width: Any, value: float = 0.0) -> Tensor:
    """x framed by `value`; width is NumPy's: a number, a pair, or a pair for each axis.

    >>> pad(tensor([1.0]), (1, 2)).tolist()
    [0.0, 1.0, 0.0, 0.0]
    """
    pairs = np.broadcast_to(np.asarray(width, dtype=int), (x.ndim, 2)).tolist()
    return ops.pad(x, width=tuple((low, high) for low, high in pairs), value=value)


def take_along_axis(x: Tensor, indices: Any, axis: int = -1, *, dim: int | None = None) -> Tensor:
    """The elements of x at `indices` along one axis; on the others the two broadcast.

    >>> take_along_axis(tensor([[1.0, 2.0], [3.0, 4.0]]), tensor([[1]]), 1).tolist()
    [[2.0], [4.0]]
    """
    axis = one_axis("take_along_axis", x, axis if dim is None else dim)
    return _along(x, indices, axis, x.shape)


def gather(x: Tensor, dim: int, index: Any) -> Tensor:
    """The elements of x at `index` along one axis; the result has the shape of `index`.

    On the other axes position i of the index reads position i of x, as in PyTorch.

    >>> gather(tensor([[1.0, 2.0], [3.0, 4.0]]), 1, tensor([[1]])).tolist()
    [[2.0]]
    """
    return _along(x, index, one_axis("gather", x, dim), index.shape)


def _along(x: Any, picked: Any, axis: int, shape: tuple[int, ...]) -> Any:
    grid: list[Any] = list(np.ogrid[tuple(slice(n) for n in shape)])
    if picked.ndim != x.ndim:
        raise ValueError(
            f"take_along_axis: indices of shape {picked.shape} need the {x.ndim} axes of x"
        )
    if x.ndim == 0:
        return ops.copy(x)
    grid[axis] = picked
    return x[tuple(grid)]
