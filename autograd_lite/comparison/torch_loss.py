"""`compare` for a loss that torch has recorded, with gradients of a torch Module's parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..engine.tape import Array
from ..engine.tensor import Tensor
from ..exchange import loaded, values_of
from .answers.arguments import as_gradient, unknown
from .answers.conventions import in_shape
from .answers.judge import ABSENT, Hand, Row, judge
from .answers.names import renamed
from .answers.report import Report
from .source.doors import Again, searchable, with_fixes


def is_torch(loss: Any) -> bool:
    """Whether this is a tensor of torch, which is not imported for the question."""
    return isinstance(loss, getattr(loaded(), "Tensor", ()))


def report_by_torch(
    loss: Any,
    grads: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
    model: Any,
    scale: float,
    transposed: bool | None,
) -> Report:
    """The report on gradients by hand against those of torch, whose record stays.

    TypeError without a torch Module, whose parameters have the names; RuntimeError for a loss of
    several elements, or without a record; ValueError for an unknown name.
    """
    true = true_gradients(loss, model)
    given = grads() if callable(grads) else grads
    tensors = {name: Tensor(g) for name, g in true.items()}
    hands: dict[str, Hand] = {}
    for name, g in renamed(given, true).items():
        if name not in true:
            raise ValueError(unknown(name, list(true)))
        a = as_gradient(name, g)
        hands[name] = Hand(name, a.astype(true[name].dtype) if a.dtype.kind == "f" else a)
    in_shape({tensors[name]: hand for name, hand in hands.items()}, scale, transposed)
    value = float(loss.detach())
    rows = [
        judge(hands[name], true[name], true[name], abs(value))
        if name in hands
        else Row(name, true[name].shape, ABSENT)
        for name in reversed(true)  # as a backward pass meets them: the last parameters first
    ]
    report = Report(value, tuple(rows), None, "", ("Judged by torch.",))
    if callable(grads):
        again = Again([grads], grads)
        right = {name: scale * g for name, g in true.items()}
        report = with_fixes(searchable(report, again, lambda: right))
    return report


def true_gradients(loss: Any, model: Any) -> dict[str, Array]:
    """What torch says, by the names of the parameters."""
    torch = loaded()
    if not isinstance(model, torch.nn.Module):
        raise TypeError(
            "compare: the loss is a torch.Tensor; give the torch Module it was computed with as "
            "model=, whose parameters have the names"
        )
    if loss.numel() != 1 or not loss.requires_grad:
        raise RuntimeError(
            f"compare: the loss of torch has shape {tuple(loss.shape)} and requires_grad="
            f"{loss.requires_grad}; give a scalar that was computed with a record"
        )
    parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
    found = torch.autograd.grad(
        loss.sum(), list(parameters.values()), retain_graph=True, allow_unused=True
    )
    return {
        name: np.array(values_of(p)) * 0 if g is None else np.array(values_of(g))
        for (name, p), g in zip(parameters.items(), found, strict=True)
    }
