"""Ctrl-C while something happens that must happen wholly or not at all."""

from __future__ import annotations

import functools
import threading

# `signal` makes enums of handlers, which costs 3 us a call and 0.4 ms to import
from _signal import SIGINT, getsignal  # type: ignore[import-not-found]
from _signal import signal as handle
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, TypeVar

from .engine.modes import mode

__all__ = ["in_own_context", "whole", "wholly"]

F = TypeVar("F", bound=Callable[..., Any])


def whole(function: Callable[..., Any], *args: Any) -> Any:
    """`function(*args)`; a Ctrl-C meanwhile counts when it has returned.

    Handlers of the user are delayed as well as Python's own. It costs 0.6 us. Signals come to the
    main thread alone, so elsewhere it is a plain call.

    >>> whole(max, 1, 2)
    2
    """
    if threading.get_ident() != MAIN:
        return function(*args)
    handler = getsignal(SIGINT)
    if not callable(handler):  # Ctrl-C ends the process, or does nothing
        return function(*args)
    pressed: list[Any] = []
    handle(SIGINT, lambda *found: pressed.append(found))
    try:
        return function(*args)
    finally:
        handle(SIGINT, handler)
        if pressed:
            handler(*pressed[0])


def wholly(function: F) -> F:
    """A function whose calls are `whole`; a decorator.

    >>> @wholly
    ... def double(x):
    ...     return 2 * x
    >>> double(2)
    4
    """

    @functools.wraps(function)
    def wrapper(*args: Any, **kw: Any) -> Any:
        return whole(functools.partial(function, *args, **kw))

    return wrapper  # type: ignore[return-value]


def in_own_context(function: F) -> F:
    """A function whose calls leave NumPy's `errstate` and `is_grad_enabled()` as they are, wherever
    Ctrl-C ends them.

    A `with` alone does not: an interrupt may come as its `__exit__` begins, before the first line.

    >>> @in_own_context
    ... def silent():
    ...     np.seterr(all="ignore")
    >>> before = np.geterr()
    >>> _ = silent()
    >>> np.geterr() == before
    True
    """

    @functools.wraps(function)
    def wrapper(*args: Any, **kw: Any) -> Any:
        outer = mode.grad
        try:
            return copy_context().run(function, *args, **kw)
        finally:
            mode.grad = outer

    return wrapper  # type: ignore[return-value]


MAIN = threading.main_thread().ident
