"""The files and texts that a drawing becomes, and the programs that make pictures of it."""

import os
import re
import stat
import struct
import subprocess
import sys
import sysconfig
import xml.etree.ElementTree as ET
import zlib
from base64 import b64decode
from pathlib import Path

import pytest

from autograd_lite import cat, tensor
from autograd_lite.graph import GraphRenderError, dot, draw
from autograd_lite.graph import render as renderers
from autograd_lite.graph.theme import DARK, LIGHT
from autograd_lite.program.names import span, typeset

PURE = renderers.find_pure()
SCRIPT = """
from autograd_lite import manual_seed, randn, tensor
from autograd_lite.engine import rules as F
from autograd_lite.graph import draw
manual_seed(0)
w = randn(4, 3, requires_grad=True)
y = F.softmax(F.tanh(randn(2, 4) @ w)).sum()
g = draw(y)
print(g.to_dot(), g.to_text(), g.to_mermaid())
import nn
blocks = [nn.Sequential(nn.Linear(3, 3), nn.Tanh()) for _ in range(5)]
model = nn.Sequential(*blocks, nn.BatchNorm1d(3), nn.Linear(3, 1))
loss = nn.MSELoss()(model(randn(4, 3)), randn(4, 1))
g = draw(loss, compare={p: 0 * t.array for p, t in model.named_parameters()})
print(g.to_dot(), g.to_text(), g.to_mermaid())
"""


def picture(**options):
    x = tensor([3.0, 1.0], requires_grad=True, name='<x> & "y" #1')
    return draw((x * x).sum(), **options)


@pytest.fixture
def nothing(monkeypatch, tmp_path):
    """A machine without any Graphviz."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("AUTOGRAD_LITE_DOT", raising=False)
    monkeypatch.setattr(renderers.sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(renderers, "find_spec", lambda name: None)
    return tmp_path


def program(folder, name, text):
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return str(path)


BOTH = pytest.mark.parametrize(
    "backend",
    [
        pytest.param(name, marks=pytest.mark.skipif(not found, reason=f"needs {name}"))
        for name, found in (("dot", renderers.shutil.which("dot")), ("graphviz-pure", PURE))
    ],
)
posix = pytest.mark.skipif(os.name != "posix", reason="stands in for a program with a script")


# ---- texts


def test_importing_autograd_lite_imports_no_graphviz():
    code = "import sys, autograd_lite, autograd_lite.graph; print('graphviz' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_same_computation_gives_the_same_text_in_another_interpreter():
    texts = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1 and "Sequential × 5" in texts.pop().decode()


def test_labels_are_escaped_everywhere():
    g = picture()
    assert "&lt;x&gt; &amp; &quot;y&quot;" in g.to_dot() and "<x>" not in g.to_dot()
    assert "#lt;x#gt; #amp; #quot;y#quot; #35;1" in g.to_mermaid()
    assert '<x> & "y"' in g.to_text()


@pytest.mark.parametrize(
    "name", ["a\nb\x00\x07\ud800", "é中\U0001f600", "\\N\\", "-->;]", "x" * 500]
)
@pytest.mark.skipif(PURE is None, reason="needs graphviz-pure")
def test_any_label_can_be_drawn(name):
    x = tensor([3.0], requires_grad=True, name=name)
    svg = draw(x * 2).render("svg", backend="graphviz-pure")
    ET.fromstring(svg)
    shown = " ".join(ET.fromstring(svg).itertext())
    assert {"é中\U0001f600": "é中\U0001f600", "\\N\\": "\\N\\", "-->;]": "-->;]"}.get(
        name, ""
    ) in shown


def test_dot_text_keeps_to_what_all_renderers_draw_alike():
    source = picture().to_dot()
    assert " size=" not in source and "∇" not in source and "<sub>" not in source
    faces = {part.split('"')[0] for part in source.split('face="')[1:]}
    assert faces == {"Arial", "Courier New"}


def test_digraph_is_a_graphviz_digraph_with_the_same_source():
    import graphviz

    g = picture()
    assert isinstance(g.digraph, graphviz.Digraph)
    assert g.digraph.source == g.to_dot()
    changed = g.digraph
    changed.node("mine")
    assert "mine" in changed.source and "mine" not in g.to_dot()


def test_text():
    x = tensor([3.0, 1.0], requires_grad=True, name="x")
    assert draw((x * x).sum()).to_text().splitlines() == [
        "Graph of loss",
        "loss 10, float32, 2 parameters, 2 operations",
        "",
        "x  (2,)  2 numbers, float32  norm 3.2  grad norm 6.3",
        "u: mul  (2,)",
        "    forward   u = x * x",
        "    backward  d_x += d_u * x",
        "              d_x += d_u * x",
        "    gradient to  |x| 3.2, |x| 3.2",
        "loss: sum  ()  = 10  d_loss = 1",
        "    forward   loss = sum(u)",
        "    backward  d_u = d_loss, for every element",
        "    gradient to  |u| 1.4",
        "loss  = 10  d_loss = 1",
        "    gradient to  loss 1",
    ]


def test_mermaid():
    x = tensor(3.0, requires_grad=True, name="x")
    assert draw(x * x).to_mermaid().splitlines()[:9] == [
        "flowchart TB",
        "  accTitle: Graph of loss",
        f"  accDescr: {draw(x * x).alt}",
        '  n1["x value 3<br/>grad 6"]',
        '  n2["mul 9<br/>loss = x × x<br/>dx += dloss × x<br/>dx += dloss × x"]',
        '  out(["loss 9<br/>dloss = 1"])',
        '  n1 -->|"3"| n2',
        '  n1 -->|"3"| n2',
        '  n2 -->|"1"| out',
    ]
    assert draw(x * x, direction="LR").to_mermaid().startswith("flowchart LR\n")


def test_a_png_says_what_it_shows():
    png = picture().render("png")
    start = png.index(b"iTXt")
    (size,) = struct.unpack(">I", png[start - 4 : start])
    text = png[start + 4 : start + 4 + size]
    (crc,) = struct.unpack(">I", png[start + 4 + size : start + 8 + size])
    assert text.split(b"\0")[0] == b"Description" and crc == zlib.crc32(b"iTXt" + text)
    assert text.decode().endswith('Cards: <x> & "y" #1, mul, sum, loss.')


def test_long_formulas_are_folded():
    lines = dot.wrapped("P = " + " + ".join(["sum(abcdef, shape=(3, 4, 5))"] * 30))
    assert len(lines) == 4 and lines[-1].endswith(" …")
    assert max(map(len, lines)) <= dot.WIDE + 2
    assert "(3,\N{NO-BREAK SPACE}4,\N{NO-BREAK SPACE}5)" in lines[0]
    assert len(dot.wrapped("dA += " + "x" * dot.WIDE)) == 1


# ---- files


@pytest.mark.parametrize(
    ("suffix", "begins"), [("gv", b"digraph"), ("MMD", b"flowchart"), ("txt", b"Graph")]
)
def test_save_texts_needs_no_renderer(nothing, suffix, begins):
    path = picture().save(nothing / f"net.{suffix}")
    assert path == nothing / f"net.{suffix}" and path.read_bytes().startswith(begins)
    assert "<x>" not in path.read_text(encoding="utf-8") or suffix == "txt"


def test_save_names_the_suffixes_it_knows(tmp_path):
    with pytest.raises(
        ValueError, match=r"'net.bmp' has no known suffix; there are .svg .png .pdf .html .gv"
    ):
        picture().save(tmp_path / "net.bmp")
    with pytest.raises(ValueError, match=r"'gif' is no picture; there are svg, png, pdf"):
        picture().render("gif")
    assert list(tmp_path.iterdir()) == []


def test_save_is_whole_or_not_at_all(nothing, monkeypatch):
    path = nothing / "net.svg"
    path.write_text("old")
    with pytest.raises(GraphRenderError):
        picture().save(path)
    assert path.read_text() == "old" and list(nothing.iterdir()) == [path]

    def full(self, target):
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        picture().save(nothing / "net.gv")
    assert list(nothing.iterdir()) == [path]


def test_notebooks_get_the_text_and_a_hint_without_a_renderer(nothing):
    bundle = picture()._repr_mimebundle_()
    assert list(bundle) == ["text/plain"]
    assert "u = x_y_1 * x_y_1" in bundle["text/plain"]
    assert "python -m pip install graphviz-pure" in bundle["text/plain"]


def test_notebooks_get_a_png_beside_the_svg():
    bundle = picture()._repr_mimebundle_()
    assert bundle["image/svg+xml"].lstrip().startswith("<") and "<svg " in bundle["image/svg+xml"]
    assert b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["text/plain"] == repr(picture())


def test_a_path_that_cannot_be_written_is_an_error_that_names_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"save: No such file or directory: '.*net\.gv'"):
        picture().save(tmp_path / "nowhere" / "net.gv")
    (tmp_path / "net.gv").mkdir()
    with pytest.raises(OSError, match=r"save: .*: '.*net\.gv'"):
        picture().save(tmp_path / "net.gv")
    assert [p.name for p in tmp_path.iterdir()] == ["net.gv"]


# ---- pictures


@pytest.mark.skipif(PURE is None, reason="needs graphviz-pure")
def test_graphviz_pure_draws_svg_and_png(tmp_path):
    g = picture(backend="graphviz-pure")
    svg = g.save(tmp_path / "net.svg").read_text(encoding="utf-8")
    root = ET.fromstring(svg)
    assert root.get("style") == "max-width:100%;height:auto"
    shown = " ".join(root.itertext())
    assert "du × x" in shown and '<x> & "y"' in shown
    ids = {element.get("id") for element in root.iter()}
    assert {"n1", "n2", "n3", "out", "e1"} <= ids
    assert {e.get("font-family") for e in root.iter() if e.get("font-family")} == set(
        renderers.FONTS.values()
    )
    assert g.save(tmp_path / "net.png").read_bytes()[:4] == b"\x89PNG"


@BOTH
def test_numbers_are_not_on_their_arrows(backend):
    w = tensor([[3.0, 1.0]], requires_grad=True, name="w")
    x = tensor([[1.0, 2.0]], name="x")
    g = draw((x @ w.mT).sum(), direction="LR", backend=backend)
    (key,) = [node.key for node in g.drawing.nodes if node.title == "w"]
    (number,) = [i for i, e in enumerate(g.drawing.edges, 1) if e.source == key]
    (edge,) = [e for e in ET.fromstring(g.render("svg")).iter() if e.get("id") == f"e{number}"]
    line = [
        float(x) for e in edge.iter() for x in re.findall(r"[MC ](-?[\d.]+),", e.get("d") or "")
    ]
    (text,) = [float(e.get("x")) for e in edge.iter() if e.tag.endswith("text")]
    assert max(line) - min(line) < 5 and max(line) - 2 < text < max(line) + 30  # with a blank


@BOTH
def test_the_svg_shows_the_whole_picture(backend):
    """Graphviz 2 cuts an SVG off if the DOT text has a dpi."""
    svg = picture(backend=backend).render("svg").decode()
    size = re.search(r'width="(\d+)pt" height="(\d+)pt"\s+viewBox="0.00 0.00 (\S+) (\S+)"', svg)
    width, height, seen_width, seen_height = map(float, size.groups())
    assert abs(width - seen_width) <= 1 and abs(height - seen_height) <= 1
    png = picture(backend=backend).render("png")
    assert int.from_bytes(png[16:20], "big") == pytest.approx(width * 112 / 72, rel=0.02)


@pytest.mark.skipif(renderers.shutil.which("dot") is None, reason="needs Graphviz")
def test_graphviz_draws_svg_png_and_pdf(tmp_path):
    g = picture(backend="dot")
    assert "du × x" in " ".join(ET.fromstring(g.render("svg")).itertext())
    assert g.render("png")[:4] == b"\x89PNG"
    assert g.save(tmp_path / "net.pdf").read_bytes()[:4] == b"%PDF"


@pytest.mark.skipif(PURE is None, reason="needs graphviz-pure")
@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_every_view_is_drawn_without_complaint(direction):
    for view in ("both", "forward", "backward"):
        source = picture(view=view, direction=direction).to_dot()
        done = subprocess.run(
            [PURE, "-Kdot", "-Tsvg"], input=source.encode(), capture_output=True, check=True
        )
        # widths of signs outside of ASCII are estimated, and that is said
        said = [
            line for line in done.stderr.decode().splitlines() if "no value for width" not in line
        ]
        assert said == []


# ---- themes


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read_on_its_ground(palette):
    pairs = [(ink, ground) for ink in ("ink", "quiet", "gradient") for ground in ("paper", "card")]
    for family in ("product", "arithmetic", "activation", "reduction", "shape"):
        pairs += [(family, f"{family} ground"), ("gradient", f"{family} ground")]
    for kind in ("parameter", "input", "note", "wrong", "doubt"):
        pairs += [(f"{kind} ink", f"{kind} ground"), ("quiet", f"{kind} ground")]
    pairs += [("result ink", "result ground"), ("result gradient", "result ground")]
    pairs += [("right", "parameter ground"), ("alarm", "card"), ("data", "paper")]
    weak = {pair: contrast(palette[pair[0]], palette[pair[1]]) for pair in pairs}
    assert {pair: round(ratio, 2) for pair, ratio in weak.items() if ratio < 4.5} == {}


def test_palettes_have_the_same_names_and_can_be_told_apart():
    assert list(LIGHT) == list(DARK)
    darks = {}
    for name, light in LIGHT.items():
        assert darks.setdefault(light, DARK[name]) == DARK[name], name


def test_a_theme_changes_the_colours_alone():
    light, dark = picture().to_dot(), picture(theme="dark").to_dot()
    assert DARK["paper"] in dark and LIGHT["paper"] not in dark
    assert re.sub("#[0-9A-F]{6}", "", light) == re.sub("#[0-9A-F]{6}", "", dark)
    assert picture(theme="auto").to_dot() == picture().to_dot()
    assert DARK["parameter ground"] in picture(theme="dark").to_mermaid()


@BOTH
def test_auto_is_a_style_sheet_for_every_colour_in_the_svg(backend):
    g = picture(theme="auto", backend=backend)
    svg = g.render("svg").decode()
    root = ET.fromstring(svg)
    style = root.find("{http://www.w3.org/2000/svg}style").text
    assert style.startswith("@media(prefers-color-scheme:dark){")
    used = {e.get(k) for e in root.iter() for k in ("fill", "stroke") if e.get(k)}
    for colour in used - {"none", "transparent"}:
        assert f'.follows [fill="{colour.lower()}" i]' in style, colour
    plain = picture(backend=backend).render("svg").decode()
    assert svg.replace(f"<style>{style}</style>", "").replace('class="follows" ', "") == plain
    assert g.render("png") == picture(backend=backend).render("png")


# ---- finding a renderer


def test_without_any_the_error_says_how_to_get_one(nothing):
    with pytest.raises(GraphRenderError) as error:
        picture().render("svg")
    assert str(error.value) == (
        "Cannot draw the graph as SVG: no Graphviz found. Fastest fix, no admin rights: python -m "
        "pip install graphviz-pure (SVG and PNG). Or install Graphviz itself (apt install "
        "graphviz, brew install graphviz, winget install graphviz), or point AUTOGRAD_LITE_DOT at "
        "a dot program. Without one, save .gv, .mmd or .txt."
    )


@posix
def test_order_of_renderers(nothing, monkeypatch):
    assert list(renderers.candidates(None)) == []
    monkeypatch.setattr(renderers, "find_spec", lambda name: name)
    scripts, path = nothing / "scripts", nothing / "path"
    scripts.mkdir(), path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setattr(renderers.sysconfig, "get_path", lambda name: str(scripts))
    on_path = program(path, "graphviz-pure", "")
    assert list(renderers.candidates(None)) == [on_path, "pygraphviz"]
    in_scripts = program(scripts, "graphviz-pure", "")
    real = program(path, "dot", "")
    assert list(renderers.candidates(None)) == [real, in_scripts, "pygraphviz"]
    other = program(nothing, "my-dot", "")
    monkeypatch.setenv("AUTOGRAD_LITE_DOT", other)
    assert list(renderers.candidates(None)) == [other]
    assert list(renderers.candidates("graphviz-pure")) == [in_scripts]
    assert list(renderers.candidates("pygraphviz")) == ["pygraphviz"]


def test_a_renderer_that_was_asked_for_and_is_not_there(nothing, monkeypatch):
    for name in ("dot", "graphviz-pure", "pygraphviz", "/no/such/dot"):
        with pytest.raises(GraphRenderError, match=f"backend='{name}' was asked for and is not"):
            picture(backend=name).render("svg")
    monkeypatch.setenv("AUTOGRAD_LITE_DOT", "nowhere")
    with pytest.raises(GraphRenderError, match="AUTOGRAD_LITE_DOT='nowhere' was asked for"):
        picture().render("svg")


def test_pdf_passes_over_graphviz_pure(nothing, monkeypatch):
    monkeypatch.setattr(renderers, "find_pure", lambda: "graphviz-pure")
    with pytest.raises(GraphRenderError, match=r"as PDF: graphviz-pure draws SVG and PNG only\. I"):
        picture().render("pdf")
    monkeypatch.setattr(renderers, "find_spec", lambda name: name)
    monkeypatch.setattr(renderers, "with_pygraphviz", lambda source, format, nodes: b"%PDF")
    assert picture().render("pdf") == b"%PDF"


@posix
def test_a_renderer_that_hangs_fails_or_cannot_run(nothing):
    slow = program(nothing, "slow", "import time; time.sleep(60)")
    with pytest.raises(GraphRenderError) as error:
        picture(backend=slow, timeout=0.2).render("svg")
    assert str(error.value) == (
        "dot gave up after 0.2 s on 4 nodes. Try depth=1, collapse=True or timeout=60."
    )
    bad = program(nothing, "bad", "import sys; sys.exit('syntax error in line 3')")
    with pytest.raises(GraphRenderError, match=r"failed with code 1: syntax error in line 3\. Try"):
        picture().render("svg", backend=bad)
    empty = program(nothing, "empty", "")
    with pytest.raises(GraphRenderError, match="failed with code 0: no message"):
        picture().render("svg", backend=empty)
    broken = nothing / "broken"
    broken.write_bytes(b"\x00\x01")
    broken.chmod(0o755)
    with pytest.raises(GraphRenderError, match=r"broken could not be run \("):
        picture().render("svg", backend=str(broken))


def test_scripts_folder_of_this_interpreter_comes_before_path():
    here = renderers.shutil.which("graphviz-pure", path=sysconfig.get_path("scripts"))
    assert here is None or here == PURE


def test_signs_stand_for_whole_words_and_numbers():
    assert typeset("x ** 2 + x ** 25 + x ** 2.5") == "x² + x ** 25 + x ** 2.5"
    assert typeset("where(s == 0, inf, info)") == "where(s == 0, ∞, info)"


def test_several_gradients_are_told_from_the_smallest_to_the_largest():
    assert span([3.0, -1.0, 2.0]) == "-1 to 3"
    assert span([3.0, 3.0]) == "3"


def test_a_third_card_of_an_operation_is_not_beside_it():
    parts = [tensor([float(i)], requires_grad=True, name=f"p{i}") for i in range(4)]
    beside = [n.beside for n in draw(cat(parts)).drawing.nodes if n.kind == "parameter"]
    assert beside == ["", "", "", ""]
    beside = [n.beside for n in draw(cat(parts[:3])).drawing.nodes if n.kind == "parameter"]
    assert sorted(beside) == ["", "n4", "n4"]


@pytest.mark.skipif(not PURE, reason="needs graphviz-pure")
def test_a_picture_has_an_alternative_text():
    x = tensor(3.0, requires_grad=True, name='<a & "b">\x00\n')
    for theme in ("light", "auto"):
        g = draw(x * 2, theme=theme, backend="graphviz-pure")
        root = ET.fromstring(g.render("svg"))
        assert root.get("role") == "img"
        assert root.get("aria-label") == (
            "Computation graph, Graph of loss: loss 6, float32, 1 parameter, 1 operation. "
            'Cards: <a & "b">, mul, loss.'
        )
