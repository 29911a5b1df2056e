"""What stands where: the trunk, what is beside it, and the order of the cards."""

from __future__ import annotations

from .model import Arrow, Card, order

__all__ = ["in_reading_order", "lay_out"]


def lay_out(nodes: dict[str, Card], edges: list[Arrow], deep: dict[str, int], root: str) -> None:
    """Parameters go beside their operation; what is left of its inputs leads into its top.

    `deep` is the length of the longest way to a card, as the trunk is the longest chain to `root`.
    """
    into: dict[str, list[Arrow]] = {}
    out: dict[str, int] = {}
    for e in edges:
        into.setdefault(e.target, []).append(e)
        out[e.source] = out.get(e.source, 0) + 1
    alone: dict[str, list[Arrow]] = {}
    for target, arriving in into.items():
        leaves = [e for e in arriving if nodes[e.source].kind in ("parameter", "input")]
        rest = [e for e in arriving if e not in leaves]
        if rest:
            max(rest, key=lambda e: (e.tracked, deep[e.source], order(e.source))).spine = True
        else:
            plain = [e for e in leaves if nodes[e.source].kind == "input"]
            top = (plain or leaves)[0]
            top.spine = True
            leaves = [e for e in leaves if e.source != top.source]
        alone[target] = [e for e in leaves if out[e.source] == 1]
    # off the trunk, cards beside an operation would cross those of the trunk
    seen: set[str] = set()
    key = root
    while key:
        beside = alone.get(key, [])
        if nodes[key].kind == "op" and len(beside) <= 2:
            for e in beside:
                nodes[e.source].beside = key
                nodes[e.source].path = nodes[key].path
        seen.add(key)
        key = next((e.source for e in into.get(key, ()) if e.spine and e.source not in seen), "")


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
