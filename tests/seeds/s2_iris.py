"""S2, Iris: one column at a time, z = Wx + b with x (in,), W (out, in) and b (out,).

A batch is a loop over its samples. Their losses (cross-entropy, or squares) and their dW and db
are added up and nothing is divided; the update multiplies by lr / batch instead. The output layer
is a softmax whose full Jacobian is formed. Values: X, then z1, a1 = f(z1), ..., zL, aL =
softmax(zL); in a batch they are stacked as rows, (n, size).
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from . import STILL, Array, Arrays, Labels, Nudge, Step, depth, descend, nudged, same_shape
from .formulas import ACTIVATIONS

Criterion = Literal["cross_entropy", "squares"]


class Epoch(NamedTuple):
    epoch: int
    loss: float  # running mean over the epoch's samples
    train: float  # accuracy after the epoch
    test: float


def init(sizes: Sequence[int], rng: np.random.Generator) -> Arrays:
    """Normal weights with standard deviation 1/in, zero biases."""
    params: Arrays = {}
    for i, (m, k) in enumerate(pairwise(sizes), 1):
        params[f"W{i}"] = rng.standard_normal((k, m)) / m
        params[f"b{i}"] = np.zeros(k)
    return params


def soft_targets(labels: Labels, classes: int = 3) -> Array:
    """.98 for the right class, .01 for each of the others (their sum is 1 for three classes)."""
    return np.where(np.eye(classes)[labels] > 0, 0.98, 0.01)  # (n, classes)


def _column(params: Arrays, x: Array, hidden: str, nudge: Nudge) -> Arrays:
    f = ACTIVATIONS[hidden][0]
    values, h, last = {"X": x}, x, depth(params)
    for i in range(1, last + 1):
        z = nudged(nudge, f"z{i}", params[f"W{i}"] @ h + params[f"b{i}"])  # (out,)
        e = np.exp(z - z.max())
        h = nudged(nudge, f"a{i}", f(z) if i < last else e / e.sum())
        values |= {f"z{i}": z, f"a{i}": h}
    return values


def forward(params: Arrays, x: Array, *, hidden: str = "sigmoid", nudge: Nudge = STILL) -> Arrays:
    """Every value by name, for samples `x` (n, in)."""
    rows = [
        _column(params, xi, hidden, {name: e[i] for name, e in nudge.items()})
        for i, xi in enumerate(x)
    ]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def loss(
    params: Arrays,
    x: Array,
    y: Array,
    *,
    hidden: str = "sigmoid",
    criterion: Criterion = "cross_entropy",
    nudge: Nudge = STILL,
) -> float:
    """The sum over samples of -sum t log a, or of sum (a - t)^2, for targets `y` (n, out)."""
    a = forward(params, x, hidden=hidden, nudge=nudge)[f"a{depth(params)}"]
    same_shape(a, y)
    return float(-np.sum(y * np.log(a)) if criterion == "cross_entropy" else np.sum((a - y) ** 2))


def _column_gradients(params: Arrays, v: Arrays, t: Array, hidden: str, da: Array) -> Arrays:
    prime = ACTIVATIONS[hidden][1]
    last, p = depth(params), v[f"a{depth(params)}"]
    grads = {f"da{last}": da, f"dz{last}": (np.diag(p) - np.outer(p, p)) @ da}  # (out,)
    for i in range(last, 0, -1):
        dz = grads[f"dz{i}"]  # (out,)
        before = f"a{i - 1}" if i > 1 else "X"
        grads[f"dW{i}"] = np.outer(dz, v[before])  # (out, in)
        grads[f"db{i}"] = dz
        grads["d" + before] = params[f"W{i}"].T @ dz  # (in,)
        if i > 1:
            grads[f"dz{i - 1}"] = grads["d" + before] * prime(v[f"z{i - 1}"])
    return grads


def gradients(
    params: Arrays,
    x: Array,
    y: Array,
    *,
    hidden: str = "sigmoid",
    criterion: Criterion = "cross_entropy",
    every: bool = True,
) -> tuple[float, Arrays]:
    """The loss; dWi and dbi summed over the samples; dzi, dai and dX with a row per sample."""
    total, columns = 0.0, []
    for xi, t in zip(x, y, strict=True):
        v = _column(params, xi, hidden, STILL)
        a = v[f"a{depth(params)}"]
        same_shape(a, t)
        log_loss = criterion == "cross_entropy"
        total += float(-np.sum(t * np.log(a)) if log_loss else np.sum((a - t) ** 2))
        columns.append(_column_gradients(params, v, t, hidden, -t / a if log_loss else 2 * (a - t)))
    grads = {"d" + p: np.sum([c["d" + p] for c in columns], axis=0) for p in params}
    if every:
        inner = columns[0].keys() - grads.keys()
        grads |= {name: np.stack([c[name] for c in columns]) for name in inner}
    return total, grads


def factor(name: str, n: int) -> float:
    """1 for every name: the 1/n is not in the gradients at all, only in the update."""
    return 1.0


def recipe(
    x_train: Array,
    y_train: Labels,
    x_test: Array,
    y_test: Labels,
    rng: np.random.Generator,
    *,
    sizes: Sequence[int] = (4, 50, 20, 10, 3),
    hidden: str = "sigmoid",
    lr: float = 0.1,
    batch: int = 2,
    epochs: int = 180,
    step: Step | None = None,
) -> Iterator[Epoch]:
    """Batches in the given order; raw features (n, in) are standardised per column; labels (n,)."""
    step = step or partial(gradients, hidden=hidden, every=False)
    centre, spread = x_train.mean(axis=0), x_train.std(axis=0)
    x_train, x_test = (x_train - centre) / spread, (x_test - centre) / spread
    targets, params = soft_targets(y_train, sizes[-1]), init(sizes, rng)

    def accuracy(x: Array, labels: Labels) -> float:
        scores = forward(params, x, hidden=hidden)[f"a{depth(params)}"]
        return float(np.mean(scores.argmax(axis=1) == labels))

    for epoch in range(1, epochs + 1):
        running = 0.0
        for k in range(0, len(x_train), batch):
            xs = x_train[k : k + batch]
            total, grads = step(params, xs, targets[k : k + batch])
            params = descend(params, grads, lr / len(xs))
            running += total / len(x_train)
        yield Epoch(epoch, running, accuracy(x_train, y_train), accuracy(x_test, y_test))
