"""Fused operations: one record for `backward()`, what they are made of for everybody else."""

import copy
import gc
import weakref
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, compare, compile, derive, draw, tape, tensor
from autograd_lite.anomaly import detect_anomaly
from autograd_lite.program.chain import Tape

R = np.random.default_rng(0)
KINDS = ("RNN", "LSTM", "GRU")


def net(kind: str, **kw: Any) -> tuple[Any, Tensor]:
    layer = getattr(nn, kind)(3, 2, **kw).double()
    return layer, tensor(R.standard_normal((4, 2, 3)), requires_grad=True, name="x")


def loss_of(layer: Any, x: Tensor) -> Tensor:
    y, last = layer(x)
    last = last if isinstance(last, tuple) else (last,)
    return (y * y).sum() + sum(((k + 2) * s.sin()).sum() for k, s in enumerate(last))


def grads(layer: Any, x: Tensor, loss: Tensor, **kw: Any) -> list[Any]:
    layer.zero_grad()
    x.grad = None
    loss.backward(**kw)
    return [p.grad.array for p in (x, *layer.parameters())]


def close(a: list[Any], b: list[Any]) -> None:
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_backward_meets_one_record_and_readers_what_it_is_made_of(kind: str) -> None:
    layer, x = net(kind)
    found = grads(layer, x, loss_of(layer, x))
    loss = loss_of(layer, x)
    fused = [t.op.name for t in tape(loss) if t.op is not None]
    assert kind.lower() in fused
    ops = [t.op.name for t in tape(loss, unfold=True) if t.op is not None]
    assert kind.lower() not in ops
    assert ops.count("matmul") == 2 * 4
    assert len(ops) > len(fused) + 15
    close(grads(layer, x, loss, retain_graph=True), found)  # now through all operations
    close(grads(layer, x, loss), found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kw", [{"num_layers": 2}, {"bidirectional": True}, {"bias": False}])
def test_gradients_to_second_order_are_those_of_the_operations(kind: str, kw: Any) -> None:
    layer, x = net(kind, **kw)
    params = (x, *layer.parameters())
    results = []
    for open_first in (False, True):
        loss = loss_of(layer, x)
        if open_first:
            Tape(loss)
        first = ag.grad(loss, params, create_graph=True)
        total = sum(((k + 1) * g * g).sum() for k, g in enumerate(first))
        results.append([g.array for g in (*first, *ag.grad(total, params))])
    close(*results)


def test_serial_numbers_stay_in_order() -> None:
    layer, x = net("LSTM", num_layers=2)
    nodes = Tape(loss_of(layer, x)).nodes
    assert [t.serial for t in nodes] == sorted(t.serial for t in nodes)
    for t in nodes:
        assert all(p is None or p.serial < t.serial for p in t.parents or ())


def test_an_output_may_be_changed_in_place() -> None:
    layer, x = net("LSTM")
    y, _ = layer(x)
    expected = grads(layer, x, (y * 2).sum())
    for reader in (None, Tape, draw):
        y, (_, c) = layer(x)
        y *= 2
        c += 1
        loss = y.sum()
        if reader is not None:
            reader(loss)
        close(grads(layer, x, loss), expected)


def test_an_input_that_was_changed_is_an_error() -> None:
    layer, x = net("GRU")
    loss = loss_of(layer, x)
    with ag.no_grad():
        layer.weight_hh_l0 *= 2
    with pytest.raises(RuntimeError, match=r"derive: .* was changed in place"):
        derive(loss)
    assert "z = gru(x, weight_ih_l0, weight_hh_l0" in str(draw(loss, layer))
    with pytest.raises(RuntimeError, match=r"gru: input 2, .* \(6, 2\), was changed in place"):
        loss.backward()


@pytest.mark.parametrize("name", ["autograd_lite", "torch"])
def test_logits_may_change_between_their_loss_and_backward(name: str) -> None:
    t = pytest.importorskip(name)
    w = t.tensor([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]], requires_grad=True)
    x = w * 1.5
    loss = t.nn.functional.cross_entropy(x, t.tensor([0, 2]))
    with t.no_grad():
        x[:, 1:] = float("-inf")
    loss.backward()
    expected = [[-0.614412, 0.607662, 0.006751], [0.017048, 0.008053, -0.025101]]
    np.testing.assert_allclose(w.grad.tolist(), expected, atol=2e-6)


def test_second_derivatives_and_formulas_need_logits_as_they_were() -> None:
    x = tensor([[1.0, 2.0]], requires_grad=True, name="x") * 1
    loss = ag.nn.functional.cross_entropy(x, np.array([0]))
    x += 1
    with pytest.raises(RuntimeError, match=r"cross_entropy: input 0, .* was changed in place"):
        loss.backward(create_graph=True)
    with pytest.raises(RuntimeError, match=r"derive: input 0 of cross_entropy, .* was changed in"):
        derive(loss)
    assert "loss = cross_entropy(u, " in str(draw(loss))


def test_a_drawing_after_the_step_says_to_draw_before_it() -> None:
    model = nn.LSTM(3, 2)
    loss = model(ag.ones(4, 1, 3))[0].sum()
    loss.backward(retain_graph=True)
    nn.optim.SGD(model.parameters(), lr=0.1).step()
    assert "no text: an input was changed since; draw before the step" in str(draw(loss))


def test_a_linear_layer_has_its_formulas_after_the_step_too() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2, bias=False))
    loss = model(ag.ones(4, 3)).sum()
    loss.backward(retain_graph=True)
    nn.optim.SGD(model.parameters(), lr=0.1).step()
    drawn = str(draw(loss))
    assert "m = x @ W1.T + b" in drawn and "d_b = sum(d_m over rows)" in drawn
    assert "z = m @ W2.T" in drawn and "d_m = d_z @ W2" in drawn
    assert drawn.count("changed in place since: the values are gone") == 3


def test_what_forward_kept_goes_with_the_record() -> None:
    layer, x = net("LSTM")
    gc.disable()
    try:
        y, _ = layer(x)
        whole = y.parents[0]
        kept = [weakref.ref(a) for a in whole.args[-1]]
        del whole
        y.sum().backward()
        assert all(r() is None for r in kept)
    finally:
        gc.enable()


def test_nothing_is_kept_without_a_gradient() -> None:
    layer, x = net("LSTM")
    with ag.no_grad():
        y, _ = layer(x)
    assert y.op is None
    assert y.parents == ()


def test_readers() -> None:
    layer, x = net("LSTM")
    head = nn.Linear(2, 1).double()
    model = nn.ModuleList([layer, head])

    def loss() -> Tensor:
        return (head(layer(x)[0][-1]) ** 2).mean()

    derived = derive(loss(), model)
    assert all(row.ok for row in derived.check().rows)
    value, found = derived.function()(**derived.arguments)
    expected = loss()
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-12)
    for name, p in model.named_parameters():
        np.testing.assert_allclose(found[name], p.grad.array, rtol=1e-9, atol=1e-12)
    assert compare(loss(), {n: p.grad.array for n, p in model.named_parameters()}, model=model).ok
    step = compile(loss)
    assert step().item() == pytest.approx(expected.item(), rel=1e-12)
    assert not step.why
    assert "tanh" in str(draw(loss(), model=model, depth=9))
    again = copy.deepcopy(loss())
    assert again.item() == expected.item()
    with detect_anomaly():
        loss().backward()


def test_a_derivation_names_states_gates_and_the_sum_over_time() -> None:
    layer, x = net("LSTM")
    text = str(derive(layer(x.detach())[0].sum(), layer))
    assert "c2 = f2 * c1 + i2 * g2" in text
    assert "h2 = o2 * a2" in text
    assert "d_z2 = concatenate([d_" in text
    assert "d_weight_hh_l0 = sum of d_z[t].T @ h[t-1] over t = 1, ..., 4" in text
    assert "d_bias_ih_l0 = d_bias_hh_l0" in text


# ---- linear layers and the loss of classes ------------------------------------------------------

CLASSES = np.array([0, 2, 1, 2])
F = nn.functional
SINGLE: dict[str, Any] = {
    "linear": (lambda x, w, b: F.linear(x, w, b), [(4, 3), (2, 3), (2,)]),
    "linear, no bias": (lambda x, w: F.linear(x, w), [(4, 3), (2, 3)]),
    "linear, one row": (lambda x, w, b: F.linear(x, w, b), [(1, 3), (2, 3), (2,)]),
    "linear, more axes": (lambda x, w, b: F.linear(x, w, b), [(2, 4, 3), (2, 3), (2,)]),
    "linear, nothing": (lambda x, w, b: F.linear(x, w, b), [(0, 3), (2, 3), (2,)]),
    "cross_entropy": (lambda x: F.cross_entropy(x, CLASSES), [(4, 3)]),
    "cross_entropy, sum": (lambda x: F.cross_entropy(x, CLASSES, reduction="sum"), [(4, 3)]),
}


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", SINGLE)
def test_one_record_has_the_derivatives_of_its_operations(name: str, order: Any) -> None:
    function, shapes = SINGLE[name]
    arrays = [np.asarray(R.standard_normal(s), order=order) for s in shapes]
    results = []
    for open_first in (False, True):
        xs = [tensor(a, requires_grad=True) for a in arrays]
        for x, a in zip(xs, arrays, strict=True):
            x.array = a.copy(order)
        y = function(*xs)
        assert y.op.name == name.partition(",")[0]
        if open_first:
            Tape(y)
            assert y.op.name in ("add", "matmul", "nll")
        loss = (y * y.detach()).sum()
        plain = ag.grad(loss, xs, retain_graph=True)
        first = ag.grad(loss, xs, create_graph=True)
        total = sum(((k + 1) * g * g).sum() for k, g in enumerate(first))
        second = ag.grad(total, xs, allow_unused=True, materialize_grads=True)
        results.append([y.array, *(g.array for g in (*plain, *first, *second))])
    close(*results)


def test_what_one_record_does_not_do_is_left_to_its_operations() -> None:
    w, b = tensor(R.standard_normal((2, 3))), tensor(R.standard_normal(2))
    for x in (ag.ones(3), ag.ones(4, 3, dtype="int64")):  # a vector, integers
        assert F.linear(x.to("float64") if x.ndim == 1 else x, w, b).op is None
        np.testing.assert_allclose(F.linear(x, w, b).array[..., 0], w.array[0].sum() + b.array[0])
    with pytest.raises(ValueError, match=r"matmul: inputs \(4, 5\) and \(3, 2\) do not agree"):
        F.linear(ag.ones(4, 5, dtype="float64"), w, b)
    with pytest.raises(IndexError, match="class 7 is out of range; there are 3 classes"):
        F.cross_entropy(ag.ones(2, 3), np.array([0, 7]))
    assert F.cross_entropy(ag.ones(2, 3), np.array([0, -100])).item() == pytest.approx(np.log(3))


def test_a_bias_may_change_before_backward_and_a_weight_may_not() -> None:
    layer = nn.Linear(3, 2)
    x = tensor(R.standard_normal((4, 3)).astype("float32"), requires_grad=True)
    y = layer(x)
    with ag.no_grad():
        layer.bias += 1
    y.sum().backward()
    y = layer(x)
    with ag.no_grad():
        layer.weight += 1
    with pytest.raises(RuntimeError, match=r"linear: input 1, of shape \(2, 3\), was changed"):
        y.sum().backward()
