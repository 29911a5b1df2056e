"""A drawing as a Mermaid flowchart, which GitHub and most notebooks show without Graphviz."""

from __future__ import annotations

import math

from ..program.names import span, typeset, words
from .dot import VANISHING
from .model import Card, Drawing
from .theme import THEMES

CLASSES = (
    "product",
    "arithmetic",
    "activation",
    "reduction",
    "shape",
    "untracked",
    "parameter",
    "input",
)
TONES = ("wrong", "doubt")  # of verdicts
ENTITIES = {
    "#": "#35;", "&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;",
}  # fmt: skip


def entities(text: str) -> str:
    """Mermaid's own entities, for letters that it, HTML or Markdown takes for signs."""
    return "".join(ENTITIES.get(c, c if c.isprintable() else " ") for c in text)


def source(drawing: Drawing, theme: str = "light", direction: str = "TB") -> str:
    """The flowchart, with the same cards, clusters and gradients as the DOT text."""
    colour = THEMES[theme]
    lines = [f"flowchart {direction}"]
    lines += [
        f"  accTitle: {entities(words(drawing.title))}",
        f"  accDescr: {entities(drawing.told)}",
    ]
    lines += inside(drawing, "", 1)
    dotted, red = [], []
    for i, e in enumerate(drawing.edges):
        line = "-->" if e.tracked else "-.->"
        label = f'|"{entities(typeset(span(e.grads)))}"|' if e.grads else ""
        lines.append(f"  {e.source} {line}{label} {e.target}")
        if not all(map(math.isfinite, e.grads)):
            red.append(str(i))
        elif e.grads and max(map(abs, e.grads)) < VANISHING:
            dotted.append(str(i))
    for name in (*CLASSES, *TONES):
        keys = [n.key for n in drawing.nodes if name in (n.family, n.kind, n.tone)]
        if keys:
            rest = "stroke-width:3px" if name in TONES else f"color:{colour['ink']}"
            frame = f"fill:{colour[f'{name} ground']},stroke:{colour[name]},{rest}"
            lines += [f"  classDef {name} {frame}", f"  class {','.join(keys)} {name}"]
    if dotted:
        pale = f"stroke-dasharray:1 4,stroke:{colour['pale gradient']}"
        lines.append(f"  linkStyle {','.join(dotted)} {pale}")
    if red:
        lines.append(f"  linkStyle {','.join(red)} stroke:{colour['alarm']},stroke-width:4px")
    return "\n".join(lines) + "\n"


def inside(drawing: Drawing, path: str, level: int) -> list[str]:
    indent = "  " * level
    lines = [f"{indent}{card(n, drawing)}" for n in drawing.held.get(path, ())]
    for i, (inner, (name, what)) in enumerate(drawing.modules.items(), 1):
        if inner.rpartition(".")[0] == path:
            title = entities(words(f"{name}  {what}".strip()))
            lines.append(f'{indent}subgraph module{i}["{title}"]')
            lines += [*inside(drawing, inner, level + 1), f"{indent}end"]
    return lines


def card(node: Card, drawing: Drawing) -> str:
    facts = [" ".join(part for part in (node.title, node.value or node.shape) if part)]
    if drawing.view != "backward" and node.forward:
        facts.append(node.said(node.forward))
    if drawing.view != "forward":
        facts += [node.said(rule) for rule in node.rules()]
    if node.kind != "op":
        facts += [part for part in (*node.lines, typeset(node.grad)) if part]
    if node.alarm:
        facts.append(f"● {node.alarm}")
    if node.verdict:
        facts.append(f"{node.sign} {'; '.join([node.verdict, *node.mistakes])}")
    opening, closing = ("([", "])") if node.kind == "result" else ("[", "]")
    return f'{node.key}{opening}"{"<br/>".join(map(entities, facts))}"{closing}'
