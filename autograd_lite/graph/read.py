"""Reading the tape of a result for a drawing: inputs, gradients, names and modules, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.modes import no_grad
from ..engine.tape import before, pull, walk
from ..engine.tensor import Tensor
from .facts import Facts, size_of
from .modules import Modules, paths_of

__all__ = ["Reader", "Use"]


@dataclass
class Use:
    """Input `i` of an operation: the tensor that is drawn for it, and the gradient it gets back.

    `mark` is what the formula writes after its name: ".mT" where a transposed leaf is drawn as
    the leaf; `through` is the serial number of the input itself.
    """

    source: Tensor
    through: int
    mark: str
    tracked: bool
    grad: Facts | None


def inputs(node: Tensor) -> list[Tensor | None]:
    """The inputs of a node as they were when it was computed; none if its record was released."""
    return [p if p is None else before(p, node.serial) for p in node.parents or ()]


class Gradients:
    """What a backward pass from `root` would send along every edge and into every tensor."""

    def __init__(self, root: Tensor, tape: list[Tensor], wanted: bool) -> None:
        self.along: dict[tuple[int, int], list[Facts]] = {}
        self.totals: dict[int, Facts] = {}
        self.several: set[int] = set()  # what gets its gradient in parts
        self.into: dict[int, float] = {}  # the sizes of the totals
        self.error = ""
        self.root, self.whole = root, {t for t in tape if t.parents is not None}
        if not (wanted and root.requires_grad and root.parents):
            return
        try:
            leaves = self.pull(self.watch)
        except RuntimeError as error:  # an input was changed in place: the error says which
            self.error = str(error)
            self.totals.clear()  # parts of them may not have come
        else:
            for leaf, g in leaves.items():
                self.arrive(leaf.serial, g)
        self.into = {serial: facts.size for serial, facts in self.totals.items()}

    def pull(self, watch: Callable[[Tensor, Tensor, Any, Any], None]) -> dict[Tensor, Any]:
        """The gradients of the leaves; `watch` sees those of every edge."""
        seeds = [(self.root, np.ones(self.root.shape, self.root.dtype))]
        with no_grad(), np.errstate(all="ignore"):
            return pull(seeds, keep=True, wanted=self.whole, watch=watch, hooks=False)

    def sums(
        self, keys: dict[tuple[int, int], tuple[str, int]], turned: set[int]
    ) -> dict[tuple[str, int], float]:
        """The sizes of sums of gradients: those of the edges that have the same key. Those into
        `turned` are added as transposes.

        A pass of its own, as the arrays of all edges would not fit into memory at once.
        """
        found: dict[tuple[str, int], Any] = {}

        def add(node: Tensor, source: Tensor, arrived: Any, g: Any) -> None:
            key = keys.get((node.serial, source.serial))
            if key is not None:
                part = g.mT if source.serial in turned else g
                found[key] = found[key] + part if key in found else np.array(part)

        if keys:
            self.pull(add)
        return {key: size_of(np.asarray(g)) for key, g in found.items()}

    def watch(self, node: Tensor, source: Tensor, arrived: Any, g: Any) -> None:
        self.arrive(node.serial, arrived)
        facts = Facts(np.asarray(g))
        self.along.setdefault((node.serial, source.serial), []).append(facts)
        if self.totals.setdefault(source.serial, facts) is not facts:
            self.several.add(source.serial)

    def arrive(self, serial: int, total: Any) -> None:
        """Note the whole gradient of a tensor, unless it is the one part that is known."""
        if serial in self.several or serial not in self.totals:
            self.several.discard(serial)
            self.totals[serial] = Facts(np.asarray(total))


class Reader:
    """What a drawing needs to know about the tape of `root`."""

    def __init__(self, root: Tensor, model: Any, grads: bool) -> None:
        self.root = root
        self.tape: list[Tensor] = list(walk(root, released=lambda node: ()))[::-1]
        self.place = {t.serial: i for i, t in enumerate(self.tape, 1)}
        self.gradients = Gradients(root, self.tape, wanted=grads)
        self.uses = self.read_uses()
        self.ops = [t for t in self.tape if t.serial in self.uses]
        self.number = {t.serial: i for i, t in enumerate(self.ops)}
        self.consumers: dict[int, list[Tensor]] = {}
        for t in self.ops:
            for use in self.uses[t.serial]:
                if use is not None:
                    self.consumers.setdefault(use.source.serial, []).append(t)
        self.modules = Modules(model, self.ops)
        self.paths = paths_of(self)
        tracked = [t for t in self.ops if t.requires_grad]
        self.steps = {t.serial: len(tracked) - i for i, t in enumerate(tracked)}

    def overwritten(self, t: Tensor) -> bool:
        """Whether the values that were computed with are gone, by a change in place since."""
        users = self.consumers.get(t.serial)
        since = users[0].serial if t.op is None and users else t.serial
        return t.version is not None and t.version[0] > since

    def label(self, t: Tensor) -> str:
        """The dotted path of a parameter or buffer, else the tensor's own name."""
        return self.modules.label(t) or t.name

    def read_uses(self) -> dict[int, list[Use | None]]:
        """The inputs of every operation that is drawn; None for a constant."""
        parents = {t.serial: inputs(t) for t in self.tape if t.op is not None}
        times: dict[int, int] = {}
        for sources in parents.values():
            for p in sources:
                if p is not None:
                    times[p.serial] = times.get(p.serial, 0) + 1
        # W.mT of a leaf, used once, is no card of its own: the formula writes the transpose
        turned: dict[int, Tensor] = {}
        for t in self.tape:
            if t.op is not None and t.op.name == "mT" and times.get(t.serial) == 1:
                leaf = next(iter(parents[t.serial]), None)
                if leaf is not None and leaf.op is None:
                    turned[t.serial] = leaf
        uses: dict[int, list[Use | None]] = {}
        for t in self.tape:
            if t.op is None or t.serial in turned:
                continue
            row = uses.setdefault(t.serial, [])
            seen: dict[int, int] = {}
            for p in parents[t.serial]:
                if p is None:
                    row.append(None)
                    continue
                along = self.gradients.along.get((t.serial, p.serial), [])
                k = seen[p.serial] = seen.get(p.serial, -1) + 1
                grad = along[k] if k < len(along) else None
                source = turned.get(p.serial, p)
                mark = ".mT" * (source is not p)
                row.append(Use(source, p.serial, mark, p.requires_grad, grad))
        return uses
