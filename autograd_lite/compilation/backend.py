"""Which code runs a trace: C where there is a compiler and every step has a form in C, else NumPy.

Both compute the same but for rounding. A call that the C code does not suit, as an array lies
otherwise in memory or NumPy would warn, is done by the NumPy code, which is made then.
"""

from __future__ import annotations

import os
from functools import partial
from math import inf
from threading import local
from time import perf_counter
from typing import Any

import numpy as np

from .emit import Writer
from .lower import Step, is_draw
from .step import Unsuited

__all__ = ["BACKENDS", "Code", "backend_of"]

BACKENDS = ("auto", "numpy", "c")
PATIENCE = 8  # calls that do not suit the C code, then the NumPy code runs them all
VARIABLE = "AUTOGRAD_LITE_BACKEND"


def backend_of(named: Any) -> str:
    """A back end by its name; PyTorch's names mean the default. RuntimeError for C without a
    compiler."""
    backend = named if named in BACKENDS else "auto"
    if backend == "auto":
        backend = os.environ.get(VARIABLE, "auto")
        if backend not in BACKENDS:
            raise ValueError(f"compile: {VARIABLE} is {backend!r}; it is one of {BACKENDS}")
    if backend == "c":
        from .native import NoCompiler, compiler

        try:
            compiler()
        except NoCompiler as error:
            raise RuntimeError(
                f"compile: backend='c' needs a C compiler: {error}; or leave out backend"
            ) from None
    return backend


class Code:
    """The code of a trace: `source`, and `run`. The arguments are those of `Writer`; the last
    `numbers` of `given` are numbers, and those at the positions `moving` come from a call's own
    arguments. `native` is the C code, if it is C."""

    def __init__(
        self,
        backend: str,
        moving: list[int],
        steps: list[Step],
        results: list[Any],
        given: list[Step],
        numbers: int,
        keep: bool,
        *ends: Any,
    ) -> None:
        self.threads = local()
        self.draws = [i for i, s in enumerate(given) if is_draw(s)]
        self.in_numpy = partial(Writer, steps, results, given, keep, *ends)
        self.unsuited = 0
        self.native = None
        if backend != "numpy":
            self.native = natively(backend, moving, steps, results, given, numbers, *ends)
        if self.native is not None:
            self.source, self.make = self.native.source, self.native.make
            for s in (*steps, *given):  # of which the NumPy code needs the form alone
                s.value = np.broadcast_to(np.zeros((), s.dtype), s.shape)
        else:
            self.source, self.make = self.in_numpy().compiled()
            del self.in_numpy

    def run(self, given: list[Any], rates: list[float]) -> Any:
        """The loss and the gradients, of arrays and numbers."""
        try:
            run = self.threads.run
        except AttributeError:
            run = self.threads.run = self.make()
        try:
            return run(*given, *rates)
        except Unsuited as error:
            drawn = error.args
        return self.instead(given, rates, drawn)

    def watch(self, fill: Any) -> None:
        """Let the C code of this thread look itself whether something has changed since it ran:
        `fill(watch, run)` says what to look at. Not more often than every 50 times as long as that
        takes: what changes often is looked at by Python."""
        run: Any = getattr(self.threads, "run", None)
        start = perf_counter()
        if getattr(run, "again", None) is None or start < getattr(self.threads, "next", 0.0):
            return
        from .native.guard import Unwatched, Watch

        watch = Watch()
        try:
            fill(watch, run)
        except (Unwatched, KeyError, ValueError, AttributeError):
            self.threads.next = inf
            return
        words = watch.array()
        run.words[run.place] = words.ctypes.data
        self.threads.watch = watch, words  # alive as long as C reads them
        self.threads.again = run.again
        self.threads.next = start + 50 * (perf_counter() - start)

    def instead(self, given: list[Any], rates: list[float], drawn: tuple[Any, ...]) -> Any:
        """The same in NumPy code, with the random numbers that are drawn already."""
        self.unsuited += 1
        if self.unsuited == 1:
            self.source_in_numpy, self.make_in_numpy = self.in_numpy().compiled()
        if self.unsuited > PATIENCE:
            self.native = None
            self.source, self.make = self.source_in_numpy, self.make_in_numpy
            self.threads = local()
        for i, a in zip(self.draws, drawn, strict=False):
            given[i] = partial(same, a)
        return self.make_in_numpy()(*given, *rates)


def same(x: Any) -> Any:
    return x


def natively(backend: str, *code: Any) -> Any:
    """The code in C; None where there can be none."""
    from .native import Native, NoCompiler, NoForm

    try:
        return Native(backend == "auto", *code)
    except (NoForm, NoCompiler, KeyError):  # which dtypes without a type in C raise
        return None
    except Exception:
        if backend == "c":
            raise
        return None  # no reason not to train
