"""The cases of the table: for every row, what to call it on and what should come out.

`CASES` is the list; `CASES_OF` groups it by row. A case is called like a row, on arrays, Tensors
or Symbols: `case(*inputs)`. Its inputs come from `case.arrays()`, float64 and the same each time;
inputs of another dtype (conditions, classes) have no gradient. `case.expected(*arrays)` is the
same value by another way of computing it, never the row's own forward.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any
from zlib import crc32

import numpy as np

from autograd_lite.engine import rules as F
from autograd_lite.engine.op import Op, table

Array = np.ndarray[Any, Any]
Factory = Callable[[np.random.Generator], list[Array]]


@dataclass(frozen=True)
class Case:
    """One way to call one row.

    `call` writes it as a user would (a negative axis, a 1-d matmul); without it the row is called
    with `kw`. `orders` is how many derivatives are compared with finite differences. `kinks` says
    that the row is not smooth everywhere: these inputs keep at least 0.05 away from its kinks.
    """

    row: str
    label: str
    factory: Factory
    kw: dict[str, Any]
    call: Callable[..., Any] | None = None
    orders: int = 2
    kinks: bool = False

    @property
    def op(self) -> Op:
        return table[self.row]

    @property
    def id(self) -> str:
        return f"{self.row}[{self.label}]"

    def arrays(self, dtype: Any = np.float64) -> list[Array]:
        """The inputs; floats in `dtype`."""
        arrays = self.factory(np.random.default_rng(crc32(self.id.encode())))
        return [a.astype(dtype) if a.dtype.kind == "f" and a.dtype != dtype else a for a in arrays]

    def __call__(self, *inputs: Any) -> Any:
        return self.call(*inputs) if self.call else self.op(*inputs, **self.kw)

    def expected(self, *arrays: Array) -> Array:
        return np.asarray(EXPECTED[self.row](*arrays, **self.kw))


CASES: list[Case] = []


def case(row: str, factory: Factory, label: str = "", **options: Any) -> None:
    """Add a case; keywords that are no field of `Case` are the row's metadata."""
    fields = {k: options.pop(k) for k in ("call", "orders", "kinks") if k in options}
    shapes = " ".join("x".join(map(str, a.shape)) or "0d" for a in factory(RNG))
    words = [shapes, *(f"{k}={v}" for k, v in options.items() if not label), label]
    CASES.append(Case(row, ", ".join(filter(None, words)), factory, options, **fields))


RNG = np.random.default_rng(0)

# ---- domains: factories of inputs ------------------------------------------------------------

Shape = tuple[int, ...]


def normal(*shapes: Shape) -> Factory:
    return lambda rng: [rng.standard_normal(s) for s in shapes]


def between(low: float, high: float, *shapes: Shape) -> Factory:
    return lambda rng: [rng.uniform(low, high, s) for s in shapes]


def positive(*shapes: Shape) -> Factory:
    return between(0.5, 2.0, *shapes)


def away(*kinks: float) -> Callable[..., Factory]:
    """Numbers on both sides of every kink, at least 0.1 from it."""

    def factory(*shapes: Shape) -> Factory:
        def draw(rng: np.random.Generator, shape: Shape) -> Array:
            x = rng.uniform(-2, 2, shape)
            for k in kinks:
                x = np.where(np.abs(x - k) < 0.1, np.where(x < k, k - 0.1, k + 0.1), x)
            return x

        return lambda rng: [draw(rng, s) for s in shapes]

    return factory


def apart(*shapes: Shape) -> Factory:
    """Numbers at least 0.15 from one another, over all arrays: no ties."""

    def factory(rng: np.random.Generator) -> list[Array]:
        lengths = [math.prod(s) for s in shapes]
        pool = rng.permutation(sum(lengths)) * 0.15 - 1
        parts = np.split(pool, np.cumsum(lengths)[:-1])
        return [p.reshape(s) for p, s in zip(parts, shapes, strict=True)]

    return factory


def join(*factories: Factory) -> Factory:
    """The inputs of several factories, one after another."""
    return lambda rng: [a for f in factories for a in f(rng)]


def fixed(*arrays: Any) -> Factory:
    return lambda rng: [np.array(a) for a in arrays]


def bools(*shapes: Shape) -> Factory:
    return lambda rng: [rng.random(s) < 0.5 for s in shapes]


def fortran(factory: Factory) -> Factory:
    """The same numbers with the last input laid out column by column, as a transposed weight."""
    return lambda rng: [*(a := factory(rng))[:-1], np.asfortranarray(a[-1])]


# ---- shapes ----------------------------------------------------------------------------------

ONE: list[Shape] = [(), (1,), (3,), (2, 3), (2, 1, 3), (0,), (2, 0, 3)]
BROADCAST: list[tuple[Shape, Shape]] = [
    ((), ()), ((3,), ()), ((1,), ()), ((3,), (3,)), ((2, 3), (2, 3)), ((2, 3), (3,)),
    ((2, 3), (1, 3)), ((2, 3), (2, 1)), ((2, 1), (1, 3)), ((4, 1, 3), (2, 1)), ((2, 3), (1, 1)),
    ((2, 1, 3), (1,)), ((0, 3), (1, 3)), ((0,), ()), ((2, 0), (1,)), ((0, 1), (3,)),
]  # fmt: skip
TWO = BROADCAST + [(b, a) for a, b in BROADCAST if a != b]

# ---- elementwise -----------------------------------------------------------------------------

Domain = Callable[..., Factory]
CURVES: dict[str, tuple[Domain, Callable[[float], float]]] = {  # the inputs, and the same by math
    "neg": (normal, lambda x: -x),
    "copy": (normal, lambda x: x),
    "exp": (normal, math.exp),
    "exp2": (normal, lambda x: 2.0**x),
    "expm1": (normal, math.expm1),
    "log": (positive, math.log),
    "log2": (positive, math.log2),
    "log10": (positive, math.log10),
    "log1p": (lambda *s: between(-0.5, 2.0, *s), math.log1p),
    "sqrt": (positive, math.sqrt),
    "rsqrt": (positive, lambda x: x**-0.5),
    "cbrt": (away(0), lambda x: math.copysign(abs(x) ** (1 / 3), x)),
    "sin": (normal, math.sin),
    "cos": (normal, math.cos),
    "tan": (lambda *s: between(-1.0, 1.0, *s), math.tan),
    "arcsin": (lambda *s: between(-0.8, 0.8, *s), math.asin),
    "arccos": (lambda *s: between(-0.8, 0.8, *s), math.acos),
    "arctan": (normal, math.atan),
    "sinh": (normal, math.sinh),
    "cosh": (normal, math.cosh),
    "tanh": (normal, math.tanh),
    "arcsinh": (normal, math.asinh),
    "arccosh": (lambda *s: between(1.5, 3.0, *s), math.acosh),
    "arctanh": (lambda *s: between(-0.8, 0.8, *s), math.atanh),
    "sinc": (away(0), lambda x: math.sin(math.pi * x) / (math.pi * x) if x else 1.0),
    "sigmoid": (normal, lambda x: (1 + math.tanh(x / 2)) / 2),
    "softplus": (normal, lambda x: math.log1p(math.exp(x))),
    "erf": (normal, math.erf),
}
for name, (domain, _) in CURVES.items():
    for shape in ONE:
        case(name, domain(shape), orders=3)
case("sinc", fixed([0.0, -0.0, 1.0]), "of zeros")
STEPS: dict[str, Callable[[float], float]] = {
    "sign": lambda x: math.copysign(1, x),
    "floor": math.floor,
    "ceil": math.ceil,
    "trunc": math.trunc,
}
for name in STEPS:
    for shape in ONE:
        case(name, away(-2, -1, 0, 1, 2)(shape), kinks=True)
case("round", away(-1.5, -0.5, 0.5, 1.5)((2, 3)), decimals=0, kinks=True)
case("round", away(-1.5, -0.5, 0.5, 1.5)((4,)), decimals=-1, kinks=True)
for name in ("abs", "relu"):
    for shape in ONE:
        case(name, away(0)(shape), kinks=True, orders=3)
for shape in ONE:
    case("leaky_relu", away(0)(shape), slope=0.1, kinks=True)
    case("elu", away(0)(shape), alpha=1.5, kinks=True, orders=3)
    case("clip", away(-0.5, 0.7)(shape), low=-0.5, high=0.7, kinks=True)
    case("hardtanh", away(-0.5, 0.7)(shape), low=-0.5, high=0.7, kinks=True)
    case("cast", normal(shape), dtype=np.dtype("float64"))
    for p in (0, 1, 2, 3):
        case("power", away(0)(shape), p=p, orders=3)
    for p in (-1, -2.0, 0.5, 2.5):
        case("power", positive(shape), p=p, orders=3)
case("nan_to_num", normal((2, 3)), nan=0.0, posinf=None, neginf=None)
case("clip", away(0.7)((4,)), low=-math.inf, high=0.7, kinks=True)
case("clip", away(-0.5)((4,)), low=-0.5, high=math.inf, kinks=True)
case("power", away(0)((4,)), "negative base", p=-3, orders=3)

case("constant", normal((2, 3), (2, 3)))
case("constant", normal((), ()))

Both = Callable[[Shape, Shape], Factory]
PAIRS: dict[str, tuple[Both, Callable[[float, float], float]]] = {
    "add": (normal, lambda a, b: a + b),
    "sub": (normal, lambda a, b: a - b),
    "mul": (normal, lambda a, b: a * b),
    "div": (lambda a, b: join(normal(a), away(0)(b)), lambda a, b: a / b),
    "pow": (positive, math.pow),
    "logaddexp": (normal, lambda a, b: _logsumexp([a, b])),
    "arctan2": (lambda a, b: join(away(0)(a), positive(b)), math.atan2),
    "hypot": (lambda a, b: join(normal(a), away(0)(b)), math.hypot),
}
JUMPS: dict[str, tuple[Both, Callable[[float, float], float]]] = {  # with kinks or jumps
    "maximum": (apart, max),
    "minimum": (apart, min),
    # a / b is between 2.3 and 2.7, up to the sign: away from where the quotient jumps
    "fmod": (lambda a, b: join(between(2.3, 2.7, a), fixed(np.full(b, -1.0))), math.fmod),
    "remainder": (
        lambda a, b: join(between(2.3, 2.7, a), fixed(np.full(b, -1.0))),
        lambda a, b: a - b * math.floor(a / b),
    ),
}
for left, right in TWO:
    for name, (both, _) in PAIRS.items():
        case(name, both(left, right), orders=3)
    for name, (both, _) in JUMPS.items():
        case(name, both(left, right), kinks=True)
    case("where", join(bools(left), normal(left, right)), orders=3)
    if left != right:
        case("where", join(bools(right), normal(left, right)), orders=3)
case("pow", fixed([0.5, 2.0, 1.5], [0.0, 1.0, 2.0]), "of 0, 1 and 2", orders=3)
case("where", join(bools((2, 1, 1)), normal((3, 1), (4,))), "the condition is larger")
case("where", join(bools((4, 2, 3)), normal((), (2, 1))), "the condition is larger")

# ---- reductions ------------------------------------------------------------------------------

AXES: list[tuple[Shape, Any]] = [
    ((), None), ((1,), None), ((4,), None), ((4,), 0), ((2, 3), None), ((2, 3), 0), ((2, 3), 1),
    ((3, 3), 0), ((3, 3), 1), ((2, 3), (0, 1)), ((2, 3, 4), (0, 2)), ((2, 3, 4), (2, 0)),
    ((2, 3, 4), 1), ((2, 1, 3), 1), ((0, 3), 1), ((2, 0, 3), 2),
]  # fmt: skip
NEGATIVE: list[tuple[Shape, Any, Any]] = [
    ((3, 3), -1, 1), ((2, 3), -2, 0), ((2, 3, 4), (-1, 0), (2, 0)), ((2, 3, 4), (-2,), (1,)),
]  # fmt: skip
REDUCTIONS: dict[str, Callable[..., Factory]] = {
    "sum": normal, "mean": normal, "max": apart, "min": apart, "norm": away(0), "logsumexp": normal,
}  # fmt: skip
for name, domain in REDUCTIONS.items():
    kinks = name in ("max", "min")
    for shape, axis in AXES:
        for keepdims in (False, True):
            case(name, domain(shape), axis=axis, keepdims=keepdims, kinks=kinks, orders=3)
    function = getattr(F, {"max": "amax", "min": "amin"}.get(name, name))
    for shape, negative, axis in NEGATIVE:
        for keepdims in (False, True):
            case(
                name,
                domain(shape),
                f"axis={negative} keepdims={keepdims}",
                axis=axis,
                keepdims=keepdims,
                call=lambda x, f=function, a=negative, k=keepdims: f(x, axis=a, keepdims=k),
                kinks=kinks,
            )
for name in ("sum", "norm"):
    case(name, normal((0,)), axis=None, keepdims=False)
    case(name, normal((2, 0)), axis=1, keepdims=True)
    case(name, normal((2, 0)), axis=(0, 1), keepdims=False)
for name in ("var", "std"):
    for shape, axis in AXES:
        n = math.prod(
            shape[i]
            for i in ([axis] if isinstance(axis, int) else axis or range(9))
            if i < len(shape)
        )
        for correction in (0, 1, 2):
            if n - correction > 0 and not (name == "std" and n == 1):
                for keepdims in (False, True)[: 1 + (correction == 1)]:
                    kw = {"axis": axis, "keepdims": keepdims, "correction": correction}
                    case(name, normal(shape), **kw, orders=3)
    function = getattr(F, name)
    for shape, negative, axis in NEGATIVE:
        case(
            name,
            normal(shape),
            f"axis={negative}",
            axis=axis,
            keepdims=False,
            correction=1,
            call=lambda x, f=function, a=negative: f(x, axis=a),
        )
ALONG: list[tuple[Shape, int]] = [
    ((1,), 0), ((4,), 0), ((2, 3), 0), ((2, 3), 1), ((3, 3), 0), ((2, 1, 3), 1), ((2, 3, 4), 1),
    ((0, 3), 1), ((2, 0), 1), ((0,), 0),
]  # fmt: skip
for name in ("softmax", "log_softmax", "cumsum", "logcumsumexp"):
    function = getattr(F, name)
    for shape, axis in ALONG:
        case(name, normal(shape), axis=axis, orders=3)
    for axis in (0, 1, 2):
        case(
            name,
            normal((2, 3, 4)),
            f"axis={axis - 3}",
            axis=axis,
            call=lambda x, f=function, a=axis: f(x, a - 3),
        )
LAST: list[Shape] = [(1,), (4,), (2, 3), (2, 1), (2, 1, 3), (2, 2, 2), (0, 3), (2, 0), (0,)]
ZEROS: list[Any] = [
    [0.0, 2.0, 3.0], [2.0, 0.0, -3.0, 0.5], [0.0, 2.0, 0.0], [0.0, 0.0, 0.0], [0.0],
    [[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]],
]  # fmt: skip
for name in ("prod", "prod_others"):
    for shape in LAST:
        case(name, away(0)(shape), orders=3)
    for values in ZEROS:
        case(name, fixed(values), f"of {values}", orders=3)

# ---- linear algebra --------------------------------------------------------------------------

MATRICES: list[tuple[Shape, Shape]] = [
    ((2, 3), (3, 4)), ((3, 3), (3, 3)), ((1, 1), (1, 1)), ((1, 3), (3, 1)), ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4)), ((1, 2, 3), (5, 3, 4)), ((5, 1, 2, 3), (4, 3, 2)),
    ((2, 1, 2, 3), (1, 4, 3, 2)), ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((2, 3), (3, 0)),
    ((0, 2, 3), (3, 4)), ((0, 2, 3), (1, 3, 4)),
]  # fmt: skip
for left, right in MATRICES:
    case("matmul", normal(left, right), orders=3)
    case("matmul", fortran(normal(left, right)), "columns first")
VECTORS: list[tuple[Shape, Shape]] = [
    ((3,), (3,)), ((3,), (3, 4)), ((2, 3), (3,)), ((3,), (5, 3, 4)), ((5, 2, 3), (3,)),
    ((0,), (0,)), ((0,), (0, 2)), ((2, 0), (0,)), ((1,), (1,)),
]  # fmt: skip
for left, right in VECTORS:
    case("matmul", normal(left, right), call=F.matmul, orders=3)
EINSUM: list[tuple[str, list[Shape]]] = [
    ("ij,jk->ik", [(2, 3), (3, 4)]), ("ij->ji", [(2, 3)]), ("ii->i", [(3, 3)]), ("ii->", [(3, 3)]),
    ("iij->j", [(3, 3, 2)]), ("iii->i", [(2, 2, 2)]), ("ij->", [(2, 3)]), ("ij->i", [(2, 3)]),
    ("i,i->", [(3,), (3,)]), ("i,j->ij", [(2,), (3,)]), ("i,j->", [(2,), (3,)]),
    ("ij,k->i", [(2, 3), (4,)]), ("bij,bjk->bik", [(2, 2, 3), (2, 3, 2)]), ("ij,ij->", [(2, 3), (2, 3)]),
    ("i,ij,j->", [(2,), (2, 3), (3,)]), ("ii,ij->j", [(2, 2), (2, 3)]), ("ij,ij,ij->ij", [(2, 3)] * 3),
    ("ij,jk->ik", [(0, 3), (3, 2)]), ("ij,jk->ik", [(2, 0), (0, 2)]), (",i->i", [(), (3,)]), ("->", [()]),
]  # fmt: skip
for spec, shapes in EINSUM:
    case("einsum", normal(*shapes), spec=spec, orders=3)
WRITTEN: list[tuple[str, str, list[Shape]]] = [
    ("ij,jk", "ij,jk->ik", [(2, 3), (3, 4)]), ("ba", "ba->ab", [(2, 3)]), ("ii", "ii->", [(3, 3)]),
    ("...i,...i->...", "abi,bi->ab", [(2, 3, 4), (3, 4)]), ("...ij->...ji", "abij->abji", [(2, 1, 2, 3)]),
    ("i...,ij->...j", "iab,ij->abj", [(2, 3, 1), (2, 3)]), ("...,...", "ab,b->ab", [(2, 3), (3,)]),
    ("i...->...", "iab->ab", [(2, 3, 4)]), (" i j , j -> i ", "ij,j->i", [(2, 3), (3,)]),
    ("...ii->...i", "aii->ai", [(2, 3, 3)]),
]  # fmt: skip
for written, spec, shapes in WRITTEN:
    case(
        "einsum", normal(*shapes), written, spec=spec, call=lambda *xs, s=written: F.einsum(s, *xs)
    )

# ---- shape, order and choice -----------------------------------------------------------------

for shape, other in [
    ((2, 3), (3, 2)),
    ((2, 3), (6,)),
    ((), (1, 1)),
    ((1,), ()),
    ((4,), (2, 1, 2)),
    ((0, 3), (3, 0)),
]:
    case("reshape", normal(shape), shape=other)
case("reshape", normal((2, 6)), "-1", shape=(3, 4), call=lambda x: F.reshape(x, 3, -1))
for axes in itertools.permutations(range(3)):
    case("permute", normal((2, 3, 4)), axes=axes)
case("permute", normal(()), axes=())
case("permute", normal((0, 3)), axes=(1, 0))
case(
    "permute", normal((2, 3, 4)), "negative", axes=(2, 0, 1), call=lambda x: F.permute(x, -1, 0, -2)
)
for shape in [(2, 3), (4, 2, 3), (1, 1), (0, 3), (2, 1, 0, 3)]:
    case("mT", normal(shape))
for shape, axis in [
    ((3,), (0,)),
    ((2, 3), (0,)),
    ((2, 3), (1,)),
    ((2, 3), (0, 1)),
    ((2, 1, 3), (0, 2)),
    ((0, 3), (0,)),
]:
    case("flip", normal(shape), axis=axis)
case("flip", normal((2, 3)), "negative", axis=(1,), call=lambda x: F.flip(x, -1))
for shape, other in [
    ((), (3,)), ((), ()), ((1,), (4,)), ((3,), (2, 3)), ((2, 1), (2, 3)), ((1, 3), (2, 3)), ((2, 1, 3), (4, 2, 5, 3)),
    ((1,), (0,)), ((0, 1), (0, 3)), ((1, 1), (2, 3)), ((2, 3), (2, 3)),
]:  # fmt: skip
    case("expand", normal(shape), shape=other)

INDICES: list[tuple[str, Shape, Any]] = [
    ("an int", (4,), 1), ("a negative int", (4, 3), -1), ("a slice", (5,), slice(1, 4)),
    ("a step", (5, 2), slice(None, None, 2)), ("a negative step", (5,), slice(None, None, -2)),
    ("a part backwards", (5, 2), slice(4, 1, -1)), ("two ints", (2, 3), (1, 2)),
    ("int and slice", (2, 3), (slice(None), 1)), ("None", (3,), None), ("None inside", (2, 3), (slice(None), None, 1)),
    ("Ellipsis", (2, 3, 4), (..., 1)), ("only Ellipsis", (2, 3), ...), ("0-d", (), ()), ("0-d None", (), None),
    ("all ints", (2, 3, 4), (0, ..., -1)), ("nothing", (4,), slice(2, 2)), ("of an empty axis", (0, 3), slice(None)),
    ("integers", (4,), np.array([0, 2])), ("repeats", (4,), np.array([1, 1, 3, 1])),
    ("negative repeats", (4, 2), np.array([-1, 3, -1])), ("2-d integers", (4,), np.array([[0, 0], [3, 0]])),
    ("pairs", (3, 3), (np.array([0, 1, 0]), np.array([2, 1, 2]))), ("outer", (3, 4), (np.array([[0], [0]]), np.array([1, 1, 3]))),
    ("integers and slice", (3, 4), (np.array([0, 0]), slice(1, 3))), ("slice and integers", (3, 4), (slice(None, None, -1), np.array([2, 2]))),
    ("integers apart", (2, 3, 4), (np.array([0, 1]), slice(None), np.array([1, 1]))), ("integers and None", (3, 2), (np.array([0, 0]), None)),
    ("int and integers", (2, 3), (1, np.array([0, 0, 2]))), ("integers and Ellipsis", (2, 3, 4), (..., np.array([0, 0]))),
    ("no integers", (4, 2), np.array([], int)), ("0-d integer", (4, 2), np.array(2)), ("unsigned", (4,), np.array([1, 1], np.uint8)),
    ("a mask", (4,), np.array([True, False, True, True])), ("a 2-d mask", (2, 3), np.array([[True, False, True], [False, True, True]])),
    ("a mask of rows", (3, 2), np.array([True, False, True])), ("slice and mask", (2, 3), (slice(None), np.array([True, False, True]))),
    ("mask and integers", (3, 4), (np.array([True, False, True]), np.array([1, 1]))), ("a false mask", (3, 2), np.array([False] * 3)),
    ("a 0-d mask", (3,), np.array(True)),
]  # fmt: skip
REPEATED = {"repeats", "negative repeats", "2-d integers", "pairs", "outer", "integers and slice",
          "slice and integers", "integers apart", "integers and None", "int and integers", "unsigned",
          "integers and Ellipsis", "mask and integers"}  # fmt: skip
for label, shape, index in INDICES:
    picked = np.zeros(shape)[index].shape
    case("getitem", normal(shape), label, index=index)
    case("scatter_add", normal(picked), label, shape=shape, index=index)
    if label in REPEATED:  # which of two values stays is undefined: no gradient for the value
        case("put", join(normal(shape), fixed(2)), label, index=index)
        continue
    case("put", normal(shape, ()), label, index=index)
    if picked != ():
        case("put", normal(shape, picked), label, index=index)
case("put", normal((2, 3), (1, 3)), "leading ones", index=0)
case("put", normal((2,), (1, 1, 2)), "leading ones", index=...)
case("put", normal((2, 3), (3,)), "a row for each", index=slice(None))
case("put", normal((2, 3), (2, 1)), "a column for each", index=...)
case("put", normal((3,), (1,)), "one for each", index=slice(None, 2))
for shape, classes, divisor in [
    ((3, 4), [1, 1, 3], 3),
    ((1, 1), [0], 1),
    ((4, 2), [1, 0, 1, 0], 1),
    ((0, 3), [], 1),
    ((2, 3), [0, 2], 2.5),
]:
    case("nll", join(normal(shape), fixed(np.array(classes, int))), n=divisor)
for shape, width in [
    ((3,), ((1, 2),)),
    ((2, 3), ((0, 1), (2, 0))),
    ((), ()),
    ((0, 2), ((1, 1), (0, 0))),
    ((2, 1, 3), ((1, 1),) * 3),
]:
    case("pad", normal(shape), width=width, value=0.5)
for shapes, axis in [
    ([(2,), (3,)], 0), ([(2, 3), (1, 3)], 0), ([(2, 3), (2, 1), (2, 2)], 1), ([(3,)], 0), ([(0,), (2,)], 0),
    ([(2, 0), (2, 3)], 1), ([(2, 1, 3), (2, 4, 3)], 1),
]:  # fmt: skip
    case("concatenate", normal(*shapes), axis=axis)
case(
    "concatenate", normal((2, 3), (2, 1)), "axis=-1", axis=1, call=lambda *xs: F.concatenate(xs, -1)
)
for shapes, axis in [
    ([()], 0),
    ([(), ()], 0),
    ([(3,)] * 2, 0),
    ([(3,)] * 3, 1),
    ([(2, 3)] * 2, 1),
    ([(2, 3)] * 2, 2),
    ([(0, 2)] * 2, 1),
]:
    case("stack", normal(*shapes), axis=axis)
case("stack", normal((2, 3), (2, 3)), "axis=-1", axis=2, call=lambda *xs: F.stack(xs, -1))

# ---- matrices ----------------------------------------------------------------------------------


def regular(*shapes: Shape) -> Factory:
    """Matrices that are far from singular, of any shape."""
    return lambda rng: [rng.uniform(-0.5, 0.5, s) + 2 * np.eye(*s[-2:]) for s in shapes]


def graded(*shapes: Shape) -> Factory:
    """Matrices whose singular values, and eigenvalues of the symmetric part, are apart."""
    return lambda rng: [
        rng.uniform(-0.2, 0.2, s) + np.eye(*s[-2:]) * (1 + np.arange(s[-1])) for s in shapes
    ]


def symmetric(x: Any) -> Any:
    return (x + x.mT) / 2


def exponential(x: Any) -> Any:
    """The exponential of the symmetric part, by its eigenvalues; their signs do not matter."""
    y = F.ops.eigh(symmetric(x))
    v = y[..., 1:, :]
    return (v * np.exp(y[..., :1, :])) @ v.mT


def squashed(x: Any) -> Any:
    """A matrix with the logarithms of 1 + its singular values in place of these."""
    m, y = x.shape[-2], F.ops.svd(x)
    return (y[..., :m, :] * np.log1p(y[..., m : m + 1, :])) @ y[..., m + 1 :, :].mT


SQUARE: list[Shape] = [(1, 1), (2, 2), (2, 3, 3), (2, 1, 2, 2)]
for shape in SQUARE:
    for name in ("inv", "det", "cofactor", "logabsdet"):
        case(name, regular(shape))
    case("cholesky", regular(shape), "x xT", call=lambda x: F.ops.cholesky(x @ x.mT))
    case("eigh", graded(shape), "exponential", call=exponential)
for shape in [*SQUARE, (3, 2), (2, 3, 1)]:
    case("qr", regular(shape), "squares", call=lambda x: F.ops.qr(x) ** 2)
for shape in [*SQUARE, (3, 2), (2, 3)]:
    case("svd", graded(shape), "squashed", call=squashed)
    case("pinv", regular(shape), rcond=1e-12)
for shape, other in [((2, 2), (2, 1)), ((3, 3), (2, 3, 2)), ((2, 1, 2, 2), (3, 2, 2))]:
    case("solve", join(regular(shape), normal(other)))
for shape in [(1,), (3,), (2, 3)]:
    case("gaps", apart(shape))

# ---- the same values by another way ----------------------------------------------------------


def each(function: Callable[..., float], outputs: int = 1) -> Callable[..., Any]:
    """`function` of floats, element by element."""

    def apply(*arrays: Array) -> Array:
        rows = np.broadcast(*arrays) if len(arrays) > 1 else [(v,) for v in arrays[0].ravel()]
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
        return np.array([function(*map(float, r)) for r in rows], float).reshape(shape)

    return apply


def groups(function: Callable[..., Any]) -> Callable[..., Array]:
    """`function` of the list of numbers that each element of a reduction is made of."""

    def apply(x: Array, axis: Any, keepdims: bool = False, **kw: Any) -> Array:
        axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
        y = np.empty(shape)
        for place in np.ndindex(shape):
            block = x[tuple(slice(None) if i in axes else p for i, p in enumerate(place))]
            y[place] = function(block.ravel().tolist(), **kw)
        return y if keepdims else y.reshape([n for i, n in enumerate(x.shape) if i not in axes])

    return apply


def lines(function: Callable[[list[float]], list[float]]) -> Callable[..., Array]:
    """`function` of the list of numbers along an axis, giving as many."""

    def apply(x: Array, axis: int = -1) -> Array:
        y = np.empty(x.shape)
        moved, out = np.moveaxis(x, axis, -1), np.moveaxis(y, axis, -1)
        for place in np.ndindex(moved.shape[:-1]):
            out[place] = function(moved[place].tolist())
        return y

    return apply


def _variance(v: list[float], correction: int) -> float:
    m = math.fsum(v) / len(v)
    return math.fsum((t - m) ** 2 for t in v) / (len(v) - correction)


def _logsumexp(v: list[float]) -> float:
    return math.log(math.fsum(map(math.exp, v))) if v else -math.inf


def _flat(shape: Shape, index: Any) -> Array:
    """Which elements, counted in the flattened array, an index picks."""
    return np.arange(math.prod(shape)).reshape(shape)[index]


def _scattered(x: Array, shape: Shape, index: Any) -> Array:
    places = np.broadcast_to(_flat(shape, index), x.shape)
    y = np.bincount(places.ravel(), x.ravel(), math.prod(shape))
    return y.reshape(shape)


def _put(x: Array, v: Array, index: Any) -> Array:
    places = _flat(x.shape, index)
    y = x.ravel().copy()
    y[places.ravel()] = np.broadcast_to(
        v.reshape(v.shape[max(0, v.ndim - places.ndim) :]), places.shape
    ).ravel()
    return y.reshape(x.shape)


def _padded(x: Array, width: Any, value: float) -> Array:
    y = np.full([n + low + high for n, (low, high) in zip(x.shape, width, strict=True)], value)
    y[tuple(slice(low, low + n) for n, (low, _) in zip(x.shape, width, strict=True))] = x
    return y


def _matmul(a: Array, b: Array) -> Array:
    if b.ndim == 1:
        return (a * b).sum(-1)
    if a.ndim == 1:
        return (a[:, None] * b).sum(-2)
    return (a[..., :, :, None] * b[..., None, :, :]).sum(-2)


def _einsum(*arrays: Array, spec: str) -> Array:
    left, out = spec.split("->")
    size = {
        c: n
        for t, a in zip(left.split(","), arrays, strict=True)
        for c, n in zip(t, a.shape, strict=True)
    }
    y = np.zeros([size[c] for c in out])
    for numbers in itertools.product(*map(range, size.values())):
        at = dict(zip(size, numbers, strict=True))
        factors = [a[tuple(at[c] for c in t)] for t, a in zip(left.split(","), arrays, strict=True)]
        y[tuple(at[c] for c in out)] += math.prod(factors)
    return y


def _runs(values: list[float], combine: Callable[[float, float], float]) -> list[float]:
    return list(itertools.accumulate(values, combine))


def _by_minors(a: Array) -> Array:
    """The cofactors, each the determinant of what is left without its row and column."""
    n = a.shape[-1]
    y = np.empty(a.shape)
    for i, j in itertools.product(range(n), repeat=2):
        rest = np.delete(np.delete(a, i, -2), j, -1)
        y[..., i, j] = (-1) ** (i + j) * _det(rest)
    return y


def _det(a: Array) -> Any:
    n = a.shape[-1]
    total = np.zeros(a.shape[:-2])
    for p in itertools.permutations(range(n)):
        sign = np.linalg.det(np.eye(n)[list(p)]) if n else 1.0
        total = total + round(sign) * math.prod(a[..., i, k] for i, k in enumerate(p))
    return total


def _gram_schmidt(a: Array) -> Array:
    """The squares of an orthonormal basis of the columns, and below those of r."""
    q = np.zeros(a.shape)
    for j in range(a.shape[-1]):
        v = a[..., j].copy()
        for i in range(j):
            v -= (q[..., i] * a[..., j]).sum(-1, keepdims=True) * q[..., i]
        q[..., j] = v / np.sqrt((v * v).sum(-1, keepdims=True))
    r = np.triu(np.swapaxes(q, -1, -2) @ a)
    return np.concatenate([q, r], -2) ** 2


def _taylor(x: Array) -> Array:
    x = symmetric(x)
    term = total = np.broadcast_to(np.eye(x.shape[-1]), x.shape)
    for k in range(1, 80):
        term = term @ x / k
        total = total + term
    return total


def _squashed(x: Array) -> Array:
    w, v = np.linalg.eigh(x.mT @ x)
    s = np.sqrt(np.maximum(w, 1e-300))
    slope = np.where(w > 1e-9, np.log1p(s) / s, 0)
    return x @ (v * slope[..., None, :]) @ v.mT


def _pinv(a: Array, rcond: float) -> Array:
    if a.shape[-2] < a.shape[-1]:
        return a.mT @ np.linalg.inv(a @ a.mT)
    return np.linalg.inv(a.mT @ a) @ a.mT


def _lower(x: Array) -> Array:
    """The Cholesky factor of x @ x.mT, entry by entry."""
    a = x @ x.mT
    y = np.zeros(a.shape)
    for i, j in itertools.product(range(a.shape[-1]), repeat=2):
        rest = a[..., i, j] - (y[..., i, :j] * y[..., j, :j]).sum(-1)
        if j < i:
            y[..., i, j] = rest / y[..., j, j]
        elif i == j:
            y[..., i, i] = np.sqrt(rest)
    return y


def _places(shape: Shape, size: Shape, stride: Shape = (), dilation: Shape = ()) -> Shape:
    steps = zip(shape, size, stride or (1,) * 9, dilation or (1,) * 9)  # noqa: B905
    return tuple((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in steps)


def _read(
    x: Array, size: Shape, stride: Shape = (), dilation: Shape = ()
) -> Iterator[tuple[Shape, Shape, Shape]]:
    """Every window, every place in it, and the element of x that is there."""
    d = len(size)
    for window in np.ndindex(*_places(x.shape[-d:], size, stride, dilation)):
        for place in np.ndindex(*size):
            along = zip(window, place, stride or (1,) * d, dilation or (1,) * d, strict=True)
            yield window, place, tuple(s * i + t * k for i, k, s, t in along)


def _windows(x: Array, size: Shape, **kw: Any) -> Array:
    d = len(size)
    y = np.zeros((*x.shape[:-d], *size, *_places(x.shape[-d:], size, **kw)), x.dtype)
    for window, place, at in _read(x, size, **kw):
        y[(..., *place, *window)] = x[(..., *at)]
    return y


def _overlap_add(x: Array, shape: Shape, **kw: Any) -> Array:
    d = len(shape)
    y = np.zeros((*x.shape[: -2 * d], *shape), x.dtype)
    for window, place, at in _read(y, x.shape[-2 * d : -d], **kw):
        y[(..., *at)] += x[(..., *place, *window)]
    return y


def _conv(x: Array, w: Array, b: Any = 0.0, groups: int = 1, **kw: Any) -> Array:
    size = w.shape[2:]
    y = np.zeros((len(x), len(w), *_places(x.shape[2:], size, **kw)), x.dtype)
    for o in range(len(w)):
        first = o // (len(w) // groups) * w.shape[1]
        for window, place, at in _read(x, size, **kw):
            for c in range(w.shape[1]):
                y[(slice(None), o, *window)] += x[(slice(None), first + c, *at)] * w[(o, c, *place)]
    return y + np.reshape(b, (-1,) + (1,) * len(size))


def _conv_input(g: Array, w: Array, shape: Shape, groups: int = 1, **kw: Any) -> Array:
    y = np.zeros((len(g), w.shape[1] * groups, *shape), g.dtype)
    for o in range(len(w)):
        first = o // (len(w) // groups) * w.shape[1]
        for window, place, at in _read(y, w.shape[2:], **kw):
            for c in range(w.shape[1]):
                y[(slice(None), first + c, *at)] += g[(slice(None), o, *window)] * w[(o, c, *place)]
    return y


def _conv_weight(x: Array, g: Array, size: Shape, groups: int = 1, **kw: Any) -> Array:
    y = np.zeros((g.shape[1], x.shape[1] // groups, *size), x.dtype)
    for o in range(len(y)):
        first = o // (len(y) // groups) * y.shape[1]
        for window, place, at in _read(x, size, **kw):
            for c in range(y.shape[1]):
                both = x[(slice(None), first + c, *at)] * g[(slice(None), o, *window)]
                y[(o, c, *place)] += both.sum()
    return y


def _over(x: Array, size: Shape) -> tuple[int, ...]:
    return tuple(range(x.ndim - 2 * len(size), x.ndim - len(size)))


def _window_sum(x: Array, size: Shape, **kw: Any) -> Array:
    y = _windows(x, size, **kw)
    return y.sum(axis=_over(y, size))


def _window_spread(g: Array, shape: Shape, size: Shape, **kw: Any) -> Array:
    d = len(size)
    wide = g.reshape(*g.shape[:-d], *(1,) * d, *g.shape[-d:])
    return _overlap_add(wide * np.ones((*size, *(1,) * d), g.dtype), shape, **kw)


def _max_pool(x: Array, size: Shape, **kw: Any) -> Array:
    y = _windows(x, size, **kw)
    return y.max(axis=_over(y, size))


def _hits(x: Array, top: Array, size: Shape, **kw: Any) -> Array:
    d = len(size)
    return _windows(x, size, **kw) == top.reshape(*top.shape[:-d], *(1,) * d, *top.shape[-d:])


def _pool_spread(g: Array, x: Array, *_: Array, size: Shape, **kw: Any) -> Array:
    d, top = len(size), _max_pool(x, size, **kw)
    wide = g.reshape(*g.shape[:-d], *(1,) * d, *g.shape[-d:])
    return _overlap_add(wide * _hits(x, top, size, **kw), x.shape[-d:], **kw)


def _pool_gather(g: Array, x: Array, *_: Array, size: Shape, **kw: Any) -> Array:
    y = _windows(g, size, **kw) * _hits(x, _max_pool(x, size, **kw), size, **kw)
    return y.sum(axis=_over(y, size))


EXPECTED: dict[str, Callable[..., Any]] = {
    "inv": lambda a: _by_minors(a).mT / _det(a)[..., None, None],
    "solve": lambda a, b: (_by_minors(a).mT / _det(a)[..., None, None]) @ b,
    "det": _det,
    "cofactor": _by_minors,
    "logabsdet": lambda a: np.log(np.abs(_det(a))),
    "cholesky": _lower,
    "qr": _gram_schmidt,
    "eigh": _taylor,
    "svd": _squashed,
    "pinv": _pinv,
    "gaps": lambda x: np.where(
        np.eye(x.shape[-1]), 0, 1 / (x[..., None, :] - x[..., None] + np.eye(x.shape[-1]))
    ),
    **{name: each(truth) for name, (_, truth) in (CURVES | PAIRS | JUMPS).items()},
    **{name: each(truth) for name, truth in STEPS.items()},  # type: ignore[operator]
    "round": lambda x, decimals: each(lambda v: round(v, decimals))(x),
    "constant": lambda a, x: each(lambda v: v)(a),
    "power": lambda x, p: each(lambda v: math.pow(v, p))(x),
    "abs": each(math.fabs),
    "relu": each(lambda x: max(x, 0.0)),
    "leaky_relu": lambda x, slope: each(lambda v: max(v, 0.0) + slope * min(v, 0.0))(x),
    "elu": lambda x, alpha: each(lambda v: v if v > 0 else alpha * math.expm1(v))(x),
    "clip": lambda x, low, high: each(lambda v: sorted((low, v, high))[1])(x),
    "hardtanh": lambda x, low, high: each(lambda v: sorted((low, v, high))[1])(x),
    "where": each(lambda c, a, b: a if c else b),
    "sum": groups(math.fsum),
    "mean": groups(lambda v: math.fsum(v) / len(v)),
    "max": groups(max),
    "min": groups(min),
    "var": groups(_variance),
    "std": groups(lambda v, correction: math.sqrt(_variance(v, correction))),
    "norm": groups(lambda v: math.hypot(*v)),
    "logsumexp": groups(_logsumexp),
    "softmax": lines(lambda v: [math.exp(t - _logsumexp(v)) for t in v]),
    "log_softmax": lines(lambda v: [t - _logsumexp(v) for t in v]),
    "cumsum": lines(lambda v: list(itertools.accumulate(v))),
    "logcumsumexp": lines(lambda v: [_logsumexp(v[: i + 1]) for i in range(len(v))]),
    "nan_to_num": lambda x, **kw: each(lambda v: v)(x),
    "prod": lambda x: groups(math.prod)(x, axis=x.ndim - 1),
    "prod_others": lines(lambda v: [math.prod(v[:i] + v[i + 1 :]) for i in range(len(v))]),
    "matmul": _matmul,
    "einsum": _einsum,
    "reshape": lambda x, shape: np.array(x.ravel().tolist()).reshape(shape),
    "permute": lambda x, axes: np.moveaxis(x, axes, range(x.ndim)),
    "mT": lambda x: np.swapaxes(x, -1, -2),
    "flip": lambda x, axis: reduce(lambda y, i: y.take(range(y.shape[i])[::-1], i), axis, x),
    "expand": np.broadcast_to,
    "cast": lambda x, dtype: each(lambda v: v)(x),
    "getitem": lambda x, index: x.ravel().take(_flat(x.shape, index)),
    "scatter_add": _scattered,
    "put": _put,
    "nll": lambda x, t, n: -(x * (np.arange(x.shape[1]) == t[:, None] % x.shape[1])).sum() / n,
    "pad": _padded,
    "concatenate": lambda *xs, axis: np.moveaxis(
        np.array([r for x in xs for r in np.moveaxis(x, axis, 0)]), 0, axis
    ),
    "stack": lambda *xs, axis: np.moveaxis(np.array(xs), 0, axis),
    "conv": _conv,
    "conv_input": _conv_input,
    "conv_weight": _conv_weight,
    "windows": _windows,
    "overlap_add": _overlap_add,
    "window_sum": _window_sum,
    "window_spread": _window_spread,
    "max_pool": _max_pool,
    "pool_spread": _pool_spread,
    "pool_gather": _pool_gather,
}  # fmt: skip


# ---- windows -----------------------------------------------------------------------------------

CONVOLUTIONS: list[tuple[Shape, Shape, dict[str, Any]]] = [
    ((2, 2, 4, 5), (3, 2, 2, 3), {}),
    ((2, 4, 6, 5), (6, 2, 3, 2), {"stride": (2, 1), "dilation": (1, 2), "groups": 2}),
    ((1, 2, 7), (1, 2, 3), {"stride": (3,)}), ((2, 1, 3, 3, 4), (2, 1, 2, 1, 2), {"stride": (1, 2, 2)}),
    ((0, 2, 3, 3), (2, 2, 2, 2), {}), ((2, 1, 1, 1), (1, 1, 1, 1), {}), ((2, 3, 4, 4), (3, 1, 3, 3), {"groups": 3}),
]  # fmt: skip


for x_shape, w_shape, kw in CONVOLUTIONS:
    along = {k: v for k, v in kw.items() if k != "groups"}
    out = (x_shape[0], w_shape[0], *_places(x_shape[2:], w_shape[2:], **along))
    case("conv", normal(x_shape, w_shape, w_shape[:1]), **kw)
    case("conv", normal(x_shape, w_shape), **kw)
    case("conv_input", normal(out, w_shape), shape=x_shape[2:], **kw)
    case("conv_weight", normal(x_shape, out), size=w_shape[2:], **kw)

for name in ("pool_spread", "pool_gather"):  # windows of one element, which is their largest
    case(name, lambda rng: [*normal((2, 3))(rng), *2 * apart((2, 3))(rng)], size=(1,))

WINDOWS: list[tuple[Shape, Shape, dict[str, Any]]] = [
    ((2, 3, 4, 5), (2, 3), {}), ((3, 7), (3,), {"stride": (2,)}), ((2, 6, 5), (2, 2), {"stride": (2, 1), "dilation": (3, 2)}),
    ((5,), (2,), {"stride": (3,)}), ((1, 4, 4), (1, 1), {}), ((0, 4), (2,), {}), ((2, 3, 3, 3), (2, 2, 2), {"stride": (1, 1, 1)}),
]  # fmt: skip
for x_shape, size, kw in WINDOWS:
    d = len(size)
    out = (*x_shape[:-d], *_places(x_shape[-d:], size, **kw))
    case("windows", normal(x_shape), size=size, **kw)
    case("overlap_add", normal((*x_shape[:-d], *size, *out[-d:])), shape=x_shape[-d:], **kw)
    case("window_sum", normal(x_shape), size=size, **kw)
    case("window_spread", normal(out), shape=x_shape[-d:], size=size, **kw)
    case("max_pool", apart(x_shape), size=size, kinks=True, **kw)

    def through(name: str, size: Shape = size, kw: dict[str, Any] = kw) -> Callable[..., Any]:
        """A row that gets the output of a pooling too."""
        return lambda g, x: table[name](
            g, x, table["max_pool"](x, size=size, **kw), size=size, **kw
        )

    both = {"pool_spread": out, "pool_gather": x_shape}
    for name, shape in both.items():
        factory = join(normal(shape), apart(x_shape))
        case(name, factory, size=size, call=through(name), **kw)

CASES_OF: dict[str, list[Case]] = {}
for one in CASES:
    CASES_OF.setdefault(one.row, []).append(one)
