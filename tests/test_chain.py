"""`reverse` and `pull` are the same chain rule, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_lite import Tensor
from autograd_lite.engine.tape import pull
from autograd_lite.program.chain import Tape, numbers, reverse
from tests.cases import CASES, Case


def both(case: Case) -> tuple[dict[Tensor, bytes], dict[Tensor, bytes]]:
    """The gradients of everything on the tape of a case used twice, by `pull` and by `reverse`."""
    xs = [Tensor(a, a.dtype.kind == "f") for a in case.arrays()]
    y = case(*xs)
    y = (y * y).sum() + y.sum()
    found: dict[Tensor, object] = {}
    seed = np.ones(y.shape, y.dtype)
    pull([(y, seed)], keep=True, found=found)
    return (
        {t: np.asarray(g).tobytes() for t, g in found.items()},
        {t: np.asarray(g).tobytes() for t, g in reverse(Tape(y), seed, numbers)},
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_reverse_is_pull(case: Case) -> None:
    pulled, reversed_ = both(case)
    assert pulled and pulled == reversed_


def test_another_order_of_addition_would_be_seen() -> None:
    x = Tensor(np.array([0.1, 0.7]), requires_grad=True)
    y = (x * 0.3 + x * 0.1 + x * 0.7).sum()
    seed = np.ones(())
    right = dict(reverse(Tape(y), seed, numbers))[x]
    wrong = dict(reverse(Tape(y), seed, numbers, lambda t, parts: sum(parts[::-1])))[x]
    assert right.tobytes() != wrong.tobytes()


def test_a_pass_may_start_anywhere() -> None:
    x = Tensor(np.array([0.1, 0.7]), requires_grad=True)
    h = x * x
    y = (h + x).sum()
    found = dict(reverse(Tape(y), np.array([1.0, 2.0]), numbers, start=h))
    assert list(found) == [h, x]
    assert found[x].tolist() == [0.2, 2.8]
