"""PyTorch's names: `import autograd_lite as torch` finds what PyTorch has in its places."""

from __future__ import annotations

import builtins
import copy
import importlib.util
import inspect
import json
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, tensor
from autograd_lite.absent import METHODS
from tests import names

ROOT = Path(__file__).parents[1]
PLACES = """
import autograd_lite as torch
from autograd_lite import nn as of_package
import autograd_lite.nn.functional as F
import autograd_lite.optim as optim
from autograd_lite.nn.utils.rnn import pad_sequence
from autograd_lite.nn.utils import clip_grad_norm_
from autograd_lite.optim.lr_scheduler import StepLR
from autograd_lite.utils.data import DataLoader

assert torch.nn is of_package and of_package.functional is F
assert torch.optim is optim is of_package.optim and optim.lr_scheduler.StepLR is StepLR
assert torch.utils.data.DataLoader is DataLoader is of_package.data.DataLoader
assert optim.clip_grad_norm_ is clip_grad_norm_
assert isinstance(of_package.Linear(1, 1), torch.nn.Module)
"""
ONE = """
import sys
for name in ("nn", "nn.functional", "nn.optim", "nn.optim.lr_scheduler", "nn.data"):
    assert sys.modules[name].__spec__.name == name
import nn
assert nn is torch.nn and nn.__name__ == "nn" and nn.functional is F
"""
INSIDE = """
import pickle, sys
import nn, nn.optim.lr_scheduler
from nn.layers.linear import Linear
import nn.functional
assert nn is torch.nn and nn.__name__ == "autograd_lite.nn" and nn.__file__.startswith(sys.path[0])
assert Linear is nn.Linear and pickle.loads(b"cnn.layers.linear\\nLinear\\n.") is Linear
for name in ("nn", "nn.functional", "nn.optim", "nn.optim.lr_scheduler", "nn.layers.linear"):
    assert sys.modules[name] is sys.modules["autograd_lite." + name]
    assert sys.modules[name].__spec__.name == "autograd_lite." + name
"""
OTHERS = """
import nn
assert nn.mine and nn is not torch.nn and torch.nn.__name__ == "autograd_lite.nn"
loss = torch.nn.Linear(2, 1)(torch.ones(3, 2)).sum()
loss.backward()
"""


def run(code: str, folder: Path) -> None:
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        f"import sys; sys.path.append({str(ROOT)!r})\n{code}",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("first", ["", "import nn", "import nn.functional, nn.data"])
def test_the_places_of_pytorch_are_nn_itself(first: str) -> None:
    run(first + PLACES + ONE, ROOT)


@pytest.mark.parametrize("first", ["", "import nn"])
@pytest.mark.parametrize("name", ["nn.py", "nn/__init__.py"])
def test_beside_another_nn_it_is_ours_still(first: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine = True\n")
    run(first + PLACES + OTHERS, tmp_path)


@pytest.mark.parametrize("first", ["", "import nn.functional, nn.data"])
def test_a_wheel_has_nn_inside_and_a_file_for_its_name(first: str, tmp_path: Path) -> None:
    """As setup.py arranges it; another `nn`, a folder, may come and go beside the file."""
    (tmp_path / "autograd_lite").mkdir()
    for file in (*(ROOT / "autograd_lite").iterdir(), ROOT / "nn"):
        (tmp_path / "autograd_lite" / file.name).symlink_to(file)
    alias = (ROOT / "setup.py").read_text("utf-8").split("'''")[1]
    (tmp_path / "nn.py").write_text(alias)
    here = f"sys.path[0] = {str(tmp_path)!r}\n"
    run(here + first + PLACES + INSIDE, tmp_path)
    (tmp_path / "nn").mkdir()
    (tmp_path / "nn" / "__init__.py").write_text("mine = True\n")
    run(here + PLACES + OTHERS, tmp_path)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = ag.nonsense
    with pytest.raises(ModuleNotFoundError):
        import autograd_lite.nn.nonsense  # noqa: F401
    assert not hasattr(ag, "nonsense") and not hasattr(ag, "__path_to__")


def test_what_is_imported_later_is_found_by_dir() -> None:
    assert {"nn", "optim", "utils", "cuda", "float32", "long", "LongTensor", "compile"} <= set(
        dir(ag)
    )


# ---- devices and dtypes --------------------------------------------------------------------------


def test_the_cpu_is_the_only_device() -> None:
    here = ag.device("cuda" if ag.cuda.is_available() else "cpu")
    x = ag.zeros(2, device=here)
    assert x.device == here == ag.device("cpu") != ag.device("cpu:0") and not x.is_cuda
    assert x.to(here) is x is x.to("cpu") is x.cpu() is x.to(device="cpu", non_blocking=True)
    assert str(here) == "cpu" and here.type == "cpu" and repr(here) == "device(type='cpu')"
    assert x.to(here, ag.float64).dtype == ag.float64 and x.to(here, copy=True) is not x
    layer = nn.Linear(1, 1)
    assert layer.to(here) is layer is layer.cpu()


@pytest.mark.parametrize(
    "call",
    [
        lambda: ag.device("cuda"),
        lambda: ag.zeros(2, device="cuda:0"),
        lambda: ag.randn(2, device="mps"),
        lambda: tensor([1.0], device="cuda"),
        lambda: tensor([1.0]).to("cuda"),
        lambda: tensor([1.0]).to(0),
        lambda: tensor([1.0]).cuda(),
        lambda: nn.Linear(1, 1).to("cuda"),
        lambda: nn.Linear(1, 1).cuda(),
        lambda: ag.Generator(device="cuda"),
    ],
)
def test_another_device_is_an_error_that_says_what_there_is(call: object) -> None:
    with pytest.raises(RuntimeError, match=r"is not here: tensors are NumPy arrays, on the CPU"):
        call()  # type: ignore[operator]


def test_dtypes_have_pytorchs_names_and_methods() -> None:
    x = tensor([0.0, 1.5])
    for name, method in (
        ("float32", "float"), ("float64", "double"), ("float16", "half"), ("int64", "long"),
        ("int32", "int"), ("int16", "short"), ("int8", "char"), ("uint8", "byte"), ("bool", "bool"),
    ):  # fmt: skip
        dtype = getattr(ag, name)
        assert getattr(x, method)().dtype == dtype == np.dtype(name)
        assert x.to(dtype).dtype == x.type(dtype).dtype == ag.zeros(1, dtype=dtype).dtype == dtype
    assert ag.float == ag.float32 and ag.long == ag.int64 and ag.half == ag.float16
    assert x.type() == "torch.FloatTensor" and x.type(ag.LongTensor).tolist() == [0, 1]
    assert x.type("torch.BoolTensor").tolist() == [False, True]
    assert x.type_as(tensor([1])).dtype == ag.int64 and x.to(tensor([1])).dtype == ag.int64
    assert ag.LongTensor([2.0, 1.0]).tolist() == [2, 1] and ag.FloatTensor(2, 3).shape == (2, 3)
    assert isinstance(x, ag.FloatTensor) and not isinstance(x, ag.LongTensor)
    assert x.element_size() == 4 and x.is_floating_point() and ag.finfo(x.dtype).eps < 1e-6


def test_a_star_import_replaces_nothing_of_python() -> None:
    assert "tanh" in ag.__all__ and not {*vars(builtins)} & {*ag.__all__}


def test_the_surface_is_what_users_need() -> None:
    """Every name offered is a function, a class, a number or a module of ours, and documented."""
    for where in (ag, nn, nn.functional):
        offered = [name for name in dir(where) if not name.startswith("__")]
        assert {"sum", "float32", "relu", "Linear"} & {*offered}
        assert not {"Any", "TYPE_CHECKING", "np", "math", "asked", "drawn", "missing"} & {*offered}
        for name in offered:
            value = getattr(where, name)
            home = getattr(value, "__module__", None) or getattr(value, "__name__", "")
            if callable(value) or isinstance(value, ModuleType):
                assert home.partition(".")[0] in {"autograd_lite", "nn", "numpy", "builtins"}, name


# ---- random numbers ------------------------------------------------------------------------------


def test_generators_have_pytorchs_names() -> None:
    g = ag.Generator().manual_seed(5)
    first = [f().tolist() for f in drawing(g)]
    assert g.initial_seed() == 5 and g.manual_seed(5) is g
    assert [f().tolist() for f in drawing(g)] == first
    state = g.get_state()
    a = ag.rand(3, generator=g)
    g.set_state(state)
    assert ag.equal(a, ag.rand(3, generator=g)) and g.seed() != g.seed()


def drawing(g: object) -> list[object]:
    like, p = tensor([1.0, 2.0]), tensor([0.5, 0.5])
    return [
        lambda: ag.rand(2, generator=g), lambda: ag.randn(2, generator=g),  # type: ignore[arg-type]
        lambda: ag.randint(9, (4,), generator=g), lambda: ag.randperm(4, generator=g),  # type: ignore[arg-type]
        lambda: ag.normal(like, 0.1, generator=g), lambda: ag.bernoulli(p, generator=g),  # type: ignore[arg-type]
        lambda: ag.multinomial(p, 1, generator=g), lambda: ag.randn_like(like, generator=g),  # type: ignore[arg-type]
    ]  # fmt: skip


def test_what_is_drawn_has_the_distribution_that_was_asked_for() -> None:
    ag.manual_seed(0)
    weights = tensor([[0.0, 1.0, 3.0], [2.0, 2.0, 0.0]])
    drawn = ag.multinomial(weights, 4000, replacement=True)
    shares = np.stack([np.bincount(row, minlength=3) for row in drawn.numpy()]) / 4000
    np.testing.assert_allclose(shares, weights.numpy() / 4, atol=0.03)
    both = np.array([ag.multinomial(weights, 2).tolist() for _ in range(1000)])
    assert set(both[:, 1].ravel()) == {0, 1} and (both[:, 0].sum(1) == 3).all()
    assert abs((both[:, 0, 0] == 2).mean() - 0.75) < 0.05
    x = ag.normal(tensor([1.0, -1.0]).expand(5000, 2), tensor([1.0, 2.0]))
    np.testing.assert_allclose(x.mean(0).numpy(), [1.0, -1.0], atol=0.1)
    np.testing.assert_allclose(x.std(0).numpy(), [1.0, 2.0], atol=0.1)
    assert abs(ag.bernoulli(ag.full((5000,), 0.3)).mean().item() - 0.3) < 0.03
    for bad in (lambda: ag.multinomial(tensor([0.0, 1.0]), 2), lambda: ag.multinomial(tensor([0.0]), 1),
                lambda: ag.bernoulli(tensor([1.5])), lambda: ag.normal(0.0, -1.0, (1,))):  # fmt: skip
        with pytest.raises(ValueError, match=r"multinomial|bernoulli|normal"):
            bad()


def test_the_state_of_the_generator_can_be_kept() -> None:
    with ag.random.fork_rng():
        ag.manual_seed(1)
        state = ag.get_rng_state()
        a = ag.rand(2)
        ag.set_rng_state(state)
        assert ag.equal(a, ag.rand(2)) and ag.seed() != ag.seed()


# ---- parameters ----------------------------------------------------------------------------------


def test_parameters_go_into_a_vector_and_back() -> None:
    from nn.utils import parameters_to_vector, vector_to_parameters

    a, b = nn.Linear(2, 3), nn.Linear(2, 3)
    vector = parameters_to_vector(a.parameters())
    vector_to_parameters(vector.detach(), b.parameters())
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        assert ag.equal(p, q)
    vector.sum().backward()
    assert a.bias.grad is not None and a.bias.grad.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="9 elements"):
        vector_to_parameters(vector[1:], b.parameters())


def test_sequences_are_padded_on_either_side() -> None:
    from nn.utils.rnn import pad_sequence, unpad_sequence

    rows = [Tensor([[1.0, 2.0]]), Tensor([[3.0, 4.0], [5.0, 6.0]])]
    y = pad_sequence(rows, batch_first=True, padding_value=-1.0)
    assert y.tolist() == [[[1, 2], [-1, -1]], [[3, 4], [5, 6]]]
    assert pad_sequence(rows).shape == (2, 2, 2)
    assert pad_sequence(rows, True, padding_side="left")[0].tolist() == [[0, 0], [1, 2]]
    for got, row in zip(unpad_sequence(y, [1, 2], batch_first=True), rows, strict=True):
        assert ag.equal(got, row)


# ---- what is absent ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pytorchs() -> dict[str, list[str]]:
    return json.loads(names.NAMES.read_text())


def test_every_name_of_pytorch_is_here_or_explained(pytorchs: dict[str, list[str]]) -> None:
    assert sum(map(len, pytorchs.values())) > 1500
    for place in set(names.PLACES) - {"torch.Tensor"}:
        home = names.ours(place)
        for name in pytorchs[place]:
            if not names.has(place, name):
                with pytest.raises(AttributeError, match=r"it is out of scope here since 0\.1\.0"):
                    getattr(home, name)


def test_the_table_is_the_one_that_is_written(pytorchs: dict[str, list[str]]) -> None:
    assert names.TABLE.read_text(encoding="utf-8") == names.table(pytorchs), (
        "run: python -m tests.names"
    )


def test_the_names_are_those_of_the_installed_pytorch(
    pytorchs: dict[str, list[str]], torch: object
) -> None:
    assert names.theirs() == pytorchs
    assert names.twins() == json.loads(names.TWINS.read_text()), "run python -m tests.names"


def test_an_absent_name_says_what_to_use() -> None:
    with pytest.raises(
        AttributeError, match=r"nn.FractionalMaxPool2d: .* there are no images.*; use nn.Conv2d"
    ):
        _ = nn.FractionalMaxPool2d
    with pytest.raises(AttributeError, match=r"autograd_lite.sparse_coo_tensor: .*scipy.sparse"):
        _ = ag.sparse_coo_tensor
    with pytest.raises(AttributeError, match=r"module 'nn.functional' has no attribute 'nonsense'"):
        _ = nn.functional.nonsense


def test_what_would_be_spread_over_gpus_runs_the_module() -> None:
    from autograd_lite.nn.parallel import DataParallel

    layer = nn.Linear(2, 1)
    model = nn.DataParallel(layer, device_ids=[0])
    assert type(model) is DataParallel and model.module is layer
    assert list(model.state_dict()) == ["module.weight", "module.bias"]
    assert ag.equal(model(ag.ones(3, 2)), layer(ag.ones(3, 2)))
    with pytest.raises(ValueError, match=r"call init_process_group\(\) first"):
        nn.parallel.DistributedDataParallel(layer)


def test_switches_of_the_one_state_may_be_set() -> None:
    ag.set_num_threads(4)
    ag.use_deterministic_algorithms(True)
    ag.set_float32_matmul_precision("high")
    ag.set_default_device("cpu")
    import autograd_lite.backends.cudnn as cudnn  # noqa: PLR0402  as scripts have it

    cudnn.deterministic = cudnn.benchmark = True
    assert cudnn is ag.backends.cudnn and not cudnn.is_available()
    assert ag.get_num_threads() == 1 and ag.get_default_device() == ag.device("cpu")
    assert ag.typename(tensor([1])) == "torch.LongTensor" and ag.typename(1) == "builtins.int"
    with pytest.raises(RuntimeError, match="set_default_device: device 'cuda' is not here"):
        ag.set_default_device("cuda")
    assert not (ag.backends.mps.is_available() or ag.cuda.device_count())
    with pytest.raises(AttributeError, match=r"cuda.Stream: tensors are NumPy arrays"):
        _ = ag.cuda.Stream
    ag.manual_seed(7)
    assert ag.initial_seed() == 7
    x = tensor([-1.0, 1.0])
    assert ag.relu_(x) is x and x.tolist() == [0.0, 1.0] and ag.selu(x).shape == (2,)


def test_shapes_change_in_place_where_nothing_is_recorded() -> None:
    x = ag.arange(6.0).reshape(2, 3).clone()
    assert x.t_() is x and x.shape == (3, 2) and x.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert x.unsqueeze_(0).shape == (1, 3, 2) and x.transpose_(1, 2).shape == (1, 2, 3)
    assert x.squeeze_(0).tolist() == [[0, 1, 2], [3, 4, 5]] and x[1:].storage_offset() == 3
    assert ag.ones(2, 2).fill_diagonal_(0.0).tolist() == [[0, 1], [1, 0]]
    with pytest.raises(RuntimeError, match="t_: the shape of a tensor that requires grad stays"):
        tensor([[1.0]], requires_grad=True).t_()
    assert tensor([1.0], requires_grad=True).numpy(force=True).tolist() == [1.0]


def test_parameters_in_lists_and_dictionaries_are_found() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rows = nn.ParameterList([ag.ones(2), nn.Parameter(ag.zeros(1))]).append(ag.ones(3))
            self.named = nn.ParameterDict({"a": ag.ones(1)})

    model = Model()
    assert [n for n, _ in model.named_parameters()] == ["rows.0", "rows.1", "rows.2", "named.a"]
    assert len(model.rows) == 3 and model.rows[-1].shape == (3,) and len(model.rows[1:]) == 2
    model.rows[0], model.named["b"] = ag.zeros(2), nn.Parameter(ag.ones(1))
    assert model.rows[0].requires_grad and list(model.named.keys()) == ["a", "b"]
    del model.named["a"]
    assert [k for k, _ in model.named.items()] == ["b"] and "a" not in model.named
    with pytest.raises(IndexError, match="ParameterList: index 3 is out of range; it has 3"):
        _ = model.rows[3]
    with pytest.raises(KeyError, match="ParameterDict: no parameter 'a'; it has b"):
        _ = model.named["a"]
    with pytest.raises(KeyError, match="there is an attribute 'training' already"):
        model.named["training"] = ag.ones(1)


def test_absent_methods_of_tensors_say_why(pytorchs: dict[str, list[str]]) -> None:
    x = ag.ones(2)
    lost = {n for n in pytorchs["torch.Tensor"] if not names.has("torch.Tensor", n)}
    assert lost == set(METHODS.split())
    for name in lost:
        assert not hasattr(x, name) and name not in dir(x)
        with pytest.raises(AttributeError, match=rf"Tensor\.{name}: .* out of scope here since"):
            getattr(x, name)
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'nonsense'"):
        _ = x.nonsense


@pytest.mark.parametrize(
    ("statement", "use"),
    {
        "import autograd_lite.fft": "np.fft on t.numpy()",
        "from autograd_lite.profiler import profile": "cProfile",
        "from autograd_lite import jit": "autograd_lite.compile",
        "from autograd_lite import complex64": "two tensors for both parts",
        "import autograd_lite.sparse": "scipy.sparse",
        "import autograd_lite.onnx": "autograd_lite.interop.onnx.export",
        "import autograd_lite.multiprocessing": "autograd_lite.distributed",
        "import autograd_lite.quantization": "float16, or float32",
        "from autograd_lite.utils import benchmark": "cProfile",
        "from autograd_lite.nn.quantized import Linear": "float16, or float32",
    }.items(),
)
def test_an_import_of_what_is_absent_says_what_to_use(statement: str, use: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=rf"out of scope here .* use .*{use}"):
        exec(statement)  # noqa: S102  one of these


def test_whether_there_is_a_module_can_be_asked() -> None:
    for name in ("fft", "jit", "nn.quantized", "nonsense"):
        assert importlib.util.find_spec(f"autograd_lite.{name}") is None
    for name in ("func", "nn.functional", "nn.modules.conv", "optim.adam", "utils.data"):
        assert importlib.util.find_spec(f"autograd_lite.{name}") is not None


def test_modules_that_nobody_has_are_not_found_in_pythons_words() -> None:
    for statement in ("import autograd_lite.nonsense", "from autograd_lite import nonsense"):
        with pytest.raises(
            ImportError, match=r"(No module named|cannot import name) 'auto|'nonsen"
        ):
            exec(statement)  # noqa: S102  one of these


def test_files_of_pytorch_are_places() -> None:
    from autograd_lite.nn.modules.batchnorm import BatchNorm2d
    from autograd_lite.nn.modules.conv import Conv2d
    from autograd_lite.nn.modules.utils import _pair, _triple
    from autograd_lite.nn.utils.clip_grad import clip_grad_norm_
    from autograd_lite.optim.lr_scheduler import _LRScheduler
    from autograd_lite.optim.radam import RAdam
    from autograd_lite.utils.data import sampler
    from autograd_lite.utils.data.distributed import DistributedSampler

    assert nn.modules.loss._Loss is nn.losses._Loss and nn.modules.Module is nn.Module
    assert sampler.SubsetRandomSampler is nn.data.SubsetRandomSampler
    assert (BatchNorm2d, Conv2d) == (nn.BatchNorm2d, nn.Conv2d) and RAdam is nn.optim.RAdam
    assert _pair(3) == (3, 3) and _triple((1, 2, 3)) == (1, 2, 3)
    assert clip_grad_norm_ is nn.utils.clip_grad_norm_
    assert _LRScheduler is nn.optim.lr_scheduler.LRScheduler
    assert DistributedSampler is nn.data.DistributedSampler


@pytest.mark.parametrize("name", ["tanh", "split", "det", "inverse", "dropout", "batch_norm"])
def test_functions_can_be_pickled(name: str) -> None:
    f = getattr(ag, name)
    assert pickle.loads(pickle.dumps(f)) is f


def test_arguments_in_an_older_order_are_given_once() -> None:
    assert str(inspect.signature(ag.dropout)) == "(input, p, train)"
    for words in ({"p": 0.1}, {"input": 1}):
        with pytest.raises(TypeError, match="dropout: the arguments are input, p, train, each"):
            ag.dropout(ag.ones(2), 0.5, **words)
    with pytest.raises(TypeError, match="dropout: the arguments are input, p, train, each once"):
        ag.dropout(ag.ones(2), 0.5, False, False)


def test_a_gpu_of_any_kind_is_asked_for_in_vain() -> None:
    torch = ag
    for kind in (torch.cuda, torch.xpu, torch.accelerator, torch.backends.mps):
        assert kind.is_available() is False
    assert torch.accelerator.current_accelerator() is None is torch.version.cuda
    assert torch.ones(1, 2, 3, 4).to(memory_format=torch.channels_last).shape == (1, 2, 3, 4)
    assert torch.utils.data.get_worker_info() is None


def test_bfloat16_is_a_name_until_a_tensor_is_to_have_it() -> None:
    torch, x = ag, ag.ones(2)
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    with torch.autocast(device_type="cpu", dtype=dtype["bfloat16"]):
        assert x.dtype != torch.bfloat16 and not isinstance(dtype["bfloat16"], np.dtype)
    for make in (
        lambda: x.to(torch.bfloat16),
        lambda: torch.zeros(2, dtype=torch.bfloat16),
        lambda: nn.Linear(1, 1).to(torch.bfloat16),
    ):
        # the second are the words of NumPy 2.0, which drops ours
        with pytest.raises(TypeError, match=r"bfloat16: .* use float32|interpret 'bfloat16'"):
            make()
    assert copy.deepcopy(dtype) == pickle.loads(pickle.dumps(dtype)) == dtype
