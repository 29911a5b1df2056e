"""What convolutions, pooling and resampling have in common: numbers for each axis, batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from autograd_lite import Tensor
from autograd_lite.engine.rules import ops
from autograd_lite.engine.tensor import as_tensor

Sizes = tuple[int, ...]


def each(name: str, what: str, value: Any, d: int, least: int = 1) -> Sizes:
    """A number for each of d axes; ValueError for another count, or one that is too small.

    >>> each("conv2d", "stride", 2, 2)
    (2, 2)
    """
    if type(value) is int and value >= least:
        return (value,) * d
    given = tuple(value) if isinstance(value, Sequence) else (value,) * d
    given = given * d if len(given) == 1 else given
    if len(given) != d or not all(isinstance(n, int) and n >= least for n in given):
        raise ValueError(
            f"{name}: {what} is an int from {least}, or {d} of them, one for each axis; got {value}"
        )
    return given


def other_than(number: int, values: Sizes) -> Sizes:
    """The numbers as an operation takes them: () where all are its default."""
    return () if all(n == number for n in values) else values


def batched(name: str, input: Any, d: int, function: Callable[[Tensor], Any]) -> Any:
    """What a function of (n, c, *shape) gives, also for one sample, (c, *shape)."""
    x = as_tensor(input)
    if x.ndim not in (d + 1, d + 2):
        places = {1: "length", 2: "height, width"}.get(d, "depth, height, width")
        raise ValueError(
            f"{name}: the input has shape {x.shape}, and its axes should be (channels, "
            f"{places}), with the "
            "samples before them or not"
        )
    if x.ndim == d + 2:
        return function(x)
    y = function(ops.reshape(x, shape=(1, *x.shape)))
    if isinstance(y, tuple):
        return tuple([ops.reshape(t, shape=t.shape[1:]) for t in y])
    return ops.reshape(y, shape=y.shape[1:])


def framed(x: Tensor, pairs: Sequence[tuple[int, int]], value: float = 0.0) -> Tensor:
    """x with so many elements before and after along its last axes; fewer for negative numbers."""
    if not any(map(any, pairs)):
        return x
    pairs = [(0, 0)] * (x.ndim - len(pairs)) + list(pairs)
    if any(low < 0 or high < 0 for low, high in pairs):
        cut = [
            slice(max(-low, 0), n - max(-high, 0))
            for (low, high), n in zip(pairs, x.shape, strict=True)
        ]
        x = ops.getitem(x, index=tuple(cut))
    width = tuple([(max(low, 0), max(high, 0)) for low, high in pairs])
    return ops.pad(x, width=width, value=value) if any(map(any, width)) else x
