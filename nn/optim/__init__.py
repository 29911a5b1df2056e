"""Optimisers with PyTorch's names, defaults and results, clipping, and learning rate schedules.

>>> from autograd_lite import tensor
>>> w = tensor([1.0, 2.0], requires_grad=True)
>>> optimizer = SGD([w], lr=0.25)
>>> (w * w).sum().backward()
>>> optimizer.step()
>>> w.tolist()
[0.5, 1.0]
"""

from typing import TYPE_CHECKING

from autograd_lite.lazy import lazily

if TYPE_CHECKING:
    from . import lr_scheduler
    from .clip import *
    from .lbfgs import *
    from .optimizer import *
    from .others import *
    from .rules import *
    from .sparse import *
else:
    __getattr__, __dir__ = lazily(
        __name__,
        files=("rules", "optimizer", "clip", "others", "lbfgs", "sparse"),
        public=("lr_scheduler",),
        also=("swa_utils",),
    )
