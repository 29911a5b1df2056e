"""A training step of an LSTM over 50 steps of 128 units, by hand and by each system."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from .systems import Step, compare
from .timing import best

STEPS, SIZE, LR = 50, 128, 1e-2
Array = Any


def data(batch: int) -> tuple[Array, list[Array]]:
    """The inputs, and weight_ih, weight_hh and both biases."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((STEPS, batch, SIZE)).astype(np.float32)
    shapes = [(4 * SIZE, SIZE), (4 * SIZE, SIZE), (4 * SIZE,), (4 * SIZE,)]
    return x, [(rng.uniform(-1, 1, s) / SIZE**0.5).astype(np.float32) for s in shapes]


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def by_hand(batch: int) -> Step:
    """One product for the inputs of all steps and for each weight's gradient, as one would."""
    x, (w, u, b, bh) = data(batch)
    rows, n = x.reshape(-1, SIZE), SIZE

    def step() -> float:
        zx = (rows @ w.T + (b + bh)).reshape(STEPS, batch, 4 * n)
        gates, h, c, tanh_c = np.empty_like(zx), *np.zeros((3, STEPS + 1, batch, n), np.float32)
        ut = np.ascontiguousarray(u.T)
        for t in range(STEPS):
            z, a = h[t] @ ut, gates[t]
            z += zx[t]
            a[:, : 2 * n], a[:, 3 * n :] = sigmoid(z[:, : 2 * n]), sigmoid(z[:, 3 * n :])
            np.tanh(z[:, 2 * n : 3 * n], out=a[:, 2 * n : 3 * n])
            i, f, g, o = (a[:, k * n : (k + 1) * n] for k in range(4))
            np.multiply(f, c[t], out=c[t + 1])
            c[t + 1] += i * g
            np.multiply(o, np.tanh(c[t + 1], out=tanh_c[t]), out=h[t + 1])
        loss = float((h[1:] * h[1:]).mean())
        d_out = h[1:] * np.float32(2 / h[1:].size)
        dz, dh, dc = np.empty_like(gates), *np.zeros((2, batch, n), np.float32)
        for t in reversed(range(STEPS)):
            i, f, g, o = (gates[t][:, k * n : (k + 1) * n] for k in range(4))
            d = dz[t]
            dh = dh + d_out[t]
            dc = dc + dh * o * (1 - tanh_c[t] * tanh_c[t])
            d[:, :n], d[:, n : 2 * n] = dc * g * i * (1 - i), dc * c[t] * f * (1 - f)
            d[:, 2 * n : 3 * n] = dc * i * (1 - g * g)
            d[:, 3 * n :] = dh * tanh_c[t] * o * (1 - o)
            dc = dc * f
            dh = d @ u
        flat = dz.reshape(-1, 4 * n)
        db = flat.sum(0)
        dw, du = flat.T @ rows, flat.T @ h[:-1].reshape(-1, n)
        for p, grad in ((w, dw), (u, du), (b, db), (bh, db)):
            np.subtract(p, np.float32(LR) * grad, out=p)
        return loss

    return step


def products(batch: int) -> Step:
    """The matrix products of a step alone, which no NumPy code is faster than."""
    x, (w, u, *_) = data(batch)
    rows, ut, h = x.reshape(-1, SIZE), np.ascontiguousarray(u.T), x[0]

    def step() -> float:
        zx = rows @ w.T
        z = zx[:batch]
        for _ in range(STEPS):
            z = h @ ut
        for _ in range(STEPS):
            z @ u
        zx.T @ rows
        zx.T @ rows
        return 0.0

    return step


def ours(batch: int, compiled: bool = False) -> Step:
    import nn
    from autograd_lite import Tensor, compile, tensor

    x, weights = data(batch)
    layer, given = nn.LSTM(SIZE, SIZE), Tensor(x)
    layer.load_state_dict(
        dict(zip(dict(layer.named_parameters()), map(tensor, weights), strict=True))
    )
    optimizer = nn.optim.SGD(layer.parameters(), lr=LR)

    def loss_of(x: Any) -> Any:
        return (layer(x)[0] ** 2).mean()

    run = compile(loss_of) if compiled else loss_of

    def step() -> float:
        optimizer.zero_grad()
        loss = run(given)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def pytorch(batch: int) -> Step:
    import torch

    torch.set_num_threads(1)
    x, weights = data(batch)
    layer, given = torch.nn.LSTM(SIZE, SIZE), torch.tensor(x)
    with torch.no_grad():
        for p, a in zip(layer.parameters(), weights, strict=True):
            p.copy_(torch.tensor(a))
    optimizer = torch.optim.SGD(layer.parameters(), lr=LR)

    def step() -> float:
        optimizer.zero_grad()
        loss = (layer(given)[0] ** 2).mean()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def jax_jit(batch: int) -> Step:
    import jax
    import jax.numpy as jnp

    x, weights = data(batch)
    params, given = list(map(jnp.asarray, weights)), jnp.asarray(x)

    def loss_of(params: Any, x: Any) -> Any:
        w, u, b, bh = params

        def one(state: Any, zx: Any) -> Any:
            h, c = state
            i, f, g, o = jnp.split(zx + h @ u.T, 4, axis=-1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        start = jnp.zeros((2, x.shape[1], SIZE))
        _, ys = jax.lax.scan(one, (start[0], start[1]), x @ w.T + (b + bh))
        return (ys**2).mean()

    @jax.jit
    def update(params: Any, x: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_of)(params, x)
        return loss, [p - LR * g for p, g in zip(params, grads, strict=True)]

    def step() -> float:
        nonlocal params
        loss, params = update(params, given)
        return float(loss)

    return step


def main() -> None:
    batch, seconds = int(sys.argv[1]), float(sys.argv[2])
    floor = best({"products": products(batch)}, seconds / 10)["products"]
    compare(
        {
            "hand-written NumPy": lambda: by_hand(batch),
            "eager": lambda: ours(batch),
            "compiled": lambda: ours(batch, compiled=True),
            "PyTorch eager": lambda: pytorch(batch),
            "JAX jit": lambda: jax_jit(batch),
        },
        seconds,
        products=floor,
    )


if __name__ == "__main__":
    main()
