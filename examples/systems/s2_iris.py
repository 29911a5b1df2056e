"""System 2, Iris: the species of a flower from four lengths, by the original recipe and a repaired one.

The net has 4-50-20-10-3 units, three layers of sigmoids and a softmax, targets .98/.01/.01 and
batches of two flowers. The original recipe standardises each flower by itself, which throws away
how large it is, and takes steps of .5; the repaired one standardises each column and takes steps of
.1. A small tanh net and Fisher's linear discriminant stand beside them. Every accuracy is one on
flowers that were held out, for five starts: each has its own division of the flowers, its own order
and its own weights, and all of them are trained in one computation with a leading axis of starts.

The gradients here are right for both recipes; what the original's faults in its gradients do is
another example, examples/mistakes/iris.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import common
import numpy as np
from common import BLUE, GREEN, GRID, INK, ORANGE, PALE, Array, Rounds, Stack, label

from autograd_lite import Tensor, log_softmax, nn, no_grad
from autograd_lite.nn.datasets import iris


@dataclass(frozen=True)
class Recipe:
    name: str
    sizes: tuple[int, ...]
    activation: type[nn.Module]
    per_flower: bool  # standardise each flower by itself, or each column
    lr: float
    batch: int
    epochs: int
    color: str


RECIPES = (
    Recipe("original", (4, 50, 20, 10, 3), nn.Sigmoid, True, 0.5, 2, 500, ORANGE),
    Recipe("repaired", (4, 50, 20, 10, 3), nn.Sigmoid, False, 0.1, 2, 180, BLUE),
    Recipe("small tanh net", (4, 16, 3), nn.Tanh, False, 0.1, 16, 100, GREEN),
)

LABELS = {  # in the picture: from which accuracy on, how far away, on which side
    "original": (0.5, (-6, -3), "right"),
    "repaired": (0.55, (6, -3), "left"),
    "small tanh net": (0.75, (2, -14), "left"),
}


@dataclass(frozen=True)
class Flowers:
    """The starts' own divisions: x (starts, n, 4) in centimetres, labels (starts, n)."""

    x: Array
    labels: Array
    x_test: Array
    labels_test: Array


def flowers(seeds: Sequence[int], held_out: int = 30) -> Flowers:
    table = iris()
    orders = [np.random.default_rng(seed).permutation(len(table.target)) for seed in seeds]
    test, train = np.split(np.stack(orders), [held_out], axis=1)
    return Flowers(table.data[train], table.target[train], table.data[test], table.target[test])


def standardised(data: Flowers, per_flower: bool) -> tuple[Array, Array]:
    if per_flower:
        parts = (data.x, data.x_test)
        train, test = ((x - x.mean(2, keepdims=True)) / x.std(2, ddof=1, keepdims=True)
                       for x in parts)  # fmt: skip
        return train, test
    centre, spread = data.x.mean(axis=1, keepdims=True), data.x.std(axis=1, keepdims=True)
    return (data.x - centre) / spread, (data.x_test - centre) / spread


def network(recipe: Recipe, seeds: Sequence[int]) -> nn.Sequential:
    """Weights with standard deviation 1/in, zero biases; the softmax is a part of the loss."""
    generators = [np.random.default_rng([1, seed]) for seed in seeds]  # not those of the divisions
    layers: list[nn.Module] = []
    for m, k in pairwise(recipe.sizes):
        w = np.stack([rng.standard_normal((m, k)) / m for rng in generators])  # (starts, in, out)
        layers += [Stack(w, np.zeros((len(seeds), 1, k))), recipe.activation()]
    return nn.Sequential(*layers[:-1])


@dataclass
class Run:
    train: list[Array]  # per epoch, the accuracy of each start
    test: list[Array]
    predicted: Array  # (starts, held out)
    model: nn.Sequential
    interrupted: bool


def learn(recipe: Recipe, data: Flowers, seeds: Sequence[int], epochs: int) -> Run:
    x, x_test = standardised(data, recipe.per_flower)
    targets = np.where(np.eye(3)[data.labels] > 0, 0.98, 0.01)  # (starts, n, 3)
    model = network(recipe, seeds)
    optimizer = nn.optim.SGD(model.parameters(), lr=recipe.lr)
    rounds = Rounds(epochs, title=recipe.name)
    train, test = [], []

    def classes(part: Array) -> Array:
        with no_grad():
            return model(Tensor(part)).array.argmax(axis=2)  # (starts, n)

    for _ in rounds:
        for k in range(0, x.shape[1], recipe.batch):
            optimizer.zero_grad()
            output = model(Tensor(x[:, k : k + recipe.batch]))  # (starts, batch, 3)
            t = targets[:, k : k + recipe.batch]
            loss = -(log_softmax(output, 2) * t).sum() / t.shape[1]
            loss.backward()
            optimizer.step()
        train.append((classes(x) == data.labels).mean(axis=1))
        test.append((classes(x_test) == data.labels_test).mean(axis=1))
    return Run(train, test, classes(x_test), model, rounds.interrupted)


def discriminant(data: Flowers) -> Array:
    """Fisher's linear discriminant, fitted for each start: its classes of the held-out flowers."""
    found = []
    for x, labels, x_test in zip(data.x, data.labels, data.x_test, strict=True):
        means = np.stack([x[labels == c].mean(axis=0) for c in range(3)])  # (3, 4)
        inner = x - means[labels]
        w = np.linalg.solve(inner.T @ inner / len(x), means.T)  # (4, 3)
        shares = np.bincount(labels) / len(labels)
        score = x_test @ w - 0.5 * np.sum(means.T * w, axis=0) + np.log(shares)
        found.append(score.argmax(axis=1))
    return np.stack(found)


def confusion(predicted: Array, truth: Array) -> Array:
    """Counts (true class, predicted class), over all starts."""
    table = np.zeros((3, 3), int)
    np.add.at(table, (truth.ravel(), predicted.ravel()), 1)
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    parser = common.parser(__doc__, "s2_iris")
    add = parser.add_argument
    add("--starts", type=common.count, default=5, metavar="N", help="default: %(default)s")
    add("--epochs", type=common.count, metavar="N",
        help=f"default: {', '.join(f'{r.epochs} ({r.name})' for r in RECIPES)}")  # fmt: skip
    options = common.parse(parser, arguments)
    seeds = range(options.seed, options.seed + options.starts)
    data = flowers(seeds)
    truth = data.labels_test

    print(f"{'held-out accuracy':24} mean   of each start")
    most = np.stack([np.full(30, np.bincount(labels).argmax()) for labels in data.labels])
    runs: dict[str, Array] = {"the commonest species": most}
    runs["linear discriminant"] = discriminant(data)
    curves: dict[str, Run] = {}
    stopped = False

    def show(name: str, predicted: Array, more: str = "") -> None:
        each = (predicted == truth).mean(axis=1)
        print(
            f"{name:24} {each.mean():.3f}  {' '.join(f'{a:.2f}' for a in each)}{more}", flush=True
        )

    for name, predicted in runs.items():
        show(name, predicted)
    for recipe in RECIPES:
        run = learn(recipe, data, seeds, options.epochs or recipe.epochs)
        runs[recipe.name], curves[recipe.name] = run.predicted, run
        show(
            recipe.name,
            run.predicted,
            f"   (train {run.train[-1].min():.2f} .. {run.train[-1].max():.2f})",
        )
        if run.interrupted:
            stopped = True
            break

    names = iris().target_names
    print(
        "\nheld-out flowers of all starts: a row for each true species, a column for what was said"
    )
    for name, run in curves.items():
        print(f"{name:16}{''.join(f'{said:>12}' for said in names)}")
        for species, row in zip(names, confusion(run.predicted, truth), strict=True):
            print(f"{species:>16}{''.join(f'{n:12}' for n in row)}")
    if options.plot is not None:
        draw(options.plot, curves, runs, truth, names)
    return 130 if stopped else 0


def draw(
    path: Path,
    curves: dict[str, Run],
    runs: dict[str, Array],
    truth: Array,
    names: Sequence[str],
) -> None:
    colors = {recipe.name: recipe.color for recipe in RECIPES}
    columns = 1 + len(curves)
    size = (4.2 + 2.4 * len(curves), 3.6)
    with common.picture(path, columns, size=size, width_ratios=(1.6, *[1] * len(curves))) as (
        (left, *others),
    ):
        left.set(title="held-out accuracy, mean of the starts", xlabel="epoch", ylim=(0.25, 1.05))
        left.set_xscale("log")
        left.xaxis.set_major_formatter("{x:g}")
        for name, run in curves.items():
            mean = np.mean(run.test, axis=1)
            left.plot(np.arange(1, len(mean) + 1), mean, color=colors[name])
            height, side, ha = LABELS[name]
            place = int(np.argmax(mean > height))  # the first epoch above it
            label(left, place + 1, mean[place], name, colors[name], xytext=side, ha=ha)
        line = float((runs["linear discriminant"] == truth).mean())
        left.axhline(line, color=INK, lw=1, ls=(0, (5, 3)))
        label(left, 1, line, "linear discriminant", INK, xytext=(0, 4), fontsize=9)
        for axes, (name, run) in zip(others, curves.items(), strict=True):
            draw_confusion(axes, name, colors[name], confusion(run.predicted, truth), names)


def draw_confusion(
    axes: object, name: str, color: str, counts: Array, names: Sequence[str]
) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    right = np.trace(counts) / counts.sum()
    axes.set_title(f"{name}: {right:.3f}", color=color)
    shades = LinearSegmentedColormap.from_list("", ["white", color])
    shares = counts / counts.sum(axis=1, keepdims=True).clip(1)
    axes.imshow(shares, cmap=shades, vmin=0, vmax=1.15)
    axes.set_anchor("N")  # its title beside the others
    axes.grid(False)
    axes.set_xticks(range(3), names, fontsize=8.5)
    axes.set_yticks(range(3), names, fontsize=8.5, rotation=90, va="center")
    axes.tick_params(length=0)
    axes.set(xlabel="predicted species", ylabel="true species")
    axes.spines[:].set(visible=True, color=GRID)
    for between in (0.5, 1.5):
        axes.axhline(between, color=GRID)
        axes.axvline(between, color=GRID)
    for (i, j), n in np.ndenumerate(counts):
        color = "white" if shares[i, j] > 0.5 else INK if n else PALE
        axes.text(j, i, n, ha="center", va="center", color=color)


if __name__ == "__main__":
    common.script(main)
