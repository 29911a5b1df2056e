"""What several ranks gain: `mpiexec -n 2 python -m mpi4py -m tests.speed.ranks SECONDS` prints JSON.

A step is 784-256-10 with relu, cross-entropy and SGD in float32, of a batch that the ranks share.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np

import nn
from autograd_lite import Tensor, distributed, manual_seed
from nn.parallel import DistributedDataParallel

BATCHES = [16, 256, 2048]
BYTES = {"400 kB": 100_000, "40 MB": 10_000_000}


def best(function: Callable[[], object], seconds: float) -> float:
    """The least seconds of a call; every rank makes as many."""
    function()
    distributed.barrier()
    start = time.perf_counter()
    function()
    one = distributed.gathered(time.perf_counter() - start)[0]
    least = float("inf")
    for _ in range(max(3, int(seconds / one))):
        start = time.perf_counter()
        function()
        least = min(least, time.perf_counter() - start)
    return least


def step_of(batch: int) -> Callable[[], object]:
    """A step of this rank's part of a batch."""
    manual_seed(0)
    n = batch // distributed.get_world_size()
    rng = np.random.default_rng(distributed.get_rank())
    x = Tensor(rng.standard_normal((n, 784)).astype(np.float32))
    y = Tensor(rng.integers(0, 10, n))
    model: nn.Module = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    if distributed.get_world_size() > 1:
        model = DistributedDataParallel(model)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    loss_fn = nn.CrossEntropyLoss()

    def step() -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()

    return step


def main() -> None:
    seconds = float(sys.argv[1])
    distributed.init_process_group()
    found = {str(batch): best(step_of(batch), seconds) for batch in BATCHES}
    for name, n in BYTES.items():
        a = np.ones(n, np.float32)
        found[name] = best(lambda a=a: distributed.all_reduce(a), seconds)  # type: ignore[misc]
    if distributed.is_main():
        print(json.dumps(found))


if __name__ == "__main__":
    main()
