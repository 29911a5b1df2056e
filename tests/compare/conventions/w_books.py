"""Books and posts with sigmoids: Nielsen, Raschka, Trask, Grus, Géron; rows or single columns."""

import numpy as np

from autograd_lite import compare, tensor
from tests.compare.conventions.bed import impl, named, onehot, rand, sigmoid

DIV = r"not divided by|1/n|1/m|times too large|mean"
SIGN = r"sign|negat"
PENALTY = r"penalty|regulari|decay"


def lists(g, nabla_w, nabla_b):
    """Lists as the keys of what Nielsen's net holds: weights[0] is w0."""
    return {f"w{i}": w for i, w in enumerate(nabla_w)} | {f"b{i}": b for i, b in enumerate(nabla_b)}


@impl(
    "Nielsen network.py",
    "compare",
    {
        "sp of the layer below": (("b1",), r"layer|instead of|below|another"),
        "sigmoid_prime(activation)": (("b1",), r"twice|output|activation|already|sigmoid"),
        "sigmoid_prime left out of the output": (("b2",), r"sigmoid.*left out"),
        "sigmoid_prime left out of hidden layers": (("b1",), r"sigmoid.*left out"),
        "y - a": (("b2",), SIGN),
        "weights[-l] for weights[-l+1]": (("b1",), r"weight|layer|w\d"),
        "weights not transposed": (("b1",), r"transpose"),
        "activations[-l] for [-l-1]": (("w1",), r"layer|output|input|activation|w\d|instead of"),
        "dot(activation, delta.T)": (("w2", "w1", "w0"), r"transpose|order"),
        "s * (1 + s)": (("b1",), r"sign|sigmoid"),
    },
    glue=4,
)
def nielsen(slip, dt):
    r, n = rand(41, dt), 4
    x, y = r(n, 1), np.array([[0], [1], [0], [0]], dtype=dt)
    weights, biases = [r(n, n) for _ in range(3)], [r(n, 1, k=0.5) for _ in range(3)]

    def feedforward(a, weights, biases):
        activations, zs = [a], []
        for w, b in zip(weights, biases, strict=True):
            zs.append(np.dot(w, activations[-1]) + b)
            activations.append(1.0 / (1.0 + np.exp(-zs[-1])))
        return activations, zs

    def sigmoid_prime(z):
        return sigmoid(z) * (1 - sigmoid(z))

    activations, zs = feedforward(x, weights, biases)
    nabla_b, nabla_w = [np.zeros_like(b) for b in biases], [np.zeros_like(w) for w in weights]
    delta = (activations[-1] - y) * sigmoid_prime(zs[-1])
    if slip == "sigmoid_prime left out of the output":
        delta = activations[-1] - y
    if slip == "y - a":
        delta = -delta

    def outer(delta, a):
        return np.dot(a, delta.T) if slip == "dot(activation, delta.T)" else np.dot(delta, a.T)

    nabla_b[-1], nabla_w[-1] = delta, outer(delta, activations[-2])
    for i in range(2, 4):
        sp = sigmoid_prime(zs[-i])
        if slip == "sp of the layer below" and i == 2:
            sp = sigmoid_prime(zs[-i - 1])
        if slip == "sigmoid_prime(activation)":
            sp = sigmoid_prime(activations[-i])
        if slip == "sigmoid_prime left out of hidden layers":
            sp = 1
        if slip == "s * (1 + s)":
            sp = sigmoid(zs[-i]) * (1 + sigmoid(zs[-i]))
        w = weights[-i] if slip == "weights[-l] for weights[-l+1]" else weights[-i + 1]
        delta = np.dot(w if slip == "weights not transposed" else w.T, delta) * sp
        a = activations[-i if slip == "activations[-l] for [-l-1]" else -i - 1]
        nabla_b[-i], nabla_w[-i] = delta, outer(delta, a)
    t = named(lists(None, weights, biases))
    out = feedforward(tensor(x), [t[f"w{i}"] for i in range(3)], [t[f"b{i}"] for i in range(3)])
    return compare(0.5 * np.sum((out[0][-1] - y) ** 2), lists(None, nabla_w, nabla_b))


@impl(
    "Nielsen network2.py",
    "compare",
    {
        "nabla = delta_nabla: the last sample": (("b1",), r"last|overwrit|one sample|sample"),
        "not divided by len(mini_batch)": (("b1",), DIV),
        "divided by n, not by len(mini_batch)": (("b1",), r"divided|times too|size|n\b"),
        "lmbda not divided by n": (("w1", "w0"), PENALTY),
        "biases decay too": (("b1", "b0"), PENALTY),
        "decay left out": (("w1", "w0"), PENALTY),
        "delta of the quadratic cost": (("b1",), r"sigmoid|twice|once more|again"),
        "delta with z for a": (("b1",), r"sigmoid|z for|input|logit|before"),
        "sum over the output units": (("b1",), r"axis|summed|features|shape"),
    },
    glue=6,
)
def network2(slip, dt):
    r, n = rand(42, dt), 50
    batch = [(r(3, 1), onehot(k, 2, dt)[:, None]) for k in (0, 1, 1, 0, 1)]
    p = {"w0": r(4, 3), "w1": r(2, 4), "b0": r(4, 1), "b1": r(2, 1)}
    lmbda = 5.0

    def forward(x, w0, w1, b0, b1):
        a = 1 / (1 + np.exp(-(np.dot(w0, x) + b0)))
        z = np.dot(w1, a) + b1
        return a, z, 1 / (1 + np.exp(-z))

    def backprop(x, y):
        a, z, out = forward(x, **p)
        delta = (z if slip == "delta with z for a" else out) - y
        if slip == "delta of the quadratic cost":
            delta = delta * out * (1 - out)
        hidden = np.dot(p["w1"].T, delta) * a * (1 - a)
        b1 = np.full_like(delta, delta.sum()) if slip == "sum over the output units" else delta
        return {"w0": hidden @ x.T, "w1": delta @ a.T, "b0": hidden, "b1": b1}

    nabla = {k: np.zeros_like(v) for k, v in p.items()}
    for x, y in batch:
        delta_nabla = backprop(x, y)
        last = slip == "nabla = delta_nabla: the last sample"
        nabla = {k: (0 if last else nabla[k]) + delta_nabla[k] for k in p}
    m = {"not divided by len(mini_batch)": 1, "divided by n, not by len(mini_batch)": n}.get(
        slip, 5
    )
    k = {"lmbda not divided by n": lmbda, "decay left out": 0}.get(slip, lmbda / n)
    decays = ("w0", "w1", "b0", "b1") if slip == "biases decay too" else ("w0", "w1")
    grads = {i: g / m + (k * p[i] if i in decays else 0) for i, g in nabla.items()}
    t = named(p)
    cost = 0
    for x, y in batch:
        _, _, a = forward(tensor(x), **t)
        cost += np.sum(-y * np.log(a) - (1 - y) * np.log(1 - a)) / len(batch)
    cost += 0.5 * (lmbda / n) * (np.linalg.norm(t["w0"]) ** 2 + np.linalg.norm(t["w1"]) ** 2)
    return compare(cost, grads)


@impl(
    "Raschka NeuralNetMLP",
    "compare",
    {
        "2 of the square left out": (("bias_out",), r"2|half"),
        "mean over the classes as well": (("bias_out",), r"too small|mean|divided|classes"),
        "a_out's sigmoid not derived": (("bias_out",), r"sigmoid.*left out"),
        "a_h's sigmoid not derived": (("bias_h",), r"sigmoid.*left out"),
        "z_h for a_h in the weights": (("weight_out",), r"input|before|pre|activation|z_h"),
        "weight_out.T (square)": (("bias_h",), r"transpose"),
        "a_out for a_h in the derivative": (("bias_h",), r"sigmoid|layer|output|a_out|instead"),
        "labels, not one-hot": (("bias_out",), r"label|one-hot|target|index"),
        "weight_h as (in, out)": (("weight_h",), r"transpose"),
    },
    glue=5,
)
def raschka(slip, dt):
    r, n = rand(43, dt), 6
    x, y = r(n, 4), np.array([0, 2, 1, 1, 2, 0])
    h = 3 if slip in ("weight_out.T (square)", "a_out for a_h in the derivative") else 5
    p = {"weight_h": r(h, 4), "bias_h": r(h), "weight_out": r(3, h), "bias_out": r(3)}

    def forward(x, weight_h, bias_h, weight_out, bias_out):
        z_h = np.dot(x, weight_h.T) + bias_h
        a_h = 1.0 / (1.0 + np.exp(-z_h))
        return z_h, a_h, 1.0 / (1.0 + np.exp(-(np.dot(a_h, weight_out.T) + bias_out)))

    z_h, a_h, a_out = forward(x, **p)
    y_onehot = onehot(y, 3, dt)
    d_a_out = 2.0 * (a_out - (y[:, None] if slip == "labels, not one-hot" else y_onehot)) / n
    if slip == "2 of the square left out":
        d_a_out = d_a_out / 2
    if slip == "mean over the classes as well":
        d_a_out = d_a_out / 3
    delta_out = d_a_out * a_out * (1.0 - a_out)
    if slip == "a_out's sigmoid not derived":
        delta_out = d_a_out
    back = np.dot(
        delta_out, p["weight_out"].T if slip == "weight_out.T (square)" else p["weight_out"]
    )
    s = a_out if slip == "a_out for a_h in the derivative" else a_h
    d_z_h = back if slip == "a_h's sigmoid not derived" else back * s * (1.0 - s)
    grads = {
        "weight_out": np.dot(delta_out.T, z_h if slip == "z_h for a_h in the weights" else a_h),
        "bias_out": np.sum(delta_out, axis=0),
        "weight_h": np.dot(d_z_h.T, x),
        "bias_h": np.sum(d_z_h, axis=0),
    }
    if slip == "weight_h as (in, out)":
        grads["weight_h"] = np.dot(x.T, d_z_h)
    _, _, a_out = forward(tensor(x), **named(p))
    return compare(np.sum((a_out - y_onehot) ** 2) / n, grads)


@impl(
    "Trask eleven lines",
    "compare",
    {
        "nonlin(l1, True) left out": (("syn0",), r"sigmoid.*left out"),
        "l2_error for l2_delta": (("syn0",), r"sigmoid.*left out"),
        "nonlin(l2, True) left out": (("syn1",), r"sigmoid.*left out"),
        "nonlin(l0 @ syn0, True)": (("syn0",), r"input|before|pre|sigmoid"),
        "l1_error with the new syn1": (("syn0",), r"update"),
        "subtracted": (("syn1",), SIGN),
        "dropout not applied backwards": (("syn0",), r"mask|dropout"),
        "dropout not scaled backwards": (
            ("syn0",),
            r"keep|scal|factor|mask|dropout|too small|0\.8",
        ),
        "l1 before dropout": (("syn1",), r"before|mask|dropout|input|instead"),
        "l2_delta.dot(syn1)": (("syn0",), r"transpose"),
    },
    glue=4,
)
def trask(slip, dt):
    r = rand(44, dt)
    X = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1], [1, 1, 0]], dtype=dt)
    h = 2 if slip == "l2_delta.dot(syn1)" else 4
    y = np.array([[0, 1], [1, 0], [1, 1], [0, 0], [1, 0]], dtype=dt)
    p = {"syn0": r(3, h), "syn1": r(h, 2)}
    rate = 0.2
    dropout = (np.random.default_rng(1).random((5, h)) < 1 - rate).astype(dt) / dt(1 - rate)

    def nonlin(x, deriv=False):
        return x * (1 - x) if deriv else 1 / (1 + np.exp(-x))

    def forward(syn0, syn1):
        raw = nonlin(np.dot(X, syn0))
        l1 = raw * dropout
        return raw, l1, nonlin(np.dot(l1, syn1))

    raw, l1, l2 = forward(**p)
    syn1 = p["syn1"].copy()
    l2_error = y - l2
    l2_delta = l2_error * nonlin(l2, deriv=True)
    if slip == "nonlin(l2, True) left out":
        l2_delta = l2_error
    step1 = (raw if slip == "l1 before dropout" else l1).T.dot(l2_delta)
    if slip == "l1_error with the new syn1":
        syn1 += step1
    l1_error = (l2_error if slip == "l2_error for l2_delta" else l2_delta).dot(
        syn1 if slip == "l2_delta.dot(syn1)" else syn1.T
    )
    if slip == "dropout not scaled backwards":
        l1_error = l1_error * (dropout > 0)
    elif slip != "dropout not applied backwards":
        l1_error = l1_error * dropout
    slope = nonlin(np.dot(X, p["syn0"]) if slip == "nonlin(l0 @ syn0, True)" else raw, deriv=True)
    l1_delta = l1_error if slip == "nonlin(l1, True) left out" else l1_error * slope
    sign = 1 if slip == "subtracted" else -1
    grads = {"syn0": sign * X.T.dot(l1_delta), "syn1": sign * step1}
    return compare(0.5 * ((y - forward(**named(p))[2]) ** 2).sum(), grads)


@impl(
    "Grus neural_networks",
    "compare",
    {
        "output derivative left out": (("output",), r"sigmoid.*left out"),
        "hidden derivative left out": (("hidden",), r"sigmoid.*left out"),
        "target - output": (("output",), SIGN),
        "bias input 0": (("output",), r"column|bias|last|ones|element"),
        "hidden deltas from one output only": (
            ("hidden",),
            r"one|sum|output|column|last|first|all",
        ),
        "inputs for hidden outputs": (("output",), r"input|layer|activation|instead of|shape"),
        "weights of the bias sent back": (("hidden",), r"weight|shift|bias|column|slice|instead"),
        "hidden derivative of the input": (("hidden",), r"sigmoid|input|layer|instead"),
    },
    glue=5,
)
def grus(slip, dt):
    r, n = rand(45, dt), 3
    x, target = r(n), np.array([1, 0], dtype=dt)
    p = {"hidden": r(n, n + 1), "output": r(2, n + 1)}
    one = np.ones(1, dt)

    def feed_forward(hidden, output):
        h = 1 / (1 + np.exp(-(hidden @ np.concatenate([x, one]))))
        return h, 1 / (1 + np.exp(-(output @ np.concatenate([h, one]))))

    h, out = feed_forward(**p)
    output_deltas = [o * (1 - o) * (o - t) for o, t in zip(out, target, strict=True)]
    if slip == "output derivative left out":
        output_deltas = [o - t for o, t in zip(out, target, strict=True)]
    if slip == "target - output":
        output_deltas = [-d for d in output_deltas]
    last = 0 * one if slip == "bias input 0" else one
    below = np.concatenate([x if slip == "inputs for hidden outputs" else h, last])
    shift = 1 if slip == "weights of the bias sent back" else 0
    deltas = output_deltas[:1] if slip == "hidden deltas from one output only" else output_deltas
    back = [sum(d * p["output"][k][i + shift] for k, d in enumerate(deltas)) for i in range(n)]
    s = x if slip == "hidden derivative of the input" else h
    slope = [1] * n if slip == "hidden derivative left out" else [v * (1 - v) for v in s]
    hidden_deltas = [b * k for b, k in zip(back, slope, strict=True)]
    grads = {
        "output": np.array([[d * i for i in below] for d in output_deltas]),
        "hidden": np.array([[d * i for i in np.concatenate([x, one])] for d in hidden_deltas]),
    }
    return compare(np.sum((feed_forward(**named(p))[1] - target) ** 2) / 2, grads)
