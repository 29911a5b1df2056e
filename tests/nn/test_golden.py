"""Modules, losses, optimisers and schedules compute what PyTorch's do, in float64.

`SAME` holds one snippet per behaviour, which runs with either library. What PyTorch 2.13 gives is
stored in `golden.json` (written by `python -m tests.make_golden`), and compared live where PyTorch
is installed.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import nn
from autograd_lite import Tensor
from nn import optim

# A library is a namespace of three names: nn, optim and make(array, grad=False), a leaf tensor.
Snippet = Callable[[Any], dict[str, Any]]
SAME: dict[str, Snippet] = {}
RTOL = 1e-12
LOOSE: dict[str, float] = {}  # relative errors of snippets that need another
GOLDEN = Path(__file__).with_name("golden.json")
STEPS = 20


def same(name: str, snippet: Snippet) -> None:
    assert name not in SAME, name
    SAME[name] = snippet


def plain(value: Any) -> Any:
    """Numbers and lists of them, as JSON keeps them, for tensors, arrays and what holds them."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value.tolist() if hasattr(value, "tolist") else value


OURS = SimpleNamespace(
    nn=nn, optim=optim, make=lambda a, grad=False: Tensor(np.array(a), requires_grad=grad)
)


def ours(name: str) -> dict[str, Any]:
    return plain(SAME[name](OURS))


def theirs(torch: Any, name: str) -> dict[str, Any]:
    clip = {n: getattr(torch.nn.utils, n) for n in ("clip_grad_norm_", "clip_grad_value_")}
    lib = SimpleNamespace(
        nn=torch.nn,
        optim=SimpleNamespace(**vars(torch.optim), **clip),
        make=lambda a, grad=False: torch.tensor(np.array(a), requires_grad=grad),
    )
    return plain(SAME[name](lib))


def agree(a: Any, b: Any, name: str, where: str = "") -> None:
    """The same keys, shapes and missing gradients, and numbers to a relative error of 1e-12.

    The absolute 1e-14 is for what cancels to 0 in one order of summation and not in another.
    """
    if isinstance(b, dict):
        assert a.keys() == b.keys(), where
        for key in b:
            agree(a[key], b[key], name, f"{where} {key}")
    elif b is None:
        assert a is None, where
    else:
        assert np.shape(a) == np.shape(b), where
        rtol = LOOSE.get(name, RTOL)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-14, err_msg=f"{name}:{where}")


def waves(*shape: int, phase: float = 0.0) -> Any:
    """Numbers between -1 and 1 without a pattern, for what need not be special."""
    return np.sin(np.arange(math.prod(shape)) * 2.4 + 0.3 + phase).reshape(shape)


def backward(make: Any, out: Any) -> None:
    """Gradients of the outputs' sum under fixed weights."""
    (out * make(np.cos(np.arange(math.prod(out.shape)) + 1.0).reshape(out.shape))).sum().backward()


# ---- modules ---------------------------------------------------------------------------------

EDGE = [-1000.0, -30.0, -3.0, -1.0, -0.5, -0.0, 0.0, 1e-8, 0.5, 1.0, 3.0, 6.0, 30.0, 1000.0]
ROWS = [[0.0, 0.0, 0.0], [2.0, 2.0, -1.0], [1000.0, -1000.0, 0.0], [1000.0, 1000.0, 999.0]]
COVERED: set[str] = set()


def filled(t: Any, layer: Any) -> Any:
    """The layer in float64, its parameters and floating buffers positive and all different."""
    layer = layer.double()
    new = {}
    for i, (key, value) in enumerate(layer.state_dict().items()):
        if "int" not in str(value.dtype):
            value = t.make(1 + 0.5 * waves(*value.shape, phase=i))
        new[key] = value
    layer.load_state_dict(new)
    return layer


def module(
    kind: str,
    *args: Any,
    x: Any,
    note: str = "",
    train: bool = True,
    build: Callable[[Any], Any] | None = None,
    call: Callable[[Any, Any], Any] = lambda layer, x: layer(x),
    **kw: Any,
) -> None:
    """Output, gradients and buffers of nn.<kind>(*args, **kw), or of what `build` makes of nn."""

    def snippet(t: Any) -> dict[str, Any]:
        layer = filled(t, build(t.nn) if build else getattr(t.nn, kind)(*args, **kw)).train(train)
        input = t.make(x, grad=True)
        out = call(layer, input)
        backward(t.make, out)
        return {
            "shape": list(out.shape),
            "output": out,
            "input": input.grad,
            "gradients": {key: p.grad for key, p in layer.named_parameters()},
            "buffers": dict(layer.named_buffers()),
        }

    COVERED.add(kind)
    words = [str(a) for a in args] + [f"{k}={v}" for k, v in kw.items()]
    notes = [str(list(np.shape(x))), note, "" if train else "eval"]
    same(" ".join([f"{kind}({', '.join(words)})", *filter(None, notes)]), snippet)


for shape in [(4, 3), (3,), (2, 2, 3), (0, 3)]:
    module("Linear", 3, 2, x=waves(*shape))
module("Linear", 3, 2, bias=False, x=waves(4, 3))
module("Linear", 3, 2, x=ROWS, note="edges")
module("Linear", 3, 1, x=ROWS, note="edges")


def called(kind: str, *args: Any, d: int = 0) -> Callable[[Any], Any]:
    """A lazy layer that has seen an input of 3 channels, which is the weight of another."""

    def build(n: Any) -> Any:
        layer = getattr(n, kind)(*args)
        other = getattr(n, f"Conv{d}d")(3, 4, 5) if d else n.Linear(3, 4)
        layer(other.weight)
        return layer

    return build


module("LazyLinear", 2, x=waves(4, 3), build=called("LazyLinear", 2))
for d in (1, 2, 3):
    for kind in (f"LazyConv{d}d", f"LazyConvTranspose{d}d"):
        module(kind, 2, 3, x=waves(2, 3, *[4] * d), build=called(kind, 2, 3, d=d))
    for kind in (f"LazyBatchNorm{d}d", f"LazyInstanceNorm{d}d"):
        module(kind, x=waves(2, 3, *[4] * d), build=called(kind, d=d))
module("Bilinear", 3, 2, 4, x=waves(4, 3), call=lambda layer, x: layer(x, x[:, :2]))
module("Bilinear", 3, 3, 4, bias=False, x=waves(2, 2, 3), call=lambda layer, x: layer(x, x))


def spelled(layer: Any, x: Any) -> Any:
    """CTC of the letters 1 2 and 1 1 in six and five steps."""
    letters = (x.detach()[0, :, :2] * 0 + 1).long()
    letters[0, 1] = 2
    return layer(x.log_softmax(-1), letters, (6, 5), (2, 2))


for kw in [{}, {"reduction": "sum"}, {"reduction": "none", "zero_infinity": True}]:
    module("CTCLoss", **kw, x=waves(6, 2, 4), call=spelled)
for kind, *options in [
    ("ReLU",), ("Tanh",), ("Sigmoid",), ("LogSigmoid",), ("SiLU",), ("Identity",),
    ("LeakyReLU", {"negative_slope": 0.3}, {"negative_slope": 0.0}), ("ELU", {"alpha": 0.4}),
    ("GELU", {"approximate": "tanh"}), ("Hardtanh", {"min_val": -0.5, "max_val": 3.0}),
    ("Softplus", {"beta": 0.5}, {"beta": 3.0}, {"beta": 2.0, "threshold": 1.5}),
    ("CELU", {"alpha": 0.5}), ("ReLU6",), ("SELU",), ("Mish",), ("Hardswish",), ("Softsign",),
    ("Tanhshrink",), ("Hardshrink", {"lambd": 0.75}), ("Softshrink", {"lambd": 0.75}),
    ("Hardsigmoid",),
]:  # fmt: skip
    for kw in [{}, *options]:
        module(kind, **kw, x=EDGE)
    module(kind, x=waves(2, 3))
module("Threshold", 0.5, 20.0, x=EDGE)
for layer in ("ReLU", "LeakyReLU", "ELU", "CELU", "SiLU", "Hardtanh", "ReLU6", "SELU", "Mish"):
    module(layer, inplace=True, x=waves(2, 3), call=lambda layer, x: layer(x * 2) + x)
module("Threshold", 0.5, 20.0, inplace=True, x=waves(2, 3), call=lambda layer, x: layer(x * 2) + x)
module("PReLU", x=waves(2, 3))
module("PReLU", 3, x=waves(2, 3, 2))
module("GLU", x=waves(2, 4))
module("GLU", 0, x=waves(2, 4))
module("Unflatten", 1, (2, 3), x=waves(2, 6))
module("CosineSimilarity", x=waves(4, 3), call=lambda layer, x: layer(x, x * x))
module("CosineSimilarity", dim=0, x=waves(4, 3), call=lambda layer, x: layer(x, x * x))
module("PairwiseDistance", x=waves(4, 3), call=lambda layer, x: layer(x, x * x))
module(
    "PairwiseDistance", p=1.0, keepdim=True, x=waves(4, 3), call=lambda layer, x: layer(x, x * x)
)
module(
    "Embedding",
    5,
    3,
    x=waves(2, 3),
    call=lambda layer, x: layer((x > 0).long() + 2) * x[..., None],
)
module(
    "Embedding", 5, 3, padding_idx=2, x=waves(2, 3), call=lambda layer, x: layer((x > 0).long() + 2)
)
module("RMSNorm", 3, x=waves(4, 3))
module("RMSNorm", [2, 3], eps=0.1, x=waves(2, 2, 3))
module("RMSNorm", 3, elementwise_affine=False, x=waves(4, 3))
for kind in ("Softmax", "LogSoftmax", "Softmin"):
    for dim in (0, 1, -1):
        module(kind, dim=dim, x=ROWS)
    module(kind, dim=1, x=waves(2, 3, 2))
    module(kind, dim=0, x=[1000.0, -1000.0])
    module(kind, dim=1, x=[[-1000.0], [7.0]])
module("Flatten", x=waves(2, 3, 2))
module("Flatten", 0, x=waves(2, 3, 2))
module("Flatten", 0, 1, x=waves(2, 3, 2))
module("Flatten", 1, -2, x=waves(2, 3, 2, 1))
module("Dropout", 0.4, train=False, x=waves(4, 3))
module("Dropout", p=0.0, x=EDGE)
module("Dropout", p=1.0, x=waves(2, 3))
for train in (True, False):
    for kw in [
        {}, {"eps": 0.1}, {"momentum": 0.3}, {"momentum": None}, {"momentum": 1.0}, {"affine": False},
        {"bias": False}, {"track_running_stats": False},
    ]:  # fmt: skip
        module("BatchNorm1d", 3, **kw, train=train, x=waves(5, 3))
    module("BatchNorm1d", 3, train=train, x=waves(2, 3, 4))
    module("BatchNorm1d", 2, train=train, x=[[0.0, 1000.0], [0.0, -1000.0]])


for train in (True, False):
    for dims, size in ((2, (3, 2)), (3, (2, 3, 2))):
        module(f"BatchNorm{dims}d", 3, train=train, x=waves(2, 3, *size))
        module(
            f"BatchNorm{dims}d", 3, affine=False, momentum=None, train=train, x=waves(2, 3, *size)
        )
    for dims, size in ((1, (4,)), (2, (3, 2)), (3, (2, 3, 2))):
        for kw in ({}, {"affine": True, "eps": 0.1}, {"track_running_stats": True, "affine": True}):
            module(f"InstanceNorm{dims}d", 3, **kw, train=train, x=waves(2, 3, *size))
        module(f"InstanceNorm{dims}d", 3, affine=True, train=train, x=waves(3, *size))
for kw in [{}, {"eps": 0.1}, {"affine": False}, {"bias": False}]:
    module("GroupNorm", 2, 4, **kw, x=waves(3, 4, 2, 3))
module("GroupNorm", 1, 4, x=waves(3, 4))
module("GroupNorm", 4, 4, x=waves(2, 4, 3))
for n in (1, 2, 3, 6):
    module("LocalResponseNorm", n, x=waves(2, 4, 3))
module("LocalResponseNorm", 3, alpha=0.5, beta=0.4, k=2.0, x=waves(2, 4, 3, 2))
module("Softmax2d", x=waves(2, 3, 2, 2))
module("Softmax2d", x=waves(3, 2, 2))
module("RReLU", train=False, x=EDGE)
module("RReLU", 0.3, 0.3, x=EDGE)
module("RReLU", inplace=True, train=False, x=waves(2, 3), call=lambda layer, x: layer(x * 2) + x)
for kind in ("AlphaDropout", "FeatureAlphaDropout", "Dropout1d", "Dropout2d", "Dropout3d"):
    shape = (2, 3, *[2] * int(kind[-2])) if kind[-1] == "d" else (2, 3, 2)
    module(kind, 0.4, train=False, x=waves(*shape))
    module(kind, p=0.0, x=waves(*shape))
    module(kind, p=1.0, x=waves(*shape))


def seen(t: Any, **kw: Any) -> dict[str, Any]:
    """A BatchNorm1d after batches of several sizes, then in eval()."""
    layer = filled(t, t.nn.BatchNorm1d(3, **kw))
    running = []
    for n in (2, 5, 3):
        layer(t.make(3 * waves(n, 3, phase=n) + n))
        running.append([layer.running_mean.tolist(), layer.running_var.tolist()])
    x = t.make(waves(4, 3), grad=True)
    out = layer.eval()(x)
    backward(t.make, out)
    return {
        "running": running,
        "count": layer.num_batches_tracked,
        "output": out,
        "input": x.grad,
        "weight": layer.weight.grad,
    }


for momentum in (0.1, None):
    same(f"BatchNorm1d, three batches, {momentum=}", lambda t, m=momentum: seen(t, momentum=m))

for kw in [{}, {"eps": 0.1}, {"bias": False}, {"elementwise_affine": False}]:
    module("LayerNorm", 3, **kw, x=waves(4, 3))
module("LayerNorm", 3, x=waves(3))
module("LayerNorm", [2, 3], x=waves(2, 2, 3))
module("LayerNorm", 4, x=[[0.0] * 4, [2.0] * 4, [1000.0, -1000.0] * 2, [1.0, -1.0, 1.0, -1.0]])


def block(n: Any) -> list[Any]:
    # no bias: before BatchNorm1d its gradient is rounding noise, which Adam makes whole steps of
    first = n.Linear(3, 4, bias=False)
    return [first, n.BatchNorm1d(4), n.Tanh(), n.LayerNorm(4), n.GELU(), n.Linear(4, 2)]


def through(layers: Any, x: Any) -> Any:
    for layer in layers:
        x = layer(x)
    return x


module("Sequential", x=waves(5, 3), build=lambda n: n.Sequential(*block(n)))
module("ModuleList", x=waves(5, 3), build=lambda n: n.ModuleList(block(n)), call=through)
module(
    "ModuleDict",
    x=waves(5, 3),
    build=lambda n: n.ModuleDict({"in": n.Linear(3, 2), "out": n.ELU()}),
    call=lambda layers, x: layers["out"](layers["in"](x)),
)

module(
    "ParameterList",
    x=waves(5, 3),
    build=lambda n: n.ParameterList([n.Linear(3, 2).weight, n.Linear(2, 2).bias]),
    call=lambda ps, x: x @ ps[0].T + ps[1],
)
module(
    "ParameterDict",
    x=waves(5, 3),
    build=lambda n: n.ParameterDict({"w": n.Linear(3, 2).weight, "b": n.Linear(2, 2).bias}),
    call=lambda ps, x: x @ ps["w"].T + ps["b"],
)


# ---- attention and embeddings ----------------------------------------------------------------

NUMBERS = {"numbers": [[1, 4, 4], [0, 2, 4]], "row": [1, 4, 4, 0, 2, 4], "offsets": [0, 2, 2, 5]}


def ints(layer: Any, x: Any, name: str) -> Any:
    """Numbers as a tensor of the library that `x` is of."""
    return type(x)(NUMBERS[name]).long().to(x.device)


for kw in [
    {"scale_grad_by_freq": True}, {"max_norm": 1.0}, {"max_norm": 1.0, "norm_type": 1.0},
    {"padding_idx": -1, "scale_grad_by_freq": True},
]:  # fmt: skip
    module(
        "Embedding", 5, 3, **kw, x=waves(2, 3, 3),
        call=lambda layer, x: layer(ints(layer, x, "numbers")) * x,
    )  # fmt: skip
for mode in ("sum", "mean", "max"):
    for kw in [{}, {"padding_idx": 4}, {"max_norm": 1.0}]:
        module(
            "EmbeddingBag", 5, 3, mode=mode, **kw, x=waves(2, 3),
            call=lambda layer, x: layer(ints(layer, x, "numbers")) * x,
        )  # fmt: skip
        module(
            "EmbeddingBag", 5, 3, mode=mode, **kw, x=waves(4, 3), note="offsets",
            call=lambda layer, x: layer(ints(layer, x, "row"), ints(layer, x, "offsets")) * x,
        )  # fmt: skip
module(
    "EmbeddingBag", 5, 3, mode="sum", x=waves(2, 3), note="weights",
    call=lambda layer, x: layer(ints(layer, x, "numbers"), per_sample_weights=x),
)  # fmt: skip
module(
    "EmbeddingBag", 5, 3, mode="sum", include_last_offset=True, x=waves(6), note="weights",
    call=lambda layer, x: layer(ints(layer, x, "row"), ints(layer, x, "offsets"), x),
)  # fmt: skip


def looked(layer: Any, x: Any, **kw: Any) -> Any:
    """The outputs of attention times something that its weights have a part in."""
    y, weights = layer(x, x, x, **kw)
    return faint(y * (weights * weights).sum())


def faint(y: Any) -> Any:
    """So little that a bias of keys, whose gradient is 0, gets less noise than is looked at."""
    return y * 0.01


UPPER = [[False, True, True], [False, False, True], [True, False, False]]
PADDED = [[False, False, True], [False, False, False]]


def bools(x: Any, rows: Any) -> Any:
    return type(x)(np.array(rows, float).tolist()) > 0.5


for kw in [
    {}, {"bias": False}, {"add_bias_kv": True}, {"add_zero_attn": True, "add_bias_kv": True},
    {"batch_first": True},
]:  # fmt: skip
    shape = (2, 3, 4) if kw.get("batch_first") else (3, 2, 4)
    module("MultiheadAttention", 4, 2, **kw, x=waves(*shape), call=looked)
    module(
        "MultiheadAttention", 4, 2, **kw, x=waves(*shape), note="masks",
        call=lambda layer, x: looked(
            layer, x, attn_mask=bools(x, UPPER), key_padding_mask=bools(x, PADDED),
            average_attn_weights=False,
        ),
    )  # fmt: skip
module("MultiheadAttention", 4, 2, x=waves(3, 4), call=looked)
module(
    "MultiheadAttention", 4, 2, kdim=2, vdim=3, x=waves(3, 2, 4),
    call=lambda layer, x: faint(layer(x, x[..., :2], x[..., :3], need_weights=False)[0]),
)  # fmt: skip
for kw in [{}, {"norm_first": True, "activation": "gelu"}, {"bias": False}]:
    options = {"dim_feedforward": 3, "dropout": 0.0, **kw}
    module(
        "TransformerEncoderLayer", 4, 2, **options, x=waves(3, 2, 4),
        call=lambda layer, x: faint(layer(x, bools(x, UPPER), bools(x, PADDED))),
    )  # fmt: skip
    module(
        "TransformerDecoderLayer", 4, 2, **options, x=waves(3, 2, 4),
        call=lambda layer, x: faint(layer(x, x * x)),
    )  # fmt: skip
module(
    "TransformerEncoderLayer", 4, 2, 3, 0.0, batch_first=True, x=waves(2, 3, 4),
    call=lambda layer, x: faint(layer(x)),
)  # fmt: skip
module(
    "TransformerEncoder", x=waves(3, 2, 4),
    build=lambda n: n.TransformerEncoder(
        n.TransformerEncoderLayer(4, 2, 3, 0.0), 2, n.LayerNorm(4), enable_nested_tensor=False
    ),
    call=lambda layer, x: faint(layer(x, bools(x, UPPER), bools(x, PADDED))),
)  # fmt: skip
module(
    "TransformerDecoder", x=waves(3, 2, 4),
    build=lambda n: n.TransformerDecoder(n.TransformerDecoderLayer(4, 2, 3, 0.0), 2),
    call=lambda layer, x: faint(layer(x, x * x, bools(x, UPPER), bools(x, UPPER))),
)  # fmt: skip
module(
    "Transformer", x=waves(3, 2, 4),
    build=lambda n: n.Transformer(
        4, 2, 1, custom_encoder=n.Linear(4, 4), num_decoder_layers=1, dim_feedforward=3, dropout=0.0
    ),
    call=lambda layer, x: faint(layer.decoder(
        layer.encoder(x), x * x, layer.generate_square_subsequent_mask(3).double()
    )),
)  # fmt: skip
# sums of many small parts, of which PyTorch's are in another order, and its erf
LOOSE |= dict.fromkeys([name for name in SAME if name.startswith(("Multi", "Transf"))], 1e-9)


# ---- images ----------------------------------------------------------------------------------

SIZES = (5, 4, 3)
for d in (1, 2, 3):
    shape = (2, 4, *SIZES[:d])
    for kw in [
        {"kernel_size": 3}, {"kernel_size": 2, "stride": 2, "padding": 1, "bias": False},
        {"kernel_size": 2, "dilation": 2, "groups": 2}, {"kernel_size": 3, "padding": "same"},
        {"kernel_size": 3, "padding": 1, "padding_mode": "reflect"},
    ]:  # fmt: skip
        module(f"Conv{d}d", 4, 2, **kw, x=waves(*shape))
    for kw in [
        {"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1},
        {"kernel_size": 2, "dilation": 2, "groups": 2, "bias": False},
    ]:  # fmt: skip
        module(f"ConvTranspose{d}d", 4, 2, **kw, x=waves(1, 4, *(3, 2, 2)[:d]))
    module(f"Conv{d}d", 4, 2, 2, x=waves(*shape[1:]), note="no samples")
    module(f"MaxPool{d}d", 2, x=waves(*shape))
    module(f"MaxPool{d}d", 2, stride=1, padding=1, dilation=2, x=waves(*shape))
    module(f"MaxPool{d}d", 3, stride=2, ceil_mode=True, x=waves(*shape))
    module(f"AvgPool{d}d", 2, x=waves(*shape))
    module(f"AvgPool{d}d", 3, stride=2, padding=1, ceil_mode=True, x=waves(*shape))
    module(f"AvgPool{d}d", 3, stride=1, padding=1, count_include_pad=False, x=waves(*shape))
    module(f"LPPool{d}d", 2, 2, x=waves(*shape))
    module(f"AdaptiveAvgPool{d}d", 3, x=waves(*shape))
    module(f"AdaptiveMaxPool{d}d", 3, x=waves(*shape))
    module(
        f"MaxUnpool{d}d", 2, x=waves(1, 2, *(4, 2, 2)[:d]), note="of what was pooled",
        build=lambda n, d=d: n.ModuleList(
            [getattr(n, f"MaxPool{d}d")(2, return_indices=True), getattr(n, f"MaxUnpool{d}d")(2)]
        ),
        call=lambda layers, x: layers[1](*layers[0](x)),
    )  # fmt: skip
    for kind in ("Circular", "Reflection", "Replication", "Zero"):
        module(f"{kind}Pad{d}d", 1, x=waves(*shape))
        module(f"{kind}Pad{d}d", (1, 0, 0, 1, 1, 1)[: 2 * d], x=waves(*shape))
    module(f"ConstantPad{d}d", 1, 2.5, x=waves(*shape))
    modes = ["nearest", "area", ("linear", "bilinear", "trilinear")[d - 1]]
    for mode in [*modes, "nearest-exact", *["bicubic"] * (d == 2)]:
        for kw in [{"size": 7}, {"scale_factor": 2}, {"scale_factor": 1.4}]:
            module("Upsample", mode=mode, **kw, x=waves(1, 1, *SIZES[:d]))
    module("Upsample", size=6, mode=modes[2], align_corners=True, x=waves(1, 1, *SIZES[:d]))
module("UpsamplingNearest2d", scale_factor=2, x=waves(1, 1, 3, 2))
module("UpsamplingBilinear2d", size=5, x=waves(1, 1, 3, 2))
module("PixelShuffle", 2, x=waves(1, 8, 2, 3))
module("PixelUnshuffle", 2, x=waves(1, 2, 4, 6))
module("ChannelShuffle", 2, x=waves(1, 4, 2, 3))
module("Unfold", 2, x=waves(2, 3, 4, 5))
module("Unfold", (2, 3), dilation=2, padding=1, stride=(1, 2), x=waves(2, 3, 4, 5))
module("Fold", (4, 5), 2, x=waves(2, 8, 12))
module("Fold", (4, 5), (2, 3), dilation=2, padding=1, stride=(1, 2), x=waves(2, 6, 8))


# ---- recurrence ------------------------------------------------------------------------------


def with_states(layer: Any, *given: Any) -> Any:
    """The outputs of a recurrent layer times something that all its last states have a part in."""
    y, states = layer(*given)
    states = states if isinstance(states, tuple) else (states,)
    return y * sum(((k + 2) * s * s).mean() for k, s in enumerate(states))


for kind in ("RNN", "LSTM", "GRU"):
    for kw in [
        {}, {"bias": False, "batch_first": True}, {"num_layers": 2, "bidirectional": True},
        {"proj_size": 1, "bidirectional": True} if kind == "LSTM" else {"num_layers": 3},
    ]:  # fmt: skip
        module(kind, 3, 2, **kw, x=waves(4, 2, 3), call=with_states)
    module(kind, 3, 2, x=waves(4, 3), call=with_states)
    module(f"{kind}Cell", 3, 2, x=waves(5, 3), call=lambda layer, x: layer(x)[0] * 2)
    module(f"{kind}Cell", 3, 2, bias=False, x=waves(3), call=lambda layer, x: layer(x)[0] * 2)
module("RNN", 3, 2, nonlinearity="relu", x=waves(4, 2, 3), call=with_states)
module("RNNCell", 3, 2, nonlinearity="relu", x=waves(5, 3))
COVERED |= {"RNNBase", "RNNCellBase"}  # what these are derived from


def packed(t: Any, kind: str, lengths: list[int], **kw: Any) -> dict[str, Any]:
    """A recurrent layer on sequences of different lengths, from states of their own."""
    layer, rnn = filled(t, getattr(t.nn, kind)(3, 2, **kw)), t.nn.utils.rnn
    x = t.make(waves(len(lengths), max(lengths), 3), grad=True)
    n = t.make(np.array(lengths))
    states = [
        t.make(waves(kw.get("num_layers", 1) * 2, len(lengths), 2, phase=k), grad=True)
        for k in range(1 + (kind == "LSTM"))
    ]
    sequences = rnn.pack_padded_sequence(x, n, batch_first=True, enforce_sorted=False)
    y, last = layer(sequences, tuple(states) if kind == "LSTM" else states[0])
    out, found = rnn.pad_packed_sequence(y, padding_value=-3.0, total_length=max(lengths) + 1)
    last = last if kind == "LSTM" else (last,)
    backward(t.make, out * sum(((k + 2) * s * s).mean() for k, s in enumerate(last)))
    gradients = {key: p.grad for key, p in layer.named_parameters()}
    given = {name: getattr(sequences, name) for name in sequences._fields}
    return {
        "given": given, "output": out, "lengths": found, "last": last, "input": x.grad,
        "states": [s.grad for s in states], "gradients": gradients,
    }  # fmt: skip


for kind in ("RNN", "LSTM", "GRU"):
    for lengths in ([4, 2, 2], [1, 4, 3]):
        same(
            f"{kind}, packed, {lengths}",
            lambda t, kind=kind, n=lengths: packed(t, kind, n, num_layers=2, bidirectional=True),
        )


def over_time(t: Any, **kw: Any) -> dict[str, Any]:
    """The loss of a class for each step, some of which are left out."""
    x, classes = t.make(waves(2, 3, 4), grad=True), t.make(np.array([[0, 2, 1, 2], [1, -1, 0, -1]]))
    out = t.nn.functional.cross_entropy(x, classes, ignore_index=-1, **kw)
    backward(t.make, out)
    return {"loss": out, "input": x.grad}


for reduction in ("mean", "sum", "none"):
    same(f"cross_entropy over time, {reduction}", lambda t, r=reduction: over_time(t, reduction=r))

# PyTorch's backward has 1/6 in float32
LOOSE |= dict.fromkeys([name for name in SAME if name.startswith("Hardsigmoid")], 1e-7)

# ---- losses ----------------------------------------------------------------------------------


def loss(
    kind: str,
    x: Any,
    target: Any,
    note: str = "",
    rtol: float = RTOL,
    slope: bool = True,
    **kw: Any,
) -> None:
    """The loss and its gradients, with every reduction; lists among the options are tensors.

    `slope`: whether the gradient of a target of floats is wanted.
    """

    def snippet(t: Any, reduction: str) -> dict[str, Any]:
        options = {k: t.make(v) if isinstance(v, list) else v for k, v in kw.items()}
        input = t.make(x, grad=True)
        wanted = t.make(target, grad=slope and np.array(target).dtype.kind == "f")
        out = getattr(t.nn, kind)(reduction=reduction, **options)(input, wanted)
        backward(t.make, out)
        return {"loss": out, "input": input.grad, "target": wanted.grad}

    COVERED.add(kind)
    words = ", ".join(f"{k}={v}" for k, v in kw.items())
    for reduction in ("mean", "sum", "none"):
        name = " ".join(filter(None, [f"{kind}({words})", note, reduction]))
        same(name, lambda t, r=reduction: snippet(t, r))
        if rtol != RTOL:
            LOOSE[name] = rtol


FAR = [0.0, 1.0, -1.0, 0.5, -1000.0, 1000.0, 1000.0, 1e-8]
NEAR = [0.0, 0.0, 0.0, 1.0, 1000.0, 1000.0, -1000.0, 0.0]
for kind, *options in [
    ("MSELoss",), ("L1Loss",), ("HuberLoss", {"delta": 0.5}, {"delta": 3.0}),
    ("SmoothL1Loss", {"beta": 0.5}, {"beta": 3.0}, {"beta": 0.0}),
]:  # fmt: skip
    for kw in [{}, *options]:
        loss(kind, waves(2, 3), waves(2, 3, phase=1.0), **kw)
        loss(kind, FAR, NEAR, "edges", **kw)

LOGITS, CLASSES = 2 * waves(4, 3), [0, 2, 1, 2]
PROBABILITIES = [[1.0, 0.0, 0.0], [0.2, 0.3, 0.5], [0.0, 0.9, 0.1], [1 / 3, 1 / 3, 1 / 3]]
EXTREME = [[1000.0, -1000.0], [1000.0, -1000.0], [0.0, 0.0], [-1000.0, -1000.0]]
CLASS_WEIGHT, TWO = [0.5, 1.0, 3.0], [2.0, 0.25]
SETTINGS: list[dict[str, Any]] = [
    {}, {"weight": CLASS_WEIGHT}, {"ignore_index": 2}, {"weight": CLASS_WEIGHT, "ignore_index": 1},
]  # fmt: skip
SMOOTH: list[dict[str, Any]] = [
    *({**kw, "label_smoothing": s} for kw in SETTINGS for s in (0.0, 0.1)), {"label_smoothing": 1.0},
]  # fmt: skip
for kw in SMOOTH:
    loss("CrossEntropyLoss", LOGITS, CLASSES, "classes", **kw)
    if "ignore_index" not in kw:
        loss("CrossEntropyLoss", LOGITS, PROBABILITIES, "probabilities", **kw)
for smoothing, weight in itertools.product((0.0, 0.2), (None, TWO)):
    kw = {"label_smoothing": smoothing, "weight": weight}
    loss("CrossEntropyLoss", EXTREME, [0, 1, 0, 1], "extreme, classes", **kw)
    part = [[1.0, 0.0], [0.0, 1.0], [0.25, 0.75], [0.5, 0.5]]
    loss("CrossEntropyLoss", EXTREME, part, "extreme, probabilities", **kw)
for kw in ({}, {"weight": CLASS_WEIGHT, "ignore_index": 0, "label_smoothing": 0.1}):
    loss("CrossEntropyLoss", waves(3), 1, "no batch", **kw)
    loss("CrossEntropyLoss", waves(2, 3, 2), [[0, 1], [2, 0]], "two places", **kw)
smoothed = {"weight": CLASS_WEIGHT, "label_smoothing": 0.1}
loss("CrossEntropyLoss", waves(3), PROBABILITIES[1], "no batch, probabilities", **smoothed)
loss("CrossEntropyLoss", waves(4, 3, 1), np.array(PROBABILITIES)[..., None], "place", **smoothed)
loss("CrossEntropyLoss", LOGITS, [-100, 1, -100, 0], "ignored by default")
for kw in SETTINGS:
    loss("NLLLoss", LOGITS, CLASSES, **kw)
    loss("NLLLoss", waves(2, 3, 2), [[0, 1], [2, 0]], "two places", **kw)
loss("NLLLoss", EXTREME, [0, 1, 0, 1], "extreme")
loss("NLLLoss", waves(3), 2, "no batch")

ODDS = [[0.5, 0.01, 0.99], [0.3, 1e-8, 0.7]]
TARGETS = [[1.0, 0.0, 0.5], [0.25, 0.0, 1.0]]
EACH = [[1.0, 2.0, 0.5], [0.0, 3.0, 1.5]]
for w in (None, CLASS_WEIGHT, EACH):
    loss("BCELoss", ODDS, TARGETS, weight=w)
    for positive in (None, CLASS_WEIGHT):
        loss("BCEWithLogitsLoss", 2 * waves(2, 3), TARGETS, weight=w, pos_weight=positive)
# PyTorch's slope by the target is infinite here, though the loss holds the logarithms at -100; and
# the 1e-12 that bounds its slope by the input is a float32, 4e-9 less
loss("BCELoss", [0.0, 1.0, 0.5], [0.0, 1.0, 0.5], "certain and right", slope=False)
loss("BCELoss", [0.0, 1.0], [1.0, 0.0], "certain and wrong", slope=False, rtol=1e-8)
sure = [1000.0, -1000.0, 1000.0, -1000.0, 0.0, 30.0]
for positive in (None, [3.0], [0.0]):
    loss("BCEWithLogitsLoss", sure, [1.0, 0.0, 0.0, 1.0, 0.5, 0.2], "edges", pos_weight=positive)

SIGNS = [1.0, -1.0, -1.0, 1.0]


def divergence(t: Any, reduction: str, log_target: bool) -> dict[str, Any]:
    x, p = t.make(LOGITS, grad=True), t.make(np.array(PROBABILITIES) + 0.1, grad=True)
    out = t.nn.KLDivLoss(reduction=reduction, log_target=log_target)(x, p)
    backward(t.make, out)
    return {"loss": out, "input": x.grad, "target": p.grad}


for options in itertools.product(("sum", "none", "batchmean"), (False, True)):  # it warns of "mean"
    same(f"KLDivLoss{options}", lambda t, options=options: divergence(t, *options))
COVERED.add("KLDivLoss")
loss("SoftMarginLoss", waves(4), SIGNS, slope=False)
loss("HingeEmbeddingLoss", waves(4), SIGNS, slope=False)
loss("HingeEmbeddingLoss", waves(4), SIGNS, margin=0.3, slope=False)
for kw in ({}, {"weight": CLASS_WEIGHT}):
    loss("MultiLabelSoftMarginLoss", waves(2, 3), TARGETS, slope=False, **kw)
    loss("MultiMarginLoss", LOGITS, CLASSES, p=2, margin=0.3, **kw)
loss("MultiMarginLoss", waves(3), 1, "no batch")
FIRST = [[1, 0, -1], [2, -1, 0], [-1, 1, 1], [0, 1, 2]]
loss("MultiLabelMarginLoss", waves(4, 3), FIRST)
loss("MultiLabelMarginLoss", waves(3), FIRST[0], "no batch")
for kw in ({}, {"full": True}, {"log_input": False}, {"log_input": False, "eps": 0.1}):
    loss("PoissonNLLLoss", np.abs(waves(4)) + 0.1, [0.0, 1.0, 2.0, 5.0], slope=False, **kw)


def of_three(kind: str, c: Any = None, **kw: Any) -> None:
    """A loss of three tensors, the third of which is `c` or made of the others."""

    def snippet(t: Any, reduction: str) -> dict[str, Any]:
        a, b = t.make(waves(4, 3), grad=True), t.make(waves(4, 3, phase=1.0), grad=True)
        third = a * 0.5 + b * b + 0.1 if c is None else t.make(c)
        out = getattr(t.nn, kind)(reduction=reduction, **kw)(a, b, third)
        backward(t.make, out)
        return {"loss": out, "a": a.grad, "b": b.grad}

    COVERED.add(kind)
    for reduction in ("mean", "sum", "none"):
        words = ", ".join(f"{k}={getattr(v, '__name__', v)}" for k, v in kw.items())
        same(f"{kind}({words}) {reduction}", lambda t, r=reduction: snippet(t, r))


of_three("MarginRankingLoss", [[1.0, -1.0, 1.0]] * 4)
of_three("MarginRankingLoss", [[1.0, -1.0, 1.0]] * 4, margin=0.5)
of_three("CosineEmbeddingLoss", SIGNS)
of_three("CosineEmbeddingLoss", SIGNS, margin=0.3)
for kw in ({}, {"p": 1.0, "margin": 0.3}, {"swap": True}):
    of_three("TripletMarginLoss", **kw)
for kw in ({}, {"margin": 0.3}, {"swap": True}):
    of_three("TripletMarginWithDistanceLoss", **kw)
for kw in ({}, {"full": True}):
    of_three("GaussianNLLLoss", np.abs(waves(4, 3)), **kw)

# ---- optimisers ------------------------------------------------------------------------------

OPTIMISED: set[str] = set()


def descend(t: Any, kind: str, kw: dict[str, Any], clip: Any = None) -> dict[str, Any]:
    """Parameters and state after 20 steps on a bowl with a narrow and a flat axis.

    One gradient is now and then missing, one element's is always 0, and one parameter has none.
    """
    ps = [t.make(waves(2, 3), grad=True), t.make(waves(3, phase=1.0), grad=True)]
    idle = t.make([1.0, -2.0], grad=True)
    second = {"lr": 0.03, **({"weight_decay": 0.2} if kind != "Rprop" else {})}
    groups = [{"params": [ps[0], idle]}, {"params": [ps[1]], **second}]
    optimizer = getattr(t.optim, kind)(groups, **{"lr": 0.01, **kw})
    slope, low = t.make([[0.0, 1.0, 30.0], [0.01, 2.0, -1.0]]), t.make(waves(3, phase=2.0))
    for step in range(STEPS):
        optimizer.zero_grad()
        value = (slope * ps[0] * ps[0]).sum() + (ps[0] * ps[1]).sum()
        (value + ((ps[1] - low) ** 2).tanh().sum()).backward()
        if step % 4 == 1:
            ps[1].grad = None
        if clip:
            clip(t, [*ps, idle])
        optimizer.step()
    # PyTorch's Adagrad has state also for `idle`, number 1
    state = {i: s for i, s in optimizer.state_dict()["state"].items() if i != 1}
    return {
        "parameters": dict(enumerate(p.detach() for p in [*ps, idle])),
        "state": {i: {k: v for k, v in s.items() if v is not None} for i, s in state.items()},
    }


def optimiser(kind: str, *options: dict[str, Any]) -> None:
    OPTIMISED.add(kind)
    usual = ({}, {"weight_decay": 0.1}, {"maximize": True, "lr": 0.005})
    for kw in (*(usual if kind != "Rprop" else ()), *options):  # which has no weight_decay
        words = ", ".join(f"{k}={v}" for k, v in kw.items())
        same(f"{kind}({words})", lambda t, kw=kw: descend(t, kind, kw))


optimiser(
    "SGD", {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.8, "dampening": 0.3}, {"momentum": 0.8, "dampening": -0.5, "weight_decay": 0.1},
    {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "maximize": True, "lr": 0.001},
)  # fmt: skip
for kind in ("Adam", "AdamW"):
    optimiser(
        kind, {"betas": (0.5, 0.7)}, {"betas": (0.0, 0.0)}, {"eps": 0.1}, {"amsgrad": True}, {"lr": 0.0},
        {"lr": 1.0}, {"amsgrad": True, "weight_decay": 0.1, "maximize": True, "betas": (0.8, 0.9)},
    )  # fmt: skip
optimiser(
    "RMSprop", {"alpha": 0.5}, {"eps": 0.1}, {"momentum": 0.9}, {"centered": True},
    {"centered": True, "momentum": 0.5, "weight_decay": 0.1, "alpha": 0.9},
)  # fmt: skip
optimiser(
    "Adagrad", {"lr": 0.5}, {"lr_decay": 0.1}, {"initial_accumulator_value": 0.3}, {"eps": 0.1},
    {"lr": 0.3, "lr_decay": 0.5, "weight_decay": 0.1, "initial_accumulator_value": 1.0},
)  # fmt: skip
optimiser(
    "NAdam", {"betas": (0.5, 0.7)}, {"momentum_decay": 0.1}, {"eps": 0.1},
    {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True},
)  # fmt: skip
optimiser(
    "RAdam", {"betas": (0.5, 0.7)}, {"betas": (0.5, 0.95)}, {"eps": 0.1},
    {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True},
)  # fmt: skip
optimiser("Adamax", {"betas": (0.5, 0.7)}, {"eps": 0.1}, {"weight_decay": 0.1, "maximize": True})
optimiser("Adadelta", {"rho": 0.5}, {"eps": 0.1}, {"lr": 0.5, "weight_decay": 0.1})
optimiser("Rprop", {}, {"etas": (0.3, 2.0)}, {"step_sizes": (0.01, 0.1)}, {"maximize": True})
optimiser("ASGD", {"lambd": 0.1}, {"alpha": 0.5}, {"t0": 3.0}, {"t0": 0.0, "weight_decay": 0.1})
for norm in (1.0, 2.0, 3.0, math.inf):
    same(
        f"clip_grad_norm_ {norm}",
        lambda t, n=norm: descend(t, "SGD", {}, lambda t, ps: t.optim.clip_grad_norm_(ps, 0.7, n)),
    )
same(
    "clip_grad_value_",
    lambda t: descend(t, "SGD", {}, lambda t, ps: t.optim.clip_grad_value_(ps, 0.7)),
)


def fit(t: Any, kind: str) -> dict[str, Any]:
    """A classifier with both normalisations, trained for 20 steps at rates that sink."""
    model = filled(t, t.nn.Sequential(*block(t.nn)))
    optimizer = getattr(t.optim, kind)(model.parameters(), lr=0.02, weight_decay=0.01)
    schedule = t.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    criterion = t.nn.CrossEntropyLoss(label_smoothing=0.1)
    x, y, losses = t.make(waves(6, 3)), t.make([0, 1, 1, 0, 1, 0]), []
    for _ in range(STEPS):
        optimizer.zero_grad()
        value = criterion(model(x), y)
        value.backward()
        optimizer.step()
        schedule.step()
        losses.append(value.item())
    return {"losses": losses, "model": model.state_dict(), "outputs": model.eval()(x)}


def newton(t: Any, kw: dict[str, Any]) -> dict[str, Any]:
    """Three steps of L-BFGS down a curved valley: what every evaluation saw."""
    p, seen = t.make([-1.2, 1.0, 0.5], grad=True), []
    optimizer = t.optim.LBFGS([p], max_iter=6, **kw)

    def closure() -> Any:
        optimizer.zero_grad()
        value = (100 * (p[1:] - p[:-1] ** 2) ** 2 + (1 - p[:-1]) ** 2).sum()
        value.backward()
        seen.append(value.item())
        return value

    for _ in range(3):
        optimizer.step(closure)
    return {"seen": seen, "parameters": p.detach()}


OPTIMISED.add("LBFGS")
for search in ({"lr": 0.1}, {"line_search_fn": "strong_wolfe"}):
    name = f"LBFGS({search})"
    same(name, lambda t, kw=search: newton(t, kw))
    LOOSE[name] = 1e-8

for kind in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam", "RAdam", "Adamax", "ASGD"):
    same(f"training with {kind}", lambda t, kind=kind: fit(t, kind))

# ---- schedules -------------------------------------------------------------------------------

Build = Callable[[Any, Any], Any]  # of lr_scheduler and an optimiser
SCHEDULED: set[str] = set()


def rates(t: Any, build: Build, kind: str, metrics: list[float] | None) -> dict[str, Any]:
    """The rates of two groups over 20 steps, and the momentum, or first beta, of the first."""
    ps = [t.make([1.0], grad=True), t.make([2.0], grad=True)]
    kw = {"momentum": 0.9} if kind == "SGD" else {}
    groups = [{"params": [ps[0]]}, {"params": [ps[1]], "lr": 0.3}]
    optimizer = getattr(t.optim, kind)(groups, lr=0.1, **kw)
    schedule = build(t.optim.lr_scheduler, optimizer)
    found: list[list[float]] = []
    momentum: list[float] = []
    for step in range(STEPS + 1):
        found.append([group["lr"] for group in optimizer.param_groups])
        group = optimizer.param_groups[0]
        momentum.append(group["momentum"] if kind == "SGD" else group["betas"][0])
        if step < STEPS:
            optimizer.step()
            schedule.step(*([metrics[step]] if metrics else []))
    return {"rates": found, "last": schedule.get_last_lr(), "momentum": momentum}


def schedule(
    name: str, *kinds: str, note: str = "", metrics: list[float] | None = None, **kw: Any
) -> None:
    words = ", ".join(f"{k}={v}" for k, v in kw.items() if k != "lr_lambda")
    scheduled(
        f"{name}({words}) {note}".strip(),
        lambda s, optimizer: getattr(s, name)(optimizer, **kw),
        *kinds,
        metrics=metrics,
    )
    SCHEDULED.add(name)


def scheduled(name: str, build: Build, *kinds: str, metrics: list[float] | None = None) -> None:
    for kind in kinds or ("SGD",):
        same(f"{name} {kind}", lambda t, kind=kind: rates(t, build, kind, metrics))


schedule("LambdaLR", lr_lambda=lambda epoch: 0.9**epoch)
schedule(
    "LambdaLR", note="two", lr_lambda=[lambda epoch: 1 / (1 + epoch), lambda epoch: math.cos(epoch)]
)
schedule("StepLR", step_size=3)
schedule("StepLR", step_size=1, gamma=0.9)
schedule("MultiStepLR", milestones=[2, 5, 5, 11], gamma=0.5)
schedule("MultiStepLR", milestones=[0, 19])
schedule("ConstantLR")
schedule("ConstantLR", factor=0.25, total_iters=8)
schedule("LinearLR")
schedule("LinearLR", start_factor=0.9, end_factor=0.1, total_iters=8)
schedule("LinearLR", start_factor=0.5, end_factor=0.0, total_iters=30)
schedule("ExponentialLR", gamma=0.9)
schedule("CosineAnnealingLR", T_max=20)
schedule("CosineAnnealingLR", T_max=7, eta_min=0.01)
schedule("CosineAnnealingLR", T_max=1)
schedule("CosineAnnealingWarmRestarts", T_0=3)
schedule("CosineAnnealingWarmRestarts", T_0=2, T_mult=2, eta_min=0.01)
schedule("MultiplicativeLR", lr_lambda=lambda epoch: 0.95)
schedule("PolynomialLR")
schedule("PolynomialLR", total_iters=12, power=2.0)
schedule("CyclicLR", "SGD", "Adam", base_lr=0.1, max_lr=0.5, step_size_up=3)
schedule("CyclicLR", base_lr=[0.1, 0.2], max_lr=[0.5, 0.3], step_size_up=4, step_size_down=2)
schedule("CyclicLR", "Adam", base_lr=0.1, max_lr=0.5, step_size_up=2, mode="triangular2")
schedule("CyclicLR", base_lr=0.1, max_lr=0.5, step_size_up=2, mode="exp_range", gamma=0.9)
schedule("CyclicLR", base_lr=0.1, max_lr=0.5, step_size_up=3, cycle_momentum=False)
schedule("OneCycleLR", "SGD", "Adam", max_lr=0.5, total_steps=20)
schedule("OneCycleLR", max_lr=[0.5, 0.1], epochs=5, steps_per_epoch=5, anneal_strategy="linear")
schedule("OneCycleLR", "SGD", "Adam", max_lr=0.5, total_steps=24, three_phase=True, pct_start=0.4)
schedule("OneCycleLR", max_lr=0.5, total_steps=24, cycle_momentum=False, div_factor=10.0)
schedule("OneCycleLR", max_lr=0.5, total_steps=20, pct_start=0.0, final_div_factor=10.0)
schedule("OneCycleLR", max_lr=0.5, total_steps=24, base_momentum=0.7, max_momentum=0.99)
DOWN = [3.0, 2.0, 2.0, 1.99, 2.0, 1.9, 1.9, 1.9, 1.8, 1.8, *[1.8 - 1e-5 * i for i in range(10)]]
PATIENT: list[dict[str, Any]] = [
    {"patience": 1}, {"patience": 0, "factor": 0.5}, {"patience": 2, "threshold": 0.05},
    {"patience": 1, "threshold": 0.05, "threshold_mode": "abs"}, {"patience": 1, "cooldown": 2},
    {"patience": 0, "min_lr": [0.01, 0.05]}, {"patience": 0, "eps": 0.02}, {},
]  # fmt: skip
for kw in PATIENT:
    schedule("ReduceLROnPlateau", metrics=DOWN, **kw)
    schedule("ReduceLROnPlateau", metrics=[-m for m in DOWN], mode="max", **kw)
schedule(
    "ReduceLROnPlateau", note="NaN and inf", metrics=[math.nan, 1.0, math.inf, 2.0] * 5, patience=1
)
scheduled(
    "SequentialLR of two",
    lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.1, 1.0, 4), s.CosineAnnealingLR(o, 16)], [4]),
)
scheduled(
    "SequentialLR of three",
    lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.1, 2), s.ExponentialLR(o, 0.9), s.StepLR(o, 3, 0.5)], [3, 9]
    ),
)
SCHEDULED.add("SequentialLR")


def together(s: Any, optimizer: Any) -> Any:
    """Two schedules on one optimiser, whose factors multiply."""
    both = [s.ExponentialLR(optimizer, 0.9), s.StepLR(optimizer, 4, 0.5)]
    return SimpleNamespace(
        step=lambda: [one.step() for one in both],
        get_last_lr=lambda: [one.get_last_lr() for one in both],
    )


scheduled("two schedules at once", together)


# ---- the judge -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    return json.loads(GOLDEN.read_text())


def test_golden_data_cover_every_snippet(stored: dict[str, Any]) -> None:
    assert set(stored) == set(SAME), "run: python -m tests.make_golden"


def test_every_module_optimiser_and_schedule_has_a_snippet() -> None:
    def classes(where: Any, base: Any) -> set[str]:
        found = {n for n in where.__all__ if isinstance(getattr(where, n), type)}
        return {n for n in found if issubclass(getattr(where, n), base)} - {base.__name__}

    assert classes(nn, nn.Module) == COVERED
    # test_optim, test_lbfgs and test_embeddings compare them live
    others = set(optim.others.__all__) | {"LBFGS", "SparseAdam"}
    assert classes(optim, optim.Optimizer) == OPTIMISED | others
    every = set(optim.lr_scheduler.__all__) - {"LRScheduler", "ChainedScheduler"}  # see test_swa
    assert every == SCHEDULED


@pytest.mark.parametrize("name", SAME)
def test_equals_stored_pytorch(name: str, stored: dict[str, Any]) -> None:
    agree(ours(name), stored[name], name)


def test_stored_values_are_those_of_the_installed_pytorch(
    torch: Any, stored: dict[str, Any]
) -> None:
    for name in SAME:
        agree(theirs(torch, name), stored[name], name)
