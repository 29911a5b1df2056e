"""What pytest loads to show a whole report where `assert report` or `assert report.ok` fails.

pytest shows the `repr` of what was asserted, cut to 240 characters and on one line. Here the
reports that the failed lines speak of are printed below it. Nothing of autograd_lite is imported:
where it was not, there is no report.

`pytest assignment.py --submission net.py` makes a test of each question of an assignment of
`autograd_lite.grading`, with the points as properties of `--junit-xml`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Generator, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

MODULE = "autograd_lite.comparison.answers.report"


@pytest.hookimpl(hookwrapper=True)  # which every pytest has
def pytest_runtest_makereport(call: Any) -> Generator[None, Any, None]:
    """Add the reports of a failed assertion to what is shown of it."""
    outcome = yield
    known = getattr(sys.modules.get(MODULE), "Report", None)
    failed = call.excinfo
    if known is None or failed is None or not isinstance(failed.value, AssertionError):
        return
    add = getattr(outcome.get_result().longrepr, "addsection", None)
    if add is not None:
        for report in asserted(failed.traceback, known):
            if (text := str(report)) not in str(failed.value):
                add("gradients by hand against autodiff", text)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --submission."""
    parser.addoption(
        "--submission",
        metavar="PATH",
        help="grade it by the assignment.py that is given: each question is a test",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The questions of the assignment that is given with --submission."""
    if parent.config.getoption("submission") and parent.session.isinitpath(file_path):
        return Homework.from_parent(parent, path=file_path)
    return None


class Homework(pytest.File):
    """An assignment, and the marks of the submission, which runs in the sandbox once."""

    def collect(self) -> Iterator[pytest.Item]:
        from autograd_lite.grading import Assignment

        self.work = Assignment.load(self.path)
        for index, question in enumerate(self.work.questions):
            yield Asked.from_parent(self, name=question.title, index=index)

    @cached_property
    def marks(self) -> Any:
        from autograd_lite.grading import mark
        from autograd_lite.grading.submission import read

        return mark(self.work, read(self.config.getoption("submission"), self.work.file))


class Asked(pytest.Item):
    """One question: it passes with all its points."""

    def __init__(self, *, index: int, **more: Any) -> None:
        super().__init__(**more)
        self.index = index

    def runtest(self) -> None:
        answer = self.parent.marks.answers[self.index]
        self.user_properties += [("points", answer.points), ("of", answer.most)]
        if not answer.right:
            raise AssertionError(f"{answer.points:g} of {answer.most:g} points\n{answer.said}")

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """What the student is told, without a traceback of the grader."""
        own = isinstance(excinfo.value, AssertionError)
        return str(excinfo.value) if own else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.name


def asserted(entries: Iterable[Any], known: type) -> list[Any]:
    """The reports that the failed lines name, or that they made: these are in the variables that
    pytest's rewriting of an assertion leaves behind."""
    found = {}
    for entry in entries:
        values = {**entry.frame.f_globals, **entry.frame.f_locals}
        words = names_in(str(entry.statement).strip())
        for name, value in values.items():
            if isinstance(value, known) and (name in words or name.startswith("@py_assert")):
                found[id(value)] = value
    return [*found.values()]


def names_in(statement: str) -> set[str]:
    """The names in a statement; none in a part of one, such as the head of a loop."""
    try:
        tree = ast.parse(statement)
    except SyntaxError:
        return set()
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
