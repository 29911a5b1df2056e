"""A chain of tiny elementwise operations, where only the overhead counts."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable

import numpy as np

from autograd_lite import Tensor, compile

from .timing import best

X = np.full(8, 0.5, np.float32)


def autograd_lite(n: int) -> None:
    y = Tensor(X, requires_grad=True)
    for _ in range(n // 2):
        y = y * 1.01 + 0.1
    y.sum().backward()


def compiled(n: int) -> Callable[[], None]:
    x = Tensor(X, requires_grad=True)

    def chained() -> Tensor:
        y = x
        for _ in range(n // 2):
            y = y * 1.01 + 0.1
        return y.sum()

    function = compile(chained)

    def step() -> None:
        x.grad = None
        function().backward()

    return step


def pytorch(n: int) -> None:
    import torch

    y = torch.tensor(X, requires_grad=True)
    for _ in range(n // 2):
        y = y * 1.01 + 0.1
    y.sum().backward()


def main() -> None:
    n = int(sys.argv[1])
    chains: dict[str, Callable[[], object]] = {
        "autograd_lite": lambda: autograd_lite(n),
        "compiled": compiled(n),
    }
    if importlib.util.find_spec("torch"):
        chains["PyTorch eager"] = lambda: pytorch(n)
    print(json.dumps({"times": best(chains, float(sys.argv[2]))}))


if __name__ == "__main__":
    main()
