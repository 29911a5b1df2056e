"""Names for a program: what people chose, made identifiers; letters of textbooks for the rest."""

from __future__ import annotations

import builtins
import keyword
import math
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..engine.op import table
from ..program.names import parameter_letter, result_letter
from ..program.passes import PRODUCTS, VIEWS
from ..program.trace import Argument, Program, Statement, named

ERF_SLOPE = 2 / math.sqrt(math.pi)  # of erf at 0
LONGEST = 28  # characters of a name: three of them still fit on a line
TAKEN = {
    *keyword.kwlist, *dir(builtins), "np", "math", "erf", "parameters", "gradients", "backprop",
    "l", "O", "I",  # which look like 1 and 0
}  # fmt: skip
OWN_LOSSES = ("binary_cross_entropy", "binary_cross_entropy_with_logits")  # (input, target)
WORDS = {"log_softmax": "log_p", "std": "sd", "var": "var", "sqrt": "s", "exp": "e"}
LOCAL = {"exp": "e", "sub": "c", "sum": "s", "max": "m", "sqrt": "s", "log": "q", "div": "q"}


def identifier(name: str) -> str:
    """A valid Python name made of any text, "" if nothing of it is left.

    >>> identifier("layers.0.weight"), identifier("0.bias"), identifier("lambda"), identifier("θ")
    ('layers_0_weight', 'layer0_bias', 'lambda_', 'θ')
    >>> identifier("d_x"), identifier("W^2")
    ('D_x', 'W_pow2')
    """
    text = unicodedata.normalize("NFKC", name.replace("^", "_pow"))
    text = "".join(c if f"a{c}".isidentifier() else "_" for c in text).strip("_")
    while "__" in text:
        text = text.replace("__", "_")
    if text and not text[0].isidentifier():
        text = f"layer{text}" if text[0].isdecimal() else f"v{text}"
    text = text[-LONGEST:].lstrip("_")
    if text and not text.isidentifier():
        text = f"v{text}"
    if text.startswith("d_"):  # which is how gradients are called
        text = f"D{text[1:]}"
    return f"{text}_" if text in TAKEN else text


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


def name_program(program: Program) -> set[str]:
    """Give every name of a program its text; no two are the same. The names that are taken."""
    taken: set[str] = set()
    forward = [s for s in program.statements if s.kind == "forward"]
    for s in forward:
        if s.target is program.loss and not s.label:
            give(s.target, "loss", taken)
    times = Counter(a.label for a in program.arguments)
    alone = [a for a in program.arguments if times[a.label] == 1]
    for a in alone:
        give(a.symbol, identifier(a.label), taken)
    labels = taken | {a.label for a in alone}
    for a in program.arguments:
        if times[a.label] > 1:  # its name is its key, which is no label of another
            give(a.symbol, identifier(a.label), labels)
            taken.add(a.symbol.name)
    for s in forward:
        give(s.target, identifier(s.label), taken)
    floats = [a for a in program.arguments if a.kind != "parameter" and a.value is not None]
    data = next((a for a in floats if guess(a) == "x"), None)
    letters: list[tuple[Any, str]] = []  # what has no name, and its letter
    for a in program.arguments:
        if not a.symbol.name:
            letter = guess(a)
            if letter == "x" and a is not data and a.use in ("sub", "mul"):
                letter = "t" if a.use == "sub" else "k"
            letters.append((a.symbol, letter))
    for s in program.statements:
        if s.kind == "forward" and not s.target.name:
            letters.append((s.target, letter_of(s)))
        elif s.kind == "local":
            letters.append((s.target, local_letter(s.expr)))
    number(letters, taken)
    visible = program.visible()
    gradients = [s for s in program.statements if s.kind in ("gradient", "sum", "hook")]
    whole = program.whole_gradients()
    complete = {id(s) for s in whole.values()}
    for s in (*whole.values(), *gradients):  # the whole gradient gets the plain name
        if not s.target.name:
            name = "d_" + next((visible[id(x)].name for x in s.of if id(x) in visible), "u")
            if id(s) not in complete:
                through = visible.get(id(s.through))
                name += f"_from_{through.name}" if through is not None else "_part"
            give(s.target, name, taken)
    return taken


def give(symbol: Any, name: str, taken: set[str]) -> None:
    """Name a symbol, with a number where the name is taken; nothing for an empty name."""
    if not name:
        return
    symbol.name = name
    i = 1
    while symbol.name in taken:
        i += 1
        symbol.name = f"{name}_{i}"
    taken.add(symbol.name)


def number(letters: Iterable[tuple[Any, str]], taken: set[str]) -> None:
    """Letters that occur once stay as they are; the others are numbered from 1."""
    letters = list(letters)
    times = Counter(letter for _, letter in letters)
    last: Counter[str] = Counter()
    for symbol, letter in letters:
        symbol.name = letter
        while symbol.name in taken or (times[letter] > 1 and symbol.name == letter):
            last[letter] += 1
            symbol.name = f"{letter}{last[letter]}"
        taken.add(symbol.name)


def guess(a: Argument) -> str:
    """The usual letter of an argument without a name."""
    if a.kind == "parameter":
        place = a.use if a.place else ""  # a bias is added to something
        return parameter_letter(table.get(place), a.symbol.ndim) or "w"
    if a.kind == "hook":
        return "hook"
    v = np.asarray(a.value)
    if v.dtype.kind == "b":
        return "mask"
    if v.dtype.kind in "iu":
        return "t" if a.use == "nll" else "index"
    if a.kind == "constant" or a.made:
        found = set(v.ravel()[:99]) if v.ndim else set()
        if a.made and found in ({0}, {1}):
            return "ones" if 1 in found else "zeros"
        if len(found) == 2 and 0 in found and (a.made or 1 not in found):  # 0 and 1 can be targets
            return "mask"
    if a.made and a.made not in VIEWS and (a.use not in PRODUCTS or a.place):
        return WORDS.get(a.made, result_letter(table.get(a.made)))
    if a.use in ("sub", *OWN_LOSSES) and a.place == 1:
        return "t"
    if a.use == OWN_LOSSES[1] and a.place == 2:
        return "pos_weight"
    factor = a.use in ("mul", *OWN_LOSSES) and (a.kind == "constant" or a.made)
    return "k" if a.use == "div" or factor else "x"


def local_letter(e: Any) -> str:
    """The letter of a common subexpression."""
    return LOCAL.get(e.name, "u")


def letter_of(s: Statement) -> str:
    """z for a product and what is added to it, h for an activation, and so on."""
    names = [n.op.name for n in s.nodes]
    e = s.expr
    if any(n in PRODUCTS for n in names):
        return "z"
    if names[-1] in WORDS:
        return WORDS[names[-1]]
    if named(e, "sub"):  # centred, or a residual
        return "c" if any(named(x, "mean") for x in e.inputs) else "r"
    if "mean" in names and any(n in ("pow", "power") for n in names):
        return "var"
    return result_letter(s.nodes[-1].op)
