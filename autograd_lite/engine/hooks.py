"""What few tensors have: a name, hooks, a wish to keep the gradient, an earlier record; and what
`grad_fn` shows of a record."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from .errors import MisfitError, kind_of

box: Any = None  # Tensor, put here by `tensor`, which imports this file: hooks get Tensors
next_key = count(1).__next__


class Extra:
    """What few tensors have: a name, hooks, a wish to keep the gradient, where it was made, the
    record before an in-place change, what the user has kept as `g`, and the record that no
    backward pass releases."""

    __slots__ = ("name", "hooks", "after", "retain", "origin", "previous", "g", "kept")

    def __init__(self, name: str = "", retain: bool = False, previous: Any = None) -> None:
        self.name = name
        self.hooks: dict[int, Callable[[Any], Any]] = {}
        self.after: dict[int, Callable[[Any], None]] = {}  # hooks on a leaf that got its gradient
        self.retain = retain
        self.origin: Any = None
        self.previous = previous
        self.g: Any = None
        self.kept: Any = None

    def arrive(self, node: Any, g: Any) -> Any:
        """Run the hooks on the total gradient of `node`, and keep it if it was asked for."""
        if not self.hooks and not (self.retain and node.op is not None):
            return g
        boxed = hasattr(g, "__op__")
        if self.hooks:  # they get, and give, memory of their own, as they may keep it
            t = g if boxed else box(np.array(g))
            for hook in list(self.hooks.values()):
                result = hook(t)
                if result is not None:
                    if not hasattr(result, "__op__") or result.shape != node.shape:
                        shape = getattr(result, "shape", None)
                        raise MisfitError(
                            f"hook: returned {kind_of(result)} of shape {shape}; "
                            f"return None or a tensor of shape {node.shape}"
                        )
                    t = result
            g = t if boxed else t.array.copy()
        if self.retain and node.op is not None:
            kept = g if boxed else box(np.array(g))
            node._grad = kept if node._grad is None else node._grad + kept
        return g


class Handle:
    """What `register_hook` returns; `remove()` takes the hook away."""

    def __init__(self, hooks: dict[int, Any], hook: Any) -> None:
        self.hooks, self.key = hooks, next_key()
        hooks[self.key] = hook

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        self.hooks.pop(self.key, None)


class GradFn:
    """A view of the record of a tensor: its operation and where the gradients go next."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor

    def name(self) -> str:
        """The name of the operation."""
        return self.tensor.op.name if self.tensor.op is not None else "leaf"

    @property
    def next_functions(self) -> tuple[tuple[GradFn | None, int], ...]:
        """(function, 0) for each input, as PyTorch has it; (None, 0) for one without gradient."""
        return tuple(
            (None if p is None or not p.requires_grad else GradFn(p), 0)
            for p in self.tensor.parents or ()
        )

    def __repr__(self) -> str:
        return f"<{self.name()}>"
