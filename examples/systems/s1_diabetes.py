"""System 1, tabular regression: how far a patient's diabetes is a year later, from ten measurements.

A 10-16-16-8-1 net with leaky relus, batches of 32 in file order, features and target standardised
with the training part. The root mean squared error in units of the target is shown after every
epoch, beside least squares and beside predicting the mean. The net overfits, so it is trained a
second time with early stopping: a part of the training patients, never the test patients, says when.
--table trains from 20 starts on all cores, in each some at once, a start per slice of one leading
axis, and sets the medians beside the reference.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import common
import numpy as np
from common import BLUE, GREEN, ORANGE, PALE, Array, Stack, label

from autograd_lite import Tensor, manual_seed, nn, no_grad
from autograd_lite.nn.datasets import diabetes
from autograd_lite.nn.sweeps import sweep
from autograd_lite.nn.train import History, evaluate, fit

Part = tuple[Array, Array]  # features (n, 10), target (n, 1), both standardised

SIZES = (10, 16, 16, 8, 1)
SIDE = 10  # starts of the table that are trained at once

REFERENCE = {  # the lowest and the highest of the starts of the reference
    "before, train": (149, 244),
    "epoch 100, train": (59, 70),
    "epoch 100, test": (63, 67),
    "best test": (55, 61),
    "best test, its epoch": (440, 1040),
}


@dataclass(frozen=True)
class Patients:
    train: Part
    test: Part
    mean: float  # of the target in the training part
    unit: float  # its standard deviation there


def patients() -> Patients:
    """Four fifths for training, in the division of scikit-learn's `train_test_split` with
    `test_size=0.2, random_state=42`."""
    table = diabetes()
    n = len(table.target)
    order = np.random.RandomState(42).permutation(n)
    test, train = np.split(order, [int(np.ceil(0.2 * n))])
    centre, spread = table.data[train].mean(axis=0), table.data[train].std(axis=0)
    mean, unit = table.target[train].mean(), table.target[train].std()
    x = (table.data - centre) / spread
    y = ((table.target - mean) / unit)[:, None]
    return Patients((x[train], y[train]), (x[test], y[test]), float(mean), float(unit))


def batches(part: Part, size: int = 32) -> list[Part]:
    """In file order, the short last one included."""
    x, y = part
    return [(x[k : k + size], y[k : k + size]) for k in range(0, len(x), size)]


def network(seed: int) -> nn.Sequential:
    """N(0, 1/4) weights, zero biases."""
    manual_seed(seed)
    layers: list[nn.Module] = []
    for m, k in pairwise(SIZES):
        linear = nn.Linear(m, k, dtype="float64")
        nn.init.normal_(linear.weight, std=0.5)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers[:-1])


def rmse(model: nn.Module, part: Part, unit: float) -> float:
    return unit * evaluate(model, nn.MSELoss(), [part])["loss"] ** 0.5


def predict(model: nn.Module, part: Part) -> Array:
    with no_grad():
        return model(Tensor(part[0])).array


def least_squares(data: Patients) -> tuple[float, float]:
    """RMSE of the best linear prediction, on the training and on the test part."""
    design = [np.hstack([x, np.ones((len(x), 1))]) for x, _ in (data.train, data.test)]
    weights = np.linalg.lstsq(design[0], data.train[1])[0]
    pairs = zip(design, (data.train[1], data.test[1]), strict=True)
    train, test = (data.unit * np.sqrt(np.mean((d @ weights - y) ** 2)) for d, y in pairs)
    return train, test


def learn(model: nn.Module, train: Part, other: Part, unit: float, lr: float, epochs: int,
          patience: int | None = None) -> History:  # fmt: skip
    """Train; the columns `train` and `other` are the RMSE over a whole part after each epoch.

    An epoch after which an error is no finite number ends it and gets no row. With `patience` it stops when `other` has not improved for so many epochs, and the model gets
    the parameters of its best epoch back.
    """
    best, state = np.inf, {}

    def watch(history: History) -> bool:
        nonlocal best, state
        row = history.rows[-1]
        row["train"], row["other"] = rmse(model, train, unit), rmse(model, other, unit)
        if not np.isfinite(row["train"] + row["other"]):
            history.rows.pop()
            return True
        if row["other"] < best:
            best, state = row["other"], {k: v.clone() for k, v in model.state_dict().items()}
        return patience is not None and row["epoch"] - best_epoch(history) >= patience

    optimizer = nn.optim.SGD(model.parameters(), lr=lr)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "fit: the loss is")  # a net that diverges is reported
        history = fit(model, nn.MSELoss(), optimizer, batches(train), epochs, callbacks=[watch])
    if state and patience is not None:
        model.load_state_dict(state)
    return history


def best_epoch(history: History) -> int:
    """The epoch with the lowest error on the other part, 0 if there is none."""
    return 1 + int(np.argmin(history["other"])) if history.rows else 0


def side_by_side(seeds: Sequence[int]) -> nn.Sequential:
    """The networks of many seeds, in one."""
    models = [network(seed) for seed in seeds]
    layers = []
    for i, layer in enumerate(models[0]):
        if isinstance(layer, nn.Linear):
            w = np.stack([model[i].weight.array.T for model in models])  # (starts, in, out)
            layer = Stack(w, np.stack([model[i].bias.array[None] for model in models]))
        layers.append(layer)
    return nn.Sequential(*layers)


def trained(seeds: Sequence[int], lr: float, epochs: int) -> dict[str, Array]:
    """What the table shows of each of these starts."""
    data, model = patients(), side_by_side(seeds)
    optimizer = nn.optim.SGD(model.parameters(), lr=lr)

    def errors(part: Part) -> Array:
        with no_grad():
            output = model(Tensor(part[0])).array  # (starts, n, 1)
        return data.unit * np.sqrt(((output - part[1]) ** 2).mean(axis=(1, 2)))

    found, tests = {"before, train": errors(data.train)}, []
    with np.errstate(all="ignore"):  # a start that diverges has an infinite error
        for epoch in range(1, epochs + 1):
            for x, y in batches(data.train):
                optimizer.zero_grad()
                error = model(Tensor(x)) - y
                (error * error).mean(dim=(1, 2)).sum().backward()  # each start has its own gradient
                optimizer.step()
            tests.append(errors(data.test))
            if epoch == 100:
                found |= {"epoch 100, train": errors(data.train), "epoch 100, test": tests[-1]}
    return found | {
        "best test": np.min(tests, axis=0),
        "best test, its epoch": 1 + np.argmin(tests, axis=0),
    }


def table(seeds: Sequence[int], lr: float, epochs: int, jobs: int | None = None) -> bool:
    """Print the medians of many starts beside the reference; whether Ctrl-C ended it."""
    some = [seeds[i : i + SIDE] for i in range(0, len(seeds), SIDE)]
    trials = sweep(trained, {"seeds": some, "lr": [lr], "epochs": [epochs]}, jobs=jobs)
    parts = [trial.result for trial in trials]
    if not parts:  # Ctrl-C came before any
        return True
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    n = len(found["best test"])
    print(f'Root mean squared errors of {n} starts; "8 in 10" is where 8 of 10 lie.\n')
    print(f"{'':22}median   8 in 10           reference")
    for name, values in found.items():
        median, low, high = common.spread(values)
        first, last = REFERENCE[name]
        inside = "inside" if first <= median <= last else "OUTSIDE"
        print(
            f"{name:22}{median:6.1f}   {low:6.1f} .. {high:<6.1f}  {first:4} .. {last:<4} {inside}"
        )
    return trials.interrupted


def main(arguments: Sequence[str] | None = None) -> int:
    parser = common.parser(__doc__, "s1_diabetes")
    add = parser.add_argument
    add("--epochs", type=common.count, default=1500, metavar="N", help="default: %(default)s")
    add("--lr", type=common.rate, default=0.001, metavar="RATE", help="default: %(default)s")
    add("--patience", type=common.count, default=100, metavar="N",
        help="epochs without progress after which the second training stops, default: 100")  # fmt: skip
    add("--table", action="store_true", help="the reference table instead, about 10 s")
    add("--starts", type=common.count, default=20, metavar="N", help="of --table, default: 20")
    add("--jobs", type=common.count, metavar="N", help="of --table, default: one for each core")
    options = common.parse(parser, arguments)
    data = patients()
    unit = data.unit
    if options.table:
        seeds = range(options.seed, options.seed + options.starts)
        return 130 if table(seeds, options.lr, options.epochs, options.jobs) else 0

    model = network(options.seed)
    before = rmse(model, data.train, unit), rmse(model, data.test, unit)
    untrained = predict(model, data.test)
    history = learn(model, data.train, data.test, unit, options.lr, options.epochs)

    line = least_squares(data)
    constant = [unit * float(np.sqrt(np.mean(y**2))) for _, y in (data.train, data.test)]
    print(f"{'root mean squared error':28} train    test")
    show("predicting the mean", constant)
    show("least squares", line)
    show("net, before training", before)
    for epoch in sorted({min(100, len(history)), len(history)} - {0}):
        row = history.rows[epoch - 1]
        show(f"net, after epoch {epoch}", (row["train"], row["other"]))
    if history.rows:
        lowest = best_epoch(history)
        row = history.rows[lowest - 1]
        show(f"net, best test, epoch {lowest}", (row["train"], row["other"]))

    name, interrupted = f"after {len(history)} epochs", history.interrupted
    if not (interrupted or len(history) == options.epochs):
        print(f"It diverged in epoch {len(history) + 1}: the steps are too long. "
              f"--lr {options.lr / 10:g} may help.")  # fmt: skip
    elif not interrupted:
        model = network(options.seed)
        x, y = data.train
        quarter = len(x) // 4  # of the training patients, who are in random order
        stopped = learn(
            model, (x[quarter:], y[quarter:]), (x[:quarter], y[:quarter]), unit, options.lr,
            options.epochs, options.patience,
        )  # fmt: skip
        interrupted = stopped.interrupted
        name = f"stopped at epoch {best_epoch(stopped)}"
        show(f"net, {name}", (rmse(model, data.train, unit), rmse(model, data.test, unit)))
        print("The best test epoch is hindsight: nobody knows it before the test. Early stopping")
        print(f"needs none: a quarter of the training patients ({quarter}) chose its epoch.")
    if options.plot is not None and history.rows:
        title = f"{name}: error {rmse(model, data.test, unit):.1f}"
        draw(
            options.plot,
            data,
            history,
            (constant[1], line[1]),
            (untrained, f"test patients, before: error {before[1]:.1f}"),
            (predict(model, data.test), title),
        )
    return 130 if interrupted else 0


def show(name: str, pair: Sequence[float]) -> None:
    print(f"{name:28} {pair[0]:6.2f}  {pair[1]:6.2f}")


def draw(
    path: Path,
    data: Patients,
    history: History,
    baselines: tuple[float, float],
    untrained: tuple[Array, str],
    trained: tuple[Array, str],
) -> None:
    """Errors by epoch beside the test errors of the mean and of least squares; then predictions."""
    with common.picture(path, 3, size=(11.2, 4), width_ratios=(1.15, 1, 1)) as (
        (curves, *scatters),
    ):
        curves.set(title="root mean squared error", xlabel="epoch", ylabel="units of the target")
        test = np.array(history["other"])
        curves.plot(history["epoch"], history["train"], color=PALE)
        curves.plot(history["epoch"], test, color=BLUE)
        curves.set_ylim(min(*history["train"], *baselines) - 4, baselines[0] * 1.3)
        end = len(history)
        label(curves, end, history["train"][-1], "train", PALE, xytext=(0, -12), ha="right")
        label(curves, end, test[-1], "test", BLUE, xytext=(0, 7), ha="right")
        for value, text in zip(baselines, ("predicting the mean", "least squares"), strict=True):
            curves.axhline(value, color=ORANGE, lw=1.2, ls=(0, (5, 3)))
            label(curves, end, value, f"{text}, test", ORANGE, xytext=(0, 4), ha="right")
        best = best_epoch(history)
        curves.plot([best], [test[best - 1]], "o", color=BLUE, ms=5)
        label(
            curves,
            best,
            test[best - 1],
            f"best {test[best - 1]:.1f}",
            BLUE,
            xytext=(0, 7),
            ha="center",
        )

        truth = data.mean + data.unit * data.test[1][:, 0]
        both = zip(scatters, (untrained, trained), (PALE, GREEN), strict=True)
        for axes, (scores, text), color in both:
            guess = data.mean + data.unit * scores[:, 0]
            axes.set(title=text, xlabel="truth", ylabel="prediction", xlim=(0, 360), ylim=(0, 360))
            axes.set_xticks(range(0, 351, 50))
            axes.set_yticks(range(0, 351, 50))
            axes.plot([0, 360], [0, 360], color=ORANGE, lw=1.2, ls=(0, (5, 3)))
            axes.plot(truth, guess.clip(4, 356), "o", color=color, ms=4, alpha=0.75, mew=0)


if __name__ == "__main__":
    common.script(main)
