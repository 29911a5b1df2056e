"""The mistakes that people make in a manual backward: one table, one row per way to be wrong.

A row has a slug, a sentence, which operations it is about, and how the mistake is made. Like the
rules of operations, wrong rules are written in `g, y` and the inputs, so that they run on arrays
(to see whether they give the gradient that was handed in) and on Symbols (to print it). Adding a
mistake is one row here: the tests make every row on purpose and look for its name. The order of the
rows is the order in which equal explanations are listed.
"""

from __future__ import annotations

from .activations import ACTIVATIONS
from .losses import CROSS_ENTROPIES, WITH_A_FREE_FACTOR
from .products import MATMUL_RULES, PRODUCTS, VAGUE
from .reductions import CHOICES, NORMALISATIONS
from .row import Constant, Mistake, Wording, curve, mistakes_of
from .sentences import CONSTANTS, SENTENCES, said
from .sums import SUMS
from .windows import WINDOWS

__all__ = [
    "CERTAIN", "CONSTANTS", "MATMUL_RULES", "RULES", "SENTENCES", "SUMS", "VAGUE", "Constant",
    "Mistake", "Wording", "curve", "said",
]  # fmt: skip

# Single edits of a formula or other arrays in it name some of these too, but later, and in the
# words of the formula: "the factor 1 - y * y left out", not "the derivative of tanh".
RULES = [
    *mistakes_of(ACTIVATIONS),
    *mistakes_of(CROSS_ENTROPIES),
    *mistakes_of(NORMALISATIONS),
    *mistakes_of(CHOICES),
    *mistakes_of(WITH_A_FREE_FACTOR, free=True),
    *PRODUCTS,
    *WINDOWS,
]
CERTAIN = [row for row in [*RULES, *MATMUL_RULES] if not row.free]
