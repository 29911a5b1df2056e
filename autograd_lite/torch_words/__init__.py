"""PyTorch's functions and methods that are made of others, or are questions about values."""

from typing import TYPE_CHECKING

from ..engine.declare import public
from . import arithmetic, making, order, pick, questions, shape

if TYPE_CHECKING:
    from .arithmetic import *
    from .order import *
    from .pick import *
    from .questions import *
    from .shape import *
else:
    __all__ = list(public)
    globals().update(public)
