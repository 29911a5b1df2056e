"""Names for a program: those of the tape, and what only a program has: gradients and parts."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from ..engine.rules import ops
from ..program.naming import Data, Names, Taken, identifier, letter_of_data
from ..program.trace import Program

ERF_SLOPE = 2 / math.sqrt(math.pi)  # of erf at 0
LOCAL = {  # of a common subexpression: the initial of centred, sum, max, square root, quotient
    ops.sub: "c", ops.sum: "s", ops.max: "m", ops.sqrt: "s", ops.log: "q", ops.div: "q",
}  # fmt: skip


def root(x: Any) -> tuple[int, bool] | None:
    """n and whether x is its square root, or else one over that; None for another number.

    >>> root(math.sqrt(3)), root(1 / math.sqrt(2)), root(0.5)
    ((3, True), (2, False), None)
    """
    if not isinstance(x, float) or not 1e-4 < x < 1e4 or x == 1:
        return None
    n = round(x * x if x > 1 else 1 / (x * x))
    exact = math.sqrt(n)
    if exact == int(exact) or x not in (exact, 1 / exact, math.sqrt(1 / n)):
        return None
    return n, x > 1


def name_program(program: Program, names: Names) -> Taken:
    """Give every name of a program its text; no two are the same. The names that are taken."""
    taken = Taken(names.found.values())
    for a in program.arguments:
        a.symbol.name = names.found.get(a.of, "")
    for s in program.statements:
        if s.kind == "forward":
            s.target.name = names.found.get(s.record, "")
    name_the_rest(program, taken)
    name_gradients(program, taken)
    times = Counter(a.label for a in program.arguments)
    for a in program.arguments:
        a.key = a.label if a.label and times[a.label] == 1 else a.symbol.name
    return taken


def name_the_rest(program: Program, taken: Taken) -> None:
    """What is on no tape: hooks, arrays that a rule gives, and parts of expressions."""
    letters: list[tuple[Any, str]] = []
    for a in program.arguments:
        if not a.symbol.name and (label := identifier(a.label)):
            a.symbol.name = taken.give(label)
        elif not a.symbol.name:
            data = Data(a.value, constant=True)
            letters.append((a.symbol, "hook" if a.kind == "hook" else letter_of_data(data)))
    for s in program.statements:
        if s.kind == "local":
            letters.append((s.target, local_letter(s.expr)))
        elif s.kind == "forward" and not s.target.name:  # the transpose of a leaf
            letters.append((s.target, "v"))
    for symbol, name in taken.number(letters).items():
        symbol.name = name


def name_gradients(program: Program, taken: Taken) -> None:
    """d_ and what it is the gradient of; the whole gradient gets the plain name."""
    visible = program.visible()
    whole = program.whole_gradients()
    complete = {id(s) for s in whole.values()}
    partial = (s for s in program.statements if s.kind in ("gradient", "sum", "hook"))
    for s in (*whole.values(), *partial):
        if not s.target.name:
            name = "d_" + next((visible[id(x)].name for x in s.of if id(x) in visible), "u")
            if id(s) not in complete:
                through = visible.get(id(s.through))
                name += f"_from_{through.name}" if through is not None else "_part"
            s.target.name = taken.give(name)


def local_letter(e: Any) -> str:
    """The letter of a common subexpression."""
    return LOCAL.get(e.op, "u")
