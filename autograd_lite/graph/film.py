"""A drawing as a film: one HTML file that steps through the forward and the backward pass.

The page is `film.html` with the SVG, `film.css`, `film.js` and the numbers of every card in it. It
asks nobody for anything, and forbids itself to.
"""

from __future__ import annotations

import base64
import json
import math
import re
import zlib
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path
from typing import Any

from ..origin import Place
from ..program.names import number, span, typeset, words
from . import dot, render, text
from .facts import Facts
from .model import Card, Drawing, Gift, Panel
from .steps import steps, times
from .theme import COLOURS, LIGHT

MANY = 8  # parts of one gradient; of more the norms are told, not the values

CLASSES = {tone.lower(): i for i, tone in enumerate(LIGHT.values())} | {"white": 0}


def page(
    drawing: Drawing, direction: str, dark: bool, backend: str | None, timeout: float | None
) -> str:
    """The HTML of the film.

    Without a renderer the cards are text, with the same steps, and the page says what is missing;
    GraphRenderError only if `backend` was asked for.
    """
    scenes = (drawing, *drawing.scenes.values())

    def picture_of(scene: Drawing) -> str:
        return still(scene, direction, backend, timeout)

    try:
        with ThreadPoolExecutor(4) as pool:  # which wait for the renderer
            pictures = list(pool.map(picture_of, scenes))
    except render.GraphRenderError as error:
        if backend is not None:
            raise
        pictures = [listing(scene, str(error)) for scene in scenes]
    known = story(drawing)
    for scene, picture in zip(known["scenes"].values(), pictures[1:], strict=True):
        scene["picture"] = base64.b64encode(zlib.compress(picture.encode(), 9)).decode()
    down, up = ("▼", "▲") if direction == "TB" else ("►", "◄")
    legend = []
    if drawing.view != "backward":
        legend.append(f'<span class="data">{down} data</span>')
    if any(step["way"] in ("seed", "backward") for step in known["steps"]):
        legend.append(f'<span class="gradient">{up} gradient, with its norm</span>')
    folder = Path(__file__).parent
    holes = {
        "title": escape(drawing.title),
        "facts": escape(typeset(" · ".join(drawing.facts))),
        "judgement": escape(drawing.judgement),
        "legend": " ".join(legend),
        "theme": "dark" if dark else "",
        "css": recoloured() + folder.joinpath("film.css").read_text("utf-8"),
        "js": folder.joinpath("film.js").read_text("utf-8"),
        "picture": pictures[0],
        "text": escape(text.source(drawing)),
        "story": embedded(known),
    }
    template = folder.joinpath("film.html").read_text("utf-8")
    # characters that no file can hold, such as half of a pair, become "?"
    whole = re.sub(r"\{\{(\w+)\}\}", lambda hole: holes.get(hole[1], hole[0]), template)
    whole = whole.encode(errors="replace").decode()
    return whole.replace("{{size}}", f"{len(whole.encode()) / 1000:.0f} kB", 1)


def embedded(data: Any) -> str:
    """JSON that no HTML parser can mistake for the end of its element."""
    dense = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        dense = dense.replace(sign, f"\\u{ord(sign):04x}")
    return dense


# ---- the picture


def still(drawing: Drawing, direction: str, backend: str | None, timeout: float | None) -> str:
    """The SVG as an element of the page: no prologue, no tooltips, fonts by class."""
    layout = dot.Layout(direction)
    source = dot.source(drawing, "light", layout, titled=False)  # the page has it in HTML
    svg = render.picture(source, "svg", len(drawing.nodes), backend, timeout).decode()
    start = re.search(r"<svg [^>]*>", svg)
    extent = re.findall(r'(?:width|height)="([\d.]+)', start[0] if start else "")
    if start is None or len(extent) != 2:
        raise render.GraphRenderError(
            "Cannot put the graph into a page: the renderer gave no SVG with a width and a height. "
            "Give another backend=."
        )
    body = svg[start.end() :]
    body = re.sub(
        r"<!--.*?-->\n?|<title>.*?</title>\n?| xml:space=\"preserve\"", "", body, flags=re.DOTALL
    )
    body = re.sub(r' xlink:title="[^"]*"| text-anchor="start"', "", body)
    body = re.sub(r'(="[\d.]*?)\.0+(?=")', r"\1", body)
    body = re.sub(r"<(?:path|polygon|polyline|ellipse|text)\b[^>]*", dressed, body)
    width, height = extent
    return (
        f'<svg id="film-picture" width="{width}pt" height="{height}pt" viewBox="0 0 {width} '
        f'{height}" role="img" aria-label="{escape(words(drawing.title))}: the graph, whose text '
        f'is below">\n{body}'
    )


def dressed(tag: re.Match[str]) -> str:
    """A tag with its colours and font as classes, by which a browser finds rules at once.

    2000 cards are 60,000 elements: rules for attributes took 12 s, these take 5.
    """
    classes = []
    whole = tag[0]
    for attribute, letter in (("fill", "f"), ("stroke", "s")):
        found = re.search(rf' {attribute}="(#\w{{6}}|white)"', whole)
        if found and found[1].lower() in CLASSES:
            classes.append(f"{letter}{CLASSES[found[1].lower()]}")
            whole = whole.replace(found[0], "")
    found = re.search(r' font-family="([^"]*)"', whole)
    if found:
        classes += ["mono"] if "Courier" in found[1] else []
        whole = whole.replace(found[0], "")
    return whole.replace(" ", f' class="{" ".join(classes)}" ', 1) if classes else whole


def recoloured() -> str:
    """Rules that give every colour of the picture its dark counterpart."""
    style = []
    for i, (key, (light, dark)) in enumerate(COLOURS.items()):
        name = f"--{key.replace(' ', '-')}"
        style.append(f":root{{{name}:light-dark({light},{dark})}}")
        style.append(f".f{i}{{fill:var({name})}}.s{i}{{stroke:var({name})}}")
    warm = [CLASSES[LIGHT[key].lower()] for key in dot.WARM]
    style.append(f".film :is({','.join(f'.f{i},.s{i}' for i in warm)}){{opacity:var(--back)}}")
    return "\n".join(style) + "\n"


def listing(drawing: Drawing, why: str) -> str:
    """The cards as text, where there is no renderer."""
    cards = []
    for node in drawing.nodes:
        kind = f"node {node.kind} {node.family}".strip()
        lines = escape("\n".join(text.entry(node, drawing)))
        cards.append(f'<li id="{node.key}" class="{kind}"><pre>{lines}</pre></li>')
    return f'<p class="hint">{escape(why)}</p>\n<ol class="cards">{"".join(cards)}</ol>'


# ---- the story: steps, cards and numbers as JSON


def story(drawing: Drawing) -> dict[str, Any]:
    """All that the script knows: numbers, cards, edges and steps."""
    numbers = Numbers()
    known = drawing.scenes.keys()
    scenes = {path: told(scene, numbers, known) for path, scene in drawing.scenes.items()}
    whole = told(drawing, numbers, known)
    return {**whole, "scenes": scenes, "numbers": numbers.arrays, "sums": numbers.sums}


def told(drawing: Drawing, numbers: Numbers, known: Collection[str]) -> dict[str, Any]:
    """What the script knows of one drawing; `known` are the modules that can be opened."""
    found = steps(drawing)
    reached, returned = times(drawing, found)
    return {
        "cards": {
            node.key: card(node, drawing, numbers, known)
            | filled({"reached": reached.get(node.key), "returned": returned.get(node.key)})
            for node in drawing.nodes
        },
        "edges": [[e.source, e.target, e.tracked] for e in drawing.edges],
        "steps": [step | {"say": typeset(step["say"])} for step in found],
    }


class Numbers:
    """Arrays and sums of gradients for the script, each once; cards have their positions."""

    def __init__(self) -> None:
        self.arrays: list[dict[str, Any]] = []
        self.sums: list[list[dict[str, Any]]] = []
        self.index: dict[tuple[int, bool], int] = {}

    def put(self, facts: Facts | None, values: bool = True) -> int | None:
        """The position of an array; numbers that JSON lacks are words."""
        if facts is None:
            return None
        key = (id(facts), values)
        if key not in self.index:
            self.index[key] = len(self.arrays)
            found: dict[str, Any] = {"shape": list(facts.shape), "dtype": str(facts.dtype)}
            found |= {name: json_number(x) for name, x in facts.statistics().items()}
            if values and facts.values is not None:
                # str() of a NumPy scalar is the shortest text that is that number again
                exact = facts.values.dtype.kind == "f"
                flat = facts.values.ravel()
                found["values"] = [json_number(float(str(x)) if exact else x.item()) for x in flat]
            self.arrays.append(found)
        return self.index[key]

    def add(self, parts: list[Gift]) -> int | None:
        """The position of a sum; the copies of a leaf that is used often share it."""
        if len(parts) < 2:
            return None
        key = (id(parts), True)
        if key not in self.index:
            self.index[key] = len(self.sums)
            self.sums.append([self.gift(g, len(parts) <= MANY) for g in parts])
        return self.index[key]

    def gift(self, g: Gift, values: bool = True) -> dict[str, Any]:
        position = self.put(g.facts, values)
        name, formula = typeset(g.name), typeset(g.formula)
        return filled({"name": name, "card": g.key, "numbers": position, "formula": formula})


def json_number(x: Any) -> Any:
    return number(x) if isinstance(x, float) and not math.isfinite(x) else x


def filled(found: dict[str, Any]) -> dict[str, Any]:
    """What is not empty."""
    return {key: value for key, value in found.items() if value not in ("", [], None)}


def card(node: Card, drawing: Drawing, numbers: Numbers, known: Collection[str]) -> dict[str, Any]:
    """What the panel shows of a card; what is empty is left out."""
    panel = drawing.panels.get(node.key, Panel())
    facts = node.lines if node.kind == "op" else [*node.lines, node.value, typeset(node.grad)]
    if node.kind in ("module", "hidden"):
        facts = [*facts, *flows(node, drawing)]
    if node.kind in ("module", "hidden") and node.opens not in known:
        facts.append("Folded; draw with a greater depth or with collapse=False.")
    if node.window is not None and drawing.view != "backward":
        facts = [*facts, node.window.words]
    facts = [*facts, node.alarm]
    if panel.times > 1:
        facts.append(f"One card for {panel.times} alike; these are the numbers of the first.")
    leaving = panel.leaving if drawing.view != "forward" else []
    return filled(
        {
            "kind": node.kind,
            "opens": node.opens if node.opens in known else "",
            "path": node.path if known else "",
            "family": node.family,
            "title": node.title,
            "name": node.symbol,
            "shape": node.shape,
            "label": ", ".join(spoken_name(node)),
            "lines": [typeset(fact) for fact in facts if fact],
            "verdict": f"{node.sign} {node.verdict}".strip(),
            "tone": node.tone,
            "mistakes": list(filter(None, node.mistakes)),
            "forward": node.said(node.forward) if drawing.view != "backward" else "",
            "saved": [typeset(name) for name in node.saved],
            "arrays": [[name, numbers.put(array)] for name, array in panel.arrays.items()],
            "total": numbers.put(panel.total),
            "parts": numbers.add(panel.parts),
            "leaving": [numbers.gift(g) for g in leaving],
            "place": panel.place and told_place(panel.place, panel.line),
        }
    )


def told_place(at: Place, line: str) -> dict[str, Any]:
    """Where an operation was called, without the folders of this machine."""
    return {
        "file": re.split(r"[\\/]", at.file)[-1],
        "line": at.line,
        "function": at.function,
        "module": f"{at.module} ({at.kind})" if at.module else at.kind,
        "text": line,
    }


def flows(node: Card, drawing: Drawing) -> list[str]:
    """The gradients at a card that stands for several operations."""
    ways = [("from", e.target, e) for e in drawing.edges if e.source == node.key]
    ways += [("to", e.source, e) for e in drawing.into[node.key]]
    return [
        f"gradient {w} {drawing.by_key[k].title}: {span(e.grads)}" for w, k, e in ways if e.grads
    ]


def spoken_name(node: Card) -> list[str]:
    """The words by which a screen reader calls a card."""
    kind = node.kind if node.kind in ("parameter", "input", "result", "module") else ""
    name = f"{node.title} {node.symbol}" if node.symbol != node.title else node.title
    shape = f"shape {node.shape}" if node.shape and node.kind != "module" else ""
    judged = f"{node.judge}: {node.verdict}" if node.verdict else ""
    facts = [kind, name, shape, judged]
    return [words(fact) for fact in facts if fact.strip()]
