"""What a plain run leaves out is chosen so that nothing goes untested by it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cases import CASES, CASES_OF
from tests.selection import AIM, CORE, FEW, SHAPES, SLOW, chosen, classify, shape_class

HERE = Path(__file__).parent
EVERY = [(f"test[{case.id}]", [case]) for case in CASES]


@pytest.mark.parametrize("aim", [1, 40, AIM])
def test_every_row_keeps_a_case_in_every_test(aim: int) -> None:
    for test in ("test_a", "test_b"):
        kept = chosen(test, EVERY, aim, aim)
        assert {CASES[i].row for i in kept} == set(CASES_OF)
        assert kept == chosen(test, EVERY, aim, aim)
        assert len(kept) <= max(AIM, len(CASES_OF)) * 1.5


def test_an_ordinary_shape_is_always_there_and_together_tests_see_every_class() -> None:
    seen = {row: set() for row in CASES_OF}  # type: dict[str, set[str]]
    for test in range(20):
        kept = chosen(f"test_{test}", EVERY)
        classes = [(CASES[i].row, shape_class(CASES[i])) for i in kept]
        for row in CASES_OF:
            has = {shape_class(case) for case in CASES_OF[row]}
            assert ("ordinary" not in has) or (row, "ordinary") in classes
        for row, shape in classes:
            seen[row].add(shape)
    for row, cases in CASES_OF.items():
        assert seen[row] == {shape_class(case) for case in cases}


def test_shape_classes() -> None:
    shapes = [[(2, 3)], [(), ()], [(2, 3), (3,)], [(2, 3), (0, 3)], [(1,), (1, 1)]]
    assert [classify([np.ones(s) for s in one]) for one in shapes] == SHAPES


def test_tests_of_few_cases_are_left_whole() -> None:
    names = [(f"test[{i}]", [i]) for i in range(FEW)]
    assert chosen("test", names) == set(range(FEW))
    assert len(chosen("test", names * 10)) in range(AIM // 2, AIM + 1)


def test_a_float32_case_of_each_row_is_a_kind_of_its_own() -> None:
    both = [(name, [case, dtype]) for name, (case,) in EVERY for dtype in ("float32", "float64")]
    kept = [both[i][1] for i in chosen("test", both)]
    assert {(case.row, dtype) for case, dtype in kept} == {
        (row, dtype) for row in CASES_OF for dtype in ("float32", "float64")
    }


@pytest.mark.parametrize("name", sorted([*CORE, *SLOW]))
def test_what_is_named_is_there(name: str) -> None:
    file, _, test = name.partition("::")
    text = (HERE / file).read_text("utf-8")
    assert not test or f"def {test.split('[')[0]}(" in text


def collected(*arguments: str) -> set[str]:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *arguments]
    done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=True)
    return {line for line in done.stdout.splitlines() if "::" in line}


@pytest.mark.slow
def test_a_plain_run_and_the_slow_one_are_all_and_core_has_every_row() -> None:
    file = "tests/test_chain.py"
    plain, slow = collected(file), collected(file, "-m", "slow")
    assert plain | slow == collected(file, "-m", "slow or not slow") and not plain & slow
    assert len(slow) > len(plain) > len(CASES_OF)
    core = collected(file, "-m", "core")
    assert core < plain | slow and len(core) >= len(CASES_OF)
    one = min(slow)
    assert collected(one) == {one}  # who names a slow test wants it


def test_who_names_a_slow_test_wants_it() -> None:
    slow = "tests/seeds/test_s3.py::test_the_toy_regression_reaches_all_four_figures"
    neighbours = collected("tests/seeds/test_s3.py")
    assert neighbours and slow not in neighbours
    assert collected(slow) == {slow}
    other = "tests/test_origin.py"
    assert collected(other, slow) == {slow} | collected(other)
    assert collected("tests/seeds/test_s3.py", slow) == {slow} | neighbours
