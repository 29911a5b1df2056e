"""PyTorch's `testing`: `assert_close`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .engine.tensor import Tensor

__all__ = ["assert_allclose", "assert_close"]

# of each type of floats how far apart values may be, relatively and absolutely
CLOSE = {"float16": (1e-3, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_dtype: bool = True,
    msg: str | None = None,
    **switches: bool,
) -> None:
    """AssertionError unless both have one shape, dtype and nearly the values: of tensors, numbers,
    and of what is in lists and dictionaries. `rtol` and `atol` go together.

    >>> assert_close(tensor([1.0, 2.0]), tensor([1.0, 2.0000001]))
    """
    if (rtol is None) != (atol is None):
        raise ValueError("assert_close: give rtol and atol, or neither")
    same: dict[str, Any] = {
        "rtol": rtol, "atol": atol, "equal_nan": equal_nan, "check_dtype": check_dtype, "msg": msg,
    }  # fmt: skip
    if isinstance(actual, Mapping):
        assert actual.keys() == expected.keys(), msg or "the keys differ"
        actual, expected = list(actual.values()), [expected[k] for k in actual]
    if isinstance(actual, Sequence):
        assert len(actual) == len(expected), msg or "the lengths differ"
        for x, y in zip(actual, expected, strict=True):
            assert_close(x, y, **same)
        return
    a, b = (np.asarray(x.array if isinstance(x, Tensor) else x) for x in (actual, expected))
    if a.shape != b.shape or (check_dtype and isinstance(actual, Tensor) and a.dtype != b.dtype):
        text = f"{a.dtype} of shape {a.shape} and {b.dtype} of shape {b.shape}"
        raise AssertionError(msg or f"assert_close: {text}")
    near = [CLOSE.get(x.dtype.name, (0.0, 0.0)) for x in (a, b)]
    r, t = (max(pair) for pair in zip(*near, strict=True))
    if rtol is not None and atol is not None:
        r, t = rtol, atol
    np.testing.assert_allclose(a, b, rtol=r, atol=t, equal_nan=equal_nan, err_msg=msg or "")


def assert_allclose(actual: Any, expected: Any, **options: Any) -> None:
    """`assert_close` under its older name, which does not look at dtypes."""
    assert_close(actual, expected, **{"check_dtype": False, **options})
