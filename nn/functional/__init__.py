"""Layers and losses as functions, with PyTorch's names, arguments and defaults.

Everything is composed from rows of the engine's table, so the gradients are derived, to any order,
and float32 stays float32. Rows of its own are the two binary cross-entropies, of probabilities,
whose slope PyTorch bounds at 0 and 1, and of logits, whose slope is sigmoid(x) - t, and what
`batch_norm` does in evaluation.
"""

from typing import TYPE_CHECKING

from autograd_lite.lazy import lazily

FILES = (
    "affine",
    "activations",
    "losses",
    "ctc",
    "dropouts",
    "embeddings",
    "normalization",
    "convolution",
    "pooling",
    "padding",
    "attention",
    "distances",
    "resampling",
)

if TYPE_CHECKING:
    from .activations import *
    from .affine import *
    from .attention import *
    from .convolution import *
    from .ctc import *
    from .distances import *
    from .dropouts import *
    from .embeddings import *
    from .losses import *
    from .normalization import *
    from .padding import *
    from .pooling import *
    from .resampling import *
else:
    __getattr__, __dir__ = lazily(__name__, FILES)
