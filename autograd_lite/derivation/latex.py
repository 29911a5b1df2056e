"""The expressions and names of a program in LaTeX."""

from __future__ import annotations

import keyword
import re
import unicodedata
from typing import Any

import numpy as np

from ..program.expr import ATOM, COMPARE, PLUS, POWER, TIMES, UNARY, Symbol, Writer
from ..program.trace import Statement, is_leaf, is_number, is_range, named
from .names import ERF_SLOPE, TAKEN, root
from .source import is_identity, part_text, reads_each_once, shape_text
from .textbook import is_one_hot, keeps_all

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
KNOWN = {"log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arctan", "max", "min"}
OTHERWISE = {"maximum": "max", "minimum": "min"}  # what LaTeX calls a function
WHOLE = {"cumsum", "cumprod", "flip", "pad", "diag"}  # of an array, though its elements are equal
REDUCED = ("sum", "mean", "max", "min", "prod")
RELATIONS = {
    "equal": "=", "not_equal": r"\neq", "less": "<", "less_equal": r"\leq", "greater": ">",
    "greater_equal": r"\geq", "bitwise_and": r"\wedge", "bitwise_or": r"\vee",
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

    def infix(self, s: Symbol) -> tuple[str, int]:
        a, b = s.inputs
        match s.name:
            case "div":
                above, binds = self.written(a)
                sign = "-" if above.startswith("-") and binds >= TIMES else ""
                return rf"{sign}\frac{{{above.removeprefix(sign)}}}{{{self.text(b)}}}", TIMES
            case "pow":
                circle = r"\odot " if isinstance(a, Symbol) and a.ndim and is_number(b) else ""
                return f"{self.bracketed(a, ATOM)}^{{{circle}{self.text(b)}}}", POWER
            case "matmul":
                left = self.all_ones(a) or self.factor(a)
                left = self.transposed(a) if isinstance(a, Symbol) and a.ndim == 1 else left
                right = self.all_ones(b) or self.bracketed(b, UNARY)
                return rf"{left}\, {right}", TIMES
            case "mul":
                return self.product(a, b), TIMES
            case "add" | "sub":
                sign, level = ("+", PLUS) if s.name == "add" else ("-", TIMES)
                right = self.bracketed(b, level)
                if right.startswith("-"):
                    sign, right = "-" if sign == "+" else "+", right[1:]
                return f"{self.bracketed(a, PLUS)} {sign} {right}", PLUS
            case "bitwise_and" | "bitwise_or":
                return rf"{self.text(a)} {RELATIONS[s.name]} {self.text(b)}", COMPARE
        relation = f"{self.bracketed(a, PLUS)} {RELATIONS[s.name]} {self.bracketed(b, PLUS)}"
        return rf"\left[{relation}\right]", ATOM

    def product(self, a: Any, b: Any) -> str:
        """An elementwise product, with a number before the other factor."""
        if is_number(b) and not is_number(a):
            a, b = b, a
        left, right = self.factor(a), self.bracketed(b, UNARY)
        if is_number(a) and a > 0 and named(b, "neg"):
            return f"-{self.product(a, b.inputs[0])}"
        right = rf"\left({right}\right)" if right.startswith("-") else right
        if is_number(a):
            return rf"{left} \cdot {right}" if right[0].isdigit() else rf"{left}\, {right}"
        numbers = not all(isinstance(i, Symbol) and i.ndim for i in (a, b))
        return f"{left} {chr(92)}{'cdot' if numbers else 'odot'} {right}"

    def operation(self, s: Symbol) -> tuple[str, int]:
        kw: dict[str, Any] = s.kw or {}
        x: Any = s.inputs[0] if s.inputs else None
        match s.name:
            case "neg":
                inner, binds = self.written(x)
                bare = binds >= TIMES and not inner.startswith("-")
                return (
                    (f"-{inner}", min(binds, UNARY)) if bare else (rf"-\left({inner}\right)", UNARY)
                )
            case "total":
                terms = [self.bracketed(i, PLUS) for i in s.inputs]
                signed = [f"- {t[1:]}" if t.startswith("-") else f"+ {t}" for t in terms[1:]]
                return " ".join([terms[0], *signed]), PLUS
            case "full":
                by = kw["by"]
                value = self.number(kw["n"])
                sign = "-" if value.startswith("-") else ""
                fraction = rf"{sign}\frac{{{value.removeprefix(sign)}}}{{{self.number(by)}}}"
                return (value if by == 1 else fraction), UNARY if sign else ATOM
            case name if name in REDUCED:
                return self.reduction(s), UNARY
            case "sqrt":
                return rf"\sqrt{{{self.text(x)}}}", ATOM
            case "abs":
                return rf"\left|{self.text(x)}\right|", ATOM
            case "cast" | "copy":
                return self.written(x)
            case "getitem" if keeps_all(kw["index"]):
                return self.reshaped(x, s), ATOM
            case "reshape":
                return self.reshaped(x, s), ATOM
            case "permute":
                axes = ", ".join(map(str, kw["axes"]))
                how = rf"\text{{axes }}{axes}"
                return rf"\operatorname{{permute}}_{{{how}}}{in_brackets(self.text(x))}", ATOM
            case "expand":
                ones = rf"\mathbf{{1}}_{{{by_size(s.shape)}}}"
                if not isinstance(x, Symbol) or not x.ndim:
                    return rf"{self.factor(x)} \cdot {ones}", TIMES
                return rf"{ones} \odot {self.bracketed(x, UNARY)}", TIMES
            case "outer":
                return rf"{self.factor(x)}\, {self.transposed(s.inputs[1])}", TIMES
            case "getitem" if is_one_hot(s):
                return rf"\left[j = {self.picked(kw['index'], 1)}\right]", ATOM
            case "exp":
                # upright: a value may be called e
                return rf"\mathrm{{e}}^{{{self.text(x)}}}", POWER
            case "expm1":
                return rf"\mathrm{{e}}^{{{self.text(x)}}} - 1", PLUS
            case "log1p":
                return rf"\log{in_brackets('1 + ' + self.bracketed(x, TIMES))}", ATOM
            case "logaddexp":
                return (
                    rf"\log{in_brackets(' + '.join(sorted(map(self.power_of_e, s.inputs))))}",
                    ATOM,
                )
            case "where":
                yes, no = (self.text(i) for i in s.inputs[1:])
                rows = rf"{yes} & \text{{where }} {self.text(x)} \\ {no} & \text{{else}}"
                return rf"\begin{{cases}} {rows} \end{{cases}}", ATOM
        return super().operation(s)

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

    def reduction(self, s: Symbol) -> str:
        word = {"mean": r"\operatorname{mean}"}.get(s.name, f"\\{s.name}")
        kw: dict[str, Any] = s.kw or {}
        axis = -1 if s.name == "prod" else kw.get("axis")
        axes = axis if isinstance(axis, tuple) else () if axis is None else (axis,)
        said = "axis" if len(axes) == 1 else "axes"
        under = rf"_{{\text{{{said} }}{', '.join(map(str, axes))}}}" if axes else ""
        level = TIMES if s.name == "sum" else POWER
        of = self.bracketed(s.inputs[0], level)
        return f"{word}{under} " + (rf"\left({of}\right)" if of.startswith("-") else of)

    def all_ones(self, x: Any) -> str:
        """A factor of a matrix product whose elements are equal."""
        if not (isinstance(x, Symbol) and x.name == "full"):
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
        name = OTHERWISE.get(name, name)
        return f"\\{name}" if name in KNOWN else rf"\operatorname{{{escaped(name)}}}"

    def called(self, s: Symbol) -> tuple[str, list[str]]:
        if s.name == "call":
            return rf"\operatorname{{{escaped(s.inputs[0].name)}}}", [self.text(s.inputs[1])]
        function, words = super().called(s)
        if s.name in WHOLE:
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
        if isinstance(a, np.ndarray) and is_range(a) and len(letters) == 1:
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
    if not isinstance(x, Symbol) or x.kw is None:
        return False
    if x.name in REDUCED:
        return True
    return x.name in ("mul", "matmul", "neg") and open_ended(x.inputs[-1])


def by_size(shape: tuple[int, ...]) -> str:
    return r" \times ".join(map(str, shape)) or "1"


latex = Latex()


def latex_formula(s: Statement) -> str:
    """A statement in a line of text."""
    name, e = latex_name(s.target.name), s.expr
    if named(e, "scatter_add"):
        unique = reads_each_once(e.kw["index"], s.shape)
        value = e.inputs[0]
        value = latex.text(value) if named(value, "full") else part_text(value, latex)
        right = rf"0,\ \text{{{'but' if unique else 'plus'} }} {value}"
    elif named(e, "put"):
        right = rf"{latex.text(e.inputs[0])},\ \text{{but }} {latex.text(e.inputs[1])}"
    else:
        return f"{name} = {latex.text(e)}"
    return rf"{name} = {right} \text{{ at }} [{latex.index_text(e.kw['index'])}]"


def latex_line(s: Statement) -> str:
    """A statement as a line of an aligned block: formula, then shape."""
    return f"{latex_formula(s).replace(' = ', ' &= ', 1)} && {shape_text(s.shape)}"
