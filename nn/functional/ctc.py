"""Connectionist temporal classification: the probability of a text, over all its alignments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_lite import Tensor
from autograd_lite.engine.errors import MisfitError
from autograd_lite.engine.rules import ops
from autograd_lite.engine.tensor import as_tensor

from .checks import check_reduction

__all__ = ["ctc_loss"]

NEVER = -1e30  # the logarithm of 0, finite, so that its slopes are 0 and not NaN


def ctc_loss(
    log_probs: Tensor,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability that log_probs (time, n, classes) spell the targets.

    That is summed over all ways to stretch the target in time, with `blank` between letters, and
    between equal ones always: log-probabilities are added forward from step to step. `targets` are
    classes (n, longest), or all in a row (sum of target_lengths,); lengths are n ints. A sample
    alone has no axis n. The mean is that of losses divided by their lengths; what cannot be spelled
    in so little time is infinite, with `zero_infinity` 0. The gradient is that of log_probs, where
    PyTorch adds that of a log_softmax before; behind a log_softmax they agree. MisfitError for
    shapes and lengths that do not fit. Graves et al. 2006.

    >>> even = np.full((2, 1, 2), 0.5)  # "a" is spelled by "a a", "a _" and "_ a"
    >>> ctc_loss(Tensor(np.log(even)), np.array([[1]]), [2], [1]).exp().item() * 0.75
    1.0
    """
    check_reduction("ctc_loss", reduction)
    x = as_tensor(log_probs)
    alone = x.ndim == 2
    if alone:
        x = ops.reshape(x, shape=(len(x), 1, x.shape[1]))
    if x.ndim != 3 or 0 in x.shape or x.dtype.kind != "f":
        raise MisfitError(
            f"ctc_loss: log_probs are {x.dtype} of shape {x.shape}; they are floats (time, n, "
            "classes), or (time, classes) of one sample, and none of these is 0"
        )
    kind = x.dtype
    if kind.itemsize < 4:
        x = x.float()  # whose range holds NEVER
    time, n, classes = x.shape
    steps = lengths("input_lengths", input_lengths, n, time)
    size = lengths("target_lengths", target_lengths, n)
    letters = padded(targets, size, alone)
    lengths("target_lengths", size, n, letters.shape[1])
    used = np.arange(letters.shape[1]) < size[:, None]
    if not 0 <= blank < classes or (used & ((letters < 0) | (letters >= classes))).any():
        raise MisfitError(
            f"ctc_loss: targets and blank={blank} are classes from 0 to {classes - 1}"
        )
    spelled = np.full((n, 2 * letters.shape[1] + 1), blank)  # the letters, and blanks around them
    spelled[:, 1::2] = np.where(used, letters, blank)
    # from a letter on to the next, without the blank between, if that is another
    skips = np.zeros(spelled.shape, bool)
    skips[:, 2:] = (spelled[:, 2:] != blank) & (spelled[:, 2:] != spelled[:, :-2])
    ends = np.arange(spelled.shape[1]) - 2 * size[:, None]
    x = ops.maximum(x, NEVER)  # -inf alone would have slopes of NaN
    each = x[:, np.arange(n)[:, None], spelled]  # (time, n, 2 * longest + 1)
    started = np.arange(spelled.shape[1]) < 2
    never = Tensor(np.full((n, 2), NEVER, x.dtype))
    whole = ops.where(started, each[0], NEVER)
    for t in range(1, time):
        before = ops.concatenate(never, whole, axis=1)
        ways = ops.stack(whole, before[:, 1:-1], ops.where(skips, before[:, :-2], NEVER), axis=0)
        onward = ops.logsumexp(ways, axis=0, keepdims=False) + each[t]
        whole = ops.where(steps[:, None] > t, onward, whole)
    done = ops.where((ends == 0) | (ends == -1), whole, NEVER)
    loss = -ops.logsumexp(done, axis=1, keepdims=False)
    loss = ops.where(steps == 0, np.where(size == 0, 0.0, np.inf).astype(x.dtype), loss)
    loss = ops.where(loss.array > -NEVER / 10, 0.0 if zero_infinity else np.inf, loss)
    loss = loss.to(kind)
    if reduction == "mean":
        return ops.mean(loss / np.maximum(size, 1).astype(kind), axis=None, keepdims=False)
    if reduction == "sum":
        return ops.sum(loss, axis=None, keepdims=False)
    return ops.reshape(loss, shape=()) if alone else loss


def lengths(name: str, given: Any, n: int, most: float = math.inf) -> Any:
    """So many ints for each of n samples; MisfitError where one is above `most`."""
    found = np.atleast_1d(np.asarray(as_tensor(given).array))
    if found.shape != (n,) or found.dtype.kind not in "iu" or ((found < 0) | (found > most)).any():
        raise MisfitError(
            f"ctc_loss: {name} are {found.tolist()}; they are {n} ints, one for each sample, from "
            f"0{'' if most == math.inf else f' to {most}'}"
        )
    return found.astype(np.int64)  # twice an int8 may be none


def padded(targets: Any, size: Any, alone: bool) -> Any:
    """The targets as one row each."""
    found, n = np.asarray(as_tensor(targets).array), len(size)
    if found.dtype.kind not in "iu":
        raise MisfitError(f"ctc_loss: targets are {found.dtype}; they are classes, ints")
    if found.ndim == 2 and len(found) == n:
        return found
    if found.ndim == 1 and alone:
        return found[None]
    if found.ndim == 1 and size.sum() == len(found):
        row = np.zeros((n, size.max()), found.dtype)
        row[np.arange(row.shape[1]) < size[:, None]] = found
        return row
    raise MisfitError(
        f"ctc_loss: targets have shape {found.shape}; it is ({n}, longest), or (sum of "
        f"target_lengths,), which are {size.tolist()}"
    )
