"""Peak memory of one training step, beyond what lives between steps, and that of a record."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_lite import Tensor

from .mlp import LR, Network, eager

BATCH, HIDDEN = 1024, 1024
NETWORK = Network((784, HIDDEN, 10), BATCH)
OPERATIONS = 10_000


def by_hand_keeping_activations() -> Callable[[], float]:
    """The hand-written step with one array for each activation, as a reader would write it."""
    x, t, (w1, b1, w2, b2) = NETWORK.data()
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


def held(make: Callable[[], object]) -> float:
    """Bytes for each of `OPERATIONS` operations that are held by what `make` returns."""
    make()
    tracemalloc.start()
    kept = make()
    now, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return now / OPERATIONS


def recorded() -> object:
    y = Tensor(np.full(8, 0.5, np.float32), requires_grad=True)
    for _ in range(OPERATIONS // 2):
        y = y * 1.01 + 0.1
    return y


def arrays() -> object:
    """The results alone."""
    y = np.full(8, 0.5, np.float32)
    kept = [y]
    for _ in range(OPERATIONS // 2):
        kept.append(kept[-1] * 1.01)
        kept.append(kept[-1] + 0.1)
    return kept


def main() -> None:
    hand = peak(by_hand_keeping_activations())
    ratio = peak(eager(NETWORK)) / hand
    results = {"hand": hand, "ratio": ratio, "recorded": held(recorded), "arrays": held(arrays)}
    print(json.dumps(results))


if __name__ == "__main__":
    main()
