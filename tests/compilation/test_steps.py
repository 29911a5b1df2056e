"""`optimizer.step()` as one call of C: the same bits as NumPy's, and the same errors."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import nn
import nn.optim.optimizer as optimizers
from autograd_lite import Tensor, tensor
from autograd_lite.compilation.native import NoCompiler, compiler
from autograd_lite.compilation.native.descent import PATIENCE
from tests.compilation.test_descent import RULES

try:
    compiler()
except NoCompiler as error:
    pytest.skip(f"no C compiler: {error}", allow_module_level=True)

EVERY = {**RULES, "asgd": lambda p: nn.optim.ASGD(p, 0.1, lambd=0.1, t0=6)}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRAD_LITE_BACKEND", "auto")
    monkeypatch.setattr(optimizers, "PATIENCE", 2)


def made(dtype: str = "float32") -> list[Tensor]:
    """Rows, columns, one number, and what NumPy updates in parts."""
    rng = np.random.default_rng(0)
    arrays: list[Any] = [rng.standard_normal(s).astype(dtype) for s in ((3, 5), (5, 3), (), (7,))]
    arrays[1] = arrays[1].T
    arrays.append(rng.standard_normal(optimizers.BLOCK * 2 + 9).astype(dtype))
    return [Tensor(a, requires_grad=True) for a in arrays]


def give(params: list[Tensor], seed: int) -> None:
    rng = np.random.default_rng(seed)
    for p in params:
        p.grad = Tensor(np.empty_like(p.array))
        p.grad.array[...] = rng.standard_normal(p.shape) * (rng.random(p.shape) < 0.9)


def check(a: Any, b: Any) -> None:
    """Parameters and state are the same bit for bit."""
    a, b = (
        [p.array for group in o.param_groups for p in group["params"]]
        + [np.asarray(x) for s in o.state_dict()["state"].values() for x in s.values()]
        for o in (a, b)
    )
    for x, y in zip(a, b, strict=True):
        assert x.dtype == y.dtype and np.array_equal(x, y, equal_nan=True)


def in_c(o: Any) -> bool:
    """Whether the last step was, of all groups."""
    return bool(o._printed.functions) and all(o._printed.functions)


def pair(rule: Any, dtype: str = "float32") -> tuple[Any, Any]:
    """An optimizer whose steps are in C from now on, and one that stays with NumPy."""
    found = [rule(made(dtype)), rule(made(dtype))]
    found[1]._turns = PATIENCE
    for i in range(3):
        both(found, i)
    assert in_c(found[0]) and found[1]._printed is None
    return found[0], found[1]


def both(found: Any, seed: int) -> None:
    for o in found:
        give([p for group in o.param_groups for p in group["params"]], seed)
        o.step()


FEW = "sgd", "nesterov", "adam", "nadam", "asgd"  # a compilation each, so that more are slow


@pytest.mark.parametrize(
    "name", [*FEW, *(pytest.param(n, marks=pytest.mark.slow) for n in EVERY if n not in FEW)]
)
@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_every_rule_has_the_bits_of_numpy(name: str, dtype: str) -> None:
    o, other = pair(EVERY[name], dtype)
    for i in range(12):
        if i == 3:
            for group in (*o.param_groups, *other.param_groups):
                group["lr"] *= 0.5
        both((o, other), i)
    check(o, other)
    # another answer to a question of the rule is another function: that of ASGD, for one
    assert o._printed.left >= PATIENCE - 1 and in_c(o)


def test_extremes_have_the_bits_of_numpy() -> None:
    o, other = pair(EVERY["adam"])
    for a in (o, other):
        give(a.param_groups[0]["params"], 5)
        a.param_groups[0]["params"][0].grad.array[0] = [np.nan, np.inf, -np.inf, -0.0, 1e-40]
        a.step()
    check(o, other)


def test_groups_have_functions_of_their_own() -> None:
    def rule(p: list[Tensor]) -> Any:
        groups = [{"params": p[:2]}, {"params": p[2:], "weight_decay": 0.1, "momentum": 0.5}]
        return nn.optim.SGD(groups, lr=0.1)

    o, other = pair(rule)
    assert o._printed.functions[0] is not o._printed.functions[1]
    for a in (o, other):
        a.param_groups[0]["momentum"] = 0.9
    for i in range(3):
        both((o, other), i)
    for a in (o, other):
        a.add_param_group({"params": [Tensor(np.ones(3, "f"), requires_grad=True)]})
    both((o, other), 9)
    check(o, other)
    assert in_c(o)


def test_what_is_not_for_the_code_is_done_in_numpy() -> None:
    found = pair(EVERY["momentum"])
    for i in range(2 * PATIENCE):
        for a in found:
            params = a.param_groups[0]["params"]
            give(params, i)
            if i % 4 == 0:  # of another order
                params[0].grad = Tensor(np.asfortranarray(params[0].grad.array))
            elif i % 4 == 1:  # in one another's memory
                params[0].grad = Tensor(params[0].array)
            elif i % 4 == 2:  # without a gradient
                params[2].grad = None
            else:  # which are views
                params[3].grad = Tensor(np.repeat(params[3].grad.array, 2)[::2])
            a.step()
        check(*found)
    assert found[0]._printed is None  # given up


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_dtypes_in_a_group_are_left_to_numpy(dtype: str) -> None:
    found = pair(EVERY["sgd"])
    for o in found:
        o.param_groups[0]["params"][3].array = np.ones(7, dtype)
    for i in range(2):
        both(found, i)
    check(*found)


def test_errors_are_those_of_numpy_and_change_nothing() -> None:
    o, other = pair(EVERY["adam"])
    messages = []
    for a in (o, other):
        params = a.param_groups[0]["params"]
        give(params, 1)
        params[-1].grad = Tensor(np.ones(3, "f"))
        with pytest.raises(ValueError, match="does not fit its parameter") as error:
            a.step()
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    check(o, other)


def test_a_step_in_c_is_a_change_in_place() -> None:
    o, _ = pair(EVERY["sgd"])
    w = o.param_groups[0]["params"][0]
    loss = (w * w).sum()
    o.step()
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_copies_and_pickles_step_on() -> None:
    o, other = pair(EVERY["adamw"])
    for a in (copy.deepcopy(o), pickle.loads(pickle.dumps(o))):
        check(a, other)
        give(a.param_groups[0]["params"], 1)
        a.step()
        assert in_c(a)  # though dtypes from pickles are objects of their own
    both((other,), 1)
    check(a, other)


def test_rows_that_were_read_alone_are_updated() -> None:
    ends = []
    for patience in (2, 1000):
        optimizers.PATIENCE = patience  # the fixture puts it back
        words = nn.Embedding(50, 2, sparse=True)
        words.weight.array[...] = np.arange(100).reshape(50, 2)
        o = nn.optim.Adagrad(words.parameters(), lr=0.5)
        for i in (3, 3, 7, 9, 9):
            o.zero_grad()
            (words(tensor([i, 4])) ** 2).sum().backward()
            o.step()
        ends.append(words.weight.array.copy())
        assert (o._printed is None) == (patience == 1000)
    assert np.array_equal(*ends) and not np.array_equal(ends[0][4], [8, 9])


def test_numpy_stays_where_there_is_no_form() -> None:
    o = nn.optim.SGD([Tensor(np.ones(3, "f2"), requires_grad=True)], lr=0.5)
    for _ in range(4):
        o.param_groups[0]["params"][0].grad = Tensor(np.ones(3, "f2"))
        o.step()
    assert o._printed is None and o.param_groups[0]["params"][0].tolist() == [-1.0] * 3


def test_numpy_stays_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRAD_LITE_BACKEND", "numpy")
    o = nn.optim.SGD(made(), lr=0.1)
    for i in range(4):
        both((o,), i)
    assert o._printed is None
