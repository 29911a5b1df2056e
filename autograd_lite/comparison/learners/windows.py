"""Convolutions and pooling by loops, which make no tape: read as the operation that they are.

What a forward computes is found by its values. Of the usual layouts, strides and margins, those
whose output has the right shape are tried, until the numbers agree: then the gradients are those
of our operation, and the mistakes are looked for in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from ...engine.modes import enable_grad
from ...engine.rules import ops
from ...engine.tape import Array
from ...engine.tensor import Tensor

__all__ = ["Meant", "meant"]

# what the axes of data, kernels and outputs are: samples n, channels c, outputs o, places h and w
DATA = ("nchw", "nhwc", "chw", "hwc", "nhw", "hw", "ncw", "nwc", "cw", "wc", "w")
KERNELS = ("ochw", "hwco", "hwoc", "chw", "hwc", "ohw", "hwo", "hw", "ocw", "wco", "w")
OUTPUTS = ("nohw", "nhwo", "ohw", "hwo", "nhw", "hw", "now", "nwo", "ow", "wo", "w")
STRIDES, MARGINS, SIZES = range(1, 5), range(5), range(2, 6)
Sizes = dict[str, int]
Build = Callable[[Mapping[str, Tensor]], Tensor]


class Meant(NamedTuple):
    """An output recorded on tensors by name, what makes it of others, and what it was read as."""

    output: Tensor
    tensors: dict[str, Tensor]
    build: Build
    words: str


def meant(arrays: Mapping[str, Array], y: Array) -> Meant | None:
    """The operation that gives `y` from some of the arrays; None if none does."""
    y = np.asarray(y)
    if not y.size:
        return None
    floats = {name: a for name, a in arrays.items() if a.dtype.kind == "f" and a.ndim}
    for build, words in (*convolutions(floats, y), *poolings(floats, y)):
        tensors = {
            name: Tensor(a.copy(), requires_grad=a.dtype.kind == "f", name=name)
            for name, a in arrays.items()
        }
        with enable_grad():
            found = build(tensors)
        if found.shape == y.shape and np.allclose(found.array, y, 1e-6, 1e-6 * np.abs(y).max()):
            return Meant(found, tensors, build, words)
    return None


def sizes(letters: str, shape: tuple[int, ...]) -> Sizes | None:
    return dict(zip(letters, shape, strict=True)) if len(letters) == len(shape) else None


def fitting(readings: Sequence[str], a: Array) -> list[str]:
    """The readings of as many axes as an array has."""
    return [letters for letters in readings if len(letters) == a.ndim]


def places(letters: str) -> str:
    """The letters of the axes that windows move along."""
    return "".join(sorted(set(letters) & set("hw")))


def in_order(t: Any, letters: str, wanted: str) -> Any:
    """A tensor with its axes in this order; those that it has not are of size 1."""
    order = tuple([letters.index(c) for c in wanted if c in letters])
    if order != tuple(range(t.ndim)):
        t = ops.permute(t, axes=order)
    own = iter(t.shape)
    shape = tuple([next(own) if c in letters else 1 for c in wanted])
    return t if shape == t.shape else ops.reshape(t, shape=shape)


def back(y: Any, wanted: str, letters: str) -> Any:
    """The same the other way round."""
    shape = tuple([n for n, c in zip(y.shape, wanted, strict=True) if c in letters])
    y = y if shape == y.shape else ops.reshape(y, shape=shape)
    kept = [c for c in wanted if c in letters]
    order = tuple([kept.index(c) for c in letters])
    return y if order == tuple(range(y.ndim)) else ops.permute(y, axes=order)


def steps(n: Sizes, k: Sizes, o: Sizes, along: str) -> Iterator[tuple[int, int]]:
    """The strides and margins with which windows of k in n give o outputs, along every axis."""
    for s, p in product(STRIDES, MARGINS):
        if all((n[c] + 2 * p - k[c]) // s + 1 == o[c] for c in along):
            yield s, p


def convolutions(floats: Mapping[str, Array], y: Array) -> Iterator[tuple[Build, str]]:
    """Every way to read an output as a convolution, with a bias or without, flipped or not."""
    names = [*floats]
    for x, w in ((a, b) for a in names for b in names if a != b):
        readings = (fitting(DATA, floats[x]), fitting(KERNELS, floats[w]), fitting(OUTPUTS, y))
        for of_x, of_w, of_y in product(*readings):
            n = sizes(of_x, floats[x].shape)
            k = sizes(of_w, floats[w].shape)
            o = sizes(of_y, y.shape)
            if not (n and k and o) or not tied(n, k, o):
                continue
            along = places(of_x)
            rest = [b for b in names if b not in (x, w) and floats[b].size == k.get("o", 1)]
            for (s, p), b, turned in product(steps(n, k, o, along), [*rest, ""], (False, True)):
                yield convolution((x, w, b), (of_x, of_w, of_y), along, (s, p), turned)


def tied(n: Sizes, k: Sizes, o: Sizes) -> bool:
    """Whether data, kernel and output agree on channels, samples, outputs and places."""
    agree = ((n, k, "c"), (n, o, "n"), (k, o, "o"))
    along = [c for c in "hw" if c in n]
    return (
        all(a.get(c) == b.get(c) for a, b, c in agree)
        and all((c in n) == (c in k) == (c in o) for c in "hw")
        and all(k[c] <= n[c] for c in along)
        and max(k[c] for c in along) > 1
    )


def convolution(
    names: tuple[str, str, str],
    letters: tuple[str, str, str],
    along: str,
    step: tuple[int, int],
    turned: bool,
) -> tuple[Build, str]:
    (x, w, b), (of_x, of_w, of_y), (s, p) = names, letters, step
    d = len(along)

    def build(tensors: Mapping[str, Tensor]) -> Tensor:
        data = framed(in_order(tensors[x], of_x, f"nc{along}"), d, p)
        kernel = in_order(tensors[w], of_w, f"oc{along}")
        if turned:
            kernel = ops.flip(kernel, axis=tuple(range(2, d + 2)))
        y = ops.conv(data, kernel, **({"stride": (s,) * d} if s > 1 else {}))
        if b:
            y = y + ops.reshape(tensors[b], shape=(-1,) + (1,) * d)
        return back(y, f"no{along}", of_y)

    flipped = " with a flipped kernel" * turned
    return build, f"read as a convolution{flipped}, stride {s}, padding {p}"


def framed(x: Any, d: int, p: int) -> Any:
    width = ((0, 0), (0, 0), *((p, p),) * d)
    return ops.pad(x, width=width, value=0.0) if p else x


def poolings(floats: Mapping[str, Array], y: Array) -> Iterator[tuple[Build, str]]:
    """Every way to read an output as the largest elements of windows, or their means."""
    for x, a in floats.items():
        for of_x in DATA:
            n, o = sizes(of_x, a.shape), sizes(of_x, y.shape)
            if not n or not o or any(n[c] != o[c] for c in of_x if c in "nc"):
                continue
            along = places(of_x)
            for size in SIZES:
                k = dict.fromkeys(along, size)
                for s, p in steps(n, k, o, along):
                    if all(size <= n[c] for c in along):
                        yield pooling(x, of_x, along, size, s, p, True)
                        yield pooling(x, of_x, along, size, s, p, False)


def pooling(
    x: str, letters: str, along: str, size: int, s: int, p: int, largest: bool
) -> tuple[Build, str]:
    d = len(along)
    kw: dict[str, Any] = {"size": (size,) * d} | ({"stride": (s,) * d} if s > 1 else {})

    def build(tensors: Mapping[str, Tensor]) -> Tensor:
        data = framed(in_order(tensors[x], letters, f"nc{along}"), d, p)
        y = ops.max_pool(data, **kw) if largest else ops.window_sum(data, **kw) / size**d
        return back(y, f"nc{along}", letters)

    what = "the largest" if largest else "the mean"
    return build, f"read as {what} of windows of {size}, stride {s}, padding {p}"
