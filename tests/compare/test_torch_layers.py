"""Modules and losses of torch among layers by hand: a stand-in with torch's words is enough."""

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from autograd_lite import compare_layers

from .test_layers_of_books import ROWS, VALUES, Affine, Array, squares, squares_slope


class FakeTensor:
    """An array with a tape of one step."""

    def __init__(self, array: Any, requires_grad: bool = False) -> None:
        self.array = np.array(array, dtype=np.float64)
        self.x: FakeTensor | None = None
        self.pull: Any = None

    def detach(self) -> "FakeTensor":
        return self

    def numpy(self) -> Array:
        return self.array

    def __float__(self) -> float:
        return float(self.array)


class Module:
    """A function and its pullback."""

    def __init__(self, f: Any, pull: Any) -> None:
        self.f, self.pull = f, pull

    def double(self) -> "Module":
        return self

    def __call__(self, x: FakeTensor, *rest: Any) -> FakeTensor:
        y = FakeTensor(self.f(x.array, *(r.array for r in rest)))
        y.x, y.pull = x, lambda g: self.pull(g, x.array, *(r.array for r in rest))
        return y


def grad(y: FakeTensor, x: FakeTensor, g: Any = None) -> tuple[FakeTensor]:
    assert y.x is x
    return (FakeTensor(y.pull(1.0 if g is None else g.array)),)


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Any:
    found = SimpleNamespace(
        nn=SimpleNamespace(Module=Module), tensor=FakeTensor, autograd=SimpleNamespace(grad=grad)
    )
    monkeypatch.setitem(sys.modules, "torch", found)
    return found


def test_a_module_of_torch_is_a_layer(torch: Any) -> None:
    tanh = Module(np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2))
    report = compare_layers(
        [Affine(3, 5), tanh, Affine(5, 4)], squares, squares_slope, ROWS, VALUES
    )
    assert report.ok
    assert {"layers[1] output", "layers[0].W"} <= {r.name for r in report.rows}

    class Wrong(Affine):
        def backward(self, dout: Array) -> Array:
            return super().backward(dout) * 2

    report = compare_layers([Affine(3, 5), tanh, Wrong(5, 4)], squares, squares_slope, ROWS, VALUES)
    assert report.first_wrong is not None and report.first_wrong.name == "layers[1] output"


@pytest.mark.parametrize("c", [1.0, 2.0])
def test_a_loss_of_torch_judges(torch: Any, c: float) -> None:
    loss = Module(squares, lambda g, p, t: g * (p - t))
    report = compare_layers([Affine(3, 4)], loss, lambda p, t: c * (p - t), ROWS, VALUES)
    assert report.ok == (c == 1)


def test_torch_is_not_imported() -> None:
    code = "import sys, autograd_lite.comparison; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
