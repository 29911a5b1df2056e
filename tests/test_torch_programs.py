"""Random programs in PyTorch's words give here what they give there: see `torch_programs.py`."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests import torch_programs
from tests.torch_programs import KINDS, difference

FEW = {"tensors": 40, "losses": 20, "layers": 10, "optimizers": 12}
MORE = 25  # times as many are slow


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_programs(kind: str, torch: ModuleType) -> None:
    assert [told for seed in range(FEW[kind]) if (told := difference(kind, seed))] == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(MORE))
@pytest.mark.parametrize("kind", KINDS)
def test_many_programs(kind: str, part: int, torch: ModuleType) -> None:
    seeds = range((part + 1) * FEW[kind], (part + 2) * FEW[kind])
    assert [told for seed in seeds if (told := difference(kind, seed))] == []


def test_a_wrong_rule_is_found(torch: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    right = torch_programs.autograd_lite.ops.tanh.rules[0]
    wrong = (lambda g, y, x: right(g, y, x) * 1.001,)
    monkeypatch.setattr(torch_programs.autograd_lite.ops.tanh, "rules", wrong)
    told = [told for seed in range(FEW["tensors"]) if (told := difference("tensors", seed))]
    assert told and "gradient" in told[0] and "leaves = " in told[0]
