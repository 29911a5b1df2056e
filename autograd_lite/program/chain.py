"""The chain rule, once for every reader: a tape read once, and gradients sent back along its edges.

`engine.tape.pull` is its tuned twin, which `backward()` runs; a test holds them equal bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from heapq import heappop, heappush
from operator import add
from typing import Any, NamedTuple

from ..engine.tape import before, tape, unbroadcast
from ..engine.versions import check_versions

__all__ = ["Edge", "Tape", "numbers", "reverse", "stretched"]


class Edge(NamedTuple):
    """Input `i` of `node`, the tensor `p` as it was then, and the rule that a gradient comes by."""

    node: Any
    i: int
    p: Any
    rule: Callable[..., Any]


def recorded_inputs(node: Any) -> list[Any]:
    """The inputs of a node as they were when it was computed: a Tensor, or None for another."""
    return [p if p is None else before(p, node.serial) for p in node.parents]


def rules_of(op: Any) -> Any:
    """The rules of an operation; of an `autograd.Function` those that give zeros for None."""
    rules = op.rules if op else ()
    return getattr(rules, "filled", rules)


class Tape:
    """What roots were computed from: `nodes` oldest first, `inputs` of each, `edges` of each.

    Edges lead to inputs that require grad and have a rule. RuntimeError for a released record.
    """

    def __init__(
        self, *roots: Any, inputs: Callable[[Any], list[Any]] = recorded_inputs, nodes: Any = None
    ) -> None:
        self.nodes: list[Any] = tape(*roots, unfold=True) if nodes is None else nodes
        self.inputs: dict[Any, list[Any]] = {t: inputs(t) for t in self.nodes}
        self.edges: dict[Any, list[Edge]] = {
            t: [
                Edge(t, i, p, rule)
                for i, (p, rule) in enumerate(zip(found, rules_of(t.op)))  # noqa: B905
                if p is not None and p.requires_grad and rule is not None
            ]
            for t, found in self.inputs.items()
        }


def added(t: Any, parts: list[Any]) -> Any:
    """The whole gradient of a tensor: what arrived, added up in that order."""
    return reduce(add, parts)


def reverse(
    tape: Tape,
    seed: Any,
    send: Callable[[Edge, Any], Any],
    total: Callable[[Any, list[Any]], Any] = added,
    start: Any = None,
) -> Iterator[tuple[Any, Any]]:
    """The chain rule: every tensor that gradients reach, newest first, with its whole gradient.

    `seed` is the gradient of `start`, by default the newest tensor of the tape, `send(edge, g)`
    what goes back along an edge from a tensor whose whole gradient is `g`, `total(t, parts)` the
    sum of what arrived.

    >>> x = tensor(3.0, requires_grad=True)
    >>> y = x * x
    >>> [g.item() for _, g in reverse(Tape(y), np.float32(1), numbers)]
    [1.0, 6.0]
    """
    first = tape.nodes[-1] if start is None else start
    arrived = {first: [seed]}
    heap = [(-first.serial, first)]
    while heap:
        t = heappop(heap)[1]
        g = total(t, arrived.pop(t))
        yield t, g
        for edge in tape.edges[t]:
            if edge.p not in arrived:
                arrived[edge.p] = []
                heappush(heap, (-edge.p.serial, edge.p))
            arrived[edge.p].append(send(edge, g))


def numbers(edge: Edge, g: Any) -> Any:
    """What the rule of an edge makes of a gradient, on the recorded arrays.

    RuntimeError if one of them that it needs was changed in place.
    """
    node = edge.node
    check_versions(node)
    return unbroadcast(edge.rule(g, node.array, *node.args, **node.kw), edge.p.array)


def stretched(given: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes that `unbroadcast` sums a gradient over, to undo a broadcast."""
    extra = len(given) - len(shape)
    more = [i + extra for i, n in enumerate(shape) if n == 1 != given[i + extra]]
    return (*range(extra), *more)
