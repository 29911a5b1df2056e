"""The layers whose backward can be written by hand: how each computes, and a first attempt at its
gradients, with one mistake in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_lite import Tensor, nn

CLASSES = np.array([0, 2, 1, 1, 0])


@dataclass(frozen=True)
class Layer:
    title: str
    forward: Callable[..., Tensor]
    code: str  # as shown; `forward` computes it
    backward: str
    shapes: tuple[tuple[int, ...], ...]


LAYERS = {
    "linear": Layer(
        "Linear",
        lambda x, w, b: x @ w.T + b,
        "def forward(x, w, b):      # (5, 3), (4, 3), (4,)\n    return x @ w.T + b     # (5, 4)",
        "def backward(g, x, w, b):  # g is the gradient of the output, (5, 4)\n"
        "    dx = g @ w\n"
        "    dw = g.T @ x\n"
        "    db = g.mean(axis=0)\n"
        "    return dx, dw, db\n",
        ((5, 3), (4, 3), (4,)),
    ),
    "tanh": Layer(
        "Tanh",
        lambda x: x.tanh(),
        "def forward(x):      # (5, 3)\n    return np.tanh(x)",
        "def backward(g, x):  # g is the gradient of the output, (5, 3)\n"
        "    y = np.tanh(x)\n"
        "    return g * (1 - y)\n",
        ((5, 3),),
    ),
    "relu": Layer(
        "ReLU",
        lambda x: x.relu(),
        "def forward(x):      # (5, 3)\n    return np.maximum(x, 0)",
        "def backward(g, x):  # g is the gradient of the output, (5, 3)\n    return g * (g > 0)\n",
        ((5, 3),),
    ),
    "sigmoid": Layer(
        "Sigmoid",
        lambda x: x.sigmoid(),
        "def forward(x):      # (5, 3)\n    return 1 / (1 + np.exp(-x))",
        "def backward(g, x):  # g is the gradient of the output, (5, 3)\n"
        "    return g * x * (1 - x)\n",
        ((5, 3),),
    ),
    "softmax": Layer(
        "Softmax",
        lambda x: x.softmax(dim=1),
        "def forward(x):      # (5, 3), a row for each sample\n"
        "    e = np.exp(x - x.max(axis=1, keepdims=True))\n"
        "    return e / e.sum(axis=1, keepdims=True)",
        "def backward(g, x):  # g is the gradient of the output, (5, 3)\n"
        "    e = np.exp(x - x.max(axis=1, keepdims=True))\n"
        "    y = e / e.sum(axis=1, keepdims=True)\n"
        "    return g * y * (1 - y)\n",
        ((5, 3),),
    ),
    "batch_norm": Layer(
        "Batch norm",
        lambda x, w, b: nn.functional.batch_norm(x, None, None, w, b, training=True, eps=0.0),
        "def forward(x, w, b):      # (5, 3), (3,), (3,)\n"
        "    z = (x - x.mean(axis=0)) / x.std(axis=0)\n"
        "    return z * w + b       # (5, 3)",
        "def backward(g, x, w, b):  # g is the gradient of the output, (5, 3)\n"
        "    s = x.std(axis=0)\n"
        "    z = (x - x.mean(axis=0)) / s\n"
        "    dz = g * w\n"
        "    dx = (dz - dz.mean(axis=0)) / s\n"
        "    return dx, (g * z).sum(axis=0), g.sum(axis=0)\n",
        ((5, 3), (3,), (3,)),
    ),
    "convolution": Layer(
        "Convolution",
        lambda x, w: nn.functional.conv2d(x, w),
        "def forward(x, w):      # (2, 3, 5, 6), (4, 3, 3, 2)\n"
        "    y = np.zeros((2, 4, 3, 5))\n"
        "    for i in range(3):\n"
        "        for j in range(5):\n"
        "            window = x[:, None, :, i : i + 3, j : j + 2]\n"
        "            y[:, :, i, j] = (window * w).sum(axis=(2, 3, 4))\n"
        "    return y            # (2, 4, 3, 5)",
        "def backward(g, x, w):  # g is the gradient of the output, (2, 4, 3, 5)\n"
        "    dx, dw = np.zeros(x.shape), np.zeros(w.shape)\n"
        "    for i in range(3):\n"
        "        for j in range(5):\n"
        "            at = g[:, :, i, j, None, None, None]\n"
        "            window = x[:, None, :, i : i + 3, j : j + 2]\n"
        "            dw += (at * window).sum(axis=0)\n"
        "            dx[:, :, i : i + 3, j : j + 2] = (at * w).sum(axis=1)\n"
        "    return dx, dw\n",
        ((2, 3, 5, 6), (4, 3, 3, 2)),
    ),
    "mse": Layer(
        "Mean squared error",
        lambda x, t: ((x - t) ** 2).mean(),
        "def forward(x, t):      # (5, 3), (5, 3)\n    return np.mean((x - t) ** 2)",
        "def backward(g, x, t):  # g is the gradient of the loss, a number\n"
        "    dx = g * 2 * (x - t) / x.size\n"
        "    dt = g * 2 * (x - t) / x.size\n"
        "    return dx, dt\n",
        ((5, 3), (5, 3)),
    ),
    "cross_entropy": Layer(
        "Cross-entropy of scores",
        lambda x: nn.functional.cross_entropy(x, CLASSES),
        "classes = np.array([0, 2, 1, 1, 0])\n\n"
        "def forward(x):      # (5, 3), a score for each class\n"
        "    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)\n"
        "    return -np.log(p[np.arange(5), classes]).mean()",
        "classes = np.array([0, 2, 1, 1, 0])\n\n"
        "def backward(g, x):  # g is the gradient of the loss, a number\n"
        "    p = x.copy()\n"
        "    p[np.arange(5), classes] -= 1\n"
        "    return g * p / 5\n",
        ((5, 3),),
    ),
}


def described() -> dict[str, dict[str, Any]]:
    """What the page shows of each layer."""
    return {
        key: {"title": layer.title, "forward": layer.code, "backward": layer.backward}
        for key, layer in LAYERS.items()
    }
