"""Classes of attention and of embeddings: weights in attributes, in dictionaries, params and grads."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import compare_layers

from .bed import Array, impl, rand

ORDER = r"order|transpose|exchang|swap|reshape"
# what the scores come from
INSIDE = ("layers[1].Wk", "layers[1].Wq", "layers[1].Wv", "layers[0] output")
ROWS = r"overwrit|repeat|accumul|several|\+="


def softmax(s: Array) -> Array:
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def squares(p: Any, t: Any) -> Any:
    return np.sum((p - t) ** 2) / 2


def difference(p: Array, t: Array) -> Array:
    return p - t


@impl(
    "MultiHeadAttention of an assignment, after a Linear",
    "compare_layers",
    {
        "scale left out backwards": (INSIDE, r"factor 2"),
        "softmax sum left out": (INSIDE, r"softmax|Jacobian|sum|term"),
        "softmax sum over the queries": (INSIDE, r"axis"),
        "heads merged in the wrong order": (INSIDE, ORDER),
        "dk without transposing": (INSIDE, ORDER),
        "input's gradient from the values alone": (
            "layers[0] output",
            r"path|contribution|use|overwrit",
        ),
        "proj bias averaged": ("layers[1].bo", r"mean|average|divided"),
    },
)
def multi_head(slip: str | None, dt: Any) -> Any:
    r, n, t, h, e = rand(84, dt), 2, 3, 2, 4
    d, root = h * e, dt(2)

    class Linear:
        def __init__(self, i: int, o: int) -> None:
            self.params = {"W": r(i, o, k=0.5), "b": r(o, k=0.1)}
            self.grads: dict[str, Array] = {}

        def forward(self, x: Array) -> Array:
            self.x = x
            return x @ self.params["W"] + self.params["b"]

        def backward(self, dout: Array) -> Array:
            rows, g = self.x.reshape(-1, self.x.shape[-1]), dout.reshape(-1, dout.shape[-1])
            self.grads = {"W": rows.T @ g, "b": g.sum(axis=0)}
            return dout @ self.params["W"].T

    class MultiHeadAttention:
        def __init__(self) -> None:
            self.params = {f"W{k}": r(d, d, k=0.4) for k in "qkvo"} | {"bo": r(d, k=0.1)}
            self.grads: dict[str, Array] = {}

        def split(self, a: Array) -> Array:
            return a.reshape(n, t, h, e).transpose(0, 2, 1, 3)

        def merge(self, a: Array) -> Array:
            if slip == "heads merged in the wrong order":
                return a.reshape(n, t, d)
            return a.transpose(0, 2, 1, 3).reshape(n, t, d)

        def forward(self, x: Array) -> Array:
            p = self.params
            self.x = x
            self.q, self.k, self.v = (self.split(x @ p[f"W{k}"]) for k in "qkv")
            self.a = softmax(self.q @ self.k.transpose(0, 1, 3, 2) / root)
            self.heads = (self.a @ self.v).transpose(0, 2, 1, 3).reshape(n, t, d)
            return self.heads @ p["Wo"] + p["bo"]

        def backward(self, dout: Array) -> Array:
            p, flat = self.params, self.x.reshape(-1, d)
            mean = slip == "proj bias averaged"
            self.grads = {"bo": (np.mean if mean else np.sum)(dout, axis=(0, 1))}
            self.grads["Wo"] = self.heads.reshape(-1, d).T @ dout.reshape(-1, d)
            dheads = self.split(dout @ p["Wo"].T)
            da, dv = dheads @ self.v.transpose(0, 1, 3, 2), self.a.transpose(0, 1, 3, 2) @ dheads
            axis = -2 if slip == "softmax sum over the queries" else -1
            total = np.sum(da * self.a, axis=axis, keepdims=True)
            ds = self.a * (da - (0 if slip == "softmax sum left out" else total))
            ds = ds / (1 if slip == "scale left out backwards" else root)
            dq = ds @ self.k
            dk = (ds if slip == "dk without transposing" else ds.transpose(0, 1, 3, 2)) @ self.q
            dx = np.zeros_like(self.x)
            for name, g in (("q", dq), ("k", dk), ("v", dv)):
                g = self.merge(g)
                self.grads[f"W{name}"] = flat.T @ g.reshape(-1, d)
                if name == "v" or slip != "input's gradient from the values alone":
                    dx += g @ p[f"W{name}"].T
            return dx

    layers = [Linear(5, d), MultiHeadAttention(), Linear(d, 3)]
    return compare_layers(layers, squares, difference, r(n, t, 5), r(n, t, 3))


@impl(
    "Embedding of a book, and a Linear",
    "compare_layers",
    {
        "rows overwritten": ("layers[0].W", ROWS),
        "+= of an index": ("layers[0].W", ROWS),
        "rows averaged": ("layers[0].W", r"mean|how often|divided|average"),
        "the last word alone": ("layers[0].W", r"last|overwrit|several"),
    },
)
def embedding(slip: str | None, dt: Any) -> Any:
    r = rand(96, dt)
    words = np.array([[1, 2], [2, 2], [0, 4], [4, 2]])

    class Embedding:
        def __init__(self) -> None:
            self.params, self.grads = [r(6, 3)], [np.zeros((6, 3), dt)]

        def forward(self, idx: Array) -> Array:
            (W,) = self.params
            self.idx = idx
            return W[idx].reshape(len(idx), -1)

        def backward(self, dout: Array) -> None:
            (dW,) = self.grads
            dW[...] = 0
            dout = dout.reshape(*self.idx.shape, -1)
            if slip == "rows overwritten":
                dW[self.idx] = dout
            elif slip == "+= of an index":
                dW[self.idx] += dout
            elif slip == "the last word alone":
                np.add.at(dW, self.idx[:, -1], dout[:, -1])
            else:
                np.add.at(dW, self.idx, dout)
            if slip == "rows averaged":
                dW /= np.maximum(np.bincount(self.idx.ravel(), minlength=6), 1)[:, None]

    class Affine:
        def __init__(self) -> None:
            self.params = [r(6, 2), r(2)]
            self.grads = [np.zeros_like(p) for p in self.params]

        def forward(self, x: Array) -> Array:
            W, b = self.params
            self.x = x
            return x @ W + b

        def backward(self, dout: Array) -> Array:
            W, _ = self.params
            self.grads[0][...], self.grads[1][...] = self.x.T @ dout, dout.sum(0)
            return dout @ W.T

    return compare_layers([Embedding(), Affine()], squares, difference, words, r(4, 2))
