"""Marks in the formats of graders, none of which is needed here."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from . import summary
from .assignment import Assignment
from .marking import mark
from .marks import Marks

OTTER = '''"""The question {title!r}, for otter-grader; written by `grade otter`."""
from otter.test_files import test_case

OK_FORMAT = False
name = {name!r}
points = {points!r}


@test_case(points={points!r})
def test_{name}({function}):
    from autograd_lite.grading import Assignment
    from autograd_lite.grading.writers import asserted

    asserted(Assignment.load({path!r}), {index}, {function})
'''


def table(found: Iterable[Marks]) -> str:
    """A line for each student, as a spreadsheet reads it: marks.csv."""
    text = io.StringIO()
    out = csv.writer(text)
    for i, marks in enumerate(found):
        if i == 0:
            titles = [answer.title for answer in marks.answers]
            out.writerow(["student", "points", "of", *titles, "mistakes", "error", "remarks"])
        mistakes = {slug for answer in marks.answers for slug, _ in answer.mistakes}
        cells = [marks.student, marks.points, marks.most, *(a.points for a in marks.answers)]
        said = [", ".join(sorted(mistakes)), marks.error, "; ".join(marks.remarks)]
        out.writerow([plain(cell) for cell in [*cells, *said]])
    return text.getvalue()


def plain(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula.

    >>> plain("=1+1"), plain(2.5)
    ("'=1+1", 2.5)
    """
    if isinstance(cell, str):
        cell = " ".join(cell.split())
        return f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell
    return cell


def gradescope(marks: Marks) -> dict[str, Any]:
    """What Gradescope reads as results.json: a test for each question, and the reports."""
    return {
        "score": marks.points,
        "execution_time": round(marks.seconds),
        "output": fenced(marks.error or "Gradients by hand, judged by autodiff."),
        "output_format": "md",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [
            {
                "name": answer.title,
                "number": str(i),
                "score": answer.points,
                "max_score": answer.most,
                "status": "passed" if answer.right else "failed",
                "output": fenced(answer.said),
                "output_format": "md",
                "tags": [slug for slug, _ in answer.mistakes],
                "visibility": "visible",
            }
            for i, answer in enumerate(marks.answers, 1)
        ],
        "extra_data": {
            "remarks": list(marks.remarks),
            "reports": {name: report.to_dict() for name, report in marks.reports.items()},
        },
    }


def fenced(text: str) -> str:
    """A text that Markdown shows as it is."""
    return f"```\n{text.replace('```', chr(39) * 3)}\n```"


def points(work: Assignment | str | Path, handed: Callable[..., Any] | Mapping[str, Any]) -> float:
    """Print the marks of a function, or of functions by name, and return the points.

    The last line of an nbgrader cell for manual partial credit, which reads the points from the
    value and shows what is printed:

        from autograd_lite.grading import points
        points("assignment.py", gradients)
    """
    work = work if isinstance(work, Assignment) else Assignment.load(work)
    marks = mark(work, handed)
    print(marks)
    return marks.points


def asserted(work: Assignment, index: int, function: Callable[..., Any]) -> None:
    """AssertionError with what the student is told, unless the question of that number is right."""
    question = work.questions[index]
    answer = mark(work, {question.function or work.function: function}).answers[index]
    if not answer.right:
        raise AssertionError(f"{answer.points:g} of {answer.most:g} points\n{answer.said}")


def otter(work: Assignment, path: str, folder: Path) -> list[Path]:
    """Write a test of otter-grader for each question; it loads the assignment from `path`, which
    is among the autograder's files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for index, question in enumerate(work.questions):
        name = f"q{index + 1}"
        text = OTTER.format(
            title=question.title, name=name, points=question.points, index=index, path=path,
            function=question.function or work.function,
        )  # fmt: skip
        written.append(folder / f"{name}.py")
        written[-1].write_text(text, encoding="utf-8")
    return written


def write(found: list[Marks], out: Path, again: Callable[[str], Marks] | None = None) -> None:
    """A text and Gradescope's results for each student, marks.csv and the page of the summary, in
    a folder; for `again` see `summary.page`."""
    out.mkdir(parents=True, exist_ok=True)
    for marks in found:
        (out / f"{marks.student}.txt").write_text(str(marks), encoding="utf-8")
        results = json.dumps(gradescope(marks), indent=1, allow_nan=False)
        (out / f"{marks.student}.json").write_text(results, encoding="utf-8")
    (out / "marks.csv").write_text(table(found), encoding="utf-8", newline="")
    (out / "summary.html").write_text(summary.page(found, again), encoding="utf-8")
