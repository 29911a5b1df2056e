"""Attention by hand: functions with a cache, heads that are split and merged, a block of a GPT."""

import numpy as np

from autograd_lite import check_backward, compare
from tests.compare.conventions.bed import impl, named, rand

SCALE = r"scale|sqrt|factor|times too large|divided|multiplied|2"
PATH = r"path|contribution|use|overwrit|residual|skip"
ORDER = r"order|transpose|exchang|swap|reshape|merge|permut"


def softmax(s):
    e = np.exp(s - np.max(s, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


@impl(
    "attention(q, k, v) with a causal mask, batched",
    "check_backward",
    {
        "1/sqrt(d) left out backwards": ("q", SCALE),
        "1/sqrt(d) left out of dq": ("q", SCALE),
        "1/d for 1/sqrt(d)": ("q", SCALE),
        "the Jacobian's sum left out": ("q", r"softmax|Jacobian|sum|term"),
        "the Jacobian's sum over the queries": ("q", r"axis"),
        "the Jacobian's sum over everything": ("q", r"axis|sum"),
        "p (1 - p)": ("q", r"softmax|sigmoid|Jacobian|diagonal"),
        "softmax not derived": ("q", r"softmax|Jacobian|gradient of p used"),
        "k and q exchanged": ("q", r"exchang|swap|instead|other factor|itself"),
        "dk without transposing": ("k", ORDER),
        "dv without transposing": ("v", ORDER),
        "v not transposed": ("q", ORDER + "|product|rule"),
        "mask after the softmax": ("q", r"mask"),
        "mask of the scores forgotten": ("q", r"mask|where"),
        "dq and dk exchanged": ("q", ORDER),
        "sign of ds": ("q", r"sign"),
        "p for dp": ("q", r"instead|softmax|Jacobian|itself"),
    },
)
def attention(slip, dt):
    r, t, root = rand(81, dt), 4, dt(np.sqrt(5))
    mask = np.tri(t, dtype=bool)

    def forward(q, k, v):
        scores = q @ np.swapaxes(k, -1, -2) / root
        p = softmax(np.where(mask, scores, -np.inf))
        return p @ v, (q, k, v, p)

    def backward(dout, cache):
        q, k, v, p = cache
        dv = (p if slip == "dv without transposing" else p.swapaxes(-1, -2)) @ dout
        # of a square v; where it is none, NumPy refuses
        dp = dout @ (v if slip == "v not transposed" else v.swapaxes(-1, -2))
        if slip in ("mask after the softmax", "mask of the scores forgotten"):
            p = softmax(q @ k.swapaxes(-1, -2) / root)
            if slip == "mask after the softmax":
                p = p * mask
        axis = -2 if slip == "the Jacobian's sum over the queries" else -1
        axis = None if slip == "the Jacobian's sum over everything" else axis
        total = (dp * p).sum(axis=axis, keepdims=True)
        if slip == "the Jacobian's sum left out":
            total = 0
        ds = p * ((p if slip == "p for dp" else dp) - total)
        if slip == "p (1 - p)":
            ds = dp * p * (1 - p)
        if slip == "softmax not derived":
            ds = np.where(mask, dp, 0)
        if slip == "sign of ds":
            ds = -ds
        scale = {"1/sqrt(d) left out backwards": 1, "1/d for 1/sqrt(d)": 5}.get(slip, root)
        ds = ds / scale
        dq = ds @ (q if slip == "k and q exchanged" else k)
        if slip == "1/sqrt(d) left out of dq":
            dq = dq * root
        dst = ds if slip == "dk without transposing" else ds.swapaxes(-1, -2)
        dk = dst @ (k if slip == "k and q exchanged" else q)
        if slip == "dq and dk exchanged":
            dq, dk = dk, dq
        return dq, dk, dv

    width = t if slip == "v not transposed" else 3
    return check_backward(forward, backward, (r(2, t, 5), r(2, t, 5), r(2, t, width)))


@impl(
    "multi-head self-attention with a cache",
    "check_backward",
    {
        "1/sqrt(d) left out backwards": (("Wq", "Wk", "x"), SCALE),
        "sqrt of the whole width": (("Wq", "Wk", "x"), SCALE),
        "heads merged in the wrong order": (("Wv", "x", "Wq"), ORDER),
        "heads split in the wrong order": (("Wv", "x", "Wq"), ORDER),
        "heads of dq merged in the wrong order": (("Wq", "x"), ORDER),
        "the Jacobian's sum left out": (("Wq", "x", "Wk"), r"softmax|Jacobian|sum|term"),
        "the Jacobian's sum over the queries": (("Wq", "x", "Wk"), r"axis"),
        "dk without transposing": (("Wk", "x"), ORDER),
        "dv without transposing": (("Wv", "x"), ORDER),
        "dx of the values alone": ("x", PATH),
        "dx without the keys": ("x", PATH),
        "last sentence's dWq": ("Wq", r"last|sample|batch|sum"),
        "bo averaged": ("bo", r"mean|average|divided"),
        "bo: the last position alone": ("bo", r"last|position|sum"),
        "dWo with x for the heads": ("Wo", r"instead|input"),
        "Wo not transposed": (("Wv", "x", "Wq"), ORDER),
        "Wq and Wk exchanged in dx": ("x", r"instead|exchang|swap|other"),
    },
)
def multi_head(slip, dt):
    r, n, t, h, e = rand(82, dt), 2, 3, 2, 4
    width = h * e

    def split(a):  # (N, T, H * E) to (N, H, T, E)
        return np.transpose(np.reshape(a, (n, t, h, e)), (0, 2, 1, 3))

    def merge(a):
        return np.reshape(np.transpose(a, (0, 2, 1, 3)), (n, t, width))

    def forward(x, Wq, Wk, Wv, Wo, bo):
        q, k, v = split(x @ Wq), split(x @ Wk), split(x @ Wv)
        a = softmax(q @ np.swapaxes(k, -1, -2) / np.sqrt(e).astype(dt))
        heads = merge(a @ v)
        return heads @ Wo + bo, (x, Wq, Wk, Wv, Wo, q, k, v, a, heads)

    def backward(dout, cache):
        x, Wq, Wk, Wv, Wo, q, k, v, a, heads = cache
        dbo = dout.sum(axis=(0, 1))
        if slip == "bo averaged":
            dbo = dout.mean(axis=(0, 1))
        if slip == "bo: the last position alone":
            dbo = dout[:, -1].sum(axis=0)
        rows = x if slip == "dWo with x for the heads" else heads
        dWo = rows.reshape(-1, width).T @ dout.reshape(-1, width)
        dheads = dout @ (Wo if slip == "Wo not transposed" else Wo.T)
        dheads = dheads.reshape(n, h, t, e) if "split" in str(slip) else split(dheads)
        dv = (a if slip == "dv without transposing" else a.swapaxes(-1, -2)) @ dheads
        da = dheads @ v.swapaxes(-1, -2)
        axis = -2 if slip == "the Jacobian's sum over the queries" else -1
        total = (da * a).sum(axis=axis, keepdims=True)
        ds = a * (da - (0 if slip == "the Jacobian's sum left out" else total))
        size = {"1/sqrt(d) left out backwards": 1, "sqrt of the whole width": width}.get(slip, e)
        ds = ds / np.sqrt(size)
        dq = ds @ k
        dk = (ds if slip == "dk without transposing" else ds.swapaxes(-1, -2)) @ q
        wrong = slip == "heads merged in the wrong order"
        merged = (lambda b: b.reshape(n, t, width)) if wrong else merge
        dq, dk, dv = merged(dq), merged(dk), merged(dv)
        if slip == "heads of dq merged in the wrong order":
            dq = (ds @ k).reshape(n, t, width)
        exchanged = slip == "Wq and Wk exchanged in dx"
        dx = dv @ Wv.T
        if slip != "dx of the values alone":
            dx = dx + dq @ (Wk if exchanged else Wq).T
            if slip != "dx without the keys":
                dx = dx + dk @ (Wq if exchanged else Wk).T
        flat = x.reshape(-1, x.shape[-1])
        dWq = flat.T @ dq.reshape(-1, width)
        if slip == "last sentence's dWq":
            dWq = x[-1].T @ dq[-1]
        return dx, dWq, flat.T @ dk.reshape(-1, width), flat.T @ dv.reshape(-1, width), dWo, dbo

    weights = [r(5, width, k=0.6) for _ in range(3)]
    inner = width
    x = r(n, t, 5)
    if slip == "dWo with x for the heads":
        x, weights = r(n, t, width), [r(width, width, k=0.6) for _ in range(3)]
    return check_backward(forward, backward, (x, *weights, r(inner, width, k=0.6), r(width)))


@impl(
    "a block of a GPT: x + attention(ln(x)), x + mlp(ln(x))",
    "compare",
    {
        "residual of the attention dropped": ("x", PATH),
        "residual of the MLP dropped": (("x1", "Wo"), PATH),
        "the MLP's own path dropped": (("x1", "Wo"), PATH),
        "ln: the mean's term left out": (("x1", "x"), r"mean|constant|statistic"),
        "ln over the positions backwards": (("x1", "x"), r"axis"),
        "1/sqrt(d) left out backwards": (("qkv",), SCALE),
        "softmax sum left out": (("qkv",), r"softmax|Jacobian|sum|term"),
        "mask after the softmax": (("qkv",), r"mask"),
        "dq and dk exchanged": (("qkv",), ORDER + "|instead"),
        "heads merged in the wrong order": (("qkv",), ORDER),
        "relu not derived": (("z", "Wf"), r"relu|mask"),
        "gain with the input of ln": ("g1", r"normal|before|instead|\bx\b|input"),
    },
    glue=4,
)
def block(slip, dt):
    r, n, t, h, e = rand(83, dt), 2, 4, 2, 3
    c = h * e
    x, y = r(n, t, c), r(n, t, c)
    p = {"g1": 1 + r(c, k=0.2), "Wa": r(c, 3 * c, k=0.5), "Wo": r(c, c, k=0.5)}
    p |= {"g2": 1 + r(c, k=0.2), "Wf": r(c, 7, k=0.5), "Wp": r(7, c, k=0.5)}
    mask = np.triu(np.full((t, t), -np.inf, dt), 1)

    def norm(x):
        d = x - np.mean(x, axis=-1, keepdims=True)
        s = 1 / np.sqrt(np.mean(d * d, axis=-1, keepdims=True) + dt(1e-5))
        return d * s, s

    def split(a):
        return np.transpose(np.reshape(a, (n, t, h, e)), (0, 2, 1, 3))

    def merge(a):
        return np.reshape(np.transpose(a, (0, 2, 1, 3)), (n, t, c))

    def forward(x, g1, Wa, Wo, g2, Wf, Wp):
        n1, s1 = norm(x)
        qkv = n1 * g1 @ Wa
        q, k, v = (split(qkv[..., i * c : (i + 1) * c]) for i in range(3))
        a = softmax(q @ np.swapaxes(k, -1, -2) / np.sqrt(e).astype(dt) + mask)
        heads = merge(a @ v)
        x1 = x + heads @ Wo
        n2, s2 = norm(x1)
        z = n2 * g2 @ Wf
        return n1, s1, qkv, q, k, v, a, heads, x1, n2, s2, z, x1 + np.maximum(z, 0) @ Wp

    n1, s1, _, q, k, v, a, heads, x1, n2, s2, z, out = forward(x, **p)
    G = {}

    def flat(a):
        return a.reshape(-1, a.shape[-1])

    def norm_back(dn, n, s):
        axis = 1 if slip == "ln over the positions backwards" else -1
        mean = dn.mean(axis, keepdims=True)
        if slip == "ln: the mean's term left out":
            mean = 0
        return s * (dn - mean - n * (dn * n).mean(axis, keepdims=True))

    dout = 2 * (out - y) / out.size
    G["Wp"] = flat(np.maximum(z, 0)).T @ flat(dout)
    dz = G["z"] = (dout @ p["Wp"].T) * (1 if slip == "relu not derived" else z > 0)
    G["Wf"] = flat(n2 * p["g2"]).T @ flat(dz)
    dn2 = dz @ p["Wf"].T
    G["g2"] = (dn2 * n2).sum((0, 1))
    dx1 = norm_back(dn2 * p["g2"], n2, s2)
    if slip == "the MLP's own path dropped":
        dx1 = 0
    dx1 = G["x1"] = dx1 + (0 if slip == "residual of the MLP dropped" else dout)
    G["Wo"] = flat(heads).T @ flat(dx1)
    dheads = split(dx1 @ p["Wo"].T)
    dv, da = a.swapaxes(-1, -2) @ dheads, dheads @ v.swapaxes(-1, -2)
    if slip == "mask after the softmax":
        a = softmax(q @ k.swapaxes(-1, -2) / np.sqrt(e)) * (mask == 0)
    total = 0 if slip == "softmax sum left out" else (da * a).sum(-1, keepdims=True)
    ds = a * (da - total) / (1 if slip == "1/sqrt(d) left out backwards" else np.sqrt(e).astype(dt))
    dq, dk = ds @ k, ds.swapaxes(-1, -2) @ q
    if slip == "dq and dk exchanged":
        dq, dk = dk, dq
    parts = [merge(b) for b in (dq, dk, dv)]
    if slip == "heads merged in the wrong order":
        parts = [b.reshape(n, t, c) for b in (dq, dk, dv)]
    dqkv = G["qkv"] = np.concatenate(parts, axis=-1)
    G["Wa"] = flat(n1 * p["g1"]).T @ flat(dqkv)
    dn1 = dqkv @ p["Wa"].T
    G["g1"] = (dn1 * (x if slip == "gain with the input of ln" else n1)).sum((0, 1))
    dx = norm_back(dn1 * p["g1"], n1, s1)
    G["x"] = dx + (0 if slip == "residual of the attention dropped" else dx1)

    _, _, qkv, *_, x1, _, _, z, out = forward(**named({"x": x, **p}))
    qkv.name, x1.name, z.name = "qkv", "x1", "z"
    return compare(np.mean((out - y) ** 2), G)
