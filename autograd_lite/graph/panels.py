"""What the film tells about every card: the numbers of its arrays and gradients, and its line."""

from __future__ import annotations

import linecache

import numpy as np

from ..engine.tensor import Tensor
from ..origin import origin_of
from .cards import Cards
from .facts import Facts
from .model import Card, Gift, Panel

__all__ = ["Panels"]


class Panels:
    """Makes the panels of all cards, by key: `made`."""

    def __init__(self, cards: Cards) -> None:
        self.cards, self.read, self.gradients = cards, cards.read, cards.gradients
        self.known: dict[int, Facts] = {}
        self.parts: dict[int, list[Gift]] = {}
        for t in reversed(self.read.ops):
            name = cards.symbols.get(cards.folded.drawn(t).serial, "")
            for i, use in enumerate(self.read.uses[t.serial]):
                grad = self.gradients.along.get((t.serial, i))
                if use is not None and grad is not None:
                    gift = Gift(name, cards.key(t), grad.turned() if use.mark else grad)
                    self.parts.setdefault(use.source.serial, []).append(gift)
        self.made = {cards.key(t): self.of_operation(t) for t in cards.folded.shown}
        copies: dict[int, set[str]] = {}
        for (_, serial), key in cards.ends.items():
            copies.setdefault(serial, set()).add(key)
        for t in cards.leaves:
            panel = self.panel(t, len(cards.alike.get(t.serial, "1")))
            self.made |= dict.fromkeys({cards.key(t), *copies.get(t.serial, ())}, panel)
        root = self.read.root
        if root.op is not None:
            total = self.gradients.totals.get(root.serial)
            self.made["out"] = Panel({cards.symbol(root): self.facts(root)}, total)

    def facts(self, t: Tensor) -> Facts:
        if t.serial not in self.known:
            gone = self.read.overwritten(t)
            self.known[t.serial] = Facts(t.shape, t.dtype) if gone else Facts.of(t.array)
        return self.known[t.serial]

    def panel(self, t: Tensor, times: int) -> Panel:
        total, parts = self.gradients.totals.get(t.serial), self.parts.get(t.serial, [])
        return Panel({self.cards.symbol(t): self.facts(t)}, total, parts, times=times)

    def of_operation(self, t: Tensor) -> Panel:
        cards = self.cards
        card: Card = cards.made[cards.key(t)]
        panel = self.panel(t, card.times)
        own, panel.arrays = panel.arrays, {}
        rules = iter(card.backward)
        for i, (use, a) in enumerate(zip(self.read.uses[t.serial], t.args or (), strict=False)):
            if use is None:
                if np.size(a) > 1:
                    panel.arrays[cards.constant(a)] = Facts.of(np.asarray(a))
                continue
            name = cards.symbol(use.source)
            panel.arrays[name] = self.facts(use.source)
            if use.tracked:
                key = cards.ends.get((t.serial, use.source.serial), cards.key(use.source))
                grad = self.gradients.along.get((t.serial, i))
                panel.leaving.append(Gift(name + use.mark, key, grad, next(rules, "")))
        panel.arrays |= own
        panel.place = origin_of(t)
        if panel.place is not None:
            panel.line = linecache.getline(panel.place.file, panel.place.line).strip()
        return panel
