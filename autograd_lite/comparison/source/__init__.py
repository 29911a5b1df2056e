"""The line of the learner's code, and the fix: his functions with one edit each are run, until the
gradients come out right.

`text` has the file and the statements, `places` the functions, `edits` the grammar, `probe` what
runs inside of them, `outside` what must stay as it is, `goal` what is wanted, `search` the search,
`words` what an edit says of the mistake.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..answers.fix import Fix
from .edits import Words, kind_of
from .goal import Goal, Grads
from .places import Place
from .search import Found, Run, Search
from .words import mistake

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
    if not whole:
        return ()
    sizes = {one.line.place: sizes_in(search.words(one.line.place)) for one in whole}
    return tuple(dict.fromkeys(chosen(whole, sizes)))


def chosen(found: Sequence[Found], sizes: Mapping[Place, Mapping[str, int]]) -> list[Fix]:
    """The likeliest edit of each line, the likeliest line first, and what else mends that one."""
    alike: dict[tuple[int, str], list[Found]] = {}
    for one in sorted(found, key=size):
        key = one.line.number, with_numbers(shown(one).new, sizes[one.line.place])
        alike.setdefault(key, []).append(one)
    ordered = [ones[0] for ones in alike.values()]
    lines = list(dict.fromkeys(one.line.number for one in ordered))
    best = {n: [one for one in ordered if one.line.number == n] for n in lines}
    firsts = [best[n][0] for n in lines[:MOST_FIXES]]
    kind = firsts[0].edit.tier, of_a_condition(firsts[0])
    others = [o for o in best[lines[0]][1:] if (o.edit.tier, of_a_condition(o)) == kind]
    ways = {
        ones[0]: [*{"".join(shown(one).new.split()) for one in ones}] for ones in alike.values()
    }
    return [
        replace(shown(one), more=len(ways[one]) - 1)
        for one in [*firsts[:1], *others[: MOST_FIXES - len(firsts)], *firsts[1:]]
    ]


def sizes_in(words: Words) -> dict[str, int]:
    """The whole numbers that a function may write, and how: m, len(y), x.shape[1]."""
    found = {name: int(n) for name, n in words.atoms.items() if kind_of(n) == "int"}
    for name, a in words.atoms.items():
        if isinstance(a, np.ndarray) and a.ndim:
            found |= {f"{name}.shape[{i}]": n for i, n in enumerate(a.shape)}
            found |= {f"{name}.shape[{i - a.ndim}]": n for i, n in enumerate(a.shape)}
            found |= {f"len({name})": len(a), f"{name}.size": a.size}
    return found


def with_numbers(written: str, sizes: Mapping[str, int]) -> str:
    """A line with numbers in the place of whatever is such a size: lines that write the same.

    >>> with_numbers("d / x.shape[0] + m_1", {"x.shape[0]": 5, "m": 5})
    'd/5+m_1'
    """
    names = sorted(map(re.escape, sizes), key=len, reverse=True)
    pattern = rf"(?<![\w.])(?:{'|'.join(names)})(?![\w.(\[])"
    text = re.sub(pattern, lambda m: str(sizes[m[0]]), written) if names else written
    return "".join(text.split())


def size(one: Found) -> tuple[Any, ...]:
    """What makes an edit likely: its place, that it turns no branch off, its tier, and how few
    words are new or gone, or new to the line and to the function."""
    edit, text = one.edit, one.line.place.text.text
    old, new = (
        Counter(re.findall(r"\w+|\S", part)) for part in (text[edit.start : edit.end], edit.new)
    )
    added, gone = (new - old).total(), (old - new).total()
    own = one.line.place.original.co_varnames
    near = re.findall(r"\w+|\S", text[slice(*one.line.unit.span)])
    foreign = sum(
        (word not in near) + (word.isidentifier() and word not in own) for word in new - old
    )
    changed = edit.tier, max(added, gone), added, foreign, len(edit.new)
    return not one.line.alone, one.line.touched is None, of_a_condition(one), changed


def of_a_condition(one: Found) -> bool:
    """Whether an edit is of what decides on a branch, or of a bool that is kept for that."""
    if isinstance(one.line.value, bool):
        return True
    text, edit = one.line.place.text, one.edit
    tests = (getattr(node, "test", None) for node in ast.walk(one.line.unit.node))
    return any(t and text.start(t) <= edit.start <= edit.end <= text.end(t) for t in tests)


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
    said = mistake(*(unit.before + part + unit.after for part in written(found)))
    return Fix(
        text.file,
        line,
        tidy(old),
        "" if left_out else tidy(new),
        0,
        said,
        tuple(sorted(found.still)),
    )


def written(found: Found) -> tuple[str, str]:
    """The statement, or the two of them, that an edit is of: as it is, and as it should be."""
    edit, text = found.edit, found.line.place.text
    start, end = found.line.unit.span
    end = max(end, edit.end)
    old = text.text[start:end]
    new = text.text[start : edit.start] + edit.new + text.text[edit.end : end]
    indent = text.indent(start)
    return textwrap.dedent(indent + old), textwrap.dedent(indent + new)


def tidy(written: str) -> str:
    """Lines without what is left of their indent."""
    return "\n".join(line.strip() for line in written.strip().split("\n") if line.strip())
