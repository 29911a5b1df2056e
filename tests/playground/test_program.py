"""The program: its options, its socket, and how it ends."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("flask", reason="needs flask")

from autograd_lite.playground.command import main
from tests.helpers import PATIENCE, until
from tests.playground.shared import FIRST, GONE, LONG, SLEEP, ended

ROOT = Path(__file__).resolve().parents[2]
START = [sys.executable, "-W", "error", "-m", "autograd_lite", "playground"]


def test_the_program_listens_to_this_machine_alone():
    with subprocess.Popen(
        [*START, "--no-browser"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as program:
        try:
            program.stdout.readline()
            found = re.search(
                r"http://127\.0\.0\.1:(\d+)/\?token=(\S{32})$", program.stdout.readline()
            )
            port = int(found[1])
            for host in ("127.0.0.2", socket.gethostbyname(socket.gethostname())):
                if host != "127.0.0.1":
                    with pytest.raises(OSError, match=r"refused|timed out|unreachable"):
                        socket.create_connection((host, port), 1).close()
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as wire:
                wire.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
                assert b" 403 " in wire.recv(100)
            program.send_signal(2)
            assert "ended" in program.stdout.read()
            assert program.wait(PATIENCE) == 0
        finally:
            program.kill()


class Browser:
    """A program that is there already, as a browser asks for what its page shows."""

    def __init__(self, address):
        self.base = address.partition("/?")[0]
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        self.opener.open(address, timeout=PATIENCE).close()

    def post(self, path, body):
        headers = {"Origin": self.base, "Content-Type": "application/json"}
        content = json.dumps(body).encode()
        asked = urllib.request.Request(self.base + path, content, headers)
        with self.opener.open(asked, timeout=PATIENCE) as answer:
            return json.load(answer)


def descendants(pid):
    """The processes that were started by one and by those that it started; of Linux."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == pid:
                    found += [int(entry.name), *descendants(int(entry.name))]
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGINT] * 3, [signal.SIGTERM]])
def test_it_ends_in_the_middle_of_things(signals):
    """A net is training, code waits in the box, and Ctrl-C is pressed; nothing is left."""
    program = subprocess.Popen(
        [*START, "--no-browser"], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    left = []
    with program:
        try:
            program.stdout.readline()
            browser = Browser(program.stdout.readline().strip())
            assert browser.post("/start", FIRST | LONG)["run"] == 1
            code = {"layer": "tanh", "code": SLEEP}
            asking = threading.Thread(target=answerless, args=(browser, "/check", code))
            asking.start()
            until(lambda: descendants(program.pid))
            time.sleep(0.3)
            left = descendants(program.pid)
            for one in signals:
                program.send_signal(one)
                time.sleep(0.02)
            told, wrong = program.communicate(timeout=GONE)
            asking.join()
        finally:
            program.kill()
            ended(left)
    if signals[0] == signal.SIGINT:
        assert program.returncode == 0
        assert told.endswith("\nended\n")
    else:
        assert program.returncode == -signal.SIGTERM
    assert wrong == ""


def answerless(browser, path, body):
    with contextlib.suppress(OSError, http.client.HTTPException):  # it ends before it answers
        browser.post(path, body)


def test_ctrl_c_while_it_starts_is_no_traceback():
    code = (
        "import os, signal, sys, threading\n"
        "from autograd_lite.playground.command import main\n"
        "sys.modules['autograd_lite.playground.server'] = None\n"
        "import autograd_lite.sandbox.process\n"
        "def interrupted(*a): raise KeyboardInterrupt\n"
        "import socket; socket.create_server = interrupted\n"
        "sys.exit(main(['--no-browser']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "\nended\n", "")


def test_what_others_can_read_of_the_browser_opens_nothing_afterwards(tmp_path):
    """The address in the command line of the browser is used up when the browser has come."""
    seen = tmp_path / "seen"
    opener = tmp_path / "opener.py"
    opener.write_text(
        f"import sys, pathlib; pathlib.Path({str(seen)!r}).write_text(sys.argv[1])", "utf-8"
    )
    environment = os.environ | {"BROWSER": f"{sys.executable} {opener} %s"}
    with subprocess.Popen(START, cwd=ROOT, stdout=subprocess.PIPE, env=environment) as program:
        try:
            until(lambda: seen.exists() and seen.read_text())
            address = seen.read_text()
            assert "once=" in address and "token" not in address
            assert Browser(address).post("/stop", {}) == {}
            with pytest.raises(urllib.error.HTTPError, match="403"):
                Browser(address)
        finally:
            program.kill()


def test_options_that_make_no_sense(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for port in ("-1", "65536", "x", str(taken.getsockname()[1])):
            with pytest.raises(SystemExit) as ended:
                main(["--no-browser", f"--port={port}"])
            assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "65536 is not between 0 and 65535" in told and "cannot be used" in told
