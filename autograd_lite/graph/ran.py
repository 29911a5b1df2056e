"""What ran, and not only what was recorded: an operation that needs no gradient is drawn too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..engine.op import Op
from ..engine.tensor import Tensor
from ..origin import record_lines

__all__ = ["DETACH", "Ran"]

# the same array in another tensor: `detach`, `.data`, or by way of NumPy
DETACH = Op("detach", lambda x: x, kind="view", named=True)
SLOTS = ("op", "sources", "args", "kw")


class Ran(record_lines):
    """Meanwhile, in this thread, every operation is noted, with the line that called it.

    >>> with Ran() as ran:
    ...     y = tensor(2.0) * 3
    >>> with ran.recorded():
    ...     y.op.name, y.requires_grad
    ('mul', False)
    >>> y.op is None
    True
    """

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[tuple[Tensor, Op, Any, Any, Any]] = []

    def made(self, op: Any, t: Any, parents: Any, args: Any, kw: Any) -> None:
        """Called for every result of an operation."""
        super().made(op, t, parents, args, kw)
        self.notes.append((t, op, parents, args, kw))

    compared = made  # a comparison has no derivative, so that nobody else asks for it

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Meanwhile the results that need no gradient are their own records, as the others are."""
        kept: list[tuple[Tensor, list[Any]]] = []

        def record(t: Tensor, *record: Any) -> None:
            kept.append((t, [getattr(t, slot) for slot in SLOTS]))
            for slot, value in zip(SLOTS, record, strict=True):
                setattr(t, slot, value)

        made: dict[int, Tensor] = {}  # by the array, which its tensor keeps alive
        try:
            for t, op, parents, args, kw in self.notes:
                for p in parents:
                    if p is None or p.op is not None or p.requires_grad:
                        continue
                    first = made.get(id(p.array))
                    if first is not None and first is not p:
                        record(p, DETACH, (first,), (first.array,), {})
                if t.op is None and not t.requires_grad:
                    record(t, op, parents, args, kw)
                made.setdefault(id(t.array), t)
            yield
        finally:
            for t, values in reversed(kept):
                for slot, value in zip(SLOTS, values, strict=True):
                    setattr(t, slot, value)
