"""Sequences by hand: LSTM, GRU, attention, a block of a transformer."""

import numpy as np

from autograd_lite import compare
from tests.compare.conventions.bed import impl, named, onehot, rand

DIV = r"not divided by|1/n|1/m|times too large|mean"
SIGN = r"sign|negat"
TIME = r"time|carried|step|recur|later|through|path|contribution|use|detached|overwrit"


@impl(
    "LSTM by hand",
    "compare",
    {
        "dc_next left out": (("b",), TIME),
        "dh_next left out": (("b",), TIME),
        "tanh(c) not derived": (("b",), r"tanh.*left out|derivative of tanh"),
        "tanh'(c) as 1 - c**2": (("b",), r"input|before|tanh"),
        "o's sigmoid not derived": (("b",), r"sigmoid.*left out"),
        "g as 1 - g": (("b",), r"1 - y|square|tanh"),
        "c for c_prev in df": (("b",), r"step|time|previous|c_prev|instead|off by one"),
        "i for f in dc_next": (("b",), r"instead|factor|gate|other factor"),
        "h for h_prev in dW": ("W", r"step|time|previous|instead|off by one|input"),
        "gradients of the gates in other order": (
            ("b",),
            r"order|exchang|swap|shift|permut|column",
        ),
        "summed over time once: db =": ("b", r"last|overwrit|step|time|first"),
    },
    glue=9,
)
def lstm(slip, dt):
    r, steps, n, d, k = rand(71, dt), 4, 5, 3, 3
    X, Y = r(steps, n, d), r(steps, n, k)
    p = {"W": r(k + d, 4 * k, k=0.5), "b": r(4 * k, k=0.2)}

    def run(W, b):
        h, c = np.zeros((n, k), dt), np.zeros((n, k), dt)
        hs, cache = [], []
        for t in range(steps):
            hx = np.concatenate([h, X[t]], axis=1)
            z = hx @ W + b
            f, i = 1 / (1 + np.exp(-z[:, :k])), 1 / (1 + np.exp(-z[:, k : 2 * k]))
            g, o = np.tanh(z[:, 2 * k : 3 * k]), 1 / (1 + np.exp(-z[:, 3 * k :]))
            c_prev, c = c, f * c + i * g
            h = o * np.tanh(c)
            hs.append(h)
            cache.append((hx, f, i, g, o, c_prev, c, h))
        return hs, cache

    hs, cache = run(**p)
    dW, db = np.zeros_like(p["W"]), np.zeros_like(p["b"])
    dh_next, dc_next = np.zeros((n, k), dt), np.zeros((n, k), dt)
    for t in reversed(range(steps)):
        hx, f, i, g, o, c_prev, c, h = cache[t]
        dh = 2 * (h - Y[t]) / (n * k) + (0 if slip == "dh_next left out" else dh_next)
        slope = {"tanh(c) not derived": 1, "tanh'(c) as 1 - c**2": 1 - c**2}
        dc = dh * o * slope.get(slip, 1 - np.tanh(c) ** 2)
        dc = dc + (0 if slip == "dc_next left out" else dc_next)
        do = dh * np.tanh(c) * (1 if slip == "o's sigmoid not derived" else o * (1 - o))
        df = dc * (c if slip == "c for c_prev in df" else c_prev) * f * (1 - f)
        di = dc * g * i * (1 - i)
        dg = dc * i * (1 - g if slip == "g as 1 - g" else 1 - g**2)
        order = [df, di, dg, do]
        if slip == "gradients of the gates in other order":
            order = [di, df, dg, do]
        dz = np.concatenate(order, axis=1)
        if slip == "h for h_prev in dW":
            hx = np.concatenate([h, X[t]], axis=1)
        dW += hx.T @ dz
        db = (0 if slip == "summed over time once: db =" else db) + dz.sum(axis=0)
        dh_next = (dz @ p["W"].T)[:, :k]
        dc_next = dc * (i if slip == "i for f in dc_next" else f)
    hs, _ = run(**named(p))
    loss = 0
    for t in range(steps):
        loss = loss + np.mean((hs[t] - Y[t]) ** 2)
    return compare(loss, {"W": dW, "b": db})


@impl(
    "GRU by hand",
    "compare",
    {
        "path through the reset gate left out": (
            ("br", "bh"),
            r"never|zero|path|contribution|written",
        ),
        "r left out of the candidate's path": (
            ("bz", "br", "bh"),
            r"factor.*left out|mask|\br\b|gate",
        ),
        "(1 - z) path of h_prev left out": (("bz", "br", "bh"), TIME),
        "sign of dz": (("bz", "bh"), SIGN),
        "dz without h_prev's part": (("bz", "bh"), r"path|contribution|overwrit|part"),
        "candidate's tanh not derived": (("bh",), r"tanh.*left out"),
        "z's sigmoid not derived": (("bz", "bh"), r"sigmoid.*left out"),
        "Uh on h_prev, not on r * h_prev": (("Uh",), r"before|instead|input|factor|mask|gate"),
        "softmax not minus the label": (
            ("bz", "bh", "br", "Wo"),
            r"target|label|one-hot|p used for",
        ),
    },
    glue=9,
)
def gru(slip, dt):
    r, steps, n, d, k = rand(72, dt), 3, 4, 3, 5
    X, y = r(steps, n, d), np.array([0, 2, 1, 2])
    p = {f"W{g}": r(d, k, k=0.6) for g in "zrh"} | {f"U{g}": r(k, k, k=0.6) for g in "zrh"}
    p |= {f"b{g}": r(k, k=0.3) for g in "zrh"} | {"Wo": r(k, 3)}

    def run(p):
        h, cache = np.zeros((n, k), dt), []
        for x in X:
            z = 1 / (1 + np.exp(-(x @ p["Wz"] + h @ p["Uz"] + p["bz"])))
            q = 1 / (1 + np.exp(-(x @ p["Wr"] + h @ p["Ur"] + p["br"])))
            c = np.tanh(x @ p["Wh"] + (q * h) @ p["Uh"] + p["bh"])
            cache.append((x, h, z, q, c))
            h = (1 - z) * h + z * c
        e = np.exp(h @ p["Wo"])
        return h, cache, e / np.sum(e, axis=1, keepdims=True)

    h, cache, prob = run(p)
    G = {i: np.zeros_like(v) for i, v in p.items()}
    d = prob if slip == "softmax not minus the label" else prob - onehot(y, 3, dt)
    d = d / n
    G["Wo"] = h.T @ d
    dh = d @ p["Wo"].T
    for x, h, z, q, c in reversed(cache):
        dc = dh * z * (1 if slip == "candidate's tanh not derived" else 1 - c**2)
        drh = dc @ p["Uh"].T
        dz = dh * (c if slip == "dz without h_prev's part" else c - h)
        dz = dz * (1 if slip == "z's sigmoid not derived" else z * (1 - z))
        dz = -dz if slip == "sign of dz" else dz
        dq = drh * h * q * (1 - q) * (0 if slip == "path through the reset gate left out" else 1)
        for gate, delta in (("z", dz), ("r", dq), ("h", dc)):
            state = q * h if gate == "h" else h
            if slip == "Uh on h_prev, not on r * h_prev":
                state = h
            G[f"W{gate}"] += x.T @ delta
            G[f"U{gate}"] += state.T @ delta
            G[f"b{gate}"] += delta.sum(axis=0)
        old = 0 if slip == "(1 - z) path of h_prev left out" else dh * (1 - z)
        dh = old + drh * (1 if slip == "r left out of the candidate's path" else q)
        dh = dh + dz @ p["Uz"].T + dq @ p["Ur"].T
    _, _, prob = run(named(p))
    return compare(-np.mean(np.log(prob[np.arange(n), y])), G)


@impl(
    "Causal attention by hand",
    "compare",
    {
        "scale left out backwards": (
            ("q", "Wq", "k", "Wk"),
            r"scale|sqrt|factor|times too|divi",
        ),
        "softmax derivative p (1 - p)": (("q", "Wq", "k", "Wk"), r"diagonal|Jacobian|sigmoid"),
        "softmax not derived": (("q", "Wq", "k", "Wk"), r"softmax|derivative"),
        "softmax sum over the queries": (("q", "Wq", "k", "Wk"), r"axis"),
        "dk without transposing": (("k", "Wk"), r"transpose|order"),
        "dq with q for k": (("q", "Wq"), r"itself|instead|other factor|factor"),
        "dv with the scores, not p": (("v", "Wv"), r"softmax|before|input|scores|instead"),
        "dv without transposing p": (("v", "Wv"), r"transpose|order"),
        "x's gradient from v alone": ("x", r"use|contribution|overwrit|path"),
        "W_o for W_o.T": (("q", "Wq", "k", "Wk", "v", "Wv"), r"transpose"),
        "dk and dq exchanged": (("q", "Wq", "k", "Wk"), r"exchang|swap"),
    },
    glue=6,
)
def attention(slip, dt):
    r, t, d = rand(73, dt), 5, 3
    x, y = r(t, d), r(t, d)
    p = {f"W{i}": r(d, d, k=0.7) for i in "qkvo"}
    mask = np.triu(np.full((t, t), -1e9, dt), k=1)

    def forward(x, Wq, Wk, Wv, Wo):
        q, k, v = x @ Wq, x @ Wk, x @ Wv
        scores = q @ k.T / np.sqrt(d).astype(dt) + mask
        e = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
        a = e / np.sum(e, axis=-1, keepdims=True)
        return q, k, v, scores, a, (a @ v) @ Wo

    q, k, v, scores, a, out = forward(x, **p)
    dout = (out - y) * (2 / out.size)
    dWo = (a @ v).T @ dout
    dheads = dout @ (p["Wo"] if slip == "W_o for W_o.T" else p["Wo"].T)
    saved = np.where(mask < 0, 0, scores) if slip == "dv with the scores, not p" else a
    dv = (saved if slip == "dv without transposing p" else saved.T) @ dheads
    da = dheads @ v.T
    axis = 0 if slip == "softmax sum over the queries" else -1
    ds = a * (da - (da * a).sum(axis=axis, keepdims=True))
    if slip == "softmax derivative p (1 - p)":
        ds = da * a * (1 - a)
    if slip == "softmax not derived":
        ds = np.where(mask < 0, 0, da)
    ds = ds / (1 if slip == "scale left out backwards" else np.sqrt(d).astype(dt))
    dq = ds @ (q if slip == "dq with q for k" else k)
    dk = (ds if slip == "dk without transposing" else ds.T) @ q
    if slip == "dk and dq exchanged":
        dq, dk = dk, dq
    dx = dv @ p["Wv"].T
    if slip != "x's gradient from v alone":
        dx = dx + dq @ p["Wq"].T + dk @ p["Wk"].T
    grads = {"Wo": dWo, "Wq": x.T @ dq, "Wk": x.T @ dk, "Wv": x.T @ dv, "x": dx}
    q, k, v, *_, out = forward(**named({"x": x, **p}))
    q.name, k.name, v.name = "q", "k", "v"
    return compare(np.mean((out - y) ** 2), grads | {"q": dq, "k": dk, "v": dv})


@impl(
    "Transformer MLP block",
    "compare",
    {
        "residual left out of dx": ("x", r"path|contribution|use|overwrit|residual|skip"),
        "block's path left out of dx": ("x", r"path|contribution|use|overwrit"),
        "layer norm: mean's term left out": ("x", r"mean|constant|statistic"),
        "layer norm: variance's term left out": ("x", r"var|std|constant|statistic|normal"),
        "layer norm over the batch backwards": ("x", r"axis"),
        "gain left out": ("x", r"gain|factor.*left out|factor"),
        "dgain with x": ("gain", r"normal|before|instead|\bx\b|input"),
        "gelu not derived": ("b_fc", r"gelu|derivative|left out|used instead of that"),
        "gelu: the tanh's part left out": ("b_fc", r"tanh|path|contribution|overwrit|part"),
        "gelu: 3 of the cube": ("b_fc", r"3|exponent|cube|power|factor"),
        "relu's derivative for gelu": ("b_fc", r"relu|gelu|mask"),
    },
    glue=6,
)
def block(slip, dt):
    r, t, d = rand(74, dt), 5, 4
    x, y = r(t, d), r(t, d)
    p = {"gain": 1 + r(d, k=0.2), "bias": r(d, k=0.2), "W_fc": r(d, 7, k=0.6), "b_fc": r(7, k=0.2)}
    p |= {"W_proj": r(7, d, k=0.6), "b_proj": r(d, k=0.2)}
    s = dt(np.sqrt(2 / np.pi))

    def forward(x, gain, bias, W_fc, b_fc, W_proj, b_proj):
        mu = np.mean(x, axis=-1, keepdims=True)
        var = np.mean((x - mu) ** 2, axis=-1, keepdims=True)
        rstd = 1 / np.sqrt(var + 1e-5)
        xhat = (x - mu) * rstd
        n = gain * xhat + bias
        u = n @ W_fc + b_fc
        a = np.tanh(s * (u + 0.044715 * u**3))
        g = 0.5 * u * (1 + a)
        return xhat, rstd, n, u, a, g, x + g @ W_proj + b_proj

    xhat, rstd, n, u, a, g, out = forward(x, **p)
    dout = 2 * (out - y) / out.size
    G = {"W_proj": g.T @ dout, "b_proj": dout.sum(0)}
    dg = dout @ p["W_proj"].T
    cube = 1 if slip == "gelu: 3 of the cube" else 3
    inner = 0.5 * u * (1 - a**2) * s * (1 + cube * 0.044715 * u**2)
    if slip == "gelu: the tanh's part left out":
        inner = 0
    slope = 0.5 * (1 + a) + inner
    slope = {"gelu not derived": 1, "relu's derivative for gelu": u > 0}.get(slip, slope)
    du = dg * slope
    G |= {"W_fc": n.T @ du, "b_fc": du.sum(0)}
    dn = du @ p["W_fc"].T
    G |= {"gain": (dn * (x if slip == "dgain with x" else xhat)).sum(0), "bias": dn.sum(0)}
    dxhat = dn * (1 if slip == "gain left out" else p["gain"])
    axis = 0 if slip == "layer norm over the batch backwards" else -1
    mean = dxhat.mean(axis, keepdims=True)
    var = xhat * (dxhat * xhat).mean(axis, keepdims=True)
    mean = 0 if slip == "layer norm: mean's term left out" else mean
    var = 0 if slip == "layer norm: variance's term left out" else var
    dx = rstd * (dxhat - mean - var)
    if slip == "block's path left out of dx":
        dx = 0
    G["x"] = dx + (0 if slip == "residual left out of dx" else dout)
    out = forward(**named({"x": x, **p}))[-1]
    return compare(np.mean((out - y) ** 2), G)


@impl(
    "Elman network over a sentence",
    "compare",
    {
        "d_h not carried back": (("bh", "Whh"), TIME),
        "tanh derivative left out on the way back": (("bh",), r"tanh|derivative"),
        "Whh not transposed": (("bh",), r"transpose"),
        "h_t for h_{t-1} in dWhh": (("Whh",), r"step|time|off by one|previous|instead|input"),
        "only the first step's Wxh": (("Wxh",), r"overwrit|step|time|first|last|use"),
        "minus the label left out": (("by",), r"target|label|one-hot|p used for"),
        "divided by the length": (("bh",), r"small|divided|mean|once too often"),
        "clipped to 0.1": (("bh", "by", "Why", "Whh", "Wxh"), r"clip"),
    },
    glue=6,
)
def elman(slip, dt):
    r, steps, k = rand(75, dt), 5, 4
    X, label = r(steps, 3, 1), 1
    p = {"Wxh": r(k, 3, k=0.6), "Whh": r(k, k, k=0.6), "Why": r(2, k), "bh": r(k, 1, k=0.2)}
    p["by"] = r(2, 1, k=0.2)

    def forward(Wxh, Whh, Why, bh, by):
        hs = [np.zeros((k, 1), dt)]
        for x in X:
            hs.append(np.tanh(Wxh @ x + Whh @ hs[-1] + bh))
        e = np.exp(Why @ hs[-1] + by)
        return hs, e / np.sum(e)

    hs, prob = forward(**p)
    d = prob - (0 if slip == "minus the label left out" else onehot(label, 2, dt)[:, None])
    G = {i: np.zeros_like(v) for i, v in p.items()} | {"Why": d @ hs[-1].T, "by": d}
    dh = p["Why"].T @ d
    for t in reversed(range(steps)):
        y = hs[t + 1]
        dz = dh * (1 if slip == "tanh derivative left out on the way back" else 1 - y**2)
        if slip == "divided by the length":
            dz = dz / steps
        G["bh"] += dz
        keep = 0 if slip == "only the first step's Wxh" else G["Wxh"]
        G["Wxh"] = keep + dz @ X[t].T
        G["Whh"] += dz @ hs[t + 1 if slip == "h_t for h_{t-1} in dWhh" else t].T
        dh = (p["Whh"] if slip == "Whh not transposed" else p["Whh"].T) @ dz
        if slip == "d_h not carried back":
            dh = 0 * dh
    if slip == "clipped to 0.1":
        G = {i: np.clip(g, -0.1, 0.1) for i, g in G.items()}
    return compare(-np.log(forward(**named(p))[1][label, 0]), G)
