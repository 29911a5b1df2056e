"""Autodiff against manual backprop: which of the gradients handed in is right, and which is not.

The files, in the order in which a comparison goes through them:

- `gradients` (`compare`, `assert_same`), `learners.functions` (`check_backward`), `learners.layers`
  (`compare_layers`, with `classes` and `updates`): what a learner calls; `learners.execution` runs
  the learner's own code;
- `answers`: `arguments` are read, `judge` gives one gradient its verdict, `conventions` are what
  differs without being wrong, `report` is the table, the dictionary and the witness;
- `source`: the learner's own code, edited until the gradients come out right: the line, the fix;
- `propagation`: the tape run again, forward and backward;
- `mistakes`: the `table`; `factors` that have a name; `places` where a mistake can be made;
  `guesses` makes each on purpose, `matching` holds it against what was handed in, and `search`
  finds the fewest that explain all of it.
"""

from .answers.fix import Fix
from .answers.judge import Diagnosis, Row
from .answers.report import Report, Witness
from .gradients import assert_same, compare
from .learners.functions import check_backward
from .learners.layers import compare_layers
from .propagation import replay

__all__ = [
    "Diagnosis",
    "Fix",
    "Report",
    "Row",
    "Witness",
    "assert_same",
    "check_backward",
    "compare",
    "compare_layers",
    "replay",
]
