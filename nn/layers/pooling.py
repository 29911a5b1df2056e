"""Pooling."""

from __future__ import annotations

from typing import Any, ClassVar

from autograd_lite import Tensor

from .. import functional
from ..functional.windows import each
from ..module import FunctionModule
from .unary import Unary

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "LPPool1d",
    "LPPool2d", "LPPool3d", "MaxPool1d", "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d",
    "MaxUnpool3d",
]  # fmt: skip


class _MaxPool(Unary):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    @property
    def textbook(self) -> str:
        return f"Y = max of every window of X, of {self.kernel_size}, at stride {self.stride}"

    def forward(self, input: Tensor) -> Any:
        return self._of(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool, of=functional.max_pool1d):
    """The largest element of every window along one axis; see `max_pool2d`."""


class MaxPool2d(_MaxPool, of=functional.max_pool2d):
    """The largest element of every window; see `max_pool2d`.

    >>> MaxPool2d(2)(Tensor(np.zeros((1, 3, 6, 4)))).shape
    (1, 3, 3, 2)
    """


class MaxPool3d(_MaxPool, of=functional.max_pool3d):
    """The largest element of every window along three axes; see `max_pool2d`."""


def of_axes(pool: Any, d: int) -> str:
    """The settings with one number for each axis, as PyTorch shows those of some classes."""
    names = ("kernel_size", "stride", "padding")
    return ", ".join(f"{k}={each('', k, getattr(pool, k), d, 0)}" for k in names)


class _MaxUnpool(FunctionModule):
    _axes: ClassVar[int]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding

    def forward(self, input: Tensor, indices: Any, output_size: Any = None) -> Tensor:
        return self._of(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return of_axes(self, self._axes)


class MaxUnpool1d(_MaxUnpool, of=functional.max_unpool1d):
    """Zeros with the elements at the places that MaxPool1d gave; see `max_unpool2d`."""

    _axes = 1


class MaxUnpool2d(_MaxUnpool, of=functional.max_unpool2d):
    """Zeros with the elements at the places that MaxPool2d gave; see `max_unpool2d`."""

    _axes = 2


class MaxUnpool3d(_MaxUnpool, of=functional.max_unpool3d):
    """Zeros with the elements at the places that MaxPool3d gave; see `max_unpool2d`."""

    _axes = 3


class _AvgPool(Unary):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    @property
    def textbook(self) -> str:
        return f"Y = mean of every window of X, of {self.kernel_size}, at stride {self.stride}"

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool, of=functional.avg_pool1d):
    """The mean of every window along one axis; see `avg_pool2d`."""

    def extra_repr(self) -> str:
        return of_axes(self, 1)


class AvgPool2d(_AvgPool, of=functional.avg_pool2d):
    """The mean of every window; see `avg_pool2d`.

    >>> AvgPool2d(2)(Tensor(np.zeros((1, 3, 6, 4)))).shape
    (1, 3, 3, 2)
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.divisor_override = divisor_override


class AvgPool3d(AvgPool2d, of=functional.avg_pool3d):
    """The mean of every window along three axes; see `avg_pool2d`."""


class _LPPool(Unary):
    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool, of=functional.lp_pool1d):
    """The p-norm of every window along one axis; see `lp_pool2d`."""


class LPPool2d(_LPPool, of=functional.lp_pool2d):
    """The p-norm of every window; see `lp_pool2d`."""


class LPPool3d(_LPPool, of=functional.lp_pool3d):
    """The p-norm of every window along three axes; see `lp_pool2d`."""


class _Adaptive(Unary):
    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size


class AdaptiveAvgPool1d(_Adaptive, of=functional.adaptive_avg_pool1d):
    """The means of as many windows as asked for, along one axis; see `adaptive_avg_pool2d`."""


class AdaptiveAvgPool2d(_Adaptive, of=functional.adaptive_avg_pool2d):
    """The means of as many windows as asked for; see `adaptive_avg_pool2d`.

    >>> AdaptiveAvgPool2d((1, 1))(Tensor(np.zeros((1, 3, 6, 4)))).shape
    (1, 3, 1, 1)
    """


class AdaptiveAvgPool3d(_Adaptive, of=functional.adaptive_avg_pool3d):
    """The means of as many windows as asked for, along three axes; see `adaptive_avg_pool2d`."""


class _AdaptiveMax(Unary):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices


class AdaptiveMaxPool1d(_AdaptiveMax, of=functional.adaptive_max_pool1d):
    """The largest of as many windows as asked for, along one axis; see `adaptive_max_pool2d`."""


class AdaptiveMaxPool2d(_AdaptiveMax, of=functional.adaptive_max_pool2d):
    """The largest of as many windows as asked for; see `adaptive_max_pool2d`."""


class AdaptiveMaxPool3d(_AdaptiveMax, of=functional.adaptive_max_pool3d):
    """The largest of as many windows as asked for, along three axes; see `adaptive_max_pool2d`."""
