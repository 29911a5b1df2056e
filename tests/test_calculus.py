"""Derivatives of functions against closed forms, finite differences and each other."""

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, calculus, tensor
from autograd_lite.program import rows
from tests.cases import CASES_OF

X = np.array([0.5, -1.0, 2.0])


def cubic(x):
    return (x**3).sum()


def test_grad_of_a_function():
    np.testing.assert_allclose(ag.grad(cubic)(Tensor(X)).array, 3 * X**2)


def test_grad_of_grad_of_grad():
    third = ag.grad(ag.grad(ag.grad(lambda x: x**4, create_graph=True), create_graph=True))
    assert third(tensor(2.0)).item() == 48.0


def test_grad_of_a_tape_and_of_intermediates():
    x = Tensor(X, requires_grad=True)
    y = x * x
    loss = (y * y).sum()
    dy, dx = ag.grad(loss, [y, x])
    np.testing.assert_allclose(dy.array, 2 * X**2)
    np.testing.assert_allclose(dx.array, 4 * X**3)
    assert x.grad is None
    assert y._grad is None


def test_grad_does_not_pull_what_is_not_asked_for(monkeypatch):
    called = []
    right = ag.ops.mul.rules
    spy = (right[0], lambda g, y, a, b: called.append(1) or right[1](g, y, a, b))
    monkeypatch.setattr(ag.ops.mul, "rules", spy)
    x, w = tensor(2.0, requires_grad=True), tensor(3.0, requires_grad=True)
    assert ag.grad(x * w, x)[0].item() == 3.0
    assert not called


def test_grad_of_an_unused_input():
    x, z = tensor(1.0, requires_grad=True), tensor(1.0, requires_grad=True)
    y = x * 2
    with pytest.raises(RuntimeError, match="do not depend on input 1, of shape"):
        ag.grad(y, [x, z], retain_graph=True)
    assert ag.grad(y, [x, z], allow_unused=True)[1] is None


def test_grad_refuses_what_needs_no_gradient():
    x = tensor(1.0, requires_grad=True)
    with pytest.raises(RuntimeError, match="input 0 does not require grad"):
        ag.grad(x * 2, tensor(1.0))


def test_grad_with_several_outputs_and_upstream_gradients():
    x = Tensor(X, requires_grad=True)
    v = np.array([1.0, 2.0, 3.0])
    (dx,) = ag.grad([x * x, x.sum()], x, [Tensor(v), tensor(10.0, dtype="float64")])
    np.testing.assert_allclose(dx.array, 2 * X * v + 10)
    with pytest.raises(ValueError, match="2 outputs, but 3 grad_outputs"):
        ag.grad([x * x, x.sum()], x, [v, v, v])


def test_gradients_do_not_share_memory():
    a, b = Tensor(X.copy(), requires_grad=True), Tensor(X.copy(), requires_grad=True)
    v = Tensor(np.ones(3))
    da, db = ag.grad(a + b, [a, b], v)
    assert not np.shares_memory(da.array, db.array)
    assert not np.shares_memory(da.array, v.array)


def test_value_and_grad_of_several_arguments():
    value, (da, db) = ag.value_and_grad(lambda a, b, k: (a * b).sum() * k, argnums=(0, 1))(
        Tensor(X), Tensor(2 * X), k=3
    )
    np.testing.assert_allclose(value.item(), 3 * (2 * X * X).sum())
    np.testing.assert_allclose(da.array, 6 * X)
    np.testing.assert_allclose(db.array, 3 * X)
    assert not value.requires_grad


def test_an_argument_without_influence_has_gradient_zero():
    assert ag.grad(lambda a, b: a * 1, argnums=1)(tensor(1.0), tensor([1.0, 2.0])).tolist() == [
        0,
        0,
    ]


def function(a, b):
    return (a @ b).tanh(), (a * a).sum()


def pair():
    rng = np.random.default_rng(0)
    return Tensor(rng.standard_normal((2, 3))), Tensor(rng.standard_normal((3, 4)))


def test_jacobian_agrees_with_finite_differences():
    a, b = pair()
    rows = ag.jacobian(function, (a, b))
    assert [[j.shape for j in row] for row in rows] == [
        [(2, 4, 2, 3), (2, 4, 3, 4)],
        [(2, 3), (3, 4)],
    ]
    h = 1e-6
    for which, x in enumerate((a, b)):
        for i in np.ndindex(x.shape):
            old = x.array[i]
            x.array[i] = old + h
            up = function(a, b)
            x.array[i] = old - h
            down = function(a, b)
            x.array[i] = old
            for row, u, d in zip(rows, up, down, strict=True):
                numeric = (u.array - d.array) / (2 * h)
                np.testing.assert_allclose(row[which].array[(..., *i)], numeric, atol=1e-8)


def test_vjp_and_jvp_agree_with_the_jacobian_and_each_other():
    a, b = pair()
    (ja, jb), (ka, kb) = ag.jacobian(function, (a, b))
    rng = np.random.default_rng(1)
    u = Tensor(rng.standard_normal((2, 4))), Tensor(rng.standard_normal(()))
    v = Tensor(rng.standard_normal((2, 3))), Tensor(rng.standard_normal((3, 4)))
    _, (da, db) = ag.vjp(function, (a, b), u)
    np.testing.assert_allclose(
        da.array, np.tensordot(u[0].array, ja.array, 2) + u[1].array * ka.array
    )
    np.testing.assert_allclose(
        db.array, np.tensordot(u[0].array, jb.array, 2) + u[1].array * kb.array
    )
    _, (t0, t1) = ag.jvp(function, (a, b), v)
    np.testing.assert_allclose(
        t0.array, np.tensordot(ja.array, v[0].array, 2) + np.tensordot(jb.array, v[1].array, 2)
    )
    inner = (t0.array * u[0].array).sum() + t1.array * u[1].array
    np.testing.assert_allclose(inner, (da.array * v[0].array).sum() + (db.array * v[1].array).sum())


def test_hessian_and_hvp():
    x = Tensor(X)
    np.testing.assert_allclose(ag.hessian(cubic, x).array, np.diag(6 * X))
    value, product = ag.hvp(cubic, x, Tensor(np.ones(3)))
    np.testing.assert_allclose(product.array, 6 * X)
    np.testing.assert_allclose(value.item(), (X**3).sum())
    blocks = ag.hessian(lambda a, b: (a * a * b).sum(), (x, Tensor(2 * X)))
    np.testing.assert_allclose(blocks[0][1].array, np.diag(2 * X))
    np.testing.assert_allclose(blocks[1][1].array, np.zeros((3, 3)))


def test_hessian_of_a_network_is_symmetric():
    rng = np.random.default_rng(0)
    w = Tensor(rng.standard_normal((4, 3)), requires_grad=True)
    h = ag.hessian(lambda x: (w @ x).tanh().log_softmax(0)[1], Tensor(X)).array
    np.testing.assert_allclose(h, h.T, atol=1e-14)
    assert np.abs(h).max() > 1e-3
    assert w.grad is None


def test_linear_functions_have_hessian_zero():
    assert (ag.hessian(lambda x: x.sum(), Tensor(X)).array == 0).all()


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: ag.jvp(cubic, Tensor(X), tensor([1.0])),
            ValueError,
            r"jvp: v has shapes \[\(1,\)",
        ),
        (lambda: ag.hessian(lambda x: x * 2, Tensor(X)), RuntimeError, "must return one number"),
        (lambda: ag.vjp(lambda x: 3.0, Tensor(X)), TypeError, "must return Tensors, got float"),
        (lambda: ag.grad(lambda x: x * 2)(Tensor(X)), RuntimeError, "needs a scalar"),
    ],
)
def test_errors(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


def test_it_works_inside_no_grad():
    with ag.no_grad():
        assert ag.grad(lambda x: x * x)(tensor(3.0)).item() == 6.0


def test_what_was_computed_before_a_change_in_place_counts():
    def loss(x):
        y = x * 2
        z = y * 3
        y += 1  # the record of y that z was made from lies behind this one
        return (z + y).sum()

    x, other = (Tensor(X, requires_grad=True) for _ in range(2))
    loss(x).backward()
    np.testing.assert_array_equal(x.grad.array, np.full(3, 8.0))
    np.testing.assert_array_equal(ag.grad(loss(other), other)[0].array, x.grad.array)


def test_backward_of_inputs_alone() -> None:
    a, b = (tensor([2.0, 3.0], requires_grad=True) for _ in range(2))
    h = a * b
    h.sum().backward(inputs=[a], retain_graph=True)
    assert a.grad is not None and a.grad.tolist() == [2.0, 3.0] and b.grad is None
    (h * h).sum().backward(inputs=h)
    assert h.grad is not None and h.grad.tolist() == [8.0, 18.0]
    assert b.grad is None and a.grad.tolist() == [2.0, 3.0]


def test_gradients_of_what_is_not_used_are_materialized() -> None:
    a, b = (tensor([2.0, 3.0], requires_grad=True) for _ in range(2))
    da, db = ag.grad((a * a).sum(), (a, b), materialize_grads=True)
    assert da.tolist() == [4.0, 6.0] and db.tolist() == [0.0, 0.0]


def test_gradients_for_a_batch_of_grad_outputs() -> None:
    a = tensor([2.0, 3.0], requires_grad=True)
    y = a * a
    (jacobian,) = ag.grad(y, a, ag.eye(2), is_grads_batched=True, create_graph=True)
    assert jacobian.tolist() == [[4.0, 0.0], [0.0, 6.0]]
    (second,) = ag.grad(jacobian.sum(), a)
    assert second.tolist() == [2.0, 2.0]
    ag.grad(a * a, a, ag.eye(2), is_grads_batched=True)


def test_the_record_of_an_input_is_not_released() -> None:
    x = tensor([1.0, 2.0], requires_grad=True)
    h = x * x
    (g,) = ag.grad((h * h).sum(), h)
    h.backward(g)
    assert x.grad is not None and x.grad.tolist() == [4.0, 32.0]
    h = x * x
    ag.grad((h * h).sum(), [h, x])
    with pytest.raises(RuntimeError, match="was released by an earlier backward"):
        h.sum().backward()


# ---- Jacobians in one pass --------------------------------------------------------------------


def both_ways(monkeypatch, derivative):
    """What it gives in one pass, and with one backward pass for each row."""
    at_once = derivative()
    with monkeypatch.context() as patch:
        patch.setattr(calculus, "jacobian_rows", lambda *args: None)
        return at_once, derivative()


def close(a, b):
    if isinstance(a, tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            close(one, other)
    else:
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a.array, b.array, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("row", sorted(CASES_OF))
def test_the_jacobian_of_every_row_is_what_single_passes_give(row, monkeypatch):
    for case in CASES_OF[row][:3]:
        tensors = [Tensor(a) for a in case.arrays()]
        at = [i for i, t in enumerate(tensors) if t.dtype.kind == "f"]

        def function(*xs, case=case, tensors=tensors, at=at):
            full = list(tensors)
            for i, x in zip(at, xs, strict=True):
                full[i] = x * 1
            return case(*full)

        xs = tuple(tensors[i] for i in at)
        if not xs or function(*xs).numel() > 30:
            continue
        close(*both_ways(monkeypatch, lambda f=function, xs=xs: ag.jacobian(f, xs)))


def test_a_network_has_its_jacobian_and_hessian_in_one_pass(monkeypatch):
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.LayerNorm(4), nn.Linear(4, 2)).double()
    x = Tensor(np.random.default_rng(0).standard_normal((5, 3)))
    passes = Counting(monkeypatch)
    close(*both_ways(monkeypatch, lambda: ag.jacobian(model, x)))
    assert passes.many == 10  # all of the second way
    close(*both_ways(monkeypatch, lambda: ag.hessian(lambda x: (model(x) ** 2).mean(), x)))
    monkeypatch.setattr(rows, "AT_ONCE", 40)  # two rows at a time
    close(*both_ways(monkeypatch, lambda: ag.jacobian(model, x)))


class Counting:
    """How many backward passes there are."""

    def __init__(self, monkeypatch):
        self.many, pull = 0, calculus.pull_in_mode

        def counted(*args, **kw):
            self.many += 1
            return pull(*args, **kw)

        monkeypatch.setattr(calculus, "pull_in_mode", counted)


def test_hooks_see_the_gradient_of_every_row():
    seen = []

    def function(x):
        y = x * 2
        y.register_hook(lambda g: seen.append(g.tolist()))
        return y.sin()

    ag.jacobian(function, Tensor([0.0, 0.0]))
    assert seen == [[1.0, 0.0], [0.0, 1.0]]


def test_a_value_that_was_changed_is_an_error_in_a_jacobian():
    def function(x):
        y = x * 2
        z = y * y
        with ag.no_grad():
            y += 1
        return z

    with pytest.raises(RuntimeError, match=r"mul: input 0.* was changed in place"):
        ag.jacobian(function, Tensor([1.0, 2.0]))
