"""In a browser: nets are trained, seen epoch by epoch, drawn and derived."""

import re

import numpy as np
import pytest

from tests.playground.shared import LONG

BY_HAND = """  // the page's timers are run by the test
window.usualTimers = [window.setInterval, window.clearInterval];
window.timersByHand = new Set();
window.setInterval = (tick) => { timersByHand.add(tick); return tick; };
window.clearInterval = (tick) => timersByHand.delete(tick);
"""


def test_a_function_is_fitted_and_played(page):
    assert "token" not in page.driver.current_url
    assert page.one("#play").get_property("disabled")
    assert page.train(layers="2", epochs="30", samples="50") == "Trained for 30 epochs."
    assert page.text("#fit-title") == "sin x: 1-16-16-1 tanh, 50 points"
    assert page.text("#count") == "epoch 30 of 30"
    assert page.one("#progress").get_property("value") == 30
    assert not page.one("#stop").is_enabled()
    losses = page.losses()
    assert len(losses) == 31 and page.shown() == 30

    x = np.linspace(-np.pi, np.pi, 50)
    line = np.polyval(np.polyfit(x, np.sin(x), 1), x)
    assert np.allclose(page.curve("fit", 1), line, atol=1e-5)
    assert page.curve("loss", 1) == pytest.approx(2 * [np.mean((line - np.sin(x)) ** 2)], rel=1e-4)
    for index in (page.last(), 0, 7):  # the slider: what is shown is the net of that epoch
        page.slide(index)
        error = np.array(page.curve("fit", 2)) - np.sin(x)
        assert np.mean(error**2) == pytest.approx(losses[page.shown()], rel=1e-3)
        assert float(page.text("#facts .net")) == pytest.approx(losses[page.shown()], rel=1e-2)
        assert page.js("return document.getElementById('loss').data[2].x[0]") == page.shown()

    page.slide(page.last())
    page.js(BY_HAND)
    page.click("#play")
    assert page.one("#play").get_attribute("aria-label") == "Pause"
    for _ in range(5):
        page.js("timersByHand.forEach((tick) => tick())")
    assert page.shown() == 4  # from the beginning
    page.click("#play")
    assert page.js("return timersByHand.size") == 0 and page.shown() == 4
    page.js("[window.setInterval, window.clearInterval] = usualTimers")
    page.click("#play")
    page.until(lambda: page.shown() == 30)
    page.until(lambda: page.one("#play").get_attribute("aria-label") == "Play")


def test_a_training_is_seen_while_it_goes_on_and_stopped(page):
    page.fill(lr="0.0001", **LONG).click("#start")
    first = page.until(lambda: page.one("#progress").get_property("value"))
    page.until(lambda: page.one("#progress").get_property("value") > first)
    page.until(lambda: page.last() > 3 and page.shown() > 0)
    page.slide(1)  # who looks at an early epoch is not taken away from it
    early = page.shown()
    count = page.last()
    page.until(lambda: page.last() > count)
    assert page.shown() == early
    follows = page.js(  # at once, before the next frame comes
        "const slider = document.getElementById('slider'), follows = [];"
        "slider.value = now.frames.length - 1; slider.dispatchEvent(new Event('input'));"
        "follows.push(now.live); document.getElementById('play').click();"
        "follows.push(now.live); return follows"
    )
    assert follows == [True, False]  # a play is not drawn to the newest epoch
    page.click("#play")
    page.click("#stop")
    end = page.until(lambda: page.text("#end"))
    epoch = int(re.fullmatch(r"Stopped after ([\d,]+) of 20,000 epochs\.", end)[1].replace(",", ""))
    assert len(page.losses()) == epoch + 1 < 20_000
    page.slide(page.last())
    assert page.shown() == epoch
    page.open()  # the page loaded again shows the same run
    assert page.until(lambda: page.text("#end")) == end
    assert page.one('[name="units"]').get_attribute("value") == "64"
    assert len(page.losses()) == epoch + 1


def test_points_are_classified(page):
    page.click(".tasks label:nth-child(2)")
    assert not page.one('[name="target"]').is_displayed()
    end = page.train(cloud="rings", epochs="300", samples="90", layers="1", units="12")
    assert end == "Trained for 300 epochs."
    assert page.text("#fit-title") == "rings: 2-12-3 tanh, 90 points"
    facts = [fact.text.splitlines() for fact in page.all("#facts div")]
    names = ["loss of the net", "of the linear classifier", "right, in training",
             "right, held out", "held out, linear"]  # fmt: skip
    assert [name for name, _ in facts] == names
    values = [float(value.removesuffix(" %")) for _, value in facts]
    assert values[0] < values[1] / 2 and values[3] > values[4] + 20
    picture = "return document.getElementById('fit').layout.images[0].source"
    after = page.js(picture)
    page.slide(0)
    assert page.js(picture) != after
    assert after.startswith("data:image/png;base64,")


def test_the_graph_and_the_derivation_are_of_the_epoch_of_the_slider(page):
    page.train(epochs="50", units="5", layers="1", samples="20", seed="3")
    losses = page.losses()
    for index in (0, page.last()):
        page.click("#tab-graph")
        page.slide(index)
        loss = losses[page.shown()]
        page.click("#show-graph")
        frame = page.until(lambda: page.one("#film").is_displayed() and page.one("#film"))
        assert frame.get_attribute("sandbox") == "allow-scripts"
        page.driver.switch_to.frame(frame)
        try:
            told = page.until(lambda: [f.text for f in page.all(".facts")])[0]
            assert float(re.match(r"loss (\S+)", told)[1]) == pytest.approx(loss, rel=1e-3)
            page.click('[data-go="forward"]')
            assert page.text("#film-count") == "step 1 of 17"
            assert page.js("return self.origin") == "null"
        finally:
            page.driver.switch_to.default_content()
        epoch = page.text("#epoch")
        page.until(lambda: page.text("#graph-epoch") != "Drawing …")
        assert page.text("#graph-epoch") == f"of {epoch}"
        page.js("document.getElementById('film').removeAttribute('src')")
        page.click("#tab-derivation")
        page.click("#show-derivation")
        page.click_when_there('[name="form"][value="text"]')
        found = page.until(lambda: re.match(r"loss = ([\d.]+)", page.text("#derived")))
        assert float(found[1]) == pytest.approx(loss, abs=1e-5)
        assert "d_W_fc1 = d_fc1.T @ x" in page.text("#derived")
        assert page.text("#derivation-epoch") == f"of {epoch}"
        page.train(epochs="50")  # again; what was drawn is put away
        assert not page.one("#maths").is_displayed() and not page.one("#derived").is_displayed()
        assert page.js("return document.getElementById('graph-epoch').textContent") == ""


def test_the_derivation_is_set_as_formulas_and_shown_as_text_and_code(page):
    page.train(epochs="20", units="5", layers="1", samples="20")
    page.click("#tab-derivation")
    page.click("#show-derivation")
    page.until(lambda: page.one("#maths").is_displayed())
    formulas = page.js(
        "return [...document.querySelectorAll('#maths math')].map((m) =>"
        "[m.namespaceURI, m.textContent, m.getBoundingClientRect().height])"
    )
    assert {namespace for namespace, _, _ in formulas} == {"http://www.w3.org/1998/Math/MathML"}
    assert all(height > 4 for _, _, height in formulas)
    assert any("dWfc1=dfc1⊤" in re.sub(r"\s", "", text) for _, text, _ in formulas)
    assert "\\" not in page.text("#maths") and "$" not in page.text("#maths")
    fraction = page.js(
        "const f = document.querySelector('#maths mfrac');"
        "return [...f.children].map((part) => part.getBoundingClientRect().top)"
    )
    assert fraction[0] < fraction[1]  # set one over the other, by the browser alone
    page.click('[name="form"][value="numpy"]')
    assert page.text("#derived").startswith("import numpy as np")
    assert not page.one("#maths").is_displayed()
    page.click('[name="form"][value="markdown"]')
    assert "$" in page.text("#derived")
    page.click('[name="form"][value="maths"]')
    assert page.one("#maths").is_displayed() and not page.one("#derived").is_displayed()


def test_a_run_that_another_window_replaced_is_not_drawn(page):
    page.train(epochs="20", layers="1")
    page.js(
        "return fetch('/start', {method: 'POST', headers: {'Content-Type': 'application/json'},"
        "body: JSON.stringify(Object.fromEntries(new FormData(document.getElementById('form'))))})"
        ".then((r) => r.json())"
    )
    page.click("#tab-derivation")
    page.click("#show-derivation")
    told = page.until(lambda: page.text("#derivation-problem"))
    assert told == "That run is gone: another was started in a window of this browser."
    assert not page.one("#maths").is_displayed()
    page.click("#tab-graph")
    page.click("#show-graph")
    assert page.until(lambda: page.text("#graph-problem")) == told
    assert not page.one("#film").is_displayed() and page.text("#graph-epoch") == ""
    page.driver.get_log("browser")  # it notes the 409


def test_the_page_asks_again_when_there_is_no_answer(page):
    page.fill(lr="0.0001", **LONG).click("#start")
    page.until(lambda: page.last() > 1)
    network = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    tell = page.driver.execute_cdp_cmd
    tell("Network.enable", {})
    tell("Network.emulateNetworkConditions", network | {"offline": True})
    try:
        page.until(lambda: page.text("#end") == "No answer; trying again …")
        count = len(page.losses())
        page.click("#show-graph")
        told = page.until(lambda: page.text("#graph-problem"))
        assert told == "The playground does not answer: was it ended in the terminal?"
        assert not page.one("#film").is_displayed()
    finally:
        tell("Network.emulateNetworkConditions", network | {"offline": False})
    page.until(lambda: len(page.losses()) > count and page.text("#end") == "")
    page.click("#stop")
    assert page.until(lambda: page.text("#end")).startswith("Stopped after")
    page.driver.get_log("browser")  # it notes each failure


def test_bad_numbers_are_told_at_their_fields_and_nothing_runs(page):
    before = page.text("#fit-title"), page.text("#end")
    bad = {
        "layers": "9",
        "units": "many",
        "lr": "-1",
        "samples": "",
        "epochs": "1e9",
        "seed": "1.5",
    }
    page.fill(**bad).click("#start")
    page.until(lambda: page.text("#problem") == "Nothing was started.")
    for name in bad:
        field = page.one(f'[name="{name}"]')
        assert field.get_attribute("aria-invalid") == "true"
        told = page.text(f"#{field.get_attribute('aria-describedby')}")
        assert told.startswith(("It must be", "Give a number", "'")), name
    assert len(page.all(".fields .problem")) == len(bad)
    assert page.js("return document.activeElement.name") == "layers"
    assert (page.text("#fit-title"), page.text("#end")) == before
    assert not page.one("#stop").is_enabled()
    page.fill(layers="1", units="3", lr="0.01", samples="10", seed="0")
    assert page.train(epochs="10") == "Trained for 10 epochs."
    assert not page.all("[aria-invalid]") and not page.text("#problem")


def test_the_name_of_the_baseline_is_where_no_curve_is(page):
    side = "return document.getElementById(arguments[0]).layout.annotations[0].yanchor"
    page.train(target="wave", epochs="30")  # a line that falls, and a loss that stays above its own
    assert [page.js(side, chart) for chart in ("fit", "loss")] == ["bottom", "top"]
    page.train(target="sin", epochs="300")
    assert [page.js(side, chart) for chart in ("fit", "loss")] == ["top", "bottom"]


def test_before_the_first_training_a_small_screen_has_no_empty_charts(page):
    page.open(390, 844)
    assert not page.one("#loss").is_displayed()
    assert page.js("return document.getElementById('fit').offsetHeight") < 150
    page.train(epochs="10")
    heights = "return [...document.querySelectorAll('.chart')].map((c) => c.offsetHeight)"
    assert page.js(heights) == [270, 270]
    drawn = "return [...document.querySelectorAll('.chart .main-svg')].map((c) => +c.clientHeight)"
    assert set(page.js(drawn)) == {270}


def test_divergence_is_told_with_what_helps(page):
    end = page.train(activation="relu", layers="3", lr="10", epochs="100")
    assert end.startswith("It diverged") and "Kaiming" in end
    page.slide(0)
    page.slide(page.last())
    assert page.text("#facts .net") == "no number"


@pytest.mark.parametrize(("width", "dark"), [(1360, False), (820, True), (375, False)])
def test_it_fits_the_screen_and_can_be_used_by_keyboard(page, width, dark):
    page.open(width, 800, dark)
    page.train(epochs="20", layers="1")
    page.click("#tab-check")
    page.compare(None)
    assert page.js("return document.documentElement.scrollWidth") <= width
    ground = page.js("return getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(18, 22, 31)" if dark else "rgb(255, 255, 255)")
    for field in page.all("input:not([type=radio]), select, button, textarea"):
        if field.is_displayed():
            assert field.accessible_name
    page.one("#tab-check").send_keys("\ue012")  # arrow to the left
    assert page.one("#derivation").is_displayed() and not page.one("#check").is_displayed()
