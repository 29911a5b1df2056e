"""One training step of a 784-H-10 MLP (relu, cross-entropy, SGD) in float32, by several means."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import nn
from autograd_lite import Tensor

from .timing import best, blas_kernel

LR = 0.01
Step = Callable[[], float]


def data(batch: int, hidden: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    w1 = (rng.standard_normal((784, hidden)) * 0.05).astype(np.float32)
    w2 = (rng.standard_normal((hidden, 10)) * 0.05).astype(np.float32)
    b1, b2 = np.zeros(hidden, np.float32), np.zeros(10, np.float32)
    x = rng.standard_normal((batch, 784)).astype(np.float32)
    return x, rng.integers(0, 10, batch), w1, b1, w2, b2


def by_hand(batch: int, hidden: int) -> Step:
    """As tight as NumPy allows without buffers kept between steps: in place where it can be."""
    x, t, w1, b1, w2, b2 = data(batch, hidden)
    rows = np.arange(batch)

    def step() -> float:
        h = x @ w1
        h += b1
        np.maximum(h, 0, out=h)
        u = h @ w2
        u += b2
        u -= np.maximum.reduce(u, axis=1, keepdims=True)
        p = np.exp(u)
        total = np.add.reduce(p, axis=1, keepdims=True)
        loss = float((np.log(total[:, 0]) - u[rows, t]).mean())
        p /= total
        p[rows, t] -= 1
        p /= batch
        dw2 = h.T @ p
        db2 = np.add.reduce(p, axis=0)
        dh = p @ w2.T
        dh *= h > 0
        dw1 = x.T @ dh
        db1 = np.add.reduce(dh, axis=0)
        for w, g in ((w1, dw1), (b1, db1), (w2, dw2), (b2, db2)):
            g *= np.float32(LR)
            w -= g
        return loss

    return step


def autograd_lite(batch: int, hidden: int) -> Step:
    """A loop as users write it."""
    x, t, w1, b1, w2, b2 = data(batch, hidden)
    model = nn.Sequential(nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, 10))
    start = zip(model.parameters(), (w1.T, b1, w2.T, b2), strict=True)
    for parameter, value in start:
        parameter.data[...] = value
    loss_fn = nn.CrossEntropyLoss()
    optimizer = nn.optim.SGD(model.parameters(), lr=LR)
    inputs, targets = Tensor(x), Tensor(t)

    def step() -> float:
        loss = loss_fn(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def pytorch(batch: int, hidden: int, threads: int) -> Step:
    import torch

    torch.set_num_threads(threads)
    x, t, w1, b1, w2, b2 = map(torch.from_numpy, data(batch, hidden))
    model = torch.nn.Sequential(
        torch.nn.Linear(784, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 10)
    )
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), (w1.T, b1, w2.T, b2), strict=True):
            parameter.copy_(value)
    loss_fn = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)

    def step() -> float:
        loss = loss_fn(model(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def hips_autograd(batch: int, hidden: int) -> Step:
    import autograd.numpy as anp
    from autograd import value_and_grad

    x, t, *parameters = data(batch, hidden)
    rows = np.arange(batch)

    def loss(w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
        u = anp.maximum(x @ w1 + b1, 0) @ w2 + b2
        u = u - anp.max(u, axis=1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(u), axis=1)) - u[rows, t])

    function = value_and_grad(loss, argnum=(0, 1, 2, 3))

    def step() -> float:
        value, gradients = function(*parameters)
        for w, g in zip(parameters, gradients, strict=True):
            w -= np.float32(LR) * g
        return float(value)

    return step


def mygrad(batch: int, hidden: int) -> Step:
    import mygrad as mg
    from mygrad.nnet.losses import softmax_crossentropy

    x, t, *arrays = data(batch, hidden)
    mg.turn_memory_guarding_off()
    parameters = [mg.tensor(a) for a in arrays]

    def step() -> float:
        w1, b1, w2, b2 = parameters
        loss = softmax_crossentropy(mg.maximum(x @ w1 + b1, 0) @ w2 + b2, t)
        loss.backward()
        for w in parameters:
            w.data -= np.float32(LR) * w.grad
            w.null_grad()
        return float(loss)

    return step


def main() -> None:
    batch, hidden, threads = map(int, sys.argv[1:4])
    steps: dict[str, Step] = {
        "hand-written NumPy": by_hand(batch, hidden),
        "autograd_lite": autograd_lite(batch, hidden),
    }
    if importlib.util.find_spec("torch"):
        steps["PyTorch eager"] = pytorch(batch, hidden, threads)
    if importlib.util.find_spec("autograd"):
        steps["HIPS autograd"] = hips_autograd(batch, hidden)
    if importlib.util.find_spec("mygrad"):
        steps["MyGrad"] = mygrad(batch, hidden)
    losses = {name: [step() for _ in range(3)] for name, step in steps.items()}
    for name, values in losses.items():  # the same computation, or the ratio means nothing
        np.testing.assert_allclose(values, losses["hand-written NumPy"], rtol=1e-3, err_msg=name)
    times = best(steps, float(sys.argv[4]))
    print(json.dumps({"times": times, "kernel": blas_kernel()}))


if __name__ == "__main__":
    main()
