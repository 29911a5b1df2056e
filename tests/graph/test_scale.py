"""What is drawn whatever its size and name and whichever Graphviz is there.

Work is counted in calls of functions, as seconds are those of the machine.
"""

import os
import shutil
import struct
import subprocess
import sys
import tracemalloc
import xml.etree.ElementTree as ET

import pytest

import nn
from autograd_lite import Tensor, manual_seed, randn, tensor, zeros
from autograd_lite.graph import GraphRenderError, draw
from autograd_lite.graph import render as renderers
from autograd_lite.graph.collapse import LIMIT
from tests.helpers import PATIENCE, calls

BACKENDS = [
    pytest.param("dot", marks=pytest.mark.skipif(not shutil.which("dot"), reason="no Graphviz")),
    pytest.param(
        "graphviz-pure",
        marks=pytest.mark.skipif(not renderers.find_pure(), reason="no graphviz-pure"),
    ),
]


@pytest.fixture(autouse=True)
def seeded():
    manual_seed(0)


class RNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.i2h, self.h2h = nn.Linear(3, 4), nn.Linear(4, 4)

    def forward(self, x, h):
        for step in x:
            h = (self.i2h(step) + self.h2h(h)).tanh()
        return (h * h).sum()


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_unrolled_rnn_of_50_steps(backend):
    g = draw(RNN(), (randn(50, 2, 3), zeros(2, 4)), collapse=False)
    assert len([n for n in g.drawing.nodes if n.kind == "op"]) == 50 * 7 + 2
    svg = g.render("svg", backend=backend, timeout=PATIENCE)
    assert len(list(ET.fromstring(svg).iter())) > 3000


def chain(n):
    y = tensor(1.0, requires_grad=True)
    for _ in range(n):
        y = y.sin()
    return y


def ladder(n):
    """Every third operation also takes a value from some steps before."""
    h = [tensor(1.0, requires_grad=True)]
    for i in range(n):
        h.append(h[-1].tanh() if i % 3 else h[-1] * h[max(0, len(h) - 1 - i % 7)])
    return h[-1]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("make", [chain, ladder], ids=["chain", "ladder"])
def test_2000_nodes(make, backend):
    g = draw(make(1998), collapse=False)
    assert len(g.drawing.nodes) == 2000
    svg = g.render("svg", backend=backend, timeout=PATIENCE)
    assert svg.count(b'class="node') == 2000


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_png_of_2000_nodes_is_small_and_of_more_than_can_be_laid_out_an_error(backend):
    image = draw(ladder(1998), collapse=False).render("png", backend=backend)
    assert image[:4] == b"\x89PNG" and len(image) < 3_000_000
    sharp = draw(ladder(30), collapse=False).render("png", backend=backend)
    assert struct.unpack(">I", sharp[16:20])[0] > 800
    large = draw(chain(5500), collapse=False, formulas=False, backend=backend)
    with pytest.raises(GraphRenderError, match=r"Cannot draw 5502 cards as PNG: a picture has at"):
        large.render("png")


@pytest.mark.parametrize("make", [chain, ladder], ids=["chain", "ladder"])
def test_twice_the_nodes_are_twice_the_work(make):
    small, large = (
        calls(lambda y=y: draw(y, collapse=False).to_dot()) for y in (make(500), make(1000))
    )
    assert 1.8 * small < large < 2.2 * small and large < 1200 * 1000


def test_100_000_operations_as_text_and_as_dot():
    y = chain(100_000)
    g = draw(y)
    text, dot = g.to_text(), g.to_dot()
    assert len(g.drawing.nodes) < LIMIT and g.drawing.edges[-1].source == "n2"
    assert "[100000 times]" in text and "100" in dot and len(dot) < 20_000
    whole = draw(y, collapse=False, grads=False, formulas=False)
    assert whole.to_text().count(": sin") == 100_000


def test_the_gradients_of_a_weight_that_is_used_often_are_not_kept_apart():
    w, h = randn(300, 300, requires_grad=True), randn(2, 300)
    for _ in range(40):
        h = (h @ w).tanh()
    loss = h.sum()
    tracemalloc.start()
    draw(loss)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * w.array.nbytes  # 40 parts of it


NAMES = [
    "<b>&amp;\"'</b>", "a\nb\tc\r\n", "é λ 中 \U0001f600", "\\N \\l \\", "#quot; --> ;]%% end",
    "n" * 10_000, "]]> <!-- x -->", "\x00\x1b\ud800\ufffe", " ", "{a|b}", "$x$ `x`",
]  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
def test_labels_of_every_kind(backend, tmp_path):
    total = tensor(0.0)
    for name in NAMES:
        total = total + Tensor([3.0], requires_grad=True, name=name).sum()
    total.name = NAMES[0]
    g = draw(total, backend=backend)
    svg = ET.fromstring(g.render("svg"))
    shown = " ".join(svg.itertext())
    for name in ("<b>&amp;\"'</b>", "é λ 中", "\\N \\l \\", "]]> <!-- x -->", "{a|b}"):
        assert name in shown
    assert g.render("png")[:4] == b"\x89PNG"
    for suffix in ("gv", "mmd", "txt"):
        assert "n" * 61 not in g.save(tmp_path / f"net.{suffix}").read_text(encoding="utf-8")
    lines = g.to_mermaid().splitlines()
    cards = [line for line in lines if line.startswith("  n") and "[" in line]
    assert len(cards) == 3 * len(NAMES) + 1 and all(line.endswith('"]') for line in cards)


@pytest.mark.parametrize("name", [name for name in NAMES if "." not in name])
def test_a_module_may_be_called_anything(name):
    model = nn.Module()
    model.add_module(name, nn.Linear(2, 1))
    g = draw(getattr(model, name)(randn(1, 2)).sum(), model)
    assert [b.what for b in g.drawing.modules.values()] == ["Linear(2, 1)"]
    if renderers.find_pure():
        ET.fromstring(g.render("svg", backend="graphviz-pure"))


# ---- with each Graphviz, and with none

SCRIPT = """
import sys
from autograd_lite import tensor
from autograd_lite.graph import GraphRenderError, draw, render
if sys.argv[1] == "none":
    render.sysconfig.get_path = lambda name: "/nowhere"
    render.find_spec = lambda name: None
x = tensor(3.0, requires_grad=True, name="x")
g = draw(x * x)
assert g.to_dot() and g.to_mermaid() and g.to_text()
try:
    print(next(render.candidates(None), None), g.render("svg")[:5])
except GraphRenderError as error:
    print(error)
print(g._repr_mimebundle_()["text/plain"])
"""


def run(which, path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, which],
        env={k: v for k, v in os.environ.items() if k != "AUTOGRAD_LITE_DOT"} | {"PATH": path},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.skipif(not shutil.which("dot"), reason="no Graphviz")
def test_with_graphviz_on_the_path():
    path = os.path.dirname(shutil.which("dot"))
    lines = run("dot", path)
    assert lines[0].startswith(os.path.join(path, "dot")) and "b'<?xml'" in lines[0]
    assert lines[1] == "<Graph of 3 nodes and 3 edges; print it, or save('net.svg')>"


@pytest.mark.skipif(not renderers.find_pure(), reason="no graphviz-pure")
def test_with_an_empty_path_and_graphviz_pure():
    lines = run("pure", "")
    assert "graphviz-pure" in lines[0] and "b'<?xml'" in lines[0]


def test_with_an_empty_path_and_nothing():
    lines = run("none", "")
    hint = lines[0]
    assert hint.startswith("Cannot draw the graph as SVG: no Graphviz found. Fastest fix")
    assert lines[1] == "Graph of loss" and lines[-1] == hint


def test_y_plus_y_60_times_has_60_nodes_not_2_to_the_60th():
    y = tensor(1.0, requires_grad=True)
    for _ in range(60):
        y = y + y
    assert len(draw(y).drawing.nodes) == 3  # the sum, 60 times
    g = draw(y, collapse=False)
    assert calls(lambda: (g.to_dot(), g.to_text(), g.to_mermaid())) < 200_000
    assert len(g.drawing.edges) == 121 and g.drawing.nodes[0].grad == "grad 1.2e18"
