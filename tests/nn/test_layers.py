"""Layers start, compute, differentiate and count as PyTorch's do, in float32 and float64."""

import copy
import math
import re
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, manual_seed, tape

R = np.random.default_rng(0)


def pair(torch: Any, name: str, *args: Any, dtype: str = "float64", **kw: Any) -> tuple[Any, Any]:
    """A layer of ours and PyTorch's with the same parameters and buffers, drawn at random."""
    ours = getattr(nn, name)(*args, **kw).to(dtype)
    theirs = getattr(torch.nn, name)(*args, **kw).to(getattr(torch, dtype))
    state = {}
    for key, t in ours.state_dict().items():
        if t.dtype.kind == "f":
            state[key] = R.uniform(0.5, 1.5, t.shape).astype(dtype)
        else:
            state[key] = t.array.copy()
    ours.load_state_dict(state)
    theirs.load_state_dict({key: torch.tensor(a) for key, a in state.items()})
    return ours, theirs


LAYERS: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("Linear", (3, 4), {}, (5, 3)),
    ("Linear", (3, 4), {"bias": False}, (5, 3)),
    ("Linear", (3, 4), {}, (3,)),
    ("Linear", (3, 4), {}, (2, 5, 3)),
    ("ReLU", (), {}, (4, 3)),
    ("LeakyReLU", (), {}, (4, 3)),
    ("LeakyReLU", (0.2,), {}, (4, 3)),
    ("Tanh", (), {}, (4, 3)),
    ("Sigmoid", (), {}, (4, 3)),
    ("LogSigmoid", (), {}, (4, 3)),
    ("Hardtanh", (), {}, (4, 3)),
    ("Hardtanh", (-0.3, 0.4), {}, (4, 3)),
    ("GELU", (), {}, (4, 3)),
    ("GELU", ("tanh",), {}, (4, 3)),
    ("ELU", (), {}, (4, 3)),
    ("ELU", (0.4,), {}, (4, 3)),
    ("SiLU", (), {}, (4, 3)),
    ("Softplus", (), {}, (4, 3)),
    ("Softplus", (3.0,), {}, (4, 3)),
    ("Softmax", (1,), {}, (4, 3)),
    ("Softmax", (), {"dim": 0}, (4, 3)),
    ("LogSoftmax", (), {"dim": -1}, (4, 3)),
    ("Identity", (3, 4), {"any": 5}, (4, 3)),
    ("Flatten", (), {}, (2, 3, 4)),
    ("Flatten", (0, 1), {}, (2, 3, 4)),
    ("BatchNorm1d", (3,), {}, (5, 3)),
    ("BatchNorm1d", (3,), {}, (5, 3, 2)),
    ("BatchNorm1d", (3,), {"eps": 0.1, "momentum": 0.4}, (5, 3)),
    ("BatchNorm1d", (3,), {"momentum": None}, (5, 3)),
    ("BatchNorm1d", (3,), {"affine": False}, (5, 3)),
    ("BatchNorm1d", (3,), {"bias": False}, (5, 3)),
    ("BatchNorm1d", (3,), {"track_running_stats": False}, (5, 3)),
    ("LayerNorm", (3,), {}, (5, 3)),
    ("LayerNorm", ([4, 3],), {}, (5, 4, 3)),
    ("LayerNorm", (3,), {"bias": False, "eps": 0.1}, (5, 3)),
    ("LayerNorm", (3,), {"elementwise_affine": False}, (5, 3)),
]
IDS = [f"{name}{args}{kw or ''} of {shape}" for name, args, kw, shape in LAYERS]


@pytest.mark.parametrize("case", LAYERS, ids=IDS)
@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
def test_layers_equal_torch_to_second_order(case: Any, train: bool, torch: Any) -> None:
    name, args, kw, shape = case
    ours, theirs = pair(torch, name, *args, **kw)
    ours.train(train)
    theirs.train(train)
    for _ in range(3):  # running statistics move on
        a = R.standard_normal(shape)
        x, tx = Tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
        y, ty = ours(x), theirs(tx)
        v = R.standard_normal(y.shape)
        np.testing.assert_allclose(y.detach().numpy(), ty.detach().numpy(), rtol=1e-10, atol=1e-12)
        y.backward(v, create_graph=True)
        (g,) = torch.autograd.grad(ty, tx, torch.tensor(v), create_graph=True)
        np.testing.assert_allclose(x.grad.detach().numpy(), g.detach().numpy(), atol=1e-10)
        ours.zero_grad()
        theirs.zero_grad()
        first, x.grad = x.grad, None
        if first.requires_grad and g.requires_grad:
            u = R.standard_normal(shape)
            (first * u).sum().backward()
            (g * torch.tensor(u)).sum().backward()
            second = tx.grad if tx.grad is not None else torch.zeros(shape)
            found = x.grad.numpy() if x.grad is not None else np.zeros(shape)
            np.testing.assert_allclose(found, second.numpy(), atol=1e-9)
            for p, tp in zip(ours.parameters(), theirs.parameters(), strict=True):
                if p.grad is not None or tp.grad is not None:
                    np.testing.assert_allclose(p.grad.numpy(), tp.grad.numpy(), atol=1e-9)
    for key, t in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key].array, t.numpy(), rtol=1e-12)


@pytest.mark.parametrize("case", LAYERS, ids=IDS)
def test_parameter_gradients_equal_torch(case: Any, torch: Any) -> None:
    name, args, kw, shape = case
    ours, theirs = pair(torch, name, *args, **kw)
    a = R.standard_normal(shape)
    y = ours(Tensor(a))
    v = R.standard_normal(y.shape)
    ty = theirs(torch.tensor(a))
    parameters = dict(theirs.named_parameters())
    assert list(parameters) == [key for key, _ in ours.named_parameters()]
    assert y.requires_grad == bool(parameters)
    if parameters:
        y.backward(v)
        ty.backward(torch.tensor(v))
    for key, p in ours.named_parameters():
        np.testing.assert_allclose(p.grad.numpy(), parameters[key].grad.numpy(), atol=1e-10)


@pytest.mark.parametrize("case", LAYERS, ids=IDS)
def test_layers_keep_float32(case: Any) -> None:
    name, args, kw, shape = case
    layer = getattr(nn, name)(*args, **kw)
    assert {p.dtype for p in layer.parameters()} <= {np.dtype("float32")}
    for mode in (True, False):
        layer.train(mode)
        x = Tensor(R.standard_normal(shape).astype(np.float32), requires_grad=True)
        y = layer(x)
        assert {t.dtype for t in tape(y)} == {np.dtype("float32")}
        y.sum().backward()
        assert x.grad.dtype == np.float32
    assert {b.dtype for b in layer.buffers()} <= {np.dtype("float32"), np.dtype("int64")}


@pytest.mark.parametrize("case", LAYERS, ids=IDS)
def test_reprs_name_the_settings(case: Any, torch: Any) -> None:
    name, args, kw, _ = case
    ours = repr(getattr(nn, name)(*args, **kw)).partition("  #")[0]
    theirs = repr(getattr(torch.nn, name)(*args, **kw)).replace(", threshold=20.0", "")
    assert ours.lower() == theirs.lower()


@pytest.mark.parametrize(
    "code",
    [
        "AvgPool1d(3)", "MaxUnpool2d(2, padding=1)", "Hardshrink(0.25)", "Softshrink()",
        "Dropout(0.25, inplace=True)", "Embedding(5, 4, padding_idx=0, norm_type=1.0)",
        "EmbeddingBag(5, 4, norm_type=1.0, sparse=True)", "ParameterDict()", "ParameterList()",
        "ModuleList([N.ReLU(), N.ReLU(), N.Tanh(), N.ReLU()])", "ModuleList()",
        "TransformerEncoder(N.TransformerEncoderLayer(4, 2, 3), 2, enable_nested_tensor=False)",
    ],
)  # fmt: skip
def test_reprs_are_pytorchs(code: str, torch: Any) -> None:
    ours, theirs = (repr(eval(f"N.{code}", {"N": lib})) for lib in (nn, torch.nn))
    found = re.sub(r"  # [\d,]+ parameters?", "", ours)
    assert found == theirs.replace("NonDynamicallyQuantizableLinear", "Linear")


@pytest.mark.parametrize("name", ["Linear", "BatchNorm1d", "LayerNorm"])
def test_dtypes_are_the_default_or_the_one_given(name: str) -> None:
    sizes = (3, 2) if name == "Linear" else (3,)
    assert getattr(nn, name)(*sizes, dtype=np.float64).weight.dtype == np.float64
    ag.set_default_dtype("float64")
    try:
        assert {p.dtype for p in getattr(nn, name)(*sizes).parameters()} == {np.dtype("float64")}
    finally:
        ag.set_default_dtype("float32")


# ---- linear ---------------------------------------------------------------------------------


def test_linear_starts_uniform_within_its_bound() -> None:
    manual_seed(0)
    layer = nn.Linear(100, 400)
    bound = 1 / math.sqrt(100)
    for p in (layer.weight, layer.bias):
        assert bound * 0.98 < np.abs(p.array).max() <= bound
        assert p.array.std() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    before = layer.weight.array.copy()
    layer.reset_parameters()
    assert not (layer.weight.array == before).any()
    manual_seed(0)
    np.testing.assert_array_equal(nn.Linear(100, 400).weight.array, before)


def test_linear_is_one_record_and_lies_in_fortran_order() -> None:
    layer = nn.Linear(3, 2)
    x = Tensor(R.standard_normal((4, 3)).astype(np.float32))
    y = layer(x)
    assert [t.op.name for t in tape(y) if t.op] == ["linear"]
    assert [t.op.name for t in tape(layer(x), unfold=True) if t.op] == ["mT", "matmul", "add"]
    assert layer.weight.array.flags.fnc
    y.sum().backward()
    assert layer.weight.grad.array.flags.fnc  # so that a step runs through both alike
    layer.reset_parameters()
    assert layer.weight.array.flags.fnc
    assert nn.Linear(3, 2, bias=False).bias is None


@pytest.mark.parametrize("shape", [(5, 4), (4,), (2, 5, 1), ()])
def test_linear_names_itself_and_the_shapes(shape: tuple[int, ...]) -> None:
    layer = nn.Linear(3, 2)
    text = (
        f"Linear(in_features=3, out_features=2, bias=True): the input has shape {shape}, and its "
        "last axis should have 3 elements; change in_features or reshape the input"
    )
    with pytest.raises(ValueError, match=re.escape(text)):
        layer(Tensor(np.zeros(shape)))


def test_linear_takes_arrays() -> None:
    layer = nn.Linear(3, 2)
    x = R.standard_normal((4, 3)).astype(np.float32)
    assert layer(x).tolist() == layer(Tensor(x)).tolist()


# ---- dropout --------------------------------------------------------------------------------


def test_dropout_layer_scales_in_training_and_is_the_identity_in_eval() -> None:
    layer = nn.Dropout(0.2)
    x = Tensor(np.ones((100, 50), np.float32), requires_grad=True)
    manual_seed(1)
    y = layer(x)
    assert set(y.array.ravel().tolist()) == {0.0, 1.25}
    assert y.array.mean() == pytest.approx(1, abs=0.03)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.array, y.array)
    assert layer.eval()(x) is x
    manual_seed(1)
    np.testing.assert_array_equal(layer.train()(x).array, y.array)
    own = nn.Dropout(0.2, generator=np.random.default_rng(3))
    again = nn.Dropout(0.2, generator=np.random.default_rng(3))
    np.testing.assert_array_equal(own(x).array, again(x).array)
    with pytest.raises(ValueError, match="Dropout: p is a probability from 0 to 1, got 2"):
        nn.Dropout(2)


# ---- normalisation --------------------------------------------------------------------------


def test_batch_norm_normalises_with_the_biased_and_stores_the_unbiased_variance() -> None:
    layer = nn.BatchNorm1d(1, eps=0)
    x = Tensor([[0.0], [2.0]])
    assert layer(x).tolist() == [[-1.0], [1.0]]
    assert layer.running_var.item() == pytest.approx(0.9 * 1 + 0.1 * 2)
    assert layer.running_mean.item() == pytest.approx(0.1)
    assert layer.num_batches_tracked.item() == 1
    layer.eval()
    layer(x)
    assert layer.num_batches_tracked.item() == 1
    layer.reset_parameters()
    assert layer.running_mean.item() == 0
    assert layer.running_var.item() == 1
    assert layer.num_batches_tracked.item() == 0


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1)])
def test_batch_norm_of_one_sample_is_an_error_that_changes_nothing(shape: tuple[int, ...]) -> None:
    layer = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match=r"has 1 value\(s\) per channel, .* two or more; .*eval"):
        layer(Tensor(np.ones(shape)))
    assert layer.running_mean.tolist() == [0, 0, 0]
    assert layer.num_batches_tracked.item() == 0
    assert layer.eval()(Tensor(np.ones(shape))).shape == shape


@pytest.mark.parametrize("shape", [(4,), (4, 2), (4, 3, 2, 2)])
def test_batch_norm_names_itself_and_the_shapes(shape: tuple[int, ...]) -> None:
    text = re.escape(
        f"BatchNorm1d(3): the input has shape {shape}; it should be (batch, 3) or "
        "(batch, 3, length)"
    )
    with pytest.raises(ValueError, match=text):
        nn.BatchNorm1d(3)(Tensor(np.zeros(shape)))


def test_an_eval_pass_between_forward_and_backward_does_no_harm() -> None:
    layer = nn.BatchNorm1d(3)
    x = Tensor(R.standard_normal((4, 3)).astype(np.float32), requires_grad=True)
    layer.eval()
    y = layer(x)
    layer.train()
    layer(x)  # moves the running statistics
    y.sum().backward()
    assert x.grad is not None


def test_running_statistics_can_be_frozen(torch: Any) -> None:
    ours, theirs = pair(torch, "BatchNorm1d", 3)
    ours.track_running_stats = theirs.track_running_stats = False
    before = ours.running_mean.tolist(), ours.running_var.tolist()
    a = R.standard_normal((4, 3))
    for _ in range(2):
        expected = theirs(torch.tensor(a)).detach().numpy()
        np.testing.assert_allclose(ours(Tensor(a)).detach().numpy(), expected, rtol=1e-10)
        ours.eval()
        theirs.eval()
    assert (ours.running_mean.tolist(), ours.running_var.tolist()) == before


def test_moving_the_running_statistics_is_seen_by_a_backward_that_needs_them() -> None:
    layer = nn.BatchNorm1d(2)
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    loss = (x * layer.running_var).sum()
    layer(x)
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_batch_norm_buffers_survive_copies_and_states() -> None:
    layer = nn.BatchNorm1d(3)
    layer(Tensor(R.standard_normal((4, 3)).astype(np.float32)))
    assert list(layer.state_dict()) == [
        "weight", "bias", "running_mean", "running_var", "num_batches_tracked",
    ]  # fmt: skip
    other = nn.BatchNorm1d(3)
    other.load_state_dict(layer.state_dict())
    for twin in (other, copy.deepcopy(layer)):
        assert twin.running_mean.tolist() == layer.running_mean.tolist()
        assert twin.num_batches_tracked.item() == 1


def test_layer_norm_keeps_its_shape_and_resets() -> None:
    layer = nn.LayerNorm([4, 3])
    assert layer.normalized_shape == (4, 3)
    assert layer.weight.shape == layer.bias.shape == (4, 3)
    nn.init.zeros_(layer.weight)
    nn.init.ones_(layer.bias)
    layer.reset_parameters()
    assert (layer.weight.array == 1).all()
    assert (layer.bias.array == 0).all()
    with pytest.raises(ValueError, match=r"the last axes of shape \(4, 2\) are not \(4, 3\)"):
        layer(Tensor(np.zeros((4, 2))))


# ---- extremes and errors --------------------------------------------------------------------


def test_activations_at_extremes_have_exact_limits() -> None:
    x = Tensor([1000.0, -1000.0], requires_grad=True)
    expected = {
        "Sigmoid": ([1, 0], [0, 0]),
        "Tanh": ([1, -1], [0, 0]),
        "Softplus": ([1000, 0], [1, 0]),
        "LogSigmoid": ([0, -1000], [0, 1]),
        "SiLU": ([1000, 0], [1, 0]),
        "GELU": ([1000, 0], [1, 0]),
        "ELU": ([1000, -1], [1, 0]),
    }
    for name, (values, slopes) in expected.items():
        x.grad = None
        y = getattr(nn, name)()(x)
        y.sum().backward()
        assert y.tolist() == values, name
        assert x.grad.tolist() == slopes, name


def test_constructor_errors() -> None:
    with pytest.raises(ValueError, match=r"Hardtanh: min_val 1 is not below max_val 1"):
        nn.Hardtanh(1, 1)
    with pytest.raises(ValueError, match=r"gelu: approximate is 'none' or 'tanh', got 'fast'"):
        nn.GELU("fast")(Tensor([1.0]))


def test_softmax_layers_without_dim_warn() -> None:
    for name in ("Softmax", "LogSoftmax"):
        with pytest.warns(UserWarning, match="without dim it is 1"):
            getattr(nn, name)()(Tensor([[1.0, 2.0]]))


def test_the_package_offers_its_parts_when_they_are_used() -> None:
    assert nn.datasets.iris().data.shape == (150, 4)
    assert {"optim", "data", "datasets", "serialize", "train"} <= set(dir(nn))
    with pytest.raises(AttributeError, match="module 'nn' has no attribute 'Liner'"):
        _ = nn.Liner
    for name in nn.__all__:
        assert getattr(nn, name) is not None


def test_channels_are_dropped_whole() -> None:
    shapes = {
        "Dropout1d": [(40, 3, 5), (40, 5)], "Dropout2d": [(40, 3, 5, 2), (40, 3, 5)],
        "Dropout3d": [(40, 3, 5, 2, 2), (40, 5, 2, 2)], "FeatureAlphaDropout": [(40, 3, 5)],
    }  # fmt: skip
    for name, every in shapes.items():
        for shape in every:
            manual_seed(0)
            x = Tensor(np.ones(shape, "float32"), requires_grad=True)
            y = getattr(nn, name)(0.4)(x)
            whole = 2 if len(shape) == len(every[0]) or name == "Dropout2d" else 1
            rows = y.array.reshape(math.prod(shape[:whole]), -1)
            assert (rows == rows[:, :1]).all(), name
            kept = rows[:, 0] == rows.max()
            assert 0.4 < kept.mean() < 0.8, name
            y.sum().backward()
            assert ((x.grad.array.reshape(rows.shape)[:, 0] > 0) == kept).all()
            assert x.grad.dtype == y.dtype == np.float32


def test_alpha_dropout_keeps_mean_and_variance_and_drops_to_the_limit_of_selu() -> None:
    manual_seed(0)
    x = Tensor(np.random.default_rng(1).standard_normal(200_000), requires_grad=True)
    y = nn.AlphaDropout(0.3)(x)
    assert abs(y.array.mean()) < 0.01
    assert abs(y.array.var() - 1) < 0.01
    y.sum().backward()
    dropped = x.grad.array == 0
    assert abs(dropped.mean() - 0.3) < 0.01
    limit = -1.0507009873554805 * 1.6732632423543772
    a = 1 / math.sqrt(0.7 * (1 + 0.3 * limit**2))
    np.testing.assert_allclose(y.array[dropped], a * limit * 0.7, rtol=1e-12)
    np.testing.assert_allclose(y.array[~dropped], a * (x.array[~dropped] - 0.3 * limit), rtol=1e-9)


def test_rrelu_draws_a_slope_for_each_element() -> None:
    x = Tensor(np.full(10_000, -2.0), requires_grad=True)
    y = nn.RReLU(0.1, 0.3)(x)
    y.sum().backward()
    assert 0.1 <= x.grad.array.min() < 0.11
    assert 0.29 < x.grad.array.max() <= 0.3
    np.testing.assert_allclose(y.array, -2 * x.grad.array)


NORM_ERRORS: dict[str, tuple[Any, str]] = {
    "axes": (lambda: nn.BatchNorm2d(3)(ag.zeros(2, 3)), r"\(2, 3\); .*\(batch, 3, height, width\)"),
    "channels": (lambda: nn.BatchNorm3d(3)(ag.zeros(2, 2, 1, 1, 1)), r"BatchNorm3d\(3\): .*depth"),
    "one value": (lambda: nn.BatchNorm2d(1)(ag.zeros(1, 1, 1, 1)), "1 value.s. per channel"),
    "instance": (lambda: nn.InstanceNorm1d(3)(ag.zeros(2)), r"\(batch, 3, length\) or \(3, length"),
    "one pixel": (lambda: nn.InstanceNorm2d(3)(ag.zeros(2, 3, 1, 1)), "1 value.s. per channel and"),
    "groups": (lambda: nn.GroupNorm(2, 3), "2 groups do not divide 3 channels"),
    "of groups": (lambda: nn.GroupNorm(2, 4)(ag.zeros(2, 3)), r"\(2, 3\); .*4 channels"),
    "one of a group": (lambda: nn.GroupNorm(2, 2)(ag.zeros(1, 2)), "1 value in each of 2 groups"),
    "response": (lambda: nn.LocalResponseNorm(2)(ag.zeros(2, 3)), r"3 axes or more.*\(2, 3\)"),
    "dropout": (lambda: nn.Dropout3d()(ag.zeros(2, 3)), r"\(2, 3\); .* 5 axes, or 4 for one"),
    "probability": (lambda: nn.AlphaDropout(1.5), "AlphaDropout: p is .* 1.5"),
    "slopes": (lambda: nn.RReLU(0.5, 0.1)(ag.zeros(2)), "lower 0.5 is above upper 0.1"),
    "softmax": (lambda: nn.Softmax2d()(ag.zeros(2)), r"\(2,\); .*4 axes"),
}


@pytest.mark.parametrize("name", NORM_ERRORS)
def test_norms_and_dropouts_name_the_shapes(name: str) -> None:
    call, words = NORM_ERRORS[name]
    with pytest.raises(ValueError, match=words):
        call()


def test_a_lazy_linear_is_a_linear_after_its_first_call() -> None:
    layer = nn.LazyLinear(2)
    optimizer = nn.optim.SGD(layer.parameters(), lr=0.1, foreach=False)
    weight = layer.weight
    assert weight.shape == (2, 0) and type(layer) is nn.LazyLinear
    x = Tensor(np.ones((4, 3), "float32"))
    layer(x).sum().backward()
    assert type(layer) is nn.Linear and layer.weight is weight and layer.in_features == 3
    before = weight.numpy(force=True).copy()
    optimizer.step()
    np.testing.assert_allclose(weight.numpy(force=True), before - 0.4, rtol=1e-5)
    with pytest.raises(RuntimeError, match="should have 3 elements"):
        layer(Tensor(np.ones((4, 5), "float32")))
