"""Changes in place: the tensor takes a new record, and the one before stays as its input."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arrays import plain_index, unboxed
from .hooks import Extra
from .methods import on_tensors
from .modes import mode
from .op import Op, ops
from .tensor import Tensor, new, record
from .versions import changed, is_view, shared_version, tick


@on_tensors
class InPlace:
    """Methods that change a tensor in place."""

    def _overwrite(self: Any, op: Op, *others: Any, **kw: Any) -> Tensor:
        """Make this tensor `op(self, *others)`, in its own memory, and record that."""
        tracked = mode.grad and (
            self.requires_grad or any(isinstance(x, Tensor) and x.requires_grad for x in others)
        )
        old: Tensor = self
        if tracked:
            if self.op is None and self.requires_grad:
                raise RuntimeError(
                    f"{op.name}: a leaf that requires grad cannot be changed in place; "
                    "do it inside no_grad(), or write x = x + ... instead of x += ..."
                )
            if is_view(self):
                raise RuntimeError(
                    f"{op.name}: a change in place of a view of a tensor cannot be recorded; write "
                    "v = v + ... instead of v += ..., y[0] = y[0] + ... instead of y[0] += ..., "
                    "and y[0, 1] = ... instead of y[0][1] = ..."
                )
            old = new(Tensor)
            for slot in ("requires_grad", "op", "sources", "args", "kw", "serial"):
                setattr(old, slot, getattr(self, slot))
            old.grad = old.extra = old.version = None
            old.array = self.array.copy()
        for x in others:
            if hasattr(x, "dtype") and not np.can_cast(x.dtype, self.dtype, "same_kind"):
                raise TypeError(f"{op.name}: {x.dtype} cannot be put into a tensor of {self.dtype}")
        t = record(op, (old, *[old if x is self else x for x in others]), kw)
        if t.shape != self.shape:
            raise ValueError(
                f"{op.name}: in place, the result of shape {t.shape} does not fit into this "
                f"tensor of shape {self.shape}"
            )
        if not np.can_cast(t.dtype, self.dtype, "same_kind"):
            raise TypeError(f"{op.name}: {t.dtype} cannot be put into a tensor of {self.dtype}")
        self.array[...] = t.array
        stamp = tick()
        shared_version(self)[0] = stamp
        if tracked:
            self.version[1] = stamp
            old.array, old.extra = self.array, self._more()  # the hooks stay with the old value
            old.version = [stamp, 0, old.array]
            self.extra = Extra(name=old.name, retain=old.extra.retain, previous=old)
            old.extra.retain = False
            self.requires_grad, self.op, self.sources = True, op, t.sources
            self.args, self.kw, self.serial = t.args, kw, tick()
        return self

    def _move(self: Any, op: Op, *others: Any) -> None:
        """Make this tensor, which needs no gradient, `op(self, *others)` in its own memory; nothing
        is recorded, so that it takes a third of the time of `_overwrite`."""
        self.array[...] = op.forward(self.array, *unboxed(others))
        changed(self)

    def __setitem__(self: Any, index: Any, value: Any) -> None:
        self._overwrite(ops.put, value, index=plain_index(index))

    def add_(self: Any, other: Any, alpha: float = 1) -> Tensor:
        """Add alpha * other in place."""
        return self._overwrite(ops.add, other if alpha == 1 else other * alpha)

    def sub_(self: Any, other: Any, alpha: float = 1) -> Tensor:
        """Subtract alpha * other in place."""
        return self._overwrite(ops.sub, other if alpha == 1 else other * alpha)

    def mul_(self: Any, other: Any) -> Tensor:
        """Multiply in place."""
        return self._overwrite(ops.mul, other)

    def div_(self: Any, other: Any) -> Tensor:
        """Divide in place."""
        return self._overwrite(ops.div, other)

    def copy_(self: Any, other: Any) -> Tensor:
        """Take the values of `other`, which broadcasts."""
        return self._overwrite(ops.put, other, index=...)

    def fill_(self: Any, value: float) -> Tensor:
        """Set every element to a number."""
        return self._overwrite(ops.put, value, index=...)

    def zero_(self: Any) -> Tensor:
        """Set every element to 0."""
        return self._overwrite(ops.put, 0, index=...)
