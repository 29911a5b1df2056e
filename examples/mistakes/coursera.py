"""Dictionaries of columns, as in the deep-learning courses on Coursera.

`X` has a column for each of the m samples, `parameters` and `grads` are dictionaries.
"""

from __future__ import annotations

import numpy as np

from autograd_lite import compare
from autograd_lite.comparison import Report

from .gallery import mistake, normal, sigmoid, tensors


def setting():
    """A net of two layers for labels 0 and 1, with a column for each of 7 samples."""
    X, W1, b1, W2, b2 = normal((3, 7), (4, 3), (4, 1), (1, 4), (1, 1))
    Y = np.array([[1, 0, 0, 1, 1, 0, 1.0]])
    return X, Y, {"W1": W1, "b1": b1, "W2": W2, "b2": b2}


def forward(X, W1, b1, W2, b2):
    A1 = np.tanh(W1 @ X + b1)
    A2 = sigmoid(W2 @ A1 + b2)
    return A1, A2


def cross_entropy(A2, Y):
    return -(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)).sum() / Y.shape[1]


@mistake(at="b1", says=r"tanh.*left out")
def derivative_left_out_on_the_way_down() -> Report:
    """The error goes back through the weights, but not through the activation.

    `dZ1` is `W2.T @ dZ2` times the derivative of tanh at the hidden layer. The second factor is
    forgotten.

    The derivative of tanh lies between 0 and 1, so that no sign changes: every weight moves the
    right way, the saturated ones too far.
    """
    X, Y, parameters = setting()
    A1, A2 = forward(X, **parameters)
    m, grads = X.shape[1], {}
    dZ2 = A2 - Y
    grads["W2"] = dZ2 @ A1.T / m
    grads["b2"] = dZ2.sum(axis=1, keepdims=True) / m
    dZ1 = parameters["W2"].T @ dZ2
    # right: dZ1 = parameters["W2"].T @ dZ2 * (1 - A1**2)
    grads["W1"] = dZ1 @ X.T / m
    grads["b1"] = dZ1.sum(axis=1, keepdims=True) / m

    loss = cross_entropy(forward(X, **tensors(**parameters))[1], Y)
    return compare(loss, grads)


@mistake(at="b1", says=r"1 - y|1 - a|tanh")
def tanh_without_its_square() -> Report:
    """1 - A stands for 1 - A**2, the derivative of tanh.

    The derivative of sigmoid is a (1 - a), that of tanh is 1 - a squared; between the two the
    square gets lost.

    1 - a is positive, as the derivative is, so that no sign changes. Units near 1 agree within a
    factor of 2, and only those near -1 are far too fast.
    """
    X, Y, parameters = setting()
    A1, A2 = forward(X, **parameters)
    m, grads = X.shape[1], {}
    dZ2 = A2 - Y
    grads["W2"] = dZ2 @ A1.T / m
    grads["b2"] = dZ2.sum(axis=1, keepdims=True) / m
    dZ1 = parameters["W2"].T @ dZ2 * (1 - A1)
    # right: dZ1 = parameters["W2"].T @ dZ2 * (1 - A1**2)
    grads["W1"] = dZ1 @ X.T / m
    grads["b1"] = dZ1.sum(axis=1, keepdims=True) / m

    loss = cross_entropy(forward(X, **tensors(**parameters))[1], Y)
    return compare(loss, grads)


@mistake(at="b1", says=r"features|all axes|every|one number|whole|axis")
def bias_without_axis() -> Report:
    """np.sum without an axis makes one number of the bias gradient.

    `db1` should have a number for each unit, `np.sum(dZ1, axis=1, keepdims=True) / m`. Without the
    axis it is the sum over all units, and broadcasting gives that to each.

    `b1 -= alpha * db1` accepts a number, so that no shape complains. All biases of a layer move by
    the same amount; the weights do the rest.
    """
    X, Y, parameters = setting()
    A1, A2 = forward(X, **parameters)
    m, grads = X.shape[1], {}
    dZ2 = A2 - Y
    grads["W2"] = dZ2 @ A1.T / m
    grads["b2"] = dZ2.sum(axis=1, keepdims=True) / m
    dZ1 = parameters["W2"].T @ dZ2 * (1 - A1**2)
    grads["W1"] = dZ1 @ X.T / m
    grads["b1"] = np.full((4, 1), np.sum(dZ1) / m)
    # right: grads["b1"] = np.sum(dZ1, axis=1, keepdims=True) / m

    loss = cross_entropy(forward(X, **tensors(**parameters))[1], Y)
    return compare(loss, grads)


@mistake(at="W1", says=r"once too often|too small|divided")
def divided_twice() -> Report:
    """The gradient is divided by m in dZ, and again in dW.

    Either `dZ2` carries the 1/m of the mean, or the gradients of the parameters do. Here both do.

    The direction is right, and the step is m times too short. It looks like a learning rate that is
    too small, and is cured by a larger one.
    """
    X, Y, parameters = setting()
    A1, A2 = forward(X, **parameters)
    m, grads = X.shape[1], {}
    dZ2 = (A2 - Y) / m
    grads["W2"] = dZ2 @ A1.T
    grads["b2"] = dZ2.sum(axis=1, keepdims=True)
    dZ1 = parameters["W2"].T @ dZ2 * (1 - A1**2)
    grads["W1"] = dZ1 @ X.T / m
    # right: grads["W1"] = dZ1 @ X.T
    grads["b1"] = dZ1.sum(axis=1, keepdims=True)

    loss = cross_entropy(forward(X, **tensors(**parameters))[1], Y)
    return compare(loss, grads)


@mistake(at="W2", says=r"penalty|regulari|decay")
def penalty_left_out_of_one_layer() -> Report:
    """The weight penalty is in the cost, and in the gradient of one layer only.

    The cost has lambda / (2 m) times the squares of all weights, so that each dW gets lambda / m
    times W. The second layer's line was forgotten.

    A penalty is small beside the data's gradient. The layer without it keeps larger weights, and
    the test error is a little worse than it might be.
    """
    X, Y, parameters = setting()
    A1, A2 = forward(X, **parameters)
    m, lambd, grads = X.shape[1], 0.7, {}
    dZ2 = A2 - Y
    grads["W2"] = dZ2 @ A1.T / m
    # right: grads["W2"] = dZ2 @ A1.T / m + lambd / m * parameters["W2"]
    grads["b2"] = dZ2.sum(axis=1, keepdims=True) / m
    dZ1 = parameters["W2"].T @ dZ2 * (1 - A1**2)
    grads["W1"] = dZ1 @ X.T / m + lambd / m * parameters["W1"]
    grads["b1"] = dZ1.sum(axis=1, keepdims=True) / m

    recorded = tensors(**parameters)
    squares = sum((recorded[name] ** 2).sum() for name in ("W1", "W2"))
    loss = cross_entropy(forward(X, **recorded)[1], Y) + lambd / (2 * m) * squares
    return compare(loss, grads)


@mistake(at="b2", says=r"twice|again|sigmoid")
def sigmoid_derivative_once_more() -> Report:
    """The derivative of the sigmoid is multiplied to A - Y, which contains it already.

    For cross-entropy after a sigmoid the derivative cancels: `dZ2` is just `A2 - Y`. For a squared
    error it does not, and the line for that is the older habit.

    a (1 - a) is positive, so that the direction is right. But it vanishes where the net is sure and
    wrong, and learning is slowest just where it is needed most.
    """
    X, Y, parameters = setting()
    A1, A2 = forward(X, **parameters)
    m, grads = X.shape[1], {}
    dZ2 = (A2 - Y) * A2 * (1 - A2)
    # right: dZ2 = A2 - Y
    grads["W2"] = dZ2 @ A1.T / m
    grads["b2"] = dZ2.sum(axis=1, keepdims=True) / m
    dZ1 = parameters["W2"].T @ dZ2 * (1 - A1**2)
    grads["W1"] = dZ1 @ X.T / m
    grads["b1"] = dZ1.sum(axis=1, keepdims=True) / m

    loss = cross_entropy(forward(X, **tensors(**parameters))[1], Y)
    return compare(loss, grads)


@mistake(at="b2", says=r"not divided by the batch|batch size|too large")
def bias_not_divided() -> Report:
    """The gradients of weights are means over the samples, that of a bias is a sum.

    `1 / m` stands in each line of the slide. One of four is forgotten while typing.

    Only one bias is too fast, by m. It finds its place early and jitters there; the rest of the net
    learns as it should.
    """
    X, Y, parameters = setting()
    A1, A2 = forward(X, **parameters)
    m, grads = X.shape[1], {}
    dZ2 = A2 - Y
    grads["W2"] = dZ2 @ A1.T / m
    grads["b2"] = dZ2.sum(axis=1, keepdims=True)
    # right: grads["b2"] = dZ2.sum(axis=1, keepdims=True) / m
    dZ1 = parameters["W2"].T @ dZ2 * (1 - A1**2)
    grads["W1"] = dZ1 @ X.T / m
    grads["b1"] = dZ1.sum(axis=1, keepdims=True) / m

    loss = cross_entropy(forward(X, **tensors(**parameters))[1], Y)
    return compare(loss, grads)
