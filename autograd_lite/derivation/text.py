"""A program as a derivation on paper: plain text, LaTeX and Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any

from ..engine.rules import ops
from ..engine.rules.convolutions import LOOPS
from ..program.expr import Symbol, is_leaf, is_op, is_view, total
from ..program.names import words
from ..program.notation import ATOM, TIMES, Writer, Written, is_identity
from ..program.passes import BLOCKS
from ..program.trace import Program, Statement
from .latex import latex_code, latex_formula, latex_line, latex_name
from .names import ERF_SLOPE, root
from .series import IN_TEXT, series
from .source import NumPy, block, shape_text
from .windows import sentence

COLUMNS = 72  # of a formula; longer ones go on below


class Plain(NumPy):
    """NumPy without its name, and with roots as such."""

    prefix = ""

    def array_text(self, a: Any) -> str:
        return f"eye({len(a)})" if is_identity(a) else super().array_text(a)

    def constant(self, x: Any) -> tuple[str, int]:
        if isinstance(x, float) and x == ERF_SLOPE:
            return "2 / sqrt(pi)", TIMES
        if (found := root(x)) is None:
            return super().constant(x)
        text = f"sqrt({found[0]})"
        return (text, ATOM) if found[1] else (f"1 / {text}", TIMES)


def product(w: Any, s: Symbol) -> Written:
    """A product with one over a root is a quotient."""
    for x, y in (s.inputs, s.inputs[::-1]):
        if (found := root(x)) is not None and not found[1]:
            return f"{w.bracketed(y, TIMES)} / sqrt({found[0]})", TIMES
    return Writer.infix(w, s)


Plain.forms = {**NumPy.forms, ops.mul: product}
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
    found = [n.op for n in s.nodes if n.op is not None]
    told = [op for op in found if op.kind != "view" or op is ops.flip]  # which changes an order
    return ", ".join(words(op.name) for op in told or found)


def notes(
    s: Statement, visible: dict[int, Symbol], called: Callable[[str], str] = lambda name: name
) -> str:
    """What is worth a word about a statement; `called` writes a name."""
    said = []
    of = called(next((visible[id(x)].name for x in s.of if id(x) in visible), "it"))
    if s.kind == "sum":
        summed = ", each summed over what was broadcast" if s.summed else ""
        said.append(f"{s.paths} paths lead from {of} to the loss: they add up{summed}")
    if s.kind != "forward" and is_op(s.expr, *LOOPS):
        names = [called(x.name) if is_leaf(x) else plain.text(x) for x in s.expr.inputs]
        said.append(sentence(s.expr.op, names))
    if s.kind == "hook":
        said.append(f"through {called(s.expr.inputs[0].name)}, a hook of {of}")
    if s.summed and s.kind != "sum":
        axes = ", ".join(map(str, s.summed))
        axis = "axis" if len(s.summed) == 1 else "axes"
        said.append(f"summed over {axis} {axes}, along which {of} was broadcast")
    return "; ".join(said)


def argument_rows(
    program: Program, called: Callable[[str], str]
) -> list[tuple[str, str, str, str]]:
    """What the function is given: the name in formulas, the name in code, shape, and what it is."""
    found = []
    for a in program.of_kind("input", "constant", "parameter"):
        kind = "data" if a.kind == "constant" else a.kind
        if a.made is not None and not is_view(a.made) and not a.label:
            kind = f"computed by {a.made.name} before the record"
        facts = f"{a.symbol.dtype} {kind}"
        found.append((called(a.symbol.name), words(a.key), shape_text(a.symbol.shape), facts))
    for a in program.of_kind("hook"):
        what = "hook, takes a gradient and returns one"
        found.append((called(a.symbol.name), a.symbol.name, "", what))
    return found


def lines_of(s: Statement, visible: dict[int, Symbol]) -> list[str]:
    """A statement as plain text."""
    if is_op(s.expr, *BLOCKS):
        return block(s, visible, plain)
    if is_op(s.expr, total):
        found = series([plain.text(x) for x in s.expr.inputs], IN_TEXT)
        if found is not None:
            over = "over t = {}, ..., {}".format(*found.ends)
            return [f"{s.target.name} = sum of {found.term} {over}"]
    return [f"{s.target.name} = {plain.text(s.expr)}"]


def short(s: Statement, visible: dict[int, Symbol]) -> str:
    """A statement on one line; a loop over windows by the name of what it does."""
    loop = is_op(s.expr, *LOOPS)
    return f"{s.target.name} = {Writer().call(s.expr)}" if loop else lines_of(s, visible)[-1]


# ---- plain text -----------------------------------------------------------------------------


def as_text(program: Program) -> str:
    """The derivation as lines of text."""
    name, value = program.loss.name, program.seed.array.item()
    value = round(value, 6) if abs(value) >= 1 else float(f"{value:.6g}")
    out = [f"{name} = {plain.number(value)}, {program.loss.dtype}"]
    out.append(f"d_ stands for the derivative of {name} by what follows, so d_{name} = 1.")
    out += ["", "Given"]
    out += table(
        [
            (symbol, shape, f"{facts} {code}" if code != symbol else facts)
            for symbol, code, shape, facts in argument_rows(program, lambda name: name)
        ]
    )
    visible = program.visible()
    if program.forward:
        out += ["", "Forward"]
        out += table([row for s in program.forward for row in rows(s, visible, operations(s))])
    out += ["", "Backward"]
    body: list[tuple[str, ...]] = []
    for step in steps(program):
        for s in step.through:
            body.append((f"through {short(s, visible)}", "", operations(s)))
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
    """Rows with their columns under one another, long formulas on several lines."""
    broken: list[tuple[str, ...]] = []
    for formula, *more in rows:
        indent = len(formula) - len(formula.lstrip())
        first, *rest = wrap(
            formula,
            COLUMNS,
            subsequent_indent=" " * (indent + 4),
            break_long_words=False,
            break_on_hyphens=False,
        )
        broken += [(first, *more), *((line, "", "") for line in rest)]
    rows = broken
    widths = [max((len(r[i]) for r in rows if len(r[i]) <= COLUMNS), default=0) for i in range(2)]
    return ["  " + f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in rows]


# ---- LaTeX and Markdown ----------------------------------------------------------------------


def aligned(statements: list[Statement]) -> str:
    body = " \\\\\n".join(map(latex_line, statements))
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def as_latex(program: Program) -> str:
    """What is given, forward and backward as three blocks, to stand in displayed mathematics."""
    table = [
        rf"{symbol} & {latex_code(code)} & {shape} & {in_text(facts)}"
        for symbol, code, shape, facts in argument_rows(program, latex_name)
    ]
    rows = " \\\\\n".join(table)
    name = latex_name(program.loss.name)
    blocks = [f"\\begin{{array}}{{llll}}\n{rows}\n\\end{{array}}"]
    if program.forward:
        blocks.append(aligned(program.forward))
    blocks.append(rf"\mathrm{{d}}v = \partial {name} / \partial v,\quad \mathrm{{d}}{name} = 1")
    blocks.append(aligned(program.backward))
    return "\\begin{gathered}\n" + "\n\\\\[2ex]\n".join(blocks) + "\n\\end{gathered}"


def as_markdown(program: Program) -> str:
    """The derivation as Markdown with formulas between dollar signs."""
    name = latex_name(program.loss.name)
    visible = program.visible()
    meaning = f"$\\mathrm{{d}}v$ stands for $\\partial {name} / \\partial v$"
    out = [f"**Derivation.** {meaning}, so $\\mathrm{{d}}{name} = 1$.", "**Given**"]
    table = ["| symbol | name | shape | |", "| --- | --- | --- | --- |"]
    for symbol, code, shape, facts in argument_rows(program, latex_name):
        code = code.replace("|", r"\|").replace("`", "'")
        table.append(f"| ${symbol}$ | `{code}` | {shape} | {facts} |")
    out.append("\n".join(table))
    if program.forward:
        out += ["**Forward**", f"$$\n{aligned(program.forward)}\n$$"]
    out.append("**Backward**")
    for i, step in enumerate(steps(program), 1):
        through = [f"${latex_formula(s)}$ ({operations(s)})" for s in step.through]
        title = "through " + ", then ".join(through) if through else "adding up"
        remarks = [(s.target.name, notes(s, visible, in_dollars)) for s in step.gives]
        # no list: what is indented is no formula to some notebooks, or code from the hundredth on
        out += [f"**{i}.** {title}", f"$$\n{aligned(step.gives)}\n$$"]
        out += [f"{in_dollars(n)}: {note}." for n, note in remarks if note]
    if program.unused:
        out.append(
            "The loss does not depend on "
            + ", ".join(f"`{words(n)}`" for n in program.unused)
            + "."
        )
    return "\n\n".join(out)


def in_text(sentence: str) -> str:
    """A sentence in LaTeX's text mode, its underscores outside: not every renderer knows them."""
    return rf"\text{{{sentence}}}".replace("_", r"}\_\text{")


def in_dollars(name: str) -> str:
    return f"${latex_name(name)}$"
