"""What `compile` makes, in C and in NumPy code, beside hand-written NumPy and its products alone,
eager code, PyTorch and JAX: `python -m tests.speed.code SECONDS ROW`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

import autograd_lite as ag
import nn
from autograd_lite import Tensor, compile

from . import deep, lenet, step
from .mlp import (
    LR,
    Network,
    eager,
    jax_jit,
    jax_loss,
    loop,
    pytorch,
    torch_compile,
    trainable,
)
from .systems import NEEDS, Builders, Step, missing
from .timing import best, blas_kernel, pin

Rule = Callable[[Any, Any], Any]  # an optimizer of a library's `optim` for parameters


def sgd(optim: Any, parameters: Any) -> Any:
    return optim.SGD(parameters, lr=LR)


def with_optimizer(network: Network, backend: str, rule: Rule = sgd) -> Step:
    x, t, _ = network.data()
    loss_of, optimizer = trainable(network, nn, nn.optim)
    optimizer = rule(nn.optim, optimizer.param_groups[0]["params"])
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


def linear(network: Network, by_hand: Callable[[], Step]) -> Builders:
    """A network of linear layers, by every system."""
    return {
        "hand": by_hand,
        "products": partial(products, network),
        "eager": partial(eager, network),
        "NumPy code": partial(with_optimizer, network, "numpy"),
        "C": partial(with_optimizer, network, "c"),
        "NumPy code, usual loop": partial(usual, network, "numpy"),
        "C, usual loop": partial(usual, network, "c"),
        "PyTorch eager": partial(pytorch, network),
        "torch.compile": partial(torch_compile, network),
        "JAX jit": partial(jax_jit, network),
    }


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


IRIS = Network((4, 50, 20, 10, 3), 16, "tanh")


def adam(optim: Any, parameters: Any) -> Any:
    return optim.Adam(parameters, lr=1e-6)


def momentum(optim: Any, parameters: Any) -> Any:
    return optim.SGD(parameters, lr=1e-6, momentum=0.9)


def iris_in_torch(rule: Rule, inductor: bool) -> Step:
    import torch

    x, t, _ = IRIS.data()
    loss_of, optimizer = trainable(IRIS, torch.nn, torch.optim)
    optimizer = rule(torch.optim, optimizer.param_groups[0]["params"])
    loss_of = torch.compile(loss_of) if inductor else loss_of
    return loop(loss_of, optimizer, *map(torch.from_numpy, (x, t)))


def iris_in_jax(rule: Rule) -> Step:
    import jax
    import jax.numpy as jnp

    x, t, arrays = IRIS.data()
    loss = jax_loss(IRIS)

    @partial(jax.jit, donate_argnums=0)
    def update(state: Any, x: Any, t: Any) -> Any:
        parameters, first, second, n = state
        value, gradients = jax.value_and_grad(loss)(parameters, x, t)
        kept, mean, square = [], [], []
        for p, g, m, v in zip(parameters, gradients, first, second, strict=True):
            if rule is adam:
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
                d = m / (1 - 0.9**n) / (jnp.sqrt(v / (1 - 0.999**n)) + 1e-8)
            else:
                m = d = 0.9 * m + g
            kept.append(p - 1e-6 * d)
            mean.append(m)
            square.append(v)
        return value, (kept, mean, square, n + 1)

    zeros = [[jnp.zeros_like(a) for a in arrays] for _ in range(2)]
    x, t, state = jnp.array(x), jnp.array(t), ([jnp.array(a) for a in arrays], *zeros, 1.0)

    def step() -> float:
        nonlocal state
        value, state = update(state, x, t)
        return float(value)

    return step


def iris(rule: Rule) -> Builders:
    """4-50-20-10-3, tanh, batches of 16."""
    x, t, parameters = IRIS.data()
    return {
        "hand": lambda: iris_by_hand([p.copy() for p in parameters], x, t, rule is adam),
        "products": partial(products, IRIS),
        "eager": lambda: iris_eager(rule),
        "NumPy code": partial(with_optimizer, IRIS, "numpy", rule),
        "C": partial(with_optimizer, IRIS, "c", rule),
        "PyTorch eager": partial(iris_in_torch, rule, False),
        "torch.compile": partial(iris_in_torch, rule, True),
        "JAX jit": partial(iris_in_jax, rule),
    }


def iris_eager(rule: Rule) -> Step:
    x, t, _ = IRIS.data()
    loss_of, optimizer = trainable(IRIS, nn, nn.optim)
    optimizer = rule(nn.optim, optimizer.param_groups[0]["params"])
    return loop(loss_of, optimizer, Tensor(x), Tensor(t))


def chain(size: int) -> Builders:
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

    def backward(function: Any, x: Any) -> Step:
        def step() -> float:
            x.grad = None
            y = function(x)
            y.backward()
            return float(y.item())

        return step

    def ours(backend: str) -> Step:
        return backward(compile(chained, backend=backend), Tensor(start, requires_grad=True))

    def in_torch(inductor: bool) -> Step:
        import torch

        function = torch.compile(chained) if inductor else chained
        return backward(function, torch.tensor(start, requires_grad=True))

    def in_jax() -> Step:
        import jax

        function, x = jax.jit(jax.value_and_grad(chained)), jax.numpy.array(start)
        return lambda: float(jax.block_until_ready(function(x))[0])

    return {
        "hand": lambda: by_hand,
        "eager": lambda: backward(chained, Tensor(start, requires_grad=True)),
        "NumPy code": partial(ours, "numpy"),
        "C": partial(ours, "c"),
        "PyTorch eager": partial(in_torch, False),
        "torch.compile": partial(in_torch, True),
        "JAX jit": in_jax,
    }


def block() -> Builders:
    """LayerNorm, attention and GELU on 32 tokens of 64 numbers, and a step of SGD; beside the NumPy
    code, as a form of it by hand is long."""
    ag.manual_seed(0)
    x = np.random.default_rng(0).standard_normal((32, 64)).astype("f")
    made = [nn.LayerNorm(64), *(nn.Linear(64, 64) for _ in range(4))]
    arrays = [p.detach().numpy().copy() for m in made for p in m.parameters()]

    def modules(library: Any, optim: Any, functional: Any, x: Any) -> tuple[Any, Any]:
        norm, q, k, v, out = library.LayerNorm(64), *(library.Linear(64, 64) for _ in range(4))
        given = [p for m in (norm, q, k, v, out) for p in m.parameters()]
        for p, a in zip(given, arrays, strict=True):
            p.detach().numpy()[...] = a

        def loss() -> Any:
            h = norm(x)
            h = x + (q(h) @ k(h).mT * 0.125).softmax(-1) @ v(h)
            return (functional.gelu(out(h)) ** 2).mean()

        return loss, optim.SGD(given, lr=1e-6)

    def ours(backend: str) -> Step:
        loss, optimizer = modules(nn, nn.optim, nn.functional, Tensor(x))
        whole = compile(loss, optimizer, backend=backend)
        return lambda: float(whole().item())

    def usual_loop(loss: Any, optimizer: Any) -> Step:
        return loop(lambda x, t: loss(), optimizer, None, None)

    def in_torch(inductor: bool) -> Step:
        import torch

        loss, rule = modules(torch.nn, torch.optim, torch.nn.functional, torch.from_numpy(x))
        return usual_loop(torch.compile(loss) if inductor else loss, rule)

    def in_jax() -> Step:
        import jax
        import jax.numpy as jnp

        def loss(p: Any, x: Any) -> Any:
            gain, bias, *rest = p
            d = x - x.mean(-1, keepdims=True)
            h = d / jnp.sqrt((d * d).mean(-1, keepdims=True) + 1e-5) * gain + bias
            q, k, v = (h @ w.T + b for w, b in zip(rest[:6:2], rest[1:6:2], strict=True))
            h = x + jax.nn.softmax(q @ k.T * 0.125, -1) @ v
            return (jax.nn.gelu(h @ rest[6].T + rest[7], approximate=False) ** 2).mean()

        @partial(jax.jit, donate_argnums=0)
        def update(p: Any, x: Any) -> Any:
            value, gradients = jax.value_and_grad(loss)(p, x)
            return value, [a - 1e-6 * g for a, g in zip(p, gradients, strict=True)]

        p, given = [jnp.array(a) for a in arrays], jnp.array(x)

        def step() -> float:
            nonlocal p
            value, p = update(p, given)
            return float(value)

        return step

    return {
        "hand": partial(ours, "numpy"),
        "eager": lambda: usual_loop(*modules(nn, nn.optim, nn.functional, Tensor(x))),
        "C": partial(ours, "c"),
        "PyTorch eager": partial(in_torch, False),
        "torch.compile": partial(in_torch, True),
        "JAX jit": in_jax,
    }


def digits() -> Builders:
    """LeNet on 32 digits, by hand with im2col."""
    p, shape = lenet.weights(lenet.SMALL), lenet.SMALL
    makers = {
        "hand": lenet.by_hand,
        "products": lenet.floor,
        "eager": partial(lenet.ours, kind="eager"),
        "NumPy code": partial(lenet.ours, kind="compiled with SGD, NumPy code"),
        "C": partial(lenet.ours, kind="compiled with SGD"),
        "C, usual loop": partial(lenet.ours, kind="compiled"),
        "PyTorch eager": lenet.by_torch,
        "torch.compile": partial(lenet.by_torch, inductor=True),
        "JAX jit": lenet.by_jax,
    }
    return {
        name: partial(make, {k: a.copy() for k, a in p.items()}, shape=shape)
        for name, make in makers.items()
    }


def layers(batch: int, hidden: int) -> Builders:
    return linear(step.network(batch, hidden), lambda: step.by_hand(batch, hidden))


class Row(NamedTuple):
    """A step by every system, and what should be reached at most, as times of the first."""

    builders: Callable[[], Builders]
    aims: dict[str, float]


ROWS = {
    "1, 8": Row(lambda: layers(1, 8), {"C": 0.20, "eager": 1.85}),
    "16, 64": Row(lambda: layers(16, 64), {"C": 0.50, "C, usual loop": 0.85, "eager": 1.65}),
    "128, 256": Row(lambda: layers(128, 256), {"C": 0.88, "C, usual loop": 0.98, "eager": 1.15}),
    "1024, 1024": Row(lambda: layers(1024, 1024), {"C": 0.97, "C, usual loop": 1, "eager": 1.05}),
    "10 layers": Row(lambda: linear(deep.NETWORK, deep.by_hand), {"C": 0.50}),
    "Iris, Adam": Row(lambda: iris(adam), {"C": 0.12}),
    "Iris, momentum": Row(lambda: iris(momentum), {"C": 0.18}),
    "chain on 8": Row(lambda: chain(8), {"C": 0.04}),
    "chain on 100,000": Row(lambda: chain(100_000), {"C": 0.12}),
    "attention block": Row(block, {"C": 0.55}),
    "LeNet, 32 digits": Row(digits, {"C": 0.95}),
}


def main() -> None:
    pin()
    seconds, row = float(sys.argv[1]), ROWS[sys.argv[2]]
    steps, losses, left_out = dict[str, Step](), dict[str, float](), dict[str, str]()
    for name, build in row.builders().items():
        if reason := missing(name, seconds):
            left_out[name] = reason
            continue
        try:
            step = build()
            losses[name] = [step() for _ in range(2)][-1]
            steps[name] = step
        except Exception as error:
            if name not in NEEDS:
                raise
            left_out[name] = f"{type(error).__name__}: {error}".splitlines()[0]
    first = losses["hand"]
    for name, loss in losses.items():  # the same computation, or the ratio means nothing
        assert name == "products" or abs(loss - first) < 1e-3 * abs(first), losses
    found = {"times": best(steps, seconds), "left_out": left_out, "aims": row.aims}
    print(json.dumps(found | {"kernel": blas_kernel()}))


if __name__ == "__main__":
    main()
