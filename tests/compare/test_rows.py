"""Every row of the table of mistakes, made on purpose in one operation, gets its name."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from autograd_lite import Tensor, compare, ops
from autograd_lite.comparison.idioms import log_loss, log_loss_of_p, normalise
from autograd_lite.comparison.mistakes.places import applies, result_of
from autograd_lite.comparison.mistakes.table import (
    CONSTANTS,
    MATMUL_RULES,
    RULES,
    SUMS,
    VAGUE,
    Constant,
    Mistake,
)
from autograd_lite.comparison.propagation import Backprop
from autograd_lite.engine.op import table
from autograd_lite.program.chain import Tape, stretched
from autograd_lite.program.expr import example

N, K = 5, 4
OWN = {op.name: op for op in (log_loss, log_loss_of_p, normalise)}  # of idioms
ALL = {**table, **OWN}
# Rows that need arrays of their own: one-hot rows, masks, weights, windows, heads; conventions/ has
# them.
ELSEWHERE = {
    "gather-overwritten", "targets-wrong", "class-weight", "max-mask", "activation-missing",
    "not-normalised", "wrong-axis", "order",
}  # fmt: skip

WINDOWS: dict[str, Any] = {  # windows that overlap, and strides
    "conv": ([(3, 2, 6, 7), (4, 2, 3, 2)], {"stride": (2, 1)}),
    "max_pool": ([(3, 2, 6, 7)], {"size": (3, 2), "stride": (2, 1)}),
    "window_sum": ([(3, 2, 6, 7)], {"size": (3, 2), "stride": (2, 1)}),
    "pad": ([(3, 2, 4)], {"width": ((0, 0), (1, 1), (2, 1)), "value": 0.0}),
}


def domain(op: Any, x: Any, kw: dict[str, Any]) -> Any:
    """Values near `x` at which a curve is defined and not 0 or 1: logarithms take few."""
    with np.errstate(all="ignore"):
        ways = (x, np.abs(x) + 1.3, np.tanh(x) / 1.1)
        return next(a for a in ways if np.isfinite(op.forward(a, **kw)).all())


def inputs_of(name: str) -> tuple[list[Any], dict[str, Any]]:
    """Inputs and metadata with which an operation shows its mistakes."""
    rng = np.random.default_rng(sum(map(ord, name)))
    x = rng.standard_normal((N, K))
    if name in ("log_loss", "log_loss_of_p"):
        t = (rng.random((N, K)) > 0.5) * 1.0
        return [x if name == "log_loss" else rng.uniform(0.2, 0.8, (N, K)), t, 1 - t], {}
    if name == "normalise":
        return [x], {"axis": 0, "eps": 1e-5, "correction": 0}
    if name in WINDOWS:
        shapes, kw = WINDOWS[name]
        return [rng.standard_normal(shape) for shape in shapes], kw
    _, kw = example(table[name])
    if name == "mul":
        return [x, (rng.random((N, K)) > 0.5) / 0.5], {}
    if name == "getitem":
        return [x], {"index": np.array([[0, 2, 2], [1, 2, 0], [3, 3, 1]])}
    if table[name].kind == "curve" and name not in ("clip", "hardtanh"):
        return [domain(table[name], x, kw)], kw
    if name in ("log_softmax", "softmax"):
        return [x], {"axis": 1}
    if "axis" in kw:
        kw = kw | {"axis": 1 if name == "cumsum" else (1,)}
    if name in ("clip", "hardtanh"):
        return [x], {"low": -0.5, "high": 0.5}
    if name == "matmul":
        return [x, rng.standard_normal((K, K))], {}
    return [x, rng.standard_normal((N, K))][: len(tuple(table[name].rules))], kw


def built(name: str, arrays: list[Any], kw: dict[str, Any], which: int) -> SimpleNamespace:
    """A loss with the operation on its tape, and the edge into the input that is to be wrong."""
    xs = [Tensor(a, requires_grad=name == "matmul" or i == which) for i, a in enumerate(arrays)]
    xs[which].name = "x"
    y = ALL[name](*xs, **kw)
    y.name = "y"
    g = np.random.default_rng(7).standard_normal(y.shape)
    if name in ("log", "log_softmax"):  # what cross-entropy gives, the targets not summing to 1
        g = -np.abs(g)
    loss = (y * Tensor(g)).sum()
    back = Backprop(Tape(loss), {}, {})
    edge = next(e for e in back.into[xs[which]] if e.i == which)
    return SimpleNamespace(loss=loss, edge=edge, upstream=g)


def case(row: Mistake, name: str, which: int) -> SimpleNamespace:
    """An operation with inputs that show a mistake, and `wrong`, what the mistake gives there."""
    arrays, kw = inputs_of(name)
    if row.slug == "dropout-mask" and which == 1:
        arrays = arrays[::-1]
    if row.slug == "wrong-axis":
        arrays = [np.random.default_rng(3).standard_normal((K, K))]
    if row.slug == "mean-count" and name == "normalise":
        arrays, kw = [np.random.default_rng(6).standard_normal((3, 5, 2))], kw | {"axis": (0, 1, 2)}
    if name == "matmul" and row.which == 0:
        arrays[0] = np.random.default_rng(4).standard_normal((K, K))
    if row.slug in ("operand-order", "summed-over-inputs") and name == "matmul":
        arrays = [np.random.default_rng(5 + i).standard_normal((K, K)) for i in range(2)]
    b = built(name, arrays, kw, which)
    b.applies = applies(row, b.edge)
    with np.errstate(all="ignore"):
        wrong = result_of(row, b.edge) if b.applies else b.edge.part
    b.wrong = wrong[0] + 0.7 * wrong[1] if row.free else np.asarray(wrong)
    return b


def is_wrong(row: Mistake, name: str, which: int) -> bool:
    """Whether a mistake can be made in an operation: relu's own mask is no mistake in relu."""
    try:
        with np.errstate(all="ignore"):
            b = case(row, name, which)
    except (ValueError, TypeError, IndexError):  # no such input, no axis, or no other one
        return False
    if not b.applies or not np.isfinite(b.wrong).all():
        return False
    right = b.edge.part
    return b.wrong.shape != right.shape or not np.allclose(b.wrong, right)


EVERY = [*RULES, *MATMUL_RULES, *VAGUE]
WHERE = [
    (name, i)
    for name, op in table.items()
    if op.kind in ("curve", "along", "reduction")
    or (op.kind == "arithmetic" and not op.sign and op is not ops.where)
    or op in (ops.mul, ops.div, ops.matmul, ops.getitem)  # as the table has them
    or name in WINDOWS
    for i in range(len(inputs_of(name)[0]))
] + [(name, 0) for name in OWN]
ROWS = [(row, *where) for row in EVERY for where in WHERE if is_wrong(row, *where)]


def title(value: Any) -> str:
    return value.slug if isinstance(value, Mistake) else str(value)


def test_every_row_is_a_mistake_somewhere() -> None:
    shown = {id(row) for row, *_ in ROWS}
    assert [row for row in EVERY if id(row) not in shown and row.slug not in ELSEWHERE] == []


@pytest.mark.parametrize(("row", "name", "which"), ROWS, ids=title)
def test_a_wrong_rule_gets_its_name(row: Mistake, name: str, which: int) -> None:
    b = case(row, name, which)
    report = compare(b.loss, {"x": b.wrong, "y": b.upstream})
    said = {d.slug for d in report.rows[-1].diagnoses}
    alike = {"dropout-mask"} if row.slug == "factor-missing" else set()  # a factor that is a mask
    assert said & {row.slug, *alike}, report


# what is counted once is also clipped, where nothing follows: test_words_of_lines has a net
@pytest.mark.parametrize(
    "row", [row for row in SUMS if row[0] != "counted-once"], ids=lambda row: row[0]
)
def test_a_wrong_sum_gets_its_name(row: Any) -> None:
    slug, _, wrongly = row
    if wrongly.__name__ == "change":  # over several axes: of images
        x = np.random.default_rng(0).standard_normal((N, 3, K))
        b = built("add", [np.ones(K), x], {}, 0)
        wrong = np.asarray(wrongly(b.edge.raw, (0, 1)))
        report = compare(b.loss, {"x": wrong.squeeze(), "y": b.upstream})
        assert slug in {d.slug for d in report.rows[-1].diagnoses}, report
        return
    b = built("add", [np.ones(K), np.random.default_rng(0).standard_normal((N, K))], {}, 0)
    wrong = np.asarray(wrongly(b.edge.raw, stretched(b.edge.raw.shape, b.edge.p.shape)))
    report = compare(b.loss, {"x": wrong.squeeze(), "y": b.upstream})
    assert slug in {d.slug for d in report.rows[-1].diagnoses}, report


@pytest.mark.parametrize("row", CONSTANTS, ids=lambda row: row.slug)
def test_a_factor_gets_its_name(row: Constant) -> None:
    c = row.factor(*({"n": N, "k": K}[name] for name in row.of))
    b = built("tanh", [np.random.default_rng(0).standard_normal((N, K))], {}, 0)
    loss, n = b.loss / (N * K), N * K  # samples and outputs are counted where there is a mean
    report = compare(loss, {"x": c * b.edge.part / n, "y": b.upstream / n})
    assert row.slug in {d.slug for d in report.rows[-1].diagnoses}, report


def test_noise_that_is_no_mistake_stays_unexplained() -> None:
    rng = np.random.default_rng(0)
    for name in ("tanh", "softmax", "matmul", "log"):
        arrays, kw = inputs_of(name)
        b = built(name, arrays, kw, 0)
        for size in (1e-8, 1e-6, 0.3):
            noise = 1 + size * rng.standard_normal(b.edge.part.shape)
            report = compare(b.loss, {"x": b.edge.part * noise, "y": b.upstream})
            slugs = [d.slug for d in report.rows[-1].diagnoses]
            assert slugs == (["numerical"] if size < 1e-3 else []), report
            assert not report.ok and math.isfinite(report.rows[-1].rel_err)
