"""Who may ask the server, and what it answers."""

import re
import socket
import threading
import time

import pytest

pytest.importorskip("flask", reason="needs flask")

from autograd_lite.graph import render as renderers
from autograd_lite.playground import box, server
from autograd_lite.playground.server import (
    MOST_SESSIONS,
    MOST_TRAININGS,
    Handler,
    Once,
    create,
    serve,
)
from autograd_lite.playground.training import Run
from autograd_lite.sandbox.process import Limits
from tests.playground.shared import CODE, FIRST, GONE, LIMITS, LONG, TOKEN


class Client:
    """A browser without a screen, for port 5000."""

    base = "http://127.0.0.1:5000"

    def __init__(self, app=None):
        self.flask = (app or create(5000, TOKEN, CODE, LIMITS)).test_client()

    def get(self, path, **headers):
        return self.flask.get(path, headers=named(headers), base_url=self.base)

    def post(self, path, body, **headers):
        headers = {"Origin": self.base} | named(headers)
        return self.flask.post(path, json=body, headers=headers, base_url=self.base)


def named(headers):
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
def client():
    client = Client()
    assert (
        client.get(
            "/",
        ).status_code
        == 403
    )
    assert client.get(f"/?token={TOKEN}").status_code == 303
    yield client
    client.flask.application.extensions["sessions"].stop()


PATHS = (
    "/",
    "/page.css",
    "/page.js",
    "/plotly.js",
    "/form",
    "/state",
    "/frame",
    "/film",
    "/nothing",
)


def test_the_code_opens_the_page_once_and_soon():
    app = create(5000, TOKEN, CODE, LIMITS)
    assert Client(app).get("/?once=wrong").status_code == 403
    assert Client(app).get(f"/form?once={CODE}").status_code == 403
    first = Client(app)
    answer = first.get(f"/?once={CODE}")
    assert answer.status_code == 303 and answer.headers["Location"] == "/"
    assert first.get("/").status_code == 200
    assert Client(app).get(f"/?once={CODE}").status_code == 403
    assert Once(CODE).take(CODE) and not Once(CODE, seconds=0).take(CODE)


@pytest.mark.parametrize("path", PATHS)
def test_without_the_token_nothing_is_answered(path):
    for query in ("", "?token=", "?token=wrong", f"?token={TOKEN}x", "?token=%ff"):
        answer = Client().get(path + query)
        assert answer.status_code == 403
        assert "needs the token of this start" in answer.text
        assert "Set-Cookie" not in answer.headers


def test_a_cookie_that_was_made_up_is_refused(client):
    site = {"domain": "127.0.0.1"}
    token, _, name = client.flask.get_cookie("playground-5000", **site).value.partition(".")
    assert token == TOKEN
    for value in (f"wrong.{name}", name, "", f".{name}", f"{token}x.{name}"):
        client.flask.set_cookie("playground-5000", value, **site)
        assert client.get("/").status_code == 403
    for value in (f"{token}.wrong", token):  # of a session that is forgotten
        client.flask.set_cookie("playground-5000", value, **site)
        answer = client.get("/state")
        assert answer.status_code == 403
        assert answer.text == "16 other browsers came since; load this page again.\n"
        assert client.get("/").status_code == 303
        assert client.get("/state").json == {"run": 0}


def test_the_cookie_is_for_this_site_and_no_script():
    answer = Client().get(f"/?token={TOKEN}")
    assert answer.headers["Location"] == "/"
    assert {"HttpOnly", "SameSite=Strict"} <= set(answer.headers["Set-Cookie"].split("; "))


def test_who_has_the_token_is_answered(client):
    for path in ("/", "/page.css", "/page.js", "/form", "/state"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "default-src 'none'; script-src 'self';" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"
    assert client.get("/nothing").status_code == 404
    assert client.get("/../server.py").status_code == 404


def test_the_port_that_browsers_leave_out_is_answered():
    app = create(80, TOKEN, CODE, LIMITS).test_client()
    for base in ("http://127.0.0.1", "http://127.0.0.1:80", "http://localhost"):
        assert app.get(f"/?token={TOKEN}", base_url=base).status_code == 303


@pytest.mark.parametrize("host", ["evil.example:5000", "127.0.0.1", "127.0.0.1:81", "[::1]:5000"])
def test_a_name_that_was_made_to_point_here_is_refused(client, host):
    answer = client.get(f"/?token={TOKEN}", Host=host)
    assert answer.status_code == 421 and "Set-Cookie" not in answer.headers
    assert client.post("/start", FIRST, Host=host, Origin=f"http://{host}").status_code == 421


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://127.0.0.1:5001", "http://localhost:5000", "null",
     "https://127.0.0.1:5000", ""],
)  # fmt: skip
def test_other_origins_are_refused(client, origin):
    for path, body in (("/start", FIRST), ("/check", {"layer": "tanh", "code": ""}), ("/stop", {})):
        assert client.post(path, body, Origin=origin).status_code == 403
    assert client.get("/form", Origin=origin).status_code == 403
    assert client.get("/state").json == {"run": 0}


def test_other_sites_are_refused_where_the_browser_tells_them(client):
    for site in ("cross-site", "same-site"):
        assert client.get("/form", Sec_Fetch_Site=site).status_code == 403
        assert client.get(f"/?token={TOKEN}", Sec_Fetch_Site=site).status_code == 403
    assert client.get("/form", Sec_Fetch_Site="same-origin").status_code == 200


def test_a_form_of_another_site_cannot_post(client):
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data"):
        answer = client.flask.post(
            "/start", data="{}", base_url=client.base,
            headers={"Origin": client.base, "Content-Type": kind},
        )  # fmt: skip
        assert answer.status_code == 403
    without = client.flask.post("/start", json=FIRST, base_url=client.base)
    assert without.status_code == 403
    for changing in ("/start", "/stop", "/check"):
        assert client.get(changing).status_code == 405


def test_bad_requests_break_nothing(client):
    assert client.post("/start", [1]).status_code == 400
    assert client.post("/check", {"layer": 1, "code": 2}).status_code == 400
    assert client.post("/check", []).status_code == 400
    assert client.post("/start", FIRST | {"units": "x" * 200_000}).status_code == 413
    broken = {"Origin": client.base, "Content-Type": "application/json"}
    answer = client.flask.post("/start", data="{", headers=broken, base_url=client.base)
    assert answer.status_code == 400
    deep = "[" * 60_000
    answer = client.flask.post("/start", data=deep, headers=broken, base_url=client.base)
    assert answer.status_code == 400
    for path in ("/frame", "/film", "/graph.svg?run=1&frame=0", "/derivation?run=1&frame=x"):
        assert client.get(path).status_code == 404
    wrong = client.post("/start", FIRST | {"units": "0", "lr": "x"})
    assert wrong.status_code == 422 and set(wrong.json["wrong"]) == {"units", "lr"}
    assert client.get("/state").json == {"run": 0}


def test_a_new_start_ends_the_last_one_and_many_browsers_do_not_pile_up(client):
    long = FIRST | LONG
    known = client.flask.application.extensions["sessions"]
    (first,) = known._known.values()
    assert client.post("/start", long).json["run"] == 1
    run = first.run
    assert client.post("/start", long).json["run"] == 2
    assert not run.thread.is_alive() and run.end.startswith("Stopped after")
    assert first.run.thread.is_alive()
    for _ in range(MOST_SESSIONS):
        known.new()
    assert not first.run.thread.is_alive()
    assert client.get("/state").status_code == 403
    assert client.get("/").status_code == 303  # anew
    assert client.get("/state").json == {"run": 0}


def test_a_browser_that_is_dropped_while_it_starts_trains_nothing(client, monkeypatch):
    known = client.flask.application.extensions["sessions"]
    (first,) = known._known.values()
    dropped = threading.Event()
    begin = Run.__init__

    def slow(run, *given):
        dropping.start()
        dropped.wait(0.2)  # the other thread waits for this start, or it is too late
        begin(run, *given)

    def drop():
        for _ in range(MOST_SESSIONS):
            known.new()
        dropped.set()

    dropping = threading.Thread(target=drop)
    monkeypatch.setattr(Run, "__init__", slow)
    client.post("/start", FIRST | LONG)
    dropping.join()
    monkeypatch.undo()
    assert not first.run.thread.is_alive()
    with pytest.raises(server.Refused, match="16 other browsers came since; load this page again"):
        first.start(first.run.form, threading.Semaphore())


def test_only_so_many_nets_are_trained_at_once():
    app = create(5000, TOKEN, CODE, LIMITS)
    clients = [Client(app) for _ in range(MOST_TRAININGS + 1)]
    try:
        for one in clients:
            one.get(f"/?token={TOKEN}")
        for one in clients[:-1]:
            assert one.post("/start", FIRST | LONG).status_code == 200
        refused = clients[-1].post("/start", FIRST | LONG)
        assert refused.status_code == 503
        assert refused.text == "4 nets are training already; stop one of them.\n"
        assert clients[-1].get("/state").json == {"run": 0}
        again = clients[0].post("/start", FIRST | LONG)  # its own ends first
        assert again.json["run"] == 2
        clients[0].post("/stop", {})
        assert clients[-1].post("/start", FIRST | LONG).status_code == 200
        short = FIRST | {"epochs": "1"}
        clients[-1].post("/stop", {})
        for _ in range(2 * MOST_TRAININGS):  # each gives its place back
            assert clients[0].post("/start", short).status_code == 200
    finally:
        app.extensions["sessions"].stop()


def test_what_waits_too_long_for_its_turn_is_told_so(monkeypatch):
    monkeypatch.setattr(server, "MOST_DRAWINGS", 0)
    monkeypatch.setattr(server, "PATIENCE", 0.05)
    one = Client()
    one.get(f"/?token={TOKEN}")
    one.post("/start", FIRST | {"epochs": "1"})
    while not one.get("/state").json["end"]:
        time.sleep(0.01)
    answer = one.get("/film?run=1&frame=0")
    assert answer.status_code == 503
    assert answer.text == "Others are drawing; try again when they have ended.\n"
    monkeypatch.setattr(box, "ROOM", threading.BoundedSemaphore(1))
    with box.ROOM:
        told = box.judge("tanh", "", Limits(wall=0.05))
    assert told == {"error": "Other code is still running; try again when it has ended."}


@pytest.mark.parametrize("sent", ["", "GET / HTTP/1.1\r\nHost", "with a body"])
def test_a_connection_that_says_nothing_is_dropped(monkeypatch, capfd, sent):
    assert 5 <= Handler.timeout <= 60
    monkeypatch.setattr(Handler, "timeout", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        serving = serve(listening, TOKEN, CODE, LIMITS)
        if sent == "with a body":  # which does not come, from one who may ask
            cookie = Client(serving.app).flask
            base = f"http://127.0.0.1:{port}"
            cookie.get(f"/?token={TOKEN}", base_url=base)
            value = cookie.get_cookie(f"playground-{port}", domain="127.0.0.1").value
            sent = (
                f"POST /start HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {base}\r\n"
                f"Content-Type: application/json\r\nContent-Length: 50\r\n"
                f"Cookie: playground-{port}={value}\r\n\r\n{{"
            )
        thread = threading.Thread(target=serving.serve_forever, daemon=True)
        thread.start()
        try:
            with socket.create_connection(("127.0.0.1", port), GONE) as wire:
                wire.sendall(sent.encode())
                got = b""
                while part := wire.recv(1000):
                    got += part
                assert got == b"" or got.startswith(b"HTTP/1.1 4")
        finally:
            serving.shutdown()
            thread.join()
    assert capfd.readouterr().err == ""


def test_film_picture_and_derivation_are_of_the_frame(client, monkeypatch):
    client.post("/start", FIRST | {"epochs": "20", "units": "4", "layers": "1"})
    while not client.get("/state").json["end"]:
        time.sleep(0.02)
    state = client.get("/state").json
    film = client.get("/film?run=1&frame=0")
    told = re.search(r"loss (\d\S+) · float64", film.text)[1]
    assert float(told) == pytest.approx(state["losses"][0], rel=1e-4)
    policy = film.headers["Content-Security-Policy"]
    assert "sandbox allow-scripts;" in policy and "allow-same-origin" not in policy
    svg = client.get("/graph.svg?run=1&frame=3")
    assert svg.mimetype == "image/svg+xml" and "fc1" in svg.text
    derived = client.get("/derivation?run=1&frame=0").json
    told = re.match(r"loss = (\S+),", derived["text"])[1]
    assert float(told) == pytest.approx(state["losses"][0], rel=1e-4)
    assert "def backprop(" in derived["numpy"] and "$" in derived["markdown"]
    assert derived["maths"].count("<math ") > 10 and 'class="latex"' not in derived["maths"]
    assert client.get("/film?run=1&frame=9999").status_code == 404
    for asked in ("run=2&frame=0", "frame=0", "run=x&frame=0"):
        for path in ("frame", "film"):
            assert client.get(f"/{path}?{asked}").status_code == 409
    monkeypatch.setattr(renderers, "candidates", lambda backend: iter(()))
    assert client.get("/graph.svg?run=1&frame=0").status_code == 503
    assert client.get("/film?run=1&frame=0").status_code == 200


def test_graphs_of_several_who_train_at_once_are_of_their_own_nets():
    app = create(5000, TOKEN, CODE, LIMITS)
    clients = {units: Client(app) for units in ("5", "6", "7")}
    found = {}

    def draw_while_training(units, client):
        client.get(f"/?token={TOKEN}")
        client.post("/start", FIRST | LONG | {"layers": "1", "units": units})
        while not client.get("/state").json["frames"]:
            time.sleep(0.01)
        svg = client.get("/graph.svg?run=1&frame=0").text
        going_on = not client.get("/state").json["end"]
        found[units] = going_on, re.findall(r"Linear\(\d+, \d+\)", svg)

    threads = [threading.Thread(target=draw_while_training, args=one) for one in clients.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    app.extensions["sessions"].stop()
    assert found == {n: (True, [f"Linear(1, {n})", f"Linear({n}, 1)"]) for n in clients}
