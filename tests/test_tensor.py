"""Tensor itself: making, reading, backward, hooks, copies, creation functions."""

from __future__ import annotations

import copy
import math
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import Tensor, no_grad, tensor, zeros


def leaf(values: Any, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


# ---- making ----------------------------------------------------------------------------------


def test_tensor_copies_and_the_class_shares() -> None:
    a = np.ones(3)
    shared, copied = Tensor(a), tensor(a)
    assert shared.array is a
    a[0] = 5
    assert shared.tolist() == [5, 1, 1] and copied.tolist() == [1, 1, 1]
    again = tensor(shared)
    assert not np.shares_memory(again.array, a) and again.is_leaf
    assert ag.as_tensor(shared) is shared and ag.as_tensor(a).array is a


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1, "int64"), (1.0, "float32"), (True, "bool"), ([1, 2], "int64"), ([1.0, 2], "float32"),
        ([True, False], "bool"), ([[1.5]], "float32"), ([], "float32"), ((1, 2.5), "float32"),
        (np.float64(1), "float64"), (np.float32(1), "float32"), (np.ones(2), "float64"),
        (np.ones(2, np.float16), "float16"), (np.array([1, 2]), "int64"), (np.uint8(3), "uint8"),
        (np.array(True), "bool"),
    ],
)  # fmt: skip
def test_dtypes_of_new_tensors(data: Any, dtype: str, torch: Any) -> None:
    assert tensor(data).dtype == dtype
    assert str(torch.tensor(data).dtype) == f"torch.{dtype}"


@pytest.mark.parametrize("data", [1, [1, 2], (1, 2), 1.0, [1.0]])
def test_the_class_makes_numbers_floats(data: Any) -> None:
    assert Tensor(data).dtype == np.float32


def test_dtype_argument_and_default_dtype() -> None:
    assert tensor([1, 2], dtype="float64").dtype == np.float64
    assert tensor(np.ones(2), dtype=np.float32, requires_grad=True).requires_grad
    try:
        ag.set_default_dtype("float64")
        assert tensor(1.0).dtype == np.float64 and ag.zeros(2).dtype == np.float64
        assert Tensor([1]).dtype == np.float64 and tensor([1]).dtype == np.int64
        assert (tensor(np.ones(2, np.float32)) * 2.5).dtype == np.float32
    finally:
        ag.set_default_dtype("float32")


def test_lists_of_tensors() -> None:
    x = tensor(2.0)
    assert tensor([x, 3.0]).tolist() == [2.0, 3.0]
    assert tensor([tensor([1.0, 2.0]), [3.0, 4.0]]).tolist() == [[1, 2], [3, 4]]


def test_creation_functions(torch: Any) -> None:
    for theirs, ours in [
        (torch.zeros(2, 3), ag.zeros(2, 3)), (torch.zeros((2, 3)), ag.zeros((2, 3))), (torch.ones(()), ag.ones(())),
        (torch.full((2,), 7.0), ag.full((2,), 7.0)), (torch.eye(3), ag.eye(3)), (torch.eye(2, 3), ag.eye(2, 3)),
        (torch.arange(5), ag.arange(5)), (torch.arange(1, 5, 2), ag.arange(1, 5, 2)), (torch.arange(0.0, 1, 0.25), ag.arange(0.0, 1, 0.25)),
        (torch.linspace(0, 1, 5), ag.linspace(0, 1, 5)), (torch.zeros(0, 3), ag.zeros(0, 3)),
        (torch.zeros_like(torch.ones(2)), ag.zeros_like(ag.ones(2))), (torch.ones_like(torch.arange(2)), ag.ones_like(ag.arange(2))),
        (torch.arange(3, dtype=torch.float64), ag.arange(3, dtype="float64")),
    ]:  # fmt: skip
        assert ours.tolist() == theirs.tolist() and ours.shape == tuple(theirs.shape)
        assert f"torch.{ours.dtype}" == str(theirs.dtype) and not ours.requires_grad
    assert ag.zeros(2, requires_grad=True).requires_grad and ag.eye(2, requires_grad=True).is_leaf


def test_random_tensors_are_seeded() -> None:
    def draw() -> list[Any]:
        ag.manual_seed(7)
        made = [ag.rand(3), ag.randn(2, 2), ag.randint(0, 9, (4,)), ag.randperm(5)]
        return [t.tolist() for t in made]

    first = draw()
    assert first == draw()
    ag.manual_seed(8)
    assert ag.rand(3).tolist() != first[0]
    assert sorted(first[3]) == [0, 1, 2, 3, 4] and all(0 <= v < 9 for v in first[2])
    own = np.random.default_rng(1)
    assert ag.rand(3, generator=own).dtype == np.float32
    x = ag.randn(10_000)
    assert abs(x.mean().item()) < 0.05 and abs(x.std().item() - 1) < 0.05


# ---- reading ---------------------------------------------------------------------------------


def test_attributes() -> None:
    x = leaf(np.ones((2, 3)))
    assert (x.shape, x.ndim, x.dim(), x.numel(), len(x)) == ((2, 3), 2, 2, 6, 2)
    assert x.size() == (2, 3) and x.size(-1) == 3 and x.T.shape == (3, 2) and x.mT.shape == (3, 2)
    assert x.is_leaf and x.grad_fn is None and x.grad is None and x.name == ""
    y = x * 2
    assert not y.is_leaf and y.requires_grad and y.grad_fn is not None
    assert y.grad_fn.name() == "mul" and repr(y.grad_fn) == "<mul>"
    following = (y + leaf(1.0)).grad_fn.next_functions  # type: ignore[union-attr]
    assert [(f.name(), i) for f, i in following] == [("mul", 0), ("leaf", 0)]
    assert y.grad_fn.next_functions[1] == (None, 0)


def test_numbers() -> None:
    assert float(tensor(2.5)) == 2.5 and int(tensor(2)) == 2 and tensor([[3.0]]).item() == 3.0
    assert type(tensor(2.5).item()) is float and type(tensor(2).item()) is int
    assert bool(tensor(1.0)) and not tensor([0.0])
    assert [10, 20, 30][tensor(1)] == 20 and list(range(tensor(3))) == [0, 1, 2]
    assert 2.0 in tensor([1.0, 2.0]) and 5.0 not in tensor([1.0, 2.0])
    assert f"{float(tensor(1.5)):.2f}" == "1.50"


def test_numpy_and_detach_share_memory() -> None:
    x = leaf([1.0, 2.0])
    d = x.detach()
    assert d.array is x.array and not d.requires_grad and d.is_leaf
    assert d.numpy() is x.array and np.asarray(d) is x.array
    with pytest.raises(RuntimeError, match=r"numpy\(\): this tensor requires grad; use detach"):
        x.numpy()
    with pytest.raises(RuntimeError, match=r"use detach\(\)\.numpy\(\)"):
        np.asarray(x)
    assert np.array(d, dtype=np.float32).dtype == np.float32


def test_comparisons_are_plain() -> None:
    x = leaf([1.0, 2.0, 3.0])
    for y in (
        x == 2,
        x != 2,
        x < 2,
        x <= 2,
        x > 2,
        x >= 2,
        (x > 1) & (x < 3),
        (x < 2) | (x > 2),
        ~(x > 1),
        (x > 1) ^ (x > 2),
    ):
        assert y.dtype == bool and not y.requires_grad and y.is_leaf
    assert (x == [1.0, 0.0, 3.0]).tolist() == [True, False, True]
    assert (x > 2).tolist() == [False, False, True] and (x == np.array([1.0, 2.0, 3.0])).array.all()
    assert (x is None) is False and (x == None) is False and x != "a"
    assert len({x, x, leaf(1.0)}) == 2 and hash(x) == hash(x)


def test_repr_shows_the_values_and_how_it_was_made() -> None:
    assert repr(tensor([1.0, 2.0])) == "tensor([1., 2.])"
    assert repr(tensor([1, 2])) == "tensor([1, 2])"
    assert repr(tensor(True)) == "tensor(True)"
    assert repr(leaf([1.0])) == "tensor([1.], dtype=float64, requires_grad=True)"
    assert repr(tensor([1.0], requires_grad=True) * 2) == "tensor([2.], grad_fn=<mul>)"
    assert repr(ag.eye(3)) == (
        "tensor([[1., 0., 0.],\n        [0., 1., 0.],\n        [0., 0., 1.]])"
    )
    assert repr(ag.zeros(0)) == "tensor([], dtype=float32)"
    assert "name='w'" in repr(tensor([1.0], name="w"))
    assert repr(ag.zeros(1000)).count("0.") == 1000 and len(repr(ag.zeros(30, 40))) < 300


def test_iteration_and_length() -> None:
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    a, b = x
    (a * b).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[3, 4], [1, 2]]
    for action in (len, iter, list):
        with pytest.raises(TypeError, match="a 0-d tensor has no"):
            action(tensor(1.0))


# ---- backward --------------------------------------------------------------------------------


def test_leaves_accumulate_and_others_have_none() -> None:
    x = leaf([1.0, 2.0])
    y = x * 3
    y.sum().backward()
    (x * 2).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [5.0, 5.0]
    with pytest.warns(UserWarning, match=r"^grad: .* is no leaf, as mul made it") as caught:
        assert y.grad is None
    assert caught[0].filename == __file__
    assert not x.grad.requires_grad and x.grad.is_leaf and type(x.grad) is Tensor


def test_retain_grad() -> None:
    x = leaf([1.0, 2.0])
    y = x * 3
    y.retain_grad()
    z = (y * y).sum()
    z.backward(retain_graph=True)
    assert y.grad is not None and y.grad.tolist() == [6.0, 12.0] and y.retains_grad
    z.backward()
    assert y.grad.tolist() == [12.0, 24.0]  # accumulates, as in PyTorch
    with pytest.raises(RuntimeError, match=r"retain_grad\(\): this tensor does not require grad"):
        tensor(1.0).retain_grad()
    x.retain_grad()  # no more than it does already
    assert x.is_leaf


@pytest.mark.parametrize("gradient", [[1.0, 10.0], np.array([1.0, 10.0], np.float32), (1, 10)])
def test_seeds_of_many_kinds(gradient: Any) -> None:
    x = leaf([1.0, 2.0])
    (x * x).backward(gradient)
    assert x.grad is not None and x.grad.tolist() == [2.0, 40.0] and x.grad.dtype == np.float64
    y = leaf([1.0, 2.0])
    (y * y).backward(tensor(gradient))
    assert y.grad is not None and y.grad.tolist() == [2.0, 40.0] and y.grad.dtype == np.float64


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_seed_takes_the_type_of_its_tensor(create_graph: bool) -> None:
    for dtype, other in ((np.float32, np.float64), (np.float64, np.float32), (np.float32, int)):
        x, seen = leaf([1.0, 2.0], dtype), []
        x.backward(np.ones(2, other), create_graph=create_graph)
        assert x.grad is not None and x.grad.dtype == dtype
        y = x * 2
        y.register_hook(lambda g, seen=seen: seen.append(g.dtype))
        y.backward(np.ones(2, other), create_graph=create_graph)
        assert seen == [dtype]


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_element_needs_no_seed(shape: Any) -> None:
    x = leaf(np.full(shape, 3.0))
    (x * x).backward()
    assert x.grad is not None and x.grad.shape == shape and x.grad.item() == 6.0


def test_backward_of_a_leaf_is_its_seed() -> None:
    x = leaf(3.0)
    x.backward()
    assert x.grad is not None and x.grad.item() == 1.0


def test_create_graph_makes_gradients_differentiable() -> None:
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    first = x.grad
    assert first is not None and first.requires_grad and not first.is_leaf
    x.grad = None
    first.backward(create_graph=True)
    second, x.grad = x.grad, None
    assert first.item() == 12.0 and second is not None and second.item() == 12.0
    second.backward()
    assert x.grad is not None and x.grad.item() == 6.0


def test_create_graph_keeps_the_record_unless_told_otherwise() -> None:
    x = leaf(2.0)
    y = x**3
    y.backward(create_graph=True)
    y.backward(create_graph=True, retain_graph=False)
    assert x.grad is not None and x.grad.item() == 24.0
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()


def test_backward_inside_no_grad_works() -> None:
    x = leaf(2.0)
    y = x * x
    with ag.no_grad():
        y.backward()
    assert x.grad is not None and x.grad.item() == 4.0


def test_gradient_of_gradient_through_a_seed() -> None:
    x, u = leaf([1.0, 2.0]), leaf([1.0, 1.0])
    (x**2).backward(u, create_graph=True)
    g, x.grad = x.grad, None
    assert g is not None
    (g * [1.0, 10.0]).sum().backward()
    assert u.grad is not None and u.grad.tolist() == [2.0, 40.0]
    assert x.grad is not None and x.grad.tolist() == [2.0, 20.0]


def test_requires_grad_can_be_set() -> None:
    x = tensor([1.0])
    assert x.requires_grad_() is x and x.requires_grad
    y = x * 2
    with pytest.raises(RuntimeError, match=r"only a leaf can stop requiring grad; use detach\(\)"):
        y.requires_grad_(False)
    assert not x.requires_grad_(False).requires_grad
    assert not (x * 2).requires_grad


def test_detach_and_frozen_inputs_get_nothing() -> None:
    x, frozen = leaf(3.0), tensor(2.0)
    (x.detach() * x * frozen).backward()
    assert x.grad is not None and x.grad.item() == 6.0 and frozen.grad is None


# ---- hooks -----------------------------------------------------------------------------------


def test_hook_that_returns_a_tensor_replaces_the_gradient() -> None:
    x = leaf([1.0, 2.0])
    y = x * 3
    handle = y.register_hook(lambda g: g * 10)
    y.sum().backward(retain_graph=True)
    assert x.grad is not None and x.grad.tolist() == [30.0, 30.0]
    handle.remove()
    handle.remove()
    x.grad = None
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [3.0, 3.0]


def test_hooks_run_in_order_and_on_leaves() -> None:
    x = leaf(1.0)
    x.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: g * 10)
    (x * 2).backward()
    assert x.grad is not None and x.grad.item() == 30.0


def test_hook_sees_what_retain_grad_keeps(torch: Any) -> None:
    def run(lib: Any, x: Any) -> list[float]:
        y = x * 3
        y.retain_grad()
        y.register_hook(lambda g: g * 10)
        (y * y).backward()
        return [y.grad.item(), x.grad.item()]

    assert run(ag, leaf(1.0)) == run(torch, torch.tensor(1.0, requires_grad=True))


def test_hook_with_create_graph() -> None:
    x = leaf(2.0)
    x.register_hook(lambda g: g * g)
    (x**3).backward(create_graph=True)  # (3 x^2)^2, whose derivative is 36 x^3
    g, x.grad = x.grad, None
    assert g is not None and g.item() == 144.0
    y = g * 1.0
    y.backward()
    assert x.grad is not None
    assert x.grad.item() == (36 * 8.0) ** 2  # the hook squares this one too


def test_hook_of_a_wrong_shape_is_an_error() -> None:
    x = leaf([1.0, 2.0])
    x.register_hook(lambda g: tensor([1.0]))
    with pytest.raises(
        ValueError,
        match=r"hook: returned Tensor of shape \(1,\); return None or a tensor of shape \(2,\)",
    ):
        (x * 2).sum().backward()
    assert x.grad is None
    with pytest.raises(RuntimeError, match=r"register_hook\(\): this tensor does not require grad"):
        tensor(1.0).register_hook(print)


# ---- copies and conversions ------------------------------------------------------------------


def test_clone_is_recorded_and_has_its_own_memory() -> None:
    x = leaf([1.0, 2.0])
    y = x.clone()
    assert not np.shares_memory(x.array, y.array) and y.requires_grad
    y += 1
    (y * y).sum().backward()
    assert x.tolist() == [1, 2] and x.grad is not None and x.grad.tolist() == [4.0, 6.0]


def test_casts_carry_gradients_in_the_type_of_the_input() -> None:
    x = leaf([1.0, 2.0], np.float32)
    y = x.double()
    assert y.dtype == np.float64 and x.float() is x and x.to("float32") is x
    (y * y).sum().backward()
    assert x.grad is not None and x.grad.dtype == np.float32 and x.grad.tolist() == [2.0, 4.0]
    assert x.long().dtype == np.int64 and not x.long().requires_grad


def test_deepcopy_copies_the_record() -> None:
    x = leaf([1.0, 2.0])
    x.name = "x"
    x.grad = tensor(np.array([5.0, 5.0]))
    y = x * x + x
    z = copy.deepcopy(y)
    twin = ag.tape(z)[0]
    assert twin.name == "x" and twin.grad is not None and twin.grad.tolist() == [5, 5]
    z.sum().backward()
    assert twin.grad.tolist() == [8.0, 10.0] and x.grad.tolist() == [5.0, 5.0]
    pair = copy.deepcopy([x, y])
    assert ag.tape(pair[1])[0] is pair[0]
    assert not np.shares_memory(pair[0].array, x.array)
    same = copy.deepcopy({"a": x, "b": x})
    assert same["a"] is same["b"]


def test_pickle_of_leaves() -> None:
    x = leaf([1.0, 2.0])
    x.name = "w"
    y = pickle.loads(pickle.dumps(x))
    assert y.tolist() == [1, 2] and y.requires_grad and y.name == "w" and y.dtype == x.dtype
    with pytest.raises(
        TypeError, match=r"only a leaf can be copied or pickled; use clone\(\) or detach\(\)"
    ):
        pickle.dumps(x * 2)


# ---- operators -------------------------------------------------------------------------------


def test_operators_on_both_sides() -> None:
    x = leaf([1.0, 2.0])
    for other in (
        3,
        3.0,
        np.array([3.0, 3.0]),
        [3.0, 3.0],
        tensor(np.array([3.0, 3.0])),
        np.float64(3),
    ):
        for y, expected in [
            (x + other, [4, 5]), (other + x, [4, 5]), (x - other, [-2, -1]), (other - x, [2, 1]),
            (x * other, [3, 6]), (other * x, [3, 6]), (x / other, [1 / 3, 2 / 3]), (other / x, [3, 1.5]),
            (x**other, [1, 8]), (other**x, [3, 9]),
        ]:  # fmt: skip
            assert type(y) is Tensor and y.requires_grad
            np.testing.assert_allclose(y.array, expected, rtol=1e-6)
    assert (-x).tolist() == [-1, -2] and abs(-x).tolist() == [1, 2]
    m = np.eye(2)
    for y in (x @ m, m @ x, x @ tensor(m), tensor(m) @ x):
        assert type(y) is Tensor and y.tolist() == [1, 2] and y.requires_grad


def test_results_of_plain_inputs_are_not_recorded() -> None:
    y = tensor([1.0]) * 2 + 3
    assert not y.requires_grad and y.is_leaf and y.grad_fn is None


def test_tape_lists_inputs_and_results_in_recorded_order() -> None:
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    a = x * w
    b = a + x
    c = b.sum()
    assert ag.tape(c) == [x, w, a, b, c] or [t.serial for t in ag.tape(c)] == sorted(
        t.serial for t in (x, w, a, b, c)
    )
    assert len(ag.tape(a, c)) == 5 and len(ag.tape(x)) == 1


def test_methods_are_the_functions() -> None:
    x = np.abs(np.random.default_rng(0).standard_normal((2, 3))) + 0.1
    for name in ag.engine.rules.__dict__:
        method, function = getattr(Tensor, name, None), getattr(ag.engine.rules, name)
        if method is None or not callable(function) or name[0] in "_ABCDEFGHIJKLMNOPQRSTUVWXYZ":
            continue
        if name in ["exp", "log", "log1p", "expm1", "sqrt", "square", "reciprocal", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arctan", "sigmoid", "relu", "erf", "abs", "neg", "sum", "mean", "var", "std", "norm", "amax", "amin", "max", "min", "prod", "logsumexp", "softmax", "log_softmax", "cumsum", "cumprod", "argmax", "argmin", "flatten", "squeeze", "flip", "transpose"]:  # fmt: skip
            np.testing.assert_array_equal(method(tensor(x)).array, function(tensor(x)).array, name)


def test_one_number_formats_and_rounds() -> None:
    assert f"{tensor(3.14159):.2f}" == "3.14"
    assert round(tensor(2.75), 1) == 2.8 and round(tensor(2.5)) == 2
    assert f"{tensor([1.0, 2.0])}" == "tensor([1., 2.])"
    assert f"{tensor(0.5, requires_grad=True) * 1} {tensor(3)}" == "0.5 3"
    with pytest.raises(ValueError, match="2 elements, not 1"):
        format(tensor([1.0, 2.0]), ".2f")


def test_plain_helpers() -> None:
    x = tensor([[1.5, -2.0], [np.nan, np.inf]])
    assert x.isnan().tolist() == [[False, False], [True, False]]
    assert x.isfinite().all(dim=1).tolist() == [True, False]
    assert bool((x > 0).any()) and not bool((x > 5).all())
    assert x[0].sign().tolist() == [1.0, -1.0] and x[0].floor().tolist() == [1.0, -2.0]
    assert x[0].ceil().tolist() == [2.0, -2.0] and not x.equal(x) and x[0].allclose(x[0])
    m = tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    np.testing.assert_array_equal(m.tril().detach().numpy(), np.tril(m.array))
    np.testing.assert_array_equal(m.triu(1).detach().numpy(), np.triu(m.array, 1))
    m.tril().sum().backward()
    np.testing.assert_array_equal(m.grad.array, np.tri(2, 3))


@pytest.mark.parametrize("wrong", [tensor([1.0]), np.zeros(2)])
def test_a_grad_that_was_set_to_something_else_is_an_error(wrong: Any) -> None:
    x = tensor([1.0, 2.0], requires_grad=True)
    x.grad = wrong
    with pytest.raises((RuntimeError, TypeError), match="the grad of a leaf of shape"):
        x.sum().backward()


def test_nested_lists_may_hold_tensors() -> None:
    w = tensor([1.0, 2.0], requires_grad=True)
    with pytest.warns(UserWarning, match=r"^tensor: .* write stack\(\[\.\.\.\]\)") as caught:
        t = tensor([[w[0], w[1]], [3.0, tensor(4.0)]])
    assert t.tolist() == [[1.0, 2.0], [3.0, 4.0]] and caught[0].filename == __file__
    with ag.no_grad():
        assert tensor([w[0], 1.0]).tolist() == [1.0, 1.0]


CUT: dict[str, Any] = {
    "math": lambda t: math.sin(t),
    "float": lambda t: float(t),
    "int": lambda t: int(t),
    "element of an array": lambda t: np.zeros(2).__setitem__(0, t),
}


@pytest.mark.parametrize("name", CUT)
def test_a_number_made_of_a_tensor_that_needs_a_gradient_is_told(name: str) -> None:
    t = tensor(1.0, requires_grad=True)
    with pytest.warns(UserWarning, match="loses its record; write t.sin") as caught:
        CUT[name](t)
    assert caught[0].filename == __file__
    with ag.no_grad():
        CUT[name](t)
    CUT[name](t.detach())
    assert t.item() == 1.0 and f"{t:.1f}" == "1.0"


def test_the_warning_comes_once_for_each_line() -> None:
    t = tensor(1.0, requires_grad=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            float(t)
            int(t)
    assert [str(w.message).split(":")[0] for w in caught] == ["float", "int"]


def test_ints_are_sizes_as_in_pytorch() -> None:
    assert Tensor(5).shape == (5,) and Tensor(5, 7).shape == (5, 7)
    assert Tensor(2, 3, 4, 5).shape == (2, 3, 4, 5) and Tensor().shape == (0,)
    named = Tensor(2, requires_grad=True, name="b")
    assert named.shape == (2,) and named.requires_grad and named.name == "b"
    assert named.dtype == np.float32 and not Tensor(2, 3).requires_grad
    assert Tensor(5.0).item() == 5 and Tensor([5]).shape == (1,)
    with pytest.raises(ValueError, match=r"^Tensor: sizes \[-5\].* write tensor\(-5\)"):
        Tensor(-5)
    with pytest.raises(TypeError, match=r"^Tensor: requires_grad is True or False, not 7"):
        Tensor([1.0], 7)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda a, **kw: ag.add(a, a, alpha=2, **kw), [[3.0, 6.0], [9.0, 12.0]]),
        (lambda a, **kw: ag.sub(a, 1.0, **kw), [[0.0, 1.0], [2.0, 3.0]]),
        (lambda a, **kw: ag.mul(a, a, **kw), [[1.0, 4.0], [9.0, 16.0]]),
        (lambda a, **kw: ag.div(a, 2, rounding_mode="floor", **kw), [[0.0, 1.0], [1.0, 2.0]]),
        (lambda a, **kw: ag.matmul(a, a, **kw), [[7.0, 10.0], [15.0, 22.0]]),
        (lambda a, **kw: ag.mm(a, a, **kw), [[7.0, 10.0], [15.0, 22.0]]),
        (lambda a, **kw: ag.softmax(a * 0, dim=0, **kw), [[0.5, 0.5], [0.5, 0.5]]),
        (lambda a, **kw: ag.sum(a, dim=0, **kw), [4.0, 6.0]),
    ],
)
def test_out_is_filled_and_returned(call: Any, expected: Any) -> None:
    a = tensor([[1.0, 2.0], [3.0, 4.0]])
    out = zeros(np.shape(expected))
    assert call(a, out=out) is out and out.tolist() == expected == call(a).tolist()
    with pytest.raises(RuntimeError, match=r"out= has shape \(5,\).* give empty\("):
        call(a, out=zeros(5))
    w = a.clone().requires_grad_()
    before = out.clone()
    with pytest.raises(RuntimeError, match=r"out= takes values alone.* no_grad\(\)"):
        call(w, out=out)
    assert ag.equal(out, before)
    with no_grad():
        assert call(w, out=out) is out


def test_numbers_reach_the_dtype_that_is_asked_for_unrounded() -> None:
    assert tensor([0.1, 1e300], dtype="float64").tolist() == [0.1, 1e300]
    assert tensor(0.1, dtype="float64").item() == 0.1
    assert tensor([16777217.0], dtype="int64").item() == 16777217
    assert tensor([0.1]).dtype == np.float32


# ---- data: the elements without a record ------------------------------------------------------


def test_data_shares_memory_and_has_no_record() -> None:
    x = tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    assert type(y.data) is Tensor and not y.data.requires_grad and y.data.is_leaf
    assert np.shares_memory(y.data.array, y.array)
    x.data -= 0.5
    assert x.tolist() == [0.5, 1.5] and x.is_leaf and x.requires_grad


@pytest.mark.parametrize("value", [np.array([5.0, 6.0], "float32"), tensor([5.0, 6.0])])
def test_data_takes_arrays_and_tensors(value: Any) -> None:
    x = tensor([1.0, 2.0], requires_grad=True)
    before = x.serial
    x.data = value
    assert x.tolist() == [5.0, 6.0] and x.requires_grad and x.serial == before
    (x * x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [10.0, 12.0]


def test_data_of_another_shape_or_dtype_changes_nothing() -> None:
    x = tensor([1.0, 2.0])
    with pytest.raises(ValueError, match=r"data: values of shape \(3,\) for a tensor of shape"):
        x.data = np.zeros(3, "float32")
    with pytest.raises(
        TypeError, match=r"data: values of float64 for a tensor of float32; convert them"
    ):
        x.data = np.zeros(2)
    assert x.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("change", ["set", "subtract", "fill"])
def test_a_change_of_data_counts_as_one_in_place(change: str) -> None:
    x = tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    if change == "set":
        x.data = np.array([9.0, 9.0], "float32")
    elif change == "subtract":
        x.data -= 1
    else:
        x.data.fill_(3.0)
    with pytest.raises(RuntimeError, match="was changed in place after it was recorded"):
        y.backward()


def test_data_of_what_no_rule_needs_may_change() -> None:
    x = tensor([1.0, 2.0], requires_grad=True)
    y = (x + 1).sum()
    x.data = np.array([9.0, 9.0], "float32")
    y.backward()
    assert x.grad is not None and x.grad.tolist() == [1.0, 1.0]


def test_one_attribute_of_ones_own() -> None:
    x = tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    y.g = Tensor([1.0, 1.0])  # as scripts keep gradients by hand
    x.g = y.g * 3
    assert x.g.tolist() == [3.0, 3.0] and not hasattr(y * 2, "g")
    with pytest.raises(AttributeError, match=r"g: nothing was kept in this tensor of shape \(2,\)"):
        _ = (y * 2).g
    assert y.sum().backward() is None and x.grad is not None


def test_size_knows_its_number_and_makes_zeros() -> None:
    x = Tensor([[1.0, 2.0, 3.0]])
    assert x.size() == (1, 3) and x.size().numel() == 3 and x.size(1) == 3
    assert Tensor(x.size()).tolist() == [[0.0, 0.0, 0.0]]
    assert Tensor((1, 3)).tolist() == [1.0, 3.0]


def test_older_words_of_tensors() -> None:
    x = Tensor([1.0, 2.0, 3.0, 4.0])
    assert x.new(2).tolist() == [0.0, 0.0] and x.new([5]).dtype == np.float32
    assert x.new(x.size()).shape == (4,)
    assert x.resize_(2, 3).tolist() == [[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]]
    assert x.resize_((2,)).tolist() == [1.0, 2.0]
    assert x.apply_(lambda v: v + 1).tolist() == [2.0, 3.0]
    assert x.map_(Tensor([10.0, 20.0]), lambda a, b: a * b).tolist() == [20.0, 60.0]
    with pytest.raises(RuntimeError, match="resize_: a tensor that requires grad keeps its shape"):
        Tensor([1.0], requires_grad=True).resize_(2)
    assert Tensor(np.array([1, 2])).copy_(Tensor([1.5, -2.5])).tolist() == [1, -2]


def test_numbers_of_numpy_are_as_pythons_in_arithmetic() -> None:
    x, two = ag.ones(3), np.float64(2)
    for y in (x * two, two * x, x / two, two - x, x**two, ag.arange(3) * two, x * np.sqrt(2.0)):
        assert y.dtype == np.float32
    assert (x.double() * two).dtype == np.float64 == (x * np.array(2.0)).dtype
    for y in (x // two, two // x, x.clip(two), x.clip(two, two), ag.where(x > 0, 1, 2.5)):
        assert y.dtype == np.float32
    assert (x.half() * np.float32(2)).dtype == x.half().clip(np.float32(2)).dtype == np.float16
    assert (ag.arange(3) * np.float16(2)).dtype == np.float32
