"""Reading the tape of a result for a drawing: what used what, and the gradient along every edge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..engine.modes import no_grad
from ..engine.rules import ops
from ..engine.tape import walk
from ..engine.tensor import Tensor
from ..program.chain import Edge, Tape, numbers, recorded_inputs, reverse
from .facts import Facts, size_of

__all__ = ["Gradients", "Reading", "Use"]

Place = tuple[int, int]  # the serial number of an operation, and which of its inputs


class Use(NamedTuple):
    """An input of an operation: the tensor that is drawn for it.

    `mark` is what the formula writes after its name: ".mT" where a transposed leaf is drawn as the
    leaf.
    """

    source: Tensor
    mark: str
    tracked: bool


class Reading:
    """The tape of `root`: the operations that are drawn, what each used, and what used it.

    `whole` says that everything that ran is on it, and not only what needs a gradient.
    """

    def __init__(self, root: Tensor, whole: bool = False) -> None:
        self.root, self.whole = root, whole
        nodes = list(walk(root, released=lambda node: (), unfold=True))[::-1]
        self.tape = Tape(
            nodes=nodes, inputs=lambda t: [] if t.sources is None else recorded_inputs(t)
        )
        if any(t.sources is None for t in nodes):  # nothing flows into a released record
            for edges in self.tape.edges.values():
                edges[:] = [edge for edge in edges if edge.p.sources is not None]
        self.place = {t.serial: i for i, t in enumerate(nodes, 1)}
        self.uses = self.read_uses()  # of every operation that is drawn; None for a constant
        self.ops = [t for t in nodes if t.serial in self.uses]
        self.number = {t.serial: i for i, t in enumerate(self.ops)}
        self.consumers: dict[int, list[Tensor]] = {}
        for t, _, use in self.each_use(self.ops):
            self.consumers.setdefault(use.source.serial, []).append(t)

    def each_use(self, ops: Iterable[Tensor]) -> Iterator[tuple[Tensor, int, Use]]:
        """Every input of operations that is a Tensor, with its number."""
        for t in ops:
            for i, use in enumerate(self.uses[t.serial]):
                if use is not None:
                    yield t, i, use

    def read_uses(self) -> dict[int, list[Use | None]]:
        inputs = self.tape.inputs
        times = Counter(p.serial for found in inputs.values() for p in found if p is not None)
        # W.mT of a leaf, used once, is no card of its own: the formula writes the transpose
        turned = {
            t.serial: inputs[t][0]
            for t in self.tape.nodes
            if t.op is ops.mT and times[t.serial] == 1 and inputs[t] and inputs[t][0].op is None
        }
        return {
            t.serial: [
                None
                if p is None
                else Use(p, "", p.requires_grad and t.requires_grad)
                if p.serial not in turned
                else Use(turned[p.serial], ".mT", p.requires_grad and t.requires_grad)
                for p in found
            ]
            for t, found in inputs.items()
            if t.op is not None and t.serial not in turned
        }

    def tracked(self, t: Tensor) -> bool:
        """Whether an operation, or one that it is drawn for, sends gradients back."""
        return any(use is not None and use.tracked for use in self.uses[t.serial])

    def overwritten(self, t: Tensor) -> bool:
        """Whether the values that were computed with are gone, by a change in place since."""
        users = self.consumers.get(t.serial)
        since = users[0].serial if t.op is None and users else t.serial
        return t.version is not None and t.version.changed > since


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
