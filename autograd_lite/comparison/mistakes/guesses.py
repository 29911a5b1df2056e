"""Guessing a mistake: make it on purpose, and see whether a gradient comes out as handed in.

The backward pass is linear, so a mistake at one site changes the gradients below it by what the
difference at that site pulls back to. A `Guess` is one mistake at one site, or the same in
several.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...engine.rules import ops
from ...engine.tape import Array
from ...engine.tensor import Tensor
from ...program.chain import stretched
from ..answers.judge import distance, largest
from ..propagation import Backprop, Change, Contribution, always, times
from . import edits, layers, misplaced, roles
from .guess import Guess, Guessing, made_by
from .matching import Matcher, ratio
from .places import (
    Site,
    activation_above,
    applies,
    is_weight,
    of_product,
    result_of,
    single_slopes,
    sites_of,
    softmax_by_hand,
    sums_of,
)
from .table import CERTAIN, MATMUL_RULES, RULES, SUMS, VAGUE, Mistake, Wording, said

STATISTICS = (ops.mean, ops.var, ops.std)  # what a normalisation is written with
TWICE = "the arriving gradient taken twice: g * g for g"


class Guesses(Guessing):
    """The single mistakes, in a pass that may have others, that give the gradient of `t`."""

    def tiers(self) -> Iterator[Iterator[Guess]]:
        """The most specific first; a later tier is for what no earlier one explains."""
        yield itertools.chain(
            self.rules([*RULES, *MATMUL_RULES]),
            self.unsummed(),
            self.products(),
            self.statistics(),
            self.factors_of_tensors(zero=False),
            self.without_upstream(),
            self.penalties(),
            edits.terms_of_loss(self),
            self.reuse(),
        )
        yield itertools.chain(
            edits.skipped(self),
            edits.unsummed_products(self),
            self.other_penalties(),
            edits.differences(self),
            edits.chosen_branches(self),
            edits.ingredients(self),
            edits.other_formulas(self),
            edits.between_left_out(self),
            misplaced.after_the_derivative(self),
            misplaced.reshaped(self),
            misplaced.exchanged_parts(self),
        )
        yield itertools.chain(
            self.factors_of_tensors(zero=True),
            self.rules(VAGUE),
            self.factor_of([site for site in self.sites if site.edges]),
        )
        yield self.patterns()

    def factors_of_tensors(self, zero: bool) -> Iterator[Guess]:
        """A factor on the whole gradient of a tensor: 0, or another."""
        for guess in self.factor_of([Site(p) for p in self.tensors]):
            if (guess.names[0][0] == "placeholder") == zero:
                yield guess

    # ---- wrong rules

    def rules(self, rows: list[Mistake]) -> Iterator[Guess]:
        """Wrong rules of the table."""
        tried: list[tuple[Site, tuple[Contribution, ...]]] = []
        for site in self.sites:
            if not site.edges:
                tried += [(site, (e,)) for e in softmax_by_hand(self.back, site.p)]
            elif len({e.node.op for e in site.edges}) == 1:
                tried.append((site, site.edges))
        for row in rows:
            for site, arcs in tried:
                if not row.concerns(arcs[0].node) or not all(applies(row, e) for e in arcs):
                    continue
                if self.matcher.late:
                    return
                names = row.said_of(arcs[0].node.op)
                for e in arcs:
                    self.matcher.spend_on(e)
                try:
                    given = [result_of(row, e) for e in arcs]
                    if row.free:
                        yield from self.free_rule(site, arcs[0], names, given)
                        continue
                    wrong = np.asarray(sum(given))
                except ValueError:
                    continue
                if np.isfinite(wrong).all():
                    change = made_by(row) if site.edges else None
                    yield from self.attempt(site, wrong, names, change, row, arcs[0])

    def free_rule(self, site: Site, e: Contribution, names: Wording, given: Any) -> Iterator[Guess]:
        """A wrong rule with a factor that is not known."""
        part = site.part(self.back)
        fixed, free = (np.asarray(sum(half)) for half in zip(*given, strict=True))
        found = self.match(site.p, fixed - part, free, "positive")
        if found and distance(fixed + found.c * free, part)[1] > 1e-9:
            yield Guess(names, site, site.instead(fixed + found.c * free), *found[1:], e)

    # ---- sums that undo broadcasting

    def unsummed(self) -> Iterator[Guess]:
        """Wrong sums over axes that broadcasting stretched."""
        sites = [
            s for s in self.sites if s.edges and all(e.raw.shape != s.p.shape for e in s.edges)
        ]
        for slug, sentence, sum_wrongly in SUMS:
            change = summed_by(sum_wrongly)
            for site in sites:
                names: Wording = ((slug, sentence),)
                if slug == "bias-not-summed" and site.edges[0].node.op is not ops.add:
                    names = said("broadcast-not-undone")
                try:
                    wrong = np.asarray(sum(change(e.part, e) for e in site.edges))
                except ValueError:
                    continue
                yield from self.attempt(site, wrong, names, change)
        for site in sites:
            if len(site.edges) == 1 and site.edges[0].node.op is ops.add:
                yield from self.bias_from_weight(site, *site.edges)

    def bias_from_weight(self, site: Site, e: Contribution) -> Iterator[Guess]:
        """The bias has the column sums of the weight's gradient."""
        product = e.node.parents[1 - e.i]
        if product is None or product.op is not ops.matmul:
            return
        given = (arc for p in product.parents if p is not None for arc in self.back.into[p])
        w = next((arc for arc in given if arc.node is product and is_weight(arc.p)), None)
        if w is not None and w.raw.ndim == 2:
            sums = np.add.reduce(w.raw, axis=0 if w.i else 1)
            if sums.size == e.p.array.size:
                yield from self.attempt(site, sums.reshape(e.p.shape), said("bias-from-weight"))

    # ---- products

    def products(self) -> Iterator[Guess]:
        """Mistakes that concern a product and what is around it."""
        for site, e in self.single:
            if e.node.op is ops.matmul and e.g.ndim == 2:
                yield from self.updated(site, e)
                yield from self.derived_too_soon(site, e)
            else:
                for product in sums_of(e.p):
                    if activation_above(self.back.into[product]) is e:
                        for _, _, s in single_slopes(e, product):
                            yield from self.partial(site, e, e.g * s.sum(axis=1))

    def updated(self, site: Site, e: Contribution) -> Iterator[Guess]:
        """The weight is used after its own update."""
        w = e.node.parents[1 - e.i]
        if w is None or w is e.p or not w.requires_grad or not is_weight(w):
            return
        own = [arc.part for arc in self.back.into[w] if arc.node is e.node]
        for step in [self.back.yours.get(w, self.back.made[w]), *own]:
            moved = -of_product(e, e.g, step)
            found = self.match(e.p, 0, moved, "positive")
            if found:
                changes = site.instead(e.part + found.c * moved)
                yield Guess(said("updated-weights", rate=found.c), site, changes, *found[1:], e)
                return

    def derived_too_soon(self, site: Site, e: Contribution) -> Iterator[Guess]:
        """The derivative of the activation above a product is taken of its parts."""
        above = activation_above(e.above)
        if above is None:
            return
        for x, w, s in single_slopes(above, e.node):
            spec = "nj,nk,njk->jk" if e.i else "nk,njk,jk->nj"
            wrong = np.einsum(spec, *((x, above.g, s) if e.i else (above.g, s, w)))
            yield from self.partial(site, above, wrong)

    def partial(self, site: Site, e: Contribution, wrong: Array) -> Iterator[Guess]:
        yield from self.attempt(site, wrong, said("partial-preactivation", op=e.node.op.name))

    # ---- several places at once

    def statistics(self) -> Iterator[Guess]:
        """Means and variances that are held constant, or that take n - 1 for n."""
        found = {
            e.node.serial: e
            for p in self.tensors
            for e in self.back.into[p]
            if e.node.op in STATISTICS and e.node.array.size > 1 and self.is_statistic(e)
        }
        arcs = [found[serial] for serial in sorted(found, reverse=True)]
        for group in [*((e,) for e in arcs), *itertools.pairwise(arcs)]:
            e = group[-1]
            n = e.p.array.size // e.node.array.size
            r = n / (n - 1) if n > 2 else 1.0
            choices = [("batchnorm-constant", 0.0)]
            choices += [("bessel", c) for c in (r, 1 / r, math.sqrt(r), math.sqrt(1 / r)) if r != 1]
            site = Site(e.p, group)
            for slug, c in choices:
                yield from self.whole(site, dict.fromkeys(site.keys, times(c)), said(slug))

    def is_statistic(self, e: Contribution) -> bool:
        """Whether a mean is subtracted from what it is the mean of; a variance always is one."""
        users = [x.node for x in self.back.into[e.node]]
        return (
            e.node.op is not ops.mean
            or not all(u.op is not ops.sub or u.shape == e.node.shape for u in users)
            or e.p.op is ops.power
        )

    def everywhere(self) -> Iterator[Guess]:
        """The same mistake in several places."""
        edges = layers.edges_of(self.back)
        yield from self.rules_everywhere()
        yield from layers.through_time(self, edges)
        yield from layers.on_every_way_back(self, edges)
        yield from self.sums_everywhere()
        yield from layers.scaled_groups(self, edges)
        yield from roles.in_every_turn(self)
        yield from misplaced.other_factors(self)

    def rules_everywhere(self) -> Iterator[Guess]:
        """A wrong rule in every use of an operation, or in every product with one weight."""
        arcs = [e for parts in self.back.into.values() for e in parts]
        for row in CERTAIN:
            uses: dict[Any, list[Contribution]] = {}
            for e in arcs:
                if applies(row, e):
                    uses.setdefault((e.node.op, None), []).append(e)
                    if e.node.op is ops.matmul and row.which == 0:
                        other = e.node.parents[1 - e.i]
                        w = layers.root(e.p if other is None else other)
                        uses.setdefault((e.node.op, w), []).append(e)
            for (op, w), found in uses.items():
                if len(found) > 1:
                    ((slug, words),) = row.said_of(op)
                    with_ = f" with {self.label(w)}" if w is not None else ""
                    names = ((slug, f"{words}, in all {len(found)} places{with_}"),)
                    yield from self.group(found, made_by(row), names)

    def sums_everywhere(self) -> Iterator[Guess]:
        """The same wrong sum wherever one undoes a broadcast."""
        arcs = [e for parts in self.back.into.values() for e in parts if e.raw.shape != e.p.shape]
        for slug, sentence, sum_wrongly in SUMS if len(arcs) > 1 else ():
            names = ((slug, f"{sentence}, in all {len(arcs)} places"),)
            change = summed_by(sum_wrongly)
            yield from self.group(arcs, change, names)
            rows = [row for row in MATMUL_RULES if row.slug == slug]
            for row in rows:
                more = [e for parts in self.back.into.values() for e in parts if applies(row, e)]
                changes = {(e.node, e.i): change for e in arcs}
                changes |= {(e.node, e.i): made_by(row) for e in more}
                yield from self.whole(Site(arcs[0].p, (arcs[0],)), changes, names)

    def clipped(self) -> Iterator[Guess]:
        """A gradient that is zero where a value is larger than some bound: of small matrices, every
        bound is tried."""
        for p in self.matcher.above(self.back, self.t):
            if p.op is None or p.ndim < 2 or p.array.size > 100 or is_weight(p):
                continue
            for x in self.around(p):
                for bound in np.unique(np.abs(x))[:-1]:
                    inside = np.abs(x) <= bound
                    names = said("value-clipped", low=-bound, high=bound)
                    yield from self.whole(Site(p), {p: times(inside)}, names)

    def around(self, p: Tensor) -> list[Array]:
        """The values of a tensor, and of what it goes into, that have its shape."""
        values = [p.array, *(e.node.array for e in self.back.into[p])]
        return [x for x in values if x.shape == p.shape]

    # ---- factors, contributions, additions

    def factor_of(self, sites: list[Site]) -> Iterator[Guess]:
        """A factor on a gradient, or on a part of one."""
        for site in sites:
            part, count = site.part(self.back), len(self.back.into[site.p])
            found = self.match(site.p, -part, part)
            if found is None or found.c == 1 or (site.edges and count == 1):
                continue
            changes = dict.fromkeys(site.keys, times(found.c))
            for names in self.matcher.factors[found.c]:
                if site.p in self.matcher.penalties:
                    names = penalty_words(names)
                elif site.edges and found.c == 0:
                    slug = "overwritten" if count == 2 else "placeholder"
                    names = self.path_missing(slug, site)
                elif found.c == 0 and site.p is not self.t:
                    words = f"the path through {self.label(site.p)} is left out: zero, or detached"
                    names = (("placeholder", words),)
                yield Guess(names, site, changes, *found[1:], site.first)

    def path_missing(self, slug: str, site: Site) -> Wording:
        """What is said of a contribution that is forgotten."""
        count = len(self.back.into[site.p])
        words = said(slug, "detached", count=count)[0][1]
        return ((slug, f"{words}, the one through {self.label(site.edges[-1].node)}"),)

    def without_upstream(self) -> Iterator[Guess]:
        """The arriving gradient is not used: as if it were ones."""
        seed, root = self.back.seed, self.back.tape.nodes[-1]
        if (seed != 1).any():
            ones = np.ones_like(seed)
            yield from self.attempt(Site(root), ones, said("upstream-missing"))
            yield from self.attempt(Site(root), seed * seed, (("upstream-twice", TWICE),))
        for site, e in self.single:
            if e.node.array.size < 2 or (e.g == e.g.flat[0]).all():
                continue
            bare = Contribution(e.edge, np.ones_like(e.node.array)).part
            if np.ptp(bare):  # else it is a placeholder
                yield from self.attempt(site, bare, said("upstream-missing"))

    def penalties(self) -> Iterator[Guess]:
        """A multiple of the weight itself, of its sign, or of one of its columns or rows."""
        t, mine = self.t, self.matcher.target[self.t]
        if t.op is None and t.array.size < 3 and mine.shape == t.shape:
            yield from self.known_penalties()
        if t.op is not None or t.array.size < 3 or mine.shape != t.shape:
            return
        if distance(mine, ratio(mine, t.array) * t.array)[1] <= self.matcher.coarse[t]:
            return  # nothing but a multiple of it: that is a factor, as of the mean of x * x
        for words, w in (("penalty", t.array), ("penalty-1", np.sign(t.array))):
            if not (np.abs(w) == np.abs(w.flat[0])).all() or len(np.unique(w)) == 2 < w.size - 1:
                found = self.match(t, 0, w, "any")
                if found:
                    names = said("penalty", words, alpha=found.c)
                    yield Guess(names, Site(t), {t: always(mine)}, *found[1:])
        yield from self.penalties_of_lines()

    def known_penalties(self) -> Iterator[Guess]:
        """The penalty that weights have, on a tensor that is too small to find its factor."""
        coefficients = set()
        for w in self.back.tape.nodes:
            part = penalty_part(self.matcher, self.back, w) if w.op is None else None
            if part is not None and w.array.size > 2:
                coefficients.add(round(ratio(part, w.array), 12))
        for alpha in coefficients:
            for c in (alpha, -alpha):
                wrong = self.back.made[self.t] + c * self.t.array
                yield from self.attempt(Site(self.t), wrong, said("penalty", alpha=c))

    def penalties_of_lines(self) -> Iterator[Guess]:
        """A multiple of one column or one row of the weight: a bias that is penalised."""
        t, gap = self.t, self.matcher.gap(self.back, self.t)
        part = penalty_part(self.matcher, self.back, t)
        if gap is None:
            return
        if part is not None and (part == 0).any() and part.any():
            alpha = ratio(part, t.array * (part != 0))
            whole = self.matcher.agrees(t, self.back.gradient(t) + alpha * t.array * (part == 0))
            if whole or not np.abs(gap[part != 0]).max() > 1e-9 * largest(gap):
                words = "the elements that the penalty leaves out, as biases, are penalised too"
                changes = {t: always(self.matcher.target[t])}
                yield Guess((("penalty", words),), Site(t), changes, frozenset([t]), exact=whole)
        if t.ndim != 2 or min(t.shape) < 2:
            return
        for kind, d, w in (("column", gap, t.array), ("row", gap.T, t.array.T)):
            lines = np.flatnonzero(np.abs(d).max(axis=0) > 1e-9 * largest(gap))
            if len(lines) != 1 or len(d) < 3:
                continue
            (i,) = lines
            alpha = ratio(d[:, i], w[:, i])
            if distance(d[:, i], alpha * w[:, i])[1] < max(1e-8, self.matcher.coarse[t]):
                words = said("penalty", alpha=alpha)[0][1] + f", in {kind} {i}"
                changes = {t: always(self.matcher.target[t])}
                yield Guess((("penalty", words),), Site(t), changes, frozenset([t]))

    def other_penalties(self) -> Iterator[Guess]:
        """The penalty of another weight."""
        for e in self.back.into[self.t]:
            if e.node not in self.matcher.penalties or self.t.ndim != 2:
                continue
            k = ratio(e.part, self.t.array)
            if distance(e.part, k * self.t.array)[1] > 1e-9:
                continue
            for w in self.matcher.back.tape.nodes:
                if w.op is not None or w is self.t or w.ndim != 2:
                    continue
                for a in (w.array, w.array.T):
                    cut = a[: self.t.shape[0], : self.t.shape[1]]
                    if cut.shape == self.t.shape:
                        words = f"the penalty is made with {self.label(w)}, another weight"
                        site = Site(self.t, (e,))
                        yield from self.attempt(site, k * cut, (("penalty", words),))

    def reuse(self) -> Iterator[Guess]:
        """Only one of several contributions is left; or the transpose."""
        for site in self.sites:
            arcs = site.edges or tuple(self.back.into[site.p])
            part = site.part(self.back)
            for e in arcs[::-1] if len(arcs) > 1 else ():
                names = said("overwritten", count=len(arcs))
                kept = {(o.node, o.i): times(0) for o in arcs if o is not e}
                found = self.match(site.p, -part, e.part)
                if found and found.c:
                    for extra in self.matcher.factors[found.c]:
                        yield Guess((*names, *extra), site, kept, *found[1:], e)
            if part.ndim == 2 and 1 not in part.shape:
                names = said("transposed")
                yield from self.attempt(site, part.mT, names, lambda part, e: part.mT)

    # ---- patterns

    def patterns(self) -> Iterator[Guess]:
        """What the gradient alone shows, or what is left of it without its other parts."""
        t, back, target = self.t, self.back, self.matcher.target[self.t]
        for site in [Site(t), *sites_of(back, t)]:
            if site.p is not t or (site.edges and len(back.into[t]) == len(site.edges) > 1):
                continue
            right = site.part(back) if t in back.made else back.gradient(t)
            if target.shape != right.shape or right.size < 2:
                continue
            mine = target - (back.gradient(t) - right)
            for names in self.seen(mine, right):
                slug = names[0][0]
                sure = slug not in ("value-clipped", "dropout-mask", "placeholder")
                sure = sure or (slug == "placeholder" and float(mine.flat[0]) == 1)
                yield Guess(names, Site(t), {t: always(target)}, frozenset([t]), exact=sure)

    def seen(self, mine: Array, right: Array) -> Iterator[Wording]:
        """The patterns in a gradient."""
        value, size = mine.flat[0], largest(right)
        if largest(mine - value) <= 1e-12 * abs(value) and largest(right - right.flat[0]):
            yield said("placeholder", value=float(value))
        zero = (mine == 0) & (np.abs(right) > 1e-9 * size)
        same = np.abs(mine - right) <= self.matcher.coarse[self.t] * size
        if zero.sum() > 2 and (same | zero).all() and not zero.all():
            yield from self.cut_off(zero, right)
        elif mine.ndim == 2 and not same.all():
            yield from self.some_columns(mine, right)
        yield from reordered(mine, right, self.matcher.coarse[self.t])
        yield from self.redrawn(mine)

    def cut_off(self, zero: Array, right: Array) -> Iterator[Wording]:
        """The gradient is zero where a value is outside of some bounds."""
        for x in self.around(self.t):
            inside = x[~zero & (right != 0)]
            low, high = inside.min(initial=np.inf), inside.max(initial=-np.inf)
            if inside.size and ((x[zero] < low) | (x[zero] > high)).all():
                yield said("value-clipped", low=float(low), high=float(high))
                break

    def some_columns(self, mine: Array, right: Array) -> Iterator[Wording]:
        """A factor in some columns, or in some rows, while the others are right."""
        coarse = self.matcher.coarse[self.t]
        for kind, a, b in (("columns", mine, right), ("rows", mine.mT, right.mT)):
            c = [self.matcher.snapped(ratio(u, v), coarse) for u, v in zip(a.T, b.T, strict=True)]
            others = {f for f in c if f != 1}
            if len(others) == 1 and 1.0 in c:
                whole = b * c if kind == "columns" else (b * c).mT
                if self.matcher.agrees(self.t, whole):
                    at = ", ".join(str(i) for i, f in enumerate(c) if f != 1)
                    where = f"{kind if ',' in at else kind[:-1]} {at}"
                    for (slug, sentence), *_ in self.matcher.factors[others.pop()]:
                        yield ((slug, f"{sentence}, in {where}"),)

    def redrawn(self, mine: Array) -> Iterator[Wording]:
        """The mask of a product is another one."""
        for e in self.back.into[self.t]:
            mask = np.asarray(e.node.args[1 - e.i]) if e.node.op is ops.mul else None
            if mask is not None and (mask == 0).any() and e.raw.shape == mine.shape:
                factors = (mine / np.where(e.g == 0, np.nan, e.g)).round(9)
                live = np.unique(factors[np.isfinite(factors)])
                if len(live) == 2 and live[0] == 0:
                    yield said("dropout-mask")


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


def summed_by(sum_wrongly: Any) -> Change:
    """A wrong sum as a change of any edge."""

    def change(part: Array, e: Any) -> Array:
        g = np.asarray(sum_wrongly(e.raw, stretched(e.raw.shape, e.p.shape)))
        return g.reshape(e.p.shape) if g.size == e.p.array.size else g

    return change
