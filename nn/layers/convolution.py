"""Convolutions, their transposes, Unfold and Fold."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from autograd_lite import Tensor, get_default_dtype
from autograd_lite.conversion import require_cpu

from .. import functional, init
from ..functional.convolution import margins
from ..functional.windows import each
from ..module import Module, Parameter
from .unary import Unary

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "Fold",
    "Unfold",
]  # fmt: skip


def by(sizes: tuple[int, ...]) -> str:
    """Sizes as they stand in a formula: one number where they are equal."""
    return str(sizes[0]) if len(set(sizes)) == 1 else " × ".join(map(str, sizes))


class _Conv(Module):
    """What convolutions have in common: `_along` axes, a function, weight and bias."""

    _along: ClassVar[int]
    _of: ClassVar[Callable[..., Tensor]]
    _transposed: ClassVar[bool] = False

    weight: Parameter
    bias: Parameter | None

    def _set(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any, padding: Any,
        dilation: Any, output_padding: Any, groups: int, bias: bool, padding_mode: str,
        device: Any, dtype: Any,
    ) -> None:  # fmt: skip
        name, d = type(self).__name__, self._along
        require_cpu(name, device)
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: groups={groups} should divide in_channels={in_channels} and "
                f"out_channels={out_channels}"
            )
        modes = ("zeros",) if self._transposed else ("zeros", "reflect", "replicate", "circular")
        if padding_mode not in modes:
            raise ValueError(f"{name}: padding_mode is one of {modes}, got {padding_mode!r}")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = each(name, "kernel_size", kernel_size, d)
        self.stride = each(name, "stride", stride, d)
        self.dilation = each(name, "dilation", dilation, d)
        pairs = margins(name, padding, self.kernel_size, self.stride, self.dilation)
        self.padding = padding if isinstance(padding, str) else tuple(low for low, _ in pairs)
        self._frame = [n for pair in pairs[::-1] for n in pair]
        self.output_padding = each(name, "output_padding", output_padding, d, least=0)
        self.groups, self.padding_mode = groups, padding_mode
        first, second = (in_channels, out_channels) if self._transposed else (
            out_channels, in_channels
        )  # fmt: skip
        dtype = dtype or get_default_dtype()
        shape = (first, second // groups, *self.kernel_size)
        self.weight = Parameter(np.empty(shape, dtype))
        self.register_parameter("bias", Parameter(np.empty(out_channels, dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        if self.weight.numel():
            init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            r = 1 / math.sqrt(max(math.prod(self.weight.shape[1:]), 1))
            init.uniform_(self.bias, -r, r)

    def _rest(self) -> str:
        """What its formula says of bias and stride."""
        bias = "" if self.bias is None else " + b"
        return bias if max(self.stride) == 1 else f"{bias}, at stride {by(self.stride)}"

    def extra_repr(self) -> str:
        words = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        zeros, ones = (0,) * self._along, (1,) * self._along
        words += [f"padding={self.padding}"] * (self.padding != zeros)
        words += [f"dilation={self.dilation}"] * (self.dilation != ones)
        words += [f"output_padding={self.output_padding}"] * (self.output_padding != zeros)
        words += [f"groups={self.groups}"] * (self.groups != 1)
        words += ["bias=False"] * (self.bias is None)
        words += [f"padding_mode={self.padding_mode}"] * (self.padding_mode != "zeros")
        return ", ".join(words)


class _Straight(_Conv):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._set(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = functional.pad(input, self._frame, self.padding_mode), 0
        return type(self)._of(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

    @property
    def textbook(self) -> str:
        return f"Y = X ⋆ W{self._rest()}"


class Conv1d(_Straight):
    """A convolution along one axis, (n, in, length) to (n, out, length'); see `Conv2d`.

    >>> Conv1d(2, 5, 3)(Tensor(np.zeros((4, 2, 8)))).shape
    (4, 5, 6)
    """

    _along, _of = 1, functional.conv1d


class Conv2d(_Straight):
    """A convolution: (n, in_channels, height, width) to (n, out_channels, height', width').

    weight is (out, in / groups, *kernel_size) and bias (out,), both uniform at first between
    -1 / sqrt(k) and 1 / sqrt(k) for k = in / groups * kernel_size. The kernel is not flipped; along
    each axis there are (n + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1 outputs.
    `padding` may be "same" or "valid", its elements by `padding_mode` zeros, or those that
    "reflect", "replicate" or "circular" name. ValueError for shapes that do not fit. See `conv2d`.

    >>> layer = Conv2d(3, 8, 5, padding=2)
    >>> layer(Tensor(np.zeros((4, 3, 10, 10)))).shape, layer.weight.shape
    ((4, 8, 10, 10), (8, 3, 5, 5))
    """

    _along, _of = 2, functional.conv2d


class Conv3d(_Straight):
    """A convolution along three axes, (n, in, depth, height, width); see `Conv2d`.

    >>> Conv3d(2, 5, 3)(Tensor(np.zeros((4, 2, 6, 5, 4)))).shape
    (4, 5, 4, 3, 2)
    """

    _along, _of = 3, functional.conv3d


class _Transposed(_Conv):
    _transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._set(
            in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding,
            groups, bias, padding_mode, device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        more = self.output_padding if output_size is None else self._to(input, output_size)
        return type(self)._of(
            input, self.weight, self.bias, self.stride, self.padding, more, self.groups,
            self.dilation,
        )  # fmt: skip

    def _to(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output padding that gives an output of this size."""
        d = self._along
        along = zip(
            input.shape[-d:], self.kernel_size, self.stride, self.padding, self.dilation,
            strict=True,
        )  # fmt: skip
        least = [(n - 1) * s - 2 * p + t * (k - 1) + 1 for n, k, s, p, t in along]
        most = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
        wanted = list(output_size)[-d:]
        pairs = zip(least, wanted, most, strict=True)
        if len(wanted) != d or not all(a <= n <= b for a, n, b in pairs):
            raise ValueError(
                f"{type(self).__name__}: output_size {tuple(output_size)} is not between "
                f"{tuple(least)} and {tuple(most)}, which an input of {input.shape} can give"
            )
        return tuple([n - a for n, a in zip(wanted, least, strict=True)])

    @property
    def textbook(self) -> str:
        return f"Y = Σ of W times every element of X{self._rest()}"


class ConvTranspose1d(_Transposed):
    """A transposed convolution along one axis; see `ConvTranspose2d`.

    >>> ConvTranspose1d(2, 5, 3, stride=2)(Tensor(np.zeros((4, 2, 8)))).shape
    (4, 5, 17)
    """

    _along, _of = 1, functional.conv_transpose1d


class ConvTranspose2d(_Transposed):
    """What `Conv2d` does backward: (n, in_channels, height, width) to a larger one.

    weight is (in, out / groups, *kernel_size). Along each axis there are (n - 1) * stride - 2 *
    padding + dilation * (kernel_size - 1) + 1 + output_padding outputs; a call may ask for an
    `output_size`, of which a stride allows several. ValueError for what it cannot be. See
    `conv_transpose2d`.

    >>> ConvTranspose2d(3, 8, 4, stride=2, padding=1)(Tensor(np.zeros((2, 3, 5, 5)))).shape
    (2, 8, 10, 10)
    """

    _along, _of = 2, functional.conv_transpose2d


class ConvTranspose3d(_Transposed):
    """A transposed convolution along three axes; see `ConvTranspose2d`.

    >>> ConvTranspose3d(2, 5, 2, stride=2)(Tensor(np.zeros((1, 2, 3, 2, 2)))).shape
    (1, 5, 6, 4, 4)
    """

    _along, _of = 3, functional.conv_transpose3d


class Unfold(Unary, of=functional.unfold):
    """The windows of images as columns; see `unfold`.

    >>> Unfold(2)(Tensor(np.zeros((1, 3, 4, 4)))).shape
    (1, 12, 9)
    """

    def __init__(
        self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride


class Fold(Unary, of=functional.fold):
    """Columns added up to images; see `fold`.

    >>> Fold((4, 4), 2)(Tensor(np.zeros((1, 12, 9)))).shape
    (1, 3, 4, 4)
    """

    def __init__(
        self,
        output_size: Any,
        kernel_size: Any,
        dilation: Any = 1,
        padding: Any = 0,
        stride: Any = 1,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride
