"""Layers, with PyTorch's names and defaults, in files by subject."""

from . import (
    activations,
    attention,
    distances,
    dropout,
    embedding,
    linear,
    normalization,
    recurrent,
    shape,
    transformer,
)
from .activations import *
from .attention import *
from .distances import *
from .dropout import *
from .embedding import *
from .linear import *
from .normalization import *
from .recurrent import *
from .shape import *
from .transformer import *

__all__ = activations.__all__ + distances.__all__ + dropout.__all__ + linear.__all__
__all__ += attention.__all__ + embedding.__all__ + transformer.__all__
__all__ += normalization.__all__ + recurrent.__all__ + shape.__all__
