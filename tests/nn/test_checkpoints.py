"""A training that is killed goes on to the bit, and a file is whole, the old or the new one."""

from __future__ import annotations

import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_lite import Tensor, compile, default_generator, get_rng_state, manual_seed, rand
from nn import BatchNorm1d, CrossEntropyLoss, Dropout, Linear, Module, MSELoss, ReLU, Sequential
from nn.checkpoints import load_checkpoint, save_checkpoint
from nn.data import DataLoader, RandomSampler, TensorDataset
from nn.optim import SGD, Adam, lr_scheduler
from nn.serialize import load, save
from nn.train import History, fit

ROOT = Path(__file__).resolve().parents[2]


class Recorded:
    """A loader that remembers in which order samples came, as a loader of a user may."""

    def __init__(self, loader: DataLoader) -> None:
        self.loader, self.order = loader, hashlib.sha256()
        self.digest = ""

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        for x, y, i in self.loader:
            text = self.digest + str(i.tolist())
            self.digest = hashlib.sha256(text.encode()).hexdigest()
            yield x, y

    def state_dict(self) -> dict[str, Any]:
        return {"loader": self.loader.state_dict(), "digest": self.digest}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.loader.load_state_dict(state["loader"])
        self.digest = state["digest"]


def training(kind: str) -> dict[str, Any]:
    """All that makes up a training, from a fixed beginning."""
    manual_seed(0)
    rng = np.random.default_rng(0)
    data = TensorDataset(
        rng.standard_normal((40, 6)).astype(np.float32), rng.integers(0, 3, 40), np.arange(40)
    )
    model = Sequential(Linear(6, 8), BatchNorm1d(8), ReLU(), Dropout(0.3), Linear(8, 3))
    if kind == "SGD":
        optimizer: Any = SGD(model.parameters(), lr=0.05, momentum=0.9)
        scheduler: Any = lr_scheduler.StepLR(optimizer, 3, gamma=0.9)
        generator = np.random.default_rng(1)
    else:
        optimizer = Adam(model.parameters(), lr=0.01)
        scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, factor=0.9)
        generator = None
    loader = Recorded(DataLoader(data, 8, shuffle=True, generator=generator))
    return {
        "model": model, "loss_fn": CrossEntropyLoss(), "optimizer": optimizer, "loader": loader,
        "scheduler": scheduler,
    }  # fmt: skip


def result(parts: dict[str, Any], history: History) -> Any:
    """What has to be the same to the bit."""
    digest = hashlib.sha256()
    for t in parts["model"].state_dict().values():
        digest.update(t.array.tobytes())
    for s in parts["optimizer"].state_dict()["state"].values():
        for _, a in sorted(s.items()):
            digest.update(np.asarray(a).tobytes())
    return digest.hexdigest(), history.rows, parts["loader"].digest, rand(1).item()


def run(kind: str, epochs: int, folder: Any = None, **kw: Any) -> Any:
    parts = training(kind)
    history = fit(
        **parts, epochs=epochs, checkpoint=folder, progress=False, metrics="accuracy", **kw
    )
    return result(parts, history)


KINDS = ["SGD", "Adam"]

# ---- fit -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("every", [1, 2])
def test_a_training_goes_on_to_the_bit(kind: str, every: int, tmp_path: Path) -> None:
    whole = run(kind, 7)
    folder = tmp_path / "new" / "run"
    run(kind, 3, folder, every=every)
    default_generator().random(5)
    assert run(kind, 7, folder, every=every) == whole
    assert sorted(p.name for p in folder.iterdir()) == [f"epoch-{n:04}.npz" for n in (6, 7)]
    assert run(kind, 7, folder) == whole  # nothing is left to do
    assert run(kind, 5, folder)[:2] == whole[:2]


def test_keep_last_and_resume(tmp_path: Path) -> None:
    run("SGD", 5, tmp_path, keep_last=None)
    assert len(list(tmp_path.iterdir())) == 5
    with pytest.raises(ValueError, match="holds checkpoints of another training; give an empty"):
        run("SGD", 6, tmp_path, resume=False)
    (tmp_path / "notes.txt").write_text("mine")
    run("SGD", 6, tmp_path, keep_last=1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["epoch-0006.npz", "notes.txt"]
    for kw in ({"every": 0}, {"keep_last": 0}, {"every": None}, {"every": 1.5}):
        with pytest.raises(ValueError, match=f"fit: {next(iter(kw))} is"):
            run("SGD", 6, tmp_path, **kw)


def test_a_damaged_last_file_is_told_with_the_one_before(tmp_path: Path) -> None:
    run("SGD", 3, tmp_path)
    last = tmp_path / "epoch-0003.npz"
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.raises(ValueError, match="epoch-0003") as caught:
        run("SGD", 4, tmp_path)
    assert "remove it to go on from" in caught.value.__notes__[-1]
    assert "epoch-0002.npz" in caught.value.__notes__[-1]
    last.unlink()
    assert run("SGD", 4, tmp_path) == run("SGD", 4)


class Stopping:
    """A callback with a state: it ends the training at its third call."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, history: History) -> bool:
        self.calls += 1
        return self.calls == 3

    def state_dict(self) -> dict[str, Any]:
        return {"calls": self.calls}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.calls = state["calls"]


def test_callbacks_have_states_and_an_end_stays_an_end(tmp_path: Path) -> None:
    for epochs, rows in ((2, 2), (9, 3), (9, 3)):
        callback = Stopping()
        _, history, *_ = run("SGD", epochs, tmp_path, callbacks=[callback])
        assert len(history) == callback.calls == rows


def test_ctrl_c_loses_the_epoch_at_hand_alone(tmp_path: Path) -> None:
    whole = run("Adam", 6)

    class Pressing(Stopping):
        def __call__(self, history: History) -> bool:
            self.calls += 1
            if self.calls == 4:
                signal.raise_signal(signal.SIGINT)
            return False

    run("Adam", 6, tmp_path, callbacks=[Pressing()])
    assert run("Adam", 6, tmp_path, callbacks=[Pressing()]) == whole


def test_what_a_checkpoint_would_lose_is_refused(tmp_path: Path) -> None:
    w = Tensor([1.0], requires_grad=True)
    loader = [(np.ones(1, np.float32), np.ones(1, np.float32))]
    optimizer = SGD([w], lr=0.1)
    with pytest.raises(
        ValueError, match=r"fit: checkpoint= would lose a parameter of shape \(1,\)"
    ):
        fit(lambda x: w * x, MSELoss(), optimizer, loader, 1, checkpoint=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_another_model_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    run("SGD", 2, tmp_path)
    manual_seed(3)
    model = Linear(6, 3)
    before = model.weight.tolist(), get_rng_state()
    parts = training("SGD") | {"model": model, "optimizer": SGD(model.parameters(), lr=0.1)}
    manual_seed(3)
    with pytest.raises(RuntimeError, match="load_state_dict: this state does not fit Linear") as e:
        fit(**parts, epochs=3, checkpoint=tmp_path)
    assert "load_checkpoint: 'model' of" in e.value.__notes__[0]
    assert model.weight.tolist() == before[0]


# ---- by hand -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pt", "memory"])
def test_parts_come_back(suffix: str, tmp_path: Path) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    file: Any = io.BytesIO() if suffix == "memory" else tmp_path / f"a{suffix}"
    parts = training("SGD")
    del parts["loss_fn"]
    parts["generator"] = np.random.Generator(np.random.MT19937(3))
    parts["generator"].random(3)
    history = History()
    history.rows.append({"epoch": 1, "loss": 0.5})
    values = {
        "epoch": 4,
        "best": float("inf"),
        "names": ["a", None, (1, 2**100)],
        "scheduled": None,
    }
    save_checkpoint(file, **parts, history=history, **values)
    place = [parts["generator"].random(), rand(1).item()]
    other = training("SGD")
    del other["loss_fn"]
    other["generator"] = np.random.Generator(np.random.MT19937(4))
    if suffix == "memory":
        file.seek(0)
    found = load_checkpoint(file, **other, history=(second := History()), scheduled=None)
    assert found == values and second.rows == history.rows
    assert [other["generator"].random(), rand(1).item()] == place
    assert other["optimizer"].state_dict() == parts["optimizer"].state_dict()


@pytest.mark.parametrize("optimizer", ["LBFGS", "Adagrad", "NAdam", "RMSprop"])
def test_every_optimizer_goes_on(optimizer: str, tmp_path: Path) -> None:
    import nn.optim

    def made() -> tuple[Any, Any, Callable[[], Any]]:
        w = Tensor(np.array([[1.0, -2.0], [0.5, 3.0]]), requires_grad=True)
        o = getattr(nn.optim, optimizer)([w], lr=0.05)

        def closure() -> Any:
            o.zero_grad()
            loss = (w**4).sum()
            loss.backward()
            return loss

        return w, o, closure

    w, o, closure = made()
    for _ in range(3):
        o.step(closure)
    save_checkpoint(tmp_path / "a.npz", optimizer=o, w=w)
    w2, o2, closure2 = made()
    found = load_checkpoint(tmp_path / "a.npz", optimizer=o2)
    w2.data = Tensor(found["w"])
    for _ in range(3):
        o.step(closure)
        o2.step(closure2)
    assert np.array_equal(w.array, w2.array)


def test_errors_name_the_file_and_the_part(tmp_path: Path) -> None:
    model = Linear(2, 1)
    save({"w": np.ones(1)}, tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"a\.npz' is a file of arrays, but no checkpoint"):
        load_checkpoint(tmp_path / "a.npz", model=model)
    save({"default_generator": 3, "model": {}}, tmp_path / "c.npz")
    with pytest.raises(ValueError, match=r"c\.npz' is a file of arrays, but no checkpoint"):
        load_checkpoint(tmp_path / "c.npz", model=model)
    save_checkpoint(tmp_path / "b.npz", model=model, epoch=1)
    with pytest.raises(ValueError, match=r"b\.npz' has no state for optimizer; it holds default_"):
        load_checkpoint(tmp_path / "b.npz", optimizer=SGD(model.parameters()))
    with pytest.raises(TypeError, match=r"a list has no load_state_dict\(\)"):
        load_checkpoint(tmp_path / "b.npz", model=[])
    with pytest.raises(TypeError, match="the name 'default_generator' is taken"):
        save_checkpoint(tmp_path / "b.npz", default_generator=1)
    with pytest.raises(TypeError, match="save: 'f' is a builtin_function_or_method"):
        save_checkpoint(tmp_path / "b.npz", f=print)
    assert load_checkpoint(tmp_path / "b.npz", model=model) == {"epoch": 1}


def test_what_fails_late_leaves_the_parts_before_it(tmp_path: Path) -> None:
    model = Linear(2, 1)
    save_checkpoint(tmp_path / "a.npz", model=model, optimizer=SGD(model.parameters(), lr=0.5))
    other = Linear(2, 1)
    before = other.weight.tolist()
    wrong = SGD([Tensor(np.ones(1))], lr=0.1)
    state = get_rng_state()
    with pytest.raises(ValueError, match="group 0 has 2 parameters") as caught:
        load_checkpoint(tmp_path / "a.npz", model=other, optimizer=wrong)
    assert "'optimizer' of" in caught.value.__notes__[0]
    assert other.weight.tolist() == before and get_rng_state() == state


def test_loaders_have_the_places_of_their_generators() -> None:
    data = TensorDataset(np.arange(9))
    makers: list[Callable[[Any], DataLoader]] = [
        lambda g: DataLoader(data, 2, shuffle=True, generator=g),
        lambda g: DataLoader(data, 2, sampler=RandomSampler(data, generator=g)),
    ]
    for maker in makers:
        first, second = maker(np.random.default_rng(1)), maker(np.random.default_rng(2))
        list(first)
        second.load_state_dict(first.state_dict())
        assert str(list(first)) == str(list(second))
        with pytest.raises(ValueError, match="1 generators are saved, and do not fit the 0 that"):
            DataLoader(data).load_state_dict(first.state_dict())


# ---- killed --------------------------------------------------------------------------------------

SCRIPT = """
import sys
from tests.nn.test_checkpoints import run
print("ready", flush=True)
print(run(sys.argv[1], int(sys.argv[2]), sys.argv[3]), flush=True)
"""


def process(code: str, *args: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)


def killed(code: str, *args: Any, after: float) -> bool:
    """Whether a process was killed so long after its first line; False if it had ended."""
    with process(code, *args) as p:
        assert p.stdout is not None and p.stdout.readline() == "ready\n"
        time.sleep(after)
        p.kill()
    return p.returncode == -signal.SIGKILL


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
@pytest.mark.parametrize(("kind", "kills"), [("SGD", 2), ("Adam", 2)])
def test_a_training_that_is_killed_ends_with_the_same_bits(
    kind: str, kills: int, tmp_path: Path
) -> None:
    rng = random.Random(kind)
    epochs = 20 * kills
    count = sum(
        killed(SCRIPT, kind, epochs, tmp_path / "run", after=rng.uniform(0, 0.1))
        for _ in range(kills)
    )
    found = []
    for folder in ("run", "whole"):
        with process(SCRIPT, kind, epochs, tmp_path / folder) as p:
            assert p.stdout is not None
            found.append(p.stdout.read())
        assert p.returncode == 0
        assert len(list((tmp_path / folder).iterdir())) == 2  # no leftovers
    assert found[0] == found[1] != ""
    assert count >= kills / 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_200_kills(kind: str, tmp_path: Path) -> None:
    test_a_training_that_is_killed_ends_with_the_same_bits(kind, 100, tmp_path)


SAVING = """
import sys
import numpy as np
from nn.serialize import save
print("ready", flush=True)
while True:
    save({"w": np.full(300_000, float(sys.argv[2]))}, sys.argv[1])
"""


def check_kills(folder: Path, kills: int) -> None:
    path = folder / "a.npz"
    rng = random.Random(0)
    save({"w": np.zeros(300_000)}, path)
    for n in range(1, kills + 1):
        killed(SAVING, path, n, after=rng.uniform(0, 0.05))
        values = set(load(path)["w"].tolist())
        assert len(values) == 1 and values <= {0.0, float(n), float(n - 1)}
        assert len(list(folder.iterdir())) <= 2  # a leftover goes at the next save
        save({"w": np.full(300_000, float(n))}, path)
        assert list(folder.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_saves_that_are_killed_leave_a_whole_file_and_nothing_else(tmp_path: Path) -> None:
    check_kills(tmp_path, 4)


@pytest.mark.slow
def test_80_kills_of_saves(tmp_path: Path) -> None:
    check_kills(tmp_path, 80)


def test_two_writers_and_a_reader(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save({"w": np.full(300_000, 1.0)}, path)
    writers = [process(SAVING, path, n) for n in (1, 2)]
    seen = set()
    try:
        for p in writers:
            assert p.stdout is not None and p.stdout.readline() == "ready\n"
        end = time.monotonic() + 10
        while time.monotonic() < end and len(seen) < 2:
            values = set(load(path)["w"].tolist())
            assert len(values) == 1
            seen |= values
        assert all(p.poll() is None for p in writers)  # neither failed
    finally:
        for p in writers:
            p.kill()
            p.wait()
            p.stdout.close()  # type: ignore[union-attr]
    assert seen == {1.0, 2.0}


FULL = """
import resource, sys
import numpy as np
from nn.serialize import save
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save({"w": np.ones(300_000)}, sys.argv[1])
except OSError as error:
    print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits are POSIX's")
@pytest.mark.parametrize("suffix", [".npz", ".pt"])
def test_a_file_that_cannot_grow_is_a_clear_error(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    save({"w": np.zeros(3)}, path)
    with process(FULL, path) as p:
        assert p.stdout is not None
        assert p.stdout.read() == f"[Errno 27] save: cannot write: File too large: '{path}'\n"
    assert load(path)["w"].tolist() == [0.0] * 3 and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_private_file_is_private_while_it_is_written(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "a.npz"
    save({"w": np.zeros(3)}, path)
    path.chmod(0o600)
    modes = []
    real = os.fsync

    def noting(fd: int) -> None:
        modes.append(os.fstat(fd).st_mode & 0o777)
        real(fd)

    monkeypatch.setattr(os, "fsync", noting)
    save({"w": np.zeros(3)}, path)
    assert modes == [0o600] and path.stat().st_mode & 0o777 == 0o600


# ---- compiled steps ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["SGD", "momentum", "Adam"])
def test_compiled_steps_go_on_to_the_bit(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    xs = rng.standard_normal((24, 8, 20)).astype(np.float32)
    ys = rng.integers(0, 5, (24, 8))

    def made() -> tuple[Module, Any, Any]:
        manual_seed(0)
        model = Sequential(
            Linear(20, 32), BatchNorm1d(32), ReLU(), Dropout(0.2), Linear(32, 16), Linear(16, 5)
        )
        optimizer: Any = (
            Adam(model.parameters(), lr=0.01)
            if kind == "Adam"
            else SGD(model.parameters(), lr=0.1, momentum=0.9 * (kind == "momentum"))
        )
        loss_fn = CrossEntropyLoss()
        return model, optimizer, compile(lambda x, y: loss_fn(model(x), y), optimizer=optimizer)

    def steps(step: Any, numbers: range) -> list[float]:
        return [step(Tensor(xs[i]), Tensor(ys[i])).item() for i in numbers]

    model, optimizer, step = made()
    steps(step, range(8))
    save_checkpoint(tmp_path / "a.npz", model=model, optimizer=optimizer)
    whole = steps(step, range(8, 24))
    other, optimizer, step = made()
    load_checkpoint(tmp_path / "a.npz", model=other, optimizer=optimizer)
    assert steps(step, range(8, 24)) == whole
    for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        assert np.array_equal(a.array, b.array)
