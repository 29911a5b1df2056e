"""What students hand in: every form of it, and what is none."""

import json
import os
import zipfile

import pytest

from autograd_lite.grading import submissions
from autograd_lite.grading.submission import read

CODE = "def gradients(): return {}"


def notebook(*cells):
    kinds = [{"cell_type": "markdown", "source": ["# Homework"]}]
    kinds += [{"cell_type": "code", "source": cell.splitlines(True)} for cell in cells]
    return json.dumps({"cells": kinds, "nbformat": 4, "nbformat_minor": 5, "metadata": {}})


def test_a_script_a_notebook_a_folder_and_a_zip_are_submissions(tmp_path):
    (tmp_path / "ada.py").write_text(CODE)
    (tmp_path / "bob.ipynb").write_text(notebook("import numpy as np", CODE))
    (tmp_path / "eva").mkdir()
    (tmp_path / "eva" / "net.py").write_text(CODE)
    (tmp_path / "eva" / "plots.py").write_text("1 / 0")
    with zipfile.ZipFile(tmp_path / "kim.zip", "w") as archive:
        archive.writestr("__MACOSX/._net.py", "junk")
        archive.writestr("homework/net.ipynb", notebook(CODE))
        archive.writestr("homework/other.py", "1 / 0")
    (tmp_path / ".DS_Store").write_text("")
    found = submissions(tmp_path, "net.py")
    assert [s.student for s in found] == ["ada", "bob", "eva", "kim"]
    assert not any(s.error for s in found)
    names = [[name for name, _ in s.cells] for s in found]
    assert names == [
        ["ada.py"],
        ["bob.ipynb, cell 1", "bob.ipynb, cell 2"],
        ["net.py"],
        ["net.ipynb, cell 1"],
    ]
    assert all(s.cells[-1][1] == CODE for s in found)


def test_what_is_ipythons_alone_does_nothing(tmp_path):
    cells = "%matplotlib inline\nx = 5 % 2\n!pip install torch\nnp.sum?", "%%time\nx = 1"
    (tmp_path / "net.ipynb").write_text(notebook(*cells))
    (_, first), (_, second) = read(tmp_path / "net.ipynb", "net.py").cells
    exec(compile(first, "cell", "exec"), names := {})  # noqa: S102
    assert names["x"] == 1 and second == ""


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({}, "There is no net.py, and no other script or notebook."),
        ({"a.py": "", "b.py": ""}, "There is no net.py among a.py, b.py."),
        ({"net.ipynb": "{"}, "net.ipynb is no text in UTF-8, or no notebook."),
        ({"net.py": b"\xff\xfe"}, "net.py is no text in UTF-8, or no notebook."),
        ({"net.py": b"#" * ((1 << 20) + 1)}, "net.py is larger than 1 MiB."),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_what_is_no_submission_is_told(tmp_path, content, told, zipped):
    path = tmp_path / ("ada.zip" if zipped else "ada")
    if zipped:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in content.items():
                archive.writestr(name, text)
    else:
        path.mkdir()
        for name, text in content.items():
            (path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    found = read(path, "net.py")
    assert (found.student, found.cells, found.error) == ("ada", (), told)


def test_a_zip_that_is_none_and_one_that_grows_are_told(tmp_path):
    (tmp_path / "ada.zip").write_text("no zip")
    assert read(tmp_path / "ada.zip", "net.py").error.startswith("It cannot be read: ")
    with zipfile.ZipFile(tmp_path / "bob.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net.py", bytes(200 << 20))
    assert (tmp_path / "bob.zip").stat().st_size < 1 << 20
    assert read(tmp_path / "bob.zip", "net.py").error == "net.py is larger than 1 MiB."


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_links_to_what_is_not_the_students_are_not_followed(tmp_path):
    (tmp_path / "solution.py").write_text(CODE)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ada.py").symlink_to(tmp_path / "solution.py")
    (tmp_path / "in" / "bob").mkdir()
    (tmp_path / "in" / "bob" / "net.py").symlink_to(tmp_path / "solution.py")
    found = submissions(tmp_path / "in", "net.py")
    assert [s.error for s in found] == [
        "It is a link, which is not followed.",
        "There is no net.py, and no other script or notebook.",
    ]
