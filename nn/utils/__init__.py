"""What is done with parameters: gradients clipped, all of them as one vector, weights kept in some
form while they are trained (`parametrizations`, `parametrize`, `prune`); and `rnn`."""

from typing import TYPE_CHECKING

from autograd_lite.lazy import lazily

if TYPE_CHECKING:
    from ..optim.clip import *
    from . import parametrizations, parametrize, prune, rnn
    from .recomputed import *
    from .vectors import *
else:
    __getattr__, __dir__ = lazily(
        __name__,
        files=(".optim.clip", "vectors", "recomputed"),
        public=("parametrizations", "parametrize", "prune", "rnn"),
    )
