"""Names from outside, of tensors, modules and operations, do not break what writes them."""

import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest

import nn
from autograd_lite import Op, compare, derive, randn, tensor
from autograd_lite.graph import draw
from nn.diagnosis import Watch

NASTY = [
    "a\nb", "\x1b[31mred\x1b[0m", "\ud800lone", "x" * 100_000, "</script><script>alert(1)</script>",
    "<!--", "]]>", "-->", "$x_1$", r"\input{/etc/passwd}", r"}\end{aligned}", "{", "%comment", "&amp;",
    "#quot;", '"', "'", "```", "a|b", "end", "click n1 callback", "%%{init: {}}%%", "\x00", "\u202eRTL",
    "🙂", "e\u0301\u0301", "<b>bold</b>", "{{x}}", "{data}", "d_x", "loss", "lambda", "np", "0", "$$",
    "\\", "^", "~", "__", " ", "\t", "\r\n", "\u2028", "\uffff", "[x](javascript:alert(1))",
    "<img src=x onerror=alert(1)>",
]  # fmt: skip
FEW = NASTY[1], NASTY[4], "\t"


def ids(name):
    return ascii(name[:30])


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)


def check_texts(*texts):
    for text in texts:
        text.encode()
        assert "\x1b" not in text and "\x00" not in text


def check_drawing(g):
    check_texts(str(g), g.to_dot(), g.to_mermaid(), g.alt)
    assert all(line.count('"') % 2 == 0 for line in g.to_mermaid().splitlines())


def check_pictures(g):
    check_drawing(g)
    ET.fromstring(g.render("svg"))
    html = g.to_html()
    html.encode()
    assert Tags(html).found.count("script") == 2 and not {"b", "img"} & set(Tags(html).found)


def check_derivation(d):
    latex = d.to_latex()
    check_texts(str(d), latex, d.to_markdown(), d.source())
    assert latex.count(r"\begin") == latex.count(r"\end")
    d.function()(**d.arguments)


def net(name):
    """A module with a part of that name, if it may have it, and its result."""
    model = nn.Module()
    try:
        model.add_module(name, nn.Linear(2, 2))
    except (KeyError, ValueError):
        return None
    layer = model._modules.get(name)
    if layer is None:
        return None
    model.forward = lambda x: layer(x).tanh().sum()
    return model


def results(name):
    """A result with a tensor, with a module, with an operation of that name; and its model."""
    w = tensor([[1.0, 2.0]], requires_grad=True, name=name)
    z = w @ tensor([[3.0], [1.0]], name=name)
    z.name = name
    yield (z * z).sum(), None
    if (model := net(name)) is not None:
        yield model(randn(3, 2)), model
    op = Op(name, lambda x: x * x, lambda g, y, x: g * 2 * x)
    yield op(tensor([1.0, 2.0], requires_grad=True, name="x")).sum(), None


@pytest.mark.parametrize("name", NASTY, ids=ids)
def test_texts(name):
    for loss, model in results(name):
        check_drawing(draw(loss, model))
        check_derivation(derive(loss, model))


@pytest.mark.parametrize(
    "name",
    [*FEW, *(pytest.param(n, marks=pytest.mark.slow) for n in NASTY if n not in FEW)],
    ids=ids,
)
def test_pictures_and_pages(name):
    for loss, model in results(name):
        check_pictures(draw(loss, model))


@pytest.mark.slow
@pytest.mark.parametrize("name", NASTY, ids=ids)
def test_slides_and_folded_modules(name, tmp_path):
    for i, (loss, model) in enumerate(results(name)):
        draw(loss, model).slides(tmp_path / f"drawn{i}")
        derive(loss, model).slides(tmp_path / f"derived{i}")
        if model is not None:
            check_pictures(draw(loss, model, depth=0))


@pytest.mark.parametrize("name", NASTY, ids=ids)
def test_reports_and_trainings(name, tmp_path):
    model = net(name)
    if model is None:
        return
    x = randn(3, 2)
    loss = model(x)
    ones = {n: np.ones(p.shape) for n, p in model.named_parameters()}
    report = compare(loss, ones, model)
    check_texts(str(report))
    check_drawing(draw(loss, model, compare=report))
    watch = Watch(model, lambda y, t: (y - t) ** 2, x, np.float32(0))
    watch(type("History", (), {"rows": [{"epoch": 1, "loss": 1.0}]}))
    check_drawing(draw(loss, model, findings=watch.findings))
    for page in (watch, report):
        page.save(tmp_path / "page.html")
        assert not {"b", "img"} & set(Tags((tmp_path / "page.html").read_text("utf-8")).found)
