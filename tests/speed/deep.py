"""A training step of 10 layers of width 64 at batch 32 (tanh, mean squared error, SGD)."""

from __future__ import annotations

import sys

import numpy as np

from .mlp import LR, Network, builders
from .systems import Step, compare

LAYERS, WIDTH, BATCH = 10, 64, 32
NETWORK = Network((WIDTH,) * (LAYERS + 1), BATCH, "tanh", "mse_loss")


def by_hand() -> Step:
    """In place where it can be, without buffers kept between steps."""
    x, t, parameters = NETWORK.data()
    *hidden, (w_last, b_last) = zip(parameters[::2], parameters[1::2], strict=True)

    def step() -> float:
        values = [x]
        for w, b in hidden:
            h = values[-1] @ w
            h += b
            values.append(np.tanh(h, out=h))
        y = values[-1] @ w_last
        y += b_last
        y -= t
        loss = float(np.square(y).mean())
        g = y
        g *= np.float32(2 / y.size)
        for i in range(LAYERS - 1, -1, -1):
            h, w, b = values[i], parameters[2 * i], parameters[2 * i + 1]
            dw, db = h.T @ g, np.add.reduce(g, axis=0)
            if i:
                g = g @ w.T
                h *= h
                g *= np.subtract(1, h, out=h)
            dw *= np.float32(LR)
            w -= dw
            db *= np.float32(LR)
            b -= db
        return loss

    return step


def with_buffers() -> Step:
    """The same with every array made beforehand, and the rate in the first factor."""
    x, t, parameters = NETWORK.data()
    ones = np.ones(BATCH, np.float32)
    values = [x, *(np.empty_like(x) for _ in range(LAYERS - 1))]
    y, squares, deltas = np.empty_like(t), np.empty_like(t), [np.empty_like(x) for _ in range(2)]
    dw, db = np.empty((WIDTH, WIDTH), np.float32), np.empty(WIDTH, np.float32)
    pairs = list(zip(parameters[::2], parameters[1::2], strict=True))
    forward = [(*pairs[i], values[i], values[i + 1]) for i in range(LAYERS - 1)]
    back = [
        (*pairs[i], pairs[i][0].T, values[i], values[i].T, deltas[i % 2])
        for i in range(LAYERS - 1, 0, -1)
    ]
    (w_first, b_first), (w_last, b_last) = pairs[0], pairs[-1]
    scale = LR * 2 / t.size

    def step() -> float:
        for w, b, x, h in forward:
            np.dot(x, w, h)
            np.add(h, b, h)
            np.tanh(h, h)
        np.dot(values[-1], w_last, y)
        np.add(y, b_last, y)
        np.subtract(y, t, y)
        np.multiply(y, y, squares)
        loss = float(np.add.reduce(squares, None)) / y.size
        g = np.multiply(y, scale, y)
        for w, b, w_t, h, h_t, delta in back:
            np.dot(g, w_t, delta)
            np.dot(h_t, g, dw)
            np.dot(ones, g, db)
            np.subtract(w, dw, w)
            np.subtract(b, db, b)
            np.multiply(h, h, h)
            np.subtract(1, h, h)
            g = np.multiply(delta, h, delta)
        np.dot(x_t, g, dw)
        np.dot(ones, g, db)
        np.subtract(w_first, dw, w_first)
        np.subtract(b_first, db, b_first)
        return loss

    x_t = x.T
    return step


def main() -> None:
    by_numpy = {"hand-written NumPy": by_hand, "hand, buffers": with_buffers}
    compare(by_numpy | builders(NETWORK), float(sys.argv[1]))


if __name__ == "__main__":
    main()
