"""A report as it is read: the first sentence, the table, the page, and in pytest."""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_lite import assert_same, check_backward, compare, tensor
from autograd_lite.comparison import Diagnosis, Fix, Report, Row
from autograd_lite.comparison.answers import report as module
from autograd_lite.graph import GraphRenderError, render
from tests.helpers import open_chromium

ROOT = Path(__file__).resolve().parents[2]
EDIT = Fix("net.py", 12, "d = W.T @ d", "d = W.T @ d * a * (1 - a)")


def squares(*factors: float) -> Report:
    """A report on sums of squares, each gradient times a factor."""
    named = [
        (tensor([1.0, 2.0], requires_grad=True, name=f"w{i}"), c) for i, c in enumerate(factors)
    ]
    loss = sum(((w * w).sum() for w, _ in named), start=tensor(0.0))
    return compare(loss, {w.name: 2 * c * w.array for w, c in named})


def said(verdict: str, name: str = "w", **options: Any) -> Row:
    return Row(name, (2,), verdict, **options)


def of(*rows: Row) -> Report:
    return Report(1.0, rows, None)


SIGN, HALF = Diagnosis("sign", "the sign is flipped", True), Diagnosis("half", "a half", False, 1)


# ---- the first line --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([said("ok")], "The gradient agrees with autodiff."),
        ([said("ok")] * 6, "All 6 gradients agree with autodiff."),
        (
            [said("ok"), said("ok, other convention"), said("not handed in")],
            "Both gradients agree with autodiff, 1 in another convention; 1 was not handed in.",
        ),
        ([said("not handed in")] * 2, "Nothing was judged: 2 were not handed in."),
        ([], "Nothing was judged: there are no gradients."),
        (
            [said("wrong here", diagnoses=(SIGN,)), *(said("inherited", n, note="from w") for n in "abcd")],
            "w is wrong: the sign is flipped. Fix w first; a, b and 2 more inherit it.",
        ),
        (
            [said("wrong here", diagnoses=(SIGN, HALF))],
            "w is wrong: either the sign is flipped, or perhaps a half. Fix w first.",
        ),
        (
            [said("wrong here", diagnoses=(SIGN, replace(HALF, explanation=0)))],
            "w is wrong: perhaps the sign is flipped; together with a half. Fix w first.",
        ),
        (
            [said("wrong here", n, diagnoses=(SIGN,)) for n in "abc"] + [said("wrong here", "d")],
            "a is wrong: the sign is flipped; so are b and c. Fix a first; 1 more is wrong too.",
        ),
        (
            [said("wrong here", diagnoses=(SIGN,)), said("inherited", "b", mistake_of="w")],
            "w and b are wrong by one mistake: the sign is flipped. Fix it first.",
        ),
        (
            [said("wrong here", note="norm ratio 4", contrasted=True)],
            "w is wrong, and no known mistake explains it: norm ratio 4. Fix w first.",
        ),
        ([said("wrong here", note="yours has shape (3,)")],
         "w is wrong: yours has shape (3,), where autodiff's is (2,). Fix w first."),
        ([said("wrong here", "relu.backward()", note="raised KeyError: 'x'.")],
         "relu.backward() raised KeyError: 'x'. Fix relu.backward() first."),
    ],
)  # fmt: skip
def test_the_first_line_says_what_to_do(rows: list[Row], sentence: str) -> None:
    report = of(*rows)
    assert report.headline == sentence
    assert str(report).replace("\n", " ").startswith(sentence)


def test_the_same_mistake_twice_is_said_once() -> None:
    row = said("wrong here", diagnoses=(SIGN, SIGN))
    assert row.explanations == ["the sign is flipped"]


def test_the_repr_is_one_short_line_with_the_words_that_matter_first() -> None:
    assert repr(squares(1)) == "<Report: The gradient agrees with autodiff.>"
    assert repr(squares(-1)) == "<Report: w0 is wrong: the sign is flipped. Fix w0 first.>"
    long = repr(of(said("wrong here", diagnoses=(replace(SIGN, sentence="so " * 200),))))
    assert len(long) == 200 and long.startswith("<Report: w is wrong: so so")
    assert long.endswith("...>") and "\n" not in long


# ---- check, and what is true -----------------------------------------------------------------


def test_check_returns_the_report_or_raises_with_all_lines() -> None:
    right = squares(1)
    assert right.check() is right
    for wrong in (squares(1, -1), check_backward(lambda x: x * x, lambda g, x: g * x)):
        with pytest.raises(AssertionError) as caught:
            wrong.check()
        assert str(caught.value) == str(wrong)
    w = tensor(3.0, requires_grad=True, name="w")
    with pytest.raises(AssertionError, match=r"w is wrong: .*\n(.*\n)*w: yours -2"):
        assert_same(w.reshape((1,)) * 2, {"w": [-2.0]})


def test_nothing_judged_is_not_ok() -> None:
    with pytest.raises(AssertionError, match="Nothing was judged"):
        of(said("not handed in")).check()


IN_PYTEST = """
import unittest

import numpy as np, pytest
from autograd_lite import compare, tensor

def made(c=-2.0):
    ws = [tensor(np.ones(2) + i, requires_grad=True, name=f"layer{i}") for i in range(9)]
    loss = sum((w * w).sum() for w in ws)
    return compare(loss, {w.name: (c if w.name == "layer4" else 2.0) * w.array for w in ws})

@pytest.fixture
def fixed():
    return made()

def test_report():
    report = made()
    assert report

def test_ok():
    report = made()
    assert report.ok, "with a message"

def test_call():
    assert made().ok

def test_fixture(fixed):
    assert (fixed.ok
            and True)

def test_attribute():
    class Kept: pass
    kept = Kept()
    kept.report = made()
    assert kept.report.ok

def test_check():
    made().check()

def test_negated():
    assert not made(2.0).ok

def test_something_else():
    report = made()
    assert 1 == 2

def test_right():
    assert made(2.0)

class TestCase(unittest.TestCase):
    def test_unittest(self):
        report = made()
        self.assertTrue(report.ok)
"""


def test_pytest_shows_the_whole_report(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(IN_PYTEST, "utf-8")
    blocked = [f"-pno:{name}" for name in ("cacheprovider", "randomly", "xdist")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "autograd_lite_pytest", *blocked, "--rootdir=.", "test_it.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
    )  # fmt: skip
    assert "9 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    failures = done.stdout.split("short test summary info")[0]  # which has each reason once more
    parts = re.split(r"____ (?:TestCase\.)?test_", failures)[1:]
    shown = {part.split()[0]: part for part in parts}
    first = "layer4 is wrong: the sign is flipped. Fix layer4 first."
    for name in ("report", "ok", "call", "fixture", "attribute", "check", "unittest"):
        for line in (
            first,
            "layer8  (2,)   0.0e+00",
            "layer0  (2,)",
            "layer4: element (0,): yours -1",
        ):
            assert line in shown[name], name
        assert shown[name].count("\nlayer8 ") + shown[name].count("   layer8 ") == 1, name
    assert "All 9 gradients agree with autodiff.\ntensor" in shown["negated"]
    assert "tensor  shape" not in shown["something_else"]


def test_the_plugin_imports_nothing_and_is_declared() -> None:
    code = "import sys, autograd_lite_pytest; sys.exit('autograd_lite' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    name = "autograd_lite_pytest"
    assert declared["project"]["entry-points"]["pytest11"] == {name: name}
    assert declared["tool"]["setuptools"]["py-modules"] == [name]


# ---- the text --------------------------------------------------------------------------------


def test_a_long_table_counts_what_asks_for_nothing() -> None:
    report = squares(*[1] * 150, -1, *[1] * 50)
    lines = str(report).splitlines()
    assert len(lines) < 12 and len(report.rows) == 201
    assert [line.split()[0] for line in lines[2:7]] == ["w200", "...", "w150", "w149", "..."]
    assert lines[3].split() == ["...", "49", "more", "ok"]


def test_no_row_that_is_wrong_is_left_out_of_a_long_table() -> None:
    text = str(of(*(said("wrong here", f"w{i}") for i in range(40))))
    assert all(f"\nw{i} " in text for i in range(40))


@pytest.mark.parametrize(
    ("width", "head"), [(60, "tensor shape rel err"), (100, "tensor shape max")]
)
def test_it_is_as_wide_as_the_terminal(
    monkeypatch: pytest.MonkeyPatch, width: int, head: str
) -> None:
    monkeypatch.setattr(module, "width_of", lambda out: width)
    monkeypatch.setenv("NO_COLOR", "1")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    row = said("wrong here", "n" * 22, diagnoses=(SIGN,))
    replace(of(row), remarks=("word " * 30,)).show(out)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert next(" ".join(x.split()) for x in lines if x.startswith("tensor ")).startswith(head)


def test_the_fix_stands_below_the_first_line() -> None:
    report = replace(squares(-1), fixes=(EDIT,))
    assert str(report).splitlines()[1:3] == [
        "line 12:  d = W.T @ d",
        "      ->  d = W.T @ d * a * (1 - a)",
    ]
    assert report.to_dict()["fixes"] == [
        {
            "file": "net.py",
            "line": 12,
            "old": EDIT.old,
            "new": EDIT.new,
            "more": 0,
            "mistake": "",
            "leaves": [],
        }
    ]
    several = replace(report, fixes=(replace(EDIT, more=3),))
    assert str(several).splitlines()[3] == "          (or 3 more ways to write it)"
    assert "or 3 more ways to write it</pre>" in several.to_html()
    odd = replace(report, fixes=(replace(EDIT, old="s = 'é\\n' + \"\"", new="a\nb"),))
    assert str(odd).splitlines()[1:4] == [
        "line 12:  s = '\\xe9\\n' + \"\"",
        "      ->  a",
        "          b",
    ]


def test_the_dictionary_says_everything_that_the_text_says() -> None:
    report = squares(1, -1)
    told = json.loads(json.dumps(report.to_dict()))
    assert told["headline"] == report.headline
    assert told["rows"][0]["explanations"] == ["the sign is flipped"]
    assert told["rows"][0]["mistake_of"] == ""


# ---- the page --------------------------------------------------------------------------------


class Tags(HTMLParser):
    """Checks that all that is opened is closed, in order."""

    VOID = {"meta", "br", "link", "img"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def drawn() -> bool:
    try:
        render.picture("digraph {a}", "svg", 1, None, 10.0)
    except GraphRenderError:
        return False
    return True


NEEDS_GRAPHVIZ = pytest.mark.skipif(not drawn(), reason="no Graphviz")


def test_the_page_is_whole_and_needs_nothing(tmp_path: Path) -> None:
    report = replace(squares(1, -1), fixes=(replace(EDIT, old="a < b"),), remarks=("<i>",))
    path = report.save(tmp_path / "report.html")
    text = path.read_text("utf-8")
    page = Tags(text)
    assert text.count(report.headline) == 2 and "<i>" not in text
    assert "<del>- a &lt; b</del>" in text
    assert page.addresses == [] and "script" not in page.seen and "url(" not in text
    assert page.seen.count("tr") == 3
    long = replace(report, rows=report.rows + (said("ok"),) * 50)
    assert "+ (without it)" in replace(long, fixes=(replace(EDIT, new=""),)).to_html()
    page = Tags(long.to_html())
    assert page.seen.count("details") == 1 and page.seen.count("tr") == (1 + 2) + (1 + 52)
    fragment = Tags(report._repr_html_())
    assert "html" not in fragment.seen and "table" in fragment.seen


@NEEDS_GRAPHVIZ
def test_the_graph_with_the_verdicts_is_beside_the_table() -> None:
    text = squares(-1).to_html()
    assert '<figure tabindex="0"' in text and text.count("<svg ") == 1
    assert "wrong here" in text[text.index("<svg ") :]
    assert 'class="both beside"' in text
    alone = check_backward(lambda x, w: (x @ w).tanh(), lambda g, x, w: (g @ w.T, x.T @ g))
    figure = alone.to_html().partition("<figure")[2]
    assert "tanh" in figure and "wrong here" in figure


def test_the_table_stands_alone_without_a_tape_or_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    w = tensor([1.0], requires_grad=True, name="w")
    loss = (w * w).sum()
    report = compare(loss, {"w": [2.0]})
    loss.backward()
    page = report.to_html()
    assert "<svg" not in page and "<table" in page and "was released by backward()" in page

    def nothing(*args: Any, **options: Any) -> bytes:
        raise GraphRenderError("no Graphviz")

    monkeypatch.setattr(render, "picture", nothing)
    page = squares(-1).to_html()
    assert "<svg" not in page and "Without the graph: no Graphviz" in page


@NEEDS_GRAPHVIZ
def test_a_notebook_does_not_keep_large_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    report = squares(-1)
    assert "<svg" in report._repr_html_()
    monkeypatch.setattr(module, "NOTEBOOK", 100)
    assert (
        "<svg" not in report._repr_html_()
        and "save(&quot;report.html&quot;)" in report._repr_html_()
    )
    assert "<svg" in report.to_html()


def test_a_copy_holds_no_tape() -> None:
    report = squares(-1)
    for other in (copy.deepcopy(report), pickle.loads(pickle.dumps(report))):
        assert other == report and str(other) == str(report)
        assert report.recorded is not None and other.recorded is None


def test_files_of_other_kinds(tmp_path: Path) -> None:
    report = squares(-1)
    assert json.loads(report.save(tmp_path / "r.json").read_text("utf-8")) == report.to_dict()
    assert report.save(tmp_path / "r.TXT").read_text("utf-8") == f"{report}\n"
    with pytest.raises(ValueError, match=r"'r.pdf' has no known suffix; there are .html"):
        report.save(tmp_path / "r.pdf")


def test_ipython_shows_the_text() -> None:
    class Printer:
        def text(self, text: str) -> None:
            self.said = text

    printer, report = Printer(), squares(-1)
    report._repr_pretty_(printer, False)
    assert printer.said == str(report)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_it_can_be_read_on_a_phone_and_in_the_dark(
    chromium: Any, tmp_path: Path, width: int, dark: bool
) -> None:
    report = replace(squares(1, -1, 1), fixes=(EDIT,))
    tell = chromium.execute_cdp_cmd
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    tell("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    tell("Emulation.setEmulatedMedia", {"features": [scheme]})
    chromium.get(report.save(tmp_path / "report.html").as_uri())
    js = chromium.execute_script
    assert js("return document.documentElement.scrollWidth") <= width  # nothing to push sideways
    small = js("return getComputedStyle(document.querySelector('tbody tr')).display")
    assert (small == "flex") or width == 1280
    ground, ink = (
        js(f"return getComputedStyle(document.querySelector('.gradients')).{what}")
        for what in ("backgroundColor", "color")
    )
    assert (brightness(ground) < brightness(ink)) == dark
    cells = js(
        "return [...document.querySelectorAll('tbody tr *, h1, p, del, ins')].map(e => "
        "[parseFloat(getComputedStyle(e).fontSize), e.getBoundingClientRect().right])"
    )
    assert min(size for size, _ in cells) >= 12
    assert max(right for _, right in cells) <= width


def brightness(colour: str) -> float:
    return float(np.mean([float(x) for x in colour.strip("rgba()").split(",")[:3]]))


@pytest.fixture(scope="module")
def chromium() -> Any:
    driver = open_chromium()
    yield driver
    driver.quit()
