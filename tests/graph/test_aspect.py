"""Pictures with the shape of a screen or of paper: their ratio, their letters, their columns."""

import re
import struct
import warnings
import xml.etree.ElementTree as ET

import pytest

from autograd_lite import tensor
from autograd_lite.graph import draw
from autograd_lite.graph import render as renderers
from autograd_lite.graph.aspect import LEGIBLE, pixels_of
from tests.graph import gallery

FEW = ("regression", "untracked", "mlp", "shared_weights")  # which stand in columns and in rows
ALL = [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in gallery.NETS]


def on(name, aspect, **options):
    g = gallery.drawn(name)
    g.aspect = aspect
    for option, value in options.items():
        setattr(g, option, value)
    return g


@pytest.mark.parametrize("aspect", ["16:9", pytest.param("A4", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ALL)
def test_a_picture_has_its_ratio_and_letters_that_can_be_read(name, aspect):
    g = on(name, aspect)
    wide, high = pixels_of(aspect)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        image, svg = g.render("png"), ET.fromstring(g.render("svg"))
    width, height = struct.unpack(">II", image[16:24])
    assert width == pytest.approx(wide, rel=0.01) and height == pytest.approx(high, rel=0.01)
    box = [float(x) for x in svg.get("viewBox").split()]
    assert box[2] / box[3] == pytest.approx(wide / high, rel=0.01)
    sizes = [float(text.get("font-size")) for text in svg.iter() if text.get("font-size")]
    smallest = min(sizes) * wide / box[2]
    if aspect == "16:9" and len(g.drawing.nodes) <= 12:
        assert smallest >= LEGIBLE and not g.remark
    assert bool(g.remark) == (smallest < LEGIBLE) == bool(said)
    if g.remark:
        assert (
            f"have {smallest:.1f}, and it takes 14" in g.remark and str(said[0].message) == g.remark
        )


@pytest.mark.parametrize("name", ALL)
def test_every_card_and_arrow_is_there(name):
    """What goes to another column passes by the name of the value on both sides."""
    plain, columns = gallery.drawn(name).to_dot(), on(name, "16:9").to_dot()
    cards = re.compile(r"^ *(?!graph)(\w+) \[class=\"(?!pill)", re.MULTILINE)
    assert sorted(cards.findall(plain)) == sorted(cards.findall(columns))
    ends = re.compile(r"(\w+) -> (\w+) \[(?!style=\"invis\"\])")
    edges = {*ends.findall(columns)}
    for source, target in ends.findall(plain):
        leaves = (source, f"from_{source}") in edges
        comes = any((f"to_{i}_{source}", target) in edges for i in range(6))
        assert (source, target) in edges or (leaves and comes), (source, target)


def test_columns_are_read_from_the_left_and_rows_from_the_top():
    for name in FEW:
        g = on(name, "16:9")
        layout = g._fitted.layout
        assert len({*layout.columns.values()}) > 1
        svg = g.render("svg").decode()
        where = {}
        for key, x, y in re.findall(
            r'<g id="(\w+)" class="node.*?<text [^>]*?x="([-\d.]+)" y="([-\d.]+)"', svg, re.DOTALL
        ):
            if key in layout.columns:
                along = float(x) if layout.direction == "TB" else float(y)
                where.setdefault(layout.columns[key], []).append(along)
        middles = [sum(w) / len(w) for _, w in sorted(where.items())]
        assert middles == sorted(middles)


def test_a_direction_that_is_given_stays():
    assert on("regression", "16:9").to_dot() != on("regression", "16:9", direction="TB").to_dot()
    assert 'rankdir="TB"' in on("regression", "16:9", direction="TB").to_dot()


def test_a_shape_that_does_not_exist():
    x = tensor(1.0, requires_grad=True)
    for aspect in ("wide", "16/9", "1:9", "0:1", "-1:1", 1.5, ["16:9"]):
        with pytest.raises(
            ValueError, match=r'aspect=.* give "16:9", "4:3" or .* \'A4 landscape\''
        ):
            draw(x * x, aspect=aspect)


def test_without_a_renderer_the_texts_are_there(monkeypatch):
    monkeypatch.setattr("autograd_lite.graph.render.find", lambda name: None)
    g = on("regression", "16:9")
    assert g.to_dot() == gallery.drawn("regression").to_dot() and g.remark == ""


def test_large_drawings_are_laid_out_few_times(monkeypatch):
    h = tensor([1.0, 2.0], requires_grad=True, name="x")
    for _ in range(300):
        h = h.tanh()
    g = draw(h.sum(), collapse=False, aspect="16:9")
    times = []
    picture = renderers.picture
    monkeypatch.setattr(renderers, "picture", lambda *a: times.append(a) or picture(*a))
    assert "smallest letters have 0." in g.remark and len(times) == 2


def test_small_letters_are_told_at_the_line_that_asks_for_the_picture(tmp_path, monkeypatch):
    monkeypatch.setattr("autograd_lite.graph.aspect.LEGIBLE", 999)
    g = draw(tensor([1.0, 2.0], requires_grad=True).tanh(), aspect="A4")
    with pytest.warns(UserWarning, match="the smallest letters have") as said:
        g.save(tmp_path / "net.svg")
    assert said[0].filename == __file__
