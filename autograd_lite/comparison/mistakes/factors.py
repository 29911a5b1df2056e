"""Factors that have a name: of the batch, of the outputs, of means, of squares, and of a sign."""

from __future__ import annotations

import numpy as np

from ...engine.tensor import Tensor
from .places import is_weight
from .table import CONSTANTS, Names


def named_factors(n: int, ks: tuple[int, ...], means: list[int]) -> dict[float, list[Names]]:
    """Every factor that has a name, alone or as a product of few, with its names.

    `means` are how many elements the means of the tape are taken over.
    """
    groups: dict[str, list[tuple[float, tuple[str, str]]]] = {"": [], "2": [], "n": []}
    for row in CONSTANTS:
        for k in ks if "k" in row.of else (1,):
            known = {"n": n, "k": k}
            value = float(row.factor(*(known[x] for x in row.of)))
            kind = "n" if row.of else "2" if value in (2, 0.5) else ""
            if value != 1:
                groups[kind].append((value, (row.slug, row.sentence.format(**known, nk=n * k))))
    for count in means:
        for slug, value, words in (
            ("mean-missing", count, "not divided by"),
            ("mean-twice", 1 / count, "divided once too often by"),
        ):
            if count > 1 and all(v != value for v, _ in groups["n"]):
                groups["n"].append((value, (slug, f"{words} the {count} elements of a mean")))
    singles = [(v, (name,)) for kind in groups.values() for v, name in kind]
    pairs = [
        (u * v, (one, two))
        for a, b in (("", "2"), ("", "n"), ("2", "n"))
        for u, one in groups[a]
        for v, two in groups[b]
        if u
    ]
    found: dict[float, list[Names]] = {1.0: [()]}
    for value, names in [*singles, *pairs]:
        held = found.setdefault(value, [])
        if not held or len(held[0]) == len(names):
            held.append(names)
    return found


def sizes(nodes: list[Tensor]) -> tuple[int, tuple[int, ...]]:
    """The batch size, and what may be the number of outputs: the axis that most matrices made from
    data share, and the other axes of the two nearest to the loss."""
    fed: set[Tensor] = set()  # by data
    for node in reversed(nodes):
        if node.op is None:
            continue
        constants = [
            a
            for p, a in zip(node.parents, node.args, strict=True)
            if p is None or not p.requires_grad
        ]
        index = node.kw.get("index")
        if any(
            np.size(a) > 1 for a in [*constants, index if isinstance(index, np.ndarray) else 0]
        ) or any(p in fed for p in node.parents if p is not None):
            fed.add(node)
    tables = [t for t in nodes if t in fed and t.ndim == 2] or [
        t for t in nodes if t.op is not None and t.ndim == 2 and not is_weight(t)
    ]
    full = [t for t in tables if 1 not in t.shape] or tables
    shared = [(a, t.shape[a]) for a in (0, 1) for t in full if t.shape[a] > 1]
    if not shared:
        rows = [t.shape[0] for t in nodes if t in fed and t.ndim == 1]
        return (rows[0] if rows else 1), ()
    axis, n = max(
        shared, key=lambda pair: sum(t.shape[pair[0]] == pair[1] for t in tables) - pair[0] / 2
    )
    return n, tuple(dict.fromkeys(t.shape[1 - axis] for t in tables))[:2]
