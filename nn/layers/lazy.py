"""Layers that find the size of their input when they are first called."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from autograd_lite import Tensor
from autograd_lite.creation import default_generator

from ..module import Module
from .convolution import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from .linear import Linear
from .normalization import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
)

__all__ = [
    "LazyBatchNorm1d", "LazyBatchNorm2d", "LazyBatchNorm3d", "LazyConv1d", "LazyConv2d",
    "LazyConv3d", "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d",
    "LazyInstanceNorm1d", "LazyInstanceNorm2d", "LazyInstanceNorm3d", "LazyLinear",
]  # fmt: skip


class _Lazy(Module):
    """A layer without elements, until a call tells the size of the input along an axis."""

    _layer: ClassVar[type[Module]]
    _axis: ClassVar[int]
    _lazy = True

    def __init_subclass__(cls, axis: int) -> None:
        super().__init_subclass__()
        cls._axis = axis
        cls._layer = next(base for base in cls.__bases__ if base.__module__ != __name__)
        given = inspect.signature(cls._layer)
        if cls.__init__ is _Lazy.__init__:
            cls.__signature__ = given.replace(parameters=[*given.parameters.values()][1:])  # type: ignore[attr-defined]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        generator = default_generator().bit_generator
        state = generator.state
        super().__init__(0, *args, **kwargs)  # type: ignore[call-arg]
        generator.state = state  # what is drawn is drawn when the size is known
        named = (*self.named_parameters(), *self.named_buffers())
        self._given = args, kwargs, {name: t.shape for name, t in named}

    def _open(self) -> dict[int, tuple[int, ...]]:
        shapes = self._given[2]
        named = (*self.named_parameters(), *self.named_buffers())
        return {id(t): shapes[name] for name, t in named if name in shapes}

    def forward(self, input: Tensor, *rest: Any) -> Any:
        """Become the layer for this input, with the parameters that optimizers have, and with their
        values if a state was loaded, and call it; a call that fails changes nothing."""
        size = input.shape[self._axis] if -input.ndim <= self._axis < input.ndim else 0
        args, kwargs, _ = self._given
        generator = default_generator().bit_generator
        state = generator.state
        whole = self._layer(size, *args, **kwargs)  # type: ignore[call-arg]
        lazy: type[Module] = type(self)
        attributes = dict(vars(self))
        mine = [*self.parameters(), *self.buffers()]
        arrays = [t.array for t in mine]
        if all(a.size for a in arrays):  # a state was loaded
            generator.state = state
        else:
            for t, found in zip(mine, [*whole.parameters(), *whole.buffers()], strict=True):
                t.array = found.array.astype(t.dtype, order="K", copy=False)
        same = {k: v for k, v in vars(whole).items() if k not in attributes or is_plain(v)}
        vars(self).update(same, training=self.training)
        del self._given
        self.__class__ = self._layer  # type: ignore[assignment]
        try:
            return self(input, *rest) if rest else self.forward(input)
        except Exception:
            self.__class__ = lazy  # type: ignore[assignment]
            vars(self).clear()
            vars(self).update(attributes)
            for t, array in zip(mine, arrays, strict=True):
                t.array = array
            raise

    def reset_parameters(self) -> None:
        """Nothing, as there are no elements yet."""


class _Whole:
    """With parameters and running statistics, which only the lazy InstanceNorm has by default."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(eps, momentum, affine, track_running_stats, device, dtype)  # type: ignore[call-arg]


def is_plain(x: Any) -> bool:
    """Whether it is a setting, no tensor and no registry."""
    return not isinstance(x, Tensor | dict)


class LazyLinear(_Lazy, Linear, axis=-1):
    """`Linear` that finds `in_features` when it is first called, and is a Linear from then on.

    Until then its weight has no elements, or those of a state that was loaded; an optimizer may
    have it already. `draw`, `diagnose` and the first call of what `compile` gives are such a call.

    >>> layer = LazyLinear(2)
    >>> layer(Tensor([[1.0, 2.0, 3.0]])).shape, type(layer).__name__, layer.weight.shape
    ((1, 2), 'Linear', (2, 3))
    """


class LazyConv1d(_Lazy, Conv1d, axis=-2):
    """`Conv1d` that finds `in_channels` when it is first called; see `LazyLinear`."""


class LazyConv2d(_Lazy, Conv2d, axis=-3):
    """`Conv2d` that finds `in_channels` when it is first called; see `LazyLinear`."""


class LazyConv3d(_Lazy, Conv3d, axis=-4):
    """`Conv3d` that finds `in_channels` when it is first called; see `LazyLinear`."""


class LazyConvTranspose1d(_Lazy, ConvTranspose1d, axis=-2):
    """`ConvTranspose1d` that finds `in_channels` when it is first called; see `LazyLinear`."""


class LazyConvTranspose2d(_Lazy, ConvTranspose2d, axis=-3):
    """`ConvTranspose2d` that finds `in_channels` when it is first called; see `LazyLinear`."""


class LazyConvTranspose3d(_Lazy, ConvTranspose3d, axis=-4):
    """`ConvTranspose3d` that finds `in_channels` when it is first called; see `LazyLinear`."""


class LazyBatchNorm1d(_Lazy, BatchNorm1d, axis=1):
    """`BatchNorm1d` that finds `num_features` when it is first called; see `LazyLinear`."""


class LazyBatchNorm2d(_Lazy, BatchNorm2d, axis=1):
    """`BatchNorm2d` that finds `num_features` when it is first called; see `LazyLinear`."""


class LazyBatchNorm3d(_Lazy, BatchNorm3d, axis=1):
    """`BatchNorm3d` that finds `num_features` when it is first called; see `LazyLinear`."""


class LazyInstanceNorm1d(_Whole, _Lazy, InstanceNorm1d, axis=-2):
    """`InstanceNorm1d` that finds `num_features` when it is first called; see `LazyLinear`."""


class LazyInstanceNorm2d(_Whole, _Lazy, InstanceNorm2d, axis=-3):
    """`InstanceNorm2d` that finds `num_features` when it is first called; see `LazyLinear`."""


class LazyInstanceNorm3d(_Whole, _Lazy, InstanceNorm3d, axis=-4):
    """`InstanceNorm3d` that finds `num_features` when it is first called; see `LazyLinear`."""
