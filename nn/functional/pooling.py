"""Pooling: the largest or the mean of every window."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_lite import Tensor
from autograd_lite.engine import rules
from autograd_lite.engine.rules import ops
from autograd_lite.engine.rules.questions import plain
from autograd_lite.engine.rules.windows import places
from autograd_lite.engine.tensor import as_tensor

from .convolution import settings
from .windows import Sizes, batched, each, framed

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d", "adaptive_max_pool3d_with_indices", "avg_pool1d", "avg_pool2d",
    "avg_pool3d", "lp_pool1d", "lp_pool2d", "lp_pool3d", "max_pool1d", "max_pool1d_with_indices",
    "max_pool2d", "max_pool2d_with_indices", "max_pool3d", "max_pool3d_with_indices",
    "max_unpool1d", "max_unpool2d", "max_unpool3d",
]  # fmt: skip


def outputs(
    name: str, shape: Sizes, size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, up: bool
) -> Sizes:
    """How many windows there are along each axis; with `up` also those that end outside."""
    if any(2 * p > k for p, k in zip(padding, size, strict=True)):
        raise ValueError(
            f"{name}: padding {padding} is more than half of kernel_size {size}, so that a window "
            "may hold nothing"
        )
    found = []
    for n, k, s, p, t in zip(shape, size, stride, padding, dilation, strict=True):
        rest = n + 2 * p - t * (k - 1) - 1
        count = (-(-rest // s) if up else rest // s) + 1
        found.append(count - (up and (count - 1) * s >= n + p))  # each starts inside
    if min(found) < 1:
        raise ValueError(
            f"{name}: windows of {size} do not fit into an input of {shape}: along each axis the "
            "output has (n + 2 * padding - dilation * (size - 1) - 1) // stride + 1 elements, "
            f"{tuple(found)}; take smaller windows, or more padding"
        )
    return tuple(found)


class Geometry:
    """The numbers of a pooling for each axis."""

    def __init__(
        self, name: str, d: int, size: Any, stride: Any, padding: Any, dilation: Any, up: bool
    ) -> None:
        self.name, self.d, self.up = name, d, up
        self.size = each(name, "kernel_size", size, d)
        given = stride is None or stride == ()
        self.stride = self.size if given else each(name, "stride", stride, d)
        self.padding = each(name, "padding", padding, d, least=0)
        self.dilation = each(name, "dilation", dilation, d)

    def outputs(self, shape: Sizes) -> Sizes:
        return outputs(
            self.name, shape, self.size, self.stride, self.padding, self.dilation, self.up
        )

    def framed(self, x: Tensor, value: float) -> Tensor:
        """x with what its windows reach beyond its edges."""
        shape = x.shape[-self.d :]
        along = zip(
            shape, self.outputs(shape), self.size, self.stride, self.padding, self.dilation,
            strict=True,
        )  # fmt: skip
        pairs = [
            (p, max((o - 1) * s + t * (k - 1) + 1 - n - p, 0 if self.up else p))
            for n, o, k, s, p, t in along
        ]
        return framed(x, pairs, value)

    @property
    def kw(self) -> dict[str, Any]:
        return {"size": self.size, **settings(self.stride, self.dilation)}


# ---- the largest ------------------------------------------------------------------------------


def _max_pool(
    name: str, d: int, input: Any, size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool, return_indices: bool,
) -> Any:  # fmt: skip
    geometry = Geometry(name, d, size, stride, padding, dilation, ceil_mode)

    def largest(x: Tensor) -> Any:
        lowest = -math.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        wide = geometry.framed(x, lowest)
        y = ops.max_pool(wide, **geometry.kw)
        if not return_indices:
            return y
        kw = {**geometry.kw, "low": geometry.padding, "shape": x.shape[-d:]}
        return y, plain(places, wide, **kw)

    return batched(name, input, d, largest)


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """`max_pool2d` along one axis.

    >>> max_pool1d(Tensor([[[1.0, 3.0, 2.0, 0.0]]]), 2).tolist()
    [[[3.0, 2.0]]]
    """
    return _max_pool(
        "max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of every window; `stride` is kernel_size where none is given.

    The gradient goes to the first largest element. With `return_indices` also its place in the
    flattened height and width; with `ceil_mode` also windows that end outside. Padding is no
    element. ValueError for shapes that do not fit, as in `conv2d`, and for more padding than half
    a window.

    >>> max_pool2d(Tensor([[[1.0, 3.0], [2.0, 0.0]]]), 2).tolist()
    [[[3.0]]]
    """
    return _max_pool(
        "max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


def max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """`max_pool2d` along three axes.

    >>> max_pool3d(Tensor([[[[1.0, 3.0]], [[2.0, 0.0]]]]), (2, 1, 2)).tolist()
    [[[[3.0]]]]
    """
    return _max_pool(
        "max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


def max_pool1d_with_indices(*args: Any, **kw: Any) -> Any:
    """`max_pool1d` with the places."""
    return max_pool1d(*args, **{**kw, "return_indices": True})


def max_pool2d_with_indices(*args: Any, **kw: Any) -> Any:
    """`max_pool2d` with the places."""
    return max_pool2d(*args, **{**kw, "return_indices": True})


def max_pool3d_with_indices(*args: Any, **kw: Any) -> Any:
    """`max_pool3d` with the places."""
    return max_pool3d(*args, **{**kw, "return_indices": True})


def _unpool(
    name: str, d: int, input: Any, indices: Any, size: Any, stride: Any, padding: Any,
    output_size: Any,
) -> Any:  # fmt: skip
    geometry = Geometry(name, d, size, stride, padding, 1, False)
    x, at = as_tensor(input), as_tensor(indices)
    if x.shape != at.shape or x.ndim not in (d + 1, d + 2):
        raise ValueError(f"{name}: input {x.shape} and indices {at.shape} should have one shape")
    along = zip(x.shape[-d:], geometry.size, geometry.stride, geometry.padding, strict=True)
    shape = tuple([(n - 1) * s - 2 * p + k for n, k, s, p in along])
    if output_size is not None:
        shape = tuple(output_size)[-d:]
    lead, n = x.shape[:-d], math.prod(shape)
    rows = math.prod(lead)
    flat, values = (ops.reshape(t, shape=(rows, math.prod(t.shape[-d:]))) for t in (at, x))
    source = plain(sources, flat, n=n)
    y = rules.take_along_axis(framed(values, [(0, 1)]), source, 1)
    return ops.reshape(y, shape=(*lead, *shape))


def sources(places: Any, n: int) -> Any:
    """For each of n places of every row, which element goes there; where none does, one more."""
    rows, m = places.shape
    if places.size and not 0 <= places.min() <= places.max() < n:
        raise ValueError(f"max_unpool: places from {places.min()} to {places.max()} of {n}")
    found = np.full((rows, n), m)
    found[np.arange(rows)[:, None], places] = np.arange(m)
    return found


def max_unpool1d(
    input: Tensor,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Zeros with the elements of input at the places that `max_pool1d` gave.

    >>> y, places = max_pool1d(Tensor([[1.0, 3.0]]), 2, return_indices=True)
    >>> max_unpool1d(y, places, 2).tolist()
    [[0.0, 3.0]]
    """
    return _unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Zeros with the elements of input at the places that `max_pool2d` gave."""
    return _unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Zeros with the elements of input at the places that `max_pool3d` gave."""
    return _unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)


# ---- the mean ---------------------------------------------------------------------------------


def _avg_pool(
    name: str, d: int, input: Any, size: Any, stride: Any, padding: Any,
    ceil_mode: bool, count_include_pad: bool, divisor: Any,
) -> Any:  # fmt: skip
    geometry = Geometry(name, d, size, stride, padding, 1, ceil_mode)
    if divisor == 0:
        raise ValueError(f"{name}: divisor_override is 0")

    def averaged(x: Tensor) -> Tensor:
        total = ops.window_sum(geometry.framed(x, 0.0), **geometry.kw)
        return total / (divisor or counts(geometry, x.shape[-d:], count_include_pad, x.dtype))

    return batched(name, input, d, averaged)


def counts(geometry: Geometry, shape: Sizes, padding_too: bool, dtype: Any) -> Any:
    """How many elements every window has: a number, or an array where they differ."""
    found: Any = 1
    along = zip(
        shape, geometry.outputs(shape), geometry.size, geometry.stride, geometry.padding,
        strict=True,
    )  # fmt: skip
    for n, o, k, s, p in along:
        start = np.arange(o) * s - p
        end = np.minimum(start + k, n + p)
        inside = end - start if padding_too else np.minimum(end, n) - np.maximum(start, 0)
        found = np.multiply.outer(found, inside)
    same = (found == found.flat[0]).all()
    return int(found.flat[0]) if same else found.astype(dtype)


def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """`avg_pool2d` along one axis.

    >>> avg_pool1d(Tensor([[[1.0, 3.0, 2.0, 0.0]]]), 2).tolist()
    [[[2.0, 1.0]]]
    """
    return _avg_pool(
        "avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None
    )


def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of every window; `stride` is kernel_size where none is given.

    Zeros of the padding count unless `count_include_pad` is false; the sums are divided by
    `divisor_override`, where one is given. With `ceil_mode` also windows that end outside.
    ValueError as in `max_pool2d`.

    >>> avg_pool2d(Tensor([[[1.0, 3.0], [2.0, 0.0]]]), 2).tolist()
    [[[1.5]]]
    """
    return _avg_pool(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
        divisor_override,
    )  # fmt: skip


def avg_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """`avg_pool2d` along three axes.

    >>> avg_pool3d(Tensor([[[[1.0, 3.0]], [[2.0, 0.0]]]]), (2, 1, 2)).tolist()
    [[[[1.5]]]]
    """
    return _avg_pool(
        "avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
        divisor_override,
    )  # fmt: skip


def _lp_pool(
    name: str, d: int, input: Any, p: float, size: Any, stride: Any, ceil_mode: bool
) -> Any:
    mean = _avg_pool(name, d, input ** float(p), size, stride, 0, ceil_mode, True, None)
    total = mean * math.prod(each(name, "kernel_size", size, d))
    size = rules.relu(rules.abs(total))  # whose slope at 0 is 0, as is that of the root then
    return (rules.sign(total) * size) ** (1.0 / p)


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """`lp_pool2d` along one axis."""
    return _lp_pool("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of every window, for p = norm_type.

    >>> lp_pool2d(Tensor([[[3.0, 4.0]]]), 2, (1, 2)).tolist()
    [[[5.0]]]
    """
    return _lp_pool("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """`lp_pool2d` along three axes."""
    return _lp_pool("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)


# ---- to a given size --------------------------------------------------------------------------


def sizes_to(name: str, d: int, output_size: Any, shape: Sizes) -> Sizes:
    """The output size for each axis, of which None keeps that of the input."""
    given = output_size if isinstance(output_size, tuple | list) else (output_size,) * d
    if len(given) != d:
        raise ValueError(f"{name}: output_size {output_size} is not one int, or {d} of them")
    return tuple([n if o is None else int(o) for o, n in zip(given, shape[-d:], strict=True)])


def spans(n: int, out: int) -> list[tuple[int, int]]:
    """Where the windows of an adaptive pooling start and end."""
    return [(i * n // out, -((-(i + 1) * n) // out)) for i in range(out)]


def along_axes(x: Tensor, matrices: list[Any]) -> Tensor:
    """The last axes, each times a matrix (out, n)."""
    for i, m in enumerate(matrices, -len(matrices)):
        if i == -1:
            x = ops.matmul(x, m.T)
        else:
            rest = x.shape[x.ndim + i + 1 :]
            flat = ops.reshape(x, shape=(*x.shape[: x.ndim + i + 1], math.prod(rest)))
            y = ops.matmul(m, flat)
            x = ops.reshape(y, shape=(*y.shape[:-1], *rest))
    return x


def _adaptive_avg(name: str, d: int, input: Any, output_size: Any) -> Any:
    def averaged(x: Tensor) -> Tensor:
        shape = x.shape[-d:]
        out = sizes_to(name, d, output_size, shape)
        if all(o and n % o == 0 for n, o in zip(shape, out, strict=True)):
            size = tuple([n // o for n, o in zip(shape, out, strict=True)])
            total = ops.window_sum(x, size=size, **settings(size, (1,) * d))
            return total / math.prod(size)
        return along_axes(x, [averages(n, o, x.dtype) for n, o in zip(shape, out, strict=True)])

    return batched(name, input, d, averaged)


def averages(n: int, out: int, dtype: Any) -> Any:
    """The matrix that takes the means of the windows of an adaptive pooling."""
    m = np.zeros((out, n), dtype)
    for i, (start, end) in enumerate(spans(n, out)):
        m[i, start:end] = 1 / (end - start)
    return m


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """`adaptive_avg_pool2d` along one axis."""
    return _adaptive_avg("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The means of as many windows as the output is to have, which may overlap by one: window i
    goes from floor(i * n / out) to ceil((i + 1) * n / out). None keeps a size.

    >>> adaptive_avg_pool2d(Tensor([[[1.0, 2.0, 6.0]]]), (1, 2)).tolist()
    [[[1.5, 4.0]]]
    """
    return _adaptive_avg("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """`adaptive_avg_pool2d` along three axes."""
    return _adaptive_avg("adaptive_avg_pool3d", 3, input, output_size)


def _adaptive_max(name: str, d: int, input: Any, output_size: Any, return_indices: bool) -> Any:
    def largest(x: Tensor) -> Any:
        shape = x.shape[-d:]
        out = sizes_to(name, d, output_size, shape)
        if all(o and n % o == 0 for n, o in zip(shape, out, strict=True)):
            size = tuple([n // o for n, o in zip(shape, out, strict=True)])
            y = _max_pool(name, d, x, size, size, 0, 1, False, return_indices)
            return y
        at = plain(adaptive_places, x, out=out)
        lead = x.shape[:-d]
        flat = ops.reshape(x, shape=(*lead, math.prod(shape)))
        picked = rules.take_along_axis(flat, ops.reshape(at, shape=(*lead, math.prod(out))), -1)
        y = ops.reshape(picked, shape=(*lead, *out))
        return (y, at) if return_indices else y

    return batched(name, input, d, largest)


def adaptive_places(x: Any, out: Sizes) -> Any:
    """Where the largest of every window of an adaptive pooling is, in the flattened last axes."""
    d = len(out)
    shape = x.shape[-d:]
    found = np.empty((*x.shape[:-d], *out), np.int64)
    all_spans = [spans(n, o) for n, o in zip(shape, out, strict=True)]
    numbers = np.arange(math.prod(shape)).reshape(shape)
    for place in np.ndindex(*out):
        part = tuple([slice(*s[i]) for s, i in zip(all_spans, place, strict=True)])
        window = x[(..., *part)].reshape(*x.shape[:-d], numbers[part].size)
        found[(..., *place)] = numbers[part].ravel()[window.argmax(-1)]
    return found


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """`adaptive_max_pool2d` along one axis."""
    return _adaptive_max("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest elements of the windows of `adaptive_avg_pool2d`, and their places.

    >>> adaptive_max_pool2d(Tensor([[[1.0, 2.0, 6.0]]]), (1, 2)).tolist()
    [[[2.0, 6.0]]]
    """
    return _adaptive_max("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """`adaptive_max_pool2d` along three axes."""
    return _adaptive_max("adaptive_max_pool3d", 3, input, output_size, return_indices)


def adaptive_max_pool1d_with_indices(input: Tensor, output_size: Any) -> Any:
    """`adaptive_max_pool1d` with the places."""
    return adaptive_max_pool1d(input, output_size, True)


def adaptive_max_pool2d_with_indices(input: Tensor, output_size: Any) -> Any:
    """`adaptive_max_pool2d` with the places."""
    return adaptive_max_pool2d(input, output_size, True)


def adaptive_max_pool3d_with_indices(input: Tensor, output_size: Any) -> Any:
    """`adaptive_max_pool3d` with the places."""
    return adaptive_max_pool3d(input, output_size, True)
