"""S3 on real input, through `nn` and `nn.optim`: the figures that its write-up prints.

The table of MNIST has ten epochs; here the first is run, and `examples/mnist.py --replay` runs all.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from helpers import mnist_folder

import nn
from autograd_lite import Tensor
from nn.datasets import mnist

from . import Array, s0_univariate, s3_mnist

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "mnist.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_mnist", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data() -> tuple[Any, Any]:
    folder = mnist_folder()
    if folder is None:
        pytest.skip("the MNIST files are not here; name their folder in AUTOGRAD_LITE_DATA")
    return mnist(folder), mnist(folder, train=False)


# ---- MNIST -----------------------------------------------------------------------------------


PRINTED = """
 1  1.20417  0.8070
 2  0.59282  0.8504
 3  0.48660  0.8795
 4  0.43013  0.8850
 5  0.38977  0.9009
 6  0.36007  0.9010
 7  0.33777  0.9059
 8  0.32317  0.9078
 9  0.30777  0.9169
10  0.29622  0.9194
"""


def test_all_ten_epochs_print_the_figures_of_the_write_up(
    example: ModuleType, data: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    history = example.replay(*data, epochs=10)
    expected = [line.split() for line in PRINTED.strip().splitlines()]
    found = [[f"{r['printed']:.5f}", f"{r['val_accuracy']:.4f}"] for r in history.rows]
    assert found == [row[1:] for row in expected]
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == ["epoch", "loss", "test", "accuracy"]
    assert [line.split() for line in printed[1:]] == expected


def small(data: Any, n: int = 480, test: int = 200) -> Any:
    (images, labels), (test_images, test_labels) = data
    return (images[:n], labels[:n]), (test_images[:test], test_labels[:test])


@pytest.mark.parametrize("start", ["normal", "kaiming"])
def test_modules_and_the_run_by_hand_stay_together(
    example: ModuleType, data: Any, start: str
) -> None:
    """Three epochs on some of the images: the permutations pile up alike, and so do the updates."""
    train, test = small(data)
    history = example.replay(train, test, epochs=3, seed=5, kaiming=start == "kaiming")
    by_hand = list(s3_mnist.recipe(*train, *test, seed=5, start=start, epochs=3))
    assert history["printed"] == pytest.approx([r.loss for r in by_hand], rel=1e-11)
    assert history["val_accuracy"] == [r.test for r in by_hand]
    other = s3_mnist.recipe(*train, *test, seed=6, start=start, epochs=3)
    assert history["printed"] != pytest.approx([r.loss for r in other], rel=1e-2)


def test_the_mean_in_place_of_the_sum_gives_other_figures(
    example: ModuleType, data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, test = small(data)
    right = example.replay(train, test, epochs=1)["printed"]
    loss = nn.CrossEntropyLoss
    monkeypatch.setattr(nn, "CrossEntropyLoss", lambda reduction: loss(reduction="mean"))
    assert example.replay(train, test, epochs=1)["printed"] != pytest.approx(right, rel=1e-2)


def test_the_ordinary_way_learns(example: ModuleType, data: Any) -> None:
    train, test = small(data, 4000, 1000)
    first, *_, last = example.learn(train, test, epochs=3, seed=1).rows
    assert last["val_accuracy"] > 0.8
    assert last["loss"] < 0.5 * first["loss"]
    again = example.learn(train, test, epochs=1, seed=1)
    assert again["loss"] == [first["loss"]]


# ---- the script ------------------------------------------------------------------------------


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={"PYTHONPATH": str(ROOT), "PATH": "", **env},
    )


def test_help() -> None:
    result = run("--help")
    assert result.returncode == 0
    assert all(f"--{name}" in result.stdout for name in ("data", "epochs", "replay", "seed"))


def test_missing_files_are_listed(tmp_path: Path) -> None:
    for arguments in (["--data", str(tmp_path)], []):
        result = run(*arguments)
        assert result.returncode == 1
        assert "train-images-idx3-ubyte.gz" in result.stderr
        assert "--data FOLDER" in result.stderr
        assert "Traceback" not in result.stderr


def test_a_bad_number_of_epochs() -> None:
    result = run("--epochs", "0")
    assert result.returncode == 2
    assert "--epochs is 0; it must be at least 1" in result.stderr


def test_replay_trains_from_both_starts(
    example: ModuleType,
    data: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train_data, test_data = small(data)
    files = {True: train_data, False: test_data}
    monkeypatch.setattr(example, "mnist", lambda folder, train=True: files[train])
    assert example.main(["--replay", "--epochs", "2", "--seed", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    head = "epoch  loss     test accuracy"
    assert [lines[0], lines[1], lines[4], lines[5]] == [
        "N(0, 1) weights and biases", head, "Kaiming weights, zero biases", head,
    ]  # fmt: skip
    assert [line.split()[0] for line in (*lines[2:4], *lines[6:8])] == ["1", "2", "1", "2"]
    assert len(lines) == 8
    assert example.main(["--epochs", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == head


# ---- the toy regression ----------------------------------------------------------------------


def drawn(random: np.random.RandomState, m: int, k: int) -> nn.Linear:
    """A linear layer with N(0, 1) weights, drawn as (in, out), and then biases."""
    layer = nn.Linear(m, k, dtype="float64")
    layer.weight.data[...] = random.randn(m, k).T
    layer.bias.data[...] = random.randn(1, k)[0]
    return layer


def running_losses(
    model: nn.Module, x: Array, y: Array, random: np.random.RandomState, epochs: int = 300
) -> list[float]:
    """The running half-MSE of each epoch of plain descent, the data permuted as in `s3_mnist`."""
    mse, optimizer = nn.MSELoss(), nn.optim.SGD(model.parameters(), lr=0.001)
    indices = order = np.arange(len(x))
    losses = []
    for _ in range(epochs):
        indices = random.permutation(indices)
        order = order[indices]
        running = 0.0
        for k in range(0, len(x), 16):
            rows = order[k : k + 16]
            optimizer.zero_grad()
            loss = mse(model(Tensor(x[rows])), y[rows]) / 2
            loss.backward()
            optimizer.step()
            running += loss.item() * len(rows) / len(x)
        losses.append(running)
    return losses


def test_the_toy_regression_reaches_all_four_figures() -> None:
    """One stream of draws: the data, then all of (a), then all of (b). 75,000 steps, about 7 s."""
    random = np.random.RandomState(1)
    x, y = s3_mnist.toy_data(random)
    sizes = ((1, 16), (16, 16), (16, 1))
    linear = nn.Sequential(*(drawn(random, *size) for size in sizes))
    a = running_losses(linear, x, y, random)
    first, second, last = (drawn(random, *size) for size in sizes)
    bent = nn.Sequential(first, nn.ReLU(), second, nn.Sigmoid(), last)
    b = running_losses(bent, x, y, random)
    assert f"{a[-1]:.5f}" == "0.04555"
    assert (f"{b[3]:.4f}", f"{b[4]:.5f}", f"{b[-1]:.5f}") == ("0.0152", "0.01225", "0.00254")
    assert a[-1] > s0_univariate.best_line(x, y) / 2 > 10 * b[-1]


def test_other_draws_give_other_figures() -> None:
    """The seed set after the data, not before them: the figures depend on all of the stream."""
    x, y = s3_mnist.toy_data(np.random.RandomState(1))
    random = np.random.RandomState(1)
    first, second, last = (drawn(random, *size) for size in ((1, 16), (16, 16), (16, 1)))
    bent = nn.Sequential(first, nn.ReLU(), second, nn.Sigmoid(), last)
    b = running_losses(bent, x, y, random, epochs=5)
    assert abs(b[4] - 0.01225) > 1e-3
