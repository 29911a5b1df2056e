"""All rows of a Jacobian in one pass over the tape: gradients with a first axis more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import modes
from ..engine.modes import mode, no_grad
from ..engine.op import ops, table
from ..engine.tape import Array, tape
from ..engine.versions import check_versions
from .chain import Edge, Tape, reverse, rules_of

__all__ = ["jacobian_rows"]

AT_ONCE = 2**22  # numbers in the largest gradient with all its rows: 32 MB of float64


def jacobian_rows(y: Any, xs: Sequence[Any], wanted: set[Any]) -> list[Array] | None:
    """The Jacobian of `y` by each of `xs`, shape (y.numel(), *x.shape), through the `wanted`.

    None where somebody sees the gradients of single rows: hooks, retained gradients, a watcher.
    """
    nodes = tape(y)
    if (modes.watchers and mode.watcher is not None) or any(
        t.extra is not None and (t.extra.hooks or t.extra.retain) for t in nodes
    ):
        return None
    read = Tape(nodes=nodes)
    read.edges = {t: [e for e in edges if e.p in wanted] for t, edges in read.edges.items()}
    n = y.array.size
    found = [np.zeros((n, *x.shape), x.dtype) for x in xs]
    step = max(1, AT_ONCE // max(t.array.size for t in nodes))
    with no_grad():
        for start in range(0, n, step):
            rows = min(step, n - start)
            seed = np.eye(rows, n, start, y.dtype).reshape(rows, *y.shape)
            for t, g in reverse(read, seed, sender(read)):
                for x, whole in zip(xs, found, strict=True):
                    if t is x:
                        whole[start : start + rows] = g
    return found


def sender(read: Tape) -> Callable[[Edge, Array], Array]:
    """What sends gradients with a first axis along an edge, for `reverse`."""
    stacked: dict[Any, dict[int, Array]] = {}

    def send(edge: Edge, g: Array) -> Array:
        node = edge.node
        check_versions(node)
        if broadcasts(node):
            found = edge.rule(g, node.array, *node.args, **node.kw)
        else:
            if node not in stacked:
                stacked[node] = row_by_row(node, read.edges[node], g)
            found = stacked[node].pop(edge.i)
        return unbroadcast_rows(found, edge.p.array)

    return send


def broadcasts(node: Any) -> bool:
    """Whether the rules of a node take a first axis more, and give it back: those of elementwise
    rows, of products of matrices, and of fused operations that have rules of their own."""
    op = node.op
    if op in (ops.matmul, ops.mT):
        return all(a.ndim >= 2 for a in node.args)
    if hasattr(op, "made_of"):
        return isinstance(op.rules, tuple)
    return op.elementwise and table.get(op.name) is op


def row_by_row(node: Any, edges: Sequence[Edge], g: Array) -> dict[int, Array]:
    """The gradients of the inputs of a node, of one row after the other."""
    rows: list[list[Array]] = []
    for one in g:
        rules = dict(enumerate(zip(rules_of(node.op), node.args)))  # noqa: B905  (`each` has no end)
        rows.append([rules[e.i][0](one, node.array, *node.args, **node.kw) for e in edges])
    return {e.i: np.stack(column) for e, column in zip(edges, zip(*rows, strict=True), strict=True)}


def unbroadcast_rows(g: Array, like: Array) -> Array:
    """`unbroadcast` of every row."""
    extra = g.ndim - 1 - like.ndim
    if extra > 0:
        g = np.add.reduce(g, tuple(range(1, extra + 1)))
    axes = tuple([i + 1 for i, n in enumerate(like.shape) if n == 1 != g.shape[i + 1]])
    if axes:
        g = np.add.reduce(g, axes, keepdims=True)
    return g if g.dtype == like.dtype else g.astype(like.dtype)
