"""The formulas that autodiff must reproduce, each as one small function of arrays.

`g` is the gradient of a function's output. A `_grad` function takes what the forward function
took and returns the gradient of a scalar loss; a `_back` function takes `g` first.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from . import Array, same_shape

Reduction = Literal["sum", "mean"]


# Linear layers: three layouts of the same map. Each `_back` returns (dX, dW, db).
def linear_out_in(x: Array, w: Array, b: Array) -> Array:
    """Rows, weight as in PyTorch."""
    return x @ w.T + b  # (n, in) @ (in, out) + (out,) -> (n, out)


def linear_out_in_back(g: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    return g @ w, g.T @ x, g.sum(axis=0)  # (n, in), (out, in), (out,)


def linear_in_out(x: Array, w: Array, b: Array) -> Array:
    """Rows, weight as it is multiplied."""
    return x @ w + b  # (n, in) @ (in, out) + (1, out) -> (n, out)


def linear_in_out_back(g: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    return g @ w.T, x.T @ g, g.sum(axis=0, keepdims=True)  # (n, in), (in, out), (1, out)


def linear_columns(a: Array, w: Array, b: Array) -> Array:
    """Samples side by side as columns."""
    return w @ a + b  # (out, in) @ (in, n) + (out, 1) -> (out, n)


def linear_columns_back(g: Array, a: Array, w: Array) -> tuple[Array, Array, Array]:
    return w.T @ g, g @ a.T, g.sum(axis=1, keepdims=True)  # (in, n), (out, in), (out, 1)


# Activations: elementwise, any shape. A `_prime` is evaluated at the input.
def identity(x: Array) -> Array:
    return x


def identity_prime(x: Array) -> Array:
    return np.ones_like(x)


def relu(x: Array) -> Array:
    return np.maximum(x, 0.0)


def relu_prime(x: Array) -> Array:
    return (x > 0).astype(np.float64)  # 0 at the kink


def leaky_relu(x: Array, slope: float = 0.01) -> Array:
    return np.where(x > 0, x, slope * x)


def leaky_relu_prime(x: Array, slope: float = 0.01) -> Array:
    return np.where(x > 0, 1.0, slope)  # the slope at the kink


def tanh(x: Array) -> Array:
    return np.tanh(x)


def tanh_prime(x: Array) -> Array:
    return 1.0 - np.tanh(x) ** 2


def sigmoid(x: Array) -> Array:
    decay = np.exp(-np.abs(x))  # never overflows
    return np.where(x >= 0, 1.0, decay) / (1.0 + decay)


def sigmoid_prime(x: Array) -> Array:
    y = sigmoid(x)
    return y * (1.0 - y)


ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "identity": (identity, identity_prime),
    "relu": (relu, relu_prime),
    "leaky_relu": (leaky_relu, leaky_relu_prime),
    "tanh": (tanh, tanh_prime),
    "sigmoid": (sigmoid, sigmoid_prime),
}


# Squares.
def mse(prediction: Array, target: Array) -> float:
    """Mean over all entries."""
    same_shape(prediction, target)
    return float(np.mean((prediction - target) ** 2))


def mse_grad(prediction: Array, target: Array) -> Array:
    same_shape(prediction, target)
    return 2.0 * (prediction - target) / prediction.size  # (n, out), over n * out


def half_mse(prediction: Array, target: Array) -> float:
    """Half the squared distance of each row, averaged over the rows."""
    same_shape(prediction, target)
    return float(np.sum((prediction - target) ** 2) / (2 * len(prediction)))


def half_mse_grad(prediction: Array, target: Array) -> Array:
    same_shape(prediction, target)
    return (prediction - target) / len(prediction)  # (n, out), over n


# Softmax and its logarithm, over `axis`: the last one for rows, 0 for columns.
def softmax(u: Array, axis: int = -1) -> Array:
    e: Array = np.exp(u - u.max(axis=axis, keepdims=True))
    total: Array = e.sum(axis=axis, keepdims=True)
    return e / total


def softmax_jacobian(u: Array) -> Array:
    """Entry (c, j) is d y_c / d u_j = y_c (1[c = j] - y_j), one matrix for each row of `u`."""
    y = softmax(u)  # (..., k)
    return y[..., :, None] * (np.eye(y.shape[-1]) - y[..., None, :])  # (..., k, k)


def softmax_back(g: Array, u: Array, axis: int = -1) -> Array:
    """The product of `g` with the Jacobian, which is not formed."""
    y = softmax(u, axis)
    mean: Array = (g * y).sum(axis=axis, keepdims=True)
    return y * (g - mean)


def log_softmax(u: Array, axis: int = -1) -> Array:
    shifted: Array = u - u.max(axis=axis, keepdims=True)
    total: Array = np.exp(shifted).sum(axis=axis, keepdims=True)
    return shifted - np.log(total)


def log_softmax_back(g: Array, u: Array, axis: int = -1) -> Array:
    total: Array = g.sum(axis=axis, keepdims=True)
    return g - softmax(u, axis) * total


def cross_entropy(u: Array, t: Array, reduction: Reduction = "mean") -> float:
    """-sum t log softmax(u), over rows of logits; a target row may have any weights and sum."""
    same_shape(u, t)
    total = -float(np.sum(t * log_softmax(u)))
    return total / len(u) if reduction == "mean" else total


def cross_entropy_grad(u: Array, t: Array, reduction: Reduction = "mean") -> Array:
    same_shape(u, t)
    weight: Array = t.sum(axis=-1, keepdims=True)  # (n, 1), 1 for one-hot targets
    g = softmax(u) * weight - t  # (n, k)
    return g / len(u) if reduction == "mean" else g


# A hidden layer between two linear ones, rows, weights (in, out).
def hidden_delta(delta_next: Array, w_next: Array, u: Array, activation: str) -> Array:
    """The gradient of the layer's input u^l, from that of u^(l+1)."""
    prime = ACTIVATIONS[activation][1]
    return (delta_next @ w_next.T) * prime(u)  # (n, m_next) @ (m_next, m) -> (n, m)


def hidden_weight_grad(h_prev: Array, delta: Array) -> Array:
    return h_prev.T @ delta  # (m_prev, n) @ (n, m) -> (m_prev, m)


def hidden_bias_grad(delta: Array) -> Array:
    return np.ones((1, len(delta))) @ delta  # (1, n) @ (n, m) -> (1, m)


# Linear layers in a row, weights (in, out), nothing between them.
def linear_stack(x: Array, weights: Sequence[Array], biases: Sequence[Array]) -> Array:
    for w, b in zip(weights, biases, strict=True):
        x = linear_in_out(x, w, b)
    return x


def collapse(weights: Sequence[Array], biases: Sequence[Array]) -> tuple[Array, Array]:
    """The one linear layer that equals the stack: W = W1 W2 ... WL and its bias."""
    w, b = weights[0], biases[0]
    for w_next, b_next in zip(weights[1:], biases[1:], strict=True):
        w, b = w @ w_next, b @ w_next + b_next  # (in, out), (1, out)
    return w, b
