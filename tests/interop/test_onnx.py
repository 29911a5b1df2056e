"""Models as ONNX files: onnxruntime computes what they compute."""

from __future__ import annotations

import contextlib
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Op, Tensor, manual_seed, no_grad
from autograd_lite.interop.onnx import export
from tests.cases import CASES, Case

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def rows(n: int, width: int = 3, dtype: str = "float32") -> Any:
    return (np.random.default_rng(n).standard_normal((n, width)) * 2).astype(dtype)


def run(proto: Any, *inputs: Any) -> list[Any]:
    """What onnxruntime makes of it."""
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(proto.SerializeToString())
    names = [i.name for i in proto.graph.input]
    found: list[Any] = session.run(None, dict(zip(names, inputs, strict=True)))
    return found


def agree(proto: Any, model: Any, *inputs: Any) -> None:
    with no_grad():
        right = model(*map(Tensor, inputs))
    right = right if isinstance(right, tuple | list) else (right,)
    for y, r in zip(run(proto, *inputs), right, strict=True):
        assert y.dtype == r.dtype and y.shape == r.shape
        np.testing.assert_allclose(y, r.array, rtol=2e-5, atol=1e-5)


def takes_nothing(layer: type) -> bool:
    """Whether it is made without arguments, does not warn that it would like some, and has one
    input."""
    given = inspect.signature(layer).parameters.values()
    inputs = inspect.signature(layer.forward).parameters.values()  # type: ignore[attr-defined]
    one = sum(p.default is p.empty for p in inputs) == 2  # and self
    return one and all(p.default is not p.empty and p.name != "dim" for p in given)


MASKED = {"Hardshrink", "PReLU", "Softshrink"}  # they compare, which leaves no record
IMAGES = {"Softmax2d", "Dropout2d", "Dropout3d", "Upsample"}  # rows are none
IMAGES |= {"UpsamplingBilinear2d", "UpsamplingNearest2d"}
LAYERS: dict[str, Callable[[], Any]] = {
    name: getattr(nn, name)
    for name in nn.layers.__all__
    if takes_nothing(getattr(nn, name)) and name not in MASKED | IMAGES
} | {
    "Linear": lambda: nn.Linear(3, 2),
    "Linear without bias": lambda: nn.Linear(3, 2, bias=False),
    "BatchNorm1d": lambda: nn.BatchNorm1d(3),
    "BatchNorm1d of the batch": lambda: nn.BatchNorm1d(3, track_running_stats=False),
    "LayerNorm": lambda: nn.LayerNorm(3),
    "Softmax": lambda: nn.Softmax(1),
    "LogSoftmax": lambda: nn.LogSoftmax(1),
    "GELU by tanh": lambda: nn.GELU("tanh"),
    "Softplus of 2 x": lambda: nn.Softplus(2.0),
    "Hardtanh": lambda: nn.Hardtanh(-0.5, 1.5),
    "LeakyReLU": lambda: nn.LeakyReLU(0.25),
}


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_runs_in_onnxruntime_on_batches_of_any_size(name: str) -> None:
    pytest.importorskip("onnx")
    manual_seed(0)
    model = LAYERS[name]()
    if isinstance(model, nn.BatchNorm1d):
        model(Tensor(rows(5)))
    proto = export(model, rows(4))
    export(model.double(), rows(4, dtype="float64"))  # which onnxruntime does not run for all
    model.float().eval()
    for n in (2, 4, 7):
        agree(proto, model, rows(n))


def test_convolutions_and_pooling_run_in_onnxruntime() -> None:
    pytest.importorskip("onnx")
    manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, stride=2, groups=2), nn.ReLU(), nn.MaxPool2d(2, 1),
        nn.ConvTranspose2d(4, 3, 2, stride=2), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(27, 2),
    )  # fmt: skip
    x = np.random.default_rng(0).standard_normal((2, 2, 8, 8)).astype("float32")
    agree(export(model, x), model.eval(), x)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("deep", [False, True])
def test_recurrence_runs_in_onnxruntime_on_batches_of_any_size(kind: str, deep: bool) -> None:
    pytest.importorskip("onnx")
    manual_seed(0)
    layer = getattr(nn, kind)(3, 4, 1 + deep, batch_first=True, bidirectional=deep)
    x = np.random.default_rng(0).standard_normal((5, 4, 3)).astype("float32")
    proto = export(lambda x: layer(x)[0], x[:2])
    for n in (1, 2, 5):
        agree(proto, lambda x: layer(x)[0], x[:n])


@pytest.mark.parametrize("name", sorted(MASKED & {*nn.layers.__all__}))
def test_layers_that_compare_are_told(name: str) -> None:
    pytest.importorskip("onnx")
    with pytest.raises(ValueError, match=r"export: where uses bool .*, a mask inside of an Op"):
        export(getattr(nn, name)(), rows(4))


class Block(nn.Module):
    """A residual block with attention over parts, two inputs and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(6, 12), nn.LayerNorm(12), nn.GELU(), nn.Dropout(0.5))
        self.last = nn.Linear(12, 6)

    def forward(self, x: Any, z: Any) -> Any:
        h = x + self.last(self.first(x))
        parts = h.reshape(len(h), 2, 3)
        scores = ag.softmax(parts @ parts.mT / 3**0.5, -1)
        mixed = ag.einsum("nij,njk->nik", scores, parts)
        ends = ag.cat([mixed[:, 0], mixed[:, -1, :2], z[:, None, 1]], 1)
        return ends, (mixed - mixed.mean(0)).flatten(1).amax(1) * (h > 0).sum(1)


def test_a_network_with_two_inputs_and_two_outputs(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    manual_seed(0)
    model = Block()
    with pytest.raises(ValueError, match="has no record, such as a mask"):
        export(model, (rows(4, 6), rows(4, 2)))
    model = Block()
    model.forward = lambda x, z: Block.forward(model, x, z)[0]  # type: ignore[method-assign]
    before = [(p.requires_grad, p.array.copy()) for p in model.parameters()]
    model.first[0].weight.requires_grad_(False)
    proto = export(
        model, (rows(4, 6), rows(4, 2)), tmp_path / "m.onnx",
        input_names=["x", "z"], output_names=["ends"],
    )  # fmt: skip
    assert model.training and model.first.training and not model.first[0].weight.requires_grad
    for p, (_, a) in zip(model.parameters(), before, strict=True):
        assert np.array_equal(p.array, a)
    model.eval()
    for n in (1, 5):
        agree(proto, model, rows(n, 6), rows(n, 2))
    found = onnx.load(tmp_path / "m.onnx")
    assert [i.name for i in found.graph.input] == ["x", "z"]
    assert found.graph.output[0].name == "ends"
    assert found.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    names = {i.name: onnx.numpy_helper.to_array(i) for i in found.graph.initializer}
    for name, p in model.named_parameters():
        assert np.array_equal(names[name], p.array)


def test_functions_and_numbers() -> None:
    pytest.importorskip("onnx")
    proto = export(lambda x: (x**2, np.exp(x)), np.array(2.0), dynamic_batch=False)
    assert [float(y) for y in run(proto, np.array(3.0))] == pytest.approx([9, np.exp(3)])
    assert [o.name for o in proto.graph.output] == ["output_0", "output_1"]
    agree(export(lambda x: x, rows(2)), lambda x: x, rows(3))
    twice = export(lambda x: (x.tanh(), x), rows(2))
    agree(twice, lambda x: (x.tanh(), x), rows(3))


def test_an_operation_of_a_user_is_what_its_forward_does() -> None:
    pytest.importorskip("onnx")
    mish = Op("mish_like", lambda x: x * np.tanh(np.log1p(np.exp(x))), lambda g, y, x: g)
    agree(export(mish, rows(4)), mish, rows(6))
    where = Op("chosen", lambda x: np.where((x > 0) & (x < 1), x, -x), lambda g, y, x: g)
    agree(export(where, rows(4)), where, rows(6))


def test_what_cannot_be_a_graph_is_an_error_that_says_why() -> None:
    pytest.importorskip("onnx")
    x = rows(4)
    masks: list[Callable[[Any], Any]] = [
        lambda x: x * (x.detach() > 0),
        lambda x: x - x.detach().amax(),
        lambda x: x * float(x.detach().sum()),
        lambda x: x[ag.argmax(x.detach(), 0)],
    ]
    for f in masks:
        with pytest.raises(ValueError, match=r"differs from batch to batch|for one batch and"):
            export(f, x)
    with pytest.raises(ValueError, match="takes another path for another batch"):
        export(lambda x: x.tanh() if len(x) % 2 else x.exp(), x)
    with pytest.raises(TypeError, match="export: arctan2 has no form in ONNX"):
        export(lambda x: ag.arctan2(x, x), x)
    opaque = Op("opaque", lambda x: np.asarray(np.sin(x)), lambda g, y, x: g)
    with pytest.raises(TypeError, match=r"export: opaque has no form in ONNX.*makes an array"):
        export(opaque, x)
    with pytest.raises(TypeError, match="bool tensor without a record"):
        export(lambda x: x > 0, x)
    with pytest.raises(TypeError, match="input 0 is int64"):
        export(lambda x: x, np.ones(2, int))
    with pytest.raises(ValueError, match="2 input_names for 1 inputs"):
        export(lambda x: x, x, input_names=["a", "b"])


def test_a_name_that_means_something_else_in_onnx_is_noticed() -> None:
    pytest.importorskip("onnx")
    liar = Op("softplus", np.tanh, lambda g, y, x: g)
    with pytest.raises(ValueError, match=r"comes out otherwise.*\['Softplus'\]"):
        export(liar, rows(4))


SMALL = [c for c in CASES if all(a.size for a in c.arrays())]


def exported(case: Case) -> tuple[Any, Any, list[Any]]:
    """A case of the table as a file, the function that it is, and its inputs."""
    arrays = case.arrays(np.float32)

    def f(*tensors: Any) -> Any:
        given = iter(tensors)
        return case(*[next(given) if a.dtype.kind == "f" else a for a in arrays])

    floats = [a for a in arrays if a.dtype.kind == "f"]
    return export(f, tuple(floats), dynamic_batch=False), f, floats


@pytest.mark.parametrize("case", SMALL, ids=[c.id for c in SMALL])
def test_a_row_has_a_form_or_is_named(case: Case) -> None:
    pytest.importorskip("onnx")
    if case.row == "conv_input" and "groups" in case.kw:
        pytest.skip("onnx's own evaluator has no groups there")
    try:
        proto, f, floats = exported(case)
    except TypeError as error:
        assert "has no form in ONNX" in str(error) or "tensor without a record" in str(error)
    else:
        agree(proto, f, *floats)


def test_most_rows_have_a_form() -> None:
    pytest.importorskip("onnx")
    found = set()
    for case in {c.row: c for c in SMALL}.values():
        with contextlib.suppress(TypeError):
            exported(case)
            found.add(case.row)
    assert len(found) >= 72, sorted({c.row for c in CASES} - found)


def test_without_onnx_the_error_says_how_to_get_it() -> None:
    code = """
import sys
sys.modules["onnx"] = None
import nn
from autograd_lite.interop.onnx import export
try:
    export(nn.Linear(2, 1), [[1.0, 2.0]])
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "export needs a package; install it with: pip install onnx"
