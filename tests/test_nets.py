"""The networks of examples/nets: run as a reader runs them, and step by step as in PyTorch."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from tests.helpers import PATIENCE

ROOT = Path(__file__).resolve().parents[1]
NETS = ROOT / "examples" / "nets"
STEPS = 50


def command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", str(NETS / f"{name}.py"), *arguments]


def environment() -> dict[str, str]:
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def run(name: str, *arguments: str, folder: Path) -> str:
    done = subprocess.run(
        command(name, *arguments), cwd=folder, env=environment(), capture_output=True, text=True,
        encoding="utf-8", timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def defined(name: str, library: Any, layers: Any) -> SimpleNamespace:
    """The classes and functions of an example, with the words of one library or the other."""
    tree = ast.parse((NETS / f"{name}.py").read_text())
    kept = [
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.Assign) and node != tree.body[-1]
    ]
    words = {
        "nn": layers,
        "F": layers.functional,
        "np": np,
        "math": __import__("math"),
        "Path": Path,
    }
    words |= {
        n: getattr(library, n)
        for n in ("Tensor", "arange", "cat", "zeros", "tensor", "no_grad", "randn")
    }
    code = compile(ast.Module(kept, []), name, "exec")
    exec(code, words)  # noqa: S102
    return SimpleNamespace(**words)


MODELS: dict[str, tuple[str, Any]] = {
    **{
        f"gpt, {positions}": ("gpt", lambda e, p=positions: e.GPT(20, 16, 16, 2, 2, p))
        for positions in ("learnt", "sinusoidal", "rotary")
    },
    "lstm": ("lstm", lambda e: e.Writer(20, 16)),
    "lstm, two layers": ("lstm", lambda e: e.Writer(20, 16, 2)),
    "vae": ("vae", lambda e: e.VAE()),
    "vit": ("vit", lambda e: e.ViT().eval()),  # without dropout, whose draws differ
    "lenet": ("lenet", lambda e: e.small().eval()),
}


def losses(library: Any, layers: Any, name: str, state: Any = None) -> tuple[list[float], Any]:
    """The losses of the first steps of AdamW, from weights that are given, and those weights."""
    file, make = MODELS[name]
    example = defined(file, library, layers)
    model = make(example)
    if state is not None:
        model.load_state_dict({k: library.tensor(v) for k, v in state.items()})
    first = {k: np.array(v.detach().numpy()) for k, v in model.state_dict().items()}
    own = {"gpt": "Loss", "vae": "Bound"}.get(file)
    loss_of = getattr(example, own)() if own else layers.CrossEntropyLoss()
    optim = nn.optim if library is ag else library.optim
    optimizer = optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    rng, found = np.random.default_rng(0), []
    digits = nn.datasets.digits()
    for _ in range(STEPS):
        if file in ("gpt", "lstm"):
            text = np.arange(17) * rng.integers(1, 4, (4, 1)) % 20
            x, y = library.tensor(text[:, :-1]), library.tensor(text[:, 1:])
        else:
            some = rng.integers(0, len(digits.data), 16)
            x = library.tensor((digits.data[some] / 16).astype("float32"))
            x = x.reshape(-1, 1, 8, 8) if file == "lenet" else x
            y = library.tensor(digits.target[some])
        if file == "vae":
            noise = library.tensor(rng.standard_normal((16, 4)).astype("float32"))
            loss = loss_of(model(x, noise), x)
        else:
            loss = loss_of(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found, first


@pytest.mark.parametrize("name", MODELS)
def test_the_losses_of_the_first_steps_are_those_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    ag.manual_seed(0)
    ours, first = losses(ag, nn, name)
    theirs, _ = losses(torch, torch.nn, name, first)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    assert ours[-1] < 0.9 * ours[0]


@pytest.mark.parametrize("positions", ["learnt", "rotary"])
def test_the_gpt_learns_more_than_counts_of_letters(tmp_path: Path, positions: str) -> None:
    few = ["--epochs", "3", "--batches", "50", "--width", "32", "--length", "32"]
    output = run("gpt", *few, "--positions", positions, folder=tmp_path)
    by_counts = float(re.search(r"counts of letters +([\d.]+)", output)[1])
    # the text is that of the Python at hand
    assert float(re.findall(r"held out ([\d.]+)", output)[-1]) < by_counts - 0.05
    assert (tmp_path / "out" / "gpt.svg").stat().st_size > 5000


def test_the_vit_learns_digits(tmp_path: Path) -> None:
    output = run("vit", "--epochs", "16", folder=tmp_path)
    assert float(re.search(r"held-out accuracy ([\d.]+)", output)[1]) > 0.8
    assert float(re.search(r"softmax regression ([\d.]+)", output)[1]) > 0.9
    assert (tmp_path / "out" / "vit.svg").stat().st_size > 5000


def test_the_lstm_learns_more_than_counts_of_letters(tmp_path: Path) -> None:
    few = ["--epochs", "3", "--batches", "50", "--width", "64", "--length", "32"]
    output = run("lstm", *few, folder=tmp_path)
    by_counts = float(re.search(r"counts of letters +([\d.]+)", output)[1])
    assert float(re.findall(r"held out ([\d.]+)", output)[-1]) < by_counts - 0.2
    assert (tmp_path / "out" / "lstm.svg").stat().st_size > 5000


def test_the_vae_gives_digits_back_better_than_principal_components(tmp_path: Path) -> None:
    output = run("vae", "--epochs", "40", folder=tmp_path)
    linear = float(re.search(r"principal components ([\d.]+)", output)[1])
    assert float(re.search(r"held-out error ([\d.]+)", output)[1]) < 0.95 * linear
    assert (tmp_path / "out" / "vae.svg").stat().st_size > 5000


def test_the_lenet_learns_digits(tmp_path: Path) -> None:
    output = run("lenet", "--epochs", "12", folder=tmp_path)
    found = float(re.search(r"held-out accuracy ([\d.]+)", output)[1])
    assert found > 0.95 and found > float(re.search(r"softmax regression ([\d.]+)", output)[1])
    assert (tmp_path / "out" / "lenet.svg").stat().st_size > 5000


@pytest.mark.parametrize("name", ["gpt", "lstm", "vae"])
def test_ctrl_c_ends_with_what_there_is(tmp_path: Path, name: str) -> None:
    if sys.platform == "win32":
        pytest.skip("signals")
    process = subprocess.Popen(
        command(name, "--epochs", "5000", *[] if name == "vae" else ["--batches", "10"]),
        cwd=tmp_path, env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        for line in process.stdout:
            if line.startswith("epoch   2"):
                break
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "interrupted" in errors and "Traceback" not in errors
    assert "saved" in output and (tmp_path / "out" / f"{name}.svg").exists()


@pytest.mark.parametrize("name", ["gpt", "lenet", "lstm", "vae", "vit"])
def test_help_tells_what_the_example_shows(name: str, tmp_path: Path) -> None:
    assert "usage:" in run(name, "--help", folder=tmp_path)
    assert not list(tmp_path.iterdir())
