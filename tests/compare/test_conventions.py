"""Backprop by hand in the conventions of public code: right is ok, a planted mistake is seen."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from autograd_lite.comparison.mistakes import naming
from autograd_lite.comparison.mistakes.matching import LIMIT
from autograd_lite.comparison.source import doors
from tests.compare.conventions.bed import CASES, IMPLS, Case, state

FOLDER = Path(__file__).parent / "conventions"
for path in sorted(FOLDER.glob("[a-z]_*.py")):
    import_module(f"tests.compare.conventions.{path.stem}")

EFFORT = 0.15  # of the usual one: what is seen does not depend on it, and most names are quick
NAMED_AT_LEAST = 0.55  # of the planted mistakes; raised whenever more are named
STATES: dict[str, str] = {}


def judged(case: Case) -> str:
    """The state of a case; each runs once."""
    if case.id not in STATES:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(naming, "LIMIT", EFFORT * LIMIT)
            patch.setattr(doors, "fixes", lambda *a: ())  # test_source.py is about those
            STATES[case.id] = state(case, case())
    return STATES[case.id]


# the classes have tests of their own, in conventions/; of the mistakes a plain run takes every fifth
HERE = [case for case in CASES if IMPLS[case.impl].door != "compare_layers"]
QUICK = [case for i, case in enumerate(HERE) if case.expected.ok or i % 5 == 0]
SAMPLED = [
    pytest.param(case, marks=[] if any(case is q for q in QUICK) else [pytest.mark.slow])
    for case in HERE
]


@pytest.mark.parametrize("case", SAMPLED, ids=lambda case: case.id)
def test_right_is_ok_and_a_mistake_is_seen(case: Case) -> None:
    assert (judged(case) == "ok") == case.expected.ok, str(case())


def test_glue_is_two_lines_at_most_and_none_for_two_thirds() -> None:
    glue = [found.glue for found in IMPLS.values() if found.door != "compare"]
    assert max(glue, default=0) <= 2
    assert sum(n == 0 for n in glue) >= 2 / 3 * len(glue)


def test_most_mistakes_are_named_first() -> None:
    found = [judged(case) for case in QUICK if not case.expected.ok]
    assert found.count("named") >= NAMED_AT_LEAST * len(found), {s: found.count(s) for s in found}
