"""Files that 0.1.0 saved load: its pickles name modules that have moved since."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nn
from autograd_lite import Tensor, no_grad
from autograd_lite.engine.op import ops
from nn.optim import Adam
from nn.optim.lr_scheduler import StepLR
from nn.serialize import load

DATA = Path(__file__).parent / "data"  # made by tests/make_saved.py


@pytest.fixture
def saved() -> dict[str, Any]:
    found: dict[str, Any] = pickle.loads((DATA / "objects.pkl").read_bytes())
    return found


def test_tensors(saved: dict[str, Any]) -> None:
    leaf, ints, parameter = saved["leaf"], saved["ints"], saved["parameter"]
    assert type(leaf) is Tensor and leaf.tolist() == [[1.0, 2.0]] and leaf.dtype == np.float32
    assert leaf.requires_grad and leaf.is_leaf and leaf.name == "w"
    assert ints.tolist() == [1, 2] and not ints.requires_grad
    assert type(parameter) is nn.Parameter and parameter is saved["model"].first.weight
    assert saved["row"] is ops.softmax
    (leaf * leaf).sum().backward()
    assert leaf.grad.tolist() == [[2.0, 4.0]]


def test_a_model_computes_what_it_computed(saved: dict[str, Any]) -> None:
    model = saved["model"]
    with no_grad():
        assert np.allclose(model(Tensor(saved["x"])).numpy(), saved["y"], rtol=1e-6)
    assert [name for name, _ in model.named_parameters()] == [
        "first.weight", "first.bias", "norm.weight", "norm.bias", "last.weight", "last.bias",
    ]  # fmt: skip
    model.train()(Tensor(saved["x"])).sum().backward()
    assert model.norm.num_batches_tracked.item() == 4 and model.last.bias.grad is not None


def test_layers_and_losses_keep_their_settings(saved: dict[str, Any]) -> None:
    found = [repr(t) for t in (*saved["losses"], saved["layers"], saved["model"])]
    assert [text.replace(", inplace=False", "") for text in found] == saved[
        "repr"
    ]  # as it was then
    x = Tensor(np.linspace(-2, 2, 6).reshape(3, 2))
    for layer in saved["layers"].eval():
        assert layer(x).shape[0] in (2, 3)
    smoothed, logits, huber = saved["losses"]
    assert smoothed(x, np.array([0, 1, 1])).shape == ()
    assert logits(x, np.ones((3, 2))).shape == ()
    assert huber(x, Tensor(np.zeros((3, 2)))).item() == pytest.approx(2.86)


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_states_of_models(saved: dict[str, Any], suffix: str) -> None:
    if suffix == "safetensors":
        pytest.importorskip("safetensors")
    model = nn.Sequential(
        {
            "first": nn.Linear(3, 2),
            "norm": nn.BatchNorm1d(2),
            "relu": nn.ReLU(),
            "last": nn.Linear(2, 1),
        }
    )
    state = load(DATA / f"model.{suffix}", model)
    assert set(state) == set(saved["state_dict"])
    for name, value in saved["state_dict"].items():
        assert np.array_equal(value.numpy(), model.state_dict()[name].numpy())


def test_an_optimiser_and_a_schedule_go_on(saved: dict[str, Any]) -> None:
    optimizer = Adam(saved["model"].parameters())
    optimizer.load_state_dict(saved["optimizer"])
    schedule = StepLR(optimizer, 1)
    schedule.load_state_dict(saved["schedule"])
    optimizer.load_state_dict(saved["optimizer"])
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.0125)
    assert (schedule.last_epoch, schedule.gamma) == (3, 0.5)
    again = optimizer.state_dict()
    assert again["param_groups"] == saved["optimizer"]["param_groups"]
    for number, state in saved["optimizer"]["state"].items():
        for name, value in state.items():
            assert np.array_equal(again["state"][number][name], value)


def test_the_first_thing_that_a_program_does() -> None:
    """The places are there before nn or anything else is imported."""
    code = (
        "import pickle; thing = pickle.loads(b'\\x80\\x04\\x8c\\x14autograd_lite.tensor\\x94"
        "\\x8c\\x06Tensor\\x94\\x93\\x94.'); print(thing)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "<class 'autograd_lite.engine.tensor.Tensor'>"
