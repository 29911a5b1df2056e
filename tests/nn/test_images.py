"""Convolutions, pooling, padding and resampling: against PyTorch, at edges, and what errors say."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, compile, derive, gradcheck, gradgradcheck, no_grad
from autograd_lite.engine.rules import ops
from autograd_lite.engine.rules.windows import joined, view
from nn import functional as F


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


# ---- against PyTorch -------------------------------------------------------------------------

product = itertools.product
SIZES = (7, 6, 5)


def shapes_of(d: int, batch: bool = True) -> tuple[int, ...]:
    return ((2,) if batch else ()) + (4, *SIZES[:d])


def convolutions(d: int) -> Any:
    for size, stride, padding, dilation, groups in product(
        (1, 3, (3, 2, 1)[:d]), (1, (2, 1, 3)[:d]), (0, 1, "same"), (1, 2), (1, 2)
    ):
        if padding == "same" and stride != 1:
            continue
        kernel = (size,) * d if isinstance(size, int) else size
        kw = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        yield f"conv{d}d", [shapes_of(d), (6, 4 // groups, *kernel), (6,)], kw
    yield f"conv{d}d", [shapes_of(d, False), (3, 4, *(2,) * d)], {}


def transposed(d: int) -> Any:
    for size, stride, padding, more, dilation, groups in product(
        (2, 3), (1, 2), (0, 1), (0, 1), (1, 2), (1, 2)
    ):
        if more < max(stride, dilation):
            kw = {"stride": stride, "padding": padding, "output_padding": more}
            kw |= {"groups": groups, "dilation": dilation}
            weight = (4, 6 // groups, *(size,) * d)
            yield f"conv_transpose{d}d", [(2, 4, *(4, 3, 3)[:d]), weight, (6,)], kw


def pooling(d: int) -> Any:
    for size, stride, padding, up in product((2, 3), (None, 1, 2), (0, 1), (False, True)):
        kw = {"kernel_size": size, "stride": stride, "padding": padding, "ceil_mode": up}
        for dilation in (1, 2):
            more = {"dilation": dilation, "return_indices": True}
            yield f"max_pool{d}d", [shapes_of(d)], kw | more
        for inside in (False, True):
            yield f"avg_pool{d}d", [shapes_of(d)], kw | {"count_include_pad": inside}
    for out in (1, 3, 4):
        yield f"adaptive_avg_pool{d}d", [shapes_of(d)], {"output_size": out}
        more = {"output_size": out, "return_indices": True}
        yield f"adaptive_max_pool{d}d", [shapes_of(d)], more
    for p in (1, 2, 3.0):
        kw = {"norm_type": p, "kernel_size": 2}
        yield f"lp_pool{d}d", [shapes_of(d)], kw


def resampling(d: int) -> Any:
    linear = ("linear", "bilinear", "trilinear")[d - 1]
    sizes = [{"size": 9}, {"size": 3}, {"scale_factor": 2}, {"scale_factor": 1.7}]
    for mode, kw in product(("nearest", "nearest-exact", "area", linear), sizes):
        yield "interpolate", [shapes_of(d)], kw | {"mode": mode}
    for kw in sizes:
        yield "interpolate", [shapes_of(d)], kw | {"mode": linear, "align_corners": True}
    again = {"scale_factor": 1.7, "recompute_scale_factor": True, "mode": linear}
    yield "interpolate", [shapes_of(d)], again
    if d == 2:
        for kw, corners in product(sizes, (False, True)):
            yield "interpolate", [shapes_of(2)], kw | {"mode": "bicubic", "align_corners": corners}


def columns() -> Any:
    for size, dilation, padding, stride in product((2, (2, 3)), (1, 2), (0, 1), (1, (1, 2))):
        kw = {"kernel_size": size, "dilation": dilation, "padding": padding, "stride": stride}
        yield "unfold", [(2, 3, 7, 6)], kw


CALLS = [
    c for d in (1, 2, 3) for of in (convolutions, transposed, pooling, resampling) for c in of(d)
]
CALLS += columns()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(8))
def test_values_and_gradients_are_those_of_pytorch(part: int) -> None:
    torch = pytest.importorskip("torch")
    for name, shapes, kw in CALLS[part::8]:
        arrays = [normal(*s, seed=i) for i, s in enumerate(shapes)]
        theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
        ours = [Tensor(a.copy(), requires_grad=True) for a in arrays]
        try:
            wanted = getattr(torch.nn.functional, name)(*theirs, **kw)
        except RuntimeError:  # a window that is too large
            with pytest.raises(ValueError, match=name):
                getattr(F, name)(*ours, **kw)
            continue
        y = getattr(F, name)(*ours, **kw)
        if isinstance(wanted, tuple):
            np.testing.assert_array_equal(np.asarray(y[1]), wanted[1].numpy(), f"{name} {kw}")
            wanted, y = wanted[0], y[0]
        assert y.shape == tuple(wanted.shape), (name, kw)
        g = normal(*y.shape, seed=9)
        y.backward(g)
        wanted.backward(torch.tensor(g))
        pairs = [(y.detach(), wanted.detach()), *((a.grad, b.grad) for a, b in zip(ours, theirs))]  # noqa: B905
        for a, b in pairs:
            np.testing.assert_allclose(a.numpy(), b.numpy(), 1e-9, 1e-11, err_msg=f"{name} {kw}")


def test_layers_start_as_pytorchs_and_have_their_states() -> None:
    torch = pytest.importorskip("torch")
    for name in ("Conv2d", "ConvTranspose2d"):
        ours = getattr(nn, name)(6, 4, 5, groups=2)
        theirs = getattr(torch.nn, name)(6, 4, 5, groups=2)
        assert {k: v.shape for k, v in ours.state_dict().items()} == {
            k: tuple(v.shape) for k, v in theirs.state_dict().items()
        }
        for key, value in theirs.state_dict().items():
            mine = ours.state_dict()[key].numpy()
            bound = 1 / math.sqrt(math.prod(theirs.weight.shape[1:]))
            assert np.abs(mine).max() <= bound and value.abs().max() <= bound
            if key == "weight":  # of hundreds of numbers one lies near the bound
                assert np.abs(mine).max() > 0.5 * bound
        assert repr(theirs) in repr(ours)
        ours.load_state_dict(theirs.state_dict())


# ---- derivatives, dtypes, edges --------------------------------------------------------------

SECOND: dict[str, Any] = {
    "conv2d": lambda x, w: F.conv2d(x, w, stride=(2, 1), padding=1),
    "conv_transpose2d": lambda x, w: F.conv_transpose2d(x, w.transpose(0, 1), stride=2),
    "pooled": lambda x, w: F.avg_pool2d(F.conv2d(x, w), 2, 1) ** 2,
    "max": lambda x, w: F.max_pool2d(x, 2, 1) ** 2 * w.sum(),
    "unfolded": lambda x, w: (F.unfold(x, 2).mT @ F.unfold(x, 2)) * w.sum(),
    "resampled": lambda x, w: F.interpolate(x * x, 6, mode="bilinear") * w.sum(),
}


@pytest.mark.parametrize("name", SECOND)
def test_second_derivatives(name: str) -> None:
    x, w = normal(2, 2, 4, 5), normal(3, 2, 2, 2, seed=1)
    assert gradcheck(SECOND[name], (x, w)) and gradgradcheck(SECOND[name], (x, w))


def test_float32_stays_float32() -> None:
    x = Tensor(normal(2, 4, 6, 6).astype("float32"), requires_grad=True)
    y = nn.Sequential(
        nn.Conv2d(4, 6, 3, padding=1, groups=2), nn.MaxPool2d(2), nn.ReflectionPad2d(1),
        nn.Upsample(scale_factor=2, mode="bilinear"), nn.AvgPool2d(3, ceil_mode=True, padding=1),
        nn.ConvTranspose2d(6, 2, 2), nn.AdaptiveAvgPool2d(2), nn.Unfold(2),
    )(x)  # fmt: skip
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad is not None and x.grad.dtype == np.float32


@pytest.mark.parametrize("shape", [(0, 2, 4, 4), (1, 2, 1, 1), (3, 2, 1, 4)])
def test_empty_batches_and_axes_of_size_one(shape: tuple[int, ...]) -> None:
    x = Tensor(normal(*shape), requires_grad=True)
    w = Tensor(normal(3, 2, 1, 1), requires_grad=True)
    y = F.max_pool2d(F.conv2d(x, w), 1) + F.avg_pool2d(F.conv2d(x, w), 1)
    y.sum().backward()
    assert y.shape == (shape[0], 3, *shape[2:])
    assert x.grad is not None and w.grad is not None
    np.testing.assert_allclose(w.grad.numpy()[0, :, 0, 0], 2 * x.detach().numpy().sum((0, 2, 3)))


def test_no_channels() -> None:
    x = Tensor(normal(2, 0, 5, 7), requires_grad=True)
    b = Tensor(normal(2), requires_grad=True)
    F.conv2d(x, Tensor(normal(2, 0, 3, 3)), b).sum().backward()
    assert x.grad is not None and x.grad.shape == (2, 0, 5, 7)
    assert b.grad is not None and b.grad.tolist() == [30, 30]


def test_what_is_not_contiguous_and_padding_that_is_larger_than_the_image() -> None:
    x = normal(5, 4, 3, 2).transpose(3, 2, 1, 0)[:, :, ::2]
    w = normal(2, 2, 3, 3).transpose(1, 0, 3, 2)
    w = np.ascontiguousarray(w)[:, [0, 1, 0]]
    y = F.conv2d(Tensor(x), Tensor(w), padding=7)
    wide = np.pad(x, ((0, 0), (0, 0), (7, 7), (7, 7)))
    same = F.conv2d(Tensor(wide), Tensor(w.copy()))
    np.testing.assert_allclose(y.numpy(), same.numpy())
    assert not F.conv2d(Tensor(x), Tensor(w), padding=7)[..., :3].numpy().any()


def test_of_equal_elements_the_first_gets_the_gradient() -> None:
    x = Tensor([[[1.0, 1.0, 0.0, 1.0]]], requires_grad=True)
    F.max_pool1d(x, 4).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[[1.0, 0.0, 0.0, 0.0]]]


def test_the_largest_of_nan_is_nan() -> None:
    y, places = F.max_pool1d(Tensor([[[1.0, math.nan, 0.0, 2.0]]]), 2, return_indices=True)
    assert np.isnan(y.numpy()[0, 0, 0]) and y.numpy()[0, 0, 1] == 2.0
    assert places.tolist()[0][0][1] == 3


def test_the_input_of_a_convolution_may_not_change_before_its_backward() -> None:
    x, w = ag.ones(1, 1, 3, 3), ag.ones(1, 1, 2, 2).requires_grad_()
    y = F.conv2d(x, w)
    x += 1
    with pytest.raises(RuntimeError, match="conv"):
        y.sum().backward()


# ---- derive and compile ----------------------------------------------------------------------


def net() -> nn.Sequential:
    ag.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, stride=2, groups=2), nn.Tanh(), nn.MaxPool2d(2, 1),
        nn.ConvTranspose2d(4, 3, 2), nn.AvgPool2d(2, 1), nn.Unfold(2), nn.Flatten(),
    ).double()  # fmt: skip


def test_a_derivation_says_what_the_gradients_are_and_computes_them() -> None:
    model, x = net(), Tensor(normal(2, 2, 6, 7), requires_grad=True, name="x")
    loss = (model(x) ** 2).mean()
    derivation = derive(loss, model)
    text = " ".join(str(derivation).split())
    assert "correlation of" in text and "full convolution of d_" in text and "flipped" in text
    assert r"\star" in derivation.to_latex() and r"\ast" in derivation.to_latex()
    source = derivation.source()
    assert "import numpy as np" in source and "np.ndindex(3, 3)" in source
    _, gradients = derivation.function()(**derivation.arguments)
    loss.backward()
    for name, p in [*model.named_parameters(), ("x", x)]:
        assert p.grad is not None
        np.testing.assert_allclose(gradients[name], p.grad.numpy(), 1e-10, 1e-12)
    assert "wrong" not in str(derivation.check())


def test_compiled_code_writes_into_buffers() -> None:
    model = net()
    step = compile(lambda x: (model(x) ** 2).mean())
    for seed in range(3):
        x = Tensor(normal(2, 2, 6, 7, seed=seed))
        model.zero_grad()
        step(x).backward()
        compiled = [np.array(p.grad.numpy()) for p in model.parameters() if p.grad is not None]
        model.zero_grad()
        (model(x) ** 2).mean().backward()
        for a, p in zip(compiled, model.parameters(), strict=True):
            assert p.grad is not None
            np.testing.assert_allclose(a, p.grad.numpy(), 1e-10, 1e-12)
    (source,) = step.sources
    for name in ("f_conv", "f_conv_input", "f_max_pool", "f_pool_spread"):  # not handed out
        lines = [line for line in source.splitlines() if f" {name}(" in line]
        assert lines and all("out=" in line for line in lines), name


# ---- errors ----------------------------------------------------------------------------------

IMAGE = Tensor(np.zeros((1, 2, 4, 4)))
WRONG: dict[str, tuple[Any, str]] = {
    "a kernel that does not fit": (
        lambda: F.conv2d(IMAGE, Tensor(np.zeros((1, 2, 5, 5)))),
        r"conv2d: a kernel of \(5, 5\) does not fit into the input of shape \(1, 2, 4, 4\): .*has "
        + re.escape("(n + 2 * padding - dilation * (size - 1) - 1) // stride + 1 elements, (0, 0)")
    ),
    "channels": (
        lambda: nn.Conv2d(3, 1, 2)(IMAGE),
        r"conv2d: the input of shape \(1, 2, 4, 4\) has 2 channels.*is for 3",
    ),
    "axes": (
        lambda: nn.Conv2d(2, 1, 2)(Tensor(np.zeros((4, 4)))),
        r"shape \(4, 4\), and its axes should be \(channels, height, width\)",
    ),
    "groups": (lambda: nn.Conv2d(3, 4, 2, groups=2), r"groups=2 should divide in_channels=3"),
    "same with a stride": (
        lambda: nn.Conv2d(3, 4, 2, stride=2, padding="same"), r"'same' needs stride 1",
    ),
    "a word for padding": (lambda: nn.Conv2d(3, 4, 2, padding="full"), r"'valid' or 'same'"),
    "a mode": (lambda: nn.Conv2d(3, 4, 2, padding_mode="mirror"), r"padding_mode is one of"),
    "numbers for each axis": (
        lambda: F.conv2d(IMAGE, Tensor(np.zeros((1, 2, 2, 2))), stride=(1, 2, 3)),
        r"stride is an int from 1, or 2 of them",
    ),
    "a bias": (
        lambda: F.conv2d(IMAGE, Tensor(np.zeros((3, 2, 2, 2))), Tensor(np.zeros(2))),
        r"the bias has shape \(2,\), and should have \(3,\)",
    ),
    "a weight": (
        lambda: F.conv2d(IMAGE, Tensor(np.zeros((3, 2, 2)))), r"needs 4 axes: two of channels",
    ),
    "output padding": (
        lambda: F.conv_transpose2d(IMAGE, Tensor(np.zeros((2, 1, 2, 2))), output_padding=1),
        r"output_padding \(1, 1\) should be less than stride",
    ),
    "an output size": (
        lambda: nn.ConvTranspose2d(2, 1, 2)(IMAGE, output_size=(9, 9)),
        r"output_size \(9, 9\) is not between \(5, 5\) and \(5, 5\)",
    ),
    "padding of a pool": (lambda: F.max_pool2d(IMAGE, 2, padding=2), r"more than half"),
    "a pool that does not fit": (lambda: F.avg_pool2d(IMAGE, 5), r"windows of \(5, 5\) do not fit"),
    "a divisor": (lambda: F.avg_pool2d(IMAGE, 2, divisor_override=0), r"divisor_override is 0"),
    "columns": (lambda: F.fold(IMAGE[0], (4, 4), 2), r"9\) .*|fold: the input has shape"),
    "a mode of interpolation": (lambda: F.interpolate(IMAGE, 2, mode="linear"), r"'linear' for"),
    "two sizes": (lambda: F.interpolate(IMAGE, 2, 2), r"size or scale_factor, one of them"),
    "pixels": (lambda: F.pixel_shuffle(IMAGE, 2), r"no multiple of 2 \* 2"),
    "widths of a pad": (lambda: nn.ZeroPad2d((1, 2)), r"one int or 4 of them"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_errors_name_shapes_and_the_formula(name: str) -> None:
    call, text = WRONG[name]
    with pytest.raises(ValueError, match=text):
        call()


def test_antialias_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="antialias"):
        F.interpolate(IMAGE, 2, antialias=True)


# ---- memory ----------------------------------------------------------------------------------


def test_a_convolution_takes_less_memory_than_its_columns() -> None:
    import tracemalloc

    x = Tensor(normal(32, 8, 32, 32).astype("float32"))
    layer = nn.Conv2d(8, 8, 5, padding=2)
    columns = x.array.nbytes * 25
    with no_grad():
        layer(x)
    tracemalloc.start()
    layer(x).sum().backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < columns / 3


@pytest.mark.parametrize("dilation", [(), (1, 2)])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("contiguous", [True, False])
def test_convolutions_in_long_rows_are_those_of_their_windows(
    dilation: Any, groups: int, contiguous: bool
) -> None:
    """Of 2 outputs for 24 and more elements of a window; a bias is added after the ends are cut."""
    shape, size = (7, 12), (2, 3)
    x = normal(2, 4 * groups, *(shape if contiguous else shape[::-1]))
    x = x if contiguous else x.mT
    w, b = normal(2, 4, *size), normal(2)
    seen = view(x, size, (), dilation)
    places = seen.shape[4:]
    assert (joined(seen, x, (), 2)[1] == (places[0], shape[1]) != places) == contiguous
    parts = seen.reshape(2, groups, 4, *seen.shape[2:])
    y = np.einsum("ngcklij,gockl->ngoij", parts, w.reshape(groups, 2 // groups, 4, *size))
    kw = {"dilation": dilation, "groups": groups}
    found = ops.conv(x, w, b, **kw)
    np.testing.assert_allclose(found, y.reshape(found.shape) + b[:, None, None], 1e-12, 1e-12)
    g = normal(*found.shape)
    back = ops.conv_input(g, w, shape=shape, **kw)
    assert np.vdot(back, x) == pytest.approx(np.vdot(g, ops.conv(x, w, **kw)), rel=1e-12)
    gw = ops.conv_weight(x, g, size=size, **kw)
    assert np.vdot(gw, w) == pytest.approx(np.vdot(back, x), rel=1e-12)
    far = 0 * g  # one element's gradient is the kernel, and nothing beside it
    far[0, 0, -1, -1] = 1
    back = ops.conv_input(far, w, shape=shape, **kw)
    step = dilation or (1, 1)
    at = tuple(slice(n - s * (k - 1) - 1, n, s) for n, k, s in zip(shape, size, step, strict=True))
    np.testing.assert_array_equal(back[(0, slice(0, 4), *at)], w[0])
    assert np.count_nonzero(back) == w[0].size
