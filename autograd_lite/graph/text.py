"""A drawing as plain text: one operation after the other, for terminals, logs and screen readers."""

from __future__ import annotations

from .dot import spoken
from .model import Arrow, Card, Drawing


def source(drawing: Drawing) -> str:
    """Lines in tape order, indented by module; formulas are NumPy as it is run."""
    lines = [drawing.title, plain(", ".join(drawing.facts)), ""]
    if drawing.judgement:
        lines.insert(2, drawing.judgement)
    into: dict[str, list[Arrow]] = {}
    for edge in drawing.edges:
        into.setdefault(edge.target, []).append(edge)
    nodes = {node.key: node for node in drawing.nodes}
    shown: list[str] = []
    for node in drawing.nodes:
        parts = node.path.split(".") if node.path else []
        same = 0
        while same < min(len(parts), len(shown)) and parts[same] == shown[same]:
            same += 1
        for i in range(same, len(parts)):
            path = ".".join(parts[: i + 1])
            title, what = drawing.modules[path]
            lines.append("  " * i + f"[{title}] {what}".rstrip())
        shown = parts
        lines += [
            "  " * len(parts) + line for line in entry(node, into.get(node.key, []), nodes, drawing)
        ]
    return "\n".join(lines) + "\n"


def entry(node: Card, edges: list[Arrow], nodes: dict[str, Card], drawing: Drawing) -> list[str]:
    """The lines of one card."""
    if node.kind == "note":
        return [f"note: {node.title}"]
    named = node.symbol and node.symbol != node.title and node.kind != "result"
    title = f"{node.symbol}: {node.title}" if named else node.title
    value = f"= {node.value}" if node.value and node.kind in ("op", "result") else node.value
    facts = (title, node.shape, *node.lines, value, node.grad, node.alarm)
    lines = [plain("  ".join(fact for fact in facts if fact))]
    if node.forward and drawing.view != "backward":
        lines.append(f"    forward   {node.forward}")
    if node.backward and drawing.view != "forward":
        for i, rule in enumerate(node.backward):
            lines.append(f"    {'backward' if i == 0 else '        '}  {rule}")
    if node.verdict:
        said = "; ".join(part for part in node.mistakes if part)
        lines.append(f"    compared  {node.verdict}" + f": {said}" * bool(said))
    flows = []
    for e in edges:
        origin = nodes[e.source]
        name = origin.symbol or origin.title
        if e.grads:
            flows.append(f"{name} {spoken(e)}" if e.signed else f"|{name}| {spoken(e)}")
        elif not node.forward:
            flows.append(name)
    if flows:
        head = "gradient to" if any(e.grads for e in edges) else "from"
        lines.append(f"    {head}  {', '.join(flows)}")
    return lines


def plain(line: str) -> str:
    """Without the signs that a terminal may lack."""
    return line.replace(" · ", ", ")
