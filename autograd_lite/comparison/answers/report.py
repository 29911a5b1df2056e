"""The report of a comparison: rows, a verdict, a table for people and a dictionary for programs."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from . import telling
from .arguments import tape_of
from .fix import Fix
from .judge import ABSENT, INHERITED, OK, OTHER, SMALL, WRONG, Diagnosis, Row
from .telling import LONGEST, error, shown, told

if TYPE_CHECKING:
    from ...engine.tensor import Tensor

WIDTH = 100
SHORT = 200  # characters of a repr: pytest cuts the middle out of longer ones than 240
NOTEBOOK = 300_000  # characters of a graph that a notebook keeps for each cell
HEAD = ("tensor", "shape", "max abs err", "rel err", "verdict", "diagnosis")
COLOURS = {  # on a terminal (ANSI)
    OK: 32,
    OTHER: 32,
    WRONG: 31,
    INHERITED: 33,
    SMALL: 33,
    ABSENT: 2,
}


@dataclass(frozen=True)
class Witness:
    """One element of the first wrong gradient, and the slopes of the loss on either side of it.

    `slopes` is None if the loss could not be computed again, `autodiff` NaN if there is no tape.
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
    def judge(self) -> float:
        """What the gradient handed in is held against."""
        return (self.finite_difference or 0.0) if math.isnan(self.autodiff) else self.autodiff

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
        dispute = abs(self.yours - self.judge)
        return abs(left - right) > 1e-3 * max(abs(left), abs(right), dispute)

    def __str__(self) -> str:
        where = f"{shown(self.name)}: element {self.element}" if self.element else shown(self.name)
        text = f"{where}: yours {self.yours + 0:.4g}"
        if not math.isnan(self.autodiff):
            text += f", autodiff {self.autodiff + 0:.4g}"
        slope = self.finite_difference
        if slope is None:
            stale = math.isfinite(self.loss)
            why = "The tape was overwritten in place" if stale else "The loss is no number"
            return f"{text}. {why}: no finite difference."
        text += f", finite difference {slope + 0:.4g}."
        if self.kink and self.slopes is not None:
            left, right = self.slopes
            return f"{text} A kink: the slopes are {left:.4g} and {right:.4g}."
        dispute = abs(self.yours - self.judge)
        if abs(slope - self.yours) < 0.1 * dispute and dispute > self.noise:
            text += " It agrees with yours: a rule of autodiff is wrong."
        return text


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a report is about, kept to draw it: a loss, and tensors by the names of rows.

    It stands in for a model, which all that `draw` asks for is the names of its parameters.
    """

    loss: Tensor
    parameters: Mapping[str, Tensor]

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        return iter(self.parameters.items())


@dataclass(frozen=True, repr=False)
class Report:
    """What `compare` found: rows in backward order; printed, what to do and a table.

    The text is of at most 100 columns, in ASCII; its first sentence is `headline`. `formula` is the
    wrong formula and the right one of a row whose name it begins with, where the mistake has one;
    `remarks` are about the comparison as a whole; `fixes` are edits of the learner's code, each of
    which makes the first wrong gradient right.

    In a test, call `report.check()`: it raises AssertionError with the whole text. A report is true
    if it is `ok`, so that `assert report` tests it too; it is never a question whether there is
    one, as every door returns one, and `if report:` means "if all is right".
    """

    loss: float
    rows: tuple[Row, ...]
    witness: Witness | None
    formula: str = ""
    remarks: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()
    recorded: Comparison | None = field(default=None, compare=False)
    search: Callable[[Report], tuple[Fix, ...]] | None = field(default=None, compare=False)

    @property
    def ok(self) -> bool:
        """Whether no gradient is wrong or inherits a mistake, and at least one agrees."""
        return telling.all_agree(self.rows)

    @property
    def first_wrong(self) -> Row | None:
        """The first row that is wrong here: the one to mend first. None if there is none."""
        return telling.first_wrong(self.rows)

    @property
    def headline(self) -> str:
        """What to do next, in one or two sentences."""
        return telling.headline(self.rows, self.fixes)

    @property
    def summary(self) -> str:
        """How many gradients agree and how many do not, in one sentence, and what to mend first."""
        return telling.summary(self.rows)

    @property
    def ends(self) -> list[str]:
        """The lines below the table."""
        said = shown(" ".join([*self.remarks, self.formula]), LONGEST)
        lines = (self.summary, said.strip(), str(self.witness or ""))
        return [line for line in lines if line]

    def check(self) -> Report:
        """The report itself if it is ok, else AssertionError with its whole text.

        >>> from autograd_lite import compare
        >>> x = tensor(3.0, requires_grad=True, name="x")
        >>> compare(x * x, {"x": 6.0}).check().rows[0].verdict
        'ok'
        """
        __tracebackhide__ = True  # pytest then shows the caller's line
        if not self.ok:
            raise AssertionError(str(self))
        return self

    def to_dict(self) -> dict[str, Any]:
        """The report for `json.dumps`: infinite and missing numbers are None."""
        first, w = self.first_wrong, self.witness
        columns = (
            "name", "shape", "max_abs_err", "rel_err", "verdict", "note", "mistake_of",
            "explanations", "diagnoses",
        )  # fmt: skip
        seen = ("name", "element", "yours", "autodiff", "finite_difference", "kink")
        found: dict[str, Any] = for_json(
            {
                "ok": self.ok,
                "headline": self.headline,
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

    def to_html(self) -> str:
        """The report as a page: what to do, the table, and beside it the graph with the verdicts.

        It needs no network, fits a phone, and is as light or dark as the reader's system. Where
        there is no Graphviz, or `backward()` has released the tape, that is said for the graph.
        """
        from .page import page

        return page(self.headline, self._content())

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page of `to_html` (.html), the dictionary (.json) or the text (.txt); returns
        the path. ValueError for another suffix."""
        import json

        path = Path(path)
        suffix = path.suffix.lower()
        if suffix == ".html":
            text = self.to_html()
        elif suffix == ".json":
            text = json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"
        elif suffix == ".txt":
            text = f"{self}\n"
        else:
            raise ValueError(
                f"save: {path.name!r} has no known suffix; there are .html, .json and .txt"
            )
        path.write_text(text, encoding="utf-8")
        return path

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return "\n".join(self._lines(WIDTH))

    def __repr__(self) -> str:
        text = f"<Report: {self.headline}>"
        return text if len(text) <= SHORT else f"{text[: SHORT - 4]}...>"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {
            "recorded": None,
            "search": None,
        }  # a tape is neither copied nor pickled

    def show(self, file: TextIO | None = None) -> None:
        """Print the table as wide as the terminal, in colour unless NO_COLOR is set."""
        out = sys.stdout if file is None else file
        terminal = out.isatty()
        width = width_of(out) if terminal else WIDTH
        print(*self._lines(width, terminal and not os.environ.get("NO_COLOR")), sep="\n", file=out)

    def _lines(self, width: int, colour: bool = False) -> list[str]:
        import textwrap

        above = [*textwrap.wrap(self.headline, width), *telling.fix_lines(self.fixes)]
        below = [part for end in self.ends for part in textwrap.wrap(end, width)]
        return [*above, *table(self.rows, width, colour), *below]

    def _repr_html_(self) -> str:
        """The sentence, the table and the graph, for a notebook."""
        from .page import fragment

        return fragment(self.headline, self._content(NOTEBOOK))

    def _content(self, longest: float = math.inf) -> str:
        """All that the page has below the first sentence."""
        from .page import content

        svg, missing = self._picture()
        if len(svg) > longest:
            svg, missing = "", ['The graph is large: save("report.html") has it.']
        return content(self.rows, [*self.ends, *missing], self.fixes, svg)

    def _picture(self) -> tuple[str, list[str]]:
        """The graph with the verdicts as an SVG, or why there is none."""
        if self.recorded is None:
            return "", []
        # asked for by name, as the package does it: drawings know reports, not the other way round
        graph = import_module(f"{__name__.partition('.')[0]}.graph")
        loss = self.recorded.loss
        try:
            tape_of(loss)
            drawn = graph.draw(loss, self.recorded, compare=self, formulas=False, theme="auto")
            return drawn.render("svg").decode(), []
        except RuntimeError as error:  # the tape was released, or there is no Graphviz
            return "", [f"Without the graph: {error}"]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """The text, for IPython."""
        printer.text(str(self))


Cells = tuple[str, ...]


def table(rows: Sequence[Row], width: int, colour: bool) -> list[str]:
    """The lines of the table; where it is too narrow, the numbers and the shapes are left out."""
    import textwrap

    lines = [*lines_of(rows)]
    widths = [max(map(len, column)) for column in zip(HEAD, *(c for _, c in lines), strict=True)]
    columns = fitting(widths[:-1], width)
    used = sum(widths[i] + 2 for i in columns)
    beside = width - used >= 24  # else the notes go below their rows
    indent = used if beside else 4
    head = HEAD if beside and any(row.note for row in rows) else (*HEAD[:-1], "")
    made = []
    for verdict, cells in [("", head), *lines]:
        text = "  ".join(cells[i].ljust(widths[i]) for i in columns)
        notes = textwrap.wrap(cells[-1], width - indent)
        if notes and beside:
            text += "  " + notes.pop(0)
        block = [text.rstrip(), *(" " * indent + part for part in notes)]
        code = COLOURS.get(verdict) if colour else None
        made += block if code is None else [f"\033[{code}m{part}\033[0m" for part in block]
    return made


def fitting(widths: list[int], width: int) -> list[int]:
    """The columns that there is room for: without the absolute error, the relative one, the shape,
    in this order, where it is needed."""
    columns = [*range(len(widths))]
    for least in (2, 3, 1):
        if sum(widths[i] + 2 for i in columns) - 2 > width:
            columns.remove(least)
    return columns


def lines_of(rows: Sequence[Row]) -> Iterator[tuple[str, Cells]]:
    """The verdict and the columns of each row, and of how many are left out after it."""
    for row, more in telling.shortened(rows):
        yield row.verdict, cells_of(row)
        if more:
            yield row.verdict, (f"... {more} more", "", "", "", row.verdict, "")


def cells_of(row: Row) -> Cells:
    """The columns of a row."""
    shape = str(row.shape)
    return (
        shown(row.name),
        shape if len(shape) <= 20 else shape[:17] + "...",
        error(row.max_abs_err),
        error(row.rel_err),
        row.verdict,
        shown(told(row), LONGEST),
    )


def width_of(out: TextIO) -> int:
    """The columns of a terminal, between 60 and 100."""
    try:
        return min(WIDTH, max(60, os.get_terminal_size(out.fileno()).columns))
    except (OSError, ValueError, AttributeError):
        return WIDTH


def for_json(x: Any) -> Any:
    """What json has for a value: no tuples, no dataclasses and no numbers that are not finite."""
    if isinstance(x, Diagnosis | Fix):
        x = {name: value for name, value in asdict(x).items() if name != "at"}  # of this process
    if isinstance(x, dict):
        return {name: for_json(value) for name, value in x.items()}
    if isinstance(x, tuple | list):
        return [for_json(value) for value in x]
    return None if isinstance(x, float) and not math.isfinite(x) else x
