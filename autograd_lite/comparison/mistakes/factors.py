"""Factors that have a name: of the batch, of the outputs, of means, of squares, and of a sign."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np

from ...engine.rules import ops
from ...engine.tensor import Tensor
from ...program.chain import Tape
from .places import is_weight
from .table import CONSTANTS, Wording

NamedFactor = tuple[float, tuple[str, str]]  # a factor, its slug and sentence


def named_factors(tape: Tape, means: bool = True) -> dict[float, list[Wording]]:
    """Every factor that has a name, alone or as a product of few, with its names.

    `means` says whether the counts that the means of the tape are taken over have one too.
    """
    groups: dict[str, list[NamedFactor]] = {"": [], "2": [], "n": []}
    n, outputs = batch_and_outputs(tape)
    if not is_averaged(tape, n, outputs):  # of one sample, as far as can be seen
        n, outputs = 1, ()
    for kind, value, name in constants(n, outputs):
        groups[kind].append((value, name))
    known = {value for value, _ in groups["n"]}
    more = [*mean_counts(tape), *steps(tape), *sizes(tape), *uses(tape)] if means else []
    groups["n"] += [pair for pair in more if pair[0] not in known]
    taken = {value for kind in groups.values() for value, _ in kind}
    groups["tape"] = [pair for pair in written(tape) if pair[0] not in taken]
    singles = [(v, (name,)) for kind in groups.values() for v, name in kind]
    pairs = [
        (u * v, (one, two))
        for a, b in (("", "2"), ("", "n"))  # a sign and a number, never two numbers
        for u, one in groups[a]
        for v, two in groups[b]
        if u
    ]
    found: dict[float, list[Wording]] = {1.0: [()]}
    for value, names in [*singles, *pairs]:
        held = found.setdefault(value, [])
        if not held or len(held[0]) == len(names):
            held.append(names)
    return found


def written(tape: Tape) -> Iterator[NamedFactor]:
    """The numbers that a program multiplies and divides by, and their squares: left out, or used
    once too often."""
    numbers = {
        float(np.asarray(a)): t.op is ops.div and i == 1
        for t in tape.nodes
        if t.op in (ops.mul, ops.div)
        for i, (a, p) in enumerate(zip(t.args, tape.inputs[t], strict=True))
        if p is None and np.size(a) == 1
    }
    for c, divides in numbers.items():
        if abs(c) in (0, 0.5, 1, 2) or not np.isfinite(c):
            continue
        for k, square in ((1, ""), (2, " ** 2")):
            said = f"{rooted(c)}{square}"
            left, twice = (
                f"the factor {said} is left out",
                f"the factor {said} is used once too often",
            )
            if divides:
                left, twice = f"not divided by {said}", f"divided by {said} once too often"
            value = (1 / c if divides else c) ** k
            yield 1 / value, ("factor-missing", left)
            yield value, ("factor-twice", twice)


def rooted(c: float) -> str:
    """A number as people write it: that of a size in attention is its root.

    >>> rooted(1.7320508), rooted(4.0), rooted(0.125)
    ('sqrt(3)', '4', '0.125')
    """
    square = round(c * c)
    root = square > 1 and math.isclose(math.sqrt(square), c, rel_tol=1e-7) and c != round(c)
    return f"sqrt({square})" if root else f"{c:.4g}"


def is_averaged(tape: Tape, n: int, outputs: tuple[int, ...]) -> bool:
    """Whether there are samples and outputs: products, a mean, or a division by their number."""
    counts = {n, *(n * k for k in outputs)}
    factors = {*counts, *(1 / c for c in counts if c)}
    made = [t for t in tape.nodes if t.op is not None]
    return any(
        t.op is ops.mean
        or t.op.kind in ("product", "loss", "along")
        or (t.op in (ops.div, ops.mul) and any(is_one_of(a, factors) for a in t.args))
        for t in made
    )


def is_one_of(a: object, numbers: set[float]) -> bool:
    return isinstance(a, int | float | np.number) and float(a) in numbers


def constants(n: int, ks: tuple[int, ...]) -> Iterator[tuple[str, float, tuple[str, str]]]:
    """The factors of the table, for a batch of `n` and each number of outputs that it may have."""
    for row in CONSTANTS:
        for k in filter(None, ks if "k" in row.of else (1,)):  # an axis may be empty
            known = {"n": n, "k": k}
            value = float(row.factor(*(known[x] for x in row.of)))
            kind = "n" if row.of else "2" if value in (2, 0.5) else ""
            if value != 1:
                yield kind, value, (row.slug, row.sentence.format(**known, nk=n * k))


def mean_counts(tape: Tape) -> Iterator[NamedFactor]:
    """The factors of the means of a tape that are taken over more than one element."""
    nodes = [t for t in tape.nodes if t.op is ops.mean]
    for count in sorted({t.args[0].size // max(t.array.size, 1) for t in nodes}):
        if count > 1:
            yield count, ("mean-missing", f"not divided by the {count} elements of a mean")
            words = f"divided once too often by the {count} elements of a mean"
            yield 1 / count, ("mean-twice", words)


def sizes(tape: Tape) -> Iterator[NamedFactor]:
    """The factors of a mean over another axis of the data than the batch."""
    n, _ = batch_and_outputs(tape)
    if n < 2:
        return
    shapes = {np.shape(a) for t in tape.nodes for a in t.args or () if np.ndim(a) == 2}
    for k in sorted({k for shape in shapes if n in shape for k in shape} - {1, n}):
        yield n / k, ("mean-count", f"divided by {k}, the size of another axis, not by {n}")


def steps(tape: Tape) -> Iterator[NamedFactor]:
    """The factors of a loss that is a sum of several terms, such as those of steps in time."""
    t, n = tape.nodes[-1], 1
    while t.op in (ops.add, ops.sub) and all(np.size(a) == 1 for a in t.args):
        p = tape.inputs[t][0]
        if p is None or p.op is None:
            break
        t, n = p, n + 1
    if n > 2:
        yield n, ("mean-missing", f"{n} times too large: the loss has {n} terms")
        yield 1 / n, ("mean-twice", f"divided by {n}, the terms of the loss, which is their sum")


def uses(tape: Tape) -> Iterator[NamedFactor]:
    """The factors of how often a parameter is used, as in each step of time."""
    inputs = Counter(p for t in tape.nodes for p in tape.inputs[t] if p is not None)
    for n in sorted({n for p, n in inputs.items() if p.op is None and n > 2}):
        yield 1 / n, ("mean-twice", f"divided by {n}, the number of its uses, as of steps in time")


def made_from_data(tape: Tape) -> dict[Tensor, None]:
    """What was computed from arrays that need no gradient, or picked by an array of indices, the
    oldest first."""
    found: dict[Tensor, None] = {}
    for node, inputs in tape.inputs.items():
        if node.op is None:
            continue
        given = [node.kw.get("index"), *node.args]
        own = [
            isinstance(given[0], np.ndarray),
            *(p is None or not p.requires_grad for p in inputs),
        ]
        data = any(np.size(a) > 1 for a, mine in zip(given, own, strict=True) if mine)
        if data or any(p in found for p in inputs):
            found[node] = None
    return found


def penalties_of(tape: Tape) -> set[Tensor]:
    """What is added to a loss and made of parameters alone."""
    fed = made_from_data(tape)
    added = [t for t in fed if t.op is ops.add and t.array.size == 1]
    stack = [p for t in added for p in tape.inputs[t] if p is not None and p not in fed]
    found: set[Tensor] = set()
    while stack:
        p = stack.pop()
        if p.op is not None and p not in found:
            found.add(p)
            stack += [q for q in tape.inputs[p] if q is not None]
    plain = [t for t in tape.nodes if t not in found and not any(t is a for a in added)]
    return found - {p for t in plain for p in tape.inputs[t] if p is not None}


def shapes_of(tensors: list[Tensor], ndim: int) -> list[tuple[int, ...]]:
    return [t.shape for t in tensors if t.ndim == ndim]


def batch_and_outputs(tape: Tape) -> tuple[int, tuple[int, ...]]:
    """The batch size, and what may be the number of outputs: the axis that most matrices made from
    data share, and the other axes of the two nearest to the loss."""
    fed = [*reversed(made_from_data(tape))]
    others = [t for t in reversed(tape.nodes) if t.op is not None and not is_weight(t)]
    matrices = shapes_of(fed, 2) or shapes_of(others, 2)
    full = [shape for shape in matrices if 1 not in shape] or matrices
    shared = [(a, shape[a]) for a in (0, 1) for shape in full if shape[a] > 1]
    if not shared:
        return next((n for (n,) in shapes_of(fed, 1)), 1), ()

    def votes(axis: int, n: int) -> float:
        return [shape[axis] for shape in matrices].count(n) - axis / 2

    axis, n = max(shared, key=lambda pair: votes(*pair))
    return n, tuple(dict.fromkeys(shape[1 - axis] for shape in matrices))[:2]
