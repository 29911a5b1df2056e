"""What a report of a problem, or of slowness, needs to say about the machine and its packages."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__
from .compilation.native.products import NARROW

__all__ = ["report"]

PARTS = {  # package: what it is for
    "graphviz-pure": "drawing graphs as SVG and PNG",
    "scipy": "a fast erf, for gelu",
    "matplotlib": "plots, and films as GIF",
    "plotly": "films as a page",
    "tqdm": "progress bars in nn.train",
    "safetensors": "nn.serialize in the safetensors format",
    "onnx": "models as ONNX files",
    "scikit-learn": "networks as its estimators",
    "threadpoolctl": "this report's knowledge of BLAS",
}
KERNEL = "OPENBLAS_CORETYPE"


def report() -> Iterator[str]:
    """The lines of the report.

    >>> next(report()).startswith("autograd_lite")
    True
    """
    system = f"{platform.system()} {platform.machine()}"
    yield f"autograd_lite {__version__}, NumPy {np.__version__}, Python {platform.python_version()}"
    yield f"system        {system}, {os.cpu_count()} cores"
    pools = blas()
    yield from blas_lines(pools, cpu_flags(Path("/proc/cpuinfo")))
    yield f"C compiler    {native_state()}"
    yield f"renderer      {renderer()}"
    yield from missing()


# ---- BLAS -----------------------------------------------------------------------------------


def blas() -> list[dict[str, Any]] | None:
    """What threadpoolctl says of NumPy's BLAS; None if it is not installed."""
    if find_spec("threadpoolctl") is None:
        return None
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped, unused-ignore]

    pools = [dict(p) for p in threadpool_info() if p["user_api"] == "blas"]
    return [p for p in pools if "numpy" in p["filepath"]] or pools


def cpu_flags(file: Path) -> set[str]:
    """The features of the CPU, where Linux tells them."""
    if not file.exists():
        return set()
    text = file.read_text(encoding="utf-8", errors="replace")
    return {
        word
        for line in text.splitlines()
        if line.startswith("flags")
        for word in line.partition(":")[2].split()
    }


def blas_lines(pools: list[dict[str, Any]] | None, flags: set[str]) -> Iterator[str]:
    """BLAS, its kernel type and threads, and the variable that would choose better kernels."""
    if pools is None:
        config: Any = np.show_config(mode="dicts")
        name = config["Build Dependencies"]["blas"]["name"]
        yield f"BLAS          {name}; its kernels and threads: python -m pip install threadpoolctl"
        return
    for p in pools:
        kernel = p.get("architecture", "unknown")
        name, version, threads = p["internal_api"], p["version"], p["num_threads"]
        some = f"{threads} thread" + "s" * (threads != 1)
        yield f"BLAS          {name} {version}, kernels {kernel}, {some}"
        asked = os.environ.get(KERNEL)
        if name == "openblas" and kernel in NARROW and "avx512f" in flags:
            yield (
                f"              this CPU has AVX-512, which {kernel} kernels leave unused: "
                f"set {KERNEL}=SkylakeX before Python starts"
            )
        elif asked:
            yield f"              {KERNEL}={asked} is set"


def native_state() -> str:
    """What `compile` makes C code with, or why it runs NumPy code."""
    from .compilation.native.library import state

    return state()


# ---- packages -------------------------------------------------------------------------------


def renderer() -> str:
    """The program that draws, or how to get one."""
    from .graph.render import GraphRenderError, candidates

    try:
        found = next(candidates(None), None)
    except GraphRenderError as error:
        return str(error)
    return found or "none; drawings are saved as .gv, .mmd or .txt"


def missing() -> Iterator[str]:
    """One line for each optional package: its version, or the command that installs it."""
    for name, purpose in PARTS.items():
        try:
            yield f"{name:13} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            yield f"{name:13} missing ({purpose}): python -m pip install {name}"
