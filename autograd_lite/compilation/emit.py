"""From steps to NumPy source that runs in buffers of its own.

`Writer` gives every step memory: that of an input that ends there, a buffer that is free, or, for
what is handed out, fresh memory.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable
from contextvars import Context
from itertools import count
from typing import Any
from weakref import finalize

import numpy as np

from ..engine.axes import is_basic
from ..engine.op import Op, table
from ..engine.protocol import PLAIN
from ..engine.rules import ops
from ..engine.rules.convolutions import LOOPS
from ..program.expr import NUMPY, full, is_number
from .laws import is_range, plus_at
from .lower import Step, ask, check, constant, given, is_draw
from .step import Descent, Differs

__all__ = ["Writer"]

# the reductions that write into a buffer
REDUCE = {ops.sum: np.add, ops.max: np.maximum, ops.min: np.minimum}
# views that NumPy has as a method or an attribute, with its name for them and its arguments
VIEWS: dict[Op, str] = {
    ops.mT: "mT",
    ops.reshape: "reshape({shape})",
    ops.permute: "transpose({axes})",
}
# a scalar is taken by these operators in 0.1 us, and by their ufuncs in 0.4
OPERATORS = (ops.add, ops.sub, ops.mul, ops.div)
NUMBERS = count(1)  # of the sources
# ufuncs that take `out` faster by its name, and one that is faster against an array than a number
BY_NAME = (np.maximum, np.minimum)


class Block:
    """A buffer that steps use one after the other: the name and kind of its first use."""

    def __init__(self, name: str, first: Step) -> None:
        self.name, self.shape, self.dtype = name, first.shape, first.dtype
        self.size = first.value.nbytes


class Writer:
    """Writes steps as the source of `make`, which makes the buffers and gives a function `run`."""

    def __init__(
        self,
        steps: list[Step],
        results: list[Any],
        given: list[Step],
        keep: bool,
        updated: list[Any],
        descent: Descent | None,
        changed: list[tuple[Step, Any]],
        quiet: list[str],
    ) -> None:
        self.steps, self.results, self.given, self.quiet = steps, results, given, quiet
        self.changed = changed  # arguments that get other values in place
        self.keep = keep  # the gradients stay here, so they may lie in buffers
        self.updated = updated  # for every gradient the tensor that is updated with it; or none
        self.descent = descent  # how; without one the gradients are subtracted
        self.lines: list[str] = []
        self.head: list[str] = []
        self.names: dict[str, Any] = {"np": np, "empty": np.empty}
        self.numbers: dict[str, int] = {}
        self.free: dict[int, list[Block]] = {}
        self.views: dict[str, str] = {}
        self.checked = {id(s.inputs[0]): s.kw["classes"] for s in steps if s.op is check}
        self.places: dict[Any, str] = {}  # of the elements of a checked index, in memory
        self.constants: dict[int, str] = {}
        self.operands: dict[Any, Any] = {}
        for i, s in enumerate(given):
            s.text = f"a{i}"
        self.plan()
        draws = [f"{s.text} = {s.text}()" for s in given if is_draw(s)]
        for i, s in enumerate(steps):
            if any(map(is_draw, s.uses)):
                self.lines += draws
                draws = []
            self.write(i, s)
            self.release(i, s)
        self.lines += draws
        self.finish()

    def plan(self) -> None:
        """The step whose memory each step shows, and how long it is needed."""
        for i, s in enumerate(self.steps):
            inner = s.inputs[0] if s.inputs else None
            if isinstance(inner, Step) and self.shows(s):
                s.root = inner.root
            for x in s.uses:
                x.root.last = i
        for k, r in enumerate(self.results):
            r.root.fresh = not (self.keep and k)
            r.root.last = len(self.steps)
        for _, value in self.changed:
            if isinstance(value, Step):
                value.root.last = len(self.steps)

    def shows(self, s: Step) -> bool:
        """Whether a step is a view of its first input."""
        if s.op is ops.getitem:
            return is_basic(s.kw["index"])
        return s.op.kind == "view" and s.op.view

    def release(self, i: int, s: Step) -> None:
        for x in {id(x.root): x.root for x in (s, *s.uses)}.values():
            if x.block is not None and x.last <= i:
                self.free.setdefault(x.block.size, []).append(x.block)
                x.block = None

    def fun(self, ufunc: Any) -> str:
        """A local name of a ufunc; those of SciPy have names like k0, as the code has too."""
        name = ufunc.__name__
        return self.called(name if getattr(np, name, None) is ufunc else f"f_{name}", ufunc)

    def reducer(self, ufunc: Any) -> str:
        return self.called(f"{ufunc.__name__}_reduce", ufunc.reduce)

    def called(self, name: str, function: Any) -> str:
        """A local name of a function, this one or one like it."""
        if not name.isidentifier():
            name = "".join(c if c.isalnum() else "_" for c in name)
        while self.names.setdefault(name, function) != function:
            name += "_"
        return name

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
            name = f"b{self.count('b')}"
            s.block = Block(name, s)
            self.head.append(f"{name} = empty({s.shape}, {s.dtype.str!r})")
            self.views[name] = name
        return self.shown(s)

    def shown(self, s: Step, shape: tuple[int, ...] | None = None) -> str:
        """The name of a view of the block of a step, in its shape or in another."""
        b, shape = s.block, shape or s.shape
        assert b is not None
        if (shape, s.dtype) == (b.shape, b.dtype):
            return b.name
        flat = b.name if s.dtype == b.dtype else f"{b.name}.reshape(-1).view({s.dtype.str!r})"
        return self.in_head(f"{flat}.reshape({shape})", "b")

    def in_head(self, text: str, letter: str = "t") -> str:
        """A name for what is the same at every call."""
        if text not in self.views:
            self.views[text] = f"{letter}{self.count(letter)}"
            self.head.append(f"{self.views[text]} = {text}")
        return self.views[text]

    def count(self, letter: str) -> int:
        self.numbers[letter] = self.numbers.get(letter, -1) + 1
        return self.numbers[letter]

    def arg(self, x: Any) -> str:
        """An input as text."""
        if isinstance(x, Step):
            if x.op is full:
                return self.constant(self.frozen(x))
            return self.constant(x.kw["array"]) if x.op is constant else x.text
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
        return self.constant(x)

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
            for x in s.uses:
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
        """The lines of a step: in a form of its operation, of its kind, or as a call."""
        if s.op in (constant, full):
            return
        words = [self.arg(x) for x in s.inputs]
        if s.root is not s:
            self.view(s, words[0])
        elif s.op in OPERATORS and s.value.ndim == 0:
            s.text = f"v{self.count('v')}"
            self.lines.append(f"{s.text} = {words[0]} {s.op.sign} {words[1]}")
        elif s.op in FORMS:
            FORMS[s.op](self, i, s, words)
        elif self.is_elementwise(s):
            self.elementwise(i, s, words)
        else:
            self.other(s, words)

    def ask(self, i: int, s: Step, words: list[str]) -> None:
        no = "not " * s.kw["answer"]
        self.lines.append(f"if {no}{self.arg(s.kw['question'])}({words[0]}):")
        self.lines.append(f"    raise {self.differs()}")

    def getitem(self, i: int, s: Step, words: list[str]) -> None:
        s.text = f"v{self.count('v')}"
        self.lines.append(f"{s.text} = {self.at(s.inputs[0], words[0], s.kw['index'])}")

    def copied(self, i: int, s: Step, words: list[str]) -> None:
        """An input in another shape or dtype."""
        if s.value.ndim == 0:
            self.other(s, words)
            return
        s.text = self.out(i, s, False)
        if not s.text:
            s.text = f"v{self.count('v')}"
            self.lines.append(f"{s.text} = empty({s.shape}, {s.dtype.str!r})")
        self.names["copyto"] = np.copyto
        self.lines.append(f"copyto({s.text}, {words[0]}, 'unsafe')")

    def reduce(self, i: int, s: Step, words: list[str]) -> None:
        if s.op is ops.sum and self.is_flat_sum(s):
            self.with_ones(i, s, words[0])
        elif s.op is not ops.sum and self.is_of_short_rows(s):
            self.of_short_rows(i, s, words[0])
        else:
            axis, keep = s.kw.get("axis"), s.kw.get("keepdims", False)
            call = f"{self.reducer(REDUCE[s.op])}({words[0]}, {axis}, None"
            self.line(s, call, self.out(i, s, False), f", {keep}" if keep else "")

    def is_elementwise(self, s: Step) -> bool:
        """Whether one ufunc of arrays does it."""
        f = s.op.ufunc
        if f is None or f.signature or f.nout != 1 or f.nin != len(s.inputs) or s.kw:
            return False
        return any("O" not in types for types in f.types)  # not a Python function

    def elementwise(self, i: int, s: Step, words: list[str]) -> None:
        f = s.op.ufunc
        if len(words) == 2:
            if f is np.maximum and s.inputs[1] == 0 and is_number(s.inputs[1]):
                words[1] = self.zeros(s)
            words = [self.operand(x, w, s) for x, w in zip(s.inputs, words, strict=True)]
        call = f"{self.fun(f)}({', '.join(words)}"
        self.line(s, call, self.out(i, s, True), word="out=" * (f in BY_NAME))

    def operand(self, x: Any, text: str, s: Step) -> str:
        """An input of an elementwise function; a number as an array of one, which takes 0.2 us less
        than its conversion at every call."""
        dtypes = {i.dtype for i in s.uses}
        if type(x) not in (int, float) or s.op is ops.pow or len(dtypes) != 1:
            return text
        dtype = dtypes.pop()
        if dtype.kind != "f" or text.startswith("z_"):
            return text
        return self.constant(self.operands.setdefault((repr(x), dtype), np.array(x, dtype)))

    def zeros(self, s: Step) -> str:
        """An array of zeros, against which `maximum` is up to 4 times as fast as against 0; one row
        of them where all of them would push the rest out of the cache."""
        shape = s.shape if s.value.size <= 2**14 else s.shape[-1:]
        key = f"z_{s.dtype.name}_{'_'.join(map(str, shape))}"
        if key not in self.names:
            self.names[key] = np.zeros(shape, s.dtype)
        return key

    def view(self, s: Step, x: str) -> None:
        if s.op in VIEWS:
            text = f"{x}.{VIEWS[s.op].format(**s.kw)}"
        elif s.op is ops.getitem:
            text = f"{x}[{self.arg(s.kw['index'])}]"
        else:
            more = "".join(f", {k}={self.arg(v)}" for k, v in s.kw.items())
            text = f"{self.called(s.op.name, s.op.forward)}({x}{more})"
        # one element is a number; what is no buffer itself may be copied by reshape
        is_view = s.value.ndim > 0 and (s.op is not ops.reshape or x.startswith("b"))
        if is_view and x in self.views.values():
            s.text = self.in_head(text)
        else:
            s.text = f"v{self.count('v')}"
            self.lines.append(f"{s.text} = {text}")

    def product(self, i: int, s: Step, words: list[str]) -> None:
        """A matrix product."""
        a, b = s.inputs
        # np.dot takes 10.6 us for (16, 784) @ (784, 64) where np.matmul takes 11.8, and for the
        # product of a transposed (16, 784) with (16, 64) 11.9 where np.matmul takes 9.1
        flat = a.value.ndim == b.value.ndim == 2 and a.dtype == b.dtype == s.dtype
        flat = flat and a.value.flags.c_contiguous
        if flat:
            call = f"{words[0]}.dot({words[1]}"
        else:
            self.names["matmul"] = np.matmul
            call = f"matmul({words[0]}, {words[1]}"
        self.line(s, call, self.out(i, s, False))

    def is_flat_sum(self, s: Step) -> bool:
        """Whether it adds up the columns or rows of a matrix of floats, or a vector."""
        x = s.inputs[0]
        if x.dtype != s.dtype or x.dtype.char not in "fd" or s.value.size == 0:
            return False
        ends = x.value.size // s.value.size
        if not 0 < ends <= 256:  # the order of summation is the straight one here
            return False
        if x.value.ndim == 1:
            return s.value.ndim == 0
        axis = s.kw.get("axis")
        if x.value.ndim != 2 or axis in (None, (0, 1)):
            return False
        return s.value.ndim == 1 or (axis in (1, (1,), -1, (-1,)) and not s.root.fresh)

    def with_ones(self, i: int, s: Step, x: str) -> None:
        """The product with ones: for the columns of (16, 64) 0.4 us where add.reduce takes 0.9,
        for the rows of (128, 10) 0.6 where it takes 2.4."""
        shape = s.inputs[0].shape
        first = s.kw.get("axis") in (0, (0,))
        ones = f"ones_{s.dtype.name}_{shape[0 if first else -1]}"
        self.names.setdefault(ones, np.ones(shape[0 if first else -1], s.dtype))
        a, b = (ones, x) if first or len(shape) == 1 else (x, ones)
        out = self.out(i, s, False)
        self.line(s, f"{a}.dot({b}", out and self.shown(s, (s.value.size,)))
        s.text = out or s.text

    def is_of_short_rows(self, s: Step) -> bool:
        x = s.inputs[0]
        last = s.kw.get("axis") in (1, (1,), -1, (-1,))
        return x.value.ndim == 2 and last and 0 < x.shape[1] <= 32 and x.shape[0] >= 16

    def of_short_rows(self, i: int, s: Step, x: str) -> None:
        """The largest number of each row, down the columns of a transposed copy: for (16, 10)
        0.9 us where maximum.reduce takes 1.4, for (128, 10) 1.2 where it takes 7."""
        source = s.inputs[0]
        turned = Step(
            given, np.broadcast_to(source.value.dtype.type(0), source.shape[::-1]), (), {}
        )
        turned.last = i
        text = self.buffer(turned)
        self.lines.append(f"{self.in_head(f'{text}.T')}[...] = {x}")
        out = self.out(i, s, False)
        call = f"{self.reducer(REDUCE[s.op])}({text}, 0, None"
        self.line(s, call, out and self.shown(s, (s.value.size,)))
        if out:
            s.text = out
        elif s.value.ndim == 2:
            s.text = f"{s.text}[:, None]"
        self.release(i, turned)

    def check(self, i: int, s: Step, words: list[str]) -> None:
        """A class that is not there, also a negative one, has the function itself run. As numbers
        without a sign 0.37 us; two comparisons take 0.46."""
        kind = f"{s.dtype.str[0]}u{s.dtype.itemsize}"
        name = f"v{self.count('v')}"
        self.lines += [
            f"{name} = {words[0]}.view({kind!r})",
            f"if {name}.size and {name}[{name}.argmax()] >= {s.kw['classes']}:",
            f"    raise {self.differs()}",
        ]

    def differs(self) -> str:
        self.names["Differs"] = Differs
        return "Differs"

    def at(self, x: Step, text: str, index: Any) -> str:
        """Elements of an array. One of each row by its place in memory, where the places are
        checked: 0.3 us where x[rows, t] takes 0.5, and x[k] += 0.6 where it takes 1.5."""
        if x.block is None or not isinstance(index, tuple) or len(index) != 2:
            return f"{text}[{self.arg(index)}]"
        rows, t = index
        rows = rows.kw.get("array") if isinstance(rows, Step) else None
        n, classes = x.shape if x.value.ndim == 2 else (0, 0)
        checked = self.checked.get(id(t)) == classes and np.can_cast(t.dtype, np.int64)
        if rows is None or not checked or not is_range(rows, n):
            return f"{text}[{self.arg(index)}]"
        if (id(t), n) not in self.places:
            k, start = f"k{self.count('k')}", f"starts_{n}_{classes}"
            self.names[start] = np.arange(n) * classes
            self.head.append(f"{k} = empty({n}, 'i8')")
            self.lines.append(f"{self.fun(np.add)}({start}, {t.text}, {k})")
            self.places[id(t), n] = k
        return f"{self.shown(x, (n * classes,))}[{self.places[id(t), n]}]"

    def plus_at(self, i: int, s: Step, words: list[str]) -> None:
        x = s.inputs[0]
        mine = x.root is x and x.block is not None and x.last == i
        if mine and not s.root.fresh:
            s.text, s.block, x.block = x.text, x.block, None
        elif x.op not in LASTING and x.root is x and x.last == i:
            s.text = x.text  # fresh memory, or its own
        else:
            s.text = self.out(i, s, False) or f"v{self.count('v')}"
            if s.block is None:
                self.lines.append(f"{s.text} = {words[0]}.copy()")
            else:
                self.names["copyto"] = np.copyto
                self.lines.append(f"copyto({s.text}, {words[0]})")
        self.lines.append(f"{self.at(s, s.text, s.kw['index'])} += {words[1]}")

    def loop(self, i: int, s: Step, words: list[str]) -> None:
        """An operation on windows, whose forward function writes into a buffer."""
        words += [f"{k}={self.arg(v)}" for k, v in s.kw.items()]
        call = f"{self.called(f'f_{s.op.name}', s.op.forward)}({', '.join(words)}"
        self.line(s, call, self.out(i, s, False), word="out=")

    def other(self, s: Step, words: list[str]) -> None:
        """An operation without a form of its own here: its forward function is called. What that
        gives may show memory of an input, unless it is known to have its own."""
        op = s.op
        name = self.called(f"f_{op.name}", op.forward)
        words += [f"{k}={self.arg(v)}" for k, v in s.kw.items()]
        s.text = f"v{self.count('v')}"
        text = f"{name}({', '.join(words)})"
        if table.get(op.name) is op:
            text += ".copy()" * (op.view and op is not ops.getitem)
        elif not is_fresh(op):
            text = f"{self.called('own', own if op in NUMPY.values() else np.array)}({text})"
        self.lines.append(f"{s.text} = {text}")

    def finish(self) -> None:
        """What is handed out shares no memory with what was given, nor with buffers."""
        texts = []
        seen: set[int] = set()
        for r in self.results:
            text = self.arg(r)
            twice = self.keep and id(r.root) in seen
            if twice or r.root.op in LASTING:
                text = f"np.array({text})"
            seen.add(id(r.root))
            texts.append(text)
        changes = self.prepared(texts)
        if self.updated:
            # quiet, so that nothing raises between the first update and the last
            self.names["quiet"] = quiet
            n = range(len(self.updated))
            more: list[str] = []
            if self.descent is None:
                lines = [f"{self.fun(np.subtract)}(p{k}, g{k}, p{k})" for k in n]
            else:
                self.names |= self.descent.names
                self.lines[:0] = self.descent.numbers
                scalars = self.descent.scalars.items()
                self.head += [f"{x} = {made}" for (made, _), x in scalars]
                lines = [f"{x}[()] = {text}" for (_, text), x in scalars] + self.descent.lines
                more = list(self.descent.used)
            self.head.append("context = quiet()")
            self.head.append(f"def update({', '.join([f'p{k}, g{k}' for k in n] + more)}):")
            self.head += [f"    {line}" for line in lines]
            pairs = zip(self.updated, texts[1:], strict=True)
            given = ", ".join([f"{p.text}, {g}" for p, g in pairs] + more)
            self.lines.append(f"context.run(update, {given})")
        self.lines += changes
        self.returned = f"return {', '.join(texts[:1] if self.updated else texts)},"

    def prepared(self, texts: list[str]) -> list[str]:
        """The lines that change arguments in place, after all that may raise. What is handed out,
        or put in their place, and is itself an argument is copied before."""
        if not self.changed:
            return []
        self.names["copyto"] = np.copyto
        for k, text in enumerate(texts):
            if text.startswith("np.array"):
                texts[k] = f"r{k}"
                self.lines.append(f"r{k} = {text}")
        lines = []
        for k, (target, value) in enumerate(self.changed):
            text = self.arg(value)
            if isinstance(value, Step) and value.root.op is given:
                self.lines.append(f"w{k} = np.array({text})")
                text = f"w{k}"
            lines.append(f"copyto({target.text}, {text})")
        return lines

    def source(self) -> str:
        names = sorted(n for n in self.names if n not in ("np", "empty"))
        more = self.descent.given if self.descent is not None else []
        given = ", ".join([s.text for s in self.given] + more)
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

    def compiled(self) -> tuple[str, Callable[[], Any]]:
        """The source, and a function that makes the buffers and returns `run`."""
        text = self.source()
        file = f"<compiled {next(NUMBERS)}>"
        linecache.cache[file] = len(text), None, text.splitlines(True), file
        space: dict[str, Any] = {}
        exec(compile(text, file, "exec"), space)  # noqa: S102  text that this module has written
        make, names = space.pop("make"), self.names
        finalize(make, linecache.cache.pop, file, None).atexit = False
        return text, lambda: make(**names)


# steps of operations that have a form here, and those whose memory is not the code's own
FORMS: dict[Op, Callable[[Writer, int, Step, list[str]], None]] = {
    check: Writer.check, ask: Writer.ask, plus_at: Writer.plus_at, ops.getitem: Writer.getitem,
    ops.matmul: Writer.product, ops.expand: Writer.copied, ops.cast: Writer.copied,
    **dict.fromkeys(REDUCE, Writer.reduce), **dict.fromkeys(LOOPS, Writer.loop),
}  # fmt: skip
LASTING = (given, constant, full)


def is_fresh(op: Op) -> bool:
    """Whether a function of NumPy is known to give memory of its own."""
    f = op.forward
    ufunc = isinstance(getattr(f, "__self__", f), np.ufunc)  # or one of its methods
    return ufunc or f in PLAIN or f in (np.cumprod, np.take_along_axis)


def own(x: Any) -> Any:
    """A result of a NumPy function, or each of several, in memory of its own."""
    return tuple(map(np.array, x)) if isinstance(x, tuple) else np.array(x)


def quiet() -> Context:
    """A context in which NumPy neither warns nor raises."""
    context = Context()
    context.run(np.seterr, all="ignore")
    return context
