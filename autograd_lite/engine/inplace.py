"""Changes in place: the tensor takes a new record, and the one before stays as its input. So does
everything that shows the same memory: what it is a view of, and the other views of that."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from .arrays import ints_first, plain_index, unboxed
from .axes import is_basic, part_of
from .errors import MisfitError
from .hooks import Extra
from .methods import on_tensors
from .modes import mode
from .op import Op, ops, table
from .tensor import Tensor, new, padded, record, result
from .versions import HELD, LOOSE, Memory, changed, route, shared_version, tick, viewed


def require_recordable(op: Op, path: list[Any]) -> None:
    """RuntimeError unless a change of the first of `path`, which shows the memory of the others,
    can be recorded."""
    for t in path:
        if t.op is None and t.requires_grad:
            raise RuntimeError(
                f"{op.name}: a leaf that requires grad cannot be changed in place"
                + ", nor can a view of it" * (t is not path[0])
                + "; do it inside no_grad(), or write x = x + ... instead of x += ..."
            )
        if t.args is HELD or t.args is LOOSE:
            raise RuntimeError(
                f"{op.name}: a view that was made in no_grad() cannot be changed in place by a "
                "recorded operation; make the view outside of no_grad(), or change it inside"
            )
    for t, base in pairwise(path):
        made = t.op or t.args[1]
        known = made.kind == "view" and t.size == base.size and table.get(made.name) is made
        if made is not ops.getitem and not known:
            raise RuntimeError(
                f"{op.name}: a change in place of what {made.name} shows of a tensor cannot be "
                "recorded; write v = v + ... instead of v += ..."
            )


def put_back(t: Any, base: Any, value: Any) -> Any:
    """`base` with `value` in the place that the view `t` shows of it, recorded."""
    _, op, kw = viewed(t)  # type: ignore[misc]
    if op is ops.getitem:
        args = base.array, value.array  # which `value` has been written to
        return result(ops.put, base.array, True, (base, value), args, kw)
    return op.rules[0](value, t, base, **kw)  # it shows all elements: its adjoint is its inverse


def instead(sources: Any, olds: dict[Any, Any]) -> Any:
    """The inputs of a record, with those of `olds` as they were."""
    if sources.__class__ is tuple:
        return tuple([olds.get(p, p) for p in sources])
    return olds.get(sources, sources)


def kept(args: Any, memory: Any) -> Any:
    """The inputs of a record, those that are in memory that changes copied."""
    copies = {
        id(a): a.copy()
        for a in args
        if isinstance(a, np.ndarray) and np.may_share_memory(a, memory)
    }
    return tuple([copies.get(id(a), a) for a in args])


def earlier(t: Any, olds: dict[Any, Any], stamp: int) -> Any:
    """`t` as it was before its memory was changed at `stamp`; the hooks stay with that value."""
    old = new(Tensor)
    for slot in ("array", "requires_grad", "op", "sources", "args", "kw", "serial"):
        setattr(old, slot, getattr(t, slot))
    old.sources = instead(old.sources, olds)
    old._grad, old.extra, old.version = None, t._more(), Memory(stamp)
    t.extra = Extra(name=t.name, retain=t.extra.retain, previous=old)
    old.extra.retain = False
    return old


@on_tensors
class InPlace:
    """Methods that change a tensor in place."""

    def _overwrite(self: Any, op: Op, *others: Any, **kw: Any) -> Tensor:
        """Make this tensor `op(self, *others)`, in its own memory, and record that."""
        path = route(self)
        tracked = mode.grad and (
            path[-1].requires_grad
            or self.requires_grad
            or self.args is HELD
            or any(isinstance(x, Tensor) and x.requires_grad for x in others)
        )
        if tracked:
            require_recordable(op, path)
        for x in others:
            if hasattr(x, "dtype") and not np.can_cast(x.dtype, self.dtype, "same_kind"):
                raise TypeError(f"{op.name}: {x.dtype} cannot be put into a tensor of {self.dtype}")
        t = record(op, (self, *others), kw)
        if t.shape != self.shape:
            raise MisfitError(
                f"{op.name}: in place, the result of shape {t.shape} does not fit into this "
                f"tensor of shape {self.shape}"
            )
        if not np.can_cast(t.dtype, self.dtype, "same_kind"):
            raise TypeError(f"{op.name}: {t.dtype} cannot be put into a tensor of {self.dtype}")
        if tracked:
            t.args = kept(t.args, self.array)
        self.array[...] = t.array
        changed(self)
        if tracked:
            self._follow(path, t)
        return self

    def _follow(self: Any, path: list[Any], t: Any) -> None:
        """Give new records to all that show the memory that was changed: `t` is the new value."""
        root, memory = path[-1], shared_version(self)
        place = t.kw["index"] if t.op is ops.put else ...
        part = part_of(self.array, place) if is_basic(place) else self.array
        family = dict.fromkeys(reversed(path))  # bases stand before their views
        for v in [r() for r in memory.views]:
            if v is None or v in family or route(v)[-1] is not root:
                continue
            if not v.requires_grad or np.may_share_memory(v.array, part):
                family[v] = None
        links = {v: viewed(v) for v in family}
        olds: dict[Any, Any] = {}
        for v in family:
            olds[v] = earlier(v, olds, memory.changed)
        for p, a in zip(padded(t.sources, t.args), t.args, strict=True):
            if p in olds:
                olds[p].array = a
        t.sources, t.serial = instead(t.sources, olds), tick()
        for v, base in pairwise(path):
            t = put_back(v, olds[base], t)
        root.op, root.sources, root.args, root.kw = t.op, t.sources, t.args, t.kw
        if t.extra is not None:
            root.extra.origin = t.extra.origin
        for v, made in links.items():
            if made is not None and v.op is None:
                base, v.op, v.kw = made
                v.sources, v.args = base, (base.array,)
            v.requires_grad, v.serial = True, tick()
        memory.recorded = memory.last = tick()

    def _move(self: Any, op: Op, *others: Any) -> None:
        """Make this tensor, which needs no gradient, `op(self, *others)` in its own memory; nothing
        is recorded, so that it takes a third of the time of `_overwrite`."""
        self.array[...] = op.forward(self.array, *unboxed(others))
        changed(self)

    def __setitem__(self: Any, index: Any, value: Any) -> None:
        if not is_basic(index) and (found := ints_first(index)) is not None:
            self[found[0]][found[1]] = value
            return
        index = plain_index(index)
        made = viewed(value) if isinstance(value, Tensor) and is_basic(index) else None
        if made is not None and made[0] is self and made[2] == {"index": index}:
            return  # the end of y[0] += 1, which has changed what y[0] shows
        self._overwrite(ops.put, value, index=index)

    def add_(self: Any, other: Any, alpha: float = 1) -> Tensor:
        """Add alpha * other in place."""
        return self._overwrite(ops.add, other if alpha == 1 else other * alpha)

    def sub_(self: Any, other: Any, alpha: float = 1) -> Tensor:
        """Subtract alpha * other in place."""
        return self._overwrite(ops.sub, other if alpha == 1 else other * alpha)

    def mul_(self: Any, other: Any) -> Tensor:
        """Multiply in place."""
        return self._overwrite(ops.mul, other)

    def div_(self: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
        """Divide in place; rounded where `div` would be."""
        if rounding_mode is None:
            return self._overwrite(ops.div, other)
        return self.copy_(self.clone().div(other, rounding_mode=rounding_mode))

    subtract_, multiply_, divide_, true_divide_ = sub_, mul_, div_, div_

    def copy_(self: Any, other: Any, non_blocking: bool = False) -> Tensor:
        """Take the values of `other`, which broadcasts, in the dtype of this tensor."""
        if isinstance(other, Tensor) and other.dtype.kind != self.dtype.kind:
            other = other.to(self.dtype)
        return self._overwrite(ops.put, other, index=...)

    def fill_(self: Any, value: float) -> Tensor:
        """Set every element to a number."""
        return self._overwrite(ops.put, value, index=...)

    def zero_(self: Any) -> Tensor:
        """Set every element to 0."""
        return self._overwrite(ops.put, 0, index=...)
