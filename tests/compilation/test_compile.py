"""`compile` against the function itself: values, gradients, and every way to become stale."""

from __future__ import annotations

import copy
import random
import threading
import time
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from os import getenv
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_lite as ag
import nn
from autograd_lite import Tensor, compile, no_grad, tensor
from autograd_lite.compilation import Compiled
from autograd_lite.engine.op import Op
from nn import functional as F
from tests.cases import CASES_OF, Case


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def weight(*shape: int, seed: int = 0) -> Tensor:
    return Tensor(normal(*shape, seed=seed), requires_grad=True)


def gradients(loss: Tensor, *leaves: Tensor) -> list[Any]:
    """The value of the loss and the gradients that its backward gives."""
    for t in leaves:
        t.grad = None
    loss.backward()
    return [loss.array.copy(), *(None if t.grad is None else t.grad.array.copy() for t in leaves)]


def same(a: list[Any], b: list[Any], rtol: float = 1e-12) -> None:
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        if x is None or y is None:
            assert x is y
            continue
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol)


def check(
    function: Callable[..., Tensor], leaves: list[Tensor], *calls: Any, rtol: float = 1e-12
) -> Compiled:
    """Call the function and its compiled form, alternately, and compare everything."""
    step = compile(function)
    for args in calls:
        expected = gradients(function(*args), *leaves)
        same(gradients(step(*args), *leaves), expected, rtol)
    return step


def is_compiled(step: Compiled) -> bool:
    return not step.why and step.traces > 0


@contextmanager
def falls_back(text: str) -> Iterator[None]:
    with pytest.warns(UserWarning, match=text) as seen:
        yield
    assert len(seen) == 1


# ---- every row, networks, random programs ---------------------------------------------------


SOME = [
    (case, dtype)
    for cases in CASES_OF.values()
    for dtype, n in (("float64", 8), ("float32", 1))
    for case in cases[:: -(-len(cases) // n)]
]


@pytest.mark.parametrize(("case", "dtype"), SOME, ids=lambda c: getattr(c, "id", c))
def test_every_row(case: Case, dtype: str) -> None:
    arrays = case.arrays(np.dtype(dtype))
    tensors = [Tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    leaves = [t for t in tensors if t.requires_grad]

    def loss() -> Tensor:
        y = case(*tensors)
        return (y * y + y).sum()

    if not leaves or not loss().requires_grad:
        return
    rng = np.random.default_rng(0)
    step = compile(loss)
    rtol = 1e-11 if dtype == "float64" else 2e-4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some cases overflow
        for _ in range(2):
            expected = gradients(loss(), *leaves)
            same(gradients(step(), *leaves), expected, rtol)
            for t in leaves:  # other values, near enough to stay in the row's domain
                t.array *= 1 + 1e-3 * rng.random(t.shape).astype(t.dtype)
    assert is_compiled(step)


def mlp(*middle: Any) -> Any:
    return nn.Sequential(nn.Linear(5, 4), *middle, nn.Linear(4, 3)).double()


LAYERS: dict[str, Callable[[], Any]] = {
    "relu": lambda: mlp(nn.ReLU()), "tanh": lambda: mlp(nn.Tanh()),
    "sigmoid": lambda: mlp(nn.Sigmoid()), "gelu": lambda: mlp(nn.GELU()),
    "elu": lambda: mlp(nn.ELU()), "silu": lambda: mlp(nn.SiLU()),
    "softplus": lambda: mlp(nn.Softplus()), "leaky": lambda: mlp(nn.LeakyReLU()),
    "softmax": lambda: mlp(nn.Softmax(dim=1)), "layer norm": lambda: mlp(nn.LayerNorm(4).double()),
    "dropout": lambda: mlp(nn.Dropout(0.4), nn.ReLU()),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_networks_train_as_they_do_eagerly(name: str) -> None:
    model, rng = LAYERS[name](), np.random.default_rng(1)
    twin, loss_fn = copy.deepcopy(model), nn.CrossEntropyLoss()
    step = compile(lambda x, y: loss_fn(model(x), y))
    optimizers = [nn.optim.Adam(m.parameters(), lr=0.05) for m in (model, twin)]
    for i in range(6):
        x, y = Tensor(rng.standard_normal((6, 5))), Tensor(rng.integers(0, 3, 6))
        losses = []
        for call, optimizer in zip(
            (step, lambda x, y: loss_fn(twin(x), y)), optimizers, strict=True
        ):
            ag.manual_seed(i)
            optimizer.zero_grad()
            losses.append(call(x, y))
            losses[-1].backward()
            optimizer.step()
        same([losses[0].array], [losses[1].array])
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        same([p.array], [q.array], 1e-10)
    assert is_compiled(step)


UNARY = ["tanh", "exp", "sigmoid", "relu", "sin", "abs", "neg", "square", "softplus", "arctan"]
BINARY = ["add", "sub", "mul", "maximum", "minimum"]


KINDS = [
    "unary", "binary", "mean", "matmul", "part", "mask", "detach", "max", "keep", "step", "element",
    "row", "order", "noise",
]  # fmt: skip


@st.composite
def programs(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    lines: list[tuple[Any, ...]] = []
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(KINDS))
        a, b = draw(st.integers(0, 20)), draw(st.integers(0, 20))
        name = draw(st.sampled_from(UNARY if kind == "unary" else BINARY))
        lines.append((kind, name, a, b))
    return lines


def run_program(
    lines: list[tuple[Any, ...]],
    values: list[Tensor],
    kept: list[Tensor],
    rounding: Callable[[], Any] | None = None,
) -> Tensor:
    """All values are (3, 3); each line takes earlier ones, or changes one that is kept.

    With `rounding`, a factor near 1, each number that is found is another in its last bit.
    """
    found = list(values)
    for kind, name, i, j in lines:
        a, b = found[i % len(found)], found[j % len(found)]
        if kind == "unary":
            y = getattr(ag, name)(a * 0.5)
        elif kind == "binary":
            y = getattr(ag, name)(a, b) if name in ("maximum", "minimum") else getattr(a, name)(b)
        elif kind == "mean":
            y = a - b.mean(dim=j % 2, keepdim=True)
        elif kind == "matmul":
            y = (a @ b.T) * 0.3
        elif kind == "part":
            y = ag.concatenate([a[1:], b[:1]], 0)
        elif kind == "mask":
            y = ag.where(a > b, a, 0.5 * b)
        elif kind == "element":
            y = a * b[i % 3, j % 3]
        elif kind == "row":
            y = a[i % 3] + b[:, j % 3].reshape(3, 1) * a.T.flatten()[::3]
        elif kind == "order":
            order = np.argsort(b, axis=0)
            y = np.take_along_axis(a, order, 0) + b[order[0]]
        elif kind == "noise":
            y = a + b * ag.randn(3, 1, dtype=np.float64)
        elif kind == "max":
            top, place = a.max(dim=j % 2)
            y = top * b + a[place]
        elif kind == "keep":
            place = kept[i % len(kept)]
            y = a + place.clone()
            place[j % 3] = b.detach().mean(dim=0) * 0.5
        elif kind == "step":
            place = kept[i % len(kept)]
            with no_grad():
                place.mul_(0.9).add_(a - kept[j % len(kept)], alpha=0.1)
            y = b * place.clone()
        else:
            y = a.detach() * b
        y = y.tanh()
        found.append(y if rounding is None else y * rounding())
    total = found[0].sum()
    for y in found[1:]:
        total = total + (y * y).mean()
    return total


@settings(max_examples=60, deadline=None)
@given(programs(), st.integers(0, 2**31))
def test_random_programs(lines: list[tuple[Any, ...]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    w, v = (Tensor(rng.standard_normal((3, 3)), requires_grad=True) for _ in range(2))
    fixed = Tensor(rng.standard_normal((3, 3)))
    kept = [Tensor(rng.standard_normal((3, 3))) for _ in range(2)]
    twins = [Tensor(t.array.copy()) for t in kept]
    step = compile(lambda x: run_program(lines, [w, v, fixed, x], kept))
    for _ in range(4):
        x = Tensor(rng.standard_normal((3, 3)))
        ag.manual_seed(seed)
        expected = gradients(run_program(lines, [w, v, fixed, x], twins), w, v)
        ag.manual_seed(seed)
        same(gradients(step(x), w, v), expected, 1e-9)
        same([t.array for t in kept], [t.array for t in twins], 1e-9)
    assert is_compiled(step)


@settings(max_examples=30, deadline=None)
@given(programs(), st.integers(0, 2**31), st.booleans())
def test_random_programs_descend(lines: list[tuple[Any, ...]], seed: int, split: bool) -> None:
    """With the rate in the code, of one group or of one for each tensor."""
    rng = np.random.default_rng(seed)
    start = rng.standard_normal((3, 3, 3))
    fixed = Tensor(start[2])
    sets = [[Tensor(a.copy(), requires_grad=True) for a in start[:2]] for _ in range(2)]
    groups = [[{"params": t, "lr": 0.1 * (i + 1)} for i, t in enumerate(ts)] for ts in sets]
    optimizers = [
        nn.optim.SGD(g if split else ts, lr=0.2) for g, ts in zip(groups, sets, strict=True)
    ]
    kept, twins = ([Tensor(a) for a in 0.5 * start[:2]] for _ in range(2))
    step = compile(
        lambda x: run_program(lines, [*sets[0], fixed, x], kept), optimizer=optimizers[0]
    )
    for _ in range(3):
        x = Tensor(rng.standard_normal((3, 3)))
        ag.manual_seed(seed)
        loss = step(x)
        ag.manual_seed(seed)
        optimizers[1].zero_grad()
        expected = run_program(lines, [*sets[1], fixed, x], twins)
        expected.backward()
        optimizers[1].step()
        same([loss.array], [expected.array], 1e-9)
        for p, q in zip([*sets[0], *kept], [*sets[1], *twins], strict=True):
            same([p.array], [q.array], 1e-9)
    assert is_compiled(step)


@pytest.mark.parametrize(
    ("targets", "change"),
    [
        (np.array([[0], [1]]), lambda y: y.reshape(-1)),
        (np.array([[0, 2], [1, 2]]), lambda y: y[:, 0]),
        (np.array([0, 1], np.int32), lambda y: y.to(np.int64)),
        (np.array([0.0, 1.0]), lambda y: y.to(np.int64)),
        (np.array([0, 1]), lambda y: y.detach()),
        (np.eye(4)[[0, 1]], lambda y: y.argmax(1)),
        (np.array([0, 1], ">i8"), lambda y: y),
    ],
)
def test_class_targets_may_be_computed(targets: Any, change: Any) -> None:
    w, rng = weight(5, 4), np.random.default_rng(0)
    step = check(
        lambda x, y: nn.functional.cross_entropy(x @ w, change(y)), [w],
        *([Tensor(rng.standard_normal((2, 5))), Tensor(targets)] for _ in range(3)),
    )  # fmt: skip
    assert is_compiled(step)
    assert step.traces == 1


@pytest.mark.parametrize("targets", ["int64", "int32", "uint8", "uint64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "shape", [(1, 1), (3, 10), (16, 10), (40, 3), (20, 33), (300, 10), (20, 300)]
)
def test_cross_entropy_of_every_size(shape: tuple[int, int], dtype: str, targets: str) -> None:
    """Rows and columns are added up, and elements found, in other ways by their number."""
    n, classes = shape
    rng = np.random.default_rng(n)
    w = Tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True)
    loss_fn = nn.CrossEntropyLoss()
    t = rng.integers(0, classes, n).astype(targets)
    step = check(
        lambda x, t: loss_fn(w * x, t), [w],
        *([Tensor(rng.standard_normal(shape).astype(dtype)), Tensor(t)] for _ in range(2)),
        rtol=1e-11 if dtype == "float64" else 1e-4,
    )  # fmt: skip
    assert is_compiled(step)
    x, function = Tensor(np.ones(shape, dtype)), step.function
    step.function = pytest.fail  # the code alone
    step(x, Tensor(t))
    step.function = function
    if classes <= np.iinfo(t.dtype).max:
        t[-1] = classes
        with pytest.raises(IndexError, match=f"class {classes} is out of range"):
            step(x, Tensor(t))


# ---- nothing is stale -----------------------------------------------------------------------


def test_shapes_dtypes_and_numbers_each_have_code_of_their_own() -> None:
    w = weight(3)
    step = check(
        lambda x, k: ((x * w) ** k).sum(), [w],
        (Tensor(normal(4, 3)), 2), (Tensor(normal(2, 3)), 2), (Tensor(normal(4, 3)), 3),
        (Tensor(normal(4, 3).astype("float32")), 2), (Tensor(normal(4, 3, seed=2)), 2),
    )  # fmt: skip
    assert step.traces == 4


def test_arrays_reach_the_function_as_tensors() -> None:
    w = weight(3)
    step = compile(lambda x: (Tensor(x) * w).sum())
    for seed in range(3):
        x = normal(2, 3, seed=seed)
        assert step(x).item() == pytest.approx(float((x * w.array).sum()))
    assert is_compiled(step)


def test_inputs_may_change_between_calls() -> None:
    w, x = weight(3), Tensor(normal(3))
    step = compile(lambda x: (x * w).sum())
    for _ in range(3):
        x.array += 1
        same(gradients(step(x), w)[1:], [x.array])
    x.array = normal(3, seed=5)
    same(gradients(step(x), w)[1:], [x.array])


def test_a_parameter_that_is_replaced_is_seen() -> None:
    model = nn.Linear(3, 1).double()
    x = Tensor(normal(2, 3))
    step = compile(lambda x: model(x).sum())
    step(x)
    step(x)
    model.weight = nn.Parameter(normal(1, 3, seed=3))
    same(gradients(step(x), model.weight), gradients(model(x).sum(), model.weight))
    model.weight.array = normal(1, 3, seed=4)
    same(gradients(step(x), model.weight), gradients(model(x).sum(), model.weight))


def test_freezing_is_seen() -> None:
    model = nn.Linear(3, 1).double()
    x = Tensor(normal(2, 3))
    step = compile(lambda x: model(x).sum())
    step(x).backward()
    model.weight.requires_grad_(False)
    model.weight.grad = None
    step(x).backward()
    assert model.weight.grad is None
    model.weight.requires_grad_(True)
    step(x).backward()
    assert model.weight.grad is not None


def test_buffers_and_captured_tensors_are_read_at_every_call() -> None:
    scale, w = Tensor(np.array([2.0])), weight(3)
    step = compile(lambda: (w * scale).sum())
    for value in (2.0, 5.0, -1.0):
        scale.array[...] = value
        same(gradients(step(), w)[1:], [np.full(3, value)])
    assert is_compiled(step)


def test_captured_numbers_arrays_lists_and_attributes_are_watched() -> None:
    class Settings:
        power = 2

    factor, table, names, options = 2.0, np.ones(3), [1.0], Settings()
    w = weight(3)

    def loss() -> Tensor:
        sign = -1 if table[1] > 5 else 1
        return sign * ((w * table * factor * names[0]) ** options.power).sum()

    step = compile(loss)

    def both() -> None:
        same(gradients(step(), w), gradients(loss(), w))

    both()
    factor = 3.0
    both()
    table[1] = 7
    both()
    names[0] = 0.5
    both()
    options.power = 3
    both()
    Settings.power = 4
    del options.power
    both()
    assert is_compiled(step)


def test_keys_and_dialects_are_watched() -> None:
    w, options = weight(3), {"double": True}
    step = compile(lambda x: (w * x).sum() * (2 if "double" in options else 1))
    x = Tensor(np.ones(3))
    first = step(x).item()
    options["single"] = options.pop("double")
    assert step(x).item() == first / 2
    step = compile(lambda x: (w * x).var())
    values = [step(x).item()]
    with ag.engine.modes.like_numpy():
        values.append(step(x).detach().item())  # a number, with no gradient to lose
    assert values == pytest.approx([w.array.var(ddof=1), w.array.var()])


def test_an_argument_that_shares_memory_with_a_buffer() -> None:
    w, buffer = Tensor(np.array([1.0, 2.0]), requires_grad=True), Tensor(np.ones(2))

    def function(x: Tensor) -> Tensor:
        with no_grad():
            buffer.mul_(2)
        return (w * x).sum()

    step = compile(function)
    assert step(Tensor(np.ones(2))).item() == 3
    assert [step(buffer).item() for _ in range(3)] == [12, 24, 48]


def test_training_mode_and_settings_of_modules_are_watched() -> None:
    model = mlp(nn.Dropout(0.5))
    x, y = Tensor(normal(8, 5)), Tensor(np.arange(8) % 3)
    loss_fn = nn.CrossEntropyLoss()
    step = compile(lambda x, y: loss_fn(model(x), y))
    assert step(x, y).item() != step(x, y).item()
    model.eval()
    for _ in range(2):
        assert step(x, y).item() == pytest.approx(loss_fn(model(x), y).item(), rel=1e-12)
    model.train()
    assert step(x, y).item() != step(x, y).item()
    model[1].p = 0.0
    assert step(x, y).item() == pytest.approx(loss_fn(model(x), y).item())
    model[1] = nn.Tanh()
    assert step(x, y).item() == pytest.approx(loss_fn(model(x), y).item())
    assert is_compiled(step)


def test_a_layer_added_later_is_seen() -> None:
    model = nn.Sequential(nn.Linear(3, 3).double())
    x = Tensor(normal(2, 3))
    step = compile(lambda x: model(x).sum())
    step(x)
    model.append(nn.Tanh())
    assert step(x).item() == pytest.approx(model(x).sum().item())


def test_statistics_may_be_changed_and_replaced_between_calls() -> None:
    model = mlp(nn.BatchNorm1d(4).double())
    twin = copy.deepcopy(model)
    step = compile(lambda x: model(x).square().mean())
    for seed in range(12):
        x = Tensor(normal(6, 5, seed=seed))
        if seed == 10:
            for m in (model, twin):
                m.eval()
        same([step(x).array], [twin(x).square().mean().array])
        for a, b in zip(model.buffers(), twin.buffers(), strict=True):
            same([a.array], [b.array])
        for m in (model, twin):
            layer = m[1]
            if seed == 2:
                layer.running_mean.array[...] = 7
            if seed == 4:
                layer.running_var = Tensor(normal(4) ** 2)
            if seed == 6:
                layer.running_var.array = normal(4, seed=1) ** 2
            if seed == 8:
                layer.reset_running_stats()
                layer.momentum = None
    assert is_compiled(step)


def test_buffers_changed_in_place_are_followed() -> None:
    a, b, n = Tensor(normal(3)), Tensor(normal(3, seed=1)), Tensor(np.array(0))
    w = weight(3)

    def loss(x: Tensor) -> Tensor:
        first = a.clone()
        a.copy_(b)
        b.copy_(first)  # they change places
        n.add_(1)
        y = w * a
        b[0] = (x * n).sum()
        b.mul_(0.5).sub_(a, alpha=2)
        own = Tensor(np.ones(3))
        own += x
        own[1:] = x[1:]
        own += own
        return (y + w * own).sum() + (w * b).sum()

    step = compile(loss)
    state = [t.array.copy() for t in (a, b, n)]
    for seed in range(5):
        x = Tensor(normal(3, seed=seed))
        expected = gradients(loss(x), w)
        then = [t.array.copy() for t in (a, b, n)]
        for t, value in zip((a, b, n), state, strict=True):
            t.array[...] = value
        found = gradients(step(x), w)
        same(found, expected)
        same([t.array for t in (a, b, n)], then)
        state = [t.array.copy() for t in (a, b, n)]
    assert n.item() == 5
    assert is_compiled(step)


def test_two_buffers_may_change_places() -> None:
    w, a, b = weight(3), Tensor(np.zeros(3)), Tensor(np.ones(3))

    def loss() -> Tensor:
        first = a.clone()
        a.copy_(b)
        b.copy_(first)
        return (w * a).sum()

    step = compile(loss)
    for i in range(4):
        step()
        same([a.array, b.array], [np.full(3, float(i % 2 == 0)), np.full(3, float(i % 2))])
    assert is_compiled(step)


def test_a_buffer_may_follow_a_parameter() -> None:
    w, last, mean = weight(3), Tensor(np.zeros(3)), Tensor(np.zeros(3))
    twins = [Tensor(t.array.copy(), requires_grad=t is w) for t in (w, last, mean)]

    def loss(w: Tensor, last: Tensor, mean: Tensor) -> Tensor:
        with no_grad():
            last.copy_(w)
            mean.mul_(0.9).add_(w, alpha=0.1)
        return ((w - 1) ** 2).sum()

    optimizers = [nn.optim.SGD([t], lr=0.1) for t in (w, twins[0])]
    step = compile(lambda: loss(w, last, mean), optimizer=optimizers[0])
    for _ in range(4):
        step()
        loss(*twins).backward()
        optimizers[1].step()
        optimizers[1].zero_grad()
        same([t.array for t in (w, last, mean)], [t.array for t in twins])
    assert is_compiled(step)


def test_a_gradient_that_is_a_buffer_keeps_its_value() -> None:
    scale, w = Tensor(np.ones(3)), weight(3)

    def loss() -> Tensor:
        y = (w * scale.clone()).sum()
        scale.mul_(2)
        return y

    step = compile(loss)
    for i in range(4):
        same(gradients(step(), w)[1:], [np.full(3, 2.0**i)])
    assert is_compiled(step)


def test_a_call_that_fails_changes_no_buffer() -> None:
    count, w = Tensor(np.array(0.0)), weight(3)

    def loss(i: Tensor) -> Tensor:
        y = w[i].sum()
        count.add_(1)
        return y

    step = compile(loss)
    for i in range(3):
        step(Tensor(np.array([i])))
        with pytest.raises(IndexError, match="3"):
            step(Tensor(np.array([3])))
        assert count.item() == i + 1
    assert is_compiled(step)


def test_a_backward_that_needs_a_buffer_from_before_is_an_error_still() -> None:
    scale, w = Tensor(np.ones(3)), weight(3)

    def loss() -> Tensor:
        scale.add_(1)
        return (w * w).sum()

    step = compile(loss)
    step()
    y = (w * scale).sum()
    step()
    with pytest.raises(RuntimeError, match=r"mul: input 1, .* was changed in place"):
        y.backward()


def test_changes_of_shared_memory_and_of_arguments_make_it_eager() -> None:
    w, a = weight(3), np.ones(6)
    part, whole = Tensor(a[:3]), Tensor(a)

    def shared() -> Tensor:
        part.add_(1)
        return (w * whole[:3]).sum()

    def view() -> Tensor:
        half = whole[:3]
        whole.add_(1)
        return (w * half).sum()

    def argument(x: Tensor) -> Tensor:
        x.add_(1)
        return (w * x).sum()

    x, y = Tensor(np.zeros(3)), Tensor(np.zeros(3))

    def apart() -> Tensor:
        x.add_(1)
        return (w * y.add(x)).sum()

    step = compile(apart)
    with falls_back("shares memory"):
        assert step().item() == pytest.approx(step().item() - w.array.sum())
        y.array = x.array
        assert step().item() == pytest.approx(6 * w.array.sum())
    for f, args in ((shared, ()), (view, ()), (argument, (Tensor(np.ones(3)),))):
        step = compile(f)
        with falls_back("changes a tensor in place"):
            found = [step(*args).item() for _ in range(3)]
        assert found[1] - found[0] == pytest.approx(w.array.sum())
        assert found[2] - found[1] == pytest.approx(w.array.sum())


def test_another_answer_about_values_is_another_trace() -> None:
    w = weight(4, 3)
    loss_fn = nn.CrossEntropyLoss()
    step = compile(lambda t: loss_fn(w * 2, t))
    targets = ([0, 1, 2, 0], [0, 1, -100, 0], [2, 2, 2, 2], [-100] * 3 + [1], [0, 0, 1, 1])
    for _ in range(2):
        for t in targets:
            expected = gradients(loss_fn(w * 2, np.array(t)), w)
            same(gradients(step(Tensor(np.array(t))), w), expected)
    assert step.traces == 2
    with pytest.raises(IndexError, match="class -1 is out of range"):
        step(Tensor(np.array([0, 1, -1, 0])))
    with pytest.raises(ValueError, match=r"from 0 to 1, .* to 1\.5"):
        bce = compile(lambda x: F.binary_cross_entropy(x + w * 0, x))
        for top in (0.5, 1.0, 1.5):
            bce(Tensor(np.full((4, 3), top)))
    assert is_compiled(bce)


def test_derived_inputs_are_computed_at_every_call() -> None:
    w = weight(3)

    def loss(x: Tensor, t: Tensor) -> Tensor:
        late = x[:, 1:].detach() * 2
        mask = (x[:, :1] > 0).to(np.float64)
        return ((late @ w[:2].reshape(2, 1) - mask) ** 2).sum() + (w * t.to(np.float64)).sum()

    calls = [(Tensor(normal(4, 3, seed=i)), Tensor(np.arange(3) + i)) for i in range(4)]
    assert is_compiled(check(loss, [w], *calls))


def test_an_integer_tensor_as_an_index_is_followed() -> None:
    w = weight(7, 3)
    rng = np.random.default_rng(0)
    calls = [(Tensor(rng.integers(0, 7, 4)), Tensor(rng.integers(0, 3, 4))) for _ in range(4)]
    step = check(lambda i, j: (w[i] ** 2).sum() + (w[i, j] * w[i + 0, 1]).exp().sum(), [w], *calls)
    assert is_compiled(step)
    with pytest.raises(IndexError, match="7"):
        step(Tensor(np.array([0, 1, 2, 7])), calls[0][1])


def test_functions_modules_and_globals_of_the_user_are_watched() -> None:
    space: dict[str, Any] = {"nn": nn, "SCALE": 2.0}
    text = (
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.layer, self.gain = nn.Linear(3, 2).double(), 1.0\n"
        "    def forward(self, x):\n"
        "        return helper(self.layer(x)) * self.gain\n"
        "def helper(y):\n"
        "    return y * SCALE\n"
    )
    exec(text, space)  # noqa: S102  globals of its own
    net = space["Net"]()
    x = Tensor(normal(4, 3))
    step = compile(lambda x: net(x).sum())

    def agrees() -> None:
        assert step(x).item() == pytest.approx(net(x).sum().item(), rel=1e-12)

    agrees()
    space["SCALE"] = 5.0
    agrees()
    net.gain = 0.5
    agrees()
    space["helper"] = lambda y: y.tanh()
    agrees()
    type(net).forward = lambda self, x: self.layer(x).exp()
    agrees()
    net.layer.register_forward_hook(lambda module, args, y: y * 3)
    agrees()
    assert is_compiled(step)


def test_a_compiled_loss_says_that_it_cannot_be_drawn_and_stays_whole() -> None:
    w = weight(3)
    step = compile(lambda: (w * w).sum())
    step()
    loss = step()
    for reader in (ag.derive, ag.draw):
        with pytest.raises(RuntimeError, match="call the function itself"):
            reader(loss)
    same(gradients(loss + 1, w)[1:], [2 * w.array])


# ---- values that Python looks at ------------------------------------------------------------


def branch(x: Tensor, w: Tensor) -> Tensor:
    if (x * w).sum() > 0:
        return (x * w).sum()
    return (x * w * w).sum()


LOOKS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "branch": branch,
    "item": lambda x, w: (x * w).sum() * x.sum().item(),
    "float": lambda x, w: (x * w).sum() * float(x.sum()),
    "data": lambda x, w: (w * (x.array > 0)).sum(),
    "numpy": lambda x, w: (w * np.sign(x.numpy())).sum(),
    "largest": lambda x, w: (w * x).sum() + w[int(x.argmax())],
    "index": lambda x, w: w[(x > 0)].sum() + w.sum(),
    "list": lambda x, w: (w * Tensor(x.tolist()).to(np.float64)).sum(),
    "nonzero": lambda x, w: w[np.nonzero(x)].sum(),
    "array": lambda x, w: (w * np.asarray(x)).sum(),
}


@pytest.mark.parametrize("name", LOOKS)
def test_values_that_python_reads_make_it_eager(name: str) -> None:
    w = weight(3)
    calls = [(Tensor(normal(3, seed=i)),) for i in range(5)]
    with falls_back(r"reads the values of a tensor \(line \d+ of .*test_compile.py\)"):
        step = check(lambda x: LOOKS[name](x, w), [w], *calls)
    assert step.why


class Slotted:
    __slots__ = ("k",)


class Derived(Slotted):
    pass


def test_clocks_and_slots_make_it_eager() -> None:
    w, derived = weight(3), Derived()
    derived.k = 2.0
    for text, value in (
        ("module time", lambda: time.perf_counter()),
        ("datetime of datetime", lambda: datetime.now().timestamp()),
        ("getenv of os", lambda: len(getenv("PATH", ""))),
        ("perf_counter of time", lambda: perf_counter()),
        ("a Derived, whose changes", lambda: derived.k),
    ):
        function = lambda x, value=value: (w * x).sum() * value()
        with falls_back(text):
            compile(function)(Tensor(np.ones(3)))


def test_what_happens_in_one_call_alone_makes_it_eager(tmp_path: Any) -> None:
    w, x = weight(3), Tensor(np.ones(3))
    np.save(tmp_path / "k.npy", np.ones(3))

    def assigns(x: Tensor) -> Tensor:
        global kept
        kept = w * x
        return kept.sum()

    def imports(x: Tensor) -> Tensor:
        import tests.cases as other

        return (w * x).sum() * len(other.CASES_OF)

    def reads(x: Tensor) -> Tensor:
        with open(__file__) as file:
            return (w * x).sum() * len(file.read())

    noise = [
        lambda x: (w * x + np.random.default_rng().standard_normal(3)).sum(),
        lambda x: (w * x * (np.random.RandomState().rand(3) > 0.5)).sum(),
        lambda x: (w * x).sum() * random.Random().random(),
    ]
    for function in noise:
        for _ in range(2):  # the second one finds everything imported
            with falls_back("makes random numbers itself with"):
                step = compile(function)
                values = {step(x).item() for _ in range(3)}
            assert len(values) > 1 or "RandomState" in step.why
    for function, text in (
        (lambda x: (w * np.load(tmp_path / "k.npy") * x).sum(), "reads a file with load"),
        (reads, "reads a file with open"),
        (lambda x: (w * x).sum() * eval("2"), "runs text with eval"),
        (assigns, "assigns the global kept"),
        (imports, "imports tests.cases itself"),
    ):
        with falls_back(text):
            compile(function)(x)


class Generator:  # as in a GAN
    @staticmethod
    def load(x: Tensor) -> Tensor:
        return x * 2


def load(x: Tensor) -> Tensor:
    return x * 3


def test_names_of_the_user_are_not_those_of_numpy() -> None:
    w = weight(3)
    for function in (
        lambda x: (w * x).sum() * (2 if isinstance(x, Generator) else 1),
        lambda x: load(w * x).sum(),
    ):
        assert is_compiled(check(function, [w], *[[Tensor(np.ones(3))]] * 2))


class Trainer:
    """What people write: more on `self` than the loss needs."""

    def __init__(self) -> None:
        self.w, self.scale, self.n = weight(3), 2.0, 0
        self.out, self.history = Path("out"), [0.0]
        self.rng = np.random.default_rng(0)

    def save(self) -> None:
        with open(self.out) as file:
            file.read()

    def loss(self, x: Tensor) -> Tensor:
        return self.scaled(x).sum()

    def scaled(self, x: Tensor) -> Tensor:
        return self.w * x * self.scale


def test_attributes_that_the_function_does_not_use_change_nothing() -> None:
    trainer, x = Trainer(), Tensor(np.ones(3))
    step = compile(trainer.loss)
    for _ in range(40):
        trainer.n += 1
        trainer.history.append(step(x).item())
    assert is_compiled(step)
    assert step.traces == 1
    trainer.scale = 3.0
    assert step(x).item() == pytest.approx(trainer.history[-1] * 1.5)
    trainer.scaled = lambda x: trainer.w * x  # type: ignore[method-assign]
    assert step(x).item() == pytest.approx(trainer.history[-1] / 2)
    assert step.traces == 3


def test_attributes_found_by_text_are_all_watched() -> None:
    settings, name, w = types.SimpleNamespace(scale=2.0), "scale", weight(3)
    step = compile(lambda x: (w * x).sum() * getattr(settings, name))
    x = Tensor(np.ones(3))
    first = step(x).item()
    settings.scale = 4.0
    assert step(x).item() == pytest.approx(2 * first)


def test_objects_with_odd_attributes() -> None:
    class Config:
        def __getattr__(self, name: str) -> float:
            return {"k": 2.0}[name]

    w, config, module = weight(3), Config(), types.ModuleType("settings_of_a_test")
    module.k = 2.0  # type: ignore[attr-defined]
    space = {"w": w, "settings": module}
    function = eval("lambda x: (w * x).sum() * settings.k", space)
    step = check(lambda x: (w * x).sum() * config.k, [w], [Tensor(np.ones(3))])
    assert is_compiled(step)
    step = check(function, [w], *[[Tensor(np.ones(3))]] * 2)
    assert is_compiled(step)
    module.k = 3.0  # type: ignore[attr-defined]
    assert step(Tensor(np.ones(3))).item() == pytest.approx(3 * w.array.sum())


def test_a_compiled_step_is_copied_and_an_optimizer_is_checked() -> None:
    trainer, x = Trainer(), Tensor(np.ones(3))
    step = compile(trainer.loss)
    before = step(x).item()
    twin = copy.deepcopy(step)
    trainer.scale = 0.0
    assert twin(x).item() == before
    for wrong in ("adam", [trainer.w]):
        with pytest.raises(TypeError, match=r"optimizer is a (str|list); give one of nn\.optim"):
            compile(trainer.loss, optimizer=wrong)
    with pytest.raises(
        TypeError, match="a step of LBFGS needs the loss several times; compile the"
    ):
        compile(trainer.loss, optimizer=nn.optim.LBFGS([trainer.w]))


def test_a_value_changed_after_it_was_recorded_stays_an_error() -> None:
    w, n = weight(3), Tensor(np.ones(3))

    def function() -> Tensor:
        loss = (w * n).sum()
        with no_grad():
            n.add_(1)
        return loss

    step = compile(function)
    with falls_back("its backward pass fails .mul: input 1"):
        loss = step()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="changed in place after it was recorded"):
            loss.backward()
        loss = step()


def test_a_compiled_function_in_another() -> None:
    w = weight(3)
    inner = compile(lambda x: (w * x).sum())
    step = check(lambda x: inner(x) * 2, [w], *[[Tensor(np.ones(3))]] * 2)
    assert is_compiled(step)


def test_a_single_sample_goes_through_a_layer() -> None:
    model = nn.Linear(3, 2).double()
    for reduced in (lambda y: y.sum(), lambda y: (y * y).sum()):
        calls = [[Tensor(normal(3, seed=i))] for i in range(3)]
        step = check(lambda x: reduced(model(x)), [*model.parameters()], *calls)  # noqa: B023
        assert is_compiled(step)


def test_code_that_alone_fails_is_given_up() -> None:
    w = weight(3)
    step = compile(lambda x: (w * x).sum())
    x = Tensor(np.ones(3))
    step(x)
    (variant,) = next(iter(step.variants.values()))
    variant.code.threads.run = lambda *_: 1 / 0
    with falls_back(r"its code failed \(ZeroDivisionError"):
        assert step(x).item() == pytest.approx(w.array.sum())


def test_effects_random_numbers_and_iterators_make_it_eager() -> None:
    w, seen = weight(3), []
    with falls_back("changes what it captures"):
        step = compile(lambda: [seen.append(1), (w * w).sum()][1])
        for _ in range(3):
            step()
    assert len(seen) == 3
    with falls_back("random numbers"):
        noise = np.random.default_rng(0)
        noisy = compile(lambda: (w * noise.standard_normal(3)).sum())
        assert noisy().item() != noisy().item()
    numbers = iter(range(9))
    with falls_back("captures a range_iterator"):
        counting = compile(lambda: (w * next(numbers)).sum())
        assert counting().item() != counting().item()
    large = np.ones((200, 200))
    with falls_back("captures an array of shape"):
        compile(lambda: (w * large[0, 0]).sum())()


def test_a_call_that_is_traced_anew_draws_once() -> None:
    w, loss_fn, kept = weight(4, 3), nn.CrossEntropyLoss(), Tensor(np.zeros(3))

    def loss(t: Tensor) -> Tensor:
        kept.copy_(ag.randn(3, dtype=np.float64))
        return loss_fn(F.dropout(w, 0.5), t)

    step = compile(loss)
    targets = ([0, 1, 2, 0], [0, -100, 1, 2], [-100] * 4, [2, 2, 1, 0])
    for seed, t in enumerate([*targets, *targets]):
        found = []
        for f in (loss, step):
            ag.manual_seed(seed)
            found.append([f(Tensor(np.array(t))).array, kept.array.copy()])
        same(*found)
    assert is_compiled(step)
    assert step.traces == 3


def test_a_buffer_of_random_numbers_alone() -> None:
    w, kept = weight(3), Tensor(np.zeros(3))
    step = compile(lambda: [kept.copy_(ag.rand(3, dtype=np.float64)), (w * w).sum()][1])
    for seed in range(3):
        ag.manual_seed(seed)
        step().backward()
        step.function = lambda: pytest.fail("the function itself ran")  # its code alone does
        ag.manual_seed(seed)
        same([kept.array], [ag.rand(3, dtype=np.float64).array])
    assert is_compiled(step)


def test_one_element_of_a_value_in_between() -> None:
    w = weight(3)
    calls = [(Tensor(normal(3, seed=i)),) for i in range(3)]
    assert is_compiled(check(lambda x: ((w * x).tanh()[0] * w * x[1]).sum(), [w], *calls))


def test_a_reshape_that_copies() -> None:
    w = weight(3, 2)
    calls = [(Tensor(normal(3, 2, seed=i)),) for i in range(3)]
    assert is_compiled(check(lambda x: ((w * x).tanh().T.flatten() * w[1, 0]).sum(), [w], *calls))


def test_random_tensors_are_drawn_at_every_call_as_they_are_eagerly() -> None:
    w, generator = weight(3), np.random.default_rng(0)

    def loss() -> Tensor:
        late = ag.randn(3, dtype=np.float64)
        first = w * ag.rand(3, dtype=np.float64)
        picked = w[ag.randint(0, 3, 5)] * F.dropout(w[ag.randperm(3)[0]] + ag.ones_like(w), 0.3)[0]
        own = ag.rand(3, dtype=np.float64, generator=generator)
        before = w + own
        own.mul_(2)
        return (first * late + before - 2 * w * own).sum() + picked.sum()

    step = compile(loss)
    for seed in range(4):
        found = []
        for f in (loss, step):
            ag.manual_seed(seed)
            generator.bit_generator.state = np.random.default_rng(seed).bit_generator.state
            found.append(gradients(f(), w))
        same(*found)
    assert step().item() != step().item()
    assert is_compiled(step)


def test_tensors_made_inside_may_be_changed() -> None:
    w = weight(3)

    def loss(x: Tensor) -> Tensor:
        own = Tensor(np.ones(3))
        before = w + own
        own += x
        return (before + w * own).sum()

    assert is_compiled(check(loss, [w], *[(Tensor(normal(3, seed=i)),) for i in range(3)]))

    def twice(x: Tensor) -> Tensor:
        a = np.ones(3)
        first, second = Tensor(a), Tensor(a)
        first += x
        return (w * second).sum()

    with falls_back("shares memory"):
        check(twice, [w], *[(Tensor(normal(3, seed=i)),) for i in range(3)])


def test_changes_in_place_and_hooks_inside_make_it_eager() -> None:
    w, found = weight(3), []

    def in_place() -> Tensor:
        y = w * 2
        y += 1
        return y.sum()

    def hooked() -> Tensor:
        y = w * 2
        y.register_hook(lambda g: g * 10)
        return y.sum()

    for f in (in_place, hooked):
        with falls_back("it (changes|registers)"):
            check(f, [w], (), (), ())
    assert not found


def test_too_many_combinations_make_it_eager() -> None:
    w = weight(3)
    step = compile(lambda k: (w * k).sum())
    with falls_back("32 combinations"):
        for k in range(40):
            same(gradients(step(k), w)[1:], [np.full(3, float(k))])


# ---- gradients as for every loss ------------------------------------------------------------


@pytest.fixture
def square() -> tuple[Compiled, Tensor]:
    w = weight(3)
    step = compile(lambda x: (w * w * x).sum())
    step(Tensor(np.ones(3)))
    return step, w


def test_gradients_accumulate_and_are_memory_of_their_own(square: Any) -> None:
    step, w = square
    first = step(Tensor(np.ones(3)))
    first.backward()
    held, value = w.grad, w.grad.array.copy()
    loss = step(Tensor(np.full(3, 2.0)))
    same([held.array], [value])
    kept = loss.array.copy()
    step(Tensor(np.full(3, 9.0)))
    same([loss.array], [kept])
    loss.backward()
    same([w.grad.array], [3 * value])
    w.grad = None
    step(Tensor(np.full(3, 5.0))).backward()
    same([held.array], [3 * value])
    assert not np.shares_memory(w.grad.array, held.array)


def test_a_gradient_that_is_an_input_is_a_copy() -> None:
    w, x = weight(3), Tensor(normal(3))
    step = compile(lambda x: (w * x).sum())
    for _ in range(3):
        w.grad = None
        step(x).backward()
        assert not np.shares_memory(w.grad.array, x.array)
        w.grad.array += 1


def test_losses_combine(square: Any) -> None:
    step, w = square
    a, b = Tensor(np.ones(3)), Tensor(np.full(3, 2.0))
    same(gradients(step(a) + 3 * step(b), w)[1:], [2 * w.array * 7])
    w.grad = None
    step(a).backward(gradient=tensor(2.0, dtype=np.float64))
    same([w.grad.array], [4 * w.array])
    (g,) = ag.grad(step(a), [w])
    same([g.array], [2 * w.array])


def test_hooks_on_leaves_run_once(square: Any) -> None:
    step, w = square
    seen: list[Any] = []
    handle = w.register_hook(lambda g: (seen.append(g.array.copy()), g * 10)[1])
    result = gradients(step(Tensor(np.ones(3))), w)
    same(result[1:], [20 * w.array])
    assert len(seen) == 1
    handle.remove()
    same(gradients(step(Tensor(np.ones(3))), w)[1:], [2 * w.array])


def test_no_grad_gives_the_value_alone(square: Any) -> None:
    step, w = square
    with no_grad():
        loss = step(Tensor(np.ones(3)))
    assert not loss.requires_grad
    assert loss.item() == pytest.approx(float((w.array**2).sum()))


def test_retain_graph_and_a_second_backward(square: Any) -> None:
    step, w = square
    w.grad = None
    loss = step(Tensor(np.ones(3)))
    loss.backward(retain_graph=True)
    loss.backward(retain_graph=True)
    loss.backward()
    same([w.grad.array], [6 * w.array])
    with pytest.raises(RuntimeError, match="released by an earlier backward"):
        loss.backward()
    loss = step(Tensor(np.ones(3)))
    double = loss * 2
    double.backward(retain_graph=True)
    double.backward()


def test_second_derivatives_are_an_error(square: Any) -> None:
    step, _ = square
    with pytest.raises(RuntimeError, match="no second derivatives"):
        step(Tensor(np.ones(3))).backward(create_graph=True)


def test_gradients_flow_on_to_what_was_computed_before() -> None:
    w, v = weight(3), weight(3, seed=1)
    step = compile(lambda h: (h * w).sum())
    for i in range(3):
        h = (v * (i + 1)).tanh()
        expected = gradients((h * w).sum(), w, v)
        same(gradients(step((v * (i + 1)).tanh()), w, v), expected)
    assert is_compiled(step)


def test_threads_have_buffers_of_their_own() -> None:
    w = weight(300, 300)
    step = compile(lambda x: ((x @ w).tanh() ** 2).sum())
    inputs = [Tensor(normal(300, 300, seed=i)) for i in range(4)]
    expected = [((x @ w).tanh() ** 2).sum().item() for x in inputs]
    wrong: list[Any] = []

    def work(i: int) -> None:
        for _ in range(20):
            if step(inputs[i]).item() != pytest.approx(expected[i], rel=1e-12):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    assert is_compiled(step)


def test_another_thread_changes_its_buffers_once_meanwhile() -> None:
    w, layer = weight(3), nn.BatchNorm1d(3, momentum=1.0).double()
    x = Tensor(normal(4, 3))

    def work() -> None:
        thread = threading.Thread(target=layer, args=(x,))
        thread.start()
        thread.join()

    step = compile(lambda: [work(), (w * w).sum()][1])
    step()
    assert layer.num_batches_tracked.item() == 1
    same([layer.running_mean.array], [x.array.mean(0)])


def test_tensor_is_as_before_after_a_trace_that_fails() -> None:
    before = {name: vars(Tensor)[name] for name in ("array", "shape", "__init__")}
    step = compile(lambda x: x @ Tensor(np.ones((7, 7))))
    with pytest.raises(ValueError, match="matmul"):
        step(Tensor(np.ones(3), requires_grad=True))
    assert {name: vars(Tensor)[name] for name in before} == before
    assert ag.engine.modes.watchers == []


# ---- the optimizer inside -------------------------------------------------------------------

OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: nn.optim.SGD(p, lr=0.1),
    "momentum": lambda p: nn.optim.SGD(p, lr=0.1, momentum=0.9),
    "nesterov": lambda p: nn.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "decay": lambda p: nn.optim.SGD(p, lr=0.1, weight_decay=0.1),
    "adam": lambda p: nn.optim.Adam(p, lr=0.01),
    "adamw": lambda p: nn.optim.AdamW(p, lr=0.01),
    "rmsprop": lambda p: nn.optim.RMSprop(p, lr=0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_optimizer_inside_is_the_same_training(name: str) -> None:
    model, loss_fn = mlp(nn.ReLU()), nn.CrossEntropyLoss()
    twin = copy.deepcopy(model)
    optimizer, other = (OPTIMIZERS[name](m.parameters()) for m in (model, twin))
    step = compile(lambda x, y: loss_fn(model(x), y), optimizer=optimizer)
    rng = np.random.default_rng(0)
    for i in range(6):
        x, y = Tensor(rng.standard_normal((6, 5))), Tensor(rng.integers(0, 3, 6))
        if i == 3:
            for o in (optimizer, other):
                o.param_groups[0]["lr"] *= 0.5
        if i == 4:
            for m in (model, twin):
                m[0].weight.register_hook(lambda g: g * 2)
        loss = step(x, y)
        other.zero_grad()
        expected = loss_fn(twin(x), y)
        expected.backward()
        other.step()
        same([loss.array], [expected.array])
        assert not loss.requires_grad
        assert all(p.grad is None for p in model.parameters())
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        same([p.array], [q.array], 1e-11)
    assert is_compiled(step)


def test_an_overflow_in_the_update_updates_once() -> None:
    v, w = Tensor(np.zeros(2), requires_grad=True), Tensor(np.zeros(2), requires_grad=True)
    optimizer = nn.optim.SGD([v, w], lr=0.0)
    step = compile(lambda: v.sum() + (w * 0.5).sum(), optimizer=optimizer)
    step()
    w.array[0] = -1.7e308
    optimizer.param_groups[0]["lr"] = 1.7e308
    with np.errstate(over="raise"):
        step()
    assert v.tolist() == [-1.7e308, -1.7e308]
    assert w.tolist() == [-np.inf, -0.85e308]


def test_the_gradient_of_a_leaf_outside_of_the_optimizer_is_its_own() -> None:
    a, b = weight(1), Tensor(np.ones(1), requires_grad=True)
    step = compile(lambda x: (a * x).sum() + (b * x * x).sum(), optimizer=nn.optim.SGD([a], lr=0.1))
    held = []
    for x in (1.0, 2.0, 5.0):
        step(Tensor(np.array([x])))
        assert b.grad is not None
        held.append(b.grad.array)
        if x < 5:
            b.grad = None
    assert [h.tolist() for h in held] == [[1.0], [4.0], [25.0]]
    step(Tensor(np.array([2.0])))
    assert b.grad.tolist() == [29.0]


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_a_read_only_parameter_stops_the_step_before_it_starts(name: str) -> None:
    a, b = Tensor(np.ones(2), requires_grad=True), Tensor(np.ones(2), requires_grad=True)
    x = Tensor(np.ones(2))
    optimizer = OPTIMIZERS[name]([a, b])
    step = compile(lambda x: ((a * x) ** 2 + (b * x) ** 2).sum(), optimizer=optimizer)
    step(x)
    step(x)
    a.array = a.array.copy()
    a.array.flags.writeable = False
    before = b.tolist()
    with pytest.raises(ValueError, match="read-only"):
        step(x)
    assert b.tolist() == before


def test_a_rate_does_not_underflow_in_half_precision() -> None:
    start, x = np.zeros((3, 1), np.float16), Tensor(np.full((4000, 3), 100.0, np.float16))
    w, v = Tensor(start.copy(), requires_grad=True), Tensor(start.copy(), requires_grad=True)
    inside, eager = (nn.optim.SGD([t], lr=1e-4) for t in (w, v))
    step = compile(lambda x: (x @ w).mean(), optimizer=inside)
    for _ in range(4):
        step(x)
        eager.zero_grad()
        (x @ v).mean().backward()
        eager.step()
    same([w.array], [v.array], 1e-3)
    assert is_compiled(step)


def test_a_step_put_on_the_optimizer_is_called() -> None:
    w, calls = weight(3), []
    optimizer = nn.optim.SGD([w], lr=0.1)
    step = compile(lambda x: (w * x).sum(), optimizer=optimizer)
    step(Tensor(np.ones(3)))
    original = optimizer.step

    def counted() -> None:
        calls.append(1)
        original()

    optimizer.step = counted  # type: ignore[method-assign, assignment]
    for _ in range(3):
        step(Tensor(np.ones(3)))
    assert len(calls) == 3


# ---- as torch.compile in scripts ------------------------------------------------------------------


def test_what_is_no_loss_runs_as_it_is_and_warns_once() -> None:
    w = weight(3)

    @compile(mode="max-autotune", fullgraph=True)
    def double(x: Tensor) -> Any:
        return x * w, None

    with pytest.warns(UserWarning, match="double runs as it is: .*one Tensor, the loss"):
        y, _ = double(Tensor(np.ones(3)))
    y, _ = double(Tensor(np.ones(3)))  # warnings are errors here
    np.testing.assert_array_equal(y.array, w.array)
    y.sum().backward()
    assert w.grad is not None


def test_a_model_stays_what_it_is() -> None:
    model = nn.Linear(2, 1)
    assert compile(model, disable=True) is model
    compiled = compile(model)
    with pytest.warns(UserWarning, match=r"Linear runs as it is.*shape \(3, 1\), not a scalar"):
        y = compiled(Tensor(np.ones((3, 2), "float32")))
    y.sum().backward()
    nn.optim.SGD(compiled.parameters(), lr=0.1).step()
    assert compiled.eval() is model and compiled.state_dict().keys() == {"weight", "bias"}
    with pytest.raises(AttributeError, match=r"Linear.*nothing"):
        getattr(compiled, "nothing")  # noqa: B009  what is not there


# ---- what cannot be compiled ----------------------------------------------------------------


def test_errors() -> None:
    w, x = weight(3), Tensor(np.ones(3))
    with pytest.raises(TypeError, match="a Tensor cannot be called; give a function"):
        compile(x)  # type: ignore[arg-type]
    step = nn.optim.SGD([w], lr=0.1)
    with pytest.raises(TypeError, match="returned a tuple; it has to return one Tensor"):
        compile(lambda: (w.sum(), w), step)()
    with pytest.raises(RuntimeError, match=r"shape \(3,\), not a scalar"):
        compile(lambda: w * 2, step)()
    with pytest.raises(RuntimeError, match="does not require grad: nothing"):
        compile(lambda x: x.sum(), step)(x)
    with pytest.raises(TypeError, match=r"unknown options \['speed'\]"):
        compile(lambda: w, speed=3)
    stuck = Op("stuck", lambda x: x * 2)
    with pytest.raises(
        RuntimeError, match=r"stuck has no derivative for its input 0, of shape \(3,\)"
    ):
        compile(lambda: stuck(w).sum())()


def test_a_released_tape_is_the_engines_error() -> None:
    w = weight(3)
    h = w * 2
    h.sum().backward()
    step = compile(lambda h: (h * h).sum())
    for _ in range(2):
        with pytest.raises(RuntimeError, match="released by an earlier backward"):
            step(h).backward()


def test_wrong_inputs_raise_what_the_function_raises() -> None:
    model, loss_fn = mlp(nn.ReLU()), nn.CrossEntropyLoss()
    step = compile(lambda x, y: loss_fn(model(x), y))
    x = Tensor(normal(4, 5))
    step(x, Tensor(np.array([0, 1, 2, 0])))
    with pytest.raises(IndexError, match="3"):
        step(x, Tensor(np.array([0, 1, 3, 0])))
    with pytest.raises(IndexError, match="class -1 is out of range"):
        step(x, Tensor(np.array([0, 1, -1, 0])))
    ignored = Tensor(np.array([0, 1, -100, 0]))
    assert step(x, ignored).item() == loss_fn(model(x), ignored).item()


def test_the_code_is_visible_and_has_a_repr() -> None:
    w = weight(3)
    step = compile(lambda: (w * w).sum())
    assert repr(step).endswith("traced 0 times>")
    step()
    assert "def run(" in step.sources[0]
    assert F is not None
