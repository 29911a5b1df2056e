"""What a function reaches besides its arguments: closures, globals, modules, their attributes.

`Captured` walks it once and tells at every later call whether any of it is another object now, by
identity. Arrays are compared by value. Of objects of the user's classes only those attributes count
whose names are in the code of the functions; of operations that are no rows the forward function
and the rules. What it cannot watch is `Untraceable`, and so is code
that does more than tensors tell: generators that it makes, files, imports, globals that it assigns.
"""

from __future__ import annotations

import dis
import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, pairwise
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

from ..engine.op import Each, Op, table
from ..engine.tensor import Tensor
from ..engine.user import is_ours

__all__ = ["Captured", "Untraceable", "has_attributes", "is_of_user"]

NUMPY = os.path.join(os.path.dirname(np.__file__), "")
STANDARD = os.path.dirname(os.__file__)
HEAP = 1 << 9  # the flag of a class that Python code has made
CHANGING = {  # other values at every call
    "time", "datetime", "uuid", "secrets", "os", "posix", "nt", "io", "_io",
}  # fmt: skip
PLAIN = (
    int, float, complex, str, bytes, range, slice, type(None), type(...), type(NotImplemented),
    np.generic, np.dtype, np.ufunc, BuiltinFunctionType, GetSetDescriptorType,
    MemberDescriptorType, MethodDescriptorType, WrapperDescriptorType,
)  # fmt: skip
NAMED = (FunctionType, BuiltinFunctionType, type)
# what a function may not use: generators that it makes itself, files, code and names in strings
MAKING = {"default_rng", "Generator", "RandomState", "Random", "SystemRandom"}
READING = {"open", "input", "load", "loadtxt", "genfromtxt", "fromfile", "memmap"}
STRINGS = {"eval", "exec", "globals", "__import__"}
DYNAMIC = {"getattr", "hasattr", "setattr", "delattr", "vars", "dir", "attrgetter", "__dict__"}
MAKES = {"__init__", "__new__", "__init_subclass__", "__set_name__", "__del__"}
ARRAY_LIMIT = 2**16  # bytes of an array that is compared at every call; 64 KB take about 5 us
contents = attrgetter("cell_contents")


def trusted(name: str) -> bool:
    """Whether a module is one of these packages or of the standard library: its functions and
    classes do not change."""
    return is_trusted(name, getattr(sys.modules.get(name), "__file__", None))


@functools.cache
def is_trusted(name: str, file: str | None) -> bool:
    """The same by its file, if it has one: a user's file may have such a name."""
    root = name.partition(".")[0]
    if name.startswith("scipy.special") or is_ours(file):
        return True
    if root in ("numpy", "autograd_lite"):
        return file is None or file.startswith(NUMPY)
    if root not in sys.stdlib_module_names or root == "__main__":
        return False
    return file is None or (file.startswith(STANDARD) and "site-packages" not in file)


def has_known_rule(optimizer: Any) -> bool:
    """Whether an optimizer is one of ours, whose rule is arithmetic of arrays and options."""
    module = type(optimizer).__module__
    return module.endswith((".optim.rules", ".optim.others")) and trusted(module)


class Untraceable(Exception):
    """Why a function cannot be compiled."""


class Captured:
    """The objects that `root` reaches, each holder of objects with what it held."""

    def __init__(self, *roots: Any) -> None:
        self.tensors: dict[int, Tensor] = {}
        self.generators: list[Any] = []
        self.arrays: list[tuple[Any, Any]] = []
        self.views: list[Any] = []  # collections whose items are watched
        self.holding: list[tuple[str, Any]] = []  # the same: of what, and what of it
        self.cells: list[CellType] = []
        self.globals: list[tuple[Callable[[Any], Any], Any]] = []
        self.seen: dict[int, Any] = {}
        self.names: set[str] = set()  # every name in the functions, attributes among them
        self.holders: list[tuple[Any, set[str]]] = []  # attributes, and the names that count anyway
        self.more: list[Captured] = []  # what operations reach that the call has made
        self.todo: list[Any] = list(roots)
        while self.todo:
            x = self.todo.pop()
            if id(x) not in self.seen:
                self.seen[id(x)] = x
                self.visit(x)
            if not self.todo:  # functions may name attributes of objects that were there before
                self.todo += [
                    values[name]
                    for values, always in self.holders
                    for name in self.used(values, always)
                    if id(values[name]) not in self.seen
                ]
        for values, always in self.holders:
            self.named(values, self.used(values, always))
        absent = [(self.names.difference(values), values) for values, _ in self.holders]
        self.missing = [names for names, _ in absent if names]
        self.absent = [values for names, values in absent if names]
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
                not any(self.empty)  # a third of the time of their lengths
                and list(map(len, self.views)) == self.lengths
                and all(map(set.isdisjoint, self.missing, self.absent))
                and all(map(is_, self.now(), self.items))
            )
        except (KeyError, ValueError, RuntimeError):  # a name or a cell is gone
            return False
        same = same and all(bits(a) == then for a, then in self.arrays)
        return same and all(c.unchanged() for c in self.more)

    def follow(self, used: Iterable[Op]) -> None:
        """Watch the operations that a call has used, too; raise for what cannot be watched."""
        found = {id(op): op for op in used if is_own(op)}
        if not found:
            return
        names = ", ".join(sorted({x.name for x in found.values()}))
        reached = Captured(*found.values())
        if reached.tensors or any(hasattr(x, "named_parameters") for x in reached.seen.values()):
            raise Untraceable(
                f"an operation ({names}) reads tensors that it captures; give them as inputs"
            )
        if not found.keys() <= self.seen.keys():
            if reached.generators or reached.draws():
                raise Untraceable(
                    f"it makes an operation ({names}) that may draw random numbers; make it "
                    "outside of the function"
                )
            self.more.append(reached)

    def draws(self) -> bool:
        """Whether it can reach the generators of the process, which other threads use too."""
        return not self.names.isdisjoint({"random", *DYNAMIC}) or any(
            map(is_random, self.seen.values())
        )

    # ---- the walk

    def visit(self, x: Any) -> None:
        if isinstance(x, NAMED) and x.__module__ in CHANGING:
            raise Untraceable(
                f"it uses {x.__name__} of {x.__module__}, which differs between calls"
            )
        for kinds, visit in VISITS:
            if isinstance(x, kinds):
                visit(self, x)
                return
        if type(x).__module__ == __package__:  # a compiled function runs as it is meanwhile
            self.todo.append(x.function)
        elif type(x).__module__.startswith("numpy.random"):
            self.generators.append(x)
        elif has_dictionary_alone(type(x)):
            self.instance(x)
        else:
            raise Untraceable(
                f"it captures a {type(x).__name__}, whose changes cannot be watched; pass what is "
                "needed of it as an argument"
            )

    def tensor(self, x: Tensor) -> None:
        self.tensors[id(x)] = x
        cls = x.__class__
        if has_slots(cls):
            raise Untraceable(f"it captures a {cls.__name__}, whose changes cannot be watched")
        if is_of_user(cls):
            self.a_class(cls, set())
        if hasattr(x, "__dict__"):
            self.holders.append((vars(x), set()))

    def plain(self, x: Any) -> None:
        """What never changes."""

    def operation(self, x: Op) -> None:
        """What an operation is made of: a row stays as it is, that of a user may read anything."""
        if is_own(x):
            self.globals.append((attrgetter("forward", "rules"), x))
            self.todo += functions(x)

    def array(self, x: Any) -> None:
        if x.nbytes > ARRAY_LIMIT or x.dtype == object:
            raise Untraceable(
                f"it captures an array of shape {x.shape}, which may change between calls; "
                "pass it as an argument, or make it a Tensor"
            )
        self.arrays.append((x, bits(x)))

    def module(self, x: ModuleType) -> None:
        if x.__name__.partition(".")[0] in CHANGING:
            raise Untraceable(f"it uses the module {x.__name__}, which differs between calls")

    def parts(self, x: Any) -> None:
        """What another object is made of, for good."""
        self.todo += PARTS[next(kind for kind in PARTS if isinstance(x, kind))](x)

    def dictionary(self, x: dict[Any, Any]) -> None:
        self.watch(x.keys(), "keys", x)
        self.watch(x.values(), "values", x)

    def watch(self, items: Iterable[Any], kind: str = "items", holder: Any = None) -> None:
        self.views.append(items)
        self.holding.append((kind, items if holder is None else holder))
        self.todo += items

    def used(self, values: Any, always: set[str]) -> set[str]:
        """The names of attributes that functions use, as far as their code tells."""
        if self.names.isdisjoint(DYNAMIC):
            return {name for name in values if name in self.names or name in always}
        return set(values)

    def instance(self, x: Any) -> None:
        cls, values = type(x), vars(x)
        if all(map(is_of_user, cls.__mro__[:-1])):
            self.a_class(cls, set())
            self.holders.append((values, set()))
            return
        self.a_class(cls, MAKES)  # code of its bases may use what no function here names
        if not hasattr(cls, "named_parameters"):
            self.watch(values.values(), "values", values)
            return
        self.views.append(values.values())
        self.holding.append(("values", values))
        registries = ("_parameters", "_buffers", "_modules")
        self.todo += [v for k, v in values.items() if k not in registries]

    def a_class(self, cls: type, more: set[str]) -> None:
        """A class of the user: what functions name of it, and methods that Python calls itself."""
        own = [base for base in cls.__mro__ if is_of_user(base)]
        whole = len(own) < len(cls.__mro__) - 1
        for base in own:
            values = vars(base)
            special = {n for n, v in values.items() if n.startswith("__") and callable(v)}
            named = {n for n in values if whole and not n.startswith("_")}
            self.holders.append((values, named | special - MAKES | more))

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
        self.watch(vars(f).values(), "values", vars(f))
        names, attributes = set(), set()
        for code in codes(f.__code__):
            attributes |= set(code.co_names)
            steps = list(dis.get_instructions(code))
            for i, step in enumerate(steps):
                if step.opname == "LOAD_GLOBAL":
                    names.add(step.argval)
                line = step.positions.lineno if step.positions else code.co_firstlineno
                at = f" (line {line} of {code.co_filename})"
                self.allowed(step, steps[max(i - 8, 0) : i], at)
        self.names |= attributes
        own = {name for name in names if is_of_user_module(f.__globals__.get(name))}
        used = attributes - own  # a user's class may be called Generator
        for what, found in (
            ("makes random numbers itself", used & MAKING),
            ("reads a file", (used - {"open", "input"} | names - own) & READING),
            ("runs text", names & STRINGS),
        ):
            if found:
                raise Untraceable(f"it {what} with {min(found)}; pass the values as an argument")
        self.named(f.__globals__, names)
        for name in names:
            module = f.__globals__.get(name)
            if isinstance(module, ModuleType) and not trusted(module.__name__):
                self.named(vars(module), attributes)

    def allowed(self, step: dis.Instruction, before: list[dis.Instruction], at: str) -> None:
        """Raise for what would happen in the first call alone, or differ in it: there the type of a
        tensor is another object, though equal to its own."""
        if step.opname == "IS_OP" and before[-1].opname != "LOAD_CONST":
            words = [x.argval for x in before if x.opname.startswith("LOAD")]
            if any(pair[0] == "type" and pair[1] != "self" for pair in pairwise(words)):
                raise Untraceable("it compares a type by `is`; use isinstance, or ==" + at)
        if step.opname == "STORE_GLOBAL":
            raise Untraceable(f"it assigns the global {step.argval}{at}")
        if step.opname == "IMPORT_NAME" and not trusted(step.argval):
            raise Untraceable(
                f"it imports {step.argval} itself; import it outside of the function{at}"
            )

    def named(self, values: Any, names: Iterable[str]) -> None:
        known = sorted(name for name in names if name in values)
        if known:
            self.globals.append((itemgetter(known[0], *known), values))  # always a tuple
            self.todo += [values[name] for name in known]


PARTS: dict[Any, Callable[[Any], Iterable[Any]]] = {
    MethodType: lambda x: (x.__self__, x.__func__),
    functools.partial: lambda x: (x.func, x.args, x.keywords),
    classmethod: lambda x: (x.__func__,),
    staticmethod: lambda x: (x.__func__,),
    property: lambda x: (x.fget, x.fset),
    tuple: iter,
    frozenset: iter,
}
VISITS: list[tuple[Any, Callable[[Captured, Any], None]]] = [  # the first that fits
    (Tensor, Captured.tensor),
    (PLAIN, Captured.plain),
    (Op, Captured.operation),
    (np.ndarray, Captured.array),
    (FunctionType, Captured.function),
    (tuple(PARTS), Captured.parts),
    (ModuleType, Captured.module),
    (type, lambda captured, x: captured.a_class(x, MAKES)),
    ((list, set), Captured.watch),
    (dict, Captured.dictionary),
]


def is_own(op: Op) -> bool:
    """Whether an operation is neither a row nor otherwise made of functions of the packages, which
    reach nothing that changes."""
    return table.get(op.name) is not op and not all(map(is_constant, functions(op)))


def functions(op: Op) -> tuple[Any, ...]:
    """What an operation is made of."""
    return op.forward, *((op.rules.rule,) if isinstance(op.rules, Each) else op.rules)


def is_constant(f: Any) -> bool:
    """Whether it is a function of the packages without a closure."""
    return isinstance(f, FunctionType) and f.__closure__ is None and trusted(f.__module__)


def is_of_user(cls: type) -> bool:
    return bool(cls.__flags__ & HEAP) and (
        cls.__module__ == "builtins" or not trusted(cls.__module__)
    )


def is_of_user_module(x: Any) -> bool:
    """Whether a function or class was written outside of the trusted modules."""
    return isinstance(x, FunctionType | type) and not trusted(x.__module__ or "")


def is_random(x: Any) -> bool:
    """Whether it is `random` or `numpy.random`, or a function of them."""
    if isinstance(x, ModuleType):
        return x.__name__ in ("random", "numpy.random")
    owner = x.__self__ if isinstance(x, BuiltinFunctionType | MethodType) else None
    return type(owner).__module__ in ("random", "numpy.random.mtrand")


def has_slots(cls: type) -> bool:
    """Whether a class of tensors has slots that Tensor has not."""
    return any(vars(c).get("__slots__") for c in cls.__mro__[: cls.__mro__.index(Tensor)])


def has_attributes(t: Tensor) -> bool:
    """Whether a tensor has attributes that a plain one has not."""
    return bool(getattr(t, "__dict__", None)) or has_slots(t.__class__)


def has_dictionary_alone(cls: type) -> bool:
    """Whether the attributes of an object are in its dictionary, and it is no iterator."""
    slots: set[str] = set()
    for c in cls.__mro__:
        if is_of_user(c):
            own = vars(c).get("__slots__", ())
            slots |= {own} if isinstance(own, str) else set(own)
    plain = slots <= {"__dict__", "__weakref__"}
    return cls.__dictoffset__ != 0 and plain and not hasattr(cls, "__next__")


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
