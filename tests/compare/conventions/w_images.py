"""Convolutions and pooling as courses write them: by loops, by im2col, in classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import check_backward, compare_layers

from .bed import Array, impl, rand

OVERLAP = r"overlap|overwrit"
LAST = r"last|overwrit"
MASK = r"mask|every element|spread"
STRIDE = {"stride": 2, "pad": 1}


@impl("conv by four loops", "check_backward", {
    "kernel flipped": ("x", r"flip|turned"),
    "overlap overwritten": ("x", OVERLAP),
    "last window only": ("w", LAST),
    "stride forgotten": ("x", r"stride"),
    "padding not cut off": ("x", r"margin|padding"),
    "db averaged": ("b", r"mean|averag|divided"),
    "dw averaged over samples": ("w", r"mean|divided|times"),
})  # fmt: skip
def naive(slip: Any, dt: Any) -> Any:
    def conv_forward_naive(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        stride, pad = conv_param["stride"], conv_param["pad"]
        n, _, h, wd = x.shape
        f, _, hh, ww = w.shape
        h_out, w_out = 1 + (h + 2 * pad - hh) // stride, 1 + (wd + 2 * pad - ww) // stride
        x_pad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="constant")
        out = np.zeros((n, f, h_out, w_out), dtype=x.dtype)
        for i in range(n):
            for j in range(f):
                for k in range(h_out):
                    for m in range(w_out):
                        part = x_pad[
                            i, :, k * stride : k * stride + hh, m * stride : m * stride + ww
                        ]
                        out[i, j, k, m] = np.sum(part * w[j]) + b[j]
        return out, (x, w, b, conv_param)

    def conv_backward_naive(dout: Array, cache: Any) -> Any:
        x, w, _, conv_param = cache
        stride, pad = conv_param["stride"], conv_param["pad"]
        n, _, h, wd = x.shape
        f, _, hh, ww = w.shape
        h_out, w_out = dout.shape[2:]
        x_pad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="constant")
        dx_pad, dw = np.zeros_like(x_pad), np.zeros_like(w)
        db = dout.sum(axis=(0, 2, 3))
        back = 1 if slip == "stride forgotten" else stride
        for i in range(n):
            for j in range(f):
                for k in range(h_out):
                    for m in range(w_out):
                        rows = slice(k * stride, k * stride + hh)
                        columns = slice(m * stride, m * stride + ww)
                        g = dout[i, j, k, m]
                        if slip == "last window only":
                            dw[j] = x_pad[i, :, rows, columns] * g
                        else:
                            dw[j] += x_pad[i, :, rows, columns] * g
                        rows, columns = (
                            slice(k * back, k * back + hh),
                            slice(m * back, m * back + ww),
                        )
                        if slip == "overlap overwritten":
                            dx_pad[i, :, rows, columns] = w[j] * g
                        elif slip == "kernel flipped":
                            dx_pad[i, :, rows, columns] += w[j][:, ::-1, ::-1] * g
                        else:
                            dx_pad[i, :, rows, columns] += w[j] * g
        dx = dx_pad[:, :, pad : pad + h, pad : pad + wd]
        if slip == "padding not cut off":
            dx = dx_pad[:, :, :h, :wd]
        if slip == "db averaged":
            db = dout.mean(axis=(0, 2, 3))
        if slip == "dw averaged over samples":
            dw /= n
        return dx, dw, db

    r = rand(20, dt)
    shapes = (r(4, 3, 5, 6), r(2, 3, 3, 3), r(2), STRIDE)
    return check_backward(conv_forward_naive, conv_backward_naive, shapes)


@impl("conv_single_step and hparameters", "check_backward", {
    "kernel flipped": ("W", r"flip|turned"),
    "overlap overwritten": ("A_prev", OVERLAP),
    "last window only": ("W", LAST),
    "padding not cut off": ("A_prev", r"margin|padding"),
    "db of the last window": ("b", LAST),
})  # fmt: skip
def coursera(slip: Any, dt: Any) -> Any:
    def zero_pad(x: Any, pad: int) -> Any:
        return np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))

    def conv_single_step(a_slice_prev: Any, w: Any, b: Any) -> Any:
        return np.sum(np.multiply(a_slice_prev, w)) + float(b.item())

    def conv_forward(A_prev: Any, W: Any, b: Any, hparameters: Any) -> Any:
        m, n_h_prev, n_w_prev, _ = A_prev.shape
        f, _, _, n_c = W.shape
        stride, pad = hparameters["stride"], hparameters["pad"]
        n_h = int((n_h_prev - f + 2 * pad) / stride) + 1
        n_w = int((n_w_prev - f + 2 * pad) / stride) + 1
        z = np.zeros((m, n_h, n_w, n_c))
        padded = zero_pad(A_prev, pad)
        for i in range(m):
            a_prev_pad = padded[i]
            for h in range(n_h):
                for w in range(n_w):
                    for c in range(n_c):
                        part = a_prev_pad[
                            h * stride : h * stride + f, w * stride : w * stride + f, :
                        ]
                        z[i, h, w, c] = conv_single_step(part, W[:, :, :, c], b[:, :, :, c])
        return z, (A_prev, W, b, hparameters)

    def conv_backward(dZ: Array, cache: Any) -> Any:
        A_prev, W, b, hparameters = cache
        m, n_h_prev, n_w_prev, _ = A_prev.shape
        f = W.shape[0]
        stride, pad = hparameters["stride"], hparameters["pad"]
        m, n_h, n_w, n_c = dZ.shape
        dA_prev, dW, db = np.zeros_like(A_prev), np.zeros_like(W), np.zeros_like(b)
        A_pad, dA_pad = zero_pad(A_prev, pad), zero_pad(dA_prev, pad)
        for i in range(m):
            a, da = A_pad[i], dA_pad[i]
            for h in range(n_h):
                for w in range(n_w):
                    for c in range(n_c):
                        rows = slice(h * stride, h * stride + f)
                        columns = slice(w * stride, w * stride + f)
                        if slip == "overlap overwritten":
                            da[rows, columns, :] = W[:, :, :, c] * dZ[i, h, w, c]
                        else:
                            da[rows, columns, :] += W[:, :, :, c] * dZ[i, h, w, c]
                        if slip == "last window only":
                            dW[:, :, :, c] = a[rows, columns, :] * dZ[i, h, w, c]
                        elif slip == "kernel flipped":
                            dW[::-1, ::-1, :, c] += a[rows, columns, :] * dZ[i, h, w, c]
                        else:
                            dW[:, :, :, c] += a[rows, columns, :] * dZ[i, h, w, c]
                        if slip == "db of the last window":
                            db[:, :, :, c] = dZ[i, h, w, c]
                        else:
                            db[:, :, :, c] += dZ[i, h, w, c]
            start = 0 if slip == "padding not cut off" else pad
            dA_prev[i] = da[start : start + n_h_prev, start : start + n_w_prev, :]
        return dA_prev, dW, db

    r = rand(21, dt)
    arrays = (r(3, 5, 6, 3), r(2, 2, 3, 4), r(1, 1, 1, 4), {"stride": 1, "pad": 1})
    return check_backward(conv_forward, conv_backward, arrays)


@impl("max pool by loops", "check_backward", {
    "gradient to every element": ("x", MASK),
    "spread evenly": ("x", MASK),
    "mask without the gradient": ("x", r"gradient|upstream"),
    "overlap overwritten": ("x", OVERLAP),
    "mask of the whole image": ("x", r"mask|largest|max|zero|left out"),
})  # fmt: skip
def max_pool(slip: Any, dt: Any) -> Any:
    def max_pool_forward_naive(x: Any, pool_param: Any) -> Any:
        hh, ww, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
        n, c, h, w = x.shape
        out = np.zeros((n, c, 1 + (h - hh) // s, 1 + (w - ww) // s), dtype=x.dtype)
        for i in range(n):
            for j in range(c):
                for k in range(out.shape[2]):
                    for m in range(out.shape[3]):
                        out[i, j, k, m] = np.max(x[i, j, k * s : k * s + hh, m * s : m * s + ww])
        return out, (x, pool_param)

    def max_pool_backward_naive(dout: Array, cache: Any) -> Any:
        x, pool_param = cache
        hh, ww, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
        dx = np.zeros_like(x)
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                for k in range(dout.shape[2]):
                    for m in range(dout.shape[3]):
                        at = i, j, slice(k * s, k * s + hh), slice(m * s, m * s + ww)
                        mask = x[at] == np.max(x[at])
                        g = dout[i, j, k, m]
                        if slip == "gradient to every element":
                            dx[at] += g
                        elif slip == "spread evenly":
                            dx[at] += g / (hh * ww)
                        elif slip == "mask without the gradient":
                            dx[at] += mask
                        elif slip == "overlap overwritten":
                            dx[at] = mask * g
                        elif slip == "mask of the whole image":
                            dx[at] += (x[at] == np.max(x[i, j])) * g
                        else:
                            dx[at] += mask * g
        return dx

    stride = 1 if slip == "overlap overwritten" else 2
    r = rand(22, dt)
    param = {"pool_height": 2, "pool_width": 2, "stride": stride}
    return check_backward(max_pool_forward_naive, max_pool_backward_naive, (r(3, 2, 4, 6), param))


@impl("average pool by loops", "check_backward", {
    "not divided": ("A", r"divided|times|factor|4"),
    "gradient to the largest": ("A", r"max|largest"),
    "overlap overwritten": ("A", OVERLAP),
})  # fmt: skip
def average_pool(slip: Any, dt: Any) -> Any:
    f, stride = 2, 1 if slip == "overlap overwritten" else 2

    def pool_forward(A: Any) -> Any:
        m, h, w, c = A.shape
        out = np.zeros((m, (h - f) // stride + 1, (w - f) // stride + 1, c))
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                rows = slice(i * stride, i * stride + f)
                columns = slice(j * stride, j * stride + f)
                out[:, i, j, :] = np.mean(A[:, rows, columns, :], axis=(1, 2))
        return out, A

    def pool_backward(dZ: Array, cache: Any) -> Any:
        dA = np.zeros(cache.shape)
        for i in range(dZ.shape[1]):
            for j in range(dZ.shape[2]):
                at = (
                    slice(None),
                    slice(i * stride, i * stride + f),
                    slice(j * stride, j * stride + f),
                )
                g = dZ[:, i, j, :][:, None, None, :]
                if slip == "not divided":
                    dA[at] += g
                elif slip == "gradient to the largest":
                    part = cache[at]
                    dA[at] += g * (part == part.max(axis=(1, 2), keepdims=True))
                elif slip == "overlap overwritten":
                    dA[at] = g / (f * f)
                else:
                    dA[at] += g / (f * f)
        return dA

    return check_backward(pool_forward, pool_backward, (rand(23, dt)(3, 4, 6, 2),))


@impl("conv by im2col", "check_backward", {
    "kernel flipped": ("x", r"flip|turned"),
    "overlap overwritten": ("x", OVERLAP),
    "last sample only": ("w", LAST),
    "dw with the wrong order of axes": ("w", r"moved last|transpose"),
})  # fmt: skip
def im2col_conv(slip: Any, dt: Any) -> Any:
    def im2col(x: Any, k: int, stride: int) -> Any:
        n, c, h, w = x.shape
        oh, ow = (h - k) // stride + 1, (w - k) // stride + 1
        col = np.zeros((n, c, k, k, oh, ow))
        for i in range(k):
            for j in range(k):
                col[:, :, i, j] = x[
                    :, :, i : i + stride * oh : stride, j : j + stride * ow : stride
                ]
        return col.transpose(0, 4, 5, 1, 2, 3).reshape(n * oh * ow, -1)

    def col2im(col: Any, shape: Any, k: int, stride: int) -> Any:
        n, c, h, w = shape
        oh, ow = (h - k) // stride + 1, (w - k) // stride + 1
        col = col.reshape(n, oh, ow, c, k, k).transpose(0, 3, 4, 5, 1, 2)
        img = np.zeros(shape)
        for i in range(k):
            for j in range(k):
                at = np.s_[:, :, i : i + stride * oh : stride, j : j + stride * ow : stride]
                if slip == "overlap overwritten":
                    img[at] = col[:, :, i, j]
                else:
                    img[at] += col[:, :, i, j]
        return img

    def forward(x: Any, w: Any, b: Any) -> Any:
        f, _, k, _ = w.shape
        n, _, h, wd = x.shape
        col = im2col(x, k, 1)
        out = col @ w.reshape(f, -1).T + b
        return out.reshape(n, h - k + 1, wd - k + 1, f).transpose(0, 3, 1, 2), (x, w, col)

    def backward(dout: Array, cache: Any) -> Any:
        x, w, col = cache
        f, _, k, _ = w.shape
        flat = dout.transpose(0, 2, 3, 1).reshape(-1, f)
        db, dw = flat.sum(axis=0), (col.T @ flat).T.reshape(w.shape)
        kernel = w[:, :, ::-1, ::-1] if slip == "kernel flipped" else w
        dx = col2im(flat @ kernel.reshape(f, -1), x.shape, k, 1)
        if slip == "last sample only":
            places = len(flat) // len(x)
            dw = (col[-places:].T @ flat[-places:]).T.reshape(w.shape)
        if slip == "dw with the wrong order of axes":
            dw = (col.T @ dout.reshape(-1, f)).T.reshape(w.shape)
        return dx, dw, db

    r = rand(24, dt)
    return check_backward(forward, backward, (r(3, 2, 5, 6), r(4, 2, 3, 3), r(4)))


@impl("conv and pool classes", "compare_layers", {
    "overlap overwritten": (("x", "conv1 input", "conv1.input"), OVERLAP),
    "last window only": (("conv1.w", "conv1.weights", "w"), LAST),
    "kernel flipped": (("conv1.w", "w"), r"flip|turned"),
    "pool to every element": ((), MASK),
})  # fmt: skip
def classes(slip: Any, dt: Any) -> Any:
    r = rand(25, dt)

    class Conv:
        def __init__(self) -> None:
            self.w, self.b = r(3, 2, 2, 2), r(3)

        def forward(self, x: Any) -> Any:
            self.x = x
            n, _, h, w = x.shape
            out = np.zeros((n, 3, h - 1, w - 1))
            for i in range(h - 1):
                for j in range(w - 1):
                    part = x[:, :, i : i + 2, j : j + 2]
                    out[:, :, i, j] = np.tensordot(part, self.w, ((1, 2, 3), (1, 2, 3))) + self.b
            return out

        def backward(self, g: Array) -> Array:
            self.dw, self.db = np.zeros_like(self.w), g.sum(axis=(0, 2, 3))
            dx = np.zeros_like(self.x)
            for i in range(g.shape[2]):
                for j in range(g.shape[3]):
                    part = self.x[:, :, i : i + 2, j : j + 2]
                    share = np.tensordot(g[:, :, i, j], part, ((0,), (0,)))
                    if slip == "last window only":
                        self.dw = share
                    elif slip == "kernel flipped":
                        self.dw += share[:, :, ::-1, ::-1]
                    else:
                        self.dw += share
                    back = np.tensordot(g[:, :, i, j], self.w, ((1,), (0,)))
                    if slip == "overlap overwritten":
                        dx[:, :, i : i + 2, j : j + 2] = back
                    else:
                        dx[:, :, i : i + 2, j : j + 2] += back
            return dx

    class Pool:
        def forward(self, x: Any) -> Any:
            self.x = x
            n, c, h, w = x.shape
            out = np.zeros((n, c, h // 2, w // 2))
            for i in range(h // 2):
                for j in range(w // 2):
                    out[:, :, i, j] = x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max(axis=(2, 3))
            return out

        def backward(self, g: Array) -> Array:
            dx = np.zeros_like(self.x)
            for i in range(g.shape[2]):
                for j in range(g.shape[3]):
                    at = np.s_[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                    part = self.x[at]
                    mask = part == part.max(axis=(2, 3), keepdims=True)
                    if slip == "pool to every element":
                        mask = np.ones_like(part)
                    dx[at] += mask * g[:, :, i, j][:, :, None, None]
            return dx

    class Flatten:
        def forward(self, x: Any) -> Any:
            self.shape = x.shape
            return x.reshape(len(x), -1)

        def backward(self, g: Array) -> Array:
            return g.reshape(self.shape)

    def loss(p: Any, t: Any) -> Any:
        return ((p - t) ** 2).sum()

    def loss_grad(p: Any, t: Any) -> Any:
        return 2 * (p - t)

    layers = {"conv1": Conv(), "pool": Pool(), "flatten": Flatten()}
    return compare_layers(layers, loss, loss_grad, r(4, 2, 5, 7), r(4, 18))
