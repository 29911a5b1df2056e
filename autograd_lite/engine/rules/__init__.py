"""The operations and what users call: each declared once, with its rules, kind and names."""

from typing import TYPE_CHECKING

from ..declare import public
from ..op import ops as ops
from . import (
    along,
    arithmetic,
    convolutions,
    curves,
    matrices,
    order,
    pick,
    products,
    questions,
    reductions,
    shape,
    spread,
    steps,
)

if TYPE_CHECKING:
    from .along import *
    from .arithmetic import *
    from .curves import *
    from .order import *
    from .pick import *
    from .products import *
    from .questions import *
    from .reductions import *
    from .shape import *
    from .spread import *
    from .steps import *
else:
    __all__ = list(public)
    globals().update(public)
