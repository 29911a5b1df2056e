"""Forwards that fill arrays of their own in loops, in ways that are no convolution by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import check_backward

from .bed import Array, impl, rand, sigmoid

TIME = r"path|carried|step|contribution|= for \+="


@impl("LSTM whose steps fill arrays of time", "check_backward", {
    "tanh of the cell not derived": (("W", "X"), r"derivative of tanh left out"),
    "sigmoid's slope for the candidate": (("W", "X"), r"sigmoid used for tanh"),
    "dC overwritten": (("W", "X"), TIME),
    "h not handed on": (("W", "X"), TIME),
    "dW overwritten": ("W", r"1 of 3 contributions"),
    "gate with itself": (("W", "X"), r"factor itself|itself"),
})  # fmt: skip
def batched_lstm(slip: Any, dt: Any) -> Any:
    def forward(X: Any, W: Any) -> Any:
        n, b, k = X.shape
        d = W.shape[1] // 4
        seen, gates = np.zeros((n, b, k + d)), np.zeros((n, b, 4 * d))
        C, H = np.zeros((n, b, d)), np.zeros((n, b, d))
        for t in range(n):
            seen[t, :, :k] = X[t]
            seen[t, :, k:] = H[t - 1] if t else np.zeros((b, d))
            z = seen[t].dot(W)
            gates[t, :, : 3 * d] = sigmoid(z[:, : 3 * d])
            gates[t, :, 3 * d :] = np.tanh(z[:, 3 * d :])
            before = C[t - 1] if t else np.zeros((b, d))
            C[t] = gates[t, :, :d] * gates[t, :, 3 * d :] + gates[t, :, d : 2 * d] * before
            H[t] = gates[t, :, 2 * d : 3 * d] * np.tanh(C[t])
        return H, (X, W, H, C, gates, seen)

    def backward(dH: Array, cache: Any) -> Any:
        X, W, H, C, gates, seen = cache
        n, b, d = H.shape
        k = X.shape[2]
        dH, dC, dX, dW = dH.copy(), np.zeros_like(C), np.zeros_like(X), np.zeros_like(W)
        for t in reversed(range(n)):
            i, f, o, g = np.split(gates[t], 4, axis=1)
            y = np.tanh(C[t])
            through = o * dH[t] * (1 if slip == "tanh of the cell not derived" else 1 - y * y)
            dC[t] = through + (0 if slip == "dC overwritten" else dC[t])
            slope = g * (1 - g) if slip == "sigmoid's slope for the candidate" else 1 - g * g
            before = C[t - 1] if t else np.zeros((b, d))
            di = dC[t] * (i if slip == "gate with itself" else g) * i * (1 - i)
            parts = [di, dC[t] * before * f * (1 - f), dH[t] * y * o * (1 - o), dC[t] * i * slope]
            dz = np.concatenate(parts, axis=1)
            dW = (0 if slip == "dW overwritten" else dW) + seen[t].T.dot(dz)
            back = dz.dot(W.T)
            dX[t] = back[:, :k]
            if t:
                dC[t - 1] += f * dC[t]
                dH[t - 1] += 0 if slip == "h not handed on" else back[:, k:]
        return dX, dW

    r = rand(90, dt)
    return check_backward(forward, backward, (r(3, 2, 3), r(7, 16, k=0.5)))


@impl("depthwise convolution by loops over places", "check_backward", {
    "overlap overwritten": ("x", r"contributions|= for \+=|overlap|zero in its place"),
    "kernel flipped": ("x", r"flip"),
    "margin not cut off": ("x", r"margin|padding"),
    "margin cut off twice": ("x", r"margin|padding"),
    "last window": ("k", r"contributions"),
    "mean over samples": ("k", r"mean"),
})  # fmt: skip
def depthwise(slip: Any, dt: Any) -> Any:
    def forward(x: Any, k: Any) -> Any:
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        y = np.empty_like(x)
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                y[:, :, i, j] = np.sum(padded[:, :, i : i + 3, j : j + 3] * k, axis=(2, 3))
        return y, (padded, k)

    def backward(dy: Array, cache: Any) -> Any:
        padded, k = cache
        h, w = dy.shape[2:]
        dp, dk = np.zeros_like(padded), np.zeros_like(k)
        back = k[:, ::-1, ::-1] if slip == "kernel flipped" else k
        for i in range(h):
            for j in range(w):
                at = (slice(None), slice(None), slice(i, i + 3), slice(j, j + 3))
                g = dy[:, :, i, j][:, :, None, None]
                dp[at] = g * back + (0 if slip == "overlap overwritten" else dp[at])
                share = g * padded[at]
                share = share.mean(axis=0) if slip == "mean over samples" else share.sum(axis=0)
                dk = share + (0 if slip == "last window" else dk)
        start = {"margin not cut off": 0, "margin cut off twice": 2}.get(slip, 1)
        return dp[:, :, start : start + h, start : start + w], dk

    r = rand(91, dt)
    return check_backward(forward, backward, (r(3, 2, 4, 5), r(2, 3, 3)))
