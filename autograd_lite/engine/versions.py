"""Versions: when memory that tensors share was last changed in place, and whether that matters."""

from __future__ import annotations

from itertools import count
from typing import Any
from weakref import ref

tick = count(1).__next__  # serial numbers; next() on a count is atomic


class Memory:
    """What tensors that share memory share: when it was last changed in place, when that was last
    recorded, the later of the two, the views among them that a recorded change gives new
    records, and the leaf that requires grad, if one has it."""

    __slots__ = ("changed", "recorded", "last", "views", "limit", "leaf")

    def __init__(self, changed: int = 0) -> None:
        self.changed = self.last = changed
        self.recorded = 0
        self.views: list[ref[Any]] = []  # those made before come first
        self.limit = 8
        self.leaf: ref[Any] | None = None

    def tidy(self) -> None:
        """Forget the views that are gone."""
        self.views = [r for r in self.views if r() is not None]
        self.limit = 2 * len(self.views) + 8


def shared_version(t: Any) -> Memory:
    """The memory of a tensor."""
    if t.version is None:
        t.version = Memory()
        if t.op is None and t.requires_grad:
            t.version.leaf = ref(t)
    return t.version


# what views have in place of `args` that were made in no_grad(), of what needs a gradient or not
HELD, LOOSE = ("of what needs a gradient",), ("of a constant",)


def made_view(t: Any, a: Any, op: Any, kw: Any, recording: bool) -> None:
    """Note that `t` is a view of `a`, whose memory it has. Views of a leaf that requires grad need
    no place among the others, as a change of it is never recorded."""
    memory = t.version
    if not recording:
        t.args = HELD if a.requires_grad or a.args is HELD else LOOSE
        return
    if not t.requires_grad:
        t.args = a, op, kw
    if len(memory.views) == memory.limit:
        memory.tidy()
    memory.views.append(ref(t))


def viewed(t: Any) -> tuple[Any, Any, Any] | None:
    """What a tensor is a view of, by which operation with which metadata; None if it is none."""
    made: Any = (None,)
    if t.op is None:
        made = t.args if len(t.args) == 3 else made
    else:
        sources = t.sources if t.op.view else None
        made = (sources[0] if sources.__class__ is tuple else sources), t.op, t.kw
    shared = made[0] is not None and made[0].version is t.version is not None
    return made if shared else None


def of_leaf(t: Any) -> bool:
    """Whether `t`, whose record was released, is a view or a cast of a leaf, which made before a
    loop serves each of its steps, as in PyTorch: its derivative needs no values. It is recorded
    again then; as one of nothing, where nobody has that leaf any more."""
    if t.extra is not None and t.extra.kept is not None:
        t.sources, t.args = t.extra.kept
    elif t.op.view and t.version is not None and t.version.leaf is not None:
        leaf = t.version.leaf()
        if leaf is None:
            t.sources = t.args = ()
        elif t.array.__array_interface__ == t.op(leaf.array, **t.kw).__array_interface__:
            t.sources, t.args = leaf, (leaf.array,)
    return t.sources is not None


def released_is_error(node: Any) -> Any:
    """Raise for a node whose record a backward pass has released, unless it shows a leaf."""
    if of_leaf(node):
        return node.parents
    raise RuntimeError(
        f"{node.op.name}: the record of this operation was released by an earlier backward(); "
        "call that one with retain_graph=True to go through it again"
    )


def route(t: Any) -> list[Any]:
    """A tensor, what it is a view of, and so on, to the one that is no view."""
    found = [t]
    while (made := viewed(found[-1])) is not None:
        found.append(made[0])
    return found


def changed(t: Any) -> None:
    """Note that the memory of `t` was changed in place, so that a backward that needs the old
    values is an error."""
    memory = shared_version(t)
    memory.changed = memory.last = tick()


def reads(op: Any, y: Any, args: Any, kw: Any, tracked: Any, i: int) -> bool:
    """Whether a rule uses the value of input `i`, or of the output for -1; the package puts the
    answer of `program.expr` here, which reads rules."""
    return True


def is_needed(t: Any) -> bool:
    """Whether a change of `t` in place would be an error, at once or in the backward pass: of a
    leaf, and of an output that its own derivative needs. (Of a view it stays one: arrays show it
    elsewhere.)"""
    if not t.requires_grad or viewed(t) is not None:
        return False
    tracked = [q is not None and q.requires_grad for q in t.parents]
    return t.op is None or reads(t.op, t.array, t.args, t.kw, tracked, -1)


def check_version(node: Any, p: Any, whole: bool = True) -> None:
    """Raise if input `p` of `node` was changed in place and the derivative needs its old value:
    of a fused operation what it is made of, where that is read as a `whole`."""
    memory = p.version
    if memory.changed > node.serial and (whole or getattr(node.op, "rereads", True)):
        for i, q in enumerate(node.parents):
            if q is p:
                check_unchanged(node, p, i)
    elif memory.recorded > p.serial and (p.args is HELD or p.args is LOOSE):
        raise RuntimeError(
            f"{node.op.name}: an input of shape {p.array.shape} is a view that was made in "
            "no_grad(), and its memory was changed in place by a recorded operation before it was "
            "used; make the view after the change"
        )


def check_output(node: Any) -> None:
    """Raise if the output of `node` was changed in place and the derivative needs its old value."""
    if node.version.changed > node.serial:
        check_unchanged(node, node, -1)


def check_versions(node: Any) -> None:
    """Raise if the derivative of `node` needs a value that was changed in place."""
    if node.version is not None:
        check_output(node)
    for p in node.parents:
        if p is not None and p.version is not None:
            check_version(node, p)


def check_unchanged(node: Any, p: Any, i: int) -> None:
    """Raise if a rule of `node` needs input `i`, or its output (-1), which has changed."""
    tracked = [q is not None and q.requires_grad for q in node.parents]
    if reads(node.op, node.array, node.args, node.kw, tracked, i):
        what = "its output" if i < 0 else f"input {i}"
        raise RuntimeError(
            f"{node.op.name}: {what}, of shape {p.array.shape}, was changed in place after it was "
            "recorded, and the derivative needs the old value; change a clone() instead, or "
            "change it after backward()"
        )
