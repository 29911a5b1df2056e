"""Where a result comes from: what a tape leads back to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..engine.tape import tape, walk
from .chain import recorded_inputs

__all__ = ["captured", "needed_leaves", "reaches"]


def reaches(y: Any, x: Any) -> bool:
    """Whether the gradient of `y` comes to `x`.

    >>> x, y = tensor(1.0, requires_grad=True), tensor(2.0, requires_grad=True)
    >>> reaches(x * 2, x), reaches(x * 2, y)
    (True, False)
    """
    return y.requires_grad and any(t is x for t in walk(y))


def needed_leaves(outputs: Iterable[Any]) -> list[Any]:
    """The leaves that gradients of the outputs come to."""
    tracked = [y for y in outputs if y.requires_grad]
    return [t for t in tape(*tracked) if t.op is None and t.requires_grad]


def captured(outputs: Iterable[Any], since: int) -> list[Any]:
    """What was there at number `since` and gradients of the outputs come to, in its order."""
    found: dict[Any, None] = {}
    seen = set()
    stack = [y for y in outputs if y.requires_grad]
    while stack:
        t = stack.pop()
        if t in seen:
            continue
        seen.add(t)
        if t.serial <= since:
            found[t] = None
        elif t.op is None:  # made inside: of nobody's concern
            continue
        else:
            stack += [p for p in recorded_inputs(t) if p is not None and p.requires_grad]
    return sorted(found, key=lambda t: t.serial)
