"""Gradients of parts of an array: beside one another where they are all of it, else added up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd_lite import Tensor, derive, tensor
from autograd_lite.derivation.series import IN_LATEX, IN_TEXT, series

WHOLE: dict[str, tuple[Callable[[Tensor], list[Any]], str]] = {
    "gates": (lambda x: list(x.chunk(3, -1)), "d_X = concatenate([d_"),
    "rows": (lambda x: [x[:1], x[1:3], x[3:]], "d_X = concatenate([d_"),
    "in another order": (lambda x: [x[2:], x[:2]], "d_X = concatenate([d_"),
    "steps": (lambda x: [x[0], x[2], x[-3], x[3]], "d_X = stack([d_"),
    "of the second axis": (lambda x: [x[:, k] for k in range(6)], "d_X = stack([d_"),
}
PARTS: dict[str, Callable[[Tensor], list[Any]]] = {
    "one left out": lambda x: [x[:, :2], x[:, 4:]],
    "overlapping": lambda x: [x[:3], x[2:]],
    "one twice": lambda x: [x[0], x[1], x[1], x[2], x[3]],
    "with a step": lambda x: [x[::2], x[1::2]],
    "of two axes": lambda x: [x[:2, :3], x[2:, 3:]],
    "of one axis and the other": lambda x: [x[:2], x[:, 3:]],
    "by places": lambda x: [x[[0, 1]], x[[2, 3]]],
    "rows and steps": lambda x: [x[0], x[1:]],
}


def derivation(pick: Callable[[Tensor], list[Any]]) -> Any:
    x = tensor(np.arange(24.0).reshape(4, 6) / 7, requires_grad=True, name="X")
    loss = sum(((k + 1) * part.tanh() ** 2).sum() for k, part in enumerate(pick(x)))
    derived = derive(loss)
    (gradient,) = derived.function()(**derived.arguments)[1].values()
    loss.backward()
    np.testing.assert_allclose(gradient, x.grad.array, rtol=1e-12)
    assert derived.check()
    return derived


@pytest.mark.parametrize("name", WHOLE)
def test_all_parts_stand_beside_one_another(name: str) -> None:
    pick, text = WHOLE[name]
    assert text in str(derivation(pick))


@pytest.mark.parametrize("name", PARTS)
def test_other_parts_add_up(name: str) -> None:
    text = str(derivation(PARTS[name]))
    assert "concatenate" not in text
    assert "stack" not in text


def test_sums_over_time() -> None:
    w = tensor(np.eye(2) / 2, requires_grad=True, name="W")
    h = tensor(np.ones((3, 2)), name="h0")
    for _ in range(4):
        h = (h @ w).tanh()
    derived = derive((h * h).sum())
    assert "d_W = sum of h[t-1].T @ d_z[t] over t = 1, ..., 4" in str(derived)
    assert r"\mathrm{d}W &= \sum_{t=1}^{4} h_{t-1}^{\top}\, \mathrm{d}z_{t}" in derived.to_latex()
    assert derived.check()


SERIES = {
    "up": (["a1", "a2", "a3"], ("a[t]", 1, 3)),
    "the other way": (["a3 * b1", "a2 * b2", "a1 * b3"], None),
    "a gap": (["a1", "a2", "a4"], None),
    "two": (["a1", "a2"], None),
    "another word": (["a1", "a2", "b3"], None),
    "twice": (["a1", "a1", "a2"], None),
    "with what stays": (["a2 @ W1", "a1 @ W1", "a0 @ W1"], ("a[t] @ W1", 0, 2)),
}


@pytest.mark.parametrize("name", SERIES)
def test_series(name: str) -> None:
    terms, expected = SERIES[name]
    found = series(terms, IN_TEXT)
    assert (found and (found.term, *found.ends)) == expected


def test_series_of_multiples_and_of_names_with_two_numbers() -> None:
    found = series(["v_{1} = z_{1,2}[4]", "v_{5} = z_{2,2}[5]", "v_{9} = z_{3,2}[6]"], IN_LATEX)
    assert found is not None and found.term == "v_{4t-3} = z_{t,2}[t+3]"
    assert series(["a1 = b2", "a2 = b4", "a3 = b7"], IN_TEXT) is None
    assert series(["v2 = z", "v4 = z", "v6 = z"], IN_TEXT) is None  # by which steps?
    assert series(["v2 = z", "v4 = z", "v6 = z"], IN_TEXT, [3, 4, 5]).term == "v[2*t-4] = z"
