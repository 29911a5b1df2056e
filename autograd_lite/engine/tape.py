"""The tape of a result: what it was computed from, in recorded order; and pulling gradients back.

A recorded Tensor is its own record: it keeps its operation, its parents, the arrays its rule may
need and a serial number. Inputs always have smaller numbers than results, so one heap of serial
numbers walks the record newest first, and every reader of the tape goes through `walk`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from typing import Any

import numpy as np

from .versions import check_output, check_version, released_is_error

Array = np.ndarray[Any, Any]


def before(tensor: Any, serial: int) -> Any:
    """The record that `tensor` had when number `serial` was given out.

    An in-place operation puts a new record in front of the one before.
    """
    while tensor.serial > serial:
        tensor = tensor.extra.previous
    return tensor


def walk(*roots: Any, released: Any = None, unfold: bool = False) -> Iterator[Any]:
    """Everything that the roots were computed from, newest first, each once.

    RuntimeError at a record that a backward pass has released, unless `released(node)` gives
    parents to go on with. `unfold` puts what a fused operation is made of in its place.
    """
    pending = {-t.serial: t for t in roots}
    heap = sorted(pending)
    while heap:
        node = pending.pop(heappop(heap))
        parents = node.op.unfold(node) if unfold and node.op is not None else None
        if parents is None:
            yield node
            gone = node.sources is None
            parents = (released or released_is_error)(node) if gone else node.parents
        for p in parents:
            if p is not None:
                if p.serial > node.serial:
                    p = before(p, node.serial)
                if -p.serial not in pending:
                    pending[-p.serial] = p
                    heappush(heap, -p.serial)


def tape(*roots: Any, unfold: bool = False) -> list[Any]:
    """What the roots were computed from, inputs included, in the order it was recorded."""
    return list(walk(*roots, unfold=unfold))[::-1]


def unbroadcast(g: Any, like: Array) -> Any:
    """`g` summed over the axes that broadcasting added or stretched, in the dtype of `like`."""
    shape = like.shape
    given = g.shape
    if given != shape:
        extra = g.ndim - len(shape)
        if extra > 0:
            g = np.add.reduce(g, tuple(range(extra)) if extra > 1 else 0)
        if g.shape != shape and extra >= 0:
            axes = tuple([i for i, n in enumerate(shape) if n == 1 != g.shape[i]])
            g = np.add.reduce(g, axis=axes, keepdims=True)
        if g.shape != shape:
            raise ValueError(
                f"a derivative rule gave a gradient of shape {given} for an input of shape {shape}"
            )
    return g if g.dtype == like.dtype else g.astype(like.dtype)


def boxed_input(node: Any, p: Any, a: Any) -> Any:
    """Input `p` of `node` with the array `a` that it had when it was recorded."""
    if p.array is a:
        return p
    if p.op is None:
        raise RuntimeError(
            f"{node.op.name}: the data of an input of shape {a.shape} were replaced after it was "
            "recorded; change them before, or after the backward pass"
        )
    then = before(p, node.serial)
    q = object.__new__(p.__class__)
    for slot in ("requires_grad", "op", "sources", "args", "kw", "serial"):
        setattr(q, slot, getattr(then, slot))
    q.array = a
    q._grad = q.extra = q.version = None
    return q


def boxed_call(node: Any) -> tuple[Any, Any]:
    """The output and the inputs of a node as Tensors, where a gradient of theirs is asked for."""
    args = [
        a if p is None or not p.requires_grad else boxed_input(node, p, a)
        for p, a in zip(node.parents, node.args, strict=True)
    ]
    return node, args


def arrived(grads: dict[Any, Any], found: dict[Any, Any] | None) -> dict[Any, Any]:
    """The gradients of the leaves, after their hooks."""
    for p, g in grads.items():
        if p.extra is not None:
            grads[p] = p.extra.arrive(p, g)
    if found is not None:
        found.update(grads)
    return grads


def started(seeds: Iterable[tuple[Any, Any]]) -> tuple[dict[Any, Any], list[tuple[int, Any]]]:
    """The gradients of the seeded tensors, and the nodes among them, newest first."""
    grads: dict[Any, Any] = {}
    for p, g in seeds:
        grads[p] = grads[p] + g if p in grads else g
    return grads, sorted([(-p.serial, p) for p in grads if p.op is not None])


def pull(
    seeds: Iterable[tuple[Any, Any]],
    *,
    keep: bool,
    boxed: bool = False,
    wanted: set[Any] | None = None,
    found: dict[Any, Any] | None = None,
    watch: Callable[[Any, Any, Any, Any], None] | None = None,
) -> dict[Any, Any]:
    """Pull gradients back through the tape of the seeded tensors: the leaves and their gradients.

    `seeds` are (tensor, gradient). Without `keep`, records are released as they are used. `boxed`
    runs the rules on Tensors, so that the gradients have a tape of their own. `wanted` keeps to
    those tensors. `found` takes the total gradient of every tensor reached, leaves included.
    `watch(node, input, g, gradient)` sees every new gradient.
    """
    # the gradients of leaves, and of nodes where they are not complete yet; those nodes
    grads, heap = started(seeds)
    while heap:
        node = heappop(heap)[1]
        g = grads.pop(node)
        if node.extra is not None:
            g = node.extra.arrive(node, g)
        if found is not None:
            found[node] = g
        sources = node.sources
        if sources.__class__ is not tuple:
            sources = released_is_error(node) if sources is None else (sources,)
        y, args, kw, serial = node.array, node.args, node.kw, node.serial
        if node.version is not None:
            check_output(node)
        if boxed:
            y, args = boxed_call(node)
        for p, rule in zip(sources, node.op.rules):  # noqa: B905  (rules of `each` have no end)
            if p is None:
                continue
            if p.version is not None and p.version.last > p.serial:
                check_version(node, p, boxed)
            if p.serial > serial:
                p = before(p, serial)
            if not p.requires_grad or rule is None or (wanted is not None and p not in wanted):
                continue
            gp = rule(g, y, *args, **kw) if kw else rule(g, y, *args)
            if gp is None:  # an autograd.Function may give none
                continue
            like = p.array
            if gp.shape != like.shape or gp.dtype is not like.dtype:
                gp = unbroadcast(gp, like)
            if watch is not None:
                watch(node, p, g, gp)
            if p in grads:
                grads[p] = grads[p] + gp
            else:
                grads[p] = gp
                if p.op is not None:
                    heappush(heap, (-p.serial, p))
        if not keep:
            node.sources = node.args = None
    return arrived(grads, found)
