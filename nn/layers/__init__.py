"""Layers, with PyTorch's names and defaults, in files by subject."""

from . import activations, distances, dropout, embedding, linear, normalization, recurrent, shape
from .activations import *
from .distances import *
from .dropout import *
from .embedding import *
from .linear import *
from .normalization import *
from .recurrent import *
from .shape import *

__all__ = activations.__all__ + distances.__all__ + dropout.__all__ + embedding.__all__
__all__ += linear.__all__ + normalization.__all__ + recurrent.__all__ + shape.__all__
