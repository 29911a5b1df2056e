"""Learners' code in files, right, and the mistakes to plant in it: each is one edit of one line.

A file has `gradients()`, a dictionary; a mistake is what stands in the file and what takes its
place there, whose first line is the line to be found. Those of `BEYOND` are more than one edit.
"""

BEYOND = {
    "X.T.dot(dhidden)", "dhidden = hidden", "np.diagflat(single)", "dh * n * z", "\n",
    "flat = dout.reshape(-1, f)",
}  # fmt: skip

CODES: dict[str, tuple[str, list[tuple[str, str]]]] = {}


def code(name: str, text: str, *mistakes: tuple[str, str]) -> None:
    CODES[name] = "import numpy as np\n\nrng = np.random.default_rng(5)\n" + text, [*mistakes]


code(
    "looped convolution",
    """
x, w, g = rng.normal(size=(2, 2, 5, 6)), rng.normal(size=(3, 2, 3, 2)), rng.normal(size=(2, 3, 3, 5))


def conv_backward(dout, x, w):
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    _, _, OH, OW = dout.shape
    dx = np.zeros_like(x)
    dw = np.zeros_like(w)
    db = np.zeros(F)
    for n in range(N):
        for f in range(F):
            for i in range(OH):
                for j in range(OW):
                    window = x[n, :, i:i + HH, j:j + WW]
                    db[f] += dout[n, f, i, j]
                    dw[f] += window * dout[n, f, i, j]
                    dx[n, :, i:i + HH, j:j + WW] += w[f] * dout[n, f, i, j]
    return dx, dw, db


def gradients():
    return dict(zip("xwb", conv_backward(g, x, w)))
""",
    ("dw[f] += window", "dw[f] = window"),
    ("db[f] += dout[n, f, i, j]", "db[f] = dout[n, f, i, j]"),
    ("dx[n, :, i:i + HH, j:j + WW] += w[f]", "dx[n, :, i:i + HH, j:j + WW] = w[f]"),
    ("+= w[f] * dout", "+= w[f] * window * dout"),
    ("+= w[f] * dout[n, f, i, j]", "-= w[f] * dout[n, f, i, j]"),
    ("dx[n, :, i:i + HH, j:j + WW] += w[f]", "dx[n, :, i:i + HH, j:j + WW] += w[f, :, ::-1]"),
    ("for i in range(OH):", "for i in range(OH - 1):"),
    ("dw[f] += window * dout[n, f, i, j]", "dw[f] += window * dout[n, f, 0, j]"),
    ("dw[f] += window * dout", "dw[f] += window / dout"),
    ("db[f] += dout[n, f, i, j]", "db[f] += dout[n, f, i, i]"),
)
code(
    "windows that step over a margin",
    """
x, w, g = rng.normal(size=(2, 3, 7)), rng.normal(size=(4, 3, 3)), rng.normal(size=(2, 4, 5))
table, ids = rng.normal(size=(6, 8)), np.array([[0, 2, 2], [1, 2, 0]])


def conv_backward(dout, x, w, stride=2, pad=2):
    n, c, length = x.shape
    size = w.shape[2]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad)))
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    for i in range(dout.shape[2]):
        part = xp[:, :, i * stride:i * stride + size]
        d = dout[:, :, i]
        dw += np.einsum("nf,nck->fck", d, part)
        dxp[:, :, i * stride:i * stride + size] += np.einsum("nf,fck->nck", d, w)
    return dxp[:, :, pad:pad + length], dw


def read_backward(ga, gb, table, d=4):
    rows = table[ids]
    a, b = rows[..., :d], rows[..., d:2 * d]
    drows = np.zeros((*ids.shape, 2 * d))
    drows[..., :d] = ga * b
    drows[..., d:2 * d] = gb + ga * a
    dtable = np.zeros_like(table)
    np.add.at(dtable, ids, drows)
    columns = np.zeros_like(table)
    np.add.at(columns, np.s_[:, ids[0]], 1.0)
    return dtable, columns


def pool_backward(dout, place, stride=2):
    dx = np.zeros((2, 6, 6))
    for i in range(2):
        for j in range(2):
            row, column = np.divmod(place[:, i, j], 3)
            dx[np.arange(2), i * stride + row, j * stride + column] += dout[:, i, j]
    return dx


def gradients():
    dx, dw = conv_backward(g, x, w)
    dtable, columns = read_backward(g[:, :3, :4], g[:, 1:, 1:], table)
    pooled = pool_backward(g[:, :2, :2], np.array([[[4, 1], [0, 8]], [[2, 3], [7, 5]]]))
    return {"x": dx, "w": dw, "table": dtable, "columns": columns, "pooled": pooled}
""",
    ("i * stride + row, j * stride + column]", "i + row, j + column]"),
    ("part = xp[:, :, i * stride:i * stride + size]", "part = xp[:, :, i:i + size]"),
    ("dxp[:, :, i * stride:i * stride + size]", "dxp[:, :, i:i + size]"),
    ("dxp[:, :, pad:pad + length]", "dxp[:, :, :length]"),
    ("np.add.at(dtable, ids, drows)", "dtable[ids] += drows"),
    ("np.add.at(columns, np.s_[:, ids[0]], 1.0)", "columns[:, ids[0]] += 1.0"),
    ("drows[..., d:2 * d] = gb", "drows[..., :d] = gb"),
)
code(
    "max pooling by loops",
    """
x, g = rng.normal(size=(2, 3, 4, 6)), rng.normal(size=(2, 3, 2, 3))


def pool_backward(dout, x, size=2, stride=2):
    dx = np.zeros_like(x)
    n_samples, n_channels, n_rows, n_cols = dout.shape
    for n in range(n_samples):
        for c in range(n_channels):
            for i in range(n_rows):
                for j in range(n_cols):
                    top, left = i * stride, j * stride
                    part = x[n, c, top:top + size, left:left + size]
                    mask = part == part.max()
                    dx[n, c, top:top + size, left:left + size] += mask * dout[n, c, i, j]
    return dx


def gradients():
    return {"x": pool_backward(g, x)}
""",
    ("part == part.max()", "part == part.min()"),
    ("part == part.max()", "part == x.max()"),
    ("mask * dout", "dout"),
    ("mask * dout[n, c, i, j]", "mask * dout[n, 0, i, j]"),
    ("i * stride, j * stride", "i * stride, j"),
    ("mask = part == part.max()", "mask = part >= part.mean()"),
    (
        "top:top + size, left:left + size]\n                    mask",
        "top:top + size, left:left + size - 1]\n                    mask",
    ),
)
code(
    "RNN in loops",
    """
T, H, D, V = 4, 5, 3, 2
xs, ts = rng.normal(size=(T, D)), rng.normal(size=(T, V))
Wxh, Whh, Why = rng.normal(size=(H, D)), rng.normal(size=(H, H)) / 2, rng.normal(size=(V, H))
bh, by = rng.normal(size=H), rng.normal(size=V)


def gradients():
    hs = {-1: np.zeros(H)}
    ys = {}
    for t in range(T):
        hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t - 1] + bh)
        ys[t] = Why @ hs[t] + by
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    dh_next = np.zeros(H)
    for t in reversed(range(T)):
        dy = ys[t] - ts[t]
        dWhy += np.outer(dy, hs[t])
        dby += dy
        dh = Why.T @ dy + dh_next
        draw = (1 - hs[t] * hs[t]) * dh
        dbh += draw
        dWxh += np.outer(draw, xs[t])
        dWhh += np.outer(draw, hs[t - 1])
        dh_next = Whh.T @ draw
    return {"Why": dWhy, "by": dby, "Whh": dWhh, "Wxh": dWxh, "bh": dbh}
""",
    ("Why.T @ dy + dh_next", "Why.T @ dy"),
    ("dh_next = Whh.T @ draw", "dh_next = Whh @ draw"),
    ("dh_next = Whh.T @ draw", "dh_next = Whh.T @ dh"),
    ("np.outer(draw, hs[t - 1])", "np.outer(draw, hs[t])"),
    ("(1 - hs[t] * hs[t]) * dh", "(1 - hs[t]) * dh"),
    ("for t in reversed(range(T)):", "for t in range(T):"),
    ("dWxh += np.outer(draw, xs[t])", "dWxh = np.outer(draw, xs[t])"),
    ("np.outer(draw, hs[t - 1])", "np.outer(hs[t - 1], draw)"),
    ("dbh += draw", "dbh += dh"),
    ("(1 - hs[t] * hs[t]) * dh", "(1 - hs[t - 1] * hs[t - 1]) * dh"),
    ("ys[t] - ts[t]", "ts[t] - ys[t]"),
)
code(
    "LSTM step by hand",
    """
B, D, H = 3, 4, 5
x, h0, c0 = rng.normal(size=(B, D)), rng.normal(size=(B, H)), rng.normal(size=(B, H))
W, U, b = rng.normal(size=(D, 4 * H)), rng.normal(size=(H, 4 * H)), rng.normal(size=4 * H)
dh, dc = rng.normal(size=(B, H)), rng.normal(size=(B, H))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def step(x, h_prev, c_prev):
    z = x @ W + h_prev @ U + b
    i, f, o = sigmoid(z[:, :H]), sigmoid(z[:, H:2 * H]), sigmoid(z[:, 2 * H:3 * H])
    u = np.tanh(z[:, 3 * H:])
    c = f * c_prev + i * u
    return o * np.tanh(c), c, (x, h_prev, c_prev, i, f, o, u, c)


def step_backward(dh, dc, cache):
    x, h_prev, c_prev, i, f, o, u, c = cache
    tc = np.tanh(c)
    do = dh * tc
    dc = dc + dh * o * (1 - tc ** 2)
    df = dc * c_prev
    di = dc * u
    du = dc * i
    dz = np.hstack([
        di * i * (1 - i),
        df * f * (1 - f),
        do * o * (1 - o),
        du * (1 - u ** 2),
    ])
    return {"c_prev": dc * f, "W": x.T @ dz, "U": h_prev.T @ dz, "b": dz.sum(axis=0),
            "x": dz @ W.T, "h_prev": dz @ U.T}


def gradients():
    h, c, cache = step(x, h0, c0)
    return step_backward(dh, dc, cache)
""",
    ("df = dc * c_prev", "df = dc * c"),
    ("di = dc * u", "di = dc * i"),
    ("dc = dc + dh * o * (1 - tc ** 2)", "dc = dc + dh * (1 - tc ** 2)"),
    ("dc = dc + dh * o * (1 - tc ** 2)", "dc = dh * o * (1 - tc ** 2)"),
    ("du * (1 - u ** 2)", "du * (1 - u)"),
    ("df * f * (1 - f)", "df * f * (1 - i)"),
    ("do = dh * tc", "do = dh * c"),
    ('"c_prev": dc * f', '"c_prev": dc * i'),
    ("dz.sum(axis=0)", "dz.mean(axis=0)"),
    ('"x": dz @ W.T', '"x": dz @ -W.T'),
    ("do * o * (1 - o)", "do * (1 - o)"),
)
code(
    "classes with caches",
    """

class Dense:
    def __init__(self, n, m):
        self.W = rng.normal(size=(n, m))
        self.b = rng.normal(size=(1, m))

    def forward(self, x):
        self.x = x
        self.z = x @ self.W + self.b
        return self.z

    def backward(self, dz):
        self.dW = self.x.T @ dz
        self.db = np.sum(dz, axis=0, keepdims=True)
        return dz @ self.W.T


class Sigmoid:
    def forward(self, z):
        self.z = z
        self.a = 1 / (1 + np.exp(-z))
        return self.a

    def backward(self, da):
        return da * self.a * (1 - self.a)


class Relu:
    def forward(self, z):
        self.z = z
        self.a = np.maximum(0, z)
        return self.a

    def backward(self, da):
        dz = da.copy()
        dz[self.z <= 0] = 0
        return dz


class Dropout:
    def __init__(self, keep):
        self.keep = keep

    def forward(self, x):
        self.mask = np.random.default_rng(1).random(x.shape) < self.keep
        return x * self.mask / self.keep

    def backward(self, dx):
        return dx * self.mask / self.keep


class Net:
    def __init__(self):
        self.layers = [Dense(3, 5), Relu(), Dropout(0.7), Dense(5, 4), Sigmoid(), Dense(4, 2)]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, y, t):
        grad = 2 * (y - t) / t.size
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad


x, t, net = rng.normal(size=(6, 3)), rng.normal(size=(6, 2)), Net()


def gradients():
    dx = net.backward(net.forward(x), t)
    found = {}
    for i in (5, 3, 0):
        found[f"W{i}"], found[f"b{i}"] = net.layers[i].dW, net.layers[i].db
    return found | {"x": dx}
""",
    ("da * self.a * (1 - self.a)", "da * self.z * (1 - self.z)"),
    ("da * self.a * (1 - self.a)", "da * (1 - self.a)"),
    ("da * self.a * (1 - self.a)", "da * self.a"),
    ("dz[self.z <= 0] = 0", "dz[da <= 0] = 0"),
    ("dz[self.z <= 0] = 0", "dz[self.z >= 0] = 0"),
    ("self.dW = self.x.T @ dz", "self.dW = self.x.T @ dz / len(dz)"),
    ("np.sum(dz, axis=0, keepdims=True)", "np.mean(dz, axis=0, keepdims=True)"),
    ("return dx * self.mask / self.keep", "return dx * self.mask"),
    ("return dx * self.mask / self.keep", "return dx / self.keep"),
    ("grad = 2 * (y - t) / t.size", "grad = 2 * (y - t) / len(t)"),
    ("grad = 2 * (y - t) / t.size", "grad = (y - t) / t.size"),
    ("grad = 2 * (y - t) / t.size", "grad = 2 * (t - y) / t.size"),
)
code(
    "a whole net in dictionaries",
    """
sizes = [4, 6, 5, 3]
X, Y = rng.normal(size=(4, 7)), np.eye(3)[:, rng.integers(3, size=7)]
params = {}
for l in range(1, 4):
    params[f"W{l}"] = rng.normal(size=(sizes[l], sizes[l - 1]))
    params[f"b{l}"] = rng.normal(size=(sizes[l], 1))


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


def forward(X, params):
    cache = {"A0": X}
    for l in range(1, 4):
        cache[f"Z{l}"] = params[f"W{l}"] @ cache[f"A{l - 1}"] + params[f"b{l}"]
        cache[f"A{l}"] = sigmoid(cache[f"Z{l}"])
    return cache["A3"], cache


def backward(A3, Y, params, cache):
    m = Y.shape[1]
    grads = {}
    dZ3 = A3 - Y
    grads["W3"] = dZ3 @ cache["A2"].T / m
    grads["b3"] = dZ3.sum(axis=1, keepdims=True) / m
    dA2 = params["W3"].T @ dZ3
    dZ2 = dA2 * sigmoid_prime(cache["Z2"])
    grads["W2"] = dZ2 @ cache["A1"].T / m
    grads["b2"] = dZ2.sum(axis=1, keepdims=True) / m
    dA1 = params["W2"].T @ dZ2
    dZ1 = dA1 * sigmoid_prime(cache["Z1"])
    grads["W1"] = dZ1 @ cache["A0"].T / m
    grads["b1"] = dZ1.sum(axis=1, keepdims=True) / m
    return grads


def gradients():
    A3, cache = forward(X, params)
    return backward(A3, Y, params, cache)
""",
    ("return sigmoid(z) * (1 - sigmoid(z))", "return sigmoid(z) * (1 - z)"),
    ('dZ2 = dA2 * sigmoid_prime(cache["Z2"])', 'dZ2 = dA2 * sigmoid_prime(cache["A2"])'),
    ('dZ2 = dA2 * sigmoid_prime(cache["Z2"])', 'dZ2 = dA2 * sigmoid(cache["Z2"])'),
    ('dZ1 = dA1 * sigmoid_prime(cache["Z1"])', "dZ1 = dA1"),
    ('dA1 = params["W2"].T @ dZ2', 'dA1 = params["W2"].T @ dA2'),
    ('grads["W2"] = dZ2 @ cache["A1"].T / m', 'grads["W2"] = dZ2 @ cache["A1"].T'),
    (
        'grads["b2"] = dZ2.sum(axis=1, keepdims=True) / m',
        'grads["b2"] = dZ2.mean(axis=1, keepdims=True) / m',
    ),
    (
        'grads["b1"] = dZ1.sum(axis=1, keepdims=True) / m',
        'grads["b1"] = dZ1.sum(axis=1, keepdims=True)',
    ),
    ("m = Y.shape[1]", "m = Y.shape[0]"),
    ("dZ3 = A3 - Y", "dZ3 = Y - A3"),
    ("dZ3 = A3 - Y", "dZ3 = (A3 - Y) * A3"),
    ('grads["W3"] = dZ3 @ cache["A2"].T / m', 'grads["W3"] = dZ3 @ sigmoid(cache["A2"]).T / m'),
    ("return sigmoid(z) * (1 - sigmoid(z))", "return sigmoid(z) * (1 + sigmoid(z))"),
)
code(
    "a net in lists, layer by layer",
    """
sizes = [3, 5, 4, 2]
x, y = rng.normal(size=(3, 1)), rng.normal(size=(2, 1))
weights = [rng.normal(size=(m, n)) for n, m in zip(sizes[:-1], sizes[1:])]
biases = [rng.normal(size=(m, 1)) for m in sizes[1:]]


def tanh_prime(z):
    return 1.0 - np.tanh(z) ** 2


def backprop(x, y):
    nabla_b = [np.zeros(b.shape) for b in biases]
    nabla_w = [np.zeros(w.shape) for w in weights]
    activation, activations, zs = x, [x], []
    for b, w in zip(biases, weights):
        z = np.dot(w, activation) + b
        zs.append(z)
        activation = np.tanh(z)
        activations.append(activation)
    delta = (activations[-1] - y) * tanh_prime(zs[-1])
    nabla_b[-1] = delta
    nabla_w[-1] = np.dot(delta, activations[-2].T)
    for l in range(2, len(sizes)):
        z = zs[-l]
        sp = tanh_prime(z)
        delta = np.dot(weights[-l + 1].T, delta) * sp
        nabla_b[-l] = delta
        nabla_w[-l] = np.dot(delta, activations[-l - 1].T)
    return nabla_b, nabla_w


def gradients():
    b, w = backprop(x, y)
    return {f"{kind}{i}": a for i in (2, 1, 0) for kind, a in (("b", b[i]), ("w", w[i]))}
""",
    ("delta = np.dot(weights[-l + 1].T, delta) * sp", "delta = np.dot(weights[-l + 1].T, delta)"),
    ("        sp = tanh_prime(z)", "        sp = np.tanh(z)"),
    ("(activations[-1] - y) * tanh_prime(zs[-1])", "(y - activations[-1]) * tanh_prime(zs[-1])"),
    ("(activations[-1] - y) * tanh_prime(zs[-1])", "(activations[-1] - y)"),
    ("np.dot(delta, activations[-l - 1].T)", "np.dot(delta, activations[-l - 1].T) * 0.5"),
    ("1.0 - np.tanh(z) ** 2", "1.0 - np.tanh(z)"),
    (
        "(activations[-1] - y) * tanh_prime(zs[-1])",
        "(activations[-1] - y) * tanh_prime(activations[-1])",
    ),
    ("        nabla_b[-l] = delta", "        nabla_b[-l] = delta * sp"),
)
code(
    "batch norm and softmax",
    """
x, g, gamma = rng.normal(size=(6, 4)), rng.normal(size=(6, 4)), rng.normal(size=4)
labels = np.array([0, 3, 1, 2, 2, 0])


def batchnorm_backward(dout, x, gamma, eps=1e-5):
    N = x.shape[0]
    mu, var = x.mean(axis=0), x.var(axis=0)
    std = np.sqrt(var + eps)
    xhat = (x - mu) / std
    dgamma = np.sum(dout * xhat, axis=0)
    dbeta = np.sum(dout, axis=0)
    dxhat = dout * gamma
    dvar = np.sum(dxhat * (x - mu), axis=0) * -0.5 / std ** 3
    dmu = -np.sum(dxhat, axis=0) / std
    dx = dxhat / std + dvar * 2 * (x - mu) / N + dmu / N
    return dx, dgamma, dbeta


def softmax_backward(scores, labels):
    n = len(labels)
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(n), labels] -= 1
    return p / n


def gradients():
    dx, dgamma, dbeta = batchnorm_backward(g, x, gamma)
    return {"gamma": dgamma, "beta": dbeta, "x": dx, "scores": softmax_backward(x, labels)}
""",
    ("dgamma = np.sum(dout * xhat, axis=0)", "dgamma = np.sum(dout * x, axis=0)"),
    ("dxhat = dout * gamma", "dxhat = dout"),
    ("* -0.5 / std ** 3", "* 0.5 / std ** 3"),
    ("* -0.5 / std ** 3", "* -0.5 / std ** 2"),
    ("dmu = -np.sum(dxhat, axis=0) / std", "dmu = -np.sum(dxhat, axis=0)"),
    ("+ dmu / N", "+ dmu"),
    ("dx = dxhat / std + dvar", "dx = dxhat + dvar"),
    ("dvar * 2 * (x - mu) / N", "dvar * (x - mu) / N"),
    ("return p / n", "return p"),
    ("p[np.arange(n), labels] -= 1", "p[np.arange(n), labels] += 1"),
    ("p /= p.sum(axis=1, keepdims=True)", "p /= p.sum(axis=0, keepdims=True)"),
    ("dbeta = np.sum(dout, axis=0)", "dbeta = np.mean(dout, axis=0)"),
)
code(
    "attention with einsum",
    """
q, k, v, g = (rng.normal(size=s) for s in ((2, 3, 4), (2, 5, 4), (2, 5, 6), (2, 3, 6)))


def attention_backward(g, q, k, v):
    scale = 1 / np.sqrt(q.shape[-1])
    s = np.einsum("bqd,bkd->bqk", q, k) * scale
    p = np.exp(s - s.max(axis=-1, keepdims=True))
    p = p / p.sum(axis=-1, keepdims=True)
    dv = np.einsum("bqk,bqe->bke", p, g)
    dp = np.einsum("bqe,bke->bqk", g, v)
    ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True))
    dq = np.einsum("bqk,bkd->bqd", ds, k) * scale
    dk = np.einsum("bqk,bqd->bkd", ds, q) * scale
    return dq, dk, dv


def gradients():
    dq, dk, dv = attention_backward(g, q, k, v)
    return {"v": dv, "q": dq, "k": dk}
""",
    ('dk = np.einsum("bqk,bqd->bkd", ds, q) * scale', 'dk = np.einsum("bqk,bqd->bkd", ds, q)'),
    ("(dp * p).sum(axis=-1", "(dp * p).sum(axis=1"),
    ("ds = p * (dp - (dp * p)", "ds = p * (dp + (dp * p)"),
    ("ds = p * (dp - (dp * p).sum", "ds = p * (dp - dp.sum"),
    ('np.einsum("bqk,bqe->bke", p, g)', 'np.einsum("bqk,bqe->bke", s, g)'),
    ('dq = np.einsum("bqk,bkd->bqd", ds, k)', 'dq = np.einsum("bqk,bkd->bqd", dp, k)'),
)
code(
    "scores by loops, with a margin",
    """
W, X, y, reg = rng.normal(size=(4, 3)), rng.normal(size=(5, 4)), np.array([0, 2, 1, 1, 0]), 0.3


def svm_loss(W, X, y, reg):
    dW = np.zeros(W.shape)
    num_classes, num_train = W.shape[1], X.shape[0]
    for i in range(num_train):
        scores = X[i].dot(W)
        correct = scores[y[i]]
        for j in range(num_classes):
            if j == y[i]:
                continue
            margin = scores[j] - correct + 1
            if margin > 0:
                dW[:, j] += X[i]
                dW[:, y[i]] -= X[i]
    dW /= num_train
    dW += 2 * reg * W
    return dW


def gradients():
    return {"W": svm_loss(W, X, y, reg)}
""",
    ("dW[:, y[i]] -= X[i]", "dW[:, y[i]] += X[i]"),
    ("dW[:, y[i]] -= X[i]", "dW[:, j] -= X[i]"),
    ("if margin > 0:", "if margin < 0:"),
    ("dW /= num_train", "dW /= num_classes"),
    ("dW += 2 * reg * W", "dW += reg * W"),
    ("dW += 2 * reg * W", "dW = 2 * reg * W"),
    ("correct + 1\n", "correct\n"),
    ("if j == y[i]:", "if j == y[j]:"),
)
code(
    "a net with its parameters in a class",
    """

class TwoLayerNet:
    def __init__(self, n, h, m):
        self.params = {
            "W1": rng.normal(size=(n, h)), "b1": rng.normal(size=h),
            "W2": rng.normal(size=(h, m)), "b2": rng.normal(size=m),
        }

    def loss(self, X, y, reg=0.1):
        W1, b1 = self.params["W1"], self.params["b1"]
        W2, b2 = self.params["W2"], self.params["b2"]
        N, D = X.shape
        hidden = np.maximum(0, X.dot(W1) + b1)
        scores = hidden.dot(W2) + b2
        exp = np.exp(scores - np.max(scores, axis=1, keepdims=True))
        probs = exp / np.sum(exp, axis=1, keepdims=True)
        loss = -np.log(probs[range(N), y]).sum() / N + reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
        grads = {}
        dscores = probs.copy()
        dscores[range(N), y] -= 1
        dscores /= N
        grads["W2"] = hidden.T.dot(dscores) + 2 * reg * W2
        grads["b2"] = np.sum(dscores, axis=0)
        dhidden = dscores.dot(W2.T)
        dhidden[hidden <= 0] = 0
        grads["W1"] = X.T.dot(dhidden) + 2 * reg * W1
        grads["b1"] = np.sum(dhidden, axis=0)
        return loss, grads


net = TwoLayerNet(3, 6, 4)
X, y = rng.normal(size=(5, 3)), np.array([0, 3, 1, 2, 2])


def gradients():
    return net.loss(X, y)[1]
""",
    ("dscores /= N", "dscores /= D"),
    ("dscores[range(N), y] -= 1", "dscores[range(N), y] = -1"),
    ("dscores = probs.copy()", "dscores = exp.copy()"),
    ("hidden.T.dot(dscores) + 2 * reg * W2", "hidden.T.dot(dscores) + reg * W2"),
    ("+ 2 * reg * W1", "+ 2 * reg * W1 * W1"),
    ("X.T.dot(dhidden) + 2 * reg * W1", "X.T.dot(dhidden)"),
    ("dhidden[hidden <= 0] = 0", "dhidden[dhidden <= 0] = 0"),
    ("dhidden[hidden <= 0] = 0", "dhidden = hidden"),
    ("np.sum(dhidden, axis=0)", "np.sum(hidden, axis=0)"),
    ("np.sum(exp, axis=1, keepdims=True)", "np.sum(exp)"),
)
code(
    "layers that keep dinputs",
    """

class LayerDense:
    def __init__(self, n_inputs, n_neurons):
        self.weights = rng.normal(size=(n_inputs, n_neurons))
        self.biases = np.zeros((1, n_neurons))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(dvalues, self.weights.T)


class ActivationSoftmax:
    def forward(self, inputs):
        exp_values = np.exp(inputs - np.max(inputs, axis=1, keepdims=True))
        self.output = exp_values / np.sum(exp_values, axis=1, keepdims=True)

    def backward(self, dvalues):
        self.dinputs = np.empty_like(dvalues)
        for index, (single, single_dvalues) in enumerate(zip(self.output, dvalues)):
            single = single.reshape(-1, 1)
            jacobian = np.diagflat(single) - np.dot(single, single.T)
            self.dinputs[index] = np.dot(jacobian, single_dvalues)


class CategoricalLoss:
    def backward(self, dvalues, y_true):
        samples = len(dvalues)
        self.dinputs = -y_true / dvalues
        self.dinputs = self.dinputs / samples


X, Y = rng.normal(size=(5, 3)), np.eye(4)[[0, 3, 1, 2, 2]]
dense, softmax, loss = LayerDense(3, 4), ActivationSoftmax(), CategoricalLoss()


def gradients():
    dense.forward(X)
    softmax.forward(dense.output)
    loss.backward(softmax.output, Y)
    softmax.backward(loss.dinputs)
    dense.backward(softmax.dinputs)
    return {"probabilities": loss.dinputs, "scores": softmax.dinputs, "weights": dense.dweights,
            "biases": dense.dbiases, "inputs": dense.dinputs}
""",
    ("np.diagflat(single) - np.dot", "np.diagflat(single) + np.dot"),
    ("np.diagflat(single) - np.dot(single, single.T)", "np.diagflat(single)"),
    ("self.dinputs = -y_true / dvalues", "self.dinputs = y_true / dvalues"),
    ("self.dinputs = self.dinputs / samples", "self.dinputs = self.dinputs"),
    ("np.dot(jacobian, single_dvalues)", "jacobian @ single[:, 0]"),
    ("samples = len(dvalues)", "samples = len(dvalues[0])"),
    ("self.dinputs[index] = np.dot", "self.dinputs[0] = np.dot"),
    ("np.dot(self.inputs.T, dvalues)", "np.dot(self.inputs.T, dvalues) / len(dvalues)"),
)
code(
    "a gated unit through time",
    """
T, D, H = 4, 3, 5
xs, gs = rng.normal(size=(T, D)), rng.normal(size=(T, H))
p = {f"{k}{n}": rng.normal(size=(H, D if k == "W" else H)) / 2 for n in "zrh" for k in "WU"}


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def gradients():
    h, saved = np.zeros(H), []
    for x in xs:
        z = sigmoid(p["Wz"] @ x + p["Uz"] @ h)
        r = sigmoid(p["Wr"] @ x + p["Ur"] @ h)
        n = np.tanh(p["Wh"] @ x + p["Uh"] @ (r * h))
        saved.append((x, h, z, r, n))
        h = (1 - z) * h + z * n
    d = {k: np.zeros_like(v) for k, v in p.items()}
    dh = np.zeros(H)
    for (x, hp, z, r, n), g in zip(saved[::-1], gs[::-1]):
        dh = dh + g
        dn = dh * z * (1 - n ** 2)
        dz = dh * (n - hp) * z * (1 - z)
        drh = p["Uh"].T @ dn
        dr = drh * hp * r * (1 - r)
        for name, delta, state in (("h", dn, r * hp), ("z", dz, hp), ("r", dr, hp)):
            d["W" + name] += np.outer(delta, x)
            d["U" + name] += np.outer(delta, state)
        dh = dh * (1 - z) + drh * r + p["Uz"].T @ dz + p["Ur"].T @ dr
    return {k: d[k] for k in ("Wh", "Uh", "Wz", "Uz", "Wr", "Ur")}
""",
    ("dh = dh * (1 - z) + drh * r", "dh = dh * z + drh * r"),
    ("+ drh * r + p", "+ drh + p"),
    ("dh * (n - hp) * z * (1 - z)", "dh * (hp - n) * z * (1 - z)"),
    ("dh * (n - hp) * z", "dh * n * z"),
    ('("h", dn, r * hp)', '("h", dn, hp)'),
    ('p["Uz"].T @ dz', 'p["Ur"].T @ dz'),
    ("zip(saved[::-1], gs[::-1])", "zip(saved[::-1], gs)"),
    ("dn = dh * z * (1 - n ** 2)", "dn = dh * (1 - n ** 2)"),
    ("dr = drh * hp * r", "dr = drh * h * r"),
    (' + p["Ur"].T @ dr\n', "\n"),
)
code(
    "im2col, embedding and layer norm",
    """
x, w, g = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(4, 3, 2, 2)), rng.normal(size=(2, 4, 3, 4))
ids, table, ge = np.array([[1, 4, 1], [0, 2, 4]]), rng.normal(size=(6, 3)), rng.normal(size=(2, 3, 3))
v, gv, gain = rng.normal(size=(5, 4)), rng.normal(size=(5, 4)), rng.normal(size=4)


def im2col(x, kh, kw):
    n, c, h, w = x.shape
    oh, ow = h - kh + 1, w - kw + 1
    cols = np.zeros((n, c, kh, kw, oh, ow))
    for i in range(kh):
        for j in range(kw):
            cols[:, :, i, j] = x[:, :, i:i + oh, j:j + ow]
    return cols.transpose(0, 4, 5, 1, 2, 3).reshape(n * oh * ow, -1)


def col2im(cols, shape, kh, kw):
    n, c, h, w = shape
    oh, ow = h - kh + 1, w - kw + 1
    cols = cols.reshape(n, oh, ow, c, kh, kw).transpose(0, 3, 4, 5, 1, 2)
    x = np.zeros(shape)
    for i in range(kh):
        for j in range(kw):
            x[:, :, i:i + oh, j:j + ow] += cols[:, :, i, j]
    return x


def conv_backward(dout, x, w):
    f = w.shape[0]
    cols = im2col(x, 2, 2)
    flat = dout.transpose(0, 2, 3, 1).reshape(-1, f)
    dw = (flat.T @ cols).reshape(w.shape)
    dcols = flat @ w.reshape(f, -1)
    return col2im(dcols, x.shape, 2, 2), dw


def embedding_backward(g, ids, table):
    d = np.zeros_like(table)
    np.add.at(d, ids, g)
    return d


def layernorm_backward(g, v, gain, eps=1e-5):
    mu = v.mean(axis=1, keepdims=True)
    inv = 1 / np.sqrt(v.var(axis=1, keepdims=True) + eps)
    n = (v - mu) * inv
    dgain = (g * n).sum(axis=0)
    dn = g * gain
    m1 = dn.mean(axis=1, keepdims=True)
    m2 = (dn * n).mean(axis=1, keepdims=True)
    return inv * (dn - m1 - n * m2), dgain


def gradients():
    dx, dw = conv_backward(g, x, w)
    dv, dgain = layernorm_backward(gv, v, gain)
    return {"w": dw, "x": dx, "table": embedding_backward(ge, ids, table), "gain": dgain, "v": dv}
""",
    ("x[:, :, i:i + oh, j:j + ow] += cols", "x[:, :, i:i + oh, j:j + ow] = cols"),
    ("flat = dout.transpose(0, 2, 3, 1).reshape(-1, f)", "flat = dout.reshape(-1, f)"),
    ("flat = dout.transpose(0, 2, 3, 1).reshape", "flat = dout.transpose(0, 3, 1, 2).reshape"),
    (".transpose(0, 3, 4, 5, 1, 2)\n    x =", ".transpose(0, 3, 5, 4, 1, 2)\n    x ="),
    ("(n, oh, ow, c, kh, kw).transpose(0, 3, 4, 5, 1, 2)", "(n, c, kh, kw, oh, ow)"),
    ("np.add.at(d, ids, g)", "d[ids] += g"),
    ("(dn * n).mean(axis=1", "(dn * n).sum(axis=1"),
    ("dn - m1 - n * m2", "dn - m1 - m2"),
    ("dn - m1 - n * m2", "dn - m1 + n * m2"),
    ("inv * (dn - m1", "(dn - m1"),
    ("dgain = (g * n).sum(axis=0)", "dgain = (g * v).sum(axis=0)"),
    ("dn = g * gain", "dn = g"),
    ("m1 = dn.mean(axis=1, keepdims=True)", "m1 = dn.mean(axis=0, keepdims=True)"),
    ("cols[:, :, i, j]\n    return x", "cols[:, :, j, i]\n    return x"),
    ("dcols = flat @ w.reshape(f, -1)", "dcols = flat @ w[::-1].reshape(f, -1)"),
)
code(
    "an engine of scalars",
    """

class Value:
    __slots__ = ("data", "grad", "_backward", "_prev")

    def __init__(self, data, children=()):
        self.data, self.grad = data, 0.0
        self._backward, self._prev = lambda: None, children

    def __add__(self, other):
        out = Value(self.data + other.data, (self, other))

        def _backward():
            self.grad += out.grad
            other.grad += out.grad

        out._backward = _backward
        return out

    def __mul__(self, other):
        out = Value(self.data * other.data, (self, other))

        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out._backward = _backward
        return out

    def tanh(self):
        t = np.tanh(self.data)
        out = Value(t, (self,))

        def _backward():
            self.grad += (1 - t ** 2) * out.grad

        out._backward = _backward
        return out

    def backward(self):
        order, seen = [], set()

        def visit(v):
            if v not in seen:
                seen.add(v)
                for child in v._prev:
                    visit(child)
                order.append(v)

        visit(self)
        self.grad = 1.0
        for v in reversed(order):
            v._backward()


a, b, c = Value(0.7), Value(-1.3), Value(0.4)


def gradients():
    d = a * b + c
    loss = d.tanh() * d + a
    loss.backward()
    return {"d": d.grad, "c": c.grad, "b": b.grad, "a": a.grad}
""",
    ("self.grad += other.data * out.grad", "self.grad = other.data * out.grad"),
    ("other.grad += self.data * out.grad", "other.grad += other.data * out.grad"),
    ("(1 - t ** 2) * out.grad", "(1 - t) * out.grad"),
    ("self.grad += out.grad", "self.grad += out.data"),
    ("for v in reversed(order):", "for v in order:"),
    ("self.grad = 1.0", "self.grad = 0.5"),
)
