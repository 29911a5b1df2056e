"""Formulas as MathML: of what derive writes, and of what would be dangerous."""

import doctest
from xml.etree import ElementTree

import pytest

pytest.importorskip("latex2mathml", reason="needs latex2mathml")
pytest.importorskip("mdit_py_plugins", reason="needs mdit-py-plugins")

import autograd_lite.playground.typeset
import autograd_lite.sandbox.wire
from autograd_lite import derive
from autograd_lite.playground.training import Form, Run
from autograd_lite.playground.typeset import ATTRIBUTES, TAGS, mathml, typeset


@pytest.mark.parametrize("task", ["function", "classes"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_every_formula_of_a_derivation_is_set(task, activation):
    run = Run(Form(task=task, activation=activation, layers=2, units=4, samples=20, epochs=1), 1)
    run.start()
    run.join()
    found = derive(*run.recorded(0))
    page = typeset(found.to_markdown())
    assert 'class="latex"' not in page and "\\" not in page and "$" not in page
    whole = ElementTree.fromstring(f"<div>{page}</div>")
    formulas = [part for part in whole.iter() if part.tag.endswith("}math")]
    assert len(formulas) == found.to_markdown().replace("$$", "$").count("$") // 2
    words = "".join(whole.itertext())
    for name in ("fc1", "fc2", "fc3", "tanh" if activation == "tanh" else "relu", "loss"):
        assert name in words
    for formula in formulas:
        for part in formula.iter():
            assert part.tag.partition("}")[2] in TAGS and set(part.attrib) <= ATTRIBUTES


@pytest.mark.parametrize(
    "latex",
    [
        r"\text{<script>alert(1)</script>}",
        r"\text{<img src='x' onerror='alert(1)'/>}",
        r"\text{<a href='javascript:1'>x</a>}",
        r"\text{</math><b>}",
        r"\text{&}",
        r"\href{javascript:alert(1)}{x}",
        r"\frac{1",
        "}",
    ],
)
def test_what_is_no_formula_is_shown_as_it_stands(latex):
    found = ElementTree.fromstring(mathml(latex))
    assert found.tag == "code" or {p.tag.partition("}")[2] for p in found.iter()} <= TAGS
    if found.tag == "code":
        assert "".join(found.itertext()) == latex and not len(found)
    assert "javascript" not in str([p.attrib for p in found.iter()])


def test_attributes_that_do_something_are_left_out():
    found = mathml("\\text{<mi\nonclick='alert(1)'\nstyle='x'\nmathvariant='bold'>y</mi>}")
    assert 'mathvariant="bold"' in found and "onclick" not in found and "style=" not in found


def test_the_examples_of_the_docstrings_run():
    for module in (autograd_lite.playground.typeset, autograd_lite.sandbox.wire):
        found = doctest.testmod(module)
        assert found.attempted > 0 and found.failed == 0


def test_html_in_markdown_is_no_html():
    page = typeset("<script>alert(1)</script>\n\n[x](javascript:alert(1)) <img src=x>")
    assert "<script" not in page and "<img" not in page and "href" not in page
    assert "&lt;script&gt;" in page


def test_tables_have_cells():
    page = typeset("| name | |\n| --- | --- |\n| $x$ | `x_1` |\n")
    found = ElementTree.fromstring(page)
    assert [len(row) for row in found.iter("tr")] == [2, 2]
    assert [c.text for c in found.iter("code")] == ["x_1"]


def test_words_are_one_name_each():
    found = ElementTree.fromstring(mathml(r"\mathit{log\_p} + W_{\mathrm{fc1}} \mathrm{d}x"))
    names = [(p.text, p.get("mathvariant")) for p in found.iter() if p.tag.endswith("}mi")]
    assert names == [("log_p", "italic"), ("W", "italic"), ("fc1", "normal"), ("x", "italic")]
    assert "d" in [p.text for p in found.iter() if p.tag.endswith("}mtext")]


def test_spaces_are_where_latex_has_them():
    found = ElementTree.fromstring(mathml(r"a = -\log p + \log(p) - \operatorname{mean} x"))
    (row,) = found
    parts = [(p.tag.partition("}")[2], p.text, p.get("form")) for p in row]
    assert parts[2:6] == [
        ("mo", "−", "prefix"), ("mi", "log", None), ("mspace", None, None), ("mi", "p", None),
    ]  # fmt: skip
    assert parts[7:10] == [("mi", "log", None), ("mo", "(", None), ("mi", "p", None)]
    assert parts[11] == ("mo", "−", None)
    assert row[12].get("lspace") == "0" and row[12].text == "mean"


def test_an_aligned_formula_has_a_cell_for_each_part():
    found = ElementTree.fromstring(
        mathml(r"\begin{aligned} a &= b && (3,) \\ c &= d && () \end{aligned}", display=True)
    )
    rows = [p for p in found.iter() if p.tag.endswith("}mtr")]
    assert [len(row) for row in rows] == [4, 4] and found.get("display") == "block"
