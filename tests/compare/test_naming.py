"""Naming never judges, names no noise, and depends on no clock."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from autograd_lite import check_backward, compare
from autograd_lite.comparison.mistakes.search import Search
from autograd_lite.comparison.mistakes.table import CONSTANTS
from autograd_lite.comparison.source import search as of_lines
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


# ---- one word for a mistake that looks like several -------------------------------------------


@pytest.fixture
def no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_lines, "MOST_EDITS", 0)


def attention(x: Any, wq: Any, wk: Any, wv: Any) -> Any:
    q, k, v = x @ wq, x @ wk, x @ wv
    s = np.exp(q @ k.T / np.sqrt(q.shape[1]))
    return s / s.sum(axis=1, keepdims=True) @ v


ATTENTION = {
    "root": "not divided by sqrt(3)",
    "k": "one of 3 contributions is forgotten, the one through k",
    "v": "one of 3 contributions is forgotten, the one through v",
    "order": "the factors in the wrong order (in q @ k.T)",
}


def test_where_nothing_is_of_samples_no_batch_size_is_named() -> None:
    inputs = ((3, 4), (3, 4))
    report = check_backward(lambda x, w: x * w, lambda g, x, w: (g * w / 3, g * x), inputs)
    assert "a factor 0.3333" in report.headline and "batch" not in str(report)
    report = check_backward(
        lambda x, w: x @ w, lambda g, x, w: (g @ w.T, x.T @ g / 3), ((3, 4), (4, 2))
    )
    assert "divided by the batch size 3 once too often" in report.headline


@pytest.mark.usefixtures("no_lines")
@pytest.mark.parametrize("slip", ATTENTION)
def test_attention_whose_queries_keys_and_values_are_computed(slip: str) -> None:
    def backward(g: Any, x: Any, wq: Any, wk: Any, wv: Any) -> Any:
        q, k, v = x @ wq, x @ wk, x @ wv
        s = np.exp(q @ k.T / np.sqrt(3))
        p = s / s.sum(axis=1, keepdims=True)
        dp, dv = g @ v.T, p.T @ g
        ds = p * (dp - (dp * p).sum(axis=1, keepdims=True)) / (1 if slip == "root" else np.sqrt(3))
        dq, dk = ds @ k, (ds @ q if slip == "order" else ds.T @ q)
        dx = dq @ wq.T + (slip != "k") * dk @ wk.T + (slip != "v") * dv @ wv.T
        return dx, x.T @ dq, x.T @ dk, x.T @ dv

    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((5, 4)), *(rng.standard_normal((4, 3)) for _ in range(3))
    report = check_backward(attention, backward, inputs)
    assert ATTENTION[slip] in report.headline and "either" not in report.headline


def normalised(x: Any, gain: Any, bias: Any) -> Any:
    return gain * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5) + bias


NORM = {
    "mean": "x is wrong: the mean of the batch held constant.",
    "variance": "x is wrong: the variance of the batch held constant.",
    "both": "x is wrong: the statistics of the batch held constant.",
    "gain": "gain is wrong: mean over the batch for the sum.",
}


@pytest.mark.usefixtures("no_lines")
@pytest.mark.parametrize("slip", NORM)
def test_one_mistake_of_batch_norm_has_one_name(slip: str) -> None:
    def backward(g: Any, x: Any, gain: Any, bias: Any) -> Any:
        inv = 1 / np.sqrt(x.var(axis=0) + 1e-5)
        h = (x - x.mean(axis=0)) * inv
        d = g * gain
        mean = 0 if slip in ("mean", "both") else d.mean(axis=0)
        variance = 0 if slip in ("variance", "both") else h * (d * h).mean(axis=0)
        dgain = (g * h).mean(axis=0) if slip == "gain" else (g * h).sum(axis=0)
        return inv * (d - mean - variance), dgain, g.sum(axis=0)

    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((6, 4)), rng.standard_normal(4), rng.standard_normal(4)
    report = check_backward(normalised, backward, inputs)
    assert report.headline.startswith(NORM[slip])
