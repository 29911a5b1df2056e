"""`testing.assert_close` judges as PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_lite as ag

A = np.array([1.0, 2.0, np.nan])
CASES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "equal": (A[:2], A[:2], {}),
    "near": (A[:2], A[:2] * (1 + 5e-8), {}),
    "far": (A[:2], A[:2] * (1 + 1e-6), {}),
    "far but allowed": (A[:2], A[:2] + 0.1, {"rtol": 0.0, "atol": 0.2}),
    "nan": (A, A, {}),
    "nan allowed": (A, A, {"equal_nan": True}),
    "shapes": (A[:2], A[:1], {}),
    "dtypes": (A[:2], A[:2].astype("float32"), {}),
    "dtypes allowed": (A[:2], A[:2].astype("float32"), {"check_dtype": False}),
    "float32": (A[:2].astype("float32"), A[:2].astype("float32") * np.float32(1 + 1e-6), {}),
}


def judged(library: Any, make: Any, name: str) -> bool:
    a, b, options = CASES[name]
    try:
        library.testing.assert_close(make(a), make(b), **options)
        library.testing.assert_close({"a": [make(a), 1.0]}, {"a": [make(b), 1.0]}, **options)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("name", CASES)
def test_the_same_passes(name: str, torch: Any) -> None:
    assert judged(ag, ag.tensor, name) is judged(torch, torch.tensor, name)


def test_the_rest() -> None:
    with pytest.raises(ValueError, match="give rtol and atol, or neither"):
        ag.testing.assert_close(ag.ones(2), ag.ones(2), rtol=1.0)
    with pytest.raises(AssertionError, match="mine"):
        ag.testing.assert_close(ag.ones(2), ag.zeros(2), msg="mine")
    ag.testing.assert_allclose(ag.ones(2), np.ones(2))
