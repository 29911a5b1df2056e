"""`backward()`: gradients pulled back through the record, and delivered to the leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from . import modes
from .arrays import as_array, unboxed
from .errors import kind_of
from .hooks import Handle
from .methods import on_tensors
from .modes import mode
from .op import Op, ops
from .rows import Rows, RowsGrad
from .tape import Array, pull
from .tensor import Tensor, wrap
from .versions import changed

SEED = Op("seed", np.ones_like)  # what the first gradient is, told like results without a record


def seed_of(t: Tensor, gradient: Any, create_graph: bool) -> Any:
    """The gradient that a backward pass starts from: an array, or a Tensor with create_graph."""
    if not t.requires_grad:
        raise RuntimeError(
            "backward(): this tensor does not require grad: nothing that it was computed from "
            "has requires_grad=True, or it was computed inside no_grad()"
        )
    if gradient is None:
        if t.array.size != 1:
            raise RuntimeError(
                "backward() needs a scalar, or a gradient of the same shape; "
                f"this tensor has shape {t.shape}"
            )
        g = t.array.dtype.type(1) if t.array.ndim == 0 else np.ones(t.shape, t.dtype)
    else:
        g = as_array(gradient)
        if g.shape != t.shape:
            raise RuntimeError(
                f"backward(): the gradient has shape {g.shape}, this tensor has shape {t.shape}"
            )
        g = g.astype(t.dtype, copy=False)
    if not create_graph:
        return g
    if isinstance(gradient, Tensor) and g is gradient.array:
        return gradient
    seed = Tensor(np.asarray(g), name="seed")
    seed.kw = SEED
    return seed


def pull_in_mode(
    seeds: list[tuple[Tensor, Any]], keep: bool, create_graph: bool, **options: Any
) -> dict[Tensor, Any]:
    """`tape.pull` that records what it runs only with `create_graph`."""
    if modes.watchers and mode.watcher is not None:
        options["watch"] = mode.watcher.pulled
    outer = mode.grad
    try:
        mode.grad = create_graph
        return pull(seeds, keep=keep, boxed=create_graph, **options)
    finally:
        mode.grad = outer


def own(g: Any, handed: dict[int, Array]) -> Array:
    """`g`, or a copy if its memory is part of, or shared with, what was handed out before."""
    if g.__class__ is not np.ndarray:  # a NumPy scalar
        return np.asarray(g)
    owner = g.base
    if owner is None:
        owner = g
    elif owner.__class__ is not np.ndarray or owner.nbytes != g.nbytes:
        return g.copy()
    key = id(owner)
    if key in handed:
        return g.copy()
    handed[key] = owner
    return g


ended: list[Callable[[], None]] = []  # what hooks on leaves want done once all gradients are there


def deliver_all(grads: Iterable[tuple[Tensor, Any]], handed: dict[int, Array]) -> None:
    """Add gradients to those of the leaves."""
    for leaf, g in grads:
        deliver(leaf, g, handed)
    while ended:
        ended.pop()()


def deliver(leaf: Tensor, g: Any, handed: dict[int, Array]) -> None:
    """Add a gradient to `leaf.grad`."""
    grad = leaf._grad
    if isinstance(g, Tensor):  # recorded: never changed in place
        g = g if g.requires_grad else ops.constant(g, leaf)
        if grad is not None:
            g = checked(grad, leaf) + g
        leaf._grad = g if own(g.array, handed) is g.array else g.clone()
    elif grad is None:
        leaf._grad = RowsGrad(g) if g.__class__ is Rows else wrap(own(g, handed))
    elif checked(grad, leaf).requires_grad:
        leaf._grad = grad + wrap(g)
    else:
        if grad.array.shape != g.shape or grad.array.dtype != g.dtype:
            raise RuntimeError(
                f"backward(): the grad of a leaf of shape {leaf.shape} was set to a tensor of "
                f"shape {grad.shape} and {grad.dtype}; set it to None or to the leaf's shape and "
                "dtype"
            )
        grad.array += g
        changed(grad)
    if leaf.extra is not None:
        for hook in list(leaf.extra.after.values()):
            hook(leaf)


def checked(grad: Any, leaf: Tensor) -> Tensor:
    """The `grad` that somebody has set; TypeError if it is not a Tensor."""
    if not isinstance(grad, Tensor):
        raise TypeError(
            f"backward(): the grad of a leaf of shape {leaf.shape} was set to a "
            f"{kind_of(grad)}; set it to None or to a Tensor"
        )
    return grad


@on_tensors
class Backward:
    """`backward()` and hooks."""

    def backward(
        self: Any,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add the derivative of this tensor to the `grad` of every leaf it was computed from, or of
        the `inputs` alone, which need not be leaves.

        `gradient` has this tensor's shape, and may be left out for one element. The record is
        released unless `retain_graph`; with `create_graph` the gradients are recorded themselves,
        and refer back to the leaves that hold them: only the garbage collector frees that circle,
        so `grad(...)`, which stores nothing, is the better choice. RuntimeError if nothing requires
        grad, for another shape, a released record, or a value that was changed in place.
        """
        seed = seed_of(self, gradient, create_graph)
        keep = create_graph if retain_graph is None else retain_graph
        handed: dict[int, Array] = {}
        if gradient is not None:
            own(unboxed(seed), handed)
        found: Any = None if inputs is None else {}  # the gradients of all that is reached
        grads = pull_in_mode([(self, seed)], keep, create_graph, found=found)
        if inputs is not None:
            given = inputs if isinstance(inputs, list | tuple) else [inputs]
            grads = {t: found[t] for t in given if t in found}
        deliver_all(grads.items(), handed)

    @property
    def g(self: Any) -> Any:
        """The one attribute of your own that a tensor can keep, such as a gradient by hand; nothing
        reads it. AttributeError before it is set."""
        if self.extra is None or self.extra.g is None:
            raise AttributeError(f"g: nothing was kept in this tensor of shape {self.shape}")
        return self.extra.g

    @g.setter
    def g(self: Any, value: Any) -> None:
        self._more().g = value

    def retain_grad(self: Any) -> None:
        """Keep the gradient of this tensor too, though it is not a leaf."""
        if not self.requires_grad:
            raise RuntimeError("retain_grad(): this tensor does not require grad")
        self._more().retain = True

    def register_hook(self: Any, hook: Callable[[Tensor], Any]) -> Handle:
        """Call `hook(grad)` once per backward with the total gradient of this tensor.

        A tensor that it returns takes the gradient's place. RuntimeError if nothing is required.
        """
        if not self.requires_grad:
            raise RuntimeError("register_hook(): this tensor does not require grad")
        return Handle(self._more().hooks, hook)

    def register_post_accumulate_grad_hook(self: Any, hook: Callable[[Tensor], None]) -> Handle:
        """Call `hook(tensor)` whenever a backward has added to the `grad` of this leaf.

        RuntimeError for a tensor that is no leaf, or that requires no gradient.
        """
        if not self.requires_grad or self.op is not None:
            raise RuntimeError(
                "register_post_accumulate_grad_hook(): only a leaf that requires grad gets a grad"
            )
        return Handle(self._more().after, hook)
