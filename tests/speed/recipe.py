"""S3's recipe for MNIST: the scheme that its write-up codes by hand, beside this project's loops.

784-64-10, relu, cross-entropy summed over batches of 16, lr .005, N(0, 1) weights and biases from
seed 1, one test after each epoch (FORMULAS of S3). All see the same batches in the same order and
take turns of a few steps, so that whatever else the machine does hits all of them alike; the clock
is that of the one thread.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import nn
from autograd_lite import Tensor, compile, no_grad
from nn.datasets import mnist

from ..helpers import mnist_folder, system_example
from .timing import blas_kernel

BATCH, LR, TURN, SEED = 16, 0.005, 50, 1
TINY = np.finfo(float).tiny  # the write-up's 1e-15 counts no image for more than 34.5, others do
EPOCHS = "compiled with SGD and step.epoch"
Run = Iterator["str | Epoch"]  # a word for what was just done; at the end of an epoch its result
example = system_example("s3_mnist")


class Epoch(NamedTuple):
    loss: float  # per image, while the weights change
    accuracy: float  # of the test images


class Data(NamedTuple):
    x: dict[str, Any]  # by dtype, (n, 784) from -.5 to .5
    labels: Any
    x_test: dict[str, Any]
    labels_test: Any


# ---- the scheme of the write-up --------------------------------------------------------------


class Linear:
    def __init__(self, random: np.random.RandomState, m: int, k: int) -> None:
        self.w, self.b = random.randn(m, k), random.randn(1, k)

    def forward(self, h: Any) -> Any:
        self.h = h
        return h @ self.w + np.ones((len(h), 1)) @ self.b

    def backward(self, delta: Any) -> Any:
        before = delta @ self.w.T  # in the first layer too, where nothing needs it
        dw, db = self.h.T @ delta, np.sum(delta, axis=0, keepdims=True)
        self.w -= LR * dw
        self.b -= LR * db
        return before


class Relu:
    def forward(self, u: Any) -> Any:
        self.u = u
        return np.maximum(u, 0)

    def backward(self, delta: Any) -> Any:
        return (self.u > 0) * 1.0 * delta


def softmax(u: Any) -> Any:
    e = np.exp(u - np.max(u, axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def by_hand(data: Data, epochs: int) -> Run:
    """Layers with a state; data and one-hot targets are put into a new order before each epoch; the
    loss takes the trace of a product, and the softmax is computed for it and for its gradient."""
    random = np.random.RandomState(SEED)
    layers = [Linear(random, 784, 64), Relu(), Linear(random, 64, 10)]
    x, t = data.x["float64"], np.eye(10)[data.labels]
    indices = list(range(len(x)))

    def predict(h: Any) -> Any:
        for layer in layers:
            h = layer.forward(h)
        return h

    for _ in range(epochs):
        indices = random.permutation(indices)
        x, t = x[indices], t[indices]
        yield "order"
        running = 0.0
        for k in range(0, len(x), BATCH):
            x_batch, t_batch = x[k : k + BATCH], t[k : k + BATCH]
            u = predict(x_batch)
            running += -np.trace(t_batch @ np.log(softmax(u) + TINY).T) / len(x)
            delta = softmax(u) - t_batch
            for layer in reversed(layers):
                delta = layer.backward(delta)
            if k // BATCH % TURN == TURN - 1:
                yield "steps"
        yield "steps"
        right = np.argmax(softmax(predict(data.x_test["float64"])), axis=1) == data.labels_test
        yield Epoch(running, float(np.mean(right)))


# ---- this project ----------------------------------------------------------------------------


def ours(data: Data, epochs: int, kind: str) -> Run:
    """The usual loop, compiled or not, over batches that are looked up by their indices; or whole
    epochs, as many batches of them in a call as are a turn."""
    how, dtype = kind.split(", ")
    random = np.random.RandomState(SEED)
    first, last = example.drawn(random, (784, 64, 10), kaiming=False)
    model = nn.Sequential(first, nn.ReLU(), last).to(dtype)
    loss_fn = nn.CrossEntropyLoss(reduction="sum")
    optimizer = nn.optim.SGD(model.parameters(), lr=LR)
    x, x_test = data.x[dtype], Tensor(data.x_test[dtype])
    step = stepper(how, lambda x, t: loss_fn(model(x), t), optimizer)
    orders = example.permutations(random, len(x))
    for _ in range(epochs):
        order = next(orders)
        yield "order"
        running = 0.0
        n = BATCH * TURN if how == EPOCHS else BATCH
        for k in range(0, len(x), n):
            rows = order[k : k + n]
            if how == EPOCHS:
                running += step.epoch(x, data.labels, order=rows, batch_size=BATCH).sum() / len(x)
            else:
                running += step(x[rows], data.labels[rows]) / len(x)
            if (k + n) // BATCH % TURN == 0:
                yield "steps"
        yield "steps"
        with no_grad():
            right = model(x_test).argmax(dim=1).array == data.labels_test
        yield Epoch(running, float(np.mean(right)))


def stepper(how: str, loss_of: Callable[[Tensor, Tensor], Tensor], optimizer: Any) -> Any:
    if how == EPOCHS:
        return compile(loss_of, optimizer=optimizer)
    if how == "compiled with SGD":
        whole = compile(loss_of, optimizer=optimizer)
        return lambda x, t: whole(x, t).item()
    function: Any = loss_of if how == "eager" else compile(loss_of)

    def step(x: Any, t: Any) -> float:
        loss = function(Tensor(x), Tensor(t))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


HAND = "by hand, float64"
WAYS = ("eager", "compiled", "compiled with SGD", EPOCHS)
KINDS = [f"{how}, float{n}" for n in (64, 32) for how in WAYS]


# ---- side by side ----------------------------------------------------------------------------


def side_by_side(data: Data, epochs: int) -> dict[str, dict[str, float]]:
    """The seconds that each took: all of them, and without ordering the data and testing; and the
    loss and the accuracy of its last epoch."""
    going = {HAND: by_hand(data, epochs)} | {kind: ours(data, epochs, kind) for kind in KINDS}
    found = {name: {"seconds": 0.0, "steps": 0.0} for name in going}
    while going:
        for name, run in list(going.items()):
            start = time.thread_time()
            done = next(run, None)
            seconds = time.thread_time() - start
            if done is None:
                del going[name]
                continue
            found[name]["seconds"] += seconds
            if done == "steps":
                found[name]["steps"] += seconds
            if isinstance(done, Epoch):
                found[name] |= done._asdict()
    for name, run_of in found.items():  # the same training, or the ratio means nothing
        off = abs(run_of["accuracy"] - found[HAND]["accuracy"])
        assert off < (0.001 if "64" in name else 0.005), (name, found)
        rtol = 1e-3 if "64" in name else 3e-3
        assert np.isclose(run_of["loss"], found[HAND]["loss"], rtol=rtol), (name, found)
    return found


def main() -> None:
    epochs, n = map(int, sys.argv[1:3])
    folder = mnist_folder()
    if folder is None:
        reason = "the MNIST files are not here; name their folder in AUTOGRAD_LITE_DATA"
        print(json.dumps({"kernel": blas_kernel(), "left_out": {"all": reason}, "runs": {}}))
        return
    (images, labels), (test_images, test_labels) = mnist(folder), mnist(folder, train=False)
    x, x_test = (
        {dtype: example.pixels(a, dtype) for dtype in ("float64", "float32")}
        for a in (images[:n], test_images[: n // 6])
    )
    data = Data(x, labels[:n], x_test, test_labels[: n // 6])
    runs = side_by_side(data, epochs)
    print(json.dumps({"kernel": blas_kernel(), "left_out": {}, "runs": runs}))


if __name__ == "__main__":
    main()
