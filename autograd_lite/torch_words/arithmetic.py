"""Sums, products and curves in PyTorch's words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import linalg
from ..engine import rules
from ..engine.arrays import as_array
from ..engine.axes import Axis, Named
from ..engine.declare import function, written
from ..engine.errors import MisfitError
from ..engine.op import ops
from ..engine.tensor import Tensor, as_tensor


def scaled(x: Any, by: Any) -> Any:
    """x * by, or x itself for 1."""
    return x if by == 1 else x * by


@function()
def add(a: Any, other: Any, *, alpha: float = 1, out: Any = None) -> Tensor:
    """a + alpha * other.

    >>> add(tensor([1.0]), tensor([2.0]), alpha=10).tolist()
    [21.0]
    """
    y = ops.add(a, scaled(other, alpha))
    return y if out is None else written(y, out, "add")


@function(also="subtract")
def sub(a: Any, other: Any, *, alpha: float = 1, out: Any = None) -> Tensor:
    """a - alpha * other."""
    y = ops.sub(a, scaled(other, alpha))
    return y if out is None else written(y, out, "sub")


@function()
def rsub(a: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """other - alpha * a."""
    return ops.sub(other, scaled(a, alpha))


@function(also="multiply")
def mul(a: Any, other: Any, *, out: Any = None) -> Tensor:
    """a * other."""
    y = ops.mul(a, other)
    return y if out is None else written(y, out, "mul")


@function(also="divide true_divide")
def div(a: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> Tensor:
    """a / other; with `rounding_mode` "floor" or "trunc" rounded down, or towards 0.

    >>> div(tensor([-7.0]), 2, rounding_mode="trunc").tolist()
    [-3.0]
    """
    if out is not None:
        return written(div(a, other, rounding_mode=rounding_mode), out, "div")
    if rounding_mode is None:
        return ops.div(a, other)
    if rounding_mode == "floor":
        y = floor_divide(a, other)
        for t in (a, other):  # flat, as in PyTorch
            if isinstance(t, Tensor) and t.requires_grad:
                y = ops.constant(y, t)
        return y
    if rounding_mode != "trunc":
        raise MisfitError(f"div: rounding_mode is None, 'floor' or 'trunc', got {rounding_mode!r}")
    y = rules.trunc(ops.div(a, other))
    return y if "f" in (as_tensor(a).dtype.kind, as_array(other).dtype.kind) else y.to(np.int64)


@function(in_place=True)
def floor_divide(a: Any, other: Any) -> Tensor:
    """a / other rounded down, `a // other`."""
    return as_tensor(a) // other


@function()
def float_power(a: Any, exponent: Any) -> Tensor:
    """input to a power in float64."""
    return rules.pow(as_tensor(a).to(np.float64), exponent)


@function(in_place=True)
def negative(x: Any) -> Tensor:
    """-x."""
    return ops.neg(x)


@function()
def positive(x: Any) -> Any:
    """x itself."""
    return x


@function(in_place=True)
def absolute(x: Any) -> Tensor:
    """|x|."""
    return ops.abs(x)


@function(in_place=True)
def addcmul(x: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Tensor:
    """input + value * tensor1 * tensor2.

    >>> addcmul(tensor(1.0), tensor(2.0), tensor(3.0), value=10).item()
    61.0
    """
    return x + scaled(tensor1 * tensor2, value)


@function(in_place=True)
def addcdiv(x: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Tensor:
    """input + value * tensor1 / tensor2."""
    return x + scaled(tensor1 / tensor2, value)


@function(in_place=True)
def lerp(input: Any, end: Any, weight: Any) -> Tensor:
    """input + weight * (end - input).

    >>> lerp(tensor([0.0]), tensor([10.0]), 0.25).tolist()
    [2.5]
    """
    return input + weight * (end - input)


@function(in_place=True)
def addmm(x: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2), of matrices.

    >>> addmm(tensor([1.0]), tensor([[2.0]]), tensor([[3.0]])).tolist()
    [[7.0]]
    """
    return added("addmm", x, mat1, mat2, 2, 2, beta, alpha)


@function(in_place=True)
def addmv(x: Any, mat: Any, vec: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (mat @ vec), of a matrix and a vector."""
    return added("addmv", x, mat, vec, 2, 1, beta, alpha)


@function(in_place=True)
def baddbmm(x: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (batch1 @ batch2), of batches of matrices."""
    return added("baddbmm", x, batch1, batch2, 3, 3, beta, alpha)


@function(in_place=True)
def addbmm(x: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * the sum of the products of two batches of matrices."""
    return scaled(x, beta) + scaled(rules.sum(product("addbmm", batch1, batch2, 3, 3), 0), alpha)


@function(in_place=True)
def addr(x: Any, vec1: Any, vec2: Any, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * outer(vec1, vec2)."""
    return scaled(x, beta) + scaled(rules.outer(vec1, vec2), alpha)


def added(
    name: str, x: Any, a: Any, b: Any, axes_of_a: int, axes_of_b: int, beta: float, alpha: float
) -> Any:
    y = scaled(product(name, a, b, axes_of_a, axes_of_b), alpha)
    return y if beta == 0 else scaled(x, beta) + y  # which ignores what is in x, NaN too


def product(name: str, a: Any, b: Any, axes_of_a: int, axes_of_b: int) -> Any:
    """a @ b; ValueError unless they have so many axes."""
    if (a.ndim, b.ndim) != (axes_of_a, axes_of_b):
        raise MisfitError(
            f"{name}: inputs of {axes_of_a} and {axes_of_b} axes, got shapes {a.shape} and "
            f"{b.shape}; matmul takes any"
        )
    return rules.matmul(a, b)


@function(out=True)
def mm(input: Any, mat2: Any) -> Tensor:
    """The product of two matrices. ValueError for anything else.

    >>> mm(tensor([[1.0, 2.0]]), tensor([[3.0], [4.0]])).tolist()
    [[11.0]]
    """
    return product("mm", input, mat2, 2, 2)


@function(out=True)
def bmm(input: Any, mat2: Any) -> Tensor:
    """The products of a batch of matrices with another batch. ValueError for anything else.

    >>> bmm(ones(2, 1, 3), ones(2, 3, 4)).shape
    (2, 1, 4)
    """
    return product("bmm", input, mat2, 3, 3)


@function()
def mv(a: Any, vec: Any) -> Tensor:
    """The product of a matrix and a vector.

    >>> mv(tensor([[1.0, 2.0]]), tensor([3.0, 4.0])).tolist()
    [11.0]
    """
    return product("mv", a, vec, 2, 1)


@function()
def ger(a: Any, vec2: Any) -> Tensor:
    """`outer` under PyTorch's older name."""
    return rules.outer(a, vec2)


@function(out=True)
def dot(a: Any, tensor: Any) -> Tensor:
    """The sum of the products of two vectors; of more axes, as in NumPy, `matmul`.

    >>> dot(tensor([2.0, 3.0]), tensor([2.0, 1.0])).item()
    7.0
    """
    return rules.matmul(a, tensor)


@function(method=False)
def chain_matmul(*matrices: Any) -> Tensor:
    """The product of several matrices, from the left."""
    y = matrices[0]
    for m in matrices[1:]:
        y = rules.matmul(y, m)
    return y


@function()
def cholesky_solve(x: Any, input2: Any, upper: bool = False) -> Tensor:
    """The X of A @ X = input for A = L @ L.mT, or L.mT @ L where L, `input2`, is an upper triangle;
    input has the shape (..., n, k), and the other triangle of L counts nothing. Errors are those of
    `linalg.solve`.

    >>> cholesky_solve(tensor([[8.0], [9.0]]), tensor([[2.0, 0.0], [1.0, 2.0]])).tolist()
    [[1.375], [1.25]]
    """
    first = linalg.solve_triangular(input2.mT if upper else input2, x, upper=False)
    return linalg.solve_triangular(input2 if upper else input2.mT, first, upper=True)


@function()
def cholesky_inverse(x: Any, upper: bool = False) -> Tensor:
    """The inverse of L @ L.mT, or of L.mT @ L for an upper triangle; L is the input, (..., n, n).

    >>> cholesky_inverse(tensor([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [[0.25, 0.0], [0.0, 0.0625]]
    """
    return cholesky_solve(np.eye(*x.shape[-1:] or (0,), dtype=x.dtype), x, upper)


@function()
def dist(a: Any, b: Any, p: float = 2) -> Tensor:
    """The p-norm of a - b.

    >>> dist(tensor([3.0, 0.0]), tensor([0.0, 4.0])).item()
    5.0
    """
    return rules.norm(a - b, p)


@function(method=False)
def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: str = "") -> Tensor:
    """The p-norms of the differences of every row of x1 and every row of x2, (..., n, m).

    `compute_mode` is PyTorch's choice of how, and changes nothing here.

    >>> cdist(tensor([[0.0, 0.0]]), tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[5.0, 0.0]]
    """
    return rules.norm(rules.unsqueeze(x1, -2) - rules.unsqueeze(x2, -3), p, -1)


@function()
def cross(a: Any, b: Any, dim: int | None = None) -> Tensor:
    """The cross products of vectors of 3 along an axis, the first of that size unless it is named.

    >>> cross(tensor([1.0, 0.0, 0.0]), tensor([0.0, 1.0, 0.0])).tolist()
    [0.0, 0.0, 1.0]
    """
    if dim is None:
        dim = next((i for i, n in enumerate(a.shape) if n == 3), -1)
    if a.shape[dim] != 3 or b.shape[dim] != 3:
        raise MisfitError(
            f"cross: axis {dim} of shapes {a.shape} and {b.shape} has the size 3 in both"
        )
    turned = [rules.roll(x, -by, dim) for x, by in ((a, 1), (b, 2), (a, 2), (b, 1))]
    return turned[0] * turned[1] - turned[2] * turned[3]


@function(in_place=True)
def frac(x: Any) -> Tensor:
    """What is behind the point of each element, with its sign.

    >>> frac(tensor([1.25, -1.25])).tolist()
    [0.25, -0.25]
    """
    return x - rules.trunc(x)


@function(in_place=True)
def sgn(x: Any) -> Tensor:
    """`sign` under another name."""
    return rules.sign(x)


@function(in_place=True)
def rad2deg(x: Any) -> Tensor:
    """Degrees of radians."""
    return x * (180 / math.pi)


@function(in_place=True)
def deg2rad(x: Any) -> Tensor:
    """Radians of degrees."""
    return x * (math.pi / 180)


@function(in_place=True)
def erfc(x: Any) -> Tensor:
    """1 - erf(x)."""
    return 1 - rules.erf(x)


@function(in_place=True)
def logit(x: Any, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)), the inverse of sigmoid; x is moved into [eps, 1 - eps] where eps is given.

    >>> logit(tensor(0.5)).item()
    0.0
    """
    x = x if eps is None else rules.clip(x, eps, 1 - eps)
    return rules.log(x / (1 - x))


@function(in_place=True)
def xlogy(a: Any, b: Any) -> Tensor:
    """a * log(b), and 0 where a is 0.

    >>> xlogy(tensor([0.0, 2.0]), tensor([0.0, 1.0])).tolist()
    [0.0, 0.0]
    """
    zero = as_tensor(a) == 0
    return rules.where(zero & ~rules.isnan(b), 0, a * rules.log(rules.where(zero, 1, b)))


@function()
def logaddexp2(a: Any, b: Any) -> Tensor:
    """log2(2 ** a + 2 ** b), without overflow."""
    return rules.logaddexp(a * math.log(2), b * math.log(2)) / math.log(2)


@function()
def fmax(a: Any, b: Any) -> Tensor:
    """The larger of two, the other one where one is NaN."""
    return np.fmax(a, b)


@function()
def fmin(a: Any, b: Any) -> Tensor:
    """The smaller of two, the other one where one is NaN."""
    return np.fmin(a, b)


@function(in_place=True)
def copysign(a: Any, b: Any) -> Tensor:
    """|a| with the sign of b; the slope in b is 0."""
    a, b = (x if as_array(x).dtype.kind == "f" else x * 1.0 for x in (a, b))
    same = np.signbit(as_array(a)) == np.signbit(as_array(b))
    return rules.where(same, a, -a) + 0 * b


@function(in_place=True)
def heaviside(x: Any, values: Any) -> Tensor:
    """0 below 0, 1 above, and `values` at 0; it has no gradient."""
    return Tensor(np.heaviside(as_array(x), as_array(values)).astype(as_array(x).dtype))


@function(in_place=True)
def clamp_min(x: Any, min: Any) -> Tensor:
    """`clip` from below alone."""
    return rules.clip(x, min=min)


@function(in_place=True)
def clamp_max(x: Any, max: Any) -> Tensor:
    """`clip` from above alone."""
    return rules.clip(x, max=max)


@function()
def nansum(x: Any, axis: Axis = None, keepdims: Any = False, **words: Any) -> Tensor:
    """The sum of what is not NaN.

    >>> nansum(tensor([1.0, float("nan")])).item()
    1.0
    """
    return rules.sum(rules.where(rules.isnan(x), 0, x), axis, keepdims, **words)


@function()
def nanmean(x: Any, axis: Axis = None, keepdims: Any = False, **words: Any) -> Tensor:
    """The mean of what is not NaN."""
    there = as_tensor(rules.where(rules.isnan(x), 0.0, 1.0)).to(x.dtype)
    return nansum(x, axis, keepdims, **words) / rules.sum(there, axis, keepdims, **words)


@function()
def std_mean(x: Any, axis: Axis = None, **words: Any) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean, with the options of `std`."""
    return rules.std(x, axis, **words), mean_beside(x, axis, words)


@function()
def var_mean(x: Any, axis: Axis = None, **words: Any) -> tuple[Tensor, Tensor]:
    """The variance and the mean, with the options of `var`.

    >>> [t.item() for t in var_mean(tensor([1.0, 3.0]))]
    [2.0, 2.0]
    """
    return rules.var(x, axis, **words), mean_beside(x, axis, words)


def mean_beside(x: Any, axis: Any, words: dict[str, Any]) -> Tensor:
    shared = {k: v for k, v in words.items() if k in ("dim", "keepdim", "keepdims")}
    return rules.mean(x, None if isinstance(axis, bool) else axis, **shared)


@function(method=False, also="trapz")
def trapezoid(y: Any, x: Any = None, *, dx: float = 1.0, dim: int = -1) -> Tensor:
    """The integral by the trapezoidal rule along an axis, at the points x or at distances dx.

    >>> trapezoid(tensor([1.0, 2.0, 3.0])).item()
    4.0
    """
    y = rules.movedim(as_tensor(y), dim, -1)
    step: Any = dx
    if x is not None:
        x = as_tensor(x)
        step = rules.diff(rules.movedim(x, dim, -1) if x.ndim > 1 else x)
    return rules.sum((y[..., 1:] + y[..., :-1]) * step, -1) / 2


@function()
def cov(x: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Tensor:
    """The covariances of the rows of a matrix, of which each is a variable.

    `fweights` says how often each column counts, `aweights` how much.

    >>> cov(tensor([[1.0, 3.0]])).item()
    2.0
    """
    x = x if x.ndim == 2 else x.reshape((1, -1))
    given = [as_tensor(w).to(x.dtype) for w in (fweights, aweights) if w is not None]
    w = math.prod(given[1:], start=given[0]) if given else rules.expand(x.dtype.type(1), x.shape[1])
    n = w.sum()
    d = x - (x * w).sum(1, True) / n
    lost = correction if aweights is None else correction * (w * given[-1]).sum() / n
    found = (d * w) @ d.mT / rules.clip(n - lost, 0)
    return found if found.shape != (1, 1) else found.reshape(())


@function()
def corrcoef(x: Any) -> Tensor:
    """The correlations of the rows of a matrix, of which each is a variable."""
    if x.ndim < 2 or x.shape[0] == 1:
        return cov(x) / cov(x)
    found = cov(x).reshape((x.shape[0],) * 2)
    size = rules.sqrt(rules.diag(found))
    return rules.clip(found / rules.outer(size, size), -1, 1)


@function()
def qr(x: Any, some: bool = True) -> tuple[Tensor, Tensor]:
    """`linalg.qr` as PyTorch had it first: with a square Q for some=False.

    >>> qr(tensor([[3.0], [4.0]]), some=False)[0].shape
    (2, 2)
    """
    return linalg.qr(x, "reduced" if some else "complete")


class SVD(Named):
    """What `torch.svd` gives."""

    U: Tensor
    S: Tensor
    V: Tensor


@function()
def svd(x: Any, some: bool = True, compute_uv: bool = True) -> tuple[Tensor, ...]:
    """`linalg.svd` as PyTorch had it first: with V, not transposed, and square factors for
    some=False; zeros in the place of U and V without `compute_uv`.

    >>> u, s, v = svd(tensor([[3.0, 0.0], [0.0, 4.0]]))
    >>> s.tolist(), bool(((u * s) @ v.mT == tensor([[3.0, 0.0], [0.0, 4.0]])).all())
    ([4.0, 3.0], True)
    """
    u, s, vh = linalg.svd(x, full_matrices=not some)
    u, v = (t if compute_uv else t.detach() * 0 for t in (u, vh.mT))
    return SVD(u, s, v)
