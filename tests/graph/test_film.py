"""The film: what is in the page; see `test_film_in_browser.py` for what a browser does with it."""

import json
import os
import re
import weakref
from pathlib import Path

import numpy as np
import pytest

import nn
from autograd_lite import manual_seed, no_grad, randn, tensor
from autograd_lite.graph import GraphRenderError, draw
from autograd_lite.graph import render as renderers
from autograd_lite.graph.theme import DARK
from tests.graph.films import BACKENDS, EVIL, card_of, network, numbers_of, reused, story_of


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_page_is_one_file_that_asks_nobody(backend):
    model, loss = network()
    html = draw(loss, model=model, backend=backend).to_html()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)[1]
    assert policy == (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
    )
    assert set(re.findall(r"https?://[^\s\"'<]*", html)) == {"http://www.w3.org/2000/svg"}
    assert re.findall(r'(?:src|href)="([^"]*)"', html) == ["data:,"]
    assert "@import" not in html and "url(" not in html


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_card_and_edge_of_the_story_is_in_the_picture(backend):
    model, loss = network()
    html = draw(loss, model=model, backend=backend).to_html()
    story = story_of(html)
    for key in [*story["cards"], *(f"e{i + 1}" for i in range(len(story["edges"])))]:
        assert f'<g id="{key}" class="' in html
    colours = set(re.findall(r'(?:fill|stroke)="(#\w+)"', html))
    assert not colours, "colours that the dark page does not know"


def test_the_steps_go_forward_along_the_tape_and_back():
    model, loss = network()
    html = draw(loss, model=model).to_html()
    story = story_of(html)
    ways = [(s["way"], story["cards"][s["card"]]["title"]) for s in story["steps"][1:]]
    titles = ["matmul", "add", "relu", "matmul", "add", "log_softmax", "nll"]
    forward = [("forward", title) for title in titles]
    backward = [("backward", title) for title in titles[::-1]]
    assert ways == [*forward, ("seed", "loss"), *backward]
    says = [step["say"] for step in story["steps"]]
    assert says[0] == "Sequential: the whole graph; 7 steps forward and 7 steps backward."
    assert says[3] == "Forward 3 of 7: relu makes h of shape (5, 4)."
    assert says[8] == "The backward pass begins at loss: its own gradient is 1."
    norm = np.linalg.norm(numbers_of(story, card_of(story, "z1")["total"]))
    assert re.fullmatch(
        r"Backward 6 of 7: add: dz1 of norm (\S+) arrives; dm1 of norm \1 and db1 of norm \S+ "
        r"leave\.",
        says[14],
    )
    assert f"{norm:.3g}" in says[14]


def test_the_numbers_are_those_of_the_tensors():
    model, loss = network()
    html = draw(loss, model=model).to_html()
    story = story_of(html)
    loss.backward()
    for name, p in model.named_parameters():
        card = card_of(story, name)
        assert np.array_equal(numbers_of(story, card["arrays"][0][1]), p.array)
        assert np.array_equal(numbers_of(story, card["total"]), p.grad.numpy())
    assert numbers_of(story, card_of(story, "nll")["arrays"][-1][1]).item() == loss.item()
    relu = card_of(story, "relu")
    assert relu["forward"] == "h = max(z1, 0)"
    assert relu["leaving"][0]["formula"] == "dz1 = dh × (h > 0)"
    before, after = (numbers_of(story, at) for _, at in relu["arrays"])
    assert np.array_equal(after, np.maximum(before, 0))
    arrived, left = (
        numbers_of(story, relu["total"]),
        numbers_of(story, relu["leaving"][0]["numbers"]),
    )
    assert np.array_equal(left, arrived * (after > 0))


def test_parts_of_a_gradient_add_up_to_it():
    x, y = reused()
    story = story_of(draw(y).to_html())
    card = card_of(story, "x")
    gifts = story["sums"][card["parts"]]
    parts = [numbers_of(story, gift["numbers"]) for gift in gifts]
    givers = [story["cards"][gift["card"]]["title"] for gift in gifts]
    assert givers == ["add", "mul", "mul"]  # as the backward pass meets them
    assert np.array_equal(parts[0], np.ones((2, 2)))
    y.backward()
    assert np.allclose(sum(parts), x.grad.numpy(), rtol=1e-6)
    assert np.array_equal(numbers_of(story, card["total"]), x.grad.numpy())


def test_the_parts_of_a_tensor_that_is_computed_are_told_too():
    x = tensor([1.0, 2.0], requires_grad=True, name="x")
    h = x.tanh()
    h.retain_grad()
    y = (h * h + h).sum()
    html = draw(y).to_html()
    card = card_of(story_of(html), "tanh")
    story = story_of(html)
    assert len(story["sums"][card["parts"]]) == 3
    assert "dh of norm" in html and "arrives in 3 parts" in html
    y.backward()
    assert np.array_equal(numbers_of(story, card["total"]), h.grad.numpy())


def test_a_weight_that_is_used_transposed_gets_its_parts_the_right_way_round():
    manual_seed(0)
    layer = nn.Linear(2, 2, bias=False)
    x = randn(3, 2)
    y = layer(layer(x)).sum()
    story = story_of(draw(y, model=layer).to_html())
    card = card_of(story, "weight")
    parts = [numbers_of(story, part["numbers"]) for part in story["sums"][card["parts"]]]
    y.backward()
    assert np.allclose(sum(parts), layer.weight.grad.numpy(), rtol=1e-6)


def test_of_a_large_array_there_are_statistics_alone():
    manual_seed(0)
    w = tensor(randn(5, 13), requires_grad=True, name="w")
    small = tensor(randn(8, 8), requires_grad=True, name="small")
    story = story_of(draw(w.relu().sum() + small.sum()).to_html())
    told = story["numbers"][card_of(story, "relu")["arrays"][-1][1]]
    h = np.maximum(w.array, 0)
    assert "values" not in told and told["shape"] == [5, 13]
    assert told["zeros"] == (h == 0).sum() and 0 < told["zeros"] < 65
    for name, value in (
        ("min", h.min()),
        ("mean", h.mean()),
        ("max", h.max()),
        ("norm", np.linalg.norm(h)),
    ):
        assert told[name] == pytest.approx(value, rel=1e-6)
    assert len(story["numbers"][card_of(story, "small")["arrays"][0][1]]["values"]) == 64


def test_the_line_is_told_without_the_folders_of_this_machine():
    model, loss = network()
    html = draw(loss, model=model).to_html()
    place = card_of(story_of(html), "relu")["place"]
    assert place["file"] == "films.py" and place["function"] == "network"
    assert place["text"].startswith("loss = nn.CrossEntropyLoss()(model(randn(5, 3))")
    assert place["module"] == "1 (ReLU)"
    assert str(Path(__file__).parent) not in html
    _, y = reused()
    assert all("place" not in card for card in story_of(draw(y).to_html())["cards"].values())


@pytest.mark.parametrize("backend", [*BACKENDS, None])
def test_no_name_gets_out_of_its_place(backend, monkeypatch):
    if backend is None:
        monkeypatch.setattr(renderers, "candidates", lambda asked: iter(()))
    x = tensor([3.0], requires_grad=True, name=EVIL)
    y = (x * 2).sum()
    y.name = EVIL + "\ud800"
    html = draw(y, backend=backend).to_html()
    assert "<script>pwned" not in html and "<img" not in html
    assert html.count("<script") == html.count("</script>") == 2
    assert "src_x_onerror_pwned_1_story" in {
        card["name"] for card in story_of(html)["cards"].values()
    }
    html.encode()


def test_numbers_that_json_lacks_are_words():
    x = tensor([0.0, -1.0, np.inf], requires_grad=True, name="x")
    with np.errstate(all="ignore"):
        story = story_of(draw(x.log().sum()).to_html())
    card = card_of(story, "log")
    assert story["numbers"][card["arrays"][-1][1]]["values"] == ["-inf", "NaN", "inf"]
    assert story["numbers"][card["leaving"][0]["numbers"]]["values"][0] == "inf"


@pytest.mark.parametrize(
    ("options", "ways"),
    [
        ({"view": "forward"}, {"start", "forward"}),
        ({"view": "backward"}, {"start", "seed", "backward"}),
        ({"grads": False}, {"start", "forward", "seed", "backward"}),
        ({"formulas": False}, {"start", "forward", "seed", "backward"}),
    ],
)
def test_options_of_draw_hold_for_the_film(options, ways):
    _, y = reused()
    story = story_of(draw(y, **options).to_html())
    assert {step["way"] for step in story["steps"]} == ways
    cards = story["cards"].values()
    if "grads" in options:
        assert not any("total" in card for card in cards)
    assert any("forward" in card for card in cards) == (
        "formulas" not in options and options.get("view") != "backward"
    )


def test_what_was_not_recorded_has_no_steps():
    for t in (tensor(1.0), tensor([1.0], requires_grad=True)):
        story = story_of(draw(t).to_html())
        assert [step["way"] for step in story["steps"]] == ["start"]
        assert "nothing was recorded" in story["steps"][0]["say"]
    _, y = reused()
    y.backward()
    assert "released" in draw(y).to_html()


def test_a_gradient_that_breaks_off_tells_no_half_total():
    x = tensor([1.0, 2.0], requires_grad=True, name="x")
    h = x * 1
    y = (h * h + x).sum()
    with no_grad():
        h += 1
    story = story_of(draw(y).to_html())
    assert "Gradients are missing" in json.dumps(story)
    assert not any("total" in card for card in story["cards"].values())


def test_folded_modules_are_steps_too():
    model, loss = network()
    story = story_of(draw(loss, model=model, depth=0).to_html())
    card = card_of(story, "2")
    assert card["kind"] == "module"
    assert any(line.startswith("gradient to 1: ") for line in card["lines"])
    assert any(step.get("card", "")[:1] == "m" for step in story["steps"])


def test_equal_modules_in_a_row_are_one_step_and_the_page_says_so():
    manual_seed(0)
    model = nn.Sequential(*[nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(5)])
    loss = model(randn(3, 2)).sum()
    story = story_of(draw(loss, model=model).to_html())
    tanh = [card for card in story["cards"].values() if card["title"] == "tanh"]
    (tanh,) = tanh
    assert tanh["lines"] == ["One card for 5 alike; these are the numbers of the first."]
    weight = card_of(story, "*.0.weight")
    loss.backward()
    assert np.array_equal(numbers_of(story, weight["total"]), model[0][0].weight.grad.numpy())


def test_verdicts_of_compare_are_told():
    model, loss = network()
    hand = {"0.weight": np.ones((4, 3), "float32"), "2.bias": np.zeros(3, "float32")}
    html = draw(loss, model=model, compare=hand).to_html()
    card = card_of(story_of(html), "0.weight")
    assert card["verdict"] == "■ wrong here" and card["tone"] == "wrong"
    assert card["label"] == "parameter, 0.weight W1, shape (4, 3), compared: wrong here"
    assert re.search(r'class="judgement">[^<]+wrong', html)


def test_a_drawing_keeps_no_large_array():
    a = np.ones((100, 100))
    x = tensor(1.0, dtype="float64", requires_grad=True)
    t = x * a
    kept = weakref.ref(t.array)
    g = draw((t * 2).sum())
    del t
    assert kept() is None and "Forward 3 of 3" in g.to_html()


def test_the_film_shows_the_moment_of_drawing():
    x, y = reused()
    g = draw(y)
    before = g.to_html()
    y.backward()
    x.array += 100
    assert g.to_html() == before


def test_without_a_renderer_the_cards_are_text_and_the_page_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(renderers, "candidates", lambda backend: iter(()))
    model, loss = network()
    html = draw(loss, model=model).to_html()
    assert "no Graphviz found" in html and "pip install graphviz-pure" in html
    assert '<li id="n7" class="node op ' in html and "h = max(z1, 0)" in html
    assert len(story_of(html)["steps"]) == 16


def test_what_is_no_svg_is_told_and_replaced_by_text(monkeypatch):
    monkeypatch.setattr(renderers, "picture", lambda *given, **known: b"<svg >")
    _, y = reused()
    html = draw(y).to_html()
    assert "no SVG with a width and a height" in html and '<ol class="cards">' in html


def test_a_renderer_that_was_asked_for_must_be_there():
    _, y = reused()
    with pytest.raises(GraphRenderError, match="backend='nowhere' was asked for"):
        draw(y, backend="nowhere").to_html()


def test_save_writes_the_page(tmp_path):
    _, y = reused()
    g = draw(y)
    assert g.save(tmp_path / "Net.HTML").read_text("utf-8") == g.to_html()
    assert os.listdir(tmp_path) == ["Net.HTML"]


def luminance(colour):
    rgb = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_dark_colours_can_be_read():
    dark = DARK
    for ink in ("ink", "quiet", "gradient"):
        for ground in ("paper", "card", "module ground"):
            assert contrast(dark[ink], dark[ground]) >= 4.5, (ink, ground)
    for family in ("product", "arithmetic", "activation", "reduction", "shape"):
        assert contrast(dark[family], dark[f"{family} ground"]) >= 4.5, family
        assert contrast(dark["quiet"], dark[f"{family} ground"]) >= 4.5, family
    for kind in ("parameter", "input", "result", "note"):
        assert contrast(dark[f"{kind} ink"], dark[f"{kind} ground"]) >= 4.5, kind
    assert contrast(dark["result gradient"], dark["result ground"]) >= 4.5


def test_what_is_saved_and_where_it_was_made_is_typeset():
    _, loss = network()
    story = story_of(draw(loss).to_html())
    assert ["h", "W2ᵀ"] in [c.get("saved") for c in story["cards"].values()]
    modules = [c["place"].get("module", "") for c in story["cards"].values() if "place" in c]
    assert "0 (Linear)" in modules and "CrossEntropyLoss" in modules


def test_the_parts_of_a_weight_have_its_shape():
    w = tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True, name="w")
    x = tensor([[1.0, 0.0, 2.0], [0.0, 5.0, 0.0]], name="x")
    story = story_of(draw((x @ w.mT)[:, 0].sum() + w.sum()).to_html())
    parts = [numbers_of(story, p["numbers"]) for p in story["sums"][card_of(story, "w")["parts"]]]
    assert sorted(p.tolist() for p in parts) == [
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]],
        [[1.0, 5.0, 2.0], [0.0, 0.0, 0.0]],
    ]


def test_the_gradient_of_a_transposed_weight_leaves_as_that_of_the_weight():
    w = tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True, name="w")
    loss = (tensor([[1.0, 0.0, 2.0]], name="x") @ w.mT).sum()
    story = story_of(draw(loss).to_html())
    (gift,) = next(c["leaving"] for c in story["cards"].values() if c["title"] == "matmul")
    loss.backward()
    assert gift["name"] == "w" and numbers_of(story, gift["numbers"]).tolist() == w.grad.tolist()
    assert "dw of norm" in story["steps"][-1]["say"]
