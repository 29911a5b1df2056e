"""no_grad, enable_grad and set_grad_enabled: nestable, safe, decorators; default dtypes."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import Tensor


@pytest.fixture
def x() -> Tensor:
    return Tensor(np.array([1.0, 2.0]), requires_grad=True)


def recorded(x: Tensor) -> bool:
    assert (x * 2).requires_grad == ag.is_grad_enabled()
    return ag.is_grad_enabled()


def test_modes_nest(x: Tensor) -> None:
    with ag.no_grad():
        assert not recorded(x)
        with ag.enable_grad():
            assert recorded(x)
            with ag.set_grad_enabled(False):
                assert not recorded(x)
            assert recorded(x)
        assert not recorded(x)
        with ag.no_grad():
            pass
        assert not recorded(x)
    assert recorded(x)


def test_modes_end_with_an_exception(x: Tensor) -> None:
    for mode in (ag.no_grad, lambda: ag.set_grad_enabled(False)):
        with pytest.raises(KeyError), mode():
            assert not recorded(x)
            raise KeyError
        assert recorded(x)


def test_one_instance_can_be_entered_again(x: Tensor) -> None:
    mode = ag.no_grad()
    with mode:
        with ag.enable_grad(), mode:
            assert not recorded(x)
        assert not recorded(x)
    assert recorded(x)
    with mode:
        assert not recorded(x)
    assert recorded(x)


def test_modes_as_decorators(x: Tensor) -> None:
    @ag.no_grad()
    def frozen(t: Tensor, *, scale: float = 2) -> Tensor:
        """A docstring."""
        return t * scale

    @ag.enable_grad()
    def live(t: Tensor) -> Tensor:
        return t * 2

    @ag.set_grad_enabled(False)
    def off(t: Tensor) -> Tensor:
        return t * 2

    assert recorded(x)  # decorating changes nothing by itself
    assert not frozen(x, scale=3).requires_grad and frozen(x, scale=3).tolist() == [3, 6]
    assert frozen.__name__ == "frozen" and frozen.__doc__ == "A docstring."
    with ag.no_grad():
        assert live(x).requires_grad
        assert not recorded(x)
    assert not off(x).requires_grad
    assert recorded(x)


def test_a_decorated_function_may_call_itself_and_fail(x: Tensor) -> None:
    @ag.no_grad()
    def down(n: int) -> None:
        assert not ag.is_grad_enabled()
        if n == 0:
            raise KeyError
        down(n - 1)

    with pytest.raises(KeyError):
        down(3)
    assert recorded(x)


def test_a_decorated_generator_has_the_mode_between_its_values_alone(x: Tensor) -> None:
    seen: list[Any] = []

    @ag.no_grad()
    def steps() -> Any:
        try:
            got = yield ag.is_grad_enabled()
            seen.append((got, ag.is_grad_enabled()))
            yield from [1, 2]
        except KeyError:
            yield "thrown in"
        finally:
            seen.append(ag.is_grad_enabled())
        return "end"

    def outer() -> Any:
        seen.append((yield from steps()))

    values = outer()
    assert next(values) is False and recorded(x)
    assert values.send("sent") == 1 and seen == [("sent", False)] and recorded(x)
    assert list(values) == [2] and seen[1:] == [False, "end"] and recorded(x)
    values = steps()
    next(values)
    assert values.throw(KeyError()) == "thrown in" and recorded(x)
    values.close()
    assert seen[-1] is False and recorded(x)


def test_modes_decorate_without_brackets_and_inference_mode_may_be_off(x: Tensor) -> None:
    @ag.no_grad
    def off() -> Any:
        return x * 2

    @ag.inference_mode()
    def also_off() -> Any:
        return x * 2

    @ag.inference_mode(False)
    def on() -> Any:
        return x * 2

    assert not off().requires_grad and not also_off().requires_grad and on().requires_grad
    with ag.no_grad(), ag.inference_mode(False):
        assert not recorded(x)
    with ag.inference_mode():
        assert not recorded(x)


def test_set_grad_enabled_acts_at_once(x: Tensor) -> None:
    try:
        ag.set_grad_enabled(False)
        assert not recorded(x)
        with ag.set_grad_enabled(True):
            assert recorded(x)
        assert not recorded(x)
    finally:
        ag.set_grad_enabled(True)
    assert recorded(x)


def test_what_was_recorded_before_stays(x: Tensor) -> None:
    y = x * 2
    with ag.no_grad():
        z = y * 3
        assert y.requires_grad and not z.requires_grad and z.is_leaf
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [2.0, 2.0]


def test_leaves_made_in_no_grad_still_can_require_grad() -> None:
    with ag.no_grad():
        w = Tensor(np.ones(2), requires_grad=True)
    assert w.requires_grad
    (w * 2).sum().backward()
    assert w.grad is not None


def test_in_place_in_no_grad_keeps_a_leaf_a_leaf(x: Tensor) -> None:
    with ag.no_grad():
        x += 1
        x[0] = 7.0
        x.mul_(2)
    assert x.tolist() == [14.0, 6.0] and x.is_leaf and x.requires_grad


def test_backward_hooks_are_not_recorded(x: Tensor) -> None:
    seen = []
    x.register_hook(lambda g: seen.append((g * 2).requires_grad))
    (x * x).sum().backward()
    (x * x).sum().backward(create_graph=True)
    assert seen == [False, True]
    assert recorded(x)


@pytest.mark.parametrize("create_graph", [False, True])
def test_backward_inside_no_grad_leaves_it_off(x: Tensor, create_graph: bool) -> None:
    y = (x * x).sum()
    with ag.no_grad():
        y.backward(create_graph=create_graph)
        assert not recorded(x)
    assert x.grad is not None and x.grad.requires_grad == create_graph


def test_backward_that_fails_leaves_the_mode(x: Tensor) -> None:
    def fail(g: Tensor) -> None:
        raise KeyError("hook")

    x.register_hook(fail)
    with pytest.raises(KeyError):
        (x * 2).sum().backward(create_graph=True)
    with ag.no_grad(), pytest.raises(KeyError):
        y = None
        with ag.enable_grad():
            y = (x * 2).sum()
        y.backward()
    assert recorded(x)


def test_coroutines_of_one_thread_leave_the_mode(x: Tensor) -> None:
    async def work() -> bool:
        with ag.no_grad():
            return ag.is_grad_enabled()

    assert asyncio.run(work()) is False
    assert recorded(x)


@pytest.mark.parametrize("dtype", ["int32", "bool", "complex64", "U3"])
def test_default_dtype_is_a_float(dtype: str) -> None:
    with pytest.raises(TypeError, match=rf"set_default_dtype: {np.dtype(dtype)} is not a floating"):
        ag.set_default_dtype(dtype)
    assert ag.get_default_dtype() == np.float32
