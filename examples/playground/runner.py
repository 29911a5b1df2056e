"""The process in which a pasted backward runs: it shuts itself in, then runs the code.

It reads lines of JSON from its input, first {"code", "seconds", "memory", "fixes"} and then
{"call": ...} for each call of the backward, and writes a line to its output for each; what the code
prints goes to its error output. It never sees what is expected, and judges nothing, but for one
that is started with "fixes" when the verdict is found: {"fix": ...} then says what was expected,
and it looks for the edit of the code that gives it. `sandbox.py` starts it.
"""

from __future__ import annotations

import contextlib
import io
import json
import linecache
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

import numpy as np

from . import jail
from .wire import packed, unpacked

LONGEST = 4_000  # characters of an error


def defined(code: str) -> tuple[Callable[..., Any] | None, str]:
    """The function `backward` of some code; or None, and why there is none."""
    names: dict[str, Any] = {"__name__": "pasted", "np": np}
    try:
        exec(compile(code, "<pasted>", "exec"), names)  # noqa: S102  (behind `jail`)
    except BaseException as error:  # noqa: BLE001  (the learner's own, SystemExit too)
        return None, traced(error)
    backward = names.get("backward")
    if not callable(backward):
        return None, "The code defines no function called backward."
    if isinstance(backward, type):
        return None, "backward is a class; a function is needed."
    return backward, ""


def looking_for_fixes(code: str) -> Callable[..., dict[str, Any]]:
    """A function that looks for edits of the backward; imported while files can still be read."""
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path.append(here)
    from autograd_lite.comparison.answers.names import matched
    from autograd_lite.comparison.source import Goal, fixes

    sys.path.remove(here)
    linecache.cache["<pasted>"] = len(code), None, code.splitlines(keepends=True), "<pasted>"

    def found(backward: Callable[..., Any], task: dict[str, Any]) -> dict[str, Any]:
        arrays = unpacked(task["arguments"])
        shapes = dict(zip(task["names"], map(np.shape, arrays[1:]), strict=False))

        def run() -> Any:
            return matched(backward(*(a.copy() for a in arrays)), shapes)

        accepted = {name: unpacked(some) for name, some in task["accepted"].items()}
        shown = fixes([backward], run, Goal(accepted, task["first"], frozenset(task["fine"])))
        return {"fixes": [asdict(fix) for fix in shown]}

    return found


def called(backward: Callable[..., Any], arrays: Any) -> dict[str, Any]:
    """What the backward returns, and its arguments as it leaves them; or what it raised."""
    try:
        with np.errstate(all="ignore"):
            result = backward(*arrays)
        return {"result": packed(result), "arguments": packed(arrays)}
    except BaseException as error:  # noqa: BLE001  (the learner's own)
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if pasted(f)]
        where = f" (line {lines[-1]})" if lines else ""
        return {"raised": type(error).__name__, "text": f"{error}"[:LONGEST] + where}


def traced(error: BaseException) -> str:
    """The lines of a traceback that are of the pasted code."""
    lines = traceback.TracebackException.from_exception(error)
    lines.stack = traceback.StackSummary.from_list(filter(pasted, lines.stack))
    return "".join(lines.format(chain=False)).strip()[-LONGEST:]


def pasted(frame: traceback.FrameSummary) -> bool:
    return frame.filename == "<pasted>"


def listen(lines: Iterable[str], calls: queue.SimpleQueue[str]) -> None:
    """Pass the lines on. There are no more when the verdict is found, or when the server is gone:
    then this process ends, whatever the code does."""
    leave = os._exit
    for line in lines:
        calls.put(line)
    leave(0)


def main() -> None:
    apart = jail.part()
    task = json.loads(sys.stdin.readline())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the code prints is no answer
    sys.stdout.reconfigure(line_buffering=True)  # so that it is there when the code is ended
    lines, sys.stdin = sys.stdin, io.StringIO()

    def answer(content: dict[str, Any]) -> None:
        with contextlib.suppress(Exception):  # the code replaced or closed it
            sys.stdout.flush()
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    fix = looking_for_fixes(task["code"]) if task.get("fixes") else None
    folders = tuple(sys.path)
    shared = [os.path.join(p, "lib") for p in (sys.prefix, sys.base_prefix, "/usr", "/")]
    shut = jail.shut((*folders, *shared, "/usr/lib64", "/lib64"))
    calls: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=listen, args=(lines, calls), daemon=True).start()
    jail.limit(task["seconds"], task["memory"])
    numpy = os.path.join(os.path.dirname(np.__file__), "")
    jail.lock(tuple(os.path.join(folder, "") for folder in folders), numpy)
    backward, error = defined(task["code"])
    answer({"error": error, "apart": apart, "shut": shut})
    while backward is not None:
        task = json.loads(calls.get())
        if fix is not None and "fix" in task:
            answer(fix(backward, task["fix"]))
        else:
            answer(called(backward, unpacked(task["call"])))


if __name__ == "__main__":
    main()
