"""`fit` is the loop one would write, reports true means, and stops cleanly."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nn
from autograd_lite import Tensor, is_grad_enabled, manual_seed, tensor
from nn import CrossEntropyLoss, Linear, MSELoss, ReLU, Sequential
from nn.data import DataLoader, TensorDataset
from nn.optim import SGD, Adam
from nn.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau, StepLR
from nn.train import History, accuracy, evaluate, fit
from tests.helpers import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(0)
X = RNG.standard_normal((50, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int64)


def network() -> Sequential:
    manual_seed(0)
    return Sequential(Linear(4, 8), ReLU(), Linear(8, 2))


def loader(size: int = 16, **kw: Any) -> DataLoader:
    return DataLoader(TensorDataset(X, Y), size, **kw)


# What it computes


def test_fit_is_the_handwritten_loop() -> None:
    mine, other = network(), network()
    history = fit(
        mine, CrossEntropyLoss(), Adam(mine.parameters()), loader(), 3, metrics=["accuracy"]
    )
    optimizer, loss_fn = Adam(other.parameters()), CrossEntropyLoss()
    for epoch in range(3):
        losses, right = [], 0
        for x, y in loader():
            output = other(x)
            loss = loss_fn(output, y)
            losses += [loss.item()] * len(y)
            right += int((output.array.argmax(1) == y.array).sum())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert history["loss"][epoch] == pytest.approx(np.mean(losses), rel=1e-6)
        assert history["accuracy"][epoch] == pytest.approx(right / 50)
    for p, q in zip(mine.parameters(), other.parameters(), strict=True):
        assert np.array_equal(p.array, q.array)
    assert history["epoch"] == [1, 2, 3]
    assert not history.interrupted


def test_it_learns() -> None:
    model = network()
    history = fit(
        model,
        CrossEntropyLoss(),
        Adam(model.parameters(), lr=0.05),
        loader(shuffle=True),
        20,
        metrics="accuracy",
        validation=loader(50),
    )
    assert history["loss"][-1] < 0.2 < history["loss"][0]
    assert history["val_accuracy"][-1] > 0.95
    assert history["val_loss"][-1] == evaluate(model, CrossEntropyLoss(), loader(50))["loss"]


def test_means_are_weighted_by_samples() -> None:
    batches = [(np.zeros((3, 1)), np.zeros(3)), (np.zeros((1, 1)), np.ones(1))]
    result = evaluate(
        lambda x: x[:, 0],
        lambda output, target: ((output - target) ** 2).mean(),
        batches,
        {"size": lambda output, target: Tensor(np.array(float(len(target))))},
    )
    assert result == {"loss": 0.25, "size": (3 * 3 + 1) / 4}


def test_several_inputs_and_any_callable_model() -> None:
    w = tensor([1.0], requires_grad=True)
    history = fit(
        lambda a, b: a * w + b,
        MSELoss(),
        SGD([w], lr=0.1),
        [(tensor([1.0]), tensor([0.0]), tensor([3.0]))],
        50,
    )
    assert w.item() == pytest.approx(3.0, abs=1e-3)
    assert len(history) == 50


def test_modes_are_restored_part_by_part() -> None:
    class Watch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lin = Linear(4, 2)
            self.frozen = ReLU()
            self.seen: list[Any] = []

        def forward(self, x: Any) -> Any:
            self.seen.append((self.training, self.frozen.training, is_grad_enabled()))
            return self.frozen(self.lin(x))

    model = Watch()
    model.frozen.eval()
    evaluate(model, CrossEntropyLoss(), loader(50))
    assert model.seen == [(False, False, False)]
    assert (model.training, model.frozen.training) == (True, False)
    model.eval()
    model.seen.clear()
    optimizer = SGD(model.parameters())
    fit(model, CrossEntropyLoss(), optimizer, loader(25), 1, validation=loader(50))
    assert model.seen == [(True, True, True)] * 2 + [(False, False, False)]
    assert not model.training
    with pytest.raises(TypeError, match="not a scalar"):
        evaluate(model.train(), lambda output, target: output, loader(50))
    assert model.training
    assert is_grad_enabled()


def test_schedulers_step_once_an_epoch_or_once_a_batch() -> None:
    model = network()
    optimizer = SGD(model.parameters(), lr=1e-3)
    scheduler = StepLR(optimizer, 2, gamma=0.5)
    history = fit(model, CrossEntropyLoss(), optimizer, loader(), 5, scheduler=scheduler)
    assert history["lr"] == [1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4]
    cycle = OneCycleLR(SGD(model.parameters()), 0.1, epochs=2, steps_per_epoch=4,
                       cycle_momentum=False)  # fmt: skip
    fit(model, CrossEntropyLoss(), cycle.optimizer, loader(), 2, scheduler=cycle)
    assert cycle.last_epoch == 8
    optimizer = SGD(model.parameters(), lr=0.0)
    plateau = ReduceLROnPlateau(optimizer, patience=0)
    first = evaluate(model, CrossEntropyLoss(), loader(7))["loss"]
    args = (model, CrossEntropyLoss(), optimizer, loader(), 1)
    fit(*args, scheduler=plateau, validation=loader(7))
    assert plateau.best == first
    plateau = ReduceLROnPlateau(optimizer, patience=0)
    assert fit(*args, scheduler=plateau)["loss"] == [plateau.best]


def test_callbacks_see_each_epoch_and_can_stop() -> None:
    model, seen = network(), []

    def note(history: History) -> None:
        seen.append(len(history))

    history = fit(
        model,
        CrossEntropyLoss(),
        SGD(model.parameters()),
        loader(),
        10,
        callbacks=[lambda h: len(h) == 3, note],
    )
    assert (len(history), seen, history.interrupted) == (3, [1, 2, 3], False)
    assert len(fit(model, CrossEntropyLoss(), SGD(model.parameters()), loader(), 0)) == 0


class Writer:
    """What a SummaryWriter of TensorBoard has."""

    def __init__(self) -> None:
        self.written: list[tuple[str, float, int]] = []

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        self.written.append((tag, scalar_value, global_step))

    def __call__(self, history: History) -> bool:
        return True  # which would end the training


def test_a_summary_writer_gets_every_column_of_every_epoch() -> None:
    model, writer = network(), Writer()
    optimizer = SGD(model.parameters(), lr=0.1)
    schedule = StepLR(optimizer, 1, gamma=0.5)
    history = fit(
        model, CrossEntropyLoss(), optimizer, loader(), 2, metrics="accuracy",
        validation=loader(), scheduler=schedule, callbacks=[writer],
    )  # fmt: skip
    tags = ["lr", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert writer.written == [(tag, history[tag][e], e + 1) for e in range(2) for tag in tags]


def test_a_loss_that_is_not_finite_warns_once() -> None:
    w = tensor([1.0], requires_grad=True)
    data = [(tensor([1.0]), tensor([0.0])), (tensor([float("nan")]), tensor([0.0]))]
    with pytest.warns(RuntimeWarning, match="the loss is nan in epoch 1, batch 2; a lower") as seen:
        history = fit(lambda x: x * w, MSELoss(), SGD([w]), data, 3)
    assert len(seen) == 1
    assert seen[0].filename == __file__
    assert np.isnan(history["loss"]).tolist() == [True] * 3


# History


def test_history_reads_like_a_table() -> None:
    history = History()
    assert repr(history) == "History(no whole epoch)"
    history.rows += [{"epoch": i, "loss": 1 / i} for i in range(1, 31)]
    lines = repr(history).splitlines()
    assert lines[0] == " epoch     loss"
    assert lines[1] == "     1        1"
    assert lines[3] == "     3   0.3333"
    assert len(lines) == 22
    assert lines[11].split() == ["...", "..."]
    assert lines[-1].split() == ["30", "0.03333"]
    assert "loss" in history and "val_loss" not in history
    assert (history.keys(), len(history)) == (["epoch", "loss"], 30)
    with pytest.raises(KeyError, match="there is no 'val_loss'; there are epoch, loss"):
        history["val_loss"]
    history.interrupted = True
    assert repr(history).endswith("\n interrupted")


# Accuracy


@pytest.mark.parametrize(
    ("output", "target", "kw", "expected"),
    [
        ([[1.0, 2.0], [3.0, 0.0]], [1, 1], {}, 0.5),
        ([[1.0, 2.0], [3.0, 0.0]], [[0.0, 1.0], [0.9, 0.1]], {}, 1.0),
        ([1.0, -1.0, 0.0, 5.0], [1, 0, 1, 1], {}, 0.75),
        ([0.4, 0.6], [0.0, 1.0], {"threshold": 0.5}, 1.0),
        ([[1.0], [-1.0]], [[1.0], [1.0]], {}, 0.5),
        (np.eye(3)[None].repeat(2, 0), [[0, 1, 2], [0, 0, 0]], {}, 4 / 6),
        (np.zeros((0, 3)), np.zeros(0, int), {}, float("nan")),
    ],
)
def test_accuracy(output: Any, target: Any, kw: Any, expected: float) -> None:
    found = accuracy(np.asarray(output), np.asarray(target), **kw)
    assert found == pytest.approx(expected, nan_ok=True)
    assert isinstance(found, float)
    assert accuracy(Tensor(np.asarray(output)), Tensor(np.asarray(target)), **kw) == pytest.approx(
        expected, nan_ok=True
    )


@pytest.mark.parametrize(("a", "b"), [((4, 1), (4,)), ((4, 3), (5,)), ((4,), (4, 1)), ((), ())])
def test_accuracy_refuses_shapes_that_would_broadcast(a: Any, b: Any) -> None:
    with pytest.raises(ValueError, match=rf"output of shape {re.escape(str(a))} and a target"):
        accuracy(np.zeros(a), np.zeros(b))


# Errors


def test_errors_name_the_cause() -> None:
    model = network()
    optimizer = SGD(model.parameters())
    once = iter([(X, Y)])
    loss = CrossEntropyLoss()
    refused: list[tuple[Callable[[], Any], type[Exception], str]] = [
        (lambda: fit(model, loss, optimizer, loader(), -1), ValueError, "epochs is -1"),
        (lambda: fit(model, loss, optimizer, [], 1), ValueError, "fit: the loader gave no batches"),
        (lambda: fit(model, loss, optimizer, once, 2), ValueError, "a generator that was used up"),
        (lambda: evaluate(model, loss, []), ValueError, "evaluate: the loader gave no batches"),
        (
            lambda: fit(model, loss, optimizer, loader(), 1, validation=[]),
            ValueError,
            "fit: validation: the loader gave no batches",
        ),
        (lambda: evaluate(model, loss, [X]), TypeError, r"a batch is a ndarray; .* \(input, targ"),
        (lambda: evaluate(model, loss, [(X,)]), TypeError, "a batch is a tuple"),
        (lambda: evaluate(model, lambda o, t: 1.0, [(X, Y)]), TypeError, "float.*not a scalar"),
        (
            lambda: evaluate(model, lambda o, t: o, [(X, Y)]),
            TypeError,
            r"tensor of shape \(50, 2\), not a scalar",
        ),
        (
            lambda: fit(model, loss, optimizer, loader(), 1, metrics=["f1"]),
            ValueError,
            r"no metric 'f1'; known are accuracy, others are given as a dictionary",
        ),
        (
            lambda: fit(model, loss, optimizer, loader(), 1, progress="yes"),
            ValueError,
            "progress is 'yes'; it is True, False or 'auto'",
        ),
    ]
    for call, error, text in refused:
        with pytest.raises(error, match=text):
            call()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# Ctrl-C


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def batches_with(action: Callable[[], None], at: int, count: int = 4) -> Any:
    """A loader that does something before one of its batches, counted over all epochs."""
    given: list[int] = []

    class Loader:
        def __iter__(self) -> Iterator[Any]:
            for _ in range(count):
                given.append(1)
                if len(given) == at:
                    action()
                yield X, Y

    return Loader(), given


def test_ctrl_c_finishes_the_batch_and_returns_the_history(capsys: Any) -> None:
    model = network()
    batches, given = batches_with(press, at=10)
    optimizer = Adam(model.parameters())
    history = fit(model, CrossEntropyLoss(), optimizer, batches, 5, validation=[(X, Y)])
    assert history.interrupted
    assert len(history) == 2
    assert len(given) == 10
    steps = {state["step"] for state in optimizer.state.values()}
    assert steps == {10}  # the batch at hand was finished, for every parameter
    said = "interrupted in epoch 3 of 5, after 2 batches of it; the history holds 2 whole epochs"
    assert said in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert model.training


def test_a_second_ctrl_c_stops_at_once() -> None:
    def twice() -> None:
        press()
        press()

    model = network()
    batches, _ = batches_with(twice, at=2)
    optimizer = Adam(model.parameters())
    history = fit(model, CrossEntropyLoss(), optimizer, batches, 5)
    assert history.interrupted
    assert {state["step"] for state in optimizer.state.values()} == {1}
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_epoch_that_is_interrupted_before_its_first_batch_has_none(capsys: Any) -> None:
    class Loader:
        epochs = 0

        def __iter__(self) -> Iterator[Any]:
            self.epochs += 1
            if self.epochs == 2:
                raise KeyboardInterrupt  # as a second Ctrl-C is, while the first batch is read
            return iter([(X, Y)] * 3)

    model = network()
    history = fit(model, CrossEntropyLoss(), SGD(model.parameters()), Loader(), 5)
    assert (history.interrupted, len(history)) == (True, 1)
    assert "interrupted in epoch 2 of 5, after 0 batches of it;" in capsys.readouterr().err


def test_ctrl_c_in_validation_drops_the_unfinished_epoch() -> None:
    model = network()
    batches, given = batches_with(press, at=6)
    optimizer = SGD(model.parameters())
    history = fit(model, CrossEntropyLoss(), optimizer, [(X, Y)], 5, validation=batches)
    assert (history.interrupted, len(history), len(given)) == (True, 1, 6)


def test_a_handler_of_the_user_stays() -> None:
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(1))
    try:
        model = network()
        batches, _ = batches_with(press, at=2)
        history = fit(model, CrossEntropyLoss(), SGD(model.parameters()), batches, 1)
        assert (pressed, history.interrupted) == ([1], False)
    finally:
        signal.signal(signal.SIGINT, before)


def test_fit_works_in_a_thread() -> None:
    model, histories = network(), []

    def run() -> None:
        optimizer = SGD(model.parameters())
        histories.append(fit(model, CrossEntropyLoss(), optimizer, loader(), 2))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert len(histories[0]) == 2


# The bar

SCRIPT = """
    import sys
    {before}
    import numpy as np
    from nn import Linear, MSELoss
    from nn.optim import SGD
    from nn.train import fit
    model = Linear(1, 1)
    data = [(np.ones((2, 1), np.float32), np.ones((2, 1), np.float32))] * 5
    fit(model, MSELoss(), SGD(model.parameters()), data, 2{more})
    print("tqdm" in sys.modules and sys.modules["tqdm"] is not None)
"""


def script(before: str = "", more: str = "") -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(SCRIPT).format(before=before, more=more)]


def in_a_pipe(**kw: str) -> tuple[int, str, str]:
    done = subprocess.run(
        script(**kw), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return done.returncode, done.stdout.strip(), done.stderr


def on_a_terminal(**kw: str) -> tuple[int, str, str]:
    """Run with standard error on a pseudo-terminal."""
    pty = pytest.importorskip("pty")
    control, terminal = pty.openpty()
    with subprocess.Popen(
        script(**kw), cwd=ROOT, stdout=subprocess.PIPE, stderr=terminal, text=True
    ) as process:
        os.close(terminal)
        shown = b""
        try:
            while chunk := os.read(control, 4096):
                shown += chunk
        except OSError:  # Linux says so when the other end is closed
            pass
        os.close(control)
        assert process.stdout is not None
        return process.wait(PATIENCE), process.stdout.read().strip(), shown.decode()


NO_TQDM = "sys.modules['tqdm'] = None"


def test_the_bar_on_a_terminal_and_silence_in_a_pipe() -> None:
    pytest.importorskip("tqdm")
    code, said, shown = on_a_terminal()
    assert (code, said) == (0, "True")
    assert "epoch 2/2: 100%" in shown
    assert "10/10" in shown
    assert "loss " in shown
    assert in_a_pipe() == (0, "False", "")
    assert on_a_terminal(more=", progress=False") == (0, "False", "")
    code, said, shown = in_a_pipe(more=", progress=True")
    assert (code, said) == (0, "True")
    assert "epoch 2/2: 100%" in shown


def test_without_tqdm_nothing_breaks() -> None:
    assert on_a_terminal(before=NO_TQDM) == (0, "False", "")
    code, _, shown = in_a_pipe(before=NO_TQDM, more=", progress=True")
    assert code == 1
    assert shown.splitlines()[-1] == (
        "ImportError: fit: progress=True needs tqdm; install it with: pip install tqdm"
    )


# ---- with generated code -----------------------------------------------------------------------


def compiled_pair(fit_of: Any, **options: Any) -> list[Any]:
    """The same training with and without generated code: histories and parameters."""
    ends = []
    for compile in (False, True):
        manual_seed(0)
        rng = np.random.default_rng(0)
        x, y = rng.standard_normal((53, 4)).astype("f"), rng.integers(0, 3, 53)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
        loader = nn.data.DataLoader(nn.data.TensorDataset(x, y), batch_size=8, shuffle=True)
        optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
        history = fit_of(model, optimizer, loader, compile=compile, **options)
        ends.append((history, [p.numpy(force=True).copy() for p in model.parameters()], loader))
    return ends


def test_generated_code_trains_on_the_batches_of_the_loader() -> None:
    def run(model: Any, optimizer: Any, loader: Any, **kw: Any) -> Any:
        valid = [(np.zeros((2, 4), "f"), np.array([0, 1]))]
        return nn.train.fit(
            model, nn.CrossEntropyLoss(), optimizer, loader, 4, validation=valid, **kw
        )

    (plain, a, one), (made, b, other) = compiled_pair(run, metrics="accuracy", progress=False)
    assert made["loss"] == pytest.approx(plain["loss"], rel=1e-5)
    assert made["val_accuracy"] == plain["val_accuracy"]
    assert "accuracy" not in made
    for p, q in zip(a, b, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-4, atol=1e-6)
    assert one.state_dict() == other.state_dict()


def test_generated_code_with_a_schedule_of_every_batch_or_another_loader() -> None:
    def run(model: Any, optimizer: Any, loader: Any, **kw: Any) -> Any:
        schedule = nn.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=14)
        nn.train.fit(model, nn.CrossEntropyLoss(), optimizer, loader, 2, scheduler=schedule, **kw)
        batches = [
            (np.ones((3, 4), "f"), np.array([0, 1, 2])),
            (np.ones((1, 4), "f"), np.array([0])),
        ]
        return nn.train.fit(model, nn.CrossEntropyLoss(), optimizer, batches, 3, **kw)

    (plain, a, _), (made, b, _) = compiled_pair(run)
    assert made["loss"] == pytest.approx(plain["loss"], rel=1e-5)
    for p, q in zip(a, b, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-4, atol=1e-6)


def test_generated_code_goes_on_from_a_checkpoint_to_the_bit(tmp_path: Path) -> None:
    def trained(folder: Path, *epochs: int) -> list[Any]:
        for n in epochs:
            manual_seed(0)
            x, y = np.arange(80, dtype="f").reshape(20, 4) / 80, np.arange(20) % 3
            model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.Linear(8, 3))
            loader = nn.data.DataLoader(nn.data.TensorDataset(x, y), batch_size=8, shuffle=True)
            optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
            nn.train.fit(
                model, nn.CrossEntropyLoss(), optimizer, loader, n, checkpoint=folder, compile=True
            )
        return [p.numpy(force=True).copy() for p in model.parameters()]

    for p, q in zip(trained(tmp_path / "a", 4), trained(tmp_path / "b", 2, 4), strict=True):
        assert np.array_equal(p, q)


def test_generated_code_warns_of_a_loss_that_is_none_and_ends_after_ctrl_c() -> None:
    x, y = np.ones((200_000, 4), "f"), np.ones((200_000, 1), "f")
    x[17] = np.nan
    model = nn.Linear(4, 1)
    loader = nn.data.DataLoader(nn.data.TensorDataset(x, y), batch_size=4)
    optimizer = nn.optim.SGD(model.parameters(), lr=1e-3)
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.warns(RuntimeWarning, match="epoch 1, batch 5") as seen:
        history = nn.train.fit(model, nn.MSELoss(), optimizer, loader, 10_000, compile=True)
    timer.join()
    assert [w.filename for w in seen] == [__file__]
    assert history.interrupted
