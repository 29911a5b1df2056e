"""The batched network U = HW + 1b with W (in, out), half squares or summed cross-entropy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from autograd_lite import relu, tensor

from .gallery import Array, Handed, arrays, draws, leaf, mistake, mse, mse_grad, named, wrong_update


def hidden_layers() -> SimpleNamespace:
    """Two layers of four units each, so that the second weight is square."""
    x, w1, w2, y = draws((5, 3), (3, 4), (4, 4), (5, 4))
    u1 = named("U1", tensor(x) @ leaf("W1", w1))  # (5, 4)
    h1 = named("H1", relu(u1))
    u2 = named("U2", h1 @ leaf("W2", w2))  # (5, 4)
    loss = ((u2 - tensor(y)) ** 2).sum() / (2 * len(x))
    du2 = (u2.detach().numpy() - y) / len(x)
    return SimpleNamespace(x=x, W2=w2, dU2=du2, loss=loss, **arrays(U1=u1, H1=h1))


@mistake("weight-not-transposed", at="H1")
def delta_without_transpose(right: bool) -> Handed:
    """The error goes back through W where W^T is due.

    Written: delta1 = (delta2 W2) * f'(U1), in the part for one sample.
    Right:   delta1 = (delta2 W2^T) * f'(U1), as the part for many samples has it.
    Why:     forward it is H W, and backward looks like the same with delta for H. The shapes tell,
             but not between two layers of 16 units.
    """
    net = hidden_layers()
    dw2 = net.H1.T @ net.dU2
    dh1 = net.dU2 @ (net.W2.T if right else net.W2)
    du1 = dh1 * (net.U1 > 0)
    dw1 = net.x.T @ du1
    return net.loss, {"U2": net.dU2, "W2": dw2, "H1": dh1, "U1": du1, "W1": dw1}, None


@mistake("mean-twice", at="Y")
def loss_and_gradient_of_two_scales(right: bool) -> Handed:
    """The loss is a sum, its gradient that of a mean.

    Written: E = 1/2 sum (Y - T)^2 with dY = (Y - T) / n.
    Right:   dY = Y - T for that loss, or 1/n in both.
    Why:     the two are methods of one class, the formula above them has 1/n, and each alone is a
             sensible choice. Training follows the gradient; only the printed loss is n times as
             large as it should be, until one tunes the learning rate by it.
    """
    h, w, t = draws((5, 3), (3, 2), (5, 2))
    output = named("Y", tensor(h) @ leaf("W", w))  # (5, 2)
    loss = ((output - tensor(t)) ** 2).sum() / 2
    dy = output.detach().numpy() - t
    if not right:
        dy /= len(h)
    return loss, {"Y": dy, "W": h.T @ dy}, None


class Linear:
    """A layer that steps when its backward is called."""

    def __init__(self, w: Array, sign: int) -> None:
        self.W, self.sign = w, sign

    def forward(self, h: Array) -> Array:
        self.h = h
        return h @ self.W

    def backward(self, delta: Array, lr: float) -> Array:
        before = delta @ self.W.T
        self.W += self.sign * lr * self.h.T @ delta
        return before


@wrong_update("update-ascent", at="layer.W")
def weights_ascend(right: bool) -> dict[str, Any]:
    """Gradient descent is written with a plus.

    Written: W <- W + eta dE/dW.
    Right:   W <- W - eta dE/dW.
    Why:     where delta is defined as -dE/dU, as in Mitchell's textbook, the plus is right. With
             the minus in neither place the loss climbs; the code below the formula has it.
    """
    w, h, t = draws((3, 2), (5, 3), (5, 2))
    layers = {"layer": Linear(w, -1 if right else 1)}
    return {"layers": layers, "loss": mse, "loss_grad": mse_grad, "x": h, "y": t, "lr": 0.1}
