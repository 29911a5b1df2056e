"""A user's own Op, on any ufunc or any composition, has a formula and derivations in every form."""

import operator

import numpy as np
import pytest

from autograd_lite import Tensor, compile, derive, formula
from autograd_lite.engine.op import Op
from autograd_lite.program.expr import Symbol, formulas
from autograd_lite.program.notation import namespace
from autograd_lite.program.rewrite import Rewriter
from tests.derivation.test_source import agrees, close

NAMES = namespace()
UNARY = [
    np.arcsinh, np.cbrt, np.exp2, np.tanh, np.sin, np.arctan, np.square, np.deg2rad, np.rad2deg,
    np.positive, np.negative, np.absolute, np.log1p, np.fabs, np.sign, np.floor, np.sinh,
    operator.neg, lambda x: x**2, lambda x: 1 / (2 + x * x), lambda x: np.where(x > 0.5, x, -x),
    lambda x: np.clip(x, 0.1, 1.5), lambda x: x - 0.5, lambda x: 2 * x, lambda x: x.astype(x.dtype),
]  # fmt: skip
BINARY = [
    np.hypot, np.logaddexp, np.logaddexp2, np.maximum, np.fmin, np.copysign, np.arctan2,
    operator.add, operator.sub, operator.mul, lambda a, b: a / (1 + b * b), lambda a, b: (a > b) * a,
    lambda a, b: np.where((a > b) & (b > 0), a, b), np.heaviside,
]  # fmt: skip


def composition(rng, n, size):
    """A random function of n arrays, of `size` operations; with one metadata keyword."""
    steps = []
    for k in range(size):
        kind = [UNARY, BINARY][int(rng.integers(2))]
        function = kind[rng.integers(len(kind))]
        steps.append((function, [int(i) for i in rng.integers(0, n + k, 1 + (kind is BINARY))]))

    def compute(*inputs, by):
        values = list(inputs)
        for function, places in steps:
            values.append(function(*(values[i] for i in places)))
        return values[-1] * by + sum(inputs)  # so that every input counts

    return compute


def own(seed):
    """A random row, and arrays and metadata to call it on. Its rules are no derivatives."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 3))
    forward = composition(rng, n, int(rng.integers(1, 5)))
    slopes = [composition(rng, n + 1, int(rng.integers(1, 4))) for _ in range(n)]
    rules = [lambda g, y, *xs, by, slope=slope: g * slope(y, *xs, by=by) for slope in slopes]
    shapes = [(2, 3), [(3,), (2, 1), (2, 3)][rng.integers(3)]][:n]
    arrays = [rng.uniform(0.2, 1.5, shape) for shape in shapes]
    return Op(f"own{seed}", forward, *rules), arrays, {"by": float(rng.integers(1, 4))}


@pytest.mark.parametrize("seed", range(80))
def test_a_random_row_is_written_as_it_runs(seed):
    op, arrays, kw = own(seed)
    names = ["p", "q"][: len(arrays)]
    y = op.forward(*arrays, **kw)
    g = np.random.default_rng(seed).standard_normal(y.shape)
    forward, back = formulas(op, y, arrays, kw, names)
    values = dict(zip(names, arrays, strict=True)) | {"y": y, "g": g}
    np.testing.assert_array_equal(eval(forward, NAMES, values), y)
    inputs = [Tensor(a, True, name) for a, name in zip(arrays, names, strict=True)]
    result = op(*inputs, **kw)
    result.backward(g)
    for text, t in zip(back, inputs, strict=True):
        np.testing.assert_array_equal(eval(text, NAMES, values), t.grad.array)


@pytest.mark.parametrize("seed", range(80))
def test_a_random_row_is_derived(seed):
    op, arrays, kw = own(seed)
    inputs = [Tensor(a, True, name) for a, name in zip(arrays, "pq", strict=False)]
    derivation = agrees((op(*inputs, **kw) ** 2).sum())
    assert f"own{seed}" in str(derivation)
    assert "aligned" in derivation.to_latex() and "$$" in derivation.to_markdown()
    assert derivation.to_latex().isascii()


CBRT = Op("cbrt_", np.cbrt, lambda g, y, x: g / (3 * y * y))
ARCSINH = Op("arsinh", np.arcsinh, lambda g, y, x: g / np.sqrt(1 + x * x))
SCALED = Op(
    "scaled",
    lambda x, by, power: np.cbrt(x * by) ** power,
    lambda g, y, x, by, power: g * power * y / (3 * x),
)
POLAR = Op(
    "polar",
    lambda a, b: np.hypot(a, b) * np.exp2(a),
    lambda g, y, a, b: g * (y * np.log(2) + np.exp2(a) * a / np.hypot(a, b)),
    lambda g, y, a, b: g * np.exp2(a) * b / np.hypot(a, b),
)


@pytest.mark.parametrize(
    ("op", "n", "kw", "text"),
    [
        (CBRT, 1, {}, "y = cbrt(x); dx = g / (3 * y * y)"),
        (ARCSINH, 1, {}, "y = arcsinh(x); dx = g / sqrt(1 + x * x)"),
        (SCALED, 1, {"by": 2.0, "power": 2}, "y = cbrt(x * 2.0) ** 2; dx = g * 2 * y / (3 * x)"),
        (POLAR, 2, {}, "y = hypot(a, b) * exp2(a); da = "),
    ],
    ids=lambda x: getattr(x, "name", None),
)
def test_a_true_derivative_passes_every_reader(op, n, kw, text):
    assert formula(op, *[np.ones(2)] * n, **kw).startswith(f"{op.name}: {text}")
    inputs = [Tensor(np.linspace(0.5, 1.5, 3), True, name) for name in "pq"[:n]]
    derivation = derive(op(*inputs, **kw).sum())
    assert derivation.check()
    assert op.name in str(derivation)
    assert "\\operatorname" in derivation.to_latex()
    gradients = derivation.function()(**derivation.arguments)[1]
    derivation.program.seed.backward()
    for t in inputs:
        close(gradients[t.name], t.grad.array, t.name)


def test_a_ufunc_is_printed_by_its_numpy_name():
    x = Tensor(np.linspace(0.5, 1.5, 3), True, "x")
    assert "np.cbrt(x)" in derive(CBRT(x).sum()).source()
    assert formula(CBRT) == "cbrt_: y = cbrt(x); dx = g / (3 * y * y)"


def test_symbols_have_the_methods_of_arrays():
    op = Op(
        "methods",
        lambda x: x.flatten().clip(0, 1).std() + x.max(axis=0).prod() * abs(x).sum() + x.var(),
        lambda g, y, x: g * x.swapaxes(0, 1).T.squeeze() * x.mean(1, keepdims=True) * x.argmax(),
    )
    agrees(op(Tensor(np.linspace(0.1, 1.5, 6).reshape(2, 3), True, "x")))


@pytest.mark.parametrize(
    "rule",
    [
        lambda g, y, x: np.zeros(x.shape),
        lambda g, y, x: np.full(x.shape, 2.0),
        lambda g, y, x: np.arange(3.0) + 0,
        lambda g, y, x: g * np.arange(3.0),
    ],
    ids=["zeros", "twos", "array", "product"],
)
def test_a_rule_may_give_an_array(rule):
    op = Op("flat", lambda x: np.floor(x) * 2, rule)
    agrees((op(Tensor(np.linspace(0.5, 1.5, 3), True, "x") * 3) ** 2).sum())


SCALE, KEEP = np.array([2.0, 3.0, 5.0]), np.array([True, False, True])
CAPTURED = {
    "product": Op("captured", lambda x: x * SCALE, lambda g, y, x: g * SCALE),
    "product in front": Op("captured", lambda x: SCALE * x, lambda g, y, x: SCALE * g),
    "quotient": Op("captured", lambda x: x / SCALE, lambda g, y, x: g / SCALE),
    "divided": Op("captured", lambda x: SCALE / x, lambda g, y, x: -g * SCALE / x**2),
    "mask": Op("captured", lambda x: x * KEEP, lambda g, y, x: g * KEEP),
    "where": Op("captured", lambda x: np.where(KEEP, x, 0), lambda g, y, x: np.where(KEEP, g, 0)),
    "number": Op("captured", lambda x: x * SCALE[1], lambda g, y, x: g * SCALE[1]),
    "array of one": Op("captured", lambda x: x * SCALE[:1], lambda g, y, x: g * SCALE[:1]),
}


@pytest.mark.parametrize("name", CAPTURED)
def test_a_captured_array_is_no_number(name):
    op = CAPTURED[name]
    x = Tensor(np.linspace(0.5, 1.5, 3), True, "x")
    assert agrees((op(x) * 2).mean() + op(x).sum()).check()
    assert derive(op(x).sum()).to_latex()


def test_a_row_of_any_number_of_inputs():
    op = Op(
        "all_of",
        lambda *xs: sum(np.cbrt(x) for x in xs),
        each=lambda g, y, *xs, i: g / (3 * np.cbrt(xs[i]) ** 2),
    )
    text = "all_of: y = 0 + cbrt(a) + cbrt(b); da = g / (3 * cbrt(a) ** 2); db = g / (3 * cbrt(b) ** 2)"
    assert formula(op) == text
    inputs = [Tensor(np.linspace(0.5, 1.5, 3), True, name) for name in "pqr"]
    assert agrees(op(*inputs).sum()).check()


def test_what_cannot_run_on_symbols_is_named():
    x = Tensor(np.linspace(0.5, 1.5, 3), True, "x")
    plain = Op("plain", lambda x: np.array([float(v) for v in x]), lambda g, y, x: g)
    with pytest.raises(RuntimeError, match="plain cannot be written in NumPy"):
        derive(plain(x).sum())
    with pytest.raises(TypeError, match="plain is not made of operators, methods and NumPy"):
        formula(plain)
    vectorized = Op("vectorized", np.frompyfunc(abs, 1, 1), lambda g, y, x: g)
    with pytest.raises(RuntimeError, match=r"abs.* has no form in NumPy"):
        derive(vectorized(x).sum())
    rule = lambda g, y, x: g * 2 * x
    for forward in (
        np.vectorize(lambda v: v * v),
        np.vectorize(lambda v: v * v, otypes=[float]),
        lambda x: np.asarray(x) ** 2,
        lambda x: np.array([x[0] ** 2, x[1] ** 2, x[2] ** 2]),
    ):
        looped = Op("looped", forward, rule)
        with pytest.raises(
            RuntimeError, match=r"looped cannot be written in NumPy: .* np.vectorize"
        ):
            derive(looped(x).sum())
        with pytest.raises(TypeError, match=r"looped is not made of .* np.vectorize"):
            formula(looped)
    of_rule = Op("of_rule", lambda x: x * x, lambda g, y, x: g * np.vectorize(lambda v: 2 * v)(x))
    with pytest.raises(
        RuntimeError, match="the rule of of_rule cannot be written in NumPy: it makes"
    ):
        derive(of_rule(x).sum())
    endless = Op("endless", lambda x: x + 1, lambda g, y, x: g)
    forward = endless.forward
    endless.forward = lambda x: 2 * endless(x) if hasattr(x, "op") else forward(x)
    with pytest.raises(RuntimeError, match="endless cannot be written in NumPy"):
        derive(endless(x).sum())


def test_an_operation_is_derived_the_same_after_it_was_compiled():
    def forward(x, n):
        return op(x * x, n=n - 1) if n else x

    op = Op("repeated", forward, lambda g, y, x, n: g * 2**n * y / x)
    x = Tensor(np.linspace(0.5, 1.5, 3), True, "x")
    before = derive(op(x, n=1).sum()).source()
    compile(lambda: op(x, n=3).sum())()
    assert derive(op(x, n=1).sum()).source() == before


class Factor:
    def __init__(self, n):
        self.n = n

    def __repr__(self):
        return "a factor"


@pytest.mark.parametrize("wrap", [lambda n: n, lambda n: [n], lambda n: {"by": n}])
def test_metadata_that_look_alike_stay_apart(wrap):
    def factor(by):
        return by[0].n if isinstance(by, list) else by["by"].n if isinstance(by, dict) else by.n

    op = Op(
        "times",
        lambda x, by: np.array([float(v) * factor(by) for v in x]),
        lambda g, y, x, by: g * factor(by),
    )
    x = Tensor(np.linspace(0.5, 1.5, 3), True, "x")
    two, five = wrap(Factor(2)), wrap(Factor(5))
    step = compile(lambda: (op(x, by=two) + op(x, by=five)).sum())
    assert [step().item(), step().item()] == [21.0, 21.0]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (slice(1, 2), slice(1, 2), True),
        (slice(Factor(2)), slice(Factor(2)), False),
        (np.float32(0.1), np.float32(0.1), True),
        (np.float32(0.5), 0.5, False),
        (0.0, -0.0, False),
        (float("nan"), float("nan"), True),
        (np.dtype("f4"), np.dtype("float32"), True),
        ([1, (2, None)], [1, (2, None)], True),
        ([1], (1,), False),
        ({"a": 1}, {"a": True}, False),
        (operator.itemgetter(Factor(2)), operator.itemgetter(Factor(2)), False),
    ],
)
def test_which_metadata_are_one_expression(one, other, same):
    r, x = Rewriter(), Symbol("x", 1.0)
    op = Op("own", lambda x, by: x)
    first, second = (r.make(op, x.value, (x,), {"by": by}) for by in (one, other))
    assert (first is second) is same


def test_a_list_and_a_tuple_are_two_metadata():
    def times(g, y, x, by):
        return g * isinstance(by, list)

    op = Op("counted", lambda x, by: np.array([float(v) * isinstance(by, list) for v in x]), times)
    x = Tensor(np.linspace(0.5, 1.5, 3), True, "x")
    step = compile(lambda: (op(x, by=(1,)) + op(x, by=[1]) + x).sum())
    assert [step().item(), step().item()] == [6.0, 6.0]


def by_values(x):
    return 2 if x.sum() > 0 else 3


def test_a_choice_by_values_is_no_formula():
    x = Tensor(np.linspace(0.5, 1.5, 3), True, "x")
    text = "cannot be written in NumPy: it chooses by values, .* write the choice with np.where"
    choice = Op("choice", lambda x: x * by_values(x), lambda g, y, x: g * by_values(x))
    for loss in (
        choice(x).sum(),
        Op("around", lambda x: choice(x) + 1, lambda g, y, x: g)(x).sum(),
    ):
        with pytest.raises(RuntimeError, match=f"choice {text}"):
            derive(loss).source()
    of_rule = Op("of_rule", lambda x: x * 2, lambda g, y, x: g * by_values(x))
    with pytest.raises(RuntimeError, match=f"the rule of of_rule {text}"):
        derive(of_rule(x).sum())
    for op in (choice, of_rule):
        with pytest.raises(TypeError, match=f"{op.name} is not made of .* chooses by values"):
            formula(op)
    types = Op(
        "types", lambda x: x * (2 if isinstance(x, np.ndarray) else 3), lambda g, y, x: 2 * g
    )
    with pytest.raises(RuntimeError, match=r"types cannot be written in NumPy: .* asks for types"):
        derive(types(x).sum())
    shapes = Op("shapes", lambda x: x * 2 if x.ndim else x, lambda g, y, x: g * 2 if x.size else g)
    where = Op(
        "where_", lambda x: x * np.where(x.sum() > 0, 2, 3), lambda g, y, x: g * (3 - (x.sum() > 0))
    )
    agrees(shapes(where(x)).sum())


def test_a_long_composition_is_written_out():
    def forward(x):
        for _ in range(400):
            x = np.tanh(x * 0.9)
        return x

    def rule(g, y, x):
        values = [x]
        for _ in range(400):
            values.append(np.tanh(values[-1] * 0.9))
        for v in values[:0:-1]:
            g = g * (1 - v * v) * 0.9
        return g

    agrees(Op("deep", forward, rule)(Tensor(np.linspace(0.5, 1.5, 3), True, "x")).sum())


def test_a_value_that_is_used_again_and_again_is_written_once():
    def forward(x):
        for _ in range(60):  # as a tree 2**60 operations
            x = x - np.tanh(x) * x / 2
        return x

    op = Op("again", forward, lambda g, y, x: g * forward(x))
    agrees(op(Tensor(np.linspace(0.5, 1.5, 3), True, "x")).sum())
