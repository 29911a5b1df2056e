"""Taking turns: the best time of each candidate, all in one run."""

from __future__ import annotations

import time
from collections.abc import Callable


def best(candidates: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """The least seconds per call of each candidate; they take turns for that long altogether."""
    inner = {}
    for name, function in candidates.items():
        function()
        start = time.perf_counter()
        function()
        inner[name] = max(1, int(2e-3 / (time.perf_counter() - start)))
    least = dict.fromkeys(candidates, float("inf"))
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, function in candidates.items():
            start = time.perf_counter()
            for _ in range(inner[name]):
                function()
            least[name] = min(least[name], (time.perf_counter() - start) / inner[name])
    return least


def blas_kernel() -> str:
    """The CPU type that NumPy's BLAS chose its kernels for."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return "unknown (threadpoolctl is not installed)"
    pools = [i for i in threadpool_info() if i["user_api"] == "blas" and "numpy" in i["filepath"]]
    return str(pools[0]["architecture"]) if pools else "unknown"
