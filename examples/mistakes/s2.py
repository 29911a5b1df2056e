"""Iris, one column at a time: y = sigmoid(Wx + b), then softmax and cross-entropy.

`iris.py` trains the network with all four gradient faults.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from autograd_lite import sigmoid, softmax, tensor

from .gallery import (
    Array,
    Handed,
    arrays,
    draws,
    error,
    leaf,
    mistake,
    mse,
    mse_grad,
    named,
    wrong_update,
)

TARGET = np.array([0.98, 0.01, 0.01])


def network() -> SimpleNamespace:
    """4-5-3 with the sigmoid of the write-up, which has exp(+z); one flower, drawn at random."""
    x, w1, b1, w2, b2 = draws((4,), (5, 4), (5,), (3, 5), (3,))
    z1 = named("z1", leaf("W1", w1) @ tensor(x) + leaf("b1", b1))  # (5,)
    a1 = named("a1", sigmoid(-z1))  # 1 / (1 + exp(+z1))
    z2 = named("z2", leaf("W2", w2) @ a1 + leaf("b2", b2))  # (3,)
    p = named("p", softmax(z2))
    loss = -(tensor(TARGET) * p.log()).sum()
    return SimpleNamespace(x=x, W2=w2, loss=loss, **arrays(a1=a1, z2=z2, p=p))


def backward(*, plus: bool = False, logits: bool = False, binary: bool = False) -> Handed:
    """The backward pass of the write-up, with those of its mistakes that are asked for."""
    net = network()
    p, a1 = net.p, net.a1
    dp = -TARGET / p + (1 - TARGET) / (1 - p) * binary
    s = net.z2 if logits else p
    dz2 = (np.diag(s) - np.outer(s, s)) @ dp
    da1 = net.W2.T @ dz2
    dz1 = da1 * a1 * (1 - a1) * (1 if plus else -1)
    intermediates = {"p": dp, "z2": dz2, "a1": da1, "z1": dz1}
    parameters = {"b2": dz2, "W2": np.outer(dz2, a1), "b1": dz1, "W1": np.outer(dz1, net.x)}
    return net.loss, intermediates | parameters, None


@mistake("sign", at="z1")
def sigmoid_of_plus(right: bool) -> Handed:
    """The sigmoid is written with exp(+z), its derivative for exp(-z).

    Written: s(z) = 1 / (1 + exp(z)) with s' = s (1 - s).
    Right:   1 / (1 + exp(-z)) has that derivative; with exp(+z) it is -s (1 - s).
    Why:     a minus sign lost in the forward pass makes a fine decreasing sigmoid, and a network of
             them computes the same functions. Two such layers cancel each other's wrong sign.
    """
    return backward(plus=not right)


@mistake("softmax-from-logits", at="z2")
def jacobian_from_logits(right: bool) -> Handed:
    """The Jacobian of softmax is built from its input.

    Written: dz = (diag(z) - z z^T) dp.
    Right:   dz = (diag(p) - p p^T) dp, where p = softmax(z).
    Why:     an activation's derivative is called with the layer's input, and must compute the
             output again. s(z) (1 - s(z)) shows the call; diag(s) - s s^T does not.
    """
    return backward(logits=not right)


@mistake("bce-term", at="p")
def binary_term(right: bool) -> Handed:
    """The derivative of binary cross-entropy is used for cross-entropy.

    Written: dp = -t / p + (1 - t) / (1 - p).
    Right:   dp = -t / p: the loss has no term with log(1 - p).
    Why:     both losses are called cross-entropy. The extra term pushes the same way, and where
             three classes are equally likely it only makes dz 1.5 times as long.
    """
    return backward(binary=not right)


class Columns:
    """A linear layer of columns that steps by itself."""

    def __init__(self, w: Array, b: Array, bias_sign: int) -> None:
        self.W, self.b, self.bias_sign = w, b, bias_sign

    def forward(self, x: Array) -> Array:
        self.x = x
        return self.W @ x + self.b  # (out, in) @ (in, n) + (out, 1)

    def backward(self, dz: Array, lr: float) -> Array:
        dx = self.W.T @ dz
        self.W -= lr * dz @ self.x.T
        self.b += self.bias_sign * lr * dz.sum(axis=1, keepdims=True)
        return dx


@wrong_update("update-ascent", at="layer.b")
def bias_ascends(right: bool) -> dict[str, Any]:
    """The biases are moved along the gradient.

    Written: W -= lr dW, but b += lr db.
    Right:   b -= lr db.
    Why:     two lines that look alike, and one character. Training need not tell: on Iris the
             accuracy is that of the right update, as `iris.py` measures.
    """
    w, b, x, y = draws((4, 3), (4, 1), (3, 5), (4, 5))
    layers = {"layer": Columns(w, b, -1 if right else 1)}
    return {"layers": layers, "loss": mse, "loss_grad": mse_grad, "x": x, "y": y, "lr": 0.1}


@error(NameError, at="bn")
def undefined_name(right: bool) -> None:
    """The hidden layers pass on an argument that does not exist.

    Written: self.next.forward(self.activation(z), bn=bn), without any bn.
    Right:   self.next.forward(self.activation(z)).
    Why:     a name from an earlier version. A notebook keeps old variables alive, so that such a
             cell may run for its author; in a new one Python objects at the first call.
    """

    def forward(x: Array) -> Array:
        return x if right else x * bn  # type: ignore[name-defined]  # noqa: F821

    forward(TARGET)
