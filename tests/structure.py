"""What the sources look like, in figures: `python -m tests.structure` prints them.

Lines, row names outside of rows, lists of them without a reason, complexity, circles of imports.
`tests/test_structure.py` holds them to their budgets.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from autograd_lite.engine.op import table

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(p for package in ("autograd_lite", "nn") for p in (ROOT / package).rglob("*.py"))
ROWS = set(table) - {"mean", "sum"}  # which are words of PyTorch's options too

Found = list[tuple[int, str]]


def source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(source(path))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


# ---- imports -------------------------------------------------------------------------------------


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


@cache
def imports(path: Path, top: bool = False) -> frozenset[str]:
    """The absolute names that a file imports; with `top`, only what runs when it is imported."""
    return frozenset(imported(path, top))


def imported(path: Path, top: bool) -> Iterator[str]:
    package = module_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]

    def visit(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            if top and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            if top and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            yield child
            yield from visit(child)

    for node in visit(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{name}.{alias.name}"
                yield whole if is_module(whole) else name


def circles() -> list[list[str]]:
    """The groups of modules that import one another, wherever the imports stand.

    That a module needs the packages it is in is no import of its own.
    """
    modules = {module_of(path): path for path in FILES}
    needs = {
        name: {n for n in imports(path) if n in modules and not f"{name}.".startswith(f"{n}.")}
        for name, path in modules.items()
    }
    reached: dict[str, set[str]] = {}
    for name in needs:
        todo, reached[name] = [name], set()
        while todo:
            new = needs[todo.pop()] - reached[name]
            reached[name] |= new
            todo += new
    groups = {frozenset(n for n in reached[m] if m in reached[n]) for m in needs if m in reached[m]}
    return sorted(map(sorted, groups))


# ---- names of rows -------------------------------------------------------------------------------


def is_reader(path: Path) -> bool:
    """Whether names of rows do not belong into a file: rows are not declared there, and learners do
    not choose among them, as on the page of the playground."""
    elsewhere = ("autograd_lite/engine/rules/", "autograd_lite/playground/")
    return not name_of(path).startswith(elsewhere)


def words(node: ast.AST) -> list[str]:
    """The names of rows that a string is, or that it lists."""
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        return []
    every = node.value.split() if len(node.value) < 400 else []
    found = [word for word in every if word in ROWS]
    return found if len(found) >= 0.8 * len(every) else []


def attribute(node: ast.AST) -> str | None:
    """The row that an expression is, as `ops.<row>`."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id == "ops" and node.attr in table else None
    return None


def mentions(tree: ast.AST) -> int:
    """How often rows are named by strings."""
    return sum(len(words(node)) for node in ast.walk(tree))


def attributes(tree: ast.AST) -> int:
    """How often rows are named as `ops.<row>`."""
    return sum(attribute(node) is not None for node in ast.walk(tree))


def members(node: ast.AST) -> Iterator[str]:
    """The rows in a part of a literal; those that a function in it computes with are not listed."""
    if row := attribute(node):
        yield row
    yield from words(node)
    if not isinstance(node, ast.Lambda):
        for child in ast.iter_child_nodes(node):
            if not (isinstance(node, ast.Call) and child is node.func):
                yield from members(child)


def listed(node: ast.AST) -> set[str]:
    """The rows in a literal: a collection, a subscript, a string of words, arguments, a match."""
    if isinstance(node, ast.Match):
        literals: list[ast.AST] = [case.pattern for case in node.cases]
    elif isinstance(node, ast.Call):
        literals = [n for n in node.args if isinstance(n, ast.Constant) or attribute(n)]
    elif isinstance(node, ast.Set | ast.List | ast.Tuple | ast.Dict | ast.Constant):
        literals = [node]
    else:
        return set()
    return {row for one in literals for row in members(one)}


def reasons(text: str) -> set[int]:
    """The lines on which a comment of three words or more ends that is not for a tool."""
    length: dict[int, int] = {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        comment = token.string.lstrip("# ")
        tool = comment.startswith(("fmt:", "type:", "noqa", "ruff:", "pragma"))
        if token.type == tokenize.COMMENT and not tool:
            line = token.start[0]
            length[line] = length.get(line - 1, 0) + len(comment.split())
    return {line for line, number in length.items() if number >= 3}


def lists(text: str) -> Found:
    """Where three rows or more are listed without a comment in, beside or above that says why."""
    commented, found = reasons(text), []

    def visit(node: ast.AST, start: int) -> None:
        start = node.lineno if isinstance(node, ast.stmt) else start
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return  # a docstring
        names = listed(node)
        if len(names) >= 3 and isinstance(node, ast.expr | ast.stmt):
            end = node.lineno if isinstance(node, ast.Match) else node.end_lineno or node.lineno
            if not commented & {start - 1, *range(node.lineno - 1, end + 1)}:
                found.append((node.lineno, " ".join(sorted(names))))
            return
        for child in ast.iter_child_nodes(node):
            visit(child, start)

    visit(ast.parse(text), 0)
    return found


# ---- sizes ---------------------------------------------------------------------------------------


@cache
def complexity() -> list[tuple[int, str]]:
    """Every function with its cyclomatic complexity, as radon counts it, the worst first."""
    from radon.complexity import cc_visit

    return sorted(
        {
            (block.complexity, f"{name_of(path)}:{block.lineno} {block.fullname}")
            for path in FILES
            for block in cc_visit(source(path))
            if block.letter != "C"
        },
        reverse=True,
    )


def lines(*paths: Path) -> int:
    """How many lines files have."""
    return sum(source(path).count("\n") for path in paths)


def code(*paths: Path) -> int:
    """How many lines of code files have: no blank ones, no comments, no docstrings."""
    total = 0
    for path in paths:
        told = {
            line
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        }
        for number, line in enumerate(source(path).splitlines(), 1):
            total += number not in told and bool(line.strip()) and line.strip()[0] != "#"
    return total


def engine() -> tuple[int, int]:
    """Lines of code: the whole engine, and what explains `backward()`.

    That is op, tape, tensor and the longest file of rules.
    """
    folder = ROOT / "autograd_lite/engine"
    rules = max((folder / "rules").glob("*.py"), key=code)
    core = [folder / f"{name}.py" for name in ("op", "tape", "tensor")]
    return code(*folder.rglob("*.py")), code(*core, rules)


def main() -> int:
    readers = [path for path in FILES if is_reader(path)]
    named = {name_of(path): mentions(tree(path)) for path in readers}
    offenders = [(name_of(path), *one) for path in readers for one in lists(source(path))]
    worst, groups = complexity(), circles()
    for name, line, names in offenders:
        print(f"{name}:{line} lists rows without a reason: {names}")
    for name, number in sorted(named.items(), key=lambda one: -one[1])[:8]:
        print(f"{number:5} names of rows in {name}")
    for group in groups:
        print("a circle of imports:", " ".join(group))
    for number, place in worst[:5]:
        print(f"complexity {number}: {place}")
    for package in ("autograd_lite", "nn"):
        print(f"{lines(*(ROOT / package).rglob('*.py')):6} lines in {package}")
    whole, core = engine()
    bad = sum(number > 20 for number, _ in worst)
    print(f"{lines(*FILES)} lines (at most 20,500)")
    print(
        f"{whole} lines of code in engine (3,410); op, tape, tensor and a file of rules {core} (800)"
    )
    print(f"{sum(named.values())} names of {len(ROWS)} rows outside of rows (under 150)")
    by_attribute = sum(attributes(tree(path)) for path in readers)
    print(f"{by_attribute} more as ops.<row> (no bound: the lists among them give a reason)")
    print(f"{len(offenders)} lists of three rows or more without a reason (0)")
    print(
        f"{len(groups)} circles (0); {bad} functions above complexity 20 (5), worst {worst[0][0]} (25)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
