"""Frames around images: of a number, or of the elements themselves."""

from __future__ import annotations

from typing import Any, ClassVar

from autograd_lite import Tensor

from .. import functional
from ..functional.windows import each
from ..module import Module

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d",
    "ConstantPad3d", "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d",
    "ReplicationPad2d", "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip


class _Pad(Module):
    """A frame around the last `_along` axes: one width, or (low, high) of each, the last first."""

    _along: ClassVar[int]
    _mode: ClassVar[str]
    value = 0.0

    def __init__(self, padding: Any) -> None:
        super().__init__()
        name = type(self).__name__
        widths = [padding] * (2 * self._along) if isinstance(padding, int) else padding
        if len(widths) != 2 * self._along:
            raise ValueError(
                f"{name}: padding is one int or {2 * self._along} of them, (low, high) of each "
                f"axis, the last first; got {padding}"
            )
        self.padding = each(name, "padding", widths, len(widths), least=-(2**31))

    def forward(self, input: Tensor) -> Tensor:
        return functional.pad(input, self.padding, self._mode, self.value)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _Constant(_Pad):
    _mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_Constant):
    """A frame of one number along one axis; see `pad`."""

    _along = 1


class ConstantPad2d(_Constant):
    """A frame of one number: padding is a width, or (left, right, top, bottom); see `pad`.

    >>> ConstantPad2d((1, 0, 0, 0), 7.0)(Tensor([[[[1.0]]]])).tolist()
    [[[[7.0, 1.0]]]]
    """

    _along = 2


class ConstantPad3d(_Constant):
    """A frame of one number along three axes; see `pad`."""

    _along = 3


class ZeroPad1d(_Pad):
    """A frame of zeros along one axis; see `pad`."""

    _along, _mode = 1, "constant"


class ZeroPad2d(_Pad):
    """A frame of zeros: padding is a width, or (left, right, top, bottom); see `pad`.

    >>> ZeroPad2d(1)(Tensor(np.zeros((1, 1, 2, 3)))).shape
    (1, 1, 4, 5)
    """

    _along, _mode = 2, "constant"


class ZeroPad3d(_Pad):
    """A frame of zeros along three axes; see `pad`."""

    _along, _mode = 3, "constant"


class ReflectionPad1d(_Pad):
    """A frame that mirrors the elements at the edge, along one axis; see `pad`."""

    _along, _mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """A frame that mirrors the elements at the edge; see `pad`.

    >>> ReflectionPad2d((1, 0, 0, 0))(Tensor([[[[1.0, 2.0]]]])).tolist()
    [[[[2.0, 1.0, 2.0]]]]
    """

    _along, _mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """A frame that mirrors the elements at the edge, along three axes; see `pad`."""

    _along, _mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """A frame that repeats the edge, along one axis; see `pad`."""

    _along, _mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """A frame that repeats the edge; see `pad`.

    >>> ReplicationPad2d((1, 0, 0, 0))(Tensor([[[[1.0, 2.0]]]])).tolist()
    [[[[1.0, 1.0, 2.0]]]]
    """

    _along, _mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """A frame that repeats the edge, along three axes; see `pad`."""

    _along, _mode = 3, "replicate"


class CircularPad1d(_Pad):
    """A frame that goes on at the other end, along one axis; see `pad`."""

    _along, _mode = 1, "circular"


class CircularPad2d(_Pad):
    """A frame that goes on at the other end; see `pad`.

    >>> CircularPad2d((1, 0, 0, 0))(Tensor([[[[1.0, 2.0]]]])).tolist()
    [[[[2.0, 1.0, 2.0]]]]
    """

    _along, _mode = 2, "circular"


class CircularPad3d(_Pad):
    """A frame that goes on at the other end, along three axes; see `pad`."""

    _along, _mode = 3, "circular"
