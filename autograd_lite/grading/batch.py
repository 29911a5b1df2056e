"""Many submissions, on all cores, with a bar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..work import bar, results
from .assignment import Assignment
from .marking import mark, nothing
from .marks import Marks
from .submission import Submission


def grade(
    work: Assignment, handed: Sequence[Submission], jobs: int | None = None
) -> Iterator[Marks]:
    """The marks of submissions, in their order, as they come; none ends the others.

    `jobs` processes take turns, by default as many as there are cores where joblib is installed;
    ImportError for more than one without it. A bar shows on a terminal where tqdm is.

    >>> from autograd_lite.grading import Assignment, Question, Submission, grade
    >>> def square(x):
    ...     return (x * x).sum()
    >>> questions = [Question("the square", 1, ("x",))]
    >>> work = Assignment("Squares", "net.py", questions, "f", square, {"x": (3, 4)})
    >>> code = "def f(x): return {'x': x}", "def f(x): return {'x': 2 * x}", "while True: ("
    >>> handed = [Submission(f"student {i}", (("net.py", c),)) for i, c in enumerate(code)]
    >>> [marks.points for marks in grade(work, handed, jobs=1)]
    [0.0, 1.0, 0.0]
    """
    tasks = [(work, one) for one in handed]
    with bar("grade", total=len(tasks), unit="submission") as drawn:
        for marks in results("grade", "grading", _safely, tasks, jobs):
            if drawn is not None:
                drawn.update()
            yield marks


def _safely(task: tuple[Assignment, Submission]) -> Marks:
    return safely(*task)


def safely(work: Assignment, handed: Submission) -> Marks:
    """The marks of one; an error of the grading itself is told in them."""
    try:
        return mark(work, handed)
    except Exception as error:  # noqa: BLE001  (one must not end the others)
        why = f"It could not be graded, which is not the student's fault: {error!r}"
        return nothing(work, handed.student, why)
