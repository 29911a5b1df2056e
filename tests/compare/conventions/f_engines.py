"""Gradients that an engine of the learner's own makes: scalars, `.g`, contexts, operations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_lite import check, check_backward
from tests.compare.conventions.bed import Array, impl, rand


@impl("a class of scalars with _backward closures", "check", {
    "= for += in mul": ("w", r"relative|only|one use|overwr|differ"),
    "tanh's derivative of the input": ("w", r"instead of out"),
    "pow without its exponent": ("w", r"times|relative|1/2"),
})  # fmt: skip
def scalars(slip: Any, dt: Any) -> Any:
    class Value:
        def __init__(self, data: float, children: Any = ()) -> None:
            self.data, self.grad, self.prev = float(data), 0.0, children
            self._backward = lambda: None

        def __add__(self, other: Any) -> Any:
            other = other if isinstance(other, Value) else Value(other)
            out = Value(self.data + other.data, (self, other))

            def backward() -> None:
                self.grad += out.grad
                other.grad += out.grad

            out._backward = backward
            return out

        def __mul__(self, other: Any) -> Any:
            other = other if isinstance(other, Value) else Value(other)
            out = Value(self.data * other.data, (self, other))

            def backward() -> None:
                keep = 0 if slip == "= for += in mul" else 1
                self.grad = keep * self.grad + other.data * out.grad
                other.grad = keep * other.grad + self.data * out.grad

            out._backward = backward
            return out

        def tanh(self) -> Any:
            out = Value(math.tanh(self.data), (self,))

            def backward() -> None:
                y = self.data if slip == "tanh's derivative of the input" else out.data
                self.grad += (1 - y * y) * out.grad

            out._backward = backward
            return out

        def square(self) -> Any:
            out = Value(self.data**2, (self,))

            def backward() -> None:
                two = 1 if slip == "pow without its exponent" else 2
                self.grad += two * self.data * out.grad

            out._backward = backward
            return out

        def backward(self) -> None:
            order: list[Any] = []
            seen = set()

            def build(v: Any) -> None:
                if v not in seen:
                    seen.add(v)
                    for child in v.prev:
                        build(child)
                    order.append(v)

            build(self)
            self.grad = 1.0
            for v in reversed(order):
                v._backward()

    xs, ts = rand(50)(6, 3), rand(51)(6)

    def loss(w: Array) -> Any:
        ws = [Value(v) for v in w]
        total = Value(0.0)
        for x, t in zip(xs, ts, strict=True):
            z = ws[3]
            for v, a in zip(ws, x, strict=False):
                z = z + v * float(a)
            total = total + (z.tanh() + -float(t)).square()
        total.backward()
        return total.data, np.array([v.grad for v in ws])

    return check(loss, rand(52, dt)(4))


@impl("gradients in .g: mse_grad, relu_grad, lin_grad", "check", {
    "2 left out of mse_grad": (("w2", "b2", "w1", "b1"), r"2|times"),
    "relu's mask left out": (("w1", "b1"), r"mask|left out|relative"),
    "w.g with the output": (("w1", "w2"), r"shape|output|input|relative"),
    "not divided by the batch": (("w2", "b2", "w1", "b1"), r"batch|times|not divided"),
}, glue=1)  # fmt: skip
def dot_g(slip: Any, dt: Any) -> Any:
    class G(np.ndarray):
        g: Any

    def fresh(a: Array) -> Any:
        return np.array(a).view(G)

    r = rand(53, dt)
    inputs, targ = fresh(r(7, 3)), fresh(r(7))

    def forward_and_backward(w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
        w1, b1, w2, b2 = map(fresh, (w1, b1, w2, b2))
        l1 = inputs @ w1 + b1
        l2 = np.maximum(l1, 0)
        out = l2 @ w2 + b2
        n = 1 if slip == "not divided by the batch" else len(inputs)
        out.g = (1 if slip == "2 left out of mse_grad" else 2) * (out[:, 0] - targ)[:, None] / n
        lin_grad(l2, out, w2, b2)
        l1.g = l2.g if slip == "relu's mask left out" else (l1 > 0) * l2.g
        lin_grad(inputs, l1, w1, b1)
        return ((out[:, 0] - targ) ** 2).mean(), {"w1": w1.g, "b1": b1.g, "w2": w2.g, "b2": b2.g}

    def lin_grad(inp: Any, out: Any, w: Any, b: Any) -> None:
        inp.g = out.g @ w.T
        used = out if slip == "w.g with the output" else inp
        w.g, b.g = used.T @ out.g, out.g.sum(0)

    return check(forward_and_backward, {"w1": r(3, 4), "b1": r(4), "w2": r(4, 1), "b2": r(1)})


@impl("class with static forward(ctx, ...) and backward(ctx, d)", "check_backward", {
    "own factor": ("a", r"factor|itself|other"),
    "saved the output": ("b", r"factor|output|unexplained|norm"),
    "only one gradient": (("backward()",), r"1 gradient for 2 inputs"),
})  # fmt: skip
def contexts(slip: Any, dt: Any) -> Any:
    class MulSigmoid:
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            s = 1 / (1 + np.exp(-a))
            ctx.save_for_backward(s * b if slip == "saved the output" else s, b)
            return s * b

        @staticmethod
        def backward(ctx: Any, d_output: Any) -> Any:
            s, b = ctx.saved_values
            d_a = d_output * s * (1 - s) * (s if slip == "own factor" else b)
            return (d_a,) if slip == "only one gradient" else (d_a, d_output * s)

    r = rand(54, dt)
    return check_backward(MulSigmoid, inputs=(r(3, 4), r(3, 4)))


@impl("operation with compute(a, b) and gradient(out_grad, node)", "check_backward", {
    "a for b": ("a", r"factor|itself|other|shape|unexplained|norm"),
    "sign of the denominator": ("b", r"sign"),
    "square left out": ("b", r"unexplained|norm|square|exponent|factor|divided|denominator"),
})  # fmt: skip
def operations(slip: Any, dt: Any) -> Any:
    class EWiseDiv:
        def compute(self, a: Any, b: Any) -> Any:
            return a / b

        def gradient(self, out_grad: Any, node: Any) -> Any:
            a, b = node.inputs
            below = b if slip == "square left out" else b * b
            sign = 1 if slip == "sign of the denominator" else -1
            return out_grad / (a if slip == "a for b" else b), sign * out_grad * a / below

    r = rand(55, dt)
    return check_backward(EWiseDiv(), inputs=(r(3, 4), np.abs(r(3, 4)) + dt(0.5)))


@impl("a layer object whose backward takes the upstream alone", "check_backward", {
    "derivative of the output's output": ("x", r"output|unexplained|norm"),
    "upstream left out": ("x", r"arriving|upstream|unexplained"),
})  # fmt: skip
def layer_object(slip: Any, dt: Any) -> Any:
    class Sigmoid:
        def forward(self, x: Any) -> Any:
            self.out = 1 / (1 + np.exp(-x))
            return self.out

        def backward(self, dvalues: Array) -> Array:
            s = self.out
            if slip == "derivative of the output's output":
                s = 1 / (1 + np.exp(-s))
            return (1 if slip == "upstream left out" else dvalues) * s * (1 - s)

    return check_backward(Sigmoid(), inputs=(rand(56, dt)(5, 4),))
