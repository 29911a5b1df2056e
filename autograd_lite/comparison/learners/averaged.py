"""Backwards with the 1/m of the loss inside: all parameters' gradients are divided by the batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...engine.arrays import unboxed
from ...engine.tape import Array
from ...engine.tensor import Tensor
from ..answers.judge import OK, OTHER, WRONG
from ..answers.report import Report
from .execution import pulled_back

Judge = Callable[[Mapping[str, Any]], Report]


def by_convention(
    judge: Judge, grads: Mapping[str, Any], y: Tensor, g: Array, wanted: Mapping[str, Tensor]
) -> Report:
    """The report on the gradients as they are, or on those of parameters times the batch size
    where less is wrong then: in some courses every layer divides, and its input's is right without.
    """
    report = judge(grads)
    arrays = {n: a for n, v in grads.items() if isinstance(a := unboxed(v), np.ndarray)}
    if report.ok:
        return report
    for m in sorted({n for n in y.shape if n > 1}):
        late = [name for name, t in wanted.items() if m not in t.shape and name in arrays]
        if 2 <= len(late) < len(grads) and suggested(report, m, late, arrays, y, g, wanted):
            other = judge({**grads, **{n: m * arrays[n] for n in late}})
            if wrong(other) < wrong(report) and wrong_ones(other) <= wrong_ones(report):
                return divided(other, m, late)
    return report


def suggested(
    report: Report,
    m: int,
    late: Sequence[str],
    grads: Mapping[str, Array],
    y: Tensor,
    g: Array,
    wanted: Mapping[str, Tensor],
) -> bool:
    """Whether one of them is right but for `m`, or several mistakes are needed to explain it: a
    second search costs as much as the first."""
    first = report.first_wrong
    if first is not None and len({d.slug for d in first.diagnoses if not d.explanation}) > 1:
        return True
    for name in late:
        true, own = pulled_back(y, wanted[name], g), grads[name]
        near = 1e-9 * np.abs(true).max(initial=0)
        if own.shape == true.shape and true.any() and np.allclose(own * m, true, 1e-6, near):
            return True
    return False


def wrong(report: Report) -> tuple[int, int]:
    """How many gradients are wrong on their own, and how many names the first one takes."""
    first = report.first_wrong
    names = [d for d in first.diagnoses if not d.explanation] if first is not None else []
    return sum(row.verdict == WRONG for row in report.rows), len(names)


def wrong_ones(report: Report) -> set[str]:
    return {row.name for row in report.rows if row.verdict == WRONG}


def divided(report: Report, m: int, late: Sequence[str]) -> Report:
    """The report where the gradients of parameters are divided by the batch size, as is said."""
    note = f"divided by the batch size {m}: right where the loss is a mean and g is not divided"
    found = (
        replace(row.with_note(note), verdict=OTHER if row.verdict == OK else row.verdict)
        if row.name in late
        else row
        for row in report.rows
    )
    return replace(report, rows=tuple(found))
