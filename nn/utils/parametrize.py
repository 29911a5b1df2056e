"""Parameters that are computed from others wherever they are read, in the words of
`torch.nn.utils.parametrize`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograd_lite import Tensor, no_grad
from autograd_lite.engine.errors import MisfitError

from ..module import Module, ModuleDict, ModuleList, Parameter

__all__ = [
    "ParametrizationList", "is_parametrized", "register_parametrization", "remove_parametrizations",
    "type_before_parametrizations",
]  # fmt: skip


class ParametrizationList(ModuleList):
    """What a parameter is computed from: `original`, or `original0`, `original1`, ... where the
    first of the modules takes several; a call computes it."""

    def __init__(self, modules: Sequence[Module], original: Tensor) -> None:
        super().__init__(list(modules))
        kind = Parameter if isinstance(original, Parameter) else Tensor
        new = self._inverse(original)
        self.is_tensor = isinstance(new, Tensor)
        if self.is_tensor and kind is Parameter:
            original.data = new.data  # the same object, which an optimizer may have
            self.original = original
        else:
            names = ["original"] if self.is_tensor else [f"original{i}" for i in range(len(new))]
            for name, t in zip(names, [new] if self.is_tensor else new, strict=True):
                if kind is Parameter:
                    self.register_parameter(name, Parameter(t.detach().clone()))
                else:
                    self.register_buffer(name, t)

    def originals(self) -> list[Tensor]:
        """The tensors that it is computed from."""
        return [getattr(self, n) for n in (*self._parameters, *self._buffers)]

    def _inverse(self, value: Any) -> Any:
        with no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    value = module.right_inverse(value)
        return value

    def right_inverse(self, value: Tensor) -> None:
        """Change the originals so that `value` is what is computed."""
        new = self._inverse(value)
        with no_grad():
            for t, x in zip(self.originals(), [new] if self.is_tensor else new, strict=True):
                t.copy_(x)

    def forward(self) -> Any:
        first, *rest = self
        x = first(*self.originals())
        for module in rest:
            x = module(x)
        return x


class Parametrized:
    """What is said of the class of a module that has such parameters."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("parametrizations", {}):
            self.parametrizations[name].right_inverse(value)  # type: ignore[attr-defined]
        else:
            super().__setattr__(name, value)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Read `module.tensor_name` as `parametrization(original)` from now on, and train the original;
    several follow one another. A `right_inverse(value)` says which original stands for a value.

    ValueError for what is no parameter or buffer, and, unless `unsafe`, for another shape or dtype.

    >>> class Symmetric(nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).mT
    >>> layer = register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.mT).all())
    True
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'parametrizations.weight.original']
    """
    if is_parametrized(module, tensor_name):
        parts, value = module.parametrizations[tensor_name], getattr(module, tensor_name)
        inverse = getattr(parametrization, "right_inverse", None)
        start = value if inverse is None else inverse(value)
        if not unsafe:
            _check_like(value, parametrization(start), tensor_name, parametrization)
        if inverse is not None:
            parts.right_inverse(start)
        parts.append(parametrization)
    elif tensor_name in module._parameters or tensor_name in module._buffers:
        original = getattr(module, tensor_name)
        before = original.data
        try:
            parts = ParametrizationList([parametrization], original)
            if not unsafe:
                _check_like(before, parts(), tensor_name, parametrization)
        except Exception:
            original.data = before
            raise
        delattr(module, tensor_name)
        if not is_parametrized(module):
            module.parametrizations = ModuleDict()
        module.parametrizations[tensor_name] = parts
        _compute(module, type_before_parametrizations(module))
    else:
        raise ValueError(
            f"register_parametrization: {type(module).__name__} has no parameter or buffer "
            f"{tensor_name!r}"
        )
    return module


def _check_like(before: Tensor, now: Tensor, tensor_name: str, parametrization: Module) -> None:
    """MisfitError for another shape or dtype."""
    if now.shape != before.shape or now.dtype != before.dtype:
        raise MisfitError(
            f"register_parametrization: {type(parametrization).__name__} makes {now.dtype} of "
            f"shape {now.shape} of {tensor_name}, which is {before.dtype} of {before.shape}; say "
            "unsafe=True where that is meant"
        )


def _compute(module: Module, kind: type[Module]) -> None:
    """Give a module a class of its own that computes its parametrized tensors: a copy of the module
    shares the one that it had."""

    def computed(name: str) -> property:
        return property(lambda self: self.parametrizations[name]())

    members: dict[str, Any] = {name: computed(name) for name in module.parametrizations}
    members |= {"__module__": __name__, "__qualname__": f"Parametrized{kind.__qualname__}"}
    module.__class__ = type(f"Parametrized{kind.__name__}", (Parametrized, kind), members)


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module, or one of its parameters, is computed so.

    >>> is_parametrized(nn.Linear(1, 1))
    False
    """
    if not isinstance(module, Parametrized):
        return False
    return tensor_name is None or tensor_name in module.__dict__["parametrizations"]


def type_before_parametrizations(module: Module) -> type:
    """The class of a module, without what `register_parametrization` made of it.

    >>> type_before_parametrizations(nn.Linear(1, 1)).__name__
    'Linear'
    """
    return type(module).__bases__[1] if is_parametrized(module) else type(module)


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make a parameter of its own again: with the value that was computed, or the original's.

    ValueError where it is not parametrized, or has several originals and `leave_parametrized` is
    False.

    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 1))
    >>> remove_parametrizations(layer, "weight")
    Linear(in_features=2, out_features=1, bias=True)  # 3 parameters
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"remove_parametrizations: {tensor_name!r} is not parametrized")
    parts = module.parametrizations[tensor_name]
    if not (leave_parametrized or parts.is_tensor):
        raise ValueError(
            f"remove_parametrizations: {tensor_name!r} is computed from {len(parts.originals())} "
            "tensors, and none of them is it; leave_parametrized=True keeps the value"
        )
    value, old = getattr(module, tensor_name), parts.originals()[0]
    kind = type_before_parametrizations(module)
    if parts.is_tensor:
        kept = old
        if leave_parametrized:
            kept.data = value.data
    else:
        kept = (Parameter if isinstance(old, Parameter) else Tensor)(value.detach())
    del module.parametrizations[tensor_name]
    if len(module.parametrizations):
        _compute(module, kind)
    else:
        del module.parametrizations
        module.__class__ = kind
    if isinstance(kept, Parameter):
        module.register_parameter(tensor_name, kept)
    else:
        module.register_buffer(tensor_name, kept)
    return module
