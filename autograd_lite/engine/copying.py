"""Copies of tensors: deep ones with their record, and pickles of leaves."""

from __future__ import annotations

from typing import Any

from .methods import on_tensors
from .tape import before, walk
from .tensor import Tensor
from .versions import check_versions, tick


@on_tensors
class Copying:
    """What `copy` and `pickle` call."""

    def __deepcopy__(self: Any, memo: dict[int, Any]) -> Tensor:
        """A copy of this tensor and of everything it was computed from, without recursion."""
        for old in reversed(list(walk(self, released=lambda node: (), unfold=True))):
            if id(old) not in memo:
                memo[id(old)] = old._copied(memo)
        return memo[id(self)]

    def _copied(self: Any, memo: dict[int, Any]) -> Tensor:
        t = object.__new__(self.__class__)  # which a trace hides a class of its own behind
        t.array = self.array.copy(order="K")
        t.requires_grad, t.op, t.kw, t.serial = self.requires_grad, self.op, self.kw, tick()
        t._grad = t.extra = t.version = None
        if self._grad is not None:
            t._grad = Tensor(self._grad.array.copy())
        if self.extra is not None:
            t.name = self.name
        if self.parents is None:
            t.sources = t.args = None
            return t
        if self.op is None:
            t.sources = t.args = ()
            return t
        check_versions(self)
        t.sources = tuple(
            None if p is None else memo[id(before(p, self.serial))] for p in self.parents
        )
        t.args = tuple(
            a if p is None else p.array for p, a in zip(t.sources, self.args, strict=True)
        )
        return t

    def __reduce__(self: Any) -> Any:
        if self.op is not None:
            raise TypeError(
                "copy and pickle: only a leaf can be copied or pickled; use clone() or detach()"
            )
        return self.__class__, (self.array, self.requires_grad, self.name)
