"""The gallery of mistakes: each is found where it was made and called by its name, and its
corrected form is right."""

import subprocess
import sys
from pathlib import Path

import pytest

from examples.mistakes.__main__ import main
from examples.mistakes.gallery import CASES

ROOT = Path(__file__).resolve().parents[1]
EVERY = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@EVERY
def test_the_mistake_is_found_where_it_was_made_and_nowhere_else(case):
    finding = case.check(False)
    assert not finding.ok
    assert finding.at == case.at, finding.text


@EVERY
def test_the_mistake_gets_its_name(case):
    finding = case.check(False)
    assert finding.name == case.name, finding.text
    assert case.found(finding)


@EVERY
def test_the_corrected_form_is_right(case):
    finding = case.check(True)
    assert finding.ok, finding.text
    assert finding.at is None and not case.found(finding)


@EVERY
def test_a_case_says_what_was_written_what_is_right_and_why(case):
    title, blank, *told = case.story.splitlines()
    assert title.endswith(".") and blank == ""
    words = [line.split(":")[0] for line in told if not line.startswith(" ")]
    assert words[-3:] == ["Written", "Right", "Why"]
    assert max(map(len, told)) <= 96


def test_no_source_is_missing():
    assert {title.split(".")[0] for title in CASES} == {"s0", "s1", "s2", "s3", "s4", "wild"}


def test_it_runs_as_a_program():
    command = [sys.executable, "-W", "error", "-m", "examples.mistakes", "--list"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(CASES)
    assert done.stderr == ""


def test_one_case_is_shown_with_its_table(capsys):
    main(["--only", "s2.jacobian_from_logits"])
    output = capsys.readouterr().out
    assert output.startswith("--- s2.jacobian_from_logits\nThe Jacobian of softmax is built")
    assert "tensor  shape" in output and "finite difference" in output
    assert "expected softmax-from-logits at z2; found" in output
    assert max(map(len, output.splitlines())) <= 100


def test_the_program_fails_if_a_mistake_has_no_name(capsys, monkeypatch):
    from dataclasses import replace

    one = CASES["s0.target_without_its_axis"]
    assert main(["--only", one.title]) == 0
    monkeypatch.setitem(CASES, one.title, replace(one, name="sign"))
    assert main(["--only", one.title]) == 1
    assert "0 of 1 mistakes got their name." in capsys.readouterr().out


def test_an_unknown_case_is_refused_with_the_names_that_there_are(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--only", "s9"])
    assert "--only is 's9'; there are s0.mean_over_the_rows, " in capsys.readouterr().err
