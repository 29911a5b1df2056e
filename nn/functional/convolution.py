"""Convolutions, which are correlations, and what they are made of: unfold and fold."""

from __future__ import annotations

from math import prod
from typing import Any

from autograd_lite import Tensor
from autograd_lite.engine.rules import ops
from autograd_lite.engine.tensor import as_tensor

from .windows import Sizes, batched, each, framed, other_than

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "fold", "unfold",
]  # fmt: skip


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """`conv2d` along one axis: (n, c, length) with a weight (o, c / groups, size).

    >>> conv1d(Tensor([[[1.0, 2.0, 4.0]]]), Tensor([[[1.0, -1.0]]])).tolist()
    [[[-1.0, -2.0]]]
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The correlation of input (n, c, height, width) with weight (o, c / groups, *size), plus bias.

    y[n, o, i, j] is the sum over c, k and l of x[n, c, stride * i + dilation * k, ...] times
    w[o, c, k, l]: the kernel is not flipped. Along each axis there are
    (n + 2 * padding - dilation * (size - 1) - 1) // stride + 1 outputs. `padding` is zeros on both
    sides, "valid" is none, "same" so many that the size stays, which needs stride 1. The samples
    may be left out. ValueError for shapes that do not fit.

    >>> x = Tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> conv2d(x, Tensor([[[[1.0, 0.0], [0.0, 10.0]]]])).tolist()
    [[[[41.0]]]]
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """`conv2d` along three axes: (n, c, depth, height, width) with (o, c / groups, *size).

    >>> conv3d(Tensor([[[[[1.0, 2.0]]]]]), Tensor([[[[[3.0]]]]])).tolist()
    [[[[[3.0, 6.0]]]]]
    """
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def _conv(
    name: str, d: int, input: Any, weight: Any, bias: Any,
    stride: Any, padding: Any, dilation: Any, groups: int,
) -> Any:  # fmt: skip
    check_weight(name, weight, d, groups, weight.shape[:1])
    size = weight.shape[2:]
    stride, dilation = each(name, "stride", stride, d), each(name, "dilation", dilation, d)
    pairs = margins(name, padding, size, stride, dilation)

    def correlated(x: Tensor) -> Tensor:
        check_channels(name, x, weight.shape[1] * groups, weight, groups)
        along = zip(x.shape[2:], pairs, size, stride, dilation, strict=True)
        out = tuple([(n + sum(p) - t * (k - 1) - 1) // s + 1 for n, p, k, s, t in along])
        if min(out) < 1:
            raise ValueError(
                f"{name}: a kernel of {size} does not fit into the input of shape {x.shape}: along "
                "each axis the output has (n + 2 * padding - dilation * (size - 1) - 1) // stride "
                f"+ 1 elements, {out}; take a smaller kernel, or more padding"
            )
        return ops.conv(framed(x, pairs), weight, *biases, **settings(stride, dilation, groups))

    biases = () if bias is None else (check_bias(name, bias, weight.shape[0]),)
    return batched(name, input, d, correlated)


def settings(stride: Sizes, dilation: Sizes, groups: int = 1) -> dict[str, Any]:
    """What of them is not the default of an operation."""
    found = {"stride": other_than(1, stride), "dilation": other_than(1, dilation)}
    return {k: v for k, v in found.items() if v} | ({"groups": groups} if groups != 1 else {})


def margins(name: str, padding: Any, size: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    """The pairs of zeros before and after each axis that `padding` says."""
    if isinstance(padding, str):
        if padding not in ("valid", "same"):
            raise ValueError(f"{name}: padding is numbers, 'valid' or 'same', got {padding!r}")
        if padding == "same" and max(stride) > 1:
            raise ValueError(f"{name}: padding 'same' needs stride 1, got {stride}")
        totals = [(padding == "same") * t * (k - 1) for k, t in zip(size, dilation, strict=True)]
        return [(n // 2, n - n // 2) for n in totals]
    return [(n, n) for n in each(name, "padding", padding, len(size), least=0)]


def check_weight(name: str, weight: Any, d: int, groups: int, outputs: Sizes) -> None:
    if weight.ndim != d + 2:
        raise ValueError(
            f"{name}: the weight has shape {weight.shape}, and it needs {d + 2} axes: two of "
            f"channels and {d} of the kernel"
        )
    if groups < 1 or outputs[0] % groups:
        raise ValueError(
            f"{name}: {groups} groups for a weight of shape {weight.shape}; they should divide its "
            "first axis"
        )


def check_channels(name: str, x: Any, channels: int, weight: Any, groups: int) -> None:
    if x.shape[1] != channels:
        raise ValueError(
            f"{name}: the input of shape {x.shape} has {x.shape[1]} channels (axis 1), and the "
            f"weight of shape {weight.shape} with groups={groups} is for {channels}"
        )


def check_bias(name: str, bias: Any, outputs: int) -> Any:
    if bias.shape != (outputs,):
        raise ValueError(f"{name}: the bias has shape {bias.shape}, and should have ({outputs},)")
    return bias


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """`conv_transpose2d` along one axis: (n, c, length) with a weight (c, o / groups, size).

    >>> conv_transpose1d(Tensor([[[1.0, 10.0]]]), Tensor([[[1.0, 2.0]]])).tolist()
    [[[1.0, 12.0, 20.0]]]
    """
    return _transposed(
        "conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups,
        dilation,
    )  # fmt: skip


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """What `conv2d` does backward: every element of input (n, c, height, width) times the kernel of
    weight (c, o / groups, *size), added up where the copies overlap.

    Along each axis there are
    (n - 1) * stride - 2 * padding + dilation * (size - 1) + 1 + output_padding outputs. ValueError
    for shapes that do not fit, and unless output_padding is less than stride or dilation.

    >>> conv_transpose2d(Tensor([[[[1.0, 10.0]]]]), Tensor([[[[1.0, 2.0]]]])).tolist()
    [[[[1.0, 12.0, 20.0]]]]
    """
    return _transposed(
        "conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups,
        dilation,
    )  # fmt: skip


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """`conv_transpose2d` along three axes.

    >>> conv_transpose3d(Tensor([[[[[1.0, 2.0]]]]]), Tensor([[[[[3.0]]]]])).tolist()
    [[[[[3.0, 6.0]]]]]
    """
    return _transposed(
        "conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups,
        dilation,
    )  # fmt: skip


def _transposed(
    name: str, d: int, input: Any, weight: Any, bias: Any,
    stride: Any, padding: Any, output_padding: Any, groups: int, dilation: Any,
) -> Any:  # fmt: skip
    check_weight(name, weight, d, groups, weight.shape[:1])
    size = weight.shape[2:]
    stride, dilation = each(name, "stride", stride, d), each(name, "dilation", dilation, d)
    padding = each(name, "padding", padding, d, least=0)
    more = each(name, "output_padding", output_padding, d, least=0)
    if any(m >= max(s, t) for m, s, t in zip(more, stride, dilation, strict=True)):
        raise ValueError(
            f"{name}: output_padding {more} should be less than stride {stride} or dilation "
            f"{dilation}"
        )
    if bias is not None:
        check_bias(name, bias, weight.shape[1] * groups)

    def spread(x: Tensor) -> Tensor:
        check_channels(name, x, weight.shape[0], weight, groups)
        along = zip(x.shape[2:], size, stride, dilation, strict=True)
        whole = tuple([(n - 1) * s + t * (k - 1) + 1 for n, k, s, t in along])
        out = [n - 2 * p + m for n, p, m in zip(whole, padding, more, strict=True)]
        if min(out) < 1 or min(whole) < 1:
            raise ValueError(
                f"{name}: for the input of shape {x.shape} the output has (n - 1) * stride - 2 * "
                f"padding + dilation * (size - 1) + 1 + output_padding elements, {tuple(out)}"
            )
        y = ops.conv_input(x, weight, shape=whole, **settings(stride, dilation, groups))
        y = framed(y, [(-p, m - p) for p, m in zip(padding, more, strict=True)])
        return y if bias is None else y + bias.reshape((-1,) + (1,) * d)

    return batched(name, input, d, spread)


def unfold(
    input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """The windows of (n, c, height, width) as columns, (n, c * kernel_size, windows): im2col.

    >>> unfold(Tensor([[[[1.0, 2.0, 3.0]]]]), (1, 2)).tolist()
    [[[1.0, 2.0], [2.0, 3.0]]]
    """
    name = "unfold"
    size = each(name, "kernel_size", kernel_size, 2)
    stride, dilation = each(name, "stride", stride, 2), each(name, "dilation", dilation, 2)
    pairs = margins(name, padding, size, stride, dilation)

    def columns(x: Tensor) -> Tensor:
        y = ops.windows(framed(x, pairs), size=size, **settings(stride, dilation))
        shape = (x.shape[0], x.shape[1] * prod(size), prod(y.shape[4:]))
        return ops.reshape(y, shape=shape)

    return batched(name, input, 2, columns)


def fold(
    input: Tensor,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Tensor:
    """Columns (n, c * kernel_size, windows) added up where `unfold` takes them from: col2im.

    >>> fold(Tensor([[[1.0, 2.0], [2.0, 3.0]]]), (1, 3), (1, 2)).tolist()
    [[[[1.0, 4.0, 3.0]]]]
    """
    name = "fold"
    x = as_tensor(input)
    size, shape = (
        each(name, what, n, 2)
        for what, n in (("kernel_size", kernel_size), ("output_size", output_size))
    )
    stride, dilation = each(name, "stride", stride, 2), each(name, "dilation", dilation, 2)
    padding = each(name, "padding", padding, 2, least=0)
    along = [*zip(shape, padding, size, stride, dilation, strict=True)]
    places = tuple([(n + 2 * p - t * (k - 1) - 1) // s + 1 for n, p, k, s, t in along])
    if x.ndim not in (2, 3) or x.shape[-1] != prod(places) or x.shape[-2] % prod(size):
        raise ValueError(
            f"fold: the input has shape {x.shape}; for output_size {shape} it has (n + 2 * padding "
            f"- dilation * (size - 1) - 1) // stride + 1 = {places} windows, so that its last axes "
            f"should be (channels * {prod(size)}, {prod(places)})"
        )
    lead = (*x.shape[:-2], x.shape[-2] // prod(size))
    y = ops.reshape(x, shape=(*lead, *size, *places))
    whole = tuple([n + 2 * p for n, p in zip(shape, padding, strict=True)])
    y = ops.overlap_add(y, shape=whole, **settings(stride, dilation))
    return framed(y, [(-p, -p) for p in padding])
