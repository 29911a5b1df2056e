"""What the inputs of a function may be, where they are not given: shapes, found by trying."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from ...engine.tape import Array
from .execution import HIDDEN, IN, OUT, N, Shape, raised
from .slopes import own_stream

# What an input may be, the most typical first.
DATA: list[Shape] = [
    (N, IN), (IN, N), (IN, HIDDEN), (HIDDEN, IN), (HIDDEN, N), (IN,), (N,), (), (N, IN, HIDDEN),
    (N, IN, HIDDEN, OUT),
]  # fmt: skip
WEIGHTS: list[Shape] = [
    (IN, HIDDEN), (HIDDEN, IN), (HIDDEN, OUT), (OUT, HIDDEN), (IN,), (HIDDEN,),
]  # fmt: skip
BIASES: list[Shape] = [
    (HIDDEN,), (IN,), (OUT,), (1, HIDDEN), (HIDDEN, 1), (1, OUT), (OUT, 1), (1, IN), (),
]  # fmt: skip
LABELS = ("y", "t", "target", "targets", "label", "labels", "y_true", "classes")
BOXES = re.compile("param|conf|cfg|opt|dict|hyper|settings|mode")  # names of what is no array
# What random numbers are drawn from, in turn: logarithms and roots, and artanh, take no others.
DOMAINS: list[Callable[[np.random.Generator, Shape], Array]] = [
    lambda rng, shape: rng.standard_normal(shape),
    lambda rng, shape: rng.uniform(0.5, 2.0, shape),
    lambda rng, shape: rng.uniform(-0.9, 0.9, shape),
]
Failure = tuple[Exception, dict[str, Array]]  # and the inputs that it was raised for


def in_order(choices: Sequence[Sequence[Any]]) -> Iterator[list[Any]]:
    """The products of some choices, by the sum of their ranks, made one by one."""
    start = (0,) * len(choices)
    todo: list[tuple[int, tuple[int, ...]]] = [(0, start)]
    while todo:
        total, ranks = heappop(todo)
        yield [c[i] for c, i in zip(choices, ranks, strict=True)]
        last = max((k for k, i in enumerate(ranks) if i), default=0)
        for k in range(last, len(ranks)):  # each product from one other alone
            if ranks[k] + 1 < len(choices[k]):
                heappush(todo, (total + 1, (*ranks[:k], ranks[k] + 1, *ranks[k + 1 :])))


def drawn(given: Mapping[str, Any]) -> Iterator[dict[str, Array]]:
    """Arrays for shapes, from each domain in turn; those given as they are."""
    for domain in DOMAINS:
        rng = own_stream("inputs")
        yield {n: domain(rng, v) if isinstance(v, tuple) else v for n, v in given.items()}
        if not any(isinstance(v, tuple) for v in given.values()):
            return


def choices_for(given: Mapping[str, Any]) -> list[list[Any]]:
    """For every name what its array may be, as it is given: that one, or shapes."""
    shapes = [v if isinstance(v, tuple) else v.shape for v in given.values() if v is not None]
    sizes = sorted({n for shape in shapes for n in shape})
    names = list(given)
    return [typical(name, names, sizes) if v is None else [v] for name, v in given.items()]


def typical(name: str, names: Sequence[str], sizes: Sequence[int]) -> list[Any]:
    """The shapes that an input of this name may have, the most likely first: those that go with
    the sizes of the inputs given, then the usual ones; or the labels of classes."""
    weights = [n for n in names if n[0] in "wW"]
    if name in weights:
        return [shape for n in sizes for shape in ((n, HIDDEN), (HIDDEN, n))] + WEIGHTS
    if name in ("bias", "gamma", "beta", "scale", "shift") or (weights and name[0] in "bB"):
        return [(n,) for n in sizes] + BIASES
    found = [shape for n in sizes for shape in ((N, n), (n, IN))] + DATA
    return [*found, np.arange(N) % IN] if name.strip("_") in LABELS else found


def unfit(choices: Sequence[Sequence[Any]], failure: Failure | None) -> str:
    """Why no inputs were found, and what to give."""
    comma = "," * (len(choices) == 1)
    if failure is None:
        example = ", ".join(f"np.full({c[0]}, 0.1)" for c in choices if isinstance(c[0], tuple))
        told = f", as in inputs=({example}{comma})" if example else ""
        return (
            "the forward gives infinities or NaN for all inputs that were tried, normal, from 0.5 "
            f"to 2 and from -0.9 to 0.9; give arrays that it is made for{told}"
        )
    error, arrays = failure
    example = ", ".join(str(a.shape) for a in arrays.values())
    box = next(filter(BOXES.search, arrays), None)
    other = f". What is no array goes in by name, as in inputs={{'{box}': {{...}}}}" if box else ""
    return (
        "the forward runs with no shapes that were tried. With "
        f"{', '.join(f'{name} {a.shape}' for name, a in arrays.items())} it {raised(error)}. Mend "
        f"that, or give other shapes, in the form inputs=({example}{comma}){other}"
    )
