"""Taking turns: the best time of each candidate, all in one run on the same cores."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

TURN = 2e-3  # seconds: short enough to fall between the time slices of other processes
REST = 0.15  # seconds: threads of OpenBLAS wait by computing, for 0.1 s, before they sleep


def best(candidates: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """The least seconds per call of each candidate; they take turns for that long altogether."""
    inner = {}
    for name, function in candidates.items():
        function()
        start = time.perf_counter()
        function()
        inner[name] = max(1, int(TURN / (time.perf_counter() - start)))
    warm = any(n > 1 for n in inner.values())  # all of them, or those of 1.1 ms lose to 0.9 ms
    least = dict.fromkeys(candidates, float("inf"))
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, function in candidates.items():
            if os.environ.get("OMP_NUM_THREADS") != "1":
                time.sleep(REST)
            if warm:
                function()  # what the others left in the caches does not count
            start = time.perf_counter()
            for _ in range(inner[name]):
                function()
            least[name] = min(least[name], (time.perf_counter() - start) / inner[name])
    return least


def pin() -> None:
    """Stay on as many cores as OMP_NUM_THREADS says, for libraries that do not read it."""
    threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
    if threads and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def blas_kernel() -> str:
    """The CPU type that NumPy's BLAS chose its kernels for."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return "unknown (threadpoolctl is not installed)"
    pools = [i for i in threadpool_info() if i["user_api"] == "blas" and "numpy" in i["filepath"]]
    return str(pools[0]["architecture"]) if pools else "unknown"
