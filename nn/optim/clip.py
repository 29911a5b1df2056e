"""Clipping gradients in place, between `backward()` and `step()`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from autograd_lite import Tensor
from autograd_lite.engine.versions import changed

__all__ = ["clip_grad_norm_", "clip_grad_value_"]


@np.errstate(all="ignore")  # an error here would leave some gradients scaled
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients together to a norm of at most `max_norm`; returns the norm before.

    The norm is taken over all gradients as if they were one vector; `norm_type=inf` is the largest
    absolute value. The factor is `max_norm / (norm + 1e-6)`, at most 1. With `error_if_nonfinite`
    a norm that is infinite or NaN is a RuntimeError, and nothing changes.

    >>> p = Tensor([1.0, 1.0], requires_grad=True)
    >>> (p * Tensor([3.0, 4.0])).sum().backward()
    >>> clip_grad_norm_([p], 1.0).item()
    5.0
    >>> p.grad
    tensor([0.6, 0.8])
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm_: max_norm is {max_norm}; it must be a number from 0")
    norm_type = float(norm_type)
    if not norm_type > 0:
        raise ValueError(f"clip_grad_norm_: norm_type is {norm_type}; it must be above 0")
    grads = _grads(parameters)
    norms = [_norm(g.array, norm_type) for g in grads]
    norm = _norm(np.array(norms), norm_type)
    if error_if_nonfinite and not math.isfinite(norm):
        raise RuntimeError(
            f"clip_grad_norm_: the norm of the gradients is {norm}; nothing was scaled. "
            "error_if_nonfinite=False scales all the same"
        )
    factor = max_norm / (norm + 1e-6)
    if not factor >= 1:  # NaN too
        for g in grads:
            np.multiply(g.array, factor, out=g.array)
            changed(g)
    return Tensor(np.asarray(norm, grads[0].dtype if grads else np.float32))


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Move every element of every gradient to the nearest in [-clip_value, clip_value].

    >>> p = Tensor([1.0, 1.0], requires_grad=True)
    >>> (p * Tensor([3.0, -0.5])).sum().backward()
    >>> clip_grad_value_([p], 1.0)
    >>> p.grad
    tensor([ 1. , -0.5])
    """
    limit = float(clip_value)
    if not limit >= 0:
        raise ValueError(f"clip_grad_value_: clip_value is {limit}; it must be a number from 0")
    for g in _grads(parameters):
        np.clip(g.array, -limit, limit, out=g.array)
        changed(g)


def _grads(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """The gradients there are."""
    params = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not params and isinstance(parameters, Iterator):
        warnings.warn(
            "clip: this generator gives no parameters, perhaps as it was used before, so nothing "
            "is clipped; give model.parameters() again, or list(...) of it",
            stacklevel=3,
        )
    return [p.grad for p in params if p.grad is not None]


def _norm(a: np.ndarray[Any, Any], p: float) -> float:
    """The p-norm of all elements, without overflow or loss of small ones."""
    x = a.ravel("K")
    if not x.size:
        return 0.0
    if p == math.inf:
        return float(np.max(np.abs(x)))
    if p == 2 and x.dtype.itemsize >= 4:
        norm = math.sqrt(np.dot(x, x))
        if 1e-12 < norm < 1e15:
            return norm
    largest = float(np.max(np.abs(x)))
    if not 0 < largest < math.inf:
        return largest
    scaled = np.abs(x, dtype=np.float64) / largest
    return largest * math.pow(np.sum(scaled**p), 1 / p)
