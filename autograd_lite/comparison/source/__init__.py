"""The line of the learner's code, and the fix: his functions with one edit each are run, until the
gradients come out right.

`text` has the file and the statements, `places` the functions, `edits` the grammar, `probe` what
runs inside of them, `outside` what must stay as it is, `goal` what is wanted, `search` the search.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..answers.fix import Fix
from .goal import Goal, Grads
from .search import Found, Run, Search

MOST_FIXES = 4
RUN = 100  # lines of Python that a run takes beside the learner's own, about


def fixes(
    owners: Sequence[Any],
    run: Run,
    goal: Goal | Callable[[Grads | None], Goal],
    cost: int = RUN,
    same: Callable[[], bool] = lambda: True,
) -> tuple[Fix, ...]:
    """The single edits of learners' functions that make their gradients right.

    `owners` are functions, methods or objects: the functions that they lead to are edited where
    their text can be had, but no library's. `run()` gives the gradients by name, or None where the
    code does what it must not; it is called some thousand times, at `cost` lines of Python beside
    the learner's. `goal` may be a function of what `run()` gives at first; `same()` says whether
    what is derived is as it was. Nothing outside changes. While the search lasts, the functions
    have another `__code__`, which does in other threads what they did; what those write meanwhile
    to globals, arrays and objects that the functions use is put back.

    Where an edit makes all gradients of the goal right, only such are given; else those that mend
    the first, if no other place can be the cause of what is still wrong.
    """
    search = Search(owners, run, goal, cost, same)
    found = search.fixes()
    whole = [one for one in found if not one.still]
    if not whole:
        some = [one for one in found if not search.elsewhere(one)]
        whole = [one for one in some if one.edit.tier == min(o.edit.tier for o in some)]
    return tuple(dict.fromkeys(map(shown, chosen(whole)))) if whole else ()


def chosen(found: Sequence[Found]) -> list[Found]:
    """The likeliest edit of each line, the likeliest line first, and what else mends that one."""
    ordered = [*unlike(sorted(found, key=size))]
    lines = list(dict.fromkeys(one.line.number for one in ordered))
    best = {n: [one for one in ordered if one.line.number == n] for n in lines}
    firsts = [best[n][0] for n in lines[:MOST_FIXES]]
    alike = [one for one in ordered if best[lines[0]][0].edit.tier == one.edit.tier]
    others = [one for one in alike if one in best[lines[0]][1:]]
    return [*firsts[:1], *others[: MOST_FIXES - len(firsts)], *firsts[1:]]


def unlike(found: Sequence[Found]) -> Iterable[Found]:
    """The first of those that write the same, spaces aside."""
    first: dict[tuple[int, str], Found] = {}
    for one in found:
        first.setdefault((one.line.number, "".join(shown(one).new.split())), one)
    return first.values()


def size(one: Found) -> tuple[Any, ...]:
    """What makes an edit likely: its place, its tier, and how few words are new or gone."""
    edit, text = one.edit, one.line.place.text.text
    old, new = (
        Counter(re.findall(r"\w+|\S", part)) for part in (text[edit.start : edit.end], edit.new)
    )
    added, gone = (new - old).total(), (old - new).total()
    changed = edit.tier, max(added, gone), added, len(edit.new)
    return not one.line.alone, one.line.touched is None, changed


def shown(found: Found) -> Fix:
    """The lines of the statement that an edit touches, as they are and as they should be."""
    edit, text, unit = found.edit, found.line.place.text, found.line.unit
    low, high = unit.shown
    line = text.line(edit.start)
    start = max(low, text.starts[line - 1])
    end = min(max(high, edit.end), text.starts[text.line(edit.end)] - 1)
    old = text.text[start:end]
    new = text.text[start : edit.start] + edit.new + text.text[edit.end : end]
    left_out = edit.new == "pass" and (edit.start, edit.end) == unit.span
    return Fix(text.file, line, tidy(old), "" if left_out else tidy(new))


def tidy(written: str) -> str:
    """Lines without what is left of their indent."""
    return "\n".join(line.strip() for line in written.strip().split("\n") if line.strip())
