"""A drawing in the DOT language, with HTML-like labels that every Graphviz draws alike.

One font name each, glyphs of the WGL4 set, 6-digit colours, no `size=`: measured to look the same
in Graphviz 2.43 and graphviz-pure 0.2.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable

from ..program.names import number, typeset, words
from .model import Arrow, Card, Drawing
from .theme import THEMES, VERDICTS

SANS, MONO = "Arial", "Courier New"
WIDE = 36  # characters of a formula on one line
HEAD, TAIL = 84, 240  # widths of the two columns of a card
VANISHING = 1e-7


def escape(text: str) -> str:
    """Text as HTML-like labels want it: no XML signs, and no escapes of Graphviz such as \\N.

    Characters that XML forbids become "?".
    """
    text = "".join(
        c
        if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff"
        else "?"
        for c in text
    )
    for sign, entity in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ('"', "&quot;"),
        ("\\", "&#92;&#92;"),
    ):
        text = text.replace(sign, entity)
    return text


def quoted(text: object) -> str:
    """Text as an attribute or a name; characters that no file can hold become "?"."""
    text = "".join(c if c.isprintable() or c.isspace() else "?" for c in str(text))
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


def attributes(known: dict[str, object]) -> str:
    """`[a=1, b="x"]`, in alphabetical order; values that start with "<" are HTML-like labels."""
    parts = [f"{k}={v if str(v)[:1] == '<' else quoted(v)}" for k, v in sorted(known.items())]
    return f"[{', '.join(parts)}]"


def body(drawing: Drawing, theme: str = "light", direction: str = "TB") -> list[str]:
    """The lines between the braces of the digraph."""
    return Page(drawing, THEMES[theme], direction).lines()


def source(drawing: Drawing, theme: str = "light", direction: str = "TB") -> str:
    """The whole digraph."""
    return "digraph autograd_lite {\n" + "".join(body(drawing, theme, direction)) + "}\n"


class Page:
    """Writes one drawing with one palette."""

    def __init__(self, drawing: Drawing, palette: dict[str, str], direction: str) -> None:
        self.drawing, self.colour, self.direction = drawing, palette, direction
        self.formulas = any(node.forward for node in drawing.nodes)
        self.beside = {node.key: node.beside for node in drawing.nodes}
        self.held: dict[str, list[Card]] = {}
        for node in drawing.nodes:
            self.held.setdefault(node.path, []).append(node)
        self.rows: dict[str, list[str]] = {}  # edges on one rank, by the operation they lead to
        self.others: list[str] = []
        first: dict[str, str] = {}
        for i, edge in enumerate(drawing.edges, 1):
            if self.beside[edge.source] == edge.target:
                # a second card beside an operation goes to its other side
                flipped = first.setdefault(edge.target, edge.source) != edge.source
                text = self.edge(edge, i, beside=True, flipped=flipped)
                self.rows.setdefault(edge.target, []).append(text)
            else:
                self.others.append(self.edge(edge, i))

    # ---- the page

    def lines(self) -> list[str]:
        drawing = self.drawing
        graph: dict[str, object] = {
            "bgcolor": self.colour["paper"], "fontname": SANS, "label": self.heading(),
            "labeljust": "l", "labelloc": "t", "nodesep": 0.6, "pad": 0.35,
            "rankdir": self.direction, "ranksep": 0.44, "splines": "spline",
        }  # fmt: skip
        n = len(drawing.nodes)
        if n > 150:
            # 300 nodes that share 3 leaves: 40 s without, 3 s with it; 2,000 with skips: 6.4 s at
            # 2, and 2.5 s at 0.5
            graph["nslimit"] = round(min(2, 1000 / n), 2)
        lines = [
            f"  graph {attributes(graph)}",
            f"  node {attributes({'fontname': SANS, 'fontsize': 11, 'shape': 'plain'})}",
            f"  edge {attributes({'arrowsize': 0.7, 'fontname': MONO, 'fontsize': 10})}",
        ]
        lines += self.inside("", 1)
        lines += ["  " + text for text in self.others]
        above = drawing.nodes[0].key
        for node in drawing.nodes:
            if node.kind == "note":
                lines.append(f"  {above} -> {node.key} {attributes({'style': 'invis'})};")
            if node.kind in ("result", "note"):
                above = node.key
        return [line + "\n" for line in lines]

    def inside(self, path: str, level: int) -> list[str]:
        """What a module holds: its cards, cards beside one another, and the modules in it."""
        indent = "  " * level
        nodes = self.held.get(path, [])
        lines = [f"{indent}{node.key} {attributes(self.card(node))}" for node in nodes]
        for node in nodes:
            if node.key in self.rows:
                lines.append(f"{indent}{{ rank=same; {' '.join(self.rows[node.key])} }}")
        for inner in self.drawing.modules:
            if inner.rpartition(".")[0] == path and inner:
                lines += self.module(inner, level)
        return lines

    def module(self, path: str, level: int) -> list[str]:
        indent = "  " * level
        name, what = self.drawing.modules[path]
        inside = [
            node
            for p, nodes in self.held.items()
            if f"{p}.".startswith(f"{path}.")
            for node in nodes
        ]
        if 2 * len(name) + len(what) > 30 and not any(node.beside for node in inside):
            what = what.partition("(")[0]  # else the arrow into a narrow frame crosses its title
        title = font(name, SANS, 13, self.colour["ink"], bold=True)
        if what:
            title += font("   " + what, SANS, 11, self.colour["quiet"])
        frame = {
            "class": "module", "color": self.colour["module frame"],
            "fillcolor": self.colour["module ground"], "id": f"module {path}",
            "label": f"<{title}>", "labeljust": "l", "margin": 16, "penwidth": 1.2,
            "style": "rounded,filled", "tooltip": escape(path),
        }  # fmt: skip
        return [
            f"{indent}subgraph {quoted('cluster_' + path)} {{",
            f"{indent}  graph {attributes(frame)}",
            *self.inside(path, level + 1),
            f"{indent}}}",
        ]

    def heading(self) -> str:
        drawing, colour = self.drawing, self.colour
        down, up = ("▼", "▲") if self.direction == "TB" else ("►", "◄")
        way = ("down", "up") if self.direction == "TB" else ("right", "left")
        legend = []
        if drawing.view != "backward":
            legend.append((f"{down} data flows {way[0]}", "data"))
        if drawing.view != "forward" and any(e.tracked for e in drawing.edges):
            numbers = ""
            if any(e.grads for e in drawing.edges):
                exact = all(e.signed for e in drawing.edges if e.grads)
                what = "gradient" if exact else "‖gradient‖"
                numbers = f"; number and thickness = {what}"
            legend.append((f"{up} gradient flows {way[1]}{numbers}", "gradient"))
        sizes = [abs(g) for e in drawing.edges for g in e.grads]
        if any(not math.isfinite(g) for g in sizes):
            legend.append(("● gradient is NaN or infinite", "alarm"))
        if any(g < VANISHING for g in sizes):
            legend.append(("pale and dashed: below 1e-7", "quiet"))
        gap = font("    ", SANS, 11, colour["ink"])
        rows = [
            font(drawing.title, SANS, 20, colour["ink"], bold=True),
            font(typeset(" · ".join(drawing.facts)), SANS, 11, colour["quiet"]),
            gap.join(font(text, SANS, 11, colour[tone], bold=True) for text, tone in legend),
        ]
        if drawing.judgement:
            rows.append(font(drawing.judgement, SANS, 11, colour["ink"], bold=True))
        inner = "".join(f"<tr>{cell(row)}</tr>" for row in rows if row)
        frame = 'border="0" cellborder="0" cellspacing="0" cellpadding="4"'
        return f'<<table {frame}>{inner}<tr><td height="4"></td></tr></table>>'

    # ---- cards

    def card(self, node: Card) -> dict[str, object]:
        label = getattr(self, f"{node.kind}_card")(node)
        tip = " ".join(part for part in (node.title, node.shape, node.value) if part)
        tip = escape(words(tip))
        return {
            "class": f"{node.kind} {node.family}".strip(), "id": node.key, "label": f"<{label}>",
            "tooltip": tip,
        }  # fmt: skip

    def op_card(self, node: Card) -> str:
        colour = self.colour
        tone, ground = colour[node.family], colour[f"{node.family} ground"]
        right = self.number(f"= {node.value}" if node.value else node.shape, "quiet", "wrong ink")
        if node.grad and self.drawing.view != "forward":
            right += font("  ", MONO, 10, tone) + self.gradient(node)
        # a rounded band of its own: a coloured cell would stick out of the frame's corners
        band = table(
            [
                cell(font(node.title, SANS, 13, tone, bold=True), width=HEAD)
                + cell(right, align="right", width=TAIL)
            ],
            border=0,
            padding=4,
            bgcolor=ground,
        )
        rows = [cell(band, colspan=2, cellpadding=1)]
        if node.forward and self.drawing.view != "backward":
            rows.append(self.formula("forward", node.forward, "quiet", "ink"))
        if node.backward and self.drawing.view != "forward":
            for i, rule in enumerate(node.backward):
                when = f"× {node.times}" if node.times > 1 else f"· {node.step}"
                head = f"backward {when}" if i == 0 else " "
                rows.append(self.formula(head, rule, "gradient", "gradient"))
            if node.saved:
                rows.append(self.formula("saved", ", ".join(node.saved), "quiet", "quiet", 9.5))
        rows += [cell(font(line, SANS, 10, colour["quiet"]), colspan=2) for line in node.lines]
        return self.judged(node, rows, tone, colour["card"], 58)

    def judged(self, node: Card, rows: list[str], tone: str, ground: str, wide: int) -> str:
        """A card with what is to be noted: values that are no numbers, and how `compare` has judged
        its tensor: a sign, the verdict, what explains it."""
        if node.alarm:
            text = font(f"● {node.alarm}", SANS, 10, self.colour["wrong ink"], bold=True)
            rows = [*rows, cell(text, colspan=2)]
        if not node.verdict:
            return table(rows, color=tone, bgcolor=ground)
        sign, kind = VERDICTS[node.verdict]
        shade = f"{kind} ink" if kind in ("wrong", "doubt") else kind
        says = font(f"{sign} {node.verdict}", SANS, 10.5, self.colour[shade], bold=True)
        said, *why = [*node.mistakes, ""]
        says += font(f"   {said}" if said else "", SANS, 10, self.colour["quiet"]) if said else ""
        rows = [*rows, cell(says, colspan=2)]
        lines = [line for text in why for line in textwrap.wrap(words(text, 240), wide)]
        if lines:
            text = font(lines, SANS, 10, self.colour[shade])
            rows.append(cell(text, colspan=2, balign="left"))
        if kind not in ("wrong", "doubt"):
            return table(rows, color=tone, bgcolor=ground)
        border = 3 if kind == "wrong" else 2
        return table(
            rows, border=border, color=self.colour[kind], bgcolor=self.colour[f"{kind} ground"]
        )

    def formula(self, head: str, text: str, head_tone: str, tone: str, points: float = 11) -> str:
        """A row with a word on the left and a formula, folded into at most four lines."""
        lines = fold(typeset(text))
        left = font(head, SANS, 9.5, self.colour[head_tone])
        right = font(lines, MONO, points, self.colour[tone])
        top = {"valign": "top"} if len(lines) > 1 else {}
        return cell(left, width=HEAD, **top) + cell(right, width=TAIL, balign="left")

    def gradient(self, node: Card) -> str:
        """What a card says about its gradient."""
        return self.number(node.grad, "gradient", "alarm")

    def number(self, text: str, usual: str, bad: str) -> str:
        """A text with a number in it, in another colour where it is none."""
        tone = bad if re.search(r"\b(NaN|inf)\b", text) else usual
        return font(typeset(text) or " ", MONO, 10, self.colour[tone])

    def parameter_card(self, node: Card) -> str:
        return self.leaf_card(node, "parameter")

    def input_card(self, node: Card) -> str:
        return self.leaf_card(node, "input")

    def leaf_card(self, node: Card, kind: str) -> str:
        colour = self.colour
        rows = [
            cell(font(node.title, SANS, 12, colour[f"{kind} ink"], bold=True), width=128)
            + cell(font(node.shape, MONO, 10, colour["quiet"]), align="right", width=128)
        ]
        if node.value or node.grad:
            rows.append(
                cell(self.number(node.value, "quiet", "wrong ink"))
                + cell(self.gradient(node), align="right")
            )
        facts = " · ".join(node.lines)
        if self.formulas and node.symbol != node.title:
            facts = f"{node.symbol} in formulas · {facts}".removesuffix(" · ")
        if facts:
            rows.append(cell(font(facts, SANS, 10, colour["quiet"]), colspan=2))
        return self.judged(node, rows, colour[kind], colour[f"{kind} ground"], 46)

    def module_card(self, node: Card) -> str:
        colour = self.colour
        rows = [
            cell(font(node.title, SANS, 13, colour["ink"], bold=True), width=128)
            + cell(font(node.shape or " ", SANS, 10, colour["quiet"]), align="right", width=168),
            cell(font(node.lines[0], SANS, 10, colour["quiet"]))
            + cell(self.gradient(node), align="right"),
        ]
        return self.judged(node, rows, colour["module frame"], colour["module ground"], 52)

    def hidden_card(self, node: Card) -> str:
        text = font(node.title, SANS, 12, self.colour["data"], bold=True)
        rows = [cell(text, width=296, align="center")]
        return table(rows, color=self.colour["faint"], bgcolor=self.colour["shape ground"])

    def result_card(self, node: Card) -> str:
        colour = self.colour
        parts = [cell(font(node.title, SANS, 14, colour["result ink"], bold=True))]
        for text in (node.shape, node.value):
            if text:
                parts.append(cell(font(typeset(text), MONO, 14, colour["result ink"])))
        if node.grad:
            parts.append(cell(font(node.grad, MONO, 12, colour["result gradient"])))
        return table(["".join(parts)], border=0, bgcolor=colour["result ground"], padding=7)

    def note_card(self, node: Card) -> str:
        lines = textwrap.wrap(node.title, 58)
        rows = [cell(font(lines, SANS, 11, self.colour["note ink"]), balign="left")]
        return table(rows, color=self.colour["note"], bgcolor=self.colour["note ground"], padding=8)

    # ---- edges

    def edge(self, edge: Arrow, i: int, beside: bool = False, flipped: bool = False) -> str:
        style, label = self.stroke(edge, flipped)
        if edge.spine:
            style["weight"] = 60
        if label:
            # a card beside its operation may be laid out on either side of it: no sign fits both
            arrow = "" if beside else "▲ " if self.direction == "TB" else "◄ "
            tone = str(style.pop("label tone"))
            run = cell(font(f" {arrow}{label} ", MONO, 10.5, tone))
            rows = [run]
            if self.direction == "LR":  # else the number sits on its arrow
                if beside:
                    rows = [cell("", width=42 + 7 * len(label)) + run]
                else:
                    rows.append(cell("", height=8))
            style["label"] = f"<{table(rows, border=0, padding=1)}>"
        style["id"] = f"e{i}"
        ends = (edge.target, edge.source) if flipped else (edge.source, edge.target)
        return f"{ends[0]} -> {ends[1]} {attributes(style)};"

    def stroke(self, edge: Arrow, flipped: bool) -> tuple[dict[str, object], str]:
        """How an edge is drawn, and the number on it."""
        colour, view = self.colour, self.drawing.view
        forth, back = ("back", "forward") if flipped else ("forward", "back")
        if not edge.tracked:
            return {
                "class": "untracked", "color": colour["faint"], "dir": forth, "style": "dashed",
            }, ""  # fmt: skip
        if view == "forward":
            return {"class": "data", "color": colour["data"], "dir": forth, "penwidth": 1.3}, ""
        data, gradient = "data", "gradient"
        style: dict[str, object] = {"class": "tracked", "penwidth": 1.3}
        label = ""
        if edge.grads:
            sizes = [abs(g) for g in edge.grads]
            label = typeset(spoken(edge))
            top = max(sizes)
            if any(not math.isfinite(g) for g in sizes):
                gradient = "alarm"
                style |= {"class": "tracked alarm", "penwidth": 3.5}
            elif top < VANISHING:
                data, gradient = "pale data", "pale gradient"
                style |= {"class": "tracked vanishing", "penwidth": 1.0, "style": "dashed"}
            else:
                style["penwidth"] = round(min(max(2.3 + 0.7 * math.log10(top), 0.8), 5.0), 2)
            style["label tone"] = colour["alarm" if gradient == "alarm" else "gradient"]
        if view == "backward":
            return style | {"color": colour[gradient], "dir": back}, label
        pair = [colour[data], colour[gradient]]
        return style | {"color": ":".join(pair[::-1] if flipped else pair), "dir": "both"}, label


def spoken(edge: Arrow) -> str:
    """The gradients of an edge: one number, or the smallest and the largest of several."""
    if len(set(edge.grads)) == 1:
        return number(edge.grads[0])
    return f"{number(min(edge.grads))} to {number(max(edge.grads))}"


def fold(formula: str) -> list[str]:
    """A formula as lines of at most WIDE characters, broken at blanks outside of shapes."""
    tight = re.sub(r"(?<=\d), (?=\d)", ",\N{NO-BREAK SPACE}", formula)
    tight = re.sub(r" (\+?=) ", "\N{NO-BREAK SPACE}\\1\N{NO-BREAK SPACE}", tight, count=1)
    lines = [""]
    for word in tight.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > WIDE:
            lines.append("  " + word)
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return lines if len(lines) <= 4 else [*lines[:3], lines[3][: WIDE - 2] + " …"]


def font(text: str | list[str], face: str, points: float, tone: str, bold: bool = False) -> str:
    lines = [text] if isinstance(text, str) else text
    inner = "<br/>".join(map(blanks, lines))
    inner = f"<b>{inner}</b>" if bold else inner
    return f'<font face="{face}" point-size="{points:g}" color="{tone}">{inner}</font>'


def blanks(text: str) -> str:
    """Escaped, with blanks that Graphviz would drop made to stay."""
    text = escape(text).replace("  ", "&#160; ")
    if text[:1] == " ":
        text = "&#160;" + text[1:]
    return text[:-1] + "&#160;" if text[-1:] == " " else text


def cell(content: str, **known: object) -> str:
    known.setdefault("align", "left")
    more = " ".join(f'{k}="{v}"' for k, v in sorted(known.items()))
    return f"<td {more}>{content}</td>"


def table(rows: Iterable[str], *, border: int = 1, padding: int = 5, **known: str) -> str:
    frame = f'border="{border}" cellborder="0" cellpadding="{padding}" cellspacing="0"'
    more = "".join(f' {k}="{v}"' for k, v in sorted(known.items()))
    style = ' style="rounded"' if known else ""
    inner = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table {frame}{more}{style}>{inner}</table>"
