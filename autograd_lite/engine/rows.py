"""Rows of a table: adding to some, and a gradient that is those alone, made whole when asked for.

It is for a leaf of which few rows were read. Optimizers that leave a row where its gradient is 0
take the rows; whoever reads its elements, as an array or from the `grad` of a tensor, gets all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .op import ops
from .tape import Array
from .tensor import Tensor
from .versions import tick


def add_rows(y: Any, rows: Any, x: Any) -> None:
    """np.add.at of whole rows, which NumPy adds ten times as fast element by element: 1024 rows of
    128 take 140 us and not 1600; in parts, as the places of elements take memory."""
    n = y[0].size
    flat, x, within = y.reshape(-1), x.reshape(-1, n), np.arange(n)
    step = max(1, 2**16 // n)
    for i in range(0, len(rows), step):
        places = (rows[i : i + step] % len(y))[:, None] * n + within
        np.add.at(flat, places.reshape(-1), x[i : i + step].reshape(-1))


class Rows:
    """Zeros of `shape` with `values` added at the rows `index`, which may repeat."""

    __slots__ = ("index", "values", "shape", "dtype")

    def __init__(self, index: Array, values: Array, shape: tuple[int, ...]) -> None:
        self.index = index.reshape(-1)
        self.values = values.reshape(-1, *shape[1:])
        self.shape, self.dtype = shape, values.dtype

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        whole = ops.scatter_add.forward(self.values, shape=self.shape, index=self.index)
        return np.asarray(whole, dtype)

    def __add__(self, other: Any) -> Any:
        if other.__class__ is not Rows:
            return np.asarray(self) + other
        index = np.concatenate([self.index, other.index])
        return Rows(index, np.concatenate([self.values, other.values]), self.shape)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kw: Any) -> Any:
        return getattr(ufunc, method)(
            *[np.asarray(x) if x.__class__ is Rows else x for x in inputs], **kw
        )

    def astype(self, dtype: Any) -> Rows:
        """The same in another dtype."""
        return Rows(self.index, self.values.astype(dtype), self.shape)

    def merged(self) -> tuple[Array, Array]:
        """The numbers of the rows, each once, and what was added up in each."""
        index, place = np.unique(self.index, return_inverse=True)
        shape = (len(index), *self.shape[1:])
        return index, ops.scatter_add.forward(self.values, shape=shape, index=place.reshape(-1))


class RowsGrad(Tensor):
    """A `grad` of which few rows are not 0: `rows`, until its array is asked for."""

    __slots__ = ("rows", "whole")

    def __init__(self, rows: Rows) -> None:
        self.rows: Rows | None = rows
        self.whole: Any = None
        self._grad = self.extra = self.version = self.op = self.kw = None
        self.sources = self.args = ()
        self.serial, self.requires_grad = tick(), False

    @property
    def array(self) -> Array:
        """All elements; who has them may change them, so that the rows say nothing any more."""
        if self.rows is not None:
            self.whole, self.rows = np.asarray(self.rows), None
        return self.whole

    @array.setter
    def array(self, a: Array) -> None:
        self.whole, self.rows = a, None
