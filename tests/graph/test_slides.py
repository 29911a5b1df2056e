"""Slides: a picture and a note for every step of the film, which build up and do not jump."""

import re
import struct
import xml.etree.ElementTree as ET
from hashlib import sha256
from html import unescape

import pytest

import nn
from autograd_lite import manual_seed, randn, tensor
from autograd_lite.graph import GraphRenderError, draw
from autograd_lite.graph import render as renderers
from autograd_lite.graph.dot import WARM, unseen
from autograd_lite.graph.steps import steps
from autograd_lite.graph.theme import COLOURS, DARK, LIGHT
from autograd_lite.program.names import typeset
from autograd_lite.shows import noted
from tests.graph import gallery
from tests.graph.films import BACKENDS

FEW = ("scalars",)
ALL = [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in gallery.NETS]


def cards_in(svg):
    return set(re.findall(r'<g id="(n\w*|m\w*|out)" class="node', svg))


def places(svg):
    """Where every text stands."""
    found = re.findall(r'<text [^>]*?x="([-\d.]+)" y="([-\d.]+)"[^>]*>([^<]*)', svg)
    return {(text, x, y) for x, y, text in found if text.strip()}


@pytest.mark.filterwarnings("ignore:At 1,920")
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("backend", BACKENDS)
def test_steps_build_up_and_nothing_moves(name, backend, tmp_path):
    g = gallery.drawn(name)
    files = g.slides(tmp_path / "lecture" / "net", ["svg"], backend=backend)
    found = steps(g.drawing)
    assert [f.name for f in files] == [
        f"step_{i:02}.{suffix}" for i in range(len(found)) for suffix in ("svg", "txt")
    ]
    pictures = [f.read_text("utf-8") for f in files[::2]]
    whole = pictures[0]
    sizes = {
        tuple(ET.fromstring(p).get(k) for k in ("width", "height", "viewBox")) for p in pictures
    }
    assert len(sizes) == 1
    seen, warm = set(), 0
    gradients = [f'fill="{LIGHT[tone].lower()}"' for tone in WARM]
    for picture in pictures[1:]:
        here = cards_in(picture)
        assert seen <= here <= cards_in(whole)
        now = sum(picture.count(tone) for tone in gradients)
        assert now >= warm
        seen, warm = here, now
    for step, picture, note in zip(found[1:], pictures[1:], files[3::2], strict=True):
        assert step["card"] in cards_in(picture) and note.read_text("utf-8").startswith(step["say"])
        new = {unescape(text) for text, *_ in places(picture) - places(whole)}
        assert all(text in typeset(step["say"]) for text in new), new
    assert places(pictures[-1]) >= {p for p in places(whole) if p[0] not in found[0]["say"]}


def test_every_format_of_one_shape(tmp_path):
    x = tensor(3.0, requires_grad=True, name="x")
    files = draw(x * x, aspect="4:3").slides(tmp_path)
    formats = renderers.formats_of(None)
    assert [f.suffix[1:] for f in files] == [*formats, "txt"] * 4
    for f in files:
        content = f.read_bytes()
        if f.suffix == ".png":
            assert struct.unpack(">II", content[16:24]) == (1440, 1080)
        if f.suffix == ".pdf":
            assert content.startswith(b"%PDF")
    assert sorted(tmp_path.glob("[!.]*")) == sorted(files)


@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
def test_what_has_not_come_cannot_be_searched(theme, tmp_path):
    x = tensor(3.0, requires_grad=True, name="x")
    g = draw(x * x, theme=theme, compare={"x": 5.0})
    svg = g.slides(tmp_path, ["svg"])[2].read_text("utf-8")
    assert (
        "wrong" in svg and "makes loss = 9" in svg and "dloss" not in svg and "backward" not in svg
    )
    assert 'aria-label="Forward 1 of 1' in svg


def test_one_way_alone(tmp_path):
    x = tensor(3.0, requires_grad=True, name="x")
    forth, back = (
        [f.read_text("utf-8") for f in draw(x * x, view=way).slides(tmp_path / way, ["svg"])[::2]]
        for way in ("forward", "backward")
    )
    assert len(forth) == 2 and not any("grad" in svg and "dx" in svg for svg in forth)
    assert len(back) == 3  # the whole, then the seed, of which alone there is an arrow
    assert [svg.count('class="edge') for svg in back] == [3, 1, 3]


def test_unseen_colours_are_those_of_nothing_else():
    for palette in (LIGHT, DARK):
        grounds = {unseen(tone) for tone in palette.values()}
        assert not grounds & {*palette.values()}
    assert {*WARM} <= {*COLOURS}


def test_without_a_renderer_nothing_is_written(monkeypatch, tmp_path):
    monkeypatch.setattr(renderers, "find", lambda name: None)
    x = tensor(3.0, requires_grad=True, name="x")
    with pytest.raises(GraphRenderError, match="no Graphviz found"):
        draw(x * x).slides(tmp_path / "new")
    with pytest.raises(ValueError, match="slides: 'gif' is no picture"):
        draw(x * x).slides(tmp_path / "new", ["gif"])
    assert not (tmp_path / "new").exists()


def test_a_shorter_show_removes_what_a_longer_one_wrote_and_nothing_else(tmp_path):
    x = tensor(3.0, requires_grad=True, name="x")
    foreign = [tmp_path / name for name in ("step_08.svg", "step_1.png", "step_notes.txt")]
    for file in foreign:
        file.write_text("mine")
    long = draw((x * x).tanh().exp()).slides(tmp_path, ["svg"])
    long[-1].write_text("a note that was changed")
    short = draw(x * x).slides(tmp_path, ["svg"])
    assert len(short) < len(long) - 1 and foreign[0] not in long
    kept = {*short, *foreign, long[-1]}
    assert {*tmp_path.iterdir()} == kept | {tmp_path / ".slides-of-draw"}


def test_a_list_of_slides_names_files_of_their_folder_alone(tmp_path):
    content = b"mine"
    (show := tmp_path / "show").mkdir()
    (show / "step_1.txt").mkdir()
    names = ["../step_0.txt", "a.txt", "step_1.txt", "step_2.txt"]
    for name in ("../step_0.txt", "a.txt", "step_2.txt"):
        (show / name).write_bytes(content)
    lines = "\n".join(["\xff", *(f"{sha256(content).hexdigest()}  {name}" for name in names)])
    (show / ".slides-of-draw").write_text(lines, "latin-1")
    noted(show, [], "draw")
    assert [(show / name).exists() for name in names] == [True, True, True, False]


def test_the_same_slides_every_time(tmp_path):
    first, again = (
        gallery.drawn("scalars").slides(tmp_path / folder, ["svg"]) for folder in ("a", "b")
    )
    assert [f.read_bytes() for f in first] == [f.read_bytes() for f in again]


def test_a_gradient_has_one_name_on_a_card_and_one_in_a_text(tmp_path):
    manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2))
    files = draw(model(randn(4, 3)), model).slides(tmp_path, ["svg"])
    svg = files[-2].read_text("utf-8").replace("\xa0", " ")
    note = files[-1].read_text("utf-8")
    assert "dW of norm" in svg and "dW = dmᵀ · x" in svg and "dWᵀ" not in svg
    assert "d_W of norm" in note and "d_W = d_m.T @ x" in note and "dW" not in note


def test_a_long_sentence_stands_on_two_lines_of_about_one_length(tmp_path):
    a, b = (tensor(2.0, requires_grad=True, name=f"a_name_of_twenty_{i}") for i in "pq")
    files = draw(a * b, view="backward").slides(tmp_path, ["svg"])
    svg = files[-2].read_text("utf-8")
    said = re.findall(r'font-weight="bold" font-size="15.00"[^>]*>([^<]*)<', svg)
    assert len(said) == 2 and abs(len(said[0]) - len(said[1])) < 30
    assert said[0].startswith("Backward 1 of 1: mul: d") and said[1].endswith(" leave.")
