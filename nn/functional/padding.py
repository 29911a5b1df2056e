"""Frames around an array."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import Tensor
from autograd_lite.engine import rules
from autograd_lite.engine.errors import MisfitError

__all__ = ["pad"]


# by PyTorch's word NumPy's
PADDINGS: dict[str, Any] = {
    "constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap",
}  # fmt: skip


def pad(
    input: Tensor, pad: tuple[int, ...] | list[int], mode: str = "constant", value: float = 0.0
) -> Tensor:
    """input framed by `value`: pad is (low, high) of the last axis, then of the one before, ...

    Other modes frame it by its elements: "reflect" mirrors them at the edge, "replicate" repeats
    the edge, "circular" goes on at the other end. Negative widths cut off. ValueError for another
    mode, an odd count of widths, more pairs than axes, or more than there is to mirror.

    >>> pad(Tensor([[1.0]]), (0, 2)).tolist()
    [[1.0, 0.0, 0.0]]
    """
    if mode not in PADDINGS:
        raise MisfitError(f"pad: the modes are {', '.join(PADDINGS)}, got {mode!r}")
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise MisfitError(
            f"pad: {tuple(pad)} are not pairs for at most {input.ndim} axes of {input.shape}"
        )
    pairs = [(0, 0)] * (input.ndim - len(pad) // 2)
    pairs += zip(pad[-2::-2], pad[::-2], strict=True)
    if mode != "constant":
        for axis, (low, high) in enumerate(pairs):
            if low or high:
                input = input[(slice(None),) * axis + (_framed(input, axis, low, high, mode),)]
        return input
    if min(pad, default=0) < 0:
        cut = zip(pairs, input.shape, strict=True)
        input = input[tuple([slice(max(-low, 0), n - max(-high, 0)) for (low, high), n in cut])]
    return rules.pad(input, [(max(low, 0), max(high, 0)) for low, high in pairs], value)


def _framed(input: Tensor, axis: int, low: int, high: int, mode: str) -> Any:
    """The places of the elements that frame an axis, and of its own."""
    n = input.shape[axis]
    cut = [max(-low, 0), max(-high, 0)]
    places = np.arange(n)
    if mode == "circular":  # only what is left goes round
        places, cut = places[cut[0] : n - cut[1]], [0, 0]
    most = {"reflect": n - 1, "circular": len(places)}.get(mode, max(low, high))
    if max(low, high) > most:
        raise MisfitError(
            f"pad: {mode} by ({low}, {high}) is too wide for axis {axis} of {n}, in an input of "
            f"shape {input.shape}: there are {max(most, 0)} elements for each side; take a "
            "narrower padding, or the mode 'replicate' or 'constant'"
        )
    framed = np.pad(places, (max(low, 0), max(high, 0)), PADDINGS[mode])
    return framed[cut[0] : len(framed) - cut[1]]
