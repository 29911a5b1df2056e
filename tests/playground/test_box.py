"""In a browser: the box for a backward of one's own."""

import pytest

from autograd_lite.playground.layers import LAYERS
from tests.playground.shared import RIGHT


def test_a_backward_is_compared(page):
    page.click("#tab-check")
    assert page.compare(None) == "Not right yet"
    rows = [row.text.splitlines() for row in page.all("#verdict li")]
    assert rows[0][:3] == ["b", "(4,)", "wrong here"]
    assert "mean over the batch for the sum" in rows[0][3]
    assert [row[2] for row in rows[1:]] == ["ok", "ok"]
    assert page.all("#verdict .fix")[0].text.splitlines()[1].strip() == "->  db = g.sum(axis=0)"
    assert page.compare(RIGHT["linear"]) == "Every gradient is right."
    assert page.compare(RIGHT["softmax"], "softmax") == "Every gradient is right."
    evil = "def backward(g, x):\n    raise ValueError('<img src=x onerror=\"pwned=1\">')"
    assert page.compare(evil, "tanh") == "Not right yet"
    assert "<img src=x" in page.text("#verdict") and not page.all("#verdict img")
    assert page.js("return window.pwned") is None


def test_what_was_written_is_there_again_after_a_look_at_another_layer(page):
    from selenium.webdriver.support.ui import Select

    page.click("#tab-check")
    page.one("#code").send_keys("# mine")
    mine = page.one("#code").get_property("value")
    layer = Select(page.one("#layer"))
    layer.select_by_value("tanh")
    assert "mine" not in page.one("#code").get_property("value")
    layer.select_by_value("linear")
    assert page.one("#code").get_property("value") == mine
    page.click("#again")
    assert page.one("#code").get_property("value") == LAYERS["linear"].backward


def test_a_verdict_is_of_the_layer_that_is_shown(page):
    page.click("#tab-check")
    page.js("document.getElementById('code').value = 'while True: pass'")
    page.click("#run")
    assert not page.one("#layer").is_enabled() and not page.one("#again").is_enabled()
    page.until(lambda: page.all("#verdict h2"))
    assert page.one("#layer").is_enabled() and page.one("#again").is_enabled()


def test_on_a_small_screen_the_verdict_comes_into_sight(page):
    page.open(390, 700)
    page.click("#tab-check")
    page.js("document.getElementById('layer').scrollIntoView()")
    page.compare(None)
    top = "return document.querySelector('#verdict h2').getBoundingClientRect().bottom"
    assert 0 < page.js(top) <= 700


@pytest.mark.parametrize(
    ("code", "heading", "told"),
    [
        ("while True: pass", "No verdict", "ended after 1 second of computing"),
        ("def backward(g, x):\n    return np.ones(1 << 40)", "Not right yet", "MemoryError"),
        (
            "import socket\ndef backward(g, x):\n    socket.create_connection(('127.0.0.1', 80))",
            "Not right yet",
            "is refused here",
        ),
        ("import os; os.system('ls')", "No verdict", "os.system is refused here"),
        ("print('hello')\nbackward = 1", "No verdict", "no function called backward"),
    ],
)
def test_code_that_does_something_else_harms_nothing(page, code, heading, told):
    page.click("#tab-check")
    assert page.compare(code, "tanh") == heading
    assert told in page.text("#verdict")
    assert ("hello" in page.text("#verdict")) == ("hello" in code)
    assert page.compare(RIGHT["tanh"]) == "Every gradient is right."
