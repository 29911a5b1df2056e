"""Losses as functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_lite import Tensor
from autograd_lite.engine import rules
from autograd_lite.engine.axes import from_zero
from autograd_lite.engine.errors import MisfitError
from autograd_lite.engine.modes import Within, asked
from autograd_lite.engine.op import Op
from autograd_lite.engine.rules import ops, softplus
from autograd_lite.engine.tensor import as_tensor, record
from autograd_lite.fused import WHOLE, Fused, watched
from autograd_lite.torch_words.arithmetic import xlogy

from .checks import check_reduction, in_old_words, reduction_of
from .distances import pairwise_distance

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding_loss",
    "cross_entropy", "gaussian_nll_loss", "hinge_embedding_loss", "huber_loss", "kl_div",
    "l1_loss", "margin_ranking_loss", "mse_loss", "multi_margin_loss", "multilabel_margin_loss",
    "multilabel_soft_margin_loss", "nll_loss", "poisson_nll_loss", "smooth_l1_loss",
    "soft_margin_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip


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
        raise MisfitError(
            f"{name}: the input has shape {x.shape} and the target {t.shape}; they must agree, as "
            "a loss does not broadcast (reshape or unsqueeze one of them)"
        )
    if t.dtype.kind != "f":  # NumPy would make float64 of float32 and int64
        t = t.to(x.dtype)
    return x, t


def _weighted(name: str, loss: Tensor, weight: Any, reduction: str) -> Tensor:
    """The loss times a weight of its shape, which divides the mean, where there is one."""
    if weight is None:
        return _reduce(name, loss, reduction)
    w = as_tensor(weight)
    if w.shape != loss.shape:
        raise MisfitError(f"{name}: the weight has shape {w.shape}, the input {loss.shape}")
    loss = _reduce(name, loss * w, "sum" if reduction == "mean" else reduction)
    return loss / w.sum() if reduction == "mean" else loss


def mse_loss(input: Tensor, target: Any, reduction: str = "mean", weight: Any = None) -> Tensor:
    """(input - target) squared; the mean is that with `weight`, of the shape of input, where it is
    given. ValueError if the shapes differ, also where they would broadcast.

    >>> mse_loss(Tensor([1.0, 2.0]), Tensor([1.0, 4.0])).item()
    2.0
    """
    x, t = _pair("mse_loss", input, target)
    return _weighted("mse_loss", ops.power(x - t, p=2), weight, reduction)


def l1_loss(input: Tensor, target: Any, reduction: str = "mean", weight: Any = None) -> Tensor:
    """|input - target|, with a `weight` as in `mse_loss`. ValueError if the shapes differ, also
    where they would broadcast.

    >>> l1_loss(Tensor([1.0, 2.0]), Tensor([1.0, 4.0])).item()
    1.0
    """
    x, t = _pair("l1_loss", input, target)
    return _weighted("l1_loss", ops.abs(x - t), weight, reduction)


def huber_loss(
    input: Tensor,
    target: Any,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Any = None,
) -> Tensor:
    """Half the squared difference up to `delta`, beyond it delta * (|difference| - delta / 2);
    times `weight`, of the shape of input, where it is given.

    ValueError if the shapes differ or delta is not positive. Huber 1964, "Robust estimation of a
    location parameter".

    >>> huber_loss(Tensor([1.0, 2.0]), Tensor([1.0, 4.0]), reduction="none").tolist()
    [0.0, 1.5]
    """
    if not delta > 0:
        raise MisfitError(f"huber_loss: delta is positive, got {delta}")
    x, t = _pair("huber_loss", input, target)
    loss = _weighted("huber_loss", _huber(x - t, delta), weight, "none")
    return _reduce("huber_loss", loss, reduction)


def _huber(d: Tensor, delta: float) -> Tensor:
    held = ops.hardtanh(d, low=-delta, high=delta)
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
        raise MisfitError(f"smooth_l1_loss: beta is not negative, got {beta}")
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
    if not asked(Within(0, 1), x):
        raise MisfitError(
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
        raise MisfitError(
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
    size_average: bool | None = None,
    reduce: bool | None = None,
) -> Tensor:
    """-log_softmax(input) at the target's classes: the loss of classifiers that give logits.

    input (N, C), (C,) or (N, C, d1, ...); target either int classes of that shape without C, or
    probabilities of the same shape. `weight` (C,) scales classes and, for class targets, divides
    the mean by the weights of the targets; targets equal to `ignore_index` count nothing;
    `label_smoothing` moves that part of the target to all classes evenly.

    >>> round(cross_entropy(Tensor([[2.0, 0.0], [0.0, 0.0]]), np.array([0, 1])).item(), 4)
    0.41
    """
    if not (size_average is reduce is None):
        reduction = reduction_of(size_average, reduce)
    if (
        weight is None
        and label_smoothing == 0
        and _is_plain(input, target, ignore_index, reduction)
        and (loss := _of_classes(input, target, reduction)) is not None
    ):
        return loss
    x, t = as_tensor(input), as_tensor(target)
    check_reduction("cross_entropy", reduction)
    if not 0 <= label_smoothing <= 1:
        raise MisfitError(
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


def _of_classes(x: Any, target: Any, reduction: str) -> Tensor | None:
    """The loss of one class for each row of a matrix; None where a class is negative."""
    if x.__class__.__op__ is record and not watched():
        known, t = (target, target.array) if isinstance(target, Tensor) else (None, target)
        a = x.array
        kw = {"n": a.shape[0] if reduction == "mean" else 1}
        try:
            return _fused_of_classes.run((x, known), [a, t], x.requires_grad, kw)[0]
        except ValueError:  # what it is made of says what is wrong
            pass
    if not asked(from_zero, target):
        return None
    return _composed_of_classes(x, target, n=x.shape[0] if reduction == "mean" else 1)[0]


def _composed_of_classes(x: Any, t: Any, n: int, named: bool = False) -> tuple[Tensor]:
    """What the fused operation is made of."""
    return (record(ops.nll, (record(ops.log_softmax, (x,), {"axis": 1}), t), {"n": n}),)


def _forward_of_classes(x: Any, t: Any, n: int) -> Any:
    classes = x.shape[1]
    if t.dtype.kind != "i" or t[t.argmin()] < 0 or t[t.argmax()] >= classes:
        raise ValueError("left to what it is made of")
    e = np.subtract(x, np.maximum.reduce(x, 1, keepdims=True), order="C")
    places = np.arange(0, e.size, classes)
    places += t
    picked = e.reshape(-1)[places]
    np.exp(e, out=e)
    total = np.add.reduce(e, 1, keepdims=True)
    losses = np.log(total.reshape(-1))
    losses -= picked
    return np.add.reduce(losses) / n, WHOLE, (e, total, places)


def _back_of_classes(g: Any, kept: Any, x: Any, t: Any, places: Any, n: int) -> Any:
    e, total, at = kept
    p = e / total
    p.reshape(-1)[at] -= 1
    p *= g / n
    return p


_fused_of_classes = Fused(
    "cross_entropy",
    _composed_of_classes,
    _forward_of_classes,
    _back_of_classes,
    lambda found, *others: found,
    rereads=False,
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
    if (
        weight is None
        and _is_plain(input, target, ignore_index, reduction)
        and asked(from_zero, target)
    ):
        return ops.nll(input, target, n=input.shape[0] if reduction == "mean" else 1)
    x, t = as_tensor(input), as_tensor(target)
    check_reduction("nll_loss", reduction)
    w = _class_weight("nll_loss", weight, x, _class_axis("nll_loss", x))
    return _class_loss("nll_loss", x, t, w, ignore_index, reduction, 0.0)


def _is_plain(input: Any, target: Any, ignore_index: int, reduction: str) -> bool:
    """Whether one class for each row of a matrix is asked for, with nothing ignored: the case of
    training loops, which one record does unless a class is negative. Classes above the range are
    left to the row's indexing."""
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
    )


def _class_axis(name: str, x: Tensor) -> int:
    if x.ndim == 0:
        raise MisfitError(f"{name}: the input has shape () and so no axis of classes")
    return 0 if x.ndim == 1 else 1


def _class_weight(name: str, weight: Any, x: Tensor, axis: int) -> Any:
    if weight is None:
        return None
    w = as_tensor(weight).detach().to(x.dtype)
    if w.shape != x.shape[axis : axis + 1]:
        raise MisfitError(
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
        raise MisfitError(
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


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` of any distance, `pairwise_distance` unless given.

    >>> x, far = Tensor([[0.0]]), Tensor([[0.5]])
    >>> one = lambda a, b: (a - b).abs().sum(-1)
    >>> triplet_margin_with_distance_loss(x, x, far, distance_function=one).item()
    0.5
    """
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = rules.minimum(far, distance(positive, negative))
    held = rules.clip(near - far + margin, min=0)
    return _reduce("triplet_margin_with_distance_loss", held, reduction)


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
    of that; `full` adds log(2 * pi) / 2. `var` is a number, of the shape of `input` or with sizes
    of 1 in it, or one for each row along the last axis. ValueError for another shape, and for a
    negative variance.

    >>> gaussian_nll_loss(Tensor([1.0]), Tensor([3.0]), Tensor([1.0])).item()
    2.0
    """
    v = as_tensor(var)
    if v.shape == input.shape[:-1] and v.ndim:
        v = rules.unsqueeze(v, -1)
    if v.ndim not in (0, input.ndim):
        raise MisfitError(
            f"gaussian_nll_loss: var has shape {v.shape}, and the input {input.shape}; give one of "
            f"that shape, or of {input.shape[:-1]} for rows"
        )
    if not asked(Within(0, math.inf), v):
        raise MisfitError(f"gaussian_nll_loss: var has {v.array.min()}; it must not be negative")
    held = v + (rules.clip(v, min=eps) - v).detach()
    loss = 0.5 * (rules.log(held) + (input - as_tensor(target)) ** 2 / held)
    return _reduce("gaussian_nll_loss", loss + 0.5 * math.log(2 * math.pi) * full, reduction)


def multilabel_soft_margin_loss(
    input: Tensor, target: Any, weight: Any = None, reduction: str = "mean"
) -> Tensor:
    """The binary cross-entropy of the logits of each class, (..., C) to (...): the mean over the
    classes, each times its `weight`, where given.

    >>> round(multilabel_soft_margin_loss(Tensor([[0.0, 0.0]]), Tensor([[1.0, 0.0]])).item(), 4)
    0.6931
    """
    x, t = _pair("multilabel_soft_margin_loss", input, target)
    each = t * softplus(-x) + (1 - t) * softplus(x)
    loss = rules.mean(each if weight is None else each * as_tensor(weight), -1)
    return _reduce("multilabel_soft_margin_loss", loss, reduction)


def multi_margin_loss(
    input: Tensor,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin - x[y] + x[i])**p of all classes i but the target y, over the number of classes
    C; times weight[y], where given. input (N, C) or (C,), target (N,) or (). ValueError for a p
    that is not 1 or 2.

    >>> multi_margin_loss(Tensor([[2.0, 2.0]]), Tensor(np.array([0]))).item()
    0.5
    """
    if p not in (1, 2):
        raise MisfitError(f"multi_margin_loss: p is 1 or 2, got {p}")
    input, t = input if input.ndim else input.reshape(1), as_tensor(target)
    t = t.reshape(()) if input.ndim == 1 and t.shape == (1,) else t
    _check_classes("multi_margin_loss", input, t, -100)
    mine = rules.gather(input, -1, t.unsqueeze(-1))
    others = (t.unsqueeze(-1) != np.arange(input.shape[-1])).to(input.dtype)
    each = rules.relu(margin - mine + input) ** p * others
    if weight is not None:
        each = each * as_tensor(weight)[t].unsqueeze(-1)
    return _reduce("multi_margin_loss", rules.mean(each, -1), reduction)


def multilabel_margin_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """max(0, 1 - (x[j] - x[i])) of all classes j that are targets and i that are not, over the
    number of classes; `target` lists classes up to the first -1. input and target (N, C) or (C,).

    >>> multilabel_margin_loss(Tensor([0.0, 0.5]), Tensor(np.array([1, -1]))).item()
    0.25
    """
    t = as_tensor(target)
    if not input.ndim:
        input, t = input.reshape(1), t.reshape(1)
    n = input.shape[-1]
    if t.shape != input.shape:
        raise MisfitError(
            f"multilabel_margin_loss: the input has shape {input.shape} and the target {t.shape}; "
            "they must agree"
        )
    if not asked(Within(-1, n - 1), t):
        raise MisfitError(f"multilabel_margin_loss: targets are classes from 0 to {n - 1}, or -1")
    listed = rules.cumprod(t.ge(0).to(input.dtype), -1)
    named = (t.unsqueeze(-1) == np.arange(n)).to(input.dtype) * listed.unsqueeze(-1)
    pairs = listed.unsqueeze(-1) * (1 - rules.amax(named, -2)).unsqueeze(-2)
    mine = rules.gather(input, -1, rules.clip(t, min=0))
    each = rules.relu(1 - mine.unsqueeze(-1) + input.unsqueeze(-2)) * pairs
    return _reduce("multilabel_margin_loss", rules.sum(each, (-2, -1)) / n, reduction)


for _name in set(__all__) - {"cross_entropy"}:  # which says so itself: 0.2 us less a step
    globals()[_name] = in_old_words(globals()[_name])
