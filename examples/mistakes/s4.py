"""Digits with samples as columns: Z = WA + B with B (out, 1), relu, softmax, cross-entropy."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

import nn
from autograd_lite import Tensor, relu, softmax, tensor

from .gallery import Handed, arrays, draws, leaf, mistake, named, wrong_value


def network(
    features: int = 3, hidden: int = 4, classes: int = 3, n: int = 5, sign: int = -1
) -> SimpleNamespace:
    """Two layers; the loss is `sign` times the mean over the columns of sum Y log A2."""
    shapes = (features, n), (hidden, features), (hidden, 1), (classes, hidden), (classes, 1)
    x, w1, b1, w2, b2 = draws(*shapes)
    y = np.eye(classes)[:, np.arange(n) % classes]  # (classes, n)
    z1 = named("Z1", leaf("W1", w1) @ tensor(x) + leaf("B1", b1))  # (hidden, n)
    a1 = named("A1", relu(z1))
    z2 = named("Z2", leaf("W2", w2) @ a1 + leaf("B2", b2))  # (classes, n)
    a2 = softmax(z2, axis=0)
    loss = sign * (tensor(y) * a2.log()).sum() / n
    dz2 = (a2.detach().numpy() - y) / n
    kept = arrays(Z1=z1, A1=a1, A2=a2)
    return SimpleNamespace(x=x, y=y, W2=w2, dZ2=dz2, loss=loss, **kept)


@wrong_value(at="cross-entropy")
def value_without_minus(right: bool) -> tuple[float, Tensor]:
    """The loss lacks its minus sign: the value.

    Written: L = sum Y ln A2.
    Right:   L = -sum Y ln A2.
    Why:     nothing uses the value, as the backward pass starts at dZ2 = A2 - Y. A cross-entropy
             below zero is the giveaway, and a curve that rises while accuracy does.
    """
    net = network()
    logs = np.log(net.A2)  # logits too, as their softmax is A2 again
    mean = float((net.y * logs).sum(axis=0).mean())
    library = nn.functional.cross_entropy(tensor(logs.T), tensor(net.y.T))
    return -mean if right else mean, library


@mistake("sign", at="Z2")
def gradient_without_minus(right: bool) -> Handed:
    """The loss lacks its minus sign: the gradient.

    Written: L = sum Y ln A2 with dZ2 = A2 - Y.
    Right:   dZ2 = A2 - Y belongs to L = -sum Y ln A2.
    Why:     each is copied from a different source. Who derives one from the other gets Y - A2, and
             a network that climbs.
    """
    net = network(sign=-1 if right else 1)
    dw2, db2 = net.dZ2 @ net.A1.T, net.dZ2.sum(axis=1, keepdims=True)
    return net.loss, {"Z2": net.dZ2, "W2": dw2, "B2": db2}, None


@mistake("bias-not-summed", at="B2")
def bias_per_sample(right: bool) -> Handed:
    """The gradient of the bias has a column for each sample.

    Written: dB2 = A2 - Y, of shape (out, n).
    Right:   its sum over the samples, of shape (out, 1).
    Why:     dZ2/dB2 = 1. The bias was broadcast over the columns, so its gradient is a sum over
             them; the write-up mends it further down.
    """
    net = network()
    db2 = net.dZ2.sum(axis=1, keepdims=True) if right else net.dZ2
    return net.loss, {"Z2": net.dZ2, "B2": db2}, None


@mistake("operand-order", at="A1")
def factors_in_reading_order(right: bool) -> Handed:
    """The factors of the chain rule are multiplied in the order in which they are read.

    Written: dZ1 = dZ2 W2 * relu'(Z1).
    Right:   dZ1 = (W2^T dZ2) * relu'(Z1), with samples as columns.
    Why:     the chain rule of numbers commutes, and Jacobians multiply in just this order. Where
             gradients stand as columns, both turn round; shapes object unless all are equal.
    """
    net = network(hidden=4, classes=4, n=4)
    da1 = net.W2.T @ net.dZ2 if right else net.dZ2 @ net.W2
    dz1 = da1 * (net.Z1 > 0)
    return net.loss, {"Z2": net.dZ2, "A1": da1, "Z1": dz1, "W1": dz1 @ net.x.T}, None


@mistake("placeholder", at="W1")
def derivation_ends_in_one(right: bool) -> Handed:
    """The derivation is never finished: the gradient is 1.

    Written: dL/dW1 = 1.
    Right:   dL/dW1 = dZ1 X^T.
    Why:     a line that was to be filled in later. The other layers still learn, so that the loss
             may fall all the same.
    """
    net = network()
    dz1 = net.W2.T @ net.dZ2 * (net.Z1 > 0)
    dw1 = dz1 @ net.x.T
    return net.loss, {"Z2": net.dZ2, "Z1": dz1, "W1": dw1 if right else np.ones_like(dw1)}, None
