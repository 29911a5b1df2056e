"""What several test modules share."""

import os
import shutil
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
import pytest

from autograd_lite import Tensor

T = TypeVar("T")
PATIENCE = 600  # seconds until what hangs is a failure; no busy machine comes near
SYSTEMS = Path(__file__).resolve().parents[1] / "examples" / "systems"


def system_example(name: str) -> ModuleType:
    """Import a script of examples/systems, whose folder it finds its siblings in."""
    sys.path.insert(0, str(SYSTEMS))
    try:
        return import_module(name)
    finally:
        sys.path.remove(str(SYSTEMS))


def until(
    condition: Callable[[], T], what: str = "it did not come", patience: float = PATIENCE
) -> T:
    """Wait for something that takes time; its value."""
    end = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.02)
    return value


def calls(function: Callable[[], object]) -> int:
    """How many functions written in Python a call runs: the same on every machine, unlike seconds."""
    number = 0

    def watch(frame: object, event: str, argument: object) -> None:
        nonlocal number
        number += event == "call"

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        function()
    finally:
        sys.setprofile(before)
    return number


def mnist_folder() -> Path | None:
    """Return the folder that holds the MNIST files, or None.

    It is looked for where `nn.datasets.mnist` looks (AUTOGRAD_LITE_DATA or its subfolder `mnist`),
    then in `../shared/data/mnist` beside the repository.
    """
    folders = [Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist"]
    if named := os.environ.get("AUTOGRAD_LITE_DATA"):
        folders = [Path(named), Path(named, "mnist"), *folders]
    for folder in folders:
        if any(folder.glob("t10k-labels-idx1-ubyte*")):
            return folder
    return None


def open_chromium() -> Any:
    """A headless Chromium of the system, driven by its own driver; the test is skipped without."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    service = shutil.which("chromedriver")
    if not browser or not service:
        pytest.skip("needs chromium and chromedriver (apt install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--disable-background-networking", "--no-first-run",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(service))


def leaf(values: Any, dtype: Any = np.float64) -> Tensor:
    """A tensor that needs a gradient, in double precision."""
    return Tensor(np.array(values, dtype), requires_grad=True)


def grad_array(x: Tensor) -> np.ndarray[Any, Any]:
    """The gradient of a tensor, which has its shape and type."""
    assert x.grad is not None
    assert x.grad.shape == x.shape and x.grad.dtype == x.dtype
    return x.grad.array


def grad(x: Tensor) -> Any:
    return grad_array(x).tolist()
