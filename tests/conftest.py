"""What every test starts from: which run, Hypothesis profiles, the modes of the engine untouched."""

import os
import signal
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

if "PYTEST_XDIST_WORKER" in os.environ:  # before NumPy is loaded: a core is a worker's alone, and
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # more threads would only wait for each other

import pytest
from hypothesis import HealthCheck, settings

import autograd_lite as ag
from tests.cases import CASES
from tests.selection import CORE, CORE_FEW, SLOW, chosen

HERE = Path(__file__).parent

# tests/compilation/test_native.py asks for C: elsewhere a test need not wait for a C compiler
os.environ.setdefault("AUTOGRAD_LITE_BACKEND", "numpy")

# a busy machine is no failure
PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("local", **PATIENT)
settings.register_profile("ci", **PATIENT, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as a shell starts what runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """`-m core` makes tests of one case of each row alone: to make all takes a third of its time."""
    if config.option.markexpr == "core":
        kept = chosen("core", [(case.id, [case]) for case in CASES], 1, 1)
        CASES[:] = [CASES[i] for i in sorted(kept)]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`-m core` does not read the other files: that alone would take half of its time."""
    file = collection_path.suffix == ".py"
    other = collection_path.relative_to(HERE).as_posix() not in CORE
    return True if file and other and config.option.markexpr == "core" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is core and what is slow; slow runs where `-m` or `file::test` asks for it."""
    tests: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        tests[item.nodeid.removeprefix("tests/").split("[")[0]].append(item)
    for test, group in tests.items():
        core = test.split("::")[0] in CORE
        cases = [(item.name, parameters(item)) for item in group]
        default = chosen(test, cases)
        first = chosen(test, cases, CORE_FEW, CORE_FEW) if core else ()
        for i, item in enumerate(group):
            if i not in default or item.nodeid.removeprefix("tests/").startswith(SLOW):
                item.add_marker("slow")
            elif i in first:
                item.add_marker("core")
    if "slow" not in config.option.markexpr:
        asked = [named for arg in config.args if (named := arg.partition("::"))[1]]
        slow = [i for i in items if i.get_closest_marker("slow") and not is_asked(i, config, asked)]
        left = set(slow)
        items[:] = [item for item in items if item not in left]
        config.hook.pytest_deselected(items=slow)


def is_asked(item: pytest.Item, config: pytest.Config, asked: list[tuple[str, str, str]]) -> bool:
    """Whether the command line names a test, or the class it is in, by `file::name`."""
    own = item.nodeid.partition("::")[2]
    return any(
        (config.invocation_params.dir / file).resolve() == item.path
        and (own == name or own.startswith((f"{name}[", f"{name}::")))
        for file, _, name in asked
    )


def parameters(item: pytest.Item) -> list[object]:
    """What a test is called with, apart from its fixtures."""
    spec = getattr(item, "callspec", None)
    return list(spec.params.values()) if spec else []


@pytest.fixture(autouse=True)
def modes_are_left_as_they_were() -> Iterator[None]:
    """A test that leaves recording off, or another default dtype, fails itself, not the next."""
    yield
    found = ag.is_grad_enabled(), ag.get_default_dtype().name
    ag.set_grad_enabled(True)
    ag.set_default_dtype("float32")
    assert found == (True, "float32")


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    """PyTorch, the judge of behaviour; what needs it is skipped where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whatever its own imports warn of
        return pytest.importorskip("torch")
