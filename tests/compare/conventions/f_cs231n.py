"""Layers and losses as functions with caches, loops and dictionaries of options (CS231n's style)."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import check, check_backward
from tests.compare.conventions.bed import Array, impl, rand

DIVIDED = r"not divided by the|times the right one|times too (large|small)|too many"


@impl("affine with a cache", "check_backward", {
    "bias averaged": ("b", r"averaged|mean over|mean for sum|1/6|6 times"),
    "dw without the transpose of the input": ("w", r"shape|sum|operand|matmul|factor|input"),
    "dx not reshaped": "ok",
})  # fmt: skip
def affine(slip: Any, dt: Any) -> Any:
    def affine_forward(x: Any, w: Any, b: Any) -> Any:
        flat = x.reshape(x.shape[0], -1)
        return flat.dot(w) + b, (x, w, b)

    def affine_backward(dout: Array, cache: Any) -> Any:
        x, w, _ = cache
        flat = x.reshape(len(x), -1)
        dx, dw, db = dout.dot(w.T).reshape(x.shape), flat.T.dot(dout), dout.sum(axis=0)
        if slip == "bias averaged":
            db = dout.mean(axis=0)
        if slip == "dw without the transpose of the input":
            dw = flat[: w.shape[1]].T.dot(dout[: w.shape[1]])
        return dx, dw, db

    r = rand(10, dt)
    return check_backward(affine_forward, affine_backward, (r(6, 3, 2), r(6, 4), r(4)))


@impl("batch norm with bn_param", "check_backward", {
    "mean's path left out": ("x", r"mean|statistics|constant"),
    "gamma left out of dx": ("x", r"gamma|factor|left out"),
    "dbeta over the features": ("beta", r"axis|features|shape"),
    "running mean updated": "ok",
})  # fmt: skip
def batchnorm(slip: Any, dt: Any) -> Any:
    def batchnorm_forward(x: Any, gamma: Any, beta: Any, bn_param: Any) -> Any:
        eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        running = bn_param.get("running_mean", np.zeros(x.shape[1]))
        mu, var = x.mean(axis=0), x.var(axis=0)
        std = np.sqrt(var + eps)
        xhat = (x - mu) / std
        bn_param["running_mean"] = momentum * running + (1 - momentum) * mu
        return gamma * xhat + beta, (xhat, std, gamma)

    def batchnorm_backward(dout: Array, cache: Any) -> Any:
        xhat, std, gamma = cache
        d = dout * (1 if slip == "gamma left out of dx" else gamma)
        inner = d - xhat * (d * xhat).mean(axis=0)
        dx = (inner - (0 if slip == "mean's path left out" else d.mean(axis=0))) / std
        dbeta = dout.sum(axis=1) if slip == "dbeta over the features" else dout.sum(axis=0)
        return dx, (dout * xhat).sum(axis=0), dbeta

    r = rand(11, dt)
    options = {"mode": "train", "eps": 1e-4}
    return check_backward(batchnorm_forward, batchnorm_backward, (r(7, 4), r(4), r(4), options))


@impl("layer norm with ln_param", "check_backward", {
    "statistics over the batch": ("x", r"axis|mean|statistics|left out|constant"),
    "dgamma over the features": ("gamma", r"axis|shape|features"),
})  # fmt: skip
def layernorm(slip: Any, dt: Any) -> Any:
    def layernorm_forward(x: Any, gamma: Any, beta: Any, ln_param: Any) -> Any:
        mu = x.mean(axis=1, keepdims=True)
        std = np.sqrt(x.var(axis=1, keepdims=True) + ln_param.get("eps", 1e-5))
        xhat = (x - mu) / std
        return gamma * xhat + beta, (xhat, std, gamma)

    def layernorm_backward(dout: Array, cache: Any) -> Any:
        xhat, std, gamma = cache
        axis = 0 if slip == "statistics over the batch" else 1
        d = dout * gamma
        middle = (d * xhat).mean(axis=axis, keepdims=True)
        dx = (d - d.mean(axis=axis, keepdims=True) - xhat * middle) / std
        over = 1 if slip == "dgamma over the features" else 0
        return dx, (dout * xhat).sum(axis=over), dout.sum(axis=0)

    r = rand(12, dt)
    return check_backward(layernorm_forward, layernorm_backward, (r(6, 5), r(5), r(5), {}))


@impl("naive convolution with conv_param", "check_backward", {
    "dw overwritten": ("w", r"only|differ|norm|relative|overwr"),
    "db of one sample": ("b", r"only|relative|one|rank|sample|last"),
    "dx padding not cut off": ("x", r"shape"),
    "kernel flipped": ("x", r"flip|relative|revers"),
    "stride forgotten in dx": ("x", r"factor s is left out"),
})  # fmt: skip
def conv_naive(slip: Any, dt: Any) -> Any:
    def conv_forward_naive(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        s, p = conv_param["stride"], conv_param["pad"]
        n, _, high, wide = x.shape
        f, _, hh, ww = w.shape
        padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        out = np.zeros((n, f, 1 + (high + 2 * p - hh) // s, 1 + (wide + 2 * p - ww) // s))
        for i in range(n):
            for k in range(f):
                for a in range(out.shape[2]):
                    for c in range(out.shape[3]):
                        window = padded[i, :, a * s : a * s + hh, c * s : c * s + ww]
                        out[i, k, a, c] = float(np.sum(window * w[k])) + float(b[k])
        return out, (x, w, b, conv_param)

    def conv_backward_naive(dout: Array, cache: Any) -> Any:
        x, w, _, conv_param = cache
        s, p = conv_param["stride"], conv_param["pad"]
        hh, ww = w.shape[2:]
        padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        dpadded, dw = np.zeros_like(padded), np.zeros_like(w)
        kernel = w[:, :, ::-1, ::-1] if slip == "kernel flipped" else w
        back = 1 if slip == "stride forgotten in dx" else s
        for i, k, a, c in np.ndindex(dout.shape):
            rows, cols = slice(a * s, a * s + hh), slice(c * s, c * s + ww)
            g = dout[i, k, a, c]
            dw[k] = g * padded[i, :, rows, cols] + (0 if slip == "dw overwritten" else dw[k])
            rows, cols = slice(a * back, a * back + hh), slice(c * back, c * back + ww)
            dpadded[i, :, rows, cols] += g * kernel[k]
        db = (dout[-1:] if slip == "db of one sample" else dout).sum(axis=(0, 2, 3))
        dx = dpadded if slip == "dx padding not cut off" else dpadded[:, :, p:-p, p:-p]
        return dx, dw, db

    r = rand(13, dt)
    options = {"stride": 2, "pad": 1}
    inputs = (r(2, 3, 5, 7), r(4, 3, 3, 3), r(4), options)
    return check_backward(conv_forward_naive, conv_backward_naive, inputs)


@impl("naive max pooling with pool_param", "check_backward", {
    "to the whole window": ("x", r"relative|only|every|mask"),
    "mean for max": ("x", r"relative|only|mean|average"),
    "one for the gradient": ("x", r"relative|only|arriving|equal"),
})  # fmt: skip
def pool_naive(slip: Any, dt: Any) -> Any:
    def max_pool_forward_naive(x: Any, pool_param: Any) -> Any:
        h, w, s = (pool_param[k] for k in ("pool_height", "pool_width", "stride"))
        out = np.zeros((*x.shape[:2], 1 + (x.shape[2] - h) // s, 1 + (x.shape[3] - w) // s))
        for n, c, i, j in np.ndindex(out.shape):
            out[n, c, i, j] = np.max(x[n, c, i * s : i * s + h, j * s : j * s + w])
        return out, (x, pool_param)

    def max_pool_backward_naive(dout: Array, cache: Any) -> Array:
        x, pool_param = cache
        h, w, s = (pool_param[k] for k in ("pool_height", "pool_width", "stride"))
        dx = np.zeros_like(x)
        for n, c, i, j in np.ndindex(dout.shape):
            rows, cols = slice(i * s, i * s + h), slice(j * s, j * s + w)
            window = x[n, c, rows, cols]
            mask = window == window.max()
            if slip == "to the whole window":
                mask = np.ones_like(window)
            if slip == "mean for max":
                mask = np.full_like(window, 1 / window.size)
            g = 1 if slip == "one for the gradient" else dout[n, c, i, j]
            dx[n, c, rows, cols] += mask * g
        return dx

    options = {"pool_height": 2, "pool_width": 3, "stride": 2}
    return check_backward(
        max_pool_forward_naive, max_pool_backward_naive, (rand(14, dt)(2, 3, 4, 7), options)
    )


@impl("inverted dropout with dropout_param", "check_backward", {
    "1/p left out": ("x", r"keep|times|scal|factor"),
    "another mask": ("x", r"mask|relative|norm|differ|unexplained|anew"),
})  # fmt: skip
def dropout(slip: Any, dt: Any) -> Any:
    def dropout_forward(x: Any, dropout_param: Any) -> Any:
        p, mode = dropout_param["p"], dropout_param["mode"]
        rng = np.random.default_rng(dropout_param["seed"])
        mask = (rng.random(x.shape) < p) / p
        return (x * mask if mode == "train" else x), (dropout_param, mask)

    def dropout_backward(dout: Array, cache: Any) -> Array:
        dropout_param, mask = cache
        if slip == "1/p left out":
            mask = mask * dropout_param["p"]
        if slip == "another mask":
            mask = (np.random.default_rng(99).random(dout.shape) < 0.6) / 0.6
        return dout * mask

    options = {"p": 0.6, "mode": "train", "seed": 5}
    return check_backward(dropout_forward, dropout_backward, (rand(15, dt)(6, 5), options))


LABELS = np.array([0, 2, 1, 1, 2, 0, 3])


@impl("svm_loss(x, y) -> (loss, dx)", "check_backward", {
    "not divided by N": ("x", DIVIDED),
    "the right class not subtracted": ("x", r"only|relative|norm|target|left out"),
    "counts the right class once": ("x", r"only|relative|norm|target"),
    "sign": ("x", r"sign"),
})  # fmt: skip
def svm_loss(slip: Any, dt: Any) -> Any:
    def loss(x: Any, y: Array) -> Any:
        n = x.shape[0]
        right = x[np.arange(n), y][:, np.newaxis]
        margins = np.maximum(0, x - right + 1.0)
        margins[np.arange(n), y] = 0
        dx = (margins > 0) * 1.0
        number = dx.sum(axis=1)
        if slip == "counts the right class once":
            number = np.ones(n)
        if slip != "the right class not subtracted":
            dx[np.arange(n), y] -= number
        dx = -dx if slip == "sign" else dx
        return margins.sum() / n, dx if slip == "not divided by N" else dx / n

    return check_backward(loss, inputs=(rand(16, dt)(7, 4), LABELS))


@impl("softmax_loss(x, y) -> (loss, dx)", "check_backward", {
    "not divided by N": ("x", DIVIDED),
    "minus one left out": ("x", r"target|label|one-hot|relative|norm"),
    "divided by the classes": ("x", r"times|class|divided|factor"),
})  # fmt: skip
def softmax_loss(slip: Any, dt: Any) -> Any:
    def loss(x: Any, y: Array) -> Any:
        shifted = x - np.max(x, axis=1, keepdims=True)
        z = np.sum(np.exp(shifted), axis=1, keepdims=True)
        log_probs = shifted - np.log(z)
        n = x.shape[0]
        value = -np.sum(log_probs[np.arange(n), y]) / n
        dx = np.exp(log_probs).copy()
        if slip != "minus one left out":
            dx[np.arange(n), y] -= 1
        return value, dx / {"not divided by N": 1, "divided by the classes": 4}.get(slip, n)

    return check_backward(loss, (rand(17, dt)(7, 4), LABELS))


@impl("softmax regression with loops, (W, X, y, reg)", "check", {
    "penalty's 2 left out": ("W", r"relative|norm|penalty|2"),
    "not averaged": ("W", r"relative|norm|times|batch"),
    "penalty left out": ("W", r"relative|norm|penalty"),
})  # fmt: skip
def softmax_naive(slip: Any, dt: Any) -> Any:
    r = rand(18, dt)
    inputs, reg = r(7, 5), 0.3

    def softmax_loss_naive(W: Array) -> Any:
        loss, dW = 0.0, np.zeros_like(W)
        for i in range(len(inputs)):
            scores = inputs[i].dot(W)
            scores -= scores.max()
            p = np.exp(scores) / np.exp(scores).sum()
            loss -= float(np.log(p[LABELS[i]]))
            for j in range(W.shape[1]):
                dW[:, j] += (p[j] - (j == LABELS[i])) * inputs[i]
        dW = dW if slip == "not averaged" else dW / len(inputs)
        more = {"penalty's 2 left out": 1, "penalty left out": 0}.get(slip, 2) * reg * W
        return loss / len(inputs) + reg * float(np.sum(W * W)), dW + more

    return check(softmax_loss_naive, r(5, 4, k=0.1))


@impl("TwoLayerNet.loss(X, y) -> (loss, grads)", "check", {
    "relu's mask left out": (("b1", "W1"), r"mask|left out|relative"),
    "penalty on one weight alone": (("W2", "W1"), r"penalty|relative|norm"),
    "bias averaged again": ("b1", r"times|averaged|batch|too small"),
    "grads exchanged": (("b2", "b1", "W1", "W2"), r"exchange|shape|is the gradient of"),
})  # fmt: skip
def two_layer(slip: Any, dt: Any) -> Any:
    r = rand(19, dt)

    class TwoLayerNet:
        def __init__(self) -> None:
            self.params = {"W1": r(5, 6), "b1": r(6), "W2": r(6, 4), "b2": r(4)}

        def loss(self, X: Array, y: Array, reg: float = 0.1) -> Any:
            W1, b1, W2, b2 = (self.params[k] for k in ("W1", "b1", "W2", "b2"))
            z = X.dot(W1) + b1
            h = np.maximum(0, z)
            s = h.dot(W2) + b2
            p = np.exp(s - s.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            loss = -np.log(p[np.arange(len(X)), y]).mean() + reg * ((W1**2).sum() + (W2**2).sum())
            d = p.copy()
            d[np.arange(len(X)), y] -= 1
            d /= len(X)
            dh = d.dot(W2.T)
            if slip != "relu's mask left out":
                dh[z <= 0] = 0
            grads = {"W2": h.T.dot(d) + 2 * reg * W2, "b2": d.sum(0), "b1": dh.sum(0)}
            grads["W1"] = X.T.dot(dh) + (0 if "one weight" in str(slip) else 2 * reg * W1)
            if slip == "bias averaged again":
                grads["b1"] = grads["b1"] / len(X)
            if slip == "grads exchanged":
                grads["b1"], grads["b2"] = grads["b2"], grads["b1"]
            return loss, grads

    net, inputs = TwoLayerNet(), r(7, 5)
    return check(lambda: net.loss(inputs, LABELS), net.params)


@impl("rnn_step with a cache", "check_backward", {
    "1 - h left of the square": ("b", r"tanh|1 - y|relative|norm|exponent"),
    "Wh for Wh.T": ("prev_h", r"transpose"),
    "dWx with the state": ("Wx", r"shape|input|state"),
})  # fmt: skip
def rnn_step(slip: Any, dt: Any) -> Any:
    def rnn_step_forward(x: Any, prev_h: Any, Wx: Any, Wh: Any, b: Any) -> Any:
        next_h = np.tanh(x.dot(Wx) + prev_h.dot(Wh) + b)
        return next_h, (x, prev_h, Wx, Wh, next_h)

    def rnn_step_backward(dnext_h: Array, cache: Any) -> Any:
        x, prev_h, Wx, Wh, h = cache
        da = dnext_h * (1 - (h if slip == "1 - h left of the square" else h * h))
        dprev = da.dot(Wh if slip == "Wh for Wh.T" else Wh.T)
        dWx = (prev_h if slip == "dWx with the state" else x).T.dot(da)
        return da.dot(Wx.T), dprev, dWx, prev_h.T.dot(da), da.sum(axis=0)

    r = rand(20, dt)
    return check_backward(
        rnn_step_forward, rnn_step_backward, (r(5, 3), r(5, 4), r(3, 4), r(4, 4), r(4))
    )


@impl("lstm_step with two states and a cache", "check_backward", {
    "the cell's own gradient forgotten": (("prev_c", "b"), r"left out|contribution|one use|relative|norm|forgot|detached"),
    "forget gate's derivative left out": (("b", "Wh", "Wx", "prev_h", "x"), r"left out|relative|norm|only|differ"),
    "gates in another order": (("b", "Wh", "Wx", "prev_h", "x"), r"order|relative|norm|column"),
})  # fmt: skip
def lstm_step(slip: Any, dt: Any) -> Any:
    def sig(z: Any) -> Any:
        return 1 / (1 + np.exp(-z))

    def lstm_step_forward(x: Any, prev_h: Any, prev_c: Any, Wx: Any, Wh: Any, b: Any) -> Any:
        H = prev_h.shape[1]
        a = x.dot(Wx) + prev_h.dot(Wh) + b
        i, f, o = sig(a[:, :H]), sig(a[:, H : 2 * H]), sig(a[:, 2 * H : 3 * H])
        g = np.tanh(a[:, 3 * H :])
        next_c = f * prev_c + i * g
        t = np.tanh(next_c)
        return o * t, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, t)

    def lstm_step_backward(dnext_h: Array, dnext_c: Array, cache: Any) -> Any:
        x, prev_h, prev_c, Wx, Wh, i, f, o, g, t = cache
        dc = dnext_h * o * (1 - t * t)
        if slip != "the cell's own gradient forgotten":
            dc = dc + dnext_c
        di, df, do, dg = dc * g, dc * prev_c, dnext_h * t, dc * i
        slope = 1 if slip == "forget gate's derivative left out" else f * (1 - f)
        parts = [di * i * (1 - i), df * slope, do * o * (1 - o), dg * (1 - g * g)]
        if slip == "gates in another order":
            parts = [parts[k] for k in (0, 2, 1, 3)]
        da = np.hstack(parts)
        return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(0)

    r = rand(21, dt)
    inputs = (r(5, 3), r(5, 4), r(5, 4), r(3, 16), r(4, 16), r(16))
    return check_backward(lstm_step_forward, lstm_step_backward, inputs)
