"""A class graded from the command line: hostile submissions, endless loops, all cores."""

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest

from autograd_lite.grading import Assignment, Submission, grade, summary
from autograd_lite.grading.batch import safely
from autograd_lite.grading.command import main
from autograd_lite.grading.marks import Answer, Marks
from tests.grading.wrong import MLP, SHIPPED, edited

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = {  # code, and what is said of it
    "while True: pass": "ended after 1 second of computing. Is a loop endless?",
    "import time; time.sleep(3600)": "ended after 3 seconds. Does it wait for something?",
    "kept = []\nwhile True: kept.append(np.empty(1 << 25))": "MemoryError",
    "import os\nwhile True: os.fork()": "os.fork is refused here",
    "import os; os._exit(0)": "ended its process without a verdict (code 0)",
    "raise SystemExit": "The code ended before: ",
    "open('/etc/passwd')": "open is refused here: '/etc/passwd'",
    "import socket; socket.create_connection(('127.0.0.1', 80))": "is refused here",
    "from torch import tensor": "import of torch is refused here: there are Python's own modules and",
    "import autograd_lite": "import of autograd_lite is refused here",
    "def gradients(*a): return gradients(*a)": "RecursionError",
    "def gradients(*a): return {'W1': np.ones(1 << 20)}": "100,000 numbers are the most",
    "import os\ndef gradients(*a):\n"
    "    [os.write(i, b'{\"result\": 1}\\n') for i in range(3, 9)]": "wrote to the channel of its answers",
    "def gradients(*a): return {i: {i: i} for i in range(1000)}": "returned none of the gradients",
    "class gradients: pass": "gradients is a class; a function is needed.",
    "gradients = 3": "The code defines no function called gradients.",
    "def gradients(: pass": "SyntaxError",
    "print('x' * 10**8)\nimport faulthandler; faulthandler._read_null()": "crashed Python",
}


def work(**options):
    found = Assignment.load(SHIPPED / "mlp" / "assignment.py")
    for name, value in {"seconds": 1, **options}.items():
        object.__setattr__(found, name, value)
    return found


def test_no_hostile_submission_gets_points_or_stops_the_others():
    handed = [Submission(str(i), (("net.py", code),)) for i, code in enumerate(HOSTILE)]
    handed.append(Submission("ada", (("net.py", edited("mlp", "import numpy", "import numpy")),)))
    *bad, good = grade(work(), handed, jobs=1)
    for marks, said in zip(bad, HOSTILE.values(), strict=True):
        assert marks.points == 0
        told = marks.error or marks.answers[0].said
        assert said in told, marks
    assert good.points == 10


def test_an_error_of_ours_is_told_as_ours(monkeypatch):
    def broken(*a):
        raise ZeroDivisionError

    monkeypatch.setattr("autograd_lite.grading.batch.mark", broken)
    marks = safely(work(), Submission("ada"))
    assert marks.points == 0 and "not the student's fault: ZeroDivisionError()" in marks.error


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    for i, (old, new, *_) in enumerate(MLP):
        (tmp_path / "in" / f"s{i}.py").write_text(edited("mlp", old, new))
    (tmp_path / "in" / "=cmd.py").write_text("while True: pass")
    (tmp_path / "in" / "ada.py").write_text((SHIPPED / "mlp" / "solution.py").read_text())
    return tmp_path


def test_a_class_is_graded_from_the_command_line(folder, capsys):
    """From `grade new` to the marks, as a teacher types it."""
    pytest.importorskip("joblib")
    home = folder / "hw"
    assert main(["new", str(home)]) == 0
    assert sorted(p.name for p in home.iterdir()) == ["assignment.py", "net.py", "solution.py"]
    assert main(["check", str(home / "assignment.py")]) == 0
    assert "The solution gets 10 of 10 points." in capsys.readouterr().out
    path = home / "assignment.py"
    path.write_text(path.read_text().replace("named=", "seconds=1,\n    named="))
    out = folder / "out"
    assert main([str(path), str(folder / "in"), "--out", str(out), "--jobs", "2"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("12 submissions of A network by hand: ")
    assert "points on average, 1 without a mistake" in told
    assert "   2  the derivative of tanh left out" in told
    assert "!  =cmd: It was ended after 1 second of computing. Is a loop endless?" in told
    table = list(csv.DictReader(io.StringIO((out / "marks.csv").read_text())))
    assert {row["student"]: float(row["points"]) for row in table} == {
        "'=cmd": 0, "ada": 10, **{f"s{i}": sum(points) for i, (*_, points) in enumerate(MLP)},
    }  # fmt: skip
    assert len(list(out.glob("*.txt"))) == len(list(out.glob("*.json"))) == 12
    page = (out / "summary.html").read_text()
    assert "2 submissions: the derivative of tanh left out" in page and "http" not in page.replace(
        "http://www.w3.org/", ""
    )


def test_two_errors_are_not_one_mistake():
    """The summary names who made each; another message of the same error is the same."""
    said = [
        "raised ValueError: a (line 3)",
        "raised ValueError: b",
        "raised KeyError: 'z1'",
        "no f",
    ]
    found = [
        Marks(f"s{i}", "Net", (Answer("all of it", 0, 1, text, (("raised", text),)),))
        for i, text in enumerate([*said, *said[:1] * 3])
    ]
    assert summary.text(found).splitlines()[1:] == [
        "   5  raised ValueError: a (line 3)  (s0, s1, s4, ...)",
        "   1  raised KeyError: 'z1'  (s2)",
        "   1  no f  (s3)",
    ]


def test_after_ctrl_c_what_there_is_by_then_is_written(folder, capsys, monkeypatch):
    def some(work, handed, jobs):
        yield from (safely(work, one) for one in handed[1:3])
        raise KeyboardInterrupt

    monkeypatch.setattr("autograd_lite.grading.command.grade", some)
    path, out = str(SHIPPED / "mlp" / "assignment.py"), folder / "out"
    assert main([path, str(folder / "in"), "--out", str(out)]) == 130
    assert "2 of 12 in " in capsys.readouterr().out
    assert len((out / "marks.csv").read_text().splitlines()) == 3


def test_the_solution_must_get_all_points(tmp_path, capsys):
    assert main(["new", str(tmp_path / "hw"), "--from", "batchnorm"]) == 0
    path = tmp_path / "hw" / "solution.py"
    path.write_text(path.read_text().replace("dz = g * gamma", "dz = g"))
    assert main(["check", str(tmp_path / "hw" / "assignment.py")]) == 1
    assert "The solution gets 8.33 of 10 points." in capsys.readouterr().out


ONE_LAYER = """
from autograd_lite.grading import Assignment, Question

def forward(x, t, w):
    y = x @ w
    y.name = "y"
    return ((y - t) ** 2).mean()

assignment = Assignment(
    "One layer", "net.py", [Question("layer", 2, ("y", "w"))], "f", forward,
    {"x": (5, 3), "t": (5, 4), "w": (3, 4)},
)
"""


def test_mistakes_are_planted_in_what_is_solved(tmp_path, capsys):
    (tmp_path / "assignment.py").write_text(ONE_LAYER)
    (tmp_path / "solution.py").write_text(
        "def f(x, t, w):\n    y = 2 * (x @ w - t) / t.size\n    return {'y': y, 'w': x.T @ y}\n"
    )
    assert main(["check", str(tmp_path / "assignment.py")]) == 0
    first, second, third, *_ = capsys.readouterr().out.splitlines()
    assert first == "The solution gets 2 of 2 points."
    count = second.split()[0]
    assert second == f"{count} mistakes were made on purpose; {count} lose points."
    assert third == f"{count} are called by their names." and int(count) > 10


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere.py", "."], "nowhere.py is no Python file"),
        (["new", "."], ". is not empty"),
        ([__file__, "."], "defines no assignment"),
        ([str(SHIPPED / "mlp" / "assignment.py"), "nowhere"], "nowhere is no folder"),
        (["new", "x", "--from", "magic"], "invalid choice: 'magic'"),
    ],
)
def test_what_makes_no_sense_is_told(words, told, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2 and told in capsys.readouterr().err


def test_the_command_without_words_says_what_there_is():
    done = subprocess.run(
        [sys.executable, "-m", "autograd_lite", "grade"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "grade check ASSIGNMENT" in done.stdout


def test_unexplained_comes_last():
    code = edited("mlp", "h.T @ dz2", "np.sin(np.arange(20.0)).reshape(5, 4)")
    handed = [Submission(f"odd{i}", (("net.py", code),)) for i in range(2)]
    handed.append(Submission("ada", (("net.py", edited("mlp", "dh * (1 - h * h)", "dh")),)))
    found = list(grade(work(), handed, jobs=1))
    assert [group.slug for group in summary.groups(found)] == ["activation-missing", "unexplained"]


@pytest.mark.slow
def test_300_submissions_and_an_endless_loop_take_less_than_two_minutes(folder):
    """On two cores; it says how long, and fails only where it takes ten times as long."""
    import time

    pytest.importorskip("joblib")
    codes = [edited("mlp", old, new) for old, new, *_ in MLP]
    handed = [Submission(str(i), (("net.py", codes[i % 10]),)) for i in range(299)]
    handed.append(Submission("loop", (("net.py", "while True: pass"),)))
    start = time.perf_counter()
    found = list(grade(work(seconds=5), handed, jobs=2))
    assert len(found) == 300 and found[-1].points == 0
    print(f"{time.perf_counter() - start:.0f} s")
    assert time.perf_counter() - start < 1200
