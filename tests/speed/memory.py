"""Peak memory of one training step, beyond what lives between steps."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

from .step import LR, autograd_lite, data

BATCH, HIDDEN = 1024, 1024


def by_hand_keeping_activations() -> Callable[[], float]:
    """The hand-written step with one array for each activation, as a reader would write it."""
    x, t, w1, b1, w2, b2 = data(BATCH, HIDDEN)
    rows = np.arange(BATCH)

    def step() -> float:
        z = x @ w1
        a = z + b1
        h = np.maximum(a, 0)
        v = h @ w2
        u = v + b2
        d = u - u.max(axis=1, keepdims=True)
        logp = d - np.log(np.exp(d).sum(axis=1, keepdims=True))
        loss = float(-logp[rows, t].mean())
        g = np.exp(logp)
        g[rows, t] -= 1
        g /= BATCH
        gradients: list[Any] = [h.T @ g, g.sum(axis=0)]
        dh = g @ w2.T
        dh *= h > 0
        gradients += [x.T @ dh, dh.sum(axis=0)]
        for w, dw in zip((w2, b2, w1, b1), gradients, strict=True):
            w -= np.float32(LR) * dw
        return loss

    return step


def peak(step: Callable[[], float]) -> int:
    step()
    step()
    tracemalloc.start()
    step()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def main() -> None:
    hand = peak(by_hand_keeping_activations())
    ours = peak(autograd_lite(BATCH, HIDDEN))
    print(json.dumps({"hand": hand, "ours": ours, "ratio": ours / hand}))


if __name__ == "__main__":
    main()
