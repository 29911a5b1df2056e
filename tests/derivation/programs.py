"""Losses to derive: what people write, small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_lite as ag
import nn
from autograd_lite import Tensor
from nn import functional as F

PROGRAMS: dict[str, Callable[[], tuple[Tensor, Any]]] = {}


def program(function: Callable[[], tuple[Tensor, Any]]) -> Callable[[], tuple[Tensor, Any]]:
    PROGRAMS[function.__name__] = function
    return function


def normal(*shape: int) -> Any:
    return RNG.standard_normal(shape)


RNG = np.random.default_rng(0)


def named(name: str, *shape: int, grad: bool = True) -> Tensor:
    return Tensor(normal(*shape), grad, name)


class MLP(nn.Module):
    def __init__(
        self, sizes: tuple[int, int, int] = (6, 4, 3), norm: bool = False, p: float = 0
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(sizes[0], sizes[1], dtype="float64")
        self.norm = nn.BatchNorm1d(sizes[1]).double() if norm else nn.Identity()
        self.drop = nn.Dropout(p)
        self.fc2 = nn.Linear(sizes[1], sizes[2], dtype="float64")

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.drop(self.norm(self.fc1(x)).relu()))


class RNN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.Linear(3, 4, dtype="float64")
        self.rec = nn.Linear(4, 4, bias=False, dtype="float64")
        self.out = nn.Linear(4, 2, dtype="float64")

    def forward(self, x: Tensor) -> Tensor:
        h = Tensor(np.zeros((len(x), 4)), name="h0")
        for t in range(x.shape[1]):
            h = (self.cell(x[:, t]) + self.rec(h)).tanh()
        return self.out(h)


@program
def digits() -> tuple[Tensor, Any]:
    model = MLP((784, 64, 10))
    return F.cross_entropy(model(named("x", 16, 784, grad=False)), RNG.integers(0, 10, 16)), model


@program
def softmax_written_out() -> tuple[Tensor, Any]:
    W, b, x = named("W", 5, 3), named("b", 3), named("x", 8, 5, grad=False)
    y = Tensor(np.eye(3)[RNG.integers(0, 3, 8)], name="y")
    z = x @ W + b
    z.name = "z"
    e = ag.exp(z - z.amax(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    p.name = "p"
    return -(y * p.log()).sum() / 8, None


@program
def recurrent() -> tuple[Tensor, Any]:
    model = RNN()
    return F.mse_loss(model(named("x", 5, 4, 3, grad=False)), named("t", 5, 2, grad=False)), model


@program
def batch_norm() -> tuple[Tensor, Any]:
    model = MLP(norm=True)
    return F.cross_entropy(model(named("x", 8, 6, grad=False)), RNG.integers(0, 3, 8)), model


@program
def batch_norm_eval() -> tuple[Tensor, Any]:
    model = MLP(norm=True).eval()
    return F.cross_entropy(model(named("x", 8, 6, grad=False)), RNG.integers(0, 3, 8)), model


@program
def dropout() -> tuple[Tensor, Any]:
    model = MLP(p=0.5)
    return F.cross_entropy(model(named("x", 8, 6, grad=False)), RNG.integers(0, 3, 8)), model


@program
def tied_weights() -> tuple[Tensor, Any]:
    model = MLP((4, 4, 4))
    model.fc2.weight = model.fc1.weight
    return F.mse_loss(model(named("x", 8, 4, grad=False)), normal(8, 4)), model


@program
def layer_norm() -> tuple[Tensor, Any]:
    layer = nn.LayerNorm(6).double()
    return (layer(named("x", 8, 6)) * normal(8, 6)).sum(), layer


@program
def attention() -> tuple[Tensor, Any]:
    q, k, v = (named(n, 2, 4, 5, 3) for n in "qkv")
    p = F.softmax(q @ k.mT / np.sqrt(3), dim=-1)
    return ((p @ v) ** 2).sum(), None


@program
def embedding() -> tuple[Tensor, Any]:
    y = named("E", 7, 3)[np.array([1, 1, 5, 0])]
    return (y * y).sum(), None


@program
def changed_in_place() -> tuple[Tensor, Any]:
    w = named("w", 3, 3)
    y = w * 2
    y[0] = w[1] * 3
    y += 1
    y *= w
    return y.sum(), None


@program
def largest() -> tuple[Tensor, Any]:
    return (named("w", 3, 4).max(dim=1).values ** 2).sum(), None


@program
def one_value_twice() -> tuple[Tensor, Any]:
    a = named("a", 3, 3)
    y = a @ a + a.T
    return (y * y).mean() + a.exp().sum() * a.exp().mean(), None


@program
def differences_that_add_up() -> tuple[Tensor, Any]:
    z = named("z", 4, 3)
    return (z * z * 0.3 - F.log_softmax(z, dim=1) * normal(4, 3)).sum(), None


@program
def many_long_names() -> tuple[Tensor, Any]:
    xs = [named(f"one_of_the_rather_long_names_{i}", 2, 3) for i in range(12)]
    y = ag.concatenate(xs, 0)
    return (ag.stack([y, y * 2]) ** 2).sum(), None


@program
def deep() -> tuple[Tensor, Any]:
    y = named("x", 4)
    for _ in range(60):
        y = (y * 1.01 + 0.1).sin()
    return y.sum(), None


@program
def float32() -> tuple[Tensor, Any]:
    layer = nn.Linear(3, 2)
    x = Tensor(normal(4, 3).astype("float32"))
    return F.cross_entropy(layer(x).relu(), np.array([0, 1, 1, 0])), layer


@program
def mixed_types() -> tuple[Tensor, Any]:
    w = Tensor(normal(3).astype("float32"), True, "w")
    return (w * named("x", 2, 3) * np.sqrt(2)).exp().mean(), None


@program
def second_derivative() -> tuple[Tensor, Any]:
    w, x = named("w", 3, 2), named("x", 4, 3, grad=False)
    F.log_softmax(x @ w, dim=1)[:, 0].sum().backward(create_graph=True)
    g, w.grad = w.grad, None
    return (g * g).sum(), None


@program
def second_derivative_of_a_network() -> tuple[Tensor, Any]:
    model = MLP()
    loss = F.mse_loss(model.fc2(model.fc1(named("x", 8, 6, grad=False)).tanh()), normal(8, 3))
    loss.backward(create_graph=True)
    gradients = [p.grad for p in model.parameters()]
    for p in model.parameters():
        p.grad = None
    return sum((g * g).sum() for g in gradients), model


def losses() -> dict[str, Callable[[Tensor], Tensor]]:
    """Every loss, of scores (8, 3)."""
    t, classes = normal(8, 3), np.array([0, 2, 1, 1, 0, 2, 2, -100])
    p = np.abs(normal(8, 3))
    p /= p.sum(axis=1, keepdims=True)
    weight = np.array([1.0, 2.0, 0.5])
    bits = (t > 0).astype(float)
    return {
        "mse": lambda x: F.mse_loss(x, t),
        "mse sum": lambda x: F.mse_loss(x, t, reduction="sum"),
        "l1": lambda x: F.l1_loss(x, t),
        "huber": lambda x: F.huber_loss(x, t, delta=0.7),
        "smooth l1": lambda x: F.smooth_l1_loss(x, t, beta=0.5),
        "cross entropy": lambda x: F.cross_entropy(x, classes % 3),
        "cross entropy ignoring": lambda x: F.cross_entropy(x, classes),
        "cross entropy weighted": lambda x: F.cross_entropy(x, classes, weight=weight),
        "cross entropy smoothed": lambda x: F.cross_entropy(x, classes, label_smoothing=0.1),
        "cross entropy of probabilities": lambda x: F.cross_entropy(x, p, weight=weight),
        "nll": lambda x: F.nll_loss(F.log_softmax(x, dim=1), classes % 3, reduction="sum"),
        "bce": lambda x: F.binary_cross_entropy(x.sigmoid(), bits, weight=weight),
        "bce with logits": lambda x: F.binary_cross_entropy_with_logits(x, bits, pos_weight=weight),
        "gelu": lambda x: F.gelu(x).mean(),
        "normalized": lambda x: (F.normalize(x) * t).sum(),
        "norm 3": lambda x: ag.engine.rules.norm(x, 3),
        "std": lambda x: x.std(dim=0).sum() + x.var(dim=1).mean(),
        "cumprod": lambda x: x.cumprod(1).sum(),
    }


# ---- random programs ------------------------------------------------------------------------

KINDS: list[Callable[..., Any]] = [
    lambda a, b, W, v: a + b,
    lambda a, b, W, v: a - b,
    lambda a, b, W, v: a * b * 0.5,
    lambda a, b, W, v: a.tanh(),
    lambda a, b, W, v: b.sin(),
    lambda a, b, W, v: a * 0.5 + 1,
    lambda a, b, W, v: a @ W + v,
    lambda a, b, W, v: (a @ W.mT).tanh(),
    lambda a, b, W, v: a @ (a.mT @ b) * 0.1,
    lambda a, b, W, v: a * v - b,
    lambda a, b, W, v: a - a.mean(axis=0, keepdims=True),
    lambda a, b, W, v: F.softmax(a, dim=1) * b,
    lambda a, b, W, v: a.clone(),
    lambda a, b, W, v: ag.concatenate([a[1:], b[:1]]),
    lambda a, b, W, v: a.mT.reshape(2, 3).mT,
    lambda a, b, W, v: a / (1 + (b * b).sum()),
    lambda a, b, W, v: -a,
    lambda a, b, W, v: a.mT.mT + a,
    lambda a, b, W, v: a.relu() + b,
    lambda a, b, W, v: a[np.array([0, 2, 0])] * b,
    lambda a, b, W, v: (a * W[0]).exp() * 0.1,
    lambda a, b, W, v: ag.where(a.array > 0, a, b * 2),
    lambda a, b, W, v: (a**2 + 1).sqrt() / 2,
    lambda a, b, W, v: a.sum(axis=1, keepdims=True) + b,
    lambda a, b, W, v: a * (b @ v)[:, None],
    lambda a, b, W, v: a + b[:, 0] @ b,
    lambda a, b, W, v: a * (v @ v) - 3 * b,
    lambda a, b, W, v: -(a * b) / 7 - b / 7,
    lambda a, b, W, v: F.log_softmax(a * 2, dim=1)[np.arange(3), [1, 0, 1]][:, None] * b,
    lambda a, b, W, v: (2.0**a - (-b) * 0.3) * W.sum(),
    lambda a, b, W, v: (a[:, :1] * v) - a[:1] * -0.5,
    lambda a, b, W, v: b * F.cross_entropy(a, np.array([0, 1, 1])),
]


def random_program(steps: list[tuple[int, int, int, bool]]) -> Tensor:
    """Each step makes a matrix of two that were there before; some get names."""
    rng = np.random.default_rng(len(steps))
    x, W, v = (Tensor(rng.uniform(-1, 1, s), True, n) for n, s in zip("xWv", SHAPES, strict=True))
    values = [x, x * v]
    for kind, i, j, is_named in steps:
        a, b = values[i % len(values)], values[j % len(values)]
        y = KINDS[kind % len(KINDS)](a, b, W, v)
        if np.abs(y.array).max() > 10:
            y = y.tanh()
        if is_named:
            y.name = f"y{kind}"
        values.append(y)
    return (values[-1] * values[-2 % len(values)]).mean()


SHAPES = [(3, 2), (2, 2), (2,)]
