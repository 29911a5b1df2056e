"""What the film tells about every card: the numbers of its arrays and gradients, and its line."""

from __future__ import annotations

import linecache

import numpy as np

from ..engine.tensor import Tensor
from ..origin import origin_of
from ..program.naming import arrays_in
from .cards import Cards
from .facts import Facts
from .model import Gift, Panel

__all__ = ["panels_of"]


def panels_of(cards: Cards) -> dict[str, Panel]:
    """The panels of all cards, by their keys."""
    read, totals, known = cards.read, cards.gradients.totals, cards.shared.facts
    parts = parts_of(cards)

    def facts(t: Tensor) -> Facts:
        if t.serial not in known:
            gone = read.overwritten(t)
            known[t.serial] = Facts(t.shape, t.dtype) if gone else Facts.of(t.array)
        return known[t.serial]

    found: dict[str, Panel] = {}
    for t in cards.folded.shown:
        card = cards.made[cards.key(t)]
        panel = Panel({}, totals.get(t.serial), parts[t.serial], times=card.times)
        rules = map(card.said, card.backward)
        for i, ((use, a), name) in enumerate(zip(read.given(t), cards.called(t), strict=True)):
            if use is None:
                if np.size(a) > 1:
                    panel.arrays[name] = Facts.of(np.asarray(a))
                continue
            panel.arrays[name] = facts(use.source)
            if use.tracked:
                end = cards.ends.get((t.serial, use.source.serial), cards.key(use.source))
                grad = cards.gradients.along.get((t.serial, i))
                grad = grad.turned() if grad is not None and use.mark else grad
                panel.leaving.append(Gift(name, end, grad, next(rules, "")))
        for a in arrays_in(t.kw):
            panel.arrays[cards.constant(a)] = Facts.of(a)
        panel.arrays[card.symbol] = facts(t)
        panel.place = origin_of(t)
        if panel.place is not None:
            panel.line = linecache.getline(panel.place.file, panel.place.line).strip()
        found[card.key] = panel
    copies: dict[int, set[str]] = {}
    for (_, serial), end in cards.ends.items():
        copies.setdefault(serial, set()).add(end)
    for t in cards.leaves:
        arrays, times = {cards.symbol(t): facts(t)}, len(cards.alike.get(t.serial, "1"))
        panel = Panel(arrays, totals.get(t.serial), parts[t.serial], times=times)
        found |= dict.fromkeys({cards.key(t), *copies.get(t.serial, ())}, panel)
    root = read.root
    if root.op is not None:
        found["out"] = Panel({cards.symbol(root): facts(root)}, totals.get(root.serial))
    return found


def parts_of(cards: Cards) -> dict[int, list[Gift]]:
    """What the gradient of every tensor with a panel is the sum of, newest first."""
    read, along = cards.read, cards.gradients.along
    parts: dict[int, list[Gift]] = {t.serial: [] for t in (*cards.folded.shown, *cards.leaves)}
    for t, i, use in read.each_use(reversed(read.ops)):
        if use.source.serial in parts and (t.serial, i) in along:
            grad = along[t.serial, i]
            gift = Gift(cards.symbol(t), cards.key(t), grad.turned() if use.mark else grad)
            parts[use.source.serial].append(gift)
    return parts
