"""What every test starts from: Hypothesis profiles, and the modes of the engine untouched."""

import os
import warnings
from collections.abc import Iterator
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings

import autograd_lite as ag

# a busy machine is no failure
PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("local", **PATIENT)
settings.register_profile("ci", **PATIENT, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


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
