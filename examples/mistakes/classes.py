"""Classes with forward and backward, as in nnfs, joelnet and many repositories.

A layer keeps what it needs, and its backward returns the gradient of its input.
"""

from __future__ import annotations

import numpy as np

from autograd_lite import compare_layers
from autograd_lite.comparison import Report

from .gallery import mistake, normal, softmax


def squares(p, y):
    return ((p - y) ** 2).sum() / len(y)


def squares_prime(p, y):
    return 2 * (p - y) / len(y)


def cross_entropy(p, y):
    return -(y * np.log(p)).sum() / len(y)


class Dense:
    """A layer that is right, for nets whose mistake is elsewhere."""

    def __init__(self, n, m, seed=0):
        self.W, self.b = normal((n, m), (1, m), seed=seed)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, g):
        self.dW, self.db = self.x.T @ g, g.sum(axis=0, keepdims=True)
        return g @ self.W.T


class Tanh:
    """An activation that is right."""

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, g):
        return g * (1 - self.y**2)


def data(classes=False):
    """Six samples, and what is wanted of them: two numbers, or one of three classes."""
    x, y = normal((6, 3), (6, 2), seed=5)
    return x, np.eye(3)[[0, 2, 1, 1, 0, 2]] if classes else y


@mistake(at="layers[1] output", says=r"diagonal")
def softmax_with_its_diagonal_only() -> Report:
    """The softmax layer goes backwards as a sigmoid would: g * p * (1 - p).

    The Jacobian of softmax is a full matrix, since each probability depends on all scores. Its
    diagonal looks just like the derivative of a sigmoid.

    The diagonal is the largest part of each row, and cross-entropy sends a gradient to one class
    only: the score of the right class rises as it should, and the others do not fall.
    """

    class Softmax:
        def forward(self, z):
            self.p = softmax(z)
            return self.p

        def backward(self, g):
            return g * self.p * (1 - self.p)
            # right: return self.p * (g - (g * self.p).sum(axis=1, keepdims=True))

    layers = [Dense(3, 4), Dense(4, 3, seed=1), Softmax()]
    return compare_layers(layers, cross_entropy, lambda p, y: -y / p / len(y), *data(classes=True))


@mistake(at="layers[2] output", says=r"softmax.*twice|Jacobian|again")
def softmax_after_the_shortcut() -> Report:
    """The gradient p - y goes through the Jacobian of softmax, which it contains already.

    Softmax and cross-entropy together have the gradient (p - y) / n. Here the loss hands that on,
    and the softmax layer multiplies by its Jacobian once more.

    Both halves are right alone. The product points the right way, only it is short, most of all
    where the net is sure.
    """

    class Softmax:
        def forward(self, z):
            self.p = softmax(z)
            return self.p

        def backward(self, g):
            return self.p * (g - (g * self.p).sum(axis=1, keepdims=True))
            # right: return g

    layers = [Dense(3, 4), Dense(4, 3, seed=1), Softmax()]
    return compare_layers(layers, cross_entropy, lambda p, y: (p - y) / len(y), *data(classes=True))


@mistake(at="layers[0].b", says=r"mean.*for the sum|mean over the batch")
def bias_averaged() -> Report:
    """The gradient of the bias is a mean over the batch, that of the weights a sum.

    The mean of the loss is in the gradient that arrives already. `x.T @ g` sums over the batch by
    itself, and for the bias `mean` is written where `sum` is due.

    The bias moves the right way, n times too slowly. Weights of other units stand in for it.
    """

    class Linear(Dense):
        def backward(self, g):
            self.dW = self.x.T @ g
            self.db = g.mean(axis=0, keepdims=True)
            # right: self.db = g.sum(axis=0, keepdims=True)
            return g @ self.W.T

    layers = [Linear(3, 4), Tanh(), Dense(4, 2, seed=1)]
    return compare_layers(layers, squares, squares_prime, *data())


@mistake(at="layers[2].W", says=r"up the gradient|ascent|W \+=")
def weights_climb() -> Report:
    """The step goes along the gradient, not against it.

    `W += lr * dW` is right where the error is target minus output, as in many write-ups; with
    output minus target it climbs.

    It does not train, if all layers do it. If one does, the others work against it, and the loss
    falls to where they balance.
    """

    class Linear(Dense):
        def backward(self, g, lr):
            dx = g @ self.W.T
            self.W += lr * self.x.T @ g
            # right: self.W -= lr * self.x.T @ g
            self.b -= lr * g.sum(axis=0, keepdims=True)
            return dx

    class Activation(Tanh):
        def backward(self, g, lr):
            return g * (1 - self.y**2)

    layers = [Linear(3, 4), Activation(), Linear(4, 2, seed=1)]
    return compare_layers(layers, squares, squares_prime, *data(), lr=0.1)


@mistake(at="layers[1] output", says=r"this step has changed|updated")
def weights_changed_before_they_are_used() -> Report:
    """The weights are updated first, and the gradient of the input is taken with the new ones.

    Both lines are right, in the wrong order: `g @ self.W.T` is due before `self.W -= ...`.

    The two weights differ by one step of the learning rate, a few percent. It trains, less well at
    high rates, and never agrees with another program.
    """

    class Linear(Dense):
        def backward(self, g, lr):
            self.W -= lr * self.x.T @ g
            # right: dx = g @ self.W.T
            dx = g @ self.W.T
            # right: self.W -= lr * self.x.T @ g
            self.b -= lr * g.sum(axis=0, keepdims=True)
            return dx

    class Activation(Tanh):
        def backward(self, g, lr):
            return g * (1 - self.y**2)

    layers = [Linear(3, 4), Activation(), Linear(4, 2, seed=1)]
    return compare_layers(layers, squares, squares_prime, *data(), lr=0.1)


@mistake(at="layers[2].b", says=r"rate|times|lr")
def last_layer_at_another_rate() -> Report:
    """One layer steps at a rate of its own.

    The layer was made without the learning rate and keeps the default of its class.

    A tenth of the rate is a tenth of the speed in one layer, and the other layers learn. Nobody
    looks at the rate of a layer that trains.
    """

    class Linear(Dense):
        def __init__(self, n, m, lr=0.01, seed=0):
            super().__init__(n, m, seed)
            self.lr = lr

        def backward(self, g):
            dx = g @ self.W.T
            self.W -= self.lr * self.x.T @ g
            self.b -= self.lr * g.sum(axis=0, keepdims=True)
            return dx

    last = Linear(4, 2, seed=1)
    # right: last = Linear(4, 2, lr=0.1, seed=1)
    layers = [Linear(3, 4, lr=0.1), Tanh(), last]
    return compare_layers(layers, squares, squares_prime, *data(), lr=0.1)


@mistake(at="layers[0] output", says=r"at its output|output|twice|f\(f")
def derivative_at_the_output() -> Report:
    """The derivative of tanh is a function of z, and gets the output.

    `tanh_prime(z)` takes tanh once more. Handed the layer's output it computes 1 - tanh(tanh(z))
    squared.

    tanh of a small number is nearly that number, so that it is nearly right at the start of a
    training, when activations are small. It never reaches 0, and saturated units are not held.
    """

    def tanh_prime(z):
        return 1 - np.tanh(z) ** 2

    class Activation:
        def forward(self, z):
            self.z, self.y = z, np.tanh(z)
            return self.y

        def backward(self, g):
            return g * tanh_prime(self.y)
            # right: return g * tanh_prime(self.z)

    layers = [Dense(3, 4), Activation(), Dense(4, 2, seed=1)]
    return compare_layers(layers, squares, squares_prime, *data())
