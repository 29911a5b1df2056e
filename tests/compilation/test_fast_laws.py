"""Every law of `compile` does what its docstring says, on random arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd_lite.compilation.laws import FAST, added_at, plus_at
from autograd_lite.engine.rules import ops
from autograd_lite.program.expr import Symbol
from autograd_lite.program.laws import LAWS
from autograd_lite.program.rewrite import Rewriter
from tests.test_laws import ON_ARRAYS, ON_SYMBOLS, expr_of, full, sides

ROWS = np.arange(3)
SHARED = {law for _, law in LAWS}
OWN = [law for _, law in FAST if law not in SHARED]


def one_per_row(n: float, k: Any) -> Any:
    x = np.zeros((3, 3))
    x[ROWS, k] = n
    return x


def one_per_row_of_symbols(n: float, k: Any) -> Any:
    kw = {"shape": (3, 3), "index": (ROWS, k)}
    return Symbol(ops.scatter_add, one_per_row(n, k.value), (full(n, (3,)),), kw)


def plus(x: Any, n: float, index: Any) -> Any:
    return Symbol(plus_at, added_at(x.value, n, tuple(map(np.asarray, index))), (x, n), {})


def put(x: Any, v: Any, index: Any) -> Any:
    return ops.put(x, v, index=index)


def part(x: Any, low: int, high: int) -> Any:
    """Four rows, all but some of them zeros."""
    return ops.scatter_add(x, shape=(4, x.shape[1]), index=slice(low, high))


def row(x: Any, k: int) -> Any:
    """Three matrices, all but one of them zeros."""
    return ops.scatter_add(x, shape=(3, *x.shape), index=k)


def stacked(parts: Any, axis: int) -> Any:
    return ops.stack(*parts, axis=axis)


def joined(parts: Any, axis: int) -> Any:
    return ops.concatenate(*parts, axis=axis)


ARRAYS = ON_ARRAYS | {"one_per_row": one_per_row, "plus_at": added_at, "put": put, "part": part}
ARRAYS |= {"concatenate": np.concatenate, "stack": np.stack, "row": row}
SYMBOLS = ON_SYMBOLS | {"one_per_row": one_per_row_of_symbols, "arange": np.arange, "put": put}
SYMBOLS |= {"concatenate": joined, "part": part, "stack": stacked, "row": row}


@pytest.mark.parametrize(
    ("law", "left", "right"),
    [(law, *pair) for law in OWN for pair in sides(law)],
    ids=lambda x: getattr(x, "__name__", x),
)
def test_every_law_holds(law: Any, left: str, right: str) -> None:
    wanted = eval(left, dict(ARRAYS))
    np.testing.assert_allclose(eval(right, dict(ARRAYS)), wanted, rtol=1e-6)
    r = Rewriter(FAST)
    e = eval(left, dict(SYMBOLS))
    found = law(r, r.make(e.op, e.value, expr_of(r, e.inputs), e.kw))
    assert found is not None, f"{law.__name__} says nothing about {left}"
    text = str(found)
    np.testing.assert_allclose(eval(text, dict(ARRAYS)), wanted, rtol=1e-6)
    assert found.shape == np.shape(wanted)
    assert text != str(e)


def test_every_law_has_its_text() -> None:
    assert all(" = " in (law.__doc__ or "") for law in OWN)
