"""Formulas as a textbook writes them, where NumPy's code says more than a reader wants to know."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.rules import ops
from ..program.expr import Symbol, is_op
from ..program.names import ends, number
from ..program.naming import without_ones
from ..program.notation import ATOM, PLUS, SIGNS, TIMES, Writer, Written, counts_up

__all__ = ["cross_entropy_line", "forward_line", "gradient_line"]

SIGMA = "Σ"


def over(x: Any, axis: Any) -> str:
    """The axes of a reduction in words; nothing where it takes all of them.

    >>> x = Symbol("x", np.ones((2, 3)))
    >>> over(x, 0), over(x, (1,)), over(x, None), over(Symbol("x", np.ones((2, 3, 4))), (0, 1))
    (' over rows', ' over columns', '', ' over axes 0, 1')
    """
    if axis is None:
        return ""
    axes = [a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))]
    if len(axes) == x.ndim:
        return ""
    if x.ndim == 2:
        return (" over rows", " over columns")[axes[0]]
    if axes == [x.ndim - 1]:
        return " over the last axis"
    return f" over ax{'i' if len(axes) == 1 else 'e'}s {', '.join(map(str, axes))}"


def reduced(w: Any, s: Symbol) -> Written:
    """A sum, a mean, a maximum of elements."""
    x = s.inputs[0]
    return f"{w.names.get(s.op, s.op.name)}({w.text(x)}{over(x, s.kw.get('axis'))})", ATOM


def inner(w: Any, s: Symbol) -> Written:
    """What changes a dtype, copies, or repeats along axes, is written as its input."""
    written: Written = w.written(s.inputs[0])
    return written


def reshaped(w: Any, s: Symbol) -> Written:
    """Another shape, its sizes one by one; axes of size 1 are not told."""
    if without_ones(s.shape) == without_ones(s.inputs[0].shape):
        return inner(w, s)
    told = ", ".join(map(str, s.shape))
    return f"{w.bracketed(s.inputs[0], ATOM)}.reshape({told})", ATOM


def transposed(w: Any, s: Symbol) -> Written:
    """Another order of axes."""
    return f"{w.bracketed(s.inputs[0], ATOM)}.transpose({', '.join(map(str, s.kw['axes']))})", ATOM


def powered(w: Any, s: Symbol) -> Written:
    """x ** 1 is x."""
    return w.written(s.inputs[0]) if s.kw["p"] == 1 else Writer.forms[ops.power](w, s)


def scattered(w: Any, s: Symbol) -> Written:
    """Elements put into zeros, as a part of a formula."""
    return f"scatter({w.text(s.inputs[0])})", ATOM


def sized(s: Symbol) -> str:
    """The windows of an operation: 2×2, at stride 2."""
    size, stride = s.kw.get("size", ()), s.kw.get("stride")
    words = "×".join(map(str, size)) + " window" if size else "window"
    return words + (f" at stride {'×'.join(map(str, dict.fromkeys(stride)))}" if stride else "")


def correlation(w: Any, s: Symbol) -> Written:
    a, b, *bias = [w.text(x) for x in s.inputs]
    stride = s.kw.get("stride")
    at = f", at stride {'×'.join(map(str, dict.fromkeys(stride)))}" if stride else ""
    return f"{a} ⋆ {b}{''.join(f' + {x}' for x in bias)}{at}", PLUS


def full_convolution(w: Any, s: Symbol) -> Written:
    a, b = [w.text(x) for x in s.inputs]
    return f"full({a}) ⋆ flip({b})", TIMES


def divided(w: Any, s: Symbol) -> Written:
    """x / 1 is x."""
    one = not isinstance(s.inputs[1], Symbol) and s.inputs[1] == 1
    written: Written = w.written(s.inputs[0]) if one else Writer.infix(w, s)
    return written


def bounded(w: Any, s: Symbol) -> Written:
    """A bound at infinity is none."""
    finite = [x for x in s.inputs if isinstance(x, Symbol) or np.isfinite(x).all()]
    return w.written(finite[0]) if len(finite) == 1 else (w.call(s), ATOM)


def chosen(w: Any, s: Symbol) -> Written:
    """x, infinite where it is 0, divides as x."""
    is_zero, large, x = s.inputs
    sign = getattr(getattr(is_zero, "op", None), "sign", "")
    shield = sign == SIGNS[np.equal] and is_zero.inputs[0] is x
    if shield and not isinstance(large, Symbol) and np.isinf(large).all():
        written: Written = w.written(x)
        return written
    return w.call(s), ATOM


def joined(w: Any, s: Symbol) -> Written:
    """Arrays beside one another."""
    told = ", ".join(ends([*map(w.text, s.inputs)]))
    return f"{s.op.name}({told} along axis {s.kw['axis']})", ATOM


def flipped(w: Any, s: Symbol) -> Written:
    """Another direction of some axes."""
    axis = s.kw.get("axis")
    axes = axis if isinstance(axis, tuple) else () if axis is None else (axis,)
    told = f" along axis {', '.join(map(str, axes))}" if axes else ""
    return f"flip({w.text(s.inputs[0])}{told})", ATOM


def padded(w: Any, s: Symbol) -> Written:
    """What is framed, and by how much, where that is the same on all sides."""
    wide = {n for pair in s.kw["width"] for n in pair if n}
    told = f", {wide.pop()}" if len(wide) == 1 else ""
    return f"pad({w.text(s.inputs[0])}{told})", ATOM


def of_windows(words: str) -> Any:
    """A sentence with an input, {0}, and its windows, {1}."""
    return lambda w, s: (
        words.format(w.text(s.inputs[0]), sized(s)),
        ATOM,
    )


class Book(Writer):
    """The words of textbooks."""

    names = {ops.sum: SIGMA}
    # what code says about shapes and dtypes, and a textbook leaves out or writes another way
    forms = {
        **Writer.forms,
        ops.expand: inner,
        ops.cast: inner,
        ops.copy: inner,
        ops.reshape: reshaped,
        ops.permute: transposed,
        ops.power: powered,
        ops.scatter_add: scattered,
        ops.pad: padded,
        ops.div: divided,
        ops.minimum: bounded,
        ops.maximum: bounded,
        ops.where: chosen,
        ops.concatenate: joined,
        ops.stack: joined,
        ops.flip: flipped,
        ops.conv: correlation,
        ops.conv_weight: correlation,
        ops.conv_input: full_convolution,
        ops.windows: of_windows("every {1} of {0}"),
        ops.overlap_add: of_windows("Σ({0} where windows overlap)"),
        ops.window_sum: of_windows("Σ({0} over every {1})"),
        ops.window_spread: of_windows("{0} to all of its {1}"),
        ops.max_pool: of_windows("max({0} over every {1})"),
        ops.pool_spread: of_windows("{0} to the max of its {1}"),
        ops.pool_gather: of_windows("{0} at the max of every {1}"),
    }

    def written(self, s: Any) -> Written:
        kind = getattr(getattr(s, "op", None), "kind", "")
        if kind in ("reduction", "along") and s.op not in self.forms:
            return reduced(self, s) if kind == "reduction" else self.along(s)
        if getattr(s, "op", None) is not None and s.op.sign == "|":
            a, b = s.inputs
            if is_not_itself(b):  # true for NaN alone
                return self.written(a)
        return super().written(s)

    def along(self, s: Symbol) -> Written:
        """A softmax, running sums: along the last axis, if no other is said."""
        x, axis = s.inputs[0], s.kw.get("axis", -1)
        last = axis is None or axis % max(x.ndim, 1) == x.ndim - 1
        words = [self.text(i) for i in s.inputs]
        return f"{s.op.name}({', '.join(words)}{'' if last else f' along axis {axis}'})", ATOM

    def number(self, x: Any) -> str:
        whole = isinstance(x, float) and x.is_integer() and abs(x) < 1e15
        return str(int(x)) if whole else number(x, 6)

    def index_text(self, index: Any) -> str:
        return super().index_text(index).removesuffix(",")

    def function(self, name: str) -> str:
        return name.removesuffix("imum")  # of two numbers NumPy says maximum, of an array max

    def array_text(self, a: Any) -> str:
        """An array in an index: rows that are counted are i, few numbers themselves."""
        if a.size > 1 and counts_up(a):
            return "i"
        return str(a.tolist()) if a.size <= 8 and a.ndim < 2 else "index"


book = Book()


def is_not_itself(x: Any) -> bool:
    """Whether it asks for NaN: x != x."""
    return (
        isinstance(x, Symbol)
        and x.op is not None
        and x.op.sign == SIGNS[np.not_equal]
        and x.inputs[0] is x.inputs[1]
    )


def turned(e: Any) -> Any:
    """The transpose of an expression, without writing it twice: (A.mT @ B).mT = B.mT @ A."""
    if is_op(e, ops.mT):
        return e.inputs[0]
    if is_op(e, ops.matmul):
        a, b = e.inputs
        return Symbol(ops.matmul, e.value.mT, (turned(b), turned(a)))
    if is_op(e, ops.sum) and e.ndim == 2:
        return Symbol(ops.sum, e.value.mT, (turned(e.inputs[0]),), e.kw)
    return Symbol(ops.mT, e.value.mT, (e,))


def plain(e: Any) -> Any:
    """Without what changes the dtype or copies."""
    while is_op(e, ops.cast, ops.copy):
        e = e.inputs[0]
    return e


def repeated(e: Any) -> str:
    """What an expanded array is the same for."""
    given = without_ones(e.inputs[0].shape)
    if e.ndim == 2 and given and e.shape[0] != e.shape[1]:
        return "row" if given == [e.shape[1]] else "column"
    return "element"


def forward_line(out: str, op: Any, symbols: Any, kw: dict[str, Any], whole: Any) -> str:
    """What an operation gives, by its name where that says it all; `whole` is what it does."""
    if op.kind in ("reduction", "along"):
        whole = Symbol(op, np.float64(0), tuple(symbols), kw)
    if op in (ops.conv, ops.max_pool):
        return f"{out} = {book.text(whole)}; {element(out, op, symbols, kw)}"
    if op is ops.nll:
        x, t = symbols
        n = kw["n"]
        if n == np.size(getattr(t, "value", t)):
            return f"{out} = -mean({x}[i, {t}])"
        return f"{out} = -Σ({x}[i, {t}])" + (f" / {book.text(n)}" if n != 1 else "")
    return shown(f"{out} = {book.text(whole)}")


def element(out: str, op: Any, symbols: Any, kw: dict[str, Any]) -> str:
    """What one element sums, or is the largest of: the windows by their indices."""
    x = book.text(symbols[0])
    size = symbols[1].shape[2:] if op is ops.conv else kw["size"]
    d = len(size)
    steps = (kw.get(key) or (1,) * d for key in ("stride", "dilation"))
    moves = zip("ijm", "kln", *steps, strict=False)
    terms = [(f"{s}{i}" if s > 1 else i, f"{t}{k}" if t > 1 else k) for i, k, s, t in moves][:d]
    window = f"{x}[{', '.join(f'{i} + {k}' for i, k in terms)}]"
    if op is ops.conv:
        what = f"Σ({window} · {book.text(symbols[1])}[{', '.join('kln'[:d])}])"
        what += f" + {book.text(symbols[2])}" if symbols[2:] else ""
    else:
        what = f"max({window})"
    return f"{out}[{', '.join('ijm'[:d])}] = {what}"


def shown(formula: str) -> str:
    """A formula in which what is transposed twice is as it was."""
    return formula.replace(".mT.mT", "")


def cross_entropy_line(x: str, t: str, out: str, n: Any) -> str:
    """The gradient of a log_softmax that goes into the negative log-likelihood alone."""
    over = f" / {book.text(n)}" if n != 1 else ""
    return f"d_{x} = (softmax({x}) - onehot({t})) * d_{out}{over}"


def gradient_line(name: str, mark: str, adds: str, rule: Any) -> str:
    """What a rule gives to an input: to a part of it where it was read in part, and to itself
    where its transpose was read."""
    e = plain(rule)
    if mark:
        e = turned(e)
    if is_op(e, ops.scatter_add):
        index = book.index_text(e.kw["index"])
        return shown(f"d_{name}[{index}] += {book.text(e.inputs[0])}")
    every = f", for every {repeated(e)}" if is_op(e, ops.expand) else ""
    return shown(f"d_{name} {adds} {book.text(e)}{every}")
