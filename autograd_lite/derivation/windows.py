"""Windows as a person writes them: a loop over the places of a kernel, in NumPy and in LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..engine.op import Op
from ..engine.rules import ops
from ..program.expr import Symbol
from ..program.naming import COUNTERS
from ..program.notation import ATOM, TIMES, UNARY, Writer, Written

__all__ = ["loop", "sentence", "windowed"]

WIDTH = 88  # of a line


class Loop:
    """What the lines of a loop are made of."""

    def __init__(self, name: str, e: Symbol, write: Writer) -> None:
        self.name, self.e, self.write = name, e, write
        kw = e.kw
        self.size = tuple(kw.get("size") or kernel_of(e))
        d = self.d = len(self.size)
        self.inputs = [write.bracketed(x, ATOM) for x in e.inputs]
        self.counters = COUNTERS[:d]
        self.k = ", ".join(self.counters)
        self.stride = kw.get("stride") or (1,) * d
        self.dilation = kw.get("dilation") or (1,) * d
        self.groups = kw.get("groups", 1)
        self.letters = "abdhw"[5 - d :]

    @property
    def out(self) -> tuple[int, ...]:
        """How many windows there are, where they give the result its last axes."""
        return tuple(self.e.shape[-self.d :])

    @property
    def given(self) -> tuple[int, ...]:
        """How many there are, where they are what is given."""
        return tuple(self.e.inputs[0].shape[-self.d :])

    def at(self, out: tuple[int, ...]) -> list[str]:
        """The index of the elements that `out` windows have at one place."""
        spans = []
        for i, n, s, t in zip(self.counters, out, self.stride, self.dilation, strict=True):
            start = i if t == 1 else f"{t} * {i}"
            end = f"{start} + {s * (n - 1) + 1}"
            spans.append(f"{start} : {end}" + f" : {s}" * (s > 1))
        return self.set("at", self.write.function("s_"), f"..., {', '.join(spans)}", "[]")

    def set(self, name: str, function: str, words: str, brackets: str = "()") -> list[str]:
        """`name = function(words)` in the loop, on three lines where one is too long."""
        start, end = f"{name} = {function}{brackets[0]}", brackets[1]
        whole = f"{start}{words}{end}"
        return [whole] if len(whole) <= WIDTH - 8 else [start, f"    {words}", end]

    def zeros(self, value: str = "") -> str:
        dtype = self.write.dtype_word(self.e.value)
        function = self.write.function("full" if value else "zeros")
        shape = self.write.text(self.e.shape)
        return f"{self.name} = {function}({shape}{', ' * bool(value)}{value}{dtype})"

    def head(self) -> str:
        if self.d == 1:
            return f"for {self.k} in range({self.size[0]}):"
        sizes = ", ".join(map(str, self.size))
        return f"for {self.k} in {self.write.function('ndindex')}({sizes}):"

    def share(self, spec: str, a: str, b: str, shape: tuple[int, ...]) -> list[str]:
        """The product of two arrays at one place."""
        words = f"{self.write.quoted(spec)}, {a}, {b}, optimize=True"
        lines = self.set("share", self.write.function(ops.einsum.name), words)
        if self.groups > 1:
            lines.append(f"share = share.reshape({self.write.text(shape)})")
        return lines

    def kernel(self, weight: str) -> str:
        """The line for the part of a weight at one place."""
        shape = self.e.inputs[1].shape[:2]
        return f"kernel = {self.grouped(f'{weight}[..., {self.k}]', shape, 0)}"

    def looped(self, lines: list[str], value: str = "") -> list[str]:
        """The lines at every place, after an array of zeros, or of another value."""
        return [self.zeros(value), self.head(), *[f"    {line}" for line in lines]]

    def grouped(self, text: str, shape: tuple[int, ...], axis: int) -> str:
        """An array with its channels, along this axis, in groups."""
        if self.groups == 1:
            return text
        split = (*shape[:axis], self.groups, shape[axis] // self.groups, *shape[axis + 1 :])
        return f"{text}.reshape({self.write.text(split)})"

    def spec(self, left: str, right: str, out: str) -> str:
        """Letters for samples n, outputs o, channels c and places; g where there are groups."""
        g = "g" * (self.groups > 1)
        marks = {"Y": f"n{g}o{self.letters}", "X": f"n{g}c{self.letters}", "W": f"{g}oc"}
        return f"{marks[left]},{marks[right]}->{marks[out]}"


def kernel_of(e: Symbol) -> tuple[int, ...]:
    """The size of the windows of an operation that gets a kernel, or their elements."""
    if e.op is ops.overlap_add:
        d = len(e.kw["shape"])
        return tuple(e.inputs[0].shape[-2 * d : -d])
    return tuple(e.inputs[1].shape[2:])


def conv(w: Loop) -> list[str]:
    x, kernel, *bias = w.inputs
    out = w.e.shape
    shape = (*w.e.inputs[0].shape[:2], *out[2:])
    lines = [
        *w.at(out[2:]),
        f"part = {w.grouped(f'{x}[at]', shape, 1)}",
        w.kernel(kernel),
        *w.share(w.spec("X", "W", "Y"), "part", "kernel", out),
        f"{w.name} += share",
    ]
    ones = ", 1" * w.d
    return [*w.looped(lines), *[f"{w.name} += {b}.reshape(-1{ones})" for b in bias]]


def conv_input(w: Loop) -> list[str]:
    g, kernel = w.inputs
    above = w.e.inputs[0].shape
    whole = (above[0], w.e.shape[1], *above[2:])
    lines = [
        *w.at(above[2:]),
        w.kernel(kernel),
        *w.share(w.spec("Y", "W", "X"), w.grouped(g, above, 1), "kernel", whole),
        f"{w.name}[at] += share",
    ]
    return w.looped(lines)


def conv_weight(w: Loop) -> list[str]:
    x, g = w.inputs
    above = w.e.inputs[1].shape
    shape = (*w.e.inputs[0].shape[:2], *above[2:])
    lines = [
        *w.at(above[2:]),
        f"part = {w.grouped(f'{x}[at]', shape, 1)}",
        *w.share(w.spec("X", "Y", "W"), "part", w.grouped(g, above, 1), w.e.shape[:2]),
        f"{w.name}[..., {w.k}] = share",
    ]
    return w.looped(lines)


def windows(w: Loop) -> list[str]:
    return w.looped([*w.at(w.out), f"{w.name}[..., {w.k}{', :' * w.d}] = {w.inputs[0]}[at]"])


def overlap_add(w: Loop) -> list[str]:
    return w.looped([*w.at(w.given), f"{w.name}[at] += {w.inputs[0]}[..., {w.k}{', :' * w.d}]"])


def window_sum(w: Loop) -> list[str]:
    return w.looped([*w.at(w.out), f"{w.name} += {w.inputs[0]}[at]"])


def window_spread(w: Loop) -> list[str]:
    return w.looped([*w.at(w.given), f"{w.name}[at] += {w.write.text(w.e.inputs[0])}"])


def max_pool(w: Loop) -> list[str]:
    words = f"{w.name}, {w.inputs[0]}[at]"
    lines = [*w.at(w.out), *w.set(w.name, w.write.function(ops.maximum.name), words)]
    return w.looped(lines, f"-{w.write.function('inf')}")


def hits(w: Loop, line: str) -> list[str]:
    """A loop in which every window has one hit: the first of its largest elements."""
    _, x, top = w.inputs
    ones = f"left = {w.write.function('ones')}({top}.shape, dtype=bool)"
    out = tuple(w.e.inputs[2].shape[-w.d :])
    lines = [*w.at(out), f"hit = {x}[at] == {top}", "hit &= left", line, "left &= ~hit"]
    return [ones, *w.looped(lines)]


def pool_spread(w: Loop) -> list[str]:
    return hits(w, f"{w.name}[at] += hit * {w.inputs[0]}")


def pool_gather(w: Loop) -> list[str]:
    return hits(w, f"{w.name} += hit * {w.inputs[0]}[at]")


# what a person writes at each place, as NumPy has a function for none of them; and says of it
SAID: dict[Op, tuple[Callable[[Loop], list[str]], str]] = {
    ops.conv: (
        conv,
        "the correlation of {0} with {1}: every window times the kernel, summed",
    ),
    ops.conv_input: (
        conv_input,
        "the full convolution of {0} with {1}, its correlation with the flipped kernel",
    ),
    ops.conv_weight: (
        conv_weight,
        "the correlation of {0} with {1}, summed over the samples",
    ),
    ops.windows: (
        windows,
        "the elements of every window of {0}",
    ),
    ops.overlap_add: (
        overlap_add,
        "every element of a window of {0} added to where it is from",
    ),
    ops.window_sum: (
        window_sum,
        "the sum of every window of {0}",
    ),
    ops.window_spread: (
        window_spread,
        "every element of {0} added to all of its window",
    ),
    ops.max_pool: (
        max_pool,
        "the largest element of every window of {0}",
    ),
    ops.pool_spread: (
        pool_spread,
        "every element of {0} added to the place of the largest in its window, 0 elsewhere",
    ),
    ops.pool_gather: (
        pool_gather,
        "of every window of {0} the element at the place of the largest",
    ),
}


def loop(name: str, e: Symbol, write: Writer) -> list[str]:
    """The lines that give an expression of windows a name."""
    return SAID[e.op][0](Loop(name, e, write))


def sentence(op: Op, names: Sequence[str]) -> str:
    """What an operation on windows gives, with the names of its inputs."""
    return SAID[op][1].format(*names)


# ---- LaTeX ------------------------------------------------------------------------------------


def under(e: Symbol) -> str:
    """The settings of a convolution that are not the usual ones."""
    words = []
    for key in ("stride", "dilation", "groups"):
        value = e.kw.get(key)
        if value:
            same = isinstance(value, int) or len(set(value)) == 1
            number = value if isinstance(value, int) else value[0]
            words.append(f"{key} {number if same else value}")
    return rf"_{{\text{{{', '.join(words)}}}}}" if words else ""


def by(e: Symbol) -> str:
    size = e.kw.get("size") or kernel_of(e)
    return "_{" + r" \times ".join(map(str, size)) + "}"


def correlation(w: Any, s: Symbol) -> Written:
    a, b, *bias = s.inputs
    text = rf"{w.bracketed(a, UNARY)} \star{under(s)} {w.bracketed(b, UNARY)}"
    return text + "".join(f" + {w.text(x)}" for x in bias), TIMES - bool(bias)


def convolution(w: Any, s: Symbol) -> Written:
    a, b = s.inputs
    return rf"{w.bracketed(a, UNARY)} \ast{under(s)} {w.bracketed(b, UNARY)}", TIMES


def named(word: str) -> Callable[[Any, Symbol], Written]:
    return lambda w, s: (rf"{word}{by(s)}\left({w.text(s.inputs[0])}\right)", ATOM)


def at_largest(w: Any, s: Symbol) -> Written:
    g, x, _ = s.inputs
    largest = rf"\operatorname{{argmax}}{by(s)} {w.bracketed(x, UNARY)}"
    return rf"{w.bracketed(g, TIMES)} \text{{ at }} {largest}", TIMES


# as a textbook writes each
windowed: dict[Op, Callable[[Any, Symbol], Written]] = {
    ops.conv: correlation, ops.conv_weight: correlation, ops.conv_input: convolution,
    ops.windows: named(r"\operatorname{windows}"),
    ops.overlap_add: named(r"\operatorname{overlap}"),
    ops.window_sum: named(r"\sum"), ops.max_pool: named(r"\max"),
    ops.window_spread: named(r"\operatorname{spread}"),
    ops.pool_spread: at_largest, ops.pool_gather: at_largest,
}  # fmt: skip
