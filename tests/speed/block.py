"""A block of a GPT (64 letters, width 128, 4 heads), forward and backward; and an embedding of
50,000 rows of which 64 are read, with a step of SGD."""

from __future__ import annotations

import json
import math
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_lite as ag
import nn
from nn import functional as F

from .timing import best, blas_kernel, pin

LENGTH, WIDTH, HEADS = 64, 128, 4
ROWS, SIZE, READ = 50_000, 128, 64
Step = Callable[[], Any]
Array = np.ndarray[Any, Any]


def module(layers: Any, functions: Any) -> Any:
    """x + attention(norm(x)), then x + mlp(norm(x)), in PyTorch's words."""

    class Block(layers.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = layers.LayerNorm(WIDTH), layers.LayerNorm(WIDTH)
            self.qkv, self.out = layers.Linear(WIDTH, 3 * WIDTH), layers.Linear(WIDTH, WIDTH)
            self.up, self.down = (
                layers.Linear(WIDTH, 4 * WIDTH),
                layers.Linear(4 * WIDTH, WIDTH),
            )

        def forward(self, x: Any) -> Any:
            n = x.shape[0]
            parts = self.qkv(self.norm1(x)).reshape(n, LENGTH, 3, HEADS, WIDTH // HEADS)
            q, k, v = parts.permute(2, 0, 3, 1, 4)
            y = functions.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(n, LENGTH, WIDTH))
            return x + self.down(functions.gelu(self.up(self.norm2(x)), approximate="tanh"))

    return Block()


def data(n: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((2, n, LENGTH, WIDTH)).astype("float32")
    return x, t


def normal(x: Array, gain: Array, bias: Array) -> tuple[Array, Array, Array]:
    d = x - x.mean(-1, keepdims=True)
    scale = 1 / np.sqrt((d * d).mean(-1, keepdims=True) + 1e-5)
    d *= scale
    return d * gain + bias, d, scale


def normal_back(g: Array, d: Array, scale: Array, gain: Array) -> list[Array]:
    gain_grad, bias_grad = (g * d).sum((0, 1)), g.sum((0, 1))
    g = g * gain
    g -= g.mean(-1, keepdims=True) + d * (g * d).mean(-1, keepdims=True)
    return [g * scale, gain_grad, bias_grad]


def by_hand(block: Any, x: Array, t: Array) -> Step:
    """As one would write it, in place where it can be; it gives the loss and the gradients."""
    p = {name: q.array for name, q in block.named_parameters()}
    n, size = len(x), WIDTH // HEADS
    root, c = np.float32(1 / math.sqrt(size)), np.float32(math.sqrt(2 / math.pi))
    mask = np.triu(np.full((LENGTH, LENGTH), -np.inf, "float32"), 1)

    def flat(a: Array) -> Array:
        return a.reshape(-1, a.shape[-1])

    def linear(a: Array, name: str) -> Array:
        y = flat(a) @ p[f"{name}.weight"].T
        y += p[f"{name}.bias"]
        return y.reshape(*a.shape[:-1], -1)

    def step() -> Any:
        a, d1, s1 = normal(x, p["norm1.weight"], p["norm1.bias"])
        parts = linear(a, "qkv").reshape(n, LENGTH, 3, HEADS, size).transpose(2, 0, 3, 1, 4)
        q, k, v = parts
        e = q @ k.swapaxes(-1, -2)
        e *= root
        e += mask
        e -= e.max(-1, keepdims=True)
        np.exp(e, out=e)
        e /= e.sum(-1, keepdims=True)
        h = (e @ v).transpose(0, 2, 1, 3).reshape(n, LENGTH, WIDTH)
        x1 = linear(h, "out")
        x1 += x
        b, d2, s2 = normal(x1, p["norm2.weight"], p["norm2.bias"])
        z = linear(b, "up")
        w = np.tanh(c * (z + np.float32(0.044715) * z * z * z))
        u = z * (w + 1)
        u *= np.float32(0.5)
        y = linear(u, "down")
        y += x1
        y -= t
        loss = float((y * y).mean())

        G: dict[str, Array] = {}

        def back(g: Array, a: Array, name: str) -> Array:
            G[f"{name}.weight"] = flat(g).T @ flat(a)
            G[f"{name}.bias"] = flat(g).sum(0)
            return (flat(g) @ p[f"{name}.weight"]).reshape(a.shape)

        g = y
        g *= np.float32(2 / y.size)
        du = back(g, u, "down")
        slope = np.float32(0.5) * (1 + w)
        w *= w
        slope += np.float32(0.5) * c * z * (1 - w) * (1 + np.float32(3 * 0.044715) * z * z)
        du *= slope
        db = back(du, b, "up")
        dx, G["norm2.weight"], G["norm2.bias"] = normal_back(db, d2, s2, p["norm2.weight"])
        dx += g
        dh = back(dx, h, "out").reshape(n, LENGTH, HEADS, size).transpose(0, 2, 1, 3)
        whole = np.empty((n, LENGTH, 3, HEADS, size), "float32")
        dq, dk, dv = whole.transpose(2, 0, 3, 1, 4)
        dv[...] = e.swapaxes(-1, -2) @ dh
        de = dh @ v.swapaxes(-1, -2)
        de -= (de * e).sum(-1, keepdims=True)
        de *= e
        de *= root
        dq[...] = de @ k
        dk[...] = de.swapaxes(-1, -2) @ q
        da = back(whole.reshape(n, LENGTH, 3 * WIDTH), a, "qkv")
        _, G["norm1.weight"], G["norm1.bias"] = normal_back(da, d1, s1, p["norm1.weight"])
        return loss, G

    return step


def trained(block: Any, x: Any, t: Any) -> Step:
    def step() -> Any:
        loss = ((block(x) - t) ** 2).mean()
        block.zero_grad()
        loss.backward()
        return loss

    return step


def compiled(block: Any, x: Any, t: Any) -> Step:
    loss_of = ag.compile(lambda x, t: ((block(x) - t) ** 2).mean())

    def step() -> Any:
        loss = loss_of(x, t)
        block.zero_grad()
        loss.backward()
        return loss

    return step


def with_jax(block: Any, x: Array, t: Array) -> Step:
    import jax
    import jax.numpy as jnp

    p = {name: jnp.asarray(q.array) for name, q in block.named_parameters()}
    n, size = len(x), WIDTH // HEADS
    mask = jnp.triu(jnp.full((LENGTH, LENGTH), -jnp.inf, "float32"), 1)

    def normal(p: Any, x: Any, name: str) -> Any:
        d = x - x.mean(-1, keepdims=True)
        d = d / jnp.sqrt((d * d).mean(-1, keepdims=True) + 1e-5)
        return d * p[f"{name}.weight"] + p[f"{name}.bias"]

    def linear(p: Any, a: Any, name: str) -> Any:
        return a @ p[f"{name}.weight"].T + p[f"{name}.bias"]

    def loss_of(p: Any, x: Any, t: Any) -> Any:
        parts = linear(p, normal(p, x, "norm1"), "qkv").reshape(n, LENGTH, 3, HEADS, size)
        q, k, v = parts.transpose(2, 0, 3, 1, 4)
        scores = q @ k.swapaxes(-1, -2) / math.sqrt(size) + mask
        h = (jax.nn.softmax(scores, -1) @ v).transpose(0, 2, 1, 3).reshape(n, LENGTH, WIDTH)
        x = x + linear(p, h, "out")
        y = x + linear(p, jax.nn.gelu(linear(p, normal(p, x, "norm2"), "up")), "down")
        return ((y - t) ** 2).mean()

    run = jax.jit(jax.value_and_grad(loss_of))
    jx, jt = jnp.asarray(x), jnp.asarray(t)
    return lambda: jax.block_until_ready(run(p, jx, jt))


def blocks(n: int) -> tuple[dict[str, Step], dict[str, str]]:
    """The steps on a batch of `n`, and why some are left out; all give the same loss."""
    ag.manual_seed(0)
    block = module(nn, F)
    x, t = data(n)
    steps = {
        "hand-written NumPy": by_hand(block, x, t),
        "eager": trained(block, ag.tensor(x), ag.tensor(t)),
        "compiled": compiled(block, ag.tensor(x), ag.tensor(t)),
    }
    left_out = {}
    try:
        import torch

        torch.set_num_threads(1)
        theirs = module(torch.nn, torch.nn.functional)
        theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in block.state_dict().items()})
        steps["PyTorch eager"] = trained(theirs, torch.tensor(x), torch.tensor(t))
    except ImportError as error:
        left_out["PyTorch eager"] = str(error)
    try:
        steps["JAX jit"] = with_jax(block, x, t)
    except ImportError as error:
        left_out["JAX jit"] = str(error)
    loss, grads = steps["hand-written NumPy"]()
    for name, step in steps.items():
        found = step()
        found = found[0] if isinstance(found, tuple) else found.item()
        assert abs(float(found) - loss) < 1e-4 * loss, (name, found, loss)
    for name, p in block.named_parameters():
        np.testing.assert_allclose(p.grad.array, grads[name], 2e-2, 1e-5, err_msg=name)
    return steps, left_out


def tables() -> tuple[dict[str, Step], dict[str, str]]:
    """A step of SGD on an embedding, by hand on the rows that were read, and by libraries."""
    words = np.random.default_rng(0).integers(0, ROWS, READ)
    weight = np.random.default_rng(1).standard_normal((ROWS, SIZE)).astype("float32")

    def rows() -> None:
        g = 2 * weight[words]
        np.subtract.at(weight, words, np.float32(1e-3) * g)

    def whole() -> None:
        g = np.zeros_like(weight)
        np.add.at(g, words, 2 * weight[words])
        weight[...] -= np.float32(1e-3) * g

    def library(layers: Any, optim: Any, tensor: Any, sparse: bool) -> Step:
        layer, i = layers.Embedding(ROWS, SIZE, sparse=sparse), tensor(words)
        optimizer = optim.SGD(layer.parameters(), lr=1e-3)

        def step() -> None:
            optimizer.zero_grad()
            (layer(i) ** 2).sum().backward()
            optimizer.step()

        return step

    steps = {"hand-written NumPy": rows, "hand, all rows": whole}
    steps["eager"] = library(nn, nn.optim, ag.tensor, False)
    steps["eager, sparse"] = library(nn, nn.optim, ag.tensor, True)
    try:
        import torch

        torch.set_num_threads(1)
        steps["PyTorch eager"] = library(torch.nn, torch.optim, torch.tensor, False)
        steps["PyTorch, sparse"] = library(torch.nn, torch.optim, torch.tensor, True)
    except ImportError as error:
        return steps, {"PyTorch eager": str(error)}
    return steps, {}


def peak(step: Step) -> int:
    step()
    step()
    tracemalloc.start()
    step()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def main() -> None:
    pin()
    what, seconds = sys.argv[1], float(sys.argv[2])
    steps, left_out = tables() if what == "embedding" else blocks(int(what))
    peaks = {name: peak(steps[name]) for name in ("hand-written NumPy", "eager")}
    found = {"times": best(steps, seconds), "left_out": left_out, "kernel": blas_kernel()}
    print(json.dumps(found | {"peaks": peaks}))


if __name__ == "__main__":
    main()
