"""Every layer, loss and function of `nn` compiled, against itself run eagerly: nothing falls back."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, compile, no_grad
from nn import functional as F

Maker = Callable[[np.random.Generator], Any]


def called(layer: Any) -> Any:
    """A layer that knows its sizes by having been called."""
    layer(Tensor(np.ones((1, 4), "float32")))
    return layer


LAYERS: dict[str, Callable[[], Any]] = {
    "BatchNorm1d": lambda: nn.BatchNorm1d(4),
    "BatchNorm1d, average": lambda: nn.BatchNorm1d(4, momentum=None),
    "BatchNorm1d, untracked": lambda: nn.BatchNorm1d(4, track_running_stats=False),
    "BatchNorm1d, plain": lambda: nn.BatchNorm1d(4, affine=False, momentum=1.0),
    "BatchNorm1d, no bias": lambda: nn.BatchNorm1d(4, bias=False, eps=0.1),
    "BatchNorm1d, twice": lambda: nn.Sequential(*[nn.BatchNorm1d(4)] * 2),
    "BatchNorm1d, length": lambda: nn.Sequential(
        Reshape((-1, 2, 2)), nn.BatchNorm1d(2), nn.Flatten()
    ),
    "BatchNorm2d": lambda: Within((-1, 2, 2, 1), nn.BatchNorm2d(2)),
    "BatchNorm3d": lambda: Within((-1, 2, 2, 1, 1), nn.BatchNorm3d(2)),
    "GroupNorm": lambda: Within((-1, 2, 2), nn.GroupNorm(2, 2)),
    "InstanceNorm1d": lambda: Within((-1, 2, 2), nn.InstanceNorm1d(2, affine=True)),
    "InstanceNorm2d": lambda: Within((-1, 2, 2, 1), nn.InstanceNorm2d(2)),
    "InstanceNorm3d": lambda: Within(
        (-1, 2, 2, 1, 1), nn.InstanceNorm3d(2, track_running_stats=True)
    ),
    "LocalResponseNorm": lambda: Within((-1, 4, 1), nn.LocalResponseNorm(3, alpha=0.5)),
    "Dropout": lambda: nn.Dropout(0.4),
    "Dropout1d": lambda: Within((-1, 2, 2), nn.Dropout1d(0.4)),
    "Dropout2d": lambda: Within((-1, 2, 2, 1), nn.Dropout2d(0.4)),
    "Dropout3d": lambda: Within((-1, 2, 2, 1, 1), nn.Dropout3d(0.4)),
    "AlphaDropout": lambda: nn.AlphaDropout(0.4),
    "FeatureAlphaDropout": lambda: Within((-1, 2, 2), nn.FeatureAlphaDropout(0.4)),
    "RNN": lambda: Within((3, -1, 4), nn.RNN(4, 4, 2), nn.RNN(4, 4, nonlinearity="relu")),
    "LSTM": lambda: Within((3, -1, 4), nn.LSTM(4, 4), nn.LSTM(4, 2, bidirectional=True)),
    "LSTM, projected": lambda: Within((3, -1, 4), nn.LSTM(4, 6, proj_size=4)),
    "LSTM, dropout": lambda: Within((-1, 3, 4), nn.LSTM(4, 4, 2, batch_first=True, dropout=0.4)),
    "GRU": lambda: Within((3, -1, 4), nn.GRU(4, 4, 2), nn.GRU(4, 2, bidirectional=True)),
    "RNNCell": lambda: nn.RNNCell(4, 4),
    "LSTMCell": lambda: Within((-1, 4), nn.LSTMCell(4, 4)),
    "GRUCell": lambda: nn.GRUCell(4, 4),
    "ELU": nn.ELU,
    "Flatten": nn.Flatten,
    "GELU": nn.GELU,
    "GELU, tanh": lambda: nn.GELU("tanh"),
    "Hardtanh": lambda: nn.Hardtanh(-0.5, 0.5),
    "Identity": nn.Identity,
    "LayerNorm": lambda: nn.LayerNorm(4),
    "LayerNorm, plain": lambda: nn.LayerNorm(4, elementwise_affine=False),
    "LazyLinear": lambda: called(nn.LazyLinear(4)),
    "LeakyReLU": nn.LeakyReLU,
    "Linear": lambda: nn.Linear(4, 4, bias=False),
    "LogSigmoid": nn.LogSigmoid,
    "LogSoftmax": lambda: nn.LogSoftmax(dim=1),
    "ReLU": nn.ReLU,
    "SiLU": nn.SiLU,
    "Sigmoid": nn.Sigmoid,
    "Softmax": lambda: nn.Softmax(dim=1),
    "Softplus": lambda: nn.Softplus(2.0),
    "Tanh": nn.Tanh,
    "Bilinear": lambda: OfItself(nn.Bilinear(4, 4, 4), 2),
    "CELU": nn.CELU,
    "CosineSimilarity": lambda: Pair(nn.CosineSimilarity()),
    "Embedding": lambda: Numbered(nn.Embedding(2, 4)),
    "Embedding, padded": lambda: Numbered(nn.Embedding(2, 4, padding_idx=0)),
    "Embedding, few rows": lambda: Numbered(nn.Embedding(2, 4, sparse=True)),
    "EmbeddingBag": lambda: Numbered(nn.EmbeddingBag(2, 4, padding_idx=0), bags=True),
    "EmbeddingBag, max": lambda: Numbered(nn.EmbeddingBag(2, 4, mode="max"), bags=True),
    "MultiheadAttention": lambda: OfItself(nn.MultiheadAttention(4, 2, 0.2), 3),
    "Transformer": lambda: OfItself(nn.Transformer(4, 2, 1, 1, 6), 2),
    "TransformerDecoder": lambda: OfItself(
        nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 6, 0.0), 2), 2
    ),
    "TransformerDecoderLayer": lambda: OfItself(nn.TransformerDecoderLayer(4, 1, 6), 2),
    "TransformerEncoder": lambda: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(4, 2, 6), 2, nn.LayerNorm(4)
    ),
    "TransformerEncoderLayer": lambda: nn.TransformerEncoderLayer(4, 2, 6, norm_first=True),
    "GLU": lambda: nn.Sequential(nn.GLU(), nn.Linear(2, 4)),
    "Hardshrink": nn.Hardshrink,
    "Hardsigmoid": nn.Hardsigmoid,
    "Hardswish": nn.Hardswish,
    "Mish": nn.Mish,
    "PReLU": nn.PReLU,
    "PReLU, channels": lambda: nn.PReLU(4),
    "PairwiseDistance": lambda: Pair(nn.PairwiseDistance()),
    "RMSNorm": lambda: nn.RMSNorm(4),
    "ReLU6": nn.ReLU6,
    "SELU": nn.SELU,
    "RReLU": nn.RReLU,
    "Softmax2d": lambda: Within((-1, 2, 2, 1), nn.Softmax2d()),
    "Softmin": lambda: nn.Softmin(dim=1),
    "Softplus, threshold": lambda: nn.Softplus(2.0, 0.5),
    "Softshrink": nn.Softshrink,
    "Softsign": nn.Softsign,
    "Tanhshrink": nn.Tanhshrink,
    "Threshold": lambda: nn.Threshold(0.1, 2.0),
    "Unflatten": lambda: nn.Sequential(nn.Unflatten(1, (2, 2)), nn.Flatten()),
    "AdaptiveAvgPool1d": lambda: Within((-1, 2, 2), nn.Upsample(3), nn.AdaptiveAvgPool1d(2)),
    "AdaptiveAvgPool2d": lambda: Within((-1, 1, 2, 2), nn.Upsample(4), nn.AdaptiveAvgPool2d(2)),
    "AdaptiveAvgPool3d": lambda: Within(
        (-1, 1, 2, 2, 1), nn.Upsample(3), nn.AdaptiveAvgPool3d((2, 2, 1))
    ),
    "AdaptiveMaxPool1d": lambda: Within((-1, 2, 2), nn.Upsample(4), nn.AdaptiveMaxPool1d(2)),
    "AdaptiveMaxPool2d": lambda: Within((-1, 1, 2, 2), nn.Upsample(4), nn.AdaptiveMaxPool2d(2)),
    "AdaptiveMaxPool3d": lambda: Within(
        (-1, 1, 2, 2, 1), nn.Upsample(4), nn.AdaptiveMaxPool3d((2, 2, 1))
    ),
    "AvgPool1d": lambda: Within((-1, 2, 2), nn.AvgPool1d(3, 1, 1, count_include_pad=False)),
    "AvgPool2d": lambda: Within((-1, 1, 2, 2), nn.AvgPool2d(3, 1, 1)),
    "AvgPool3d": lambda: Within((-1, 1, 2, 2, 1), nn.AvgPool3d((3, 3, 1), 1, (1, 1, 0))),
    "ChannelShuffle": lambda: Within((-1, 4, 1), nn.ChannelShuffle(2)),
    "CircularPad1d": lambda: Within((-1, 2, 2), nn.CircularPad1d(1), nn.Conv1d(2, 2, 3)),
    "CircularPad2d": lambda: Within((-1, 1, 2, 2), nn.CircularPad2d(1), nn.Conv2d(1, 1, 3)),
    "CircularPad3d": lambda: Within((-1, 1, 2, 2, 1), nn.CircularPad3d(1), nn.Conv3d(1, 1, 3)),
    "ConstantPad1d": lambda: Within((-1, 2, 2), nn.ConstantPad1d(1, 0.5), nn.Conv1d(2, 2, 3)),
    "ConstantPad2d": lambda: Within((-1, 1, 2, 2), nn.ConstantPad2d(1, 0.5), nn.Conv2d(1, 1, 3)),
    "ConstantPad3d": lambda: Within((-1, 1, 2, 2, 1), nn.ConstantPad3d(1, 2.0), nn.Conv3d(1, 1, 3)),
    "Conv1d": lambda: Within((-1, 2, 2), nn.Conv1d(2, 2, 3, padding="same", bias=False)),
    "Conv2d": lambda: Within((-1, 1, 2, 2), nn.Conv2d(1, 4, 2, 2), nn.Conv2d(4, 4, 1, groups=2)),
    "Conv3d": lambda: Within((-1, 1, 2, 2, 1), nn.Conv3d(1, 1, 3, padding=1)),
    "ConvTranspose1d": lambda: Within((-1, 4, 1), nn.ConvTranspose1d(4, 2, 2)),
    "ConvTranspose2d": lambda: Within(
        (-1, 4, 1, 1), nn.ConvTranspose2d(4, 1, 2, 2, output_padding=1), nn.MaxPool2d(2, 1)
    ),
    "ConvTranspose3d": lambda: Within((-1, 2, 2, 1, 1), nn.ConvTranspose3d(2, 1, (1, 2, 1))),
    "Fold": lambda: Within((-1, 1, 4), nn.Fold((2, 2), 1)),
    "LPPool1d": lambda: Within((-1, 2, 2), nn.ConstantPad1d((0, 1), 1.0), nn.LPPool1d(2, 2, 1)),
    "LPPool2d": lambda: Within((-1, 1, 2, 2), nn.ZeroPad2d((0, 1, 0, 1)), nn.LPPool2d(2, 2, 1)),
    "LPPool3d": lambda: Within(
        (-1, 1, 2, 2, 1), nn.ZeroPad3d((0, 0, 0, 1, 0, 1)), nn.LPPool3d(2, (2, 2, 1), 1)
    ),
    "MaxPool1d": lambda: Within((-1, 2, 2), nn.MaxPool1d(2, 1, 1), nn.Conv1d(2, 2, 2)),
    "MaxPool2d": lambda: Within((-1, 1, 2, 2), nn.MaxPool2d(3, 1, 1)),
    "MaxPool3d": lambda: Within((-1, 1, 2, 2, 1), nn.MaxPool3d(3, 1, 1)),
    "MaxUnpool1d": lambda: Within((-1, 2, 2), Unpooled(nn.MaxPool1d(2), nn.MaxUnpool1d(2))),
    "MaxUnpool2d": lambda: Within((-1, 1, 2, 2), Unpooled(nn.MaxPool2d(2), nn.MaxUnpool2d(2))),
    "MaxUnpool3d": lambda: Within(
        (-1, 1, 2, 2, 1), Unpooled(nn.MaxPool3d((2, 1, 1)), nn.MaxUnpool3d((2, 1, 1)))
    ),
    "PixelShuffle": lambda: Within((-1, 4, 1, 1), nn.PixelShuffle(2)),
    "PixelUnshuffle": lambda: Within((-1, 1, 2, 2), nn.PixelUnshuffle(2)),
    "ReflectionPad1d": lambda: Within((-1, 2, 2), nn.ReflectionPad1d(1), nn.Conv1d(2, 2, 3)),
    "ReflectionPad2d": lambda: Within((-1, 1, 2, 2), nn.ReflectionPad2d(1), nn.Conv2d(1, 1, 3)),
    "ReflectionPad3d": lambda: Within(
        (-1, 1, 2, 2, 1), nn.ReflectionPad3d((0, 0, 1, 1, 1, 1)), nn.Conv3d(1, 1, (3, 3, 1))
    ),
    "ReplicationPad1d": lambda: Within((-1, 2, 2), nn.ReplicationPad1d(1), nn.Conv1d(2, 2, 3)),
    "ReplicationPad2d": lambda: Within((-1, 1, 2, 2), nn.ReplicationPad2d(1), nn.Conv2d(1, 1, 3)),
    "ReplicationPad3d": lambda: Within(
        (-1, 1, 2, 2, 1), nn.ReplicationPad3d(1), nn.Conv3d(1, 1, 3)
    ),
    "Unfold": lambda: Within((-1, 1, 2, 2), nn.Unfold(2)),
    "Upsample": lambda: Within(
        (-1, 1, 2, 2), nn.Upsample(3, mode="bicubic"), nn.Upsample(2, mode="bilinear")
    ),
    "UpsamplingBilinear2d": lambda: Within(
        (-1, 1, 2, 2), nn.UpsamplingBilinear2d(3), nn.AvgPool2d(2, 1)
    ),
    "UpsamplingNearest2d": lambda: Within(
        (-1, 1, 2, 2), nn.UpsamplingNearest2d(3), nn.AvgPool2d(2, 1)
    ),
    "ZeroPad1d": lambda: Within((-1, 2, 2), nn.ZeroPad1d(1), nn.Conv1d(2, 2, 3)),
    "ZeroPad2d": lambda: Within((-1, 1, 2, 2), nn.ZeroPad2d(1), nn.Conv2d(1, 1, 3)),
    "ZeroPad3d": lambda: Within((-1, 1, 2, 2, 1), nn.ZeroPad3d(1), nn.Conv3d(1, 1, 3)),
}


def classes(rng: np.random.Generator) -> Any:
    return rng.integers(0, 3, 6)


def ignoring(rng: np.random.Generator) -> Any:
    """Classes; the last of some are ignored, of one draw all."""
    t = rng.integers(0, 3, 6)
    t[int(rng.integers(0, 6)) :] = 1
    return t


def listed(rng: np.random.Generator) -> Any:
    """Classes, of which those before the first -1 count."""
    return np.array([rng.permutation([0, 1, 2, -1])[:3] for _ in range(6)])


def rows(rng: np.random.Generator) -> Any:
    return rng.standard_normal((6, 3))


def probabilities(rng: np.random.Generator) -> Any:
    return rng.dirichlet(np.ones(3), 6)


def zero_one(rng: np.random.Generator) -> Any:
    return rng.integers(0, 2, (6, 3))


def signs(rng: np.random.Generator) -> Any:
    return rng.choice([-1.0, 1.0], (6, 3))


SHARES = Tensor([0.2, 1.0, 3.0])
LOSSES: dict[str, tuple[Callable[[str], Any], Maker]] = {
    "BCELoss": (lambda r: nn.BCELoss(reduction=r), probabilities),
    "BCELoss, weight": (lambda r: nn.BCELoss(SHARES, r), zero_one),
    "BCEWithLogitsLoss": (lambda r: nn.BCEWithLogitsLoss(reduction=r), zero_one),
    "BCEWithLogitsLoss, weights": (
        lambda r: nn.BCEWithLogitsLoss(SHARES, r, pos_weight=SHARES + 1),
        probabilities,
    ),
    "CrossEntropyLoss": (lambda r: nn.CrossEntropyLoss(reduction=r), classes),
    "CrossEntropyLoss, weight": (lambda r: nn.CrossEntropyLoss(SHARES, reduction=r), classes),
    "CrossEntropyLoss, ignore": (
        lambda r: nn.CrossEntropyLoss(ignore_index=1, reduction=r),
        ignoring,
    ),
    "CrossEntropyLoss, smoothing": (
        lambda r: nn.CrossEntropyLoss(reduction=r, label_smoothing=0.2),
        classes,
    ),
    "CrossEntropyLoss, all": (lambda r: nn.CrossEntropyLoss(SHARES, 1, r, 0.2), ignoring),
    "CrossEntropyLoss, probabilities": (
        lambda r: nn.CrossEntropyLoss(SHARES, reduction=r, label_smoothing=0.2),
        probabilities,
    ),
    "HuberLoss": (lambda r: nn.HuberLoss(r, 0.5), rows),
    "L1Loss": (nn.L1Loss, rows),
    "MSELoss": (nn.MSELoss, zero_one),
    "NLLLoss": (lambda r: nn.NLLLoss(reduction=r), classes),
    "NLLLoss, weight": (lambda r: nn.NLLLoss(SHARES, 1, r), ignoring),
    "SmoothL1Loss": (lambda r: nn.SmoothL1Loss(r, 0.5), rows),
    "CosineEmbeddingLoss": (lambda r: Third(nn.CosineEmbeddingLoss(reduction=r)), signs),
    "GaussianNLLLoss": (lambda r: Third(nn.GaussianNLLLoss(reduction=r)), signs),
    "HingeEmbeddingLoss": (lambda r: nn.HingeEmbeddingLoss(reduction=r), signs),
    "KLDivLoss": (lambda r: nn.KLDivLoss(r), probabilities),
    "KLDivLoss, batch": (lambda r: nn.KLDivLoss("batchmean"), probabilities),
    "MarginRankingLoss": (lambda r: Third(nn.MarginRankingLoss(reduction=r)), signs),
    "MultiLabelMarginLoss": (lambda r: nn.MultiLabelMarginLoss(r), listed),
    "MultiLabelSoftMarginLoss": (lambda r: nn.MultiLabelSoftMarginLoss(SHARES, r), zero_one),
    "MultiMarginLoss": (lambda r: nn.MultiMarginLoss(2, 0.5, SHARES, r), classes),
    "PoissonNLLLoss": (lambda r: nn.PoissonNLLLoss(reduction=r), zero_one),
    "SoftMarginLoss": (lambda r: nn.SoftMarginLoss(r), signs),
    "TripletMarginWithDistanceLoss": (
        lambda r: Third(nn.TripletMarginWithDistanceLoss(reduction=r)),
        rows,
    ),
    "TripletMarginLoss": (lambda r: Third(nn.TripletMarginLoss(reduction=r)), rows),
}


class Pair(nn.Module):
    """What a layer of two inputs gives, times one of them."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return x * self.inner(x, x * x + 1)[:, None]


class Numbered(nn.Module):
    """The rows of an embedding of numbers."""

    def __init__(self, inner: Any, bags: bool = False) -> None:
        super().__init__()
        self.inner = inner
        self.bags = bags

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(((x if self.bags else x[:, 0]) > 0).long()) * x


class OfItself(nn.Module):
    """What a layer gives where all its inputs are one; of pairs the first."""

    def __init__(self, inner: Any, count: int) -> None:
        super().__init__()
        self.inner = inner
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(*[x] * self.count)
        return y[0] if isinstance(y, tuple) else y


class Third(nn.Module):
    """A loss of two inputs and a target."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        if isinstance(self.inner, nn.CosineEmbeddingLoss):
            return self.inner(x, x * x, t[:, 0])
        return self.inner(x, x * x, t * t if isinstance(self.inner, nn.GaussianNLLLoss) else t)


class Reshape(nn.Module):
    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(self.shape)


class Within(nn.Module):
    """Layers on the elements in another shape; of pairs the first goes on."""

    def __init__(self, shape: tuple[int, ...], *layers: Any) -> None:
        super().__init__()
        self.shape = shape
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        y = x.reshape(self.shape)
        for layer in self.layers:
            y = layer(y)
            if isinstance(y, tuple):
                y = y[0] + sum((s * s).mean() for s in (y[1] if isinstance(y[1], tuple) else y[1:]))
        return y.reshape(x.shape)


class Unpooled(nn.Module):
    """The largest elements where they are from."""

    def __init__(self, pool: Any, unpool: Any) -> None:
        super().__init__()
        pool.return_indices = True
        self.pool, self.unpool = pool, unpool

    def forward(self, x: Tensor) -> Tensor:
        return self.unpool(*self.pool(x), output_size=x.shape)


class Whole(nn.Module):
    """A network and its loss."""

    def __init__(self, *parts: Any) -> None:
        super().__init__()
        *layers, self.loss = parts
        self.layers = nn.Sequential(nn.Linear(5, 4), *layers)

    def forward(self, x: Any, t: Any) -> Tensor:
        loss = self.loss(self.layers(x), t)
        return loss if loss.ndim == 0 else (loss * loss).sum()


def test_the_tables_are_complete() -> None:
    rest = {"RNNBase", "RNNCellBase", *nn.layers.lazy.__all__} - {"LazyLinear"}  # one for all
    rest.add("CTCLoss")  # it reads targets and lengths, and runs as it is
    for table, module in ((LAYERS, nn.layers), (LOSSES, nn.losses)):
        assert {name.split(",")[0] for name in table} == set(module.__all__) - rest


def agree(whole: Whole, make: Maker, dtype: str, rtol: float) -> None:
    """Train it compiled and a copy eagerly: three steps, two in evaluation, two more, one without
    gradients; compare everything, also what was returned before."""
    rng = np.random.default_rng(3)
    whole = whole.double() if dtype == "float64" else whole
    twin, step = copy.deepcopy(whole), compile(whole)
    held: list[tuple[Tensor, Any]] = []

    def both(i: int) -> None:
        x, t = rng.standard_normal((6, 5)).astype(dtype), make(rng)
        t = t.astype(dtype) if t.dtype.kind == "f" else t
        found = []
        for f, model in ((step, whole), (twin, twin)):
            ag.manual_seed(i)
            if i == 7:
                with no_grad():
                    loss = f(Tensor(x), Tensor(t))
            else:
                model.zero_grad()
                loss = f(Tensor(x), Tensor(t))
                loss.backward()
            found.append([loss, *(p.grad for p in model.parameters()), *model.buffers()])
        for a, b in zip(*found, strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_allclose(a.array, b.array, rtol=rtol, atol=rtol)
        count = 1 + len(list(whole.parameters()))
        held.extend((a, a.array.copy()) for a in found[0][:count])
        for model in (whole, twin):
            with no_grad():
                for p in model.parameters():
                    p.sub_(0.01 * p.grad)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for i in range(8):
            for model in (whole, twin):
                model.train(i not in (3, 4))
            both(i)
    for a, value in held:
        np.testing.assert_array_equal(a.array, value)
    assert not step.why
    assert step.traces <= 4


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer(name: str, dtype: str) -> None:
    rtol = 1e-12 if dtype == "float64" else 2e-5
    agree(Whole(LAYERS[name](), nn.Linear(4, 3), nn.MSELoss()), rows, dtype, rtol)


@pytest.mark.parametrize(
    ("reduction", "dtype"),
    [("mean", "float64"), ("sum", "float64"), ("none", "float64"), ("mean", "float32")],
)
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss(name: str, reduction: str, dtype: str) -> None:
    loss, target = LOSSES[name]
    last = [nn.Sigmoid()] if name.startswith("BCELoss") else []
    rtol = 1e-12 if dtype == "float64" else 2e-5
    agree(Whole(nn.Tanh(), nn.Linear(4, 3), *last, loss(reduction)), target, dtype, rtol)


def test_weights_of_a_loss_may_change() -> None:
    w, loss_fn = Tensor(np.ones((4, 3)), requires_grad=True), nn.CrossEntropyLoss(SHARES.clone())
    step, t = compile(lambda t: loss_fn(w, t)), Tensor(np.array([0, 1, 2, 2]))
    for change in ("", "values", "data", "tensor", "ignored"):
        if change == "values":
            loss_fn.weight.array[0] = 9
        elif change == "data":
            loss_fn.weight.array = np.array([1.0, 2.0, 4.0], np.float32)
        elif change == "tensor":
            loss_fn.weight = Tensor([3.0, 2.0, 1.0])
        elif change == "ignored":
            loss_fn.ignore_index = 2
        for _ in range(2):
            assert step(t).item() == pytest.approx(loss_fn(w, t).item(), rel=1e-12)
    assert not step.why


FUNCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "normalize": lambda x, t: F.normalize(x),
    "pad": lambda x, t: F.pad(x, (1, -1)) * 2,
    "one_hot": lambda x, t: x * F.one_hot(t, 3),
    "max": lambda x, t: x.max(dim=1).values,
    "max, indices": lambda x, t: x[x.max(0).indices] * x.max(1, keepdim=True)[0][:3],
    "min": lambda x, t: x.min(0)[0] * x.amin(1, keepdims=True),
    "argmax": lambda x, t: x[np.arange(6), x.argmax(1)],
    "gather": lambda x, t: x.gather(1, t.unsqueeze(1)),
    "signs": lambda x, t: x * ag.sign(x) + ag.floor(x) * x.round() + (x.isnan() | (x > 0)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_that_find_places(name: str) -> None:
    class Function(nn.Module):
        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            return (FUNCTIONS[name](x, t) ** 2).mean()

    agree(Whole(nn.Tanh(), nn.Linear(4, 3), Function()), classes, "float64", 1e-12)
