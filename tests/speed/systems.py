"""Which systems run here, that they compute the same, and how long each takes."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from .timing import best, blas_kernel, pin

Step = Callable[[], float]  # one training step; its loss
Builders = dict[str, Callable[[], Step]]  # by system; the first is what the others are held against

NEEDS = {  # system: the package that it is
    "PyTorch eager": "torch",
    "torch.compile": "torch",
    "JAX jit": "jax",
    "HIPS autograd": "autograd",
    "MyGrad": "mygrad",
}
QUICK = 2.0  # seconds; below them nothing is built that takes a minute


def missing(name: str, seconds: float) -> str:
    """Why a system is not measured; "" if it is."""
    package = NEEDS.get(name)
    if package is not None and find_spec(package) is None:
        return f"{package} is not installed"
    if name == "torch.compile":
        if not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
            return "there is no C++ compiler"
        if seconds < QUICK:
            return "compiling takes too long for a quick run"
    return ""


def compare(builders: Builders, seconds: float, **more: float) -> None:
    """Print as JSON the time of each system's step, and of the first call of a compiled one."""
    pin()
    steps: dict[str, Step] = {}
    losses: dict[str, list[float]] = {}
    left_out: dict[str, str] = {}
    for name, build in builders.items():
        reason = missing(name, seconds)
        if not reason:
            try:
                step = build()
                losses[name] = [step() for _ in range(3)]
                steps[name] = step
            except Exception as error:
                if name not in NEEDS:
                    raise
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
        if reason:
            left_out[name] = reason
    first = next(iter(losses.values()))
    for name, values in losses.items():  # the same computation, or the ratio means nothing
        np.testing.assert_allclose(values, first, rtol=1e-3, err_msg=name)
    result: dict[str, Any] = {"kernel": blas_kernel(), "left_out": left_out, **more}
    result["tracing"] = min(first_call(builders["compiled"]) for _ in range(5))
    print(json.dumps(result | {"times": best(steps, seconds)}))


def first_call(build: Callable[[], Step]) -> float:
    """Its seconds of computing: too long to fall between the time slices of other processes."""
    step = build()
    start = time.thread_time()
    step()
    return time.thread_time() - start
