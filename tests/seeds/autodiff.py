"""The five systems from Tensors, each exactly as its write-up computes, for autodiff to derive.

Each function takes parameters by name, inputs and targets, and gives the loss and its intermediates by
name: the names and shapes of the module of that system that derives by hand.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import autograd_lite as ag
from autograd_lite import Tensor

from . import Array, depth

TOLERANCE = 1e-12


def error(actual: Array, expected: Array) -> float:
    """The norm of the difference, relative to that of the expected; infinite for a wrong shape."""
    if actual.shape != expected.shape:
        return float("inf")
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))


Values = dict[str, Tensor]
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "relu": ag.relu,
    "tanh": ag.tanh,
    "sigmoid": ag.sigmoid,
}


def tensors_s0(p: Values, x: Tensor, y: Array, *, activation: str) -> tuple[Tensor, Values]:
    values, h = {"X": x}, x
    for i in range(1, depth(p) + 1):
        h = values[f"Y{i}"] = h @ p[f"W{i}"] + p[f"b{i}"]
        if i < depth(p):
            h = values[f"A{i}"] = ACTIVATIONS[activation](h)
    return ((h - y) ** 2).mean(), values


def tensors_s1(p: Values, x: Tensor, y: Array, *, slope: float = 0.01) -> tuple[Tensor, Values]:
    values, h = {"X": x}, x
    for i in range(1, depth(p) + 1):
        h = values[f"z{i}"] = h @ p[f"W{i}"].T + p[f"b{i}"]
        if i < depth(p):
            h = values[f"a{i}"] = ag.leaky_relu(h, slope)
    return ((h - y) ** 2).sum() / len(x), values


def tensors_s2(
    p: Values, x: Tensor, y: Array, *, hidden: str = "sigmoid", criterion: str = "cross_entropy"
) -> tuple[Tensor, Values]:
    """One column after the other: the intermediates of sample k are called z1[k], a1[k], ..."""
    columns: dict[str, list[Tensor]] = {}
    total: Any = 0.0
    values = {"X": x}
    names = [f"{c}{i}" for i in range(1, depth(p) + 1) for c in "za"]
    for k in range(len(x)):
        h = x[k]
        for i in range(1, depth(p) + 1):
            z = p[f"W{i}"] @ h + p[f"b{i}"]
            h = ACTIVATIONS[hidden](z) if i < depth(p) else ag.softmax(z, 0)
            columns.setdefault(f"z{i}", []).append(z)
            columns.setdefault(f"a{i}", []).append(h)
        log_loss = criterion == "cross_entropy"
        total = total + (-(y[k] * ag.log(h)).sum() if log_loss else ((h - y[k]) ** 2).sum())
    values |= {f"{name}[{k}]": columns[name][k] for name in names for k in range(len(x))}
    return total, values


def tensors_s3(
    p: Values, x: Tensor, y: Array, *, activations: Sequence[str], criterion: str = "cross_entropy"
) -> tuple[Tensor, Values]:
    values, h = {"X": x}, x
    for i, name in enumerate([*activations, None], 1):
        h = values[f"U{i}"] = h @ p[f"W{i}"] + p[f"b{i}"]
        if name not in (None, "identity"):
            h = values[f"H{i}"] = ACTIVATIONS[name](h)
        elif name is not None:
            h = values[f"H{i}"] = h.clone()
    if criterion == "cross_entropy":
        return -(y * ag.log_softmax(h, 1)).sum(), values
    return ((h - y) ** 2).sum() / (2 * len(x)), values


def tensors_s4(p: Values, x: Tensor, y: Array) -> tuple[Tensor, Values]:
    values, a = {"X": x}, x
    for i in range(1, depth(p) + 1):
        z = values[f"Z{i}"] = p[f"W{i}"] @ a + p[f"B{i}"]
        a = values[f"A{i}"] = ag.relu(z) if i < depth(p) else ag.softmax(z, 0)
    return -(y * ag.log(a)).sum() / x.shape[1], values
