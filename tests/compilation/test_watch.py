"""What a trace leaves alone: the class Tensor, other threads, and everything after an interrupt."""

from __future__ import annotations

import copy
import gc
import linecache
import pickle
import random
import sys
import threading
import warnings
from abc import ABCMeta
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any
from weakref import ref

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, compile, tensor
from autograd_lite.compilation import watch
from autograd_lite.engine import modes
from autograd_lite.program.expr import choices
from nn import functional as F


def mlp() -> Any:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def batch() -> Any:
    return np.ones((5, 3), np.float32), np.array([0, 1, 0, 1, 1])


def loss_of(model: Any) -> Callable[..., Tensor]:
    loss_fn = nn.CrossEntropyLoss()

    def loss(x: Tensor, t: Tensor) -> Tensor:
        y = model(x)
        y = y[:, :] * Tensor(y.detach()).exp() + Tensor(np.ones((5, 2), np.float32))
        return loss_fn(y, t) + (y > 0).to(np.float32).mean()

    return loss


# ---- interrupts -----------------------------------------------------------------------------


SWEPT = ("autograd_lite", "nn", "numpy", "contextlib", "functools", __name__.partition(".")[0])


class Sweep:
    """Counts events of the interpreter, and raises KeyboardInterrupt at one of them."""

    def __init__(self, at: int, opcodes: bool) -> None:
        self.at, self.opcodes, self.count = at, opcodes, 0

    def __call__(self, frame: Any, event: str, arg: Any) -> Any:
        if frame.f_globals.get("__name__", "").partition(".")[0] not in SWEPT:
            return None  # a callback of the collector, say, in which nothing can be raised
        if self.opcodes:
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == ("opcode" if self.opcodes else "line"):
            self.count += 1
            if self.count == self.at:
                raise KeyboardInterrupt
        return self

    def run(self, function: Callable[[], Any]) -> bool:
        """Whether the call came to its end."""
        before = sys.gettrace()
        sys.settrace(self)
        try:
            function()
        except KeyboardInterrupt:
            return False
        finally:
            sys.settrace(before)
        return True


def everything_works(model: Any, classes: list[type]) -> None:
    assert [type(t) for t in (*model.parameters(), *model.buffers())] == classes
    assert not any(isinstance(cls, watch.Form) for cls in classes)
    assert (modes.watchers, watch.here.recorder, modes.mode.watcher) == ([], None, None)
    assert modes.mode.grad
    assert choices.allowed
    x = tensor([1.0], requires_grad=True)
    y = (x * 3 + 1).sum()
    y.backward()
    assert (y.item(), x.grad.tolist(), repr(x)) == (4.0, [3.0], "tensor([1.], requires_grad=True)")


@pytest.mark.parametrize(
    ("opcodes", "moments"),
    [
        (False, 100),
        (True, 40),
        pytest.param(False, 500, marks=pytest.mark.slow),
        pytest.param(True, 500, marks=pytest.mark.slow),
    ],
)
def test_an_interrupt_at_any_moment_of_the_first_call_leaves_everything_working(
    opcodes: bool, moments: int
) -> None:
    x, t = batch()
    model = mlp()
    classes = [type(p) for p in (*model.parameters(), *model.buffers())]
    whole = Sweep(-1, opcodes)
    loss = loss_of(model)
    assert whole.run(lambda: compile(loss)(x, t))
    for at in np.linspace(1, whole.count, moments).astype(int):
        step = compile(loss)
        Sweep(int(at), opcodes).run(lambda: step(x, t))  # noqa: B023
        everything_works(model, classes)
        if at % 10 == 0:  # it is traced at the next call, if it was not
            step(x, t).backward()
            assert step.traces == 1
            assert not step.why


def test_an_interrupt_while_classes_are_put_back() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)

    class Once(dict):  # type: ignore[type-arg]
        passed = False

        def values(self) -> Any:
            if not self.passed:
                self.passed = True
                raise KeyboardInterrupt
            return super().values()

    def loss() -> Tensor:
        watch.here.recorder.inside = Once(watch.here.recorder.inside)
        kept.append(w * 2)
        return kept[0].sum()

    kept: list[Any] = []
    recorder = watch.Recorder()
    with pytest.raises(KeyboardInterrupt):
        recorder.watch(loss, (), {}, watch.Captured(lambda: w))
    assert (type(w), type(kept[0])) == (Tensor, Tensor)
    assert modes.watchers == []


# ---- threads --------------------------------------------------------------------------------


def in_threads(*functions: Callable[[], Any]) -> None:
    failed: list[BaseException] = []

    def run(function: Callable[[], Any]) -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=run, args=(f,)) for f in functions]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise failed[0]


def meeting(n: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """What each of n threads calls, one after the other, to wait for the rest: built-in functions,
    as a trace allows them."""
    arrived: SimpleQueue[int] = SimpleQueue()
    go: SimpleQueue[int] = SimpleQueue()

    def host() -> None:
        for _ in range(n):
            arrived.get()
        for _ in range(n):
            go.put(0)

    threading.Thread(target=host, daemon=True).start()
    return partial(arrived.put, 1), partial(go.get, True, 20)


@pytest.mark.parametrize("shared", [False, True])
def test_four_threads_trace_four_models_at_the_same_time(shared: bool) -> None:
    arrive, wait = meeting(4)
    come_back, go_on = meeting(4)
    one = nn.Linear(3, 3)

    def work(i: int) -> None:
        model = nn.Sequential(one if shared else nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2))
        inner = loss_of(model)

        def loss(x: Tensor, t: Tensor) -> Tensor:
            arrive(), wait()
            y = inner(x, t)
            come_back(), go_on()
            return y

        step = compile(loss)
        x, t = np.full((5, 3), i + 1.0, np.float32), np.array([0, 1, 0, 1, 1])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            step(x, t)
        assert (step.traces, step.why) == (1, "")
        mine = [*model[2].parameters()]
        found = []
        for f in (step, inner):
            value = f(Tensor(x), Tensor(t))
            found.append([value.item(), *(g.array.copy() for g in ag.grad(value, mine))])
        for a, b in zip(*found, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)

    in_threads(*(lambda i=i: work(i) for i in range(4)))
    assert {type(p) for p in one.parameters()} == {nn.Parameter}
    assert modes.watchers == []


def test_a_tensor_of_two_traces_is_watched_until_both_have_ended() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    done: SimpleQueue[int] = SimpleQueue()
    began: SimpleQueue[int] = SimpleQueue()
    begin, wait = partial(began.put, 0), partial(done.get, True, 20)

    def slow() -> Tensor:
        begin(), wait()
        return (w * w.array.sum()).sum()  # which has to be noticed still

    def second() -> None:
        began.get()
        compile(lambda: (w * 2).sum())()
        done.put(0)

    other = threading.Thread(target=second)
    other.start()
    with pytest.warns(UserWarning, match="it reads the values of a tensor"):
        compile(slow)()
    other.join()
    assert type(w) is Tensor


def in_another_thread(function: Callable[[], Any]) -> tuple[Callable[[], Any], list[Any]]:
    """What a traced function may call to have another one run by a thread, and its results."""
    asked: SimpleQueue[int] = SimpleQueue()
    answered: SimpleQueue[int] = SimpleQueue()
    results: list[Any] = []

    def host() -> None:
        asked.get()
        try:
            results.append(function())
        finally:
            answered.put(0)

    threading.Thread(target=host, daemon=True).start()
    ask, wait = asked.put, partial(answered.get, True, 20)
    return lambda: (ask(0), wait()), results


def test_the_class_is_as_it_was_while_a_trace_is_open() -> None:
    before = dict(vars(Tensor))
    w = Tensor([1.0, 2.0], requires_grad=True)

    def elsewhere() -> Any:
        t = tensor([1.0, 2.0])
        return (
            (dict(vars(Tensor)) == before, type(t) is Tensor, t.array.sum(), t.shape),
            (w.array.sum(), w.shape, repr(w), w.detach().tolist(), (w == 1).tolist()),
            pickle.loads(pickle.dumps(w)).tolist(),
            type(w + 1) is Tensor,
        )

    meet, seen = in_another_thread(elsewhere)
    step = compile(lambda: [meet(), (w * w).sum()][1])
    step()
    assert seen == [
        (
            (True, True, 3.0, (2,)),
            (3.0, (2,), "tensor([1., 2.], requires_grad=True)", [1.0, 2.0], [True, False]),
            [1.0, 2.0],
            True,
        )
    ]
    assert (step.traces, step.why) == (1, "")


def test_another_threads_random_numbers_are_its_own() -> None:
    w = Tensor(np.ones(4, np.float32), requires_grad=True)

    def elsewhere() -> Any:
        np.random.rand(3)
        random.random()
        ag.rand(3)
        return F.dropout(tensor([1.0, 2.0]), 0.5)

    meet, seen = in_another_thread(elsewhere)

    def loss() -> Tensor:
        y = F.dropout(w, 0.5)
        meet()
        return y.sum()

    step = compile(loss)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len({step().item() for _ in range(20)}) > 1
    assert len(seen) == 1
    assert (step.traces, step.why) == (1, "")


def test_a_tensor_that_another_thread_made_meanwhile_is_noticed() -> None:
    w, out = Tensor([1.0, 2.0], requires_grad=True), [tensor([0.0, 0.0])]
    take = out.pop
    put = out.append

    def elsewhere() -> None:
        put(w.detach() * 2)

    meet, _ = in_another_thread(elsewhere)

    def loss() -> Tensor:
        take(), meet()
        return (w * take()).sum()

    with pytest.warns(UserWarning, match="a tensor that another thread made"):
        assert compile(loss)().item() == 10.0


DRAWS: dict[str, Callable[[], float]] = {
    "numpy": lambda: np.random.rand(),
    "python": lambda: random.random(),
    "of ours": lambda: ag.default_generator().random(),
    "an initial weight": lambda: nn.Linear(1, 1).weight.sum(),
}


@pytest.mark.parametrize("name", DRAWS)
def test_random_numbers_of_its_own_make_it_eager(name: str) -> None:
    w, draw = Tensor([1.0, 2.0], requires_grad=True), DRAWS[name]
    step = compile(lambda: (w * draw()).sum())
    with pytest.warns(UserWarning, match=r"random numbers|in place|reads the values"):
        assert len({step().item() for _ in range(3)}) == 3


def test_seeding_makes_it_eager() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    step = compile(lambda: [ag.manual_seed(0), (w * ag.rand(2)).sum()][1])
    with pytest.warns(UserWarning, match="it seeds random numbers"):
        assert len({step().item() for _ in range(3)}) == 1


# ---- what code sees of a watched tensor ------------------------------------------------------


def test_types_look_as_before() -> None:
    class Mine(Tensor):
        pass

    w, own, p = Tensor([1.0], requires_grad=True), Mine([2.0]), nn.Parameter([3.0])
    own.note = "kept"
    results: SimpleQueue[Any] = SimpleQueue()
    tell = results.put

    def loss(x: Tensor) -> Tensor:
        y = w * x * own * p
        for t, cls in ((w, Tensor), (own, Mine), (p, nn.Parameter), (y, Tensor)):
            same = type(t) == cls, {cls: 1}.get(type(t)) == 1, type(t).__name__ == cls.__name__
            tell((*same, isinstance(t, cls), t.__class__ is cls))
        tell(own.note)
        return y.sum()

    step = compile(loss)
    step(tensor([1.0])).backward()
    assert [results.get() for _ in range(5)] == [(True,) * 5] * 4 + ["kept"]
    assert (step.traces, step.why) == (1, "")
    assert (type(w), type(own), type(p)) == (Tensor, Mine, nn.Parameter)


def test_comparing_types_by_identity_makes_it_eager() -> None:
    w = Tensor([1.0], requires_grad=True)
    step = compile(lambda x: (w * 2).sum() if type(x) is Tensor else w.sum())
    with pytest.warns(
        UserWarning, match=r"compares a type by `is`.* \(line \d+ of .*test_watch.py\)"
    ):
        assert step(tensor([1.0])).item() == 2.0
    step = compile(lambda x: (w * 2).sum() if type(w).__name__ == "Tensor" else w.sum())
    assert (step(tensor([1.0])).item(), step.traces) == (2.0, 1)


def holding(t: Tensor) -> Any:
    return SimpleNamespace(parameters=lambda: [t])


SEEN: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "repr": (repr, "reads the values"),
    "str": (str, "reads the values"),
    "deepcopy": (copy.deepcopy, "reads the values"),
    "pickle": (lambda t: pickle.loads(pickle.dumps(t)), "reads the values"),
    "data": (lambda t: setattr(t, "data", np.zeros(2, np.float32)), "replaces the data"),
    "array": (lambda t: setattr(t, "array", np.zeros(2, np.float32)), "replaces the data"),
    "grad": (lambda t: t.grad, "reads a gradient"),
    "class": (lambda t: setattr(t, "__class__", Tensor), "changes the class"),
    "no grad": (lambda t: setattr(t, "grad", None), "sets a gradient"),
    "zero_grad": (lambda t: nn.Module.zero_grad(holding(t)), "sets a gradient"),
    "requires_grad": (lambda t: setattr(t, "requires_grad", True), "changes requires_grad"),
    "name": (lambda t: t.name, "reads the name"),
    "a name": (lambda t: setattr(t, "name", "x"), "sets the name"),
}


@pytest.mark.parametrize("name", SEEN)
def test_what_a_copy_or_a_picture_needs_makes_it_eager(name: str) -> None:
    w, (look, reason) = Tensor([1.0, 2.0], requires_grad=True), SEEN[name]
    own, expected = tensor([1.0, 2.0]), look(tensor([1.0, 2.0]))
    found: list[Any] = []

    def loss() -> Tensor:
        found.append(look(own))
        return (w * w).sum()

    with pytest.warns(UserWarning, match=reason):
        compile(loss)()
    assert type(own) is Tensor
    assert type(found[0]) is type(expected)
    assert repr(found[0]) == repr(expected)


def test_data_is_followed_like_detach() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    step = compile(lambda x: (w * x * w.data).sum())
    for value in (1.0, 3.0):
        x = tensor([value, 1.0])
        assert step(x).item() == (w * x * w.data).sum().item()
        assert ag.grad(step(x), [w])[0].tolist() == (x * w).tolist()
    assert (step.traces, step.why) == (1, "")


# ---- subclasses of users ---------------------------------------------------------------------


class Doubled(Tensor):
    """Its own meaning of what the watched class has too."""

    def __getitem__(self, index: Any) -> Any:
        return super().__getitem__(index) * 2

    def __eq__(self, other: object) -> Any:
        return tensor([1.0, 1.0])

    __hash__ = Tensor.__hash__
    shape = property(lambda t: (7,))  # type: ignore[assignment]


class Universal(Tensor):
    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kw: Any) -> Any:
        return self * 5


class Reflected(Tensor):
    def __radd__(self, other: Any) -> Any:
        return self * 100 - other


class Abstract(Tensor, metaclass=ABCMeta):
    pass


OVERRIDING: dict[str, tuple[type[Tensor], Callable[[Tensor, Tensor], Any]]] = {
    "__getitem__": (Doubled, lambda w, t: t[:]),
    "__eq__": (Doubled, lambda w, t: t == w),
    "__eq__ from the right": (Doubled, lambda w, t: w.detach() == t),
    "shape": (Doubled, lambda w, t: t.shape[0]),
    "__array_ufunc__": (Universal, lambda w, t: np.sin(t)),
    "another metaclass": (Abstract, lambda w, t: t * 2),
    "__radd__": (Reflected, lambda w, t: w.detach() + t),
}


@pytest.mark.parametrize("name", OVERRIDING)
@pytest.mark.parametrize("how", ["captured", "given", "made inside", "made elsewhere"])
@pytest.mark.filterwarnings("ignore:compile")
def test_a_subclass_with_methods_of_its_own_means_what_it_means(name: str, how: str) -> None:
    cls, use = OVERRIDING[name]
    w, own = Tensor([1.0, 2.0], requires_grad=True), cls([3.0, 4.0])
    make = partial(cls, [3.0, 4.0])
    loss: Callable[..., Tensor] = {
        "captured": lambda: (w * use(w, own)).sum(),
        "given": lambda t: (w * use(w, t)).sum(),
        "made inside": lambda: (w * use(w, cls([3.0, 4.0]))).sum(),
        "made elsewhere": lambda: (w * use(w, make())).sum(),
    }[how]
    given = [own] if how == "given" else []
    step = compile(loss)
    for _ in range(2):
        w.grad = None
        found = step(*given)
        found.backward()
        assert found.item() == loss(*given).item()
        assert w.grad.tolist() == ag.grad(loss(*given), [w])[0].tolist()  # type: ignore[union-attr]
    assert type(own) is cls
    said = "which cannot be watched" if cls is Abstract else "of its own"
    assert f"it uses a {cls.__name__}" in step.why
    assert said in step.why


class Plain(Tensor):
    def twice(self) -> Tensor:
        return self * factors["twice"]


class Slotted(Tensor):
    __slots__ = ("scale",)


factors = {"twice": 2.0}


@pytest.mark.parametrize("requires_grad", [False, True])
def test_the_class_of_an_argument_counts(requires_grad: bool) -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)

    def loss(x: Tensor) -> Tensor:
        return (w * x.twice() if isinstance(x, Plain) else w * x).sum()

    step = compile(loss)
    for _ in range(2):
        for cls, value in ((Plain, 6.0), (Tensor, 3.0), (Plain, 6.0)):
            x = cls([1.0, 1.0], requires_grad=requires_grad)
            assert (step(x).item(), type(x)) == (value, cls)
    assert (step.traces, step.why) == (2, "")
    factors["twice"] = 3.0
    try:
        assert step(Plain([1.0, 1.0], requires_grad=requires_grad)).item() == 9.0
    finally:
        factors["twice"] = 2.0


@pytest.mark.parametrize("cls", [Plain, Slotted])
@pytest.mark.parametrize("how", ["given", "captured"])
@pytest.mark.filterwarnings("ignore:compile")
def test_attributes_of_a_tensor_count(cls: Any, how: str) -> None:
    w, own = Tensor([1.0, 2.0], requires_grad=True), cls([1.0, 1.0])
    loss: Any = {
        "given": lambda x: (w * x * x.scale).sum(),
        "captured": lambda x: (w * x * own.scale).sum(),
    }[how]
    step = compile(loss)
    step_without = compile(lambda x: (w * x * getattr(x, "scale", 1.0)).sum())
    assert step_without(cls([1.0, 1.0])).item() == 3.0
    for scale in (1.0, 2.0, 3.0):
        own.scale = scale
        assert step(own if how == "given" else tensor([1.0, 1.0])).item() == 3.0 * scale
        assert step_without(own).item() == 3.0 * scale
    assert bool(step.why) == (how == "given" or cls is Slotted)


def test_a_class_does_nothing_for_its_watched_form() -> None:
    class Mine(Tensor):
        made: list[str] = []

        def __init_subclass__(cls) -> None:
            cls.made.append(cls.__name__)

    class More(Mine):
        pass

    assert watch.plain_class(watch.form(More)) is More
    assert Mine.made == ["More"]


def test_classes_of_users_are_freed() -> None:
    def work() -> Any:
        class Mine(Tensor):
            pass

        w = Mine([1.0], requires_grad=True)
        compile(lambda: (w * 2).sum())().backward()
        return ref(Mine)

    known = work()
    gc.collect()
    assert known() is None


# ---- what is written to tensors --------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:compile")
def test_a_gradient_set_inside_is_set_at_every_call() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)

    def loss() -> Tensor:
        w.grad = None
        return (w * 2).sum()

    step = compile(loss)
    for _ in range(3):
        step().backward()
    assert "it sets a gradient" in step.why
    assert w.grad.tolist() == [2.0, 2.0]  # type: ignore[union-attr]


@pytest.mark.filterwarnings("ignore:compile")
def test_a_name_given_inside_is_given_at_every_call() -> None:
    w, x = Tensor([1.0, 2.0], requires_grad=True), tensor([1.0, 1.0])

    def loss(x: Tensor) -> Tensor:
        w.name, x.name = "w", "x"
        y = w * x
        y.name = "y"
        return y.sum()

    step = compile(loss)
    for _ in range(2):
        w.name = x.name = ""
        step(x)
        assert (w.name, x.name) == ("w", "x")
    assert "it sets the name of a tensor" in step.why

    def named(x: Tensor) -> Tensor:
        y = w * x
        y.name = "y"
        return y.sum() if y.name == "y" else y.mean()

    step = compile(named)
    assert (step(x).item(), step(x).item(), step.why) == (3.0, 3.0, "")


@pytest.mark.parametrize("raising", [True, False])
def test_code_that_fails_where_the_function_does_is_kept(raising: bool) -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    step = compile(lambda x: (w * x).log().sum(), optimizer=nn.optim.SGD([w], lr=0.0))
    step(tensor([1.0, 1.0]))
    if raising:
        with np.errstate(all="raise"), pytest.raises(FloatingPointError):
            step(tensor([0.0, 1.0]))
    with ag.no_grad():  # which the code is not for
        step(tensor([1.0, 1.0]))
    assert (step.traces, step.why) == (1, "")


# ---- what is left of a trace -----------------------------------------------------------------


def sources_shown() -> set[str]:
    return {file for file in linecache.cache if file.startswith("<compiled ")}


def test_the_source_is_shown_as_long_as_the_code_is_there() -> None:
    gc.collect()  # what tests before this one have left
    before = sources_shown()
    w = Tensor([1.0, 2.0], requires_grad=True)
    steps = [compile(lambda: (w * 2).sum()) for _ in range(2)]
    for step in steps:
        step().backward()
    shown = {"".join(linecache.getlines(file)) for file in sources_shown() - before}
    assert len(sources_shown() - before) == 2  # also of the same text
    assert shown == {steps[0].sources[0]}
    del steps[0], step
    gc.collect()
    assert len(sources_shown() - before) == 1
    del steps
    gc.collect()
    assert sources_shown() == before


def test_draws_after_one_that_failed_are_seen() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    generator = np.random.default_rng(0)
    recorder = watch.Recorder()

    def fail() -> Any:
        raise ValueError

    def loss() -> Tensor:
        with suppress(ValueError):
            recorder.drawn(fail)
        recorder.reached(generator)
        return w.sum()

    recorder.watch(loss, (), {}, watch.Captured(lambda: w))
    assert not recorder.drawing
    assert recorder.generators == [generator]


def test_record_lines_is_known_before_it_is_asked() -> None:
    def lines() -> None:
        with ag.record_lines():
            pass

    whole = Sweep(-1, opcodes=True)
    whole.run(lines)
    for at in range(1, whole.count + 1):
        Sweep(at, opcodes=True).run(lines)
        left = modes.mode.watcher
        known = left is None or left in modes.watchers
        modes.mode.watcher = None
        modes.watchers.clear()
        assert known


@pytest.mark.filterwarnings("ignore:compile")
def test_what_the_first_call_does_to_an_argument_stays() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    step = compile(lambda x: (w * x.requires_grad_()).sum())
    for _ in range(2):
        x = tensor([1.0, 1.0])
        step(x).backward()
        assert x.requires_grad
        assert x.grad.tolist() == [1.0, 2.0]  # type: ignore[union-attr]


def test_an_argument_may_be_given_twice_and_be_captured() -> None:
    w, x = Tensor([1.0, 2.0], requires_grad=True), tensor([1.0, 3.0])
    step = compile(lambda a, b: (w * x + w * a * b).sum())
    for a, b in ((x, x), (x, tensor([1.0, 1.0])), (tensor([0.0, 1.0]), x)):
        assert step(a, b).item() == (w * x + w * a * b).sum().item()
    assert (step.traces, step.why) == (1, "")


@pytest.mark.parametrize("what", ["captured", "given", "computed before"])
@pytest.mark.filterwarnings("ignore:compile")
def test_a_loss_that_is_not_computed_in_the_call(what: str) -> None:
    w = tensor(3.0, requires_grad=True)
    before = w * 1
    loss: Callable[..., Tensor] = {
        "captured": lambda _: w, "given": lambda x: x, "computed before": lambda _: before,
    }[what]  # fmt: skip
    step = compile(loss)
    for _ in range(2):
        w.grad = None
        step(w if what == "given" else tensor(1.0)).backward(retain_graph=True)
        assert w.grad.item() == 1.0  # type: ignore[union-attr]
    assert step.why == "it returns a tensor that it has not computed"
