"""The classes of public conventions, as they are: right ones are right, wrong ones found in place."""

from functools import cache
from typing import Any

import pytest

from autograd_lite.comparison.mistakes import naming
from autograd_lite.comparison.mistakes.matching import LIMIT
from autograd_lite.comparison.source import doors

from . import c_attention, c_engines, c_layers, c_nets, c_odd, w_images
from .bed import CASES, IMPLS, Case, state

OURS = [c for c in CASES if c.impl in IMPLS and IMPLS[c.impl].door == "compare_layers"]
assert all((c_attention, c_engines, c_layers, c_nets, c_odd, w_images))


@cache
def report_of(case: Case) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(naming, "LIMIT", 0.15 * LIMIT)
        patch.setattr(doors, "fixes", lambda *a: ())
        return case()


QUICK = [case for i, case in enumerate(OURS) if case.expected.ok or i % 3 == 0]
SAMPLED = [
    pytest.param(case, marks=[] if any(case is q for q in QUICK) else [pytest.mark.slow])
    for case in OURS
]


@pytest.mark.parametrize("case", SAMPLED, ids=lambda case: case.id)
def test_classes_of_public_conventions(case: Case) -> None:
    report = report_of(case)
    if case.expected.ok:
        assert report.ok, report
    else:
        assert not report.ok
        assert state(case, report) not in ("elsewhere", "not judged"), report


def test_most_of_their_mistakes_are_named() -> None:
    wrong = [case for case in QUICK if not case.expected.ok]
    named = [case for case in wrong if state(case, report_of(case)) == "named"]
    assert len(named) >= 0.5 * len(wrong)


def test_no_glue_for_most() -> None:
    glue = [IMPLS[name].glue for name in {case.impl for case in OURS}]
    assert max(glue) <= 2 and glue.count(0) >= 2 * len(glue) / 3
