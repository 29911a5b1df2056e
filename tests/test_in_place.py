"""Changes in place: they are recorded, or an error; never a wrong gradient. (Trap 16.)"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import Tensor, tape, tensor
from autograd_lite.engine import rules as F
from tests.helpers import grad, leaf


def iadd(t: Tensor) -> None:
    t += 1.0


def isub(t: Tensor) -> None:
    t -= 1.0


def imul(t: Tensor) -> None:
    t *= 2.0


def idiv(t: Tensor) -> None:
    t /= 2.0


def setitem(t: Tensor) -> None:
    t[0] = 9.0


def setmask(t: Tensor) -> None:
    t[t.detach() > 0] = 9.0


ROUTES: dict[str, Callable[[Tensor], Any]] = {
    "+=": iadd,
    "-=": isub,
    "*=": imul,
    "/=": idiv,
    "t[i] = v": setitem,
    "t[mask] = v": setmask,
    "copy_": lambda t: t.copy_(np.full(2, 9.0)),
    "fill_": lambda t: t.fill_(9.0),
    "zero_": lambda t: t.zero_(),
    "add_": lambda t: t.add_(1.0),
    "add_ alpha": lambda t: t.add_(1.0, alpha=3),
    "sub_": lambda t: t.sub_(1.0),
    "mul_": lambda t: t.mul_(2.0),
    "div_": lambda t: t.div_(2.0),
}
VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "itself": lambda t: t,
    "detach": lambda t: t.detach(),
    "basic index": lambda t: t[:],
    "detach of a view": lambda t: t[:].detach(),
    "view of a detach": lambda t: t.detach()[:],
    "reshape": lambda t: t.reshape(1, 2)[0],
    "permute twice": lambda t: t.reshape(1, 2).T.T[0],
    "mT": lambda t: t.reshape(2, 1).mT[0],
    "unsqueeze": lambda t: t.unsqueeze(0).squeeze(0),
    "einsum": lambda t: F.einsum("i->i", t),
}


@pytest.mark.parametrize("route", ROUTES)
def test_mutation_of_a_needed_value_is_detected(route: str) -> None:
    x = leaf([1.0, 2.0])
    y = x * 1
    z = y * y
    ROUTES[route](y)
    with pytest.raises(RuntimeError, match=r"^mul: .*changed in place"):
        z.sum().backward()
    assert x.grad is None


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("route", ROUTES)
def test_mutation_under_no_grad_and_through_views_is_detected(route: str, view: str) -> None:
    x = leaf([1.0, 2.0])
    y = x * 1
    z = y * y
    with ag.no_grad():
        shared = VIEWS[view](y)
        if view == "einsum" and not np.shares_memory(shared.array, y.array):
            return
        before = y.array.copy()
        ROUTES[route](shared)
    assert (y.array != before).any()
    with pytest.raises(RuntimeError, match="changed in place"):
        z.sum().backward()


@pytest.mark.parametrize("route", ROUTES)
def test_mutation_of_a_leaf_is_detected(route: str) -> None:
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    z = x * w
    with ag.no_grad():
        ROUTES[route](x)
    with pytest.raises(RuntimeError, match=r"^mul: input 0, of shape \(2,\), was changed in place"):
        z.sum().backward()


@pytest.mark.parametrize("route", ROUTES)
def test_mutation_of_a_plain_input_is_detected(route: str) -> None:
    """The data of a batch, which needs no gradient itself, is needed for the weight's."""
    w, data = leaf([3.0, 4.0]), Tensor(np.array([1.0, 2.0]))
    z = w * data
    ROUTES[route](data)
    with pytest.raises(RuntimeError, match="changed in place"):
        z.sum().backward()


@pytest.mark.parametrize("route", ROUTES)
def test_mutation_of_an_output_is_detected(route: str) -> None:
    x = leaf([1.0, 2.0])
    y = x.exp()  # the rule needs the output
    with ag.no_grad():
        ROUTES[route](y)
    with pytest.raises(RuntimeError, match=r"^exp: its output.* was changed in place"):
        y.sum().backward()


@pytest.mark.parametrize("route", ROUTES)
def test_mutation_of_a_value_that_is_not_needed_is_allowed(route: str) -> None:
    x = leaf([1.0, 2.0])
    y = x * 1
    z = y + 3  # the rule of add reads nothing
    with ag.no_grad():
        ROUTES[route](y)
    z.sum().backward()
    assert grad(x) == [1.0, 1.0]


@pytest.mark.parametrize("route", ROUTES)
def test_mutation_of_a_view_changes_its_base(route: str) -> None:
    base = Tensor(np.array([1.0, 2.0]))
    view = base[:]
    w = leaf([3.0, 4.0])
    z = w * base
    ROUTES[route](view)
    assert (base.array == view.array).all()
    with pytest.raises(RuntimeError, match="changed in place"):
        z.sum().backward()


def test_data_changed_by_an_optimiser_is_detected() -> None:
    from autograd_lite.engine.tensor import changed

    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    z = x * w
    w.array -= 1
    changed(w)
    with pytest.raises(RuntimeError, match="changed in place"):
        z.sum().backward()


def test_a_gradient_that_was_used_and_then_grew_is_detected() -> None:
    x, w = leaf([1.0, 2.0]), leaf([1.0, 1.0])
    (x * 2).sum().backward()
    assert x.grad is not None
    z = (w * x.grad).sum()
    (x * 5).sum().backward()  # adds to x.grad in place
    assert grad(x) == [7.0, 7.0]
    with pytest.raises(RuntimeError, match="changed in place"):
        z.backward()


def test_a_step_between_forward_and_forward_is_fine() -> None:
    w = leaf([3.0, 4.0])
    for _ in range(3):
        w.grad = None
        (w * w).sum().backward()
        with ag.no_grad():
            w -= 0.1 * w.grad  # type: ignore[operator]
    np.testing.assert_allclose(w.array, np.array([3.0, 4.0]) * 0.8**3)
    assert w.is_leaf and w.requires_grad


@pytest.mark.parametrize("route", ROUTES)
def test_in_place_on_a_leaf_that_requires_grad_is_an_error(route: str) -> None:
    x = leaf([1.0, 2.0])
    with pytest.raises(RuntimeError, match="a leaf that requires grad cannot be changed in place"):
        ROUTES[route](x)
    assert x.tolist() == [1.0, 2.0] and x.is_leaf


IN_PLACE: dict[str, Callable[[Any, Any, Any], Any]] = {}


def in_place(function: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    IN_PLACE[function.__name__] = function
    return function


@in_place
def assign_a_tensor(lib: Any, x: Any, w: Any) -> Any:
    y = x * 2
    y[0] = w[1]
    return y * y


@in_place
def assign_a_number(lib: Any, x: Any, w: Any) -> Any:
    y = x * w
    y[1] = 7.0
    return y * x


@in_place
def assign_to_a_constant(lib: Any, x: Any, w: Any) -> Any:
    y = lib.zeros(2, 2)
    y[0] = x
    y[:, 1] = w[0]
    return y * y


@in_place
def assign_a_mask(lib: Any, x: Any, w: Any) -> Any:
    y = x * 3
    y[x.detach() > 1.5] = w[0]
    return y * w


@in_place
def multiply_in_place(lib: Any, x: Any, w: Any) -> Any:
    y = x * 2
    y *= w
    return y + x


@in_place
def divide_in_place(lib: Any, x: Any, w: Any) -> Any:
    y = x * 2
    y /= w
    return y * 3


@in_place
def alias_before_the_change(lib: Any, x: Any, w: Any) -> Any:
    y = x * 2
    z = y * 3  # the factor 3 alone is needed
    y += 1
    return y + z


@in_place
def change_after_change(lib: Any, x: Any, w: Any) -> Any:
    y = x + w
    y += x
    y *= w
    y -= 5
    y[1] = y[0].clone() * w[1]
    return y * x


@in_place
def add_itself(lib: Any, x: Any, w: Any) -> Any:
    y = x * w
    y += y
    return y


@in_place
def loop(lib: Any, x: Any, w: Any) -> Any:
    total = x * 0
    for i in range(4):
        total += x * w * i
    return total * total


@in_place
def methods(lib: Any, x: Any, w: Any) -> Any:
    y = x * 2
    y.add_(w, alpha=3).mul_(x).sub_(w).div_(x)
    return y * w


@in_place
def copy_a_tensor(lib: Any, x: Any, w: Any) -> Any:
    y = x * 2
    y.copy_(w)
    return y * x


@in_place
def fill_and_zero(lib: Any, x: Any, w: Any) -> Any:
    y, z = x * 2, x * 3
    y.fill_(4.0)
    z.zero_()
    return y * x + z * w + z


@in_place
def broadcast_into(lib: Any, x: Any, w: Any) -> Any:
    y = lib.stack([x, w])
    y += w
    y *= x[0]
    return y * y


@in_place
def view_after_the_change(lib: Any, x: Any, w: Any) -> Any:
    y = x * 2
    y += w
    v = y[:1]
    return v * v + y


@in_place
def change_in_no_grad_then_use(lib: Any, x: Any, w: Any) -> Any:
    y = x * 2
    with lib.no_grad():
        y += 5
    return y * w


@in_place
def part_of_a_constant(lib: Any, x: Any, w: Any) -> Any:
    y = lib.zeros(2)
    y[0] += w[1]
    y[1] += x[0] * 2
    return y * w


@in_place
def multiply_itself(lib: Any, x: Any, w: Any) -> Any:
    y = x * 3
    y *= y.clone()
    y -= y
    return y * w


@in_place
def two_names(lib: Any, x: Any, w: Any) -> Any:
    y = x * w
    same = y
    y += x
    return same * w + y


@in_place
def graph_of_the_old_value(lib: Any, x: Any, w: Any) -> Any:
    y = x * 2
    z = y + w  # reads no value of y
    y *= 5
    y += z
    return y * z


@in_place
def number_on_the_left(lib: Any, x: Any, w: Any) -> Any:
    y = 2 * x
    y += 1
    y = 4 - y
    y -= w
    y /= 2
    return 3 - y


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_gradients_equal_pytorch(name: str, torch: Any) -> None:
    def run(lib: Any, make: Callable[[Any], Any]) -> list[Any]:
        x, w = make([1.0, 2.0]), make([3.0, -4.0])
        y = IN_PLACE[name](lib, x, w)
        y.sum().backward()
        return [y.tolist(), *(None if t.grad is None else t.grad.tolist() for t in (x, w))]

    ours = run(ag, lambda v: tensor(v, requires_grad=True))
    theirs = run(torch, lambda v: torch.tensor(v, requires_grad=True))
    assert str(ours) == str(theirs) or all(
        (a is None) == (b is None) and (a is None or np.allclose(a, b, rtol=1e-6))
        for a, b in zip(ours, theirs, strict=True)
    )


def test_hooks_and_names_survive_a_change_in_place() -> None:
    x = leaf([1.0, 2.0])
    y = x * 2
    y.name = "y"
    y += 1
    assert y.name == "y"
    y.retain_grad()
    (y * 3).sum().backward()
    assert y.grad is not None and y.grad.tolist() == [3.0, 3.0] and grad(x) == [6.0, 6.0]


def test_hooks_registered_before_a_change_see_the_old_value(torch: Any) -> None:
    def run(x: Any) -> list[float]:
        seen: list[float] = []
        y = x * 2
        y.register_hook(lambda g: seen.append(g.item()))
        y *= 3
        y.register_hook(lambda g: seen.append(g.item()))
        (y * 5).backward()
        return [*seen, x.grad.item()]

    assert run(leaf(1.0)) == run(torch.tensor(1.0, requires_grad=True)) == [5.0, 15.0, 30.0]


def test_the_tape_of_a_result_ends_before_later_changes_in_place() -> None:
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = x * 2
    z = y + 3
    y += w
    assert [t.op and t.op.name for t in tape(z)] == [None, "mul", "add"]
    assert w not in set(tape(z)) and w in set(tape(y))
    assert [t.op and t.op.name for t in tape(y)] == [None, None, "mul", "add"]


@pytest.mark.parametrize("leaf_changes", [False, True])
def test_deepcopy_does_not_forget_that_a_value_was_overwritten(leaf_changes: bool) -> None:
    x = leaf([1.0, 2.0])
    y = x * 1
    z = (x * x if leaf_changes else y * y).sum()
    with ag.no_grad():
        iadd(x if leaf_changes else y)
    with pytest.raises(RuntimeError, match="changed in place"):
        copy.deepcopy(z).backward()


def test_a_failed_change_in_place_keeps_hooks() -> None:
    x = leaf([1.0, 2.0])
    y = x * 2
    seen: list[Any] = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.retain_grad()
    with pytest.raises(ValueError):
        y += np.ones(5)
    y.sum().backward()
    assert seen == [[1.0, 1.0]] and grad(y) == [1.0, 1.0]


def test_an_integer_index_gives_a_copy_that_may_be_changed() -> None:
    x = leaf([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    for index in ((slice(None), [0, 2]), ([0, 1], slice(None)), x.detach() > 1, ([1], ..., None)):
        x.grad = None
        z = (x * x).sum()
        y = x[index]
        y += 1
        assert x[0, 0].item() == 1.0
        (y.sum() + z).backward()
        expected = 2 * x.array
        np.add.at(expected, index.array if isinstance(index, Tensor) else index, 1)
        assert grad(x) == expected.tolist()


def test_a_detached_tensor_follows_a_recorded_change() -> None:
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = x * 2
    d = y.detach()
    y += 1
    (w * d).sum().backward()
    assert grad(w) == [3.0, 5.0] and x.grad is None


def test_long_chain_of_changes_is_freed_and_copied() -> None:
    x = leaf([1.0, 2.0])
    y = x * 1
    for _ in range(25_000):
        y += 1.0
    copied = copy.deepcopy(y)
    y.sum().backward()
    middle = weakref.ref(tape(copied)[12_500])
    del copied
    assert middle() is None and grad(x) == [1.0, 1.0]


def test_deepcopy_of_a_record_with_changes_in_place() -> None:
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = x * 3
    z = y + 1
    y += w
    y[0] = w[1]
    total = (y * z).sum()
    twin = copy.deepcopy(total)
    leaves = [t for t in tape(twin) if t.is_leaf and t.requires_grad]
    total.backward()
    twin.backward()
    assert [grad(t) for t in leaves] == [grad(x), grad(w)]


def test_released_record_before_a_change_in_place_is_an_error() -> None:
    x = leaf([1.0, 2.0])
    y = x * 2
    z = y + 3
    y += 1
    y.sum().backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        z.sum().backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        tape(z)


def test_a_failed_change_in_place_changes_nothing() -> None:
    x = leaf([1.0, 2.0])
    y = x * 2
    z = y * y
    for action in (lambda: y.__iadd__(np.ones(3)), lambda: y.__iadd__(np.ones((2, 2)))):
        with pytest.raises(ValueError):
            action()
    with pytest.raises(IndexError):
        y[5] = 1.0
    assert y.tolist() == [2.0, 4.0]
    z.sum().backward()
    assert grad(x) == [8.0, 16.0]


def test_second_derivatives_use_the_values_of_the_forward_pass() -> None:
    x = tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    x.array = np.array([5.0, 6.0], np.float32)
    with pytest.raises(RuntimeError, match="were replaced after it was recorded"):
        y.backward(create_graph=True)


def test_create_graph_through_a_product_in_place() -> None:
    x, w = tensor([1.0, 2.0], requires_grad=True), tensor([3.0, 4.0], requires_grad=True)
    y = x * x
    y *= w
    (dw,) = ag.grad(y.sum(), w, create_graph=True)
    assert dw.tolist() == [1.0, 4.0]
    (second,) = ag.grad(dw.sum(), x)
    assert second.tolist() == [2.0, 4.0]
