"""Every layer of images, norms, attention and recurrence, in every reader and at every edge."""

import warnings

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, compile, derive, draw, gradcheck, gradgradcheck, manual_seed

IMAGE, LINE, SOLID = (2, 2, 4, 4), (2, 2, 5), (1, 2, 3, 3, 3)
WORDS, TIME = (2, 3, 4), (3, 2, 4)


def twice(layer):
    """Attention of something to itself."""
    return lambda x: layer(x, x, x)[0]


def both(layer):
    return lambda x: layer(x, x)


# how it is made, the shape of its input, how it is called
TABLE = {
    "Conv1d": (lambda: nn.Conv1d(2, 3, 3, padding=1), LINE),
    "Conv1d circular": (lambda: nn.Conv1d(2, 2, 3, padding=2, padding_mode="circular"), LINE),
    "Conv2d": (lambda: nn.Conv2d(2, 2, 3, 2, 1), IMAGE),
    "Conv2d same": (lambda: nn.Conv2d(2, 2, 2, padding="same", dilation=2, groups=2), IMAGE),
    "Conv2d reflect": (lambda: nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"), IMAGE),
    "Conv3d": (lambda: nn.Conv3d(2, 2, 2), SOLID),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(2, 2, 3, 2), LINE),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(2, 2, 2, 2, 1, 1), IMAGE),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(2, 1, 2), SOLID),
    "Unfold": (lambda: nn.Unfold(2, padding=1), IMAGE),
    "Fold": (lambda: nn.Fold((3, 3), 2), (2, 4, 4)),
    "MaxPool1d": (lambda: nn.MaxPool1d(2, 1), LINE),
    "MaxPool2d": (lambda: nn.MaxPool2d(3, 2, 1), IMAGE),
    "MaxPool3d": (lambda: nn.MaxPool3d(2), SOLID),
    "AvgPool1d": (lambda: nn.AvgPool1d(2), LINE),
    "AvgPool2d": (lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), IMAGE),
    "AvgPool3d": (lambda: nn.AvgPool3d(2), SOLID),
    "LPPool2d": (lambda: nn.LPPool2d(2, 2), IMAGE),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((3, 1)), IMAGE),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d((3, 1)), IMAGE),
    "Upsample": (lambda: nn.Upsample(scale_factor=2), IMAGE),
    "Upsample bilinear": (lambda: nn.Upsample(6, mode="bilinear"), IMAGE),
    "Upsample bicubic": (lambda: nn.Upsample(5, mode="bicubic"), IMAGE),
    "ZeroPad2d": (lambda: nn.ZeroPad2d(1), IMAGE),
    "ConstantPad1d": (lambda: nn.ConstantPad1d((1, -1), 2.0), LINE),
    "ReflectionPad2d": (lambda: nn.ReflectionPad2d(1), IMAGE),
    "ReplicationPad3d": (lambda: nn.ReplicationPad3d(1), SOLID),
    "CircularPad2d": (lambda: nn.CircularPad2d(1), IMAGE),
    "PixelShuffle": (lambda: nn.PixelShuffle(2), (1, 4, 2, 2)),
    "PixelUnshuffle": (lambda: nn.PixelUnshuffle(2), IMAGE),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(2), IMAGE),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(2), SOLID),
    "GroupNorm": (lambda: nn.GroupNorm(1, 2), IMAGE),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(2, affine=True), IMAGE),
    "RMSNorm": (lambda: nn.RMSNorm(4), WORDS),
    "LayerNorm": (lambda: nn.LayerNorm(4), WORDS),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(2), IMAGE),
    "Dropout2d": (lambda: nn.Dropout2d(0.4).eval(), IMAGE),
    "AlphaDropout": (lambda: nn.AlphaDropout(0.4).eval(), WORDS),
    "MultiheadAttention": (lambda: nn.MultiheadAttention(4, 2, batch_first=True), WORDS, twice),
    "TransformerEncoderLayer": (
        lambda: nn.TransformerEncoderLayer(4, 2, 3, 0.0, batch_first=True), WORDS,
    ),
    "TransformerDecoderLayer": (
        lambda: nn.TransformerDecoderLayer(4, 2, 3, 0.0, batch_first=True), WORDS, both,
    ),
    "RNNCell": (lambda: nn.RNNCell(4, 3), (2, 4)),
    "LSTMCell": (lambda: nn.LSTMCell(4, 3), (2, 4), lambda m: lambda x: m(x)[0]),
    "GRUCell": (lambda: nn.GRUCell(4, 3), (2, 4)),
    "RNN": (lambda: nn.RNN(4, 2), TIME, lambda m: lambda x: m(x)[0]),
    "LSTM": (lambda: nn.LSTM(4, 2, bidirectional=True), TIME, lambda m: lambda x: m(x)[0]),
    "GRU": (lambda: nn.GRU(4, 2), TIME, lambda m: lambda x: m(x)[0]),
    "Bilinear": (lambda: nn.Bilinear(4, 4, 2), (2, 4), both),
    "PReLU": (lambda: nn.PReLU(), WORDS),
    "GLU": (lambda: nn.GLU(), WORDS),
    "Softmax2d": (lambda: nn.Softmax2d(), IMAGE),
    **{
        name: (getattr(nn, name), WORDS)
        for name in (
            "ReLU6", "CELU", "SELU", "Mish", "Hardswish", "Hardsigmoid", "Hardshrink",
            "Softshrink", "Softsign", "Tanhshrink",
        )
    },
}  # fmt: skip


def made(name, dtype="float64"):
    """The layer, the function that calls it, and numbers to call it with."""
    manual_seed(0)
    make, shape, *call = TABLE[name]
    layer = make().to(dtype)
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    return layer, (call[0](layer) if call else layer), x


def taking(name):
    """The name, as a slow one where many operations are drawn and checked."""
    many = ("Transformer", "Multihead", "LSTM", "GRU")
    return pytest.param(name, marks=[pytest.mark.slow] * name.startswith(many))


def weighted(y):
    """One number that depends on each element otherwise."""
    return (y * np.linspace(0.5, 1.5, y.numel()).reshape(y.shape).astype(y.dtype)).sum()


@pytest.mark.parametrize("name", TABLE)
def test_gradients_to_second_order(name):
    _, f, x = made(name)
    t = Tensor(x, requires_grad=True)
    assert gradcheck(f, (t,)) and gradgradcheck(f, (t,))


@pytest.mark.parametrize("name", TABLE)
def test_edges(name):
    """float32 stays, also of what is not contiguous; batches of none and of one."""
    layer, f, x = made(name, "float32")
    axis = 1 if name in ("RNN", "LSTM", "GRU") else 0
    t = Tensor(x, requires_grad=True)
    y = f(t)
    weighted(y).backward()
    assert y.dtype == t.grad.dtype == "float32"
    assert all(p.grad.dtype == "float32" for p in layer.parameters())
    turned = Tensor(np.asfortranarray(x)[..., ::-1][..., ::-1], requires_grad=True)
    np.testing.assert_allclose(f(turned).array, y.array, rtol=2e-4, atol=1e-5)
    nothing = Tensor(x.take(range(0), axis), requires_grad=True)
    one = Tensor(x.take(range(1), axis), requires_grad=True)
    for batch in (one, nothing):
        if batch is nothing and name.startswith("BatchNorm"):  # which needs two values
            with pytest.raises(ValueError, match=r"\(0, 2, .* has 0 value"):
                f(batch)
            continue
        found = f(batch)
        found.sum().backward()
        assert found.dtype == batch.grad.dtype == "float32"
        assert found.shape[axis] == batch.shape[axis] and batch.grad.shape == batch.shape


@pytest.mark.parametrize("name", [taking(name) for name in TABLE])
def test_readers(name):
    """Drawn; derived as text, LaTeX and NumPy, and checked."""
    layer, f, x = made(name)
    t = Tensor(x, requires_grad=True, name="x")
    loss = weighted(f(t))
    model = layer if isinstance(layer, nn.Module) and [*layer.parameters()] else None
    assert "forward" in str(draw(loss, model))
    d = derive(loss, model)
    assert "Backward" in str(d) and "align" in d.to_latex() and d.check(), d.check()
    _, found = d.function()(**d.arguments)
    loss.backward()
    right = {key: p.grad for key, p in layer.named_parameters()} if model else {}
    for key, g in (right | {"x": t.grad}).items():
        np.testing.assert_allclose(found[key], g.array, rtol=1e-9, atol=1e-11, err_msg=key)


@pytest.mark.parametrize("backend", ["numpy", pytest.param("c", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", TABLE)
def test_compiled_without_a_fallback(name, backend):
    layer, f, x = made(name)
    before = {key: b.array.copy() for key, b in layer.named_buffers()}
    right = weighted(f(Tensor(x, requires_grad=True)))
    step = compile(lambda x: weighted(f(x)), backend=backend)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            for key, b in layer.named_buffers():
                b.array[...] = before[key]
            value = step(Tensor(x, requires_grad=True))
    np.testing.assert_allclose(value.array, right.array, rtol=1e-9)


WRONG = {
    "Conv2d": (lambda: nn.Conv2d(2, 3, 5), (1, 2, 3, 4), r"\(1, 2, 3, 4\).*\(n \+ 2 \* padding"),
    "Conv1d": (lambda: nn.Conv1d(2, 3, 3, dilation=4), LINE, r"dilation \* \(size - 1\)"),
    "Conv3d": (lambda: nn.Conv3d(2, 3, 4), SOLID, r"// stride \+ 1 elements"),
    "MaxPool2d": (lambda: nn.MaxPool2d(5), IMAGE, r"\(4, 4\).*// stride \+ 1 elements, \(0, 0\)"),
    "AvgPool2d": (lambda: nn.AvgPool2d(2, padding=2), IMAGE, r"more than half of kernel_size"),
    "ConvTranspose2d": (
        lambda: nn.ConvTranspose2d(2, 3, 2, padding=4), IMAGE, r"\(n - 1\) \* stride - 2",
    ),
    "ReflectionPad2d": (lambda: nn.ReflectionPad2d(4), IMAGE, r"\(2, 2, 4, 4\): there are 3"),
    "CircularPad2d": (lambda: nn.CircularPad2d(5), IMAGE, r"\(2, 2, 4, 4\): there are 4"),
    "Unfold": (lambda: nn.Unfold(6), IMAGE, r"stride \+ 1"),
    "Fold": (lambda: nn.Fold((3, 3), 2), (1, 4, 5), r"stride \+ 1 = \(2, 2\) windows"),
    "PixelShuffle": (lambda: nn.PixelShuffle(3), IMAGE, r"\(2, 2, 4, 4\)"),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), IMAGE, r"\(2, 2, 4, 4\)"),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3), IMAGE, r"\(2, 2, 4, 4\)"),
    "LSTM": (lambda: nn.LSTM(3, 2), TIME, r"\(3, 2, 4\)"),
    "MultiheadAttention": (lambda: twice(nn.MultiheadAttention(6, 2)), WORDS, r"\(2, 3, 4\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_errors_name_shapes_and_the_formula(name):
    make, shape, words = WRONG[name]
    with pytest.raises(ValueError, match=words):
        make()(ag.ones(*shape))


def test_padding_may_be_larger_than_the_image():
    torch = pytest.importorskip("torch")
    for make in (
        lambda n: n.Conv2d(2, 3, 3, padding=7), lambda n: n.Conv1d(2, 2, 5, padding=9, stride=3),
        lambda n: n.ZeroPad2d(9), lambda n: n.ReplicationPad2d(9),
        lambda n: n.MaxPool2d(9, 2, 4), lambda n: n.AvgPool2d(9, 3, 4),
    ):  # fmt: skip
        ours, theirs = make(nn), make(torch.nn)
        x = np.random.default_rng(0).standard_normal(LINE if "1d" in repr(ours) else IMAGE)
        x = x.astype("float32")
        with torch.no_grad():
            for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
                q.copy_(torch.tensor(p.array))
        a, b = (Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True))
        y, z = ours(a), theirs(b)
        np.testing.assert_allclose(y.array, z.detach().numpy(), rtol=1e-4, atol=1e-5)
        y.sum().backward()
        z.sum().backward()
        np.testing.assert_allclose(a.grad.array, b.grad.numpy(), rtol=1e-4, atol=1e-5)
