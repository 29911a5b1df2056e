"""Lazy layers become what they are called for; Bilinear."""

import copy
from pathlib import Path

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, gradcheck, manual_seed, no_grad
from nn.diagnosis import diagnose

LAZY = {
    "Linear": ((2,), (4, 3)), "Conv1d": ((2, 3), (4, 5, 6)), "Conv2d": ((2, 3), (4, 5, 6, 7)),
    "Conv3d": ((2, 2), (1, 3, 4, 5, 6)), "ConvTranspose1d": ((2, 3), (4, 5, 6)),
    "ConvTranspose2d": ((2, 3), (4, 5, 6, 7)), "ConvTranspose3d": ((2, 2), (1, 3, 2, 3, 4)),
    "BatchNorm1d": ((), (4, 3)), "BatchNorm2d": ((), (4, 3, 2, 2)),
    "BatchNorm3d": ((), (4, 3, 2, 2, 2)), "InstanceNorm1d": ((), (4, 3, 5)),
    "InstanceNorm2d": ((), (4, 3, 5, 2)), "InstanceNorm3d": ((), (4, 3, 2, 2, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", LAZY)
def test_a_lazy_layer_is_the_layer_after_its_first_call(name: str) -> None:
    args, shape = LAZY[name]
    kw = {"affine": True, "track_running_stats": True} if "Norm" in name else {}
    x = ag.randn(*shape, requires_grad=True)
    size = shape[-1] if name == "Linear" else shape[1]
    manual_seed(1)
    right = getattr(nn, name)(size, *args, **kw)
    manual_seed(1)
    layer = getattr(nn, f"Lazy{name}")(*args)
    optimizer = nn.optim.SGD(layer.parameters(), lr=0.1)
    weight = layer.weight
    assert 0 in weight.shape and f"Lazy{name}(0" in repr(layer).replace("in_features=", "")
    layer.eval()
    y = layer(x)
    assert type(layer) is type(right) and repr(layer) == repr(right) and layer.weight is weight
    right.eval()
    np.testing.assert_array_equal(y.array, right(x).array)
    assert layer.state_dict().keys() == right.state_dict().keys() and not layer.training
    y.sum().backward()
    optimizer.step()
    assert vars(layer).keys() == vars(right).keys()
    copy.deepcopy(layer)(x)


def test_a_call_that_fails_changes_nothing() -> None:
    layer = nn.LazyConv2d(4, 3, groups=2)
    for x in (ag.zeros(2, 3, 5, 5), ag.zeros(5), ag.zeros(2, 4, 2, 2)):
        with pytest.raises(ValueError, match=r"Conv2d|conv2d"):
            layer(x)
        assert type(layer) is nn.LazyConv2d and layer.weight.numel() == 0
    assert layer(ag.zeros(2, 4, 5, 5)).shape == (2, 4, 3, 3)


def test_an_input_without_the_axis_is_refused_as_by_the_layer() -> None:
    with pytest.raises(ValueError, match=r"BatchNorm1d.* the input has shape \(5,\)"):
        nn.LazyBatchNorm1d()(ag.zeros(5))


def test_a_lazy_layer_keeps_its_dtype() -> None:
    model = nn.Sequential(nn.LazyLinear(3), nn.ReLU(), nn.LazyLinear(2)).double()
    assert model(ag.ones(4, 5, dtype=ag.float64)).dtype == ag.float64
    assert [p.shape for p in model.parameters()] == [(3, 5), (3,), (2, 3), (2,)]


def lazies() -> nn.Module:
    manual_seed(0)
    return nn.Sequential(
        nn.LazyConv2d(2, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2)
    )


def test_a_lazy_layer_takes_the_sizes_of_a_state() -> None:
    x = ag.randn(4, 3, 5, 5)
    done, model = lazies(), lazies()
    done(x)
    empty = model.state_dict()
    wrong = {k: np.zeros((7, *v.shape[1:])) for k, v in done.state_dict().items() if v.ndim > 1}
    with pytest.raises(RuntimeError, match=r"'0.weight' is \(2, 0, 3, 3\) here, \(7, 3, 3, 3\)"):
        model.load_state_dict(wrong, strict=False)
    with pytest.raises(RuntimeError, match=r"'weight' is \(2, 0\) here"):
        nn.Linear(0, 2).load_state_dict(nn.Linear(3, 2).state_dict())
    weight = model[0].weight
    for state in (done.state_dict(), empty, done.state_dict()):
        model.load_state_dict(state)
        assert weight.shape == state["0.weight"].shape and model[0].weight is weight
    assert weight.array is not done[0].weight.array
    before = ag.default_generator().bit_generator.state
    np.testing.assert_array_equal(model.eval()(x).array, done.eval()(x).array)
    assert ag.default_generator().bit_generator.state == before
    assert repr(model) == repr(done)
    layer = nn.LazyLinear(2)
    layer.load_state_dict(nn.Linear(3, 2).state_dict())
    with pytest.raises(ValueError, match="inner size"):
        layer(ag.ones(1, 5))


def test_a_training_of_lazy_layers_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    data = [(ag.randn(4, 1, 4, 4), ag.tensor([0, 1, 1, 0]))]

    def losses(epochs: int, path: Path | None) -> list[float]:
        model = lazies()
        optimizer = nn.optim.Adam(model.parameters())
        fit = nn.train.fit(
            model, nn.CrossEntropyLoss(), optimizer, data, epochs, checkpoint=path, progress=False
        )
        return fit["loss"]

    losses(2, tmp_path / "kept")
    assert losses(3, tmp_path / "kept") == losses(3, None)


def test_what_reads_a_lazy_model_calls_it_first() -> None:
    x, y = ag.randn(8, 1, 4, 4), ag.tensor([0, 1] * 4)
    called = lazies().eval()
    called(x)
    readers = (ag.draw, lambda m, x: diagnose(m, nn.CrossEntropyLoss(), x, y))
    for read in readers:
        model = lazies()
        read(model, x)
        assert model.training and type(model[4]) is nn.Linear
        for k, v in model.state_dict().items():
            np.testing.assert_array_equal(v.array, called.state_dict()[k].array)
    assert str(ag.draw(lazies(), x)) == str(ag.draw(model.train(), x))
    model = lazies()
    step = ag.compile(lambda x, y: nn.functional.cross_entropy(model(x), y), backend="numpy")
    losses = [step(x, y).item() for _ in range(3)]
    assert len(step.sources) == 1
    np.testing.assert_allclose(losses, [losses[0]] * 3, rtol=1e-6)


def test_bilinear_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    for lead in ((4,), (), (2, 0), (2, 3)):
        layer, right = nn.Bilinear(2, 3, 5), torch.nn.Bilinear(2, 3, 5)
        assert repr(layer).startswith(repr(right))
        assert layer.state_dict().keys() == right.state_dict().keys()
        with torch.no_grad(), no_grad():
            for mine, its in zip(layer.parameters(), right.parameters(), strict=True):
                its.copy_(torch.tensor(mine.array))
        x1, x2 = (rng.standard_normal((*lead, n)).astype("float32") for n in (2, 3))
        y, found = layer(Tensor(x1), Tensor(x2)), right(torch.tensor(x1), torch.tensor(x2))
        assert y.shape == tuple(found.shape) and y.dtype == "float32"
        np.testing.assert_allclose(y.array, found.detach().numpy(), rtol=1e-5, atol=1e-6)
    layer = nn.Bilinear(2, 3, 2).double()
    x1, x2 = (Tensor(rng.standard_normal((2, n)), requires_grad=True) for n in (2, 3))
    assert gradcheck(layer, (x1, x2))
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 3\) and a weight \(2, 2, 3\)"):
        layer(x2, x2)
    empty = nn.Bilinear(0, 3, 2)
    assert empty(ag.zeros(4, 0), ag.zeros(4, 3)).tolist() == [empty.bias.tolist()] * 4


def test_a_list_called_modules_hides_no_method_from_what_reads_a_model() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.modules = [nn.Linear(3, 3)]

        def forward(self, x: Tensor) -> Tensor:
            return self.modules[0](x)

    assert "matmul" in str(ag.draw(Net(), ag.ones(2, 3)))
    Net().load_state_dict({})
