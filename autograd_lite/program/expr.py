"""The third reading of a rule: as text.

A Symbol is a name with a value. Operators, NumPy functions and rows that meet it compute the value
and keep the expression, so running a rule on Symbols gives its formula, with the right shapes.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from operator import add, attrgetter
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..engine import protocol as protocols
from ..engine import rules
from ..engine.declare import forms
from ..engine.op import Op, table
from ..engine.rules import ops
from ..engine.tape import unbroadcast
from .chain import rules_of
from .notation import SIGNS, SILENT, text

__all__ = ["Symbol", "formula", "formulas", "is_op", "reads"]


class Choices(threading.local):
    """Whether code that runs on Symbols in this thread may choose by their values."""

    allowed = True


choices = Choices()


@contextmanager
def choosing(op: Op) -> Iterator[None]:
    """Only a row may choose by values meanwhile: it asks about them where that matters."""
    outer = choices.allowed
    try:
        try:
            choices.allowed = table.get(op.name) is op
            yield
        finally:
            choices.allowed = outer
    finally:
        choices.allowed = outer  # again, as an interrupt may have come in between


class Symbol(NDArrayOperatorsMixin):
    """A name, or an expression of Symbols, with its value.

    `op` is the operation of an expression, with `inputs` and metadata `kw`; a name has none.

    >>> x = Symbol("x", np.array([1.0, 2.0]))
    >>> print(1 - np.tanh(x) * x)
    1 - tanh(x) * x
    """

    __slots__ = ("op", "name", "value", "inputs", "kw")

    def __init__(
        self, what: Op | str, value: Any, inputs: tuple[Any, ...] = (), kw: Any = None
    ) -> None:
        self.op: Any = None if isinstance(what, str) else what
        self.name = what if isinstance(what, str) else what.name
        self.value = np.asarray(value)
        self.inputs = inputs
        self.kw: dict[str, Any] = kw or {}

    shape = property(lambda self: self.value.shape)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    dtype = property(lambda self: self.value.dtype)
    mT = property(lambda self: ops.mT(self))
    T = property(lambda self: rules.transpose(self))
    reshape = rules.reshape
    flatten = rules.flatten
    transpose = rules.permute
    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def astype(self, dtype: Any) -> Symbol:
        return ops.cast(self, dtype=dtype)

    def copy(self) -> Symbol:
        return ops.copy(self)

    def __getitem__(self, index: Any) -> Symbol:
        return ops.getitem(self, index=index)

    def __op__(self, op: Op, inputs: tuple[Any, ...], kw: dict[str, Any]) -> Symbol:
        arrays = [x.value if isinstance(x, Symbol) else x for x in inputs]
        return Symbol(op, op.forward(*arrays, **(values(kw) if kw else kw)), inputs, kw)

    @staticmethod
    def __plain__(function: Any, inputs: Any, kw: dict[str, Any]) -> Any:
        """The expression of a NumPy function without a row: on Symbols nothing is derived."""
        value = function(*values(inputs), **values(kw))
        op = numpy_op(function)
        if not isinstance(value, tuple):
            return Symbol(op, value, tuple(inputs), kw)
        whole = Symbol(op, value[0], tuple(inputs), kw)  # nothing reads the value of several
        return tuple([Symbol(ops.getitem, v, (whole,), {"index": i}) for i, v in enumerate(value)])

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kw: Any) -> Any:
        if method == "accumulate" and ufunc is not np.add:
            function = np.cumprod if ufunc is np.multiply else ufunc.accumulate
            return self.__plain__(function, inputs, kw)
        row = ufunc in forms and not kw if method == "__call__" else False
        if row or (ufunc, method) in forms or "out" in kw or method == "at":
            return protocols.apply_ufunc(Symbol, ufunc, method, inputs, kw)
        return self.__plain__(ufunc if method == "__call__" else getattr(ufunc, method), inputs, kw)

    def __array_function__(self, function: Any, types: Any, args: Any, kw: Any) -> Any:
        if function in forms:
            return protocols.apply_function(Symbol, function, args, kw)
        return self.__plain__(function, args, kw)

    __hash__ = object.__hash__

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError(
            "it makes an array of its inputs or goes through their elements, as np.asarray, "
            "np.array and np.vectorize do; write it with functions of whole arrays"
        )

    def __bool__(self) -> bool:
        if not choices.allowed:
            raise TypeError(
                "it chooses by values, which differ between calls; write the choice with np.where"
            )
        return bool(self.value)

    def __str__(self) -> str:
        return text(self)

    def __repr__(self) -> str:
        return f"Symbol({self})"

    def leaves(self) -> set[str]:
        """The names that occur in the expression."""
        return {x.name for x in leaves(self)}


def method(function: Any) -> Any:
    """A function of NumPy as a method."""
    return lambda self, *args, **kw: function(self, *args, **kw)


IN_PLACE = {"sort", "partition", "put", "resize"}  # as methods they change an array
for name in set(vars(np.ndarray)) - set(dir(Symbol)) - IN_PLACE:
    if callable(getattr(np.ndarray, name)) and callable(getattr(np, name, None)):
        setattr(Symbol, name, method(getattr(np, name)))


def replaced(x: Any, change: Callable[[Symbol], Any]) -> Any:
    """`change` applied to the Symbols, also to those inside tuples, lists and dictionaries."""
    if isinstance(x, Symbol):
        return change(x)
    if isinstance(x, tuple | list):
        return type(x)([replaced(i, change) for i in x])
    return {k: replaced(v, change) for k, v in x.items()} if isinstance(x, dict) else x


def values(x: Any) -> Any:
    """Arrays in place of Symbols."""
    return replaced(x, attrgetter("value"))


# ---- operations that are no rows -------------------------------------------------------------


class NumpyOp(Op):
    """A function of NumPy that is no row."""

    __slots__ = ("__weakref__",)


# by the function, while an expression has it: a user may make ufuncs without an end
NUMPY: WeakValueDictionary[Any, Op] = WeakValueDictionary()


def numpy_op(function: Any) -> Op:
    """A NumPy function, or a method of a ufunc, as an operation of expressions; one at a time."""
    op = NUMPY.get(function)
    if op is None:
        name, kind = function.__name__, ""
        if isinstance(function, np.ufunc):
            kind = "comparison" if all(t[-1] == "?" for t in function.types) else ""
        else:
            of = getattr(function, "__self__", None)
            path = of.__name__ if isinstance(of, np.ufunc) else function.__module__[6:]
            name = f"{path}.{name}" if path else name
        op = NumpyOp(name, function, kind=kind, sign=SIGNS.get(function, ""))
        op = NUMPY.setdefault(function, op)
    return op


# gradients, added up in order
total = Op("total", lambda *terms: reduce(add, terms), kind="arithmetic", sign="+")
full = Op("full", lambda shape, n, by, dtype: np.full(shape, n / by if by else n, dtype))
call = Op("call", lambda function, x: function(x))  # of a hook
outer = Op("outer", np.multiply.outer, kind="product")  # of two vectors


# ---- questions about expressions -------------------------------------------------------------


def leaf(value: Any) -> Symbol:
    """A name to be given later."""
    return Symbol("", value)


def is_leaf(s: Any) -> bool:
    return isinstance(s, Symbol) and s.op is None


def is_op(x: Any, *any_of: Op) -> bool:
    """Whether an expression is one of these operations."""
    return isinstance(x, Symbol) and x.op in any_of


def is_view(op: Op) -> bool:
    """Whether it shows the elements that are there, all or some."""
    return op.kind == "view" or op is ops.getitem


def is_number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool)


def parts(s: Symbol) -> Iterator[Symbol]:
    """The Symbols directly inside an expression, those in its metadata included."""
    stack = [*reversed(list(s.kw.values())), *reversed(s.inputs)]
    while stack:
        x = stack.pop()
        if isinstance(x, Symbol):
            yield x
        elif isinstance(x, tuple | list):
            stack += reversed(x)


def leaves(s: Any) -> Iterator[Symbol]:
    """Every occurrence of a name in an expression."""
    stack = [s] if isinstance(s, Symbol) else []
    while stack:
        x = stack.pop()
        if x.op is None:
            yield x
        else:
            stack += parts(x)


# ---- reading rules --------------------------------------------------------------------------


def formulas(
    op: Op,
    y: Any,
    args: Sequence[Any],
    kw: dict[str, Any],
    names: Sequence[str],
    out: str = "y",
    g: str = "g",
) -> tuple[str, list[str | None]]:
    """The right-hand sides of an operation: forward, and backward for each of its inputs.

    `y` and `args` are the arrays of one call, `names` what the inputs are called. The backward of
    an input includes summing back what broadcasting stretched; None where there is no rule.

    >>> formulas(ops.matmul, np.ones((2, 4)), [np.ones((2, 3)), np.ones((3, 4))], {}, ["x", "W"])
    ('x @ W', ['g @ W.mT', 'x.mT @ g'])
    """
    symbols = [as_symbol(name, a) for name, a in zip(names, args, strict=True)]
    back = [None if s is None else str(s) for s in gradients(op, y, symbols, kw, out, g)]
    return forward_text(op, symbols, kw), back


def as_symbol(name: str, a: Any) -> Any:
    """Numbers without a name of their own stay numbers."""
    return Symbol(name, a) if isinstance(a, np.ndarray) else a


def forward_of(op: Op, symbols: Sequence[Any], kw: dict[str, Any]) -> Any:
    """What an operation does as an expression; of one that is `named` a call."""
    if hasattr(op, "made_of"):  # whose forward is for arrays alone
        (made,) = op.made_of(*symbols, **kw)
        return made
    return Symbol(op, 0.0, tuple(symbols), kw) if op.named else op.forward(*symbols, **kw)


def forward_text(op: Op, symbols: Sequence[Any], kw: dict[str, Any]) -> str:
    return text(forward_of(op, symbols, kw))


def gradients(
    op: Op, y: Any, symbols: Sequence[Any], kw: dict[str, Any], out: str = "y", g: str = "g"
) -> list[Any]:
    """Every rule of `op` run on Symbols, fitted to its input; None where there is no rule."""
    y = np.asarray(y)
    top = Symbol(g, np.ones(y.shape, y.dtype))
    result = Symbol(out, y)
    results: list[Any] = []
    for rule, s in zip(rules_of(op), symbols):  # noqa: B905  (rules of `each` have no end)
        if rule is None or not isinstance(s, Symbol) or s.dtype.kind != "f":
            results.append(None)
        else:
            results.append(unbroadcast(ruled(rule, top, result, symbols, kw), s.value))
    return results + [None] * (len(symbols) - len(results))


def ruled(rule: Any, g: Any, y: Any, symbols: Sequence[Any], kw: dict[str, Any]) -> Any:
    """One rule run on Symbols, before it is fitted to its input."""
    with np.errstate(all="ignore"):
        return rule(g, y, *symbols, **kw)


def same_values(found: Any, value: Any) -> bool:
    """Whether code gives on Symbols what it gives on arrays: not where it asks for types.

    One in a thousand is more than the order of operations changes, and less than a choice does.
    """
    if not isinstance(found, Symbol) or found.dtype == object:
        return True
    a, b = found.value, np.asarray(value)
    finite = b[np.isfinite(b)]
    largest = float(np.abs(finite).max()) if finite.size and b.dtype.kind in "fiu" else 0.0
    return a.shape == b.shape and np.allclose(a, b, 1e-3, 1e-3 * largest, equal_nan=True)


def reads(op: Op, y: Any, args: Sequence[Any], kw: Any, tracked: Sequence[bool], i: int) -> bool:
    """Whether a rule of a tracked input uses the value of input `i`, or of the output for -1."""
    if known := getattr(op.rules, "reads", None):  # of an autograd.Function
        return bool(known(i, **kw))
    symbols = [as_symbol(f"x{k}", a) for k, a in enumerate(args)]
    used = [s for s, t in zip(gradients(op, y, symbols, kw), tracked, strict=True) if t]
    return any(("y" if i < 0 else f"x{i}") in s.leaves() for s in used if isinstance(s, Symbol))


# what a forward function or a rule raises that does not run on Symbols
UNWRITTEN = (AttributeError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError)


def formula(op: Op, *samples: Any, **kw: Any) -> str:
    """The forward text of a row and the backward text of each input, on one line.

    `samples` are example inputs and `kw` the metadata; for the rows of the table both may be left
    out. TypeError if the operation needs metadata or samples that were not given, or is not made of
    operators, methods and NumPy functions.

    >>> formula(ops.tanh)
    'tanh: y = tanh(x); dx = g * (1 - y * y)'
    """
    given = bool(samples)
    if not given:
        samples, defaults = example(op)
        kw = defaults | kw
    names = input_names(op, len(samples))
    arrays = [np.asarray(a) for a in samples]
    unfit: Any = TypeError if given else UNWRITTEN  # what made-up samples cause
    try:
        y = op.forward(*arrays, **kw)
        for rule, _ in zip(() if given else op.rules, arrays):  # noqa: B905  (`each` has no end)
            if rule is not None:
                ruled(rule, np.ones_like(y), y, arrays, kw)
    except unfit as error:
        like = f"formula(op, {', '.join(names)})"
        raise TypeError(
            f"formula: {op.name} needs sample inputs or metadata; give sample inputs, as in {like}"
            f": {error}"
        ) from error
    try:
        with choosing(op):
            forward, back = formulas(op, y, arrays, kw, names)
    except UNWRITTEN as error:
        what = f"formula: {op.name} is not made of operators, methods and NumPy functions"
        raise TypeError(f"{what}: {error}") from error
    parts = [f"y = {forward}"]
    parts += [f"d{n} = {b}" for n, b in zip(names, back, strict=True) if b is not None]
    return f"{op.name}: " + "; ".join(parts)


def input_names(op: Op, n: int) -> list[str]:
    """What the rules call the inputs: x, or a and b; without rules what the forward does."""
    rule: Any = next((r for r in op.rules if r is not None), None)
    for function, before in ((rule, 2), (op.forward, 0)):
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):  # no rule, or what Python knows no parameters of
            continue
        if any(p.kind is p.VAR_POSITIONAL for p in parameters):
            return [chr(ord("a") + i) for i in range(n)]
        names = [p.name for p in parameters if p.kind <= p.POSITIONAL_OR_KEYWORD]
        if len(names) >= before + n:
            return names[before : before + n]
    return ["x"] if n == 1 else [f"x{i}" for i in range(1, n + 1)]  # as NumPy's functions do


def example(op: Op) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Inputs and metadata on which an operation shows its usual formula: its own, or its kind's."""
    if op.example is not None:
        return op.example()
    x = np.linspace(0.2, 0.9, 6).reshape(2, 3)
    if op.kind == "product":
        return (x, x.T), {}
    if op.kind == "along":
        return (x,), {"axis": 1}
    v = (x[0],) * (len(op.rules) if isinstance(op.rules, tuple) else 2)  # `each` takes any number
    return v, dict(SILENT) if op.kind == "reduction" else {}
