"""Microseconds per operation that `derive` takes for a chain and for a random program of any length.

The clock is that of the thread, so that other processes do not count.
"""

from __future__ import annotations

import json
import sys
import time
from operator import add, mul, sub

import numpy as np

from autograd_lite import Tensor, derive

OPERATIONS = (add, mul, sub, lambda a, _: a.tanh())


def chain(n: int) -> Tensor:
    x, w = Tensor(np.full(3, 0.5), name="x"), Tensor(np.full(3, 0.9), True, name="w")
    for _ in range((n - 1) // 2):
        x = (x * w).tanh()
    return x.sum()


def random(n: int) -> Tensor:
    """Each operation takes one of the last two values and any other."""
    rng = np.random.default_rng(0)
    values = [Tensor(rng.uniform(0.5, 1, 3), True, name=f"w{i}") for i in range(5)]
    for _ in range(n - 1):
        a, b = values[-rng.integers(1, 3)], values[rng.integers(len(values))]
        values.append(OPERATIONS[rng.integers(4)](a, b))
    return values[-1].sum()


def main() -> None:
    n = int(sys.argv[1])
    found = {}
    for program in (chain, random):
        derive(program(10))
        loss = program(n)
        start = time.thread_time()
        derive(loss)
        found[program.__name__] = (time.thread_time() - start) / n * 1e6
    print(json.dumps(found))


if __name__ == "__main__":
    main()
