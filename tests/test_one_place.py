"""An operation is declared in one place, and everything else follows from that."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import Op, Tensor, ops, tensor
from autograd_lite.engine import declare
from autograd_lite.engine.op import table
from autograd_lite.graph import draw

PACKAGE = Path(ag.__file__).parent
LINES = {"arcsinh": 4, "logcumsumexp": 10}  # at most, of a declaration with what it alone needs
NUMPYS: dict[str, Any] = {"arcsinh": np.arcsinh, "logcumsumexp": np.logaddexp.accumulate}
X = np.array([0.3, -0.7, 1.1, 0.2])


def loss_of(op: Op, x: Any, w: Tensor) -> tuple[Tensor, Tensor]:
    """A loss that an operation is part of, and the input of the operation."""
    kw = {"axis": 0} if op.kind == "along" else {}
    z = x * w
    z.name = "z"
    y = op(z, **kw)
    return (y * y).sum(), z


def weight() -> Tensor:
    return tensor([0.4, 1.2, -0.5, 0.9], dtype="float64", requires_grad=True, name="w")


@pytest.mark.parametrize("name", LINES)
def test_a_declaration_is_short_and_in_one_file(name: str) -> None:
    mentions = [p for p in PACKAGE.rglob("*.py") if name in p.read_text(encoding="utf-8")]
    # where a method of a ufunc stands, and how C writes NumPy's functions
    (home,) = [p for p in mentions if p.name not in ("numpy_words.py", "forms.py")]
    tree = ast.parse(home.read_text(encoding="utf-8"))
    (node,) = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name]
    own = {n.id for d in node.decorator_list for n in ast.walk(d) if isinstance(n, ast.Name)}
    helpers = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name in own - {"last"}]
    parts = [
        (n.decorator_list[0].lineno if n.decorator_list else n.lineno, n.end_lineno)
        for n in [node, *helpers]
    ]
    assert sum((end or 0) - start + 1 for start, end in parts) <= LINES[name]


@pytest.mark.parametrize("name", LINES)
def test_everything_follows_from_it(name: str) -> None:
    function, op = getattr(ag, name), table[name]
    x = tensor(X)
    y = np.asarray(NUMPYS[name](X))
    assert name in ag.__all__ and inspect.signature(function).parameters["input"]
    for found in (function(x), getattr(x, name)(), NUMPYS[name](x)):
        np.testing.assert_allclose(found.array, y, rtol=1e-15)
    assert ag.gradcheck(function, x) and ag.gradgradcheck(function, x)
    assert ag.formula(op).startswith(f"{name}: y = ")

    w = weight()
    loss, _ = loss_of(op, X, w)
    derivation = ag.derive(loss)
    assert name in str(derivation) or "logaddexp" in str(derivation)
    assert derivation.check()
    value, grads = derivation.function()(**derivation.arguments)
    loss.backward(retain_graph=True)
    assert w.grad is not None
    np.testing.assert_allclose(grads["w"], w.grad.array, rtol=1e-12)
    assert value == loss.item() and "def backprop" in derivation.source()

    right = w.grad.array.copy()
    w.grad = None
    step = ag.compile(lambda x: loss_of(op, x, w)[0])
    step(tensor(X)).backward()
    assert "traced 1 times" in repr(step)
    np.testing.assert_allclose(w.grad.array, right, rtol=1e-12)

    family = {"curve": "activation", "along": "reduction"}[op.kind]
    assert {n.family for n in draw(loss).drawing.nodes if n.title == name} == {family}

    loss, z = loss_of(op, X, weight())
    g = 2 * np.asarray(NUMPYS[name](z.array))
    report = ag.compare(loss, {"z": g})  # the slope left out
    slug = report.first_wrong.diagnoses[0].slug
    assert slug == "activation-missing"


def test_a_body_that_is_no_ufunc_has_to_say_its_kind() -> None:
    with pytest.raises(TypeError, match="twice: its body is not one ufunc of its inputs; say its"):

        @declare.differentiable(lambda g, y, x: 2 * g)
        def twice(x: Tensor) -> Tensor:
            return x + x

    assert "twice" not in table and not hasattr(ag, "twice")


def test_rows_are_attributes() -> None:
    assert ops.tanh is table["tanh"]
    with pytest.raises(AttributeError):
        _ = ops.nothing
