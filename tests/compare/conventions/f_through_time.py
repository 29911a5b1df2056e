"""Through time as courses write it: a step's backward in a loop, gates in one matrix, caches and
dictionaries, gradients that are added up and clipped; and normalisation of images by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import check_backward, compare
from tests.compare.conventions.bed import Array, impl, named, onehot, rand, sigmoid

TIME = r"time|carried|step|recur|later|through|path|contribution|use|detached|overwrit"
LAST = r"last|overwrit|one use|first|added|step"
FACTOR = r"not divided|divided|times the right one|times too|mean|factor"


@impl("rnn_forward and rnn_backward", "check_backward", {
    "dprev_h not added": (("Wx", "Wh", "b", "x", "h0"), TIME),
    "prev_h is next_h in the cache": ("Wh", r"step|time|previous|instead|off by one|input|state"),
    "Wh not transposed": (("x", "h0", "Wx", "Wh", "b"), r"transpose"),
    "tanh of the wrong quantity": (("x", "h0", "Wx", "Wh", "b"), r"input|before|tanh|relative|norm"),
    "tanh not derived": (("x", "h0", "Wx", "Wh", "b"), r"tanh.*left out|not derived"),
    "1 - h": (("x", "h0", "Wx", "Wh", "b"), r"1 - y"),
    "dWh overwritten": ("Wh", LAST),
    "db overwritten": ("b", LAST),
    "dWx of the last step only": ("Wx", LAST),
    "summed, then averaged over time": (("Wx",), FACTOR),
    "dh0 of the last step": ("h0", r".*"),
    "a copy in between": "ok",
})  # fmt: skip
def rnn(slip: Any, dt: Any) -> Any:
    def step_forward(x: Any, prev_h: Any, Wx: Any, Wh: Any, b: Any) -> Any:
        z = x @ Wx + prev_h @ Wh + b
        next_h = np.tanh(z)
        kept = next_h if slip == "prev_h is next_h in the cache" else prev_h
        return next_h, (x, kept, Wx, Wh, next_h, z)

    def step_backward(dnext_h: Array, cache: Any) -> Any:
        x, prev_h, Wx, Wh, h, z = cache
        slopes = {"tanh of the wrong quantity": 1 - z * z, "tanh not derived": 1.0, "1 - h": 1 - h}
        da = dnext_h * slopes.get(slip, 1 - h * h)
        dprev = da @ (Wh if slip == "Wh not transposed" else Wh.T)
        return da @ Wx.T, dprev, x.T @ da, prev_h.T @ da, da.sum(axis=0)

    def rnn_forward(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
        h, steps, caches = h0, [], []
        for t in range(x.shape[1]):
            h, cache = step_forward(x[:, t, :], h, Wx, Wh, b)
            steps.append(h)
            caches.append(cache)
        return np.stack(steps, axis=1), caches

    def rnn_backward(dh: Array, caches: Any) -> Any:
        n, steps, size = dh.shape
        d = caches[0][0].shape[1]
        dx, dprev = np.zeros((n, steps, d), dh.dtype), np.zeros((n, size), dh.dtype)
        dWx, dWh = np.zeros((d, size), dh.dtype), np.zeros((size, size), dh.dtype)
        db = np.zeros(size, dh.dtype)
        for t in reversed(range(steps)):
            if slip == "dprev_h not added":
                dprev = 0
            dx[:, t], dprev, one_x, one_h, one_b = step_backward(dh[:, t] + dprev, caches[t])
            dWx += one_x
            dWh = one_h if slip == "dWh overwritten" else dWh + one_h
            db = one_b if slip == "db overwritten" else db + one_b
            if slip == "dWx of the last step only" and t == steps - 1:
                last = one_x
            if slip == "dh0 of the last step" and t == steps - 1:
                first = dprev
        if slip == "dWx of the last step only":
            dWx = last
        if slip == "dh0 of the last step":
            dprev = first
        if slip == "summed, then averaged over time":
            dWx = dWx / steps
        return dx, dprev, dWx, dWh, db

    r = rand(140, dt)
    inputs = (r(3, 4, 5), r(3, 4), r(5, 4, k=0.5), r(4, 4, k=0.5), r(4))
    return check_backward(rnn_forward, rnn_backward, inputs)


@impl("lstm_forward and lstm_backward, gates in one matrix", "check_backward", {
    "dprev_h not carried": (("Wx", "Wh", "b", "x"), TIME),
    "dprev_c not carried": (("Wx", "Wh", "b", "x"), TIME),
    "f and i exchanged": (("x", "h0", "Wx", "Wh", "b"), r"exchang|order|swap|instead|column|relative|norm|gate"),
    "o and g exchanged in the matrix": (("x", "h0", "Wx", "Wh", "b"), r"exchang|order|swap|column|relative|norm|gate"),
    "dc_prev with i": (("Wx", "Wh", "b", "x"), r"instead|factor|gate|relative|norm|step|path"),
    "next_c for prev_c": (("Wx", "Wh", "b", "x"), r"step|time|previous|instead|off by one|relative|norm"),
    "tanh(next_c) not derived": (("Wx", "Wh", "b", "x"), r"tanh.*left out|relative|norm"),
    "1 - next_c**2": (("Wx", "Wh", "b", "x"), r"input|before|tanh|relative|norm"),
    "dWh of the first step": ("Wh", LAST),
    "h for prev_h in dWh": ("Wh", r"step|time|previous|instead|off by one|input|state"),
})  # fmt: skip
def lstm(slip: Any, dt: Any) -> Any:
    def lstm_forward(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
        size = h0.shape[1]
        h, c, steps, caches = h0, 0 * h0, [], []
        for t in range(x.shape[1]):
            a = x[:, t, :] @ Wx + h @ Wh + b
            i, f, o = (sigmoid(a[:, k * size : (k + 1) * size]) for k in range(3))
            g = np.tanh(a[:, 3 * size :])
            next_c = f * c + i * g
            next_h = o * np.tanh(next_c)
            caches.append((x[:, t, :], h, c, Wx, Wh, i, f, o, g, next_c, next_h))
            h, c = next_h, next_c
            steps.append(h)
        return np.stack(steps, axis=1), caches

    def step_backward(dnext_h: Array, dnext_c: Array, cache: Any) -> Any:
        x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c, next_h = cache
        tanh_c = np.tanh(next_c)
        slope = {"tanh(next_c) not derived": 1.0, "1 - next_c**2": 1 - next_c**2}
        dc = dnext_c + dnext_h * o * slope.get(slip, 1 - tanh_c**2)
        di, do, dg = dc * g, dnext_h * tanh_c, dc * i
        df = dc * (next_c if slip == "next_c for prev_c" else prev_c)
        if slip == "f and i exchanged":
            di, df = df, di
        gates = [di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g * g)]
        if slip == "o and g exchanged in the matrix":
            gates = [gates[0], gates[1], gates[3], gates[2]]
        da = np.hstack(gates)
        state = next_h if slip == "h for prev_h in dWh" else prev_h
        dprev_c = dc * (i if slip == "dc_prev with i" else f)
        return da @ Wx.T, da @ Wh.T, dprev_c, x.T @ da, state.T @ da, da.sum(axis=0)

    def lstm_backward(dh: Array, caches: Any) -> Any:
        n, steps, size = dh.shape
        dx, dprev_h, dprev_c = [], np.zeros((n, size), dh.dtype), np.zeros((n, size), dh.dtype)
        dWx, dWh, db = 0.0, 0.0, 0.0
        for t in reversed(range(steps)):
            if slip == "dprev_h not carried":
                dprev_h = 0 * dprev_h
            if slip == "dprev_c not carried":
                dprev_c = 0 * dprev_c
            found = step_backward(dh[:, t] + dprev_h, dprev_c, caches[t])
            one, dprev_h, dprev_c, one_x, one_h, one_b = found
            dx.insert(0, one)
            dWx, db = dWx + one_x, db + one_b
            dWh = one_h if slip == "dWh of the first step" else dWh + one_h
        return np.stack(dx, axis=1), dprev_h, dWx, dWh, db

    r = rand(141, dt)
    inputs = (r(3, 4, 5), r(3, 4), r(5, 16, k=0.5), r(4, 16, k=0.5), r(16))
    return check_backward(lstm_forward, lstm_backward, inputs)


@impl("rnn_cell_backward with dictionaries, columns", "check_backward", {
    "dtanh with z": (("xt", "a_prev", "ba", "Wax", "Waa"), r"input|before|tanh|relative|norm"),
    "Waa for Waa.T": ("a_prev", r"transpose"),
    "dba without keepdims": "ok",
    "dba over the units": ("ba", r"axis|shape|sum"),
    "dWaa with a_next": ("Waa", r"input|output|instead|state|step|previous"),
    "da_next not times the slope": (("xt", "a_prev", "ba", "Wax", "Waa"), r"tanh.*left out|not derived"),
})  # fmt: skip
def rnn_cell(slip: Any, dt: Any) -> Any:
    def rnn_cell_forward(xt: Any, a_prev: Any, Wax: Any, Waa: Any, ba: Any) -> Any:
        a_next = np.tanh(Wax @ xt + Waa @ a_prev + ba)
        parameters = {"Wax": Wax, "Waa": Waa, "ba": ba}
        return a_next, (a_next, a_prev, xt, parameters)

    def rnn_cell_backward(da_next: Array, cache: Any) -> Any:
        a_next, a_prev, xt, parameters = cache
        Wax, Waa, ba = parameters["Wax"], parameters["Waa"], parameters["ba"]
        slope = 1 - a_next**2
        if slip == "dtanh with z":
            slope = 1 - (Wax @ xt + Waa @ a_prev + ba) ** 2
        if slip == "da_next not times the slope":
            slope = 1.0
        dtanh = slope * da_next
        dba = np.sum(dtanh, axis=1, keepdims=slip != "dba without keepdims")
        if slip == "dba over the units":
            dba = np.sum(dtanh, axis=0, keepdims=True).T[: len(ba)]
        return {
            "dxt": Wax.T @ dtanh,
            "da_prev": (Waa if slip == "Waa for Waa.T" else Waa.T) @ dtanh,
            "dWax": dtanh @ xt.T,
            "dWaa": dtanh @ (a_next if slip == "dWaa with a_next" else a_prev).T,
            "dba": dba,
        }

    r = rand(142, dt)
    inputs = (r(3, 6), r(4, 6), r(4, 3), r(4, 4), r(4, 1))
    return check_backward(rnn_cell_forward, rnn_cell_backward, inputs)


@impl("lstm_cell_backward with four matrices, columns", "check_backward", {
    "forget gate's slope left out": (("Wf", "bf", "xt", "a_prev"), r"left out|not derived|relative|norm"),
    "dc_next left out": (("Wf", "Wi", "Wc", "bf", "c_prev", "xt"), r"left out|path|contribution|use|relative|norm"),
    "it for ft in dc_prev": ("c_prev", r"instead|factor|gate|relative|norm"),
    "cct for it in the candidate": (("Wc", "bc", "xt", "a_prev"), r"instead|factor|relative|norm"),
    "dWf and dWi exchanged": (("Wf", "Wi"), r"exchang|swap|other|belongs|of Wi|place"),
    "dWo averaged over the examples": ("Wo", FACTOR),
    "a_prev part of another matrix": ("a_prev", r"instead|weight|other|relative|norm|matri"),
})  # fmt: skip
def lstm_cell(slip: Any, dt: Any) -> Any:
    def lstm_cell_forward(
        xt: Any, a_prev: Any, c_prev: Any, Wf: Any, bf: Any, Wi: Any, bi: Any, Wc: Any, bc: Any,
        Wo: Any, bo: Any,
    ) -> Any:  # fmt: skip
        concat = np.concatenate([a_prev, xt], axis=0)
        ft, it = sigmoid(Wf @ concat + bf), sigmoid(Wi @ concat + bi)
        cct, ot = np.tanh(Wc @ concat + bc), sigmoid(Wo @ concat + bo)
        c_next = ft * c_prev + it * cct
        a_next = ot * np.tanh(c_next)
        weights = (Wf, Wi, Wc, Wo)
        return a_next, c_next, (c_next, a_prev, c_prev, ft, it, cct, ot, xt, weights)

    def lstm_cell_backward(da_next: Array, dc_next: Array, cache: Any) -> Any:
        c_next, a_prev, c_prev, ft, it, cct, ot, xt, (Wf, Wi, Wc, Wo) = cache
        n, tanh_c = len(a_prev), np.tanh(c_next)
        dot = da_next * tanh_c * ot * (1 - ot)
        dc = ot * (1 - tanh_c**2) * da_next
        if slip != "dc_next left out":
            dc = dc + dc_next
        dcct = dc * (cct if slip == "cct for it in the candidate" else it) * (1 - cct**2)
        dit = dc * cct * it * (1 - it)
        dft = dc * c_prev * (1 if slip == "forget gate's slope left out" else ft * (1 - ft))
        concat = np.concatenate([a_prev, xt], axis=0)
        back = Wf.T @ dft + Wi.T @ dit + Wc.T @ dcct + Wo.T @ dot
        if slip == "a_prev part of another matrix":
            back[:n] = (Wf.T @ dft + Wi.T @ dit + Wo.T @ dcct + Wo.T @ dot)[:n]
        grads = {
            "dxt": back[n:],
            "da_prev": back[:n],
            "dc_prev": dc * (it if slip == "it for ft in dc_prev" else ft),
        }
        for name, d in (("f", dft), ("i", dit), ("c", dcct), ("o", dot)):
            grads[f"dW{name}"] = d @ concat.T
            grads[f"db{name}"] = d.sum(axis=1, keepdims=True)
        if slip == "dWf and dWi exchanged":
            grads["dWf"], grads["dWi"] = grads["dWi"], grads["dWf"]
        if slip == "dWo averaged over the examples":
            grads["dWo"] = grads["dWo"] / da_next.shape[1]
        return grads

    r = rand(143, dt)
    inputs = [r(3, 6), r(4, 6), r(4, 6)]
    for _ in "fico":
        inputs += [r(4, 7), r(4, 1)]
    return check_backward(lstm_cell_forward, lstm_cell_backward, tuple(inputs))


@impl("characters: gradients added up and clipped", "compare", {
    "dhnext left out": (("bh", "Wxh", "Whh"), TIME),
    "hs[t] for hs[t-1]": ("Whh", r"step|time|previous|instead|off by one|input|state"),
    "dhnext with Whh": (("bh", "Wxh", "Whh"), r"transpose"),
    "clipped inside of the loop": (("bh", "Wxh", "Whh", "Why", "by"), r"clip"),
    "clipped at 0.1": (("bh", "Wxh", "Whh", "Why", "by"), r"clip"),
    "dWhh assigned": ("Whh", LAST),
    "dby assigned": ("by", LAST),
    "the loss of the last character": (("by", "Why", "bh"), r"last|step|time|one|part|path|only|rows"),
    "clipped at 50": "ok",
})  # fmt: skip
def characters(slip: Any, dt: Any) -> Any:
    r, vocabulary, size = rand(144, dt), 5, 4
    inputs, targets = [0, 3, 1, 4, 2], [3, 1, 4, 2, 0]
    p = {
        "Wxh": r(size, vocabulary, k=0.6), "Whh": r(size, size, k=0.6),
        "Why": r(vocabulary, size, k=0.6), "bh": r(size, 1, k=0.3), "by": r(vocabulary, 1, k=0.3),
    }  # fmt: skip

    def run(Wxh: Any, Whh: Any, Why: Any, bh: Any, by: Any) -> Any:
        hs, xs, ps, loss = {-1: np.zeros((size, 1), dt)}, {}, {}, 0
        for t, k in enumerate(inputs):
            xs[t] = onehot(k, vocabulary, dt)[:, None]
            hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t - 1] + bh)
            e = np.exp(Why @ hs[t] + by)
            ps[t] = e / np.sum(e)
            loss = loss - np.log(ps[t][targets[t], 0])
        return loss, xs, hs, ps

    _, xs, hs, ps = run(**p)
    d = {name: np.zeros_like(a) for name, a in p.items()}
    dhnext = np.zeros((size, 1), dt)
    for t in reversed(range(len(inputs))):
        dy = ps[t].copy()
        dy[targets[t]] -= 1
        if slip == "the loss of the last character" and t < len(inputs) - 1:
            dy *= 0
        d["Why"] += dy @ hs[t].T
        d["by"] = dy if slip == "dby assigned" else d["by"] + dy
        raw = (1 - hs[t] * hs[t]) * (p["Why"].T @ dy + dhnext)
        d["bh"] += raw
        d["Wxh"] += raw @ xs[t].T
        part = raw @ hs[t if slip == "hs[t] for hs[t-1]" else t - 1].T
        d["Whh"] = part if slip == "dWhh assigned" else d["Whh"] + part
        dhnext = (p["Whh"] if slip == "dhnext with Whh" else p["Whh"].T) @ raw
        if slip == "dhnext left out":
            dhnext = 0 * dhnext
        if slip == "clipped inside of the loop":
            for a in d.values():
                np.clip(a, -0.3, 0.3, out=a)
    limit = {"clipped at 0.1": 0.1, "clipped at 50": 50}.get(slip)
    if limit:
        for a in d.values():
            np.clip(a, -limit, limit, out=a)
    return compare(run(**named(p))[0], d)


@impl("spatial batch norm by a transpose", "check_backward", {
    "N for N * H * W": ("x", FACTOR + r"|N|size|statist"),
    "gamma per pixel": ("gamma", r"axis|axes|sum|shape"),
    "dbeta of one pixel": ("beta", r"axis|axes|sum|shape|part|pixel|rows|\\[:, 0, 0\\]"),
    "transposed back in another order": ("x", r"axis|axes|order|transpose|shape|permut"),
    "mean's path left out": ("x", r"mean|statistics|constant"),
    "variance's path left out": ("x", r"varian|statistics|constant"),
    "gamma left out of dx": ("x", r"gamma|factor|left out"),
})  # fmt: skip
def spatial(slip: Any, dt: Any) -> Any:
    def spatial_forward(x: Any, gamma: Any, beta: Any) -> Any:
        n, c, h, w = x.shape
        rows = x.transpose(0, 2, 3, 1).reshape(-1, c)
        mu, var = rows.mean(axis=0), rows.var(axis=0)
        std = np.sqrt(var + 1e-5)
        xhat = (rows - mu) / std
        y = (gamma * xhat + beta).reshape(n, h, w, c).transpose(0, 3, 1, 2)
        return y, (xhat, std, gamma, x.shape)

    def spatial_backward(dout: Array, cache: Any) -> Any:
        xhat, std, gamma, (n, c, h, w) = cache
        rows = dout.transpose(0, 2, 3, 1).reshape(-1, c)
        d = rows * (1 if slip == "gamma left out of dx" else gamma)
        m = n if slip == "N for N * H * W" else len(rows)
        mean = 0 if slip == "mean's path left out" else d.sum(axis=0) / m
        var = 0 if slip == "variance's path left out" else xhat * (d * xhat).sum(axis=0) / m
        back = ((d - mean - var) / std).reshape(n, h, w, c)
        dx = back.transpose(0, 3, 1, 2)
        if slip == "transposed back in another order":
            dx = back.reshape(n, c, h, w)
        dgamma, dbeta = (rows * xhat).sum(axis=0), rows.sum(axis=0)
        if slip == "gamma per pixel":
            dgamma = (rows * xhat).reshape(n, h * w, c).sum(axis=(0, 2))[:c]
        if slip == "dbeta of one pixel":
            dbeta = dout.sum(axis=0)[:, 0, 0]
        return dx, dgamma, dbeta

    r = rand(145, dt)
    return check_backward(spatial_forward, spatial_backward, (r(4, 3, 2, 3), r(3), r(3)))


@impl("group norm by hand", "check_backward", {
    "C for the size of a group": ("x", FACTOR + r"|size|statist|group|instead of d.shape"),
    "mean's path left out": ("x", r"mean|statistics|constant"),
    "dgamma summed over the channels": ("gamma", r"axis|axes|sum|shape"),
    "dbeta averaged over the batch": (("beta", "gamma"), FACTOR),
    "gamma left out of dx": ("x", r"gamma|factor|left out"),
})  # fmt: skip
def groups(slip: Any, dt: Any) -> Any:
    G = 2

    def group_forward(x: Any, gamma: Any, beta: Any) -> Any:
        n, c, h, w = x.shape
        rows = x.reshape(n * G, -1)
        mu, var = rows.mean(axis=1, keepdims=True), rows.var(axis=1, keepdims=True)
        std = np.sqrt(var + 1e-5)
        xhat = ((rows - mu) / std).reshape(n, c, h, w)
        return gamma * xhat + beta, (xhat, std, gamma)

    def group_backward(dout: Array, cache: Any) -> Any:
        xhat, std, gamma = cache
        n, c, h, w = dout.shape
        d = (dout * (1 if slip == "gamma left out of dx" else gamma)).reshape(n * G, -1)
        z = xhat.reshape(n * G, -1)
        m = c * h * w if slip == "C for the size of a group" else d.shape[1]
        mean = d.sum(axis=1, keepdims=True) / m
        if slip == "mean's path left out":
            mean = 0
        dx = (d - mean - z * (d * z).sum(axis=1, keepdims=True) / m) / std
        axes = (0, 2, 3)
        dgamma = np.sum(dout * xhat, axis=axes, keepdims=True)
        if slip == "dgamma summed over the channels":
            dgamma = np.sum(dout * xhat, keepdims=True) * np.ones_like(gamma)
        dbeta = np.sum(dout, axis=axes, keepdims=True)
        if slip == "dbeta averaged over the batch":
            dbeta = dbeta / n
        return dx.reshape(n, c, h, w), dgamma, dbeta

    r = rand(146, dt)
    return check_backward(
        group_forward, group_backward, (r(3, 4, 2, 3), r(1, 4, 1, 1), r(1, 4, 1, 1))
    )


@impl("affine, norm and relu in one", "check_backward", {
    "relu of the wrong quantity": (("x", "w", "b", "gamma", "beta"), r"mask|relu|xhat used instead"),
    "norm left out backwards": (("x", "w", "b"), r"norm|left out|relative|statist|factor"),
    "dgamma after the mask left out": (("gamma", "beta", "x", "w"), r"mask|relu|left out|gradient of y"),
    "dw without x": ("w", r"shape|input|operand|factor"),
})  # fmt: skip
def sandwich(slip: Any, dt: Any) -> Any:
    def affine_norm_relu_forward(x: Any, w: Any, b: Any, gamma: Any, beta: Any) -> Any:
        z = x @ w + b
        mu, var = z.mean(axis=0), z.var(axis=0)
        std = np.sqrt(var + 1e-5)
        xhat = (z - mu) / std
        y = gamma * xhat + beta
        return np.maximum(0, y), ((x, w), (xhat, std, gamma), y)

    def affine_norm_relu_backward(dout: Array, cache: Any) -> Any:
        (x, w), (xhat, std, gamma), y = cache
        d = dout * ((xhat if slip == "relu of the wrong quantity" else y) > 0)
        plain = dout if slip == "dgamma after the mask left out" else d
        dgamma, dbeta = (plain * xhat).sum(axis=0), plain.sum(axis=0)
        d = d * gamma
        dz = (d - d.mean(axis=0) - xhat * (d * xhat).mean(axis=0)) / std
        if slip == "norm left out backwards":
            dz = d
        dw = x.T @ dz
        if slip == "dw without x":
            dw = np.ones_like(x).T @ dz
        return dz @ w.T, dw, dz.sum(axis=0), dgamma, dbeta

    r = rand(147, dt)
    inputs = (r(6, 5), r(5, 4), r(4), r(4), r(4))
    return check_backward(affine_norm_relu_forward, affine_norm_relu_backward, inputs)
