"""The traps that other engines fell into, each as a test named after what it guards.

Changes in place, trap 16, are in `test_in_place.py`.
"""

from __future__ import annotations

import copy
import gc
import threading
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import Tensor, tape, tensor
from autograd_lite.engine import rules as F
from autograd_lite.engine.op import ops, table
from tests.helpers import PATIENCE, grad, grad_array, leaf

LONG = 100_000


def long_chain(x: Tensor) -> Tensor:
    y = x
    for _ in range(LONG):
        y = y + 0.001
    return y


# ---- 1: contributions add --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (lambda x: x * x, 6.0),
        (lambda x: x + x, 2.0),
        (lambda x: x - x, 0.0),
        (lambda x: x / x, 0.0),
        (lambda x: x * x * x, 27.0),
        (lambda x: (x * x) * (x * x), 108.0),
        (lambda x: x + (x + (x + x)), 4.0),
        (lambda x: F.maximum(x, x), 1.0),
        (lambda x: F.stack([x, x]).sum(), 2.0),
        (lambda x: F.where(True, x, x) + x, 2.0),
        (lambda x: F.einsum(",,->", x, x, x), 27.0),
    ],
)
def test_reused_input_adds(function: Callable[[Tensor], Tensor], slope: float) -> None:
    x = leaf(3.0)
    function(x).backward()
    assert grad(x) == pytest.approx(slope, abs=1e-12)


def test_weight_in_two_matmuls_adds() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3)), leaf(rng.standard_normal((3, 3)))
    (x @ w @ w).sum().backward()
    expected = x.T @ np.ones((2, 3)) @ w.array.T + (x @ w.array).T @ np.ones((2, 3))
    np.testing.assert_allclose(grad(w), expected, rtol=1e-13)


def test_diamonds_of_different_depth_add() -> None:
    x = leaf(2.0)
    a = x * 3
    b = a.exp()
    c = a * b  # a is reached at two depths
    (c + a).backward()
    assert grad(x) == pytest.approx(3 * (np.exp(6) + 6 * np.exp(6) + 1))


# ---- 2: no path is walked twice --------------------------------------------------------------


def test_doubling_sixty_times_walks_no_path_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y + y
    called: list[Any] = []
    counted = [lambda *a, r=rule: (called.append(r), r(*a))[1] for rule in ops.add.rules]
    monkeypatch.setattr(ops.add, "rules", counted)
    y.backward()
    assert len(called) == 2 * 60
    assert grad(x) == 2.0**60
    assert len(tape(x + x)) == 2


def test_doubling_sixty_times_twice_differentiated() -> None:
    x = leaf(1.0)
    y = x * x
    for _ in range(60):
        y = y + y
    y.backward(create_graph=True)
    first, x.grad = x.grad, None
    assert first is not None
    first.backward()
    assert grad(x) == 2.0**61


# ---- 3: no recursion -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long() -> tuple[Tensor, Tensor]:
    x = leaf(1.0)
    return x, long_chain(x)


def test_long_chain_backward(long: tuple[Tensor, Tensor]) -> None:
    x, y = long
    x.grad = None
    y.backward(retain_graph=True)
    assert grad(x) == 1.0
    assert y.item() == pytest.approx(1 + 0.001 * LONG)


def test_long_chain_repr_and_names(long: tuple[Tensor, Tensor]) -> None:
    _, y = long
    assert "grad_fn=<add>" in repr(y) and len(repr(y)) < 100
    assert y.grad_fn is not None and repr(y.grad_fn) == "<add>"
    assert len(tape(y)) == LONG + 1


def test_long_chain_deepcopy(long: tuple[Tensor, Tensor]) -> None:
    x, y = long
    x.grad = None
    z = copy.deepcopy(y)
    assert z is not y and z.item() == y.item()
    first = tape(z)[0]
    z.backward()
    assert grad(first) == 1.0 and x.grad is None


def test_long_chain_second_derivative() -> None:
    x = leaf(1.0)
    y = x * x
    for _ in range(LONG // 10):
        y = y + 0.001
    y.backward(create_graph=True)
    first, x.grad = x.grad, None
    assert first is not None
    first.backward()
    assert grad(x) == 2.0


@pytest.mark.parametrize("backward", [False, True])
def test_long_chain_is_freed(backward: bool) -> None:
    x = leaf(1.0)
    y = long_chain(x)
    middle = weakref.ref(tape(y)[LONG // 2])
    if backward:
        y.backward()
    assert (middle() is None) == backward  # a backward pass releases what it consumed
    del y
    assert middle() is None


def test_long_chain_in_place() -> None:
    x = leaf(1.0)
    y = x * 1
    for _ in range(LONG // 10):
        y += 0.001
    z = y * y
    z.backward()
    assert grad(x) == pytest.approx(2 * (1 + 0.001 * (LONG // 10)))


def test_wide_sum_of_many_leaves() -> None:
    xs = [leaf(float(i)) for i in range(2000)]
    F.stack(xs).sum().backward()
    assert all(grad(x) == 1.0 for x in xs)


# ---- 4: branches that do not reach the loss --------------------------------------------------


def test_dead_branch_changes_nothing() -> None:
    x = leaf(3.0)
    y = x * 2
    dead = y * 100
    (y * x).backward()
    assert grad(x) == 12.0
    assert dead._grad is None and not dead.is_leaf


def test_leaf_that_is_not_used_has_no_grad() -> None:
    x, other = leaf(1.0), leaf(2.0)
    (x * 2).backward()
    assert other.grad is None


# ---- 5: a second backward --------------------------------------------------------------------


def test_second_backward_does_not_leak_intermediate_gradients() -> None:
    x = leaf(3.0)
    y = x * x
    z = y * 1
    z.backward(retain_graph=True)
    assert grad(x) == 6.0
    z.backward(retain_graph=True)
    assert grad(x) == 12.0
    z.backward()
    assert grad(x) == 18.0


def test_two_losses_on_one_trunk_add() -> None:
    x = leaf(3.0)
    trunk = x * x
    (trunk * 2).backward(retain_graph=True)
    (trunk * 3).backward()
    assert grad(x) == 30.0


def test_second_backward_through_released_records_is_an_error() -> None:
    x = leaf([1.0, 2.0])
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()
    assert grad(x) == [2.0, 4.0]


def test_backward_through_a_released_trunk_is_an_error_and_adds_nothing() -> None:
    x, w = leaf(3.0), leaf(2.0)
    trunk = x * x
    (trunk * 2).backward()
    with pytest.raises(RuntimeError, match=r"^mul: .*released by an earlier backward"):
        (trunk * w).backward()
    assert grad(x) == 12.0 and w.grad is None


@pytest.mark.parametrize(
    "made",
    [
        lambda x: x.float(),
        lambda x: x.view(2),
        lambda x: x[:, :2],
        lambda x: x.T,
        lambda x: x.unsqueeze(1),
    ],
    ids=["cast", "view", "slice", "transpose", "unsqueeze"],
)
def test_a_view_or_cast_of_a_leaf_serves_every_step(made: Callable[[Tensor], Tensor]) -> None:
    x = Tensor(np.array([[1.0, 2.0]]), requires_grad=True)
    h = made(x)
    for _ in range(3):
        (slope,) = ag.autograd.grad((h * h).sum(), h, create_graph=True)
        (slope * slope).sum().backward()
    assert grad(x) == [[24.0, 48.0]]
    h = made(Tensor(np.array([[1.0, 2.0]]), requires_grad=True))  # which nobody has any more
    for _ in range(2):
        (h * h).sum().backward()


# ---- 6: gradients are memory of their own ----------------------------------------------------

SHARING: dict[str, Callable[..., Tensor]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "expand": lambda a, b: F.expand(a, 4, 2, 3) + F.expand(b, 4, 2, 3),
    "reshape": lambda a, b: a.reshape(6) + b.reshape(6),
    "permute": lambda a, b: a.T + b.T,
    "flip": lambda a, b: F.flip(a, 0) + F.flip(b, 0),
    "concatenate": lambda a, b: F.concatenate([a, b]),
    "stack": lambda a, b: F.stack([a, b]),
    "copy": lambda a, b: a.clone() + b.clone(),
    "getitem": lambda a, b: a[:, :] + b[...],
    "sum": lambda a, b: a.sum() + b.sum(),
    "mean": lambda a, b: F.stack([a.mean(), b.mean()]),
    "put": lambda a, b: _assigned(a, b),
    "itself": lambda a, b: a + 0 * b,
}


def _assigned(a: Tensor, b: Tensor) -> Tensor:
    y = a * 1
    y[0] = b[1]
    return y


@pytest.mark.parametrize("name", SHARING)
@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_are_distinct_and_writable(name: str, create_graph: bool) -> None:
    a, b, c = (leaf(np.ones((2, 3))) for _ in range(3))
    y = SHARING[name](a, b) + (c.sum() * 0)
    seed = Tensor(np.ones(y.shape))
    y.backward(seed, create_graph=create_graph)
    arrays = [seed.array, y.array, *(t.array for t in (a, b, c))]
    for t in (a, b, c):
        assert t.grad is not None and t.grad.shape == t.shape
        g = t.grad.array
        assert g.flags.writeable
        assert not any(np.shares_memory(g, other) for other in arrays)
        g += 1.0
        arrays.append(g)
    assert (seed.array == 1).all()


def test_one_leaf_added_to_itself_has_one_writable_gradient() -> None:
    x = leaf([1.0, 2.0])
    seed = np.array([1.0, 1.0])
    (x + x).backward(seed)
    assert grad(x) == [2.0, 2.0] and seed.tolist() == [1.0, 1.0]


def test_seed_of_a_leaf_is_copied() -> None:
    x, seed = leaf([1.0, 2.0]), np.array([5.0, 6.0])
    x.backward(seed)
    seed[:] = 0
    assert grad(x) == [5.0, 6.0]


def test_accumulation_does_not_write_into_the_first_seed() -> None:
    x, seed = leaf([1.0, 2.0]), np.array([5.0, 6.0])
    x.backward(seed)
    x.backward(seed)
    assert grad(x) == [10.0, 12.0] and seed.tolist() == [5.0, 6.0]


def test_a_gradient_of_one_graph_is_not_changed_by_the_next() -> None:
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    (a + b).sum().backward()
    (a * 5).sum().backward()
    assert grad(a) == [6.0, 6.0] and grad(b) == [1.0, 1.0]


def test_retained_gradients_are_memory_of_their_own() -> None:
    x = leaf([1.0, 2.0])
    y = x + 0
    z = y + 0
    for t in (y, z):
        t.retain_grad()
    z.backward(np.ones(2))
    arrays = [t.grad.array for t in (x, y, z) if t.grad is not None]
    assert len(arrays) == 3
    assert not any(np.shares_memory(p, q) for i, p in enumerate(arrays) for q in arrays[:i])


def test_what_a_hook_returns_is_not_kept() -> None:
    x, other = leaf([1.0, 2.0]), tensor(np.array([5.0, 5.0]))
    x.register_hook(lambda g: other)
    for _ in range(2):
        (x * 2).sum().backward()
    assert grad(x) == [10.0, 10.0] and other.tolist() == [5.0, 5.0]


def test_a_long_view_of_one_buffer_is_not_kept() -> None:
    """A small slice of a gradient must not hold the large array it is cut from."""
    a, b = leaf(np.ones(1)), leaf(np.ones(100_000))
    F.concatenate([a, b]).sum().backward()
    assert a.grad is not None
    assert a.grad.array.base is None or a.grad.array.base.nbytes < 1000


# ---- 7, 8: broadcasting ----------------------------------------------------------------------

PAIRS = [
    ((2, 3), (3,)), ((2, 3), (1, 3)), ((2, 3), (2, 1)), ((2, 3), (1, 1)), ((2, 3), ()),
    ((1,), ()), ((2, 1), (1, 3)), ((4, 1, 3), (2, 1)), ((0, 3), (1, 3)), ((2, 0), (1,)),
    ((1, 3), (3,)), ((2, 3, 1), (1, 1, 4)), ((1, 1), ()), ((0,), (1,)), ((0, 1), (1, 3)),
]  # fmt: skip
BINARY = {
    "add": lambda g, a, b: (g + 0 * a * b, g + 0 * a * b),
    "sub": lambda g, a, b: (g + 0 * a * b, -g + 0 * a * b),
    "mul": lambda g, a, b: (g * b + 0 * a, g * a + 0 * b),
    "div": lambda g, a, b: (g / b + 0 * a, -g * a / b**2),
    "pow": lambda g, a, b: (g * b * a ** (b - 1), g * a**b * np.log(a)),
    "maximum": lambda g, a, b: (g * (a > b), g * (b > a)),
    "minimum": lambda g, a, b: (g * (a < b), g * (b < a)),
    "logaddexp": lambda g, a, b: (g / (1 + np.exp(b - a)), g / (1 + np.exp(a - b))),
    "arctan2": lambda g, a, b: (g * b / (a**2 + b**2), -g * a / (a**2 + b**2)),
    "hypot": lambda g, a, b: (g * a / np.hypot(a, b), g * b / np.hypot(a, b)),
    "fmod": lambda g, a, b: (g + 0 * a * b, -g * ((a - np.fmod(a, b)) / b)),
    "remainder": lambda g, a, b: (g + 0 * a * b, -g * ((a - np.mod(a, b)) / b)),
}


def summed_to(g: Any, shape: tuple[int, ...]) -> Any:
    """Element by element, by counting which element of the input each one came from."""
    places = np.broadcast_to(np.arange(int(np.prod(shape))).reshape(shape), g.shape)
    return np.bincount(places.ravel(), g.ravel(), int(np.prod(shape))).reshape(shape)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("shapes", PAIRS + [(b, a) for a, b in PAIRS], ids=str)
def test_broadcast_is_undone_in_every_binary_row(name: str, shapes: Any) -> None:
    rng = np.random.default_rng(7)
    a, b = (leaf(rng.uniform(0.5, 2, s)) for s in shapes)
    y = table[name](a, b)
    g = rng.standard_normal(y.shape)
    y.backward(g)
    for x, full in zip((a, b), BINARY[name](g, a.array, b.array), strict=True):
        np.testing.assert_allclose(grad_array(x), summed_to(full, x.shape), rtol=1e-12, atol=1e-13)


def test_every_binary_row_is_in_the_broadcasting_test() -> None:
    ufuncs = {n for n, op in table.items() if getattr(op.forward, "nin", 0) == 2}
    assert ufuncs - {"matmul"} == set(BINARY)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((3,), (5, 3, 2)), ((5, 2, 3), (3,)),
        ((4, 1, 2, 3), (5, 3, 2)), ((2, 3), (4, 5, 3, 2)), ((1, 2, 3), (5, 3, 1)), ((0,), (0, 2)),
    ],
)  # fmt: skip
def test_matmul_of_vectors_and_batches(a: Any, b: Any) -> None:
    rng = np.random.default_rng(8)
    x, y = leaf(rng.standard_normal(a)), leaf(rng.standard_normal(b))
    z = x @ y
    assert z.shape == (x.array @ y.array).shape
    g = rng.standard_normal(z.shape)
    z.backward(g)
    dx, dy = rng.standard_normal(a), rng.standard_normal(b)
    np.testing.assert_allclose(  # bilinear: the derivative along (dx, dy) is known exactly
        (grad_array(x) * dx).sum() + (grad_array(y) * dy).sum(),
        (g * (dx @ y.array + x.array @ dy)).sum(),
        rtol=1e-12,
        atol=1e-13,
    )


# ---- 9 to 13: reductions, ties, corners ------------------------------------------------------


def test_ties_in_reductions() -> None:
    x = leaf([[3.0, 1.0, 3.0], [2.0, 2.0, 2.0]])
    x.max().backward()
    assert grad(x) == [[0.5, 0, 0.5], [0, 0, 0]]
    x.grad = None
    x.max(dim=1).values.sum().backward()
    assert grad(x) == [[1, 0, 0], [1, 0, 0]]
    x.grad = None
    F.amax(x, 1).sum().backward()
    np.testing.assert_allclose(grad(x), [[0.5, 0, 0.5], [1 / 3] * 3])
    x.grad = None
    x.min(dim=0).values.sum().backward()
    assert grad(x) == [[0, 1, 0], [1, 0, 1]]


def test_axis_zero_is_not_no_axis() -> None:
    x = leaf(np.arange(9.0).reshape(3, 3))
    for name in ("sum", "mean", "amax", "amin", "norm", "logsumexp", "var", "std", "prod"):
        function = getattr(F, name)
        for y in (function(x, dim=0), function(x, axis=-2), function(x, axis=0)):
            assert y.shape == (3,)
            assert not np.allclose(y.array, function(x, dim=1).array)
        assert function(x).shape == () and function(x, dim=0, keepdim=True).shape == (1, 3)


def test_square_matrices_are_reduced_along_the_right_axis() -> None:
    x = leaf(np.arange(9.0).reshape(3, 3))
    g = np.array([1.0, 10.0, 100.0])
    x.sum(0).backward(g)
    assert grad(x) == [[1, 10, 100]] * 3
    x.grad = None
    x.sum(-1).backward(g)
    assert grad(x) == [[1] * 3, [10] * 3, [100] * 3]


def test_empty_reductions() -> None:
    x = leaf(np.zeros((0, 3)))
    x.sum().backward()
    assert x.grad is not None and x.grad.shape == (0, 3)
    assert x.sum(0).tolist() == [0, 0, 0] and x.prod(0).tolist() == [1, 1, 1]
    for function in (F.max, F.min, F.amax, F.amin, F.argmax):
        with pytest.raises(ValueError, match=r"has no element"):
            function(x)


def test_variance_is_unbiased_and_std_of_a_constant_has_gradient_zero() -> None:
    x = leaf([1.0, 2.0, 4.0])
    assert x.var().item() == pytest.approx(np.var(x.array, ddof=1))
    assert x.std().item() == pytest.approx(np.std(x.array, ddof=1))
    assert x.var(unbiased=False).item() == pytest.approx(np.var(x.array))
    for value in (1.0, 0.1, 1e10, 0.0):
        for correction in (0, 1):
            c = leaf([value] * 7)
            y = c.std(correction=correction)
            y.backward()
            assert y.item() == 0.0 and grad(c) == [0.0] * 7
    zero = leaf([0.0, 0.0])
    F.norm(zero).backward()
    assert grad(zero) == [0.0, 0.0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2.0, 3.0, 4.0], [12, 8, 6]),
        ([2.0, 0.0, 4.0], [0, 8, 0]),
        ([0.0, 3.0, 0.0], [0, 0, 0]),
        ([0.0], [1]),
        ([], []),
    ],
)
def test_prod_with_zeros(values: list[float], expected: list[float]) -> None:
    x = leaf(values)
    x.prod().backward()
    assert grad(x) == expected
    y = leaf(values)
    F.cumprod(y, 0).sum().backward()
    slopes = [
        sum(np.prod(values[:i] + values[i + 1 : k + 1]) for k in range(i, len(values)))
        for i in range(len(values))
    ]
    assert grad(y) == slopes


@pytest.mark.parametrize(
    ("a", "b", "y", "da", "db"),
    [
        (0.0, 0.0, 1.0, 0.0, 0.0),
        (0.0, 2.0, 0.0, 0.0, 0.0),
        (0.0, 1.0, 0.0, 1.0, 0.0),
        (3.0, 0.0, 1.0, 0.0, np.log(3.0)),
        (-2.0, 3.0, -8.0, 12.0, np.nan),
        (-2.0, 2.0, 4.0, -4.0, np.nan),
        (2.0, 0.5, 2**0.5, 0.5 * 2**-0.5, np.log(2) * 2**0.5),
    ],
)
def test_pow_corners(a: float, b: float, y: float, da: float, db: float) -> None:
    x = leaf(a)
    result = x**b  # a number: the row `power`
    result.backward()
    assert result.item() == y and grad(x) == pytest.approx(da)
    x, p = leaf(a), leaf(b)
    with np.errstate(invalid="ignore"):  # the logarithm of a negative base
        result = x**p
        result.backward()
    assert result.item() == y and grad(x) == pytest.approx(da)
    assert grad(p) == pytest.approx(db, nan_ok=True)


def test_number_to_the_power_of_a_tensor() -> None:
    x = leaf([0.0, 1.0, 3.0])
    (2**x).sum().backward()
    np.testing.assert_allclose(grad(x), np.log(2) * np.array([1, 2, 8]))


# ---- 14: repeated indices --------------------------------------------------------------------


def test_repeated_indices_accumulate() -> None:
    x = leaf([1.0, 2.0, 3.0])
    (x[[0, 0, 2, 0]] * [1.0, 10.0, 5.0, 100.0]).sum().backward()
    assert grad(x) == [111.0, 0.0, 5.0]
    m = leaf(np.zeros((2, 3)))
    m[np.array([0, 0, 1]), np.array([2, 2, 0])].sum().backward()
    assert grad(m) == [[0, 0, 2], [1, 0, 0]]
    e = leaf(np.zeros((4, 2)))
    e[np.array([[1, 1], [1, 3]])].sum().backward()
    assert grad(e) == [[0, 0], [3, 3], [0, 0], [1, 1]]


def test_an_index_array_that_changes_later_does_no_harm() -> None:
    x, index = leaf([1.0, 2.0, 3.0]), np.array([0, 0])
    y = x[index]
    index[:] = 2
    y.sum().backward()
    assert grad(x) == [2.0, 0.0, 0.0]


# ---- 15: float32 -----------------------------------------------------------------------------

SINGLE: dict[str, Callable[[Tensor], Tensor]] = {
    "x * 2.5": lambda x: x * 2.5, "2.5 * x": lambda x: 2.5 * x, "x / 3": lambda x: x / 3,
    "1 / x": lambda x: 1 / x, "x - 1": lambda x: x - 1, "1 - x": lambda x: 1 - x, "x ** 2": lambda x: x**2,
    "x ** 0.5": lambda x: x**0.5, "2 ** x": lambda x: 2**x, "mean": F.mean, "var": F.var, "std": F.std,
    "amax": F.amax, "max(dim)": lambda x: x.max(0).values, "norm": F.norm, "norm 3": lambda x: F.norm(x, 3),
    "softmax": F.softmax, "log_softmax": F.log_softmax, "logsumexp": F.logsumexp, "gelu": F.gelu,
    "gelu tanh": lambda x: F.gelu(x, "tanh"), "silu": F.silu, "softplus": lambda x: F.softplus(x, 2.0),
    "logsigmoid": F.logsigmoid, "leaky_relu": F.leaky_relu, "elu": F.elu, "clip": lambda x: F.clip(x, 0.1, 1),
    "where": lambda x: F.where(x > 1, x, 0.5), "masked_fill": lambda x: F.masked_fill(x, x > 1, 2),
    "pad": lambda x: F.pad(x, 1, 0.5), "maximum": lambda x: F.maximum(x, 1.0), "prod": F.prod,
    "cumprod": F.cumprod, "cumsum": lambda x: F.cumsum(x, 0), "reciprocal": F.reciprocal,
    "bool mask": lambda x: x * (x > 1), "take": lambda x: x[[0, 0]], "erf": F.erf, "hardtanh": F.hardtanh,
    "np.float64": lambda x: x * float(np.float64(2)), "square": F.square, "einsum": lambda x: F.einsum("i,i", x, x),
}  # fmt: skip


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("create_graph", [False, True])
def test_float32_survives(name: str, create_graph: bool) -> None:
    x = leaf([0.5, 1.25, 2.0], np.float32)
    y = SINGLE[name](x)
    assert y.dtype == np.float32
    y.backward(np.ones(y.shape, np.float32), create_graph=create_graph)
    assert x.grad is not None and x.grad.dtype == np.float32


def test_mixed_types_follow_numpy_and_gradients_their_inputs() -> None:
    a, b = leaf([1.0, 2.0], np.float32), leaf([3.0, 4.0], np.float64)
    y = a * b
    assert y.dtype == np.float64
    y.sum().backward()
    assert grad(a) == [3.0, 4.0] and grad(b) == [1.0, 2.0]


# ---- 17: threads -----------------------------------------------------------------------------


def test_no_grad_is_per_thread() -> None:
    inside, done = threading.Event(), threading.Event()
    seen: list[bool] = []

    def other() -> None:
        with ag.no_grad():
            inside.set()
            done.wait(PATIENCE)
            seen.append(ag.is_grad_enabled())

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(PATIENCE)
    x = leaf(3.0)
    y = x * x
    done.set()
    thread.join()
    assert y.requires_grad and seen == [False]
    with ag.no_grad():
        fresh: list[bool] = []
        thread = threading.Thread(target=lambda: fresh.append(ag.is_grad_enabled()))
        thread.start()
        thread.join()
    assert fresh == [True]


def test_threads_compute_gradients_side_by_side() -> None:
    found: dict[int, list[float]] = {}

    def work(k: int) -> None:
        x = leaf(float(k))
        for _ in range(50):
            y = x
            for _ in range(20):
                y = y * 1.0 + x
            with ag.no_grad():
                y * 2
            y.backward()
        found[k] = grad(x)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(range(4), 50 * 21.0)


# ---- 18: memory ------------------------------------------------------------------------------


@contextmanager
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def network(w: Tensor, x: Any) -> Tensor:
    y = F.log_softmax(F.relu(x @ w) @ w.T)
    z = y * 2
    z[0] = 1.0
    z += y
    return (F.stack([z, z]).mean(0) ** 2)[[0, 0, 1]].var() + z.max(1).values.sum()


@pytest.mark.parametrize("mode", ["backward", "forward only", "create_graph", "hooks", "error"])
def test_memory_returns_to_baseline_without_the_collector(mode: str) -> None:
    w, x = leaf(np.ones((30, 30))), np.random.default_rng(0).standard_normal((20, 30))

    def step() -> weakref.ref[Tensor]:
        w.grad = None
        y = network(w, x)
        if mode == "hooks":
            y.retain_grad()
            y.register_hook(lambda g: g * 2)
        if mode == "error":
            with pytest.raises(RuntimeError):
                y.backward(np.ones(7))
        elif mode == "create_graph":
            y.backward(create_graph=True)
            assert w.grad is not None
            first, w.grad = w.grad, None
            (first * first).sum().backward()
        elif mode != "forward only":
            y.backward()
        return weakref.ref(y)

    with collector_off():
        for _ in range(3):
            step()
        w.grad = None
        tracemalloc.start()
        try:
            base = tracemalloc.get_traced_memory()[0]
            refs = [step() for _ in range(10)]
            w.grad = None
            grown = tracemalloc.get_traced_memory()[0] - base
        finally:
            tracemalloc.stop()
        assert all(ref() is None for ref in refs)
        assert grown < 20_000  # one step holds more than 300 kB


def test_backward_releases_the_record_while_the_loss_lives() -> None:
    x = leaf(np.ones(1000))
    with collector_off():
        a = x * 2
        b = a.exp()
        loss = b.sum()
        middle = weakref.ref(a)
        del a, b
        assert middle() is not None
        loss.backward()
        assert middle() is None and loss.item() > 0


# ---- 19: hooks -------------------------------------------------------------------------------


def test_hooks_see_the_total_gradient_once() -> None:
    x = leaf(3.0)
    y = x * 2
    seen: list[float] = []
    y.register_hook(lambda g: seen.append(g.item()))
    (y * y + y * 5).backward()
    assert seen == [2 * 6 + 5] and grad(x) == 34.0


def test_hooks_of_a_leaf_see_the_gradient_of_this_backward() -> None:
    x = leaf(3.0)
    seen: list[float] = []
    x.register_hook(lambda g: seen.append(g.item()))
    (x * x + x).backward()
    (x * 5).backward()
    assert seen == [7.0, 5.0] and grad(x) == 12.0


# ---- 20: higher derivatives ------------------------------------------------------------------

HIGHER: dict[str, Callable[[Any, Any, Any], Any]] = {
    "broadcasting": lambda t, x, w: ((x * w[0]) ** 3 / (x[:, :1] ** 2 + 1)).sum(),
    "matmul": lambda t, x, w: ((x @ w) ** 3).sum() + (x[0] @ w @ x[1]) ** 2,
    "softmax": lambda t, x, w: (t.softmax(x @ w, 1) ** 2 * x).sum(),
    "log_softmax": lambda t, x, w: (t.log_softmax(x * w[1], 0) ** 2).sum(),
    "norm": lambda t, x, w: t.norm(x @ w) ** 3 + (x.norm(dim=1) * w[0, 0]).sum() ** 2,
    "indexing": lambda t, x, w: (x[[0, 0, 1]] ** 3 * x[:, 1:2][[1, 0, 1]]).sum() * w[1, 1] ** 2,
    "var and std": lambda t, x, w: (x @ w).var(0).sum() ** 2 + (x * w[2]).std() ** 3,
    "prod": lambda t, x, w: (x.prod(1) * w.prod(0)[:2]).sum() ** 2,
    "tanh network": lambda t, x, w: (t.tanh(t.tanh(x @ w) @ w) ** 2).mean(),
    "logsumexp": lambda t, x, w: t.logsumexp(x @ w, 1).sum() ** 2,
    "einsum": lambda t, x, w: (t.einsum("ij,jk,ik->i", x, w, x) ** 2).sum(),
    "shapes": lambda t, x, w: (t.stack([x, x.flip(0)]).permute(2, 0, 1).reshape(3, 4) ** 3).sum() * w.sum(),
    "where and clip": lambda t, x, w: (t.where(x > 0, x**3, x**2) * t.clamp(x, -0.5, 0.5)).sum() * w[0, 0] ** 3,
    "max": lambda t, x, w: (x.max(1).values ** 3).sum() * (x**2).amax() * w.sum(),
    "cumsum": lambda t, x, w: (t.cumsum(x, 1) ** 3).sum() * w.mean() ** 2,
    "pow": lambda t, x, w: ((x**2 + 1) ** (w[0] ** 2)).sum(),
}  # fmt: skip


def derivatives(lib: Any, make: Callable[[Any], Any], f: Callable[..., Any]) -> list[Any]:
    rng = np.random.default_rng(20)
    x, w = make(rng.standard_normal((2, 3))), make(rng.standard_normal((3, 3)))
    value, found = f(lib, x, w), []
    for _ in range(3):
        if not value.requires_grad:
            break
        x.grad = w.grad = None
        value.backward(create_graph=True)
        gx, gw = x.grad, w.grad
        found += [None if g is None else np.array(g.tolist()) for g in (gx, gw)]
        value = sum((g * (i + 1.5)).sum() for i, g in enumerate((gx, gw)) if g is not None)
    x.grad = w.grad = None
    return found


@pytest.mark.filterwarnings("ignore:Using backward.. with create_graph")  # PyTorch's own
@pytest.mark.parametrize("name", HIGHER)
def test_three_derivatives_equal_pytorch(name: str, torch: Any) -> None:
    ours = derivatives(ag, leaf, HIGHER[name])
    theirs = derivatives(torch, lambda v: torch.tensor(v, requires_grad=True), HIGHER[name])
    assert len(ours) == len(theirs) == 6
    for a, b in zip(ours, theirs, strict=True):
        zero = np.zeros(())
        np.testing.assert_allclose(
            zero if a is None else a, zero if b is None else b, rtol=1e-9, atol=1e-9
        )


# ---- what a review found ----------------------------------------------------------------------


def test_a_hook_keeps_its_gradient_while_grad_grows() -> None:
    x = tensor([1.0, 2.0], requires_grad=True)
    saved: list[Tensor] = []
    x.register_hook(saved.append)
    for _ in range(2):
        (x * x).sum().backward()
    assert saved[0].tolist() == [2.0, 4.0]
    assert x.grad is not None and not np.shares_memory(saved[1].array, x.grad.array)


def test_one_no_grad_shared_by_threads_keeps_their_modes_apart() -> None:
    context, inside, leave = ag.no_grad(), threading.Event(), threading.Event()
    seen: list[bool] = []

    def other() -> None:
        with ag.enable_grad(), context:
            inside.set()
            leave.wait()
        seen.append(ag.is_grad_enabled())

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait()
    with context:
        leave.set()
        thread.join()
        assert not ag.is_grad_enabled()
    assert ag.is_grad_enabled() and seen == [True]


def test_set_grad_enabled_can_be_entered_twice() -> None:
    switch = ag.set_grad_enabled(False)
    for _ in range(2):
        with switch:
            assert not ag.is_grad_enabled()
    assert ag.is_grad_enabled()


def test_numpy_integers_are_axes_and_sizes() -> None:
    x = tensor([[1.0, 5.0], [7.0, 2.0]])
    assert x.max(np.int64(1)).values.tolist() == [5.0, 7.0]
    assert len(x.split(np.int64(1))) == len(x.chunk(np.int64(2))) == 2


def test_a_bool_is_unbiased_not_an_axis() -> None:
    x = tensor(np.arange(6.0).reshape(2, 3))
    assert x.var(False).item() == x.var(correction=0).item()
    assert x.std(True).item() == x.std().item()


def test_where_of_two_python_floats_has_the_default_type() -> None:
    x = tensor([1.0, -1.0])
    assert (ag.where(x > 0, 1.0, 0.0) * x).dtype == np.float32


def test_expand_and_unsqueeze_refuse_what_they_cannot_do() -> None:
    with pytest.raises(ValueError, match=r"expand: \(3,\) has fewer axes than shape \(1, 3\)"):
        ag.ones(1, 3).expand(3)
    with pytest.raises(ValueError, match="names one place twice"):
        ag.ones(3).unsqueeze((0, 0))


def test_random_float32_stays_below_one() -> None:
    generator = np.random.default_rng(0)
    assert max(float(ag.rand(10**6, generator=generator).array.max()) for _ in range(20)) < 1
