"""Guessing a mistake: make it on purpose, and see whether a gradient comes out as handed in.

The backward pass is linear, so a mistake at one place changes the gradients below it by what the
difference at that place pulls back to. A `Guess` is one mistake at one place, or the same in several.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..tape import Array
from ..tensor import Tensor
from .factors import Names, named_factors, sizes
from .judge import distance, largest, tolerance
from .mistakes import CURVES, FITS, PRODUCTS, RELUS, RULES, SENTENCES, VAGUE, Mistake
from .places import (
    Spot,
    activation_above,
    again,
    first,
    fits_in,
    is_weight,
    made,
    reached,
    runner,
    single_slopes,
    softmax_by_hand,
    spots_of,
    stretched,
    sums_of,
)
from .replay import Backward, Edge, edges

STATISTICS = frozenset({"mean", "var", "std"})
SECONDS = 6.0  # of search, after which what is found so far is told
NEAREST = 300  # places that are tried, those nearest to the tensor


@dataclass(frozen=True)
class Guess:
    """Mistakes that would give the gradient of a tensor; `changes` make them in a Backward.

    `explained` are the gradients handed in that come out as they are, `spoilt` those that do not.
    """

    names: tuple[tuple[str, str], ...]  # (slug, sentence)
    spot: Spot
    changes: Mapping[Any, Callable[[Any], Array]]
    explained: frozenset[Tensor]
    spoilt: frozenset[Tensor] = frozenset()
    edge: Edge | None = None
    wrong: Mistake | None = None
    exact: bool = True


class Fit(NamedTuple):
    """A factor with which a mistake gives a gradient, and what it does to the others."""

    c: float
    explained: frozenset[Tensor]
    spoilt: frozenset[Tensor]


class Guesses:
    """The search for the mistakes of one comparison.

    `raw` are the gradients as they were handed in, by tensor; those whose shape does not fit are
    not in `back.yours`. `labels` are the names of tensors.
    """

    def __init__(
        self, back: Backward, raw: Mapping[Tensor, Array], labels: Mapping[Tensor, str]
    ) -> None:
        self.back = back
        self.labels = labels
        self.target = {t: back.yours.get(t, g).astype(np.float64) for t, g in raw.items()}
        self.coarse = {t: tolerance(g, t.data) for t, g in raw.items()}
        self.floor = {t: 1e-9 * largest(made(back, t)) for t in raw}  # what cancelled is zero
        counts = {
            t.args[0].size // max(t.data.size, 1)
            for t in back.nodes
            if t.op is not None and t.op.name == "mean"
        }
        self.factors = named_factors(*sizes(back.nodes), sorted(counts))
        self.deadline = time.monotonic() + SECONDS
        self.below = reached(back, self.target)

    @property
    def late(self) -> bool:
        """Whether the time for the search is over."""
        return time.monotonic() > self.deadline

    # ---- comparing

    def agrees(self, t: Tensor, g: Array) -> bool:
        """Whether `g` is what was handed in for `t`."""
        mine = self.target[t]
        if squeezed(mine) != squeezed(g):
            return False
        if max(largest(mine), largest(g)) <= self.floor[t]:
            return True
        return distance(mine, g.reshape(mine.shape))[1] <= self.coarse[t]

    def explains(self, t: Tensor, g: Array) -> bool:
        """Whether `g` is what was handed in for `t` and the right gradient is not, by far."""
        mine, right = self.target[t], made(self.back, t)
        if not self.agrees(t, g):
            return False
        if squeezed(g) != squeezed(right):
            return True
        gap = largest(mine - right.reshape(mine.shape))
        return largest(mine - g.reshape(mine.shape)) <= 1e-2 * gap

    def wrong(self, back: Backward, among: list[Tensor]) -> list[Tensor]:
        """The tensors whose gradient is not what that pass gives, in backward order."""
        return [t for t in among if not self.agrees(t, made(back, t))]

    def fit(
        self, back: Backward, t: Tensor, p: Tensor, certain: Array | float, free: Array, want: str
    ) -> Fit | None:
        """The factor c for which the gradient of `p` with `certain + c * free` added gives that of
        `t`; None if there is none. `want` is "names" for factors that have a name, "any" for all
        but 0, "positive". It must explain the difference, not only agree."""
        if self.late:
            return None
        try:
            moved = back.spread(p, free)
            fixed = back.spread(p, certain + 0 * free) if np.any(certain) else {}
            if t not in moved:
                return None
            mine, still, slope = self.target[t], made(back, t) + fixed.get(t, 0), moved[t]
            if squeezed(still + slope) != squeezed(mine):
                return None
            mine = mine.reshape((still + slope).shape)
        except (ValueError, IndexError):  # a gradient of that shape cannot be passed on
            return None
        c = ratio(mine - still, slope)
        if want == "names":
            c = self.snapped(c, self.coarse[t])
            c = 1.0 if math.isnan(c) and self.agrees(t, still + slope) else c
        elif not abs(c) > 1e-12 or (want == "positive" and c < 0):
            return None
        few = mine.size < 3 and want != "names"
        if math.isnan(c) or few or not self.agrees(t, still + c * slope):
            return None
        if not self.explains(t, still + c * slope):
            return None
        explained: set[Tensor] = set()
        spoilt: set[Tensor] = set()
        for u, d in moved.items():
            if u in self.target:
                good = self.agrees(u, made(back, u) + fixed.get(u, 0) + c * d)
                (explained if good else spoilt).add(u)
        return Fit(c, frozenset(explained), frozenset(spoilt))

    def replaced(self, t: Tensor, p: Tensor, wrong: Array) -> Fit | None:
        """`fit` for a gradient that takes the place of that of `p` and has another shape: seen in
        `p` itself, or in the leaf that `p` is the transpose of."""
        while p is not t and p.op is not None and p.op.name == "mT" and p.parents[0] is not None:
            p, wrong = p.parents[0], wrong.mT
        if p is not t or squeezed(self.target[t]) != squeezed(wrong):
            return None
        c = self.snapped(ratio(self.target[t].reshape(wrong.shape), wrong), self.coarse[t])
        c = 1.0 if self.agrees(t, wrong) else c  # both may be rounding of zero
        if not c or math.isnan(c) or not self.agrees(t, c * wrong):
            return None
        return Fit(c, frozenset([t]), frozenset())

    def snapped(self, c: float, coarse: float) -> float:
        """The factor with a name that `c` is, or NaN."""
        near = (f for f in self.factors if abs(c - f) <= 10 * coarse * max(abs(f), 1e-3))
        return next(near, math.nan)

    # ---- guessing

    def guesses(self, back: Backward, t: Tensor) -> Iterator[Guess]:
        """The single mistakes that give the gradient of `t`, the most specific first."""
        places = [p for p in back.made if t in self.below.get(p, ())]
        places = places[: -NEAREST - 1 : -1]
        spots = [spot for p in places for spot in spots_of(back, p)]
        yield from self.rules(back, t, spots, [*RULES, *PRODUCTS])
        yield from self.unsummed(back, t, spots)
        yield from self.products(back, t, spots)
        yield from self.statistics(back, t, places)
        yield from self.without_upstream(back, t, spots)
        yield from self.penalties(back, t)
        scaled = list(self.factor_of(back, t, [Spot(p) for p in places]))
        yield from (guess for guess in scaled if guess.names[0][0] != "placeholder")
        yield from self.reuse(back, t, spots)
        yield from (guess for guess in scaled if guess.names[0][0] == "placeholder")
        yield from self.rules(back, t, spots, VAGUE)
        yield from self.factor_of(back, t, [spot for spot in spots if spot.edges])
        yield from self.patterns(back, t)

    def attempt(
        self,
        back: Backward,
        t: Tensor,
        spot: Spot,
        wrong: Array,
        names: Names,
        redo: Callable[[Any], Any],
        row: Mistake | None = None,
        edge: Edge | None = None,
    ) -> Iterator[Guess]:
        """The guess that this spot gave `wrong`, times a factor that may have a name.

        `redo` gives the wrong part again, of an edge or of a whole gradient.
        """
        part, p = spot.part(back), spot.p
        if wrong.shape == part.shape:
            if distance(wrong, part)[1] < 1e-9:
                return
            found = self.fit(back, t, p, -part, wrong, "names")
        else:
            found = self.replaced(t, p, wrong)
            if found is None and fits_in(part, wrong):
                found = self.fit(back, t, p, -part, wrong, "names")
        if found is None or not found.c:
            return
        c = found.c
        keys: list[Any] = [(e.node, e.i) for e in spot.edges] or [p]
        changes = {key: (lambda it: c * np.asarray(redo(it))) for key in keys}
        for extra in self.factors[c]:
            yield Guess((*names, *extra), spot, changes, *found[1:], edge or first(spot), row)

    def unsummed(self, back: Backward, t: Tensor, spots: list[Spot]) -> Iterator[Guess]:
        """Wrong sums over axes that broadcasting stretched."""
        spots = [s for s in spots if s.edges and all(e.raw.shape != s.p.shape for e in s.edges)]
        for slug, sentence, sum_wrongly in FITS:
            for spot in spots:

                def redo(e: Edge, sum_wrongly: Any = sum_wrongly) -> Array:
                    g = np.asarray(sum_wrongly(e.raw, stretched(e.raw.shape, e.p.shape)))
                    return g.reshape(e.p.shape) if g.size == e.p.data.size else g

                names = ((slug, sentence),)
                if slug == "bias-not-summed" and spot.edges[0].node.op.name != "add":
                    names = (("broadcast-not-undone", SENTENCES["broadcast-not-undone"]),)
                try:
                    wrong = np.asarray(sum(map(redo, spot.edges)))
                except ValueError:
                    continue
                yield from self.attempt(back, t, spot, wrong, names, redo)
        for spot in spots:
            if len(spot.edges) == 1 and spot.edges[0].node.op.name == "add":
                yield from self.bias_from_weight(back, t, spot)

    def bias_from_weight(self, back: Backward, t: Tensor, spot: Spot) -> Iterator[Guess]:
        """The bias has the column sums of the weight's gradient."""
        (e,) = spot.edges
        product = e.node.parents[1 - e.i]
        if product is None or product.op is None or product.op.name != "matmul":
            return
        given = (arc for p in product.parents if p is not None for arc in back.into.get(p, ()))
        w = next((arc for arc in given if arc.node is product and is_weight(arc.p)), None)
        if w is None or w.raw.ndim != 2:
            return
        sums = np.add.reduce(w.raw, axis=0 if w.i else 1)
        if sums.size == e.p.data.size:
            sums = sums.reshape(e.p.shape)
            names = (("bias-from-weight", SENTENCES["bias-from-weight"]),)
            yield from self.attempt(back, t, spot, sums, names, always(sums))

    def rules(
        self, back: Backward, t: Tensor, spots: list[Spot], rows: list[Mistake]
    ) -> Iterator[Guess]:
        """Wrong rules of the table."""
        by_op: dict[str, list[tuple[Spot, list[Edge]]]] = {}
        for spot in spots:
            if len({e.node.op.name for e in spot.edges}) == 1:
                by_op.setdefault(spot.edges[0].node.op.name, []).append((spot, [*spot.edges]))
            elif not spot.edges:
                for e in softmax_by_hand(back, spot.p):
                    by_op.setdefault("softmax", []).append((spot, [e]))
        for row in rows:
            for spot, arcs in [pair for op in row.ops for pair in by_op.get(op, ())]:
                redos = [runner(row, e) for e in arcs]
                if self.late or None in redos:
                    continue
                try:
                    with np.errstate(all="ignore"):
                        given = [redo(e) for redo, e in zip(redos, arcs, strict=True) if redo]
                        names = ((row.slug, row.sentence.format(op=arcs[0].node.op.name)),)
                        if row.free:
                            yield from self.free_rule(back, t, spot, arcs, names, given)
                            continue
                        wrong = np.asarray(sum(given))
                except (ValueError, TypeError, IndexError, MemoryError):
                    continue  # shapes to which that rule does not apply
                if np.isfinite(wrong).all():
                    redo = again(row) if spot.edges else always(wrong)
                    yield from self.attempt(back, t, spot, wrong, names, redo, row, arcs[0])

    def free_rule(
        self, back: Backward, t: Tensor, spot: Spot, arcs: list[Edge], names: Names, given: Any
    ) -> Iterator[Guess]:
        """A wrong rule with a factor that is not known."""
        part = spot.part(back)
        fixed, free = (np.asarray(sum(half)) for half in zip(*given, strict=True))
        found = self.fit(back, t, spot.p, fixed - part, free, "positive")
        if found and distance(fixed + found.c * free, part)[1] > 1e-9:
            wrong = fixed + found.c * free
            key = spot.p if not spot.edges else (arcs[0].node, arcs[0].i)
            yield Guess(names, spot, {key: always(wrong)}, *found[1:], arcs[0])

    def products(self, back: Backward, t: Tensor, spots: list[Spot]) -> Iterator[Guess]:
        """Mistakes that concern a product and what is around it."""
        for spot in spots:
            if len(spot.edges) != 1:
                continue
            (e,) = spot.edges
            if e.node.op.name == "matmul" and e.g.ndim == 2:
                yield from self.updated(back, t, spot)
                yield from self.before_activation(back, t, spot)
                above = activation_above(back, e.node)
                if above is None:
                    continue
                if is_weight(e.p):
                    words = (
                        f"the derivative of {above.node.op.name} left out, in this gradient alone"
                    )
                    alone = e.node.args[1 - e.i].mT
                    wrong = above.g @ alone if e.i == 0 else alone @ above.g
                    names = (("activation-missing", words),)
                    yield from self.attempt(back, t, spot, wrong, names, always(wrong))
                for x, w, s in single_slopes(above, e.node):
                    spec = "nj,nk,njk->jk" if e.i else "nk,njk,jk->nj"
                    g = above.g
                    wrong = np.einsum(spec, *((x, g, s) if e.i else (g, s, w)))
                    yield from self.partial(back, t, spot, above, wrong)
            else:
                for product in sums_of(e.p):
                    if activation_above(back, product) is e:
                        for _, _, s in single_slopes(e, product):
                            yield from self.partial(back, t, spot, e, e.g * s.sum(axis=1))

    def before_activation(self, back: Backward, t: Tensor, spot: Spot) -> Iterator[Guess]:
        """The weight's gradient is made with what went into the activation."""
        (e,) = spot.edges
        h = e.node.parents[1 - e.i]
        if h is None or h.op is None or h.op.name not in CURVES | RELUS:
            return
        z = h.args[0].mT
        wrong = z @ e.g if e.i else e.g @ z
        words = SENTENCES["input-not-activated"].format(op=h.op.name)
        yield from self.attempt(
            back, t, spot, wrong, (("input-not-activated", words),), always(wrong)
        )

    def partial(
        self, back: Backward, t: Tensor, spot: Spot, e: Edge, wrong: Array
    ) -> Iterator[Guess]:
        words = SENTENCES["partial-preactivation"].format(op=e.node.op.name)
        names = (("partial-preactivation", words),)
        yield from self.attempt(back, t, spot, wrong, names, always(wrong))

    def updated(self, back: Backward, t: Tensor, spot: Spot) -> Iterator[Guess]:
        """The weight is used after its own update."""
        (e,) = spot.edges
        w = e.node.parents[1 - e.i]
        if w is None or not w.requires_grad or not is_weight(w) or is_weight(e.p):
            return
        own = [arc.part for arc in back.into.get(w, ()) if arc.node is e.node]
        for step in [back.yours.get(w, back.made[w]), *own]:
            moved = -(step.mT @ e.g if e.i else e.g @ step.mT)
            found = self.fit(back, t, e.p, 0, moved, "positive")
            if found:
                names = (("updated-weights", SENTENCES["updated-weights"].format(rate=found.c)),)
                wrong = e.part + found.c * moved
                yield Guess(names, spot, {(e.node, e.i): always(wrong)}, *found[1:], e)
                return

    def statistics(self, back: Backward, t: Tensor, places: list[Tensor]) -> Iterator[Guess]:
        """Means and variances that are held constant, or that take n - 1 for n."""
        found = {
            e.node.serial: e
            for p in places
            for e in back.into.get(p, ())
            if e.node.op.name in STATISTICS and e.node.data.size > 1
        }
        edges = [found[serial] for serial in sorted(found, reverse=True)]
        for group in [*((e,) for e in edges), *itertools.pairwise(edges)]:
            e = group[-1]
            n = e.p.data.size // e.node.data.size
            r = n / (n - 1) if n > 2 else 1.0
            choices = [("batchnorm-constant", 0.0)]
            choices += [("bessel", c) for c in (r, 1 / r, math.sqrt(r), math.sqrt(1 / r)) if r != 1]
            for slug, c in choices:
                changes = {(e.node, e.i): (lambda it, c=c: c * it.part) for e in group}
                yield from self.whole(back, t, Spot(e.p, group), changes, slug, SENTENCES[slug])

    def whole(
        self, back: Backward, t: Tensor, spot: Spot, changes: Any, slug: str, sentence: str
    ) -> Iterator[Guess]:
        """A guess that takes a pass of its own, as it is made at several places."""
        if self.late:
            return
        try:
            then = Backward(back.nodes, back.yours, {**back.changes, **changes})
            good = [u for u in self.target if self.agrees(u, made(then, u))]
        except (ValueError, TypeError, IndexError):
            return
        was = {u for u in self.target if self.agrees(u, made(back, u))}
        if t in set(good) - was and self.explains(t, made(then, t)):
            explained = frozenset(good) - was
            yield Guess(
                ((slug, sentence),),
                spot,
                changes,
                explained,
                frozenset(was - set(good)),
                first(spot),
            )

    def factor_of(self, back: Backward, t: Tensor, spots: list[Spot]) -> Iterator[Guess]:
        """A factor on a gradient, or on a part of one."""
        for spot in spots:
            part, count = spot.part(back), len(back.into.get(spot.p, ()))
            found = self.fit(back, t, spot.p, -part, part, "names")
            if found is None or found.c == 1 or (spot.edges and count == 1):
                continue
            c = found.c
            keys: list[Any] = [(e.node, e.i) for e in spot.edges] or [spot.p]
            changes = {
                key: (lambda it, c=c: c * (it.part if isinstance(it, Edge) else it)) for key in keys
            }
            for names in self.factors[c]:
                if spot.edges and c == 0:
                    words = SENTENCES["detached"].format(count=count)
                    names = (("overwritten" if count == 2 else "placeholder", words),)
                yield Guess(names, spot, changes, *found[1:], first(spot))

    def without_upstream(self, back: Backward, t: Tensor, spots: list[Spot]) -> Iterator[Guess]:
        """The arriving gradient is not used: as if it were ones."""
        for spot in spots:
            if len(spot.edges) != 1 or spot.edges[0].node.data.size < 2:
                continue
            (e,) = spot.edges
            alike = (e.g == e.g.flat[0]).all()
            again = [a for a in edges(e.node, np.ones_like(e.node.data)) if a.i == e.i]
            if again and not alike and np.ptp(again[0].part):  # else it is a placeholder
                names = (("upstream-missing", SENTENCES["upstream-missing"]),)
                yield from self.attempt(back, t, spot, again[0].part, names, always(again[0].part))

    def penalties(self, back: Backward, t: Tensor) -> Iterator[Guess]:
        """A multiple of the weight itself, or of its sign."""
        if t.op is not None or t.data.size < 3 or self.target[t].shape != t.shape:
            return
        for words, w in (("penalty", t.data), ("penalty-1", np.sign(t.data))):
            if not (np.abs(w) == np.abs(w.flat[0])).all() or len(np.unique(w)) == 2 < w.size - 1:
                found = self.fit(back, t, t, 0, w, "any")
                if found:
                    names = (("penalty", SENTENCES[words].format(alpha=found.c)),)
                    wrong = self.target[t]
                    yield Guess(names, Spot(t), {t: always(wrong)}, *found[1:])

    def reuse(self, back: Backward, t: Tensor, spots: list[Spot]) -> Iterator[Guess]:
        """Only one of several contributions is left; or the transpose."""
        for spot in spots:
            p, arcs = spot.p, spot.edges or tuple(back.into.get(spot.p, ()))
            part = spot.part(back)
            for e in arcs[::-1] if len(arcs) > 1 else ():
                words = SENTENCES["overwritten"].format(count=len(arcs))
                kept = {(o.node, o.i): (lambda it: 0 * it.part) for o in arcs if o is not e}
                found = self.fit(back, t, p, -part, e.part, "names")
                if found and found.c:
                    for extra in self.factors[found.c]:
                        yield Guess((("overwritten", words), *extra), spot, kept, *found[1:], e)
            if part.ndim == 2:
                names = (("transposed", SENTENCES["transposed"]),)
                redo = lambda it: (it.part if isinstance(it, Edge) else it).mT
                yield from self.attempt(back, t, spot, part.mT, names, redo)

    def patterns(self, back: Backward, t: Tensor) -> Iterator[Guess]:
        """What the gradient alone shows, or what is left of it without its other parts."""
        for spot in [Spot(t), *spots_of(back, t)]:
            if spot.p is not t or (spot.edges and len(back.into[t]) == len(spot.edges) > 1):
                continue
            right = spot.part(back) if t in back.made else made(back, t)
            if self.target[t].shape != right.shape or right.size < 2:
                continue
            rest = made(back, t) - right
            mine = self.target[t] - rest
            for slug, sentence in self.seen(back, t, mine, right):
                wrong = self.target[t]
                sure = slug not in ("value-clipped", "dropout-mask", "placeholder")
                sure = sure or (slug == "placeholder" and float(mine.flat[0]) == 1)
                names = ((slug, sentence),)
                yield Guess(names, Spot(t), {t: always(wrong)}, frozenset([t]), exact=sure)

    def seen(self, back: Backward, t: Tensor, mine: Array, right: Array) -> Iterator[Any]:
        """The slugs and sentences of patterns in a gradient."""
        size = largest(right)
        if largest(mine - mine.flat[0]) <= 1e-12 * abs(mine.flat[0]) and largest(
            right - right.flat[0]
        ):
            yield "placeholder", SENTENCES["placeholder"].format(value=float(mine.flat[0]))
        zero = (mine == 0) & (np.abs(right) > 1e-9 * size)
        same = np.abs(mine - right) <= self.coarse[t] * size
        if zero.sum() > 2 and (same | zero).all() and not zero.all():
            for x in [t.data, *(e.node.data for e in back.into.get(t, ()))]:
                inside = x[~zero & (right != 0)] if x.shape == zero.shape else x[:0]
                low, high = inside.min(initial=np.inf), inside.max(initial=-np.inf)
                if inside.size and ((x[zero] < low) | (x[zero] > high)).all():
                    words = SENTENCES["value-clipped"].format(low=float(low), high=float(high))
                    yield "value-clipped", words
                    break
        elif mine.ndim == 2 and not same.all():
            yield from self.some_columns(t, mine, right)
        for e in back.into.get(t, ()):
            mask = np.asarray(e.node.args[1 - e.i]) if e.node.op.name == "mul" else None
            if mask is not None and (mask == 0).any() and e.raw.shape == mine.shape:
                factors = (mine / np.where(e.g == 0, np.nan, e.g)).round(9)
                live = np.unique(factors[np.isfinite(factors)])
                if len(live) == 2 and live[0] == 0:
                    yield "dropout-mask", SENTENCES["dropout-mask"]

    def some_columns(self, t: Tensor, mine: Array, right: Array) -> Iterator[tuple[str, str]]:
        """A factor in some columns, or in some rows, while the others are right."""
        for kind, a, b in (("columns", mine, right), ("rows", mine.mT, right.mT)):
            c = [self.snapped(ratio(u, v), self.coarse[t]) for u, v in zip(a.T, b.T, strict=True)]
            others = {f for f in c if f != 1}
            if (
                len(others) == 1
                and 1.0 in c
                and self.agrees(t, (b * c).reshape(mine.shape) if kind == "columns" else (b * c).mT)
            ):
                at = ", ".join(str(i) for i, f in enumerate(c) if f != 1)
                for names in self.factors[others.pop()]:
                    slug, sentence = names[0]
                    yield slug, f"{sentence}, in {kind if ',' in at else kind[:-1]} {at}"

    def clipped(self, t: Tensor) -> Iterator[Guess]:
        """A gradient that is zero where a value is larger than some bound: of small matrices, every
        bound is tried."""
        back = self.back
        for p in back.made:
            small = p.op is not None and p.ndim > 1 and p.data.size <= 100 and not is_weight(p)
            if not small or t not in self.below.get(p, ()):
                continue
            for x in [p.data, *(e.node.data for e in back.into.get(p, ()))]:
                for bound in np.unique(np.abs(x))[:-1] if x.shape == p.shape else ():
                    inside = np.abs(x) <= bound
                    changes = {p: (lambda it, inside=inside: it * inside)}
                    words = SENTENCES["value-clipped"].format(low=-bound, high=bound)
                    yield from self.whole(back, t, Spot(p), changes, "value-clipped", words)


def always(wrong: Array) -> Callable[[Any], Array]:
    """A change that gives this gradient."""
    return lambda it: wrong


def ratio(a: Array, b: Array) -> float:
    """The factor of `b` that comes nearest to `a`, or NaN."""
    top = largest(b)
    if not 0 < top < math.inf or not np.isfinite(a).all():
        return math.nan
    v = (b / top).astype(np.float64)
    return float((v * a).sum() / (v * v).sum()) / top


def squeezed(a: Array) -> list[int]:
    return [n for n in a.shape if n != 1]
