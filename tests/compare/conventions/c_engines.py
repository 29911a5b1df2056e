"""Engines of a learner's own, and odd but right classes."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from autograd_lite import compare_layers

from .bed import Array, impl, rand


@impl(
    "scalars with a tape",
    "compare_layers",
    {
        "tanh 1 - t": ((), r""),
        "mul adds its own data": ((), r"instead of other"),
        "gradients not added": ((), r"overwrit|contribution"),
    },
)
def scalars(slip: str | None, dt: Any) -> Any:
    r = rand(41, dt)

    class Value:
        def __init__(self, data: float, children: tuple[Any, ...] = ()) -> None:
            self.data, self.grad = data, 0.0
            self._backward: Any = lambda: None
            self._prev = set(children)

        def add_grad(self, g: float) -> None:
            self.grad = g if slip == "gradients not added" else self.grad + g

        def __add__(self, other: Any) -> Any:
            other = other if isinstance(other, Value) else Value(other)
            out = Value(self.data + other.data, (self, other))

            def _backward() -> None:
                self.add_grad(out.grad)
                other.add_grad(out.grad)

            out._backward = _backward
            return out

        def __mul__(self, other: Any) -> Any:
            other = other if isinstance(other, Value) else Value(other)
            out = Value(self.data * other.data, (self, other))

            def _backward() -> None:
                mine = self.data if slip and "own data" in slip else other.data
                self.add_grad(mine * out.grad)
                other.add_grad(self.data * out.grad)

            out._backward = _backward
            return out

        def tanh(self) -> Any:
            t = math.tanh(self.data)
            out = Value(t, (self,))

            def _backward() -> None:
                self.add_grad((1 - t if slip == "tanh 1 - t" else 1 - t * t) * out.grad)

            out._backward = _backward
            return out

        def backward(self) -> None:
            topo: list[Any] = []
            visited: set[Any] = set()

            def build(v: Any) -> None:
                if v not in visited:
                    visited.add(v)
                    for child in v._prev:
                        build(child)
                    topo.append(v)

            build(self)
            self.grad = 1.0
            for v in reversed(topo):
                v._backward()

        __radd__ = __add__
        __rmul__ = __mul__

        def __sub__(self, other: Any) -> Any:
            return self + (-1) * (other if isinstance(other, Value) else Value(other))

    class Neuron:
        def __init__(self, n: int) -> None:
            self.w, self.b = [Value(float(v)) for v in r(n)], Value(0.1)

        def __call__(self, x: Any) -> Any:
            return sum((wi * xi for wi, xi in zip(self.w, x, strict=True)), self.b).tanh()

        def parameters(self) -> list[Any]:
            return [*self.w, self.b]

    class MLP:
        def __init__(self, sizes: list[int]) -> None:
            pairs = pairwise(sizes)
            self.layers = [[Neuron(n) for _ in range(m)] for n, m in pairs]

        def __call__(self, x: Any) -> Any:
            for layer in self.layers:
                x = [neuron(x) for neuron in layer]
            return x[0] if len(x) == 1 else x

        def parameters(self) -> list[Any]:
            return [p for layer in self.layers for neuron in layer for p in neuron.parameters()]

    def loss(outputs: Any, targets: Any) -> Any:
        errors = [o - t for o, t in zip(outputs, targets, strict=True)]
        return sum((e * e for e in errors), Value(0.0))

    return compare_layers(MLP([3, 4, 1]), loss, None, r(5, 3), np.array([1.0, -1, -1, 1, 1]))


@impl(
    "tensors with a tape",
    "compare_layers",
    {
        "broadcast bias not summed": ((), r""),
        "matmul's second doubled": ((), r"factor 2"),
        "relu mask of the gradient": ((), r""),
    },
)
def tensors(slip: str | None, dt: Any) -> Any:
    r = rand(42, dt)

    class Tensor:
        def __init__(self, data: Any, parents: Any = (), back: Any = None) -> None:
            self.data = np.asarray(data.data if isinstance(data, Tensor) else data)
            self.grad: Any = None
            self.parents, self.back = parents, back

        def backward(self, g: Any = None) -> None:
            g = np.ones_like(self.data) if g is None else g
            self.grad = g if self.grad is None else self.grad + g
            if self.back is not None:
                for parent, part in zip(self.parents, self.back(g), strict=True):
                    parent.backward(part)

        def __matmul__(self, other: Any) -> Any:
            a, b = self.data, other.data
            c = 2 if slip and "second" in slip else 1
            return Tensor(a @ b, (self, other), lambda g: (g @ b.T, c * a.T @ g))

        def __add__(self, other: Any) -> Any:
            keep = slip and "broadcast" in slip
            return Tensor(
                self.data + other.data, (self, other), lambda g: (g, g[0] if keep else g.sum(0))
            )

        def relu(self) -> Any:
            mask = self.data > 0
            return Tensor(
                self.data * mask,
                (self,),
                lambda g: (g * ((g > 0) if slip and "relu" in slip else mask),),
            )

    class Parameter(Tensor):
        pass

    class Module:
        def __init__(self) -> None:
            self.w1, self.b1 = Parameter(r(3, 4)), Parameter(r(4))
            self.w2, self.b2 = Parameter(r(4, 2)), Parameter(r(2))

        def parameters(self) -> list[Any]:
            return [self.w1, self.b1, self.w2, self.b2]

        def forward(self, x: Any) -> Any:
            return ((x @ self.w1) + self.b1).relu() @ self.w2 + self.b2

    def loss(out: Any, y: Any) -> Any:
        d = out.data - (y.data if isinstance(y, Tensor) else y)
        return Tensor(np.array((d**2).sum()), (out,), lambda g: (2 * d * g,))

    return compare_layers(Module(), loss, None, r(5, 3), r(5, 2))


@impl(
    "slots, properties, other spellings",
    "compare_layers",
    {"db averaged": ("layers[1].b", r"mean|batch"), "dW sign": ("layers[1].W", r"sign")},
)
def slots(slip: str | None, dt: Any) -> Any:
    r = rand(43, dt)

    class Dense:
        __slots__ = ("_W", "_b", "_x", "grad_W", "grad_b", "last")

        def __init__(self, n: int, m: int, last: bool = False) -> None:
            self._W, self._b, self.last = r(n, m), r(m), last

        @property
        def W(self) -> Any:
            return self._W

        @property
        def b(self) -> Any:
            return self._b

        def forwardPass(self, x: Any, *, training: bool = True) -> Any:
            self._x = x
            return x @ self.W + self.b

        def backwardPass(self, dA: Array) -> Array:
            self.grad_W = self._x.T @ dA * (-1 if slip == "dW sign" and self.last else 1)
            self.grad_b = dA.mean(0) if slip == "db averaged" and self.last else dA.sum(0)
            return dA @ self.W.T

    def loss(p: Any, y: Any) -> Any:
        return ((p - y) ** 2).sum(axis=1)

    layers = [Dense(3, 4), Dense(4, 2, last=True)]
    return compare_layers(layers, loss, lambda p, y: 2 * (p - y) / len(y), r(5, 3), r(5, 2))


@impl(
    "lists of numbers",
    "compare_layers",
    {
        "weights of the next": (("layers[1].weights",), r""),
        "bias forgotten": (("layers[1].bias",), r"zero|never"),
    },
)
def lists(slip: str | None, dt: Any) -> Any:
    r = rand(44, dt)

    class Neurons:
        def __init__(self, n: int, m: int, last: bool = False) -> None:
            self.weights = [[float(v) for v in r(n)] for _ in range(m)]
            self.bias, self.last = [float(v) for v in r(m)], last

        def forward(self, inputs: Any) -> Any:
            self.inputs = inputs
            self.outputs = []
            for ws, b in zip(self.weights, self.bias, strict=True):
                total = b
                for w, x in zip(ws, inputs, strict=True):
                    total += w * x
                self.outputs.append(math.tanh(total))
            return self.outputs

        def backward(self, errors: Any) -> Any:
            deltas = [e * (1 - o * o) for e, o in zip(errors, self.outputs, strict=True)]
            shift = 1 if slip and "next" in slip and self.last else 0
            xs = [*self.inputs[shift:], *self.inputs[:shift]]
            self.d_weights = [[d * x for x in xs] for d in deltas]
            self.d_bias = [0.0 if slip and "bias" in slip and self.last else d for d in deltas]
            pairs = range(len(self.inputs))
            return [
                sum(d * ws[i] for d, ws in zip(deltas, self.weights, strict=True)) for i in pairs
            ]

    def loss(p: Any, t: Any) -> Any:
        return sum((a - b) ** 2 for a, b in zip(p, t, strict=True)) / 2

    def slope(p: Any, t: Any) -> Any:
        return [a - b for a, b in zip(p, t, strict=True)]

    return compare_layers([Neurons(3, 4), Neurons(4, 2, last=True)], loss, slope, r(3), r(2))


@impl(
    "an embedding and a recurrent cell",
    "compare_layers",
    {
        "= for += at repeated words": ("embed.W", r"overwritten"),
        "dh of the next step left out": (("rnn.Wh", "rnn.Wx", "rnn.b", "embed output"), r"step"),
        "Wh not added up": ("rnn.Wh", r"contribution|overwrit"),
    },
)
def recurrent(slip: str | None, dt: Any) -> Any:
    r = rand(45, dt)

    class Embedding:
        def __init__(self, n: int, d: int) -> None:
            self.params, self.grads = [r(n, d)], [np.zeros((n, d), dt)]
            self.idx: Any = None

        def forward(self, idx: Any) -> Any:
            (W,) = self.params
            self.idx = idx
            return W[idx]

        def backward(self, dout: Array) -> None:
            (dW,) = self.grads
            dW[...] = 0
            if slip and "repeated" in slip:
                dW[self.idx] = dout
            else:
                np.add.at(dW, self.idx, dout)

    class RNN:
        def __init__(self, d: int, h: int) -> None:
            self.params = [r(d, h), r(h, h), r(h)]
            self.Wx, self.Wh, self.b = self.params
            self.grads = [np.zeros_like(p) for p in self.params]

        def forward(self, xs: Any) -> Any:
            h, self.hs, self.xs = np.zeros(self.Wh.shape[0]), [], xs
            for t in range(len(xs)):
                h = np.tanh(xs[t] @ self.Wx + h @ self.Wh + self.b)
                self.hs.append(h)
            return h

        def backward(self, dh: Array) -> Array:
            dWx, dWh, db = (np.zeros_like(p) for p in (self.Wx, self.Wh, self.b))
            dxs = np.zeros(self.xs.shape)
            for t in reversed(range(len(self.xs))):
                before = self.hs[t - 1] if t else np.zeros_like(dh)
                dz = dh * (1 - self.hs[t] ** 2)
                dWx += np.outer(self.xs[t], dz)
                dWh = (0 if slip and "added up" in slip else dWh) + np.outer(before, dz)
                db += dz
                dxs[t] = dz @ self.Wx.T
                dh = np.zeros_like(dh) if slip and "next step" in slip else dz @ self.Wh.T
            for g, d in zip(self.grads, (dWx, dWh, db), strict=True):
                g[...] = d
            return dxs

    layers = {"embed": Embedding(6, 3), "rnn": RNN(3, 4)}
    half = lambda p, t: ((p - t) ** 2).sum() / 2
    return compare_layers(layers, half, lambda p, t: p - t, np.array([1, 4, 1, 2]), r(4))
