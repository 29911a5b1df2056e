"""Whole nets as books and blogs train them: per sample, by updates, over time, by small steps."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from autograd_lite import check, compare
from tests.compare.conventions.bed import Array, impl, named, onehot, rand, sigmoid


@impl("backprop(x, y) for one sample, lists of biases and weights", "check", {
    "sigmoid_prime left out": (("biases[0]", "weights[0]", "biases[1]", "weights[1]"), r"left out|relative"),
    "sigmoid_prime of the activation": (("biases[1]", "weights[1]"), r"output|relative"),
    "cost derivative without its sign": (("biases[1]", "weights[1]"), r"sign"),
    "activations one layer off": (("weights[1]", "weights[0]"), r"shape|layer|relative"),
    "weights not transposed": (("biases[0]", "weights[0]"), r"transpose|relative|shape"),
})  # fmt: skip
def nielsen(slip: Any, dt: Any) -> Any:
    r = rand(40, dt)
    sizes = [3, 4, 4] if slip == "weights not transposed" else [3, 5, 2]
    biases = [r(n, 1) for n in sizes[1:]]
    weights = [r(n, m) for m, n in pairwise(sizes)]
    data = [(r(3, 1), onehot(np.array([i % 2]), sizes[-1]).T) for i in range(5)]

    def feedforward(a: Array) -> Array:
        for b, w in zip(biases, weights, strict=True):
            a = sigmoid(np.dot(w, a) + b)
        return a

    def cost(x: Array, y: Array) -> Any:
        return 0.5 * np.linalg.norm(feedforward(x) - y) ** 2

    def backprop(x: Array, y: Array) -> Any:
        nabla_b, nabla_w = [np.zeros(b.shape) for b in biases], [np.zeros(w.shape) for w in weights]
        activations, zs = [x], []
        for b, w in zip(biases, weights, strict=True):
            zs.append(np.dot(w, activations[-1]) + b)
            activations.append(sigmoid(zs[-1]))

        def prime(z: Array) -> Array:
            if slip == "sigmoid_prime left out":
                return np.ones_like(z)
            s = sigmoid(sigmoid(z) if slip == "sigmoid_prime of the activation" else z)
            return s * (1 - s)

        delta = (activations[-1] - y) * prime(zs[-1])
        if slip == "cost derivative without its sign":
            delta = -delta
        nabla_b[-1], nabla_w[-1] = delta, np.dot(delta, activations[-2].T)
        back = weights[-1] if slip == "weights not transposed" else weights[-1].T
        delta = np.dot(back, delta) * prime(zs[-2])
        below = activations[-2 if slip == "activations one layer off" else -3]
        nabla_b[-2], nabla_w[-2] = delta, np.dot(delta, below.T)
        return nabla_b, nabla_w

    return check(cost, (biases, weights), backprop, samples=data)


@impl("lossFun(inputs, targets, hprev) over global arrays", "check", {
    "dhnext left out": (("Whh", "Wxh", "bh"), r"relative|time|step|contribution|only"),
    "tanh's derivative left out": (("Whh", "Wxh", "bh"), r"relative|left out|only"),
    "target not subtracted": (("Why", "by", "Wxh", "Whh", "bh"), r"relative|only|target|differ"),
    "dWhh with the newer state": (("Whh",), r"relative|step|only|state"),
    "dby overwritten": (("by",), r"relative|last|overwr|only"),
})  # fmt: skip
def charrnn(slip: Any, dt: Any) -> Any:
    r, V, H = rand(41, dt), 5, 4
    Wxh, Whh, Why = r(H, V, k=0.5), r(H, H, k=0.5), r(V, H, k=0.5)
    bh, by = r(H, 1, k=0.2), r(V, 1, k=0.2)

    def lossFun(inputs: Any, targets: Any, hprev: Array) -> Any:
        xs, hs, ps, loss = {}, {-1: np.copy(hprev)}, {}, 0.0
        for t in range(len(inputs)):
            xs[t] = np.zeros((V, 1))
            xs[t][inputs[t]] = 1
            hs[t] = np.tanh(np.dot(Wxh, xs[t]) + np.dot(Whh, hs[t - 1]) + bh)
            y = np.dot(Why, hs[t]) + by
            ps[t] = np.exp(y) / np.sum(np.exp(y))
            loss += -np.log(ps[t][targets[t], 0])
        dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
        dbh, dby, dhnext = np.zeros_like(bh), np.zeros_like(by), np.zeros_like(hs[0])
        for t in reversed(range(len(inputs))):
            dy = np.copy(ps[t])
            if slip != "target not subtracted":
                dy[targets[t]] -= 1
            dWhy += np.dot(dy, hs[t].T)
            dby = dy if slip == "dby overwritten" else dby + dy
            dh = np.dot(Why.T, dy) + (0 if slip == "dhnext left out" else dhnext)
            draw = (1 if slip == "tanh's derivative left out" else 1 - hs[t] * hs[t]) * dh
            dbh += draw
            dWxh += np.dot(draw, xs[t].T)
            dWhh += np.dot(draw, hs[t if slip == "dWhh with the newer state" else t - 1].T)
            dhnext = np.dot(Whh.T, draw)
        return loss, dWxh, dWhh, dWhy, dbh, dby, hs[len(inputs) - 1]

    params = {"Wxh": Wxh, "Whh": Whh, "Why": Why, "bh": bh, "by": by}
    return check(lambda: lossFun([0, 3, 1, 4], [3, 1, 4, 2], np.zeros((H, 1))), params)


@impl("two sigmoid layers in eleven lines: syn0 += l0.T.dot(l1_delta)", "compare", {
    "l1_delta without the slope": ("syn0", r"derivative of sigmoid left out"),
    "slope of the pre-activation": (("syn1", "syn0"), r"sigmoid|derivative|input|unexplained|norm"),
    "error subtracted the other way": (("syn1", "syn0"), r"sign"),
    "syn1 updated before l1_delta": ("syn0", r"update"),
}, glue=1)  # fmt: skip
def trask(slip: Any, dt: Any) -> Any:
    r = rand(42, dt)
    X, y = r(6, 3), r(6, 1)
    syn0, syn1 = r(3, 4), r(4, 1)

    def nonlin(x: Any, deriv: bool = False) -> Any:
        return x * (1 - x) if deriv else 1 / (1 + np.exp(-x))

    l1 = nonlin(np.dot(X, syn0))
    l2 = nonlin(np.dot(l1, syn1))
    error = y - l2 if slip != "error subtracted the other way" else l2 - y
    at = np.dot(l1, syn1) if slip == "slope of the pre-activation" else l2
    l2_delta = error * nonlin(at, deriv=True)
    up1 = l1.T.dot(l2_delta)
    used = syn1 + up1 if slip == "syn1 updated before l1_delta" else syn1
    slope = 1 if slip == "l1_delta without the slope" else nonlin(l1, deriv=True)
    up0 = X.T.dot(l2_delta.dot(used.T) * slope)
    T = named({"syn0": syn0, "syn1": syn1})
    forward = lambda: nonlin(np.dot(nonlin(np.dot(X, T["syn0"])), T["syn1"]))
    return compare(lambda: ((y - forward()) ** 2).sum() / 2, {"syn0": -up0, "syn1": -up1})


@impl("fit() of a multilayer perceptron: w_h, b_h, w_out, b_out", "check", {
    "l2 penalty forgotten": (("w_out", "w_h"), r"penalty|itself"),
    "sigmoid derivative left out": (("w_h", "b_h"), r"left out|relative"),
    "delta_out averaged": (("w_out", "b_out"), r"times|batch|penalty|itself|relative"),
    "b_out over the wrong axis": ("b_out", r"shape|axis"),
})  # fmt: skip
def perceptron(slip: Any, dt: Any) -> Any:
    r, l2 = rand(43, dt), 0.2
    X, y = r(8, 4), onehot(np.arange(8) % 3, 3, dt)
    params = {"w_h": r(4, 5), "b_h": r(5), "w_out": r(5, 3), "b_out": r(3)}

    def forward(w_h: Any, b_h: Any, w_out: Any, b_out: Any) -> Any:
        a_h = sigmoid(np.dot(X, w_h) + b_h)
        return a_h, sigmoid(np.dot(a_h, w_out) + b_out)

    def cost(w_h: Any, b_h: Any, w_out: Any, b_out: Any) -> Any:
        a_out = forward(w_h, b_h, w_out, b_out)[1]
        term1 = -y * np.log(a_out)
        term2 = (1.0 - y) * np.log(1.0 - a_out)
        return np.sum(term1 - term2) + l2 * (np.sum(w_h**2.0) + np.sum(w_out**2.0))

    def gradients(w_h: Array, b_h: Array, w_out: Array, b_out: Array) -> Any:
        a_h, a_out = forward(w_h, b_h, w_out, b_out)
        delta_out = (a_out - y) / (len(X) if slip == "delta_out averaged" else 1)
        slope = 1.0 if slip == "sigmoid derivative left out" else a_h * (1.0 - a_h)
        delta_h = np.dot(delta_out, w_out.T) * slope
        more = 0 if slip == "l2 penalty forgotten" else 2 * l2
        axis = 1 if slip == "b_out over the wrong axis" else 0
        return {
            "grad_w_h": np.dot(X.T, delta_h) + more * w_h, "grad_b_h": np.sum(delta_h, axis=0),
            "grad_w_out": np.dot(a_h.T, delta_out) + more * w_out,
            "grad_b_out": np.sum(delta_out, axis=axis),
        }  # fmt: skip

    return check(cost, params, gradients)


@impl("back_prop of digits in columns, 1 / m * ...", "compare", {
    "np.sum without an axis": (("b2", "b1"), r"features too|axis|shape"),
    "1 / m left out": (("b2", "b1"), r"batch|not divided"),
    "deriv of ReLU of A2": (("b1", "W1"), r"mask"),
    "one_hot of the wrong class": (("b2",), r"target|label|one-hot|unexplained|norm"),
}, glue=1)  # fmt: skip
def digits(slip: Any, dt: Any) -> Any:
    r, m = rand(44, dt), 7
    X, Y = r(4, m), np.arange(m) % 3
    P = {"W1": r(5, 4), "b1": r(5, 1), "W2": r(3, 5), "b2": r(3, 1)}

    def forward_prop(W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        Z1 = np.dot(W1, X) + b1
        A1 = np.maximum(Z1, 0)
        Z2 = np.dot(W2, A1) + b2
        return Z1, A1, np.exp(Z2) / sum(np.exp(Z2))

    Z1, A1, A2 = forward_prop(**P)
    labels = (Y + 1) % 3 if slip == "one_hot of the wrong class" else Y
    dZ2 = A2 - onehot(labels, 3, dt).T
    k = 1 if slip == "1 / m left out" else m
    dA1 = P["W2"].T.dot(dZ2)
    dZ1 = dA1 * ((dA1 if slip == "deriv of ReLU of A2" else Z1) > 0)

    def total(d: Array) -> Any:
        return np.sum(d) if slip == "np.sum without an axis" else np.sum(d, 1)

    grads = {"dW1": 1 / k * dZ1.dot(X.T), "db1": 1 / k * total(dZ1)}
    grads |= {"dW2": 1 / k * dZ2.dot(A1.T), "db2": 1 / k * total(dZ2)}
    T = named(P)
    return compare(lambda: -np.mean(np.log(forward_prop(**T)[2][Y, np.arange(m)])), grads)


@impl("nn_epoch: W1 and W2 updated in place by batches", "check", {
    "not divided by the batch": (("W2", "W1"), r"times|batch|not divided"),
    "mask from the gradient": ("W1", r"mask|relative|only"),
    "labels left out": (("W2", "W1"), r"target|label|one-hot|relative|only"),
    "W2 stepped first": ("W1", r"update|relative"),
}, glue=1)  # fmt: skip
def epoch(slip: Any, dt: Any) -> Any:
    r, lr = rand(45, dt), 0.1
    X, y = r(6, 4), np.array([0, 2, 1, 1, 2, 0])
    P = {"W1": r(4, 5), "W2": r(5, 3)}

    def softmax_loss(Z: Any) -> Any:
        return np.mean(np.log(np.sum(np.exp(Z), axis=1)) - Z[np.arange(len(y)), y])

    def nn_epoch(W1: Array, W2: Array) -> None:
        Z1 = np.maximum(X @ W1, 0)
        E = np.exp(Z1 @ W2)
        G2 = E / E.sum(axis=1, keepdims=True)
        if slip != "labels left out":
            G2 -= onehot(y, 3)
        n = 1 if slip == "not divided by the batch" else len(X)
        step = lr * Z1.T @ G2 / n
        if slip == "W2 stepped first":
            W2 -= step
        back = G2 @ W2.T
        W1 -= lr * X.T @ (back * ((back if slip == "mask from the gradient" else Z1) > 0)) / n
        if slip != "W2 stepped first":
            W2 -= step

    new = {name: a.astype(float) for name, a in P.items()}
    nn_epoch(**new)
    grads = {"dW1": (P["W1"] - new["W1"]) / lr, "dW2": (P["W2"] - new["W2"]) / lr}
    if dt == np.float32:
        grads = {name: g.astype(dt) for name, g in grads.items()}
    return check(lambda W1, W2: softmax_loss(np.maximum(X @ W1, 0) @ W2), P, grads)


@impl("step by step: dlogprobs, dprobs, ..., dhpreact (backprop ninja)", "compare", {
    "dcounts of one branch alone": ("counts", r"one use|contribution|overwr"),
    "dlogprobs not averaged": ("logprobs", r"not divided|batch|times"),
    "dhpreact with h": ("hpreact", r"1 - y|exponent|tanh|unexplained|norm"),
    "dcounts_sum not summed": ("counts_sum_inv", r"shape|sum"),
}, glue=2)  # fmt: skip
def ninja(slip: Any, dt: Any) -> Any:
    r, n, k = rand(46, dt), 6, 4
    x, Yb = r(n, 3), np.array([0, 3, 1, 2, 2, 0])
    T = named({"W1": r(3, 5), "W2": r(5, k)})
    seen: dict[str, Any] = {}

    def forward() -> Any:
        hpreact = x @ T["W1"]
        h = np.tanh(hpreact)
        logits = h @ T["W2"]
        counts = np.exp(logits - np.max(logits.data, axis=1, keepdims=True))
        counts_sum_inv = counts.sum(axis=1, keepdims=True) ** -1
        probs = counts * counts_sum_inv
        logprobs = np.log(probs)
        seen.update({k: v for k, v in locals().items() if hasattr(v, "requires_grad")})
        for name, t in seen.items():
            t.name = name
        return -logprobs[np.arange(n), Yb].mean()

    loss = forward()
    a = {name: t.data for name, t in seen.items()}
    dlogprobs = np.zeros((n, k), dt)
    dlogprobs[np.arange(n), Yb] = -1.0 / (1 if slip == "dlogprobs not averaged" else n)
    dprobs = dlogprobs / a["probs"]
    dcounts_sum_inv = (a["counts"] * dprobs).sum(1, keepdims=True)
    if slip == "dcounts_sum not summed":
        dcounts_sum_inv = a["counts"] * dprobs
    dcounts = a["counts_sum_inv"] * dprobs
    d = -(a["counts"].sum(1, keepdims=True) ** -2) * (a["counts"] * dprobs).sum(1, keepdims=True)
    if slip != "dcounts of one branch alone":
        dcounts = dcounts + d
    dlogits = dcounts * a["counts"]
    dh = dlogits @ T["W2"].data.T
    h = a["h"]
    dhpreact = dh * (1 - (h if slip == "dhpreact with h" else h * h))
    return compare(loss, {
        "dlogprobs": dlogprobs, "dprobs": dprobs, "dcounts_sum_inv": dcounts_sum_inv,
        "dcounts": dcounts, "dlogits": dlogits, "dh": dh, "dW2": h.T @ dlogits,
        "dhpreact": dhpreact, "dW1": x.T @ dhpreact,
    })  # fmt: skip
