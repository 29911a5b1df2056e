"""Parameters with some elements held at 0, as in `torch.nn.utils.prune`.

The parameter becomes `weight_orig`, beside a buffer `weight_mask`; before every forward pass
`weight` is their product. What is pruned again loses a part of what remained.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np

from autograd_lite import Tensor, as_tensor, default_generator
from autograd_lite.absent import missing
from autograd_lite.engine.axes import one_axis
from autograd_lite.engine.errors import MisfitError

from ..module import Module
from .recomputed import M, Recomputed, ended, hook_of, started

__all__ = [
    "L1Unstructured", "RandomUnstructured", "custom_from_mask", "global_unstructured", "is_pruned",
    "l1_unstructured", "ln_structured", "random_structured", "random_unstructured", "remove",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)


class Pruned(Recomputed):
    """orig * mask"""

    parts = ("orig", "mask")

    def compute(self, module: Module) -> Tensor:
        orig, mask = (self.part(module, end) for end in self.parts)
        product: Tensor = orig * mask
        return product


def masked(module: M, name: str, keep: Any) -> M:
    """Hold at 0 what is not kept, and what was held before."""
    hook = hook_of(module, name, Pruned)
    if hook is None:
        weight = started("prune", module, name, Pruned)
        return Pruned(name).begin(module, orig=weight, mask=Tensor(keep.astype(weight.dtype)))
    mask = hook.part(module, "mask").array
    setattr(module, f"{name}_mask", Tensor(mask * keep))
    setattr(module, name, hook.compute(module))
    return module


def kept(module: Module, name: str) -> Any:
    """Where an attribute is not held at 0 so far."""
    hook = hook_of(module, name, Pruned)
    if hook is None:
        return np.ones(started("prune", module, name, Pruned).shape, bool)
    return hook.part(module, "mask").array != 0


def number(amount: float, n: int) -> int:
    """How many of n: an int, or a part between 0 and 1. ValueError for anything else."""
    if isinstance(amount, Integral) and 0 <= amount <= n:
        return int(amount)
    if isinstance(amount, Real) and not isinstance(amount, Integral) and 0 <= amount <= 1:
        return round(float(amount) * n)
    raise ValueError(f"prune: amount is an int up to {n} or a float from 0 to 1, got {amount!r}")


class L1Unstructured:
    """The elements nearest to 0, as `pruning_method` of `global_unstructured`."""

    @staticmethod
    def order(scores: Any) -> Any:
        """Which come first."""
        return np.argsort(np.abs(scores), kind="stable")


class RandomUnstructured:
    """Elements at random, as `pruning_method` of `global_unstructured`."""

    @staticmethod
    def order(scores: Any) -> Any:
        """Which come first."""
        return default_generator().permutation(len(scores))


def without_first(method: Any, scores: Any, keep: Any, amount: float) -> Any:
    """`keep` without the elements that come first by a method."""
    (places,) = np.nonzero(keep.ravel())
    first = method.order(scores.ravel()[places])[: number(amount, len(places))]
    left = keep.copy()
    left.reshape(-1)[places[first]] = False
    return left


def scores_of(module: Module, name: str, given: Any) -> Any:
    """The scores that were given, else the values."""
    values = getattr(module, name).array
    scores = values if given is None else as_tensor(given).array
    if scores.shape != values.shape:
        raise MisfitError(f"prune: importance_scores of {scores.shape} for {values.shape}")
    return scores


def l1_unstructured(module: M, name: str, amount: float, importance_scores: Any = None) -> M:
    """Hold at 0 the elements nearest to 0: `amount` of them, or a part of those that are left.

    `importance_scores` are looked at in place of the elements. ValueError for an amount that
    cannot be, or if the module has no such parameter.

    >>> layer = nn.Linear(2, 2)
    >>> _ = layer.weight.data.copy_(tensor([[0.1, -2.0], [3.0, -0.4]]))
    >>> l1_unstructured(layer, "weight", amount=2).weight_mask.tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    keep, scores = kept(module, name), scores_of(module, name, importance_scores)
    return masked(module, name, without_first(L1Unstructured, scores, keep, amount))


def random_unstructured(module: M, name: str, amount: float) -> M:
    """Hold at 0 elements at random: `amount` of them, or a part of those that are left.

    >>> int(random_unstructured(nn.Linear(2, 2), "weight", amount=3).weight_mask.sum())
    1
    """
    keep = kept(module, name)
    return masked(module, name, without_first(RandomUnstructured, keep, keep, amount))


def structured(module: M, name: str, amount: float, dim: int, scores: Any, method: type[Any]) -> M:
    """Hold rows along `dim` at 0, whose `scores` are a function of what is kept and the other axes.
    IndexError if there is no such axis."""
    keep = kept(module, name)
    dim = one_axis("prune", keep, dim)
    others = tuple(i for i in range(keep.ndim) if i != dim)
    some = keep.any(axis=others)
    rows = without_first(method, scores(some, others), some, amount)
    return masked(module, name, keep & np.expand_dims(rows, others))


def ln_structured(
    module: M, name: str, amount: float, n: float, dim: int, importance_scores: Any = None
) -> M:
    """Hold at 0 the rows along `dim` with the least n-norm: `amount` of them, or a part of those
    that are left.

    >>> layer = nn.Linear(2, 2)
    >>> _ = layer.weight.data.copy_(tensor([[0.1, -2.0], [3.0, -0.4]]))
    >>> ln_structured(layer, "weight", amount=1, n=2, dim=0).weight_mask.tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    """

    def norms(some: Any, axes: tuple[int, ...]) -> Any:
        return Tensor(scores_of(module, name, importance_scores)).norm(n, dim=axes).array

    return structured(module, name, amount, dim, norms, L1Unstructured)


def random_structured(module: M, name: str, amount: float, dim: int) -> M:
    """Hold at 0 rows along `dim` at random: `amount` of them, or a part of those that are left.

    >>> random_structured(nn.Linear(2, 2), "weight", 1, dim=0).weight_mask.sum().item()
    2.0
    """
    return structured(module, name, amount, dim, lambda some, _: some, RandomUnstructured)


def custom_from_mask(module: M, name: str, mask: Any) -> M:
    """Hold at 0 what a mask of the same shape has as 0.

    >>> custom_from_mask(nn.Linear(2, 1), "weight", tensor([[1, 0]])).weight_mask.tolist()
    [[1.0, 0.0]]
    """
    keep = kept(module, name)
    chosen = as_tensor(mask).array != 0
    if chosen.shape != keep.shape:
        raise MisfitError(f"custom_from_mask: a mask of {chosen.shape} for {name} of {keep.shape}")
    return masked(module, name, keep & chosen)


def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: Any,
    importance_scores: Any = None,
    *,
    amount: float,
) -> None:
    """Hold at 0 elements of several parameters as if they were one: pairs of a module and a name.

    `importance_scores` has the scores of some of them by such pairs.

    >>> net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    >>> both = [(net[0], "weight"), (net[1], "weight")]
    >>> global_unstructured(both, L1Unstructured, amount=0.5)
    >>> int(net[0].weight_mask.sum() + net[1].weight_mask.sum())
    4
    """
    pairs, given = list(parameters), importance_scores or {}
    masks = [kept(*pair) for pair in pairs]
    scores = [scores_of(*pair, given.get(pair)).ravel() for pair in pairs]
    every = np.concatenate([mask.ravel() for mask in masks])
    left = without_first(pruning_method, np.concatenate(scores), every, amount)
    ends = np.cumsum([mask.size for mask in masks])[:-1]
    for (module, name), mask, part in zip(pairs, masks, np.split(left, ends), strict=True):
        masked(module, name, part.reshape(mask.shape))


def remove(module: M, name: str) -> M:
    """Make a parameter of its own of what was pruned, with the zeros; ValueError if it was not.

    >>> remove(l1_unstructured(nn.Linear(2, 1), "weight", amount=1), "weight")
    Linear(in_features=2, out_features=1, bias=True)  # 3 parameters
    """
    return ended("prune.remove", module, name, Pruned)


def is_pruned(module: Module) -> bool:
    """Whether something in a module is pruned.

    >>> is_pruned(nn.Linear(1, 1))
    False
    """
    hooks = (hook for part in module.modules() for hook in part._forward_pre_hooks.values())
    return any(isinstance(hook, Pruned) for hook in hooks)
