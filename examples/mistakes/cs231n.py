"""Functions with a cache, as in CS231n.

`forward(...)` gives `(out, cache)` and `backward(dout, cache)` the gradients of its inputs.
"""

from __future__ import annotations

import numpy as np

from autograd_lite import check_backward, compare
from autograd_lite.comparison import Report

from .gallery import mistake, normal, softmax, tensors


@mistake(at="x", says=r"mask|sign of the gradient|gradient's sign")
def relu_mask_from_the_gradient() -> Report:
    """The mask of relu is taken from the gradient that arrives.

    A unit that was off in the forward pass lets nothing back. Here the mask asks whether the
    arriving gradient is positive, not whether the input was.

    Half of the gradients have the right sign by chance, and what is left of them still points
    downhill more often than not. The loss falls, only slowly, and negative gradients are lost
    altogether. Networks that show gradients this way on purpose are called deconvnets.
    """

    def relu_forward(x):
        return np.maximum(0, x), x

    def relu_backward(dout, cache):
        x = cache
        return dout * (dout > 0)
        # right: return dout * (x > 0)

    return check_backward(
        lambda x: relu_forward(x)[0],
        lambda dout, x: relu_backward(dout, relu_forward(x)[1]),
    )


@mistake(at="x", says=r"relu.*left out|mask|maximum.*left out")
def relu_without_mask() -> Report:
    """The mask of relu is left out of the backward pass.

    The layer hands the arriving gradient through, also where the forward pass cut the value off.

    This is the straight-through estimator: it points roughly downhill, and where most units are on
    it is nearly right. It shows late, as a net that stops improving early.
    """

    def relu_forward(x):
        return np.maximum(0, x), x

    def relu_backward(dout, cache):
        dx = dout
        # right: dx = dout * (cache > 0)
        return dx

    return check_backward(
        lambda x: relu_forward(x)[0],
        lambda dout, x: relu_backward(dout, relu_forward(x)[1]),
    )


@mistake(at="b", says=r"shape|axis|bias|summed|sum")
def affine_bias_over_features() -> Report:
    """The gradient of the bias is summed over the features.

    `dout` has a row for each sample and a column for each unit. The bias is the same in all rows,
    so that its gradient is the sum over axis 0; here it is summed over axis 1.

    With a batch as large as the layer the shapes fit and nothing complains; NumPy broadcasts even
    when they do not. A bias is a small part of a net, and the weights learn around a wrong one.
    """

    def affine_forward(x, w, b):
        return x @ w + b, (x, w, b)

    def affine_backward(dout, cache):
        x, w, b = cache
        dx, dw = dout @ w.T, x.T @ dout
        db = dout.sum(axis=1)
        # right: db = dout.sum(axis=0)
        return dx, dw, db

    return check_backward(
        lambda x, w, b: affine_forward(x, w, b)[0],
        lambda dout, x, w, b: affine_backward(dout, (x, w, b)),
        [(4, 3), (3, 4), (4,)],
    )


@mistake(at="x", says=r"transpos")
def affine_without_transpose() -> Report:
    """The gradient goes back through W where W.T is due.

    `out = x @ w`, so that `dx = dout @ w.T`. Between two layers of equal size `dout @ w` has the
    right shape too.

    The last layer's weights get their right gradient and learn by themselves; the layers below
    follow a random projection, which is known to train as well (feedback alignment), only worse.
    """

    def affine_forward(x, w, b):
        return x @ w + b, (x, w, b)

    def affine_backward(dout, cache):
        x, w, b = cache
        dx = dout @ w
        # right: dx = dout @ w.T
        return dx, x.T @ dout, dout.sum(axis=0)

    return check_backward(
        lambda x, w, b: affine_forward(x, w, b)[0],
        lambda dout, x, w, b: affine_backward(dout, (x, w, b)),
        [(5, 4), (4, 4), (4,)],
    )


@mistake(at="W", says=r"not divided by the batch|batch size|too large")
def softmax_loss_not_divided() -> Report:
    """The loss is a mean over the batch, its gradient is a sum.

    The 1/N of the loss is written in the line of the loss, and forgotten in the line of the
    gradient.

    The direction is right; only the step is N times as long, and a learning rate that was tuned for
    it hides the factor. With weight decay or another batch size it comes back as an instability.
    """

    def softmax_loss(W, X, y):
        N = X.shape[0]
        p = softmax(X @ W)
        loss = -np.log(p[np.arange(N), y]).mean()
        dscores = p.copy()
        dscores[np.arange(N), y] -= 1
        dW = X.T @ dscores
        # right: dW = X.T @ dscores / N
        return loss, dW

    W, X = normal((4, 3), (5, 4))
    y = np.array([0, 2, 1, 1, 2])
    recorded = tensors(W=W)
    loss = -np.log(softmax(X @ recorded["W"])[np.arange(5), y]).mean()
    return compare(loss, {"W": softmax_loss(W, X, y)[1]})


@mistake(at="W", says=r"penalty|weight decay|regulari")
def penalty_without_its_two() -> Report:
    """The penalty is reg * sum(W * W), its gradient is taken to be reg * W.

    The derivative of a square has a 2. Some write the loss with a half so that it vanishes, and
    then copy the gradient of the one to the loss of the other.

    It is a weight decay all the same, only half as strong as the printed loss says. No curve shows
    it; a comparison with another program at the same `reg` does.
    """

    def penalised_loss(W, X, y, reg):
        N = X.shape[0]
        p = softmax(X @ W)
        loss = -np.log(p[np.arange(N), y]).mean() + reg * np.sum(W * W)
        dscores = p.copy()
        dscores[np.arange(N), y] -= 1
        dW = X.T @ dscores / N
        dW += reg * W
        # right: dW += 2 * reg * W
        return loss, dW

    W, X = normal((4, 3), (6, 4))
    y, reg = np.array([0, 2, 1, 1, 2, 0]), 0.1
    w = tensors(W=W)["W"]
    loss = -np.log(softmax(X @ w)[np.arange(6), y]).mean() + reg * (w * w).sum()
    return compare(loss, {"W": penalised_loss(W, X, y, reg)[1]})


@mistake(at="x", says=r"statistic|held constant|mean.*var|constant")
def batchnorm_with_constant_statistics() -> Report:
    """Batch normalisation goes backwards as if mean and variance were constants.

    Every sample moves the mean and the variance of its batch, so that each output depends on all
    samples. The short way back, `dxhat / std`, leaves both paths out.

    It is the right gradient at test time, when the statistics do not move. In training it lets
    gradients through that only shift or scale a unit, which the normalisation undoes again; the net
    learns, with part of each step wasted.
    """

    def batchnorm_forward(x, gamma, beta, eps=1e-5):
        mean, var = x.mean(axis=0), x.var(axis=0)
        std = np.sqrt(var + eps)
        xhat = (x - mean) / std
        return gamma * xhat + beta, (xhat, std, gamma)

    def batchnorm_backward(dout, cache):
        xhat, std, gamma = cache
        dxhat = dout * gamma
        dx = dxhat / std
        # right: dx = (dxhat - dxhat.mean(0) - xhat * (dxhat * xhat).mean(0)) / std
        return dx, (dout * xhat).sum(axis=0), dout.sum(axis=0)

    return check_backward(
        lambda x, gamma, beta: batchnorm_forward(x, gamma, beta)[0],
        lambda dout, *args: batchnorm_backward(dout, batchnorm_forward(*args)[1]),
        [(6, 4), (4,), (4,)],
    )


@mistake(at="x", says=r"n - 1|unbiased|Bessel")
def batchnorm_with_n_minus_one() -> Report:
    """The variance is divided by n in the forward pass, by n - 1 in the backward pass.

    `np.var` divides by n, and so does batch normalisation in training. The correction for small
    samples, n - 1, gets into the backward pass from a formula collection.

    For a batch of 64 the error is 1.6 % of one path, which no training curve shows. At batch 2 it
    doubles that path.
    """

    def batchnorm_forward(x, gamma, beta, eps=1e-5):
        xc = x - x.mean(axis=0)
        std = np.sqrt((xc**2).mean(axis=0) + eps)
        return gamma * xc / std + beta, (xc, std, gamma)

    def batchnorm_backward(dout, cache):
        xc, std, gamma = cache
        n = len(xc)
        dxhat = dout * gamma
        dvar = (dxhat * xc).sum(axis=0) * -0.5 * std**-3
        dxc = dxhat / std + dvar * 2 * xc / (n - 1)
        # right: dxc = dxhat / std + dvar * 2 * xc / n
        return dxc - dxc.mean(axis=0), (dout * xc / std).sum(axis=0), dout.sum(axis=0)

    return check_backward(
        lambda x, gamma, beta: batchnorm_forward(x, gamma, beta)[0],
        lambda dout, *args: batchnorm_backward(dout, batchnorm_forward(*args)[1]),
        [(6, 4), (4,), (4,)],
    )


@mistake(at="x", says=r"keep|scale|1\.25|0\.8")
def dropout_not_scaled_back() -> Report:
    """Inverted dropout divides by the keep probability forward, and forgets it backward.

    The forward pass is `x * mask / keep`, so that the backward pass is `dout * mask / keep`.

    The direction is right in each layer; the gradients of lower layers are only too short, by
    `keep` for each dropout above them. Adam and its relatives undo such a factor by themselves.
    """
    keep = 0.8
    mask = np.random.default_rng(1).random((6, 5)) < keep

    def dropout_forward(x):
        return x * mask / keep, mask

    def dropout_backward(dout, cache):
        return dout * cache
        # right: return dout * cache / keep

    return check_backward(
        lambda x: dropout_forward(x)[0],
        lambda dout, x: dropout_backward(dout, mask),
        [(6, 5)],
    )


@mistake(at="x", says=r"last|overwrit|adding|only|part")
def convolution_that_overwrites() -> Report:
    """In the loop over positions, `=` stands for `+=`.

    Windows overlap, so that one input takes part in several outputs and gets a gradient from each.
    With `=` only the last window's part is left.

    The kernel's gradient is right, so that a net with one convolution learns as it should. Only the
    layers below get a thin gradient, and a first layer has nothing below it.
    """

    def conv_forward(x, w):
        n, k = len(x), len(w)
        return np.stack([(x[i : i + k] * w).sum() for i in range(n - k + 1)])

    def conv_backward(dout, x, w):
        dx, dw, k = np.zeros_like(x), np.zeros_like(w), len(w)
        for i in range(len(dout)):
            dw += dout[i] * x[i : i + k]
            dx[i : i + k] = dout[i] * w
            # right: dx[i : i + k] += dout[i] * w
        return dx, dw

    return check_backward(conv_forward, conv_backward, [(7,), (3,)])


@mistake(at="W", says=r"row|repeat|index|more than once|last use|accumul")
def embedding_that_loses_repeats() -> Report:
    """The gradient of a word that occurs twice is that of its last use.

    `dW[idx] += dout` looks like adding up. NumPy adds to a copy of the rows and writes that back,
    so that of two equal indices one wins; `np.add.at` adds both.

    Rare words are right, and frequent ones get one of their gradients, which points a useful way.
    A test with different indices sees no difference.
    """
    idx = np.array([3, 0, 3, 1, 3])

    def embedding_forward(W):
        return W[idx], W.shape

    def embedding_backward(dout, shape):
        dW = np.zeros(shape)
        dW[idx] += dout
        # right: np.add.at(dW, idx, dout)
        return dW

    return check_backward(
        lambda W: embedding_forward(W)[0],
        lambda dout, W: embedding_backward(dout, W.shape),
        [(4, 2)],
    )


@mistake(at="x", says=r"axis")
def layernorm_over_the_batch() -> Report:
    """Layer normalisation goes backwards along the batch.

    The code is copied from batch normalisation; the forward pass gets `axis=1`, and the backward
    pass keeps a mean over axis 0.

    Shapes fit, and the first term of the gradient, which is the largest, is right. The means that
    are subtracted are those of other numbers, but small.
    """

    def layernorm_forward(x):
        mean, var = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
        std = np.sqrt(var + 1e-5)
        xhat = (x - mean) / std
        return xhat, (xhat, std)

    def layernorm_backward(dout, cache):
        xhat, std = cache
        mean_1, mean_2 = dout.mean(0), (dout * xhat).mean(0)
        # right: mean_1, mean_2 = (a.mean(1, keepdims=True) for a in (dout, dout * xhat))
        return (dout - mean_1 - xhat * mean_2) / std

    return check_backward(
        lambda x: layernorm_forward(x)[0],
        lambda dout, x: layernorm_backward(dout, layernorm_forward(x)[1]),
        [(6, 4)],
    )
