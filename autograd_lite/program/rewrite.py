"""Rewriting by laws: equal expressions are one object, each in the simplest form that laws give it.

A law is a function with the law as its docstring, in a table that readers combine:

    LAWS = Laws()

    @LAWS.about(ops.mT)
    def turned_twice(r: Rewriter, e: Symbol) -> Any:
        \"""x.mT.mT = x\"""
        return e.inputs[0].inputs[0] if is_op(e.inputs[0], ops.mT) else None

It is asked about every expression `e` of its operations, whose inputs are simple already, and gives
what `e` becomes: of `r.rewrite(...)` where more laws may hold, of `r.make(...)` where it is done;
None where it says nothing. `Rewriter(FIRST, LAWS)` asks the laws of the tables in that order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.op import Op, table
from ..engine.rules import ops
from ..engine.rules.convolutions import LOOPS
from .expr import (
    UNWRITTEN,
    NumpyOp,
    Symbol,
    call,
    choosing,
    full,
    is_leaf,
    is_number,
    is_op,
    outer,
    replaced,
    total,
)

__all__ = ["Laws", "Rewriter"]

Law = Callable[[Any, Symbol], Any]
# Of these the name stays, though a forward function could be written out or NumPy has no such
# function: a mean reads better than a sum and a division, and the others have a form of their own.
KEPT = {ops.mean, ops.erf, ops.expand, ops.flip, ops.scatter_add, ops.put, full, total, call, outer}
KEPT |= LOOPS
# and these forward functions do nothing else, which need not be found out anew
PRIMITIVE = {*KEPT, ops.getitem, *(op for op in table.values() if op.ufunc or op.kind == "view")}
# of which two are one if they print alike, as nan and nan do, 0.0 and -0.0 do not
PRINTED = {int, float, str, bytes, bool, type(None), type(...), *np.sctypeDict.values()} - {np.void}
DEEPEST = 50  # operations that are written out by one another


class Laws(list[tuple[tuple[Op | str, ...], Law]]):
    """A table of laws, each with the operations or kinds of operations that it is about."""

    def about(self, *which: Op | str) -> Callable[[Law], Law]:
        """Add the decorated law; asked in the order of the table."""

        def add(law: Law) -> Law:
            self.append((which, law))
            return law

        return add


class Rewriter:
    """Makes expressions, equal ones as one object, in the simplest form that its laws give."""

    def __init__(self, *tables: Laws) -> None:
        self.laws = [row for table in tables for row in table]
        self.about: dict[Op, list[Law]] = {}  # by the operation, in order
        self.primitive = set(PRIMITIVE)  # not written out, as far as that is known
        self.made: dict[Any, Symbol] = {}
        self.simplest: dict[int, Any] = {}  # by the identity of an expression that was made here
        self.memo: dict[int, Any] = {}  # by that of any
        self.alive: list[Any] = []  # what is known by identity
        self.names: dict[int, Any] = {}  # what stands for a dropped name
        self.inside = 0  # how many operations are written out just now

    def key(self, x: Any) -> Any:
        """What only equal metadata share; others may hide differences in what they print."""
        of = x.__class__
        if of is tuple:
            return tuple(map(self.key, x))
        if of in PRINTED or isinstance(x, np.dtype):
            return of, repr(x)
        if of is list:
            return of, self.key(tuple(x))
        if of is dict:
            return of, self.key(tuple(x.items()))
        if of is slice:
            return of, self.key((x.start, x.stop, x.step))
        return id(x)

    def make(self, op: Op, value: Any, inputs: tuple[Any, ...] = (), kw: Any = None) -> Symbol:
        """The expression, which has this value; made once."""
        kw = kw or {}
        ids = tuple([id(x) if isinstance(x, Symbol) else self.key(x) for x in inputs])
        key = (op, ids, tuple([(k, self.key(v)) for k, v in kw.items()]) if kw else ())
        found = self.made.get(key)
        if found is None:
            found = self.made[key] = Symbol(op, value, inputs, kw)
            self.alive.append((inputs, kw))
        return found

    def rewrite(self, op: Op, value: Any, inputs: tuple[Any, ...] = (), kw: Any = None) -> Any:
        """An operation on simple inputs in its simplest form."""
        e = self.make(op, value, inputs, kw)
        found = self.simplest.get(id(e))
        if found is None:
            for law in self.laws_about(op):
                found = law(self, e)
                if found is not None:
                    break
            found = self.simplest[id(e)] = e if found is None else found
        return found

    def laws_about(self, op: Op) -> list[Law]:
        if op not in self.about:
            self.about[op] = [law for which, law in self.laws if op in which or op.kind in which]
        return self.about[op]

    def simple(self, s: Any) -> Any:
        """An expression with every part in its simplest form, written with what NumPy has."""
        if not isinstance(s, Symbol):
            return s
        if s.op is None:
            return self.names.get(id(s), s)
        if id(s) not in self.memo:
            self.alive.append(s)
            parts = replaced((s.inputs, s.kw), self.simple)
            self.memo[id(s)] = self.written_out(s.op, s.value, *parts)
        return self.memo[id(s)]

    def written_out(self, op: Op, value: Any, inputs: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        """What the forward function does, unless that is the operation itself."""
        if op in self.primitive or isinstance(op, NumpyOp):
            return self.rewrite(op, value, inputs, kw)
        self.inside += 1
        try:
            e = run(op, inputs, kw)
            if is_op(e, op):
                self.primitive.add(op)
            if is_op(e, op) or not (isinstance(e, Symbol) or missing(op)):  # log(2) stays log(2)
                return self.rewrite(op, value, inputs, kw)
            if self.inside > DEEPEST:
                raise ValueError("it is written out by itself, without an end")
            return self.simple(e)
        except UNWRITTEN as error:
            raise RuntimeError(f"derive: {op.name} cannot be written in NumPy: {error}") from error
        finally:
            self.inside -= 1

    def rebuilt(self, e: Symbol, change: Callable[[Any], Any]) -> Any:
        """The expression with `change` applied to its parts, in its simplest form."""
        return self.rewrite(e.op, e.value, *replaced((e.inputs, e.kw), change))

    def swapped(self, new: dict[int, Any]) -> Callable[[Any], Any]:
        """A function that writes what is new for the expressions with these identities."""

        def change(e: Any) -> Any:
            if id(e) in new:
                return new[id(e)]
            return e if not isinstance(e, Symbol) or e.op is None else self.rebuilt(e, change)

        return change

    # ---- numbers in front

    def full(self, value: Any, n: float, by: float = 1) -> Symbol:
        """The array that has n / by everywhere."""
        if by and n % by == 0:
            n, by = n // by, 1
        number = np.asarray(n / by if by else n, value.dtype)
        kw = {"shape": value.shape, "n": n, "by": by, "dtype": value.dtype.name}
        return self.make(full, np.broadcast_to(number, value.shape), (), kw)

    def factors(self, x: Any) -> tuple[Any, float, float]:
        """y, n and by of x = n * y / by."""
        n, by = 1, 1
        # a number is a factor by these alone
        while isinstance(x, Symbol) and x.op in (ops.neg, ops.mul, ops.div):
            left, right = x.inputs[0], x.inputs[-1]
            if x.op is ops.neg:
                m, q, inner = -1, 1, left
            elif x.op is ops.mul and is_number(left):
                m, q, inner = left, 1, right
            elif is_number(right):
                m, q, inner = (right, 1, left) if x.op is ops.mul else (1, right, left)
            else:
                break
            if not isinstance(inner, Symbol) or inner.dtype != x.dtype:  # half of an integer
                break
            n, by, x = n * m, by * q, inner
        return x, n, by

    def scaled(self, x: Any, n: float, by: float) -> Any:
        """n * x / by, with the factors that x has already."""
        x, m, q = self.factors(x)
        n, by = whole(n * m), whole(by * q)
        if is_op(x, full):
            return self.full(x.value, n * x.kw["n"], by * x.kw["by"])
        if by and n % by == 0:
            n, by = n // by, 1
        if n == -1:
            x = self.make(ops.neg, x.value, (x,))
        elif n != 1:
            x = self.make(ops.mul, x.value, (n, x))
        return x if by == 1 else self.make(ops.div, x.value, (x, by))

    def inline(self, e: Any) -> bool:
        """Whether every user of a forward value writes its expression instead of a name."""
        return is_op(e, ops.mT) and is_leaf(e.inputs[0])


def run(op: Op, inputs: tuple[Any, ...], kw: dict[str, Any]) -> Any:
    """The forward function of an operation on Symbols."""
    with np.errstate(all="ignore"), choosing(op):
        return (op if op in KEPT else op.forward)(*inputs, **kw)


def missing(op: Op) -> bool:
    """Whether NumPy has no function of this name."""
    return not hasattr(np, op.name)


def whole(n: float) -> float:
    """An int for a number like 12.0."""
    return int(n) if isinstance(n, float) and n.is_integer() else n
