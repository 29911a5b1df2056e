"""The C back end of `compile`: one function of C from the same steps as the NumPy code.

`items` says where every value lies and what is done, `loops` prints it, `library` compiles and
keeps it; here is what Python does around it. Where a step has no form in C, the function is cut and
Python runs the step on views of the same memory.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from sys import getrefcount
from typing import Any

import numpy as np

from ...engine.rules import ops
from ...program.expr import NUMPY
from ..lower import Step, ask, is_draw
from ..step import Descent, Differs, Unsuited
from . import images, library, ranks, sums  # all but the second add their forms
from .descent import statements
from .forms import PRELUDE, literal, type_of
from .guard import repeating, watching
from .items import COPY, SORT, Item, Items, NoForm, Place, Root
from .library import NoCompiler, address, compiler
from .loops import Kernel, Text, assign, kernels

__all__ = ["Native", "NoCompiler", "NoForm", "compiler", "images"]

RAISED = {"invalid": ("FE_INVALID", 1), "divide": ("FE_DIVBYZERO", 4), "over": ("FE_OVERFLOW", 8)}
LINE = 64
EFFORT = 10**6  # about the elements that take 0.1 ms, in which other threads of Python may run
PIECE = 16  # kernels in one function of C
SPARED = 2**16  # bytes of a gradient whose memory is used again when nobody has it
ALIGNED, WRITEABLE = 0x100, 0x400  # flags of arrays
# the fields of an array, and the flags that say that it is aligned
DECLARED = """
typedef struct {{ char head[{head}]; char *data; int nd; intptr_t *shape, *strides;
    void *base, *descr; int flags; }} array;
typedef {size} size;
extern void *PyEval_SaveThread(void);
extern void PyEval_RestoreThread(void *);
typedef void (*sgemm_t)(int, int, int, size, size, size, float, const float *, size, const float *,
    size, float, float *, size);
typedef void (*dgemm_t)(int, int, int, size, size, size, double, const double *, size,
    const double *, size, double, double *, size);
typedef void (*sgemv_t)(int, int, size, size, float, const float *, size, const float *, size,
    float, float *, size);
typedef void (*dgemv_t)(int, int, size, size, double, const double *, size, const double *, size,
    double, double *, size);
#ifdef __SSE2__
#define CLEAR __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() & ~0x3fu)
#define RAISED(generic, sse) (__builtin_ia32_stmxcsr() & (sse))
#else
#define CLEAR feclearexcept(FE_ALL_EXCEPT)
#define RAISED(generic, sse) fetestexcept(generic)
#endif
#define FENCE __asm__ volatile("" ::: "memory")
typedef struct {{ array *a[{arrays}]; double h[{numbers}]; char *w;
    sgemm_t sgemm; dgemm_t dgemm; sgemv_t sgemv; dgemv_t dgemv;
    const intptr_t *watch; int (*same)(const intptr_t *); void (*count)(const intptr_t *);
    const char *seen[]; }} args;
"""
# whether one of the first arrays shares memory with another
APART = """
static int shared(args *A) {{
    static const int at[] = {{{places}}};
    static const intptr_t extent[] = {{{extents}}};
    int moved = 0;
    for (int i = 0; i < {all}; i++) moved |= A->seen[i] != A->a[at[i]]->data;
    if (!moved) return 0;
    for (int i = 0; i < {targets}; i++)
        for (int k = 0; k < {all}; k++) {{
            const char *x = A->a[at[i]]->data, *y = A->a[at[k]]->data;
            if (k != i && x < y + extent[k] && y < x + extent[i]) return 1;
        }}
    for (int i = 0; i < {all}; i++) A->seen[i] = A->a[at[i]]->data;
    return 0;
}}
"""


class Native:
    """The code of one trace in C: `source`, and `make`, which gives a function `run`.

    `run` takes what that of the NumPy code takes, and gives the same; Unsuited where arrays lie
    otherwise in memory than at the trace, share memory, or where NumPy would warn or raise. NoForm
    where there can be none; with `whole` also where Python would run a step of it.
    """

    def __init__(
        self,
        whole: bool,
        moving: list[int],
        steps: list[Step],
        results: list[Any],
        given: list[Step],
        numbers: int,
        updated: list[Any],
        descent: Descent | None,
        changed: list[tuple[Step, Any]],
        quiet: list[str],
    ) -> None:
        library.compiler()
        self.given, self.descent, self.quiet, self.moving = given, descent, quiet, moving
        self.blas = library.blas()
        self.items = Items(steps, given, numbers, self.blas is not None)
        if whole and any(op is not SORT for op in self.items.called):
            raise NoForm("a step has no form in C")
        self.names: dict[str, Any] = {}
        self.constants: dict[int, str] = {}
        self.held: dict[int, str] = {}
        self.arrays: dict[str, Root] = {}  # the arguments that are arrays, in order
        self.scalars: dict[str, str] = {}  # the C text of those that are numbers
        self.more: list[str] = []
        for x in (self.items.places[id(s)] for s in given):
            self.known(x.root)
        self.final: list[Item] = []
        self.results = self.finished(results, updated, changed)
        self.outs = [x.root for x in self.results if isinstance(x, Place) and x.root.kind == "out"]
        draws = [self.items.places[id(s)].root for s in given if is_draw(s)]
        main = kernels(self.items.items, draws)
        last = kernels(self.final, [])
        for k in [*main, *last]:
            if k.kind == "product" and self.blas is None:
                k.kind = "python"
        self.multiplies = any(k.kind == "product" for k in [*main, *last])
        kept = {id(x.root) for x in self.results if isinstance(x, Place)}
        self.stored, self.size = assign([*main, *last], self.items.roots, kept)
        self.bytes = 0  # behind the workspace
        self.write(main, last)
        self.size += self.bytes
        self.library = library.loaded(self.text)
        for root in (*self.items.roots, *self.arrays.values()):
            if root.kind != "kept":
                root.like = None  # the arrays of the trace
        for known in (self.items.places, self.items.known, self.items.items, self.final):
            known.clear()

    def known(self, root: Root) -> None:
        """Take an argument in."""
        if root.kind == "number":
            self.scalars[root.name] = f"A->h[{len(self.scalars)}]"
        else:
            self.arrays[root.name] = root

    # ---- what is handed out, and what is changed

    def finished(
        self, results: list[Any], updated: list[Any], changed: list[tuple[Step, Any]]
    ) -> list[Any]:
        """The places of the results; without those that are updates, which come last."""
        items = self.items
        places = [self.own(r, k > 0 and not updated) for k, r in enumerate(results)]
        for target, value in changed:
            to = items.places[id(target)]
            to.root.changed = True
            item = Item("each", to, [self.own(value, False)], COPY)
            item.partial = True
            self.final.append(item)
        if not updated:
            return places
        targets = [items.places[id(t)] for t in updated]
        for t in targets:
            t.root.changed = True
        before = len(self.final)
        if self.descent is not None:
            self.descend(targets, places[1:])
        else:
            roots = {id(t.root) for t in targets}
            for p, g in zip(targets, places[1:], strict=True):
                self.final.append(self.subtracted(p, g, places, roots))
        self.final = self.final[before:] + self.final[:before]
        return places[:1]

    def own(self, r: Any, handed_out: bool) -> Place:
        """A result in memory of the code; what is handed out is new at every call."""
        x = self.items.of(r)
        shared = handed_out and isinstance(x, Place) and (x.root.kind == "out" or x.root.viewed)
        if not isinstance(x, Place) or x.root.kind != "work" or shared:
            shape, dtype = (r.shape, r.dtype) if isinstance(r, Step) else ((), np.dtype(float))
            out = self.items.made(shape, dtype)
            self.items.items.append(Item("each", out, [x]))
            x = out
        if handed_out and x.shape:
            x.root.kind = "out"
        return x

    def subtracted(self, p: Place, g: Place, places: list[Place], targets: set[int]) -> Item:
        """p -= g. What is made for this alone is not kept: a product goes into p itself."""
        maker = self.made_for(g, places, targets)
        item = None
        if maker is not None and same(maker.out, g) and maker.out.shape == p.shape:
            item = self.into(p, maker)
        elif maker is not None and maker.out.array.ndim == 2:
            turned = maker.out.view(maker.out.array.mT)
            if same(turned, g) and turned.shape == p.shape:
                item = self.into(p.view(p.array.mT), maker)
        if item is None:
            item = Item("each", p, [p, g], "{0} - {1}")
        else:
            self.items.items.remove(maker)
        item.partial = True
        return item

    def made_for(self, g: Place, places: list[Place], targets: set[int]) -> Any:
        """The item that makes a gradient, if nothing else reads it, and it reads nothing that the
        updates change."""
        items = self.items.items
        makers = [x for x in items if (w := x.writes()) is not None and w.root is g.root]
        read = any(r.root is g.root for x in items for r in x.reads())
        if len(makers) > 1 or read or sum(x.root is g.root for x in places) > 1:
            return None
        reads = list(makers[0].reads())
        alive = all(r.root.kind == "work" or id(r.root) not in targets for r in reads)
        plain = all(isinstance(x, Place) for x in makers[0].operands)
        return makers[0] if alive and plain else None

    def into(self, p: Place, maker: Item) -> Item | None:
        """The item that subtracts what another makes; None where there is none."""
        if maker.kind == "product" and self.blas is not None and 1 in p.strides[-2:]:
            return Item("product", p, maker.operands, (-1, 1))
        if maker.kind == "each" and maker.dtype == maker.out.dtype == p.dtype:
            shift = [f"{{{i + 1}}}" for i in range(len(maker.operands))]
            text = f"{{0}} - ({maker.text.format(*shift)})"
            return Item("each", p, [p, *maker.operands], text)
        return None

    def descend(self, targets: list[Place], gradients: list[Place]) -> None:
        """The update rule of an optimizer, as its own lines say it."""
        d = self.descent
        assert d is not None
        for name in d.given:
            if name.startswith("state"):
                k = int(name[5:].partition("_")[0])
                like = np.empty_like(targets[k].array)
                self.arrays[name] = Root("argument", name, like)
            else:
                self.scalars[name] = f"A->h[{len(self.scalars)}]"
        self.more = list(d.given)
        for k, (p, g) in enumerate(zip(targets, gradients, strict=True)):
            calls = [c for c in d.calls if c[0] == k]
            named = sorted(
                {
                    str(x)
                    for _, _, words, out in calls
                    for x in (*words, out)
                    if re.fullmatch(r"s\d+", str(x))
                }
            )
            states = [self.arrays[f"state{k}_{name[1:]}"] for name in named]
            places = [p, g, *(Place(r, r.like) for r in states)]
            names = ["p", "g", *named]
            self.final.append(Item("update", p, places, (statements(calls, p.dtype, names), names)))

    # ---- C

    def write(self, main: list[Kernel], last: list[Kernel]) -> None:
        """The functions, cut where Python runs something, and the lines of Python around them."""
        self.lines: list[str] = []
        self.functions: list[str] = []
        self.views: dict[str, tuple[Any, ...]] = {}
        todo: list[Kernel] = []
        self.drawn = ""  # the draws that have happened
        self.spares: dict[str, tuple[Any, str]] = {}  # large arrays that are handed out
        for name in self.plain_arrays():
            self.lines.append(f"a[{list(self.arrays).index(name)}] = id({name})")
        for name, text in self.scalars.items():
            self.lines.append(f"h[{text[5:-1]}] = {name}")
        fresh: list[str] = []
        for x in self.results:
            if isinstance(x, Place) and x.root.kind == "out" and x.root.name not in self.arrays:
                self.arrays[x.root.name] = x.root
                like = x.root.like
                made = f"empty({like.shape}, {like.dtype.str!r})"
                if like.nbytes >= SPARED:
                    self.spares[f"new_{x.root.name}"] = like.shape, like.dtype.str
                    made = f"new_{x.root.name}()"
                fresh.append(f"{x.root.name} = {made}")
                fresh.append(f"a[{list(self.arrays).index(x.root.name)}] = id({x.root.name})")
        self.lines += fresh
        for k in main:
            if k.kind == "python":
                self.function(todo, [])
                todo = []
                self.python(k.items[0])
            else:
                todo.append(k)
        for k in last:
            if k.kind == "python":
                raise NoForm("an update without BLAS")
        self.function(todo, last)
        self.lines.append(f"return {', '.join(map(self.returned, self.results))},")
        size = self.blas.size if self.blas is not None else "int64_t"
        head = DECLARED.format(
            head=library.HEAD,
            size=size,
            arrays=max(1, len(self.arrays)),
            numbers=max(1, len(self.scalars)),
        )
        self.text = PRELUDE + head + "\n".join(self.functions)
        parts = [f"f{i}" for i in range(len(self.functions))]
        names = [
            "a",
            "h",
            "w",
            "at",
            "empty",
            "Differs",
            "Unsuited",
            *parts,
            *self.views,
            *self.names,
            *self.spares,
        ]
        arguments = [s.text for s in self.named()] + self.more
        glue = [
            f"def make({', '.join(names)}):",
            f"    def run({', '.join(arguments)}):",
            "        h[w + 5] = 0.0",  # no guards: Python has looked
            *(f"        {line}" for line in self.lines),
            *(f"    {line}" for line in self.shortly(fresh)),
            "    return run, again",
        ]
        self.glue = "\n".join(glue) + "\n"
        self.source = head + "\n".join(self.functions) + "\n/*\n" + self.glue + "*/\n"
        space: dict[str, Any] = {}
        exec(compile(self.glue, "<compiled>", "exec"), space)  # noqa: S102  text of this module
        self.factory: Callable[..., Any] = space["make"]

    def shortly(self, fresh: list[str]) -> list[str]:
        """A function of the arrays that a call gives, where all else is as it was at `run`; None,
        and nothing done, where that is not so. There is no such function of code that is cut."""
        if len(self.functions) != 1 or self.items.called or self.items.draws:
            return ["again = None"]
        names = [f"a{i}" for i in self.moving]
        counts = [self.scalars[name][5:-1] for name in self.counts()]
        return [
            f"def again({', '.join(names)}):",
            f"    if not a[{max(1, len(self.arrays)) + max(1, len(self.scalars)) + 5}]:",
            "        return None",
            *(f"    a[{list(self.arrays).index(name)}] = id({name})" for name in names),
            *(f"    {line}" for line in fresh),
            *(f"    h[{k}] += 1" for k in counts),
            "    if f0(at):",
            *(f"        h[{k}] -= 1" for k in counts),
            "        return None",
            f"    {self.lines[-1]}",
        ]

    def counts(self) -> list[str]:
        """The names of the numbers of steps."""
        buffers = self.descent.buffers if self.descent is not None else []
        return [f"count{i}" for i, names in enumerate(buffers) if names]

    def named(self) -> list[Step]:
        for i, s in enumerate(self.given):
            s.text = f"a{i}"
        return self.given

    def plain_arrays(self) -> list[str]:
        """The arguments that are arrays from the start: draws come later."""
        draws = {s.text for s in self.named() if is_draw(s)}
        return [name for name in self.arrays if name not in draws]

    def function(self, todo: list[Kernel], last: list[Kernel]) -> None:
        """One function of C; nothing where there is nothing to do."""
        if not todo and not last:
            return
        number, roots = len(self.functions), dict[int, Root]()
        pieces = self.pieces(f"part{number}_", todo, [], roots)
        numbers: list[str] = []
        if last and self.descent is not None:
            of_rule = [name for name in self.scalars if not re.fullmatch(r"a\d+", name)]
            numbers += [f"    const double {name} = {self.scalars[name]};" for name in of_rule]
            numbers += [f"    {line}" for line in self.descent.in_c]
        updates = self.pieces(f"part{number}_last", last, numbers, roots)
        apart = self.apart(last)
        words = [pair for word, pair in RAISED.items() if word not in self.quiet]
        generic, sse = " | ".join(w for w, _ in words) or "0", sum(n for _, n in words)
        work = [
            f"static int work{number}(const args *A) {{",
            "    int code;",
            "    FENCE; CLEAR; FENCE;",
        ]
        work += [f"    if (RARE(code = {name}(A))) return code;" for name in pieces]
        work.append(f"    FENCE; if (RARE(RAISED({generic}, {sse}))) return 2;")
        work += [f"    if (RARE(code = {name}(A))) return code;" for name in updates]
        work += ["    return 0;", "}"]
        alone = sum(map(effort, [*todo, *last])) > EFFORT and watching() is not None
        # one question alone: after many the compiler takes the rest for code that seldom runs
        lines = [*pieces.values(), *updates.values(), apart, *work]
        lines += [f"int part{number}(args *A) {{", "    int code, unsuited = 0;"]
        if number == 0:
            lines.append("    if (RARE(A->watch && !A->same(A->watch))) return 4;")
        for root in roots.values():
            lines += self.checks(root)
        lines += [
            *["    unsuited |= shared(A);"] * bool(apart),
            "    if (RARE(unsuited)) return 3;",
            *["    void *thread = PyEval_SaveThread();"] * alone,
            f"    code = work{number}(A);",
            *["    PyEval_RestoreThread(thread);"] * alone,
            *["    if (!code && A->watch) A->count(A->watch);"] * bool(last),
            "    return code;",
            "}",
        ]
        self.functions.append("\n".join(lines) + "\n")
        self.lines.append(f"code = f{number}(at)")
        self.lines.append("if code:")
        self.lines.append(f"    raise Differs if code == 1 else Unsuited({self.drawn})")

    def pieces(
        self, name: str, todo: list[Kernel], before: list[str], roots: dict[int, Root]
    ) -> dict[str, str]:
        """Functions of a few kernels each, by name, as compilers take longer than twice as long for
        twice as much; adds the roots that they use."""
        found: dict[str, str] = {}
        for start in range(0, len(todo), PIECE):
            text = Text(dict(self.scalars), self.stored, self.size)
            for k in todo[start : start + PIECE]:
                text.kernel(k)
            roots |= text.roots
            self.bytes = max(self.bytes, text.bytes)
            apart = "__attribute__((noinline)) " * (len(todo) > PIECE)
            piece = f"{name}{start // PIECE}"
            lines = [f"static {apart}int {piece}(const args *A) {{"]
            lines += map(self.pointer, text.roots.values())
            for f in ("sgemm", "dgemm", "sgemv", "dgemv"):
                lines.append(f"    const {f}_t {f} = A->{f}; (void){f};")
            found[piece] = "\n".join([*lines, *before, *text.lines, "    return 0;", "}"])
        return found

    def place(self, root: Root) -> str:
        """Where the array of a root is, in C."""
        if root.name not in self.arrays:
            self.arrays[root.name] = root
        return f"A->a[{list(self.arrays).index(root.name)}]"

    def pointer(self, root: Root) -> str:
        """The line that says where the elements of a root lie."""
        kind = type_of(root.dtype)
        start = f"A->w + {root.offset}" if root.kind == "work" else f"{self.place(root)}->data"
        return f"    {kind} *const {root.name} = ({kind} *)({start});"

    def checks(self, root: Root) -> list[str]:
        """An argument has to lie as it did."""
        found = []
        if root.kind == "argument":
            place = self.place(root)
            wanted = ALIGNED | (WRITEABLE if root.changed else 0)
            found.append(f"    unsuited |= ~{place}->flags & {wanted};")
            a = root.like
            for d, (n, s) in enumerate(zip(a.shape, a.strides, strict=True)):
                if n > 1:
                    found.append(f"    unsuited |= {place}->strides[{d}] != {s};")
        return found

    def apart(self, last: list[Kernel]) -> str:
        """A function that says whether a tensor that changes shares memory with what is read
        meanwhile, which it looks at again where an array lies elsewhere; "" where none changes."""
        items = [x for k in last for x in k.items]
        targets = {id(x.out.root): x.out.root for x in items}
        reads = {id(p.root): p.root for x in items for p in x.reads() if p.root.kind == "argument"}
        for root in (targets | reads).values():
            self.place(root)
        names = list(self.arrays)
        self.watched = [(names.index(r.name), extent(r)) for r in (targets | reads).values()]
        if not targets:
            return ""
        return APART.format(
            targets=len(targets),
            all=len(self.watched),
            places=", ".join(str(at) for at, _ in self.watched),
            extents=", ".join(str(bytes) for _, bytes in self.watched),
        )

    # ---- Python

    def python(self, x: Item) -> None:
        if x.kind == "product":
            a, b = (self.view(p) for p in x.operands)
            self.lines.append(f"{self.name(np.matmul)}({a}, {b}, {self.view(x.out)})")
        elif x.text == "draw":
            names = [s.text for s in self.named() if is_draw(s)]
            for name in names:
                i = list(self.arrays).index(name)
                self.lines += [f"{name} = {name}()", f"a[{i}] = id({name})"]
            self.drawn = ", ".join(names)
        elif x.step.op is ask:
            no = "not " * x.step.kw["answer"]
            question = self.name(x.step.kw["question"])
            self.lines.append(f"if {no}{question}({self.word_of(x.step.inputs[0])}):")
            self.lines.append("    raise Differs")
        else:
            self.call(x)

    def call(self, x: Item) -> None:
        s = x.step
        words = [self.word_of(i) for i in s.inputs]
        words += [f"{k}={self.word_of(v)}" for k, v in s.kw.items()]
        text = f"{self.name(s.op.forward)}({', '.join(words)})"
        if self.quiet:
            self.names["errstate"] = np.errstate
            quiet = ", ".join(f"{word}='ignore'" for word in self.quiet)
        if x.out is None:
            from ..emit import own

            self.held[id(s)] = f"v{len(self.held)}"
            text = f"{self.name(own if s.op in NUMPY.values() else np.array)}({text})"
            line = f"{self.held[id(s)]} = {text}"
        else:
            self.names["copyto"] = np.copyto
            line = f"copyto({self.view(x.out)}, {text})"
        self.lines += [f"with errstate({quiet}):", f"    {line}"] if self.quiet else [line]

    def name(self, value: Any) -> str:
        """A name of something that stays."""
        if id(value) not in self.constants:
            self.constants[id(value)] = f"k{len(self.constants)}"
            self.names[self.constants[id(value)]] = value
        return self.constants[id(value)]

    def word_of(self, x: Any) -> str:
        """An input or metadata of a call."""
        if isinstance(x, Step):
            if id(x) in self.held:
                return self.held[id(x)]
            place = self.items.places[id(x)]
            if isinstance(place, Place):
                return self.view(place)
            a = np.full(x.shape, place, x.dtype)
            a.flags.writeable = False
            return self.name(a)
        if isinstance(x, tuple):
            return f"({', '.join(map(self.word_of, x))}{',' * (len(x) == 1)})"
        if isinstance(x, list):
            return f"[{', '.join(map(self.word_of, x))}]"
        if x is None or x is ... or type(x) in (int, bool, str):
            return repr(x)
        return self.name(x)

    def view(self, p: Place) -> str:
        """The array of a place."""
        root = p.root
        if root.kind in ("argument", "number", "out"):
            if p.array is not root.like:
                raise NoForm("a view of an argument")
            return root.name
        if root.kind == "kept":
            return self.name(p.array)
        key = (root.offset + p.offset * p.dtype.itemsize, p.shape, p.array.strides, p.dtype.str)
        for name, known in self.views.items():
            if known == key:
                return name
        name = f"x{len(self.views)}"
        self.views[name] = key
        return name

    def returned(self, x: Any) -> str:
        if x.root.kind == "out":
            root = x.root
            if x.array.shape == root.like.shape and x.array.strides == root.like.strides:
                return str(root.name)
            if x.array.ndim == 2 and x.array.strides == root.like.strides[::-1]:
                return f"{root.name}.T"
            offset = x.offset * x.dtype.itemsize
            self.names["ndarray"] = np.ndarray
            text = f"{x.shape}, {x.dtype.str!r}, {root.name}, {offset}, {x.array.strides}"
            return f"ndarray({text})"
        return f"{self.view(x)}.copy()"

    def make(self) -> Any:
        """`run`, with memory of its own."""
        n, m = max(1, len(self.arrays)), max(1, len(self.scalars))
        words = np.zeros(n + m + 8 + len(self.watched), np.uint64)
        raw = np.empty(self.size + LINE, np.uint8)
        start = -raw.ctypes.data % LINE
        w = raw[start : start + self.size]
        words[n + m] = raw.ctypes.data + start
        for i, name in enumerate(self.arrays):
            if self.arrays[name].kind == "kept":
                words[i] = id(self.arrays[name].like)
        if self.blas is not None:
            b = (self.multiplies and library.products()) or self.blas
            at = [f[k] for f in (b.gemm, b.gemv) for k in "sd"]
            words[n + m + 1 : n + m + 5] = at
        functions_of_guards = watching()
        if functions_of_guards is not None:
            words[n + m + 6 : n + m + 8] = functions_of_guards
        views = {
            name: np.ndarray(shape, dtype, w, offset, strides)
            for name, (offset, shape, strides, dtype) in self.views.items()
        }
        functions = {}
        for i in range(len(self.functions)):
            f = functions[f"f{i}"] = getattr(self.library, f"part{i}")
            f.argtypes, f.restype = [ctypes.c_void_p], ctypes.c_int
        run, again = self.factory(
            a=words.data, h=words[n:].view(np.float64).data, w=m, at=words.ctypes.data,
            empty=np.empty, Differs=Differs, Unsuited=Unsuited, **functions, **views, **self.names,
            **{name: spare(*form) for name, form in self.spares.items()},
        )  # fmt: skip
        run.again = None if functions_of_guards is None else again
        run.words, run.place, run.start = words, n + m + 5, raw.ctypes.data + start
        return run

    def repeat(self, run: Any, rows: list[Any], batches: list[Any], order: Any) -> Any:
        """The losses of calls with batches of rows of arrays, in this order of the rows; of fewer
        where one is not for this code. `batches` are the arrays that a batch is put into."""
        loss = self.results[0]
        at = run.start + loss.root.offset + loss.offset * loss.array.itemsize
        counts = [self.number(run, name) for name in self.counts()]
        names = list(self.arrays)
        for i, a in zip(self.moving, batches, strict=True):
            run.words[names.index(f"a{i}")] = id(a)
        size = len(batches[0])
        losses = np.empty(len(order) // size)
        words = [len(losses), size, len(rows), len(counts), order.ctypes.data, at]
        words += [loss.array.itemsize, losses.ctypes.data]
        for x, a in zip(rows, batches, strict=True):
            words += [x.ctypes.data, a.nbytes // size, a.ctypes.data]
        job = np.array([*words, *counts], np.int64)
        done = repeating()(run.words.ctypes.data, address(self.library.part0), job.ctypes.data)
        return losses[:done]

    def number(self, run: Any, name: str) -> int:
        """The address of a number of an optimizer in the memory of a `run`."""
        n = max(1, len(self.arrays))
        return int(run.words.ctypes.data) + 8 * (n + int(self.scalars[name][5:-1]))


def spare(shape: tuple[int, ...], dtype: str) -> Callable[[], Any]:
    """A function that gives an array which nobody else has: one of two that were given before, or a
    new one, whose pages the system has to clear first."""
    pool = [np.empty(shape, dtype) for _ in range(2)]
    alone = getrefcount(pool[0])

    def new() -> Any:
        for i in (0, 1):
            if getrefcount(pool[i]) == alone:
                return pool[i]
        pool[0], pool[1] = pool[1], np.empty(shape, dtype)
        return pool[1]

    return new


def effort(k: Kernel) -> float:
    """About how many elements it computes; of products two multiplications count as one."""
    inner = k.items[0].operands[0].shape[-1] / 2 if k.kind == "product" else 1
    return sum(float(np.prod(x.shape)) * inner for x in k.items)


def same(a: Place, b: Place) -> bool:
    return (a.shape, a.strides, a.offset) == (b.shape, b.strides, b.offset)


def extent(root: Root) -> int:
    """The bytes from the first element to behind the last."""
    a = root.like
    return sum((n - 1) * s for n, s in zip(a.shape, a.strides, strict=True)) + a.itemsize
