"""What people write is brought into standard form: every law, on arrays, and what stays as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd_lite import Tensor, compare, ops, tensor
from autograd_lite.comparison.idioms import FUSED, IDIOMS, Idioms, log_loss, normalise
from autograd_lite.comparison.standard import standard_form
from autograd_lite.program.chain import Tape, numbers, reverse
from autograd_lite.program.expr import Symbol
from autograd_lite.program.notation import namespace

RNG = np.random.default_rng(3)
X = RNG.standard_normal((3, 3))
T = np.array([[1.0, 0, 1], [0, 1, 0], [0, 0, 1]])
K = np.array([2, 0, 2])


def op(function: Any) -> Any:
    """An operation as the docstrings write it."""
    return lambda x, *args, **kw: function(x, *args, **kw)


WORDS = namespace() | {
    "n": 0.8, "k": K, "t": T, "arange": np.arange,
    "sigmoid": op(ops.sigmoid), "relu": op(ops.relu), "softplus": op(ops.softplus),
    "leaky_relu": lambda x, slope: ops.leaky_relu(x, slope=slope),
    "softmax": lambda x, axis: ops.softmax(x, axis=axis),
    "log_softmax": lambda x, axis: ops.log_softmax(x, axis=axis),
    "logsumexp": lambda x, axis=None, keepdims=False: ops.logsumexp(x, axis=axis, keepdims=keepdims),
    "power": lambda x, p: ops.power(x, p=p),
    "var": lambda x, axis: ops.var(x, axis=axis, keepdims=False, correction=0),
    "log_loss": lambda z, a, b: log_loss(z, a, b),
    "normalise": lambda x, axis, eps, c: normalise(x, axis=axis, eps=eps, correction=c),
}  # fmt: skip


def arrays_for(left: str) -> dict[str, Any]:
    """Positive x where a logarithm or a power takes no other."""
    positive = "log(x" in left or "**" in left or "sqrt(x" in left
    return {"x": np.abs(X) + 0.5 if positive else X, "y": RNG.standard_normal((3, 3))}


def constants_folded(e: Any) -> Any:
    """An expression whose masks are arrays, as on a tape, and in which equal parts are one."""
    known: dict[str, Any] = {}

    def folded(e: Any) -> Any:
        if not isinstance(e, Symbol) or e.op is None:
            return e
        if e.value.dtype == bool:
            return np.asarray(e.value)
        return known.setdefault(str(e), Symbol(e.op, e.value, tuple(map(folded, e.inputs)), e.kw))

    return folded(e)


def laws() -> list[Any]:
    found = []
    for table in (IDIOMS, FUSED):
        for _, law in table:
            for line in (law.__doc__ or "").strip().splitlines():
                left, sign, right = line.partition(" = ")
                if sign:
                    found.append((table is FUSED, law.__name__, left.strip(), right.strip()))
    return found


@pytest.mark.parametrize(("fused", "name", "left", "right"), laws(), ids=lambda v: str(v))
def test_every_idiom_is_what_it_says(fused: bool, name: str, left: str, right: str) -> None:
    arrays = arrays_for(left)
    symbols = {n: Symbol(n, a) for n, a in arrays.items()}
    idioms = Idioms(fused, guards=True)
    made = idioms.standard(constants_folded(eval(left, dict(WORDS), symbols)))
    value = eval(left, dict(WORDS), dict(arrays))
    np.testing.assert_allclose(np.asarray(made.value), np.asarray(value), rtol=1e-6, atol=1e-9)
    wanted = idioms.standard(constants_folded(eval(right, dict(WORDS), symbols)))
    assert str(made) == str(wanted), f"{left} gives {made}, not {wanted}"


def spelled(z: Any, kind: str) -> Any:
    """A loss of logits as people write it."""
    if kind == "softmax":
        e = np.exp(z - np.max(z, axis=1, keepdims=True))
        return -np.log((e / e.sum(axis=1, keepdims=True))[np.arange(3), K]).mean()
    a = 1 / (1 + np.exp(-z))
    return -np.sum(T * np.log(a) + (1 - T) * np.log(1 - a)) / 3


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_the_gradients_stay_what_they_are(kind: str) -> None:
    w = tensor(RNG.standard_normal((3, 3)), requires_grad=True, name="w")
    loss = spelled(X @ w, kind)
    standard = standard_form(Tape(loss), {w})
    made = [t.op.name for t in standard.tape.nodes if t.op is not None]
    assert {"softmax": "log_softmax", "sigmoid": "log_loss"}[kind] in made and "exp" not in made
    right = dict(reverse(Tape(loss), np.ones(()), numbers))[w]
    found = dict(reverse(standard.tape, np.ones(()), numbers))[standard.of[w]]
    np.testing.assert_allclose(found, right, rtol=1e-9)


def test_what_was_handed_in_or_named_stays() -> None:
    z = tensor(X, requires_grad=True, name="z")
    e = np.exp(-z)
    e.name = "e"
    loss = (1 / (1 + e)).sum()
    made = [t.op.name for t in standard_form(Tape(loss), set()).tape.nodes if t.op is not None]
    assert "sigmoid" not in made and "exp" in made
    report = compare(loss, {"e": -1 / (1 + e.array) ** 2, "z": np.exp(-X) / (1 + e.array) ** 2})
    assert report.ok


def test_a_wrong_idiom_may_cost_a_name_but_no_verdict(monkeypatch: Any) -> None:
    def wrong(r: Any, e: Symbol) -> Any:
        return r.do(ops.relu, e.inputs[0])

    monkeypatch.setattr(Idioms, "__init__", lambda self, *a: _with_wrong_law(self, wrong, *a))
    x = tensor(X, requires_grad=True, name="x")
    loss = (np.tanh(x) * T).sum()
    assert compare(loss, {"x": T * (1 - np.tanh(X) ** 2)}).ok
    report = compare(loss, {"x": -T * (1 - np.tanh(X) ** 2)})
    assert report.first_wrong is not None and "sign" in report.first_wrong.explanations[0]


def _with_wrong_law(self: Any, law: Any, *args: Any) -> None:
    from autograd_lite.program.rewrite import Rewriter

    Rewriter.__init__(self, IDIOMS)
    self.guards, self.dropped = False, 0.0
    self.about[ops.tanh] = [law]


def test_the_variance_over_n_is_another_convention() -> None:
    x: Tensor = tensor(X, requires_grad=True, name="x")
    loss = (x.var(dim=0) * np.arange(3.0)).sum()
    by_n = 2 * (X - X.mean(0)) / 3 * np.arange(3.0)
    report = compare(loss, {"x": by_n})
    assert report.ok and "over n" in report.rows[0].note
    assert not compare(loss, {"x": 2 * by_n}).ok
