"""The mistake in words, from the line and its fix; and edits that put something in a wrong place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autograd_lite import Tensor, compare, tensor
from autograd_lite.comparison import Diagnosis, Fix, Report, Row
from autograd_lite.comparison.source.doors import named_by
from autograd_lite.comparison.source.words import mistake

Array = Any

SAID = [
    ("d = W @ d", "d = W.T @ d", "W is not transposed"),
    ("d = np.dot(W.transpose(), d)", "d = np.dot(W, d)", "W is transposed, and should not be"),
    ("d = g", "d = g * (1 - y ** 2)", "the factor 1 - y ** 2, the derivative of tanh, is left out"),
    ("d = g", "d = g * s * (1 - s)", "g used instead of g * s * (1 - s)"),
    ("d = g", "d = g * (x > 0)", "the factor x > 0, the mask of relu, is left out"),
    ("d = g * y", "d = g", "the factor y is too many"),
    ("db += d", "db -= d", "+= for -=: the sign is flipped"),
    ("db += d", "db = d", "+= for =: added to what was there before"),
    ("dw = hs[t].T", "dw = hs[t - 1].T", "hs[t] used instead of hs[t - 1]: another item or time step"),
    ("return a - y", "return y - a", "the sign is flipped: y - a is due"),
    ("d = a + b", "d = a - b", "the sign of b is flipped"),
    ("d = a * n", "d = a / n", "multiplied by n, where it should be divided"),
    ("d = a", "d = a / n", "not divided by n"),
    ("d = a / n", "d = a", "divided by n once too often"),
    ("d = x", "d = x ** 2", "not squared"),
    ("db = d", "db = d.sum(axis=0)", "d is not summed over axis 0"),
    ("db = d.sum(axis=1)", "db = d.sum(axis=0)", "taken along axis 1, not along axis 0"),
    ("p = x[i:i + k]", "p = x[i * s:i * s + k]", "x[i:i + k] used instead of x[i * s:i * s + k]: the stride, or dilation, is left out"),
    ("db = np.mean(d)", "db = np.sum(d)", "np.mean used instead of np.sum: averaged, where it should be summed"),
    ("d = sig(z)", "d = prime(z)", "sig used instead of prime"),
    ("d = z", "d = prime(z)", "z used instead of prime(z): prime is left out"),
    ("m = z > 0", "m = z < 0", "the mask or condition z > 0 used instead of z < 0"),
    ("return dW, db", "return db, dW", "(dW, db) used instead of (db, dW): in another order"),
    ("k = w", "k = w[::-1]", "w is not flipped: w[::-1]"),
    ("d = (a if c else b) * g", "d = b * g", "a used instead of b"),
    ("db = d if c else db + d", "db = db + d", "= for +=: what was there is overwritten, and only the last contribution counts"),
    ("d = self.data * g", "d = out.data * g", "self.data used instead of out.data"),
    ("d = 1 * g", "d = n * g", "the factor n is left out: 1 in its place"),
    ("for t in range(T):\n pass", "for t in reversed(range(T)):\n pass", "the loop runs the wrong way"),
    ("d *= 2", "pass", "d *= 2 should not be there"),
    ("a = 1\nb = a", "b = a\na = 1", "this statement and the next are in the wrong order"),
    ("d = g.transpose(1, 0, 2)", "d = g.transpose(1, 2, 0)", "the axes of g are in the wrong order: g.transpose(1, 2, 0) is due"),
    ("d = np.transpose(g, (1, 0, 2))", "d = np.transpose(g, (1, 2, 0))", "the axes of g are in the wrong order: np.transpose(g, (1, 2, 0)) is due"),
    ("d = g.reshape(f, -1)", "d = g.transpose(1, 2, 0).reshape(f, -1)", "the axes of g are in the wrong order: g.transpose(1, 2, 0) is due"),
    ("d = g.transpose(1, 2, 0)", "d = g", "g is transposed, and should not be"),
    ("d = g.reshape(n, c, -1)", "d = g.reshape(c, -1, n).transpose(2, 0, 1)", "the axes are in the wrong order: g.reshape(c, -1, n).transpose(2, 0, 1) is due for g.reshape(n, c, -1)"),
    ("d = (", "d = g", ""),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words"), SAID, ids=[f"{a} -> {b}" for a, b, _ in SAID])
def test_a_line_says_the_mistake(old: str, new: str, words: str) -> None:
    assert mistake(old, new) == words


def row(name: str, **options: Any) -> Row:
    return Row(name, (2,), "wrong here", "norm ratio 2", contrasted=True, **options)


FIX = Fix("net.py", 7, "d = g", "d = -g", 0, "the sign is flipped", ("c",))


def test_the_edit_names_what_nothing_else_explains_where_it_mends_it() -> None:
    report = named_by((FIX,), Report(1.0, (row("a"), row("b"), row("c")), None))
    a, b, c = report.rows
    assert a.explanations == b.explanations == ["the sign is flipped (line 7)"]
    assert b.mistake_of == "a" and c.unexplained
    assert report.headline.startswith("a and b are wrong by one mistake: the sign is flipped")


def test_one_mistake_keeps_its_name_and_a_chain_does_not() -> None:
    one = Diagnosis("factor-2", "a factor 2", True)
    named = Report(1.0, (row("a", diagnoses=(one,)),), None)
    assert named_by((FIX,), named) is named
    chain = (one, Diagnosis("sign", "the sign", True))
    (told,) = named_by((FIX,), Report(1.0, (row("a", diagnoses=chain),), None)).rows
    assert told.explanations == ["the sign is flipped (line 7)"]
    others = (one, replace(one, slug="sign", alternative=True))
    either = Report(1.0, (row("a", diagnoses=others),), None)
    assert named_by((FIX,), either) is either


def test_what_only_the_numbers_show_is_named_by_the_line() -> None:
    zero = Diagnosis("placeholder", "zero: never written, or detached", True)
    (told,) = named_by((FIX,), Report(1.0, (row("a", diagnoses=(zero,)),), None)).rows
    assert told.explanations == ["the sign is flipped (line 7)"]


def test_what_raised_is_said_with_what_mends_it() -> None:
    raised = Row("backward()", (), "wrong here", "raised ValueError: shapes")
    (told,) = named_by((FIX,), Report(1.0, (raised,), None)).rows
    assert told.explanations == ["raised ValueError: shapes; the sign is flipped (line 7)"]


# ---- what is right in itself, in a wrong place -----------------------------------------------


def leaf(name: str, *shape: int) -> Tensor:
    rng = np.random.default_rng([*name.encode()])
    return tensor(rng.normal(size=shape), requires_grad=True, name=name)


def first_said(loss: Tensor, grads: dict[str, Array]) -> str:
    report = compare(loss, grads)
    assert report.first_wrong is not None and report.first_wrong.explanations, report
    return report.first_wrong.explanations[0]


def late() -> tuple[Tensor, dict[str, Array]]:
    x, w = np.random.default_rng(3).normal(size=(5, 3)), leaf("w", 3, 4)
    a = 1 / (1 + np.exp(-(x @ w.array)))
    rho = np.full(4, 0.3)
    dz = a * (1 - a) * a + (a.mean(0) - rho) / 5  # the second term belongs before the derivative
    y = 1 / (1 + np.exp(-(x @ w)))
    loss = (y * y).sum() / 2 + ((y.mean(0) - rho) ** 2).sum() / 2
    return loss, {"w": x.T @ dz}


def gates() -> tuple[Tensor, dict[str, Array]]:
    x, w = np.random.default_rng(4).normal(size=(5, 3)), leaf("w", 3, 6)
    z = x @ w.array
    i, g, o = np.exp(z[:, :2]), np.tanh(z[:, 2:4]), np.sin(z[:, 4:])
    di, dg, do = g * o * i, i * o * (1 - g * g), i * g * np.cos(z[:, 4:])
    z = x @ w
    loss = (np.exp(z[:, :2]) * np.tanh(z[:, 2:4]) * np.sin(z[:, 4:])).sum()
    return loss, {"w": x.T @ np.concatenate([dg, di, do], axis=1)}


def flattened() -> tuple[Tensor, dict[str, Array]]:
    rng = np.random.default_rng(5)
    x, w, v = rng.normal(size=(4, 2, 3)), leaf("w", 2, 3), rng.normal(size=(6, 2))
    h = np.tanh(x * w.array)
    d = h.reshape(4, 6) @ v @ v.T
    dh = d.reshape(4, 3, 2).transpose(0, 2, 1)
    loss = ((np.tanh(x * w).reshape(4, 6) @ v) ** 2).sum() / 2
    return loss, {"w": (dh * (1 - h * h) * x).sum(0)}


def power() -> tuple[Tensor, dict[str, Array]]:
    x, w, u = np.random.default_rng(6).normal(size=(5, 3)), leaf("w", 3), leaf("u", 3)
    h, g = np.exp(x @ w.array), np.sin(x @ u.array)
    c = np.arange(1.0, 6.0)
    return ((np.exp(x @ w) + np.sin(x @ u)) * c).sum(), {"w": x.T @ (c * h * g)}


def temperature() -> tuple[Tensor, dict[str, Array]]:
    x, w = np.random.default_rng(7).normal(size=(5, 3)), leaf("w", 3)
    t = np.tanh(x @ w.array / 7)
    return np.tanh((x @ w) / 7).sum(), {"w": x.T @ (1 - t * t)}


def counts() -> tuple[Tensor, dict[str, Array]]:
    x, w = np.random.default_rng(9).normal(size=(6, 3)), leaf("w", 3, 4)
    y = np.array([0, 2, 1, 1, 3, 0])
    s = x @ w.array
    over = (s - s[np.arange(6), y][:, None] + 9 > 0).astype(float)  # all classes are too near
    over[np.arange(6), y] = 0
    over[np.arange(6), y] -= 1  # and not -= the number of them
    scores = x @ w
    keep = np.ones((6, 4))
    keep[np.arange(6), y] = 0
    margins = np.maximum(0, scores - scores[np.arange(6), y][:, None] + 9) * keep
    return margins.sum(), {"w": x.T @ over}


PLACED: list[tuple[Callable[[], Any], str]] = [
    (late, "is added after the derivative of sigmoid"),
    (gates, "the gradients of two parts are exchanged, in another order: (x @ w)[:, :2]"),
    (flattened, "reshaped as if its axes were in the order (0, 2, 1)"),
    (power, "times the hidden layer's sin once too often"),
    (temperature, "not divided by 7"),
    (counts, "counted once for each sample"),
]


@pytest.mark.parametrize(("case", "words"), PLACED, ids=[f.__name__ for f, _ in PLACED])
def test_what_is_in_a_wrong_place_is_named(case: Callable[[], Any], words: str) -> None:
    said = first_said(*case())
    assert words.replace("x @", "data @") in said, said
