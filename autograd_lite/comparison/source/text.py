"""The text of a file or cell with learners' code, its tree, and the statements of one function."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import Any

COMPOUND = (ast.For, ast.While, ast.If, ast.With)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
SCOPES = (ast.Global, ast.Nonlocal, ast.Import, ast.ImportFrom)
Node = Any  # ast has no common type of nodes that have a place in a text


class Text:
    """A file or cell: its text, and where in it a node begins and ends."""

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text = file, text
        self.lines = text.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.tree = ast.parse(text)
        self.owners: dict[int, str] = {}  # the class that a function is defined in
        self.around: dict[int, Node] = {}  # the innermost statement around a node
        self._look(self.tree, "", None)

    def _look(self, node: Node, owner: str, around: Node) -> None:
        for child in ast.iter_child_nodes(node):
            inside = child if isinstance(child, ast.stmt) else around
            self.owners[id(child)], self.around[id(child)] = owner, inside
            self._look(child, child.name if isinstance(child, ast.ClassDef) else owner, inside)

    def offset(self, line: int, column: int) -> int:
        """The place of a character; the columns of nodes count bytes of UTF-8."""
        text = self.lines[line - 1]
        if not text.isascii():
            column = len(text.encode()[:column].decode(errors="replace"))
        return self.starts[line - 1] + column

    def start(self, node: Node) -> int:
        return self.offset(node.lineno, node.col_offset)

    def end(self, node: Node) -> int:
        return self.offset(node.end_lineno, node.end_col_offset)

    def of(self, node: Node) -> str:
        return self.text[self.start(node) : self.end(node)]

    def indent(self, offset: int) -> str:
        line = self.lines[self.line(offset) - 1]
        return line[: len(line) - len(line.lstrip())]

    def line(self, offset: int) -> int:
        return self.text.count("\n", 0, offset) + 1


def text_of(code: CodeType, names: dict[str, Any]) -> Text | None:
    """The text that a function's code was compiled from, as far as it can be had."""
    linecache.checkcache(code.co_filename)  # a file that was edited and loaded again
    lines = linecache.getlines(code.co_filename, names)
    return parsed(code.co_filename, "".join(lines)) if lines else None


@lru_cache(maxsize=16)
def parsed(file: str, text: str) -> Text | None:
    try:
        return Text(file, text.replace("\r\n", "\n").replace("\r", "\n"))
    except (SyntaxError, ValueError, RecursionError):
        return None


def candidates(text: Text, code: CodeType) -> Iterator[Node]:
    """The functions of a text that begin where this code does."""
    for node in ast.walk(text.tree):
        if isinstance(node, ast.Lambda) and code.co_name == "<lambda>":
            if node.lineno == code.co_firstlineno:
                yield node
        elif isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = node.decorator_list[0] if node.decorator_list else node
            if first.lineno == code.co_firstlineno:
                yield node


@dataclass(eq=False)
class Unit:
    """A statement, or the head of a compound one, as it is edited.

    `span` is what is parsed again, between `before` and `after`; `body` is the list that `node` is
    in; `shown` is the span of what may be shown.
    """

    node: Node
    body: list[Node]
    span: tuple[int, int]
    shown: tuple[int, int]
    before: str = ""
    after: str = ""


def units(text: Text, function: Node) -> list[Unit]:
    """The statements of a function, those of functions in it included."""
    found: list[Unit] = []

    def visit(body: list[Node]) -> None:
        for node in body:
            if isinstance(node, COMPOUND):
                found.append(head(text, node, body))
            elif not isinstance(node, (*DEFINITIONS, *SCOPES, ast.Try, ast.Match)):
                span = text.start(node), text.end(node)
                found.append(Unit(node, body, span, span))
            for inner in inner_bodies(node):
                visit(inner)

    visit(function.body)
    return found


def inner_bodies(node: Node) -> Iterator[list[Node]]:
    """The lists of statements inside of one."""
    for name in ("body", "orelse", "finalbody"):
        yield from [inner] if isinstance(inner := getattr(node, name, None), list) else []
    for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        yield part.body


def head(text: Text, node: Node, body: list[Node]) -> Unit:
    """What stands before the body of a compound statement."""
    start, end = text.start(node), text.start(node.body[0])
    written = text.text[start:end].rstrip()
    if written.startswith("elif"):
        start, written = start + 2, written[2:]
    span = start, start + len(written)
    return Unit(node, body, span, span, after="\n pass")


def as_function(text: Text, node: Node) -> tuple[Node, Unit | None]:
    """A function whose body is a list of statements; of a lambda also its one statement."""
    if isinstance(node, ast.FunctionDef):
        return node, None
    back = ast.copy_location(ast.Return(node.body), node.body)
    made: Node = ast.FunctionDef("lambda_", node.args, [back], [])
    made.type_params = []
    ast.copy_location(made, node)
    around = text.around.get(id(node)) or node
    stop = text.end(around) if not hasattr(around, "body") else text.end(node)
    unit = Unit(
        back, made.body, (text.start(node.body), text.end(node.body)),
        (text.start(around), stop), "return (", ")",
    )  # fmt: skip
    return made, unit
