"""The box of the page: a backward is run apart (`autograd_lite.sandbox`) and compared here."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from autograd_lite import check_backward
from autograd_lite.comparison.answers.judge import ABSENT
from autograd_lite.comparison.answers.report import Report
from autograd_lite.comparison.answers.telling import error as number
from autograd_lite.comparison.answers.telling import told as diagnosis
from autograd_lite.sandbox.process import Ended, Limits, Pasted, pasted

from .layers import LAYERS

LONGEST = 20_000  # characters of code
ROOM = threading.BoundedSemaphore(2)  # runs at once, of all browsers together


def judge(layer: str, code: str, limits: Limits) -> dict[str, Any]:
    """The verdict on a backward, {"ok", "headline", "rows", "fixes", "ends"}, or {"error"}; with
    what it printed in "printed"."""
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
        process.run()
        report = check_backward(LAYERS[layer].forward, process.call, LAYERS[layer].shapes)
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
