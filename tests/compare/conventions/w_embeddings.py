"""Embeddings by hand: a table of letters, words and their neighbours, positions and padding."""

import numpy as np

from autograd_lite import check_backward, compare
from tests.compare.conventions.bed import impl, named, onehot, rand, sigmoid

ROWS = r"overwrit|repeat|accumul|several|\+="
TARGET = r"target|label|one-hot|p used for|correct"
SIGN = r"sign|negat"
ELSE = r"instead|other|itself|exchang|swap"


def softmax(s):
    e = np.exp(s - np.max(s, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


@impl(
    "letters before a letter, with a table C",
    "compare",
    {
        "dC[ix] = for +=": ("C", ROWS),
        "dC[ix] += demb": ("C", ROWS),
        "the last example's rows alone": ("C", r"last|sample|overwrit|several"),
        "the first letter's rows alone": ("C", r"path|contribution|overwrit|several|first"),
        "rows averaged": ("C", r"mean|average|divided|small"),
        "gradient of all rows": ("C", r"every row"),
        "W1 not transposed": (("emb", "C"), r"transpose|order"),
        "tanh not derived": (("hpreact", "W1", "b1"), r"tanh"),
        "label not taken off": (("logits", "W2"), TARGET),
        "not divided by n": (("logits", "W2"), r"mean|1/n|divided|times"),
    },
    glue=5,
)
def letters(slip, dt):
    r, n, block, vocab, d = rand(91, dt), 6, 3, 5, 2
    X = np.array([[0, 0, 1], [0, 1, 3], [1, 3, 3], [3, 3, 0], [4, 0, 1], [0, 1, 3]])
    Y = np.array([3, 3, 0, 1, 3, 2])
    h = block * d if slip == "W1 not transposed" else 4
    p = {"C": r(vocab, d), "W1": r(block * d, h, k=0.5), "b1": r(h, k=0.2)}
    p |= {"W2": r(h, vocab, k=0.5), "b2": r(vocab, k=0.2)}

    def forward(C, W1, b1, W2, b2):
        emb = C[X]
        hpreact = np.reshape(emb, (n, block * d)) @ W1 + b1
        h = np.tanh(hpreact)
        return emb, hpreact, h, h @ W2 + b2

    emb, hpreact, h, logits = forward(**p)
    G = {}
    dlogits = softmax(logits) - (0 if slip == "label not taken off" else onehot(Y, vocab, dt))
    dlogits = G["logits"] = dlogits / (1 if slip == "not divided by n" else n)
    G |= {"W2": h.T @ dlogits, "b2": dlogits.sum(0)}
    dh = dlogits @ p["W2"].T
    dpre = G["hpreact"] = dh * (1 if slip == "tanh not derived" else 1 - h**2)
    G |= {"W1": emb.reshape(n, -1).T @ dpre, "b1": dpre.sum(0)}
    dembcat = dpre @ (p["W1"] if slip == "W1 not transposed" else p["W1"].T)
    demb = G["emb"] = dembcat.reshape(emb.shape)
    dC = np.zeros_like(p["C"])
    if slip == "dC[ix] += demb":
        dC[X] += demb
    elif slip == "gradient of all rows":
        dC += demb.sum((0, 1))
    else:
        for i in range(n):
            for j in range(block):
                if slip == "dC[ix] = for +=":
                    dC[X[i, j]] = demb[i, j]
                elif (slip == "the last example's rows alone" and i < n - 1) or (
                    slip == "the first letter's rows alone" and j > 0
                ):
                    pass
                else:
                    dC[X[i, j]] += demb[i, j]
    if slip == "rows averaged":
        dC /= np.maximum(np.bincount(X.ravel(), minlength=vocab), 1)[:, None]
    G["C"] = dC
    emb, hpreact, h, logits = forward(**named(p))
    emb.name, hpreact.name, logits.name = "emb", "hpreact", "logits"
    loss = -np.mean(np.log(softmax(logits))[np.arange(n), Y])
    return compare(loss, G)


@impl(
    "naive softmax of a word and its neighbour",
    "check_backward",
    {
        "label not taken off": (("center", "outside"), TARGET),
        "U not transposed: the wrong product": (("center",), r"transpose|order|product"),
        "sign": (("center", "outside"), SIGN),
        "softmax left out: only the label": (
            ("center", "outside"),
            r"softmax|path|term|left out|label",
        ),
        "y - y_hat": (("center", "outside"), SIGN),
    },
)
def naive_softmax(slip, dt):
    r = rand(92, dt)
    outside_idx = 2

    def loss_and_gradient(center, outside):
        y_hat = softmax(outside @ center)
        loss = -np.log(y_hat[outside_idx])
        y = onehot(outside_idx, len(outside), dt)
        delta = y_hat if slip == "label not taken off" else y_hat - y
        delta = -y if slip == "softmax left out: only the label" else delta
        delta = -delta if slip in ("sign", "y - y_hat") else delta
        grad_center = outside.T @ delta
        if slip == "U not transposed: the wrong product":
            grad_center = outside @ delta
        grad_outside = np.outer(delta, center)
        return loss, grad_center, grad_outside

    n = 4 if slip == "U not transposed: the wrong product" else 5
    return check_backward(loss_and_gradient, inputs=(r(4), r(n, 4)))


@impl(
    "negative sampling, with a word drawn twice",
    "check_backward",
    {
        "a word drawn twice overwritten": ("outside", ROWS),
        "+= with repeated rows": ("outside", ROWS),
        "sign of the negatives": (("center", "outside"), SIGN),
        "sign of the positive": (("center", "outside"), SIGN),
        "negatives left out of the center": ("center", r"path|term|left out|contribution"),
        "neighbour left out of the center": ("center", r"path|term|left out|contribution"),
        "sigmoid for 1 - sigmoid": (("center", "outside"), r"sigmoid|1 -|derivative|reversed"),
        "derivative of sigmoid for that of its log": (
            ("center", "outside"),
            r"sigmoid|log|twice|factor",
        ),
        "neighbour's row left out": ("outside", r"row|path|left out|contribution|overwrit"),
    },
)
def negative_sampling(slip, dt):
    r, o, negatives = rand(93, dt), 2, np.array([0, 4, 4, 1])

    def loss_and_gradient(center, outside):
        positive = sigmoid(outside[o] @ center)
        negative = sigmoid(-(outside[negatives] @ center))
        loss = -np.log(positive) - np.sum(np.log(negative))
        d_pos, d_neg = positive - 1, 1 - negative
        if slip == "sign of the negatives":
            d_neg = -d_neg
        if slip == "sign of the positive":
            d_pos = -d_pos
        if slip == "sigmoid for 1 - sigmoid":
            d_neg = negative
        if slip == "derivative of sigmoid for that of its log":
            d_pos, d_neg = d_pos * positive, d_neg * negative
        grad_center = np.zeros_like(center)
        if slip != "neighbour left out of the center":
            grad_center = grad_center + d_pos * outside[o]
        if slip != "negatives left out of the center":
            grad_center = grad_center + outside[negatives].T @ d_neg
        grad_outside = np.zeros_like(outside)
        if slip != "neighbour's row left out":
            grad_outside[o] += d_pos * center
        if slip == "+= with repeated rows":
            grad_outside[negatives] += np.outer(d_neg, center)
        else:
            for k, i in enumerate(negatives):
                if slip == "a word drawn twice overwritten":
                    grad_outside[i] = d_neg[k] * center
                else:
                    grad_outside[i] += d_neg[k] * center
        return loss, grad_center, grad_outside

    return check_backward(loss_and_gradient, inputs=(r(3), r(5, 3)))


@impl(
    "GloVe",
    "compare",
    {
        "factor 2 left out": (("W", "Wt", "b", "bt"), r"2|half|factor"),
        "weights of the counts left out": (("W", "Wt", "b", "bt"), r"factor|weight|f\b|left out"),
        "W for Wt": ("W", ELSE),
        "Wt not transposed": ("Wt", r"transpose|order"),
        "bias of the last context alone": ("b", r"last|sum|axis|broadcast"),
        "bias summed along the other axis": ("b", r"axis|sum"),
        "sign": (("W", "Wt", "b", "bt"), SIGN),
    },
    glue=2,
)
def glove(slip, dt):
    r, n, d = rand(94, dt), 5, 3
    X = np.abs(r(n, n, k=3)) + 1
    f = np.minimum((X / 4) ** 0.75, 1).astype(dt)
    log_x = np.log(X).astype(dt)
    p = {"W": r(n, d), "Wt": r(n, d), "b": r(n, 1), "bt": r(1, n)}

    def error(W, Wt, b, bt):
        return W @ Wt.T + b + bt - log_x

    e = 2 * f * error(**p)
    e = {"factor 2 left out": e / 2, "weights of the counts left out": e / f, "sign": -e}.get(
        slip, e
    )
    db = e.sum(1, keepdims=True)
    if slip == "bias of the last context alone":
        db = e[:, -1:]
    if slip == "bias summed along the other axis":
        db = e.sum(0)[:, None]
    G = {
        "W": e @ (p["W"] if slip == "W for Wt" else p["Wt"]),
        "Wt": (e if slip == "Wt not transposed" else e.T) @ p["W"],
        "b": db,
        "bt": e.sum(0, keepdims=True),
    }
    return compare(np.sum(f * error(**named(p)) ** 2), G)


@impl(
    "tokens and positions, with a row of padding",
    "compare",
    {
        "rows of words overwritten": ("wte", ROWS),
        "row of padding not zeroed": ("wte", r"padding|row|where|mask"),
        "positions not summed over the batch": ("wpe", r"batch|sum|sample|last|first"),
        "positions averaged over the batch": ("wpe", r"mean|average|divided"),
        "head not tied: its part left out": ("wte", r"path|contribution|overwrit|use"),
        "embedding's part left out": ("wte", r"path|contribution|overwrit|use"),
        "label not taken off": (("logits", "wte", "x"), TARGET),
    },
    glue=5,
)
def positions(slip, dt):
    r, n, t, vocab, c = rand(95, dt), 3, 4, 6, 5
    words = np.array([[1, 2, 2, 0], [3, 1, 0, 0], [2, 5, 1, 1]])
    targets = np.array([[2, 2, 4, 1], [1, 3, 2, 3], [5, 1, 1, 4]])
    p = {"wte": r(vocab, c), "wpe": r(t, c)}
    p["wte"][0] = 0
    learnt = (np.arange(vocab) > 0)[:, None]

    def forward(wte, wpe):
        still = np.where(learnt, wte, 0)  # the row of padding is not trained
        x = still[words] + wpe
        return x, x @ wte.T

    x, logits = forward(**p)
    dlogits = softmax(logits) - (0 if slip == "label not taken off" else onehot(targets, vocab, dt))
    dlogits = dlogits / (n * t)
    dx = dlogits @ p["wte"]
    dwte = dlogits.reshape(-1, vocab).T @ x.reshape(-1, c)
    if slip == "head not tied: its part left out":
        dwte = np.zeros_like(dwte)
    rows = np.zeros_like(dwte)
    if slip == "rows of words overwritten":
        rows[words] += dx
    else:
        np.add.at(rows, words, dx)
    if slip != "row of padding not zeroed":
        rows[0] = 0
    if slip == "embedding's part left out":
        rows = 0
    dwpe = dx.sum(0)
    if slip == "positions not summed over the batch":
        dwpe = dx[0]
    if slip == "positions averaged over the batch":
        dwpe = dx.mean(0)
    G = {"wte": dwte + rows, "wpe": dwpe, "x": dx, "logits": dlogits}
    x, logits = forward(**named(p))
    x.name, logits.name = "x", "logits"
    q = np.log(softmax(logits))
    return compare(-np.mean(q[np.arange(n)[:, None], np.arange(t), targets]), G)
