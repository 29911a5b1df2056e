"""Checks that several functions make."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from autograd_lite.engine.errors import MisfitError
from autograd_lite.engine.user import warned

REDUCTIONS = ("mean", "sum", "none")


def check_reduction(name: str, reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise MisfitError(f"{name}: reduction is 'mean', 'sum' or 'none', got {reduction!r}")


def reduction_of(size_average: bool | None, reduce: bool | None) -> str:
    """The `reduction` that PyTorch's words before 0.4.1 mean, with a warning."""
    word = "none" if reduce is False else "sum" if size_average is False else "mean"
    warned(f"size_average and reduce are PyTorch's words before 0.4.1; write reduction={word!r}")
    return word


def in_old_words(loss: Callable[..., Any]) -> Callable[..., Any]:
    """A loss that takes `size_average` and `reduce` too."""

    @wraps(loss)
    def call(
        *args: Any, size_average: bool | None = None, reduce: bool | None = None, **kw: Any
    ) -> Any:
        if not (size_average is reduce is None):
            kw["reduction"] = reduction_of(size_average, reduce)
        return loss(*args, **kw)

    return call


def check_probability(name: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise MisfitError(f"{name}: p is a probability from 0 to 1, got {p}")
