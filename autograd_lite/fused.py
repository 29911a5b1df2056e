"""Operations that run as one record for speed, and are read as what they are made of.

`backward()` meets one record, whose rules run on arrays and may use what forward kept. Who reads
the tape finds the operations in its place, as `engine.tape.walk` asks for them; and gradients that
are to be differentiated again are those of the operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import takewhile
from typing import Any
from weakref import ref

from .engine import modes
from .engine.modes import enable_grad, mode
from .engine.op import Op
from .engine.rules import ops
from .engine.tape import before, walk
from .engine.tensor import Tensor, as_tensor, record, result
from .engine.versions import tick

__all__ = ["Fused"]


# No view: who changes an output in place changes that alone, as no rule reads the whole.
OUTPUT = Op(
    "output",
    lambda x, place: x[place],
    lambda g, y, x, place: g if place is ... else ops.scatter_add(g, shape=x.shape, index=place),
)


WHOLE = [...]  # where the output is, if it is the only one


def watched() -> bool:
    """Whether somebody reads what is recorded, who wants to see what it is made of."""
    return bool(modes.watchers) and mode.watcher is not None


class Fused(Op):
    """One record for `made_of`, a function of Tensors that gives several: `fused(*inputs, **kw)`.

    `forward(*arrays, **kw)` gives one array that holds all outputs, the places where they are, and
    what backward needs or None; it runs on float arrays of one dtype, or None, and refuses others
    with a ValueError. What all gradients have in common is `shared(g, kept, *arrays,
    places=places, **kw)`, of which `rule(found, kept, *arrays)` makes one of them. Without `shared`
    nothing is kept, and the rules are those of any operation; they must take a gradient with a
    first axis more too, as `program.rows` has them. Where the places are WHOLE, the only output is
    the record itself. With `rereads=False` the rules run on `kept` alone, so that inputs may change
    in place before backward.
    """

    __slots__ = ("keeps", "made_of", "rereads")

    def __init__(
        self,
        name: str,
        made_of: Callable[..., tuple[Tensor, ...]],
        forward: Callable[..., Any],
        shared: Callable[..., Any] | None,
        *rules: Callable[..., Any],
        rereads: bool = True,
    ) -> None:
        super().__init__(name, forward, *rules, kind="product")
        self.made_of = made_of
        self.rereads = rereads
        self.keeps = shared is not None
        if shared is not None:
            self.rules = Rules(self, shared, rules)

    def __call__(self, *inputs: Any, **kw: Any) -> tuple[Tensor, ...]:
        if watched():
            return self.made_of(*inputs, **kw)
        arrays: list[Any] = []
        dtype, tracked = None, False
        for x in inputs:
            if x is None:
                arrays.append(None)
                continue
            if getattr(x.__class__, "__op__", None) is not record:
                return self.made_of(*inputs, **kw)
            a = x.array
            if a.dtype is not dtype:  # two may be equal, as that of a pickled array is
                if a.dtype.kind != "f" or (dtype is not None and a.dtype != dtype):
                    return self.made_of(*inputs, **kw)
                dtype = a.dtype
            arrays.append(a)
            if x.requires_grad:
                tracked = True
        try:
            return self.run(inputs, arrays, tracked, kw)
        except ValueError:  # what it is made of says what is wrong
            return self.made_of(*inputs, **kw)

    def run(self, inputs: Any, arrays: list[Any], tracked: bool, kw: Any) -> tuple[Tensor, ...]:
        """The outputs for inputs that are known to be fine."""
        y, places, kept = self.forward(*arrays, **kw)
        if self.keeps:  # as the last argument, which is let go where the record is released
            inputs = (*inputs, None)
            arrays.append(kept)
        if places is WHOLE:
            return (result(self, y, tracked, inputs, tuple(arrays), kw),)
        made: list[Any] = []
        told = kw | {"places": places, "outputs": made}
        whole = result(self, y, tracked, inputs, tuple(arrays), told)
        outputs = tuple([OUTPUT(whole, place=place) for place in places])
        made += [(ref(t), t.serial) for t in outputs]
        return outputs

    def unfold(self, node: Any) -> list[Any] | None:
        """Put what it is made of in the place of a record: the tensors that its outputs are now
        made from. It stays where it was released, or an input was changed since, which would give
        others."""
        known = [p for p in node.parents or () if p is not None]
        if not known or any(p.version and p.version.changed > node.serial for p in known):
            return None
        start, outer = tick(), mode.watcher
        mode.watcher = None
        try:
            with enable_grad():
                made = self.made_of(*given(node), **plain(node.kw), named=True)
        finally:
            mode.watcher = outer
        inner = list(takewhile(lambda t: t.serial > start, walk(*made, unfold=True)))
        for i, t in enumerate(inner):  # between the number before and its own
            t.serial = node.serial - (i + 1) / (len(inner) + 1)
            if node.extra is not None and node.extra.origin is not None:
                t._more().origin = node.extra.origin
        used = {p for t in inner for p in t.parents if p is not None}
        found: list[Any] = []
        for y, t in zip(outputs_of(node), made, strict=True):
            if y is not None:
                if t in used:
                    y.op, y.sources, y.args, y.kw = ops.getitem, t, (t.array,), {"index": ...}
                else:  # it takes the place of the twin, from which nothing is made then
                    y.op, y.sources, y.args, y.kw = t.op, t.sources, t.args, t.kw
                found += [y] if y is node else y.parents
        return found


def outputs_of(node: Any) -> list[Any]:
    """The outputs of a record as they were when they were made; None for those that are gone."""
    if "outputs" not in node.kw:
        return [node]
    found = [(output(), serial) for output, serial in node.kw["outputs"]]
    return [None if y is None else before(y, serial) for y, serial in found]


def given(node: Any) -> list[Any]:
    """What a fused operation was called with: without what it kept."""
    n = len(node.args) - node.op.keeps
    return [a if p is None else p for p, a in zip(node.parents[:n], node.args, strict=False)]


def plain(kw: dict[str, Any]) -> dict[str, Any]:
    """The metadata without what is for readers."""
    return {k: v for k, v in kw.items() if k not in ("places", "outputs")}


class Rules:
    """The rules of a fused operation; those of one visit share what they have in common."""

    def __init__(self, op: Fused, shared: Callable[..., Any], rules: Sequence[Any]) -> None:
        self.op = op
        self.shared = shared
        self.rules = rules

    def __iter__(self) -> Iterator[Any]:
        memo: list[Any] = []  # a gradient, and what was found for it
        return iter([partial(self.rule, memo, i) for i in range(len(self.rules))])

    def rule(self, memo: list[Any], i: int, g: Any, y: Any, *given: Any, **kw: Any) -> Any:
        """The gradient of input `i`: of arrays an array, of Tensors a Tensor."""
        *inputs, kept = given
        if hasattr(g, "__op__"):
            if not memo or memo[0] is not g:
                memo[:] = g, self.of_tensors(g, *inputs, **kw)
            return memo[1][i]
        if not memo or memo[0] is not g:
            told = plain(kw) if "outputs" in kw else kw
            memo[:] = g, self.shared(g, kept, *inputs, places=kw.get("places", WHOLE), **told)
        return self.rules[i](memo[1], kept, *inputs)

    def of_tensors(self, g: Any, *inputs: Any, **kw: Any) -> list[Any]:
        """All gradients, as those of what it is made of."""
        from .calculus import grad  # here: who trains needs no second derivatives

        given = [None if x is None else as_tensor(x) for x in inputs]
        wanted = [x for x in given if x is not None and x.requires_grad]
        with enable_grad():
            outputs = self.op.made_of(*given, **plain(kw))
        parts = [g[place] for place in kw["places"]] if "places" in kw else [g]
        found = iter(grad(outputs, wanted, parts, True, True, allow_unused=True))
        return [next(found) if x is not None and x.requires_grad else None for x in given]

    @staticmethod
    def reads(i: int, **kw: Any) -> bool:
        """Whether backward may use the value of input `i`, or of the output for -1."""
        return i >= 0
