"""In a browser: two of them, and web sites that try to get in."""

import http.server
import json
import threading

from tests.helpers import open_chromium
from tests.playground.browser import Page
from tests.playground.shared import FIRST, LONG


def test_two_browsers_do_not_mix(page):
    other = open_chromium()
    try:
        second = Page(other, page.address).open()
        page.fill(target="square", lr="0.0001", **LONG).click("#start")
        page.until(lambda: page.last() > 1)
        assert second.text("#fit-title") == "The fit" and not second.one("#stop").is_enabled()
        assert second.train(target="abs", epochs="200", layers="1") == "Trained for 200 epochs."
        assert second.text("#fit-title").startswith("|x|: 1-16-1 tanh")
        assert len(second.losses()) == 201
        assert page.text("#fit-title").startswith("x²: 1-64-64-1") and not page.text("#end")
        page.click("#stop")
        assert page.until(lambda: page.text("#end")).startswith("Stopped")
        assert second.text("#end") == "Trained for 200 epochs."
        stranger = page.address.replace("127.0.0.1", "localhost")
        other.get(stranger)  # another name, without the cookie
        assert "needs the token of this start" in other.page_source
    finally:
        other.quit()


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """A web site that is open in the same browser, and tries."""

    target = ""

    def do_GET(self):
        page = """<!DOCTYPE html><link rel="icon" href="data:,"><script>
        const target = "TARGET", tries = [];
        const note = (name) => (what) => tries.push(name + ": " + what);
        const post = (path, type, body, mode) => fetch(target + path,
            {method: "POST", credentials: "include", mode, headers: {"Content-Type": type}, body});
        window.done = Promise.allSettled([
          post("/start", "text/plain", 'FORM', "no-cors"),
          post("/start", "application/json", 'FORM', "cors"),
          post("/check", "text/plain", '{"layer": "tanh", "code": ""}', "no-cors"),
          fetch(target + "/state", {credentials: "include"}),
          fetch(target + "/state", {credentials: "include", mode: "no-cors"}).then((r) => r.text()),
        ]).then((all) => all.map((one) => one.status + " " + (one.value?.type ?? one.value ?? "")));
        </script><script src="TARGET/page.js" onload="window.loaded=1"></script>
        <iframe src="TARGET/" id="inside"></iframe>"""
        body = page.replace("TARGET", self.target).replace("FORM", json.dumps(FIRST))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *given):
        pass


def test_a_site_that_is_open_in_the_same_browser_gets_nothing(chromium, address):
    page = Page(chromium, address).open()
    page.train(epochs="10", seed="77")
    shown = "return fetch('/state').then((r) => r.json())"
    before = page.until(lambda: (state := page.js(shown))["end"] and state)  # the run has ended
    Elsewhere.target = address
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        port = site.server_address[1]
        # the same machine, whose cookies are sent along, and a site that is another one
        for name in ("127.0.0.1", "localhost"):
            chromium.get(f"http://{name}:{port}/")
            tried = chromium.execute_async_script("window.done.then(arguments[0])")
            assert [one.strip() for one in tried] == 5 * ["rejected"]
            assert chromium.execute_script("return window.loaded") is None
            chromium.switch_to.frame(chromium.find_element("id", "inside"))
            assert "Playground" not in chromium.page_source
            chromium.switch_to.default_content()
        site.shutdown()
    page.driver.get(address)
    page.until(lambda: page.js("return document.body.dataset.ready") == "true")
    assert page.js(shown) == before
    assert before["form"]["seed"] == 77 and before["run"] >= 1


def test_a_wrong_token_opens_nothing(chromium, address):
    chromium.delete_all_cookies()
    chromium.get(f"{address}/?token=wrong")
    assert "needs the token of this start" in chromium.page_source
    assert not chromium.find_elements("css selector", "form")
    chromium.delete_all_cookies()


def test_nothing_is_asked_of_others(page):
    page.train(epochs="10")
    page.click("#show-graph")
    page.until(lambda: page.one("#film").is_displayed())
    asked = set()
    for entry in page.driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.add(message["params"]["request"]["url"])
    own = {url for url in asked if url.startswith((page.address, "data:"))}
    assert asked == own and f"{page.address}/plotly.js" in own
