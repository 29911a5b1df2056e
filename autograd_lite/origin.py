"""Where an operation was called: the line of the user's file, and the module that it ran in."""

from __future__ import annotations

import sys
import threading
from collections import deque
from types import FrameType
from typing import Any, NamedTuple, Self
from weakref import ref

from .engine import modes
from .engine.modes import mode
from .engine.user import users_frame

__all__ = ["Place", "place", "record_lines"]

# The last calls of modules: the serial numbers given out before and after, the module and its type.
# What an operation's number lies between is the module that it ran in. They are noted from when a
# reader is imported that asks for it (graph, derivation), as that takes 3 % of a step of a
# 784-64-10 network at batch 16.
noting = False


class Calls(threading.local):
    """Those of one thread: another one's operations have serial numbers in between."""

    def __init__(self) -> None:
        self.log: deque[tuple[int, int, ref[Any], type]] = deque(maxlen=10_000)


calls = Calls()


class Place(NamedTuple):
    """A line of a user's file, and the dotted path and type of the module that called the
    operation: `module` is empty outside of modules and in the outermost one."""

    file: str
    line: int
    function: str
    module: str
    kind: str

    def __str__(self) -> str:
        text = f"{self.file}:{self.line} in {self.function}" if self.file else "an unknown line"
        if self.module:
            return f"{text}, in module {self.module} ({self.kind})"
        return f"{text}, in module {self.kind}" if self.kind else text


class record_lines:
    """Meanwhile, in this thread, every recorded operation keeps the line that called it.

    `draw` and `derive` show it, and `origin_of` tells it; it costs some microseconds an operation,
    and nothing when off.

    >>> x = tensor(2.0, requires_grad=True)
    >>> with record_lines():
    ...     y = x * x
    >>> origin_of(y).line > 0, origin_of(x) is None
    (True, True)
    """

    def __init__(self) -> None:
        self.outer: list[Any] = []

    def __enter__(self) -> Self:
        self.outer.append(mode.watcher)
        modes.watchers.append(self)  # before it may be asked
        mode.watcher = self
        return self

    def __exit__(self, *error: object) -> None:
        mode.watcher = self.outer.pop()
        modes.watchers.remove(self)

    @property
    def around(self) -> Any:
        """The watcher outside of this one, which may be entered twice."""
        return next((w for w in reversed(self.outer) if w is not self), None)

    def made(self, op: Any, t: Any, parents: Any, args: Any, kw: Any) -> None:
        """Called for every result of an operation."""
        if t.op is not None:
            t._more().origin = place()
        if self.around is not None:
            self.around.made(op, t, parents, args, kw)

    def pulled(self, node: Any, p: Any, g: Any, gradient: Any) -> None:
        """Called for every gradient that a rule gives."""
        if self.around is not None:
            self.around.pulled(node, p, g, gradient)


def origin_of(t: Any) -> Place | None:
    """Where a tensor was made, or None if it was made outside of `record_lines` and
    `detect_anomaly`.

    >>> origin_of(tensor(1.0)) is None
    True
    """
    return t.extra.origin if t.extra is not None else None


def place() -> Place:
    """The line outside of these packages that is running, and the module that it runs in."""
    user = users_frame()
    file, line, function = "", 0, ""
    if user is not None:
        file, line, function = user.f_code.co_filename, user.f_lineno, user.f_code.co_name
    owners: list[Any] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        owner: Any = frame.f_locals.get("self")
        if hasattr(owner, "named_modules") and frame.f_code.co_name == "__call__":
            owners.append(owner)
        frame = frame.f_back
    if not owners:
        return Place(file, line, function, "", "")
    inner, root = owners[0], owners[-1]
    module = next((n for n, m in root.named_modules() if m is inner), "")
    return Place(file, line, function, module, type(inner).__name__)
