"""The places of a backward pass in which a mistake can be made, and what stands around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...engine.op import Op
from ...engine.rules import ops
from ...engine.tape import Array, unbroadcast
from ...engine.tensor import Tensor
from ..answers.judge import spreads
from ..propagation import Backprop, Change, Contribution, always, times
from .table import Mistake, curve


class Site(NamedTuple):
    """Where a mistake is made: on some of the edges into a tensor, or in its total gradient."""

    p: Tensor
    edges: tuple[Contribution, ...] = ()

    def part(self, back: Backprop) -> Array:
        """The part of the gradient of `p` that comes through this place."""
        if not self.edges:
            return back.made[self.p]
        return np.asarray(sum(e.part for e in self.edges))

    @property
    def first(self) -> Contribution | None:
        return self.edges[0] if self.edges else None

    @property
    def keys(self) -> list[Any]:
        """What changes of a Backprop call it."""
        return [(e.node, e.i) for e in self.edges] or [self.p]

    def instead(self, wrong: Array) -> dict[Any, Change]:
        """The changes that put `wrong` into the place of the part."""
        key, *others = self.keys
        return {key: always(wrong)} | dict.fromkeys(others, times(0))


def sites_of(back: Backprop, p: Tensor) -> list[Site]:
    """The edges into a tensor, one by one and those of one operation together, and the whole."""
    arcs = back.into[p]
    kinds: dict[Op, list[Contribution]] = {}
    for e in arcs:
        kinds.setdefault(e.node.op, []).append(e)
    several = [Site(p, tuple(same)) for same in kinds.values() if len(same) > 1]
    uses = [e for e in arcs if e.node.op.kind == "view" or any(q is not p for q in e.node.parents)]
    if 1 < len(uses) < len(arcs) and len(kinds) > 2:  # all but a penalty on the weight itself
        several.append(Site(p, tuple(uses)))
    return [*(Site(p, (e,)) for e in arcs[::-1]), *several, Site(p)]


def reached(back: Backprop, handed: Mapping[Tensor, Any]) -> dict[Tensor, frozenset[Tensor]]:
    """For every tensor, the handed-in tensors that a mistake in its gradient shows in."""
    below: dict[Tensor, frozenset[Tensor]] = {}
    for node, edges in back.tape.edges.items():
        found = frozenset[Tensor]().union(*(below[e.p] for e in edges))
        below[node] = frozenset([node]) if node in handed else found
    return below


def viewed(p: Tensor) -> Tensor:
    """What a tensor is a view of, itself if it is none."""
    while p.op is not None and p.op.kind == "view" and p.parents[0] is not None:
        p = p.parents[0]
    return p


def is_weight(p: Tensor) -> bool:
    """Whether a tensor is a leaf that needs a gradient, or a view of one."""
    p = viewed(p)
    return p.op is None and p.requires_grad


def activation_above(above: Sequence[Contribution]) -> Contribution | None:
    """The edge of the activation whose derivative comes just before a gradient that these
    contribute to, sums and views aside."""
    for _ in range(4):
        if len(above) != 1:
            return None
        (e,) = above
        if curve(e.node):
            return e
        if e.node.op is not ops.add and e.node.op.kind != "view":
            return None
        above = e.above
    return None


def sums_of(p: Tensor) -> list[Tensor]:
    """The matmul that a tensor is, or that it is a sum of."""
    near = [p, *(q for q in p.parents if q is not None)] if p.op is ops.add else [p]
    return [q for q in near if q.op is ops.matmul]


def of_product(e: Contribution, g: Array, other: Array) -> Array:
    """What the rule of `a @ b` makes of `g` for the input of an edge, if the other is that."""
    return other.mT @ g if e.i else g @ other.mT


def single_slopes(e: Contribution, product: Tensor) -> Iterator[tuple[Array, Array, Array]]:
    """x, w and f' at the single products x_nj w_jk, without and with the bias: (n, j, k)."""
    x, w = product.args
    if x.ndim != 2 or w.ndim != 2 or x.size * w.shape[1] > 10**6 or e.p.shape != product.shape:
        return
    single = x[:, :, None] * w[None]
    bias = e.p.array - product.array
    op, kw, rule = e.node.op, e.node.kw, e.edge.rule
    for at in (single, single + bias[:, None, :]):
        try:
            with np.errstate(all="ignore"):
                slopes = np.asarray(rule(np.ones_like(at), op.forward(at, **kw), at, **kw))
        except Exception:  # noqa: BLE001  (an operation of a user, not made for three axes)
            return
        yield x, w, slopes


def on_transposes(row: Mistake, e: Contribution) -> bool | None:
    """Whether a wrong rule of `x @ w` runs on transposes for the edge of a product, as the weight
    stands on its left; None if it is a rule of the other input."""
    left, right = (p is not None and is_weight(p) for p in e.node.parents)
    if left and right:  # either may be the weight
        return e.i != row.which
    return left if row.which == (1 - e.i if left else e.i) else None


def applies(row: Mistake, e: Contribution) -> bool:
    """Whether `row` is a wrong rule of the input of an edge."""
    if not row.concerns(e.node):
        return False
    if e.node.op is ops.matmul:
        return on_transposes(row, e) is not None
    return row.which is None or row.which == e.i


def run_on(row: Mistake, e: Contribution, g: Any, y: Any, inputs: Any) -> Any:
    """What the wrong rule of `row` makes of these, arrays or Symbols, for an edge."""
    if e.node.op is ops.matmul:
        a, b = inputs
        return (
            row.wrong(g.mT, y.mT, b.mT, a.mT).mT if on_transposes(row, e) else row.wrong(g, y, a, b)
        )
    own = {"op": e.node.op, "rule": e.edge.rule}
    return row.wrong(g, y, *inputs, **e.node.kw, **{name: own[name] for name in row.wants})


def result_of(row: Mistake, e: Contribution) -> Any:
    """What the wrong rule of `row` gives for an edge; a pair if it has a free factor. ValueError
    where it does not apply: an operation that it asks may fail in any way."""
    try:
        with np.errstate(all="ignore"):
            given = run_on(row, e, e.g, e.node.array, e.node.args)
    except Exception as error:
        raise ValueError(f"{row.slug}: not for {e.node.op.name} here") from error
    if row.free or e.node.op is ops.matmul:
        return given
    given = np.asarray(given)
    return unbroadcast(given, e.p.array) if spreads(e.p.shape, given.shape) else given
