"""Operations that no table names, a user's own above all, get the mistakes of their kind named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd_lite import Tensor, compare
from autograd_lite.comparison import Report
from autograd_lite.engine.op import Op, ops, table

arcsinh = Op("arcsinh", np.arcsinh, lambda g, y, x: g / np.sqrt(1 + x * x))
bump = Op("bump", lambda x: np.exp(-x * x), lambda g, y, x: -2 * g * x * y)  # of no kind
swish = Op(
    "swish",
    lambda x: x / (1 + np.exp(-x)),
    lambda g, y, x: g * (y + (1 - y) / (1 + np.exp(-x))),
    kind="curve",
)

# wrong gradients of y = op(x), and what is said of them
WAYS: dict[str, Callable[[Op, Any, Any, Any], Any]] = {
    "the derivative of {op} left out": lambda op, g, y, x: g,
    "the derivative of {op} evaluated at its output": lambda op, g, y, x: slope(op, y) * g,
    "the derivative of {op} applied twice": lambda op, g, y, x: slope(op, x) ** 2 * g,
    "{op} itself used for its derivative": lambda op, g, y, x: g * y,
}


def slope(op: Op, x: Any) -> Any:
    (rule,) = op.rules
    return rule(np.ones_like(x), op(x), x)


def report_on(op: Op, wrong: Callable[[Op, Any, Any, Any], Any], alone: bool, seed: int) -> Report:
    """The report on a layer with that operation, from parameters alone or with intermediates."""
    rng = np.random.default_rng(seed)
    x, t = rng.standard_normal((7, 3)), rng.standard_normal((7, 4))
    w = Tensor(rng.standard_normal((3, 4)), requires_grad=True, name="w")
    b = Tensor(rng.standard_normal(4), requires_grad=True, name="b")
    z = Tensor(x) @ w + b
    z.name = "z"
    h = op(z)
    h.name = "h"
    d = 2 * (h.array - t) / t.size
    dz = wrong(op, d, h.array, z.array)
    grads = {"w": x.T @ dz, "b": dz.sum(0)} | ({} if alone else {"h": d, "z": dz})
    return compare(((h - Tensor(t)) ** 2).mean(), grads)


def sentences(report: Report) -> list[str]:
    assert report.first_wrong is not None, report
    return [d.sentence for d in report.first_wrong.diagnoses]


@pytest.mark.parametrize("alone", [False, True], ids=["everything", "parameters"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("op", [arcsinh, bump, swish], ids=lambda op: op.name)
def test_a_mistake_in_an_own_operation_is_named(op: Op, way: str, alone: bool) -> None:
    said = sentences(report_on(op, WAYS[way], alone, 0))
    assert said[0].startswith(way.format(op=op.name)), said


def composed(outer: Op, inner: Op) -> Op:
    """The composition of two operations of one input, with its rule, of no kind."""
    (after,), (before,) = outer.rules, inner.rules
    return Op(
        f"{outer.name}_of_{inner.name}",
        lambda x: outer(inner(x)),
        lambda g, y, x: before(after(g, y, inner(x)), inner(x), x),
    )


def tame(op: Op) -> bool:
    """Whether a row is a bent curve without parameters that stays in -8 to 8, where it is smooth."""
    if op.kind != "curve" or op.ufunc is None:
        return False
    x = np.linspace(-8, 8, 99)
    with np.errstate(all="ignore"):
        y, s = op.forward(x), slope(op, x)
    return bool((np.abs(y) <= 8).all() and (np.abs(s) <= 8).all() and len(np.unique(s)) > 9)


PARTS = [op for op in table.values() if tame(op)]


@pytest.mark.parametrize("seed", range(40))
def test_the_slope_of_a_random_composition_left_out_is_named(seed: int) -> None:
    rng = np.random.default_rng(seed)
    op = PARTS[rng.integers(len(PARTS))]
    for i in rng.integers(len(PARTS), size=rng.integers(1, 3)):
        op = composed(PARTS[i], op)
    way = "the derivative of {op} left out"
    for alone in (False, True):
        said = sentences(report_on(op, WAYS[way], alone, seed))
        assert any(s.startswith(way.format(op=op.name)) for s in said), said


mixed = Op(
    "mixed",
    lambda a, b: np.sin(a) * b,
    lambda g, y, a, b: g * np.cos(a) * b,
    lambda g, y, a, b: g * np.sin(a),
)


@pytest.mark.parametrize("alone", [False, True], ids=["everything", "parameters"])
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("op", [ops.hypot, ops.arctan2, mixed], ids=lambda op: op.name)
def test_the_derivative_of_two_inputs_left_out_is_named(op: Op, place: int, alone: bool) -> None:
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((7, 3)), rng.standard_normal((7, 4))
    w = Tensor(rng.standard_normal((3, 4)), requires_grad=True, name="w")
    v = Tensor(rng.standard_normal((7, 4)), name="v")
    z = Tensor(x) @ w
    z.name = "z"
    h = op(*((z, v) if place == 0 else (v, z)))
    h.name = "h"
    d = 2 * (h.array - t) / t.size
    grads = {"w": x.T @ d} | ({} if alone else {"h": d, "z": d})
    said = sentences(compare(((h - Tensor(t)) ** 2).mean(), grads))
    assert said[0].startswith(f"the derivative of {op.name} left out"), said


def test_a_composition_that_changes_the_shape_is_no_curve() -> None:
    halves = Op("halves", lambda x: x[:, :2] * 3, lambda g, y, x: np.pad(3 * g, ((0, 0), (0, 1))))
    x = Tensor(np.random.default_rng(0).standard_normal((5, 3)), requires_grad=True, name="x")
    report = compare((halves(x) ** 2).sum(), {"x": np.pad(6 * x.array[:, :2], ((0, 0), (0, 1)))})
    assert not any("halves" in s for s in sentences(report))


def test_the_jacobian_of_any_operation_along_an_axis_left_out_is_named() -> None:
    centred = Op(
        "centred",
        lambda x, axis: x - np.add.reduce(x, axis=axis, keepdims=True) / x.shape[axis],
        lambda g, y, x, axis: g - np.add.reduce(g, axis=axis, keepdims=True) / x.shape[axis],
        kind="along",
    )
    rng = np.random.default_rng(0)
    x = Tensor(rng.standard_normal((4, 4)), requires_grad=True, name="x")
    g = rng.standard_normal((4, 4))
    loss = (centred(x, axis=1) * Tensor(g)).sum()
    assert sentences(compare(loss, {"x": g})) == ["the Jacobian of centred left out"]
    said = sentences(compare(loss, {"x": g - g.mean(0, keepdims=True)}))
    assert said == ["the derivative of centred taken along another axis"]


def made_for(x: Any, ok: bool) -> Any:
    """`x`, if an operation is made for it."""
    if not ok:
        raise ArithmeticError("not made for that")
    return x


def test_an_own_operation_may_refuse_what_a_wrong_rule_gives_it() -> None:
    """Wrong rules run at outputs and on single products, for which an operation may not be made."""
    fussy = Op(
        "fussy",
        lambda x: 1.5 - np.exp(made_for(x, x.ndim == 2 and x.max() < 0.99)),
        lambda g, y, x: -g * np.exp(made_for(x, x.ndim == 2 and x.max() < 0.99)),
    )
    rng = np.random.default_rng(0)
    x, w = rng.uniform(-1, 0, (5, 3)), rng.uniform(0, 1, (3, 4))
    for seen in (rng.standard_normal(w.shape), x.T @ np.ones((5, 4))):
        z = Tensor(x) @ Tensor(w, requires_grad=True, name="w")
        z.name = "z"
        assert not compare(fussy(z).sum(), {"w": seen}).ok


def test_an_own_operation_may_refuse_a_gradient_of_another_shape() -> None:
    """A bias that is left per sample gives one of the batch to what the bias was computed from."""
    fussy = Op("fussy", lambda x: 3 * x, lambda g, y, x: 3 * made_for(g, g.shape == x.shape))
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((5, 4)), rng.standard_normal((5, 4))
    b = Tensor(rng.standard_normal(4), requires_grad=True, name="b")
    scaled = fussy(b)
    scaled.name = "3 b"
    loss = ((Tensor(x) + scaled - Tensor(t)) ** 2).sum()
    d = 2 * (x + scaled.array - t)
    for other in (d.sum(0), rng.standard_normal(4)):
        report = compare(loss, {"3 b": d, "b": other})
        assert report.first_wrong is not None and report.first_wrong.name == "3 b"
