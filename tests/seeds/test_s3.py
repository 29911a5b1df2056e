"""S3 on real input, through `nn` and `nn.optim`: the figures that its write-up prints.

Run are `examples/systems/s3_mnist.py` and `s3_toy.py`, as modules; `test_systems` runs the scripts.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import nn
from nn.datasets import mnist
from tests.helpers import mnist_folder, system_example

from . import s0_univariate, s3_mnist


@pytest.fixture(scope="module")
def example() -> ModuleType:
    return system_example("s3_mnist")


@pytest.fixture(scope="module")
def toy() -> ModuleType:
    return system_example("s3_toy")


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


def test_the_recipe_of_today_learns(example: ModuleType, data: Any) -> None:
    train, test = small(data, 2000, 500)
    _, history = example.learn(train, test, epochs=4, seed=1)
    first, *_, last = history.rows
    assert last["val_accuracy"] > 0.8 > example.nearest_mean(train, test)
    assert last["loss"] < 0.5 * first["loss"]
    rates = history["lr"]
    assert max(rates[0], rates[-1]) < max(rates) < 2.1e-3  # up and down again
    few = small(data, 200, 100)
    one, again, other = (example.learn(*few, epochs=1, seed=seed)[1]["loss"] for seed in (2, 2, 3))
    assert one == again != other


def test_pictures_are_moved_by_up_to_two_pixels_and_keep_their_labels(
    example: ModuleType, data: Any
) -> None:
    (images, labels), _ = small(data, 64)
    batches = example.Moved((images, labels), np.random.default_rng(0), size=48)
    pairs = list(batches)
    assert [len(x) for x, _ in pairs] == [48, 16] and len(batches) == 2
    found = np.concatenate([x for x, _ in pairs])
    classes = np.concatenate([y for _, y in pairs])
    seen: dict[int, set[tuple[int, int]]] = {}
    for row, label in zip(found, classes, strict=True):
        matches = [
            (i, down, right)
            for i in np.flatnonzero(labels == label)
            for down in range(5)
            for right in range(5)
            if np.array_equal(
                row, example.standardised(
                    np.pad(images[i : i + 1], ((0, 0), (2, 2), (2, 2)))[
                        :, down : down + 28, right : right + 28
                    ]
                )[0],
            )
        ]  # fmt: skip
        assert matches
        seen.setdefault(matches[0][0], set()).add(matches[0][1:])
    assert len(seen) == 64  # every picture once
    assert len(set.union(*seen.values())) > 15  # of the 25 places


# ---- the scripts -----------------------------------------------------------------------------


def test_replay_trains_from_both_starts(
    example: ModuleType,
    data: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    train_data, test_data = small(data)
    files = {True: train_data, False: test_data}
    monkeypatch.setattr(example.common, "mnist", lambda folder, train=True: files[train])
    plot = tmp_path / "replay.svg"
    assert example.main(["--replay", "--epochs", "2", "--seed", "3", "--plot", str(plot)]) == 0
    first, *lines, last = capsys.readouterr().out.splitlines()
    head = "epoch  loss     test accuracy"
    assert first.startswith("nearest mean picture, test accuracy 0.")
    assert [lines[0], lines[1], lines[4], lines[5]] == [
        "N(0, 1) weights and biases", head, "Kaiming weights, zero biases", head,
    ]  # fmt: skip
    assert [line.split()[0] for line in (*lines[2:4], *lines[6:8])] == ["1", "2", "1", "2"]
    assert len(lines) == 8
    assert last == f"saved {plot}"
    assert "cross-entropy per digit" in plot.read_text()


def test_the_digits_that_are_wrong_are_drawn(
    example: ModuleType,
    data: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    train_data, test_data = small(data, 300, 100)
    files = {True: train_data, False: test_data}
    monkeypatch.setattr(example.common, "mnist", lambda folder, train=True: files[train])
    plot = tmp_path / "wrong.svg"
    assert example.main(["--epochs", "1", "--plot", str(plot)]) == 0
    accuracy = float(capsys.readouterr().out.splitlines()[2].split()[2])
    assert f"{round(100 * (1 - accuracy))} of 100 test digits are wrong" in plot.read_text()


# ---- the toy regression ----------------------------------------------------------------------


def test_the_toy_regression_reaches_all_four_figures(toy: ModuleType) -> None:
    """One stream of draws: the data, then all of (a), then all of (b). 75,000 steps, about 7 s."""
    random = np.random.RandomState(1)
    x, y = toy.bump(random)
    by_hand = s3_mnist.toy_data(np.random.RandomState(1))
    assert np.allclose(x, by_hand[0], rtol=1e-14) and np.allclose(y, by_hand[1], rtol=1e-13)
    a = toy.train(toy.network(random, ()), x, y, random, 300, "a")
    b = toy.train(toy.network(random, (nn.ReLU, nn.Sigmoid)), x, y, random, 300, "b")
    losses = b.losses
    assert f"{a.losses[-1]:.5f}" == "0.04555"
    assert (f"{losses[3]:.4f}", f"{losses[4]:.5f}", f"{losses[-1]:.5f}") == (
        "0.0152", "0.01225", "0.00254",
    )  # fmt: skip
    line = s0_univariate.best_line(x, y) / 2
    assert line == pytest.approx(0.0422, abs=5e-5)
    assert a.loss > line > 10 * b.loss  # over all points
    design = np.hstack([x, np.ones_like(x)])
    assert np.linalg.lstsq(design, a.prediction)[1] < 1e-20  # (a) is a straight line


def test_other_draws_give_other_figures(toy: ModuleType) -> None:
    """The seed set after the data, not before them: the figures depend on all of the stream."""
    x, y = toy.bump(np.random.RandomState(1))
    random = np.random.RandomState(1)
    b = toy.train(toy.network(random, (nn.ReLU, nn.Sigmoid)), x, y, random, 5, "b")
    assert abs(b.losses[4] - 0.01225) > 1e-3
