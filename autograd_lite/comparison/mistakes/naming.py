"""Which mistakes explain the wrong gradients of a comparison: the tape read in standard form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...engine.tape import Array
from ...engine.tensor import Tensor
from ...program.chain import Tape, numbers, reverse
from ..answers.judge import SMALL, Hand, Row, distance, tolerance
from ..propagation import Backprop
from ..standard import Standard, standard_form
from .matching import LIMIT
from .search import Finding, Search

# How far the gradients of a reading may be off: without its guards more, as what is meant has none.
EXACT, MEANT = 1e-9, 1e-2
NEAR = 1e-4  # how near to a gradient by hand, which may have the guard
# What the tape is read as, in turn: people write a normalisation in small steps or at once.
READINGS: tuple[dict[str, bool], ...] = (
    {},
    {"fused": True},
    {"guards": True},
    {"fused": True, "guards": True},
)


class Naming:
    """The search for mistakes in one comparison, whose judgement stays what it is.

    `top` is what the code of the learner ends with, `true` are the right gradients, and `words` the
    names of his variables.
    """

    def __init__(
        self,
        tape: Tape,
        top: Sequence[Tensor],
        hands: Mapping[Tensor, Hand],
        rows: Mapping[Tensor, Row],
        true: Mapping[Tensor, Any],
        effort: float,
        words: Mapping[Tensor, str],
    ) -> None:
        recorded = len(top) == 1 and top[0].op is not None
        self.top = top[0] if recorded else tape.nodes[-1]
        self.tape = Tape(self.top) if recorded else tape
        self.hands, self.rows, self.true, self.words = hands, rows, true, words
        self.effort, self.late, self.failed = effort, False, ""

    def explain(self, wrong: list[Tensor]) -> dict[Tensor, Finding]:
        """What explains the wrong tensors; `failed` says if the search itself went wrong, which
        must cost no verdict: it runs rules of users on gradients that they were not made for."""
        try:
            return self.explained(wrong)
        except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
            self.failed = f"{type(error).__name__}: {error}"
            return {}

    def explained(self, wrong: list[Tensor]) -> dict[Tensor, Finding]:
        """What explains the wrong tensors, by the reading of the tape that explains most."""
        best: dict[Tensor, Finding] = {}
        score, effort = (-1, 0, 0), self.effort
        searches: list[tuple[Standard, Search]] = []
        for deep in (False, True):  # what is quick in every reading first
            for standard, search in [*searches] if deep else self.searches():
                if not deep:
                    searches.append((standard, search))
                search.limit = effort * LIMIT + search.work
                before = search.work
                found = search.explain([standard.of.get(t, t) for t in wrong], deep)
                known = sum(1 + len(f.also) for f in found.values() if f.diagnoses)
                names = sum(f.names for f in found.values())
                facts = sum(bool(f.fact) for f in found.values())
                if (known, -names, facts) > score:
                    best, score = self.told(standard, found), (known, -names, facts)
                effort -= (search.work - before) / LIMIT
                if known == len(wrong) and names == len(found):
                    self.late = False
                    return best
                self.late = self.late or search.late
                if effort <= 0:
                    return best
        return best

    def searches(self) -> Iterator[tuple[Standard, Search]]:
        """A search in each reading of the tape that is another one."""
        seen = set()
        for reading in (*READINGS, None):
            standard = Standard(self.tape, {}, 0.0, {})
            if reading is not None:
                standard = standard_form(self.tape, self.hands, **reading)
            written = tuple(t.op.name for t in standard.tape.nodes if t.op is not None)
            if written not in seen and self.agrees(standard):
                seen.add(written)
                yield standard, self.search(standard)

    def agrees(self, standard: Standard) -> bool:
        """Whether the right gradients are those of the recorded tape."""
        made = dict(reverse(standard.tape, self.seed, numbers))
        near = MEANT if standard.guard else EXACT
        for t, hand in self.hands.items():
            new, zero = standard.of.get(t, t), np.zeros(t.shape, t.dtype)
            right, found = (np.asarray(g.get(u, zero)) for g, u in ((self.true, t), (made, new)))
            allowed = max(near, tolerance(right, found) if hand.given.dtype.itemsize < 8 else 0)
            if distance(found, right)[1] > max(allowed, tolerance(right, right)):
                return False
        return True

    @property
    def seed(self) -> Array:
        """The gradient that the backward pass of the learner begins with."""
        return np.asarray(self.true[self.top])

    def search(self, standard: Standard) -> Search:
        """A search on the tape in standard form."""
        of = standard.of
        yours = {
            of.get(t, t): hand.own.astype(t.dtype)
            for t, hand in self.hands.items()
            if hand.own is not None
        }
        raw = {
            of.get(t, t): hand.given if hand.own is None else hand.own
            for t, hand in self.hands.items()
            if self.rows[t].verdict != SMALL  # rounding is nothing to hold a guess against
        }
        labels = {standard.others.get(t, t): word for t, word in self.words.items()}
        labels |= {of.get(t, t): row.name for t, row in self.rows.items()}
        labels |= {t: t.name for t in standard.tape.nodes if t.name}
        back = Backprop(standard.tape, yours, {}, self.seed)
        return Search(back, raw, labels, NEAR if standard.guard else 0.0)

    def told(self, standard: Standard, found: Mapping[Tensor, Finding]) -> dict[Tensor, Finding]:
        """Findings about the tensors that were handed in, at the operations that were recorded."""
        recorded = {new: t for t, new in standard.of.items()}
        made = (*standard.others.items(), *standard.of.items())
        serials = {new.serial: t.serial for t, new in made if t.op is not None}
        return {
            recorded.get(t, t): replace(
                f,
                also=tuple(recorded.get(u, u) for u in f.also),
                diagnoses=tuple(replace(d, at=serials.get(d.at, 0)) for d in f.diagnoses),
            )
            for t, f in found.items()
        }
