"""What people write, as what they mean: the laws by which a tape is brought into standard form.

`1 / (1 + np.exp(-z))` is sigmoid, exponentials over their sum are softmax, and so on: mistakes are
named after what is meant. In a docstring x is any array, t an array of 0 and 1 that needs no
gradient, and n a number; a test runs every law.
"""

from __future__ import annotations

from . import arithmetic, curves, exponentials  # they add their laws
from .binary import log_loss, log_loss_of_p
from .expressions import FUSED, GUARD, IDIOMS, Idioms
from .statistics import deviation, normalise

__all__ = [
    "FUSED", "GUARD", "IDIOMS", "Idioms", "deviation", "log_loss", "log_loss_of_p", "normalise",
]  # fmt: skip
