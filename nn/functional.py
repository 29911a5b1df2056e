"""Layers and losses as functions, with PyTorch's names, arguments and defaults.

Everything is composed from rows of the engine's table, so the gradients are derived, to any order,
and float32 stays float32. Rows of its own are the two binary cross-entropies, of probabilities,
whose slope PyTorch bounds at 0 and 1, and of logits, whose slope is sigmoid(x) - t, and what
`batch_norm` does in evaluation.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from autograd_lite import Tensor, default_generator
from autograd_lite.absent import missing
from autograd_lite.creation import drawn
from autograd_lite.engine import rules
from autograd_lite.engine.axes import from_zero
from autograd_lite.engine.modes import asked
from autograd_lite.engine.op import Op
from autograd_lite.engine.rules import logsigmoid, ops, sigmoid, softplus, tanh
from autograd_lite.engine.tensor import as_tensor, record
from autograd_lite.torch_words.arithmetic import xlogy

# what PyTorch has under this name, of which some are the engine's own functions
__all__ = [
    "batch_norm", "binary_cross_entropy", "binary_cross_entropy_with_logits", "celu",
    "cosine_embedding_loss", "cosine_similarity", "cross_entropy", "dropout", "elu", "embedding",
    "gaussian_nll_loss", "gelu", "glu", "gumbel_softmax", "hardshrink",
    "hardsigmoid", "hardswish", "hardtanh",
    "hinge_embedding_loss", "huber_loss", "kl_div", "l1_loss", "layer_norm", "leaky_relu", "linear",
    "log_softmax", "logsigmoid", "margin_ranking_loss", "mish", "mse_loss", "nll_loss", "normalize",
    "one_hot", "pad", "pairwise_distance", "poisson_nll_loss", "prelu", "relu", "relu6", "rms_norm",
    "scaled_dot_product_attention", "selu", "sigmoid", "silu", "smooth_l1_loss", "soft_margin_loss",
    "softmax", "softmin", "softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold",
    "triplet_margin_loss",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)


REDUCTIONS = ("mean", "sum", "none")

# ---- layers ---------------------------------------------------------------------------------


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.mT + bias, for a weight of shape (out, in).

    >>> linear(Tensor([[1.0, 2.0]]), Tensor([[3.0, 4.0]]), Tensor([5.0])).tolist()
    [[16.0]]
    """
    y = input @ weight.mT
    return y if bias is None else y + bias


def softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """exp(input) divided by its sum along `dim`; in `dtype`, where one is given.

    >>> softmax(Tensor([[0.0, 0.0]]), dim=1).tolist()
    [[0.5, 0.5]]
    """
    return rules.softmax(input, implicit_dim("softmax", input, dim), dtype=dtype)


def log_softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """The logarithm of softmax along `dim`, without overflow; in `dtype`, where one is given.

    >>> log_softmax(Tensor([[1000.0, 0.0]]), dim=1).tolist()
    [[0.0, -1000.0]]
    """
    return rules.log_softmax(input, implicit_dim("log_softmax", input, dim), dtype=dtype)


def implicit_dim(name: str, input: Tensor, dim: int | None) -> int:
    """The axis that PyTorch takes, with a warning, if none is named."""
    if dim is not None:
        return dim
    chosen = 0 if input.ndim in (0, 1, 3) else 1
    warnings.warn(
        f"{name}: without dim it is {chosen} for shape {input.shape}; name it", stacklevel=3
    )
    return chosen


def dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: np.random.Generator | None = None,
) -> Tensor:
    """In training, each element set to 0 with probability p, and the others divided by 1 - p.

    Otherwise, and for p = 0, the input itself. ValueError unless p is from 0 to 1. Srivastava et
    al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".

    >>> sorted(set(dropout(Tensor(np.ones(100)), 0.5).tolist()))
    [0.0, 2.0]
    """
    check_probability("dropout", p)
    if not training or p == 0:
        return input
    shape, dtype = input.shape, input.dtype

    def mask() -> Any:
        # float32 draws take half the time; they resolve p to 6e-8
        kept = (generator or default_generator()).random(shape, np.float32) >= p
        return np.multiply(kept, 0 if p == 1 else 1 / (1 - p), dtype=dtype)

    return input.mul_(drawn(mask)) if inplace else input * drawn(mask)


def check_probability(name: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p is a probability from 0 to 1, got {p}")


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
        raise ValueError(f"batch_norm: shape {input.shape} has no axis 1, the channels")
    for t in (running_mean, running_var, weight, bias):
        if t is not None and t.shape != input.shape[1:2]:
            raise ValueError(
                f"batch_norm: the input of shape {input.shape} has {input.shape[1]} channels "
                f"(axis 1), and a statistic, weight or bias has shape {t.shape}"
            )
    axes = (0, *range(2, input.ndim))
    along = (1, -1) + (1,) * (input.ndim - 2)  # the shape of something per channel
    if training:
        n = math.prod([input.shape[i] for i in axes])
        if n < 2:
            raise ValueError(
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
        raise ValueError("batch_norm: without training it needs running_mean and running_var")
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
        raise ValueError(
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


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """Classes as rows of 0 and a 1, int64 with a new last axis; -1 means the largest class + 1.

    TypeError unless the classes are ints, ValueError if one is out of range.

    >>> one_hot([0, 2]).tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    t = as_tensor(tensor)
    if t.dtype.kind not in "iu":
        raise TypeError(f"one_hot: classes are ints, not {t.dtype}")
    if num_classes == -1:
        if t.numel() == 0:
            raise ValueError("one_hot: no classes to count; give num_classes")
        num_classes = int(t.array.max()) + 1
    if not asked(lambda a: _within(a, 0, num_classes - 1), t):
        low, high = t.array.min(), t.array.max()
        raise ValueError(
            f"one_hot: classes go from 0 to {num_classes - 1}, these from {low} to {high}"
        )
    return (t[..., None] == np.arange(num_classes)).to(np.int64)


def _within(a: Any, low: float, high: float) -> bool:
    return not a.size or bool(low <= a.min() and a.max() <= high)


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
        raise ValueError(f"pad: the modes are {', '.join(PADDINGS)}, got {mode!r}")
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise ValueError(
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
    if max(low, high) > {"reflect": n - 1, "circular": len(places)}.get(mode, max(low, high)):
        raise ValueError(f"pad: {mode} by ({low}, {high}) is too wide for axis {axis} of {n}")
    framed = np.pad(places, (max(low, 0), max(high, 0)), PADDINGS[mode])
    return framed[cut[0] : len(framed) - cut[1]]


def embedding(input: Any, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """The rows of `weight` with these numbers, (...) to (..., dim); that of `padding_idx` gets no
    gradient. IndexError for a number that is no row.

    >>> embedding(Tensor(np.array([1, 1])), Tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[3.0, 4.0], [3.0, 4.0]]
    """
    t = as_tensor(input)
    if not asked(lambda a: _within(a, 0, weight.shape[0] - 1), t):
        raise IndexError(
            f"embedding: numbers go from 0 to {weight.shape[0] - 1}, these from {t.array.min()} to "
            f"{t.array.max()}"
        )
    if padding_idx is not None:
        still = np.arange(weight.shape[0])[:, None] == padding_idx % weight.shape[0]
        weight = ops.where(still, weight.detach(), weight)
    return weight[t]


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
        raise ValueError(
            f"rms_norm: the last axes of shape {input.shape} are not {shape}, which "
            "normalized_shape asks for"
        )
    eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    axes = tuple(range(input.ndim - len(shape), input.ndim))
    y = input / ops.sqrt(ops.mean(ops.power(input, p=2), axis=axes, keepdims=True) + eps)
    return y if weight is None else y * weight


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """softmax(query @ key.mT * scale) @ value; scale is 1 / sqrt(size of a query) unless given.

    A mask of bools says what may be looked at, one of floats is added; `is_causal` lets no query
    look at later keys. Vaswani et al. 2017, https://arxiv.org/abs/1706.03762.

    >>> x = Tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> scaled_dot_product_attention(x, x, x, is_causal=True)[0].tolist()
    [1.0, 0.0]
    """
    scores = (query @ key.mT) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        if attn_mask is not None:
            raise ValueError("scaled_dot_product_attention: give attn_mask or is_causal, not both")
        attn_mask = np.tri(*scores.shape[-2:], dtype=bool)
    if attn_mask is not None:
        mask = as_tensor(attn_mask)
        plain = mask.dtype.kind == "b"
        scores = ops.where(mask, scores, -math.inf) if plain else scores + mask
    return dropout(rules.softmax(scores, -1), dropout_p) @ value


# ---- activations ----------------------------------------------------------------------------


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(input, 0); its slope at 0 is 0.

    >>> relu(Tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    return input.relu_() if inplace else rules.relu(input)


def placed(f: Any, input: Tensor, inplace: bool) -> Tensor:
    """An activation, put into its input where that is asked for."""
    return input.copy_(f(input.clone())) if inplace else f(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """input where it is above 0, else negative_slope * input; with slope negative_slope at 0.

    >>> leaky_relu(Tensor([-1.0, 2.0]), 0.5).tolist()
    [-0.5, 2.0]
    """
    return placed(lambda x: rules.leaky_relu(x, negative_slope), input, inplace)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """input where it is above 0, else alpha * (exp(input) - 1)."""
    return placed(lambda x: rules.elu(x, alpha), input, inplace)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """input times the normal distribution function of it; "tanh" is the quicker formula."""
    return rules.gelu(input, approximate)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """input * sigmoid(input)."""
    return placed(rules.silu, input, inplace)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """input held between two numbers; at the edges the slope is 0."""
    return placed(lambda x: rules.hardtanh(x, min_val, max_val), input, inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """input held between 0 and 6.

    >>> relu6(Tensor([-1.0, 2.0, 7.0])).tolist()
    [0.0, 2.0, 6.0]
    """
    return hardtanh(input, 0.0, 6.0, inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """input where it is above 0, else alpha * (exp(input / alpha) - 1)."""
    return placed(lambda x: rules.elu(x / alpha, 1.0) * alpha, input, inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """1.0507 * elu(input, 1.6733), which keeps mean 0 and variance 1 through layers.

    Klambauer et al. 2017, https://arxiv.org/abs/1706.02515.

    >>> selu(Tensor([0.0])).tolist()
    [0.0]
    """
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return placed(lambda x: rules.elu(x, alpha) * scale, input, inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """input * tanh(softplus(input)). Misra 2019, https://arxiv.org/abs/1908.08681."""
    return placed(lambda x: x * tanh(softplus(x)), input, inplace)


def softsign(input: Tensor) -> Tensor:
    """input / (1 + |input|)."""
    return input / (1 + ops.abs(input))


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """input / 6 + 0.5, held between 0 and 1.

    >>> hardsigmoid(Tensor([-4.0, 0.0, 4.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return placed(lambda x: hardtanh(x + 3, 0.0, 6.0) / 6, input, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """input * hardsigmoid(input)."""
    return placed(lambda x: x * hardsigmoid(x), input, inplace)


def tanhshrink(input: Tensor) -> Tensor:
    """input - tanh(input)."""
    return input - tanh(input)


def hardshrink(input: Any, lambd: float = 0.5) -> Tensor:
    """input where it is further than lambd from 0, else 0."""
    return ops.where((input > lambd) | (input < -lambd), input, 0)


def softshrink(input: Any, lambd: float = 0.5) -> Tensor:
    """input moved towards 0 by lambd, and 0 where it is nearer.

    >>> softshrink(Tensor([-2.0, 0.25, 2.0])).tolist()
    [-1.5, 0.0, 1.5]
    """
    return ops.where(input > lambd, input - lambd, ops.where(input < -lambd, input + lambd, 0))


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """input where it is above a threshold, else a number."""
    return placed(lambda x: ops.where(x > threshold, x, value), input, inplace)


def softmin(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """softmax(-input)."""
    return rules.softmax(-input, implicit_dim("softmin", input, dim), dtype=dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """Probabilities drawn around softmax(logits), the closer to 0 and 1 the smaller `tau`; with
    `hard` a class of each as a row of 0 and a 1, whose gradient is that of the probabilities.
    `eps` is not used, as in PyTorch. (Jang, Gu and Poole, arXiv:1611.01144.)

    >>> gumbel_softmax(Tensor([[0.0, 50.0]]), hard=True).tolist()
    [[0.0, 1.0]]
    """
    noise = -np.log(default_generator().standard_exponential(logits.shape))
    y = rules.softmax((logits + noise.astype(logits.dtype)) / tau, dim)
    if not hard:
        return y
    chosen = one_hot(y.argmax(dim), y.shape[dim]).movedim(-1, dim).to(y.dtype)
    return chosen - y.detach() + y


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """One half along `dim` times the sigmoid of the other. ValueError for an odd size.

    >>> glu(Tensor([4.0, 0.0])).tolist()
    [2.0]
    """
    if input.shape[dim] % 2:
        raise ValueError(f"glu: axis {dim} of shape {input.shape} has an odd size")
    a, b = rules.chunk(input, 2, dim)
    return a * sigmoid(b)


def prelu(input: Any, weight: Tensor) -> Tensor:
    """input where it is above 0, else weight * input: one weight, or one for each channel (axis 1).

    >>> prelu(Tensor([-2.0, 2.0]), Tensor([0.25])).tolist()
    [-0.5, 2.0]
    """
    if weight.numel() > 1 and input.ndim > 1:
        weight = weight.reshape((-1,) + (1,) * (input.ndim - 2))
    return ops.where(input > 0, input, weight * input)


# ---- distances ------------------------------------------------------------------------------


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along `dim`, whose lengths are held above eps.

    >>> cosine_similarity(Tensor([[1.0, 0.0]]), Tensor([[2.0, 0.0]])).tolist()
    [1.0]
    """
    lengths = [rules.clip(rules.norm(x, 2, dim, keepdims=True), min=eps) for x in (x1, x2)]
    return rules.sum((x1 / lengths[0]) * (x2 / lengths[1]), dim)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last axis."""
    return rules.norm(x1 - x2 + eps, p, -1, keepdim)


# ---- losses ---------------------------------------------------------------------------------


def check_reduction(name: str, reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise ValueError(f"{name}: reduction is 'mean', 'sum' or 'none', got {reduction!r}")


def _reduce(name: str, loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return ops.mean(loss, axis=None, keepdims=False)
    if reduction == "sum":
        return ops.sum(loss, axis=None, keepdims=False)
    check_reduction(name, reduction)
    return loss


def _pair(name: str, input: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Input and target as tensors, of one shape."""
    x, t = as_tensor(input), as_tensor(target)
    if x.shape != t.shape:
        raise ValueError(
            f"{name}: the input has shape {x.shape} and the target {t.shape}; they must agree, as "
            "a loss does not broadcast (reshape or unsqueeze one of them)"
        )
    if t.dtype.kind != "f":  # NumPy would make float64 of float32 and int64
        t = t.to(x.dtype)
    return x, t


def mse_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """(input - target) squared. ValueError if the shapes differ, also where they would broadcast.

    >>> mse_loss(Tensor([1.0, 2.0]), Tensor([1.0, 4.0])).item()
    2.0
    """
    x, t = _pair("mse_loss", input, target)
    return _reduce("mse_loss", ops.power(x - t, p=2), reduction)


def l1_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """|input - target|. ValueError if the shapes differ, also where they would broadcast.

    >>> l1_loss(Tensor([1.0, 2.0]), Tensor([1.0, 4.0])).item()
    1.0
    """
    x, t = _pair("l1_loss", input, target)
    return _reduce("l1_loss", ops.abs(x - t), reduction)


def huber_loss(input: Tensor, target: Any, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """Half the squared difference up to `delta`, beyond it delta * (|difference| - delta / 2).

    ValueError if the shapes differ or delta is not positive. Huber 1964, "Robust estimation of a
    location parameter".

    >>> huber_loss(Tensor([1.0, 2.0]), Tensor([1.0, 4.0]), reduction="none").tolist()
    [0.0, 1.5]
    """
    if not delta > 0:
        raise ValueError(f"huber_loss: delta is positive, got {delta}")
    x, t = _pair("huber_loss", input, target)
    return _reduce("huber_loss", _huber(x - t, delta), reduction)


def _huber(d: Tensor, delta: float) -> Tensor:
    held = ops.clip(d, low=-delta, high=delta)
    return held * (d - held * 0.5)  # d * d / 2 inside; nothing overflows outside


def smooth_l1_loss(
    input: Tensor, target: Any, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """The Huber loss divided by its delta, here called beta; for beta = 0 it is l1_loss.

    ValueError if the shapes differ or beta is negative.

    >>> smooth_l1_loss(Tensor([1.0]), Tensor([4.0]), beta=2.0).item()
    2.0
    """
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss: beta is not negative, got {beta}")
    x, t = _pair("smooth_l1_loss", input, target)
    loss = _huber(x - t, beta) / beta if beta > 0 else ops.abs(x - t)
    return _reduce("smooth_l1_loss", loss, reduction)


def _log(x: Any) -> Any:
    with np.errstate(divide="ignore"):  # of 0 it is -inf
        return np.log(x)


def _clamped_log(x: Any) -> Any:
    return np.maximum(_log(x), -100)


_bce = Op(
    "binary_cross_entropy",
    lambda x, t: -(t * _clamped_log(x) + (1 - t) * _clamped_log(1 - x)),
    lambda g, y, x, t: g * (x - t) / np.maximum(x * (1 - x), 1e-12),
    lambda g, y, x, t: g * (_log(1 - x) - _log(x)),
    kind="loss",
    quiet="divide",
)


def binary_cross_entropy(
    input: Tensor, target: Any, weight: Any = None, reduction: str = "mean"
) -> Tensor:
    """-(target * log(input) + (1 - target) * log(1 - input)), for probabilities as input.

    The logarithms are held at -100, and input * (1 - input) in the slope at 1e-12, as in PyTorch;
    the gradient of the target is not held, and infinite where the input is 0 or 1.
    `weight` scales each element. ValueError if the shapes differ or the input leaves [0, 1].

    >>> round(binary_cross_entropy(Tensor([0.5]), Tensor([1.0])).item(), 4)
    0.6931
    """
    x, t = _pair("binary_cross_entropy", input, target)
    if not asked(lambda a: _within(a, 0, 1), x):
        raise ValueError(
            "binary_cross_entropy: the input is probabilities from 0 to 1, this one goes from "
            f"{x.array.min()} to {x.array.max()}; apply sigmoid, or use "
            "binary_cross_entropy_with_logits"
        )
    loss = _bce(x, t)
    if weight is not None:
        loss = loss * _weight_like("binary_cross_entropy", loss, weight)
    return _reduce("binary_cross_entropy", loss, reduction)


def _weight_like(name: str, loss: Tensor, weight: Any) -> Tensor:
    """`weight` as data that broadcast to the shape of the loss and no further."""
    w = as_tensor(weight).detach()
    try:
        fits = np.broadcast_shapes(w.shape, loss.shape) == loss.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{name}: a weight of shape {w.shape} does not broadcast to the input's {loss.shape}"
        )
    return w.to(loss.dtype)


_bce_with_logits = Op(
    "binary_cross_entropy_with_logits",
    lambda x, t: (1 - t) * x + ops.softplus(-x),
    lambda g, y, x, t: g * (ops.sigmoid(x) - t),
    lambda g, y, x, t: -g * x,
    kind="loss",
    quiet="over",
)
_bce_with_logits_weighted = Op(  # w is the weight of the part of the target 1
    "binary_cross_entropy_with_logits",
    lambda x, t, w: (1 - t) * x + (1 + (w - 1) * t) * ops.softplus(-x),
    lambda g, y, x, t, w: g * ((1 + (w - 1) * t) * ops.sigmoid(x) - w * t),
    lambda g, y, x, t, w: g * ((w - 1) * ops.softplus(-x) - x),
    None,
    kind="loss",
    quiet="over",
)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Any,
    weight: Any = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Tensor:
    """binary_cross_entropy of sigmoid(input), without overflow and without a bound.

    `weight` scales each element and `pos_weight` the part of the target 1; both broadcast.
    ValueError if input and target differ in shape.

    >>> binary_cross_entropy_with_logits(Tensor([1000.0, -1000.0]), Tensor([1.0, 1.0])).item()
    500.0
    """
    name = "binary_cross_entropy_with_logits"
    x, t = _pair(name, input, target)
    if pos_weight is None:
        loss = _bce_with_logits(x, t)
    else:
        loss = _bce_with_logits_weighted(x, t, _weight_like(name, x, pos_weight))
    if weight is not None:
        loss = loss * _weight_like(name, loss, weight)
    return _reduce(name, loss, reduction)


def cross_entropy(
    input: Tensor,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log_softmax(input) at the target's classes: the loss of classifiers that give logits.

    input (N, C), (C,) or (N, C, d1, ...); target either int classes of that shape without C, or
    probabilities of the same shape. `weight` (C,) scales classes and, for class targets, divides
    the mean by the weights of the targets; targets equal to `ignore_index` count nothing;
    `label_smoothing` moves that part of the target to all classes evenly.

    >>> round(cross_entropy(Tensor([[2.0, 0.0], [0.0, 0.0]]), np.array([0, 1])).item(), 4)
    0.41
    """
    if (
        weight is None
        and label_smoothing == 0
        and _is_plain(input, target, ignore_index, reduction)
    ):
        log_p = record(ops.log_softmax, (input,), {"axis": 1})
        n = log_p.shape[0] if reduction == "mean" else 1
        return record(ops.nll, (log_p, target), {"n": n})
    x, t = as_tensor(input), as_tensor(target)
    check_reduction("cross_entropy", reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(
            f"cross_entropy: label_smoothing is a fraction from 0 to 1, got {label_smoothing}"
        )
    axis = _class_axis("cross_entropy", x)
    w = _class_weight("cross_entropy", weight, x, axis)
    log_p = ops.log_softmax(x, axis=axis)
    if t.shape != x.shape or t.dtype.kind != "f":
        return _class_loss("cross_entropy", log_p, t, w, ignore_index, reduction, label_smoothing)
    if label_smoothing:
        t = t * (1 - label_smoothing) + label_smoothing / x.shape[axis]
    if w is not None:
        t = t * w.reshape((-1,) + (1,) * (x.ndim - 1 - axis))
    loss = -ops.sum(log_p * t, axis=axis, keepdims=False)
    return (
        _mean_of(loss, loss.numel())
        if reduction == "mean"
        else _reduce("cross_entropy", loss, reduction)
    )


def nll_loss(
    input: Tensor,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-input at the target's classes, for log-probabilities: cross_entropy after log_softmax.

    Shapes, `weight` and `ignore_index` are those of cross_entropy; targets are int classes.

    >>> nll_loss(Tensor([[-1.0, -2.0], [-3.0, -4.0]]), np.array([0, 1])).item()
    2.5
    """
    if weight is None and _is_plain(input, target, ignore_index, reduction):
        return ops.nll(input, target, n=input.shape[0] if reduction == "mean" else 1)
    x, t = as_tensor(input), as_tensor(target)
    check_reduction("nll_loss", reduction)
    w = _class_weight("nll_loss", weight, x, _class_axis("nll_loss", x))
    return _class_loss("nll_loss", x, t, w, ignore_index, reduction, 0.0)


def _is_plain(input: Any, target: Any, ignore_index: int, reduction: str) -> bool:
    """Whether one class for each row of a matrix is asked for, with nothing ignored: the case of
    training loops, which two nodes do. Classes above the range are left to the row's indexing."""
    if not isinstance(input, Tensor):
        return False
    x, t = input.array, target.array if isinstance(target, Tensor) else target
    return (
        t.__class__ is np.ndarray
        and t.dtype.kind in "iu"
        and t.ndim == 1
        and x.ndim == 2
        and 0 < len(t) == len(x)
        and ignore_index < 0
        and reduction in ("mean", "sum")
        and asked(from_zero, target)
    )


def _class_axis(name: str, x: Tensor) -> int:
    if x.ndim == 0:
        raise ValueError(f"{name}: the input has shape () and so no axis of classes")
    return 0 if x.ndim == 1 else 1


def _class_weight(name: str, weight: Any, x: Tensor, axis: int) -> Any:
    if weight is None:
        return None
    w = as_tensor(weight).detach().to(x.dtype)
    if w.shape != x.shape[axis : axis + 1]:
        raise ValueError(
            f"{name}: weight has shape {w.shape}; it needs one for each of the "
            f"{x.shape[axis]} classes of the input of shape {x.shape}"
        )
    return w


def _mean_of(loss: Tensor, n: Any) -> Tensor:
    """The sum divided by n; for 0 it is NaN with the slope 0, as in PyTorch the mean of nothing."""
    total = ops.sum(loss, axis=None, keepdims=False)
    return total + math.nan if asked(_is_zero, n) else total / n


def _is_zero(n: Any) -> bool:
    return bool(n == 0)


def _check_classes(name: str, x: Tensor, t: Tensor, ignore_index: int) -> None:
    if t.dtype.kind not in "iu":
        raise TypeError(
            f"{name}: class targets are ints, not {t.dtype}; float targets are probabilities and "
            f"have the input's shape {x.shape}, this target has {t.shape}"
        )
    wanted = x.shape[2:] if x.ndim == 1 else x.shape[:1] + x.shape[2:]
    if t.shape != wanted:
        raise ValueError(
            f"{name}: for an input of shape {x.shape} class targets have shape {wanted}, "
            f"these have {t.shape}" + "; probabilities are floats" * (t.shape == x.shape)
        )
    classes = x.shape[0 if x.ndim == 1 else 1]

    def bad(a: Any) -> Any:
        return a[((a < 0) | (a >= classes)) & (a != ignore_index)]

    if not asked(lambda a: not bad(a).size, t):
        raise IndexError(
            f"{name}: class {bad(t.array)[0]} is out of range; there are {classes} classes, from 0"
        )


_safe = Op("classes", lambda t, ignored: np.where(t == ignored, 0, t).reshape(-1))
_counted = Op("counted", lambda t, ignored: (t != ignored).reshape(-1))


def _class_loss(
    name: str,
    log_p: Tensor,
    t: Tensor,
    w: Any,
    ignore_index: int,
    reduction: str,
    smoothing: float,
) -> Tensor:
    """The loss of class targets in general: weights, ignored targets, further axes, smoothing."""
    _check_classes(name, log_p, t, ignore_index)
    rows = rules.movedim(log_p, _class_axis(name, log_p), -1)
    rows = rows.reshape((-1, rows.shape[-1]))
    classes, counted = t.reshape((-1,)), None  # all count
    if asked(lambda a: bool((a == ignore_index).any()), t):
        classes = _safe(t, ignore_index)
        counted = _counted(t, ignore_index)
    # picked, not multiplied with one-hot rows or a mask: 0 * log(0) would be NaN
    loss = -rows[np.arange(len(classes)), classes]
    loss = loss if w is None else loss * w[classes]
    if smoothing:
        even = -ops.mean(rows if w is None else rows * w, axis=1, keepdims=False)
        loss = loss * (1 - smoothing) + even * smoothing
    if counted is not None:
        loss = ops.where(counted, loss, 0)
    if reduction == "mean":
        share = counted if w is None else w[classes]
        if None not in (w, counted):
            share = ops.where(counted, share, 0)
        return _mean_of(loss, loss.numel() if share is None else share.to(loss.dtype).sum())
    return _reduce(name, loss.reshape(t.shape), reduction)


def kl_div(input: Tensor, target: Any, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """target * (log(target) - input), for logarithms of probabilities as input, of both with
    `log_target`. "batchmean", the sum divided by the size of the batch, is the mathematical one.

    >>> kl_div(Tensor([[-1.0, -1.0]]), Tensor([[0.5, 0.5]]), reduction="sum").item() > 0
    True
    """
    t = as_tensor(target)
    loss = rules.exp(t) * (t - input) if log_target else xlogy(t, t) - t * input
    if reduction == "batchmean":
        return ops.sum(loss, axis=None, keepdims=False) / input.shape[0]
    return _reduce("kl_div", loss, reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Any, margin: float = 0, reduction: str = "mean"
) -> Tensor:
    """max(0, margin - target * (input1 - input2)), for targets 1 or -1.

    >>> margin_ranking_loss(Tensor([1.0]), Tensor([3.0]), Tensor([1.0])).item()
    2.0
    """
    loss = rules.clip(margin - as_tensor(target) * (input1 - input2), min=0)
    return _reduce("margin_ranking_loss", loss, reduction)


def hinge_embedding_loss(
    input: Tensor, target: Any, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """input where the target is 1, max(0, margin - input) where it is -1."""
    t = as_tensor(target)
    held = rules.clip(margin - input, min=0)
    loss = ops.where(t == 1, 0, held) + ops.where(t == -1, 0, input)
    return _reduce("hinge_embedding_loss", loss, reduction)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Any, margin: float = 0, reduction: str = "mean"
) -> Tensor:
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1; cos is that between the
    inputs along their last axis."""
    t = as_tensor(target)
    squares = [rules.sum(x * x, -1) + 1e-12 for x in (input1, input2)]
    cos = rules.sum(input1 * input2, -1) / rules.sqrt(squares[0] * squares[1])
    loss = ops.where(t == 1, 1 - cos, rules.clip(cos - margin, min=0))
    return _reduce("cosine_embedding_loss", loss, reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, the distance to `positive` - that to `negative` + margin); `swap` takes the distance
    between the two where it is less than that to `negative`.

    >>> x = Tensor([[0.0, 0.0]])
    >>> triplet_margin_loss(x, x, Tensor([[0.0, 3.0]])).item()
    0.0
    """
    near, far = (
        pairwise_distance(anchor, positive, p, eps),
        pairwise_distance(anchor, negative, p, eps),
    )
    if swap:
        far = rules.minimum(far, pairwise_distance(positive, negative, p, eps))
    return _reduce("triplet_margin_loss", rules.clip(near - far + margin, min=0), reduction)


def soft_margin_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-target * input)), for targets 1 or -1."""
    x, t = _pair("soft_margin_loss", input, target)
    return _reduce("soft_margin_loss", softplus(-t * x), reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """exp(input) - target * input; without `log_input` input - target * log(input + eps); `full`
    adds Stirling's approximation of the rest, for targets above 1."""
    x, t = _pair("poisson_nll_loss", input, target)
    loss = rules.exp(x) - t * x if log_input else x - t * rules.log(x + eps)
    if full:
        large = t.detach().array > 1
        safe = ops.where(large, t, 1)
        rest = safe * rules.log(safe) - safe + 0.5 * rules.log(2 * math.pi * safe)
        loss = loss + ops.where(large, rest, 0)
    return _reduce("poisson_nll_loss", loss, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Any,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log(var) + (input - target) ** 2 / var) / 2, of a variance held above eps without a record
    of that; `full` adds log(2 * pi) / 2. ValueError for a negative variance.

    >>> gaussian_nll_loss(Tensor([1.0]), Tensor([3.0]), Tensor([1.0])).item()
    2.0
    """
    v = as_tensor(var)
    if not asked(lambda a: _within(a, 0, math.inf), v):
        raise ValueError(f"gaussian_nll_loss: var has {v.array.min()}; it must not be negative")
    held = v + (rules.clip(v, min=eps) - v).detach()
    loss = 0.5 * (rules.log(held) + (input - as_tensor(target)) ** 2 / held)
    return _reduce("gaussian_nll_loss", loss + 0.5 * math.log(2 * math.pi) * full, reduction)
