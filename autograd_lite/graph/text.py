"""A drawing as plain text: one operation after another, for terminals, logs and screen readers."""

from __future__ import annotations

from ..program.modules import parents
from ..program.names import span
from .model import Card, Drawing


def source(drawing: Drawing) -> str:
    """Lines in tape order, indented by module."""
    lines = [drawing.title, plain(", ".join(drawing.facts)), ""]
    if drawing.judgement:
        lines.insert(2, drawing.judgement)
    shown: list[str] = []  # the modules that the card before stands in
    for node in drawing.nodes:
        paths = parents(node.path)
        for i, path in enumerate(paths):
            if path not in shown:
                title, what = drawing.modules[path]
                lines.append("  " * i + f"[{title}] {what}".rstrip())
        shown = paths
        lines += ["  " * len(paths) + line for line in entry(node, drawing)]
    return "\n".join(lines) + "\n"


def entry(node: Card, drawing: Drawing) -> list[str]:
    """The lines of one card."""
    if node.kind == "note":
        return [f"note: {node.title}"]
    named = node.symbol and node.symbol != node.title and node.kind != "result"
    title = f"{node.symbol}: {node.title}" if named else node.title
    value = f"= {node.value}" if node.value and node.kind in ("op", "result") else node.value
    facts = (title, node.shape, *node.lines, value, node.grad, node.alarm)
    lines = [plain("  ".join(filter(None, facts)))]
    if node.forward and drawing.view != "backward":
        lines.append(f"    forward   {written(node, node.forward)}")
    if node.window is not None and drawing.view != "backward":
        lines.append(f"    window    {node.window.words}")
    if node.backward and drawing.view != "forward":
        heads = ["backward", *[" " * 8] * len(node.backward)]
        rules = [written(node, rule) for rule in node.rules()]
        lines += [f"    {head}  {rule}" for head, rule in zip(heads, rules, strict=False)]
    if node.verdict:
        said = "; ".join(filter(None, node.mistakes))
        lines.append(f"    {node.judge:8}  {node.verdict}" + f": {said}" * bool(said))
    return lines + flows(node, drawing)


def flows(node: Card, drawing: Drawing) -> list[str]:
    """Where a card has its inputs from, and how large the gradients are that go there."""
    arrows = drawing.into[node.key]
    found = []
    for arrow in arrows:
        origin = drawing.by_key[arrow.source]
        name = origin.symbol or origin.title
        if arrow.grads:
            found.append(f"{name if arrow.signed else f'|{name}|'} {span(arrow.grads)}")
        elif node.kind != "op":
            found.append(name)
    head = "gradient to" if any(arrow.grads for arrow in arrows) else "from"
    return [f"    {head}  {', '.join(found)}"] if found else []


def written(node: Card, formula: str) -> str:
    """A formula as pictures have it, in the letters and signs of code."""
    return node.book.get(formula, formula).replace(".mT", ".T").replace("Σ(", "sum(")


def plain(line: str) -> str:
    """Without the signs that a terminal may lack."""
    return line.replace(" · ", ", ")
