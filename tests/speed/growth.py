"""Microseconds per operation of a chain of any length: forward, backward and freed, collector on.

The clock is that of the thread, so that other processes do not count.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable

import numpy as np

from autograd_lite import Tensor, compile

MOST = 100_000  # operations that are compiled: tracing a million takes minutes


X = Tensor(np.full(8, 0.5, np.float32), requires_grad=True)


def chain(n: int) -> Tensor:
    y = X
    for _ in range(n // 2):
        y = y * 0.999 + 0.001
    return y.sum()


def us(function: Callable[[], Tensor], n: int, turns: int) -> float:
    """The least of some turns of 10,000 operations or more."""
    repeats, least = max(1, 10_000 // n), float("inf")
    for _ in range(turns):
        gc.collect()
        start = time.thread_time()
        for _ in range(repeats):
            function().backward()
        least = min(least, (time.thread_time() - start) / repeats)
    return least / n * 1e6


def main() -> None:
    n = int(sys.argv[1])
    turns = max(3, min(20, 1_000_000 // n))
    chain(1000)
    found = {"eager": us(lambda: chain(n), n, turns)}
    if n <= MOST:
        function = compile(lambda: chain(n))
        start = time.thread_time()
        function()
        found["first call of a compiled one"] = (time.thread_time() - start) / n * 1e6
        found["compiled"] = us(function, n, turns)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
