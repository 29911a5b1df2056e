"""The process in which pasted code runs: it shuts itself in, then runs the code.

It writes a line of JSON to its output when it is shut in, then reads one, {"cells", "function"},
and runs the code; after that it reads {"call": ...} for each call of a function, and writes a line
for each; what the code prints goes to its error output. It never sees what is
expected, and judges nothing, but for one that is started with "fixes" when the verdict is found:
{"fix": ...} then says what was expected, and it looks for the edit of the code that gives it.
`process.py` starts it.
"""

from __future__ import annotations

import contextlib
import importlib
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
Ask = Callable[[dict[str, Any]], dict[str, Any]]
Finder = Callable[[Callable[..., Any], dict[str, Any]], dict[str, Any]]


def serve(ask: Ask, task: dict[str, Any], found: Finder | None = None) -> None:
    """Run the cells of a task, and then its functions as often as they are called; `ask` takes an
    answer and gives the next call. A task that names its function ends where that is missing."""
    own = {name for name, _ in task["cells"]}
    names, error = executed(task["cells"])
    wanted = task["function"]
    told = (error or lacking(names, wanted)) if wanted else ""
    call = ask({"error": told})
    while not told:
        name = call.get("function") or wanted
        why = lacking(names, name)
        if why:
            answer = {"missing": f"{why} The code ended before: {error}" if error else why}
        elif found is not None and "fix" in call:
            answer = found(names[name], call["fix"])
        else:
            answer = called(names[name], unpacked(call["call"]), own)
        call = ask(answer)


def executed(cells: list[tuple[str, str]]) -> tuple[dict[str, Any], str]:
    """What the cells define, and the traceback of the first that raised: the others run all the
    same, as they do in a notebook."""
    names: dict[str, Any] = {"__name__": "pasted", "np": np}
    own = {name for name, _ in cells}
    first = ""
    for name, code in cells:
        linecache.cache[name] = len(code), None, code.splitlines(True), name
        try:
            exec(compile(code, name, "exec"), names)  # noqa: S102  (behind `jail`)
        except BaseException as error:  # noqa: BLE001  (the learner's own, SystemExit too)
            first = first or traced(error, own)
    return names, first


def lacking(names: dict[str, Any], wanted: str) -> str:
    """Why there is no such function, if there is none."""
    if not callable(names.get(wanted)):
        return f"The code defines no function called {wanted}."
    return f"{wanted} is a class; a function is needed." if isinstance(names[wanted], type) else ""


def looking_for_fixes() -> Finder:
    """A function that looks for edits of another; imported while files can still be read."""
    from autograd_lite.comparison.answers.names import matched
    from autograd_lite.comparison.source import fixes
    from autograd_lite.comparison.source.goal import Goal

    def found(function: Callable[..., Any], task: dict[str, Any]) -> dict[str, Any]:
        arrays = unpacked(task["arguments"])
        shapes = {name: tuple(shape) for name, shape in task["shapes"].items()}

        def run() -> Any:
            result = function(*(a.copy() for a in arrays))
            pair = isinstance(result, tuple) and len(result) == 2 and task["loss"]
            return matched(result[1] if pair else result, shapes)

        accepted = {name: unpacked(some) for name, some in task["accepted"].items()}
        fine, apart = frozenset(task["fine"]), frozenset(task["apart"])
        shown = fixes([function], run, Goal(accepted, task["first"], fine, apart))
        return {"fixes": [asdict(fix) for fix in shown]}

    return found


def called(function: Callable[..., Any], arrays: Any, own: set[str]) -> dict[str, Any]:
    """What the function returns, and its arguments as it leaves them; or what it raised."""
    try:
        with np.errstate(all="ignore"):
            result = function(*arrays)
        return {"result": packed(result), "arguments": packed(arrays)}
    except BaseException as error:  # noqa: BLE001  (the learner's own)
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename in own]
        where = f" (line {lines[-1]})" if lines else ""
        return {"raised": type(error).__name__, "text": f"{error}"[:LONGEST] + where}


def traced(error: BaseException, own: set[str]) -> str:
    """The lines of a traceback that are of the pasted code."""
    lines = traceback.TracebackException.from_exception(error)
    frames = [frame for frame in lines.stack if frame.filename in own]
    lines.stack = traceback.StackSummary.from_list(frames)
    return "".join(lines.format(chain=False)).strip()[-LONGEST:]


def listen(lines: Iterable[str], calls: queue.SimpleQueue[str]) -> None:
    """Pass the lines on. There are no more when the verdict is found, or when who asked is gone:
    then this process ends, whatever the code does."""
    leave = os._exit
    for line in lines:
        calls.put(line)
    leave(0)


def main() -> None:
    options = json.loads(sys.argv[1])
    apart = jail.part()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the code prints is no answer
    sys.stdout = io.TextIOWrapper(
        sys.stdout.buffer, "utf-8", line_buffering=True
    )  # so that it is there when the code is ended
    lines, sys.stdin = sys.stdin, io.StringIO()
    if options["fixes"]:
        sys.path.insert(-1, os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
        found = looking_for_fixes()
        del sys.path[-2]
    else:
        found = None
    for name in options["imports"]:
        importlib.import_module(name)
    beside = [os.path.join(sys.path[-1], name) for name in options["imports"]]
    beside += [f"{folder}.libs" for folder in beside]
    folders, sys.path[-1:] = sys.path[:-1], []
    shared = [os.path.join(p, "lib") for p in (sys.base_prefix, "/usr", "/")]
    readable = (*folders, *beside, *shared, "/usr/lib64", "/lib64")
    enclosed = apart and jail.enclose(readable)
    held = {
        "apart": apart,
        "enclosed": enclosed,
        "shut": jail.shut(readable),
        "sifted": jail.sift(),
    }
    calls: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=listen, args=(lines, calls), daemon=True).start()

    def ask(answer: dict[str, Any]) -> dict[str, Any]:
        with contextlib.suppress(Exception):  # the code replaced or closed it
            sys.stdout.flush()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        return json.loads(calls.get())

    jail.limit(options["seconds"], options["memory"])
    own, others = ([os.path.join(f, "") for f in some] for some in (folders, beside))
    jail.lock(tuple(own), tuple(others), options["imports"])
    serve(ask, ask(held), found)


if __name__ == "__main__":
    main()
