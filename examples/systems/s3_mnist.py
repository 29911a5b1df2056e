"""System 3, MNIST: which digit a picture of 28 x 28 pixels shows.

With --replay, the 784-64-10 network of a published write-up in float64, draw for draw: N(0, 1) weights
and biases, cross-entropy summed over batches of 16, plain gradient descent; then the same again
from Kaiming weights and zero biases. Without options, what today's recipe makes of a plain network:
784-512-512-10 in float32, each picture moved by up to two pixels anew in every epoch, a tenth of
the units dropped, AdamW with one cycle of rates. The digits it gets wrong are saved as a picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import common
import numpy as np
from common import BLUE, INK, ORANGE, PALE, RED, Array, Data

from autograd_lite import Tensor, manual_seed, nn, no_grad
from autograd_lite.nn.train import History, accuracy, fit


def pixels(images: Array, dtype: str = "float64") -> Array:
    """Images of 0 to 255 as rows of -0.5 to 0.5."""
    x = images.reshape(len(images), -1).astype(dtype)  # (n, 784)
    x /= 255
    x -= 0.5
    return x


def permutations(random: np.random.RandomState, n: int) -> Iterator[Array]:
    """The order of the rows in each epoch of the write-up: it permutes its index array, and with
    it the data that it had permuted before, so that the permutations pile up."""
    indices = order = np.arange(n)
    while True:
        indices = random.permutation(indices)
        order = order[indices]
        yield order


def standardised(images: Array) -> Array:
    """Images as rows in float32, with about the mean 0 and the deviation 1 of MNIST's pixels."""
    return (images.reshape(len(images), -1).astype(np.float32) - 33.3) / 78.6


class Piled:
    """Batches of the write-up."""

    def __init__(self, data: Data, random: np.random.RandomState, size: int = 16) -> None:
        self.images, self.labels = data
        self.orders, self.size = permutations(random, len(self.labels)), size

    def __len__(self) -> int:
        return math.ceil(len(self.labels) / self.size)

    def __iter__(self) -> Iterator[Data]:
        order = next(self.orders)
        for k in range(0, len(order), self.size):
            rows = order[k : k + self.size]
            yield pixels(self.images[rows]), self.labels[rows]


class Moved:
    """Batches in random order; each picture is moved by up to `reach` pixels along both axes."""

    def __init__(self, data: Data, random: np.random.Generator, size: int, reach: int = 2) -> None:
        images, self.labels = data
        self.random, self.size, self.reach = random, size, reach
        self.width = images.shape[2] + 2 * reach
        edge = ((0, 0), (reach, reach), (reach, reach))
        self.images = standardised(np.pad(images, edge)).ravel()
        rows, columns = (np.arange(k) for k in images.shape[1:])
        self.corner = (rows[:, None] * self.width + columns).ravel()  # (784,) where an image lies

    def __len__(self) -> int:
        return math.ceil(len(self.labels) / self.size)

    def __iter__(self) -> Iterator[Data]:
        order = self.random.permutation(len(self.labels))
        for k in range(0, len(order), self.size):
            rows = order[k : k + self.size]
            down, right = self.random.integers(0, 2 * self.reach + 1, (2, len(rows)))
            start = rows * self.width**2 + down * self.width + right
            yield self.images.take(start[:, None] + self.corner), self.labels[rows]


def drawn(random: np.random.RandomState, sizes: tuple[int, ...], kaiming: bool) -> list[nn.Linear]:
    """Linear layers with weights drawn as (in, out), then biases: N(0, 1), or N(0, 2/in) and 0."""
    layers = []
    for m, k in pairwise(sizes):
        layer = nn.Linear(m, k, dtype="float64")
        w = random.randn(m, k) * (np.sqrt(2 / m) if kaiming else 1)
        layer.weight.array[...] = w.T  # (out, in)
        layer.bias.array[...] = 0 if kaiming else random.randn(1, k)[0]
        layers.append(layer)
    return layers


def printed_loss(output: Tensor, target: Tensor) -> Any:
    """The cross-entropy as the write-up prints it, with 1e-15 inside the logarithm."""
    p = output.softmax(1).array
    return -np.log(p[np.arange(len(p)), target.array] + 1e-15).mean()


def show(history: History) -> None:
    """Print the last row, above the progress bar if there is one."""
    row = history.rows[-1]
    loss = row.get("printed", row["loss"])
    line = f"{row['epoch']:5}  {loss:.5f}  {row['val_accuracy']:.4f}"
    if len(history) == 1:
        line = f"epoch  loss     test accuracy\n{line}"
    try:
        from tqdm import tqdm
    except ImportError:
        print(line, flush=True)
    else:
        tqdm.write(line)


def replay(
    train: Data, test: Data, *, epochs: int = 10, seed: int = 1, kaiming: bool = False
) -> History:
    """The run of the write-up; the columns printed and val_accuracy are its loss and test accuracy."""
    random = np.random.RandomState(seed)
    first, last = drawn(random, (784, 64, 10), kaiming)
    model = nn.Sequential(first, nn.ReLU(), last)
    return fit(
        model,
        nn.CrossEntropyLoss(reduction="sum"),
        nn.optim.SGD(model.parameters(), lr=0.005),
        Piled(train, random),
        epochs,
        metrics={"printed": printed_loss, "accuracy": accuracy},
        validation=[(pixels(test[0]), test[1])],
        callbacks=[show],
    )


def learn(
    train: Data, test: Data, *, epochs: int = 24, seed: int = 1
) -> tuple[nn.Sequential, History]:
    """The network of today's recipe, and its training."""
    batches = Moved(train, manual_seed(seed), size=128)
    model = nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Dropout(0.1),
        nn.Linear(512, 512), nn.ReLU(), nn.Dropout(0.1),
        nn.Linear(512, 10),
    )  # fmt: skip
    optimizer = nn.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-4)
    history = fit(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        batches,
        epochs,
        metrics="accuracy",
        validation=[(standardised(test[0]), test[1])],
        scheduler=nn.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=2e-3, epochs=epochs, steps_per_epoch=len(batches)
        ),
        callbacks=[show],
    )
    return model, history


def nearest_mean(train: Data, test: Data) -> float:
    """The accuracy of the class whose mean picture is nearest: what a network has to beat."""
    x, x_test = standardised(train[0]), standardised(test[0])
    means = np.stack([x[train[1] == c].mean(axis=0) for c in range(10)])  # (10, 784)
    scores = x_test @ means.T - (means**2).sum(axis=1) / 2
    return float((scores.argmax(axis=1) == test[1]).mean())


def draw_mistakes(path: Path, model: nn.Module, test: Data, most: int = 40) -> None:
    """The digits that a model gets wrong, the surest mistakes first."""
    model.eval()
    with no_grad():
        p = model(Tensor(standardised(test[0]))).softmax(1).array  # (n, 10)
    wrong = np.flatnonzero(p.argmax(axis=1) != test[1])
    wrong = wrong[np.argsort(-p.max(axis=1)[wrong])]
    shown = wrong[:most]
    columns = 10
    rows = max(1, math.ceil(len(shown) / columns))
    with common.picture(path, columns, rows, size=(9, rows + 0.5)) as axes:
        first = f", the {len(shown)} surest" if len(wrong) > len(shown) else ""
        axes[0, 0].figure.suptitle(
            f"{len(wrong)} of {len(p)} test digits are wrong{first}:  true digit \N{RIGHTWARDS ARROW} "
            "what the net says, and how sure it is",
            x=0.015, ha="left", fontsize=10,
        )  # fmt: skip
        for ax in axes.ravel():
            ax.axis("off")
        for ax, i in zip(axes.ravel(), shown, strict=False):
            ax.imshow(255 - test[0][i], cmap="gray", vmin=0, vmax=255)
            said = int(p[i].argmax())
            ax.text(0, -2, f"{test[1][i]} \N{RIGHTWARDS ARROW}", color=INK, fontsize=9)
            ax.text(11, -2, str(said), color=RED, fontsize=9)
            ax.text(28, -2, f"{int(100 * p[i, said])}%", color=PALE, fontsize=8, ha="right")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = common.mnist_parser(__doc__, "s3_mnist")
    add = parser.add_argument
    add("--epochs", type=common.count, metavar="N", help="default: 24, with --replay 10")
    add("--replay", action="store_true", help="the run of the write-up, twice")
    options = common.parse(parser, arguments)
    train, test = common.digits(options)
    chosen = {"seed": options.seed}
    if options.epochs is not None:
        chosen["epochs"] = options.epochs
    baseline = nearest_mean(train, test)
    print(f"nearest mean picture, test accuracy {baseline:.4f}")
    if options.replay:
        return replay_twice(train, test, baseline, options.plot, chosen)
    model, history = learn(train, test, **chosen)
    if options.plot is not None:
        draw_mistakes(options.plot, model, test)
    return 130 if history.interrupted else 0


def replay_twice(
    train: Data, test: Data, baseline: float, plot: Path | None, chosen: dict[str, int]
) -> int:
    runs: dict[str, History] = {}
    for kaiming in (False, True):
        name = "Kaiming weights, zero biases" if kaiming else "N(0, 1) weights and biases"
        print(name)
        runs[name] = replay(train, test, kaiming=kaiming, **chosen)
        if runs[name].interrupted:
            break
    if plot is not None:
        draw_replay(plot, runs, baseline)
    return 130 if any(run.interrupted for run in runs.values()) else 0


def draw_replay(path: Path, runs: dict[str, History], baseline: float) -> None:
    with common.picture(path, 2) as ((losses, accuracies),):
        losses.set(title="cross-entropy per digit, running", xlabel="epoch")
        accuracies.set(title="test accuracy", xlabel="epoch")
        for (name, run), color in zip(runs.items(), (ORANGE, BLUE), strict=False):
            for axes, column, up in ((losses, "printed", 17), (accuracies, "val_accuracy", -34)):
                values = run[column]
                axes.plot(range(1, len(values) + 1), values, "o-", color=color, ms=4)
                if values:
                    text = f"{name.split(' weights')[0]} start  {values[-1]:.4f}"
                    end = {"xytext": (0, up), "ha": "right"}
                    common.label(axes, len(values), values[-1], text, color, **end)
        losses.set_ylim(bottom=0)
        for axes in (losses, accuracies):
            axes.xaxis.get_major_locator().set_params(integer=True)
        accuracies.axhline(baseline, color=PALE, lw=1.2, ls=(0, (5, 3)))
        text, end = f"nearest mean picture  {baseline:.4f}", {"xytext": (0, 5), "ha": "right"}
        common.label(accuracies, accuracies.get_xlim()[1], baseline, text, PALE, **end)


if __name__ == "__main__":
    common.script(main)
