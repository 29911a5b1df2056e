"""Recurrent nets and attention, as in min-char-rnn and makemore.

Each step of time keeps its state in a dictionary, and the gradients add up over the steps.
"""

from __future__ import annotations

import numpy as np

from autograd_lite import check_backward, compare, tensor
from autograd_lite.comparison import Report

from .gallery import leaf, mistake, named, normal, softmax, tensors


def setting():
    """Five letters of an alphabet of four, each to be followed by the next, and a small RNN."""
    Wxh, Whh, Why, bh, by = normal((6, 4), (6, 6), (4, 6), (6, 1), (4, 1))
    inputs, targets = [0, 2, 1, 3, 2], [2, 1, 3, 2, 0]
    return inputs, targets, {"Wxh": Wxh, "Whh": Whh, "Why": Why, "bh": bh, "by": by}


def forward(inputs, targets, Wxh, Whh, Why, bh, by):
    """The loss, and what the backward pass needs: inputs, states and probabilities by step."""
    xs, hs, ps, loss = {}, {-1: np.zeros((6, 1))}, {}, 0
    for t, letter in enumerate(inputs):
        xs[t] = np.eye(4)[:, [letter]]
        hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t - 1] + bh)
        ps[t] = softmax(Why @ hs[t] + by, axis=0)
        loss = loss - np.log(ps[t][targets[t], 0])
    return loss, xs, hs, ps


@mistake(at="bh", says=r"next|later|time|step|one use|contribution|state")
def nothing_from_the_next_step() -> Report:
    """The gradient that comes from the next step of time is left out.

    A state goes to the output and to the next state, so that its gradient is a sum of two: `Why.T @
    dy` and `dhnext`, which the loop hands on. Here it is computed, and never added.

    What is left is a net that learns from one letter to the next. Text looks like text early on;
    only what needs a memory is never learnt.
    """
    inputs, targets, model = setting()
    _, xs, hs, ps = forward(inputs, targets, **model)
    grads = {name: np.zeros_like(p) for name, p in model.items()}
    dhnext = np.zeros((6, 1))
    for t in reversed(range(5)):
        dy = ps[t].copy()
        dy[targets[t]] -= 1
        grads["Why"] += dy @ hs[t].T
        grads["by"] += dy
        dh = model["Why"].T @ dy
        # right: dh = model["Why"].T @ dy + dhnext
        draw = (1 - hs[t] ** 2) * dh
        grads["bh"] += draw
        grads["Wxh"] += draw @ xs[t].T
        grads["Whh"] += draw @ hs[t - 1].T
        dhnext = model["Whh"].T @ draw

    return compare(forward(inputs, targets, **tensors(**model))[0], grads)


@mistake(at="Whh", says=r"state|step|h|previous|before")
def state_of_the_wrong_step() -> Report:
    """The recurrent weights get the state of the step itself, not of the one before.

    `Whh` was multiplied by the state of step t - 1. In the backward loop all other lines say t, and
    so does this one.

    States change slowly, so that the two are alike, and more so the longer a net has learnt. The
    other parameters are right.
    """
    inputs, targets, model = setting()
    _, xs, hs, ps = forward(inputs, targets, **model)
    grads = {name: np.zeros_like(p) for name, p in model.items()}
    dhnext = np.zeros((6, 1))
    for t in reversed(range(5)):
        dy = ps[t].copy()
        dy[targets[t]] -= 1
        grads["Why"] += dy @ hs[t].T
        grads["by"] += dy
        draw = (1 - hs[t] ** 2) * (model["Why"].T @ dy + dhnext)
        grads["bh"] += draw
        grads["Wxh"] += draw @ xs[t].T
        grads["Whh"] += draw @ hs[t].T
        # right: grads["Whh"] += draw @ hs[t - 1].T
        dhnext = model["Whh"].T @ draw

    return compare(forward(inputs, targets, **tensors(**model))[0], grads)


@mistake(at="by", says=r"first|last|one step|only|overwrit")
def first_step_only() -> Report:
    """In the loop over time `=` stands for `+=`.

    A bias that is used in each step gets a gradient from each. With `=` the loop leaves that of the
    step it ends with, which is the first one.

    One step's gradient is a noisy guess at the sum, as a batch of one is at a batch. It learns, at
    a fifth of the speed.
    """
    inputs, targets, model = setting()
    _, xs, hs, ps = forward(inputs, targets, **model)
    grads = {name: np.zeros_like(p) for name, p in model.items()}
    dhnext = np.zeros((6, 1))
    for t in reversed(range(5)):
        dy = ps[t].copy()
        dy[targets[t]] -= 1
        grads["Why"] += dy @ hs[t].T
        grads["by"] = dy
        # right: grads["by"] += dy
        draw = (1 - hs[t] ** 2) * (model["Why"].T @ dy + dhnext)
        grads["bh"] += draw
        grads["Wxh"] += draw @ xs[t].T
        grads["Whh"] += draw @ hs[t - 1].T
        dhnext = model["Whh"].T @ draw

    return compare(forward(inputs, targets, **tensors(**model))[0], grads)


@mistake(at="by", says=r"clip")
def clipped_for_good() -> Report:
    """The gradients are clipped, and the clipped ones are taken for the gradient.

    `np.clip(g, -1, 1)` keeps an RNN from exploding, and changes the direction of every gradient
    that is larger. As a step it is wanted; as a gradient it is wrong.

    It is meant to train, and does. It only never agrees with autodiff: compare before clipping.
    """
    inputs, targets, model = setting()
    _, xs, hs, ps = forward(inputs, targets, **model)
    grads = {name: np.zeros_like(p) for name, p in model.items()}
    dhnext = np.zeros((6, 1))
    for t in reversed(range(5)):
        dy = ps[t].copy()
        dy[targets[t]] -= 1
        grads["Why"] += dy @ hs[t].T
        grads["by"] += dy
        draw = (1 - hs[t] ** 2) * (model["Why"].T @ dy + dhnext)
        grads["bh"] += draw
        grads["Wxh"] += draw @ xs[t].T
        grads["Whh"] += draw @ hs[t - 1].T
        dhnext = model["Whh"].T @ draw
    for g in grads.values():
        np.clip(g, -1, 1, out=g)
        # right: leave it out

    return compare(forward(inputs, targets, **tensors(**model))[0], grads)


@mistake(at="logits", says=r"label|target|one-hot|p - t|minus|correct")
def nothing_taken_from_the_right_class() -> Report:
    """The gradient of the logits is the softmax, without the 1 taken from the right class.

    For a mean of cross-entropies it is `(p - onehot) / n`. The line that subtracts is short, and is
    lost when the code is moved.

    It does train, to make all logits small. The loss falls to that of guessing and stays there,
    which looks like a task that is too hard.
    """

    def backward(logits, labels):
        n = len(labels)
        dlogits = softmax(logits)
        dlogits[range(n), labels] -= 0
        # right: dlogits[range(n), labels] -= 1
        return dlogits / n

    (logits,) = normal((5, 3))
    labels = [0, 2, 1, 1, 2]
    recorded = tensors(logits=logits)
    loss = -np.log(softmax(recorded["logits"])[range(5), labels]).mean()
    return compare(loss, {"logits": backward(logits, labels)})


@mistake(at="counts_sum", says=r"broadcast|shape|sum")
def broadcast_without_its_sum() -> Report:
    """What was broadcast forward is not summed backward.

    `probs = counts / counts_sum` stretches a column to a matrix, without a trace in the code. The
    gradient of the column is the sum over each row.

    The gradient then has the shape of the matrix, and as `counts_sum` is a sum of counts it is
    added to a matrix in the next line: nothing complains. What is added is a third of what is due,
    beside a first term that is right.
    """

    def backward(dprobs, counts, counts_sum):
        dcounts_sum = -dprobs * counts / counts_sum**2
        # right: dcounts_sum = (-dprobs * counts / counts_sum**2).sum(axis=1, keepdims=True)
        dcounts = dprobs / counts_sum
        dcounts += np.ones_like(counts) * dcounts_sum
        return dcounts, dcounts_sum

    logits, c = normal((4, 3), (4, 3))
    counts = named("counts", leaf("logits", logits).exp())
    counts_sum = named("counts_sum", counts.sum(axis=1, keepdims=True))
    loss = (tensor(c) * counts / counts_sum).sum()
    dcounts, dcounts_sum = backward(c, counts.array, counts_sum.array)
    return compare(loss, {"counts_sum": dcounts_sum, "counts": dcounts})


@mistake(at="q", says=r"root|square root|sqrt|times|factor|scal|2")
def scores_not_scaled_back() -> Report:
    """Attention divides the scores by the root of their size, and forgets it backward.

    `scores = q @ k.T / sqrt(d)`, so that `dscores` is divided by sqrt(d) on its way to q and k.

    The direction is right, and the factor is one number for both. Attention learns faster than the
    rest by it, and a warm-up of the learning rate covers that.
    """

    def attention(q, k, v):
        return softmax(q @ k.T / np.sqrt(k.shape[1])) @ v

    def backward(dout, q, k, v):
        a = softmax(q @ k.T / np.sqrt(k.shape[1]))
        da = dout @ v.T
        dscores = a * (da - (da * a).sum(axis=1, keepdims=True))
        # right: dscores = a * (da - (da * a).sum(axis=1, keepdims=True)) / np.sqrt(k.shape[1])
        return dscores @ k, dscores.T @ q, a.T @ dout

    return check_backward(attention, backward, [(4, 3), (5, 3), (5, 2)])


@mistake(at="q", says=r"axis")
def attention_along_the_other_axis() -> Report:
    """The Jacobian of softmax sums over the queries, not over the keys.

    The probabilities of one query add up to 1, along the last axis. In the backward pass the sum
    runs along axis 0.

    With as many keys as queries no shape complains. The term that is wrong is a mean that is
    subtracted, smaller than the rest; values get their right gradient.
    """

    def attention(q, k, v):
        return softmax(q @ k.T) @ v

    def backward(dout, q, k, v):
        a = softmax(q @ k.T)
        da = dout @ v.T
        dscores = a * (da - (da * a).sum(axis=0, keepdims=True))
        # right: dscores = a * (da - (da * a).sum(axis=1, keepdims=True))
        return dscores @ k, dscores.T @ q, a.T @ dout

    return check_backward(attention, backward, [(4, 3), (5, 3), (5, 2)])
