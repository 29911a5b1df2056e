"""What a gradient alone shows: zeros, bounds, other columns, another order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from ...engine.rules import ops
from ...engine.tape import Array
from ...engine.tensor import Tensor
from ..answers.judge import largest
from ..propagation import always, times
from .guess import Guess, Guessing
from .matching import ratio
from .places import Site, is_weight, sites_of
from .table import Wording, said


def seen_alone(s: Guessing) -> Iterator[Guess]:
    """What the gradient alone shows, or what is left of it without its other parts."""
    t, back, target = s.t, s.back, s.matcher.target[s.t]
    for site in [Site(t), *sites_of(back, t)]:
        if site.p is not t or (site.edges and len(back.into[t]) == len(site.edges) > 1):
            continue
        right = site.part(back) if t in back.made else back.gradient(t)
        if target.shape != right.shape or right.size < 2:
            continue
        mine = target - (back.gradient(t) - right)
        for names in seen(s, mine, right):
            slug = names[0][0]
            sure = slug not in ("value-clipped", "dropout-mask", "placeholder")
            sure = sure or (slug == "placeholder" and float(mine.flat[0]) == 1)
            yield Guess(names, Site(t), {t: always(target)}, frozenset([t]), exact=sure)


def seen(s: Guessing, mine: Array, right: Array) -> Iterator[Wording]:
    """The patterns in a gradient."""
    value, size = mine.flat[0], largest(right)
    if largest(mine - value) <= 1e-12 * abs(value) and largest(right - right.flat[0]):
        yield said("placeholder", value=float(value))
    zero = (mine == 0) & (np.abs(right) > 1e-9 * size)
    same = np.abs(mine - right) <= s.matcher.coarse[s.t] * size
    if zero.sum() > 2 and (same | zero).all() and not zero.all():
        yield from cut_off(s, zero, right)
    elif mine.ndim == 2 and not same.all():
        yield from some_columns(s, mine, right)
    yield from reordered(mine, right, s.matcher.coarse[s.t])
    yield from redrawn(s, mine)


def cut_off(s: Guessing, zero: Array, right: Array) -> Iterator[Wording]:
    """The gradient is zero where a value is outside of some bounds."""
    for x in around(s, s.t):
        inside = x[~zero & (right != 0)]
        low, high = inside.min(initial=np.inf), inside.max(initial=-np.inf)
        if inside.size and ((x[zero] < low) | (x[zero] > high)).all():
            yield said("value-clipped", low=float(low), high=float(high))
            break


def some_columns(s: Guessing, mine: Array, right: Array) -> Iterator[Wording]:
    """A factor in some columns, or in some rows, while the others are right."""
    coarse = s.matcher.coarse[s.t]
    for kind, a, b in (("columns", mine, right), ("rows", mine.mT, right.mT)):
        c = [s.matcher.snapped(ratio(u, v), coarse) for u, v in zip(a.T, b.T, strict=True)]
        others = {f for f in c if f != 1}
        if len(others) == 1 and 1.0 in c:
            whole = b * c if kind == "columns" else (b * c).mT
            if s.matcher.agrees(s.t, whole):
                at = ", ".join(str(i) for i, f in enumerate(c) if f != 1)
                where = f"{kind if ',' in at else kind[:-1]} {at}"
                for (slug, sentence), *_ in s.matcher.factors[others.pop()]:
                    yield ((slug, f"{sentence}, in {where}"),)


def redrawn(s: Guessing, mine: Array) -> Iterator[Wording]:
    """The mask of a product is another one."""
    for e in s.back.into[s.t]:
        mask = np.asarray(e.node.args[1 - e.i]) if e.node.op is ops.mul else None
        if mask is not None and (mask == 0).any() and e.raw.shape == mine.shape:
            factors = (mine / np.where(e.g == 0, np.nan, e.g)).round(9)
            live = np.unique(factors[np.isfinite(factors)])
            if len(live) == 2 and live[0] == 0:
                yield said("dropout-mask")


def value_clipped(s: Guessing) -> Iterator[Guess]:
    """A gradient that is zero where a value is larger than some bound: of small matrices, every
    bound is tried."""
    for p in s.matcher.above(s.back, s.t):
        if p.op is None or p.ndim < 2 or p.array.size > 100 or is_weight(p):
            continue
        for x in around(s, p):
            for bound in np.unique(np.abs(x))[:-1]:
                inside = np.abs(x) <= bound
                names = said("value-clipped", low=-bound, high=bound)
                yield from s.whole(Site(p), {p: times(inside)}, names)


def around(s: Guessing, p: Tensor) -> list[Array]:
    """The values of a tensor, and of what it goes into, that have its shape."""
    values = [p.array, *(e.node.array for e in s.back.into[p])]
    return [x for x in values if x.shape == p.shape]


def reordered(mine: Array, right: Array, coarse: float) -> Iterator[Wording]:
    """The same numbers in another order."""
    size = largest(right)

    def same(a: Array) -> bool:
        return a.shape == mine.shape and largest(mine - a) <= coarse * size

    if mine.size < 3 or same(right) or not same_numbers(mine, right, coarse * size):
        return
    axes = range(right.ndim)
    for n in range(1, right.ndim + 1):
        for some in itertools.combinations(axes, n):
            if same(np.flip(right, some)):
                where = "" if right.ndim == 1 else f" along axis {' and '.join(map(str, some))}"
                yield (("order", f"flipped{where}: in reverse order"),)
                return
    for k in axes:
        for shift in range(1, min(right.shape[k], 12)):
            if same(np.roll(right, shift, axis=k)):
                yield (("order", f"shifted by {shift} along axis {k}"),)
                return
    for turned in itertools.permutations(axes) if right.ndim < 5 else ():
        if turned != tuple(axes) and same(right.transpose(turned).reshape(right.shape)):
            yield (("order", f"axes in another order, {turned}, and reshaped, not transposed"),)
            return
    yield (("order", "the same numbers in another order"),)


def same_numbers(a: Array, b: Array, room: float) -> bool:
    """Whether two arrays have the same elements, in any order."""
    return a.size == b.size and largest(np.sort(a.ravel()) - np.sort(b.ravel())) <= room
