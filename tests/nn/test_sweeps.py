"""Sweeps: the same trials in any order, on any number of cores, after a crash and after Ctrl-C."""

from __future__ import annotations

import functools
import random
import re
import signal
import sqlite3
import subprocess
import sys
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_lite import get_rng_state, manual_seed, rand, tensor
from nn import Linear, MSELoss, Tanh
from nn.optim import SGD
from nn.sweeps import sweep
from nn.train import fit
from tests.helpers import PATIENCE, until

ROOT = Path(__file__).resolve().parents[2]
GRID = {"lr": [0.1, 0.01], "width": [1, 2]}


def train(lr: float, width: int) -> dict[str, Any]:
    drawn = [*rand(width).tolist(), np.random.rand(), random.random()]
    return {"loss": lr * sum(drawn), "drawn": np.array(drawn)}


def told(trials: Any) -> list[Any]:
    found = sorted(trials, key=lambda t: t.number)
    return [(t.number, t.settings, t.start, t.result["loss"]) for t in found]


def test_a_start_draws_the_same_whatever_else_is_tried() -> None:
    manual_seed(5)
    before = get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    found = told(sweep(train, GRID, starts=3, jobs=1))
    assert (get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()) == before
    assert [t[1:3] for t in found[:4]] == [({"lr": 0.1, "width": 1}, i) for i in range(3)] + [
        ({"lr": 0.1, "width": 2}, 0)
    ]
    assert len({t[3] for t in found}) == len(found) == 12
    one = told(sweep(train, [{"width": 2, "lr": 0.01}], starts=2, jobs=1))
    assert [t[3] for t in one] == [t[3] for t in found[9:11]]
    assert told(sweep(train, GRID, starts=3, jobs=1, seed=1)) != found


def test_a_trial_that_changes_its_settings_changes_no_other() -> None:
    def grown(sizes: list[int]) -> int:
        sizes.append(1)
        return len(sizes)

    trials = [*sweep(grown, {"sizes": [[8, 8]]}, starts=2, jobs=1)]
    assert [(t.result, t.settings) for t in trials] == [(3, {"sizes": [8, 8]})] * 2


def test_threads_take_turns() -> None:
    joblib = pytest.importorskip("joblib")
    with joblib.parallel_config(backend="threading"):
        found = told(sweep(train, GRID, starts=3, jobs=2))
    assert found == told(sweep(train, GRID, starts=3, jobs=1))


def test_a_file_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.sqlite"
    first = sweep(train, {"lr": [0.1], "width": [1, 2]}, starts=2, jobs=1, file=file)
    next(first)
    next(first)
    del first  # as a crash leaves it
    calls = []
    counted = functools.wraps(train)(lambda **s: calls.append(s) or train(**s))
    found = [*sweep(counted, GRID, starts=2, jobs=1, file=file)]
    assert len(calls) == 6 and len(found) == 8
    assert told(found) == told(sweep(train, GRID, starts=2, jobs=1))
    assert all(type(t.result["drawn"]) is np.ndarray for t in found)
    again = [*sweep(counted, GRID, starts=2, jobs=1, file=file)]
    assert len(calls) == 6 and told(again) == told(found)
    assert (
        len([*sweep(counted, GRID, starts=2, jobs=1, file=file, seed=1)]) == 8 and len(calls) == 14
    )


def test_files_that_are_none_of_a_sweep(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database, but more than a hundred bytes of text" * 10)
    with pytest.raises(ValueError, match=r"text' is no file of a sweep: file is not a database"):
        sweep(train, GRID, file=tmp_path / "text")
    with closing(sqlite3.connect(tmp_path / "other")) as base:
        base.execute("CREATE TABLE bookmarks (place TEXT)")
    before = (tmp_path / "other").read_bytes()
    with pytest.raises(ValueError, match=r"other' is another program's database"):
        sweep(train, GRID, file=tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == before
    with pytest.raises(OSError, match=r"absent/a': unable to open database file"):
        sweep(train, GRID, file=tmp_path / "absent" / "a")
    with pytest.raises(TypeError, match="has no name in a file; use numbers, strings or functions"):
        sweep(lambda: 1, file=tmp_path / "new")
    with pytest.raises(TypeError, match="has no name in a file"):
        sweep(train, {"lr": [tensor(1.0)], "width": [1]}, file=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def named(made: Any) -> str:
    return str(made.__name__)


def test_classes_are_settings_too(tmp_path: Path) -> None:
    grid = {"made": [Tanh, Linear]}
    for _ in range(2):
        trials = sweep(named, grid, jobs=1, file=tmp_path / "a")
        assert [t.result for t in trials] == ["Tanh", "Linear"]


def broken(lr: float) -> float:
    return 1 / (lr - 1)


def test_what_raises_ends_none_of_the_others(tmp_path: Path) -> None:
    trials = sweep(broken, {"lr": [1.0, 2.0, 1.0]}, jobs=1, file=tmp_path / "a")
    message = r"sweep: {'lr': 1.0}, start 0 raised ZeroDivisionError: float division by zero"
    with pytest.warns(RuntimeWarning, match=re.escape(message)) as caught:
        assert [t.result for t in trials] == [1.0]
    assert len(caught) == 1 and caught[0].filename == __file__
    assert [t.number for t in trials.failed] == [0, 2] and len(trials) == 3
    assert "return 1 / (lr - 1)" in trials.failed[0].error
    with pytest.warns(RuntimeWarning):  # they are tried again
        assert len([*sweep(broken, {"lr": [1.0, 2.0]}, jobs=1, file=tmp_path / "a")]) == 1


@pytest.mark.parametrize(
    ("grid", "options", "error", "said"),
    [
        ({"rate": [1]}, {}, TypeError, "train does not take {'rate': 1}: missing a required arg"),
        ({"lr": 0.1, "width": [1]}, {}, TypeError, "lr is 0.1; give a list of its values"),
        ({"lr": [], "width": [1]}, {}, ValueError, "the grid is empty"),
        ([], {}, ValueError, "the grid is empty"),
        (GRID, {"starts": 0}, ValueError, "starts is 0; it is a number from 1"),
        (GRID, {"jobs": 0}, ValueError, "jobs is 0; it is a number of processes"),
        (GRID, {"progress": 3}, ValueError, "progress is 3; it is True, False or 'auto'"),
    ],
)
def test_nonsense(grid: Any, options: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=re.escape(f"sweep: {said}")):
        next(sweep(train, grid, **({"jobs": 1} | options)))


def test_more_processes_need_joblib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "joblib", None)
    assert len([*sweep(train, GRID)]) == 4
    with pytest.raises(ImportError, match=r'pip install "autograd_lite\[sweep\]"'):
        next(sweep(train, GRID, jobs=2))


def fitted(lr: float, at: int | None = None, progress: bool | str = "auto") -> float:
    model = Linear(1, 1)
    x = rand(8, 1)

    def callback(history: Any) -> None:
        if lr == at:
            signal.raise_signal(signal.SIGINT)

    loader = [(x, x)]
    optimizer = SGD(model.parameters(), lr=lr)
    loss = MSELoss()
    return float(
        fit(model, loss, optimizer, loader, 5, callbacks=[callback], progress=progress)["loss"][-1]
    )


def test_ctrl_c_leaves_what_there_is(tmp_path: Path, capsys: Any) -> None:
    """`fit` takes Ctrl-C for its own end; half a training is no trial."""
    grid = {"lr": [1, 2, 3, 4], "at": [3]}
    trials = sweep(fitted, grid, jobs=1, file=tmp_path / "a")
    found = [*trials]
    assert [t.settings["lr"] for t in found] == [1, 2] and trials.interrupted
    assert "sweep: interrupted after 2 of 4 trials\n" in capsys.readouterr().err
    assert [*trials] == [] and capsys.readouterr().err == ""  # it was said
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    again = sweep(fitted, {"lr": [1, 2, 3, 4], "at": [3]}, jobs=1, file=tmp_path / "a")
    assert [next(again), next(again)] == found and not again.interrupted


def test_one_bar_on_a_terminal_and_none_in_a_pipe(capsys: Any) -> None:
    pytest.importorskip("tqdm")
    found = [*sweep(fitted, {"lr": [0.1, 0.2]}, jobs=1)]
    assert capsys.readouterr().err == ""
    grid = {"lr": [0.1, 0.2], "progress": [True]}
    again = sweep(fitted, grid, jobs=1, progress=True)
    assert [t.result for t in again] == [t.result for t in found]
    shown = capsys.readouterr().err
    assert "0/2" in shown and "trial" in shown and "epoch" not in shown


def test_a_loop_that_is_left_leaves_nothing_behind(recwarn: Any) -> None:
    joblib = pytest.importorskip("joblib")
    with warnings.catch_warnings(), joblib.parallel_config(backend="threading"):
        warnings.simplefilter("error")
        for _ in sweep(train, GRID, starts=5, jobs=2):
            break


SCRIPT = """
import sys, time
import autograd_lite as ag
from nn.sweeps import sweep
def train(lr):
    time.sleep(0.05)
    return float(ag.rand(()) * lr)
if __name__ == "__main__":
    trials = sweep(train, {"lr": [1, 2, 3, 4]}, starts=10, jobs=2, file=sys.argv[1])
    for trial in trials:
        print(trial.number, flush=True)
    print("sum", sum(t.result for t in sweep(train, {"lr": [1, 2, 3, 4]}, starts=10, jobs=1)))
    print("ended", trials.interrupted)
"""


@pytest.mark.slow
@pytest.mark.parametrize("sent", ["SIGKILL", "SIGINT"])
def test_processes_that_are_ended_and_start_again(tmp_path: Path, sent: str) -> None:
    pytest.importorskip("joblib")
    script, file = tmp_path / "script.py", tmp_path / "a.sqlite"
    script.write_text(SCRIPT)
    begin = "import runpy, signal, sys; signal.signal(2, signal.default_int_handler); sys.argv[:1] = []; "
    command = [sys.executable, "-c", begin + "runpy.run_path(sys.argv[0], run_name='__main__')"]
    command += [str(script), str(file)]

    output, errors = tmp_path / "out", tmp_path / "err"

    def start() -> subprocess.Popen[bytes]:
        with open(output, "wb") as out, open(errors, "wb") as err:
            return subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=err)

    process = start()
    until(lambda: output.read_text().count("\n") > 6)
    before = [int(line) for line in output.read_text().splitlines()[:6]]
    process.send_signal(getattr(signal, sent))
    process.wait(PATIENCE)
    if sent == "SIGINT":
        assert process.returncode == 0 and output.read_text().endswith("ended True\n")
        assert re.fullmatch(r"sweep: interrupted after \d+ of 40 trials\n", errors.read_text())
    with closing(sqlite3.connect(file)) as base:
        (kept,) = base.execute("SELECT count(*) FROM trials").fetchone()
    assert 6 <= kept < 40
    errors = tmp_path / "errors again"  # what is left of the first one may write to its own
    assert start().wait(PATIENCE) == 0
    assert errors.read_text() == "" and output.read_text().endswith("ended False\n")
    numbers = [int(line) for line in output.read_text().splitlines()[:40]]
    assert sorted(numbers) == list(range(40)) and set(before) <= set(numbers[:kept])
    with closing(sqlite3.connect(file)) as base:
        assert base.execute("SELECT count(*) FROM trials").fetchone() == (40,)
