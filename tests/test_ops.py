"""Every row of the table on every case: values, derivatives to third order, dtypes, shapes."""

from __future__ import annotations

import ast
import inspect
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_lite import Tensor, ops
from autograd_lite.engine.op import Op, table
from autograd_lite.engine.rules import arithmetic
from tests.cases import CASES, CASES_OF, Array, Case

H = 1e-3  # the fourth-order quotient below is then right to about 1e-11
EVERY = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def rng_of(case: Case) -> np.random.Generator:
    return np.random.default_rng(len(case.id))


def boxed(arrays: Sequence[Array], requires_grad: bool = True) -> list[Tensor]:
    """Tensors of copies; the floats require grad."""
    return [Tensor(a.copy(), requires_grad and a.dtype.kind == "f") for a in arrays]


def take(
    y: Tensor, xs: Sequence[Tensor], seed: Any = None, create_graph: bool = False
) -> list[Any]:
    """The gradients of y for those of xs that are floats, taken out of `.grad`."""
    xs = [x for x in xs if x.requires_grad]
    assert all(x.grad is None for x in xs)
    if not y.requires_grad:
        return [Tensor(np.zeros_like(x.array)) for x in xs]
    y.backward(seed, retain_graph=True, create_graph=create_graph)
    found = [Tensor(np.zeros_like(x.array)) if x.grad is None else x.grad for x in xs]
    for x in xs:
        x.grad = None
    return found


def floats(arrays: Sequence[Array]) -> list[Array]:
    return [a for a in arrays if a.dtype.kind == "f"]


def dot(a: Sequence[Any], b: Sequence[Any]) -> Any:
    total: Any = 0.0
    for x, y in zip(a, b, strict=True):
        total = total + (x * y).sum()
    return total


def like(arrays: Sequence[Array], rng: np.random.Generator) -> list[Array]:
    return [rng.standard_normal(a.shape) for a in arrays]


def contraction(case: Case, arrays: Sequence[Array], order: int, rng: np.random.Generator) -> Any:
    """The function whose derivative is compared: <y, g>, or <its derivative, v>, and so on.

    Returned is f(inputs as Tensors, create_graph): a scalar Tensor.
    """
    g = rng.standard_normal(np.shape(case.expected(*arrays)))
    weights = [like(floats(arrays), rng) for _ in range(order - 1)]

    def f(xs: Sequence[Tensor]) -> Tensor:
        value = (case(*xs) * g).sum()
        for v in weights:
            value = dot(take(value, xs, create_graph=True), v)
        return value

    return f


def check(case: Case, order: int, tolerance: float) -> None:
    """Compare the derivative of the given order along random directions with a quotient."""
    arrays, rng = case.arrays(), rng_of(case)
    f = contraction(case, arrays, order, rng)
    xs = boxed(arrays)
    found = take(f(xs), xs)
    for g, a in zip(found, floats(arrays), strict=True):
        assert g.shape == a.shape and g.dtype == a.dtype
    for _ in range(2):
        ds = [d / max(1.0, np.abs(d).max(initial=0)) for d in like(floats(arrays), rng)]

        def at(t: float, ds: list[Array] = ds) -> float:
            moves = iter(ds)
            moved = [a + t * next(moves) if a.dtype.kind == "f" else a for a in arrays]
            return float(f(boxed(moved, requires_grad=order > 1)).item())

        quotient = (8 * (at(H) - at(-H)) - (at(2 * H) - at(-2 * H))) / (12 * H)
        terms = [(g.array * d).sum() for g, d in zip(found, ds, strict=True)]
        scale = max(
            abs(quotient),
            *(np.abs(g.array * d).sum() for g, d in zip(found, ds, strict=True)),
            1e-3,
        )
        assert abs(sum(terms) - quotient) <= tolerance * scale, (order, sum(terms), quotient)


# ---- the table is complete -------------------------------------------------------------------


def test_every_row_has_a_case() -> None:
    without = sorted(set(table) - set(CASES_OF))
    assert not without, f"rows without a case in tests/cases.py: {', '.join(without)}"
    assert not set(CASES_OF) - set(table)
    assert len({case.id for case in CASES}) == len(CASES)


def test_every_row_has_a_rule_or_none_for_each_array() -> None:
    for op in table.values():
        case = CASES_OF[op.name][0]
        if inspect.isgeneratorfunction(type(op.rules).__iter__):
            continue  # one rule for any number of inputs
        rules = list(op.rules)
        kinds = [a.dtype.kind for a in case.arrays()]
        rules += [None] * (len(kinds) - len(rules))
        assert [rule is not None for rule in rules] == [k == "f" for k in kinds], op.name


def test_rows_are_found_by_name_and_copied_as_themselves() -> None:
    import copy
    import pickle

    for name, op in table.items():
        assert op.name == name and getattr(ops, name) is op and repr(op) == f"<op {name}>"
        assert copy.deepcopy(op) is op and pickle.loads(pickle.dumps(op)) is op


def test_no_rule_mentions_broadcasting_dtypes_or_writes() -> None:
    """Rules use operators, methods, ufuncs and rows: no assignment, no `out=`, no `+=`."""
    folder = Path(inspect.getfile(arithmetic)).parent
    rules = [
        argument
        for file in folder.glob("*.py")
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        for skipped in [{"row": 2, "differentiable": 0}.get(getattr(call.func, "id", ""))]
        if skipped is not None
        for argument in [*call.args[skipped:], *(k.value for k in call.keywords if k.arg == "each")]
    ]
    assert len(rules) > 80
    for rule in rules:
        for node in ast.walk(rule):
            assert not isinstance(node, ast.NamedExpr | ast.AugAssign | ast.Assign)
            assert not (isinstance(node, ast.keyword) and node.arg in ("out", "dtype"))
            assert not (isinstance(node, ast.Attribute) and node.attr in ("astype", "dtype"))


# ---- operations of one's own -----------------------------------------------------------------


def test_an_operation_of_ones_own_is_as_good_as_a_row() -> None:
    cube = Op("cube", lambda x: x * x * x, lambda g, y, x: g * 3 * x * x)
    assert cube(2.0) == 8.0 and cube(np.array([2.0])).tolist() == [8.0]
    x = Tensor(np.array(2.0), requires_grad=True)
    found = [cube(x)]
    for _ in range(3):
        found += take(found[-1], [x], create_graph=True)
    assert [t.item() for t in found] == [8.0, 12.0, 12.0, 6.0]
    assert "grad_fn=<cube>" in repr(cube(x)) and "cube" not in table
    joined = Op("join", lambda *xs: np.stack(xs), each=lambda g, y, *xs, i: g[i])
    a, b = boxed([np.ones(2), np.zeros(2)])
    joined(a, 5.0 * b, np.ones(2)).backward([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert a.grad is not None and b.grad is not None
    assert a.grad.tolist() == [1.0, 2.0] and b.grad.tolist() == [15.0, 20.0]


def test_an_input_without_a_rule_gets_no_gradient() -> None:
    scaled = Op("scaled", lambda a, b: a * b, lambda g, y, a, b: g * b, None)
    a, b, c = boxed([np.ones(2), np.full(2, 3.0), np.array([1.0, 0.0])])
    (scaled(a, b) + ops.where(c, a, 0.0)).sum().backward()
    assert a.grad is not None and a.grad.tolist() == [4.0, 3.0]
    assert b.grad is None and c.grad is None


@pytest.mark.parametrize("shape", [(1,), (3,), ()])
def test_a_rule_that_gives_a_wrong_shape_is_an_error(shape: tuple[int, ...]) -> None:
    wrong = Op("wrong", lambda x: x * 2, lambda g, y, x: np.ones(shape))
    x = Tensor(np.ones(2), requires_grad=True)
    with pytest.raises(ValueError, match=r"gave a gradient of shape .* for an input of shape"):
        wrong(x).sum().backward()
    assert x.grad is None


# ---- values ----------------------------------------------------------------------------------


@EVERY
def test_forward(case: Case) -> None:
    arrays = case.arrays()
    expected = case.expected(*arrays)
    y = case(*boxed(arrays))
    assert type(y) is Tensor and type(y.array) is np.ndarray
    assert y.shape == expected.shape and y.dtype == np.float64
    np.testing.assert_allclose(y.array, expected, rtol=1e-12, atol=1e-13)
    if case.call is None:  # the same row on plain arrays
        plain = case(*arrays)
        assert not isinstance(plain, Tensor)
        np.testing.assert_allclose(plain, y.array, rtol=1e-12)  # NumPy 2.0 sums in another order


@EVERY
def test_first_derivative(case: Case) -> None:
    check(case, 1, 1e-6)


@EVERY
def test_second_derivative(case: Case) -> None:
    check(case, 2, 1e-5)


@pytest.mark.parametrize("case", [c for c in CASES if c.orders > 2], ids=lambda case: case.id)
def test_third_derivative(case: Case) -> None:
    check(case, 3, 1e-4)


@pytest.mark.parametrize("case", [c for c in CASES if c.kinks], ids=lambda case: case.id)
def test_inputs_keep_away_from_kinks(case: Case) -> None:
    """To the left and to the right the quotients agree, so finite differences are fair."""
    arrays, rng = case.arrays(), rng_of(case)
    f = contraction(case, arrays, 1, rng)
    ds = [np.sign(d) for d in like(arrays, rng)]
    at = {
        t: f(boxed([a + t * d for a, d in zip(arrays, ds, strict=True)])).item()
        for t in (-0.05, -0.04, 0.0, 0.04, 0.05)
    }
    left, right = at[0.0] - at[-0.04], at[0.04] - at[0.0]
    far = (at[0.05] - at[-0.05]) * 0.4
    assert abs(left - right) <= 0.1 * (abs(far) + 0.1)


# ---- three ways to the same gradient ---------------------------------------------------------


@EVERY
def test_recorded_gradients_are_the_plain_ones(case: Case) -> None:
    """A rule that runs on Tensors (create_graph) gives what it gives on arrays."""
    arrays, rng = case.arrays(), rng_of(case)
    xs = boxed(arrays)
    y = case(*xs)
    g = rng.standard_normal(y.shape)
    for plain, recorded in zip(take(y, xs, g), take(y, xs, g, create_graph=True), strict=True):
        assert not plain.requires_grad and plain.is_leaf
        assert recorded.shape == plain.shape and recorded.dtype == plain.dtype
        np.testing.assert_allclose(recorded.array, plain.array, rtol=1e-13, atol=1e-15)


@EVERY
def test_adjoint(case: Case) -> None:
    """<J v, w> == <v, J' w>, where J v is the derivative in u of <J' u, v>.

    `test_first_derivative` is the same with J v by finite differences.
    """
    arrays, rng = case.arrays(), rng_of(case)
    xs = boxed(arrays)
    y = case(*xs)
    w, vs = rng.standard_normal(y.shape), like(floats(arrays), rng)
    u = Tensor(rng.standard_normal(y.shape), requires_grad=True)
    jv = take(dot(take(y, xs, u, create_graph=True), vs), [u, *xs])[0]
    terms = [(g.array * v).sum() for g, v in zip(take(y, xs, w), vs, strict=True)]
    scale = 1 + np.abs(jv.array * w).sum()
    assert abs((jv.array * w).sum() - sum(terms)) <= 1e-12 * scale


@EVERY
def test_rules_are_linear_in_g(case: Case) -> None:
    arrays, rng = case.arrays(), rng_of(case)
    xs = boxed(arrays)
    y = case(*xs)
    g, h = rng.standard_normal(y.shape), rng.standard_normal(y.shape)
    for a, b, both in zip(take(y, xs, g), take(y, xs, h), take(y, xs, 2 * g - 3 * h), strict=True):
        expected = 2 * a.array - 3 * b.array
        scale = 1 + np.abs(a.array) + np.abs(b.array)
        assert (np.abs(both.array - expected) <= 1e-12 * scale).all()


# ---- dtypes, memory --------------------------------------------------------------------------


@EVERY
def test_float32_stays_float32(case: Case) -> None:
    arrays = case.arrays(np.float32)
    xs = boxed(arrays)
    y = case(*xs)
    assert y.dtype == (np.float64 if case.row == "cast" else np.float32)
    exact = case.expected(*arrays)
    np.testing.assert_allclose(y.array, exact, rtol=2e-5, atol=2e-5)
    g = rng_of(case).standard_normal(y.shape).astype(y.dtype)
    recorded = take(y, xs, g, create_graph=True)
    for gradient in [*take(y, xs, g), *recorded]:
        assert gradient.dtype == np.float32
    if any(r.requires_grad for r in recorded):
        for second in take(dot(recorded, [1] * len(recorded)), xs):
            assert second.dtype == np.float32


def rule_dtypes(case: Case, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the rules themselves return for float32, before the edge casts it."""
    seen = []

    def spy(rule: Callable[..., Any]) -> Callable[..., Any]:
        def watched(g: Any, *args: Any, **kw: Any) -> Any:
            gradient = rule(g, *args, **kw)
            seen.append(gradient.dtype)
            return gradient

        return watched

    rules = itertools.islice(case.op.rules, len(case.arrays()))
    spied = [rule and spy(rule) for rule in rules]
    monkeypatch.setattr(case.op, "rules", spied)
    xs = boxed(case.arrays(np.float32))
    take(case(*xs), xs, np.ones(case(*xs).shape, np.float32))
    return seen


@EVERY
def test_rules_compute_in_float32(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A float64 detour would be right and twice as slow; 0-d arrays cost nothing."""
    if case.row != "cast":
        assert set(rule_dtypes(case, monkeypatch)) <= {np.dtype("float32")}


@pytest.mark.parametrize(
    "name", ["add", "sub", "mul", "div", "pow", "maximum", "minimum", "logaddexp"]
)
@pytest.mark.parametrize("number", [2, 2.5, True])
def test_python_numbers_keep_float32(name: str, number: Any) -> None:
    for shape in [(), (3,), (2, 3)]:
        for swap in (False, True):
            x = Tensor(np.full(shape, 1.5, np.float32), requires_grad=True)
            y = table[name](*((number, x) if swap else (x, number)))
            assert y.dtype == np.float32 and y.shape == shape
            y.backward(np.ones(shape))
            assert x.grad is not None
            assert x.grad.dtype == np.float32 and x.grad.shape == shape


@EVERY
def test_nothing_is_written_to(case: Case) -> None:
    """Forward and rules run on read-only arrays, boxed and not."""
    xs = [Tensor(a, a.dtype.kind == "f") for a in case.arrays()]
    for x in xs:
        x.array.setflags(write=False)
    y = case(*xs)
    g = np.ones(y.shape)
    g.setflags(write=False)
    y.array.setflags(write=False)
    for gradient in [*take(y, xs, g), *take(y, xs, g, create_graph=True)]:
        assert gradient.array.flags.writeable


@EVERY
def test_gradients_are_memory_of_their_own(case: Case) -> None:
    xs = boxed(case.arrays())
    y = case(*xs)
    g = np.ones(y.shape)
    gradients = take(y, xs, g)
    arrays = [g, y.array, *(x.array for x in xs), *(t.array for t in gradients)]
    for i, a in enumerate(arrays):
        for b in arrays[max(i + 1, 2 + len(xs)) :]:
            assert not np.shares_memory(a, b)
    if not case.op.view and case.row != "cast" and case.call is None:
        assert not any(np.shares_memory(y.array, x.array) for x in xs)


# ---- the checks can fail ---------------------------------------------------------------------


def by_size(name: str) -> list[Case]:
    """The cases that call the row itself, large inputs first."""
    cases = [case for case in CASES_OF.get(name, ()) if case.call is None]
    return sorted(cases, key=lambda case: -sum(a.size for a in case.arrays()))


def is_flat(name: str, i: int) -> bool:
    """Whether the gradient of an input is 0 in every case, as that of floor: no factor is wrong."""
    for case in by_size(name):
        xs = boxed(case.arrays())
        y = case(*xs)
        if i < len(xs) and y.requires_grad:
            y.backward(np.random.default_rng(0).standard_normal(y.shape))
            if xs[i].grad is not None and xs[i].grad.array.any():
                return False
    return True


PLANTED = [
    (name, i)
    for name in table
    for case in by_size(name)[:1]  # a row without one fails in test_every_row_has_a_case
    for i, a in enumerate(case.arrays())
    if a.dtype.kind == "f" and not is_flat(name, i)
]


@pytest.mark.parametrize(("name", "i"), PLANTED, ids=str)
def test_a_planted_error_is_found(name: str, i: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that is wrong by one part in a thousand fails the finite differences."""
    op = table[name]
    inputs = len(by_size(name)[0].arrays())
    rules = list(itertools.islice(op.rules, inputs))
    right = rules[i]
    rules[i] = lambda *args, **kw: right(*args, **kw) * 1.001
    monkeypatch.setattr(op, "rules", rules)

    assert any(fails(check, case, 1, 1e-6) for case in by_size(name) if fits(case, inputs))


def fails(test: Callable[..., None], *args: Any) -> bool:
    try:
        test(*args)
    except AssertionError:
        return True
    return False


def fits(case: Case, inputs: int) -> bool:
    return len(case.arrays()) == inputs


def not_linear(rule: Any) -> Any:
    return lambda g, *xs, **kw: rule(g, *xs, **kw) + 1e-3


def not_adjoint(rule: Any) -> Any:
    """The same values, and a thousandth of their derivative missing."""

    def planted(g: Any, *xs: Any, **kw: Any) -> Any:
        frozen = g.detach() if isinstance(g, Tensor) else g
        return rule(0.999 * g + 0.001 * frozen, *xs, **kw)

    return planted


@pytest.mark.parametrize(("name", "i"), PLANTED, ids=str)
@pytest.mark.parametrize(
    ("test", "plant"), [(test_rules_are_linear_in_g, not_linear), (test_adjoint, not_adjoint)]
)
def test_the_linearity_test_and_the_dot_product_test_can_fail(
    test: Any, plant: Any, name: str, i: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    op = table[name]
    inputs = len(by_size(name)[0].arrays())
    rules = list(itertools.islice(op.rules, inputs))
    rules[i] = plant(rules[i])
    monkeypatch.setattr(op, "rules", rules)
    assert any(fails(test, case) for case in by_size(name) if fits(case, inputs))
