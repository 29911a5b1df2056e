"""System 3, a toy regression: without activations a net of three layers is a straight line.

A noisy bump, 2000 points, and two nets 1-16-16-1 with the same sizes: (a) has no activation, (b) a
relu and a sigmoid. Both take 300 epochs of steps of .001 on half the squared error, averaged over
batches of 16, from a N(0, 1) start. One legacy generator gives, in this order, the data, the start
and the permutations of (a), and those of (b), as the write-up did it; its figures come out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import common
import numpy as np
from common import BLUE, GREEN, ORANGE, PALE, Array, Rounds, label
from s3_mnist import drawn, permutations

from autograd_lite import Tensor, nn, no_grad
from autograd_lite.playground.targets import best_line

SIZES = (1, 16, 16, 1)
EXPECTED = "with seed 1 and 300 epochs the write-up has (a) .04555, (b) .00254"


def bump(random: np.random.RandomState, n: int = 2000) -> tuple[Array, Array]:
    """Columns (n, 1): exp(-(8 t² + .1 t + .1)) with t = .75 x - .35, noise inside and outside."""
    x = 0.5 * random.randn(n) + 0.35
    t = 0.75 * x - 0.35
    y = np.exp(0.05 * random.randn(n) - (8 * t**2 + 0.1 * t + 0.1)) + 0.05 * random.randn(n)
    return x[:, None], (y / np.abs(y).max())[:, None]


@dataclass
class Run:
    losses: list[float]  # half squared error per epoch, running while the weights change
    prediction: Array  # (n, 1)
    loss: float  # over all points, in the end
    interrupted: bool


def half_error(prediction: Array, y: Array) -> float:
    return float(np.mean((prediction - y) ** 2) / 2)


def train(model: nn.Module, x: Array, y: Array, random: np.random.RandomState, epochs: int,
          title: str) -> Run:  # fmt: skip
    mse, optimizer = nn.MSELoss(), nn.optim.SGD(model.parameters(), lr=0.001)
    rounds, losses = Rounds(epochs, title=title), []
    for _, order in zip(rounds, permutations(random, len(x)), strict=False):
        running = 0.0
        for k in range(0, len(x), 16):
            rows = order[k : k + 16]
            optimizer.zero_grad()
            loss = mse(model(Tensor(x[rows])), y[rows]) / 2
            loss.backward()
            optimizer.step()
            running += loss.item() * len(rows)
        losses.append(running / len(x))
    with no_grad():
        prediction = model(Tensor(x)).array
    return Run(losses, prediction, half_error(prediction, y), rounds.interrupted)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = common.parser(__doc__, "s3_toy", first=1)
    parser.add_argument(
        "--epochs", type=common.count, default=300, metavar="N", help="default: 300"
    )
    options = common.parse(parser, arguments)
    random = np.random.RandomState(options.seed)
    x, y = bump(random)
    line = best_line(x, y)

    print("half squared error            last epoch, running   all points, in the end")
    print(f"best straight line            {'':22}{half_error(line, y):.5f}")
    runs = {}
    for name, activations in (
        ("(a) no activation", ()),
        ("(b) relu, sigmoid", (nn.ReLU, nn.Sigmoid)),
    ):
        model = network(random, activations)
        runs[name] = run = train(model, x, y, random, options.epochs, name)
        last = f"{run.losses[-1]:.5f}"
        print(f"net {name:26}{last:22}{run.loss:.5f}", flush=True)
        if run.interrupted:
            break
    print(f"The running error is measured while the weights change; {EXPECTED}.")
    if options.plot is not None:
        draw(options.plot, x, y, line, runs)
    return 130 if any(run.interrupted for run in runs.values()) else 0


def network(random: np.random.RandomState, activations: Sequence[type[nn.Module]]) -> nn.Sequential:
    first, second, last = drawn(random, SIZES, kaiming=False)
    if not activations:
        return nn.Sequential(first, second, last)
    inner, outer = activations
    return nn.Sequential(first, inner(), second, outer(), last)


def draw(path: Path, x: Array, y: Array, line: Array, runs: dict[str, Run]) -> None:
    order = np.argsort(x[:, 0])
    at, dashed = x[order, 0], {"color": ORANGE, "lw": 1.2, "ls": (0, (5, 3))}
    lowest = min(-0.2, *(run.prediction.min() for run in runs.values()))
    with common.picture(path, 3, size=(11.2, 3.9), width_ratios=(1, 1, 1.1)) as ((*fits, curves),):
        for axes, (name, run), color in zip(fits, runs.items(), (GREEN, BLUE), strict=False):
            axes.set(title=f"{name}: error {run.loss:.4f}", xlabel="x", ylabel="y")
            axes.set_ylim(lowest - 0.05, 1.05)
            axes.plot(x, y, ".", color=PALE, ms=3, alpha=0.45, mew=0)
            axes.plot(at, line[order], **dashed)
            axes.plot(at, run.prediction[order], color=color, lw=2.4)
            below = {"xytext": (2, -13), "ha": "right"}
            label(axes, at[-1], line[order[-1], 0], "best line", ORANGE, **below)
            peak = np.argmax(run.prediction)
            side = {"xytext": (-8, 6), "ha": "right"} if peak == order[-1] else {"xytext": (8, 4)}
            label(axes, x[peak, 0], run.prediction[peak, 0], "net", color, **side)
        curves.set(title="half squared error per epoch, running", xlabel="epoch", ylim=(0, 0.05))
        for (name, run), color in zip(runs.items(), (GREEN, BLUE), strict=False):
            epochs = np.arange(1, len(run.losses) + 1)
            ends = f"{name}, ends at {run.losses[-1]:.4f}"
            curves.plot(epochs, run.losses, color=color, lw=1.4, label=ends)
        value = half_error(line, y)
        curves.axhline(value, **dashed, label=f"best line, {value:.4f}")
        curves.legend(loc="center right", frameon=False, fontsize=9, handlelength=1.4)


if __name__ == "__main__":
    common.script(main)
