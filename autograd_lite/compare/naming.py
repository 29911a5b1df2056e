"""Naming a mistake: make it on purpose, and see whether the gradients that were handed in come out.

The backward pass is linear, so a mistake at one place changes the gradients below it by what the
difference at that place pulls back to. A `Guess` is one mistake at one place; `explain` looks for
the fewest guesses that give every gradient that is wrong.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..symbol import Symbol, as_symbol, formulas, input_names
from ..tape import Array, fit
from ..tensor import Tensor
from .judge import Diagnosis, distance, largest
from .mistakes import CONSTANTS, FITS, PRODUCTS, RULES, SENTENCES, Mistake
from .replay import Backward, Edge

STATISTICS = frozenset({"mean", "var", "std"})
VIEWS = frozenset({"mT", "reshape", "permute"})
SECONDS = 6.0  # of search, after which what is found so far is told
NEAREST = 300  # places that are tried, those nearest to the tensor
DEEPEST = 5  # mistakes in one chain
WIDEST = 6  # continuations of one chain that are tried


@dataclass(frozen=True)
class Guess:
    """A mistake at a place: an edge or a tensor. `change` makes it in a Backward."""

    names: tuple[tuple[str, str], ...]  # (slug, sentence)
    place: Any
    change: Callable[[Any], Array]
    edge: Edge | None = None
    wrong: Mistake | None = None
    explained: frozenset[Tensor] = frozenset()
    spoilt: frozenset[Tensor] = frozenset()
    before: Backward | None = None  # with the other half of a mistake that has two places


@dataclass(frozen=True)
class Finding:
    """The diagnoses of a wrong tensor, and the other tensors that the same mistake explains."""

    diagnoses: tuple[Diagnosis, ...]
    also: tuple[Tensor, ...]
    formula: str


class Search:
    """What is known of one comparison.

    `raw` are the gradients as they were handed in, by tensor; those whose shape does not fit are
    not in `back.yours`. `labels` are the names of tensors, `n` and `k` the batch and the outputs.
    """

    def __init__(
        self, back: Backward, raw: Mapping[Tensor, Array], labels: Mapping[Tensor, str]
    ) -> None:
        self.back = back
        self.labels = labels
        self.target = {t: back.yours.get(t, g).astype(np.float64) for t, g in raw.items()}
        self.coarse = {
            t: 1e-4 if min(g.dtype.itemsize, t.dtype.itemsize) < 8 else 1e-7 for t, g in raw.items()
        }
        self.n, self.k = sizes(back.nodes)
        self.deadline = time.monotonic() + SECONDS

    @property
    def late(self) -> bool:
        """Whether the time for the search is over."""
        return time.monotonic() > self.deadline

    # ---- the places from which a tensor can be reached

    def reached(self) -> dict[Tensor, frozenset[Tensor]]:
        """For every tensor, the handed-in tensors that a mistake in its gradient shows in."""
        outgoing: dict[Tensor, list[Edge]] = {}
        for parts in self.back.into.values():
            for e in parts:
                outgoing.setdefault(e.node, []).append(e)
        below: dict[Tensor, frozenset[Tensor]] = {}
        for node in reversed(self.back.nodes):
            parts = outgoing.get(node, ())
            below[node] = (
                frozenset([node])
                if node in self.target
                else frozenset().union(*(below.get(e.p, frozenset()) for e in parts))
            )
        return below

    # ---- comparing

    def agrees(self, t: Tensor, g: Array) -> bool:
        """Whether `g` is what was handed in for `t`."""
        mine = self.target[t]
        if [n for n in mine.shape if n != 1] != [n for n in g.shape if n != 1]:
            return False
        return distance(mine, g.reshape(mine.shape))[1] <= self.coarse[t]

    def wrong(self, back: Backward, among: Any) -> list[Tensor]:
        """The tensors whose gradient is not what that pass gives, in backward order."""
        return [t for t in among if not self.agrees(t, made(back, t))]

    # ---- guessing

    def fitted(
        self,
        back: Backward,
        t: Tensor,
        place: Tensor,
        certain: Array | float,
        free: Array,
        want: str = "names",
    ) -> tuple[float, frozenset[Tensor], frozenset[Tensor]] | None:
        """The factor c for which `certain + c * free` at `place` gives the gradient of `t`, what it
        explains and what it spoils; None if there is none.

        `want` is "names" for factors that have a name, "any" for any but 0, "positive".
        """
        if self.late:
            return None
        try:
            moved = back.spread(place, free)
            fixed = back.spread(place, certain * np.ones_like(free)) if np.any(certain) else {}
        except (ValueError, IndexError):  # a gradient of that shape cannot be passed on
            return None
        if t not in moved:
            return None

        def against(u: Tensor) -> Array:
            return np.asarray(made(back, u) + fixed.get(u, 0))

        mine, still, slope = self.target[t], against(t), moved[t]
        try:
            whole = still + slope
            if [n for n in whole.shape if n != 1] != [n for n in mine.shape if n != 1]:
                return None
            gap = mine.reshape(whole.shape) - still
        except ValueError:
            return None
        top = largest(slope)
        if not (0 < top < math.inf) or not np.isfinite(gap).all():
            return None
        v = (slope / top).astype(np.float64)
        c = float((v * gap).sum() / (v * v).sum()) / top
        if want == "names":
            c = self.snapped(c, self.coarse[t])
        if not math.isfinite(c) or (want != "names" and abs(c) < 1e-12) or (want == "positive" and c <= 0):
            return None
        if distance(mine.reshape(whole.shape), still + c * slope)[1] > self.coarse[t]:
            return None
        explained, spoilt = set(), set()
        for u, d in moved.items():
            if u in self.target:
                (explained if self.agrees(u, against(u) + c * d) else spoilt).add(u)
        return c, frozenset(explained), frozenset(spoilt)

    def snapped(self, c: float, coarse: float) -> float:
        """The factor with a name that `c` is, or NaN."""
        return next(
            (f for f in self.factors if abs(c - f) <= 10 * coarse * max(abs(f), 1e-3)), math.nan
        )

    @property
    def factors(self) -> dict[float, list[tuple[tuple[str, str], ...]]]:
        """Every factor that has a name, alone or as a product, with its names."""
        if not hasattr(self, "_factors"):
            groups: dict[str, list[tuple[float, tuple[str, str]]]] = {"": [], "2": [], "n": []}
            known = {"n": self.n, "k": self.k}
            for slug, text, sentence in CONSTANTS:
                value = float(eval(text, {}, known))
                if value != 1:
                    words = sentence.format(n=self.n, k=self.k, nk=self.n * self.k)
                    kind = "n" if set(text) & set("nk") else "2" if "2" in text else ""
                    groups[kind].append((value, (slug, words)))
            found: dict[float, list[tuple[tuple[str, str], ...]]] = {1.0: [()]}
            singles = [(v, (name,)) for kind in groups.values() for v, name in kind]
            pairs = [
                (u * v, (first, second))
                for a, b in (("", "2"), ("", "n"), ("2", "n"))
                for u, first in groups[a]
                for v, second in groups[b]
                if u
            ]
            for value, names in [*singles, *pairs]:
                held = found.setdefault(value, [])
                if not held or len(held[0]) == len(names):
                    held.append(names)
            self._factors = found
        return self._factors

    def guesses(self, back: Backward, t: Tensor) -> Iterator[Guess]:
        """All single mistakes that give the gradient of `t`, the most specific first."""
        below = self.below
        places = [p for p in back.made if t in below.get(p, ())]
        places = places[: -NEAREST - 1 : -1]
        arcs = [e for p in places for e in back.into.get(p, ())]
        yield from self.unsummed(back, t, arcs)
        yield from self.rules(back, t, arcs)
        yield from self.statistics(back, t, places)
        yield from self.constants(back, t, places)
        yield from self.penalties(back, t)
        yield from self.reuse(back, t, places)
        yield from self.patterns(back, t)

    def attempt(
        self,
        back: Backward,
        t: Tensor,
        e: Edge,
        wrong: Any,
        names: tuple[tuple[str, str], ...],
        redo: Callable[[Edge], Array],
        row: Mistake | None = None,
    ) -> Iterator[Guess]:
        """The guess that edge `e` gave `wrong` instead, times a factor that may have a name."""
        wrong = np.asarray(wrong)
        if wrong.shape == e.part.shape and distance(wrong, e.part)[1] < 1e-9:
            return
        certain = -e.part if wrong.shape == e.part.shape or len(back.into[e.p]) > 1 else 0 * wrong
        if not np.shape(certain) == wrong.shape:
            certain = np.broadcast_to(certain, wrong.shape) if fits_in(certain, wrong) else 0 * wrong
        if wrong.shape != e.part.shape and len(back.into[e.p]) == 1:
            found = self.alone(back, t, e.p, wrong)
        else:
            found = self.fitted(back, t, e.p, certain, wrong)
        if found is None:
            return
        c, explained, spoilt = found
        for extra in self.factors[c] if c else ():
            yield Guess(
                (*names, *extra),
                (e.node, e.i),
                lambda edge: c * np.asarray(redo(edge)),
                e,
                row,
                explained,
                spoilt,
            )

    def alone(
        self, back: Backward, t: Tensor, p: Tensor, wrong: Array
    ) -> tuple[float, frozenset[Tensor], frozenset[Tensor]] | None:
        """`fitted` for a gradient whose shape is not that of its tensor, so that it replaces it."""
        if p in self.target:
            if p is not t:
                return None
            mine = self.target[t]
            if [n for n in mine.shape if n != 1] != [n for n in wrong.shape if n != 1]:
                return None
            size = float((wrong * wrong).sum())
            c = float((mine.reshape(wrong.shape) * wrong).sum()) / size if size else math.nan
            c = self.snapped(c, self.coarse[t])
            good = not math.isnan(c) and self.agrees(t, c * wrong)
            return (c, frozenset([t]), frozenset()) if good and c else None
        whole = back.made[p]
        if not fits_in(whole, wrong):
            return None
        return self.fitted(back, t, p, 0 * wrong - whole, wrong)

    def unsummed(self, back: Backward, t: Tensor, arcs: list[Edge]) -> Iterator[Guess]:
        """Wrong sums over axes that broadcasting stretched."""
        for slug, sentence, sum_wrongly in FITS:
            for e in arcs:
                if e.raw.shape == e.p.shape:
                    continue
                axes = stretched(e.raw.shape, e.p.shape)
                if slug == "bias-not-summed" and e.p.op is not None and not is_weight(e.p):
                    slug, sentence = "broadcast-not-undone", SENTENCES["broadcast-not-undone"]

                def redo(edge: Edge, sum_wrongly: Any = sum_wrongly, axes: Any = axes) -> Array:
                    g = np.asarray(sum_wrongly(edge.raw, axes))
                    return g.reshape(edge.p.shape) if g.size == edge.p.data.size else g

                yield from self.attempt(back, t, e, redo(e), ((slug, sentence),), redo)
        for e in arcs:
            if e.node.op is not None and e.node.op.name == "add" and e.raw.shape != e.p.shape:
                yield from self.bias_from_weight(back, t, e)

    def bias_from_weight(self, back: Backward, t: Tensor, e: Edge) -> Iterator[Guess]:
        """The bias has the column sums of the weight's gradient."""
        product = e.node.parents[1 - e.i]
        if product is None or product.op is None or product.op.name != "matmul":
            return
        w = next((arc for arc in outgoing(back, product) if is_weight(arc.p)), None)
        if w is None or w.raw.ndim != 2:
            return

        def redo(edge: Edge) -> Array:
            return np.add.reduce(w.raw, axis=0 if w.i else 1).reshape(edge.p.shape)

        names = (("bias-from-weight", SENTENCES["bias-from-weight"]),)
        if np.add.reduce(w.raw, axis=0 if w.i else 1).size == e.p.data.size:
            yield from self.attempt(back, t, e, redo(e), names, redo)

    def rules(self, back: Backward, t: Tensor, arcs: list[Edge]) -> Iterator[Guess]:
        """Wrong rules of the table."""
        by_op: dict[str, list[Edge]] = {}
        for e in arcs:
            by_op.setdefault(e.node.op.name, []).append(e)
        for row in [*RULES, *PRODUCTS]:
            for e in [e for name in row.ops if name in by_op for e in by_op[name]]:
                if self.late:
                    return
                redo = runner(row, e)
                if redo is None:
                    continue
                try:
                    with np.errstate(all="ignore"):
                        given = redo(e)
                except (ValueError, TypeError, IndexError, MemoryError):
                    continue  # shapes to which that rule does not apply
                names = ((row.slug, row.sentence.format(op=e.node.op.name)),)
                if row.free:
                    yield from self.free_rule(back, t, e, row, names, redo)
                elif np.isfinite(given).all():
                    yield from self.attempt(back, t, e, given, names, redo, row)
        for e in by_op.get("matmul", ()):
            yield from self.updated(back, t, e)
            yield from self.partial(back, t, e)
        for arcs in by_op.values():
            for e in arcs:
                yield from self.partial_activation(back, t, e)

    def free_rule(
        self, back: Backward, t: Tensor, e: Edge, row: Mistake, names: Any, redo: Any
    ) -> Iterator[Guess]:
        """A wrong rule with a factor that is not known."""
        fixed, free = redo(e)
        found = self.fitted(back, t, e.p, fixed - e.part, free, "positive")
        if found and distance(fixed + found[0] * free, e.part)[1] > self.coarse[t]:
            c, explained, spoilt = found

            def change(edge: Edge) -> Array:
                fixed, free = redo(edge)
                return np.asarray(fixed + c * free)

            yield Guess(names, (e.node, e.i), change, e, None, explained, spoilt)

    def updated(self, back: Backward, t: Tensor, e: Edge) -> Iterator[Guess]:
        """The weight is used after its own update."""
        w = e.node.parents[1 - e.i]
        if w is None or not w.requires_grad or not is_weight(w) or is_weight(e.p) or e.g.ndim != 2:
            return
        step = back.yours.get(w, back.made[w])

        def moved(edge: Edge) -> Array:
            return np.asarray(step.mT @ edge.g if edge.i else edge.g @ step.mT)

        found = self.fitted(back, t, e.p, 0, -moved(e), "positive")
        if found:
            c, explained, spoilt = found
            names = (("updated-weights", SENTENCES["updated-weights"].format(rate=c)),)
            yield Guess(
                names, (e.node, e.i), lambda edge: edge.part - c * moved(edge), e, None, explained, spoilt
            )

    def activation_above(self, back: Backward, node: Tensor) -> Edge | None:
        """The edge of the activation that takes the sum that `node` (a matmul) is part of."""
        for _ in range(2):
            parts = back.into.get(node, ())
            if len(parts) != 1:
                return None
            e = parts[0]
            if e.node.op.name == "add":
                node = e.node
                continue
            alone = len(e.node.args) == 1 and e.node.shape == e.p.shape
            return e if alone and e.node.op.name not in VIEWS else None
        return None

    def slopes(self, e: Edge, x: Array, w: Array) -> Array | None:
        """f' at the single products x_nj w_jk, of shape (n, j, k)."""
        if x.ndim != 2 or w.ndim != 2 or x.size * w.shape[1] > 10**7:
            return None
        single = x[:, :, None] * w[None]
        op, kw = e.node.op, e.node.kw
        with np.errstate(all="ignore"):
            rule = next(iter(op.rules))
            return np.asarray(rule(np.ones_like(single), op.forward(single, **kw), single, **kw))

    def partial(self, back: Backward, t: Tensor, e: Edge) -> Iterator[Guess]:
        """The derivative of the activation at single products, seen from the product's inputs."""
        above = self.activation_above(back, e.node)
        if above is None or e.g.ndim != 2:
            return
        x, w = e.node.args
        s = self.slopes(above, x, w)
        if s is None:
            return

        def redo(edge: Edge) -> Array:
            spec = "nj,nk,njk->jk" if edge.i else "nk,njk,jk->nj"
            given = (x, above.g, s) if edge.i else (above.g, s, w)
            return np.einsum(spec, *given)

        words = SENTENCES["partial-preactivation"].format(op=above.node.op.name)
        yield from self.attempt(back, t, e, redo(e), (("partial-preactivation", words),), redo)

    def partial_activation(self, back: Backward, t: Tensor, e: Edge) -> Iterator[Guess]:
        """The same, seen from the sum itself."""
        product = e.p
        if product.op is not None and product.op.name == "add":
            parents = [p for p in product.parents if p is not None and p.op is not None]
            product = next((p for p in parents if p.op and p.op.name == "matmul"), product)
        if product.op is None or product.op.name != "matmul":
            return
        if self.activation_above(back, product) is not e:
            return
        s = self.slopes(e, *product.args)
        if s is None:
            return

        def redo(edge: Edge) -> Array:
            return np.asarray(edge.g * s.sum(axis=1))

        words = SENTENCES["partial-preactivation"].format(op=e.node.op.name)
        yield from self.attempt(back, t, e, redo(e), (("partial-preactivation", words),), redo)

    def statistics(self, back: Backward, t: Tensor, places: list[Tensor]) -> Iterator[Guess]:
        """Means and variances that are held constant, or that take n - 1 for n."""
        found = [
            p
            for p in places
            if p.op is not None
            and p.op.name in STATISTICS
            and any(e.raw.shape != p.shape for e in back.into.get(p, ()))
        ]
        sets = [(p,) for p in found] + [(u, v) for v, u in itertools.pairwise(found)]
        for group in sets:
            *upper, lowest = group
            n = lowest.args[0].size // max(lowest.data.size, 1)
            ratios = [("batchnorm-constant", 0.0)]
            if n > 2:
                r = n / (n - 1)
                ratios += [("bessel", c) for c in (r, 1 / r, math.sqrt(r), math.sqrt(1 / r))]
            for slug, c in ratios:
                base = back
                if upper:
                    scaled = {p: (lambda g, c=c: c * g) for p in upper}
                    base = Backward(back.nodes, back.yours, back.changes | scaled)
                part = base.made[lowest]
                if not largest(part):
                    continue
                try:
                    moved = base.spread(lowest, (c - 1) * part)
                except ValueError:
                    continue
                change = {u: made(base, u) + d for u, d in moved.items() if u in self.target}
                if t not in change and not upper:
                    continue
                for u in self.target:
                    if upper and u not in change and not self.agrees(u, made(base, u)) == self.agrees(
                        u, made(back, u)
                    ):
                        change[u] = made(base, u)
                good = frozenset(u for u, g in change.items() if self.agrees(u, g))
                if t in good and not self.agrees(t, made(back, t)):
                    yield Guess(
                        ((slug, SENTENCES[slug]),),
                        lowest,
                        lambda g, c=c: c * g,
                        None,
                        None,
                        good,
                        frozenset(change) - good,
                        base,
                    )

    def constants(self, back: Backward, t: Tensor, places: list[Tensor]) -> Iterator[Guess]:
        """A factor at a tensor, or on one of several parts of its gradient."""
        for p in places:
            parts = back.into.get(p, [])
            whole = self.fitted(back, t, p, -back.made[p], back.made[p])
            for e, found in [
                (None, whole),
                *(
                    (e, self.fitted(back, t, p, -e.part, e.part))
                    for e in (parts if len(parts) > 1 else ())
                ),
            ]:
                if found is None or found[0] == 1:
                    continue
                c, explained, spoilt = found
                for names in self.factors[c]:
                    if e is not None and c == 0:
                        words = SENTENCES["detached"].format(count=len(parts))
                        names = (("overwritten" if len(parts) == 2 else "placeholder", words),)
                    change: Callable[[Any], Array]
                    if e is None:
                        change = lambda g, c=c: c * g  # noqa: E731
                    else:
                        change = lambda edge, c=c: c * edge.part  # noqa: E731
                    yield Guess(
                        names, p if e is None else (e.node, e.i), change, e, None, explained, spoilt
                    )

    def penalties(self, back: Backward, t: Tensor) -> Iterator[Guess]:
        """A multiple of the weight itself, or of its sign."""
        if t.op is not None or t.data.size < 2 or self.target[t].shape != t.shape:
            return
        for words, direction in (("penalty", t.data), ("penalty-1", np.sign(t.data))):
            if not largest(direction) or (direction == direction.flat[0]).all():
                continue
            found = self.fitted(back, t, t, 0, direction, "any")
            if found:
                c, explained, spoilt = found
                yield Guess(
                    (("penalty", SENTENCES[words].format(alpha=c)),),
                    t,
                    lambda g, c=c, d=direction: g + c * d,
                    None,
                    None,
                    explained,
                    spoilt,
                )

    def reuse(self, back: Backward, t: Tensor, places: list[Tensor]) -> Iterator[Guess]:
        """Only one of several contributions is left; the transpose of a square matrix."""
        for p in places:
            parts = back.into.get(p, [])
            for e in parts[::-1] if len(parts) > 1 else ():
                found = self.fitted(back, t, p, -back.made[p], e.part)
                if found and found[0]:
                    c, explained, spoilt = found
                    words = SENTENCES["overwritten"].format(count=len(parts))
                    for extra in self.factors[c]:
                        yield Guess(
                            (("overwritten", words), *extra),
                            p,
                            lambda g, d=c * e.part: d,
                            e,
                            None,
                            explained,
                            spoilt,
                        )
            if p.ndim == 2:
                g = back.made[p]
                square = p.shape[0] == p.shape[1]
                found = self.fitted(back, t, p, -g, g.mT) if square else self.alone(back, t, p, g.mT)
                if found and found[0]:
                    c, explained, spoilt = found
                    for extra in self.factors[c]:
                        yield Guess(
                            (("transposed", SENTENCES["transposed"]), *extra),
                            p,
                            lambda g, c=c: c * g.mT,
                            None,
                            None,
                            explained,
                            spoilt,
                        )

    def patterns(self, back: Backward, t: Tensor) -> Iterator[Guess]:
        """What the gradient alone shows."""
        mine, right = self.target[t], made(back, t)
        if mine.shape != right.shape or mine.size < 2:
            return
        names: tuple[str, str] | None = None
        zero = (mine == 0) & (right != 0)
        same = np.abs(mine - right) <= self.coarse[t] * largest(right)
        if zero.any() and (same | zero).all() and not zero.all():
            x = t.data
            inside, outside = x[~zero & (right != 0)], x[zero]
            low, high = inside.min(initial=np.inf), inside.max(initial=-np.inf)
            if inside.size and ((outside < low) | (outside > high)).all():
                words = SENTENCES["value-clipped"].format(low=float(low), high=float(high))
                names = ("value-clipped", words)
        if (mine == mine.flat[0]).all() and not (right == right.flat[0]).all() and mine.flat[0]:
            words = SENTENCES["placeholder"].format(value=float(mine.flat[0]))
            names = ("placeholder", words)
        for e in back.into.get(t, ()):
            if e.node.op.name == "mul" and e.raw.shape == mine.shape and len(back.into[t]) == 1:
                live = np.unique((mine / np.where(e.g == 0, np.nan, e.g)).round(9))
                live = live[np.isfinite(live)]
                mask = np.asarray(e.node.args[1 - e.i])
                if len(live) == 2 and live[0] == 0 and (mask == 0).any() and not zero.all():
                    names = ("dropout-mask", SENTENCES["dropout-mask"])
        if names:
            yield Guess((names,), t, lambda g: mine, None, None, frozenset([t]), frozenset())

    # ---- explaining

    def explain(self, wrong: list[Tensor]) -> dict[Tensor, Finding]:
        """What explains the wrong tensors, which are given in backward order."""
        self.below = self.reached()
        found: dict[Tensor, Finding] = {}
        with np.errstate(all="ignore"):
            for group in self.together(wrong):
                chain = self.twice(group)
                for depth in range(1, DEEPEST + 1):
                    chain = chain or self.chain(self.back, group, depth)
                chain = chain or self.partly(group) or []
                for t, guesses in chain:
                    also = tuple(u for u in group if u is not t and u in guesses[0].explained)
                    found[t] = self.told(t, guesses, also)
        return found

    def together(self, wrong: list[Tensor]) -> list[list[Tensor]]:
        """The wrong tensors in groups that one mistake could explain."""
        place = {t: i for i, t in enumerate(wrong)}  # `in` a list would compare the elements
        groups: list[set[Tensor]] = []
        for reach in [*self.below.values(), *(frozenset([t]) for t in wrong)]:
            new = {t for t in reach if t in place}
            if new:
                touching = [g for g in groups if g & new]
                groups = [g for g in groups if not g & new] + [new.union(*touching)]
        ordered = [sorted(g, key=place.__getitem__) for g in groups]
        return sorted(ordered, key=lambda g: place[g[0]])

    def chain(
        self, back: Backward, wrong: list[Tensor], depth: int
    ) -> list[tuple[Tensor, list[Guess]]] | None:
        """At most `depth` mistakes, one after the other, that explain all of `wrong`."""
        t = wrong[0]
        classes: dict[tuple[frozenset[Tensor], frozenset[Tensor]], list[Guess]] = {}
        for guess in self.guesses(back, t):
            spoilt = guess.spoilt - set(wrong)
            if not spoilt:
                classes.setdefault((guess.explained, guess.spoilt), []).append(guess)
        ranked = sorted(classes.values(), key=lambda c: (-len(c[0].explained), len(c[0].spoilt)))
        for guesses in ranked[:WIDEST]:
            left = [u for u in wrong if u not in guesses[0].explained]
            if not left:
                return [(t, guesses)]
        if depth > 1:
            for guesses in ranked[:WIDEST]:
                if self.late:
                    return None
                first = guesses[0]
                base = first.before or back
                then = Backward(
                    base.nodes, base.yours, base.changes | {first.place: first.change}
                )
                left = self.wrong(then, wrong)
                if left and left[0] is not t and len(left) < len(wrong):
                    rest = self.chain(then, left, depth - 1)
                    if rest:
                        return [(t, guesses), *rest]
        return None

    def partly(self, wrong: list[Tensor]) -> list[tuple[Tensor, list[Guess]]]:
        """Where no chain explains all: what explains single tensors without spoiling others."""
        found: list[tuple[Tensor, list[Guess]]] = []
        left = list(wrong)
        while left and not self.late:
            t = left.pop(0)
            good = [g for g in self.guesses(self.back, t) if not g.spoilt]
            if good:
                most = max(len(g.explained) for g in good)
                good = [g for g in good if len(g.explained) == most]
                found.append((t, good))
                left = [u for u in left if u not in good[0].explained]
        return found

    def twice(self, wrong: list[Tensor]) -> list[tuple[Tensor, list[Guess]]] | None:
        """All leaves twice too large, and nothing else wrong."""
        leaves = [t for t in self.target if t.op is None]
        if len(leaves) < 2 or set(wrong) != set(leaves):
            return None
        if not all(self.agrees(t, 2 * made(self.back, t)) for t in wrong):
            return None
        names = (("counted-twice", SENTENCES["counted-twice"]),)
        guess = Guess(names, wrong[0], lambda g: 2 * g, explained=frozenset(wrong))
        same = [g for g in self.guesses(self.back, wrong[0]) if not g.spoilt]
        return [(wrong[0], [*(g for g in same if len(g.explained) == len(wrong)), guess])]

    # ---- telling

    def told(self, t: Tensor, guesses: list[Guess], also: tuple[Tensor, ...]) -> Finding:
        """The diagnoses of guesses that explain the same."""
        shown: dict[tuple[str, ...], Guess] = {}
        for guess in guesses:
            shown.setdefault(tuple(slug for slug, _ in guess.names), guess)
        fewest = min(len(slugs) for slugs in shown)
        diagnoses, formula = [], ""
        for slugs, guess in shown.items():
            if len(slugs) > fewest:
                continue
            where = self.where(t, guess)
            for i, (slug, sentence) in enumerate(guess.names):
                text = sentence if i else sentence + where
                if all(d.slug != slug for d in diagnoses):
                    diagnoses.append(Diagnosis(slug, text, True))
            formula = formula or self.formula(guess)
        return Finding(tuple(diagnoses), also, formula)

    def where(self, t: Tensor, guess: Guess) -> str:
        """The place in words, unless it is the tensor itself."""
        e = guess.edge
        p = e.p if e is not None else guess.place
        if not isinstance(p, Tensor) or p is t or p in self.target:
            return ""
        if e is not None and guess.wrong is not None:
            node = e.node
            return f" (in {self.label(node)})"
        return f" (at {self.label(p)})"

    def label(self, t: Tensor) -> str:
        if t in self.labels:
            return self.labels[t]
        return f"{t.op.name} of shape {t.shape}" if t.op is not None else f"leaf {t.shape}"

    def formula(self, guess: Guess) -> str:
        """Yours and the right formula, read from both rules."""
        e, row = guess.edge, guess.wrong
        if e is None or row is None or row.free:
            return ""
        node = e.node
        names = input_names(node.op, len(node.args))
        for i, p in enumerate(node.parents):
            label = self.labels.get(p, "") if p is not None else ""
            if label.isidentifier():
                names[i] = label
        out = self.labels.get(node, "y")
        out = out if out.isidentifier() else "y"
        _, right = formulas(node.op, node.data, node.args, node.kw, names, out)
        symbols = [as_symbol(name, a) for name, a in zip(names, node.args, strict=True)]
        top = Symbol("g", np.ones_like(node.data))
        try:
            redo = runner(row, e, top, Symbol(out, node.data), symbols)
            yours = str(redo(e)) if redo else ""
        except (ValueError, TypeError, AttributeError, IndexError):
            return ""
        return f"yours {yours}, right {right[e.i]}" if yours else ""


def made(back: Backward, t: Tensor) -> Array:
    """The gradient that a pass gives a tensor: zeros if it does not reach it."""
    g = back.made.get(t)
    return np.zeros(t.shape) if g is None else g


def outgoing(back: Backward, node: Tensor) -> list[Edge]:
    return [e for p in node.parents if p is not None for e in back.into.get(p, ()) if e.node is node]


def fits_in(a: Any, b: Any) -> bool:
    try:
        return np.broadcast_shapes(np.shape(a), np.shape(b)) == np.shape(b)
    except ValueError:
        return False


def stretched(given: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of `given` that broadcasting added to `shape` or stretched."""
    padded = (1,) * (len(given) - len(shape)) + shape
    return tuple(i for i, (a, b) in enumerate(zip(given, padded, strict=True)) if a != b)


def is_weight(p: Tensor) -> bool:
    """Whether a tensor is a leaf that needs a gradient, or a view of one."""
    while p.op is not None and p.op.name in VIEWS:
        parent = p.parents[0]
        if parent is None:
            return False
        p = parent
    return p.op is None and p.requires_grad


def runner(
    row: Mistake, e: Edge, g: Any = None, y: Any = None, inputs: Any = None
) -> Callable[[Edge], Any] | None:
    """The wrong rule of `row` for an edge, as a function of the edge; None if it is of another one.

    With `g`, `y` and `inputs` it runs on these, which may be Symbols.
    """
    node = e.node
    if node.op.name != "matmul":
        if row.which is not None and row.which != e.i:
            return None
        extra = {"op": node.op} if row.wants_op else {}

        def run(edge: Edge) -> Any:
            top = edge.g if g is None else g
            out = node.data if y is None else y
            given = row.wrong(top, out, *(inputs or node.args), **node.kw, **extra)
            if row.free or g is not None:
                return given
            given = np.asarray(given)
            return fit(given, e.p.data) if fits_in(np.empty(e.p.shape), given) else given

        return run
    swapped = is_weight_side(node) == 0  # w @ x: its transpose is x.T @ w.T
    if (1 - e.i if swapped else e.i) != row.which:
        return None

    def run_product(edge: Edge) -> Any:
        top = edge.g if g is None else g
        out = node.data if y is None else y
        a, b = inputs or node.args
        if swapped:
            return row.wrong(top.mT, out.mT, b.mT, a.mT).mT
        return row.wrong(top, out, a, b)

    return run_product


def is_weight_side(node: Tensor) -> int:
    """Which input of a matmul is the weight: 1 unless only the first can be."""
    a, b = node.parents
    left = a is not None and is_weight(a)
    right = b is not None and is_weight(b)
    return 0 if left and not right else 1


def sizes(nodes: list[Tensor]) -> tuple[int, int]:
    """The batch size and the number of outputs: the axis that most intermediates share, and the
    other axis of the one nearest to the loss."""
    tables = [t for t in nodes if t.op is not None and t.ndim == 2 and not is_weight(t)]
    if not tables:
        rows = [t for t in nodes if t.ndim == 1 and t.op is not None]
        return (rows[0].shape[0], 1) if rows else (1, 1)
    axis, n = max(
        ((axis, t.shape[axis]) for axis in (0, 1) for t in tables),
        key=lambda pair: sum(t.shape[pair[0]] == pair[1] for t in tables) - pair[0] / 2,
    )
    top = next((t for t in tables if t.shape[axis] == n and t.data.size > n), tables[0])
    return n, top.shape[1 - axis]
