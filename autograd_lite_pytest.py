"""What pytest loads to show a whole report where `assert report` or `assert report.ok` fails.

pytest shows the `repr` of what was asserted, cut to 240 characters and on one line. Here the
reports that the failed line speaks of are printed below it. Nothing of autograd_lite is imported:
where it was not, there is no report.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from typing import Any

import pytest

MODULE = "autograd_lite.comparison.answers.report"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Add the reports of a failed assertion to what is shown of it."""
    shown = yield
    known = getattr(sys.modules.get(MODULE), "Report", None)
    if known is None or call.excinfo is None or not call.excinfo.errisinstance(AssertionError):
        return shown
    add = getattr(shown.longrepr, "addsection", None)
    if add is not None and len(call.excinfo.traceback):
        for report in asserted(call.excinfo.traceback[-1], known):
            add("gradients by hand against autodiff", str(report))
    return shown


def asserted(entry: Any, known: type) -> Iterator[Any]:
    """The reports that a failed line names, or that it made: these are in the variables that
    pytest's rewriting of the assertion leaves behind."""
    frame, statement = entry.frame, str(entry.statement).strip()
    try:
        words = {n.id for n in ast.walk(ast.parse(statement)) if isinstance(n, ast.Name)}
    except SyntaxError:
        words = set()
    values = {**frame.f_globals, **frame.f_locals}
    found = [v for name, v in values.items() if name in words or name.startswith("@py_assert")]
    yield from {id(v): v for v in found if isinstance(v, known)}.values()
