"""A report in sentences: what to do first, what explains a gradient, how many agree."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from .fix import Fix
from .judge import ABSENT, INHERITED, OK, OTHER, SMALL, WRONG, Row

LONGEST = 400  # characters of what one row says
LONG, RUN = 24, 6  # rows of a table, and of a run in it, from which on they are counted
WAYS = 3  # to explain one gradient: more are counted


def all_agree(rows: Sequence[Row]) -> bool:
    """Whether no gradient is wrong or inherits a mistake, and at least one agrees."""
    verdicts = {row.verdict for row in rows}
    return not verdicts & {WRONG, INHERITED} and bool(verdicts & {OK, OTHER})


def first_wrong(rows: Sequence[Row]) -> Row | None:
    """The first row that is wrong here."""
    return next((row for row in rows if row.verdict == WRONG), None)


def headline(rows: Sequence[Row], fixes: Sequence[Fix] = ()) -> str:
    """What a learner does next, in one or two sentences; `fixes` mend the first wrong row.

    >>> headline([Row("z", (3,), WRONG, "yours has shape (4,)"), Row("w", (3,), INHERITED)])
    "z is wrong: yours has shape (4,), where autodiff's is (3,). Fix z first; w inherits it."
    """
    first = first_wrong(rows)
    if first is None:
        return all_fine(rows) if all_agree(rows) else nothing_judged(rows)
    together = [first, *(row for row in rows if row.mistake_of == first.name)]
    others = [row for row in rows if row.verdict == WRONG and row is not first]
    alike = [row for row in others if first.diagnoses and told(row) == told(first)]
    one = len(together) == 1
    text = f"{named(together)} {is_wrong(first, fixes) if one else are_wrong(first)}"
    if alike:
        text += f"; so {verb(alike, 'is', 'are')} {named(alike)}"
    text += f". Fix {shown(first.name) if one else 'it'} first"
    return f"{text}{consequences(rows, together, len(others) - len(alike), len(alike))}."


def consequences(rows: Sequence[Row], together: list[Row], unlike: int, alike: int) -> str:
    """What else there is to know before mending: other mistakes, or what follows from this one."""
    if unlike:
        return f"; {unlike} more {'is' if unlike == 1 else 'are'} wrong too"
    below = [row for row in rows if row.verdict == INHERITED and row not in together]
    if not below or alike:
        return ""
    return f"; {named(below)} {verb(below, 'inherits', 'inherit')} it"


def is_wrong(row: Row, fixes: Sequence[Fix]) -> str:
    """What is wrong with a row, after its name."""
    if row.unexplained and fixes:
        return f"is wrong: an edit of line {fixes[0].line} makes it right"
    if row.unexplained:
        return f"is wrong, and no known mistake explains it: {shown(row.note, LONGEST)}"
    said = shown(told(row).rstrip("."), LONGEST)
    if said.startswith("raised "):
        return said
    if said.startswith("yours has shape") and not row.diagnoses:
        said = f"{said}, where autodiff's is {row.shape}"
    return f"is wrong: {said}" if said else "is wrong"


def are_wrong(row: Row) -> str:
    """What is wrong with the rows that one mistake explains, the first of which is this."""
    return f"are wrong by one mistake: {shown(told(row).rstrip('.'), LONGEST)}"


def all_fine(rows: Sequence[Row]) -> str:
    """What is said where nothing is wrong."""
    count = counted(rows)
    n = count[OK] + count[OTHER]
    every = {1: "The gradient agrees", 2: "Both gradients agree"}.get(n, f"All {n} gradients agree")
    text = f"{every} with autodiff"
    text += f", {count[OTHER]} in another convention" * bool(count[OTHER])
    return "; ".join([text, *said_of(count, SMALL, ABSENT)]) + "."


def nothing_judged(rows: Sequence[Row]) -> str:
    """What is said where no gradient agrees and none is wrong."""
    said = said_of(counted(rows), INHERITED, SMALL, ABSENT)
    return "Nothing was judged: " + (", ".join(said) or "there are no gradients") + "."


def summary(rows: Sequence[Row]) -> str:
    """How many gradients agree and how many do not, in one sentence, and what to mend first."""
    count = counted(rows)
    count[OK] += count[OTHER]
    text = ", ".join(said_of(count, OK, WRONG, INHERITED, SMALL, ABSENT))
    number, _, end = text.partition(" ")
    first = first_wrong(rows)
    fix = f" Fix {shown(first.name)} first." if first else ""
    return f"{number} gradient{'s' * (number != '1')} {end}.{fix}" if text else "No gradients."


SAID = {
    OK: ("agrees", "agree"),
    WRONG: ("is wrong on its own", "are wrong on their own"),
    INHERITED: ("inherits", "inherit"),
    SMALL: ("is too small to judge", "are too small to judge"),
    ABSENT: ("was not handed in", "were not handed in"),
}


def said_of(count: dict[str, int], *verdicts: str) -> list[str]:
    """How many have each of these verdicts, where there are any."""
    return [f"{count[v]} {SAID[v][count[v] > 1]}" for v in verdicts if count[v]]


def counted(rows: Iterable[Row]) -> dict[str, int]:
    """How many rows have each verdict."""
    verdicts = [row.verdict for row in rows]
    return {v: verdicts.count(v) for v in (OK, OTHER, WRONG, INHERITED, SMALL, ABSENT)}


def told(row: Row) -> str:
    """The last column of a row: what explains it, all that does, or what is known without."""
    if row.diagnoses:
        return either(row.explanations) + f" ({row.hidden})" * bool(row.hidden)
    return f"unexplained: {row.note}" if row.unexplained else row.note


def either(ways: Sequence[str]) -> str:
    """Several ways to explain one thing.

    >>> either(["a"]), either(["a", "b"]), either(["a", "b", "c", "d", "e"])
    ('a', 'either a, or b', 'either a, or b, or c, or one of 2 more ways')
    """
    if len(ways) < 2:
        return "".join(ways)
    more = len(ways) - WAYS
    said = [*ways[:WAYS], f"one of {more} more ways"] if more > 1 else ways
    return "either " + ", or ".join(said)


def named(rows: Sequence[Row]) -> str:
    """The names of some rows in a sentence."""
    return listed([shown(row.name) for row in rows])


def listed(names: Sequence[str], most: int = 3) -> str:
    """Names in a sentence.

    >>> listed(["a"]), listed(["a", "b", "c"]), listed(list("abcdef"))
    ('a', 'a, b and c', 'a, b and 4 more')
    """
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def shortened(rows: Sequence[Row]) -> Iterator[tuple[Row, int]]:
    """The rows to show, and how many are left out after each: of a long table those in long runs
    that ask for nothing.

    >>> [(row.name, n) for row, n in shortened([Row(f"w{i}", (), OK) for i in range(40)])]
    [('w0', 39)]
    """
    for verdict, run in groupby(rows, key=lambda row: row.verdict):
        group = [*run]
        if verdict in (OK, INHERITED, ABSENT) and len(group) > RUN and len(rows) > LONG:
            yield group[0], len(group) - 1
        else:
            yield from ((row, 0) for row in group)


def verb(rows: Sequence[Row], one: str, many: str) -> str:
    return one if len(rows) == 1 else many


def fix_lines(fixes: Sequence[Fix]) -> list[str]:
    """The edits that mend the first wrong gradient, the line as it is above the one that is due.

    >>> fix = Fix("net.py", 12, "d = W.T @ d", "d = W.T @ d * a * (1 - a)")
    >>> print(*fix_lines([fix]), sep="\\n")
    line 12:  d = W.T @ d
          ->  d = W.T @ d * a * (1 - a)
    """
    return [line for fix in fixes for line in str(fix).split("\n")]


def shown(text: str, longest: int = 28) -> str:
    """A text in ASCII and on one line, its middle left out if it is longer than that.

    >>> shown("layers.0.attention.projection.weight")
    'layers.0.att...ection.weight'
    """
    text = ascii(text)[1:-1]
    if len(text) <= longest:
        return text
    half = (longest - 3) // 2
    return f"{text[:half]}...{text[-(longest - 3 - half) :]}"


def error(x: float) -> str:
    """A number of the table.

    >>> error(0.44), error(math.nan)
    ('4.4e-01', '-')
    """
    return "-" if math.isnan(x) else f"{x:.1e}"
