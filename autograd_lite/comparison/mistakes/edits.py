"""The grammar of edits: other arrays in a rule, steps left out, other formulas.

Each function gives guesses about the gradient that a `Guessing` is about.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from ...engine.rules import ops
from ...engine.tape import Array
from ...engine.tensor import Tensor
from ..propagation import Backprop, Contribution, times
from .formulas import edits
from .guess import Guess, Guessing
from .places import Site, activation_above, is_weight, of_product
from .table import curve, said

STEPS = ("curve", "along", "reduction")  # kinds that have a derivative to speak of
MOST_TERMS = 200
LARGEST = (ops.max, ops.max_pool)  # whose gradient goes where their input says, by a mask
PLACES, ARRAYS = 80, 30  # that are tried, the nearest ones


# ---- steps of the backward pass left out -----------------------------------------------------


def skipped(s: Guessing) -> Iterator[Guess]:
    """The derivative of an activation left out on the way to one tensor, while others have it."""
    for site, e in s.single[:PLACES]:
        above = activation_above(e.above)
        if above is not None:
            yield from s.exactly(
                site, skipping(e, above), partial(words_of_skip, s, e, above), skip_change
            )


def words_of_skip(s: Guessing, e: Contribution, above: Contribution) -> Any:
    where = "in this gradient alone" if is_weight(e.p) else f"on the way to {s.label(e.p)}"
    return (("activation-missing", f"the derivative of {above.node.op.name} left out, {where}"),)


def skipping(e: Contribution, above: Contribution) -> Array:
    """What the edge gives if the gradient arrives as it is above the activation."""
    g = above.g if above.g.shape == e.g.shape else above.g.reshape(e.g.shape)
    return Contribution(e.edge, g).part


def skip_change(part: Array, e: Contribution) -> Array:
    above = activation_above(e.above)
    return part if above is None else skipping(e, above)


# ---- another array in a rule -----------------------------------------------------------------


class Arrays:
    """The arrays of a program by shape, with what they are called."""

    def __init__(self, back: Backprop) -> None:
        self.by_shape: dict[tuple[int, ...], list[tuple[Tensor | None, Array]]] = defaultdict(list)
        seen: set[int] = set()
        for t in reversed(back.tape.nodes):
            self.add(t, t.array, seen)
            for p, a in zip(back.tape.inputs[t], t.args or (), strict=False):
                if isinstance(a, np.ndarray):
                    self.add(p, a, seen)

    def add(self, t: Tensor | None, a: Array, seen: set[int]) -> None:
        if id(a) not in seen and a.size > 1 and a.dtype.kind == "f" and np.ptp(a):
            seen.add(id(a))
            self.by_shape[a.shape].append((t, a))

    def like(self, a: Array) -> list[tuple[Tensor | None, Array, bool]]:
        """Other arrays of that shape, and the transposes that have it: whether they are one."""
        found = [(t, b, False) for t, b in self.by_shape[a.shape] if b is not a]
        if a.ndim >= 2 and 1 not in a.shape[-2:]:
            turned = self.by_shape[(*a.shape[:-2], *a.shape[:-3:-1])]
            found += [(t, b.mT, True) for t, b in turned if b.base is not a]
        return found[:ARRAYS]


def ingredients(s: Guessing) -> Iterator[Guess]:
    """The right rule with another array in the place of one."""
    arrays = Arrays(s.back)
    for site, e in s.single[:PLACES]:
        if s.matcher.late:
            return
        for k, a in enumerate(e.node.args):
            if k == e.i and (e.node.op.kind == "product" or curve(e.node)):
                continue
            if not isinstance(a, np.ndarray) or a.dtype.kind != "f" or a.size < 2:
                continue
            for t, b, turned in arrays.like(a):
                s.matcher.spend_on(e)
                if s.matcher.late:
                    return
                names = partial(words_of_array, s, e, k, t, turned)
                yield from s.exactly(site, with_array(e, k, b), names)
            ones = with_array(e, k, np.ones_like(a))
            yield from s.exactly(site, ones, partial(ones_for, s, e, k))
        yield from other_gradients(s, site, e)
        if curve(e.node) or e.node.op in LARGEST:
            yield from other_values(s, site, e, arrays)


def other_values(s: Guessing, site: Site, e: Contribution, arrays: Arrays) -> Iterator[Guess]:
    """The derivative of a function, or the mask of a pooling, taken from another array."""
    (x,), op = e.node.args, e.node.op
    for t, b, turned in arrays.like(np.asarray(x)):
        if turned or t is e.node:
            continue
        s.matcher.spend_on(e)
        if s.matcher.late:
            return
        outputs = [op.forward(b, **e.node.kw), *([b] if b.shape == e.node.shape else ())]
        for y in outputs:
            wrong = np.asarray(e.edge.rule(e.g, y, b, **e.node.kw))
            names = partial(words_of_value, s, e, t)
            if wrong.shape == e.raw.shape and np.isfinite(wrong).all():
                yield from s.exactly(site, Contribution(e.edge, e.g, wrong).part, names)


def words_of_value(s: Guessing, e: Contribution, t: Tensor | None) -> Any:
    op = e.node.op
    what = "mask" if op.mask or op in LARGEST else "derivative"
    words = f"the {what} of {op.name} taken from {s.label(t)} instead of {s.label(e.p)}"
    return (("max-mask" if op in LARGEST else "activation-elsewhere", words),)


def with_array(e: Contribution, k: int, a: Array) -> Array:
    """What an edge gives if its input `k` is another array."""
    if e.node.op is ops.matmul and e.g.ndim == 2 and a.ndim == 2:
        return of_product(e, e.g, a)
    args = [a if i == k else b for i, b in enumerate(e.node.args)]
    return Contribution(
        e.edge, e.g, np.asarray(e.edge.rule(e.g, e.node.array, *args, **e.node.kw))
    ).part


def other_gradients(s: Guessing, site: Site, e: Contribution) -> Iterator[Guess]:
    """The gradient of another tensor where that of the output belongs."""
    for q in s.tensors[-ARRAYS:]:
        g = s.back.made.get(q)
        if g is None or q is e.node or q is e.p or g.shape != e.g.shape or g is e.g:
            continue
        if g.size < 2 or not np.ptp(g):
            continue
        s.matcher.spend_on(e)
        names = partial(words_of_gradient, s, e, q)
        yield from s.exactly(site, Contribution(e.edge, g).part, names)


def terms_of_loss(s: Guessing) -> Iterator[Guess]:
    """Only one of the terms that the loss is the sum of counts, as those of a loop."""
    stack = [s.back.tape.nodes[-1]]
    terms: list[Any] = []
    seen: set[Tensor] = set()
    while stack and len(terms) <= MOST_TERMS:
        t = stack.pop()
        if t in seen:
            continue
        seen.add(t)
        for e in s.back.tape.edges[t] if t.op is ops.add else ():
            if e.p.op is ops.add and e.p.array.size == 1:
                stack.append(e.p)
            elif e.p not in s.matcher.penalties:
                terms.append(e)
    terms.sort(key=lambda e: e.p.serial)
    for i in (-1, 0):
        others = [(e.node, e.i) for e in terms if e is not terms[i]]
        if len(others) > 1:
            words = f"only one of the {len(terms)} terms of the loss counts, as the last: = for +="
            changes = dict.fromkeys(others, times(0))
            yield from s.whole(Site(s.back.tape.nodes[-1]), changes, (("last-sample-only", words),))


def between_left_out(s: Guessing) -> Iterator[Guess]:
    """The gradient of a tensor above taken for that of a tensor: all between is left out."""
    for p in s.tensors[-PLACES:]:
        for q in s.tensors[-PLACES:]:
            g = s.back.made.get(q)
            if g is None or q is p or g.shape != s.back.made[p].shape or q.serial < p.serial:
                continue
            if g.size > 1 and np.ptp(g):
                site = Site(p)
                yield from s.exactly(site, g, partial(words_of_between, s, p, q))


def words_of_between(s: Guessing, p: Tensor, q: Tensor) -> Any:
    passed = [t for t in s.back.tape.nodes if p.serial < t.serial <= q.serial]
    ops_ = dict.fromkeys(t.op.name for t in passed if t.op and t.op.kind in STEPS)
    what = f"the derivative of {' and '.join(ops_)}" if ops_ else "what lies between"
    words = f"{what} left out: the gradient of {s.label(q)} used for {s.label(p)}"
    return (("activation-missing", words),)


def chosen_branches(s: Guessing) -> Iterator[Guess]:
    """The mask of a choice left out, or reversed."""
    seen: set[int] = set()
    for _, e in s.single[:PLACES]:
        node = e.node
        if node.op is not ops.where or node.serial in seen:
            continue
        seen.add(node.serial)
        arcs = [x for p in s.tensors for x in s.back.into[p] if x.node is node]
        c = np.broadcast_to(np.asarray(node.args[0], bool), node.shape)
        for words, keep in (
            ("the mask of where is reversed: the branches are exchanged", {1: ~c, 2: c}),
            (
                "the first branch of where everywhere: its mask is left out",
                {1: c | True, 2: c & False},
            ),
            (
                "the second branch of where everywhere: its mask is left out",
                {1: c & False, 2: c | True},
            ),
            (
                "both branches of where everywhere: the masks are left out",
                {1: c | True, 2: c | True},
            ),
        ):

            def change(part: Array, x: Contribution, keep: Any = keep) -> Array:
                return Contribution(x.edge, x.g, np.asarray(x.g * keep[x.i])).part

            yield from s.group(arcs, change, (("where", words),))


def words_of_gradient(s: Guessing, e: Contribution, q: Tensor) -> Any:
    words = f"the gradient of {s.label(q)} used instead of that of {s.label(e.node)}"
    return (("wrong-array", words),)


def words_of_array(s: Guessing, e: Contribution, k: int, t: Tensor | None, turned: bool) -> Any:
    """What is said of an array in the place of input `k`."""
    r = e.node.parents[k]
    if t is None and r is None:
        return (("wrong-array", "another array of the data is used in its place"),)
    if not turned and t is not None and r is not None:
        if r.op is not None and curve(r) and r.parents[0] is t:
            return said("input-not-activated", op=r.op.name)
        if t.op is not None and curve(t) and t.parents[0] is r:
            words = f"made with the output of {t.op.name}, not with its input"
            return (("wrong-array", words),)
        if t.op is ops.power and t.parents[0] is r:
            words = f"the exponent of {s.label(r)} is off: {s.label(t)} in its place"
            return (("exponent", words),)
    if t is e.p and k != e.i:
        return (
            ("weight-for-input", f"{s.label(t)} itself used, not the other factor {s.label(r)}"),
        )
    if t is e.node:
        return (("weight-for-input", f"its output {s.label(t)} used instead of {s.label(r)}"),)
    name = f"the transpose of {s.label(t)}" if turned else s.label(t)
    return (("wrong-array", f"{name} used instead of {s.label(r)}"),)


def ones_for(s: Guessing, e: Contribution, k: int) -> Any:
    name = s.label(e.node.parents[k])
    if e.node.op in (ops.mul, ops.div):
        what = "factor" if e.node.op is ops.mul or k != e.i else "divisor"
        once = ": its exponent is off by one" if what == "divisor" else ""
        return (("factor-missing", f"the {what} {name} left out{once}"),)
    return (("factor-missing", f"{name} is not used: ones in place of this input"),)


# ---- another formula -------------------------------------------------------------------------


def other_formulas(s: Guessing) -> Iterator[Guess]:
    """The rule of an edge, written wrong in one place."""
    for site, e in s.single[:PLACES]:
        if s.matcher.late:
            return
        if e.node.op.kind in ("view", "pick", "product") or not e.node.op.kind:
            continue
        for n, edit in enumerate(edits(e)):
            s.matcher.spend(12 * e.g.size, 2)
            value = np.asarray(edit.made.value, e.g.dtype)
            wrong = Contribution(e.edge, e.g, value).part if value.shape == e.raw.shape else value
            if wrong.shape == e.part.shape and np.isfinite(wrong).all():
                words = f"{edit.words}, in the derivative of {e.node.op.name}"
                names = ((edit.slug, words),)
                yield from s.exactly(site, wrong, names, formula_change(n), edge=e)


def formula_change(n: int) -> Any:
    """The `n`th edit of the formula of any edge."""

    def change(part: Array, e: Contribution) -> Array:
        for i, edit in enumerate(edits(e)):
            if i == n:
                return Contribution(e.edge, e.g, np.asarray(edit.made.value, e.g.dtype)).part
        return part

    return change


# ---- products of the shape of both factors ---------------------------------------------------


def unsummed_products(s: Guessing) -> Iterator[Guess]:
    """Factors multiplied element by element where the matrix product is due."""
    target = s.matcher.target[s.t]
    if target.ndim != 2:
        return
    for site, e in s.single[:PLACES]:
        if e.node.op is not ops.matmul or e.g.ndim != 2:
            continue
        other = np.asarray(e.node.args[1 - e.i])
        for a, b in ((e.g, other), (e.g.T, other), (e.g, other.T), (e.g.T, other.T)):
            try:
                wrong = a * b
            except ValueError:
                continue
            if target.shape in (wrong.shape, wrong.shape[::-1]) and wrong.shape != e.p.shape:
                words = (
                    "multiplied element by element where the matrix product is due: use dot or @, "
                    "which sums over the batch"
                )
                yield from s.exactly(site, wrong, (("not-summed", words),))


def differences(s: Guessing) -> Iterator[Guess]:
    """Other targets in the derivative of squares, and (n, 1) - (n,), which is an (n, n) matrix."""
    for site, e in s.single[:PLACES]:
        if e.node.op is not ops.sub:
            continue
        a, b = (np.asarray(x, np.float64) for x in e.node.args)
        d = a - b
        if d.shape != e.g.shape or d.size > max(a.size, b.size) or not d.any():
            continue
        k = float((e.g * d).sum() / (d * d).sum())
        if not k or np.abs(e.g - k * d).max() > 1e-9 * np.abs(e.g).max():
            continue
        sign = 1 if e.i == 0 else -1
        for words, wrong in (*other_targets(a, b), *broadcast_to_matrix(a, b)):
            part = Contribution(e.edge, e.g, np.reshape(sign * k * wrong, e.raw.shape)).part
            yield from s.attempt(site, part, ((words[0], words[1]),))


def other_targets(p: Array, t: Array) -> Iterator[tuple[tuple[str, str], Array]]:
    """p - t with something else for the targets t."""
    if p.shape != t.shape:
        return
    yield ("targets-missing", "p used for p - t: the targets are not subtracted"), p
    yield ("targets-wrong", "p + t used for p - t: the targets are added"), p + t
    if t.ndim == 2 and 1 not in t.shape:
        for axis in (0, 1):
            if (np.count_nonzero(t, axis=axis) == 1).all():
                labels = np.expand_dims((t != 0).argmax(axis), axis)
                words = "the numbers of the classes subtracted, not the one-hot targets"
                yield ("targets-wrong", words), p - labels
                yield ("targets-wrong", words), p - labels - 1
        words = "the targets reshaped, not transposed"
        yield ("targets-wrong", words), p - t.T.reshape(t.shape)
    words = "the difference is taken the other way at its square: p ** 2 - t ** 2"
    yield ("targets-wrong", words), p * p - t * t


def broadcast_to_matrix(a: Array, b: Array) -> Iterator[tuple[tuple[str, str], Array]]:
    """The sums of a difference that was broadcast to a matrix."""
    n = a.size
    if n > 2 and b.size == n and n in a.shape:
        words = f"the difference was broadcast to ({n}, {n}): ({n}, 1) minus ({n},)"
        for wrong in (a.sum() - n * b, n * a - b.sum()):
            yield ("broadcast", words), wrong
