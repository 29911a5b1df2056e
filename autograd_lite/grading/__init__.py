"""Homework in which gradients are derived by hand: an assignment, the submissions, their marks.

`python -m autograd_lite grade new hw/` makes a whole one to begin with; `Assignment` says what is
in it. Submissions run in the sandbox; what they hand in is judged here by `compare`, so the marks
have its verdicts and its names for mistakes.
"""

from .assignment import Assignment, Question
from .batch import grade
from .marking import mark
from .marks import Answer, Marks
from .submission import Submission, submissions
from .writers import gradescope, points

__all__ = [
    "Answer", "Assignment", "Marks", "Question", "Submission",
    "grade", "gradescope", "mark", "points", "submissions",
]  # fmt: skip
