"""The training step of a network of linear layers in float32, as users of each system write it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

import nn
from autograd_lite import Tensor, compile

from .systems import Builders, Step

LR = 0.01


class Network(NamedTuple):
    """Layers of these widths with an activation between them, a loss, and SGD."""

    widths: tuple[int, ...]
    batch: int
    activation: str = "relu"  # or "tanh"
    loss: str = "cross_entropy"  # of classes, or "mse_loss"

    def data(self) -> tuple[Any, Any, list[Any]]:
        """Inputs, targets, and w1, b1, w2, b2, ... with weights as (in, out)."""
        rng = np.random.default_rng(0)
        parameters: list[Any] = []
        for m, k in pairwise(self.widths):
            w = (rng.standard_normal((m, k)) / np.sqrt(m)).astype(np.float32)
            parameters += [w, np.zeros(k, np.float32)]
        x = rng.standard_normal((self.batch, self.widths[0])).astype(np.float32)
        if self.loss == "cross_entropy":
            return x, rng.integers(0, self.widths[-1], self.batch), parameters
        t = rng.standard_normal((self.batch, self.widths[-1])).astype(np.float32)
        return x, t, parameters


def builders(network: Network) -> Builders:
    """How each system but hand-written NumPy makes its step."""
    every = {
        "eager": eager,
        "compiled": compiled,
        "compiled with SGD": compiled_with_sgd,
        "PyTorch eager": pytorch,
        "torch.compile": torch_compile,
        "JAX jit": jax_jit,
        "HIPS autograd": hips_autograd,
        "MyGrad": mygrad,
    }
    return {name: partial(build, network) for name, build in every.items()}


# ---- modules: this project and PyTorch, in the same words ------------------------------------


def trainable(network: Network, library: Any, optim: Any) -> tuple[Callable[[Any, Any], Any], Any]:
    """The function that computes the loss, and the optimiser, from `nn` or `torch.nn`."""
    *_, parameters = network.data()
    activation = {"relu": library.ReLU, "tanh": library.Tanh}[network.activation]
    layers = [
        m for shape in pairwise(network.widths) for m in (library.Linear(*shape), activation())
    ]
    model = library.Sequential(*layers[:-1])
    for parameter, value in zip(model.parameters(), parameters, strict=True):
        parameter.detach().numpy()[...] = value.T
    loss_fn = getattr(library.functional, network.loss)
    return lambda x, t: loss_fn(model(x), t), optim.SGD(model.parameters(), lr=LR)


def loop(loss_of: Callable[[Any, Any], Any], optimizer: Any, x: Any, t: Any) -> Step:
    def step() -> float:
        loss = loss_of(x, t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def eager(network: Network) -> Step:
    x, t, _ = network.data()
    return loop(*trainable(network, nn, nn.optim), Tensor(x), Tensor(t))


def compiled(network: Network) -> Step:
    x, t, _ = network.data()
    loss_of, optimizer = trainable(network, nn, nn.optim)
    return loop(compile(loss_of), optimizer, Tensor(x), Tensor(t))


def compiled_with_sgd(network: Network) -> Step:
    x, t, _ = network.data()
    loss_of, optimizer = trainable(network, nn, nn.optim)
    step, inputs, targets = compile(loss_of, optimizer=optimizer), Tensor(x), Tensor(t)
    return lambda: float(step(inputs, targets).item())


def pytorch(network: Network) -> Step:
    import torch

    x, t, _ = network.data()
    return loop(*trainable(network, torch.nn, torch.optim), *map(torch.from_numpy, (x, t)))


def torch_compile(network: Network) -> Step:
    import torch

    x, t, _ = network.data()
    loss_of, optimizer = trainable(network, torch.nn, torch.optim)
    return loop(torch.compile(loss_of), optimizer, *map(torch.from_numpy, (x, t)))


# ---- functions of arrays ---------------------------------------------------------------------


def output(parameters: Any, x: Any, activation: Callable[[Any], Any]) -> Any:
    *hidden, (w, b) = zip(parameters[::2], parameters[1::2], strict=True)
    for w_hidden, b_hidden in hidden:
        x = activation(x @ w_hidden + b_hidden)
    return x @ w + b


def jax_loss(network: Network) -> Callable[[Any, Any, Any], Any]:
    """The loss of parameters, inputs and targets."""
    import jax
    import jax.numpy as jnp

    activation = {"relu": jax.nn.relu, "tanh": jnp.tanh}[network.activation]

    def loss(parameters: Any, x: Any, t: Any) -> Any:
        y = output(parameters, x, activation)
        if network.loss == "mse_loss":
            return jnp.mean((y - t) ** 2)
        # 70 us at (16, 64), where log_softmax(y)[arange(n), t] takes 75 to 120
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(y), t[:, None], 1))

    return loss


def jax_jit(network: Network) -> Step:
    import jax
    import jax.numpy as jnp

    x, t, arrays = network.data()
    x, t, parameters = jnp.array(x), jnp.array(t), [jnp.array(a) for a in arrays]
    loss = jax_loss(network)

    @partial(jax.jit, donate_argnums=0)
    def update(parameters: Any, x: Any, t: Any) -> Any:
        value, gradients = jax.value_and_grad(loss)(parameters, x, t)
        return value, [p - LR * g for p, g in zip(parameters, gradients, strict=True)]

    def step() -> float:
        nonlocal parameters
        value, parameters = update(parameters, x, t)
        return float(value)

    return step


def hips_autograd(network: Network) -> Step:
    import autograd.numpy as anp
    from autograd import value_and_grad

    x, t, parameters = network.data()
    rows = np.arange(len(x))
    activation = {"relu": lambda a: anp.maximum(a, 0), "tanh": anp.tanh}[network.activation]

    def loss(parameters: Any) -> Any:
        y = output(parameters, x, activation)
        if network.loss == "mse_loss":
            return anp.mean((y - t) ** 2)
        y = y - anp.max(y, axis=1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(y), axis=1)) - y[rows, t])

    function = value_and_grad(loss)

    def step() -> float:
        value, gradients = function(parameters)
        for w, g in zip(parameters, gradients, strict=True):
            w -= np.float32(LR) * g
        return float(value)

    return step


def mygrad(network: Network) -> Step:
    import mygrad as mg
    from mygrad.nnet.losses import softmax_crossentropy

    mg.turn_memory_guarding_off()
    x, t, arrays = network.data()
    parameters = [mg.tensor(a) for a in arrays]
    activation = {"relu": lambda a: mg.maximum(a, 0), "tanh": mg.tanh}[network.activation]

    def step() -> float:
        y = output(parameters, x, activation)
        loss = (
            softmax_crossentropy(y, t) if network.loss == "cross_entropy" else mg.mean((y - t) ** 2)
        )
        loss.backward()
        for w in parameters:
            w.array -= np.float32(LR) * w.grad
            w.null_grad()
        return float(loss)

    return step
