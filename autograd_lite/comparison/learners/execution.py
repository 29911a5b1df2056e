"""Running a learner's code: on the same random numbers, and the report on what it gives."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import numpy as np

from ...calculus import grad_or_zeros
from ...creation import default_generator
from ...engine.tape import Array
from ...engine.tensor import Tensor
from ..answers.arguments import as_gradient
from ..answers.judge import ABSENT, FINE, WRONG, Row, largest
from ..answers.report import Report
from ..gradients import report_on

Shape = tuple[int, ...]

# All different, and no two classes: equal sizes let a transpose or a wrong axis pass. Two layers
# have 3 inputs, 4 hidden and 3 outputs, in batches of 5.
N, IN, HIDDEN, OUT = 5, 3, 4, 6


def generators(owners: Sequence[Any]) -> list[Any]:
    """Our generator, and those that functions or the methods of objects see outside of themselves:
    in their modules, their classes and the functions around them."""
    found: list[Any] = [default_generator()]
    for owner in owners:
        for member in (owner, *(m for c in type(owner).__mro__ for m in vars(c).values())):
            seen = [member, *getattr(member, "__globals__", {}).values()]
            for cell in getattr(member, "__closure__", None) or ():
                with suppress(ValueError):  # not filled yet
                    seen.append(cell.cell_contents)
            found += [g for g in seen if isinstance(g, np.random.Generator | np.random.RandomState)]
    return list({id(g): g for g in found}.values())


def seen_by(f: Callable[..., Any]) -> dict[str, Any]:
    """What a function uses without being given it, by name."""
    try:
        closure = inspect.getclosurevars(f)
    except (TypeError, ValueError):
        return {}
    own = getattr(getattr(f, "__self__", None), "__dict__", {})  # of a method: the object's
    return {**closure.globals, **closure.nonlocals, **own}


@contextmanager
def same_numbers(generators: Sequence[Any]) -> Iterator[None]:
    """What is drawn meanwhile from these generators, from np.random and from random is drawn again
    the next time."""
    kept = numbers(generators)
    try:
        yield
    finally:
        set_numbers(generators, kept)


def numbers(generators: Sequence[Any]) -> list[Any]:
    """The states of these generators, of np.random and of random."""
    states = [
        g.get_state() if isinstance(g, np.random.RandomState) else g.bit_generator.state
        for g in generators
    ]
    return [random.getstate(), np.random.get_state(legacy=False), *states]


def set_numbers(generators: Sequence[Any], states: Sequence[Any]) -> None:
    """Put these states back."""
    random.setstate(states[0])
    np.random.set_state(states[1])
    for g, state in zip(generators, states[2:], strict=True):
        if isinstance(g, np.random.RandomState):
            g.set_state(state)
        else:
            g.bit_generator.state = state


def told_apart(plain: Array, y: Array) -> str:
    """How what a forward gives on arrays and on Tensors differs, in words; "" if it does not.

    >>> told_apart(np.array([1.0, 2.0]), np.array([1.0, 3.0]))[:51]
    'gives 2 on arrays and 3 on Tensors at element (1,);'
    """
    remedy = (
        "; no gradient is judged before they agree: use NumPy functions, np.f(x) for x.f(), and "
        "make generators of random numbers once"
    )
    if plain.shape != y.shape:
        return f"gives shape {plain.shape} on arrays and {y.shape} on Tensors{remedy}"
    size = largest(plain[np.isfinite(plain)])
    differ = np.argwhere(~np.isclose(plain, y, rtol=FINE, atol=FINE * size, equal_nan=True))
    if not len(differ):
        return ""
    place = tuple(int(i) for i in differ[0])
    where = f" at element {place}" if place else ""
    return f"gives {plain[place]:.6g} on arrays and {y[place]:.6g} on Tensors{where}{remedy}"


def pulled_back(y: Tensor, x: Tensor, g: Array) -> Array:
    """The gradient of one recorded tensor that `g` of another is pulled back to."""
    return grad_or_zeros((y,), (x,), (g,), False, True)[0].array


def hides(arrays: Mapping[str, Array]) -> bool:
    """Whether these inputs let some mistakes pass: an axis of 1 or 2, two equal sizes, zeros."""
    floats = [a for a in arrays.values() if a.dtype.kind == "f"]
    return any(
        not a.any() or min(a.shape, default=3) < 3 or len(set(a.shape)) < a.ndim for a in floats
    )


def fault(name: str, note: str, shape: Shape = ()) -> Row:
    """The row of something that cannot be compared."""
    return Row(name, shape, WRONG, note)


def raised(error: Exception) -> str:
    """What a function raised, in one line."""
    return f"raised {type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")


def reported(
    loss: Tensor,
    grads: Mapping[str, Any],
    wanted: Mapping[str, Tensor],
    problems: Sequence[Row],
    top: Sequence[Tensor] = (),
    effort: float = 1.0,
    words: Mapping[Tensor, str] | None = None,
) -> Report:
    """The report of `compare`, with rows for what is no gradient; `wanted` gets a row each."""
    problems, fine = list(problems), {}
    for name, value in grads.items():
        try:
            fine[name] = as_gradient(name, value)
        except TypeError as error:
            text = str(error).removeprefix("compare: ")
            problems.append(fault(name, text, wanted[name].shape if name in wanted else ()))
    if fine:
        report = report_on(loss, fine, wanted, top=top, effort=effort, words=words)
    else:
        rows = [Row(name, t.shape, ABSENT) for name, t in wanted.items()]
        report = Report(loss=float(loss.array.item()), rows=tuple(rows), witness=None)
    told = {row.name for row in problems}
    kept = (row for row in report.rows if not (row.verdict == ABSENT and row.name in told))
    return replace(report, rows=(*problems, *kept))


def hidden(report: Report, by: str, seen: str) -> Report:
    """The report on other data than those given, which do not show the mistake."""
    first = report.first_wrong
    if first is None:
        return report
    said = f"hidden by the {by} given; seen with {seen}"
    rows = (
        replace(row.with_note(said), hidden=said) if row is first else row for row in report.rows
    )
    return replace(report, rows=tuple(rows))


def with_note(report: Report, name: str, note: str) -> Report:
    """The report with a remark on one row."""
    rows = (row.with_note(note) if row.name == name else row for row in report.rows)
    return replace(report, rows=tuple(rows))
