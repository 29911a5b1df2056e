"""The benchmarks run, and compare what is the same; how fast anything is, is not tested."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest import approx

from nn.optim import SGD
from tests.seeds import s3_mnist
from tests.speed import __main__ as speed
from tests.speed import recipe, systems

PAGE = (Path(__file__).parents[1] / "docs" / "speed.md").read_text("utf-8")
OURS = {"hand-written NumPy", "hand, buffers", "eager", "compiled", "compiled with SGD"}


@pytest.fixture(autouse=True)
def all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A benchmark in this process would stay on the cores that this variable allows."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


# ---- the programs ----------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [("step", 2, 8), ("deep",), ("chain",)], ids=lambda a: a[0])
def test_every_system_is_timed_or_left_out_with_a_reason(arguments: tuple[Any, ...]) -> None:
    found = speed.measured(*arguments, 0.01)
    ours = OURS - {"compiled with SGD"} if arguments == ("chain",) else OURS
    assert set(found["times"]) | set(found["left_out"]) == ours | set(systems.NEEDS)
    assert ours <= set(found["times"])
    assert min(found["tracing"], *found["times"].values()) > 0
    assert all(found["left_out"].values())


def test_growth_and_memory_are_measured() -> None:
    found = speed.measured("growth", 10)
    assert list(found) == speed.HEADS["growth"][1:]
    assert min(found.values()) > 0
    assert min(speed.measured("derive", 100).values()) > 0
    found = speed.measured("memory")
    told = re.search(r"holds (\d+) bytes, of which (\d+) .* ([\d.]+) times", PAGE, re.DOTALL)
    assert [found[k] for k in ("recorded", "arrays", "ratio")] == approx(
        [*map(float, told.groups())], rel=0.1
    )


def test_an_lstm_is_timed_beside_its_matrix_products() -> None:
    found = speed.measured("recurrent", 2, 0.05)
    assert set(found["times"]) >= {"hand-written NumPy", "eager", "compiled"}
    assert 0 < found["products"] < found["times"]["hand-written NumPy"]


def test_lenet_is_timed_beside_its_matrix_products() -> None:
    found = speed.measured("lenet", 0.05)
    names = {"hand-written NumPy", "matrix products", *speed.LENET}
    assert set(found["times"]) | set(found["left_out"]) == names
    assert found["memory"]["eager"] < found["memory"]["hand-written NumPy"]


@pytest.mark.parametrize(
    "row",
    [
        row if row == "Iris, Adam" else pytest.param(row, marks=pytest.mark.slow)
        for row in speed.CODE
    ],
)
def test_what_compile_makes_is_timed(row: str) -> None:
    found = speed.measured("code", 0.05, row)
    assert {"hand", "eager", "C"} <= set(found["times"])
    assert "C" in found["aims"]
    assert set(found["left_out"]) <= set(systems.NEEDS)


@pytest.mark.parametrize("what", [1, "embedding"])
def test_blocks_and_embeddings_are_timed(what: Any) -> None:
    found = speed.measured("block", what, 0.01)
    assert {"hand-written NumPy", "eager"} <= set(found["times"])
    assert min(*found["times"].values(), *found["peaks"].values()) > 0


def test_the_time_of_a_step_is_that_of_its_statements() -> None:
    found = speed.measured("parts", 2, 8, 0.05)
    assert set(found) == OURS - {"eager"}
    for step in found.values():
        assert list(step["kinds"]) == speed.HEADS["parts"][2:-1]
        assert min(step["kinds"].values()) > 0
        assert sum(step["kinds"].values()) <= sum(us for _, us in step["parts"]) * (1 + 1e-9)
    texts = {name: [text for text, _ in step["parts"]] for name, step in found.items()}
    assert texts["compiled"][-3:-1] == ["loss.backward()", "optimizer.step()"]
    assert texts["hand-written NumPy"][0] == "h = x @ w1"


def test_a_program_is_told_its_threads_and_kernels_and_not_to_run_eagerly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: dict[str, str] = {}

    def run(command: list[str], env: dict[str, str], **kw: Any) -> Any:
        told.update(env)
        return subprocess.CompletedProcess(command, 0, "noise\n{}\n", "")

    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(speed.subprocess, "run", run)
        assert speed.measured("step", threads=2) == {}
        assert told["OMP_NUM_THREADS"] == told["OPENBLAS_NUM_THREADS"] == "2"
        assert "OPENBLAS_CORETYPE" not in told
        speed.measured("step", kernel="Haswell")
    assert told["OMP_NUM_THREADS"] == "1" and told["OPENBLAS_CORETYPE"] == "Haswell"
    code = "import warnings; warnings.warn('compile: f runs as it is')"
    done = subprocess.run([sys.executable, "-c", code], env=told, capture_output=True, check=False)
    assert b"UserWarning: compile: f runs as it is" in done.stderr and done.returncode == 1


def test_a_program_that_fails_stops_the_run_with_its_message() -> None:
    with pytest.raises(SystemExit, match=r"step two 8 failed:(.|\n)*invalid literal"):
        speed.measured("step", "two", 8)


# ---- comparing -------------------------------------------------------------------------------


def steady(loss: float) -> Any:
    return lambda: lambda: loss


def test_what_computes_something_else_is_an_error() -> None:
    with pytest.raises(AssertionError, match="compiled"):
        systems.compare({"hand": steady(1.0), "compiled": steady(1.01)}, 0.01)


def test_an_optional_system_that_fails_is_left_out_and_ours_is_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise OSError("no such file\nand more")

    monkeypatch.setattr(systems, "NEEDS", {"JAX jit": "json", "MyGrad": "no_such_package"})
    builders = {"hand": steady(1.0), "compiled": steady(1.0), "JAX jit": broken, "MyGrad": broken}
    systems.compare(builders, 0.01)
    found = json.loads(capsys.readouterr().out)
    assert found["left_out"] == {
        "JAX jit": "OSError: no such file",
        "MyGrad": "no_such_package is not installed",
    }
    assert set(found["times"]) == {"hand", "compiled"}
    with pytest.raises(OSError, match="no such file"):
        systems.compare({"compiled": broken}, 0.01)


def test_torch_compile_needs_a_compiler_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systems, "find_spec", lambda name: name)
    monkeypatch.setattr(systems.shutil, "which", lambda name: None)
    assert systems.missing("torch.compile", 9.0) == "there is no C++ compiler"
    monkeypatch.setattr(systems.shutil, "which", lambda name: name)
    assert "too long" in systems.missing("torch.compile", 1.0)
    assert systems.missing("torch.compile", 9.0) == systems.missing("PyTorch eager", 1.0) == ""


# ---- the recipe ------------------------------------------------------------------------------


def pictures(n: int = 320) -> recipe.Data:
    """Ten blobs that can be told apart, as S3's pixels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, n)
    images = rng.uniform(0, 60, (n, 784)) + 190 * (rng.random((10, 784)) < 0.2)[labels]
    x = {dtype: (images / 255 - 0.5).astype(dtype) for dtype in ("float64", "float32")}
    return recipe.Data(x, labels, x, labels)


def test_the_recipe_trains_all_alike() -> None:
    found = recipe.side_by_side(pictures(), 1)
    assert list(found) == [recipe.HAND, *recipe.KINDS]
    losses = [run["loss"] for run in found.values()]
    assert losses == pytest.approx([losses[0]] * 9, rel=1e-3)
    assert losses[:5] == pytest.approx([losses[0]] * 5, rel=1e-9)
    assert all(run["seconds"] > run["steps"] > 0 for run in found.values())
    assert found[recipe.HAND]["accuracy"] > 0.5


def test_the_scheme_by_hand_is_that_of_the_write_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "TINY", 1e-15)
    data = pictures()
    epochs = [done for done in recipe.by_hand(data, 2) if isinstance(done, recipe.Epoch)]
    x, t = data.x["float64"], np.eye(10)[data.labels]
    rng = np.random.RandomState(recipe.SEED)
    params = s3_mnist.init([784, 64, 10], rng)
    run = s3_mnist.train(params, x, t, rng, lr=0.005, epochs=2, test=(x, t))
    for ours, (seeds, _) in zip(epochs, run, strict=True):
        assert ours.loss == pytest.approx(seeds.loss, rel=1e-9)
        assert ours.accuracy == seeds.test


def test_a_recipe_that_trains_otherwise_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe.nn.optim, "SGD", lambda parameters, lr: SGD(parameters, lr=lr / 10))
    with pytest.raises(AssertionError, match="eager, float64"):
        recipe.side_by_side(pictures(), 1)


def test_without_mnist_the_recipe_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "mnist_folder", lambda: None)
    monkeypatch.setattr(recipe.sys, "argv", ["recipe", "1", "600"])
    recipe.main()
    found = json.loads(capsys.readouterr().out)
    monkeypatch.setattr(speed, "measured", lambda *args, **kw: found)
    speed.recipe(speed.How(True, ""))
    assert "left out: all: the MNIST files are not here" in capsys.readouterr().out


# ---- the tables ------------------------------------------------------------------------------


def test_tables_are_chosen_by_name_and_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def measured(module: str, *args: object, threads: int = 1, kernel: str = "") -> dict[str, Any]:
        asked.append((module, kernel))
        times = dict.fromkeys(OURS, 2e-6) | {"hand-written NumPy": 1e-6}
        return {"times": times, "tracing": 40e-6, "kernel": kernel or "Zen", "left_out": {"A": "b"}}

    monkeypatch.setattr(speed, "measured", measured)
    monkeypatch.setattr(speed, "blas_kernel", lambda: "Zen")
    monkeypatch.setattr(speed.sys, "argv", ["speed", "--quick", "--kernels", "steps"])
    speed.main()
    modules = ["step"] * 3 + ["deep", "chain"]
    assert asked == [(m, k) for k in ("", "SkylakeX") for m in modules]
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "kernels" in line][1].endswith("BLAS kernels SkylakeX")
    row = next(line for line in lines if line.startswith("| 16, 64, 1 "))
    assert [c.strip() for c in row.split("|")][2:7] == ["1", "2.00", "2.00", "2.00", "2.00"]
    assert row.split("|")[-2].strip() == "20"
    assert lines.count("left out: A: b") == 2


def test_a_table_that_is_not_there_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed.sys, "argv", ["speed", "stepps"])
    with pytest.raises(SystemExit):
        speed.main()
    assert "there is no table stepps; choose from steps, recipe" in capsys.readouterr().err
