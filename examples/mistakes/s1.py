"""Tabular regression, z = X W^T + b with W (out, in); squares, leaky relu with slope .01."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from autograd_lite import leaky_relu, tensor

from .gallery import Array, Handed, draws, leaf, mistake, named


def output_layer() -> SimpleNamespace:
    """One output from three inputs, and the mean of the squares over five samples."""
    x, w, b, y = draws((5, 3), (1, 3), (1,), (5, 1))
    z = named("z", leaf("x", x) @ leaf("w", w).T + leaf("b", b))  # (5, 1)
    loss = ((z - tensor(y)) ** 2).mean()
    return SimpleNamespace(x=x, w=w, n=len(x), difference=z.detach().numpy() - y, loss=loss)


def hidden_layer(n: int, features: int, units: int) -> SimpleNamespace:
    """A layer with leaky relu, and the gradient `da` of its output."""
    x, w, b, c = draws((n, features), (units, features), (units,), (n, units))
    z = named("z", leaf("x", x) @ leaf("W", w).T + leaf("b", b))  # (n, units)
    a = named("a", leaky_relu(z))
    loss = (a * a * tensor(c)).sum() / n
    da = 2 * a.detach().numpy() * c / n
    return SimpleNamespace(x=x, w=w, b=b, z=z.detach().numpy(), da=da, loss=loss)


def slope(z: Array) -> Array:
    return np.where(z > 0, 1.0, 0.01)


@mistake("mean-missing", at="x")
def input_without_the_mean(right: bool) -> Handed:
    """The error that is passed back lacks the 1/n of the mean.

    Written: dC/dX = 2 (Xw^T + b - y) w.
    Right:   dC/dX = 2/n (Xw^T + b - y) w, for a mean of n squares.
    Why:     the square of one sample is derived, and called the cost of all. Divide later, at the
             weights, and all is well; divide nowhere, and it is a learning rate n times as large.
    """
    net = output_layer()
    dz = 2 * net.difference / (net.n if right else 1)
    return net.loss, {"x": dz @ net.w}, None


@mistake("mean-missing", at="w")
def weight_without_the_mean(right: bool) -> Handed:
    """The gradient of the weights lacks the 1/n of the mean.

    Written: dC/dw = 2 (Xw^T + b - y)^T X.
    Right:   dC/dw = 2/n (Xw^T + b - y)^T X.
    Why:     the product already sums over the samples, which feels like the end of it. The update
             still points downhill, so that training works until somebody changes the batch size.
    """
    net = output_layer()
    dz = 2 * net.difference / net.n
    dw = 2 * net.difference.T @ net.x / (net.n if right else 1)
    return net.loss, {"z": dz, "w": dw}, None


@mistake("bias-not-summed", at="b")
def bias_per_sample(right: bool) -> Handed:
    """The gradient of the bias has a row for each sample.

    Written: dC/db = dz, of shape (n, 1).
    Right:   the sum of dz over the samples, of shape (1,).
    Why:     dz/db = 1, so the chain rule seems to end here. But b was broadcast to n rows, and what
             is copied forward is summed backward. `b -= lr * db` then fails, and
             `b = b - lr * db` makes a column of b.
    """
    net = output_layer()
    dz = 2 * net.difference / net.n
    return net.loss, {"z": dz, "b": dz.sum(axis=0) if right else dz}, None


@mistake("summed-over-inputs", at="w")
def one_number_for_all_weights(right: bool) -> Handed:
    """`np.sum` without an axis adds up the features too.

    Written: 2 * np.sum(np.dot(Xw + b - y, X)) / n, one number, taken off every weight.
    Right:   2 * np.dot(Xw + b - y, X) / n: the product has summed over the samples already.
    Why:     the formula's sum over the batch is typed once more, around a product that holds it.
             All weights of the layer then move in step, and their differences are never learned.
    """
    net = output_layer()
    dz = 2 * net.difference / net.n
    dw = dz.T @ net.x  # (1, 3)
    return net.loss, {"z": dz, "w": dw if right else np.full_like(dw, dw.sum())}, None


@mistake("operand-order", at="W")
def delta_times_inputs(right: bool) -> Handed:
    """The two factors of the weight gradient change places.

    Written: dC/dW = dz X^T.
    Right:   dC/dW = dz^T X, of shape (out, in) as W is.
    Why:     it is the formula for samples as columns. With samples as rows the shapes forbid it
             unless the layer is square and the batch of the same size, as 16 on 16 with 16 samples.
    """
    net = hidden_layer(4, 4, 4)
    dz = net.da * slope(net.z)
    return net.loss, {"z": dz, "W": dz.T @ net.x if right else dz @ net.x.T}, None


@mistake("partial-preactivation", at="x")
def slope_at_one_product(right: bool) -> Handed:
    """The slope of the activation is taken at one product, not at the whole sum.

    Written: dC/dx_j = sum_k da_k f'(x_j w_kj + b_k) w_kj.
    Right:   dC/dx_j = sum_k da_k f'(z_k) w_kj, where z_k = sum_j x_j w_kj + b_k.
    Why:     with the sum over k in the formula, the sum over j inside of f' is easily lost. With a
             leaky relu only signs count, and where they agree nothing shows.
    """
    net = hidden_layer(5, 3, 4)
    products = net.x[:, None, :] * net.w + net.b[:, None]  # (n, out, in)
    at = net.z[:, :, None] if right else products
    dx = (net.da[:, :, None] * slope(at) * net.w).sum(axis=1)  # (n, in)
    return net.loss, {"a": net.da, "x": dx}, None
