"""Where the time of a 784-H-10 training step goes: the statements by hand, and those generated."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import sys
import textwrap
import time
from itertools import pairwise
from types import CodeType, FrameType
from typing import Any

from . import mlp
from .step import by_hand, network, with_buffers
from .systems import Step
from .timing import pin

KINDS = {  # the first that fits a statement
    "update": re.compile(r"^for w, g in|\bupdate\b|optimizer\.\w+\("),
    "matrix products": re.compile(r" @ |\bdot\(|matmul\("),
    "other NumPy": re.compile("(?!loss.backward|return)"),
}


class Stamped:
    """A copy of a function that looks at the clock after each statement."""

    def __init__(self, code: CodeType, names: dict[str, Any], arguments: list[Any]) -> None:
        function: Any = ast.parse(textwrap.dedent(inspect.getsource(code))).body[0]
        *body, last = function.body
        self.texts = [" ".join(ast.unparse(s).split()) for s in function.body]
        body.append(ast.Assign([ast.Name("result", ast.Store())], last.value))
        looks = [ast.parse(f"s{i} = clock()").body[0] for i in range(len(body) + 2)]
        function.body = looks[:2]  # with nothing between them but the clock
        for statement, look in zip(body, looks[2:], strict=True):
            function.body += [statement, look]
        stamps = ", ".join(f"s{i}" for i in range(len(looks)))
        function.body += ast.parse(f"record(({stamps}))\nreturn result").body
        function.decorator_list = []
        self.found: list[tuple[float, ...]] = []
        space = names | {"clock": time.perf_counter, "record": self.found.append}
        tree = ast.fix_missing_locations(ast.Module([function], []))
        exec(compile(tree, "<stamped>", "exec"), space)  # noqa: S102  this project's own function
        self.function, self.arguments = space[function.name], arguments

    def __call__(self) -> None:
        self.function(*self.arguments)

    def parts(self) -> list[tuple[str, float]]:
        """Each statement and the least of its microseconds, without the look at the clock."""
        columns = zip(*self.found, strict=True)
        clock, *spans = (
            min(after - before for before, after in zip(*pair, strict=True)) * 1e6
            for pair in pairwise(columns)
        )
        return [(text, max(0.0, us - clock)) for text, us in zip(self.texts, spans, strict=True)]


def of_step(step: Any) -> Stamped:
    """The statements of a step."""
    cells = zip(step.__code__.co_freevars, step.__closure__, strict=True)
    names = {name: cell.cell_contents for name, cell in cells}
    return Stamped(step.__code__, step.__globals__ | names, [])


def of_generated(step: Step) -> Stamped:
    """The statements of the generated function that a step calls."""
    seen: list[tuple[CodeType, dict[str, Any], list[Any]]] = []

    def watch(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_name == "run" and code.co_filename.startswith("<compiled"):
            values = dict(frame.f_locals)
            given = [values[name] for name in code.co_varnames[: code.co_argcount]]
            seen.append((code, frame.f_globals | values, given))

    sys.setprofile(watch)
    step()
    sys.setprofile(None)
    return Stamped(*seen[0])


def least(step: Step, others: list[Stamped], seconds: float) -> float:
    """The least of a step's microseconds; it takes turns with the copies."""
    us, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        step()
        us = min(us, (time.perf_counter() - start) * 1e6)
        for other in others:
            other()
    return us


def by_kind(found: list[tuple[str, float]]) -> dict[str, float]:
    """The microseconds of each kind of statement."""
    sums = dict.fromkeys(KINDS, 0.0)
    for text, us in found:
        for kind, pattern in KINDS.items():
            if pattern.search(text):
                sums[kind] += us
                break
    return sums


def main() -> None:
    pin()
    os.environ["AUTOGRAD_LITE_BACKEND"] = "numpy"  # whose statements can be timed one by one
    batch, hidden, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    compiled = mlp.compiled(network(batch, hidden))
    inside = mlp.compiled_with_sgd(network(batch, hidden))
    steps = {
        "hand-written NumPy": (by_hand(batch, hidden), [of_step]),
        "hand, buffers": (with_buffers(batch, hidden), [of_step]),
        "compiled": (compiled, [of_generated, of_step]),
        "compiled with SGD": (inside, [of_generated]),
    }
    result: dict[str, Any] = {}
    for name, (step, copied) in steps.items():
        step()
        stamped = [copy(step) for copy in copied]
        us = least(step, stamped, seconds)
        first, *loop = [copy.parts() for copy in stamped]
        found = first + [part for parts in loop for part in parts[1:]]  # the call is `first`
        result[name] = {"us": us, "kinds": by_kind(found), "parts": found}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
