"""The README runs: its examples as doctests, its command blocks where CI finds them."""

import doctest
import re
from pathlib import Path

import pytest

from tests.speed import __main__ as speed
from tests.test_docs import WRITTEN

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()


def test_examples_run():
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    found = doctest.testfile(str(ROOT / "README.md"), module_relative=False, optionflags=flags)
    assert found.attempted > 20
    assert found.failed == 0


def test_the_first_two_sh_blocks_are_the_main_job_and_the_tests():
    first, second = re.findall(r"^```sh\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)[:2]
    assert "examples/quickstart.py" in first
    assert "-m pytest" in second
    assert all("venv" in block for block in (first, second))


def test_it_is_short_enough_to_be_read():
    assert len(TEXT.splitlines()) <= 200


def test_it_links_to_the_documentation():
    links = re.findall(r"\]\((docs/[^)]+)\)", TEXT)
    assert len(links) > 8


@pytest.mark.parametrize("path", [ROOT / "README.md", *WRITTEN], ids=str)
def test_every_file_named_exists(path):
    text = path.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if ":" not in link]
    paths = re.findall(r"`((?:autograd_lite|nn|tests|examples|docs|\.github)/[\w/.]*)`", text)
    assert all((path.parent / link).exists() for link in links if not link.startswith("out/"))
    assert all((ROOT / path).exists() for path in paths)


# ---- figures: each is what a command prints -----------------------------------------------------


def tables(text):
    """The tables of a page as rows of cells, each with the text since the table before."""
    for told, block in re.findall(r"((?:^(?!\|).*\n)+)((?:^\|.*\n)+)", text, re.MULTILINE):
        head, _, *rows = [[c.strip() for c in line.split("|")[1:-1]] for line in block.splitlines()]
        yield told, head, rows


SPEED = (ROOT / "docs" / "speed.md").read_text()
(CODE,) = (
    {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}
    for _, head, rows in tables(SPEED)
    if head[2:] == [*speed.CODE_KINDS]
)


def test_the_page_on_speed_holds_the_tables_that_the_benchmark_prints():
    """Each after the word that chooses it, with the columns that it has."""
    assert [*CODE] == [*(f"{name}, 1" for name in speed.CODE), "1024, 1024, 2"]
    heads = {"issue": speed.HEADS["code"][:-1]} | speed.HEADS  # without what is aimed at
    found = [*tables(SPEED)]
    assert len(found) == 9
    for told, head, _ in found:
        words = re.findall(r"`(?:python -m tests\.speed )?(\w+)`", told) or ["blocks"]
        assert head in [heads.get(w) for w in [*words, "embedding"]], f"{head} of {words}"
    commands = re.findall(r"`python -m tests\.speed([^`]*)`", SPEED)
    words = {w for command in commands for w in command.split()}
    assert words - {"--quick", "--kernels"} <= set(speed.TABLES)


def test_what_is_said_of_a_table_is_in_it():
    steps = {n: row for n, row in CODE.items() if "chain" not in n and "attention" not in n}
    times = sorted(float(row["C"]) for row in steps.values())
    told = f"takes {times[0]:.2f} to {times[-1]:.2f} of the time of one written by hand"
    assert told in " ".join(TEXT.split())
    for name, row in steps.items():
        others = ("NumPy code", "eager", "PyTorch eager", "torch.compile", "JAX jit")
        c, products, *slower = (float(row[kind]) for kind in ("C", "products", *others))
        if name.endswith(", 1"):  # one thread
            assert c < min(slower), name
        if name[0].isdigit() and name != "1, 8, 1":  # the larger nets
            assert c < products, name
    for _, head, rows in tables(SPEED):
        if head in (speed.HEADS["recurrent"], speed.HEADS["blocks"]):
            for found in (dict(zip(head, row, strict=True)) for row in rows):
                told = [float(found[kind]) for kind in ("compiled", "PyTorch eager", "eager")]
                assert told[0] <= told[1] and told[2] <= 1.15, found
    parts = next(rows for _, head, rows in tables(SPEED) if head == speed.HEADS["parts"])
    (usual,) = (row for row in parts if row[0] == "16, 64: compiled")
    assert 0.2 < float(usual[2]) / float(usual[1]) < 0.3  # "a quarter"


def test_the_page_on_the_lecture_has_its_slides_and_their_minutes():
    from examples.lecture import SLIDES

    ((_, _, rows),) = tables((ROOT / "docs" / "guide" / "lecture.md").read_text())
    assert [row[:2] for row in rows] == [[str(slide.minutes), slide.title] for slide in SLIDES]
