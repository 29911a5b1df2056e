"""From steps to items, which C has loops for: where each value lies, and what is done with it.

A view is no item: it is another place in the memory of its input, found by making the view of an
array of the same form. What has no form in C becomes an item that Python runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ...engine.axes import axes_of, is_basic, part_of
from ...engine.modes import Within
from ...engine.op import Op
from ...engine.rules import ops
from ...program.expr import NUMPY, full, numpy_op
from ..laws import plus_at
from ..lower import Step, ask, check, constant, is_draw
from .forms import COLUMNS, form, literal, type_of

__all__ = ["CHOICE", "COPY", "FORMS", "Gather", "Item", "Items", "NoForm", "Place", "Root"]

Operand = Any  # a Place, a Gather, or a number
COPY = "{0}"
CHOICE = "{0} ? {1} : {2}"  # the condition in its own dtype
OUT_OF_RANGE = "(uint64_t)(int64_t){{0}} >= {}"  # -1 too, which is large without a sign
# A merge sort in C took 1.2 to 1.6 times as long, for 33 to 100,000 elements; with a call of this
# between them, C functions take 0.9 of the NumPy code.
SORT = numpy_op(np.argsort)
# views that are copies for NumPy's users, as arrays
VIEWS: dict[Op, Callable[..., Any]] = {
    ops.expand: lambda x, shape: np.broadcast_to(x, shape),
    ops.flip: lambda x, axis: np.flip(x, axis),
}


class NoForm(Exception):
    """Why there is no C for it."""


class Root:
    """Memory that values lie in: that of an argument, of an array that stays, or of the code."""

    def __init__(self, kind: str, name: str, like: Any) -> None:
        self.kind, self.name, self.like = kind, name, like
        self.start = like.__array_interface__["data"][0]
        self.offset = -1  # in the workspace
        self.last = -1  # the last kernel that uses it
        self.row = False  # whether it holds one row at a time
        self.viewed = False  # whether Python has views of it
        self.changed = False  # whether it is an argument that gets other values

    @property
    def dtype(self) -> Any:
        return self.like.dtype


class Place:
    """A value: elements of a root, the first at `offset`, the others by `strides`, in elements."""

    __slots__ = ("root", "array", "offset", "strides")

    def __init__(self, root: Root, array: Any) -> None:
        size = array.itemsize
        self.root, self.array = root, array
        self.offset = (array.__array_interface__["data"][0] - root.start) // size
        self.strides = tuple(
            [s // size if n > 1 else 0 for s, n in zip(array.strides, array.shape, strict=True)]
        )

    shape = property(lambda self: self.array.shape)
    dtype = property(lambda self: self.array.dtype)

    def over(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The strides with which it goes through a shape that it broadcasts to."""
        if len(shape) < len(self.strides):
            raise NoForm("more axes than the result")
        return (0,) * (len(shape) - len(self.strides)) + self.strides

    def view(self, array: Any) -> Place:
        return Place(self.root, array)


class Gather:
    """Elements of a place that arrays of ints choose: `base` is their place for zeros, and each of
    `indices` comes with the stride that one more is."""

    def __init__(self, base: Place, indices: list[tuple[Place, int]]) -> None:
        self.base, self.indices = base, indices
        self.dtype = base.dtype

    @property
    def places(self) -> list[Place]:
        return [self.base, *(place for place, _ in self.indices)]


class Item:
    """Something to do. `kind` is what it loops like:

    each      every element of `out` is `text` of the operands
    rows      `out` gets the sum, or what the operation `text` is, of every row of the operand
    columns   the same of every column
    product   `out` = a @ b; with `text` = (alpha, beta) alpha * (a @ b) + beta * `out`
    overlap   the operand is added to `out`, whose elements may be there several times; or the
              operation `text` is done, or what it says
    pool      the operands are y, for every place of a window x and `out` there, and g, which goes
              to the first place where x is y; "gather" has g there, and `out` gets it from there
    scatter   the operand is added to `out`, a Gather
    place     `out` has the index of the element of each row that the function `text` finds
    check     `text` is of no element of the operand
    python    Python does it, as `step` says
    """

    __slots__ = ("kind", "out", "operands", "text", "dtype", "step", "shape", "partial")

    def __init__(
        self,
        kind: str,
        out: Any,
        operands: list[Operand],
        text: Any = COPY,
        dtype: Any = None,
        step: Any = None,
    ) -> None:
        self.kind, self.out, self.operands, self.text = kind, out, operands, text
        self.dtype = dtype if dtype is not None or out is None else out.dtype
        self.step = step
        self.shape: tuple[int, ...] = ()
        if kind in ("rows", "columns", "check", "scatter", "overlap", "pool"):
            self.shape = operands[0].shape
        elif out is not None:
            self.shape = out.shape
        self.partial = False

    def reads(self) -> Iterable[Place]:
        if isinstance(self.out, Gather):
            yield from self.out.places
        for x in self.operands:
            if isinstance(x, Gather):
                yield from x.places
            elif isinstance(x, Place):
                yield x

    def writes(self) -> Place | None:
        return self.out.base if isinstance(self.out, Gather) else self.out


class Items:
    """The items of steps in order. `places` has where the value of every step lies."""

    def __init__(self, steps: list[Step], arguments: list[Step], numbers: int, blas: bool) -> None:
        self.blas = blas
        self.items: list[Item] = []
        self.places: dict[int, Operand] = {}
        self.roots: list[Root] = []
        self.constants: list[Root] = []
        self.held: set[int] = set()  # steps whose values Python has, as they may be tuples
        self.checked: set[tuple[int, int]] = set()
        self.uses: dict[int, list[Step]] = {}
        self.draws = [s for s in arguments if is_draw(s)]
        self.drawn = False
        self.known: dict[Any, Place] = {}
        self.called: list[Op] = []  # the operations that Python runs
        for s in steps:
            if s.dtype == object:
                raise NoForm("an array of objects")
            for x in s.uses:
                self.uses.setdefault(id(x), []).append(s)
        for i, s in enumerate(arguments):
            is_number = i >= len(arguments) - numbers
            self.places[id(s)] = self.argument(f"a{i}", s.value, is_number)
        for s in steps:
            self.step(s)
        if self.draws and not self.drawn:
            self.draw()

    # ---- memory

    def argument(self, name: str, a: Any, is_number: bool = False) -> Place:
        """An argument lies as it lies at the trace, or one row after the other."""
        if a.dtype == object or not a.dtype.isnative:
            raise NoForm("an argument is of objects, or of another byte order")
        if not (a.flags.c_contiguous or a.flags.f_contiguous):
            a = np.empty(a.shape, a.dtype)
        return Place(Root("number" if is_number else "argument", name, a), a)

    def made(self, shape: tuple[int, ...], dtype: Any) -> Place:
        """A place of its own for a value."""
        type_of(dtype)
        root = Root("work", f"b{len(self.roots)}", np.empty(shape, dtype))
        self.roots.append(root)
        return Place(root, root.like)

    def constant(self, a: Any) -> Place:
        """An array that stays."""
        if ("array", id(a)) not in self.known:
            kept = np.ascontiguousarray(a).reshape(a.shape)
            root = Root("kept", f"c{len(self.constants)}", kept)
            self.constants.append(root)
            self.known["array", id(a)] = Place(root, kept)
            self.known["alive", id(a)] = a
        return self.known["array", id(a)]

    def of(self, x: Any) -> Operand:
        """Where an input lies; numbers are themselves."""
        if isinstance(x, Step):
            return self.places[id(x)]
        if isinstance(x, np.ndarray):
            return self.constant(x)
        return x

    def solid(self, x: Operand, shape: tuple[int, ...], dtype: Any) -> Place:
        """An operand in this shape and dtype, in memory; it may be stretched."""
        if isinstance(x, Place) and x.dtype == dtype:
            return x if x.shape == shape else x.view(np.broadcast_to(x.array, shape))
        out = self.made(shape, dtype)
        self.items.append(Item("each", out, [x]))
        return out

    def dense(self, x: Place) -> Place:
        """The same with one element after the other."""
        return x if x.array.flags.c_contiguous else self.copy(x)

    def copy(self, x: Place) -> Place:
        out = self.made(x.shape, x.dtype)
        self.items.append(Item("each", out, [x]))
        return out

    def shaped(self, x: Place, shape: tuple[int, ...]) -> Place:
        """The same elements in another shape."""
        a = x.array.reshape(shape)
        return (
            x.view(a) if np.may_share_memory(a, x.root.like) else self.shaped(self.dense(x), shape)
        )

    # ---- steps

    def draw(self) -> None:
        self.items.append(Item("python", None, [], text="draw"))
        self.drawn = True

    def step(self, s: Step) -> None:
        if not self.drawn and any(map(is_draw, s.uses)):
            self.draw()
        if s.op is constant:
            self.places[id(s)] = self.constant(s.kw["array"])
            return
        if s.op is full:
            self.places[id(s)] = s.kw["n"]
            return
        before = len(self.items), len(self.roots), len(self.known)
        checked = set(self.checked)
        try:
            if s.value.size and not any(id(x) in self.held or not x.value.size for x in s.uses):
                for x in s.uses:
                    if isinstance(place := self.places[id(x)], Place):
                        type_of(place.dtype)
                self.form(s)
                return
        except (NoForm, LookupError, TypeError, ValueError):
            del self.items[before[0] :], self.roots[before[1] :]
            self.checked = checked
            while len(self.known) > before[2]:
                self.known.popitem()
        self.python(s)

    def form(self, s: Step) -> None:
        """The items of a step in C."""
        if s.op in FORMS:
            FORMS[s.op](self, s)
        elif s.op.kind == "view" and (s.op.view or s.op in VIEWS):
            self.view(s, VIEWS.get(s.op, s.op.forward))
        else:
            self.each(s)

    def python(self, s: Step) -> None:
        """What Python runs: its result lies in memory, or is held where it may be several."""
        operands = []
        for x in s.uses:
            if id(x) not in self.held:
                place = self.places[id(x)]
                if isinstance(place, Place):
                    self.places[id(x)] = place = self.shown(place)
                operands.append(place)
        if s.op is ask:
            self.items.append(Item("python", None, operands, step=s))
            return
        self.called.append(s.op)
        uses = self.uses.get(id(s), [])
        several = s.op in NUMPY.values() and s.op is not SORT
        if several and uses and all(u.op is ops.getitem for u in uses):
            self.held.add(id(s))
            self.items.append(Item("python", None, operands, step=s))
            return
        root = Root("work", f"b{len(self.roots)}", np.empty(s.shape, s.dtype))
        self.roots.append(root)
        self.places[id(s)] = Place(root, root.like)
        self.items.append(Item("python", self.places[id(s)], operands, step=s))

    def shown(self, x: Place) -> Place:
        """What Python can have a view of: of an argument only as it is."""
        if x.array is x.root.like:
            return x
        x = self.copy(x) if x.root.kind == "argument" else x
        x.root.viewed = True
        return x

    def view(self, s: Step, function: Callable[..., Any]) -> None:
        x = self.of(s.inputs[0])
        if not isinstance(x, Place):
            if s.op is ops.getitem:
                raise NoForm(s.op.name)
            self.places[id(s)] = x  # a number is the same in every shape
            return
        a = function(x.array, **s.kw)
        if np.may_share_memory(a, x.root.like):
            self.places[id(s)] = x.view(a)
        elif s.op is ops.reshape:
            self.places[id(s)] = self.shaped(x, s.shape)
        else:
            raise NoForm(s.op.name)

    def each(self, s: Step) -> None:
        """An elementwise function."""
        if s.kw:
            raise NoForm(s.op.name)
        operands = [self.of(x) for x in s.inputs]
        dtypes = [self.kind(x, i) for x, i in zip(operands, s.inputs, strict=True)]
        text, dtype = form(s.op, dtypes, s.dtype)
        self.write(s, operands, text, dtype)

    def kind(self, x: Operand, given: Any) -> Any:
        """The dtype of an operand, or the type of a number."""
        if isinstance(x, Place):
            return float if x.root.kind == "number" else x.dtype
        if isinstance(given, Step):  # one number in a whole array
            return given.dtype
        if type(x) not in (int, float, bool):
            raise NoForm("a number of another type")
        return type(x)

    def write(self, s: Step, operands: list[Operand], text: str = COPY, dtype: Any = None) -> None:
        out = self.places[id(s)] = self.made(s.shape, s.dtype)
        self.items.append(Item("each", out, operands, text, dtype))

    def copied(self, s: Step) -> None:
        x = self.of(s.inputs[0])
        if s.dtype.kind in "iub" and getattr(x, "dtype", s.dtype).kind == "f":
            raise NoForm("a float as an int")
        if s.dtype.kind == "b" and isinstance(x, Place):
            self.write(s, [x], "{0} != 0", x.dtype)
        else:
            self.write(s, [x], COPY)

    def chosen(self, s: Step) -> None:
        """where: the condition is compared in its own dtype."""
        c, *others = (self.of(x) for x in s.inputs)
        if isinstance(c, Place) and c.dtype.kind != "b":
            raise NoForm("a condition that is no bool")
        self.write(s, [c, *others], CHOICE)

    # ---- sums

    def reduce(self, s: Step) -> None:
        x, shape = self.of(s.inputs[0]), s.inputs[0].shape
        counts = s.op is ops.sum and s.inputs[0].dtype.kind == "b"
        dtype = np.dtype(float) if counts else s.dtype
        if dtype.kind != "f" or s.kw.keys() - {"axis", "keepdims"}:
            raise NoForm("of ints")
        axis = -1 if s.op is ops.prod else s.kw.get("axis")  # which is of rows alone
        axes = sorted(a % len(shape) for a in axes_of(s.inputs[0].value, axis))
        out = self.places[id(s)] = self.made(s.shape, dtype)
        flat = out.view(out.array.reshape([n for a, n in enumerate(shape) if a not in axes]))
        x = self.solid(x, shape, dtype)
        if axes:
            self.added_up(flat, x, axes, s.op)
        else:
            self.items.append(Item("each", flat, [x]))
        if counts:
            self.write(s, [out])

    def added_up(self, out: Place, x: Place, axes: list[int], op: Op) -> None:
        """Over the last axes row by row, over the first ones column by column; other axes are moved
        to the end."""
        n, first = x.array.ndim, len(axes)
        while first and axes[first - 1] == n - len(axes) + first - 1:
            first -= 1
        before, tail = axes[:first], len(axes) - first
        if tail and before:
            part = self.made(x.shape[: n - tail], x.dtype)
            self.rows(part, x, tail, op)
            self.added_up(out, part, before, op)
        elif tail:
            self.rows(out, x, tail, op)
        elif axes == list(range(len(axes))):
            if len(axes) != n - 1:
                rest = int(np.prod(x.shape[len(axes) :]))
                x = self.shaped(x, (-1, rest))
                out = out.view(out.array.reshape(rest))
            self.items.append(Item("columns", out, [x], op))
        else:
            order = [a for a in range(n) if a not in axes] + axes
            self.rows(out, self.dense(x.view(x.array.transpose(order))), len(axes), op)

    def rows(self, out: Place, x: Place, tail: int, op: Op) -> None:
        """Every row of so many axes at the end."""
        if tail > 1:
            x = self.shaped(x, (*x.shape[: x.array.ndim - tail], -1))
        if x.strides[-1] != 1 and x.shape[-1] > 1:
            x = self.dense(x)
        self.items.append(Item("rows", out, [x], op))

    def so_far(self, s: Step) -> None:
        """Sums, or the like, of all elements up to each along an axis: in place, in their order."""
        x = self.of(s.inputs[0])
        axis = s.kw.get("axis")
        if s.kw.keys() != {"axis"} or axis is None:
            raise NoForm("of all")
        self.write(s, [x])
        out = self.places[id(s)]
        a = np.moveaxis(out.array, axis, 0)
        a = a if a.ndim > 1 else a[:, None]  # the last axis has no order
        if len(a) > 1:
            text, _ = form(Op("", SO_FAR[s.op]), [s.dtype] * 2, s.dtype)
            self.items.append(Item("overlap", out.view(a[1:]), [out.view(a[:-1])], text))

    # ---- products

    def product(self, s: Step) -> None:
        if s.dtype.kind != "f":
            raise NoForm("a product of ints")
        a, b = (self.solid(self.of(x), x.shape, s.dtype) for x in s.inputs)
        out = self.places[id(s)] = self.made(s.shape, s.dtype)
        y = out.array
        if a.array.ndim == 1:
            a, y = a.view(a.array[None]), y[..., None, :] if b.array.ndim > 1 else y[None]
        if b.array.ndim == 1:
            b, y = b.view(b.array[:, None]), y[..., None]
        out = out.view(y)
        if b.array.ndim == 2 and a.array.ndim > 2:  # one product of all rows
            rows = int(np.prod(a.shape[:-1]))
            flat = a.array.reshape(rows, a.shape[-1])
            if np.may_share_memory(flat, a.root.like):
                a, out = a.view(flat), out.view(y.reshape(rows, y.shape[-1]))
        if a.shape[-1] == 1:  # every element is one product
            text, dtype = form(ops.mul, [a.dtype, b.dtype], s.dtype)
            self.items.append(Item("each", out, [a, b], text, dtype))
            return
        batch = out.shape[:-2]
        a, b = (
            x.view(np.broadcast_to(x.array, (*batch, *x.shape[-2:])))
            for x in map(self.lined, (a, b))
        )
        if not self.blas:
            a, b = map(self.shown, (a, b))
        self.items.append(Item("product", out, [a, b]))

    def multiply(self, out: Place, a: Place, b: Place, more: bool = False) -> None:
        """`out` = a @ b of matrices, or `out` += a @ b."""
        if not self.blas:
            raise NoForm("a product without BLAS")
        self.items.append(Item("product", out, [self.lined(a), self.lined(b)], (1, int(more))))

    def lined(self, x: Place) -> Place:
        """A matrix with one element after the other, in rows or in columns, as BLAS wants it."""
        (r, c), (n, m) = x.strides[-2:], x.shape[-2:]
        in_rows = (c == 1 or m == 1) and (r >= m or n == 1)
        in_columns = (r == 1 or n == 1) and (c >= n or m == 1)
        return x if in_rows or in_columns else self.dense(x)

    # ---- elements that are chosen

    def getitem(self, s: Step) -> None:
        index = s.kw["index"]
        if is_basic(index):
            self.view(s, part_of)
            return
        x = self.of(s.inputs[0])
        if not isinstance(x, Place):
            raise NoForm("elements of a number")
        self.write(s, [self.gather(x, index)], COPY)

    def gather(self, x: Place, index: Any) -> Gather:
        """Where one or more arrays of ints, side by side among whole axes, are."""
        given = parts(index)
        chosen = [k for k, i in enumerate(given) if isinstance(i, Step)]
        if not chosen or chosen != list(range(chosen[0], chosen[-1] + 1)):
            raise NoForm("an index of another form")
        if any(not isinstance(i, Step) and i != slice(None) for i in given):
            raise NoForm("an index of another form")
        if any(given[k].dtype.kind not in "iu" for k in chosen):
            raise NoForm("an index that is no int")
        after = x.array.ndim - chosen[-1] - 1
        wide = np.broadcast_shapes(*(given[k].shape for k in chosen))
        zeros = tuple([0 if k in chosen else slice(None) for k in range(x.array.ndim)])
        base = part_of(x.array, zeros)
        base = base.reshape(base.shape[: chosen[0]] + (1,) * len(wide) + base.shape[chosen[0] :])
        if not np.may_share_memory(base, x.root.like):
            raise NoForm("an index of another form")
        indices = []
        for k in chosen:
            i = self.of(given[k])
            if not isinstance(i, Place):
                raise NoForm("an index that is one number")
            self.bounded(i, x.shape[k])
            stride = x.array.strides[k] // x.array.itemsize
            indices.append((i.view(i.array.reshape(i.shape + (1,) * after)), stride))
        return Gather(x.view(base), indices)

    def bounded(self, i: Place, n: int) -> None:
        """Check that an index counts from 0 to below `n`, once."""
        if i.root.kind == "kept":
            if not (i.array.min() >= 0 and i.array.max() < n):
                raise NoForm("an index from the end")
        elif (id(i.root), n) not in self.checked:
            self.items.append(Item("check", None, [i], text=OUT_OF_RANGE.format(n)))
            if i.array.size == i.root.like.size:
                self.checked.add((id(i.root), n))

    def check(self, s: Step) -> None:
        x = self.of(s.inputs[0])
        if not isinstance(x, Place):
            raise NoForm("a class that is one number")
        self.items.append(Item("check", None, [x], text=OUT_OF_RANGE.format(s.kw["classes"])))
        self.checked.add((id(x.root), s.kw["classes"]))
        self.places[id(s)] = x

    def ask(self, s: Step) -> None:
        """What a compiled function asks again: whether all are within a range."""
        question, x = s.kw["question"], self.of(s.inputs[0])
        if not (isinstance(question, Within) and s.kw["answer"] and isinstance(x, Place)):
            raise NoForm("a question")
        if x.root.kind == "number" or x.dtype.kind not in "if":
            raise NoForm("a question about numbers of another type")
        low, high = (literal(n, x.dtype) for n in (question.low, question.high))
        text = f"!({{0}} >= {low} && {{0}} <= {high})"
        self.items.append(Item("check", None, [x], text=text))

    def added(self, s: Step, out: Place, x: Operand, index: Any) -> None:
        """`out[index] += x`"""
        if is_basic(index):
            part = out.view(part_of(out.array, index))
            item = Item("each", part, [part, x], *form(ops.add, [s.dtype] * 2, s.dtype))
            item.partial = True
            self.items.append(item)
            return
        shape = np.empty(out.shape, bool)[
            tuple(np.zeros(i.shape, int) if isinstance(i, Step) else i for i in parts(index))
        ].shape
        where = self.gather(out, index)
        self.items.append(Item("scatter", where, [self.solid(x, shape, s.dtype)]))

    def plus_at(self, s: Step) -> None:
        x, n = s.inputs
        self.write(s, [self.of(x)], COPY)
        self.added(s, self.places[id(s)], self.of(n), s.kw["index"])

    def scatter_add(self, s: Step) -> None:
        self.write(s, [0], COPY)
        self.added(s, self.places[id(s)], self.of(s.inputs[0]), s.kw["index"])

    def filled(self, s: Step, out: Place, index: Any, x: Operand) -> None:
        """`out[index] = x`"""
        part = out.view(part_of(out.array, index))
        n = part.array.ndim
        if isinstance(x, Place) and x.array.ndim > n:  # leading ones
            x = x.view(x.array.reshape(x.shape[x.array.ndim - n :]))
        item = Item("each", part, [x])
        item.partial = True
        self.items.append(item)

    def put(self, s: Step) -> None:
        x, v = s.inputs
        if not is_basic(s.kw["index"]) or s.kw.keys() != {"index"}:
            raise NoForm("an index of another form")
        self.write(s, [self.of(x)], COPY)
        self.filled(s, self.places[id(s)], s.kw["index"], self.of(v))

    def concatenate(self, s: Step) -> None:
        out = self.places[id(s)] = self.made(s.shape, s.dtype)
        axis, at = s.kw["axis"] % out.array.ndim, 0
        for x in s.inputs:
            n = x.shape[axis]
            index = (slice(None),) * axis + (slice(at, at + n),)
            self.filled(s, out, index, self.of(x))
            at += n

    def stack(self, s: Step) -> None:
        out = self.places[id(s)] = self.made(s.shape, s.dtype)
        for i, x in enumerate(s.inputs):
            self.filled(s, out, (slice(None),) * s.kw["axis"] + (i,), self.of(x))

    def pad(self, s: Step) -> None:
        self.write(s, [s.kw["value"]], COPY)
        x = s.inputs[0]
        pairs = zip(s.kw["width"] or ((0, 0),) * x.value.ndim, x.shape, strict=True)
        index = tuple([slice(low, low + n) for (low, _), n in pairs])
        self.filled(s, self.places[id(s)], index, self.of(x))


def parts(index: Any) -> tuple[Any, ...]:
    """An index as a tuple."""
    return index if isinstance(index, tuple) else (index,)


SO_FAR = {  # what is done to the result so far and the next element
    ops.cumsum: np.add,
    numpy_op(np.cumprod): np.multiply,
    **{numpy_op(f.accumulate): f for f in (np.maximum, np.minimum, np.logaddexp)},
}
FORMS: dict[Op, Callable[[Items, Step], None]] = {  # those that are no function of single elements
    check: Items.check, ask: Items.ask, ops.matmul: Items.product, ops.where: Items.chosen,
    ops.cast: Items.copied, ops.copy: Items.copied, ops.getitem: Items.getitem,
    plus_at: Items.plus_at, ops.scatter_add: Items.scatter_add, ops.put: Items.put,
    ops.concatenate: Items.concatenate, ops.stack: Items.stack, ops.pad: Items.pad,
    **dict.fromkeys(SO_FAR, Items.so_far), **dict.fromkeys(COLUMNS, Items.reduce),
}  # fmt: skip
