"""Handwritten digits: a network with one hidden layer learns MNIST.

Without options, a 784-128-10 network in float32 with Adam. With --replay, the 784-64-10 network of a
published write-up in float64, draw for draw: N(0, 1) weights and biases, cross-entropy summed
over batches of 16, plain gradient descent; then the same again from Kaiming weights and zero biases.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

import nn
from autograd_lite import Tensor, manual_seed
from nn.data import DataLoader, TensorDataset
from nn.datasets import mnist
from nn.train import History, accuracy, fit

Array = np.ndarray[Any, Any]
Data = tuple[Array, Array]  # images uint8 (n, 28, 28), labels (n,)


def pixels(images: Array, dtype: str = "float64") -> Array:
    """Images of 0 to 255 as rows of -0.5 to 0.5."""
    x = images.reshape(len(images), -1).astype(dtype)  # (n, 784)
    x /= 255
    x -= 0.5
    return x


class Piled:
    """Batches of the write-up: before each epoch it permutes its index array, and with it the data
    that it had permuted before, so that the permutations pile up."""

    def __init__(self, data: Data, random: np.random.RandomState, size: int = 16) -> None:
        self.images, self.labels = data
        self.random, self.size = random, size
        self.indices = self.order = np.arange(len(self.labels))

    def __len__(self) -> int:
        return math.ceil(len(self.labels) / self.size)

    def __iter__(self) -> Iterator[Data]:
        self.indices = self.random.permutation(self.indices)
        self.order = self.order[self.indices]
        for k in range(0, len(self.order), self.size):
            rows = self.order[k : k + self.size]
            yield pixels(self.images[rows]), self.labels[rows]


def drawn(random: np.random.RandomState, sizes: tuple[int, ...], kaiming: bool) -> list[nn.Linear]:
    """Linear layers with weights drawn as (in, out), then biases: N(0, 1), or N(0, 2/in) and 0."""
    layers = []
    for m, k in pairwise(sizes):
        layer = nn.Linear(m, k, dtype="float64")
        w = random.randn(m, k) * (np.sqrt(2 / m) if kaiming else 1)
        layer.weight.data[...] = w.T  # (out, in)
        layer.bias.data[...] = 0 if kaiming else random.randn(1, k)[0]
        layers.append(layer)
    return layers


def printed_loss(output: Tensor, target: Tensor) -> Any:
    """The cross-entropy as the write-up prints it, with 1e-15 inside the logarithm."""
    p = output.softmax(1).data
    return -np.log(p[np.arange(len(p)), target.data] + 1e-15).mean()


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


def learn(train: Data, test: Data, *, epochs: int = 3, seed: int = 0) -> History:
    """The ordinary way: standardised pixels, batches of 64 in random order, Adam."""
    manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    x, x_test = pixels(train[0], "float32"), pixels(test[0], "float32")
    mean, std = x.mean(), x.std()
    for part in (x, x_test):
        part -= mean
        part /= std
    return fit(
        model,
        nn.CrossEntropyLoss(),
        nn.optim.Adam(model.parameters(), lr=1e-3),
        DataLoader(TensorDataset(x, train[1]), batch_size=64, shuffle=True),
        epochs,
        metrics="accuracy",
        validation=[(x_test, test[1])],
        callbacks=[show],
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Handwritten digits: a network with one hidden layer learns MNIST."
    )
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        help="where the four MNIST files are (default: the variable AUTOGRAD_LITE_DATA)",
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="default: 3, with --replay 10")
    parser.add_argument("--replay", action="store_true", help="the run of the write-up, twice")
    parser.add_argument("--seed", type=int, metavar="N", help="default: 0, with --replay 1")
    options = parser.parse_args(arguments)
    if options.epochs is not None and options.epochs < 1:
        parser.error(f"--epochs is {options.epochs}; it must be at least 1")
    try:
        train, test = mnist(options.data), mnist(options.data, train=False)
    except (FileNotFoundError, ValueError) as error:
        print(f"{error}\nHere the folder is named with --data FOLDER.", file=sys.stderr)
        return 1
    chosen = {
        name: value
        for name, value in (("epochs", options.epochs), ("seed", options.seed))
        if value is not None
    }
    if not options.replay:
        return 130 if learn(train, test, **chosen).interrupted else 0
    for kaiming in (False, True):
        print("Kaiming weights, zero biases" if kaiming else "N(0, 1) weights and biases")
        if replay(train, test, kaiming=kaiming, **chosen).interrupted:
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
