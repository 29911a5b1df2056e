"""A training step of a 784-H-10 network (relu, cross-entropy, SGD), by hand and by each system."""

from __future__ import annotations

import sys

import numpy as np

from .mlp import LR, Network, builders
from .systems import Step, compare


def network(batch: int, hidden: int) -> Network:
    return Network((784, hidden, 10), batch)


def by_hand(batch: int, hidden: int) -> Step:
    """As tight as NumPy allows without buffers kept between steps: in place where it can be."""
    x, t, (w1, b1, w2, b2) = network(batch, hidden).data()
    rows = np.arange(batch)

    def step() -> float:
        h = x @ w1
        h += b1
        np.maximum(h, 0, out=h)
        u = h @ w2
        u += b2
        u -= np.maximum.reduce(u, axis=1, keepdims=True)
        p = np.exp(u)
        total = np.add.reduce(p, axis=1, keepdims=True)
        loss = float((np.log(total[:, 0]) - u[rows, t]).mean())
        p /= total
        p[rows, t] -= 1
        p /= batch
        dw2 = h.T @ p
        db2 = np.add.reduce(p, axis=0)
        dh = p @ w2.T
        dh *= h > 0
        dw1 = x.T @ dh
        db1 = np.add.reduce(dh, axis=0)
        for w, g in ((w1, dw1), (b1, db1), (w2, dw2), (b2, db2)):
            g *= np.float32(LR)
            w -= g
        return loss

    return step


def with_buffers(batch: int, hidden: int) -> Step:
    """The same with every array made beforehand, and the rate in the small factors."""
    x, t, (w1, b1, w2, b2) = network(batch, hidden).data()
    rows, ones = np.arange(batch), np.ones(batch, np.float32)
    h, dh = (np.empty((batch, hidden), np.float32) for _ in range(2))
    p, total = np.empty((batch, 10), np.float32), np.empty((batch, 1), np.float32)
    u, mask = p.copy(), np.empty((batch, hidden), bool)
    dw1, db1, dw2, db2 = map(np.empty_like, (w1, b1, w2, b2))
    zeros = np.zeros_like(h)

    def step() -> float:
        np.dot(x, w1, h)
        np.add(h, b1, h)
        np.maximum(h, zeros, out=h)
        np.dot(h, w2, u)
        np.add(u, b2, u)
        np.maximum.reduce(u, 1, None, total, True)
        np.subtract(u, total, u)
        np.exp(u, p)
        np.add.reduce(p, 1, None, total, True)
        loss = float((np.log(total[:, 0]) - u[rows, t]).mean())
        np.divide(p, total, p)
        p[rows, t] -= 1
        np.dot(p, w2.T, dh)
        np.greater(h, 0, mask)
        np.multiply(dh, mask, dh)
        np.multiply(p, LR / batch, p)
        np.multiply(dh, LR / batch, dh)
        np.dot(h.T, p, dw2)
        np.dot(ones, p, db2)
        np.dot(x.T, dh, dw1)
        np.dot(ones, dh, db1)
        for w, g in ((w1, dw1), (b1, db1), (w2, dw2), (b2, db2)):
            np.subtract(w, g, w)
        return loss

    return step


def main() -> None:
    batch, hidden = map(int, sys.argv[1:3])
    by_numpy = {
        "hand-written NumPy": lambda: by_hand(batch, hidden),
        "hand, buffers": lambda: with_buffers(batch, hidden),
    }
    compare(by_numpy | builders(network(batch, hidden)), float(sys.argv[3]))


if __name__ == "__main__":
    main()
