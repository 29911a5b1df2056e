"""The optimizer's step inside the generated code, against `step()`: parameters and state."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nn
from autograd_lite import Tensor, compile, manual_seed, tensor
from autograd_lite.compilation.step import Descent, Options
from nn.optim import (
    ASGD,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
)  # fmt: skip

RULES: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: SGD(p, lr=0.1),
    "maximize": lambda p: SGD(p, lr=0.01, maximize=True),
    "decay": lambda p: SGD(p, lr=0.1, weight_decay=0.1),
    "momentum": lambda p: SGD(p, lr=0.1, momentum=0.9),
    "dampening": lambda p: SGD(p, lr=0.1, momentum=0.9, dampening=0.3, maximize=True),
    "nesterov": lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: Adam(p, lr=0.01),
    "adam, all": lambda p: Adam(p, 0.01, (0.8, 0.9), 1e-3, 0.1, True, maximize=True),
    "adamw": lambda p: AdamW(p, lr=0.01),
    "adamw, amsgrad": lambda p: AdamW(p, lr=0.01, weight_decay=0.3, amsgrad=True),
    "rmsprop": lambda p: RMSprop(p, lr=0.01),
    "rmsprop, all": lambda p: RMSprop(p, 0.01, 0.9, 1e-3, 0.1, 0.5, True, maximize=True),
    "adagrad": lambda p: Adagrad(p, lr=0.1),
    "adagrad, all": lambda p: Adagrad(p, 0.1, 0.2, 0.1, 0.3, 1e-3, maximize=True),
    "radam": lambda p: RAdam(p, 0.01, (0.8, 0.6), 1e-3, 0.1, maximize=True),
    "adamax": lambda p: Adamax(p, 0.01, (0.8, 0.9), 1e-3, 0.1),
    "adadelta": lambda p: Adadelta(p, 0.5, 0.8, 1e-3, 0.1, maximize=True),
    "rprop": lambda p: Rprop(p, 0.01, (0.3, 1.5), (1e-3, 0.1)),
    "nadam": lambda p: NAdam(p, 0.01, (0.8, 0.9), 1e-3, 0.1, 0.1, True, maximize=True),
    "asgd": lambda p: ASGD(p, 0.1, lambd=0.1, weight_decay=0.1),
}


class Pair:
    """A model trained by compiled steps, and a copy of it trained eagerly."""

    def __init__(self, rule: Callable[[Any], Any], dtype: str = "float64", hidden: int = 4) -> None:
        model = nn.Sequential(nn.Linear(5, hidden, dtype=dtype), nn.Tanh(), nn.Linear(hidden, 3))
        self.models = [model.double() if dtype == "float64" else model, copy.deepcopy(model)]
        self.optimizers = [rule(m.parameters()) for m in self.models]
        self.rng, self.dtype = np.random.default_rng(0), dtype
        self.losses = [lambda x, t, m=m: nn.functional.cross_entropy(m(x), t) for m in self.models]
        self.step = compile(self.losses[0], optimizer=self.optimizers[0])

    def eager(self, i: int, x: Tensor, t: Tensor) -> Tensor:
        self.optimizers[i].zero_grad()
        loss = self.losses[i](x, t)
        loss.backward()
        self.optimizers[i].step()
        self.optimizers[i].zero_grad()
        return loss

    def train(self, times: int = 1, compiled: bool = True, rtol: float = 1e-11) -> None:
        """Make steps with both, and compare everything."""
        for _ in range(times):
            x = Tensor(self.rng.standard_normal((6, 5)).astype(self.dtype))
            t = Tensor(self.rng.integers(0, 3, 6))
            loss = self.step(x, t) if compiled else self.eager(0, x, t)
            expected = self.eager(1, x, t)
            np.testing.assert_allclose(loss.array, expected.array, rtol=rtol)
            for p, q in zip(*(m.parameters() for m in self.models), strict=True):
                assert p.grad is None
                assert p.dtype == q.dtype
                np.testing.assert_allclose(p.array, q.array, rtol=rtol, atol=rtol)
            a, b = (o.state_dict() for o in self.optimizers)
            assert a["param_groups"] == b["param_groups"]
            assert a["state"].keys() == b["state"].keys()
            for i, state in a["state"].items():
                assert state.keys() == b["state"][i].keys()
                for name, array in state.items():
                    assert array.dtype == b["state"][i][name].dtype
                    np.testing.assert_allclose(array, b["state"][i][name], rtol=rtol, atol=rtol)

    def is_inside(self) -> bool:
        """Whether the newest code has the step in it."""
        variants = [v for found in self.step.variants.values() for v in found[:1]]
        return not self.step.why and all(v.inside for v in variants)

    def change(self, **options: Any) -> None:
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group.update(options)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", RULES)
def test_every_rule_and_rates_that_change(name: str, dtype: str) -> None:
    rtol = 1e-11 if dtype == "float64" else 2e-4
    pair = Pair(RULES[name], dtype)
    pair.train(2, rtol=rtol)
    function, pair.step.function = pair.step.function, lambda *args: pytest.fail("it ran")
    pair.train(2, rtol=rtol)  # the code alone
    pair.step.function = function
    for rate in (0.05, 0.0, 0.02):
        pair.change(lr=rate)
        pair.train(2, rtol=rtol)
    assert pair.is_inside()
    decoupled = name.startswith(("adamw", "nadam"))  # a rate of 0 does not shrink
    assert pair.step.traces == 1 + decoupled


@pytest.mark.parametrize("name", RULES)
def test_compiled_and_eager_steps_take_turns(name: str) -> None:
    pair = Pair(RULES[name])
    for compiled in (False, True, True, False, True, True):
        pair.train(compiled=compiled)
    for model, optimizer in zip(pair.models, pair.optimizers, strict=True):
        saved = copy.deepcopy(optimizer.state_dict())
        for p in model.parameters():
            p.array[...] *= 0.5
        optimizer.step()
        optimizer.load_state_dict(saved)
    pair.train(2)
    for optimizer in pair.optimizers:
        optimizer.state.clear()
    pair.train(3)
    assert pair.is_inside()
    assert pair.step.traces == 1


@pytest.mark.parametrize("name", ["sgd", "nesterov", "adam, all", "rmsprop, all", "adagrad"])
def test_large_parameters_are_updated_part_by_part(name: str) -> None:
    pair = Pair(RULES[name], hidden=30_000)
    pair.train(4, rtol=1e-9)
    assert pair.is_inside()
    if name == "nesterov":
        assert "in parts" in pair.step.sources[0]


def test_buffers_masks_and_state_move_together() -> None:
    layers = (
        nn.Linear(5, 4, bias=False),
        nn.BatchNorm1d(4),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.LayerNorm(4),
    )
    models = [nn.Sequential(*layers, nn.Linear(4, 3)).double()]
    models.append(copy.deepcopy(models[0]))
    loss_fn = nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizers = [AdamW(m.parameters(), lr=0.01) for m in models]
    step = compile(lambda x, t: loss_fn(models[0](x), t), optimizer=optimizers[0])
    rng = np.random.default_rng(0)
    for seed in range(7):
        x, t = Tensor(rng.standard_normal((6, 5))), Tensor(rng.integers(0, 3, 6))
        for m in models:
            m.train(seed != 4)
        manual_seed(seed)
        loss = step(x, t)
        manual_seed(seed)
        optimizers[1].zero_grad()
        expected = loss_fn(models[1](x), t)
        expected.backward()
        optimizers[1].step()
        np.testing.assert_allclose(loss.array, expected.array, rtol=1e-9)
        a, b = (m.state_dict() for m in models)
        for name in a:
            np.testing.assert_allclose(a[name], b[name], rtol=1e-9, atol=1e-12)
        a, b = (o.state_dict()["state"] for o in optimizers)
        for i in a:
            np.testing.assert_allclose(
                a[i]["exp_avg_sq"], b[i]["exp_avg_sq"], rtol=1e-9, atol=1e-20
            )
    assert not step.why
    assert step.traces == 2
    assert models[0][1].num_batches_tracked.item() == 6


def test_parts_have_no_seam() -> None:
    """Every element takes the same step, as one gradient is everywhere."""
    w = Tensor(np.zeros((300, 1000)), requires_grad=True)
    step = compile(lambda: (w * 2).sum(), optimizer=Adam([w], lr=0.5))
    for i in range(3):
        step()
        np.testing.assert_allclose(w.array, -0.5 * (i + 1), rtol=1e-6)
    assert "in parts0" in step.sources[0]


@pytest.mark.parametrize("rule", ["momentum", "adam", "adamw"])
def test_schedulers_change_rates_and_momentum(rule: str) -> None:
    pair = Pair(RULES[rule])
    schedulers = [
        nn.optim.lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=12) for o in pair.optimizers
    ]
    for _ in range(10):
        pair.train()
        for s in schedulers:
            s.step()
    assert pair.is_inside()
    assert pair.step.traces == 1


def test_options_that_change_what_is_done_are_another_trace() -> None:
    pair = Pair(RULES["sgd"])
    pair.train(2)
    for options in (
        {"momentum": 0.9}, {"weight_decay": 0.1}, {"nesterov": True}, {"maximize": True},
        {"momentum": 0.0, "nesterov": False}, {"weight_decay": 0.0, "maximize": False},
    ):  # fmt: skip
        pair.change(**options)
        pair.train(3)
        assert pair.is_inside()
    pair = Pair(RULES["adam"])
    pair.train(2)
    pair.change(amsgrad=True)
    pair.train(3)
    pair.change(amsgrad=False)
    pair.train(2)
    assert pair.is_inside()


def test_groups_have_options_and_counts_of_their_own() -> None:
    pair = Pair(lambda p: AdamW(list(p)[:2], lr=0.1))
    x, t = Tensor(np.ones((6, 5))), Tensor(np.arange(6) % 3)
    for i, (model, optimizer) in enumerate(zip(pair.models, pair.optimizers, strict=True)):
        pair.eager(i, x, t)
        optimizer.add_param_group({"params": list(model[2].parameters()), "betas": (0.5, 0.6)})
        for p in model.parameters():
            p.grad = None
    pair.train(4)
    assert pair.is_inside()
    assert pair.optimizers[0].state_dict()["state"][0]["step"] == 5
    assert pair.optimizers[0].state_dict()["state"][3]["step"] == 4
    for model, optimizer in zip(pair.models, pair.optimizers, strict=True):
        bias = optimizer.param_groups[0]["params"].pop()
        optimizer.add_param_group({"params": [bias], "lr": 0.01})
        assert bias is model[0].bias
    pair.train(3)
    assert pair.is_inside()


@pytest.mark.parametrize("rule", [SGD, Adam])
def test_parameters_may_change_groups(rule: Any) -> None:
    def split(p: Any) -> Any:
        a, b, c, d = p
        return rule([{"params": [a, b], "lr": 0.1}, {"params": [c, d], "lr": 0.01}])

    pair = Pair(split)
    pair.train(3)
    for optimizer in pair.optimizers:
        first, second = (group["params"] for group in optimizer.param_groups)
        first[0], second[0] = second[0], first[0]
    pair.train(3)
    assert pair.is_inside()


def test_tensors_with_other_counts_are_updated_by_step_itself() -> None:
    pair = Pair(RULES["adam"])
    pair.train(2)
    for optimizer in pair.optimizers:
        optimizer.state[optimizer.param_groups[0]["params"][0]]["step"] = 7
    pair.train(3)


def test_replaced_parameters_and_hooks() -> None:
    pair = Pair(RULES["adam"])
    pair.train(2)
    for model in pair.models:
        model[0].weight.array = np.ascontiguousarray(model[0].weight.array * 2)
    pair.train(2)
    handles = [m[0].weight.register_hook(lambda g: g * 3) for m in pair.models]
    pair.train(2)
    for handle in handles:
        handle.remove()
    pair.train(2)
    assert pair.is_inside()


def test_a_parameter_without_a_gradient_is_left_to_step() -> None:
    w, unused = (Tensor(np.ones(3), requires_grad=True) for _ in range(2))
    optimizer = Adam([w, unused], lr=0.1, weight_decay=0.1)
    step = compile(lambda: (w * w).sum(), optimizer=optimizer)
    for _ in range(3):
        step()
    assert unused.tolist() == [1.0, 1.0, 1.0]
    assert unused not in optimizer.state
    np.testing.assert_allclose(w.array, 0.7, atol=1e-2)


def test_options_out_of_range_change_nothing() -> None:
    pair = Pair(RULES["adam"])
    pair.train(2)
    before = [p.array.copy() for p in pair.models[0].parameters()]
    pair.optimizers[0].param_groups[0]["betas"] = (1.0, 0.9)
    with pytest.raises(ValueError, match="both are below 1"):
        pair.step(Tensor(np.ones((6, 5))), Tensor(np.arange(6) % 3))
    for p, a in zip(pair.models[0].parameters(), before, strict=True):
        np.testing.assert_array_equal(p.array, a)


def test_a_rule_of_the_users_runs_as_it_is() -> None:
    class Signs(SGD):
        def _update(self, p: Any, g: Any, t: Any, state: Any, k: Any, n: int) -> None:
            p -= k[0] * np.sign(g)

    w = Tensor(np.ones(3), requires_grad=True)
    optimizer = Signs([w], lr=0.25)
    with pytest.raises(TypeError):
        Descent(optimizer, [w])
    step = compile(lambda: (w * w).sum(), optimizer=optimizer)
    for _ in range(3):
        step()
    assert w.tolist() == [0.25, 0.25, 0.25]


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(sorted(RULES)),
    st.lists(
        st.sampled_from(["compiled", "eager", "rate", "decay", "clear", "save", "load"]),
        min_size=4,
        max_size=14,
    ),
)
def test_random_training(name: str, events: list[str]) -> None:
    pair = Pair(RULES[name])
    saved = [copy.deepcopy(o.state_dict()) for o in pair.optimizers]
    for i, event in enumerate(events):
        if event in ("compiled", "eager"):
            pair.train(compiled=event == "compiled", rtol=1e-9)
        elif event == "rate":
            pair.change(lr=0.01 * (i % 5))
        elif event == "decay":
            pair.change(weight_decay=0.1 * (i % 2))
        elif event == "clear":
            for o in pair.optimizers:
                o.state.clear()
        elif event == "save":
            saved = [copy.deepcopy(o.state_dict()) for o in pair.optimizers]
        else:
            for o, then in zip(pair.optimizers, saved, strict=True):
                o.load_state_dict(then)
    pair.train(2, rtol=1e-9)


def test_an_option_that_no_rule_reads_may_go_again() -> None:
    pair = Pair(RULES["rprop"])
    saved = [copy.deepcopy(o.state_dict()) for o in pair.optimizers]
    pair.train(rtol=1e-9)
    pair.change(weight_decay=0.1)
    pair.train(rtol=1e-9)
    for o, then in zip(pair.optimizers, saved, strict=True):
        o.load_state_dict(then)
    pair.train(2, rtol=1e-9)


def test_a_rule_that_changes_with_its_steps_is_traced_again() -> None:
    pair = Pair(lambda p: RAdam(p, lr=0.01))
    pair.train(5)
    assert pair.step.traces == 1
    pair.train(4)  # from the sixth on it trusts the squares
    assert pair.is_inside() and pair.step.traces == 2


def test_numbers_in_the_state_that_differ_are_for_the_optimizer_itself() -> None:
    pair = Pair(lambda p: ASGD(p, lr=0.1, lambd=0.1, t0=6))
    pair.train(9)
    assert pair.is_inside() and pair.step.traces == 2  # the mean begins
    for o in pair.optimizers:
        next(iter(o.state.values()))["eta"][...] = 0.05
    pair.train(2)
    assert pair.step.traces == 2


def test_options_are_read_again_where_one_is_another():
    reads = []

    def read(group):
        reads.append(group["lr"])
        return group["lr"]

    group = {"params": [], "lr": 0.5, "betas": (0.9, 0.99), "maximize": False}
    options = Options(group, read)
    assert [options.now() for _ in range(3)] == [0.5] * 3
    group["lr"] = 0.25
    assert options.now() == options.now() == 0.25
    assert reads == [0.5, 0.25]
    group["lr"] = np.array(0.125)  # which may change where it is
    options.now()
    group["lr"][...] = 2.0
    assert options.now() == 2.0


def test_loaded_options_and_states_count_without_another_trace():
    w = tensor([1.0, 2.0], requires_grad=True)
    optimizer = nn.optim.Adam([w], lr=0.1)
    step = compile(lambda x: ((w - x) ** 2).sum(), optimizer=optimizer)
    x = tensor([0.5, 0.0])
    for _ in range(3):
        step(x)
    saved, then = optimizer.state_dict(), w.detach().numpy().copy()
    for _ in range(2):
        step(x)
    after = w.detach().numpy().copy()
    w.data = then.copy()
    optimizer.load_state_dict(saved)
    for _ in range(2):
        step(x)
    assert np.array_equal(w.detach().numpy(), after)
    assert optimizer.state[w]["step"] == 5
    traces = step.traces
    step(x)
    assert step.traces == traces
