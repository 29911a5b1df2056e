"""Images of another size."""

from __future__ import annotations

from typing import Any

from autograd_lite import Tensor

from .. import functional
from ..module import Module
from .unary import Unary

__all__ = [
    "ChannelShuffle",
    "PixelShuffle",
    "PixelUnshuffle",
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
]


class Upsample(Module):
    """Images resampled to a size, or to a factor times theirs; see `interpolate`.

    >>> Upsample(scale_factor=2)(Tensor(np.zeros((1, 3, 4, 5)))).shape
    (1, 3, 8, 10)
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        many = isinstance(scale_factor, tuple | list)
        self.scale_factor = (
            tuple(map(float, scale_factor)) if many else scale_factor and float(scale_factor)
        )
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return functional.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners,
            self.recompute_scale_factor,
        )  # fmt: skip

    def extra_repr(self) -> str:
        by_size = self.scale_factor is None
        what = f"size={self.size}" if by_size else f"scale_factor={self.scale_factor}"
        return f"{what}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Upsample with mode "nearest"."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """Upsample with mode "bilinear" and align_corners."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "bilinear", True)


class PixelShuffle(Unary, of=functional.pixel_shuffle):
    """Channels exchanged for pixels; see `pixel_shuffle`.

    >>> PixelShuffle(2)(Tensor(np.zeros((1, 8, 3, 3)))).shape
    (1, 2, 6, 6)
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor


class PixelUnshuffle(Unary, of=functional.pixel_unshuffle):
    """Pixels exchanged for channels; see `pixel_unshuffle`."""

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor


class ChannelShuffle(Unary, of=functional.channel_shuffle):
    """The channels of groups in turn; see `channel_shuffle`."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups
