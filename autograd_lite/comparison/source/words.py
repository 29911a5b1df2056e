"""The mistake in words, from what a statement says and what it should say."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from typing import Any

from .edits import REDUCES, SIGNS
from .text import Node

DONE = {"sum": "summed", "mean": "averaged"}
OPERANDS: dict[type[ast.operator], str] = {
    ast.Mult: "factor", ast.MatMult: "product with", ast.Add: "term", ast.Sub: "term -",
    ast.Pow: "power",
}  # fmt: skip


def mistake(old: str, new: str) -> str:
    """What is wrong with a statement, where another is right; "" if neither can be read.

    >>> mistake("d = W @ d", "d = W.T @ d")
    'W is not transposed'
    >>> mistake("d = g", "d = g * (1 - y ** 2)")
    'the factor 1 - y ** 2, the derivative of tanh, is left out'
    >>> mistake("d = g.transpose(1, 0, 2)", "d = g.transpose(1, 2, 0)")
    'the axes of g are in the wrong order: g.transpose(1, 2, 0) is due'
    >>> mistake("db = d", "db += d")
    '= for +=: what was there is overwritten, and only the last contribution counts'
    """
    try:
        olds, news = ast.parse(old).body, ast.parse(new).body
    except (SyntaxError, ValueError):
        return ""
    if len(olds) == len(news) == 1:
        return one_statement(olds[0], news[0])
    return "this statement and the next are in the wrong order"


def one_statement(old: Node, new: Node) -> str:
    if isinstance(new, ast.Pass):
        return f"{text(old)} should not be there"
    kinds = type(old), type(new)
    if kinds == (ast.Assign, ast.AugAssign):
        return overwritten(SIGNS.get(type(new.op), ""))
    if kinds == (ast.AugAssign, ast.Assign):
        return f"{SIGNS.get(type(old.op), '')}= for =: added to what was there before"
    if kinds == (ast.AugAssign, ast.AugAssign) and type(old.op) is not type(new.op):
        signs = f"{SIGNS.get(type(old.op), '?')}= for {SIGNS.get(type(new.op), '?')}="
        turned = {type(old.op), type(new.op)} == {ast.Add, ast.Sub}
        return signs + ": the sign is flipped" * turned
    if kinds == (ast.Assign, ast.Assign) and isinstance(new.value, ast.BinOp | ast.IfExp):
        one, other = chosen(old.value, new.value)
        sums = isinstance(other, ast.BinOp) and isinstance(other.op, ast.Add)
        parts = (other.left, other.right) if sums else ()
        if any(same(one, p) for p in parts) and any(same(old.targets[-1], p) for p in parts):
            return overwritten("+")
    if kinds[0] is not kinds[1]:
        return f"{text(old)} used instead of {text(new)}"
    return difference(old, new)


def overwritten(sign: str) -> str:
    return f"= for {sign}=: what was there is overwritten, and only the last contribution counts"


def difference(a: Node, b: Node) -> str:
    """The words for the smallest part in which two trees differ."""
    for said in (wrapped(a, b), unwrapped(a, b), changed(a, b)):
        if said:
            return said
    pairs = [*children(a, b)] if type(a) is type(b) else []
    unlike = [(x, y) for x, y in pairs if not same(x, y)]
    if len(unlike) == 1 and None not in unlike[0]:
        x, y = unlike[0]
        if isinstance(a, ast.For) and x is a.iter and text(y) == f"reversed({text(x)})":
            return "the loop runs the wrong way"
        return difference(x, y)
    return instead(a, b)


def children(a: Node, b: Node) -> Iterator[tuple[Any, Any]]:
    """The parts of two nodes of a type, side by side; None beside a part that the other lacks."""
    for name in a._fields:
        x, y = getattr(a, name, None), getattr(b, name, None)
        if isinstance(x, list) and isinstance(y, list):
            longest = max(len(x), len(y))
            yield from zip(
                [*x, *[None] * (longest - len(x))], [*y, *[None] * (longest - len(y))], strict=True
            )
        elif isinstance(x, ast.AST) or isinstance(y, ast.AST):
            yield x, y
        elif x != y:
            yield None, None


def wrapped(a: Node, b: Node) -> str:
    """What is left out, where the right part is the wrong one and something around it."""
    if isinstance(a, ast.Constant):
        return ""
    if isinstance(b, ast.BinOp) and same(a, b.left):
        return lacks(b.op, b.right)
    if isinstance(b, ast.BinOp) and same(a, b.right):
        if isinstance(b.op, ast.Sub):
            one = same(b.left, ast.Constant(1))
            return f"{text(a)} used instead of {text(b)}" if one else lacks(ast.Add(), b.left)
        return lacks(b.op, b.left) if isinstance(b.op, ast.Mult | ast.Add | ast.MatMult) else ""
    if isinstance(b, ast.UnaryOp) and isinstance(b.op, ast.USub) and same(a, b.operand):
        return "the sign is flipped"
    if (of := transposed(b)) is not None and same(a, of):
        return f"{text(a)} is not transposed"
    if (of := reordered(b)) is not None and same(a, of):
        return f"the axes of {text(a)} are in the wrong order: {text(b)} is due"
    if isinstance(b, ast.Call):
        return wrapped_in_call(a, b)
    if isinstance(b, ast.Subscript) and same(a, b.value):
        if "::-1" in text(b.slice):
            return f"{text(a)} is not flipped: {text(b)}"
        return f"{text(a)} used instead of its part {text(b)}"
    return ""


def wrapped_in_call(a: Node, b: ast.Call) -> str:
    """A sum, or another function, that is left out."""
    name = text(b.func).rpartition(".")[2]
    of = b.func.value if isinstance(b.func, ast.Attribute) else None
    inside = any(same(a, arg) for arg in b.args)
    if name in REDUCES and ((of is not None and same(a, of)) or inside):
        axis = next((text(k.value) for k in b.keywords if k.arg == "axis"), "")
        done = DONE.get(name, f"reduced by {name}")
        return f"{text(a)} is not {done}" + f" over axis {axis}" * bool(axis)
    if inside:
        return f"{text(a)} used instead of {text(b)}: {text(b.func)} is left out"
    return ""


def unwrapped(a: Node, b: Node) -> str:
    """What is too many, where the wrong part is the right one and something around it."""
    if isinstance(a, ast.BinOp) and same(a.left, b):
        return exceeds(a.op, a.right)
    if isinstance(a, ast.BinOp) and same(a.right, b):
        if isinstance(a.op, ast.Sub):
            return f"{text(a)} used instead of {text(b)}"
        return exceeds(a.op, a.left) if isinstance(a.op, ast.Mult | ast.Add | ast.MatMult) else ""
    if isinstance(a, ast.UnaryOp) and isinstance(a.op, ast.USub) and same(a.operand, b):
        return "the sign is flipped"
    if same(transposed(a) or reordered(a), b):
        return f"{text(b)} is transposed, and should not be"
    if isinstance(a, ast.Subscript) and same(a.value, b) and "::-1" in text(a.slice):
        return f"{text(b)} is flipped, and should not be"
    if isinstance(a, ast.Call) and (
        any(same(arg, b) for arg in a.args)
        or (isinstance(a.func, ast.Attribute) and same(a.func.value, b))
    ):
        return f"{text(a)} used instead of {text(b)}: {text(a.func)} is too many"
    return ""


def lacks(op: ast.operator, part: Node) -> str:
    if isinstance(op, ast.Div):
        return f"not divided by {text(part)}"
    if isinstance(op, ast.Pow) and same(part, ast.Constant(2)):
        return "not squared"
    return f"{operand(op, part)} is left out" if type(op) in OPERANDS else ""


def exceeds(op: ast.operator, part: Node) -> str:
    if isinstance(op, ast.Div):
        return f"divided by {text(part)} once too often"
    return f"{operand(op, part)} is too many" if type(op) in OPERANDS else ""


def operand(op: ast.operator, part: Node) -> str:
    return f"the {OPERANDS[type(op)]} {text(part)}{known(part)}"


def known(factor: Node) -> str:
    """Which derivative a factor is, where it is one that everybody writes."""
    if isinstance(factor, ast.Compare) and any(
        same(c, ast.Constant(0)) for c in (factor.left, *factor.comparators)
    ):
        return ", the mask of relu,"
    if isinstance(factor, ast.BinOp) and isinstance(factor.op, ast.Sub | ast.Mult):
        one, rest = (factor.left, factor.right)
        if isinstance(factor.op, ast.Sub) and same(one, ast.Constant(1)) and is_square(rest):
            return ", the derivative of tanh,"
        for s, other in ((one, rest), (rest, one)):
            if isinstance(factor.op, ast.Mult) and text(other) == f"1 - {text(s)}":
                return ", the derivative of sigmoid,"
    return ""


def is_square(node: Node) -> bool:
    if not isinstance(node, ast.BinOp):
        return False
    twice = isinstance(node.op, ast.Mult) and same(node.left, node.right)
    return twice or (isinstance(node.op, ast.Pow) and same(node.right, ast.Constant(2)))


def changed(a: Node, b: Node) -> str:
    """Two parts of one kind that differ in themselves: an operator, an order, an axis."""
    if isinstance(a, ast.IfExp):
        branches = chosen(a, b)
        return difference(*branches) if branches != (a, b) else ""
    kinds = [kind for kind in CHANGED if isinstance(a, kind) and isinstance(b, kind)]
    return CHANGED[kinds[0]](a, b) if kinds else ""


def changed_operation(a: ast.BinOp, b: ast.BinOp) -> str:
    if same(a.left, b.left) and same(a.right, b.right):
        return other_sign(a, b)
    if type(a.op) is type(b.op) and same(a.left, b.right) and same(a.right, b.left):
        turned = isinstance(a.op, ast.Sub)
        return f"the sign is flipped: {text(b)} is due" if turned else exchanged(a, b)
    return ""


def changed_item(a: ast.Subscript, b: ast.Subscript) -> str:
    if not same(a.value, b.value):
        return ""
    one, other = chosen(a.slice, b.slice)
    texts = [text(ast.Subscript(a.value, at, a.ctx)) for at in (one, other)]
    return f"{texts[0]} used instead of {texts[1]}" + (another_step(one, other) or closer(a, b))


def changed_attribute(a: ast.Attribute, b: ast.Attribute) -> str:
    names = a.attr == b.attr and isinstance(a.value, ast.Name) and isinstance(b.value, ast.Name)
    return f"{text(a)} used instead of {text(b)}" if names else ""


def changed_keyword(a: ast.keyword, b: ast.keyword) -> str:
    if a.arg == b.arg == "axis":
        return f"taken along axis {text(a.value)}, not along axis {text(b.value)}"
    return ""


def changed_condition(a: ast.Compare, b: ast.Compare) -> str:
    return f"the mask or condition {text(a)} used instead of {text(b)}"


def changed_call(a: ast.Call, b: ast.Call) -> str:
    axes = [reordered(x) for x in (a, b)]
    whole = [a, reordered(b)]  # reshaped to sizes in another order, which is undone after it
    if None not in axes and same(*axes):
        return f"the axes of {text(axes[0])} are in the wrong order: {text(b)} is due"
    if isinstance(whole[1], ast.Call) and same(a.func, whole[1].func):
        return f"the axes are in the wrong order: {text(b)} is due for {text(a)}"
    if same(a.func, b.func) and in_another_order(a.args, b.args):
        return exchanged(a, b)
    if len(a.keywords) != len(b.keywords) and all(map(same, a.args, b.args)):
        return f"{text(a)} used instead of {text(b)}" + axis_of(a, b)
    return ""


def changed_items(a: ast.Tuple | ast.List, b: ast.Tuple | ast.List) -> str:
    return exchanged(a, b) if in_another_order(a.elts, b.elts) else ""


CHANGED: dict[type[Node], Callable[[Any, Any], str]] = {
    ast.BinOp: changed_operation,
    ast.Subscript: changed_item,
    ast.Attribute: changed_attribute,
    ast.keyword: changed_keyword,
    ast.Compare: changed_condition,
    ast.Call: changed_call,
    ast.Tuple: changed_items,
    ast.List: changed_items,
}


def chosen(a: Node, b: Node) -> tuple[Node, Node]:
    """What `x if ... else y` gave, where the other one of its branches is due."""
    if isinstance(a, ast.IfExp):
        turned = isinstance(b, ast.IfExp) and same(a.body, b.orelse) and same(a.orelse, b.body)
        if turned or same(a.orelse, b):
            return a.body, a.orelse
        if same(a.body, b):
            return a.orelse, b
    return a, b


def axis_of(a: ast.Call, b: ast.Call) -> str:
    """What an axis that one of two calls has means."""
    axes = [{text(k.value) for k in c.keywords if k.arg == "axis"} for c in (a, b)]
    if axes[0] == axes[1]:
        return ""
    return ": summed or averaged over other axes"


def in_another_order(some: list[Node], others: list[Node]) -> bool:
    one, other = [*map(dumped, some)], [*map(dumped, others)]
    return one != other and sorted(one) == sorted(other)


def exchanged(a: Node, b: Node) -> str:
    return f"{text(a)} used instead of {text(b)}: in another order"


def other_sign(a: ast.BinOp, b: ast.BinOp) -> str:
    kinds = {type(a.op), type(b.op)}
    right = text(a.right)
    if kinds == {ast.Add, ast.Sub}:
        return f"the sign of {right} is flipped"
    if kinds == {ast.Mult, ast.Div}:
        due, done = (
            ("divided", "multiplied") if isinstance(b.op, ast.Div) else ("multiplied", "divided")
        )
        return f"{done} by {right}, where it should be {due}"
    return f"{text(a)} used instead of {text(b)}"


def instead(a: Node, b: Node) -> str:
    """One part for another."""
    if same(a, ast.Constant(0)) or same(a, ast.Constant(0.0)):
        return f"{text(b)} is left out: zero in its place"
    if same(a, ast.Constant(1)) and not isinstance(b, ast.Constant):
        return f"the factor {text(b)}{known(b)} is left out: 1 in its place"
    if same(b, ast.Constant(0)):
        return f"{text(a)} is too many"
    if same(b, ast.Constant(1)) and not isinstance(a, ast.Constant):
        return f"the factor {text(a)}{known(a)} is too many"
    done = [DONE.get(text(part).rpartition(".")[2], "") for part in (a, b)]
    due = f": {done[0]}, where it should be {done[1]}" if all(done) else ""
    return f"{text(a)} used instead of {text(b)}" + due


def closer(a: Node, b: Node) -> str:
    """Whether a window starts at i instead of i * s."""
    bare = re.sub(r"\b(\w+) \* \w+(?=:\1| \+)", r"\1", text(b))
    return ": the stride, or dilation, is left out" if bare == text(a) != text(b) else ""


def another_step(a: Node, b: Node) -> str:
    """Whether two indices differ by a number: t - 2 and t - 1, t and t - 1."""
    one, other = (re.sub(r" [+-] \d+$", "", text(x)) for x in (a, b))
    named = one == other and not one.isdigit()
    return ": another item or time step" if named else ""


def transposed(node: Node) -> Node | None:
    """What an expression transposes."""
    if isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        return node.value
    function = node.func if isinstance(node, ast.Call) else None
    if not isinstance(function, ast.Attribute) or function.attr != "transpose" or node.keywords:
        return None
    if not node.args:
        return function.value
    return node.args[0] if len(node.args) == 1 and text(function.value) == "np" else None


def reordered(node: Node) -> Node | None:
    """The x of x.transpose(2, 0, 1), or of np.transpose(x, (2, 0, 1))."""
    function = node.func if isinstance(node, ast.Call) else None
    if not isinstance(function, ast.Attribute) or function.attr != "transpose":
        return None
    return (function.value, *node.args)[text(function.value) == "np"] if node.args else None


def dumped(node: Any) -> str:
    """A tree without where it stands and whether it is read or stored."""
    return ast.dump(node).replace("Store()", "Load()") if isinstance(node, ast.AST) else repr(node)


def same(a: Any, b: Any) -> bool:
    return dumped(a) == dumped(b)


def text(node: Node) -> str:
    return ast.unparse(node)
