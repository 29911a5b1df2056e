"""What a function reaches besides its arguments: closures, globals, modules, their attributes.

`Captured` walks it once and tells at every later call whether any of it is another object now, by
identity. Arrays are compared by value. What it cannot watch is `Untraceable`.
"""

from __future__ import annotations

import dis
import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from operator import attrgetter, is_, itemgetter
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

import numpy as np

from ..ops import Op
from ..tensor import Tensor

__all__ = ["Captured", "Untraceable"]

OURS = {"numpy", "autograd_lite", "nn"}
STANDARD = os.path.dirname(os.__file__)
HEAP = 1 << 9  # the flag of a class that Python code has made
CHANGING = {  # other values at every call
    "time", "datetime", "uuid", "secrets", "os", "posix", "nt", "io", "_io",
}  # fmt: skip
PLAIN = (
    int, float, complex, str, bytes, range, slice, type(None), type(...), type(NotImplemented),
    np.generic, np.dtype, np.ufunc, BuiltinFunctionType, GetSetDescriptorType,
    MemberDescriptorType, MethodDescriptorType, WrapperDescriptorType, Op,
)  # fmt: skip
NAMED = (FunctionType, BuiltinFunctionType, type)
ARRAY_LIMIT = 2**16  # bytes of an array that is compared at every call; 64 KB take about 5 us
contents = attrgetter("cell_contents")


@functools.cache
def trusted(name: str) -> bool:
    """Whether a module is one of these packages or of the standard library: its functions and
    classes do not change."""
    root = name.partition(".")[0]
    if root in OURS:
        return True
    if root not in sys.stdlib_module_names or root == "__main__":
        return False
    file = getattr(sys.modules.get(name), "__file__", None)  # a user's file may have such a name
    return file is None or (file.startswith(STANDARD) and "site-packages" not in file)


class Untraceable(Exception):
    """Why a function cannot be compiled."""


class Captured:
    """The objects that `root` reaches, each holder of objects with what it held."""

    def __init__(self, *roots: Any) -> None:
        self.tensors: dict[int, Tensor] = {}
        self.generators: list[Any] = []
        self.arrays: list[tuple[Any, Any]] = []
        self.views: list[Any] = []  # collections whose items are watched
        self.cells: list[CellType] = []
        self.globals: list[tuple[Callable[[Any], Any], dict[str, Any]]] = []
        self.seen: dict[int, Any] = {}
        self.todo: list[Any] = list(roots)
        while self.todo:
            x = self.todo.pop()
            if id(x) not in self.seen:
                self.seen[id(x)] = x
                self.visit(x)
        self.empty = [v for v in self.views if not len(v)]
        self.views = [v for v in self.views if len(v)]
        self.lengths = list(map(len, self.views))
        self.items = list(self.now())

    def now(self) -> Iterator[Any]:
        found = [get(d) for get, d in self.globals]
        return chain(*self.views, map(contents, self.cells), *found)

    def unchanged(self) -> bool:
        """Whether every holder holds the same objects, and every array the same values."""
        try:
            same = (
                not any(map(len, self.empty))
                and list(map(len, self.views)) == self.lengths
                and all(map(is_, self.now(), self.items))
            )
        except (KeyError, ValueError, RuntimeError):  # a name or a cell is gone
            return False
        return same and all(bits(a) == then for a, then in self.arrays)

    # ---- the walk

    def visit(self, x: Any) -> None:
        module = getattr(x, "__module__", None)
        if isinstance(x, NAMED) and isinstance(module, str) and module in CHANGING:
            raise Untraceable(f"it uses {x.__name__} of {module}, which differs between calls")
        if isinstance(x, Tensor):
            self.tensors[id(x)] = x
        elif isinstance(x, PLAIN):
            pass
        elif isinstance(x, np.ndarray):
            if x.nbytes > ARRAY_LIMIT or x.dtype == object:
                raise Untraceable(
                    f"it captures an array of shape {x.shape}, which may change between calls; "
                    "pass it as an argument, or make it a Tensor"
                )
            self.arrays.append((x, bits(x)))
        elif isinstance(x, FunctionType):
            self.function(x)
        elif isinstance(x, MethodType):
            self.todo += [x.__self__, x.__func__]
        elif isinstance(x, functools.partial):
            self.todo += [x.func, x.args, x.keywords]
        elif isinstance(x, classmethod | staticmethod):
            self.todo.append(x.__func__)
        elif isinstance(x, property):
            self.todo += [x.fget, x.fset]
        elif isinstance(x, ModuleType):
            if x.__name__.partition(".")[0] in CHANGING:
                raise Untraceable(f"it uses the module {x.__name__}, which differs between calls")
        elif isinstance(x, type):
            self.a_class(x)
        elif isinstance(x, tuple | frozenset):
            self.todo += x
        elif isinstance(x, list | set):
            self.watch(x)
        elif isinstance(x, dict):
            self.watch(x.keys())
            self.watch(x.values())
        elif type(x).__module__.startswith("numpy.random"):
            self.generators.append(x)
        elif hasattr(x, "__dict__") and not hasattr(x, "__next__") and not has_slots(type(x)):
            self.instance(x)
        else:
            raise Untraceable(
                f"it captures a {type(x).__name__}, whose changes cannot be watched; pass what is "
                "needed of it as an argument"
            )

    def watch(self, items: Iterable[Any]) -> None:
        self.views.append(items)
        self.todo += items

    def instance(self, x: Any) -> None:
        self.todo.append(type(x))
        values = vars(x)
        if not hasattr(x, "named_parameters"):
            self.watch(values.values())
            return
        self.views.append(values.values())
        registries = ("_parameters", "_buffers", "_modules")
        self.todo += [v for k, v in values.items() if k not in registries]

    def a_class(self, cls: type) -> None:
        for base in cls.__mro__:
            if not base.__flags__ & HEAP or (
                base.__module__ != "builtins" and trusted(base.__module__)
            ):
                continue
            self.views.append(vars(base).values())
            for name, value in vars(base).items():
                if name != "_abc_impl" and (not name.startswith("__") or callable(value)):
                    self.todo.append(value)

    def function(self, f: FunctionType) -> None:
        for cell in f.__closure__ or ():
            try:
                self.todo.append(cell.cell_contents)
            except ValueError:
                raise Untraceable(f"{f.__name__} has a closure that is not filled yet") from None
            self.cells.append(cell)
        home = sys.modules.get(f.__module__ or "")
        if home is not None and vars(home) is f.__globals__ and trusted(home.__name__):
            return
        self.todo += [f.__defaults__, f.__kwdefaults__]
        self.watch(vars(f).values())
        names, attributes = set(), set()
        for code in codes(f.__code__):
            attributes |= set(code.co_names)
            for step in dis.get_instructions(code):
                if step.opname == "LOAD_GLOBAL":
                    names.add(step.argval)
        self.named(f.__globals__, names)
        for name in names:
            module = f.__globals__.get(name)
            if isinstance(module, ModuleType) and not trusted(module.__name__):
                self.named(vars(module), attributes)

    def named(self, values: dict[str, Any], names: set[str]) -> None:
        known = sorted(name for name in names if name in values)
        if known:
            self.globals.append((itemgetter("__builtins__", *known), values))
            self.todo += [values[name] for name in known]


def has_slots(cls: type) -> bool:
    """Whether a class of the user keeps attributes outside of the dictionary of an instance."""
    for c in cls.__mro__:
        if c.__flags__ & HEAP and not trusted(c.__module__):
            slots = vars(c).get("__slots__", ())
            names = {slots} if isinstance(slots, str) else set(slots)
            if not names <= {"__dict__", "__weakref__"}:
                return True
    return False


def bits(a: Any) -> tuple[Any, ...]:
    """An array to the bit, as 0.0 and -0.0 are equal but not the same."""
    return a.shape, a.dtype, a.tobytes()


def codes(code: CodeType) -> Iterator[CodeType]:
    """A code object and those of the functions inside it."""
    todo = [code]
    while todo:
        code = todo.pop()
        yield code
        todo += [c for c in code.co_consts if isinstance(c, CodeType)]
