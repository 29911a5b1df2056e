"""The documentation: its examples run, and every public name has a page. CI builds it."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import autograd_lite as ag
import nn

DOCS = Path(__file__).parents[1] / "docs"
WRITTEN = sorted(p for p in DOCS.rglob("*.md") if "out" not in p.relative_to(DOCS).parts)


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        return import_module("pages")


@pytest.mark.parametrize("path", WRITTEN, ids=lambda p: str(p.relative_to(DOCS)))
def test_examples_run(path: Path) -> None:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.testfile(str(path), module_relative=False, optionflags=flags).failed == 0


def test_every_public_name_has_a_page(pages: ModuleType) -> None:
    paths = {name.path for _, names in pages.listed() for name in names}
    functions = {f"autograd_lite.{name}" for name in ag.__all__}
    assert functions | {f"nn.{name}" for name in nn.layers.__all__} <= paths


def test_a_page_has_the_formula_of_its_row_and_a_checked_gradient(pages: ModuleType) -> None:
    page = pages.page(pages.Name("autograd_lite", "tanh"))
    assert "dx = g * (1 - y * y)" in page and r"\bar{x} &= g \odot" in page
    assert "5 cases" in page and "`torch.tanh` in PyTorch, `np.tanh` in NumPy" in page


def test_a_page_of_a_layer_has_its_formula(pages: ModuleType) -> None:
    page = pages.page(pages.Name("nn", "Linear"))
    assert "**Formula** of `Linear(2, 2)`, from X to Y: `Y = X · Wᵀ + b`" in page


def test_every_picture_of_the_gallery_is_made(pages: ModuleType, tmp_path: Path) -> None:
    """The page has its code; the command that it names makes the same files."""
    from examples import gallery

    for name in gallery.PICTURES:
        assert gallery.made(name).to_dot().startswith("digraph"), name
    assert set(gallery.FILMS) <= set(gallery.PICTURES)


def test_links_are_followed(tmp_path: Path) -> None:
    """As CI does it for the whole site: a missing file, a missing place, what another host has."""
    (tmp_path / "a.html").write_text('<a href="b.html#p"></a><a href="https://other"></a>')
    (tmp_path / "b.html").write_text('<p id="p"></p><img src="data:,">')
    command = [sys.executable, str(DOCS.parent / ".ci" / "links.py"), str(tmp_path)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    (tmp_path / "c.html").write_text(
        '<a href="b.html#q"></a><a href="d.html"></a><img src="//h/x">'
    )
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1 and "3 wrong" in done.stdout


def test_a_page_names_its_twins(pages: ModuleType) -> None:
    """In PyTorch's places, also where ours are others; or it says that there is none."""
    for place, name, twin in (
        ("nn.optim", "Adam", "`torch.optim.Adam` in PyTorch"),
        ("nn.data", "DataLoader", "`torch.utils.data.DataLoader` in PyTorch"),
        ("autograd_lite", "gelu", "`torch.nn.functional.gelu` in PyTorch"),
        ("autograd_lite", "draw", "no such name in PyTorch"),
        ("autograd_lite", "Graph", "no such name in PyTorch"),
        ("autograd_lite", "cbrt", "no such name in PyTorch, `np.cbrt` in NumPy"),
    ):
        assert f"**Elsewhere**: {twin}" in pages.page(pages.Name(place, name)), name


def test_links_lead_to_the_repository_where_it_has_an_address(
    pages: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a page, of what is defined, and for who found a mistake; without an address there is none."""
    here = "https://host/owner/name"
    for address in ("", here):
        monkeypatch.setattr(pages, "ADDRESS", address)
        told = pages.page(pages.Name("autograd_lite", "tanh")).partition("**Source**: ")[2]
        path, line = re.fullmatch(r"\[?`(.+)`.*, line (\d+)\.\n:::::\n", told).groups()
        text = (DOCS.parent / path).read_text("utf-8").splitlines()[int(line) - 1 :]
        assert any(row.startswith("def tanh(") for row in text[:3])
        assert (f"]({here}/blob/main/{path}#L{line})" in told) == bool(address)
        assert (here in str(pages.ways(address))) == bool(address)
    assert pages.ways("") == {} and pages.ways(here)["footer_icons"][0]["url"] == f"{here}/issues"
    context = {"page_source_suffix": ".md"}
    pages.written_by_hand(None, "guide/see", "", context, None)
    assert context["page_source_suffix"] == ".md"
    pages.written_by_hand(None, "out/reference/index", "", context, None)
    assert not context["page_source_suffix"]


def test_a_wrong_example_or_gradient_stops_the_build(
    pages: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = pages.Name("autograd_lite", "tanh")
    monkeypatch.setattr(name.value, "__doc__", ">>> 1 + 1\n3\n")
    with pytest.raises(ValueError, match=r"the example of autograd_lite\.tanh"):
        pages.ran(name)
    monkeypatch.setattr(ag.ops.cos, "rules", (lambda g, y, x: g,))
    with pytest.raises(ag.GradcheckError):
        pages.checked("cos")
