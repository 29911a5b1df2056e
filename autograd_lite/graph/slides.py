"""A drawing as slides: a picture and a note for every step, in files that any program shows."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from ..program.names import typeset
from .dot import Moment, unseen
from .model import Drawing
from .steps import steps, times
from .text import entry
from .theme import THEMES

__all__ = ["Slide", "slides_of", "spoken", "without_unseen"]


class Slide(NamedTuple):
    """One step: what is drawn, and what is said of it."""

    moment: Moment
    note: str


def slides_of(drawing: Drawing) -> list[Slide]:
    """The whole, then the steps that build it up, forward and backward, each with a note."""
    found = steps(drawing)
    reached, returned = times(drawing, found)
    keys = [node.key for node in drawing.nodes]
    begun = next((i for i, step in enumerate(found) if step["way"] == "seed"), len(found))
    made = []
    for i, step in enumerate(found):
        come = {key for key in keys if i == 0 or reached.get(key, 0) <= i}
        back = {key for key in keys if i == 0 or (i >= begun and returned.get(key, i + 1) <= i)}
        key = step.get("card", "")
        said = typeset(step["say"])
        moment = Moment(frozenset(come), frozenset(back), key, step["way"], said)
        card = drawing.by_key.get(key)
        lines = [step["say"]]
        if card is not None and step["way"] == "forward":  # nothing of what comes back later
            ahead = replace(card, grad="", backward=[], verdict="")
            lines += [line for line in entry(ahead, drawing) if "gradient to" not in line]
        elif card is not None:
            lines += entry(card, drawing)
        made.append(Slide(moment, "\n".join(lines) + "\n"))
    return made


def without_unseen(svg: bytes, theme: str) -> bytes:
    """A picture without the letters that have the colour of their ground, for whoever searches it
    or has it read out."""
    colours = "|".join({unseen(tone).lower() for tone in THEMES[theme].values()})
    return re.sub(rf'<text [^>]*fill="({colours})"[^>]*>.*?</text>\n?', "", svg.decode()).encode()


def spoken(note: str) -> str:
    """A note as one sentence after another, for whoever does not see the picture.

    >>> spoken("mul makes y = 9.\\ny: mul  ()\\n    forward   y = x * x\\n")
    'mul makes y = 9. y: mul (); forward y = x * x'
    """
    said, *lines = [" ".join(line.split()) for line in note.splitlines()]
    return " ".join([said, "; ".join(lines)]).strip()
