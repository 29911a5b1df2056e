"""Backprop by hand as public courses, books and engines write it, with mistakes planted in it.

An implementation is `f(slip, dt)`, which gives a report of autograd_lite; `slip=None` is the right
version. `@impl(name, door, slips)` says for each slip where the first wrong row must be and what its
first explanation must say: `(row, pattern)`, `((row, other), pattern)`, or "ok" for a variant that is
right. `glue` counts the lines that are there for the comparison alone. `CASES` has them all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograd_lite import tensor

Array = Any
Slips = dict[str, Any]


@dataclass(frozen=True)
class Expected:
    """Where the first wrong gradient must be (any row, where empty) and what is said of it."""

    at: tuple[str, ...] = ()
    words: str = ""
    ok: bool = False


@dataclass(frozen=True)
class Case:
    """One version of an implementation; called, it gives its report."""

    impl: str
    slip: str
    dt: str
    run: Callable[[], Any]
    expected: Expected

    def __call__(self) -> Any:
        with np.errstate(all="ignore"):
            return self.run()

    @property
    def id(self) -> str:
        return f"{self.impl}: {self.slip}"


@dataclass
class Impl:
    """A convention: which door takes it, and how many lines of glue that took."""

    name: str
    door: str
    glue: int
    cases: list[Case] = field(default_factory=list)


IMPLS: dict[str, Impl] = {}
CASES: list[Case] = []


def expected(x: Any) -> Expected:
    if x == "ok":
        return Expected(ok=True)
    at, words = x
    return Expected((at,) if isinstance(at, str) else tuple(at), words)


def impl(
    name: str, door: str, slips: Slips, *, glue: int = 0, f32: bool = True
) -> Callable[[Any], Any]:
    """Register the right version in float64 (and float32) and one for each slip."""

    def register(f: Any) -> Any:
        assert name not in IMPLS, name
        found = IMPLS[name] = Impl(name, door, glue)
        rights = [("right", np.float64)] + [("right in float32", np.float32)] * f32
        versions: list[Any] = [(s, None, dt, Expected(ok=True)) for s, dt in rights]
        versions += [(s, s, np.float64, expected(x)) for s, x in slips.items()]
        for title, slip, dt, what in versions:
            run = lambda slip=slip, dt=dt: f(slip, dt)
            found.cases.append(Case(name, title, dt.__name__, run, what))
        CASES.extend(found.cases)
        return f

    return register


def rand(seed: int, dt: Any = np.float64) -> Callable[..., Array]:
    """Normal numbers of a shape: `rand(0)(3, 4)`, `rand(0)(3, 4, k=0.1)`."""
    rng = np.random.default_rng(seed)
    return lambda *shape, k=1.0: (rng.standard_normal(shape) * k).astype(dt)


def named(arrays: dict[str, Array]) -> dict[str, Any]:
    """Arrays by name as leaf tensors of these names."""
    return {name: tensor(a, requires_grad=True, name=name) for name, a in arrays.items()}


def onehot(y: Array, k: int, dt: Any = float) -> Array:
    return np.eye(k, dtype=dt)[y]


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def state(case: Case, report: Any) -> str:
    """What became of a case: "ok", "named" (first), "among" others, "misnamed", "unexplained" or
    "elsewhere" (the first wrong row is another one)."""
    assert not any("the mistake failed" in remark for remark in report.remarks), report
    if report.ok:
        return "ok"
    row, words = report.first_wrong, case.expected.words
    if row is None:
        return "not judged"
    if case.expected.at and row.name not in case.expected.at:
        return "elsewhere"
    ways = row.explanations or ([row.note] if not row.unexplained else [])
    hits = [bool(words) and re.search(words, way, re.IGNORECASE) is not None for way in ways]
    if not ways or (not any(hits) and not row.explanations):
        return "unexplained"
    return "named" if hits[0] else "among" if any(hits) else "misnamed"
