"""The gradients of a source against finite differences, value by value."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..program.trace import Program
from .source import Source, execute, gradients, signature
from .text import operations


@dataclass(frozen=True)
class Row:
    """The slope of the loss in a value, along a random direction: by the source, by differences."""

    name: str
    shape: tuple[int, ...]
    gradient: float
    difference: float
    ok: bool
    operations: str
    kink: bool = False  # the slopes on either side differ, and the gradient lies between them

    @property
    def verdict(self) -> str:
        if self.kink:
            return "kink"
        if self.ok:
            return "ok"
        return "differs" if math.isfinite(self.difference) else "undefined"


@dataclass(frozen=True, repr=False)
class Check:
    """Every gradient of a derivation against a finite difference, in backward order.

    True if all agree. `first` is the row where they part, whose operations are to blame: what
    follows inherits the error. `value` is the loss; where it is not finite at a value or beside
    it, there is no difference to compare with.
    """

    rows: tuple[Row, ...]
    unused: tuple[str, ...]
    loss: str
    value: float

    @property
    def first(self) -> Row | None:
        return next((r for r in self.rows if not r.ok), None)

    def __bool__(self) -> bool:
        return self.first is None

    def __str__(self) -> str:
        width = max((len(r.name) for r in self.rows), default=0)
        out = [f"The slope of {self.loss} when a value moves in a random direction:"]
        out.append(f"{'':<{width + 2}}   derivation    finite difference")
        out += [
            f"d_{r.name:<{width}}  {r.gradient:< 13.6g} {r.difference:< 13.6g} "
            f"{r.verdict:<9}  {r.operations}".rstrip()
            for r in self.rows
        ]
        if any(r.kink for r in self.rows):
            out.append(f"kink: {self.loss} bends there, and the derivation is between both slopes.")
        first = self.first
        if first is not None and first.verdict == "differs":
            out.append(f"They part at d_{first.name}: {first.operations}.")
        elif first is not None:
            where = "" if not math.isfinite(self.value) else f" beside {first.name}"
            out.append(f"undefined: {self.loss} is not finite{where}, so it has no slope.")
        out += [f"No influence on the loss: {name}" for name in self.unused]
        return "\n".join(out)

    __repr__ = __str__  # what a notebook shows of it


# NumPy without its smaller floats, to which the source of a float32 model casts
WIDE = SimpleNamespace(**vars(np) | {"float16": np.float64, "float32": np.float64})


def check_slopes(program: Program, single: Callable[[], Program], step: float, rel: float) -> Check:
    """The slope of every visible value: by the source's gradient, by moving the value.

    Where they part in a line of several operations, `single` gives the program that has one
    operation a line, and tells which it is.
    """
    rows = compared(program, step, rel)
    for i, row in enumerate(rows):
        if row.verdict == "differs":
            blamed = next((r for r in compared(single(), step, rel) if not r.ok), row)
            rows[i] = replace(row, operations=blamed.operations)
            break
    value = float(program.loss.value.item())
    return Check(tuple(rows), tuple(program.unused), program.loss.name, value)


def compared(program: Program, step: float, rel: float) -> list[Row]:
    """The rows of a check, in backward order."""
    source = Source(program, loops=False)
    lines = ["\n".join(source.statement(s)) for s in program.statements]
    codes = [compile(textwrap.dedent(text), "<check>", "exec") for text in lines]
    n = len(program.forward)
    erf = np.vectorize(math.erf, otypes=[float])
    names: dict[str, Any] = {"np": WIDE, "math": math, "erf": erf}
    for a in program.arguments:
        names[a.symbol.name] = same if a.kind == "hook" else wide(a.value)

    def run(names: dict[str, Any], first: int, last: int) -> dict[str, Any]:
        with np.errstate(all="ignore"):
            for code in codes[first:last]:
                execute(code, names)
        return names

    forward = run(names, 0, n)
    found = run(dict(forward), n, len(codes)) | returned(program, forward)
    made = {id(s.target): i for i, s in enumerate(program.forward)}
    visible = program.visible()
    twins = {id(s.target) for s in program.forward if s.twin}
    rng = np.random.default_rng(0)
    rows: list[Row] = []
    order = {id(s): i for i, s in enumerate(program.statements)}
    whole = program.whole_gradients()
    with np.errstate(all="ignore"):  # what is added up in the loss, which may cancel
        sizes = [
            np.sum(np.abs(found[s.target.name] * forward[visible[key].name]))
            for key, s in whole.items()
            if key not in twins
        ]
    total = max([1.0, *filter(math.isfinite, map(float, sizes))])
    for key, s in sorted(whole.items(), key=lambda pair: order[id(pair[1])]):
        if key in twins:
            continue
        x = visible[key]
        value = np.asarray(forward[x.name])
        # what is infinite (the scores that a mask leaves out) stays where it is
        scale = np.where(np.isfinite(value), np.where(value == 0, 1, np.abs(value)), 0)
        u = rng.standard_normal(value.shape) * scale

        def loss_at(moved: Any, x: Any = x, key: int = key) -> float:
            end = run(forward | {x.name: moved}, made.get(key, -1) + 1, n)
            return float(np.asarray(end[program.loss.name]).item())

        high, low = loss_at(value + step * u), loss_at(value - step * u)
        difference = (high - low) / (2 * step)
        gradient = float(np.sum(found[s.target.name] * u))
        rounding = 16 * np.finfo(float).eps / step * max(total, abs(high))
        ok = bool(
            abs(gradient - difference) <= rel * max(abs(gradient), abs(difference)) + rounding
        )
        kink = not ok and between(loss_at, value, u, step, gradient)
        rows.append(Row(x.name, x.shape, gradient, difference, ok or kink, operations(s), kink))
    return rows


def returned(program: Program, names: dict[str, Any]) -> dict[str, Any]:
    """The gradients of the arguments, by the whole function, in which steps may be loops."""
    given = {name: names[name] for name in signature(program) if name != "parameters"}
    if parameters := program.of_kind("parameter"):
        given["parameters"] = {a.key: names[a.symbol.name] for a in parameters}
    text = Source(program).text.replace("import numpy as np\n", "")
    function = execute(compile(text, "<check>", "exec"), {"np": WIDE})["backprop"]
    with np.errstate(all="ignore"):
        _, found = function(**given)
    return {s.target.name: found[a.key] for a, s in gradients(program)}


def between(loss_at: Callable[[Any], float], x: Any, u: Any, step: float, gradient: float) -> bool:
    """Whether the loss has a kink at `x`, and `gradient` lies between the slopes beside it, along
    `u`."""
    here = loss_at(x)

    def slopes(h: float) -> tuple[float, float]:
        return (here - loss_at(x - h * u)) / h, (loss_at(x + h * u) - here) / h

    near, far = slopes(step), slopes(4 * step)
    gap = abs(near[1] - near[0])
    if not gap > abs(far[1] - far[0]) / 2:  # it shrinks with the step: curvature
        return False
    return min(near) - 1e-3 * gap <= gradient <= max(near) + 1e-3 * gap


def wide(x: Any) -> Any:
    """An array, its floats in float64."""
    a = np.asarray(x)
    return a.astype(np.float64) if a.dtype.kind == "f" else a


def same(g: Any) -> Any:
    """In place of a hook."""
    return g
