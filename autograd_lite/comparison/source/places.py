"""The functions that a learner wrote: found from what was handed in, and compiled with edits."""

from __future__ import annotations
import __future__

import ast
import functools
import os
import sysconfig
from collections import deque
from collections.abc import Iterable, Iterator
from copy import deepcopy
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ...engine.user import HOMES
from .text import Node, Text, Unit, as_function, candidates, text_of, units

PROBE = " probe"  # the global name of the probe during a search: no text can have it
MOST_VALUES = 5_000  # that are looked through for functions
INSTALLED = (sysconfig.get_path(key) for key in ("stdlib", "platstdlib", "purelib", "platlib"))
LIBRARIES = (*HOMES, *(os.path.join(path, "") for path in INSTALLED), "<frozen ")


# ---- one function ----------------------------------------------------------------------------


class Place:
    """A function of the learner's with its text: `units` are its statements, `code` compiles it."""

    def __init__(self, function: FunctionType, text: Text, node: Node) -> None:
        self.function, self.text, self.original = function, text, function.__code__
        self.owner = text.owners.get(id(node), "")
        self.node, alone = as_function(text, node)
        self.units = [alone] if alone else units(text, self.node)
        self.tree = bare(self.node)
        self.homes = homes(self.node, self.tree, self.units)
        known = function.__globals__.items()
        self.strided = {"as_strided", *[name for name, value in known if value is as_strided]}
        counted(self.tree, self.strided)

    def code(self, tree: Node = None) -> CodeType:
        """The function as its tree stands now."""
        tree = tree or self.tree
        free = self.original.co_freevars
        module = self.within(tree)
        kept = [parsed(f"if 0: {name}") for name in free]  # else an edit may lose one
        tree.body[0:0] = kept
        try:
            flags = self.original.co_flags & __future__.annotations.compiler_flag
            code = compile(module, self.text.file, "exec", flags, dont_inherit=True)
        finally:
            del tree.body[: len(kept)]
        for _ in range(3 if self.owner else 2):
            code = next(c for c in code.co_consts if isinstance(c, CodeType))
        # an edit that assigns to a name from outside would make it local to the whole function
        local = {*code.co_varnames, *code.co_cellvars}
        known = {*self.original.co_varnames, *self.original.co_cellvars}
        if code.co_freevars != free or not local <= known:
            raise ValueError("other variables")
        return code

    def within(self, tree: Node) -> ast.Module:
        """The function where it has its variables from outside, and the class whose private names
        it uses: that is no variable of its own there."""
        free, owner = self.original.co_freevars, self.owner
        outside = [name for name in free if name != "__class__"]
        lines = ["def around():", f" {' = '.join([*outside, 'unused'])} = None"]
        lines += [f" global {owner}"] * bool(owner and owner not in free)
        lines += [f" class {owner}: pass" if owner else " pass"]
        module = ast.parse("\n".join(lines))
        around: Node = module.body[0]
        (around.body[-1] if owner else around).body[-1:] = [tree]
        return module

    def watched(self, number: int, first: int) -> CodeType:
        """The function with the probe at each of its statements, which are counted from `first`."""
        tree = bare(self.node)
        for i, (_, node) in enumerate(homes(self.node, tree, self.units).values(), first):
            for part in ("value", "iter", "test"):
                inner = getattr(node, part, None)
                if isinstance(inner, ast.expr):
                    call = probed(f"at({i})(None)")
                    call.args[0] = inner
                    setattr(node, part, call)
                    break
        counted(tree, self.strided)
        for node in [*ast.walk(tree)]:
            if isinstance(node, ast.FunctionDef):
                end: Node = parsed("try: pass\nfinally: pass")
                left = ast.Expr(probed(f"leave({number}, locals())"))
                end.finalbody = [ast.copy_location(left, end)]
                end.body, node.body = node.body, [end]
        return self.code(tree)


def bare(function: Node) -> Node:
    """A copy of a function without what is not part of its code: decorators, defaults, types."""
    tree = deepcopy(function)
    tree.decorator_list, tree.returns = [], None
    args = tree.args
    args.defaults = [parsed("None").value for _ in args.defaults]
    args.kw_defaults = [d and parsed("None").value for d in args.kw_defaults]
    for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg):
        if arg:
            arg.annotation = None
    return tree


def homes(
    function: Node, copied: Node, units: Iterable[Unit]
) -> dict[int, tuple[list[Node], Node]]:
    """For each unit its statement in the copy, and the list that it is in there."""
    found: dict[int, tuple[list[Node], Node]] = {}
    numbers = {id(unit.node): id(unit) for unit in units}

    def pair(a: Node, b: Node) -> None:
        for name in a._fields:
            x: Any = getattr(a, name, None)
            y: Any = getattr(b, name, None)
            if name in ("decorator_list", "args", "returns") and a is function:
                continue
            if isinstance(x, list):
                for i, j in zip(x, y, strict=True):
                    if id(i) in numbers:
                        found[numbers[id(i)]] = y, j
                    if isinstance(i, ast.AST):
                        pair(i, j)
            elif isinstance(x, ast.AST):
                pair(x, y)

    pair(function, copied)
    return {id(unit): found[id(unit)] for unit in units}


def counted(tree: Node, strided: Iterable[str]) -> None:
    """Let the probe count at the head of every loop, those in brackets too, and look at strides
    that functions of these names get, which an edit may lead out of memory: the process would end
    there."""
    for node in [*ast.walk(tree)]:
        if isinstance(node, ast.For | ast.While):
            call = "tick()" if isinstance(node, ast.For) else "tick(locals())"
            node.body.insert(0, ast.copy_location(ast.Expr(probed(call)), node.body[0]))
        elif isinstance(node, ast.comprehension):
            node.ifs.insert(0, probed("tick()"))
        elif isinstance(node, ast.Call) and last_name(node.func) in strided:
            inside = ast.copy_location(probed("inside(None)"), node.func)
            inside.args[0], node.func = node.func, inside


def last_name(node: Node) -> str:
    return str(getattr(node, "attr", getattr(node, "id", "")))


def parsed(text: str) -> Node:
    """The one statement of a text."""
    return ast.parse(text).body[0]


def probed(call: str) -> Node:
    """The call of a method of the probe."""
    tree = parsed(f"probe.{call}").value
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "probe":
            node.id = PROBE
    return tree


# ---- all of them -----------------------------------------------------------------------------


def is_own(code: CodeType) -> bool:
    """Whether code is neither ours nor a library's."""
    return is_own_file(code.co_filename)


@functools.lru_cache(maxsize=1024)
def is_own_file(name: str) -> bool:
    whole = os.path.join(os.path.abspath(name), "")
    return not whole.startswith(LIBRARIES) and not name.startswith(LIBRARIES)


def names_of(code: CodeType) -> set[str]:
    """The names that code and the functions in it use, attributes included."""
    found = set(code.co_names)
    for const in code.co_consts:
        if isinstance(const, CodeType):
            found |= names_of(const)
    return found


def reachable(owners: Iterable[Any]) -> Iterator[Any]:
    """What a learner's functions can reach: functions, containers, objects of own classes, arrays,
    each once."""
    queue, known = deque(owners), set[int]()
    while queue and len(known) < MOST_VALUES:
        value = queue.popleft()
        if id(value) not in known and not isinstance(value, str | int | float | ModuleType):
            known.add(id(value))
            yield value
            queue.extend(inside(value))


def inside(value: Any) -> Iterator[Any]:
    """What a value leads to."""
    if isinstance(value, FunctionType):
        if is_own(value.__code__):
            outer = value.__globals__
            yield from (outer[n] for n in sorted(names_of(value.__code__)) if n in outer)
        yield from contents(value)
        yield getattr(value, "__wrapped__", None)
    elif isinstance(value, MethodType):
        yield from (value.__func__, value.__self__)
    elif isinstance(value, functools.partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, staticmethod | classmethod):
        yield value.__func__
    elif isinstance(value, property):
        yield value.fget
    elif isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list | tuple):
        yield from value
    elif isinstance(value, type):
        members = (getattr(m, "__func__", m) for m in vars(value).values())
        if any(is_own(f.__code__) for f in members if isinstance(f, FunctionType)):
            yield from vars(value).values()
            yield from value.__bases__
    else:
        yield type(value)
        if not isinstance(value, np.ndarray):
            yield from (getattr(value, "__dict__", None) or {}).values()
            yield from (getattr(value, name, None) for name in slots(value))
            yield getattr(value, "__wrapped__", None)


def slots(value: Any) -> list[str]:
    """The attributes of an object that are not in its dictionary."""
    named = (vars(kind).get("__slots__", ()) for kind in type(value).__mro__)
    names = [name for some in named for name in ([some] if isinstance(some, str) else some)]
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def contents(function: FunctionType) -> Iterator[Any]:
    """What a function has from the functions around it."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            continue


def places(values: Iterable[Any]) -> list[Place]:
    """The learner's functions among these, as far as their text can be had."""
    found = (place_of(v) for v in values if isinstance(v, FunctionType) and is_own(v.__code__))
    return [place for place in found if place is not None]


def place_of(function: FunctionType) -> Place | None:
    """A function with its text; None if there is none, or it is not what runs."""
    code = function.__code__
    text = text_of(code, function.__globals__)
    if text is None:
        return None
    fitting = []
    for node in candidates(text, code):
        try:
            place = Place(function, text, node)
            again = place.code(bare(place.node))
        except (ValueError, SyntaxError, KeyError, StopIteration):
            continue
        if same(again, code) and encloses(node, code):
            fitting.append(place)
    return fitting[0] if len(fitting) == 1 else None


def encloses(node: Node, code: CodeType) -> bool:
    """Whether code was compiled from inside of a node: there may be two lambdas on a line."""
    start, end = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
    return not isinstance(node, ast.Lambda) or all(
        start <= (line, column) and (last, stop) <= end
        for line, last, column, stop in code.co_positions()
        if line and last and stop and column is not None
    )


def same(mine: CodeType, theirs: CodeType) -> bool:
    """Whether the text is still that of the code; pytest adds names where it rewrites asserts."""
    return (
        mine.co_varnames[: mine.co_argcount] == theirs.co_varnames[: theirs.co_argcount]
        and set(mine.co_names) <= {*theirs.co_names, *theirs.co_freevars, *theirs.co_cellvars}
        and set(mine.co_varnames) <= {*theirs.co_varnames, *theirs.co_cellvars}
    )
