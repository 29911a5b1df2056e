"""A training step of LeNet, by hand with im2col and by each system: on 64 images of 28 x 28, or the
small one of the examples, without its dropout, on 32 digits of 8 x 8.

`floor` is what its matrix products take alone: convolutions by im2col are no faster than those.
"""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import nn
from autograd_lite import Tensor, compile, manual_seed

from .systems import missing
from .timing import best, blas_kernel, pin

LR = 0.01
SMALL = (32, 1, 8, 8)
LARGE = (64, 1, 28, 28)
Shape = tuple[int, ...]
Step = Callable[[], float]
Weights = dict[str, Any]


def data(shape: Shape) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.standard_normal(shape).astype("float32"), rng.integers(0, 10, shape[0])


def network(layers: Any, shape: Shape) -> Any:
    """The layers of one library or the other."""
    if shape == SMALL:
        return layers.Sequential(
            layers.Conv2d(1, 8, 3, padding=1), layers.ReLU(),
            layers.Conv2d(8, 16, 3, padding=1), layers.ReLU(), layers.MaxPool2d(2),
            layers.Flatten(), layers.Linear(256, 64), layers.ReLU(), layers.Linear(64, 10),
        )  # fmt: skip
    return layers.Sequential(
        layers.Conv2d(1, 6, 5, padding=2), layers.ReLU(), layers.MaxPool2d(2),
        layers.Conv2d(6, 16, 5), layers.ReLU(), layers.MaxPool2d(2), layers.Flatten(),
        layers.Linear(400, 120), layers.ReLU(), layers.Linear(120, 84), layers.ReLU(),
        layers.Linear(84, 10),
    )  # fmt: skip


def weights(shape: Shape) -> Weights:
    manual_seed(0)
    return {k: np.array(v.numpy()) for k, v in network(nn, shape).state_dict().items()}


# ---- by hand ---------------------------------------------------------------------------------


def columns(x: Any, k: int) -> Any:
    """im2col: (n, c * k * k, places)."""
    v = sliding_window_view(x, (k, k), axis=(2, 3))  # type: ignore[call-overload]
    n, c, h, w = v.shape[:4]
    return np.ascontiguousarray(v.transpose(0, 1, 4, 5, 2, 3)).reshape(n, c * k * k, h * w)


def convolved(x: Any, w: Any, b: Any) -> tuple[Any, Any]:
    cols = columns(x, w.shape[2])
    y = w.reshape(len(w), -1) @ cols
    y += b[:, None]
    return y.reshape(len(x), len(w), x.shape[2] - w.shape[2] + 1, -1), cols


def convolved_back(g: Any, cols: Any, w: Any) -> tuple[Any, Any]:
    g = g.reshape(*g.shape[:2], -1)
    return np.add.reduce(g @ cols.mT, 0).reshape(w.shape), np.add.reduce(g, axis=(0, 2))


def spread(g: Any, w: Any, shape: Any) -> Any:
    """col2im."""
    n, o, h, wide = g.shape
    k = w.shape[2]
    parts = (w.reshape(o, -1).T @ g.reshape(n, o, -1)).reshape(n, -1, k, k, h, wide)
    dx = np.zeros(shape, np.float32)
    for i in range(k):
        for j in range(k):
            dx[:, :, i : i + h, j : j + wide] += parts[:, :, i, j]
    return dx


def quarters(x: Any) -> list[Any]:
    return [x[:, :, i::2, j::2] for i in range(2) for j in range(2)]


def pooled(x: Any) -> Any:
    a, b, c, d = quarters(x)
    return np.maximum(np.maximum(a, b), np.maximum(c, d))


def pooled_back(g: Any, x: Any, y: Any) -> Any:
    dx, left = np.empty_like(x), np.ones(y.shape, bool)
    for part, to in zip(quarters(x), quarters(dx), strict=True):
        hit = (part == y) & left
        left &= ~hit
        np.multiply(g, hit, out=to)
    return dx


def framed(x: Any, by: int) -> Any:
    if not by:
        return x
    wide = np.zeros((*x.shape[:2], *(n + 2 * by for n in x.shape[2:])), np.float32)
    wide[:, :, by:-by, by:-by] = x
    return wide


def by_hand(p: Weights, shape: Shape) -> Step:
    """Layer by layer, as one would: of every layer the values that its backward needs."""
    x, t = data(shape)
    rows, layers = np.arange(len(x)), list(network(nn, shape))

    def step() -> float:
        h, kept = x, list[Any]()
        for i, layer in enumerate(layers):
            w, b = p.get(f"{i}.weight"), p.get(f"{i}.bias")
            match type(layer).__name__:
                case "Conv2d":
                    h = framed(h, layer.padding[0])
                    y, cols = convolved(h, w, b)
                    kept.append((h.shape, cols))
                case "ReLU":
                    y = np.maximum(h, 0, out=h)
                    kept.append(y)
                case "MaxPool2d":
                    y = pooled(h)
                    kept.append((h, y))
                case "Flatten":
                    y = h.reshape(len(h), -1)
                    kept.append(h.shape)
                case _:
                    y = h @ w.T
                    y += b
                    kept.append(h)
            h = y
        h -= h.max(axis=1, keepdims=True)
        d = np.exp(h)
        total = d.sum(axis=1, keepdims=True)
        loss = float((np.log(total[:, 0]) - h[rows, t]).mean())
        d /= total
        d[rows, t] -= 1
        d /= len(x)
        grads: Weights = {}
        for i, layer in reversed(list(enumerate(layers))):
            w, values = p.get(f"{i}.weight"), kept[i]
            match type(layer).__name__:
                case "Conv2d":
                    inner, cols = values
                    grads[f"{i}.weight"], grads[f"{i}.bias"] = convolved_back(d, cols, w)
                    if i:
                        by = layer.padding[0]
                        d = spread(d, w, inner)[:, :, by : inner[2] - by, by : inner[3] - by]
                case "ReLU":
                    d = d * (values > 0)
                case "MaxPool2d":
                    d = pooled_back(d, *values)
                case "Flatten":
                    d = d.reshape(values)
                case _:
                    grads[f"{i}.weight"], grads[f"{i}.bias"] = d.T @ values, d.sum(axis=0)
                    d = d @ w
        for name, g in grads.items():
            g *= np.float32(LR)
            p[name] -= g
        return loss

    return step


def floor(p: Weights, shape: Shape) -> Step:
    """The matrix products of the step alone, on columns that are there already."""
    pairs: list[tuple[Any, Any]] = []
    h, n = data(shape)[0], shape[0]
    for i, layer in enumerate(network(nn, shape)):
        if type(layer).__name__ == "Conv2d":
            cols = columns(framed(h, layer.padding[0]), layer.kernel_size[0])
            w = p[f"{i}.weight"].reshape(layer.out_channels, -1)
            y = w @ cols
            pairs += [(w, cols), (y, cols.mT.copy()), *([(w.T.copy(), y)] if i else [])]
        elif type(layer).__name__ == "Linear":
            a, w = h.reshape(n, -1), p[f"{i}.weight"]
            y = a @ w.T
            pairs += [(a, w.T), (y.T, a), (y, w)]
        h = layer(Tensor(h)).detach().numpy()

    def step() -> float:
        for a, b in pairs:
            np.matmul(a, b)
        return 0.0

    return step


# ---- systems ---------------------------------------------------------------------------------


def ours(p: Weights, kind: str, shape: Shape) -> Step:
    x, t = map(Tensor, data(shape))
    model, loss_fn = network(nn, shape), nn.CrossEntropyLoss()
    model.load_state_dict({k: Tensor(v) for k, v in p.items()})
    optimizer = nn.optim.SGD(model.parameters(), lr=LR)

    def loss_of(x: Tensor, t: Tensor) -> Tensor:
        loss: Tensor = loss_fn(model(x), t)
        return loss

    if kind.startswith("compiled with SGD"):
        backend = "numpy" if "NumPy" in kind else "auto"
        whole = compile(loss_of, optimizer=optimizer, backend=backend)
        return lambda: float(whole(x, t).item())
    made: Any = compile(loss_of) if kind == "compiled" else loss_of

    def step() -> float:
        optimizer.zero_grad()
        loss = made(x, t)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def by_torch(p: Weights, shape: Shape, inductor: bool = False) -> Step:
    import os

    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    x, t = map(torch.tensor, data(shape))
    model, loss_fn = network(torch.nn, shape), torch.nn.CrossEntropyLoss()
    model.load_state_dict({k: torch.tensor(v) for k, v in p.items()})
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    forward = torch.compile(model) if inductor else model

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_fn(forward(x), t)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def by_jax(p: Weights, shape: Shape) -> Step:
    import jax
    from jax import lax
    from jax import numpy as jnp

    x, t = data(shape)
    layers = list(network(nn, shape))

    def loss_of(p: Weights) -> Any:
        h = x
        for i, layer in enumerate(layers):
            w, b = p.get(f"{i}.weight"), p.get(f"{i}.bias")
            match type(layer).__name__:
                case "Conv2d":
                    pairs = [(by, by) for by in layer.padding]
                    h = lax.conv_general_dilated(h, w, (1, 1), pairs) + b[:, None, None]
                case "ReLU":
                    h = jnp.maximum(h, 0)
                case "MaxPool2d":
                    two = (1, 1, 2, 2)
                    h = lax.reduce_window(h, -jnp.inf, lax.max, two, two, "VALID")
                case "Flatten":
                    h = h.reshape(len(h), -1)
                case _:
                    h = h @ w.T + b
        return (jax.nn.logsumexp(h, 1) - h[jnp.arange(len(h)), t]).mean()

    @jax.jit
    def update(p: Weights) -> Any:
        loss, grads = jax.value_and_grad(loss_of)(p)
        return loss, {k: v - LR * grads[k] for k, v in p.items()}

    held = {k: jnp.asarray(v) for k, v in p.items()}

    def step() -> float:
        nonlocal held
        loss, held = update(held)
        return float(loss)

    return step


def peak(step: Step) -> int:
    step()
    tracemalloc.start()
    step()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def main() -> None:
    pin()
    seconds, shape = float(sys.argv[1]), SMALL if sys.argv[2:] == ["digits"] else LARGE
    kinds = ["eager", "compiled", "compiled with SGD", "compiled with SGD, NumPy code"]
    makers: dict[str, Callable[..., Step]] = {
        "hand-written NumPy": by_hand,
        **{k: partial(ours, kind=k) for k in kinds},
        "PyTorch eager": by_torch,
        "torch.compile": partial(by_torch, inductor=True),
        "JAX jit": by_jax,
    }
    steps, left_out = {}, {}
    for name, make in makers.items():
        if reason := missing(name, seconds):
            left_out[name] = reason
        else:
            steps[name] = make(weights(shape), shape=shape)
    losses = {name: [step() for _ in range(3)][-1] for name, step in steps.items()}
    first = losses["hand-written NumPy"]
    assert all(abs(loss - first) < 1e-3 * first for loss in losses.values()), losses
    memory = {name: peak(steps[name]) for name in ("hand-written NumPy", "eager")}
    times = best({**steps, "matrix products": floor(weights(shape), shape)}, seconds)
    found = {"times": times, "left_out": left_out, "memory": memory, "kernel": blas_kernel()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
