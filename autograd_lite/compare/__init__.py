"""Autodiff against manual backprop: which of the gradients handed in is right, and which is not."""

from .doors import assert_same, compare
from .judge import Diagnosis, Row
from .layers import compare_layers
from .probe import check_backward
from .replay import replay
from .report import Report, Witness

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
