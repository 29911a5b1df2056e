"""Names for a program: what people chose, made identifiers; letters of textbooks for the rest."""

from __future__ import annotations

import builtins
import keyword
import math
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..engine.op import Op
from ..engine.rules import ops
from ..program.expr import is_op, is_view
from ..program.names import parameter_letter, result_letter
from ..program.trace import Argument, Program, Statement
from .windows import LOOP_NAMES

ERF_SLOPE = 2 / math.sqrt(math.pi)  # of erf at 0
LONGEST = 28  # characters of a name: three of them still fit on a line
TAKEN = {
    *keyword.kwlist, *dir(builtins), "np", "math", "erf", "parameters", "gradients", "backprop",
    "l", "O", "I",  # which look like 1 and 0
    *LOOP_NAMES,
}  # fmt: skip
# what people call these results by, rather than by the letter of their kind
WORDS = {ops.log_softmax: "log_p", ops.std: "sd", ops.var: "var", ops.sqrt: "s", ops.exp: "e"}
LOCAL = {  # of a common subexpression: the initial of exp, centred, sum, max, square root, quotient
    ops.exp: "e", ops.sub: "c", ops.sum: "s", ops.max: "m", ops.sqrt: "s", ops.log: "q",
    ops.div: "q",
}  # fmt: skip


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


class Taken:
    """The names that are taken, and what stood last behind one that was asked for again."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.last: Counter[str] = Counter()

    def give(self, symbol: Any, name: str) -> None:
        """Name a symbol, with a number where the name is taken; nothing for an empty name."""
        if not name:
            return
        symbol.name = name
        while symbol.name in self.names:
            self.last[name] = max(self.last[name], 1) + 1
            symbol.name = f"{name}_{self.last[name]}"
        self.names.add(symbol.name)

    def number(self, letters: list[tuple[Any, str]]) -> None:
        """Letters that occur once stay as they are; the others are numbered from 1."""
        times = Counter(letter for _, letter in letters)
        last: Counter[str] = Counter()
        for symbol, letter in letters:
            symbol.name = letter
            while symbol.name in self.names or (times[letter] > 1 and symbol.name == letter):
                last[letter] += 1
                symbol.name = f"{letter}{last[letter]}"
            self.names.add(symbol.name)


def name_program(program: Program) -> Taken:
    """Give every name of a program its text; no two are the same. The names that are taken."""
    taken = Taken()
    forward = [s for s in program.statements if s.kind == "forward"]
    for s in forward:
        if s.target is program.loss and not s.label:
            taken.give(s.target, "loss")
    name_labelled(program, taken)
    for s in forward:
        taken.give(s.target, identifier(s.label))
    taken.number([*letters_of_arguments(program), *letters_of_values(program)])
    name_gradients(program, taken)
    times = Counter(a.label for a in program.arguments)
    for a in program.arguments:
        a.key = a.label if a.label and times[a.label] == 1 else a.symbol.name
    return taken


def name_labelled(program: Program, taken: Taken) -> None:
    """Arguments by their labels; of several with one label each has a key of its own."""
    times = Counter(a.label for a in program.arguments)
    alone = [a for a in program.arguments if times[a.label] == 1]
    for a in alone:
        taken.give(a.symbol, identifier(a.label))
    labels = Taken()
    labels.names = taken.names | {a.label for a in alone}
    for a in program.arguments:
        if times[a.label] > 1:
            labels.give(a.symbol, identifier(a.label))
            taken.names.add(a.symbol.name)


def letters_of_arguments(program: Program) -> Iterator[tuple[Any, str]]:
    """The arguments without a name, and their letters; only the first data is x, if they differ."""
    floats = (a for a in program.arguments if a.kind != "parameter" and a.value is not None)
    data = next((a for a in floats if guess(a) == "x"), None)
    for a in program.arguments:
        if not a.symbol.name:
            letter = guess(a)
            if letter == "x" and a is not data and a.use in (ops.sub, ops.mul):
                letter = "t" if a.use is ops.sub else "k"
            yield a.symbol, letter


def letters_of_values(program: Program) -> Iterator[tuple[Any, str]]:
    """The values in between without a name, and their letters."""
    for s in program.statements:
        if s.kind == "forward" and not s.target.name:
            yield s.target, letter_of(s)
        elif s.kind == "local":
            yield s.target, local_letter(s.expr)


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
            taken.give(s.target, name)


def guess(a: Argument) -> str:
    """The usual letter of an argument without a name."""
    if a.kind == "hook":
        return "hook"
    if a.kind == "parameter":  # a bias is added to something
        return parameter_letter(a.use if a.place else None, a.symbol.ndim) or "w"
    return by_values(a) or by_use(a)


def by_values(a: Argument) -> str:
    """What the elements tell: classes, indices, masks."""
    v = np.asarray(a.value)
    if v.dtype.kind == "b":
        return "mask"
    if v.dtype.kind in "iu":
        return "t" if a.use is ops.nll else "index"
    if a.kind == "constant" or a.made:
        found = set(v.ravel()[:99]) if v.ndim else set()
        if a.made and found in ({0}, {1}):
            return "ones" if 1 in found else "zeros"
        if len(found) == 2 and 0 in found and (a.made or 1 not in found):  # 0 and 1 can be targets
            return "mask"
    return ""


def by_use(a: Argument) -> str:
    """What made it and what takes it tell: x is data, t a target, k a factor."""
    use, made = a.use, a.made
    takes_product = use is not None and use.kind == "product" and not a.place
    if made is not None and not is_view(made) and not takes_product:
        return word_of(made)
    if use is None:
        return "x"
    if a.place == 1 and (use is ops.sub or use.kind == "loss"):
        return "t"
    if use.kind == "loss" and a.place == 2:
        return "pos_weight"
    factor = (use is ops.mul or use.kind == "loss") and (a.kind == "constant" or made)
    return "k" if use is ops.div or factor else "x"


def word_of(op: Op) -> str:
    """The letter or word of what an operation gives."""
    return WORDS.get(op) or result_letter(op)


def local_letter(e: Any) -> str:
    """The letter of a common subexpression."""
    return LOCAL.get(e.op, "u")


def letter_of(s: Statement) -> str:
    """z for a product and what is added to it, h for an activation, and so on."""
    found = [n.op for n in s.nodes]
    if any(op.kind == "product" for op in found):
        return "z"
    if found[-1] in WORDS:
        return WORDS[found[-1]]
    if is_op(s.expr, ops.sub):  # centred, or a residual
        return "c" if any(is_op(x, ops.mean) for x in s.expr.inputs) else "r"
    if ops.mean in found and any(op in (ops.pow, ops.power) for op in found):
        return "var"
    return result_letter(found[-1])
