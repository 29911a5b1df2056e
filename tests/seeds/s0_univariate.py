"""S0, univariate regression: rows, Y = XW + b with W (in, out) and b (1, out).

The loss is the mean of the squares over all n * out entries, without a half. Its gradient,
2 (Yhat - Y) / (n out), carries the whole scale, so no later line divides by anything.
Values: X, then Y1, A1 = f(Y1), Y2, A2, ..., and the prediction YL, which has no activation.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from . import STILL, Array, Arrays, Nudge, Step, depth, descend, nudged, same_shape
from .formulas import ACTIVATIONS

Start = Literal["normal", "kaiming"]

TARGETS: dict[str, tuple[Callable[[Array], Array], float, float]] = {
    "sin(4 pi x)": (lambda x: np.sin(4 * np.pi * x), 0.0, 1.0),  # the three of the web page
    "exp(x)": (np.exp, 0.0, 1.0),
    "log(1 + x)": (np.log1p, 0.0, 1.0),
    "sin(x)": (np.sin, -np.pi, np.pi),  # the three of the reference table
    "x^2": (np.square, -1.0, 1.0),
    "abs(x)": (np.abs, -1.0, 1.0),
}


class Epoch(NamedTuple):
    epoch: int  # 0 is the start, before any update
    loss: float  # over all points
    prediction: Array  # (n, 1)


def data(target: str, n: int = 100) -> tuple[Array, Array]:
    """`n` evenly spaced points of a target function, as columns of shape (n, 1)."""
    f, low, high = TARGETS[target]
    x = np.linspace(low, high, n).reshape(-1, 1)
    return x, f(x)


def init(sizes: Sequence[int], rng: np.random.Generator, start: Start = "normal") -> Arrays:
    """N(0, 1) weights and biases, or N(0, 2/in) weights and zero biases."""
    params: Arrays = {}
    for i, (m, k) in enumerate(pairwise(sizes), 1):
        scale = np.sqrt(2 / m) if start == "kaiming" else 1.0
        params[f"W{i}"] = scale * rng.standard_normal((m, k))
        params[f"b{i}"] = rng.standard_normal((1, k)) * (start == "normal")
    return params


def forward(params: Arrays, x: Array, *, activation: str = "tanh", nudge: Nudge = STILL) -> Arrays:
    """Every value by name, for inputs `x` (n, in)."""
    f = ACTIVATIONS[activation][0]
    values = {"X": x}
    h, last = x, depth(params)
    for i in range(1, last + 1):
        y = nudged(nudge, f"Y{i}", h @ params[f"W{i}"] + params[f"b{i}"])  # (n, out)
        values[f"Y{i}"] = y
        if i < last:
            h = values[f"A{i}"] = nudged(nudge, f"A{i}", f(y))
    return values


def loss(
    params: Arrays, x: Array, y: Array, *, activation: str = "tanh", nudge: Nudge = STILL
) -> float:
    """Mean of the squared differences over all entries of `y` (n, out)."""
    prediction = forward(params, x, activation=activation, nudge=nudge)[f"Y{depth(params)}"]
    same_shape(prediction, y)
    return float(np.mean((prediction - y) ** 2))


def gradients(
    params: Arrays, x: Array, y: Array, *, activation: str = "tanh", every: bool = True
) -> tuple[float, Arrays]:
    """The loss, and dYi, dAi, dWi, dbi and dX, all of that same loss."""
    prime = ACTIVATIONS[activation][1]
    values, last = forward(params, x, activation=activation), depth(params)
    same_shape(values[f"Y{last}"], y)
    error = values[f"Y{last}"] - y
    grads = {f"dY{last}": 2 * error / error.size}
    for i in range(last, 0, -1):
        dy = grads[f"dY{i}"]  # (n, out)
        before = f"A{i - 1}" if i > 1 else "X"
        grads[f"dW{i}"] = values[before].T @ dy  # (in, out)
        grads[f"db{i}"] = dy.sum(axis=0, keepdims=True)  # (1, out)
        if i > 1 or every:
            grads["d" + before] = dy @ params[f"W{i}"].T  # (n, in)
        if i > 1:
            grads[f"dY{i - 1}"] = grads["d" + before] * prime(values[f"Y{i - 1}"])
    return float(np.mean(error**2)), grads


def factor(name: str, n: int) -> float:
    """1 for every name: the scale of the loss sits in the first gradient of the backward pass."""
    return 1.0


def recipe(
    x: Array,
    y: Array,
    rng: np.random.Generator,
    *,
    activation: str = "tanh",
    n_layers: int = 1,
    size: int = 16,
    lr: float = 0.01,
    epochs: int = 1000,
    start: Start = "normal",
    step: Step | None = None,
) -> Iterator[Epoch]:
    """Full-batch gradient descent, the same `lr` in every layer; epoch 0 to `epochs`."""
    step = step or partial(gradients, activation=activation, every=False)
    params = init([x.shape[1], *[size] * n_layers, y.shape[1]], rng, start)
    for epoch in range(epochs + 1):
        prediction = forward(params, x, activation=activation)[f"Y{depth(params)}"]
        yield Epoch(epoch, float(np.mean((prediction - y) ** 2)), prediction)
        if epoch < epochs:
            params = descend(params, step(params, x, y)[1], lr)


def best_line(x: Array, y: Array) -> float:
    """The MSE of the straight line that fits best: what a network has to beat."""
    design = np.hstack([x, np.ones_like(x)])  # (n, 2)
    residual = y - design @ np.linalg.lstsq(design, y)[0]
    return float(np.mean(residual**2))
