"""One backward function by hand, alone: probed with random inputs and a random upstream."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from ...calculus import grad_or_zeros
from ...engine.tape import Array, tape
from ...engine.tensor import Tensor
from ..answers.arguments import check_effort
from ..answers.judge import INHERITED, OK, OTHER, WRONG, Diagnosis, Row
from ..answers.names import matched, renamed, stems
from ..answers.report import Report
from ..mistakes.table import said
from ..source.doors import Again, as_before, autodiff, searchable, with_fixes
from .averaged import by_convention
from .black_box import by_differences
from .execution import (
    fault,
    hidden,
    hides,
    raised,
    reported,
    same_numbers,
    told_apart,
)
from .opaque import recorded_right
from .pairs import Run, Together
from .probing import Function, array_of, check_outputs
from .slopes import Measured, Slopes, own_stream
from .torch_code import Torch, numbers
from .windows import Meant, meant


def check_backward(
    forward: Any,
    backward: Callable[..., Any] | None = None,
    inputs: Sequence[Any] | Mapping[str, Any] | None = None,
    *,
    effort: float = 1.0,
) -> Report:
    """A backward function by hand against the derivative of its forward function.

    `forward(x, w, b)` is any NumPy code, a function of ours, or a Module; its parameters without a
    default are its inputs, and the rows of the report have their names. `backward(g, x, w, b)` gets
    the upstream gradient and the same arrays (of a Module also its parameters) and returns a
    gradient for each: a tuple, or a dictionary by name (`x` or `dx`). None, or a name left out, is
    "not handed in". Other forms are taken as they are: `forward(x, w, b) -> (out, cache)` with
    `backward(dout, cache)`; several outputs, with an upstream each; `backward(g)`; an object or a
    class with `forward` and `backward`, with a context (`torch.autograd.Function` too), or with
    `compute` and `gradient(out_grad, node)`; and without `backward` a function that returns
    `(loss, gradients)`. A torch function or Module is judged by torch.

    The upstream is random from a stream of its own. A forward that runs on arrays is NumPy code: on
    Tensors too it means what NumPy means, as in `x.var(axis=0)`. Where the two differ all the same,
    that is the one row of the report. It may fill arrays that it makes, as `h[t] = np.tanh(...)`
    does; where it does not run on Tensors all the same, finite differences judge.

    The inputs are random float64, their shapes found by trying. `inputs` sets some or all of them,
    in order or by name: an array, or a shape (a tuple of ints); integers are indices, which have no
    gradient; text, numbers of Python and dictionaries are passed on, and arrays in dictionaries are
    inputs too. Where shapes are given of a kind that hides mistakes (an axis of 1 or 2, two equal
    sizes) and agree, other sizes are tried too; arrays of zeros are drawn anew.

    A backward that raises, changes its arguments, or returns something else is a row of the report.
    Where all but the parameters' gradients are right, and those are divided by the batch size, the
    verdict is "ok, other convention". `fixes` of the report are edits of the backward's lines that
    make its gradients right, and of its forward's where the mistake is in what that keeps for it;
    they are looked for only where a gradient is wrong. `effort` is that of `compare`. ValueError if
    no shapes fit, and for inputs that are not finite; TypeError for what is no function and no
    pair.

    >>> def linear(g, x, w, b):
    ...     return g @ w, g.T @ x, g.mean(0)
    >>> report = check_backward(lambda x, w, b: x @ w.T + b, linear)
    >>> print(report.first_wrong.name, report.fixes[0].new, sep=": ")
    b: return g @ w, g.T @ x, g.sum(0)
    """
    if inputs is None and isinstance(backward, Sequence | Mapping):
        backward, inputs = None, backward  # check_backward(loss, (x, y))
    check_effort("check_backward", effort)
    function = Function(forward, backward, effort)
    given = function.given(inputs)
    arrays = function.fitting(given)
    report = judged(function, arrays)
    fresh = function.again(given) if report.ok and hides(arrays) else None
    if fresh is not None:
        try:
            other = function.fitting(fresh)
        except ValueError:
            return report
        quick = copy(function)
        quick.effort = 0
        function.also = lambda: judged(quick, arrays).ok
        probed = judged(function, other)
        if probed.first_wrong is not None and probed.first_wrong.name in other:
            sizes = ", ".join(f"{name} {a.shape}" for name, a in other.items())
            return with_fixes(hidden(probed, "inputs", sizes))
    return with_fixes(report)


def judged(function: Function, arrays: Mapping[str, Array]) -> Report:
    """The report on one run of the backward."""
    plain = function.on_arrays(arrays)
    if function.torch is not None:
        return by_torch(function, function.torch, arrays)
    try:
        run, tensors = function.on_tensors(arrays, plain is not None)
        check_outputs(run.outputs)
    except Exception:  # noqa: BLE001  (code that does not take Tensors)
        run, tensors = Run([]), {}
    plain = function.on_arrays(arrays)  # last: what it keeps for its backward are arrays
    found = None if by_element(run) else as_windows(function, arrays, plain)
    if found is not None:
        assert plain is not None
        function.words = {}
        gs = upstreams(function, [found.output.array])
        read = by_tape(function, Run([found.output]), found.tensors, gs, arrays, plain)
        return replace(read, remarks=(*read.remarks, f"The forward was {found.words}."))
    if not run.outputs:
        assert plain is not None
        filled = into_buffers(function, arrays, plain)
        if filled is None:
            return without_tape(function, arrays, plain)
        run, tensors = filled
    said = apart(plain, run) if plain is not None else ""
    if said:
        return Report(math.nan, (fault("forward()", said, run.outputs[0].shape),), None)
    gs = upstreams(function, [y.array for y in run.outputs])
    report = by_tape(function, run, tensors, gs, arrays, plain or run)
    if report.ok or function.pair.is_loss or [g.size for g in gs] != [1]:
        return report
    ones = [np.ones(g.shape) for g in gs]
    return ignoring(report, by_tape(function, run, tensors, ones, arrays, plain or run))


def by_element(run: Run) -> bool:
    """Whether the forward was recorded, and each element was computed on its own."""
    nodes = [t for t in tape(*run.outputs) if t.op is not None] if run.outputs else []
    return bool(nodes) and all(t.op.elementwise for t in nodes)


def as_windows(function: Function, arrays: Mapping[str, Array], plain: Run | None) -> Meant | None:
    """What a forward of loops, columns or slices was meant as, if it is one of windows."""
    one = plain is not None and len(plain.outputs) == 1
    if plain is None or not one or function.pair.is_loss or function.parameters:
        return None
    return meant(arrays, np.asarray(plain.outputs[0]))


def into_buffers(
    function: Function, arrays: Mapping[str, Array], plain: Run
) -> tuple[Run, dict[str, Tensor]] | None:
    """The run of a forward that fills arrays place by place; None where its record has not all."""
    try:
        run, tensors = function.on_tensors(arrays, True, written=True)
        check_outputs(run.outputs)
        gs = upstreams(function, [y.array for y in run.outputs])
        wanted = {name: t for name, t in tensors.items() if t.requires_grad}
        grads = grad_or_zeros(tuple(run.outputs), tuple(wanted.values()), tuple(gs), False, True)
    except Exception:  # noqa: BLE001  (whatever a Tensor is not made for)
        return None
    finally:
        function.on_arrays(arrays)  # last: what it keeps for its backward are arrays

    def forward(*moved: Array) -> Array:
        values = {**arrays, **dict(zip(wanted, moved, strict=True))}
        fresh = function.on_arrays(values)
        return flat(fresh.outputs) if fresh else np.full(sum(g.size for g in gs), np.nan)

    mine = [t.array for t in grads]
    whole = recorded_right(forward, [arrays[name] for name in wanted], mine, flat(gs))
    return (run, tensors) if whole and not apart(plain, run) else None


def flat(arrays: Sequence[Any]) -> Array:
    return np.concatenate([np.ravel(a) for a in arrays])


def ignoring(report: Report, at_one: Report) -> Report:
    """The report on the backward of a loss, which may not use the 1 that arrives there: then some
    gradients are right where 1 arrives, and wrong where it is another number."""
    unused = {row.name for row in at_one.rows if row.verdict in (OK, OTHER)} & {
        row.name for row in report.rows if row.verdict in (WRONG, INHERITED)
    }
    if not unused:
        return report
    found = (Diagnosis(*said("upstream-missing", "upstream-unused")[0], True),)
    told = {
        row.name: replace(row, verdict=WRONG, diagnoses=found, mistake_of="")
        for row in report.rows
        if row.name in unused
    }
    if at_one.ok:
        at_one = replace(report, formula="")
    return replace(at_one, rows=tuple(told.get(row.name, row) for row in at_one.rows))


def by_tape(
    function: Function,
    run: Run,
    tensors: Mapping[str, Tensor],
    gs: Sequence[Array],
    arrays: Mapping[str, Array],
    plain: Run,
) -> Report:
    """The report of what was recorded."""
    wanted = {name: t for name, t in tensors.items() if t.requires_grad}
    grads, problems = handed_in(function, gs, arrays, plain, list(wanted))
    again = once_more(function, gs, arrays, plain, list(wanted))
    if function.pair.is_loss:
        (loss,) = run.outputs
        report = reported(loss, grads, wanted, problems, (), function.effort, function.words)
        return searchable(report, again, autodiff(loss, wanted), grads)
    name = "output" if "y" in tensors else "y"
    for i, y in enumerate(run.outputs):
        own = function.words.get(y, "")
        y.name = y.name or own * (own not in tensors) or name + f"{i}" * (len(run.outputs) > 1)
    parts = [(y * g).sum() for y, g in zip(run.outputs, gs, strict=True)]
    loss = sum(parts[1:], parts[0])

    top = [y for y in run.outputs if y.op is not None]  # else it is an input itself

    def judge(mine: Mapping[str, Any]) -> Report:
        return reported(loss, mine, wanted, problems, top, function.effort, function.words)

    if len(gs) > 1:
        report = judge(grads)
    else:
        report = by_convention(judge, grads, run.outputs[0], gs[0], wanted)
    return searchable(report, again, autodiff(loss, wanted), grads)


def without_tape(function: Function, arrays: Mapping[str, Array], plain: Run) -> Report:
    """The report by finite differences, for a forward that does not take Tensors."""
    gs = upstreams(function, [np.asarray(y) for y in plain.outputs])
    wanted = [name for name, a in arrays.items() if a.dtype.kind == "f"]
    grads, problems = handed_in(function, gs, arrays, plain, wanted)

    def outputs(moved: Mapping[str, Array]) -> list[Array]:
        run = function.on_arrays(moved)
        return [np.full(g.shape, np.nan) for g in gs] if run is None else run.outputs

    def value(moved: Mapping[str, Array]) -> float:
        return sum(float(np.sum(y * g)) for y, g in zip(outputs(moved), gs, strict=True))

    rng = own_stream("elsewhere")
    elsewhere = {n: arrays[n] + rng.uniform(0.5, 1.5, arrays[n].shape) for n in wanted}
    here = sum(float(np.sum(y * g)) for y, g in zip(plain.outputs, gs, strict=True))
    if here == value({**arrays, **elsewhere}):
        raise ValueError(
            "check_backward: the output of the forward does not depend on its inputs: it is the "
            "same for others, so that there is no gradient to check"
        )
    return by_differences(
        value, arrays, grads, wanted, problems, outputs=outputs, upstream=gs,
        again=once_more(function, gs, arrays, plain, wanted),
    )  # fmt: skip


def by_torch(function: Function, torch: Torch, arrays: Mapping[str, Array]) -> Report:
    """The report by torch's gradients, as those of a loss that is linear; by finite differences
    where torch has no record of the forward, or only of a part."""
    run = torch.run(function, arrays)
    outputs = [numbers(y) for y in run.outputs]
    gs = upstreams(function, outputs)
    true = torch.gradients(run, gs)
    wanted = list(true)
    grads, problems = handed_in(function, gs, arrays, run, wanted)

    def value(moved: Mapping[str, Array]) -> float:
        found = torch.run(function, moved).outputs
        return sum(float(np.sum(numbers(y) * g)) for y, g in zip(found, gs, strict=True))

    def linear(moved: Mapping[str, Array]) -> float:
        return sum(float(np.sum(g * moved[name])) for name, g in true.items())

    slopes = Slopes(value, arrays)
    again = once_more(function, gs, arrays, run, wanted)
    if any(Measured(slopes, name, g).judge().wrong for name, g in true.items()):
        return by_differences(value, arrays, grads, wanted, problems, again=again)
    remark = "Judged by torch."
    return by_differences(linear, arrays, grads, wanted, problems, remark, again=again)


def upstreams(function: Function, outputs: Sequence[Array]) -> list[Array]:
    """The gradients of the outputs: random, but 1 for a loss that comes with its gradients."""
    if function.pair.is_loss:
        if outputs[0].size != 1:
            raise TypeError(
                "check_backward: without an upstream gradient the forward is a function that "
                "returns a loss, (loss, gradients) or (loss, cache); this one has shape "
                f"{outputs[0].shape}"
            )
        return [np.ones(outputs[0].shape)]
    rng = own_stream("upstream")
    return [np.asarray(rng.standard_normal(y.shape)) for y in outputs]


def apart(plain: Run, run: Run) -> str:
    """How the outputs on arrays and on Tensors differ, in words."""
    pairs = zip(plain.outputs, run.outputs, strict=True)
    return next(filter(None, (told_apart(np.asarray(p), y.array) for p, y in pairs)), "")


def handed_in(
    function: Function,
    gs: Sequence[Array],
    arrays: Mapping[str, Array],
    run: Run,
    wanted: list[str],
) -> tuple[dict[str, Any], list[Row]]:
    """The gradients that a backward returns, by name, and a row for whatever else it does."""
    own = {name: a.copy() for name, a in arrays.items()}
    mine = [g.copy() for g in gs]
    title = f"{function.pair.title}()"
    try:
        with np.errstate(all="ignore"), same_numbers(function.generators):
            result = called(function, mine, own, run)
    except Exception as error:  # noqa: BLE001  (the learner's own, whatever it is)
        return {}, [fault(title, raised(error))]
    labels = ("g",) if len(gs) == 1 else tuple(f"upstream {i}" for i in range(len(gs)))
    before = dict(zip(labels, gs, strict=True)) | dict(arrays)
    after = dict(zip(labels, mine, strict=True)) | own
    faults = [
        f"changes {label} in place: work on a copy"
        for label in before
        if not np.array_equal(before[label], after[label], equal_nan=True)
    ]
    grads = by_name(function, result, arrays, wanted)
    if grads is None:
        faults.append(miscounted(result, wanted))
        grads = {}
    faults += unasked(grads, arrays, wanted)
    rows = [fault(title, "; ".join(faults))] if faults else []
    return {n: grads[n] for n in wanted if grads.get(n) is not None}, rows


def miscounted(result: Any, wanted: Sequence[str]) -> str:
    """How many gradients a backward returned, and for how many inputs, in words."""
    n = len(result) if isinstance(result, tuple | list) else 1
    count = "None" if result is None else f"{n} gradient" + "s" * (n != 1)
    inputs = f"{len(wanted)} input" + "s" * (len(wanted) != 1)
    return f"returns {count} for {inputs} ({', '.join(wanted)})"


def unasked(
    grads: Mapping[str, Any], arrays: Mapping[str, Array], wanted: Sequence[str]
) -> list[str]:
    """The gradients that nobody asked for, in words."""
    faults = []
    for name, value in grads.items():
        intermediate = stems(str(name)) and any(n in wanted for n in grads)  # dZ1 of a dictionary
        if name not in wanted and value is not None and not intermediate:
            what = "holds integers" if name in arrays else "is no input"
            faults.append(f"returns a gradient of {name!r}, which {what}")
    return faults


def once_more(
    function: Function,
    gs: Sequence[Array],
    arrays: Mapping[str, Array],
    run: Run,
    wanted: list[str],
) -> Again:
    """The backward to run again, with its forward where that keeps what it needs."""
    pair, keeps, before = function.pair, function.pair.keeps(run), [*map(array_of, run.outputs)]

    def forward() -> Run | None:
        if function.torch is not None:
            return function.torch.run(function, arrays)
        return run if function.parameters else function.on_arrays(arrays)

    def grads() -> dict[str, Any] | None:
        fresh = forward() if keeps else run
        found, problems = handed_in(function, gs, arrays, fresh, wanted) if fresh else ({}, [])
        return None if problems or fresh is None else found

    def same() -> bool:
        fresh = forward()
        as_was = fresh is not None and as_before([*map(array_of, fresh.outputs)], before)
        return as_was and function.also()

    return Again([pair.backward, pair.forward] if keeps else [pair.backward], grads, same)


def called(function: Function, gs: Sequence[Array], arrays: Mapping[str, Array], run: Run) -> Any:
    """What the backward returns; code for torch gets its tensors."""
    if function.torch is not None:
        return function.torch.backward(function, gs, arrays, run)
    values = function.values(arrays)
    own = [arrays[name] for name in function.parameters]
    return function.pair.gradients(gs, [*values, *own], run)


def by_name(
    function: Function, result: Any, arrays: Mapping[str, Array], wanted: list[str]
) -> Mapping[str, Any] | None:
    """What a backward returned, by the names of the inputs; None if their number does not fit."""
    if isinstance(result, Mapping):
        return renamed(result, wanted)
    if isinstance(function.pair, Together):
        shapes = {name: arrays[name].shape for name in wanted}
        found = matched(result, shapes)
        return {n: g for n, g in found.items() if n in shapes}
    if not isinstance(result, tuple | list):
        result = (result,)
    arguments = [n for n in function.names if n not in function.groups]
    for some in (list(arrays), wanted, arguments):  # with None for what is no float, or without
        if len(result) == len(some):
            return {n: g for n, g in zip(some, result, strict=True) if g is not None or n in arrays}
    return None
