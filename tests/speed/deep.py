"""One training step of a 10-layer MLP of width 64 at batch 32, and what tracing it costs."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from typing import Any

import numpy as np

import nn
from autograd_lite import Tensor, compile

from .step import Step
from .timing import best

LAYERS, WIDTH, BATCH, LR = 10, 64, 32, 0.01


def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((2, BATCH, WIDTH)).astype(np.float32)
    return x, t


def autograd_lite(compiled: str = "") -> Step:
    layers = [m for _ in range(LAYERS) for m in (nn.Linear(WIDTH, WIDTH), nn.Tanh())]
    model, loss_fn = nn.Sequential(*layers), nn.MSELoss()
    optimizer = nn.optim.SGD(model.parameters(), lr=LR)
    x, t = map(Tensor, data())

    def loss_of(x: Tensor, t: Tensor) -> Tensor:
        return loss_fn(model(x), t)

    if compiled == "step":
        whole = compile(loss_of, optimizer=optimizer)
        return lambda: float(whole(x, t).item())
    function: Any = compile(loss_of) if compiled else loss_of

    def step() -> float:
        loss = function(x, t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def pytorch() -> Step:
    import torch

    torch.set_num_threads(1)
    layers = [m for _ in range(LAYERS) for m in (torch.nn.Linear(WIDTH, WIDTH), torch.nn.Tanh())]
    model, loss_fn = torch.nn.Sequential(*layers), torch.nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    x, t = map(torch.from_numpy, data())

    def step() -> float:
        loss = loss_fn(model(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def main() -> None:
    steps = {"eager": autograd_lite(), "compiled": autograd_lite("loss")}
    steps["compiled with SGD"] = autograd_lite("step")
    start = time.perf_counter()
    autograd_lite("loss")()
    tracing = time.perf_counter() - start
    if importlib.util.find_spec("torch"):
        steps["PyTorch eager"] = pytorch()
    times = best(steps, float(sys.argv[1]))
    print(json.dumps({"times": times | {"tracing": tracing}}))


if __name__ == "__main__":
    main()
