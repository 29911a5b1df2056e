"""What may differ from autodiff without being wrong: layouts, scales, a later 1/n, kinks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...engine.rules import ops
from ...engine.tape import Array, unbroadcast
from ...engine.tensor import Tensor
from ...program.chain import Tape
from ..idioms import GUARD
from ..mistakes.factors import batch_and_outputs, named_factors
from ..mistakes.places import of_product
from ..mistakes.table import SENTENCES
from ..propagation import Backprop, Contribution, recorded_again, slopes
from .judge import (
    ABSENT,
    OK,
    OTHER,
    SMALL,
    WRONG,
    Diagnosis,
    Hand,
    Row,
    distance,
    fitted,
    largest,
    tolerance,
)


def judged_value(tape: Tape, value: float | None, scale: float) -> tuple[tuple[Row, ...], float]:
    """The row of the loss by hand, if it was handed in, and its scale: a factor that has a name,
    such as the batch size, is a convention."""
    if value is None:
        return (), scale
    loss = tape.nodes[-1]
    here = float(loss.array.item())
    coarse = 1e-9 if loss.dtype == np.float64 else 1e-5

    def near(c: float) -> bool:
        return bool(np.isclose(value, c * here, rtol=coarse, atol=1e-12))

    off = abs(value - scale * here)
    row = Row("loss value", (), OK, "", off, off / abs(scale * here) if here else np.nan)
    if near(scale):
        return (row,), scale
    if scale == 1:
        for c, names in named_factors(tape, means=False).items():
            if c > 0 and len(names[0]) == 1 and near(c):
                note = f"{c:g} times the recorded one: {names[0][0][1]}; gradients are judged so"
                return (replace(row, verdict=OTHER, note=note),), c
    note = f"yours {value:.6g}, recorded {scale * here:.6g}"
    return (replace(row, verdict=WRONG, note=note),), scale


def scale_hint(rows: Mapping[Tensor, Row]) -> str:
    """A hint where everything handed in is wrong by one factor alone, which may be a convention."""
    handed = [row for row in rows.values() if row.verdict != ABSENT]
    wrong = [row for row in handed if row.diagnoses]
    if len(handed) < 2 or len(wrong) != 1 or any(row.verdict in (OK, OTHER) for row in handed):
        return ""
    slugs = {d.slug for d in wrong[0].diagnoses}
    if not slugs & {"mean-missing", "mean-twice", "mean-count", "factor-2", "factor-half"}:
        return ""
    return "If the loss by hand is scaled so, pass value= or scale=."


def in_shape(hands: Mapping[Tensor, Hand], scale: float, transposed: bool | None) -> None:
    """Divide the gradients by the scale, and bring them into the shapes of their tensors where that
    can be.

    Axes of size 1 may come and go, and a matrix may come as its transpose, as in the convention of
    columns or of weights (in, out): if all do whose shape can tell, of the leaves or of the
    intermediates. Square ones follow the others.
    """
    for leaves in (True, False):
        group = {t: hand for t, hand in hands.items() if (t.op is None) == leaves}
        shapes = [(t.shape, h.given.shape) for t, h in group.items() if t.ndim == h.given.ndim == 2]
        turned = {a == b[::-1] for a, b in shapes if a[0] != a[1] and 1 not in a}
        turn = turned == {True} if transposed is None else transposed
        for t, hand in group.items():
            if scale != 1:
                hand.given = hand.given / scale
            if turn and t.ndim == 2 and hand.given.shape == t.shape[::-1]:
                hand.own, hand.convention = hand.given.T, "yours is the transpose"
            else:
                hand.own = fitted(hand.given, t.shape)


def defer(
    tape: Tape, hands: Mapping[Tensor, Hand], true: Mapping[Tensor, Any]
) -> tuple[int, set[Tensor]]:
    """n, and the tensors whose gradients lack a 1/n that those of parameters have, which they get
    here: intermediates and inputs. Else 1.

    Where some are wrong, it is the convention that leaves fewer of them wrong on their own.
    """
    n, _ = batch_and_outputs(tape)
    own = {t: hand.own for t, hand in hands.items() if hand.own is not None}

    def near(t: Tensor, g: Array, right: Mapping[Tensor, Any]) -> bool:
        return distance(g, np.asarray(right.get(t, 0 * g)))[1] <= tolerance(g, t.array)

    late = {
        t for t, g in own.items() if t.op is not None or (n in t.shape and near(t, g / n, true))
    }
    if n < 2 or all(t.op is None for t in late) or len(late) == len(own):
        return 1, set()

    def result(factor: int) -> tuple[list[Tensor], int]:
        """The tensors that agree with autodiff, and how many neither do nor inherit."""
        mine = {t: g / factor if t in late else g for t, g in own.items()}
        made = Backprop(tape, {t: g.astype(t.dtype) for t, g in mine.items()}, {}).made
        good = [t for t, g in mine.items() if near(t, g, true)]
        return good, sum(not near(t, g, made) for t, g in mine.items() if not near(t, g, true))

    (good, wrong), (better, left) = result(1), result(n)
    more = len(better) - len(good)
    both = len({t in late for t in better}) == 2
    settled = (left < wrong and more >= 0) or (left == wrong and more > 0 and both)
    if not settled:
        return 1, set()
    for t in late:
        hands[t].own = own[t] / n
    return n, late


def meanings(loss: Tensor) -> Iterator[tuple[dict[Tensor, Tensor], str]]:
    """What a loss may be meant to be, recorded anew, with the convention in words."""

    def by_n(node: Tensor, args: list[Any]) -> tuple[list[Any], dict[str, Any]] | None:
        if node.op is None or node.kw.get("correction") != 1:
            return None
        return args, node.kw | {"correction": 0}

    def without_guards(node: Tensor, args: list[Any]) -> tuple[list[Any], dict[str, Any]] | None:
        if node.op is not ops.add or not any(is_guard(a) for a in args):
            return None
        guards.update(float(a) for a in args if is_guard(a))
        return [0.0 if is_guard(a) else a for a in args], node.kw

    guards: set[float] = set()
    meant = recorded_again(loss, by_n)
    if meant:
        yield meant, "the variance over n, as NumPy's; that of the loss is over n - 1"
    meant = recorded_again(loss, without_guards)
    if meant:
        yield meant, f"leaves out the {max(guards):g} that the loss adds"


def is_guard(a: Any) -> bool:
    """Whether it is a number that only keeps a logarithm or a quotient finite."""
    return isinstance(a, float | np.floating) and bool(0 < a <= GUARD)


def put_off(row: Row, n: int) -> Row:
    """The row of an intermediate whose 1/n comes later."""
    if row.verdict != OK:
        return row
    words = SENTENCES["mean-deferred"].format(n=n)
    return replace(row, verdict=OTHER, diagnoses=(Diagnosis("mean-deferred", words, True),))


def excused(row: Row, back: Backprop, t: Tensor, mine: Array | None, right: Array) -> Row:
    """The row of a wrong gradient that is none after all: rounding, or a slope at a kink."""
    if row.verdict != WRONG or mine is None:
        return row
    if cancelled(back, t, mine, right):
        return replace(row, verdict=SMALL, note="all that is left is rounding")
    if at_kinks(back.tape, t, mine, right):
        note = "differs at kinks, where it is a slope too"
        return replace(row, verdict=OTHER, note=note)
    return row


def at_kinks(tape: Tape, t: Tensor, mine: Array, right: Array) -> bool:
    """Whether two gradients differ in few elements, in which the loss has a kink and the one handed
    in lies between the slopes on either side, as 1 does for relu at 0."""
    differ = np.argwhere(~np.isclose(mine, right, rtol=1e-6, atol=1e-6 * largest(right)))
    if not 0 < len(differ) <= 16:
        return False
    for place in differ:
        element = tuple(int(i) for i in place)
        sides = slopes(tape, t, element)
        if sides is None:
            return False
        low, high = min(sides), max(sides)
        margin = 1e-3 * (high - low)
        noise = 1e-8 * max(1.0, abs(float(tape.nodes[-1].array.item())))
        if high - low <= noise or not low - margin <= mine[element] <= high + margin:
            return False
    return True


def cancelled(back: Backprop, t: Tensor, mine: Array, right: Array) -> bool:
    """Whether both gradients are no larger than the rounding of the sums that they are made by, as
    before a batch normalisation, where the exact one is 0."""
    precision = max(np.finfo(a.dtype).eps for a in (mine, right))
    most = max(largest(mine), largest(right))
    return most < np.inf and bool(most <= 8 * precision * sum(map(summands, back.into[t])))


def summands(e: Contribution) -> float:
    """The largest sum of magnitudes that an element of an edge's part is the sum of."""
    if e.node.op is ops.matmul and e.g.ndim == 2:
        return largest(of_product(e, np.abs(e.g), np.abs(e.node.args[1 - e.i])))
    return largest(unbroadcast(np.abs(e.raw), e.p.array))
