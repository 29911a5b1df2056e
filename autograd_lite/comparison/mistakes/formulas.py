"""Single edits of a formula: each way to write the right rule wrong in one place.

The rule of an edge is run on Symbols; an edit puts another input into one place of the expression,
leaves an operand out, takes an operator for its opposite, or a number for another.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ...engine.op import Op
from ...engine.rules import ops
from ...program.expr import UNWRITTEN, Symbol, as_symbol, input_names, is_op, ruled
from ..propagation import Contribution

MOST = 60  # edits of one formula


class Edit(NamedTuple):
    """A wrong formula, with what was done to the right one, in words."""

    slug: str
    words: str
    made: Symbol


def right_formula(e: Contribution) -> tuple[Symbol, list[Symbol]] | None:
    """The rule of an edge on Symbols, and those; None if it does not run on them."""
    node = e.node
    names = input_names(node.op, len(node.args))
    symbols = [as_symbol(name, a) for name, a in zip(names, node.args, strict=True)]
    g, y = Symbol("g", np.asarray(e.g)), Symbol("y", node.array)
    try:
        made = ruled(e.edge.rule, g, y, symbols, node.kw)
    except UNWRITTEN:
        return None
    if not isinstance(made, Symbol):
        return None
    return made, [s for s in (g, y, *symbols) if isinstance(s, Symbol)]


def edits(e: Contribution) -> Iterator[Edit]:
    """The wrong formulas of an edge, the same ones in the same order for every gradient."""
    found = right_formula(e)
    if found is not None:
        all_ = itertools.chain(everywhere(*found), edited(*found))
        yield from itertools.islice(all_, MOST)


def instead(new: Symbol, old: Symbol) -> str:
    """One name in the place of another, in words."""
    if old.name == "g":
        return f"the arriving gradient is not used: {new.name} in its place"
    return f"{'the arriving gradient' if new.name == 'g' else new.name} used for {old.name}"


def inner(s: Symbol) -> Iterator[Symbol]:
    yield s
    for x in s.inputs:
        if isinstance(x, Symbol):
            yield from inner(x)


def again(s: Symbol, op: Op, inputs: tuple[Any, ...], kw: dict[str, Any]) -> Symbol:
    """An operation on other inputs."""
    return Symbol(op, op.forward(*map(array_of, inputs), **kw), inputs, kw)


def everywhere(right: Symbol, named: list[Symbol]) -> Iterator[Edit]:
    """One input for another, wherever it stands."""
    for old in [s for s in named if any(x is s for x in inner(right))]:
        times = sum(s is old for s in inner(right))
        for new in named if times > 1 else ():
            if new is not old and new.shape == old.shape:
                yield Edit("wrong-array", instead(new, old), swapped(right, old, new))


def swapped(s: Any, old: Symbol, new: Symbol) -> Any:
    if s is old:
        return new
    if not isinstance(s, Symbol) or s.op is None:
        return s
    return again(s, s.op, tuple([swapped(x, old, new) for x in s.inputs]), s.kw)


def edited(s: Symbol, named: list[Symbol]) -> Iterator[Edit]:
    """Every edit at one place of an expression."""
    yield from here(s, named)
    for i, x in enumerate(s.inputs):
        if isinstance(x, Symbol):
            for slug, words, made in edited(x, named):
                inputs = (*s.inputs[:i], made, *s.inputs[i + 1 :])
                try:
                    yield Edit(slug, words, again(s, s.op, inputs, s.kw))
                except (ValueError, TypeError):  # shapes that do not fit
                    continue


def here(s: Symbol, named: list[Symbol]) -> Iterator[Edit]:
    """The edits of the outermost place."""
    if s.op is None:
        for new in named:
            if new is not s and new.shape == s.shape:
                yield Edit("wrong-array", instead(new, s), new)
        return
    if is_op(s, ops.mul, ops.div):
        yield from factors(s)
    elif is_op(s, ops.add, ops.sub):
        yield from terms(s)
    elif is_op(s, ops.power) or (is_op(s, ops.pow) and np.size(array_of(s.inputs[1])) == 1):
        yield from powers(s)
    elif len(s.inputs) == 1 and isinstance(s.inputs[0], Symbol):
        x = s.inputs[0]
        if x.shape == s.shape and not is_op(s, ops.neg):
            yield Edit("formula", f"{x} used for {s}", x)
    elif s.op.kind == "comparison":
        words = f"the mask {s} reversed"
        yield Edit("mask-reversed", words, Symbol(s.op, ~s.value, s.inputs, s.kw))


def factors(s: Symbol) -> Iterator[Edit]:
    """A factor left out, or once too often; multiplied for divided."""
    a, b = s.inputs
    whole = np.shape(s.value)
    product = is_op(s, ops.mul)
    for left, kept in ((b, a), (a, b))[: 2 if product else 1]:
        if isinstance(kept, Symbol) and kept.shape == whole:
            what = "the factor" if product else "the divisor"
            if not isinstance(left, Symbol):
                what, left = "the factor", f"{left:.4g}"
                if not product:
                    what, left = f"not divided by {left}: the scale", f"1 / {left}"
            yield Edit("factor-missing", f"{what} {left} left out", kept)
    if product:
        for twice in (a, b):
            if isinstance(twice, Symbol):
                words = f"multiplied by {twice} twice"
                yield Edit("factor-twice", words, again(s, s.op, (s, twice), {}))
            else:
                for other in (twice - 1, twice + 1, 1 / twice if twice else 0):
                    if other not in (0, twice):
                        made = again(s, s.op, (other, b if twice is a else a), {})
                        yield Edit("wrong-number", f"{other:.4g} used for {twice:.4g}", made)
    else:
        b = b if isinstance(b, Symbol) else f"the scale {b:.4g}"
        words = f"multiplied by {b}, not divided by it: its exponent is off"
        yield Edit("operator", words, again(s, ops.mul, (a, s.inputs[1]), {}))
        yield Edit(
            "factor-twice", f"divided by {b} once too often", again(s, s.op, (s, s.inputs[1]), {})
        )


def terms(s: Symbol) -> Iterator[Edit]:
    """A term left out, or with the other sign."""
    a, b = s.inputs
    other = ops.sub if is_op(s, ops.add) else ops.add
    for left, kept in ((b, a), (a, b)):
        if isinstance(kept, Symbol) and kept.shape == s.shape:
            yield Edit("term-missing", f"the term {left} left out of {s}", kept)
    yield Edit("sign", f"a sign: {a} {other.sign} {b} for {s}", again(s, other, (a, b), {}))


def powers(s: Symbol) -> Iterator[Edit]:
    """Another exponent."""
    x = s.inputs[0]
    p = s.kw["p"] if is_op(s, ops.power) else float(array_of(s.inputs[1]))
    if isinstance(x, Symbol):
        for q in (p + 1, p - 1, 1):
            if q != p:
                words = f"the exponent is off: {x} ** {q:g} for {x} ** {p:g}"
                yield Edit("exponent", words, again(x, ops.power, (x,), {"p": q}) if q != 1 else x)


def array_of(x: Any) -> Any:
    return x.value if isinstance(x, Symbol) else x
