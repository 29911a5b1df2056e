"""Differentiation under PyTorch's names: `grad`, `Function`, `functional`, `gradcheck`."""

from __future__ import annotations

from typing import Any

from ..anomaly import detect_anomaly
from ..calculus import as_tuple, grad
from ..differences import gradcheck, gradgradcheck
from ..engine.arrays import unboxed
from ..engine.backward import deliver, own, pull_in_mode, seed_of
from ..engine.modes import enable_grad, inference_mode, no_grad, set_grad_enabled
from ..engine.tensor import Tensor, as_tensor
from . import function, functional
from .function import Function

__all__ = [
    "Function", "Variable", "backward", "detect_anomaly", "enable_grad", "function", "functional",
    "grad", "gradcheck", "gradgradcheck", "inference_mode", "no_grad", "set_grad_enabled",
]  # fmt: skip


def Variable(data: Any, requires_grad: bool = False) -> Tensor:
    """A tensor that shares the memory of `data`: what PyTorch had before tensors had gradients.

    >>> Variable([1.0], requires_grad=True)
    tensor([1.], requires_grad=True)
    """
    t = as_tensor(data).detach()
    return t.requires_grad_() if requires_grad else t


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the derivatives of several tensors to the `grad` of the leaves, or of the `inputs` alone,
    in one backward pass.

    `grad_tensors` are their gradients; None for a tensor of one element. Errors as
    `Tensor.backward`.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> backward([x.sum(), x * x], [None, Tensor([1.0, 1.0])])
    >>> x.grad
    tensor([3., 5.])
    """
    outputs = as_tuple(tensors)
    given = (None,) * len(outputs) if grad_tensors is None else as_tuple(grad_tensors)
    if len(given) != len(outputs):
        raise ValueError(f"backward: {len(outputs)} tensors, but {len(given)} grad_tensors")
    seeds = [(t, seed_of(t, g, create_graph)) for t, g in zip(outputs, given, strict=True)]
    handed: dict[int, Any] = {}
    for _, g in seeds:
        own(unboxed(g), handed)
    keep = create_graph if retain_graph is None else retain_graph
    found: Any = None if inputs is None else {}
    grads = pull_in_mode(seeds, keep, create_graph, found=found)
    if inputs is not None:
        grads = {t: found[t] for t in as_tuple(inputs) if t in found}
    for leaf, g in grads.items():
        deliver(leaf, g, handed)
