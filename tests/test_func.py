"""`func` and `utils.checkpoint`: every test of behaviour runs with PyTorch too."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import autograd_lite
import nn
from autograd_lite import func, tensor
from autograd_lite.utils import checkpoint as checkpoints

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
OURS = SimpleNamespace(
    **{k: getattr(autograd_lite, k) for k in ("tensor", "zeros", "ones", "rand", "manual_seed")},
    func=func,
    nn=nn,
    autograd=autograd_lite.autograd,
    no_grad=autograd_lite.no_grad,
    utils=SimpleNamespace(checkpoint=checkpoints),
)


@pytest.fixture(params=["ours", "torch"])
def t(request: pytest.FixtureRequest) -> Any:
    """The library under test, and the judge."""
    if request.param == "ours":
        return OURS
    torch = pytest.importorskip("torch")
    importlib.import_module("torch.utils.checkpoint")

    return torch


def values(x: Any) -> Any:
    if isinstance(x, tuple | list):
        return [values(p) for p in x]
    if isinstance(x, dict):
        return {k: values(p) for k, p in x.items()}
    return np.array(x.tolist())


def same(x: Any, y: Any) -> None:
    if isinstance(y, list):
        assert len(x) == len(y)
        for a, b in zip(x, y, strict=True):
            same(a, b)
    elif isinstance(y, dict):
        assert list(x) == list(y)
        for k in y:
            same(x[k], y[k])
    else:
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


A, B = [[0.5, -1.0], [1.5, 2.0]], [0.3, -0.7]
CALLS: dict[str, Any] = {
    "grad": lambda t, a, b: t.func.grad(lambda x, y: (x @ y).sum() * y[0], (0, 1))(a, b),
    "grad of one": lambda t, a, b: t.func.grad(lambda x, y: (x @ y).sum(), 1)(a, b),
    "grad of grad": lambda t, a, b: t.func.grad(
        lambda y: t.func.grad(lambda z: (z**3).sum())(y).sum()
    )(b),
    "grad with aux": lambda t, a, b: t.func.grad(lambda y: (y.sum(), {"y": y * 2}), has_aux=True)(
        b
    ),
    "grad and value": lambda t, a, b: t.func.grad_and_value(lambda y: (y * y).sum())(b),
    "grad and value, aux": lambda t, a, b: t.func.grad_and_value(
        lambda y: ((y * y).sum(), y), has_aux=True
    )(b),
    "grad of a dictionary": lambda t, a, b: t.func.grad(
        lambda p, x: ((x @ p["w"] + p["more"][0]) ** 2).sum()
    )({"w": b, "more": [b * 2]}, a),
    "vjp": lambda t, a, b: t.func.vjp(lambda x, y: (x @ y, y.exp()), a, b)[1]((b, b)),
    "vjp of a dictionary": lambda t, a, b: t.func.vjp(lambda y: {"y": y.sin()}, b)[1]({"y": b}),
    "vjp with aux": lambda t, a, b: t.func.vjp(lambda y: (y.sin(), y), b, has_aux=True)[2],
    "jvp": lambda t, a, b: t.func.jvp(lambda x, y: (x @ y, y.exp()), (a, b), (a, b)),
    "jvp without influence": lambda t, a, b: t.func.jvp(lambda x, y: y * 2, (a, b), (a, b)),
    "jacrev": lambda t, a, b: t.func.jacrev(lambda x, y: (x @ y, y.exp()), (0, 1))(a, b),
    "jacrev of a dictionary": lambda t, a, b: t.func.jacrev(lambda d: d["y"] ** 2)({"y": b}),
    "jacrev twice": lambda t, a, b: t.func.jacrev(t.func.jacrev(lambda y: y**3))(b),
    "jacfwd": lambda t, a, b: t.func.jacfwd(lambda x, y: x @ y, 0)(a, b),
    "hessian": lambda t, a, b: t.func.hessian(lambda x, y: ((x @ y) ** 3).sum(), 1)(a, b),
    "vmap": lambda t, a, b: t.func.vmap(lambda x, y: (x @ y, x * 2), (0, None))(a, b),
    "vmap, axes": lambda t, a, b: t.func.vmap(lambda x, d: x * d["y"], (1, {"y": 0}), out_dims=1)(
        a, {"y": b}
    ),
    "vmap of grad": lambda t, a, b: t.func.vmap(
        t.func.grad(lambda w, x: ((w * x).sum() - 1) ** 2), (None, 0)
    )(b, a),
    "grad of vmap": lambda t, a, b: t.func.grad(
        lambda y: t.func.vmap(lambda x: (x * y).sum() ** 2)(a).sum()
    )(b),
    "vmap of vmap": lambda t, a, b: t.func.vmap(t.func.vmap(lambda x: x * x))(a),
    "jacrev of vmap": lambda t, a, b: t.func.jacrev(t.func.vmap(lambda x: x.exp()))(b),
}


@pytest.mark.parametrize("name", CALLS)
def test_func_is_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    found = CALLS[name](OURS, tensor(A), tensor(B))
    same(values(found), values(CALLS[name](torch, torch.tensor(A), torch.tensor(B))))


def test_what_is_captured_gets_gradients(t: Any) -> None:
    w = t.tensor([1.0, 2.0], requires_grad=True)
    x = t.tensor([3.0, 4.0])
    (g, value) = t.func.grad_and_value(lambda x: ((w * x) ** 2).sum())(x)
    (g.sum() + value).backward()
    same(values(w.grad), np.array([4 * 1 * 3 + 2 * 9, 4 * 2 * 4 + 2 * 2 * 16.0]))
    g, value = t.func.grad_and_value(lambda x: (x**2).sum())(x)
    assert not g.requires_grad and not value.requires_grad and not x.requires_grad
    g = t.func.grad(lambda w: (w**3).sum())(w)
    w.grad = None
    g.sum().backward()
    same(values(w.grad), np.array([6.0, 12.0]))
    with t.no_grad():
        assert t.func.grad(lambda w: (w**3).sum())(w).tolist() == [3, 12]


def test_errors(t: Any) -> None:
    x, y = t.ones(3), t.ones(2)
    with pytest.raises(RuntimeError):
        t.func.grad(lambda x: x)(x)
    with pytest.raises(RuntimeError):
        t.func.grad(lambda x: x.sum(), 1)(x)
    with pytest.raises(ValueError):
        t.func.vmap(lambda a, b: a)(x, y)
    with pytest.raises(ValueError):
        t.func.vmap(lambda a: a, in_dims=(None,))(x)
    with pytest.raises(ValueError):
        t.func.vmap(lambda a, b: a, in_dims=(0,))(x, y)
    with pytest.raises(RuntimeError):
        t.func.vmap(lambda a: a * t.rand(1))(x)
    with pytest.raises(RuntimeError):
        t.func.vmap(lambda a: a, randomness="often")(x)
    with pytest.raises(RuntimeError):
        t.func.jvp(lambda a: a, (x,), (y,))
    with pytest.raises(RuntimeError):
        t.func.jvp(lambda a: a, x, x)
    with pytest.raises(RuntimeError):
        t.func.vjp(lambda a: a, x)[1](y)


def test_random_numbers_of_vmap(t: Any) -> None:
    f = t.func.vmap(lambda a: a + t.rand(1), randomness="same")(t.zeros(3))
    assert f[0].item() == f[1].item() == f[2].item()
    f = t.func.vmap(lambda a: a + t.rand(1), randomness="different")(t.zeros(3))
    assert f[0].item() != f[1].item()


def test_functional_call(t: Any) -> None:
    layer = t.nn.Linear(2, 1)
    own = layer.weight
    other = {"weight": t.ones(1, 2), "bias": t.zeros(1)}
    x = t.tensor([[1.0, 2.0]])
    assert t.func.functional_call(layer, other, (x,)).item() == 3
    assert t.func.functional_call(layer, [{"weight": t.zeros(1, 2)}, {"bias": t.ones(1)}], x) == 1
    assert layer.weight is own
    loss = t.func.grad(lambda p: t.func.functional_call(layer, p, x).sum())
    same(values(loss(other)), {"weight": np.array([[1.0, 2]]), "bias": np.array([1.0])})
    with pytest.raises(RuntimeError):
        t.func.functional_call(layer, {"weight": t.ones(1, 2)}, (x,), strict=True)
    with pytest.raises((RuntimeError, ValueError)):
        t.func.functional_call(layer, {"weight": t.ones(3, 3)}, (x,))
    assert layer.weight is own
    norm = t.nn.Sequential(t.nn.BatchNorm1d(2))
    moved = {"0.running_mean": t.zeros(2), "0.running_var": t.ones(2)}
    before = norm[0].running_mean.tolist()
    t.func.functional_call(norm, moved, (t.tensor([[1.0, 2.0], [3.0, 4.0]]),))
    assert norm[0].running_mean.tolist() == before

    class Tied(t.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.a = t.nn.Parameter(t.tensor([2.0]))
            self.b = self.a

        def forward(self, x: Any) -> Any:
            return self.a * self.b * x

    tied = Tied()
    one = t.tensor([1.0])
    assert t.func.functional_call(tied, {"a": one * 3}, (one,)).item() == 9
    assert t.func.functional_call(tied, {"a": one * 3}, (one,), tie_weights=False).item() == 6


def test_functional_call_names_what_is_unknown() -> None:
    with pytest.raises(RuntimeError, match="functional_call: Linear has no other"):
        func.functional_call(nn.Linear(2, 1), {"other": tensor([1.0])}, tensor([[1.0, 2.0]]))


def test_per_sample_gradients(t: Any) -> None:
    model = t.nn.Sequential(t.nn.Linear(3, 2), t.nn.Tanh(), t.nn.Linear(2, 1))
    x = t.tensor(np.random.default_rng(0).standard_normal((4, 3)).astype("float32"))
    parameters = {k: v.detach() for k, v in model.named_parameters()}

    def loss(p: Any, sample: Any) -> Any:
        return t.func.functional_call(model, p, (sample,)).sum() ** 2

    each = t.func.vmap(t.func.grad(loss), (None, 0))(parameters, x)
    for i in range(4):
        model.zero_grad()
        (model(x[i]).sum() ** 2).backward()
        for name, p in model.named_parameters():
            same(values(each[name][i]), values(p.grad))


# ---- checkpoint -----------------------------------------------------------------------------------


def test_checkpoint_gives_the_same_gradients_and_runs_twice(t: Any) -> None:
    model = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Tanh(), t.nn.Linear(4, 2))
    calls = []

    def part(x: Any, scale: float, *, add: Any) -> Any:
        calls.append(1)
        return (model(x) * scale + add).tanh()

    x = t.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    found = []
    for run in (
        lambda *a, **k: part(*a, **k),
        lambda *a, **k: t.utils.checkpoint.checkpoint(part, *a, use_reentrant=False, **k),
    ):
        model.zero_grad()
        x.grad = None
        (run(x, 2.0, add=t.ones(2)) ** 2).sum().backward()
        found.append([values(x.grad), *[values(p.grad) for p in model.parameters()]])
    same(found[0], found[1])
    assert calls == [1, 1, 1]


def test_checkpoint_of_several_outputs_and_of_what_needs_no_gradient(t: Any) -> None:
    w = t.tensor([2.0], requires_grad=True)
    x = t.tensor([3.0])

    def part(x: Any) -> Any:
        return x * w, x * 2, "text"

    p, q, text = t.utils.checkpoint.checkpoint(part, x, use_reentrant=False)
    assert text == "text" and not q.requires_grad and q.item() == 6
    (p * q).backward()
    assert w.grad.item() == 18
    with t.no_grad():
        assert not t.utils.checkpoint.checkpoint(part, x, use_reentrant=False)[0].requires_grad


def test_checkpoint_draws_the_same_numbers(t: Any) -> None:
    x = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
    t.manual_seed(3)
    y = t.utils.checkpoint.checkpoint(lambda x: x * t.rand(3), x, use_reentrant=False)
    after = t.rand(1).item()
    y.sum().backward()
    same(values(x.grad * x), values(y.detach()))
    following = t.rand(1).item()
    t.manual_seed(3)
    t.rand(3)
    assert [t.rand(1).item(), t.rand(1).item()] == [after, following]


def test_checkpoint_can_be_differentiated_twice(t: Any) -> None:
    x = t.tensor([1.0, 2.0], requires_grad=True)
    y = t.utils.checkpoint.checkpoint(lambda x: (x**3).sum(), x, use_reentrant=False)
    (g,) = t.autograd.grad(y, x, create_graph=True)
    g.sum().backward()
    same(values(x.grad), np.array([6.0, 12.0]))


def test_checkpoint_sequential(t: Any) -> None:
    model = t.nn.Sequential(t.nn.Linear(3, 3), t.nn.Tanh(), t.nn.Linear(3, 3), t.nn.Linear(3, 1))
    x = t.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    model(x).sum().backward()
    expected = values(x.grad)
    x.grad = None
    y = t.utils.checkpoint.checkpoint_sequential(model, 3, x, use_reentrant=False)
    y.sum().backward()
    same(values(x.grad), expected)
    with pytest.raises((ValueError, ZeroDivisionError)):
        t.utils.checkpoint.checkpoint_sequential(model, 0, x, use_reentrant=False)


def test_checkpoint_keeps_no_values_in_between() -> None:
    import tracemalloc

    x = tensor(np.ones(100_000), requires_grad=True)

    def part(x: Any) -> Any:
        for _ in range(20):
            x = (x * 1.01).tanh()
        return x

    kept = []
    for run in (part, lambda x: checkpoints.checkpoint(part, x)):
        tracemalloc.start()
        y = run(x)
        kept.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        y.sum().backward()
    assert kept[1] < kept[0] / 10


def test_an_input_that_was_changed_is_an_error() -> None:
    x = tensor([1.0, 2.0], requires_grad=True)
    h = x * 1
    y = checkpoints.checkpoint(lambda h: h * h, h)
    h.mul_(2)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()


def test_an_ensemble_runs_on_stacked_states() -> None:
    models = [nn.BatchNorm1d(3), nn.BatchNorm1d(3)]
    models[1].bias.data.fill_(2.0)
    parameters, buffers = func.stack_module_state(models)
    assert {n: t.shape for n, t in parameters.items()} == {"weight": (2, 3), "bias": (2, 3)}
    assert all(t.is_leaf and t.requires_grad for t in parameters.values())
    assert buffers["running_var"].shape == (2, 3) and not buffers["running_var"].requires_grad
    x = tensor([[1.0, 2.0, 3.0]])
    for model in models:
        model.eval()

    def call(parameters: Any, buffers: Any) -> Any:
        return func.functional_call(models[0], (parameters, buffers), x)

    together = func.vmap(call)(parameters, buffers)
    np.testing.assert_array_equal(
        together.detach().numpy(), np.stack([m(x).detach().numpy() for m in models])
    )
    with pytest.raises(RuntimeError, match=r"^stack_module_state: no modules"):
        func.stack_module_state([])
