"""The fixes of a report: what was wanted there, and what is run again to see whether it comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ...engine.modes import no_grad
from ...engine.tensor import Tensor
from ...program.chain import Tape, numbers, reverse
from ..answers.fix import Fix
from ..answers.judge import ABSENT, OK, OTHER, Diagnosis, Row, agree
from ..answers.report import Report
from . import RUN, fixes
from .goal import Array, Goal, Grads

LOOKS = ("placeholder", "clipped", "value-clipped")


class Again(NamedTuple):
    """A learner's code, and how its gradients are computed anew.

    `run()` gives the gradients by name, None where something else is wrong, and calls about `runs`
    functions; `same()` says whether what is derived is as it was: an edit may be of both. What
    `owners` lead to is put back after each run, arrays too.
    """

    owners: Sequence[Any]
    run: Callable[[], Grads | None]
    same: Callable[[], bool] = lambda: True
    runs: int = 1


def searchable(
    report: Report,
    again: Again | None,
    right: Callable[[], Mapping[str, Array]],
    given: Grads | None = None,
) -> Report:
    """The report, which `with_fixes` can look for fixes of: edits of the learner's functions that
    make its wrong gradients right.

    An object that runs the learner's code in another process has a method `__fixes__(goal,
    wanted)`, which is called instead; `given` is what it handed in.
    """

    if again is None or report.first_wrong is None:
        return report

    def search(report: Report) -> tuple[Fix, ...]:
        wanted = right()
        goal = goal_of(report, wanted)
        elsewhere = getattr(getattr(again.owners[0], "__self__", None), "__fixes__", None)
        if elsewhere is not None:
            found: tuple[Fix, ...] = elsewhere(goal(given), wanted)
            return found
        return fixes(again.owners, again.run, goal, again.runs * RUN, again.same)

    return replace(report, search=search)


def with_fixes(report: Report) -> Report:
    """The report with its fixes. Without a mistake, or a text of the functions, it stays."""
    found: tuple[Fix, ...] = ()
    # what a learner hands in may fail in any way, and no report must fail with it
    with suppress(Exception), no_grad():
        found = report.search(report) if report.search is not None else ()
    return named_by(found, replace(report, fixes=found, search=None))


def named_by(fixes: Sequence[Fix], report: Report) -> Report:
    """The report in which the likeliest edit explains what raised, and what nothing else explains,
    or only several mistakes together, or only what the numbers look like."""
    first = report.first_wrong
    if not fixes or first is None or not fixes[0].mistake:
        return report
    fix, raised = fixes[0], first.note.startswith("raised ") and not first.diagnoses
    if not (first.unexplained or raised or is_chain(first) or is_a_look(first)):
        return report
    before = f"{first.note}; " if raised else ""
    said = Diagnosis("line", f"{before}{fix.mistake} (line {fix.line})", exact=True)

    def with_name(row: Row) -> Row:
        if row is first:
            return replace(row, diagnoses=(said,))
        if row.unexplained and row.name not in fix.leaves:
            return replace(row, diagnoses=(said,), mistake_of=first.name)
        return row

    return replace(report, rows=tuple(map(with_name, report.rows)))


def is_chain(row: Row) -> bool:
    """Whether only mistakes that are made together explain a row."""
    said = {(d.explanation, d.slug) for d in row.diagnoses if d.exact}
    ways = Counter(explanation for explanation, _ in said)
    return bool(ways) and min(ways.values()) > 1 and not any(d.alternative for d in row.diagnoses)


def is_a_look(row: Row) -> bool:
    """Whether what explains a row is seen in its numbers alone, not in how they are computed."""
    return bool(row.diagnoses) and all(d.slug in LOOKS for d in row.diagnoses)


def autodiff(
    loss: Tensor, wanted: Mapping[str, Tensor], scale: float = 1.0
) -> Callable[[], dict[str, Array]]:
    """What computes the gradients of these tensors, times a number."""

    def right() -> dict[str, Array]:
        true = dict(reverse(Tape(loss), np.ones(loss.shape, loss.dtype), numbers))
        return {n: scale * np.asarray(true.get(t, np.zeros(t.shape))) for n, t in wanted.items()}

    return right


def as_before(now: Sequence[Any], before: Sequence[Any]) -> bool:
    """Whether arrays are the same, up to rounding."""
    pairs = zip(now, before, strict=True)
    return all(np.shape(a) == np.shape(b) and agree(*map(as_array, (a, b))) for a, b in pairs)


def goal_of(report: Report, right: Mapping[str, Array]) -> Callable[[Grads | None], Goal]:
    """The goal of a report, as soon as it is known what was handed in: what is right by another
    convention stays so, and the rest may be so."""

    def goal(given: Grads | None) -> Goal:
        verdicts = {row.name: row.verdict for row in report.rows if row.verdict != ABSENT}
        right_of = {n: right[base(n)] for n in verdicts if base(n) in right}
        first = report.first_wrong
        if given is None or first is None or first.name not in right_of:
            return Goal({n: [a] for n, a in right.items()}, "", frozenset())
        fine = frozenset(n for n in right_of if verdicts[n] in (OK, OTHER))
        ways = [way for n in fine for way in conventions(given.get(n), right_of[n])]
        accepted = {}
        for name, a in right_of.items():
            own = [as_array(given[name])] if name in fine and name in given else []
            accepted[name] = [a, *own, *(way(a) for way in ways)]
        return Goal(accepted, first.name, fine, apart(report.rows, first))

    def base(name: str) -> str:
        return name.removesuffix(" update")

    return goal


def apart(rows: Sequence[Row], first: Row) -> frozenset[str]:
    """What a mistake explains that is not the first one's, where both are known exactly."""
    known = {row.name for row in rows if any(d.exact for d in row.diagnoses)}
    mistakes = known - {first.name} if first.name in known else set()
    return frozenset(
        row.name for row in rows if row is not first and (row.mistake_of or row.name) in mistakes
    )


def as_array(value: Any) -> Array:
    a = np.asarray(getattr(value, "array", value))
    return a if a.dtype.kind == "f" else a.astype(np.float64)


def conventions(given: Any, right: Array) -> list[Callable[[Array], Array]]:
    """How a gradient that counts as right differs from autodiff's: by a factor, as a transpose."""
    if given is None:
        return []
    mine = as_array(given)
    if mine.shape == right.shape and not agree(mine, right) and right.any():
        c = float((mine * right).sum() / (right * right).sum())
        return [lambda a: c * a] if agree(mine, c * right) else []
    if mine.ndim == 2 and mine.shape == right.shape[::-1] and agree(mine.T, right):
        return [lambda a: a.T]
    return []


def of_layers(
    pulled: Mapping[str, Any], grads: Grads, layers: Mapping[str, Sequence[str]], rate: float
) -> dict[str, Any]:
    """The gradients that layers hand in: those kept, else the steps over -lr; where a layer does
    both, the step is a gradient of its own. `layers` names the parameters of each."""
    found = dict(grads)
    moving = any(
        not np.array_equal(did.before[p], did.after[p], equal_nan=True)
        for did in pulled.values()
        for p in did.before
    )
    for layer, names in layers.items():
        did: Any = pulled.get(layer)
        for p in names if did else ():
            name, kept = f"{layer}.{p}", did.kept.get(p)
            if kept is not None:
                found[name] = kept
            if moving:
                step = (did.before[p] - did.after[p]) / rate
                found[name if kept is None else f"{name} update"] = step
    return found
