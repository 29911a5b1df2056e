"""Mistakes in every step: the edges that have the same part in each step, layer or sample.

What a loop computes lies on the tape once for each turn. Operations that are made in the same way,
as far as a few operations back, have one role; a mistake in the code of the loop is made in all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ...engine.rules import ops
from ...engine.tape import Array
from ...engine.tensor import Tensor
from ..propagation import Backprop, Contribution, times
from .edits import formula_change, skip_change, with_array
from .formulas import edits
from .guess import Guess, Guessing, in_all, made_by
from .places import Site, applies
from .table import CERTAIN, VAGUE, Wording

DEPTHS = (3, 2, 0)  # operations back that make a role
SCALES = {
    -1: ("sign", "the sign is flipped"),
    2: ("factor-2", "a factor 2 too many"),
    0.5: ("factor-half", "a factor 1/2 too many"),
    0: ("path-missing", "the gradient is left out"),
}
MANY = 64  # turns of a loop, at most
ARRAYS = 100  # that are tried in the place of one


class Roles:
    """The operations and edges of a tape by their role, the oldest first; `role` gives that."""

    def __init__(self, back: Backprop, role: Callable[[Tensor], Any]) -> None:
        self.tensors: dict[Any, list[Tensor]] = defaultdict(list)
        for t in back.tape.nodes:
            if t.op is not None and role(t) is not None:
                self.tensors[role(t)].append(t)
        self.edges: dict[Any, list[Contribution]] = defaultdict(list)
        for parts in back.into.values():
            for e in parts:
                if role(e.node) is not None:
                    self.edges[role(e.node), e.i].append(e)
        for found in self.edges.values():
            found.sort(key=lambda e: e.node.serial)

    def __iter__(self) -> Iterator[list[Contribution]]:
        """The edges of each role that there are several of, the nearest to the loss first."""
        several = [found for found in self.edges.values() if 1 < len(found) <= MANY]
        return iter(sorted(several, key=lambda found: -found[-1].node.serial))

    def others(self, found: list[Contribution], k: int) -> Iterator[tuple[Tensor, list[Array]]]:
        """Arrays that could be in the place of input `k` in every turn, one for each turn."""
        own = [np.asarray(e.node.args[k]) for e in found]
        first = next((p for p in (e.node.parents[k] for e in found) if p is not None), None)
        if first is not None and all(a.shape == own[0].shape for a in own):
            yield first, [own[0], *own[:-1]]
            yield first, [*own[1:], own[-1]]
        yield from self.joined(found, k, own)
        yield from self.others_of(own)

    def others_of(self, own: list[Array]) -> Iterator[tuple[Tensor, list[Array]]]:
        """Results of operations of the same or another turn, where there is one for each."""
        n = len(own)
        for tensors in self.tensors.values():
            arrays = [t.array for t in tensors]
            if any(a.shape != b.shape for a, b in zip(arrays, own, strict=False)):
                continue
            if len(arrays) == n:
                yield tensors[0], arrays
                yield tensors[0], [np.zeros_like(own[0]), *arrays[:-1]]
            if len(arrays) == n + 1:
                yield tensors[0], arrays[:-1]
                yield tensors[0], arrays[1:]
            if len(arrays) == n - 1:
                yield tensors[0], [*arrays, np.zeros_like(own[0])]

    def joined(
        self, found: list[Contribution], k: int, own: list[Array]
    ) -> Iterator[tuple[Tensor, list[Array]]]:
        """What is joined of several arrays, with one of them from another place of the turn."""
        whole = found[-1].node.parents[k]
        if whole is None or whole.op is not ops.concatenate:
            return
        axis, start = whole.kw["axis"], 0
        for part in whole.args:
            cut = (*[slice(None)] * axis, slice(start, start + part.shape[axis]))
            start += part.shape[axis]
            for t, others in self.others_of([a[cut] for a in own]):
                made = [a.copy() for a in own]
                for a, b in zip(made, others, strict=True):
                    a[cut] = b
                yield t, made


def made_alike(back: Backprop, depth: int) -> Callable[[Tensor], Any]:
    """The role of an operation by what it does and what its inputs come from."""
    known: dict[tuple[Tensor, int], Any] = {}

    def role(t: Tensor, depth: int = depth) -> Any:
        key = t, depth
        if key not in known:
            if t.op is None:
                known[key] = id(t)
            elif depth == 0:
                known[key] = t.op.name, t.shape
            else:
                pairs = zip(back.tape.inputs[t], t.args, strict=True)
                inputs = [np.shape(a) if p is None else role(p, depth - 1) for p, a in pairs]
                known[key] = *what(t), *inputs
        return known[key]

    return role


def what(t: Tensor) -> tuple[Any, ...]:
    """What an operation does, apart from the arrays that it takes, and from the places that it
    reads or writes: h[t] is the same in each turn."""
    settings = ((k, turned(v) if k == "index" else v) for k, v in t.kw.items() if not has_array(v))
    return t.op.name, t.shape, tuple((k, repr(v)) for k, v in settings)


def turned(index: Any) -> Any:
    """An index with 0 for the numbers in it.

    >>> turned((3, slice(2, 4))), turned(5)
    ((0, slice(2, 4, None)), 0)
    """
    if isinstance(index, tuple):
        return tuple(map(turned, index))
    return 0 if isinstance(index, int | np.integer) else index


def in_turn(back: Backprop) -> Callable[[Tensor], Any]:
    """The role of an operation by its place in the turn of a loop: the longest part of the tape
    that is the same operations again and again; also in a first turn that starts from constants."""
    nodes = [t for t in back.tape.nodes if t.op is not None]
    names = [what(t) for t in nodes]
    best, start, period = 0, 0, 1
    for n in range(2, len(nodes) // 2 + 1):
        run = 0
        for i in range(len(nodes) - n):
            run = run + 1 if names[i] == names[i + n] else 0
            if run >= n and run + n > best:
                best, start, period = run + n, i + 1 - run, n
    place = {t: (i - start) % period for i, t in enumerate(nodes) if 0 <= i - start < best}
    return place.get


def has_array(v: Any) -> bool:
    return isinstance(v, np.ndarray) or (isinstance(v, tuple) and any(map(has_array, v)))


def in_every_turn(s: Guessing) -> Iterator[Guess]:
    """One mistake in each turn of a loop."""
    seen: set[Any] = set()
    groups: list[tuple[Roles, list[Contribution]]] = []
    for role in (in_turn(s.back), *(made_alike(s.back, depth) for depth in DEPTHS)):
        roles = Roles(s.back, role)
        for found in roles:
            edges = tuple((e.node.serial, e.i) for e in found)
            if edges not in seen:
                seen.add(edges)
                groups.append((roles, found))
        yield from totals(s, roles)
    for tier in (paths, rules, steps_skipped, formulas, arrays, numbers):
        for roles, found in groups:
            if s.matcher.late:
                return
            yield from tier(s, roles, found)


def totals(s: Guessing, roles: Roles) -> Iterator[Guess]:
    """A factor on the whole gradient of what is made in each turn and used several times."""
    for tensors in roles.tensors.values():
        used = [t for t in tensors if len(s.back.into[t]) > 1]
        if 1 < len(used) == len(tensors) <= MANY:
            for c, (slug, words) in SCALES.items():
                changes = dict.fromkeys(used, times(c))
                names = ((slug, f"{words}, {turns(used)}"),)
                yield from s.whole(Site(used[0]), changes, names)


def turns(found: Sequence[Any]) -> str:
    return in_all(len(found), "steps")


def paths(s: Guessing, roles: Roles, found: list[Contribution]) -> Iterator[Guess]:
    """What goes back along an edge is left out."""
    e = found[-1]
    if len(s.back.into[e.p]) > 1 or all(len(s.back.into[x.p]) == 1 for x in found):
        words = f"the path through {s.label(e.node)} to {s.label(e.p)} is left out, {turns(found)}"
        yield from s.group(found, times(0), (("path-missing", words),))


def rules(s: Guessing, roles: Roles, found: list[Contribution]) -> Iterator[Guess]:
    """A wrong rule of the table."""
    for row in (*CERTAIN, *VAGUE):
        if all(applies(row, e) for e in found):
            ((slug, words),) = row.said_of(found[0].node.op)
            where = f"{words}, {turns(found)} (in {s.label(found[-1].node)})"
            yield from s.group(found, made_by(row), ((slug, where),))


def steps_skipped(s: Guessing, roles: Roles, found: list[Contribution]) -> Iterator[Guess]:
    """The derivative of an activation left out on the way."""
    words = f"the derivative of the activation left out on the way to {s.label(found[-1].p)}"
    yield from s.group(found, skip_change, (("activation-missing", f"{words}, {turns(found)}"),))


def numbers(s: Guessing, roles: Roles, found: list[Contribution]) -> Iterator[Guess]:
    """A factor that has a name."""
    n = len(found)
    own: dict[float, list[Wording]] = {}
    if n > 2:
        own[1 / n] = [(("mean-twice", f"divided by {n}, the number of steps"),)]
    yield from s.scaled(found, s.matcher.factors | own, turns(found))


def formulas(s: Guessing, roles: Roles, found: list[Contribution]) -> Iterator[Guess]:
    """A formula written wrong in one place."""
    if not found[0].node.op.elementwise:
        return
    for n, edit in enumerate(edits(found[-1])):
        op = found[0].node.op.name
        words = f"{edit.words}, in the derivative of {op}, {turns(found)}"
        yield from s.group(found, formula_change(n), ((edit.slug, words),))


def arrays(s: Guessing, roles: Roles, found: list[Contribution]) -> Iterator[Guess]:
    """Another array of the same turn, of the one before or of the one after."""
    e = found[-1]
    for k, a in enumerate(e.node.args):
        if not isinstance(a, np.ndarray) or a.dtype.kind != "f" or a.size < 2:
            continue
        if k == e.i and e.node.op.kind == "product":
            continue
        tried = 0
        for t, others in roles.others(found, k):
            by = {(x.node, x.i): b for x, b in zip(found, others, strict=True)}
            if all(
                np.array_equal(b, np.asarray(x.node.args[k]))
                for x, b in zip(found, others, strict=True)
            ):
                continue
            tried += 1
            if tried > ARRAYS:
                break

            def change(part: Array, x: Contribution, by: Any = by, k: int = k) -> Array:
                return with_array(x, k, by[x.node, x.i])

            words = (
                f"{s.label(t)} used instead of {s.label(e.node.parents[k])}, or another step of it"
            )
            yield from s.group(found, change, (("wrong-array", f"{words}, {turns(found)}"),))
