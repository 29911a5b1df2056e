"""The test bed of naming: nets with a backward by hand in which a learner's mistakes are planted.

The nets are in `nets.py`, the mistakes in `slips.py`. `python -m tests.compare.planted` prints how
many are named and located, and every failure.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

import autograd_lite as ag
from autograd_lite import Tensor, compare
from autograd_lite.comparison import Report
from tests.compare.nets import (
    NETS,
    Net,
)
from tests.compare.slips import (
    EVERYWHERE,
    SHARED,
    Grads,
    Mistake,
    Slip,
)

# Slugs that are the same gradient at the same place by what they mean, whatever the net: a bias
# is what broadcasting added to every row, and a branch that is overwritten is one that is detached.
ALIKE = {"bias-not-summed": {"broadcast-not-undone"}, "overwritten": {"placeholder"}}
# Mistakes that multiply by a number: two of them make a third number, which may have a name too.
CONSTANT = {
    "sign", "factor-2", "factor-half", "mean-missing", "mean-twice", "mean-count", "counted-twice",
    "bias-averaged",
}  # fmt: skip


# ---- the cases ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trial:
    """Gradients with one mistake. Cases that hand in the same gradients cannot be told apart, so
    `slugs` and `places` are those of all of them."""

    net: str
    seed: int
    mistake: Mistake
    slugs: frozenset[str]
    places: frozenset[str]
    alone: bool

    @property
    def kind(self) -> str:
        return self.mistake.slug + (", everywhere" if self.mistake.place == EVERYWHERE else "")

    def __str__(self) -> str:
        given = "parameters" if self.alone else "everything"
        return f"{self.net}, seed {self.seed}, {given}: {self.mistake}"


def problem(net: str, seed: int) -> Net:
    return NETS[net](np.random.default_rng([seed, list(NETS).index(net)]))


def mistakes_of(net: Net) -> dict[Mistake, frozenset[str]]:
    """Every mistake that the backward has a place for, and the tensors that it breaks."""
    slip = Slip()
    net.backward(slip)
    found = {m: frozenset({m.place}) for m in slip.asked}
    shared: dict[Mistake, list[str]] = defaultdict(list)
    for m in slip.asked:
        if m.slug in SHARED:
            shared[replace(m, place=EVERYWHERE)].append(m.place)
    found |= {m: frozenset(places) for m, places in shared.items() if len(places) > 1}
    if net.deferred:  # what is divided too early shows where it is divided again
        found |= {m: found[m] | {*net.params} for m in found if m == Mistake("mean-twice", "Z2")}
    return found | {Mistake("counted-twice", "leaves"): frozenset(net.params)}


def by_hand(net: Net, *made: Mistake) -> Grads:
    """The gradients that a learner hands in who makes these mistakes."""
    grads = net.backward(Slip(*made))
    if any(m.slug == "counted-twice" for m in made):
        grads |= {name: 2 * grads[name] for name in net.params}
    return grads


def only(net: Net, grads: Grads, alone: bool) -> Grads:
    return {name: g for name, g in grads.items() if name in net.params} if alone else grads


def same(a: Grads, b: Grads) -> bool:
    """Whether the gradients are equal but for rounding."""
    return all(
        a[k].shape == b[k].shape
        and np.linalg.norm(a[k] - b[k]) <= 1e-9 * np.linalg.norm(a[k]) + 1e-13
        for k in a
    )


def multiples(net: Net) -> Iterator[tuple[str, Grads]]:
    """The gradients of the parameters if that of an intermediate is multiplied by a number: the
    same as if that of another is, where only linear operations lie between."""
    right = by_hand(net)
    inner = [name for name in right if name not in net.params]
    n, k = sorted(right[inner[0]].shape)
    for name in inner:
        for c in (0, n, 1 / n, k, 1 / k):
            yield name, only(net, net.backward(Slip(times={name: c})), True)


@cache
def trials(net: str, seed: int, alone: bool) -> tuple[Trial, ...]:
    """The cases of a net, each with what can be said of its gradients."""
    built = problem(net, seed)
    cases = mistakes_of(built)
    if alone:  # another random mask leaves no trace in the gradients of parameters
        cases = {m: places for m, places in cases.items() if m.how != "redrawn"}
    given = {m: only(built, by_hand(built, m), alone) for m in cases}
    groups: list[list[Mistake]] = []
    for m, grads in given.items():
        group = next((g for g in groups if same(given[g[0]], grads)), None)
        if group is None:
            groups.append([m])
        else:
            group.append(m)
    moved = list(multiples(built)) if alone else []
    found = []
    for group in groups:
        slugs = frozenset().union(*({m.slug, *ALIKE.get(m.slug, ())} for m in group))
        if alone and "counted-twice" in slugs:
            slugs |= {"factor-2"}  # of the loss itself
        if alone and net == "huber" and "value-clipped" in slugs:
            # the Huber loss is c * (e - c / 2) with c = clip(e): forgetting the part of e is the same
            slugs |= {"overwritten", "weight-for-input"}
        alike = [{name} for name, grads in moved if same(given[group[0]], grads)]
        places = frozenset().union(*(cases[m] for m in group), *alike)
        found += [Trial(net, seed, m, slugs, places, alone) for m in group]
    return tuple(found)


def pairs(net: str, seed: int, alone: bool, count: int) -> Iterator[tuple[Trial, Trial, Report]]:
    """Two mistakes at once, which are not the same gradients as one of all, and the report."""
    rng = np.random.default_rng([seed, 1])
    built = problem(net, seed)
    single = trials(net, seed, alone)
    given = [only(built, by_hand(built, t.mistake), alone) for t in single]
    given.append(only(built, by_hand(built), alone))
    while count:
        a, b = (single[i] for i in rng.choice(len(single), 2, replace=False))
        if a.places & b.places or {a.mistake.slug, b.mistake.slug} <= CONSTANT:
            continue
        grads = only(built, by_hand(built, a.mistake, b.mistake), alone)
        if not any(same(g, grads) for g in given if all(g[k].shape == grads[k].shape for k in g)):
            count -= 1
            yield a, b, compare(built.loss, grads, built.model)


# ---- the measurement ------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What the report said about a trial."""

    trial: Trial
    report: Report
    users: frozenset[str]

    @property
    def said(self) -> tuple[str, ...]:
        first = self.report.first_wrong
        return tuple(d.slug for d in first.diagnoses) if first else ()

    @property
    def named(self) -> bool:
        return bool(self.said) and self.said[0] in self.trial.slugs

    @property
    def located(self) -> bool:
        """The first wrong row is the broken tensor; or, from parameters alone, the sentence of
        the first diagnosis has its name, or is about an operation ("in ...", or "at ..." if the
        result has no name) that it goes into."""
        first = self.report.first_wrong
        if first is None or first.name in self.trial.places:
            return first is not None
        if not self.trial.alone or not first.diagnoses:
            return False
        sentence = first.diagnoses[0].sentence
        into = "|".join(map(re.escape, self.users))
        unnamed = "|".join(re.escape(u) for u in self.users if "(" in u or "@" in u)
        names = "|".join(map(re.escape, self.trial.places))
        return bool(
            re.search(rf"\bin ({into})(?![\w.])|\bat ({unnamed})", sentence)
            or re.search(rf"(?<!\bin )(?<![\w.])({names})(?![\w.])", sentence)
            or re.search(
                rf"\bin [^)]*(?<![\w.])({names})(?![\w.])[^)]* [@*+/-] |\bin .*[(@*+/-] ?({names})(?![\w.])",
                sentence,
            )
        )

    @property
    def single(self) -> bool:
        """Whether nothing but broken tensors is wrong here; the rest inherits."""
        return self.trial.alone or self.trial.places >= {
            row.name for row in self.report.rows if row.verdict == "wrong here"
        }

    def __str__(self) -> str:
        first = self.report.first_wrong
        sentence = first.diagnoses[0].sentence if first and first.diagnoses else ""
        got = ", ".join(self.said) or "no name"
        return (
            f"{self.trial}\n    expected {', '.join(sorted(self.trial.slugs))} at "
            f"{', '.join(sorted(self.trial.places))}; got {got} at {first and first.name}"
            + (f": {sentence}" if sentence else "")
        )


def measure(given: Iterable[Trial], dtype: str = "float64") -> list[Outcome]:
    """Compare each trial with its gradients in that type; the tape is in float64."""
    outcomes = []
    for trial in given:
        net = problem(trial.net, trial.seed)
        grads = only(net, by_hand(net, trial.mistake), trial.alone)
        grads = {name: g.astype(dtype) for name, g in grads.items()}
        report = compare(net.loss, grads, net.model)
        outcomes.append(Outcome(trial, report, users(net, trial.places)))
    return outcomes


def users(net: Net, places: Iterable[str]) -> frozenset[str]:
    """What the operations may be called that take a tensor of these names, as far as the next
    name: by the name of the result, or by operation and shape."""
    names = {p: name for name, p in net.model.named_parameters()} if net.model else {}
    inside: set[Tensor] = set()
    labels = set()
    for t in ag.tape(net.loss):
        takes = [p for p in t.parents if p is not None]
        if any(p in inside or p.name in places or names.get(p) in places for p in takes):
            labels |= {t.name or t.op.name}
            inside |= set() if t.name else {t}
    return frozenset(labels)


def sample(seeds: Iterable[int], alone: bool, most: int) -> list[Trial]:
    """Up to `most` trials of each slug, in turn from every net."""
    rng = np.random.default_rng(0)
    kinds: dict[str, list[list[Trial]]] = defaultdict(list)
    for seed in seeds:
        for net in NETS:
            here: dict[str, list[Trial]] = defaultdict(list)
            for trial in trials(net, seed, alone):
                here[trial.kind].append(trial)
            for name, found in here.items():
                kinds[name].append([found[i] for i in rng.permutation(len(found))])
    chosen = []
    for found in kinds.values():
        rounds = max(map(len, found))
        turns = [f[i] for i in range(rounds) for f in found if i < len(f)]
        chosen += turns[:most]
    return chosen


def rates(
    outcomes: list[Outcome], key: Callable[[Outcome], str]
) -> dict[str, tuple[int, int, int, int]]:
    """For every key and overall: how many, and how many are named, located and single."""
    table: dict[str, list[Outcome]] = defaultdict(list)
    for o in outcomes:
        table[key(o)].append(o)
    table = {k: table[k] for k in sorted(table)} | {"overall": outcomes}
    return {
        k: (
            len(found),
            sum(o.named for o in found),
            sum(o.located for o in found),
            sum(o.single for o in found),
        )
        for k, found in table.items()
    }


def by_kind(o: Outcome) -> str:
    return o.trial.kind


def by_net(o: Outcome) -> str:
    return o.trial.net


def main(words: list[str]) -> None:
    """Print the table and the failures: `[seeds] [word in the net or mistake ...]`."""
    count = int(words.pop(0)) if words and words[0].isdigit() else 1
    for alone in (False, True):
        found = [t for s in range(count) for net in NETS for t in trials(net, s, alone)]
        outcomes = measure(t for t in found if all(w in str(t) for w in words))
        print("from parameter gradients alone" if alone else "with the intermediates handed in")
        for title, key in (("mistake", by_kind), ("net", by_net)):
            print(f"{title:<36}{'cases':>8}{'named':>10}{'located':>10}{'single':>10}")
            for name, (cases, *counts) in rates(outcomes, key).items():
                shares = "".join(f"{c / cases if cases else 0:>10.1%}" for c in counts)
                print(f"{name:<36}{cases:>8}{shares}")
        for o in outcomes:
            if not (o.named and o.located):
                print(o)
        print()


if __name__ == "__main__":
    main(sys.argv[1:])
