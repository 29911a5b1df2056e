"""Other sizes and random numbers for layers, where the data given hide mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np

from ...engine.tape import Array
from .calls import Layer, copies
from .execution import IN, N


def samples(arrays: Sequence[Array]) -> int:
    """How many samples an input and the outputs of layers are of: the size of the axis that is the
    same in all, of the first where both are; 0 if that cannot be said.

    >>> samples([np.zeros((3, 1)), np.zeros((4, 1)), np.zeros((2, 1))])
    1
    """
    if any(a.ndim != 2 for a in arrays):
        return 0
    same = [axis for axis in (0, 1) if len({a.shape[axis] for a in arrays}) == 1]
    return arrays[0].shape[same[0]] if same else 0


def enlarged(
    layers: Sequence[Layer],
    features: int,
    in_first: bool,
    batch: tuple[int, bool],
    rng: np.random.Generator,
) -> tuple[Layer, ...] | None:
    """The layers with random parameters for `inputs(n)` inputs and outputs of other numbers, for a
    `batch` of n, and whether it has one output; None if it cannot be said which sizes those have.

    `features` is the axis of the features of the data; `in_first` says that weights are (in, out).
    """
    n, one = batch
    found = copies(layers)
    last = [layer.own for layer in found if layer.weight()][-1:]
    now, seen = inputs(n), set()
    first = now
    sizes = (size for size in count(IN + 1) if size not in (n, N, first))
    for layer in found:
        values, weight = layer.values(), layer.weight()
        if id(layer.own) in seen or not values:
            continue
        seen.add(id(layer.own))
        before = now
        if weight:
            if values[weight].ndim != 2:
                return None
            now = 1 if one and layer.own is last[0] else next(sizes)
            shape = (before, now) if in_first else (now, before)
            layer.put(weight, rng.standard_normal(shape) / np.sqrt(before))
        for p, a in values.items():
            if p != weight:
                if a.ndim > 2 or (a.ndim == 2 and 1 not in a.shape):
                    return None
                layer.put(p, rng.standard_normal(with_features(a.shape, features, now)))
    return found


def with_features(shape: tuple[int, ...], features: int, size: int) -> list[int]:
    """The shape of a bias for another number of features."""
    other = list(shape)
    if other:
        other[-1 if features else 0] = size
    return other


def inputs(n: int) -> int:
    """The number of features of the data for `n` samples: another one."""
    return IN if n != IN else 7


def layouts() -> Iterator[tuple[int, bool]]:
    """Rows or columns of data, weights (in, out) or (out, in)."""
    for features in (1, 0):
        for in_first in (True, False):
            yield features, in_first


def like_target(
    y: Array, shape: tuple[int, ...], features: int, rng: np.random.Generator
) -> Array | None:
    """A random target of the kind of `y` (classes, one-hot, shares, 0 or 1, in [0, 1], any) for
    predictions of `shape`; None if `y` is of no such kind."""
    if len(shape) != 2 or y.ndim not in (1, 2) or y.dtype.kind not in "fiub":
        return None
    n, k = shape[1 - features], shape[features]
    if y.ndim == 1:
        return rng.integers(k, size=n) if y.dtype.kind in "iu" else None
    binary = set(np.unique(y)) <= {0, 1}
    if np.allclose(y.sum(features), 1):
        t = np.eye(k)[rng.integers(k, size=n)] if binary else rng.dirichlet(np.ones(k), n)
        return t if features else t.T
    if binary:
        return rng.integers(2, size=shape).astype(np.float64)
    if y.min(initial=0) >= 0 and y.max(initial=0) <= 1:
        return rng.uniform(0.1, 0.9, shape)
    return rng.standard_normal(shape)
