"""Products: sums of products of two or more inputs."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..axes import one_axis
from ..declare import function, row, written
from ..errors import MisfitError
from ..op import ops
from ..tensor import Tensor
from .shape import squeeze, unsqueeze

LETTERS = "abcdefghijklmnopqrstuvwxyz"
LETTERS += LETTERS.upper()  # those of `string`, which takes 0.4 ms to import


def times(a: Any, b: Any) -> Any:
    """a @ b. Of two matrices `dot` calls BLAS 0.4 us sooner, also for one row, where @ has loops of
    its own ((784, 1) @ (1, 8): 6.8 us, 1.4 by `dot`), but fills what it makes with zeros before."""
    matrices = a.__class__ is np.ndarray and a.ndim == b.ndim == 2
    if matrices and (len(a) * b.shape[1] < 4096 or len(b) == 1):
        return a.dot(b)
    return a @ b


def product(a: Any, b: Any, like: Any) -> Any:
    """a @ b, laid out as `like` is, whose gradient it is."""
    if like.__class__ is np.ndarray:
        if like.ndim == 2 < a.ndim == b.ndim and a.size and b.size:
            # one product of all rows, not one for each of the batch that are added up: 0.9 of the
            # time and 1 / batch of the memory
            a, b = a.mT.reshape(-1, a.shape[-2]).T, b.reshape(-1, b.shape[-1])
        if like.flags.fnc:
            # laid out like the weight: a step of Linear(784, 64) takes 46 us, with the other 90
            return times(b.mT, a.mT).mT
        return times(a, b)
    return a @ b


def _why_no_product(args: Any, kw: Any, error: Exception) -> str:
    a, b = (np.shape(x) for x in args)
    if not a or not b:
        return f"inputs {a} and {b}: a 0-d tensor is a number; use * to scale"
    inner = b[0] if len(b) == 1 else b[-2]
    if a[-1] != inner:
        return f"inputs {a} and {b} do not agree on the inner size ({a[-1]} and {inner})"
    return f"the batch axes of {a} and {b} do not broadcast"


_matmul = row(
    "matmul",
    np.matmul,
    lambda g, y, a, b: g @ b.mT,
    lambda g, y, a, b: product(a.mT, g, like=b),
    kind="product",
    sign="@",
    explain=_why_no_product,
)


def _einsum_rule(g: Any, y: Any, *arrays: Any, spec: str, i: int) -> Any:
    left, out = spec.split("->")
    terms = left.split(",")
    mine = terms.pop(i)
    factors = [g, *arrays[:i], *arrays[i + 1 :]]
    terms.insert(0, out)
    spare = iter(sorted(set(LETTERS) - set(spec)))
    wanted = ""
    for letter, n in zip(mine, arrays[i].shape, strict=True):
        if letter in wanted:  # a diagonal: its second index is tied to the first by an identity
            twin = next(spare)
            terms.append(letter + twin)
            factors.append(np.eye(n, dtype=arrays[i].dtype))
            wanted += twin
        else:
            sizes = [
                f.shape[t.index(letter)] for t, f in zip(terms, factors, strict=True) if letter in t
            ]
            if n not in sizes:  # it was summed in this operand alone, or broadcast elsewhere
                terms.append(letter)
                factors.append(np.ones(n, dtype=arrays[i].dtype))
            wanted += letter
    return np.einsum(",".join(terms) + "->" + wanted, *factors)


row(
    "einsum",
    lambda *arrays, spec: np.einsum(spec, *arrays),
    each=_einsum_rule,
    kind="product",
    view=True,
    example=lambda: ((np.full((2, 3), 0.5), np.full((3, 2), 0.25)), {"spec": "ij,jk->ik"}),
)


@function(numpy=np.matmul)
def matmul(a: Any, b: Any, *, out: Any = None) -> Tensor:
    """The matrix product: (..., n, k) by (..., k, m) gives (..., n, m); 1-d inputs are vectors.

    >>> matmul(tensor([[1.0, 2.0]]), tensor([3.0, 4.0])).tolist()
    [11.0]
    """
    if out is not None:
        return written(matmul(a, b), out, "matmul")
    a_is_vector, b_is_vector = a.ndim == 1, b.ndim == 1
    if not (a_is_vector or b_is_vector):
        return _matmul(a, b)
    if 0 in (a.ndim, b.ndim) or a.shape[-1] != b.shape[0 if b_is_vector else -2]:
        return _matmul(a, b)  # which says what is wrong
    y = _matmul(unsqueeze(a, 0) if a_is_vector else a, unsqueeze(b, 1) if b_is_vector else b)
    y = squeeze(y, -1) if b_is_vector else y
    if a_is_vector:
        y = squeeze(y, -1 if b_is_vector else -2)
    return y


@function(numpy=np.einsum, method=False)
def einsum(spec: str, *operands: Any) -> Tensor:
    """Einstein summation, with NumPy's and PyTorch's notation of letters, commas and ellipses.

    >>> einsum("ij,j->i", tensor([[1.0, 2.0]]), tensor([3.0, 4.0])).tolist()
    [11.0]
    """
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    return ops.einsum(*operands, spec=explicit(spec, operands))


def explicit(spec: str, operands: Sequence[Any]) -> str:
    """`spec` with its output written out and every ellipsis replaced by letters."""
    if not isinstance(spec, str):
        raise TypeError(f"einsum: the first argument is a text like 'ij,jk->ik', got {spec!r}")
    spec = spec.replace(" ", "")
    left, arrow, out = spec.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise MisfitError(f"einsum: {spec!r} names {len(terms)} operands, got {len(operands)}")
    spare = [c for c in LETTERS.swapcase()[::-1] if c not in spec]
    longest = 0
    for i, (term, x) in enumerate(zip(terms, operands, strict=True)):
        if "..." in term:
            n = x.ndim - len(term) + 3
            longest = builtins.max(longest, n)
            terms[i] = term.replace("...", "".join(spare[:n][::-1]))
        if len(terms[i]) != x.ndim:
            raise MisfitError(f"einsum: {term!r} does not fit operand {i} of shape {x.shape}")
    batch = "".join(spare[:longest][::-1])
    if not arrow:
        letters = "".join(terms)
        once = sorted(c for c in set(letters) - set(batch) if letters.count(c) == 1)
        out = batch + "".join(once)
    return ",".join(terms) + "->" + out.replace("...", batch)


@function()
def outer(a: Tensor, vec2: Tensor) -> Tensor:
    """The products of every element of one vector with every element of another.

    >>> outer(tensor([1.0, 2.0]), tensor([3.0, 4.0])).tolist()
    [[3.0, 4.0], [6.0, 8.0]]
    """
    return einsum("i,j->ij", a, vec2)


@function(numpy=np.vdot)
def vdot(a: Any, b: Any) -> Tensor:
    """The sum of the products of all elements of two inputs of one size, flattened.

    >>> vdot(tensor([1.0, 2.0]), tensor([3.0, 4.0])).item()
    11.0
    """
    return ops.einsum(ops.reshape(a, shape=(-1,)), ops.reshape(b, shape=(-1,)), spec="a,a->")


@function()
def inner(a: Any, b: Any) -> Tensor:
    """The sums of products along the last axis of both; numbers scale.

    >>> inner(tensor([[1.0, 2.0], [3.0, 4.0]]), tensor([1.0, 1.0])).tolist()
    [3.0, 7.0]
    """
    if not getattr(a, "ndim", 0) or not getattr(b, "ndim", 0):
        return ops.mul(a, b)
    return tensordot(a, b, ((-1,), (-1,)))


@function(numpy=np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2, *, dims: Any = None) -> Tensor:
    """The sums of products over pairs of axes: so many last ones of a with the first of b, or those
    of two lists. ValueError for lists that are no pairs.

    >>> tensordot(tensor([[1.0, 2.0], [3.0, 4.0]]), tensor([1.0, 1.0]), 1).tolist()
    [3.0, 7.0]
    """
    axes = axes if dims is None else dims
    if isinstance(axes, int):
        axes = range(a.ndim - axes, a.ndim), range(axes)
    left, right = (
        [one_axis("tensordot", x, i) for i in ([k] if isinstance(k, int) else k)]
        for x, k in zip((a, b), axes, strict=True)
    )
    letters = iter(LETTERS)
    of_a, of_b = ([next(letters) for _ in range(x.ndim)] for x in (a, b))
    if len(left) != len(right):
        raise MisfitError(f"tensordot: axes {left} of a and {right} of b are not pairs")
    for i, j in zip(left, right, strict=True):
        of_b[j] = of_a[i]
    out = [c for c in of_a if c not in of_b] + [c for c in of_b if c not in of_a]
    return einsum(f"{''.join(of_a)},{''.join(of_b)}->{''.join(out)}", a, b)


@function(numpy=np.kron)
def kron(a: Any, b: Any) -> Tensor:
    """The Kronecker product: every element of a times the whole of b, as blocks.

    >>> kron(tensor([1.0, 2.0]), tensor([1.0, 1.0])).tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    n = builtins.max(a.ndim, b.ndim)
    m, k = ((1,) * (n - x.ndim) + x.shape for x in (a, b))
    left = ops.reshape(a, shape=tuple(s for size in m for s in (size, 1)))
    right = ops.reshape(b, shape=tuple(s for size in k for s in (1, size)))
    shape = tuple(i * j for i, j in zip(m, k, strict=True))
    return ops.reshape(ops.mul(left, right), shape=shape)


@function()
def trace(x: Tensor, offset: int = 0) -> Tensor:
    """The sum of the diagonal of a matrix, or of one beside it.

    >>> trace(tensor([[1.0, 2.0], [3.0, 4.0]])).item()
    5.0
    """
    if x.ndim != 2:
        raise MisfitError(f"trace: a matrix is needed, got shape {x.shape}")
    if not offset and x.shape[0] == x.shape[1]:
        return einsum("ii->", x)
    on = np.eye(x.shape[0], x.shape[1], offset, dtype=bool)
    return ops.sum(ops.getitem(x, index=on), axis=None, keepdims=False)
