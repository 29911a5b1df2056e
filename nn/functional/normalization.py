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

__all__ = ["batch_norm", "layer_norm", "normalize", "rms_norm"]


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
        if weight is not None:
            y = y * weight.reshape(along)
    return y if bias is None else y + bias.reshape(along)


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
    centred = input - ops.mean(input, axis=axes, keepdims=True)
    var = ops.mean(ops.power(centred, p=2), axis=axes, keepdims=True)
    y = centred * (1 / ops.sqrt(var + eps))
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias


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
