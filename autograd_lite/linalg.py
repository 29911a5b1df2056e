"""Linear algebra in the words of `torch.linalg`; `np.linalg` of a Tensor comes here too.

The last two axes are those of the matrices, all others batches. NumPy computes, in float32 and
float64. LinAlgError, a ValueError and a RuntimeError, for a matrix that is singular or not positive
definite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np

from .absent import missing
from .engine.arrays import unboxed
from .engine.axes import Axis, Named, one_axis
from .engine.declare import forms, function, public, renamed
from .engine.errors import LinAlgError, MisfitError
from .engine.rules import concatenate, matmul, movedim, ops, tril
from .engine.rules import norm as p_norm
from .engine.rules.questions import plain
from .engine.tensor import Tensor, as_tensor

# what torch.linalg has too
__all__ = [
    "LinAlgError", "cholesky", "cond", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv",
    "lstsq", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr",
    "slogdet", "solve", "solve_triangular", "svd", "svdvals", "vecdot", "vector_norm",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)


def cross(input: Any, other: Any, *, dim: int = -1) -> Tensor:
    """The cross products of vectors of 3 along an axis.

    >>> cross(tensor([1.0, 0.0, 0.0]), tensor([0.0, 1.0, 0.0])).tolist()
    [0.0, 0.0, 1.0]
    """
    return public["cross"](input, other, dim)


class Eigh(Named):
    """What `eigh` gives."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class SVD(Named):
    """What `svd` gives."""

    U: Tensor
    S: Tensor
    Vh: Tensor


class QR(Named):
    """What `qr` gives."""

    Q: Tensor
    R: Tensor


class Slogdet(Named):
    """What `slogdet` gives."""

    sign: Tensor
    logabsdet: Tensor


class Lstsq(Named):
    """What `lstsq` gives."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


# ---- inverses and determinants -----------------------------------------------------------------


@function(numpy=np.linalg.inv, also="inverse")
def inv(A: Any) -> Tensor:
    """The inverse.

    >>> inv(tensor([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    """
    return ops.inv(A)


@function(numpy=np.linalg.det)
def det(A: Any) -> Tensor:
    """The determinant; its gradient is right for singular matrices too.

    >>> det(tensor([[2.0, 1.0], [1.0, 3.0]])).round().item()
    5.0
    """
    return ops.det(A)


@function(numpy=np.linalg.slogdet)
def slogdet(A: Any) -> tuple[Tensor, Tensor]:
    """The sign of the determinant, which has no gradient, and the logarithm of its size: the
    pair (sign, logabsdet).

    >>> slogdet(tensor([[-1.0]]))
    Slogdet(sign=tensor(-1.), logabsdet=tensor(0.))
    """
    sign = plain(lambda a: np.linalg.slogdet(a)[0], A)
    return Slogdet(sign, ops.logabsdet(A))


@function()
def logdet(A: Any) -> Tensor:
    """The logarithm of the determinant; NaN where that is negative.

    >>> logdet(tensor([[1.0]])).item()
    0.0
    """
    sign, size = slogdet(A)
    return ops.where(np.less(sign, 0), math.nan, size)


def solve(A: Any, B: Any, *, left: bool = True) -> Tensor:
    """X with A @ X = B, or X @ A = B for `left=False`; B is a vector, or vectors in a batch as
    large as that of A, or a matrix.

    >>> solve(tensor([[2.0, 0.0], [0.0, 4.0]]), tensor([1.0, 1.0])).tolist()
    [0.5, 0.25]
    """
    A, B = as_tensor(A), as_tensor(B)
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and A.shape[:-1] == B.shape)
    if not left:
        if vector:
            raise MisfitError("solve: with left=False the right side is a matrix")
        return ops.solve(A.mT, B.mT).mT
    return ops.solve(A, B[..., None])[..., 0] if vector else ops.solve(A, B)


def _solve(a: Any, b: Any) -> Any:
    """As NumPy reads it: b is one vector, or matrices."""
    return ops.solve(a, b[..., None])[..., 0] if np.ndim(b) == 1 else ops.solve(a, b)


def solve_triangular(
    A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """`solve` for a matrix of which only the upper, or lower, triangle counts; with
    `unitriangular` its diagonal is 1.

    >>> solve_triangular(tensor([[2.0, 9.0], [0.0, 4.0]]), tensor([[1.0], [4.0]]), upper=False)
    tensor([[0.5], [1. ]])
    """
    if A.ndim < 2 or A.shape[-2] != A.shape[-1]:
        raise MisfitError(f"solve_triangular: square matrices are needed, got shape {A.shape}")
    n = A.shape[-1]
    on = np.tri(n, dtype=bool).T if upper else np.tri(n, dtype=bool)
    if unitriangular:
        on = on & ~np.eye(n, dtype=bool)
    A = ops.where(on, A, np.eye(n, dtype=A.dtype) if unitriangular else 0)
    return solve(A, B, left=left)


@function(numpy=np.linalg.pinv, also="pinverse")
def pinv(
    A: Any,
    rcond: float | None = None,
    hermitian: bool = False,
    *,
    atol: float | None = None,
    rtol: float | None = None,
) -> Tensor:
    """The pseudoinverse: of matrices of any shape. Singular values up to `rtol` times the largest,
    or up to `atol`, count as 0; see `matrix_rank`. The gradient is that for matrices which keep
    their rank. With `hermitian` A is symmetric, and its lower triangle is read.

    >>> pinv(tensor([[2.0], [0.0]])).tolist()
    [[0.5, 0.0]]
    """
    if hermitian:
        A = tril(A) + tril(A, -1).mT
    atol, rtol = tolerances(A, atol, rtol if rcond is None else rcond)
    if np.any(atol):
        values = plain(partial(np.linalg.svd, compute_uv=False), A).array
        largest = values.max(-1, initial=np.finfo(A.dtype).tiny)
        return ops.pinv(A, rcond=np.maximum(atol / largest, rtol))
    return ops.pinv(A, rcond=rtol)


def tolerances(A: Any, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """PyTorch's defaults: without any, max(m, n) times the precision of the dtype."""
    if rtol is None:
        exact = atol is not None or A.ndim < 2
        rtol = 0.0 if exact else max(A.shape[-2:]) * float(np.finfo(A.dtype).eps)
    return unboxed(0.0 if atol is None else atol), unboxed(rtol)


def lstsq(A: Any, B: Any, rcond: float | None = None, *, driver: str | None = None) -> Lstsq:
    """The X for which A @ X comes nearest to B: (solution, residuals, rank, singular_values).

    The residuals are the sums of squares that remain for each column of B, where A has more rows
    than columns and full rank, else empty. PyTorch leaves the singular values empty with its
    default driver; here they are always there.

    >>> lstsq(tensor([[1.0], [1.0]]), tensor([[1.0], [3.0]])).solution.round().tolist()
    [[2.0]]
    """
    A, B = as_tensor(A), as_tensor(B)
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and A.shape[:-1] == B.shape)
    right = B[..., None] if vector else B
    x = pinv(A, rtol=rcond) @ right
    rank = matrix_rank(A, rtol=rcond)
    full = bool((rank.array == A.shape[-1]).all()) and A.shape[-2] > A.shape[-1]
    rest = ((A @ x - right) ** 2).sum(-2) if full else Tensor(np.zeros(0, A.dtype))
    return Lstsq(x[..., 0] if vector else x, rest, rank, svdvals(A.detach()))


@function(numpy=np.linalg.matrix_power)
def matrix_power(A: Any, n: int) -> Tensor:
    """A multiplied with itself n times, in 2 log2(n) products; for n < 0 the inverse is.

    >>> matrix_power(tensor([[1.0, 1.0], [0.0, 1.0]]), 5).tolist()
    [[1.0, 5.0], [0.0, 1.0]]
    """
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise MisfitError(f"matrix_power: square matrices are needed, got shape {A.shape}")
    if n < 0:
        return matrix_power(ops.inv(A), -n)
    power, found = A, None
    while n:
        if n % 2:
            found = power if found is None else found @ power
        n //= 2
        power = power @ power if n else power
    if found is None:
        return ops.expand(np.eye(A.shape[-1], dtype=A.dtype), shape=A.shape) + A * 0
    return found


def multi_dot(tensors: Sequence[Any]) -> Tensor:
    """The product of matrices, in the order that takes fewest multiplications; the first and the
    last may be vectors.

    >>> multi_dot([tensor([1.0, 2.0]), tensor([[1.0], [1.0]]), tensor([3.0])]).item()
    9.0
    """
    parts = list(tensors)
    if len(parts) < 2:
        raise MisfitError(f"multi_dot: two tensors or more are needed, got {len(parts)}")
    sizes = [1 if parts[0].ndim == 1 else parts[0].shape[0]]
    sizes += [1 if i and x.ndim == 1 else x.shape[-1] for i, x in enumerate(parts)]
    cost: dict[tuple[int, int], tuple[int, int]] = {(i, i): (0, i) for i in range(len(parts))}
    for width in range(1, len(parts)):
        for i in range(len(parts) - width):
            j = i + width
            cost[i, j] = min(
                (
                    cost[i, k][0] + cost[k + 1, j][0] + sizes[i] * sizes[k + 1] * sizes[j + 1],
                    k,
                )
                for k in range(i, j)
            )

    def product(i: int, j: int) -> Any:
        if i == j:
            return parts[i]
        k = cost[i, j][1]
        return matmul(product(i, k), product(k + 1, j))

    return product(0, len(parts) - 1)


# ---- factors -----------------------------------------------------------------------------------


@function(numpy=np.linalg.cholesky)
def cholesky(A: Any, *, upper: bool = False) -> Tensor:
    """The lower triangular L with L @ L.mT = A, for symmetric positive definite matrices, of which
    the lower triangle is read; or its transpose.

    >>> cholesky(tensor([[4.0, 2.0], [2.0, 5.0]])).tolist()
    [[2.0, 0.0], [1.0, 2.0]]
    """
    y = ops.cholesky(A)
    return y.mT if upper else y


@function(numpy=np.linalg.qr)
def qr(A: Any, mode: str = "reduced") -> tuple[Tensor, Tensor]:
    """Q with orthonormal columns and an upper triangular R, Q @ R = A. `mode` "complete" makes Q
    square, which has no gradient where that adds columns; "r" gives R, and an empty Q.

    >>> qr(tensor([[3.0], [4.0]])).R.abs().tolist()
    [[5.0]]
    """
    if mode not in ("reduced", "complete", "r"):
        raise MisfitError(f"qr: mode is 'reduced', 'complete' or 'r', got {mode!r}")
    m, n = A.shape[-2:]
    if mode == "complete" and m > n:
        if getattr(A, "requires_grad", False):
            raise MisfitError(
                f"qr: with mode 'complete' the added columns of Q are arbitrary and have no "
                f"gradient; detach() the matrix of shape {A.shape}, or use 'reduced'"
            )
        return QR(*(Tensor(a) for a in np.linalg.qr(unboxed(A), "complete")))
    y = ops.qr(A[..., :m])
    q, r = y[..., :m, :], y[..., m:, :]
    if n > m:
        r = concatenate([r, q.mT @ A[..., m:]], -1)
    return QR(q[..., :0, :0] if mode == "r" else q, r)


def eigh(A: Any, UPLO: str = "L") -> Eigh:
    """Eigenvalues, ascending, and eigenvectors, as columns, of symmetric matrices.

    Of each the lower triangle is read, or the upper, and the gradient is that for matrices which
    stay symmetric; that of the vectors exists where no eigenvalue is double.

    >>> eigh(tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues.tolist()
    [1.0, 2.0]
    """
    if UPLO not in ("L", "U"):
        raise MisfitError(f"eigh: UPLO is 'L' or 'U', got {UPLO!r}")
    y = ops.eigh(A if UPLO == "L" else A.mT)
    return Eigh(y[..., 0, :], y[..., 1:, :])


def eigvalsh(A: Any, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric matrices, ascending; see `eigh`.

    >>> eigvalsh(tensor([[2.0, 0.0], [0.0, 1.0]])).tolist()
    [1.0, 2.0]
    """
    return eigh(A, UPLO).eigenvalues


def svd(A: Any, full_matrices: bool = True) -> SVD:
    """U, the singular values S, descending, and Vh, with U * S @ Vh = A.

    With `full_matrices` U and Vh are square, and no gradient comes from the added columns, which
    are arbitrary. Those of U and Vh exist where no singular value is double or 0.

    >>> svd(tensor([[3.0, 0.0], [0.0, 4.0]])).S.tolist()
    [4.0, 3.0]
    """
    y = ops.svd(A)
    m, n = A.shape[-2:]
    u, s, vh = y[..., :m, :], y[..., m, :], y[..., m + 1 :, :].mT
    if full_matrices and m != n:
        whole = np.linalg.svd(unboxed(A))
        k = min(m, n)
        if m > n:
            u = concatenate([u, whole[0][..., k:]], -1)
        else:
            vh = concatenate([vh, whole[2][..., k:, :]], -2)
    return SVD(u, s, vh)


def svdvals(A: Any) -> Tensor:
    """The singular values, descending.

    >>> svdvals(tensor([[3.0, 0.0], [0.0, 4.0]])).tolist()
    [4.0, 3.0]
    """
    return ops.svd(A)[..., A.shape[-2], :]


# ---- norms and the like ------------------------------------------------------------------------


def vector_norm(
    x: Any, ord: float = 2, dim: Axis = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norm of all elements as one vector, or of those along axes.

    >>> vector_norm(tensor([[3.0], [4.0]])).item()
    5.0
    """
    x = x if dtype is None else x.to(dtype)
    return p_norm(x, ord, dim, keepdim)


def matrix_norm(
    A: Any,
    ord: float | str = "fro",
    dim: tuple[int, int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """The norm of matrices: "fro", "nuc", 2 and -2 of the singular values, 1 and -1 of the sums of
    columns, infinity and -infinity of those of rows.

    >>> matrix_norm(tensor([[3.0, 0.0], [0.0, 4.0]]), "nuc").item()
    7.0
    """
    A = A if dtype is None else A.to(dtype)
    i, j = (one_axis("matrix_norm", A, d) for d in dim)
    if i == j:
        raise MisfitError(f"matrix_norm: dim is {dim!r}; give two axes")
    if ord == "fro":
        return p_norm(A, 2, (i, j), keepdim)
    moved = movedim(movedim(A, i, -1), j - (j > i), -1)
    if ord == "nuc":
        y = svdvals(moved).sum(-1)
    elif ord in (2, -2):
        s = svdvals(moved)
        y = s.amax(-1) if ord > 0 else s.amin(-1)
    elif ord in (1, -1, math.inf, -math.inf):
        sums = ops.abs(moved).sum(-2 if ord in (1, -1) else -1)
        y = sums.amax(-1) if ord > 0 else sums.amin(-1)
    else:
        raise MisfitError(
            f"matrix_norm: ord is 'fro', 'nuc', 1, 2, inf or their negatives, got {ord!r}"
        )
    return y.reshape([1 if a in (i, j) else n for a, n in enumerate(A.shape)]) if keepdim else y


def norm(
    A: Any,
    ord: float | str | None = None,
    dim: Axis = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """The norm of a vector, or with two axes of matrices; without `ord` that of all elements.

    >>> norm(tensor([[3.0, 0.0], [0.0, 4.0]]), 1).item()
    4.0
    """
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    several = isinstance(dim, Sequence) and len(dim) == 2
    if several or isinstance(ord, str) or (dim is None and A.ndim == 2):
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)  # type: ignore[arg-type]
    if dim is None and A.ndim != 1:
        raise MisfitError(f"norm: with ord a vector or a matrix is needed, got shape {A.shape}")
    return vector_norm(A, ord, dim, keepdim, dtype=dtype)


def cond(A: Any, p: float | str | None = None) -> Tensor:
    """The condition number: the norm of A times that of its inverse, by default of singular values.

    >>> cond(tensor([[2.0, 0.0], [0.0, 8.0]])).item()
    4.0
    """
    if p in (None, 2, -2):
        s = svdvals(A)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return matrix_norm(A, p) * matrix_norm(ops.inv(A), p)


def matrix_rank(
    A: Any,
    tol: float | None = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
) -> Tensor:
    """How many singular values are above `atol` and above `rtol` times the largest; it has no
    gradient. Without both, rtol is max(m, n) times the precision of the dtype; `tol` is `atol`.

    >>> matrix_rank(tensor([[1.0, 1.0], [1.0, 1.0]])).item()
    1
    """
    atol, rtol = tolerances(A, tol if atol is None else atol, rtol)

    def rank(a: Any) -> Any:
        s = np.linalg.svd(a, compute_uv=False, hermitian=hermitian)
        least = np.maximum(rtol * s.max(-1, initial=0), atol)
        return (s > least[..., None]).sum(-1)

    return plain(rank, A)


def diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices.

    >>> diagonal(tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [1.0, 4.0]
    """
    return forms[np.diagonal](A, offset, dim1, dim2)


def vecdot(x: Any, y: Any, *, dim: int = -1) -> Tensor:
    """The sums of products along an axis.

    >>> vecdot(tensor([1.0, 2.0]), tensor([3.0, 4.0])).item()
    11.0
    """
    return (x * y).sum(dim)


forms.update(
    {
        np.linalg.solve: _solve,
        np.linalg.matrix_rank: matrix_rank,
        np.linalg.cond: cond,
        np.linalg.svdvals: svdvals,
        np.linalg.eigvalsh: eigvalsh,
        np.linalg.eigh: eigh,
        np.linalg.svd: lambda a, full_matrices=True, compute_uv=True: (
            svd(a, full_matrices) if compute_uv else svdvals(a)
        ),
        np.linalg.norm: lambda x, ord=None, axis=None, keepdims=False: norm(x, ord, axis, keepdims),
        np.linalg.vector_norm: lambda x, *, axis=None, keepdims=False, ord=2: vector_norm(
            x, ord, axis, keepdims
        ),
        np.linalg.matrix_norm: lambda x, *, keepdims=False, ord="fro": matrix_norm(
            x, ord, keepdim=keepdims
        ),
        np.linalg.lstsq: lambda a, b, rcond=None: tuple(lstsq(a, b, rcond)),
        np.linalg.multi_dot: multi_dot,
    }
)


def older(name: str, f: FunctionType) -> FunctionType:
    """`torch.det(input)` of `torch.linalg.det(A)`: PyTorch has some twice, by two names."""
    found = FunctionType(f.__code__, f.__globals__, name, f.__defaults__)
    found.__kwdefaults__, found.__doc__ = f.__kwdefaults__, f.__doc__
    found.__annotations__ = f.__annotations__
    renamed(found, {"A": "input"})
    found.__module__, found.__qualname__ = str(__package__), name  # where a pickle looks for it
    return found


public.update({k: older(k, f) for k, f in public.items() if f.__code__.co_varnames[:1] == ("A",)})  # type: ignore[arg-type]
