"""The backward of one operation as a learner writes it, with the mistakes that can be planted in it.

A backward asks `slip(slug, place)` wherever a mistake can be made, and what follows is computed from
the wrong result, as it is when a learner makes it. A `Slip` that makes no mistake collects the
questions: they are the cases.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Array = Any
Grads = dict[str, Array]

# A learner who writes one function for all layers makes its mistake in all of them.
EVERYWHERE = "everywhere"
SHARED = {
    "activation-missing", "activation-at-output", "activation-not-derived", "relu-mask-missing",
    "relu-mask-from-upstream", "bias-not-summed", "bias-averaged", "last-sample-only",
    "updated-weights", "weight-not-transposed",
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
