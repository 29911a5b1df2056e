"""The model of a drawing: what DOT, text, Mermaid and the film put on paper.

It holds words and numbers, no tensors: a drawing does not keep the memory of the tape. Nodes are
numbered in tape order, so the same computation gives the same drawing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from ..origin import Place
from ..program.names import ends, typeset, words
from .facts import Facts

__all__ = ["Arrow", "Box", "Card", "Drawing", "Gift", "Grid", "Panel", "Tile", "Window", "order"]


class Tile(NamedTuple):
    """An element of a grid; `role` is "first" or "next", of which window it is, or "padding"."""

    text: str
    role: str


class Grid(NamedTuple):
    """The corner of an array, row by row."""

    caption: str
    tiles: list[list[Tile]]


class Window(NamedTuple):
    """Grids with the signs between them: what the first step of a moving window does."""

    words: str
    size: tuple[int, ...]
    grids: list[Grid]
    signs: list[str]


@dataclass
class Card:
    """A node of the drawing. `kind` is op, parameter, input, result, module, hidden or note."""

    key: str
    kind: str
    title: str
    shape: str = ""
    family: str = ""
    symbol: str = ""
    path: str = ""  # the frame it is drawn in: a dotted module, "#2" at its second call
    beside: str = ""  # the operation that it is drawn next to, on the same rank
    lines: list[str] = field(default_factory=list)  # plain facts
    value: str = ""
    alarm: str = ""  # how many of its values are no numbers
    grad: str = ""
    forward: str = ""
    backward: list[str] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)
    step: int = 0  # when the backward pass comes to it, from 1; 0: never
    times: int = 1  # the operations that it stands for, in equal modules
    judge: str = "compared"  # where the verdict is from, in a word
    verdict: str = ""  # of `compare`, about the gradient of this tensor, or a finding
    sign: str = ""  # of the verdict
    tone: str = ""  # the name of its colour
    mistakes: list[str] = field(default_factory=list)  # what explains a wrong gradient
    opens: str = ""  # the module that is folded on it
    book: dict[str, str] = field(default_factory=dict)  # formulas as a textbook writes them
    window: Window | None = None  # that it moves over its input

    def said(self, formula: str) -> str:
        """One of its formulas, which are code, as pictures have it."""
        return typeset(self.book.get(formula, formula))

    def rules(self) -> list[str]:
        """Its gradients, of many those at either end."""
        return ends(self.backward)


@dataclass
class Arrow:
    """An edge of the drawing: data from `source` to `target`, and gradients back, `grads`.

    A gradient is its norm, or the signed number itself if it is a single number (`signed`). An
    edge that stands for several, because one of its ends is folded, has several.
    """

    source: str
    target: str
    tracked: bool
    grads: list[float] = field(default_factory=list)
    signed: bool = False
    spine: bool = False


class Box(NamedTuple):
    """A module that cards stand in: its name, and what it is."""

    title: str
    what: str


@dataclass
class Gift:
    """A gradient on its way from one card to another; `name` is what it is a gradient of."""

    name: str
    key: str
    facts: Facts | None
    formula: str = ""


@dataclass
class Panel:
    """The numbers of one card. `arrays` are what its formulas name, the card's own one last."""

    arrays: dict[str, Facts] = field(default_factory=dict)
    total: Facts | None = None  # the gradient that arrives
    parts: list[Gift] = field(default_factory=list)  # what it is the sum of
    leaving: list[Gift] = field(default_factory=list)
    place: Place | None = None
    line: str = ""  # the text of that line
    times: int = 1  # tensors that the card stands for; the numbers are those of the first


@dataclass
class Drawing:
    """All that there is to draw."""

    title: str
    facts: list[str]
    view: str
    nodes: list[Card] = field(default_factory=list)
    edges: list[Arrow] = field(default_factory=list)
    modules: dict[str, Box] = field(default_factory=dict)  # by their paths
    notes: list[str] = field(default_factory=list)
    panels: dict[str, Panel] = field(default_factory=dict)  # what the film tells, by card
    judgement: str = ""  # the sentence that a comparison ends with
    scenes: dict[str, Drawing] = field(default_factory=dict)  # with one more module open

    @cached_property
    def into(self) -> dict[str, list[Arrow]]:
        """The arrows that lead to every card, by its key."""
        into: dict[str, list[Arrow]] = {node.key: [] for node in self.nodes}
        for arrow in self.edges:
            into[arrow.target].append(arrow)
        return into

    @cached_property
    def held(self) -> dict[str, list[Card]]:
        """The cards that stand in every module itself."""
        held: dict[str, list[Card]] = {}
        for node in self.nodes:
            held.setdefault(node.path, []).append(node)
        return held

    @property
    def told(self) -> str:
        """The drawing in one sentence: what it is, and its cards in the order of reading."""
        titles = [words(node.title, 30) for node in self.nodes if node.kind != "note"]
        if len(titles) > 30:
            titles = [*titles[:29], f"and {len(titles) - 29} more"]
        facts = f"{words(self.title)}: {', '.join(self.facts)}"
        cards = ", ".join(titles)
        return f"Computation graph, {facts}. Cards: {cards}. {self.judgement}".strip()

    @cached_property
    def by_key(self) -> dict[str, Card]:
        return {node.key: node for node in self.nodes}


def order(key: str) -> tuple[int, int, str]:
    """Tape order of keys like n12, n12_3 and m12; the result and notes come last."""
    head, _, copy = key[1:].partition("_")
    return (int(head), int(copy or 0), key) if head.isdigit() else (1 << 62, 0, key)
