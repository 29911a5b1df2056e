"""The examples of the five systems: run as a user runs them, and held to their reference numbers.

What takes long is shortened here; the ten epochs of S3 on MNIST are in tests/seeds/test_s3.py.
"""

import os
import pty
import re
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import nn
from autograd_lite import Tensor, no_grad
from nn.train import History
from tests.helpers import PATIENCE, SYSTEMS, mnist_folder, open_chromium, system_example, until

NAMES = ("s0_univariate", "s1_diabetes", "s2_iris", "s3_mnist", "s3_toy", "s4_columns")
ROOT = SYSTEMS.parents[1]


def command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", str(SYSTEMS / f"{name}.py"), *arguments]


def environment(**more: str) -> dict[str, str]:
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))} | more


def launch(name: str, *arguments: str, folder: Path, **more: str) -> Any:
    """Run an example from a folder outside of the repository, warnings being errors."""
    return subprocess.run(
        command(name, *arguments), cwd=folder, env=environment(**more), capture_output=True,
        text=True, encoding="utf-8", timeout=PATIENCE, check=False,
    )  # fmt: skip


def run(name: str, *arguments: str, folder: Path, **more: str) -> str:
    """The output of an example that ends well and, in a pipe, writes nothing on standard error."""
    done = launch(name, *arguments, folder=folder, **more)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return str(done.stdout)


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def is_png(path: Path) -> bool:
    raw = path.read_bytes()
    return raw.startswith(b"\x89PNG") and len(raw) > 20_000


def number(output: str, name: str) -> float:
    """The number after a name."""
    found = re.search(rf"{re.escape(name)} +(-?[\d.e+-]+)", output)
    assert found, output
    return float(found[1])


@pytest.fixture(scope="module")
def s0() -> ModuleType:
    return system_example("s0_univariate")


@pytest.fixture(scope="module")
def s1() -> ModuleType:
    return system_example("s1_diabetes")


@pytest.fixture(scope="module")
def s2() -> ModuleType:
    return system_example("s2_iris")


@pytest.fixture(scope="module")
def s4() -> ModuleType:
    return system_example("s4_columns")


@pytest.fixture(scope="module")
def mnist() -> str:
    folder = mnist_folder()
    if folder is None:
        pytest.skip("the MNIST files are not here; name their folder in AUTOGRAD_LITE_DATA")
    return str(folder)


# ---- what all of them share ------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_help_explains_and_writes_nothing(name: str, tmp_path: Path) -> None:
    output = run(name, "--help", folder=tmp_path)
    assert all(word in output for word in ("usage:", "--seed N", "--plot FILE", "System "))
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("s0_univariate", ["--target", "cos"], "(choose from"),
        ("s0_univariate", ["--target", "cos"], "sin, square, abs, wave, exp, log"),
        ("s0_univariate", ["--activation", "gelu"], "tanh, relu"),
        ("s0_univariate", ["--layers", "4"], "1, 2, 3"),
        ("s0_univariate", ["--units", "0"], "0 is too small; it must be at least 1"),
        ("s0_univariate", ["--units=-3"], "-3 is too small"),
        ("s0_univariate", ["--points", "3"], "3 is too small; a line would fit"),
        ("s0_univariate", ["--epochs", "ten"], "--epochs: ten is not a whole number"),
        ("s0_univariate", ["--units", "2.5"], "--units: 2.5 is not a whole number"),
        ("s0_univariate", ["--lr", "fast"], "--lr: fast is not a number"),
        ("s0_univariate", ["--lr", "0"], "0 is not a finite number above 0"),
        ("s0_univariate", ["--lr", "nan"], "nan is not a finite number above 0"),
        ("s0_univariate", ["--html", "page.txt"], "page.txt must end in .html"),
        ("s1_diabetes", ["--epochs", "0"], "0 is too small"),
        ("s2_iris", ["--seed=-1"], "-1 is not between 0 and"),
        ("s3_mnist", ["--epochs", "0"], "--epochs: 0 is too small"),
        ("s4_columns", ["--steps", "0"], "--steps: 0 is too small"),
        ("s3_toy", ["--plot", "picture.xyz"], "must end in .png or .svg or .pdf"),
        ("s3_toy", ["--plot", "/dev/null/picture.png"], "cannot write /dev/null/picture.png"),
    ],
)
def test_bad_options_are_refused_before_any_training(
    name: str,
    arguments: list[str],
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        system_example(name).main(arguments)
    assert ended.value.code == 2
    assert text in capsys.readouterr().err.replace("'", "")  # Python 3.11 quotes the choices
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        (
            "s0_univariate",
            [
                "--points=10",
                "--epochs=1",
                "--frames=1",
                "--units=1",
                "--html=p.html",
                "--gif=p.gif",
            ],
        ),
        ("s0_univariate", ["--activation=relu", "--lr=1e30"]),
        ("s1_diabetes", ["--epochs=1", "--patience=1"]),
        ("s1_diabetes", ["--epochs=9", "--lr=0.19"]),
        ("s2_iris", ["--epochs=1", "--starts=1"]),
        ("s3_toy", ["--epochs=1"]),
    ],
)
def test_the_smallest_and_the_wildest_run(
    name: str,
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert system_example(name).main([*arguments, "--plot=p.png"]) == 0
    assert "saved p.png" in capsys.readouterr().out
    assert is_png(tmp_path / "p.png")


@pytest.mark.parametrize("name", ["s3_mnist", "s4_columns"])
def test_missing_mnist_files_are_listed(name: str, tmp_path: Path) -> None:
    for arguments in (["--data", str(tmp_path)], []):
        done = launch(name, *arguments, folder=tmp_path, AUTOGRAD_LITE_DATA="")
        assert done.returncode == 1
        assert "train-images-idx3-ubyte.gz" in done.stderr
        assert "--data FOLDER" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [("s0_univariate", "interrupted after epoch"), ("s1_diabetes", "interrupted in epoch"),
     ("s2_iris", "interrupted after epoch")],
)  # fmt: skip
def test_ctrl_c_ends_the_training_and_saves_what_there_is(
    name: str, said: str, tmp_path: Path
) -> None:
    launcher = """if True:
        import runpy, signal, sys
        from autograd_lite import Tensor
        backward, left = Tensor.backward, iter(range(50, -1, -1))
        def interrupted(*args, **kw):
            if not next(left, 1):
                signal.raise_signal(signal.SIGINT)
            return backward(*args, **kw)
        Tensor.backward = interrupted
        # a shell may have started the tests with Ctrl-C ignored
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv[:1] = []
        sys.path[0] = sys.argv[0].rpartition("/")[0]
        runpy.run_path(sys.argv[0], run_name="__main__")
    """
    _, *arguments = command(name, "--epochs", "1000000", "--plot", "picture.png")
    process = subprocess.Popen(
        [sys.executable, *arguments[:2], "-c", launcher, *arguments[2:]], cwd=tmp_path,
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, output + errors
    assert said in errors
    assert "Traceback" not in errors
    assert output.endswith("saved picture.png\n")
    assert is_png(tmp_path / "picture.png")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError("Unable to allocate 745. GiB"), 1, "not enough memory: Unable to allocate"),
    ],
)
def test_what_ends_a_script_from_outside_is_said_in_a_line(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> int:
        raise error

    with pytest.raises(SystemExit) as ended:
        system_example("common").script(main)
    assert ended.value.code == code
    found = capsys.readouterr().err
    assert found.startswith(said) and found.count("\n") == 1


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("s3_toy", "--epochs=1"), cwd=tmp_path, env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=PATIENCE) == 1


def test_without_matplotlib_the_numbers_come_without_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    example = system_example("s3_toy")
    monkeypatch.setattr(example.common, "installed", lambda package: package != "matplotlib")
    assert example.main(["--epochs=1"]) == 0
    out, errors = capsys.readouterr()
    assert number(out, "best straight line") == pytest.approx(0.0422, abs=5e-5)
    assert errors == "no picture: matplotlib is missing (pip install matplotlib)\n"
    assert files(tmp_path) == []
    with pytest.raises(SystemExit):
        example.main(["--epochs=1", "--plot=p.png"])
    assert "--plot needs matplotlib" in capsys.readouterr().err


def test_the_spread_of_starts_counts_those_that_blow_up() -> None:
    spread = system_example("common").spread
    values = np.array([4.0, 2, 1, 3, 5, 6, 7, 8, np.nan, np.inf])
    assert spread(values) == (5.5, 2.0, np.inf)
    assert spread(np.r_[values, values][:11]) == (5.0, 2.0, np.inf)
    assert spread(np.array([3.0])) == (3.0, 3.0, 3.0)
    assert spread(np.full(4, np.nan)) == (np.inf,) * 3


def on_a_terminal(folder: Path, *arguments: str) -> str:
    """What S0 writes to a terminal of 80 columns, its output and its errors."""
    pytest.importorskip("tqdm")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command("s0_univariate", *arguments), cwd=folder, env=environment(COLUMNS="80"),
        stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 4096):
            seen += part
    except OSError:  # how a terminal says that the other side is gone
        pass
    os.close(ours)
    assert process.wait(timeout=PATIENCE) == 0
    return seen.decode()


def test_a_terminal_gets_a_progress_bar(tmp_path: Path) -> None:
    seen = on_a_terminal(tmp_path, "--epochs=3000", "--plot=p.svg")
    assert "%|" in seen
    assert "epoch/s" in seen


def test_the_progress_bar_wipes_out_nothing_of_the_table(tmp_path: Path) -> None:
    seen = on_a_terminal(tmp_path, "--table", "--jobs=1", "--starts=2", "--epochs=3")
    rows = re.findall(r"[\r\n](sin x|x²|\|x\|) +normal +\d of 2[^\r]* kaiming +\d of 2", seen)
    assert rows == ["sin x", "x²", "|x|"]


# ---- S0 --------------------------------------------------------------------------------------


def test_s0_fits_and_saves_everything(tmp_path: Path) -> None:
    from PIL import Image

    output = run(
        "s0_univariate", "--plot", "a/p.png", "--html", "a/p.html", "--gif", "a/p.gif",
        "--frames", "9", folder=tmp_path,
    )  # fmt: skip
    assert number(output, "best straight line") == pytest.approx(0.203, abs=5e-4)
    assert number(output, "after 1000 epochs") < 0.01
    assert number(output, "before training") > 1
    assert "times better than the line" in output
    assert files(tmp_path) == ["a/p.gif", "a/p.html", "a/p.png"]
    assert is_png(tmp_path / "a/p.png")
    with Image.open(tmp_path / "a/p.gif") as gif:
        assert gif.n_frames == 10
    page = (tmp_path / "a/p.html").read_text(encoding="utf-8")
    assert len(page) > 1_000_000  # plotly.js is in it
    assert not re.search(r"<(script|link|img|iframe)[^>]*\b(src|href)=", page)
    data = page[page.rindex("Plotly.newPlot") :]
    assert all(f'"label":"{button}"' in data for button in ("Play", "Pause"))
    frames = re.findall(r'"name":"(\d+)"', data)
    assert [int(k) for k in frames] == [round(1000 * (i / 9) ** 2) for i in range(10)]


def test_s0_page_plays_pauses_and_slides(tmp_path: Path) -> None:
    browser = open_chromium()
    try:
        run("s0_univariate", "--epochs=400", "--frames=400", "--html=p.html", folder=tmp_path)
        browser.set_window_size(900, 800)
        browser.get((tmp_path / "p.html").as_uri())

        def shown(selector: str) -> Any:
            return browser.find_elements("css selector", selector)

        def epoch() -> int:
            return int(shown(".slider-label")[0].text.removeprefix("epoch "))

        def stands() -> int:
            """The epoch where the play stands, or 0 while it goes on."""
            before = epoch()
            time.sleep(0.5)
            return before if before == epoch() else 0

        until(lambda: bool(shown(".slider-label")))
        play, pause = shown(".updatemenu-button")
        assert (play.text, pause.text, epoch()) == ("Play", "Pause", 0)
        chains = import_module("selenium.webdriver").ActionChains
        chains(browser).move_to_element(play).click().perform()
        until(lambda: epoch() > 3)
        chains(browser).move_to_element(pause).click().perform()
        there = until(stands)
        assert 3 < there < 400
        rail = shown(".slider-rail-touch-rect")[0]
        middle = rail.size["width"] // 2
        chains(browser).move_to_element_with_offset(rail, middle - 2, 0).click().perform()
        until(lambda: epoch() == 400)
        *_, text = shown(".textpoint text")
        loss = float(text.text)
        assert 0 < loss < 0.2  # the best line has .203
        inner, outer = (e.rect["x"] + e.rect["width"] for e in (text, rail))
        assert inner < outer  # inside of the axes, which end where the slider ends
    finally:
        browser.quit()


def test_s0_reports_divergence_and_what_helps(tmp_path: Path) -> None:
    output = run(
        "s0_univariate", "--activation=relu", "--layers=3", "--html=p.html", "--gif=p.gif",
        "--seed=0", folder=tmp_path,
    )  # fmt: skip
    assert "It diverged: from epoch 1 the loss was above ten times" in output
    assert number(output, "--init kaiming") < 0.1  # the line has .203
    assert number(output, "--lr 0.001") < 0.1
    assert files(tmp_path) == ["out/s0_univariate.png", "p.gif", "p.html"]


def test_s0_keeps_every_prediction(s0: ModuleType) -> None:
    x, y = s0.points("wave", 30)
    found = s0.fit(x, y, "tanh", 2, 8, epochs=25, seeds=(3, 4))
    assert found.predictions.shape == (26, 2, 30)
    losses = np.mean((found.predictions - y[:, 0]) ** 2, axis=2)
    assert np.allclose(found.losses, losses, rtol=1e-13)
    assert (np.diff(found.losses[:, 0]) != 0).all()


@pytest.mark.parametrize("init", ["normal", "kaiming"])
def test_s0_starts_side_by_side_are_those_one_by_one(s0: ModuleType, init: str) -> None:
    x, y = s0.points("abs", 40)
    options = {"init": init, "epochs": 60}
    together = s0.fit(x, y, "relu", 2, 7, seeds=(5, 6, 7), **options)
    for k, seed in enumerate((5, 6, 7)):
        alone = s0.fit(x, y, "relu", 2, 7, seeds=(seed,), **options)
        assert np.allclose(together.losses[:, k], alone.losses[:, 0], rtol=1e-10)
    assert together.losses[0, 0] != together.losses[0, 1]


def test_s0_agrees_with_the_run_by_hand(s0: ModuleType) -> None:
    from tests.seeds import s0_univariate

    x, y = s0.points("sin", 50)
    start = s0.network([1, 16, 16, 1], "tanh", "normal", (9,))
    params = {}
    for i, layer in enumerate(start[::2], 1):
        params |= {f"W{i}": layer.W.array[0].copy(), f"b{i}": layer.b.array[0].copy()}
    losses = s0.fit(x, y, "tanh", 2, 16, epochs=30, seeds=(9,)).losses[:, 0]
    for loss in losses:
        expected, grads = s0_univariate.gradients(params, x, y)
        assert loss == pytest.approx(expected, rel=1e-10)
        params = {name: p - 0.01 * grads["d" + name] for name, p in params.items()}


def test_s0_reaches_a_row_of_the_table(
    s0: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(s0, "REFERENCE", {"abs": s0.REFERENCE["abs"]})
    assert not s0.table(20, 1000, 0, jobs=1)
    output = capsys.readouterr().out
    rows = re.findall(r"^\|x\| +(\w+ \d) +([\d.]+) +(\S+) .* (\S+) (\w+)$", output, re.MULTILINE)
    assert [row[0] for row in rows] == ["tanh 1", "tanh 2", "tanh 3", "relu 1", "relu 2"]
    for _, line, median, expected, verdict in rows:
        assert line == "0.0850"
        assert verdict == "inside"
        assert 0.5 < float(median) / float(expected) < 2
    last = output.splitlines()[-1]
    assert "kaiming  0 of 20" in last
    assert number(last, "normal") > 10
    monkeypatch.setattr(s0, "REFERENCE", {"abs": (1.0,) * 5})
    assert not s0.table(3, 5, 0, jobs=1)
    assert "OUTSIDE" in capsys.readouterr().out


def test_s0_relu_with_three_layers_diverges_from_normal_starts(s0: ModuleType) -> None:
    """18 of 20 in the reference, for sin x; none with Kaiming weights and zero biases."""
    x, y = s0.points("sin", 100)
    found = [
        s0.fit(x, y, "relu", 3, epochs=100, init=init, seeds=range(20), keep=False).diverged.sum()
        for init in ("normal", "kaiming")
    ]
    assert found[0] >= 17
    assert found[1] == 0


def test_moments_are_closer_together_at_the_start(s0: ModuleType) -> None:
    found = s0.moments(1000, 120)
    assert (found[0], found[-1]) == (0, 1000)
    steps = np.diff(found)
    assert steps[0] == 1 and steps[-1] > 10 and len(found) <= 121
    assert s0.moments(3, 120) == [0, 1, 2, 3]


# ---- S1 --------------------------------------------------------------------------------------


def test_s1_prints_baselines_and_learns(tmp_path: Path) -> None:
    output = run("s1_diabetes", "--epochs=120", "--patience=20", folder=tmp_path)
    rows = re.findall(r"^(\w.*?) {2,}([\d.]+) +([\d.]+)$", output, re.MULTILINE)
    found = {name: (float(a), float(b)) for name, a, b in rows}
    assert found["predicting the mean"] == (77.95, 73.22)
    assert found["least squares"] == (53.56, 53.85)
    assert found["net, before training"][0] > 90
    assert 55 < found["net, after epoch 100"][0] < 72
    assert 56 < found["net, after epoch 100"][1] < 72
    assert any(name.startswith("net, stopped at epoch") for name in found)
    assert is_png(tmp_path / "out/s1_diabetes.png")


def test_s1_reaches_its_ranges(
    s1: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """The medians of 20 starts; single starts scatter more than the reference says."""
    monkeypatch.chdir(tmp_path)
    assert s1.main(["--table", "--epochs=100", "--jobs=1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    verdicts = {line[:22].strip(): line.split()[-1] for line in lines[3:]}
    reached = ("before, train", "epoch 100, train", "epoch 100, test")
    assert {name: verdicts[name] for name in reached} == dict.fromkeys(reached, "inside")
    assert verdicts["best test, its epoch"] == "OUTSIDE"  # it comes after epoch 440
    assert files(tmp_path) == []


def test_s1_starts_side_by_side_are_those_one_by_one(s1: ModuleType, capsys: Any) -> None:
    data = s1.patients()
    s1.table((3,), 0.001, 7, jobs=1)
    row = re.search(r"^best test +([\d.]+)", capsys.readouterr().out, re.MULTILINE)
    alone = s1.learn(s1.network(3), data.train, data.test, data.unit, 0.001, 7)
    assert row and float(row[1]) == pytest.approx(min(alone["other"]), abs=0.051)


def test_s1_reports_divergence(tmp_path: Path) -> None:
    output = run("s1_diabetes", "--lr=1", "--epochs=5", folder=tmp_path)
    assert output.splitlines()[-1] == (
        "It diverged in epoch 1: the steps are too long. --lr 0.1 may help."
    )
    assert "nan" not in output and "inf" not in output
    output = run(
        "s1_diabetes", "--table", "--jobs=1", "--lr=5", "--epochs=3", "--starts=2", folder=tmp_path
    )
    assert re.search(r"^best test +inf .* OUTSIDE$", output, re.MULTILINE)


def test_s1_divides_the_patients_as_scikit_learn_does(s1: ModuleType) -> None:
    selection = pytest.importorskip("sklearn.model_selection")
    table = nn.datasets.diabetes()
    x, x_test, y, y_test = selection.train_test_split(
        table.data, table.target, test_size=0.2, random_state=42
    )
    data = s1.patients()
    for (features, target), (raw, truth) in ((data.train, (x, y)), (data.test, (x_test, y_test))):
        assert np.allclose(features, (raw - x.mean(axis=0)) / x.std(axis=0), atol=1e-12)
        assert np.allclose(data.mean + data.unit * target[:, 0], truth, atol=1e-9)
    assert [len(part) for part, _ in s1.batches(data.train)] == [32] * 11 + [1]


def test_s1_early_stopping_gives_the_best_parameters_back(s1: ModuleType) -> None:
    data = s1.patients()
    model = s1.network(1)
    small = (data.train[0][:20], data.train[1][:20])  # it overfits soon
    history: History = s1.learn(model, small, data.test, data.unit, 0.05, 400, patience=15)
    best = s1.best_epoch(history)
    assert len(history) == best + 15 < 400
    assert s1.rmse(model, data.test, data.unit) == pytest.approx(min(history["other"]), rel=1e-12)
    assert history["other"][-1] > min(history["other"])


# ---- S2 --------------------------------------------------------------------------------------


def test_s2_runs_and_draws(tmp_path: Path) -> None:
    output = run("s2_iris", "--epochs=3", "--starts=2", folder=tmp_path)
    for name in ("linear discriminant", "original", "repaired", "small tanh net"):
        assert re.search(rf"^{name} +0\.\d+  ( ?[01]\.\d\d){{2}}", output, re.MULTILINE), output
    assert number(output, "linear discriminant") > 0.93
    assert is_png(tmp_path / "out/s2_iris.png")


def test_s2_reaches_its_ranges_on_every_start(s2: ModuleType) -> None:
    seeds = range(5)
    data = s2.flowers(seeds)
    for recipe in s2.RECIPES[1:]:
        found = s2.learn(recipe, data, seeds, recipe.epochs)
        assert (found.test[-1] >= 0.9).all()
        assert (found.train[-1] >= 0.9).all()
        assert np.mean(found.train[-1]) >= 0.95
        assert np.array_equal((found.predicted == data.labels_test).mean(axis=1), found.test[-1])


def test_s2_divisions_and_standardising(s2: ModuleType) -> None:
    data = s2.flowers((0, 1))
    assert data.x.shape == (2, 120, 4) and data.x_test.shape == (2, 30, 4)
    for start in range(2):
        rows = np.concatenate([data.x[start], data.x_test[start]])
        everything = nn.datasets.iris().data
        assert np.array_equal(np.sort(rows, axis=0), np.sort(everything, axis=0))
    assert not np.array_equal(data.x[0], data.x[1])
    train, test = s2.standardised(data, per_flower=False)
    assert np.allclose(train.mean(axis=1), 0) and np.allclose(train.std(axis=1), 1)
    assert not np.allclose(test.mean(axis=1), 0)  # by the training part
    one, _ = s2.standardised(data, per_flower=True)
    assert np.allclose(one.mean(axis=2), 0) and np.allclose(one.std(axis=2, ddof=1), 1)


def test_s2_starts_share_nothing(s2: ModuleType) -> None:
    recipe = s2.RECIPES[1]
    both, alone = (s2.learn(recipe, s2.flowers(k), k, 3) for k in ((0, 1), (1,)))
    assert np.array_equal(both.predicted[1], alone.predicted[0])
    a, b = (s2.network(recipe, k) for k in ((0, 1), (1,)))
    x = np.random.default_rng(0).standard_normal((5, 4))
    with no_grad():
        assert np.allclose(a(Tensor(x)).array[1], b(Tensor(x)).array[0], rtol=1e-13)


@pytest.mark.parametrize("number", [0, 1])
def test_s2_agrees_with_the_run_by_hand(s2: ModuleType, number: int) -> None:
    """An epoch of batches of two, whose gradients are summed and then divided in the update."""
    from tests.seeds import s2_iris

    recipe, data = s2.RECIPES[number], s2.flowers((4,))
    x, targets = (
        s2.standardised(data, recipe.per_flower)[0][0],
        s2_iris.soft_targets(data.labels[0]),
    )

    def parameters(model: nn.Sequential) -> dict[str, Any]:
        layers = list(enumerate(model[::2], 1))
        weights = {f"W{i}": layer.W.array[0].T.copy() for i, layer in layers}
        return weights | {f"b{i}": layer.b.array[0, 0].copy() for i, layer in layers}

    params = parameters(s2.network(recipe, (4,)))
    for k in range(0, 120, 2):
        _, grads = s2_iris.gradients(params, x[k : k + 2], targets[k : k + 2], every=False)
        params = {name: p - recipe.lr / 2 * grads["d" + name] for name, p in params.items()}
    trained = parameters(s2.learn(recipe, data, (4,), 1).model)
    for name, p in params.items():
        assert np.allclose(trained[name], p, rtol=1e-9, atol=1e-12)


def test_s2_confusion(s2: ModuleType) -> None:
    truth, said = np.array([[0, 1, 1], [2, 2, 2]]), np.array([[0, 1, 2], [2, 2, 0]])
    assert s2.confusion(said, truth).tolist() == [[1, 0, 0], [0, 1, 1], [1, 0, 2]]


def test_s2_discriminant_is_scikit_learns(s2: ModuleType) -> None:
    analysis = pytest.importorskip("sklearn.discriminant_analysis")
    whole = s2.flowers(range(3))
    few = np.stack([np.argsort(labels, kind="stable")[:-33] for labels in whole.labels])  # uneven
    x = np.take_along_axis(whole.x, few[:, :, None], axis=1)
    data = s2.Flowers(
        x, np.take_along_axis(whole.labels, few, axis=1), whole.x_test, whole.labels_test
    )
    for start, said in enumerate(s2.discriminant(data)):
        judge = analysis.LinearDiscriminantAnalysis(solver="lsqr")
        judge.fit(data.x[start], data.labels[start])
        assert np.array_equal(judge.predict(data.x_test[start]), said)


# ---- S3 and S4; S3's figures are in tests/seeds/test_s3.py -----------------------------------


def test_s3_toy_runs_and_draws(tmp_path: Path) -> None:
    output = run("s3_toy", "--epochs=5", folder=tmp_path)
    assert number(output, "best straight line") == pytest.approx(0.0422, abs=5e-5)
    assert number(output, "(a) no activation") > number(output, "best straight line")
    assert number(output, "(b) relu, sigmoid") < 0.2
    assert is_png(tmp_path / "out/s3_toy.png")


def test_s4_reaches_its_table_at_step_100(mnist: str, tmp_path: Path) -> None:
    output = run("s4_columns", "--data", mnist, "--steps=100", folder=tmp_path)
    line = re.search(r"^  100  (.*)", output, re.MULTILINE)
    assert line
    assert re.sub(r"\d", "", line[1]) == ". (.)   . (.)   . (.)"
    accuracy, loss, test = (float(v) for v in re.findall(r"(\d\.\d{4})", line[1]))
    assert (f"{accuracy:.3f}", f"{loss:.3f}", f"{test:.3f}") == ("0.870", "0.501", "0.877")
    assert output.count("7 gradients agree.") == 2
    assert is_png(tmp_path / "out/s4_columns.png")


def test_s4_formulas_by_hand_are_judged(s4: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((784, 50)), np.eye(10)[:, rng.integers(0, 10, 50)]
    model = s4.network(1, "float64")
    report = s4.beside_autodiff(model, x, y)
    assert report.ok and len(report.rows) == 7
    assert max(row.rel_err for row in report.rows) <= 1e-12
    right = s4.by_hand
    monkeypatch.setattr(s4, "by_hand", lambda *a: right(*a) | {"0.B": 50 * right(*a)["0.B"]})
    report = s4.beside_autodiff(model, x, y)  # 1/n forgotten
    assert not report.ok and report.first_wrong.name == "0.B"
