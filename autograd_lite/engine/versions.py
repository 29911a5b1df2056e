"""Versions: when memory that tensors share was last changed in place, and whether that matters."""

from __future__ import annotations

from itertools import count
from typing import Any

tick = count(1).__next__  # serial numbers; next() on a count is atomic


def shared_version(t: Any) -> list[Any]:
    """What a tensor shares with its views: when their memory was last changed in place, when that
    was last recorded, and the array that the views are views of."""
    if t.version is None:
        t.version = [0, 0, t.array]
    return t.version


def is_view(t: Any) -> bool:
    """Whether the tensor shows a part, or another order, of the memory of one before it."""
    return t.version is not None and t.array is not t.version[2]


def changed(t: Any) -> None:
    """Note that the memory of `t` was changed in place, so that a backward that needs the old
    values is an error."""
    shared_version(t)[0] = tick()


def reads(op: Any, y: Any, args: Any, kw: Any, tracked: Any, i: int) -> bool:
    """Whether a rule uses the value of input `i`, or of the output for -1; `program.expr`, which
    reads rules, puts its own answer here."""
    return True


def is_needed(t: Any) -> bool:
    """Whether a change of `t` in place would be an error, at once or in the backward pass: of a
    leaf, and of an output that its own derivative needs. (Of a view it stays one: arrays show it
    elsewhere.)"""
    if not t.requires_grad or is_view(t):
        return False
    tracked = [q is not None and q.requires_grad for q in t.parents]
    return t.op is None or reads(t.op, t.array, t.args, t.kw, tracked, -1)


def check_version(node: Any, p: Any) -> None:
    """Raise if input `p` of `node` was changed in place and the derivative needs its old value."""
    changed, recorded, base = p.version
    if changed > node.serial:
        for i, q in enumerate(node.parents):
            if q is p:
                check_unchanged(node, p, i)
    elif recorded > p.serial and p.array is not base:
        raise RuntimeError(
            f"{node.op.name}: an input of shape {p.array.shape} is a view whose memory was changed "
            "in place by a recorded operation before it was used; make the view after the change"
        )


def check_output(node: Any) -> None:
    """Raise if the output of `node` was changed in place and the derivative needs its old value."""
    if node.version[0] > node.serial:
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
