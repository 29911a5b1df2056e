"""Checks that several functions make."""

from __future__ import annotations

from typing import Any

from autograd_lite.engine.errors import MisfitError

REDUCTIONS = ("mean", "sum", "none")


def within(a: Any, low: float, high: float) -> bool:
    return not a.size or bool(low <= a.min() and a.max() <= high)


def check_reduction(name: str, reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise MisfitError(f"{name}: reduction is 'mean', 'sum' or 'none', got {reduction!r}")


def check_probability(name: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise MisfitError(f"{name}: p is a probability from 0 to 1, got {p}")
