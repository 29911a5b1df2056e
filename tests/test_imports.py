"""Imports point one way, downward, as DESIGN lays the modules out; and importing is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ENGINE = sorted((ROOT / "autograd_lite").rglob("*.py"))
NN = sorted((ROOT / "nn").rglob("*.py"))
EVERY = pytest.mark.parametrize("path", ENGINE + NN, ids=lambda p: str(p.relative_to(ROOT)))

# which modules of the engine each of its core modules may import while it is itself imported
CORE = {
    "ops": set(),
    "tape": set(),
    "errors": set(),
    "modes": set(),
    "functions": {"ops", "modes"},
    "convert": {"tape"},
    "tensor": {"convert", "functions", "ops", "tape", "modes", "errors"},
    "protocols": {"functions", "ops"},
    "creation": {"convert", "functions", "tensor", "modes"},
    "symbol": {"ops", "functions", "protocols", "tape"},
    "names": set(),
    "origin": {"modes"},
    "program": {"ops", "symbol", "tape"},
    "simplify": {"ops", "program", "symbol"},
}
READERS = {
    "calculus", "check", "symbol", "program", "simplify", "derivation", "compilation", "doctor", "compare",
    "graph", "anomaly",
}  # fmt: skip
HEAVY = {
    "pygraphviz",
    "graphviz",
    "graphviz_pure",
    "matplotlib",
    "threadpoolctl",
    "tqdm",
    "scipy",
    "sklearn",
    "safetensors",
    "torch",
}
ALLOWED = {*sys.stdlib_module_names, "numpy", "autograd_lite", "nn"}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path, top: bool = True) -> Iterator[str]:
    """The absolute names that a file imports; with `top`, only what runs when it is imported."""
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

    for node in visit(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield name
            yield from (
                f"{name}.{alias.name}" for alias in node.names if is_module(name, alias.name)
            )


def is_module(package: str, name: str) -> bool:
    folder = ROOT.joinpath(*package.split("."))
    return (folder / f"{name}.py").exists() or (folder / name / "__init__.py").exists()


def engine_parts(path: Path, top: bool = True) -> set[str]:
    """Which modules directly inside autograd_lite a file imports."""
    found = {n.split(".")[1] for n in imports(path, top) if n.startswith("autograd_lite.")}
    return {name for name in found if is_module("autograd_lite", name)}


def test_the_reader_of_imports_sees_them(tmp_path: Path) -> None:
    assert engine_parts(ROOT / "autograd_lite/protocols.py") == {"functions", "ops"}
    assert "numpy" in set(imports(ROOT / "autograd_lite/ops.py"))
    assert not any("symbol" in n for n in imports(ROOT / "autograd_lite/tape.py"))
    assert "autograd_lite.program.expr" in set(imports(ROOT / "autograd_lite/tape.py", top=False))


@pytest.mark.parametrize("path", ENGINE, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_engine_never_imports_nn(path: Path) -> None:
    assert not {
        n for n in imports(path, top=False) if n.split(".")[0] in ("nn", "tests", "examples")
    }


@pytest.mark.parametrize("path", NN, ids=lambda p: str(p.relative_to(ROOT)))
def test_nn_never_imports_tests_or_examples(path: Path) -> None:
    assert not {n for n in imports(path, top=False) if n.split(".")[0] in ("tests", "examples")}


@pytest.mark.parametrize("name", CORE)
def test_core_modules_import_downward(name: str) -> None:
    path = ROOT / "autograd_lite" / f"{name}.py"
    if path.exists():
        assert engine_parts(path) <= CORE[name]


@pytest.mark.parametrize("name", ["ops", "tape"])
def test_the_table_and_the_tape_import_numpy_only(name: str) -> None:
    """`tape` is duck-typed; it asks `symbol` for the text of a rule only to explain an error."""
    path = ROOT / "autograd_lite" / f"{name}.py"
    outside = {n.split(".")[0] for n in imports(path)} - set(sys.stdlib_module_names)
    assert outside == {"numpy"}
    assert engine_parts(path, top=False) <= {"symbol"}


@pytest.mark.parametrize("path", ENGINE, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_of_the_engine_do_not_import_each_other_in_circles(path: Path) -> None:
    reached, todo = set(), [path]
    while todo:
        for name in engine_parts(todo.pop()):
            if name not in reached:
                reached.add(name)
                for candidate in (
                    ROOT / f"autograd_lite/{name}.py",
                    ROOT / f"autograd_lite/{name}/__init__.py",
                ):
                    if candidate.exists():
                        todo.append(candidate)
    if path.parent.name == "autograd_lite" and path.name != "__init__.py":
        assert path.stem not in reached


@pytest.mark.parametrize(
    "name", ["ops", "tape", "functions", "tensor", "modes", "creation", "protocols", "errors"]
)
def test_the_core_does_not_need_its_readers(name: str) -> None:
    path = ROOT / "autograd_lite" / f"{name}.py"
    if path.exists():
        assert not engine_parts(path) & READERS


@EVERY
def test_heavy_and_unknown_packages_are_not_imported_at_the_top(path: Path) -> None:
    assert not {n.split(".")[0] for n in imports(path)} - ALLOWED
    assert {n.split(".")[0] for n in imports(path, top=False)} <= ALLOWED | HEAVY


@EVERY
def test_nothing_imports_everything_but_the_package_itself(path: Path) -> None:
    """`from m import *` hides where a name is from; `__init__` re-exports with it."""
    stars = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
    ]
    assert not stars or path.name == "__init__.py"


def test_importing_is_light() -> None:
    code = f"import sys, autograd_lite, nn; print([m for m in {sorted(HEAVY)} if m in sys.modules])"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_engine_works_without_nn() -> None:
    code = "import sys; sys.modules['nn'] = None; import autograd_lite as a; print(a.exp(a.tensor(0.0)).item())"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1.0"


def test_random_numbers_are_not_imported_before_they_are_needed() -> None:
    code = (
        "import numpy, sys; before = 'numpy.random' in sys.modules; import autograd_lite, nn; "
        "sys.exit(('numpy.random' in sys.modules) != before)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
