"""Start the playground: a page on this machine where nets are trained, seen and compared."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import secrets
import signal
import socket
import webbrowser
from types import FrameType
from typing import NoReturn

NEEDED = ("flask", "plotly", "latex2mathml", "markdown_it", "mdit_py_plugins")


def main(arguments: list[str] | None = None) -> int:
    """0 after Ctrl-C, 2 for options that make no sense."""
    with contextlib.suppress(KeyboardInterrupt):  # while it starts
        run(arguments)
    print("\nended")
    return 0


def run(arguments: list[str] | None) -> None:
    """Answer until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m autograd_lite playground", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--no-browser", action="store_true", help="print the address alone")
    options = parser.parse_args(arguments)
    if not 0 <= options.port < 65536:
        parser.error(f"--port: {options.port} is not between 0 and 65535")
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        parser.error(f'needs {" and ".join(missing)}: pip install "autograd_lite[playground]"')
    try:
        listening = socket.create_server(("127.0.0.1", options.port))  # this machine alone
    except OSError as error:
        parser.error(f"--port: {options.port} cannot be used: {error.strerror}")

    signal.signal(signal.SIGINT, interrupt)
    from autograd_lite.sandbox.process import held

    from .server import serve

    with listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        token, once = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        server = serve(listening, token, once)
        print(
            f"The playground is at\n  {address}/?token={token}\nfor this machine alone. "
            f"Ctrl-C ends it.\nPasted code runs in a process of its own. {held()}",
            flush=True,
        )
        if not options.no_browser:
            webbrowser.open(f"{address}/?once={once}")  # others can read it, and not use it again
        server.serve_forever()
        server.app.extensions["sessions"].stop()  # type: ignore[attr-defined]


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """The first Ctrl-C ends the program; more of them while it ends would be tracebacks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt
