"""An assignment tried before it is given out: the solution, and mistakes made on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..comparison.mistakes.guess import made_by
from ..comparison.mistakes.places import applies, result_of
from ..comparison.mistakes.table import MATMUL_RULES, RULES, Mistake
from ..comparison.propagation import Backprop
from ..engine.tape import Array
from ..engine.tensor import Tensor
from ..program.chain import Tape
from .assignment import Assignment, Question
from .marking import mark, recorded
from .marks import Marks

Place = tuple[int, int]  # of a record on the tape, and of its input


@dataclass(frozen=True)
class Planted:
    """A mistake of the table at one place, and the marks that it gets."""

    question: str
    slug: str
    sentence: str
    marks: Marks
    given: bytes  # the gradients, rounded: who hands in the same cannot be told apart

    @property
    def seen(self) -> bool:
        """Whether it loses points."""
        return self.marks.points < self.marks.most

    @property
    def named(self) -> bool:
        """Whether its name is among those that explain it."""
        rows = [row for report in self.marks.reports.values() for row in report.rows]
        return any(d.slug == self.slug for row in rows for d in row.diagnoses)


def planted(work: Assignment) -> Iterator[Planted]:
    """Every wrong rule of the table, at every place of the forwards that it is about."""
    seen = set()
    for question in work.questions:
        function = question.function or work.function
        if function in seen:
            continue
        seen.add(function)
        for place, row, sentence in places(work, question):
            wrong = of_mistake(work, question, place, row)
            right = {name: of_mistake(work, q, None, row) for name, q in others(work, function)}
            marks = mark(work, right | {function: wrong})
            given = wrong(*arguments(work, question))
            yield Planted(question.title, row.slug, sentence, marks, rounded(given))


def others(work: Assignment, function: str) -> Iterator[tuple[str, Question]]:
    """The other functions, with a question about each."""
    for question in work.questions:
        name = question.function or work.function
        if name != function:
            yield name, question


def arguments(work: Assignment, question: Question) -> list[Array]:
    """What the function of a question is called with: a backward with a gradient first."""
    inputs = work.inputs(question, work.seeds[0])
    if not question.function:
        return [*inputs.values()]
    top, _ = taped(work, question, inputs)
    return [np.random.default_rng(0).standard_normal(top.shape), *inputs.values()]


def taped(
    work: Assignment, question: Question, inputs: dict[str, Array]
) -> tuple[Tensor, dict[str, Tensor]]:
    """What a forward makes of Tensors, and those that are asked for."""
    forward, _ = work.of(question)
    assert forward is not None
    return recorded(forward, inputs, work.asked(question))


def places(work: Assignment, question: Question) -> Iterator[tuple[Place, Mistake, str]]:
    """Where mistakes can be made on the way back, and which."""
    top, _ = taped(work, question, work.inputs(question, work.seeds[0]))
    tape = Tape(top)
    back = Backprop(tape, {}, {}, np.ones(top.shape))
    known = {node: k for k, node in enumerate(tape.nodes)}
    for parts in back.into.values():
        for e in parts:
            for row in [*RULES, *MATMUL_RULES]:
                if row.free or not applies(row, e):
                    continue
                try:
                    wrong = np.asarray(result_of(row, e))
                except ValueError:
                    continue
                if wrong.shape == e.part.shape and not np.allclose(wrong, e.part, 1e-9, 0):
                    yield (known[e.node], e.i), row, row.said_of(e.node.op)[0][1]


def of_mistake(
    work: Assignment, question: Question, place: Place | None, row: Mistake
) -> Callable[..., dict[str, Array]]:
    """What a student hands in who makes one mistake, or none."""

    def gradients(*arrays: Any) -> dict[str, Array]:
        _, shapes = work.of(question)
        inputs = dict(zip(shapes, arrays[bool(question.function) :], strict=True))
        top, tensors = taped(work, question, inputs)
        tape = Tape(top)
        changes = {} if place is None else {(tape.nodes[place[0]], place[1]): made_by(row)}
        seed = np.asarray(arrays[0]) if question.function else np.ones(top.shape)
        back = Backprop(tape, {}, changes, seed)
        return {name: np.array(back.gradient(t)) for name, t in tensors.items()}

    return gradients


def rounded(grads: dict[str, Array]) -> bytes:
    """Gradients up to rounding."""
    return b"".join(np.round(g, 9).tobytes() for _, g in sorted(grads.items()))


def told(work: Assignment, solution: Marks | None, found: list[Planted]) -> str:
    """What was found, for who writes the assignment."""
    lines = []
    if solution is not None:
        lines.append(f"The solution gets {solution.points:g} of {solution.most:g} points.")
        if solution.points < solution.most:
            lines.append(str(solution))
    hidden = [p for p in found if not p.seen]
    lines.append(
        f"{len(found)} mistakes were made on purpose; {len(found) - len(hidden)} lose points."
    )
    lines += [f"  hidden: {p.question}: {p.sentence}" for p in hidden]
    groups: dict[tuple[str, bytes], dict[str, None]] = {}
    for p in found:
        groups.setdefault((p.question, p.given), {})[p.sentence] = None
    alike = [(question, [*names]) for (question, _), names in groups.items() if len(names) > 1]
    lines += [f"  not to be told apart: {q}: {'; '.join(names)}" for q, names in alike]
    other = [p for p in found if p.seen and not p.named]
    lines.append(f"{len(found) - len(hidden) - len(other)} are called by their names.")
    for p in other:
        names = "; ".join(s for a in p.marks.answers for _, s in a.mistakes) or "nothing"
        lines.append(f"  {p.question}: {p.sentence}: called {names}")
    return "\n".join(lines)
