"""One server and one Chromium for all tests of the page."""

import socket
import threading

import pytest

from tests.helpers import open_chromium
from tests.playground.browser import Page
from tests.playground.shared import CODE, LIMITS, TOKEN


@pytest.fixture(scope="package")
def chromium():
    driver = open_chromium()
    yield driver
    driver.quit()


@pytest.fixture(scope="package")
def address():
    """The address of a server, without the token; its sessions end with the tests."""
    for name in ("flask", "plotly", "latex2mathml"):
        pytest.importorskip(name, reason=f"needs {name}")
    from autograd_lite.playground.server import serve

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = serve(listening, TOKEN, CODE, LIMITS)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.app.extensions["sessions"].stop()
        server.shutdown()
        thread.join()


@pytest.fixture
def page(chromium, address):
    # each test is a browser that was not here before
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})
    page = Page(chromium, address).open()
    yield page
    errors = [entry for entry in chromium.get_log("browser") if entry["level"] != "INFO"]
    assert not [e for e in errors if "422" not in e["message"]], errors
