"""A training step of LeNet on 64 images of 28 x 28, by hand with im2col and by each system.

`floor` is what its matrix products take alone: convolutions by im2col are no faster than those.
"""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import nn
from autograd_lite import Tensor, compile, manual_seed

from .timing import best, blas_kernel, pin

BATCH, LR = 64, 0.01
Step = Callable[[], float]
Weights = dict[str, Any]


def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((BATCH, 1, 28, 28)).astype("float32"), rng.integers(0, 10, BATCH)


def network(layers: Any) -> Any:
    """The layers of one library or the other."""
    return layers.Sequential(
        layers.Conv2d(1, 6, 5, padding=2), layers.ReLU(), layers.MaxPool2d(2),
        layers.Conv2d(6, 16, 5), layers.ReLU(), layers.MaxPool2d(2), layers.Flatten(),
        layers.Linear(400, 120), layers.ReLU(), layers.Linear(120, 84), layers.ReLU(),
        layers.Linear(84, 10),
    )  # fmt: skip


def weights() -> Weights:
    manual_seed(0)
    return {k: np.array(v.numpy()) for k, v in network(nn).state_dict().items()}


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


def by_hand(p: Weights) -> Step:
    x, t = data()
    rows = np.arange(BATCH)

    def step() -> float:
        wide = np.zeros((BATCH, 1, 32, 32), np.float32)
        wide[:, :, 2:-2, 2:-2] = x
        z1, c1 = convolved(wide, p["0.weight"], p["0.bias"])
        a1 = np.maximum(z1, 0)
        p1 = pooled(a1)
        z2, c2 = convolved(p1, p["3.weight"], p["3.bias"])
        a2 = np.maximum(z2, 0)
        p2 = pooled(a2)
        h: list[Any] = [p2.reshape(BATCH, -1)]
        for i in (7, 9):
            h.append(np.maximum(h[-1] @ p[f"{i}.weight"].T + p[f"{i}.bias"], 0))
        u = h[-1] @ p["11.weight"].T + p["11.bias"]
        u -= u.max(axis=1, keepdims=True)
        d = np.exp(u)
        total = d.sum(axis=1, keepdims=True)
        loss = float((np.log(total[:, 0]) - u[rows, t]).mean())
        d /= total
        d[rows, t] -= 1
        d /= BATCH
        grads: Weights = {}
        for i, a in zip((11, 9, 7), h[::-1], strict=True):
            grads[f"{i}.weight"], grads[f"{i}.bias"] = d.T @ a, d.sum(axis=0)
            d = d @ p[f"{i}.weight"]
            if i > 7:
                d *= a > 0
        d = pooled_back(d.reshape(p2.shape), a2, p2)
        d *= z2 > 0
        grads["3.weight"], grads["3.bias"] = convolved_back(d, c2, p["3.weight"])
        d = pooled_back(spread(d, p["3.weight"], p1.shape), a1, p1)
        d *= z1 > 0
        grads["0.weight"], grads["0.bias"] = convolved_back(d, c1, p["0.weight"])
        for name, g in grads.items():
            g *= np.float32(LR)
            p[name] -= g
        return loss

    return step


def floor() -> Step:
    """The matrix products of the step alone, on columns that are there already."""
    rng = np.random.default_rng(0)

    def some(*shape: int) -> Any:
        return rng.standard_normal(shape).astype("float32")

    pairs: list[tuple[Any, Any]] = []
    for o, k, n in ((6, 25, 784), (16, 150, 100)):
        pairs += [(some(o, k), some(BATCH, k, n)), (some(BATCH, o, n), some(BATCH, n, k))]
    pairs.append((some(150, 16), some(BATCH, 16, 100)))
    for i, o in ((400, 120), (120, 84), (84, 10)):
        pairs += [(some(BATCH, i), some(i, o)), (some(o, BATCH), some(BATCH, i))]
        pairs.append((some(BATCH, o), some(o, i)))

    def step() -> float:
        for a, b in pairs:
            np.matmul(a, b)
        return 0.0

    return step


# ---- systems ---------------------------------------------------------------------------------


def ours(p: Weights, kind: str) -> Step:
    x, t = map(Tensor, data())
    model, loss_fn = network(nn), nn.CrossEntropyLoss()
    model.load_state_dict({k: Tensor(v) for k, v in p.items()})
    optimizer = nn.optim.SGD(model.parameters(), lr=LR)

    def loss_of(x: Tensor, t: Tensor) -> Tensor:
        loss: Tensor = loss_fn(model(x), t)
        return loss

    if kind == "compiled with SGD":
        whole = compile(loss_of, optimizer=optimizer)
        return lambda: float(whole(x, t).item())
    made: Any = compile(loss_of) if kind == "compiled" else loss_of

    def step() -> float:
        optimizer.zero_grad()
        loss = made(x, t)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def by_torch(p: Weights) -> Step:
    import os

    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    x, t = map(torch.tensor, data())
    model, loss_fn = network(torch.nn), torch.nn.CrossEntropyLoss()
    model.load_state_dict({k: torch.tensor(v) for k, v in p.items()})
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_fn(model(x), t)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def by_jax(p: Weights) -> Step:
    import jax
    from jax import lax
    from jax import numpy as jnp

    x, t = data()

    def pooled(a: Any) -> Any:
        return lax.reduce_window(a, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    def conv(a: Any, p: Weights, name: str, by: int) -> Any:
        y = lax.conv(
            jnp.pad(a, ((0, 0), (0, 0), (by, by), (by, by))), p[f"{name}.weight"], (1, 1), "VALID"
        )
        return jnp.maximum(y + p[f"{name}.bias"][:, None, None], 0)

    def loss_of(p: Weights) -> Any:
        h = pooled(conv(pooled(conv(x, p, "0", 2)), p, "3", 0)).reshape(BATCH, -1)
        for i in ("7", "9"):
            h = jnp.maximum(h @ p[f"{i}.weight"].T + p[f"{i}.bias"], 0)
        u = h @ p["11.weight"].T + p["11.bias"]
        return (jax.nn.logsumexp(u, 1) - u[jnp.arange(BATCH), t]).mean()

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
    makers: dict[str, Callable[[], Step]] = {
        "hand-written NumPy": lambda: by_hand(weights()),
        **{k: lambda k=k: ours(weights(), k) for k in ("eager", "compiled", "compiled with SGD")},
        "PyTorch eager": lambda: by_torch(weights()),
        "JAX jit": lambda: by_jax(weights()),
    }
    steps, missing = {}, {}
    for name, make in makers.items():
        try:
            steps[name] = make()
        except ImportError as error:
            missing[name] = str(error)
    losses = {name: [step() for _ in range(3)][-1] for name, step in steps.items()}
    first = losses["hand-written NumPy"]
    assert all(abs(loss - first) < 1e-4 for loss in losses.values()), losses
    memory = {name: peak(steps[name]) for name in ("hand-written NumPy", "eager")}
    times = best({**steps, "matrix products": floor()}, float(sys.argv[1]))
    found = {"times": times, "left_out": missing, "memory": memory, "kernel": blas_kernel()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
