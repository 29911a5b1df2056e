"""S1, tabular regression: rows, z = X W^T + b with W (out, in) and b (out,).

The loss is the squared error of a row, averaged over the n rows. The factor 2 is in dz; 1/n is
held back until the parameters: dz, da and dX belong to the *sum* of the squares, only dW and db
to their mean. Values: X, then z1, a1 = leaky_relu(z1), z2, ..., and the prediction zL.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from . import STILL, Array, Arrays, Nudge, Step, depth, descend, nudged, same_shape
from .formulas import leaky_relu, leaky_relu_prime


class Epoch(NamedTuple):
    epoch: int  # 0 is the start, before any update
    train: float  # RMSE in the units of the target
    test: float


def init(sizes: Sequence[int], rng: np.random.Generator) -> Arrays:
    """N(0, 1/4) weights and zero biases; N(0, 1) weights diverge at the recipe's learning rate."""
    params: Arrays = {}
    for i, (m, k) in enumerate(pairwise(sizes), 1):
        params[f"W{i}"] = 0.5 * rng.standard_normal((k, m))
        params[f"b{i}"] = np.zeros(k)
    return params


def forward(params: Arrays, x: Array, *, slope: float = 0.01, nudge: Nudge = STILL) -> Arrays:
    """Every value by name, for inputs `x` (n, in)."""
    values = {"X": x}
    h, last = x, depth(params)
    for i in range(1, last + 1):
        z = nudged(nudge, f"z{i}", h @ params[f"W{i}"].T + params[f"b{i}"])  # (n, out)
        values[f"z{i}"] = z
        if i < last:
            h = values[f"a{i}"] = nudged(nudge, f"a{i}", leaky_relu(z, slope))
    return values


def loss(params: Arrays, x: Array, y: Array, *, slope: float = 0.01, nudge: Nudge = STILL) -> float:
    """Squared distance of each prediction to its row of `y` (n, out), averaged over the rows."""
    prediction = forward(params, x, slope=slope, nudge=nudge)[f"z{depth(params)}"]
    same_shape(prediction, y)
    return float(np.sum((prediction - y) ** 2) / len(x))


def gradients(
    params: Arrays, x: Array, y: Array, *, slope: float = 0.01, every: bool = True
) -> tuple[float, Arrays]:
    """The loss, dWi and dbi of the loss, and dzi, dai and dX of n times the loss."""
    values, last, n = forward(params, x, slope=slope), depth(params), len(x)
    same_shape(values[f"z{last}"], y)
    error = values[f"z{last}"] - y
    grads = {f"dz{last}": 2 * error}
    for i in range(last, 0, -1):
        dz = grads[f"dz{i}"]  # (n, out)
        before = f"a{i - 1}" if i > 1 else "X"
        grads[f"dW{i}"] = dz.T @ values[before] / n  # (out, in)
        grads[f"db{i}"] = dz.sum(axis=0) / n  # (out,)
        if i > 1 or every:
            grads["d" + before] = dz @ params[f"W{i}"]  # (n, in)
        if i > 1:
            slopes = leaky_relu_prime(values[f"z{i - 1}"], slope)
            grads[f"dz{i - 1}"] = grads["d" + before] * slopes
    return float(np.sum(error**2) / n), grads


def factor(name: str, n: int) -> float:
    """1 for a parameter, n for the input and the intermediates, which wait for their 1/n."""
    return 1.0 if name[0] in "Wb" else float(n)


def recipe(
    x_train: Array,
    y_train: Array,
    x_test: Array,
    y_test: Array,
    rng: np.random.Generator,
    *,
    hidden: Sequence[int] = (16, 16, 8),
    lr: float = 0.001,
    batch: int = 32,
    epochs: int = 100,
    step: Step | None = None,
) -> Iterator[Epoch]:
    """Batches in file order, the short last one included; epoch 0 to `epochs`.

    Takes raw features (n, in) and targets (n, 1); standardises both with the training part.
    """
    step = step or partial(gradients, every=False)
    centre, spread = x_train.mean(axis=0), x_train.std(axis=0)
    mean, unit = y_train.mean(), float(y_train.std())
    x_train, x_test = (x_train - centre) / spread, (x_test - centre) / spread
    y_train, y_test = (y_train - mean) / unit, (y_test - mean) / unit
    params = init([x_train.shape[1], *hidden, 1], rng)
    for epoch in range(epochs + 1):
        if epoch:
            for k in range(0, len(x_train), batch):
                grads = step(params, x_train[k : k + batch], y_train[k : k + batch])[1]
                params = descend(params, grads, lr)
        train, test = loss(params, x_train, y_train), loss(params, x_test, y_test)
        yield Epoch(epoch, unit * train**0.5, unit * test**0.5)
