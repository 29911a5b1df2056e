"""Operations of users compile: any ufunc, any composition, and what has no form in NumPy source."""

from __future__ import annotations

import gc
import random
import warnings
from typing import Any
from weakref import ref

import numpy as np
import pytest

from autograd_lite import Tensor, compile, grad
from autograd_lite.compilation.lower import Careful, Fast
from autograd_lite.engine.op import Op
from autograd_lite.engine.rules import ops
from autograd_lite.program.expr import NUMPY
from nn import functional as F
from tests.compilation.test_compile import gradients, same

# ufuncs of one and of two inputs, smooth on (0.2, 0.9)
ONE = [
    np.sin, np.cos, np.tan, np.exp, np.exp2, np.expm1, np.log, np.log1p, np.log2, np.log10, np.sqrt,
    np.cbrt, np.square, np.reciprocal, np.arcsin, np.arctan, np.arcsinh, np.arctanh, np.tanh, np.sinh,
    np.negative, np.positive, np.absolute, np.fabs, np.deg2rad, np.rad2deg, np.conjugate, np.spacing,
]  # fmt: skip
TWO = [
    np.add, np.subtract, np.multiply, np.divide, np.power, np.maximum, np.minimum, np.fmax, np.fmin,
    np.hypot, np.arctan2, np.logaddexp, np.logaddexp2, np.copysign, np.float_power, np.heaviside,
]  # fmt: skip


class Composed:
    """A function of arrays, of Tensors or of Symbols, made of ufuncs by a seeded generator."""

    def __init__(self, r: random.Random, inputs: int, steps: int) -> None:
        self.lines = []
        for n in range(inputs, inputs + steps):
            f: Any = r.choice(ONE if r.random() < 0.6 else TWO)
            self.lines.append((f, [r.randrange(n) for _ in range(f.nin)]))
        self.squash = r.choice([np.tanh, np.sin, np.arctan])

    def __call__(self, *inputs: Any) -> Any:
        known = list(inputs)
        for f, places in self.lines:
            known.append(self.squash(f(*[known[i] for i in places])) * 0.3 + 0.5)
        return known[-1] + sum(inputs) * 0.1  # so that it has the shape of all of them


def random_op(seed: int) -> tuple[Op, int]:
    """An operation whose rules are compositions too; they need not be its derivatives."""
    r = random.Random(seed)
    n = r.choice([1, 2, 3])
    forward: Any = Composed(r, n, r.randint(1, 4))
    if r.random() < 0.4:
        forward = r.choice(ONE if n == 1 else TWO)
        n = forward.nin
    rules = [Composed(r, n + 2, r.randint(1, 5)) for _ in range(n)]

    def rule_of(slope: Any) -> Any:
        return lambda g, y, *inputs: g * slope(g * 0.2, y, *inputs)

    return Op(f"random{seed}", forward, *map(rule_of, rules)), n


@pytest.mark.parametrize("seed", range(60))
def test_random_operations(seed: int) -> None:
    op, n = random_op(seed)
    rng = np.random.default_rng(seed)
    dtype = [np.float64, np.float32][seed % 2]
    leaves = [Tensor(rng.uniform(0.3, 0.8, s).astype(dtype), requires_grad=True)
              for s in [(2, 3), (3,), (2, 1)][:n]]  # fmt: skip

    def loss(x: Tensor) -> Tensor:
        y = op(*leaves) * x
        return (y * y).sum()

    step = compile(loss)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for _ in range(2):
            x = Tensor(rng.uniform(0.3, 0.8, (2, 3)).astype(dtype))
            with np.errstate(all="ignore"):
                expected = gradients(loss(x), *leaves)
                same(gradients(step(x), *leaves), expected, 1e-10 if seed % 2 == 0 else 2e-4)
            for t in leaves:
                t.array += 0.01
    assert "traced 1 times" in repr(step)


def scaled(x: Any, by: float, axis: int) -> Any:
    return x * by - np.add.reduce(x, axis=axis, keepdims=True)


def cases() -> dict[str, Op]:
    return {
        "a ufunc": Op("cbrt", np.cbrt, lambda g, y, x: g / (3 * y * y)),
        "metadata": Op(
            "scaled",
            lambda x: scaled(x, by=2.0, axis=0),
            lambda g, y, x: scaled(g, by=2.0, axis=0),
        ),
        "a ufunc of two outputs": Op("fraction", lambda x: np.modf(x * 3)[0], lambda g, y, x: 3 * g),
        "an array that it captures": Op(
            "weighted", lambda x: x * WEIGHTS / WEIGHTS, lambda g, y, x: g * WEIGHTS / WEIGHTS
        ),
        "a rule that gives an array": Op(
            "shifted", lambda x: x * 0 + WEIGHTS, lambda g, y, x: np.zeros((3, 3))
        ),
        "a view": Op("turned", lambda x: x[::-1], lambda g, y, x: g[::-1]),
        "itself": Op("same", lambda x: x, lambda g, y, x: g),
        "a function of Python": Op(
            "python", lambda x: of_objects(x).astype(x.dtype), lambda g, y, x: 2 * g * x
        ),
        "np.vectorize": Op("vectorized", squares, lambda g, y, x: g * squares(x) / x * 2),
        "np.vectorize inside": Op(
            "vectorized", lambda x: squares(x * 2) / 4, lambda g, y, x: g * 2 * x
        ),
        "np.vectorize in the rule": Op(
            "vectorized", lambda x: x * x, lambda g, y, x: 2 * g * squares(x) / x
        ),
        "np.asarray": Op("array", lambda x: np.asarray(x) ** 2, lambda g, y, x: g * 2 * np.asarray(x)),
        "a ufunc of Python": Op(
            "frompyfunc", lambda x: np.asarray(of_objects(x), x.dtype), lambda g, y, x: 2 * g * x
        ),
        "a loop over values": Op(
            "loop",
            lambda x: np.array([[float(v) ** 2 for v in row] for row in x]),
            lambda g, y, x: np.array([[2 * float(v) for v in row] for row in x]) * g,
        ),
        "a branch in a helper": Op(
            "helped", lambda x: chosen(x) * x, lambda g, y, x: g * chosen(x)
        ),
        "a branch on shapes": Op(
            "shaped", lambda x: x * 2 if x.ndim == 2 else x, lambda g, y, x: g * (2 if x.ndim else 1)
        ),
        "a branch on values": Op(
            "branch",
            lambda x: x * 2 if x.sum() > 0 else x * 3,
            lambda g, y, x: g * 2 if x.sum() > 0 else g * 3,
        ),
        "writes into memory of its own": Op(
            "written", written, lambda g, y, x: np.multiply(g, 2, out=np.empty_like(g))
        ),
        "a choice by types": Op(
            "typed",
            lambda x: x * 2 if isinstance(x, np.ndarray) else x * 3,
            lambda g, y, x: g * 2 if isinstance(g, np.ndarray) else g * 3,
        ),
        "linear algebra": Op(
            "inverse", np.linalg.inv, lambda g, y, x: -(y.mT @ g @ y.mT)
        ),
    }  # fmt: skip


WEIGHTS = np.array([2.0, 3.0, 5.0])


def chosen(x: Any) -> float:
    return 2.0 if x.max() > 0.9 and x.sum() > 0 else 3.0


squares = np.vectorize(lambda v: v * v)
of_objects = np.frompyfunc(lambda v: v * v, 1, 1)


def written(x: Any) -> Any:
    y = np.empty_like(x)
    y[...] = x
    y *= 2
    return y


@pytest.mark.parametrize("name", cases())
def test_operations_without_a_form_in_numpy_source_are_called(name: str) -> None:
    op, rng = cases()[name], np.random.default_rng(0)
    w = Tensor(rng.standard_normal((3, 3)), requires_grad=True)

    def loss(x: Tensor) -> Tensor:
        y = op(w * x)
        return (y * (w + x)).sum() + (y * y).sum()

    step = compile(loss)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for sign in (1, 1, -1, 1):
            x = Tensor(sign * rng.uniform(0.5, 1, (3, 3)) + 3 * sign * np.eye(3))
            same(gradients(step(x), w), gradients(loss(x), w), 1e-9)
            w.array = np.abs(w.array)
    assert step.traces == 1
    assert not step.why


def test_ufuncs_with_names_of_the_code() -> None:
    special = pytest.importorskip("scipy.special")
    k0 = Op("k0", special.k0, lambda g, y, x: -g * k1(x))
    k1 = Op("k1", special.k1, lambda g, y, x: -g * (special.k0(x) + y / x))
    w = Tensor(np.random.default_rng(0).uniform(0.5, 1, (4, 3)), requires_grad=True)
    t = Tensor(np.array([0, 2, 1, 0]))
    step = compile(lambda t: F.cross_entropy(k1(k0(w) + w), t))
    for _ in range(2):
        expected = gradients(F.cross_entropy(k1(k0(w) + w), t), w)
        same(gradients(step(t), w), expected, 1e-10)
    assert step.traces == 1
    assert not step.why


def test_two_operations_of_one_name() -> None:
    a = Op("mine", lambda x: np.array([2 * float(v) for v in x]), lambda g, y, x: 2 * g)
    b = Op("mine", lambda x: np.array([3 * float(v) for v in x]), lambda g, y, x: 3 * g)
    w = Tensor([1.0, 2.0], requires_grad=True)
    step = compile(lambda: (a(w) + b(w)).sum())
    for _ in range(2):
        assert step().item() == 15.0
        assert grad(step(), [w])[0].tolist() == [5.0, 5.0]
    assert step.traces == 1


def test_no_operation_is_kept_by_a_trace() -> None:
    before = len(NUMPY)
    for _ in range(3):
        op = Op("kept", lambda x: x * 2, lambda g, y, x: g * 2)
        w = Tensor([1.0], requires_grad=True)
        compile(lambda: op(w).sum())()  # noqa: B023
        op = Op("kept", lambda x: np.array([float(v) for v in x]), lambda g, y, x: g)
        compile(lambda: op(w).sum())()  # noqa: B023
    assert len(NUMPY) <= before + 1
    for shared in (Careful.of_rows, Fast.of_rows):
        assert all(vars(ops).get(o.name, o) is o for o in shared)
        assert "kept" not in {o.name for o in shared}


FACTOR = 2.0


class Factor:
    value = 2.0


factor = Factor()


def reading() -> dict[str, tuple[Op, Any]]:
    """Operations that read a number outside of them, and how to change it."""
    items, array, table, other = [2.0], np.full(3, 2.0), {"k": 2.0}, Factor()
    number = 2.0

    def put(k: float) -> None:
        nonlocal number
        number = k

    def own(forward: Any, slope: Any) -> Op:
        return Op("own", forward, lambda g, y, x: g * slope())

    halves = Op("halves", np.positive, lambda g, y, x: g * (items[0] - 1))
    replaced = own(lambda x: x * 2.0, lambda: 2.0)
    each = Op("each", lambda *xs: xs[0] * items[0], each=lambda g, y, *xs, i: g * items[0])
    return {
        "a list": (own(lambda x: x * items[0], lambda: items[0]), lambda k: put_at(items, 0, k)),
        "an array": (own(lambda x: x * array, lambda: array), lambda k: array.fill(k)),
        "a closure": (own(lambda x: x * number, lambda: number), put),
        "a dict": (own(lambda x: x * table["k"], lambda: table["k"]), lambda k: put_at(table, "k", k)),
        "a global": (
            own(lambda x: x * FACTOR, lambda: FACTOR), lambda k: put_at(globals(), "FACTOR", k)
        ),
        "an attribute": (
            own(lambda x: x * other.value, lambda: other.value), lambda k: setattr(other, "value", k)
        ),
        "in the rule alone": (halves, lambda k: put_at(items, 0, k)),
        "another function": (replaced, lambda k: setattr(replaced, "forward", lambda x: x * k)),
        "each": (each, lambda k: put_at(items, 0, k)),
    }  # fmt: skip


def put_at(holder: Any, key: Any, value: float) -> None:
    holder[key] = value


@pytest.mark.parametrize("name", reading())
def test_what_an_operation_reads_is_watched(name: str) -> None:
    op, change = reading()[name]
    w = Tensor([1.0, 2.0, 3.0], requires_grad=True)

    def loss(x: Tensor) -> Tensor:
        return op(w * x).sum()

    step = compile(loss)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for k in (2.0, 3.0, 3.0, 4.0):
            change(k)
            x = Tensor([1.0, 1.0, 2.0])
            same(gradients(step(x), w), gradients(loss(x), w), 1e-12)
        change(2.0)
    assert step.traces == (4 if name == "another function" else 3)  # it is another at every call


def test_what_an_operation_made_in_the_function_reads_is_watched() -> None:
    w, k = Tensor([1.0, 2.0], requires_grad=True), [2.0]

    def loss() -> Tensor:
        op = Op("within", lambda x: x * k[0], lambda g, y, x: g * k[0])
        return op(w).sum()

    step = compile(loss)
    for k[0] in (2.0, 3.0, 3.0):
        same(gradients(step(), w), gradients(loss(), w), 1e-12)
    assert (step.traces, step.why) == (2, "")


def test_operations_that_cannot_be_watched_run_as_they_are(tmp_path: Any) -> None:
    w, t = Tensor([1.0, 2.0], requires_grad=True), Tensor([1.0, 2.0])
    rng = np.random.default_rng(0)
    np.save(tmp_path / "k.npy", np.ones(2))
    twice = lambda x: x * 2
    for forward, rule, text in (
        (lambda x: x * np.random.rand(), lambda g, y, x: g, "draws random numbers"),
        (twice, lambda g, y, x: g * np.random.rand(), "draws random numbers"),
        (twice, lambda g, y, x: g * rng.random(), "draws random numbers"),
        (twice, lambda g, y, x: g * np.random.default_rng().random(), "makes random numbers"),
        (lambda x: x * np.load(tmp_path / "k.npy"), lambda g, y, x: g, "reads a file with load"),
        (twice, lambda g, y, x: g * t.array, r"an operation \(own\) reads tensors"),
    ):
        op = Op("own", forward, rule)
        step = compile(lambda: op(w).sum())  # noqa: B023
        with pytest.warns(UserWarning, match=text):
            step()
        assert step.traces == 0


def test_a_rule_that_changes_what_it_reads_runs_as_it_is() -> None:
    w, calls = Tensor([1.0, 2.0], requires_grad=True), [0]

    def rule(g: Any, y: Any, x: Any) -> Any:
        calls[0] += 1
        return g * calls[0]

    op = Op("counted", lambda x: x * 1, rule)
    step = compile(lambda: op(w).sum())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        slopes = [gradients(step(), w)[1][0] for _ in range(3)]
    assert slopes == sorted(set(slopes))


@pytest.mark.parametrize("name", ["softmax", "logsumexp"])
def test_functions_of_scipy_are_called(name: str) -> None:
    special = pytest.importorskip("scipy.special")
    function = getattr(special, name)
    op = Op(name, lambda x: function(x) * 1.0, lambda g, y, x: g * special.expit(x))
    w = Tensor([1.0, 2.0], requires_grad=True)
    step = compile(lambda: op(w).sum())
    for _ in range(2):
        same(gradients(step(), w), gradients(op(w).sum(), w), 1e-12)
    assert (step.traces, step.why) == (1, "")


def test_an_op_is_forgotten_with_its_code() -> None:
    class Itself:
        """A forward function that has no other form than its operation."""

        op: Any

        def __call__(self, x: Any) -> Any:
            return x * 3 if isinstance(x, np.ndarray) else self.op(x)

    def work() -> Any:
        forward = Itself()
        forward.op = Op("three", forward, lambda g, y, x: g * 3)
        w = Tensor(np.ones(2), requires_grad=True)
        step = compile(lambda: forward.op(w).sum())
        for _ in range(2):
            assert step().item() == 6.0
        assert not step.why
        return ref(forward)

    known = work()
    gc.collect()
    assert known() is None
