"""What stands where: the trunk, what is beside it, and the order of the cards."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .model import Arrow, Card, order

__all__ = ["in_reading_order", "lay_out"]

LEAVES = ("input", "parameter")


def lay_out(nodes: dict[str, Card], edges: list[Arrow], deep: dict[str, int], root: str) -> None:
    """Parameters go beside their operation; what is left of its inputs leads into its top.

    `deep` is the length of the longest way to a card, as the trunk is the longest chain to `root`.
    """
    into: dict[str, list[Arrow]] = {}
    for e in edges:
        into.setdefault(e.target, []).append(e)
    used = Counter(e.source for e in edges)

    def weight(e: Arrow) -> tuple[Any, ...]:
        """What leads into the top has the most: an operation, then an input, then a parameter."""
        kind = nodes[e.source].kind
        if kind in LEAVES:
            return False, kind == "input"
        return True, e.tracked, deep[e.source], order(e.source)

    for arriving in into.values():
        max(arriving, key=weight).spine = True  # the first of equal ones
    # off the trunk, cards beside an operation would cross those of the trunk
    seen: set[str] = set()
    key = root
    while key:
        arriving = into.get(key, [])
        alone = [e for e in arriving if nodes[e.source].kind in LEAVES and used[e.source] == 1]
        beside = [nodes[e.source] for e in alone if not e.spine]
        if nodes[key].kind == "op" and len(beside) <= 2:
            for card in beside:
                card.beside, card.path = key, nodes[key].path
        seen.add(key)
        key = next((e.source for e in arriving if e.spine and e.source not in seen), "")


def in_reading_order(nodes: dict[str, Card], edges: list[Arrow]) -> list[Card]:
    """Tape order, but every leaf before its first use."""
    first: dict[str, tuple[int, int, str]] = {}
    for e in edges:
        first[e.source] = min(first.get(e.source, order(e.target)), order(e.target))

    def when(node: Card) -> tuple[tuple[int, int, str], int, tuple[int, int, str]]:
        own = order(node.key)
        rank = {"input": 0, "parameter": 1}.get(node.kind, 2)
        return first.get(node.key, own) if rank < 2 else own, rank, own

    return sorted(nodes.values(), key=when)
