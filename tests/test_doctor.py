"""`python -m autograd_lite doctor`."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_lite
from autograd_lite import doctor

HASWELL = {
    "internal_api": "openblas",
    "version": "0.3.30",
    "architecture": "Haswell",
    "num_threads": 2,
}


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "autograd_lite", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_prints_versions_blas_renderer_and_parts() -> None:
    done = run("doctor")
    assert done.returncode == 0
    assert done.stderr == ""
    for text in (f"autograd_lite {autograd_lite.__version__}", f"NumPy {np.__version__}", "BLAS"):
        assert text in done.stdout
    assert {*doctor.PARTS} <= {line.split()[0] for line in done.stdout.splitlines()}


def test_help_names_the_commands() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert all(
        f"`python -m autograd_lite {name}`" in done.stdout
        for name in ("doctor", "grade", "playground")
    )


def test_another_command_is_an_error() -> None:
    done = run("docter")
    assert done.returncode == 1
    assert "unknown command 'docter'; use: python -m autograd_lite doctor" in done.stderr


def test_the_variable_is_named_where_the_cpu_could_do_better() -> None:
    lines = list(doctor.blas_lines([HASWELL], {"avx2", "avx512f"}))
    assert lines[0] == "BLAS          openblas 0.3.30, kernels Haswell, 2 threads"
    one = list(doctor.blas_lines([HASWELL | {"num_threads": 1}], set()))
    assert one[0].endswith("kernels Haswell, 1 thread")
    assert "set OPENBLAS_CORETYPE=SkylakeX before Python starts" in lines[1]


@pytest.mark.parametrize(
    ("pool", "flags"),
    [
        (HASWELL, {"avx2"}),
        (HASWELL | {"architecture": "SkylakeX"}, {"avx512f"}),
        (HASWELL | {"internal_api": "mkl"}, {"avx512f"}),
    ],
)
def test_it_is_not_named_elsewhere(
    pool: dict[str, Any], flags: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(doctor.KERNEL, raising=False)
    assert len(list(doctor.blas_lines([pool], flags))) == 1


def test_a_variable_that_is_set_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(doctor.KERNEL, "SkylakeX")
    lines = list(doctor.blas_lines([HASWELL | {"architecture": "SkylakeX"}], {"avx512f"}))
    assert lines[1].strip() == "OPENBLAS_CORETYPE=SkylakeX is set"


def test_without_threadpoolctl_the_command_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    assert doctor.blas() is None
    (line,) = doctor.blas_lines(None, set())
    assert line.endswith("python -m pip install threadpoolctl")


def test_flags_of_the_cpu_are_read(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("model name\t: x\nflags\t\t: fpu avx512f\n\nflags\t\t: avx2\n")
    assert doctor.cpu_flags(file) == {"fpu", "avx512f", "avx2"}
    assert doctor.cpu_flags(tmp_path / "none") == set()


def test_what_is_missing_comes_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "tqdm":
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(metadata, "version", version)
    lines = list(doctor.missing())
    command = "python -m pip install tqdm"
    assert f"tqdm          missing (progress bars in nn.train): {command}" in lines
    assert "scipy         1.0" in lines


def test_the_renderer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRAD_LITE_DOT", "no-such-program")
    assert "AUTOGRAD_LITE_DOT='no-such-program' was asked for" in doctor.renderer()
    monkeypatch.delenv("AUTOGRAD_LITE_DOT")
    monkeypatch.setattr("autograd_lite.graph.render.candidates", lambda backend: iter(()))
    assert doctor.renderer().startswith("none")


def test_a_reader_that_has_enough_sees_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "autograd_lite", "doctor"]
    done = subprocess.run(command, check=False, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_is_imported_late_is_listed() -> None:
    assert {"derive", "compile", "draw", "tensor", "__version__"} <= {*dir(autograd_lite)}
