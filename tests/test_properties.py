"""Laws that hold for all shapes and values, searched with Hypothesis."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

import autograd_lite as ag
from autograd_lite import Tensor, tape
from autograd_lite.engine import rules as F
from autograd_lite.engine.op import table

Array = np.ndarray[Any, Any]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
FLOATS = st.floats(-3, 3, allow_subnormal=False)
DTYPES = st.sampled_from([np.float32, np.float64])


def leaf(a: Any) -> Tensor:
    return Tensor(np.array(a), requires_grad=True)


def grad(x: Tensor) -> Array:
    assert x.grad is not None
    assert x.grad.shape == x.shape and x.grad.dtype == x.dtype
    return x.grad.array


@st.composite
def arrays(draw: Any, shape: Any = SHAPES, low: float = -3, high: float = 3) -> Array:
    if not isinstance(shape, tuple):
        shape = draw(shape)
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).uniform(low, high, shape)


@st.composite
def pairs(draw: Any) -> tuple[Array, Array]:
    shapes = draw(
        hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=4)
    )
    a, b = shapes.input_shapes
    return draw(arrays(a, 0.3, 2.0)), draw(arrays(b, 0.3, 2.0))


# ---- broadcasting ----------------------------------------------------------------------------

SLOPES = {
    "add": (lambda a, b: 1.0, lambda a, b: 1.0),
    "sub": (lambda a, b: 1.0, lambda a, b: -1.0),
    "mul": (lambda a, b: b, lambda a, b: a),
    "div": (lambda a, b: 1 / b, lambda a, b: -a / b**2),
    "pow": (lambda a, b: b * a ** (b - 1), lambda a, b: a**b * np.log(a)),
    "maximum": (lambda a, b: (a > b) + 0.5 * (a == b), lambda a, b: (b > a) + 0.5 * (a == b)),
}


@given(pairs(), st.sampled_from(sorted(SLOPES)), DTYPES)
def test_broadcasting_is_undone(ab: tuple[Array, Array], name: str, dtype: Any) -> None:
    a, b = (leaf(x.astype(dtype)) for x in ab)
    y = table[name](a, b)
    assert y.dtype == dtype and y.shape == np.broadcast_shapes(a.shape, b.shape)
    g = np.cos(np.arange(y.numel())).reshape(y.shape).astype(dtype)
    y.backward(g)
    for t, slope in zip((a, b), SLOPES[name], strict=True):
        places = np.broadcast_to(np.arange(t.numel()).reshape(t.shape), y.shape).ravel()
        full = np.broadcast_to(g * slope(*np.broadcast_arrays(a.array, b.array)), y.shape).ravel()
        expected = np.bincount(places, full, t.numel()).reshape(t.shape)
        tolerance = 1e-4 if dtype == np.float32 else 1e-12
        np.testing.assert_allclose(grad(t), expected, rtol=tolerance, atol=tolerance)


@given(pairs())
def test_expanding_by_hand_changes_nothing(ab: tuple[Array, Array]) -> None:
    a, b = map(leaf, ab)
    shape = np.broadcast_shapes(a.shape, b.shape)
    (a * b).sum().backward()
    first = grad(a).copy(), grad(b).copy()
    a.grad = b.grad = None
    (F.expand(a, shape) * F.expand(b, shape)).sum().backward()
    for x, y in zip(first, (grad(a), grad(b)), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12)


# ---- reductions ------------------------------------------------------------------------------


@st.composite
def reductions(draw: Any) -> tuple[Array, Any, bool]:
    x = draw(arrays())
    axes = st.lists(st.integers(0, x.ndim - 1), unique=True).map(tuple) if x.ndim else st.none()
    axis = draw(st.none() | axes)
    if axis is not None:
        axis = tuple(i - x.ndim if draw(st.booleans()) else i for i in axis)
        if len(axis) == 1 and draw(st.booleans()):
            axis = axis[0]
    return x, axis, draw(st.booleans())


@given(reductions())
def test_reductions_are_numpys(args: tuple[Array, Any, bool]) -> None:
    a, axis, keepdims = args
    for name in ("sum", "mean", "amax", "amin", "var"):
        count = a.size / max(1, np.sum(a, axis=axis).size) if a.size else 0
        if name != "sum" and count < 1:
            continue
        y = getattr(F, name)(
            Tensor(a), axis=axis, keepdims=keepdims, **({"correction": 0} if name == "var" else {})
        )
        expected = getattr(np, name)(a, axis=axis, keepdims=keepdims)
        assert y.shape == expected.shape
        np.testing.assert_allclose(y.array, expected, rtol=1e-10, atol=1e-12)


@given(reductions())
def test_sum_and_expand_are_adjoint(args: tuple[Array, Any, bool]) -> None:
    a, axis, keepdims = args
    x = leaf(a)
    y = F.sum(x, axis=axis, keepdims=keepdims)
    g = np.sin(np.arange(y.numel()) + 1.0).reshape(y.shape)
    y.backward(g)
    assert math.isclose((grad(x) * a).sum(), (g * y.array).sum(), rel_tol=1e-9, abs_tol=1e-9)


@given(reductions())
def test_gradients_of_choices_share_one(args: tuple[Array, Any, bool]) -> None:
    a, axis, keepdims = args
    assume(a.size)
    x = leaf(np.round(a))  # with ties
    y = F.amax(x, axis=axis, keepdims=keepdims)
    y.sum().backward()
    assert (grad(x) >= 0).all()
    np.testing.assert_allclose(np.sum(grad(x), axis=axis, keepdims=keepdims), np.ones(y.shape))


@given(arrays(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4), -50, 50), st.data())
def test_softmax_is_a_distribution_whose_gradient_sums_to_nothing(a: Array, data: Any) -> None:
    axis = data.draw(st.integers(-a.ndim, a.ndim - 1))
    x = leaf(a)
    y = F.softmax(x, axis)
    np.testing.assert_allclose(y.array.sum(axis), 1)
    np.testing.assert_allclose(np.log(y.array), F.log_softmax(x, axis).array, rtol=1e-9, atol=1e-9)
    y.backward(np.cos(np.arange(a.size)).reshape(a.shape))
    np.testing.assert_allclose(grad(x).sum(axis), 0, atol=1e-12)


@given(st.lists(st.sampled_from([0.0, 0.0, 1.0, -2.0, 3.0, 0.5]), max_size=6))
def test_prod_and_cumprod_with_zeros(values: list[float]) -> None:
    x = leaf(np.array(values))
    F.prod(x).backward()
    expected = [math.prod(values[:i] + values[i + 1 :]) for i in range(len(values))]
    assert grad(x).tolist() == expected
    z = leaf(np.array(values))
    y = F.cumprod(z, 0)
    assert y.tolist() == np.cumprod(values).tolist()
    y.sum().backward()
    slopes = [
        sum(math.prod(values[:i] + values[i + 1 : k]) for k in range(i + 1, len(values) + 1))
        for i in range(len(values))
    ]
    assert grad(z).tolist() == slopes


# ---- indexing --------------------------------------------------------------------------------


@st.composite
def indexed(draw: Any) -> tuple[Array, Any]:
    a = draw(arrays(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)))
    kind = draw(st.sampled_from(["basic", "integer", "mask", "mixed"]))
    index: Any
    if kind == "basic":
        index = draw(hnp.basic_indices(a.shape, allow_newaxis=True, max_dims=5))
    elif kind == "integer":
        index = draw(hnp.integer_array_indices(a.shape))
    elif kind == "mask":
        index = draw(hnp.arrays(bool, a.shape[: draw(st.integers(1, a.ndim))]))
    else:
        rows = draw(st.lists(st.integers(-a.shape[0], a.shape[0] - 1), min_size=1, max_size=5))
        index = (
            (rows, ..., draw(st.sampled_from([None, slice(None, None, -1), slice(0, 2)])))
            if a.ndim > 1
            else (rows, None)
        )
    return a, index


@given(indexed())
def test_indexing_is_numpys_and_repeats_accumulate(case: tuple[Array, Any]) -> None:
    a, index = case
    x = leaf(a)
    y = x[index]
    np.testing.assert_array_equal(y.array, a[index])
    g = np.arange(y.numel()).reshape(y.shape) + 1.0
    y.backward(g)
    expected = np.zeros(a.shape)
    np.add.at(expected, index, g)
    np.testing.assert_allclose(grad(x), expected)
    assert math.isclose((grad(x) * a).sum(), (g * a[index]).sum(), rel_tol=1e-9, abs_tol=1e-9)


@given(indexed(), st.floats(-2, 2))
def test_assignment_is_numpys_and_cuts_the_gradient(case: tuple[Array, Any], value: float) -> None:
    a, index = case
    x, w = leaf(a), leaf(value)
    y = x * 1
    y[index] = value
    expected = a.copy()
    expected[index] = value
    np.testing.assert_array_equal(y.array, expected)
    (y * w).sum().backward()
    untouched = np.ones(a.shape)
    untouched[index] = 0
    np.testing.assert_array_equal(grad(x), untouched * value)


# ---- shapes ----------------------------------------------------------------------------------


@given(arrays(), st.data())
def test_moving_axes_there_and_back(a: Array, data: Any) -> None:
    axes = tuple(data.draw(st.permutations(range(a.ndim))))
    x = leaf(a)
    y = F.permute(x, axes) if a.ndim else x * 1
    assert y.shape == np.transpose(a, axes).shape
    z = F.flip(F.reshape(F.flip(y), -1), 0).reshape(y.shape)
    np.testing.assert_array_equal(z.array, np.transpose(a, axes))
    z.backward(np.transpose(a, axes))
    np.testing.assert_array_equal(grad(x), a)


@given(arrays(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)), st.data())
def test_split_and_concatenate_are_inverse(a: Array, data: Any) -> None:
    axis = data.draw(st.integers(-a.ndim, a.ndim - 1))
    size = data.draw(st.integers(1, 6))
    x = leaf(a)
    y = F.concatenate(F.split(x, size, axis), axis)
    np.testing.assert_array_equal(y.array, a)
    y.backward(a)
    np.testing.assert_array_equal(grad(x), a)


@given(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)),
    hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, min_side=0, max_side=3),
    DTYPES,
)
def test_matmul_of_any_batch(sizes: tuple[int, int, int], batches: Any, dtype: Any) -> None:
    n, k, m = sizes
    left, right = batches.input_shapes
    rng = np.random.default_rng(n + 10 * k + 100 * m)
    a, b = (leaf(rng.standard_normal(s).astype(dtype)) for s in ((*left, n, k), (*right, k, m)))
    y = a @ b
    assert y.shape == (*batches.result_shape, n, m) and y.dtype == dtype
    g = rng.standard_normal(y.shape).astype(dtype)
    y.backward(g)
    da, db = (rng.standard_normal(t.shape).astype(dtype) for t in (a, b))
    expected = (g * (da @ b.array + a.array @ db)).sum()
    found = (grad(a) * da).sum() + (grad(b) * db).sum()
    tolerance = 1e-3 if dtype == np.float32 else 1e-10
    assert abs(expected - found) <= tolerance * (1 + np.abs(g).sum())


@st.composite
def specs(draw: Any) -> tuple[str, list[Array]]:
    sizes = {c: draw(st.integers(1, 3)) for c in "abc"}
    terms = draw(st.lists(st.text("abc", max_size=3), min_size=1, max_size=3))
    used = sorted(set("".join(terms)))
    out = "".join(draw(st.permutations(used)))[: draw(st.integers(0, 3))] if used else ""
    return ",".join(terms) + "->" + out, [draw(arrays(tuple(sizes[c] for c in t))) for t in terms]


@given(specs())
def test_einsum_of_any_letters_is_linear_in_each_input(case: tuple[str, list[Array]]) -> None:
    spec, inputs = case
    xs = [leaf(a) for a in inputs]
    y = F.einsum(spec, *xs)
    np.testing.assert_allclose(y.array, np.einsum(spec, *inputs), rtol=1e-10, atol=1e-10)
    g = np.cos(np.arange(y.numel())).reshape(y.shape)
    y.backward(g)
    for x in xs:  # Euler: a linear function is its own derivative
        assert math.isclose(
            (grad(x) * x.array).sum(), (g * y.array).sum(), rel_tol=1e-8, abs_tol=1e-8
        )
    for i, x in enumerate(xs):
        d = np.sin(np.arange(x.numel())).reshape(x.shape)
        moved = np.einsum(spec, *(d if j == i else a for j, a in enumerate(inputs)))
        assert math.isclose((grad(x) * d).sum(), (g * moved).sum(), rel_tol=1e-8, abs_tol=1e-8)


# ---- the tape --------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=25
)


def program(steps: list[tuple[int, int, int]], values: list[Any]) -> Any:
    """A random straight-line program: each step combines two earlier values."""
    for kind, i, j in steps:
        a, b = values[i % len(values)], values[j % len(values)]
        values.append([a + b, a - b, a * b * 0.5, np.tanh(a), a * 0.5 + 1, np.sin(b)][kind])
    return values[-1]


@given(STEPS)
def test_any_program_has_the_derivative_of_its_quotient(steps: list[tuple[int, int, int]]) -> None:
    start = [0.3, -0.7, 1.1]
    xs = [leaf(v) for v in start]
    y = program(steps, list(xs))
    assume(abs(y.item()) < 1e3)
    y.backward(retain_graph=True)
    first = [0.0 if x.grad is None else x.grad.item() for x in xs]
    assume(max(map(abs, first)) < 1e3)
    h = 1e-4
    for i in range(3):
        at = [
            program(steps, [np.float64(v + s * h * (k == i)) for k, v in enumerate(start)])
            for s in (-2, -1, 1, 2)
        ]
        quotient = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h)
        assert math.isclose(first[i], quotient, rel_tol=1e-5, abs_tol=1e-5)
    y.backward()  # a second pass adds the same again
    assert [0.0 if x.grad is None else x.grad.item() for x in xs] == [2 * f for f in first]


@given(STEPS)
def test_the_tape_of_any_program_is_in_order_and_complete(
    steps: list[tuple[int, int, int]],
) -> None:
    xs = [leaf(0.3), leaf(-0.7), leaf(1.1)]
    y = program(steps, list(xs))
    nodes = tape(y)
    serials = [t.serial for t in nodes]
    assert serials == sorted(set(serials)) and nodes[-1] is y
    assert {id(p) for t in nodes for p in t.parents if p is not None} <= {id(t) for t in nodes}


@given(STEPS)
def test_plain_and_recorded_gradients_of_any_program_agree(
    steps: list[tuple[int, int, int]],
) -> None:
    found = []
    for create_graph in (False, True):
        xs = [leaf(0.3), leaf(-0.7), leaf(1.1)]
        program(steps, list(xs)).backward(create_graph=create_graph)
        found.append([0.0 if x.grad is None else x.grad.item() for x in xs])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


@given(st.lists(st.sampled_from(["+=", "*=", "-=", "[]", "use", "no_grad"]), max_size=10))
def test_changes_in_place_equal_the_same_written_without(actions: list[str]) -> None:
    """A random mix of changes gives the gradient of the pure program, or an error: never another."""
    x, w = leaf([0.5, 1.5]), leaf([2.0, -1.0])
    u, v = leaf([0.5, 1.5]), leaf([2.0, -1.0])
    y, total = x * 2, x * 0
    z, pure = u * 2, u * 0
    for action in actions:
        if action == "+=":
            y += w
            z = z + v
        elif action == "-=":
            y -= x
            z = z - u
        elif action == "*=":
            y *= w
            z = z * v
        elif action == "[]":
            y[0] = w[1]
            z = F.where(np.array([True, False]), v[1], z)
        elif action == "use":
            total = total + y * w
            pure = pure + z * v
        else:
            with ag.no_grad():
                y += 1
            z = z + 1
    try:
        (total + y).sum().backward()
    except RuntimeError as error:
        assert "changed in place" in str(error)
        return
    (pure + z).sum().backward()
    np.testing.assert_allclose(grad(x), grad(u), rtol=1e-12)
    if v.grad is not None:
        np.testing.assert_allclose(grad(w), grad(v), rtol=1e-12)
