"""Passes over a program: the same values by the statements that a person would write.

Expressions come from a `Rewriter`, so that equal ones are one object. Nothing here knows a
derivative. Every pass is linear in the number of statements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from ..engine.axes import is_basic
from ..engine.op import Op
from ..engine.rules import ops
from ..engine.rules.convolutions import LOOPS
from .expr import Symbol, full, is_leaf, is_op, is_view, leaf, leaves, parts, total
from .laws import LAWS
from .rewrite import Rewriter
from .trace import Program, Statement

__all__ = ["spell_out"]

MOST = 64  # records that a statement takes over from what was dropped before it
TERMS = 200  # of a sum in one statement
# more than one line of NumPy: what is put somewhere, and loops over the places of a window
BLOCKS = (ops.scatter_add, ops.put, *LOOPS)


def is_sign(op: Op) -> bool:
    """Whether it is plus, minus, times and the like."""
    return op is ops.neg or (op.kind == "arithmetic" and op.sign != "")


def is_short(op: Op) -> bool:
    """Whether a person writes it inside of something else: a square root, not an activation."""
    return op.kind in ("curve", "arithmetic") and not op.activation and not is_sign(op)


def operations_shown(s: Any) -> int:
    """How many operations an expression shows; views count nothing."""
    if not isinstance(s, Symbol) or s.op is None:
        return 0
    copies = s.op is ops.getitem and not is_basic(s.kw["index"])
    free = s.op is full or (is_view(s.op) and not copies)
    return (not free) + sum(map(operations_shown, parts(s)))


# ---- passes ---------------------------------------------------------------------------------


def spell_out(program: Program) -> Program:
    """The program with one statement for every operation, written with what NumPy has."""
    r = Rewriter(LAWS)
    for s in program.statements:
        s.expr = r.simple(s.expr)
    separate_blocks(program, r)
    split_sums(program, r)
    return program


def fixed(program: Program, s: Statement) -> bool:
    """Whether a statement stays, whatever it says."""
    return (
        s.argument is not None
        or s.kind == "hook"
        or s.target is program.loss
        or (s.kind == "forward" and s.label != "")
    )


def users(program: Program) -> Counter[int]:
    """How often every name occurs."""
    return Counter(id(x) for s in program.statements for x in leaves(s.expr))


def fold(program: Program, r: Rewriter) -> None:
    """Every expression in its simplest form; other names of a value, constants and transposes
    become what they stand for."""
    Folder(program, r).run()


class Folder:
    """Simplifies statements in order, and drops those that only give something another name."""

    def __init__(self, program: Program, r: Rewriter) -> None:
        self.program = program
        self.r = r
        self.times = users(program)
        self.by_target: dict[int, Statement] = {}
        self.absorbed: dict[int, list[Any]] = {}  # the records of what was dropped
        self.sums: dict[int, tuple[int, ...]] = {}  # the axes over which it was summed

    def run(self) -> None:
        for s in self.program.statements:
            names = list(leaves(s.expr))
            if more := [n for x in names for n in self.absorbed.get(id(x), ())]:
                s.nodes = merged(s.nodes, more)
            s.expr = self.r.simple(s.expr)
            if s.kind == "gradient" and is_op(s.expr, ops.sum):
                s.summed = next((self.sums[id(x)] for x in names if id(x) in self.sums), s.summed)
            self.flatten(s)
            if self.is_other_name(s):
                self.drop(s)
            else:
                self.by_target[id(s.target)] = s
        self.program.statements = list(self.by_target.values())

    def flatten(self, s: Statement) -> None:
        """The product of a vector, which was a column, in one statement."""
        if s.kind != "forward" or not is_op(s.expr, ops.reshape):
            return
        product = self.by_target.get(id(s.expr.inputs[0]))
        if product is None or self.times[id(product.target)] != 1 or fixed(self.program, product):
            return
        flat = self.r.rewrite(ops.reshape, s.expr.value, (product.expr,), s.expr.kw)
        if is_op(flat, ops.matmul):
            s.expr, s.nodes = flat, merged(product.nodes, s.nodes)
            self.r.names[id(product.target)] = s.target
            del self.by_target[id(product.target)]

    def is_other_name(self, s: Statement) -> bool:
        """Whether what a statement says is written wherever its name is used."""
        if fixed(self.program, s):
            return False
        if (
            is_leaf(s.expr)
            or is_op(s.expr, full)
            or (s.kind == "forward" and self.r.inline(s.expr))
        ):
            return True
        hidden = s.kind in ("gradient", "sum") and all(id(x) in self.r.names for x in s.of)
        once = self.times[id(s.target)] == 1 or operations_shown(s.expr) == 0
        return hidden and once and not is_op(s.expr, *BLOCKS)

    def drop(self, s: Statement) -> None:
        self.r.names[id(s.target)] = s.expr
        if s.summed:
            self.sums[id(s.target)] = s.summed
        if (same := self.by_target.get(id(s.expr))) is not None:
            same.of += s.of
            same.whole += s.whole
            same.equal.append(s)
        if s.kind == "forward" or not is_leaf(s.expr):
            self.absorbed[id(s.target)] = s.nodes[:MOST]


def merged(nodes: Iterable[Any], more: Iterable[Any]) -> list[Any]:
    """Two lists of records as one, in the order they were made."""
    by_serial = {n.serial: n for n in (*nodes, *more)}
    return [by_serial[k] for k in sorted(by_serial)]


def trivial(e: Any) -> bool:
    """Whether a second copy of an expression needs no name: views, plain constants and -x."""
    minus = is_op(e, ops.neg) and is_leaf(e.inputs[0])
    return minus or operations_shown(e) == 0 or next(leaves(e), None) is None


def share(program: Program, r: Rewriter) -> None:
    """Name once what is computed more than once."""
    times: Counter[int] = Counter()
    for s in program.statements:
        stack = [s.expr]
        while stack:
            e = stack.pop()
            if isinstance(e, Symbol) and e.op is not None:
                times[id(e)] += 1
                if times[id(e)] == 1:
                    stack += parts(e)
    known: dict[int, Symbol] = {}
    standing: dict[int, Any] = {}
    equal: dict[int, Symbol] = {}
    twins: set[int] = set()
    out: list[Statement] = []

    def shared(e: Any) -> Any:
        if not isinstance(e, Symbol) or e.op is None:
            return standing.get(id(e), e)
        if id(e) in known:
            return known[id(e)]
        new = r.rebuilt(e, shared)
        if times[id(e)] == 1 or trivial(e):
            return new
        local = Statement(leaf(e.value), new, "local", list(s.nodes))
        out.append(local)
        known[id(e)] = local.target
        return local.target

    for s in program.statements:
        e = s.expr
        new = isinstance(e, Symbol) and e.op is not None and id(e) not in known
        s.expr = r.rebuilt(e, shared) if new else shared(e)
        if id(s.expr) in equal:  # its parts have turned out to be equal
            s.expr, new = equal[id(s.expr)], False
        if new and not trivial(e):
            known[id(e)] = equal[id(s.expr)] = s.target
        elif not new:
            twins.add(id(s.expr))
            if not fixed(program, s):
                standing[id(s.target)] = s.expr
                continue
        out.append(s)
    for s in out:
        s.twin = s.kind == "forward" and id(s.target) in twins
    program.statements = out


class Joiner:
    """Joins steps that a person writes on one line."""

    def __init__(self, program: Program, r: Rewriter) -> None:
        self.program = program
        self.r = r
        self.times = users(program)
        self.user: dict[int, Statement] = {}  # the last statement that takes a name
        for s in program.statements:
            for x in leaves(s.expr):
                self.user[id(x)] = s
        self.gone: set[int] = set()
        self.waiting: dict[int, dict[Statement, None]] = {}  # what joins a statement, by that
        self.inside: dict[int, Statement] = {}  # what brought a name to its user
        self.hidden: set[int] = set()  # forward values that have no name any more
        self.gradients: dict[int, list[Statement]] = {}
        for s in program.statements:
            for x in s.of:
                self.gradients.setdefault(id(x), []).append(s)
        self.made = {id(s.target) for s in program.statements if s.kind == "forward"}
        self.made |= {id(a.symbol) for a in program.arguments}

    def run(self) -> None:
        for s in self.program.statements:
            self.settle(s)
            if self.times[id(s.target)] != 1:
                continue
            if fixed(self.program, s):
                if s.kind == self.user[id(s.target)].kind == "hook":
                    self.join(s)
            elif s.kind in ("forward", "local"):
                self.join_forward(s)
            elif self.user[id(s.target)].kind in ("sum", "hook"):
                self.join_term(s)
        self.program.statements = [s for s in self.program.statements if id(s) not in self.gone]

    def visible(self, x: Symbol) -> bool:
        return id(x) in self.made and id(x) not in self.hidden

    def join_term(self, s: Statement) -> None:
        partial = not any(map(self.visible, s.whole))
        if partial and s.expr.op not in BLOCKS and operations_shown(s.expr) <= 4:
            self.join(s)

    def join_forward(self, s: Statement) -> None:
        user = self.user[id(s.target)]
        self.settle(user)
        if is_leaf(s.expr) or is_leaf(user.expr) or not belongs_inside(s.expr, user.expr, s.target):
            return
        passing = []
        for d in self.gradients.get(id(s.target), ()):
            if any(self.visible(x) and x is not s.target for x in d.whole):
                continue
            self.settle(d)
            once = d.kind == "gradient" and self.times[id(d.target)] == 1
            if not once or operations_shown(d.expr) > 2 or d.expr.op in BLOCKS:
                return
            passing.append(d)
        self.join(s)
        self.hidden.add(id(s.target))
        for d in passing:
            self.join(d)

    def join(self, s: Statement) -> None:
        """Write the expression of `s` where its name is used, once somebody reads that."""
        self.settle(s)
        user = self.user[id(s.target)]
        host = self.inside.get(id(s.target))  # what has joined the user before
        if host is not None and host in self.waiting.get(id(user), ()):
            self.put([s], host)
        else:
            host = s
            self.waiting.setdefault(id(user), {})[s] = None
        for x in leaves(s.expr):
            self.user[id(x)], self.inside[id(x)] = user, host
        self.gone.add(id(s))

    def settle(self, user: Statement) -> None:
        """The statement with all that joined it, in one go: a sum may have thousands of terms."""
        self.put(list(self.waiting.pop(id(user), ())), user)

    def put(self, joined: list[Statement], user: Statement) -> None:
        if joined:
            user.expr = self.r.swapped({id(s.target): s.expr for s in joined})(user.expr)
            user.nodes = merged((n for s in joined for n in s.nodes), user.nodes)
            user.summed = next((s.summed for s in (user, *joined) if s.summed), ())


def belongs_inside(inner: Any, outer: Symbol, target: Symbol) -> bool:
    """Whether an expression is written inside of the one that uses it, as a textbook would."""
    a, b = inner.op, outer.op
    small, both = operations_shown(inner), operations_shown(inner) + operations_shown(outer)
    if a in BLOCKS:
        return False
    if is_view(a):
        return small <= 2 and (small == 0 or both <= 4)
    if a.kind == "product":
        return b is ops.add and small == 1 and any(x is target for x in parts(outer))
    plain = is_sign(a) or is_short(a)
    if is_sign(b):
        # an error or an activation of what a layer gives has a name of its own
        whole = b is ops.add or not has_product(inner)
        return whole and (plain or a.kind == "reduction") and both <= 5
    if b.kind == "reduction":
        return plain and small <= 2
    return is_short(b) and is_sign(a) and small == 1


def has_product(e: Any) -> bool:
    """Whether a matrix product is part of an expression."""
    return (
        isinstance(e, Symbol)
        and e.op is not None
        and (e.op.kind == "product" or any(map(has_product, parts(e))))
    )


def separate_blocks(program: Program, r: Rewriter) -> None:
    """What takes several lines of NumPy is a statement of its own."""
    out: list[Statement] = []

    def pulled(e: Symbol) -> Any:
        if e.op is None:
            return e
        e = r.rebuilt(e, pulled)
        if e.op not in BLOCKS:
            return e
        local = Statement(leaf(e.value), e, "local", list(s.nodes))
        out.append(local)
        return local.target

    for s in program.statements:
        if isinstance(s.expr, Symbol) and s.expr.op is not None:
            s.expr = r.rebuilt(s.expr, pulled)
        out.append(s)
    program.statements = out


def split_sums(program: Program, r: Rewriter) -> None:
    """Sums of many terms in several statements, in the same order: Python compiles no 5,000."""
    out: list[Statement] = []
    for s in program.statements:
        terms = s.expr.inputs if is_op(s.expr, total) else ()
        if len(terms) > TERMS:
            first: tuple[Any, ...] = ()
            while len(terms) > TERMS:
                part = r.make(total, s.expr.value, first + terms[:TERMS])
                first, terms = (leaf(part.value),), terms[TERMS:]
                out.append(Statement(first[0], part, "local", s.nodes[:MOST]))
            s.expr = r.make(total, s.expr.value, first + terms)
        out.append(s)
    program.statements = out


def drop_unused(program: Program) -> None:
    """Only what leads to the loss or to a gradient."""
    needed: set[int] = {id(program.loss)}
    kept: list[Statement] = []
    for s in reversed(program.statements):
        if s.argument is not None or s.kind == "hook" or id(s.target) in needed:
            kept.append(s)
            needed |= {id(x) for x in leaves(s.expr)}
    program.statements = kept[::-1]
    program.arguments = [
        a for a in program.arguments if a.kind == "parameter" or id(a.symbol) in needed
    ]


def regroup(program: Program) -> None:
    """What passes back through one forward statement stands together, where values allow it."""
    home = program.homes()
    groups: list[list[Statement]] = []
    group_of: dict[int, int] = {}  # the group that a name is made in
    last: dict[int, int] = {}  # the group of a forward statement
    for s in program.backward:
        through = next(reversed(program.passed(s, home)), None)
        needed = max((group_of.get(id(x), 0) for x in leaves(s.expr)), default=0)
        k = last.get(id(through), -1) if through is not None else -1
        if k < needed:
            k = len(groups)
            groups.append([])
        groups[k].append(s)
        last[id(through)] = group_of[id(s.target)] = k
    program.statements = program.forward + [s for group in groups for s in group]
