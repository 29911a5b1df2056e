"""From items to C: which of them share a loop, where their values lie, and the text.

A kernel is a loop over rows, and in it loops over the elements of a row one after the other. What
one of these alone uses is a variable; what only the same row uses lies in memory of one row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from typing import Any

from .forms import COLUMNS, ending, literal, type_of
from .items import CHOICE, Gather, Item, Place, Root

__all__ = ["Kernel", "Text", "kernels"]

PATIENCE = 300  # items that may stand between two that share a loop
FUSED = ("each", "rows", "columns")
LONG, WIDE = 24, 256  # items one after the other, and elements, from which four vectors run at once
LINE = 64  # bytes; two buffers a multiple of 4 KiB apart slow one another down


class Access:
    """How an element is found in the loops: the axes of the rows, and the one along a row."""

    __slots__ = ("root", "offset", "strides")

    def __init__(self, place: Place, strides: tuple[int, ...]) -> None:
        self.root, self.offset, self.strides = place.root, place.offset, strides

    def same(self, other: Access) -> bool:
        return self.offset == other.offset and self.strides == other.strides


class Kernel:
    """Items that share a loop over `outer`, each a part of it; or one that has its own."""

    def __init__(self, first: Item) -> None:
        self.items: list[Item] = []
        self.kind = "fused" if first.kind in FUSED else first.kind
        self.made: dict[int, tuple[Access, Item]] = {}  # by root: what is computed here
        self.touched: set[int] = set()
        self.segments: list[tuple[bool, list[Item]]] = []  # (whether along the row, items)
        self.at: dict[int, int] = {}  # the segment of an item
        self.along: dict[int, bool] = {}
        self.accesses: dict[int, list[Any]] = {}  # of an item: its operands, then its output
        self.width = 1
        self.narrow = True  # whether all is one for each row so far
        self.outer: tuple[int, ...] = ()
        if self.kind != "fused":
            self.items.append(first)
            return
        self.outer = first.shape[:-1]
        self.add(first)

    def takes(self, x: Item) -> bool:
        return self.kind == "fused" and x.kind in FUSED and self.add(x)

    def role(self, x: Item) -> bool | None:
        """Whether an item goes along the rows, or has one element for each; None if neither."""
        shape, outer = x.shape, self.outer
        if x.kind == "each" and shape in (outer, (*outer, 1)):
            return False
        if shape[:-1] != outer or not shape or (x.kind == "columns" and not outer):
            return None
        if shape[-1] != self.width and not self.narrow:
            return None
        return x.kind != "rows"

    def access(self, place: Place, x: Item, output: bool) -> Access:
        outer, nothing = self.outer, (0,) * len(self.outer)
        if x.kind == "columns" and output:
            return Access(place, nothing + place.over((x.shape[-1],)))
        if (x.kind == "rows" and output) or (x.kind == "each" and x.shape == outer):
            return Access(place, (*place.over(outer), 0))
        return Access(place, place.over(x.shape))

    def add(self, x: Item) -> bool:
        """Take an item in, if it fits."""
        along = self.role(x)
        if along is None or id(x.out.root) in self.touched:
            return False
        found, makers = self.operands(x)
        if makers is None:
            return False
        low = 0  # the first segment that it can be in
        for maker in makers:
            at = self.at[id(maker)]
            low = max(low, at if self.along[id(maker)] == along else at + 1)
        if along or x.kind == "rows":
            self.width, self.narrow = x.shape[-1], False
        out = self.access(x.out, x, True)
        at = next((k for k in range(low, len(self.segments)) if self.segments[k][0] == along), -1)
        if at < 0:
            at = len(self.segments)
            self.segments.append((along, []))
        self.segments[at][1].append(x)
        self.at[id(x)], self.along[id(x)] = at, along
        self.accesses[id(x)] = [*found, out]
        self.made[id(x.out.root)] = out, x
        self.touched |= {id(p.root) for p in x.reads()} | {id(x.out.root)}
        self.items.append(x)
        return True

    def operands(self, x: Item) -> tuple[list[Any], list[Item] | None]:
        """How an item finds its operands, and those that are made here; None for them where one is
        not made yet when this row comes to it."""
        found: list[Any] = []
        makers: list[Item] = []
        for operand in x.operands:
            places = operand.places if isinstance(operand, Gather) else [operand]
            accesses = [self.access(p, x, False) for p in places if isinstance(p, Place)]
            for i, access in enumerate(accesses):
                made, maker = self.made.get(id(access.root), (None, None))
                if made is None or maker is None:
                    continue
                chosen = i == 0 and isinstance(operand, Gather)
                if chosen or not made.same(access) or maker.kind == "columns" or maker.partial:
                    return [], None
                makers.append(maker)
            if isinstance(operand, Gather):
                steps = [0, *(step for _, step in operand.indices)]
                found.append(list(zip(accesses, steps, strict=True)))
            else:
                found.append(accesses[0] if accesses else operand)
        return found, makers


def kernels(items: list[Item], draws: Iterable[Root]) -> list[Kernel]:
    """The items in an order in which as many as can be share loops."""
    waits = dependencies(items, {id(r) for r in draws})
    done: set[int] = set()
    todo = list(range(len(items)))
    found = []
    while todo:
        first = todo[0]
        kernel = Kernel(items[first])
        done.add(first)
        misses = 0
        if kernel.kind == "fused":
            for i in todo[1:]:
                if waits[i] <= done and kernel.takes(items[i]):
                    done.add(i)
                    misses = 0
                else:
                    misses += 1
                    if misses > PATIENCE:
                        break
        todo = [i for i in todo if i not in done]
        found.append(kernel)
    return found


def dependencies(items: list[Item], draws: set[int]) -> list[set[int]]:
    """For every item those that come before it."""
    writers: dict[int, list[int]] = {}
    readers: dict[int, list[int]] = {}
    found = []
    for i, x in enumerate(items):
        reads = {id(p.root) for p in x.reads()}
        place = x.writes()
        writes = set() if place is None else {id(place.root)}
        if x.kind == "check":  # as if it made the index, which nobody uses before
            writes = reads
        elif x.text == "draw":
            writes = draws
        waits: set[int] = set()
        for r in reads | writes:
            waits.update(writers.get(r, ()))
        for r in writes:
            waits.update(readers.get(r, ()))
            writers.setdefault(r, []).append(i)
        for r in reads:
            readers.setdefault(r, []).append(i)
        found.append(waits)
    return found


# ---- the text -------------------------------------------------------------------------------


class Text:
    """Prints kernels as the body of a C function."""

    def __init__(self, numbers: dict[str, str], stored: set[int], size: int) -> None:
        self.lines: list[str] = []
        self.depth = 1
        self.names = 0
        self.roots: dict[int, Root] = {}
        self.numbers = numbers  # the C text of arguments that are numbers
        self.stored = stored
        self.size = size  # of the workspace, behind which is room for bytes
        self.bytes = 0

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def open(self, name: str, n: int) -> None:
        self.line(f"for (intptr_t {name} = 0; {name} < {n}; {name}++) {{")
        self.depth += 1

    def close(self, n: int = 1) -> None:
        for _ in range(n):
            self.depth -= 1
            self.line("}")

    def name(self, letter: str) -> str:
        self.names += 1
        return f"{letter}{self.names}"

    def pointer(self, root: Root) -> str:
        self.roots[id(root)] = root
        return root.name

    def index(self, offset: int, strides: Iterable[int], names: Iterable[str]) -> str:
        terms = [
            name if s == 1 else f"{name} * {s}"
            for name, s in zip(names, strides, strict=True)
            if s and name != "0"
        ]
        return " + ".join(terms + [str(offset)] * (offset != 0 or not terms))

    def element(self, a: Access, names: list[str]) -> str:
        offset, strides = a.offset, a.strides
        if a.root.row:
            offset, strides = 0, (0,) * (len(strides) - 1) + strides[-1:]
        return f"{self.pointer(a.root)}[{self.index(offset, strides, names)}]"

    def cast(self, text: str, dtype: Any, to: Any) -> str:
        return text if type_of(dtype) == type_of(to) else f"({type_of(to)}){text}"

    def operand(self, x: Any, dtype: Any, names: list[str], known: dict[int, str]) -> str:
        """An operand of an elementwise function."""
        if isinstance(x, list):  # a Gather
            (base, _), *indices = x
            at = self.element(base, names)[:-1]
            for access, stride in indices:
                i = known.get(id(access.root)) or self.element(access, names)
                at += f" + (intptr_t){i} * {stride}"
            return self.cast(f"{at}]", base.root.dtype, dtype)
        if not isinstance(x, Access):
            return literal(x, dtype)
        if x.root.kind == "number":
            return f"({type_of(dtype)}){self.numbers[x.root.name]}"
        text = known.get(id(x.root)) or self.element(x, names)
        return self.cast(text, x.root.dtype, dtype)

    # ---- kernels

    def kernel(self, k: Kernel) -> None:
        getattr(self, k.kind)(k)

    def fused(self, k: Kernel) -> None:
        sizes, accesses = [*k.outer, k.width], [a for x in k.items for a in flat(k.accesses[id(x)])]
        pure = all(x.kind == "each" and k.along[id(x)] for x in k.items) and k.width > 0
        sizes = merged(sizes, accesses, pure, k.accesses[id(k.items[0])][-1])
        names = [f"i{d}" if n > 1 else "0" for d, n in enumerate(sizes[:-1])]
        for x in k.items:
            if x.kind == "columns":
                self.line(f"for (intptr_t j = 0; j < {sizes[-1]}; j++)")
                start, _ = COLUMNS[x.text]
                out = self.element(k.accesses[id(x)][-1], ["0"] * len(names) + ["j"])
                self.line(f"    {out} = {start};")
        opened = [(name, n) for name, n in zip(names, sizes, strict=False) if n > 1]
        for name, n in opened:
            self.open(name, n)
        row: dict[int, str] = {}  # the variables of the row
        for along, items in k.segments:
            known = dict(row)
            looped = along and sizes[-1] > 1
            line = self.along(items, sizes[-1]) if looped else ""
            for x in items:
                self.item(k, x, [*names, "j" if looped else "0"], known)
            if looped:
                if line:
                    self.line(line)
                self.close()
            else:
                row.update(known)
        self.close(len(opened))

    def along(self, items: list[Item], n: int) -> str:
        """Open the loop along a row; the line that ends it."""
        line = ""
        if is_long(items) and n >= WIDE:
            # vectors of bytes are as long as four of floats, which then do not wait for another
            beside = self.name("beside")
            self.line(f"uint8_t *const {beside} = (uint8_t *)A->w + {self.size};")
            self.bytes = max(self.bytes, n)
            line = f"{beside}[j] = 0;"
        self.line("#pragma GCC ivdep")
        self.open("j", n)
        return line

    def item(self, k: Kernel, x: Item, names: list[str], known: dict[int, str]) -> None:
        *operands, out = k.accesses[id(x)]
        kind = type_of(x.out.dtype)
        where = self.element(out, names)
        if x.kind == "columns":
            value = self.operand(operands[0], x.dtype, names, known)
            text = COLUMNS[x.text][1].replace("{f}", ending(x.dtype)).format(where, value)
            self.line(f"{where} = {text};")
            return
        if x.kind == "rows":
            at = self.element(operands[0], [*names[:-1], "0"])
            text = f"{x.text.name}{ending(x.dtype)}(&{at}, {k.width})"
        else:
            text = self.expression(x, operands, names, known)
        name = self.name("v")
        local = "int" if x.out.dtype.kind == "b" else kind
        self.line(f"{local} {name} = {text};")
        if not x.partial:
            known[id(out.root)] = name
        if id(out.root) in self.stored or out.root.kind != "work":
            self.line(f"{where} = {name};")
        elif not x.partial:
            self.roots.pop(id(out.root), None)

    def expression(
        self, x: Item, operands: list[Any], names: list[str], known: dict[int, str]
    ) -> str:
        texts = []
        for i, operand in enumerate(operands):
            a = operand[0][0] if isinstance(operand, list) else operand
            own = x.text == CHOICE and i == 0 and isinstance(a, Access) and a.root.kind != "number"
            dtype = a.root.dtype if own else x.dtype
            texts.append(self.operand(operand, dtype, names, known))
        text = x.text.format(*texts)
        return f"({type_of(x.out.dtype)})({text})" if x.dtype != x.out.dtype else text

    def check(self, k: Kernel) -> None:
        """Of all elements at once."""
        (x,) = k.items
        (place,) = x.operands
        wrong = self.name("wrong")
        self.line(f"int {wrong} = 0;")
        names = self.loops(place.shape)
        at = self.index(place.offset, place.strides, names)
        self.line(f"{wrong} |= {x.text.format(f'{self.pointer(place.root)}[{at}]')};")
        self.close(sum(n != "0" for n in names))
        self.line(f"if (RARE({wrong})) return 1;")

    def loops(self, shape: tuple[int, ...]) -> list[str]:
        names = [f"i{d}" if n > 1 else "0" for d, n in enumerate(shape)]
        for name, n in zip(names, shape, strict=True):
            if n > 1:
                self.open(name, n)
        return names

    def scatter(self, k: Kernel) -> None:
        """In the order of the elements, as some may go to one place."""
        (x,) = k.items
        (value,) = x.operands
        names = self.loops(x.shape)
        base = x.out.base
        at = self.index(base.offset, base.over(x.shape), names)
        for place, stride in x.out.indices:
            i = self.index(place.offset, place.over(x.shape), names)
            at += f" + (intptr_t){self.pointer(place.root)}[{i}] * {stride}"
        if isinstance(value, Place):
            i = self.index(value.offset, value.over(x.shape), names)
            text = f"{self.pointer(value.root)}[{i}]"
        else:
            text = literal(value, x.out.dtype)
        self.line(f"{self.pointer(base.root)}[{at}] += {text};")
        self.close(sum(n != "0" for n in names))

    def place(self, k: Kernel) -> None:
        """Row by row."""
        (x,) = k.items
        (value,) = x.operands
        names = [*self.loops(value.shape[:-1]), "0"]
        at = self.element(Access(value, value.over(value.shape)), names)
        out = self.element(Access(x.out, x.out.over(value.shape[:-1])), names[:-1])
        by, n = value.strides[-1], value.shape[-1]
        self.line(f"{out} = {x.text}{ending(value.dtype)}(&{at}, {by}, {n});")
        self.close(sum(n != "0" for n in names))

    def through(self, accesses: list[Access], shape: tuple[int, ...], apart: bool) -> list[str]:
        """Open loops over a shape in its order; `apart` says that no element is met twice along the
        last axis. The names of the indices."""
        sizes = merged(list(shape or (1,)), accesses, False, accesses[0])
        names = self.loops(tuple(sizes[:-1]))
        if sizes[-1] > 1:
            if apart:
                self.line("#pragma GCC ivdep")
            self.open("j", sizes[-1])
        return [*names, "j" if sizes[-1] > 1 else "0"]

    def overlap(self, k: Kernel) -> None:
        """Window by window, one place of all windows after the other."""
        (x,) = k.items
        shape = x.shape
        accesses = [Access(p, p.over(shape)) for p in (x.out, x.operands[0])]
        names = self.through(accesses, shape, True)
        out, value = (self.element(a, names) for a in accesses)
        form = x.text if isinstance(x.text, str) else COLUMNS[x.text][1]
        self.line(f"{out} = {form.replace('{f}', ending(x.dtype)).format(out, value)};")
        self.close(sum(n != "0" for n in names))

    def pool(self, k: Kernel) -> None:
        """The first largest element of every window; the last place has those that no other has."""
        (x,) = k.items
        shape, kind = x.shape, type_of(x.out.dtype)
        gathers = x.text == "gather"
        operands = [*x.operands, x.out] if gathers else x.operands
        accesses = [Access(p, p.over(shape)) for p in operands]
        names = self.through(accesses, shape, x.text != "spread")
        top, *places, end = (self.element(a, names) for a in accesses)
        top_is, g, left = (self.name(letter) for letter in ("top", "g", "left"))
        self.line(f"{kind} {top_is} = {top}, {g} = {'0' if gathers else end};")
        self.line(f"int {left} = 1;")
        for i in range(0, len(places), 2):
            hit, (here, there) = self.name("hit"), places[i : i + 2]
            last = i == len(places) - 2
            self.line(f"int {hit} = {left}{'' if last else f' & ({here} == {top_is})'};")
            self.line(f"{g} += {there} * {hit};" if gathers else f"{there} += {g} * {hit};")
            self.line(f"{left} &= !{hit};")
        if gathers:
            self.line(f"{end} = {g};")
        self.close(sum(n != "0" for n in names))

    def product(self, k: Kernel) -> None:
        (x,) = k.items
        a, b = x.operands
        out, alpha, beta = x.out, *(x.text if isinstance(x.text, tuple) else (1, 0))
        letter = "s" if out.dtype.itemsize == 4 else "d"
        c, (n, m) = out.strides[-1], out.shape[-2:]
        if c != 1 and m > 1 and n > 1:  # out lies in columns, and (a @ b).T = b.T @ a.T
            a, b, out = (y.view(y.array.mT) for y in (b, a, out))
            n, m = m, n
        batch = self.loops(out.shape[:-2])
        texts = []
        for y in (a, b, out):
            at = self.index(y.offset, y.strides[:-2], batch)
            texts.append(f"{self.pointer(y.root)} + {at}")
        inner = a.shape[-1]
        (ta, la), (tb, lb) = laid(a), laid(b)
        al, be = (literal(float(v), out.dtype) for v in (alpha, beta))
        pa, pb, po = texts
        if m == 1:  # a matrix by a column
            order = f"{111 + ta}, {inner if ta else n}, {n if ta else inner}"
            ends = f"{pa}, {la}, {pb}, {b.strides[-2] or 1}, {be}, {po}, {out.strides[-2] or 1}"
            call = f"{letter}gemv(101, {order}, {al}, {ends})"
        elif n == 1:  # a row by a matrix
            order = f"{112 - tb}, {m if tb else inner}, {inner if tb else m}"
            ends = f"{pb}, {lb}, {pa}, {a.strides[-1] or 1}, {be}, {po}, {out.strides[-1] or 1}"
            call = f"{letter}gemv(101, {order}, {al}, {ends})"
        else:
            ends = f"{pa}, {la}, {pb}, {lb}, {be}, {po}, {max(out.strides[-2], m)}"
            call = f"{letter}gemm(101, {111 + ta}, {111 + tb}, {n}, {m}, {inner}, {al}, {ends})"
        self.line(f"{call};")
        self.close(sum(n != "0" for n in batch))

    def update(self, k: Kernel) -> None:
        """The step of an optimizer for one tensor: statements about p, g, its states s0, s1, ...
        and t0, t1, ..."""
        (x,) = k.items
        statements, names = x.text
        shape = x.out.shape or (1,)
        accesses = [Access(p, p.over(shape)) for p in x.operands]
        sizes = merged(list(shape), accesses, True, accesses[0])
        loops = self.loops(tuple(sizes[:-1]))
        if sizes[-1] > 1:
            self.line("#pragma GCC ivdep")
            self.open("j", sizes[-1])
        at = [*loops, "j" if sizes[-1] > 1 else "0"]
        kind = type_of(x.out.dtype)
        for a, name in zip(accesses, names, strict=True):
            self.line(f"{kind} {name} = {self.element(a, at)};")
        for text in statements:
            self.line(text)
        for a, name in zip(accesses, names, strict=True):
            if name != "g":
                self.line(f"{self.element(a, at)} = {name};")
        self.close((sizes[-1] > 1) + sum(n != "0" for n in loops))


def laid(x: Place) -> tuple[int, int]:
    """Whether BLAS takes a matrix as the transpose of what lies there, and the stride of its
    rows."""
    (r, c), (n, m) = x.strides[-2:], x.shape[-2:]
    if (c == 1 or m == 1) and (r >= m or n == 1):
        return 0, max(r, m)
    return 1, max(c, n)


def is_long(items: list[Item]) -> bool:
    """Whether many operations follow one another, none a function of a library."""
    return len(items) >= LONG and all(x.kind == "each" and "(" not in x.text for x in items)


def flat(accesses: list[Any]) -> Iterator[Access]:
    for a in accesses:
        if isinstance(a, Access):
            yield a
        elif isinstance(a, list):
            yield from (i for i, _ in a)


def merged(sizes: list[int], accesses: list[Access], whole: bool, first: Access) -> list[int]:
    """Fewer loops: axes that lie one after the other in every access become one, and where the
    order does not matter they run as the memory of `first` does. Changes the accesses."""
    last = [] if whole else [len(sizes) - 1]
    order = list(range(len(sizes) - len(last)))
    if whole:
        order.sort(key=lambda d: (-abs(first.strides[d]), d))
    order = [d for d in order if sizes[d] > 1] or order[-1:]
    groups: list[list[int]] = []
    for d in order:
        if groups and all(a.strides[groups[-1][-1]] == a.strides[d] * sizes[d] for a in accesses):
            groups[-1].append(d)
        else:
            groups.append([d])
    groups += [[d] for d in last]
    if whole and not groups:
        groups = [[0]]
    for a in accesses:
        a.strides = tuple([a.strides[g[-1]] for g in groups])
    return [prod(sizes[d] for d in g) for g in groups]


def assign(found: list[Kernel], roots: list[Root], kept: set[int]) -> tuple[set[int], int]:
    """Which values have to be in memory, and where: the roots that are stored, and the bytes of the
    workspace. What a kernel needs no more is free for the next."""
    users: dict[int, list[tuple[int, Item, bool]]] = {}
    for n, kernel in enumerate(found):
        for x in kernel.items:
            for p in x.reads():
                users.setdefault(id(p.root), []).append((n, x, True))
            if (w := x.writes()) is not None:
                users.setdefault(id(w.root), []).append((n, x, False))
    stored: set[int] = set()
    size = 0
    rooms: dict[int, int] = {}
    free: dict[int, list[int]] = {}
    ends: dict[int, list[Root]] = {}
    starts: dict[int, list[Root]] = {}
    for root in roots:
        uses = users.get(id(root), [])
        if not uses:
            continue
        first = uses[0][0]
        if needs_memory(found, root, uses, kept):
            stored.add(id(root))
            root.last = len(found) if id(root) in kept else max(n for n, *_ in uses)
            if root.kind == "work":
                starts.setdefault(first, []).append(root)
    for n in range(len(found)):
        for root in starts.get(n, ()):
            shape = root.like.shape[-1:] if root.row else root.like.shape
            room = -(-prod(shape) * root.dtype.itemsize // LINE) * LINE
            if free.get(room):
                root.offset = free[room].pop()
            else:
                root.offset = size
                size += room + LINE
            ends.setdefault(root.last, []).append(root)
            rooms[id(root)] = room
        for root in ends.get(n, ()):
            free.setdefault(rooms[id(root)], []).append(root.offset)
    return stored, size


def needs_memory(
    found: list[Kernel], root: Root, uses: list[tuple[int, Item, bool]], kept: set[int]
) -> bool:
    """Whether variables do not do; notes where one row at a time does."""
    if id(root) in kept or len({n for n, *_ in uses}) > 1:
        return True
    k = found[uses[0][0]]
    if k.kind != "fused" or id(root) not in k.made:
        return True
    access, maker = k.made[id(root)]
    if maker.kind == "columns" or maker.partial or sum(not read for *_, read in uses) > 1:
        return True
    at = k.at[id(maker)]
    looped = k.along[id(maker)] and k.width > 1
    readers = [x for _, x, read in uses if read]
    if any(x.kind == "rows" or (looped and k.at[id(x)] != at) for x in readers):
        root.row = looped and len(k.outer) > 0 and access.strides[-1] == 1
        return True
    return False
