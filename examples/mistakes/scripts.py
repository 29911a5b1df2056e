"""Plain scripts: arrays, a forward pass and the chain rule line by line.

Intermediates have names, so that their gradients can be handed in and a mistake is found where it
was made.
"""

from __future__ import annotations

import numpy as np

from autograd_lite import compare, tensor
from autograd_lite.comparison import Report

from .gallery import leaf, mistake, named, normal, sigmoid, softmax  # noqa: F401  (in a right line)


def regression(n=5, inputs=4, outputs=3):
    """Data, a linear prediction, and the mean of all squares."""
    x, w, b, t = normal((n, inputs), (inputs, outputs), (1, outputs), (n, outputs))
    W, y = leaf("W", w), None
    y = named("y", tensor(x) @ W + leaf("b", b))
    return x, w, y.array - t, ((y - tensor(t)) ** 2).mean()


def classifier(n=5):
    """Scores, probabilities, one-hot labels, and the mean cross-entropy."""
    x, w = normal((n, 4), (4, 3))
    t = np.eye(3)[[0, 2, 1, 1, 0]]
    z = named("z", tensor(x) @ leaf("W", w))
    p = named("p", z.softmax(axis=1))
    return x, z.array, p.array, t, -(tensor(t) * p.log()).sum() / n


@mistake(at="y", says=r"2 of a square|1/2")
def the_two_of_the_square() -> Report:
    """The derivative of a square lacks its 2.

    The loss is a mean of squares. Its derivative is twice the difference; with a half in front of
    the loss the 2 would vanish, and many write it so.

    The direction is right, and a factor is a learning rate. It matters as soon as a penalty is
    added, which has its own factor, or another program is compared.
    """
    x, w, difference, loss = regression()
    dy = difference / difference.size
    # right: dy = 2 * difference / difference.size
    dW, db = x.T @ dy, dy.sum(axis=0, keepdims=True)

    return compare(loss, {"y": dy, "W": dW, "b": db})


@mistake(at="y", says=r"mean over n|outputs|all entries|times|divided")
def mean_over_the_rows() -> Report:
    """The loss is a mean over all entries, its gradient one over the rows.

    `((y - t) ** 2).mean()` divides by n times the number of outputs. One thinks of a batch of n.

    With one output, as in most examples, both are the same. With more it is a learning rate that is
    larger by their number.
    """
    x, w, difference, loss = regression()
    dy = 2 * difference / len(x)
    # right: dy = 2 * difference / difference.size
    dW, db = x.T @ dy, dy.sum(axis=0, keepdims=True)

    return compare(loss, {"y": dy, "W": dW, "b": db})


@mistake(at="w", says=r"broadcast|\(7, 7\)|outer|shape")
def column_minus_row() -> Report:
    """Predictions of shape (n, 1) meet targets of shape (n,).

    A column of a table has shape (n,). NumPy broadcasts the difference to (n, n) without a word:
    every prediction is compared with every target.

    The loss falls, to where every prediction is the mean of the targets. It looks like a net that
    has learnt what little there is.
    """
    X, w, t = normal((7, 2), (2, 1), (7,))
    error = X @ w - t
    # right: error = X @ w - t[:, None]
    dw = X.T @ error.sum(axis=1, keepdims=True) / 7

    loss = ((tensor(X) @ leaf("w", w) - tensor(t[:, None])) ** 2).sum() / 14
    return compare(loss, {"w": dw})


@mistake(at="z", says=r"from the logits")
def jacobian_from_the_logits() -> Report:
    """The Jacobian of softmax is built from the scores, not from the probabilities.

    It is diag(p) - p p.T. Both z and p are at hand, and have one shape.

    Scores of either sign make gradients of either sign, so that it hardly trains; the layers above
    do, and a deep net's last layer alone can fit a small data set.
    """
    x, z, p, t, loss = classifier()
    dp = -t / p / len(x)
    dz = z * (dp - (dp * z).sum(axis=1, keepdims=True))
    # right: dz = p * (dp - (dp * p).sum(axis=1, keepdims=True))
    dW = x.T @ dz

    return compare(loss, {"p": dp, "z": dz, "W": dW})


@mistake(at="p", says=r"binary|\(1 - (y|t)\)")
def term_of_the_binary_loss() -> Report:
    """The gradient of cross-entropy has a term of binary cross-entropy.

    -t / p is the gradient for classes of which one is right. The term (1 - t) / (1 - p) belongs to
    outputs that are each true or false by themselves.

    It pushes the wrong classes down, which softmax does anyway: the direction hardly changes, and
    with two classes the gradient is exactly twice as large.
    """
    x, z, p, t, loss = classifier()
    dp = (-t / p + (1 - t) / (1 - p)) / len(x)
    # right: dp = -t / p / len(x)
    dz = p * (dp - (dp * p).sum(axis=1, keepdims=True))
    dW = x.T @ dz

    return compare(loss, {"p": dp, "z": dz, "W": dW})


@mistake(at="W", says=r"factor itself|weight|other one")
def weights_times_the_error() -> Report:
    """The gradient of the weights is multiplied by the weights, not by the input.

    `z = w * x` for a scale of each feature has the gradient `dz * x` for w and `dz * w` for x. The
    two are exchanged.

    Where inputs are scaled to be of size 1 and weights begin near 1, both factors are much the
    same.
    """
    x, w, t = normal((6, 4), (4,), (6, 4))
    dz = 2 * (w * x - t)
    dw = (dz * w).sum(axis=0)
    # right: dw = (dz * x).sum(axis=0)

    z = named("z", leaf("W", w) * tensor(x))
    loss = ((z - tensor(t)) ** 2).sum()
    return compare(loss, {"z": dz, "W": dw})


@mistake(at="y", says=r"2|twice")
def added_up_over_two_passes() -> Report:
    """The gradients are not set to zero between two passes.

    `+=` is right inside a pass, where something is used twice. Between passes they have to be
    cleared; here the second of two passes adds to the first.

    The sum of all gradients so far is momentum without friction: it runs downhill, ever faster, and
    past the minimum. At a small rate the first epochs look fine.
    """
    x, w, difference, loss = regression()
    dy = np.zeros_like(difference)
    for _ in range(2):
        dy += 2 * difference / difference.size
        # right: dy = 2 * difference / difference.size
    dW, db = x.T @ dy, dy.sum(axis=0, keepdims=True)

    return compare(loss, {"y": dy, "W": dW, "b": db})


@mistake(at="b", says=r"placeholder|zero|never")
def never_filled_in() -> Report:
    """The gradient of the bias is the zero that it was made as.

    `db = np.zeros_like(b)` was to be filled in later.

    The bias stays where it began. Where data are centred it would have stayed there anyway, and the
    weights of the next layer make up for much of it.
    """
    x, w, difference, loss = regression()
    dy = 2 * difference / difference.size
    dW, db = x.T @ dy, np.zeros((1, 3))
    # right: dW, db = x.T @ dy, dy.sum(axis=0, keepdims=True)

    return compare(loss, {"y": dy, "W": dW, "b": db})


@mistake(at="W", says=r"transpose|order|wrong side")
def operands_in_the_wrong_order() -> Report:
    """The two factors of the weights' gradient stand in the wrong order.

    For `y = x @ W` it is `x.T @ dy`; `dy.T @ x` is its transpose, which is right for `W @ x`.

    With a square W no shape complains. The diagonal is right, and what is symmetric.
    """
    x, w, difference, loss = regression(outputs=4)
    dy = 2 * difference / difference.size
    dW, db = dy.T @ x, dy.sum(axis=0, keepdims=True)
    # right: dW, db = x.T @ dy, dy.sum(axis=0, keepdims=True)

    return compare(loss, {"y": dy, "W": dW, "b": db})


@mistake(at="W", says=r"mean")
def mean_times_mean() -> Report:
    """The mean of the inputs is multiplied by the mean of the errors.

    The gradient is the mean of products over the samples. A product of means is something else,
    unless the two have nothing to do with each other, and then it is no use.

    What it keeps is how the error depends on the mean input, a bias spread over the weights. The
    loss falls as far as a bias can make it.
    """
    x, w, difference, loss = regression()
    dy = 2 * difference / difference.size
    dW = np.outer(x.mean(axis=0), dy.sum(axis=0))
    # right: dW = x.T @ dy
    db = dy.sum(axis=0, keepdims=True)

    return compare(loss, {"y": dy, "W": dW, "b": db})


@mistake(at="loss value", says=r"yours")
def loss_without_its_minus() -> Report:
    """The loss that is printed lacks its minus, or another factor.

    The gradient is written by itself, `p - t`, and nothing uses the value of the loss.

    It trains as if nothing were wrong, since nothing is, but for the curve: a cross-entropy below
    zero that rises while accuracy does.
    """
    x, z, p, t, loss = classifier()
    value = (t * np.log(p)).sum() / len(x)
    # right: value = -(t * np.log(p)).sum() / len(x)
    dz = (p - t) / len(x)

    return compare(loss, {"z": dz, "W": x.T @ dz}, value=value)


@mistake(at="z", says=r"sign")
def sigmoid_with_the_other_sign() -> Report:
    """The sigmoid is written with exp(+z), and goes back with the derivative for exp(-z).

    1 / (1 + exp(z)) falls where the sigmoid rises. a (1 - a) is its derivative but for the sign.

    The layer above turns its weights round, and each pair of such layers has the right sign again.
    With an odd number the lowest layers climb, and the highest train alone.
    """
    x, w, t = normal((5, 3), (3, 2), (5, 2))
    a = 1 / (1 + np.exp(x @ w))
    da = 2 * (a - t)
    dz = da * a * (1 - a)
    # right: dz = -da * a * (1 - a)

    z = named("z", tensor(x) @ leaf("W", w))
    loss = ((named("a", sigmoid(-z)) - tensor(t)) ** 2).sum()
    return compare(loss, {"a": da, "z": dz, "W": x.T @ dz})


@mistake(at="z", says=r"softmax|normal|exp", pending=True)
def exponentials_not_normalised() -> Report:
    """The gradient has exp(z) where softmax is due.

    `p - t` needs probabilities. The line that divides by the sum was in the function that the
    forward pass calls.

    The target's score is pushed too high or too low, but where exp(z) is small for the wrong
    classes it is nearly right, and it gets there.
    """
    x, z, p, t, loss = classifier()
    dz = (np.exp(z) - t) / len(x)
    # right: dz = (softmax(z) - t) / len(x)

    return compare(loss, {"z": dz, "W": x.T @ dz})
