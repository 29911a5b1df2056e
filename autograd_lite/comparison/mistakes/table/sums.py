"""Wrong sums over the axes that broadcasting stretched: of `g` over `axes`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .row import sum_along


def last_sample(g: Any, axes: tuple[int, ...]) -> Any:
    return g[tuple(slice(-1, None) if i in axes else slice(None) for i in range(g.ndim))]


def rest(g: Any, axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(i for i in range(g.ndim) if i not in axes)


def first_sample(g: Any, axes: tuple[int, ...]) -> Any:
    return g[tuple(slice(1) if i in axes else slice(None) for i in range(g.ndim))]


def one_of_batch(i: int, k: int = 0) -> Callable[[Any, tuple[int, ...]], Any]:
    """The sum over all but the `k`th of the axes, of the first or the last on that one alone."""

    def change(g: Any, axes: tuple[int, ...]) -> Any:
        if len(axes) < 2:
            raise ValueError("last-sample-only: one axis")
        one = np.take(g, [i], axis=axes[k])
        return np.sum(one, axis=axes)

    return change


def counted_once(g: Any, axes: tuple[int, ...]) -> Any:
    """One of the terms, which are equal or 0, as behind a mask: what differs is not counted."""
    terms = g[g != 0]
    if not terms.size or np.ptp(terms):
        raise ValueError("counted-once: terms that differ")
    return 0 * sum_along(g, axes) + terms[0]


SUMS: list[tuple[str, str, Callable[[Any, tuple[int, ...]], Any]]] = [
    ("bias-not-summed", "left per sample: sum over the axis of the batch", lambda g, axes: g),
    (
        "bias-averaged",
        "mean over the batch for the sum",
        lambda g, axes: sum_along(g, axes) / np.prod([g.shape[i] for i in axes]),
    ),
    ("last-sample-only", "only the last sample counts: = for +=", last_sample),
    ("last-sample-only", "only the first sample counts", first_sample),
    ("last-sample-only", "only the last sample counts: = for +=", one_of_batch(-1)),
    ("last-sample-only", "only the first sample counts", one_of_batch(0)),
    ("last-sample-only", "only the last position counts, in each sample", one_of_batch(-1, 1)),
    ("last-sample-only", "only the first position counts, in each sample", one_of_batch(0, 1)),
    (
        "counted-once",
        "counted once for each sample, not as often as it is used: the count is left out",
        counted_once,
    ),
    (
        "summed-over-inputs",
        "summed over the features too",
        lambda g, axes: 0 * sum_along(g, axes) + np.sum(g),
    ),
    ("summed-over-inputs", "summed over the features too", lambda g, axes: np.sum(g)),
    (
        "wrong-axis",
        "summed over the wrong axis",
        lambda g, axes: np.add.reduce(g, axis=rest(g, axes)),
    ),
]
