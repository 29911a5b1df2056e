"""Layers, with PyTorch's names and defaults, in files by subject."""

from typing import TYPE_CHECKING

from . import (
    activations,
    attention,
    convolution,
    distances,
    dropout,
    embedding,
    linear,
    normalization,
    padding,
    pooling,
    recurrent,
    resampling,
    shape,
    transformer,
)
from .activations import *
from .attention import *
from .convolution import *
from .distances import *
from .dropout import *
from .embedding import *
from .linear import *
from .normalization import *
from .padding import *
from .pooling import *
from .recurrent import *
from .resampling import *
from .shape import *
from .transformer import *

if not TYPE_CHECKING:  # mypy cannot read a sum of lists, and takes every name
    __all__ = activations.__all__ + distances.__all__ + dropout.__all__ + linear.__all__
    __all__ += attention.__all__ + embedding.__all__ + transformer.__all__
    __all__ += normalization.__all__ + recurrent.__all__ + shape.__all__
    __all__ += convolution.__all__ + padding.__all__ + pooling.__all__ + resampling.__all__
