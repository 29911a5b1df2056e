"""The test bed of naming: nets with a backward by hand in which a learner's mistakes are planted.

A net gives a loss of named Tensors, and a backward in plain NumPy. The backward asks `slip(slug,
place)` wherever a mistake can be made, and what follows is computed from the wrong result, as it
is when a learner makes it. A `Slip` that makes no mistake collects the questions: they are the
cases. `python -m tests.compare.planted` prints how many are named and located, and every failure.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

import autograd_lite as ag
import nn
from autograd_lite import Tensor, compare
from autograd_lite.compare import Report

Array = Any
Grads = dict[str, Array]

# A learner who writes one function for all layers makes its mistake in all of them.
EVERYWHERE = "everywhere"
SHARED = {
    "activation-missing", "activation-at-output", "activation-not-derived", "relu-mask-missing",
    "relu-mask-from-upstream", "bias-not-summed", "bias-averaged", "last-sample-only",
    "updated-weights", "weight-not-transposed",
}  # fmt: skip


# Slugs that are the same gradient at the same place by what they mean, whatever the net: a bias
# is what broadcasting added to every row, and a branch that is overwritten is one that is detached.
ALIKE = {"bias-not-summed": {"broadcast-not-undone"}, "overwritten": {"placeholder"}}
# Mistakes that multiply by a number: two of them make a third number, which may have a name too.
CONSTANT = {
    "sign", "factor-2", "factor-half", "mean-missing", "mean-twice", "mean-count", "counted-twice",
    "bias-averaged",
}  # fmt: skip


@dataclass(frozen=True)
class Mistake:
    """A slug of the table, the tensor whose gradient it breaks, and which way of making it."""

    slug: str
    place: str
    how: str = ""

    def __str__(self) -> str:
        return f"{self.slug} at {self.place}" + (f" ({self.how})" if self.how else "")


class Slip:
    """Asked at every place of a backward whether a mistake is made there; `times` multiplies the
    gradients of intermediates by numbers."""

    def __init__(self, *made: Mistake, times: dict[str, float] | None = None) -> None:
        self.made = set(made)
        self.times = times or {}
        self.asked: dict[Mistake, None] = {}

    def __call__(self, slug: str, place: str, how: str = "") -> bool:
        here = Mistake(slug, place, how)
        self.asked[here] = None
        return here in self.made or replace(here, place=EVERYWHERE) in self.made


# ---- the backward of one operation, as a learner writes it ----------------------------------


def scaled(slip: Slip, name: str, d: Array, how: str = "") -> Array:
    if slip("sign", name, how):
        d = -d
    if slip("factor-2", name, how):
        d = 2 * d
    if slip("factor-half", name, how):
        d = d / 2
    return d * slip.times.get(name, 1)


def finished(slip: Slip, name: str, d: Array, n: int) -> Array:
    """The gradient of a parameter with what may go wrong at the end; n is 0 without a mean."""
    if n and slip("mean-missing", name):
        d = d * n
    if slip("placeholder", name, "zeros"):
        d = np.zeros_like(d)
    if slip("placeholder", name, "ones"):
        d = np.ones_like(d)
    return scaled(slip, name, d)


def weight_grad(
    slip: Slip, name: str, g: Array, x: Array, w: Array, via: tuple[Array, Any] | None = None
) -> Array:
    """dW of z = x W for W (in, out); `via` is the gradient of f(z) and f′, where g = da f′(z)."""
    dw = x.T @ g
    square = w.shape[0] == w.shape[1]
    if square and slip("transposed", name):
        dw = dw.T
    if square and slip("operand-order", name, "gᵀ x for xᵀ g"):
        dw = g.T @ x
    if slip("summed-over-inputs", name):
        dw = np.zeros_like(w) + dw.sum(0)
    if slip("last-sample-only", name):
        for x_i, g_i in zip(x, g, strict=True):
            dw = np.outer(x_i, g_i)
    if slip("product-of-means", name):
        dw = np.outer(x.mean(0), g.sum(0))  # g has its 1/n already
    if slip("weight-for-input", name):
        dw = sum(w * g_i for g_i in g)
    if slip("mean-twice", name):
        dw = dw / len(x)
    if via and slip("partial-preactivation", name):
        da, slope = via
        dw = sum(
            x_i[:, None] * slope(x_i[:, None] * w) * da_i for x_i, da_i in zip(x, da, strict=True)
        )
    return dw


def bias_grad(slip: Slip, name: str, g: Array, dw: Array | None) -> Array:
    if slip("bias-not-summed", name):
        return g
    if slip("bias-averaged", name):
        return g.mean(0)
    if dw is not None and slip("bias-from-weight", name):
        return dw.sum(0)
    if slip("last-sample-only", name):
        return g[-1]
    if slip("wrong-axis", name):
        return g.sum(1)
    if slip("summed-over-inputs", name):
        return np.full(g.shape[1], g.sum())
    return g.sum(0)


def input_grad(slip: Slip, name: str, g: Array, w: Array, dw: Array) -> Array:
    """dX of z = x W for W (in, out)."""
    if w.shape[0] == w.shape[1] and slip("weight-not-transposed", name):
        return g @ w
    if slip("updated-weights", name):
        return g @ (w - 0.1 * dw).T
    if slip("placeholder", name, "zeros"):
        return np.zeros_like(g @ w.T)
    return g @ w.T


def dense(
    slip: Slip,
    grads: Grads,
    g: Array,
    x: Array,
    w: Array,
    names: tuple[str, str, str],
    via: tuple[Array, Any] | None = None,
    out_in: bool = False,
    mean: bool = True,
) -> Array:
    """Store dW and db of z = x W + b and return dX, which is stored too if it has a name; with
    `out_in` W is (out, in), and `mean` says that the loss is one over the batch."""
    weight, bias, below = names
    w = w.T if out_in else w
    dw = weight_grad(slip, weight, g, x, w, via)
    if w.shape[0] == w.shape[1] and slip("operand-order", weight, "g xᵀ"):
        dw = g @ x.T  # (n, n)
    dw = finished(slip, weight, dw, mean and len(x))
    grads[weight] = dw.T if out_in and dw.shape == w.shape else dw
    if bias:
        db = bias_grad(slip, bias, g, x.T @ g)
        grads[bias] = finished(slip, bias, db, mean and len(x))
    if below:
        grads[below] = scaled(slip, below, input_grad(slip, below, g, w, x.T @ g))
        return grads[below]
    return None


def tanh_slope(z: Array) -> Array:
    return 1 - np.tanh(z) ** 2


def through_tanh(slip: Slip, name: str, da: Array, a: Array) -> Array:
    if slip("activation-missing", name):
        return scaled(slip, name, da)
    if slip("activation-at-output", name):
        return scaled(slip, name, da * (1 - np.tanh(a) ** 2))
    if slip("activation-not-derived", name, "f for f′"):
        return scaled(slip, name, da * a)
    if slip("activation-not-derived", name, "1 - a"):
        return scaled(slip, name, da * (1 - a))
    if slip("activation-not-derived", name, "the sigmoid's"):
        return scaled(slip, name, da * a * (1 - a))
    return scaled(slip, name, da * (1 - a**2))


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def sigmoid_slope(z: Array) -> Array:
    return sigmoid(z) * (1 - sigmoid(z))


def through_sigmoid(slip: Slip, name: str, da: Array, a: Array) -> Array:
    if slip("activation-missing", name):
        return scaled(slip, name, da)
    if slip("activation-at-output", name):
        return scaled(slip, name, da * sigmoid(a) * (1 - sigmoid(a)))
    if slip("activation-not-derived", name, "f for f′"):
        return scaled(slip, name, da * a)
    if slip("activation-not-derived", name, "the tanh's"):
        return scaled(slip, name, da * (1 - a**2))
    return scaled(slip, name, da * a * (1 - a))


def relu_slope(z: Array) -> Array:
    return 1.0 * (z > 0)


def through_relu(slip: Slip, name: str, da: Array, z: Array, slope: float = 0.0) -> Array:
    """relu, and leaky relu where there is a slope."""
    if slip("relu-mask-missing", name):
        return scaled(slip, name, da)
    if slip("activation-missing", name):
        return scaled(slip, name, da)
    if slip("relu-mask-from-upstream", name):
        return scaled(slip, name, np.where(da > 0, da, slope * da))
    if slip("activation-not-derived", name, "f for f′"):
        return scaled(slip, name, da * np.where(z > 0, z, slope * z))
    return scaled(slip, name, da * np.where(z > 0, 1, slope))


def loss_grad(slip: Slip, name: str, d: Array, mean_over: str) -> Array:
    """The gradient of the last tensor before the loss, (n, K), with mistakes of its mean: over
    all entries, over the batch, or none for a sum."""
    n, k = d.shape
    if mean_over == "entries" and slip("mean-count", name, "n for n K"):
        d = d * k
    if mean_over == "batch" and slip("mean-count", name, "n K for n"):
        d = d / k
    if mean_over != "sum" and slip("mean-missing", name):
        d = d * n
    if slip("mean-twice", name):
        d = d / n
    return scaled(slip, name, d)


def through_softmax(slip: Slip, name: str, dp: Array, p: Array, z: Array) -> Array:
    if slip("softmax-diagonal", name):
        return dp * p * (1 - p)
    if slip("softmax-from-logits", name):
        return z * (dp - (dp * z).sum(1, keepdims=True))
    if slip("wrong-axis", name):
        return p * (dp - (dp * p).sum(0, keepdims=True))
    if slip("softmax-twice", name):
        dp = p * (dp - (dp * p).sum(1, keepdims=True))
    return p * (dp - (dp * p).sum(1, keepdims=True))


# ---- the nets -------------------------------------------------------------------------------


class Net:
    """A net on random data: `loss`, `model` if it is a module, the names of its parameters, and
    `backward`, which returns their gradients and those of the intermediates."""

    loss: Tensor
    model: nn.Module | None = None
    params: tuple[str, ...]
    deferred = False  # whether the gradients of intermediates lack the 1/n of a mean

    def backward(self, slip: Slip) -> Grads:
        raise NotImplementedError


def named(name: str, t: Tensor) -> Tensor:
    t.name = name
    return t


def leaf(name: str, a: Array) -> Tensor:
    return Tensor(a, requires_grad=True, name=name)


def sizes(rng: np.random.Generator, count: int) -> list[int]:
    """The batch and other sizes, all different; a batch of 2 would make factor 2 and n alike."""
    n = int(rng.integers(5, 10))
    rest = [k for k in range(3, 9) if k != n]
    return [n, *(int(k) for k in rng.permutation(rest)[: count - 1])]


def weights(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape) / np.sqrt(shape[0])


def biases(rng: np.random.Generator, k: int) -> Array:
    return 0.3 * rng.standard_normal(k)


class TanhMSE(Net):
    """Two hidden layers of tanh and the mean of squares, with weights (in, out): `alike` makes
    the hidden layers of one size, or the batch of that size too."""

    params = ("W1", "b1", "W2", "b2", "W3", "b3")

    def __init__(self, rng: np.random.Generator, alike: str = "") -> None:
        n, i, h1, h2, k = sizes(rng, 5)
        h2 = h1 if alike else h2
        n = h1 if alike == "batch" else n
        self.x, self.t = rng.standard_normal((n, i)), rng.standard_normal((n, k))
        self.w1, self.w2, self.w3 = weights(rng, i, h1), weights(rng, h1, h2), weights(rng, h2, k)
        self.b1, self.b2, self.b3 = biases(rng, h1), biases(rng, h2), biases(rng, k)
        w1, w2, w3 = leaf("W1", self.w1), leaf("W2", self.w2), leaf("W3", self.w3)
        b1, b2, b3 = leaf("b1", self.b1), leaf("b2", self.b2), leaf("b3", self.b3)
        z1 = named("z1", Tensor(self.x) @ w1 + b1)
        a1 = named("a1", z1.tanh())
        z2 = named("z2", a1 @ w2 + b2)
        a2 = named("a2", z2.tanh())
        out = named("out", a2 @ w3 + b3)
        self.loss = ((out - Tensor(self.t)) ** 2).mean()

    def backward(self, slip: Slip) -> Grads:
        a1 = np.tanh(self.x @ self.w1 + self.b1)
        a2 = np.tanh(a1 @ self.w2 + self.b2)
        error = a2 @ self.w3 + self.b3 - self.t
        grads: Grads = {}
        dout = 2 * error / error.size
        if slip("value-clipped", "out"):
            dout = dout * (np.abs(error) <= np.median(np.abs(error)))
        dout = grads["out"] = loss_grad(slip, "out", dout, "entries")
        da2 = dense(slip, grads, dout, a2, self.w3, ("W3", "b3", "a2"))
        dz2 = grads["z2"] = through_tanh(slip, "z2", da2, a2)
        da1 = dense(slip, grads, dz2, a1, self.w2, ("W2", "b2", "a1"), (da2, tanh_slope))
        dz1 = grads["z1"] = through_tanh(slip, "z1", da1, a1)
        dense(slip, grads, dz1, self.x, self.w1, ("W1", "b1", ""), (da1, tanh_slope))
        return grads


class ReluNet(nn.Module):
    def __init__(self, i: int, h1: int, h2: int, k: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(i, h1, dtype="float64")
        self.fc2 = nn.Linear(h1, h2, dtype="float64")
        self.fc3 = nn.Linear(h2, k, dtype="float64")

    def forward(self, x: Tensor) -> Tensor:
        a1 = named("a1", ag.relu(named("z1", self.fc1(x))))
        a2 = named("a2", ag.relu(named("z2", self.fc2(a1))))
        return named("z3", self.fc3(a2))


class ReluCE(Net):
    """Two hidden layers of relu, `nn.Linear`, and cross-entropy: of labels, of soft targets whose
    sum is not 1, or written out after a softmax that is one operation or three."""

    params = ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias")

    def __init__(self, rng: np.random.Generator, written: str = "labels") -> None:
        n, i, h1, h2, k = sizes(rng, 5)
        if written == "square":
            h2 = h1
        self.written = written
        self.x = rng.standard_normal((n, i))
        labels = rng.integers(0, k, n)
        self.t = np.eye(k)[labels]
        if written == "soft":
            self.t = rng.uniform(0.05, 0.5, (n, k))
        self.model = net = ReluNet(i, h1, h2, k)
        for p in net.parameters():
            scale = 1 / np.sqrt(p.shape[1]) if p.ndim == 2 else 0.3
            p.data[...] = scale * rng.standard_normal(p.shape)
        z3 = net(Tensor(self.x))
        if written in ("softmax", "exp"):
            if written == "softmax":
                p = named("p", ag.softmax(z3, axis=1))
            else:
                e = z3.exp()
                p = named("p", e / e.sum(1, keepdims=True))
            self.loss = -(Tensor(self.t) * p.log()).sum() / n
        else:
            self.loss = nn.functional.cross_entropy(z3, self.t if written == "soft" else labels)

    def backward(self, slip: Slip) -> Grads:
        w1, b1, w2, b2, w3, b3 = (p.data for p in self.model.parameters())
        z1 = self.x @ w1.T + b1
        a1 = np.maximum(z1, 0)
        z2 = a1 @ w2.T + b2
        a2 = np.maximum(z2, 0)
        z3 = a2 @ w3.T + b3
        e = np.exp(z3 - z3.max(1, keepdims=True))
        p = e / e.sum(1, keepdims=True)
        grads: Grads = {}
        if self.written in ("softmax", "exp"):
            dz3 = self.through_p(slip, grads, p, z3)
        else:
            dz3 = self.at_once(slip, p, z3)
        grads["z3"] = dz3
        names = [("fc3.weight", "fc3.bias", "a2"), ("fc2.weight", "fc2.bias", "a1")]
        da2 = dense(slip, grads, dz3, a2, w3, names[0], out_in=True)
        dz2 = grads["z2"] = through_relu(slip, "z2", da2, z2)
        da1 = dense(slip, grads, dz2, a1, w2, names[1], (da2, relu_slope), out_in=True)
        dz1 = grads["z1"] = through_relu(slip, "z1", da1, z1)
        last = ("fc1.weight", "fc1.bias", "")
        dense(slip, grads, dz1, self.x, w1, last, (da1, relu_slope), out_in=True)
        return grads

    def at_once(self, slip: Slip, p: Array, z: Array) -> Array:
        """p - t, which a learner may also reach through the Jacobian."""
        t, n = self.t, len(p)
        dz = (p * t.sum(1, keepdims=True) - t) / n
        if self.written == "soft" and slip("targets-not-one", "z3"):
            dz = (p - t) / n
        if slip("softmax-twice", "z3"):
            dz = through_softmax(Slip(), "z3", dz, p, z)
        if slip("bce-term", "z3"):
            dz = through_softmax(Slip(), "z3", (-t / p + (1 - t) / (1 - p)) / n, p, z)
        for slug in ("softmax-diagonal", "softmax-from-logits", "wrong-axis"):
            if slip(slug, "z3"):
                dz = through_softmax(Slip(Mistake(slug, "z3")), "z3", -t / p / n, p, z)
        return loss_grad(slip, "z3", dz, "batch")

    def through_p(self, slip: Slip, grads: Grads, p: Array, z: Array) -> Array:
        t, n = self.t, len(p)
        dp = -t / p / n
        if slip("bce-term", "p"):
            dp = (-t / p + (1 - t) / (1 - p)) / n
        if slip("softmax-twice", "p"):
            dp = (p - t) / n
        dp = grads["p"] = loss_grad(slip, "p", dp, "batch")
        if slip("activation-missing", "z3", "the softmax's"):
            return dp
        return scaled(slip, "z3", through_softmax(slip, "z3", dp, p, z))


def penalised(slip: Slip, name: str, d: Array, w: Array, alpha: float) -> Array:
    """The gradient with that of alpha Σ w² added."""
    if slip("penalty", name, "missing"):
        return d
    if slip("overwritten", name, "by the penalty"):
        return 2 * alpha * w
    if slip("penalty", name, "doubled"):
        return d + 4 * alpha * w
    if slip("penalty", name, "halved"):
        return d + alpha * w
    return d + 2 * alpha * w


class Recurrent(Net):
    """A net that is unrolled for three steps, with a penalty on its weights."""

    params = ("Wx", "Wh", "bh", "Wy", "by")
    steps = 3

    def __init__(self, rng: np.random.Generator) -> None:
        n, i, h, k = sizes(rng, 4)
        self.alpha = float(rng.uniform(0.05, 0.3))
        self.xs = rng.standard_normal((self.steps, n, i))
        self.h0, self.t = rng.uniform(-1, 1, (n, h)), rng.standard_normal((n, k))
        self.wx, self.wh, self.wy = weights(rng, i, h), weights(rng, h, h), weights(rng, h, k)
        self.bh, self.by = biases(rng, h), biases(rng, k)
        wx, wh, wy = leaf("Wx", self.wx), leaf("Wh", self.wh), leaf("Wy", self.wy)
        bh, by = leaf("bh", self.bh), leaf("by", self.by)
        h = Tensor(self.h0)
        for s, x in enumerate(self.xs, 1):
            h = named(f"h{s}", named(f"z{s}", Tensor(x) @ wx + h @ wh + bh).tanh())
        y = named("y", h @ wy + by)
        penalty = (wx * wx).sum() + (wh * wh).sum() + (wy * wy).sum()
        self.loss = ((y - Tensor(self.t)) ** 2).mean() + self.alpha * penalty

    def backward(self, slip: Slip) -> Grads:
        hs = [self.h0]
        for x in self.xs:
            hs.append(np.tanh(x @ self.wx + hs[-1] @ self.wh + self.bh))
        error = hs[-1] @ self.wy + self.by - self.t
        grads: Grads = {}
        dy = grads["y"] = loss_grad(slip, "y", 2 * error / error.size, "entries")
        dh = dense(slip, grads, dy, hs[-1], self.wy, ("Wy", "by", f"h{self.steps}"))
        grads["Wy"] = penalised(slip, "Wy", grads["Wy"], self.wy, self.alpha)
        if slip("penalty", "by", "on a bias"):
            grads["by"] = grads["by"] + 2 * self.alpha * self.by
        dwx, dwh, dbh = np.zeros_like(self.wx), np.zeros_like(self.wh), np.zeros_like(self.bh)
        for s in range(self.steps, 0, -1):
            dz = grads[f"z{s}"] = through_tanh(slip, f"z{s}", dh, hs[s])
            x, below = self.xs[s - 1], hs[s - 1]
            if slip("overwritten", "Wx", "the last kept"):
                dwx = x.T @ dz
            elif s == self.steps or not slip("overwritten", "Wx", "the first kept"):
                dwx = dwx + x.T @ dz
            part = weight_grad(slip, "Wh", dz, below, self.wh)
            dwh = part if slip("overwritten", "Wh", "the last kept") else dwh + part
            dbh = dz.sum(0) if slip("overwritten", "bh", "the last kept") else dbh + dz.sum(0)
            if s > 1:
                back = slip("weight-not-transposed", f"h{s - 1}")
                dh = dz @ self.wh if back else dz @ self.wh.T
                dh = grads[f"h{s - 1}"] = scaled(slip, f"h{s - 1}", dh)
        n = len(self.t)
        grads["Wx"] = penalised(slip, "Wx", finished(slip, "Wx", dwx, n), self.wx, self.alpha)
        grads["Wh"] = penalised(slip, "Wh", finished(slip, "Wh", dwh, n), self.wh, self.alpha)
        grads["bh"] = finished(slip, "bh", dbh, n)
        return grads


class Tied(Net):
    """An autoencoder whose decoder is the transpose of its encoder, with a penalty; the code is
    used twice too."""

    params = ("W", "b", "c")

    def __init__(self, rng: np.random.Generator) -> None:
        n, i, h = sizes(rng, 3)
        self.alpha = float(rng.uniform(0.05, 0.3))
        self.x = rng.standard_normal((n, i))
        self.w, self.b, self.c = weights(rng, i, h), biases(rng, h), biases(rng, i)
        w, b, c = leaf("W", self.w), leaf("b", self.b), leaf("c", self.c)
        x = Tensor(self.x)
        a = named("a", named("z", x @ w + b).tanh())
        y = named("y", a @ w.T + c)
        self.loss = ((y - x) ** 2).mean() + 0.1 * (a * a).sum() + self.alpha * (w * w).sum()

    def backward(self, slip: Slip) -> Grads:
        a = np.tanh(self.x @ self.w + self.b)
        error = a @ self.w.T + self.c - self.x
        grads: Grads = {}
        n = len(self.x)
        dy = grads["y"] = loss_grad(slip, "y", 2 * error / error.size, "entries")
        grads["c"] = finished(slip, "c", bias_grad(slip, "c", dy, None), n)
        decoder = dy.T @ a
        da = dy @ self.w
        if slip("updated-weights", "a"):
            da = dy @ (self.w - 0.1 * decoder)
        if slip("overwritten", "a", "the last kept"):
            da = 0.2 * a
        elif not slip("overwritten", "a", "the first kept"):
            da = da + 0.2 * a
        da = grads["a"] = scaled(slip, "a", da)
        dz = grads["z"] = through_tanh(slip, "z", da, a)
        grads["b"] = finished(slip, "b", bias_grad(slip, "b", dz, self.x.T @ dz), n)
        encoder = weight_grad(slip, "W", dz, self.x, self.w, (da, tanh_slope))
        dw = decoder + encoder
        if slip("overwritten", "W", "the last kept"):
            dw = encoder
        if slip("overwritten", "W", "the first kept"):
            dw = decoder
        dw = penalised(slip, "W", scaled(slip, "W", dw, "before the penalty"), self.w, self.alpha)
        grads["W"] = finished(slip, "W", dw, n)
        if slip("penalty", "b", "on a bias"):
            grads["b"] = grads["b"] + 2 * self.alpha * self.b
        return grads


class Normalised(Net):
    """Batch statistics with the variance written out, leaky relu, and the sum of half squares."""

    params = ("W1", "gamma", "beta", "W2", "b2")
    eps, slope = 1e-5, 0.1

    def __init__(self, rng: np.random.Generator) -> None:
        n, i, h, k = sizes(rng, 4)
        self.x, self.t = rng.standard_normal((n, i)), rng.standard_normal((n, k))
        self.w1, self.w2 = weights(rng, i, h), weights(rng, h, k)
        self.gamma, self.beta = rng.uniform(0.5, 1.5, h), biases(rng, h)
        self.b2 = biases(rng, k)
        w1, w2, b2 = leaf("W1", self.w1), leaf("W2", self.w2), leaf("b2", self.b2)
        gamma, beta = leaf("gamma", self.gamma), leaf("beta", self.beta)
        z1 = named("z1", Tensor(self.x) @ w1)
        centred = z1 - z1.mean(0)
        variance = (centred * centred).mean(0)
        xhat = named("xhat", centred / (variance + self.eps).sqrt())
        y = named("y", gamma * xhat + beta)
        a = named("a", ag.leaky_relu(y, self.slope))
        out = named("out", a @ w2 + b2)
        self.loss = ((out - Tensor(self.t)) ** 2).sum() / 2

    def backward(self, slip: Slip) -> Grads:
        z1 = self.x @ self.w1
        inv = 1 / np.sqrt(z1.var(0) + self.eps)
        xhat = (z1 - z1.mean(0)) * inv
        y = self.gamma * xhat + self.beta
        a = np.where(y > 0, y, self.slope * y)
        grads: Grads = {}
        out = a @ self.w2 + self.b2
        dout = grads["out"] = loss_grad(slip, "out", out - self.t, "sum")
        da = dense(slip, grads, dout, a, self.w2, ("W2", "b2", "a"), mean=False)
        dy = grads["y"] = through_relu(slip, "y", da, y, self.slope)
        dgamma = (dy * xhat).sum(0)
        if slip("broadcast-not-undone", "gamma"):
            dgamma = dy * xhat
        grads["gamma"] = finished(slip, "gamma", dgamma, 0)
        grads["beta"] = finished(slip, "beta", bias_grad(slip, "beta", dy, None), 0)
        dxhat = grads["xhat"] = scaled(slip, "xhat", dy * self.gamma)
        dz1 = grads["z1"] = scaled(slip, "z1", self.through_statistics(slip, dxhat, xhat, inv))
        dense(slip, grads, dz1, self.x, self.w1, ("W1", "", ""), mean=False)
        return grads

    def through_statistics(self, slip: Slip, d: Array, xhat: Array, inv: Array) -> Array:
        of_mean, of_variance = d.mean(0), xhat * (d * xhat).mean(0)
        if slip("batchnorm-constant", "z1", "mean and variance"):
            return inv * d
        if slip("batchnorm-constant", "z1", "variance"):
            return inv * (d - of_mean)
        if slip("batchnorm-constant", "z1", "mean"):
            return inv * (d - of_variance)
        if slip("bessel", "z1"):
            return inv * (d - of_mean - xhat * (d * xhat).sum(0) / (len(d) - 1))
        if slip("wrong-axis", "z1"):
            over = (d * xhat).mean(1, keepdims=True)
            return inv * (d - d.mean(1, keepdims=True) - xhat * over)
        return inv * (d - of_mean - of_variance)


class Embedded(Net):
    """Looked-up rows, a sigmoid, dropout with a given mask, and binary cross-entropy written
    out after a sigmoid."""

    params = ("E", "W1", "b1", "W2", "b2")

    def __init__(self, rng: np.random.Generator) -> None:
        n, d, h, k = sizes(rng, 4)
        self.keep = float(rng.choice([0.6, 0.7, 0.85]))
        self.table = rng.standard_normal((4, d))
        self.ids = np.concatenate([[1, 1, 3], rng.integers(0, 4, n - 3)])
        self.t = rng.integers(0, 2, (n, k)).astype(float)
        self.w1, self.w2 = weights(rng, d, h), weights(rng, h, k)
        self.b1, self.b2 = biases(rng, h), biases(rng, k)
        kept = rng.random((2, n, h)) < self.keep
        self.mask, self.redrawn = kept / self.keep
        e = named("e", leaf("E", self.table)[self.ids])
        z1 = named("z1", e @ leaf("W1", self.w1) + leaf("b1", self.b1))
        a1 = named("a1", z1.sigmoid())
        h1 = named("h1", a1 * Tensor(self.mask, name="mask"))
        z2 = named("z2", h1 @ leaf("W2", self.w2) + leaf("b2", self.b2))
        p = named("p", z2.sigmoid())
        t = Tensor(self.t)
        self.loss = -(t * p.log() + (1 - t) * (1 - p).log()).mean()

    def backward(self, slip: Slip) -> Grads:
        e = self.table[self.ids]
        a1 = sigmoid(e @ self.w1 + self.b1)
        h1 = a1 * self.mask
        p = sigmoid(h1 @ self.w2 + self.b2)
        grads: Grads = {}
        dp = (-self.t / p + (1 - self.t) / (1 - p)) / p.size
        dp = grads["p"] = loss_grad(slip, "p", dp, "entries")
        dz2 = grads["z2"] = through_sigmoid(slip, "z2", dp, p)
        dh1 = dense(slip, grads, dz2, h1, self.w2, ("W2", "b2", "h1"), (dp, sigmoid_slope))
        if slip("dropout-mask", "a1", "redrawn"):
            da1 = dh1 * self.redrawn
        elif slip("dropout-mask", "a1", "1/keep missing"):
            da1 = dh1 * (self.mask > 0)
        elif slip("dropout-mask", "a1", "not applied"):
            da1 = dh1
        else:
            da1 = dh1 * self.mask
        da1 = grads["a1"] = scaled(slip, "a1", da1)
        dz1 = grads["z1"] = through_sigmoid(slip, "z1", da1, a1)
        de = dense(slip, grads, dz1, e, self.w1, ("W1", "b1", "e"), (da1, sigmoid_slope))
        dtable = np.zeros_like(self.table)
        if slip("gather-overwritten", "E"):
            dtable[self.ids] += de  # buffered: the last one wins
        else:
            np.add.at(dtable, self.ids, de)
        grads["E"] = finished(slip, "E", dtable, len(e))
        return grads


class Huber(Net):
    """Leaky relu, a clipped hidden layer, and a loss whose gradient is clipped."""

    params = ("W1", "b1", "W2", "b2", "W3", "b3")
    slope = 0.2

    def __init__(self, rng: np.random.Generator) -> None:
        n, i, h1, h2, k = sizes(rng, 5)
        self.x, self.t = rng.standard_normal((n, i)), 2 * rng.standard_normal((n, k))
        self.w1, self.w2, self.w3 = weights(rng, i, h1), weights(rng, h1, h2), weights(rng, h2, k)
        self.b1, self.b2, self.b3 = biases(rng, h1), biases(rng, h2), biases(rng, k)
        z1 = named("z1", Tensor(self.x) @ leaf("W1", self.w1) + leaf("b1", self.b1))
        a1 = named("a1", ag.leaky_relu(z1, self.slope))
        z2 = named("z2", a1 @ leaf("W2", self.w2) + leaf("b2", self.b2))
        a2 = named("a2", ag.clip(z2, -0.8, 0.8))
        out = named("out", a2 @ leaf("W3", self.w3) + leaf("b3", self.b3))
        self.loss = nn.functional.huber_loss(out, Tensor(self.t))

    def backward(self, slip: Slip) -> Grads:
        z1 = self.x @ self.w1 + self.b1
        a1 = np.where(z1 > 0, z1, self.slope * z1)
        z2 = a1 @ self.w2 + self.b2
        a2 = np.clip(z2, -0.8, 0.8)
        error = a2 @ self.w3 + self.b3 - self.t
        grads: Grads = {}
        dout = np.clip(error, -1, 1)
        if slip("value-clipped", "out"):
            dout = error * (np.abs(error) <= 1)
        dout = grads["out"] = loss_grad(slip, "out", dout / error.size, "entries")
        da2 = dense(slip, grads, dout, a2, self.w3, ("W3", "b3", "a2"))
        dz2 = da2 * (np.abs(z2) <= 0.8)
        if slip("activation-missing", "z2", "the clip's"):
            dz2 = da2
        dz2 = grads["z2"] = scaled(slip, "z2", dz2)
        da1 = dense(slip, grads, dz2, a1, self.w2, ("W2", "b2", "a1"))
        dz1 = grads["z1"] = through_relu(slip, "z1", da1, z1, self.slope)
        dense(slip, grads, dz1, self.x, self.w1, ("W1", "b1", ""))
        return grads


class Spread(Net):
    """The unbiased standard deviation of each hidden unit over the batch, then a linear layer."""

    params = ("W1", "b1", "W2", "b2")

    def __init__(self, rng: np.random.Generator) -> None:
        n, i, h, k = sizes(rng, 4)
        self.x, self.t = rng.standard_normal((n, i)), rng.standard_normal((1, k))
        self.w1, self.w2 = weights(rng, i, h), weights(rng, h, k)
        self.b1, self.b2 = biases(rng, h), biases(rng, k)
        z1 = named("z1", Tensor(self.x) @ leaf("W1", self.w1) + leaf("b1", self.b1))
        a1 = named("a1", z1.tanh())
        s = named("s", a1.std(0, keepdims=True))
        out = named("out", s @ leaf("W2", self.w2) + leaf("b2", self.b2))
        self.loss = ((out - Tensor(self.t)) ** 2).sum()

    def backward(self, slip: Slip) -> Grads:
        a1 = np.tanh(self.x @ self.w1 + self.b1)
        centred = a1 - a1.mean(0)
        n = len(a1)
        s = a1.std(0, ddof=1, keepdims=True)
        error = s @ self.w2 + self.b2 - self.t
        grads: Grads = {}
        dout = grads["out"] = scaled(slip, "out", 2 * error)
        grads["b2"] = scaled(slip, "b2", dout[0])
        grads["W2"] = scaled(slip, "W2", s.T @ dout)
        ds = grads["s"] = scaled(slip, "s", dout @ self.w2.T)
        da1 = ds * centred / ((n - 1) * s)
        if slip("bessel", "a1"):
            da1 = ds * centred / (n * s)
        da1 = grads["a1"] = scaled(slip, "a1", da1)
        dz1 = grads["z1"] = through_tanh(slip, "z1", da1, a1)
        via = da1, tanh_slope
        dense(slip, grads, dz1, self.x, self.w1, ("W1", "b1", ""), via, mean=False)
        return grads


class Columns(Net):
    """Z = W A + B with samples in columns, a sigmoid, and the mean cross-entropy; `deferred` leaves
    the 1/n to the gradients of the parameters, as two of the write-ups do."""

    params = ("W1", "B1", "W2", "B2")

    def __init__(self, rng: np.random.Generator, deferred: bool = False) -> None:
        n, i, h, k = sizes(rng, 4)
        self.deferred = deferred
        self.x, self.t = rng.standard_normal((i, n)), np.eye(k)[:, rng.integers(0, k, n)]
        self.w1, self.w2 = weights(rng, i, h).T.copy(), weights(rng, h, k).T.copy()
        self.b1, self.b2 = biases(rng, h)[:, None], biases(rng, k)[:, None]
        z1 = named("Z1", leaf("W1", self.w1) @ Tensor(self.x) + leaf("B1", self.b1))
        a1 = named("A1", z1.sigmoid())
        z2 = named("Z2", leaf("W2", self.w2) @ a1 + leaf("B2", self.b2))
        self.loss = -(Tensor(self.t) * ag.log_softmax(z2, axis=0)).sum() / n

    def backward(self, slip: Slip) -> Grads:
        a1 = sigmoid(self.w1 @ self.x + self.b1)
        z2 = self.w2 @ a1 + self.b2
        e = np.exp(z2)
        p = e / e.sum(0)
        n = len(p.T)
        dz2 = p - self.t
        if slip("softmax-twice", "Z2"):
            dz2 = through_softmax(Slip(), "Z2", dz2.T, p.T, z2.T).T
        if not self.deferred:
            dz2 = dz2 / n
        rows: Grads = {}
        dz2 = rows["Z2"] = loss_grad(slip, "Z2", dz2.T, "sum" if self.deferred else "batch")
        da1 = dense(slip, rows, dz2, a1.T, self.w2, ("W2", "B2", "A1"), out_in=True)
        dz1 = rows["Z1"] = through_sigmoid(slip, "Z1", da1, a1.T)
        via = da1, sigmoid_slope
        dense(slip, rows, dz1, self.x.T, self.w1, ("W1", "B1", ""), via, out_in=True)
        if self.deferred:
            rows |= {name: rows[name] / n for name in self.params}
        turned = {name: g.T for name, g in rows.items() if name[0] != "W"}
        return rows | {name: g[:, None] if g.ndim == 1 else g for name, g in turned.items()}


NETS: dict[str, Callable[[np.random.Generator], Net]] = {
    "tanh mse": TanhMSE,
    "tanh mse, square": lambda rng: TanhMSE(rng, "hidden"),
    "tanh mse, n = hidden": lambda rng: TanhMSE(rng, "batch"),
    "relu ce": ReluCE,
    "relu ce, square": lambda rng: ReluCE(rng, "square"),
    "relu ce, soft": lambda rng: ReluCE(rng, "soft"),
    "relu softmax log": lambda rng: ReluCE(rng, "softmax"),
    "relu exp sum log": lambda rng: ReluCE(rng, "exp"),
    "recurrent": Recurrent,
    "tied": Tied,
    "batch norm": Normalised,
    "embedding": Embedded,
    "huber": Huber,
    "std": Spread,
    "columns": Columns,
    "columns, deferred": lambda rng: Columns(rng, deferred=True),
}


# ---- the cases ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trial:
    """Gradients with one mistake. Cases that hand in the same gradients cannot be told apart, so
    `slugs` and `places` are those of all of them."""

    net: str
    seed: int
    mistake: Mistake
    slugs: frozenset[str]
    places: frozenset[str]
    alone: bool

    @property
    def kind(self) -> str:
        return self.mistake.slug + (", everywhere" if self.mistake.place == EVERYWHERE else "")

    def __str__(self) -> str:
        given = "parameters" if self.alone else "everything"
        return f"{self.net}, seed {self.seed}, {given}: {self.mistake}"


def problem(net: str, seed: int) -> Net:
    return NETS[net](np.random.default_rng([seed, list(NETS).index(net)]))


def mistakes_of(net: Net) -> dict[Mistake, frozenset[str]]:
    """Every mistake that the backward has a place for, and the tensors that it breaks."""
    slip = Slip()
    net.backward(slip)
    found = {m: frozenset({m.place}) for m in slip.asked}
    shared: dict[Mistake, list[str]] = defaultdict(list)
    for m in slip.asked:
        if m.slug in SHARED:
            shared[replace(m, place=EVERYWHERE)].append(m.place)
    found |= {m: frozenset(places) for m, places in shared.items() if len(places) > 1}
    if net.deferred:  # what is divided too early shows where it is divided again
        found |= {m: found[m] | {*net.params} for m in found if m == Mistake("mean-twice", "Z2")}
    return found | {Mistake("counted-twice", "leaves"): frozenset(net.params)}


def by_hand(net: Net, *made: Mistake) -> Grads:
    """The gradients that a learner hands in who makes these mistakes."""
    grads = net.backward(Slip(*made))
    if any(m.slug == "counted-twice" for m in made):
        grads |= {name: 2 * grads[name] for name in net.params}
    return grads


def only(net: Net, grads: Grads, alone: bool) -> Grads:
    return {name: g for name, g in grads.items() if name in net.params} if alone else grads


def same(a: Grads, b: Grads) -> bool:
    """Whether the gradients are equal but for rounding."""
    return all(
        a[k].shape == b[k].shape
        and np.linalg.norm(a[k] - b[k]) <= 1e-9 * np.linalg.norm(a[k]) + 1e-13
        for k in a
    )


def multiples(net: Net) -> Iterator[tuple[str, Grads]]:
    """The gradients of the parameters if that of an intermediate is multiplied by a number: the
    same as if that of another is, where only linear operations lie between."""
    right = by_hand(net)
    inner = [name for name in right if name not in net.params]
    n, k = sorted(right[inner[0]].shape)
    for name in inner:
        for c in (0, n, 1 / n, k, 1 / k):
            yield name, only(net, net.backward(Slip(times={name: c})), True)


@cache
def trials(net: str, seed: int, alone: bool) -> tuple[Trial, ...]:
    """The cases of a net, each with what can be said of its gradients."""
    built = problem(net, seed)
    cases = mistakes_of(built)
    if alone:  # another random mask leaves no trace in the gradients of parameters
        cases = {m: places for m, places in cases.items() if m.how != "redrawn"}
    given = {m: only(built, by_hand(built, m), alone) for m in cases}
    groups: list[list[Mistake]] = []
    for m, grads in given.items():
        group = next((g for g in groups if same(given[g[0]], grads)), None)
        if group is None:
            groups.append([m])
        else:
            group.append(m)
    moved = list(multiples(built)) if alone else []
    found = []
    for group in groups:
        slugs = frozenset().union(*({m.slug, *ALIKE.get(m.slug, ())} for m in group))
        if alone and "counted-twice" in slugs:
            slugs |= {"factor-2"}  # of the loss itself
        if alone and net == "huber" and "value-clipped" in slugs:
            # the Huber loss is c * (e - c / 2) with c = clip(e): forgetting the part of e is the same
            slugs |= {"overwritten", "weight-for-input"}
        alike = [{name} for name, grads in moved if same(given[group[0]], grads)]
        places = frozenset().union(*(cases[m] for m in group), *alike)
        found += [Trial(net, seed, m, slugs, places, alone) for m in group]
    return tuple(found)


def pairs(net: str, seed: int, alone: bool, count: int) -> Iterator[tuple[Trial, Trial, Report]]:
    """Two mistakes at once, which are not the same gradients as one of all, and the report."""
    rng = np.random.default_rng([seed, 1])
    built = problem(net, seed)
    single = trials(net, seed, alone)
    given = [only(built, by_hand(built, t.mistake), alone) for t in single]
    given.append(only(built, by_hand(built), alone))
    while count:
        a, b = (single[i] for i in rng.choice(len(single), 2, replace=False))
        if a.places & b.places or {a.mistake.slug, b.mistake.slug} <= CONSTANT:
            continue
        grads = only(built, by_hand(built, a.mistake, b.mistake), alone)
        if not any(same(g, grads) for g in given if all(g[k].shape == grads[k].shape for k in g)):
            count -= 1
            yield a, b, compare(built.loss, grads, built.model)


# ---- the measurement ------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What the report said about a trial."""

    trial: Trial
    report: Report
    users: frozenset[str]

    @property
    def said(self) -> tuple[str, ...]:
        first = self.report.first_wrong
        return tuple(d.slug for d in first.diagnoses) if first else ()

    @property
    def named(self) -> bool:
        return bool(self.said) and self.said[0] in self.trial.slugs

    @property
    def located(self) -> bool:
        """The first wrong row is the broken tensor; or, from parameters alone, the sentence of
        the first diagnosis has its name, or is about an operation ("in ...", or "at ..." if the
        result has no name) that it goes into."""
        first = self.report.first_wrong
        if first is None or first.name in self.trial.places:
            return first is not None
        if not self.trial.alone or not first.diagnoses:
            return False
        sentence = first.diagnoses[0].sentence
        into = "|".join(map(re.escape, self.users))
        unnamed = "|".join(re.escape(u) for u in self.users if " of shape " in u)
        names = "|".join(map(re.escape, self.trial.places))
        return bool(
            re.search(rf"\bin ({into})(?![\w.])|\bat ({unnamed})", sentence)
            or re.search(rf"(?<!\bin )(?<![\w.])({names})(?![\w.])", sentence)
        )

    @property
    def single(self) -> bool:
        """Whether nothing but broken tensors is wrong here; the rest inherits."""
        return self.trial.alone or self.trial.places >= {
            row.name for row in self.report.rows if row.verdict == "wrong here"
        }

    def __str__(self) -> str:
        first = self.report.first_wrong
        sentence = first.diagnoses[0].sentence if first and first.diagnoses else ""
        got = ", ".join(self.said) or "no name"
        return (
            f"{self.trial}\n    expected {', '.join(sorted(self.trial.slugs))} at "
            f"{', '.join(sorted(self.trial.places))}; got {got} at {first and first.name}"
            + (f": {sentence}" if sentence else "")
        )


def measure(given: Iterable[Trial], dtype: str = "float64") -> list[Outcome]:
    """Compare each trial with its gradients in that type; the tape is in float64."""
    outcomes = []
    for trial in given:
        net = problem(trial.net, trial.seed)
        grads = only(net, by_hand(net, trial.mistake), trial.alone)
        grads = {name: g.astype(dtype) for name, g in grads.items()}
        report = compare(net.loss, grads, net.model)
        outcomes.append(Outcome(trial, report, users(net, trial.places)))
    return outcomes


def users(net: Net, places: Iterable[str]) -> frozenset[str]:
    """What the operations may be called that take a tensor of these names, as far as the next
    name: by the name of the result, or by operation and shape."""
    names = {p: name for name, p in net.model.named_parameters()} if net.model else {}
    inside: set[Tensor] = set()
    labels = set()
    for t in ag.tape(net.loss):
        takes = [p for p in t.parents if p is not None]
        if any(p in inside or p.name in places or names.get(p) in places for p in takes):
            labels |= {f"{t.op.name} of shape {t.shape}", t.name or t.op.name}
            inside |= set() if t.name else {t}
    return frozenset(labels)


def sample(seeds: Iterable[int], alone: bool, most: int) -> list[Trial]:
    """Up to `most` trials of each slug, in turn from every net."""
    rng = np.random.default_rng(0)
    kinds: dict[str, list[list[Trial]]] = defaultdict(list)
    for seed in seeds:
        for net in NETS:
            here: dict[str, list[Trial]] = defaultdict(list)
            for trial in trials(net, seed, alone):
                here[trial.kind].append(trial)
            for name, found in here.items():
                kinds[name].append([found[i] for i in rng.permutation(len(found))])
    chosen = []
    for found in kinds.values():
        rounds = max(map(len, found))
        turns = [f[i] for i in range(rounds) for f in found if i < len(f)]
        chosen += turns[:most]
    return chosen


def rates(
    outcomes: list[Outcome], key: Callable[[Outcome], str]
) -> dict[str, tuple[int, int, int, int]]:
    """For every key and overall: how many, and how many are named, located and single."""
    table: dict[str, list[Outcome]] = defaultdict(list)
    for o in outcomes:
        table[key(o)].append(o)
    table = {k: table[k] for k in sorted(table)} | {"overall": outcomes}
    return {
        k: (
            len(found),
            sum(o.named for o in found),
            sum(o.located for o in found),
            sum(o.single for o in found),
        )
        for k, found in table.items()
    }


def by_kind(o: Outcome) -> str:
    return o.trial.kind


def by_net(o: Outcome) -> str:
    return o.trial.net


def main(words: list[str]) -> None:
    """Print the table and the failures: `[seeds] [word in the net or mistake ...]`."""
    count = int(words.pop(0)) if words and words[0].isdigit() else 1
    for alone in (False, True):
        found = [t for s in range(count) for net in NETS for t in trials(net, s, alone)]
        outcomes = measure(t for t in found if all(w in str(t) for w in words))
        print("from parameter gradients alone" if alone else "with the intermediates handed in")
        for title, key in (("mistake", by_kind), ("net", by_net)):
            print(f"{title:<36}{'cases':>8}{'named':>10}{'located':>10}{'single':>10}")
            for name, (cases, *counts) in rates(outcomes, key).items():
                shares = "".join(f"{c / cases if cases else 0:>10.1%}" for c in counts)
                print(f"{name:<36}{cases:>8}{shares}")
        for o in outcomes:
            if not (o.named and o.located):
                print(o)
        print()


if __name__ == "__main__":
    main(sys.argv[1:])
