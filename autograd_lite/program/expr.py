"""The third reading of a rule: as text.

A Symbol is a name with a value. Operators, NumPy functions and rows that meet it compute the value
and keep the expression, so running a rule on Symbols gives its formula, with the right shapes. The
text is plain NumPy but for a few rows without a NumPy name, and `namespace` makes it run.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..engine import protocol as protocols
from ..engine import rules
from ..engine.op import Op, forms, ops, table
from ..engine.tape import unbroadcast

__all__ = ["Symbol", "formula", "formulas", "namespace", "reads"]

ATOM, POWER, UNARY, TIMES, PLUS, AND, OR, COMPARE = range(8, 0, -1)
INFIX = {
    "add": ("+", PLUS), "sub": ("-", PLUS), "mul": ("*", TIMES), "div": ("/", TIMES),
    "matmul": ("@", TIMES), "pow": ("**", POWER), "bitwise_and": ("&", AND),
    "bitwise_or": ("|", OR), "equal": ("==", COMPARE), "not_equal": ("!=", COMPARE),
    "less": ("<", COMPARE), "less_equal": ("<=", COMPARE), "greater": (">", COMPARE),
    "greater_equal": (">=", COMPARE),
}  # fmt: skip
SILENT: dict[str, Any] = {
    "axis": None,
    "keepdims": False,
}  # metadata that are not written when they are these


class Symbol(NDArrayOperatorsMixin):
    """A name, or an expression of Symbols, with its value.

    >>> x = Symbol("x", np.array([1.0, 2.0]))
    >>> print(1 - np.tanh(x) * x)
    1 - tanh(x) * x
    """

    __slots__ = ("value", "name", "inputs", "kw")

    def __init__(
        self, name: str, value: Any, inputs: tuple[Any, ...] = (), kw: dict[str, Any] | None = None
    ) -> None:
        self.name = name
        self.value = np.asarray(value)
        self.inputs = inputs
        self.kw = kw

    shape = property(lambda self: self.value.shape)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    dtype = property(lambda self: self.value.dtype)
    mT = property(lambda self: ops.mT(self))
    T = property(lambda self: rules.transpose(self))
    reshape = rules.reshape
    transpose = rules.permute
    sum = rules.sum
    mean = rules.mean
    cumsum = rules.cumsum

    def astype(self, dtype: Any) -> Symbol:
        return ops.cast(self, dtype=dtype)

    def copy(self) -> Symbol:
        return ops.copy(self)

    def __getitem__(self, index: Any) -> Symbol:
        return ops.getitem(self, index=index)

    def __op__(self, op: Op, inputs: tuple[Any, ...], kw: dict[str, Any]) -> Symbol:
        return Symbol(op.name, op.forward(*values(inputs), **values(kw)), inputs, kw)

    @staticmethod
    def __plain__(function: Any, inputs: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        value = function(*values(inputs), **values(kw))
        return Symbol(function.__name__, value, tuple(inputs), kw)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kw: Any) -> Any:
        if (ufunc, method) == (np.multiply, "accumulate"):  # no row: the derivative needs none
            return Symbol("cumprod", ufunc.accumulate(*values(inputs), **kw), inputs, kw)
        return protocols.apply_ufunc(Symbol, ufunc, method, inputs, kw)

    def __array_function__(self, function: Any, types: Any, args: Any, kw: Any) -> Any:
        return protocols.apply_function(Symbol, function, args, kw)

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        return bool(self.value)

    def __str__(self) -> str:
        return text(self)

    def __repr__(self) -> str:
        return f"Symbol({self})"

    def leaves(self) -> set[str]:
        """The names that occur in the expression."""
        found: set[str] = set()
        stack: list[Any] = [self]
        while stack:
            s = stack.pop()
            if isinstance(s, Symbol):
                if s.kw is None:
                    found.add(s.name)
                else:
                    stack += [*s.inputs, *s.kw.values()]
            elif isinstance(s, tuple | list):
                stack += s
        return found


def values(x: Any) -> Any:
    """Arrays in place of Symbols, also inside tuples, lists and dictionaries."""
    if isinstance(x, Symbol):
        return x.value
    if isinstance(x, tuple | list):
        return type(x)(values(item) for item in x)
    return {k: values(v) for k, v in x.items()} if isinstance(x, dict) else x


# ---- writing --------------------------------------------------------------------------------


class Writer:
    """Expressions as text: this one writes the formulas, a subclass another notation."""

    def written(self, s: Any) -> tuple[str, int]:
        """The text of an expression, and how tightly its outermost operator binds."""
        if not isinstance(s, Symbol):
            return self.constant(s)
        if s.kw is None:
            return s.name, ATOM
        if s.name in INFIX:
            return self.infix(s)
        return self.operation(s)

    def infix(self, s: Symbol) -> tuple[str, int]:
        sign, level = INFIX[s.name]
        left, right = s.inputs
        # a - (b - c) keeps its brackets; so does (a ** b) ** c
        tight = COMPARE + 1 if level == COMPARE else level
        a = self.bracketed(left, tight if sign != "**" else level + 1)
        b = self.bracketed(right, tight if sign in ("+", "&", "|") else level + (sign != "**"))
        return self.joined(a, sign, b), level

    def operation(self, s: Symbol) -> tuple[str, int]:
        kw: dict[str, Any] = s.kw or {}
        x = s.inputs[0] if s.inputs else None
        match s.name:
            case "neg":
                return "-" + self.bracketed(x, UNARY), UNARY
            case "invert":
                return "~" + self.bracketed(x, UNARY), UNARY
            case "power":
                base, p = self.bracketed(x, ATOM), self.bracketed(kw["p"], POWER)
                return self.joined(base, "**", p), POWER
            case "getitem":
                return f"{self.bracketed(x, ATOM)}[{self.index_text(kw['index'])}]", ATOM
            case "mT":
                return self.transposed(x), ATOM
            case "reshape":
                return f"{self.bracketed(x, ATOM)}.reshape({self.text(kw['shape'])})", ATOM
            case "permute":
                return f"{self.bracketed(x, ATOM)}.transpose({self.text(kw['axes'])})", ATOM
            case "cast":
                return f"{self.bracketed(x, ATOM)}.astype({self.dtype_text(kw['dtype'])})", ATOM
            case "copy":
                return self.bracketed(x, ATOM) + ".copy()", ATOM
        return self.call(s), ATOM

    def call(self, s: Symbol) -> str:
        function, words = self.called(s)
        return f"{function}({', '.join(words)})"

    def called(self, s: Symbol) -> tuple[str, list[str]]:
        """The function of a call and the texts of its arguments."""
        kw: dict[str, Any] = s.kw or {}
        name = s.name
        words = [self.text(i) for i in s.inputs]
        match name:
            case "expand":
                name = "broadcast_to"
                words.append(self.text(kw["shape"]))
                kw = {}
            case "clip":
                words += [self.text(kw["low"]), self.text(kw["high"])]
                kw = {}
            case "prod":
                kw = {"axis": -1}
            case "concatenate" | "stack":
                words = [f"[{', '.join(words)}]"]
            case "einsum":
                words.insert(0, self.quoted(kw["spec"]))
                kw = {}
            case "pad":
                words.append(str(kw["width"] or 0))
                kw = {"constant_values": kw["value"]}
        words += [
            f"{self.keyword(k)}={self.text(v)}"
            for k, v in kw.items()
            if k not in SILENT or v is not SILENT[k]
        ]
        return self.function(name), words

    def text(self, x: Any) -> str:
        return self.written(x)[0]

    def bracketed(self, x: Any, level: int) -> str:
        inner, binds = self.written(x)
        return inner if binds >= level else f"({inner})"

    # ---- what notations differ in

    def joined(self, a: str, sign: str, b: str) -> str:
        return f"{a} {sign} {b}"

    def transposed(self, x: Any) -> str:
        return self.bracketed(x, ATOM) + ".mT"

    def function(self, name: str) -> str:
        return name

    def keyword(self, name: str) -> str:
        return name

    def quoted(self, word: str) -> str:
        return repr(word)

    def dtype_text(self, dtype: Any) -> str:
        return repr(np.dtype(dtype).name)

    def number(self, x: Any) -> str:
        return str(x)

    # ---- constants

    def constant(self, x: Any) -> tuple[str, int]:
        """The text of a number, a tuple, an array."""
        if isinstance(x, np.ndarray):
            return self.array_text(x), ATOM
        if isinstance(x, np.generic):
            x = x.item()
        if isinstance(x, tuple):
            return f"({', '.join(self.text(i) for i in x)}{',' * (len(x) == 1)})", ATOM
        if isinstance(x, float | int) and not isinstance(x, bool):
            negative = x < 0 or (isinstance(x, float) and math.copysign(1, x) < 0)
            return self.number(x), UNARY if negative else ATOM
        return ("..." if x is ... else repr(x)), ATOM

    def array_text(self, a: np.ndarray[Any, Any]) -> str:
        dtype = self.dtype_text(a.dtype)
        if a.ndim == 1 and a.dtype.kind == "i" and (a == np.arange(len(a))).all():
            return f"{self.function('arange')}({len(a)})"
        if a.ndim == 2 and a.shape[0] == a.shape[1] and (a == np.eye(len(a))).all():
            return f"{self.function('eye')}({len(a)}, dtype={dtype})"
        for word, number in (("zeros", 0), ("ones", 1)):
            if (a == number).all():
                return f"{self.function(word)}({a.shape}, dtype={dtype})"
        return f"{self.function('array')}({a.tolist()}, dtype={dtype})"

    def index_text(self, index: Any) -> str:
        parts = index if isinstance(index, tuple) else (index,)
        words = []
        for part in parts:
            if isinstance(part, slice):
                start, stop, step = (
                    "" if v is None else str(v) for v in (part.start, part.stop, part.step)
                )
                words.append(f"{start}:{stop}" + f":{step}" * bool(step))
            else:
                words.append(self.text(part))
        return ", ".join(words) + "," * (isinstance(index, tuple) and len(parts) == 1) or "()"


text = Writer().text


def namespace() -> dict[str, Any]:
    """What the names in a formula stand for: NumPy's functions, and rows where NumPy has none."""
    names: dict[str, Any] = dict(table)
    for name in (
        "sum", "mean", "prod", "max", "min", "cumsum", "cumprod", "abs", "where", "clip", "flip", "pad",
        "concatenate", "stack", "einsum", "sqrt", "broadcast_to", "array", "arange", "eye", "ones",
        "zeros", "argmax", "isfinite",
    ):  # fmt: skip
        names[name] = getattr(np, name)
    for name in ("var", "std", "logsumexp"):
        names[name] = partial(table[name], **SILENT)
    function: Any
    for function in protocols.PLAIN | {f for f in forms if isinstance(f, np.ufunc)}:
        names[function.__name__] = function
    return names | {"inf": np.inf, "nan": np.nan}


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


def forward_text(op: Op, symbols: Sequence[Any], kw: dict[str, Any]) -> str:
    call = Symbol(op.name, 0.0, tuple(symbols), kw)
    return text(call if op.named else op.forward(*symbols, **kw))


def gradients(
    op: Op, y: Any, symbols: Sequence[Any], kw: dict[str, Any], out: str = "y", g: str = "g"
) -> list[Any]:
    """Every rule of `op` run on Symbols, fitted to its input; None where there is no rule."""
    y = np.asarray(y)
    top = Symbol(g, np.ones(y.shape, y.dtype))
    result = Symbol(out, y)
    results: list[Any] = []
    for rule, s in zip(op.rules, symbols):  # noqa: B905  (rules of `each` have no end)
        if rule is None or not isinstance(s, Symbol) or s.dtype.kind != "f":
            results.append(None)
        else:
            results.append(unbroadcast(ruled(rule, top, result, symbols, kw), s.value))
    return results + [None] * (len(symbols) - len(results))


def ruled(rule: Any, g: Symbol, y: Symbol, symbols: Sequence[Any], kw: dict[str, Any]) -> Any:
    """One rule run on Symbols, before it is fitted to its input."""
    with np.errstate(all="ignore"):
        return rule(g, y, *symbols, **kw)


def reads(op: Op, y: Any, args: Sequence[Any], kw: Any, tracked: Sequence[bool], i: int) -> bool:
    """Whether a rule of a tracked input uses the value of input `i`, or of the output for -1."""
    symbols = [as_symbol(f"x{k}", a) for k, a in enumerate(args)]
    used = [s for s, t in zip(gradients(op, y, symbols, kw), tracked, strict=True) if t]
    return any(("y" if i < 0 else f"x{i}") in s.leaves() for s in used if isinstance(s, Symbol))


def formula(op: Op, *samples: Any, **kw: Any) -> str:
    """The forward text of a row and the backward text of each input, on one line.

    `samples` are example inputs and `kw` the metadata; for the rows of the table both may be left
    out. TypeError if the operation needs metadata that were not given.

    >>> formula(ops.tanh)
    'tanh: y = tanh(x); dx = g * (1 - y * y)'
    """
    if not samples:
        samples, defaults = example(op)
        kw = defaults | kw
    names = input_names(op, len(samples))
    arrays = [np.asarray(a) for a in samples]
    try:
        y = op.forward(*arrays, **kw)
        forward, back = formulas(op, y, arrays, kw, names)
    except TypeError as error:
        raise TypeError(f"formula: {op.name} needs sample inputs or metadata: {error}") from error
    parts = [f"y = {forward}"]
    parts += [f"d{n} = {b}" for n, b in zip(names, back, strict=True) if b is not None]
    return f"{op.name}: " + "; ".join(parts)


def input_names(op: Op, n: int) -> list[str]:
    """The names that the rules give their inputs: x, or a and b."""
    rule = next(r for r in op.rules if r is not None)
    parameters = inspect.signature(rule).parameters.values()
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD][2:]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return [chr(ord("a") + i) for i in range(n)]
    return names[:n]


def example(op: Op) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Inputs and metadata on which a row shows its usual formula."""
    x = np.linspace(0.2, 0.9, 6).reshape(2, 3)
    v = x[0]
    reduction = {"axis": None, "keepdims": False}
    known: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
        "power": ((v,), {"p": 3}),
        "leaky_relu": ((v,), {"slope": 0.01}),
        "elu": ((v,), {"alpha": 1.0}),
        "clip": ((v,), {"low": 0.0, "high": 1.0}),
        "hardtanh": ((v,), {"low": -1.0, "high": 1.0}),
        "where": ((v > 0.3, v, v), {}),
        "softmax": ((x,), {"axis": 1}),
        "log_softmax": ((x,), {"axis": 1}),
        "cumsum": ((v,), {"axis": 0}),
        "matmul": ((x, x.T), {}),
        "einsum": ((x, x.T), {"spec": "ij,jk->ik"}),
        "reshape": ((x,), {"shape": (3, 2)}),
        "permute": ((x,), {"axes": (1, 0)}),
        "mT": ((x,), {}),
        "flip": ((v,), {"axis": (0,)}),
        "expand": ((v,), {"shape": (2, 3)}),
        "cast": ((v,), {"dtype": "float64"}),
        "getitem": ((v,), {"index": slice(0, 2)}),
        "scatter_add": ((v,), {"shape": (4,), "index": slice(0, 3)}),
        "put": ((v, v[:2]), {"index": slice(0, 2)}),
        "nll": ((x, np.array([0, 2])), {"n": 2}),
        "pad": ((v,), {"width": ((1, 1),), "value": 0.0}),
        "concatenate": ((v, v), {"axis": 0}),
        "stack": ((v, v), {"axis": 0}),
    }
    for name in ("sum", "mean", "max", "min", "norm", "logsumexp"):
        known[name] = ((v,), reduction)
    for name in ("var", "std"):
        known[name] = ((v,), reduction | {"correction": 1})
    if op.name in known:
        return known[op.name]
    return (v,) * len(tuple(op.rules)), {}
