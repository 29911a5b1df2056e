"""From a program to NumPy source that runs in buffers of its own.

`lower` makes one `Step` of every operation, equal ones once. `Writer` gives every step memory: that
of an input that ends there, a buffer that is free, or, for what is handed out, fresh memory.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterable
from contextvars import Context
from typing import Any
from zlib import crc32

import numpy as np

from ..ops import is_basic, table
from ..program import Argument, Program, is_number
from ..simplify import Maker, fold
from ..symbol import Symbol, namespace

__all__ = ["Step", "lower", "written"]

UNARY = {
    "neg": "negative", "abs": "absolute", "exp": "exp", "log": "log", "log1p": "log1p",
    "expm1": "expm1", "sqrt": "sqrt", "sin": "sin", "cos": "cos", "tan": "tan", "sinh": "sinh",
    "cosh": "cosh", "tanh": "tanh", "arctan": "arctan", "sign": "sign", "isnan": "isnan",
    "isfinite": "isfinite", "invert": "invert", "square": "square",
}  # fmt: skip
BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "div": "divide", "pow": "power",
    "maximum": "maximum", "minimum": "minimum", "logaddexp": "logaddexp", "equal": "equal",
    "not_equal": "not_equal", "less": "less", "less_equal": "less_equal", "greater": "greater",
    "greater_equal": "greater_equal", "bitwise_and": "bitwise_and", "bitwise_or": "bitwise_or",
}  # fmt: skip
INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
REDUCE = {"sum": "add", "max": "maximum", "min": "minimum"}
VIEWS = {"mT", "reshape", "permute", "flip"}


class Step:
    """One operation: its inputs are Steps, numbers, or tuples of them; `name` "given" is an
    argument and "constant" an array that stays."""

    __slots__ = ("name", "inputs", "kw", "value", "last", "text", "block", "fresh", "root")

    def __init__(self, name: str, value: Any, inputs: tuple[Any, ...], kw: dict[str, Any]) -> None:
        self.name, self.value, self.inputs, self.kw = name, value, inputs, kw
        self.last = -1  # the position of the last step that needs its memory
        self.text = ""
        self.block: Block | None = None
        self.fresh = False  # handed out: its memory is not used again
        self.root: Step = self  # whose memory it shows

    shape = property(lambda self: self.value.shape)
    dtype = property(lambda self: self.value.dtype)

    def steps(self) -> Iterable[Step]:
        """The Steps among the inputs and the metadata."""
        stack = [*self.inputs, *self.kw.values()]
        while stack:
            x = stack.pop()
            if isinstance(x, Step):
                yield x
            elif isinstance(x, tuple | list):
                stack += x


class Block:
    """A piece of memory that steps use one after the other."""

    def __init__(self, number: int, size: int) -> None:
        self.number, self.size = number, size


# ---- to steps -------------------------------------------------------------------------------


def lower(
    program: Program,
    outputs: list[Symbol],
    checks: list[Symbol],
    layouts: list[Any],
    rates: list[Step],
) -> tuple[list[Step], list[Any], dict[int, Step]]:
    """The steps in order, those of the outputs, and those of the arguments by their symbol.

    The outputs are the loss and gradients, laid out like `layouts` and times `rates`, if any.
    """
    fold_all(program, outputs)
    lowerer = Lowerer()
    for a in program.arguments:
        lowerer.known[id(a.symbol)] = Step("given", a.symbol.value, (), {})
    given = {id(a.symbol): lowerer.known[id(a.symbol)] for a in program.arguments}
    for c in checks:
        lowerer.steps.append(Step("check", c.value, (lowerer.step(c),), {}))
    for s in program.statements:
        lowerer.known[id(s.target)] = lowerer.step(s.expr)
    results = [lowerer.step(o) for o in outputs]
    for i, like in enumerate(layouts, 1):
        results[i] = lowerer.laid_out(results[i], like)
    for products in (True, False):
        for i, rate in enumerate(rates, 1):
            if products == is_product(results[i]):
                results[i] = lowerer.times(results[i], rate)
    return needed(lowerer.steps, results), results, given


def fold_all(program: Program, outputs: list[Symbol]) -> None:
    """The expressions in their simplest form; the outputs keep their names."""
    marks = {id(o) for o in outputs}
    for s in program.statements:
        if id(s.target) in marks:
            s.argument = Argument("gradient", s.target, "", None)  # which keeps the statement
    fold(program, Maker())


def needed(steps: list[Step], results: list[Any]) -> list[Step]:
    """The steps that lead to the results, and the checks."""
    wanted = {id(r) for r in results}
    kept = []
    for s in reversed(steps):
        if id(s) in wanted or s.name == "check":
            kept.append(s)
            wanted |= {id(x) for x in s.steps()}
    return kept[::-1]


class Lowerer:
    """Makes steps of expressions, equal ones once, and better ones where it knows some."""

    def __init__(self) -> None:
        self.known: dict[int, Any] = {}  # by the identity of a Symbol
        self.made: dict[Any, Step] = {}
        self.steps: list[Step] = []
        self.alive: list[Any] = []

    def step(self, x: Any) -> Any:
        """The Step of an expression; numbers stay as they are."""
        if isinstance(x, tuple | list):
            return type(x)(self.step(i) for i in x)
        if isinstance(x, np.ndarray):
            return self.make("constant", x, (), {"array": x})
        if not isinstance(x, Symbol):
            return x
        if id(x) not in self.known:
            self.alive.append(x)
            inputs = tuple(self.step(i) for i in x.inputs)
            kw = {k: self.step(v) for k, v in (x.kw or {}).items()}
            self.known[id(x)] = self.rewritten(x.name, x.value, inputs, kw)
        return self.known[id(x)]

    def laid_out(self, s: Any, like: Any) -> Any:
        """The step of a gradient, computed in the memory order of its tensor: an update that goes
        through both in one order takes half the time."""
        if like.flags.fnc and isinstance(s, Step) and s.name == "matmul" and like.ndim == 2:
            a, b = (self.turned(x) for x in s.inputs)
            return self.turned(self.make("matmul", s.value.mT, (b, a), {}))
        return s

    def times(self, s: Any, rate: Step) -> Any:
        """The step times a number: of a product its smaller factor, which takes 0.4 us instead of
        3.6 for the first layer of (16, 64); of its sum over the rows what is scaled already."""
        if s.name == "mT":
            return self.turned(self.times(s.inputs[0], rate))
        if s.name == "matmul":
            a, b = s.inputs
            small = min((a, b), key=lambda x: (x.root.name == "given", x.value.size))
            base = small.inputs[0] if small.name == "mT" else small
            scaled = self.make("mul", base.value, (base, rate), {})
            scaled = self.turned(scaled) if small is not base else scaled
            inputs = tuple(scaled if x is small else x for x in (a, b))
            return self.make("matmul", s.value, inputs, {})
        if s.name == "sum":
            there = self.made.get(("mul", (id(s.inputs[0]), id(rate)), ()))
            if there is not None:
                return self.make("sum", s.value, (there,), s.kw)
        return self.make("mul", s.value, (s, rate), {})

    def turned(self, s: Any) -> Any:
        return s.inputs[0] if s.name == "mT" else self.make("mT", s.value.mT, (s,), {})

    def key(self, x: Any) -> Any:
        if isinstance(x, Step | np.ndarray):
            return id(x)
        if isinstance(x, tuple | list):
            return tuple(map(self.key, x))
        return type(x).__name__, repr(x)

    def make(self, name: str, value: Any, inputs: tuple[Any, ...], kw: dict[str, Any]) -> Step:
        key = (name, self.key(inputs), tuple((k, self.key(v)) for k, v in kw.items()))
        if key not in self.made:
            self.alive.append(kw)
            s = self.made[key] = Step(name, value, inputs, kw)
            self.steps.append(s)
        return self.made[key]

    def rewritten(self, name: str, value: Any, inputs: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        x: Any = inputs[0] if inputs else None
        match name:
            case "total":
                whole = x
                for i in inputs[1:]:
                    whole = self.make("add", value, (whole, i), {})
                return whole
            case "full":
                n = kw["n"] / kw["by"] if kw["by"] else kw["n"]
                return self.make("full", value, (), {"n": np.asarray(n, value.dtype).item()})
            case "power":
                return self.rewritten("pow", value, (x, kw["p"]), {})
            case "pow" if is_number(inputs[1]) and inputs[1] == 2 and isinstance(x, Step):
                if x.dtype == value.dtype:
                    return self.make("square", value, (x,), {})
            case "copy" | "expand" | "reshape" if getattr(x, "shape", 0) == value.shape:
                return x
            case "mean":
                total = self.make("sum", value * 1, (x,), kw)
                return self.make("div", value, (total, x.value.size // max(value.size, 1)), {})
            case "exp" if is_shifted_log(x):
                # exp(d - log(s)) with d <= 0: exp(d) is there already
                top = self.rewritten("exp", value, (x.inputs[0],), {})
                return self.make("div", value, (top, x.inputs[1].inputs[0]), {})
            case "sum" if is_one_per_row(x) and kw.get("axis") == 1:
                return self.make("full", value, (), {"n": x.inputs[0].kw["n"]})
            case "neg" if isinstance(x, Step) and x.name == "mul" and is_number(x.inputs[1]):
                return self.make("mul", value, (x.inputs[0], -x.inputs[1]), {})
            case "sub" if is_one_per_row(x) and plain(inputs[1], value):
                negative = self.rewritten("neg", value, (inputs[1],), {})
                return self.make("plus_at", value, (negative, x.inputs[0].kw["n"]), x.kw)
        if name in ("mul", "div", "add", "sub", "maximum", "minimum"):
            inputs = uniform(inputs, value)
            a, b = inputs
            if name == "mul" and is_number(a) and isinstance(b, Step):
                inputs = b, a
            by_one = name in ("mul", "div") and is_number(inputs[1]) and inputs[1] == 1
            if by_one and plain(inputs[0], value):
                return inputs[0]
        return self.make(name, value, inputs, kw)


def is_product(s: Step) -> bool:
    return s.name == "matmul" or (s.name == "mT" and s.inputs[0].name == "matmul")


def plain(x: Any, value: Any) -> bool:
    return isinstance(x, Step) and x.shape == value.shape and x.dtype == value.dtype


def uniform(inputs: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    """Numbers in place of arrays that are one number everywhere, where the other input gives the
    result its shape and dtype."""
    given = list(inputs)
    for i, x in enumerate(inputs):
        if isinstance(x, Step) and x.name == "full" and plain(given[1 - i], value):
            given[i] = x.kw["n"]
    return tuple(given)


def is_shifted_log(x: Any) -> bool:
    """Whether it is d - log(s) with d = u - max(u)."""
    if not isinstance(x, Step) or x.name != "sub" or not isinstance(x.inputs[1], Step):
        return False
    d, log = x.inputs
    return (
        log.name == "log"
        and isinstance(d, Step)
        and d.name == "sub"
        and isinstance(d.inputs[1], Step)
        and d.inputs[1].name == "max"
        and d.inputs[1].inputs[0] is d.inputs[0]
    )


def is_one_per_row(x: Any) -> bool:
    """Whether it puts one number at one place of every row of a matrix of zeros."""
    if not isinstance(x, Step) or x.name != "scatter_add" or x.value.ndim != 2:
        return False
    index, number = x.kw["index"], x.inputs[0]
    if not (isinstance(index, tuple) and len(index) == 2 and number.name == "full"):
        return False
    rows = index[0]
    if isinstance(rows, Step):
        rows = rows.value if rows.name == "constant" else None
    return rows is not None and np.array_equal(rows, np.arange(x.shape[0]))


# ---- to text --------------------------------------------------------------------------------


class Writer:
    """Writes steps as the source of `make`, which makes the buffers and gives a function `run`."""

    def __init__(
        self,
        steps: list[Step],
        results: list[Any],
        given: list[Step],
        keep: bool,
        updated: list[Any],
        quiet: list[str],
    ) -> None:
        self.steps, self.results, self.given, self.quiet = steps, results, given, quiet
        self.keep = keep  # the gradients stay here, so they may lie in buffers
        self.updated = updated  # for every gradient the tensor that it is subtracted from; or none
        self.lines: list[str] = []
        self.head: list[str] = []
        self.names: dict[str, Any] = {"np": np, "empty": np.empty}
        self.numbers: dict[str, int] = {}
        self.free: dict[int, list[Block]] = {}
        self.views: dict[Any, str] = {}
        self.constants: dict[int, str] = {}
        for i, s in enumerate(given):
            s.text = f"a{i}"
        self.plan()
        for i, s in enumerate(steps):
            self.write(i, s)
            self.release(i, s)
        self.finish()

    def plan(self) -> None:
        """The step whose memory each step shows, and how long it is needed."""
        for i, s in enumerate(self.steps):
            inner = s.inputs[0] if s.inputs else None
            if isinstance(inner, Step) and self.shows(s):
                s.root = inner.root
            for x in s.steps():
                x.root.last = i
        for k, r in enumerate(self.results):
            r.root.fresh = not (self.keep and k)
            r.root.last = len(self.steps)

    def shows(self, s: Step) -> bool:
        """Whether a step is a view of its first input."""
        return s.name in VIEWS or (s.name == "getitem" and is_basic(s.kw["index"]))

    def release(self, i: int, s: Step) -> None:
        for x in {id(x.root): x.root for x in (s, *s.steps())}.values():
            if x.block is not None and x.last <= i:
                self.free.setdefault(x.block.size, []).append(x.block)
                x.block = None

    def fun(self, name: str) -> str:
        """A local name of a ufunc."""
        self.names.setdefault(name, getattr(np, name))
        return name

    def reducer(self, name: str) -> str:
        self.names.setdefault(f"{name}_reduce", getattr(np, name).reduce)
        return f"{name}_reduce"

    def constant(self, value: Any) -> str:
        if id(value) not in self.constants:
            self.constants[id(value)] = f"c{len(self.constants)}"
            self.names[self.constants[id(value)]] = value
        return self.constants[id(value)]

    def buffer(self, s: Step) -> str:
        """The name of a buffer for a step, which takes a free block or a new one."""
        size = s.value.nbytes
        waiting = self.free.get(size)
        if waiting:
            s.block = waiting.pop()
        else:
            s.block = Block(self.count("m"), size)
            self.head.append(f"m{s.block.number} = empty({size}, 'u1')")
        return self.shown(s)

    def shown(self, s: Step) -> str:
        assert s.block is not None
        key = s.block.number, s.shape, s.dtype.str
        if key not in self.views:
            self.views[key] = f"b{self.count('b')}"
            view = f"m{s.block.number}.view({s.dtype.str!r}).reshape({s.shape})"
            self.head.append(f"{self.views[key]} = {view}")
        return self.views[key]

    def count(self, letter: str) -> int:
        self.numbers[letter] = self.numbers.get(letter, -1) + 1
        return self.numbers[letter]

    def arg(self, x: Any) -> str:
        """An input as text."""
        if isinstance(x, Step):
            if x.name == "full":
                return self.constant(self.frozen(x))
            return self.constant(x.kw["array"]) if x.name == "constant" else x.text
        if isinstance(x, tuple):
            return f"({', '.join(map(self.arg, x))}{',' * (len(x) == 1)})"
        if isinstance(x, list):
            return f"[{', '.join(map(self.arg, x))}]"
        if isinstance(x, slice):
            return f"slice({x.start}, {x.stop}, {x.step})"
        if x is None or x is ... or type(x) in (int, bool, str):
            return repr(x)
        if type(x) is float and np.isfinite(x):
            return repr(x)
        self.constants.setdefault(id(x), f"c{len(self.constants)}")
        self.names[self.constants[id(x)]] = x
        return self.constants[id(x)]

    def frozen(self, x: Step) -> Any:
        """The array of a `full`, made once."""
        if "array" not in x.kw:
            a = np.full(x.shape, x.kw["n"], x.dtype)
            a.flags.writeable = False
            x.kw["array"] = a
        return x.kw["array"]

    def out(self, i: int, s: Step, over: bool) -> str:
        """Where a step writes, "" for memory of its own: with `over` an input that ends here."""
        if s.root.fresh or s.value.ndim == 0:
            return ""
        if over:
            for x in s.steps():
                r = x.root
                mine = r.block is not None and x is r and r.last == i and not r.fresh
                if mine and x.shape == s.shape and x.dtype == s.dtype:
                    s.block, r.block = r.block, None
                    return x.text
        return self.buffer(s)

    def line(self, s: Step, call: str, out: str, more: str = "", word: str = "") -> None:
        """`call(..., out)`, or an assignment where there is no memory yet."""
        if out:
            s.text = out
            self.lines.append(f"{call}, {word}{out}{more})")
        else:
            s.text = f"v{self.count('v')}"
            self.lines.append(f"{s.text} = {call}{', None' * bool(more)}{more})")

    def write(self, i: int, s: Step) -> None:
        name, kw = s.name, s.kw
        words = [self.arg(x) for x in s.inputs]
        if name in ("constant", "full"):
            return
        if name == "check":
            self.lines.append(f"if {words[0]}.size and {words[0]}[{words[0]}.argmin()] < 0:")
            self.lines.append("    raise IndexError")
        elif s.root is not s:
            self.view(s, words[0])
        elif s.value.ndim == 0 and name in INFIX and len(words) == 2:
            s.text = f"v{self.count('v')}"  # an operator takes 0.1 us of scalars, a ufunc 0.4
            self.lines.append(f"{s.text} = {words[0]} {INFIX[name]} {words[1]}")
        elif name == "getitem":
            s.text = f"v{self.count('v')}"
            self.lines.append(f"{s.text} = {words[0]}[{self.arg(kw['index'])}]")
        elif name == "sum" and self.of_columns(s):
            self.columns(i, s, words)
        elif name in UNARY and len(words) == 1:
            self.line(s, f"{self.fun(UNARY[name])}({words[0]}", self.out(i, s, True))
        elif name in BINARY and len(words) == 2:
            if name == "maximum" and s.inputs[1] == 0 and is_number(s.inputs[1]):
                words[1] = self.zeros(s)
            call = f"{self.fun(BINARY[name])}({words[0]}, {words[1]}"
            out = self.out(i, s, True)
            self.line(s, call, out, word="out=" * (name in ("maximum", "minimum")))
        elif name == "matmul":
            self.product(i, s, words)
        elif name in REDUCE:
            axis, keep = kw.get("axis"), kw.get("keepdims", False)
            call = f"{self.reducer(REDUCE[name])}({words[0]}, {axis}, None"
            self.line(s, call, self.out(i, s, False), f", {keep}" if keep else "")
        elif name == "plus_at":
            self.plus_at(i, s, words)
        elif name in ("expand", "cast") and s.value.ndim:
            s.text = self.out(i, s, False)
            if not s.text:
                s.text = f"v{self.count('v')}"
                self.lines.append(f"{s.text} = empty({s.shape}, {s.dtype.str!r})")
            self.names["copyto"] = np.copyto
            self.lines.append(f"copyto({s.text}, {words[0]}, 'unsafe')")
        else:
            self.other(s, words)

    def zeros(self, s: Step) -> str:
        """An array of zeros, against which `maximum` is up to 4 times as fast as against 0; one row
        of them where all of them would push the rest out of the cache."""
        shape = s.shape if s.value.size <= 2**14 else s.shape[-1:]
        key = f"z_{s.dtype.name}_{'_'.join(map(str, shape))}"
        if key not in self.names:
            self.names[key] = np.zeros(shape, s.dtype)
        return key

    def view(self, s: Step, x: str) -> None:
        s.text = f"v{self.count('v')}"
        match s.name:
            case "mT":
                text = f"{x}.mT"
            case "reshape":
                text = f"{x}.reshape({s.kw['shape']})"
            case "permute":
                text = f"{x}.transpose({s.kw['axes']})"
            case "flip":
                self.names["flip"] = np.flip
                text = f"flip({x}, {s.kw['axis']})"
            case _:
                text = f"{x}[{self.arg(s.kw['index'])}]"
        self.lines.append(f"{s.text} = {text}")

    def product(self, i: int, s: Step, words: list[str]) -> None:
        a, b = s.inputs
        # np.dot takes 10.6 us for (16, 784) @ (784, 64) where np.matmul takes 11.8, and for the
        # product of a transposed (16, 784) with (16, 64) 11.9 where np.matmul takes 9.1
        flat = a.value.ndim == b.value.ndim == 2 and a.dtype == b.dtype == s.dtype
        flat = flat and a.value.flags.c_contiguous
        self.names["product" if flat else "matmul"] = np.dot if flat else np.matmul
        call = f"{'product' if flat else 'matmul'}({words[0]}, {words[1]}"
        self.line(s, call, self.out(i, s, False))

    def of_columns(self, s: Step) -> bool:
        """Whether it adds up the rows of a matrix of floats."""
        x = s.inputs[0]
        axis = s.kw.get("axis")
        flat = x.value.ndim == 2 and x.dtype == s.dtype and x.dtype.char in "fd"
        return flat and axis in (0, (0,)) and s.value.ndim == 1 and 0 < x.shape[0] <= 256

    def columns(self, i: int, s: Step, words: list[str]) -> None:
        """The product with a row of ones: 0.4 us where add.reduce takes 0.9, on (16, 64)."""
        rows = s.inputs[0].shape[0]
        ones = f"ones_{s.dtype.name}_{rows}"
        self.names.setdefault(ones, np.ones(rows, s.dtype))
        self.names["product"] = np.dot
        self.line(s, f"product({ones}, {words[0]}", self.out(i, s, False))

    def plus_at(self, i: int, s: Step, words: list[str]) -> None:
        x = s.inputs[0]
        index = self.arg(s.kw["index"])
        mine = x.root is x and x.block is not None and x.last == i
        if mine and not s.root.fresh:
            s.text, s.block, x.block = x.text, x.block, None
        elif x.name not in ("given", "constant", "full") and x.root is x and x.last == i:
            s.text = x.text  # fresh memory, or its own
        else:
            s.text = self.out(i, s, False) or f"v{self.count('v')}"
            if s.block is None:
                self.lines.append(f"{s.text} = {words[0]}.copy()")
            else:
                self.names["copyto"] = np.copyto
                self.lines.append(f"copyto({s.text}, {words[0]})")
        self.lines.append(f"{s.text}[{index}] += {words[1]}")

    def other(self, s: Step, words: list[str]) -> None:
        """An operation without a form of its own here: the row's function, or NumPy's."""
        row = table.get(s.name)
        function = row.forward if row is not None else namespace()[s.name]
        name = f"f_{s.name}"
        self.names[name] = function
        words += [f"{k}={self.arg(v)}" for k, v in s.kw.items()]
        s.text = f"v{self.count('v')}"
        shared = row is not None and row.view and s.name != "getitem"
        self.lines.append(f"{s.text} = {name}({', '.join(words)}){'.copy()' * shared}")

    def finish(self) -> None:
        """What is handed out shares no memory with what was given, nor with buffers."""
        texts = []
        seen: set[int] = set()
        for r in self.results:
            text = self.arg(r)
            twice = self.keep and id(r.root) in seen
            if twice or r.root.name in ("given", "constant", "full"):
                text = f"np.array({text})"
            seen.add(id(r.root))
            texts.append(text)
        if self.updated:
            # quiet, so that nothing raises between the first update and the last
            self.names["quiet"] = quiet
            n = range(len(self.updated))
            self.head.append("context = quiet()")
            self.head.append(f"def update({', '.join(f'p{k}, g{k}' for k in n)}):")
            self.head += [f"    {self.fun('subtract')}(p{k}, g{k}, p{k})" for k in n]
            pairs = zip(self.updated, texts[1:], strict=True)
            given = ", ".join(f"{p.text}, {g}" for p, g in pairs)
            self.lines.append(f"context.run(update, {given})")
        self.returned = f"return {', '.join(texts[:1] if self.updated else texts)},"

    def source(self) -> str:
        names = sorted(n for n in self.names if n not in ("np", "empty"))
        given = ", ".join(s.text for s in self.given)
        words = ", ".join(f"{kind}='ignore'" for kind in self.quiet)
        lines = [
            f"def make({', '.join(['np', 'empty', *names])}):",
            *(f"    {line}" for line in self.head),
            *([f"    @np.errstate({words})"] if words else []),
            f"    def run({given}):",
            *(f"        {line}" for line in [*self.lines, self.returned]),
            "    return run",
        ]
        return "\n".join(lines) + "\n"


def quiet() -> Context:
    """A context in which NumPy neither warns nor raises."""
    context = Context()
    context.run(np.seterr, all="ignore")
    return context


def written(
    steps: list[Step],
    results: list[Any],
    given: list[Step],
    keep: bool,
    updated: list[Any],
    quiet: list[str],
) -> tuple[str, Callable[[], Any]]:
    """The source, and a function that makes the buffers and returns `run`."""
    writer = Writer(steps, results, given, keep, updated, quiet)
    text = writer.source()
    file = f"<compiled {crc32(text.encode()):08x}>"
    linecache.cache[file] = len(text), None, text.splitlines(True), file
    space: dict[str, Any] = {}
    exec(compile(text, file, "exec"), space)  # noqa: S102  text that this module has written
    make, names = space["make"], writer.names
    return text, lambda: make(**names)
