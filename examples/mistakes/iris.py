"""Accuracy cannot judge a gradient: a network with four faults, mended one by one.

A write-up trains 4-50-20-10-3 on Iris (three sigmoids, softmax, cross-entropy, targets .98/.01/.01,
N(0, 1/n) weights, zero biases, batches of 2), finds that it does not work, and guesses at a typo.
Four of its gradients are wrong. Here they are hand-written in NumPy with a switch for each fault,
and mended in the order in which the comparison asks for it. After every mend the network is trained
anew from several starts: features standardised, learning rate .1, 180 epochs, 120 flowers, 30 held
out. Its accuracy stands beside the comparison's verdict.

Measured: as printed the network guesses, and it still guesses with three faults of four mended. The
comparison shows all four at the first call, without training. All 16 sets of faults are trained:

- With the biases ascending, the binary term in, or both, the network is as accurate as with the
  right gradient: two faults cannot be seen. With the binary term its loss even ends below that
  of the right gradient in 6 of 10 starts.
- Mending can make it worse. Without the binary term, the loss ends near 157 (sure and wrong) in all
  of 10 starts; as printed near ln 3 = 1.1 (undecided) in 8 of them. With two faults mended, it
  is higher than as printed in most starts for three of the six pairs.
- Wrong signs cancel: z2 has the sigmoid's wrong sign twice, and is right as long as z3 is wrong.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from itertools import pairwise, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from autograd_lite import compare, sigmoid, softmax, tensor
from autograd_lite.comparison import Report
from autograd_lite.nn import datasets

from .gallery import Array, leaf, named

SIZES = (4, 50, 20, 10, 3)
LAST = len(SIZES) - 1
LR, BATCH, TRAINED = 0.1, 2, 120
TINY = 1e-100  # the write-up's guard against a division by 0

FAULTS = {  # in the order in which the comparison asks for them to be mended
    "binary": "the derivative of cross-entropy has a term of binary cross-entropy",
    "logits": "the Jacobian of softmax is built from the logits",
    "ascent": "the biases are moved along the gradient, not against it",
    "plus": "the sigmoid has exp(+z), its derivative belongs to exp(-z)",
}
STAGES = [tuple(FAULTS)[k:] for k in range(len(FAULTS) + 1)]  # the faults that are left
SETS = [
    tuple(fault for fault, there in zip(FAULTS, bits, strict=True) if there)
    for bits in product((False, True), repeat=len(FAULTS))
]


class Data(NamedTuple):
    x: Array
    labels: Array
    x_test: Array
    labels_test: Array


def data(rng: np.random.Generator) -> Data:
    """Shuffled and split, the features standardised by those of the training part."""
    flowers = datasets.iris()
    order = rng.permutation(len(flowers.data))
    x, labels = flowers.data[order], flowers.target[order]
    x = (x - x[:TRAINED].mean(axis=0)) / x[:TRAINED].std(axis=0)
    return Data(x[:TRAINED], labels[:TRAINED], x[TRAINED:], labels[TRAINED:])


def start(rng: np.random.Generator) -> dict[str, Array]:
    """Weights (out, in) of standard deviation 1/in, biases (1, out) of zero."""
    params = {}
    for i, (m, k) in enumerate(pairwise(SIZES), 1):
        params[f"W{i}"] = rng.standard_normal((k, m)) / m
        params[f"b{i}"] = np.zeros((1, k))
    return params


def targets(labels: Array) -> Array:
    return np.where(np.eye(3)[labels] > 0, 0.98, 0.01)  # (..., 3)


# All arrays below may have a leading axis with one entry for each network: all train at once.
def forward(params: Mapping[str, Array], x: Array) -> dict[str, Array]:
    """Every value by name, for rows of samples."""
    values, h = {"h0": x}, x
    for i in range(1, LAST + 1):
        z = values[f"z{i}"] = h @ params[f"W{i}"].mT + params[f"b{i}"]  # (n, out)
        h = values[f"h{i}"] = 1 / (1 + np.exp(np.clip(z, -500, 500)))
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return values | {"p": e / e.sum(axis=-1, keepdims=True)}


def gradients(
    params: Mapping[str, Array], x: Array, t: Array, faults: Mapping[str, Any]
) -> dict[str, Array]:
    """By hand, of the cross-entropy summed over the batch; each fault is there or not."""
    values = forward(params, x)
    p = values["p"]
    dp = -t / (p + TINY) + np.where(faults["binary"], (1 - t) / (1 - p + TINY), 0)
    s = np.where(faults["logits"], np.clip(values[f"z{LAST}"], -500, 500), p)
    dz = s * (dp - (dp * s).sum(axis=-1, keepdims=True))  # (n, 3)
    grads = {"p": dp}
    for i in range(LAST, 0, -1):
        h = values[f"h{i - 1}"]
        grads[f"z{i}"] = dz
        grads[f"b{i}"] = np.where(faults["ascent"], -1, 1) * dz.sum(axis=-2, keepdims=True)
        grads[f"W{i}"] = dz.mT @ h  # (out, in)
        if i > 1:
            dh = grads[f"h{i - 1}"] = dz @ params[f"W{i}"]
            dz = dh * h * (1 - h) * np.where(faults["plus"], 1, -1)
    return grads


@cache
def judge(faults: tuple[str, ...], rows: int = 5) -> Report:
    """The gradients with these faults against autodiff, on a few flowers, before any training."""
    rng = np.random.default_rng(0)
    x, labels, *_ = data(rng)
    x, t, params = x[:rows], targets(labels[:rows]), start(rng)
    h = tensor(x)
    for i in range(1, LAST + 1):
        weight, bias = leaf(f"W{i}", params[f"W{i}"]), leaf(f"b{i}", params[f"b{i}"])
        z = named(f"z{i}", h @ weight.T + bias)
        h = named("p", softmax(z)) if i == LAST else named(f"h{i}", sigmoid(-z))
    loss = -(tensor(t) * h.log()).sum()
    return compare(loss, gradients(params, x, t, {fault: fault in faults for fault in FAULTS}))


@np.errstate(over="ignore", invalid="ignore")  # with wrong gradients it may diverge
def train(seeds: int, epochs: int) -> dict[str, Array]:
    """Train every set of faults from every start; what came out, as arrays (sets, seeds)."""
    parts, starts = [], []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        parts.append(data(rng))
        starts.append(start(rng))

    def spread(arrays: Iterable[Array]) -> Array:
        return np.concatenate([np.stack(list(arrays))] * len(SETS))  # (sets * seeds, ...)

    x, labels, x_test, labels_test = (spread(part) for part in zip(*parts, strict=True))
    params = {name: spread(one[name] for one in starts) for name in starts[0]}
    faults = {f: np.repeat([f in s for s in SETS], seeds)[:, None, None] for f in FAULTS}
    t = targets(labels)
    for _ in progress(range(epochs)):
        for k in range(0, TRAINED, BATCH):
            rows = np.s_[:, k : k + BATCH]
            grads = gradients(params, x[rows], t[rows], faults)
            for name, value in params.items():
                value -= LR / BATCH * grads[name]

    def right(x: Array, labels: Array) -> Array:
        return (forward(params, x)["p"].argmax(axis=-1) == labels).mean(axis=-1)

    loss = -(t * np.log(forward(params, x)["p"] + TINY)).sum(axis=-1).mean(axis=-1)
    results = {"train": right(x, labels), "test": right(x_test, labels_test), "loss": loss}
    return {name: value.reshape(len(SETS), seeds) for name, value in results.items()}


def progress(steps: range) -> Iterable[int]:
    """With a bar, if standard error is a terminal and tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        return steps
    # a terminal may say that it has no columns and no rows, and tqdm then shows nothing
    width, height = shutil.get_terminal_size()
    return tqdm(steps, unit="epoch", leave=False, disable=None, ncols=width, nrows=height)


def verdict(report: Report) -> str:
    """What is wrong on its own, under the names that the comparison has for it."""
    tensors: dict[str, list[str]] = {}
    for row in report.rows:
        if row.verdict == "wrong here":
            name = row.diagnoses[0].slug if row.diagnoses else "wrong"
            tensors.setdefault(name, []).append(row.name)
    return "; ".join(f"{name} at {' '.join(at)}" for name, at in tensors.items()) or "all right"


def middle(values: Array) -> str:
    """The median of the starts, and their range."""
    return f"{np.median(values):.0%} ({values.min():.0%} to {values.max():.0%})"


def tell_stages(results: Mapping[str, Array]) -> None:
    print(f"The gradients as printed, compared before any training:\n\n{judge(STAGES[0])}\n")
    print("Mended one by one, always what the comparison says first:\n")
    for heading, left in zip(("as printed", *FAULTS), STAGES, strict=True):
        mended = "" if heading == "as printed" else " mended"
        print(f"{heading}{mended}, {len(left)} left")
        print(
            f"    accuracy    {middle(results['test'][SETS.index(left)])} of the flowers held out"
        )
        print(f"    comparison  {verdict(judge(left))}")


def tell_sets(results: Mapping[str, Array]) -> None:
    print("\nAll 16 sets of faults: median and range of the starts; gradients wrong on their own\n")
    print(f"{'faults':26}{'training':20}{'held out':20}{'loss':>8}{'wrong':>8}")
    for k, left in enumerate(SETS):
        wrong = sum(row.verdict == "wrong here" for row in judge(left).rows)
        train, test = (middle(results[name][k]) for name in ("train", "test"))
        loss = np.median(results["loss"][k])
        print(f"{' '.join(left) or 'none':26}{train:20}{test:20}{loss:8.3g}{wrong:8}")
    print("\n" + "\n".join(f"{fault:8}{text}" for fault, text in FAULTS.items()))


class Lesson(NamedTuple):
    """What training showed of the faults."""

    unseen: list[tuple[str, ...]]  # sets as accurate as none, to 2 points; medians of the starts
    better: list[tuple[str, ...]]  # sets with a loss below that of none in at least half the starts
    worse_mends: int  # of 32 single mends, those that raise the loss by 5 % in most starts
    worse_pairs: int  # of 6 sets of two, those whose loss is 5 % above that as printed in most


def lesson(results: Mapping[str, Array]) -> Lesson:
    test = dict(zip(SETS, np.median(results["test"], axis=1), strict=True))
    loss = dict(zip(SETS, results["loss"], strict=True))
    faulty = [s for s in SETS if s]
    mends = [(s, tuple(f for f in s if f != mended)) for s in faulty for mended in s]

    def rises(before: tuple[str, ...], after: tuple[str, ...]) -> bool:
        return bool((loss[after] > 1.05 * loss[before]).mean() > 0.5)

    return Lesson(
        [s for s in faulty if test[s] >= test[()] - 0.02],
        [s for s in faulty if (loss[s] < loss[()]).mean() >= 0.5],
        sum(rises(before, after) for before, after in mends),
        sum(rises(tuple(FAULTS), s) for s in SETS if len(s) == 2),
    )


def tell_lesson(results: Mapping[str, Array]) -> None:
    found = lesson(results)
    rejected = sum(not judge(s).ok for s in SETS if s)

    def tell(text: str) -> None:
        print(textwrap.fill(text, 100, initial_indent="- ", subsequent_indent="  "))

    def listed(sets: list[tuple[str, ...]]) -> str:
        return ", ".join(" + ".join(s) for s in sets) or "none"

    print("\nWhat training shows:")
    tell(f"as accurate as the right gradient, to 2 points: {listed(found.unseen)}")
    tell(f"a loss below that of the right gradient in half the starts: {listed(found.better)}")
    tell(f"the mend of a single fault raises the loss in most starts: {found.worse_mends} of 32")
    tell(f"two faults left, a higher loss than as printed in most starts: {found.worse_pairs} of 6")
    print("What the comparison shows, without training:")
    tell(f"{rejected} of the 15 sets with a fault are wrong; without a fault {verdict(judge(()))}")


COLOURS = {"wrong here": "#c8472f", "inherited": "#f0c987", "ok": "#7fb069"}
INK, GREY = "#2b3a55", "#8a8f99"


def plot(results: Mapping[str, Array], path: Path) -> None:
    """Accuracy above verdicts, stage by stage; beside them the accuracy of all sets of faults."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6.6), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(3, 2), height_ratios=(1, 1.35), wspace=0.05)
    above, below = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])
    beside = figure.add_subplot(grid[:, 1])
    figure.suptitle("Iris with four wrong gradients, mended one by one", color=INK, fontsize=14)
    plot_accuracy(above, results)
    plot_verdicts(below)
    plot_sets(beside, results)
    for axes in (above, below, beside):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(length=0)
    for axes in (above, beside):
        axes.axhline(1 / 3, color=GREY, lw=0.8, ls=":", zorder=0)
        axes.set(ylim=(0, 1.05), ylabel="accuracy, flowers held out")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    figure.savefig(path, dpi=150)


def plot_accuracy(axes: Any, results: Mapping[str, Array]) -> None:
    accuracy = np.array([results["test"][SETS.index(left)] for left in STAGES])  # (5, seeds)
    for k, values in enumerate(accuracy):
        axes.scatter(np.full(values.size, k), values, s=24, color=INK, alpha=0.35, linewidths=0)
    axes.plot(np.median(accuracy, axis=1), color=INK, marker="o", ms=5)
    axes.text(4.48, 0.35, "guessing", color=GREY, ha="right", fontsize=9)
    axes.set(xlim=(-0.5, 4.5), xticks=[])
    axes.set_title("Accuracy after training anew", loc="left", fontsize=11)


def plot_verdicts(axes: Any) -> None:
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    reports = [judge(left) for left in STAGES]
    order = list(COLOURS)
    cells = np.array([[order.index(row.verdict) for row in report.rows] for report in reports]).T
    colours = ListedColormap(list(COLOURS.values()))
    axes.pcolormesh(cells, cmap=colours, vmin=0, vmax=2, edgecolors="white", linewidth=1.5)
    for k, report in enumerate(reports):
        for i, row in enumerate(report.rows):
            if row.verdict != "wrong here" or not row.diagnoses:
                continue
            style = {"color": "white", "fontsize": 7.5, "ha": "center", "va": "center"}
            axes.text(k + 0.5, i + 0.5, row.diagnoses[0].slug, **style)
    axes.set_xticks(np.arange(5) + 0.5, ["as printed", *(f"{fault} mended" for fault in FAULTS)])
    tensors = [row.name for row in reports[0].rows]
    axes.set_yticks(np.arange(len(tensors)) + 0.5, tensors, fontsize=8, family="monospace")
    axes.invert_yaxis()
    axes.set_title("Verdicts of the comparison, before any training", loc="left", fontsize=11)
    patches = [Patch(color=colour, label=verdict) for verdict, colour in COLOURS.items()]
    axes.legend(
        handles=patches,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.08),
        ncols=3,
        frameon=False,
    )


def plot_sets(axes: Any, results: Mapping[str, Array]) -> None:
    for n in range(len(FAULTS) + 1):
        sets = [k for k, left in enumerate(SETS) if len(left) == n]
        places = n + (np.arange(len(sets)) - (len(sets) - 1) / 2) * 0.14
        for at, k in zip(places, sets, strict=True):
            values, best = results["test"][k], np.median(results["test"][k])
            colour = COLOURS["wrong here" if n else "ok"]
            axes.scatter(
                np.full(values.size, at), values, s=24, color=INK, alpha=0.35, linewidths=0
            )
            axes.plot([at - 0.055, at + 0.055], [best, best], color=colour, lw=3)
            if best > 2 / 3:
                label, below = " + ".join(SETS[k]) or "none", values.min() - 0.03
                axes.text(at, below, label, rotation=90, ha="center", va="top", fontsize=9)
    axes.set(xticks=range(5), xlabel="faults left")
    axes.set_title("Accuracy of all 16 sets of faults", loc="left", fontsize=11)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m examples.mistakes.iris",
        description="A network with four wrong gradients, mended one by one: accuracy beside the "
        "comparison's verdict. About 10 seconds.",
    )
    parser.add_argument("--epochs", type=int, default=180, metavar="N", help="default: 180")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="starts (default: 5)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="save a picture, such as out.png")
    options = parser.parse_args(arguments)
    for name in ("epochs", "seeds"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} is {getattr(options, name)}; it must be at least 1")
    if options.plot:
        if options.plot.suffix not in (".png", ".svg", ".pdf"):
            parser.error(
                f"--plot is {options.plot}; the name of a picture ends in .png, .svg or .pdf"
            )
        if find_spec("matplotlib") is None:
            parser.error("--plot needs matplotlib; install it with: pip install matplotlib")
        options.plot.parent.mkdir(parents=True, exist_ok=True)
    results = train(options.seeds, options.epochs)
    tell_stages(results)
    tell_sets(results)
    tell_lesson(results)
    if options.plot:
        plot(results, options.plot)
        print(f"\nsaved {options.plot}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
