"""Losses and heads written out by hand: fast.ai, weighted and focal losses, contrastive, TD, densities."""

import numpy as np

from autograd_lite import compare
from tests.compare.conventions.bed import impl, named, onehot, rand, sigmoid

DIV = r"not divided by|1/n|1/m|times too large|mean"
SIGN = r"sign|negat"
PATH = r"path|contribution|use|overwrit|left out|detached|constant"
AGAIN = r"twice|once more|again|too often"


@impl(
    "fast.ai foundations",
    "compare",
    {
        "inp.g = out.g, mask left out": (
            ("b1",),
            r"mask.*left out|relu.*left out|maximum.*left out",
        ),
        "mask of out.g": (("b1",), r"mask.*arriving|mask"),
        "2 left out": (("b2",), r"2|half"),
        "not divided by n": (("b2",), DIV),
        "inp.t() @ out.g of the layer above": ("w1", r"input|layer|instead|shape|activation"),
        "b.g averaged": (("b2", "b1"), r"mean|averag|divided|small"),
        "targ - inp": (("b2",), SIGN),
        "unsqueezed wrongly: (n, n) difference": (
            ("w2", "b2"),
            r"broadcast|shape|squeez|\(n, 1\)|targets?",
        ),
    },
    glue=5,
)
def fastai(slip, dt):
    r, n = rand(91, dt), 6
    h = 3 if slip == "inp.t() @ out.g of the layer above" else 4
    x, targ = r(n, 3), r(n)
    p = {"w1": r(3, h), "b1": r(h, k=0.3), "w2": r(h, 1), "b2": r(1, k=0.3)}

    def model(w1, b1, w2, b2):
        l1 = x @ w1 + b1
        l2 = np.maximum(l1, 0.0)
        return l1, l2, l2 @ w2 + b2

    l1, l2, out = model(**p)
    diff = out[:, 0] - targ
    out_g = (1 if slip == "2 left out" else 2) * diff[:, None]
    if slip == "unsqueezed wrongly: (n, n) difference":
        out_g = 2 * (out - targ).mean(axis=1, keepdims=True)
    if slip == "targ - inp":
        out_g = -out_g
    out_g = out_g / (1 if slip == "not divided by n" else n)
    l2_g = out_g @ p["w2"].T
    mask = {"inp.g = out.g, mask left out": 1, "mask of out.g": l2_g > 0}.get(slip, l1 > 0)
    l1_g = mask * l2_g
    k = n if slip == "b.g averaged" else 1
    first = l2 if slip == "inp.t() @ out.g of the layer above" else x
    G = {"w1": first.T @ l1_g, "b1": l1_g.sum(0) / k, "w2": l2.T @ out_g, "b2": out_g.sum(0) / k}
    return compare(np.mean((np.squeeze(model(**named(p))[2], axis=-1) - targ) ** 2), G)


@impl(
    "Weighted binary cross-entropy",
    "compare",
    {
        "weight left out": (("b",), r"weight|factor.*left out|mask"),
        "weight on both terms": (("b",), r"weight|factor|term|mask|instead"),
        "p - y, as if unweighted": (("b",), r"weight|factor|term|target|mask"),
        "hard labels for smoothed": (("b",), r"label|target|smooth|instead"),
        "mean over the batch alone": (("b",), DIV),
        "sigmoid not derived": (("b",), r"sigmoid.*left out"),
        "sign of the second term": (("b",), SIGN),
        "second term left out": (("b",), PATH + r"|term"),
    },
    glue=4,
)
def weighted(slip, dt):
    r, n = rand(92, dt), 5
    X, y = r(n, 4), (r(n, 3) > 0).astype(dt)
    w = np.array([2.0, 0.5, 3.0], dtype=dt)
    smooth = (0.9 * y + 0.05).astype(dt)
    p = {"W": r(4, 3), "b": r(3)}
    q = sigmoid(X @ p["W"] + p["b"])
    t = y if slip == "hard labels for smoothed" else smooth
    pos, neg = t / q, (1 - t) / (1 - q)
    weight = 1 if slip == "weight left out" else w
    neg = {
        "weight on both terms": w * neg,
        "sign of the second term": -neg,
        "second term left out": 0 * neg,
    }.get(slip, neg)
    d = -(weight * pos - neg)
    d = d * (1 if slip == "sigmoid not derived" else q * (1 - q))
    if slip == "p - y, as if unweighted":
        d = q - t
    d = d / (n if slip == "mean over the batch alone" else y.size)
    v = named(p)
    q = 1 / (1 + np.exp(-(X @ v["W"] + v["b"])))
    loss = -np.mean(w * smooth * np.log(q) + (1 - smooth) * np.log(1 - q))
    return compare(loss, {"W": X.T @ d, "b": d.sum(axis=0)})


@impl(
    "Focal loss",
    "compare",
    {
        "modulating factor held constant": (("b",), PATH + r"|factor"),
        "gamma of the power left out": (("b",), r"gamma|2|exponent|power"),
        "sign of the modulating part": (("b",), SIGN),
        "log p_t held constant": (("b",), PATH + r"|log"),
        "p_t for p at negatives": (("b",), r"where|branch|sign|target|label"),
        "exponent gamma, not gamma - 1": (("b",), r"exponent|power|gamma"),
        "modulating factor left out": (("b",), r"factor.*left out|mask|not used"),
        "sum": (("b",), DIV),
    },
    glue=4,
)
def focal(slip, dt):
    r, n, gamma = rand(93, dt), 7, 2
    X, y = r(n, 3), np.array([1, 0, 0, 1, 0, 1, 0])
    p = {"w": r(3), "b": np.array([0.2], dtype=dt)}
    q = sigmoid(X @ p["w"] + p["b"])
    pt = np.where(y == 1, q, 1 - q)
    power = gamma if slip == "exponent gamma, not gamma - 1" else gamma - 1
    k = 1 if slip == "gamma of the power left out" else gamma
    inner = -1 if slip == "sign of the modulating part" else 1
    first = inner * k * (1 - pt) ** power * np.log(pt)
    second = -((1 - pt) ** gamma) / pt
    first = 0 if slip == "modulating factor held constant" else first
    second = {
        "log p_t held constant": 0,
        "modulating factor left out": -1 / pt,
    }.get(slip, second)
    side = 1 if slip == "p_t for p at negatives" else np.where(y == 1, 1, -1)
    d = (first + second) * side * q * (1 - q) / (1 if slip == "sum" else n)
    t = named(p)
    q = 1 / (1 + np.exp(-(X @ t["w"] + t["b"])))
    pt = np.where(y == 1, q, 1 - q)
    loss = -np.mean((1 - pt) ** gamma * np.log(pt))
    return compare(loss, {"w": X.T @ d, "b": d.sum(keepdims=True)})


@impl(
    "InfoNCE by hand",
    "compare",
    {
        "normalisation held constant": (("u", "v", "A", "B"), PATH + r"|norm"),
        "temperature left out": (
            ("u", "v", "A", "B"),
            r"temperature|4 times|0\.25|scale",
        ),
        "temperature multiplied": (
            ("u", "v", "A", "B"),
            r"temperature|16 times|0\.0625|scale|0\.25 \*\* 2",
        ),
        "only one direction": (("u", "v", "A", "B"), PATH),
        "identity not subtracted": (("u", "v", "A", "B"), r"target|label|one-hot|p used for|diag"),
        "1/2 of the two directions left out": (("u", "v", "A", "B"), r"2|half"),
        "dv without transposing": (("v", "B"), r"transpose|order"),
        "softmax over the other axis": (("u", "v", "A", "B"), r"axis"),
        "1/n left out": (("u", "v", "A", "B"), DIV),
    },
    glue=5,
)
def info_nce(slip, dt):
    r, n, tau = rand(94, dt), 5, 0.25
    x, y = r(n, 3), r(n, 4)
    p = {"A": r(3, 3), "B": r(4, 3)}

    def softmax(s, axis):
        e = np.exp(s)
        return e / np.sum(e, axis=axis, keepdims=True)

    def embed(A, B):
        u, v = x @ A, y @ B
        ru, rv = (np.sqrt((i**2).sum(axis=1, keepdims=True)) for i in (u, v))
        return u, v, ru, rv, u / ru, v / rv

    u, v, ru, rv, un, vn = embed(**p)
    s = un @ vn.T / tau
    one = 0 if slip == "identity not subtracted" else np.eye(n, dtype=dt)
    rows = softmax(s, 0 if slip == "softmax over the other axis" else 1) - one
    ds = rows + (0 if slip == "only one direction" else softmax(s, 0) - one)
    ds = ds / (1 if slip == "1/2 of the two directions left out" else 2)
    ds = ds / (1 if slip == "1/n left out" else n)
    k = {"temperature left out": 1, "temperature multiplied": tau}.get(slip, 1 / tau)
    dun, dvn = k * ds @ vn, k * (ds if slip == "dv without transposing" else ds.T) @ un

    def unnormalised(d, unit, norm):
        part = (
            0 if slip == "normalisation held constant" else unit * (d * unit).sum(1, keepdims=True)
        )
        return (d - part) / norm

    du, dv = unnormalised(dun, un, ru), unnormalised(dvn, vn, rv)
    u, v, _, _, un, vn = embed(**named(p))
    u.name, v.name = "u", "v"
    s = un @ vn.T / tau
    diagonal = np.arange(n)
    loss = -np.log(softmax(s, 1)[diagonal, diagonal]).mean() / 2
    loss = loss - np.log(softmax(s, 0)[diagonal, diagonal]).mean() / 2
    return compare(loss, {"A": x.T @ du, "B": y.T @ dv, "u": du, "v": dv})


@impl(
    "Q-learning with a network",
    "compare",
    {
        "target not held constant": (
            ("b2",),
            r"target|path|contribution|term|detach|constant|too many|added",
        ),
        "every action's error": (("b2",), r"mask|action|index|gather|label|one-hot|column"),
        "2 left out": (("b2",), r"2|half"),
        "q - target turned": (("b2",), SIGN),
        "tanh not derived": (("b1",), r"tanh.*left out"),
        "1/n left out": (("b2",), DIV),
        "W2 of the target net": (("b1",), r"W2|weight|instead|target"),
    },
    glue=5,
)
def dqn(slip, dt):
    r, n, gamma = rand(95, dt), 6, 0.9
    s, after, reward = r(n, 4), r(n, 4), r(n)
    a = np.array([0, 2, 1, 1, 0, 2])
    p = {"W1": r(4, 5, k=0.6), "b1": r(5, k=0.2), "W2": r(5, 3), "b2": r(3, k=0.2)}
    frozen = {k: v + r(*v.shape, k=0.3) for k, v in p.items()}

    def net(s, W1, b1, W2, b2):
        h = np.tanh(s @ W1 + b1)
        return h, h @ W2 + b2

    best = net(after, **frozen)[1]
    target = reward + gamma * best.max(axis=1)
    h, q = net(s, **p)
    d = np.zeros_like(q)
    d[np.arange(n), a] = q[np.arange(n), a] - target
    if slip == "every action's error":
        d = q - target[:, None]
    if slip == "target not held constant":
        d[np.arange(n), best.argmax(1)] -= gamma * (q[np.arange(n), a] - target)
    d = d * (1 if slip == "2 left out" else 2) * (-1 if slip == "q - target turned" else 1)
    d = d / (1 if slip == "1/n left out" else n)
    W2 = frozen["W2"] if slip == "W2 of the target net" else p["W2"]
    dh = d @ W2.T * (1 if slip == "tanh not derived" else 1 - h**2)
    G = {"W1": s.T @ dh, "b1": dh.sum(0), "W2": h.T @ d, "b2": d.sum(0)}
    _, q = net(s, **named(p))
    return compare(((q[np.arange(n), a] - target) ** 2).mean(), G)


@impl(
    "Gaussian with its own variance",
    "compare",
    {
        "log sigma's 1 left out": ("W_s", PATH + r"|term"),
        "2 of sigma**-2 left out": ("W_s", r"2|half"),
        "sign of the error's part": ("W_s", SIGN),
        "sigma for sigma**2": (("W_m",), r"exponent|power|square|2|factor|exp"),
        "weights not applied to the mean": (("W_m",), r"factor.*left out|mask|weight|not used"),
        "target - mean": (("W_m",), SIGN),
        "heads exchanged": (("W_m", "W_s"), r"exchang|swap|other"),
        "not averaged": (("W_m", "W_s"), DIV),
    },
    glue=4,
)
def gaussian(slip, dt):
    r, n = rand(96, dt), 6
    X, y = r(n, 3), r(n, 1)
    p = {"W_m": r(3, 1), "W_s": r(3, 1, k=0.4)}
    m, s = X @ p["W_m"], X @ p["W_s"]
    e = m - y
    precision = np.exp(-s if slip == "sigma for sigma**2" else -2 * s)
    dm = e * (1 if slip == "weights not applied to the mean" else precision)
    dm = -dm if slip == "target - mean" else dm
    k = 0.5 if slip == "2 of sigma**-2 left out" else 1
    k = -k if slip == "sign of the error's part" else k
    ds = (0 if slip == "log sigma's 1 left out" else 1) - k * e**2 * np.exp(-2 * s)
    if slip == "heads exchanged":
        dm, ds = ds, dm
    n = 1 if slip == "not averaged" else n
    t = named(p)
    m, s = X @ t["W_m"], X @ t["W_s"]
    loss = np.mean(s + 0.5 * np.exp(-2 * s) * (y - m) ** 2)
    return compare(loss, {"W_m": X.T @ dm / n, "W_s": X.T @ ds / n})


@impl(
    "Distillation",
    "compare",
    {
        "T**2 left out": (("b",), r"temperature|16|square|4 \*\* 2"),
        "T, not T**2": (("b",), r"temperature|4 times|0\.25|divided by 4"),
        "student at temperature 1": (("b",), r"temperature|softmax|instead|before|scale"),
        "teacher left out": (("b",), r"target|label|teacher|p used for"),
        "labels' part left out": (("b",), PATH + r"|term"),
        "alpha on both": (("b",), r"alpha|factor|times too|0\.3|weight"),
        "softmax derived once more": (("b",), r"softmax|diagonal|" + AGAIN),
    },
    glue=4,
)
def distillation(slip, dt):
    r, n, T, alpha = rand(97, dt), 5, 4.0, 0.3
    X, y = r(n, 4), onehot(np.array([0, 2, 1, 1, 2]), 3, dt)
    p = {"W": r(4, 3), "b": r(3)}

    def softmax(z):
        e = np.exp(z - np.max(z, axis=1, keepdims=True))
        return e / np.sum(e, axis=1, keepdims=True)

    teacher = softmax(r(n, 3, k=2.0) / T).astype(dt)
    z = X @ p["W"] + p["b"]
    soft = softmax(z if slip == "student at temperature 1" else z / T)
    d = (soft - (0 if slip == "teacher left out" else teacher)) / T
    if slip == "softmax derived once more":
        d = d * soft * (1 - soft)
    d = d * alpha * {"T**2 left out": 1, "T, not T**2": T}.get(slip, T**2)
    hard = (softmax(z) - y) * (alpha if slip == "alpha on both" else 1 - alpha)
    d = (d + (0 if slip == "labels' part left out" else hard)) / n
    t = named(p)
    z = X @ t["W"] + t["b"]
    loss = -alpha * T**2 * np.sum(teacher * np.log(softmax(z / T))) / n
    loss = loss - (1 - alpha) * np.sum(y * np.log(softmax(z))) / n
    return compare(loss, {"W": X.T @ d, "b": d.sum(axis=0)})


@impl(
    "RBF network",
    "compare",
    {
        "exp not derived": (("s", "c"), r"exp.*left out|derivative of exp|factor"),
        "sign of the centres": (("c",), SIGN),
        "s for s**2 in the centres": (("c",), r"times s once|exponent|power|square|factor|width"),
        "s**2 for s**3 in the widths": (("s",), r"exponent|power|cube|factor|width"),
        "centres: summed over samples of x only": (("c",), PATH),
        "widths: 2 too many": (("s",), r"2|half"),
        "w left out": (("s", "c"), r"\bw\b|weight|factor.*left out|matmul|skip"),
        "2 of the MSE": (("w",), r"2|half"),
    },
    glue=4,
)
def rbf(slip, dt):
    r, n = rand(98, dt), 7
    X, y = r(n, 2), r(n)
    p = {"c": r(4, 2), "s": (1 + r(4, k=0.1)), "w": r(4)}

    def phi(c, s, w):
        sq = ((X[:, None, :] - c[None]) ** 2).sum(axis=2)
        return sq, np.exp(-sq / (2 * s**2))

    sq, f = phi(**p)
    c, s, w = p.values()
    d = (1 if slip == "2 of the MSE" else 2) * (f @ w - y) / n
    df = d[:, None] * (1 if slip == "w left out" else w)
    du = df * (1 if slip == "exp not derived" else f)
    diff = X[:, None, :] - (0 if slip == "centres: summed over samples of x only" else c[None])
    width = s if slip == "s for s**2 in the centres" else s**2
    dc = (du[:, :, None] * diff / width[None, :, None]).sum(axis=0)
    dc = -dc if slip == "sign of the centres" else dc
    k = 2 if slip == "widths: 2 too many" else 1
    ds = k * (du * sq / s ** (2 if slip == "s**2 for s**3 in the widths" else 3)).sum(axis=0)
    t = named(p)
    return compare(np.mean((phi(**t)[1] @ t["w"] - y) ** 2), {"c": dc, "s": ds, "w": f.T @ d})
