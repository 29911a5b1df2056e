"""Imports point one way, downward, as DESIGN lays the modules out; and importing is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from tests.structure import FILES, ROOT, imports, is_module, name_of, tree

# the parts of autograd_lite, lowest first: each may import what is below it
LAYERS = [
    {"engine"},
    {"creation", "origin"},
    {"program"},
    {"calculus", "anomaly", "derivation", "compilation"},
    {"check"},
    {"comparison"},
    {"graph"},
    {"doctor"},
    {"__main__"},
]
HEAVY = {
    "pygraphviz", "graphviz", "graphviz_pure", "matplotlib", "threadpoolctl", "tqdm", "scipy",
    "sklearn", "safetensors", "torch",
}  # fmt: skip
ALLOWED = {*sys.stdlib_module_names, "numpy", "autograd_lite", "nn"}
LEVEL = {part: i for i, parts in enumerate(LAYERS) for part in parts}


def part_of(path: Path) -> str:
    """The name directly inside autograd_lite or nn that a file belongs to."""
    return path.relative_to(ROOT).with_suffix("").parts[1]


def parts(path: Path) -> set[str]:
    """Which parts of autograd_lite a file imports, wherever the imports stand."""
    found = {n.split(".")[1] for n in imports(path) if n.startswith("autograd_lite.")}
    return {name for name in found if is_module(f"autograd_lite.{name}")}


def of(package: str) -> list[Path]:
    return [path for path in FILES if path.is_relative_to(ROOT / package)]


def test_the_reader_of_imports_sees_them() -> None:
    assert parts(ROOT / "autograd_lite/check.py") >= {"calculus", "engine"}
    assert "numpy" in imports(ROOT / "autograd_lite/engine/op.py", top=True)
    doctor = ROOT / "autograd_lite/doctor.py"
    assert not any("graph" in n for n in imports(doctor, top=True))
    assert any(n.startswith("autograd_lite.graph") for n in imports(doctor))


def test_every_part_has_its_place() -> None:
    found = {part_of(path) for path in of("autograd_lite")} - {"__init__"}
    assert found == set(LEVEL), "a new part is given its place in LAYERS"


def test_parts_import_downward() -> None:
    """Also inside functions and for types: what is read knows nothing of its readers."""
    wrong = [
        f"{name_of(path)} imports {part}"
        for path in of("autograd_lite")
        if (own := part_of(path)) != "__init__"
        for part in parts(path)
        if part != own and LEVEL[part] >= LEVEL[own]
    ]
    assert not wrong, wrong


def test_autograd_lite_never_imports_nn_tests_or_examples() -> None:
    for path in of("autograd_lite"):
        assert not {n.split(".")[0] for n in imports(path)} & {"nn", "tests", "examples"}, path


def test_nn_never_imports_tests_or_examples() -> None:
    for path in of("nn"):
        assert not {n.split(".")[0] for n in imports(path)} & {"tests", "examples"}, path


def test_heavy_and_unknown_packages_are_not_imported_at_the_top() -> None:
    for path in FILES:
        assert not {n.split(".")[0] for n in imports(path, top=True)} - ALLOWED, path
        assert {n.split(".")[0] for n in imports(path)} <= ALLOWED | HEAVY, path


def test_nothing_imports_everything_but_the_package_itself() -> None:
    """`from m import *` hides where a name is from; `__init__` re-exports with it."""
    for path in FILES:
        stars = [
            node
            for node in ast.walk(tree(path))
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
        ]
        assert not stars or path.name == "__init__.py", path


def run(code: str, *options: str) -> str:
    command = [sys.executable, "-W", "error", *options, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_is_light() -> None:
    code = f"import sys, autograd_lite, nn; print([m for m in {sorted(HEAVY)} if m in sys.modules])"
    assert run(code) == "[]"


def test_the_engine_works_without_nn() -> None:
    code = "import sys; sys.modules['nn'] = None; import autograd_lite as a; print(a.exp(a.tensor(0.0)).item())"
    assert run(code) == "1.0"


def test_random_numbers_are_not_imported_before_they_are_needed() -> None:
    run(
        "import numpy, sys; before = 'numpy.random' in sys.modules; import autograd_lite, nn; "
        "sys.exit(('numpy.random' in sys.modules) != before)"
    )
