"""In a browser: the box for a backward of one's own."""

import pytest

from tests.playground.shared import RIGHT


def test_a_backward_is_compared(page):
    page.click("#tab-check")
    assert page.compare(None) == "Not right yet"
    rows = [row.text.splitlines() for row in page.all("#verdict li")]
    assert rows[0][:3] == ["b", "(4,)", "wrong here"]
    assert "mean over the batch for the sum" in rows[0][3]
    assert [row[2] for row in rows[1:]] == ["ok", "ok"]
    assert page.compare(RIGHT["linear"]) == "Every gradient is right."
    assert page.compare(RIGHT["softmax"], "softmax") == "Every gradient is right."
    evil = "def backward(g, x):\n    raise ValueError('<img src=x onerror=\"pwned=1\">')"
    assert page.compare(evil, "tanh") == "Not right yet"
    assert "<img src=x" in page.text("#verdict") and not page.all("#verdict img")
    assert page.js("return window.pwned") is None


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
