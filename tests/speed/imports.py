"""How long the import of both packages takes beyond NumPy's: the best of many fresh processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

CODE = """
import time, numpy
start = time.perf_counter()
import autograd_lite, nn
print(time.perf_counter() - start)
"""
NUMPY = "import time; start = time.perf_counter(); import numpy; print(time.perf_counter() - start)"


def fastest(code: str, times: int = 20) -> float:
    run = [sys.executable, "-c", code]
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return min(float(subprocess.check_output(run, text=True, env=env)) for _ in range(times))


def main() -> None:
    print(json.dumps({"ours": fastest(CODE) * 1e3, "numpy": fastest(NUMPY) * 1e3}))


if __name__ == "__main__":
    main()
