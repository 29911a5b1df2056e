"""The sources keep to their budgets; `python -m tests.structure` prints the figures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import structure
from tests.structure import FILES, ROOT, is_reader, lists, module_of, name_of, source

READERS = [path for path in FILES if is_reader(path)]


# ---- a row knows itself --------------------------------------------------------------------------


def test_no_reader_lists_rows_without_a_reason() -> None:
    found = [(name_of(path), *one) for path in READERS for one in lists(source(path))]
    assert not found, "\n" + "\n".join(f"{name}:{line} {names}" for name, line, names in found)


LISTS = {
    "a set": 'SMOOTH = {"exp", "sin", "tanh"}',
    "a tuple": 'if op.name in ("exp", "sin", "tanh"):\n    pass',
    "keys": 'TEXT = {"exp": 1, "sin": 2, "tanh": 3}',
    "values": 'TEXT = {1: "exp", 2: "sin", 3: "tanh"}',
    "words": 'SMOOTH = set("exp sin tanh".split())',
    "pairs": 'PAIRS = [("exp", 1), ("sin", 2), ("tanh", 3)]',
    "cases": 'match name:\n    case "exp":\n        pass\n    case "sin" | "tanh":\n        pass',
    "arguments": 'rows = chosen("exp", "sin", "tanh")',
    "a type": 'Name = Literal["exp", "sin", "tanh"]',
    "rows in a set": "SMOOTH = {ops.exp, ops.sin, ops.tanh}",
    "rows in a list": "SMOOTH = [ops.exp, ops.sin, ops.tanh]",
    "rows after in": "if e.op in (ops.exp, ops.sin, ops.tanh):\n    pass",
    "rows as keys": "TEXT: dict[Op, str] = {ops.exp: 1, ops.sin: 2, ops.tanh: 3}",
    "rows as values": "TEXT = {1: ops.exp, 2: only(ops.sin, ops.tanh)}",
    "rows as arguments": "if is_op(e, ops.exp, ops.sin, ops.tanh):\n    pass",
    "rows as cases": (
        "match op:\n    case ops.exp:\n        pass\n    case ops.sin | ops.tanh:\n        pass"
    ),
    "rows and names": 'SMOOTH = {ops.exp, "sin", ops.tanh}',
    "a comment for a tool": 'SMOOTH = {"exp", "sin", "tanh"}  # fmt: skip and leave it',
    "a comment that gives no reason": 'SMOOTH = {"exp", "sin", "tanh"}  # smooth',
    "a comment further up": '# these three are smooth\n\nSMOOTH = {"exp", "sin", "tanh"}',
}


@pytest.mark.parametrize("text", LISTS.values(), ids=LISTS)
def test_a_list_without_a_reason_is_found(text: str) -> None:
    (found,) = lists("x = 1\n" + text + "\n")
    assert found[1] == "exp sin tanh"


REASONS = {
    "beside": 'SMOOTH = {"exp", "sin", "tanh"}  # what the lecture draws first',
    "above": '# what the lecture draws first\nSMOOTH = {"exp", "sin", "tanh"}',
    "above, in two lines": '# they are drawn\n# first\nSMOOTH = {"exp", "sin", "tanh"}',
    "inside": 'SMOOTH = {\n    "exp", "sin",\n    # this one is drawn first\n    "tanh",\n}',
    "above rows": "# what the lecture draws first\nSMOOTH = {ops.exp, ops.sin, ops.tanh}",
    "two rows": "if e.op in (ops.exp, ops.sin):\n    pass",
    "what is computed": "y = [ops.exp(x), ops.sin(x), ops.tanh(x)]",
    "what rules compute with": "RULES = {1: lambda x: ops.exp(ops.sin(ops.tanh(x))), 2: ops.sin}",
    "no rows": "NAMES = {ops.nothing, numpy.exp, other.sin, ops.tanh}",
    "two are no list": 'SMOOTH = {"exp", "sin"}',
    "words that are no rows": 'MODES = {"fan_in", "fan_out", "exp", "sin"}',
    "a sentence": 'raise ValueError("give exp, sin or tanh, not " + name)',
    "a docstring": '"""exp sin tanh"""',
}


@pytest.mark.parametrize("text", REASONS.values(), ids=REASONS)
def test_a_list_with_a_reason_passes(text: str) -> None:
    assert lists(text + "\n") == []


def test_names_of_rows_outside_of_rows_are_few() -> None:
    number = {name_of(p): structure.mentions(structure.tree(p)) for p in READERS}
    assert sum(number.values()) < 150, sorted(number.items(), key=lambda one: -one[1])[:10]


def test_rows_are_counted_as_attributes_beside_the_names() -> None:
    text = structure.ast.parse('ops.exp; f(ops.sin, "tanh"); ops.exp(x); ops.nothing; np.exp')
    assert structure.attributes(text) == 3 and structure.mentions(text) == 1


def test_names_are_counted_as_strings_and_in_strings_of_words() -> None:
    text = '"exp"; "exp sin tanh"; "exp is no list"; "exponent"; f(exp="x"); "sum"'
    assert structure.mentions(structure.ast.parse(text)) == 4


# ---- imports -------------------------------------------------------------------------------------


def test_there_is_no_circle_of_imports() -> None:
    assert structure.circles() == []


def test_a_circle_is_found_also_inside_functions_and_types(monkeypatch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    package = tmp_path / "p"
    package.mkdir()
    texts = {
        "__init__": "from .a import one",
        "a": "def one():\n    from .b import two",
        "b": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import a",
        "c": "from .a import one",
    }
    for name, text in texts.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.setattr(structure, "ROOT", tmp_path)
    monkeypatch.setattr(structure, "FILES", sorted(package.glob("*.py")))
    assert structure.circles() == [["p.a", "p.b"]]


def run(code: str) -> None:
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# its classes derive from scikit-learn's, so that it needs that package; see tests/interop
DERIVED = "autograd_lite.interop.sklearn"
MODULES = [module_of(path) for path in FILES if path.name != "__main__.py"]
MODULES = [n for n in MODULES if n != DERIVED and ".playground." not in n]  # a page's own extra


def test_no_function_hides_a_module() -> None:
    """`import autograd_lite.<any module> as m` gives the module."""
    run(
        f"for name in {MODULES}:\n"
        "    exec(f'import {name} as m')\n"
        "    assert type(m).__name__ == 'module' and m.__name__ == name, f'{name} is {m!r}'\n"
    )


def test_every_module_imports_without_the_extras() -> None:
    extras = ["tqdm", "safetensors", "scipy", "matplotlib", "plotly", "flask", "torch", "onnx"]
    extras += ["sklearn"]
    run(
        f"import sys; sys.modules.update(dict.fromkeys({extras}))\n"
        f"from importlib import import_module\nfor name in {MODULES}: import_module(name)"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_every_module_can_be_imported_first(name: str) -> None:
    run(f"import {name}")


# ---- sizes ---------------------------------------------------------------------------------------


def test_functions_are_simple() -> None:
    pytest.importorskip("radon")
    bad = [one for one in structure.complexity() if one[0] > 20]
    assert len(bad) <= 5 and all(number <= 25 for number, _ in bad), bad


def test_the_engine_can_be_read() -> None:
    whole, core = structure.engine()
    # 2,400 without the 38 functions that came when the rules were gathered, of 223 lines; steps,
    # NumPy's functions of plain data, float16 and corners of PyTorch's took 110, hooks on leaves 10,
    # PyTorch's keywords of these functions and the forms in place of all of them 40,
    # what follows changes in place of views 110, keywords of PyTorch's samples 60,
    # warnings at the user's line, the float type of integers, ints beside index arrays 140,
    # matrices as wholes 190, out= and ints as sizes 40, errors of both kinds 20,
    # a gradient of few rows, and adding to them, 50, windows: convolutions, sums and largest
    # elements of them, and the adjoints of all 320, shapes that count, ints that stay ints, one
    # attribute of the user 20, out= of more functions 20, what a fused operation is made of 10, an end of backward for ranks 10,
    # several results under names, without what a NamedTuple takes to define, and shapes of shapes 15,
    # bools that stay bools 10,
    # exits of modes in C code, which Ctrl-C does not skip, 15,
    # casts and views of a leaf that serve every step of a loop 20, PyTorch's words for tensors as
    # keywords and its median 30, numbers of NumPy that are as Python's 10,
    # dtype= of norm, equal_nan= 5, the float type of //, elements that share a median's gradient 6,
    # convolutions in long rows, which take 0.75 to 0.9 of the time, 49
    assert whole <= 4020, f"{whole} lines of code in engine"
    assert core <= 800, f"op, tape, tensor and a file of rules: {core} lines of code"


def test_lines_are_counted_and_lines_of_code(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_text(
        '"""One.\n\nTwo.\n"""\n\nx = 1\n# x\n\ndef f():\n    """Three."""\n    return "four"\n'
    )
    assert structure.lines(path) == 11
    assert structure.code(path) == 3


def test_the_figures_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("radon")
    structure.main()
    told = capsys.readouterr().out
    assert (
        "names of" in told
        and "more as ops.<row>" in told
        and "lines (at most 20,500)" in told
        and "complexity" in told
    )
