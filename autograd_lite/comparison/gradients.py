"""What a learner calls: `compare` for a report, `assert_same` for tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine.modes import enable_grad, like_numpy, no_grad
from ..engine.tape import Array
from ..engine.tensor import Tensor
from ..program.chain import Tape, numbers, reverse
from .answers.arguments import (
    as_gradient,
    backward_order,
    check_loss,
    check_options,
    read_gradients,
    tape_of,
)
from .answers.conventions import (
    defer,
    excused,
    in_shape,
    judged_value,
    meanings,
    put_off,
    scale_hint,
)
from .answers.judge import (
    ABSENT,
    INHERITED,
    OK,
    OTHER,
    SMALL,
    WRONG,
    Diagnosis,
    Row,
    judge,
    scale_of,
)
from .answers.naming import words_in
from .answers.report import Comparison, Report, Witness
from .mistakes.naming import Naming
from .mistakes.table import said
from .propagation import Backprop, slopes, sources
from .source.doors import Again, as_before, autodiff, searchable, with_fixes
from .torch_loss import is_torch, report_by_torch

NOISE = 1e-4  # of a gradient: what finite differences leave
SHORT = 70  # characters of a mistake that are said again in the rows that it explains too


def compare(
    loss: Tensor | Callable[[], Tensor],
    grads: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
    model: Any = None,
    *,
    value: float | None = None,
    scale: float = 1.0,
    transposed: bool | None = None,
    effort: float = 1.0,
) -> Report:
    """Gradients by hand against autodiff's, tensor by tensor, and which mistakes explain them.

    `grads` maps names to gradients: arrays, Tensors, nested lists or numbers. A name is the
    `name` of a tensor that `loss` was computed from, intermediate or input, or a parameter's dotted
    path in `model`, what `draw` calls a tensor without a name, as `z1`, or what its gradient is
    called, such as `dW1`; any subset will do. A function of no arguments that gives the dictionary
    is looked at too: `fixes` of the report are edits of
    its lines that make them right.

    Shapes are never broadcast. Two gradients are the same if the norm of their difference is up to
    1e-9 of theirs, 1e-4 if either is float32. What follows from a wrong gradient above by the right
    rule is "inherited", not wrong. For the wrong ones the mistakes in `mistakes/` are made on
    purpose, until the gradients come out as handed in: up to three in a chain. How long that is
    tried is counted in work, not in seconds, so that the report of the same gradients is the same
    on every machine; `effort=10` is ten times as much.

    Conventions: `scale` is the loss by hand over `loss`, such as n for a sum where `loss` is a
    mean; it is found out if `value`, the loss by hand, is handed in, which is then judged first.
    `transposed` says whether matrices are handed in as transposes. If it is None, it is found out
    from shapes, as are lost axes of size 1; so is a 1/n that parameters have and intermediates do
    not. The verdict is then "ok, other convention".

    `loss` may also be a function without arguments that computes it: NumPy code then means what
    NumPy means, as in `x.var()`. With a loss of torch, `model` is a torch Module, and torch judges
    the gradients of its parameters; mistakes are then not looked for, edits of your lines are.

    The tape stays, no `.grad` changes and no hook runs; it works before `backward()` and after
    `backward(retain_graph=True)`. RuntimeError for a tape that was released and a loss of several
    elements; ValueError for a name that is unknown, ambiguous, or of a tensor that needs no
    gradient, and for a scale of 0; TypeError for what is not numbers.

    >>> x = tensor([[1.0, 2.0]]); w = tensor([[3.0], [4.0]], requires_grad=True, name="w")
    >>> z = x @ w
    >>> z.name = "z"
    >>> loss = (z * z).sum()
    >>> report = compare(loss, {"z": 2 * z.array, "w": x.array.T @ z.array})
    >>> report.ok, report.first_wrong.name, report.first_wrong.diagnoses[0].slug
    (False, 'w', 'factor-half')
    >>> print(report)
    w is wrong: the 2 of a square forgotten, or a 1/2 too many. Fix w first.
    tensor  shape   max abs err  rel err  verdict     diagnosis
    z       (1, 1)  0.0e+00      0.0e+00  ok
    w       (2, 1)  2.2e+01      5.0e-01  wrong here  the 2 of a square forgotten, or a 1/2 too many
    1 gradient agrees, 1 is wrong on its own. Fix w first.
    w: element (1, 0): yours 22, autodiff 44, finite difference 44.
    """
    check_options(model, scale, transposed, effort)
    if value is not None:
        value = float(as_gradient("the loss", value).reshape(()))
    recorded = recorded_of(loss)
    if is_torch(recorded):
        return report_by_torch(recorded, grads, model, scale, transposed)
    check_loss(recorded)
    parameters = dict(model.named_parameters(remove_duplicate=False)) if model is not None else {}
    if not all(isinstance(p, Tensor) for p in parameters.values()):
        raise TypeError(
            f"compare: model is a {type(model).__name__} of another library than the loss; compute "
            "the loss with it, or give the Module that this loss was computed with"
        )
    given = grads() if callable(grads) else grads
    words = words_in(sys._getframe(1))
    options = value, scale, transposed, effort
    report = report_on(recorded, given, parameters, *options, words=words)
    if not callable(grads):
        return report
    hands = read_gradients(given, backward_order(tape_of(recorded)), parameters)
    wanted = {hand.name: t for t, hand in hands.items()}

    def same() -> bool:
        return as_before([recorded_of(loss).array], [recorded.array])

    again = Again([grads], grads, same)
    return with_fixes(searchable(report, again, autodiff(recorded, wanted, scale), given))


def recorded_of(loss: Tensor | Callable[[], Tensor]) -> Tensor:
    """The loss, computed if it is a function."""
    if isinstance(loss, Tensor) or not callable(loss):
        return loss
    with like_numpy(), enable_grad():
        try:
            return loss()
        except Exception as error:
            error.add_note(
                "compare: check(f, params, grads) takes code that makes no tape as it is."
            )
            raise


def report_on(
    loss: Tensor,
    grads: Mapping[str, Any],
    parameters: Mapping[str, Tensor],
    value: float | None = None,
    scale: float = 1.0,
    transposed: bool | None = None,
    effort: float = 1.0,
    top: Sequence[Tensor] = (),
    words: Mapping[Tensor, str] | None = None,
) -> Report:
    """`compare` for options that are checked and parameters by name, a row for each of them.

    What `top` was computed into is no place for a mistake: the product with an upstream gradient,
    and its sum, are not the learner's. Where gradients are wrong, they are held against what the
    loss may be meant to be, too. `words` are the names of the learner's variables.
    """
    given = value, scale, transposed, effort
    words = words or {}
    report = report_of(loss, grads, parameters, *given, top, words)
    for new, note in () if report.ok else meanings(loss):
        meant = {name: new.get(p, p) for name, p in parameters.items()}
        called = {new.get(t, t): word for t, word in words.items()}
        ends = [new.get(t, t) for t in top]
        other = report_of(new[loss], grads, meant, *given, ends, called)
        if wrongs(other) < wrongs(report):
            report = with_convention(other, report, note)
    return report


def wrongs(report: Report) -> int:
    """How many gradients are wrong on their own."""
    return sum(row.verdict == WRONG for row in report.rows)


def with_convention(report: Report, recorded: Report, note: str) -> Report:
    """The report on a loss that is meant, told of the one that was recorded."""
    was = {row.name: row.verdict for row in recorded.rows}
    rows = tuple(
        replace(row.with_note(note), verdict=OTHER)
        if row.verdict == OK and was[row.name] not in (OK, OTHER)
        else row
        for row in report.rows
    )
    return replace(report, rows=rows, loss=recorded.loss)


def report_of(
    loss: Tensor,
    grads: Mapping[str, Any],
    parameters: Mapping[str, Tensor],
    value: float | None,
    scale: float,
    transposed: bool | None,
    effort: float,
    top: Sequence[Tensor],
    words: Mapping[Tensor, str],
) -> Report:
    """The report on one loss."""
    tape = tape_of(loss)
    order = backward_order(tape)
    hands = read_gradients(grads, order, parameters)
    absent = {p: name for name, p in reversed([*parameters.items()]) if p.requires_grad}

    with no_grad(), np.errstate(all="ignore"):
        true = dict(reverse(tape, np.ones(loss.shape, loss.dtype), numbers))
        first, scale = judged_value(tape, value, scale)
        in_shape(hands, scale, transposed)
        n, late = defer(tape, hands, true)
        own = {t: hand.own for t, hand in hands.items() if hand.own is not None}
        back = Backprop(tape, {t: g.astype(t.dtype) for t, g in own.items()}, {})
        rows: dict[Tensor, Row] = {}
        for t in dict.fromkeys([*order, *hands, *reversed(absent)]):
            if t in hands:
                zero = np.zeros(t.shape, t.dtype)  # for a parameter that this loss does not use
                right, follows = (np.asarray(g.get(t, zero)) for g in (true, back.made))
                row = judge(hands[t], right, follows, scale_of(loss))
                row = excused(row, back, t, own.get(t), right)
                rows[t] = put_off(row, n) if t in late else row
            elif t in absent:
                rows[t] = Row(absent[t], t.shape, ABSENT)
        named = Naming(tape, top, hands, rows, true, effort, words)
        rows, formula = explained(named, rows)
        remarks = (
            f"Yours are divided by scale, {scale:g}." if scale != 1 else scale_hint(rows),
            "The search for the mistake was cut off; effort=10 tries more." if named.late else "",
            f"The search for the mistake failed: {named.failed[:200]}." if named.failed else "",
        )
        return Report(
            float(loss.array.item()),
            (*first, *blamed(tape, rows)),
            witness(tape, rows, own, true),
            formula,
            tuple(filter(None, remarks)),
            recorded=Comparison(loss, parameters),
        )


def explained(naming: Naming, rows: dict[Tensor, Row]) -> tuple[dict[Tensor, Row], str]:
    """The rows with the mistakes that explain the wrong ones, and the first one's formulas.

    What the mistake of a row above explains is inherited.
    """
    wrong = [t for t, row in rows.items() if row.verdict == WRONG]
    found = naming.explain(wrong) if wrong else {}
    for t in wrong:
        row = rows[t]
        if row.unexplained and t not in found and row.rel_err <= NOISE:
            almost = Diagnosis(*said("numerical")[0], exact=False)
            rows[t] = replace(row, diagnoses=(almost,))
    first = found.get(wrong[0]) if wrong else None
    formula = f"{rows[wrong[0]].name}: {first.formula}." if first and first.formula else ""
    for t, finding in found.items():
        rows[t] = replace(rows[t], diagnoses=finding.diagnoses)
        if finding.fact:
            rows[t] = replace(rows[t], note=finding.fact, contrasted=False)
        for u in finding.also:
            name, (way, *_) = rows[t].name, rows[t].explanations
            note = f"the mistake of {name}" + (f": {way}" if len(way) <= SHORT else "")
            rows[u] = replace(rows[u], verdict=INHERITED, note=note, mistake_of=name)
    return rows, formula


def assert_same(
    loss: Tensor | Callable[[], Tensor],
    grads: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
    model: Any = None,
    *,
    value: float | None = None,
    scale: float = 1.0,
    transposed: bool | None = None,
    effort: float = 1.0,
) -> None:
    """Raise AssertionError with the report of `compare`, unless it is ok.

    >>> x = tensor(3.0, requires_grad=True, name="x")
    >>> assert_same(x * x, {"x": 6.0})
    """
    __tracebackhide__ = True  # pytest then shows the caller's line
    compare(
        loss, grads, model, value=value, scale=scale, transposed=transposed, effort=effort
    ).check()


def blamed(tape: Tape, rows: dict[Tensor, Row]) -> tuple[Row, ...]:
    """The rows, with the tensors that the inherited ones have their mistake from.

    If all above agree within the tolerance, it is their rounding that cancellation made visible.
    """
    wrong = {t: row.name for t, row in rows.items() if row.verdict == WRONG or row.mistake_of}
    above = sources(tape, wrong)
    names = [row.name for row in rows.values()]
    found = []
    for t, row in rows.items():
        if row.verdict == INHERITED and not row.mistake_of:
            causes = sorted(above.get(t, ()), key=names.index)
            note = "from " + ", ".join(causes) if causes else "the rounding above explains it"
            row = replace(row.with_note(note), verdict=INHERITED if causes else SMALL)
        found.append(row)
    return tuple(found)


def witness(
    tape: Tape, rows: dict[Tensor, Row], yours: Mapping[Tensor, Array], true: dict[Tensor, Any]
) -> Witness | None:
    """The worst element of the first wrong gradient, and what a finite difference says."""
    for t, row in rows.items():
        mine = yours.get(t)
        if row.verdict == WRONG and mine is not None:
            right = np.asarray(true.get(t, np.zeros(t.shape)))
            difference = np.abs(mine.astype(np.float64) - right)
            place = np.unravel_index(np.argmax(difference), t.shape)
            element = tuple(int(i) for i in place)
            sides = slopes(tape, t, element)
            numbers = float(mine[element]), float(right[element])
            return Witness(row.name, element, *numbers, sides, float(tape.nodes[-1].array.item()))
    return None
