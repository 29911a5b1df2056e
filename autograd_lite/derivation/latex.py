"""The expressions and names of a program in LaTeX."""

from __future__ import annotations

import keyword
import re
import unicodedata
from typing import Any

import numpy as np

from ..engine.rules import ops
from ..program.expr import Symbol, call, full, is_leaf, is_number, is_op, outer, total
from ..program.naming import TAKEN
from ..program.notation import (
    ATOM,
    COMPARE,
    PLUS,
    POWER,
    TIMES,
    UNARY,
    Form,
    Writer,
    Written,
    counts_up,
    is_identity,
    triangle,
)
from ..program.trace import Statement
from .names import ERF_SLOPE, root
from .series import IN_LATEX, series
from .source import part_text, reads_each_once, shape_text
from .textbook import is_one_hot, keeps_all
from .windows import windowed

__all__ = ["latex_code", "latex_formula", "latex_line", "latex_name"]

GREEK = {
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa",
    "lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega",
}  # fmt: skip
SIGNS = {
    unicodedata.lookup(f"GREEK SMALL LETTER {name.upper().replace('LAMBDA', 'LAMDA')}"): rf"\{name}"
    for name in GREEK
}
LETTERS = {"weight": "W", "bias": "b"}
WORDS = r"\log \sin \cos \tan \sinh \cosh \tanh \arcsin \arccos \arctan \max \min"
COMMANDS = {word: f"\\{word}" for word in re.findall(r"\w+", WORDS)}  # that LaTeX has
COMMANDS |= {np.maximum.__name__: r"\max", np.minimum.__name__: r"\min"}
RELATIONS = {
    "==": "=", "!=": r"\neq", "<": "<", "<=": r"\leq", ">": ">", ">=": r"\geq",
    "&": r"\wedge", "|": r"\vee",
}  # fmt: skip


def latex_name(name: str) -> str:
    r"""A name in LaTeX.

    >>> latex_name("d_fc1_weight"), latex_name("z2"), latex_name("log_p"), latex_name("W_q")
    ('\\mathrm{d}W_{\\mathrm{fc1}}', 'z_{2}', '\\log p', 'W_{q}')
    """
    if name.startswith("d_"):
        return r"\mathrm{d}" + latex_name(name[2:])
    if name.startswith("log_"):
        return rf"\log {latex_name(name[4:])}"
    if name.endswith("_") and (name[:-1] in TAKEN or keyword.iskeyword(name[:-1])):
        return latex_name(name[:-1])
    path, _, last = name.rpartition("_")
    if last in LETTERS:
        return indexed(LETTERS[last], rf"\mathrm{{{escaped(path)}}}") if path else LETTERS[last]
    if path and last.isdecimal():
        return indexed(latex_name(path), last)
    if found := re.fullmatch(r"([^\W\d_]+)(\d+)", name):
        return indexed(latex_name(found[1]), found[2])
    if "_from_" in name:  # one of several paths
        to, _, through = name.partition("_from_")
        return indexed(latex_name(to), rf"\mathrm{{from}}\,{latex_name(through)}")
    head, _, rest = name.partition("_")
    if rest and (len(head) == 1 or head in GREEK):
        plain = len(rest) == 1 or rest in GREEK
        return indexed(latex_name(head), latex_name(rest) if plain else upright(rest))
    if name in GREEK:
        return f"\\{name}"
    text = in_signs(escaped(name))
    return text if len(name) == 1 else rf"\mathit{{{text}}}"


def indexed(name: str, index: str) -> str:
    """A name with an index, or with one more."""
    if "_{" in name and name.endswith("}"):
        return f"{name[:-1]},{index}}}"
    return f"{name}_{{{index}}}"


def upright(word: str) -> str:
    return rf"\mathrm{{{escaped(word)}}}"


def escaped(word: str) -> str:
    return word.replace("_", r"\_")


def in_signs(text: str) -> str:
    """Text with LaTeX's names of its Greek letters."""
    return "".join(SIGNS[c] + " " * (len(text) > 1) if c in SIGNS else c for c in text)


def latex_code(word: str) -> str:
    r"""Any text as it stands in code.

    >>> print(latex_code("norm.running_mean"))
    \mathtt{norm.running\_mean}
    """
    signs = {"\\": r"\backslash ", "^": r"\hat{\ }", "~": r"\sim ", " ": r"\ "}
    text = "".join(signs.get(c, f"\\{c}" if c in "_{}$%&#" else c) for c in word)
    return rf"\mathtt{{{in_signs(text)}}}"


def in_brackets(text: str) -> str:
    """Brackets that are as high as what they hold."""
    tall = any(word in text for word in (r"\frac", r"\sum", r"\max_", r"\min_", r"\left"))
    return rf"\left({text}\right)" if tall else f"({text})"


class Latex(Writer):
    """Expressions in LaTeX; elementwise products are dots in circles."""

    def written(self, s: Any) -> tuple[str, int]:
        if is_leaf(s):
            name = latex_name(s.name)
            return name, PLUS if r"\log" in name else ATOM
        return super().written(s)

    def bracketed(self, x: Any, level: int) -> str:
        inner, binds = self.written(x)
        return inner if binds >= level else rf"\left({inner}\right)"

    def infix(self, s: Symbol) -> Written:
        a, b = s.inputs
        sign = s.op.sign
        if sign in ("&", "|"):
            return rf"{self.text(a)} {RELATIONS[sign]} {self.text(b)}", COMPARE
        if sign in RELATIONS:
            relation = f"{self.bracketed(a, PLUS)} {RELATIONS[sign]} {self.bracketed(b, PLUS)}"
            return rf"\left[{relation}\right]", ATOM
        return self.call(s), ATOM

    def product(self, a: Any, b: Any) -> str:
        """An elementwise product, with a number before the other factor."""
        if is_number(b) and not is_number(a):
            a, b = b, a
        left, right = self.factor(a), self.bracketed(b, UNARY)
        if is_number(a) and a > 0 and is_op(b, ops.neg):
            return f"-{self.product(a, b.inputs[0])}"
        right = rf"\left({right}\right)" if right.startswith("-") else right
        if is_number(a):
            return rf"{left} \cdot {right}" if right[0].isdigit() else rf"{left}\, {right}"
        numbers = not all(isinstance(i, Symbol) and i.ndim for i in (a, b))
        return f"{left} {chr(92)}{'cdot' if numbers else 'odot'} {right}"

    def factor(self, x: Any) -> str:
        """The first factor of a product, which must not read as if it went on."""
        return self.bracketed(x, POWER if open_ended(x) else TIMES)

    def reshaped(self, x: Any, s: Symbol) -> str:
        """A vector as a column or a row, or the other way round; else with the new sizes."""
        if x.size == 1:
            return self.bracketed(x, ATOM)
        if {x.ndim, s.ndim} == {1, 2} and 1 in x.shape + s.shape:
            word = "vec" if s.ndim == 1 else "col" if s.shape[1] == 1 else "row"
        else:
            word = "reshape"
        under = f"_{{{by_size(s.shape)}}}" if word == "reshape" else ""
        return rf"\operatorname{{{word}}}{under}{in_brackets(self.text(x))}"

    def power_of_e(self, x: Any) -> str:
        return "1" if is_number(x) and x == 0 else rf"\mathrm{{e}}^{{{self.text(x)}}}"

    def all_ones(self, x: Any) -> str:
        """A factor of a matrix product whose elements are equal."""
        if not is_op(x, full):
            return ""
        number = self.written(x)[0]
        ones = rf"\mathbf{{1}}_{{{by_size(x.shape)}}}"
        return ones if number == "1" else rf"\left({number} \cdot {ones}\right)"

    def call(self, s: Symbol) -> str:
        function, words = self.called(s)
        return function + in_brackets(", ".join(words))

    def transposed(self, x: Any) -> str:
        return self.bracketed(x, ATOM) + r"^{\top}"

    def function(self, name: str) -> str:
        return COMMANDS.get(name, rf"\operatorname{{{escaped(name)}}}")

    def called(self, s: Symbol) -> tuple[str, list[str]]:
        if s.op is call:
            return rf"\operatorname{{{escaped(s.inputs[0].name)}}}", [self.text(s.inputs[1])]
        function, words = super().called(s)
        if s.inputs and not s.op.elementwise:  # of an array, though its elements are equal
            words[0] = self.all_ones(s.inputs[0]) or words[0]
        return function, words

    def keyword(self, name: str) -> str:
        return upright(name)

    def quoted(self, word: str) -> str:
        return rf"\text{{{word}}}".replace("->", r"}\to\text{")

    def dtype_text(self, dtype: Any) -> str:
        return rf"\text{{{np.dtype(dtype).name}}}"

    # ---- indices

    def index_text(self, index: Any) -> str:
        """Rows are counted by i, columns by j: `t_{i}` is the class of a row."""
        arrays = [i for i in index if hasattr(i, "ndim")] if isinstance(index, tuple) else []
        if len(arrays) < 2:
            return super().index_text(index)
        n = max(a.ndim for a in arrays)
        return ", ".join(self.picked(i, n) for i in index)

    def picked(self, a: Any, n: int) -> str:
        """One entry of an index: an array's letter, or its name with the letters of its axes."""
        if not hasattr(a, "ndim"):
            return super().index_text(a)
        letters = "".join("ijklm"[n - a.ndim + k] for k, size in enumerate(a.shape) if size > 1)
        if isinstance(a, np.ndarray) and counts_up(a) and len(letters) == 1:
            return letters
        return indexed(self.text(a), letters) if is_leaf(a) and letters else self.text(a)

    # ---- numbers

    def number(self, x: Any) -> str:
        if isinstance(x, float) and not np.isfinite(x):
            return {"inf": r"\infty", "-inf": r"-\infty"}.get(str(x), r"\mathrm{NaN}")
        mantissa, e, exponent = f"{x:.6g}".partition("e")
        if float(f"{x:.6g}") != x:
            mantissa += r"\ldots"
        if not e:
            return mantissa
        power = f"10^{{{int(exponent)}}}"
        return {"1": power, "-1": f"-{power}"}.get(mantissa, rf"{mantissa} \cdot {power}")

    def array_text(self, a: Any) -> str:
        if is_identity(a):
            return rf"\mathbf{{I}}_{{{len(a)}}}"
        if a.size and ((a == 0).all() or (a == 1).all()):
            return rf"\mathbf{{{a.flat[0]:.0f}}}_{{{by_size(a.shape)}}}"
        if turned := triangle(a):
            return rf"\left[i {RELATIONS['>=' if turned > 0 else '<=']} j\right]"
        return rf"\operatorname{{array}}({a.tolist()})"

    def constant(self, x: Any) -> tuple[str, int]:
        if x is ...:
            return r"\ldots", ATOM
        if x is None or isinstance(x, bool | np.bool_):
            return rf"\text{{{x}}}", ATOM
        if isinstance(x, float) and x == ERF_SLOPE:
            return r"\frac{2}{\sqrt{\pi}}", TIMES
        if (found := root(x)) is not None:
            text = rf"\sqrt{{{found[0]}}}"
            return (text, ATOM) if found[1] else (rf"\frac{{1}}{{{text}}}", TIMES)
        return super().constant(x)


def open_ended(x: Any) -> bool:
    """Whether an expression ends in a sum or the like, which a further factor would seem to be
    part of."""
    if not isinstance(x, Symbol) or x.op is None:
        return False
    if x.op in BIG:
        return True
    # set without a sign or a bracket at their end, so that their last factor stands open
    return x.op in (ops.mul, ops.matmul, ops.neg) and open_ended(x.inputs[-1])


def by_size(shape: tuple[int, ...]) -> str:
    return r" \times ".join(map(str, shape)) or "1"


# ---- what is written in a way of its own ------------------------------------------------------


def fraction(w: Latex, s: Symbol) -> Written:
    above, binds = w.written(s.inputs[0])
    sign = "-" if above.startswith("-") and binds >= TIMES else ""
    return rf"{sign}\frac{{{above.removeprefix(sign)}}}{{{w.text(s.inputs[1])}}}", TIMES


def to_the_power(w: Latex, s: Symbol) -> Written:
    a, b = s.inputs
    circle = r"\odot " if isinstance(a, Symbol) and a.ndim and is_number(b) else ""
    return f"{w.bracketed(a, ATOM)}^{{{circle}{w.text(b)}}}", POWER


def matrix_product(w: Latex, s: Symbol) -> Written:
    a, b = s.inputs
    left = w.all_ones(a) or w.factor(a)
    left = w.transposed(a) if isinstance(a, Symbol) and a.ndim == 1 else left
    return rf"{left}\, {w.all_ones(b) or w.bracketed(b, UNARY)}", TIMES


def plus_or_minus(w: Latex, s: Symbol) -> Written:
    a, b = s.inputs
    sign = s.op.sign
    right = w.bracketed(b, PLUS if sign == "+" else TIMES)
    if right.startswith("-"):
        sign, right = "-" if sign == "+" else "+", right[1:]
    return f"{w.bracketed(a, PLUS)} {sign} {right}", PLUS


def minus(w: Latex, s: Symbol) -> Written:
    inner, binds = w.written(s.inputs[0])
    bare = binds >= TIMES and not inner.startswith("-")
    return (f"-{inner}", min(binds, UNARY)) if bare else (rf"-\left({inner}\right)", UNARY)


def sum_of_terms(w: Latex, s: Symbol) -> Written:
    terms = [w.bracketed(i, PLUS) for i in s.inputs]
    signed = [f"- {t[1:]}" if t.startswith("-") else f"+ {t}" for t in terms[1:]]
    return " ".join([terms[0], *signed]), PLUS


def one_number(w: Latex, s: Symbol) -> Written:
    value, by = w.number(s.kw["n"]), s.kw["by"]
    sign = "-" if value.startswith("-") else ""
    quotient = rf"{sign}\frac{{{value.removeprefix(sign)}}}{{{w.number(by)}}}"
    return (value if by == 1 else quotient), UNARY if sign else ATOM


def reduction(w: Latex, s: Symbol) -> Written:
    axis = -1 if s.op is ops.prod else s.kw.get("axis")
    axes = axis if isinstance(axis, tuple) else () if axis is None else (axis,)
    said = "axis" if len(axes) == 1 else "axes"
    under = rf"_{{\text{{{said} }}{', '.join(map(str, axes))}}}" if axes else ""
    of = w.bracketed(s.inputs[0], TIMES if s.op is ops.sum else POWER)
    return f"{BIG[s.op]}{under} " + (rf"\left({of}\right)" if of.startswith("-") else of), UNARY


def part(w: Latex, s: Symbol) -> Written:
    if keeps_all(s.kw["index"]):
        return w.reshaped(s.inputs[0], s), ATOM
    if is_one_hot(s):
        return rf"\left[j = {w.picked(s.kw['index'], 1)}\right]", ATOM
    return Writer.forms[ops.getitem](w, s)


def permuted(w: Latex, s: Symbol) -> Written:
    how = rf"\text{{axes }}{', '.join(map(str, s.kw['axes']))}"
    return rf"\operatorname{{permute}}_{{{how}}}{in_brackets(w.text(s.inputs[0]))}", ATOM


def broadcast(w: Latex, s: Symbol) -> Written:
    x: Any = s.inputs[0]
    ones = rf"\mathbf{{1}}_{{{by_size(s.shape)}}}"
    if not isinstance(x, Symbol) or not x.ndim:
        return rf"{w.factor(x)} \cdot {ones}", TIMES
    return rf"{ones} \odot {w.bracketed(x, UNARY)}", TIMES


def log_of_sum(w: Latex, s: Symbol) -> Written:
    return rf"\log{in_brackets(' + '.join(sorted(map(w.power_of_e, s.inputs))))}", ATOM


def cases(w: Latex, s: Symbol) -> Written:
    condition, yes, no = map(w.text, s.inputs)
    rows = rf"{yes} & \text{{where }} {condition} \\ {no} & \text{{else}}"
    return rf"\begin{{cases}} {rows} \end{{cases}}", ATOM


def around(before: str, after: str, level: int = ATOM) -> Form:
    """What stands before and behind its input."""
    return lambda w, s: (f"{before}{w.text(s.inputs[0])}{after}", level)


BIG = {  # signs that a further factor would seem to be part of
    ops.sum: r"\sum", ops.mean: r"\operatorname{mean}", ops.max: r"\max", ops.min: r"\min",
    ops.prod: r"\prod",
}  # fmt: skip
Latex.forms = {
    **Writer.forms,
    **dict.fromkeys(BIG, reduction),
    **windowed,
    ops.add: plus_or_minus,
    ops.sub: plus_or_minus,
    ops.mul: lambda w, s: (w.product(*s.inputs), TIMES),
    ops.div: fraction,
    ops.pow: to_the_power,
    ops.matmul: matrix_product,
    ops.neg: minus,
    total: sum_of_terms,
    full: one_number,
    outer: lambda w, s: (rf"{w.factor(s.inputs[0])}\, {w.transposed(s.inputs[1])}", TIMES),
    ops.sqrt: around(r"\sqrt{", "}"),
    ops.abs: around(r"\left|", r"\right|"),
    ops.exp: around(r"\mathrm{e}^{", "}", POWER),  # upright: a value may be called e
    ops.expm1: around(r"\mathrm{e}^{", "} - 1", PLUS),
    ops.log1p: lambda w, s: (rf"\log{in_brackets('1 + ' + w.bracketed(s.inputs[0], TIMES))}", ATOM),
    ops.logaddexp: log_of_sum,
    ops.where: cases,
    ops.cast: lambda w, s: w.written(s.inputs[0]),
    ops.copy: lambda w, s: w.written(s.inputs[0]),
    ops.getitem: part,
    ops.reshape: lambda w, s: (w.reshaped(s.inputs[0], s), ATOM),
    ops.permute: permuted,
    ops.expand: broadcast,
}
latex = Latex()


def latex_formula(s: Statement) -> str:
    """A statement in a line of text."""
    name, e = latex_name(s.target.name), s.expr
    if is_op(e, ops.scatter_add):
        unique = reads_each_once(e.kw["index"], s.shape)
        value = e.inputs[0]
        value = latex.text(value) if is_op(value, full) else part_text(value, latex)
        right = rf"0,\ \text{{{'but' if unique else 'plus'} }} {value}"
    elif is_op(e, ops.put):
        right = rf"{latex.text(e.inputs[0])},\ \text{{but }} {latex.text(e.inputs[1])}"
    elif is_op(e, total) and (found := series([latex.text(x) for x in e.inputs], IN_LATEX)):
        first, last = found.ends
        return rf"{name} = \sum_{{t={first}}}^{{{last}}} {found.term}"
    else:
        return f"{name} = {latex.text(e)}"
    return rf"{name} = {right} \text{{ at }} [{latex.index_text(e.kw['index'])}]"


def latex_line(s: Statement) -> str:
    """A statement as a line of an aligned block: formula, then shape."""
    return f"{latex_formula(s).replace(' = ', ' &= ', 1)} && {shape_text(s.shape)}"
