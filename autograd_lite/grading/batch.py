"""Many submissions, on all cores, with a bar."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

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
    return with_bar(marks_of(work, handed, jobs), len(handed))


def marks_of(work: Assignment, handed: Sequence[Submission], jobs: int | None) -> Iterator[Marks]:
    try:
        import joblib
    except ImportError:
        if jobs not in (None, 1):
            raise ImportError(
                'grade: jobs needs joblib; install it with: pip install "autograd_lite[grading]"'
            ) from None
        yield from (safely(work, one) for one in handed)
        return
    jobs = joblib.cpu_count() if jobs is None else jobs
    tasks = (joblib.delayed(safely)(work, one) for one in handed)
    yield from joblib.Parallel(n_jobs=jobs, batch_size=1, return_as="generator")(tasks)


def safely(work: Assignment, handed: Submission) -> Marks:
    """The marks of one; an error of the grading itself is told in them."""
    try:
        return mark(work, handed)
    except Exception as error:  # noqa: BLE001  (one must not end the others)
        why = f"It could not be graded, which is not the student's fault: {error!r}"
        return nothing(work, handed.student, why)


def with_bar(found: Iterable[Marks], total: int) -> Iterator[Marks]:
    if not sys.stderr.isatty():
        return iter(found)
    try:
        from tqdm import tqdm
    except ImportError:
        return iter(found)
    bar: Any = tqdm(found, total=total, unit="submission", file=sys.stderr)
    return iter(bar)
