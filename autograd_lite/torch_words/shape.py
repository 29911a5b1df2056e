"""Shape and order in PyTorch's words."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import rules
from ..engine.arrays import as_array
from ..engine.axes import one_axis, sizes
from ..engine.declare import forms, function
from ..engine.errors import MisfitError
from ..engine.methods import on_tensors
from ..engine.op import ops
from ..engine.tensor import Tensor, as_tensor


@function()
def view_as(x: Any, other: Any) -> Tensor:
    """In the shape of another tensor."""
    return rules.reshape(x, other.shape)


@function()
def reshape_as(x: Any, other: Any) -> Tensor:
    """In the shape of another tensor."""
    return rules.reshape(x, other.shape)


@function()
def broadcast_to(x: Any, size: Sequence[int]) -> Tensor:
    """`expand` to a shape.

    >>> broadcast_to(tensor([1.0]), (2, 2)).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    return rules.expand(x, tuple(size))


@function(method=False)
def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Tensors expanded to the shape that they have together."""
    shape = np.broadcast_shapes(*[t.shape for t in tensors])
    return tuple(rules.expand(t, shape) for t in tensors)


@function(method=False)
def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that shapes have together.

    >>> broadcast_shapes((2, 1), (3,))
    (2, 3)
    """
    return np.broadcast_shapes(*shapes)


@function()
def unbind(x: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along an axis, without it.

    >>> [t.item() for t in unbind(tensor([1.0, 2.0]))]
    [1.0, 2.0]
    """
    at = one_axis("unbind", x, dim)
    return tuple(select(x, at, i) for i in range(x.shape[at]))


@function()
def select(x: Any, dim: int, index: int) -> Tensor:
    """The slice at one place of an axis, without the axis."""
    return x[(*[slice(None)] * one_axis("select", x, dim), index)]


@function()
def narrow(x: Any, dim: int, start: int, length: int) -> Tensor:
    """So many places of an axis from a start.

    >>> narrow(tensor([1.0, 2.0, 3.0]), 0, 1, 2).tolist()
    [2.0, 3.0]
    """
    at = one_axis("narrow", x, dim)
    start = int(start) % x.shape[at] if start < 0 else int(start)
    if length < 0 or start + length > x.shape[at]:
        raise MisfitError(
            f"narrow: {length} places from {start} are not in axis {dim} of shape {x.shape}"
        )
    return x[(*[slice(None)] * at, slice(start, start + int(length)))]


@function()
def moveaxis(x: Any, source: Any, destination: Any) -> Tensor:
    """`movedim` under NumPy's name."""
    return rules.movedim(x, source, destination)


@function()
def swapaxes(x: Any, axis0: int, axis1: int) -> Tensor:
    """`transpose` of two axes, under NumPy's name."""
    return rules.transpose(x, axis0, axis1)


@function()
def swapdims(x: Any, dim0: int, dim1: int) -> Tensor:
    """`transpose` of two axes."""
    return rules.transpose(x, dim0, dim1)


@function(method=False)
def t(x: Any) -> Tensor:
    """The transpose of a matrix; a vector or a number stays as it is.

    >>> t(tensor([[1.0, 2.0]])).tolist()
    [[1.0], [2.0]]
    """
    if x.ndim > 2:
        raise MisfitError(f"t: a matrix is needed, got shape {x.shape}; use mT or transpose")
    return ops.mT(x) if x.ndim == 2 else x


@function()
def adjoint(x: Any) -> Tensor:
    """The last two axes swapped."""
    return ops.mT(x)


@function()
def unflatten(x: Any, dim: int, sizes: Any) -> Tensor:
    """One axis made several of these sizes, of which one may be -1.

    >>> unflatten(tensor([1.0, 2.0, 3.0, 4.0]), 0, (2, -1)).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    at = one_axis("unflatten", x, dim)
    new = [n if n != -1 else x.shape[at] // -math.prod(sizes) for n in sizes]
    return rules.reshape(x, (*x.shape[:at], *new, *x.shape[at + 1 :]))


@function()
def unfold(x: Any, dimension: int, size: int, step: int) -> Tensor:
    """Windows of a size along an axis, every `step`, on a new last axis; copies.

    >>> unfold(tensor([1.0, 2.0, 3.0]), 0, 2, 1).tolist()
    [[1.0, 2.0], [2.0, 3.0]]
    """
    at = one_axis("unfold", x, dimension)
    n = x.shape[at] if x.ndim else 1
    if not 0 <= size <= n or step < 1:
        raise MisfitError(
            f"unfold: size {size} is from 0 to {n}, of axis {dimension} of {x.shape}, and step "
            f"{step} at least 1"
        )
    if not x.ndim:
        return rules.reshape(x, (1,))[:size]
    starts = np.arange(0, n - size + 1, step)
    windows = x[(*[slice(None)] * at, starts[:, None] + np.arange(size))]
    return rules.movedim(windows, at + 1, -1)


@function()
def diagonal(x: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonals of matrices, on a new last axis.

    >>> diagonal(tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [1.0, 4.0]
    """
    return forms[np.diagonal](x, offset, dim1, dim2)


@function()
def diag_embed(x: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last axis on their diagonals.

    >>> diag_embed(tensor([1.0, 2.0])).tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    """
    n = x.shape[-1] + abs(offset)
    place = (np.arange(x.shape[-1]) + max(by, 0) for by in (-offset, offset))
    y = ops.scatter_add(x, shape=(*x.shape[:-1], n, n), index=(..., *place))
    if (dim1, dim2) == (-2, -1):
        return y
    return forms[np.moveaxis](y, (-2, -1), (dim1, dim2))


@function()
def diagflat(x: Any, offset: int = 0) -> Tensor:
    """A matrix with all elements on its diagonal."""
    return diag_embed(rules.reshape(x, (-1,)), offset)


@function()
def fliplr(x: Any) -> Tensor:
    """In reverse order along axis 1."""
    return rules.flip(x, 1)


@function()
def flipud(x: Any) -> Tensor:
    """In reverse order along axis 0."""
    return rules.flip(x, 0)


@function()
def rot90(x: Any, k: int = 1, dims: Any = (0, 1)) -> Tensor:
    """Turned by 90 degrees k times, from the first of two axes to the second.

    >>> rot90(tensor([[1.0, 2.0]])).tolist()
    [[2.0], [1.0]]
    """
    return forms[np.rot90](x, k, tuple(dims))


@function()
def tensor_split(
    x: Any,
    indices_or_sections: Any = None,
    dim: int = 0,
    *,
    indices: Any = None,
    sections: Any = None,
) -> tuple[Tensor, ...]:
    """So many pieces along an axis, the first ones larger by one where it must be, or pieces that
    begin at the places listed.

    >>> [p.tolist() for p in tensor_split(tensor([1.0, 2.0, 3.0]), 2)]
    [[1.0, 2.0], [3.0]]
    """
    given = (indices_or_sections, sections, indices)
    cut = next((c for c in given if c is not None), 1)
    cut = cut.tolist() if hasattr(cut, "tolist") else cut
    return tuple(forms[np.array_split](x, cut, dim))


@function()
def hsplit(x: Any, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Pieces along axis 1, or 0 of a vector."""
    return tuple(forms[np.hsplit](x, indices_or_sections))


@function()
def vsplit(x: Any, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Pieces along axis 0."""
    return tuple(forms[np.vsplit](x, indices_or_sections))


@function()
def dsplit(x: Any, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Pieces along axis 2."""
    return tuple(forms[np.dsplit](x, indices_or_sections))


@function(method=False)
def split(
    tensor: Any, split_size_or_sections: Any, axis: int = 0, *, dim: int | None = None
) -> tuple[Tensor, ...]:
    """`Tensor.split` as a function, under the names that PyTorch gives its arguments there.

    >>> [p.tolist() for p in split(tensor=tensor([1.0, 2.0, 3.0]), split_size_or_sections=2)]
    [[1.0, 2.0], [3.0]]
    """
    return rules.split(tensor, split_size_or_sections, axis, dim=dim)


@function()
def split_with_sizes(x: Any, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """`split` by sizes."""
    return rules.split(x, split_sizes, dim)


@function(method=False)
def hstack(tensors: Sequence[Any]) -> Tensor:
    """Joined along axis 1, or 0 for vectors and numbers.

    >>> hstack([tensor(1.0), tensor([2.0])]).tolist()
    [1.0, 2.0]
    """
    return forms[np.hstack](tensors)


@function(method=False, also="row_stack")
def vstack(tensors: Sequence[Any]) -> Tensor:
    """Joined along axis 0, vectors as rows."""
    return forms[np.vstack](tensors)


@function(method=False)
def dstack(tensors: Sequence[Any]) -> Tensor:
    """Joined along axis 2."""
    return forms[np.dstack]([x if x.ndim else x.reshape((1,)) for x in tensors])


@function(method=False)
def column_stack(tensors: Sequence[Any]) -> Tensor:
    """Joined along axis 1, vectors as columns."""
    return forms[np.column_stack]([x if x.ndim else x.reshape((1,)) for x in tensors])


def at_least(x: Any, ndim: int, shape: Any) -> Any:
    """One tensor, or each of several, with axes added."""
    if isinstance(x, tuple | list):
        return tuple(at_least(one, ndim, shape) for one in x)
    return x if x.ndim >= ndim else rules.reshape(x, shape(x.shape))


@function(method=False)
def atleast_1d(*tensors: Any) -> Any:
    """With at least one axis."""
    return at_least(tensors if len(tensors) > 1 else tensors[0], 1, lambda s: (1,))


@function(method=False)
def atleast_2d(*tensors: Any) -> Any:
    """With at least two axes, new ones first."""
    return at_least(tensors if len(tensors) > 1 else tensors[0], 2, lambda s: (1, *(s or (1,))))


@function(method=False)
def atleast_3d(*tensors: Any) -> Any:
    """With at least three axes: a vector becomes (1, n, 1), a matrix (n, m, 1)."""
    return at_least(
        tensors if len(tensors) > 1 else tensors[0],
        3,
        lambda s: (*s, 1) if len(s) == 2 else (1, *(s or (1,)), 1),
    )


@function(method=False)
def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Every vector along an axis of its own, and expanded along those of the others; with
    `indexing="xy"` the first two axes are swapped.

    >>> [t.tolist() for t in meshgrid(tensor([1, 2]), tensor([3, 4]))]
    [[[1, 1], [2, 2]], [[3, 4], [3, 4]]]
    """
    if len(tensors) == 1 and isinstance(tensors[0], tuple | list):
        tensors = tuple(tensors[0])
    if indexing not in ("ij", "xy"):
        raise MisfitError(f"meshgrid: indexing is 'ij' or 'xy', got {indexing!r}")
    n, shape = len(tensors), tuple(t.numel() for t in tensors)
    found = [
        rules.expand(rules.reshape(t, (1,) * i + (-1,) + (1,) * (n - 1 - i)), shape)
        for i, t in enumerate(tensors)
    ]
    return tuple(rules.transpose(t, 0, 1) if indexing == "xy" and n > 1 else t for t in found)


@function(method=False)
def cartesian_prod(*tensors: Any) -> Tensor:
    """Every choice of an element from each vector, as rows.

    >>> cartesian_prod(tensor([1, 2]), tensor([3, 4])).tolist()
    [[1, 3], [1, 4], [2, 3], [2, 4]]
    """
    if len(tensors) == 1:
        return tensors[0]
    return rules.stack([rules.reshape(t, (-1,)) for t in meshgrid(*tensors)], 1)


@function(method=False)
def combinations(x: Any, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Every choice of r elements of a vector, as rows.

    >>> combinations(tensor([1, 2, 3])).tolist()
    [[1, 2], [1, 3], [2, 3]]
    """
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = np.array(list(choose(range(len(x)), r)), int).reshape(-1, r)
    return x[places]


@function(method=False)
def block_diag(*tensors: Any) -> Tensor:
    """Matrices along the diagonal of a larger one, 0 elsewhere.

    >>> block_diag(tensor([[1.0]]), tensor([[2.0, 3.0]])).tolist()
    [[1.0, 0.0, 0.0], [0.0, 2.0, 3.0]]
    """
    blocks = [as_tensor(x) for x in atleast_2d(*tensors, tensors[0])[:-1]]
    width, start, rows = sum(b.shape[1] for b in blocks), 0, []
    for b in blocks:
        rows.append(rules.pad(b, ((0, 0), (start, width - start - b.shape[1]))))
        start += b.shape[1]
    return rules.concatenate(rows, 0)


@function(method=False)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of a vector as columns, from N - 1 down to 0 unless `increasing`."""
    n = len(x) if N is None else N
    powers = [rules.pow(x, k) for k in range(n)]
    return rules.stack(powers if increasing else powers[::-1], -1)


@function(method=False)
def tril_indices(row: int, col: int | None = None, offset: int = 0, **options: Any) -> Tensor:
    """The places of a lower triangle, as two rows.

    >>> tril_indices(2, 2).tolist()
    [[0, 1, 1], [0, 0, 1]]
    """
    return Tensor(np.stack(np.tril_indices(row, offset, row if col is None else col)))


@function(method=False)
def triu_indices(row: int, col: int | None = None, offset: int = 0, **options: Any) -> Tensor:
    """The places of an upper triangle, as two rows."""
    return Tensor(np.stack(np.triu_indices(row, offset, row if col is None else col)))


@function(method=False)
def clone(x: Any, *, memory_format: Any = None) -> Tensor:
    """A recorded copy, with memory of its own."""
    return ops.copy(x)


@function(method=False)
def detach(x: Any) -> Tensor:
    """A tensor with the same memory and no record."""
    return x.detach()


@function(method=False)
def numel(x: Any) -> int:
    """The number of elements.

    >>> numel(zeros(2, 3))
    6
    """
    return int(math.prod(x.shape))


@on_tensors
class Shapes:
    """Methods about the shape and the memory."""

    H = property(lambda self: t(self), doc="The transpose of a matrix.")
    mH = property(lambda self: self.mT, doc="The last two axes swapped.")

    def nelement(self: Any) -> int:
        """The number of elements."""
        return self.array.size

    def ndimension(self: Any) -> int:
        """The number of axes."""
        return self.array.ndim

    def stride(self: Any, dim: int | None = None) -> Any:
        """How many elements of memory lie between neighbours along each axis, or along one."""
        steps = tuple(s // self.array.itemsize for s in self.array.strides)
        return steps if dim is None else steps[dim]

    def is_contiguous(self: Any, memory_format: Any = None) -> bool:
        """Whether the elements lie in memory in the order of the axes."""
        return bool(self.array.flags.c_contiguous)

    def data_ptr(self: Any) -> int:
        """Where the elements begin in memory."""
        return int(self.array.ctypes.data)

    def is_same_size(self: Any, other: Any) -> bool:
        """Whether another tensor has the same shape."""
        return bool(self.shape == other.shape)

    def pin_memory(self: Any, device: Any = None) -> Any:
        """Self: there is no GPU to copy to."""
        return self

    def share_memory_(self: Any) -> Any:
        """Self."""
        return self

    def detach_(self: Any) -> Any:
        """Forget the record in place; returns self."""
        self.requires_grad, self.op, self.sources, self.args, self.kw = False, None, (), (), None
        return self

    def storage_offset(self: Any) -> int:
        """How many elements of the memory that it shares come before its own."""
        base = self.array if self.array.base is None else self.array.base
        start = self.array.ctypes.data - getattr(base, "ctypes", self.array.ctypes).data
        return int(start // self.array.itemsize)

    def _become(self: Any, name: str, y: Tensor) -> Any:
        if self.op is not None or self.requires_grad:
            raise RuntimeError(
                f"{name}_: the shape of a tensor that requires grad stays; write x = x.{name}(...)"
            )
        self.array, self.version = y.array, y.version
        return self

    def squeeze_(self: Any, *dim: Any) -> Any:
        """`squeeze` in place, of a tensor that requires no gradient; returns self."""
        return self._become("squeeze", rules.squeeze(self, *dim))

    def unsqueeze_(self: Any, dim: int) -> Any:
        """`unsqueeze` in place, of a tensor that requires no gradient; returns self."""
        return self._become("unsqueeze", rules.unsqueeze(self, dim))

    def transpose_(self: Any, dim0: int, dim1: int) -> Any:
        """`transpose` in place, of a tensor that requires no gradient; returns self."""
        return self._become("transpose", rules.transpose(self, dim0, dim1))

    def t_(self: Any) -> Any:
        """`t` in place, of a tensor that requires no gradient; returns self."""
        return self._become("t", t(self))

    def fill_diagonal_(self: Any, fill_value: float, wrap: bool = False) -> Any:
        """Set the diagonal of a matrix; returns self. With `wrap` it begins again below."""
        places = np.zeros(self.shape, bool)
        np.fill_diagonal(places, True, wrap)
        return self.masked_fill_(places, fill_value)

    def sum_to_size(self: Any, *size: Any) -> Tensor:
        """Summed over what a broadcast from a shape to this one had repeated.

        >>> tensor([[1.0, 2.0]]).sum_to_size(1, 1).tolist()
        [[3.0]]
        """
        shape = sizes(size)
        new = self.ndim - len(shape)
        axes = [i for i, n in enumerate(self.shape) if i < new or shape[i - new] != n]
        return rules.reshape(rules.sum(self, tuple(axes), True) if axes else self, shape)

    def new_tensor(self: Any, data: Any, dtype: Any = None, **options: Any) -> Tensor:
        """A tensor of data in this dtype."""
        a = as_array(data)
        requires_grad = options.pop("requires_grad", False)
        return Tensor(np.array(a, self.dtype if dtype is None else dtype), requires_grad)
