"""The notebooks: scripts in percent format, run cell by cell as Jupyter runs them."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from autograd_lite import Graph
from autograd_lite.comparison import Report
from autograd_lite.derivation import Derivation
from autograd_lite.derivation.check import Check
from nn import Module

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.py"))
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path):
    """(kind, text) of each cell; the text of markdown without its comment signs."""
    head, *parts = re.split(r"^# %%(.*)\n", path.read_text("utf-8"), flags=re.MULTILINE)
    assert "format_name: percent" in head and not ast.parse(head).body
    found = []
    for mark, text in zip(parts[::2], parts[1::2], strict=True):
        kind = "markdown" if mark == " [markdown]" else "code"
        assert kind == "markdown" or not mark
        if kind == "markdown":
            text = re.sub(r"^# ?", "", text, flags=re.MULTILINE)
        found.append((kind, text.strip()))
    return found


def run(path):
    """What each code cell displays: the value of its last line, None where that is no value."""
    names = {"__name__": "__main__"}
    shown = []
    for kind, text in cells(path):
        if kind == "markdown":
            continue
        body = ast.parse(text).body
        last = ast.Expression(body.pop().value) if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), path.name, "exec"), names)  # noqa: S102
        shown.append(last and eval(compile(last, path.name, "eval"), names))
    return names, shown


def test_there_are_four():
    assert [path.stem for path in NOTEBOOKS] == ["build", "compare", "derive", "see"]


@EACH
def test_each_runs_as_a_script(path, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", path],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())


@EACH
def test_each_is_a_tour_with_words_before_what_is_shown(path):
    kinds = [kind for kind, _ in cells(path)]
    assert kinds[0] == "markdown" and cells(path)[0][1].startswith(f"# {path.stem.title()}\n")
    assert kinds.count("markdown") >= 4 and 5 <= kinds.count("code") <= 10
    assert len(path.read_text("utf-8").splitlines()) < 110
    assert all(text for _, text in cells(path))


@EACH
def test_jupyter_reads_the_same_cells(path):
    jupytext = pytest.importorskip("jupytext", reason="needs jupytext")
    notebook = jupytext.read(path)
    assert [(c["cell_type"], c["source"].strip()) for c in notebook["cells"]] == cells(path)
    assert notebook["metadata"]["kernelspec"]["language"] == "python"
    assert json.loads(jupytext.writes(notebook, fmt="ipynb"))["nbformat"] == 4


@EACH
def test_each_ends_with_something_to_try(path):
    kind, text = cells(path)[-1]
    assert kind == "markdown" and text.startswith("## Try\n") and text.count("\n- ") >= 2


@pytest.mark.parametrize(
    ("right", "wrong", "verdicts"),
    [
        ("dz.sum(axis=0)", "dz.mean(axis=0)", {"0.bias": "wrong here"}),
        (
            "2 * (out - t)",
            "(out - t)",
            {"2.bias": "wrong here", "2.weight": "inherited", "0.bias": "inherited"}
            | {"0.weight": "inherited"},
        ),
        ("dout.T @ h", "dout.T @ z", {"2.weight": "wrong here"}),
    ],
)
def test_the_mistakes_to_try_spoil_what_the_text_says(right, wrong, verdicts, tmp_path):
    path = ROOT / "examples/notebooks/compare.py"
    *_, (_, tasks) = cells(path)
    assert f"`{wrong}` in place of `{right}`" in tasks
    text = path.read_text("utf-8").partition("## One mistake")[0]
    spoilt = tmp_path / "compare.py"
    spoilt.write_text(text.replace(right, wrong), encoding="utf-8")
    report = run(spoilt)[0]["right"]
    assert {row.name: row.verdict for row in report.rows if row.verdict != "ok"} == verdicts


def test_gradients_that_are_not_zeroed_add_up(tmp_path):
    text = (ROOT / "examples/notebooks/build.py").read_text("utf-8")
    path = tmp_path / "build.py"
    path.write_text(text.replace("    optimizer.zero_grad()\n", ""), encoding="utf-8")
    assert (
        run(path)[0]["losses"][-1] > 5 * run(ROOT / "examples/notebooks/build.py")[0]["losses"][-1]
    )


def test_build_learns(capsys):
    names, shown = run(ROOT / "examples/notebooks/build.py")
    assert shown[1].item() == 8
    weights, bias = shown[2]
    assert weights.tolist() == [[9.0], [12.0]] and bias.tolist() == [3.0]
    assert any(isinstance(value, Module) for value in shown)
    first, last = shown[4]
    assert last < first / 4
    assert names["accuracy"] >= 0.9 > names["baseline"] + 0.4
    assert f"network {names['accuracy']:.2f}" in capsys.readouterr().out


def test_see_shows_pictures():
    names, shown = run(ROOT / "examples/notebooks/see.py")
    graphs = [value for value in shown if isinstance(value, Graph)]
    assert len(graphs) == 5
    bundles = [graph._repr_mimebundle_() for graph in graphs]
    assert all(bundle["image/svg+xml"].count("<g ") > 5 for bundle in bundles)
    assert "fc1" not in str(graphs[1]) and "0.weight" in str(graphs[1])
    assert "forward" not in str(graphs[2])
    deep = names["deep"]
    deep(names["randn"](16, 8)).sum().backward()
    norms = [float((layer[0].weight.grad ** 2).sum()) ** 0.5 for layer in deep]
    assert norms[0] < norms[-1] / 100, norms  # what the text says


def test_compare_shows_tables_and_names_the_mistakes():
    _, shown = run(ROOT / "examples/notebooks/compare.py")
    reports = [value for value in shown if isinstance(value, Report)]
    right, mask, mean, softmax = reports
    assert right.ok and "<table " in right._repr_html_()
    assert {row.name: row.verdict for row in mask.rows} == {
        "2.bias": "ok", "2.weight": "ok", "0.bias": "wrong here", "0.weight": "inherited",
    }  # fmt: skip
    assert mask.first_wrong.diagnoses and not mean.ok and mean.first_wrong.diagnoses
    assert "diagonal" in softmax.first_wrong.diagnoses[0].sentence
    (graph,) = (value for value in shown if isinstance(value, Graph))
    assert "wrong here" in str(graph)


def test_derive_is_typeset_and_right(capsys):
    _, shown = run(ROOT / "examples/notebooks/derive.py")
    small, network = (value for value in shown if isinstance(value, Derivation))
    assert "$" in small._repr_markdown_() and "\\tanh" in small._repr_markdown_()
    assert "fc1" in network._repr_markdown_()
    assert "def backprop(" in capsys.readouterr().out
    agree = shown[-2]
    assert len(agree) == 4 and all(agree.values())


@pytest.mark.parametrize("name", ["see", "compare", "derive"])
def test_marimo_shows_what_they_show(name):
    """Pictures as SVG, with a PNG in a second tab; reports as tables; every formula typeset."""
    marimo = pytest.importorskip("marimo", reason="needs marimo")
    for value in run(ROOT / "examples" / "notebooks" / f"{name}.py")[1]:
        shown = marimo.as_html(value).text
        if isinstance(value, Graph):
            assert "image/svg+xml" in shown and "data:image/png;base64," in shown
        elif isinstance(value, Report):
            assert "<table " in shown and "<script" not in shown
        elif isinstance(value, Derivation):
            assert shown.count("||[") == value.to_markdown().count("$$") // 2 and "$" not in shown
        elif isinstance(value, Check):
            assert "finite difference" in shown
