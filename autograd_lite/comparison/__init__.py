"""Autodiff against manual backprop: which of the gradients handed in is right, and which is not.

The files, in the order in which a comparison goes through them:

- `doors` (`compare`, `assert_same`), `probe` (`check_backward`), `layers` (`compare_layers`, with
  `classes` and `updates`): what a learner calls; `running` runs the learner's own code;
- `handed`: names, gradients and options are read; `judge`: one gradient gets its verdict;
  `conventions`: what differs without being wrong; `replay`: the tape run again;
- `mistakes`: the table; `factors`: numbers with a name; `places`: where a mistake can be made;
  `guesses` makes each on purpose, `fits` holds it against what was handed in, and `naming` finds
  the fewest that explain all of it;
- `report`: the table, the dictionary and the witness.
"""

from .answers.judge import Diagnosis, Row
from .answers.report import Report, Witness
from .doors import assert_same, compare
from .learners.functions import check_backward
from .learners.layers import compare_layers
from .replay import replay

__all__ = [
    "Diagnosis",
    "Report",
    "Row",
    "Witness",
    "assert_same",
    "check_backward",
    "compare",
    "compare_layers",
    "replay",
]
