"""Operators and methods of Tensors, from what rows say of themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import rules
from .arrays import as_array, ints_first, plain_index
from .axes import is_basic
from .errors import explained
from .methods import Methods, on_tensors
from .modes import mode, watchers
from .op import Op, ops, table
from .tensor import (
    NOTHING,
    NUMBERS,
    Tensor,
    as_tensor,
    record,
    record1,
    record2,
)
from .versions import is_needed

WORDS = {"+": "add", "-": "sub", "*": "mul", "/": "truediv", "%": "mod"}  # Python's of signs
COMPARED = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "lshift": np.left_shift, "rshift": np.right_shift,
}  # fmt: skip


def install(op: Op, word: str) -> None:
    """Make an operation the operator `word` and its reflected form; and, of floats, in place."""

    def operator(self: Tensor, other: Any) -> Tensor:
        return record2(op, self, other)

    def reflected(self: Tensor, other: Any) -> Tensor:
        return record(op, (other, self))

    def in_place(self: Tensor, other: Any) -> Tensor:
        if mode.numpy and mode.grad and is_needed(self):
            return record2(op, self, other)  # Python gives the name the new one
        return self._overwrite(op, other)

    for name, f in ((word, operator), (f"r{word}", reflected), (f"i{word}", in_place)):
        f.__name__ = f.__qualname__ = f"__{name}__"
        setattr(Methods, f.__name__, f)


def comparison(ufunc: np.ufunc) -> Callable[[Tensor, Any], Tensor]:
    """A method that compares element by element: plain data, no gradient."""
    op = Op(ufunc.__name__, ufunc, kind="comparison")

    def compare(self: Tensor, other: Any) -> Tensor:
        if other is None or isinstance(other, str):
            return NotImplemented
        a = other if other.__class__ in NUMBERS else as_array(other)
        try:
            t = Tensor(np.asarray(ufunc(self.array, a)))
        except (TypeError, ValueError) as error:
            raise explained(op, [self.array, a], NOTHING, error) from error
        t.kw = op
        if watchers and (note := getattr(mode.watcher, "compared", None)) is not None:
            note(op, t, (self, other if isinstance(other, Tensor) else None), (self.array, a), {})
        return t

    return compare


for row in list(table.values()):
    if row.sign in WORDS:
        install(row, WORDS[row.sign])
for name, ufunc in COMPARED.items():
    setattr(Methods, f"__{name}__", comparison(ufunc))
for name in ("and", "or", "xor"):  # they commute
    setattr(Methods, f"__r{name}__", getattr(Methods, f"__{name}__"))
setattr(Methods, "__hash__", object.__hash__)  # by identity, as in PyTorch, though == compares


@on_tensors
class Operators:
    """Operators and methods that are no row of their own."""

    def __pow__(self: Any, p: Any) -> Tensor:
        return rules.pow(self, p)

    def __rpow__(self: Any, base: Any) -> Tensor:
        return record(ops.pow, (base, self))

    def __rlshift__(self: Any, other: Any) -> Tensor:
        return as_tensor(other) << self

    def __rrshift__(self: Any, other: Any) -> Tensor:
        return as_tensor(other) >> self

    def __floordiv__(self: Any, other: Any) -> Tensor:
        return np.floor_divide(self, other)

    def __rfloordiv__(self: Any, other: Any) -> Tensor:
        return np.floor_divide(other, self)

    def __matmul__(self: Any, other: Any) -> Tensor:
        if isinstance(other, Tensor) and self.array.ndim > 1 < other.array.ndim:
            return record2(ops.matmul, self, other)
        return rules.matmul(self, as_tensor(other))

    def __rmatmul__(self: Any, other: Any) -> Tensor:
        return rules.matmul(as_tensor(other), self)

    def __neg__(self: Any) -> Tensor:
        return record1(ops.neg, self)

    def __abs__(self: Any) -> Tensor:
        return record1(ops.abs, self)

    def __invert__(self: Any) -> Tensor:
        return Tensor(~self.array)

    def __getitem__(self: Any, index: Any) -> Tensor:
        if not is_basic(index):
            if (found := ints_first(index)) is not None:
                return self[found[0]][found[1]]
            index = plain_index(index)
        return record(ops.getitem, (self,), {"index": index})

    def clone(self: Any) -> Tensor:
        """A recorded copy, with memory of its own."""
        return record1(ops.copy, self)

    copy = clone

    def repeat(self: Any, *repeats: Any, **axis: Any) -> Tensor:
        """`tile`, as in PyTorch; with NumPy's word `axis`, NumPy's `repeat` of the elements."""
        if axis or mode.numpy:
            return rules.repeat_interleave(self, *repeats, **axis)
        return rules.tile(self, *repeats)

    def t(self: Any) -> Tensor:
        """The transpose of a matrix; a vector or a number stays as it is."""
        return self.mT if self.array.ndim == 2 else self

    def expand_as(self: Any, other: Tensor) -> Tensor:
        """Broadcast to the shape of another tensor."""
        return rules.expand(self, *other.shape)

    def contiguous(self: Any, memory_format: Any = None) -> Tensor:
        """Self: NumPy arrays need not be contiguous."""
        return self

    T = property(lambda self: rules.transpose(self), doc="The axes in reverse order.")
    mT = property(lambda self: record1(ops.mT, self), doc="The last two axes swapped.")
