"""Penalties of weights: forgotten, of another weight, or where none belongs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...engine.tape import Array
from ...engine.tensor import Tensor
from ..answers.judge import distance, largest
from ..propagation import Backprop, always
from .guess import Guess, Guessing
from .matching import Matcher, ratio
from .places import Site
from .table import Wording, said


def penalised(s: Guessing) -> Iterator[Guess]:
    """A multiple of the weight itself, of its sign, or of one of its columns or rows."""
    t, mine = s.t, s.matcher.target[s.t]
    if t.op is not None or mine.shape != t.shape:
        return
    if t.array.size < 3:
        yield from known_penalties(s)
        return
    if distance(mine, ratio(mine, t.array) * t.array)[1] <= s.matcher.coarse[t]:
        return  # nothing but a multiple of it: that is a factor, as of the mean of x * x
    for words, w in (("penalty", t.array), ("penalty-1", np.sign(t.array))):
        if not (np.abs(w) == np.abs(w.flat[0])).all() or len(np.unique(w)) == 2 < w.size - 1:
            found = s.match(t, 0, w, "any")
            if found:
                names = said("penalty", words, alpha=found.c)
                yield Guess(names, Site(t), {t: always(mine)}, *found[1:])
    yield from penalties_of_lines(s)


def known_penalties(s: Guessing) -> Iterator[Guess]:
    """The penalty that weights have, on a tensor that is too small to find its factor."""
    coefficients = set()
    for w in s.back.tape.nodes:
        part = penalty_part(s.matcher, s.back, w) if w.op is None else None
        if part is not None and w.array.size > 2:
            coefficients.add(round(ratio(part, w.array), 12))
    for alpha in coefficients:
        for c in (alpha, -alpha):
            wrong = s.back.made[s.t] + c * s.t.array
            yield from s.attempt(Site(s.t), wrong, said("penalty", alpha=c))


def penalties_of_lines(s: Guessing) -> Iterator[Guess]:
    """A multiple of one column or one row of the weight: a bias that is penalised."""
    t, gap = s.t, s.matcher.gap(s.back, s.t)
    part = penalty_part(s.matcher, s.back, t)
    if gap is None:
        return
    if part is not None and (part == 0).any() and part.any():
        alpha = ratio(part, t.array * (part != 0))
        whole = s.matcher.agrees(t, s.back.gradient(t) + alpha * t.array * (part == 0))
        if whole or not np.abs(gap[part != 0]).max() > 1e-9 * largest(gap):
            words = "the elements that the penalty leaves out, as biases, are penalised too"
            changes = {t: always(s.matcher.target[t])}
            yield Guess((("penalty", words),), Site(t), changes, frozenset([t]), exact=whole)
    if t.ndim != 2 or min(t.shape) < 2:
        return
    for kind, d, w in (("column", gap, t.array), ("row", gap.T, t.array.T)):
        lines = np.flatnonzero(np.abs(d).max(axis=0) > 1e-9 * largest(gap))
        if len(lines) != 1 or len(d) < 3:
            continue
        (i,) = lines
        alpha = ratio(d[:, i], w[:, i])
        if distance(d[:, i], alpha * w[:, i])[1] < max(1e-8, s.matcher.coarse[t]):
            words = said("penalty", alpha=alpha)[0][1] + f", in {kind} {i}"
            changes = {t: always(s.matcher.target[t])}
            yield Guess((("penalty", words),), Site(t), changes, frozenset([t]))


def other_penalties(s: Guessing) -> Iterator[Guess]:
    """The penalty of another weight."""
    for e in s.back.into[s.t]:
        if e.node not in s.matcher.penalties or s.t.ndim != 2:
            continue
        k = ratio(e.part, s.t.array)
        if distance(e.part, k * s.t.array)[1] > 1e-9:
            continue
        for w in s.matcher.back.tape.nodes:
            if w.op is not None or w is s.t or w.ndim != 2:
                continue
            for a in (w.array, w.array.T):
                cut = a[: s.t.shape[0], : s.t.shape[1]]
                if cut.shape == s.t.shape:
                    words = f"the penalty is made with {s.label(w)}, another weight"
                    site = Site(s.t, (e,))
                    yield from s.attempt(site, k * cut, (("penalty", words),))


def penalty_part(matcher: Matcher, back: Backprop, t: Tensor) -> Array | None:
    """What the penalties of a loss add to the gradient of a parameter."""
    parts = [e.part for e in back.into[t] if e.node in matcher.penalties]
    return np.asarray(sum(parts)) if parts else None


def penalty_words(names: Wording) -> Wording:
    """What is said of a factor on a penalty."""
    return tuple(
        ("penalty", "the weight penalty is left out")
        if slug == "placeholder"
        else ("penalty", f"{words}, in the weight penalty")
        for slug, words in names
    )
