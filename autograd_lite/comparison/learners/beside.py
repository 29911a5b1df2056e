"""A backward by hand beside the tape of the same forward, and the conventions of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...engine.modes import enable_grad
from ...engine.rules import ops
from ...engine.tape import Array
from ...engine.tensor import Tensor
from ...program.chain import Tape
from ..answers.judge import ABSENT, OK, OTHER, WRONG, Diagnosis, Row, agree, spreads
from ..answers.report import Report
from ..mistakes.matching import ratio
from .calls import as_floats, shaped
from .criterion import along
from .engines import NETS
from .execution import (
    pulled_back,
    reported,
    with_note,
)
from .parts import trained
from .recording import Setting
from .updates import LayerRecord, Pulled, Updates

GUARD = 1e-5  # what is added to keep a logarithm or a quotient finite, at most


@dataclass
class Comparison:
    """One backward by hand beside the tape of the same forward."""

    trial: Setting
    steps: list[LayerRecord]
    loss: Tensor
    value: float
    pulled: dict[str, Pulled]
    grads: dict[str, Any]
    rows: list[Row]

    def report(self) -> Report:
        last = self.steps[-1]
        constants = self.set_aside()
        updates = self.updates()
        rate = None if self.trial.known else updates.common_rate()
        if rate not in (None, self.trial.rate):
            self.trial.rate = rate
            updates = self.updates()
        times = self.scaled(updates)
        places, start = [last.y, last.x], last.y.serial
        if isinstance(self.trial.layers[-1], NETS):  # whose loss is inside
            places, start = [*last.params.values()], -1
        self.loss, guard = unguarded(self.loss, start, places, self.grads)
        together = self.fused(last)
        if together:
            self.grads.pop(last.y.name, None)
        updates.settle()
        wanted = self.wanted()
        effort = self.trial.effort
        report = self.hinted(reported(self.loss, self.grads, wanted, self.rows, effort=effort))
        report = self.convention(report, guard, together, times)
        report = updates.judged(report, self.loss, wanted)
        report = self.broadcast(self.softmax_along_batch(report, together))
        remarks = *report.remarks, *constants, *self.said(updates.moving)
        return replace(report, remarks=remarks)

    def updates(self) -> Updates:
        """What the backward did to parameters."""
        updates = Updates(self.trial.rate, self.trial.known, self.pulled, self.grads)
        for step, layer in reversed([*zip(self.steps, self.trial.layers, strict=True)]):
            updates.read(step, layer)
        return updates

    def said(self, moving: bool) -> list[str]:
        """Remarks on what was left open."""
        criterion = self.trial.criterion
        remarks = []
        if moving and not self.trial.known:
            remarks.append(f"No lr was given: the layers should step with {self.trial.rate:g}.")
        if criterion.value is along:
            remarks.append("No loss was given: a random gradient arrives at the output.")
        if criterion.reduced:
            remarks.append(f"The loss gives several numbers: {criterion.reduced} of them is taken.")
        if not criterion.given and not isinstance(self.trial.layers[0], NETS):
            remarks.append("No gradient of the loss was handed in: layers were given autodiff's.")
        return remarks

    def softmax_along_batch(self, report: Report, together: bool) -> Report:
        """The report with a word on a softmax whose output, less the target, is the right gradient
        but for its axis: its columns sum to 1 where the rows of the target do."""
        last = self.steps[-1]
        y, t = last.y.array, self.trial.y
        given = shaped(self.grads.get(last.x.name), last.x.shape)
        if not together or given is None or y.ndim != 2:
            return report
        if t.ndim == 1 and t.dtype.kind in "iu" and t.max(initial=0) < y.shape[1]:
            t = np.eye(y.shape[1])[t]
        axis, due = ones_along(y), ones_along(t)
        if None in (axis, due) or axis == due or t.shape != y.shape:
            return report
        if not agree(given, ratio(given, y - t) * (y - t)):
            return report
        words = (
            f"the forward takes the softmax along another axis: it sums over axis {axis}, not "
            f"{due}, so {('columns', 'rows')[axis or 0]} and not samples sum to 1"
        )
        found = (Diagnosis("wrong-axis", words, True),)
        rows = [
            replace(row, diagnoses=found)
            if row.name == last.x.name and row.verdict == WRONG
            else row
            for row in report.rows
        ]
        return replace(report, rows=tuple(rows))

    def wanted(self) -> dict[str, Tensor]:
        """The tensors that get a row, by name."""
        found = {"x": self.steps[0].x} | {step.y.name: step.y for step in self.steps}
        if not found["x"].requires_grad or isinstance(self.trial.layers[0], NETS):
            del found["x"]
            self.grads.pop("x", None)
        if not self.trial.criterion.given:
            del found[self.steps[-1].y.name]
        for step in self.steps:
            found |= {t.name: t for t in step.params.values()}
        return found

    def set_aside(self) -> list[str]:
        """Leave out the arrays of layers of which no gradient is to be had, unless their names say
        that they are trained; what is to be said of that."""
        aside = []
        for step, layer in zip(self.steps, self.trial.layers, strict=True):
            did = self.pulled.get(step.name)
            for p, t in [*step.params.items()]:
                if p in layer.spec.names or trained(p) or did is None:
                    continue
                still = np.array_equal(did.before[p], did.after[p], equal_nan=True)
                if did.kept.get(p) is None and still:
                    aside.append(t.name)
                    del step.params[p], did.before[p], did.after[p]
        aside = list(dict.fromkeys(aside))
        if not aside:
            return []
        example = plain_name(aside[0])
        said = (
            f"Not looked at, as no gradient is kept and no update made: {', '.join(aside)} "
            f"(name it in params= if it is trained; its gradient may be called d{example})."
        )
        return [said]

    def scaled(self, updates: Updates) -> float:
        """What the gradients that layers pass on are a multiple of autodiff's by, where those of
        parameters are not: the other sign of target - output, a 1/n that comes later. They are
        divided by it here. Else 1."""
        last = self.steps[-1]
        c = next((c for t in (last.y, last.x) if (c := self.times(t)) != 1), 1.0)
        if c == 1 or not updates.takes_back(c):
            return 1.0
        for t in {last.y, *(step.x for step in self.steps)}:
            if t.name in self.grads:
                self.grads[t.name] = as_floats(self.grads[t.name]) / c
        updates.divide(c)
        return c

    def times(self, t: Tensor) -> float:
        """The number of autodiff's gradients that one handed in is; 1 if it is no multiple."""
        mine = shaped(self.grads[t.name], t.shape) if t.name in self.grads else None
        if mine is None:
            return 1.0
        right = pulled_back(self.loss, t, np.ones(self.loss.shape))
        c = ratio(mine, right)
        close = np.linalg.norm(mine - c * right) <= 1e-5 * np.linalg.norm(mine)  # or a guard's part
        return whole_number(c) if close and c and abs(c - 1) > 1e-4 else 1.0

    def fused(self, last: LayerRecord) -> bool:
        """Whether the last layer passes on its upstream, which is not its derivative, and the loss
        had it in mind: its gradient is not that of the layer's output either."""
        did = self.pulled.get(last.name)
        if did is None or not self.loss.requires_grad or last.y.name not in self.grads:
            return False
        upstream = shaped(self.grads[last.y.name], last.y.shape)
        given = shaped(self.grads.get(last.x.name), last.x.shape)
        if upstream is None or given is None or upstream.shape != given.shape:
            return False
        right = pulled_back(last.y, last.x, upstream)
        slope = pulled_back(self.loss, last.y, np.ones(self.loss.shape))
        return agree(given, upstream) and not agree(given, right) and not agree(upstream, slope)

    def convention(self, report: Report, guard: float, together: bool, times: float) -> Report:
        """The report with what was done by another convention."""
        last = self.steps[-1]
        said = [f"{last.name} and the loss are differentiated together"] * together
        said += [f"leaves out the {guard:g} that the loss adds"] * bool(guard)
        other = "target - output: the other sign, which W += ... takes back"
        if times != -1:
            other = f"yours is {times:g} times it, which the gradients of parameters take back"
        notes = {name: [other] for name in ("x", *(s.y.name for s in self.steps)) if times != 1}
        notes[last.y.name] = said + notes.get(last.y.name, [])

        def told(row: Row) -> Row:
            notes_of_row = notes.get(row.name)
            excused = (OK, ABSENT) if row.name == last.y.name else (OK,)
            if not notes_of_row or row.verdict not in excused:
                return row
            return replace(row, verdict=OTHER, note="; ".join(notes_of_row))

        rows = tuple(told(row) for row in report.rows)
        return replace(report, rows=rows, loss=self.value if said else report.loss)

    def broadcast(self, report: Report) -> Report:
        """The report with a word on a loss whose prediction and target have different shapes."""
        last = self.steps[-1].y
        given = np.shape(self.grads.get(last.name, 0.0))
        shapes = (last.shape, self.trial.y.shape)
        if given != last.shape and all(spreads(shape, given) for shape in shapes):
            note = f"prediction {shapes[0]} and target {shapes[1]} were broadcast"
            report = with_note(report, last.name, note)
        return report

    def hinted(self, report: Report) -> Report:
        """The report with a hint at how to hand in what no gradient was found of."""
        absent = {row.name for row in report.rows if row.verdict == ABSENT}
        for step in self.steps:
            for p, t in step.params.items():
                did = self.pulled.get(step.name)
                if t.name not in absent or did is None:
                    continue
                like = [n for n, a in did.written.items() if a.shape == t.shape and n != p]
                said = f"no gradient is kept as d{p}, grad_{p} or the like"
                if like:
                    said += f"; if {like[0]} is it, say so with grads=({like[0]!r}, ...)"
                report = with_note(report, t.name, said)
        return report


def unguarded(
    loss: Tensor, start: int, places: Sequence[Tensor], grads: Mapping[str, Any]
) -> tuple[Tensor, float]:
    """The loss without the small number that it adds, as in log(p + 1e-7), and that number, if the
    gradient by hand of one of these places goes with the loss without it; else the loss as it is,
    and 0. What was recorded before `start` stays."""
    new: dict[Tensor, Tensor] = {}
    guards = {0.0}

    def is_guard(a: Any) -> bool:
        return isinstance(a, float) and 0 < a <= GUARD

    with enable_grad(), np.errstate(all="ignore"):
        for node, inputs in Tape(loss).inputs.items():
            if node.op is None or node.serial <= start:
                continue
            pairs = zip(inputs, node.args, strict=True)
            args = [a if p is None else new.get(p, p) for p, a in pairs]
            if node.op is ops.add:
                guards |= {a for a in args if is_guard(a)}
                args = [0.0 if is_guard(a) else a for a in args]
            new[node] = node.op(*args, **node.kw)
    for t in places if max(guards) else ():
        mine = shaped(grads.get(t.name), t.shape)
        if mine is not None:
            old, right = (pulled_back(x, t, np.ones(x.shape)) for x in (loss, new[loss]))
            if is_multiple(mine, right) and not is_multiple(mine, old):
                return new[loss], max(guards)
    return loss, 0.0


def is_multiple(mine: Array, right: Array) -> bool:
    """Whether a gradient is that of another, or a multiple of it: its factor may be a mistake."""
    c = ratio(mine, right)
    return bool(c) and agree(mine, c * right)


def ones_along(a: Array) -> int | None:
    """The one axis along which the sums of a matrix are 1."""
    found = [axis for axis in (0, 1) if np.allclose(a.sum(axis), 1)]
    return found[0] if len(found) == 1 else None


def whole_number(c: float) -> float:
    """A number, or the integer or the one over an integer that it is nearly.

    >>> whole_number(-0.9999999), whole_number(0.2000001), whole_number(0.7)
    (-1.0, 0.2, 0.7)
    """
    for near in (float(round(c)), 1 / round(1 / c) if round(1 / c) else 0.0):
        if near and abs(c - near) <= 1e-4 * abs(near):
            return near
    return c


def plain_name(name: str) -> str:
    return name.rsplit(".", 1)[-1]
