"""The report on gradients of what has no tape: a verdict each, and facts about the wrong ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...engine.tape import Array
from ...engine.tensor import Tensor
from ..answers.arguments import as_gradient
from ..answers.conventions import in_shape
from ..answers.judge import ABSENT, OK, OTHER, SMALL, WRONG, Hand, Row, fitted
from ..answers.report import Report, Witness
from ..source.doors import Again, searchable
from .facts import known
from .slopes import Measured, Outputs, Slopes, Value

MOST_WITNESSES = 8
REMARK = "No tape: judged by finite differences of the function."


def by_differences(
    value: Value,
    arrays: Mapping[str, Array],
    grads: Mapping[str, Any],
    wanted: Sequence[str],
    problems: Sequence[Row] = (),
    remark: str = REMARK,
    seen: Mapping[str, Array] | None = None,
    outputs: Outputs | None = None,
    upstream: Sequence[Array] = (),
    coarse: bool = False,
    again: Again | None = None,
) -> Report:
    """The report on gradients of `value(arrays)`, a number, with respect to the wanted arrays.

    `seen` are other arrays that it uses: a factor may be the length of an axis of one. `outputs`
    and `upstream` are what the number is the sum of the products of, where it is one. `coarse` says
    that arrays are moved in float32, and `again` how the gradients are computed anew.
    """
    slopes = Slopes(value, arrays, outputs, upstream, coarse)
    hands, refused = taken(grads, arrays, wanted)
    rows = [*problems, *refused]
    own = {name: hand.own for name, hand in hands.items() if hand.own is not None}
    measured = {name: Measured(slopes, name, g.astype(float)).judge() for name, g in own.items()}
    sizes = {n: x for x, a in {**arrays, **(seen or {})}.items() for n in a.shape[::-1]}
    told = {row.name for row in rows}
    for name in reversed(wanted):  # as a backward pass meets them: the last parameters first
        if name in hands:
            m = measured.get(name) or Measured(slopes, name, np.zeros(arrays[name].shape))
            others = {other: g for other, g in own.items() if other != name}
            rows.append(row_of(m, hands[name], others, sizes))
        elif name not in told:
            rows.append(Row(name, arrays[name].shape, ABSENT))
    wrong = [r.name for r in rows if r.verdict == WRONG and r.name in measured]
    worst = witness(measured[wrong[0]]) if wrong else None
    report = Report(slopes.here, tuple(rows), worst, "", (remark,) if remark else ())
    if again is None:
        return report
    shadows = Shadows(slopes, wanted)
    return searchable(report, again._replace(run=lambda: shadows.of(again.run())), shadows.right)


def taken(
    grads: Mapping[str, Any], arrays: Mapping[str, Array], wanted: Sequence[str]
) -> tuple[dict[str, Hand], list[Row]]:
    """The gradients that are arrays, by name and in shape, and a row for each that is not."""
    hands, refused = {}, []
    for name in wanted:
        if name in grads:
            try:
                hands[name] = Hand(name, as_gradient(name, grads[name]))
            except TypeError as error:
                text = str(error).removeprefix("compare: ")
                refused.append(Row(name, arrays[name].shape, WRONG, text))
    in_shape({Tensor(arrays[name]): hand for name, hand in hands.items()}, 1.0, None)
    return hands, refused


class Shadows:
    """Gradients by their slopes along the directions that judge them: fewer numbers than elements,
    which none but the right gradient has all of."""

    def __init__(self, slopes: Slopes, wanted: Sequence[str]) -> None:
        self.measured = {n: Measured(slopes, n, np.zeros(slopes.arrays[n].shape)) for n in wanted}

    def right(self) -> dict[str, Array]:
        """The slopes; in float32, as they are about as sure as those numbers are."""
        for m in self.measured.values():
            m.look()
        slopes = {n: [s.value for _, s in m.found] for n, m in self.measured.items()}
        return {n: np.array(some, np.float32) for n, some in slopes.items()}

    def of(self, grads: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """What gradients say that the slopes are; those of another shape as they are."""
        return None if grads is None else {n: self.shadow(n, g) for n, g in grads.items()}

    def shadow(self, name: str, g: Any) -> Any:
        m = self.measured[name]
        own = fitted(np.asarray(as_gradient(name, g), float), m.yours.shape)
        return g if own is None else np.array([m.claim(v, own) for v, _ in m.found])


def row_of(m: Measured, hand: Hand, others: Mapping[str, Array], sizes: Mapping[int, str]) -> Row:
    """The verdict on one gradient, and what is known about it if it is wrong."""
    shape = m.yours.shape
    notes = [f"yours has shape {hand.given.shape}"] if hand.given.shape != shape else []
    notes += [hand.convention] if hand.convention else []
    if hand.own is None:
        m.look()
        fact = known(m, hand.given, others, sizes)
        return Row(hand.name, shape, WRONG, "; ".join(filter(None, (*notes, fact))))
    if not m.wrong:
        verdict = OTHER if notes or m.kinked else OK
        if m.kinked:
            notes.append("differs at kinks, where it is a slope too")
        elif m.noisy and m.yours.any():
            verdict = SMALL
            notes.append("the differences are less sure than it is large")
        return Row(hand.name, shape, verdict, "; ".join(notes), math.nan, m.error)
    fact = known(m, m.yours, others, sizes)
    if not fact:
        notes.append(f"relative error {m.error:.2g}" if m.found else "")
    note = "; ".join(filter(None, (*notes, fact)))
    return Row(hand.name, shape, WRONG, note, largest_error(m), m.error, contrasted=not fact)


def largest_error(m: Measured) -> float:
    """The largest error that a witness has seen."""
    found = witness(m)
    slope = found.finite_difference if found else None
    return math.nan if found is None or slope is None else abs(found.yours - slope)


def witness(m: Measured) -> Witness | None:
    """Of a few elements that are wrong, or may be, the one that is furthest off."""
    if not np.isfinite(m.yours).all() or not m.found:
        return None
    step = m.found[0][1].step

    def off(element: tuple[int, ...]) -> float:
        left, right = m.slopes.sides(m.name, unit(m, element), step)
        return abs(float(m.yours[element]) - (left + right) / 2)

    element = max(candidates(m), key=off)
    slope = m.slopes.slope(m.name, unit(m, element))
    sides = slope.sides if slope.kinked else (slope.value, slope.value)
    return Witness(m.name, element, float(m.yours[element]), math.nan, sides, m.slopes.here)


def unit(m: Measured, element: tuple[int, ...]) -> Array:
    """The direction of one element."""
    direction = np.zeros(m.yours.shape)
    direction[element] = 1
    return direction


def candidates(m: Measured) -> list[tuple[int, ...]]:
    """Elements in the slices that are wrong along every axis, the largest of yours first."""
    mask = np.ones(m.yours.shape, bool)
    for axis, n in enumerate(m.yours.shape):
        wrong = m.along(axis)
        if wrong:
            inside = np.isin(np.arange(n), wrong)
            mask &= inside.reshape([-1 if i == axis else 1 for i in range(m.yours.ndim)])
    order = np.argsort(-np.abs(m.yours) * mask - 1e-300 * mask, axis=None, kind="stable")
    places = [np.unravel_index(int(i), m.yours.shape) for i in order[:MOST_WITNESSES]]
    return [tuple(int(i) for i in place) for place in places]
