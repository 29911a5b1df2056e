"""Reading the tape of a result for people: what used what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ..engine.rules import ops
from ..engine.tape import walk
from ..engine.tensor import Tensor
from .chain import Tape, recorded_inputs

__all__ = ["Place", "Reading", "Use"]

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

    def given(self, t: Tensor) -> list[tuple[Use | None, Any]]:
        """What is drawn for each input of an operation, and its array; what a fused one kept for
        its backward is no input. Empty for a released record."""
        args = t.args or ()
        args = args[: len(args) - getattr(t.op, "keeps", False)]
        return list(zip(self.uses[t.serial], args, strict=False))

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
