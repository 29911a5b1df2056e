"""Lists of columns, as in Nielsen's book: weights, biases, activations and zs by layer.

`backprop(x, y)` takes one sample and gives nabla_b and nabla_w; the batch adds them up.
"""

from __future__ import annotations

import numpy as np

from autograd_lite import compare
from autograd_lite.comparison import Report

from .gallery import mistake, normal, sigmoid, tensors


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


def setting():
    """A net of sizes 3, 4, 2 and a batch of five samples."""
    w1, w2, b1, b2, X, Y = normal((4, 3), (2, 4), (4, 1), (2, 1), (3, 5), (2, 5))
    batch = [(X[:, [i]], Y[:, [i]]) for i in range(5)]
    return batch, [w1, w2], [b1, b2]


def feedforward(x, weights, biases):
    activation, activations, zs = x, [x], []
    for w, b in zip(weights, biases, strict=True):
        zs.append(w @ activation + b)
        activation = sigmoid(zs[-1])
        activations.append(activation)
    return activations, zs


def judged(batch, weights, biases, nabla_w, nabla_b):
    """The cost once more on tensors, and the gradients by hand beside it."""
    recorded = tensors(w1=weights[0], w2=weights[1], b1=biases[0], b2=biases[1])
    w1, w2, b1, b2 = recorded.values()
    X, Y = (np.hstack(columns) for columns in zip(*batch, strict=True))
    cost = ((feedforward(X, [w1, w2], [b1, b2])[0][-1] - Y) ** 2).sum() / 2
    return compare(cost, {"w1": nabla_w[0], "w2": nabla_w[1], "b1": nabla_b[0], "b2": nabla_b[1]})


@mistake(at="b1", says=r"at its output|twice|of the output")
def sigmoid_prime_of_the_activation() -> Report:
    """sigmoid_prime gets the activation, and takes the sigmoid of it once more.

    `sigmoid_prime(z)` wants the weighted input. There are two habits, derivatives of z and
    derivatives of a, and the function does not say which it has.

    The sigmoid of a number between 0 and 1 lies between 0.5 and 0.73, so that the derivative is
    never far from 0.22: positive, and much the same for all units.
    """
    batch, weights, biases = setting()
    nabla_w, nabla_b = [0, 0], [0, 0]
    for x, y in batch:
        activations, zs = feedforward(x, weights, biases)
        delta = (activations[-1] - y) * sigmoid_prime(zs[-1])
        nabla_w[1] += delta @ activations[1].T
        nabla_b[1] += delta
        delta = (weights[1].T @ delta) * sigmoid_prime(activations[1])
        # right: delta = (weights[1].T @ delta) * sigmoid_prime(zs[0])
        nabla_w[0] += delta @ activations[0].T
        nabla_b[0] += delta

    return judged(batch, weights, biases, nabla_w, nabla_b)


@mistake(at="w1", says=r"last sample|only|one sample|overwrit")
def last_sample_of_the_batch() -> Report:
    """In the loop over samples `=` stands for `+=`.

    The gradient of a batch is the sum over its samples. The loop leaves that of the last one.

    It is stochastic gradient descent with one sample a batch: noisier, and it trains.
    """
    batch, weights, biases = setting()
    nabla_w, nabla_b = [0, 0], [0, 0]
    for x, y in batch:
        activations, zs = feedforward(x, weights, biases)
        delta = (activations[-1] - y) * sigmoid_prime(zs[-1])
        nabla_w[1] += delta @ activations[1].T
        nabla_b[1] += delta
        delta = (weights[1].T @ delta) * sigmoid_prime(zs[0])
        nabla_w[0] = delta @ activations[0].T
        # right: nabla_w[0] += delta @ activations[0].T
        nabla_b[0] += delta

    return judged(batch, weights, biases, nabla_w, nabla_b)


@mistake(at="b2", says=r"left out|derivative of sigmoid")
def last_derivative_left_out() -> Report:
    """The error of the last layer is output minus target, without the derivative.

    That is right for cross-entropy, where the derivative cancels. The cost here is a square, for
    which the derivative of the sigmoid stays.

    It is the gradient of another cost with the same minimum, and a better one. The printed cost
    falls as well; it is only not what is being minimised.
    """
    batch, weights, biases = setting()
    nabla_w, nabla_b = [0, 0], [0, 0]
    for x, y in batch:
        activations, zs = feedforward(x, weights, biases)
        delta = activations[-1] - y
        # right: delta = (activations[-1] - y) * sigmoid_prime(zs[-1])
        nabla_w[1] += delta @ activations[1].T
        nabla_b[1] += delta
        delta = (weights[1].T @ delta) * sigmoid_prime(zs[0])
        nabla_w[0] += delta @ activations[0].T
        nabla_b[0] += delta

    return judged(batch, weights, biases, nabla_w, nabla_b)


@mistake(at="b2", says=r"sign")
def target_minus_output() -> Report:
    """The error is target minus output, and the step still goes against it.

    Either the error is output minus target and the step has a minus, or both are turned round. Here
    one of them was copied from elsewhere.

    It does not: the cost climbs until the sigmoids saturate, and then stands still, which is taken
    for convergence.
    """
    batch, weights, biases = setting()
    nabla_w, nabla_b = [0, 0], [0, 0]
    for x, y in batch:
        activations, zs = feedforward(x, weights, biases)
        delta = (y - activations[-1]) * sigmoid_prime(zs[-1])
        # right: delta = (activations[-1] - y) * sigmoid_prime(zs[-1])
        nabla_w[1] += delta @ activations[1].T
        nabla_b[1] += delta
        delta = (weights[1].T @ delta) * sigmoid_prime(zs[0])
        nabla_w[0] += delta @ activations[0].T
        nabla_b[0] += delta

    return judged(batch, weights, biases, nabla_w, nabla_b)
