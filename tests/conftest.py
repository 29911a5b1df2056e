"""What every test starts from: Hypothesis profiles, and the modes of the engine untouched."""

import os
from collections.abc import Iterator
from types import ModuleType

import pytest
from hypothesis import settings

import autograd_lite as ag

settings.register_profile("local", deadline=None)  # a busy machine is no failure
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
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
    return pytest.importorskip("torch")
