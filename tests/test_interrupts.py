"""Ctrl-C at every moment: a step is whole or not at all, and modes are what they were."""

import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import Tensor, draw, enable_grad, inference_mode, no_grad, set_grad_enabled
from autograd_lite.interrupts import whole
from nn import Linear, MSELoss, Sequential, Tanh
from nn.data import DataLoader, TensorDataset
from nn.optim import LBFGS, SGD, Adam, AdamW, RMSprop
from nn.optim.lr_scheduler import (
    CosineAnnealingWarmRestarts,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)
from nn.train import fit


def interrupted(function: Callable[[], Any], at: int, begins: str | None = None) -> bool:
    """Press Ctrl-C before instruction number `at` of Python's, or as call number `at` of a function
    begins that `begins` names, "" for any; whether there are so many."""
    left = at

    def trace(frame: Any, event: str, arg: Any) -> Any:
        nonlocal left
        frame.f_trace_opcodes = True
        chosen = event == "opcode" if begins is None else event == "call"
        if chosen and begins in (None, "", frame.f_code.co_name):
            left -= 1
            if left == 0:
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return trace

    before = sys.gettrace()
    gc.disable()  # others may have hooked functions into it
    try:
        sys.settrace(trace)
        function()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
        gc.enable()
    return left <= 0


def sweep(case: Callable[[], tuple[Callable[[], Any], Any]]) -> Iterator[Any]:
    """What `case` made, interrupted once at every instruction of its function."""
    at = 1
    function, made = case()
    while interrupted(function, at):
        yield made
        at += 1
        function, made = case()


def network() -> tuple[Sequential, Callable[[], None]]:
    ag.manual_seed(0)
    model = Sequential(Linear(2, 3), Tanh(), Linear(3, 1))
    x = Tensor(np.ones((4, 2), np.float32))

    def backward() -> None:
        for p in model.parameters():
            p.grad = None
        MSELoss()(model(x), Tensor(np.zeros((4, 1), np.float32))).backward()

    return model, backward


def trained(optimizer: Any, model: Any) -> list[Any]:
    """All that a step moves."""
    state = optimizer.state_dict()["state"]
    arrays = [p.numpy(force=True).copy() for p in model.parameters()]
    return arrays + [np.asarray(a) for s in state.values() for _, a in sorted(s.items())]


def same(a: list[Any], b: list[Any]) -> bool:
    return len(a) == len(b) and all(map(np.array_equal, a, b))


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: SGD(p, lr=0.1, momentum=0.9),
    "Adam": lambda p: Adam(p, lr=0.1),
    "AdamW": lambda p: AdamW(p, lr=0.1, amsgrad=True),
    "RMSprop": lambda p: RMSprop(p, lr=0.1, momentum=0.5, centered=True),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_of_an_optimizer_is_whole_or_not_at_all(name: str) -> None:
    def case() -> tuple[Callable[[], Any], Any]:
        model, backward = network()
        optimizer = OPTIMIZERS[name](model.parameters())
        backward()
        optimizer.step()
        backward()
        return optimizer.step, (optimizer, model)

    step, made = case()
    before = trained(*made)
    step()
    after = trained(*made)
    found = [trained(*made) for made in sweep(case)]
    assert len(found) > 100
    assert all(same(a, before) or same(a, after) for a in found)
    assert same(found[0], before) and same(found[-1], after)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_compiled_step_is_whole_or_not_at_all() -> None:
    def case() -> tuple[Callable[[], Any], Any]:
        model, _ = network()
        optimizer = Adam(model.parameters(), lr=0.1)
        x, y = Tensor(np.ones((4, 2), np.float32)), Tensor(np.zeros((4, 1), np.float32))
        step = ag.compile(lambda x, y: MSELoss()(model(x), y), optimizer=optimizer)
        step(x, y)
        step(x, y)
        assert step.traces == 1
        return lambda: step(x, y), (optimizer, model)

    step, made = case()
    before = trained(*made)
    step()
    after = trained(*made)
    at, found = 1, []
    while interrupted(step, at):
        found.append(trained(*made))
        assert same(found[-1], before) or same(found[-1], after)
        if same(found[-1], after):
            step, made = case()
        at += 1
    assert len(found) > 100 and same(found[-1], after)


def test_a_step_of_lbfgs_is_whole_or_not_at_all() -> None:
    def case() -> tuple[Callable[[], Any], Any]:
        w = Tensor(np.array([1.0, -2.0]), requires_grad=True)
        optimizer = LBFGS([w], max_iter=2)

        def closure() -> Any:
            w.grad = None
            loss = (w * w * w * w).sum()
            loss.backward()
            return loss

        return lambda: optimizer.step(closure), (optimizer, w)

    step, (_, w) = case()
    before = w.tolist()
    step()
    after = w.tolist()
    found = [*sweep(case)]
    places = [(w.tolist(), bool(o.state)) for o, w in [*found[::7], *found[-5:]]]
    assert set(map(str, places)) == {str((before, False)), str((after, True))}


SCHEDULES: dict[str, Callable[[Any], Any]] = {
    "StepLR": lambda o: StepLR(o, 1),
    "OneCycleLR": lambda o: OneCycleLR(o, max_lr=1.0, total_steps=9),
    "ReduceLROnPlateau": lambda o: ReduceLROnPlateau(o, patience=0),
    "SequentialLR": lambda o: SequentialLR(o, [StepLR(o, 1), StepLR(o, 2)], [1]),
    "CosineAnnealingWarmRestarts": lambda o: CosineAnnealingWarmRestarts(o, 2),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_step_of_a_schedule_is_whole_or_not_at_all(name: str) -> None:
    def case() -> tuple[Callable[[], Any], Any]:
        ps = [Tensor(np.ones(1), requires_grad=True) for _ in range(2)]
        optimizer = SGD([{"params": [p]} for p in ps], lr=0.5)
        optimizer.step()
        schedule = SCHEDULES[name](optimizer)
        args = [1.0] if name == "ReduceLROnPlateau" else []
        schedule.step(*args)
        return lambda: schedule.step(*args), schedule

    def told(schedule: Any) -> str:
        return str((schedule.state_dict(), [g["lr"] for g in schedule.optimizer.param_groups]))

    step, schedule = case()
    before = told(schedule)
    step()
    assert {told(schedule) for schedule in sweep(case)} == {before, told(schedule)}


def test_a_state_is_loaded_wholly_or_not_at_all() -> None:
    def case() -> tuple[Callable[[], Any], Any]:
        model, _ = network()
        state = {k: np.full(t.shape, 7.0) for k, t in model.state_dict().items()}
        return lambda: model.load_state_dict(state), model

    for model in list(sweep(case))[::5]:
        assert len({bool((p == 7).all()) for p in model.parameters()}) == 1


def nested() -> None:
    with no_grad(), enable_grad():
        with inference_mode():
            pass
        with set_grad_enabled(False):
            pass


def decorated() -> None:
    no_grad(enable_grad()(no_grad()(lambda: None)))()


@pytest.mark.parametrize("function", [nested, decorated])
def test_modes_are_what_they_were(function: Callable[[], None]) -> None:
    """Wherever the interrupt comes, before each instruction."""

    def outermost() -> None:
        # the mode below stands for the last exit; what is asked is that it finds its own
        assert not ag.is_grad_enabled()
        function()

    found, at, there = [], 1, True
    while there:
        with no_grad():
            there = interrupted(outermost, at)
        found.append(ag.is_grad_enabled())
        at += 1
    assert len(found) > 50 and all(found)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="timers are POSIX's")
def test_ctrl_c_as_an_exit_begins_skips_no_exit() -> None:
    """By the clock: Python looks for signals as functions of its own begin, and the exit is none."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    left_off = 0
    try:
        for i in range(400):
            with suppress(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 2e-5 + i * 1e-7)
                while True:
                    nested()
            left_off += not ag.is_grad_enabled()
            ag.set_grad_enabled(True)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert left_off == 0


@pytest.mark.parametrize("mode", [no_grad, inference_mode, lambda: set_grad_enabled(False)])
def test_modes_in_stacks_of_managers_and_again(mode: Any) -> None:
    with ExitStack() as stack:
        stack.enter_context(enable_grad())
        one = stack.enter_context(mode())
        with suppress(ZeroDivisionError), enable_grad(), one:
            assert not ag.is_grad_enabled()
            raise ZeroDivisionError
        assert not ag.is_grad_enabled()
    assert ag.is_grad_enabled()


def test_a_decorated_function_leaves_the_mode_wherever_it_ends() -> None:
    """Python looks for signals as functions begin, and after calls and in loops."""
    function = no_grad(enable_grad()(no_grad()(lambda: None)))
    at = 1
    while interrupted(function, at, ""):
        assert ag.is_grad_enabled()
        at += 1
    assert at == 5


def test_draw_leaves_errstate() -> None:
    x = Tensor(np.ones(2), requires_grad=True)
    loss = (x * x).sum()
    before = np.geterr()
    at = 1
    while interrupted(lambda: draw(loss), at, "__exit__"):
        assert np.geterr() == before
        at += 1
    assert at > 5


def test_handlers_of_the_user_are_delayed_and_kept(monkeypatch: Any) -> None:
    seen: list[str] = []

    def handler(number: int, frame: Any) -> None:
        seen.append("handler")

    before = signal.signal(signal.SIGINT, handler)
    try:

        def function() -> int:
            signal.raise_signal(signal.SIGINT)
            seen.append("end")
            return 3

        assert whole(function) == 3
        assert seen == ["end", "handler"] and signal.getsignal(signal.SIGINT) is handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert whole(function) == 3 and len(seen) == 3
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_error_and_ctrl_c_at_once() -> None:
    def function() -> None:
        signal.raise_signal(signal.SIGINT)
        raise ValueError("both")

    with pytest.raises(KeyboardInterrupt) as caught:
        whole(function)
    assert str(caught.value.__context__) == "both"


def test_other_threads_have_no_signals() -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(whole(int, "3")))
    thread.start()
    thread.join()
    assert found == [3]
    with suppress(KeyboardInterrupt):
        whole(lambda: None)


def sampled(case: Callable[[], tuple[Callable[[], Any], Any]], count: int) -> Iterator[Any]:
    """What `case` made, interrupted at `count` calls from the first to the last of its function."""
    function, _ = case()
    calls = 0

    def trace(frame: Any, event: str, arg: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.settrace(trace)
    function()
    sys.settrace(None)
    assert calls > count
    for at in np.linspace(1, calls, count).astype(int):
        function, made = case()
        interrupted(function, int(at), "")
        yield made


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a file left open
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_saved_file_is_the_old_or_the_new_one(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"state{suffix}"
    found = set()

    def case() -> tuple[Callable[[], Any], Any]:
        ag.save({"x": ag.zeros(3), "step": 1}, path)
        return lambda: ag.save({"x": ag.ones(3), "step": 2}, path), None

    for _ in sampled(case, 40):
        state = ag.load(path)
        found.add((state["x"].tolist()[0], int(state["step"])))
        assert [*tmp_path.iterdir()] == [path]
    assert (0.0, 1) in found and found <= {(0.0, 1), (1.0, 2)}


@pytest.mark.parametrize("compiled", [False, True])
def test_a_training_ends_between_two_steps(compiled: bool) -> None:
    rng = np.random.default_rng(0)
    data = TensorDataset(rng.standard_normal((8, 2)).astype("f"), np.zeros((8, 1), "f"))
    ends: list[Any] = []

    def case() -> tuple[Callable[[], Any], Any]:
        model, _ = network()
        optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
        loader = DataLoader(data, 2)
        options: Any = {"progress": False, "compile": compiled}
        return lambda: fit(model, MSELoss(), optimizer, loader, 2, **options), (model, optimizer)

    model, optimizer = case()[1]
    for batch in [*DataLoader(data, 2)] * 2:  # the weights after 0, 1, ... steps
        ends.append(trained(optimizer, model))
        optimizer.zero_grad()
        MSELoss()(model(batch[0]), batch[1]).backward()
        optimizer.step()
    ends.append(trained(optimizer, model))
    for model, optimizer in sampled(case, 30):
        now = trained(optimizer, model)
        assert any(close(now, end) for end in ends)
        assert ag.is_grad_enabled()


def close(a: list[Any], b: list[Any]) -> bool:
    """Whether two states are the same but for rounding."""
    return len(a) == len(b) and all(
        np.shape(x) == np.shape(y) and np.allclose(x, y, rtol=1e-5)
        for x, y in zip(a, b, strict=True)
    )
