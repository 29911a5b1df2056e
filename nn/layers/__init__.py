"""Layers, with PyTorch's names and defaults, in files by subject."""

from typing import TYPE_CHECKING

from autograd_lite.lazy import lazily

FILES = (
    "linear",
    "activations",
    "dropout",
    "normalization",
    "shape",
    "embedding",
    "convolution",
    "pooling",
    "recurrent",
    "attention",
    "transformer",
    "padding",
    "resampling",
    "distances",
    "bilinear",
    "lazy",
)

if TYPE_CHECKING:
    from .activations import *
    from .attention import *
    from .bilinear import *
    from .convolution import *
    from .distances import *
    from .dropout import *
    from .embedding import *
    from .lazy import *
    from .linear import *
    from .normalization import *
    from .padding import *
    from .pooling import *
    from .recurrent import *
    from .resampling import *
    from .shape import *
    from .transformer import *
else:
    __getattr__, __dir__ = lazily(__name__, FILES)
