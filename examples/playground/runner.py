"""The process in which a pasted backward runs: `limit`, then `lock`, then the code.

It reads {"layer", "code", "seconds", "memory"} as JSON from its input and writes the verdict as
JSON to its output; what the code prints goes to its error output. `sandbox.py` starts it.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

import numpy as np

from autograd_lite import check_backward
from autograd_lite.compare.report import error as number
from autograd_lite.compare.report import told as diagnosis

from .layers import LAYERS


def limit(seconds: int, memory: int) -> None:
    """Bound what the kernel gives to this process; not on Windows, which has no such bounds."""
    if os.name != "posix":
        return
    import resource

    for name, value in (
        ("RLIMIT_CPU", seconds),  # SIGXCPU ends the process
        ("RLIMIT_AS", memory),  # bytes of address space: then MemoryError
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_NOFILE", 32),
        ("RLIMIT_NPROC", 0),  # root is exempt; the audit hook is not
        ("RLIMIT_CORE", 0),
    ):
        number = getattr(resource, name, None)
        if number is None:
            continue
        _, hard = resource.getrlimit(number)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        try:
            resource.setrlimit(number, (value, value))
        except (ValueError, OSError):
            if name in ("RLIMIT_CPU", "RLIMIT_AS") and sys.platform == "linux":
                raise


def lock(folders: tuple[str, ...]) -> None:
    """From here on whatever an audit hook is told of is refused, but for what Python needs to run
    code and to import what lies in `folders`. A hook cannot be removed.

    What it asks is in constants and cells, so that to replace a global or a builtin is no way out.
    """

    kind, text = type, str

    def refuse(event: str, args: tuple[Any, ...]) -> None:
        if event == "import" and args[0] in {
            "_posixsubprocess", "_posixshmem", "_multiprocessing", "readline", "_dbm", "_gdbm",
        }:  # they start programs and open files, and no hook is told  # fmt: skip
            raise PermissionError(f"import of {args[0]} is refused here")
        if event in {
            "compile", "exec", "import", "marshal.loads", "builtins.id", "sys._getframe", "time.sleep",
            "sys._getframemodulename", "sys.unraisablehook", "object.__getattr__",
            "object.__setattr__", "os.listdir", "os.scandir",
        }:  # fmt: skip
            return
        if event == "open":
            path, _, flags = args
            # 0o3103: O_WRONLY, O_RDWR, O_CREAT, O_TRUNC and O_APPEND of Linux; others differ in
            # the last two, which do nothing without the first two
            if kind(path) is text and not flags & 0o3103:
                for folder in folders:  # not what is above it, nor .git and its kind
                    rest = path.removeprefix(folder).replace("\\", "/")
                    if path.startswith(folder) and "/." not in f"/{rest}":
                        return
            raise PermissionError(f"open is refused here: {path!r}")
        raise PermissionError(f"{event} is refused here: a pasted backward may only compute")

    sys.addaudithook(refuse)


def verdict(layer: str, code: str) -> dict[str, Any]:
    """What the comparison says about the function `backward` of some code, or what it raised."""
    names: dict[str, Any] = {"__name__": "pasted", "np": np}
    try:
        exec(compile(code, "<pasted>", "exec"), names)  # noqa: S102  (behind `limit` and `lock`)
    except Exception as error:  # noqa: BLE001  (the learner's own, whatever it is)
        return {"error": traced(error)}
    backward = names.get("backward")
    if not callable(backward):
        return {"error": "The code defines no function called backward."}
    if isinstance(backward, type):
        return {"error": "backward is a class; a function is needed."}
    report = check_backward(LAYERS[layer].forward, backward, LAYERS[layer].shapes)
    return {
        "ok": report.ok,
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
        "ends": report.ends,
    }


def traced(error: Exception) -> str:
    """The lines of a traceback that are of the pasted code."""
    lines = traceback.TracebackException.from_exception(error)
    lines.stack = traceback.StackSummary.from_list(
        [frame for frame in lines.stack if frame.filename == "<pasted>"]
    )
    return "".join(lines.format(chain=False)).strip()


def main() -> None:
    task = json.load(sys.stdin)
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the code prints is no verdict
    verdict("linear", LAYERS["linear"].backward)  # imports what a comparison needs while it can
    limit(task["seconds"], task["memory"])
    lock(tuple(os.path.join(folder, "") for folder in sys.path))
    result = verdict(task["layer"], task["code"])
    sys.stdout.flush()
    answer.write(json.dumps(result))
    answer.flush()
    os._exit(0)  # no handlers of the code


if __name__ == "__main__":
    main()
