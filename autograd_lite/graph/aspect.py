"""A drawing on a page of a given shape: the layout that has the largest letters there."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise, product
from typing import NamedTuple

from ..program.modules import parents
from .dot import Layout
from .model import Drawing

__all__ = ["Fitted", "fitted", "pixels_of"]

PAGES = {"A4": (1240, 1754), "A4 landscape": (1754, 1240)}  # pixels, at 150 to an inch
SHORT = 1080  # pixels of the shorter side of a screen
LEGIBLE = 14  # pixels of letters that can be read from the back of a room
SMALL = 12  # points of the smallest letters
LARGEST = 3.0  # pixels to a point, for drawings of a few cards
MARGIN = 18  # points around a drawing, at least
COLUMNS = 6  # at most
MANY = 200  # cards; the letters of more are tiny in columns, too
NEAR = 2  # ranks before and behind an equal division at which a column may end
PILL, TORN = 45, 60  # points that an arrow to another column, and a frame in two columns, cost
SIZE = re.compile(r"graph \S+ (\S+) (\S+)")
NODE = re.compile(r"^node (\w+) (\S+) (\S+) (\S+) (\S+)", re.MULTILINE)


class Fitted(NamedTuple):
    """A layout, the pixels to a point at which it fills a page of so many pixels, and its letters:
    the smallest have `letters` pixels."""

    layout: Layout
    scale: float
    page: tuple[int, int]
    letters: float

    @property
    def remark(self) -> str:
        """What is to be said of letters that are too small; nothing if they are not."""
        if round(self.letters, 1) >= LEGIBLE:
            return ""
        width, height = self.page
        return (
            f"At {width:,} × {height:,} pixels the smallest letters have {self.letters:.1f}, and "
            f"it takes {LEGIBLE} to be read with ease. Fewer cards have larger ones: depth=0 "
            'draws one card per module, formulas=False or view="forward" smaller cards.'
        )


class Spot(NamedTuple):
    """Where a card stands along the flow of the drawing, in points."""

    begin: float
    middle: float
    end: float


def pixels_of(aspect: str) -> tuple[int, int]:
    """Width and height of a page in pixels; ValueError if there is no such page.

    >>> pixels_of("16:9"), pixels_of("A4")
    ((1920, 1080), (1240, 1754))
    """
    if str(aspect) in PAGES:
        return PAGES[aspect]
    found = re.fullmatch(r"(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)", str(aspect))
    width, height = map(float, found.groups()) if found else (0.0, 0.0)
    if not (height and 0.25 <= width / height <= 4):
        known = ", ".join(map(repr, PAGES))
        raise ValueError(
            f'draw: aspect={aspect!r} is no shape of a page; give "16:9", "4:3" or another ratio '
            f"of width to height, from 1:4 to 4:1, or {known}"
        )
    short = SHORT / min(width, height)
    return round(width * short), round(height * short)


def fitted(
    drawing: Drawing, aspect: str, direction: str | None, measure: Callable[[Layout], str]
) -> Fitted:
    """The layout with the largest letters on a page: down or to the right, unless the direction is
    given, in one column (or row) or several. `measure` lays it out, as Graphviz's "plain" text."""
    page = pixels_of(aspect)
    best: tuple[float, float, float, Layout] | None = None
    for way in (direction,) if direction else ("TB", "LR"):
        spots: dict[str, Spot] = {}
        before = 0.0
        for layout in layouts(drawing, way, spots):
            told = measure(layout)
            width, height = (72 * float(x) for x in SIZE.match(told).groups())  # type: ignore[union-attr]
            if not spots:
                spots |= spots_in(told, way)
            scale = min(LARGEST, page[0] / (width + 2 * MARGIN), page[1] / (height + 2 * MARGIN))
            if best is None or scale > best[0]:
                best = scale, width, height, layout
            if scale <= before:  # more columns are wider still
                break
            before = scale
    assert best is not None
    scale, width, height, layout = best
    pad = (page[0] / scale - width) / 144, (page[1] / scale - height) / 144
    return Fitted(layout._replace(pad=pad), scale, page, SMALL * scale)


def layouts(drawing: Drawing, way: str, spots: Mapping[str, Spot]) -> Iterator[Layout]:
    """In one column, then in more; `spots` are those of the first, known once it was laid out."""
    yield Layout(way, least=SMALL)
    for n in range(2, COLUMNS + 1 if len(drawing.nodes) <= MANY else 2):
        if (columns := in_columns(drawing, spots, n)) is not None:
            yield Layout(way, columns, least=SMALL)


def spots_in(told: str, way: str) -> dict[str, Spot]:
    spots = {}
    for key, *numbers in NODE.findall(told):
        x, y, width, height = (72 * float(n) for n in numbers)
        middle, half = (-y, height / 2) if way == "TB" else (x, width / 2)
        spots[key] = Spot(middle - half, middle, middle + half)
    return spots


def in_columns(drawing: Drawing, spots: Mapping[str, Spot], n: int) -> dict[str, int] | None:
    """The columns of the cards, of which the longest is short and few arrows and frames go from
    one to the next; None if there are not so many ranks."""
    middles = sorted({round(spot.middle) for spot in spots.values()})
    if len(middles) < 2 * n:
        return None
    gaps = [(a + b) / 2 for a, b in pairwise(middles)]
    low, high = middles[0], middles[-1]
    near = []
    for i in range(1, n):
        at = bisect_right(gaps, low + (high - low) * i / n)
        near.append(gaps[max(0, at - NEAR - 1) : at + NEAR])
    rank = {node.key: spots[node.beside or node.key].middle for node in drawing.nodes}
    framed = [(path, node.key) for node in drawing.nodes for path in parents(node.path)]

    def columns(cuts: tuple[float, ...]) -> dict[str, int]:
        return {key: bisect_right(cuts, middle) for key, middle in rank.items()}

    def cost(cuts: tuple[float, ...]) -> float:
        of = columns(cuts)
        if len(set(of.values())) < n:
            return float("inf")
        held: dict[int, list[Spot]] = {}
        for key, column in of.items():
            held.setdefault(column, []).append(spots[key])
        longest = max(max(s.end for s in c) - min(s.begin for s in c) for c in held.values())
        over = {(e.source, of[e.target]) for e in drawing.edges if of[e.source] != of[e.target]}
        torn = len({(path, of[key]) for path, key in framed}) - len(drawing.modules)
        return longest + PILL * len(over) + TORN * torn

    cuts = min(sorted(set(product(*near))), key=cost)
    return columns(cuts) if cost(cuts) < float("inf") else None
