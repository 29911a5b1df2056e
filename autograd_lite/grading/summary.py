"""What a class got wrong: for who teaches it, on the terminal and as a page without a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from ..comparison.answers import page as pages
from ..comparison.answers.report import Report
from ..comparison.answers.telling import shown
from ..program.names import counted
from .marks import UNEXPLAINED, Marks

STYLE = "<style>.gradients h2{font-size:1.1rem;margin:2rem 0 .3rem}</style>"
DRAWN = 12  # mistakes whose example is drawn
NAMED = 3  # students who made a mistake


@dataclass
class Group:
    """A mistake, and who made it."""

    slug: str
    sentence: str
    students: list[str]
    question: str
    report: Report | None = None

    @property
    def names(self) -> str:
        """The first of the students, and whether there are more."""
        return ", ".join(map(shown, self.students[:NAMED])) + ", ..." * (len(self.students) > NAMED)

    @property
    def formula(self) -> str:
        """What to say in the lecture: the wrong formula and the right one, where there is one."""
        return self.report.formula.partition(": ")[2] if self.report is not None else ""


def groups(found: Sequence[Marks]) -> list[Group]:
    """The mistakes, the most frequent first and what nothing explains last."""
    made: dict[str, Group] = {}
    for marks in found:
        for answer in marks.answers:
            for slug, sentence in answer.mistakes:
                # of what stopped a submission, one error is not another
                key = sentence.partition(":")[0] if slug == "raised" else slug
                group = made.setdefault(key, Group(slug, sentence, [], answer.title))
                if marks.student not in group.students:
                    group.students.append(marks.student)
                if group.report is None:
                    group.report = first_of(marks, slug)
    order = sorted(made.values(), key=lambda g: (-len(g.students), g.slug))
    return sorted(order, key=lambda g: g.slug == UNEXPLAINED)


def first_of(marks: Marks, slug: str) -> Report | None:
    """A report that begins with this mistake."""
    for report in marks.reports.values():
        first = report.first_wrong
        if first is not None and (
            any(d.slug == slug for d in first.diagnoses[:1])
            or (slug == UNEXPLAINED and first.unexplained)
        ):
            return report
    return None


def mean(found: Sequence[Marks]) -> float:
    return sum(marks.points for marks in found) / len(found)


def text(found: Sequence[Marks]) -> str:
    """The table of mistakes for a terminal."""
    if not found:
        return "There are no submissions."
    whole = sum(marks.points >= marks.most for marks in found)
    handed_in, title = counted(len(found), "submission"), found[0].title
    points = f"{mean(found):.1f} of {found[0].most:g} points on average"
    lines = [f"{handed_in} of {title}: {points}, {whole} without a mistake"]
    for group in groups(found):
        number = len(group.students)
        lines.append(f"{number:4d}  {shown(group.sentence, 90)}  ({group.names})")
    for marks in found:
        if marks.error:
            last = marks.error.strip().splitlines()[-1]
            lines.append(f"   !  {shown(marks.student)}: {shown(last, 90)}")
        lines += [f"   ?  {shown(marks.student)}: {shown(said, 90)}" for said in marks.remarks]
    return "\n".join(lines)


def page(found: Sequence[Marks], again: Callable[[str], Marks] | None = None) -> str:
    """The same as a page: for each mistake how many made it, an example with the verdicts beside
    its graph, and formulas for the lecture. `again` marks a student's submission in this process,
    which draws its graph; without it there are tables alone."""
    if not found:
        return pages.page("There are no submissions.", "")
    sections = [
        section(group, again if i < DRAWN else None) for i, group in enumerate(groups(found))
    ]
    rows = "".join(map(row, sorted(found, key=lambda marks: marks.points)))
    head = "<tr><th>student</th><th>points</th><th>remarks</th></tr>"
    table = f"<table><thead>{head}</thead><tbody>\n{rows}</tbody></table>"
    marks = f"<details><summary>All {len(found)} marks, the lowest first</summary>{table}</details>"
    return pages.page(text(found).split("\n", 1)[0], "\n".join([STYLE, marks, *sections]))


def row(marks: Marks) -> str:
    """The line of a student."""
    last = marks.error.strip().splitlines()[-1:]
    said = escape("; ".join([*last, *marks.remarks]))
    name = f"<th>{escape(marks.student)}</th>"
    return f"<tr>{name}<td class='number'>{marks.points:g}</td><td>{said}</td></tr>\n"


def section(group: Group, again: Callable[[str], Marks] | None) -> str:
    """One mistake."""
    number = counted(len(group.students), "submission")
    made = f"{group.names}, in “{group.question}”; {group.students[0]}'s:"
    lines = [f"<h2>{number}: {escape(group.sentence)}</h2>", f"<p>{escape(made)}</p>"]
    if group.formula:
        lines.append(f"<pre>{escape(group.formula)}</pre>")
    report = first_of(again(group.students[0]), group.slug) if again else None
    report = group.report if report is None else report
    return "\n".join([*lines, report._repr_html_() if report is not None else ""])
