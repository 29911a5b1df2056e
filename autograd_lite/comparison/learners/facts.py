"""What can be said of a wrong gradient where there is no tape: facts, not mistakes with a name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from ...engine.tape import Array
from ..answers.judge import largest, without_ones
from .slopes import Measured, Slope, shifts

NEAR = 1e-5  # relative to the gradient: far above the differences' rounding, far below mistakes
AXES = {1: ("element",), 2: ("row", "column")}


def known(m: Measured, given: Array, others: Mapping[str, Array], sizes: Mapping[int, str]) -> str:
    """What is known about a gradient that is wrong, in words; "" for nothing.

    `given` is it as it was handed in, `others` are those of the other parameters, `sizes` the
    lengths of axes, with the name of an array that has one.
    """
    if not np.isfinite(given).all():
        bad = int(np.count_nonzero(~np.isfinite(given)))
        return f"{bad} of {given.size} elements are NaN or infinite"
    if not given.any():
        return "yours is zero"
    if given.shape != m.yours.shape:
        return "; ".join(words for words, a in in_other_shape(m, given) if factor(m, a) == 1)
    c = factor(m, m.yours)
    if c is not None and c != 0:
        return multiple(1 / c, sizes)
    for words, a in (*rearranged(m.yours), *of_others(m, others)):
        found = factor(m, a)
        if found in (1, -1):
            return words + " with the sign flipped" * (found == -1)
    return penalised(m) or of_a_part(m) or moved(m) or parts(m) or alike(m.yours)


def factor(m: Measured, a: Array) -> float | None:
    """c if the slopes are those of c times this gradient, else None."""
    claims = np.array([m.claim(v, a) for v, _ in m.found])
    slopes = np.array([s.value for _, s in m.found])
    length = float(claims @ claims)
    if not length or not np.isfinite(slopes).all():
        return None
    c = float(claims @ slopes) / length
    unsure = 4 * max(s.unsure for _, s in m.found)
    if np.abs(slopes - c * claims).max() > max(NEAR * float(np.abs(slopes).max()), unsure):
        return None
    nearest = float(f"{c:.4g}")
    return nearest if abs(c - nearest) <= 1e-4 * abs(c) else c


def penalised(m: Measured) -> str:
    """Whether the gradient is off by a multiple of the parameter itself, as by a penalty; also
    where what is left has a factor."""
    w = m.slopes.arrays[m.name]
    if w.size < 3 or not w.any():
        return ""
    v = m.slopes.direction(m.name, 4)
    found = [*m.found, (v, m.slopes.slope(m.name, v))]
    claims, of_w = (np.array([m.claim(v, a) for v, _ in found]) for a in (m.yours, w))
    slopes = np.array([s.value for _, s in found])
    near = max(NEAR * float(np.abs(slopes).max()), 4 * max(s.unsure for _, s in found))
    alpha = float(of_w @ (claims - slopes)) / float(of_w @ of_w)
    if np.abs(claims - slopes - alpha * of_w).max() <= near:
        much = "too many" if alpha > 0 else "too few"
        return f"{abs(alpha):.4g} times {m.name} itself {much}, as from a penalty"
    if w.size < 5:
        return ""
    (c, b), *_ = np.linalg.lstsq(np.stack([claims, of_w], 1), slopes, rcond=None)
    if c > 0 and np.abs(slopes - c * claims - b * of_w).max() <= near:
        return f"but for a multiple of {m.name} itself, yours is {1 / c:.4g} times the right one"
    return ""


def multiple(r: float, sizes: Mapping[int, str]) -> str:
    """The words for a gradient that is `r` times the right one."""
    if abs(r + 1) < 1e-4:
        return "yours is -1 times the right one: the sign is flipped"
    for n in sorted(sizes):
        if n > 1 and any(math.isclose(abs(r), c, rel_tol=1e-4) for c in (n, 1 / n)):
            much = f"{r:.4g}" if abs(r) > 1 else f"1/{n}" if r > 0 else f"-1/{n}"
            return f"yours is {much} times the right one; {n} is a length of {sizes[n]}"
    return f"yours is {r:.4g} times the right one"


def in_other_shape(m: Measured, given: Array) -> Iterator[tuple[str, Array]]:
    """What makes the shape of the parameter of a gradient that has another one."""
    shape = m.yours.shape
    for count in range(1, given.ndim + 1):
        for axes in combinations(range(given.ndim), count):
            summed = given.sum(axis=axes)
            if without_ones(summed.shape) == without_ones(shape):
                over = f"axis {axes[0]}" if count == 1 else f"axes {axes}"
                yield f"summed over {over} it is right", summed.reshape(shape)
                yield f"averaged over {over} it is right", given.mean(axis=axes).reshape(shape)
    if given.shape == shape[::-1]:
        yield "it is the transpose", given.T
    if given.size == m.yours.size:
        yield "its elements are right, in another shape", given.reshape(shape)


def rearranged(a: Array) -> Iterator[tuple[str, Array]]:
    """The elements of a gradient in another order."""
    for i, j in combinations(range(a.ndim), 2):
        if a.shape[i] == a.shape[j] > 1:
            which = "" if a.ndim == 2 else f" of axes {i} and {j}"
            yield f"yours is the transpose{which} of the right one", a.swapaxes(i, j)
    long = [axis for axis, n in enumerate(a.shape) if n > 1]
    for count in range(1, len(long) + 1):
        for axes in combinations(long, count):
            which = f"axis {axes[0]}" if count == 1 else f"axes {axes}"
            yield f"yours is the right one flipped along {which}", np.flip(a, axes)


def of_others(m: Measured, others: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    """The gradients handed in for other parameters."""
    for name, a in others.items():
        if a.shape == m.yours.shape and not np.array_equal(a, m.yours):
            yield f"what was handed in for {name} is the gradient of {m.name}", a


def of_a_part(m: Measured) -> str:
    """Whether the gradient is right for another upstream: ones, or a part of the one there was."""
    if m.slopes.outputs is None:
        return ""
    seen = [(m.claim(v), s, m.slopes.parts(m.name, v, s.step)) for v, s in m.found]
    for words, gs in other_upstreams(m.slopes.upstream):
        found = [
            sum(float(np.sum(g * d)) for g, d in zip(gs, ds, strict=True)) for _, _, ds in seen
        ]
        if all(abs(c - x) <= m.allowed(s) for (c, s, _), x in zip(seen, found, strict=True)):
            return words
    return ""


def other_upstreams(gs: Sequence[Array]) -> Iterator[tuple[str, list[Array]]]:
    """Upstream gradients that mistakes use in the place of these."""
    if any(np.any(g != 1) for g in gs):
        yield "the arriving gradient is not used, as if it were ones", [np.ones_like(g) for g in gs]
        yield "only what arrives above 0 is passed on", [g * (g > 0) for g in gs]
    first, *rest = gs
    long = [axis for axis, n in enumerate(first.shape) if n > 1]
    for count in range(1, len(long) + 1):
        for axes in combinations(long, count):
            which = f"axis {axes[0]}" if count == 1 else f"axes {axes}"
            for word, index in (("last", -1), ("first", 0)):
                at = tuple(index if a in axes else slice(None) for a in range(first.ndim))
                part = np.zeros_like(first)
                part[at] = first[at]
                text = f"only the {word} index along {which} of the output counts, as from = for +="
                yield text, [part, *rest]


def moved(m: Measured) -> str:
    """Whether the gradient is the right one moved by one along an axis; the ends are not known."""
    part = Measured(m.slopes, m.name, m.yours)
    last = -1
    for axis, by, a, mask in shifts(m.yours):
        if axis != last:
            part.found, last = [], axis
            for v, whole in m.found:
                left, right = m.slopes.sides(m.name, v * mask, whole.step)
                inner = Slope((left + right) / 2, whole.unsure, whole.step, (left, right))
                part.found.append((v * mask, inner))
        if np.any(a * mask) and factor(part, a) == 1:
            return f"yours is the right one shifted by {by:+d} along axis {axis}"
    return ""


def parts(m: Measured) -> str:
    """The rows, columns or other slices that are wrong, where the others are right."""
    words = []
    for axis, n in enumerate(m.yours.shape):
        wrong = m.along(axis)
        if not wrong or len(wrong) == n:
            continue
        kinds = AXES.get(m.yours.ndim, ())
        kind = kinds[axis] if kinds else f"axis {axis}, index"
        few = wrong if len(wrong) <= n // 2 else [i for i in range(n) if i not in wrong]
        verb = ("differ" if few is wrong else "agree") + "s" * (len(few) == 1)
        shown = ", ".join(map(str, few[:6])) + ", ..." * (len(few) > 6)
        plural = "s" * (len(few) > 1 and bool(kinds))
        words.append(f"only {kind}{plural} {shown} {verb}")
    return "; ".join(words)


def alike(a: Array) -> str:
    """What is remarkable about a gradient by itself: constant, or of rank 1."""
    if a.size > 2 and np.ptp(a) <= 1e-9 * largest(a):
        return "all elements of yours are equal"
    if a.ndim == 2 and min(a.shape) > 2 and np.linalg.matrix_rank(a, rtol=1e-9) == 1:
        return "yours has rank 1, as the gradient of one sample has"
    return ""
