"""One submission, asked and judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..comparison.answers.fix import visible
from ..comparison.answers.judge import ABSENT, OK, WRONG, Row
from ..comparison.answers.names import matched
from ..comparison.answers.report import Report
from ..comparison.answers.telling import told
from ..comparison.gradients import compare, recorded_of
from ..comparison.learners.execution import fault, raised
from ..comparison.learners.functions import check_backward
from ..engine.tape import Array
from ..engine.tensor import Tensor
from ..program.chain import Tape
from ..sandbox.process import Ended, Missing, Pasted, pasted
from .assignment import Assignment, Question, as_function
from .marks import UNEXPLAINED, Answer, Marks
from .submission import Submission

ALMOST = 1e-11  # of a gradient that was derived: a finite difference is hardly so near
Ask = Callable[..., Any]  # of a function's name and its arguments


def mark(work: Assignment, handed: Submission | Callable[..., Any] | Mapping[str, Any]) -> Marks:
    """The marks of a submission, which runs in the sandbox; or of a function, or of functions by
    name, which run here, as in a notebook of nbgrader."""
    if isinstance(handed, Submission):
        return mark_apart(work, handed)
    functions: dict[str, Any]
    functions = dict(handed) if isinstance(handed, Mapping) else {work.function: handed}
    for q in work.questions:
        if q.parameters and isinstance(functions.get(q.function), type):
            functions[q.function] = as_function(functions[q.function], [*q.shapes], q.parameters)

    def ask(name: str, *arrays: Array) -> Any:
        if name not in functions:
            raise Missing(f"There is no function {name}.")
        return functions[name](*arrays)

    return marked(work, "", Asked(ask, None, work.fixes))


def mark_apart(work: Assignment, handed: Submission) -> Marks:
    """The marks of a submission in a process of its own. Whatever it does, there are some."""
    if handed.error:
        return nothing(work, handed.student, handed.error)
    start = time.perf_counter()
    adapter = "\n".join([work.adapter, *(q.adapter for q in work.questions)])
    cells = [*handed.cells, ("<adapter>", adapter)]
    with pasted(cells, work.limits, function="", imports=work.imports) as process:

        def ask(name: str, *arrays: Array) -> Any:
            return process.call(*arrays, function=name)

        try:
            process.run()
            marks = marked(work, handed.student, Asked(ask, process if work.fixes else None, False))
        except Ended as why:
            marks = nothing(work, handed.student, str(why))
    seconds = time.perf_counter() - start
    return Marks(**vars(marks) | {"printed": visible(process.printed), "seconds": seconds})


class Asked:
    """What can be asked: functions by name, and for edits of them the process that they run in, if
    it is not `here`."""

    def __init__(self, ask: Ask, process: Pasted | None, here: bool) -> None:
        self.ask, self.process, self.here = ask, process, here


def nothing(work: Assignment, student: str, why: str) -> Marks:
    """No points, and why."""
    why = visible(why)
    answers = tuple(Answer(q.title, 0.0, q.points, why) for q in work.questions)
    return Marks(student, work.title, answers, why)


def marked(work: Assignment, student: str, asked: Asked) -> Marks:
    """The marks of what can be asked. Of the seeds the worst counts."""
    answers, reports, remarks = [], {}, []
    of: dict[str, list[Report]] = {}
    for question in work.questions:
        name = question.function or work.function
        if name not in of:
            of[name] = [judged(work, question, seed, asked) for seed in work.seeds]
        worst = min(of[name], key=lambda report: score(work, question, report))
        answers.append(answer(work, question, worst))
        reports[name] = min(of[name], key=lambda report: report.ok)
    for name, found in of.items():
        remarks += doubts(name, found)
    return Marks(student, work.title, tuple(answers), "", tuple(remarks), reports=reports)


def judged(work: Assignment, question: Question, seed: int, asked: Asked) -> Report:
    """The report on one function with the inputs of one seed."""
    inputs = work.inputs(question, seed)
    forward, _ = work.of(question)
    assert forward is not None
    if question.function:
        return of_backward(question, forward, inputs, asked)
    loss, tensors = recorded(forward, inputs, work.asked(question))
    return of_gradients(work.function, loss, tensors, inputs, asked)


def of_backward(
    question: Question, forward: Callable[..., Any], inputs: dict[str, Array], asked: Asked
) -> Report:
    """The report on a backward: a missing one, and what it raises, is a row of it."""

    class Function:
        def backward(self, *arrays: Array) -> Any:
            return asked.ask(question.function, *arrays)

        if asked.process is not None:
            __fixes__ = staticmethod(asked.process.__fixes__)
        elif not asked.here:  # or the functions that ask would be edited
            __fixes__ = staticmethod(lambda goal, wanted: ())

    return check_backward(forward, Function().backward, inputs)


def of_gradients(
    function: str,
    loss: Tensor,
    tensors: Mapping[str, Tensor],
    inputs: dict[str, Array],
    asked: Asked,
) -> Report:
    """The report on the gradients that a function returns."""
    shapes = {name: t.shape for name, t in tensors.items()}
    try:
        found = asked.ask(function, *(a.copy() for a in inputs.values()))
        value, grads = taken(found, shapes)

        class Function:
            def gradients(self) -> dict[str, Any]:
                return grads

            if asked.process is not None:
                asked.process.loss = value is not None
                __fixes__ = staticmethod(asked.process.__fixes__)

        given = Function().gradients if asked.process is not None else grads
        return compare(loss, given, value=value)
    except Missing as why:
        row = fault(f"{function}()", str(why))
    except Exception as error:  # noqa: BLE001  (the student's own, or no numbers)
        row = fault(f"{function}()", raised(error))
    return Report(float(loss.item()), (row,), None)


def taken(found: Any, shapes: Mapping[str, tuple[int, ...]]) -> tuple[float | None, dict[str, Any]]:
    """The loss, if there is one, and the gradients that were asked for."""
    value = None
    pair = isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], dict | tuple)
    if pair and np.size(found[0]) == 1:
        value, found = float(np.asarray(found[0]).item()), found[1]
    grads = {n: g for n, g in matched(found, shapes).items() if n in shapes and g is not None}
    if not grads:
        raise TypeError(f"it returned none of the gradients of {', '.join(shapes)}")
    return value, grads


def recorded(
    forward: Callable[..., Any], inputs: Mapping[str, Array], names: set[str]
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of a forward, and the tensors of these names; ValueError where one is missing."""
    made = {
        name: Tensor(a, requires_grad=name in names, name=name) if a.dtype.kind == "f" else a
        for name, a in inputs.items()
    }
    loss = recorded_of(lambda: forward(*made.values()))
    tensors = {t.name: t for t in Tape(loss).nodes if t.name in names}
    tensors |= {n: t for n, t in made.items() if n in names and isinstance(t, Tensor)}
    missing = names - set(tensors)
    if missing:
        raise ValueError(
            f"the forward makes no tensor called {', '.join(sorted(missing))}: name it, as in "
            'z1.name = "z1"'
        )
    return loss, tensors


# ---- what it gets


def rows_of(work: Assignment, question: Question, report: Report) -> list[Row]:
    """The rows that a question is about."""
    wanted = question.tensors or work.of(question)[1]
    by_name = {row.name: row for row in report.rows}
    return [by_name[name] for name in wanted if name in by_name]


def score(work: Assignment, question: Question, report: Report) -> float:
    """The points that a question gets for this report; a tensor without a row gets none."""
    rows = rows_of(work, question, report)
    number = len(question.tensors or work.asked(question))
    return question.points * sum(map(work.scheme.share, rows)) / number


def answer(work: Assignment, question: Question, report: Report) -> Answer:
    """What a question gets, and what the student is told."""
    rows = rows_of(work, question, report)
    lacking = [n for n in question.tensors if n not in {row.name for row in rows}]
    faults = [row for row in report.rows if row.name.endswith("()")]
    lines = [f"{row.name} {row.note}" for row in faults]
    if not all(row.verdict == ABSENT for row in rows):
        lines += [f"{row.name}: {said_of(row)}" for row in rows if row.verdict != OK]
    if lacking and not faults:
        lines.append(f"{', '.join(lacking)}: not handed in")
    first = report.first_wrong
    if first is not None and first in rows:
        lines += [str(fix) for fix in report.fixes]
    points = round(score(work, question, report), 2)
    said = visible("\n".join(lines)) or "right"
    return Answer(question.title, points, question.points, said, mistakes(rows, faults))


def said_of(row: Row) -> str:
    """What is known of a gradient, to somebody who sees no verdicts beside it."""
    known = told(row)
    return f"{row.verdict} {known}" if known.startswith("from ") else known or row.verdict


def mistakes(rows: list[Row], faults: list[Row]) -> tuple[tuple[str, str], ...]:
    """The mistakes that are made here, each once: the likeliest name of each."""
    found = {}
    for row in rows:
        if row.verdict == WRONG and row.diagnoses:
            found[row.diagnoses[0].slug] = row.diagnoses[0].sentence
        elif row.verdict == WRONG:
            found["shape" if "has shape" in row.note else UNEXPLAINED] = told(row)
    for row in faults:
        found["raised"] = row.note
    return tuple((slug, visible(sentence)) for slug, sentence in found.items())


def doubts(name: str, reports: list[Report]) -> list[str]:
    """What who grades may look at: gradients that are right, and too rough to be derived."""
    rough = {
        row.name: row.rel_err
        for report in reports
        for row in report.rows
        if row.verdict == OK and row.rel_err > ALMOST and "float32" not in row.note
    }
    if not rough:
        return []
    error = max(rough.values())
    return [f"{name}: {', '.join(rough)} right but for {error:.0e}: a finite difference?"]
