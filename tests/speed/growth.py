"""The time per operation of one long chain: forward, backward and freed, collector on."""

from __future__ import annotations

import gc
import json
import sys
import time

import numpy as np

from autograd_lite import Tensor


def chain(n: int) -> float:
    gc.collect()
    start = time.perf_counter()
    y = Tensor(np.full(8, 0.5, np.float32), requires_grad=True)
    for _ in range(n // 2):
        y = y * 0.999 + 0.001
    y.sum().backward()
    del y
    return time.perf_counter() - start


def main() -> None:
    n = int(sys.argv[1])
    chain(1000)
    repeats = max(3, min(20, 1_000_000 // n))
    print(json.dumps({"us": min(chain(n) for _ in range(repeats)) / n * 1e6}))


if __name__ == "__main__":
    main()
