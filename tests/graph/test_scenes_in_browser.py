"""Opening and closing modules of the film, finding names: by click and by keyboard."""

import pytest

from autograd_lite.graph import draw
from tests.graph import gallery
from tests.graph.test_film_in_browser import Screen, key_of
from tests.helpers import open_chromium, until

BACKSPACE, ENTER = "\ue003", "\ue007"


@pytest.fixture(scope="module")
def chromium():
    driver = open_chromium()
    yield driver
    driver.quit()


@pytest.fixture
def screen(chromium, tmp_path):
    screen = Screen(chromium, tmp_path)
    yield screen
    errors = [entry for entry in chromium.get_log("browser") if entry["level"] != "INFO"]
    assert not errors


def place(screen):
    """What the trail says is open."""
    return screen.js("return document.querySelector('#film-trail [aria-current]').textContent")


def titles(screen):
    nodes = "[...document.querySelectorAll('#film-picture .node')]"
    return screen.js(f"return {nodes}.map((node) => node.getAttribute('aria-label'))")


@pytest.fixture
def gpt(screen):
    return screen.open(gallery.drawn("gpt"), width=1500, height=1000)


def test_a_click_opens_a_module_and_another_closes_it(screen, gpt):
    attention = key_of(gpt, "blocks.*.attn")
    assert place(screen) == "GPT"
    assert screen.one(f"#{attention}").get_attribute("aria-expanded") == "false"
    screen.one(f"#{attention} text").click()
    until(lambda: place(screen) == "blocks.0.attn")
    assert any("softmax" in title for title in titles(screen))
    assert len(screen.all("#film-picture .node")) == len(gpt["scenes"]["blocks.0.attn"]["cards"])
    steps = gpt["scenes"]["blocks.0.attn"]["steps"]
    assert screen.one("#film-slider").get_attribute("max") == str(len(steps) - 1)
    screen.press("\ue014")
    assert screen.say() == steps[1]["say"]
    screen.js("document.querySelector('.closes text').scrollIntoView({block: 'center'})")
    screen.one(".closes text").click()
    until(lambda: place(screen) == "GPT")
    assert len(screen.all("#film-picture .node")) == len(gpt["cards"])


def test_modules_in_modules_open_by_the_keyboard(screen, gpt):
    screen.js("document.getElementById(arguments[0]).focus()", key_of(gpt, "blocks.*.attn"))
    screen.press(ENTER)
    until(lambda: place(screen) == "blocks.0.attn")
    inner = gpt["scenes"]["blocks.0.attn"]
    query = next(k for k, c in inner["cards"].items() if c.get("opens") == "blocks.0.attn.q")
    screen.js("document.getElementById(arguments[0]).focus()", query)
    screen.press(ENTER)
    until(lambda: place(screen) == "blocks.0.attn.q")
    assert [b.text.removeprefix("›").strip() for b in screen.all("#film-trail button")] == [
        "GPT", "blocks.0.attn", "blocks.0.attn.q",
    ]  # fmt: skip
    screen.press(BACKSPACE)
    until(lambda: place(screen) == "blocks.0.attn")
    focus = screen.js("return document.activeElement.id")
    assert inner["cards"][focus].get("opens") == "blocks.0.attn.q"  # where it was
    screen.press(BACKSPACE)
    until(lambda: place(screen) == "GPT")
    screen.press(BACKSPACE)
    assert place(screen) == "GPT"


def test_a_name_is_found_in_what_is_closed_too(screen, gpt):
    screen.press("/")
    screen.press(*"softmax")
    (first, *_) = screen.all("#film-card li button")
    assert first.text.split()[0] == "softmax" and "in blocks.0.attn" in first.text
    screen.press(ENTER)
    until(lambda: place(screen) == "blocks.0.attn")
    assert screen.say().startswith("Selected: softmax")
    assert screen.all(".node.picked")
    screen.press("/")
    assert screen.js("return document.activeElement.id") == "film-search"
    screen.press(*"no such name")
    assert screen.one("#film-card h3").text == "Found: 0"
    screen.press("\ue00c")
    assert screen.one("#film-search").get_attribute("value") == ""


def test_a_small_net_has_no_trail_and_asks_for_nothing(screen):
    screen.open(gallery.drawn("mlp"))
    assert not screen.one("#film-trail").is_displayed()
    assert not screen.all(".opens")
    log = [e for e in screen.driver.get_log("performance") if "requestWillBeSent" in e["message"]]
    assert all("file://" in e["message"] or "data:" in e["message"] for e in log)


def test_what_a_depth_folds_opens(screen):
    g = draw(*[gallery.SelfAttention(8), gallery.randn(2, 5, 8)], depth=0)
    story = screen.open(g)
    screen.one(f"#{key_of(story, 'out')} text").click()
    until(lambda: place(screen) == "out")
    assert any("matmul" in title for title in titles(screen))


def test_the_page_says_how_large_it_is(screen, gpt):
    path = screen.folder / "net.html"
    size = path.stat().st_size
    said = screen.one(".keys").text
    assert f"{size / 1000:.0f} kB" in said and size < 1_500_000
