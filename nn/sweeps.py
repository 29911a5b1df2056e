"""One training many times: over settings, and from many random starts, on all cores.

    for trial in sweep(train, {"lr": [0.1, 0.01], "hidden": [8, 32]}, starts=20, file="lr.sqlite"):
        print(trial)

joblib (`pip install "autograd_lite[sweep]"`) starts the processes, its own kind or, within
`joblib.parallel_config(backend="dask")`, those of a cluster.
"""

from __future__ import annotations

import inspect
import itertools
import json
import os
import random
import signal
import sqlite3
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np

import autograd_lite.random as rng
from autograd_lite import work

from .serialize import load, save

__all__ = ["Sweep", "Trial", "sweep"]

Settings = dict[str, Any]


@dataclass(frozen=True)
class Trial:
    """A training: with which settings, from which start, what it returned, in how many seconds.

    `number` is its place in the grid, all starts of the first settings being first. `error` is the
    traceback of one that raised, and else "".
    """

    number: int
    settings: Settings
    start: int
    result: Any = None
    error: str = field(default="", repr=False)
    seconds: float = field(default=0.0, repr=False)


def sweep(
    train: Callable[..., Any],
    grid: Mapping[str, Iterable[Any]] | Iterable[Mapping[str, Any]] | None = None,
    *,
    starts: int = 1,
    seed: int = 0,
    jobs: int | None = None,
    file: str | os.PathLike[str] | None = None,
    progress: bool | str = "auto",
) -> Sweep:
    """Call `train(**settings)` for all settings of a grid from many starts; trials as they end.

    grid: values by the name of a setting, of which all combinations are tried, or a list of
        settings; None for no settings at all.
    starts: how often each is tried. Before a trial the generators of autograd_lite, of NumPy's
        functions and of `random` are seeded by `seed` and the number of the start alone: so a
        trial is the same whatever else is tried, in any order, and with any number of jobs.
    jobs: processes, by default one for each core where joblib is installed, without which there is
        this one alone; ImportError for more. Another backend of joblib runs the trials within its
        `parallel_config(backend=)`; threads take turns.
    file: where results are kept, a database of SQLite: what it holds is not computed again, so
        after a crash the same call goes on. Results are then trees of arrays and numbers, as
        `nn.serialize.save` takes them, and a Tensor comes back as an array. A function is known by
        its name alone: take another file when its code has changed.
    progress: "auto" shows a bar on a terminal, True insists on it, False never shows one.

    A trial that raises ends none of the others: the first one is a RuntimeWarning, and all are in
    `failed` of the Sweep. Ctrl-C ends the sweep, and a line on standard error says so: then
    `interrupted` is set, and what there is stays. ValueError for an empty grid, and a file of
    another kind; TypeError for settings that `train` does not take or that have no name in a file.

    >>> from autograd_lite import randn
    >>> def train(lr):
    ...     w = randn(3)
    ...     return float((w * (1 - lr)).square().sum())
    >>> trials = sorted(sweep(train, {"lr": [0.1, 0.5]}, starts=2, jobs=1), key=lambda t: t.result)
    >>> [trial.settings["lr"] for trial in trials]
    [0.5, 0.1, 0.5, 0.1]
    """
    if not isinstance(starts, int) or starts < 1:
        raise ValueError(f"sweep: starts is {starts!r}; it is a number from 1")
    chosen = _combined(grid)
    tasks = [
        Trial(i, s, start) for i, (s, start) in enumerate(itertools.product(chosen, range(starts)))
    ]
    for settings in chosen:
        try:
            inspect.signature(train).bind(**settings)
        except TypeError as error:
            raise TypeError(f"sweep: train does not take {settings}: {error}") from None
    kept = None if file is None else _File(os.fspath(file), train, seed, tasks)
    return Sweep(train, tasks, seed, jobs, kept, progress)


class Sweep:
    """The trials of a sweep, each once, as they end; `len` says how many there are in all."""

    def __init__(
        self, train: Callable[..., Any], tasks: list[Trial], seed: int, jobs: int | None,
        kept: _File | None, progress: bool | str,
    ) -> None:  # fmt: skip
        self.failed: list[Trial] = []
        self.interrupted = False
        self._train, self._tasks, self._seed, self._kept = train, tasks, seed, kept
        self._jobs, self._progress, self._ended = jobs, progress, 0
        self._found = self._run()

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[Trial]:
        return self

    def __next__(self) -> Trial:
        if self.interrupted:
            raise StopIteration
        try:
            with self._ctrl_c():
                return next(self._found)
        except KeyboardInterrupt:
            self.interrupted = True
            self._found.close()
        total = len(self._tasks)
        print(f"sweep: interrupted after {self._ended} of {total} trials", file=sys.stderr)
        raise StopIteration

    def _run(self) -> Generator[Trial]:
        done = {} if self._kept is None else self._kept.read()
        self._ended = len(done)
        yield from done.values()
        # none more after Ctrl-C, so that joblib has nothing to hand out while it ends
        left = (t for t in self._tasks if t.number not in done and not self.interrupted)
        run = _Run(self._train, self._seed, os.getpid(), self._kept is not None)
        counts = {"total": len(self._tasks), "initial": len(done), "unit": "trial"}
        with work.bar("sweep", self._progress, leave=False, **counts) as drawn:
            for trial in work.results("sweep", "sweep", run, left, self._jobs, ordered=False):
                if self.interrupted:  # in the midst of it
                    return
                if not trial.error and self._kept is not None:
                    trial = self._kept.write(trial)
                self._ended += 1
                if drawn is not None:
                    drawn.update()
                    drawn.clear()  # for what the caller prints
                if trial.error:
                    self._fail(trial)
                else:
                    yield trial

    @contextmanager
    def _ctrl_c(self) -> Iterator[None]:
        """Ctrl-C is a KeyboardInterrupt, also where a training in this process takes it for its
        end, as `fit` does: half a training is no trial."""
        main = threading.current_thread() is threading.main_thread()
        if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return

        def note(*_: Any) -> None:
            self.interrupted = True
            raise KeyboardInterrupt

        signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if self.interrupted:
                raise KeyboardInterrupt

    def _fail(self, trial: Trial) -> None:
        if not self.failed:
            last = trial.error.strip().rpartition("\n")[2]
            warnings.warn(
                f"sweep: {trial.settings}, start {trial.start} raised {last}; the others go on; "
                "failed holds what raised, with its traceback",
                RuntimeWarning,
                stacklevel=4,
            )
        self.failed.append(trial)


def _combined(grid: Any) -> list[Settings]:
    """The settings that a grid stands for."""
    if grid is None:
        return [{}]
    if isinstance(grid, Mapping):
        for name, values in grid.items():
            if isinstance(values, str) or not isinstance(values, Iterable):
                raise TypeError(f"sweep: {name} is {values!r}; give a list of its values")
        found = [dict(zip(grid, row, strict=True)) for row in itertools.product(*grid.values())]
    else:
        found = [dict(settings) for settings in grid]
    if not found:
        raise ValueError("sweep: the grid is empty; it has a list of values for each setting")
    return [{k: v.item() if isinstance(v, np.generic) else v for k, v in s.items()} for s in found]


# ---- a trial

TURN = threading.Lock()  # the generators are those of the process


@dataclass(frozen=True)
class _Run:
    """How a process makes a trial."""

    train: Callable[..., Any]
    seed: int
    home: int  # the process that asks
    kept: bool

    def __call__(self, task: Trial) -> Trial:
        if os.getpid() != self.home:
            _serve(self.home)
        with TURN, _quiet(), _begun(self.seed, task.start):
            began = time.perf_counter()
            result, error = None, ""
            try:
                result = self.train(**deepcopy(task.settings))  # what it changes is its own
            except Exception:  # noqa: BLE001  (one must not end the others)
                error = traceback.format_exc()
            seconds = time.perf_counter() - began
        if self.kept and not error:
            file = BytesIO()
            save([result], file)
            result = file.getvalue()
        return Trial(task.number, task.settings, task.start, result, error, seconds)


@cache
def _serve(home: int) -> None:
    """Leave Ctrl-C to the process that asks, and end when that is no more: nobody wants what a
    trial of hours gives then."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == home:
            time.sleep(1)
        os._exit(1)

    if os.getppid() == home:
        threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _quiet() -> Iterator[None]:
    """Bars of the training are none meanwhile: the sweep has one."""
    before, work.hidden = work.hidden, True
    try:
        yield
    finally:
        work.hidden = before


@contextmanager
def _begun(seed: int, start: int) -> Iterator[None]:
    """The generators at the beginning of a start, and afterwards where they were."""
    words = np.random.SeedSequence([seed, start]).generate_state(4, np.uint64)
    ours, numpys, pythons = rng.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        rng.manual_seed(int(words[0]))
        np.random.seed(words[1:3].view(np.uint32))
        random.seed(int(words[3]))
        yield
    finally:
        rng.set_rng_state(ours)
        np.random.set_state(numpys)
        random.setstate(pythons)


# ---- a file


class _File:
    """The results of trials in a database, each there wholly or not at all."""

    def __init__(self, path: str, train: Callable[..., Any], seed: int, tasks: list[Trial]) -> None:
        self.path = path
        name = _name(train)
        self.keys = {t.number: (name, str(seed), t.start, _text(t.settings)) for t in tasks}
        self.tasks = tasks
        self.read()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=60, isolation_level=None)) as base:
                tables = {name for (name,) in base.execute("SELECT name FROM sqlite_schema")}
                if tables and "trials" not in tables:
                    raise ValueError(f"sweep: {self.path!r} is another program's database")
                base.execute(TABLE)
                yield base
        except sqlite3.OperationalError as error:
            raise OSError(f"sweep: {self.path!r}: {error}") from None
        except sqlite3.DatabaseError as error:
            raise ValueError(f"sweep: {self.path!r} is no file of a sweep: {error}") from None

    def read(self) -> dict[int, Trial]:
        """The trials that it holds, by their number."""
        with self._open() as base:
            rows = base.execute("SELECT * FROM trials WHERE function=?", [self._function()])
            found = {tuple(key): (seconds, result) for *key, seconds, result in rows}
        return {
            t.number: self._trial(t, *reversed(found[self.keys[t.number]]))
            for t in self.tasks
            if self.keys[t.number] in found
        }

    def _function(self) -> str:
        return next(iter(self.keys.values()))[0]

    def write(self, trial: Trial) -> Trial:
        """Keep a trial, and give it as a later call will read it."""
        row = (*self.keys[trial.number], trial.seconds, trial.result)
        with self._open() as base:
            base.execute("INSERT OR REPLACE INTO trials VALUES (?, ?, ?, ?, ?, ?)", row)
        return self._trial(trial, trial.result, trial.seconds)

    def _trial(self, t: Trial, result: bytes, seconds: float) -> Trial:
        (value,) = load(BytesIO(result))
        return Trial(t.number, t.settings, t.start, value, "", seconds)


TABLE = """CREATE TABLE IF NOT EXISTS trials (function TEXT, seed TEXT, start INTEGER,
    settings TEXT, seconds REAL, result BLOB, PRIMARY KEY (function, seed, start, settings))"""


def _text(settings: Settings) -> str:
    """Settings as a file knows them."""
    return json.dumps(settings, sort_keys=True, default=_name)


def _name(x: Any) -> str:
    """The name of a function or class."""
    name = f"{getattr(x, '__module__', '')}.{getattr(x, '__qualname__', '<')}"
    if "<" in name.replace("<locals>", ""):
        raise TypeError(f"sweep: {x!r} has no name in a file; use numbers, strings or functions")
    return name
