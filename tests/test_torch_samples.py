"""PyTorch's samples of its operators, of every operator that has a name here.

A plain run takes a few samples of each; the rest is slow. `python -m tests.torch_samples` tells more.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests import torch_samples
from tests.torch_samples import DIFFERENT, LISTS, faults, operators, ours

FEW = 3


@pytest.fixture(scope="module")
def known(torch: ModuleType) -> list[Any]:
    """The operators that have a name here."""
    return [op for op in operators() if ours(op) is not None]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Samples go to where NumPy and PyTorch warn."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def check(known: list[Any], dtype: str, most: int | None) -> int:
    left = DIFFERENT | LISTS[dtype]
    told = [faults(op, dtype, most) for op in known if op.name not in left]
    wrong = [str(fault) for _, found in told for fault in found]
    assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong[:40])
    return sum(number for number, _ in told)


def test_a_few_samples_of_each_operator(known: list[Any]) -> None:
    assert len({op.name for op in known}) > 300
    assert check(known, "float64", FEW) > 1000


@pytest.mark.slow
@pytest.mark.parametrize("dtype", LISTS)
def test_all_samples_of_each_operator(known: list[Any], dtype: str) -> None:
    assert check(known, dtype, None) > 2500


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((n, "float64") for n in DIFFERENT), *((n, d) for d, names in LISTS.items() for n in names)],
)
def test_what_is_said_to_differ_does(known: list[Any], name: str, dtype: str) -> None:
    assert any(faults(op, dtype)[1] for op in known if op.name == name)


def test_a_wrong_gradient_is_found(known: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    (op,) = (op for op in known if op.name == "atan")
    assert not faults(op, "float64", 1)[1]
    wrong = lambda g, y, x: g / (1 + x)
    monkeypatch.setattr(torch_samples.ag.ops.arctan, "rules", (wrong,))
    found = faults(op, "float64", 1)[1]
    assert found and "gradient of input 0" in str(found[0])
