"""Judging one gradient that was handed in against the one that autodiff finds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from ...differences import relative_error
from ...engine.tape import Array
from ...engine.tensor import Tensor

OK = "ok"
OTHER = "ok, other convention"
INHERITED = "inherited"
WRONG = "wrong here"
SMALL = "too small to judge"
ABSENT = "not handed in"
# a sign besides the colour, and what the colour is called, of every verdict, worst first
VERDICTS = {
    WRONG: ("■", "wrong"), INHERITED: ("▲", "doubt"), SMALL: ("○", "doubt"),
    OTHER: ("●", "right"), OK: ("●", "right"), ABSENT: ("○", "quiet"),
}  # fmt: skip

FINE = 1e-9  # both sides are analytic, so float64 differs by rounding only
COARSE = {2: 1e-2, 4: 1e-4}  # where one side has a float type of so many bytes
SMALLEST = 1e-12  # of the scale of the loss


@dataclass(frozen=True)
class Diagnosis:
    """A mistake that explains a gradient: exactly (to rel 1e-4), or merely consistent with it.

    Those with one number of `explanation` are made together, or are one factor that has several
    causes if they are an `alternative`; another number is another way to explain the same. `at` is
    the serial number of the operation whose derivative it is about, 0 where it is about none.
    """

    slug: str
    sentence: str
    exact: bool
    explanation: int = 0
    alternative: bool = False
    at: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True)
class Row:
    """What became of one tensor; errors are NaN where there was nothing to subtract.

    `contrasted` says that the note tells how the gradient differs from autodiff's; `mistake_of` is
    the name of the row whose mistake explains this one too; `hidden` says with which other data it
    is seen, where that handed in does not show it.
    """

    name: str
    shape: tuple[int, ...]
    verdict: str
    note: str = ""
    max_abs_err: float = math.nan
    rel_err: float = math.nan
    diagnoses: tuple[Diagnosis, ...] = ()
    contrasted: bool = False
    mistake_of: str = ""
    hidden: str = ""

    def with_note(self, note: str) -> Row:
        """The row with something said before its note."""
        return replace(self, note="; ".join(filter(None, (note, self.note))))

    @property
    def unexplained(self) -> bool:
        """Whether the gradient is wrong here, and no mistake is known that makes it so."""
        return self.verdict == WRONG and self.contrasted and not self.diagnoses

    @property
    def explanations(self) -> list[str]:
        """Each way to explain this gradient, in words; mistakes made together are one of them."""
        ways: dict[int, list[Diagnosis]] = {}
        for d in self.diagnoses:
            ways.setdefault(d.explanation, []).append(d)
        return [words(way) for way in ways.values()]


def words(way: list[Diagnosis]) -> str:
    """The sentences of mistakes that are made together, or of the causes of one factor."""
    joint = ", or " if any(d.alternative for d in way) else "; together with "
    perhaps = "" if all(d.exact for d in way) else "perhaps "
    return perhaps + joint.join(dict.fromkeys(d.sentence for d in way))


@dataclass
class Hand:
    """A gradient that was handed in; `own` is it in the shape of its tensor, None if it does not
    fit, and `convention` what that took."""

    name: str
    given: Array
    own: Array | None = None
    convention: str = ""


def tolerance(yours: Array, true: Array) -> float:
    """The relative error up to which two gradients of these types are the same."""
    return COARSE.get(min(yours.dtype.itemsize, true.dtype.itemsize), FINE)


def distance(a: Array, b: Array) -> tuple[float, float]:
    """The largest difference of two arrays of one shape, and the relative one of their norms.

    Both are infinite where an element is NaN, or infinite on one side only.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    finite = np.isfinite(a) & np.isfinite(b)
    if not (finite | (a == b)).all():
        return math.inf, math.inf
    a, b = a[finite], b[finite]
    top = max(largest(a), largest(b))
    if not top:
        return 0.0, 0.0
    # scaled, as the squares of 1e-200 and 1e200 are no numbers
    return float(np.abs(a - b).max()), relative_error(a / top, b / top)


def agree(a: Array, b: Array) -> bool:
    """Whether two float64 arrays of one shape are the same but for rounding."""
    return distance(a, b)[1] <= FINE


def without_ones(shape: tuple[int, ...]) -> list[int]:
    return [n for n in shape if n != 1]


def fitted(yours: Array, shape: tuple[int, ...]) -> Array | None:
    """`yours` in that shape if the two differ in axes of size 1 alone, else None."""
    return yours.reshape(shape) if without_ones(yours.shape) == without_ones(shape) else None


def spreads(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether the one broadcasts to the other."""
    try:
        return np.broadcast_shapes(shape, other) == other
    except ValueError:
        return False


def judge(hand: Hand, true: Array, local: Array, scale: float) -> Row:
    """The row of a gradient that was handed in.

    `true` is autodiff's, `local` is what the rules make of the gradients that were handed in above
    this tensor, `scale` is the size of the loss. Nothing is broadcast.
    """
    yours, mine = hand.given, hand.own
    notes = []
    if yours.shape != true.shape:
        notes.append(f"yours has shape {yours.shape}")
    if hand.convention:
        notes.append(hand.convention)
    if yours.dtype != true.dtype:
        notes.append(f"yours is {yours.dtype}, autodiff {true.dtype}")
    if mine is None:
        return Row(hand.name, true.shape, WRONG, "; ".join(notes))
    most, error = distance(mine, true)
    allowed = tolerance(mine, true)
    if error <= allowed:
        verdict = OTHER if hand.convention or yours.shape != true.shape else OK
    elif largest(mine) < SMALLEST * scale and largest(true) < SMALLEST * scale:
        verdict = SMALL
    else:
        missing = np.isnan(mine) & np.isnan(local) & ~np.isnan(true)  # NaN is inherited too
        inherits = distance(np.where(missing, 0, mine), np.where(missing, 0, local))
        verdict = INHERITED if inherits[1] <= allowed else WRONG
        if verdict == WRONG:
            notes.append(contrast(mine, true))
    note = "; ".join(notes)
    return Row(hand.name, true.shape, verdict, note, most, error, contrasted=verdict == WRONG)


def scale_of(loss: Tensor) -> float:
    """The largest finite number among the loss and what it was made of: a loss of 0 may be a
    difference of large numbers."""
    arrays = [loss.array, *(p.array for p in loss.parents if p is not None and p.requires_grad)]
    return max(float(np.abs(a[np.isfinite(a)]).max(initial=0)) for a in arrays)


def largest(a: Array) -> float:
    """The largest magnitude, NaN where there is a NaN; its square need not be a number."""
    return float(np.abs(a).max(initial=0))


def contrast(yours: Array, true: Array) -> str:
    """How two gradients differ, in a few words.

    >>> contrast(np.array([0.0, -2.0]), np.array([0.0, 1.0]))
    'norm ratio 2, cosine -1'
    >>> contrast(np.array(-3.0), np.array(2.0))
    'yours is -1.5 times the right one'
    """
    for whose, a in (("yours", yours), ("autodiff's", true)):
        bad = int(np.count_nonzero(~np.isfinite(a)))
        if bad:
            return f"{bad} of {a.size} elements of {whose} NaN or infinite"
    tops = [largest(a) for a in (yours, true)]
    for whose, top in zip(("yours is", "autodiff's is"), tops, strict=True):
        if top == 0:
            return f"{whose} zero"
    if true.size == 1:
        return f"yours is {float(yours.item() / true.item()):.4g} times the right one"
    u, v = (a.astype(np.float64) / top for a, top in zip((yours, true), tops, strict=True))
    lengths = float(np.linalg.norm(u)), float(np.linalg.norm(v))
    ratio = tops[0] / tops[1] * lengths[0] / lengths[1]
    text = f"norm ratio {ratio:.4g}, cosine {(u * v).sum() / math.prod(lengths):.4g}"
    return text + part_that_differs(yours, true)


def part_that_differs(yours: Array, true: Array) -> str:
    """The rows or columns of two matrices that differ, if others agree.

    >>> part_that_differs(np.eye(3), np.diag([1.0, 2.0, 1.0]))
    ', row 1 differs'
    """
    differ = np.abs(yours - true) > 1e-6 * largest(true)
    if differ.ndim != 2:
        return ""
    for kind, axis in (("row", 1), ("column", 0)):
        found = np.flatnonzero(differ.any(axis=axis))
        if 0 < len(found) <= differ.shape[1 - axis] // 2:
            shown = ", ".join(map(str, found[:6])) + ", ..." * (len(found) > 6)
            return f", {kind}{'s' * (len(found) > 1)} {shown} differ{'s' * (len(found) == 1)}"
    return ""
