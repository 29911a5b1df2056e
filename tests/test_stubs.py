"""The stubs say what the declarations say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autograd_lite.engine.methods import Methods
from tests.stubs import STUBS, written


@pytest.mark.parametrize("path", STUBS, ids=lambda p: p.name)
def test_a_stub_is_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == written(path), "run python -m tests.stubs"


def test_a_method_that_is_added_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(self: Any) -> Any: ...

    monkeypatch.setattr(Methods, "planted", planted, raising=False)
    assert any(path.read_text(encoding="utf-8") != written(path) for path in STUBS)
