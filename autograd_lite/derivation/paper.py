"""A program as a derivation on paper: plain text, LaTeX and Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..names import words
from ..program import Program, Statement, is_leaf, named
from ..simplify import VIEWS
from ..symbol import ATOM, COMPARE, PLUS, POWER, TIMES, UNARY, Symbol, Writer
from .source import NumPy, block, key_of, part_text, shape_text

COLUMNS = 72  # of a formula; longer ones do not move the shapes of the others


class Plain(NumPy):
    """NumPy without its name."""

    prefix = ""


plain = Plain()


@dataclass
class Step:
    """One step backward: the forward statements that it passes through, the last first, and what
    it gives."""

    through: list[Statement]
    gives: list[Statement] = field(default_factory=list)


def steps(program: Program) -> list[Step]:
    """The backward statements, those of one forward statement together."""
    homes = program.homes()
    found: list[Step] = []
    last: Statement | None = None
    told: set[int] = set()
    for s in program.backward:
        through = program.passed(s, homes)
        if not found or not through or through[-1] is not last:
            found.append(Step([]))
        last = through[-1] if through else None
        step = found[-1]
        step.through += [
            t for t in through if id(t) not in told or (t is last and not step.through)
        ]
        told |= set(map(id, through))
        step.gives.append(s)
    return found


def operations(s: Statement) -> str:
    """The names of the operations that a statement comes from, views left out."""
    quiet = ("mT", "reshape", "permute", "expand", "copy", "cast")
    names = [n.op.name for n in s.nodes if n.op is not None]
    return ", ".join([n for n in names if n not in quiet] or names)


def notes(s: Statement, visible: dict[int, Symbol]) -> str:
    """What is worth a word about a statement."""
    said = []
    of = next((visible[id(x)].name for x in s.of if id(x) in visible), "it")
    if s.kind == "sum":
        n = len(s.expr.inputs) if named(s.expr, "total") else 2
        summed = ", each summed over what was broadcast" if s.summed else ""
        said.append(f"{n} paths lead from {of} to the loss: they add up{summed}")
    if s.kind == "hook":
        said.append(f"through the hook {s.expr.inputs[0].name} of {of}")
    if s.summed and s.kind != "sum":
        axes = ", ".join(map(str, s.summed))
        axis = "axis" if len(s.summed) == 1 else "axes"
        said.append(f"summed over {axis} {axes}, along which {of} was broadcast")
    return "; ".join(said)


def lines_of(s: Statement, visible: dict[int, Symbol]) -> list[str]:
    """A statement as plain text."""
    if named(s.expr, "scatter_add") or named(s.expr, "put"):
        return block(s, visible, plain)
    return [f"{s.target.name} = {plain.text(s.expr)}"]


# ---- plain text -----------------------------------------------------------------------------


def as_text(program: Program) -> str:
    """The derivation as lines of text."""
    name = program.loss.name
    out = [f"{name} = {plain.number(round(program.seed.data.item(), 6))}, {program.loss.dtype}"]
    out.append(f"d_ stands for the derivative of {name} by what follows, so d_{name} = 1.")
    out += ["", "Given"]
    given: list[tuple[str, ...]] = []
    for a in program.of_kind("input", "constant", "parameter", "hook"):
        if a.kind != "hook":
            label = words(key_of(a, program))
            kind = "data" if a.kind == "constant" else a.kind
            kind = f"computed by {a.made} before the record" if a.made not in ("", *VIEWS) else kind
            facts = [str(a.symbol.dtype), kind] + [label] * (label != a.symbol.name)
            given.append((a.symbol.name, shape_text(a.symbol.shape), " ".join(facts)))
        else:
            given.append((a.symbol.name, "", "hook, takes a gradient and returns one"))
    out += table(given)
    visible = program.visible()
    if program.forward:
        out += ["", "Forward"]
        out += table([row for s in program.forward for row in rows(s, visible, operations(s))])
    out += ["", "Backward"]
    body: list[tuple[str, ...]] = []
    for step in steps(program):
        for s in step.through:
            body.append((f"through {lines_of(s, visible)[-1]}", "", operations(s)))
        for s in step.gives:
            indent = "  " if step.through else ""
            body += [(indent + text, *more) for text, *more in rows(s, visible, notes(s, visible))]
    out += table(body)
    if program.unused:
        out += ["", f"{name} does not depend on", *(f"  {words(n)}" for n in program.unused)]
    return "\n".join(out)


def rows(s: Statement, visible: dict[int, Symbol], note: str) -> Iterator[tuple[str, ...]]:
    """A statement as rows of a table: formula, shape, note."""
    first, *more = lines_of(s, visible)
    yield first, shape_text(s.shape), note
    for line in more:
        yield line, "", ""


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows with their columns under one another."""
    widths = [max((len(r[i]) for r in rows if len(r[i]) <= COLUMNS), default=0) for i in range(2)]
    return ["  " + f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in rows]


# ---- LaTeX ----------------------------------------------------------------------------------

GREEK = {
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa",
    "lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega",
}  # fmt: skip
LETTERS = {"weight": "W", "bias": "b"}
KNOWN = {"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arctan", "max", "min"}
RELATIONS = {
    "equal": "=", "not_equal": r"\neq", "less": "<", "less_equal": r"\leq", "greater": ">",
    "greater_equal": r"\geq", "bitwise_and": r"\wedge", "bitwise_or": r"\vee",
}  # fmt: skip


def latex_name(name: str) -> str:
    r"""A name in LaTeX.

    >>> latex_name("d_fc1_weight"), latex_name("z2"), latex_name("log_p")
    ('\\mathrm{d}W_{\\mathrm{fc1}}', 'z_{2}', '\\mathit{log\\_p}')
    """
    if name.startswith("d_"):
        return r"\mathrm{d}" + latex_name(name[2:])
    path, _, last = name.rpartition("_")
    if last in LETTERS and path:
        return f"{LETTERS[last]}_{{\\mathrm{{{escaped(path)}}}}}"
    if last in LETTERS:
        return LETTERS[last]
    if found := re.fullmatch(r"([^\W\d_]+)_?(\d+)", name):
        return f"{latex_name(found[1])}_{{{found[2]}}}"
    if name in GREEK:
        return f"\\{name}"
    return name if len(name) == 1 else f"\\mathit{{{escaped(name)}}}"


def escaped(word: str) -> str:
    return word.replace("_", r"\_")


def in_brackets(text: str) -> str:
    """Brackets that are as high as what they hold."""
    tall = any(word in text for word in (r"\frac", r"\sum", r"\max", r"\min", r"\left"))
    return rf"\left({text}\right)" if tall else f"({text})"


class Latex(Writer):
    """Expressions in LaTeX; elementwise products are dots in circles."""

    def written(self, s: Any) -> tuple[str, int]:
        if is_leaf(s):
            return latex_name(s.name), ATOM
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
                return f"{self.bracketed(a, ATOM)}^{{{self.text(b)}}}", POWER
            case "matmul":
                left = self.all_ones(a) or self.bracketed(a, TIMES)
                right = self.all_ones(b) or self.bracketed(b, UNARY)
                return rf"{left}\, {right}", TIMES
            case "mul":
                numbers = not all(isinstance(i, Symbol) and i.ndim for i in (a, b))
                sign = r"\cdot" if numbers else r"\odot"
                right = self.bracketed(b, UNARY)
                right = rf"\left({right}\right)" if right.startswith("-") else right
                return f"{self.bracketed(a, TIMES)} {sign} {right}", TIMES
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

    def operation(self, s: Symbol) -> tuple[str, int]:
        kw: dict[str, Any] = s.kw or {}
        match s.name:
            case "total":
                terms = [self.bracketed(i, PLUS) for i in s.inputs]
                signed = [f"- {t[1:]}" if t.startswith("-") else f"+ {t}" for t in terms[1:]]
                return " ".join([terms[0], *signed]), PLUS
            case "full":
                by = kw["by"]
                value = self.number(kw["n"])
                return (value if by == 1 else rf"\frac{{{value}}}{{{self.number(by)}}}"), ATOM
            case "sum" | "mean" | "max" | "min":
                return self.reduction(s), UNARY
            case "sqrt":
                return rf"\sqrt{{{self.text(s.inputs[0])}}}", ATOM
            case "abs":
                return rf"\left|{self.text(s.inputs[0])}\right|", ATOM
            case "cast" | "copy":
                return self.written(s.inputs[0])
            case "reshape" | "permute":
                how = self.text(next(iter(kw.values())))
                return (
                    rf"\operatorname{{{s.name}}}_{{{how}}}{in_brackets(self.text(s.inputs[0]))}",
                    ATOM,
                )
            case "exp":
                # upright: a value may be called e
                return rf"\mathrm{{e}}^{{{self.text(s.inputs[0])}}}", POWER
        return super().operation(s)

    def reduction(self, s: Symbol) -> str:
        word = {"sum": r"\sum", "mean": r"\operatorname{mean}"}.get(s.name, f"\\{s.name}")
        axis = (s.kw or {}).get("axis")
        under = "" if axis is None else rf"_{{\text{{axis }}{self.text(axis)}}}"
        level = TIMES if s.name == "sum" else POWER
        of = self.bracketed(s.inputs[0], level)
        return f"{word}{under} " + (rf"\left({of}\right)" if of.startswith("-") else of)

    def all_ones(self, x: Any) -> str:
        """A factor of a matrix product whose elements are equal."""
        if not (isinstance(x, Symbol) and x.name == "full"):
            return ""
        number = self.written(x)[0]
        shape = r" \times ".join(map(str, x.shape))
        ones = rf"\mathbf{{1}}_{{{shape}}}"
        return ones if number == "1" else rf"\left({number} \cdot {ones}\right)"

    def call(self, s: Symbol) -> str:
        function, words = self.called(s)
        return function + in_brackets(", ".join(words))

    def transposed(self, x: Any) -> str:
        return self.bracketed(x, ATOM) + r"^{\top}"

    def function(self, name: str) -> str:
        return f"\\{name}" if name in KNOWN else rf"\operatorname{{{escaped(name)}}}"

    def called(self, s: Symbol) -> tuple[str, list[str]]:
        if s.name == "call":
            return rf"\operatorname{{{escaped(s.inputs[0].name)}}}", [self.text(s.inputs[1])]
        return super().called(s)

    def keyword(self, name: str) -> str:
        return rf"\mathrm{{{escaped(name)}}}"

    def quoted(self, word: str) -> str:
        return rf"\text{{{word.replace('->', ' to ')}}}"

    def dtype_text(self, dtype: Any) -> str:
        return rf"\text{{{np.dtype(dtype).name}}}"

    def number(self, x: Any) -> str:
        if isinstance(x, float) and not np.isfinite(x):
            return {"inf": r"\infty", "-inf": r"-\infty"}.get(str(x), r"\mathrm{NaN}")
        mantissa, e, exponent = f"{x:.6g}".partition("e")
        if not e:
            return mantissa
        power = f"10^{{{int(exponent)}}}"
        return {"1": power, "-1": f"-{power}"}.get(mantissa, rf"{mantissa} \cdot {power}")

    def constant(self, x: Any) -> tuple[str, int]:
        if x is ...:
            return r"\ldots", ATOM
        if x is None or isinstance(x, bool | np.bool_):
            return rf"\text{{{x}}}", ATOM
        return super().constant(x)


latex = Latex()


def latex_formula(s: Statement) -> str:
    """A statement in a line of text."""
    return latex_line(s).partition(" && ")[0].replace("&", "")


def latex_line(s: Statement) -> str:
    """A statement as a line of an aligned block: formula, then shape."""
    name, e = latex_name(s.target.name), s.expr
    if named(e, "scatter_add") or named(e, "put"):
        index = latex.index_text(e.kw["index"])
        if e.name == "put":
            right = rf"{latex.text(e.inputs[0])},\ \text{{with }} {latex.text(e.inputs[1])}"
        else:
            right = rf"0,\ \text{{plus }} {part_text(e.inputs[0], latex)}"
        right += rf" \text{{ at }} [{index}]"
    else:
        right = latex.text(e)
    return rf"{name} &= {right} && {shape_text(s.shape)}"


def aligned(statements: list[Statement]) -> str:
    body = " \\\\\n".join(map(latex_line, statements))
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def as_latex(program: Program) -> str:
    """Forward and backward as two aligned blocks, to stand inside of displayed mathematics."""
    blocks = [aligned(part) for part in (program.forward, program.backward) if part]
    if len(blocks) == 1:
        return blocks[0]
    return "\\begin{gathered}\n" + "\n\\\\[2ex]\n".join(blocks) + "\n\\end{gathered}"


def as_markdown(program: Program) -> str:
    """The derivation as Markdown with formulas between dollar signs."""
    name = latex_name(program.loss.name)
    visible = program.visible()
    meaning = f"$\\mathrm{{d}}v$ stands for $\\partial {name} / \\partial v$"
    out = [f"**Derivation.** {meaning}, so $\\mathrm{{d}}{name} = 1$."]
    if program.forward:
        out += ["**Forward**", f"$$\n{aligned(program.forward)}\n$$"]
    out.append("**Backward**")
    for i, step in enumerate(steps(program), 1):
        through = [f"${latex_formula(s)}$ ({operations(s)})" for s in step.through]
        title = "through " + ", then ".join(through) if through else "adding up"
        remarks = [(s.target.name, notes(s, visible)) for s in step.gives]
        text = "".join(f"\n\n   ${latex_name(n)}$: {note}." for n, note in remarks if note)
        block = "\n".join("   " + line for line in aligned(step.gives).splitlines())
        out.append(f"{i}. {title}\n\n   $$\n{block}\n   $$" + text)
    if program.unused:
        out.append(
            "The loss does not depend on "
            + ", ".join(f"`{words(n)}`" for n in program.unused)
            + "."
        )
    return "\n\n".join(out)
