"""Every schedule gives PyTorch's rates, epoch by epoch, alone, combined, saved and gone on with."""

import copy
import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autograd_lite import Tensor
from nn.optim import SGD, Adagrad, Adam, Optimizer, lr_scheduler
from nn.optim.lr_scheduler import (
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

CASES: list[tuple[str, dict[str, Any]]] = [
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 1, "gamma": 0.9}),
    ("MultiStepLR", {"milestones": [2, 5, 5, 11], "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [0, 3], "gamma": 0.5}),
    ("ConstantLR", {"factor": 0.25, "total_iters": 4}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("CosineAnnealingLR", {"T_max": 7}),
    ("CosineAnnealingLR", {"T_max": 5, "eta_min": 0.01}),
    ("CosineAnnealingLR", {"T_max": 1}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.9, "end_factor": 0.1, "total_iters": 8}),
    ("LinearLR", {"start_factor": 0.5, "end_factor": 0.0, "total_iters": 4}),
    ("LambdaLR", {"lr_lambda": lambda epoch: 0.9**epoch}),
    ("LambdaLR", {"lr_lambda": [lambda epoch: 0.9**epoch, lambda epoch: 1 / (1 + epoch)]}),
]
IDS = [f"{name}-{'-'.join(kw)}" for name, kw in CASES]
CYCLES: list[dict[str, Any]] = [
    {"max_lr": 0.5, "total_steps": 24},
    {"max_lr": [0.5, 0.1], "epochs": 4, "steps_per_epoch": 6, "anneal_strategy": "linear"},
    {"max_lr": 0.5, "total_steps": 24, "three_phase": True, "pct_start": 0.4},
    {"max_lr": 0.5, "total_steps": 24, "cycle_momentum": False, "div_factor": 10.0},
    {"max_lr": 0.5, "total_steps": 24, "pct_start": 0.0, "final_div_factor": 10.0},
    {"max_lr": 0.5, "total_steps": 24, "base_momentum": [0.7, 0.8], "max_momentum": 0.99},
]
EPOCHS = 24


def both(kind: str = "SGD", **kw: Any) -> tuple[Optimizer, Any]:
    """Our optimiser and PyTorch's, with two groups each."""
    torch = pytest.importorskip("torch")
    ours = [Tensor(np.ones(2), requires_grad=True) for _ in range(2)]
    theirs = [torch.ones(2, requires_grad=True) for _ in range(2)]
    kw = {"momentum": 0.9, **kw} if kind == "SGD" else kw
    mine = {"SGD": SGD, "Adam": Adam}[kind]
    groups: Any = [{"params": ours[0]}, {"params": ours[1], "lr": 0.3}]
    judge_groups = [{"params": theirs[0]}, {"params": theirs[1], "lr": 0.3}]
    judge = getattr(torch.optim, kind)(judge_groups, lr=0.1, **kw)
    return mine(groups, lr=0.1, **kw), judge


def theirs_of(name: str) -> Any:
    return getattr(pytest.importorskip("torch").optim.lr_scheduler, name)


def one(lr: float = 1.0) -> Optimizer:
    optimizer = SGD([Tensor(np.ones(1), requires_grad=True)], lr=lr)
    optimizer.step()
    return optimizer


def agree(mine: Any, judge: Any) -> None:
    np.testing.assert_allclose(mine.get_last_lr(), judge.get_last_lr(), rtol=1e-12, atol=1e-15)
    for group, theirs in zip(
        mine.optimizer.param_groups, judge.optimizer.param_groups, strict=True
    ):
        for key in ("lr", "initial_lr", "momentum", "betas", "max_lr", "min_lr"):
            assert (key in group) == (key in theirs)
            if key in group:
                np.testing.assert_allclose(group[key], theirs[key], rtol=1e-12, atol=1e-15)


def go(pairs: list[tuple[Any, Any]], epochs: int, *args: Any) -> None:
    for _ in range(epochs):
        for schedule in pairs[0]:
            schedule.optimizer.step()
        for mine, judge in pairs:
            mine.step(*args)
            judge.step(*args)
        for mine, judge in pairs:
            agree(mine, judge)


@pytest.mark.parametrize(("name", "kw"), CASES, ids=IDS)
def test_rates_equal_pytorch(name: str, kw: Any) -> None:
    mine, judge = both()
    pair = getattr(lr_scheduler, name)(mine, **kw), theirs_of(name)(judge, **kw)
    agree(*pair)
    go([pair], EPOCHS)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("kw", CYCLES)
def test_one_cycle_equals_pytorch_and_ends(kind: str, kw: Any) -> None:
    mine, judge = both(kind)
    pair = OneCycleLR(mine, **kw), theirs_of("OneCycleLR")(judge, **kw)
    agree(*pair)
    go([pair], EPOCHS)
    before = repr(mine.param_groups), pair[0].state_dict()
    with pytest.raises(ValueError, match="step 25 of 24: the cycle is over"):
        pair[0].step()
    assert (repr(mine.param_groups), pair[0].state_dict()) == before


def test_one_cycle_without_a_rise() -> None:
    optimizer = one()
    schedule = OneCycleLR(optimizer, 1.0, total_steps=10, pct_start=0.1)
    assert schedule.get_last_lr() == [1.0]  # PyTorch divides by zero here


@pytest.mark.parametrize("first", range(len(CASES)), ids=IDS)
def test_two_schedules_on_one_optimiser_multiply_as_in_pytorch(first: int) -> None:
    mine, judge = both()
    pairs = []
    for name, kw in (CASES[first], ("ExponentialLR", {"gamma": 0.97})):
        pairs.append((getattr(lr_scheduler, name)(mine, **kw), theirs_of(name)(judge, **kw)))
    for _ in range(EPOCHS):
        mine.step()
        judge.step()
        for ours, theirs in pairs:
            ours.step()
            theirs.step()
            np.testing.assert_allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-12)


@pytest.mark.parametrize("milestones", [[4, 9], [1, 2], [4, 5], [0, 6]])
@pytest.mark.parametrize("start", range(len(CASES)), ids=IDS)
def test_sequences_equal_pytorch(start: int, milestones: list[int]) -> None:
    mine, judge = both()
    chosen = [CASES[(start + i * 5) % len(CASES)] for i in range(3)]
    ours = [getattr(lr_scheduler, name)(mine, **kw) for name, kw in chosen]
    theirs = [theirs_of(name)(judge, **kw) for name, kw in chosen]
    pair = (
        SequentialLR(mine, ours, milestones),
        theirs_of("SequentialLR")(judge, theirs, milestones),
    )
    np.testing.assert_allclose(pair[0].get_last_lr(), pair[1].get_last_lr(), rtol=1e-12)
    go([pair], EPOCHS)


@pytest.mark.parametrize(
    "kw",
    [
        {"patience": 1},
        {"mode": "max", "patience": 0, "factor": 0.5},
        {"threshold_mode": "abs", "threshold": 0.05, "patience": 1},
        {"mode": "max", "threshold_mode": "abs", "threshold": 0.1, "patience": 2},
        {"cooldown": 2, "patience": 0, "min_lr": [0.01, 0.02]},
        {"patience": 0, "min_lr": 0.05, "eps": 0.01},
        {"patience": 0, "factor": 0.0},
    ],
)
def test_plateau_equals_pytorch(kw: Any) -> None:
    mine, judge = both()
    pair = ReduceLROnPlateau(mine, **kw), theirs_of("ReduceLROnPlateau")(judge, **kw)
    for value in [*np.random.default_rng(0).random(30), float("nan"), -1.0, -1.0, 5.0]:
        pair[0].step(Tensor(np.array(value)))
        pair[1].step(value)
        np.testing.assert_allclose(pair[0].get_last_lr(), pair[1].get_last_lr(), rtol=1e-12)
        assert pair[0].best == pair[1].best
        assert pair[0].num_bad_epochs == pair[1].num_bad_epochs


# Saving


@pytest.mark.parametrize(("name", "kw"), CASES, ids=IDS)
@pytest.mark.parametrize("stop", [1, 4, 8])
def test_going_on_from_a_saved_state_also_pytorchs(name: str, kw: Any, stop: int) -> None:
    mine, judge = both()
    pair = getattr(lr_scheduler, name)(mine, **kw), theirs_of(name)(judge, **kw)
    go([pair], stop)
    saved, state = pair[0].state_dict(), mine.state_dict()
    for source in (saved, pair[1].state_dict()):
        again, _ = both()
        schedule = getattr(lr_scheduler, name)(again, **kw)
        again.load_state_dict(state)
        schedule.load_state_dict(source)
        fresh, judge_copy = both()
        del fresh
        twin = theirs_of(name)(judge_copy, **kw)
        judge_copy.load_state_dict(judge.state_dict())
        twin.load_state_dict(pair[1].state_dict())
        go([(schedule, twin)], 10)
    assert saved == pair[0].state_dict()  # a copy


@pytest.mark.parametrize(("name", "kw"), CASES, ids=IDS)
@pytest.mark.parametrize("last_epoch", [0, 2, 4])
def test_going_on_with_last_epoch(name: str, kw: Any, last_epoch: int) -> None:
    mine, judge = both()
    for group in (*mine.param_groups, *judge.param_groups):
        group["initial_lr"], group["lr"] = group["lr"], group["lr"] / 2
    kw = {**kw, "last_epoch": last_epoch}
    pair = getattr(lr_scheduler, name)(mine, **kw), theirs_of(name)(judge, **kw)
    agree(*pair)
    go([pair], 10)


def test_one_cycle_plateau_and_sequences_are_saved() -> None:
    makers: list[Callable[[Optimizer], Any]] = [
        lambda o: OneCycleLR(o, 0.5, total_steps=20),
        lambda o: lr_scheduler.CyclicLR(o, 0.1, 0.5, 3, mode="triangular2"),
        lambda o: SequentialLR(o, [LinearLR(o), ExponentialLR(o, 0.9)], [3]),
    ]
    for maker in makers:
        first, _ = both()
        schedule = maker(first)
        for _ in range(5):
            first.step()
            schedule.step()
        second, _ = both()
        other = maker(second)
        second.load_state_dict(first.state_dict())
        other.load_state_dict(json.loads(json.dumps(schedule.state_dict())))
        for _ in range(5):
            for optimizer, s in ((first, schedule), (second, other)):
                optimizer.step()
                s.step()
            assert schedule.get_last_lr() == other.get_last_lr()
    first = one()
    plateau = ReduceLROnPlateau(first, patience=2)
    for _ in range(3):
        plateau.step(1.0)
    second = one()
    other = ReduceLROnPlateau(second, patience=2)
    other.load_state_dict(plateau.state_dict())
    other.step(1.0)
    assert other.get_last_lr() == [0.1]


def test_lambda_objects_are_saved_and_functions_are_not() -> None:
    class Decay:
        def __init__(self, rate: float) -> None:
            self.rate = rate

        def __call__(self, epoch: int) -> float:
            return self.rate**epoch

    schedule = LambdaLR(one(), Decay(0.5))
    other = LambdaLR(one(), Decay(0.25))
    other.load_state_dict(schedule.state_dict())
    assert other.lr_lambdas[0].rate == 0.5
    assert LambdaLR(one(), lambda e: 1.0).state_dict()["lr_lambdas"] == [None]


def test_states_of_another_schedule_are_refused() -> None:
    optimizer = one()
    step, exponential = StepLR(optimizer, 3), ExponentialLR(optimizer, 0.5)
    before = copy.deepcopy(step.state_dict())
    with pytest.raises(ValueError, match=r"StepLR\.load_state_dict: step_size missing"):
        step.load_state_dict(exponential.state_dict())
    assert step.state_dict() == before
    function = LambdaLR(optimizer, lambda e: 1.0)
    with pytest.raises(ValueError, match="0 functions are saved, this schedule has 1"):
        function.load_state_dict(step.state_dict())
    sequence = SequentialLR(optimizer, [step, exponential], [2])
    before = sequence.state_dict()
    with pytest.raises(ValueError, match="0 schedules are saved, this one has 2"):
        sequence.load_state_dict(step.state_dict())
    wrong = sequence.state_dict()
    wrong["_schedulers"] = [wrong["_schedulers"][0]] * 2
    wrong["_schedulers"][0]["step_size"] = 77
    wrong["_schedulers"][1] = {}
    with pytest.raises(ValueError, match="missing"):
        sequence.load_state_dict(wrong)
    assert sequence.state_dict() == before


# Errors


def test_stepping_before_the_optimiser_warns_once() -> None:
    optimizer = SGD([Tensor(np.ones(1), requires_grad=True)], lr=1.0)
    schedule = ExponentialLR(optimizer, 0.5)
    with pytest.warns(UserWarning, match=r"before optimizer.step\(\), which skips the first"):
        schedule.step()
    schedule.step()
    schedule = ExponentialLR(one(), 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedule.step()


def test_a_function_that_fails_does_not_advance() -> None:
    def fails(epoch: int) -> float:
        if epoch == 1:
            raise ZeroDivisionError
        return 1.0

    schedule = LambdaLR(one(), fails)
    before = schedule.state_dict()
    with pytest.raises(ZeroDivisionError):
        schedule.step()
    assert schedule.state_dict() == before


def test_wrong_arguments() -> None:
    o, other = one(), one()
    two = both()[0]
    bare = Adagrad([Tensor(np.ones(1), requires_grad=True)])
    fine = ExponentialLR(o, 0.5)
    refused: list[tuple[Callable[[], Any], type[Exception], str]] = [
        (lambda: StepLR(None, 3), TypeError, "StepLR: NoneType is not an Optimizer"),  # type: ignore
        (lambda: StepLR(o, 0), ValueError, "step_size is 0"),
        (lambda: CosineAnnealingLR(o, 0), ValueError, "T_max is 0"),
        (lambda: LinearLR(o, start_factor=0), ValueError, r"start_factor is 0; .* \(0, 1\]"),
        (lambda: LinearLR(o, end_factor=2), ValueError, r"end_factor is 2; .* \[0, 1\]"),
        (lambda: lr_scheduler.ConstantLR(o, 2), ValueError, "factor is 2"),
        (lambda: LambdaLR(two, [abs]), ValueError, "lr_lambda has 1 values, .* 2 parameter groups"),
        (lambda: MultiStepLR(one(), [3], last_epoch=2), KeyError, "no 'initial_lr' to go on from"),
        (lambda: OneCycleLR(o, 1.0), ValueError, "give total_steps, or epochs and steps_per_epoch"),
        (lambda: OneCycleLR(o, 1.0, 0), ValueError, "0 steps in all"),
        (lambda: OneCycleLR(o, 1.0, 5, pct_start=2), ValueError, "pct_start is 2"),
        (lambda: OneCycleLR(o, 1.0, 5, anneal_strategy="x"), ValueError, "'x'; it is 'cos' or"),
        (lambda: OneCycleLR(bare, 1.0, 5), ValueError, "Adagrad has no momentum"),
        (lambda: OneCycleLR(o, [1.0, 2.0], 5), ValueError, "max_lr has 2 values"),
        (lambda: SequentialLR(o, [fine], [3]), ValueError, "1 schedulers need 0 milestones"),
        (lambda: SequentialLR(other, [fine], []), ValueError, "belongs to another optimiser"),
        (
            lambda: SequentialLR(o, [ReduceLROnPlateau(o)], []),  # type: ignore[list-item]
            TypeError,
            "scheduler 0 is a ReduceLROnPlateau; give schedules that depend on the epoch",
        ),
        (lambda: ReduceLROnPlateau(o, factor=1.0), ValueError, "factor is 1.0"),
        (lambda: ReduceLROnPlateau(o, mode="up"), ValueError, "mode is 'up'; it is 'min' or 'max'"),
        (lambda: ReduceLROnPlateau(o, threshold_mode="x"), ValueError, "'rel' or 'abs'"),
        (lambda: ReduceLROnPlateau(two, min_lr=[0.1]), ValueError, "min_lr has 1 values"),
    ]
    before = repr(o.param_groups), repr(two.param_groups)
    for call, error, text in refused:
        with pytest.raises(error, match=text):
            call()
    assert (repr(o.param_groups), repr(two.param_groups)) == before


def test_a_cycle_of_ones_own_height() -> None:
    kw: dict[str, Any] = {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 2, "cycle_momentum": False}
    for mode in ("cycle", "iterations"):
        more = {"scale_fn": lambda x: 1 / (1 + x), "scale_mode": mode}
        mine, judge = both()
        pair = lr_scheduler.CyclicLR(mine, **kw, **more), theirs_of("CyclicLR")(judge, **kw, **more)
        agree(*pair)
        go([pair], 9)
    with pytest.raises(ValueError, match=r"^CyclicLR: mode is 'square'; it is 'triangular'"):
        lr_scheduler.CyclicLR(mine, **kw, mode="square")
    with pytest.raises(ValueError, match=r"^CyclicLR: Adagrad has no momentum to change"):
        lr_scheduler.CyclicLR(Adagrad([Tensor(np.ones(1))]), 0.1, 0.5)


@pytest.mark.parametrize("name", ["StepLR", "CosineAnnealingLR", "LinearLR", "LambdaLR"])
def test_older_scripts_name_the_epoch(name: str) -> None:
    settings: Any = {"StepLR": 2, "CosineAnnealingLR": 5, "LambdaLR": lambda e: 0.9**e}
    kw = [settings[name]] if name in settings else []
    mine, judge = both()
    pair = getattr(lr_scheduler, name)(mine, *kw), theirs_of(name)(judge, *kw)
    for epoch in (0, 1, 4, 2):
        for s in pair:
            with pytest.warns(UserWarning):
                s.step(epoch)
        assert pair[0].last_epoch == epoch
        agree(*pair)
    go([pair], 3)
    with pytest.raises(ValueError, match="step: epoch is -1; it is an int from 0"):
        pair[0].step(-1)
