"""The report of a comparison: rows, a verdict, a table for people and a dictionary for programs."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import asdict, dataclass
from typing import Any, TextIO

from .fix import Fix
from .judge import ABSENT, INHERITED, OK, OTHER, SMALL, WRONG, Diagnosis, Row

WIDTH = 100
HEAD = ("tensor", "shape", "max abs err", "rel err", "verdict", "diagnosis")
COLOURS = {  # on a terminal (ANSI) and in a notebook
    OK: (32, "#1a7f37"),
    OTHER: (32, "#1a7f37"),
    WRONG: (31, "#cf222e"),
    INHERITED: (33, "#9a6700"),
    SMALL: (33, "#9a6700"),
    ABSENT: (2, "#6e7781"),
}


@dataclass(frozen=True)
class Witness:
    """One element of the first wrong gradient, and the slopes of the loss on either side of it.

    `slopes` is None if the loss could not be computed again.
    """

    name: str
    element: tuple[int, ...]
    yours: float
    autodiff: float
    slopes: tuple[float, float] | None
    loss: float = 1.0

    @property
    def finite_difference(self) -> float | None:
        """The central difference: the mean of the slopes."""
        return None if self.slopes is None else (self.slopes[0] + self.slopes[1]) / 2

    @property
    def noise(self) -> float:
        """What rounding of the loss makes of a finite difference, with a margin."""
        return 1e-8 * max(1.0, abs(self.loss))

    @property
    def kink(self) -> bool:
        """Whether the slopes differ, so that the loss has no derivative there."""
        if self.slopes is None:
            return False
        left, right = self.slopes
        dispute = abs(self.yours - self.autodiff)
        return abs(left - right) > 1e-3 * max(abs(left), abs(right), dispute)

    def __str__(self) -> str:
        where = f"{shown(self.name)}: element {self.element}" if self.element else shown(self.name)
        text = f"{where}: yours {self.yours + 0:.4g}, autodiff {self.autodiff:.4g}"
        slope = self.finite_difference
        if slope is None:
            stale = math.isfinite(self.loss)
            why = "The tape was overwritten in place" if stale else "The loss is no number"
            return f"{text}. {why}: no finite difference."
        text += f", finite difference {slope:.4g}."
        if self.kink and self.slopes is not None:
            left, right = self.slopes
            return f"{text} A kink: the slopes are {left:.4g} and {right:.4g}."
        dispute = abs(self.yours - self.autodiff)
        if abs(slope - self.yours) < 0.1 * dispute and dispute > self.noise:
            text += " It agrees with yours: a rule of autodiff is wrong."
        return text


@dataclass(frozen=True, repr=False)
class Report:
    """What `compare` found: rows in backward order; printed, a table of at most 100 columns.

    `formula` is the wrong formula and the right one of a row whose name it begins with, where the
    mistake has one; `remarks` are about the comparison as a whole; `fixes` are the edits of the
    learner's own code that make the gradients right, each of them alone.
    """

    loss: float
    rows: tuple[Row, ...]
    witness: Witness | None
    formula: str = ""
    remarks: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no gradient is wrong or inherits a mistake, and at least one agrees."""
        verdicts = {row.verdict for row in self.rows}
        return not verdicts & {WRONG, INHERITED} and bool(verdicts & {OK, OTHER})

    @property
    def first_wrong(self) -> Row | None:
        """The first row that is wrong here: the one to mend first. None if there is none."""
        return next((row for row in self.rows if row.verdict == WRONG), None)

    def to_dict(self) -> dict[str, Any]:
        """The report for `json.dumps`: infinite and missing numbers are None."""
        first, w = self.first_wrong, self.witness
        columns = ("name", "shape", "max_abs_err", "rel_err", "verdict", "note", "diagnoses")
        seen = ("name", "element", "yours", "autodiff", "finite_difference", "kink")
        found: dict[str, Any] = for_json(
            {
                "ok": self.ok,
                "loss": self.loss,
                "first_wrong": first.name if first else None,
                "rows": [{name: getattr(row, name) for name in columns} for row in self.rows],
                "formula": self.formula,
                "remarks": self.remarks,
                "fixes": [asdict(fix) for fix in self.fixes],
                "witness": w and {name: getattr(w, name) for name in seen},
            }
        )
        return found

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return self._text(colour=False)

    __repr__ = __str__

    def show(self, file: TextIO | None = None) -> None:
        """Print the table, in colour on a terminal unless the variable NO_COLOR is set."""
        out = sys.stdout if file is None else file
        print(self._text(out.isatty() and not os.environ.get("NO_COLOR")), file=out)

    def _text(self, colour: bool) -> str:
        import textwrap

        cells = [HEAD, *(_cells(row) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)][:-1]
        used = sum(widths) + 2 * len(widths)
        beside = WIDTH - used >= 24  # else the notes go below their rows
        if not beside or not any(row.note for row in self.rows):
            cells[0] = (*HEAD[:-1], "")
        lines = []
        for row, (*line, note) in zip([None, *self.rows], cells, strict=True):
            text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            notes = textwrap.wrap(note, WIDTH - used if beside else WIDTH - 4)
            if notes and beside:
                text += "  " + notes.pop(0)
            block = [text.rstrip(), *(" " * (used if beside else 4) + part for part in notes)]
            if colour and row is not None:
                block = [f"\033[{COLOURS[row.verdict][0]}m{part}\033[0m" for part in block]
            lines += block
        summary, *ends = ("\n".join(textwrap.wrap(end, WIDTH)) for end in self.ends)
        fixes = (textwrap.indent(str(fix), "    ") for fix in self.fixes)
        return "\n".join([*lines, summary, *fixes, *ends])

    def _repr_html_(self) -> str:
        """The table of a notebook."""
        from html import escape

        cells = [[escape(cell) for cell in _cells(row)] for row in self.rows]
        head = "".join(f"<th style='text-align:left'>{name}</th>" for name in HEAD)
        body = "".join(
            f"<tr style='color:{COLOURS[row.verdict][1]}'>"
            + "".join(f"<td style='text-align:left'>{cell}</td>" for cell in line)
            + "</tr>"
            for row, line in zip(self.rows, cells, strict=True)
        )
        ends = "<br>".join(escape(end) for end in self.ends)
        fixes = "".join(f"<pre>{marked(fix)}</pre>" for fix in self.fixes)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f"{table}<p>{ends}</p>{fixes}"

    @property
    def ends(self) -> list[str]:
        """The lines below the table."""
        said = shown(" ".join([*self.remarks, self.formula]), 400)
        lines = (self.summary, said.strip(), str(self.witness or ""))
        return [line for line in lines if line]

    @property
    def summary(self) -> str:
        """How many gradients agree and how many do not, in one sentence, and what to mend first."""
        count = {v: sum(row.verdict == v for row in self.rows) for v in COLOURS}
        parts: list[str] = []
        agree = count[OK] + count[OTHER]
        for n, one, many in (
            (agree, "agrees", "agree"),
            (count[WRONG], "is wrong on its own", "are wrong on their own"),
            (count[INHERITED], "inherits", "inherit"),
            (count[SMALL], "is too small to judge", "are too small to judge"),
            (count[ABSENT], "was not handed in", "were not handed in"),
        ):
            if n:
                noun = "" if parts else " gradient" + "s" * (n > 1)
                parts.append(f"{n}{noun} {one if n == 1 else many}")
        first = self.first_wrong
        return ", ".join(parts) + "." + (f" Fix {shown(first.name)} first." if first else "")


def marked(fix: Fix) -> str:
    """A fix in HTML: the line that is wrong struck out, the new one marked."""
    from html import escape

    start = escape(f"line {fix.line}:  ")
    new = f"<mark>{escape(fix.new)}</mark>" if fix.new else "(without it)"
    return f"{start}<del>{escape(fix.old)}</del>\n{'-&gt;  ':>{len(start) + 3}}{new}"


def _cells(row: Row) -> tuple[str, ...]:
    """The columns of a row."""
    shape = str(row.shape)
    return (
        shown(row.name),
        shape if len(shape) <= 20 else shape[:17] + "...",
        error(row.max_abs_err),
        error(row.rel_err),
        row.verdict,
        shown(told(row), 400),
    )


def told(row: Row) -> str:
    """The last column of a row: what explains it, all that does, or what is known without."""
    if row.diagnoses:
        return "; or ".join(row.explanations)
    return f"unexplained: {row.note}" if row.unexplained else row.note


def error(x: float) -> str:
    """A number of the table.

    >>> error(0.44), error(math.nan)
    ('4.4e-01', '-')
    """
    return "-" if math.isnan(x) else f"{x:.1e}"


def shown(text: str, longest: int = 28) -> str:
    """A text in ASCII and on one line, its middle left out if it is longer than that.

    >>> shown("layers.0.attention.projection.weight")
    'layers.0.att...ection.weight'
    """
    text = ascii(text)[1:-1]
    if len(text) <= longest:
        return text
    half = (longest - 3) // 2
    return f"{text[:half]}...{text[-(longest - 3 - half) :]}"


def for_json(x: Any) -> Any:
    """What json has for a value: no tuples, no dataclasses and no numbers that are not finite."""
    if isinstance(x, Diagnosis):
        x = asdict(x)
    if isinstance(x, dict):
        return {name: for_json(value) for name, value in x.items()}
    if isinstance(x, tuple | list):
        return [for_json(value) for value in x]
    return None if isinstance(x, float) and not math.isfinite(x) else x
