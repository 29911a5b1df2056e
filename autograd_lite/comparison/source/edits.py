"""The grammar of single edits: what a learner may have meant to write in place of a statement."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from .text import Node, Text, Unit

LEVELS: dict[type, int] = {  # how tightly operators bind
    ast.Add: 3, ast.Sub: 3, ast.Mult: 4, ast.Div: 4, ast.MatMult: 4, ast.FloorDiv: 4, ast.Mod: 4,
    ast.Pow: 6,
}  # fmt: skip
SIGNS: dict[type, str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@", ast.Pow: "**",
}  # fmt: skip
COMPARISONS: dict[type, str] = {
    ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
# What NumPy has under names that are taken for one another, and that take the same arguments.
ALIKE = (
    ("sum", "mean", "max", "min", "prod"),
    ("maximum", "minimum"),
    ("ones_like", "zeros_like"),
    ("ones", "zeros"),
    ("dot", "outer", "multiply"),
    ("add", "subtract", "multiply"),
    ("sin", "cos"),
    ("argmax", "argmin"),
)
REDUCES = ALIKE[0]
IMAGES = 4  # axes of images
LOOSE = 0
TIGHT = 7


@dataclass(frozen=True)
class Edit:
    """A part of the text and what takes its place; those of a lower tier are tried first."""

    start: int
    end: int
    new: str
    tier: int = 1
    statements: int = 1


@dataclass(frozen=True)
class Words:
    """What a function has to write with: `atoms` are the names, attributes and items that hold
    something, `functions` what it calls, `own` those of the learner's that take one argument,
    `names` all that it sees, `numbers` what it computes of a number, as np.sqrt(d), `cuts` its
    slices."""

    atoms: Mapping[str, Any]
    functions: tuple[str, ...]
    own: tuple[str, ...]
    names: Mapping[str, Any]
    numbers: tuple[str, ...] = ()
    cuts: tuple[str, ...] = ()

    def value_of(self, node: Node) -> Any:
        """What an expression was when the function ended; None for one that calls something."""
        calls = (ast.Call, ast.Lambda, ast.NamedExpr, ast.comprehension, ast.Await, ast.Yield)
        if any(isinstance(inner, calls) for inner in ast.walk(node)):
            return None
        try:
            code = compile(ast.Expression(node), "", "eval")
            with np.errstate(all="ignore"):
                return eval(code, {"__builtins__": {}}, dict(self.names))
        except Exception:  # noqa: BLE001  (names of an inner function, other shapes)
            return None

    def shape_of(self, node: Node) -> tuple[int, ...] | None:
        value = self.value_of(node)
        return value.shape if isinstance(value, np.ndarray | np.generic) else None


def kind_of(value: Any) -> Any:
    """What a name must share with another one to be taken for it."""
    if isinstance(value, np.ndarray) and value.ndim:
        return "array", value.ndim
    if isinstance(value, bool | np.bool_):
        return "bool"
    if isinstance(value, int | np.integer):
        return "int"
    if isinstance(value, float | np.floating | np.ndarray):
        return "float"
    return type(value)


def is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim > 0 and value.dtype.kind == "f"


def shape_of(value: Any) -> Any:
    return getattr(value, "shape", None)


def level(node: Node) -> int:
    """How tightly the text of an expression holds together."""
    if isinstance(node, ast.BinOp):
        return LEVELS.get(type(node.op), 2)
    if isinstance(node, ast.UnaryOp):
        return 5 if isinstance(node.op, ast.USub | ast.UAdd) else 1
    loose = (ast.BoolOp, ast.Compare, ast.IfExp, ast.Lambda, ast.Tuple, ast.Starred)
    return 0 if isinstance(node, loose) else TIGHT


def required(parent: Node, child: Node) -> int:
    """How tightly an expression must hold together where it stands."""
    if isinstance(parent, ast.BinOp):
        own, right = level(parent), child is parent.right
        if isinstance(parent.op, ast.Pow):
            return 5 if right else TIGHT
        return own + right
    if isinstance(parent, ast.UnaryOp):
        return 5
    if isinstance(parent, ast.Compare):
        return 2
    if isinstance(parent, ast.Attribute) or getattr(parent, "func", None) is child:
        return TIGHT
    return TIGHT if isinstance(parent, ast.Subscript) and child is parent.value else LOOSE


class Grammar:
    """The edits of one statement."""

    def __init__(self, text: Text, unit: Unit, words: Words, value: Any) -> None:
        self.text, self.unit, self.words, self.value = text, unit, words, value
        self.parents: dict[int, Node] = {}
        self.ordered: set[int] = set()  # the axes that a transposition has in an order
        self.inner: dict[type, Callable[[Any], Iterator[Edit]]] = {
            ast.BinOp: self.operation,
            ast.UnaryOp: self.signed,
            ast.Compare: self.comparison,
            ast.Constant: self.constant,
            ast.Call: self.call,
            ast.Attribute: self.attribute,
            ast.Subscript: self.subscript,
            ast.Slice: self.cut,
            ast.Tuple: self.items,
            ast.List: self.items,
            ast.IfExp: self.choice,
            ast.BoolOp: self.both,
        }

    def __iter__(self) -> Iterator[Edit]:
        node = self.unit.node
        for part in self.parts(node):
            yield from self.expression(part, node)
            yield from self.everywhere(part)
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from self.target(target)
        if isinstance(node, ast.AugAssign):
            yield from self.target(node.target)
        yield from self.statement(node)
        if isinstance(node, ast.For):
            yield self.put(node.iter, f"reversed({self.of(node.iter)})")

    def parts(self, node: Node) -> Iterator[Node]:
        """The expressions of a statement that are computed; of a compound one, of its head."""
        for name in ("value", "iter", "test"):
            part = getattr(node, name, None)
            if isinstance(part, ast.expr):
                yield part

    # ---- text

    def of(self, node: Node, at_least: int = 0) -> str:
        written = self.text.of(node)
        return f"({written})" if level(node) < at_least else written

    def enclosed(self, node: Node) -> bool:
        before = self.text.text[: self.text.start(node)].rstrip()
        after = self.text.text[self.text.end(node) :].lstrip()
        return before.endswith("(") and after.startswith(")")

    def put(self, node: Node, new: str, tightness: int = TIGHT, tier: int = 1) -> Edit:
        """The edit that writes this in place of an expression, in brackets where it needs them."""
        parent = self.parents[id(node)]
        if tightness < required(parent, node) and not self.enclosed(node):
            new = f"({new})"
        return Edit(self.text.start(node), self.text.end(node), new, tier)

    def between(self, left: Node, right: Node, sign: str, new: str) -> Edit | None:
        """The edit of the sign between two expressions."""
        start, end = self.text.end(left), self.text.start(right)
        at = re.search(rf"(?<![*/<>=!]){re.escape(sign)}(?![*=])", self.text.text[start:end])
        return at and Edit(start + at.start(), start + at.end(), new)

    # ---- expressions

    def expression(self, node: Node, parent: Node) -> Iterator[Edit]:
        """The edits of an expression and of all in it."""
        self.parents[id(node)] = parent
        written = self.text.of(node)
        atom = written in self.words.atoms
        if atom:
            yield from self.swaps(node, written)
        if type(node) in self.inner:
            yield from self.inner[type(node)](node)
        if atom and not isinstance(node, ast.Subscript):
            return
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.keyword) and child.arg == "out":
                continue  # with another value the result is written to nothing that is read
            if isinstance(child, ast.keyword | ast.comprehension):
                for part in ast.iter_child_nodes(child):
                    if isinstance(part, ast.expr) and not is_stored(part):
                        yield from self.expression(part, child)
            elif isinstance(child, ast.expr | ast.Slice) and not (
                atom and child is getattr(node, "value", None)
            ):
                yield from self.expression(child, node)

    def everywhere(self, node: Node) -> Iterator[Edit]:
        """A name for another wherever a statement has it, and an index wherever it is used."""
        uses: dict[str, list[Node]] = {}
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name | ast.Attribute | ast.Subscript):
                uses.setdefault(self.of(inner), []).append(inner)
        for written, nodes in uses.items():
            if len(nodes) < 2:
                continue
            news: list[str] = []
            if written in self.words.atoms:
                kind = kind_of(self.words.atoms[written])
                news = [o for o, held in self.words.atoms.items() if kind_of(held) == kind]
            elif isinstance(nodes[0], ast.Subscript):
                index = nodes[0].slice
                base = self.of(nodes[0].value)
                news = [f"{base}[{self.of(part)}]" for part in ast.walk(index)
                        if isinstance(part, ast.Name)]  # fmt: skip
                if isinstance(index, ast.Name):
                    news += [f"{base}[{index.id} - 1]", f"{base}[{index.id} + 1]"]
            places = sorted((self.text.start(n), self.text.end(n)) for n in nodes)
            for new in news:
                if new != written:
                    yield self.replaced(places, new)

    def replaced(self, places: list[tuple[int, int]], new: str) -> Edit:
        """The edit that writes the same at several places."""
        text = ""
        for (_, end), (start, _) in itertools.pairwise(places):
            text += new + self.text.text[end:start]
        return Edit(places[0][0], places[-1][1], text + new, 2)

    def swaps(self, node: Node, written: str) -> Iterator[Edit]:
        """A name for another, and what is done to one name."""
        value = self.words.atoms[written]
        kind = kind_of(value)
        passed = isinstance(self.parents[id(node)], ast.Attribute | ast.Call)
        for other, held in self.words.atoms.items():
            if other == written:
                continue
            if kind_of(held) == kind:
                yield self.put(node, other, tier=1 if shape_of(held) == shape_of(value) else 3)
            elif passed and is_array(value) and is_array(held):
                yield self.put(node, other, tier=2)
        if is_array(value):
            yield from self.joined(node, written, value.shape, passed)
        if kind == "int":
            yield self.put(node, f"{written} + 1", 3)
            yield self.put(node, f"{written} - 1", 3)
        if kind == "float" or is_array(value):
            yield self.put(node, f"{written} ** 2", 6)
            yield self.put(node, f"(1 - {written})", TIGHT, 2)
        if isinstance(value, np.ndarray) and value.ndim:
            parent = self.parents[id(node)]
            if value.ndim > 1 and not (isinstance(parent, ast.Attribute) and parent.attr == "T"):
                yield self.put(node, f"{written}.T")
            yield from self.flipped(node, written, value.ndim)
            for f in self.words.own:
                yield self.put(node, f"{f}({written})", TIGHT, 2)

    def joined(
        self, node: Node, written: str, shape: tuple[int, ...], passed: bool
    ) -> Iterator[Edit]:
        """A name with another one of that shape."""
        for other, held in self.words.atoms.items():
            if is_array(held) and held.shape == shape and other != written:
                if passed:
                    yield self.put(node, f"{written} * {other}", 4, 3)
                yield self.put(node, f"{written} - {other}", 3, 4)
                yield self.put(node, f"{written} + {other}", 3, 4)

    def flipped(self, node: Node, written: str, ndim: int) -> Iterator[Edit]:
        for cut in ("[::-1]", "[:, ::-1]", "[::-1, ::-1]", "[..., ::-1, ::-1]", "[1:]", "[:-1]"):
            if cut.count(",") < ndim:
                yield self.put(node, written + cut, TIGHT, 1 if ndim == 1 else 2)

    def operation(self, node: ast.BinOp) -> Iterator[Edit]:
        left, right, op = node.left, node.right, type(node.op)
        yield self.put(node, self.of(left), level(left))
        yield self.put(node, self.of(right), level(right))
        if op is ast.Sub:
            yield self.put(node, f"-{self.of(right, 4)}", 5)
        if op not in SIGNS:
            return
        own = LEVELS[op]
        if op in (ast.Sub, ast.Div, ast.MatMult):
            text = f"{self.of(right, own)} {SIGNS[op]} {self.of(left, own + 1)}"
            yield self.put(node, text, own)
        for other, sign in SIGNS.items():
            if other is op or other is ast.Pow or (LEVELS[other] == 4 and self.of(right) == "1"):
                continue
            if LEVELS[other] == own:
                edit = self.between(left, right, SIGNS[op], sign)
                yield from [edit] if edit else []
            elif other is not ast.MatMult and op is not ast.MatMult:
                new = LEVELS[other]
                text = f"{self.of(left, new)} {sign} {self.of(right, new + 1)}"
                yield self.put(node, text, new)
        if op is ast.Mult and self.of(left) != self.of(right):
            yield self.put(node, f"{self.of(left)} * {self.of(left, 5)}", 4, 2)
        yield from self.factors_in(node)

    def factors_in(self, node: ast.BinOp) -> Iterator[Edit]:
        """An operand that is multiplied: a term of a sum, and what goes into a product."""
        terms = isinstance(node.op, ast.Add | ast.Sub)
        for side in (node.left, node.right) if terms or isinstance(node.op, ast.MatMult) else ():
            self.parents[id(side)] = node
            yield from self.times(side, self.words.shape_of(node if terms else side), 3)

    def signed(self, node: ast.UnaryOp) -> Iterator[Edit]:
        yield self.put(node, self.of(node.operand), level(node.operand))
        if isinstance(node.operand, ast.Constant):  # i for -1
            for name, held in self.words.atoms.items():
                if kind_of(held) == "int":
                    yield self.put(node, name)

    def comparison(self, node: ast.Compare) -> Iterator[Edit]:
        if len(node.ops) != 1 or type(node.ops[0]) not in COMPARISONS:
            return
        old = COMPARISONS[type(node.ops[0])]
        left, right = self.of(node.left), self.of(node.comparators[0])
        for sign in COMPARISONS.values():
            if sign != old:
                yield self.put(node, f"{left} {sign} {right}", 2)

    def constant(self, node: ast.Constant) -> Iterator[Edit]:
        value = node.value
        if isinstance(value, bool):
            yield self.put(node, str(not value))
        elif isinstance(value, int | float):
            yield from self.number(node, value)
        elif isinstance(value, str) and re.fullmatch(
            r"[A-Za-z.]+(,[A-Za-z.]+)*->[A-Za-z.]*", value
        ):
            yield from self.letters(node, value)

    def number(self, node: ast.Constant, value: Any) -> Iterator[Edit]:
        """Another number, but for one that does nothing there."""
        parent = self.parents[id(node)]
        if id(node) in self.ordered:
            return  # of axes in an order, one alone is none
        news: list[Any] = [0, 1, 2, -1, 0.5, value + 1, value - 1, -value]
        if value not in (0, 1, -1):
            news += [value / 2, value * 2, 1 / value]
        if isinstance(parent, ast.UnaryOp):
            news = [new for new in news if new >= 0]
        if isinstance(parent, ast.BinOp):
            idle = 0 if isinstance(parent.op, ast.Add | ast.Sub) else 1
            left = isinstance(parent.op, ast.Div | ast.Pow) and node is parent.left
            news = [new for new in news if new != idle or left]
        for new in dict.fromkeys(news):  # 1 and 1.0 are one key
            if new != value:
                yield self.put(node, str(new), 5 if new < 0 else TIGHT)
        for name, held in self.words.atoms.items():
            if kind_of(held) in ("int", "float"):
                yield self.put(node, name, TIGHT, 2)

    def letters(self, node: ast.Constant, value: str) -> Iterator[Edit]:
        """The indices of an einsum."""
        quote = self.of(node)[0]
        used = sorted(set(re.findall(r"[A-Za-z]", value)))
        for i, letter in enumerate(value):
            for other in used if letter in used else ():
                if other != letter:
                    yield self.put(node, f"{quote}{value[:i]}{other}{value[i + 1 :]}{quote}")
        for i, j in itertools.combinations(range(len(value)), 2):
            if value[i] in used and value[j] in used and "," not in value[i:j] and j - i < 4:
                swapped = [*value]
                swapped[i], swapped[j] = swapped[j], swapped[i]
                yield self.put(node, quote + "".join(swapped) + quote)

    def attribute(self, node: ast.Attribute) -> Iterator[Edit]:
        if node.attr == "T":
            yield self.put(node, self.of(node.value), level(node.value))
        end = self.text.end(node)
        for other in ("size", "shape[0]") if node.attr == "size" else ():
            if other != node.attr:
                yield Edit(end - len(node.attr), end, other)

    def call(self, node: ast.Call) -> Iterator[Edit]:
        function = node.func
        written = self.of(function)
        name = written.rpartition(".")[2]
        base = function.value if isinstance(function, ast.Attribute) else None
        method = base is not None and written not in self.words.functions
        end = self.text.end(function)
        for other in others_like(name):
            yield Edit(end - len(name), end, other)
        for other in self.words.functions if not method else ():
            if other != written:
                self.parents[id(function)] = node
                yield self.put(function, other)
        if method and base is not None:
            yield self.put(node, self.of(base), level(base))
        elif node.args:
            for arg in node.args[:2]:
                yield self.put(node, self.of(arg), level(arg))
        yield self.put(node, f"{self.of(node)}.T", TIGHT, 2)
        yield self.put(node, f"{self.of(node)} ** 2", 6, 2)
        if name == "len":
            given = self.of(node.args[0], TIGHT)
            yield from (self.put(node, given + end) for end in (".size", ".shape[1]"))
        yield from self.exchanged(node.args)
        yield from self.axes(node, name)
        yield from self.keywords(node, name)
        held = self.words.value_of(function if base is None else base)
        if isinstance(held, FunctionType if base is None else SimpleNamespace):  # the learner's own
            for arg in node.args:
                self.parents[id(arg)] = node
                yield from self.plus(arg, self.words.shape_of(arg))
        if name == "dot":
            for arg in node.args:
                self.parents[id(arg)] = node
                yield from self.times(arg, self.words.shape_of(arg), 3)

    def keywords(self, node: ast.Call, name: str) -> Iterator[Edit]:
        """Axes and other options: another value, one more, one less."""
        stop = self.text.end(node) - 1
        for k in node.keywords:
            if k.arg == "axis":
                self.parents[id(k.value)] = k
                for new in ("0", "1", "2", "None", "-1", "(0, 1)", "(0, 2)", "(1, 2)", "(0, 2, 3)"):
                    yield self.put(k.value, new)
            start = self.text.text.rfind(",", 0, self.text.start(k.value))
            if k.arg and start > self.text.start(node):
                yield Edit(start, self.text.end(k.value), "")
        given = {k.arg for k in node.keywords}
        written = self.text.text[self.text.end(node.func) : stop]
        comma = "" if written.strip() == "(" else ", "
        if name in (*REDUCES, *ALIKE[-1]):
            if "axis" not in given:
                for new in ("0", "1", "-1"):
                    yield Edit(stop, stop, f"{comma}axis={new}")
                    if "keepdims" not in given:
                        yield Edit(stop, stop, f"{comma}axis={new}, keepdims=True", 2)
            elif "keepdims" not in given:
                yield Edit(stop, stop, f"{comma}keepdims=True")

    def axes(self, node: ast.Call, name: str) -> Iterator[Edit]:
        """Axes in another order; and before or after a reshape, where none is given."""
        if items := order_of(node):
            self.ordered |= set(map(id, items))
            start, end = self.text.start(items[0]), self.text.end(items[-1])
            for order in orders(len(items)):
                yield Edit(start, end, ", ".join(self.of(items[k]) for k in order))
        method = getattr(np.ndarray, name, None)
        if method is not np.ndarray.reshape or not isinstance(node.func, ast.Attribute):
            return
        base = node.func.value
        ndim, tier = len(self.words.shape_of(base) or ()), 2
        if self.of(base) in map(self.of, getattr(self.unit.node, "targets", ())):
            ndim, tier = IMAGES, 1  # x = x.reshape(...), which tells no more what it was
        for order in orders(ndim) if ndim > 2 else ():
            self.parents[id(base)] = node.func
            yield self.put(base, f"{self.of(base, TIGHT)}.transpose{order}", TIGHT, tier)
        if len(node.args) > 2:
            n = len(node.args)
            above = self.parents.get(id(self.parents.get(id(node))))
            after = order_of(above) if isinstance(above, ast.Call) else []
            then, whole = [ast.literal_eval(item) for item in after], above
            if sorted(then) != [*range(n)]:  # else a transpose follows, and becomes one with this
                then, whole = [*range(n)], node
            start, end = self.text.start(node.args[0]), self.text.end(whole)
            for order in orders(n):
                sizes = ", ".join(self.of(node.args[k]) for k in order)
                back = tuple(order.index(k) for k in then)
                moved = "" if back == tuple(range(n)) else f".transpose{back}"
                yield Edit(start, end, f"{sizes}){moved}", 2)

    def exchanged(self, items: list[Node]) -> Iterator[Edit]:
        """Two of several that change places."""
        if any(isinstance(item, ast.Starred) for item in items):
            return
        for a, b in itertools.combinations(items[:5], 2):
            start, end = self.text.start(a), self.text.end(b)
            middle = self.text.text[self.text.end(a) : self.text.start(b)]
            if self.of(a) != self.of(b):
                yield Edit(start, end, self.of(b) + middle + self.of(a))

    def items(self, node: Node) -> Iterator[Edit]:
        yield from self.exchanged(node.elts)
        for item in node.elts:
            shape = self.words.shape_of(item)
            self.parents[id(item)] = node
            if shape:
                yield from self.times(item, shape, 3)

    def subscript(self, node: ast.Subscript) -> Iterator[Edit]:
        yield from self.windows(node)
        held = self.words.value_of(node.value)
        if held is None or isinstance(held, np.ndarray | Sequence | Mapping):
            yield self.put(node, self.of(node.value), level(node.value))
        # else it is no data: NumPy looks for the end of np.r_ for ever
        yield self.put(node, f"{self.of(node)}.T", TIGHT, 2)
        if isinstance(node.slice, ast.Slice):
            return
        whose = self.of(node.value)
        if whose.endswith(".shape"):
            yield self.put(node, whose.removesuffix("shape") + "size")
        elif self.of(node) not in self.words.atoms:
            shape = self.words.shape_of(node)
            for other, held in self.words.atoms.items():
                if is_array(held) and held.shape == shape:
                    yield self.put(node, other, tier=2)
            yield self.put(node, f"{self.of(node)} ** 2", 6, 2)
            yield self.put(node, f"{self.of(node)} * {self.of(node)}", 4, 2)
        held = self.words.atoms.get(self.of(node.value))
        if isinstance(held, np.ndarray) and held.ndim == 1:
            yield (
                self.put(node.slice, ":")
                if id(node.slice) in self.parents
                else Edit(self.text.start(node.slice), self.text.end(node.slice), ":", 2)
            )

    def windows(self, node: ast.Subscript) -> Iterator[Edit]:
        """All places of an index a stride further apart, all slices behind a margin."""
        parts = getattr(node.slice, "elts", [node.slice])
        cuts = [x for x in parts if isinstance(x, ast.Slice) and x.upper]
        near = {x: (self.of(x.lower), self.of(x.upper)) for x in cuts if x.lower}
        first = {x: ("", self.of(x.upper)) for x in cuts if not x.lower}
        single = {x: (self.of(x.left), self.of(x)) for x in parts if isinstance(x, ast.BinOp)}
        for name, held in self.words.atoms.items():
            if kind_of(held) != "int" or "[" in name:
                continue
            for some, write in ((near, strided), (first, framed), (single, strided)):
                news = {x: write(*bounds, name) for x, bounds in some.items()}
                if news and all(news.values()):
                    text, start = "", self.text.start(next(iter(news)))
                    at = start
                    for x, new in news.items():
                        new = new.partition(":")[2] if some is single else new
                        text += self.text.text[at : self.text.start(x)] + new
                        at = self.text.end(x)
                    yield Edit(start, at, text, 2)

    def cut(self, node: ast.Slice) -> Iterator[Edit]:
        """The bounds and the step of a slice, or those of another one."""
        for other in self.words.cuts:
            if other != self.of(node):
                yield self.put(node, other, tier=2)
        lower, upper, step = (
            self.of(part) if part else "" for part in (node.lower, node.upper, node.step)
        )
        news = [f"{lower}:", f":{upper}", "::-1", "1:", ":-1"]
        if lower.startswith("-") and not upper:
            news.insert(0, f":{lower[1:]}")  # the other end
        if upper.isalnum() and not lower:
            news.insert(0, f"-{upper}:")
        if step:
            news.append(f"{lower}:{upper}")
        if lower and upper:
            news += [f"{lower} + 1:{upper} + 1", f"{lower} - 1:{upper} - 1", f"{upper}:{lower}"]
        for new in news:
            yield self.put(node, new)

    def choice(self, node: ast.IfExp) -> Iterator[Edit]:
        body, other = self.of(node.body), self.of(node.orelse)
        yield self.put(node, f"{other} if {self.of(node.test)} else {body}", 0)
        yield self.put(node, body, level(node.body))
        yield self.put(node, other, level(node.orelse))

    def both(self, node: ast.BoolOp) -> Iterator[Edit]:
        word = " or " if isinstance(node.op, ast.And) else " and "
        yield self.put(node, word.join(self.of(v, 1) for v in node.values), 0)

    # ---- statements

    def target(self, node: Node) -> Iterator[Edit]:
        """What is assigned to: another item, or another name."""
        self.parents[id(node)] = self.unit.node
        written = self.of(node)
        if isinstance(node, ast.Tuple):
            yield from self.exchanged(node.elts)
        elif written in self.words.atoms:
            for other, held in self.words.atoms.items():
                if other != written and kind_of(held) == kind_of(self.words.atoms[written]):
                    yield self.put(node, other, TIGHT, 2)
        elif isinstance(node, ast.Subscript):
            yield from self.windows(node)
            yield from self.expression(node.slice, node)
            base = self.of(node.value)
            if base in self.words.atoms:
                self.parents[id(node.value)] = node
                yield from self.swaps_alone(node.value, base)

    def swaps_alone(self, node: Node, written: str) -> Iterator[Edit]:
        for other, held in self.words.atoms.items():
            if other != written and kind_of(held) == kind_of(self.words.atoms[written]):
                yield self.put(node, other)

    def statement(self, node: Node) -> Iterator[Edit]:
        """The edits of a statement as a whole."""
        start, end = self.unit.span
        if isinstance(node, ast.Assign | ast.AugAssign):
            yield from self.assigned(node)
        if isinstance(node, ast.Assign | ast.AugAssign | ast.Expr) and not self.unit.before:
            yield Edit(start, end, "pass", 2)
        value = getattr(node, "value", None)
        if isinstance(node, ast.Expr) and isinstance(value, ast.Call) and value.args:
            value = value.args[-1]  # grads.append(...)
        if isinstance(node, ast.For | ast.While | ast.If) or not isinstance(value, ast.expr):
            return
        self.parents.setdefault(id(value), node)
        if isinstance(node, ast.AugAssign) or isinstance(value, ast.Subscript):
            self.value = None  # what it is added to may be larger
        inner = value.elts if isinstance(value, ast.Tuple | ast.List) else [value]
        if isinstance(value, ast.Dict):
            inner = value.values
        held: Any = self.value
        if isinstance(held, dict):
            held = [*held.values()]
        values = held if isinstance(held, tuple | list) else [held]
        for i, part in enumerate(inner):
            self.parents.setdefault(id(part), value)
            if not isinstance(part, ast.Constant | ast.Starred):
                yield from self.whole(part, values[i] if i < len(values) else None)

    def assigned(self, node: Node) -> Iterator[Edit]:
        """= for += and so on."""
        target = node.targets[-1] if isinstance(node, ast.Assign) else node.target
        old = "=" if isinstance(node, ast.Assign) else f"{SIGNS.get(type(node.op), '')}="
        start, end = self.text.end(target), self.text.start(node.value)
        if isinstance(target, ast.Subscript):
            index = self.of(target.slice)
            for module in sorted({f.partition(".")[0] for f in self.words.functions if "." in f}):
                if any(isinstance(part, ast.Slice) for part in ast.walk(target.slice)):
                    places = f"{module}.s_[{index}]"
                else:
                    places = f"({index})" if isinstance(target.slice, ast.Tuple) else index
                new = f"{module}.add.at({self.of(target.value)}, {places}, {self.of(node.value)})"
                yield Edit(*self.unit.span, new, 2)
        at = self.text.text.find(old, start, end)
        for new in ("=", "+=", "-=", "*=", "/="):
            if new != old and at >= 0:
                yield Edit(at, at + len(old), new, 1 if new in ("=", "+=", "-=") else 2)

    def whole(self, node: Node, value: Any) -> Iterator[Edit]:
        """A value with another sign, a factor, one more term, or summed."""
        shape = shape_of(value)
        yield self.put(node, f"-{self.of(node, 4)}", 5)
        for one in ("+ 1", "- 1"):
            yield self.put(node, f"{self.of(node, 1)} {one}", 3, 3)
        yield self.put(node, f"1 - {self.of(node, 4)}", 3, 3)
        # times how many elements arrays have, it makes huge ones
        if kind_of(value) in ("int", "bool"):
            for name, held in self.words.atoms.items() if self.value is not value else ():
                if kind_of(held) == "int":  # a square would grow for ever in a loop
                    yield self.put(node, f"{self.of(node, 4)} * {name}", 4, 2)
        else:
            yield from self.times(node, shape, 2)
            yield from self.over(node, shape)
        yield from self.plus(node, shape)
        if isinstance(node, ast.Name | ast.Attribute) and shape is not None and len(shape) > 1:
            for axis in ("axis=0", "axis=-1, keepdims=True"):
                yield self.put(node, f"{self.of(node)} - {self.of(node)}.mean({axis})", 3, 3)
        if shape is None or len(shape) > 1:
            for axis in ("axis=0", "axis=1", "axis=0, keepdims=True", "axis=1, keepdims=True"):
                yield self.put(node, f"{self.of(node, TIGHT)}.sum({axis})", TIGHT, 2)
        if shape is None or len(shape) == 2:
            yield self.put(node, f"{self.of(node, TIGHT)}.T", TIGHT, 1)

    def plus(self, node: Node, shape: Any) -> Iterator[Edit]:
        """A value and another one, or less another one."""
        for name, held in self.words.atoms.items():
            fits = is_array(held) and (shape is None or held.shape == shape)
            if fits and name != self.of(node):
                yield self.put(node, f"{self.of(node, 1)} + {name}", 3, 2)
                yield self.put(node, f"{self.of(node, 1)} - {name}", 3, 2)

    def over(self, node: Node, shape: Any) -> Iterator[Edit]:
        """A value divided by an array."""
        for name, held in self.words.atoms.items():
            if is_array(held) and spreads(held.shape, shape):
                yield self.put(node, f"{self.of(node, 4)} / {name}", 4, 3)

    def times(self, node: Node, shape: Any, tier: int) -> Iterator[Edit]:
        """A value times or divided by something."""
        written = self.of(node, 4)
        for factor, divides in self.factors(shape, tier):
            if factor != written:
                yield self.put(node, f"{written} * {factor}", 4, tier)
            if divides:
                yield self.put(node, f"{written} / {factor}", 4, tier)

    def factors(self, shape: Any, tier: int) -> Iterator[tuple[str, bool]]:
        """What may be a factor, and whether one divides by it."""
        yield "2", True
        yield from ((number, True) for number in self.words.numbers)
        for name, held in self.words.atoms.items():
            if kind_of(held) in ("int", "float"):
                yield name, True
        for name, held in self.words.atoms.items():
            if not isinstance(held, np.ndarray) or not held.ndim or not spreads(held.shape, shape):
                continue
            yield name, tier == 3
            if held.dtype.kind == "f":
                yield f"(1 - {name})", False
                yield f"{name} * (1 - {name})", False
                yield f"(1 - {name} ** 2)", False
                yield f"({name} > 0)", False
                yield from ((f"{f}({name})", False) for f in self.words.own)
        for name, held in self.words.atoms.items() if tier == 2 else ():
            if isinstance(held, np.ndarray) and held.ndim and name.isidentifier():
                yield f"len({name})", True
                yield from ((f"{name}.shape[{i}]", True) for i in range(1, held.ndim))
                yield f"{name}.size", True


def strided(lower: str, upper: str, stride: str) -> str:
    """A slice whose start is multiplied; "" if its end is not counted from that.

    >>> strided("i", "i + k", "s"), strided("a", "b", "s")
    ('i * s:i * s + k', '')
    """
    rest = upper.removeprefix(lower)
    there = lower.isidentifier() and rest.lstrip().startswith("+")
    return f"{lower} * {stride}:{lower} * {stride}{rest}" if there else ""


def framed(lower: str, upper: str, margin: str) -> str:
    """A slice from the start, behind a margin.

    >>> framed("", "h", "pad")
    'pad:pad + h'
    """
    return f"{margin}:{margin} + {upper}"


def order_of(node: ast.Call) -> list[Node]:
    """The axes that x.transpose(2, 0, 1), x.transpose((2, 0, 1)) or np.transpose(x, (2, 0, 1)) has
    in an order; none for another call."""
    if not isinstance(node.func, ast.Attribute) or node.func.attr != "transpose" or not node.args:
        return []
    last = node.args[-1]
    items = last.elts if isinstance(last, ast.Tuple | ast.List) else node.args
    places = {i.value for i in items if isinstance(i, ast.Constant) and type(i.value) is int}
    return [*items] if len(places) == len(items) > 2 else []


def orders(n: int) -> Iterator[tuple[int, ...]]:
    """All other orders of a few axes; of more, those with two exchanged, or some next to each other
    moved."""
    plain = tuple(range(n))
    if n < 5:
        yield from itertools.islice(itertools.permutations(plain), 1, None)
        return
    for i, j, k in itertools.combinations(range(n + 1), 3):
        yield plain[:i] + plain[j:k] + plain[i:j] + plain[k:]
    for i, j in itertools.combinations(plain, 2):
        if j > i + 1:
            yield tuple([{i: j, j: i}.get(k, k) for k in plain])


def spreads(shape: tuple[int, ...], other: Any) -> bool:
    """Whether a factor of this shape leaves the other one as it is."""
    if other is None:
        return True
    try:
        return np.broadcast_shapes(shape, other) == tuple(other)
    except ValueError:
        return False


def others_like(name: str) -> Iterator[str]:
    for group in ALIKE:
        yield from (other for other in group if name in group and other != name)


def is_stored(node: Node) -> bool:
    return isinstance(getattr(node, "ctx", None), ast.Store)
