"""A chain of tiny elementwise operations and its gradient, where only the overhead counts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_lite import Tensor, compile

from .systems import Step, compare

X = np.full(8, 0.5, np.float32)
N = 300


def chained(y: Any) -> Any:
    """`N` operations, and the sum."""
    for _ in range(N // 2):
        y = y * 1.01 + 0.1
    return y.sum()


def by_hand() -> Step:
    def step() -> float:
        y = X
        for _ in range(N // 2):
            y = y * 1.01 + 0.1
        g = np.ones_like(X)
        for _ in range(N // 2):
            g = g * 1.01
        return float(y.sum())

    return step


def with_buffers() -> Step:
    y, g = np.empty_like(X), np.empty_like(X)
    add, multiply = np.add, np.multiply

    def step() -> float:
        multiply(X, 1.01, y)
        add(y, 0.1, y)
        for _ in range(N // 2 - 1):
            multiply(y, 1.01, y)
            add(y, 0.1, y)
        g.fill(1)
        for _ in range(N // 2):
            multiply(g, 1.01, g)
        return float(add.reduce(y))

    return step


def backward(function: Callable[[Any], Any], x: Any) -> Step:
    """The step of a library with tensors."""

    def step() -> float:
        x.grad = None
        y = function(x)
        y.backward()
        return float(y.item())

    return step


def eager() -> Step:
    return backward(chained, Tensor(X, requires_grad=True))


def compiled() -> Step:
    return backward(compile(chained), Tensor(X, requires_grad=True))


def pytorch() -> Step:
    import torch

    return backward(chained, torch.tensor(X, requires_grad=True))


def torch_compile() -> Step:
    import torch

    return backward(torch.compile(chained), torch.tensor(X, requires_grad=True))


def jax_jit() -> Step:
    import jax

    function, x = jax.jit(jax.value_and_grad(chained)), jax.numpy.array(X)
    return lambda: float(function(x)[0])


def hips_autograd() -> Step:
    from autograd import value_and_grad

    function = value_and_grad(chained)
    return lambda: float(function(X)[0])


def mygrad() -> Step:
    import mygrad as mg

    mg.turn_memory_guarding_off()
    x = mg.tensor(X)

    def step() -> float:
        y = chained(x)
        y.backward()
        return float(y)

    return step


def main() -> None:
    builders = {
        "hand-written NumPy": by_hand,
        "hand, buffers": with_buffers,
        "eager": eager,
        "compiled": compiled,
        "PyTorch eager": pytorch,
        "torch.compile": torch_compile,
        "JAX jit": jax_jit,
        "HIPS autograd": hips_autograd,
        "MyGrad": mygrad,
    }
    compare(builders, float(sys.argv[1]))


if __name__ == "__main__":
    main()
