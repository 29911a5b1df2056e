"""The server: who may ask, and the answers. Every browser has its own session with its own run."""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask, Response, g, redirect, request
from werkzeug.exceptions import HTTPException
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Response as AnyResponse

from autograd_lite import Tensor, derive, nn
from autograd_lite.graph import GraphRenderError, draw
from autograd_lite.sandbox.process import Limits, held, seconds

from . import layers
from .box import judge
from .training import CHOICES, Form, Run, checked
from .typeset import typeset

HERE = Path(__file__).parent
ASSETS = {"page.css": "text/css", "page.js": "text/javascript"}
MOST_SESSIONS = 16
MOST_TRAININGS = 4  # at once, of all browsers together
MOST_DRAWINGS = 2  # graphs and derivations
PATIENCE = 30.0  # seconds that one waits for the end of another's drawing
FORGOTTEN = f"{MOST_SESSIONS} other browsers came since; load this page again."
CODE_LASTS = 120.0  # seconds from the start until the browser that it opens has come
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-src 'self'; frame-ancestors 'none'; "
    "form-action 'none'; base-uri 'none'"
)
FILM_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
)


class Refused(Exception):
    """A request that is not answered, and why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Session:
    """What one browser does: its last run. A second start ends the first."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self.checking = threading.Lock()
        self._starting = threading.Lock()
        self._closed = False

    def start(self, form: Form, room: threading.Semaphore) -> Run:
        with self._starting:
            if self._closed:
                raise Refused(403, FORGOTTEN)
            number = self.run.number + 1 if self.run else 1
            self.stop()
            if not room.acquire(blocking=False):
                raise Refused(503, f"{MOST_TRAININGS} nets are training already; stop one of them.")
            run = Run(form, number, room.release)
            run.start()  # before others see it: a thread that has not begun cannot be joined
            self.run = run
            return run

    def stop(self) -> None:
        if self.run:
            self.run.stop()
            self.run.join()

    def close(self) -> None:
        """Stop for good, a start that is under way included."""
        with self._starting:
            self._closed = True
            self.stop()


class Sessions:
    """Of the browsers that were here last; the run of one that is dropped is stopped."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def new(self) -> str:
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._known[name] = Session()
            oldest = next(iter(self._known))
            dropped = self._known.pop(oldest) if len(self._known) > MOST_SESSIONS else None
        if dropped:
            dropped.close()
        return name

    def get(self, name: str) -> Session | None:
        with self._lock:
            if name in self._known:
                self._known.move_to_end(name)
            return self._known.get(name)

    def stop(self) -> None:
        with self._lock:
            for session in self._known.values():
                session.close()


class Once:
    """A code that is taken once, and soon. Other users of the machine may see it in the command
    line of the browser that is started with it; it is worth nothing then."""

    def __init__(self, code: str, seconds: float = CODE_LASTS) -> None:
        self._code, self._end = code, time.monotonic() + seconds
        self._lock = threading.Lock()

    def take(self, given: str) -> bool:
        with self._lock:
            right = time.monotonic() < self._end and same(given, self._code)
            if right:
                self._end = 0.0
            return right


def same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(), secret.encode())


def create(port: int, token: str, code: str, limits: Limits = Limits()) -> Flask:  # noqa: B008
    """The application for 127.0.0.1:`port`; it answers those who know the token, or are the first
    with the code."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 100_000
    sessions = app.extensions["sessions"] = Sessions()
    trainings = threading.BoundedSemaphore(MOST_TRAININGS)
    drawings = threading.BoundedSemaphore(MOST_DRAWINGS)
    once = Once(code)
    hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
    if port == 80:  # which browsers leave out
        hosts |= {"127.0.0.1", "localhost"}
    cookie = f"playground-{port}"  # cookies are not told apart by port

    @app.before_request
    def guard() -> AnyResponse | None:
        host = request.headers.get("Host", "")
        if host not in hosts:  # a name that a web site made to point here
            raise Refused(421, "This server answers as 127.0.0.1 and localhost alone.")
        origin = request.headers.get("Origin")
        if origin not in (None, f"http://{host}"):
            raise Refused(403, "Another site asked.")
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise Refused(403, "Another site asked. Open the address that was printed yourself.")
        if request.method == "POST" and (origin is None or not request.is_json):
            raise Refused(403, "Only the page of this server may do that.")
        given, _, name = request.cookies.get(cookie, "").partition(".")
        session = sessions.get(name)
        may = same(given, token)
        if request.path == "/" and (
            same(request.args.get("token", ""), token)
            or once.take(request.args.get("once", ""))
            or (may and session is None)
        ):
            answer = redirect("/", 303)  # the token leaves the address bar
            value = f"{token}.{name if session else sessions.new()}"
            answer.set_cookie(cookie, value, httponly=True, samesite="Strict")
            return answer
        if not may:
            raise Refused(
                403,
                "This page needs the token of this start: open the address that the terminal "
                "printed, with ?token= and what follows.",
            )
        if session is None:
            raise Refused(403, FORGOTTEN)
        g.session = session
        return None

    @app.after_request
    def harden(answer: Response) -> Response:
        answer.headers.setdefault("Content-Security-Policy", POLICY)
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Referrer-Policy"] = "no-referrer"
        answer.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        answer.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    @app.errorhandler(Refused)
    def refused(error: Refused) -> Response:
        return Response(f"{error}\n", error.status, mimetype="text/plain")

    @app.errorhandler(HTTPException)
    def unknown(error: HTTPException) -> Response:
        return Response(f"{error.name}\n", error.code, mimetype="text/plain")

    @app.errorhandler(RecursionError)
    def nested(error: RecursionError) -> Response:
        return Response("Nested too deeply.\n", 400, mimetype="text/plain")

    @app.get("/")
    def page() -> Response:
        return Response((HERE / "page.html").read_text("utf-8"), mimetype="text/html")

    @app.get("/<any('page.css', 'page.js'):name>")
    def asset(name: str) -> Response:
        return Response((HERE / name).read_text("utf-8"), mimetype=ASSETS[name])

    @app.get("/plotly.js")
    def plotly() -> Response:
        from plotly.offline import get_plotlyjs

        answer = Response(get_plotlyjs(), mimetype="text/javascript")
        answer.headers["Cache-Control"] = "private, max-age=86400"
        return answer

    @app.get("/form")
    def form() -> Response:
        return answered(
            {
                "choices": CHOICES,
                "values": vars(Form()),
                "layers": layers.described(),
                "limits": f"It runs in a process of its own, for {seconds(limits.seconds)} of "
                f"computing in {limits.memory >> 20:,} MiB. {held()}",
            }
        )

    @app.post("/start")
    def start() -> Response:
        given = request.get_json()
        if not isinstance(given, dict):
            raise Refused(400, "A form is an object of fields.")
        wanted, wrong = checked(given)
        if wanted is None:
            return answered({"wrong": wrong}, 422)
        run = g.session.start(wanted, trainings)
        return answered({"run": run.number, "task": wanted.task, "picture": run.picture})

    @app.post("/stop")
    def stop() -> Response:
        g.session.stop()
        return answered({})

    @app.get("/state")
    def state() -> Response:
        run = g.session.run
        if run is None:
            return answered({"run": 0})
        if request.args.get("run", 0, int) != run.number:  # another tab, or a page loaded again
            return answered(run.state(0, 0) | {"picture": run.picture, "form": vars(run.form)})
        counts = (request.args.get(name, 0, int) for name in ("frames", "losses"))
        return answered(run.state(*(max(n, 0) for n in counts)))

    def asked() -> tuple[Run, int]:
        """The run and the frame that are asked for."""
        run = g.session.run
        if run is None:
            raise Refused(404, "There is nothing to draw: train a net first.")
        if request.args.get("run", 0, int) != run.number:
            raise Refused(409, "That run is gone: another was started in a window of this browser.")
        index = request.args.get("frame", -1, int)
        if not 0 <= index < len(run.frames):
            raise Refused(404, f"Run {run.number} has no such frame.")
        return run, index

    @contextmanager
    def frame() -> Iterator[tuple[Run, Tensor, nn.Module]]:
        """The run, and the loss and model of the frame that is asked for, and room to draw it."""
        run, index = asked()
        if not drawings.acquire(timeout=PATIENCE):
            raise Refused(503, "Others are drawing; try again when they have ended.")
        try:
            yield run, *run.recorded(index)
        finally:
            drawings.release()

    @app.get("/frame")
    def there() -> Response:
        """Whether it can be drawn: the page cannot read what its frame says."""
        asked()
        return answered({})

    @app.get("/film")
    def film() -> Response:
        with frame() as (run, loss, model):
            film = draw(loss, model=model, findings=run.findings(model))
            answer = Response(film.to_html(), mimetype="text/html")
        answer.headers["Content-Security-Policy"] = FILM_POLICY
        return answer

    @app.get("/graph.svg")
    def graph() -> Response:
        try:
            with frame() as (run, loss, model):
                found = run.findings(model)
                picture = draw(loss, model=model, theme="auto", findings=found).render("svg")
        except GraphRenderError as error:
            raise Refused(503, str(error)) from None
        answer = Response(picture, mimetype="image/svg+xml")
        answer.headers["Content-Security-Policy"] = FILM_POLICY
        return answer

    @app.get("/derivation")
    def derivation() -> Response:
        with frame() as (_, loss, model):
            found = derive(loss, model)
            markdown = found.to_markdown()
            return answered(
                {
                    "maths": typeset(markdown),
                    "text": str(found),
                    "numpy": found.source(),
                    "markdown": markdown,
                }
            )

    @app.post("/check")
    def check() -> Response:
        given = request.get_json()
        layer, code = (given.get(k) if isinstance(given, dict) else None for k in ("layer", "code"))
        if not isinstance(layer, str) or not isinstance(code, str):
            raise Refused(400, "A check needs a layer and the code of a backward.")
        if not g.session.checking.acquire(blocking=False):
            return answered({"error": "The last code is still running."}, 409)
        try:
            return answered(judge(layer, code, limits))
        finally:
            g.session.checking.release()

    return app


def answered(content: dict[str, Any], status: int = 200) -> Response:
    """JSON that every browser reads: no NaN, no infinity."""
    return Response(json.dumps(content, allow_nan=False), status, mimetype="application/json")


class Handler(WSGIRequestHandler):
    """One connection, dropped when it says nothing for a while; without a line for each request."""

    timeout = 20  # seconds

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


def serve(
    listening: socket.socket,
    token: str,
    code: str,
    limits: Limits = Limits(),  # noqa: B008  (frozen)
) -> BaseWSGIServer:
    """A server on a socket of 127.0.0.1; its `serve_forever` answers, a thread for each request."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # no words about itself
    port = listening.getsockname()[1]
    app = create(port, token, code, limits)
    return make_server(
        "127.0.0.1", port, app, threaded=True, request_handler=Handler, fd=listening.fileno()
    )
