"""One mistake at one site, or the same in several, and what it would make of the gradients.

The backward pass is linear, so a mistake at one site changes the gradients below it by what the
difference at that site pulls back to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine.rules import ops
from ...engine.tape import Array
from ...engine.tensor import Tensor
from ..answers.judge import largest, spreads
from ..propagation import Backprop, Change, Contribution, times
from .matching import Match, Matcher
from .places import Site, result_of, sites_of
from .table import Mistake, Wording

NEAREST = 300  # places that are tried, those nearest to the tensor


@dataclass(frozen=True)
class Guess:
    """Mistakes that would give the gradient of a tensor; `changes` make them in a Backprop.

    `explained` are the gradients handed in that come out as they are, `spoilt` those that do not.
    """

    names: Wording
    site: Site
    changes: Mapping[Any, Change]
    explained: frozenset[Tensor]
    spoilt: frozenset[Tensor] = frozenset()
    edge: Contribution | None = None
    wrong: Mistake | None = None
    exact: bool = True


def in_all(n: int, what: str) -> str:
    """How many of a kind there are, in words.

    >>> in_all(2, "steps"), in_all(3, "steps")
    ('in both steps', 'in all 3 steps')
    """
    return f"in both {what}" if n == 2 else f"in all {n} {what}"


class Guessing:
    """What a guess about the gradient of `t` is made with, in a pass that may have mistakes.

    Of the gradients that were handed in, a mistake shows in those below its place. With `all_of`,
    places are tried that show in exactly these; without it, all that show in `t`, except for those
    that show in exactly `besides`.
    """

    def __init__(
        self,
        matcher: Matcher,
        back: Backprop,
        t: Tensor,
        all_of: frozenset[Tensor] | None = None,
        besides: frozenset[Tensor] | None = None,
    ) -> None:
        self.matcher, self.back, self.t, self.all_of = matcher, back, t, all_of
        shown = {p: matcher.below[p] for p in matcher.above(back, t)}
        above = [p for p in shown if all_of in (None, shown[p]) and shown[p] != besides]
        self.tensors = above[: -NEAREST - 1 : -1]
        self.sites = [site for p in self.tensors for site in sites_of(back, p)]
        self.single = [(site, *site.edges) for site in self.sites if len(site.edges) == 1]

    def label(self, t: Tensor | None) -> str:
        """What a tensor is called."""
        return self.matcher.label(t)

    def match(
        self, p: Tensor, certain: Array | float, free: Array, want: str = "names"
    ) -> Match | None:
        return self.matcher.match(self.back, self.t, p, certain, free, want)

    def attempt(
        self,
        site: Site,
        wrong: Array,
        names: Wording | Callable[[], Wording],
        change: Change | None = None,
        row: Mistake | None = None,
        edge: Contribution | None = None,
        once: bool = False,
    ) -> Iterator[Guess]:
        """The guess that this site gave `wrong`, times a factor that may have a name.

        `change` makes it again, part by part and also where other mistakes were made above. Names
        that take some time to find are a function.
        """
        part = site.part(self.back)
        if wrong.shape == part.shape:
            least = 1e-9 * largest(part)
            if not largest(wrong - part) > least:
                return
            product = row is not None and site.first and site.first.node.op is ops.matmul
            is_zero = largest(self.matcher.target[self.t]) <= self.matcher.floor[self.t]
            if product and largest(wrong) <= least and not is_zero:
                return  # zero by chance, as a sum over the keys of attention is: it is left out
            found = self.match(site.p, -part, wrong)
        else:
            found = self.matcher.replaced(self.t, site.p, wrong)
            if found is None and spreads(part.shape, wrong.shape):
                found = self.match(site.p, -part, wrong)
        if found is None or not found.c or (once and found.c != 1):
            return
        c = found.c
        said_ = names() if callable(names) else names
        if change is None:
            changes = site.instead(c * wrong)
        else:
            changes = dict.fromkeys(site.keys, lambda part, e: c * np.asarray(change(part, e)))
        for extra in self.matcher.factors[c]:
            yield Guess((*said_, *extra), site, changes, *found[1:], edge or site.first, row)

    def exactly(self, *args: Any, **kw: Any) -> Iterator[Guess]:
        """`attempt` without a factor."""
        return self.attempt(*args, **{**kw, "once": True})

    def group(self, arcs: list[Contribution], change: Change, names: Wording) -> Iterator[Guess]:
        """One change of several edges."""
        changes = {(e.node, e.i): change for e in arcs}
        yield from self.whole(Site(arcs[0].p, (arcs[0],)), changes, names)

    def scaled(
        self, arcs: list[Contribution], factors: Mapping[float, list[Wording]], where: str
    ) -> Iterator[Guess]:
        """One factor with one name on several edges."""
        for c, names in factors.items():
            if c not in (0, 1) and len(names[0]) == 1:
                ((slug, words),) = names[0]
                yield from self.group(arcs, times(c), ((slug, f"{words}, {where}"),))

    def whole(self, site: Site, changes: Mapping[Any, Change], names: Wording) -> Iterator[Guess]:
        """A guess that takes a pass of its own, as it is made at several places."""
        matcher, back = self.matcher, self.back
        if matcher.late or not self.concerns(changes):
            return
        matcher.spend(2 * back.elements, len(back.tape.nodes) / 2)
        try:
            then = back.with_changes(changes)
            good = {u for u in matcher.target if matcher.agrees(u, then.gradient(u))}
        except (ValueError, IndexError):  # a gradient of that shape cannot be passed on
            return
        was = matcher.agreeing(back)
        if self.t in good - was and matcher.explains(self.t, then.gradient(self.t)):
            explained, spoilt = frozenset(good - was), was - good
            yield Guess(names, site, changes, explained, spoilt, site.first)

    def concerns(self, changes: Mapping[Any, Change]) -> bool:
        """Whether changes show in exactly the gradients that are to be explained."""
        if self.all_of is None:
            return True
        inputs, below = self.back.tape.inputs, self.matcher.below
        places = {key if isinstance(key, Tensor) else inputs[key[0]][key[1]] for key in changes}
        return self.all_of == frozenset().union(*(below.get(p, frozenset()) for p in places))


def made_by(row: Mistake) -> Change:
    """The wrong rule of `row` as a change of any edge."""
    return lambda part, e: np.asarray(result_of(row, e))
