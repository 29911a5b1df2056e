"""S3, MNIST and a toy regression: rows, U = HW + 1b with W (in, out) and b (1, out).

Cross-entropy is *summed* over the batch and taken on logits, so dU = softmax(U) - T and 1/n is
nowhere. Half squares are averaged over the batch, so dU = (U - T) / n. Values: X, then U1,
H1 = f1(U1), U2, H2 = f2(U2), ..., UL, where UL are logits or the prediction; the softmax is a part
of the loss.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from . import STILL, Array, Arrays, Labels, Nudge, Pixels, Step, depth, descend, nudged, same_shape
from .formulas import ACTIVATIONS, softmax

Criterion = Literal["cross_entropy", "half_mse"]
Start = Literal["normal", "kaiming"]


class Epoch(NamedTuple):
    epoch: int
    loss: float  # per sample, running over the epoch while the weights change
    test: float  # accuracy after the epoch; nan without a test set


def init(sizes: Sequence[int], rng: np.random.RandomState, start: Start = "normal") -> Arrays:
    """N(0, 1), drawn in the order W1, b1, W2, b2, ...; or N(0, 2/in) weights and zero biases."""
    params: Arrays = {}
    for i, (m, k) in enumerate(pairwise(sizes), 1):
        scale = np.sqrt(2 / m) if start == "kaiming" else 1.0
        params[f"W{i}"] = scale * rng.randn(m, k)
        params[f"b{i}"] = rng.randn(1, k) if start == "normal" else np.zeros((1, k))
    return params


def forward(
    params: Arrays, x: Array, *, activations: Sequence[str] = ("relu",), nudge: Nudge = STILL
) -> Arrays:
    """Every value by name, for inputs `x` (n, in) and one activation per hidden layer."""
    values, h = {"X": x}, x
    for i, name in enumerate([*activations, None], 1):
        u = nudged(nudge, f"U{i}", h @ params[f"W{i}"] + params[f"b{i}"])  # (n, out)
        values[f"U{i}"] = u
        if name is not None:
            h = values[f"H{i}"] = nudged(nudge, f"H{i}", ACTIVATIONS[name][0](u))
    return values


def _loss_and_delta(u: Array, t: Array, criterion: Criterion) -> tuple[float, Array]:
    same_shape(u, t)
    if criterion == "cross_entropy":
        p = softmax(u)
        return -float(np.sum(t * np.log(p + 1e-15))), p - t  # the write-up prints this logarithm
    return float(np.sum((u - t) ** 2)) / (2 * len(u)), (u - t) / len(u)


def loss(
    params: Arrays,
    x: Array,
    y: Array,
    *,
    activations: Sequence[str] = ("relu",),
    criterion: Criterion = "cross_entropy",
    nudge: Nudge = STILL,
) -> float:
    """Cross-entropy summed over, or half squares averaged over, the rows of `y` (n, out)."""
    u = forward(params, x, activations=activations, nudge=nudge)[f"U{depth(params)}"]
    return _loss_and_delta(u, y, criterion)[0]


def gradients(
    params: Arrays,
    x: Array,
    y: Array,
    *,
    activations: Sequence[str] = ("relu",),
    criterion: Criterion = "cross_entropy",
    every: bool = True,
) -> tuple[float, Arrays]:
    """The loss, and dUi, dHi, dWi, dbi and dX, all of that same loss."""
    values, last = forward(params, x, activations=activations), depth(params)
    value, delta = _loss_and_delta(values[f"U{last}"], y, criterion)
    grads = {f"dU{last}": delta}
    for i in range(last, 0, -1):
        before = f"H{i - 1}" if i > 1 else "X"
        grads[f"dW{i}"] = values[before].T @ delta  # (in, out)
        grads[f"db{i}"] = delta.sum(axis=0, keepdims=True)  # (1, out)
        if i > 1 or every:
            grads["d" + before] = delta @ params[f"W{i}"].T  # (n, in)
        if i > 1:
            prime = ACTIVATIONS[activations[i - 2]][1]
            delta = grads[f"dU{i - 1}"] = grads["d" + before] * prime(values[f"U{i - 1}"])
    return value, grads


def factor(name: str, n: int) -> float:
    """1 for every name: what scale there is, the gradient of the loss has."""
    return 1.0


def train(
    params: Arrays,
    x: Array,
    y: Array,
    rng: np.random.RandomState,
    *,
    lr: float,
    epochs: int,
    batch: int = 16,
    activations: Sequence[str] = ("relu",),
    criterion: Criterion = "cross_entropy",
    test: tuple[Array, Array] | None = None,
    step: Step | None = None,
) -> Iterator[tuple[Epoch, Arrays]]:
    """Mini-batch descent; yields each epoch's record and the parameters after it.

    The write-up permutes its index array *and* the data that it permuted before, so the
    permutations pile up: `order` is where the rows are by now.
    """
    step = step or partial(gradients, activations=activations, criterion=criterion, every=False)
    indices = order = np.arange(len(x))
    for epoch in range(1, epochs + 1):
        indices = rng.permutation(indices)
        order = order[indices]
        running = 0.0
        for k in range(0, len(x), batch):
            rows = order[k : k + batch]
            value, grads = step(params, x[rows], y[rows])
            params = descend(params, grads, lr)
            running += value * (len(rows) if criterion == "half_mse" else 1) / len(x)
        accuracy = float("nan")
        if test is not None:
            scores = forward(params, test[0], activations=activations)[f"U{depth(params)}"]
            accuracy = float(np.mean(scores.argmax(axis=1) == test[1].argmax(axis=1)))
        yield Epoch(epoch, running, accuracy), params


def recipe(
    images: Pixels,
    labels: Labels,
    test_images: Pixels,
    test_labels: Labels,
    *,
    seed: int = 1,
    start: Start = "normal",
    epochs: int = 10,
    step: Step | None = None,
) -> Iterator[Epoch]:
    """784-64-10 on pixels/255 - .5; images (n, 28, 28) of 0 to 255 and integer labels (n,)."""
    rng = np.random.RandomState(seed)
    params = init([784, 64, 10], rng, start)
    x, x_test = (pixels.reshape(len(pixels), -1) / 255 - 0.5 for pixels in (images, test_images))
    y, test = np.eye(10)[labels], (x_test, np.eye(10)[test_labels])
    for record, _ in train(params, x, y, rng, lr=0.005, epochs=epochs, test=test, step=step):
        yield record


def toy_data(rng: np.random.RandomState, n: int = 2000) -> tuple[Array, Array]:
    """A noisy bump over the line, as columns of shape (n, 1); three draws of `n` normals."""
    x = 0.5 * rng.randn(n) + 0.35
    xt = 0.75 * x - 0.35
    exponent = -(8 * xt**2 + 0.1 * xt + 0.1) + 0.05 * rng.randn(n)
    y = np.exp(exponent) + 0.05 * rng.randn(n)
    return x.reshape(-1, 1), (y / np.abs(y).max()).reshape(-1, 1)


def toy(
    x: Array,
    y: Array,
    rng: np.random.RandomState,
    activations: Sequence[str],
    *,
    epochs: int = 300,
    step: Step | None = None,
) -> Iterator[tuple[Epoch, Array]]:
    """1-16-16-1 on the toy data; yields each epoch's record and the prediction after it.

    (a) is ("identity", "identity") and (b) ("relu", "sigmoid"). For the figures of the write-up
    one generator makes the data, then trains (a), then trains (b).
    """
    params = init([1, 16, 16, 1], rng)
    for record, now in train(
        params,
        x,
        y,
        rng,
        lr=0.001,
        epochs=epochs,
        activations=activations,
        criterion="half_mse",
        step=step,
    ):
        yield record, forward(now, x, activations=activations)["U3"]
