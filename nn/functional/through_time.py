"""Recurrent layers by hand: all steps of a layer forward and backward on arrays.

Each is one record of `recurrent`, which says what it is made of. One product serves the inputs of
all steps, and one each weight's gradient; a step multiplies with weight_hh alone. The rows of x are
those of all steps, one step after another; in each step some of the first sequences run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

Array = Any


def spans(sizes: Sequence[int], reverse: bool) -> list[tuple[slice, int]]:
    """The rows of every step in the order they run, and how many they are."""
    ends = np.cumsum(sizes).tolist()
    found = [(slice(end - n, end), n) for n, end in zip(sizes, ends, strict=True)]
    return found[::-1] if reverse else found


def rows(x: Array) -> Array:
    """The elements of (length, batch, size) as rows; those of a packed sequence are rows."""
    return x.reshape(-1, x.shape[-1])


def parts(z: Array, n: int) -> list[Array]:
    """The gates in a row of `n`."""
    size = z.shape[1] // n
    return [z[:, k * size : (k + 1) * size] for k in range(n)]


def inputs(x: Array, w: Array, *biases: Array) -> Array:
    """What the inputs of all steps give to them."""
    a = rows(x) @ w.T
    for b in biases:
        if b is not None:
            a += b
    return a


class Found(NamedTuple):
    """The gradients that all others are made of: of what the inputs and what the state before gave
    to every step, as rows, and of the first states."""

    given: Array
    carried: Array
    first: list[Array]


class Steps:
    """A kind of recurrent layer: `forward`, `shared` and the rules of a `Fused`.

    The inputs are x, weight_ih, weight_hh, bias_ih, bias_hh and the first states.
    """

    def forward(
        self, x: Array, w: Array, u: Array, b: Array, bh: Array, *first: Array, sizes: Any,
        reverse: bool,
    ) -> Any:  # fmt: skip
        """The outputs in one array, where they are, and what backward needs."""
        packed, steps, batch = x.ndim == 2, len(x), len(first[0])
        shape = (steps + batch * len(first),) if packed else (steps + len(first), batch)
        y = np.empty((*shape, first[0].shape[-1]), x.dtype)
        places: list[Any] = [slice(0, steps)]
        for k in range(len(first)):
            start = steps + k * batch
            places.append(slice(start, start + batch) if packed else steps + k)
        state, order = [s.copy() for s in first], spans(sizes, reverse)
        kept = self.run(x, w, u, b, bh, state, order, rows(y[:steps]))
        for place, s in zip(places[1:], state, strict=True):
            y[place] = s
        return y, places, kept

    def shared(
        self, g: Array, kept: Any, x: Array, w: Array, u: Array, *others: Array, places: Any,
        sizes: Any, reverse: bool,
    ) -> Found:  # fmt: skip
        """What all gradients are made of, from the last step to the first."""
        first = [g[place].copy() for place in places[1:]]
        order = spans(sizes, reverse)[::-1]
        return Found(*self.back(rows(g[places[0]]), first, u, order, *kept), first)

    def run(self, *args: Any) -> tuple[Array, ...]:
        """All steps: what is kept, the states before each step first."""
        raise NotImplementedError

    def back(self, *args: Any) -> tuple[Array, Array]:
        """The gradients of what inputs and states gave; those of the states follow in place."""
        raise NotImplementedError

    rules = (
        lambda d, kept, x, w, *others: (d.given @ w).reshape(x.shape),
        lambda d, kept, x, *others: (rows(x).T @ d.given).T,
        lambda d, kept, *others: (kept[0].T @ d.carried).T,
        lambda d, kept, *others: d.given.sum(0),
        lambda d, kept, *others: d.carried.sum(0),
        lambda d, kept, *others: d.first[0],
        lambda d, kept, *others: d.first[1],
    )


class Plain(Steps):
    """h = activation(x @ w.T + b + h @ u.T + bh)."""

    def __init__(self, activation: str) -> None:
        self.activation = activation

    def run(
        self, x: Array, w: Array, u: Array, b: Array, bh: Array, state: Any, order: Any, out: Array
    ) -> tuple[Array, ...]:
        y = inputs(x, w, b, bh)
        before, (h,), ut = np.empty_like(y), state, u.T
        for at, n in order:
            before[at] = h[:n]
            z = y[at]
            z += before[at] @ ut
            if self.activation == "tanh":
                np.tanh(z, out=z)
            else:
                np.maximum(z, 0, out=z)
            h[:n] = z
        out[...] = y
        return before, y

    def back(
        self, g: Array, first: Any, u: Array, order: Any, before: Array, y: Array
    ) -> tuple[Array, Array]:
        d = 1 - y * y if self.activation == "tanh" else (y > 0).astype(y.dtype)
        (dh,) = first
        for at, n in order:
            z = d[at]
            z *= dh[:n] + g[at]
            np.matmul(z, u, out=dh[:n])
        return d, d


class LSTM(Steps):
    """c = f * c + i * g, h = o * tanh(c), with the gates i, f, g, o of one matrix."""

    def run(
        self, x: Array, w: Array, u: Array, b: Array, bh: Array, state: Any, order: Any, out: Array
    ) -> tuple[Array, ...]:
        # sigmoid(z) = tanh(z / 2) / 2 + 1 / 2: so all gates are one tanh, in fewer passes
        size = len(u) // 4
        half = np.full(4 * size, 0.5, u.dtype)
        half[2 * size : 3 * size] = 1
        rest = 1 - half
        a = inputs(x, w, b, bh)
        a *= half
        ut = u.T * half
        before, tanh_c = np.empty((2, len(a), size), a.dtype)
        c_before, (h, c) = np.empty_like(before), state
        for at, n in order:
            before[at], c_before[at] = h[:n], c[:n]
            z = a[at]
            z += before[at] @ ut
            np.tanh(z, out=z)
            z *= half
            z += rest
            i, f, g, o = parts(z, 4)
            c[:n] *= f
            c[:n] += i * g
            h[:n] = np.multiply(o, np.tanh(c[:n], out=tanh_c[at]), out=out[at])
        return before, a, c_before, tanh_c

    def back(
        self, grad: Array, first: Any, u: Array, order: Any, before: Array, a: Array,
        c_before: Array, tanh_c: Array,
    ) -> tuple[Array, Array]:  # fmt: skip
        d, (dh, dc) = np.empty_like(a), first
        for at, n in order:
            z, dz, tc = a[at], d[at], tanh_c[at]
            i, f, g, o = parts(z, 4)
            di, df, dg, do = parts(dz, 4)
            slope = z * (1 - z)  # of the sigmoids
            np.subtract(1, g * g, out=parts(slope, 4)[2])
            h = dh[:n] + grad[at]
            np.multiply(h, tc, out=do)
            h *= o
            h -= h * tc * tc
            h += dc[:n]  # the whole gradient of c
            np.multiply(h, g, out=di)
            np.multiply(h, c_before[at], out=df)
            np.multiply(h, i, out=dg)
            dz *= slope
            np.multiply(h, f, out=dc[:n])
            np.matmul(dz, u, out=dh[:n])
        return d, d


class GRU(Steps):
    """h = (1 - z) * n + z * h, with the gates r and z, and n = tanh(x part + r * h part)."""

    def run(
        self, x: Array, w: Array, u: Array, b: Array, bh: Array, state: Any, order: Any, out: Array
    ) -> tuple[Array, ...]:
        # gates and new values in arrays of their own: parts of rows take twice the time
        size = len(u) // 3
        (b, bn), (bh, bias) = [
            (None, None) if c is None else (c[: 2 * size], c[2 * size :]) for c in (b, bh)
        ]
        gates, news = inputs(x, w[: 2 * size], b, bh), inputs(x, w[2 * size :], bn)
        gates *= 0.5  # sigmoid(z) = tanh(z / 2) / 2 + 1 / 2
        ut, un = u[: 2 * size].T * 0.5, u[2 * size :].T
        before, hidden = np.empty((2, *news.shape), news.dtype)
        (h,) = state
        for at, n in order:
            before[at] = h[:n]
            g, q, new = gates[at], hidden[at], news[at]
            g += before[at] @ ut
            np.tanh(g, out=g)
            g *= 0.5
            g += 0.5
            r, z = parts(g, 2)
            np.matmul(before[at], un, out=q)
            if bias is not None:
                q += bias
            new += r * q
            np.tanh(new, out=new)
            h[:n] -= new
            h[:n] *= z
            h[:n] += new
            out[at] = h[:n]
        return before, gates, news, hidden

    def back(
        self, grad: Array, first: Any, u: Array, order: Any, before: Array, gates: Array,
        news: Array, hidden: Array,
    ) -> tuple[Array, Array]:  # fmt: skip
        d, carried = np.empty((2, len(news), len(u)), news.dtype)
        (dh,) = first
        for at, n in order:
            (r, z), new = parts(gates[at], 2), news[at]
            dr, dz, dn = parts(d[at], 3)
            slope = 1 - gates[at]
            h = dh[:n] + grad[at]
            found = h * parts(slope, 2)[1]
            slope *= gates[at]  # of the sigmoids
            found -= found * new * new
            dn[...] = found
            np.multiply(h, before[at] - new, out=dz)
            np.multiply(found, hidden[at], out=dr)
            d[at][:, : gates.shape[1]] *= slope
            q = carried[at]
            q[...] = d[at]
            q[:, gates.shape[1] :] *= r
            np.matmul(q, u, out=dh[:n])
            h *= z
            dh[:n] += h
        return d, carried
