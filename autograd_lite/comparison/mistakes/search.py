"""Naming mistakes: the fewest guesses that explain every gradient that is wrong, in words."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...engine.tensor import Tensor
from ...program.expr import Symbol, as_symbol, formulas, input_names
from ..answers.judge import Diagnosis, largest
from ..propagation import Backprop
from .guess import Guess, made_by
from .guesses import Guesses
from .matching import Matcher, ratio
from .patterns import value_clipped
from .penalties import penalty_part
from .places import Site, applies, run_on
from .table import CERTAIN, CONSTANTS, said
from .words import described

MOST_MISTAKES = 3  # mistakes in one chain
WIDEST = 6  # continuations of one chain that are tried


@dataclass(frozen=True)
class Finding:
    """The diagnoses of a wrong tensor, and the other tensors that the same mistake explains."""

    diagnoses: tuple[Diagnosis, ...] = ()
    also: tuple[Tensor, ...] = ()
    formula: str = ""
    fact: str = ""  # what is known where nothing explains it

    @property
    def names(self) -> int:
        """How many mistakes it says there are."""
        return sum(d.explanation == 0 for d in self.diagnoses)


class Link(NamedTuple):
    """One mistake of a chain: the guesses that explain `t`, all alike, and what else they do."""

    t: Tensor
    guesses: list[Guess]
    also: tuple[Tensor, ...]


# what says a mistake clearer than others that come to the same, if by chance
CLEARER = {
    "batchnorm-constant": {"upstream-missing", "overwritten", "detached"},
    "bias-averaged": {"mean-twice"},
}


class Search(Matcher):
    """The search for what explains the gradients of a comparison."""

    def explain(self, wrong: list[Tensor], deep: bool = True) -> dict[Tensor, Finding]:
        """What explains the wrong tensors, which are given in backward order; `deep` looks for
        mistakes in several places, and for several mistakes."""
        found: dict[Tensor, Finding] = {}
        wrong = [t for t in wrong if np.isfinite(self.target[t]).all()]
        with np.errstate(all="ignore"):
            twice = self.twice(wrong)
            groups = [wrong] if twice else self.together(wrong)
            for group in groups:
                chain = twice or self.at_once(group)
                chain = chain or (self.in_several(group) if deep else None)
                found |= {step.t: self.finding(step) for step in chain or ()}
            if deep:
                found |= facts(self, [t for t in wrong if t not in told_of(found)])
            return found

    def at_once(self, group: list[Tensor]) -> list[Link] | None:
        """One mistake, in one place."""
        found = self.clipped(group) or self.penalised(group)
        for guesses in self.nearby_first(group):
            found = found or self.chain(self.back, group, 1, guesses)
        return found

    def nearby_first(self, group: list[Tensor]) -> tuple[Guesses, Guesses]:
        """Guesses about places where a mistake shows in all of a group and in nothing else, and
        then about the other ones, where some of what it does would be nothing by chance."""
        all_ = frozenset(group)
        return (
            Guesses(self, self.back, group[0], all_of=all_),
            Guesses(self, self.back, group[0], besides=all_),
        )

    def in_several(self, group: list[Tensor]) -> list[Link]:
        """One mistake in several places, or several mistakes."""
        guesses, _ = self.nearby_first(group)
        chain = self.alone(group, guesses.everywhere(), 1)
        chain = chain or self.chain(self.back, group, 2) or self.apart(group)
        chain = chain or self.exchanged(group)
        for depth in range(3, MOST_MISTAKES + 1):
            chain = chain or self.chain(self.back, group, depth)
        chain = chain or self.in_series(group)
        if chain:
            return chain
        parts = self.partly(group)
        whole = len(group) == sum(1 + len(step.also) for step in parts)
        return parts if whole else self.alone(group, value_clipped(guesses), 1) or parts

    def penalised(self, wrong: list[Tensor]) -> list[Link] | None:
        """The penalties of all of these missing, or all times one number."""
        k = None
        for t in sorted(wrong, key=lambda t: -t.array.size):
            gap, part = self.gap(self.back, t), penalty_part(self, self.back, t)
            if gap is None or part is None:
                return None
            k = ratio(gap, part) if k is None else k
            if math.isnan(k) or not self.agrees(t, self.back.gradient(t) + k * part):
                return None
        if k is None or max(t.array.size for t in wrong) < 3:
            return None
        names = ", ".join(self.label(t) for t in wrong)
        known = {
            -1: "left out",
            1: "added twice",
            -0.5: "half as large: the 2 of the square forgotten",
        }
        words = next(
            (w for n, w in known.items() if abs(k - n) < 1e-6), f"{1 + k:.4g} times the right one"
        )
        guess = Guess(
            (("penalty", f"the weight penalty of {names} is {words}"),),
            Site(wrong[0]),
            {},
            frozenset(wrong),
        )
        return [Link(wrong[0], [guess], tuple(wrong[1:]))]

    def together(self, wrong: list[Tensor]) -> list[list[Tensor]]:
        """The wrong tensors in groups that one mistake could explain."""
        order = {t: i for i, t in enumerate(wrong)}  # `in` a list would compare the elements
        groups: list[set[Tensor]] = []
        for reach in {*self.below.values(), *(frozenset([t]) for t in wrong)}:
            new = {t for t in reach if t in order}
            if new:
                touching = [g for g in groups if g & new]
                groups = [g for g in groups if not g & new] + [new.union(*touching)]
        ordered = [sorted(g, key=order.__getitem__) for g in groups]
        return sorted(ordered, key=lambda g: order[g[0]])

    def classes(self, guesses: Guesses, wrong: list[Tensor]) -> list[list[Guess]]:
        """The guesses for one of the wrong tensors, those that do the same together, the ones that
        explain most first."""
        among = set(wrong)
        found: dict[Any, list[Guess]] = {}
        for tier in guesses.tiers():
            for guess in tier:
                if guess.spoilt <= among:
                    found.setdefault((guess.explained & among, guess.spoilt), []).append(guess)
            whole = [
                g for (good, bad), some in found.items() if good == among and not bad for g in some
            ]
            if any(len(guess.names) == 1 for guess in whole):
                break
        return [
            sorted(found[key], key=lambda guess: len(guess.names))
            for key in sorted(found, key=lambda key: (-len(key[0]), len(key[1])))
        ]

    def chain(
        self, back: Backprop, wrong: list[Tensor], depth: int, first: Guesses | None = None
    ) -> list[Link] | None:
        """At most `depth` mistakes, one after the other, that explain all of `wrong`: those that
        need the fewest names; the `first` among these guesses, or any."""
        best: list[Link] | None = None
        for t in wrong[: 4 if depth == 2 else 1]:
            for guesses in self.classes(first or Guesses(self, back, t), wrong)[:WIDEST]:
                try:
                    then = back.with_changes(guesses[0].changes)
                except ValueError:  # a gradient of that shape cannot be passed on
                    then = back
                left = [u for u in self.wrong(then, wrong) if u not in guesses[0].explained]
                rest: list[Link] | None = []
                if left:
                    stuck = len(left) >= len(wrong) or any(u is t for u in left)
                    rest = None if stuck or depth == 1 else self.chain(then, left, depth - 1)
                if rest is None:
                    continue
                still = {t, *left}
                step = Link(t, guesses, tuple(u for u in wrong if u not in still))
                best = min([best or [step, *rest], [step, *rest]], key=mistakes_in)
                if mistakes_in(best) == len(best):
                    return best
                if self.late:
                    return best
        return best

    def alone(
        self, wrong: list[Tensor], guesses: Iterable[Guess], most: int | None = None
    ) -> list[Link] | None:
        """A chain of one mistake: the guesses, up to `most`, that explain all and spoil nothing."""
        good = (g for g in guesses if not g.spoilt and g.explained >= set(wrong))
        found = list(itertools.islice(good, most))
        return [Link(wrong[0], found, tuple(wrong[1:]))] if found else None

    def in_series(self, wrong: list[Tensor]) -> list[Link] | None:
        """Two mistakes one above the other, with nothing handed in between; on small nets."""
        t, back = wrong[0], self.back
        if len(back.tape.nodes) > 60 or back.elements > 10**5:
            return None
        arcs = [e for p in self.above(back, t) for e in back.into[p]]
        for row, e in itertools.product(CERTAIN, arcs):
            if self.late or not applies(row, e):
                continue
            change = {(e.node, e.i): made_by(row)}
            try:
                then = back.with_changes(change)
                left = self.wrong(then, wrong)
            except (ValueError, IndexError):
                continue
            rest = self.chain(then, left, 1) if left and left[0] is t else None
            if rest:
                names = (*row.said_of(e.node.op), *rest[0].guesses[0].names)
                explained = frozenset(wrong)
                guess = Guess(names, Site(e.p, (e,)), change, explained, edge=e, wrong=row)
                return self.alone(wrong, [guess])
        return None

    def partly(self, wrong: list[Tensor]) -> list[Link]:
        """Where no chain explains all: what explains single tensors without spoiling others."""
        found: list[Link] = []
        left = list(wrong)
        while left and not self.late:
            t = left.pop(0)
            good = [g for g in self.single(t) if not g.spoilt]
            if good:
                most = max(len(g.explained) for g in good)
                good = [g for g in good if len(g.explained) == most]
                also = tuple(u for u in left if u in good[0].explained)
                found.append(Link(t, good, also))
                left = [u for u in left if u not in good[0].explained]
        return found

    def exchanged(self, wrong: list[Tensor]) -> list[Link] | None:
        """Two gradients of one shape, each handed in as the other."""
        if len(wrong) != 2:
            return None
        t, u = wrong
        if not (self.agrees(t, self.back.gradient(u)) and self.agrees(u, self.back.gradient(t))):
            return None
        words = f"the gradients of {self.label(t)} and {self.label(u)} are exchanged"
        guess = Guess((("exchanged", words),), Site(t), {}, frozenset(wrong))
        return [Link(t, [guess], (u,))]

    def apart(self, wrong: list[Tensor]) -> list[Link] | None:
        """Each tensor explained by itself, by one mistake."""
        if len(wrong) < 2:
            return None
        found = self.partly(wrong)
        whole = len(wrong) == sum(1 + len(step.also) for step in found)
        if not whole or any(len(step.guesses[0].names) > 1 for step in found):
            return None
        return found

    def clipped(self, wrong: list[Tensor]) -> list[Link] | None:
        """All gradients clipped to one range, element by element: at the end, or each time that
        something was added."""
        bound = max(largest(self.target[t]) for t in wrong)
        if not bound > max(self.floor[t] for t in wrong):
            return None
        at_bound = sum(
            int((np.abs(self.target[t]) >= bound * (1 - 1e-9)).sum())
            for t in wrong
            if self.target[t].shape == self.back.gradient(t).shape
        )
        if at_bound < 2 and bound != round(bound, 3):  # one element may be anything else
            return None
        for words, clip in (("clipped", clipped_at_the_end), ("clipped-inside", clipped_each_time)):
            found = [clip(self.back, t, bound) for t in wrong]
            if all(
                right is not None and self.agrees(t, right)
                for t, right in zip(wrong, found, strict=True)
            ):
                names = said("clipped", words, bound=bound)
                guess = Guess(names, Site(wrong[0]), {}, frozenset(wrong))
                return [Link(wrong[0], [guess], tuple(wrong[1:]))]
        return None

    def single(self, t: Tensor) -> Iterator[Guess]:
        """The guesses about one tensor, up to the first tier that has any."""
        for tier in Guesses(self, self.back, t).tiers():
            found = [g for g in tier if not g.spoilt]
            yield from found
            if any(len(g.names) == 1 for g in found):
                return

    def twice(self, wrong: list[Tensor]) -> list[Link] | None:
        """All leaves twice too large, and nothing else wrong."""
        leaves = {t for t in self.target if t.op is None}
        if len(leaves) < 2 or set(wrong) != leaves:
            return None
        if not all(self.agrees(t, 2 * self.back.gradient(t)) for t in wrong):
            return None
        guess = Guess(said("counted-twice"), Site(wrong[0]), {}, frozenset(wrong))
        same = [g for g in self.single(wrong[0]) if g.explained >= set(wrong)]
        return [Link(wrong[0], [*same, guess], tuple(wrong[1:]))]

    # ---- telling

    def finding(self, step: Link) -> Finding:
        """The diagnoses of guesses that explain the same, with the fewest names."""
        shown: dict[tuple[str, ...], Guess] = {}
        for guess in step.guesses:
            shown.setdefault(tuple(slug for slug, _ in guess.names), guess)
        for clear, others in CLEARER.items():
            if (clear,) in shown and not step.also:
                shown = {slugs: g for slugs, g in shown.items() if not others & {*slugs}}
        fewest = min(map(len, shown))
        simple = [guess for slugs, guess in shown.items() if len(slugs) == fewest]
        return Finding(tuple(self.diagnoses(step.t, simple)), step.also, self.formula(simple[0]))

    def diagnoses(self, t: Tensor, simple: list[Guess]) -> Iterator[Diagnosis]:
        """What is said of guesses that explain the same: first one factor with all its causes."""
        causes = [g for g in simple if len(g.names) == 1 and g.names[0][0] in NUMBERS]
        if not causes or causes[0] is not simple[0]:
            causes = []
        others = [g for g in simple if not any(g is c for c in causes)]
        for n, guess in enumerate(causes):
            place = "" if n else self.where(t, guess)
            (slug, words) = guess.names[0]
            yield Diagnosis(slug, words + place, sure(guess), 0, n > 0, at(guess))
        for n, guess in enumerate(others, 1 if causes else 0):
            for i, (slug, words) in enumerate(guess.names):
                said_of = words if i else words + self.where(t, guess)
                yield Diagnosis(slug, said_of, sure(guess), n, at=at(guess))

    def where(self, t: Tensor, guess: Guess) -> str:
        """The place in words, unless it is the tensor itself."""
        p, e = guess.site.p, guess.edge
        if p is t or p in self.target:
            return ""
        inside = e is not None and guess.wrong is not None and guess.site.edges
        return f" (in {self.formula_of(e.node)})" if e and inside else f" (at {self.label(p)})"

    def formula_of(self, t: Tensor) -> str:
        """The operation that a tensor is the result of, in a few words."""
        return described(t, self.labels, self.layers, 2)

    def formula(self, guess: Guess) -> str:
        """Yours and the right formula, read from both rules."""
        e, row = guess.edge, guess.wrong
        if e is None or row is None:
            return ""
        node = e.node
        names = input_names(node.op, len(node.args))
        for i, p in enumerate(node.parents):
            label = self.labels.get(p, "") if p is not None else ""
            names[i] = label if label.isidentifier() else names[i]
        out = self.labels.get(node, "y")
        out = out if out.isidentifier() else "y"
        symbols = [as_symbol(name, a) for name, a in zip(names, node.args, strict=True)]
        g, y = Symbol("g", np.ones_like(node.array)), Symbol(out, node.array)
        try:
            yours = str(run_on(row, e, g, y, symbols))
            right = formulas(node.op, node.array, node.args, node.kw, names, out)[1][e.i]
        except (ValueError, TypeError, AttributeError, IndexError):
            return ""
        text = f"yours {yours}, right {right}"
        return text if "array(" not in text else ""


def at(guess: Guess) -> int:
    """The serial number of the operation whose derivative is wrong, 0 if it is none."""
    inside = guess.edge is not None and guess.wrong is not None
    return guess.edge.node.serial if inside and guess.edge is not None else 0


def told_of(found: Mapping[Tensor, Finding]) -> set[Tensor]:
    """The tensors that findings are about."""
    return {u for t, f in found.items() for u in (t, *f.also)}


def facts(search: Search, wrong: list[Tensor]) -> dict[Tensor, Finding]:
    """What is known of gradients that nothing explains: a constant factor, or whose they are."""
    found: dict[Tensor, Finding] = {}
    for t in wrong:
        mine, right = search.target[t], search.back.gradient(t)
        if mine.size > 2 and mine.shape == right.shape:
            c = ratio(mine, right)
            if c and not search.agrees(t, right) and search.agrees(t, c * right):
                found[t] = Finding(fact=times_right(c))
                continue
        for u in search.target:
            other = search.back.gradient(u)
            if u is not t and other.size > 2 and search.agrees(t, other) and np.ptp(other):
                words = f"this is the gradient of {search.label(u)}: made with its input"
                found[t] = Finding(fact=words)
                break
    return found


def times_right(c: float) -> str:
    """A factor that has no name, in words.

    >>> times_right(10.0)
    'yours is 10 times the right gradient: look for a factor 10, such as a learning rate of 0.1'
    """
    size, rate = abs(c), 1 / abs(c)
    sign = "-" if c < 0 else ""
    text = f"yours is {sign}{size:.4g} times the right gradient: look for a factor {sign}{size:.4g}"
    near = [x for x in (size, rate) if abs(x - round(x, 4)) < 1e-9 and x < 1]
    return text + (f", such as a learning rate of {near[0]:.4g}" if near else "")


NUMBERS = {row.slug for row in CONSTANTS} - {"sign", "placeholder"}


def sure(guess: Guess) -> bool:
    """Whether a guess is more than consistent: two factors that make a third may be another's."""
    return guess.exact and sum(slug in NUMBERS for slug, _ in guess.names) < 2


def mistakes_in(chain: list[Link]) -> int:
    """How many mistakes a chain says there are."""
    return sum(len(step.guesses[0].names) for step in chain)


def clipped_at_the_end(back: Backprop, t: Tensor, bound: float) -> Any:
    """The gradient of a tensor held between two numbers, if that changes it."""
    right = back.gradient(t)
    return np.clip(right, -bound, bound) if largest(right) > bound * (1 + 1e-6) else None


def clipped_each_time(back: Backprop, t: Tensor, bound: float) -> Any:
    """What is added up step by step, and held between two numbers after each of them."""
    steps = [e.part for e in back.into[t]]
    total: Any = 0
    for part in steps:
        total = np.clip(total + part, -bound, bound)
    return total if len(steps) > 1 else None
