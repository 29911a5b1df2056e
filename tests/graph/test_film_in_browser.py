"""The film in a browser: what moves, what is read, what is asked for."""

import json
import time

import numpy as np
import pytest

from autograd_lite import grad, manual_seed, randn, tensor
from autograd_lite.graph import draw, film
from autograd_lite.graph import render as renderers
from autograd_lite.graph.theme import DARK, LIGHT
from tests.graph.films import EVIL, card_of, network, reused, story_of
from tests.helpers import open_chromium, until


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
    relu, first = key_of(story, "relu"), key_of(story, "m1")

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
        for shown, wanted in ((symbol, p.array), (f"d{symbol}", p.grad.numpy())):
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
        "dw", "(10,", "7)", "=", "dh", "(10,", "7)", "×", "(1", "−", "h", "(10,", "7)", "×",
        "h", "(10,", "7)", ")",
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
    until(lambda: screen.step() >= 2)
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
    until(lambda: screen.step() >= last)
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
    assert screen.say() == "Selected: relu h, shape (5, 4)." and screen.step() == 1
    assert "films.py, line" in screen.one(".source").text
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
        ("button", "relu h, shape (5, 4)"),
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
    screen.one(f"#{key_of(story, 'src_x_onerror_pwned_1_story')}").click()
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
        (chain, {}, 3),
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
        assert screen.say().startswith(("Selected: ", "Open: "))  # a folded module opens
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


def test_a_map_leads_through_what_is_larger_than_the_screen(screen):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    x = h = tensor([1.0, 2.0], requires_grad=True, name="x")
    for _ in range(30):
        h = h.tanh()
    story = screen.open(draw(h.sum(), collapse=False))
    tall = "return document.getElementById('film-stage').scrollTop"
    assert len(screen.all("#film-map .card")) == len(story["cards"])
    screen.js("document.getElementById('film-map').focus()")
    at = screen.js(tall)
    screen.press(Keys.ARROW_DOWN)
    until(lambda: screen.js(tall) > at)
    assert screen.step() == 0  # the arrows move the view, not the film
    share = "const v = document.querySelector('#film-map .view'); return [+v.getAttribute('y'), +v.getAttribute('height')]"
    until(lambda: screen.js(share)[0] > 0)
    ActionChains(screen.driver).move_to_element(screen.one("#film-map")).click().perform()
    until(lambda: abs(sum(screen.js(share)) - screen.js(share)[1] / 2 - 0.5) < 0.02)
    screen.go("forward")
    assert screen.one("#film-map .now").get_attribute("data-of") == screen.lit()[0]
    screen.press("m")
    assert not screen.one("#film-map").is_displayed()
    screen.press("m")
    assert screen.one("#film-map").is_displayed()
    screen.media("print")
    assert not screen.one("#film-map").is_displayed()
    screen.open(draw((x * x).sum()))
    assert not screen.one("#film-map").is_displayed()
    tools = [e.rect["y"] for e in (screen.one("#film-search"), screen.one("#film-theme"))]
    assert tools[0] == tools[1]  # side by side
