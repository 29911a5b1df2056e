"""What graders read: Gradescope's results, tests of otter-grader, a cell of nbgrader, pytest."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from autograd_lite.grading import Assignment, Submission, gradescope, mark, points
from autograd_lite.grading.command import main
from tests.grading.wrong import SHIPPED, edited

ROOT = Path(__file__).resolve().parents[2]
WRONG = edited("mlp", "dh * (1 - h * h)", "dh * (1 - h)")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}

# Gradescope's published format: what each field may be
FORMATS = ("text", "html", "simple_format", "md", "ansi")
VISIBLE = ("hidden", "after_due_date", "after_published", "visible")
TOP = {
    "score": (int, float), "execution_time": (int, float), "output": str,
    "output_format": FORMATS, "test_output_format": FORMATS, "test_name_format": FORMATS,
    "visibility": VISIBLE, "stdout_visibility": VISIBLE, "extra_data": dict, "tests": list,
    "leaderboard": list,
}  # fmt: skip
TEST = {
    "score": (int, float), "max_score": (int, float), "status": ("passed", "failed"), "name": str,
    "name_format": FORMATS, "number": str, "output": str, "output_format": FORMATS, "tags": list,
    "visibility": VISIBLE, "extra_data": dict,
}  # fmt: skip


def fits(found, fields):
    for name, value in found.items():
        allowed = fields[name]
        if isinstance(allowed, tuple) and isinstance(allowed[0], str):
            assert value in allowed, name
        else:
            assert isinstance(value, allowed), name


def work():
    return Assignment.load(SHIPPED / "mlp" / "assignment.py")


@pytest.mark.parametrize("code", [WRONG, "while True: pass", "x ="])
def test_gradescopes_results_are_of_its_format(tmp_path, code):
    (tmp_path / "source").mkdir()
    shutil.copyfile(SHIPPED / "mlp" / "assignment.py", tmp_path / "source" / "assignment.py")
    (tmp_path / "submission").mkdir()
    (tmp_path / "submission" / "net.py").write_text(code)
    assert main(["--gradescope", str(tmp_path)]) == 0
    results = json.loads((tmp_path / "results" / "results.json").read_text())
    fits(results, TOP)
    assert len(results["tests"]) == 4
    for test in results["tests"]:
        fits(test, TEST)
        assert 0 <= test["score"] <= test["max_score"]
        assert (test["status"] == "passed") == (test["score"] == test["max_score"])
    assert results["score"] == sum(test["score"] for test in results["tests"])
    if code is WRONG:
        assert [test["score"] for test in results["tests"]] == [3, 3, 0, 2]
        assert (
            results["tests"][2]["output"] == "```\nz1: 1 - y used for the derivative of tanh\n```"
        )
        assert results["extra_data"]["reports"]["gradients"]["first_wrong"] == "z1"


def test_what_a_student_prints_or_raises_does_not_leave_its_fence():
    code = "def gradients(*a): raise ValueError('```\\n# You get 100 points')"
    (first, *_) = gradescope(mark(work(), Submission("ada", (("net.py", code),))))["tests"]
    assert first["output"].count("```") == 2


def test_a_cell_of_nbgrader_prints_the_report_and_has_the_points(capsys):
    names = {"__name__": "cell"}
    exec(WRONG, names)  # noqa: S102
    assert points(work(), names["gradients"]) == 8.0
    told = capsys.readouterr()
    assert "z1: 1 - y used for the derivative of tanh" in told.out
    assert told.err == ""  # nbgrader gives no points where there is any


def test_nbgrader_grades_such_a_cell(monkeypatch):
    """Its own autograder, on a notebook whose last cell is the one of the docstring."""
    pytest.importorskip("nbgrader")
    nbformat = pytest.importorskip("nbformat")
    from nbgrader.utils import determine_grade

    test = nbformat.v4.new_code_cell(
        f"from autograd_lite.grading import points\npoints({str(SHIPPED / 'mlp' / 'assignment.py')!r}, gradients)",
        metadata={"nbgrader": {"grade": True, "solution": False, "locked": True, "points": 10,
                               "grade_id": "q", "schema_version": 3, "task": False}},
    )  # fmt: skip
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(WRONG), test])
    client = pytest.importorskip("nbclient").NotebookClient(
        book, timeout=120, kernel_name="python3"
    )
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    client.execute()
    assert determine_grade(book.cells[1]) == (8.0, 10)


def test_otter_grader_runs_the_tests_that_are_written(tmp_path):
    """A run of `otter check` on a wrong submission."""
    pytest.importorskip("otter")
    path = SHIPPED / "mlp" / "assignment.py"
    assert main(["otter", str(path), str(tmp_path / "tests")]) == 0
    assert sorted(p.name for p in (tmp_path / "tests").iterdir()) == [
        f"q{i}.py" for i in range(1, 5)
    ]
    (tmp_path / "net.py").write_text(WRONG)
    told = {}
    for i in (1, 3):
        done = subprocess.run(
            [sys.executable, "-m", "otter", "check", "net.py", "-q", f"q{i}", "-t", "tests"],
            cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        told[i] = done.stdout + done.stderr
    assert "passed" in told[1], told
    assert "0 of 2 points" in told[3] and "1 - y used for the derivative of tanh" in told[3]


def test_pytest_makes_a_test_of_each_question(tmp_path):
    (tmp_path / "net.py").write_text(WRONG + "\nimport os; print('ran in', os.getpid())\n")
    shutil.copyfile(SHIPPED / "mlp" / "assignment.py", tmp_path / "assignment.py")
    command = [sys.executable, "-m", "pytest", "assignment.py", "--submission", "net.py"]
    command += ["--junit-xml", "marks.xml", "-p", "no:cacheprovider"]
    command += [] if "autograd_lite_pytest" in plugins() else ["-p", "autograd_lite_pytest"]
    done = subprocess.run(
        command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert "3 passed" in done.stdout and "1 failed" in done.stdout, done.stdout + done.stderr
    assert re.search(r"_ the tanh _+\n0 of 2 points\nz1: 1 - y used for", done.stdout)
    cases = ElementTree.parse(tmp_path / "marks.xml").iter("testcase")
    found = {
        case.get("name"): float(case.find("properties/property[@name='points']").get("value"))
        for case in cases
    }
    assert list(found.values()) == [3, 3, 0, 2]


def plugins():
    from importlib.metadata import entry_points

    return {entry.name for entry in entry_points(group="pytest11")}
