"""The gradient along every edge of a tape, and into every tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.modes import no_grad
from ..engine.tensor import Tensor
from ..program.chain import Edge, numbers, reverse
from ..program.reading import Place, Reading
from .facts import Facts, size_of

__all__ = ["Gradients"]


class Gradients:
    """What a backward pass from the root would send along every edge and into every tensor.

    `bundles` are edges whose gradients are told as one, by what they have in common, for each of
    several drawings; `sums` are the sizes of those.
    """

    def __init__(self, read: Reading, bundles: list[dict[Place, Any]], wanted: bool) -> None:
        self.read, self.bundles = read, bundles
        self.along: dict[Place, Facts] = {}
        self.totals: dict[int, Facts] = {}
        self.sums: list[dict[Any, float]] = [{} for _ in bundles]
        self.error = ""
        if wanted and read.root.requires_grad and read.tape.inputs[read.root]:
            try:
                with no_grad(), np.errstate(all="ignore"):
                    self.backward()
            except RuntimeError as error:  # an input was changed in place: the error says which
                self.error = str(error)
                self.totals.clear()  # parts of them may not have come
        self.into = {serial: facts.size for serial, facts in self.totals.items()}

    def backward(self) -> None:
        """Send ones back from the root, and note what they become."""
        arrived: dict[Tensor, Any] = {}
        several: set[Tensor] = {self.read.root}  # whose whole gradient is not the one that came
        bundled: list[dict[Any, Any]] = [{} for _ in self.bundles]

        def send(edge: Edge, g: Any) -> None:
            part = numbers(edge, g)
            p, place = edge.p, (edge.node.serial, edge.i)
            self.along[place] = self.totals[p.serial] = Facts.of(np.asarray(part))
            if p not in arrived:
                arrived[p] = part
            else:  # added at once: all parts of a weight of an RNN would not fit into memory
                several.add(p)
                arrived[p] = arrived[p] + part
            for keys, sums in zip(self.bundles, bundled, strict=True):
                if place in keys:
                    use = self.read.uses[edge.node.serial][edge.i]
                    turned = part.mT if use is not None and use.mark else part
                    key = keys[place]
                    sums[key] = sums[key] + turned if key in sums else np.array(turned)

        def total(t: Tensor, parts: list[Any]) -> Any:
            return arrived.pop(t, parts[0])

        root = self.read.root
        seed = np.ones(root.shape, root.dtype)
        for t, g in reverse(self.read.tape, seed, send, total):
            if t in several:
                self.totals[t.serial] = Facts.of(np.asarray(g))
        self.sums = [{k: size_of(np.asarray(g)) for k, g in sums.items()} for sums in bundled]
