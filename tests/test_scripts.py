"""Ordinary PyTorch scripts, of the kinds that tutorials have, run with another import alone.

`scripts/` holds them as one would write them for PyTorch; `start` puts the same numbers into the
parameters of a model with either library. What PyTorch 2.13 gives as `result` is stored in
`scripts.json` (written by `python -m tests.make_golden`), and compared live where it is installed.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).with_name("scripts")
GOLDEN = Path(__file__).with_name("scripts.json")
SAME = sorted(path.stem for path in FOLDER.glob("*.py"))


def translated(text: str) -> str:
    """A script with autograd_lite imported in the place of PyTorch, and nothing else changed."""
    text = re.sub(r"^import torch$", "import autograd_lite as torch", text, flags=re.MULTILINE)
    return re.sub(r"^(import|from) torch\b", r"\1 autograd_lite", text, flags=re.MULTILINE)


def start(model: Any, seed: int = 0) -> Any:
    """The model with parameters drawn by NumPy, small as layers have them."""
    rng = np.random.default_rng(seed)
    for p in model.parameters():
        values = rng.uniform(-1, 1, tuple(p.shape)) / math.sqrt(max(p.shape[-1:] or (1,)))
        p.data.copy_(type(p.data)(values.astype("float64" if "64" in str(p.dtype) else "float32")))
    return model


def run(name: str, text: str) -> Any:
    names: dict[str, Any] = {"start": start, "__name__": f"script_{name}"}
    exec(compile(text, str(FOLDER / f"{name}.py"), "exec"), names)  # noqa: S102  one of ours
    return json.loads(json.dumps(names["result"]))


def ours(name: str) -> Any:
    return run(name, translated((FOLDER / f"{name}.py").read_text()))


def theirs(torch: Any, name: str) -> Any:
    return run(name, (FOLDER / f"{name}.py").read_text())


def agree(a: Any, b: Any, where: str) -> None:
    """The same, and numbers to 4 digits, as float32 keeps them over some steps."""
    if isinstance(b, list):
        assert isinstance(a, list) and len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            agree(x, y, f"{where}[{i}]")
    elif isinstance(b, float):
        assert a == pytest.approx(b, rel=1e-4, abs=1e-6), where
    else:
        assert a == b and type(a) is type(b), where


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    return json.loads(GOLDEN.read_text())


def test_golden_data_cover_every_script(stored: dict[str, Any]) -> None:
    assert sorted(stored) == SAME


@pytest.mark.parametrize("name", SAME)
def test_a_script_gives_what_it_gives_with_pytorch(name: str, stored: dict[str, Any]) -> None:
    agree(ours(name), stored[name], name)


@pytest.mark.parametrize("name", SAME)
def test_what_is_stored_is_what_the_installed_pytorch_gives(
    name: str, stored: dict[str, Any], torch: Any
) -> None:
    agree(theirs(torch, name), stored[name], name)
