"""Andrej Karpathy's code: micrograd moons, pg-pong, makemore's backprop in small steps; REINFORCE."""

import numpy as np

from autograd_lite import compare
from tests.compare.conventions.bed import impl, named, onehot, rand

DIV = r"not divided by|1/n|1/m|times too large|mean"
SIGN = r"sign|negat"
PENALTY = r"penalty|regulari|decay"


@impl(
    "micrograd moons demo",
    "compare",
    {
        "alpha p, not 2 alpha p": (("b2", "W2"), PENALTY + r"|half|2"),
        "penalty left out of the biases": (("b2",), PENALTY),
        "penalty divided by their number": (("b2", "W2"), PENALTY),
        "yi left out": (("b2",), r"target|label|factor|\by\b|not used"),
        "plus yi": (("b2",), SIGN),
        "margin mask reversed": (("b2", "W2"), r"mask|revers|other side"),
        "mean missing": (("b2",), DIV),
        "hidden mask left out": (("b1",), r"mask.*left out|relu.*left out|maximum.*left out"),
        "hidden mask of its gradient": (("b1",), r"mask.*arriving|mask"),
        "hidden mask of the input": (("b1",), r"mask"),
    },
    glue=5,
)
def moons(slip, dt):
    r, n = rand(61, dt), 8
    h = 2 if slip == "hidden mask of the input" else 5
    X, yb = r(n, 2, k=2.0), np.array([1, -1, -1, 1, 1, -1, 1, 1], dtype=dt)[:, None]
    p = {"W1": r(2, h), "b1": r(h, k=0.3), "W2": r(h, 1), "b2": r(1, k=0.3)}
    alpha = 0.01

    def forward(W1, b1, W2, b2):
        z = X @ W1 + b1
        a = np.maximum(z, 0)
        return z, a, a @ W2 + b2

    z, a, scores = forward(**p)
    margin = 1 - yb * scores
    on = margin <= 0 if slip == "margin mask reversed" else margin > 0
    d = (-1 if slip == "yi left out" else yb if slip == "plus yi" else -yb) * on
    d = d / (1 if slip == "mean missing" else n)
    da = d @ p["W2"].T
    mask = {
        "hidden mask left out": np.ones_like(z),
        "hidden mask of its gradient": da > 0,
        "hidden mask of the input": X > 0,
    }.get(slip, z > 0)
    dz = da * mask
    grads = {"W1": X.T @ dz, "b1": dz.sum(0), "W2": a.T @ d, "b2": d.sum(0)}
    k = {"alpha p, not 2 alpha p": alpha, "penalty divided by their number": 2 * alpha / 4}
    for i, v in p.items():
        if not (slip == "penalty left out of the biases" and i.startswith("b")):
            grads[i] = grads[i] + k.get(slip, 2 * alpha) * v
    t = named(p)
    _, _, scores = forward(**t)
    data_loss = np.maximum(1 - yb * scores, 0).mean()
    return compare(data_loss + alpha * sum((v * v).sum() for v in t.values()), grads)


@impl(
    "Karpathy pg-pong",
    "compare",
    {
        "y - p for p - y (descends)": (("W2",), SIGN),
        "advantage left out": (("W2",), r"advantage|factor.*left out|mask|not used"),
        "advantage applied twice": (("W2",), r"twice|once more|square|advantage|factor|again"),
        "relu not back-propagated": (("W1",), r"mask.*left out|relu.*left out|maximum.*left out"),
        "dh[dh <= 0] = 0": (("W1",), r"mask.*arriving|mask"),
        "p for y - p": (("W2",), r"target|label|action|p used for p - t"),
        "times p (1 - p)": (("W2",), r"sigmoid|twice|once more|again"),
        "eph before relu": (("W2",), r"before|input|pre|activation"),
        "mean over the episode": (("W2",), r"small|divided|mean|once too often"),
    },
    glue=6,
)
def pong(slip, dt):
    r, n = rand(62, dt), 7
    epx, action = r(n, 5), np.array([1, 0, 1, 1, 0, 0, 1], dtype=dt)
    advantage = r(n)
    p = {"W1": r(4, 5), "W2": r(4)}

    def policy_forward(W1, W2):
        z = np.dot(epx, W1.T)
        h = np.maximum(z, 0)
        return z, h, 1.0 / (1.0 + np.exp(-np.dot(h, W2)))

    z, h, prob = policy_forward(**p)
    epdlogp = action - prob
    if slip == "p for y - p":
        epdlogp = -prob
    if slip == "y - p for p - y (descends)":
        epdlogp = -epdlogp
    if slip == "times p (1 - p)":
        epdlogp = epdlogp * prob * (1 - prob)
    if slip != "advantage left out":
        epdlogp = epdlogp * advantage
    if slip == "advantage applied twice":
        epdlogp = epdlogp * advantage
    if slip == "mean over the episode":
        epdlogp = epdlogp / n
    dW2 = np.dot((z if slip == "eph before relu" else h).T, epdlogp).ravel()
    dh = np.outer(epdlogp, p["W2"])
    if slip == "dh[dh <= 0] = 0":
        dh[dh <= 0] = 0
    elif slip != "relu not back-propagated":
        dh[z <= 0] = 0
    _, _, prob = policy_forward(**named(p))
    log_likelihood = action * np.log(prob) + (1 - action) * np.log(1 - prob)
    return compare(np.sum(advantage * log_likelihood), {"W1": np.dot(dh.T, epx), "W2": dW2})


NINJA = {
    "dcounts: the sum's path left out": ("counts", r"path|contribution|use|overwrit|left out"),
    "dcounts_sum_inv not summed": ("counts_sum_inv", r"sum|shape|broadcast|per sample"),
    "dcounts_sum without minus": ("counts_sum", SIGN),
    "dcounts_sum: -1 for -2": ("counts_sum", r"exponent|power|square|reciprocal|derivative|2"),
    "dlogprobs not divided by n": ("logprobs", DIV),
    "dprobs * probs": ("probs", r"log|itself|inverse|reciprocal|1/x|divided"),
    "dcounts for dnorm_logits": ("norm_logits", r"derivative of exp.*left out|exp"),
    "dhpreact 1 - h": ("hpreact", r"1 - y|square|tanh"),
    "dhpreact 1 - hpreact**2": ("hpreact", r"input|before|pre|tanh"),
    "dW2 with hpreact": ("W2", r"input|before|pre|activation"),
    "db2 over the classes": ("b2", r"axis|shape|summed"),
    "dbngain with bndiff": ("bngain", r"instead|before|input|bndiff|bnraw|factor|ingredient"),
    "dbnvar_inv not summed": ("bnvar_inv", r"sum|shape|broadcast|per sample"),
    "dbnvar -0.5 for exponent -1.5": ("bnvar", r"exponent|power|3/2|1\.5"),
    "dbndiff2 with 1/n": ("bndiff2", r"n - 1|bessel|unbiased|correction"),
    "dbndiff: the variance's path left out": ("bndiff", r"path|contribution|var|constant|overwrit"),
    "dbndiff2's 2 forgotten": ("bndiff", r"2"),
    "dbnmeani with a plus": ("bnmeani", SIGN),
    "dhprebn: the mean's path left out": ("hprebn", r"path|contribution|mean|constant|overwrit"),
    "dhprebn: 1/n of the mean": ("hprebn", r"not divided by|1/n|times too large|mean"),
    "dC[ix] = demb": ("C", r"=|overwrit|last|index|repeat|gather"),
    "dW1 transposed (square)": ("W1", r"transpose|order"),
}


@impl("makemore backprop ninja", "compare", NINJA, glue=4)
def ninja(slip, dt):
    r, n, block, dim, h, vocab = rand(63, dt), 6, 2, 3, 5, 7
    h = block * dim if slip == "dW1 transposed (square)" else h
    Xb = np.array([[0, 1], [1, 2], [0, 0], [3, 5], [6, 1], [4, 2]])
    Yb = np.array([1, 4, 0, 6, 2, 4])
    p = {
        "C": r(vocab, dim), "W1": r(block * dim, h, k=0.5), "W2": r(h, vocab, k=0.5),
        "b2": r(vocab, k=0.1), "bngain": 1 + r(1, h, k=0.1), "bnbias": r(1, h, k=0.1),
    }  # fmt: skip
    rows = range(n)

    def forward(C, W1, W2, b2, bngain, bnbias):
        v = {}
        v["emb"] = C[Xb]
        v["embcat"] = v["emb"].reshape(n, -1)
        v["hprebn"] = v["embcat"] @ W1
        v["bnmeani"] = 1 / n * v["hprebn"].sum(0, keepdims=True)
        v["bndiff"] = v["hprebn"] - v["bnmeani"]
        v["bndiff2"] = v["bndiff"] ** 2
        v["bnvar"] = 1 / (n - 1) * v["bndiff2"].sum(0, keepdims=True)
        v["bnvar_inv"] = (v["bnvar"] + 1e-5) ** -0.5
        v["bnraw"] = v["bndiff"] * v["bnvar_inv"]
        v["hpreact"] = bngain * v["bnraw"] + bnbias
        v["h"] = np.tanh(v["hpreact"])
        v["logits"] = v["h"] @ W2 + b2
        top = v["logits"].max(axis=1, keepdims=True)
        v["norm_logits"] = v["logits"] - top
        v["counts"] = np.exp(v["norm_logits"])
        v["counts_sum"] = v["counts"].sum(1, keepdims=True)
        v["counts_sum_inv"] = v["counts_sum"] ** -1
        v["probs"] = v["counts"] * v["counts_sum_inv"]
        v["logprobs"] = np.log(v["probs"])
        return -v["logprobs"][rows, Yb].mean(), v

    _, v = forward(**p)
    g = {}
    g["logprobs"] = np.zeros_like(v["logprobs"])
    g["logprobs"][rows, Yb] = -1.0 / (1 if slip == "dlogprobs not divided by n" else n)
    g["probs"] = g["logprobs"] * (v["probs"] if slip == "dprobs * probs" else 1 / v["probs"])
    g["counts_sum_inv"] = (v["counts"] * g["probs"]).sum(1, keepdims=True)
    if slip == "dcounts_sum_inv not summed":
        g["counts_sum_inv"] = v["counts"] * g["probs"]
    power = -1 if slip == "dcounts_sum: -1 for -2" else -2
    minus = 1 if slip == "dcounts_sum without minus" else -1
    g["counts_sum"] = minus * v["counts_sum"] ** power * g["counts_sum_inv"]
    g["counts"] = v["counts_sum_inv"] * g["probs"]
    if slip != "dcounts: the sum's path left out":
        g["counts"] = g["counts"] + g["counts_sum"]
    g["norm_logits"] = v["counts"] * g["counts"]
    if slip == "dcounts for dnorm_logits":
        g["norm_logits"] = g["counts"]
    dtop = -g["norm_logits"].sum(1, keepdims=True)
    g["logits"] = g["norm_logits"] + onehot(v["logits"].argmax(1), vocab, dt) * dtop
    g["h"] = g["logits"] @ p["W2"].T
    g["W2"] = (v["hpreact"] if slip == "dW2 with hpreact" else v["h"]).T @ g["logits"]
    g["b2"] = g["logits"].sum(1 if slip == "db2 over the classes" else 0)
    slope = {"dhpreact 1 - h": 1 - v["h"], "dhpreact 1 - hpreact**2": 1 - v["hpreact"] ** 2}
    g["hpreact"] = slope.get(slip, 1.0 - v["h"] ** 2) * g["h"]
    x = v["bndiff"] if slip == "dbngain with bndiff" else v["bnraw"]
    g["bngain"] = (x * g["hpreact"]).sum(0, keepdims=True)
    g["bnbias"] = g["hpreact"].sum(0, keepdims=True)
    g["bnraw"] = p["bngain"] * g["hpreact"]
    g["bndiff"] = v["bnvar_inv"] * g["bnraw"]
    g["bnvar_inv"] = (v["bndiff"] * g["bnraw"]).sum(0, keepdims=True)
    power = -0.5 if slip == "dbnvar -0.5 for exponent -1.5" else -1.5
    g["bnvar"] = -0.5 * (v["bnvar"] + 1e-5) ** power * g["bnvar_inv"]
    if slip == "dbnvar_inv not summed":
        g["bnvar_inv"] = v["bndiff"] * g["bnraw"]
    count = n if slip == "dbndiff2 with 1/n" else n - 1
    g["bndiff2"] = 1.0 / count * np.ones_like(v["bndiff2"]) * g["bnvar"]
    two = 1 if slip == "dbndiff2's 2 forgotten" else 2
    if slip != "dbndiff: the variance's path left out":
        g["bndiff"] = g["bndiff"] + two * v["bndiff"] * g["bndiff2"]
    g["bnmeani"] = (1 if slip == "dbnmeani with a plus" else -1) * g["bndiff"].sum(0, keepdims=True)
    g["hprebn"] = g["bndiff"].copy()
    if slip != "dhprebn: the mean's path left out":
        g["hprebn"] += (1 if slip == "dhprebn: 1/n of the mean" else 1 / n) * g["bnmeani"]
    g["embcat"] = g["hprebn"] @ p["W1"].T
    g["W1"] = v["embcat"].T @ g["hprebn"]
    if slip == "dW1 transposed (square)":
        g["W1"] = g["W1"].T
    g["emb"] = g["embcat"].reshape(v["emb"].shape)
    g["C"] = np.zeros_like(p["C"])
    for k in range(n):
        for j in range(block):
            g["C"][Xb[k, j]] = g["emb"][k, j] + (0 if slip == "dC[ix] = demb" else g["C"][Xb[k, j]])
    t = named(p)
    loss, v = forward(**t)
    for k, value in v.items():
        value.name = k
    return compare(loss, g)


@impl(
    "REINFORCE with a baseline",
    "compare",
    {
        "ascends": (("b", "theta"), SIGN),
        "baseline not subtracted": (("b",), r"baseline|return|advantage|factor|mask|instead"),
        "return left out": (("b",), r"return|advantage|factor.*left out|mask|not used"),
        "one-hot minus p without the one-hot": (
            ("b",),
            r"target|label|one-hot|action|p used for p",
        ),
        "entropy left out": (("b",), r"entropy|term|path|contribution|part|overwrit"),
        "entropy's sign": (("b",), SIGN),
        "entropy's beta left out": (("b",), r"beta|0\.1|10 times|entropy"),
        "only the last step": (("b",), r"last|overwrit|one sample|sample"),
        "mean over the steps": (("b",), r"small|divided|mean|once too often"),
    },
    glue=4,
)
def reinforce(slip, dt):
    r, n = rand(64, dt), 5
    states, actions = r(n, 4), np.array([0, 2, 1, 2, 2])
    returns = np.array([2.3, 1.7, 1.1, 0.6, 1.0], dtype=dt)
    base, beta = dt(1.2), 0.1
    p = {"theta": r(4, 3), "b": r(3)}

    def policy(theta, b):
        prefs = np.exp(states @ theta + b)
        return prefs / prefs.sum(axis=1, keepdims=True)

    pi = policy(**p)
    adv = returns - base
    if slip == "baseline not subtracted":
        adv = returns
    if slip == "return left out":
        adv = np.ones_like(returns)
    chosen = 0 if slip == "one-hot minus p without the one-hot" else onehot(actions, 3, dt)
    d = (pi - chosen) * adv[:, None]
    entropy = -(pi * np.log(pi)).sum(1, keepdims=True)
    k = {"entropy left out": 0, "entropy's sign": -beta, "entropy's beta left out": 1}.get(
        slip, beta
    )
    d = d + k * pi * (np.log(pi) + entropy)
    if slip == "ascends":
        d = -d
    if slip == "mean over the steps":
        d = d / n
    if slip == "only the last step":
        d[:-1] = 0
    pi = policy(**named(p))
    picked = np.log(pi[np.arange(n), actions])
    loss = -np.sum(picked * (returns - base)) + beta * np.sum(pi * np.log(pi))
    return compare(loss, {"theta": states.T @ d, "b": d.sum(axis=0)})


@impl(
    "nanoGPT-like bigram model",
    "compare",
    {
        "W[ix] = for +=": ("W", r"=|overwrit|last|index|repeat|gather"),
        "no minus 1": ("W", r"target|label|one-hot|p used for p - t"),
        "2 of the smoothing": ("W", PENALTY + r"|2|half"),
        "smoothing not averaged": ("W", PENALTY + r"|not divided|times too|mean"),
        "nll not averaged": ("W", DIV),
        "smoothing left out": ("W", PENALTY + r"|contribution|term|overwrit|path|part"),
        "rows and columns exchanged": ("W", r"transpose|exchang|order"),
    },
    glue=3,
)
def bigram(slip, dt):
    r, n, vocab = rand(65, dt), 8, 5
    xs, ys = np.array([0, 1, 1, 3, 0, 4, 1, 2]), np.array([1, 1, 3, 0, 4, 1, 2, 0])
    W = r(vocab, vocab)
    counts = np.exp(W[xs])
    d = counts / counts.sum(1, keepdims=True)
    if slip != "no minus 1":
        d[np.arange(n), ys] -= 1
    d = d / (1 if slip == "nll not averaged" else n)
    g = np.zeros_like(W)
    if slip == "W[ix] = for +=":
        g[xs] = d
    elif slip == "rows and columns exchanged":
        np.add.at(g.T, xs, d)
    else:
        np.add.at(g, xs, d)
    k = 0.01 * {"2 of the smoothing": 1, "smoothing not averaged": 2 * W.size}.get(slip, 2) / W.size
    g = g + (0 if slip == "smoothing left out" else k * W)
    t = named({"W": W})["W"]
    logits = np.eye(vocab, dtype=dt)[xs] @ t
    counts = np.exp(logits)
    probs = counts / counts.sum(1, keepdims=True)
    loss = -np.log(probs[np.arange(n), ys]).mean() + 0.01 * (t**2).mean()
    return compare(loss, {"W": g})
