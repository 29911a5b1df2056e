"""An assignment tried before it is given out: the solution, and mistakes made on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..comparison.learners.windows import meant
from ..comparison.mistakes.guess import made_by
from ..comparison.mistakes.guesses import summed_by
from ..comparison.mistakes.places import applies
from ..comparison.mistakes.table import CONSTANTS, MATMUL_RULES, RULES, SUMS
from ..comparison.propagation import Backprop, Change, times
from ..engine.tape import Array
from ..engine.tensor import Tensor
from ..program.chain import Tape
from .assignment import Assignment, Question
from .marking import mark, recorded
from .marks import Marks

Place = tuple[int, int]  # of a record on the tape, and of its input; -1 for its gradient


# without the size of the batch, which only a net has: the sign, factors, and nothing
FACTORS = [(c.slug, c.factor(), c.sentence) for c in CONSTANTS if not c.factor.__code__.co_argcount]


class Plant(NamedTuple):
    """A mistake that can be made on the way back, in every run of a forward."""

    slug: str
    sentence: str
    place: Place
    change: Change


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
    """The mistakes of the tables, at every place of the forwards that they are about: wrong rules,
    wrong sums, and of the tensors that are asked for a sign, a factor and nothing."""
    work = replace(work, fixes=False)
    seen = set()
    for question in work.questions:
        function = question.function or work.function
        if function in seen:
            continue
        seen.add(function)
        called = arguments(work, question)
        right = {name: with_mistake(work, q, None) for name, q in others(work, function)}
        same = rounded(with_mistake(work, question, None)(*called))
        for plant in plants(work, question):
            wrong = with_mistake(work, question, plant)
            try:
                given = rounded(wrong(*called))
            except ValueError:  # with the gradient that arrives it cannot be made
                continue
            if given != same:
                marks = mark(work, right | {function: wrong})
                yield Planted(question.title, plant.slug, plant.sentence, marks, given)


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
    """What a forward makes of Tensors, and those that are asked for: of loops over windows what
    `check_backward` reads them as, since a mistake is made in all of a loop."""
    forward, _ = work.of(question)
    assert forward is not None
    top, tensors = recorded(forward, inputs, work.asked(question))
    found = meant(inputs, top.array) if question.function else None
    if found is None or not {*tensors} <= {*found.tensors}:
        return top, tensors
    return found.output, {name: found.tensors[name] for name in tensors}


def plants(work: Assignment, question: Question) -> Iterator[Plant]:
    """The mistakes that change something, with inputs of the first seed."""
    top, tensors = taped(work, question, work.inputs(question, work.seeds[0]))
    tape = Tape(top)
    back = Backprop(tape, {}, {}, np.ones(top.shape))
    known = {node: k for k, node in enumerate(tape.nodes)}
    for e in (e for parts in back.into.values() for e in parts):
        place = known[e.node], e.i
        for row in [*RULES, *MATMUL_RULES]:
            if not row.free and applies(row, e):
                slug, sentence = row.said_of(e.node.op)[0]
                yield from tried(Plant(slug, sentence, place, made_by(row)), e.part, e)
        for slug, sentence, sum_wrongly in SUMS if e.raw.shape != e.p.shape else ():
            yield from tried(Plant(slug, sentence, place, summed_by(sum_wrongly)), e.part, e)
    for name, t in tensors.items():
        for slug, factor, sentence in FACTORS:
            if t in known:
                plant = Plant(slug, f"{sentence} ({name})", (known[t], -1), times(factor))
                yield from tried(plant, back.gradient(t), None)


def tried(plant: Plant, right: Array, e: Any) -> Iterator[Plant]:
    """The mistake, if it can be made and is one."""
    try:
        wrong = plant.change(right, e)
    except ValueError:
        return
    if wrong.shape == right.shape and not np.allclose(wrong, right, 1e-9, 0):
        yield plant


def with_mistake(
    work: Assignment, question: Question, plant: Plant | None
) -> Callable[..., dict[str, Array]]:
    """What a student hands in who makes one mistake, or none."""

    def gradients(*arrays: Any) -> dict[str, Array]:
        _, shapes = work.of(question)
        inputs = dict(zip(shapes, arrays[bool(question.function) :], strict=True))
        top, tensors = taped(work, question, inputs)
        tape = Tape(top)
        changes: dict[Any, Change] = {}
        if plant is not None:
            k, i = plant.place
            changes[tape.nodes[k] if i < 0 else (tape.nodes[k], i)] = plant.change
        seed = np.asarray(arrays[0]) if question.function else np.ones(top.shape)
        back = Backprop(tape, {}, changes, seed)
        return {name: np.array(back.gradient(t)) for name, t in tensors.items()}

    return gradients


def rounded(grads: dict[str, Array]) -> bytes:
    """Gradients up to rounding."""
    return b"".join(np.round(g, 9).tobytes() for _, g in sorted(grads.items()))


def told(found: list[Planted]) -> str:
    """What was found, for who writes the assignment."""
    hidden = [p for p in found if not p.seen]
    lines = [f"{len(found)} mistakes were made on purpose; {len(found) - len(hidden)} lose points."]
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
