"""A drawing in the DOT language, with HTML-like labels that every Graphviz draws alike.

One font name each, glyphs of the WGL4 set, 6-digit colours, no `size=`: measured to look the same
in Graphviz 2.43 and graphviz-pure 0.2.
"""

from __future__ import annotations

import html
import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ..program.names import span, typeset, words
from .model import Arrow, Card, Drawing, Grid, Tile, Window
from .theme import THEMES

SANS, MONO = "Arial", "Courier New"
WIDE = 36  # characters of a formula on one line
SAID = 96  # characters of what is said of a moment, on one line
HEAD, TAIL = 84, 240  # widths of the two columns of a card
VANISHING = 1e-7
POINTS = re.compile(r'point-size="([\d.]+)"')
WARM = ("gradient", "pale gradient", "result gradient", "alarm")  # of what a gradient brings
NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escape(text: str) -> str:
    """Text as HTML-like labels want it: no XML signs, and no escapes of Graphviz such as \\N.

    Characters that XML forbids become "?".
    """
    text = html.escape(NO_XML.sub("?", text), quote=False)
    return text.replace('"', "&quot;").replace("\\", "&#92;&#92;")


def quoted(text: object) -> str:
    """Text as an attribute or a name; characters that no file can hold become "?"."""
    text = "".join(c if c.isprintable() or c.isspace() else "?" for c in str(text))
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


def attributes(known: dict[str, object]) -> str:
    """`[a=1, b="x"]`, in alphabetical order; values that start with "<" are HTML-like labels."""
    parts = [f"{k}={v if str(v)[:1] == '<' else quoted(v)}" for k, v in sorted(known.items())]
    return f"[{', '.join(parts)}]"


class Layout(NamedTuple):
    """How the cards are spread: `columns` has the column of a card, where there are several (rows,
    if it goes to the right), `pad` the inches of paper around them, `least` the points of the
    smallest letters."""

    direction: str = "TB"
    columns: Mapping[str, int] = {}
    pad: tuple[float, float] = (0.25, 0.25)
    least: float = 0


class Moment(NamedTuple):
    """A step of the film, of which a picture shows what is there by then: the cards whose data
    have come, those whose gradient has, the card that is at work, and a sentence."""

    come: frozenset[str]
    back: frozenset[str]
    now: str
    way: str
    say: str


PLAIN = Layout()


def body(
    drawing: Drawing,
    theme: str = "light",
    layout: Layout = PLAIN,
    titled: bool = True,
    moment: Moment | None = None,
) -> list[str]:
    """The lines between the braces of the digraph; with a heading, unless it is not `titled`."""
    return Page(drawing, THEMES[theme], layout, moment).lines(titled)


def source(
    drawing: Drawing,
    theme: str = "light",
    layout: Layout = PLAIN,
    titled: bool = True,
    moment: Moment | None = None,
) -> str:
    """The whole digraph."""
    lines = body(drawing, theme, layout, titled, moment)
    return "digraph autograd_lite {\n" + "".join(lines) + "}\n"


class Page:
    """Writes one drawing with one palette."""

    def __init__(
        self,
        drawing: Drawing,
        palette: Mapping[str, str],
        layout: Layout,
        moment: Moment | None = None,
    ) -> None:
        self.drawing, self.palette, self.layout, self.moment = drawing, palette, layout, moment
        self.colour = palette
        self.pills: dict[str, str] = {}  # what says that a value goes on in another column
        self.formulas = any(node.forward for node in drawing.nodes if node.kind == "op")
        self.beside = {node.key: node.beside for node in drawing.nodes}
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

    def lines(self, titled: bool) -> list[str]:
        drawing = self.drawing
        graph: dict[str, object] = {
            "bgcolor": self.colour["paper"], "fontname": SANS,
            "label": self.heading() if titled else "",
            "labeljust": "l", "labelloc": "t", "nodesep": 0.5,
            "pad": ",".join(f"{inches:g}" for inches in dict.fromkeys(self.layout.pad)),
            "rankdir": self.layout.direction, "ranksep": 0.34, "splines": "spline",
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
        columns = sorted({*self.layout.columns.values()} or {0})
        # what goes to the right is laid out from the bottom up
        for column in columns if self.layout.direction == "TB" else reversed(columns):
            lines += self.inside("", 1, column)
        lines += ["  " + text for text in (*self.pills.values(), *self.others)]
        above = drawing.nodes[0]
        for node in drawing.nodes:
            if node.kind == "note" and self.column(above) == self.column(node):
                lines.append(f"  {above.key} -> {node.key} {attributes({'style': 'invis'})};")
            if node.kind in ("result", "note"):
                above = node
        return [POINTS.sub(self.legible, line) + "\n" for line in lines]

    def legible(self, found: re.Match[str]) -> str:
        return f'point-size="{max(float(found[1]), self.layout.least):g}"'

    def column(self, node: Card) -> int:
        return self.layout.columns.get(node.key, 0)

    def inside(self, path: str, level: int, column: int) -> list[str]:
        """What a column of a module holds: its cards, those beside one another, the modules in
        it."""
        indent = "  " * level
        nodes = [n for n in self.drawing.held.get(path, []) if self.column(n) == column]
        lines = [f"{indent}{node.key} {attributes(self.card(node))}" for node in nodes]
        for node in nodes:
            if node.key in self.rows:
                lines.append(f"{indent}{{ rank=same; {' '.join(self.rows[node.key])} }}")
        for inner in self.drawing.modules:
            if inner.rpartition(".")[0] == path and inner:
                lines += self.module(inner, level, column)
        return lines

    def module(self, path: str, level: int, column: int) -> list[str]:
        indent = "  " * level
        name, what = self.drawing.modules[path]
        everything = [
            node
            for p, nodes in self.drawing.held.items()
            if f"{p}.".startswith(f"{path}.")
            for node in nodes
        ]
        inside = [node for node in everything if self.column(node) == column]
        if not inside:
            return []
        if any(self.column(node) < column for node in everything):
            what = "continued"
        if 2 * len(name) + len(what) > 30 and not any(node.beside for node in inside):
            what = what.partition("(")[0]  # else the arrow into a narrow frame crosses its title
        title = font(name, 13, self.colour["ink"], bold=True)
        if what:
            title += font("   " + what, 11, self.colour["quiet"])
        come = self.moment is None or any(node.key in self.moment.come for node in inside)
        frame = {
            "class": "module", "color": self.colour["module frame"],
            "fillcolor": self.colour["module ground"], "id": f"module {path}",
            "label": f"<{title}>", "labeljust": "l", "margin": 12, "penwidth": 1.2,
            "style": "rounded,filled" if come else "invis", "tooltip": escape(path),
        }  # fmt: skip
        return [
            f"{indent}subgraph {quoted(f'cluster_{path}' + f' {column}' * bool(column))} {{",
            f"{indent}  graph {attributes(frame)}",
            *self.inside(path, level + 1, column),
            f"{indent}}}",
        ]

    def heading(self) -> str:
        drawing, colour = self.drawing, self.colour
        gap = font("    ", 11, colour["ink"])
        if self.moment is None:
            told = cell(font(typeset(" · ".join(drawing.facts)), 11, colour["quiet"]))
        else:  # as large for every sentence
            said = words(self.moment.say, 2 * SAID)
            most = len(textwrap.wrap(said, SAID))
            wraps = (textwrap.wrap(said, n) for n in range(len(said) // most, SAID + 1))
            lines = next(wrap for wrap in wraps if len(wrap) <= most)  # no word alone on the last
            size = {"fixedsize": "true", "width": 8 * SAID, "height": 44, "balign": "left"}
            told = cell(font(lines, 15, colour["ink"], bold=True), **size)
        rows = [
            font(drawing.title, 20, colour["ink"], bold=True),
            gap.join(font(text, 11, colour[tone], bold=True) for text, tone in self.legend()),
        ]
        if drawing.judgement:
            rows.append(font(drawing.judgement, 11, colour["ink"], bold=True))
        first, *others = [cell(row) for row in rows if row]
        inner = "".join(f"<tr>{row}</tr>" for row in (first, told, *others))
        frame = 'border="0" cellborder="0" cellspacing="0" cellpadding="4"'
        return f'<<table {frame}>{inner}<tr><td height="4"></td></tr></table>>'

    def legend(self) -> Iterator[tuple[str, str]]:
        """What arrows, numbers and dashes mean, and in which colours."""
        edges, view = self.drawing.edges, self.drawing.view
        arrows = "▼ down ▲ up" if self.layout.direction == "TB" else "► right ◄ left"
        forth, way, back, way_back = arrows.split()
        sizes = [abs(g) for e in edges for g in e.grads]
        if view != "backward":
            yield f"{forth} data flows {way}", "data"
        if view != "forward" and any(e.tracked for e in edges):
            what = "gradient" if all(e.signed for e in edges if e.grads) else "‖gradient‖"
            numbers = f"; number and thickness = {what}" if sizes else ""
            double = " in double lines" * (view == "both")
            yield f"{back} gradient flows {way_back}{double}{numbers}", "gradient"
        if view != "forward" and any(node.family == "untracked" for node in self.drawing.nodes):
            yield "dashed, grey: needs no gradient", "untracked"
        if not all(map(math.isfinite, sizes)):
            yield "● gradient is NaN or infinite", "alarm"
        if any(g < VANISHING for g in sizes):
            yield "pale and dotted: below 1e-7", "quiet"

    # ---- cards

    def card(self, node: Card) -> dict[str, object]:
        self.colour = self.palette
        if self.moment is not None and node.key not in self.moment.back:
            hidden = unseen(self.palette[self.ground(node)])
            self.colour = {**self.palette, **dict.fromkeys(WARM, hidden)}
        label = getattr(self, f"{node.kind}_card", self.leaf_card)(node)
        tip = escape(words(" ".join(filter(None, (node.title, node.shape, node.value)))))
        return {
            "class": f"{node.kind} {node.family}".strip(), "id": node.key, "label": f"<{label}>",
            "tooltip": tip, **self.stage(node.key),
        }  # fmt: skip

    def stage(self, key: str, quiet: bool = False) -> dict[str, object]:
        """A card that has not come is not drawn, one at work has a frame around it."""
        if self.moment is not None and key not in self.moment.come:
            return {"style": "invis"}
        if self.moment is None or key != self.moment.now or quiet:
            return {}
        tone = self.palette["product" if self.moment.way == "forward" else "gradient"]
        size = dict.fromkeys(("margin", "width", "height"), 0)  # as without a frame
        return {"shape": "box", "style": "rounded", "color": tone, "penwidth": 8, **size}

    def ground(self, node: Card) -> str:
        """The name of the colour behind the gradients on a card."""
        if node.tone in ("wrong", "doubt"):
            return f"{node.tone} ground"
        return "card" if node.kind == "op" else f"{node.kind} ground"

    def op_card(self, node: Card) -> str:
        colour, view = self.colour, self.drawing.view
        tone, ground = colour[node.family], colour[f"{node.family} ground"]
        right = self.number(f"= {node.value}" if node.value else node.shape, "quiet", "wrong ink")
        if node.grad and view != "forward":
            right += mono("  ", 10, tone) + self.number(node.grad, "gradient", "alarm")
        title = cell(font(node.title, 13, tone, bold=True), width=HEAD)
        # a rounded band of its own: a coloured cell would stick out of the frame's corners
        band = [title + cell(right, align="right", width=TAIL)]
        rows = [
            cell(html_table(band, border=0, padding=4, bgcolor=ground), colspan=2, cellpadding=1)
        ]
        if node.forward and view != "backward":
            rows.append(self.formula("forward", node.said(node.forward), "quiet", "ink"))
        if node.window is not None and view != "backward":
            rows += self.window(node.window, node.family)
        if node.backward and view != "forward":
            when = f"× {node.times}" if node.times > 1 else f"· {node.step}"
            heads = [f"backward {when}", *" " * len(node.rules())]
            for head, rule in zip(heads, node.rules(), strict=False):
                rows.append(self.formula(head, node.said(rule), "gradient", "gradient"))
            if node.saved:
                rows.append(self.formula("saved", ", ".join(node.saved), "quiet", "quiet", 10))
        rows += [cell(font(aired(line), 10, colour["quiet"]), colspan=2) for line in node.lines]
        return self.judged(node, rows, tone, colour["card"], 58)

    def window(self, window: Window, family: str) -> list[str]:
        """Rows with a window over its grid, what it gives, and that in words."""
        colour = self.colour
        roles = {
            "first": (colour[family], colour["card"]), "": (colour["shape ground"], colour["ink"]),
            "next": (colour["module frame"], colour["ink"]),
            "padding": (colour["card"], colour["quiet"]),
        }  # fmt: skip
        every = [tile for grid in window.grids for row in grid.tiles for tile in row]
        points = max(10, self.layout.least)
        high = round(1.6 * points)
        side = high + round(0.6 * points) * max(len(tile.text) - 1 for tile in every)

        def tile(t: Tile) -> str:
            ground, ink = roles[t.role]
            return cell(
                mono(t.text, 10, ink) if t.text else "", align="center", bgcolor=ground, border=1,
                color=colour["faint"], height=high, width=side,
            )  # fmt: skip

        def drawn(grid: Grid) -> str:
            # as large as its tiles, else Graphviz draws them out to the next grid's height
            rows, columns = len(grid.tiles), len(grid.tiles[0])
            extent = f'height="{(high + 1) * rows + 1}" width="{(side + 1) * columns + 1}"'
            inner = "".join(f"<tr>{''.join(map(tile, row))}</tr>" for row in grid.tiles)
            frame = 'border="0" cellpadding="0" cellspacing="1" fixedsize="true"'
            return f"<table {frame} {extent}>{inner}</table>"

        parts, captions = "", ""
        for grid, sign in zip(window.grids, [*window.signs, " "], strict=True):
            parts += cell(drawn(grid), align="center") + cell(mono(sign, 11, colour["ink"]))
            caption = mono(typeset(grid.caption), 10, colour["quiet"])
            captions += cell(caption, align="center") + cell("")
        picture = html_table([parts, captions], border=0, padding=2)
        told = font([*map(aired, textwrap.wrap(window.words, 58))], 10, colour["quiet"])
        return [cell(picture, colspan=2, align="center"), cell(told, colspan=2, balign="left")]

    def judged(self, node: Card, rows: list[str], tone: str, ground: str, wide: int) -> str:
        """A card with what is to be noted: values that are no numbers, and how `compare` has judged
        its tensor: a sign, the verdict, what explains it."""
        colour = self.colour
        if node.alarm:
            text = font(aired(f"● {node.alarm}"), 10, colour["wrong ink"], bold=True)
            rows = [*rows, cell(text, colspan=2)]
        if not node.verdict:
            return html_table(rows, color=tone, bgcolor=ground)
        kind = node.tone
        bad = kind in ("wrong", "doubt")
        shade = colour[f"{kind} ink" if bad else kind]
        said, *why = [*node.mistakes, ""]
        says = [cell(font(f"{node.sign} {node.verdict}  ", 10, shade, bold=True))]
        says += [cell(font(aired(said), 10, colour["quiet"]))] if said else []
        table = html_table(["".join(says)], border=0, padding=0)
        rows = [*rows, cell(table, colspan=2)]
        lines = [aired(line) for text in why for line in textwrap.wrap(words(text, 240), wide)]
        if lines:
            rows.append(cell(font(lines, 10, shade), colspan=2, balign="left"))
        if not bad:
            return html_table(rows, color=tone, bgcolor=ground)
        border = 3 if kind == "wrong" else 2
        return html_table(rows, border=border, color=colour[kind], bgcolor=colour[f"{kind} ground"])

    def formula(self, head: str, text: str, head_tone: str, tone: str, points: float = 11) -> str:
        """A row with a word on the left and a formula, folded into at most four lines."""
        lines = [line + " " for line in wrapped(typeset(text))]  # room before the frame
        left = font(head, 10, self.colour[head_tone])
        right = mono(lines, points, self.colour[tone])
        top = {"valign": "top"} if len(lines) > 1 else {}
        return cell(left, width=HEAD, cellpadding=3, **top) + cell(
            right, width=TAIL, balign="left", cellpadding=3
        )

    def number(self, text: str, usual: str, bad: str) -> str:
        """A text with a number in it, in another colour where it is none."""
        tone = bad if re.search(r"\b(NaN|inf)\b", text) else usual
        return mono(typeset(text) or " ", 10, self.colour[tone])

    def leaf_card(self, node: Card) -> str:
        colour, kind = self.colour, node.kind
        title = font(node.title, 12, colour[f"{kind} ink"], bold=True)
        rows = [pair(title, mono(node.shape, 10, colour["quiet"]), width=128)]
        if node.value or node.grad:
            value = self.number(node.value, "quiet", "wrong ink")
            rows.append(pair(value, self.number(node.grad, "gradient", "alarm")))
        facts = " · ".join(node.lines)
        if self.formulas and node.symbol != node.title:
            facts = f"{node.symbol} in formulas · {facts}".removesuffix(" · ")
        if facts:
            rows.append(cell(font(aired(facts), 10, colour["quiet"]), colspan=2))
        return self.judged(node, rows, colour[kind], colour[f"{kind} ground"], 46)

    def module_card(self, node: Card) -> str:
        colour = self.colour
        *shapes, holds = node.lines
        title = font(node.title, 13, colour["ink"], bold=True)
        what = font(aired(node.shape), 10, colour["quiet"])
        rows = [cell(title, width=128) + cell(what, align="right", width=168)]
        if node.forward and self.drawing.view != "backward":
            formula = mono(
                [line + " " for line in wrapped(typeset(node.forward))], 11, colour["ink"]
            )
            rows.append(cell(formula, colspan=2, cellpadding=3, balign="left"))
        left = "".join(shapes) if node.forward and shapes else holds
        right = mono("   ", 10, colour["quiet"]) + self.number(node.grad, "gradient", "alarm")
        if shapes and not node.forward:
            rows.append(cell(mono(shapes, 10, colour["quiet"]), colspan=2, cellpadding=3))
        rows.append(pair(font(left, 10, colour["quiet"]), right, cellpadding=3))
        return self.judged(node, rows, colour["module frame"], colour["module ground"], 52)

    def hidden_card(self, node: Card) -> str:
        text = font(node.title, 12, self.colour["data"], bold=True)
        rows = [cell(text, width=296, align="center")]
        return html_table(rows, color=self.colour["faint"], bgcolor=self.colour["shape ground"])

    def result_card(self, node: Card) -> str:
        ink, ground = self.colour["result ink"], self.colour["result ground"]
        parts = [font(node.title, 14, ink, bold=True)]
        parts += [mono(typeset(text), 14, ink) for text in (node.shape, node.value) if text]
        if node.grad:
            parts.append(mono(typeset(node.grad), 12, self.colour["result gradient"]))
        return html_table(["".join(map(cell, parts))], border=0, bgcolor=ground, padding=7)

    def note_card(self, node: Card) -> str:
        lines = font([*map(aired, textwrap.wrap(node.title, 58))], 11, self.colour["note ink"])
        rows = [cell(lines, balign="left")]
        return html_table(
            rows, color=self.colour["note"], bgcolor=self.colour["note ground"], padding=8
        )

    # ---- edges

    def edge(self, edge: Arrow, i: int, beside: bool = False, flipped: bool = False) -> str:
        style, label = self.staged(edge, flipped)
        ends = (edge.target, edge.source) if flipped else (edge.source, edge.target)
        column, last = (self.layout.columns.get(key, 0) for key in (edge.target, edge.source))
        if column != last:
            ends = self.pill(edge, column, dict(style)), edge.target
        if edge.spine:
            style["weight"] = 60
        if label:
            # a card beside its operation may be laid out on either side of it: no sign fits both
            arrow = "" if beside else " ▲ " if self.layout.direction == "TB" else "◄ "
            run = cell(mono(f" {arrow}{label} ", 10, str(style.pop("label tone"))))
            rows = [run]
            if self.layout.direction == "LR":  # else the number sits on its arrow
                if beside:
                    rows = [cell("", width=42 + 7 * len(label)) + run]
                else:
                    rows.append(cell("", height=8))
            style["label"] = f"<{html_table(rows, border=0, padding=1)}>"
        style["id"] = f"e{i}"
        return f"{ends[0]} -> {ends[1]} {attributes(style)};"

    def pill(self, edge: Arrow, column: int, style: dict[str, object]) -> str:
        """The node that an edge comes from which goes on in another column: the name of the value,
        which stands below its card too."""
        source = self.drawing.by_key[edge.source]
        name = words(source.symbol or source.title, 24)
        way = "►" if self.layout.direction == "TB" else "▼"
        faint, paper = self.palette["faint"], self.palette["paper"]
        known = {"class": "pill", "tooltip": escape(name), **self.stage(source.key, quiet=True)}

        def pill(key: str, text: str) -> str:
            text = mono(text, 12, self.palette["data"])
            rows = [cell(text, align="center")]
            label = html_table(rows, padding=4, color=faint, bgcolor=paper)
            return f"{key} {attributes(known | {'id': key, 'label': f'<{label}>'})};"

        leaves, comes = f"from_{source.key}", f"to_{column}_{source.key}"
        if leaves not in self.pills:
            style.pop("label tone", None)
            line = f"{source.key} -> {leaves} {attributes(style)};"
            self.pills[leaves] = f"{pill(leaves, f'{name} {way}')} {line}"
        self.pills[comes] = pill(comes, f"{way} {name}")
        return comes

    def staged(self, edge: Arrow, flipped: bool) -> tuple[dict[str, object], str]:
        """How an edge is drawn at the moment, and the number on it, which may be unseen: it takes
        the same place then."""
        style, label = self.stroke(edge, flipped)
        if self.moment is None:
            return style, label
        waiting = edge.target not in self.moment.back and self.drawing.view == "backward"
        if waiting or not {edge.source, edge.target} <= self.moment.come:
            style["style"] = "invis"
        elif edge.tracked and edge.target not in self.moment.back:
            data = {"class": "data", "color": self.palette["pale data"], "penwidth": 1.3}
            style = {**data, "dir": "back" if flipped else "forward"}
            ends = (self.drawing.by_key[key] for key in (edge.source, edge.target))
            inside, other = (card.path.partition(".")[0] for card in ends)
            ground = "module ground" if inside and inside == other else "paper"
            style |= {"label tone": unseen(self.palette[ground])} if label else {}
        elif edge.target == self.moment.now:
            style["penwidth"] = max(float(str(style.get("penwidth", 1))), 3.2)
        return style, label

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
        gradient = "gradient"
        style: dict[str, object] = {"class": "tracked", "penwidth": 1.3}
        label = ""
        if edge.grads:
            sizes = [abs(g) for g in edge.grads]
            label = typeset(span(edge.grads))
            top = max(sizes)
            if any(not math.isfinite(g) for g in sizes):
                gradient = "alarm"
                style |= {"class": "tracked alarm", "penwidth": 3.5}
            elif top < VANISHING:
                gradient = "pale gradient"
                style |= {"class": "tracked vanishing", "penwidth": 1.0, "style": "dotted"}
            else:
                style["penwidth"] = round(min(max(2.3 + 0.7 * math.log10(top), 0.8), 5.0), 2)
            style["label tone"] = colour["alarm" if gradient == "alarm" else "gradient"]
        if view == "backward":
            return style | {"color": colour[gradient], "dir": back}, label
        # two lines of three are the gradient's, so that it is the heavier one in grey too; the head
        # has the first colour, the tail the second
        lines = (gradient, "pale data", gradient) if flipped else ("pale data", gradient, gradient)
        return style | {"color": ":".join(colour[line] for line in lines), "dir": "both"}, label


def unseen(ground: str) -> str:
    """The colour of letters that are not to be seen, which nothing else has.

    >>> unseen("#FEFFFF")
    '#FEFFFD'
    """
    return f"#{int(ground[1:], 16) ^ 2:06X}"


def wrapped(formula: str) -> list[str]:
    """A formula as lines of at most WIDE characters, broken at blanks outside of shapes, and first
    where another equation begins.

    >>> wrapped("C = f · C + i · g, Y[t] = o · tanh(C)")
    ['C\\xa0=\\xa0f · C + i · g,', 'Y[t]\\xa0=\\xa0o · tanh(C)']
    >>> wrapped("z = v ⋆ W + b; z[i, j] = Σ(v[i + k, j + l] · W[k, l]) + b")[1]
    'z[i,\\xa0j]\\xa0=\\xa0Σ(v[i + k, j + l]'
    """
    between = r"(?<=;) |(?<=,) (?=\w+(?:\[\w+\])? = )"
    equations = re.split(between, formula) if len(formula) > WIDE else []
    if len(equations) > 1:
        return [line for equation in equations for line in wrapped(equation)]
    tight = re.sub(r"(?<=\d), (?=\d)|(?<=[\[ ]\w), (?=\w[\],])", ",\N{NO-BREAK SPACE}", formula)
    tight = re.sub(r" ([-+−×·]) ", r" \1\t", tight).replace(" / ", "\t/\t")  # a sign comes first
    tight = re.sub(r" (\+?=) ", "\N{NO-BREAK SPACE}\\1\N{NO-BREAK SPACE}", tight, count=1)
    lines = [""]
    for word in tight.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > WIDE:
            lines.append("  " + word)
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    lines = [line.replace("\t", " ") for line in lines]
    return lines if len(lines) <= 4 else [*lines[:3], lines[3][: WIDE - 2] + " …"]


def aired(line: str) -> str:
    """A line with room at its end: the letters of a browser are up to 6 % wider than Graphviz takes
    them to be.

    >>> aired("a line of more than thirty letters")
    'a line of more than thirty letters  '
    """
    return line + " " * (1 + len(line) // 30)


def font(
    text: str | list[str], points: float, tone: str, bold: bool = False, face: str = SANS
) -> str:
    lines = [text] if isinstance(text, str) else text
    inner = "<br/>".join(map(blanks, lines))
    inner = f"<b>{inner}</b>" if bold else inner
    return f'<font face="{face}" point-size="{points:g}" color="{tone}">{inner}</font>'


def mono(text: str | list[str], points: float, tone: str) -> str:
    return font(text, points, tone, face=MONO)


def blanks(text: str) -> str:
    """Escaped, with blanks that Graphviz would drop made to stay."""
    text = escape(text).replace("  ", "&#160; ")
    if text[:1] == " ":
        text = "&#160;" + text[1:]
    return text[:-1] + "&#160;" if text[-1:] == " " else text


def spelled(known: dict[str, object]) -> str:
    return "".join(f' {k}="{v}"' for k, v in sorted(known.items()))


def cell(content: str, **known: object) -> str:
    return f"<td{spelled({'align': 'left'} | known)}>{content}</td>"


def pair(left: str, right: str, **known: object) -> str:
    """Two cells, the second at the right edge."""
    return cell(left, **known) + cell(right, align="right", **known)


def html_table(rows: Iterable[str], *, border: int = 1, padding: int = 5, **known: object) -> str:
    frame = f'border="{border}" cellborder="0" cellpadding="{padding}" cellspacing="0"'
    style = ' style="rounded"' if known else ""
    inner = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table {frame}{spelled(known)}{style}>{inner}</table>"
