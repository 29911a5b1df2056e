"""Submissions run in Python's own process here; tests/playground/test_wasm.py is about the other."""

import pytest

from autograd_lite.sandbox import process


@pytest.fixture(autouse=True)
def native(monkeypatch):
    monkeypatch.setattr(process, "find_spec", lambda name: None)
