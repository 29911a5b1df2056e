"""A gradient of right classes, changed at random: found in its place, and given no name."""

from typing import Any

import numpy as np
import pytest

from autograd_lite.comparison.learners import trial
from autograd_lite.comparison.learners.recording import pull_one

from .bed import Case
from .test_layers import OURS

RIGHT = [case for case in OURS if case.slip == "right"]


def changed(rng: Any, a: Any) -> Any:
    a = np.asarray(a, np.float64)
    return a * (1 + 0.2 * rng.standard_normal(a.shape)) if a.size > 1 else a * 1.37


class Corrupted:
    """`pull_one`, with one of the gradients of the first layers that have any changed."""

    def __init__(self, seed: int) -> None:
        self.rng, self.left, self.where = np.random.default_rng(seed), seed % 3, ""

    def __call__(self, layer: Any, watched: Any, upstream: Any, rate: float) -> Any:
        did = pull_one(layer, watched, upstream, rate)
        for p in did.before:
            self.left -= 1
            if self.left == -1 and did.kept.get(p) is not None:
                did.kept[p], self.where = changed(self.rng, did.kept[p]), f".{p}"
            elif self.left == -1:
                step = changed(self.rng, did.after[p] - did.before[p])
                did.after[p], self.where = did.before[p] + step, f".{p}"
        return did


@pytest.mark.parametrize("case", RIGHT, ids=lambda case: case.impl)
def test_a_random_change_is_found_and_has_no_name(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    corrupted = Corrupted(len(case.impl))
    monkeypatch.setattr(trial, "pull_one", corrupted)
    report = case()
    assert report.ok == (not corrupted.where)
    if corrupted.where:
        assert report.first_wrong.name.endswith(corrupted.where)
        assert not any(d.exact for d in report.first_wrong.diagnoses)
