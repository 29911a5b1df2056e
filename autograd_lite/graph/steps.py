"""The steps of a drawing, forward from card to card and backward, each with its sentence."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..program.names import ends, number
from .facts import Facts
from .model import Card, Drawing

__all__ = ["Times", "steps", "times"]


def steps(drawing: Drawing) -> list[dict[str, str]]:
    """Nothing, then forward from card to card, then backward; each with its sentence, which has the
    names of texts: pictures write d_x as dx."""
    moving = [n for n in drawing.nodes if n.kind in ("op", "module", "hidden")]
    tracked = {e.source for e in drawing.edges if e.tracked}
    forth = moving if drawing.view != "backward" else []
    back = [n for n in reversed(moving) if n.key in tracked] if drawing.view != "forward" else []
    found = [{"way": "start", "say": opening(drawing, len(forth), len(back))}]
    for i, node in enumerate(forth, 1):
        say = f"Forward {i} of {len(forth)}: {forward_sentence(node)}"
        found.append({"way": "forward", "card": node.key, "say": say})
    if back:
        result = next(n for n in drawing.nodes if n.kind == "result")
        where = " in every element" if result.shape else ""
        seed = f"The backward pass begins at {result.title}: its own gradient is 1{where}."
        found.append({"way": "seed", "card": result.key, "say": seed})
    for i, node in enumerate(back, 1):
        say = f"Backward {i} of {len(back)}: {backward_sentence(node, drawing)}"
        found.append({"way": "backward", "card": node.key, "say": say})
    return found


def opening(drawing: Drawing, forth: int, back: int) -> str:
    ways = [
        f"{n} step{'s' * (n > 1)} {way}" for n, way in ((forth, "forward"), (back, "backward")) if n
    ]
    told_of = " and ".join(ways) if ways else "nothing was recorded, so there are no steps"
    return f"{drawing.title}: the whole graph; {told_of}."


def forward_sentence(node: Card) -> str:
    if node.kind != "op":
        return f"{node.title}, {node.lines[0]}." if node.lines else f"{node.title}."
    made = f"{node.symbol} = {node.value}" if node.value else f"{node.symbol} of shape {node.shape}"
    return f"{node.title} makes {made}."


def backward_sentence(node: Card, drawing: Drawing) -> str:
    panel = drawing.panels.get(node.key)
    if panel is None:
        return f"{node.title}, {node.grad or 'folded'}."
    arrives = f"d_{node.symbol}{measured(panel.total)} arrives"
    if len(panel.parts) > 1:
        arrives += f" in {len(panel.parts)} parts"
    *told, last = ends([f"d_{g.name}{measured(g.facts)}" for g in panel.leaving]) or [""]
    leaves = f"{', '.join(told)} and {last}" if told else last
    leave = "leave" if len(panel.leaving) > 1 else "leaves"
    return f"{node.title}: {arrives}" + (f"; {leaves} {leave}." if leaves else ".")


def measured(facts: Facts | None) -> str:
    if facts is None:
        return ""
    size = number(facts.size, 3).replace("-", "−")  # a screen reader skips the hyphen
    return f" = {size}" if math.prod(facts.shape) == 1 else f" of norm {size}"


class Times(NamedTuple):
    """Since which step the data of a card are there, and since which its whole gradient is."""

    reached: dict[str, int]
    returned: dict[str, int]


def times(drawing: Drawing, found: list[dict[str, str]]) -> Times:
    """When cards come in: a leaf with the first that uses it, its gradient with the last part."""
    reached: dict[str, int] = {}
    returned: dict[str, int] = {}
    for i, step in enumerate(found):
        if "card" in step:
            (reached if step["way"] == "forward" else returned)[step["card"]] = i
    for e in drawing.edges:
        if drawing.by_key[e.source].kind in ("parameter", "input"):
            if e.target in reached:
                reached[e.source] = min(reached[e.target], reached.get(e.source, len(found)))
            if e.target in returned:
                returned[e.source] = max(returned[e.target], returned.get(e.source, 0))
        if e.target == "out":
            reached["out"] = reached.get(e.source, 0)
    return Times(reached, returned)
