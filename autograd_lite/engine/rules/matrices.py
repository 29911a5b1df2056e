"""Matrices as wholes: inverses, determinants, factors. NumPy computes; the last two axes are those
of the matrices, all others batches.

An operation has one output. Factorisations give their factors one below the other, as rows of one
matrix, so that one rule has the gradients of all; `autograd_lite.linalg` takes them apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..declare import row
from ..op import ops


def of_numpy(function: Any, *inputs: Any, **kw: Any) -> Any:
    """A function of NumPy on arrays, or an expression of it where one input is no array."""
    for x in inputs:
        if not isinstance(x, np.ndarray):
            return x.__plain__(function, inputs, kw)
    return function(*inputs, **kw)


def scaled(g: Any, x: Any) -> Any:
    """Matrices `x`, each times a number."""
    return g[..., None, None] * x


def below(*parts: Any) -> Any:
    """Matrices with as many columns, one below the other."""
    return np.concatenate(parts, axis=-2)


def why_not(args: Any, kw: Any, error: Exception) -> str | None:
    """What is wrong with matrices that NumPy refuses."""
    a = args[0]
    if a.ndim < 2:
        return f"a matrix is needed, got shape {a.shape}"
    if a.dtype == np.float16:
        return "NumPy computes it in float32 and float64 alone; convert with float()"
    square = a.shape[-1] == a.shape[-2]
    if not square and "square" in str(error):
        return f"square matrices are needed, got shape {a.shape}"
    if "Singular" in str(error):
        return f"a matrix of shape {a.shape[-2:]} is singular; pinv takes it"
    if "positive definite" in str(error):
        return f"a matrix of shape {a.shape[-2:]} is not positive definite; add a little of eye(n)"
    if square and len(args) > 1 and args[1].shape[-2] != a.shape[-1]:
        return f"matrices of shape {a.shape} and right sides of shape {args[1].shape} do not fit"
    return None


row(
    "inv",
    lambda a: of_numpy(np.linalg.inv, a),
    lambda g, y, a: -(y.mT @ g @ y.mT),
    kind="matrix",
    named=True,
    explain=why_not,
    example=lambda: ((np.array([[2.0, 1.0], [0.5, 3.0]]),), {}),
)
row(
    "solve",
    lambda a, b: of_numpy(np.linalg.solve, a, b),
    lambda g, y, a, b: -(ops.solve(a.mT, g) @ y.mT),
    lambda g, y, a, b: ops.solve(a.mT, g),
    kind="matrix",
    named=True,
    explain=why_not,
    example=lambda: ((np.array([[2.0, 1.0], [0.5, 3.0]]), np.ones((2, 1))), {}),
)
row(
    "det",
    lambda a: of_numpy(np.linalg.det, a),
    lambda g, y, a: scaled(g, ops.cofactor(a)),
    kind="matrix",
    named=True,
    explain=why_not,
    example=lambda: ((np.array([[2.0, 1.0], [0.5, 3.0]]),), {}),
)


def _cofactor(a: Any) -> Any:
    u, s, v = of_numpy(np.linalg.svd, a)
    sign = of_numpy(np.linalg.det, u) * of_numpy(np.linalg.det, v)
    return scaled(sign, (u * ops.prod_others(s)[..., None, :]) @ v)


def _cofactor_rule(g: Any, y: Any, a: Any) -> Any:
    back = ops.inv(a).mT
    total = np.add.reduce(g * y, axis=(-2, -1))
    return scaled(total, back) - y @ g.mT @ back


row(
    "cofactor",
    _cofactor,
    _cofactor_rule,
    kind="matrix",
    named=True,
    explain=why_not,
    example=lambda: ((np.array([[2.0, 1.0], [0.5, 3.0]]),), {}),
    # det(a) inv(a).mT, also where a is singular and has no inverse
)
row(
    "logabsdet",
    lambda a: of_numpy(np.linalg.slogdet, a)[1],
    lambda g, y, a: scaled(g, ops.inv(a).mT),
    kind="matrix",
    named=True,
    explain=why_not,
    example=lambda: ((np.array([[2.0, 1.0], [0.5, 3.0]]),), {}),
)


def lower(x: Any, less: float = 0) -> Any:
    """The lower triangle; of the diagonal the share `less` is taken off."""
    n = x.shape[-1]
    y = x * np.tri(n, dtype=x.dtype)
    return y - x * np.eye(n, dtype=x.dtype) * less if less else y


def divided(x: Any, a: Any) -> Any:
    """x @ inv(a)"""
    return ops.solve(a.mT, x.mT).mT


def _cholesky_rule(g: Any, y: Any, a: Any) -> Any:
    half = divided(ops.solve(y.mT, lower(y.mT @ lower(g), 0.5)), y)
    return (half + half.mT) / 2


row(
    "cholesky",
    lambda a: of_numpy(np.linalg.cholesky, a),
    _cholesky_rule,
    kind="matrix",
    named=True,
    explain=why_not,
    example=lambda: ((np.array([[2.0, 1.0], [1.0, 3.0]]),), {}),
)


def _qr(a: Any) -> Any:
    q, r = of_numpy(np.linalg.qr, a)
    return below(q, r)


def _qr_rule(g: Any, y: Any, a: Any) -> Any:
    m = a.shape[-2]
    q, r, gq, gr = y[..., :m, :], y[..., m:, :], g[..., :m, :], g[..., m:, :]
    inner = r @ lower(gr.mT) - gq.mT @ q
    return divided(gq + q @ (lower(inner).mT + lower(inner, 1)), r.mT)


row(
    "qr",
    _qr,
    _qr_rule,
    kind="matrix",
    named=True,
    explain=why_not,
    example=lambda: ((np.array([[2.0, 1.0], [0.5, 3.0]]),), {}),
    # of matrices with no more columns than rows: q, and r below
)


def filled(x: Any) -> Any:
    """1 in place of 0."""
    return np.where(x == 0, 1, x)


def _gaps(x: Any) -> Any:
    apart = x[..., None, :] - x[..., :, None]
    return np.where(apart == 0, 0, 1 / filled(apart))


def _gaps_rule(g: Any, y: Any, x: Any) -> Any:
    by = g * y * y
    return np.add.reduce(by, axis=-1) - np.add.reduce(by, axis=-2)


row(
    "gaps",
    _gaps,
    _gaps_rule,
    kind="matrix",
    named=True,
    example=lambda: ((np.array([1.0, 3.0]),), {}),
    # 1 / (x[j] - x[i]) as entry (i, j), 0 where they are equal
)


def _eigh(a: Any) -> Any:
    w, v = of_numpy(np.linalg.eigh, a)
    return below(w[..., None, :], v)


def _eigh_rule(g: Any, y: Any, a: Any) -> Any:
    w, v, gw, gv = y[..., 0, :], y[..., 1:, :], g[..., :1, :], g[..., 1:, :]
    return (v * gw) @ v.mT + v @ (v.mT @ gv * ops.gaps(w)) @ v.mT


row(
    "eigh",
    _eigh,
    _eigh_rule,
    kind="matrix",
    named=True,
    explain=why_not,
    example=lambda: ((np.array([[2.0, 1.0], [1.0, 3.0]]),), {}),
    # the eigenvalues, and below the eigenvectors as columns
)


def _svd(a: Any) -> Any:
    u, s, v = of_numpy(np.linalg.svd, a, full_matrices=False)
    return below(u, s[..., None, :], v.mT)


def _svd_rule(g: Any, y: Any, a: Any) -> Any:
    m, n = a.shape[-2:]
    u, s, v = y[..., :m, :], y[..., m : m + 1, :], y[..., m + 1 :, :]
    gu, gs, gv = g[..., :m, :], g[..., m : m + 1, :], g[..., m + 1 :, :]
    by_gap = ops.gaps((s * s)[..., 0, :])
    left, right = u.mT @ gu, v.mT @ gv
    of_u, of_v = by_gap * left, by_gap * right  # minus their transposes, as by_gap is minus its own
    inner = (of_u + of_u.mT) * s + s.mT * (of_v + of_v.mT)
    found = (u @ inner + u * gs) @ v.mT
    if m > n:
        found = found + ((gu - u @ left) / filled(s)) @ v.mT
    if n > m:
        found = found + (u / filled(s)) @ (gv - v @ right).mT
    return found


row(
    "svd",
    _svd,
    _svd_rule,
    kind="matrix",
    named=True,
    explain=why_not,
    example=lambda: ((np.array([[2.0, 1.0], [0.5, 3.0]]),), {}),
    # u, below it the singular values as a row, below them v
)
row(
    "pinv",
    lambda a, rcond: of_numpy(np.linalg.pinv, a, rcond=rcond),
    lambda g, y, a, rcond: (
        (g.mT - a @ (y @ g.mT)) @ y @ y.mT + y.mT @ y @ (g.mT - (g.mT @ y) @ a) - y.mT @ g @ y.mT
    ),
    kind="matrix",
    named=True,
    explain=why_not,
    example=lambda: ((np.array([[2.0, 1.0], [0.5, 3.0]]),), {"rcond": 1e-15}),
)
