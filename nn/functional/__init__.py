"""Layers and losses as functions, with PyTorch's names, arguments and defaults.

Everything is composed from rows of the engine's table, so the gradients are derived, to any order,
and float32 stays float32. Rows of its own are the two binary cross-entropies, of probabilities,
whose slope PyTorch bounds at 0 and 1, and of logits, whose slope is sigmoid(x) - t, and what
`batch_norm` does in evaluation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autograd_lite.absent import missing

from . import (
    activations,
    affine,
    attention,
    convolution,
    distances,
    dropouts,
    embeddings,
    losses,
    normalization,
    padding,
    pooling,
    resampling,
)
from .activations import *
from .affine import *
from .attention import *
from .convolution import *
from .distances import *
from .dropouts import *
from .embeddings import *
from .losses import *
from .normalization import *
from .padding import *
from .pooling import *
from .resampling import *

if not TYPE_CHECKING:  # mypy cannot read a sum of lists, and takes every name
    __all__ = activations.__all__ + affine.__all__ + attention.__all__ + distances.__all__
    __all__ += dropouts.__all__ + embeddings.__all__ + losses.__all__ + normalization.__all__
    __all__ += padding.__all__ + convolution.__all__ + pooling.__all__ + resampling.__all__


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)


def __dir__() -> list[str]:
    return sorted([*[name for name in globals() if name.startswith("__")], *globals()["__all__"]])
