"""Naming never judges, names no noise, and depends on no clock."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from autograd_lite import compare
from autograd_lite.comparison.mistakes.search import Search
from autograd_lite.comparison.mistakes.table import CONSTANTS
from tests.compare.nets import NETS
from tests.compare.planted import by_hand, only, pairs, problem

COUNT = 1000
FACTORS = {
    row.slug for row in CONSTANTS
}  # equal numbers have several causes, all of which are told


def corrupted(rng: np.random.Generator, g: Any) -> Any:
    """A gradient with an error that is no mistake anyone makes."""
    kind = rng.integers(4)
    noise = rng.standard_normal(g.shape)
    if kind == 0:
        return g + 0.3 * noise * (np.abs(g).max() + 1e-3)
    if kind == 1:
        return g * (1 + 0.2 * noise)
    if kind == 2:
        return np.abs(g) ** rng.uniform(0.4, 0.8) * np.sign(g) + 1e-3 * noise
    place = tuple(rng.integers(n) for n in g.shape)
    changed = g.copy()
    changed[place] += rng.uniform(0.5, 2) * (np.abs(g).max() + 1e-3)
    return changed


def case(seed: int) -> Any:
    rng = np.random.default_rng([seed, 77])
    net = problem(list(NETS)[seed % len(NETS)], seed // len(NETS) % 3)
    grads = only(net, by_hand(net), bool(rng.integers(2)))
    names = [n for n, g in grads.items() if g.size > 2]
    name = names[rng.integers(len(names))]
    return net, grads, name, rng


@pytest.mark.parametrize(
    "seed", [pytest.param(i, marks=[pytest.mark.slow] * (i >= 100)) for i in range(COUNT)]
)
def test_noise_is_seen_and_gets_no_name(seed: int) -> None:
    net, grads, name, rng = case(seed)
    assert compare(net.loss, grads, net.model).ok
    report = compare(net.loss, grads | {name: corrupted(rng, grads[name])}, net.model, effort=0.2)
    assert not report.ok and "search for the mistake failed" not in str(report)
    wrong = [row for row in report.rows if row.verdict == "wrong here"]
    said = [d for row in wrong for d in row.diagnoses if d.exact]
    assert not said, report


@pytest.mark.parametrize("net", list(NETS))
def test_two_mistakes_get_no_third_name(net: str) -> None:
    for alone in (False, True):
        for a, b, report in pairs(net, 0, alone, 2):
            slugs = a.slugs | b.slugs
            for row in report.rows:
                if row.verdict != "wrong here":  # a convention is said too
                    continue
                sure = [d for d in row.diagnoses if d.exact and d.explanation == 0]
                strange = [d.slug for d in sure if d.slug not in slugs | FACTORS]
                assert not strange, (str(a), str(b), str(report))


def test_a_report_is_the_same_on_a_busy_machine(monkeypatch: Any) -> None:
    net, grads, name, rng = case(5)
    wrong = grads | {name: corrupted(rng, grads[name])}
    quiet = str(compare(net.loss, wrong, net.model))
    now = time.monotonic
    for clock in ("monotonic", "perf_counter", "time"):
        monkeypatch.setattr(time, clock, lambda: now() * 1000)
    assert str(compare(net.loss, wrong, net.model)) == quiet


def test_a_search_that_fails_costs_no_verdict(monkeypatch: Any) -> None:
    def broken(*args: Any) -> Any:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(Search, "explain", broken)
    net, grads, name, _ = case(5)
    report = compare(net.loss, grads | {name: -grads[name]}, net.model)
    assert not report.ok and report.first_wrong is not None
    assert "The search for the mistake failed: ZeroDivisionError: planted." in str(report)
