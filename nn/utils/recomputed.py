"""Weights that a hook computes before every forward pass: `weight_norm`, `spectral_norm` and
`prune` under their older names, with PyTorch's state_dict keys."""

from __future__ import annotations

from typing import Any, TypeVar

from autograd_lite import Tensor, no_grad

from ..functional.normalization import normalize
from ..module import Module, Parameter
from .parametrizations import matrix_of, norm_except, power_steps, rows_of

__all__ = ["remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]

M = TypeVar("M", bound=Module)


class Recomputed:
    """A hook that sets the attribute `name` of a module to what `compute` makes of others."""

    parts: tuple[str, ...]  # what the names of those end with

    def __init__(self, name: str) -> None:
        self.name = name

    def compute(self, module: Module) -> Tensor:
        """The attribute; each kind has its own."""
        raise NotImplementedError

    def __call__(self, module: Module, args: Any) -> None:
        setattr(module, self.name, self.compute(module))

    def part(self, module: Module, end: str) -> Any:
        """One of those that it is computed from."""
        return getattr(module, f"{self.name}_{end}")

    def begin(self, module: M, **parts: Tensor) -> M:
        """Put parts in the place of the parameter; those that are Parameters are trained."""
        delattr(module, self.name)
        for end, t in parts.items():
            add = module.register_parameter if isinstance(t, Parameter) else module.register_buffer
            add(f"{self.name}_{end}", t)  # type: ignore[arg-type]
        setattr(module, self.name, self.compute(module))
        module.register_forward_pre_hook(self)
        return module

    def end(self, module: M) -> M:
        """The parameter as it was computed last, in the place of the parts."""
        with no_grad():
            value = self.compute(module)
        kept = self.part(module, "orig") if "orig" in self.parts else Parameter(value)
        kept.data = value  # an optimizer may have the original
        delattr(module, self.name)
        for end in self.parts:
            delattr(module, f"{self.name}_{end}")
        hooks = module._forward_pre_hooks
        del hooks[next(key for key, hook in hooks.items() if hook is self)]
        module.register_parameter(self.name, kept)
        return module


def hook_of(module: Module, name: str, kind: type[Recomputed]) -> Any:
    """The hook of a kind that computes an attribute; None if there is none."""
    hooks = module._forward_pre_hooks.values()
    return next((h for h in hooks if isinstance(h, kind) and h.name == name), None)


def started(word: str, module: Module, name: str, kind: type[Recomputed]) -> Parameter:
    """The parameter that is to be computed. ValueError if there is none; RuntimeError if it is
    computed already."""
    if hook_of(module, name, kind) is not None:
        raise RuntimeError(f"{word}: {name!r} of {type(module).__name__} has it already")
    if name not in module._parameters:
        raise ValueError(f"{word}: {type(module).__name__} has no parameter {name!r}")
    found: Parameter = getattr(module, name)
    return found


def ended(word: str, module: M, name: str, kind: type[Recomputed]) -> M:
    hook = hook_of(module, name, kind)
    if hook is None:
        raise ValueError(f"{word}: {name!r} of {type(module).__name__} has none")
    return hook.end(module)


class WeightNorm(Recomputed):
    """g * v / norm(v)"""

    parts = ("g", "v")

    def __init__(self, name: str, dim: int | None) -> None:
        super().__init__(name)
        self.dim = dim

    def compute(self, module: Module) -> Tensor:
        v = self.part(module, "v")
        return v * (self.part(module, "g") / norm_except(v, self.dim))


class SpectralNorm(Recomputed):
    """The weight over an estimate of its largest singular value."""

    parts = ("orig", "u", "v")

    def __init__(self, name: str, steps: int, eps: float, dim: int) -> None:
        super().__init__(name)
        self.n_power_iterations, self.eps, self.dim = steps, eps, dim

    def compute(self, module: Module, training: bool = False) -> Tensor:
        weight, u, v = (self.part(module, end) for end in self.parts)
        w = matrix_of(weight, self.dim)
        if training:  # here v is first
            power_steps(w.mT, v, u, self.n_power_iterations, self.eps)
        return weight / (u.clone() @ (w @ v.clone()))

    def __call__(self, module: Module, args: Any) -> None:
        setattr(module, self.name, self.compute(module, module.training))


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """`nn.utils.parametrizations.weight_norm` by a hook: the parameters are `weight_g`, the
    lengths, and `weight_v`, the directions.

    ValueError if the module has no such parameter, RuntimeError if it has the norm already.

    >>> list(weight_norm(nn.Linear(2, 1)).state_dict())
    ['bias', 'weight_g', 'weight_v']
    """
    weight = started("weight_norm", module, name, WeightNorm)
    with no_grad():
        g = Parameter(norm_except(weight, dim))
    return WeightNorm(name, dim).begin(module, g=g, v=Parameter(weight.data))


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Undo `weight_norm`; ValueError where there is none.

    >>> remove_weight_norm(weight_norm(nn.Linear(2, 1)))
    Linear(in_features=2, out_features=1, bias=True)  # 3 parameters
    """
    return ended("remove_weight_norm", module, name, WeightNorm)


def spectral_norm(
    module: M,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> M:
    """`nn.utils.parametrizations.spectral_norm` by a hook: the parameter is `weight_orig`, and the
    buffers `weight_u` and `weight_v` are its singular vectors, which each forward in training mode
    improves.

    ValueError if the module has no such parameter, RuntimeError if it has the norm already.

    >>> list(spectral_norm(nn.Linear(2, 1)).state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    weight = started("spectral_norm", module, name, SpectralNorm)
    if n_power_iterations < 1:
        raise ValueError(f"spectral_norm: {n_power_iterations} iterations; it takes at least one")
    dim = rows_of(module, dim)
    with no_grad():
        drawn = [weight.new_empty(n).normal_() for n in matrix_of(weight, dim).shape]
        u, v = (normalize(t, dim=0, eps=eps) for t in drawn)
    hook = SpectralNorm(name, n_power_iterations, eps, dim)
    hook.begin(module, orig=weight, u=u, v=v)
    setattr(module, name, weight.data)  # until the first forward
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Undo `spectral_norm`, and keep the weight as it was computed; ValueError where there is none.

    >>> remove_spectral_norm(spectral_norm(nn.Linear(2, 1)))
    Linear(in_features=2, out_features=1, bias=True)  # 3 parameters
    """
    return ended("remove_spectral_norm", module, name, SpectralNorm)
