"""How expressions are written: what binds how tightly, and what does not look like a call.

An expression has an `op` (None for a name), `inputs` and metadata `kw`. One with a `sign` is infix,
`FORMS` are written in a way of their own, all else is a call: plain NumPy but for a few rows that
NumPy does not have, and `namespace` makes it run. A subclass of `Writer` is another notation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..engine.op import Op, table
from ..engine.rules import ops
from .names import words

__all__ = ["Writer", "namespace", "text"]

ATOM, POWER, UNARY, TIMES, PLUS, AND, OR, COMPARE = range(8, 0, -1)
LEVELS = {
    "+": PLUS, "-": PLUS, "*": TIMES, "/": TIMES, "@": TIMES, "%": TIMES, "//": TIMES, "**": POWER,
    "&": AND, "|": OR, "==": COMPARE, "!=": COMPARE, "<": COMPARE, "<=": COMPARE, ">": COMPARE,
    ">=": COMPARE,
}  # fmt: skip
SIGNS: dict[Any, str] = {  # of NumPy's functions that have no row
    np.equal: "==", np.not_equal: "!=", np.less: "<", np.less_equal: "<=", np.greater: ">",
    np.greater_equal: ">=", np.bitwise_and: "&", np.bitwise_or: "|", np.remainder: "%",
    np.floor_divide: "//",
}  # fmt: skip
PREFIXES: dict[Any, str] = {np.negative: "-", np.invert: "~"}
SILENT: dict[str, Any] = {"axis": None, "keepdims": False}  # not written when they are these
Written = tuple[str, int]  # the text of an expression, and how tightly its outermost operator binds
Form = Callable[[Any, Any], Written]


def is_expression(x: Any) -> bool:
    """Whether it is a name or an expression of names."""
    return hasattr(x, "inputs")


def is_infix(s: Any) -> bool:
    """Whether an expression is written with a sign between its inputs."""
    return s.op.sign in LEVELS and len(s.inputs) == 2 and not s.kw


def is_prefix(s: Any) -> bool:
    """Whether it is written with a sign before its input."""
    return s.op.ufunc in PREFIXES and not s.kw


def numpy_name(op: Op) -> str:
    """What a call of it is written as: its own name, unless that is not what NumPy calls it."""
    known = op.ufunc is None or getattr(np, op.name, None) is op.ufunc
    name = NAMES.get(op, op.name) if known else op.ufunc.__name__
    return name if name.isidentifier() else words(name, 40)  # of a user's own operation


class Writer:
    """Expressions as text: this one writes the formulas, a subclass another notation."""

    forms: dict[Op, Form] = {}
    plain_kinds = ""  # of dtypes that a list of numbers has by itself
    ordered: tuple[str, ...] = ("&", "|")  # a & (b & c) needs no brackets; a + (b + c) rounds so

    def written(self, s: Any) -> Written:
        """The text of an expression, and how tightly its outermost operator binds."""
        if not is_expression(s):
            return self.constant(s)
        if s.op is None:
            return s.name, ATOM
        if form := self.forms.get(s.op):
            return form(self, s)
        if is_infix(s):
            return self.infix(s)
        if is_prefix(s):
            return PREFIXES[s.op.ufunc] + self.bracketed(s.inputs[0], UNARY), UNARY
        return self.call(s), ATOM

    def infix(self, s: Any) -> Written:
        sign, level = s.op.sign, LEVELS[s.op.sign]
        left, right = s.inputs
        # a - (b - c) keeps its brackets; so does (a ** b) ** c
        tight = COMPARE + 1 if level == COMPARE else level
        a = self.bracketed(left, tight if sign != "**" else level + 1)
        b = self.bracketed(right, tight if sign in self.ordered else level + (sign != "**"))
        return self.joined(a, sign, b), level

    def call(self, s: Any) -> str:
        function, words = self.called(s)
        return f"{function}({', '.join(words)})"

    def called(self, s: Any) -> tuple[str, list[str]]:
        """The function of a call and the texts of its arguments."""
        name, words, kw = numpy_name(s.op), [self.text(i) for i in s.inputs], s.kw
        if say := CALLS.get(s.op):
            words, kw = say(self, words, kw)
        words += [
            f"{self.keyword(k)}={self.text(v)}"
            for k, v in kw.items()
            if k not in SILENT or v is not SILENT[k]
        ]
        return self.function(name), words

    def text(self, x: Any) -> str:
        return self.written(x)[0]

    def bracketed(self, x: Any, level: int) -> str:
        inner, binds = self.written(x)
        return inner if binds >= level else f"({inner})"

    # ---- what notations differ in

    def joined(self, a: str, sign: str, b: str) -> str:
        return f"{a} {sign} {b}"

    def transposed(self, x: Any) -> str:
        return self.bracketed(x, ATOM) + ".mT"

    def function(self, name: str) -> str:
        return name

    def keyword(self, name: str) -> str:
        return name

    def quoted(self, word: str) -> str:
        return repr(word)

    def dtype_text(self, dtype: Any) -> str:
        return repr(np.dtype(dtype).name)

    def number(self, x: Any) -> str:
        return str(x)

    # ---- constants

    def constant(self, x: Any) -> Written:
        """The text of a number, a tuple, an array."""
        if isinstance(x, np.ndarray):
            return self.array_text(x), ATOM
        if isinstance(x, np.generic):
            x = x.item()
        if isinstance(x, tuple):
            return f"({', '.join(self.text(i) for i in x)}{',' * (len(x) == 1)})", ATOM
        if isinstance(x, list):
            return f"[{', '.join(self.text(i) for i in x)}]", ATOM
        if isinstance(x, float | int) and not isinstance(x, bool):
            negative = x < 0 or (isinstance(x, float) and math.copysign(1, x) < 0)
            return self.number(x), UNARY if negative else ATOM
        return ("..." if x is ... else repr(x)), ATOM

    def array_text(self, a: Any) -> str:
        """An array by the function that makes it, else element by element."""
        dtype = self.dtype_word(a)
        if counts_up(a):
            text = f"{self.function('arange')}({a.size})"
            return text if a.ndim == 1 else f"{text}.reshape({self.text(a.shape)})"
        if is_identity(a):
            return f"{self.function('eye')}({len(a)}{dtype})"
        for word, number in (("zeros", 0), ("ones", 1)):
            if (a == number).all():
                return f"{self.function(word)}({self.text(a.shape)}{dtype})"
        if turned := triangle(a):
            return f"{self.function('tri')}({len(a)}{dtype}){'.T' * (turned < 0)}"
        short = a.size and a.dtype.kind in self.plain_kinds
        return f"{self.function('array')}({a.tolist()}{'' if short else dtype})"

    def dtype_word(self, a: Any) -> str:
        return f", dtype={self.dtype_text(a.dtype)}"

    def index_text(self, index: Any) -> str:
        parts = index if isinstance(index, tuple) else (index,)
        words = []
        for part in parts:
            if isinstance(part, slice):
                start, stop, step = (
                    "" if v is None else str(v) for v in (part.start, part.stop, part.step)
                )
                words.append(f"{start}:{stop}" + f":{step}" * bool(step))
            else:
                words.append(self.text(part))
        return ", ".join(words) + "," * (isinstance(index, tuple) and len(parts) == 1) or "()"


def counts_up(a: Any) -> bool:
    """Whether an array counts 0, 1, 2, ... along one of its axes, as a grid does."""
    some = a.size > 1 or a.ndim == 1
    return some and a.dtype.kind == "i" and bool((a.ravel() == np.arange(a.size)).all())


def is_square(a: Any) -> bool:
    return a.ndim == 2 and a.shape[0] == a.shape[1]


def is_identity(a: Any) -> bool:
    return is_square(a) and bool((a == np.eye(len(a))).all())


def triangle(a: Any) -> int:
    """1 where a square array is ones up to the diagonal, -1 where from it; 0 for another."""
    if not is_square(a):
        return 0
    found = [bool((b == np.tri(len(a))).all()) for b in (a, a.T)]
    return found[0] - found[1]


# ---- what is no call, and calls whose arguments are not inputs and metadata in that order ----


def method(write: Callable[[Writer, dict[str, Any]], str]) -> Form:
    """What stands behind its input."""
    return lambda w, s: (w.bracketed(s.inputs[0], ATOM) + write(w, s.kw), ATOM)


def power(w: Writer, s: Any) -> Written:
    base, p = w.bracketed(s.inputs[0], ATOM), w.bracketed(s.kw["p"], POWER)
    return w.joined(base, "**", p), POWER


# NumPy writes these as operators, methods and indices, and no fact of a row tells its syntax
FORMS: dict[Op, Form] = {
    ops.power: power,
    ops.mT: lambda w, s: (w.transposed(s.inputs[0]), ATOM),
    ops.getitem: method(lambda w, kw: f"[{w.index_text(kw['index'])}]"),
    ops.reshape: method(lambda w, kw: f".reshape({w.text(kw['shape'])})"),
    ops.permute: method(lambda w, kw: f".transpose({w.text(kw['axes'])})"),
    ops.cast: method(lambda w, kw: f".astype({w.dtype_text(kw['dtype'])})"),
    ops.copy: method(lambda w, kw: ".copy()"),
}
Writer.forms = FORMS

NAMES = {ops.expand: "broadcast_to"}  # of NumPy, where that is not the name of the row
CALLS: dict[Op, Callable[[Writer, list[str], dict[str, Any]], tuple[list[str], dict[str, Any]]]] = {
    ops.expand: lambda w, words, kw: ([*words, w.text(kw["shape"])], {}),
    ops.clip: lambda w, words, kw: ([*words, w.text(kw["low"]), w.text(kw["high"])], {}),
    ops.prod: lambda w, words, kw: (words, {"axis": -1}),
    ops.concatenate: lambda w, words, kw: ([f"[{', '.join(words)}]"], kw),
    ops.stack: lambda w, words, kw: ([f"[{', '.join(words)}]"], kw),
    ops.einsum: lambda w, words, kw: ([w.quoted(kw["spec"]), *words], {}),
    ops.pad: lambda w, words, kw: (
        [*words, str(kw["width"] or 0)],
        {"constant_values": kw["value"]},
    ),
}
text = Writer().text


def namespace() -> dict[str, Any]:
    """What the names in a formula stand for: NumPy's functions, and rows where NumPy has none."""
    names: dict[str, Any] = dict(table)
    names |= {k: v for k, v in vars(np).items() if callable(v) and not k.startswith("_")}
    for name, op in table.items():
        if op.named:  # for these NumPy has no function, or one with other metadata
            names[name] = partial(op, **SILENT) if op.kind == "reduction" else op
    names |= {k: getattr(np, k) for k in ("inf", "nan", "linalg", "fft", "strings")}
    return names
