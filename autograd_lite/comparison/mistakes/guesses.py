"""All guesses about one gradient, in their order; and those by rules, sums, statistics, factors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ...engine.rules import ops
from ...engine.tape import Array
from ...program.chain import stretched
from ..answers.judge import distance
from ..propagation import Change, Contribution, times
from . import attention, edits, layers, misplaced, patterns, penalties, roles
from .guess import Guess, Guessing, in_all, made_by
from .places import (
    Site,
    activation_above,
    applies,
    is_weight,
    of_product,
    result_of,
    single_slopes,
    sums_of,
    viewed,
)
from .table import CERTAIN, MATMUL_RULES, RULES, SUMS, VAGUE, Mistake, Wording, said

STATISTICS = (ops.mean, ops.var, ops.std)  # what a normalisation is written with
TWICE = "the arriving gradient taken twice: g * g for g"


class Guesses(Guessing):
    """The single mistakes, in a pass that may have others, that give the gradient of `t`."""

    def tiers(self) -> Iterator[Iterator[Guess]]:
        """The most specific first; a later tier is for what no earlier one explains."""
        zeros = not np.any(self.matcher.target[self.t])
        if zeros:  # which many rules give where few elements count, and is never written mostly
            yield self.factors_of_tensors([self.t], zero=True)
        yield itertools.chain(
            self.rules([*RULES, *MATMUL_RULES]),
            self.unsummed(),
            self.products(),
            self.statistics(),
            self.factors_of_tensors(self.tensors, zero=False),
            self.without_upstream(),
            penalties.penalised(self),
            edits.terms_of_loss(self),
            self.reuse(),
        )
        yield itertools.chain(
            edits.skipped(self),
            edits.unsummed_products(self),
            penalties.other_penalties(self),
            edits.differences(self),
            edits.chosen_branches(self),
            attention.masks_of_softmax(self),
            attention.exchanged_factors(self),
            edits.ingredients(self),
            edits.other_formulas(self),
            edits.between_left_out(self),
            misplaced.after_the_derivative(self),
            misplaced.reshaped(self),
            misplaced.exchanged_parts(self),
        )
        yield itertools.chain(
            self.factors_of_tensors(
                [p for p in self.tensors if not (zeros and p is self.t)], zero=True
            ),
            self.rules(VAGUE),
            self.factor_of([site for site in self.sites if site.edges]),
        )
        yield patterns.seen_alone(self)

    def factors_of_tensors(self, tensors: Iterable[Any], zero: bool) -> Iterator[Guess]:
        """A factor on the whole gradient of a tensor: 0, or another."""
        for guess in self.factor_of([Site(p) for p in tensors]):
            if (guess.names[0][0] == "placeholder") == zero:
                yield guess

    # ---- wrong rules

    def rules(self, rows: list[Mistake]) -> Iterator[Guess]:
        """Wrong rules of the table."""
        tried = [site for site in self.sites if len({e.node.op for e in site.edges}) == 1]
        for row in rows:
            for site in tried:
                arcs = site.edges
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
                    yield from self.attempt(site, wrong, names, made_by(row), row, arcs[0])

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
            which = "mean" if e.node.op is ops.mean and e.p.op is not ops.power else "variance"
            which = which if len(group) == 1 else "statistics"
            for slug, c in choices:
                names = said(slug, which=which)
                yield from self.whole(site, dict.fromkeys(site.keys, times(c)), names)

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
                        w = viewed(e.p if other is None else other)
                        uses.setdefault((e.node.op, w), []).append(e)
            for (op, w), found in uses.items():
                if len(found) > 1:
                    ((slug, words),) = row.said_of(op)
                    with_ = f" with {self.label(w)}" if w is not None else ""
                    names = ((slug, f"{words}, {in_all(len(found), 'places')}{with_}"),)
                    yield from self.group(found, made_by(row), names)

    def sums_everywhere(self) -> Iterator[Guess]:
        """The same wrong sum wherever one undoes a broadcast."""
        arcs = [e for parts in self.back.into.values() for e in parts if e.raw.shape != e.p.shape]
        for slug, sentence, sum_wrongly in SUMS if len(arcs) > 1 else ():
            names = ((slug, f"{sentence}, {in_all(len(arcs), 'places')}"),)
            change = summed_by(sum_wrongly)
            yield from self.group(arcs, change, names)
            rows = [row for row in MATMUL_RULES if row.slug == slug]
            for row in rows:
                more = [e for parts in self.back.into.values() for e in parts if applies(row, e)]
                changes = {(e.node, e.i): change for e in arcs}
                changes |= {(e.node, e.i): made_by(row) for e in more}
                yield from self.whole(Site(arcs[0].p, (arcs[0],)), changes, names)

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
                    names = penalties.penalty_words(names)
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


def summed_by(sum_wrongly: Any) -> Change:
    """A wrong sum as a change of any edge."""

    def change(part: Array, e: Any) -> Array:
        g = np.asarray(sum_wrongly(e.raw, stretched(e.raw.shape, e.p.shape)))
        return g.reshape(e.p.shape) if g.size == e.p.array.size else g

    return change
