"""The nets of the test bed of naming: a loss of named Tensors, and a backward in plain NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import autograd_lite as ag
import nn
from autograd_lite import Tensor
from tests.compare.slips import (
    Array,
    Grads,
    Mistake,
    Slip,
    bias_grad,
    dense,
    finished,
    loss_grad,
    relu_slope,
    scaled,
    sigmoid,
    sigmoid_slope,
    tanh_slope,
    through_relu,
    through_sigmoid,
    through_softmax,
    through_tanh,
    weight_grad,
)


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
            p.array[...] = scale * rng.standard_normal(p.shape)
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
        w1, b1, w2, b2, w3, b3 = (p.array for p in self.model.parameters())
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
