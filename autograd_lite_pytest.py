"""What pytest loads to show a whole report where `assert report` or `assert report.ok` fails.

pytest shows the `repr` of what was asserted, cut to 240 characters and on one line. Here the
reports that the failed lines speak of are printed below it. Nothing of autograd_lite is imported:
where it was not, there is no report.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Generator, Iterable
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
