"""What learners' functions see outside of themselves stays as it is, however often they run."""

from __future__ import annotations

import dis
import io
import random
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from .places import is_own, names_of, slots

MOST_ELEMENTS = 20_000_000  # that are kept, to be put back
# What learners' functions may use while they run some thousand times: what only computes.
COMPUTING = {
    "numpy", "scipy", "math", "cmath", "random", "itertools", "functools", "operator", "copy",
    "collections", "typing", "dataclasses", "warnings", "time", "autograd_lite", "nn",
}  # fmt: skip
ACTING = {"open", "input", "exec", "eval", "__import__", "breakpoint"}


def only_computes(function: FunctionType) -> bool:
    """Whether a function names nothing that acts on the world: files, plots, other programs."""
    for name in used_names(function.__code__):
        value = function.__globals__.get(name)
        if isinstance(value, ModuleType):
            file = getattr(value, "__file__", None)
            if value.__name__.partition(".")[0] not in COMPUTING and not own_module(file):
                return False
        elif name in ACTING and value is None:
            return False
    return True


def used_names(code: CodeType) -> Iterator[str]:
    """The names from outside that code and the functions in it use: `input`, not `self.input`."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield step.argval
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from used_names(inner)


def own_module(file: str | None) -> bool:
    return file is not None and is_own(compile("", file, "exec"))


class Kept:
    """The contents of all that learners' functions can reach, and how to put them back."""

    def __init__(self, values: Iterable[Any]) -> None:
        self.values = list(values)
        self.back: list[Callable[[], None]] = []
        self.elements = 0
        drawn, rows = random.getstate(), np.random.get_state(legacy=False)
        self.back += [lambda: random.setstate(drawn), lambda: np.random.set_state(rows)]
        outer = {id(f.__globals__) for f in self.values if isinstance(f, FunctionType)}
        for value in self.values:
            if id(value) not in outer:  # of those, the names that are used
                self.keep(value)

    def keep(self, value: Any) -> None:
        if isinstance(value, np.ndarray):
            if value.flags.writeable and value.dtype.kind in "fiubc":
                self.elements += value.size
                if self.elements <= MOST_ELEMENTS:
                    self.back.append(array_back(value, value.copy()))
        elif isinstance(value, np.random.Generator):
            bits = value.bit_generator
            self.back.append(partial(setattr, bits, "state", bits.state))
        elif isinstance(value, np.random.RandomState):
            self.back.append(partial(value.set_state, value.get_state(legacy=False)))
        elif isinstance(value, dict):
            self.back.append(dict_back(value, dict(value)))
        elif isinstance(value, list):
            self.back.append(list_back(value, list(value)))
        elif isinstance(value, set):
            self.back.append(partial(set_back, value, frozenset(value)))
        elif isinstance(value, FunctionType):
            if is_own(value.__code__):
                self.back.append(globals_back(value))
            for cell in value.__closure__ or ():
                self.back.append(cell_back(cell))
        else:
            if isinstance(getattr(value, "__dict__", None), dict):
                self.back.append(dict_back(value.__dict__, dict(value.__dict__)))
            for name in slots(value):
                member: Any = getattr(type(value), name, None)
                if hasattr(member, "__set__") and hasattr(value, name):
                    self.back.append(partial(member.__set__, value, getattr(value, name)))

    def restore(self) -> None:
        for back in self.back:
            back()


def set_back(box: set[Any], old: frozenset[Any]) -> None:
    if box != old:
        box.clear()
        box.update(old)


def array_back(array: Any, old: Any) -> Callable[[], None]:
    def back() -> None:
        if array.shape != old.shape:
            array.shape = old.shape
        np.copyto(array, old)

    return back


def dict_back(box: dict[Any, Any], old: Mapping[Any, Any]) -> Callable[[], None]:
    def back() -> None:
        if len(box) != len(old) or any(k not in box or box[k] is not v for k, v in old.items()):
            box.clear()
            box.update(old)

    return back


def list_back(box: list[Any], old: list[Any]) -> Callable[[], None]:
    def back() -> None:
        if len(box) != len(old) or any(a is not b for a, b in zip(box, old, strict=True)):
            box[:] = old

    return back


def globals_back(function: FunctionType) -> Callable[[], None]:
    """Of the names outside that a function uses, those that it may write to."""
    names, outer = names_of(function.__code__), function.__globals__
    old = {name: outer[name] for name in names if name in outer}

    def back() -> None:
        for name in names:
            if name in old:
                outer[name] = old[name]
            else:
                outer.pop(name, None)

    return back


def cell_back(cell: Any) -> Callable[[], None]:
    try:
        old = cell.cell_contents
    except ValueError:  # not filled yet

        def empty() -> None:
            if cell != type(cell)():
                del cell.cell_contents

        return empty

    def back() -> None:
        cell.cell_contents = old

    return back


class Silence(io.TextIOBase):
    """What edited code prints is not seen; what other threads print meanwhile is."""

    def __init__(self, seen: Any) -> None:
        self.seen, self.thread = seen, threading.get_ident()

    def write(self, text: str) -> int:
        if self.seen is not None and threading.get_ident() != self.thread:
            self.seen.write(text)
        return len(text)


@contextmanager
def silent() -> Iterator[None]:
    """Nothing that is printed or warned of is seen."""
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(Silence(sys.stdout)))
        stack.enter_context(redirect_stderr(Silence(sys.stderr)))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(np.errstate(all="ignore"))
        limit = sys.getrecursionlimit()
        stack.callback(sys.setrecursionlimit, limit)
        yield
