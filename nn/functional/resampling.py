"""Images of another size: interpolation, and channels exchanged for pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_lite import Tensor
from autograd_lite.engine.rules import ops
from autograd_lite.engine.tensor import as_tensor

from .pooling import _adaptive_avg, along_axes

__all__ = [
    "channel_shuffle", "interpolate", "pixel_shuffle", "pixel_unshuffle", "upsample",
    "upsample_bilinear", "upsample_nearest",
]  # fmt: skip

# the axes that a mode is for; any number where there is none
MODES = {
    "nearest": 0, "nearest-exact": 0, "area": 0, "linear": 1, "bilinear": 2, "trilinear": 3,
    "bicubic": 2,
}  # fmt: skip


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Input (n, c, *shape) resampled to `size`, or to `scale_factor` times its size.

    Modes are "nearest", "nearest-exact", "area", "linear" for one axis, "bilinear" and "bicubic"
    for two, "trilinear" for three. With `align_corners` the first and the last elements stay where
    they are, else the outer edges do. ValueError for another mode, and unless one of the two sizes
    is given; NotImplementedError for antialias.

    >>> interpolate(Tensor([[[1.0, 2.0]]]), scale_factor=2).tolist()
    [[[1.0, 1.0, 2.0, 2.0]]]
    >>> interpolate(Tensor([[[1.0, 3.0]]]), size=3, mode="linear", align_corners=True).tolist()
    [[[1.0, 2.0, 3.0]]]
    """
    x = as_tensor(input)
    d = x.ndim - 2
    if mode not in MODES or (MODES[mode] or d) != d or d not in (1, 2, 3):
        raise ValueError(
            f"interpolate: mode {mode!r} for an input of shape {x.shape}, (n, c, *sizes); "
            f"the modes are {', '.join(MODES)}"
        )
    if antialias:
        raise NotImplementedError("interpolate: antialias; average before, as by avg_pool2d")
    if align_corners is not None and mode in ("nearest", "nearest-exact", "area"):
        raise ValueError(f"interpolate: align_corners is not for mode {mode!r}")
    shape = x.shape[2:]
    out, scales = resized(size, scale_factor, shape, bool(recompute_scale_factor))
    if mode == "area":
        return _adaptive_avg("interpolate", d, x, out)
    steps = [(s and 1 / s) or n / o for s, n, o in zip(scales, shape, out, strict=True)]
    along = [*zip(shape, out, steps, strict=True)]
    if mode.startswith("nearest"):
        half = 0.5 * (mode == "nearest-exact")
        return picked(x, [nearest(n, o, step, half) for n, o, step in along])
    weights = cubic if mode == "bicubic" else linear
    return along_axes(
        x, [matrix(n, o, s, bool(align_corners), weights, x.dtype) for n, o, s in along]
    )


def resized(size: Any, scale: Any, shape: Any, again: bool) -> tuple[tuple[int, ...], list[Any]]:
    """The output size for each axis, and the scale where that is what maps places."""
    if (size is None) == (scale is None):
        raise ValueError("interpolate: give size or scale_factor, one of them")
    d = len(shape)
    given = size if scale is None else scale
    given = tuple(given) if isinstance(given, tuple | list) else (given,) * d
    if len(given) != d:
        raise ValueError(f"interpolate: {given} is not one number for each axis of {shape}")
    if scale is None and again:
        raise ValueError("interpolate: recompute_scale_factor is for scale_factor, not for size")
    if scale is None:
        return tuple(map(int, given)), [None] * d
    out = tuple([math.floor(n * s) for n, s in zip(shape, given, strict=True)])
    if min(out) < 1:
        raise ValueError(f"interpolate: {shape} times {given} is {out}, which is empty")
    return out, [None] * d if again else list(given)


def nearest(n: int, out: int, step: float, half: float) -> Any:
    return np.minimum(np.floor((np.arange(out) + half) * step).astype(np.int64), n - 1)


def picked(x: Tensor, places: list[Any]) -> Tensor:
    """The elements at these places along the last axes; whole repetitions by a broadcast, whose
    gradient is a sum."""
    d = len(places)
    shape = x.shape[-d:]
    times = [len(p) // n for p, n in zip(places, shape, strict=True)]
    if all(
        np.array_equal(p, np.arange(n).repeat(t))
        for p, n, t in zip(places, shape, times, strict=True)
    ):
        lead = x.shape[:-d]
        split = ops.reshape(x, shape=(*lead, *[m for n in shape for m in (n, 1)]))
        both = [m for n, t in zip(shape, times, strict=True) for m in (n, t)]
        whole = ops.expand(split, shape=(*lead, *both))
        return ops.reshape(whole, shape=(*lead, *[len(p) for p in places]))
    for i, p in enumerate(places, x.ndim - d):
        x = ops.getitem(x, index=(slice(None),) * i + (p,))
    return x


def linear(source: Any, n: int) -> Any:
    source = np.maximum(source, 0)
    low = np.minimum(np.floor(source).astype(int), n - 1)
    part = source - low
    return [(low, 1 - part), (np.minimum(low + 1, n - 1), part)]


def cubic(source: Any, n: int) -> Any:
    """The four neighbours and their weights, of Keys' kernel with a = -0.75."""
    a = -0.75
    low = np.floor(source).astype(int)
    found = []
    for k in range(-1, 3):
        t = np.abs(source - low - k)
        near = ((a + 2) * t - (a + 3)) * t * t + 1
        far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
        found.append((np.clip(low + k, 0, n - 1), np.where(t <= 1, near, far)))
    return found


def matrix(
    n: int, out: int, step: float, corners: bool, weights: Callable[[Any, int], Any], dtype: Any
) -> Any:
    """The matrix (out, n) that interpolates along an axis."""
    i = np.arange(out)
    if corners:
        source = i * ((n - 1) / (out - 1) if out > 1 else 0.0)
    else:
        source = (i + 0.5) * step - 0.5
    m = np.zeros((out, n))
    for at, share in weights(source, n):
        np.add.at(m, (i, at), share)
    return m.astype(dtype)


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """`interpolate` under its old name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode "nearest"."""
    return interpolate(input, size, scale_factor)


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode "bilinear" and align_corners."""
    return interpolate(input, size, scale_factor, "bilinear", True)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(..., c * r * r, h, w) as (..., c, h * r, w * r), for r = upscale_factor.

    >>> pixel_shuffle(Tensor([[[1.0]], [[2.0]], [[3.0]], [[4.0]]]), 2).tolist()
    [[[1.0, 2.0], [3.0, 4.0]]]
    """
    x, r = as_tensor(input), upscale_factor
    if x.ndim < 3 or r < 1 or x.shape[-3] % (r * r):
        raise ValueError(
            f"pixel_shuffle: the channels of {x.shape} (axis -3) are no multiple of {r} * {r}"
        )
    *lead, c, h, w = x.shape
    n = len(lead)
    y = ops.reshape(x, shape=(*lead, c // (r * r), r, r, h, w))
    y = ops.permute(y, axes=(*range(n + 1), n + 3, n + 1, n + 4, n + 2))
    return ops.reshape(y, shape=(*lead, c // (r * r), h * r, w * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(..., c, h * r, w * r) as (..., c * r * r, h, w), for r = downscale_factor.

    >>> pixel_unshuffle(Tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2).tolist()
    [[[1.0]], [[2.0]], [[3.0]], [[4.0]]]
    """
    x, r = as_tensor(input), downscale_factor
    if x.ndim < 3 or r < 1 or x.shape[-2] % r or x.shape[-1] % r:
        raise ValueError(f"pixel_unshuffle: height and width of {x.shape} are no multiples of {r}")
    *lead, c, h, w = x.shape
    n = len(lead)
    y = ops.reshape(x, shape=(*lead, c, h // r, r, w // r, r))
    y = ops.permute(y, axes=(*range(n + 1), n + 2, n + 4, n + 1, n + 3))
    return ops.reshape(y, shape=(*lead, c * r * r, h // r, w // r))


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """(n, c, ...) with the channels of `groups` groups in turn.

    >>> channel_shuffle(Tensor([[[1.0], [2.0], [3.0], [4.0]]]), 2).tolist()
    [[[1.0], [3.0], [2.0], [4.0]]]
    """
    x = as_tensor(input)
    if x.ndim < 3 or groups < 1 or x.shape[1] % groups:
        raise ValueError(f"channel_shuffle: {groups} groups for the channels of {x.shape} (axis 1)")
    n, c, *rest = x.shape
    y = ops.reshape(x, shape=(n, groups, c // groups, *rest))
    return ops.reshape(ops.permute(y, axes=(0, 2, 1, *range(3, y.ndim))), shape=x.shape)
