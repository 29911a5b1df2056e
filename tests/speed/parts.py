"""Where the time of a 784-H-10 training step goes: the statements by hand, and those generated."""

from __future__ import annotations

import ast
import inspect
import json
import re
import statistics
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

CALLS = 3000
KINDS = {  # the first that fits a statement
    "update": re.compile(r"^for w, g in|\bupdate\b|optimizer\.\w+\("),
    "matrix products": re.compile(r" @ |\bdot\(|matmul\("),
    "other NumPy": re.compile("(?!loss.backward|return)"),
}
Parts = list[tuple[str, float]]  # statements and the medians of their microseconds


def parts(code: CodeType, names: dict[str, Any], arguments: list[Any]) -> Parts:
    """The time of each statement of a function, in a copy that looks at the clock after each."""
    function: Any = ast.parse(textwrap.dedent(inspect.getsource(code))).body[0]
    *body, last = function.body
    texts = [" ".join(ast.unparse(s).split()) for s in function.body]
    body.append(ast.Assign([ast.Name("result", ast.Store())], last.value))
    looks = [ast.parse(f"s{i} = clock()").body[0] for i in range(len(body) + 2)]
    stamps = ", ".join(f"s{i}" for i in range(len(looks)))
    function.body = looks[:2]  # with nothing between them but the clock
    for statement, look in zip(body, looks[2:], strict=True):
        function.body += [statement, look]
    function.body += ast.parse(f"record(({stamps}))\nreturn result").body
    function.decorator_list = []
    found: list[tuple[float, ...]] = []
    space = names | {"clock": time.perf_counter, "record": found.append}
    tree = ast.fix_missing_locations(ast.Module([function], []))
    exec(compile(tree, "<stamped>", "exec"), space)  # noqa: S102  a function of this project, with clocks
    for _ in range(CALLS):
        space[function.name](*arguments)
    clock, *spans = (
        statistics.median(after - before for before, after in zip(*pair, strict=True)) * 1e6
        for pair in pairwise(zip(*found, strict=True))
    )
    return [(text, max(0.0, us - clock)) for text, us in zip(texts, spans, strict=True)]


def of_step(step: Any) -> Parts:
    """The statements of a step."""
    cells = zip(step.__code__.co_freevars, step.__closure__, strict=True)
    names = {name: cell.cell_contents for name, cell in cells}
    return parts(step.__code__, step.__globals__ | names, [])


def of_generated(step: Step) -> Parts:
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
    return parts(*seen[0])


def by_kind(found: Parts) -> dict[str, float]:
    """The microseconds of each kind of statement."""
    sums = dict.fromkeys(KINDS, 0.0)
    for text, us in found:
        for kind, pattern in KINDS.items():
            if pattern.search(text):
                sums[kind] += us
                break
    return sums


def whole(step: Step) -> float:
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def main() -> None:
    pin()
    batch, hidden = map(int, sys.argv[1:3])
    compiled = mlp.compiled(network(batch, hidden))
    inside = mlp.compiled_with_sgd(network(batch, hidden))
    steps = {
        "hand-written NumPy": by_hand(batch, hidden),
        "hand, buffers": with_buffers(batch, hidden),
        "compiled": compiled,
        "compiled with SGD": inside,
    }
    us = {name: whole(step) for name, step in steps.items()}
    found = {name: of_step(steps[name]) for name in ("hand-written NumPy", "hand, buffers")}
    _, *after = of_step(compiled)  # the call of the function, then the rest of the loop
    found["compiled"] = of_generated(compiled) + after
    found["compiled with SGD"] = of_generated(inside)
    kinds = {name: by_kind(of) for name, of in found.items()}
    print(json.dumps({"us": us, "kinds": kinds, "parts": found}))


if __name__ == "__main__":
    main()
