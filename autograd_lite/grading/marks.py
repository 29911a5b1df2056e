"""What a submission got: plain data, which every grader's format is written from."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..comparison.answers.judge import INHERITED, OK, OTHER, SMALL, WRONG, Row
from ..comparison.answers.report import Report

UNEXPLAINED = "unexplained"


@dataclass(frozen=True)
class Answer:
    """What a question got: `said` is for the student; `mistakes` are slugs and sentences."""

    title: str
    points: float
    most: float
    said: str
    mistakes: tuple[tuple[str, str], ...] = ()

    @property
    def right(self) -> bool:
        """Whether it got all points."""
        return self.points >= self.most


@dataclass(frozen=True)
class Marks:
    """What a submission got; `error` is why nothing of it could be judged, `remarks` are for who
    grades, and `reports` what `compare` said, by the function that was judged."""

    student: str
    title: str
    answers: tuple[Answer, ...]
    error: str = ""
    remarks: tuple[str, ...] = ()
    printed: str = ""
    seconds: float = 0.0
    reports: dict[str, Report] = field(default_factory=dict, compare=False)

    @property
    def points(self) -> float:
        """All points."""
        return round(sum(answer.points for answer in self.answers), 2)

    @property
    def most(self) -> float:
        """The points of a submission without a mistake."""
        return sum(answer.most for answer in self.answers)

    def __str__(self) -> str:
        lines = [f"{self.title}: {self.points:g} of {self.most:g} points", ""]
        for answer in self.answers:
            lines.append(f"{answer.points:g} of {answer.most:g}  {answer.title}")
            lines += [f"    {line}" for line in answer.said.splitlines()]
        lines += ["", self.error] * bool(self.error)
        for function, report in self.reports.items():
            lines += ["", f"{function}:", str(report)]
        lines += ["", "What it printed:", self.printed.rstrip()] * bool(self.printed)
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Scheme:
    """The share of its points that a verdict gets: of a mistake by its slug, else none."""

    convention: float = 1.0
    follow_through: float = 1.0
    named: dict[str, float] = field(default_factory=dict)

    def share(self, row: Row) -> float:
        """The share that a row gets."""
        known = [self.named.get(d.slug, 0.0) for d in row.diagnoses]
        return {
            OK: 1.0,
            SMALL: 1.0,
            OTHER: self.convention,
            INHERITED: self.follow_through,
            WRONG: max(known, default=0.0),
        }.get(row.verdict, 0.0)
