"""A recorded tape in standard form: the same values, written with the operations that are meant."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from ..engine.modes import enable_grad
from ..engine.rules import ops
from ..engine.tensor import Tensor
from ..program.chain import Tape
from ..program.expr import Symbol
from .idioms import Idioms


class Standard(NamedTuple):
    """A tape in standard form, the tensor that each kept one became, the largest small number that
    was left out, and what others became, where they are still computed."""

    tape: Tape
    of: dict[Tensor, Tensor]
    guard: float
    others: dict[Tensor, Tensor]


def standard_form(
    tape: Tape, keep: Collection[Tensor], fused: bool = False, guards: bool = False
) -> Standard:
    """The tape by the laws of `idioms`; the tensors to keep, and those with a name, stay.

    `fused` takes the laws of the second look too, `guards` leaves out numbers as in log(p + 1e-7).
    """
    builder = Builder(Idioms(fused, guards))
    loss = tape.nodes[-1]
    for node in tape.nodes:
        if node.op is None:
            continue
        given = [builder.input(p, a) for p, a in zip(tape.inputs[node], node.args, strict=True)]
        e = builder.idioms.rewrite(node.op, node.array, tuple(given), node.kw or {})
        stays = node is loss or node.name or node in keep
        builder.symbols[node] = builder.named(node, e) if stays else e
    kept = {t: new for t, new in builder.of.items() if t in keep or t.op is not None}
    made = {t: builder.made[id(s)] for t, s in builder.symbols.items() if id(s) in builder.made}
    return Standard(Tape(builder.of[loss]), kept, builder.idioms.dropped, made)


class Builder:
    """Makes Tensors of expressions."""

    def __init__(self, idioms: Idioms) -> None:
        self.idioms = idioms
        self.symbols: dict[Tensor, Any] = {}
        self.made: dict[int, Any] = {}  # by the identity of a Symbol
        self.of: dict[Tensor, Tensor] = {}
        self.alive: list[Symbol] = []

    def input(self, p: Any, a: Any) -> Any:
        """The expression of an input, which had this value."""
        if p is None or not p.requires_grad:
            return a
        if p not in self.symbols:  # a leaf, or what was recorded before a part of the tape
            t = p if p.array is a else Tensor(a, requires_grad=True, name=p.name)
            self.symbols[p] = self.leaf(p, t)
        return self.symbols[p]

    def leaf(self, p: Tensor, t: Tensor) -> Symbol:
        s = Symbol(p.name or "", t.array)
        self.alive.append(s)
        self.made[id(s)] = self.of[p] = t
        return s

    def named(self, node: Tensor, e: Any) -> Symbol:
        """A name for what stays."""
        with enable_grad():
            t = self.built(e)
            if t.op is None or any(t is old for old in self.of.values()):
                t = ops.copy(t)
        t.name = node.name
        return self.leaf(node, t)

    def built(self, e: Any) -> Any:
        """The Tensor of an expression."""
        stack = [e]
        while stack:
            s = stack[-1]
            if not isinstance(s, Symbol) or id(s) in self.made:
                stack.pop()
                continue
            waiting = [x for x in s.inputs if isinstance(x, Symbol) and id(x) not in self.made]
            if waiting:
                stack += waiting
                continue
            given = [self.made[id(x)] if isinstance(x, Symbol) else x for x in s.inputs]
            self.made[id(stack.pop())] = s.op(*given, **s.kw)
            self.alive.append(s)
        return self.made[id(e)] if isinstance(e, Symbol) else e
