"""The base of Tensor that operations put their methods on; `methods.pyi` tells type checkers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["Methods", "method"]

F = TypeVar("F", bound=Callable[..., Any])


class Methods:
    """What rows, functions, operators and changes in place add to Tensor."""

    __slots__ = ()


def method(f: F) -> F:
    """Make a function a method of Tensors."""
    setattr(Methods, f.__name__, f)
    return f
