"""What the tests of the playground share."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from autograd_lite.playground.training import Form
from autograd_lite.sandbox.process import Limits
from tests.helpers import PATIENCE, until

TOKEN = "the-token-of-this-start"
CODE = "the-code-that-is-used-once"
LIMITS = Limits(seconds=1, wall=PATIENCE)
# What has to be ended sleeps far longer than it is waited for, so that it never ends by itself.
SLEEP = "import time; time.sleep(36000)"
GONE = 90  # seconds until what should have been ended is a failure; it takes milliseconds
FIRST = {name: str(value) for name, value in vars(Form()).items()}
LONG = {"epochs": "20000", "samples": "1000", "units": "64", "layers": "2"}

RIGHT = {
    "linear": "def backward(g, x, w, b):\n    return g @ w, g.T @ x, g.sum(axis=0)",
    "tanh": "def backward(g, x):\n    return g * (1 - np.tanh(x) ** 2)",
    "relu": "def backward(g, x):\n    return g * (x > 0)",
    "sigmoid": (
        "def backward(g, x):\n    y = 1 / (1 + np.exp(-x))\n    return {'x': g * y * (1 - y)}"
    ),
    "softmax": (
        "def backward(g, x):\n    y = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)\n"
        "    return y * (g - (g * y).sum(axis=1, keepdims=True))"
    ),
    "batch_norm": (
        "def backward(g, x, w, b):\n    s, dz = x.std(axis=0), g * w\n    z = (x - x.mean(axis=0)) / s\n"
        "    dx = (dz - dz.mean(axis=0) - z * (dz * z).mean(axis=0)) / s\n"
        "    return dx, (g * z).sum(axis=0), g.sum(axis=0)"
    ),
    "convolution": (
        "def backward(g, x, w):\n    dx, dw = np.zeros(x.shape), np.zeros(w.shape)\n"
        "    for i in range(3):\n        for j in range(2):\n"
        "            dw[:, :, i, j] = np.einsum('nfhw,nchw->fc', g, x[:, :, i:i+3, j:j+5])\n"
        "            dx[:, :, i:i+3, j:j+5] += np.einsum('nfhw,fc->nchw', g, w[:, :, i, j])\n"
        "    return dx, dw"
    ),
    "mse": "def backward(g, x, t):\n    d = g * 2 * (x - t) / x.size\n    return d, -d",
    "cross_entropy": (
        "def backward(g, x):\n    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)\n"
        "    p[np.arange(5), [0, 2, 1, 1, 0]] -= 1\n    return g * p / 5"
    ),
}


def alive(pid):
    """Whether a process runs; one that has ended may wait for init to take note."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ended(family: Iterable[int]) -> None:
    """Wait until processes have gone; what has not is a failure, and is killed."""
    try:
        until(lambda: not any(map(alive, family)), "the code outlives what should end it", GONE)
    finally:
        for pid in filter(alive, family):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
