"""The C back end against the NumPy code: values, effects, errors; its cache; who has no compiler."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import warnings
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import autograd_lite as ag
import nn
from autograd_lite import Tensor, compile, tensor
from autograd_lite.compilation import Variant
from autograd_lite.compilation.native import NoCompiler, compiler, library
from tests.cases import CASES, Case

from .test_compile import gradients, programs, run_program, same

try:
    compiler()
except NoCompiler as error:
    pytestmark = pytest.mark.skip(reason=f"needs a C compiler: {error}")

ROOT = Path(__file__).resolve().parents[2]
FUSED = 24  # cases that share a compiled file


def code_of(step: Any) -> Any:
    """The code of the only trace."""
    (found,) = step.variants.values()
    (variant,) = found
    return variant.code


def is_c(step: Any) -> bool:
    return not step.why and code_of(step).native is not None


def close(a: list[Any], b: list[Any], rtol: float) -> None:
    """The same to rounding: as near as `rtol` of the largest number of an array."""
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        assert (x is None) == (y is None)
        if x is not None:
            assert (x.shape, x.dtype) == (y.shape, y.dtype)
            finite = np.abs(x[np.isfinite(x)])
            largest = float(finite.max()) if finite.size else 0.0
            np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * max(1.0, largest))


# ---- every row ------------------------------------------------------------------------------


def smooth(case: Case) -> bool:
    """Whether rounding stays rounding: not in what magnifies it, which both codes get from NumPy."""
    return case.op.kind != "matrix"


GROUPS = [
    (dtype, start)
    for dtype in ("float64", "float32")
    for start in range(0, sum(map(smooth, CASES)), FUSED)
]


@pytest.mark.parametrize(
    ("dtype", "start"),
    [
        pytest.param(*group, marks=[] if i % 8 == 0 else [pytest.mark.slow])
        for i, group in enumerate(GROUPS)
    ],
)
def test_every_row_through_both_printers(dtype: str, start: int) -> None:
    cases = [case for case in CASES if smooth(case)][start : start + FUSED]
    inputs, leaves = [], []
    for case in cases:
        arrays = case.arrays(np.dtype(dtype))
        inputs.append([Tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays])
        leaves += [t for t in inputs[-1] if t.requires_grad]

    def loss() -> Tensor:
        whole: Any = 0.0
        for case, tensors in zip(cases, inputs, strict=True):
            y = case(*tensors)
            if y.requires_grad:
                whole = whole + (y * y + y).sum() * 0.125
        return whole

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some cases overflow
        in_c, in_numpy = (compile(loss, backend=backend) for backend in ("c", "numpy"))
        for step in (in_c, in_numpy):
            step()
        assert code_of(in_c).native is not None
        found, expected = (gradients(step(), *leaves) for step in (in_c, in_numpy))
    # the loss adds up all cases
    close(found[1:], expected[1:], 1e-12 if dtype == "float64" else 2e-6)
    close(found[:1], expected[:1], 1e-12 if dtype == "float64" else 1e-5)


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
def test_windows_and_convolutions_are_c(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ag.manual_seed(0)
    rng = np.random.default_rng(0)
    layers = [
        nn.Conv2d(2, 4, 3, stride=2, padding=1), nn.Conv2d(2, 4, 3, bias=False),
        nn.Conv2d(2, 4, 3, groups=2, dilation=2), nn.Conv2d(2, 1, 1), nn.Conv2d(2, 3, 9),
        nn.ConvTranspose2d(2, 4, 3, stride=2, groups=2), nn.Unfold(3), nn.LPPool2d(2, 2),
        nn.AvgPool2d(2), nn.AvgPool2d(3, 1), nn.AvgPool2d(7), nn.AdaptiveAvgPool2d(4),
        nn.AdaptiveMaxPool2d(1), nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(7),
        nn.MaxPool2d(2, dilation=2, stride=3),
    ]  # fmt: skip
    for layer in layers:
        layer.to(dtype)
    images = Tensor(rng.standard_normal((7, 2, 9, 9)).astype(dtype), requires_grad=True)
    images.array[0, 0, 3:5, 3:5] = [[1, 1], [np.nan, 1]]  # ties and what is no number
    leaves = [images, *(p for layer in layers for p in layer.parameters())]
    monkeypatch.setattr("autograd_lite.compilation.native.images.BLOCK", 4096)  # several parts

    def loss() -> Tensor:
        found: Any = 0.0
        for i, layer in enumerate(layers):
            y = layer(images[1:] if i < 8 else images)
            found = found + ag.where(y == y.detach(), y * y, 0.0).mean()
        return found

    results = []
    for backend in ("numpy", "c"):
        step = compile(loss, backend=backend)
        step()
        results.append(gradients(step(), *leaves))
    assert is_c(step)
    assert not code_of(step).native.items.called
    close(results[1], results[0], 1e-13 if dtype == "float64" else 1e-6)


def test_sums_and_products_so_far_are_c() -> None:
    rng = np.random.default_rng(0)
    inputs = [
        Tensor(rng.standard_normal(shape), requires_grad=True)
        for shape in ((7,), (3, 4), (2, 3, 4))
    ]
    inputs[1].array[1, 2] = 0

    def loss() -> Tensor:
        found: Any = 0.0
        for x in inputs:
            for axis in range(x.ndim):
                found = found + (x.cumsum(axis) ** 2 + x.cumprod(axis) ** 3).sum()
                found = found + (x.prod(axis) ** 2).sum()
        return found

    step = compile(loss, backend="c")
    step()
    close(gradients(step(), *inputs), gradients(loss(), *inputs), 1e-12)
    assert not code_of(step).native.items.called


FEW = "ab,bc->ca ii->i ab,ab-> abcd,abed->abce ab,b,bc->c ab,cd->"
MORE = (
    "ab->ba ab-> ab->b ii-> ab,ab->a a,b->ab a,a->a abce,abed->abcd iij,jd->id abc,cd,de->abe "
    "abc->cab ab,cb,db->acd a,ab,b->"
)


@pytest.mark.parametrize(
    ("dtype", "specs"),
    [
        ("float64", FEW),
        *(pytest.param(dtype, f"{FEW} {MORE}", marks=pytest.mark.slow) for dtype in ("f4", "f8")),
    ],
)
def test_einstein_sums_are_c(dtype: str, specs: str) -> None:
    rng, sizes = (
        np.random.default_rng(0),
        {c: n for n, c in enumerate("abcde", 2)} | {"i": 4, "j": 4},
    )
    inputs = [
        [
            Tensor(rng.standard_normal([sizes[c] for c in t]).astype(dtype), requires_grad=True)
            for t in spec.partition("->")[0].split(",")
        ]
        for spec in specs.split()
    ]
    leaves = [t for some in inputs for t in some]

    def loss() -> Tensor:
        found: Any = 0.0
        for spec, some in zip(specs.split(), inputs, strict=True):
            found = found + (ag.einsum(spec, *some) ** 2).mean()
        return found

    step = compile(loss, backend="c")
    step()
    close(
        gradients(step(), *leaves),
        gradients(loss(), *leaves),
        1e-5 if dtype == "f4" else 1e-12,
    )
    assert not code_of(step).native.items.called


# the message names the program: to shrink 25 of them takes minutes
UNSHRUNK = settings(deadline=None, phases=[Phase.reuse, Phase.generate])


@settings(UNSHRUNK, max_examples=4)
@given(every=st.lists(programs(), min_size=25, max_size=25), seed=st.integers(0, 100))
def test_random_programs_in_c(every: list[Any], seed: int) -> None:
    check_programs(every, seed)


# a C file of 25 programs takes a second to compile: AUTOGRAD_LITE_PROGRAMS=10000 is for an evening
PROGRAMS = int(os.environ.get("AUTOGRAD_LITE_PROGRAMS", "1000"))


@pytest.mark.slow
@settings(UNSHRUNK, max_examples=PROGRAMS // 25)
@given(every=st.lists(programs(), min_size=25, max_size=25), seed=st.integers(0, 10_000))
def test_many_random_programs_in_c(every: list[Any], seed: int) -> None:
    check_programs(every, seed)


def check_programs(every: list[Any], seed: int) -> None:
    """Programs that share a compiled file, eagerly and through both printers.

    Where two numbers of a program are equal, or nearly, the last bit decides which is the largest.
    The vector library and the C library need not agree in it (docs/limits.md), so what changes when
    the eager program itself is run with other last bits is not compared.
    """
    rng = np.random.default_rng(seed)
    values = [
        [Tensor(rng.standard_normal((3, 3)), requires_grad=True) for _ in range(2)] for _ in every
    ]
    kept = [[Tensor(rng.standard_normal((3, 3))) for _ in range(2)] for _ in every]
    start = [[t.array.copy() for t in some] for some in kept]

    def rounding() -> Any:
        return 1 + 2.0**-52 * rng.integers(-1, 2, (3, 3))

    def results(backend: str | None, bits: Any = None) -> list[list[Any]]:
        """Of each program three steps' gradients, then what it keeps; the losses at the end."""
        for some, before in zip(kept, start, strict=True):
            for t, a in zip(some, before, strict=True):
                t.array[...] = a
        ag.manual_seed(seed)

        def loss() -> Tensor:
            found: Any = 0.0
            for one in zip(every, values, kept, strict=True):
                found = found + run_program(*one, bits)
            return found

        step = loss if backend is None else compile(loss, backend=backend)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            steps = [gradients(step(), *(t for some in values for t in some)) for _ in range(3)]
        return [
            *(
                [g for found in steps for g in found[2 * i + 1 : 2 * i + 3]]
                + [t.array.copy() for t in kept[i]]
                for i in range(len(every))
            ),
            [found[0] for found in steps],
        ]

    expected = results(None)
    wrong = {
        i: (found, backend)
        for backend in ("numpy", "c")
        for i, found in enumerate(results(backend))
        if not agree(found, expected[i])
    }
    for _ in range(8 if wrong else 0):
        for i, other in enumerate(results(None, rounding)):
            if not agree(other, expected[i]):
                wrong.pop(i, None)
    for i, (found, backend) in wrong.items():
        print(backend, every[i : i + 1] or "losses")
        close(found, expected[i], 1e-9)


def agree(a: list[Any], b: list[Any]) -> bool:
    """Whether `close` lets them pass."""
    try:
        close(a, b, 1e-9)
    except AssertionError:
        return False
    return True


# ---- training -------------------------------------------------------------------------------

RULES = {
    "sgd": lambda p: nn.optim.SGD(p, lr=0.1),
    "momentum": lambda p: nn.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
    "adam": lambda p: nn.optim.Adam(p, lr=0.01),
    "adamw": lambda p: nn.optim.AdamW(p, lr=0.01),
    "rmsprop": lambda p: nn.optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "adagrad": lambda p: nn.optim.Adagrad(p, lr=0.1),
}


def network(seed: int, *middle: Any) -> Any:
    ag.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 12), *middle, nn.Linear(12, 3))


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_optimizers_step_in_c(name: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    data = [
        (Tensor(rng.standard_normal((8, 6)).astype(dtype)), Tensor(rng.integers(0, 3, 8)))
        for _ in range(30)
    ]
    ends = []
    for backend in ("numpy", "c"):
        model = network(0, nn.Tanh()).to(dtype)
        optimizer = RULES[name](model.parameters())
        step = compile(
            lambda x, y, m=model: nn.functional.cross_entropy(m(x), y),
            optimizer=optimizer,
            backend=backend,
        )
        for i, (x, y) in enumerate(data):
            if i == 20:
                optimizer.param_groups[0]["lr"] *= 0.5  # read again
            step(x, y)
        ends.append([p.array.copy() for p in model.parameters()])
        counted = [s["step"] for s in optimizer.state.values()]
        assert counted in ([], [30] * 4)
    assert code_of(step).unsuited == 0
    close(ends[1], ends[0], 1e-5 if dtype == "float32" else 1e-12)


def test_layers_train_as_in_numpy_code() -> None:
    """Normalisation with buffers, dropout with its random numbers, attention, an embedding."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(11, 8)
            # without biases: that of the keys has a gradient of rounding errors alone
            self.q, self.k, self.v = (nn.Linear(8, 8, bias=False) for _ in range(3))
            self.norm, self.drop = nn.LayerNorm(8), nn.Dropout(0.3)
            self.batch, self.out = nn.BatchNorm1d(8), nn.Linear(8, 11)

        def forward(self, t: Any) -> Any:
            x = self.table(t)  # (B, T, C)
            weights = (self.q(x) @ self.k(x).mT * 8**-0.5).softmax(-1)
            x = self.norm(x + self.drop(weights @ self.v(x)))
            x = ag.gelu(self.batch(x.reshape(-1, 8)))
            return self.out(x)

    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 11, (12, 4, 7))
    ends = []
    for backend in ("numpy", "c"):
        ag.manual_seed(3)
        model = Block().double()
        optimizer = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
        step = compile(
            lambda t, m=model: nn.functional.cross_entropy(m(t), t.reshape(-1)),
            optimizer=optimizer,
            backend=backend,
        )
        losses = [step(Tensor(t)).item() for t in tokens]
        ends.append([np.array(losses), *(p.array.copy() for p in model.parameters())])
        ends[-1] += [b.array.astype(float) for b in model.buffers()]
        ends[-1].append(ag.rand(3).array)  # as many random numbers were drawn
    assert is_c(step)
    close(ends[1], ends[0], 1e-11)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_running_statistics_move_in_c(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRAD_LITE_BACKEND", "auto")  # which calls no NumPy from C
    rng = np.random.default_rng(0)
    xs = [Tensor(rng.standard_normal((5, 3, 2, 2)).astype(dtype) * 2 + 1) for _ in range(4)]
    ends = []
    for compiled in (False, True):
        ag.manual_seed(0)
        each = nn.InstanceNorm2d(3, affine=True, track_running_stats=True)
        batch = nn.BatchNorm2d(3, momentum=0.3)
        model = nn.Sequential(batch, nn.Conv2d(3, 3, 1), each, batch).to(dtype)  # one moves twice
        optimizer = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
        step = compile(
            lambda x, m=model: (m(x) ** 3).mean(), optimizer=optimizer, disable=not compiled
        )
        losses = []
        for x in xs:
            loss = step(x)
            if not compiled:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            losses.append(loss.item())
        ends.append([np.array(losses), *(t.array for t in model.state_dict().values())])
    assert is_c(step)
    assert code_of(step).unsuited == 0
    assert [t.dtype.name for t in model.buffers()] == [dtype, dtype, "int64"] * 2
    close(ends[1], ends[0], 1e-4 if dtype == "float32" else 1e-11)


def test_long_chains_and_layers_through_time() -> None:
    """Chains that run side by side, with a rest; products of all steps that are one."""

    def chained(x: Any) -> Any:
        for _ in range(20):
            x = x * 1.01 + x * 0.5
        return x.sum()

    ag.manual_seed(0)
    layer = nn.LSTM(3, 4, num_layers=2).double()
    x = Tensor(np.random.default_rng(0).standard_normal((5, 2, 3)), requires_grad=True)
    w = Tensor(np.linspace(-1, 1, 1003), requires_grad=True)
    results = []
    for backend in ("numpy", "c"):
        step = compile(lambda: chained(w) + (layer(x)[0] ** 2).mean(), backend=backend)
        step()
        results.append(gradients(step(), w, x, *layer.parameters()))
    assert is_c(step)
    assert "beside" in step.sources[0]
    # of a layer: the inputs, the states forward and backward, the weights, the inputs backward
    assert step.sources[0].count("gemm(101") == 2 * (1 + 5 + 4 + 2 + 1)
    close(results[1], results[0], 1e-12)
    expected = gradients(chained(w) + (layer(x)[0] ** 2).mean(), w, x, *layer.parameters())
    close(results[1], expected, 1e-12)


def test_the_usual_loop_gets_gradients_of_its_own() -> None:
    model = network(0, nn.ReLU())
    step = compile(lambda x: (model(x) ** 2).mean(), backend="c")
    x = Tensor(np.random.default_rng(0).standard_normal((4, 6)).astype("f"))
    step(x).backward()
    first = {n: p.grad for n, p in model.named_parameters()}
    before = {n: g.array.copy() for n, g in first.items()}
    model.zero_grad()
    step(x * 2).backward()
    for name, p in model.named_parameters():
        assert not np.shares_memory(first[name].array, p.grad.array)
        assert np.array_equal(first[name].array, before[name])
        assert p.grad.array.strides == p.array.strides


def test_large_gradients_are_never_anybodys_memory() -> None:
    w = Tensor(np.ones((200, 200), "f"), requires_grad=True)
    step = compile(lambda x: (w * x).sum(), backend="c")
    kept, views = [], []
    for i in range(6):
        w.grad = None
        step(Tensor(np.full((200, 200), float(i), "f"))).backward()
        if i % 3:
            kept.append((i, w.grad))
        views.append((i, w.grad.array[0]))
    for i, g in (*kept, *((i, Tensor(v)) for i, v in views)):
        assert (g.array == i).all()
    for i in range(6):  # of which nobody keeps one
        w.grad = None
        step(Tensor(np.full((200, 200), float(i), "f"))).backward()
        assert (w.grad.array == i).all()


# ---- traps ----------------------------------------------------------------------------------


def test_nan_infinities_and_zeros_with_a_sign() -> None:
    x = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-40, 3.0, -2.0] * 5, "f")
    for function in (
        lambda t: ag.exp(t).sum(), lambda t: ag.tanh(t).sum(), lambda t: ag.maximum(t, 1).sum(),
        lambda t: ag.where(t == t.detach(), t, t * 0 + 1).max(), lambda t: t.max(), lambda t: t.min(),
        lambda t: ag.erf(t).sum(), lambda t: (1 / t).min(), lambda t: ag.sigmoid(t).sum(),
    ):  # fmt: skip
        for values in (x, x[1:5], x[3:8]):
            w = Tensor(values.copy(), requires_grad=True)
            results = []
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for backend in ("numpy", "c"):
                    step = compile(lambda w=w, f=function: f(w), backend=backend)
                    step()
                    results.append(gradients(step(), w))
            close(results[1], results[0], 1e-6)
            zeros = [np.signbit(r[1]) & (r[1] == 0) for r in results]
            assert np.array_equal(*zeros)


def test_arrays_that_lie_otherwise_are_taken_by_the_numpy_code() -> None:
    w = Tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
    step = compile(lambda x: (w * x).sum(), backend="c")
    a = np.arange(1.0, 13).reshape(3, 4)
    locked = a.copy()
    locked.flags.writeable = False
    for x in (a, a, np.asfortranarray(a), a[::-1], locked, np.repeat(a, 2, 1)[:, ::2], a[:, ::-1]):
        found = gradients(step(Tensor(x)), w)
        same(found, [np.asarray((w.array * x).sum()), x])
    assert step.traces == 1


def test_memory_that_is_shared_with_what_changes() -> None:
    """w1 is multiplied by itself, as an argument that is no copy."""
    ends = []
    for backend in ("numpy", "c"):
        w = Tensor(np.arange(1.0, 10).reshape(3, 3) / 9, requires_grad=True)
        optimizer = nn.optim.SGD([w], lr=0.1)
        step = compile(lambda x, w=w: ((w @ x) ** 2).mean(), optimizer=optimizer, backend=backend)
        for _ in range(3):
            step(Tensor(np.eye(3)))
            step(Tensor(w.array))
        ends.append([w.array.copy()])
    same(ends[1], ends[0])
    assert code_of(step).unsuited > 0


def test_warnings_and_errors_of_numpy_stay() -> None:
    w = tensor([1.0, 2.0], requires_grad=True)
    step = compile(lambda x: ag.log(w * x).sum(), backend="c")
    good, bad = tensor([1.0, 1.0]), tensor([0.0, 1.0])
    step(good)
    assert step(good).item() == pytest.approx(np.log(2))
    with pytest.warns(RuntimeWarning) as seen:
        assert step(bad).item() == -np.inf
    assert "divide by zero" in str(seen[0].message)
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        step(bad)
    with np.errstate(all="ignore"):
        assert step(bad).item() == -np.inf
    assert step(good).item() == pytest.approx(np.log(2))


def test_exact_limits_are_quiet() -> None:
    w = Tensor(np.array([1000.0, -1000.0], "f"), requires_grad=True)
    step = compile(lambda: ag.sigmoid(w).sum(), backend="c")
    step()
    assert step().item() == 1.0
    assert code_of(step).unsuited == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_powers_of_infinities_are_quiet(dtype: str) -> None:
    """What a mask hides has the power exp(-inf), which vector code says is invalid."""
    a = np.array([-np.inf, -1e30, 0.5, -np.inf, -200.0, -1000.0, 3.0, 1.0] * 9, dtype)
    w, n = (Tensor(x, requires_grad=True) for x in (a, np.array([np.nan, -np.nan] * 9, dtype)))
    step = compile(lambda: ag.exp(w).sum() + w.softmax(0)[2] + ag.exp(n)[0], backend="c")
    step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = gradients(step(), w, n)
        expected = gradients(ag.exp(w).sum() + w.softmax(0)[2] + ag.exp(n)[0], w, n)
    close(found[1:], expected[1:], 1e-6 if dtype == "float32" else 1e-14)
    assert np.isnan(found[0])
    assert code_of(step).unsuited == 0


def test_rows_of_a_table_that_are_not_there() -> None:
    ag.manual_seed(0)
    table = nn.Embedding(5, 3)
    optimizer = nn.optim.Adam(table.parameters())
    step = compile(lambda i: (table(i) ** 2).mean(), optimizer=optimizer, backend="c")
    for _ in range(3):
        step(Tensor(np.array([[0, 4], [2, 2]])))
    assert code_of(step).threads.again is not None  # the question is in C, and cuts nothing
    before = table.weight.array.copy()
    for wrong in (5, -1):
        with pytest.raises(IndexError, match="from 0 to 4"):
            step(Tensor(np.array([[0, wrong], [2, 2]])))
    assert np.array_equal(before, table.weight.array)


def test_a_class_that_is_not_there_changes_nothing() -> None:
    model = network(0, nn.ReLU())
    optimizer = nn.optim.Adam(model.parameters())
    step = compile(
        lambda x, t: nn.functional.cross_entropy(model(x), t), optimizer=optimizer, backend="c"
    )
    x, t = Tensor(np.ones((4, 6), "f")), Tensor(np.array([0, 1, 2, 0]))
    for _ in range(3):
        step(x, t)
    before = [p.array.copy() for p in model.parameters()]
    for wrong in (3, -1):
        with pytest.raises(IndexError, match="class"):
            step(x, Tensor(np.array([0, 1, wrong, 0])))
    same(before, [p.array for p in model.parameters()])
    assert [s["step"] for s in optimizer.state.values()] == [3] * 4
    step(x, t)


def test_an_index_that_is_out_of_range_or_negative() -> None:
    w = Tensor(np.arange(6.0), requires_grad=True)
    step = compile(lambda i: (w[i] * w[i]).sum(), backend="c")
    for i in ([0, 1], [5, 5], [0, 1]):
        assert step(Tensor(np.array(i))).item() == sum(k * k for k in i)
    assert step(Tensor(np.array([-1, -6]))).item() == 25
    with pytest.raises(IndexError):
        step(Tensor(np.array([6, 0])))


def test_parameters_that_cannot_be_written_raise_as_they_did() -> None:
    w = tensor([1.0, 2.0], requires_grad=True)
    step = compile(lambda: (w * w).sum(), optimizer=nn.optim.SGD([w], lr=0.1), backend="c")
    step()
    step()
    w.array.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        step()


def test_the_arrays_of_a_trace_are_let_go() -> None:
    layer = nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2))
    step = compile(lambda x: (layer(x) ** 2).mean(), backend="c")
    x = Tensor(np.ones((2, 1, 8, 8), "f"))
    first = ref(x.array)
    for _ in range(2):
        step(x)
        x = Tensor(np.ones((2, 1, 8, 8), "f"))
    step(x)
    gc.collect()
    assert first() is None


def test_threads_have_memory_of_their_own() -> None:
    w = Tensor(np.random.default_rng(0).standard_normal((40, 40)), requires_grad=True)
    step = compile(lambda x: ag.tanh(w @ x).sum(), backend="c")
    inputs = [Tensor(np.random.default_rng(i).standard_normal((40, 40))) for i in range(4)]
    expected = [ag.tanh(w @ x).sum().item() for x in inputs]
    for x in inputs:
        step(x)
    wrong: list[float] = []

    def work(i: int) -> None:
        for _ in range(200):
            if abs(step(inputs[i]).item() - expected[i]) > 1e-9:
                wrong.append(expected[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_other_threads_run_beside_a_long_call() -> None:
    """Which they cannot between two instructions of Python here, as those are not interrupted."""
    w = Tensor(np.ones((300, 300)), requires_grad=True)
    step = compile(lambda: (w @ w).sum(), backend="c")
    for _ in range(3):
        step()
    found: list[int] = []
    go = threading.Lock()
    go.acquire()
    thread = threading.Thread(target=lambda: found.append(int(go.acquire())))
    thread.start()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        go.release()
        calls = 0
        while not found and calls < 500:
            step()
            calls += 1
    finally:
        sys.setswitchinterval(before)
    thread.join()
    assert calls < 500
    small = compile(lambda: (w[0] * 2).sum(), backend="c")
    small()
    assert "= PyEval_SaveThread()" in step.sources[0]
    assert "= PyEval_SaveThread()" not in small.sources[0]


def test_a_step_that_python_runs_cuts_the_function() -> None:
    w = Tensor(np.array([[3.0, 1.0, 2.0], [1.0, 5.0, 4.0]]), requires_grad=True)

    def loss(x: Tensor) -> Tensor:
        return (np.linalg.inv((w * x).mT @ w + Tensor(np.eye(3))) ** 2).mean()  # type: ignore[no-any-return]

    x = tensor([[1.0, 2.0, 3.0]], dtype=w.dtype)
    step = compile(loss, backend="c")
    step(x)
    same(gradients(step(x), w), gradients(loss(x), w))
    assert code_of(step).native.items.called
    auto = compile(loss, backend="auto")
    auto(x)
    assert not os.environ.get("AUTOGRAD_LITE_BACKEND") or code_of(auto).native is None


def test_a_sort_is_numpys_between_functions_of_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRAD_LITE_BACKEND", "auto")
    rng = np.random.default_rng(0)
    w = Tensor(rng.standard_normal((5, 7)), requires_grad=True)

    def loss() -> Tensor:
        found = (w.sort(1)[0] ** 2).mean() + ag.sort(w, 0, descending=True)[0].prod()
        found = (
            found + ag.topk(w, 3, 1).values.sum() + ag.median(w, axis=1).exp().sum() + w.median()
        )
        return found + (ag.quantile(w, 0.3, 0) * ag.argsort(w, 1)[0]).sum()

    step = compile(loss)
    for _ in range(4):
        w.array[...] = rng.standard_normal((5, 7))
        w.array[1, 2:5] = w.array[2, 3]
        close(gradients(step(), w), gradients(loss(), w), 1e-13)
    assert is_c(step) and code_of(step).unsuited == 0
    w.array[1, 2] = np.nan
    close(gradients(step(), w), gradients(loss(), w), 1e-13)


def test_places_of_extremes_and_counts_are_c() -> None:
    rng = np.random.default_rng(0)
    w = Tensor(np.round(rng.standard_normal((4, 6)) * 2) / 2, requires_grad=True)  # with ties

    def loss() -> Tensor:
        found: Any = 0.0
        for axis in (0, 1):
            found = found + (w.max(dim=axis).values ** 2).sum() + w.min(dim=axis).values.sum()
            found = found + (ag.amax(w, axis) ** 3).sum() + (w.argmax(dim=axis) * w[0, 0]).sum()
            found = found + (ag.cummax(w, axis).values * w).sum() + ag.cummin(w, axis).values.sum()
            found = found + (ag.logcumsumexp(w, axis) ** 2).sum()
        return found + w.argmax() * w.max() + w.argmin() * w[1, 1]

    step = compile(loss, backend="c")
    for value in (0.5, np.inf, np.nan):
        w.array[1, 2] = value
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            close(gradients(step(), w), gradients(loss(), w), 1e-13)
            close(gradients(step(), w), gradients(loss(), w), 1e-13)
    assert not code_of(step).native.items.called


def test_numbers_of_the_optimizer_are_asked_about_again() -> None:
    w = tensor([1.0, 2.0], requires_grad=True)
    optimizer = nn.optim.SGD([w], lr=0.1, momentum=0.9)
    step = compile(lambda: (w * w).sum(), optimizer=optimizer, backend="c")
    for _ in range(3):
        step()
    twin = w.detach().clone().requires_grad_()
    other = nn.optim.SGD([twin], lr=0.1, momentum=0.9)
    other.load_state_dict(optimizer.state_dict())
    for group in (optimizer.param_groups[0], other.param_groups[0]):
        group["weight_decay"] = 0.5
    step()
    (twin * twin).sum().backward()
    other.step()
    close([w.array], [twin.array], 1e-6)


# ---- guards in C ----------------------------------------------------------------------------


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The times that Python has looked whether something has changed."""
    found: list[Any] = []
    fits = Variant.fits

    def counted(variant: Any) -> bool:
        found.append(variant)
        return fits(variant)

    monkeypatch.setattr(Variant, "fits", counted)
    return found


def halved(rate: Any) -> None:
    rate["lr"] *= 0.5


CHANGES: dict[str, Any] = {
    "nothing": lambda model, optimizer: None,
    "a rate": lambda model, optimizer: halved(optimizer.param_groups[0]),
    "an array": lambda model, optimizer: setattr(
        model[0].weight, "data", Tensor(model[0].weight.array * 0.5)
    ),
    "a parameter": lambda model, optimizer: setattr(model[2], "bias", None),
    "a module": lambda model, optimizer: model.__setitem__(1, nn.Tanh()),
    "a dictionary": lambda model, optimizer: vars(model[2]).update(bias=None),
    "a hook": lambda model, optimizer: model[0].register_forward_hook(lambda m, x, y: y * 0.5),
    "a hook of a gradient": lambda model, optimizer: model[0].bias.register_hook(lambda g: g * 2),
    "the states": lambda model, optimizer: optimizer.load_state_dict(optimizer.state_dict()),
    "a step of its own": lambda model, optimizer: optimizer.step(),
    "a gradient": lambda model, optimizer: setattr(model[0].bias, "grad", Tensor(np.ones(12, "f"))),
    "a frozen tensor": lambda model, optimizer: model[0].bias.requires_grad_(False),
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_what_changes_is_seen_by_the_guards_in_c(what: str, name: str, looked: list[Any]) -> None:
    rng = np.random.default_rng(0)
    x = Tensor(rng.standard_normal((8, 6)).astype("f"))
    y = Tensor(rng.integers(0, 3, 8))
    ends = []
    for backend in ("c", "numpy"):
        model = network(0, nn.ReLU())
        optimizer = RULES[name](model.parameters())
        step = compile(
            lambda x, y, m=model: nn.functional.cross_entropy(m(x), y),
            optimizer=optimizer,
            backend=backend,
        )
        losses = []
        for i in range(12):
            if i == 6:
                looked.clear()
                CHANGES[what](model, optimizer)
            if i == 6 or (i == 11 and backend == "c" and what == "nothing"):
                assert backend == "numpy" or code_of(step).threads.again is not None
                assert i == 6 or not looked  # not once since then
            losses.append(step(x, y).item())
        ends.append([np.array(losses), *(p.array.copy() for p in model.parameters())])
        if optimizer.state:
            ends[-1].append(np.array([s.get("step", 0) for s in optimizer.state.values()]))
    close(ends[0], ends[1], 1e-4)


def test_closures_and_attributes_are_seen_by_the_guards_in_c(looked: list[Any]) -> None:
    class Scale:
        factor = 2.0

        def __call__(self, x: Any) -> Any:
            return x * self.factor

    w = tensor([1.0, 2.0], requires_grad=True)
    scale, number = Scale(), 3.0

    def loss() -> Tensor:
        return (scale(w) * number).sum()

    step = compile(loss, backend="c")
    for _ in range(5):
        assert step().item() == 18.0
    assert len(looked) <= 2
    number = 1.0
    assert step().item() == 6.0
    scale.factor = 4.0
    assert step().item() == 12.0
    Scale.factor = 5.0
    del scale.factor
    assert step().item() == 15.0
    scale = lambda x: x
    assert step().item() == 3.0
    w.data = tensor([5.0, 5.0])
    assert step().item() == 10.0
    assert w.grad is None
    step().backward()
    assert w.grad.tolist() == [1.0, 1.0]


# ---- an epoch in one call -------------------------------------------------------------------


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("backend", ["c", "numpy"])
def test_an_epoch_is_the_steps_of_a_loader(name: str, backend: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((53, 6)).astype("f"), rng.integers(0, 3, 53)
    ends = []
    for whole in (True, False):
        model = network(0, nn.Tanh())
        optimizer = RULES[name](model.parameters())
        step = compile(
            lambda x, y, m=model: nn.functional.cross_entropy(m(x), y),
            optimizer=optimizer,
            backend=backend,
        )
        losses = []
        for i in range(3):
            order = np.random.default_rng(i).permutation(53)
            if whole:
                losses += [*step.epoch(x, Tensor(y), order=order, batch_size=8)]
            else:
                data = nn.data.Subset(nn.data.TensorDataset(x, y), order)
                losses += [step(*batch).item() for batch in nn.data.DataLoader(data, batch_size=8)]
        ends.append([np.array(losses), *(p.array.copy() for p in model.parameters())])
        ends[-1] += [np.array(s["step"]) for s in optimizer.state.values()]
    for a, b in zip(*ends, strict=True):
        assert np.array_equal(a, b)
    assert len(ends[0][0]) == 21


def test_an_epoch_moves_running_statistics_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((48, 6)).astype("f") * 2 + 1, rng.integers(0, 3, 48)
    ends = []
    for whole in (True, False):
        model = network(0, nn.BatchNorm1d(12), nn.Tanh())
        optimizer = nn.optim.Adam(model.parameters())
        step = compile(
            lambda x, y, m=model: nn.functional.cross_entropy(m(x), y),
            optimizer=optimizer,
            backend="c",
        )
        losses = [step(Tensor(x[:8]), Tensor(y[:8])).item() for _ in range(3)]
        mean = model[1].running_mean
        seen = (mean * tensor([1.0] * 12, requires_grad=True)).sum()
        if whole:
            with monkeypatch.context() as patch:
                patch.setattr(type(step), "fast", lambda *args: pytest.fail("Python ran a step"))
                losses += [*step.epoch(x, y, batch_size=8)]
        else:
            losses += [
                step(Tensor(x[i : i + 8]), Tensor(y[i : i + 8])).item() for i in range(0, 48, 8)
            ]
        ends.append([np.array(losses), *(t.array.copy() for t in model.state_dict().values())])
        assert model[1].num_batches_tracked.item() == 9
        with pytest.raises(RuntimeError, match="changed in place"):
            seen.backward()
    for a, b in zip(*ends, strict=True):
        assert np.array_equal(a, b)
    # what shows the statistics is not for the code
    before = mean.array.copy()
    loss = step(Tensor(np.broadcast_to(mean.array[:6], (8, 6))), Tensor(y[:8]))
    assert np.isfinite(loss.item()) and not np.array_equal(before, mean.array)


def test_an_epoch_stops_at_a_class_that_is_not_there() -> None:
    model = network(0, nn.ReLU())
    optimizer = nn.optim.Adam(model.parameters())
    step = compile(
        lambda x, y: nn.functional.cross_entropy(model(x), y), optimizer=optimizer, backend="c"
    )
    x, y = np.ones((40, 6), "f"), np.zeros(40, int)
    y[33] = 3
    with pytest.raises(IndexError, match="class"):
        step.epoch(x, y, batch_size=4)
    assert [s["step"] for s in optimizer.state.values()] == [8] * 4


def test_the_errors_of_an_epoch() -> None:
    w = tensor([1.0], requires_grad=True)
    step = compile(lambda x: (w * x).sum(), optimizer=nn.optim.SGD([w], lr=0.1))
    x = np.ones(4, "f")
    with pytest.raises(ValueError, match="optimizer"):
        compile(lambda x: (w * x).sum()).epoch(x)
    with pytest.raises(ValueError, match=r"number of rows; got shapes \(4,\), \(3,\)"):
        step.epoch(x, x[:3])
    with pytest.raises(ValueError, match="at least 1"):
        step.epoch(x, batch_size=0)
    with pytest.raises(IndexError):
        step.epoch(x, order=[0, 4])
    assert len(step.epoch(x, order=[])) == 0
    assert step.epoch(x, order=[-1, 0], batch_size=2).shape == (1,)


def test_ctrl_c_ends_an_epoch_between_steps() -> None:
    model = network(0, nn.Tanh())
    optimizer = nn.optim.Adam(model.parameters())
    step = compile(
        lambda x, y: nn.functional.cross_entropy(model(x), y), optimizer=optimizer, backend="c"
    )
    x, y = np.ones((400_000, 6), "f"), np.zeros(400_000, int)
    step.epoch(x[:8], y[:8], batch_size=2)
    timer = threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        for _ in range(100):
            step.epoch(x, y, batch_size=2)
    timer.join()
    assert len({s["step"] for s in optimizer.state.values()}) == 1
    assert len(step.epoch(x[:8], y[:8], batch_size=2)) == 4


# ---- the compiler and its cache -------------------------------------------------------------

SCRIPT = """
    import os, sys, warnings
    import numpy as np
    from autograd_lite import Tensor, compile
    from autograd_lite.compilation.native import library
    w = Tensor(np.arange(3.0), requires_grad=True)
    step = compile(lambda x: (w * x).sum())
    step(Tensor(np.ones(3)))
    print(step(Tensor(np.full(3, 2.0))).item(), "int part0" in step.sources[0])
"""


def run(script: str = SCRIPT, **env: str) -> str:
    """What a process of its own prints."""
    given = {k: v for k, v in os.environ.items() if k != "AUTOGRAD_LITE_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        env=given | {"PYTHONPATH": str(ROOT)} | env,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    return done.stdout.strip()


def test_the_default_is_c_where_there_is_a_compiler(tmp_path: Path) -> None:
    assert run(XDG_CACHE_HOME=str(tmp_path)) == "6.0 True"
    kept = tmp_path / "autograd_lite" / "native"
    assert kept.stat().st_mode & 0o777 == 0o700
    assert not list(kept.glob("new-*"))
    assert run(XDG_CACHE_HOME=str(tmp_path), AUTOGRAD_LITE_BACKEND="numpy") == "6.0 False"


@pytest.mark.parametrize("path", ["false", "/nowhere/cc"])
def test_without_a_compiler_it_is_numpy(path: str, tmp_path: Path) -> None:
    assert run(CC=path, XDG_CACHE_HOME=str(tmp_path)) == "6.0 False"
    script = SCRIPT.replace("(w * x).sum())", "(w * x).sum(), backend='c')")
    with pytest.raises(AssertionError, match="backend='c' needs a C compiler"):
        run(script, CC=path, XDG_CACHE_HOME=str(tmp_path))


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path)}
    run(**env)
    files = sorted((tmp_path / "autograd_lite" / "native").glob("*.so"))
    assert len(files) == 3  # one finds out what the compiler can do, one has the guards
    whole = [f.read_bytes() for f in files]
    for damage in (lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:900] + b"x" + b[901:]):
        for f, content in zip(files, whole, strict=True):
            f.write_bytes(damage(content))
        assert run(**env) == "6.0 True"


def test_a_folder_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path)}
    kept = tmp_path / "autograd_lite" / "native"
    kept.mkdir(parents=True)
    kept.chmod(0o777)
    assert run(**env) == "6.0 True"
    assert not list(kept.iterdir())


def test_processes_at_once_and_after_a_fork(tmp_path: Path) -> None:
    script = (
        SCRIPT
        + """
    for _ in range(3):
        if not os.fork():
            step(Tensor(np.ones(3)))
            again = compile(lambda x: (w * x * x).sum())
            again(Tensor(np.ones(3)))
            os._exit(again(Tensor(np.ones(3))).item() != 3)
    print(sum(os.wait()[1] for _ in range(3)))
    """
    )
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda: results.append(run(script, XDG_CACHE_HOME=str(tmp_path))))
        for _ in range(2)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == ["6.0 True\n0"] * 2


def test_ctrl_c_while_the_compiler_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "folder", lambda: tmp_path)
    slow = tmp_path / "cc"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o700)
    c = compiler()._replace(path=str(slow))
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        library.open_library("int f(void) { return 1; }", c)
    timer.join()
    assert [f.name for f in tmp_path.iterdir()] == ["cc"]


def test_products_without_blas_are_numpys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "blas", lambda: None)
    model = network(0, nn.Tanh())
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    twin = network(0, nn.Tanh())
    x = Tensor(np.random.default_rng(0).standard_normal((4, 6)).astype("f"))
    step = compile(lambda: (model(x) ** 2).mean(), optimizer=optimizer, backend="c")
    same_step = compile(
        lambda: (twin(x) ** 2).mean(),
        optimizer=nn.optim.SGD(twin.parameters(), lr=0.1),
        backend="numpy",
    )
    for _ in range(3):
        step()
        same_step()
    assert is_c(step)
    close([p.array for p in model.parameters()], [p.array for p in twin.parameters()], 1e-6)
