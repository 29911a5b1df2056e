"""Word vectors, latent variables, graphs, convolutions, and the videos' nets with one hidden layer."""

import numpy as np

from autograd_lite import compare, tensor
from tests.compare.conventions.bed import impl, named, onehot, rand, sigmoid

DIV = r"not divided by|1/n|1/m|times too large|mean"
SIGN = r"sign|negat"
PENALTY = r"penalty|regulari|decay"
PATH = r"path|contribution|use|overwrit|left out|detached|constant"


@impl(
    "cs224n naive softmax",
    "compare",
    {
        "y - yhat": (("U", "v"), SIGN),
        "outsideVectors for its transpose": (("v",), r"transpose"),
        "minus one left out": (("U", "v"), r"target|label|one-hot|p used for p - t"),
        "outer(centre, error)": (("U",), r"transpose|order"),
        "only u_o in the centre's gradient": (("v",), PATH + r"|target|label|softmax"),
        "last word of the window only": (("U", "v"), r"last|overwrit|use|contribution"),
        "averaged over the window": (("U", "v"), r"small|divided|mean|averag"),
        "softmax derived once more": (("U", "v"), r"softmax|diagonal|twice|once more|again"),
    },
    glue=4,
)
def naive_softmax(slip, dt):
    r, d = rand(81, dt), 3
    vocab = 3 if slip in ("outsideVectors for its transpose", "outer(centre, error)") else 6
    window = [1, 2, 0, 1]
    p = {"U": r(vocab, d), "v": r(d)}
    scores = p["U"] @ p["v"]
    yhat = np.exp(scores) / np.sum(np.exp(scores))
    dU, dv = np.zeros_like(p["U"]), np.zeros_like(p["v"])
    for o in window:
        e = yhat.copy()
        if slip != "minus one left out":
            e[o] -= 1
        if slip == "y - yhat":
            e = -e
        if slip == "softmax derived once more":
            e = e * yhat * (1 - yhat)
        last = slip == "last word of the window only"
        dU = (0 if last else dU) + np.outer(e, p["v"])
        step = (p["U"] if slip == "outsideVectors for its transpose" else p["U"].T) @ e
        if slip == "only u_o in the centre's gradient":
            step = -p["U"][o]
        dv = (0 if last else dv) + step
    if slip == "outer(centre, error)":
        dU = dU.T
    if slip == "averaged over the window":
        dU, dv = dU / len(window), dv / len(window)
    t = named(p)
    loss = 0
    for o in window:
        scores = np.dot(t["U"], t["v"])
        loss = loss - np.log(np.exp(scores[o]) / np.sum(np.exp(scores)))
    return compare(loss, {"U": dU, "v": dv})


@impl(
    "cs224n negative sampling",
    "compare",
    {
        "repeated negatives overwritten": (("U",), r"overwrit|repeat|last|index|="),
        "sign of the negatives": (("U", "v"), SIGN),
        "sign of the positive": (("U", "v"), SIGN),
        "sigmoid for 1 - sigmoid": (("U", "v"), r"sigmoid|1 - |instead"),
        "sigmoid derivative for log sigmoid's": (("U", "v"), r"log|sigmoid|twice|once more"),
        "positive left out of the centre": (("v",), PATH),
        "negatives left out of the centre": (("v",), PATH),
        "averaged over the negatives": (("U", "v"), r"small|divided|mean|averag"),
    },
    glue=4,
)
def negative_sampling(slip, dt):
    r, d, vocab = rand(82, dt), 4, 7
    o, negatives = 2, [5, 1, 5, 0, 3]
    p = {"U": r(vocab, d), "v": r(d)}
    U, v = p["U"], p["v"]
    dU, dv = np.zeros_like(U), np.zeros_like(v)
    s = sigmoid(U[o] @ v)
    k = s if slip == "sigmoid for 1 - sigmoid" else 1 - s
    if slip == "sigmoid derivative for log sigmoid's":
        k = s * (1 - s)
    k = k if slip == "sign of the positive" else -k
    dU[o] += k * v
    if slip != "positive left out of the centre":
        dv += k * U[o]
    for i in negatives:
        s = sigmoid(-(U[i] @ v))
        k = s * (1 - s) if slip == "sigmoid derivative for log sigmoid's" else 1 - s
        k = -k if slip == "sign of the negatives" else k
        k = k / len(negatives) if slip == "averaged over the negatives" else k
        dU[i] = (0 if slip == "repeated negatives overwritten" else dU[i]) + k * v
        if slip != "negatives left out of the centre":
            dv += k * U[i]
    t = named(p)
    U, v = t["U"], t["v"]
    loss = -np.log(1 / (1 + np.exp(-np.dot(U[o], v))))
    loss = loss - np.sum(np.log(1 / (1 + np.exp(np.dot(U[negatives], v)))))
    return compare(loss, {"U": dU, "v": dv})


@impl(
    "VAE by hand",
    "compare",
    {
        "KL left out": (("logvar", "mu"), PATH + r"|KL|term|part"),
        "KL's sign": (("logvar", "mu"), SIGN),
        "KL: 1/2 left out": (("logvar", "mu"), r"2|half"),
        "KL: minus 1 left out": ("logvar", PATH + r"|term|part"),
        "logvar: 1/2 of the exponent left out": ("logvar", r"2|half"),
        "logvar: eps left out": (
            "logvar",
            r"eps|factor.*left out|mask|used instead of that|not used",
        ),
        "logvar: exp(logvar) for exp(logvar / 2)": ("logvar", r"exp|var|std|instead|half|2|square"),
        "logvar: sampling held constant": ("logvar", PATH),
        "mu: sampling held constant": ("mu", PATH),
        "decoder's sigmoid derived once more": (("W_d",), r"sigmoid|twice|once more|again"),
        "W_mu for W_logvar in dh": (("b",), r"W_mu|W_lv|weight|instead|exchang"),
    },
    glue=6,
)
def vae(slip, dt):
    r, n = rand(83, dt), 5
    x, eps = sigmoid(r(n, 4)).astype(dt), r(n, 2)
    p = {"W": r(4, 3), "b": r(3, k=0.2), "W_mu": r(3, 2), "W_lv": r(3, 2, k=0.5), "W_d": r(2, 4)}

    def forward(W, b, W_mu, W_lv, W_d):
        h = np.tanh(x @ W + b)
        mu, logvar = h @ W_mu, h @ W_lv
        z = mu + np.exp(logvar / 2) * eps
        return h, mu, logvar, z, 1 / (1 + np.exp(-(z @ W_d)))

    h, mu, logvar, z, out = forward(**p)
    d = (out - x) / n
    if slip == "decoder's sigmoid derived once more":
        d = d * out * (1 - out)
    dz = d @ p["W_d"].T
    k = {"KL left out": 0, "KL's sign": -1, "KL: 1/2 left out": 2}.get(slip, 1) / n
    dmu = (0 if slip == "mu: sampling held constant" else dz) + k * mu
    half = 1 if slip == "logvar: 1/2 of the exponent left out" else 0.5
    std = (
        np.exp(logvar) if slip == "logvar: exp(logvar) for exp(logvar / 2)" else np.exp(logvar / 2)
    )
    noise = 1 if slip == "logvar: eps left out" else eps
    dlogvar = 0 if slip == "logvar: sampling held constant" else dz * noise * half * std
    one = 0 if slip == "KL: minus 1 left out" else 1
    dlogvar = dlogvar + k * 0.5 * (np.exp(logvar) - one)
    W_lv = p["W_mu"] if slip == "W_mu for W_logvar in dh" else p["W_lv"]
    dh = (dmu @ p["W_mu"].T + dlogvar @ W_lv.T) * (1 - h**2)
    G = {"W_d": z.T @ d, "W_mu": h.T @ dmu, "W_lv": h.T @ dlogvar, "W": x.T @ dh, "b": dh.sum(0)}
    _, mu_t, logvar_t, _, out = forward(**named(p))
    mu_t.name, logvar_t.name = "mu", "logvar"
    bce = -np.sum(x * np.log(out) + (1 - x) * np.log(1 - out)) / n
    kl = -0.5 * np.sum(1 + logvar_t - mu_t**2 - np.exp(logvar_t)) / n
    return compare(bce + kl, G | {"mu": dmu, "logvar": dlogvar})


@impl(
    "Tied autoencoder",
    "compare",
    {
        "decoder's use of W left out": ("W", PATH),
        "encoder's use of W left out": ("W", PATH),
        "decoder's part not transposed (square)": ("W", r"transpose|order"),
        "clean x for the corrupted": ("W", r"another array|mask|corrupt|input|instead|noise"),
        "hidden sigmoid not derived": (("c", "b_h"), r"sigmoid.*left out"),
        "y (1 - y) of the output too": (("b_v",), r"sigmoid|twice|once more|again"),
        "x - y": (("b_v",), SIGN),
        "batch mean": (("b_v",), r"small|divided|mean|averag"),
    },
    glue=4,
)
def tied(slip, dt):
    r, n = rand(84, dt), 6
    h = 4 if slip and "square" in slip else 3
    x = (sigmoid(r(n, 4)) > 0.5).astype(dt)
    noise = (np.random.default_rng(3).random((n, 4)) < 0.7).astype(dt)
    p = {"W": r(4, h), "b_h": r(h), "b_v": r(4)}
    xc = x * noise

    def forward(W, b_h, b_v):
        a = 1 / (1 + np.exp(-(xc @ W + b_h)))
        return a, 1 / (1 + np.exp(-(a @ W.T + b_v)))

    a, y = forward(**p)
    d = y - x
    d = {"x - y": -d, "batch mean": d / n, "y (1 - y) of the output too": d * y * (1 - y)}.get(
        slip, d
    )
    dh = d @ p["W"] * (1 if slip == "hidden sigmoid not derived" else a * (1 - a))
    dec = a.T @ d if slip == "decoder's part not transposed (square)" else d.T @ a
    dec = 0 if slip == "decoder's use of W left out" else dec
    enc = (x if slip == "clean x for the corrupted" else xc).T @ dh
    enc = 0 if slip == "encoder's use of W left out" else enc
    _, y = forward(**named(p))
    loss = -np.sum(x * np.log(y) + (1 - x) * np.log(1 - y))
    return compare(loss, {"W": enc + dec, "b_h": dh.sum(axis=0), "b_v": d.sum(axis=0)})


@impl(
    "Graph convolution by hand",
    "compare",
    {
        "A_hat left out on the way back": (("W0",), r"factor|left out|matmul|instead|skip"),
        "A_hat left out of dW1": (("W1",), r"before|input|instead|left out"),
        "unlabelled nodes counted": (("W1",), r"mask"),
        "divided by all nodes": (("W1",), r"divided by|count|number of"),
        "tanh from before": (("W0",), r"tanh|input|before"),
        "tanh not derived": (("W0",), r"tanh.*left out"),
        "W1 for W1.T": (("W0",), r"transpose"),
        "label not subtracted": (("W1",), r"target|label|one-hot|p used for p - t"),
    },
    glue=5,
)
def gcn(slip, dt):
    r, n = rand(85, dt), 6
    h = 3 if slip == "W1 for W1.T" else 4
    A = np.eye(n)
    for i, j in ((0, 1), (0, 2), (1, 3), (3, 4), (2, 5), (0, 5)):
        A[i, j] = A[j, i] = 1
    root = np.diag(A.sum(1) ** -0.5)
    A = (root @ A @ root).astype(dt)
    X, Y = r(n, 5), onehot(np.array([0, 2, 1, 1, 2, 0]), 3, dt)
    labelled = np.array([1, 1, 0, 1, 0, 1], dtype=dt)[:, None]
    p = {"W0": r(5, h), "W1": r(h, 3)}

    def forward(W0, W1):
        z = A @ X @ W0
        H = np.tanh(z)
        e = np.exp(A @ H @ W1)
        return z, H, e / e.sum(axis=1, keepdims=True)

    z, H, out = forward(**p)
    d = out - (0 if slip == "label not subtracted" else Y)
    d = d * (1 if slip == "unlabelled nodes counted" else labelled)
    d = d / (n if slip == "divided by all nodes" else 4)
    dW1 = (H if slip == "A_hat left out of dW1" else A @ H).T @ d
    dH = (d if slip == "A_hat left out on the way back" else A.T @ d) @ (
        p["W1"] if slip == "W1 for W1.T" else p["W1"].T
    )
    dz = dH * {"tanh from before": 1 - z**2, "tanh not derived": 1}.get(slip, 1 - H**2)
    _, _, out = forward(**named(p))
    loss = -np.sum(labelled * Y * np.log(out)) / 4
    return compare(loss, {"W0": (A @ X).T @ dz, "W1": dW1})


@impl(
    "Welch Labs Demystified",
    "compare",
    {
        "sigmoidPrime(a2)": (("W1",), r"twice|output|activation|already|sigmoid"),
        "sigmoidPrime(yHat)": (("W2",), r"twice|output|activation|already|sigmoid"),
        "minus forgotten": (("W2",), SIGN),
        "sigmoid for sigmoidPrime": (
            ("W1",),
            r"itself|sigmoid for|f for|for its derivative|sigmoid",
        ),
        "delta3 W2.T without sigmoidPrime(z2)": (("W1",), r"sigmoid.*left out"),
        "1/N of the cost left out": (("W2",), DIV),
        "Lambda / N": (("W2", "W1"), PENALTY + r"|divided by the batch"),
        "Lambda W2 in dJdW1 (square)": (("W1",), PENALTY),
    },
    glue=4,
)
def welch(slip, dt):
    r, n = rand(86, dt), 7
    h = 3 if slip and "square" in slip else 4
    k = h if slip and "square" in slip else 2
    X, y = r(n, 3), sigmoid(r(n, k)).astype(dt)
    p = {"W1": r(3, h), "W2": r(h, k)}
    Lambda = 0.01

    def forward(W1, W2):
        z2 = np.dot(X, W1)
        a2 = 1 / (1 + np.exp(-z2))
        z3 = np.dot(a2, W2)
        return z2, a2, z3, 1 / (1 + np.exp(-z3))

    def prime(z):
        return np.exp(-z) / ((1 + np.exp(-z)) ** 2)

    z2, a2, z3, yHat = forward(**p)
    delta3 = np.multiply(-(y - yHat), prime(yHat if slip == "sigmoidPrime(yHat)" else z3))
    if slip == "minus forgotten":
        delta3 = -delta3
    N = 1 if slip == "1/N of the cost left out" else n
    slope = {
        "sigmoidPrime(a2)": prime(a2),
        "sigmoid for sigmoidPrime": a2,
        "delta3 W2.T without sigmoidPrime(z2)": 1,
    }.get(slip, prime(z2))
    delta2 = np.dot(delta3, p["W2"].T) * slope
    lam = Lambda / n if slip == "Lambda / N" else Lambda
    first = p["W2"] if slip == "Lambda W2 in dJdW1 (square)" else p["W1"]
    G = {"W1": X.T @ delta2 / N + lam * first, "W2": a2.T @ delta3 / N + lam * p["W2"]}
    t = named(p)
    J = 0.5 * np.sum((y - forward(**t)[3]) ** 2) / n
    return compare(J + Lambda / 2 * (np.sum(t["W1"] ** 2) + np.sum(t["W2"] ** 2)), G)


@impl(
    "CNN from scratch, im2col",
    "compare",
    {
        "pool: gradient to every element": (("bk",), r"max|pool|mask|argmax|every"),
        "pool: averaged": (("bk",), r"max|pool|mask|mean|averag"),
        "relu mask left out": (("bk",), r"mask.*left out|relu.*left out|maximum.*left out"),
        "bk: one image only": ("bk", r"sample|batch|image|last|first|axis"),
        "bk: averaged over positions": ("bk", r"mean|averag|divided|small"),
        "K flipped": ("K", r"flip|revers|rotat|order"),
        "flatten in another order": (("bk", "K"), r"reshape|order|transpose|permut|shape"),
        "1/n left out": (("bo",), DIV),
        "rows of K in another order": ("K", r"order|transpose|permut|exchang|window|shift"),
    },
    glue=7,
)
def cnn(slip, dt):
    r, n = rand(87, dt), 4
    x, y = r(n, 5, 5), np.array([0, 2, 1, 2])
    p = {"K": r(4, 2, k=0.6), "bk": r(2, k=0.2), "W": r(8, 3, k=0.6), "bo": r(3, k=0.2)}
    cols = np.stack([x[:, i : i + 4, j : j + 4] for i in (0, 1) for j in (0, 1)], axis=-1)

    def forward(K, bk, W, bo):
        z = cols @ K + bk  # (n, 4, 4, 2)
        a = np.maximum(z, 0)
        windows = a.reshape(n, 2, 2, 2, 2, 2)
        pooled = windows.max(axis=4).max(axis=2)
        flat = pooled.reshape(n, -1)
        return z, a, pooled, flat, flat @ W + bo

    z, a, pooled, flat, logits = forward(**p)
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    d = e / e.sum(axis=1, keepdims=True)
    d[np.arange(n), y] -= 1
    d = d / (1 if slip == "1/n left out" else n)
    dflat = d @ p["W"].T
    dpool = dflat.reshape(n, 2, 2, 2)
    if slip == "flatten in another order":
        dpool = dflat.reshape(n, 2, 2, 2).transpose(0, 3, 1, 2)
    up = dpool.repeat(2, axis=1).repeat(2, axis=2)
    chosen = (a == pooled.repeat(2, axis=1).repeat(2, axis=2)) & (a > 0)
    da = up * {"pool: gradient to every element": 1, "pool: averaged": 0.25}.get(slip, chosen)
    dz = da * (1 if slip == "relu mask left out" else z > 0)
    if slip == "relu mask left out":
        dz = up * (a == pooled.repeat(2, axis=1).repeat(2, axis=2))
    dbk = dz.sum(axis=(0, 1, 2))
    if slip == "bk: one image only":
        dbk = dz[-1].sum(axis=(0, 1))
    if slip == "bk: averaged over positions":
        dbk = dz.mean(axis=(1, 2)).sum(axis=0)
    dK = np.tensordot(cols, dz, axes=((0, 1, 2), (0, 1, 2)))
    if slip == "K flipped":
        dK = dK[::-1]
    if slip == "rows of K in another order":
        dK = np.tensordot(cols[..., [0, 2, 1, 3]], dz, axes=((0, 1, 2), (0, 1, 2)))
    logits = forward(**named(p))[-1]
    shifted = logits - np.max(logits, axis=1, keepdims=True)
    logp = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    G = {"K": dK, "bk": dbk, "W": flat.T @ d, "bo": d.sum(axis=0)}
    return compare(-np.mean(logp[np.arange(n), y]), G)


@impl(
    "Net with batch norm and momentum",
    "compare",
    {
        "leaky slope left out (relu)": (("beta",), r"leaky|slope|mask|branch|relu|where"),
        "leaky slope swapped": (("beta",), r"leaky|slope|mask|branch|revers|where"),
        "dgamma from the input": ("gamma", r"normal|before|instead|input|\bx"),
        "dgamma not summed": ("gamma", r"sum|shape|broadcast|per sample"),
        "var's path left out": (("W1",), PATH + r"|var|statistic"),
        "mean's path left out": (("b1", "W1"), PATH + r"|mean|statistic"),
        "ivar**2 for ivar**3": (("W1",), r"exponent|power|3/2|1\.5|factor|var|square"),
        "1/N left out of the variance": (("W1",), r"not divided|1/n|times too|mean|batch"),
        "b1 in front of batch norm: not 0": ("b1", PATH + r"|mean|statistic"),
        "MSE's 2": (("b2",), r"2|half"),
    },
    glue=6,
)
def bn_net(slip, dt):
    r, n = rand(88, dt), 6
    X, Y = r(n, 3), r(n, 2)
    p = {
        "W1": r(3, 4),
        "b1": r(4),
        "gamma": 1 + r(4, k=0.2),
        "beta": r(4),
        "W2": r(4, 2),
        "b2": r(2),
    }

    def forward(X, W1, b1, gamma, beta, W2, b2):
        z = X @ W1 + b1
        xmu = z - 1 / n * np.sum(z, axis=0)
        var = 1 / n * np.sum(xmu**2, axis=0)
        ivar = 1 / np.sqrt(var + 1e-5)
        xhat = xmu * ivar
        u = gamma * xhat + beta
        a = np.where(u > 0, u, 0.1 * u)
        return z, xmu, ivar, xhat, u, a, a @ W2 + b2

    z, xmu, ivar, xhat, u, a, out = forward(X, **p)
    d = (1 if slip == "MSE's 2" else 2) * (out - Y) / out.size
    low, high = 0.1, 1
    if slip == "leaky slope swapped":
        low, high = high, low
    if slip == "leaky slope left out (relu)":
        low = 0
    du = d @ p["W2"].T * np.where(u > 0, high, low).astype(dt)
    dxhat = du * p["gamma"]
    dvar = -0.5 * np.sum(dxhat * xmu, axis=0) * ivar ** (2 if slip == "ivar**2 for ivar**3" else 3)
    N = 1 if slip == "1/N left out of the variance" else n
    dxmu = dxhat * ivar + (0 if slip == "var's path left out" else 2 * xmu * dvar / N)
    dz = dxmu - (0 if slip == "mean's path left out" else np.sum(dxmu, axis=0) / n)
    dgamma = du * (z if slip == "dgamma from the input" else xhat)
    G = {
        "W1": X.T @ dz,
        "b1": np.sum(dxhat * ivar, axis=0)
        if slip == "b1 in front of batch norm: not 0"
        else dz.sum(0),
        "gamma": dgamma if slip == "dgamma not summed" else dgamma.sum(0),
        "beta": du.sum(0),
        "W2": a.T @ d,
        "b2": d.sum(0),
    }
    out = forward(tensor(X), **named(p))[-1]
    return compare(np.mean((out - Y) ** 2), G)
