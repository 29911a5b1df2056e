"""The gallery: every net in every format and theme, looked at by a browser and by measure."""

import re
import struct
import warnings
import xml.etree.ElementTree as ET

import pytest

from autograd_lite.graph import render as renderers
from autograd_lite.graph.theme import DARK, LIGHT
from tests.graph import gallery
from tests.helpers import open_chromium

# Faults of a picture in a browser, which has the fonts: text at the border of its card or on other
# text, cards on cards, arrows through cards, numbers of arrows on cards, and letters too small.
FAULTS = r"""
const faults = [];
const box = (e) => { const b = e.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; };
const inside = (a, b, by) => a[0] >= b[0] - by && a[1] >= b[1] - by && a[2] <= b[2] + by && a[3] <= b[3] + by;
const overlap = (a, b, by) => a[0] < b[2] - by && b[0] < a[2] - by && a[1] < b[3] - by && b[1] < a[3] - by;
const letters = (text) => { // without blanks at the end, and the room above and below
  const [left, top, right, bottom] = box(text), n = text.textContent.trimEnd().length;
  const end = text.getEndPositionOfChar(n - 1).matrixTransform(text.getScreenCTM()).x;
  const room = (bottom - top) / 5;
  return [left, top + room, Math.min(end, right), bottom - room];
};
const nodes = [...document.querySelectorAll(".node")];
const scale = document.querySelector("svg").getBoundingClientRect().width
  / document.querySelector("svg").viewBox.baseVal.width;
const cards = nodes.map((node) => {
  const frames = [...node.querySelectorAll("path, polygon")].map(box);
  return [node, frames.reduce((a, b) => (a[2] - a[0]) * (a[3] - a[1]) >= (b[2] - b[0]) * (b[3] - b[1]) ? a : b)];
});
for (const [node, frame] of cards) {
  const texts = [...node.querySelectorAll("text")].filter((text) => text.textContent.trim());
  for (const text of texts)
    if (!inside(letters(text), frame, -3.5 * scale)) faults.push(`at its card's border: ${text.textContent}`);
  texts.forEach((one, i) => texts.slice(i + 1).forEach((other) => {
    if (overlap(box(one), box(other), 2)) faults.push(`on one another: ${one.textContent} / ${other.textContent}`);
  }));
}
cards.forEach(([one, a], i) => cards.slice(i + 1).forEach(([other, b]) => {
  if (overlap(a, b, 1)) faults.push(`cards on one another: ${one.id} ${other.id}`);
}));
for (const edge of document.querySelectorAll(".edge")) {
  for (const text of edge.querySelectorAll("text"))
    for (const [node, frame] of cards)
      if (overlap(box(text), frame, 2)) faults.push(`number on a card: ${text.textContent} ${node.id}`);
  const ends = edge.querySelector("title").textContent.split("->");
  const path = edge.querySelector("path");
  if (!path) continue;
  const to = path.getScreenCTM(), n = 60, length = path.getTotalLength();
  const hit = new Set();
  for (let i = 0; i <= n; i++) {
    const p = path.getPointAtLength((length * i) / n).matrixTransform(to);
    for (const [node, f] of cards) {
      const own = ends.includes(node.querySelector("title").textContent);
      if (!own && p.x > f[0] + 3 && p.x < f[2] - 3 && p.y > f[1] + 3 && p.y < f[3] - 3) hit.add(node.id);
    }
  }
  for (const id of hit) faults.push(`arrow ${ends} through ${id}`);
}
for (const text of document.querySelectorAll("text"))
  if (parseFloat(text.getAttribute("font-size")) < 10) faults.push(`small: ${text.textContent}`);
return [nodes.length, faults];
"""


FEW = ("untracked", "mlp", "attention", "transformer", "rnn", "wrong_gradient")
ALL = [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in gallery.NETS]


@pytest.fixture(scope="module")
def chromium():
    driver = open_chromium()
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def drawn():
    """Every graph once."""
    known = {}

    def get(name):
        if name not in known:
            known[name] = gallery.drawn(name)
        return known[name]

    return get


def test_there_are_at_least_25():
    assert len(gallery.NETS) >= 25


@pytest.mark.parametrize("name", ALL)
def test_no_text_card_or_arrow_is_where_another_is(name, drawn, chromium, tmp_path):
    page = drawn(name).save(tmp_path / "net.svg")
    chromium.get(page.as_uri())
    nodes, faults = chromium.execute_script(FAULTS)
    assert nodes == len(drawn(name).drawing.nodes) and faults == []


@pytest.mark.filterwarnings("ignore:At 1,")
@pytest.mark.parametrize("aspect", ["16:9", "A4"])
@pytest.mark.parametrize("name", ALL)
def test_nor_on_a_page_of_a_shape(name, aspect, drawn, chromium, tmp_path):
    g = gallery.changed(drawn(name), aspect=aspect)
    chromium.get(g.save(tmp_path / "net.svg").as_uri())
    gallery.changed(g, aspect=None)
    nodes, faults = chromium.execute_script(FAULTS)
    assert nodes >= len(g.drawing.nodes) and faults == []


PIXELS = {  # of the PNG, at most: width and height
    "transformer": (1600, 2400), "encoder": (1600, 2400), "gpt": (1600, 2400), "resnet": (1600, 2400),
    "lstm": (1600, 2400), "lstm_layer": (1600, 2400), "rnn": (2800, 2400), "deep": (1600, 2400),
}  # fmt: skip


@pytest.mark.parametrize("name", PIXELS)
def test_large_nets_fit_a_page(name, drawn):
    image = drawn(name).render("png")
    width, height = struct.unpack(">II", image[16:24])
    assert width <= PIXELS[name][0] and height <= PIXELS[name][1]
    assert len(image) < 600_000
    if name in ("transformer", "encoder"):  # legible on a screen of 1,080 lines: 7 px at the least
        smallest = min(map(float, re.findall(r'point-size="([\d.]+)"', drawn(name).to_dot())))
        assert smallest * 112 / 72 * min(1, 1080 / height) >= 6.4


@pytest.mark.parametrize("name", ALL)
def test_every_format_and_theme_is_whole(name, drawn, tmp_path):
    g = drawn(name)
    formats = [f for f in gallery.FORMATS if f not in (*gallery.PAGES, "slides", "tex")]
    formats = [f for f in formats if f != "pdf" or renderers.shutil.which("dot")]
    for theme in ("light", "dark", "auto"):
        gallery.changed(g, theme=theme)
        for suffix in formats if theme == "light" else ("svg", "png", "gv"):
            content = g.save(tmp_path / f"net.{suffix}").read_bytes()
            if suffix == "svg":
                svg = ET.fromstring(content)
                assert len(content) < 400_000 and svg.get("viewBox")
            elif suffix == "html":
                assert len(content) < 1_200_000
            else:
                assert len(content) > 100
        ground = (DARK if theme == "dark" else LIGHT)["paper"]
        assert f'bgcolor="{ground}"' in g.to_dot()
    gallery.changed(g, theme="light")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:At 1,920")
@pytest.mark.parametrize(
    ("name", "theme"), [(name, theme) for name in gallery.NETS for theme in ("light", "dark")]
)
def test_slides_are_of_one_size_in_every_theme(name, theme, drawn, chromium, tmp_path):
    g = gallery.changed(drawn(name), theme=theme)
    files = gallery.save(g, name, theme, "slides", tmp_path)
    gallery.changed(g, theme="light")
    images = [f.read_bytes() for f in files if f.suffix == ".png"]
    (size,) = {struct.unpack(">II", image[16:24]) for image in images}
    assert size == (1920, 1080) and max(map(len, images)) < 600_000
    pictures = [f for f in files if f.suffix == ".svg"]
    for page in (pictures[0], pictures[len(pictures) // 3], pictures[-1]):
        chromium.get(page.as_uri())
        assert chromium.execute_script(FAULTS)[1] == []


@pytest.mark.parametrize("name", ["slices", "wrong_gradient"])
def test_the_command_writes_them(name, tmp_path, monkeypatch, capsys):
    kinds = ["svg", "txt", "wide", "tex"]
    command = ["gallery", str(tmp_path), "--nets", name, "--themes", "auto", "--formats", *kinds]
    monkeypatch.setattr("sys.argv", command)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gallery.main()
    said = capsys.readouterr().out
    assert all(f"{kind} " in said for kind in kinds)
    files = {f.name for f in tmp_path.iterdir()}
    assert files == {f"{name}_auto.svg", f"{name}_auto.txt", f"{name}_auto_wide.png", f"{name}_tex"}
    assert (tmp_path / f"{name}_tex" / "slides.tex").exists()


SAME = ["slices", "wrong_gradient"]
SAME += [pytest.param(name, marks=pytest.mark.slow) for name in gallery.NETS if name not in SAME]


@pytest.mark.parametrize("name", SAME)
def test_it_is_the_same_every_time_every_time(name, drawn):
    again = gallery.drawn(name)
    assert again.to_dot() == drawn(name).to_dot()
    assert again.to_html() == drawn(name).to_html()
    first, second = (gallery.changed(g, aspect="16:9").to_dot() for g in (again, drawn(name)))
    gallery.changed(drawn(name), aspect=None)
    assert first == second


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_letters_stand_out_from_their_ground(palette):
    families = ("product", "arithmetic", "activation", "reduction", "shape", "untracked")
    pairs = [(f, f"{f} ground") for f in families]
    pairs += [("ink", "card"), ("gradient", "card"), ("quiet", "card"), ("quiet", "module ground")]
    pairs += [
        ("parameter ink", "parameter ground"),
        ("input ink", "input ground"),
        ("ink", "paper"),
    ]
    pairs += [("gradient", "paper"), ("wrong ink", "wrong ground"), ("doubt ink", "doubt ground")]
    for ink, ground in pairs:
        low, high = sorted((luminance(palette[ink]), luminance(palette[ground])))
        least = 3 if ink in ("shape", "untracked", *families) else 4.5  # titles: large and bold
        assert (high + 0.05) / (low + 0.05) >= least, (ink, ground)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_lines_stand_out_and_differ_by_more_than_their_colour(palette):
    for line in ("data", "gradient", "pale data", "pale gradient", "faint", "alarm"):
        for ground in ("paper", "module ground"):
            low, high = sorted((luminance(palette[line]), luminance(palette[ground])))
            assert (high + 0.05) / (low + 0.05) >= 3, (line, ground)


def test_every_kind_of_line_has_its_own_stroke(drawn):
    kinds = {}
    for name in ("vanishing", "nan", "untracked"):
        for style in re.findall(r"-> \w+ (\[.*class=.*\])", drawn(name).to_dot()):
            kind = re.search(r'class="([^"]*)"', style)[1]
            dash = re.search(r'style="(\w+)"', style)
            kinds.setdefault(kind, set()).add(dash[1] if dash else "solid")
    assert kinds["untracked"] == {"dashed"} and kinds["tracked vanishing"] == {"dotted"}
    assert kinds["tracked"] == kinds["tracked alarm"] == {"solid"}
    assert 'penwidth="3.5"' in drawn("nan").to_dot()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_in_grey_the_gradient_is_the_heavier_and_stronger_line(theme, drawn):
    svg = gallery.changed(drawn("mlp"), theme=theme).render("svg").decode()
    gallery.changed(drawn("mlp"), theme="light")
    palette = {name: tone.lower() for name, tone in (LIGHT, DARK)[theme == "dark"].items()}
    edges = re.findall(r'class="edge tracked">(.*?)</g>', svg, re.DOTALL)
    assert edges
    for edge in edges:
        strokes = re.findall(r'<path fill="none" stroke="(#\w+)"', edge)
        assert sorted(strokes) == sorted([palette["pale data"], *[palette["gradient"]] * 2])
    ground, data, gradient = (luminance(palette[k]) for k in ("paper", "pale data", "gradient"))
    assert abs(gradient - ground) > abs(data - ground)
    low, high = sorted((data, gradient))
    assert (high + 0.05) / (low + 0.05) >= 1.5
