"""System 4, samples as columns: Z = WA + B with A (features, samples), W (out, in) and B (out, 1).

First the formulas derived by hand in that layout, beside autodiff, on MNIST: dZ waits for its 1/n,
dW and dB have it. Then the 784-32-10 network is trained on all 60,000 digits at once, and its
accuracies are compared with those of the reference; after training, the formulas once more. The
record of step k is of its forward pass, before its update.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import common
import numpy as np
from common import BLUE, GREEN, INK, ORANGE, Array, Rounds, label
from s3_mnist import nearest_mean

from autograd_lite import Tensor, log_softmax, nn, no_grad
from autograd_lite.comparison import Report, compare

REFERENCE = {  # step: train accuracy, loss, test accuracy
    100: (".870", ".501", ".877"),
    250: (".900", ".357", ".908"),
    500: (".916", ".294", ".920"),
    750: (".926", ".264", ".927"),
    1000: (".9322", ".2424", ".932"),
}


class Columns(nn.Module):
    """Z = WA + B for samples side by side, (in, n) -> (out, n)."""

    def __init__(self, w: Array) -> None:
        super().__init__()
        self.W = nn.Parameter(w)  # (out, in)
        self.B = nn.Parameter(np.zeros((len(w), 1), w.dtype))

    def forward(self, a: Tensor) -> Tensor:
        return self.W @ a + self.B


def network(seed: int, dtype: str, hidden: int = 32) -> nn.Sequential:
    """N(0, 2/in) weights, zero biases; the softmax is a part of the loss."""
    rng = np.random.default_rng(seed)
    w1, w2 = (
        (rng.standard_normal((k, m)) * np.sqrt(2 / m)).astype(dtype)
        for m, k in ((784, hidden), (hidden, 10))
    )
    return nn.Sequential(Columns(w1), nn.ReLU(), Columns(w2))


def columns(images: Array, dtype: str) -> Array:
    return np.ascontiguousarray(images.reshape(len(images), -1).T, dtype) / np.array(255, dtype)


def cross_entropy(z: Tensor, y: Tensor) -> Tensor:
    """The mean over the columns of -log softmax(z) at the right class; y is one-hot, (10, n)."""
    return -(log_softmax(z, 0) * y).sum() / y.shape[1]


def by_hand(model: nn.Sequential, x: Array, y: Array) -> dict[str, Array]:
    """Every gradient in plain NumPy. Those of Z and A are of the sum of the losses, n times those
    of the mean; 1/n comes in where a sum over the samples is formed, in dW and dB."""
    (w1, b1), (w2, b2) = ((layer.W.array, layer.B.array) for layer in (model[0], model[2]))
    n = x.shape[1]
    z1 = w1 @ x + b1  # (32, n)
    a1 = np.maximum(z1, 0)
    z2 = w2 @ a1 + b2  # (10, n)
    e = np.exp(z2 - z2.max(axis=0))
    a2 = e / e.sum(axis=0)

    dz2 = a2 - y  # (10, n)
    dw2 = dz2 @ a1.T / n  # (10, n) @ (n, 32)
    db2 = dz2.sum(axis=1, keepdims=True) / n
    da1 = w2.T @ dz2  # (32, 10) @ (10, n)
    dz1 = da1 * (z1 > 0)
    dw1 = dz1 @ x.T / n  # (32, n) @ (n, 784)
    db1 = dz1.sum(axis=1, keepdims=True) / n
    return {"Z2": dz2, "2.W": dw2, "2.B": db2, "A1": da1, "Z1": dz1, "0.W": dw1, "0.B": db1}


def beside_autodiff(model: nn.Sequential, x: Array, y: Array) -> Report:
    """The gradients by hand and by autodiff, with the held-back 1/n put in."""
    hidden, relu, last = model
    z1 = hidden(Tensor(x))
    a1 = relu(z1)
    z2 = last(a1)
    for name, t in (("Z1", z1), ("A1", a1), ("Z2", z2)):
        t.name = name
    found = by_hand(model, x, y)
    held_back = {name: g / x.shape[1] for name, g in found.items() if name in ("Z1", "A1", "Z2")}
    return compare(cross_entropy(z2, Tensor(y)), found | held_back, model=model)


class Record(NamedTuple):
    step: int
    loss: float
    train: float
    test: float


def train(
    model: nn.Sequential,
    x: Array,
    labels: Array,
    test: tuple[Array, Array],
    steps: int,
    lr: float = 0.1,
    every: int = 10,
) -> tuple[list[Record], bool]:
    """Full-batch descent; a record at every tenth step, and whether Ctrl-C ended it."""
    inputs, y = Tensor(x), Tensor(np.eye(10, dtype=x.dtype)[:, labels])  # (784, n), (10, n)
    optimizer = nn.optim.SGD(model.parameters(), lr=lr)
    rounds, records = Rounds(steps, "step"), []
    for step in rounds:
        optimizer.zero_grad()
        z = model(inputs)
        loss = cross_entropy(z, y)
        if step % every == 0 or step == 1:
            with no_grad():
                guess = model(Tensor(test[0])).array.argmax(axis=0)
            right = float((z.array.argmax(axis=0) == labels).mean())
            records.append(Record(step, loss.item(), right, float((guess == test[1]).mean())))
        loss.backward()
        optimizer.step()
    return records, rounds.interrupted


def main(arguments: Sequence[str] | None = None) -> int:
    parser = common.mnist_parser(__doc__, "s4_columns")
    add = parser.add_argument
    add("--steps", type=common.count, default=1000, metavar="N", help="default: %(default)s")
    add("--dtype", choices=("float32", "float64"), default="float32", help="default: %(default)s")
    options = common.parse(parser, arguments)
    digits, held_out = common.digits(options)
    x, labels = columns(digits[0], options.dtype), digits[1]
    some, y = x[:, :200].astype("float64"), np.eye(10)[:, labels[:200]]

    model = network(options.seed, options.dtype)
    print("gradients of 200 digits by hand, before training; Z and A divided by n")
    before = beside_autodiff(as_double(model), some, y)
    print(before)

    baseline = nearest_mean(digits, held_out)
    records, interrupted = train(
        model, x, labels, (columns(held_out[0], options.dtype), held_out[1]), options.steps
    )
    print("\n step  train acc.      loss            test acc.       (in brackets: the reference)")
    for step, loss, right, test in records:
        if step in REFERENCE:
            a, b, c = REFERENCE[step]
            print(f"{step:5}  {right:.4f} {f'({a})':7}  {loss:.4f} {f'({b})':7}  {test:.4f} ({c})")
    if records and records[-1].step not in REFERENCE:
        print(f"{records[-1].step:5}  {records[-1].train:.4f}          {records[-1].loss:.4f}          "
              f"{records[-1].test:.4f}          the last record")  # fmt: skip
    print(f"nearest mean picture, test accuracy {baseline:.4f}")

    print("\ngradients by hand, after training")
    after = beside_autodiff(as_double(model), some, y)
    print(after)
    if options.plot is not None:
        draw(options.plot, records, baseline, model)
    if not (before.ok and after.ok):
        return 1
    return 130 if interrupted else 0


def as_double(model: nn.Sequential) -> nn.Sequential:
    """A copy in float64, in which formulas agree to more digits."""
    first, relu, last = model
    copies = (Columns(layer.W.array.astype("float64")) for layer in (first, last))
    made = nn.Sequential(next(copies), relu, next(copies))
    for layer, source in ((made[0], first), (made[2], last)):
        layer.B.array[...] = source.B.array
    return made


def draw(path: Path, records: list[Record], baseline: float, model: nn.Sequential) -> None:
    steps = np.array([r.step for r in records])
    with common.picture(path, 3, size=(11.2, 3.6), width_ratios=(1, 1, 1.4)) as (
        (losses, shares, units),
    ):
        losses.set(title="cross-entropy of the 60,000 digits", xlabel="step")
        losses.plot(steps, [r.loss for r in records], color=BLUE)
        shares.set(title="accuracy", xlabel="step", ylim=(0.75, 0.95))
        for values, color, text, side in (
            ([r.train for r in records], BLUE, "train", -12),
            ([r.test for r in records], GREEN, "test", 7),
        ):
            shares.plot(steps, values, color=color, lw=1.4)
            label(shares, steps[-1], values[-1], text, color, xytext=(0, side), ha="right")
        shares.axhline(baseline, color=ORANGE, lw=1.2, ls=(0, (5, 3)))
        label(
            shares,
            steps[-1],
            baseline,
            f"nearest mean {baseline:.3f}",
            ORANGE,
            xytext=(0, 5),
            ha="right",
        )
        for step, (a, b, c) in REFERENCE.items():
            if step <= steps[-1]:
                losses.plot(step, float(b), "o", mfc="none", mec=INK, ms=6)
                shares.plot(step, float(a), "o", mfc="none", mec=INK, ms=6)
                shares.plot(step, float(c), "o", mfc="none", mec=INK, ms=6)
        losses.text(
            0.97, 0.93, "circles: the reference", transform=losses.transAxes, ha="right", va="top"
        )
        weights = model[0].W.array.reshape(4, 8, 28, 28)
        sheet = np.pad(weights, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=np.nan)
        sheet = sheet.transpose(0, 2, 1, 3).reshape(4 * 30, 8 * 30)
        reach = float(np.nanquantile(np.abs(sheet), 0.995))
        units.imshow(sheet, cmap="RdBu_r", vmin=-reach, vmax=reach)
        units.set_title("weights of the 32 units: red adds, blue takes away")
        units.set_anchor("N")  # its title beside the others
        units.axis("off")


if __name__ == "__main__":
    common.script(main)
