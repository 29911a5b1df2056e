"""The program: its options, its socket, and how it ends."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("flask", reason="needs flask")

from examples.playground.__main__ import main

ROOT = Path(__file__).resolve().parents[2]


def test_the_program_listens_to_this_machine_alone():
    command = [sys.executable, "-W", "error", "-m", "examples.playground", "--no-browser"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
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
            with socket.create_connection(("127.0.0.1", port), 5) as wire:
                wire.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
                assert b" 403 " in wire.recv(100)
            program.send_signal(2)
            assert "ended" in program.stdout.read()
            assert program.wait(10) == 0
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
