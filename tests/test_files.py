"""PyTorch's save and load: the same lines, and each reads what the other wrote."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn


def trained(lib: Any, layers: Any) -> tuple[Any, Any]:
    """A small net after a step, and its optimizer."""
    model = layers.Sequential(layers.Linear(3, 4), layers.Tanh(), layers.Linear(4, 1))
    optimizer = lib.optim.Adam(model.parameters(), lr=0.1)
    model(lib.ones(2, 3)).sum().backward()
    optimizer.step()
    return model, optimizer


def checkpoint(model: Any, optimizer: Any) -> dict[str, Any]:
    return {
        "model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3,
        "losses": [0.5, 0.25],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["m.pt", "m.pth", "m.pth.tar", "m", "m.npz", "m.safetensors"])
def test_a_checkpoint_goes_round(name: str, tmp_path: Path) -> None:
    if name.endswith("safetensors"):
        pytest.importorskip("safetensors")
    model, optimizer = trained(ag, nn)
    ag.save(checkpoint(model, optimizer), tmp_path / name)
    found = ag.load(str(tmp_path / name), map_location=ag.device("cpu"), weights_only=True)
    assert isinstance(found["model"]["0.weight"], ag.Tensor)
    assert (found["epoch"], found["losses"]) == (3, [0.5, 0.25])
    other, another = trained(ag, nn)
    other.load_state_dict(found["model"])
    another.load_state_dict(found["optimizer"])
    for m, o in ((model, optimizer), (other, another)):
        o.zero_grad()
        m(ag.ones(2, 3)).sum().backward()
        o.step()
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        assert np.array_equal(p.array, q.array)


def test_files_in_memory_and_single_tensors() -> None:
    file = io.BytesIO()
    ag.save(ag.tensor([1.0, 2.0], requires_grad=True), file)
    file.seek(0)
    found = ag.load(file)
    assert found.tolist() == [1, 2] and not found.requires_grad


def test_whole_modules_are_refused_with_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"save: a whole Linear is code .* state_dict\(\)"):
        ag.save(nn.Linear(2, 1), tmp_path / "m.pt")
    assert list(tmp_path.iterdir()) == []


def test_torch_reads_ours_and_we_read_torchs(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = trained(ag, nn), trained(torch, torch.nn)
    for lib, (model, optimizer) in ((ag, ours), (torch, theirs)):
        lib.save(checkpoint(model, optimizer), tmp_path / "m.pt")
        for reader, (m, o) in ((ag, ours), (torch, theirs)):
            found = reader.load(tmp_path / "m.pt", map_location="cpu", weights_only=True)
            m.load_state_dict(found["model"])
            o.load_state_dict(found["optimizer"])
            y = m(reader.ones(2, 3)).detach().numpy()
            np.testing.assert_allclose(y, model(lib.ones(2, 3)).detach().numpy(), rtol=1e-6)
