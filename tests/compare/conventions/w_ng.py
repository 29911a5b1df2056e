"""Andrew Ng's courses: deeplearning.ai C1W2, C1W3, C1W4, UFLDL, CS229; columns are samples."""

import numpy as np

from autograd_lite import compare, tensor
from tests.compare.conventions.bed import impl, named, onehot, rand, sigmoid

DIV = r"not divided by|1/n|1/m|times too large|mean"
SIGN = r"sign|negat"
PENALTY = r"penalty|regulari|decay"
TANH = r"derivative of tanh|tanh"


@impl(
    "Coursera logistic regression",
    "compare",
    {
        "1/m left out of dw": ("w", DIV),
        "1/m left out of both": (("b", "w"), DIV),
        "divided by the number of pixels": (("b", "w"), r"features|divided by|size|times too|axis"),
        "Y - A": (("b", "w"), SIGN),
        "Y left out": (("b", "w"), r"target|label|p used for p - t"),
        "times A * (1 - A)": (("b", "w"), r"sigmoid|twice|once more|again"),
        "dA kept, sigmoid not derived": (("b", "w"), r"(derivative of )?sigmoid.*left out"),
        "db not summed": ("b", r"sum|shape|per sample|broadcast"),
        "db right, dw with Y - A": ("w", SIGN),
    },
    glue=4,
)
def logistic(slip, dt):
    r, m = rand(31, dt), 7
    X, Y = r(4, m), (np.arange(m) % 2)[None].astype(dt)
    p = {"w": r(4, 1), "b": r(1)}

    def propagate(w, b, X, Y):
        z = w.T @ X + b
        A = sigmoid(z)
        dZ = A - Y
        if slip == "Y - A":
            dZ = Y - A
        if slip == "Y left out":
            dZ = A
        if slip == "times A * (1 - A)":
            dZ = dZ * A * (1 - A)
        if slip == "dA kept, sigmoid not derived":
            dZ = -(Y / A) + (1 - Y) / (1 - A)
        n = {"1/m left out of both": 1, "divided by the number of pixels": X.shape[0]}.get(slip, m)
        e = Y - A if slip == "db right, dw with Y - A" else dZ
        dw = np.dot(X, e.T) / (1 if slip == "1/m left out of dw" else n)
        db = dZ[0] / n if slip == "db not summed" else np.sum(dZ) / n
        return {"dw": dw, "db": db}

    grads = propagate(X=X, Y=Y, **p)
    t = named(p)
    A = 1 / (1 + np.exp(-(t["w"].T @ X + t["b"])))
    cost = -1 / m * np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A))
    db = grads["db"] if slip == "db not summed" else np.reshape(grads["db"], (1,))
    return compare(cost, {"w": grads["dw"], "b": db})


@impl(
    "Coursera planar data",
    "compare",
    {
        "1 - A1": (("b1",), r"1 - y|square|tanh"),
        "1 - Z1**2": (("b1",), r"input|before|pre|Z1|x for y|tanh"),
        "A1 * (1 - A1), as for sigmoid": (("b1",), r"sigmoid"),
        "tanh not derived": (("b1",), TANH + r".*left out"),
        "db1 without 1/m": ("b1", DIV),
        "db1 summed over everything": ("b1", r"axis|features|all"),
        "db2 over the wrong axis": ("b2", r"axis|shape|sum"),
        "dW1 with A1 for X": ("W1", r"input|layer|A1|activation|instead of"),
        "dZ2 times A2 * (1 - A2)": (("b2",), r"sigmoid|twice|once more|again"),
        "dW2 with Z1 for A1": ("W2", r"activation|before|pre|input|Z1"),
    },
    glue=4,
)
def planar(slip, dt):
    r, m = rand(32, dt), 6
    n = 4 if slip == "dW1 with A1 for X" else 3
    X, Y = r(n, m), np.array([[0, 1, 1, 0, 1, 0]], dtype=dt)
    p = {"W1": r(4, n), "b1": r(4, 1), "W2": r(1, 4), "b2": r(1, 1)}

    def forward(X, W1, b1, W2, b2):
        Z1 = W1 @ X + b1
        A1 = np.tanh(Z1)
        Z2 = W2 @ A1 + b2
        return {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": 1 / (1 + np.exp(-Z2))}

    c = forward(X, **p)
    A1, A2, Z1 = c["A1"], c["A2"], c["Z1"]
    dZ2 = A2 - Y
    if slip == "dZ2 times A2 * (1 - A2)":
        dZ2 = dZ2 * A2 * (1 - A2)
    slope = {
        "1 - A1": 1 - A1,
        "1 - Z1**2": 1 - Z1**2,
        "A1 * (1 - A1), as for sigmoid": A1 * (1 - A1),
        "tanh not derived": 1,
    }.get(slip, 1 - np.power(A1, 2))
    dZ1 = p["W2"].T @ dZ2 * slope
    db1 = np.sum(dZ1, axis=1, keepdims=True) / (1 if slip == "db1 without 1/m" else m)
    if slip == "db1 summed over everything":
        db1 = np.full((4, 1), np.sum(dZ1) / m)
    grads = {
        "W2": dZ2 @ (Z1 if slip == "dW2 with Z1 for A1" else A1).T / m,
        "b2": np.sum(dZ2, axis=0 if slip == "db2 over the wrong axis" else 1, keepdims=True) / m,
        "W1": dZ1 @ (A1 if slip == "dW1 with A1 for X" else X).T / m,
        "b1": db1,
    }
    A2 = forward(X, **named(p))["A2"]
    logprobs = np.multiply(np.log(A2), Y) + np.multiply(np.log(1 - A2), 1 - Y)
    return compare(-np.sum(logprobs) / m, grads)


@impl(
    "Coursera L-layer net",
    "compare",
    {
        "dAL: plus between its terms": (("b4",), SIGN + r"|term|cross"),
        "dZ = dAL, sigmoid not derived": (("b4",), r"sigmoid"),
        "relu mask of the layer below": (("b3",), r"mask"),
        "relu mask left out": (("b3",), r"mask.*left out|relu.*left out|maximum.*left out"),
        "relu mask left out of the first layer": (("b1",), r"mask.*left out|left out"),
        "1/m in dA_prev too": (("b3",), r"small|once too often|twice|divided|1/m"),
        "sigmoid_backward for a relu layer": (("b3",), r"sigmoid|rule of|derivative"),
        "W of the layer below": (("b3",), r"W\d|weight|layer"),
        "1/m left out of dW": (("W4",), DIV),
        "A for A_prev": (("W3",), r"input|output|activation|layer|A\d"),
    },
    glue=6,
)
def l_layers(slip, dt):
    r, m = rand(33, dt), 7
    sizes = (4, 4, 4, 4, 1)
    X, Y = r(4, m), np.array([[1, 0, 0, 1, 0, 1, 1]], dtype=dt)
    p = {}
    for i in range(1, 5):
        p["W" + str(i)] = r(sizes[i], sizes[i - 1], k=0.7)
        p["b" + str(i)] = r(sizes[i], 1, k=0.3)

    def forward(A, parameters):
        caches = []
        for i in range(1, 5):
            A_prev, W = A, parameters["W" + str(i)]
            Z = np.dot(W, A_prev) + parameters["b" + str(i)]
            A = np.maximum(0, Z) if i < 4 else 1 / (1 + np.exp(-Z))
            caches.append((A_prev, W, Z, A))
        return A, caches

    AL, caches = forward(X, p)
    dA = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))
    if slip == "dAL: plus between its terms":
        dA = -(np.divide(Y, AL) + np.divide(1 - Y, 1 - AL))
    grads = {}
    for i in range(4, 0, -1):
        A_prev, W, Z, A = caches[i - 1]
        dZ = dA * A * (1 - A) if i == 4 else dA * (Z > 0)
        if slip == "dZ = dAL, sigmoid not derived" and i == 4:
            dZ = dA
        if slip == "relu mask of the layer below" and i == 3:
            dZ = dA * (A_prev > 0)
        if slip == "relu mask left out" and i < 4:
            dZ = dA
        if slip == "relu mask left out of the first layer" and i == 1:
            dZ = dA
        if slip == "sigmoid_backward for a relu layer" and i == 3:
            dZ = dA * sigmoid(Z) * (1 - sigmoid(Z))
        x = A if slip == "A for A_prev" and i == 3 else A_prev
        grads["W" + str(i)] = np.dot(dZ, x.T) / (1 if slip == "1/m left out of dW" else m)
        grads["b" + str(i)] = np.sum(dZ, axis=1, keepdims=True) / m
        if slip == "W of the layer below" and i == 4:
            W = caches[2][1][:1]
        dA = np.dot(W.T, dZ) / (m if slip == "1/m in dA_prev too" else 1)
    t = named(p)
    AL, _ = forward(tensor(X), t)
    cost = (-np.dot(Y, np.log(AL).T) - np.dot(1 - Y, np.log(1 - AL).T)) / m
    return compare(np.squeeze(cost), grads)


@impl(
    "UFLDL sparse autoencoder",
    "compare",
    {
        "sparsity term left out": (("b1",), r"term|mean|part|contribution|sparsity|KL|left out"),
        "sparsity term after the derivative": (("b1",), r"sigmoid|derivative|after|term|mean"),
        "beta left out": (("b1",), r"beta|factor|3 times too small|term|part|contribution"),
        "rho / rhoHat with a plus": (("b1",), SIGN + r"|term|part|contribution"),
        "lambda left out of W2": (("W2",), PENALTY),
        "lambda divided by m": (("W2", "W1"), PENALTY + r"|divided by the batch"),
        "delta3 without f'": (("b2",), r"sigmoid.*left out"),
        "x - a3": (("b2",), SIGN),
        "1/m left out of the error": (("b2",), DIV),
        "sparsity not averaged": (("b1",), r"term|times|divided|mean|part|contribution"),
    },
    glue=7,
)
def ufldl(slip, dt):
    r, m = rand(34, dt), 6
    x = sigmoid(r(5, m)).astype(dt)
    p = {"W1": r(4, 5), "b1": r(4, 1), "W2": r(5, 4), "b2": r(5, 1)}
    lam, beta, rho = 0.05, 3.0, 0.1

    def forward(W1, b1, W2, b2):
        a2 = 1 / (1 + np.exp(-(np.dot(W1, x) + b1)))
        a3 = 1 / (1 + np.exp(-(np.dot(W2, a2) + b2)))
        return a2, a3

    a2, a3 = forward(**p)
    hat = np.mean(a2, axis=1, keepdims=True)
    d3 = (a3 - x) * a3 * (1 - a3)
    if slip == "delta3 without f'":
        d3 = a3 - x
    if slip == "x - a3":
        d3 = -d3
    minus = 1 if slip == "rho / rhoHat with a plus" else -1
    b = 1 if slip == "beta left out" else beta
    b = b * m if slip == "sparsity not averaged" else b
    sparse = b * (minus * rho / hat + (1 - rho) / (1 - hat))
    back = p["W2"].T @ d3
    d2 = (back + sparse) * a2 * (1 - a2)
    if slip == "sparsity term left out":
        d2 = back * a2 * (1 - a2)
    if slip == "sparsity term after the derivative":
        d2 = back * a2 * (1 - a2) + sparse
    k = lam / m if slip == "lambda divided by m" else lam
    n = 1 if slip == "1/m left out of the error" else m
    grads = {
        "W2": d3 @ a2.T / n + (0 if slip == "lambda left out of W2" else k * p["W2"]),
        "b2": d3.sum(axis=1, keepdims=True) / n,
        "W1": d2 @ x.T / m + k * p["W1"],
        "b1": d2.sum(axis=1, keepdims=True) / m,
    }
    t = named(p)
    a2, a3 = forward(**t)
    hat = np.mean(a2, axis=1)
    kl = np.sum(rho * np.log(rho / hat) + (1 - rho) * np.log((1 - rho) / (1 - hat)))
    weights = np.sum(t["W1"] ** 2) + np.sum(t["W2"] ** 2)
    return compare(np.sum((a3 - x) ** 2) / (2 * m) + lam / 2 * weights + beta * kl, grads)


@impl(
    "CS229 problem set: digits",
    "compare",
    {
        "2 of the penalty left out": (("W2", "W1"), PENALTY + r"|half|2"),
        "biases regularised too": (("b2", "b1"), PENALTY),
        "penalty on W1 alone": (("W2",), PENALTY),
        "reg divided by the batch": (("W2", "W1"), PENALTY + r"|divided by the batch"),
        "gradient not divided by the batch": (("b2",), DIV),
        "divided by batch and classes": (("b2",), r"too small|mean|divided|classes|1/"),
        "sigmoid derivative of z": (("b1",), r"input|before|pre|z"),
        "sigmoid derivative left out": (("b1",), r"sigmoid.*left out"),
        "W2 for W2.T": (("b1",), r"transpose"),
    },
    glue=5,
)
def cs229(slip, dt):
    r, B = rand(35, dt), 6
    X, labels = r(B, 4), onehot(np.array([0, 2, 1, 1, 2, 0]), 3, dt)
    h = 3 if slip == "W2 for W2.T" else 5
    p = {"W1": r(4, h), "b1": r(h), "W2": r(h, 3), "b2": r(3)}
    reg = 0.1

    def forward(data, W1, b1, W2, b2):
        z1 = data @ W1 + b1
        hidden = 1 / (1 + np.exp(-z1))
        z2 = hidden @ W2 + b2
        e = np.exp(z2 - np.max(z2, axis=1, keepdims=True))
        return z1, hidden, e / np.sum(e, axis=1, keepdims=True)

    z1, hidden, out = forward(X, **p)
    d2 = out - labels
    if slip == "divided by batch and classes":
        d2 = d2 / 3
    d1 = d2 @ (p["W2"] if slip == "W2 for W2.T" else p["W2"].T)
    s = z1 if slip == "sigmoid derivative of z" else hidden
    d1 = d1 * (1 if slip == "sigmoid derivative left out" else s * (1 - s))
    k = {"2 of the penalty left out": reg, "reg divided by the batch": 2 * reg / B}.get(
        slip, 2 * reg
    )
    n = 1 if slip == "gradient not divided by the batch" else B
    both = k if slip == "biases regularised too" else 0
    grads = {
        "W2": hidden.T @ d2 / n + (0 if slip == "penalty on W1 alone" else k) * p["W2"],
        "b2": d2.sum(axis=0) / n + both * p["b2"],
        "W1": X.T @ d1 / n + k * p["W1"],
        "b1": d1.sum(axis=0) / n + both * p["b1"],
    }
    t = named(p)
    _, _, out = forward(tensor(X), **t)
    loss = -np.sum(labels * np.log(out)) / B
    return compare(loss + reg * (np.sum(t["W1"] ** 2) + np.sum(t["W2"] ** 2)), grads)


@impl(
    "CS229 Poisson regression",
    "compare",
    {
        "exp left out": ("theta", r"exp"),
        "y - h": ("theta", SIGN),
        "log for exp": ("theta", r"log|exp|derivative|instead of"),
        "times h once more": ("theta", r"exp|twice|once more|again"),
        "y left out": ("theta", r"target|label|\by\b|term|contribution|part|path"),
        "mean over features": ("theta", r"divided|features|size|times|axis"),
    },
    glue=3,
)
def poisson(slip, dt):
    r = rand(36, dt)
    x, y = r(7, 3), np.array([0, 2, 1, 0, 3, 1, 2], dtype=dt)
    theta = np.array([0.3, -0.2, 0.4], dtype=dt)
    eta = x @ theta
    h = np.exp(eta)
    if slip == "exp left out":
        h = eta
    if slip == "log for exp":
        h = np.log(np.abs(eta))
    e = h - y
    e = {"y - h": -e, "times h once more": e * h, "y left out": h}.get(slip, e)
    g = x.T @ e / (3 if slip == "mean over features" else 7)
    t = named({"theta": theta})["theta"]
    eta = x @ t
    return compare(np.mean(np.exp(eta) - y * eta), {"theta": g})
