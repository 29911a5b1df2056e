"""Long work: on all cores where joblib is installed, with a bar on a terminal."""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from . import distributed

__all__ = ["bar", "results"]

hidden = False  # whether this process works for another, which has a bar


@contextmanager
def bar(where: str, progress: bool | str = "auto", **options: Any) -> Iterator[Any]:
    """A tqdm bar on standard error, or None.

    `progress` "auto" shows it if standard error is a terminal and tqdm is installed; True insists
    on it, False never shows one. Only rank 0 does, and no process that works for another. The
    options are those of tqdm. ValueError for another `progress`, ImportError for True without tqdm.
    """
    if progress not in (True, False, "auto"):
        raise ValueError(f"{where}: progress is {progress!r}; it is True, False or 'auto'")
    quiet = hidden or not distributed.is_main()
    if not progress or quiet or (progress == "auto" and not sys.stderr.isatty()):
        yield None
        return
    try:
        from tqdm import tqdm
    except ImportError:
        if progress == "auto":
            yield None
            return
        raise ImportError(
            f"{where}: progress=True needs tqdm; install it with: pip install tqdm"
        ) from None
    # a terminal may say that it has no columns and no rows, and tqdm then shows nothing
    width, height = shutil.get_terminal_size()
    with tqdm(file=sys.stderr, ncols=width, nrows=height, **options) as shown:
        yield shown


def results(
    where: str, extra: str, function: Callable[..., Any], tasks: Iterable[Any], jobs: int | None,
    ordered: bool = True,
) -> Iterator[Any]:  # fmt: skip
    """What `function(task)` gives for each task, as it comes: in the order of the tasks or not.

    `jobs` processes take turns, by default as many as there are cores, or what
    `joblib.parallel_config` says; without joblib, or with 1, it happens here. ImportError for more
    without joblib, which the package's `extra` brings.
    """
    if jobs is not None and (not isinstance(jobs, int) or jobs == 0):
        raise ValueError(
            f"{where}: jobs is {jobs!r}; it is a number of processes, -1 for all cores"
        )
    try:
        import joblib
    except ImportError:
        if jobs not in (None, 1):
            raise ImportError(
                f'{where}: jobs needs joblib; install it with: pip install "autograd_lite[{extra}]"'
            ) from None
        jobs = 1
    if jobs == 1:
        yield from map(function, tasks)
        return
    kind = "generator" if ordered else "generator_unordered"
    calls = (joblib.delayed(function)(task) for task in tasks)
    options = {"n_jobs": -1 if jobs is None else jobs, "batch_size": 1}
    try:
        work = joblib.Parallel(return_as=kind, **options)
    except ValueError:  # a backend that gives results all at once, as Ray's: some at a time then
        work = joblib.Parallel(**options)
        some = 4 * joblib.effective_n_jobs(options["n_jobs"])
        while found := work(islice(calls, some)):
            yield from found
        return
    found = work(calls)
    try:
        while True:
            with _unused():
                result = next(found, end := object())
            if result is end:
                return
            yield result
    finally:
        with _unused():
            found.close()


@contextmanager
def _unused() -> Iterator[None]:
    """joblib counts what Ctrl-C, or a loop that is left, has made for nothing; nobody asks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\d+ tasks ", UserWarning)
        yield
