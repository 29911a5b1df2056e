"""Normalisations as functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_lite import Tensor
from autograd_lite.engine import rules
from autograd_lite.engine.errors import MisfitError
from autograd_lite.engine.op import Op
from autograd_lite.engine.rules import ops
from autograd_lite.engine.tensor import as_tensor
from autograd_lite.fused import WHOLE, Fused

from .affine import of_rows

__all__ = [
    "batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "normalize",
    "rms_norm",
]  # fmt: skip


_step = Op(
    "step", lambda running, value, m, factor: (1 - m) * running + m * (value.reshape(-1) * factor)
)


_standardize = Op(  # keeps what it computes on the record, where the statistics need no gradient
    "standardize",
    lambda x, mean, var, eps: (x - mean) / np.sqrt(var + eps),
    lambda g, y, x, mean, var, eps: g / np.sqrt(var + eps),
    None,
    None,
)


_kept = Op("kept", lambda running, shape: running.reshape(shape).copy())


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel (axis 1) shifted and scaled to mean 0 and variance 1, then weight and bias.

    In training the mean and the biased variance are those of the batch, and the running ones take
    a step of `momentum` towards the mean and the unbiased variance; otherwise the running ones are
    used. ValueError for fewer than two values per channel in training. Ioffe and Szegedy 2015,
    https://arxiv.org/abs/1502.03167.

    >>> batch_norm(Tensor([[1.0], [3.0]]), None, None, training=True, eps=0).tolist()
    [[-1.0], [1.0]]
    """
    input = as_tensor(input)
    if input.ndim < 2:
        raise MisfitError(f"batch_norm: shape {input.shape} has no axis 1, the channels")
    for t in (running_mean, running_var, weight, bias):
        if t is not None and t.shape != input.shape[1:2]:
            raise MisfitError(
                f"batch_norm: the input of shape {input.shape} has {input.shape[1]} channels "
                f"(axis 1), and a statistic, weight or bias has shape {t.shape}"
            )
    axes = (0, *range(2, input.ndim))
    along = (1, -1) + (1,) * (input.ndim - 2)  # the shape of something per channel
    if training:
        n = math.prod([input.shape[i] for i in axes])
        if n < 2:
            raise MisfitError(
                f"batch_norm: shape {input.shape} has {n} value(s) per channel, and the statistics "
                "of a batch need two or more; use a larger batch"
                + (", or eval()" if running_mean is not None else "")
            )
        mean = ops.mean(input, axis=axes, keepdims=True)
        centred = input - mean
        var = ops.mean(ops.power(centred, p=2), axis=axes, keepdims=True)
        if running_mean is not None:
            running_mean._move(_step, mean, momentum, 1.0)
        if running_var is not None:
            running_var._move(_step, var, momentum, n / (n - 1))
        scale = (1 if weight is None else weight.reshape(along)) / ops.sqrt(var + eps)
        y = centred * scale  # a product with few scales takes fewer passes than a division
    elif running_mean is None or running_var is None:
        raise MisfitError("batch_norm: without training it needs running_mean and running_var")
    else:
        mean, var = _kept(running_mean, shape=along), _kept(running_var, shape=along)
        mean.name, var.name = "running_mean", "running_var"
        y = _standardize(input, mean, var, eps=eps)
        return _scaled_by_channel(y, weight, bias)
    return y if bias is None else y + bias.reshape(along)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`batch_norm` of each sample alone: each channel (axis 1) of each shifted and scaled to mean 0
    and variance 1, then weight and bias.

    The running statistics take a step towards the means over the batch; they are used without
    `use_input_stats`. ValueError for fewer than two values per channel. Ulyanov et al. 2016,
    https://arxiv.org/abs/1607.08022.

    >>> instance_norm(Tensor([[[1.0, 3.0]], [[5.0, 5.0]]]), eps=1e-20).tolist()
    [[[-1.0, 1.0]], [[0.0, 0.0]]]
    """
    input = as_tensor(input)
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    n = math.prod(input.shape[2:])
    if input.ndim < 3 or n < 2:
        raise MisfitError(
            f"instance_norm: shape {input.shape} has {n if input.ndim > 2 else 'no'} value(s) per "
            "channel and sample, and their statistics need two or more"
        )
    axes = tuple(range(2, input.ndim))
    mean = ops.mean(input, axis=axes, keepdims=True)
    centred = input - mean
    var = ops.mean(ops.power(centred, p=2), axis=axes, keepdims=True)
    for running, value, factor in ((running_mean, mean, 1.0), (running_var, var, n / (n - 1))):
        if running is not None:
            running._move(_step, ops.mean(value, axis=0, keepdims=True), momentum, factor)
    return _scaled_by_channel(centred / ops.sqrt(var + eps), weight, bias)


def _scaled_by_channel(y: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    along = (1, -1) + (1,) * (y.ndim - 2)
    if weight is not None:
        y = y * weight.reshape(along)
    return y if bias is None else y + bias.reshape(along)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """The channels (axis 1) of each sample in groups, each group shifted and scaled to mean 0 and
    variance 1, then weight and bias of every channel.

    ValueError unless the groups divide the channels. Wu and He 2018,
    https://arxiv.org/abs/1803.08494.

    >>> group_norm(Tensor([[1.0, 3.0, 5.0, 9.0]]), 2, eps=1e-20).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    input = as_tensor(input)
    if input.ndim < 2 or num_groups < 1 or input.shape[1] % num_groups:
        raise MisfitError(
            f"group_norm: {num_groups} groups do not divide the channels (axis 1) of shape "
            f"{input.shape}"
        )
    n = math.prod(input.shape[1:]) // num_groups
    if n * input.shape[0] == 1:
        raise MisfitError(
            f"group_norm: shape {input.shape} has 1 value in each of {num_groups} groups, and "
            "their statistics need two or more"
        )
    x = input.reshape((input.shape[0], num_groups, n))
    centred = x - ops.mean(x, axis=2, keepdims=True)
    var = ops.mean(ops.power(centred, p=2), axis=2, keepdims=True)
    y = (centred / ops.sqrt(var + eps)).reshape(input.shape)
    return _scaled_by_channel(y, weight, bias)


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """input / (k + alpha * the mean square of `size` neighbouring channels) ** beta.

    The channels are axis 1; beyond them the squares are 0. ValueError for fewer than 3 axes.
    Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural networks".

    >>> local_response_norm(Tensor([[[1.0], [1.0]]]), 2, alpha=2.0, beta=1.0).tolist()
    [[[0.5], [0.3333333432674408]]]
    """
    if input.ndim < 3 or size < 1:
        raise MisfitError(
            f"local_response_norm: needs 3 axes or more, and a size of at least 1; got shape "
            f"{input.shape} and size {size}"
        )
    frame = [(0, 0)] * input.ndim
    frame[1] = (size // 2, (size - 1) // 2)
    squares = rules.pad(ops.power(input, p=2), frame, 0.0)
    mean = rules.mean(squares.unfold(1, size, 1), -1)
    return input / (k + alpha * mean) ** beta


def layer_norm(
    input: Tensor,
    normalized_shape: int | tuple[int, ...] | list[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """The last axes, of shape `normalized_shape`, shifted and scaled to mean 0 and variance 1.

    The variance is biased; then weight and bias. ValueError if the input's last axes are others.
    Ba et al. 2016, https://arxiv.org/abs/1607.06450.

    >>> layer_norm(Tensor([[1.0, 3.0]]), (2,), eps=0).tolist()
    [[-1.0, 1.0]]
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or input.shape[-len(shape) :] != shape:
        raise MisfitError(
            f"layer_norm: the last axes of shape {input.shape} are not {shape}, which "
            "normalized_shape asks for"
        )
    axes = tuple(range(input.ndim - len(shape), input.ndim))
    return _fused_layer_norm(input, weight, bias, axes=axes, eps=eps)[0]


def _layer_norm(
    input: Tensor, weight: Any, bias: Any, axes: Any, eps: float, named: bool = False
) -> tuple[Tensor]:
    """What the fused operation is made of."""
    centred = input - ops.mean(input, axis=axes, keepdims=True)
    var = ops.mean(ops.power(centred, p=2), axis=axes, keepdims=True)
    y = centred * (1 / ops.sqrt(var + eps))
    if weight is not None:
        y = y * weight
    return (y if bias is None else y + bias,)


def _normalised(x: Any, weight: Any, bias: Any, axes: Any, eps: float) -> Any:
    """In two arrays what the operations need seven for; kept are what is normal, as rows, and its
    scale."""
    shape = x.shape[axes[0] :]
    fits = {w.shape for w in (weight, bias) if w is not None} <= {shape}
    if not (fits and x.size and x.itemsize >= 4):
        raise ValueError("no rows, float16, and what broadcasts are left to the operations")
    n = math.prod(shape)
    d = x.reshape(-1, n)
    d = d - np.add.reduce(d, axis=1, keepdims=True) / n
    scale = 1 / np.sqrt(np.vecdot(d, d)[:, None] / n + eps)
    d *= scale
    y = d.copy() if weight is None else d * weight.reshape(n)
    if bias is not None:
        y += bias.reshape(n)
    return y.reshape(x.shape), WHOLE, (d, scale)


def _of_normalised(g: Any, kept: Any, *inputs: Any, places: Any, axes: Any, eps: float) -> Any:
    return g.reshape(kept[0].shape)


def _of_input(g: Any, kept: Any, x: Any, weight: Any, bias: Any) -> Any:
    d, scale = kept
    n = d.shape[1]
    found = g.copy() if weight is None else g * weight.reshape(n)
    along = np.vecdot(found, d)[:, None] / n
    found -= np.add.reduce(found, axis=1, keepdims=True) / n
    found -= d * along
    found *= scale
    return found.reshape(x.shape)


_fused_layer_norm = Fused(
    "layer_norm",
    _layer_norm,
    _normalised,
    _of_normalised,
    _of_input,
    lambda g, kept, x, w, b: of_rows(g * kept[0]).reshape(w.shape),
    lambda g, kept, x, w, b: of_rows(g).reshape(b.shape),
)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """input divided by its p-norm along `dim`, or by eps where the norm is less.

    >>> normalize(Tensor([[3.0, 4.0]])).tolist() == Tensor([[0.6, 0.8]]).tolist()
    True
    """
    return input / rules.clip(rules.norm(input, p, dim, keepdims=True), min=eps)


def rms_norm(
    input: Tensor,
    normalized_shape: int | tuple[int, ...] | list[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """The last axes divided by the root of the mean of their squares, then scaled by weight.

    eps is that of the dtype unless given. Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467.

    >>> rms_norm(Tensor([[3.0, 3.0]]), (2,)).tolist()
    [[1.0, 1.0]]
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or input.shape[-len(shape) :] != shape:
        raise MisfitError(
            f"rms_norm: the last axes of shape {input.shape} are not {shape}, which "
            "normalized_shape asks for"
        )
    eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    axes = tuple(range(input.ndim - len(shape), input.ndim))
    y = input / ops.sqrt(ops.mean(ops.power(input, p=2), axis=axes, keepdims=True) + eps)
    return y if weight is None else y * weight
