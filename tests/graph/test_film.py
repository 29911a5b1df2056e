"""The film: what is in the page, and what a browser does with it."""

import json
import os
import re
import shutil
import time
import weakref
from pathlib import Path

import numpy as np
import pytest

import nn
from autograd_lite import grad, manual_seed, no_grad, randn, record_lines, tensor
from autograd_lite.graph import GraphRenderError, draw, film
from autograd_lite.graph import render as renderers
from autograd_lite.graph.theme import DARK, LIGHT
from tests.helpers import open_chromium

BACKENDS = [
    pytest.param("dot", marks=pytest.mark.skipif(not shutil.which("dot"), reason="needs dot")),
    pytest.param(
        "graphviz-pure",
        marks=pytest.mark.skipif(not renderers.find_pure(), reason="needs graphviz-pure"),
    ),
]
EVIL = '</script><script>pwned=1</script><img src=x onerror="pwned=1">&\'\u2028{{story}}'


def network():
    """A small classifier with its loss; 7 operations."""
    manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    with record_lines():
        loss = nn.CrossEntropyLoss()(model(randn(5, 3)), tensor([0, 1, 1, 0, 1]))
    return model, loss


def reused():
    """x is used three times: its gradient comes in three parts."""
    x = tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True, name="x")
    return x, ((x * x).tanh() + x).sum()


def story_of(html):
    return json.loads(re.search(r'id="film-story">(.*?)</script>', html, re.DOTALL)[1])


def numbers_of(story, at):
    found = story["numbers"][at]
    return np.array(found["values"], found["dtype"]).reshape(found["shape"])


def card_of(story, title):
    return next(c for c in story["cards"].values() if title in (c["title"], c.get("name")))


# ---- the page


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
    assert says[3] == "Forward 3 of 7: relu makes H of shape (5, 4)."
    assert says[8] == "The backward pass begins at loss: its own gradient is 1."
    norm = np.linalg.norm(numbers_of(story, card_of(story, "A1")["total"]))
    assert re.fullmatch(
        r"Backward 6 of 7: add: dA1 of norm (\S+) arrives; dZ1 of norm \1 and db1 of norm \S+ "
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
        assert np.array_equal(numbers_of(story, card["arrays"][0][1]), p.data)
        assert np.array_equal(numbers_of(story, card["total"]), p.grad.numpy())
    assert numbers_of(story, card_of(story, "nll")["arrays"][-1][1]).item() == loss.item()
    relu = card_of(story, "relu")
    assert relu["forward"] == "H = maximum(A1, 0)"
    assert relu["leaving"][0]["formula"] == "dA1 = dH × (H > 0)"
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
    h = np.maximum(w.data, 0)
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
    assert place["file"] == "test_film.py" and place["function"] == "network"
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
    assert "x" in {card["name"] for card in story_of(html)["cards"].values()}
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
    assert len(tanh) == 2  # the first stands alone: its input needs no gradient
    assert tanh[1]["lines"] == ["One card for 4 alike; these are the numbers of the first."]
    weight = card_of(story, "*.0.weight")
    loss.backward()
    assert np.array_equal(numbers_of(story, weight["total"]), model[1][0].weight.grad.numpy())


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
    kept = weakref.ref(t.data)
    g = draw((t * 2).sum())
    del t
    assert kept() is None and "Forward 3 of 3" in g.to_html()


def test_the_film_shows_the_moment_of_drawing():
    x, y = reused()
    g = draw(y)
    before = g.to_html()
    y.backward()
    x.data += 100
    assert g.to_html() == before


def test_without_a_renderer_the_cards_are_text_and_the_page_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(renderers, "candidates", lambda backend: iter(()))
    model, loss = network()
    html = draw(loss, model=model).to_html()
    assert "no Graphviz found" in html and "pip install graphviz-pure" in html
    assert '<li id="n7" class="node op ' in html and "H = maximum(A1, 0)" in html
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


# ---- in a browser


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium of the system, driven by its own driver."""
    driver = open_chromium()
    yield driver
    driver.quit()


class Screen:
    """One page in the browser."""

    def __init__(self, driver, folder):
        self.driver, self.folder = driver, folder
        self.js = driver.execute_script

    def open(self, graph, width=1280, height=860, dark=False, scripts=True, motion="reduce"):
        path = graph.save(self.folder / "net.html")
        tell = self.driver.execute_cdp_cmd
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        tell("Emulation.setDeviceMetricsOverride", size)
        tell("Emulation.setScriptExecutionDisabled", {"value": not scripts})
        self.media("screen", dark, motion)
        for log in ("browser", "performance"):
            self.driver.get_log(log)
        self.driver.get(path.as_uri())
        return story_of(path.read_text("utf-8"))

    def media(self, media, dark=False, motion="reduce"):
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": motion},
        ]
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"media": media, "features": features}
        )

    def one(self, selector):
        return self.driver.find_element("css selector", selector)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def press(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains

        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def go(self, where):
        self.one(f'[data-go="{where}"]').click()

    def step(self):
        return int(self.one("#film-slider").get_attribute("value"))

    def say(self):
        return self.one("#film-say").text

    def lit(self):
        return [node.get_attribute("id") for node in self.all('[aria-current="step"]')]

    def style(self, selector, name):
        return self.js(
            "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]",
            selector,
            name,
        )

    def array(self, name):
        """The numbers that the panel shows under a name, as they are and as they are printed."""
        box = f'.array[data-name="{name}"] '
        cells = self.all(box + "td data") or self.all(box + "data.single")
        return (
            np.array([float(cell.get_attribute("value")) for cell in cells]),
            [cell.text.replace("−", "-") for cell in cells],
        )


@pytest.fixture
def screen(chromium, tmp_path):
    screen = Screen(chromium, tmp_path)
    yield screen
    errors = [entry for entry in chromium.get_log("browser") if entry["level"] != "INFO"]
    assert not errors


def key_of(story, title):
    return next(k for k, c in story["cards"].items() if title in (c["title"], c.get("name")))


def test_stepping_to_the_end_and_back(screen):
    model, loss = network()
    story = screen.open(draw(loss, model=model))
    says = [step["say"] for step in story["steps"]]
    lit = [[step["card"]] if "card" in step else [] for step in story["steps"]]
    seen = [(screen.say(), screen.lit())]
    assert not screen.one('[data-go="back"]').is_enabled()
    while screen.one('[data-go="forward"]').is_enabled():
        screen.go("forward")
        seen.append((screen.say(), screen.lit()))
        assert screen.one("#film-count").text == f"step {len(seen) - 1} of 15"
    assert seen == list(zip(says, lit, strict=True))
    while screen.one('[data-go="back"]').is_enabled():
        seen.pop()
        screen.go("back")
        assert (screen.say(), screen.lit()) == seen[-1]
    assert len(seen) == 1
    screen.go("last")
    assert screen.step() == 15
    screen.go("first")
    assert screen.step() == 0


def test_the_picture_follows_the_step(screen):
    model, loss = network()
    story = screen.open(draw(loss, model=model))
    relu, first = key_of(story, "relu"), key_of(story, "Z1")

    def pale(key):
        return screen.style(f"#{key}", "opacity") != "1"

    def warm(key):
        rule = f"text.f{film.CLASSES[LIGHT['gradient'].lower()]}"
        return screen.style(f"#{key} {rule}", "opacity") == "1"

    assert not pale(relu) and warm(relu)  # the whole picture
    screen.press(*["\ue014"] * 2)
    assert (pale(relu), pale(first), warm(first)) == (True, False, False)
    screen.press("\ue014")
    assert not pale(relu) and not warm(relu)
    for _ in range(10):
        screen.press("\ue014")
    assert screen.lit() == [relu] and warm(relu) and not warm(first)
    frame = screen.one(".frame").rect
    node = screen.one(f"#{relu}").rect
    assert frame["x"] < node["x"] and frame["width"] > node["width"]
    stage = screen.one("#film-stage").rect
    assert stage["y"] < node["y"] and node["y"] + node["height"] < stage["y"] + stage["height"]


def test_the_numbers_on_the_page_are_the_gradients(screen):
    model, loss = network()
    story = screen.open(draw(loss, model=model))
    loss.backward()
    for name, p in model.named_parameters():
        screen.one(f"#{key_of(story, name)}").click()
        symbol = card_of(story, name)["name"]
        for shown, wanted in ((symbol, p.data), (f"d{symbol}", p.grad.numpy())):
            exact, printed = screen.array(shown)
            assert np.array_equal(exact.astype("float32"), wanted.ravel()), shown
            assert np.allclose([float(text) for text in printed], wanted.ravel(), rtol=1e-3)


def test_large_arrays_and_shapes_and_values_in_formulas(screen):
    manual_seed(0)
    w = tensor(randn(10, 7), requires_grad=True, name="w")
    c = tensor(2.0, requires_grad=True, name="c")
    y = (w.tanh() * c).sum()
    screen.open(draw(y))
    y.backward()
    screen.go("last")
    assert screen.one(".formula").text.split() == [
        "dw", "(10,", "7)", "=", "dH", "(10,", "7)", "×", "(1", "−", "H", "(10,", "7)", "×",
        "H", "(10,", "7)", ")",
    ]  # fmt: skip
    norm = screen.one('.array[data-name="dw"] [data-of="norm"]').get_attribute("value")
    assert float(norm) == pytest.approx(np.linalg.norm(w.grad.numpy()), rel=1e-6)
    screen.go("back")
    assert screen.array("dc")[0][0] == pytest.approx(c.grad.item(), rel=1e-6)
    assert "c 2" in " ".join(screen.one(".formula").text.split())  # a number, not its shape


def test_parts_and_their_sum_are_shown(screen):
    x, y = reused()
    story = screen.open(draw(y))
    screen.one(f"#{key_of(story, 'x')}").click()
    y.backward()
    parts = [
        np.array(
            [float(d.get_attribute("value")) for d in box.find_elements("css selector", "td data")]
        )
        for box in screen.all(".sum .array")
    ]
    assert len(parts) == 3
    assert np.allclose(sum(parts), x.grad.numpy().ravel(), rtol=1e-6)
    total = screen.array("dx, the sum")[0].astype("float32")
    assert np.array_equal(total, x.grad.numpy().ravel())


def test_play_and_pause(screen):
    model, loss = network()
    screen.open(draw(loss, model=model))
    play = screen.one('[data-go="play"]')
    play.click()
    assert play.get_attribute("aria-label") == "Pause"
    deadline = time.monotonic() + 10
    while screen.step() < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    play.click()
    there = screen.step()
    assert there >= 2 and play.get_attribute("aria-label") == "Play"
    time.sleep(1.8)  # longer than a step is shown
    assert screen.step() == there


def test_a_step_by_hand_ends_the_play(screen):
    model, loss = network()
    screen.open(draw(loss, model=model))
    screen.go("play")
    screen.go("last")
    assert screen.one('[data-go="play"]').get_attribute("aria-label") == "Play"
    screen.go("play")
    screen.go("forward")
    there = screen.step()
    time.sleep(1.8)  # longer than a step is shown
    assert screen.step() == there


def test_playing_ends_at_the_end_and_begins_again(screen):
    _, y = reused()
    story = screen.open(draw(y))
    last = len(story["steps"]) - 1
    screen.go("last")
    screen.go("back")
    screen.go("play")
    deadline = time.monotonic() + 10
    while screen.step() < last and time.monotonic() < deadline:
        time.sleep(0.05)
    assert screen.step() == last
    assert screen.one('[data-go="play"]').get_attribute("aria-label") == "Play"
    screen.go("play")
    assert screen.step() < last
    screen.go("play")


def test_the_slider(screen):
    model, loss = network()
    story = screen.open(draw(loss, model=model))
    slider = screen.one("#film-slider")
    for key, step in (("\ue014", 1), ("\ue010", 15), ("\ue012", 14), ("\ue011", 0)):
        slider.send_keys(key)
        assert screen.step() == step
        assert slider.get_attribute("aria-valuetext") == story["steps"][step]["say"]
        assert screen.say() == story["steps"][step]["say"]


def test_a_click_selects_and_does_not_move_the_film(screen):
    model, loss = network()
    story = screen.open(draw(loss, model=model))
    screen.go("forward")
    relu = key_of(story, "relu")
    screen.one(f"#{relu}").click()
    assert screen.say() == "Selected: relu H, shape (5, 4)." and screen.step() == 1
    assert "test_film.py, line" in screen.one(".source").text
    assert "in module 1 (ReLU)" in screen.one(".source").text
    there = screen.all(".goto button")
    assert [b.text for b in there] == ["Go to its forward step", "Go to its backward step"]
    there[1].click()
    assert screen.lit() == [relu] and screen.say().startswith("Backward 5 of 7: relu")
    screen.one(f"#{key_of(story, 'log_softmax')}").click()
    screen.press("\ue00c")  # Escape
    assert screen.say().startswith("Backward 5 of 7: relu")


def test_without_lines_the_page_says_how_to_get_them(screen):
    _, y = reused()
    screen.open(draw(y))
    screen.go("forward")
    assert "with record_lines():" in screen.one(".source").text


def test_the_keyboard_alone(screen):
    model, loss = network()
    screen.open(draw(loss, model=model))
    screen.press("\ue014", "\ue014", "\ue012")
    assert screen.step() == 1
    screen.press("\ue010")
    assert screen.step() == 15
    screen.press("\ue011")
    assert screen.step() == 0
    screen.press(" ")
    assert screen.one('[data-go="play"]').get_attribute("aria-label") == "Pause"
    screen.press(" ")
    assert screen.one('[data-go="play"]').get_attribute("aria-label") == "Play"
    screen.press("\ue011")
    met = []
    for _ in range(20):
        screen.press("\ue004")
        on = screen.driver.switch_to.active_element
        met.append(
            on.get_attribute("id") or on.get_attribute("data-go") or on.get_attribute("data-zoom")
        )
        if "node" in (on.get_attribute("class") or ""):
            break
    assert {"film-theme", "film-stage", "fit"} <= set(met)
    first = met[-1]
    screen.press("\ue015", "\ue015")  # down
    on = screen.driver.switch_to.active_element
    assert on.get_attribute("role") == "button" and on.get_attribute("id") != first
    screen.press("\ue007")  # Enter
    assert screen.say() == f"Selected: {on.get_attribute('aria-label')}."
    screen.press("\ue013", " ")  # up, Space
    assert screen.driver.switch_to.active_element.get_attribute("aria-label") in screen.say()
    assert screen.step() == 0


def test_screen_readers_get_names_landmarks_and_announcements(screen):
    model, loss = network()
    screen.open(draw(loss, model=model))
    screen.driver.execute_cdp_cmd("Accessibility.enable", {})
    tree = screen.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    met = {
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in tree
        if not node.get("ignored") and "role" in node
    }
    for role, name in (
        ("main", ""),
        ("navigation", "Film"),
        ("region", "Graph"),
        ("complementary", "This step"),
        ("heading", "Sequential"),
        ("slider", "Step"),
        ("button", "Play"),
        ("button", "relu H, shape (5, 4)"),
        ("button", "parameter, 0.weight W1, shape (4, 3)"),
        ("status", ""),
    ):
        assert (role, name) in met, (role, name)
    assert screen.one("#film-say").get_attribute("aria-live") == "polite"


def test_no_request_leaves_the_page_and_none_could(screen):
    model, loss = network()
    screen.open(draw(loss, model=model))
    for _ in range(15):
        screen.go("forward")
    sent = [
        message["params"]["request"]["url"]
        for message in (
            json.loads(entry["message"])["message"]
            for entry in screen.driver.get_log("performance")
        )
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert all(url.startswith(("file:", "data:")) for url in sent)
    assert sum(url.startswith("file:") for url in sent) == 1
    assert screen.js("return performance.getEntriesByType('resource').length") == 0
    refused = screen.driver.execute_async_script(
        "const done = arguments[0];"
        "addEventListener('securitypolicyviolation', (e) => done(e.violatedDirective));"
        "fetch('https://example.invalid/').catch(() => 0);"
    )
    assert refused == "connect-src"
    messages = [entry["message"] for entry in screen.driver.get_log("browser")]
    assert messages and all("Content Security Policy" in message for message in messages)


def test_evil_names_run_nothing(screen):
    x = tensor([3.0], requires_grad=True, name=EVIL)
    story = screen.open(draw((x * 2).sum()))
    screen.one(f"#{key_of(story, 'x')}").click()
    assert screen.js("return window.pwned") is None
    assert "onerror=" in screen.one("#film-card").text


def test_without_script_it_is_a_still_complete_picture(screen):
    model, loss = network()
    story = screen.open(draw(loss, model=model), scripts=False)
    assert "Scripts are off" in screen.one("body").text
    for key in story["cards"]:
        assert screen.one(f"#{key}").is_displayed()
    for control in ("#film-controls", "#film-panel", "#film-theme"):
        assert not screen.one(control).is_displayed()
    tell = screen.driver.execute_cdp_cmd
    tell("Emulation.setScriptExecutionDisabled", {"value": False})
    assert {screen.style(f"#{key}", "opacity") for key in story["cards"]} == {"1"}
    assert screen.js("return document.documentElement.scrollWidth <= innerWidth")


READABLE = """
const rgb = (text) => {
  const [r, g, b, a] = text.startsWith("color(")
    ? text.match(/[\\d.]+/g).map((x, i) => i < 3 ? 255 * x : +x) : text.match(/[\\d.]+/g).map(Number);
  return [r, g, b, a === undefined ? 1 : a];
};
const light = (c) => c.slice(0, 3).map((x) => x / 255)
  .map((x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
  .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
const bad = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const on = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !on.checkVisibility() || on.closest("svg, :disabled")) continue;
  let back = on, ground;
  do ground = rgb(getComputedStyle(back).backgroundColor);
  while (ground[3] === 0 && (back = back.parentElement));
  const [low, high] = [light(rgb(getComputedStyle(on).color)), light(ground)].sort((a, b) => a - b);
  const { fontSize, fontWeight } = getComputedStyle(on);
  const large = parseFloat(fontSize) >= 18.66 && fontWeight >= 700;
  if ((high + 0.05) / (low + 0.05) < (large ? 3 : 4.5))
    bad.push(`${on.tagName}.${on.className} ${walker.currentNode.data.trim().slice(0, 30)}: ${(high + 0.05) / (low + 0.05)}`);
}
return bad;
"""


@pytest.mark.parametrize("dark", [False, True])
def test_light_and_dark_can_be_read(screen, dark):
    model, loss = network()
    story = screen.open(draw(loss, model=model), dark=dark)
    paper = (LIGHT, DARK)[dark]["paper"]
    wanted = "rgb({}, {}, {})".format(*bytes.fromhex(paper[1:]))
    assert screen.style("body", "backgroundColor") == wanted
    ink = "rgb({}, {}, {})".format(*bytes.fromhex((LIGHT, DARK)[dark]["quiet"][1:]))
    quiet = f"text.f{film.CLASSES[LIGHT['quiet'].lower()]}"
    assert screen.style(f"#{key_of(story, 'relu')} {quiet}", "fill") == ink
    for step in (0, 3, 8, 13):
        screen.js(
            "const s = document.getElementById('film-slider'); s.value = arguments[0];"
            "s.dispatchEvent(new Event('input'))",
            step,
        )
        assert screen.js(READABLE) == []
    theme = screen.one("#film-theme")
    assert theme.get_attribute("aria-pressed") == str(dark).lower()
    theme.click()
    assert theme.get_attribute("aria-pressed") == str(not dark).lower()
    assert screen.style("body", "backgroundColor") != wanted


def test_a_phone(screen):
    model, loss = network()
    screen.open(draw(loss, model=model), width=375, height=720)
    for _ in range(4):
        screen.go("forward")
    assert screen.js("return document.documentElement.scrollWidth") <= 375
    for control in ("first", "back", "play", "forward", "last"):
        rect = screen.one(f'[data-go="{control}"]').rect
        assert rect["x"] >= 0 and rect["x"] + rect["width"] <= 375
        assert rect["y"] + rect["height"] <= 720
    stage, node = screen.one("#film-stage").rect, screen.one(f"#{screen.lit()[0]}").rect
    assert stage["y"] <= node["y"] + 5
    assert node["y"] + node["height"] <= stage["y"] + stage["height"] + 5
    panel = screen.one("#film-panel").rect
    assert panel["width"] == 375 and panel["height"] > 200


def test_zoom(screen):
    model, loss = network()
    screen.open(draw(loss, model=model))

    def width():
        return screen.one("#film-picture").rect["width"]

    start = width()
    screen.one('[data-zoom="in"]').click()
    assert width() == pytest.approx(1.25 * start, rel=0.01)
    screen.press("-", "-")
    assert width() == pytest.approx(start / 1.25, rel=0.01)
    screen.press("0")
    stage = screen.one("#film-stage").rect["width"]
    assert stage - 60 < width() <= stage
    fit = width()
    screen.js(
        "document.getElementById('film-stage').dispatchEvent(new WheelEvent('wheel', "
        "{deltaY: -100, ctrlKey: true, cancelable: true, clientX: 300, clientY: 300}))"
    )
    assert width() > 1.2 * fit


def test_motion_is_reduced_where_that_is_preferred(screen):
    _, y = reused()
    screen.open(draw(y))
    screen.go("forward")
    assert screen.style(".frame", "transitionProperty") == "none"
    screen.open(draw(y), motion="no-preference")
    screen.go("forward")
    assert "width" in screen.style(".frame", "transitionProperty")


def test_printed_it_is_the_whole_picture_on_white(screen):
    model, loss = network()
    story = screen.open(draw(loss, model=model), dark=True)
    screen.go("forward")
    screen.media("print", dark=True)
    assert screen.style("body", "backgroundColor") == "rgb(255, 255, 255)"
    assert {screen.style(f"#{key}", "opacity") for key in story["cards"]} == {"1"}
    assert not screen.one("#film-controls").is_displayed()
    assert not screen.one("#film-panel").is_displayed()


def chain():
    x = tensor([1.0, 2.0], requires_grad=True, name="x")
    y = x
    for _ in range(500):
        y = y * 1.001
    return y


def second_derivative():
    x = tensor(2.0, requires_grad=True, name="x")
    return grad(lambda x: x.tanh() * x, create_graph=True)(x)


@pytest.mark.parametrize(
    ("make", "options", "steps"),
    [
        (network, {"view": "forward"}, 7),
        (network, {"view": "backward"}, 8),
        (network, {"grads": False}, 15),
        (network, {"formulas": False}, 15),
        (network, {"depth": 0}, 9),
        (network, {"direction": "LR"}, 15),
        (network, {"compare": {"0.weight": np.ones((4, 3), "float32")}}, 15),
        (reused, {"constants": True}, 9),
        (chain, {}, 163),
        (second_derivative, {}, None),
        (lambda: tensor(1.0), {}, 0),
    ],
)
def test_every_kind_of_drawing_is_a_film(screen, make, options, steps):
    made = make()
    model, t = made if make is network else (None, made[1] if make is reused else made)
    story = screen.open(draw(t, model=model, **options))
    assert steps in (None, len(story["steps"]) - 1)
    for step in story["steps"][:20]:
        assert screen.say() == step["say"]
        assert screen.lit() == ([step["card"]] if "card" in step else [])
        screen.press("\ue014")
    screen.press("\ue010")
    assert screen.say() == story["steps"][-1]["say"]
    for key in list(story["cards"])[:12]:
        screen.js("document.getElementById(arguments[0]).focus()", key)
        screen.press("\ue007")
        assert screen.say().startswith("Selected: ")
        assert "undefined" not in screen.one("#film-panel").text


def test_without_a_renderer_the_film_runs_all_the_same(screen, monkeypatch):
    monkeypatch.setattr(renderers, "candidates", lambda backend: iter(()))
    model, loss = network()
    story = screen.open(draw(loss, model=model))
    loss.backward()
    screen.press(*["\ue014"] * 3)
    assert screen.lit() == [key_of(story, "relu")]
    screen.one(f"#{key_of(story, '0.bias')}").click()
    grad = model[0].bias.grad.numpy()
    assert np.array_equal(screen.array("db1")[0].astype("float32"), grad)


def test_every_minus_is_one(screen):
    x = tensor([-1.5e-6, 2.5e-6], requires_grad=True, name="x")
    screen.open(draw(x * 3))
    screen.go("forward")
    said = screen.one("#film-card").text
    assert "−4.5e−6" in said and "7.5e−6" in said and "e-" not in said


def test_a_value_that_was_overwritten_has_no_number(screen):
    x = tensor([1.0, 2.0], requires_grad=True, name="x")
    y = x * 2
    y += 1
    screen.open(draw(y))
    screen.go("forward")
    said = screen.one("#film-card").text
    assert "the values are gone" in said and "norm 2.236" in " ".join(said.split())
    assert "NaN" not in said and "undefined" not in said


def test_a_phone_shows_the_judgement_in_full_width(screen):
    x = tensor([1.0, 2.0], requires_grad=True, name="x")
    graph = draw((x * x).sum(), compare={"x": np.array([1.0, 2.0], "float32")})
    screen.open(graph, width=390, height=780)
    assert screen.js("return document.querySelector('.judgement').offsetWidth") > 350


def test_what_is_saved_and_where_it_was_made_is_typeset():
    _, loss = network()
    story = story_of(draw(loss).to_html())
    assert ["H", "W2ᵀ"] in [c.get("saved") for c in story["cards"].values()]
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
