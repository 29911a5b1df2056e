"""One training step of a 784-H-10 MLP (relu, cross-entropy, SGD) in float32, by several means."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import nn
from autograd_lite import Tensor, compile

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


def with_buffers(batch: int, hidden: int) -> Step:
    """The same with every array made beforehand, and the rate in the small factors."""
    x, t, w1, b1, w2, b2 = data(batch, hidden)
    rows, ones = np.arange(batch), np.ones(batch, np.float32)
    h, dh = (np.empty((batch, hidden), np.float32) for _ in range(2))
    p, total = np.empty((batch, 10), np.float32), np.empty((batch, 1), np.float32)
    u, mask = p.copy(), np.empty((batch, hidden), bool)
    dw1, db1, dw2, db2 = map(np.empty_like, (w1, b1, w2, b2))
    zeros = np.zeros_like(h)

    def step() -> float:
        np.dot(x, w1, h)
        np.add(h, b1, h)
        np.maximum(h, zeros, out=h)
        np.dot(h, w2, u)
        np.add(u, b2, u)
        np.maximum.reduce(u, 1, None, total, True)
        np.subtract(u, total, u)
        np.exp(u, p)
        np.add.reduce(p, 1, None, total, True)
        loss = float((np.log(total[:, 0]) - u[rows, t]).mean())
        np.divide(p, total, p)
        p[rows, t] -= 1
        np.dot(p, w2.T, dh)
        np.greater(h, 0, mask)
        np.multiply(dh, mask, dh)
        np.multiply(p, LR / batch, p)
        np.multiply(dh, LR / batch, dh)
        np.dot(h.T, p, dw2)
        np.dot(ones, p, db2)
        np.dot(x.T, dh, dw1)
        np.dot(ones, dh, db1)
        for w, g in ((w1, dw1), (b1, db1), (w2, dw2), (b2, db2)):
            np.subtract(w, g, w)
        return loss

    return step


def autograd_lite(batch: int, hidden: int, compiled: str = "") -> Step:
    """A loop as users write it; `compiled` is "loss", or "step" with the optimiser inside."""
    x, t, w1, b1, w2, b2 = data(batch, hidden)
    model = nn.Sequential(nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, 10))
    start = zip(model.parameters(), (w1.T, b1, w2.T, b2), strict=True)
    for parameter, value in start:
        parameter.data[...] = value
    loss_fn = nn.CrossEntropyLoss()
    optimizer = nn.optim.SGD(model.parameters(), lr=LR)
    inputs, targets = Tensor(x), Tensor(t)

    def loss_of(x: Tensor, t: Tensor) -> Tensor:
        return loss_fn(model(x), t)

    if compiled == "step":
        whole = compile(loss_of, optimizer=optimizer)
        return lambda: float(whole(inputs, targets).item())
    function: Any = compile(loss_of) if compiled else loss_of

    def step() -> float:
        loss = function(inputs, targets)
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
        "with buffers": with_buffers(batch, hidden),
        "autograd_lite": autograd_lite(batch, hidden),
        "compiled": autograd_lite(batch, hidden, "loss"),
        "compiled with SGD": autograd_lite(batch, hidden, "step"),
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
