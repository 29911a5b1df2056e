"""Pasted code runs in a process of its own, with limits: `judge` starts it and reads its verdict.

The limits keep a mistake from doing harm: an endless loop, a huge array, a file or a connection
opened. They are no jail for hostile code: paste what you would run anyway.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from typing import IO, Any

from .layers import LAYERS

LONGEST = 20_000  # characters of code
START = """import sys
sys.path[:] = {path!r}
from examples.playground.runner import main
main()"""
ROOM = threading.BoundedSemaphore(2)  # runs at once, of all browsers together
RUNNING: set[subprocess.Popen[bytes]] = set()


@dataclass(frozen=True)
class Limits:
    seconds: int = 5  # of the processor
    wall: float = 15.0  # seconds of the clock, for code that sleeps
    memory: int = 1 << 30  # bytes of address space; Python with NumPy takes about a quarter of it
    output: int = 4_000  # bytes shown of what the code prints


@functools.cache
def alone() -> list[str]:
    """The command that starts a process without a network, where the platform lets it."""
    command = shutil.which("unshare")
    if sys.platform != "linux" or command is None:
        return []
    prefix = [command, "--map-root-user", "--net", "--"]
    probe = [*prefix, sys.executable, "-I", "-c", ""]
    done = subprocess.run(probe, capture_output=True, check=False)
    return [] if done.returncode else prefix


def judge(layer: str, code: str, limits: Limits) -> dict[str, Any]:
    """The verdict on a backward, {"ok", "rows", "ends"}, or {"error"}; with what it printed
    in "printed"."""
    if layer not in LAYERS:
        return {"error": f"There is no layer {layer!r}; there are {', '.join(LAYERS)}."}
    if len(code) > LONGEST:
        return {"error": f"The code has {len(code):,} characters; at most {LONGEST:,} are run."}
    if not ROOM.acquire(timeout=2 * limits.wall):
        return {"error": "Other code is still running; try again when it has ended."}
    try:
        return run(layer, code, limits)
    finally:
        ROOM.release()


def run(layer: str, code: str, limits: Limits) -> dict[str, Any]:
    threads = ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM")
    environment = {f"{name}_NUM_THREADS": "1" for name in threads}  # nothing else of this one's
    if "SYSTEMROOT" in os.environ:  # without it Windows starts no Python
        environment["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
    folders = [os.path.abspath(folder) for folder in sys.path if os.path.isdir(folder or ".")]
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    start = START.format(path=[here, *folders])
    child = subprocess.Popen(
        [*alone(), sys.executable, "-I", "-B", "-X", "utf8", "-c", start],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=tempfile.gettempdir(),
        start_new_session=True,  # a group of its own, ended as a whole
    )
    RUNNING.add(child)
    read: dict[str, bytes] = {}
    readers = [
        threading.Thread(target=take, args=(read, name, pipe, most), daemon=True)
        for name, pipe, most in (
            ("answer", child.stdout, 1 << 20),
            ("printed", child.stderr, limits.output + 1),
        )
    ]
    for reader in readers:
        reader.start()
    task = {"layer": layer, "code": code, "seconds": limits.seconds, "memory": limits.memory}
    late = False
    try:
        with contextlib.suppress(BrokenPipeError):  # it ended at once; its code tells
            child.stdin.write(json.dumps(task).encode())
            child.stdin.close()
        child.wait(limits.wall)
    except subprocess.TimeoutExpired:
        late = True
    finally:
        end(child)
        RUNNING.discard(child)
    for reader in readers:
        reader.join(5)
    child.stdout.close()
    child.stderr.close()
    return understood(child.returncode, late, read, limits)


def take(read: dict[str, bytes], name: str, pipe: IO[bytes], most: int) -> None:
    """The start of what comes out of a pipe; the rest is read and dropped."""
    read[name] = pipe.read(most)
    while pipe.read(1 << 16):
        pass


def end(child: subprocess.Popen[bytes]) -> None:
    """Of the process, and of what it may have started, which holds the pipes open."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says the latter
            os.killpg(child.pid, signal.SIGKILL)
    else:
        child.kill()
    child.wait()


@atexit.register
def end_all() -> None:
    """After Ctrl-C no thread is left to watch the clock of what still runs."""
    for child in list(RUNNING):
        end(child)


def understood(code: int, late: bool, read: dict[str, bytes], limits: Limits) -> dict[str, Any]:
    """What the process said, or why it said nothing."""
    answer: dict[str, Any] = {}
    try:
        found = json.loads(read.get("answer", b""))
        json.dumps(found, allow_nan=False)
        if isinstance(found, dict) and ("error" in found or {"ok", "rows", "ends"} <= set(found)):
            answer = found
    except (ValueError, RecursionError):  # the code wrote to the pipe of the verdict
        pass
    if not answer:
        xcpu = getattr(signal, "SIGXCPU", None)
        if late:
            why = f"It was ended after {limits.wall:g} seconds. Does it wait for something?"
        elif xcpu is not None and code in (-xcpu, 128 + xcpu, -signal.SIGKILL):
            why = f"It was ended after {limits.seconds} seconds of computing. Is a loop endless?"
        else:
            why = f"The process of the code ended without a verdict (code {code})."
        answer = {"error": why}
    printed = read.get("printed", b"")
    text = printed[: limits.output].decode("utf-8", "replace")
    answer["printed"] = text + (" … (cut)" if len(printed) > limits.output else "")
    return answer
