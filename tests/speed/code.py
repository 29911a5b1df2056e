"""What `compile` makes, in C and in NumPy code, beside hand-written NumPy and its products alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np

import autograd_lite as ag
import nn
from autograd_lite import Tensor, compile

from . import deep, step
from .mlp import Network, eager, jax_jit, loop, pytorch, trainable
from .systems import Step
from .timing import best, blas_kernel, pin


def with_optimizer(network: Network, backend: str) -> Step:
    x, t, _ = network.data()
    loss_of, optimizer = trainable(network, nn, nn.optim)
    whole, inputs, targets = compile(loss_of, optimizer, backend=backend), Tensor(x), Tensor(t)
    return lambda: float(whole(inputs, targets).item())


def usual(network: Network, backend: str) -> Step:
    x, t, _ = network.data()
    loss_of, optimizer = trainable(network, nn, nn.optim)
    return loop(compile(loss_of, backend=backend), optimizer, Tensor(x), Tensor(t))


def products(network: Network) -> Step:
    """The matrix products of a step, and nothing else."""
    rng = np.random.default_rng(0)
    found = []
    for i, (m, k) in enumerate(pairwise(network.widths)):
        n = network.batch
        a, w, g = (rng.standard_normal(s).astype("f") for s in ((n, m), (m, k), (n, k)))
        found += [(a, w, g.copy()), (a.T, g, w.copy())]
        if i:
            found.append((g, w.T, a.copy()))

    def step() -> float:
        for a, b, out in found:
            np.dot(a, b, out)
        return 0.0

    return step


def linear(network: Network, by_hand: Callable[[], Step]) -> dict[str, Step]:
    """A network of linear layers, by every system."""
    found = {
        "hand": by_hand(),
        "products": products(network),
        "NumPy code": with_optimizer(network, "numpy"),
        "C": with_optimizer(network, "c"),
        "NumPy code, usual loop": usual(network, "numpy"),
        "C, usual loop": usual(network, "c"),
        "eager": eager(network),
    }
    for name, build in (("PyTorch eager", pytorch), ("JAX jit", jax_jit)):
        if find_spec(name.split()[0].lower().replace("pytorch", "torch")) is not None:
            found[name] = build(network)
    return found


def iris_by_hand(parameters: list[Any], x: Any, t: Any, adam: bool) -> Step:
    """The network of `iris` in NumPy, in place where it can be."""
    states = [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
    rows, count = np.arange(len(x)), [0]

    def step() -> float:
        count[0] += 1
        values = [x]
        for w, b in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
            h = values[-1] @ w
            h += b
            values.append(np.tanh(h, out=h))
        u = values[-1] @ parameters[-2]
        u += parameters[-1]
        u -= np.maximum.reduce(u, axis=1, keepdims=True)
        p = np.exp(u)
        total = np.add.reduce(p, axis=1, keepdims=True)
        loss = float((np.log(total[:, 0]) - u[rows, t]).mean())
        p /= total
        p[rows, t] -= 1
        p /= len(x)
        gradients: list[Any] = []
        for i in range(len(values) - 1, -1, -1):
            h = values[i]
            gradients[:0] = [h.T @ p, np.add.reduce(p, axis=0)]
            if i:
                p = p @ parameters[2 * i].T
                p *= 1 - h * h
        for w, g, (m, v) in zip(parameters, gradients, states, strict=True):
            if adam:
                m *= 0.9
                m += 0.1 * g
                v *= 0.999
                v += 0.001 * (g * g)
                rate = 1e-6 * np.sqrt(1 - 0.999 ** count[0]) / (1 - 0.9 ** count[0])
                w -= np.float32(rate) * (m / (np.sqrt(v) + np.float32(1e-8)))
            else:
                m *= 0.9
                m += g
                w -= np.float32(1e-6) * m
        return loss

    return step


def iris(adam: bool) -> dict[str, Step]:
    """4-50-20-10-3, tanh, batches of 16."""
    network = Network((4, 50, 20, 10, 3), 16, "tanh")
    x, t, parameters = network.data()

    def compiled(backend: str) -> Step:
        loss_of, optimizer = trainable(network, nn, nn.optim)
        given = [p for group in optimizer.param_groups for p in group["params"]]
        rule = nn.optim.Adam(given, lr=1e-6) if adam else nn.optim.SGD(given, 1e-6, momentum=0.9)
        whole, inputs, targets = compile(loss_of, rule, backend=backend), Tensor(x), Tensor(t)
        return lambda: float(whole(inputs, targets).item())

    return {
        "hand": iris_by_hand([p.copy() for p in parameters], x, t, adam),
        "products": products(network),
        "NumPy code": compiled("numpy"),
        "C": compiled("c"),
    }


def chain(size: int) -> dict[str, Step]:
    """300 operations and their gradient."""
    start = np.full(size, 0.5, np.float32)

    def chained(y: Any) -> Any:
        for _ in range(150):
            y = y * 1.01 + 0.1
        return y.sum()

    def by_hand() -> float:
        y = start
        for _ in range(150):
            y = y * 1.01 + 0.1
        g = np.ones_like(start)
        for _ in range(150):
            g = g * 1.01
        return float(y.sum())

    def compiled(backend: str) -> Step:
        function, x = compile(chained, backend=backend), Tensor(start, requires_grad=True)

        def step() -> float:
            x.grad = None
            y = function(x)
            y.backward()
            return float(y.item())

        return step

    return {"hand": by_hand, "NumPy code": compiled("numpy"), "C": compiled("c")}


def block() -> dict[str, Step]:
    """LayerNorm, attention and GELU on 32 tokens of 64 numbers, with its gradients; beside the
    NumPy code, as a form of it by hand is long."""
    ag.manual_seed(0)
    norm, out = nn.LayerNorm(64), nn.Linear(64, 64)
    q, k, v = (nn.Linear(64, 64) for _ in range(3))
    given = [p for m in (norm, q, k, v, out) for p in m.parameters()]
    x = Tensor(np.random.default_rng(0).standard_normal((32, 64)).astype("f"))

    def loss() -> Tensor:
        h = norm(x)
        h = x + (q(h) @ k(h).mT * 0.125).softmax(-1) @ v(h)
        return (ag.gelu(out(h)) ** 2).mean()

    def compiled(backend: str) -> Step:
        whole = compile(loss, nn.optim.SGD(given, lr=1e-6), backend=backend)
        return lambda: float(whole().item())

    return {"hand": compiled("numpy"), "C": compiled("c")}


ROWS: dict[str, Callable[[], dict[str, Step]]] = {
    "1, 8": lambda: linear(step.network(1, 8), lambda: step.by_hand(1, 8)),
    "16, 64": lambda: linear(step.network(16, 64), lambda: step.by_hand(16, 64)),
    "128, 256": lambda: linear(step.network(128, 256), lambda: step.by_hand(128, 256)),
    "1024, 1024": lambda: linear(step.network(1024, 1024), lambda: step.by_hand(1024, 1024)),
    "10 layers": lambda: linear(deep.NETWORK, deep.by_hand),
    "Iris, Adam": lambda: iris(True),
    "Iris, momentum": lambda: iris(False),
    "chain on 8": lambda: chain(8),
    "chain on 100,000": lambda: chain(100_000),
    "attention block": block,
}


def main() -> None:
    pin()
    names = sys.argv[2:] or list(ROWS)
    found = {name: best(ROWS[name](), float(sys.argv[1])) for name in names}
    print(json.dumps({"kernel": blas_kernel(), "rows": found}))


if __name__ == "__main__":
    main()
