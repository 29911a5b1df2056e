"""Layers, nets and losses as the write-ups S0 and S3 have them, and how to read a report."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

Array = Any
LR = 0.05

# ---- S0: every layer has a rate of its own, backward(upstream) updates in place --------------


class Linear0:
    """Rows, W (in, out) and b (1, out)."""

    def __init__(self, n: int, m: int, lr: float = 0.01, mistake: str = "") -> None:
        self.lr, self.mistake = lr, mistake
        self.W, self.b = np.random.randn(n, m), np.random.randn(1, m)

    def forward(self, x: Array) -> Array:
        self.x = np.atleast_2d(x)
        return self.x @ self.W + self.b

    def backward(self, g: Array) -> Array:
        slope_w, slope_b = self.x.T @ g, g.sum(axis=0)
        if self.mistake == "bias averaged":
            slope_b = g.mean(axis=0)
        down = g @ (self.W if self.mistake == "not transposed" else self.W.T)
        sign = -1 if self.mistake == "ascent" else 1
        self.W -= sign * self.lr * slope_w
        self.b -= sign * self.lr * slope_b
        if self.mistake == "bias ascends":
            self.b += 2 * self.lr * slope_b
        return g @ self.W.T if self.mistake == "updated" else down


class Activation0:
    def __init__(self, f: Callable[[Array], Array], prime: Callable[[Array], Array]) -> None:
        self.f, self.prime = f, prime

    def forward(self, x: Array) -> Array:
        self.x = x
        return self.f(x)

    def backward(self, g: Array) -> Array:
        return g * self.prime(self.x)


class Net0:
    """n_layers hidden layers of `size` units; the output layer gets its rate only on request."""

    def __init__(self, sizes: list[int], lr: float, out_lr: float, relu: bool = False) -> None:
        f, prime = (
            (lambda x: np.maximum(0, x), lambda x: x > 0)
            if relu
            else (np.tanh, lambda x: 1 - np.tanh(x) ** 2)
        )
        self.layers: list[Any] = []
        for n, m in pairwise(sizes[:-1]):
            self.layers += [Linear0(n, m, lr), Activation0(f, prime)]
        self.layers.append(Linear0(*sizes[-2:], out_lr))


def mse(y_true: Array, y_pred: Array) -> Array:
    return ((y_true - y_pred) ** 2).mean()


def mse_prime(y_true: Array, y_pred: Array) -> Array:
    return 2 * (y_pred - y_true) / y_true.size


# ---- S3: backward(delta, lr), the loss an object ---------------------------------------------


class FCLayer:
    """Rows, weights (in, out) and bias (1, out), added as a column of ones times it."""

    def __init__(self, n: int, m: int, mistake: str = "") -> None:
        self.weights, self.bias = np.random.randn(n, m), np.random.randn(1, m)
        self.mistake = mistake

    def forward(self, input_data: Array) -> Array:
        self.input_data = input_data
        self.output = input_data @ self.weights + np.ones((len(input_data), 1)) @ self.bias
        return self.output

    def backward(self, delta: Array, lr: float) -> Array:
        down = delta @ (self.weights if self.mistake == "not transposed" else self.weights.T)
        by_weights, by_bias = self.input_data.T @ delta, delta.sum(axis=0, keepdims=True)
        sign = -1 if self.mistake == "ascent" else 1
        self.weights -= sign * lr * by_weights
        self.bias -= sign * lr * by_bias
        return down


class Activation3(Activation0):
    def backward(self, g: Array, lr: float) -> Array:  # type: ignore[override]
        return self.prime(self.x) * g


def sigmoid(u: Array) -> Array:
    return np.where(u >= 0, 1 / (1 + np.exp(-u)), np.exp(u) / (1 + np.exp(u)))


def softmax(u: Array) -> Array:
    e = np.exp(u - np.max(u, axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class HalfSquares:
    """The half sum of the squares, with the gradient of its mean over the batch, or of itself."""

    def __init__(self, divided: bool) -> None:
        self.divided = divided

    def loss(self, pred: Array, target: Array) -> Array:
        return np.sum(np.power(pred - target, 2)) / 2

    def diff_loss(self, pred: Array, target: Array) -> Array:
        return (pred - target) / (pred.shape[0] if self.divided else 1)


class CrossEntropy:
    def loss(self, pred: Array, target: Array) -> Array:
        return -np.trace(target @ np.log(softmax(pred) + 1e-15).T)

    def diff_loss(self, pred: Array, target: Array) -> Array:
        return softmax(pred) - target


class Clipped(CrossEntropy):
    def loss(self, pred: Array, target: Array) -> Array:
        return -np.trace(target @ np.log(np.clip(softmax(pred), 1e-15, 1)).T)


PARAMS = ("weights", "bias")


def s3(n: int = 5, sizes: tuple[int, ...] = (3, 4, 3), mistakes: tuple[str, ...] = ("", "")) -> Any:
    np.random.seed(1)
    relu = Activation3(lambda u: np.maximum(u, 0), lambda u: (u > 0) * 1.0)
    layers = [FCLayer(*sizes[:2], mistakes[0]), relu, FCLayer(*sizes[1:], mistakes[1])]
    x, y = np.random.randn(n, sizes[0]), np.eye(sizes[-1])[np.arange(n) % sizes[-1]]
    return layers, x, y


def s0(sizes: list[int], lr: float = LR, out_lr: float = LR, n: int = 5, relu: bool = False) -> Any:
    np.random.seed(0)
    net = Net0(sizes, lr, out_lr, relu)
    return net, np.random.randn(n, sizes[0]), np.random.randn(n, sizes[-1])


def verdicts(report: Any) -> dict[str, str]:
    return {row.name: row.verdict for row in report.rows}


def wrong(report: Any) -> list[str]:
    return [row.name for row in report.rows if row.verdict == "wrong here"]


def row(report: Any, name: str) -> Any:
    return next(row for row in report.rows if row.name == name)


def first_slug(report: Any, name: str) -> str:
    return row(report, name).diagnoses[0].slug
