"""Optimisers with PyTorch's names, defaults and results, clipping, and learning rate schedules.

>>> from autograd_lite import tensor
>>> w = tensor([1.0, 2.0], requires_grad=True)
>>> optimizer = SGD([w], lr=0.25)
>>> (w * w).sum().backward()
>>> optimizer.step()
>>> w.tolist()
[0.5, 1.0]
"""

from importlib import import_module
from typing import Any

from autograd_lite.absent import missing

from . import lr_scheduler
from .clip import clip_grad_norm_, clip_grad_value_
from .lbfgs import LBFGS
from .optimizer import Optimizer
from .others import ASGD, Adadelta, Adamax, NAdam, RAdam, Rprop
from .rules import SGD, Adagrad, Adam, AdamW, RMSprop
from .sparse import SparseAdam

__all__ = [
    "ASGD", "LBFGS", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "Optimizer",
    "RAdam", "RMSprop", "Rprop", "SparseAdam", "clip_grad_norm_", "clip_grad_value_",
    "lr_scheduler",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "swa_utils":
        return import_module(f"{__name__}.swa_utils")
    raise missing(__name__, name)
