"""A derivation as slides: an `align*` for every step, for Beamer or to be copied."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest

from ..program.names import words
from ..program.trace import Program, Statement
from .latex import latex_code, latex_line, latex_name
from .series import IN_LATEX, IN_TEXT, series
from .text import argument_rows, in_dollars, in_text, notes, operations, rows, short, steps

__all__ = ["Slide", "beamer", "slides_of"]

GIVEN = 9  # rows of the table of what is given, on one slide
NAME = 24  # letters of a name in code
LINE = 66  # letters of a formula that fit on a line of a slide as large as text is
SIZES = {
    36: r"\Large", 48: r"\large", LINE: "", 76: r"\small", 90: r"\footnotesize",
    110: r"\scriptsize",
}  # fmt: skip
FEW = 4  # lines that may be larger than text
SIGNS = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
STEP = re.compile(r"\b\d+ of \d+\b")  # in a title
PERIOD = 40  # slides of one step of a recurrence, at most
BREAKS = re.compile(r" (?=[+-] |\\odot |\\cdot )|(?<=,) ")

HEAD = r"""\documentclass[aspectratio=169]{beamer}
\usepackage{amsmath}
\setbeamertemplate{navigation symbols}{}
\setbeamertemplate{footline}[frame number]
\begin{document}
"""


@dataclass
class Slide:
    """One step: its title, its displayed formulas and what is worth a word, in LaTeX, and the same
    as plain text."""

    title: str
    formulas: str
    text: str
    remarks: list[str] = field(default_factory=list)

    def frame(self) -> str:
        """The frame of a Beamer presentation, in letters that make its longest line fit."""
        lines = self.formulas.splitlines()
        columns = zip_longest(*(re.split(r"(?<!\\)&", line) for line in lines), fillvalue="")
        wide = sum(max(map(letters, column)) + 2 for column in columns)
        wide = max(wide, LINE) if len(lines) > FEW + 2 else wide
        size = next((size for most, size in SIZES.items() if wide <= most), r"\tiny")
        said = "".join(f"\n{remark}\n" for remark in self.remarks)
        return f"\\begin{{frame}}{{{self.title}}}\n{size}\n{self.formulas}\n{said}\\end{{frame}}\n"


def beamer(slides: list[Slide]) -> str:
    """A whole document of slides."""
    return HEAD + "\n".join(slide.frame() for slide in slides) + "\\end{document}\n"


def slides_of(program: Program) -> list[Slide]:
    """What is given, a slide for every forward statement, then one for every step backward; but one
    for all steps of a recurrence."""
    visible, loss = program.visible(), program.loss.name
    made = list(given(program))
    n = len(program.forward)
    for i, s in enumerate(program.forward, 1):
        title = f"Forward {i} of {n}: {operations(s)}"
        lines = ["  ".join(filter(None, row)) for row in rows(s, visible, "")]
        formulas = align([labelled(s)])
        made.append(Slide(in_letters(title), formulas, "\n".join([title, *lines]) + "\n"))
    name = latex_name(loss)
    seed = rf"\mathrm{{d}}v = \partial {name} / \partial v, \quad \mathrm{{d}}{name} = 1"
    text = f"Backward\nd_ stands for the derivative of {loss} by what follows, so d_{loss} = 1.\n"
    made.append(Slide("Backward", displayed(seed), text))
    found = steps(program)
    for i, step in enumerate(found, 1):
        through = [f"through {operations(s)}" for s in step.through[:1]]
        through += [f"then {operations(s)}" for s in step.through[1:]]
        title = f"Backward {i} of {len(found)}: {', '.join(through) or 'adding up'}"
        lines = [f"through {short(s, visible)}" for s in step.through]
        lines += ["  ".join(filter(None, row)) for s in step.gives for row in rows(s, visible, "")]
        lines += [note for s in step.gives if (note := notes(s, visible))]
        formulas = align([*map(labelled, step.through), *map(latex_line, step.gives)])
        remarks = [
            f"{in_dollars(s.target.name)}: {in_letters(note)}."
            for s in step.gives
            if (note := notes(s, visible, in_dollars))
        ]
        made.append(Slide(in_letters(title), formulas, "\n".join([title, *lines]) + "\n", remarks))
    return numbered(list(folded(made)))


def folded(slides: list[Slide]) -> Iterator[Slide]:
    """The slides, of those that repeat but for the number of a step the first ones alone, with t
    for that number."""
    shapes = [(STEP.sub("", s.title), IN_LATEX.number.sub("", s.formulas)) for s in slides]

    def longest(i: int) -> tuple[int, list[Slide]]:
        """How many slides from i on are told by which."""
        best = 1, slides[i : i + 1]
        for period in range(1, PERIOD + 1):
            times = 1
            while shapes[i : i + period] == shapes[i + period * times :][:period]:
                times += 1
            rounds = [slides[i + period * k :][:period] for k in range(times)]
            if period * times > best[0] and (found := for_every_t(rounds)):
                best = period * times, found
        return best

    i = 0
    while i < len(slides):
        used, found = longest(i)
        if len(found) > 1 and i + 1 < len(slides) and longest(i + 1)[0] == used:
            used, found = 1, slides[i : i + 1]  # the first step is another
        yield from found
        i += used


def for_every_t(rounds: list[list[Slide]]) -> list[Slide] | None:
    """One round of slides with t for the number of a step; None if rounds differ by more."""
    every = series(["".join(s.formulas for s in slides) for slides in rounds], IN_LATEX)
    if every is None or not all(STEP.search(s.title) for s in rounds[0]):
        return None
    first, last = every.steps[0], every.steps[-1]
    made = []
    for same in zip(*rounds, strict=True):
        parts = [(s.formulas, *s.remarks) for s in same]
        told = [series(texts, IN_LATEX, every.steps) for texts in zip(*parts, strict=True)]
        body = [s.text.partition("\n")[2] for s in same]
        text = series(body, IN_TEXT, every.steps)
        if text is None or None in told:
            return None
        formulas, *remarks = [found.term for found in told if found is not None]
        head = STEP.sub(rf"\g<0>, t = {first}, ..., {last}", same[0].text.partition("\n")[0])
        title = STEP.sub(rf"\g<0>, $t = {first}, \\dots, {last}$", same[0].title)
        made.append(Slide(title, formulas, f"{head}\n{text.term}", remarks))
    return made


def numbered(slides: list[Slide]) -> list[Slide]:
    """The slides with their numbers in the titles."""
    heads = [s.title.partition(" ")[0] if STEP.search(s.title) else "" for s in slides]
    for i, slide in enumerate(slides):
        if heads[i]:
            step = f"{heads[: i + 1].count(heads[i])} of {heads.count(heads[i])}"
            slide.title = STEP.sub(step, slide.title, count=1)
            slide.text = STEP.sub(step, slide.text, count=1)
    return slides


def given(program: Program) -> Iterator[Slide]:
    """What is given, as a table on as many slides as it takes."""
    shown = argument_rows(program, latex_name)
    plain = argument_rows(program, lambda name: name)
    for start in range(0, len(shown), GIVEN):
        part = slice(start, start + GIVEN)
        table = " \\\\\n".join(
            rf"{symbol} & {latex_code(words(code, NAME))} & {shape} & {in_text(facts)}"
            for symbol, code, shape, facts in shown[part]
        )
        text = ["  ".join(filter(None, dict.fromkeys(row))) for row in plain[part]]
        title = "Given" if not start else "Given, continued"
        body = f"\\begin{{array}}{{llll}}\n{table}\n\\end{{array}}"
        yield Slide(title, displayed(body), "\n".join([title, *text]) + "\n")


def displayed(formula: str) -> str:
    return f"\\[\n{formula}\n\\]"


def align(lines: list[str]) -> str:
    body = " \\\\\n".join(map(broken, lines))
    return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"


def labelled(s: Statement) -> str:
    """A statement with the operations that it comes from at the right edge."""
    return rf"{latex_line(s)} \tag*{{{in_letters(operations(s))}}}"


def broken(line: str) -> str:
    """A line of an alignment that goes on below, at signs outside of brackets, if it is long.

    >>> print(broken("y &= " + " + ".join(["x"] * 40) + " && (2,)").count("qquad"))
    1
    """
    if letters(line) <= max(SIZES):
        return line
    formula, mark, rest = line.partition(" && ")
    parts, depth = [""], 0
    for piece in BREAKS.split(formula):
        if depth or not parts[-1] or letters(parts[-1]) + letters(piece) <= LINE:
            parts[-1] += f" {piece}" * bool(parts[-1]) or piece
        else:
            parts.append(piece)
        depth = balance(parts[-1]) if len(parts) == 1 else depth + balance(piece)
    return " \\\\\n&\\qquad ".join(parts) + mark + rest


def balance(text: str) -> int:
    """How many groups are open at its end, which are not to be broken."""
    signs = re.sub(r"\\[{}]", "", text)
    groups = signs.count("{") - signs.count("}")
    return groups + len(re.findall(r"\\left\b", text)) - len(re.findall(r"\\right\b", text))


def letters(line: str) -> int:
    """About how many letters wide a line of LaTeX is.

    >>> letters(r"\\mathrm{d}z &= \\frac{1}{2}\\, h^{\\top} && (2, 1)")
    14
    """
    line = re.sub(r"\\(?:mathrm|mathit|operatorname|text|tag\*|left|right|mathtt)\b\*?", "", line)
    line = re.sub(r"\\(?:begin|end)\{\w+\*?\}(?:\{l+\})?", "", line)
    line = re.sub(r" &?[+=-] ", "++", re.sub(r"\\[A-Za-z]+", "x", line))  # signs have room
    return len(re.sub(r"(?<!\\)[{}&^_$]|\\[,; ]|\\|\s", "", line))


def in_letters(text: str) -> str:
    r"""Plain text in LaTeX; what stands between dollar signs is mathematics already.

    >>> print(in_letters("scatter_add of $z_{1}$, 50 %"))
    scatter\_add of $z_{1}$, 50 \%
    """
    parts = text.split("$")
    for i in range(0, len(parts), 2):
        parts[i] = "".join(SIGNS.get(c, f"\\{c}" if c in "_{}&#%" else c) for c in parts[i])
    return "$".join(parts)
