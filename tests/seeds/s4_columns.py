"""S4, MNIST with samples as columns: Z = WA + B with A (in, n), W (out, in) and B (out, 1).

Cross-entropy of a softmax, averaged over the n columns. 1/n is held back until the parameters:
dZ, dA and dX belong to the *sum* of the cross-entropies, only dW and dB to their mean. Values: X,
then Z1, A1 = relu(Z1), ..., ZL, AL = softmax(ZL).
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from . import STILL, Array, Arrays, Labels, Nudge, Pixels, Step, depth, descend, nudged, same_shape
from .formulas import relu, relu_prime, softmax


class Epoch(NamedTuple):
    step: int  # counts from 1; the record is of this step's forward pass, before its update
    loss: float
    train: float  # accuracy
    test: float


def init(sizes: Sequence[int], rng: np.random.Generator) -> Arrays:
    """N(0, 2/in) weights and zero biases."""
    params: Arrays = {}
    for i, (m, k) in enumerate(pairwise(sizes), 1):
        params[f"W{i}"] = rng.standard_normal((k, m)) * np.sqrt(2 / m)
        params[f"B{i}"] = np.zeros((k, 1))
    return params


def forward(params: Arrays, x: Array, *, nudge: Nudge = STILL) -> Arrays:
    """Every value by name, for inputs `x` (in, n)."""
    values, a, last = {"X": x}, x, depth(params)
    for i in range(1, last + 1):
        z = nudged(nudge, f"Z{i}", params[f"W{i}"] @ a + params[f"B{i}"])  # (out, n)
        a = nudged(nudge, f"A{i}", relu(z) if i < last else softmax(z, axis=0))
        values |= {f"Z{i}": z, f"A{i}": a}
    return values


def _loss(p: Array, y: Array) -> float:
    same_shape(p, y)
    logs = np.log(p, out=np.zeros_like(p), where=y != 0)  # 0 log 0 counts as 0
    return -float(np.sum(y * logs)) / len(y.T)


def loss(params: Arrays, x: Array, y: Array, *, nudge: Nudge = STILL) -> float:
    """-sum y log AL, averaged over the columns of the targets `y` (out, n)."""
    return _loss(forward(params, x, nudge=nudge)[f"A{depth(params)}"], y)


def gradients(params: Arrays, x: Array, y: Array, *, every: bool = True) -> tuple[float, Arrays]:
    """The loss, dWi and dBi of the loss, and dZi, dAi and dX of n times the loss."""
    values, last, n = forward(params, x), depth(params), x.shape[1]
    p = values[f"A{last}"]
    value = _loss(p, y)
    grads = {f"dZ{last}": p - y}  # each column of y sums to 1
    if every:
        grads[f"dA{last}"] = -y / p
    for i in range(last, 0, -1):
        dz = grads[f"dZ{i}"]  # (out, n)
        before = f"A{i - 1}" if i > 1 else "X"
        grads[f"dW{i}"] = dz @ values[before].T / n  # (out, in)
        grads[f"dB{i}"] = dz.sum(axis=1, keepdims=True) / n  # (out, 1)
        if i > 1 or every:
            grads["d" + before] = params[f"W{i}"].T @ dz  # (in, n)
        if i > 1:
            grads[f"dZ{i - 1}"] = grads["d" + before] * relu_prime(values[f"Z{i - 1}"])
    return value, grads


def factor(name: str, n: int) -> float:
    """1 for a parameter, n for the input and the intermediates, which wait for their 1/n."""
    return 1.0 if name[0] in "WB" else float(n)


def accuracy(params: Arrays, x: Array, labels: Labels) -> float:
    """The share of columns whose largest output is the label."""
    scores = forward(params, x)[f"A{depth(params)}"]
    return float(np.mean(scores.argmax(axis=0) == labels))


def recipe(
    images: Pixels,
    labels: Labels,
    test_images: Pixels,
    test_labels: Labels,
    *,
    seed: int = 1,
    hidden: int = 32,
    lr: float = 0.1,
    steps: int = 1000,
    report: int = 50,
    step: Step | None = None,
) -> Iterator[Epoch]:
    """Full-batch descent on pixels/255, a record at every `report`-th step.

    Takes images (n, 28, 28) of 0 to 255, which become columns, and integer labels (n,).
    """
    step = step or partial(gradients, every=False)
    params = init([784, hidden, 10], np.random.default_rng(seed))
    x, x_test = (pixels.reshape(len(pixels), -1).T / 255 for pixels in (images, test_images))
    y = np.eye(10)[:, labels]  # (10, n)
    for k in range(1, steps + 1):
        value, grads = step(params, x, y)
        if k % report == 0:
            train, test = accuracy(params, x, labels), accuracy(params, x_test, test_labels)
            yield Epoch(k, value, train, test)
        params = descend(params, grads, lr)
