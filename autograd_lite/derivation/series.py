"""Sums over time, and statements for every step: what differs by the number of a step alone is
written once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["IN_LATEX", "IN_TEXT", "Writing", "series"]

FEWEST = 3  # terms that are worth a sign for their sum


class Writing(NamedTuple):
    """What numbers a name, or stands first in the brackets behind one: a pattern; how an index is
    written there, and a multiple."""

    number: re.Pattern[str]
    spelled: str
    times: str


IN_TEXT = Writing(re.compile(r"(?:(?<=[A-Za-z])|(?<=\w\[))(\d+)(?=_\d|\b)"), "[{}]", "*")
IN_LATEX = Writing(re.compile(r"(?:(?<=_\{)|(?<=[\w}]\[))(\d+)(?=[,}\]])"), "{}", "")


class Series(NamedTuple):
    """A `term` for every t of `steps`, which go up or down by 1."""

    term: str
    steps: list[int]

    @property
    def ends(self) -> tuple[int, int]:
        return min(self.steps), max(self.steps)


def series(
    terms: Sequence[str], writing: Writing, steps: Sequence[int] | None = None
) -> Series | None:
    r"""Terms as one with t for the number of a step, where they differ by that alone: by the steps
    that are given, else by a number that goes up or down by 1.

    >>> series(["h2.T @ d_z3", "h1.T @ d_z2", "h0.T @ d_z1"], IN_TEXT)
    Series(term='h[t-1].T @ d_z[t]', steps=[3, 2, 1])
    >>> series(["v1 = z1_2[0]", "v5 = z2_2[1]", "v9 = z3_2[2]"], IN_TEXT).term
    'v[4*t-3] = z_2[t][t-1]'
    """
    if len(terms) < FEWEST:
        return None
    split = [writing.number.split(term) for term in terms]
    if len({tuple(parts[::2]) for parts in split}) > 1:
        return None
    numbers = [list(map(int, parts[1::2])) for parts in split]
    columns = list(map(list, zip(*numbers, strict=True)))
    by_one = [c for c in columns if (up := c[1] - c[0]) in (1, -1) and c == climb(c[0], up, len(c))]
    moving = [c for c in columns if len(set(c)) > 1]
    if steps is None:
        if not by_one:
            return None
        steps = max(by_one, key=lambda c: (min(c) == 1, c))
    parts = split[0]
    for i, column in enumerate(columns):
        if column in moving:
            slope = (column[1] - column[0]) // (steps[1] - steps[0])
            first = column[0] - slope * steps[0]
            if slope < 1 or column != [slope * t + first for t in steps]:
                return None
            times = "" if slope == 1 else f"{slope}{writing.times}"
            parts[2 * i + 1] = writing.spelled.format(f"{times}t{first:+d}".removesuffix("+0"))
    return Series(tidy("".join(parts)), list(steps))


def climb(first: int, by: int, n: int) -> list[int]:
    """`n` numbers, each `by` more than the one before."""
    return [first + by * i for i in range(n)]


def tidy(term: str) -> str:
    """An index behind the whole name, and in one pair of brackets.

    >>> tidy("d_z[t-1]_2 + d_v[[t], 0:2]")
    'd_z_2[t-1] + d_v[t, 0:2]'
    """
    term = re.sub(r"(?<=\w)(\[[-+*\dt]+\])((?:_\d+)+)\b", r"\2\1", term)
    return re.sub(r"(?<=[\w\]]\[)\[([-+*\dt]+)\]", r"\1", term)
