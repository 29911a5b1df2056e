"""Functions of one variable that small nets learn, and what is seen of it; `examples/systems` has
the same ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_lite import nn

Array = Any
PI = np.pi


@dataclass(frozen=True)
class Target:
    text: str
    f: Callable[[Array], Array]
    low: float
    high: float


TARGETS = {
    "sin": Target("sin x", np.sin, -PI, PI),
    "square": Target("x²", np.square, -1, 1),
    "abs": Target("|x|", np.abs, -1, 1),
    "wave": Target("sin 4πx", lambda x: np.sin(4 * PI * x), 0, 1),
    "exp": Target("eˣ", np.exp, 0, 1),
    "log": Target("log(1+x)", np.log1p, 0, 1),
}
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU}


def points(name: str, n: int) -> tuple[Array, Array]:
    """`n` evenly spaced points of a target, as columns (n, 1)."""
    target = TARGETS[name]
    x = np.linspace(target.low, target.high, n)[:, None]
    return x, target.f(x)


def best_line(x: Array, y: Array) -> Array:
    """The straight line with the least squares, at the points x."""
    design = np.hstack([x, np.ones_like(x)])  # (n, 2)
    return design @ np.linalg.lstsq(design, y)[0]


def moments(epochs: int, frames: int) -> list[int]:
    """Epochs from 0 to the last, closer together at the start, where a fit moves fastest."""
    return sorted({round(epochs * (i / frames) ** 2) for i in range(frames + 1)})


def value_range(y: Array) -> tuple[float, float]:
    """Limits for the axis of y; what a net predicts before training may lie outside."""
    room = 0.35 * float(np.ptp(y))
    return float(y.min()) - room, float(y.max()) + room
