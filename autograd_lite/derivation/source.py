"""A program as a Python function in plain NumPy, laid out as ruff and Black do it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any

import numpy as np

from ..engine.axes import is_basic
from ..engine.rules import ops
from ..engine.rules.convolutions import LOOPS
from ..program.expr import (
    Symbol,
    call,
    full,
    is_leaf,
    is_number,
    is_op,
    leaf,
    parts,
    total,
)
from ..program.laws import LAWS
from ..program.naming import Taken
from ..program.notation import (
    ATOM,
    PLUS,
    POWER,
    TIMES,
    UNARY,
    Writer,
    Written,
    counts_up,
    is_infix,
    is_prefix,
)
from ..program.passes import BLOCKS, operations_shown
from ..program.rewrite import Rewriter
from ..program.trace import Argument, Program, Statement
from .loops import Line, Text, rolled
from .names import local_letter
from .windows import loop

WIDTH = 88
INDENT = " " * 4
BACKWARD = "# backward: d_ stands for the derivative of the loss by what follows"
PLAIN_OPERAND = re.compile(r"-?[\d.]+(e-?\d+)?|\w+(\.\w+)*")


class NumPy(Writer):
    """Expressions as NumPy text."""

    prefix = "np."
    plain_kinds = "ib"
    ordered = ("+", "&", "|")

    def joined(self, a: str, sign: str, b: str) -> str:
        if sign == "**" and PLAIN_OPERAND.fullmatch(a) and PLAIN_OPERAND.fullmatch(b):
            return f"{a}**{b}"
        return f"{a} {sign} {b}"

    def transposed(self, x: Any) -> str:
        return self.bracketed(x, ATOM) + (".T" if x.ndim == 2 else ".mT")

    def function(self, name: str) -> str:
        try:
            attrgetter(name)(np)
        except AttributeError:
            raise RuntimeError(
                f"derive: {name} has no form in NumPy; write its forward function with operators, "
                "methods and functions of NumPy"
            ) from None
        return self.prefix + name

    def quoted(self, word: str) -> str:
        text = repr(word)
        return text if '"' in word else f'"{text[1:-1]}"'

    def dtype_text(self, dtype: Any) -> str:
        name = np.dtype(dtype).name
        return name if name == "bool" else self.prefix + name

    def number(self, x: Any) -> str:
        if isinstance(x, float) and not np.isfinite(x):
            return str(x).replace("inf", f"{self.prefix}inf").replace("nan", f"{self.prefix}nan")
        return repr(x)

    def constant(self, x: Any) -> tuple[str, int]:
        if isinstance(x, np.generic):
            return f"{self.prefix}{x.dtype.name}({self.number(x.item())})", ATOM
        return super().constant(x)

    def dtype_word(self, a: Any) -> str:
        return "" if a.dtype == np.float64 else f", dtype={self.dtype_text(a.dtype)}"

    def terms(self, s: Symbol) -> list[str]:
        """The terms of a sum, each but the first with its sign."""
        signed = []
        stack: list[tuple[Any, bool]] = [(s, True)]
        while stack:
            x, plus = stack.pop()
            if is_op(x, total):
                stack += [(i, plus) for i in reversed(x.inputs)]
            elif is_op(x, ops.add, ops.sub):
                stack += [(x.inputs[1], plus == (x.op is ops.add)), (x.inputs[0], plus)]
            else:
                text = self.bracketed(x, TIMES)
                if text[0] == "-":
                    text, plus = text[1:], not plus
                signed.append(("+ " if plus else "- ") + text)
        first = signed[0].removeprefix("+ ")
        return [first.replace("- ", "-", 1) if first[0] == "-" else first, *signed[1:]]

    def called(self, s: Symbol) -> tuple[str, list[str]]:
        if s.op is ops.erf:
            return "erf", [self.text(s.inputs[0])]
        if s.op is call:
            return s.inputs[0].name, [self.text(s.inputs[1])]
        return super().called(s)

    def full(self, shape: tuple[int, ...], n: float, by: float, dtype: str) -> str:
        end = "" if dtype == "float64" else f", dtype={self.prefix}{dtype}"
        if n == by:
            return f"{self.prefix}ones({self.text(shape)}{end})"
        value = self.number(float(n)) if by == 1 else f"{self.text(n)} / {self.text(by)}"
        return f"{self.prefix}full({self.text(shape)}, {value}{end})"


def minus(w: Any, s: Symbol) -> Written:
    """-(a**b), -a * b; -a of all else."""
    x: Any = s.inputs[0]
    if is_op(x, ops.pow):
        return f"-({w.text(x)})", UNARY
    if is_op(x, ops.mul, ops.div):
        inner = w.text(x)
        return (f"-({inner})", UNARY) if inner[0] == "-" else (f"-{inner}", TIMES)
    return "-" + w.bracketed(x, UNARY), UNARY


def to_the_power(w: Any, s: Symbol) -> Written:
    if not is_number(s.inputs[1]):
        return Writer.infix(w, s)
    return w.joined(w.bracketed(s.inputs[0], ATOM), "**", w.text(s.inputs[1])), POWER


def part(w: Any, s: Symbol) -> Written:
    """The whole array has no index."""
    whole = w.index_text(s.kw["index"]) in ("...", "()")
    return w.written(s.inputs[0]) if whole else Writer.forms[ops.getitem](w, s)


def reduced(w: Any, s: Symbol) -> Written:
    """A method of what has a name."""
    x: Any = s.inputs[0]
    if not is_leaf(x):
        return w.call(s), ATOM
    return f"{x.name}.{s.name}({', '.join(w.called(s)[1][1:])})", ATOM


NumPy.forms = {
    **Writer.forms,
    ops.neg: minus,
    ops.pow: to_the_power,
    total: lambda w, s: (" ".join(w.terms(s)), PLUS),
    full: lambda w, s: (w.full(s.shape, s.kw["n"], s.kw["by"], s.kw["dtype"]), ATOM),
    ops.getitem: part,
    # what a person writes as a method; prod is none, as its axis is always the last
    **dict.fromkeys((ops.sum, ops.mean, ops.max, ops.min), reduced),
}
numpy = NumPy()


def shape_text(shape: tuple[int, ...]) -> str:
    return numpy.text(shape)


# ---- layout ---------------------------------------------------------------------------------


def fits_line(line: str) -> bool:
    return len(line) <= WIDTH


def assigned(target: str, e: Any, write: NumPy = numpy, end: str = "") -> list[str]:
    """`target = e` as one line where it fits, else broken as Black breaks it."""
    text = write.text(e) + end
    line = f"{INDENT}{target} = {text}"
    inside = INDENT * 2 + text
    if fits_line(line):
        return [line]
    if is_op(e, total) or (isinstance(e, Symbol) and e.op and is_infix(e)) or end:
        if fits_line(inside):
            return [f"{INDENT}{target} = (", inside, f"{INDENT})"]
        if is_op(e, total) and not end:
            terms = [INDENT * 2 + term for term in write.terms(e)]
            return [f"{INDENT}{target} = (", *terms, f"{INDENT})"]
    elif is_call(e):
        return call_lines(f"{INDENT}{target} = ", *write.called(e), e, write)
    return [line]


def is_call(e: Any) -> bool:
    """Whether the text of an expression is one call of a function."""
    if not isinstance(e, Symbol) or e.op is None or is_infix(e) or is_prefix(e):
        return False
    form = NumPy.forms.get(e.op)
    return form is None or (form is reduced and not is_leaf(e.inputs[0]))


def call_lines(
    start: str, function: str, words: list[str], e: Symbol, write: NumPy = numpy
) -> list[str]:
    """A call that is too long for one line."""
    inside = INDENT * 2 + ", ".join(words)
    if fits_line(inside):
        return [f"{start}{function}(", inside, f"{INDENT})"]
    lines = [f"{start}{function}("]
    for word in words:
        if fits_line(f"{INDENT * 2}{word},") or word[0] != "[":  # concatenate and stack take a list
            lines.append(f"{INDENT * 2}{word},")
        else:
            items = [f"{INDENT * 3}{write.text(i)}," for i in e.inputs]
            lines += [f"{INDENT * 2}[", *items, f"{INDENT * 2}],"]
    return [*lines, f"{INDENT})"]


def shorten(program: Program, taken: Taken) -> None:
    """Give parts of expressions that are too long for a line a name of their own."""
    r = Rewriter(LAWS)
    out: list[Statement] = []

    def place(s: Statement) -> None:
        while not fit_lines(s):
            inner = [x for x in parts(s.expr) if operations_shown(x) and x.op is not full]
            if not inner:
                break
            part = max(inner, key=lambda x: len(numpy.text(x)))
            local = Statement(leaf(part.value), part, "local", list(s.nodes))
            local.target.name = taken.give(local_letter(part))
            place(local)
            s.expr = r.swapped({id(part): local.target})(s.expr)
        out.append(s)

    for s in program.statements:
        place(s)
    program.statements = out


def fit_lines(s: Statement) -> bool:
    """Whether the lines of a statement are short enough."""
    if not isinstance(s.expr, Symbol) or s.expr.op in BLOCKS:
        return True
    end = ".copy()" if returned_alias(s) else ""
    return all(fits_line(line) for line in assigned(s.target.name, s.expr, end=end))


def returned_alias(s: Statement) -> bool:
    """Whether a gradient to be returned would share memory with another array."""
    if s.argument is None:
        return False
    e = s.expr
    while isinstance(e, Symbol) and e.op is not None and e.op.view and len(e.inputs) == 1:
        e = e.inputs[0]
    return is_leaf(e) or is_op(e, ops.expand)


# ---- the function ---------------------------------------------------------------------------


class Source:
    """The text of a program's function, and which statement every line is from."""

    def __init__(self, program: Program, loops: bool = True) -> None:
        self.program = program
        self.lines: list[str] = []
        self.owner: dict[int, Statement] = {}
        self.visible = program.visible()
        body = list(self.body(loops))
        text = "\n".join(line for lines, _ in body for line in lines)
        self.words = {*re.findall(r"\w+", text), program.loss.name}
        self.head()
        for lines, owner in body:
            self.add(lines, owner)
        self.tail()

    def add(self, lines: Iterable[str], s: Statement | None = None) -> None:
        for line in lines:
            self.lines.append(line)
            if s is not None:
                self.owner[len(self.lines)] = s

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def head(self) -> None:
        program = self.program
        self.add(["import math", ""] * ("erf" in self.words))
        if self.words & {"np", "erf"} or program.quiet:
            self.add(["import numpy as np", "", ""])
        if program.quiet:
            words = ", ".join(f'{kind}="ignore"' for kind in program.quiet)
            self.add([f"@np.errstate({words})"])
        names = signature(program)
        line = f"def backprop({', '.join(names)}):"
        if fits_line(line):
            self.add([line])
        elif fits_line(INDENT + ", ".join(names)):
            self.add(["def backprop(", INDENT + ", ".join(names), "):"])
        else:
            self.add(["def backprop(", *(f"{INDENT}{n}," for n in names), "):"])
        self.add(self.docstring())
        for a in program.of_kind("input", "constant"):
            self.add(with_comment([asserted(a.symbol)], str(a.symbol.dtype)))
        self.take([a for a in program.of_kind("parameter") if a.symbol.name in self.words])
        if "erf" in self.words:
            self.add([f"{INDENT}erf = np.vectorize(math.erf, otypes=[float])"])

    def take(self, parameters: list[Argument]) -> None:
        """The lines that take the parameters out of their dictionary."""
        if parameters:
            self.add([f"{INDENT}try:"])
            for a in parameters:
                key = numpy.quoted(a.key)
                self.add([f"{INDENT * 2}{a.symbol.name} = parameters[{key}]"])
            self.add([f"{INDENT}except KeyError as name:"])
            message = 'f"backprop: parameters has no {name}"'
            self.add([f"{INDENT * 2}raise TypeError({message}) from None"])
        self.add(asserted(a.symbol) for a in parameters)

    def docstring(self) -> list[str]:
        program = self.program
        lines = [f'{INDENT}"""Return the loss and its gradients, by name.']
        hooks = program.of_kind("hook")
        if hooks:
            lines.append("")
        for a in hooks:
            lines.append(
                f"{INDENT}{a.symbol.name}: takes a gradient, returns the one to go on with"
            )
        if program.unused:
            lines += ["", f"{INDENT}The loss does not depend on:"]
            lines += [f"{INDENT}- {in_docstring(name)}" for name in program.unused]
        if len(lines) == 1:
            return [lines[0] + '"""']
        return [*lines, f'{INDENT}"""']

    def tail(self) -> None:
        program = self.program
        self.add([""])
        self.add([f"{INDENT}return {program.loss.name}, {{"])
        for a, s in gradients(program):
            key = numpy.quoted(a.key)
            self.add([f"{INDENT * 2}{key}: {s.target.name},"], s)
        self.add([f"{INDENT}}}"])

    def body(self, loops: bool) -> Iterator[tuple[list[str], Statement | None]]:
        """The lines of the statements, with loops where steps repeat."""
        statements, n = self.program.statements, len(self.program.forward)
        texts = None
        if loops:
            given = {a.symbol.name for a in self.program.arguments}
            shared = {a.symbol.name for a in self.program.of_kind("parameter")}
            texts = rolled([self.line(s) for s in statements], n, given, shared)
        if n:
            yield ["", INDENT + "# forward"], None
        if texts is None:
            texts = [Text([], i, first=i) for i in range(len(statements))]
        backward = [BACKWARD] * (n > 0)
        for text in texts:
            i = text.statement
            if backward and text.first >= n:
                yield ["", INDENT + backward.pop()], None
            if i is None:
                yield [INDENT + line for line in text.lines], None
            elif not text.lines:
                yield self.statement(statements[i]), statements[i]
            else:
                indent = INDENT * (1 + text.inside)
                lines = [x for line in text.lines for x in laid(indent, line)]
                yield with_comment(lines, shape_text(statements[i].shape)), statements[i]
        if backward:
            yield ["", INDENT + BACKWARD], None

    def line(self, s: Statement) -> Line:
        """A statement as loops are made of it: each line as long as it is."""
        visible, e, name = self.visible, s.expr, s.target.name
        if not isinstance(e, Symbol):
            lines = [f"{name} = np.asarray({numpy.text(e)})"]
        elif e.op in BLOCKS:
            lines = block(s, visible, numpy)
        else:
            lines = [f"{name} = {numpy.text(e)}{'.copy()' * returned_alias(s)}"]
        of = next((visible[id(x)].name for x in s.of if id(x) in visible), "")
        terms = numpy.terms(e) if is_op(e, total, ops.add) else []
        terms = [term.removeprefix("+ ") for term in terms]
        kept = s.argument is not None or s.target is self.program.loss
        return Line(name, lines, of, terms, kept)

    def statement(self, s: Statement) -> list[str]:
        """The lines of a statement, with its shape as a comment."""
        name = s.target.name
        if not isinstance(s.expr, Symbol):
            lines = [f"{INDENT}{name} = np.asarray({numpy.text(s.expr)})"]
        elif s.expr.op in BLOCKS:
            lines = [INDENT + line for line in block(s, self.visible, numpy)]
        else:
            lines = assigned(name, s.expr, end=".copy()" if returned_alias(s) else "")
        return with_comment(lines, shape_text(s.shape))


def laid(indent: str, line: str) -> list[str]:
    """A line of a loop, in parentheses where it is too long, and a term a line if it still is."""
    target, _, text = line.partition(" = ")
    if fits_line(indent + line) or not text:
        return [indent + line]
    if fits_line(indent + INDENT + text):
        terms = [text]
    else:
        terms, depth = [""], 0
        for word in re.split(r"( (?=[+-] )|[()\[\]])", text):
            depth += (word in ("(", "[")) - (word in (")", "]"))
            if word == " " and not depth:
                terms.append("")
            else:
                terms[-1] += word
    return [f"{indent}{target} = (", *[indent + INDENT + term for term in terms], f"{indent})"]


def in_docstring(name: str) -> str:
    """Any text so that it stays text inside of three quotes."""
    name = name.encode("utf-8", "backslashreplace").decode()  # Python 3.13 encodes docstrings
    return repr(name)[1:-1].replace('"', r"\"")


def asserted(x: Symbol) -> str:
    """The line that makes sure of a shape; it says as much of another one as there is room for."""
    shape = shape_text(x.shape)
    line = f"{INDENT}assert {x.name}.shape == {shape}"
    for cause in (f", recorded for {shape}", f", not {shape}", ""):
        shown = f'{line}, f"{{{x.name}.shape=}}{cause}"'
        if fits_line(shown):
            return shown
    return line


def with_comment(lines: list[str], comment: str) -> list[str]:
    """The comment behind the first line where it fits, else above it."""
    line = f"{lines[0]}  # {comment}"
    if fits_line(line) and len(lines) == 1:
        return [line]
    if fits_line(line) and not lines[0].endswith("("):
        return [line, *lines[1:]]
    indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    return [f"{indent}# {comment}", *lines]


def block(s: Statement, visible: dict[int, Symbol], write: NumPy) -> list[str]:
    """The lines of an assignment to a part of an array, or of a loop over windows."""
    np = write.prefix
    name, e = s.target.name, s.expr
    if e.op in LOOPS:
        return loop(name, e, write)
    x, index = e.inputs[0], e.kw["index"]
    if e.op is ops.put:
        copy = f"{x.name}.copy()" if is_leaf(x) and x.ndim else f"{np}array({write.text(x)})"
        return [
            f"{name} = {copy}",
            f"{name}[{write.index_text(index)}] = {write.text(e.inputs[1])}",
        ]
    like = next((visible[id(o)] for o in s.of if id(o) in visible), None)
    if like is not None and like.shape == s.shape and like.dtype == e.dtype and like.ndim:
        zeros = f"{np}zeros_like({like.name})"
    else:
        dtype = "" if e.dtype == "float64" else f", dtype={write.dtype_text(e.dtype)}"
        zeros = f"{np}zeros({write.text(s.shape)}{dtype})"
    value = part_text(x, write)
    if reads_each_once(index, s.shape):
        return [f"{name} = {zeros}", f"{name}[{write.index_text(index)}] = {value}"]
    words = write.index_text(index)
    if isinstance(index, tuple):
        words = f"{np}s_[{words}]" if any(isinstance(i, slice) for i in index) else f"({words})"
    return [f"{name} = {zeros}", f"{np}add.at({name}, {words}, {value})"]


def part_text(x: Any, write: Writer) -> str:
    """The text of what is assigned: a constant array is one number there."""
    if is_op(x, full):
        n, by = x.kw["n"], x.kw["by"]
        return write.text(n) if by == 1 else f"{write.text(n)} / {write.text(by)}"
    return write.text(x)


def reads_each_once(index: Any, shape: tuple[int, ...]) -> bool:
    """Whether an index cannot name an element twice: slices, a mask, or one pick of every row."""
    if is_basic(index):
        return True
    if not isinstance(index, tuple):
        return isinstance(index, Symbol | np.ndarray) and index.dtype.kind == "b"
    first = index[0]
    return (
        isinstance(first, np.ndarray)
        and counts_up(first)
        and len(index) == 2
        and getattr(index[1], "shape", None) == first.shape
    )


def signature(program: Program) -> list[str]:
    """The names of what the function takes."""
    names = [a.symbol.name for a in program.of_kind("input", "constant")]
    if program.of_kind("parameter"):
        names.append("parameters")
    return names + [a.symbol.name for a in program.of_kind("hook")]


def gradients(program: Program) -> Iterable[tuple[Any, Statement]]:
    """Every argument that has a gradient, with the statement that completes it."""
    done = {id(s.argument): s for s in program.statements if s.argument is not None}
    return [(a, done[id(a)]) for a in program.arguments if id(a) in done]


def execute(code: Any, names: dict[str, Any]) -> dict[str, Any]:
    """Run compiled lines of a program, which hold its formulas and no foreign text."""
    exec(code, names)  # noqa: S102
    return names
