"""Models of one layer: linear, ridge, lasso, Huber, softmax regression, SVM, ratings, contrastive."""

import numpy as np

from autograd_lite import compare
from tests.compare.conventions.bed import impl, named, onehot, rand

DIV = r"not divided by|1/n|1/m|times too large|mean"
SIGN = r"sign|negat"
PENALTY = r"penalty|regulari|decay"


@impl(
    "Géron batch gradient descent",
    "compare",
    {
        "2 left out": ("theta", r"2|half"),
        "1/m left out": ("theta", DIV),
        "y - X theta": ("theta", SIGN),
        "theta0 regularised": ("theta", PENALTY + r"|row|element|first"),
        "alpha left out of ridge": ("theta", PENALTY + r"|alpha|factor|term|part|contribution"),
        "alpha / 2 of ridge": ("theta", PENALTY + r"|alpha|factor|2"),
        "theta for sign(theta)": ("theta", r"sign|abs"),
        "lasso term subtracted": ("theta", PENALTY + r"|" + SIGN),
        "ridge term left out": ("theta", PENALTY + r"|term|part|contribution|overwrit"),
    },
    glue=3,
)
def geron(slip, dt):
    r, m = rand(51, dt), 7
    X = np.concatenate([np.ones((m, 1), dt), r(m, 3)], axis=1)
    y, theta = r(m, 1), r(4, 1)
    alpha, beta = 0.3, 0.05
    error = X @ theta - y
    g = 2 / m * X.T @ error
    g = {
        "2 left out": g / 2,
        "1/m left out": g * m,
        "y - X theta": -g,
    }.get(slip, g)
    shrunk = theta.copy()
    if slip != "theta0 regularised":
        shrunk[0] = 0
    k = {
        "alpha left out of ridge": 1,
        "alpha / 2 of ridge": alpha / 2,
        "ridge term left out": 0,
    }.get(slip, alpha)
    signs = shrunk if slip == "theta for sign(theta)" else np.sign(shrunk)
    lasso = -beta if slip == "lasso term subtracted" else beta
    t = named({"theta": theta})["theta"]
    cost = np.mean((X @ t - y) ** 2)
    cost = cost + alpha / 2 * np.sum(t[1:] ** 2) + beta * np.sum(np.abs(t[1:]))
    return compare(cost, {"theta": g + k * shrunk + lasso * signs})


@impl(
    "Softmax regression",
    "compare",
    {
        "minus 1 in every row of a column": (
            ("b", "W"),
            r"column|every|all rows|index|label|target",
        ),
        "1/n left out": (("b",), DIV),
        "partition over the batch": (("b",), r"axis"),
        "not normalised": (("b",), r"normal|softmax|exp|partition|log"),
        "no minus 1": (("b",), r"target|label|one-hot|p used for p - t"),
        "y_hat (1 - y_hat)": (("b",), r"softmax|diagonal|twice|once more|again|sigmoid"),
        "b summed over classes": (("b",), r"axis|shape|features|summed"),
        "only the true class": (("b",), r"label|target|one-hot|mask|class|only"),
    },
    glue=4,
)
def softmax_regression(slip, dt):
    r, n = rand(52, dt), 6
    X, y = r(n, 4), np.array([1, 0, 2, 2, 1, 2])
    p = {"W": r(4, 3), "b": r(3)}

    def net(W, b):
        X_exp = np.exp(np.matmul(X, W) + b)
        return X_exp, X_exp / X_exp.sum(1, keepdims=True)

    X_exp, y_hat = net(**p)
    d = y_hat.copy()
    if slip == "partition over the batch":
        d = X_exp / X_exp.sum(0, keepdims=True)
    if slip == "not normalised":
        d = X_exp.copy()
    if slip == "minus 1 in every row of a column":
        d[:, y] -= 1
    elif slip != "no minus 1":
        d[range(n), y] -= 1
    if slip == "y_hat (1 - y_hat)":
        d = d * y_hat * (1 - y_hat)
    if slip == "only the true class":
        d = d * onehot(y, 3, dt)
    d = d / (1 if slip == "1/n left out" else n)
    grads = {"W": X.T @ d, "b": d.sum(axis=0)}
    if slip == "b summed over classes":
        grads["b"] = d.sum(axis=1)
    _, y_hat = net(**named(p))
    return compare(-np.mean(np.log(y_hat[range(n), y])), grads)


@impl(
    "cs231n svm_loss_vectorized",
    "compare",
    {
        "row count not subtracted": (
            "W",
            r"label|target|correct|term|path|contribution|overwrit|gather|index|part",
        ),
        "minus 1, not minus the count": ("W", r"count|label|target|gather|contribution"),
        "own class counted as a margin": ("W", r"label|target|mask|correct|own|index"),
        "1/N left out": ("W", DIV),
        "reg * W, not 2 reg W": ("W", PENALTY + r"|half|2"),
        "reg left out": ("W", PENALTY + r"|reg|factor|term|part|contribution"),
        "scores > 0 for margins > 0": ("W", r"mask"),
        "margins for their indicator": ("W", r"mask|indicator|maximum|relu itself|itself used"),
        "indicator reversed": ("W", r"mask|revers|other side"),
    },
    glue=3,
)
def svm(slip, dt):
    r, n = rand(53, dt), 6
    X, y, W = r(n, 4), np.array([1, 0, 2, 2, 1, 0]), r(4, 3)
    reg = 0.1
    rows = np.arange(n)
    scores = X.dot(W)
    margins = np.maximum(0, scores - scores[rows, y][:, None] + 1)
    if slip != "own class counted as a margin":
        margins[rows, y] = 0
    on = (margins > 0).astype(dt)
    if slip == "scores > 0 for margins > 0":
        on = (scores > 0).astype(dt)
        on[rows, y] = 0
    if slip == "indicator reversed":
        on = 1 - on
        on[rows, y] = 0
    if slip == "margins for their indicator":
        on = margins.copy()
    count = np.ones(n) if slip == "minus 1, not minus the count" else on.sum(axis=1)
    if slip == "own class counted as a margin":
        count = count - 1
    if slip != "row count not subtracted":
        on[rows, y] -= count
    dW = X.T.dot(on) / (1 if slip == "1/N left out" else n)
    dW = dW + {"reg * W, not 2 reg W": reg, "reg left out": 2}.get(slip, 2 * reg) * W
    t = named({"W": W})["W"]
    scores = X @ t
    margins = np.maximum(0, scores - scores[rows, y][:, None] + 1)
    loss = np.sum(margins * (1 - onehot(y, 3, dt))) / n
    return compare(loss + reg * np.sum(t * t), {"W": dW})


@impl(
    "Binary SVM by hinge (Pegasos)",
    "compare",
    {
        "condition reversed": (("b", "w"), r"mask|revers|other side|condition"),
        "y left out": (("b", "w"), r"target|label|factor|\by\b|not used"),
        "condition on f alone": (("b", "w"), r"mask|condition"),
        "sign of the hinge": (("b", "w"), SIGN),
        "lambda left out": ("w", PENALTY),
        "2 lambda": ("w", PENALTY + r"|2"),
        "bias regularised": ("b", PENALTY),
        "sum, not mean": (("b", "w"), DIV),
        "mean over the violators alone": (("b", "w"), r"divided|times too|count|size"),
    },
    glue=3,
)
def pegasos(slip, dt):
    r, n = rand(54, dt), 8
    X, y = r(n, 3), np.array([1, -1, 1, 1, -1, -1, 1, -1], dtype=dt)
    p = {"w": r(3), "b": np.array([0.3], dtype=dt)}
    lam = 0.2
    f = X @ p["w"] + p["b"]
    on = y * f < 1
    if slip == "condition reversed":
        on = ~on
    if slip == "condition on f alone":
        on = f < 1
    side = np.ones(n, dt) if slip == "y left out" else y
    d = -side * on
    if slip == "sign of the hinge":
        d = -d
    count = {"sum, not mean": 1, "mean over the violators alone": on.sum()}.get(slip, n)
    k = {"lambda left out": 0, "2 lambda": 2 * lam}.get(slip, lam)
    db = d.sum(keepdims=True) / count + (lam * p["b"] if slip == "bias regularised" else 0)
    t = named(p)
    loss = np.mean(np.maximum(0, 1 - y * (X @ t["w"] + t["b"])))
    loss = loss + lam / 2 * np.dot(t["w"], t["w"])
    return compare(loss, {"w": X.T @ d / count + k * p["w"], "b": db})


@impl(
    "Huber regression",
    "compare",
    {
        "quadratic everywhere": (
            ("b",),
            r"where|branch|quadratic|linear|clip|mask|other|constant|path",
        ),
        "delta left out of the linear part": (("b",), r"delta|factor|0\.7|branch|where|linear"),
        "sign left out of the linear part": (("b",), r"sign|abs"),
        "branches exchanged": (("b",), r"branch|where|exchang|revers|swap|mask"),
        "2 of the square": (("b",), r"2"),
        "target - prediction": (("b",), SIGN),
        "linear part 0": (("b",), r"branch|where|linear|zero|part|path|mask|contribution"),
        "not averaged": (("b",), DIV),
    },
    glue=3,
)
def huber(slip, dt):
    r, n = rand(55, dt), 9
    X, y = r(n, 3), r(n, k=2.0)
    p = {"w": r(3), "b": np.array([0.1], dtype=dt)}
    delta = 0.7
    e = X @ p["w"] + p["b"] - y
    small = np.abs(e) <= delta
    if slip == "branches exchanged":
        small = ~small
    linear = {
        "delta left out of the linear part": np.sign(e),
        "sign left out of the linear part": delta * np.ones_like(e),
        "linear part 0": 0 * e,
        "quadratic everywhere": e,
    }.get(slip, delta * np.sign(e))
    d = np.where(small, 2 * e if slip == "2 of the square" else e, linear)
    if slip == "target - prediction":
        d = -d
    d = d / (1 if slip == "not averaged" else n)
    t = named(p)
    e = X @ t["w"] + t["b"] - y
    a = np.abs(e)
    loss = np.mean(np.where(a <= delta, 0.5 * e**2, delta * (a - 0.5 * delta)))
    return compare(loss, {"w": X.T @ d, "b": d.sum(keepdims=True)})


@impl(
    "Matrix factorisation",
    "compare",
    {
        "mask left out": (("bu",), r"mask"),
        "2 left out": (("bu",), r"2|half"),
        "P updated before Q's gradient": ("Q", r"update"),
        "Q's gradient without E.T": ("Q", r"transpose|order|shape"),
        "sign": (("bu",), SIGN),
        "lambda left out of Q": ("Q", PENALTY),
        "lambda for 2 lambda": (("P", "Q"), PENALTY + r"|half|2"),
        "bias averaged over its ratings": (("bu",), r"mean|averag|divided|small"),
        "P's gradient by P": ("P", r"itself|instead|other factor"),
    },
    glue=3,
)
def factorisation(slip, dt):
    r = rand(56, dt)
    n = 4 if slip in ("Q's gradient without E.T", "P's gradient by P") else 5
    R = np.round(r(4, n) + 3)
    M = (np.random.default_rng(2).random((4, n)) < 0.7).astype(dt)
    p = {"P": r(4, 2), "Q": r(n, 2), "bu": r(4, 1)}
    lam = 0.02
    E = R - p["P"] @ p["Q"].T - p["bu"]
    if slip != "mask left out":
        E = M * E
    two = 1 if slip == "2 left out" else 2
    sign = 1 if slip == "sign" else -1
    k = lam if slip == "lambda for 2 lambda" else 2 * lam
    dP = sign * two * E @ (p["P"] if slip == "P's gradient by P" else p["Q"]) + k * p["P"]
    P = p["P"] - 0.01 * dP if slip == "P updated before Q's gradient" else p["P"]
    dQ = sign * two * (E if slip == "Q's gradient without E.T" else E.T) @ P
    dbu = sign * two * E.sum(axis=1, keepdims=True)
    if slip == "bias averaged over its ratings":
        dbu = dbu / n
    t = named(p)
    E = M * (R - t["P"] @ t["Q"].T - t["bu"])
    loss = np.sum(E**2) + lam * (np.sum(t["P"] ** 2) + np.sum(t["Q"] ** 2))
    dQ = dQ + (0 if slip == "lambda left out of Q" else k * p["Q"])
    return compare(loss, {"P": dP, "Q": dQ, "bu": dbu})


@impl(
    "Siamese triplet loss",
    "compare",
    {
        "negative pulled, not pushed": ("W", SIGN + r"|term|path|part|contribution"),
        "anchor's second path left out": ("W", r"path|contribution|use|term|part|left out"),
        "one of three uses of W": ("W", r"use|contribution|overwrit|left"),
        "hinge mask left out": ("W", r"mask"),
        "2 of the distances": ("W", r"2|half"),
        "mean over all, not the batch": ("W", r"small|divided|mean|times"),
    },
    glue=3,
)
def triplet(slip, dt):
    r, n = rand(57, dt), 6
    a, p, g = r(n, 4), r(n, 4), r(n, 4)
    W = r(4, 3)
    A, B, C = a @ W, p @ W, g @ W
    near, far = ((A - B) ** 2).sum(1), ((A - C) ** 2).sum(1)
    on = (near - far + 0.5 > 0).astype(dt)
    if slip == "hinge mask left out":
        on = np.ones_like(on)
    u = on[:, None] / (n * 3 if slip == "mean over all, not the batch" else n)
    two = 1 if slip == "2 of the distances" else 2
    dA = two * ((A - B) - (A - C)) * u
    if slip == "anchor's second path left out":
        dA = two * (A - B) * u
    dB = -two * (A - B) * u
    dC = two * (A - C) * u * (-1 if slip == "negative pulled, not pushed" else 1)
    dW = a.T @ dA + p.T @ dB + g.T @ dC
    if slip == "one of three uses of W":
        dW = a.T @ dA
    t = named({"W": W})["W"]
    A, B, C = a @ t, p @ t, g @ t
    near, far = ((A - B) ** 2).sum(1), ((A - C) ** 2).sum(1)
    return compare(np.maximum(near - far + 0.5, 0).mean(), {"W": dW})
