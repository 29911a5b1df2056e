"""What layers did in their backward: the gradients that they kept, and the steps that they made."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...calculus import grad_or_zeros
from ...engine.modes import enable_grad, like_numpy
from ...engine.tape import Array
from ...engine.tensor import Tensor
from ...program.chain import Tape
from ..answers.judge import (
    FINE,
    WRONG,
    Diagnosis,
    Row,
    agree,
    contrast,
    distance,
    fitted,
    largest,
    spreads,
)
from ..answers.report import Report
from ..gradients import witness
from ..mistakes.matching import ratio
from ..mistakes.table import said
from .calls import Layer, as_floats, copies, shaped
from .execution import fault, generators, pulled_back, same_numbers
from .slopes import own_stream

ROUNDING = 8 * float(np.finfo(np.float64).eps)


@dataclass
class LayerRecord:
    """What one layer computed on Tensors."""

    name: str
    x: Tensor
    y: Tensor
    value: Array  # of y, as a layer after it may change it in place
    params: dict[str, Tensor]


@dataclass
class Pulled:
    """What the backward of one layer did: with which upstream, giving what, changing what."""

    upstream: Array
    given: Any
    before: dict[str, Array]
    after: dict[str, Array]
    kept: dict[str, Any]
    written: dict[str, Array]  # the attributes that are new or changed


@dataclass
class Move:
    """The change of a parameter by -lr, the gradient that it should be, how many of those it is,
    if it is a multiple, and for 0 whether it is another number with other data."""

    layer: str
    name: str
    p: str
    stepped: Array
    basis: Array
    factor: float | None
    elsewhere: bool = False


class Updates:
    """The updates of one backward pass.

    They put the gradients of parameters into `grads`: those that layers kept, and for the others
    their steps. `rows` are steps that do not follow from the gradient that was kept, `said` is what
    is to be said of gradients because of the updates, and `taken` are the steps that are wrong for
    sure where the gradient is right, by name.
    """

    def __init__(
        self, rate: float, known: bool, pulled: Mapping[str, Pulled], grads: dict[str, Any]
    ) -> None:
        self.rate, self.known, self.pulled, self.grads = rate, known, pulled, grads
        self.factors: list[float] = []  # of what layers hand in, by what follows from above
        self.stepped: Counter[float] = Counter()  # the rates of steps along gradients
        self.moving = any(  # whether the layers update themselves
            not np.array_equal(did.before[p], did.after[p], equal_nan=True)
            for did in pulled.values()
            for p in did.before
        )
        self.moves: list[Move] = []
        self.rows: list[Row] = []
        self.said: dict[str, list[Diagnosis]] = {}
        self.taken: dict[str, Move] = {}

    def read(self, step: LayerRecord, layer: Layer) -> None:
        """Take in what a layer did, if its backward was called; layers come in backward order."""
        did = self.pulled.get(step.name)
        if did is None:
            return
        upstream = fitted(did.upstream, step.y.shape)
        inputs = (step.x, *step.params.values())
        if not step.x.requires_grad:  # indices: what stands in their place has no gradient
            inputs = (Tensor(np.zeros(step.x.shape), requires_grad=True), *inputs[1:])
        if upstream is None:  # as the row of the output says: nothing follows from it
            right = tuple(Tensor(np.zeros(t.shape)) for t in inputs)
        else:
            right = grad_or_zeros((step.y,), inputs, (upstream,), False, True)
            if self.moving and self.updated_too_soon(layer, step, did, upstream, right[0].array):
                diagnosis = Diagnosis(*said("updated-weights", "updated-too-soon")[0], True)
                self.said.setdefault(step.x.name, []).append(diagnosis)
        for (p, t), local in zip(step.params.items(), right[1:], strict=True):
            if p not in did.before:
                continue
            move = self.read_parameter(step.name, p, t, did, local.array)
            if move is not None and move.factor == 0:
                move.elsewhere = self.moves_elsewhere(layer, step, p)

    def read_parameter(
        self, layer: str, p: str, t: Tensor, did: Pulled, local: Array
    ) -> Move | None:
        """Take in the kept gradient of a parameter, or its step, which is returned; `local` is what
        follows from the layer's upstream."""
        before, after, kept = did.before[p], did.after[p], did.kept.get(p)
        self.factors.append(factor_of(self.steps(before, after) if kept is None else kept, local))
        if kept is not None:
            self.grads[t.name] = kept  # of a layer that is used twice, what it has in the end
        if not self.moving and (kept is not None or local.any()):
            return None
        if before.shape != after.shape:
            note = f"gives it the shape {after.shape}"
            self.rows.append(fault(f"{t.name} update", note, t.shape))
            if kept is None and spreads(before.shape, after.shape):
                self.grads[t.name] = (before - after) / self.rate  # such as a bias without its sum
            return None
        stepped = (before - after) / self.rate
        noise = ROUNDING * (np.abs(before) + np.abs(after)) / abs(self.rate)
        basis = local if kept is None else fitted(as_floats(kept), t.shape)
        if basis is None:
            return None
        move = Move(layer, t.name, p, stepped, basis, multiple(stepped, basis, noise))
        self.stepped[float(f"{abs(move.factor or 0) * self.rate:.6g}")] += bool(move.factor)
        if kept is None:
            self.moves.append(move)
            return move
        if move.factor != 1:
            note = "the step does not follow from the gradient"
            most, error = distance(stepped, basis)
            found = self.diagnoses(move, sure=True)
            self.rows.append(Row(f"{t.name} update", t.shape, WRONG, note, most, error, found))
        return None

    def moves_elsewhere(self, layer: Layer, step: LayerRecord, p: str) -> bool:
        """Whether a parameter is updated where another gradient arrives, all of it random."""
        (twin,) = copies((layer,))
        try:
            with np.errstate(all="ignore"), same_numbers(generators([twin.own])):
                y = as_floats(twin.forward(step.x.array.copy()))
                before = twin.values()[p]
                g = np.asarray(own_stream("elsewhere").standard_normal(y.shape))
                twin.backward(g, self.rate)
            return not np.array_equal(before, twin.values()[p])
        except Exception:  # noqa: BLE001  (the learner's own, on other numbers)
            return False

    def steps(self, before: Array, after: Array) -> Any:
        """The gradient that a step was made along; None if it has another shape."""
        return (before - after) / self.rate if before.shape == after.shape else None

    def updated_too_soon(
        self, layer: Layer, step: LayerRecord, did: Pulled, upstream: Array, right: Array
    ) -> bool:
        """Whether the gradient of the input is wrong, and right for the weights after the
        update."""
        given = shaped(did.given, step.x.shape)
        if given is None or agree(given, right):
            return False
        (twin,) = copies((layer,))
        for p, a in did.after.items():
            twin.put(p, Tensor(a))
        x = Tensor(step.x.array.copy(), requires_grad=True)
        try:
            with like_numpy(), enable_grad(), same_numbers(generators([twin.own])):
                y = twin.forward(x)
            return agree(given, pulled_back(y, x, upstream))
        except Exception:  # noqa: BLE001  (the learner's own, that makes no tape)
            return False

    def common_rate(self) -> float | None:
        """The rate that most steps have in common, 1 of several; None if none looks like a rate:
        12 is how a forgotten 1/n looks."""
        likely = [r for r in self.stepped if 0 < r <= 1 and r == float(f"{r:.1g}")]
        return max(likely, key=lambda r: (self.stepped[r], r), default=None)

    def takes_back(self, c: float) -> bool:
        """Whether more of what was handed in is 1/c of what follows from above than is that."""
        return self.against(1 / c) > self.against(1.0)

    def against(self, factor: float) -> int:
        """How many of the gradients are this multiple of what follows from above."""
        return sum(abs(f - factor) <= 1e-5 * abs(factor) for f in self.factors)

    def divide(self, c: float) -> None:
        """Take all that layers passed on divided by a number."""
        for move in self.moves:
            move.basis = move.basis / c
            move.factor = None if move.factor is None else float(f"{move.factor * c:.9g}")

    def settle(self) -> None:
        """Hand in the steps as gradients.

        A step of -1 or 0 gradients is a mistake of the update, and so is a rate of one layer that
        the others have not; any other factor is a mistake of the gradient first.
        """
        everywhere = all_alike([move.factor for move in self.moves])
        for move in self.moves:
            layer = [other.factor for other in self.moves if other.layer == move.layer]
            own_rate = len(layer) > 1 and all_alike(layer) and not everywhere
            sure = move.factor is not None and (own_rate or move.factor <= 0)
            # what rounding does to W - lr dW is no mistake of dW
            handed = move.basis if move.factor == 1 or sure else move.stepped
            self.grads[move.name] = self.grads.get(move.name, 0.0) + handed
            if sure or self.known:
                self.said.setdefault(move.name, []).extend(self.diagnoses(move, sure))
            if sure and move.factor != 1:
                self.taken[move.name] = move

    def diagnoses(self, move: Move, sure: bool) -> tuple[Diagnosis, ...]:
        """What is wrong with a step that is a multiple of the gradient."""
        if move.factor in (None, 1):
            return ()
        rate = f"{abs(move.factor) * self.rate:.4g} where lr is {self.rate:.4g}"
        slug = "update-ascent" if move.factor < 0 else "update-rate"
        zero = "update-zero" if move.elsewhere else "update-never"
        words = {-1.0: "update-ascent-once", 0.0: zero}.get(move.factor, slug)
        return (Diagnosis(*said(slug, words, p=move.p, rate=rate)[0], sure),)

    def judged(self, report: Report, loss: Tensor, wanted: Mapping[str, Tensor]) -> Report:
        """The report with what is said about the updates: before the rest if it is sure, else
        after."""
        report = replace(report, rows=(*map(self.judged_row, report.rows), *self.rows))
        first = report.first_wrong
        if first is None or first.name not in self.taken:
            return report
        t, move = wanted[first.name], self.taken[first.name]
        found = witness(Tape(loss), {t: first}, {t: move.stepped}, {t: move.basis})
        return replace(report, witness=found)

    def judged_row(self, row: Row) -> Row:
        if row.name in self.taken:
            yours, right = self.taken[row.name].stepped, self.taken[row.name].basis
            numbers = WRONG, contrast(yours, right), *distance(yours, right)
            row = Row(row.name, row.shape, *numbers, row.diagnoses, contrasted=True)
        if row.verdict != WRONG:
            return row
        said = self.said.get(row.name, ())
        sure, unsure = ([d for d in said if d.exact == exact] for exact in (True, False))
        return replace(row, diagnoses=(*sure, *row.diagnoses, *unsure))


def all_alike(factors: Sequence[float | None]) -> bool:
    """Whether these are one number, up to rounding."""
    numbers = [f for f in factors if f is not None]
    return len(numbers) == len(factors) and max(numbers, default=0) - min(numbers, default=0) < 1e-6


def factor_of(given: Any, local: Array) -> float:
    """The number that a gradient is of another; NaN if it is no multiple."""
    mine = shaped(given, local.shape)
    if mine is None:
        return math.nan
    c = ratio(mine, local)
    return c if np.linalg.norm(mine - c * local) <= 1e-5 * np.linalg.norm(mine) else math.nan


def multiple(stepped: Array, basis: Array, noise: Array) -> float | None:
    """The number that `stepped` is of `basis`, up to rounding; None if it is no multiple."""
    nearest = ratio(stepped, basis)
    for f in (1.0, -1.0, 0.0, nearest) if not math.isnan(nearest) else ():
        allowed = noise + FINE * max(abs(f), 1) * largest(basis)
        if (np.abs(stepped - f * basis) <= allowed).all():
            return f
    return None
