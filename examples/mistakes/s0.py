"""Univariate regression, Y = XW + b with rows of samples; the loss is the mean of all squares."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

import nn
from autograd_lite import tensor

from .gallery import Array, Handed, draws, error, leaf, mistake, mse, mse_grad, named, wrong_update


def regression() -> SimpleNamespace:
    """A linear layer with three outputs, where the original has one."""
    x, w, b, y = draws((5, 4), (4, 3), (1, 3), (5, 3))
    prediction = named("yhat", tensor(x) @ leaf("W", w) + leaf("b", b))  # (5, 3)
    loss = ((prediction - tensor(y)) ** 2).mean()
    return SimpleNamespace(x=x, difference=prediction.detach().numpy() - y, loss=loss)


def gradients(net: SimpleNamespace, dy: Array) -> Handed:
    """What follows from the gradient of the prediction."""
    return net.loss, {"yhat": dy, "W": net.x.T @ dy, "b": dy.sum(axis=0, keepdims=True)}, None


@mistake("mean-count", at="yhat")
def mean_over_the_rows(right: bool) -> Handed:
    """The squares are averaged over the samples in the gradient, over all entries in the loss.

    Written: dYhat = 2 / n (Yhat - Y).
    Right:   dYhat = 2 / (n out) (Yhat - Y), for a mean over all n * out entries.
    Why:     the mean is taken over a matrix, but one thinks of a batch of n. With one output, as in
             the original network, both are the same number and no run shows it.
    """
    net = regression()
    n, out = net.difference.shape
    return gradients(net, 2 * net.difference / (n * out if right else n))


@mistake("mean-count", at="yhat")
def mean_over_the_rows_in_one_column(right: bool) -> Handed:
    """The matrix of the loss gradient is typed with another factor in its last column.

    Written: dYhat has 2 / (n out) in its first columns and 2 / n in the last one.
    Right:   2 / (n out) in every column.
    Why:     a matrix with dots in it is typed corner by corner, and nobody runs a typed matrix.
             The code next to it had the right factor, so the formula was never used.
    """
    net = regression()
    n, out = net.difference.shape
    dy = 2 * net.difference / (n * out)
    if not right:
        dy[:, -1] = 2 * net.difference[:, -1] / n
    return gradients(net, dy)


@error(ValueError, at="mse_loss")
def target_without_its_axis(right: bool) -> None:
    """A target of shape (n,) meets a prediction of shape (n, 1).

    Written: ((yhat - y) ** 2).mean() with y of shape (n,).
    Right:   y of shape (n, 1).
    Why:     a column of a table has shape (n,), and NumPy broadcasts the difference to (n, n)
             without a word: every prediction is compared with every target, the gradient is right
             for that loss, and the net learns the mean of y. `mse_loss` refuses the two shapes.
    """
    prediction, y = draws((5, 1), (5, 1))
    nn.functional.mse_loss(tensor(prediction), tensor(y if right else y[:, 0]))


class Linear:
    """A layer that steps by itself, at the rate it was made with."""

    def __init__(self, w: Array, b: Array, lr: float = 0.01) -> None:
        self.W, self.b, self.lr = w, b, lr

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy: Array) -> Array:
        dx = dy @ self.W.T
        self.W -= self.lr * self.x.T @ dy
        self.b -= self.lr * dy.sum(axis=0, keepdims=True)
        return dx


class Tanh:
    def forward(self, x: Array) -> Array:
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * (1 - self.y**2)


@wrong_update("update-rate", at="output.b, output.W")
def output_layer_without_the_rate(right: bool) -> dict[str, Any]:
    """The output layer is made without the learning rate, and steps at its default.

    Written: Linear(size, 1) for the last layer, Linear(size, size, lr) for the others.
    Right:   Linear(size, 1, lr).
    Why:     the rate has a default, so that nothing complains, and the default is what the network
             has as well: only a run at another rate differs, and it trains all the same.
    """
    w1, b1, w2, b2, x, y = draws((3, 4), (1, 4), (4, 2), (1, 2), (5, 3), (5, 2))
    lr = 0.1
    output = Linear(w2, b2, lr) if right else Linear(w2, b2)
    layers = {"hidden": Linear(w1, b1, lr), "tanh": Tanh(), "output": output}
    return {"layers": layers, "loss": mse, "loss_grad": mse_grad, "x": x, "y": y, "lr": lr}
