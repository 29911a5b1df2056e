"""Sums over time: terms that differ by the number of a step alone are written once."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Series", "series"]

FEWEST = 3  # terms that are worth a sign for their sum


class Series(NamedTuple):
    """A sum of `term` over t from `first` to `last`."""

    term: str
    first: int
    last: int


def series(terms: list[str], number: str, index: str) -> Series | None:
    r"""Terms as one with t for the number of a step, where they differ by that alone.

    `number` is a pattern for what numbers a name, `index` writes one: "[{}]".

    >>> series(["h2.T @ d_z3", "h1.T @ d_z2", "h0.T @ d_z1"], r"(?<=[A-Za-z])(\d+)", "[{}]")
    Series(term='h[t-1].T @ d_z[t]', first=1, last=3)
    """
    if len(terms) < FEWEST:
        return None
    split = [re.split(number, term) for term in terms]
    if len({tuple(parts[::2]) for parts in split}) > 1:
        return None
    numbers = [list(map(int, parts[1::2])) for parts in split]
    columns = list(map(list, zip(*numbers, strict=True)))
    moving = [column for column in columns if len(set(column)) > 1]
    if not moving:
        return None
    steps = max(moving)
    low = min(steps)
    if sorted(steps) != list(range(low, low + len(steps))):
        return None
    parts = split[0]
    for i, column in enumerate(columns):
        apart = {n - t for n, t in zip(column, steps, strict=True)}
        if column in moving and len(apart) > 1:
            return None
        if column in moving:
            parts[2 * i + 1] = index.format(f"t{apart.pop():+d}".removesuffix("+0"))
    return Series("".join(parts), low, low + len(steps) - 1)
