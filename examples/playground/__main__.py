"""Start the playground: a page on this machine where nets are trained, seen and compared."""

from __future__ import annotations

import argparse
import importlib.util
import secrets
import socket
import sys
import webbrowser


def main(arguments: list[str] | None = None) -> int:
    """0 after Ctrl-C, 2 for options that make no sense."""
    parser = argparse.ArgumentParser(prog="python -m examples.playground", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--no-browser", action="store_true", help="print the address alone")
    options = parser.parse_args(arguments)
    if not 0 <= options.port < 65536:
        parser.error(f"--port: {options.port} is not between 0 and 65535")
    missing = [name for name in ("flask", "plotly") if importlib.util.find_spec(name) is None]
    if missing:
        parser.error(f'needs {" and ".join(missing)}: pip install ".[playground]"')
    try:
        listening = socket.create_server(("127.0.0.1", options.port))  # this machine alone
    except OSError as error:
        parser.error(f"--port: {options.port} cannot be used: {error.strerror}")

    from .server import serve

    with listening:
        port, token = listening.getsockname()[1], secrets.token_urlsafe(24)
        server = serve(listening, token)
        address = f"http://127.0.0.1:{port}/?token={token}"
        print(
            f"The playground is at\n  {address}\nfor this machine alone. Ctrl-C ends it.",
            flush=True,
        )
        if not options.no_browser:
            webbrowser.open(address)
        server.serve_forever()  # until Ctrl-C
    print("\nended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
