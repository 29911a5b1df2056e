"""Pasted code runs in a process of its own, with limits: `judge` starts it, calls the backward that
it defines, and compares here what comes back.

What bars the process from the rest of the machine (`jail.py`), each where the platform has it;
`held` says what it is here:

- namespaces of Linux: no network, no other process in sight, and the end of the first process ends
  all that it started;
- Landlock of Linux: no file but Python's and libraries can be opened, and none written (whether a
  file is there, and how large it is, it tells);
- limits of the kernel: time of the processor, memory, size of files, number of processes;
- Python's audit hook: whatever it is told of is refused, with a sentence for the learner; functions
  that it is not told of are replaced.

They keep a mistake from doing harm. They are no jail for hostile code, as NumPy brings ctypes, with
which native code can be called that undoes what Python refuses: paste what you would run anyway.
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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from autograd_lite import check_backward
from autograd_lite.comparison.answers.fix import Fix
from autograd_lite.comparison.answers.judge import ABSENT
from autograd_lite.comparison.answers.report import Report
from autograd_lite.comparison.answers.report import error as number
from autograd_lite.comparison.answers.report import told as diagnosis
from autograd_lite.comparison.source import MOST_FIXES
from autograd_lite.comparison.source.goal import Goal

from .layers import LAYERS
from .wire import named, packed, unpacked

LONGEST = 20_000  # characters of code
LINE = 8 << 20  # bytes of one answer: some gradients of the most numbers
START = """import sys
sys.path += {path!r}
from examples.playground.runner import main
sys.path.pop()
main()"""  # the last folder of the path is read before the pasted code runs, and not by it
ROOM = threading.BoundedSemaphore(2)  # runs at once, of all browsers together
RUNNING: set[subprocess.Popen[bytes]] = set()


@dataclass(frozen=True)
class Limits:
    seconds: int = 5  # of the processor
    wall: float = 15.0  # seconds of the clock, for code that sleeps
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
    """What the kernel bars pasted code from on this machine, and what Python alone refuses."""
    try:
        with pasted("", Limits()) as process:
            answer = process.answer()
    except Ended as why:
        return str(why)
    things = [
        ("the network and other processes (namespaces)", answer["apart"]),
        ("opening files other than Python's and libraries (Landlock)", answer["shut"]),
    ]
    by_kernel = [thing for thing, barred in things if barred]
    by_python = [thing.partition(" (")[0] for thing, barred in things if not barred]
    bars = [
        f"{who} bars it from {' and from '.join(which)}."
        for who, which in (("The kernel", by_kernel), ("Python alone", by_python))
        if which
    ]
    return " ".join([*bars, "What Python refuses keeps off a mistake, not hostile code."])


# ---- the process


class Pasted:
    """A process with pasted code, asked and answering line by line."""

    def __init__(self, code: str, limits: Limits, fixes: bool = False) -> None:
        self.code, self.limits = code, limits
        self.arguments: Any = ()  # of the last call
        self.late = False
        self.child = started()
        RUNNING.add(self.child)
        self._printed: dict[str, bytes] = {}
        self._reader = threading.Thread(
            target=take, args=(self._printed, self.child.stderr, limits.output + 1), daemon=True
        )
        self._reader.start()
        self._clock = threading.Timer(limits.wall, self._expire)
        self._clock.daemon = True
        self._clock.start()
        self.tell(
            {"code": code, "seconds": limits.seconds, "memory": limits.memory, "fixes": fixes}
        )

    def _expire(self) -> None:
        self.late = True
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
            raise Ended("The code wrote to the channel of its answers, so there is no verdict.")
        return found

    def backward(self, *arrays: Any) -> Any:
        """The backward of the code, run over there."""
        self.arguments = packed(arrays)
        self.tell({"call": self.arguments})
        answer = self.answer()
        try:
            if "raised" in answer:
                error: BaseException = type(named(answer["raised"]), (Exception,), {})(
                    str(answer["text"])
                )
            else:
                result = unpacked(answer["result"])
                for mine, theirs in zip(arrays, unpacked(answer["arguments"]), strict=True):
                    np.copyto(mine, theirs)
                return result
        except (KeyError, TypeError, ValueError, AttributeError):
            error = Ended("The code wrote to the channel of its answers, so there is no verdict.")
        raise error

    def __fixes__(self, goal: Goal, names: list[str]) -> tuple[Fix, ...]:
        """The edits of the code that make its gradients right, as a process of their own finds
        them; none where that ends without an answer."""
        try:
            with pasted(self.code, self.limits, fixes=True) as process:
                process.answer()
                process.tell({"fix": asked(self.arguments, goal, names)})
                return tuple(map(fix_of, process.answer()["fixes"][:MOST_FIXES]))
        except (Ended, KeyError, TypeError, ValueError):
            return ()

    def close(self) -> None:
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
            return f"It was ended after {seconds(limits.wall)}. Does it wait for something?"
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


def started() -> subprocess.Popen[bytes]:
    threads = ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM")
    environment = {f"{name}_NUM_THREADS": "1" for name in threads}  # nothing else of this one's
    if "SYSTEMROOT" in os.environ:  # without it Windows starts no Python
        environment["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
    libraries = os.path.dirname(os.path.dirname(os.path.abspath(np.__file__)))
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    start = START.format(path=[libraries, here])
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", start],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=tempfile.gettempdir(),
        start_new_session=True,  # a group of its own, ended as a whole
    )


@contextmanager
def pasted(code: str, limits: Limits, fixes: bool = False) -> Iterator[Pasted]:
    """A process with pasted code, which is ended afterwards."""
    process = Pasted(code, limits, fixes)
    try:
        yield process
    finally:
        process.close()


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


def asked(arguments: Any, goal: Goal, names: list[str]) -> dict[str, Any]:
    """What a process needs to know to look for fixes."""
    accepted = {name: packed(tuple(some)) for name, some in goal.accepted.items()}
    fine = sorted(goal.fine)
    return {
        "arguments": arguments,
        "names": names,
        "accepted": accepted,
        "first": goal.first,
        "fine": fine,
    }


def fix_of(found: dict[str, Any]) -> Fix:
    """A fix that a process sent, of bounded length."""
    old, new, mistake = (str(found[name])[:500] for name in ("old", "new", "mistake"))
    leaves = tuple(str(name)[:100] for name in found["leaves"][:100])
    return Fix("<pasted>", int(found["line"]), old, new, int(found["more"]), mistake, leaves)


# ---- the verdict


def judge(layer: str, code: str, limits: Limits) -> dict[str, Any]:
    """The verdict on a backward, {"ok", "headline", "rows", "fixes", "ends"}, or {"error"}; with what
    it printed in "printed"."""
    if layer not in LAYERS:
        return {"error": f"There is no layer {layer!r}; there are {', '.join(LAYERS)}."}
    if len(code) > LONGEST:
        return {"error": f"The code has {len(code):,} characters; at most {LONGEST:,} are run."}
    if not ROOM.acquire(timeout=2 * limits.wall):
        return {"error": "Other code is still running; try again when it has ended."}
    try:
        with pasted(code, limits) as process:
            answer = compared(layer, process)
        return answer | {"printed": process.printed}
    finally:
        ROOM.release()


def compared(layer: str, process: Pasted) -> dict[str, Any]:
    try:
        if error := process.answer().get("error"):
            return {"error": str(error)}
        report = check_backward(LAYERS[layer].forward, process.backward, LAYERS[layer].shapes)
    except Ended as why:
        return {"error": str(why)}
    return {
        "ok": report.ok,
        "headline": report.headline,
        "rows": [
            {
                "name": row.name,
                "shape": str(row.shape),
                "error": number(row.rel_err),
                "verdict": row.verdict,
                "diagnosis": diagnosis(row),
            }
            for row in report.rows
        ],
        "fixes": [{"line": fix.line, "old": fix.old, "new": fix.new} for fix in report.fixes],
        "ends": [*report.ends, *remarks(report)],
    }


def remarks(report: Report) -> Iterator[str]:
    """What a learner may ask after the verdict."""
    if report.rows and all(row.verdict == ABSENT for row in report.rows):
        yield "No gradient came back: is the return missing?"
    if any(", right " in text for text in report.ends):
        yield (
            "In these formulas, y is the output of the operation with the mistake, and g the "
            "gradient that arrives there."
        )
